"""Three-line tables in Word: how wide each column is, measured in the widths of Times New Roman, and the table itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from unicodedata import combining, east_asian_width

from evalkit.errors import ReportError, first_five
from evalkit.report.blocks import Cell, Column, Row, Table
from evalkit.report.word_parts import MAIN_ROW, Element, border, cell, grid, paragraph, row, run
from evalkit.report.word_styles import Profile

PADDING = 60
SIZES = (10.5, 10, 9.5, 9, 8.5, 8)
"""Sizes of a table in points, the first that fits is taken; the second line of a cell is smaller by ``DETAIL``."""
DETAIL = 1.5
ROOMY = 0.8
BOLDER = 1.08
TOGETHER = 14  # lines of a table that stays on one page
_SPARE = 1.04  # faces that stand in for a missing one are a little wider
_ASCII = (
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500,
    278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889, 722, 722, 556, 722, 667, 556,
    611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778,
    500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
)  # fmt: skip
"""Widths of the characters from the blank to the tilde in Times New Roman, in thousandths of the size."""
_CHUNK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+")


@dataclass(frozen=True)
class Widths:
    """The columns of a table in twentieths of a point, what each wants to stand in one line, and the size of the text."""

    columns: tuple[int, ...]
    wanted: tuple[int, ...]
    size: float

    def indent(self, column: int) -> int:
        """Return how far numbers stand from the right side of a column that is wider than they are."""
        return max(0, self.columns[column] - self.wanted[column]) // 2


def length(text: str, size: float) -> float:
    """Return the width of a text in one line, in twentieths of a point.

    >>> length("123", 10) == 1.5 * length("中", 10)
    True
    """
    return _SPARE * size * 20 * sum(map(_advance, text)) / 1000


@cache
def _advance(character: str) -> int:
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return _ASCII[code - 0x20]
    if combining(character):
        return 0
    if east_asian_width(character) in "WFA":
        return 1000
    return 250 if character.isspace() else 564 if character == "−" else 600


def widths(table: Table, total: int, bold: bool = False) -> Widths:
    """Return the columns of a table in a total width: numbers and intervals in one line, and texts share the rest.

    Parameters
    ----------
    total : int
        Twentieths of a point, which the columns add up to.
    bold : bool
        Whether the header is set in bold, which is wider.

    Notes
    -----
    The labels of numbers wrap where one-line labels would take more than ``ROOMY`` of the width from the texts. Where even the shortest columns do not fit, the text becomes smaller step by step (``SIZES``). Where the smallest does not fit, all
    columns become narrower in proportion and their contents wrap.
    """
    for size in SIZES:
        wanted, least, wrapped = zip(*(_needs(table, index, size, total, bold) for index in range(len(table.columns))), strict=True)
        if sum(least) > ROOMY * total:
            least = wrapped
        if sum(least) <= total:
            break
    spare, gap = total - sum(least), [w - s for w, s in zip(wanted, least, strict=True)]
    if spare < 0:
        exact = [total * part / sum(least) for part in least]
    elif sum(gap) > spare:
        exact = [part + spare * more / sum(gap) for part, more in zip(least, gap, strict=True)]
    else:
        exact = [part + (total - sum(wanted)) / len(wanted) for part in wanted]
    return Widths(tuple(_rounded(exact, total)), tuple(map(round, wanted)), size)


def _rounded(exact: Sequence[float], total: int) -> Iterator[int]:
    """Yield whole widths that add up to the total."""
    edge, before = 0.0, 0
    for place, part in enumerate(exact, start=1):
        edge += part
        now = total if place == len(exact) else round(edge)
        yield now - before
        before = now


def _needs(table: Table, index: int, size: float, total: int, bold: bool) -> tuple[float, float, float]:
    """Return the width of a column all in one line, the least that it can live with, and the least when its label may wrap."""
    column = table.columns[index]
    cells = [row.cells[index] for row in table.rows if index < len(row.cells)]
    lines = [(cell.text, size) for cell in cells] + [(cell.detail, size - DETAIL) for cell in cells]
    body = max((length(*line) for line in lines), default=0.0)
    label = size * (BOLDER if bold else 1)
    head, piece = length(column.label, label), _chunk(column.label, label)
    wanted, padding = max(body, head), 2 * PADDING + 4  # the borders take a little
    if column.align == "right":
        least, wrapped = wanted, max(body, piece, min(head, 3.2 * size * 20))
    else:
        chunk = max(_chunk(*line) for line in lines) if lines else 0.0
        least = wrapped = max(piece, min(chunk, 0.3 * total), min(wanted, 6.5 * size * 20))
    return wanted + padding, least + padding, wrapped + padding


def _chunk(text: str, size: float) -> float:
    """Return the width of the longest piece that does not break between lines."""
    return max((length(piece, size) for piece in _CHUNK.findall(text)), default=0.0)


def three_lines(table: Table, profile: Profile, title: str) -> Element:
    """Return a table with lines above, below and under its header, which every page repeats.

    Raises
    ------
    ReportError
        For a row with more cells than the table has columns.
    """
    if wrong := [place for place, content in enumerate(table.rows, start=1) if len(content.cells) > len(table.columns)]:
        raise ReportError(
            f"The table {table.name} has {len(table.columns)} columns, and more cells in the rows {first_five(wrong)}. "
            "Give every row at most one cell for each column."
        )
    fitted = widths(table, profile.width, bold=profile.style("Table Head").bold)
    rows = [_header(table.columns, fitted, profile)]
    short = sum(_height(content, fitted) for content in table.rows) <= TOGETHER
    for place, content in enumerate(table.rows):
        near_an_end = place < 2 or place >= len(table.rows) - 2
        rows.append(_row(content, table.columns, fitted, profile, keep=short or near_an_end))
    lines = (border("top", 12), border("bottom", 12))
    return grid(fitted.columns, rows, lines=lines, padding=(30, PADDING, 30, PADDING), title=title)


def _height(content: Row, fitted: Widths) -> int:
    """Return how many lines the tallest cell of a row has."""
    tallest = 1
    for shown, width in zip(content.cells, fitted.columns, strict=False):
        room = width - 2 * PADDING
        lines = [(shown.text, fitted.size)] + ([(shown.detail, fitted.size - DETAIL)] if shown.detail else [])
        tallest = max(tallest, sum(max(1, math.ceil(length(*line) / room)) for line in lines))
    return tallest


def _header(columns: Sequence[Column], fitted: Widths, profile: Profile) -> Element:
    cells = []
    for index, column in enumerate(columns):
        text = run(column.label, east=profile.east, size=fitted.size)
        content = _line("TableHead", text, column, fitted.indent(index), keep=True)
        cells.append(cell(fitted.columns[index], [content], lines=(border("bottom", 6),), bottom=True))
    return row(cells, header=True)


def _row(content: Row, columns: Sequence[Column], fitted: Widths, profile: Profile, keep: bool) -> Element:
    """Return one row; a row that has fewer cells than there are columns ends in empty ones."""
    cells = []
    for index, column in enumerate(columns):
        shown = content.cells[index] if index < len(content.cells) else Cell("")
        indent = fitted.indent(index)
        lines = [_line("TableText", run(shown.text, east=profile.east, size=fitted.size), column, indent, keep)]
        if shown.detail:
            lines.append(
                _line("TableDetail", run(shown.detail, east=profile.east, size=fitted.size - DETAIL), column, indent, keep)
            )
        cells.append(cell(fitted.columns[index], lines, fill=MAIN_ROW if content.marked else ""))
    return row(cells)


def _line(style: str, children: Sequence[Element], column: Column, indent: int, keep: bool) -> Element:
    if column.align == "left":
        return paragraph(style, children, keep=keep)
    return paragraph(style, children, keep=keep, right=indent, align="right")
