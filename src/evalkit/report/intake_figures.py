"""The figures of the data-quality page: what is missing, incomes with the poverty lines, changes of codes; readable in grey."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from evalkit import numerals
from evalkit.intake.record import Bin, CodeChange, IntakeRecord
from evalkit.plots.look import BAND, INK, PALE, TREATED, Picture, canvas, look
from evalkit.report.intake_captions import COLUMNS_DRAWN, UNITS_DRAWN, change_told, dated, lines_drawn
from evalkit.report.intake_tables import missing_by_column
from evalkit.report.intake_voice import IntakeVoice

# Paler than any text needs on white, darker than white: light for complete, the house's blue for empty.
SHADES = ["#ffffff", "#dfe8f0", "#a9c1d6", "#5f8cb0", TREATED]
KEY = (0.0, 0.02, 0.1, 0.3, 1.0)
"""Shares in the key. A shade stands for the square root of a share, or a few missing values would look like none."""
WRITTEN = {False: 16, True: 7}  # periods up to which the squares of the wide and the narrow map hold numbers
LABEL_WIDTH = {False: 30, True: 20}  # half-width characters of a column's label
LEGEND_WIDTH = {False: 90, True: 44}
# Kind of change -> marker, and whether it is filled.
MARKS = {
    "recoded": ("o", True),
    "renamed": ("s", False),
    "district_from_county": ("s", True),
    "merged": ("D", True),
    "split_back": ("^", True),
    "boundary_shift": ("v", False),
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1, 2)))


def missing(record: IntakeRecord, lang: str, narrow: bool = False) -> Picture:
    """Return the map of missing values: a line for each column, a square for each period, the darker the more is missing."""
    voice = IntakeVoice(record, lang)
    columns = list(missing_by_column(voice).items())[:COLUMNS_DRAWN]
    periods = sorted({share.period for share in record.missing})
    with look():
        figure, axes = canvas(voice.warning, "missing", narrow, 1.0 + 0.27 * max(len(columns), 2))
        shades = mpl.colors.LinearSegmentedColormap.from_list("missing", SHADES)
        by_column = [{share.period: share.share for share in shares} for _, shares in columns]
        _squares(
            axes, [[shares.get(period) for period in periods] for shares in by_column], shades, len(periods) <= WRITTEN[narrow]
        )
        axes.set_xlim(-0.5, len(periods) - 0.5)
        axes.set_ylim(len(columns) - 0.5, -0.5)
        axes.grid(False)
        axes.tick_params(length=0)
        step = math.ceil(len(periods) / (6 if narrow else 16))
        axes.set_xticks(range(len(periods) - 1, -1, -step), [str(year) for year in periods[::-1][::step]])
        names = [_cut(voice.column(name), LABEL_WIDTH[narrow]) for name, _ in columns]
        axes.set_yticks(range(len(columns)), names)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(periods) > WRITTEN[narrow]:
            handles = [Patch(facecolor=shades(math.sqrt(share)), edgecolor="#b7c0c9", linewidth=0.6) for share in KEY]
            figure.legend(
                handles, [f"{100 * share:.0f}%" for share in KEY], loc="outside lower left", ncols=len(KEY), title=voice.say("data.figure.missing.label"),
                alignment="left", handlelength=1.2, handleheight=1.0, columnspacing=1.2, borderaxespad=0, title_fontsize=8.5,
            )  # fmt: skip
    return figure


def _squares(axes: Axes, rows: list[list[float | None]], shades: Any, written: bool) -> None:
    """Draw the squares, with their numbers where there is room; a period in which the column does not exist is hatched."""
    edges = [place - 0.5 for place in range(max(map(len, rows)) + 1)]
    lines = [line - 0.5 for line in range(len(rows) + 1)]
    depths = [[math.sqrt(share or 0.0) for share in row] for row in rows]
    axes.pcolormesh(edges, lines, depths, cmap=shades, vmin=0, vmax=1, edgecolors="#b7c0c9", linewidth=0.6)
    for line, row in enumerate(rows):
        for place, share in enumerate(row):
            if share is None:
                where = (place - 0.5, line - 0.5)
                axes.add_patch(Rectangle(where, 1, 1, facecolor="white", edgecolor=PALE, hatch="////", linewidth=0.6))
            elif written and share > 0:
                text = "<1" if share < 0.005 else f"{100 * share:.0f}"
                color = "white" if share > 0.36 else INK
                axes.text(place, line, text, ha="center", va="center_baseline", fontsize=7.5, color=color)


def _cut(text: str, width: int) -> str:
    """Return a text that takes at most so many half-width characters.

    >>> _cut("农村居民人均可支配收入", 10), _cut("income", 10)
    ('农村居民…', 'income')
    """
    if _width(text) <= width:
        return text
    return text[: _fitting(text, width - 2)].rstrip() + "…"


def _folded(text: str, width: int) -> str:
    """Return a text in lines of at most so many half-width characters, broken at spaces where there are some.

    >>> _folded("registry line (not yet checked)", 20).splitlines()
    ['registry line (not', 'yet checked)']
    """
    lines = []
    while _width(text) > width:
        end = _fitting(text, width)
        end = text.rfind(" ", 1, end + 1) if " " in text[1 : end + 1] else max(end, 1)
        lines.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return "\n".join([*lines, text])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _fitting(text: str, width: int) -> int:
    """Return how many of the first characters fit into so many half-width ones."""
    return next(end for end in range(len(text), -1, -1) if _width(text[:end]) <= width)


def income(record: IntakeRecord, lang: str, narrow: bool = False) -> Picture:
    """Return the histogram of incomes with the poverty lines of its year, each with a dash pattern of its own."""
    voice = IntakeVoice(record, lang)
    with look():
        figure, axes = canvas(voice.warning, "income", narrow, 3.7)
        bins = record.income
        unit_width, even = _usual_width(bins)
        heights = [bin_.count * unit_width / (bin_.high - bin_.low) for bin_ in bins]
        lows, widths = [bin_.low for bin_ in bins], [bin_.high - bin_.low for bin_ in bins]
        axes.bar(lows, heights, widths, align="edge", color=BAND, edgecolor="#7d97b0", linewidth=0.6)
        for line, dash in zip(lines_drawn(voice), DASHES * 9, strict=False):
            facts = {"schedule": voice.schedule(line.schedule), "value": voice.money(line.value)}
            label = voice.say("data.figure.income.legend", verified=voice.phrase(f"data.verified.{line.verified}"), **facts)
            label = _folded(label, LEGEND_WIDTH[narrow])
            axes.axvline(line.value, color=INK, linewidth=1.5, linestyle=dash, label=label)
        axes.set_xlabel(voice.say("data.figure.income.x", money=voice.money_unit))
        key = "y" if even else "y_wide"
        axes.set_title(voice.say(f"data.figure.income.{key}", width=voice.money(unit_width)))
        _whole_ticks(axes.yaxis, 0, max(heights, default=1) * 1.08, 6)
        low = min(lows + [line.value for line in lines_drawn(voice)])
        high = max([bin_.high for bin_ in bins] + [line.value for line in lines_drawn(voice)])
        margin = 0.02 * (high - low)
        _whole_ticks(axes.xaxis, low - margin, high + margin, 5 if narrow else 8)
        if lines_drawn(voice):
            figure.legend(loc="outside lower left", ncols=1, handlelength=3.2, borderaxespad=0)
    return figure


def _usual_width(bins: Sequence[Bin]) -> tuple[float, bool]:
    """Return the commonest width of the bins, and whether all of them have it."""
    widths = Counter(round(bin_.high - bin_.low, 6) for bin_ in bins)
    width, _ = max(widths.items(), key=lambda item: (item[1], -item[0]))
    return width, len(widths) == 1


def _whole_ticks(axis: Any, low: float, high: float, count: int) -> None:
    """Set an axis from low to high with round ticks and thousands separators."""
    found = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10], integer=True).tick_values(low, high)
    ticks = [tick for tick in found if low <= tick <= high]
    axis.set_ticks(ticks, labels=[numerals.fixed(tick) for tick in ticks])
    axis.set_view_interval(low, high, ignore=True)


def changes(record: IntakeRecord, lang: str, narrow: bool = False) -> Picture:
    """Return the changes of codes and names in time: a line for each unit, or with many units a bar for each year."""
    voice = IntakeVoice(record, lang)
    by_unit = dated(voice)
    return _by_year(voice, by_unit, narrow) if len(by_unit) > UNITS_DRAWN else _by_unit(voice, by_unit, narrow)


Dated = dict[str, list[tuple[int, CodeChange]]]


def _by_unit(voice: IntakeVoice, by_unit: Dated, narrow: bool) -> Picture:
    with look():
        figure, axes = canvas(voice.warning, "changes", narrow, 0.95 + 0.42 * len(by_unit))
        axes.grid(False)
        first, last = _years(voice, by_unit)
        for place, (unit, found) in enumerate(by_unit.items()):
            told = f"{unit}  {change_told(voice, found)}"
            across = axes.get_yaxis_transform()
            axes.text(0, -place + 0.42, _cut(told, 56 if narrow else 104), transform=across, va="center", fontsize=8.5)
            axes.hlines(-place, first, last, color="#b7c0c9", linewidth=0.8, zorder=1)
            for year, change in found:
                marker, filled = MARKS.get(change.kind, ("X", True))
                face = TREATED if filled else "white"
                label = voice.say(f"change.{change.kind}")
                axes.plot([year], [-place], marker, color=TREATED, markerfacecolor=face, markersize=6.5, zorder=3, label=label)
        axes.set_ylim(-len(by_unit) + 0.55, 0.85)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _year_axis(axes, voice, first, last, narrow)
        handles, labels = axes.get_legend_handles_labels()
        once = {label: handle for handle, label in zip(handles, labels, strict=True)}
        figure.legend(
            list(once.values()), list(once), loc="outside lower left", ncols=1 if narrow else 3, handlelength=1.2, borderaxespad=0
        )
    return figure


def _by_year(voice: IntakeVoice, by_unit: Dated, narrow: bool) -> Picture:
    with look():
        figure, axes = canvas(voice.warning, "changes", narrow, 3.0)
        counted = Counter(year for found in by_unit.values() for year, _ in found)
        first, last = _years(voice, by_unit)
        bars = axes.bar(list(counted), list(counted.values()), 0.72, color=BAND, edgecolor="#7d97b0", linewidth=0.6, zorder=2)
        if last - first < (12 if narrow else 25):
            axes.bar_label(bars, fontsize=7.5, padding=1.5)
        axes.set_title(voice.say("data.figure.changes.y"))
        _whole_ticks(axes.yaxis, 0, 1.15 * max(counted.values()), 6)
        _year_axis(axes, voice, first, last, narrow)
    return figure


def _years(voice: IntakeVoice, by_unit: Dated) -> tuple[int, int]:
    """Return the first and the last year of a timeline: of the changes and of the data."""
    years = [year for found in by_unit.values() for year, _ in found] + list(voice.record.periods)
    return min(years), max(years)


def _year_axis(axes: Axes, voice: IntakeVoice, first: int, last: int, narrow: bool) -> None:
    """Set the years of a timeline, with a grey band over those of the data."""
    periods = voice.record.periods
    axes.axvspan(min(periods) - 0.5, max(periods) + 0.5, color="#eceff2", zorder=0, linewidth=0)
    step = math.ceil((last - first + 1) / (6 if narrow else 14))
    shown = range(last, first - 1, -step)
    axes.set_xticks(list(shown), [str(year) for year in shown])
    axes.set_xlim(first - 0.5, last + 0.5)


DRAW = {"missing": missing, "income": income, "changes": changes}
