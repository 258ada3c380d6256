"""Personal data in a table: found by heading and by pattern, and never shown.

What neither a heading nor a pattern betrays is not found: only people see a person's name inside a remark.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.codes import table
from evalkit.intake.observations import SHOWN, Place, Question
from evalkit.intake.personal_patterns import NUMBER, Flags, Span, near, policy, recognise, safe

HASH_LENGTH = 16  # hexadecimal characters
EXACT = 2.0**53  # from here on a floating-point number no longer keeps every digit

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Personal:
    """A column with personal data: where and how much, never which.

    Attributes
    ----------
    position : int
        Position of the column, from 0.
    heading : str
        The heading in the file's own words; what looks personal in it is masked.
    what : "name" | "id" | "phone" | "account" | "address"
    found_by : "heading" | "pattern"
    count : int
        Cells that hold it: all filled cells when the heading says so.
    rows : the first five rows, from 0
    digits_lost : bool
        Whether long numbers were saved as floating-point numbers, so that their last digits are gone.
    """

    position: int
    heading: str
    what: str
    found_by: str
    count: int
    rows: tuple[int, ...] = ()
    digits_lost: bool = False


def _plain_heading(heading: str) -> str:
    """Return a heading without spaces, marks, pinyin in brackets and width, in small letters."""
    text = re.sub(r"\s|[*#★※_]+$", "", unicodedata.normalize("NFKC", heading).lower().strip())
    return re.sub(r"(?<=[\u3400-\u9fff])\([a-z\u00df-\u024f]+\)", "", text)


@cache
def _heading_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what each row of the table stands for and its pattern, in order of precedence."""
    rows = table("personal_headings")
    rank = {("exact", True): 0, ("exact", False): 1, ("contains", True): 2, ("contains", False): 3}
    found = []
    for pattern, what, match in zip(rows["pattern"], rows["what"], rows["match"], strict=True):
        word = re.escape(_plain_heading(pattern))
        inside = rf"(?<![a-z]){word}(?![a-z])" if pattern.isascii() else word
        # The lowest line of a heading of several lines says what the column holds.
        whole = rf"(?:^|\|){word}(?:\([^|]*\)|[0-9]+)?$"
        found.append((rank[match, what in ("none", "amount")], what, re.compile(whole if match == "exact" else inside)))
    return tuple((what, pattern) for _, what, pattern in sorted(found, key=lambda row: row[0]))


@cache
def _reading(heading: str) -> str | None:
    plain = _plain_heading(heading)
    return next((what for what, pattern in _heading_patterns() if pattern.search(plain)), None)


def personal_heading(heading: str) -> str | None:
    """Return what personal data a heading announces, or None.

    >>> [personal_heading(heading) for heading in ("户主姓名", "联系电话", "县名", "固定电话用户（户）", "basic|id_card")]
    ['name', 'phone', None, None, 'id']
    """
    return what if (what := _reading(heading)) not in ("none", "amount") else None


def arrow(column: pd.Series) -> pa.Array:
    """Return a column as an arrow array of numbers or texts; mixed cells become texts."""
    if column.dtype == object:
        column = column.astype("str")
    values = pa.array(column.array, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def is_text(values: pa.Array) -> bool:
    """Return whether an arrow array holds texts."""
    return bool(pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type))


def _is_number(values: pa.Array) -> bool:
    return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))


def _matching(values: pa.Array, pattern: str) -> Flags:
    flags: Flags = pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy(zero_copy_only=False)
    return flags


def filled(values: pa.Array) -> Flags:
    """Return (n,) flags: which cells hold something."""
    if is_text(values):
        return _matching(values, r"\S")
    flags: Flags = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return flags


def _is_hashed(values: pa.Array) -> bool:
    """Return whether every filled cell is a hash as ``protect`` writes it."""
    if not is_text(values) or not len(first := values.drop_null().slice(0, 1)) or len(first[0].as_py()) != HASH_LENGTH:
        return False
    hashed = _matching(values, f"^[0-9a-f]{{{HASH_LENGTH}}}$")
    return bool((hashed == filled(values)).all() and _matching(values, "[a-f]").any())


def _can_hold(values: pa.Array, what: str) -> bool:
    """Return whether cells below a personal heading can be personal: 1 and 0 below "mobile phone" are not numbers of phones."""
    if _is_number(values):
        largest = pc.max(values).as_py()
        return what not in ("name", "address") and largest is not None and largest >= 1e5
    if not is_text(values):
        return False
    if (
        what == "name"
        and _matching(values, r"[省市县區区州盟旗乡镇村组处]\s*$|街道\s*$").sum() * 2 > _matching(values, r"\S").sum()
    ):
        return False  # the names of places
    pattern = r"\p{L}" if what in ("name", "address") else r"(?:[0-9０-９A-Za-z*＊][ \-－]?){5}"
    return bool(_matching(values, pattern).any())


