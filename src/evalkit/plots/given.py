"""What a picture is given, judged: a table with its columns, numbers where numbers are needed, and the scale of the outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit import numerals
from evalkit.errors import ReportError, first_five, unknown
from evalkit.words import Catalogue

SCALES = ("log", "level")


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


def judge_numbers(frame: pd.DataFrame, columns: Sequence[str], label: str) -> None:
    """Raise ReportError for cells of these columns that hold no finite number, named by another column."""
    for name in columns:
        bad = ~np.isfinite(pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float))
        if bad.any():
            raise ReportError(
                f"{int(bad.sum()):,} rows have no number in {name!r}, by {label!r}: {first_five(frame[label][bad])}. Leave these rows out, or "
                "fill them."
            )


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
