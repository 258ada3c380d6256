"""From the file's cells to typed columns: numbers in their units, years, codes and words, and a flag for what was no plain number."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.intake.columns import INCOME, INCOME_DEF, Use
from evalkit.intake.figures import Flag
from evalkit.intake.headers import label, respaced, short_code
from evalkit.intake.income_definition import UNKNOWN
from evalkit.intake.mapping import Mapping as FileMapping
from evalkit.intake.numbers import WITH_NUMBER, Parsed, parse_column, question_magnitude, question_share_scale
from evalkit.intake.observations import Place, Problem, Question
from evalkit.intake.personal_patterns import safe

Lines = np.ndarray[Any, Any]
Ranges = dict[str, tuple[float | None, float | None]]

TEXTS = {"text", "category", "code"}
PLAIN = (Flag.OK, Flag.BLANK)
YES = {"是", "有", "1", "yes", "y", "true"}
NO = {"否", "无", "没有", "0", "no", "n", "false"}
SHOWN = 5  # pairs of names that a question quotes
MOSTLY = 0.9  # a column of the user's own is one of numbers when at least this share of its cells can be read as numbers


@dataclass(frozen=True, eq=False)
class Typed:
    """Typed columns and what was seen on the way.

    Attributes
    ----------
    frame : (n rows) one column per name of the panel
    flags : one row per cell that is no plain number: line, column, flag, text
    kinds : column -> kind
    problems, questions : what stops the panel, what to ask
    """

    frame: pd.DataFrame
    flags: pd.DataFrame
    kinds: dict[str, str]
    problems: list[Problem] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def typed(cells: MutableMapping[int, pd.Series], uses: Sequence[Use], lines: Lines, ranges: Ranges, mapping: FileMapping) -> Typed:
    """Return the columns that are used, typed; each series that is read is taken out of ``cells``, to save memory."""
    columns: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    flags: list[pd.DataFrame] = []
    problems: list[Problem] = []
    questions: list[Question] = []
    incomes: list[tuple[Use, Parsed]] = []
    # Numbers first: each frees more text than it takes, so that the columns of text are read where there is room.
    for use in sorted(uses, key=lambda use: use.kind in TEXTS):
        if use.column is None:
            continue
        series = cells.pop(use.position)
        pa.default_memory_pool().release_unused()  # what the column before this one held goes back to the system
        values, kind, parsed = _one(series, use, lines, mapping)
        kinds[use.column] = kind
        if use.column == mapping.unit and kind in TEXTS:
            questions += _in_two_scripts(series, use, lines)
        if parsed is not None and (parsed.flags == Flag.BLANK).all():
            questions.append(Question("EMPTY_COLUMN", {"column": use.heading}))
        elif parsed is not None:
            flags.append(_flagged(parsed, use))
            problems += _unreadable(parsed, use, kind, mapping)
            questions += _asked(parsed, use, ranges.get(use.column, (None, None)))
        if use.column == INCOME and use.income_def and parsed is not None:
            incomes.append((use, parsed))
        else:
            columns[use.column] = values
    if incomes:
        columns |= _income(incomes, lines, INCOME_DEF in columns, problems, questions)
        kinds[INCOME_DEF] = "category"
    order = dict.fromkeys(name for use in uses if use.column for name in (use.column, INCOME_DEF) if name in columns)
    frame = pd.DataFrame({name: columns[name] for name in order}, copy=False)
    listed = [part for part in flags if len(part)]
    empty = pd.DataFrame({"line": [], "column": [], "flag": [], "text": []})
    return Typed(frame, pd.concat(listed, ignore_index=True) if listed else empty, kinds, problems, questions)


def _one(series: pd.Series, use: Use, lines: Lines, mapping: FileMapping) -> tuple[Any, str, Parsed | None]:
    """Return one column's values, its kind, and the parsed numbers where it is one of numbers."""
    if not pd.api.types.is_numeric_dtype(series) and series.str.startswith("'").any():
        series = series.str.removeprefix("'")  # by which a spreadsheet marks a number as text
    kind = use.kind or _kind_of(series, use, mapping)
    if kind in TEXTS:
        return _words(series, kind), kind, None
    if kind == "yes_no":
        series = _as_digits(series)
    if kind == "year":
        return _years(series, use, lines, mapping)
    # An answer has no unit to convert.
    unit_in, unit = (None, None) if kind == "yes_no" else (use.unit_in, use.unit)
    parsed = parse_column(series, unit_in, unit, missing_codes=mapping.missing_codes, column=use.heading, lines=lines)
    return parsed.values, kind, parsed


