"""The tables of the page on the self-check: worlds, rates, verdicts, grades, coverage, the matrix and the small run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from evalkit import numerals
from evalkit.firm_records import NotTold
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.selfcheck_voice import NOT_CLEAR, SelfCheckVoice, aimed
from evalkit.selfcheck_records import Fired, PlantedThreat, Rates, Share, World, WorldRates

LETTERS = ("A", "B", "C", "D", "N", None)
FIRM = ("A", "B")
PARTS = ("share", "mc_error", "low", "high")
ON_PAGE = ("ordinary_test", "random_sets", "honest_bound", "joint_leads")
"""Checks of the matrix that the page shows as numbers; files of data hold all of them."""

Made = tuple[list[Column], list[Row], list[str]]


def table(voice: SelfCheckVoice, name: str, number: int) -> Table:
    """Return one of the tables of the page, by its name without the page's."""
    columns, rows, notes = MAKERS[name](voice)
    return Table(
        f"selfcheck_{name}",
        voice.phrase("language.table", number=number),
        voice.say(f"selfcheck.table.{name}"),
        tuple(columns),
        tuple(rows),
        (voice.say("status.simulated_note"), *notes),
        cards=name not in ("matrix", "grades"),
    )


def _column(voice: SelfCheckVoice, name: str, *fields: str, left: bool = False, told: bool = True) -> Column:
    label = voice.say(f"selfcheck.column.{name}")
    return Column(label, "left" if left else "right", tuple(f"{name}_{field}" for field in fields) or (name,), told)


def _word(text: str) -> Cell:
    return Cell(text, values=(text,))


def _count(value: int) -> Cell:
    return Cell(f"{value:,}", values=(value,))


def _share_cell(voice: SelfCheckVoice, share: Share | NotTold) -> Cell:
    text, detail = voice.share(share)
    if isinstance(share, NotTold):
        return Cell(text, detail, (None,) * len(PARTS))
    return Cell(text, detail, tuple(getattr(share, part) for part in PARTS))


def _worlds(voice: SelfCheckVoice) -> Made:
    columns = [
        _column(voice, "world", left=True),
        _column(voice, "units"),
        _column(voice, "covered"),
        _column(voice, "effect"),
        _column(voice, "trend"),
        _column(voice, "noise"),
        _column(voice, "persistence"),
        _column(voice, "selection", told=False),
        _column(voice, "target", told=False),
        _column(voice, "source", told=False),
    ]
    rows = [Row(tuple(_world_cells(voice, row.world))) for row in voice.record.recorded.rows]
    return columns, rows, []


def _world_cells(voice: SelfCheckVoice, world: World) -> list[Cell]:
    covered = sum(cohort.units for cohort in world.cohorts)
    started = voice.years([cohort.year for cohort in world.cohorts])
    growth = [rate for cohort in world.cohorts for rate in cohort.growth]
    low, high = min(growth), max(growth)
    effect = numerals.short(100 * low)
    if low != high:
        effect = voice.phrase("language.range", low=effect, high=numerals.short(100 * high))
    plain = "|".join(f"{float(rate):g}" for rate in growth)
    return [
        _word(voice.world(world)),
        Cell(f"{world.units:,}", voice.window(world.first_year, world.last_year), (world.units,)),
        Cell(f"{covered:,}", started, (covered,)),
        Cell(effect, values=(plain,)),
        Cell(voice.slope(world), values=(world.trend * world.noise_sd,)),
        Cell(numerals.short(100 * world.noise_sd), values=(world.noise_sd,)),
        Cell(numerals.fixed(world.persistence, 2), values=(world.persistence,)),
        Cell(numerals.fixed(world.selection, 2), values=(world.selection,)),
        _word(voice.target(world)),
        _word(world.source),
    ]


def _firm(voice: SelfCheckVoice) -> Made:
    columns = [
        _column(voice, "world", left=True),
        _column(voice, "firm", *PARTS),
        _column(voice, "target"),
        _column(voice, "met"),
        _column(voice, "wrong_sign", *PARTS),
        _column(voice, "runs"),
    ]
    rates = voice.record.recorded
    targets = {row.world.world for row in aimed(rates)}
    rows = [
        Row(
            (
                _word(voice.world(row.world)),
                _share_cell(voice, row.firm),
                _word(voice.target(row.world)),
                _word(voice.phrase(f"selfcheck.met.{row.met}") if row.met != "no_target" else voice.phrase("language.missing")),
                _share_cell(voice, row.wrong_sign),
                _count(row.runs),
            ),
            marked=row.world.world in targets,
        )
        for row in rates.rows
    ]
    return columns, rows, [voice.say("selfcheck.note.simulated_mc")]


def _counted(row: WorldRates, verdicts: Collection[str], letters: Collection[str | None]) -> int:
    return sum(one.count for one in row.outcomes if one.verdict in verdicts and one.letter in letters)


