"""Mean outcomes of the groups over time, as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from evalkit import numerals
from evalkit.design import Design
from evalkit.errors import ReportError, first_five
from evalkit.plots.given import factor, judge_names, judged, numbered
from evalkit.plots.look import COMPARISON, INK, PALE, TREATED, WIDE, axes_for, look, value_ticks
from evalkit.plots.texts import money, sentence, whole, year_ticks
from evalkit.words import catalogue

SOURCE = "a frame with one row for each group and period, or an evalkit.Design"
COLUMNS = ("group", "period", "mean")
# Line and marker first, then colour: treated solid with dots, comparison dashed with squares, others by their order.
LOOKS: tuple[tuple[Any, str, str], ...] = (
    ("-", "o", TREATED),
    ((0, (5, 2)), "s", COMPARISON),
    ((0, (1.5, 1.5)), "^", INK),
    ((0, (6, 2, 1, 2)), "D", PALE),
)
EVEN = tuple(
    tuple(n / parts for n in range(parts, 10 * parts)) for parts in (1, 2, 5, 10)
)  # ticks of a narrow range, from coarse to fine
KNOWN = ("treated", "comparison")
Lines = dict[str, dict[int, float]]


def plot_trends(
    means: pd.DataFrame | Design,
    *,
    starts: tuple[int, int] | None = None,
    names: Mapping[str, str] | None = None,
    lang: str = "zh",
    scale: str = "log",
    unit: str | None = None,
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 3.5,
) -> Axes:
    """Return the mean of each group over time; on a log axis parallel lines are equal growth.

    Parameters
    ----------
    means : DataFrame or Design
        ``group`` ("treated", "comparison" or up to four of your own), ``period`` and ``mean``. Of a Design the means (weighted where
        its panel is) of its outcome in units that are treated at any time and in the others are drawn as they are, on a plain axis,
        with the first and the last start.
    starts : the first and the last year of start, marked
    names : what readers call the groups
    scale : "log" (an axis in money with equal steps for equal growth) or "level"
    lang, unit, simulated, axes, width, height : as in :func:`evalkit.plots.event_study.plot_event_study`

    Raises
    ------
    ReportError
        For frames without these columns, means that cannot stand on a log axis, more than four groups, and a group that has two rows
        for one period.

    Examples
    --------
    >>> import evalkit as ek
    >>> axes = plot_trends(ek.example_design(), lang="en")
    >>> axes.get_title(loc="left")
    'Mean of log_income'
    """
    factor(scale)
    of_design = isinstance(means, Design)
    title = sentence(lang, f"axis.trend_{scale}", money=money(lang, unit))
    if isinstance(means, Design):
        title, scale = catalogue(lang).say("plot.trends.mean_of", outcome=means.outcome), "level"
        starts = starts or _starts(means)
    lines = _lines(_of_design(means) if isinstance(means, Design) else means, scale)
    called = {group: _called(group, dict(names or {}), lang) for group in lines}
    with look():
        axes = axes_for(axes, lang, simulated, "trends", width, height)
        looks = dict(zip(lines, LOOKS, strict=False))
        for group, line in lines.items():
            style, marker, color = looks[group]
            axes.plot(
                list(line),
                list(line.values()),
                color=color,
                linestyle=style,
                marker=marker,
                markersize=4.5,
                linewidth=1.8,
                label=called[group],
            )
        axes.margins(y=0.13)
        _value_axis(axes, [value for line in lines.values() for value in line.values()], scale, of_design)
        axes.set_title(title)
        _name_lines(axes, lines, called, {group: one[2] for group, one in looks.items()})
        _mark_starts(axes, starts, lang)
        year_ticks(axes, {period for line in lines.values() for period in line})
    return axes


def _starts(design: Design) -> tuple[int, int] | None:
    cohorts = design.cohort[np.isfinite(design.cohort)]
    return (int(cohorts.min()), int(cohorts.max())) if len(cohorts) else None


def _of_design(design: Design) -> pd.DataFrame:
    """Return the weighted mean outcome of units ever treated and of the others, by period."""
    weight = np.ones(len(design.y)) if design.w is None else design.w
    frame = pd.DataFrame(
        {
            "group": np.where(np.isfinite(design.cohort)[design.unit_index], *KNOWN),
            "period": design.periods[design.period_index],
            "weight": weight,
            "weighted": weight * design.y,
        }
    )
    sums = frame.groupby(["group", "period"], as_index=False)[["weight", "weighted"]].sum()
    return sums.assign(mean=sums["weighted"] / sums["weight"])


def _lines(means: pd.DataFrame, scale: str) -> Lines:
    """Return the mean by period of each group, the treated and the comparison first."""
    table = judged(means, COLUMNS, SOURCE)
    judge_names(table, "group")
    table = numbered(whole(table, "period"), ("mean",), "group")
    if (twice := table.duplicated(["group", "period"])).any():
        rows = table[twice]
        raise ReportError(
            f"These groups have several rows for one period: {first_five(f'{g} ({p})' for g, p in zip(rows['group'], rows['period'], strict=True))}."
        )
    if scale == "log" and (low := table["mean"] <= 0).any():
        raise ReportError(
            f"Means of zero or less have no place on a log axis: {first_five(table['group'][low])}. Say scale='level'."
        )
    groups = [str(group) for group in dict.fromkeys(table["group"])]
    if len(groups) > len(LOOKS):
        raise ReportError(
            f"{len(groups)} groups cannot be told apart in one picture: {first_five(groups)}. Draw at most {len(LOOKS)}."
        )
    groups = [group for group in KNOWN if group in groups] + [group for group in groups if group not in KNOWN]
    table = table.assign(group=table["group"].astype(str)).sort_values("period")
    parts = {group: table[table["group"] == group] for group in groups}
    return {
        group: dict(zip(part["period"].tolist(), part["mean"].astype(float).tolist(), strict=True)) for group, part in parts.items()
    }


def _called(group: str, names: Mapping[str, str], lang: str) -> str:
    if group in names:
        return names[group]
    return sentence(lang, f"plot.trends.{group}") if group in KNOWN else group


def _value_axis(axes: Axes, means: list[float], scale: str, plain: bool) -> None:
    if scale == "log":
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        ticks = log_ticks(0.96 * min(means), 1.02 * max(means))
        axes.set_yticks(ticks, [numerals.fixed(tick) for tick in ticks])
        return
    value_ticks(axes.yaxis, "log" if plain and max(means) - min(means) < 5 else "level")


def _name_lines(axes: Axes, lines: Lines, called: Mapping[str, str], colors: Mapping[str, str]) -> None:
    """Write each group's name beside its line: incomes rise, so there is room above the upper end and below the lower middle."""
    if len(lines) > 2:
        axes.legend(fontsize=8.5, handlelength=2.6)
        return
    last = max(max(line) for line in lines.values())
    upper = max(lines, key=lambda group: lines[group].get(last, -math.inf))
    for group, line in lines.items():
        years = sorted(line)
        at = years[-1] if group == upper else years[len(years) // 2]
        axes.annotate(
            called[group], (at, line[at]), xytext=(0, 8) if group == upper else (4, -7), textcoords="offset points",
            color=colors[group], ha="right" if group == upper else "left", va="bottom" if group == upper else "top", fontsize=9,
        )  # fmt: skip


def _mark_starts(axes: Axes, starts: tuple[int, int] | None, lang: str) -> None:
    """Mark the start by a dashed line, and the years from the first start to the last by a grey band."""
    if starts is None:
        return
    first, last = starts
    axes.axvline(first - 0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if last > first:
        axes.axvspan(first - 0.5, last - 0.5, color="#eceff2", zorder=0, linewidth=0)
    text = catalogue(lang).say("figure.trends.starts_many" if last > first else "figure.trends.starts_one", first=first, last=last)
    axes.annotate(
        text,
        (first - 0.5, 0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 3),
        textcoords="offset points",
        va="bottom",
        fontsize=8.5,
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Return four to eight round values within a range, evenly spread on a log axis.

    >>> log_ticks(5600, 16000), log_ticks(4750, 8200)
    ([6000, 8000, 10000, 15000], [5000, 6000, 7000, 8000])
    """
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), *EVEN):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [round(step * 10**power, 6) for power in powers for step in steps if low <= step * 10**power <= high]
        if len(found) >= 4:
            break
    keep = math.ceil(len(found) / 8)
    return [int(tick) if tick == int(tick) else tick for tick in found[::keep]]
