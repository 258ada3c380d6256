"""The tables of who gained."""

from __future__ import annotations

from collections.abc import Callable

from evalkit import numerals
from evalkit.errors import ReportError, unknown
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.cells import count_cell, text_cell
from evalkit.report.who_voice import WhoVoice, lines_of, overtaken
from evalkit.who_records import Adjusted, Deciles, Groups, NearPoor, Overtaking, Passed, Poverty, Village

Made = tuple[list[Column], list[Row], list[str]]


def table(voice: WhoVoice, name: str) -> Table:
    """Return one of the tables of the page, by its name in ``who_voice.TABLES``; raises ReportError for one that it does not have."""
    if name not in _MAKERS:
        raise ReportError(unknown("table", name, list(_MAKERS)))
    number = voice.number("table", name)
    columns, rows, notes = _MAKERS[name](voice)
    first = [voice.say("status.simulated_note")] if voice.simulated else []
    if voice.record.minimum is not None and any(cell.text == hidden_mark(voice) for row in rows for cell in row.cells):
        notes = [*notes, voice.say("gains.table.hidden_note", mark=hidden_mark(voice), few=voice.count_units(voice.record.minimum))]
    caption = voice.caption(f"gains.table.{name}")
    return Table(name, number, caption, tuple(columns), tuple(rows), (*first, *notes), cards=len(columns) > 4)


def hidden_mark(voice: WhoVoice) -> str:
    """Return what a table of a public page shows in place of a hidden number."""
    return voice.phrase("disclosure.mark", minimum=voice.record.minimum)


def _column(voice: WhoVoice, name: str, *fields: str, align: str = "right", told: bool = True) -> Column:
    labels = tuple(voice.phrase(f"gains.column.{field}") for field in fields or (name,))
    return Column(voice.phrase(f"gains.column.{name}"), "left" if align == "left" else "right", labels, told)


def _count(voice: WhoVoice, value: int | None) -> Cell:
    return text_cell(hidden_mark(voice)) if value is None else count_cell(voice, value)


def _share(voice: WhoVoice, value: float | None, plus: bool = False) -> Cell:
    """Return a share in per cent, or a difference of shares in points; missing where a public page or the line's years have none."""
    if value is None:
        return Cell(voice.phrase("language.missing"), values=(None,))
    return Cell(numerals.fixed(100 * value, 1, plus), values=(value,))


def _shares(voice: WhoVoice, interval: Interval | None, plus: bool = False) -> tuple[Cell, Cell]:
    if interval is None:
        missing = voice.phrase("language.missing")
        return Cell(missing, values=(None,)), Cell(missing, values=(None, None))
    return _share(voice, interval.estimate, plus), Cell(voice.share_span(interval), values=(interval.low, interval.high))


def _p(voice: WhoVoice, value: float | None) -> Cell:
    return Cell(voice.phrase("language.missing") if value is None else numerals.p_value(value), values=(value,))


def _adjusted(voice: WhoVoice, one: Adjusted | None) -> tuple[Cell, Cell]:
    return _p(voice, one.holm if one else None), _p(voice, one.romano_wolf if one else None)


def _money(voice: WhoVoice, interval: Interval) -> tuple[Cell, Cell]:
    return (
        Cell(numerals.money(interval.estimate, plus=True), values=(interval.estimate,)),
        Cell(voice.money_span(interval), values=(interval.low, interval.high)),
    )


def _groups(voice: WhoVoice) -> Made:
    found = voice.record.groups
    assert isinstance(found, Groups)
    columns = [
        _column(voice, "group", align="left"),
        _column(voice, "treated", "treated", "comparison"),
        _column(voice, "money"),
        _column(voice, "money_range", "low", "high"),
        _column(voice, "percent"),
        _column(voice, "pretrend"),
        _column(voice, "holm"),
        _column(voice, "romano_wolf", told=False),
    ]
    rows, notes = [], [voice.say("gains.table.groups_note"), voice.phrase("gains.table.adjusted_note")]
    missing = voice.phrase("language.missing")
    for row in found.rows:
        name = text_cell(voice.word(row.word))
        counts = (row.treated_units, row.comparison_units)
        shown = [hidden_mark(voice) if count is None else f"{count:,}" for count in counts]
        size = Cell(voice.phrase("gains.table.sizes", treated=shown[0], comparison=shown[1]), values=counts)
        if isinstance(row.found, NotTold):
            empty = [Cell(missing, values=(None,)), Cell(missing, values=(None, None)), *[Cell(missing, values=(None,))] * 4]
            rows.append(Row((name, size, *empty)))
            notes.append(voice.refusal(row.found, group=voice.word(row.word)))
            continue
        percent = row.found.percent.estimate
        cells = (*_money(voice, row.found.money), Cell(numerals.percent(percent, plus=True), values=(percent,)))
        rows.append(Row((name, size, *cells, _p(voice, row.pretrend_p), *_adjusted(voice, row.adjusted))))
    return columns, rows, notes


