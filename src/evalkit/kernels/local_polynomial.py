r"""Local polynomials on the two sides of a cutoff: the jump, its bias, and what every row contributes to both.

Notation of Calonico, Cattaneo & Titiunik (2014, Econometrica 82) and Calonico, Cattaneo, Farrell & Titiunik (2019, REStat 101), on one
side of the cutoff ``c`` with ``n`` rows sorted by score:

- ``x`` (n,)    score; ``w`` (n,) sampling weights or None; ``g`` (n,) integer codes of clusters or None
- ``D`` (n, m)  outcome, then take-up when the design is fuzzy, then covariates
- ``h``, ``b``  bandwidths of the polynomials of order ``p`` (the estimate) and ``q`` = p + 1 (its bias)
- ``nu``        derivative: 0 for a jump, 1 for a kink
- ``s`` (m,)    turns the jumps of the columns of D into the effect: 1 for the outcome, minus gamma for covariates, the derivative of a
  ratio for a fuzzy design

A coefficient of a local polynomial is linear in the data, a'D with a (n,), so that everything here is a weight a: the jump, the leading
bias h^(p+1) B and their difference. A row contributes a_i times its residual, and contributions add to the error of the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

KERNELS = ("triangular", "epanechnikov", "uniform")
RESIDUALS = ("nn", "hc0", "hc1", "hc2", "hc3")
MATCHES = 3


class TooFewPoints(Exception):
    """A window around the cutoff holds fewer distinct scores than a polynomial has coefficients."""


class Collinear(Exception):
    """The covariates are collinear given the polynomials of the score."""


class NoTakeUp(Exception):
    """Take-up does not jump, so that nothing can be divided by its jump."""


class OneCluster(Exception):
    """A side has rows of one cluster only, so that its variation is unknown."""


@dataclass(frozen=True, eq=False)
class Side:
    """One side of the cutoff, sorted by score: x (n,), D (n, m), w (n,) or None, g (n,) or None."""

    x: Array
    D: Array
    w: Array | None = None
    g: Array | None = None

    def within(self, c: float, h: float, kernel: str) -> slice:
        """Return the rows whose kernel weight is positive: neighbours, because scores are sorted."""
        u = np.abs(self.x - c) / h
        inside = np.flatnonzero(u <= 1 if kernel == "uniform" else u < 1)
        return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)

    def rows(self, part: slice) -> Side:
        """Return some of the rows."""
        return Side(
            self.x[part],
            self.D[part],
            None if self.w is None else self.w[part],
            None if self.g is None else self.g[part],
        )


@dataclass(frozen=True)
class Specification:
    """What is fitted: cutoff c, orders p and q, derivative nu, kernel, residuals, and whether the second column of D is take-up."""

    c: float
    p: int = 1
    q: int = 2
    nu: int = 0
    kernel: str = "triangular"
    residuals: str = "nn"
    fuzzy: bool = False


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A fitted local polynomial of order o on a window.

    Attributes
    ----------
    U (n, o+1) powers of (x - c) / h; k (n,) kernel weights; inverse (o+1, o+1) of U'kU; scale (o+1,) = h ** (0..o)
    """

    U: Array
    k: Array
    inverse: Array
    scale: Array

    def weights(self, nu: int) -> Array:
        """Return a (n,) with a'D the coefficient of (x - c) ** nu."""
        return np.asarray(self.k * (self.U @ self.inverse[:, nu]) / self.scale[nu])

    def fitted(self, D: Array) -> Array:
        """Return the polynomial's values (n, m)."""
        return np.asarray(self.U @ (self.inverse @ (self.U.T @ (self.k[:, None] * D))))

    def leverage(self) -> Array:
        """Return the diagonal of the hat matrix (n,)."""
        return np.asarray(self.k * np.einsum("ij,jk,ik->i", self.U, self.inverse, self.U))


def kernel_weights(u: Array, kernel: str) -> Array:
    """Return the kernel at (n,) scaled distances: triangular 1 - |u|, epanechnikov 3/4 (1 - u^2), uniform 1/2, zero beyond 1."""
    inside = np.abs(u) <= 1
    if kernel == "triangular":
        return np.asarray((1 - np.abs(u)) * inside)
    if kernel == "epanechnikov":
        return np.asarray(0.75 * (1 - u**2) * inside)
    return 0.5 * inside


