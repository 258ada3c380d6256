"""The tables of data/codes: facts and policies that belong in a table, not in code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path

import pandas as pd

from evalkit.errors import unknown
from evalkit.places import shared


@cache
def _shipped(name: str) -> pd.DataFrame:
    return read_table(shared("data", "codes", f"{name}.csv"))


def read_table(path: Path) -> pd.DataFrame:
    """Return a table of codes as text, empty cells as ""; lines that start with # are remarks."""
    told = StringIO("\n".join(line for _, line in _told(path)))
    return pd.read_csv(told, dtype=str, keep_default_na=False)


def lines_of(path: Path, rows: int) -> list[int]:
    """Return the line of each row of a table of codes, counted from 1; of the records where cells with line breaks hide the lines."""
    filled = [number for number, line in _told(path) if line.strip()][1:]
    return filled if len(filled) == rows else list(range(2, rows + 2))


def _told(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every line that is no remark, and its number."""
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.startswith("#"):
            yield number, line


def table(name: str) -> pd.DataFrame:
    """Return a table that ships in data/codes, all of it text; the caller gets a copy of its own.

    >>> list(table("poverty_lines").columns)[:3]
    ['schedule', 'year', 'value']
    """
    return _shipped(name).copy()


def value(table: str, name: str) -> str:
    """Return the value beside a name in a table of data/codes with these two columns; raises KeyError that names the nearest ones.

    >>> value("thresholds", "bundle_share")
    '0.5'
    """
    known = _values(table)
    if name not in known:
        raise KeyError(unknown(f"name in data/codes/{table}.csv", name, list(known)))
    return known[name]


@cache
def _values(table: str) -> dict[str, str]:
    rows = _shipped(table)
    return dict(zip(rows["name"], rows["value"], strict=True))