def _verdicts(voice: SelfCheckVoice) -> Made:
    other = [letter for letter in LETTERS if letter not in FIRM]
    asked: dict[str, tuple[Collection[str], Collection[str | None]]] = {
        "gain_firm": (("gain",), FIRM),
        "loss_firm": (("loss",), FIRM),
        "less_firm": (("gain", "loss"), other),
        "small_change": (("small_change",), LETTERS),
        "pretrend_failed": (("pretrend_failed",), LETTERS),
        "other": (NOT_CLEAR, LETTERS),
    }
    columns = [_column(voice, "world", left=True), *(_column(voice, name) for name in asked), _column(voice, "runs")]
    rows = [
        Row((_word(voice.world(row.world)), *(_count(_counted(row, *which)) for which in asked.values()), _count(row.runs)))
        for row in voice.record.recorded.rows
    ]
    return columns, rows, []


def _grades(voice: SelfCheckVoice) -> Made:
    columns = [
        _column(voice, "world", left=True),
        *(_column(voice, letter or "none") for letter in LETTERS),
        _column(voice, "runs"),
    ]
    rows = []
    for row in voice.record.recorded.rows:
        verdicts = [one.verdict for one in row.outcomes]
        counts = (_count(_counted(row, verdicts, (letter,))) for letter in LETTERS)
        rows.append(Row((_word(voice.world(row.world)), *counts, _count(row.runs))))
    return columns, rows, [voice.say("selfcheck.note.grades")]


def _coverage(voice: SelfCheckVoice) -> Made:
    columns = [
        _column(voice, "world", left=True),
        _column(voice, "truth"),
        _column(voice, "estimate", "mean", "mc_error"),
        _column(voice, "spread"),
        _column(voice, "std_error"),
        _column(voice, "covered_truth", *PARTS),
        _column(voice, "rejected", *PARTS),
    ]
    rows = [
        Row(
            (
                _word(voice.world(row.world)),
                _hundred(voice, row.truth),
                _estimate(voice, row),
                _hundred(voice, row.spread),
                _hundred(voice, row.std_error),
                _share_cell(voice, row.covered),
                _share_cell(voice, row.rejected),
            )
        )
        for row in voice.record.recorded.rows
    ]
    return columns, rows, [voice.say("selfcheck.note.simulated_mc")]


def _hundred(voice: SelfCheckVoice, value: float | None) -> Cell:
    return Cell(voice.phrase("language.missing") if value is None else numerals.fixed(100 * value, 2), values=(value,))


def _estimate(voice: SelfCheckVoice, row: WorldRates) -> Cell:
    error = "" if row.estimate_error is None else f"± {numerals.fixed(100 * row.estimate_error, 2)}"
    return Cell(_hundred(voice, row.estimate).text, error, (row.estimate, row.estimate_error))


def _matrix(voice: SelfCheckVoice) -> Made:
    found = voice.record.matrix.rows
    checks = found[0].checks
    columns = [
        _column(voice, "threat", left=True),
        _column(voice, "size"),
        _column(voice, "false_estimate", "mean", "mc_error"),
        *(Column(voice.check(one), "right", (one.check, f"{one.check}_mc_error"), one.check in ON_PAGE) for one in checks),
    ]
    return columns, [Row(tuple(_matrix_cells(voice, row))) for row in found], []


def _matrix_cells(voice: SelfCheckVoice, row: PlantedThreat) -> list[Cell]:
    value = row.size if row.size_in_noise is None else row.size_in_noise
    return [
        _word(voice.phrase(f"threat.{row.threat}.name")),
        Cell(voice.size(row), values=(value,)),
        Cell(numerals.fixed(row.in_noise, 2), values=(row.in_noise, row.mc_error)),
        *(_fired(voice, one) for one in row.checks),
    ]


def _fired(voice: SelfCheckVoice, fired: Fired) -> Cell:
    rate = fired.rate
    if isinstance(rate, NotTold):
        return Cell(voice.phrase("language.missing"), values=(None, None))
    return Cell(numerals.percent(100 * rate.share), values=(rate.share, rate.mc_error))


def _live(voice: SelfCheckVoice) -> Made:
    columns = [
        _column(voice, "world", left=True),
        _column(voice, "runs"),
        _column(voice, "firm", "share"),
        _column(voice, "covered_truth", "share"),
        _column(voice, "said", left=True),
    ]
    live: Rates | None = voice.record.live
    rows = [
        Row(
            (
                _word(voice.world(row.world)),
                _count(row.runs),
                _part(row.firm),
                Cell(voice.phrase("selfcheck.no_rate"), values=(None,)) if isinstance(row.covered, NotTold) else _part(row.covered),
                _word(voice.outcomes(row)),
            )
        )
        for row in (live.rows if live is not None else [])
    ]
    return columns, rows, []


def _part(share: Share) -> Cell:
    """Return a share of few runs as what it is: so many of so many."""
    return Cell(f"{share.count:,}/{share.of:,}", values=(share.share,))


MAKERS: dict[str, Callable[[SelfCheckVoice], Made]] = {
    "worlds": _worlds,
    "firm": _firm,
    "verdicts": _verdicts,
    "grades": _grades,
    "coverage": _coverage,
    "matrix": _matrix,
    "live": _live,
}
"""The tables by their names, in the order of the page."""


def plain_rows(made: Table) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """Return the labels and the texts of a table as a reader of the page sees them."""
    kept = [place for place, column in enumerate(made.columns) if column.told]
    texts = [
        [" · ".join(part for part in (row.cells[place].text, row.cells[place].detail) if part) for place in kept]
        for row in made.rows
    ]
    return [made.columns[place].label for place in kept], texts