def polynomial(side: Side, c: float, h: float, order: int, kernel: str) -> Polynomial:
    """Return the local polynomial of this order and bandwidth on all rows of a side (rows beyond h weigh nothing)."""
    u = (side.x - c) / h
    k = kernel_weights(u, kernel) / h
    if side.w is not None:
        k = k * side.w
    if len(np.unique(u[k > 0])) <= order:
        raise TooFewPoints
    U = u[:, None] ** np.arange(order + 1)
    R = np.linalg.qr(U * np.sqrt(k)[:, None], mode="r")
    half = np.linalg.inv(R)
    return Polynomial(U, k, half @ half.T, float(h) ** np.arange(order + 1))


def nearest_residuals(x: Array, D: Array, matches: int = MATCHES) -> Array:
    """Return residuals (n, m) from the mean of the nearest rows by score, sqrt(J / (J + 1)) (D_i - mean of the J others).

    Rows with the same score are neighbours together, so J is ``matches`` or more (Abadie & Imbens 2006).
    """
    n = len(x)
    first = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])
    last = np.r_[first[1:], n]
    value, size = x[first], np.diff(np.r_[first, n])
    low, high = np.arange(len(value)), np.arange(len(value))
    wanted = min(matches, n - 1)
    while True:
        short = np.flatnonzero(last[high] - first[low] - 1 < wanted)
        if not len(short):
            break
        left, right = low[short], high[short]
        to_left = np.where(left > 0, value[short] - value[np.maximum(left - 1, 0)], np.inf)
        to_right = np.where(right < len(value) - 1, value[np.minimum(right + 1, len(value) - 1)] - value[short], np.inf)
        low[short] -= to_left <= to_right
        high[short] += to_right <= to_left
    J = np.repeat(last[high] - first[low] - 1, size)
    centred = D - D.mean(axis=0)
    total = np.vstack([np.zeros(D.shape[1]), np.cumsum(centred, axis=0)])
    others = np.repeat(total[last[high]] - total[first[low]], size, axis=0) - centred
    return np.asarray(np.sqrt(J / (J + 1))[:, None] * (centred - others / J[:, None]))


def residuals(side: Side, fit: Polynomial, kind: str) -> Array:
    """Return residuals (n, m) of a kind: from nearest neighbours, or from the fit with the factors of HC0 to HC3."""
    if kind == "nn":
        return nearest_residuals(side.x, side.D)
    e = side.D - fit.fitted(side.D)
    n, k = fit.U.shape
    if kind == "hc1":
        if n <= k:
            raise TooFewPoints
        return np.asarray(e * np.sqrt(n / (n - k)))
    if kind in ("hc2", "hc3"):
        left = 1 - fit.leverage()
        if not left.min() > 1e-10:  # a row that the polynomial follows wherever it goes has no residual to be blown up
            raise TooFewPoints
        return np.asarray(e / left[:, None] ** (0.5 if kind == "hc2" else 1.0))
    return np.asarray(e)


def sum_of_squares(contributions: Array, g: Array | None, coefficients: int) -> float:
    """Return the variance of a sum of (n,) contributions: of rows, or of clusters with the factor G/(G-1) (n-1)/(n-k) of a side."""
    if g is None:
        return float(contributions @ contributions)
    n, codes = len(contributions), np.unique(g, return_inverse=True)[1]
    groups = int(codes.max()) + 1
    if groups < 2:
        raise OneCluster
    if n <= coefficients:
        raise TooFewPoints
    sums = np.bincount(codes, contributions)
    return float(sums @ sums) * groups / (groups - 1) * (n - 1) / (n - coefficients)


