r"""Changes-in-changes: where a treated outcome would have stood, had its rank in the comparison's distribution lasted.

Letters of Athey & Imbens (2006, Econometrica 74, sections 3 and 5). Group 1 is treated, period 1 is after:

- ``Y11``, ``Y10``, ``Y01``, ``Y00``   outcomes of (group, period), each a :class:`Distribution`
- ``F`` (y)   share at most y;  ``Q`` (u)  smallest value with F >= u;  ``f`` (y)  density
- ``k`` (z) = Q01(F00(z))   where an untreated unit that was at z before is after (theorem 3.1)

The counterfactual of Y11 is k(Y10): the mean effect is E[Y11] - E[k(Y10)], the effect at quantile t is Q11(t) - k(Q10(t)).
Influence is that of theorems 5.1 (mean: P, Q, R and S) and 5.3 (quantiles): four samples, four terms. The contributions of each
sample are scaled so that theta_hat - theta is close to their sum over all four.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ROUNDING = 1e-10  # sums of weights that differ by less are the same share


@dataclass(frozen=True, eq=False)
class Distribution:
    """A weighted sample: outcomes ``y`` (m,) and positive weights ``w`` (m,), in the order given."""

    y: Array
    w: Array

    @cached_property
    def p(self) -> Array:
        """(m,) weights as shares."""
        return np.asarray(self.w / self.w.sum())

    @cached_property
    def order(self) -> Array:
        """(m,) positions from the smallest outcome to the largest."""
        return np.argsort(self.y, kind="stable")

    @cached_property
    def v(self) -> Array:
        """(m,) outcomes, sorted."""
        return np.asarray(self.y[self.order])

    @cached_property
    def cumulated(self) -> Array:
        """(m + 1,) share of the sample below each sorted outcome, and one."""
        return np.concatenate([[0.0], np.cumsum(self.p[self.order])])

    def F(self, y: Array) -> Array:
        """Return the share at most y."""
        return np.asarray(self.cumulated[np.searchsorted(self.v, y, side="right")])

    def Q(self, u: Array) -> Array:
        """Return the smallest outcome with F >= u; the smallest of all for u = 0."""
        at = np.searchsorted(self.cumulated[1:], np.asarray(u) - ROUNDING, side="left")
        return np.asarray(self.v[np.minimum(at, len(self.v) - 1)])

    @cached_property
    def bandwidth(self) -> float:
        """Silverman's rule for Epanechnikov's kernel: 2.34 min(sd, IQR / 1.349) m**(-1/5), m counting different values."""
        spread = float(np.sqrt(self.p @ (self.y - self.p @ self.y) ** 2))
        middle = float(self.Q(np.array(0.75)) - self.Q(np.array(0.25))) / 1.349
        different = len(self.heaps[0])
        return float(2.34 * (min(spread, middle) if middle > 0 else spread) * different**-0.2)

    @cached_property
    def moments(self) -> tuple[Array, Array]:
        """(m,) sorted places in bandwidths with wide gaps closed, and (3, m + 1) their cumulated moments 0 to 2.

        Outcomes two bandwidths apart share no kernel. Were an income mistyped a million times too high left where it is, the squares
        would leave no digits for the density of the others.
        """
        steps = np.minimum(np.diff(self.v) / self.bandwidth, 2.0)
        v, p = np.concatenate([[0.0], np.cumsum(steps)]), self.p[self.order]
        v -= v[len(v) // 2]
        M = np.zeros((3, len(v) + 1))
        np.cumsum([p, p * v, p * v * v], axis=1, out=M[:, 1:])
        return v, M

    def _place(self, y: Array) -> Array:
        """Return where outcomes lie among the sorted places: as far from their neighbours as in truth, up to a bandwidth."""
        v, last = self.moments[0], len(self.v) - 1
        below = np.maximum(np.searchsorted(self.v, y, side="right") - 1, 0)
        above = np.minimum(below + 1, last)
        after = np.maximum(np.minimum((y - self.v[below]) / self.bandwidth, 1.0), -1.0)
        before = np.minimum((self.v[above] - y) / self.bandwidth, 1.0)
        return np.asarray(np.where((after == 1.0) & (above > below), v[above] - before, v[below] + after))

    def f(self, y: Array) -> Array:
        """Return the density by Epanechnikov's kernel."""
        (v, M), x = self.moments, self._place(np.asarray(y))
        low, high = np.searchsorted(v, x - 1, side="right"), np.searchsorted(v, x + 1, side="left")
        m0, m1, m2 = M[:, high] - M[:, low]
        # sum over |v - x| < 1 of p (1 - (v - x)**2)
        return np.asarray(0.75 * (m0 * (1 - x**2) + 2 * x * m1 - m2) / self.bandwidth)

    @cached_property
    def heaps(self) -> tuple[Array, Array]:
        """Different outcomes, and how many rows hold each."""
        start = np.flatnonzero(np.r_[True, np.diff(self.v) != 0])
        return self.v[start], np.diff(np.r_[start, len(self.v)])

    @property
    def heaped(self) -> float:
        """Share of the sample on values that hold three rows or more, and at least one in a hundred."""
        counts = self.heaps[1]
        return float(counts[counts >= max(3.0, 0.01 * len(self.v))].sum() / len(self.v))

    @property
    def commonest(self) -> float:
        """The value that holds most rows."""
        values, counts = self.heaps
        return float(values[np.argmax(counts)])


