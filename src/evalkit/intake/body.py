"""The rows under a header: what is data, what is a footnote, a blank line or the header of the next printed page."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.intake.layout import Row, is_number, starts
from evalkit.intake.observations import IntakeError, Place, Problem
from evalkit.intake.origin import Lines

Left = dict[str, tuple[int, ...]]
TAIL = 60  # lines at the end in which footnotes are searched
_MARKED_NOTE = re.compile(r"[①-⑳※★＊*]|\d\s*[.．、)）]")


@dataclass(frozen=True)
class OddRow:
    """A line of a text file with another number of cells than the header."""

    line: int
    cells: Row
    text: str


@dataclass(frozen=True)
class Body:
    """Rows under a header, read but not judged yet.

    Attributes
    ----------
    columns : k arrays of pyarrow, all text; the list is emptied while the rows are judged, to hold one copy in memory
    lines : (n,) line of each row
    odd : lines with another number of cells
    """

    columns: list[Any]
    lines: Lines
    odd: Sequence[OddRow] = ()


@dataclass(frozen=True)
class Rows:
    """The data among the rows, and what left."""

    columns: list[Any]
    lines: Lines
    left: Left = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def data_rows(body: Body, header: Sequence[Row], above: Sequence[Row], name: str) -> Rows:
    """Return the rows of data; blank lines, repeated headers and footnotes leave with their lines.

    Parameters
    ----------
    header, above : the rows of the header, and those above it, as they stand in the file: a printed page repeats them
    name : the file's name, for problems

    Raises
    ------
    IntakeError
        RAGGED_ROW when lines that are no footnotes have another number of cells than the header.
    """
    body = _mended(body)
    trimmed(body.columns)
    left: dict[str, list[int]] = defaultdict(list)
    filled = _filled_cells(body.columns, len(body.lines))
    blank = filled == 0
    repeated = _repeats(body, [*header, *above], np.flatnonzero(filled == 1))
    notes, last_rows, last_odd = _footnotes(body, blank | repeated)
    left["blank_line"] = body.lines[blank].tolist()
    left["page_header"] = body.lines[repeated].tolist()
    for line, text in notes:
        left["source_line" if starts("source").match(text) else "footnote"].append(line)
    ragged = []
    for odd in body.odd:
        if odd.line in last_odd:
            continue
        if _on_a_printed_page(odd, above):
            left["page_header"].append(odd.line)
        else:
            ragged.append(odd)
    if ragged:
        raise _ragged(ragged, len(body.columns), name)
    keep = ~(blank | repeated)
    keep[last_rows] = False
    _filter(body.columns, keep)
    kept = {reason: tuple(sorted(lines)) for reason, lines in left.items() if lines}
    return Rows(body.columns, body.lines[keep], kept, tuple(text for _, text in notes))


def frame_of(columns: list[Any]) -> pd.DataFrame:
    """Return pyarrow columns of text as a frame with columns 0..k-1, without copying; the list is emptied."""
    kind = pd.StringDtype("pyarrow", na_value=np.nan)
    arrays: dict[int, Any] = {}
    for position in range(len(columns)):
        arrays[position] = pd.arrays.ArrowStringArray(columns[position], dtype=kind)  # type: ignore[call-arg]
        columns[position] = None
    columns.clear()
    return pd.DataFrame(arrays, copy=False)


def trimmed(columns: list[Any]) -> None:
    """Take white space off the ends of all cells, in place; a cell that held nothing else is missing."""
    import pyarrow as pa

    for j in range(len(columns)):
        # Piece by piece, and only where something changes: a second copy of a big file would not fit.
        columns[j] = pa.chunked_array([_trimmed(chunk) for chunk in _chunks(columns[j])], type=pa.large_string())


def _trimmed(chunk: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.utf8_trim_whitespace(chunk)
    length = pc.binary_length(bare)
    if pc.min(length).as_py() == 0:
        return pc.if_else(pc.equal(length, 0), pa.scalar(None, bare.type), bare)
    return chunk if pc.sum(length) == pc.sum(pc.binary_length(chunk)) else bare


def _filled_cells(columns: Sequence[Any], count: int) -> npt.NDArray[np.int32]:
    """Return (n,) how many cells of a row hold anything."""
    filled = np.zeros(count, dtype=np.int32)
    for column in columns:
        filled += 1 if column.null_count == 0 else column.is_valid().to_numpy(zero_copy_only=False)
    return filled


def _cells(columns: Sequence[Any], row: int | np.integer[Any]) -> Row:
    return [column[int(row)].as_py() or "" for column in columns]


def _repeats(body: Body, patterns: Sequence[Row], lone: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a row is one of the rows above the data again, or says that the table goes on (续表)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    again = np.zeros(len(body.lines), dtype=bool)
    width = len(body.columns)
    for pattern in patterns:
        wanted = [*pattern, *[""] * (width - len(pattern))][:width]
        if not any(wanted):
            continue
        key = next(j for j, cell in enumerate(wanted) if cell)
        for row in np.flatnonzero(pc.equal(body.columns[key], wanted[key]).fill_null(False).to_numpy(zero_copy_only=False)):
            again[row] |= _cells(body.columns, row) == wanted
    for column in body.columns if width > 1 and len(lone) else ():
        goes_on = pc.match_substring_regex(column.take(pa.array(lone)), f"(?i)^(?:{starts('continued').pattern})")
        again[lone] |= goes_on.fill_null(False).to_numpy(zero_copy_only=False)
    return again


def _footnotes(body: Body, skipped: npt.NDArray[np.bool_]) -> tuple[list[tuple[int, str]], list[int], set[int]]:
    """Return the footnotes at the end (line, text), their rows, and the lines of odd rows among them."""
    count = len(body.lines)
    tail: list[tuple[int, int | None, Row, bool]] = []
    for row in range(max(0, count - TAIL), count):
        if not skipped[row]:
            tail.append((int(body.lines[row]), row, _cells(body.columns, row), False))
    tail += [(odd.line, None, [odd.text.strip()], _is_lone_text(odd)) for odd in body.odd[-TAIL:]]
    tail.sort(key=lambda item: item[0])
    first = len(tail)
    for position in range(len(tail) - 1, -1, -1):
        _, _, cells, lone = tail[position]
        filled = [cell for cell in cells if cell]
        starts_note = is_note(filled)
        if starts_note or lone:
            first = position
        elif len(filled) != 1 or tail[position][1] is None:
            break
    found = tail[first:]
    notes = [(line, " ".join(cell for cell in cells if cell).strip()) for line, _, cells, _ in found]
    rows = [row for _, row, _, _ in found if row is not None]
    return notes, rows, {line for line, row, _, _ in found if row is None}


def _is_lone_text(odd: OddRow) -> bool:
    """Return whether a line has one cell, and words in it: a number alone is the rest of a row that was cut."""
    filled = [cell.strip() for cell in odd.cells if cell.strip()]
    return len(filled) == 1 and not is_number(filled[0])


def is_note(filled: Sequence[str]) -> bool:
    """Return whether a row's filled cells start like a footnote, a source or a signature.

    >>> is_note(["注：本表为快报数。"]), is_note(["资料来源", "省统计局"]), is_note(["漳县", "2350"])
    (True, True, False)
    """
    if not filled:
        return False
    first = filled[0].strip()
    if starts("note").match(first) or starts("source").match(first):
        return True
    return len(filled) == 1 and bool(_MARKED_NOTE.match(first)) and not re.fullmatch(r"[\d.,*＊]+", first)


def _mended(body: Body) -> Body:
    """Return the rows with those put back whose surplus cells are all empty."""
    import pyarrow as pa

    width = len(body.columns)
    whole = [odd for odd in body.odd if len(odd.cells) >= width and not any(cell.strip() for cell in odd.cells[width:])]
    if not whole:
        return body
    lines = np.concatenate([body.lines, np.array([odd.line for odd in whole], dtype=np.int64)])
    order = np.argsort(lines, kind="stable")
    for j in range(width):
        added = pa.array([odd.cells[j] or None for odd in whole], type=pa.large_string())
        body.columns[j] = pa.concat_arrays([*_chunks(body.columns[j]), added]).take(pa.array(order))
    mended = {odd.line for odd in whole}
    return Body(body.columns, lines[order], [odd for odd in body.odd if odd.line not in mended])


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if hasattr(column, "chunks") else [column]


def _filter(columns: list[Any], keep: npt.NDArray[np.bool_]) -> None:
    """Keep some rows of all columns, in place."""
    import pyarrow as pa

    if keep.all():
        return
    mask = pa.array(keep)
    for j in range(len(columns)):
        columns[j] = columns[j].filter(mask)


def _on_a_printed_page(odd: OddRow, above: Sequence[Row]) -> bool:
    filled = [cell.strip() for cell in odd.cells if cell.strip()]
    known = [[cell.strip() for cell in row if cell.strip()] for row in above]
    return filled in known or (len(filled) == 1 and bool(starts("continued").match(filled[0])))


def _ragged(ragged: Sequence[OddRow], width: int, name: str) -> IntakeError:
    found = ", ".join(str(n) for n in sorted({len(odd.cells) for odd in ragged})[:5])
    places = [Place(line=odd.line) for odd in ragged]  # without the row's text: it may hold names and numbers of persons
    return IntakeError(Problem.at("RAGGED_ROW", places, name=name, expected=width, found=found))
