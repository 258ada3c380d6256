"""Placebos as a picture: where the estimate stands among those for other assignments of treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.diagnostics.replays import Replays
from evalkit.donors import AgainstDonors
from evalkit.errors import ReportError, first_five
from evalkit.inference.inversion import as_large
from evalkit.inference.permutation import Permutation
from evalkit.inference.replay import Array, Placebo
from evalkit.plots.given import factor, said, unit_of
from evalkit.plots.look import BAND, INK, TREATED, WARNING, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import ems, is_own, key, label
from evalkit.words import Catalogue, catalogue

SOURCE = (
    "evalkit.permute(...), evalkit.inference.replay.placebo(...), evalkit.against_donors(...) or evalkit.diagnostics.placebos "
    "(placebo_in_time, placebo_outcomes, placebo_groups)"
)


@dataclass(frozen=True, eq=False)
class Ranked:
    """One estimate among the draws: which count as at least as large, and what that says."""

    observed: float
    draws: Array
    large: Array
    kind: str
    alternative: str
    p_value: float
    smallest: float
    refused: int


def plot_placebos(
    result: Permutation | Placebo | AgainstDonors | Replays,
    *,
    row: int | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.7,
) -> Axes:
    """Return a histogram of the estimates under other assignments, with the estimate itself, its p-value and the smallest there can be.

    Parameters
    ----------
    result : Permutation, Placebo, AgainstDonors or Replays
        What :func:`evalkit.permute`, :func:`evalkit.inference.replay.placebo`, :func:`evalkit.against_donors` (its effect among those of
        donors) and the placebos of :mod:`evalkit.diagnostics.placebos` return; of the last, a handful of estimates with intervals,
        each is drawn in a row.
    row : which effect, by its row in ``result.table``, where there are several
    lang, scale, unit, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`

    Raises
    ------
    ReportError
        For anything else, and when several effects leave open which is meant.

    Notes
    -----
    Hatched bars are the assignments that count as at least as large, ties included, so that (hatched + refused + 1) over all
    assignments is the p-value. Assignments at which the estimator refused have no place on the axis and are told in the note.

    Examples
    --------
    >>> import evalkit as ek
    >>> found = ek.permute(ek.TwoWay(), ek.example_design(units=8, cohorts=1))
    >>> plot_placebos(found, lang="en").get_ylabel()
    ''
    """
    words = catalogue(lang)
    factor(scale)
    if isinstance(result, Replays):
        return _in_rows(result, words, lang, scale, unit, simulated, axes, width)
    ranked = _ranked(result, row)
    plain = ranked.kind == "permutation_t"
    times = 1.0 if plain else factor(scale)
    with look():
        axes = axes_for(axes, lang, simulated, "placebos", width, height)
        _bars(axes, words, ranked, times)
        value = numerals.fixed(ranked.observed, 2) if plain else said(ranked.observed, scale)
        axes.axvline(
            times * ranked.observed,
            color=WARNING,
            linewidth=1.6,
            label=words.say(f"plot.placebos.observed{'_t' if plain else ''}", value=value),
        )
        top = (1.0 if is_own(axes) else 1.4) * axes.get_ylim()[1]
        axes.plot([times * ranked.observed], [top], "v", color=WARNING, markersize=8, clip_on=False, zorder=5)
        axes.set_ylim(0, top)
        counts = [tick for tick in MaxNLocator(5, integer=True).tick_values(0, top) if 0 <= tick <= top]
        axes.set_yticks(counts, [numerals.fixed(tick) for tick in counts])
        value_ticks(axes.xaxis, "level" if plain else scale, 5 if is_narrow(axes) else 8)
        below = words.say("plot.placebos.t") if plain else words.say("plot.placebos.estimate", unit=unit_of(words, scale, unit))
        upwards = words.say(f"plot.placebos.count_{'donors' if ranked.kind == 'donors' else 'assignments'}")
        label(axes, upwards, below)
        key(axes, *_notes(words, ranked))
    return axes


def _ranked(result: Permutation | Placebo | AgainstDonors, row: int | None) -> Ranked:
    """Return the estimate and the draws it is ranked among."""
    if isinstance(result, AgainstDonors):
        draws = result.placebos["effect"].to_numpy(dtype=float)
        smallest = 1 / (len(draws) + 1)
        return _among(result.effect, draws, "two-sided", "donors", result.p_value_effect, smallest)
    if not isinstance(result, Permutation | Placebo):
        raise ReportError(f"A {type(result).__name__} holds no placebos to draw. Give what comes from {SOURCE}.")
    i = _row(result.table, row)
    told = result.table.iloc[i]
    if isinstance(result, Placebo):
        return _among(told["estimate"], result.draws[:, i], "two-sided", "placebo", told["p_value"], 1 / (told["placebos"] + 1))
    kind = "permutation" if result.statistic == "estimate" else "permutation_t"
    known = result.smallest
    return _among(told["statistic"], result.draws[:, i], known.alternative, kind, told["p_value"], known.smallest_p)


def _among(observed: float, draws: Array, alternative: str, kind: str, p_value: float, smallest: float) -> Ranked:
    large = as_large(draws[:, None], np.array([[float(observed)]]), alternative)[:, 0]
    seen = np.isfinite(draws)
    return Ranked(float(observed), draws[seen], large[seen], kind, alternative, float(p_value), float(smallest), int((~seen).sum()))


def _row(table: pd.DataFrame, row: int | None) -> int:
    if row is None and len(table) == 1:
        return 0
    if row is None or not 0 <= row < len(table):
        labels = [
            f"row={i} ({kind}{f' {at:g}' if at == at else ''})"
            for i, (kind, at) in enumerate(zip(table["kind"], table["event_time"], strict=True))
        ]
        raise ReportError(f"There are {len(table)} effects and one picture shows one. Choose one: {first_five(labels)}.")
    return row


def _bars(axes: Axes, words: Catalogue, ranked: Ranked, times: float) -> None:
    """Draw the counts of draws, those at least as large hatched and on top."""
    draws, large, observed = times * ranked.draws, ranked.large, times * ranked.observed
    count = int(np.clip(np.ceil(2 * len(draws) ** 0.5), 8, 40))
    ends = np.append(draws, observed)
    edges = np.linspace(ends.min(), ends.max(), count + 1) if np.ptp(ends) else ends[0] + np.array([-0.5, 0.5])
    inside, beyond = (np.histogram(draws[chosen], edges)[0] for chosen in (~large, large))
    step, shown = np.diff(edges), beyond > 0
    axes.bar(
        edges[:-1], inside, step, align="edge", color=BAND, edgecolor="white", linewidth=0.5,
        label=words.say("plot.placebos.others", count=f"{int(inside.sum()):,}"),
    )  # fmt: skip
    if shown.any():
        axes.bar(
            edges[:-1][shown], beyond[shown], step[shown], inside[shown], align="edge", facecolor="white", edgecolor=TREATED,
            hatch="/////", linewidth=0.6, label=words.say(f"plot.placebos.{ranked.alternative}", count=f"{int(beyond.sum()):,}"),
        )  # fmt: skip
    axes.margins(x=0.04, y=0.08)


def _notes(words: Catalogue, ranked: Ranked) -> list[str]:
    total = len(ranked.draws) + ranked.refused + 1
    rank, p, smallest = 1 + int(ranked.large.sum()) + ranked.refused, ranked.p_value, ranked.smallest
    notes = [
        words.say("plot.placebos.rank", rank=f"{rank:,}", total=f"{total:,}", p=numerals.p_sentence(p)),
        words.say("plot.placebos.smallest", smallest=numerals.p_value(smallest)),
    ]
    return notes + ([words.say("plot.placebos.refused", count=f"{ranked.refused:,}")] if ranked.refused else [])


def _in_rows(
    result: Replays, words: Catalogue, lang: str, scale: str, unit: str | None, simulated: bool, axes: Axes | None, width: float
) -> Axes:
    """Return placebos with intervals, a row each, from top to bottom as in their table."""
    told = result.told.reset_index(drop=True)
    if told.empty:
        raise ReportError(
            f"All {len(result.table)} placebos were refused, so there is nothing to draw: {result.table['refused'].iloc[0]}"
        )
    columns = list(told.columns)
    labels, times = columns[: columns.index("estimate")], factor(scale)
    names = [" · ".join(_name(words, name, line[name]) for name in labels) for _, line in told.iterrows()]
    with look():
        axes = axes_for(axes, lang, simulated, "placebos", width, 1.4 + 0.3 * len(told))
        axes.grid(False)
        axes.axvline(0, color=INK, linewidth=0.8)
        places = -np.arange(len(told))
        ranged = told["conf_low"].notna().to_numpy()
        ends = told.loc[ranged, ["conf_low", "conf_high"]].to_numpy(dtype=float).T
        if ranged.any():
            axes.hlines(places[ranged], *(times * ends), color=TREATED, linewidth=1.3, label=words.say("plot_b.interval"))
        points = times * told["estimate"].to_numpy(dtype=float)
        axes.plot(
            points, places, "o", color=TREATED, markerfacecolor="white", markersize=6, label=words.say("plot.placebos.placebo")
        )
        axes.set_yticks(places, names)
        axes.set_ylim(places[-1] - 0.6, 0.6)
        axes.margins(x=0.06)
        value_ticks(axes.xaxis, scale, 5 if is_narrow(axes) else 8)
        below = words.say("plot.placebos.row_estimate", unit=unit_of(words, scale, unit))
        label(axes, below=below, taken=3 + max(map(ems, names)))
        gone = len(result.table) - len(told)
        key(axes, words.say("plot.placebos.not_told", count=gone) if gone else "")
    return axes


def _name(words: Catalogue, name: str, value: object) -> str:
    text = str(value)
    return words.say(f"plot.placebos.label_{name}", value=text) if words.has(f"plot.placebos.label_{name}") else text
