"""Balance as a picture: how far the groups differed in each covariate before weighting, and after."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit.diagnostics.balance import Balance
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import judge_names, judged, numbered
from evalkit.plots.look import COMPARISON, INK, PALE, TREATED, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import ems, is_own, key, label
from evalkit.words import Catalogue, catalogue

SOURCE = "evalkit.diagnostics.balance.balance(design, weighted)"
THRESHOLDS = ((0.10, (0, (1, 2))), (0.25, (0, (5, 2))))
APART = 0.17  # rows: how far before and after weighting stand above and below the middle
WHEN = ("before", "after")


def plot_balance(
    result: Balance | pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    lang: str = "zh",
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float | None = None,
) -> Axes:
    """Return the standardised difference of each covariate, hollow squares before weighting and filled dots after.

    Parameters
    ----------
    result : Balance or DataFrame
        What :func:`evalkit.diagnostics.balance.balance` returns, or a frame with ``covariate`` and ``difference_before``, and where
        there are ``difference_after``, ``cohort`` and ``treated_units``.
    names : covariate -> what readers call it
    lang, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`; the height follows the covariates without one

    Raises
    ------
    ReportError
        For frames without these columns, with a covariate twice in a cohort, and when no difference can be standardised.

    Notes
    -----
    With several cohorts the mark is their mean by treated units, and a thin line goes from the smallest to the largest cohort, since
    differences of opposite sign cancel in a mean. The same constant on both sides differs by nothing; different constants have no
    standard deviation, and are named in the note instead. Lines stand at 0.1 and 0.25 standard deviations.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.balance import balance
    >>> design = ek.example_design(covariates=["labour_share"], comparison="never_treated")
    >>> axes = plot_balance(balance(design, ek.Weighted("entropy")), names={"labour_share": "Labour share"}, lang="en")
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['Labour share']
    """
    words, table, several = catalogue(lang), *_rows(result)
    endless = table.loc[~np.isfinite(table["before"]) | np.isinf(table["after"]), "covariate"].tolist()
    shown = table[~table["covariate"].isin(endless)].reset_index(drop=True)
    if shown.empty:
        raise ReportError(f"No difference can be standardised, since nothing varies within the groups: {first_five(endless)}.")
    called = [(names or {}).get(name, name) for name in shown["covariate"]]
    with look():
        axes = axes_for(axes, lang, simulated, "balance", width, height or 1.7 + 0.36 * len(shown))
        axes.grid(False)
        axes.axvline(0, color=INK, linewidth=0.9)
        for size, style in THRESHOLDS:
            for sign in (-1, 1):
                axes.axvline(sign * size, color=PALE, linewidth=1, linestyle=style, zorder=0.8)
        _marks(axes, words, shown, several)
        axes.set_yticks(-np.arange(len(shown)), called)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(0.4 - len(shown), 0.6 if is_own(axes) else 0.6 + 0.25 * len(shown))
        largest = 1.12 * max(0.3, float(np.nanmax(np.abs(shown.drop(columns="covariate").to_numpy(dtype=float)))))
        axes.set_xlim(-largest, largest)
        value_ticks(axes.xaxis, "log", 5 if is_narrow(axes) else 9)
        label(axes, below=words.say("plot.balance.x"), taken=3 + max(map(ems, called)))
        key(axes, *_notes(words, several, [(names or {}).get(name, name) for name in endless]))
    return axes


def _rows(result: Balance | pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Return a row a covariate, before and after with the lowest and highest cohort, and whether there are several cohorts."""
    given = result.table if isinstance(result, Balance) else result
    table = judged(given, ("covariate", "difference_before"), SOURCE)
    judge_names(table, "covariate")
    columns = [name for name in ("difference_before", "difference_after", "treated_units") if name in table]
    table = numbered(table.assign(covariate=table["covariate"].astype(str)), (), "covariate", columns)
    cohort = table["cohort"] if "cohort" in table else pd.Series(0, index=table.index)
    if (twice := table.assign(cohort=cohort).duplicated(["cohort", "covariate"])).any():
        raise ReportError(
            f"Covariates stand twice in one cohort: {first_five(table['covariate'][twice])}. Keep one row a cohort and covariate."
        )
    if isinstance(result, Balance):
        units = cohort.map(result.cohorts.set_index("cohort")["treated_units"]).to_numpy(dtype=float)
    else:
        units = table["treated_units"].to_numpy() if "treated_units" in table else np.ones(len(table))
    weighted = "difference_after" in table and table["difference_after"].notna().any()
    rows = []
    for name in dict.fromkeys(table["covariate"]):
        part = (table["covariate"] == name).to_numpy()
        row: dict[str, object] = {"covariate": name}
        for when in WHEN:
            if when == "after" and not weighted:
                row |= dict.fromkeys(("after", "after_low", "after_high"), np.nan)
                continue
            value = table.loc[part, f"difference_{when}"].fillna(0.0).to_numpy(dtype=float)
            row |= {when: float(np.average(value, weights=units[part])), f"{when}_low": value.min(), f"{when}_high": value.max()}
        rows.append(row)
    return pd.DataFrame(rows), len(set(cohort)) > 1


def _marks(axes: Axes, words: Catalogue, shown: pd.DataFrame, several: bool) -> None:
    looks = {"before": (COMPARISON, "s", "white", APART), "after": (TREATED, "o", TREATED, -APART)}
    for when in WHEN:
        if shown[when].isna().all():
            continue
        color, marker, face, up = looks[when]
        places = up - np.arange(len(shown))
        if several:
            axes.hlines(places, shown[f"{when}_low"], shown[f"{when}_high"], color=color, linewidth=1)
        told = words.say(f"plot.balance.{when}")
        axes.plot(shown[when], places, marker, color=color, markerfacecolor=face, markersize=6, markeredgewidth=1.3, label=told)


def _notes(words: Catalogue, several: bool, endless: list[str]) -> list[str]:
    notes = [words.say("plot.balance.thresholds")] + ([words.say("plot.balance.cohorts")] if several else [])
    return notes + ([words.say("plot.balance.endless", covariates=words.listing(endless))] if endless else [])
