"""From the record of an intake to the data-quality page: which blocks it has, in which order, in either language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from evalkit.intake.record import IntakeRecord
from evalkit.numerals import MINUS
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Heading, Item, Listing, Paragraph, Table
from evalkit.report.intake_captions import caption, drawn
from evalkit.report.intake_tables import average, ledger_sums, missing_by_column, shortened, switch_years, tables
from evalkit.report.intake_voice import IntakeVoice

MONEY_NOTICES = ("INCOME_DEF", "PRICE", "NOMINAL", "POVERTY_LINE")
"""Beginnings of the codes of remarks that belong to the section on income definition and prices."""


def compose(record: IntakeRecord, lang: str) -> Document:
    """Return the data-quality page of a record in one language, "zh" or "en"; raises WordsError for what has no words."""
    voice = IntakeVoice(record, lang)
    page = _Page(voice)
    ordinals = voice.phrase("data.ordinals").split()
    blocks: list[Block] = [_strip(voice)]
    for ordinal, (name, make) in zip(ordinals, _SECTIONS.items(), strict=True):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"data.heading.{name}"))
        blocks += [Heading(title, name.replace("_", "-")), *make(page)]
    title = voice.say("data.title")
    named = voice.phrase("language.parenthesis", outer=title, inner=record.source.name)
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=record.source.name,
        page_title=named,
        banner=voice.say("status.simulated") if record.simulated else "",
        banner_text=voice.say("status.simulated_long") if record.simulated else "",
        footer=voice.say("page.footer", title=named, run_id=record.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
        sheet="data_page.css",
    )


def callout(voice: IntakeVoice) -> Callout:
    """Return the bottom line: whether the panel can be used, and what it rests on."""
    record = voice.record
    questions = voice.number_of(len(record.questions), "question")
    verdict = "usable_open" if record.questions else "usable"
    lead = [_used(voice)]
    if record.questions:
        lead.append(voice.say(f"data.bottom.open{'_one' if len(record.questions) == 1 else ''}", questions=questions))
    shown = (
        Fact(
            voice.say("data.label.size"), voice.phrase("data.bottom.size", units=f"{record.units:,}", periods=len(record.periods))
        ),
        Fact(voice.say("data.label.rows"), f"{record.rows:,}"),
        Fact(voice.say("data.label.open"), f"{len(record.questions):,}"),
    )
    mark = {"usable": "●", "usable_open": "◇"}[verdict]
    return Callout(verdict, mark, voice.say(f"data.verdict.{verdict}", questions=questions), voice.join(lead), shown, points(voice))


def _used(voice: IntakeVoice) -> str:
    """Say how many rows arrived and are used, and what makes the difference."""
    record = voice.record
    counts = dict(zip(("left", "added", "combined"), ledger_sums(record.ledger), strict=True))
    parts = [voice.phrase(f"data.bottom.part_{name}", number=f"{count:,}") for name, count in counts.items() if count]
    arrived = voice.count(_arrived(record), "row")
    arrived = voice.phrase("data.bottom.arrived", rows_in=arrived)
    if parts:
        arrived = voice.phrase("language.parenthesis", outer=arrived, inner=voice.phrase("data.bottom.between").join(parts))
    return voice.say("data.bottom.lead", arrived=arrived, rows=f"{record.rows:,}", panel=panel(voice))


def points(voice: IntakeVoice) -> tuple[str, ...]:
    """Return the short points under the bottom line: the file, the definition of income, the prices, and personal data."""
    source = voice.record.source
    parts = [part for part in (source.format, source.encoding, source.sheet) if part]
    personal = "personal_some" if any(voice.record.personal.values()) else "personal_none"
    return (
        voice.say("data.bottom.file", file=source.name, parts=voice.phrase("language.separator").join(parts)),
        voice.say("data.bottom.definition", definition=_definition_in_short(voice)),
        voice.say("data.bottom.prices", prices=voice.prices),
        voice.say(f"data.bottom.{personal}", kinds=_kinds(voice)),
    )


def panel(voice: IntakeVoice) -> str:
    """Return what the panel is, in one phrase: 38 counties, 2013-2022, one row for each county and year."""
    record = voice.record
    balance = voice.phrase(f"data.bottom.{'balanced' if record.balanced else 'unbalanced'}")
    facts = {"units": voice.count_units(record.units), "years": voice.years(record.periods), "balance": balance}
    return voice.phrase("data.bottom.panel", **facts)


@dataclass(frozen=True)
class _Page:
    """One page while it is made: its tables, and the numbers of its figures."""

    voice: IntakeVoice
    figures: list[str] = field(default_factory=list)

    @cached_property
    def tables(self) -> dict[str, Table]:
        return tables(self.voice)

    def table(self, name: str) -> Iterator[Block]:
        if name in self.tables:
            yield shortened(self.tables[name], self.voice)

    def figure(self, name: str) -> Iterator[Block]:
        if drawn(self.voice, name):
            self.figures.append(name)
            number = self.voice.phrase("language.figure", number=len(self.figures))
            yield replace(caption(self.voice, name), number=number)


def _arrived(record: IntakeRecord) -> int:
    return record.ledger[0].rows_in if record.ledger else record.rows


def _strip(voice: IntakeVoice) -> Facts:
    record = voice.record
    facts = {
        "file": record.source.name,
        "unit": voice.say("language.name", name=voice.common["unit"]),
        "years": voice.years(record.periods),
        "rows": f"{record.rows:,}",
        "status": voice.say("status.simulated" if record.simulated else "status.real"),
        "run_id": record.run_id,
    }
    return Facts(tuple(Fact(voice.say(f"data.label.{name}"), value) for name, value in facts.items()))


def _bottom_line(page: _Page) -> Iterator[Block]:
    yield callout(page.voice)


def _arrived_file(page: _Page) -> Iterator[Block]:
    yield Paragraph(page.voice.say("data.file.text"))
    yield from page.table("file")


def _rows(page: _Page) -> Iterator[Block]:
    voice, record = page.voice, page.voice.record
    if not record.ledger:
        yield Paragraph(voice.say("data.rows.none"))
        return
    left, added, combined = ledger_sums(record.ledger)
    signed = {"left": f"{MINUS} {left:,}", "added": f"+ {added:,}", "combined": f"{MINUS} {combined:,}"}
    facts = {"rows_in": f"{_arrived(record):,}", "rows_out": f"{record.ledger[-1].rows_out:,}"}
    yield Paragraph(voice.say("data.rows.text", **facts, **signed))
    yield from page.table("ledger")
    if left:
        yield from page.table("left")
    else:
        yield Paragraph(voice.say("data.rows.nothing_left"))


def _headings(page: _Page) -> Iterator[Block]:
    voice, uses = page.voice, page.voice.record.headings
    if not uses:
        yield Paragraph(voice.say("data.headings.none"))
        return
    used = sum(use.column is not None for use in uses)
    yield Paragraph(
        voice.say(
            "data.headings.text", headings=voice.number_of(len(uses), "heading"), used=f"{used:,}", rest=f"{len(uses) - used:,}"
        )
    )
    yield from page.table("headings")


def _values(page: _Page) -> Iterator[Block]:
    voice = page.voice
    cells = sum(flag.count for flag in voice.record.flags)
    if cells:
        columns = len({flag.column for flag in voice.record.flags if flag.count})
        facts = {"cells": voice.number_of(cells, "cell"), "columns": voice.number_of(columns, "column")}
        yield Paragraph(voice.say("data.values.text", **facts))
    else:
        yield Paragraph(voice.say("data.values.none"))
    yield Paragraph(voice.say("data.values.help"), "help")
    yield from page.table("flags")


def nothing_drawn(voice: IntakeVoice, name: str) -> str:
    """Return why a figure (missing, income or changes) has nothing to show."""
    if name == "missing":
        columns = len({share.column for share in voice.record.missing})
        return voice.say(f"data.missing.{'none' if columns else 'unknown'}", columns=voice.number_of(columns, "column"))
    if name == "income":
        return voice.say(f"data.income.{'no_column' if voice.record.income_column is None else 'no_values'}")
    followed = any(step.code == "counties" for step in voice.record.ledger)
    return voice.say(f"data.changes.{'none' if followed else 'not_followed'}")


def _missing(page: _Page) -> Iterator[Block]:
    voice = page.voice
    some = missing_by_column(voice)
    if not some:
        yield Paragraph(nothing_drawn(voice, "missing"))
    else:
        columns = len({share.column for share in voice.record.missing})
        worst, shares = next(iter(some.items()))
        facts = {"columns": voice.number_of(columns, "column"), "complete": f"{columns - len(some):,}"}
        yield Paragraph(voice.say("data.missing.text", worst=voice.column(worst), share=voice.share(average(shares)), **facts))
        yield from page.figure("missing")
        yield Paragraph(voice.say("data.missing.help"), "help")
        yield from page.table("missing")


def _income(page: _Page) -> Iterator[Block]:
    voice, record = page.voice, page.voice.record
    if not drawn(voice, "income"):
        yield Paragraph(nothing_drawn(voice, "income"))
    else:
        rows = voice.count(sum(bin_.count for bin_ in record.income), "row")
        yield Paragraph(
            voice.say(
                "data.income.text", rows=rows, years=voice.years([record.income_year] if record.income_year else record.periods)
            )
        )
        yield from page.figure("income")
    if record.lines:
        yield Paragraph(voice.say("data.income.schedules"), "help")
        yield from page.table("lines")
    elif record.income_column is not None:
        yield Paragraph(voice.say("data.income.no_lines"))


def _counties(page: _Page) -> Iterator[Block]:
    voice, record = page.voice, page.voice.record
    if not record.changes:
        yield Paragraph(nothing_drawn(voice, "changes"))
        return
    units = len({change.unit for change in record.changes})
    facts = {"changes": voice.number_of(len(record.changes), "change"), "units": voice.count_units(units)}
    yield Paragraph(voice.say("data.changes.text", **facts))
    yield from page.figure("changes")
    yield from page.table("changes")


def _definition(page: _Page) -> Iterator[Block]:
    voice = page.voice
    given = voice.record.income_definition or {}
    text = [voice.say("data.bottom.definition", definition=_definition_in_short(voice))]
    notices = [notice for notice in voice.record.notices if notice.code.startswith(MONEY_NOTICES)]
    unknown = int(given.get("unknown") or 0)
    if unknown and not any(notice.code == "INCOME_DEF_UNKNOWN" for notice in notices):
        text.append(voice.say("data.definition.unknown_units", units=voice.count_units(unknown)))
    if len(years := switch_years(voice)) > 1:
        text.append(voice.say("data.definition.staggered"))
    yield Paragraph(voice.join(text))
    if years:
        yield from page.table("definition")
    yield Paragraph(voice.say("data.bottom.prices", prices=voice.prices))
    # The change of definition is told above; its remark adds something only where it knows of treatment.
    said = [
        voice.notice(notice) for notice in notices if notice.code != "INCOME_DEF_SWITCH" or not years or notice.facts.get("treated")
    ]
    if said:
        yield Listing(tuple(Item(text) for text in dict.fromkeys(said)))


def _definition_in_short(voice: IntakeVoice) -> str:
    """Return the definition of income in a phrase: one for all, or where it changes."""
    given = voice.record.income_definition
    if given is None:
        return voice.phrase("data.definition.not_needed")
    if years := switch_years(voice):
        units = voice.count_units(sum(years.values()))
        return voice.phrase("data.definition.switch", years=voice.years(list(years)), units=units)
    return voice.definition(str(given.get("definition") or "unknown"))


def _kinds(voice: IntakeVoice) -> str:
    """Return what kinds of personal data were removed."""
    return voice.catalogue.listing(
        voice.phrase(f"personal.{kind}") for kind, count in sorted(voice.record.personal.items()) if count
    )


def _personal(page: _Page) -> Iterator[Block]:
    voice, uses = page.voice, page.voice.record.headings
    if not any(voice.record.personal.values()):
        yield Paragraph(voice.say("data.personal.none"))
        return
    text = [voice.say("data.personal.text")]
    for how in ("dropped", "hashed", "masked"):
        if names := [use.heading for use in uses if use.how == how]:
            text.append(voice.say(f"data.personal.columns_{how}", columns=voice.quoted(names)))
    yield Paragraph(voice.join(text))
    yield from page.table("personal")


def _questions(page: _Page) -> Iterator[Block]:
    voice, record = page.voice, page.voice.record
    if record.questions:
        yield Paragraph(voice.say("data.questions.text"))
        items = []
        for number, said in enumerate(record.questions, start=1):
            label = voice.phrase("data.questions.label", number=number, evidence=voice.evidence(said))
            items.append(Item(voice.question(said), label))
        yield Listing(tuple(items))
    else:
        yield Paragraph(voice.say("data.questions.none"))
    if record.checks:
        ran = sum(run.ran for run in record.checks)
        quiet = sum(run.ran and not run.questions for run in record.checks)
        facts = {"ran": f"{ran:,}", "quiet": f"{quiet:,}", "rest": f"{len(record.checks) - ran:,}"}
        yield Paragraph(voice.say("data.checks.text", checks=voice.number_of(len(record.checks), "check"), **facts))
        yield from page.table("checks")
    else:
        yield Paragraph(voice.say("data.checks.none"))


def _limits(page: _Page) -> Iterator[Block]:
    voice = page.voice
    others = [voice.notice(notice) for notice in voice.record.notices if not notice.code.startswith(MONEY_NOTICES)]
    fixed = [voice.say(f"data.limits.{name}") for name in ("plausible", "comparison", "silent")]
    yield Listing(tuple(Item(text) for text in dict.fromkeys([*fixed, *others])))


_SECTIONS: dict[str, Callable[[_Page], Iterator[Block]]] = {
    "bottom_line": _bottom_line,
    "arrived": _arrived_file,
    "rows": _rows,
    "headings": _headings,
    "values": _values,
    "missing": _missing,
    "income": _income,
    "counties": _counties,
    "definition": _definition,
    "personal": _personal,
    "questions": _questions,
    "limits": _limits,
}
