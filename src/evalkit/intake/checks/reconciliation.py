"""Households add up to the village, villages to the township, townships to the county, and to the figure that was published."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.intake.checks.comparing import Array
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import IntakeError, Place, Problem, Question


def reconcile(
    fine: pd.DataFrame,
    coarse: pd.DataFrame,
    key: str | Sequence[str],
    column: str,
    tolerance: float | None = None,
    lines: Array | None = None,
    fine_lines: Array | None = None,
) -> list[Question]:
    """Return questions where a column of ``fine`` added up over ``key`` is not the column of ``coarse``.

    Parameters
    ----------
    fine, coarse : DataFrame
        The finer level, any number of rows a key, and the coarser one, one row a key. Both have ``key`` and ``column``.
    tolerance : float, optional
        How much a sum may differ, in the unit of the column; counts agree exactly without it. For a published figure
        rounded to hundreds give 50.
    lines, fine_lines : (n,) lines of the rows in their files; counted from 2 without them

    Notes
    -----
    It sees sums that differ and places that stand on one level only. It cannot see differences that cancel. A blank is
    not zero: a sum with a blank in it is asked about as incomplete and not compared.

    Raises
    ------
    IntakeError
        When a column is missing, holds text, or a key stands twice in the coarser level.

    Examples
    --------
    >>> homes = pd.DataFrame({"village": ["a", "a", "b"], "persons": [3, 4, 2]})
    >>> villages = pd.DataFrame({"village": ["a", "b"], "persons": [7, 3]})
    >>> [question.code for question in reconcile(homes, villages, "village", "persons")]
    ['SUM_DIFFERS']
    """
    keys = [key] if isinstance(key, str) else list(key)
    _refuse(fine, coarse, keys, column)
    lines = np.arange(2, len(coarse) + 2) if lines is None else lines
    fine_lines = np.arange(2, len(fine) + 2) if fine_lines is None else fine_lines
    allowed = threshold("reconcile.absolute") if tolerance is None else tolerance
    names = [f"key_{position}" for position in range(len(keys))]  # so that no column's name can stand in the way
    parts = fine[keys].set_axis(names, axis=1).assign(amount=fine[column].to_numpy(dtype=float, na_value=np.nan))
    sums = parts.groupby(names, dropna=False)["amount"].agg(total="sum", rows="size", filled="count").reset_index()
    joined = coarse[keys].set_axis(names, axis=1).merge(sums, on=names, how="left", validate="one_to_one")
    stated = coarse[column].to_numpy(dtype=float, na_value=np.nan)
    total = np.where(joined["rows"].isna(), np.nan, joined["total"].to_numpy())
    absent = np.isnan(total)
    incomplete = ~absent & ((joined["rows"] > joined["filled"]).to_numpy() | np.isnan(stated))
    gap = np.abs(total - stated)
    differs = ~absent & ~incomplete & (gap > allowed + 1e-9 * np.abs(stated))
    found = []
    if differs.any():
        worst = int(np.argmax(np.where(differs, gap, -1)))
        facts = {"stated": figure(stated[worst], 15), "added": figure(total[worst], 15), "largest": figure(gap[worst], 15)}
        compared = int((~absent & ~incomplete).sum())
        worst_line = int(lines[worst])
        found.append(ask("SUM_DIFFERS", lines, column, np.flatnonzero(differs), compared=compared, worst_line=worst_line, **facts))
    if incomplete.any():
        found.append(ask("SUM_INCOMPLETE", lines, column, np.flatnonzero(incomplete)))
    if absent.any():
        found.append(ask("ONLY_IN_COARSE", lines, keys[0], np.flatnonzero(absent)))
    matched = fine[keys].merge(coarse[keys], on=keys, how="left", indicator=True)["_merge"].to_numpy() == "both"
    if not matched.all():
        alone = np.flatnonzero(~matched)
        keys_alone = len(fine.iloc[alone][keys].drop_duplicates())
        found.append(ask("ONLY_IN_FINE", fine_lines, keys[0], alone, keys=keys_alone))
    return found


def _refuse(fine: pd.DataFrame, coarse: pd.DataFrame, keys: list[str], column: str) -> None:
    problems = []
    for name in [*keys, column]:
        if name not in fine.columns or name not in coarse.columns:
            problems.append(Problem("RECONCILE_COLUMN_MISSING", {"column": name}))
        elif name == column and not all(pd.api.types.is_numeric_dtype(frame[name]) for frame in (fine, coarse)):
            problems.append(Problem("PLAUSIBILITY_TEXT", {"column": name}))
        elif name != column and len({pd.api.types.is_numeric_dtype(frame[name]) for frame in (fine, coarse)}) > 1:
            problems.append(Problem("RECONCILE_KEY_KINDS", {"column": name}))
    if not problems and (twice := coarse.duplicated(keys, keep=False).to_numpy()).any():
        where = [Place(line=int(row) + 2, column=keys[0]) for row in np.flatnonzero(twice)]
        problems.append(Problem.at("RECONCILE_KEY_TWICE", where, column=keys[0]))
    if problems:
        raise IntakeError(problems)


def reconciliation_of(sheet: Sheet) -> Outcome:
    """Return what the levels that were given ask, each finer one against its coarser one."""
    if not sheet.levels:
        return NotApplied("NO_LEVELS")
    questions = [reconcile(one.fine, one.coarse, one.key, one.column, one.tolerance) for one in sheet.levels]
    return Ran(tuple(question for some in questions for question in some))
