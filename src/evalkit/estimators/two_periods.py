"""Two groups compared in two periods: the tables and the choice of method that estimators of group-time effects share."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.kernels import doubly_robust as dr

Array = np.ndarray[Any, Any]

METHODS = ("dr", "ipw", "reg")


class Tables:
    """A design's outcomes, covariates and weights by period and unit, for changes of units seen in two periods.

    Attributes
    ----------
    Y : (T, N) outcome, not a number where a unit is not seen; X : K of the same, covariates; w : the same of weights, or None
    position : row of each period
    fixed : whether covariates are the same in every period and nothing is missing or weighted, so that propensities serve all periods
    """

    def __init__(self, design: Design) -> None:
        self.position = {int(p): i for i, p in enumerate(design.periods)}
        self.Y = np.ascontiguousarray(design.wide(design.y).T)
        self.X = [np.ascontiguousarray(design.wide(np.ascontiguousarray(x)).T) for x in design.x.T]
        self.w = None if design.w is None else np.ascontiguousarray(design.wide(design.w).T)
        self.fixed = design.balanced and design.w is None and all((x == x[0]).all() for x in self.X)

    def change(self, time: int, base: int) -> tuple[Array, int]:
        """Return (N,) changes of the outcome and the row of the earlier period, in which weights and covariates are read."""
        t, b = self.position[time], self.position[base]
        return self.Y[t] - self.Y[b], min(t, b)

    def weights(self, earlier: int, units: Array) -> Array:
        """Return the weights of some units, ones without any."""
        return np.ones(len(units)) if self.w is None else np.asarray(self.w[earlier][units])

    def covariates(self, earlier: int, units: Array) -> Array:
        """Return (n, 1 + K) the covariates of some units after a column of ones."""
        return np.column_stack([np.ones(len(units)), *(x[earlier][units] for x in self.X)])


def adjusted(method: str, dy: Array, D: Array, X: Array, w: Array, score: dr.Propensity | None = None) -> tuple[float, Array]:
    """Return the difference of two groups' changes given covariates, and its influence; the propensity is fitted unless given."""
    if method == "reg":
        return dr.outcome_regression(dy, D, X, w)
    score = dr.propensity(D, X, w) if score is None else score
    if method == "ipw":
        return dr.inverse_probability(dy, D, w, X, score)
    return dr.doubly_robust(dy, D, X, w, score)


def adjusted_cross_section(method: str, y: Array, post: Array, D: Array, X: Array, w: Array) -> tuple[float, Array]:
    """Return the same from rows of two periods as if households were different."""
    if method == "reg":
        return dr.outcome_regression_cross_section(y, post, D, X, w)
    combine = dr.inverse_probability_cross_section if method == "ipw" else dr.doubly_robust_cross_section
    return combine(y, post, D, X, w, dr.propensity(D, X, w))
