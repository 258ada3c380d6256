"""Effects by cohort over the years since the start, one line a cohort."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalkit import numerals
from evalkit.errors import ReportError, first_five, unknown
from evalkit.plots.given import coverage, factor, judged, numbered
from evalkit.plots.look import INK, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import key
from evalkit.plots.texts import money, ranged, sentence, whole, year_ticks

SOURCE = "ek.infer(ek.GroupTime()(design))"
COLUMNS = ("cohort", "event_time", "estimate", "conf_low", "conf_high")
OVER = ("event_time", "period")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1, 2)))
MARKS = "osD^vPX*"
SHADES = ["#12436d", "#b35900", "#6f97bf", "#24292f", "#d08a45", "#5f8cb0", "#6b4a1e", "#8a929b"]
RANGED = 4  # up to so many cohorts their ranges can be told apart
SHIFT = 0.09  # of a year between the dots of neighbouring cohorts


def plot_cohort_paths(
    cells: pd.DataFrame,
    *,
    over: str = "event_time",
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.9,
) -> Axes:
    """Return the effects of each cohort over time, every cohort with its own marker and dash; hollow before its start.

    Parameters
    ----------
    cells : DataFrame
        ``cohort``, ``event_time`` (and ``period``), ``estimate``, ``conf_low``, ``conf_high`` and, if there is one, ``reference``, as
        ``ek.infer(ek.GroupTime()(design))`` returns. Rows without a cohort or a time, such as an average, are not drawn.
    over : "event_time" (years since the start) or "period" (the calendar)
    lang, scale, unit, simulated, axes, width, height : as in :func:`evalkit.plots.event_study.plot_event_study`

    Raises
    ------
    ReportError
        For frames without these columns, an unknown time, more than eight cohorts, and cells that stand there twice.

    Notes
    -----
    With more than four cohorts the ranges of single cells would hide each other and are left out of the picture, which says so.

    Examples
    --------
    >>> import evalkit as ek
    >>> axes = plot_cohort_paths(ek.infer(ek.GroupTime()(ek.example_design())), lang="en")
    >>> [text.get_text() for text in axes.get_figure().legends[0].get_texts()]
    ['Cohort of 2015', 'Cohort of 2016', 'Cohort of 2017', '95% range of each year']
    """
    if over not in OVER:
        raise ReportError(unknown("time to draw over", over, OVER))
    table, times = _judged(cells, over), factor(scale)
    cohorts = sorted(table["cohort"].unique())
    with look():
        axes = axes_for(axes, lang, simulated, "cohort_paths", width, height)
        axes.axhline(0, color=INK, linewidth=0.8)
        if over == "event_time":
            axes.axvline(-0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        for place, cohort in enumerate(cohorts):
            shift = SHIFT * (place - (len(cohorts) - 1) / 2)
            label = sentence(lang, "figure.overlap.panel", year=int(cohort))
            _path(axes, table[table["cohort"] == cohort], over, times, shift, place, label, len(cohorts) <= RANGED)
        if len(cohorts) <= RANGED and len(ranged(table)):
            percent = numerals.whole_percent(coverage(table))
            axes.plot([], [], color=INK, linewidth=1.1, label=sentence(lang, "plot.cohort_paths.range", level=percent))
        axes.set_title(sentence(lang, f"axis.{scale}", money=money(lang, unit)))
        axes.margins(y=0.08)
        value_ticks(axes.yaxis, scale)
        _time_axis(axes, table[over], over, lang)
        key(axes, "" if len(cohorts) <= RANGED else sentence(lang, "plot.cohort_paths.no_ranges"))
    return axes


def _judged(cells: pd.DataFrame, over: str) -> pd.DataFrame:
    table = judged(cells, (*COLUMNS, over), SOURCE)
    table = table[table["cohort"].notna() & table[over].notna() & table["event_time"].notna()]
    if table.empty:
        raise ReportError(f"No row has both a cohort and a {over.replace('_', ' ')}. Such a table comes from {SOURCE}.")
    table = numbered(table, ("estimate",), "cohort", COLUMNS[3:])
    table = whole(whole(whole(table, "cohort"), over), "event_time").sort_values(["cohort", over], ignore_index=True)
    if (twice := table.duplicated(["cohort", over])).any():
        cells_twice = [f"{c} ({t})" for c, t in zip(table["cohort"][twice], table[over][twice], strict=True)]
        raise ReportError(f"These cells stand in several rows: {first_five(cells_twice)}. Each cohort has one row for each time.")
    if (count := table["cohort"].nunique()) > len(MARKS):
        raise ReportError(
            f"{count} cohorts cannot be told apart in one picture: {first_five(sorted(table['cohort'].unique()))}. Draw at most "
            f'{len(MARKS)}, or ek.aggregate(cells, by="cohort") with plot_forest.'
        )
    return table


def _path(axes: Axes, part: pd.DataFrame, over: str, times: float, shift: float, place: int, label: str, with_ranges: bool) -> None:
    """Draw the line of one cohort, its dots (hollow before its start) and its ranges, a little beside those of the others."""
    color, at = SHADES[place], part[over].to_numpy(float) + shift
    values = times * part["estimate"].to_numpy(float)
    if with_ranges:
        kept = ranged(part)
        axes.vlines(kept[over] + shift, times * kept["conf_low"], times * kept["conf_high"], color=color, linewidth=1.1, alpha=0.7)
    axes.plot(
        at,
        values,
        color=color,
        linestyle=DASHES[place % len(DASHES)],
        linewidth=1.4,
        marker=MARKS[place],
        markersize=5.5,
        label=label,
    )
    before = part["event_time"].to_numpy() < 0
    size = mpl.rcParams["lines.markeredgewidth"]
    axes.plot(at[before], values[before], MARKS[place], color=color, markerfacecolor="white", markersize=5.5, markeredgewidth=size)


def _time_axis(axes: Axes, at: pd.Series[int], over: str, lang: str) -> None:
    low, high = int(at.min()), int(at.max())
    axes.set_xlim(low - 0.6, high + 0.6)
    if over == "period":
        year_ticks(axes, range(low, high + 1))
        return
    step = int(np.ceil((high - low + 1) / (9 if is_narrow(axes) else 16)))
    shown = [time for time in range(low, high + 1) if time % step == 0]
    axes.set_xticks(shown, [numerals.fixed(time) for time in shown])
    axes.set_xlabel(sentence(lang, "figure.event_study.x"))
