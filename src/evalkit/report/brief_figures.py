"""The figures of a brief, each a few slim bars: the effect with its range, what a change consists of, and what was rectified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evalkit import numerals
from evalkit.before_after_records import BeforeAfter
from evalkit.firm_records import NotTold
from evalkit.plots.look import BAND, INK, NARROW, PALE, TOTAL, TREATED, WIDE, Picture, axes_for, is_narrow, look, value_ticks
from evalkit.records import Interval
from evalkit.report.brief_sections import has_split, part_key
from evalkit.report.brief_voice import BriefVoice, voices
from evalkit.report.voice import Voice
from evalkit.supervision.brief_records import Brief, Fieldwork, Share

PARTS = {
    "general_growth": (BAND, ""),
    "selection": ("#e4d3bd", "...."),
    "undivided": ("#e4d3bd", "////"),
    "policy": (TREATED, ""),
    "rest": ("white", "////"),
}
ROW = 0.34  # inches of a further bar


def has_effect(voice: BriefVoice) -> bool:
    """Return whether a run has a figure that can be drawn."""
    return voice.described is None and str(voice.findings.verdict) != "refused"


def _effect(voice: BriefVoice) -> Interval:
    """Return the effect as it is drawn: money for one run; for several, per cent of base income, which can stand on one axis."""
    headline, alone = voice.findings.headline, voice.alone
    if voice.several:
        return alone.percent if alone else headline.percent
    return alone.money if alone else headline.money


def _smallest(voice: BriefVoice) -> float:
    return voice.findings.smallest_meaningful_percent if voice.several else voice.smallest_money


def effect_said(voice: BriefVoice) -> str:
    """Say what the bar of one run shows."""
    effect = _effect(voice)
    tell = numerals.percent if voice.several else numerals.money
    facts = {"estimate": tell(effect.estimate, plus=True), "smallest": tell(_smallest(voice))}
    if effect.low is None or effect.high is None:
        return voice.say("brief.figure.effect_row_plain", **facts)
    return voice.say("brief.figure.effect_row", **facts, low=tell(effect.low), high=tell(effect.high))


def effect(brief: Brief, lang: str, narrow: bool = False) -> Picture:
    """Return the effect of each run as a point with its range, nought, and the size that was agreed to matter."""
    drawn = [voice for voice in voices(brief, lang) if has_effect(voice)]
    with look():
        axes = _axes(brief, lang, "brief_effect", narrow, 0.88 + ROW * (len(drawn) - 1))
        for place, voice in enumerate(drawn):
            found, reach = _effect(voice), _smallest(voice)
            axes.barh(-place, 2 * reach, 0.56, left=-reach, color="#eceff2", zorder=0)
            if found.low is not None and found.high is not None:
                axes.hlines(-place, found.low, found.high, color=TREATED, linewidth=5, alpha=0.35)
                axes.vlines((found.low, found.high), -place - 0.14, -place + 0.14, color=TREATED, linewidth=1.2)
            filled = TREATED if voice.carried else "white"
            axes.plot(found.estimate, -place, "o", color=TREATED, markerfacecolor=filled, markersize=7)
        axes.axvline(0, color=INK, linewidth=0.9)
        _bare(axes, drawn)
        axes.margins(x=0.08)
        value_ticks(axes.xaxis, "level", 5 if is_narrow(axes) else 9)
        voice = drawn[0]
        unit = voice.phrase("brief.figure.percent") if voice.several else voice.common["money"]
        axes.set_xlabel(voice.say("brief.figure.effect_x", unit=unit), fontsize=8.5)
    return _picture(axes)


def split(brief: Brief, lang: str, narrow: bool = False) -> Picture:
    """Return an observed change as one bar of its parts, which add up to it; what falls stands left of nought."""
    drawn = [voice for voice in voices(brief, lang) if has_split(voice)]
    with look():
        axes = _axes(brief, lang, "brief_split", narrow, (1.32 if narrow else 1.06) + ROW * (len(drawn) - 1))
        for place, voice in enumerate(drawn):
            _stack(axes, -place, voice, drawn if place == 0 else [])
        axes.axvline(0, color=INK, linewidth=0.9)
        _bare(axes, drawn)
        axes.margins(x=0.05)
        value_ticks(axes.xaxis, "level", 5 if is_narrow(axes) else 9)
        axes.set_xlabel(drawn[0].say("brief.figure.split_x", unit=drawn[0].common["noun"]), fontsize=8.5)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=2 if narrow else 4,
            fontsize=8,
            handlelength=1.4,
            columnspacing=1.2,
            borderpad=0,
        )
    return _picture(axes)


def _stack(axes: Any, y: float, voice: BriefVoice, keyed: list[BriefVoice]) -> None:
    """Draw one bar of parts; the first is the key to all, and calls no part the programme's that one of them does not carry."""
    rise = voice.run.rise
    assert isinstance(rise, BeforeAfter)
    weakest = next((each for each in keyed if not each.carried), voice)
    right = left = 0.0
    for part in rise.parts:
        face, hatch = PARTS[part.name]
        start = right if part.amount >= 0 else left
        name = voice.say(part_key(weakest, part.name))
        said = voice.phrase("brief.figure.part", name=name, amount=numerals.money(part.amount, plus=True))
        label = (name if voice.several else said) if keyed else None
        axes.barh(y, part.amount, 0.5, left=start, facecolor=face, hatch=hatch, edgecolor=TREATED, linewidth=0.7, label=label)
        right, left = (right + part.amount, left) if part.amount >= 0 else (right, left + part.amount)