def _kind_of(series: pd.Series, use: Use, mapping: FileMapping) -> str:
    """Return "number" or "text" for a column of the user's own whose kind nobody said."""
    if pd.api.types.is_numeric_dtype(series):
        return "number"
    parsed = parse_column(series, use.unit_in, use.unit, missing_codes=mapping.missing_codes)
    filled = (parsed.flags != Flag.BLANK).sum()
    read = filled - (parsed.flags == Flag.UNREADABLE).sum()
    return "number" if filled and read >= MOSTLY * filled else "text"


def _words(series: pd.Series, kind: str) -> pd.Series:
    """Return text as it is compared: names without inner blanks, codes without what a spreadsheet adds to them."""
    return _each(series, _code if kind == "code" else _name)


def _each(series: pd.Series, plain: Callable[[str], str]) -> pd.Series:
    """Return text with a function applied once to every distinct value, missing ones staying missing."""
    cells = pa.array(series.astype("str"), type=pa.large_string(), from_pandas=True)
    encoded = (cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells).dictionary_encode()
    words = pa.array([plain(value) for value in encoded.dictionary.to_pylist()], pa.large_string())
    return pd.Series(words.take(encoded.indices), index=series.index, dtype="str")


def _name(value: str) -> str:
    # Most codes are plain already, and looking closely at each of a million is what takes the time.
    return value if value.isascii() and value.replace("-", "").isalnum() else label(value)


def _code(value: str) -> str:
    """Return a code as text: 622428.0 and 622428000000 are 622428."""
    return short_code(_name(value).removesuffix(".0"))


def _in_two_scripts(series: pd.Series, use: Use, lines: Lines) -> list[Question]:
    """Ask about names of units that differ by more than blanks and width, in traditional and simplified characters, and became one."""
    forms: dict[str, list[str]] = {}
    written = [text for text in series.dropna().unique() if isinstance(text, str) and not text.isascii()]
    for text in written:
        if (plain := respaced(text)) not in (seen := forms.setdefault(label(text), [])):
            seen.append(plain)
    if not (twice := {name: plain for name, plain in forms.items() if len(plain) > 1}):
        return []
    rows = np.flatnonzero(series.isin([text for text in written if label(text) in twice]))
    places = [Place(int(lines[row]), use.heading, safe(str(series.iloc[row]))) for row in rows]
    names = "; ".join(safe(" = ".join(plain)) for plain in list(twice.values())[:SHOWN])
    return [Question.at("NAMES_IN_TWO_SCRIPTS", places, column=use.heading, names=names)]


