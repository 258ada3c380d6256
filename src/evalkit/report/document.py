"""From findings to a document: which blocks a report has, in which order, in either language."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.findings import Described, Findings
from evalkit.firm_records import Overturn
from evalkit.report import alike, components, described, firmness, grading, numbering, refusals
from evalkit.report.agreement import agree_section
from evalkit.report.before_after_blocks import before_after_section
from evalkit.report.blocks import Block, Document, Facts, Item, Listing, Paragraph
from evalkit.report.bottom_line import callout
from evalkit.report.cost_blocks import cost_section
from evalkit.report.figure_blocks import figure
from evalkit.report.one_unit import where
from evalkit.report.path import path_section
from evalkit.report.plan_blocks import plan_section
from evalkit.report.remarks import limits
from evalkit.report.sources import distinct, traced
from evalkit.report.tables import table
from evalkit.report.trace import finished
from evalkit.report.voice import Voice, has_range
from evalkit.report.who import how_section, who_section


def compose(findings: Findings | Described, lang: str) -> Document:
    """Return the report of findings in one language, every number of which knows the result it comes from.

    Raises
    ------
    WordsError
        For a language other than "zh" and "en", and for what has no words.
    ReportError
        For findings without a result that a section tells.
    """
    known = traced(findings)
    return finished(described.arranged(known, lang) if isinstance(known, Described) else arranged(known, lang))


def arranged(findings: Findings, lang: str) -> Document:
    """Return the blocks of a report as they are made of findings, traced or not; texts still hold the marks of traced numbers."""
    voice = Voice(findings, lang)
    sections = {"bottom_line": list(_bottom_line(voice))}
    sections |= {name: made for name, make in _SECTIONS.items() if (made := list(make(voice)))}
    return described.laid_out(voice, sections)


def _bottom_line(voice: Voice) -> Iterator[Block]:
    yield callout(voice)


def _rise(voice: Voice) -> Iterator[Block]:
    found = voice.findings.before_after
    if found is not None and "before_after" in numbering.tables(voice.findings):
        places = {kind: numbering.number(voice.findings, kind, "before_after") for kind in ("figure", "table")}
        yield from before_after_section(voice, found, **places)


def _firm(voice: Voice) -> Iterator[Block]:
    firm = voice.findings.firm
    if firm is None:
        return
    found = firm.overturn
    yield Paragraph(voice.join(firmness.overturned(voice, found)))
    if isinstance(found, Overturn):
        yield table(voice, "drift")
        yield figure(voice, "firmness", {"rows": firmness.drifts(voice, found)})
        yield Paragraph(voice.join(firmness.expert(voice, found)), "help")
    if told := list(firmness.power(voice, firm.power)):
        yield Paragraph(voice.join(told))
    yield Paragraph(voice.join(firmness.few_clusters(voice, firm)))
    if not voice.single:
        yield table(voice, "few_clusters")
    if told := list(firmness.without(voice, firm.without)):
        yield Paragraph(voice.join(told))


def _grade(voice: Voice) -> Iterator[Block]:
    if (grade := voice.findings.grade) is not None:
        yield from grading.section(voice, grade, table(voice, "grade"))


def _refused(voice: Voice) -> Iterator[Block]:
    """Yield why there is no causal figure at all, and for the single programme."""
    if any(refusal.code != "arrive_together" for refusal in voice.findings.refusals):
        yield from refusals.section(voice, voice.findings.refusals)


def _single(voice: Voice) -> Iterator[Block]:
    """Yield why there is no figure for the single programme, where there is one for the bundle."""
    if all(refusal.code == "arrive_together" for refusal in voice.findings.refusals):
        yield from refusals.section(voice, voice.findings.refusals)


def _alike(voice: Voice) -> Iterator[Block]:
    balance = voice.findings.alike
    if balance is None:
        return
    yield Paragraph(voice.join(alike.sentences(voice, balance)))
    if not balance.covariates:
        return
    yield table(voice, "balance")
    yield Paragraph(voice.say(f"alike.reading{'' if balance.weighted else '_plain'}"), "help")
    if balance.histogram:
        fewer = len(alike.pictured(balance)) < len(balance.cohorts)
        yield figure(voice, "overlap", alike.overlap_facts(voice, balance), (voice.say("figure.overlap.largest"),) if fewer else ())
    if balance.cohorts:
        yield table(voice, "overlap")


def _components(voice: Voice) -> Iterator[Block]:
    found = voice.findings.components
    if found is None:
        return
    yield Paragraph(voice.join(components.sentences(voice, found)))
    yield Paragraph(voice.join(components.share(voice, found)))
    earned = (voice.say("figure.components.earned"),) if any(row.earned for row in found.rows) else ()
    yield figure(voice, "components", components.figure_facts(voice, found), earned)
    yield table(voice, "components")


def _gained(voice: Voice) -> Iterator[Block]:
    named = voice.findings.groups_named
    if named is None:
        return
    groups = [voice.say("gained.groups", groups=voice.catalogue.listing(map(voice.word, named)))] if named else []
    yield Paragraph(voice.join([*groups, voice.say("gained.lines"), voice.say("gained.where")]))


def _limits(voice: Voice) -> Iterator[Block]:
    remarks = distinct(limits(voice))
    fixed = [
        voice.say("limits.premise"),
        voice.say("limits.single_unit") if not voice.single else voice.say("one_unit.limit", where=where(voice)),
        voice.say("limits.outside", years=voice.years(voice.findings.sample.periods)),
    ]
    if voice.findings.scale == "log":
        fixed.append(voice.say("limits.money"))
    if hidden := voice.findings.hidden:
        fixed.append(voice.say("limits.hidden", few=voice.count_units(hidden.minimum)))
    yield Listing(tuple(Item(text) for text in (*fixed, *remarks)))


def _truth(voice: Voice) -> Iterator[Block]:
    truth, effect = voice.findings.truth, voice.findings.headline.effect
    if truth is None or not voice.findings.simulated:
        return
    told = voice.say(
        f"truth.{('inside' if truth.inside else 'outside') if has_range(effect) else 'none'}",
        truth=voice.effect(truth.effect),
        estimate=voice.effect(effect.estimate),
        interval=voice.span(effect.low, effect.high),
        unit_of_effect=voice.unit_of_effect(),
    )
    yield Paragraph(voice.join([told, voice.say("truth.note")]))


def _methods(voice: Voice) -> Iterator[Block]:
    from evalkit.report.methods import facts

    yield from plan_section(voice)
    yield Facts(facts(voice), "list")


_SECTIONS = {
    "how": how_section,
    "rise": _rise,
    "path": path_section,
    "firm": _firm,
    "grade": _grade,
    "refused": _refused,
    "single": _single,
    "alike": _alike,
    "components": _components,
    "gained": _gained,
    "agree": agree_section,
    "cost": cost_section,
    "who": who_section,
    "limits": _limits,
    "truth": _truth,
    "methods": _methods,
}
