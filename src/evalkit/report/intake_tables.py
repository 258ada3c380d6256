"""The three-line tables of the data-quality page, whole; the page shortens long ones, the csv files hold every row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter

from evalkit.intake.record import CheckRun, CodeChange, LedgerStep, MissingShare
from evalkit.numerals import MINUS
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.intake_voice import IntakeVoice

SHOWN = 40
"""Rows of a table that the page shows."""

Made = tuple[list[Column], list[Row], list[str]]


def tables(voice: IntakeVoice) -> dict[str, Table]:
    """Return every table that has rows, by name, numbered in the order of the page; ``questions`` is a file only."""
    made: dict[str, Table] = {}
    for name, make in _MAKERS.items():
        columns, rows, notes = make(voice)
        if rows:
            first = [voice.say("status.simulated_note")] if voice.simulated else []
            number = voice.phrase("language.table", number=len(made) + 1)
            caption = voice.say(f"data.table.{name}")
            cards = name in ("headings", "changes")
            made[name] = Table(name, number, caption, tuple(columns), tuple(rows), (*first, *notes), cards=cards)
    return made


def shortened(table: Table, voice: IntakeVoice) -> Table:
    """Return a table as the page shows it: the first rows, and where the others are."""
    if len(table.rows) <= SHOWN:
        return table
    file = f"tables/{table.name}.{voice.lang}.csv"
    more = voice.say("data.table.more", rows=f"{len(table.rows) - SHOWN:,}", file=file)
    return replace(table, rows=table.rows[:SHOWN], notes=(*table.notes, more))


def missing_by_column(voice: IntakeVoice) -> dict[str, list[MissingShare]]:
    """Return the columns with missing values, the emptiest first, each with its shares in the order of periods."""
    by_column: dict[str, list[MissingShare]] = {}
    for share in voice.record.missing:
        by_column.setdefault(share.column, []).append(share)
    some = {name: sorted(shares, key=attrgetter("period")) for name, shares in by_column.items() if any(s.share for s in shares)}
    return dict(sorted(some.items(), key=lambda item: (-average(item[1]), item[0])))


def average(shares: Iterable[MissingShare]) -> float:
    """Return the share of missing values over all periods, each with its units."""
    parts = list(shares)
    units = sum(part.units for part in parts)
    return sum(part.share * part.units for part in parts) / units if units else 0.0


def _column(voice: IntakeVoice, name: str, *fields: str, left: bool = False) -> Column:
    label = voice.say(f"data.column.{name}")
    labels = tuple(voice.say(f"data.column.{field}") for field in fields) or (label,)
    return Column(label, "left" if left else "right", labels)


def _text(text: str | None, detail: str = "") -> Cell:
    return Cell(text or "—", detail, (text or "",))


def _number(value: int, sign: str = "") -> Cell:
    return Cell(f"{sign if value else ''}{value:,}", values=(value,))


def _named(voice: IntakeVoice, name: str | None) -> Cell:
    """Return a column as readers know it, with its name in the panel below."""
    if name is None:
        return Cell("—", values=("", ""))
    label = voice.column(name)
    return Cell(_capital(label), name, (label, name)) if label != name else Cell(name, values=(name, name))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _file(voice: IntakeVoice) -> Made:
    source = voice.record.source
    items: list[tuple[str, str | None, str | int]] = [
        ("name", source.name, source.name),
        ("format", source.format, source.format),
        ("encoding", source.encoding, source.encoding or ""),
        ("sheet", source.sheet, source.sheet or ""),
        ("size", voice.phrase("data.bytes", number=f"{source.bytes:,}"), source.bytes),
        ("fingerprint", voice.phrase("data.fingerprint", start=source.sha256[:16]), source.sha256),
        ("file_title", source.title, source.title or ""),
        ("file_notes", voice.join(source.notes), voice.join(source.notes)),
        ("version", voice.phrase("data.version", version=voice.record.version), voice.record.version),
    ]
    rows = [Row((_text(voice.say(f"data.file.{name}")), Cell(text, values=(value,)))) for name, text, value in items if text]
    return [_column(voice, "item", left=True), _column(voice, "content", left=True)], rows, [voice.say("data.file.note")]


def _ledger(voice: IntakeVoice) -> Made:
    names = ("rows_in", "left", "added", "combined", "rows_out")
    columns = [_column(voice, "step", "step", "reasons", left=True), *(_column(voice, name) for name in names)]
    steps = voice.record.ledger
    rows = [_step(voice, step) for step in steps]
    if steps:
        total = _sums(steps)
        label = voice.say("data.rows.total")
        rows.append(Row((Cell(label, values=(label, "")), *_counts(*total)), marked=True))
    return columns, rows, [voice.say("data.rows.note")]


def _sums(steps: list[LedgerStep]) -> tuple[int, int, int, int, int]:
    left, added, combined = ledger_sums(steps)
    return steps[0].rows_in, left, added, combined, steps[-1].rows_out


def ledger_sums(steps: list[LedgerStep]) -> tuple[int, int, int]:
    """Return how many rows left, were added and were combined in all steps."""
    return sum(sum(s.left.values()) for s in steps), sum(s.added for s in steps), sum(s.combined for s in steps)


def _step(voice: IntakeVoice, step: LedgerStep) -> Row:
    label, reasons = voice.say(f"step.{step.code}"), reasons_told(voice, step.left)
    counts = _counts(step.rows_in, sum(step.left.values()), step.added, step.combined, step.rows_out)
    return Row((Cell(label, reasons, (label, reasons)), *counts))


def reasons_told(voice: IntakeVoice, left: dict[str, int]) -> str:
    """Return why rows left in one phrase: title 1, blank line 2."""
    told = (voice.phrase("data.rows.reason", reason=voice.phrase(f"left.{why}"), number=f"{n:,}") for why, n in left.items() if n)
    return voice.catalogue.listing(told, shown=20)


def _counts(rows_in: int, left: int, added: int, combined: int, rows_out: int) -> tuple[Cell, ...]:
    return _number(rows_in), _number(left, MINUS), _number(added, "+"), _number(combined, MINUS), _number(rows_out)


def _left(voice: IntakeVoice) -> Made:
    columns = [_column(voice, "reason", "reason", "step", left=True), _column(voice, "rows"), _column(voice, "lines", left=True)]
    rows = []
    for step in voice.record.ledger:
        for reason, count in step.left.items():
            if count:
                why, what = voice.say(f"left.{reason}"), voice.say(f"step.{step.code}")
                lines = _text(voice.lines(step.lines.get(reason, []), count))
                rows.append(Row((Cell(why, what, (why, what)), _number(count), lines)))
    return columns, rows, [voice.say("data.rows.lines_note")]


def _headings(voice: IntakeVoice) -> Made:
    columns = [
        _column(voice, "heading", left=True),
        _column(voice, "column", "column", "name", left=True),
        _column(voice, "units", "unit_in_file", "unit", left=True),
        _column(voice, "how", left=True),
    ]
    rows = []
    for use in voice.record.headings:
        before, after = (unit and voice.unit(unit) for unit in (use.unit_in_file, use.unit))
        both = voice.phrase("data.arrow", before=before, after=after) if before and after and before != after else after or before
        unit = Cell(both or "—", values=(before or "", after or ""))
        rows.append(Row((_text(use.heading), _named(voice, use.column), unit, _text(voice.say(f"data.how.{use.how}")))))
    return columns, rows, [voice.say("data.headings.note")]


def _flags(voice: IntakeVoice) -> Made:
    columns = [
        _column(voice, "column", "column", "name", left=True),
        _column(voice, "flag", left=True),
        _column(voice, "cells"),
        _column(voice, "lines", left=True),
    ]
    rows = [
        Row((_named(voice, f.column), _text(voice.say(f"flag.{f.flag}")), _number(f.count), _text(voice.lines(f.lines, f.count))))
        for f in voice.record.flags
        if f.count
    ]
    return columns, rows, [voice.say("data.values.note")]


def _missing(voice: IntakeVoice) -> Made:
    periods = sorted({share.period for share in voice.record.missing})
    years = tuple(voice.phrase("language.one_year", year=year) for year in periods)
    worst_label = voice.say("data.column.worst")
    columns = [
        _column(voice, "column", "column", "name", left=True),
        _column(voice, "missing"),
        Column(worst_label, "right", (worst_label, *years)),
    ]
    rows = []
    for name, shares in missing_by_column(voice).items():
        worst = max(shares, key=attrgetter("share"))
        by_period = {share.period: share.share for share in shares}
        year = voice.phrase("language.one_year", year=worst.period)
        told = voice.phrase("data.missing.worst", year=year, share=voice.share(worst.share))
        overall = average(shares)
        cells = (Cell(voice.share(overall), values=(overall,)), Cell(told, values=(told, *map(by_period.get, periods))))
        rows.append(Row((_named(voice, name), *cells)))
    return columns, rows, [voice.say("data.missing.note")]


def _lines(voice: IntakeVoice) -> Made:
    names = ("schedule", "year", "value", "below", "verified")
    columns = [_column(voice, name, left=name in ("schedule", "verified")) for name in names]
    rows = []
    for line in voice.record.lines:
        below = voice.phrase("language.missing") if line.below is None else voice.share(line.below)
        cells = (
            _text(_capital(voice.schedule(line.schedule))),
            Cell(voice.phrase("language.one_year", year=line.year), values=(line.year,)),
            Cell(voice.money(line.value), values=(line.value,)),
            Cell(below, values=(line.below,)),
            _text(voice.say(f"data.verified.{line.verified}")),
        )
        rows.append(Row(cells))
    return columns, rows, [voice.say("data.income.lines_note", money=voice.money_unit)]


def _changes(voice: IntakeVoice) -> Made:
    columns = [
        _column(voice, "county", left=True),
        _column(voice, "year"),
        _column(voice, "kind", left=True),
        _column(voice, "names", "from_name", "to_name", "from_code", "to_code", left=True),
    ]
    rows = []
    for change in sorted(voice.record.changes, key=lambda c: (c.unit, c.year or 0, c.from_code)):
        year = voice.phrase("language.missing") if change.year is None else voice.phrase("language.one_year", year=change.year)
        kind = _text(voice.say(f"change.{change.kind}"))
        rows.append(Row((_text(change.unit), Cell(year, values=(change.year,)), kind, _names(voice, change))))
    return columns, rows, [voice.say("data.changes.note")]


def _names(voice: IntakeVoice, change: CodeChange) -> Cell:
    """Return a change from name to name, with the codes below; what stays the same stands once."""
    pairs = ((change.from_name or change.from_code, change.to_name or change.to_code), (change.from_code, change.to_code))
    names, codes = (
        voice.phrase("data.arrow", before=before, after=after) if before != after else before for before, after in pairs
    )
    return Cell(names, codes, (change.from_name, change.to_name, change.from_code, change.to_code))


def _definition(voice: IntakeVoice) -> Made:
    columns = [_column(voice, "switch_year", left=True), _column(voice, "units_counted")]
    rows = []
    for year, units in switch_years(voice).items():
        rows.append(Row((Cell(voice.phrase("language.one_year", year=year), values=(year,)), _number(units))))
    return columns, rows, [voice.say("data.definition.note")]


def switch_years(voice: IntakeVoice) -> dict[int, int]:
    """Return how many units go over to the other definition of income in which year."""
    given = (voice.record.income_definition or {}).get("switch_years") or {}
    return {int(year): int(units) for year, units in sorted(given.items(), key=lambda item: int(item[0]))}


def _personal(voice: IntakeVoice) -> Made:
    columns = [_column(voice, "personal", left=True), _column(voice, "values_removed")]
    kinds = sorted(voice.record.personal.items(), key=lambda item: (-item[1], item[0]))
    rows = [Row((_text(voice.say(f"personal.{kind}")), _number(count))) for kind, count in kinds if count]
    return columns, rows, [voice.say("data.personal.note")]


def _checks(voice: IntakeVoice) -> Made:
    columns = [_column(voice, "check", left=True), _column(voice, "result", "result", "questions", left=True)]
    ordered = sorted(voice.record.checks, key=lambda run: (not run.ran, -run.questions))
    rows = [Row((_text(voice.say(f"plausibility_check.{run.check}")), _result(voice, run))) for run in ordered]
    return columns, rows, [voice.say("data.checks.note")]


def _result(voice: IntakeVoice, run: CheckRun) -> Cell:
    if not run.ran:
        why = not_applicable(voice, run)
        return Cell(voice.say("data.checks.not_applicable"), why, (why, None))
    told = (
        voice.say("data.checks.asked", questions=voice.number_of(run.questions, "question"))
        if run.questions
        else voice.say("data.checks.quiet")
    )
    return Cell(told, values=(told, run.questions))


def not_applicable(voice: IntakeVoice, run: CheckRun) -> str:
    """Return why a check does not apply; a part that no column plays is called by its name in the reader's language."""
    if run.reason is None:
        return voice.say("data.checks.no_reason")
    facts = dict(run.facts)
    if isinstance(roles := facts.get("roles"), (list, tuple)):
        facts["roles"] = voice.catalogue.listing(voice.phrase(f"plausibility_role.{role}") for role in roles)
    return voice.say(f"not_applied.{run.reason}", **facts)


def _questions(voice: IntakeVoice) -> Made:
    columns = [_column(voice, "no"), _column(voice, "evidence", left=True), _column(voice, "question", left=True)]
    columns += [_column(voice, "places"), _column(voice, "answer", left=True)]
    rows = []
    for number, said in enumerate(voice.record.questions, start=1):
        cells = (_number(number), _text(voice.evidence(said)), _text(voice.question(said)), _number(said.count))
        rows.append(Row((*cells, Cell("", values=("",)))))
    return columns, rows, []


_MAKERS = {
    "file": _file,
    "ledger": _ledger,
    "left": _left,
    "headings": _headings,
    "flags": _flags,
    "missing": _missing,
    "lines": _lines,
    "changes": _changes,
    "definition": _definition,
    "personal": _personal,
    "checks": _checks,
    "questions": _questions,
}
