"""Read a table from any file a bureau sends: the content decides what it is, the name does not."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evalkit.errors import nearest
from evalkit.intake.body import Body, Rows, data_rows, frame_of
from evalkit.intake.delimited import read_delimited
from evalkit.intake.encoding import Text, find_text, opened, sha256
from evalkit.intake.layout import LOOKED_AT, Layout, Row, find_layout
from evalkit.intake.ledger import Step
from evalkit.intake.observations import IntakeError, Place, Problem
from evalkit.intake.origin import Origin, Table
from evalkit.intake.spreadsheet import Sheet, fill_down, read_html, read_workbook
from evalkit.intake.statistical import Variables, read_parquet, read_statistical

# Files that hold no table, by their first bytes.
FOREIGN = {b"%PDF": "PDF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"Rar!": "RAR", b"7z\xbc\xaf": "7z"}
OLD_DTA = range(104, 116)  # first byte of a dta file before release 117


def read_table(
    path: str | Path,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    header_lines: Sequence[int] | None = None,
) -> Table:
    """Return the table in a file, under its own headings, with a ledger of all its lines.

    Parameters
    ----------
    path : a csv, tab, semicolon or bar separated text (also gzipped), xlsx, xls, ods, HTML, dta, sav or Parquet file
    sheet : the sheet of a workbook, or the number of a table in a web page
    encoding : of a text file; found by decoding all of it when not given
    header_lines : lines of the header, counted from 1, such as ``[3, 4]``; found by their looks when not given

    Raises
    ------
    IntakeError
        With a problem that says what is wrong, where, and what to do.
    """
    path = _existing(Path(path))
    kind = find_format(path)
    try:
        if kind in {"dta", "sav", "parquet"}:
            _no_sheet(path, sheet)
            return _of_variables(path, kind, read_parquet(path) if kind == "parquet" else read_statistical(path, kind))
        if kind in {"xlsx", "xls", "ods"}:
            return _of_sheet(path, kind, read_workbook(path, path.read_bytes(), kind, sheet), header_lines)
        return _of_text(path, find_text(path, kind == "gzip", encoding or _declared(path, kind)), sheet, header_lines)
    except OSError as refused:
        raise IntakeError(Problem("CANNOT_OPEN", {"name": path.name, "reason": refused.strerror or "?"})) from refused


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise IntakeError(Problem("IS_A_FOLDER", {"name": path.name}))
    if not path.exists():
        around = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, around)
        code = "NO_SUCH_FILE" if close else "NO_SUCH_FILE_AT_ALL"
        raise IntakeError(Problem(code, {"name": path.name, "nearest": ", ".join(close)}))
    return path


def _no_sheet(path: Path, sheet: str | None) -> None:
    if sheet is not None:
        raise IntakeError(Problem("NO_SHEETS_HERE", {"name": path.name, "sheet": sheet}))


def find_format(path: Path) -> str:
    """Return what a file's content is: xlsx, xls, ods, parquet, dta, sav, gzip or text.

    Raises
    ------
    IntakeError
        EMPTY_FILE, NOT_A_TABLE for other known kinds of files, DAMAGED_FILE for a broken archive, CANNOT_OPEN.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as refused:
        raise IntakeError(Problem("CANNOT_OPEN", {"name": path.name, "reason": refused.strerror or "?"})) from refused
    if not start:
        raise IntakeError(Problem("EMPTY_FILE", {"name": path.name}))
    if foreign := next((kind for magic, kind in FOREIGN.items() if start.startswith(magic)), None):
        raise IntakeError(Problem("NOT_A_TABLE", {"name": path.name, "found": foreign}))
    if start.startswith(b"PK\x03\x04"):
        return _archive(path)
    if start.startswith(b"<stata_dta>") or (start[0] in OLD_DTA and start[1:2] in (b"\x01", b"\x02") and start[2:4] == b"\x01\x00"):
        return "dta"
    known = {b"\xd0\xcf\x11\xe0": "xls", b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"$FL2": "sav", b"$FL3": "sav"}
    return next((kind for magic, kind in known.items() if start.startswith(magic)), "text")


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype") if "mimetype" in names else b""
    except (zipfile.BadZipFile, EOFError) as broken:
        raise IntakeError(Problem("DAMAGED_FILE", {"name": path.name, "format": "xlsx/zip"})) from broken
    if {"xl/workbook.xml", "xl/workbook.bin"} & names:
        return "xlsx"
    if b"opendocument.spreadsheet" in kind:
        return "ods"
    found = "docx" if "word/document.xml" in names else "zip"
    raise IntakeError(Problem("NOT_A_TABLE", {"name": path.name, "found": found}))


def _declared(path: Path, kind: str) -> str | None:
    """Return the encoding that a web page declares, when it is none of those that are found by decoding."""
    with opened(path, kind == "gzip") as stream:
        start = stream.read(4096) if kind == "text" else b""
    if start.lstrip()[:1] != b"<":
        return None
    match = re.search(rb"charset\s*=\s*[\"']?\s*([\w-]+)", start, re.IGNORECASE)
    said = match[1].decode("ascii", "ignore").lower() if match else ""
    return said if said.startswith("big5") else None


