"""The tables of data/codes: facts and policies that belong in a table, not in code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from evalkit.places import shared


@cache
def _shipped(name: str) -> pd.DataFrame:
    return read_table(shared("data", "codes", f"{name}.csv"))


def read_table(path: Path) -> pd.DataFrame:
    """Return a table of codes as text, empty cells as ""; lines that start with # are remarks."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", comment="#")


def table(name: str) -> pd.DataFrame:
    """Return a table that ships in data/codes, all of it text; the caller gets a copy of its own.

    >>> list(table("poverty_lines").columns)[:3]
    ['schedule', 'year', 'value']
    """
    return _shipped(name).copy()