def _differences(voice: WhoVoice) -> Made:
    found = voice.record.groups
    assert isinstance(found, Groups)
    columns = [
        _column(voice, "pair", align="left"),
        _column(voice, "money_difference", "money"),
        _column(voice, "money_range", "low", "high"),
        _column(voice, "points", "points", "points_low", "points_high"),
        _column(voice, "holm"),
        _column(voice, "romano_wolf", told=False),
    ]
    rows = []
    for one in found.differences:
        pair = voice.phrase("gains.groups.pair", one=voice.group(one.one), other=voice.group(one.other, one.one))
        points = numerals.fixed(one.percent.estimate, 1, plus=True)
        values = (one.percent.estimate, one.percent.low, one.percent.high)
        rows.append(Row((text_cell(pair), *_money(voice, one.money), Cell(points, values=values), *_adjusted(voice, one.adjusted))))
    return columns, rows, [voice.say("gains.table.differences_note")]


def _deciles(voice: WhoVoice) -> Made:
    found = voice.record.deciles
    assert isinstance(found, Deciles)
    logs = any(row.log is not None for row in found.rows)
    columns = [
        _column(voice, "decile", align="left"),
        _column(voice, "money"),
        _column(voice, "money_range", "low", "high"),
        *([_column(voice, "log", "log", "log_low", "log_high")] if logs else []),
        _column(voice, "holm"),
        _column(voice, "romano_wolf", told=False),
    ]
    rows = []
    for row in found.rows:
        cells = [Cell(voice.decile(row.at), values=(row.at,)), *_money(voice, row.money)]
        if row.log is not None:
            cells.append(
                Cell(numerals.fixed(100 * row.log.estimate, 1, plus=True), values=(row.log.estimate, row.log.low, row.log.high))
            )
        rows.append(Row((*cells, *_adjusted(voice, row.adjusted))))
    notes = [voice.say("gains.table.deciles_note"), *([voice.say("gains.table.log_note")] if logs else [])]
    return columns, rows, notes


def _poverty(voice: WhoVoice) -> Made:
    columns = [
        _column(voice, "measure", "line", "measure", align="left"),
        _column(voice, "before", "before", "before_comparison"),
        _column(voice, "without"),
        _column(voice, "points_effect"),
        _column(voice, "points_range", "low", "high"),
        _column(voice, "pretrend"),
        _column(voice, "holm"),
        _column(voice, "romano_wolf", told=False),
        _column(voice, "plain", "plain", "plain_pretrend", told=False),
    ]
    rows, notes = [], [voice.say("gains.table.poverty_note")]
    found = voice.record.poverty
    assert isinstance(found, Poverty)
    multiple = found.just_above
    for line in lines_of(voice.record):
        name = voice.line(line.schedule)
        for row in line.measures:
            measure = voice.say(f"gains.measure.{row.measure}", multiple=numerals.fixed(multiple, 1))
            arms = [_share(voice, value).text for value in (row.before_treated, row.before_comparison)]
            before = Cell(
                voice.phrase("gains.table.sizes", treated=arms[0], comparison=arms[1]),
                values=(row.before_treated, row.before_comparison),
            )
            effect, span = _shares(voice, row.effect, plus=True)
            plain = Cell(voice.phrase("language.missing"), values=(None, None))
            if row.plain is not None:
                shown = _share(voice, row.plain.effect.estimate, plus=True).text
                plain = Cell(shown, values=(row.plain.effect.estimate, row.plain.pretrend_p))
            cells = (
                Cell(measure, voice.say("language.name", name=name), (name, measure)), before, _share(voice, row.without.estimate), effect,
                span, _p(voice, row.pretrend_p), *_adjusted(voice, row.adjusted), plain,
            )  # fmt: skip
            rows.append(Row(cells, row.measure == "headcount"))
    return columns, rows, [*notes, *line_cautions(voice)]


