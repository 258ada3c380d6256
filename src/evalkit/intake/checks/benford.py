"""First digits of totals of large places, a weak screen that most data are unfit for."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array, holm
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold

EXPECTED = np.log10(1 + 1 / np.arange(1, 10))


def first_digits(values: Array) -> Array:
    """Return (n,) first digits of positive numbers.

    >>> first_digits(np.array([0.0123, 9.99, 1000.0, 250.0])).tolist()
    [1, 9, 1, 2]
    """
    scaled = values / 10.0 ** np.floor(np.log10(values) + 1e-12)
    return np.clip(np.floor(scaled + 1e-9), 1, 9).astype(int)


def benford(values: Array, unit: Array) -> tuple[Array, float, float]:
    """Return the shares (9,) of first digits, their mean absolute deviation from the law, and a p-value.

    values (n,) positive, unit (n,) the place of each: years of one place share digits, so the test is a Wald test over
    places (8 degrees of freedom). Source: F. Benford (1938); deviation after M. Nigrini (2012).
    """
    from scipy.special import gammaincc

    digit = first_digits(values)
    shares = np.bincount(digit, minlength=10)[1:] / len(values)
    deviation = float(np.abs(shares - EXPECTED).mean())
    _, place = np.unique(unit, return_inverse=True)
    scores = np.zeros((place.max() + 1, 9))
    np.add.at(scores, (place, digit - 1), 1.0)
    rows = scores.sum(axis=1, keepdims=True)
    residual = (scores - rows * EXPECTED)[:, :8]
    total, spread = residual.sum(axis=0), residual.T @ residual
    wald = float(total @ np.linalg.pinv(spread) @ total)
    return shares, deviation, float(gammaincc(4.0, wald / 2))


def unfit(values: Array, unit: Array, per_head: bool) -> NotApplied | None:
    """Return why values (n,) cannot be held against the law of first digits, or None."""
    if per_head:
        return NotApplied("PER_HEAD")
    used = values[values > 0]
    needed = int(threshold("benford.rows_min"))
    places = len(np.unique(unit[values > 0]))
    if places < needed:
        return NotApplied("FEW_PLACES", facts={"found": places, "needed": needed})
    orders = float(np.log10(np.quantile(used, 0.995) / np.quantile(used, 0.005)))
    if orders < threshold("benford.orders_min"):
        return NotApplied("NARROW", facts={"orders": figure(orders, 2), "needed": threshold("benford.orders_min")})
    return None


def benford_of(sheet: Sheet) -> Outcome:
    """Return what the first digits of aggregates ask; refuses incomes per head, few places and narrow ranges.

    It sees totals whose first digits are far from the law. It cannot say why: many honest totals do not follow it, and
    incomes per head near a line never do.
    """
    if not sheet.roles.aggregates:
        return NotApplied("PER_HEAD") if sheet.column("income") else NotApplied("ROLE_MISSING", facts={"roles": ("aggregates",)})
    unit = sheet.codes("unit")[0] if sheet.column("unit") else np.arange(len(sheet.frame))
    tested, reasons = [], []
    for column in sheet.roles.aggregates:
        values = sheet.numbers(column)
        if reason := unfit(values, unit, per_head=column in (sheet.column("income"), sheet.column("interviewed"))):
            reasons.append(reason)
        else:
            used = np.flatnonzero(values > 0)
            tested.append((column, used, *benford(values[used], unit[used])))
    if not tested:
        return reasons[0]
    p = holm(np.array([one[4] for one in tested]))
    found = []
    for (column, used, shares, deviation, _), chance in zip(tested, p, strict=True):
        if chance < threshold("benford.alpha") and deviation > threshold("benford.deviation"):
            digit = int(np.abs(shares - EXPECTED).argmax())
            facts = {"digit": digit + 1, "observed": figure(shares[digit], 3), "expected": figure(EXPECTED[digit], 3)}
            rows = used[first_digits(sheet.numbers(column)[used]) == digit + 1]
            found.append(ask("FIRST_DIGITS", sheet.lines, column, rows, rows=len(used), deviation=figure(deviation, 2), **facts))
    return Ran(tuple(found))
