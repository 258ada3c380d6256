"""The figures of a report as blocks: their numbers, captions, descriptions and notes."""

from __future__ import annotations

from evalkit.report.blocks import Figure
from evalkit.report.numbering import number
from evalkit.report.voice import Voice


def figure(voice: Voice, name: str, facts: dict[str, str], notes: tuple[str, ...] = ()) -> Figure:
    """Return one of the figures of a report with its words, by its name in ``numbering.FIGURES``; facts are what its description quotes."""
    facts = {"unit_of_effect": voice.unit_of_effect(hundred=True)} | facts
    first = (voice.say("status.simulated_note"),) if voice.findings.simulated else ()
    hidden = voice.findings.hidden
    gone = {} if hidden is None else {"event_study": hidden.event_times, "trends": hidden.periods}
    if hidden and gone.get(name):
        notes = (*notes, voice.say(f"figure.{name}.hidden", few=voice.count_units(hidden.minimum)))
    plain = "" if voice.ranges else "_plain"
    description, note = (f"figure.{name}.{part}" for part in ("description", "note"))
    if name == "estimators":
        description += plain
    if name in ("event_study", "estimators", "components"):
        note += plain
    if (voice.single and name in ("estimators", "trends")) or (voice.alone and name == "event_study"):
        note = f"figure.{name}.note_alone"
    if name == "event_study" and voice.ranges and not voice.banded:
        note += "_single"
    if name == "overlap" and not (voice.findings.alike and voice.findings.alike.weighted):
        note += "_plain"
    return Figure(
        name=name,
        number=voice.phrase("language.figure", number=number(voice.findings, "figure", name)),
        caption=voice.say("figure.overlap.caption") if name == "overlap" else voice.caption(f"figure.{name}.caption"),
        description=voice.join([*first, voice.say(description, **facts)]),
        notes=(*first, voice.say(note, parts=voice.comparison_parts()), *notes),
    )
