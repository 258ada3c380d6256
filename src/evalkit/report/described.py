"""The page of a study without a causal figure: why none is given, what changed, and which data would allow a judgement."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.findings import Described
from evalkit.report import grading, refusals
from evalkit.report.before_after_blocks import before_after_section
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Heading, Item, Listing, Paragraph, Table, anchor
from evalkit.report.bottom_line import MARKS
from evalkit.report.cells import Made
from evalkit.report.remarks import sentence
from evalkit.report.sources import distinct, linked
from evalkit.report.voice import StudyVoice

GRADE_TABLE = 2  # the first is that of the rise


def arranged(findings: Described, lang: str) -> Document:
    """Return the blocks of the page, as :func:`evalkit.report.document.arranged` does for findings."""
    voice = StudyVoice(findings, lang)
    sections: dict[str, list[Block]] = {"bottom_line": [callout(voice)]}
    sections |= {name: made for name, make in _SECTIONS.items() if (made := list(make(voice, findings)))}
    return laid_out(voice, sections)


def laid_out(voice: StudyVoice, sections: dict[str, list[Block]]) -> Document:
    """Return the page of a study: the strip of what it is about, and its sections, numbered in the language's own way."""
    findings = voice.findings
    blocks: list[Block] = [strip(voice)]
    for ordinal, (name, content) in zip(voice.phrase("language.ordinals").split(), sections.items(), strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"heading.{name}"))
        blocks += [Heading(title, name.replace("_", "-")), *content]
    title, window = voice.title, voice.window(*findings.window)
    return Document(
        lang=voice.lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say("page.kind"),
        page_title=voice.say("page.brief_title", title=title, window=window),
        banner=voice.say("status.simulated") if findings.simulated else "",
        banner_text=voice.say("status.simulated_long") if findings.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=findings.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
    )


def strip(voice: StudyVoice) -> Facts:
    """Return what the page is about in one strip."""
    findings = voice.findings
    county = () if findings.county is None else (Fact(voice.say("one_unit.county"), findings.county.told),)
    return Facts(
        (
            *county,
            Fact(voice.say("label.programme"), voice.say("language.name", name=voice.common["programme"])),
            Fact(voice.say("label.window"), voice.window(*findings.window)),
            Fact(voice.say("label.outcome"), voice.say("language.name", name=voice.common["outcome"])),
            Fact(voice.say("label.status"), voice.say("status.simulated" if findings.simulated else "status.real")),
            Fact(voice.say("label.run_id"), findings.run_id),
            Fact(voice.say("label.source"), voice.word(findings.source), findings.source_url),
        )
    )


def callout(voice: StudyVoice) -> Callout:
    """Return the bottom line: that this is no causal judgement, and why."""
    findings = voice.findings
    reasons = voice.phrase("language.pause").join(refusals.because(voice, one) for one in findings.refusals)
    told = [told for one in findings.refusals for told in one.may_tell]
    may_tell = voice.phrase("language.pause").join(distinct(voice.phrase(f"may_tell.{one.code}") for one in told))
    points = [voice.say("refusal.may_tell", told=may_tell), *refusals.cures(voice, findings.refusals)]
    if findings.grade is not None:
        label = voice.phrase("language.table", number=GRADE_TABLE)
        points.insert(0, grading.first_reasons(voice, findings.grade, linked(label, anchor("table", "grade"))))
    lead = voice.say("bottom.refused", because=reasons)
    return Callout("refused", MARKS["refused"], voice.say("verdict.refused"), lead, (), tuple(points), "N")


def _refused(voice: StudyVoice, findings: Described) -> Iterator[Block]:
    yield from refusals.section(voice, findings.refusals)


def _rise(voice: StudyVoice, findings: Described) -> Iterator[Block]:
    if findings.before_after is not None:
        yield from before_after_section(voice, findings.before_after)


def _grade(voice: StudyVoice, findings: Described) -> Iterator[Block]:
    if findings.grade is not None:
        yield from grading.section(voice, findings.grade, grade_table(voice, grading.made(voice, findings.grade)))


def grade_table(voice: StudyVoice, made: Made) -> Table:
    """Return the table of the grade with its number on this page."""
    columns, rows, notes = made
    notes = [voice.say("status.simulated_note"), *notes] if voice.simulated else notes
    label = voice.phrase("language.table", number=GRADE_TABLE)
    return Table("grade", label, voice.say("table.grade"), tuple(columns), tuple(rows), tuple(notes), cards=True)


def _limits(voice: StudyVoice, findings: Described) -> Iterator[Block]:
    warned = {remark.code for remark in findings.warnings}
    items = [refusals.warning(voice, remark) for remark in findings.warnings]
    items += [sentence(voice, remark) for remark in findings.remarks if remark.code not in warned]
    items.append(voice.say("limits.outside", years=voice.years(findings.periods)))
    yield Listing(tuple(Item(text) for text in items))


def _methods(voice: StudyVoice, findings: Described) -> Iterator[Block]:
    entries = [
        ("rows", voice.count(findings.rows, "row")),
        ("units", voice.count_units(findings.units)),
        ("years", voice.years(findings.periods)),
    ]
    found = [Fact(voice.say(f"described.{name}"), text) for name, text in entries]
    found.append(Fact(voice.say("method.prices"), voice.say("language.name", name=voice.common["prices"])))
    found.append(Fact(voice.say("method.source"), voice.word(findings.source), findings.source_url))
    found.append(Fact(voice.say("method.version"), voice.phrase("method.version_text", version=findings.version)))
    found.append(Fact(voice.say("method.run_id"), findings.run_id))
    yield Facts(tuple(found), "list")
    yield Paragraph(voice.say("described.no_estimate"), "help")


_SECTIONS = {"refused": _refused, "rise": _rise, "grade": _grade, "limits": _limits, "methods": _methods}
