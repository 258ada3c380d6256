"""One county on its own: its path against the comparison, with a permutation rank instead of a t-interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, nearest
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class OneUnit:
    """The effect in one unit.

    Attributes
    ----------
    unit, cohort : which unit, and when its treatment started
    path : frame with a row per period: period, event_time, effect, p_value, conf_low, conf_high
        The last row, with period missing, is the average over the treated periods.
    comparison_units : how many never-treated units it is ranked among
    refusal : Notice or None
        Why no range and no p-value are given.
    """

    unit: object
    cohort: int
    path: pd.DataFrame
    comparison_units: int
    refusal: Notice | None


def one_unit(design: Design, unit: object, level: float = 0.95) -> OneUnit:
    """Return the effect in one treated unit, refitted as a cohort of its own.

    Parameters
    ----------
    design : Design
        Covariates, read in the base period, adjust the expected change by a regression among comparison units.
    unit : label
        One of ``design.units``.
    level : float
        Coverage of the prediction interval.

    Returns
    -------
    OneUnit
        The effect is the unit's change since its base period minus the change expected from the comparison. Its own
        noise cannot be learned from one unit, so the same is done for each of the J comparison units, left out in
        turn: the p-value is the rank among them, (1 + number at least as large) / (J + 1), and the interval is the effect
        plus and minus the ceil(level (J + 1))-th of their absolute gaps. With fewer units than that there is
        a refusal that states the smallest p-value attainable.

    Raises
    ------
    DesignError
        When the unit is unknown, not treated within the window, or has no clean period before treatment.

    Notes
    -----
    Periods in which the unit is not seen have no effect and no p-value; the average is over the treated periods seen. Weights,
    the choice of comparison and a varying base do not enter: the base is the last clean period, the comparison never treated.
    The leave-one-out gap of comparison unit j is e_j / (1 - h_j) with e the residual and h the leverage of the regression
    of changes on the covariates (an intercept without any).
    """
    comparison, i = _judged(design, unit, level)
    cohort = int(comparison.cohort[i])
    base = comparison.base_of(cohort)
    column = {int(p): j for j, p in enumerate(design.periods)}
    changes = _changes(design, [column[p] for p in comparison.periods], column[base])
    donors = np.isinf(comparison.cohort) & ~np.isnan(changes).any(axis=1)
    gap, placebo = _gaps(changes, _covariates(design, column[base]), i, donors)
    periods = np.array(comparison.periods)
    after = (periods >= cohort) & ~np.isnan(gap)
    if np.isnan(changes[i, periods == base]).any() or not after.any():
        raise DesignError(
            f"Unit {unit!r} is not seen in {base}, its last period before treatment, or never after it: there is no change to tell."
        )
    path = pd.DataFrame({"period": np.append(periods, np.nan), "event_time": np.append(periods - cohort, np.nan)})
    path["effect"] = np.append(gap, gap[after].mean())
    placebo = np.column_stack([placebo, placebo[:, after].mean(axis=1)])
    told = (path["period"] != base).to_numpy() & path["effect"].notna().to_numpy()
    path, refusal = _ranked(path, placebo, told, level)
    return OneUnit(design.units[i], cohort, path, len(placebo), refusal)


def _judged(design: Design, unit: object, level: float) -> tuple[Comparison, int]:
    """Return the comparison and the unit's position, or say why the unit has no effect."""
    if not 0 < level < 1:
        raise DesignError(f"The level is a probability between 0 and 1, not {level}.")
    if design.panel.unit is None:
        raise DesignError("A repeated cross-section does not follow units over time, so it has no effect of one unit.")
    labels = [str(label) for label in design.units]
    if str(unit) not in labels:
        raise DesignError(f"There is no unit {unit!r}. Nearest: {first_five(nearest(str(unit), labels))}.")
    i = labels.index(str(unit))
    comparison = Comparison.of(design)
    if np.isinf(comparison.cohort[i]):
        raise DesignError(
            f"Unit {unit!r} serves as comparison: it is not treated in the periods that can be compared, so it has no effect."
        )
    if comparison.cohort[i] not in comparison.cohorts:
        raise DesignError(
            f"Unit {unit!r} has no effect to estimate: it is treated from {design.cohort[i]:g} on, and effects exist for cohorts "
            f"{first_five(comparison.cohorts)}."
        )
    return comparison, i


def _ranked(path: pd.DataFrame, placebo: Array, told: Array, level: float) -> tuple[pd.DataFrame, Notice | None]:
    """Return the path with ranks and intervals from the (J, T) gaps of comparison units, or without them and the reason."""
    J, gap = len(placebo), path["effect"].to_numpy()
    rank = int(np.ceil(level * (J + 1)))
    if rank > J:
        needed = int(np.ceil(1 / (1 - level))) - 1
        refusal = Notice("TOO_FEW_COMPARISONS", {"units": J, "smallest_p": round(1 / (J + 1), 3), "needed": needed})
        return path.assign(p_value=np.nan, conf_low=np.nan, conf_high=np.nan), refusal
    size = np.sort(np.abs(placebo), axis=0)[rank - 1]
    p_value = (1 + (np.abs(placebo) >= np.abs(gap) - 1e-12).sum(axis=0)) / (J + 1)
    return path.assign(p_value=np.where(told, p_value, np.nan), conf_low=gap - size, conf_high=gap + size), None


def _changes(design: Design, columns: list[int], base: int) -> Array:
    """Return (N, T) changes of the outcome since the base period."""
    Y = design.wide(design.y)
    return np.asarray(Y[:, columns] - Y[:, [base]])


def _covariates(design: Design, base: int) -> Array:
    """Return (N, 1 + K) covariates in the base period after a column of ones."""
    columns = [design.wide(np.ascontiguousarray(x))[:, base] for x in design.x.T]
    return np.column_stack([np.ones(len(design.units)), *columns])


def _gaps(changes: Array, x: Array, i: int, donors: Array) -> tuple[Array, Array]:
    """Return the unit's gaps (T,) and the leave-one-out gaps of the J comparison units (J, T)."""
    X, Y = x[donors], changes[donors]
    if len(X) <= X.shape[1]:
        raise DesignError(f"Only {len(X)} comparison units are seen in every period: too few to say what would have been expected.")
    inverse = np.linalg.pinv(X.T @ X)
    beta = inverse @ X.T @ Y
    leverage = np.einsum("jk,kl,jl->j", X, inverse, X)
    return changes[i] - x[i] @ beta, (Y - X @ beta) / (1 - leverage)[:, None]
