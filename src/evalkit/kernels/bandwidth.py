r"""Bandwidths that balance squared bias and variance of a jump, or the coverage of its interval.

Calonico, Cattaneo & Farrell (2020, Econometrics Journal 23) and Calonico, Cattaneo, Farrell & Titiunik (2019, section 4). For an effect
estimated by a polynomial of order ``o`` with derivative ``nu``, whose bias has a constant B and whose variance has a constant V, the
mean squared error is smallest at

    h = [ (1 + 2 nu) V / (2 (o + 1 - nu) (B^2 + R)) / n ] ** (1 / (2 o + 3))

in the notation of :mod:`evalkit.kernels.local_polynomial`. R is the regularisation: three times the variance of the estimated bias, so that
a bias estimated near zero does not make the bandwidth explode. V is measured in a pilot window, B by a polynomial of higher order in a wider
window found in the same way: first ``d`` for the derivative of order q + 1, then ``b``, then ``h``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any

import numpy as np

from evalkit.kernels.local_polynomial import (
    Polynomial,
    Side,
    Specification,
    covariate_adjustment,
    polynomial,
    residuals,
    sum_of_squares,
    toward_effect,
)

Array = np.ndarray[Any, Any]

SELECTORS = (
    "mserd", "msetwo", "msesum", "msecomb1", "msecomb2", "cerrd", "certwo", "cersum", "cercomb1", "cercomb2",
)  # fmt: skip
PILOT = {"triangular": 2.576, "epanechnikov": 2.34, "uniform": 1.843}
MASS = 0.2  # share of rows on a side that repeat a score, from which on bandwidths are kept wide enough
DISTINCT = 10  # distinct scores that a bandwidth then reaches on each side

Pair = tuple[float, float]


@dataclass(frozen=True)
class Constants:
    """Variance V, bias B and regularisation R of one side at one stage, in the units of the formula."""

    V: float
    B: float
    R: float


def constants(side: Side, how: Specification, o: int, nu: int, o_B: int, h_V: float, h_B: float, regularise: bool) -> Constants:
    """Return the constants of a side for a polynomial of order o, its bias told by one of order o_B within h_B."""
    near = side.rows(side.within(how.c, h_V, how.kernel))
    fit = polynomial(near, how.c, h_V, o, how.kernel)
    a = fit.weights(nu)
    s = _toward_effect(near, fit, a, nu, how.fuzzy)
    V = sum_of_squares(a * (residuals(near, fit, how.residuals) @ s), near.g, o + 1)
    moment = float(h_V**nu * (a @ ((near.x - how.c) / h_V) ** (o + 1)))
    far = side.rows(side.within(how.c, h_B, how.kernel))
    wide = polynomial(far, how.c, h_B, o_B, how.kernel)
    a_B = wide.weights(o + 1)
    R = 0.0
    if regularise:
        R = 3 * moment**2 * sum_of_squares(a_B * (residuals(far, wide, how.residuals) @ s), far.g, o_B + 1)
    slopes = 2 * (o + 1 - nu)
    B = float(np.sqrt(slopes)) * moment * float(s @ (a_B @ far.D))
    return Constants((2 * nu + 1) * h_V ** (2 * nu + 1) * V, B, slopes * R)


def _toward_effect(side: Side, fit: Polynomial, a: Array, nu: int, fuzzy: bool) -> Array:
    """Return s (m,) of one side alone, as the selectors see it."""
    responses = 1 + int(fuzzy)
    gamma = np.zeros((0, responses))
    if side.D.shape[1] > responses:
        gamma = covariate_adjustment([side], [fit], responses)
    return toward_effect(factorial(nu) * (a @ side.D), gamma, fuzzy)[1]


@dataclass(frozen=True, eq=False)
class Selector:
    """All bandwidths of one design, each computed when it is asked for.

    Parameters
    ----------
    left, right : the sides
    how : what is fitted
    regularise : whether R counts
    mass_points : "adjust" counts distinct scores in the pilot bandwidth and, when at least a fifth of the rows of a side repeat a score, keeps
        every bandwidth wide enough for ten of them; "check" only counts them; "off" does not look
    """

    left: Side
    right: Side
    how: Specification
    regularise: bool = True
    mass_points: str = "adjust"

    def __call__(self, name: str) -> tuple[Pair, Pair]:
        """Return (h_left, h_right), (b_left, b_right) of a selector."""
        rule = name[3:]
        shrink = self._coverage if name.startswith("cer") else 1.0
        if rule == "two":
            h, b = self._two
        elif rule in ("rd", "sum"):
            h, b = self._common(rule)
        else:
            (h_rd, b_rd), (h_sum, b_sum), (h_two, b_two) = self._common("rd"), self._common("sum"), self._two
            h, b = (_combined(rule, *three) for three in ((h_rd, h_sum, h_two), (b_rd, b_sum, b_two)))
        return (h[0] * shrink, h[1] * shrink), b

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.left, self.right

    @cached_property
    def distinct(self) -> tuple[int, int]:
        """How many distinct scores each side has."""
        return len(np.unique(self.left.x)), len(np.unique(self.right.x))

    @cached_property
    def heaped(self) -> bool:
        """Whether at least a fifth of the rows of a side repeat a score."""
        return any(1 - m / len(s.x) >= MASS for m, s in zip(self.distinct, self.sides, strict=True))

    @cached_property
    def _reach(self) -> Pair:
        return tuple(float(np.abs(s.x - self.how.c).max()) for s in self.sides)  # type: ignore[return-value]

    @cached_property
    def _least(self) -> Pair:
        """The smallest bandwidths that reach enough distinct scores; zero when scores are not heaped."""
        if self.mass_points != "adjust" or not self.heaped:
            return 0.0, 0.0
        distances = [np.unique(np.abs(s.x - self.how.c)) for s in self.sides]
        return tuple(float(d[min(DISTINCT, len(d)) - 1]) for d in distances)  # type: ignore[return-value]

    @cached_property
    def _coverage(self) -> float:
        """The factor from the smallest error to the best coverage, n ** (-p / ((3 + p)(3 + 2p))); n counts clusters if there are any."""
        p = self.how.p
        n = sum(len(s.x) if s.g is None else len(np.unique(s.g)) for s in self.sides)
        return float(n ** (-p / ((3 + p) * (3 + 2 * p))))

    @cached_property
    def pilot(self) -> float:
        """The bandwidth in which variances are measured: Silverman's rule."""
        x = np.concatenate([s.x for s in self.sides])
        low, high = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
        n = len(x) if self.mass_points == "off" else sum(self.distinct)
        c = PILOT[self.how.kernel] * min(float(x.std(ddof=1)), float(high - low) / 1.349) * n**-0.2
        return float(max(min(c, max(self._reach)), *self._least))

    @cached_property
    def _first(self) -> tuple[Constants, Constants]:
        q = self.how.q
        left, right = (
            constants(s, self.how, q + 1, q + 1, q + 2, self.pilot, reach, False)
            for s, reach in zip(self.sides, self._reach, strict=True)
        )
        return left, right

    def _stage(self, which: int, h_B: float) -> list[Constants]:
        """Return the constants of both sides for the bias bandwidth (0) or the main one (1), given the wider window."""
        how = self.how
        o, nu, o_B = ((how.q, how.p + 1, how.q + 1), (how.p, how.nu, how.q))[which]
        return [constants(s, how, o, nu, o_B, self.pilot, h_B, self.regularise) for s in self.sides]

    @cached_property
    def _two(self) -> tuple[Pair, Pair]:
        h, b = [], []
        for i, side in enumerate(self.sides):
            most, least, how = self._reach[i], self._least[i], self.how

            def kept(value: float, most: float = most, least: float = least) -> float:
                return max(min(value, most), least)

            first = self._first[i]
            d = kept(_best(first.V, first.B**2, how.q + 1))
            second = constants(side, how, how.q, how.p + 1, how.q + 1, self.pilot, d, self.regularise)
            b.append(kept(_best(second.V, second.B**2 + second.R, how.q)))
            third = constants(side, how, how.p, how.nu, how.q, self.pilot, b[i], self.regularise)
            h.append(kept(_best(third.V, third.B**2 + third.R, how.p)))
        return (h[0], h[1]), (b[0], b[1])

    def _common(self, rule: str) -> tuple[Pair, Pair]:
        """Return one bandwidth for both sides, for the difference of the two levels ("rd") or for their sum."""
        most, least = max(self._reach), max(self._least)
        sign = -1.0 if rule == "rd" else 1.0

        def kept(parts: list[Constants], o: int) -> float:
            left, right = parts
            value = _best(left.V + right.V, (right.B + sign * left.B) ** 2 + left.R + right.R, o)
            return max(min(value, most), least)

        d = kept(list(self._first), self.how.q + 1)
        b = kept(self._stage(0, d), self.how.q)
        h = kept(self._stage(1, b), self.how.p)
        return (h, h), (b, b)


def _best(V: float, squared_bias: float, o: int) -> float:
    """Return the bandwidth that balances variance and squared bias; infinite when there is no bias, or no noise to balance."""
    return float((V / squared_bias) ** (1 / (2 * o + 3))) if squared_bias > 0 and V > 0 else np.inf


def _combined(rule: str, rd: Pair, total: Pair, two: Pair) -> Pair:
    if rule == "comb1":
        return (min(rd[0], total[0]),) * 2
    return float(np.median([rd[0], total[0], two[0]])), float(np.median([rd[0], total[0], two[1]]))
