"""Columns of figures: every cell a number or a reason why it is none, with its place; and questions about their size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.intake.figures import WITH_NUMBER, Flag, Number, figures_in, parse
from evalkit.intake.observations import IntakeError, Place, Problem, Question
from evalkit.intake.units import comparable, find_unit, require_unit, rescale

__all__ = [
    "WITH_NUMBER",
    "Flag",
    "Number",
    "Parsed",
    "figures_in",
    "parse",
    "parse_column",
    "places_of",
    "question_magnitude",
    "question_share_scale",
]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.int8]
Lines = Sequence[int] | npt.NDArray[np.int64]
TEN_THOUSAND = 10_000.0  # 万: the slip between 元 and 万元
MANY = 1_000  # cells that are no plain numbers, from which on reading them together pays
_CLEAN = r"^[+-]?\d{1,15}(\.\d{1,15})?$"
_WITH_END = r"^\s*(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?)(?P<end>(?:[^0-9.,'].*)?)$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d{1,15})?$"

AT_ONCE = 250_000  # cells read in one go


@dataclass(frozen=True, eq=False)
class Parsed:
    """A column of figures.

    Attributes
    ----------
    values : (n,) float64 in ``unit``, nan where there is no number
    flags : (n,) int8, see Flag
    unit : str or None
    texts : (n,) the cells as they were
    lines : (n,) lines of the file, or None
    column : heading of the column, or None
    """

    values: Floats
    flags: npt.NDArray[np.int8]
    unit: str | None
    texts: pd.Series[Any] = field(repr=False)
    lines: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    column: str | None = None

    def counts(self) -> dict[Flag, int]:
        """Return how many cells carry each flag, flags that do not occur left out."""
        found, how_many = np.unique(self.flags, return_counts=True)
        return {Flag(int(flag)): int(count) for flag, count in zip(found, how_many, strict=True)}

    def where(self, *flags: Flag) -> npt.NDArray[np.int64]:
        """Return the positions of the cells that carry one of the flags."""
        return np.flatnonzero(np.isin(self.flags, flags)).astype(np.int64)

    def places(self, *flags: Flag) -> list[Place]:
        """Return the places of the cells that carry one of the flags, in the order of the file."""
        return places_of(self.where(*flags), self.texts, self.column, self.lines)


def places_of(positions: Iterable[int], texts: pd.Series[Any], column: str | None, lines: Lines | None) -> list[Place]:
    """Return the places of cells by their positions."""
    values = texts.array
    said = ((position, values[position]) for position in positions)
    return [
        Place(None if lines is None else int(lines[int(at)]), column, None if pd.isna(text) else str(text)) for at, text in said
    ]


def parse_column(
    values: pd.Series[Any],
    unit_in: str | None = None,
    unit_out: str | None = None,
    *,
    missing_codes: Iterable[float | str] = (),
    column: str | None = None,
    lines: Lines | None = None,
) -> Parsed:
    """Return a column of cells as numbers, each with its flag.

    Parameters
    ----------
    values : text or numbers
        Numbers pass through; text is read as ``parse(text, unit_in)`` reads it.
    unit_in : the unit said for the column, None when nobody said one
    unit_out : the unit to return; ``unit_in`` when it is None
    missing_codes : numbers or words that mean missing, such as -8, compared before units are converted
    column, lines : the heading and the (n,) lines of the file, for places

    Raises
    ------
    IntakeError
        UNKNOWN_UNIT, or UNIT_MISMATCH when ``unit_in`` cannot be said in ``unit_out``.

    Examples
    --------
    >>> parsed = parse_column(pd.Series(["0.235", "1.2万", "—", None, "17**"]), "万元", "元")
    >>> parsed.values.tolist()
    [2350.0, 12000.0, nan, nan, nan]
    >>> {flag.name: count for flag, count in parsed.counts().items()}
    {'OK': 2, 'BLANK': 1, 'DASH': 1, 'MASKED': 1}
    """
    source = require_unit(unit_in) if unit_in else None
    target = require_unit(unit_out) if unit_out else source
    if source and target and not comparable(source, target):
        places = [Place(column=column)] if column else []
        raise IntakeError(Problem.at("UNIT_MISMATCH", places, unit=source.name, wanted=target.name))
    read_as = source or target
    numbers, flags = _numbers(values, read_as.name if read_as else None, tuple(missing_codes))
    if source and target and source.factor != target.factor:
        numbers = rescale(numbers, source, target)
    at = None if lines is None else np.asarray(lines, dtype=np.int64)
    return Parsed(numbers, flags, target.name if target else None, values, at, column)


def _numbers(values: pd.Series[Any], unit: str | None, codes: tuple[float | str, ...]) -> tuple[Floats, Flags]:
    """Return numbers and flags of a column in the unit it is read in."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        flags = np.where(np.isnan(numbers), Flag.BLANK, np.where(np.isinf(numbers), Flag.UNREADABLE, Flag.OK)).astype(np.int8)
        numbers = np.where(flags == Flag.OK, numbers, np.nan)
        words: list[str] = []
    else:
        cells = _as_text(values)
        numbers, flags = np.empty(len(cells)), np.empty(len(cells), dtype=np.int8)
        for start in range(0, len(cells), AT_ONCE):  # what reading takes on the way is small beside a column of millions
            part = cells.slice(start, AT_ONCE)
            read, told = _clean_numbers(part)
            _fill_with_ends(part, read, told, unit)
            _fill_rest(part, read, told, unit)
            numbers[start : start + AT_ONCE], flags[start : start + AT_ONCE] = read, told
        words = [code for code in codes if isinstance(code, str)]
        if words:
            coded = pc.is_in(pc.utf8_trim_whitespace(cells), value_set=pa.array(words, cells.type))
            flags[coded.to_numpy(zero_copy_only=False)] = Flag.MISSING_CODE
    as_numbers = [number for code in codes if np.isfinite(number := _code_number(code))]
    flags[np.isin(flags, WITH_NUMBER) & np.isin(numbers, as_numbers)] = Flag.MISSING_CODE
    numbers[flags == Flag.MISSING_CODE] = np.nan
    return numbers, flags


