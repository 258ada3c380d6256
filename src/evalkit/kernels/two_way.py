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
from dataclasses import dataclass, replace
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
    slopes : how many coefficients were estimated besides the effects
    coefficients : (L,) coefficients behind beta, where beta are combinations of them
    """

    beta: Array
    contributions: Array
    bread: Array
    residual_sum: float
    slopes: int
    coefficients: Array

    def in_units(self, size: Array) -> Fit:
        """Return the fit on the columns themselves, when they were divided by their size (K,) before it."""
        return replace(
            self,
            beta=self.beta / size,
            contributions=self.contributions / size,
            bread=self.bread / np.outer(size, size),
            coefficients=self.coefficients / size,
        )


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


def generalised_inverse(XX: Array, combinations: Array) -> tuple[Array, int]:
    """Return a symmetric generalised inverse of a Gram matrix and its rank.

    Raises Collinear with the positions of the combinations (S, columns) that depend on what the data do not tell.
    """
    scale = np.sqrt(np.maximum(np.diag(XX), 0))
    scale[scale <= 1e-9 * max(scale.max(), 1e-300)] = np.inf
    values, vectors = np.linalg.eigh(XX / np.outer(scale, scale))
    kept = values > 1e-11 * values[-1]
    root = vectors[:, kept] / scale[:, None]
    scaled = combinations * np.where(np.isinf(scale), 0, 1 / scale)
    # What lies in the null space of the scaled columns is told by no row; so are columns that are zero.
    outside = np.abs(scaled @ vectors[:, ~kept]).max(axis=1, initial=0)
    outside = np.maximum(outside, np.abs(combinations[:, np.isinf(scale)]).max(axis=1, initial=0))
    if (unknown := outside > 1e-6 * np.maximum(np.abs(scaled).max(axis=1), 1e-300)).any():
        raise Collinear([int(c) for c in np.flatnonzero(unknown)])
    return (root / values[kept]) @ root.T, int(kept.sum())


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


@dataclass(frozen=True)
class Columns:
    """Regressors of a fit with unit effects, as sufficient parts: f_pt (x) z_i for patterns p, and v_it.

    Attributes
    ----------
    F : (P, T, M) features of patterns, demeaned over the periods seen
    Z : (N, q) what they are multiplied by in each unit, constant over time; its first column is ones
    V : (N, T, J) columns that vary freely, demeaned over the periods seen, zero where not seen
    """

    F: Array
    Z: Array
    V: Array

    def gram(self, w: Array, pattern: Array) -> Array:
        """Return the (Mq + J, Mq + J) Gram matrix: blocks F'F (x) Z'WZ by pattern, then V."""
        P, T, M = self.F.shape
        N, q, J = len(w), self.Z.shape[1], self.V.shape[2]
        out = np.empty((M * q + J, M * q + J))
        whole = self.F.reshape(P * T, M)
        blocks = out[: M * q, : M * q].reshape(M, q, M, q)
        for a in range(q):
            for b in range(a, q):
                S = np.bincount(pattern, w * self.Z[:, a] * self.Z[:, b], P)
                blocks[:, a, :, b] = blocks[:, b, :, a] = (whole * np.repeat(S, T)[:, None]).T @ whole
        for j in range(J):
            cross = self.moment(self.V[:, :, j], w, pattern)
            out[: M * q, M * q + j] = out[M * q + j, : M * q] = cross[: M * q]
        flat = self.V.reshape(N * T, J)
        out[M * q :, M * q :] = (flat * np.repeat(w, T)[:, None]).T @ flat
        return out

    def moment(self, Y: Array, w: Array, pattern: Array) -> Array:
        """Return (Mq + J,) the columns times (N, T) values that are zero where not seen."""
        P, T, M = self.F.shape
        q = self.Z.shape[1]
        out = np.empty((M, q))
        for a in range(q):
            weight = w * self.Z[:, a]
            S = np.column_stack([np.bincount(pattern, weight * Y[:, t], P) for t in range(T)])
            out[:, a] = np.einsum("ptm,pt->m", self.F, S, optimize=True)
        return np.asarray(np.r_[out.ravel(), np.einsum("itj,it,i->j", self.V, Y, w, optimize=True)])

    def times(self, B: Array) -> tuple[Array, Array]:
        """Return the columns times B (Mq + J, S) as factors: (q, P, T, S) for patterns and (J, S) for V."""
        M, q = self.F.shape[2], self.Z.shape[1]
        by_feature = B[: M * q].reshape(M, q, -1)
        return np.stack([self.F @ by_feature[:, a] for a in range(q)]), B[M * q :]


def _within(values: Array, mask: Array) -> Array:
    """Return (..., T, k) values less their means over the periods seen (..., T), zero where not seen."""
    seen = mask[..., None]
    filled = np.where(seen > 0, values, 0.0)
    out: Array = (filled - filled.sum(axis=-2, keepdims=True) / np.maximum(seen.sum(axis=-2, keepdims=True), 1)) * seen
    return out


def by_pattern(
    Y: Array,
    w: Array,
    regressors: Array,
    seen: Array | None,
    pattern: Array,
    by_row: bool,
    Z: Array | None = None,
    V: Array | None = None,
    shown: Array | None = None,
) -> Fit:
    """Fit y on regressors that depend on the pattern, with unit and period effects.

    Parameters
    ----------
    Y : (N, T) outcome, NaN where not seen
    w : (N,) weights of units
    regressors : (P, T, K) regressors of each pattern
    seen : (P, T) periods used in each pattern, or None when all are
    pattern : (N,) each unit's pattern
    by_row : whether contributions are (n, K) by row instead of (N, K) by unit
    Z : (N, q) multipliers of the regressors and of the period effects, the first column ones, or None for ones alone
    V : (N, T, J) further regressors that vary freely, or None
    shown : (S, Kq + J) the combinations of coefficients of interest (those of a regressor lie together, then V), or None for all;
        with it, columns that add nothing to the others are left out, as long as the combinations do not depend on them
    """
    P, T, K = regressors.shape
    mask = np.ones((P, T)) if seen is None else seen.astype(float)
    own = np.ones((len(Y), T)) if seen is None else mask[pattern]
    Z = np.ones((len(Y), 1)) if Z is None else Z
    V = np.empty((len(Y), T, 0)) if V is None else _within(V, own)
    q, J, M = Z.shape[1], V.shape[2], K + T - 1
    periods = np.broadcast_to(np.eye(T)[:, 1:], (P, T, T - 1))
    columns = Columns(_within(np.concatenate([regressors, periods], axis=2), mask), Z, V)
    filled = Y if seen is None else np.where(own > 0, Y, 0.0)
    # Columns of interest first: regressors times z, then V; the period effects come last.
    order = np.r_[: K * q, M * q : M * q + J, K * q : M * q]
    gram, moment = columns.gram(w, pattern)[np.ix_(order, order)], columns.moment(filled, w, pattern)[order]
    A, combinations, count = _solved(gram, K * q + J, shown)
    coefficients = np.empty(len(order))
    coefficients[order] = A @ moment
    back = np.empty((len(order), len(combinations)))
    back[order] = A @ combinations.T
    contributions, residual_sum = _contributions(columns, filled, w, mask, pattern, coefficients, back, by_row)
    if by_row:
        contributions = contributions[own > 0] if seen is not None else contributions.reshape(-1, len(combinations))
    bread = combinations @ A @ combinations.T
    whole = A @ moment
    return Fit(combinations @ whole, contributions, bread, residual_sum, count - (T - 1), whole[: K * q + J])


def _solved(gram: Array, interest: int, shown: Array | None) -> tuple[Array, Array, int]:
    """Return the inverse, the combinations of interest as (S, all columns), and how many coefficients were estimated."""
    combinations = np.eye(interest) if shown is None else shown
    combinations = np.hstack([combinations, np.zeros((len(combinations), len(gram) - interest))])
    if shown is None:
        return inverse(gram, interest), combinations, len(gram)
    A, rank = generalised_inverse(gram, combinations)
    return A, combinations, rank


def _contributions(
    columns: Columns, filled: Array, w: Array, mask: Array, pattern: Array, coefficients: Array, back: Array, by_row: bool
) -> tuple[Array, float]:
    """Return the influence of units (N, S) or of rows (N, T, S), and the weighted residual sum of squares."""
    fitted, along = columns.times(coefficients[:, None])
    features, free = columns.times(back)
    N, T = filled.shape
    out = np.empty((N, T, back.shape[1]) if by_row else (N, back.shape[1]))
    residual_sum = 0.0
    order = np.argsort(pattern, kind="stable")
    ends = np.cumsum(np.bincount(pattern, minlength=len(mask)))
    for p, rows in enumerate(np.split(order, ends[:-1])):
        seen, Z, V = mask[p], columns.Z[rows], columns.V[rows]
        z = filled[rows] * seen
        e = (z - z.sum(axis=1, keepdims=True) / max(seen.sum(), 1) - Z @ fitted[:, p, :, 0] - V @ along[:, 0]) * seen
        we = w[rows, None] * e
        residual_sum += float((we * e).sum())
        if by_row:
            out[rows] = we[:, :, None] * (np.tensordot(Z, features[:, p], 1) + V @ free)
            continue
        block = we @ features[0, p]  # the first multiplier is one
        for a in range(1, Z.shape[1]):
            block += Z[:, a, None] * (we @ features[a, p])
        if V.shape[2]:
            block += np.einsum("it,itj->ij", we, V) @ free
        out[rows] = block
    return out, residual_sum


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


def dense(
    y: Array, X: Array, unit: Array, units: int, effects: Sequence[Effects], w: Array | None, shown: Array | None = None
) -> Fit:
    """Fit y (n,) on X (n, K) with unit and further effects; contributions are (n, K) by row, or (n, S) of combinations shown (S, K)."""
    K = X.shape[1]
    Z = residualise(np.column_stack([X, y]), unit, units, effects, w)
    scale = np.sqrt((X**2).sum(axis=0))
    gone = np.sqrt((Z[:, :K] ** 2).sum(axis=0)) < 1e-9 * np.where(scale > 0, scale, 1)
    if gone.any() and shown is None:
        raise Collinear([int(c) for c in np.flatnonzero(gone)])
    Xr, yr = Z[:, :K] * ~gone, Z[:, K]
    wX = Xr if w is None else w[:, None] * Xr
    A, combinations, count = _solved(wX.T @ Xr, K, shown)
    beta = A @ (wX.T @ yr)
    e = yr - Xr @ beta
    residual_sum = float(e @ e if w is None else (w * e) @ e)
    back = A @ combinations.T
    return Fit(combinations @ beta, (wX * e[:, None]) @ back, combinations @ back, residual_sum, count, beta)
