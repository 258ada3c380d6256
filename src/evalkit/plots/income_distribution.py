"""The distribution of income in two groups or two years, with the poverty lines and the share of people below each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from evalkit import numerals
from evalkit.errors import ReportError, first_five
from evalkit.intake.personal_patterns import policy
from evalkit.intake.poverty_lines import SCHEDULES, below_line, known_lines, schedule_name
from evalkit.plots.given import judged, numbered
from evalkit.plots.look import BAND, COMPARISON, INK, TREATED, WIDE, axes_for, is_narrow, look, value_ticks
from evalkit.plots.notes import is_own, key, label
from evalkit.plots.trends import log_ticks
from evalkit.words import Catalogue, catalogue

Array = np.ndarray[Any, Any]

SOURCE = "a panel's frame with a row per household and year, income in yuan per person per year, current prices"
DASHES: tuple[Any, ...] = ((0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
DECADE = 20  # bins of a factor of ten, half as many for few households
FEW_ROWS = 500
LINEAR_BINS = 40
MARKS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
MARKS_NARROW = (300, 1000, 3000, 10_000, 30_000, 100_000, 300_000)


@dataclass(frozen=True, eq=False)
class Bins:
    """A group's histogram: ends of the bins (n + 1,), share of its people per standard bin (n,), households (n,), and bins joined."""

    edges: Array
    share: Array
    households: Array
    joined: int


@dataclass(frozen=True, eq=False)
class Group:
    """The incomes of one group in one year, with the people that each row stands for."""

    name: str
    year: int
    income: Array
    weight: Array
    missing: int


def plot_income_distribution(
    frame: pd.DataFrame,
    *,
    income: str = "income",
    year: str = "year",
    group: str | None = None,
    weight: str | None = None,
    household: str | None = None,
    names: Mapping[object, str] | None = None,
    schedules: Sequence[str] = SCHEDULES,
    extra: str | Path | None = None,
    public: bool = False,
    log: bool = True,
    lang: str = "zh",
    simulated: bool = False,
    axes: Axes | None = None,
    width: float = WIDE,
    height: float = 4.3,
) -> Axes:
    """Return histograms of income, the first group filled and the second as a dashed outline, with the poverty lines of their years.

    Parameters
    ----------
    frame : DataFrame
        A row per household and year; ``income`` in yuan per person per year, current prices, as the lines are.
    income, year, group, weight, household : columns
        Without ``group`` the groups are the years; with it every group lies in one year. ``weight`` counts the people that a row stands
        for. ``household`` names the household, and is needed for ``public=True``.
    names : group -> what readers call it
    schedules, extra : the lines, and a file with further ones (of a province), as in :func:`evalkit.intake.poverty_lines.poverty_line`
    public : whether every bin drawn holds at least ten households, by joining it to its neighbour, and no share tells of fewer
    log : whether the axis of income is logarithmic
    lang, simulated, axes, width, height : as in :func:`evalkit.plots.bacon.plot_bacon`

    Raises
    ------
    ReportError
        For missing columns, more than two groups, a group of several years, negative weights, ``public=True`` without ``household`` or
        with a group of fewer than ten households, and when nobody has an income.

    Notes
    -----
    Heights are shares of the people drawn per bin of standard width, a joined bin showing the mean of those it joins. On a log axis incomes
    of zero and less have no place: they are counted in the note, and in the shares below the lines, which are of everybody (strictly
    below). In public a share is told only where the households below, between and above the lines are nobody, or ten and more.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"income": np.geomspace(1500, 20_000, 200), "year": 2015})
    >>> plot_income_distribution(frame, lang="en").get_xscale()
    'log'
    """
    words = catalogue(lang)
    groups = _groups(frame, income, year, group, weight, household, names or {}, public)
    least = int(policy("minimum_households")) if public else 0
    edges = _edges(groups, log)
    lines = [_lines(one, schedules, extra) for one in groups]
    with look():
        axes = axes_for(axes, lang, simulated, "income_distribution", width, height)
        notes: list[str] = []
        for place, one in enumerate(groups):
            bins = histogram(one.income, one.weight, edges, least)
            _draw(axes, _named(words, one, groups), bins, place)
            notes += _remarks(words, one, bins, least, log)
        notes += _draw_lines(axes, words, groups, lines, schedules, extra, least)
        _income_axis(axes, log)
        axes.set_ylim(0, (1.08 if is_own(axes) else 1.6) * axes.get_ylim()[1])
        value_ticks(axes.yaxis, "log")
        label(axes, words.say("plot.income.y"), words.say("plot.income.x_log" if log else "plot.income.x"))
        key(axes, *notes)
    return axes


