"""Three-line tables as files for other programs: an Excel workbook with plain numbers, and LaTeX to put in a paper."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from evalkit.errors import ReportError, first_five
from evalkit.report.blocks import Column, Document, Facts, Row, Table
from evalkit.report.latex import CHINESE, latex
from evalkit.words import Catalogue, catalogue

__all__ = ["latex", "plain_rows", "sheet_names", "workbook"]

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

Value = str | int | float | None
SHEET_NAME = 31  # characters that Excel allows
WIDEST, NARROWEST, LINE_HEIGHT = 44, 8, 15.0
LANDSCAPE = 92  # characters that a page of A4 holds upright at this size
WRITTEN = datetime(2000, 1, 1)  # the same date in every file, so that the same tables give the same bytes
FONTS = {"zh": "宋体", "en": "Times New Roman"}


def workbook(tables: Sequence[Table], document: Document) -> bytes:
    """Return tables as an Excel workbook: a sheet that lists them, and one three-line table a sheet with numbers as numbers.

    Parameters
    ----------
    tables
        The tables, in the order of the sheets. What is written are the plain values behind the cells, one column a value.
    document
        The report they belong to: its title, facts and footer stand on the first sheet, its banner on every sheet.

    Returns
    -------
    bytes
        The same for the same tables, whenever they are written.

    Raises
    ------
    ReportError
        For a row whose cells or values do not fit the columns, and for a value that is not finite.

    Notes
    -----
    A text is always written as a text, never as a formula, whatever it begins with. What has no value is an empty cell.

    Example
    -------
    >>> from evalkit.report.blocks import Cell, Column, Document, Row, Table
    >>> column = Column("Estimate", "right", ("Estimate",))
    >>> made = Table("path", "Table 1", "By year", (column,), (Row((Cell("0.5", values=(0.5,)),)),), ())
    >>> page = Document("en", "en", "Title", "Report", "Title", "", "", "Title · run id 1", ("Page ", ""), ())
    >>> workbook([made], page)[:2]
    b'PK'
    """
    from xlsxwriter import Workbook

    out = io.BytesIO()
    font = {"font_name": FONTS[document.lang], "font_size": 11}
    options = {"in_memory": True, "default_format_properties": font, "strings_to_formulas": False, "strings_to_urls": False}
    book = Workbook(out, options)
    book.set_properties({"title": document.page_title, "created": WRITTEN})
    looks, words = _Looks(book), catalogue(document.lang)
    names = sheet_names([words.say("table_file.contents"), *(f"{made.number} {_short(made.caption)}" for made in tables)])
    _contents(looks, names, tables, document)
    for name, made in zip(names[1:], tables, strict=True):
        _sheet(looks, name, made, document)
    book.close()
    return out.getvalue()


def sheet_names(wanted: Sequence[str]) -> list[str]:
    """Return names that Excel takes: at most 31 characters, none of them forbidden, and all of them different.

    >>> sheet_names(["Path: by year", "path  by year", "Cells [of cohorts] in every year since", "History"])
    ['Path by year', 'path by year (2)', 'Cells of cohorts in every year', 'History (2)']
    """
    taken, names = {"history"}, []
    for one in wanted:
        plain = re.sub(r"\s+", " ", re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", one)).strip(" '") or "-"
        name, count = _cut(plain, SHEET_NAME), 1
        while name.casefold() in taken:
            count += 1
            name = f"{_cut(plain, SHEET_NAME - 3 - len(str(count)))} ({count})"
        taken.add(name.casefold())
        names.append(name)
    return names


def _cut(text: str, length: int) -> str:
    """Return the beginning of a text, in the units in which Excel counts, and whole words where there are spaces."""
    if len(text.encode("utf-16-le")) <= 2 * length:
        return text
    cut = text
    while len(cut.encode("utf-16-le")) > 2 * length:
        cut = cut[:-1]
    inside_word = text[len(cut)].isascii() and text[len(cut)].isalnum() and cut[-1:].isascii()
    return ((cut.rpartition(" ")[0] or cut) if inside_word else cut).strip(" '")


def _short(caption: str) -> str:
    """Return a caption without what its brackets add."""
    return re.split(r"[（(]", caption, maxsplit=1)[0].strip() or caption


def plain_rows(table: Table) -> list[list[Value]]:
    """Return the values of every row, one a field.

    Raises
    ------
    ReportError
        For rows whose cells or values do not fit the columns, and for values that are not finite.
    """
    misfit = [str(number) for number, row in enumerate(table.rows, 1) if not _fits(table.columns, row)]
    if misfit:
        raise ReportError(
            f"In the table {table.name!r} these rows do not fit its {len(table.columns)} columns: {first_five(misfit)}. Every cell "
            "has as many values as its column has fields."
        )
    rows = [[value for cell in row.cells for value in cell.values] for row in table.rows]
    endless = [str(number) for number, row in enumerate(rows, 1) if any(isinstance(v, float) and not math.isfinite(v) for v in row)]
    if endless:
        raise ReportError(
            f"In the table {table.name!r} these rows hold a value that is not finite: {first_five(endless)}. What has no value is None."
        )
    return rows


def _fits(columns: Sequence[Column], row: Row) -> bool:
    return [len(column.fields) for column in columns] == [len(cell.values) for cell in row.cells]


def number_format(values: Sequence[Value]) -> str:
    """Return Excel's format for the numbers of a column: four significant digits of the largest, years without separators.

    >>> number_format([0.0561, -0.1421]), number_format([731.0, -60.2]), number_format([2013, 2020]), number_format([976, 99])
    ('#,##0.0000;"−"#,##0.0000', '#,##0.0;"−"#,##0.0', '0', '#,##0;"−"#,##0')
    """
    numbers = [value for value in values if isinstance(value, (int, float))]
    if all(isinstance(number, int) for number in numbers):
        if numbers and all(1900 <= number <= 2100 for number in numbers):
            return "0"
        return '#,##0;"−"#,##0'
    largest = max(abs(number) for number in numbers)
    decimals = 1 if largest == 0 else min(6, max(0, 3 - math.floor(math.log10(largest))))
    digits = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f'{digits};"−"{digits}'


class _Looks:
    """The formats of a workbook, one for the same look."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self.known: dict[tuple[tuple[str, Any], ...], Format] = {}

    def __call__(self, **look: Any) -> Format:
        """Return the format with this look."""
        key = tuple(sorted(look.items()))
        if key not in self.known:
            self.known[key] = self.book.add_format(look)
        return self.known[key]

    def status(self) -> Format:
        """Return the look of the status of simulated data."""
        return self(bold=True, font_color="#9C2A10")