def _digits_lost(values: pa.Array) -> bool:
    """Return whether long numbers below a personal heading were saved as floating-point numbers."""
    if _is_number(values):
        return bool(pa.types.is_floating(values.type)) and pc.max(values).as_py() >= EXACT
    cells = int(filled(values).sum())
    return bool(
        _matching(values, r"^\s*[1-9](?:\.[0-9]+)?[Ee]\+?1[5-8]\s*$").any()
        or _matching(values, "^[0-9]{15}0{3}$").sum() * 2 > cells
    )


def candidates(values: pa.Array) -> tuple[Rows, list[str]]:
    """Return the rows whose cells may hold something personal, and their texts."""
    if is_text(values):
        longest = pc.max(pc.binary_length(values)).as_py()
        rows = np.flatnonzero(_matching(values, near())) if longest is not None and longest >= 9 else np.empty(0, dtype=np.int64)
        return rows, values.take(pa.array(rows)).to_pylist() if len(rows) else []
    if not _is_number(values):
        return np.empty(0, dtype=np.int64), []
    sizes = np.nan_to_num(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), posinf=0, neginf=0)
    rows = np.flatnonzero((sizes >= 1e10) & (sizes < 1e19) & (sizes == np.floor(sizes)))
    numbers = [int(number) for number in values.take(pa.array(rows)).to_pylist()]
    # A floating-point number keeps 15 to 17 digits: what a spreadsheet would have written is left of it.
    floating = pa.types.is_floating(values.type)
    return rows, [str(round(number, -3)) if floating and number >= 1e17 else str(number) for number in numbers]


def _spans_by_cell(texts: Sequence[str]) -> list[tuple[int, Span, bool]]:
    """Return (cell, span, whether the span is the whole cell and uncertain) for everything recognised in many cells."""
    number = re.compile(NUMBER)
    lines = [text.replace("\n", " ") for text in texts]
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)])
    spans = recognise("\n".join(lines))
    cells = np.searchsorted(starts, [span.start for span in spans], side="right") - 1
    return [
        (cell, span, not span.certain and bool(number.match(lines[cell]))) for cell, span in zip(cells.tolist(), spans, strict=True)
    ]


def _by_pattern(position: int, heading: str, values: pa.Array) -> Iterator[Personal]:
    rows, texts = candidates(values)
    found = _spans_by_cell(texts) if texts else []
    if not found:
        return
    numbers = int(_matching(values, NUMBER).sum()) if is_text(values) else int(filled(values).sum())
    floating = pa.types.is_floating(values.type)
    for what in ("id", "account", "phone"):
        alone = {cell for cell, span, whole in found if span.what == what and whole}
        # Sums of money have eleven digits now and then, a column of telephone numbers always.
        amounts = _reading(heading) == "amount" or len(alone) < float(policy("own_number_share")) * numbers
        cells = sorted({cell for cell, span, whole in found if span.what == what and not (whole and amounts)})
        if cells:
            # Of numbers in a floating-point column, those of 18 digits are no longer exact even if the check digit agrees by chance.
            lost = any(span.digits_lost or (floating and span.certain) for _, span, _ in found if span.what == what)
            yield Personal(position, safe(heading), what, "pattern", len(cells), tuple(rows[cells[:SHOWN]].tolist()), lost)


def find_personal(cells: pd.DataFrame, headings: Sequence[str]) -> tuple[Personal, ...]:
    """Return the columns that hold personal data, by what their headings say or by what their cells look like.

    A column can be named more than once, as when remarks hold telephone and identity numbers. Columns that ``protect`` hashed are
    not named. No value is kept.

    Parameters
    ----------
    cells : (n, k) frame
    headings : k headings in the file's own words, in the order of the columns

    Examples
    --------
    >>> cells = pd.DataFrame({0: ["张某", "李某"], 1: ["2350", "2410"], 2: ["电话13800000000", None]})
    >>> [(column.heading, column.what, column.found_by, column.count) for column in find_personal(cells, ["户主", "收入", "备注"])]
    [('户主', 'name', 'heading', 2), ('备注', 'phone', 'pattern', 1)]
    """
    found: list[Personal] = []
    for position, heading in enumerate(headings):
        values = arrow(cells.iloc[:, position])
        if _is_hashed(values):
            continue
        what = personal_heading(heading)
        if what and _can_hold(values, what):
            rows = np.flatnonzero(filled(values))
            lost = what in ("id", "account") and _digits_lost(values)
            found.append(Personal(position, safe(heading), what, "heading", len(rows), tuple(rows[:SHOWN].tolist()), lost))
        else:
            found.extend(_by_pattern(position, heading, values))
    return tuple(found)


def question_lost_digits(personal: Sequence[Personal], lines: Rows | None = None) -> tuple[Question, ...]:
    """Return a question for every column whose long numbers were saved as floating-point numbers and lost their last digits.

    ``lines`` are (n,) lines of the file by row, to say where.
    """
    return tuple(
        Question(
            "ID_DIGITS_LOST",
            {"heading": column.heading},
            tuple(Place(None if lines is None else int(lines[row]), column.heading) for row in column.rows),
            column.count,
        )
        for column in personal
        if column.digits_lost
    )
