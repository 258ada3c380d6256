"""Two sources for the same income, such as the registry and an interview: how far apart they are, household by household."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array
from evalkit.intake.checks.sheet import Distribution, NotApplied, Outcome, Ran, Sheet, figure
from evalkit.intake.checks.thresholds import threshold


def gap_distribution(stated: Array, interviewed: Array, column: str, other: str) -> Distribution | None:
    """Return the distribution of stated over interviewed income less one, or None for fewer than ten households.

    stated, interviewed (n,) in yuan per person per year. It tells a distribution, no households and no verdict: it
    cannot say which of two answers is the right one.
    """
    both = (stated > 0) & (interviewed > 0)
    if both.sum() < threshold("gap.rows_min"):
        return None
    gap = stated[both] / interviewed[both] - 1
    low, middle, high = (figure(float(end), 3) for end in np.quantile(gap, (0.25, 0.5, 0.75)))
    facts = {"column": column, "other": other, "rows": int(both.sum()), "low": low, "middle": middle, "high": high}
    above = figure(float((gap > 0).mean()), 3)
    wide = figure(float((np.abs(gap) > threshold("gap.wide")).mean()), 3)
    return Distribution("TWO_SOURCES", {**facts, "above": above, "wide": wide, "limit": threshold("gap.wide")})


def two_sources_of(sheet: Sheet) -> Outcome:
    """Return how the two sources of income differ."""
    if reason := sheet.missing("income", "interviewed"):
        return reason
    names = sheet.roles.named()
    income, interviewed = sheet.numbers(names["income"]), sheet.numbers(names["interviewed"])
    told = gap_distribution(income, interviewed, names["income"], names["interviewed"])
    needed = {"needed": int(threshold("gap.rows_min"))}
    return NotApplied("FEW_BOTH", facts=needed) if told is None else Ran(distributions=(told,))
