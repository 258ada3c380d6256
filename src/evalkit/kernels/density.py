r"""Whether the density of a score jumps at a cutoff: local polynomials of the distribution function on both sides.

Notation of Cattaneo, Jansson & Ma (2020, JASA 115) with ``n`` scores ``x`` sorted, measured from the cutoff:

- ``F`` (n,)    empirical distribution function without the row itself, (#{x_j <= x_i} - 1) / (n - 1)
- ``h``         bandwidths of the left and the right side; ``p`` the order of the polynomial of F, whose slope is the density
- unrestricted  every coefficient of its own on each side; restricted: only the slope differs (level, curvature and so on are common)

The density is linear in F, a'F with a (n,). F is an average over all rows, so row i contributes the sum of a_j over the rows j with
x_j >= x_i other than itself: that is the jackknife of the paper. Its contributions are not centred, as in R's rddensity, which makes the
variance larger by density^2 / n.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import factorial
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e, legendre

from evalkit.kernels.local_polynomial import TooFewPoints, kernel_weights

Array = np.ndarray[Any, Any]
Pair = tuple[float, float]

RULES = ("comb", "each", "diff", "sum")
LEAST = 20  # rows and distinct scores beyond the number of coefficients that every window holds


@dataclass(frozen=True, eq=False)
class Fit:
    """A coefficient of the polynomial on each side: value (2,) and the contribution of every row to it (n, 2)."""

    value: Array
    contributions: Array


@dataclass(frozen=True, eq=False)
class Distribution:
    """Sorted scores (n,) measured from the cutoff, and how their distribution function is fitted around it.

    ``ties`` says whether rows of the same score count as such (R's massPoints) or as if in some order.
    """

    x: Array
    kernel: str = "triangular"
    restricted: bool = False
    ties: bool = True

    @cached_property
    def F(self) -> Array:
        """(n,) share of the other rows that lie at or below the score."""
        n = len(self.x)
        rank = np.searchsorted(self.x, self.x, side="right") - 1 if self.ties else np.arange(n)
        return np.asarray(rank / (n - 1))

    @cached_property
    def _first(self) -> Array:
        """(n,) position of the first row with the same score."""
        return np.searchsorted(self.x, self.x, side="left") if self.ties else np.arange(len(self.x))

    def fit(self, h: Pair, p: int, nu: int = 1) -> Fit:
        """Return the derivative of order nu of the distribution function on each side, polynomials of order p within h."""
        low, high = np.searchsorted(self.x, -h[0], side="left"), np.searchsorted(self.x, h[1], side="right")
        x = self.x[low:high]
        left = x < 0
        width = np.where(left, h[0], h[1])
        k = kernel_weights(x / width, self.kernel) / width
        # One unit for both sides: the common coefficients of a restricted fit must mean the same on either.
        scale = max(h)
        U, columns = _basis(x / scale, left, p, nu, self.restricted)
        if min(len(np.unique(x[left & (k > 0)])), len(np.unique(x[~left & (k > 0)]))) <= p:
            raise TooFewPoints
        half = np.linalg.inv(np.linalg.qr(U * np.sqrt(k)[:, None], mode="r"))
        a = factorial(nu) / scale**nu * k[:, None] * (U @ (half @ half.T)[:, columns])
        own = np.zeros((len(self.x), 2))
        own[low:high] = a
        above = np.cumsum(own[::-1], axis=0)[::-1]
        return Fit(a.T @ self.F[low:high], (above[self._first] - own) / (len(self.x) - 1))

    def within(self, h: Pair) -> tuple[int, int]:
        """Return how many rows lie within h on each side."""
        return int(((self.x < 0) & (self.x >= -h[0])).sum()), int(((self.x >= 0) & (self.x <= h[1])).sum())


def _basis(u: Array, left: Array, p: int, nu: int, restricted: bool) -> tuple[Array, list[int]]:
    """Return the regressors and the columns whose coefficients are the derivative nu on the left and on the right."""
    powers = u[:, None] ** np.arange(p + 1)
    if not restricted:
        return np.hstack([powers * left[:, None], powers * ~left[:, None]]), [nu, p + 1 + nu]
    U = np.column_stack([powers[:, 0], u * left, u * ~left, powers[:, 2:]])
    return U, [1, 2] if nu == 1 else [nu + 1, nu + 1]


@lru_cache(maxsize=64)
def _constants(p: int, kernel: str, nu: int) -> Pair:
    """Return the bias and variance constants on the right side of a polynomial of order p, for the derivative nu of F.

    The bias of the estimate is B F^(p+1) h^(p+1-nu), its variance V f / (n h^(2 nu - 1)); sections 3 and 4 of the paper.
    """
    t, w = legendre.leggauss(40)
    t, w = (t + 1) / 2, w / 2
    r = t[:, None] ** np.arange(p + 1)
    k = w * kernel_weights(t, kernel)
    # min(u, v) is the integral of 1(t <= u) 1(t <= v), so its moment is that of T(t) = integral of r K beyond t.
    beyond = t[:, None] + (1 - t[:, None]) * t
    T = np.einsum("ij,ijl->il", (1 - t[:, None]) * w * kernel_weights(beyond, kernel), beyond[:, :, None] ** np.arange(p + 1))
    row = np.linalg.inv((r * k[:, None]).T @ r)[nu]
    B = factorial(nu) / factorial(p + 1) * float(row @ (r.T @ (k * t ** (p + 1))))
    return B, factorial(nu) ** 2 * float(((T @ row) ** 2) @ w)


def _restricted_bias(p: int, kernel: str) -> Pair:
    """Return the bias constants of the densities on the left and on the right in a restricted fit of order p."""
    t, w = legendre.leggauss(40)
    u, w = np.r_[-(t[::-1] + 1) / 2, (t + 1) / 2], np.r_[w[::-1], w] / 2
    U, columns = _basis(u, u < 0, p, 1, True)
    k = w * kernel_weights(u, kernel)
    c = np.linalg.solve((U * k[:, None]).T @ U, U.T @ (k * u ** (p + 1))) / factorial(p + 1)
    return float(c[columns[0]]), float(c[columns[1]])


def plugin_variances(density: Array, n: int, h: Pair, p: int, kernel: str) -> Array:
    """Return the asymptotic variances (2,) of unrestricted densities."""
    return np.asarray(density * _constants(p, kernel, 1)[1] / (n * np.array(h)))


def _normal_pilots(x: Array, p: int) -> Pair:
    """Return pilot bandwidths for the derivative of order p + 1 of F and for the density, as if scores were normal."""
    n, sd = len(x), float(x.std(ddof=1))
    z = -float(x.mean()) / sd
    phi = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    def needed(order: int, nu: int) -> float:
        B, V = _constants(order, "uniform", nu)
        slope = hermite_e.hermeval(z, [0] * order + [1])  # F^(order + 1) of a normal is phi times this polynomial, up to its sign
        return float(V / (B**2 * slope**2 * phi) / n)

    b = sd * ((2 * p + 1) / 4 * needed(p + 2, p + 1)) ** (1 / (2 * p + 5))
    c = sd * (1 / (2 * p) * needed(p, 1)) ** (1 / (2 * p + 1))
    return float(b), float(c)


def _kept(of: Distribution, h: float, order: int) -> Pair:
    """Return h on each side, wide enough for enough rows and distinct scores, and no wider than the data."""
    out = []
    for distance in (-of.x[of.x < 0], of.x[of.x >= 0]):
        distance, least = np.sort(distance), LEAST + order + 1
        distinct = np.unique(distance) if of.ties else distance
        floor = max(distance[min(least, len(distance)) - 1], distinct[min(least, len(distinct)) - 1])
        out.append(float(min(max(h, floor), distance[-1])))
    return out[0], out[1]


def bandwidths(of: Distribution, p: int, plugin: bool = False) -> dict[str, Pair]:
    """Return the bandwidths (left, right) of every rule for densities of order p; they balance squared bias and variance.

    "each" does so for either density, "diff" for their difference and "sum" for their sum, with one bandwidth for both sides; "comb" takes the
    middle of the three on each side, and the smaller of "diff" and "sum" when the fit is restricted.
    """
    n = len(of.x)
    wide, narrow = _normal_pilots(of.x, p)
    wide, narrow = max(_kept(of, wide, p + 2)), max(_kept(of, narrow, p))
    derivative = of.fit((wide, wide), p + 2, p + 1).value
    density = of.fit((narrow, narrow), p)
    right = _constants(p, of.kernel, 1)[0]
    B = np.array(_restricted_bias(p, of.kernel)) if of.restricted else np.array([(-1) ** p * right, right])
    best = []
    for row in np.array([[1, 0], [0, 1], [-1, 1], [1, 1]]):  # left, right, their difference, their sum
        if plugin:
            V = float(np.abs(row) @ density.value) * _constants(p, of.kernel, 1)[1]
        else:
            V = n * narrow * float(((density.contributions @ row) ** 2).sum())
        squared = float((B * derivative) @ row) ** 2
        best.append(float((V / (2 * p * n * squared)) ** (1 / (2 * p + 1))) if squared > 0 else np.inf)
    each = (_kept(of, best[0], p)[0], _kept(of, best[1], p)[1])
    diff, total = (max(_kept(of, h, p)) for h in best[2:])
    smaller = min(diff, total)
    middle = float(np.median([each[0], diff, total])), float(np.median([each[1], diff, total]))
    return {"each": each, "diff": (diff, diff), "sum": (total, total), "comb": (smaller, smaller) if of.restricted else middle}
