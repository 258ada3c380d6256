"""Where a table begins: title, unit, header and first row of data, read from the first lines of a sheet or text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from evalkit.codes import table
from evalkit.intake.observations import IntakeError, Place, Problem

Row = list[str]
Merge = tuple[int, int, int, int]  # first row, first column, last row, last column, counted from 0

LOOKED_AT = 60  # lines in which the header is searched
TALLEST = 4  # rows of the tallest header: groups, headings, units, numbers of the columns

_NUMBER = re.compile(r"[-+−]?[\d,，.．\s*＊×]*[\d*＊][\d,，.．\s*＊×]*[%％‰]?")
_YEAR = re.compile(r"[（(]?(19|20)\d\d(年度?)?[）)]?")
_ORDINALS = set("甲乙丙丁戊己庚")


@dataclass(frozen=True)
class Layout:
    """The parts of a table's top; rows are counted from 1.

    Attributes
    ----------
    title_lines, unit_lines, blank_lines, header_lines : the rows above the data
    first_data_line : int
    headings : (k,) header rows joined with "|" from top to bottom; empty where no heading stands
    units : (k,) from a row of units, else the unit of the whole table, else None
    title : str
    """

    title_lines: tuple[int, ...]
    unit_lines: tuple[int, ...]
    blank_lines: tuple[int, ...]
    header_lines: tuple[int, ...]
    first_data_line: int
    headings: tuple[str, ...]
    units: tuple[str | None, ...]
    title: str

    @property
    def left(self) -> dict[str, tuple[int, ...]]:
        """Rows above the data, by the reason for which they are no data."""
        parts = {
            "title": self.title_lines,
            "unit_line": self.unit_lines,
            "header": self.header_lines,
            "blank_line": self.blank_lines,
        }
        return {reason: rows for reason, rows in parts.items() if rows}


def find_layout(rows: Sequence[Row], header_lines: Sequence[int] | None = None, merges: Sequence[Merge] = ()) -> Layout:
    """Return where title, unit, header and data stand in the first rows of a table.

    Parameters
    ----------
    rows : the first rows, cells as text, empty cells as ""
    header_lines : rows of the header, counted from 1; found by their looks when not given
    merges : merged cells of a sheet; they spread over a header's rows and columns

    Raises
    ------
    IntakeError
        UNCLEAR_HEADER when no header can be told from the data, HEADER_ONLY when nothing stands below it,
        HEADER_LINES_OUTSIDE when the rows given are not there.

    Examples
    --------
    >>> layout = find_layout([["表1 收入", "", ""], ["", "", "单位：元"], ["县名", "2013", "2014"], ["漳县", "2350", "2600.5"]])
    >>> layout.headings, layout.units[1], layout.first_data_line
    (('县名', '2013', '2014'), '元', 4)
    """
    width = max((_last_filled(row) for row in rows), default=0)
    grid = [[cell.strip() for cell in row[:width]] + [""] * (width - len(row)) for row in rows]
    first, last = _given(grid, header_lines) if header_lines else _searched(grid, merges)
    if not any(any(row) for row in grid[last + 1 :]):
        raise IntakeError(Problem("HEADER_ONLY", {"line": last + 1}))
    header = _spread(grid, first, last, merges)
    own_units = [row for row in header if is_units_row(row)] if last > first else []
    named = [row for row in header if not is_units_row(row) and not _is_ordinals(row)] if last > first else header
    above = range(first)
    unit_rows = [i for i in above if unit_said(grid[i]) is not None]
    stated = next((unit_said(grid[i]) for i in unit_rows), None)
    titles = [i for i in above if any(grid[i]) and i not in unit_rows]
    units = [next((row[j] for row in own_units if row[j]), None) or stated for j in range(width)]
    return Layout(
        title_lines=tuple(i + 1 for i in titles),
        unit_lines=tuple(i + 1 for i in unit_rows),
        blank_lines=tuple(i + 1 for i in above if not any(grid[i])),
        header_lines=tuple(range(first + 1, last + 2)),
        first_data_line=last + 2,
        headings=tuple(joined([row[j] for row in named]) for j in range(width)),
        units=tuple(units),
        title=" ".join(cell for i in above for cell in grid[i] if cell and not unit_said([cell])),
    )


@cache
def starts(kind: str) -> re.Pattern[str]:
    """Return the pattern of texts that start with a word of one kind (data/codes/layout_words.csv)."""
    words = table("layout_words")
    chosen = words[words["kind"] == kind]
    free = _alternatives(chosen.loc[chosen["colon"] == "no", "word"])
    bound = _alternatives(chosen.loc[chosen["colon"] == "yes", "word"])
    return re.compile(rf"[（(【\[]?\s*(?:{free}|(?:{bound})\s*[\]】]?\s*\d*\s*[:：.．、])", re.IGNORECASE)


def _alternatives(words: Iterable[str]) -> str:
    # 单 位 and 单位 are the same word; a word that cannot be stands in for an empty list.
    return "|".join(r"\s*".join(map(re.escape, word)) for word in words) or r"[^\s\S]"


def unit_said(row: Row) -> str | None:
    """Return the unit that a line above the header says for the whole table, None when it says none.

    >>> unit_said(["", "", "计量单位:万元"]), unit_said(["漳县", "2350"])
    ('万元', None)
    """
    filled = [cell for cell in row if cell]
    if not 0 < len(filled) <= 3:
        return None
    for cell in filled:
        if (match := _unit_anywhere().search(cell)) and (unit := re.split(r"\s{2,}|[）)】\]]", cell[match.end() :].strip())[0]):
            return unit
    return None


@cache
def _unit_anywhere() -> re.Pattern[str]:
    return re.compile(rf"(?:^|[\s（(])(?:{starts('unit').pattern})", re.IGNORECASE)


def is_units_row(row: Row) -> bool:
    """Return whether a row holds units and nothing else, apart from the word 单位 and blanks before them."""
    words = _units()
    filled = [cell.strip("（）()[]") for cell in row if cell and cell != "单位"]
    return bool(filled) and all(cell in words for cell in filled)


@cache
def _units() -> frozenset[str]:
    words = table("layout_words")
    return frozenset(words.loc[words["kind"] == "unit_word", "word"])


def is_number(text: str) -> bool:
    """Return whether a cell looks like a number, masked ones such as 17** included.

    >>> [is_number(text) for text in ("2,350.5", "17**", "7.6%", "漳县", "2013年")]
    [True, True, True, False, False]
    """
    return bool(_NUMBER.fullmatch(text))


def is_year(text: str) -> bool:
    """Return whether a cell is a year and nothing else: 2013, 2013年, (2013)."""
    return bool(_YEAR.fullmatch(text))


def joined(parts: Sequence[str]) -> str:
    """Return the headings above each other as one, without repeats and line breaks."""
    kept: list[str] = []
    for part in parts:
        if (one := " ".join(part.split())) and one not in kept[-1:]:
            kept.append(one)
    return "|".join(kept)


def _last_filled(row: Row) -> int:
    return max((j + 1 for j, cell in enumerate(row) if cell.strip()), default=0)


def _given(grid: list[Row], lines: Sequence[int]) -> tuple[int, int]:
    """Return first and last header row as the caller gave them."""
    wanted = sorted(set(lines))
    unbroken = wanted == list(range(wanted[0], wanted[-1] + 1))
    if wanted[0] < 1 or wanted[-1] > len(grid) or not unbroken or not any(any(grid[i - 1]) for i in wanted):
        said = ", ".join(map(str, lines))
        raise IntakeError(Problem("HEADER_LINES_OUTSIDE", {"lines": said, "last": len(grid)}))
    return wanted[0] - 1, wanted[-1] - 1


def _searched(grid: list[Row], merges: Sequence[Merge]) -> tuple[int, int]:
    """Return first and last header row, found by their looks."""
    first = next((i for i in range(len(grid)) if any(grid[i]) and not _is_above(grid, i, merges)), None)
    if first is None:
        raise _unclear(grid, 0)
    if _is_data(grid[first]) or not _has_headings(grid[first]):
        raise _unclear(grid, first)
    last = first
    while last + 1 < len(grid) and last - first + 1 < TALLEST and _continues(grid, first, last + 1, merges):
        last += 1
    below = next((row for row in grid[last + 1 :] if any(row)), None)
    if below is not None and last - first + 1 == TALLEST and not _is_data(below):
        raise _unclear(grid, first)
    return first, last


def _unclear(grid: list[Row], first: int) -> IntakeError:
    shown = next((cell for row in grid[first:] for cell in row if cell), None)
    return IntakeError(Problem.at("UNCLEAR_HEADER", [Place(line=first + 1, value=shown)]))


def _is_above(grid: list[Row], i: int, merges: Sequence[Merge]) -> bool:
    """Return whether a row stands above the header: a title, a unit, a line of a form."""
    row = grid[i]
    filled = [j for j, cell in enumerate(row) if cell]
    first = row[filled[0]]
    if unit_said(row) is not None or starts("form").match(first):
        return True
    if len(row) == 1:
        return bool(starts("title").match(first)) and i + 1 < len(grid) and not _is_data(row)
    if len(filled) > 1:
        return len(filled) <= 2 < len(row) and _is_numbered_title(first)
    if filled[0] == 0 or is_number(first):
        return not is_number(first)
    below = next((other for other in grid[i + 1 :] if any(other)), [])
    return not _heads_a_group(filled[0], below, next((m for m in merges if m[0] == i and m[1] == filled[0]), None))


def _is_numbered_title(text: str) -> bool:
    """Return whether a text starts with the number of a table: 表3-5, and not 表彰人数."""
    return bool(re.match(r"(附?表|附件|Table)\s*[\d一二三四五六七八九十:：]", text, re.IGNORECASE))


def _heads_a_group(start: int, below: Row, merge: Merge | None) -> bool:
    """Return whether a lone cell is the heading of a group: years stand below it, or it is merged over its columns only."""
    if not below or not below[0] or _is_data(below):
        return False
    if merge is not None:
        return merge[1] > 0 and merge[3] > merge[1]
    return all(is_year(cell) for cell in below[start:] if cell) and not any(is_year(cell) for cell in below[:start])


def _is_data(row: Row) -> bool:
    """Return whether a row holds numbers that are no years and no numbers of columns."""
    return any(is_number(cell) and not is_year(cell) for cell in row) and not _is_ordinals(row)


def _is_ordinals(row: Row) -> bool:
    """Return whether a row numbers the columns: 甲 乙 1 2 3."""
    filled = [cell.strip("（）()") for cell in row if cell]
    numbers = [cell for cell in filled if cell not in _ORDINALS]
    return (
        len(filled) > 1
        and bool(numbers)
        and numbers == [str(n + 1) for n in range(len(numbers))]
        and len(numbers) > len(filled) / 2
    )


def _has_headings(row: Row) -> bool:
    """Return whether a row holds a word, or years beside an empty corner."""
    return any(cell and not is_year(cell) and not is_number(cell) for cell in row) or (not row[0] and any(map(is_year, row)))


def _continues(grid: list[Row], first: int, i: int, merges: Sequence[Merge]) -> bool:
    """Return whether row i still belongs to the header that starts at ``first``."""
    row = grid[i]
    if not any(row) or _is_data(row):
        return False
    if is_units_row(row) or _is_ordinals(row) or any(first <= m[0] < i <= m[2] for m in merges):
        return True
    headed = [any(cells) for cells in zip(*grid[first:i], strict=True)]
    if not row[0]:
        return headed[0] or any(cell and not over for cell, over in zip(row, headed, strict=True))
    if not any(cell and not over for cell, over in zip(row, headed, strict=True)):
        return False
    if headed[0]:
        raise _unclear(grid, first)
    return True


def _spread(grid: list[Row], first: int, last: int, merges: Sequence[Merge]) -> list[Row]:
    """Return the header rows with merged cells filled to the right and down, within the header only."""
    header = [list(row) for row in grid[first : last + 1]]
    touching = [m for m in merges if first <= m[0] <= last]
    for top, left, bottom, right in touching:
        for i in range(top, min(bottom, last) + 1):
            for j in range(left, min(right, len(header[0]) - 1) + 1):
                header[i - first][j] = grid[top][left]
    if not touching:
        for upper, lower in reversed(list(pairwise(header))):
            if not is_units_row(lower) and not _is_ordinals(lower):
                _fill_right(upper, lower)
    return header


def _fill_right(upper: Row, lower: Row) -> None:
    """Carry a group's heading over the columns to its right that have a heading of their own below and none above."""
    for j in range(1, len(upper)):
        if not upper[j] and lower[j] and lower[j - 1]:
            upper[j] = upper[j - 1]