def _as_digits(series: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(series):
        return series
    return _each(series, lambda value: "1" if value.lower() in YES else "0" if value.lower() in NO else value)


_TWO_DIGITS = r"(?:0[1-9]|1[0-2])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
# 2016.1 is no month: a spreadsheet makes it of October as well as of January.
YEAR = re.compile(
    rf"((?:19|20)\d\d)(?:\.0+|年度?|[-/]{_MONTH}|年{_MONTH}月?|\.{_TWO_DIGITS}|{_TWO_DIGITS}{_DAY}?"
    rf"|([-./]){_MONTH}\2(?:{_DAY}|[1-9])(?:[ T]\d{{1,2}}:\d\d.*)?|年{_MONTH}月(?:{_DAY}|[1-9])日)?"
)


def _years(series: pd.Series, use: Use, lines: Lines, mapping: FileMapping) -> tuple[Any, str, Parsed]:
    """Return the years of a column: 2016年, 2016-05-01 and 201605 are 2016; 2014/15, 2013.5 and 约2016 cannot be read."""
    if numeric := pd.api.types.is_numeric_dtype(series):
        written = series
    else:
        written = _each(series, lambda value: found[1] if (found := YEAR.fullmatch(label(value))) else value)
    # A year has no unit to convert, and 2016 is no small number of anything.
    parsed = parse_column(written, missing_codes=mapping.missing_codes, column=use.heading, lines=lines)
    whole = parsed.values % 1 == 0 if numeric else written.str.fullmatch(r"\s*-?\d+(?:\.0*)?\s*").fillna(False).to_numpy(dtype=bool)
    unclear = np.isin(parsed.flags, WITH_NUMBER) & ~whole
    if unclear.any():
        values, flags = np.where(unclear, np.nan, parsed.values), np.where(unclear, Flag.UNREADABLE, parsed.flags).astype(np.int8)
        parsed = replace(parsed, values=values, flags=flags)
    return parsed.values, "year", parsed


def _flagged(parsed: Parsed, use: Use) -> pd.DataFrame:
    """Return one row per cell that is no plain number."""
    at = np.flatnonzero(~np.isin(parsed.flags, PLAIN))
    texts = parsed.texts.iloc[at].astype("str")
    shown = {text: safe(str(text)) for text in texts.unique()}
    return pd.DataFrame(
        {
            "line": parsed.lines[at] if parsed.lines is not None else at,
            "column": use.column,
            "flag": [Flag(int(flag)).name for flag in parsed.flags[at]],
            "text": texts.map(shown).to_numpy(),
        }
    )


def _asked(parsed: Parsed, use: Use, plausible: tuple[float | None, float | None]) -> list[Question]:
    """Return what to ask about the size of a column's values."""
    asked = [question_magnitude(parsed.values, *plausible, use.unit, use.heading, parsed.lines)]
    if use.kind == "share":
        asked.append(question_share_scale(parsed.values, use.unit, use.heading, parsed.lines))
    return [question for question in asked if question is not None]


def _unreadable(parsed: Parsed, use: Use, kind: str, mapping: FileMapping) -> list[Problem]:
    """Return the problems of cells that hold no number, or one in a unit that the column cannot have."""
    if mapping.unreadable == "missing" and use.column != mapping.period:
        return []
    code = {"year": "YEAR_UNREADABLE", "yes_no": "UNREADABLE_YES_NO"}.get(kind, "UNREADABLE_NUMBER")
    found = []
    for flag, said in ((Flag.UNREADABLE, code), (Flag.OTHER_UNIT, "NUMBER_IN_OTHER_UNIT")):
        hidden = [Place(place.line, place.column, safe(place.value or "")) for place in parsed.places(flag)]
        if hidden:
            facts = {"unit": parsed.unit} if flag == Flag.OTHER_UNIT else {}
            found.append(Problem.at(said, hidden, column=use.heading, **facts))
    return found


def _income(
    incomes: list[tuple[Use, Parsed]],
    lines: Lines,
    defined: bool,
    problems: list[Problem],
    questions: list[Question],
) -> dict[str, Any]:
    """Return income and its definition from one column or from one column a definition, each row filled in one of them only."""
    # A hidden figure is one too: it has a definition, only no value.
    filled = np.vstack([~np.isin(parsed.flags, (Flag.BLANK, Flag.DASH)) for _, parsed in incomes])
    if (twice := filled.sum(axis=0) > 1).any():
        where = np.flatnonzero(twice)
        problems.append(Problem.at("TWO_DEFINITIONS_FILLED", [Place(int(lines[row])) for row in where]))
    income = np.full(len(lines), np.nan)
    which = np.zeros(len(lines), dtype=np.int8)  # position in names
    names = [UNKNOWN, *(str(use.income_def) for use, _ in incomes)]
    for position, ((_, parsed), here) in enumerate(zip(incomes, filled, strict=True), start=1):
        income[here] = parsed.values[here]
        which[here] = position
    if len(incomes) == 1:
        which[:] = 1
    if defined:
        return {INCOME: income}
    questions.append(Question("DEFINITION_FROM_HEADING", {"headings": ", ".join(use.heading for use, _ in incomes)}))
    return {INCOME: income, INCOME_DEF: _said(names, which)}


def _said(names: list[str], which: np.ndarray[Any, np.dtype[np.int8]]) -> pd.Series:
    """Return names by their positions as text, without a Python object for every row."""
    return pd.Series(pa.array(names, pa.large_string()).take(pa.array(which)), dtype="str")
