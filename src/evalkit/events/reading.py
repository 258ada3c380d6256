"""From a file or a frame to columns of known meaning: headings, encodings, line numbers."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.errors import RolloutError, first_five, nearest
from evalkit.events.programmes import fold, folded_words

Array = np.ndarray[Any, Any]

NEEDED = ("unit", "programme", "event", "date")
OPTIONAL = ("dose", "source")
ENCODINGS = ("utf-8-sig", "gb18030")
CELLS = "Every row needs as many cells as there are headings; a cell that holds the separator stands in quotation marks."


def opened(source: pd.DataFrame | str | Path) -> tuple[pd.DataFrame, str]:
    """Return a table whose index says where each row stands, and what the index counts: "line" or "row".

    Read are frames, csv, tsv, xls and xlsx files. A csv is UTF-8 or else GB18030, and stays text, so that codes keep their zeros.
    """
    if isinstance(source, pd.DataFrame):
        return source.set_axis(np.arange(len(source)), axis=0), "row"
    path = Path(source)
    if not path.is_file():
        raise RolloutError(f"There is no file of events {str(source)!r}. Look at the path.")
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv", ".txt"):
        frame = _read_text(path, "," if kind == ".csv" else "\t")
    elif kind in (".xlsx", ".xls"):
        frame = _read_workbook(path)
    else:
        raise RolloutError(f"A table of events is a csv, tsv, xls or xlsx file, not {kind!r}. Read it first and give the frame.")
    frame = frame.set_axis(np.arange(len(frame)) + 2, axis=0)
    return frame[~frame.map(is_blank).all(axis=1)], "line"


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    for encoding in ENCODINGS:
        try:
            return _read_rows(path, separator, encoding)
        except UnicodeDecodeError:
            continue
        except pd.errors.EmptyDataError:
            raise RolloutError(
                f"{path.name} is empty: it has neither headings nor a row. It needs the columns {', '.join(NEEDED)}, one row an event."
            ) from None
        except pd.errors.ParserWarning:
            raise RolloutError(f"{path.name} has rows with more cells than headings. {CELLS}") from None
        except pd.errors.ParserError as problem:
            raise RolloutError(f"{path.name} is no regular csv: {str(problem).strip()}. {CELLS}") from None
    raise RolloutError(f"{path.name} is neither UTF-8 nor GB18030. Save it as UTF-8 and read it again.")


def _read_rows(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    """Return the rows of a csv as text; raises ParserWarning where a row has more filled cells than there are headings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # Empty lines are kept until lines are numbered, so that a message quotes the line an editor shows; without index_col=False
        # a separator at the end of every row would shift the columns. Only of object columns does pandas see that the last is blank.
        return pd.read_csv(
            path, sep=separator, dtype=object, keep_default_na=False, encoding=encoding, skip_blank_lines=False, index_col=False
        )


def _read_workbook(path: Path) -> pd.DataFrame:
    from python_calamine import CalamineError

    try:
        return pd.read_excel(path, engine="calamine", dtype=object)
    except (CalamineError, ValueError) as problem:
        raise RolloutError(
            f"{path.name} cannot be read as a workbook: {problem}. Save it again as xlsx without a password, or as csv."
        ) from None


def roles(frame: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, str]:
    """Return which heading holds what: role -> heading.

    ``columns`` says it for single headings (heading -> role) and goes before the table of usual headings.
    """
    headings = [str(column) for column in frame.columns]
    if absent := [heading for heading in columns if heading not in headings]:
        raise RolloutError(
            f"columns= names headings that the table does not have: {first_five(absent)}. It has: {', '.join(headings)}."
        )
    if strange := sorted(set(columns.values()) - {*NEEDED, *OPTIONAL}):
        raise RolloutError(
            f"columns= gives roles that are not known: {first_five(strange)}. Allowed: {', '.join((*NEEDED, *OPTIONAL))}."
        )
    words = table("events")
    usual = {folded: code for folded, _, code in folded_words(words[words["role"] == "heading"], "code")}
    claims: dict[str, list[str]] = {}
    for heading in headings:
        role = columns.get(heading) or usual.get(fold(heading))
        if role and (heading in columns or role not in columns.values()):
            claims.setdefault(role, []).append(heading)
    for role, claimed in claims.items():
        if len(claimed) > 1:
            raise RolloutError(
                f"{len(claimed)} columns may hold the {role}: {first_five(claimed)}. Say which: columns={{{claimed[0]!r}: {role!r}}}."
            )
    for role in NEEDED:
        if role not in claims:
            raise RolloutError(_no_column(role, headings, words))
    return {role: claimed[0] for role, claimed in claims.items()}


def _no_column(role: str, headings: list[str], words: pd.DataFrame) -> str:
    row = words[(words["role"] == "heading") & (words["code"] == role)].iloc[0]
    accepted = ", ".join([row["zh"], *row["words"].split("|")][:6])
    close = nearest(role, headings, 1)
    example = close[0] if close else headings[0] if headings else "heading"
    return (
        f"The table of events has no column for the {role}. It is called {role}, or one of: {accepted}, ... "
        f"The table has: {', '.join(headings)}. Say which one it is, for example columns={{{example!r}: {role!r}}}."
    )


def is_blank(value: object) -> bool:
    """Return whether a cell is empty: nothing, spaces, or a missing value."""
    if isinstance(value, str):
        return not value.strip()
    return bool(pd.isna(value))  # type: ignore[call-overload]


def label(value: object) -> str:
    """Return the label of a unit as text, the same for 7, 7.0, "7" and full-width 7; "" when it is blank.

    >>> label(7.0), label("０７ "), label("07")
    ('7', '07', '07')
    """
    if is_blank(value):
        return ""
    if not isinstance(value, str) and hasattr(value, "__float__") and float(value).is_integer():
        return str(int(float(value)))
    return unicodedata.normalize("NFKC", str(value)).strip()


def labels(values: pd.Series | Array) -> Array:
    """Return (n,) labels of units as text."""
    codes, distinct = pd.factorize(pd.Series(values), use_na_sentinel=False)
    return np.array([label(value) for value in distinct], dtype=object)[codes]
