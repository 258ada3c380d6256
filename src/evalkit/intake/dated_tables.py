"""Columns of years, and tables of a number by key and year with its source: what prices, poverty lines and definitions share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.codes import lines_of, read_table
from evalkit.errors import nearest
from evalkit.intake.observations import SHOWN, IntakeError, Place, Problem
from evalkit.panel import Array

YEARS = (1900, 2100)
VERIFIED = {"yes": "yes", "secondary": "secondary", "no": "no", "": "no", "是": "yes", "转引": "secondary", "否": "no"}


def years_of(frame: pd.DataFrame, period: str, lines: Array | None = None) -> Array:
    """Return (n,) years as whole numbers from a column of years or of dates; raises IntakeError for anything else."""
    column = frame[require(frame, period)]
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.dt.year
    years = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if (bad := ~_is_year(years)).any():
        raise IntakeError(problem_at("YEAR_NOT_READABLE", bad, period, frame[period], lines))
    return years.astype(np.int64)


def _is_year(years: Array) -> Array:
    # NaN compares as false: what is no number is no year.
    return np.asarray((years >= YEARS[0]) & (years <= YEARS[1]) & (years == np.round(years)))


def require(frame: pd.DataFrame, name: str) -> str:
    """Return the name of a column that the frame has; raises IntakeError that names the nearest ones otherwise."""
    if name not in frame.columns:
        allowed = [str(column) for column in frame.columns]
        raise IntakeError(
            Problem("COLUMN_NOT_THERE", {"column": name, "nearest": ", ".join(nearest(name, allowed) or allowed[:5]) or "—"})
        )
    return name


def said_years(years: Iterable[int], between: str = ", ", to: str = "–") -> str:
    """Return years in one phrase, runs of years as a span.

    >>> said_years([2013, 2011, 2012, 2015])
    '2011–2013, 2015'
    """
    runs: list[list[int]] = []
    for year in sorted(set(years)):
        if runs and year == runs[-1][1] + 1:
            runs[-1][1] = year
        else:
            runs.append([year, year])
    return between.join(str(first) if first == last else f"{first}{to}{last}" for first, last in runs)


def problem_at(code: str, bad: Array, column: str, values: pd.Series, lines: Array | None, **facts: object) -> Problem:
    """Return a problem with the first five places of the bad rows; without lines, with the different values only."""
    rows = np.flatnonzero(bad)
    shown = values.iloc[rows] if lines is not None else values.iloc[rows].drop_duplicates()
    texts = ["" if pd.isna(value) else str(value) for value in shown.iloc[:SHOWN]]
    where = [None] * len(texts) if lines is None else [int(line) for line in np.asarray(lines)[rows[:SHOWN]]]
    places = tuple(Place(line, column, text) for line, text in zip(where, texts, strict=True))
    return Problem(code, facts, places, len(rows))


def dated_table(
    path: Path,
    key: str,
    number: str,
    plausible: tuple[float, float],
    code: str,
    keys: Callable[[pd.Series], pd.Series] | None = None,
) -> pd.DataFrame:
    """Return a judged table of (key, year) -> number with its source and whether it was verified, and ``line``.

    ``code`` begins the codes of its own problems: ``code``_IMPLAUSIBLE and ``code``_TWICE; ``keys`` makes the keys regular,
    "" where one is unreadable.

    Raises
    ------
    IntakeError
        With everything that is wrong with the file at once.
    """
    read = _read_columns(path, (key, "year", number, "source", "verified"))
    lines = read["line"].to_numpy()
    regular = read[key].str.strip() if keys is None else keys(read[key])
    years = pd.to_numeric(read["year"], errors="coerce").to_numpy(dtype=float)
    numbers = pd.to_numeric(read[number], errors="coerce").to_numpy(dtype=float)
    verified = read["verified"].str.strip().str.lower().map(VERIFIED)
    low, high = plausible
    readable = np.isfinite(numbers)
    twice = pd.DataFrame({"key": regular, "year": years}).duplicated(keep=False).to_numpy()
    facts = {"file": path.name, "low": f"{low:g}", "high": f"{high:g}"}
    judged = (
        ("TABLE_KEY", (regular == "").to_numpy(), key),
        ("TABLE_YEAR", ~_is_year(years), "year"),
        ("TABLE_NUMBER", ~readable, number),
        (f"{code}_IMPLAUSIBLE", readable & ((numbers < low) | (numbers > high)), number),
        (f"{code}_TWICE", twice & _is_year(years), "year"),
        ("TABLE_VERIFIED", verified.isna().to_numpy(), "verified"),
    )
    problems = [problem_at(name, bad, column, read[column], lines, **facts) for name, bad, column in judged if bad.any()]
    if problems:
        raise IntakeError(problems)
    whole = years.astype(np.int64)
    return read.assign(**{key: regular, "year": whole, number: numbers, "verified": verified})


def _read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the columns of a file as text, and the line of each row."""
    if not path.is_file():
        near = nearest(path.name, sorted(p.name for p in path.parent.glob("*.csv"))) if path.parent.is_dir() else []
        raise IntakeError(Problem("TABLE_MISSING", {"file": path.name, "nearest": ", ".join(near) or "—"}))
    try:
        read = read_table(path).rename(columns=str.strip)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as problem:
        reason = " ".join(str(problem).split())
        raise IntakeError(Problem("TABLE_UNREADABLE", {"file": path.name, "reason": reason})) from None
    if not isinstance(read.index, pd.RangeIndex):  # pandas takes the first cells for labels when rows are longer than the heading
        raise IntakeError(Problem("TABLE_LONG_ROWS", {"file": path.name}))
    if absent := [name for name in columns if name not in read.columns]:
        facts = {"file": path.name, "columns": ", ".join(absent), "needed": ",".join(columns)}
        raise IntakeError(Problem("TABLE_COLUMNS", facts))
    return read[list(columns)].fillna("").assign(line=lines_of(path, len(read)))
