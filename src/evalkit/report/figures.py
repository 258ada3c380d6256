"""The figures of a report. Shape and line style carry the meaning, so that grey printers and all eyes can read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from evalkit import numerals
from evalkit.findings import Findings, OverlapBin, PathPoint
from evalkit.firm_records import Overturn
from evalkit.plots.look import (
    BAND,
    COMPARISON,
    INK,
    TOTAL,
    TREATED,
    WARNING,
    Picture,
    canvas,
    legend,
    look,
    value_ticks,
)
from evalkit.report import alike
from evalkit.report import components as component_words
from evalkit.report.bottom_line import reference_time
from evalkit.report.voice import Voice, published_interval


def event_study(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the gap between treated and comparison by years since the start, with pointwise and simultaneous ranges."""
    voice = Voice(findings, lang)
    with look():
        figure, axes = canvas(voice.warning, "event_study", narrow, 3.9)
        scale = 100 if findings.scale == "log" else 1
        points = [point for point in findings.path if not point.reference]
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.axvline(-0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        _path_points(axes, voice, points, scale)
        references = [point.event_time for point in findings.path if point.reference]
        label = voice.say("figure.event_study.reference", event_time=numerals.fixed(reference_time(voice)))
        axes.plot(references, [0] * len(references), "D", markersize=6, markerfacecolor="white", color=INK, label=label)
        _event_ticks(axes, voice, narrow)
        axes.set_title(voice.say(f"axis.{findings.scale}"))
        axes.set_xlabel(voice.say("figure.event_study.x"))
        value_ticks(axes.yaxis, findings.scale)
        axes.annotate(
            voice.say("figure.event_study.starts"), (-0.5, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -2), textcoords="offset points", va="top", fontsize=8.5,
        )  # fmt: skip
        legend(figure, axes, narrow)
    return figure


def _path_points(axes: Axes, voice: Voice, points: Sequence[PathPoint], scale: int) -> None:
    """Draw wide pale bars for the simultaneous band, thin lines for single years, and dots: hollow before, filled after."""
    banded = [p for p in points if p.band_low is not None and p.band_high is not None]
    if banded:
        low = [scale * (p.band_low or 0.0) for p in banded]
        height = [scale * (p.band_high or 0.0) - bottom for p, bottom in zip(banded, low, strict=True)]
        times = [p.event_time for p in banded]
        axes.bar(
            times, height, 0.56, low, color=BAND, edgecolor="#9db4ca", linewidth=0.6, label=voice.say("figure.event_study.band")
        )
    ranged = [p for p in points if p.low is not None and p.high is not None]
    if ranged:
        lines = [scale * (p.low or 0.0) for p in ranged], [scale * (p.high or 0.0) for p in ranged]
        label = voice.say("figure.event_study.pointwise")
        axes.vlines([p.event_time for p in ranged], *lines, color=TREATED, linewidth=1.3, label=label)
    for name, kept in (("before", [p for p in points if p.event_time < 0]), ("after", [p for p in points if p.event_time >= 0])):
        values = [scale * p.estimate for p in kept]
        face = "white" if name == "before" else TREATED
        label = voice.say(f"figure.event_study.estimate_{name}")
        times = [p.event_time for p in kept]
        axes.plot(times, values, "o", markersize=5.5, color=TREATED, markerfacecolor=face, markeredgewidth=1.3, label=label)


def _event_ticks(axes: Axes, voice: Voice, narrow: bool) -> None:
    times = [point.event_time for point in voice.findings.path]
    low, high = min(times), max(times)
    step = math.ceil((high - low + 1) / (9 if narrow else 16))
    shown = [time for time in range(low, high + 1) if time % step == 0 or time == reference_time(voice)]
    tick = voice.phrase("figure.event_study.reference_tick")
    labels = [numerals.fixed(time) + (f"\n{tick}" if time == reference_time(voice) else "") for time in shown]
    axes.set_xticks(shown, labels, linespacing=1.5)
    axes.set_xlim(low - 0.6, high + 0.6)


def trends(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return mean income of both groups over time; on the log scale parallel lines are equal growth."""
    voice = Voice(findings, lang)
    with look():
        figure, axes = canvas(voice.warning, "trends", narrow, 3.5)
        looks = {"treated": (TREATED, "-", "o"), "comparison": (COMPARISON, (0, (5, 2)), "s")}
        lines: dict[str, dict[int, float]] = {}
        for group, (color, style, marker) in looks.items():
            line = {p.period: p.mean for p in sorted(findings.trends, key=lambda p: p.period) if p.group == group}
            if line:
                lines[group] = line
                axes.plot(
                    list(line), list(line.values()), color=color, linestyle=style, marker=marker, markersize=4.5, linewidth=1.8
                )
        if findings.scale == "log":
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_minor_formatter(NullFormatter())
            means = [value for line in lines.values() for value in line.values()]
            ticks = log_ticks(0.96 * min(means), 1.02 * max(means))
            axes.set_yticks(ticks, [numerals.fixed(tick) for tick in ticks])
        else:
            value_ticks(axes.yaxis, "level")
        axes.set_title(voice.say(f"axis.trend_{findings.scale}"))
        axes.margins(y=0.13)
        _label_lines(axes, voice, lines, {group: look[0] for group, look in looks.items()})
        _mark_starts(axes, voice)
        years = sorted({p.period for p in findings.trends})
        step = math.ceil(len(years) / (6 if narrow else 14))
        axes.set_xticks(years[::-1][::step], [str(year) for year in years[::-1][::step]])
    return figure


def _label_lines(axes: Axes, voice: Voice, lines: dict[str, dict[int, float]], colors: dict[str, str]) -> None:
    """Write each group's name beside its line: incomes rise, so there is room above the upper end and below the lower middle."""
    last = max((max(line) for line in lines.values()), default=0)
    upper = max(lines, key=lambda group: lines[group].get(last, 0.0), default="")
    for group, line in lines.items():
        years = sorted(line)
        at = years[-1] if group == upper else years[len(years) // 2]
        axes.annotate(
            voice.common[group], (at, line[at]), xytext=(0, 8) if group == upper else (4, -7), textcoords="offset points",
            color=colors[group], ha="right" if group == upper else "left", va="bottom" if group == upper else "top", fontsize=9,
        )  # fmt: skip


def _mark_starts(axes: Axes, voice: Voice) -> None:
    years = [cohort.year for cohort in voice.findings.cohorts if cohort.used]
    if not years:
        return
    first, last = min(years), max(years)
    axes.axvline(first - 0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if last > first:
        axes.axvspan(first - 0.5, last - 0.5, color="#eceff2", zorder=0, linewidth=0)
    key = "figure.trends.starts_many" if last > first else "figure.trends.starts_one"
    axes.annotate(
        voice.phrase(key, first=first, last=last), (first - 0.5, 0), xycoords=("data", "axes fraction"),
        xytext=(4, 3), textcoords="offset points", va="bottom", fontsize=8.5,
    )  # fmt: skip


def log_ticks(low: float, high: float) -> list[float]:
    """Return four to eight round values within a range, evenly spread on a log axis.

    >>> log_ticks(5600, 16000)
    [6000, 8000, 10000, 15000]
    """
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), tuple(n / 10 for n in range(10, 100))):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [round(step * 10**power, 6) for power in powers for step in steps if low <= step * 10**power <= high]
        if len(found) >= 4:
            break
    keep = math.ceil(len(found) / 8)
    return [int(tick) if tick == int(tick) else tick for tick in found[::keep]]


def estimators(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return every estimator's effect with its interval, the study's own filled, published figures as squares."""
    voice = Voice(findings, lang)
    scale = 100 if findings.scale == "log" else 1
    entries = _forest_entries(voice)
    with look():
        figure, axes = canvas(voice.warning, "estimators", narrow, 0.9 + 0.56 * len(entries))
        axes.grid(False)
        for place, (name, detail, estimate, low, high, marker) in enumerate(entries):
            y = -place
            axes.vlines(0, y - 0.16, y + 0.16, color=INK, linewidth=0.9)
            face = TREATED if marker == "D" else "white"
            if low is not None and high is not None:
                axes.hlines(y, scale * low, scale * high, color=TREATED, linewidth=2.2 if marker == "D" else 1.3)
            axes.plot([scale * estimate], [y], marker, color=TREATED, markerfacecolor=face, markersize=7 if marker == "D" else 6)
            value = voice.hundred(estimate) + (f"  {voice.hundred_span(low, high)}" if low is not None else "")
            across = axes.get_yaxis_transform()
            axes.text(0, y + 0.60, name, transform=across, va="center", fontsize=9)
            axes.text(1, y + 0.60, value, transform=across, va="center", ha="right", fontsize=8.5)
            axes.text(0, y + 0.33, detail, transform=across, va="center", fontsize=7.5, color="#5b646e")
            if place:
                axes.axhline(y + 0.84, color="#e4e7eb", linewidth=0.7)
        axes.set_ylim(-len(entries) + 0.65, 0.9)
        axes.margins(x=0.06)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        value_ticks(axes.xaxis, findings.scale, 5 if narrow else 8)
        axes.set_xlabel(voice.say(f"axis.forest_{findings.scale}"))
    return figure


Entry = tuple[str, str, float, float | None, float | None, str]


def _forest_entries(voice: Voice) -> list[Entry]:
    entries: list[Entry] = []
    for row in voice.findings.estimators:
        average, comparison = voice.phrase(f"average.{row.average}"), voice.versus(row.comparison)
        detail = voice.say("language.two_parts", one=average, two=comparison)
        effect, marker = row.effect, "D" if row.headline else "o"
        entries.append((voice.say(f"estimator.{row.estimator}.name"), detail, effect.estimate, effect.low, effect.high, marker))
    for known in voice.findings.published:
        effect = published_interval(known, voice.findings.level)
        entries.append(
            (voice.word(known.what), voice.say("figure.estimators.published"), effect.estimate, effect.low, effect.high, "s")
        )
    return entries


def overlap(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return how likely units were to be treated by their covariates: the treated upwards, the comparison downwards, by cohort."""
    voice, balance = Voice(findings, lang), findings.alike
    assert balance is not None
    cohorts = alike.pictured(balance)
    with look():
        figure, first = canvas(voice.warning, "overlap", narrow, 1.0 + 1.4 * len(cohorts))
        first.remove()
        panels = figure.subplots(len(cohorts), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, cohort in zip(panels, cohorts, strict=True):
            _mirrored(axes, voice, [one for one in balance.histogram if one.cohort == cohort.cohort])
            axes.set_title(voice.phrase("figure.overlap.panel", year=cohort.cohort), pad=4)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.grid(False)
            sns.despine(ax=axes)
        if voice.simulated and not narrow:
            panels[0].set_title(voice.say("status.simulated"), loc="right", fontsize=8, color=WARNING, pad=4)
        up = 1.12 * max(one.share for one in balance.histogram if one.arm == "treated")
        down = 1.12 * max(one.share for one in balance.histogram if one.arm != "treated")
        panels[0].set_ylim(-down, up)
        ticks = [tick for tick in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(-down, up) if -down <= tick <= up]
        panels[0].set_yticks(ticks, [numerals.whole_percent(abs(tick)) for tick in ticks])
        panels[-1].set_xlim(-0.02, 1.02)
        marks = [0, 0.25, 0.5, 0.75, 1]
        panels[-1].set_xticks(marks, [numerals.fixed(mark, 2) for mark in marks])
        panels[-1].set_xlabel(voice.say("figure.overlap.x"))
        legend(figure, panels[0], narrow)
    return figure


def _mirrored(axes: Axes, voice: Voice, bins: Sequence[OverlapBin]) -> None:
    """Draw the shares of one cohort: filled bars up, hatched bars down, and the weighted comparison as an outline."""
    arms: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("treated", 1, {"color": TREATED, "edgecolor": "white", "linewidth": 0.4}),
        ("comparison", -1, {"facecolor": "#f3dcc4", "edgecolor": COMPARISON, "hatch": "////", "linewidth": 0.5}),
    )
    for arm, sign, looks in arms:
        kept = [one for one in bins if one.arm == arm]
        width = [one.high - one.low for one in kept]
        heights = [sign * one.share for one in kept]
        axes.bar([one.low for one in kept], heights, width, align="edge", label=voice.common[arm], **looks)
    weighted = sorted((one for one in bins if one.arm == "weighted"), key=lambda one: one.low)
    if weighted:
        edges = [one.low for one in weighted] + [weighted[-1].high]
        label = voice.phrase("figure.overlap.weighted")
        axes.stairs([-one.share for one in weighted], edges, baseline=0, color=INK, linewidth=1.3, label=label)


def components(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the effects on the components of income as bars with their ranges, the total last."""
    voice, found = Voice(findings, lang), findings.components
    assert found is not None
    with look():
        figure, axes = canvas(voice.warning, "components", narrow, 1.0 + 0.56 * len(found.rows))
        axes.grid(False)
        across = axes.get_yaxis_transform()
        for place, row in enumerate(found.rows):
            y, effect, total = -place, row.effect, row is found.rows[-1]
            looks: dict[str, Any] = {
                "facecolor": TOTAL if total else BAND,
                "edgecolor": TREATED,
                "hatch": "////" if row.earned else "",
            }
            axes.barh(y, effect.estimate, 0.3, linewidth=0.7, **looks)
            axes.vlines(0, y - 0.21, y + 0.21, color=INK, linewidth=0.9)
            value = numerals.money(effect.estimate, plus=True)
            if effect.low is not None and effect.high is not None:
                axes.hlines(y, effect.low, effect.high, color=INK, linewidth=1.3)
                axes.vlines((effect.low, effect.high), y - 0.07, y + 0.07, color=INK, linewidth=1.3)
                value += f"  {component_words.money_span(voice, row)}"
            axes.text(0, y + 0.34, component_words.name(voice, row), transform=across, va="center", fontsize=9)
            axes.text(1, y + 0.34, value, transform=across, va="center", ha="right", fontsize=8.5)
        axes.axhline(-len(found.rows) + 1.56, color="#5b646e", linewidth=0.8)
        axes.set_ylim(-len(found.rows) + 0.65, 0.62)
        axes.margins(x=0.06)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        value_ticks(axes.xaxis, "level", 5 if narrow else 8)
        axes.set_xlabel(voice.say("figure.components.x"))
    return figure


def firmness(findings: Findings, lang: str, narrow: bool = False) -> Picture:
    """Return the range of the effect by the yearly drift between the groups, with the drift that undoes it and the largest before."""
    voice = Voice(findings, lang)
    found = findings.firm.overturn if findings.firm else None
    assert isinstance(found, Overturn)
    with look():
        figure, axes = canvas(voice.warning, "firmness", narrow, 3.6)
        drift = [point.drift for point in found.curve]
        ends = [point.low for point in found.curve], [point.high for point in found.curve]
        axes.fill_between(drift, *ends, color=BAND, linewidth=0, label=voice.say("figure.firmness.range"))
        for end in ends:
            axes.plot(drift, end, color=TREATED, linewidth=1.3)
        axes.axhline(0, color=INK, linewidth=0.8)
        marks: tuple[tuple[str, float | None, Any, str], ...] = (
            ("before", found.largest_before, (0, (1, 2)), COMPARISON),
            ("breakdown", found.breakdown, (0, (5, 2)), WARNING),
        )
        for name, value, style, color in marks:
            if value:
                label = voice.say(f"figure.firmness.{name}", amount=numerals.money(value))
                axes.axvline(value, color=color, linestyle=style, linewidth=1.5, label=label)
        axes.plot([0], [found.effect], "D", color=TREATED, markersize=6, clip_on=False, label=voice.say("figure.firmness.estimate"))
        axes.set_xlim(0, max(drift))
        axes.margins(y=0.08)
        axes.set_title(voice.say("figure.firmness.y"))
        axes.set_xlabel(voice.say("figure.firmness.x"))
        value_ticks(axes.yaxis, "level")
        value_ticks(axes.xaxis, "level", 5 if narrow else 8)
        legend(figure, axes, narrow)
    return figure


DRAW = {
    "event_study": event_study,
    "firmness": firmness,
    "overlap": overlap,
    "components": components,
    "estimators": estimators,
    "trends": trends,
}
