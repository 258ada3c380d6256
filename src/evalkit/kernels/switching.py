"""Differences of differences around first changes of treatment: DID_l of de Chaisemartin & D'Haultfoeuille (2024), section 3.

Letters of the paper: D_{g,t} treatment of unit g in period t, F_g its first period with another treatment than D_{g,1}, S_g whether it
rises (+1) or falls (-1) then, and DID_l the difference of differences l periods into the new treatment, between units that changed and
units of the same D_{g,1} that have not changed yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rows = slice | Array


class Unvaried(Exception):
    """Covariates that do not vary (or are collinear) among the changes of units that could be compared."""


@dataclass(frozen=True)
class Change:
    """Units lo to hi of one class, which first change in period ``at``."""

    group: int
    at: int
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class Paths:
    """Units sorted by class, date and dose of their first change, so that who is compared with whom are slices.

    Attributes
    ----------
    Y : (T, N) outcome, NaN where not seen; W : (T, N) weights or None
    F : (N,) position of the first period with another treatment, T for units that never change
    S : (N,) +1 where treatment rises, -1 where it falls, 0 where it never changes
    cohort : (N,) codes of units with one class, date and new dose
    ends : (C + 1,) where each class begins, and N
    cluster : (N,) whose number is counted in cells, or None for units
    only_never : whether only units that never change are compared with
    complete : whether every unit is seen in every period
    changes : the dates of change of every class
    """

    Y: Array
    W: Array | None
    F: Array
    S: Array
    cohort: Array
    ends: Array
    cluster: Array | None = None
    only_never: bool = False
    complete: bool = False
    changes: tuple[Change, ...] = field(default=())

    @property
    def T(self) -> int:
        """Number of periods."""
        return len(self.Y)

    def outcome(self, Y: Array) -> Paths:
        """Return the same units with another (T, N) outcome."""
        return replace(self, Y=Y)

    def later(self, group: int, t: int) -> slice:
        """Return the units of a class that have not changed by period t."""
        lo, hi = self.ends[group], self.ends[group + 1]
        since = self.T - 1 if self.only_never else t
        return slice(lo + int(np.searchsorted(self.F[lo:hi], since, side="right")), hi)

    def count(self, rows: Array) -> int:
        """Return how many units, or clusters, some units are."""
        return len(rows) if self.cluster is None else len(np.unique(self.cluster[rows]))

    def counts(self, rows: Array, code: Array) -> Array:
        """Return how many units, or clusters, stand behind each of the codes of some units."""
        if self.cluster is None:
            return np.bincount(code)
        pairs = np.unique(code * (int(self.cluster.max()) + 1) + self.cluster[rows])
        return np.bincount(pairs // (int(self.cluster.max()) + 1))


def sort_paths(group: Array, F: Array, dose: Array) -> tuple[Array, Array, Array, tuple[Change, ...]]:
    """Return the (N,) order of units by class, date and new dose, their cohorts, the ends of classes and the changes.

    Parameters
    ----------
    group : (N,) codes of classes, 0 to C - 1; F : (N,) position of the first change; dose : (N,) treatment after it
    """
    order = np.lexsort((dose, F, group))
    c, f, d = group[order], F[order], dose[order]
    new_date = np.r_[True, (np.diff(c) != 0) | (np.diff(f) != 0)]
    cohort = np.cumsum(new_date | np.r_[True, np.diff(d) != 0]) - 1
    starts = np.flatnonzero(new_date)
    stops = np.r_[starts[1:], len(c)]
    changes = tuple(Change(int(c[lo]), int(f[lo]), int(lo), int(hi)) for lo, hi in zip(starts, stops, strict=True))
    ends = np.searchsorted(c, np.arange(int(group.max()) + 2))
    return order, cohort, ends, changes


@dataclass(frozen=True, eq=False)
class Difference:
    """DID_l, and what stands behind it.

    Attributes
    ----------
    theta : the estimate; N : the weight of the units that changed
    contributions : (N,) with theta_hat - theta close to their sum
    switchers, w : (m,) units that changed and their weights
    alone : (a,) units that changed while nobody of their class was left to compare with
    by_class : (C,) parts of theta
    """

    theta: float
    N: float
    contributions: Array
    switchers: Array
    w: Array
    alone: Array
    by_class: Array


def difference(
    paths: Paths, ell: int, placebo: bool = False, chosen: Array | None = None, spread: str = "population", influence: bool = True
) -> Difference:
    """Return DID_l for l = ``ell``, or the placebo that mirrors it over the l periods before the change.

    Parameters
    ----------
    chosen : (N,) which units count as changing, or None for all
    spread : "population" lets the paths of treatment vary as if units were sampled; "sample" takes them as given, so that changes
        are measured from their cohort's mean (U^var of the paper's web appendix); "adjusted" is that with the n/(n - 1) of R's package
    """
    size = paths.Y.shape[1]
    total, N, by_class = 0.0, 0.0, np.zeros(len(paths.ends) - 1)
    psi = np.zeros(size if influence else 0)
    used: list[Array] = []
    weights: list[Array] = []
    alone: list[Array] = []
    for change in paths.changes:
        t = change.at + ell - 1
        if t >= paths.T or change.at == 0 or (placebo and t < 2 * ell):
            continue
        movers, others = _compared(paths, change, ell, placebo, chosen)
        if len(movers) == 0:
            continue
        if _length(others) == 0:
            alone.append(movers)
            continue
        end, base = paths.Y[t - 2 * ell if placebo else t], paths.Y[t - ell]
        w_m, w_o = _weights(paths, t, movers), _weights(paths, t, others)
        dy_m, dy_o = end[movers] - base[movers], end[others] - base[others]
        mean = _mean(dy_o, w_o)
        part = float((paths.S[movers] * w_m * (dy_m - mean)).sum())
        total, N = total + part, N + float(w_m.sum())
        by_class[change.group] += part
        if influence:
            _spread(paths, psi, spread, movers, others, dy_m, dy_o, w_m, w_o, mean)
        used.append(movers)
        weights.append(w_m)
    switchers, w = _joined(used, int), _joined(weights, float)
    if N == 0:
        return Difference(np.nan, 0.0, psi, switchers, w, _joined(alone, int), by_class)
    theta = total / N
    if influence and spread == "population":
        psi[switchers] -= w * theta  # the influence of the weights with which dates and classes count
    return Difference(theta, N, psi / N, switchers, w, _joined(alone, int), by_class / N)


def unbroken(paths: Paths, effects: int, placebos: int = 0) -> Array:
    """Return (N,) which units can be followed through all effects (and placebos), with somebody to compare with each time."""
    times = np.zeros(paths.Y.shape[1], dtype=int)
    for change in paths.changes:
        for ell, placebo in [(q, False) for q in range(1, effects + 1)] + [(q, True) for q in range(1, placebos + 1)]:
            t = change.at + ell - 1
            if t >= paths.T or change.at == 0 or (placebo and t < 2 * ell):
                continue
            movers, others = _compared(paths, change, ell, placebo, None)
            if _length(others):
                times[movers] += 1
    return np.asarray(times == effects + placebos)


def _compared(paths: Paths, change: Change, ell: int, placebo: bool, chosen: Array | None) -> tuple[Array, Rows]:
    """Return the units that changed and those not yet changed that are seen in all periods of a comparison."""
    t = change.at + ell - 1
    movers = np.arange(change.lo, change.hi)
    if chosen is not None:
        movers = movers[chosen[movers]]
    later = paths.later(change.group, t)
    others: Rows = later
    if not paths.complete:
        needed = [t, t - ell, t - 2 * ell] if placebo else [t, t - ell]
        movers = movers[_seen(paths, needed, movers)]
        others = later.start + np.flatnonzero(_seen(paths, needed, later))
    return movers[paths.S[movers] != 0], others


def _seen(paths: Paths, periods: list[int], rows: Rows) -> Array:
    seen = ~np.isnan(paths.Y[periods[0], rows])
    for t in periods[1:]:
        seen &= ~np.isnan(paths.Y[t, rows])
    return np.asarray(seen)


def _weights(paths: Paths, t: int, rows: Rows) -> Array:
    return np.ones(_length(rows)) if paths.W is None else paths.W[t, rows]


def _length(rows: Rows) -> int:
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def _mean(values: Array, w: Array) -> float:
    return float(w @ values / w.sum())


def _joined(parts: list[Array], kind: type) -> Array:
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


def _spread(
    paths: Paths,
    psi: Array,
    spread: str,
    movers: Array,
    others: Rows,
    dy_m: Array,
    dy_o: Array,
    w_m: Array,
    w_o: Array,
    mean: float,
) -> None:
    """Add N times the contributions of one comparison to psi, rises and falls one after the other."""
    total = w_o.sum()
    for sign in (-1.0, 1.0):
        part = paths.S[movers] == sign
        if not part.any():
            continue
        who, dy, w = movers[part], dy_m[part], w_m[part]
        share = sign * w.sum() / total
        if spread == "population":
            psi[who] += sign * w * (dy - mean)
            psi[others] -= share * (w_o * (dy_o - mean))
            continue
        if spread == "sample":
            psi[who] += sign * w * (dy - _cohort_means(paths.cohort[who], dy, w))
            psi[others] -= share * (w_o * (dy_o - mean))
            continue
        _adjusted(paths, psi, who, others, dy, dy_o, w, w_o, sign, share)


def _cohort_means(cohort: Array, dy: Array, w: Array) -> Array:
    """Return (m,) the mean change of each unit's cohort."""
    _, code = np.unique(cohort, return_inverse=True)
    return np.asarray((np.bincount(code, w * dy) / np.bincount(code, w))[code])