def histogram(income: Array, weight: Array, edges: Array, least: int = 0) -> Bins:
    """Return a histogram, bins of fewer than ``least`` households joined to the next until there are enough.

    Parameters
    ----------
    income, weight : (n,) income of every household and people that it stands for
    edges : (m + 1,) ends of the standard bins; incomes outside of them have no place
    least : fewest households a bin may hold; 0 joins nothing

    Returns
    -------
    Bins
        Shares are of the people with a place; a joined bin holds the mean share of the standard bins in it.

    Examples
    --------
    >>> import numpy as np
    >>> bins = histogram(np.array([1.5, 1.6, 2.5, 3.5]), np.ones(4), np.arange(1.0, 5.0), least=2)
    >>> bins.edges.tolist(), bins.share.tolist(), bins.households.tolist()
    ([1.0, 2.0, 4.0], [0.5, 0.25], [2, 2])
    """
    place = np.searchsorted(edges, income, side="right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    count = np.bincount(place[inside], minlength=len(edges) - 1)
    people = np.bincount(place[inside], weight[inside], minlength=len(edges) - 1)
    filled = np.flatnonzero(count)
    first, last = int(filled[0]), int(filled[-1])
    starts, total = [first], 0
    for i in range(first, last + 1):
        total += int(count[i])
        if total >= least and i < last:
            starts.append(i + 1)
            total = 0
    if total < least and len(starts) > 1:
        starts.pop()
    wide = np.diff([*starts, last + 1])
    sums = [np.add.reduceat(values[: last + 1], starts) for values in (people, count)]
    return Bins(edges[[*starts, last + 1]], sums[0] / people.sum() / wide, sums[1], int((wide > 1).sum()))


def _groups(
    frame: pd.DataFrame, income: str, year: str, group: str | None, weight: str | None, household: str | None,
    names: Mapping[object, str], public: bool,
) -> list[Group]:  # fmt: skip
    """Return the groups in the order in which they appear, years in their own order, after judging that they can be compared."""
    if public and household is None:
        raise ReportError("public=True counts households, so it needs the column that names them: household='household_id'.")
    table = judged(frame, [name for name in (income, year, group, weight, household) if name is not None], SOURCE)
    table = numbered(table, [name for name in (year, weight) if name is not None], group or year, (income,))
    people = table[weight].to_numpy(dtype=float) if weight else np.ones(len(table))
    if (people < 0).any():
        raise ReportError(
            f"Weights are negative in {int((people < 0).sum()):,} rows of {weight!r}. A weight counts the people of a row."
        )
    present = list(dict.fromkeys(table[group])) if group else sorted(set(table[year].astype(int)))
    if not 1 <= len(present) <= 2:
        raise ReportError(
            f"One picture shows one or two groups, not {len(present)}: {first_five(present)}. Choose two of {group or year!r}."
        )
    found = []
    for value in present:
        rows = (table[group] == value).to_numpy() if group else (table[year] == value).to_numpy()
        years = sorted(set(table.loc[rows, year].astype(int)))
        if len(years) > 1:
            raise ReportError(
                f"Group {value!r} holds the years {first_five(years)}, and lines change every year. Choose one year a group."
            )
        values = table.loc[rows, income].to_numpy()
        seen = np.isfinite(values) & (people[rows] > 0)
        if not seen.any():
            raise ReportError(f"Nobody in group {value!r} has an income in {income!r}.")
        if household is not None and public:
            _judge_public(table.loc[rows, household][seen], str(value))
        name = names.get(value, str(value)) if group else ""
        found.append(Group(name, years[0], values[seen], people[rows][seen], int((~seen).sum())))
    return found


def _judge_public(households: pd.Series, group: str) -> None:
    least = int(policy("minimum_households"))
    if (twice := households.duplicated()).any():
        raise ReportError(f"Households stand twice in group {group!r}: {int(twice.sum()):,}. One row a household and year.")
    if len(households) < least:
        raise ReportError(f"Group {group!r} holds fewer than {least} households, too few for a public picture.")


def _edges(groups: Sequence[Group], log: bool) -> Array:
    """Return the ends of the standard bins: round numbers that tell nobody's income."""
    values = np.concatenate([one.income for one in groups])
    if log:
        bare = [one.name or str(one.year) for one in groups if not (one.income > 0).any()]
        if bare:
            raise ReportError(f"A log axis shows incomes above zero, and {first_five(bare)} has none. Use log=False.")
        values = np.log10(values[values > 0])
        step = 1 / (DECADE if min(len(one.income) for one in groups) >= FEW_ROWS else DECADE // 2)
    else:
        rough = max(float(np.ptp(values)), 1.0) / LINEAR_BINS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough)
    ends = step * np.arange(math.floor(values.min() / step), math.floor(values.max() / step) + 2)
    return np.asarray(10.0**ends if log else ends)


def _draw(axes: Axes, name: str, bins: Bins, place: int) -> None:
    """Draw the first group filled, the second as a dashed outline."""
    looks: dict[str, Any] = (
        {"fill": True, "facecolor": BAND, "edgecolor": TREATED, "linewidth": 1.0}
        if place == 0
        else {"fill": False, "edgecolor": COMPARISON, "linewidth": 1.7, "linestyle": (0, (4, 1.2))}
    )
    axes.stairs(100 * bins.share, bins.edges, baseline=0, label=name, **looks)


def _named(words: Catalogue, one: Group, groups: Sequence[Group]) -> str:
    """Return what a group is called, with its year where the groups are of different years, and its households."""
    when = words.say("language.one_year", year=one.year)
    apart = len({each.year for each in groups}) > 1
    name = words.say("plot.income.group_year", group=one.name, year=when) if one.name and apart else one.name or when
    return words.say("plot.income.group", group=name, count=f"{len(one.income):,}")


def _remarks(words: Catalogue, one: Group, bins: Bins, least: int, log: bool) -> list[str]:
    """Return what left the picture, and that bins were joined."""
    name = one.name or words.say("language.one_year", year=one.year)
    notes = []
    for what, count in (("missing", one.missing), ("not_positive", int((one.income <= 0).sum()) if log else 0)):
        if count:
            told = f"{count:,}" if count >= least else words.say("plot.income.fewer", count=least)
            notes.append(words.say(f"plot.income.{what}", group=name, count=told))
    if bins.joined and least:
        notes.append(words.say("plot.income.joined", count=least))
    return notes


def _lines(one: Group, schedules: Sequence[str], extra: str | Path | None) -> list[tuple[str, float, float, int]]:
    """Return schedule, line, share of people below it and households below it, by size, for the schedules with a line that year."""
    found = below_line(one.income, np.full(len(one.income), one.year), one.weight, schedules=schedules, extra=extra).table
    rows = zip(found["schedule"], found["line"], found["share"], strict=True)
    return sorted(((name, line, share, int((one.income < line).sum())) for name, line, share in rows), key=lambda row: row[1])


def _draw_lines(
    axes: Axes, words: Catalogue, groups: Sequence[Group], lines: Sequence[list[tuple[str, float, float, int]]], schedules: Sequence[str],
    extra: str | Path | None, least: int,
) -> list[str]:  # fmt: skip
    """Draw every line once, say in the key which share of each group is below it, and return what there is to remark."""
    apart, notes = len({one.year for one in groups}) > 1, []
    shares: dict[tuple[int, float], list[str]] = {}
    called: dict[tuple[int, float], list[str]] = {}
    for one, told in zip(groups, lines, strict=True):
        hidden = _hidden([count for *_, count in told], len(one.income), least)
        for (schedule, line, share, _), hide in zip(told, hidden, strict=True):
            name = schedule_name(schedule, words.lang)
            seen = called.setdefault((one.year, line), [])
            if name not in seen:
                seen.append(name)
            text = words.say("plot.income.too_few") if hide else numerals.percent(100 * share)
            told_share = words.say("plot.income.of_group", group=one.name, share=text) if one.name else text
            if told_share not in (parts := shares.setdefault((one.year, line), [])):
                parts.append(told_share)
        notes += [words.say("plot.income.hidden", count=least)] if any(hidden) else []
    notes += _cautions(words, groups, schedules, extra)
    for place, (year, line) in enumerate(sorted(called)):
        color = INK if not apart else TREATED if year == groups[0].year else COMPARISON
        of_year = sorted(at for when, at in called if when == year)
        told_line = words.say(
            "plot.income.line", lines=words.say("language.separator").join(called[year, line]), year=words.say("language.one_year", year=year),
            value=f"{line:,.0f}", shares=words.say("language.separator").join(shares[year, line]),
        )  # fmt: skip
        axes.axvline(
            line,
            color=color,
            linewidth=1.4,
            linestyle=DASHES[of_year.index(line) % len(DASHES)],
            label=told_line,
            zorder=3 + 0.01 * place,
        )
    return notes


def _cautions(words: Catalogue, groups: Sequence[Group], schedules: Sequence[str], extra: str | Path | None) -> list[str]:
    """Return which schedules have no line in a year, and which lines nobody has checked, those of one state in one sentence."""
    known, notes = known_lines(extra), []
    for year in sorted({one.year for one in groups}):
        of_year = known[known["year"] == year].set_index("schedule")["verified"]
        when = words.say("language.one_year", year=year)
        for name in (name for name in schedules if name not in of_year):
            notes.append(words.say("plot.income.no_line", line=schedule_name(name, words.lang), year=when))
        for said, state in (("unverified", "no"), ("secondary", "secondary")):
            lines = [schedule_name(name, words.lang) for name in schedules if of_year.get(name) == state]
            if lines:
                notes.append(words.say(f"poverty_line.{said}", line=words.listing(lines), years=year))
    return notes


def _hidden(below: Sequence[int], households: int, least: int) -> list[bool]:
    """Return which shares would tell of fewer than ``least`` households, of whom below, between or above the lines."""
    out, last = [], 0
    for count in below:
        hide = 0 < count - last < least or 0 < households - count < least
        out.append(hide)
        last = last if hide else count
    return out


def _income_axis(axes: Axes, log: bool) -> None:
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        low, high = axes.get_xlim()
        ticks: list[float] = [tick for tick in (MARKS_NARROW if is_narrow(axes) else MARKS) if low <= tick <= high]
        ticks = ticks if len(ticks) >= 3 else log_ticks(low, high)
        axes.set_xticks(ticks, [numerals.fixed(tick) for tick in ticks])
        axes.set_xlim(low, high)
    else:
        value_ticks(axes.xaxis, "level", 4 if is_narrow(axes) else 7)