@dataclass(frozen=True)
class Cell:
    """The four samples of one comparison."""

    Y11: Distribution
    Y10: Distribution
    Y01: Distribution
    Y00: Distribution

    @property
    def outside(self) -> Array:
        """(m10,) treated rows before whose outcome lies outside the comparison's range before (assumption 3.4 fails there)."""
        return np.asarray((self.Y10.y < self.Y00.v[0]) | (self.Y10.y > self.Y00.v[-1]))

    @property
    def half_step(self) -> float:
        """By how much the mean counterfactual is low because ranks are steps: half the distance to the next outcome, averaged."""
        u = self.Y00.F(self.Y10.y)
        # An outcome that is itself in the comparison has its rank exactly.
        between = ~np.isin(self.Y10.y, self.Y00.v)
        after = np.minimum(np.searchsorted(self.Y01.cumulated[1:], u - ROUNDING, side="left") + 1, len(self.Y01.v) - 1)
        return float(self.Y10.p @ (between * (self.Y01.v[after] - self.Y01.Q(u))) / 2)

    def mean(self) -> tuple[float, list[Array]]:
        """Return the mean effect and the contributions of the rows of Y11, Y10, Y01 and Y00."""
        Y11, Y10, Y01, Y00 = self.Y11, self.Y10, self.Y01, self.Y00
        z, p = Y10.v, Y10.p[Y10.order]
        u = Y00.F(z)
        k = Y01.Q(u)
        g = p / Y01.f(k)  # weight of z in the averages of P(y, z) and Q(y, z) over Y10
        above = np.r_[np.cumsum(g[::-1])[::-1], 0.0]
        expected = g @ u
        P = above[np.searchsorted(z, Y00.y, side="left")] - expected  # 1{y <= z} - F00(z)
        Q = expected - above[np.searchsorted(k, Y01.y, side="left")]  # -(1{F01(y) <= F00(z)} - F00(z))
        R = np.empty(len(z))
        R[Y10.order] = k
        treated, counterfactual = Y11.p @ Y11.y, p @ k
        S = Y11.y - treated
        parts = [
            Y11.p * S,
            -Y10.p * (R - counterfactual),
            -Y01.p * (Q - Y01.p @ Q),  # the empirical F01 meets F00(z) up to a step: its mean is taken out
            -Y00.p * (P - Y00.p @ P),
        ]
        return float(treated - counterfactual), parts

    def at_quantile(self, t: float) -> tuple[float, list[Array]]:
        """Return the effect at quantile t and the contributions of the rows of Y11, Y10, Y01 and Y00."""
        Y11, Y10, Y01, Y00 = self.Y11, self.Y10, self.Y01, self.Y00
        q11, q10 = Y11.Q(np.array(t)), Y10.Q(np.array(t))
        k = Y01.Q(Y00.F(q10))
        slope = 1 / Y01.f(k)
        terms = (
            (Y11, -1 / Y11.f(q11), q11),  # S
            (Y10, slope * Y00.f(q10) / Y10.f(q10), q10),  # R
            (Y01, slope, k),  # Q
            (Y00, -slope, q10),  # P
        )
        parts = []
        for sample, weight, at in terms:
            below = (sample.y <= at).astype(float)
            parts.append(sample.p * weight * (below - sample.p @ below))
        return float(q11 - k), parts
