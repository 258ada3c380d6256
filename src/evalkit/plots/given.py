"""What a picture is given, judged: a table with its columns, numbers where numbers are needed, and the scale of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from evalkit import numerals
from evalkit.errors import ReportError, first_five, unknown
from evalkit.words import Catalogue

Array = np.ndarray[Any, Any]

SCALES = ("log", "level")
LARGEST = 1e15  # of a number; beyond, ticks and labels make no sense


def judged(frame: object, columns: Sequence[str], source: str) -> pd.DataFrame:
    """Return a table that can be drawn, or refuse it with the columns it lacks and the call that returns such a table.

    Raises
    ------
    ReportError
        For what is no table, for missing columns, and for a table without rows.

    Examples
    --------
    >>> import pandas as pd
    >>> judged(pd.DataFrame({"state": ["found"]}), ["state", "count"], "the register of problems")
    Traceback (most recent call last):
    ...
    evalkit.errors.ReportError: The table lacks the columns count; it has state. Such a table comes from the register of problems.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ReportError(f"A {type(frame).__name__} cannot be drawn here. Give it what comes from {source}.")
    if missing := [name for name in columns if name not in frame]:
        raise ReportError(
            f"The table lacks the columns {', '.join(missing)}; it has {first_five(frame.columns)}. Such a table comes from {source}."
        )
    if frame.empty:
        raise ReportError(f"The table has no rows, so there is nothing to draw. Such a table comes from {source}.")
    return frame.reset_index(drop=True)


def numbered(frame: pd.DataFrame, columns: Sequence[str], label: str, absent: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table whose columns hold numbers, told by another column where they do not.

    Parameters
    ----------
    frame : the table
    columns : those with a finite number in every row
    label : the column that names a row
    absent : those whose cells may be empty (nan then) or infinite, but hold no text

    Raises
    ------
    ReportError
        For cells without a number, and for numbers that no axis can show.
    """
    found = {name: floats(frame[name]) for name in dict.fromkeys((*columns, *absent))}
    for name, values in found.items():
        bad = np.isnan(values) & frame[name].notna().to_numpy() if name in absent else ~np.isfinite(values)
        if bad.any():
            dates = f" Dates are no numbers: take {name}.dt.year." if _dated(frame[name]) else ""
            raise ReportError(
                f"{int(bad.sum()):,} rows have no number in {name!r}, by {label!r}: {first_five(frame[label][bad])}. Leave these rows out, or "
                f"fill them.{dates}"
            )
        if (huge := np.isfinite(values) & (np.abs(values) > LARGEST)).any():
            raise ReportError(
                f"{int(huge.sum()):,} rows hold numbers beyond {LARGEST:.0e} in {name!r}, by {label!r}: {first_five(frame[label][huge])}. "
                "No axis can show them; look at the unit."
            )
    return frame.assign(**found)


def floats(cells: pd.Series) -> Array:
    """Return cells as numbers, nan where there is none; a date is none.

    >>> floats(pd.Series(["1.5", None, "some"])).tolist(), floats(pd.Series([pd.Timestamp("2016-01-01")])).tolist()
    ([1.5, nan, nan], [nan])
    """
    if pd.api.types.is_numeric_dtype(cells):
        return cells.to_numpy(dtype=float, na_value=np.nan)
    if _dated(cells):
        return np.full(len(cells), np.nan)
    return np.asarray(pd.to_numeric(cells.astype(object), errors="coerce").astype(float))


def _dated(cells: pd.Series) -> bool:
    return any(isinstance(cell, datetime | np.datetime64 | pd.Period) for cell in cells)


def judge_names(frame: pd.DataFrame, column: str) -> None:
    """Raise ReportError for rows that nothing names."""
    if (bare := frame[column].isna().to_numpy()).any():
        raise ReportError(
            f"{int(bare.sum()):,} rows have no name in {column!r}: rows {first_five(np.flatnonzero(bare) + 1)}. Name them."
        )


def marked(frame: pd.DataFrame, column: str) -> pd.Series[bool]:
    """Return in which rows a column says yes; nowhere without the column, nor in empty cells.

    >>> marked(pd.DataFrame({"reference": [True, None, False]}), "reference").tolist()
    [True, False, False]
    """
    if column not in frame:
        return pd.Series(False, index=frame.index)
    cells = frame[column].astype(object).where(frame[column].notna(), False)
    if odd := [cell for cell in cells if cell not in (True, False)]:
        raise ReportError(f"{column!r} holds True or False, not {first_five(odd)}.")
    return cells.astype(bool)


def coverage(frame: pd.DataFrame, level: float | None = None) -> float:
    """Return the coverage of the intervals: the caller's, the table's, or 0.95.

    >>> coverage(pd.DataFrame({"level": [0.9]})), coverage(pd.DataFrame())
    (0.9, 0.95)
    """
    told = floats(frame["level"]) if level is None and "level" in frame else np.array([0.95 if level is None else level])
    if not (np.isfinite(told) & (told > 0) & (told < 1)).all() or len(set(told)) > 1:
        raise ReportError(
            f"The coverage is one number between 0 and 1, such as 0.95, not {first_five(dict.fromkeys(told.tolist()))}."
        )
    return float(told[0])


def factor(scale: str) -> float:
    """Return by what numbers are multiplied before they are drawn: 100 for logs, so that axes read as about per cent.

    >>> factor("log"), factor("level")
    (100.0, 1.0)
    """
    if scale not in SCALES:
        raise ReportError(unknown("scale", scale, SCALES))
    return 100.0 if scale == "log" else 1.0


def said(value: float, scale: str) -> str:
    """Return an effect as readers see it, with a true minus sign.

    >>> said(-0.0123, "log"), said(436.2, "level")
    ('−1.2', '436')
    """
    return numerals.fixed(100 * value, 1) if scale == "log" else numerals.money(value)


def unit_of(words: Catalogue, scale: str, unit: str | None) -> str:
    """Return the unit of an axis of effects: log points x 100, or the caller's, or yuan per person per year."""
    return words.say("plot_b.unit_log") if scale == "log" else unit or words.say("plot_b.unit_level")
