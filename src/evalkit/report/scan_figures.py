"""The figure of a scan: every county with its range, in the order of the codes; readable in grey."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from evalkit.plots.look import COMPARISON, INK, TREATED, WARNING, Picture, canvas, look, value_ticks
from evalkit.plots.notes import key, label
from evalkit.report.voice import Voice
from evalkit.scan_records import CountyEffect, Differences, Scan

COLUMN = 34  # counties one below the other, before a second column begins
COLUMNS = 3
ROW, TALLEST = 0.17, 7.2  # inches: a row, and all rows of a column
SMALLEST = 4.6  # points: names that are smaller cannot be read


def counties(scan: Scan, lang: str, narrow: bool = False) -> Picture:
    """Return the difference in each county with its range and its predicted value, from the first code to the last."""
    voice = Voice(scan.findings, lang)
    parts = _columns(scan.counties, narrow)
    longest = max(len(part) for part in parts)
    high = min(max(longest, 4) * ROW, TALLEST if not narrow else longest * ROW)
    with look():
        figure, first = canvas(voice.warning, "scan_counties", narrow, 1.3 + high)
        axes = [first]
        if len(parts) > 1:
            grid = figure.add_gridspec(1, len(parts))
            first.set_subplotspec(grid[0])
            axes += [figure.add_subplot(grid[0, place], sharex=first) for place in range(1, len(parts))]
        low, top = _ends(scan)
        for place, part in zip(axes, parts, strict=True):
            _draw(place, voice, scan, part, longest, 72 * high / longest)
            place.set_xlim(low, top)
            value_ticks(place.xaxis, "level", 5 if narrow else 8 - len(parts))
        if len(parts) > 1:
            for place in axes:
                place.set_xlabel(voice.say("scan.figure.x_short"))
                place.spines[["top", "right"]].set_visible(False)
        else:
            label(first, below=voice.say("scan.figure.x"), taken=6)
        if voice.warning and len(parts) > 1:
            first.set_title("", loc="right")
            axes[-1].set_title(voice.warning, loc="right", fontsize=8, color=WARNING)
        key(first)
    return figure


def _columns(counties: Sequence[CountyEffect], narrow: bool) -> list[list[CountyEffect]]:
    """Return counties in columns of about equal length, in order from top to bottom and from left to right."""
    count = 1 if narrow else min(COLUMNS, math.ceil(len(counties) / COLUMN))
    each = math.ceil(len(counties) / count)
    return [list(counties[start : start + each]) for start in range(0, len(counties), each)]


def _ends(scan: Scan) -> tuple[float, float]:
    """Return the ends of the axis: all ranges and estimates, zero among them."""
    values = [0.0]
    for one in scan.counties:
        values += [float(value) for value in (one.percent.low, one.percent.estimate, one.percent.high) if value is not None]
    margin = 0.04 * (max(values) - min(values) or 1.0)
    return min(values) - margin, max(values) + margin


def _draw(axes: Axes, voice: Voice, scan: Scan, part: Sequence[CountyEffect], longest: int, points: float) -> None:
    places = -np.arange(len(part))
    axes.grid(False)
    axes.axvline(0, color=INK, linewidth=0.9)
    found = scan.differences
    if isinstance(found, Differences) and scan.findings.scale == "log":
        middle = 100 * float(np.expm1(found.mean.estimate))
        axes.axvline(middle, color=TREATED, linestyle=(0, (5, 2)), linewidth=0.9, alpha=0.7, label=voice.say("scan.figure.mean"))
    ranged = [(place, one.percent) for place, one in zip(places, part, strict=True) if one.percent.low is not None]
    if ranged:
        axes.hlines(
            [place for place, _ in ranged], [float(one.low or 0) for _, one in ranged], [float(one.high or 0) for _, one in ranged],
            color=TREATED, linewidth=1.1, label=voice.say("scan.figure.interval"),
        )  # fmt: skip
    dot = min(4.2, 0.5 * points)
    axes.plot(
        [float(one.percent.estimate) for one in part],
        places,
        "o",
        color=TREATED,
        markersize=dot,
        label=voice.say("scan.figure.estimate"),
    )
    drawn = [(place, float(one.predicted.percent.estimate)) for place, one in zip(places, part, strict=True) if one.predicted]
    if drawn:
        axes.plot(
            [value for _, value in drawn], [place for place, _ in drawn], "D", color=COMPARISON, markerfacecolor="white",
            markersize=0.8 * dot, linestyle="none", label=voice.say("scan.figure.predicted"),
        )  # fmt: skip
    axes.set_ylim(-longest + 0.3, 0.7)
    _write_names(axes, part, points)


def _write_names(axes: Axes, part: Sequence[CountyEffect], points: float) -> None:
    """Write the names beside the rows where there is room for all of them, otherwise for none: naming some would single them out."""
    letters = min(8.0, 0.78 * points)
    axes.tick_params(axis="y", length=0)
    if letters < SMALLEST:
        axes.set_yticks([])
        return
    axes.set_yticks([-place for place in range(len(part))], [one.county.told for one in part])
    axes.tick_params(axis="y", labelsize=letters)


DRAW = {"scan_counties": counties}