def funnel_said(voice: Voice, found: Fieldwork) -> list[str]:
    """Say what the bars of the ledger show."""
    return [voice.phrase("language.clause").join(f"{name} {count:,}" for name, count, _ in _states(voice, found))]


def _states(voice: Voice, found: Fieldwork) -> list[tuple[str, int, Share | None]]:
    """Return each bar: its name, its count, and the share with its range where it is one of a sample."""
    made: list[tuple[str, int, Share | None]] = [(voice.say("brief.figure.found"), found.problems, None)]
    if not isinstance(found.reported, NotTold):
        made.append((voice.say("brief.figure.reported"), found.reported.count, None))
    if not isinstance(found.confirmed, NotTold):
        made.append((voice.say("brief.figure.rechecked"), found.confirmed.of, None))
        made.append((voice.say("brief.figure.confirmed"), found.confirmed.count, found.confirmed))
    return made


def funnel(brief: Brief, lang: str, narrow: bool = False) -> Picture:
    """Return the problems found, reported as rectified, looked at again and seen to be so, the last with its range."""
    voice, found = voices(brief, lang)[0], brief.fieldwork
    assert isinstance(found, Fieldwork)
    rows = _states(voice, found)
    with look():
        axes = _axes(brief, lang, "brief_funnel", narrow, 0.42 + 0.2 * len(rows))
        for place, (_, number, seen) in enumerate(rows):
            axes.barh(
                -place, number, 0.62, facecolor=TREATED if seen else TOTAL if place == 0 else BAND, edgecolor=TREATED, linewidth=0.7
            )
            right = float(number)
            if seen is not None:
                ends = (seen.low * seen.of, seen.high * seen.of)
                right = max(right, ends[1])
                axes.hlines(-place, *ends, color="white", linewidth=3.2)
                axes.hlines(-place, *ends, color=INK, linewidth=1.4)
            axes.annotate(f"{number:,}", (right, -place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks([-place for place in range(len(rows))], [name for name, _, _ in rows], fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-len(rows) + 0.45, 0.55)
        axes.set_xlim(0, 1.1 * max(found.problems, 1))
        axes.set_xticks([])
        axes.grid(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    return _picture(axes)


def _axes(brief: Brief, lang: str, name: str, narrow: bool, height: float) -> Any:
    return axes_for(None, lang, brief.simulated, name, NARROW if narrow else WIDE, height)


def _bare(axes: Any, drawn: list[BriefVoice]) -> None:
    """Leave bars without an axis of their own at the left; where there are several, each has its name."""
    axes.grid(False)
    axes.set_ylim(-len(drawn) + 0.5, 0.5)
    names = [voice.name for voice in drawn if voice.several]
    axes.set_yticks([-float(place) for place in range(len(names))], names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.tick_params(axis="x", labelsize=8, length=3, color=PALE)


def _picture(axes: Any) -> Picture:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Picture)
    return figure


DRAW: dict[str, Callable[..., Picture]] = {"brief_effect": effect, "brief_split": split, "brief_funnel": funnel}