def _code_number(code: float | str) -> float:
    return parse(code).value if isinstance(code, str) else float(code)


def _as_text(values: pd.Series[Any]) -> pa.Array:
    """Return cells as pyarrow text, missing ones as null; numbers among objects keep every digit."""
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.map(lambda cell: cell if isinstance(cell, str) else None if pd.isna(cell) else _said(cell))
    cells = pa.array(values.astype("str"), type=pa.large_string(), from_pandas=True)
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _said(cell: object) -> str:
    return repr(float(cell)) if isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool) else str(cell)


def _clean_numbers(cells: pa.Array) -> tuple[Floats, Flags]:
    """Return the cells that are nothing but a number, the others as UNREADABLE for now; nulls are BLANK."""
    flags = np.full(len(cells), Flag.UNREADABLE, dtype=np.int8)
    numbers = _cast(pc.if_else(pc.match_substring_regex(cells, _CLEAN), cells, None))
    flags[~np.isnan(numbers)] = Flag.OK
    flags[cells.is_null().to_numpy(zero_copy_only=False)] = Flag.BLANK
    if (flags == Flag.UNREADABLE).any():
        grouped = _cast(pc.if_else(pc.match_substring_regex(cells, _GROUPED), cells, None))
        found = ~np.isnan(grouped)
        numbers[found], flags[found] = grouped[found], Flag.OK
    return numbers, flags


