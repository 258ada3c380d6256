"""The distribution that the covered would have had by the premise of the headline, and measures of poverty in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.estimate import Estimate, cell_frame

Array = np.ndarray[Any, Any]

Measured = Callable[[Array, float], Array]
"""Each household's part in a measure (n,) of incomes (n,) in one year's line."""


@dataclass(frozen=True)
class Found:
    """Effects on a measure: ``average`` holds the effect and what would have been, ``path`` the gap of every event time before the start."""

    average: Estimate
    path: Estimate | None


def effect_on(measure: Measured, design: Design, cells: Estimate, line: dict[int, float], scale: str) -> Found | None:
    """Return the effect on a measure of the distribution, by the premise that the effect on the mean rests on.

    For each cohort and year the income of every covered household in its base year is moved by the growth that the covered would have
    had on average: their own mean change less the effect of the cell. The measure of incomes so moved is what would have been, and
    the effect is the measure of actual incomes less that.

    Parameters
    ----------
    measure : of incomes and a line
    design : the design of the headline, on log income or on income
    cells : its group-time effects
    line : the line of every year that has one; cells of other years are left out
    scale : "log" or "level", that of the design's outcome

    Returns
    -------
    Found or None
        None where no year after a start has a line.

    Notes
    -----
    A share below a fixed line moves by itself where all incomes grow, and faster for a group that starts nearer to the line, so that
    differences in differences of shares mistake a different start for an effect (Roth & Sant'Anna 2023, Econometrica 91, on
    functional form). Moving incomes on the scale of the premise does not. Besides the premise of the headline it asks that households
    of a cohort would have spread no more and no less around their common growth than they did in the base year.

    Influence: with h the measure, y household outcomes in the base year and d the common growth, the mean of h(y + d) has the influence
    h(y + d) less its mean, plus its derivative in d times the influence of d; the derivative is a central difference over
    Silverman's width, as the measure may jump at the line. Cells are averaged by the covered households of this sample.
    """
    comparison = Comparison.of(design)
    table = cells.cells
    known = {(row.cohort, row.period): place for place, row in enumerate(table.itertuples()) if row.kind == "group_time"}
    parts: dict[str, list[_Cell]] = {"after": [], "before": []}
    for cohort in comparison.cohorts:
        for period, base in comparison.pairs(cohort):
            place = known.get((cohort, period))
            if place is None or period == base or period not in line or bool(table["reference"].iloc[place]):
                continue
            one = _cell(measure, design, cells, place, (cohort, period, base), line[period], scale)
            if one is not None:
                parts["after" if period >= cohort else "before"].append(one)
    if not parts["after"]:
        return None
    effect, without = _mean(parts["after"], "effect"), _mean(parts["after"], "without")
    units = float(sum({one.cohort: one.units for one in parts["after"]}.values()))
    frame = cell_frame("poverty", 2, name=["effect", "without"], units=units)
    average = _estimate([effect, without], frame, design, cells)
    return Found(average, _path(parts["before"], design, cells))


@dataclass(frozen=True)
class _Cell:
    """One cohort in one year: the measure less what it would have been, and that; with contributions of units (N,)."""

    cohort: int
    event_time: int
    units: int
    weight: float
    effect: float
    without: float
    effect_parts: Array
    without_parts: Array


def _cell(
    measure: Measured, design: Design, cells: Estimate, place: int, when: tuple[int, int, int], line: float, scale: str
) -> _Cell | None:
    cohort, period, base = when
    y = design.wide(design.y)
    times = list(design.periods)
    now, then = y[:, times.index(period)], y[:, times.index(base)]
    member = design.cohort == cohort
    seen = member & ~np.isnan(now) & ~np.isnan(then)
    at_now = at_then = seen
    if design.unbalanced == "repeated_cross_section":
        at_now, at_then = member & ~np.isnan(now), member & ~np.isnan(then)
    if at_now.sum() < 2 or at_then.sum() < 2:
        return None
    back = np.exp if scale == "log" else np.asarray
    w = design.unit_weight

    def of(mask: Array, values: Array) -> tuple[float, Array]:
        """Return the weighted mean over some units, and their contributions to it (N,)."""
        share = np.where(mask, w, 0.0) / w[mask].sum()
        mean = float(share[mask] @ values[mask])
        return mean, np.where(mask, share * (np.where(mask, values, 0.0) - mean), 0.0)

    (mean_now, parts_now), (mean_then, parts_then) = of(at_now, now), of(at_then, then)
    growth = mean_now - mean_then - float(cells.theta[place])
    growth_parts = parts_now - parts_then - _of_units(cells, place, design)

    def moved(by: float) -> Array:
        return np.where(at_then, measure(back(np.where(at_then, then, 0.0) + by), line), 0.0)

    actual, actual_parts = of(at_now, np.where(at_now, measure(back(np.where(at_now, now, 0.0)), line), 0.0))
    without, without_parts = of(at_then, moved(growth))
    width = _width(then[at_then])
    slope = (of(at_then, moved(growth + width))[0] - of(at_then, moved(growth - width))[0]) / (2 * width)
    without_parts = without_parts + slope * growth_parts
    weight = float(w[at_now].sum())
    return _Cell(
        cohort, period - cohort, int(at_now.sum()), weight, actual - without, without, actual_parts - without_parts, without_parts
    )  # fmt: skip


def _of_units(cells: Estimate, place: int, design: Design) -> Array:
    """Return (N,) the contributions of units to one effect, whose sum is its error."""
    return np.asarray(cells.psi[:, place] / len(design.units))


def _width(values: Array) -> float:
    """Return Silverman's width for (n,) values, a small one where all are equal."""
    spread = min(float(np.std(values)), float(np.subtract(*np.percentile(values, [75, 25]))) / 1.349)
    width: float = max(0.9 * spread * float(len(values)) ** -0.2, 1e-6 * max(1.0, float(np.abs(values).max())))
    return width


Part = tuple[float, Array]


def _mean(parts: list[_Cell], name: str) -> Part:
    weight = np.array([one.weight for one in parts]) / sum(one.weight for one in parts)
    value = float(sum(w * getattr(one, name) for w, one in zip(weight, parts, strict=True)))
    return value, np.sum([w * getattr(one, f"{name}_parts") for w, one in zip(weight, parts, strict=True)], axis=0)


def _path(parts: list[_Cell], design: Design, cells: Estimate) -> Estimate | None:
    """Return the gap of every event time before the start."""
    if not parts:
        return None
    times = sorted({one.event_time for one in parts})
    found = [_mean([one for one in parts if one.event_time == time], "effect") for time in times]
    units = [float(sum(one.units for one in parts if one.event_time == time)) for time in times]
    return _estimate(found, cell_frame("event_time", len(times), event_time=times, units=units), design, cells)


def _estimate(parts: list[Part], frame: Any, design: Design, cells: Estimate) -> Estimate:
    contributions = np.column_stack([of for _, of in parts])
    return Estimate(np.array([value for value, _ in parts]), design.psi_from_units(contributions), frame, cells.rows, cells.facts)
