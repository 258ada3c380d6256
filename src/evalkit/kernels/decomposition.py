r"""What the coefficient of two-way fixed effects is a mean of: two-by-two comparisons, and effects of cells.

``C`` cohorts, ``T`` periods:

- ``n`` (C,)         weighted number of units of a cohort
- ``y``, ``d`` (C, T)  cohort means of the outcome and of treatment (or of its residual)
- ``S`` (C,)         position of a cohort's first treated period, T for the never treated, 0 for the always treated

Goodman-Bacon (2021, Journal of Econometrics 225), theorem 1 and equations (24) to (26) with covariates; de Chaisemartin &
D'Haultfoeuille (2020, American Economic Review 110), theorem 1 and corollary 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


ABSORBED = 1e-9  # what is left of a column, relative to it, when the fixed effects say it all


def absorbed(Z: Array, columns: Array) -> Array:
    """Return (K,) which of the ``columns`` (n, K) the fixed effects say in full, ``Z`` (n, K) being the same net of them."""
    return np.asarray(np.linalg.norm(Z, axis=0) <= ABSORBED * np.linalg.norm(columns, axis=0))


def residual_treatment(d: Array, Z: Array, w: Array | None) -> Array | None:
    """Return (n,) treatment given covariates, d (n,) and Z (n, K) net of fixed effects and not absorbed; None where Z determines it."""
    root = np.ones(len(d)) if w is None else np.sqrt(w)
    X = Z / np.linalg.norm(Z, axis=0)  # so that the unit of a covariate does not matter
    gamma = np.linalg.lstsq(X * root[:, None], d * root, rcond=None)[0]
    e: Array = d - X @ gamma
    return e if np.linalg.norm(e) > ABSORBED * np.linalg.norm(d) else None


@dataclass(frozen=True)
class Pairs:
    """Two-by-two comparisons: positions of the cohort that changes and of the one it is compared with, estimates, weights (P,)."""

    treated: Array
    untreated: Array
    estimate: Array
    weight: Array


def two_by_twos(y: Array, n: Array, S: Array) -> Pairs:
    """Return every two-by-two of equation (10), with the weights (10e) to (10g), which add to one.

    Each ordered pair (k, l) with k treated within the window is one comparison, over the periods in which l does not change:
    before l starts when k is earlier, from l's start on when k is later.
    """
    C, T = y.shape
    k, ell = (axis.ravel() for axis in np.meshgrid(np.flatnonzero((S > 0) & (S < T)), np.arange(C), indexing="ij"))
    # A cohort is not compared with itself, nor with one that starts at the same time.
    apart = S[k] != S[ell]
    k, ell = k[apart], ell[apart]
    earlier = S[k] < S[ell]
    first, last = np.where(earlier, 0, S[ell]), np.where(earlier, S[ell], T)
    sums = np.hstack([np.zeros((C, 1)), y.cumsum(axis=1)])

    def change(c: Array) -> Array:
        after = (sums[c, last] - sums[c, S[k]]) / (last - S[k])
        before = (sums[c, S[k]] - sums[c, first]) / (S[k] - first)
        return np.asarray(after - before)

    # n_k n_l times the window's variance of D_k: (n_k + n_l)^2 V in the paper's letters, the window's square over T^2 included.
    weight = n[k] * n[ell] * (last - S[k]) * (S[k] - first) / T**2
    return Pairs(k, ell, change(k) - change(ell), weight / weight.sum())


def between_pairs(y: Array, d: Array, n: Array) -> Pairs:
    """Return the comparisons of every two cohorts when treatment is a residual d (C, T), double-demeaned: equation (25).

    As the sum over cohorts of n d is zero in every period, sum_k n_k d_k y_k = sum_{k<l} n_k n_l (d_k - d_l)(y_k - y_l) / sum n.
    """
    k, ell = np.triu_indices(len(n), 1)
    gap = d[k] - d[ell]
    square = (gap**2).sum(axis=1)
    kept = square > 1e-20 * square.max(initial=0.0)
    k, ell, gap, square = k[kept], ell[kept], gap[kept], square[kept]
    weight = n[k] * n[ell] * square
    return Pairs(k, ell, (gap * (y[k] - y[ell])).sum(axis=1) / square, weight / weight.sum())


def sigma_zero(beta: float, share: Array, w: Array) -> float:
    r"""Return the smallest standard deviation of effects with which the average effect can be zero: corollary 1, \underline{\sigma}_{fe}.

    Parameters
    ----------
    beta : the coefficient
    share : (c,) share of treated rows in each cell
    w : (c,) weight of a cell over its share; the mean over treated rows is one
    """
    spread = float(np.sqrt(share @ (w - 1) ** 2))
    return abs(beta) / spread if spread > 1e-12 else float("inf")


def sigma_opposite(beta: float, share: Array, w: Array) -> float:
    r"""Return the smallest standard deviation with which every effect can have the other sign: \underline{\underline{\sigma}}_{fe}.

    Infinite when no weight is negative: then no heterogeneity can turn all signs.
    """
    if not (w < 0).any():
        return float("inf")
    order = np.argsort(-w, kind="stable")
    p, w = share[order], w[order]
    P, S, T = (np.cumsum(part[::-1])[::-1] for part in (p, p * w, p * w**2))
    rest = np.maximum(1 - P, 0)
    with np.errstate(divide="ignore"):
        s = int(np.flatnonzero(w * rest < -S)[0])
    inside = T[s] + (S[s] ** 2 / rest[s] if rest[s] > 0 else 0.0)
    return float(abs(beta) / np.sqrt(inside))