def _sheet(looks: _Looks, name: str, table: Table, document: Document) -> None:
    """Write one table on a sheet of its own."""
    sheet = looks.book.add_worksheet(name)
    rows, words = plain_rows(table), catalogue(document.lang)
    remarks = _remarks(table)
    labels = [(column.label, field, column.align) for column in table.columns for field in column.fields]
    if any(remarks):
        labels.append((words.say("table_file.remark"), words.say("table_file.remark"), "left"))
        rows = [[*row, remark or None] for row, remark in zip(rows, remarks, strict=True)]
    widths = [_width([field, *(_told(row[place]) for row in rows)]) for place, (_, field, _) in enumerate(labels)]
    top = _above(looks, sheet, table, document)
    first = _header(looks, sheet, top, table.columns, labels)
    _body(looks, sheet, first, table, rows, labels)
    _below(looks, sheet, first + len(rows), table, widths, words)
    for place, width in enumerate(widths):
        sheet.set_column(place, place, width)
    sheet.freeze_panes(first, 1)
    sheet.repeat_rows(top, first - 1)
    if sum(widths) > LANDSCAPE:
        sheet.set_landscape()
    _printed(sheet, document)


def _above(looks: _Looks, sheet: Worksheet, table: Table, document: Document) -> int:
    """Write the status and the caption, and return the row of the header."""
    place = 0
    if document.banner:
        sheet.write_string(0, 0, f"{document.banner} · {document.banner_text}", looks.status())
        place = 1
    sheet.write_string(place, 0, f"{table.number} {table.caption}", looks(bold=True, font_size=12))
    return place + 1


def _header(looks: _Looks, sheet: Worksheet, top: int, columns: Sequence[Column], labels: Sequence[tuple[str, str, str]]) -> int:
    """Write the header between the upper two lines, with a row of its own for what columns have in common; return the row below."""
    grouped = any(len(column.fields) > 1 for column in columns)
    place = 0
    for column in columns if grouped else ():
        last = place + len(column.fields) - 1
        if len(column.fields) > 1:
            sheet.merge_range(top, place, top, last, column.label, looks(align="center", bold=True, top=2, bottom=4))
        else:
            sheet.write_blank(top, place, None, looks(top=2))
        place = last + 1
    if grouped and place < len(labels):
        sheet.write_blank(top, place, None, looks(top=2))
    row = top + grouped
    single = [len(column.fields) == 1 for column in columns for _ in column.fields] + [False]
    for place, (label, field, align) in enumerate(labels):
        edge = {"bottom": 1} if grouped else {"top": 2, "bottom": 1}
        text = label if single[place] else field
        sheet.write_string(row, place, text, looks(align=align, bold=True, text_wrap=True, valign="bottom", **edge))
    return row + 1