def line_cautions(voice: WhoVoice) -> list[str]:
    """Return what is to be said of the lines: years without one, years that nobody has read, years read second-hand."""
    said = []
    for line in lines_of(voice.record):
        for key, years in (("without", line.without_line), ("unverified", line.unverified), ("secondary", line.secondary)):
            if years:
                said.append(voice.say(f"gains.line.{key}", line=voice.line(line.schedule), years=voice.years(years)))
    return said


def _overtaking(voice: WhoVoice) -> Made:
    columns = [
        _column(voice, "who", "line", "who", align="left"),
        _column(voice, "households"),
        _column(voice, "pairs"),
        _column(voice, "passed"),
        _column(voice, "passed_range", "low", "high"),
        _column(voice, "passed_most"),
        _column(voice, "lost", "lost", "pairs_ahead"),
    ]
    rows = []
    for one in overtaken(voice.record):
        rows += _passed_rows(voice, one)
    village = voice.record.village
    assert isinstance(village, Village)
    facts = {"start": voice.years(village.start_years), "end": voice.years(village.end_years)}
    return columns, rows, [voice.say("gains.table.overtaking_note", **facts), voice.say("gains.table.alike_note")]


def _passed_rows(voice: WhoVoice, one: Overtaking) -> list[Row]:
    name = voice.line(one.schedule)
    rows = []
    for group in (one.covered, one.registered):
        if isinstance(group, Passed):
            who = voice.say(f"gains.people.{group.group}")
            cells = (
                Cell(who, voice.say("language.name", name=name), (name, who)), _count(voice, group.households), _count(voice, group.pairs),
                *_shares(voice, group.share), _share(voice, group.passed_most),
                Cell(_share(voice, group.lost).text, values=(group.lost, group.pairs_ahead)),
            )  # fmt: skip
            rows.append(Row(cells, group.group == "covered"))
    for key, interval in (("alike", one.alike), ("difference", one.difference)):
        if interval is not None:
            who, missing = voice.say(f"gains.overtaking.{key}_row"), voice.phrase("language.missing")
            empty = Cell(missing, values=(None,))
            cells = (
                Cell(who, voice.say("language.name", name=name), (name, who)), empty, empty,
                *_shares(voice, interval, plus=key == "difference"), empty, Cell(missing, values=(None, None)),
            )  # fmt: skip
            rows.append(Row(cells))
    return rows


def _near_poor(voice: WhoVoice) -> Made:
    columns = [
        _column(voice, "who", "line", "who", align="left"),
        _column(voice, "households"),
        _column(voice, "start"),
        _column(voice, "end"),
        _column(voice, "change", "change", "growth"),
        _column(voice, "below", "below_start", "below_end"),
    ]
    village = voice.record.village
    assert isinstance(village, Village)
    rows = []
    for one in (found for found in village.near_poor if isinstance(found, NearPoor)):
        name = voice.line(one.schedule)
        for row in one.rows:
            change, growth = row.end - row.start, 100 * (row.end / row.start - 1)
            below = [_share(voice, value).text for value in (row.below_start, row.below_end)]
            who = voice.say(f"gains.people.{row.group}")
            cells = (
                Cell(who, voice.say("language.name", name=name), (name, who)), _count(voice, row.units),
                Cell(numerals.money(row.start), values=(row.start,)), Cell(numerals.money(row.end), values=(row.end,)),
                Cell(numerals.money(change, plus=True), numerals.percent(growth, plus=True), (change, growth)),
                Cell(voice.phrase("gains.table.from_to", start=below[0], end=below[1]), values=(row.below_start, row.below_end)),
            )  # fmt: skip
            rows.append(Row(cells, row.group == "near"))
    facts = {"start": voice.years(village.start_years), "end": voice.years(village.end_years)}
    return columns, rows, [voice.say("gains.table.near_poor_note", **facts)]


_MAKERS: dict[str, Callable[[WhoVoice], Made]] = {
    "who_groups": _groups,
    "who_differences": _differences,
    "who_deciles": _deciles,
    "who_poverty": _poverty,
    "who_overtaking": _overtaking,
    "who_near_poor": _near_poor,
}
