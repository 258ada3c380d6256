r"""Changes since a base period, compared within starts: stacked differences and local projections.

One regression serves both: a change ``u`` on the switch ``D`` with an effect of every start ``a`` (a period in which units start),
in which a unit stands once with the treated and as often with the clean as it is clean. Its rows are never laid out. Within a start
there are two groups, ``treated`` and ``clean``, and with regression weights ``q1`` and ``q0`` for their rows

- ``p_a = q1 W1 / (q1 W1 + q0 W0)``, where ``W1`` and ``W0`` are the groups' sums of sampling weights
- ``omega_a = q1 W1 (1 - p_a)``
- ``theta = sum_a omega_a (m1_a - m0_a) / sum_a omega_a``, a weighted mean of the starts' differences of mean changes (``m1``, ``m0``)
- the residual of a treated row is ``(u - m1) + (1 - p_a)(m1 - m0 - theta)``, of a clean row ``(u - m0) - p_a (m1 - m0 - theta)``.

Units lie in order of their cohorts, so that a cohort and all that start later are slices of arrays, never masks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ordered:
    """A panel whose units lie in order of their cohorts.

    Attributes
    ----------
    order : (N,) position of each unit in the panel it was made from
    cohort : (N,) ascending, inf for never treated
    Y : (T, N) outcome, NaN where not seen
    w : (T, N) weights, NaN where not seen, or None
    X : (T, N, K) covariates, or None
    whole : whether every unit is seen in every period
    ones : (N,) weights of units where there are none
    """

    order: Array
    cohort: Array
    Y: Array
    w: Array | None
    X: Array | None
    whole: bool
    ones: Array

    def base(self, positions: Array) -> Array:
        """Return the (N,) mean outcome of some periods; NaN where a unit is not seen in one of them."""
        return np.asarray(self.Y[positions[0]] if len(positions) == 1 else self.Y[positions].mean(axis=0))

    def starting(self, cohort: float) -> slice:
        """Return the units of one cohort."""
        return slice(bisect_left(self.cohort, cohort), bisect_right(self.cohort, cohort))

    def later(self, period: float) -> slice:
        """Return the units whose cohort is later than a period; with inf the never treated."""
        first = (bisect_left if isinf(period) else bisect_right)(self.cohort, period)
        return slice(first, len(self.cohort))


def ordered(cohort: Array, keep: Array, Y: Array, w: Array | None, X: Sequence[Array]) -> Ordered:
    """Return the units to keep (N,) of (N, T) arrays in order of their cohorts (N,)."""
    order = np.argsort(cohort, kind="stable")
    order = order[keep[order]]

    def turned(values: Array) -> Array:
        return np.ascontiguousarray(values[order].T)

    stacked = np.stack([turned(x) for x in X], axis=2) if X else None
    lying = turned(Y)
    whole = not np.isnan(lying).any()
    return Ordered(order, cohort[order], lying, None if w is None else turned(w), stacked, whole, np.ones(len(order)))


@dataclass(frozen=True)
class Group:
    """The treated or the clean of one start: where they lie, changes (n,), weights (n,) and covariates (n, K) or None.

    Rows that are not seen weigh nothing, and are zero.
    """

    place: slice
    u: Array
    w: Array
    X: Array | None
    total: float

    @property
    def mean(self) -> float:
        """Weighted mean of the changes."""
        return float(self.w @ self.u) / self.total

    @property
    def mean_X(self) -> Array:
        """(K,) weighted means of the covariates."""
        assert self.X is not None
        return np.asarray(self.w @ self.X / self.total)

    @property
    def seen(self) -> int:
        """How many units stand in it."""
        return int(np.count_nonzero(self.w))


@dataclass(frozen=True)
class Start:
    """The two groups of one start. Either may be empty where covariates are fitted on more starts than have both."""

    treated: Group
    clean: Group

    @property
    def both(self) -> bool:
        """Whether there is somebody in both groups."""
        return self.treated.total > 0 and self.clean.total > 0


def group(panel: Ordered, place: slice, period: int, base: Array, weighed: int, at: int) -> Group:
    """Return a group's changes from a base (N,) to a period, with weights and covariates read in the periods ``weighed`` and ``at``."""
    u = panel.Y[period, place] - base[place]
    w = panel.ones[place] if panel.w is None else panel.w[weighed, place]
    X = None if panel.X is None else panel.X[at, place]
    if not panel.whole:
        unseen = np.isnan(u) if X is None else np.isnan(u) | np.isnan(X).any(axis=1)
        u, w = np.where(unseen, 0.0, u), np.where(unseen, 0.0, w)
        X = None if X is None else np.where(unseen[:, None], 0.0, X)
    known = panel.w is None and panel.whole
    return Group(place, u, w, X, float(len(u)) if known else float(w.sum()))


Weights = Callable[[Array, Array], tuple[Array, Array]]  # (S,) sums of weights of treated and clean -> (S,) q1 and q0


def alike(W1: Array, W0: Array) -> tuple[Array, Array]:
    """Weigh all rows alike: starts count by the variance of the switch within them, W1 W0 / (W1 + W0)."""
    return np.ones_like(W1), np.ones_like(W0)


def by_treated(W1: Array, W0: Array) -> tuple[Array, Array]:
    """Weigh rows by the inverse of their start's share of clean units, so that starts count by their treated (Dube et al. 2025)."""
    q = (W1 + W0) / W0
    return q, q


def corrective(W1: Array, W0: Array) -> tuple[Array, Array]:
    """Weigh clean rows so that their starts count as those of the treated do (Wing et al. 2024, Q): (W1/sum W1)/(W0/sum W0)."""
    return np.ones_like(W1), (W1 / W1.sum()) / (W0 / W0.sum())


def pooled(starts: Sequence[Start], weights: Weights, count: int) -> tuple[float, Array]:
    """Return theta and the contributions (count,) of units to its error, all starts having both groups."""
    W1, W0 = (np.array([getattr(s, name).total for s in starts]) for name in ("treated", "clean"))
    m1, m0 = (np.array([getattr(s, name).mean for s in starts]) for name in ("treated", "clean"))
    q1, q0 = weights(W1, W0)
    p = q1 * W1 / (q1 * W1 + q0 * W0)
    omega = q1 * W1 * (1 - p)
    gap = m1 - m0
    theta = float(omega @ gap / omega.sum())
    off = gap - theta
    out = np.zeros(count)
    of_treated = zip(starts, m1 - (1 - p) * off, q1 * (1 - p) / omega.sum(), strict=True)
    of_clean = zip(starts, m0 + p * off, -q0 * p / omega.sum(), strict=True)
    for start, centre, rate in of_treated:
        _add(out, start.treated, start.treated.u - centre, rate)
    for start, centre, rate in of_clean:
        _add(out, start.clean, start.clean.u - centre, rate)
    return theta, out


def _add(out: Array, members: Group, residual: Array, rate: float) -> None:
    """Add rate x weight x residual to the contributions of a group. ``residual`` is the caller's own and is used up."""
    residual *= rate
    residual *= members.w
    out[members.place] += residual
