"""A two-way regression made ready once, and its estimates for other outcomes on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.estimate import Estimate

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A regression with unit and period effects whose outcome may change.

    Attributes
    ----------
    template : its estimate for some outcome, from the estimator itself
    design : the rows
    columns : (n, k) regressors as they stand
    shown : (j,) which of them are the parameters of the template that are no references; the others are taken out only
    """

    template: Estimate = field(repr=False)
    design: Design
    columns: Array = field(repr=False)
    shown: Array

    @cached_property
    def _periods(self) -> Array:
        """(T, T) pseudo-inverse of the cross-products of unit-demeaned period dummies."""
        design = self.design
        seen = np.zeros((len(design.units), len(design.periods)))
        seen[design.unit_index, design.period_index] = 1.0
        products = np.diag(seen.sum(axis=0)) - seen.T @ (seen / seen.sum(axis=1, keepdims=True))
        return np.asarray(np.linalg.pinv(products, hermitian=True))

    @cached_property
    def _count(self) -> Array:
        return np.bincount(self.design.unit_index)

    def residuals(self, columns: Array) -> Array:
        """Return (n, k) columns without unit and period effects (Frisch-Waugh)."""
        design = self.design

        def without_units(values: Array) -> Array:
            means = np.add.reduceat(values, design.first_rows, axis=0) / self._count[:, None]
            return np.asarray(values - means[design.unit_index])

        left = without_units(columns)
        sums = np.stack([np.bincount(design.period_index, column, len(design.periods)) for column in left.T], axis=1)
        return left - without_units((self._periods @ sums)[design.period_index])

    @cached_property
    def _regressors(self) -> tuple[Array, Array]:
        """(n, k) regressors without effects, and the inverse of their cross-products."""
        x = self.residuals(self.columns)
        return x, np.linalg.inv(x.T @ x)

    def __call__(self, y: Array) -> Estimate:
        """Return the estimate for another outcome (n,); what only the estimator knows of the regression is not carried along."""
        x, bread = self._regressors
        left = self.residuals(y[:, None])
        beta = bread @ (x.T @ left)
        moved = np.flatnonzero(~self.template.cells["reference"].to_numpy(dtype=bool))
        theta, contributions = np.zeros(len(self.template.theta)), np.zeros((len(y), len(self.template.theta)))
        theta[moved] = beta[self.shown, 0]
        contributions[:, moved] = (x * (left - x @ beta)) @ bread[:, self.shown]
        facts = replace(self.template.facts, bread=None, residual_sum=None, regression=None)
        return replace(self.template, theta=theta, psi=self.design.psi_from_observations(contributions), facts=facts)


def event_columns(path: Estimate, design: Design) -> Array:
    """Return (n, k) event-time dummies of the parameters of a path that are no references."""
    cells = path.cells
    times = cells.loc[~cells["reference"].to_numpy(dtype=bool), "event_time"].to_numpy(dtype=float)
    event = design.periods[design.period_index] - design.cohort[design.unit_index]
    return np.asarray(event[:, None] == times, dtype=float)
