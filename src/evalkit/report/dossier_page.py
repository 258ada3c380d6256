"""From a robustness dossier to its page: the summary, the one table of verdicts, and the numbers behind every check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from evalkit.dossier_records import Check, Dossier
from evalkit.report import dossier_figures
from evalkit.report.blocks import Block, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph, Table
from evalkit.report.dossier_figures import DRAW
from evalkit.report.dossier_tables import made_by, tables, verdicts
from evalkit.report.dossier_voice import RULES, DossierVoice
from evalkit.report.sources import count, traced
from evalkit.report.trace import finished

__all__ = ["DRAW", "arranged", "compose"]

ORDER = ("fail", "doubt", "pass", "not_applicable")


def compose(dossier: Dossier, lang: str) -> Document:
    """Return the dossier in one language, every number of which knows the result it comes from.

    Raises
    ------
    WordsError
        For a language other than "zh" and "en", and for a check that holds a code without words.
    """
    return finished(arranged(traced(dossier), lang))


def arranged(dossier: Dossier, lang: str) -> Document:
    """Return the blocks of the page as they are made of a dossier, traced or not; texts still hold the marks of traced numbers."""
    page = DossierVoice(dossier, lang)
    voice = page.voice
    sections = {"summary": _summary(page), "verdicts": _verdicts(page), "details": _details(page)}
    ordinals = voice.phrase("language.ordinals").split()
    blocks: list[Block] = [_strip(page)]
    for ordinal, (name, made) in zip(ordinals, sections.items(), strict=False):
        blocks += [
            Heading(voice.phrase("language.section", ordinal=ordinal, title=page.say(f"dossier.heading.{name}")), name),
            *made,
        ]
    title = page.say("dossier.page.title", title=voice.title)
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=page.say("dossier.page.kind"),
        page_title=title,
        banner=voice.say("status.simulated") if voice.simulated else "",
        banner_text=voice.say("status.simulated_long") if voice.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=voice.findings.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(_numbered(page, blocks)),
        sheet="dossier_page.css",
    )


def _numbered(page: DossierVoice, blocks: list[Block]) -> Iterator[Block]:
    """Yield the blocks with figures and tables counted within the page."""
    figures, listed = 0, 0
    for block in blocks:
        if isinstance(block, Figure):
            figures += 1
            yield replace(block, number=page.voice.phrase("language.figure", number=figures))
        elif isinstance(block, Table):
            listed += 1
            yield replace(block, number=page.voice.phrase("language.table", number=listed))
        else:
            yield block


def _strip(page: DossierVoice) -> Facts:
    voice = page.voice
    findings = voice.findings
    status = "status.simulated" if voice.simulated else "status.real"
    return Facts(
        (
            Fact(voice.say("label.programme"), voice.say("language.name", name=voice.common["programme"])),
            Fact(voice.say("label.window"), voice.window(*findings.window)),
            Fact(voice.say("label.outcome"), voice.say("language.name", name=voice.common["outcome"])),
            Fact(voice.say("label.status"), voice.say(status)),
            Fact(voice.say("label.run_id"), findings.run_id),
            Fact(voice.say("label.source"), voice.word(findings.source), findings.source_url),
        )
    )


def _summary(page: DossierVoice) -> Iterator[Block]:
    """Yield how many checks found what, the failures and doubts first, and how to read the page; never a score."""
    checks = page.dossier.checks
    of = {verdict: [check for check in checks if check.verdict == verdict] for verdict in ORDER}
    counted = {verdict: f"{count(found, of=checks)}" for verdict, found in of.items()}
    if page.voice.findings.verdict == "refused":
        yield Paragraph(page.say("dossier.summary.refused"))
    yield Paragraph(page.say("dossier.summary.counted", checks=f"{count(checks)}", **counted))
    if opened := [*of["fail"], *of["doubt"]]:
        yield Paragraph(page.say("dossier.summary.open"))
        yield Listing(tuple(_open(page, check) for check in opened))
    else:
        yield Paragraph(page.say("dossier.summary.no_open"))
    yield Paragraph(page.say("dossier.summary.no_score"), "help")
    scale = page.voice.findings.scale
    near = page.phrase("dossier.reading_log") if scale == "log" else ""
    yield Paragraph(page.say("dossier.reading", unit_of_effect=page.voice.unit_of_effect(hundred=True), approximate=near), "help")
    if left := [rule for rule in RULES if rule not in page.made]:
        yield Paragraph(page.say("dossier.page.rules_left", rules=page.voice.catalogue.listing(left, shown=len(left))), "help")


def _open(page: DossierVoice, check: Check) -> Item:
    label = page.voice.phrase("language.two_parts", one=page.name(check), two=page.phrase(f"dossier.verdict.{check.verdict}"))
    return Item(page.because(check) or page.said(check), label)


def _verdicts(page: DossierVoice) -> Iterator[Block]:
    yield verdicts(page)


def _details(page: DossierVoice) -> Iterator[Block]:
    """Yield the figures and tables of every check that has some, under its name."""
    for check in page.dossier.checks:
        name, listed = dossier_figures.drawn(check), list(tables(page, check))
        if name is None and not listed:
            continue
        yield Heading(page.name(check), check.rule.lower())
        yield Paragraph(page.voice.join([page.said(check), page.because(check)]))
        if name is not None:
            yield _figure(page, check, name)
        yield from (made_by(page, check, table) for table in listed)


def _figure(page: DossierVoice, check: Check, name: str) -> Figure:
    voice = page.voice
    first = (voice.say("status.simulated_note"),) if voice.simulated else ()
    told = dossier_figures.facts(page, check)
    caption, description, note = (
        page.say(f"dossier.{check.rule}.figure.{part}", **told) for part in ("caption", "description", "note")
    )
    return Figure(
        name=name, number="", caption=caption, description=voice.join([*first, description]), notes=(*first, note, page.say("dossier.page.made_by", function=check.made_by))
    )  # fmt: skip
