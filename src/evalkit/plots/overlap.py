"""Overlap as a picture: how likely units were to be treated by their covariates, the treated upwards, the comparison downwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.diagnostics.balance import Balance
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import judged, numbered
from evalkit.plots.look import COMPARISON, INK, TREATED, WIDE, axes_for, look
from evalkit.plots.notes import is_own, key, label
from evalkit.words import catalogue

SOURCE = "evalkit.diagnostics.balance.balance(design, weighted).histogram"
ARMS = ("treated", "comparison", "weighted")
HEADROOM, APART = 1.12, 0.22  # of the tallest bar; of a panel, for the name of the next cohort


def plot_overlap(
    table: Balance | pd.DataFrame,
    *,
    treated: str | None = None,
    comparison: str | None = None,
    lang: str = "zh",
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return mirrored histograms of the propensity score, one above the other by cohort, all on one scale.

    Parameters
    ----------
    table : Balance or DataFrame
        What :func:`evalkit.diagnostics.balance.balance` returns, or its ``histogram``: ``cohort``, ``arm`` ("treated", "comparison" and,
        where there are weights, "weighted"), ``low``, ``high`` (ends of the bin, 0 to 1) and ``share`` (of the arm).
    treated, comparison : what readers call the two groups
    lang, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`; the height follows the cohorts without one

    Raises
    ------
    ReportError
        For frames without these columns, other arms, and bins outside of 0 to 1.

    Notes
    -----
    Cohort i stands around the height -i times the distance of two panels, which is the caller's business only on axes of the
    caller's own; ticks are shares of each group, in both directions.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.balance import balance
    >>> design = ek.example_design(covariates=["labour_share"], comparison="never_treated")
    >>> axes = plot_overlap(balance(design, ek.Weighted("entropy")), lang="en")
    >>> [text.get_text() for text in axes.texts]
    ['Cohort of 2015', 'Cohort of 2016', 'Cohort of 2017']
    """
    words, bins = catalogue(lang), _bins(table)
    called = {
        "treated": treated or words.say("plot.overlap.treated"),
        "comparison": comparison or words.say("plot.overlap.comparison"),
        "weighted": words.say("figure.overlap.weighted"),
    }
    cohorts = sorted(set(bins["cohort"]))
    up, down = (HEADROOM * float(bins.loc[side, "share"].max()) for side in (bins["arm"] == "treated", bins["arm"] != "treated"))
    step = (1 + APART) * (up + down)
    with look():
        axes = axes_for(axes, lang, simulated, "overlap", width, height or 1.0 + 1.4 * len(cohorts))
        axes.grid(False)
        ticks: list[tuple[float, str]] = []
        middles = {cohort: -place * step for place, cohort in enumerate(cohorts)}
        _bars(axes, called, bins, middles)
        for cohort, middle in middles.items():
            weighted = bins[(bins["cohort"] == cohort) & (bins["arm"] == "weighted")]
            if len(weighted):
                _outline(axes, weighted, middle, called["weighted"] if cohort == cohorts[0] else "_")
            axes.axhline(middle, color=INK, linewidth=0.8)
            ticks += _ticks(middle, up, down)
            text = words.say("figure.overlap.panel", year=f"{cohort:g}")
            axes.annotate(
                text, (0, middle + up), xycoords=("axes fraction", "data"), xytext=(4, 1), textcoords="offset points", fontsize=9
            )
        axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
        axes.set_ylim(-(len(cohorts) - 1) * step - down, up + (APART if is_own(axes) else 4 * APART) * (up + down))
        axes.set_xlim(-0.02, 1.02)
        marks = [0, 0.25, 0.5, 0.75, 1]
        axes.set_xticks(marks, [numerals.fixed(mark, 2) for mark in marks])
        label(axes, words.say("plot.overlap.y"), words.say("figure.overlap.x"))
        key(axes)
    return axes


def _bins(table: Balance | pd.DataFrame) -> pd.DataFrame:
    if isinstance(table, Balance) and table.histogram.empty:
        raise ReportError(
            f"The covariates tell the groups apart perfectly in every cohort ({first_five(table.separated)}), so there is no propensity to draw."
        )
    bins = judged(table.histogram if isinstance(table, Balance) else table, ("cohort", "arm", "low", "high", "share"), SOURCE)
    bins = numbered(bins, ("cohort", "low", "high", "share"), "cohort")
    if odd := sorted({str(arm) for arm in bins["arm"]} - set(ARMS)):
        raise ReportError(f"Unknown arms: {first_five(odd)}. Allowed: {', '.join(ARMS)}.")
    if lacking := [cohort for cohort, part in bins.groupby("cohort") if not {"treated", "comparison"} <= set(part["arm"])]:
        raise ReportError(
            f"Cohorts without bins of both groups: {first_five(lacking)}. Both are needed to see whether they overlap."
        )
    outside = (bins["low"] < -1e-9) | (bins["high"] > 1 + 1e-9) | (bins["low"] > bins["high"])
    if outside.any():
        raise ReportError(
            f"A propensity lies between 0 and 1; bins of these cohorts do not: {first_five(bins['cohort'][outside].unique())}."
        )
    if (bins["share"] < 0).any() or not (bins.groupby("arm")["share"].max()[["treated", "comparison"]] > 0).all():
        raise ReportError(f"Shares of an arm are 0 or more, and some above 0; give them as {SOURCE} returns them.")
    return bins


def _bars(axes: Axes, called: dict[str, str], bins: pd.DataFrame, middle: dict[Any, float]) -> None:
    """Draw the shares: filled bars up and hatched bars down, each only where somebody is."""
    arms: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("treated", 1, {"facecolor": TREATED, "edgecolor": "white", "linewidth": 0.4}),
        ("comparison", -1, {"facecolor": "#f3dcc4", "edgecolor": COMPARISON, "hatch": "////", "linewidth": 0.5}),
    )
    for arm, sign, looks in arms:
        kept = bins[(bins["arm"] == arm) & (bins["share"] > 0)]
        for place, (cohort, low, high, share) in enumerate(kept[["cohort", "low", "high", "share"]].itertuples(index=False)):
            name = called[arm] if place == 0 else "_"
            bar = Rectangle((low, middle[cohort]), high - low, sign * share, label=name, zorder=2, **looks)
            axes.add_artist(bar)  # limits are set for all; add_patch would measure each


def _outline(axes: Axes, weighted: pd.DataFrame, middle: float, name: str) -> None:
    """Draw the weighted comparison of one cohort downwards."""
    told = weighted.sort_values("low")
    edges = np.append(told["low"].to_numpy(), told["high"].iloc[-1])
    axes.stairs(middle - told["share"].to_numpy(), edges, baseline=middle, color=INK, linewidth=1.3, label=name, zorder=2.5)


def _ticks(middle: float, up: float, down: float) -> list[tuple[float, str]]:
    """Return the ticks of one panel: shares of each group, in both directions."""
    found = [tick for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(-down, up) if -down <= tick <= up]
    return [(middle + tick, numerals.whole_percent(abs(tick))) for tick in found]