def _body(
    looks: _Looks,
    sheet: Worksheet,
    first: int,
    table: Table,
    rows: Sequence[Sequence[Value]],
    labels: Sequence[tuple[str, str, str]],
) -> None:
    """Write the values, the lowest of them above the lowest line."""
    shown = [number_format([row[place] for row in rows if _is_number(row[place])] or [0]) for place in range(len(labels))]
    for number, (row, made) in enumerate(zip(rows, table.rows, strict=True)):
        edge = {"bottom": 2} if number == len(rows) - 1 else {}
        for place, value in enumerate(row):
            align = "right" if _is_number(value) else labels[place][2]
            look = {"align": align, "valign": "top", "bold": made.marked, **edge}
            if isinstance(value, (int, float)):
                sheet.write_number(first + number, place, value, looks(num_format=shown[place], **look))
            elif value:
                sheet.write_string(first + number, place, value, looks(text_wrap=True, **look))
            else:
                sheet.write_blank(first + number, place, None, looks(**look))


def _below(looks: _Looks, sheet: Worksheet, place: int, table: Table, widths: Sequence[float], words: Catalogue) -> None:
    """Write the notes over the width of the table, and the way back to the list of tables."""
    look = looks(text_wrap=True, valign="top", font_size=9)
    for row, note in enumerate(table.notes, place):
        if len(widths) > 1:
            sheet.merge_range(row, 0, row, len(widths) - 1, "", look)
        sheet.write_string(row, 0, note, look)
        sheet.set_row(row, LINE_HEIGHT * math.ceil(0.9 * _display(note) / sum(widths)))
    contents = sheet_names([words.say("table_file.contents")])[0]
    _link(looks, sheet, place + len(table.notes) + 1, contents, words.say("table_file.back"))


def _link(looks: _Looks, sheet: Worksheet, row: int, name: str, text: str) -> None:
    quoted = name.replace("'", "''")
    sheet.write_url(row, 0, f"internal:'{quoted}'!A1", looks(font_color="#1F4E79", underline=1), text)


def _contents(looks: _Looks, names: Sequence[str], tables: Sequence[Table], document: Document) -> None:
    """Write the first sheet: what report this is, and the list of tables."""
    sheet, words = looks.book.add_worksheet(names[0]), catalogue(document.lang)
    strip = next((block.items for block in document.blocks if isinstance(block, Facts)), ())
    lines = [f"{fact.label}{words.say('table_file.colon')}{fact.value}" for fact in strip]
    top = int(bool(document.banner))
    if top:
        sheet.write_string(0, 0, f"{document.banner} · {document.banner_text}", looks.status())
    sheet.write_string(top, 0, document.page_title, looks(bold=True, font_size=14))
    for row, line in enumerate([*lines, document.footer], top + 1):
        sheet.write_string(row, 0, line)
    first = top + len(lines) + 3
    for column, (key, align) in enumerate((("table", "left"), ("rows", "right"))):
        sheet.write_string(first, column, words.say(f"table_file.{key}"), looks(bold=True, align=align, top=2, bottom=1))
    for row, (name, made) in enumerate(zip(names[1:], tables, strict=True), first + 1):
        _link(looks, sheet, row, name, f"{made.number} {made.caption}")
        sheet.write_number(row, 1, len(made.rows))
    for column in (0, 1):
        sheet.write_blank(first + len(tables) + 1, column, None, looks(top=2))
    sheet.set_column(0, 0, max(48, *(_display(f"{made.number} {made.caption}") + 2 for made in tables)))
    sheet.set_column(1, 1, 10)
    _printed(sheet, document)


def _printed(sheet: Worksheet, document: Document) -> None:
    """Set the page: A4, one page wide, the status above and the page number below."""
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.hide_gridlines(2)
    before, after = (part.replace("&", "&&") for part in document.page_number)
    if document.banner:
        sheet.set_header("&C" + document.banner.replace("&", "&&"))
    sheet.set_footer(f"&L&8{_cut(document.footer, 180).replace('&', '&&')}&R{before}&P{after}")


def _remarks(table: Table) -> list[str]:
    """Return for each row what its first cell says beyond its values: the reference year, or where a range reaches zero."""
    firsts = [row.cells[0] for row in table.rows]
    worded = [CHINESE.search(cell.text) or re.search("[A-Za-z]", cell.text) for cell in firsts]
    told = []
    for cell, words in zip(firsts, worded, strict=True):
        said = [cell.text] if words and not all(worded) and _is_number(cell.values[0]) else []
        held = [value for value in cell.values if isinstance(value, str) and value]
        if cell.detail and not any(value in cell.detail for value in held):
            said.append(cell.detail)
        told.append(" ".join(said))
    return told


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float))


def _told(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" + "0" * max(0, 5 - len(f"{abs(value):.0f}"))
    return "" if value is None else str(value)


def _display(text: str) -> int:
    """Return how many columns of a fixed-width font a text takes: two for a Chinese character."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _width(texts: Sequence[str]) -> float:
    return float(min(WIDEST, max(NARROWEST, *(_display(text) + 2 for text in texts))))
