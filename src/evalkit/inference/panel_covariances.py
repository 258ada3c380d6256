"""Covariances of panel regressions: by groups with adjusted residuals, heteroskedastic, and panel-corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate, Facts, sum_within
from evalkit.inference.dependence import Dependence, Summed, adjusted, multipliers_of, period_codes, unit_and_period

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class OfRegression(Dependence):
    """A covariance made of a regression's columns and residuals; nothing is multiplied to it unless a correction is said."""

    def standard(self, facts: Facts) -> str:
        """Return the correction that applies when none is said: none."""
        return "none"


@dataclass(frozen=True, eq=False)
class Arellano(OfRegression):
    """Clusters by unit or period with adjusted residuals (Arellano 1987; R's plm ``vcovHC``, method arellano).

    Parameters
    ----------
    residuals : "HC0" to "HC4", see :class:`DriscollKraay`
    by : "unit" or "period"
    unit, period : see :class:`Dependence`

    Notes
    -----
    HC1 to HC4 treat the residuals of single rows, with single rows' leverages, which is not the cluster leverage of CR2 or CR3: they
    are here because others report them. HC0 is ``cluster=`` the unit with ``correction="none"``; plm's "sss" is
    ``SmallSample("slopes")``. Leverages are those of the columns that are left once unit effects are absorbed (dummies of periods
    among them, which plm demeans away too). t has G - 1 degrees of freedom.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.inference.panel_covariances import Arellano
    >>> estimate = ek.TwoWay()(ek.example_design())
    >>> bool(Arellano("HC3").covariance(estimate).std_error[0] > Arellano("HC0").covariance(estimate).std_error[0])
    True
    """

    residuals: str = "HC0"
    by: str = "unit"

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.by} ({self.residuals})"

    def summed(self, estimate: Estimate) -> Summed:
        """Return the covariance of an estimate before any small-sample factor."""
        fit, multipliers = multipliers_of(estimate, "Arellano's covariances")
        group = group_codes(fit.columns.keys, self.by, self.unit, self.period)
        groups = int(group.max()) + 1
        sums = sum_within(multipliers * adjusted(fit, estimate.facts, self.residuals)[:, None], group, groups)
        return Summed(sums.T @ sums, groups, False)


@dataclass(frozen=True, eq=False)
class White(OfRegression):
    """Independent errors of unequal variance: each row its own, or each unit (period) its own (White 1980, 1984).

    Parameters
    ----------
    residuals : "HC0" to "HC4", see :class:`DriscollKraay`
    common : None, each row its own variance (plm's white1); "unit" or "period", one within each (plm's white2)
    unit, period : see :class:`Dependence`

    Notes
    -----
    Errors of one unit are taken as independent over time, which they hardly ever are: a table for comparison with others. t has
    N - K degrees of freedom.
    """

    residuals: str = "HC0"
    common: str | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"rows ({self.residuals})" if self.common is None else f"rows, one variance a {self.common} ({self.residuals})"

    def summed(self, estimate: Estimate) -> Summed:
        """Return the covariance of an estimate before any small-sample factor."""
        fit, multipliers = multipliers_of(estimate, "White's covariances")
        squared = adjusted(fit, estimate.facts, self.residuals) ** 2
        if self.common is not None:
            group = group_codes(fit.columns.keys, self.common, self.unit, self.period)
            squared = (np.bincount(group, squared) / np.bincount(group))[group]
        return Summed(multipliers.T @ (multipliers * squared[:, None]), len(squared), True)


@dataclass(frozen=True, eq=False)
class BeckKatz(OfRegression):
    """Panel-corrected errors: each pair of units has one covariance, the same in all periods, periods independent (Beck & Katz 1995).

    Parameters
    ----------
    between : "units", one covariance for each pair of units (the paper; plm's ``vcovBK(cluster="time")``); or "periods", one for each
        pair of periods, the same in all units, units independent (plm's default, ``cluster="group"``)
    residuals : "HC0" to "HC4", see :class:`DriscollKraay`
    unit, period : see :class:`Dependence`

    Raises
    ------
    EstimateError
        For estimates that are no regression, and units with two rows in a period.

    Notes
    -----
    V = sum_t M_t' S M_t with S_ij the mean of e_it e_jt over the periods in which both are seen (pairwise, as plm), M_t (N, k) what
    errors are multiplied by. For units many and periods few S is of low rank and V poor: the paper's case is T >= N. S from pairs
    need not be positive semi-definite: negative eigenvalues of V are set to zero. No factor, and t with N - K degrees of freedom.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.inference.panel_covariances import BeckKatz
    >>> BeckKatz().covariance(ek.TwoWay()(ek.example_design())).correction
    'none'
    """

    between: str = "units"
    residuals: str = "HC0"

    def __post_init__(self) -> None:
        if self.between not in ("units", "periods"):
            raise EstimateError(unknown("side of panel-corrected errors", self.between, ("units", "periods")))

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"Beck-Katz (between {self.between})"

    def summed(self, estimate: Estimate) -> Summed:
        """Return the covariance of an estimate before any small-sample factor."""
        fit, multipliers = multipliers_of(estimate, "Panel-corrected (Beck-Katz) errors")
        unit, period = unit_and_period(fit.columns.keys, "Panel-corrected", self.unit, self.period)
        sides = (unit, period) if self.between == "units" else (period, unit)
        matrix = panel_corrected(multipliers, adjusted(fit, estimate.facts, self.residuals), *sides)
        return Summed(matrix, len(unit), True)


def group_codes(keys: pd.DataFrame, by: str, unit: str | None, period: str | None) -> Array:
    """Return (n,) codes of the units or periods of a regression's rows."""
    if by not in ("unit", "period"):
        raise EstimateError(unknown("group", by, ("unit", "period")))
    if by == "period":
        return period_codes(keys, "Grouped", period)
    name = str(keys.columns[1]) if unit is None else unit
    if name not in keys:
        raise EstimateError(unknown("column of the rows", name, list(keys.columns)))
    return np.asarray(pd.factorize(keys[name])[0])


def panel_corrected(multipliers: Array, residuals: Array, side: Array, repeat: Array) -> Array:
    """Return sum_t M_t' S M_t, S being the pairwise mean products of residuals.

    ``multipliers`` (n, k) and ``residuals`` (n,) are of rows with (n,) codes ``side``, between which errors are correlated, and
    ``repeat``, over which they are independent.
    """
    sides, repeats, k = int(side.max()) + 1, int(repeat.max()) + 1, multipliers.shape[1]
    E, seen, M = np.zeros((sides, repeats)), np.zeros((sides, repeats)), np.zeros((sides, repeats, k))
    E[side, repeat], seen[side, repeat], M[side, repeat] = residuals, 1.0, multipliers
    flat, total, width = M.reshape(sides, repeats * k), np.zeros((k, k)), 512
    for start in range(0, sides, width):
        block = slice(start, start + width)
        together = seen[block] @ seen.T
        S = E[block] @ E.T / np.maximum(together, 1)
        total += flat[block].reshape(-1, k).T @ (S @ flat).reshape(-1, k)
    return np.asarray((total + total.T) / 2)
