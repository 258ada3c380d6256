"""The path over time, in sentences, a figure and a table."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.report.blocks import Block, Paragraph
from evalkit.report.bottom_line import gap, gaps, reference_time, untested
from evalkit.report.figure_blocks import figure
from evalkit.report.sources import capitalised, count
from evalkit.report.tables import table
from evalkit.report.voice import Voice


def path_section(voice: Voice) -> Iterator[Block]:
    """Return the section on the path: the gap after the start, the test of the years before, and every year."""
    after = [point for point in voice.findings.path if point.event_time >= 0]
    if after:
        yield Paragraph(
            voice.say(
                f"path.summary_{voice.findings.scale}",
                reference=voice.when(reference_time(voice)),
                start=voice.when(after[0].event_time),
                first=voice.hundred(after[0].estimate, plus=True),
                end=voice.when(after[-1].event_time),
                last=voice.hundred(after[-1].estimate, plus=True),
                figure=voice.see("figure", "event_study"),
                table=voice.see("table", "path"),
            )
        )
    if not voice.single:  # the bottom line says of one unit that nothing is tested
        yield Paragraph(_pretrend(voice))
    yield figure(voice, "event_study", _event_study_facts(voice))
    if voice.ranges:
        yield Paragraph(voice.say(f"path.reading{'' if voice.banded else '_single'}"), "help")
    yield table(voice, "path")


def _pretrend(voice: Voice) -> str:
    pretrend = voice.findings.pretrend
    if pretrend is None:
        return untested(voice)
    facts = {
        "p": numerals.p_sentence(pretrend.p_value),
        "statistic": numerals.fixed(pretrend.statistic, 2),
        "distribution": numerals.told(pretrend.distribution.replace("chi2", "χ²"), of=pretrend.distribution),
    }
    if pretrend.failed:
        told = gaps(voice, pretrend)
        return voice.say("pretrend.failed", gaps=capitalised(told), **facts)
    return voice.say("pretrend.not_rejected", gaps=gap(voice, pretrend.largest_event_time, pretrend.largest), **facts)


def _event_study_facts(voice: Voice) -> dict[str, str]:
    before = [p for p in voice.findings.path if p.event_time < 0 and not p.reference]
    after = [p for p in voice.findings.path if p.event_time >= 0]
    told = {"before": "", "after": "", "reference": voice.when(reference_time(voice))}
    for name, points in (("before", before), ("after", after)):
        if points:
            values = [p.estimate for p in points]
            last = points[-1]
            plain = name == "after" and last.band_low is None
            told[name] = voice.phrase(
                f"figure.event_study.{name}{'_plain' if plain else ''}",
                count=count(points, of=voice.findings.path),
                low=voice.hundred(min(values)),
                high=voice.hundred(max(values)),
                end=voice.when(last.event_time),
                last=voice.hundred(last.estimate),
                band=voice.hundred_span(last.band_low, last.band_high),
            )
    return told