def _of_text(path: Path, text: Text, sheet: str | None, header_lines: Sequence[int] | None) -> Table:
    """Return the table of a text file, which may be a web page."""
    start = text.start(1 << 14).lstrip("\ufeff \t\r\n")
    _refuse_other_text(path, text, start)
    if start.startswith("<") and re.search(r"<(html|table|meta|head|body|style|!doctype html)", start, re.IGNORECASE):
        with opened(path, text.zipped) as stream:
            page = read_html(path, stream.read().decode(text.encoding), sheet)
        table = _of_sheet(path, "html", page, header_lines)
        return replace(table, origin=replace(table.origin, encoding=text.encoding))
    _no_sheet(path, sheet)
    read = read_delimited(text, header_lines)
    layout, cells = read.layout, read.head.rows
    rows = data_rows(read.body, _raw(cells, layout.header_lines), _raw(cells, (*layout.title_lines, *layout.unit_lines)), path.name)
    left = {reason: tuple(read.line_of(row) for row in those) for reason, those in layout.left.items()}
    origin = Origin(
        path.name,
        path.stat().st_size,
        sha256(path),
        "csv.gz" if text.zipped else "csv",
        text.encoding,
        read.head.delimiter,
        header_lines=tuple(read.line_of(row) for row in layout.header_lines),
    )
    return _assembled(layout, rows, left, read.records, origin)


def _refuse_other_text(path: Path, text: Text, start: str) -> None:
    if "urn:schemas-microsoft-com:office:spreadsheet" in start and start.startswith("<?xml"):
        raise IntakeError(Problem("SPREADSHEET_ML", {"name": path.name}))
    if start.startswith("MIME-Version:"):
        raise IntakeError(Problem("NOT_A_TABLE", {"name": path.name, "found": "MHTML"}))
    if text.control:
        raise IntakeError(Problem("NOT_A_TABLE", {"name": path.name, "found": "?"}))


def _raw(rows: Sequence[Row], wanted: Sequence[int]) -> list[Row]:
    return [[cell.strip() for cell in rows[i - 1]] for i in wanted]


def _of_sheet(path: Path, kind: str, sheet: Sheet, header_lines: Sequence[int] | None) -> Table:
    import pyarrow as pa

    layout = find_layout(sheet.rows[:LOOKED_AT], header_lines, sheet.merges)
    first = layout.first_data_line - 1
    width = max((j + 1 for row in sheet.rows for j, cell in enumerate(row) if cell), default=0)
    header = _raw(sheet.rows, layout.header_lines)
    fill_down(sheet.rows, sheet.merges, first, header)
    below = sheet.rows[first:]
    columns = [pa.array([row[j] or None if j < len(row) else None for row in below], type=pa.large_string()) for j in range(width)]
    lines = np.arange(first + 1, len(sheet.rows) + 1, dtype=np.int64)
    above = _raw(sheet.rows, (*layout.title_lines, *layout.unit_lines))
    rows = data_rows(Body(columns, lines), header, above, path.name)
    origin = Origin(path.name, path.stat().st_size, sha256(path), kind, sheet=sheet.name, header_lines=layout.header_lines)
    return _assembled(layout, rows, layout.left, len(sheet.rows), origin)


def _assembled(layout: Layout, rows: Rows, left: dict[str, tuple[int, ...]], count: int, origin: Origin) -> Table:
    """Return the table of a layout and the rows below it."""
    if not len(rows.lines):
        raise IntakeError(Problem("HEADER_ONLY", {"line": layout.header_lines[-1]}))
    wanted = [j for j in range(len(rows.columns)) if _heading(layout, j) or rows.columns[j].null_count < len(rows.lines)]
    headings = tuple(_heading(layout, j) or f"第{j + 1}列" for j in wanted)
    _refuse_twins(headings, layout.header_lines[-1])
    everything = {reason: tuple(sorted((*left.get(reason, ()), *rows.left.get(reason, ())))) for reason in {**left, **rows.left}}
    return Table(
        headings=headings,
        cells=frame_of([rows.columns[j] for j in wanted]),
        lines=rows.lines,
        origin=replace(origin, data_lines=(int(rows.lines[0]), int(rows.lines[-1]))),
        step=Step("read", count, len(rows.lines), everything),
        units=tuple(layout.units[j] if j < len(layout.units) else None for j in wanted),
        title=layout.title,
        notes=rows.notes,
    )


def _heading(layout: Layout, position: int) -> str:
    return layout.headings[position] if position < len(layout.headings) else ""


def _refuse_twins(headings: Sequence[str], line: int) -> None:
    """Refuse headings that stand over more than one column: nobody could say which of them is meant."""
    twins = [heading for heading in dict.fromkeys(headings) if headings.count(heading) > 1]
    if twins:
        places = [Place(line=line, column=heading) for heading in twins]
        raise IntakeError(Problem.at("DUPLICATE_HEADING", places, headings=", ".join(twins[:5])))


def _of_variables(path: Path, kind: str, found: Variables) -> Table:
    count = len(found.cells)
    if not count:
        raise IntakeError(Problem("HEADER_ONLY", {"line": 0}))
    _refuse_twins(found.headings, 0)
    origin = Origin(path.name, path.stat().st_size, sha256(path), kind, found.encoding, data_lines=(1, count))
    return Table(
        headings=found.headings,
        cells=found.cells,
        lines=np.arange(1, count + 1, dtype=np.int64),
        origin=origin,
        step=Step("read", count, count),
        units=(None,) * len(found.headings),
        labels=found.labels,
        value_labels=found.value_labels,
        user_missing=found.user_missing,
    )
