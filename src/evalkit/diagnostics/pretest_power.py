"""What a test of leads can see: its power against a drift, and what is left of a drift in estimates that passed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.errors import EstimateError

Array = np.ndarray[Any, Any]

POINTS = 8_191  # of the lattice; probabilities are right to 1e-4 with five leads, 1e-3 with ten
CERTAIN = 1e10  # noncentrality that no test misses, before the distributions lose their digits
LARGEST_EXPONENT = 690.0  # e to it is 1e300
IMPOSSIBLE = 1e-12  # a smaller chance of passing has no reader


@dataclass(frozen=True, eq=False)
class Pretest:
    """The two tests of K leads: jointly zero, and none of them significant on its own.

    Attributes
    ----------
    sigma : (K, K) covariance of the leads, positive definite
    level : of both tests
    degrees : of freedom of the t test of one lead, inf for normal quantiles
    left : second degrees of freedom of the F test of all leads, inf for chi-squared

    Notes
    -----
    Roth (2022, AER: Insights 4), section II: estimates are normal around a drift with a covariance that is taken as known. Where
    quantiles are those of t, a common chi-squared scale stands for the estimated one (multivariate t), and the joint test is
    noncentral F.
    """

    sigma: Array = field(repr=False)
    level: float
    degrees: float = np.inf
    left: float = np.inf

    @property
    def half_width(self) -> Array:
        """(K,) how large each lead may be and pass the test of one lead."""
        return np.asarray(quantile(self.degrees, 1 - self.level / 2) * np.sqrt(np.diag(self.sigma)))

    def passing(self, drift: Array) -> float:
        """Return the chance that no lead is significant on its own under a drift (K,)."""
        return inside_box(self.sigma, drift, self.half_width, self.degrees)[0]

    def single_power(self, drift: Array) -> float:
        """Return the chance that at least one lead is significant on its own under a drift (K,)."""
        return 1 - self.passing(drift)

    def joint_power(self, drift: Array) -> float:
        """Return the chance that the joint test rejects under a drift (K,)."""
        return self._joint_power(float(drift @ np.linalg.solve(self.sigma, drift)))

    def _joint_power(self, noncentrality: float) -> float:
        K = len(self.sigma)
        if noncentrality > CERTAIN:
            return 1.0
        if np.isinf(self.left):
            return float(1 - special.chndtr(special.chdtri(K, self.level), K, noncentrality))
        return float(1 - special.ncfdtr(K, self.left, noncentrality, special.fdtri(K, self.left, 1 - self.level)))

    def slope_seen(self, power: float, since: Array, test: str) -> float:
        """Return the smallest slope per period whose drift slope * since (K,) a test ("joint" or "single") detects with a power.

        It is zero where chance alone rejects as often, as it can with many leads of which none may be significant.
        """
        if not self.level < power < 1:
            raise EstimateError(f"A power lies between the level {self.level:g} and 1, for example 0.8, not {power:g}.")
        if test == "joint":
            unit = float(since @ np.linalg.solve(self.sigma, since))
            return float(np.sqrt(crossing(self._joint_power, power, 1.0) / unit))
        scale = float((np.sqrt(np.diag(self.sigma)) / np.abs(since)).min())
        if self.single_power(0 * since) >= power:
            return 0.0
        return scale * crossing(lambda slope: self.single_power(slope * scale * since), power, 1.0)

    def after_passing(self, drift: Array, cross: Array, other: Array) -> tuple[Array, Array] | None:
        """Return what estimates are on average when no lead was significant: (K,) leads and (J,) others.

        Parameters
        ----------
        drift, other : (K,) and (J,) true drift at the leads and elsewhere
        cross : (J, K) covariance of the others with the leads

        Returns
        -------
        The means, or None when passing is practically impossible. Moments of the leads in the box carry over to the others by their
        regression on the leads (Roth 2022, proposition 1).
        """
        probability, mean = inside_box(self.sigma, drift, self.half_width, self.degrees)
        if probability < IMPOSSIBLE:
            return None
        return mean, other + cross @ np.linalg.solve(self.sigma, mean - drift)


@dataclass(frozen=True, eq=False)
class Drift:
    """A linear drift, how likely the pre-tests are to see it, and what it does to estimates that pass.

    Attributes
    ----------
    slope : per period, in the outcome's unit
    after : the drift averaged over the event times from 0 on
    joint_power, single_power : chance that the joint test rejects, and that any lead is significant on its own
    bayes_factor : chance of passing (no lead significant) under the drift over that without
    likelihood_ratio : density of the leads seen, under the drift over that without; inf beyond 1e300
    table : event_time, drift and after_passing: the mean of the estimate if there is no effect, this drift, and no lead was significant;
        None when passing under this drift has a chance below 1e-12
    """

    slope: float
    after: float
    joint_power: float
    single_power: float
    bayes_factor: float
    likelihood_ratio: float
    table: pd.DataFrame | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Leads:
    """K tested leads and J effects after the start of one path, with their covariance.

    Attributes
    ----------
    theta : (K,) estimates of the leads
    matrix : (K + J, K + J) covariance, leads first
    event_time : (K + J,) event times, leads first
    base : the reference period
    level, degrees, left : see :class:`Pretest`

    Raises
    ------
    EstimateError
        When the covariance of the leads has less than full rank.
    """

    theta: Array
    matrix: Array
    event_time: Array
    base: int
    level: float
    degrees: float = np.inf
    left: float = np.inf

    def __post_init__(self) -> None:
        scale, rank = np.sqrt(np.diag(self.sigma)), 0
        if (scale > 0).all():
            rank = int((np.linalg.eigvalsh(self.sigma / np.outer(scale, scale)) > 1e-10).sum())
        if rank < len(scale):
            raise EstimateError(
                f"The covariance of the {len(scale)} leads has rank {rank}: they are not distinct, or the clusters are fewer than they. Test "
                "fewer leads (leads=(-3, -2)), or use finer clusters."
            )

    @property
    def sigma(self) -> Array:
        """(K, K) covariance of the leads."""
        return np.asarray(self.matrix[: len(self.theta), : len(self.theta)])

    @property
    def since(self) -> Array:
        """(K + J,) periods since the reference, negative for leads."""
        return np.asarray(self.event_time - self.base)

    @property
    def later(self) -> float:
        """The mean number of periods since the reference after the start: what one unit of slope is worth there."""
        return float(self.since[len(self.theta) :].mean())

    @property
    def pretest(self) -> Pretest:
        """The tests of these leads."""
        return Pretest(self.sigma, self.level, self.degrees, self.left)

    def slope_seen(self, power: float, test: str) -> float:
        """Return the smallest slope that a test ("joint" or "single") detects with a power."""
        return self.pretest.slope_seen(power, self.since[: len(self.theta)], test)

    def drift(self, slope: float) -> Drift:
        """Return what the tests see of a linear drift, and what passing them does."""
        if not np.isfinite(slope):
            raise EstimateError(f"A slope is a number per period in the outcome's unit, not {slope}.")
        K, true, test = len(self.theta), slope * self.since, self.pretest
        lead = true[:K]
        passing, anyway = test.passing(lead), test.passing(0 * lead)
        shift = np.linalg.solve(self.sigma, lead)
        log_ratio = float(self.theta @ shift - lead @ shift / 2)
        ratio = float(np.exp(log_ratio)) if log_ratio < LARGEST_EXPONENT else np.inf
        means = test.after_passing(lead, self.matrix[K:, :K], true[K:])
        table = None
        if means is not None:
            columns = {"event_time": self.event_time.astype(int), "drift": true, "after_passing": np.concatenate(means)}
            table = pd.DataFrame(columns)
        return Drift(float(slope), slope * self.later, test.joint_power(lead), 1 - passing, passing / anyway, ratio, table)


def quantile(degrees: float, probability: float) -> float:
    """Return a quantile of t, or of the normal with infinite degrees."""
    return float(special.ndtri(probability) if np.isinf(degrees) else special.stdtrit(degrees, probability))


def upper_tail(degrees: float, statistic: float) -> float:
    """Return the one-sided p-value of a statistic that is large under the alternative."""
    return float(special.ndtr(-statistic) if np.isinf(degrees) else special.stdtr(degrees, -statistic))


def crossing(rising: Callable[[float], float], target: float, start: float) -> float:
    """Return where a rising function of a positive number reaches a target."""
    from scipy.optimize import brentq

    high = start
    while rising(high) < target:
        high *= 2
        if high > 1e12:
            raise EstimateError(f"Nothing reaches a power of {target:g}: the power does not rise with the violation.")
    return float(brentq(lambda value: rising(value) - target, 0.0, high, xtol=1e-9 * high, rtol=1e-9))


def inside_box(sigma: Array, mean: Array, half_width: Array, degrees: float = np.inf) -> tuple[float, Array]:
    """Return the probability that a normal vector lies within -half_width and half_width, and its mean there.

    Parameters
    ----------
    sigma, mean : (K, K) covariance, positive definite, and (K,) mean
    half_width : (K,) half sides of the box
    degrees : with finite degrees the box is scaled by the root of a chi-squared over its degrees (multivariate t)

    Notes
    -----
    Genz (1992, Journal of Computational and Graphical Statistics 1) on a fixed lattice (roots of primes, tent-shaped), so that the
    same input gives the same bytes. Exact for one lead and for independent leads; the last coordinate is integrated by its formula.
    """
    K = len(sigma)
    L = np.linalg.cholesky(sigma)
    points = lattice(K - 1 + np.isfinite(degrees))
    scale = np.ones(points.shape[1])
    if np.isfinite(degrees):
        scale = radii(float(degrees), K)
    y, weight = np.zeros((K, len(scale))), np.ones(len(scale))
    for i in range(K):
        centre = mean[i] + L[i, :i] @ y[:i]
        a, b = (-half_width[i] * scale - centre) / L[i, i], (half_width[i] * scale - centre) / L[i, i]
        # Both ends on the side where the normal tail has its digits.
        flip = np.where(a > 0, -1.0, 1.0)
        low, high = np.minimum(flip * a, flip * b), np.maximum(flip * a, flip * b)
        below, mass = special.ndtr(low), special.ndtr(high) - special.ndtr(low)
        weight = weight * mass
        if i < K - 1:
            y[i] = flip * np.clip(special.ndtri(below + points[i] * mass), low, high)
        else:
            density = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi)
            y[i] = flip * np.divide(density, mass, out=np.zeros_like(mass), where=mass > 0)
    probability = float(weight.mean())
    if probability < IMPOSSIBLE:
        return probability, np.full(K, np.nan)
    return probability, np.asarray(mean + L @ ((y * weight).mean(axis=1) / probability))


@lru_cache(maxsize=32)
def radii(degrees: float, dimensions: int) -> Array:
    """Return (N,) roots of chi-squared over its degrees at the last coordinate of the lattice."""
    scale = np.asarray(np.sqrt(2 * special.gammaincinv(degrees / 2, lattice(dimensions)[-1]) / degrees))
    scale.setflags(write=False)
    return scale


@lru_cache(maxsize=32)
def lattice(dimensions: int) -> Array:
    """Return (dimensions, N) points that fill the unit cube evenly, always the same (Richtmyer's, with the tent transformation)."""
    if dimensions == 0:
        return np.zeros((0, 1))
    roots = np.sqrt(primes(dimensions))
    steps = (np.arange(1, POINTS + 1) * roots[:, None]) % 1.0
    points = np.asarray(np.clip(np.abs(2 * steps - 1), 1e-12, 1 - 1e-12))
    points.setflags(write=False)
    return points


def primes(count: int) -> Array:
    """Return the first primes.

    >>> primes(4).tolist()
    [2.0, 3.0, 5.0, 7.0]
    """
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % known for known in found):
            found.append(candidate)
        candidate += 1
    return np.array(found, dtype=float)