def _adjusted(
    paths: Paths, psi: Array, who: Array, others: Rows, dy: Array, dy_o: Array, w: Array, w_o: Array, sign: float, share: float
) -> None:
    """Add the contributions of R's package: sqrt(n/(n - 1)) in every cell, cells of one joined with those compared with."""
    rest = np.arange(others.start, others.stop) if isinstance(others, slice) else others
    together = paths.count(np.r_[who, rest])
    joint = (_mean(np.r_[dy, dy_o], np.r_[w, w_o]), _inflation(together)) if together >= 2 else (0.0, 1.0)
    _, code = np.unique(paths.cohort[who], return_inverse=True)
    n = paths.counts(who, code)
    several, factors = n >= 2, np.sqrt(n / np.maximum(n - 1, 1))
    own = np.bincount(code, w * dy) / np.bincount(code, w)
    centre, factor = np.where(several, own, joint[0])[code], np.where(several, factors, joint[1])[code]
    psi[who] += sign * w * factor * (dy - centre)
    compared = paths.count(rest)
    middle, inflation = (_mean(dy_o, w_o), _inflation(compared)) if compared >= 2 else joint
    psi[others] -= share * inflation * (w_o * (dy_o - middle))


def _inflation(n: int) -> float:
    return float(np.sqrt(n / (n - 1)))


