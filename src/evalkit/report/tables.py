"""Three-line tables as plain objects for every renderer, and as csv text."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from evalkit.findings import Findings
from evalkit.report import cost_blocks, estimate_tables, firmness, grading, plan_blocks, sample_tables
from evalkit.report.before_after_blocks import rise_table
from evalkit.report.blocks import Cell, Column, Table
from evalkit.report.cells import Made
from evalkit.report.numbering import ORDER, number
from evalkit.report.voice import Voice

__all__ = ["ORDER", "csv_text", "table"]


def table(voice: Voice, name: str, numbered: bool = True) -> Table:
    """Return one of the tables of a report, by its name in ``ORDER``; without a number it may be one that the report leaves out.

    Raises
    ------
    ReportError
        For a name that no report has, and for findings without the result that the table tells.
    """
    label = voice.phrase("language.table", number=number(voice.findings, "table", name)) if numbered else ""
    if name == "before_after":
        assert voice.findings.before_after is not None  # numbered, and so there
        return rise_table(voice, voice.findings.before_after, number(voice.findings, "table", name) if numbered else None)
    columns, rows, notes = _MAKERS[name](voice)
    if voice.findings.simulated:
        notes = [voice.say("status.simulated_note"), *notes]
    if (hidden := voice.findings.hidden) and any(voice.mark in cell.values for row in rows for cell in row.cells):
        notes = [*notes, voice.say("table.hidden_note", mark=voice.mark, few=voice.count_units(hidden.minimum))]
    if _withheld(voice.findings, name):
        notes = [*notes, voice.say("table.hidden_sum")]
    if not voice.findings.hidden:  # a count that is hidden is told to be
        columns = [_told(voice, column, [row.cells[place] for row in rows]) for place, column in enumerate(columns)]
    return Table(
        name,
        label,
        voice.say(f"table.{name}")
        if name in ("sample", "balance", "overlap", "grade", "plan_departures")
        else voice.caption(f"table.{name}"),
        tuple(columns),
        tuple(rows),
        tuple(notes),
        cards=name in ("grade", "few_clusters", "balance", "overlap", "components", "estimators", "cohorts", "dates"),
    )


def _told(voice: Voice, column: Column, cells: list[Cell]) -> Column:
    """Return a column, not told where all its cells are empty."""
    missing = voice.phrase("language.missing")
    empty = bool(cells) and all(cell.text == missing and not cell.detail for cell in cells)
    return replace(column, told=False) if empty else column


def _withheld(findings: Findings, name: str) -> bool:
    """Return whether a table of a public report lacks counts that would tell the size of hidden cells."""
    lacks = {
        "path": any(point.units is None for point in findings.path),
        "sample": findings.sample.rows_used is None,
        "estimators": any(row.clusters is None for row in findings.estimators),
        "dates": any(row.left_out is None for row in findings.dates),
    }
    return lacks.get(name, False)


def csv_text(made: Table, status: str = "") -> str:
    """Return a table as csv: plain numbers for other programs, one column a value, the status of simulated data in each row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    extra = [status] if status else []
    writer.writerow([field for column in made.columns for field in column.fields] + (["data_status"] if status else []))
    for row in made.rows:
        writer.writerow([_plain(value) for cell in row.cells for value in cell.values] + extra)
    return out.getvalue()


def _plain(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return format(value, ".10g") if isinstance(value, float) else str(value)


def _grade_table(voice: Voice) -> Made:
    assert voice.findings.grade is not None  # numbered, and so there
    return grading.made(voice, voice.findings.grade)


_MAKERS = {
    "estimators": estimate_tables.estimators_table, "path": estimate_tables.path_table, "cohorts": estimate_tables.cohorts_table,
    "dates": estimate_tables.dates_table, "sample": sample_tables.sample_table, "balance": sample_tables.balance_table,
    "overlap": sample_tables.overlap_table, "components": sample_tables.components_table,
    "grade": _grade_table, "cost": cost_blocks.cost_table, "plan_departures": plan_blocks.departures_table, "drift": firmness.drift_table, "few_clusters": firmness.methods_table,
}  # fmt: skip
