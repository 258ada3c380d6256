"""How wide the columns of a printed table are: figures keep one line each, and labels share what is left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import ceil
from typing import NamedTuple
from unicodedata import category, east_asian_width

from evalkit import fonts
from evalkit.report.blocks import Cell, Column, Table

SIZES = (9.0, 8.5, 8.0, 7.5, 7.0)
DETAIL = 0.88  # the size of the second line of a cell, to that of the first
COMFORT = 18.0  # a column of words gets so many em before the type shrinks no further than to COMFORTABLE
COMFORTABLE = 8.0
PROSE = 24.0  # a right-hand column whose longest cell has more em than this holds words
LINE, PADDING = 1.2, 5.2
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Columns(NamedTuple):
    """The size of the type, the width of every column, the gap before it, and the height of all rows, in points."""

    size: float
    widths: tuple[float, ...]
    gaps: tuple[float, ...]
    height: float


class Demand(NamedTuple):
    """What a column needs at least, to stand comfortably, and to hold every cell in one line, in em."""

    least: float
    comfortable: float
    most: float


def columns(table: Table, width: float, gutter: float) -> Columns:
    """Return how wide the columns of a table are on paper.

    Parameters
    ----------
    table : Table
    width : float
        The width of the text, in points.
    gutter : float
        The space between two columns, in points.

    Notes
    -----
    The type is the largest of ``SIZES`` in which no figure breaks. A table of two columns is no wider than it needs to be.
    """
    # Words after figures stand further off: the one ends where the other begins.
    gaps = [0.0, *(2 * gutter if (one.align, two.align) == ("right", "left") else gutter for one, two in pairwise(table.columns))]
    room = width - sum(gaps) - 2
    demands = [_demand(column, [row.cells[place] for row in table.rows]) for place, column in enumerate(table.columns)]
    size = _size(demands, room)
    if len(demands) == 2:
        room = min(room, max(size * sum(demand.most for demand in demands) + 40, 255))
    widths = tuple(size * share for share in shares(demands, room / size))
    return Columns(size, widths, tuple(gaps), _height(table, size, widths))


def _size(demands: Sequence[Demand], room: float) -> float:
    for size in SIZES:
        if size * sum(demand.comfortable for demand in demands) <= room and size >= COMFORTABLE:
            return size
    fits = [size for size in SIZES if size * sum(demand.least for demand in demands) <= room]
    return min(fits[0], COMFORTABLE) if fits else SIZES[-1]


def shares(demands: Sequence[Demand], room: float) -> list[float]:
    """Return the width of every column, in the unit of the room: what is left over goes first to whoever lacks least.

    >>> shares([Demand(4, 4, 20), Demand(5, 5, 5)], 18)
    [13.0, 5.0]
    """
    least, most = sum(demand.least for demand in demands), sum(demand.most for demand in demands)
    if most <= room:
        return [demand.most + (room - most) / len(demands) for demand in demands]
    if least >= room:
        return [demand.least * room / least for demand in demands]
    given, left = [float(demand.least) for demand in demands], room - least
    order = sorted(range(len(demands)), key=lambda place: demands[place].most - demands[place].least)
    for turn, place in enumerate(order):
        more = min(demands[place].most - demands[place].least, left / (len(order) - turn))
        given[place] += more
        left -= more
    return given


def _demand(column: Column, cells: Sequence[Cell]) -> Demand:
    texts, details = {cell.text for cell in cells}, {cell.detail for cell in cells}
    text = _longest(texts)
    most = max(text, DETAIL * _longest(details))
    words = max(_longest_word(texts), DETAIL * _longest_word(details), _longest_word([column.label]))
    figures = text if column.align == "right" and text <= PROSE else 0.0
    least = max(words, figures, min(most, 5.0))
    most = max(most, extent(column.label), least)
    return Demand(least, max(least, min(most, COMFORT if column.align == "left" else 0.0)), most)


def _longest(texts: Sequence[str] | set[str]) -> float:
    return max(map(extent, texts), default=0.0)


def _longest_word(texts: Sequence[str] | set[str]) -> float:
    """Return the longest part of texts that no line may break; Chinese breaks anywhere, but not into single characters."""
    longest = 0.0
    for text in texts:
        for word in text.split():
            longest = max(
                longest, max(min(4.0, extent(word)), *map(extent, _HAN.split(word))) if _HAN.search(word) else extent(word)
            )
    return longest


def _height(table: Table, size: float, widths: Sequence[float]) -> float:
    def lines(text: str, size: float, width: float) -> int:
        return ceil(size * extent(text) / width) if text else 0

    head = max(lines(column.label, size, width) for column, width in zip(table.columns, widths, strict=True))
    tall = size * LINE * head + PADDING
    for row in table.rows:
        tall += PADDING + max(
            LINE * size * (max(1, lines(cell.text, size, width)) + DETAIL * lines(cell.detail, DETAIL * size, width))
            for cell, width in zip(row.cells, widths, strict=True)
        )
    return tall


def extent(text: str) -> float:
    """Return how long a text is in the sans face, in em, with a little to spare.

    >>> round(extent("县县"), 2)
    2.02
    """
    long = sum(map(_advance, text))
    # A quarter of an em stands between a Chinese character and a letter or digit.
    long += 0.25 * sum(
        bool(_HAN.match(one)) != bool(_HAN.match(two)) and _spaced(one) and _spaced(two) for one, two in pairwise(text)
    )
    return 1.01 * long


def _spaced(character: str) -> bool:
    return category(character)[0] in "LN"


@cache
def _advance(character: str) -> float:
    found = _advances().get(ord(character))
    if found is None:
        return 1.0 if east_asian_width(character) in "WF" else 0.6
    return found


@cache
def _advances() -> dict[int, float]:
    """Return the width of every character in em, or nothing where the fonts are missing."""
    from fontTools.ttLib import TTFont

    path = fonts.files().get("sans")
    if path is None:
        return {}
    font = TTFont(path, lazy=True)
    metrics, em = font["hmtx"].metrics, font["head"].unitsPerEm
    return {code: metrics[glyph][0] / em for code, glyph in font.getBestCmap().items()}
