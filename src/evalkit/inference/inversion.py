"""Confidence sets from permutation tests: every constant effect that would not be rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit.inference.assignment import Array

TIE = 1e-9  # relative: statistics equal up to rounding are ties
FAR = 1e8  # spreads of the statistic: a root beyond comes from rounding


@dataclass(frozen=True, eq=False)
class Lines:
    """How one statistic of every assignment depends on the constant effect tau that is taken out of the outcome.

    The estimate is theta - tau * slope, its variance v[0] + v[1] tau + v[2] tau**2, or one where nothing is studentised.

    Attributes
    ----------
    theta, slope : (A,) ; variance : (A, 3) or None
    """

    theta: Array
    slope: Array
    variance: Array | None = None

    def at(self, tau: Array) -> Array:
        """Return the statistic (A, m) at tau (A, m) or (1, m)."""
        value = self.theta[:, None] - tau * self.slope[:, None]
        if self.variance is None:
            return np.asarray(value)
        v = self.variance
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(value / np.sqrt(np.maximum(v[:, :1] + v[:, 1:2] * tau + v[:, 2:] * tau**2, 0)))

    def rescaled(self, centre: float, size: float) -> Lines:
        """Return the same in u, where tau = centre + size * u."""
        v = self.variance
        if v is not None:
            v = np.column_stack(
                [v[:, 0] + v[:, 1] * centre + v[:, 2] * centre**2, (v[:, 1] + 2 * v[:, 2] * centre) * size, v[:, 2] * size**2]
            )
        return Lines(self.theta - centre * self.slope, self.slope * size, v)


def as_large(others: Array, observed: Array, alternative: str) -> Array:
    """Return whether statistics (A, m) are at least as large as the observed (1 or A, m); what does not exist counts as larger."""
    if alternative == "two-sided":
        others, observed = np.abs(others), np.abs(observed)
    elif alternative == "less":
        others, observed = -others, -observed
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(np.where(np.isfinite(others), others, 0)), np.abs(observed))
        return np.asarray((others >= observed - TIE * size) | np.isnan(others))


def inverted(observed: Lines, others: Lines, alternative: str, allowed: int) -> tuple[float, float]:
    """Return the ends of the set of tau at which more than ``allowed`` assignments are as extreme as the observed one.

    Where an assignment overtakes the observed one its statistics are equal, so that their squares are: the roots of a quadratic in tau,
    of a quartic when studentised. Between its roots an assignment counts or does not, and a sweep over all roots adds up. The set
    may have gaps; its ends are told. An end is infinite when no effect, however large, is rejected, and both are for
    parameters on which an effect after the start has no bearing (leads).
    """
    exists = np.isfinite(others.theta)
    always = int((~exists).sum()) + 1  # the observed assignment is as extreme as itself
    others = Lines(others.theta[exists], others.slope[exists], None if others.variance is None else others.variance[exists])
    slope = float(observed.slope[0])
    if always > allowed or abs(slope) <= TIE:
        return -np.inf, np.inf
    centre = float(observed.theta[0]) / slope
    size = (float(np.abs(others.theta - centre * others.slope).max(initial=0)) or 1.0) / abs(slope)
    here, there = observed.rescaled(centre, size), others.rescaled(centre, size)
    roots = _roots(here, there)
    # A test point in each of the intervals that an assignment's own roots cut out says whether it counts there.
    edge = np.full((len(roots), 1), np.inf)
    low, high = np.hstack([-edge, roots]), np.hstack([roots, edge])
    point = _inside(low, high)
    counts = as_large(there.at(point), here.at(point), alternative) & (low < high)
    places = np.unique(roots[np.isfinite(roots)])
    change = np.zeros(len(places) + 1)
    np.add.at(change, np.searchsorted(places, low[counts & np.isfinite(low)]) + 1, 1)
    ends = counts & np.isfinite(high)
    np.add.at(change, np.searchsorted(places, high[ends]) + 1, -1)
    change[0] = always + int((counts & np.isneginf(low)).sum())
    kept = np.flatnonzero(np.cumsum(change) > allowed)
    if not len(kept):
        return centre, centre
    bounds = np.r_[-np.inf, centre + size * places, np.inf]
    return float(bounds[kept[0]]), float(bounds[kept[-1] + 1])


def _inside(low: Array, high: Array) -> Array:
    """Return a point inside each interval, 0 where there is none."""
    with np.errstate(invalid="ignore"):
        point = np.where(np.isinf(low), high - 1 - np.abs(high), np.where(np.isinf(high), low + 1 + np.abs(low), (low + high) / 2))
    return np.where(np.isfinite(point), point, 0.0)


def _roots(observed: Lines, others: Lines) -> Array:
    """Return the sorted effects (A, r) at which the squares of two statistics are equal, inf where there are fewer."""
    if observed.variance is None or others.variance is None:
        found = []
        for sign in (-1, 1):
            top, bottom = others.theta + sign * observed.theta, others.slope + sign * observed.slope
            some = np.abs(bottom) > TIE * (np.abs(others.slope) + np.abs(observed.slope))
            found.append(np.where(some, top / np.where(some, bottom, 1.0), np.inf))
        roots = np.column_stack(found)
    else:
        roots = _quartic_roots(_product(_square(others), observed.variance) - _product(_square(observed), others.variance))
    return np.sort(np.where(np.abs(roots) < FAR, roots, np.inf), axis=1)


def _square(lines: Lines) -> Array:
    return np.column_stack([lines.theta**2, -2 * lines.theta * lines.slope, lines.slope**2])


def _product(one: Array, other: Array) -> Array:
    """Return the coefficients (A, 5) of the products of quadratics (A or 1, 3), constant first."""
    out = np.zeros((max(len(one), len(other)), 5))
    for i in range(3):
        for j in range(3):
            out[:, i + j] += one[:, i] * other[:, j]
    return out


def _quartic_roots(p: Array) -> Array:
    """Return the real roots (A, 4) of polynomials (A, 5), constant first, inf for the others."""
    size = np.abs(p).max(axis=1, keepdims=True)
    p = p / np.where(size > 0, size, 1.0)
    lead = np.where(np.abs(p[:, 4]) > 1e-13, p[:, 4], 1e-13)  # a cubic has its fourth root far out
    companion = np.zeros((len(p), 4, 4))
    companion[:, 1:, :3] = np.eye(3)
    companion[:, :, 3] = -p[:, :4] / lead[:, None]
    values = np.linalg.eigvals(companion)
    return np.where(np.abs(values.imag) <= 1e-7 * (1 + np.abs(values)), values.real, np.inf)


def bisected(p_value: Callable[[float], float], centre: float, spread: float, alpha: float) -> tuple[float, float]:
    """Return where a p-value, asked one effect at a time, falls to alpha on either side of the estimate.

    It steps out to 1,024 spreads of the permuted statistics, where the set counts as unbounded, and then halves twelve times.
    """
    if p_value(centre) <= alpha:  # taking the estimate itself out changes nothing: a lead
        return -np.inf, np.inf
    ends = []
    for side in (-1.0, 1.0):
        inside, outside = 0.0, np.inf
        for step in 4.0 ** np.arange(6):
            if p_value(centre + side * step * spread) <= alpha:
                outside = step
                break
            inside = step
        for _ in range(12 if np.isfinite(outside) else 0):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if p_value(centre + side * middle * spread) > alpha else (inside, middle)
        ends.append(centre + side * outside * spread if np.isfinite(outside) else side * np.inf)
    return float(ends[0]), float(ends[1])
