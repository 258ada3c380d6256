"""Workbooks and web pages with tables: xlsx, xls, ods, and HTML that was saved under the name of a workbook."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import nearest
from evalkit.intake.layout import Merge, Row, is_number, is_year
from evalkit.intake.observations import IntakeError, Problem

_CODE = re.compile(r"\d{6}|\d{9}|\d{12}")
_ERROR_CELL = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+)(\d+)"[^>]*>.*?</c>', re.DOTALL)
_ERROR_VALUE = re.compile(rb"<v>([^<]*)</v>")


@dataclass(frozen=True)
class Sheet:
    """One sheet as text: rows from the first line and the first column on, and its merged cells, counted from 0."""

    name: str
    rows: list[Row] = field(repr=False)
    merges: tuple[Merge, ...] = ()


def read_workbook(path: Path, content: bytes, kind: str, sheet: str | None = None) -> Sheet:
    """Return a sheet of a workbook; the only one with cells when none is named.

    Raises
    ------
    IntakeError
        PASSWORD, DAMAGED_FILE, WHICH_SHEET, UNKNOWN_SHEET or EMPTY_FILE.
    """
    import python_calamine as calamine

    if _is_locked(content):
        raise IntakeError(Problem("PASSWORD", {"name": path.name}))
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        known = [meta.name for meta in book.sheets_metadata if meta.typ == calamine.SheetTypeEnum.WorkSheet]
        sheets = {name: book.get_sheet_by_name(name) for name in ([sheet] if sheet in known else known)}
        cells = {name: one.to_python(skip_empty_area=False) for name, one in sheets.items()}
    except calamine.PasswordError as locked:
        raise IntakeError(Problem("PASSWORD", {"name": path.name})) from locked
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError) as broken:
        raise IntakeError(Problem("DAMAGED_FILE", {"name": path.name, "format": kind})) from broken
    chosen = choose({name: _has_cells(rows) for name, rows in cells.items()}, known, sheet, path.name)
    rows = [[as_text(cell) for cell in row] for row in cells[chosen]]
    if kind == "xlsx":
        _put_errors(rows, content, chosen)
    merges = tuple((top, left, bottom, right) for (top, left), (bottom, right) in sheets[chosen].merged_cell_ranges or ())
    return Sheet(chosen, rows, merges)


def choose(filled: Mapping[str, bool], known: Sequence[str], sheet: str | None, name: str) -> str:
    """Return the sheet to read: the one that is named, or the only one that holds anything."""
    if sheet is not None and sheet not in known:
        facts = {"name": name, "sheet": sheet, "nearest": (nearest(sheet, known, 1) or [known[0] if known else ""])[0]}
        raise IntakeError(Problem("UNKNOWN_SHEET", {**facts, "sheets": ", ".join(known)}))
    with_cells = [one for one in filled if filled[one]]
    if not with_cells:
        raise IntakeError(Problem("EMPTY_FILE", {"name": name}))
    if sheet is None and len(with_cells) > 1:
        raise IntakeError(Problem("WHICH_SHEET", {"name": name, "sheets": ", ".join(with_cells), "first": with_cells[0]}))
    return with_cells[0] if sheet is None else sheet


def as_text(cell: Any) -> str:
    """Return a cell as text: whole numbers without decimals, others as short as they stay exact, dates as 2014-07-30.

    >>> [as_text(cell) for cell in (622428.0, 2350.5, True, datetime.date(2014, 7, 30), " 漳县 ")]
    ['622428', '2350.5', '1', '2014-07-30', '漳县']
    """
    match cell:
        case str():
            return cell.strip()
        case bool():
            return "1" if cell else "0"
        case float() if cell.is_integer() and abs(cell) < 2**53:
            return str(int(cell))
        case datetime.datetime():
            return cell.isoformat(" ") if cell.time() != datetime.time() else cell.date().isoformat()
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case None:
            return ""
        case _:
            return str(cell)


def _has_cells(rows: Sequence[Sequence[Any]]) -> bool:
    return any(cell not in ("", None) for row in rows for cell in row)


def _is_locked(content: bytes) -> bool:
    """Return whether a workbook is encrypted: an xlsx wrapped for it, or an xls whose records say so."""
    if not content.startswith(b"\xd0\xcf\x11\xe0"):
        return False
    if "EncryptedPackage".encode("utf-16-le") in content:
        return True
    # Records of an xls: two bytes of kind, two of length. 0x2F (FilePass) follows soon after the first one (0x809).
    at = content.find(b"\x09\x08\x10\x00\x00\x06\x05\x00")
    for _ in range(8):
        if at < 0 or at + 4 > len(content):
            return False
        kind, length = int.from_bytes(content[at : at + 2], "little"), int.from_bytes(content[at + 2 : at + 4], "little")
        if kind == 0x2F:
            return True
        at += 4 + length
    return False


def _put_errors(rows: list[Row], content: bytes, sheet: str) -> None:
    """Put the text of error cells (#N/A, #REF!) where the reader left them empty: an error is not a blank."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        page = _page_of(archive, sheet)
        xml = archive.read(page) if page else b""
    if b't="e"' not in xml:
        return
    for match in _ERROR_CELL.finditer(xml):
        column = 0
        for letter in match[1].decode():
            column = column * 26 + ord(letter) - ord("A") + 1
        line, said = int(match[2]), _ERROR_VALUE.search(match[0])
        while len(rows) < line:
            rows.append([""] * (len(rows[0]) if rows else column))
        rows[line - 1].extend([""] * (column - len(rows[line - 1])))
        rows[line - 1][column - 1] = said[1].decode() if said else "#N/A"


def _page_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the part of an xlsx that holds a sheet."""
    from lxml import etree

    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= set(archive.namelist()):
        return None
    book, links = (etree.fromstring(archive.read(part)) for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"))
    key = next((el for el in book.iter("{*}sheet") if el.get("name") == sheet), None)
    wanted = next((value for name, value in key.attrib.items() if name.endswith("}id")), None) if key is not None else None
    target = next((str(el.get("Target")) for el in links.iter("{*}Relationship") if el.get("Id") == wanted), None)
    if target is None:
        return None
    page = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return page if page in archive.namelist() else None


def fill_down(rows: list[Row], merges: Sequence[Merge], first_data_row: int, headings: Sequence[Row]) -> None:
    """Write the text of cells merged over several rows of data into each of them, in place.

    Only names, years and codes: a number merged over rows is a total of theirs, and blanks that are not merged stay blank.
    """
    for top, left, bottom, _ in merges:
        if top < first_data_row or bottom == top or left >= len(rows[top]):
            continue
        text = rows[top][left]
        of_header = any(left < len(row) and row[left] == text for row in headings)
        if of_header or (is_number(text) and not is_year(text) and not _CODE.fullmatch(text)):
            continue
        for row in rows[top + 1 : bottom + 1]:
            row[left] = row[left] or text


def read_html(path: Path, text: str, sheet: str | None = None) -> Sheet:
    """Return a table of a web page, rowspan and colspan as merged cells; tables are named by their number.

    Raises
    ------
    IntakeError
        HTML_WITHOUT_TABLE, WHICH_SHEET or UNKNOWN_SHEET.
    """
    from lxml import html

    page = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")))
    tables = [one for one in page.iter("table") if one.find(".//table") is None and one.find(".//tr") is not None]
    if not tables:
        raise IntakeError(Problem("HTML_WITHOUT_TABLE", {"name": path.name}))
    sheets = {str(i + 1): _html_sheet(str(i + 1), one) for i, one in enumerate(tables)}
    filled = {name: len(one.rows) > 1 and _has_cells(one.rows) for name, one in sheets.items()}
    return sheets[choose(filled, list(sheets), sheet, path.name)]


def _html_sheet(name: str, element: Any) -> Sheet:
    rows: list[Row] = []
    merges: list[Merge] = []
    taken: dict[tuple[int, int], bool] = {}
    for i, line in enumerate(element.iter("tr")):
        row: Row = []
        for cell in line.iterchildren("td", "th"):
            while taken.get((i, len(row))):
                row.append("")
            down, across = (_span(cell.get(kind)) for kind in ("rowspan", "colspan"))
            left = len(row)
            taken.update({(a, b): True for a in range(i, i + down) for b in range(left, left + across)})
            if down > 1 or across > 1:
                merges.append((i, left, i + down - 1, left + across - 1))
            row += [" ".join("".join(cell.itertext()).split()), *[""] * (across - 1)]
        rows.append(row)
    width = max((len(row) for row in rows), default=0)
    return Sheet(name, [row + [""] * (width - len(row)) for row in rows], tuple(merges))


def _span(text: str | None) -> int:
    return max(1, min(int(text), 1000)) if text and text.strip().isdigit() else 1
