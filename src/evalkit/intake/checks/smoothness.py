"""Incomes that move too smoothly: one growth rate for all, one year computed from the other, a spread that collapses."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array, holm
from evalkit.intake.checks.identical import combined
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question

MAD = 1.4826  # a normal distribution's standard deviation over its median absolute deviation


def group_medians(values: Array, group: Array) -> Array:
    """Return (G,) medians of values (n,) by group (n,) 0..G-1, each of which has a row.

    >>> group_medians(np.array([1.0, 9.0, 2.0, 4.0]), np.array([0, 0, 0, 1])).tolist()
    [2.0, 4.0]
    """
    ordered = values[np.lexsort((values, group))]
    rows = np.bincount(group)
    start = np.cumsum(rows) - rows
    middle: Array = (ordered[start + (rows - 1) // 2] + ordered[start + rows // 2]) / 2
    return middle


def same_growth(before: Array, after: Array, group: Array) -> tuple[Array, Array]:
    """Return, by group, the share of households whose log growth is that of the middle household, and this growth.

    before, after (m,) positive incomes; group (m,) 0..G-1.
    """
    growth = np.log(after / before)
    middle = group_medians(growth, group)
    close = np.abs(growth - middle[group]) <= threshold("smooth.growth_width")
    return np.bincount(group, weights=close) / np.bincount(group), middle


def explained(before: Array, after: Array, group: Array) -> tuple[Array, Array]:
    """Return, by group, the correlation of two years and the residual's standard deviation over the later mean.

    before, after (m,) incomes; group (m,) 0..G-1. A straight line within each group; nan where the year before is the
    same for all.
    """
    rows = np.bincount(group)

    def centred(values: Array) -> Array:
        return values - (np.bincount(group, weights=values) / rows)[group]

    x, y = centred(before), centred(after)
    xx, yy, xy = (np.bincount(group, weights=product) for product in (x * x, y * y, x * y))
    alive = (xx > 0) & (yy > 0)
    squared = np.divide(xy**2, xx * yy, out=np.full(len(rows), np.nan), where=alive)
    left = np.maximum(yy * (1 - squared), 0) / np.maximum(rows - 2, 1)
    return np.sign(xy) * np.sqrt(squared), np.sqrt(left) / (np.bincount(group, weights=after) / rows)


def collapsed(income: Array, village: Array, period: Array) -> tuple[Array, Array, Array, Array]:
    """Return village (c,), period (c,), the spread against the village's other years, and its one-sided p, for each cell.

    income (n,) positive; the spread is the standard deviation of log income in a village and year, its yardstick the
    median of the village's other years. Log ratios, less the middle of their year over all villages (a new definition
    narrows all), are judged by their own robust spread.
    """
    from scipy.special import ndtr

    cell = combined(village, period)
    first = np.unique(cell, return_index=True)[1]
    logs = np.log(income)
    rows = np.bincount(cell)
    deviation = logs - (np.bincount(cell, weights=logs) / rows)[cell]
    spread = np.sqrt(np.bincount(cell, weights=deviation**2) / np.maximum(rows - 1, 1))
    kept = (rows >= threshold("smooth.spread_rows")) & (spread > 0)
    places, years, spread = village[first][kept], period[first][kept], spread[kept]
    usual = _median_of_others(np.log(spread), places)
    gap = np.log(spread) - usual
    known = np.isfinite(gap)
    places, years, gap = places[known], years[known], gap[known]
    if len(gap) < threshold("heaping.groups_min"):
        return places, years, np.exp(gap), np.ones(len(gap))
    # With few villages the middle of a year would be the collapse itself.
    year = combined(years)
    own = gap - group_medians(gap, year)[year] if len(np.unique(places)) > 2 else gap - np.median(gap)
    scale = max(float(np.median(np.abs(own - np.median(own)))) * MAD, 0.02)
    return places, years, np.exp(gap), ndtr(own / scale)


def _median_of_others(values: Array, group: Array) -> Array:
    """Return (n,) the median of the other values of the same group, nan where there are fewer than two others."""
    result = np.full(len(values), np.nan)
    for one in np.unique(group):
        here = np.flatnonzero(group == one)
        if len(here) > 2:
            others = np.tile(values[here], (len(here), 1))[~np.eye(len(here), dtype=bool)].reshape(len(here), -1)
            result[here] = np.median(others, axis=1)
    return result


def too_smooth(
    income: Array, follows: tuple[Array, Array], village: Array, period: Array, labels: list[str], lines: Array, column: str
) -> list[Question]:
    """Return questions about villages and years in which income moved too smoothly from the year before.

    income (n,) in yuan, follows two (m,) arrays of rows. It sees one growth rate for almost all households, and a year
    that is a straight line of the year before. It cannot see smoothness with noise put on top, and a rise by decree
    (an allowance alone) looks the same.
    """
    before, after = follows
    used = (income[before] > 0) & (income[after] > 0) & (village[after] >= 0)
    before, after = before[used], after[used]
    group = combined(village[after], period[after])
    large = np.bincount(group)[group] >= threshold("smooth.rows_min") if len(group) else np.zeros(0, dtype=bool)
    before, after = before[large], after[large]
    if not len(before):
        return []
    group = combined(village[after], period[after])
    share, middle = same_growth(income[before], income[after], group)
    correlation, residual = explained(income[before], income[after], group)
    one_rate = share >= threshold("smooth.growth_share")
    computed = ~one_rate & (correlation >= threshold("smooth.correlation")) & (residual <= threshold("smooth.residual"))
    found = []
    for at in np.flatnonzero(one_rate | computed):
        here = after[group == at]
        facts = {"group": labels[village[here[0]]], "period": int(period[here[0]]), "rows": len(here)}
        if one_rate[at]:
            numbers = {"observed": figure(share[at]), "growth": figure(float(np.expm1(middle[at])), 3)}
            found.append(ask("SAME_GROWTH", lines, column, here, **facts, **numbers))
        else:
            numbers = {"observed": figure(correlation[at], 5), "residual": figure(residual[at], 2)}
            found.append(ask("YEAR_COMPUTED", lines, column, here, **facts, **numbers))
    return found


def narrow_years(income: Array, village: Array, period: Array, labels: list[str], lines: Array, column: str) -> list[Question]:
    """Return questions about villages and years whose incomes lie much closer together than in the village's other years.

    It sees one year against the others, at least three in all and twenty households each. It cannot see a spread that
    is narrow in all years.
    """
    used = np.flatnonzero((income > 0) & (village >= 0) & np.isfinite(period))
    if not len(used):
        return []
    places, years, ratio, p = collapsed(income[used], village[used], period[used])
    wanted = (holm(p) < threshold("smooth.alpha")) & (ratio < threshold("smooth.spread_ratio"))
    found = []
    for at in np.flatnonzero(wanted):
        here = used[(village[used] == places[at]) & (period[used] == years[at])]
        facts = {"group": labels[places[at]], "period": int(years[at]), "rows": len(here), "ratio": figure(ratio[at], 3)}
        found.append(ask("NARROW_YEAR", lines, column, here, **facts))
    return found


def smoothness_of(sheet: Sheet) -> Outcome:
    """Return what the movement of incomes asks, village by village and year by year."""
    if reason := sheet.missing("unit", "period", "income"):
        return reason
    column = sheet.roles.named()["income"]
    income, period = sheet.numbers(column), sheet.numbers(sheet.roles.named()["period"])
    if len(sheet.follows[0]) < threshold("smooth.rows_min"):
        return NotApplied("FEW_PAIRS", facts={"needed": int(threshold("smooth.rows_min"))})
    village, labels = sheet.codes("group", "region")
    if not labels:
        return NotApplied("ROLE_MISSING", facts={"roles": ("group",)})
    found = too_smooth(income, sheet.follows, village, period, labels, sheet.lines, column)
    return Ran((*found, *narrow_years(income, village, period, labels, sheet.lines, column)))
