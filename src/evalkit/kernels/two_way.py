r"""Least squares with unit and period effects, without dummies.

``N`` units, ``T`` periods, ``n`` rows, ``K`` regressors. Two routes give the same numbers:

- *patterns*: when the regressors depend only on a unit's cohort and on the periods in which it is seen, the cells
  (cohort, mask) with their weights and sums of y are sufficient. Unit effects leave in closed form, period effects are
  T - 1 further columns of a small Gram matrix.
- *dense*: any regressors, weights and further effects, residualised column by column. Unit effects leave in closed
  form, all others through a Schur complement (Frisch & Waugh 1933).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Collinear(Exception):
    """Regressors are collinear after the effects are taken out; ``columns`` are their positions."""

    def __init__(self, columns: list[int]) -> None:
        super().__init__(columns)
        self.columns = columns


@dataclass(frozen=True)
class Fit:
    """A least-squares fit.

    Attributes
    ----------
    beta : (K,) coefficients
    contributions : (N, K) or (n, K) influence of units or rows, beta_hat - beta is close to their sum
    bread : (K, K) inverse of X'X after the effects
    residual_sum : weighted sum of squared residuals
    """

    beta: Array
    contributions: Array
    bread: Array
    residual_sum: float


def inverse(XX: Array, shown: int) -> Array:
    """Return the inverse of a Gram matrix whose first ``shown`` columns are of interest, raising Collinear with positions."""
    scale = np.sqrt(np.maximum(np.diag(XX), 0))
    if (dead := scale <= 1e-9 * max(scale.max(), 1e-300)).any():
        raise Collinear([int(c) for c in np.flatnonzero(dead[:shown])] or list(range(shown)))
    values, vectors = np.linalg.eigh(XX / np.outer(scale, scale))
    if values[0] < 1e-11 * values[-1]:
        null = np.abs(vectors[:shown, values < 1e-11 * values[-1]]).max(axis=1)
        raise Collinear([int(c) for c in np.flatnonzero(null > 1e-4)] or list(range(shown)))
    inverted: Array = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return inverted


def cohort_patterns(cohort: Array, seen: Array | None) -> tuple[Array, Array]:
    """Return (P,) positions of one unit of each (cohort, mask) pattern, and each unit's pattern (N,).

    ``seen`` is the (N, T) mask of rows present, or None when all are.
    """
    codes = np.unique(cohort, return_inverse=True)[1]
    if seen is None:
        _, first, inverse_ = np.unique(codes, return_index=True, return_inverse=True)
        return first, inverse_
    key = np.column_stack([codes.astype(">i4").view(np.uint8).reshape(len(codes), 4), np.packbits(seen, axis=1)])
    key = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1]))).ravel()
    _, first, inverse_ = np.unique(key, return_index=True, return_inverse=True)
    return first, inverse_


def by_pattern(Y: Array, w: Array, regressors: Array, seen: Array | None, pattern: Array, by_row: bool) -> Fit:
    """Fit y on regressors that depend on the pattern, with unit and period effects.

    Parameters
    ----------
    Y : (N, T) outcome, NaN where not seen
    w : (N,) weights of units
    regressors : (P, T, K) regressors of each pattern
    seen : (P, T) periods seen in each pattern, or None when all are
    pattern : (N,) each unit's pattern
    by_row : whether contributions are (n, K) by row instead of (N, K) by unit
    """
    P, T, K = regressors.shape
    mask = np.ones((P, T)) if seen is None else seen.astype(float)
    periods = np.broadcast_to(np.eye(T)[:, 1:], (P, T, T - 1))
    X = np.concatenate([regressors, periods], axis=2) * mask[:, :, None]
    X = (X - X.sum(axis=1, keepdims=True) / mask.sum(axis=1)[:, None, None]) * mask[:, :, None]
    filled = Y if seen is None else np.nan_to_num(Y)
    weight = np.bincount(pattern, w, P)
    S = np.column_stack([np.bincount(pattern, w * filled[:, t], P) for t in range(T)])
    A = inverse(np.einsum("p,ptk,ptl->kl", weight, X, X, optimize=True), K)
    beta = A @ np.einsum("ptk,pt->k", X, S)
    XA = X @ A[:, :K]  # (P, T, K): a row's regressors in units of the coefficients of interest
    fitted = X @ beta
    centred = np.empty_like(filled)
    contributions = np.empty((len(Y), K)) if not by_row else np.empty((len(Y), T, K))
    order = np.argsort(pattern, kind="stable")
    ends = np.cumsum(np.bincount(pattern, minlength=P))
    for p, rows in enumerate(np.split(order, ends[:-1])):
        z = filled[rows] * mask[p]
        e = (z - z.sum(axis=1, keepdims=True) / mask[p].sum() - fitted[p]) * mask[p]
        centred[rows] = e
        if by_row:
            contributions[rows] = (w[rows, None] * e)[:, :, None] * XA[p]
        else:
            contributions[rows] = w[rows, None] * (e @ XA[p])
    if by_row:
        contributions = contributions[mask[pattern] == 1] if seen is not None else contributions.reshape(-1, K)
    residual_sum = float(np.einsum("i,it,it->", w, centred, centred))
    return Fit(beta[:K], contributions, A[:K, :K], residual_sum)


@dataclass(frozen=True)
class Effects:
    """Further fixed effects: (n,) codes, how many levels, and for a slope the (n,) variable it multiplies."""

    codes: Array
    levels: int
    variable: Array | None = None


def residualise(columns: Array, unit: Array, units: int, effects: Sequence[Effects], w: Array | None) -> Array:
    """Return (n, K) columns with unit effects and further effects taken out, weighted by w (n,).

    Unit means are subtracted; with C the (N, L) weighted sums of the other effects' columns within units, the
    L x L Schur complement D'WD - C' diag(1/W) C gives the rest, one connected block at a time: with province x year
    effects a block is a province.
    """
    from scipy import sparse

    n = len(unit)
    weight = np.ones(n) if w is None else w
    D = sparse.hstack([_dummies(effect, n) for effect in effects], format="csr")
    U = sparse.csr_array((weight, (unit, np.arange(n))), shape=(units, n))
    total = np.bincount(unit, weight, units)
    C = (U @ D).tocsr()
    WD = D.multiply(weight[:, None]).tocsr()
    blocks = _inverse_blocks((D.T @ WD - C.T @ sparse.diags_array(1 / total) @ C).tocsr())
    out = np.empty_like(columns)
    for k in range(columns.shape[1]):
        z = columns[:, k] - (U @ columns[:, k] / total)[unit]
        score = WD.T @ z
        effect = np.zeros(D.shape[1])
        for members, inverted in blocks:
            effect[members] = inverted @ score[members]
        out[:, k] = z - (D @ effect - (C @ effect / total)[unit])
    return out


def _dummies(effect: Effects, n: int) -> Any:
    """Return the (n, L) sparse columns of one set of effects."""
    from scipy import sparse

    values = np.ones(n) if effect.variable is None else effect.variable
    return sparse.csr_array((values, (np.arange(n), effect.codes)), shape=(n, effect.levels))


def _inverse_blocks(schur: Any) -> list[tuple[Array, Array]]:
    """Return (positions, pseudo-inverse) of each connected block of a sparse symmetric matrix."""
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(schur, directed=False)
    order = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=count))
    blocks = []
    for members in np.split(order, ends[:-1]):
        block = schur[members][:, members].toarray()
        scale = np.sqrt(np.maximum(np.diag(block), 0))
        scale[scale == 0] = 1.0
        values, vectors = np.linalg.eigh(block / np.outer(scale, scale))
        kept = values > 1e-10 * max(values[-1], 1e-300)
        root = vectors[:, kept] / scale[:, None]
        blocks.append((members, (root / values[kept]) @ root.T))
    return blocks


def dense(y: Array, X: Array, unit: Array, units: int, effects: Sequence[Effects], w: Array | None) -> Fit:
    """Fit y (n,) on X (n, K) with unit and further effects; contributions are (n, K) by row."""
    K = X.shape[1]
    Z = residualise(np.column_stack([X, y]), unit, units, effects, w)
    scale = np.sqrt((X**2).sum(axis=0))
    gone = np.sqrt((Z[:, :K] ** 2).sum(axis=0)) < 1e-9 * np.where(scale > 0, scale, 1)
    if gone.any():
        raise Collinear([int(c) for c in np.flatnonzero(gone)])
    Xr, yr = Z[:, :K], Z[:, K]
    wX = Xr if w is None else w[:, None] * Xr
    A = inverse(wX.T @ Xr, K)
    beta = A @ (wX.T @ yr)
    e = yr - Xr @ beta
    residual_sum = float(e @ e if w is None else (w * e) @ e)
    return Fit(beta, (wX * e[:, None]) @ A, A, residual_sum)
