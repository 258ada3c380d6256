"""Tests of moment inequalities with nuisance parameters: conditional and hybrid, and the confidence sets they give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from evalkit.errors import EstimateError
from evalkit.inference.fixed_length import FixedLength

Array = np.ndarray[Any, Any]

DRAWS, SEED = 20_000, 20_230  # of the least favourable critical value; fixed, so that a bound is a function of its inputs
MOST_RAYS, FEW_RAYS = 6_000, 200


def extreme_rays(matrix: Array) -> Array:
    """Return (r, m) extreme rays of {gamma >= 0 : matrix' gamma = 0}, each with largest entry one.

    Parameters
    ----------
    matrix : (m, k)

    Raises
    ------
    EstimateError
        When there are too many of them.

    Notes
    -----
    The double description method: start from the axes, add one equation at a time, and combine neighbouring rays on its two sides.

    Examples
    --------
    >>> import numpy as np
    >>> from evalkit.inference.moment_inequalities import extreme_rays
    >>> extreme_rays(np.array([[1.0], [-1.0], [0.0]])).tolist()
    [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    return _extreme_rays(np.ascontiguousarray(matrix, float).tobytes(), *matrix.shape)


@lru_cache(maxsize=64)
def _extreme_rays(content: bytes, m: int, k: int) -> Array:
    matrix, rays = np.frombuffer(content).reshape(m, k), np.eye(m)
    for j in range(k):
        value = rays @ matrix[:, j]
        value[np.abs(value) < 1e-9 * np.abs(matrix[:, j]).max(initial=1.0)] = 0.0
        up, down = np.flatnonzero(value > 0), np.flatnonzero(value < 0)
        if len(up) * len(down) > 100 * MOST_RAYS:
            raise _too_many(m)
        pairs = np.stack(np.meshgrid(up, down, indexing="ij"), axis=-1).reshape(-1, 2)
        one, other = (pairs[_neighbours(rays > 0, pairs, j + 2)]).T
        between = rays[one] * -value[other][:, None] + rays[other] * value[one][:, None]
        rays = np.vstack([rays[value == 0], between / between.max(axis=1, keepdims=True, initial=1e-300)])
        rays[rays < 1e-12] = 0.0
        if len(rays) > MOST_RAYS:
            raise _too_many(m)
    rays.setflags(write=False)
    return rays


def _neighbours(support: Array, pairs: Array, most: int) -> Array:
    """Return which pairs of rays are adjacent: no third ray's support lies inside the union of theirs."""
    keep = np.zeros(len(pairs), dtype=bool)
    for chunk in range(0, len(pairs), 4096):
        part = pairs[chunk : chunk + 4096]
        union = support[part[:, 0]] | support[part[:, 1]]
        small = union.sum(axis=1) <= most
        outside = support.astype(np.float32) @ (~union[small]).T.astype(np.float32)
        keep[chunk : chunk + len(part)][small] = (outside == 0).sum(axis=0) == 2
    return keep


def _too_many(m: int) -> EstimateError:
    return EstimateError(
        f"The {m} inequalities of this restriction have too many corners to go through. Use fewer event times "
        "(aggregate(..., last=)) or leave sign= and monotone= out."
    )


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments that are at most zero on average if the target is theta: value - theta * slope, jointly normal.

    Attributes
    ----------
    value, slope : (r,)
    exposure : (r, p) root of their covariance, which is exposure exposure'
    critical : the least favourable critical value of their maximum, infinite without that first stage
    fixed : estimate (at the data), and (r,) covariances with the moments, of a fixed-length first stage; None without
    half_length : of that first stage
    size : of the conditional test that follows
    """

    value: Array
    slope: Array
    exposure: Array
    critical: float
    fixed: tuple[float, Array] | None
    half_length: float
    size: float

    def accepted(self, theta: Array) -> Array:
        """Return (n,) whether the test does not reject these values of the target."""
        Y = self.value - np.multiply.outer(theta, self.slope)
        best = Y.argmax(axis=1)
        eta = Y[np.arange(len(theta)), best]
        spread = (self.exposure**2).sum(axis=1)
        variance = spread[best]
        certain = variance <= 1e-14 * float(spread.max())
        safe = np.where(certain, 1.0, variance)
        ratio = self.exposure[best] @ self.exposure.T / safe[:, None]
        rest, room = Y - ratio * eta[:, None], 1 - ratio
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = rest / room
        low = np.where(room > 1e-9, bound, -np.inf).max(axis=1)
        high = np.where(room < -1e-9, bound, np.inf).min(axis=1)
        first = eta <= self.critical
        if self.fixed is not None:
            inside, low, high = self._between(theta, best, eta, safe, low, high)
            first &= inside
        p_value = truncated_p_value(eta, np.minimum(low, eta), np.maximum(np.minimum(high, self.critical), eta), np.sqrt(safe))
        second = np.where(certain, eta <= 1e-12, (eta <= 0) | (p_value >= self.size))
        return np.asarray(first & second)

    def _between(
        self, theta: Array, best: Array, eta: Array, variance: Array, low: Array, high: Array
    ) -> tuple[Array, Array, Array]:
        """Return which values the fixed-length interval holds, and the truncation that conditioning on it adds."""
        assert self.fixed is not None
        estimate, along = self.fixed
        gap, pull = estimate - theta, along[best] / variance
        rest = gap - pull * eta
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.sort(np.array([(-self.half_length - rest) / pull, (self.half_length - rest) / pull]), axis=0)
        moves = np.abs(pull) > 1e-12
        low, high = np.where(moves, np.maximum(low, ends[0]), low), np.where(moves, np.minimum(high, ends[1]), high)
        return np.abs(gap) <= self.half_length, low, high

    def outer(self, critical: float) -> tuple[float, float]:
        """Return where no moment exceeds a critical value, in theta: infinite where no moment speaks."""
        rises, falls = self.slope < -1e-10, self.slope > 1e-10
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = (self.value - critical) / self.slope
        return float(np.where(falls, edge, -np.inf).max()), float(np.where(rises, edge, np.inf).min())


def truncated_p_value(statistic: Array, low: Array, high: Array, deviation: Array) -> Array:
    """Return the chance that a centred normal variable, known to lie in [low, high], exceeds the statistic; safe far in the tails."""
    tails = [special.log_ndtr(-edge / deviation) for edge in (statistic, low, high)]
    with np.errstate(divide="ignore", invalid="ignore"):
        above, all_of_it = (tail + np.log1p(-np.exp(np.minimum(tails[2] - tail, 0.0))) for tail in tails[:2])
        chance = np.exp(above - all_of_it)
    return np.asarray(np.where(np.isfinite(chance), chance, 1.0))


def moments(
    beta: Array,
    sigma: Array,
    target: Array,
    A: Array,
    d: Array,
    alpha: float,
    method: str,
    first_stage: FixedLength | None = None,
) -> Moments:
    """Return the moments that A delta <= d implies for theta = l' tau, nuisance effects taken out.

    Parameters
    ----------
    beta, sigma : (K + T,) estimated path and its covariance
    target : (T,) l
    A, d : (m, K + T) and (m,), rows that concern periods after the reference
    alpha : size of the whole test
    method : "conditional", "hybrid least favourable" or "hybrid fixed length"
    first_stage : for the last of them, the interval at level 1 - alpha / 10

    Notes
    -----
    Andrews, Roth & Pakes (2023, Review of Economic Studies 90), section 6. Their statistic min_eta {eta : y - X delta <= eta sd} is
    the largest of gamma'y over corners gamma of {gamma >= 0, gamma'X = 0, gamma'sd = 1}. The corners are enumerated once, so that
    the test needs no linear programme, and its truncation points are exact. The first stage has size alpha / 10 and the second
    (alpha - kappa) / (1 - kappa), as in R's HonestDiD, whose truncation points are searched for to 1e-6 and whose least favourable
    critical value comes from 1,000 draws.
    """
    T = len(target)
    later, pivot = A[:, -T:], int(np.abs(target).argmax())
    nuisance = np.delete(np.eye(T), pivot, axis=1)  # effects with l'tau = 0
    nuisance[pivot] = -np.delete(target, pivot) / target[pivot]
    rays = extreme_rays(later @ nuisance)
    deviation = np.sqrt(((A @ sigma) * A).sum(axis=1))
    rays = rays / (rays @ deviation)[:, None]
    slope = rays @ later[:, pivot] / target[pivot]
    kappa = 0.0 if method == "conditional" else alpha / 10
    loading = rays @ A
    root = np.linalg.cholesky(sigma)
    exposure = loading @ root
    critical, fixed, half_length = np.inf, None, np.inf
    if method == "hybrid least favourable":
        critical = least_favourable(exposure, kappa, A @ root / deviation[:, None])
    elif first_stage is not None:
        fixed = (float(first_stage.weights @ beta), loading @ sigma @ first_stage.weights)
        half_length = first_stage.half_length
    return Moments(loading @ beta - rays @ d, slope, exposure, critical, fixed, half_length, (alpha - kappa) / (1 - kappa))


def least_favourable(exposure: Array, kappa: float, single: Array) -> float:
    """Return the 1 - kappa quantile of the largest moment when all are zero on average, from 20,000 draws with a fixed seed.

    Parameters
    ----------
    exposure : (r, p) of the moments
    single : (m, p) of the single inequalities, each with unit variance: a moment is an average of them, never above their largest
    """
    parts = (np.ascontiguousarray(part).tobytes() for part in (exposure, single))
    return _least_favourable(*parts, exposure.shape[1], kappa)


@lru_cache(maxsize=128)  # it depends on the covariance alone, and sizes and effects are many
def _least_favourable(moved: bytes, single: bytes, k: int, kappa: float) -> float:
    exposure, draws = np.frombuffer(moved).reshape(-1, k), _draws(k)
    if len(exposure) <= FEW_RAYS:  # choosing draws would take longer
        return float(np.quantile((exposure @ draws).max(axis=0), 1 - kappa))
    rows = np.array_split(exposure, len(exposure) // FEW_RAYS)
    bound = (np.frombuffer(single).reshape(-1, k) @ draws).max(axis=0)
    order = np.argsort(-bound, kind="stable")
    largest, needed = np.full(DRAWS, -np.inf), DRAWS - int((DRAWS - 1) * (1 - kappa))
    for start in range(0, DRAWS, 1_000):
        part = order[start : start + 1_000]
        if start and np.partition(largest, -needed)[-needed] > bound[part[0]]:
            break  # no draw that is left can be among the largest, of which alone the quantile is made
        largest[part] = np.max([(row @ draws[:, part]).max(axis=0) for row in rows], axis=0)
    top = np.sort(largest)[-needed:]
    return float(np.quantile(np.r_[np.full(DRAWS - needed, top[0]), top], 1 - kappa))


@lru_cache(maxsize=8)
def _draws(k: int) -> Array:
    draws = np.random.default_rng(SEED).normal(size=(k, DRAWS))
    draws.setflags(write=False)
    return draws


def confidence_set(tests: list[Moments], points: int = 401) -> tuple[float, float] | None:
    """Return the smallest interval that holds every value accepted by at least one of the tests; None if there is none.

    Notes
    -----
    Outside the values that pass the first stage nothing is accepted, so that a grid of ``points`` over these, about a hundredth of
    a standard error apart, finds the outermost accepted values; then the ends are refined to 1e-9 of that. An end is infinite if
    the conditional test, which has no first stage, still accepts where its moments are 2,000 standard deviations away.
    """
    found = [ends for test in tests if (ends := _one_set(test, points)) is not None]
    if not found:
        return None
    return min(low for low, _ in found), max(high for _, high in found)


def reaches(tests: list[Moments], value: float, below: bool, points: int = 65) -> bool:
    """Return whether some test accepts the value, or one beyond it (``below`` it or above): the confidence set gets there."""
    for test in tests:
        low, high = _search(test)
        near, far = (min(value, high), low) if below else (max(value, low), high)
        if (far <= near if below else near <= far) and test.accepted(np.linspace(near, far, points)).any():
            return True
    return False


def _one_set(test: Moments, points: int) -> tuple[float, float] | None:
    low, high = _search(test)
    if not low < high:
        return None
    grid = np.linspace(low, high, points)
    inside = np.flatnonzero(test.accepted(grid))
    if not len(inside):
        return None
    first, last = int(inside[0]), int(inside[-1])
    below, above = _open_ends(test, grid)
    left = -np.inf if below else _edge(test, grid[max(first - 1, 0)], grid[first])
    right = np.inf if above else _edge(test, grid[min(last + 1, points - 1)], grid[last])
    return left, right


def _search(test: Moments) -> tuple[float, float]:
    """Return an interval outside of which nothing is accepted, if there is one within reach."""
    if test.fixed is not None:
        return test.fixed[0] - test.half_length, test.fixed[0] + test.half_length
    if np.isfinite(test.critical):
        return test.outer(test.critical)
    critical = 8.0
    while critical < 2_000:
        low, high = test.outer(critical)
        if not test.accepted(np.array([low, high])).any():
            break
        critical *= 2
    return low, high


def _open_ends(test: Moments, grid: Array) -> tuple[bool, bool]:
    """Return whether an end of the search is accepted although no first stage ends there."""
    if test.fixed is not None or np.isfinite(test.critical):
        return False, False
    ends = test.accepted(grid[[0, -1]])
    return bool(ends[0]), bool(ends[1])


def _edge(test: Moments, rejected: float, accepted: float) -> float:
    """Return the accepted value next to a rejected one, by cutting the gap into 32 parts six times."""
    for _ in range(6):
        between = np.linspace(rejected, accepted, 33)
        inside = test.accepted(between)
        inside[-1] = True
        first = int(inside.argmax())
        if first == 0:
            return float(between[0])
        rejected, accepted = between[first - 1], between[first]
    return float(accepted)
