"""The weights with which an estimate adds up outcomes, and the error that follows from them before outcomes are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.estimate import Estimate, sum_within
from evalkit.inference.known import known_weights
from evalkit.inference.simulated_power import Noise, with_outcome

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]

MOST_PROBES = 5_000
LINEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Spread:
    """The variance of an estimate by cluster, and what is left when units or clusters become more.

    Attributes
    ----------
    own, shared : (G,) each cluster's part of the variance: units' own noise, and shocks they share
    treated, untreated : (G,) whether a cluster has units that are ever treated, and units that are not (or not yet, where all are)
    """

    own: Array
    shared: Array
    treated: Array
    untreated: Array

    def std_error(self, clusters: float = 1.0, units: float = 1.0) -> float:
        """Return the standard error with so many times the clusters, and so many times the units in each."""
        return float(np.sqrt((self.own / units + self.shared).sum() / clusters))

    def degrees(self, clusters: float = 1.0, units: float = 1.0) -> float:
        """Return Satterthwaite's degrees of freedom; nought when all units of a side lie in a single cluster.

        Clusters with treated units are one group and the others another. A single cluster without treated units is counted with those that
        have units of both sides.
        """
        if clusters * min(self.treated.sum(), self.untreated.sum()) - 1 < 1e-9:
            return 0.0
        part, count, sides = [], [], [self.treated, ~self.treated]
        if (~self.treated).sum() == 1 < self.untreated.sum():
            sides = [np.full(len(self.own), True)]
        for side in sides:
            v = (self.own / units + self.shared)[side]
            if v.sum() > 1e-12 * (self.own + self.shared).sum():
                part.append(v.sum())
                count.append(clusters * v.sum() ** 2 / (v**2).sum() - 1)
        if not part:  # endlessly many units without shared shocks: nothing varies any more
            return np.inf
        if min(count) < 1e-9:
            return 0.0
        return float(sum(part) ** 2 / sum(p**2 / c for p, c in zip(part, count, strict=True)))

    def detectable(self, power: float, level: float, clusters: float = 1.0, units: float = 1.0) -> float:
        """Return the smallest detectable effect: (t_{1 - level/2} + t_{power}) standard errors."""
        if not self.std_error(clusters, units) > 0:
            return 0.0
        degrees = self.degrees(clusters, units)
        if degrees < 0.1:
            return np.inf
        quantiles = special.stdtrit(degrees, 1 - level / 2) + special.stdtrit(degrees, power)
        return float(quantiles * self.std_error(clusters, units))


def spread_of(design: Design, weights: Array, noise: Noise, codes: Array) -> Spread:
    """Return the variance of a weighted sum of outcomes under a working model of noise.

    Parameters
    ----------
    weights : (n,) of the design's rows
    codes : (N,) the units' clusters, within which shocks are shared
    """
    c = np.nan_to_num(design.wide(weights))
    own, shared = noise.matrices(design.periods)
    groups = int(codes.max()) + 1
    together, ever = sum_within(c, codes, groups), np.isfinite(design.cohort)
    return Spread(
        np.bincount(codes, ((c @ own) * c).sum(axis=1), groups),
        ((together @ shared) * together).sum(axis=1),
        np.bincount(codes, ever, groups) > 0,
        np.bincount(codes, ~ever if not ever.all() else ever, groups) > 0,
    )


def row_weights(design: Design, estimator: Estimator) -> Array:
    """Return (n,) weights c with which an estimate adds up outcomes, theta = c'y; both are held beside each other on one outcome.

    Raises DesignError when the estimate is not such a sum, or rows are missing in too many different ways.
    """
    known = known_weights(estimator, design)
    c = _probed(design, estimator) if known is None else known[design.unit_index, design.period_index]
    probe = np.sin(1.7 * np.arange(design.observations)) + 0.3 * np.cos(0.9 * design.period_index)
    found = float(estimator(with_outcome(design, probe)).theta[0])
    if not abs(found - c @ probe) <= LINEAR * max(1.0, float(np.abs(c).sum())):
        raise DesignError(
            "The estimate is not a weighted sum of outcomes in which units of one cohort count alike, so its error is not known before the "
            "data are. Use an estimator that is linear in the outcome, such as GroupTime() or TwoWay(), without weights that vary over time."
        )
    return c


def _probed(design: Design, estimator: Estimator) -> Array:
    """Return (n,) weights from one estimation for each way of being treated and each period."""
    member = _alike(design)
    T, w = len(design.periods), np.ones(design.observations) if design.w is None else design.w
    cell = member[design.unit_index] * T + design.period_index
    total = np.bincount(cell, w)
    there = np.flatnonzero(total)
    if len(there) > MOST_PROBES:
        raise DesignError(
            f"Units differ in {int(member.max()) + 1:,} ways in when they are seen and treated, too many to weigh one by one. Use "
            "Design(..., unbalanced='drop_units')."
        )
    c = np.zeros(design.observations)
    try:
        for one in there:
            rows = cell == one
            c[rows] = float(estimator(with_outcome(design, rows.astype(float))).theta[0]) * w[rows] / total[one]
    except DesignError as reason:
        estimator(
            with_outcome(design, 10 + np.sin(1.7 * np.arange(design.observations)))
        )  # refuses too when the design is at fault
        raise DesignError(
            "The estimator takes only some outcomes, so it is no weighted sum of them and its error is not known before the data are. Use "
            f"one that is linear in the outcome, such as GroupTime() or TwoWay(). It says: {reason}"
        ) from reason
    return c


def _alike(design: Design) -> Array:
    """Return (N,) which units are treated and seen alike, and so have equal weights."""
    seen = np.zeros((len(design.units), len(design.periods)))
    seen[design.unit_index, design.period_index] = 1.0
    keys = [np.where(np.isinf(design.cohort), -1.0, design.cohort)[:, None], seen]
    if design.rollout.intensity is not None:
        intensity = np.zeros_like(seen)
        intensity[design.unit_index, design.period_index] = design.intensity
        keys.append(intensity)
    return np.asarray(np.unique(np.hstack(keys), axis=0, return_inverse=True)[1]).ravel()
