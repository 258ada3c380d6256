"""What values a panel may hold: a pandera schema from the dictionary's kinds, and its failures as problems with their lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evalkit.intake.observations import Place, Problem
from evalkit.intake.personal_patterns import safe

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema

YEARS = (1949, 2100)
NOT_NEGATIVE = {"count", "persons", "households", "area", "person_times"}


def judge_values(
    frame: pd.DataFrame,
    kinds: Mapping[str, str],
    unit: str,
    period: str,
    lines: np.ndarray[Any, Any],
    heading: Callable[[str], str],
) -> list[Problem]:
    """Return what keeps the values from being a panel, one problem a kind of failure, with lines, headings and values.

    Parameters
    ----------
    frame : (n rows), one column per name in ``kinds`` at most
    kinds : column -> kind in the dictionary (year, share, code, persons, ...)
    unit, period : str
        Columns that together may occur once only, and never be missing.
    lines : (n,) lines of the rows in the file
    heading : column -> heading in the file, for messages
    """
    from pandera.errors import SchemaErrors

    try:
        _schema(frame, kinds, unit, period).validate(frame, lazy=True, inplace=True)  # nothing is coerced: no copy
    except SchemaErrors as failures:
        cases = failures.failure_cases
    else:
        cases = pd.DataFrame({"schema_context": [], "index": [], "column": [], "check": []})
    return _problems(cases, frame, unit, period, lines, heading)


def _schema(frame: pd.DataFrame, kinds: Mapping[str, str], unit: str, period: str) -> DataFrameSchema:
    from pandera.pandas import Column, DataFrameSchema

    columns = {name: Column(checks=_checks(kinds.get(name, "")), nullable=name not in (unit, period)) for name in frame.columns}
    return DataFrameSchema(columns)


def _checks(kind: str) -> list[Check]:
    """Return the checks of a kind; pandera gives its own ones names of its own, so each is written out under a problem's code."""
    from pandera.pandas import Check

    if kind == "year":
        return [Check(lambda years: years.between(*YEARS), name="YEAR_OUT_OF_RANGE")]
    if kind == "county_code":
        return [Check(lambda codes: codes.str.fullmatch(r"\d{6}"), name="CODE_NOT_SIX_DIGITS")]
    if kind == "share":
        return [Check(lambda shares: shares.between(0, 100), name="SHARE_OUT_OF_RANGE")]
    if kind == "yes_no":
        return [Check(lambda answers: answers.isin([0, 1]), name="NOT_YES_NO")]
    if kind in NOT_NEGATIVE:
        return [Check(lambda counts: counts >= 0, name="NEGATIVE_COUNT")]
    return []


def _problems(
    cases: pd.DataFrame,
    frame: pd.DataFrame,
    unit: str,
    period: str,
    lines: np.ndarray[Any, Any],
    heading: Callable[[str], str],
) -> list[Problem]:
    found = []
    twice = frame.duplicated([unit, period], keep=False) & frame[[unit, period]].notna().all(axis=1)
    if twice.any():
        repeated = np.flatnonzero(twice)
        who = frame.loc[twice, [unit, period]].map(_short).agg(" / ".join, axis=1)
        order = np.argsort(who.to_numpy(), kind="stable")
        places = [Place(int(lines[repeated[i]]), None, safe(str(who.iloc[i]))) for i in order]
        found.append(Problem.at("SAME_UNIT_TWICE", places, unit=heading(unit), period=heading(period), units=int(who.nunique())))
    single = cases[(cases["schema_context"] == "Column") & cases["index"].notna()]
    for (column, check), group in single.groupby(["column", "check"], sort=False):
        rows = group["index"].astype(int).to_numpy()
        code = "KEY_MISSING" if check == "not_nullable" else str(check)
        values: Sequence[object] = group["failure_case"].tolist()
        places = [
            Place(int(lines[row]), heading(str(column)), None if code == "KEY_MISSING" else safe(_short(value)))
            for row, value in zip(rows, values, strict=True)
        ]
        found.append(Problem.at(code, places, column=heading(str(column)), first=YEARS[0], last=YEARS[1]))
    return found


def _short(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