def covariate_adjustment(sides: list[Side], fits: list[Polynomial], responses: int) -> Array:
    """Return gamma (covariates, responses): D's later columns explain its first ones given a polynomial on each side."""
    k, z = responses, sides[0].D.shape[1] - responses
    ZZ, ZY, total = np.zeros((z, z)), np.zeros((z, k)), np.zeros(z)
    for side, fit in zip(sides, fits, strict=True):
        e = side.D - fit.fitted(side.D)
        ZZ += e[:, k:].T @ (fit.k[:, None] * e[:, k:])
        ZY += e[:, k:].T @ (fit.k[:, None] * e[:, :k])
        total += fit.k @ side.D[:, k:] ** 2
    scale = np.sqrt(np.diag(ZZ))
    if (scale**2 <= 1e-14 * total).any() or np.linalg.cond(ZZ / np.outer(scale, scale)) > 1e12:
        raise Collinear
    return np.linalg.solve(ZZ, ZY)


def toward_effect(jumps: Array, gamma: Array, fuzzy: bool) -> tuple[float, Array]:
    """Return the effect and its derivative s (m,) with respect to the jumps (m,) of D's columns."""
    outcome = np.r_[1.0, np.zeros(int(fuzzy)), -gamma[:, 0]]
    if not fuzzy:
        return float(outcome @ jumps), outcome
    take_up = np.r_[0.0, 1.0, -gamma[:, 1]]
    numerator, denominator = float(outcome @ jumps), float(take_up @ jumps)
    if denominator == 0:
        raise NoTakeUp
    return numerator / denominator, outcome / denominator - take_up * numerator / denominator**2


@dataclass(frozen=True, eq=False)
class Jump:
    """The effect at the cutoff and its error.

    Attributes
    ----------
    conventional, bias_corrected : the two estimates
    left, right : (n, 2) contributions of every row to the error of the conventional estimate and of the bias-corrected one, the latter with
        the estimated bias in it (the "robust" error)
    windows : for each side how many rows weigh something within h and b
    """

    conventional: float
    bias_corrected: float
    left: Array
    right: Array
    windows: tuple[tuple[int, int], tuple[int, int]]


def jump(left: Side, right: Side, how: Specification, h: tuple[float, float], b: tuple[float, float]) -> Jump:
    """Return the jump (or kink) from left to right of the cutoff, with bandwidths h and b of both sides.

    Raises TooFewPoints when a window holds too few distinct scores, NoTakeUp when a fuzzy design has no jump of take-up.
    """
    sides = [left, right]
    parts = [s.within(how.c, max(h[i], b[i]), how.kernel) for i, s in enumerate(sides)]
    windows = [s.rows(part) for s, part in zip(sides, parts, strict=True)]
    main = [polynomial(s, how.c, h[i], how.p, how.kernel) for i, s in enumerate(windows)]
    higher = [polynomial(s, how.c, b[i], how.q, how.kernel) for i, s in enumerate(windows)]
    responses = 1 + int(how.fuzzy)
    gamma = np.zeros((0, responses))
    if left.D.shape[1] > responses:
        gamma = covariate_adjustment(windows, main, responses)
    times = factorial(how.nu)
    plain, corrected = [], []
    for s, fit, bias in zip(windows, main, higher, strict=True):
        a = times * fit.weights(how.nu)
        plain.append(a)
        corrected.append(a - (a @ (s.x - how.c) ** (how.p + 1)) * bias.weights(how.p + 1))
    jumps, jumps_corrected = (a[1] @ windows[1].D - a[0] @ windows[0].D for a in (plain, corrected))
    if how.fuzzy and abs(jumps[1]) <= 1e-12 * max(float(np.abs(s.D[:, 1]).max()) for s in windows):
        raise NoTakeUp  # rounding is no jump
    effect, toward = toward_effect(jumps, gamma, how.fuzzy)
    errors = []
    for i, window in enumerate(windows):
        rows = np.zeros((len(sides[i].x), 2))
        e, e_bias = residuals(window, main[i], how.residuals) @ toward, residuals(window, higher[i], how.residuals) @ toward
        rows[parts[i]] = (2 * i - 1) * np.column_stack([plain[i] * e, corrected[i] * e_bias])
        errors.append(rows)
    counts = [(int((main[i].k > 0).sum()), int((higher[i].k > 0).sum())) for i in (0, 1)]
    return Jump(effect, effect - float(toward @ (jumps - jumps_corrected)), errors[0], errors[1], (counts[0], counts[1]))