def _cast(cells: pa.Array) -> Floats:
    plain = pc.replace_substring_regex(cells, r"^\+|,", "")
    return np.array(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _fill_with_ends(cells: pa.Array, numbers: Floats, flags: Flags, unit: str | None) -> None:
    """Read cells that are a number and an end without digits (2,350元, 95%以上), each distinct end once, into the arrays given."""
    rest = np.flatnonzero(flags == Flag.UNREADABLE)
    if rest.size < MANY:
        return
    texts = cells.take(pa.array(rest))
    wide_digits = pc.any(pc.match_substring_regex(texts, "[０-９]")).as_py()
    for wide, ascii_one in zip("０１２３４５６７８９．，", "0123456789.,", strict=True) if wide_digits else ():
        texts = pc.replace_substring(texts, wide, ascii_one)
    parts = pc.extract_regex(texts, _WITH_END)
    found = _cast(pc.struct_field(parts, "number"))
    ends = pc.struct_field(parts, "end").dictionary_encode()
    index = ends.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    column = require_unit(unit) if unit else None
    for which, end in enumerate(ends.dictionary.to_pylist()):
        if any(c.isdigit() or c in ".," for c in end):
            continue
        here = index == which
        one, said = parse(f"1{end}", unit), parse(f"1{end}").unit
        source = find_unit(said) if said else None
        read = rescale(found[here], source, column) if source and column else found[here]
        numbers[rest[here]] = read if one.flag in WITH_NUMBER else np.nan
        flags[rest[here]] = one.flag


def _fill_rest(cells: pa.Array, numbers: Floats, flags: Flags, unit: str | None) -> None:
    """Read what is no clean number, each distinct text once, into the arrays given."""
    rest = np.flatnonzero(flags == Flag.UNREADABLE)
    if not rest.size:
        return
    coded = cells.take(pa.array(rest)).dictionary_encode()
    found = [parse(text, unit) for text in coded.dictionary.to_pylist()]
    index = coded.indices.to_numpy()
    numbers[rest] = np.array([number.value for number in found])[index]
    flags[rest] = np.array([number.flag for number in found], dtype=np.int8)[index]


def question_magnitude(
    values: Floats,
    low: float | None,
    high: float | None,
    unit: str | None,
    column: str | None = None,
    lines: Lines | None = None,
) -> Question | None:
    """Ask about values outside their plausible range, None when there are none; no value is changed.

    Parameters
    ----------
    values : (n,) in ``unit``; missing ones are passed over
    low, high : the range, None where it is open

    When the median lies outside and ten thousand times more or less would bring it inside, the code is
    IMPLAUSIBLE_MAGNITUDE_UNIT and the question says which unit that would be: 0.6 yuan a year were probably 0.6万元.

    >>> question_magnitude(np.array([0.235, 0.604]), 300, 60_000, "元", "人均纯收入").facts["likely"]
    '万元'
    >>> question_magnitude(np.array([2350.0, 6040.0]), 300, 60_000, "元")
    """
    outside = np.flatnonzero(~_within(values, low, high))
    if not outside.size:
        return None
    places = [Place(None if lines is None else int(lines[int(at)]), column, f"{values[at]:,.10g}") for at in outside]
    ends = {"low": "-∞" if low is None else f"{low:,.10g}", "high": "∞" if high is None else f"{high:,.10g}"}
    facts = {**ends, "unit": unit or "", "known": f"{int(np.isfinite(values).sum()):,}"}
    said, likely = _mistaken(float(np.nanmedian(values)), low, high, unit)
    if likely is None:
        return Question.at("IMPLAUSIBLE_MAGNITUDE", places, **facts)
    return Question.at("IMPLAUSIBLE_MAGNITUDE_UNIT", places, **facts, said=said, likely=likely)


def _within(values: Floats, low: float | None, high: float | None) -> npt.NDArray[np.bool_]:
    """Return which values are missing or within the range."""
    return ~((values < (-np.inf if low is None else low)) | (values > (np.inf if high is None else high)))


def _mistaken(median: float, low: float | None, high: float | None, unit: str | None) -> tuple[str | None, str | None]:
    """Return the unit that was read and the one that was probably meant, ten thousand times larger or smaller."""
    inside = _within(np.array([median, median * TEN_THOUSAND, median / TEN_THOUSAND]), low, high)
    if unit is None or inside[0]:
        return None, None
    larger, smaller = _times(unit, TEN_THOUSAND), _times(unit, 1 / TEN_THOUSAND)
    if inside[1] and larger:
        return unit, larger
    if inside[2]:
        # Values kept in 元 are too large when a file in 元 was taken to be in 万元.
        return (unit, smaller) if smaller else (larger, unit if larger else None)
    return None, None


def _times(unit: str, factor: float) -> str | None:
    """Return the unit that is so many times larger, None when it has no name: 万元 is 10,000 times 元."""
    said, base = find_unit(unit), unit.lstrip("百千万亿")
    named = [find_unit(multiplier + base) for multiplier in ("", "百", "千", "万", "百万", "亿", "万亿")]
    return next((one.name for one in named if one and said and math.isclose(one.factor, said.factor * factor)), None)


def question_share_scale(
    values: Floats, unit: str | None, column: str | None = None, lines: Lines | None = None
) -> Question | None:
    """Ask whether a column in % holds fractions, when all its values lie between 0 and 1 and not all are zero.

    Nothing is converted: 0.076 in a column of % stays 0.076%.

    >>> question_share_scale(np.array([0.076, 0.018]), "%", "贫困发生率").count
    2
    >>> question_share_scale(np.array([7.6, 0.8]), "%")
    """
    known = np.flatnonzero(np.isfinite(values))
    said = find_unit(unit) if unit else None
    if said is None or said.name != "%" or not known.size:
        return None
    largest = float(values[known].max())
    if values[known].min() < 0 or not 0 < largest <= 1:
        return None
    places = [Place(None if lines is None else int(lines[int(at)]), column, f"{values[at]:.10g}") for at in known]
    return Question.at("SHARE_SCALE", places, largest=f"{largest:.10g}")
