"""What the plausibility checks look at: which column plays which part, and which rows of a very large file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.codes import value
from evalkit.intake.mapping import Mapping
from evalkit.intake.plausibility import Plausibility, Roles, poverty_lines, question_plausibility
from evalkit.notices import Notice

PARTS = {
    "group": "village_id", "region": "county_code", "income": "income_pc", "wage": "income_wage", "business": "income_business",
    "property": "income_property", "transfer": "income_transfer", "total": "income_total", "cost": "production_cost",
    "net": "income_net", "size": "hh_size", "poverty_rate": "poverty_rate",
}  # fmt: skip
AGGREGATES = ("gdp", "va_primary", "va_secondary", "va_tertiary", "fiscal_rev", "fiscal_exp", "savings", "loans", "grain")
PLACES = ("village_id", "county_code")
FEW_PLACES = 100  # with fewer villages or counties in a file, single units are chosen


def checked(frame: pd.DataFrame, lines: np.ndarray[Any, Any], mapping: Mapping) -> tuple[Plausibility, tuple[Notice, ...]]:
    """Return what the plausibility checks ask of a file, and a notice where they looked at a part of it only."""
    rows = looked_at(frame, mapping)
    part = frame if rows.all() else frame[rows].reset_index(drop=True)
    seen = question_plausibility(part, roles(frame, mapping), lines=lines[rows], poverty_lines=poverty_lines())
    facts = {"rows": int(rows.sum()), "of_rows": len(rows)}
    return seen, () if rows.all() else (Notice("PLAUSIBILITY_ON_A_PART", facts),)


def roles(frame: pd.DataFrame, mapping: Mapping) -> Roles:
    """Return which columns of a frame play which part in the checks."""
    keys = (mapping.unit, mapping.period)
    have = {role: column for role, column in PARTS.items() if column in frame and column not in keys}
    return Roles(unit=mapping.unit, period=mapping.period, aggregates=tuple(name for name in AGGREGATES if name in frame), **have)


def looked_at(frame: pd.DataFrame, mapping: Mapping) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return (n,) which rows the checks look at: all, or of a very large file whole villages, counties or units.

    They are chosen by a hash of their names, so that the same file gives the same questions whatever the order of its rows.
    """
    limit = float(value("thresholds", "rows_looked_at"))
    if len(frame) <= limit:
        return np.ones(len(frame), dtype=bool)
    places = [column for column in PLACES if column in frame and frame[column].nunique() >= FEW_PLACES]
    codes, names = pd.factorize(frame[[*places, mapping.unit][0]])
    share = pd.util.hash_array(np.asarray(names, dtype=object)) / 2.0**64
    return np.asarray((share < limit / len(frame))[codes])
