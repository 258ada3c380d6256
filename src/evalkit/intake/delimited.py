"""Text files: csv, tab, semicolon or bar; split by what their lines agree on, read in batches of columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.intake.body import Body, OddRow
from evalkit.intake.encoding import Text
from evalkit.intake.layout import LOOKED_AT, Layout, Row, find_layout
from evalkit.intake.observations import IntakeError, Place, Problem
from evalkit.intake.origin import Lines

DELIMITERS = (",", "\t", ";", "|")
SNIFFED = 200  # records on which the delimiter is judged
START = 1 << 19  # bytes in which these records are looked for
BLOCK = 1 << 22  # bytes pyarrow reads at a time; also the longest row
MOST_ODD = 100_000  # lines with another number of cells that are collected

csv.field_size_limit(BLOCK)  # what is a row to pyarrow may be one cell here


@dataclass(frozen=True)
class Head:
    """The first records of a text file.

    ``rows`` are their cells, ``first`` and ``last`` the lines each begins and ends in, ``whole`` whether that is all of the file.
    """

    delimiter: str
    rows: list[Row]
    first: list[int]
    last: list[int]
    whole: bool


@dataclass(frozen=True)
class TextTable:
    """A text file split into its layout and its body; rows of the layout are records, ``line_of`` gives their lines."""

    layout: Layout
    head: Head
    body: Body
    records: int

    def line_of(self, record: int) -> int:
        """Return the line in which a record of the head begins."""
        return self.head.first[record - 1]


def read_delimited(text: Text, header_lines: Sequence[int] | None = None) -> TextTable:
    """Return the rows of a text file, all cells as text.

    Raises
    ------
    IntakeError
        When the delimiter, the header or the number of cells of a row cannot be told.
    """
    start = text.start(START)
    whole = len(start.encode(text.encoding, "ignore")) < START - 8
    head = find_head(start, whole, text.path.name)
    if not any(any(row) for row in head.rows):
        raise IntakeError(Problem("EMPTY_FILE", {"name": text.path.name}))
    given = None if header_lines is None else [_record_of(head, line) for line in header_lines]
    layout = find_layout([list(row) for row in head.rows[:LOOKED_AT]], given)
    named = max(j + 1 for j, heading in enumerate(layout.headings) if heading) if any(layout.headings) else 0
    width = _width(head, layout, named, text.path.name)
    body, records = _body(text, head, layout, width, named)
    return TextTable(layout, head, body, records)


def _record_of(head: Head, line: int) -> int:
    """Return the record that holds a line of the file."""
    return next((i + 1 for i, last in enumerate(head.last) if line <= last), len(head.rows) + 1)


def find_head(start: str, whole: bool, name: str) -> Head:
    r"""Return the first records of a text, split by the delimiter that most lines agree on.

    >>> find_head("县名;收入\n漳县;2350,5\n", True, "a.csv").rows
    [['县名', '收入'], ['漳县', '2350,5']]
    """
    tried = {delimiter: _split(start, delimiter, whole) for delimiter in DELIMITERS}
    agreement = {delimiter: _agreement(head.rows, _lines_of_last(head) - 1) for delimiter, head in tried.items()}
    best = max(DELIMITERS, key=lambda delimiter: agreement[delimiter])
    if agreement[best] == (0.0, 0) and _agreement([line.split("，") for line in start.splitlines()[:SNIFFED]])[0] > 0.8:
        raise IntakeError(Problem("FULL_WIDTH_COMMA", {"name": name}))
    return tried[best]


def _split(start: str, delimiter: str, whole: bool) -> Head:
    rows, first, last = [], [], []
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    before = 0
    for row in reader:
        rows.append(row)
        first.append(before + 1)
        before = reader.line_num
        last.append(before)
        if len(rows) > SNIFFED:
            break
    cut = len(rows) > SNIFFED or not whole
    if cut and len(rows) > 1:
        del rows[-1], first[-1], last[-1]
    return Head(delimiter, rows, first, last, not cut)


def _lines_of_last(head: Head) -> int:
    return head.last[-1] - head.first[-1] + 1 if head.rows else 1


def _agreement(rows: Sequence[Row], swallowed: int = 0) -> tuple[float, int]:
    """Return the share of lines that have the most frequent number of cells, and that number; (0, 0) without two cells.

    ``swallowed`` counts the lines that the last row takes in beside its own: all that follow a quotation mark that is none
    under another delimiter.
    """
    counts = Counter(len(row) for row in rows if any(row))
    several = {width: count for width, count in counts.items() if width > 1}
    if not several:
        return 0.0, 0
    width = max(several, key=lambda width: (several[width], width))
    return round(several[width] / (sum(counts.values()) + swallowed), 3), width


def _width(head: Head, layout: Layout, named: int, name: str) -> int:
    """Return how many cells a row has: as many as the header names, and empty ones that all rows may end with."""
    sample = [row for row in head.rows[layout.first_data_line - 1 :] if any(row) and (len(row) > 1 or named == 1)]
    if not sample:
        return named
    usual = Counter(len(row) for row in sample).most_common(1)[0][0]
    surplus = any(cell.strip() for row in sample if len(row) == usual for cell in row[named:])
    if (usual > named and surplus) or max(len(row) for row in sample) < named:
        place = Place(line=head.first[layout.header_lines[-1] - 1])
        raise IntakeError(Problem.at("HEADER_WIDTH", [place], name=name, headings=named, cells=usual))
    return max(usual, named)


def _unclosed(name: str, line: int) -> IntakeError:
    return IntakeError(Problem.at("UNCLOSED_QUOTE", [Place(line=line)], name=name))


def _body(text: Text, head: Head, layout: Layout, width: int, named: int) -> tuple[Body, int]:
    """Read everything below the header; return it and the number of records of the file."""
    above = layout.first_data_line - 1
    skipped = head.last[above - 1]
    invalid: list[tuple[int, str]] = []
    columns = _columns(text, head, skipped, width, invalid)
    good = len(columns[0])
    odd_records = np.array([number - skipped - 1 for number, _ in invalid], dtype=np.int64)
    records = np.delete(np.arange(good + len(invalid), dtype=np.int64), odd_records)
    lines, odd_lines = records + skipped + 1, odd_records + skipped + 1
    if text.lines > skipped + good + len(invalid):
        inside = np.zeros(good + len(invalid), dtype=np.int64)
        inside[records] = _breaks_inside(columns, text, head.delimiter, lines)
        inside[odd_records] = [raw.count("\n") for _, raw in invalid]
        shift = np.concatenate([[0], np.cumsum(inside)[:-1]])
        lines, odd_lines = lines + shift[records], odd_lines + shift[odd_records]
    odd = [_odd(int(line), raw, head.delimiter, width, named) for line, (_, raw) in zip(odd_lines, invalid, strict=True)]
    for row in odd:
        if '"' in row.text and "\n" in row.text.strip() and text.quotes % 2:
            raise _unclosed(text.path.name, row.line)
    return Body(columns, lines, odd), above + good + len(invalid)


def _odd(line: int, raw: str, delimiter: str, width: int, named: int) -> OddRow:
    cells = next(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter), [])
    padded = [*cells, *[""] * (width - len(cells))] if len(cells) >= named else cells
    return OddRow(line, padded, raw)


def _columns(text: Text, head: Head, skipped: int, width: int, invalid: list[tuple[int, str]]) -> list[Any]:
    """Return k columns of text; rows with another number of cells go to ``invalid`` with the number of their record."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    def collect(row: Any) -> str:
        invalid.append((row.number, row.text))
        return "skip" if len(invalid) < MOST_ODD else "error"

    names = [str(j) for j in range(width)]
    with pa.OSFile(str(text.path), "rb") as file:
        stream = pa.CompressedInputStream(file, "gzip") if text.zipped else file
        encoding = "utf8" if text.encoding.startswith("utf-8") else text.encoding
        try:
            table = arrow.read_csv(
                stream,
                # One thread: only then does pyarrow number the rows that do not fit.
                read_options=arrow.ReadOptions(
                    use_threads=False, block_size=BLOCK, skip_rows=skipped, column_names=names, encoding=encoding
                ),
                parse_options=arrow.ParseOptions(
                    delimiter=head.delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=collect
                ),
                convert_options=arrow.ConvertOptions(
                    column_types={name: pa.large_string() for name in names},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as failed:
            raise _cannot_split(failed, invalid, width, skipped, head, text) from failed
    return list(table.columns)


def _cannot_split(
    failed: Exception, invalid: Sequence[tuple[int, str]], width: int, skipped: int, head: Head, text: Text
) -> IntakeError:
    if len(invalid) >= MOST_ODD:
        places = [Place(line=number) for number, _ in invalid]
        return IntakeError(Problem.at("RAGGED_ROW", places, name=text.path.name, expected=width, found="?"))
    if text.quotes:
        # A head of fewer records than were looked for ends before the one that never ends.
        short = not head.whole and len(head.rows) < SNIFFED
        return _unclosed(text.path.name, (head.last[-1] if short else skipped) + 1)
    return IntakeError(Problem("DAMAGED_FILE", {"name": text.path.name, "format": f"csv: {failed}"}))


def _breaks_inside(columns: Sequence[Any], text: Text, delimiter: str, lines: Lines) -> Lines:
    """Return (n,) how many line breaks stand inside the cells of a row.

    Raises UNCLOSED_QUOTE when one cell holds lines that are rows themselves: a quotation mark was opened and never closed.
    """
    import pyarrow.compute as pc

    inside = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        count = pc.count_substring(column, "\n").fill_null(0).to_numpy()
        for row in np.flatnonzero(count):
            swallowed = column[row].as_py().split("\n")[1:]
            if len(columns) > 1 and any(line.count(delimiter) >= len(columns) - 1 for line in swallowed):
                raise _unclosed(text.path.name, int(lines[row]))
        inside += count
    return inside