def slopes(paths: Paths, X: Array, level: Array, adjusted: bool = False) -> tuple[Array, Array]:
    """Return the slopes theta_d of changes in covariates among units not yet changed, and each unit's influence on its own theta_d.

    Parameters
    ----------
    X : (K, T, N) covariates; level : (C,) which classes share a treatment at the start, and so a slope

    Returns
    -------
    (L, K) slopes by level, NaN for levels where nobody changes; (N, K) contributions of units

    Notes
    -----
    Section 1.2 of the paper's web appendix: changes from one period to the next, weighted, net of the mean of class and period.
    """
    K, T, size = X.shape
    levels = int(level.max()) + 1
    moments, products = np.zeros((levels, K, K)), np.zeros((levels, K))
    cells = []
    for group in range(len(paths.ends) - 1):
        lo, hi = int(paths.ends[group]), int(paths.ends[group + 1])
        for t in range(1, T):
            start = lo + int(np.searchsorted(paths.F[lo:hi], t, side="right"))
            rows = np.arange(start, hi)
            dy, dx = paths.Y[t, start:hi] - paths.Y[t - 1, start:hi], X[:, t, start:hi] - X[:, t - 1, start:hi]
            seen = ~np.isnan(dy)
            if not seen.any():
                continue
            rows, dy, dx = rows[seen], dy[seen], dx[:, seen]
            w = _weights(paths, t, rows)
            dx = dx - ((dx @ w) / w.sum())[:, None]
            moments[level[group]] += (w * dx) @ dx.T
            products[level[group]] += (w * dx) @ dy
            cells.append((level[group], rows, dy, dx, w))
    theta, inverse = _solved(paths, moments, products, level, X)
    contributions = np.zeros((size, K))
    for d, rows, dy, dx, w in cells:
        residual = dy - _mean(dy, w) - theta[d] @ dx
        factor = _inflation(len(rows)) if adjusted and len(rows) > 1 else 1.0
        contributions[rows] += factor * ((w * residual * dx).T @ inverse[d])
    return theta, contributions


def _solved(paths: Paths, moments: Array, products: Array, level: Array, X: Array) -> tuple[Array, Array]:
    """Return (L, K) slopes and (L, K, K) inverses, zeros for levels in which nobody changes."""
    theta, inverse = np.zeros_like(products), np.zeros_like(moments)
    moved = {int(level[change.group]) for change in paths.changes if 0 < change.at < paths.T}
    scale = np.nanmax(np.abs(X), axis=(1, 2), initial=0.0)
    for d in moved:
        size = np.sqrt(np.diag(moments[d]))
        if (size <= 1e-9 * scale).any():
            raise Unvaried
        correlation = moments[d] / np.outer(size, size)
        if np.linalg.eigvalsh(correlation)[0] < 1e-10:
            raise Unvaried
        inverse[d] = np.linalg.inv(correlation) / np.outer(size, size)
        theta[d] = inverse[d] @ products[d]
    return theta, inverse
