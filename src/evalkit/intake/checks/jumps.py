"""Figures that jump from one year to the next, and columns that mix yuan and ten thousand yuan."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.smoothness import MAD
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question


def jumps(values: Array, follows: tuple[Array, Array], lines: Array, column: str) -> list[Question]:
    """Return a question about units whose value more than triples, or falls to less than a third, within a year.

    values (n,), follows two (m,) arrays of rows. A jump must also lie six robust standard deviations from the middle
    growth of its column, so that surveys in which incomes vary much are not asked row by row. It sees slips of a unit or
    a digit. It cannot see slips smaller than that, nor any in the first year of a unit.
    """
    before, after = follows
    used = (values[before] > 0) & (values[after] > 0)
    before, after = before[used], after[used]
    if not len(before):
        return []
    growth = np.log(values[after] / values[before])
    middle = float(np.median(growth))
    spread = float(np.median(np.abs(growth - middle))) * MAD
    factor = np.log(threshold("jump.factor"))
    far = np.flatnonzero((np.abs(growth) > factor) & (np.abs(growth - middle) > threshold("jump.spread") * spread))
    if not len(far):
        return []
    tens = growth[far] / np.log(10)
    whole = np.abs(np.round(tens))
    tenfold = int(((np.abs(tens - np.round(tens)) <= threshold("jump.tenfold")) & (whole >= 1) & (whole <= 4)).sum())
    facts = {"factor": threshold("jump.factor"), "largest": figure(float(np.exp(np.abs(growth[far]).max())), 3), "tenfold": tenfold}
    return [ask("JUMP", lines, column, after[far], rows=len(before), **facts)]


def mixed_units(values: Array, lines: Array, column: str) -> list[Question]:
    """Return a question when a column falls into two groups about ten thousand times apart, with next to nothing between.

    values (n,). It sees yuan and ten thousand yuan in one column. It cannot see a column that is in one wrong unit
    throughout, nor a mix in totals that span as many orders of magnitude themselves.
    """
    positive = np.flatnonzero(values > 0)
    if len(positive) < 2:
        return []
    logs = np.log10(values[positive])
    apart = logs - np.median(logs)
    factor, width = np.log10(threshold("unit.factor")), threshold("unit.width")
    for sign in (-1, 1):
        other = np.abs(sign * apart - factor) <= width
        between = (sign * apart > factor / 2 - width) & (sign * apart < factor / 2 + width)
        if other.any() and between.sum() <= threshold("unit.between") * other.sum():
            small, large = (other, ~other) if sign < 0 else (~other, other)
            medians = {"small": 10 ** np.median(logs[small]), "large": 10 ** np.median(logs[large])}
            shown = {name: figure(float(value), 3) for name, value in medians.items()}
            return [ask("MIXED_UNITS", lines, column, positive[other], rows=len(positive), **shown)]
    return []


def money(sheet: Sheet) -> list[str]:
    """Return the columns whose jumps and units are looked at: incomes and aggregates."""
    return [*(c for role in ("income", "total", "net", "interviewed") if (c := sheet.column(role))), *sheet.roles.aggregates]


def jumps_of(sheet: Sheet) -> Outcome:
    """Return what changes from year to year ask."""
    if reason := sheet.missing("unit", "period"):
        return reason
    if not money(sheet):
        return sheet.missing("income") or Ran()
    if not len(sheet.follows[0]):
        return NotApplied("FEW_PAIRS", facts={"needed": 1})
    return Ran(tuple(q for column in money(sheet) for q in jumps(sheet.numbers(column), sheet.follows, sheet.lines, column)))


def mixed_units_of(sheet: Sheet) -> Outcome:
    """Return what the magnitudes of incomes and aggregates ask."""
    if not money(sheet):
        return sheet.missing("income") or Ran()
    return Ran(tuple(q for column in money(sheet) for q in mixed_units(sheet.numbers(column), sheet.lines, column)))
