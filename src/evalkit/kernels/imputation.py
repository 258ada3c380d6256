r"""Untreated outcomes fitted on untreated rows, and averages of what the other rows have beyond them.

Notation of Borusyak, Jaravel & Spiess (2024, Review of Economic Studies 91), ``n`` rows, ``N`` units, ``T`` periods, ``K`` covariates:

- ``unit``, ``when`` (n,)  codes of the unit i and the period t of a row
- ``w`` (n,)               sampling weights
- ``clean`` (n,)           whether a row is in Omega_0: nobody reacts to a treatment in it yet
- ``alpha`` (N,), ``beta`` (T,), ``delta`` (K,)   the fit Y_it(0) = alpha_i + beta_t + X_it'delta on Omega_0 (theorem 2, step 1)
- ``tau`` (n,)             outcome minus fit (step 2): the effect in treated rows, a residual in clean ones
- ``omega`` (n,)           weights of rows within their cell, summing to one (step 3: a cell's effect is sum of omega tau)
- ``v`` (n,)               weights of outcomes in an average: omega in its own rows, minus w z'(Z'wZ)^-1 sum omega z in clean ones

Unit effects leave in closed form. What is left is the T x T matrix S = diag(W'1) - W' diag(1/W1) W of the N x T table W of clean weights,
and a K x K Gram matrix: no dummy of a unit is ever made, and the table is all that one needs to know about who is seen when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.kernels.two_way import Collinear

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Effects:
    """Unit and period effects of the clean rows.

    Attributes
    ----------
    W : (N, T) clean weights; totals (N,) their sums by unit, one where a unit has none
    inverse : (T, T) of S, the first period of each linked set of periods set to zero
    place : (n,) position of each row in the table, None when the rows are the table
    known : (n,) whether a row's unit and period both have effects, linked by clean rows
    """

    unit: Array
    when: Array
    w: Array
    W: Array
    totals: Array
    inverse: Array
    place: Array | None
    known: Array

    @classmethod
    def of(cls, unit: Array, when: Array, w: Array, clean: Array, units: int, periods: int) -> Effects:
        """Return the effects of rows with these codes; ``w`` is zeroed outside ``clean``."""
        w = np.where(clean, w, 0.0)
        position = unit.astype(np.int64) * periods + when
        whole = len(unit) == units * periods and np.array_equal(position, np.arange(len(unit)))
        place = None if whole else position
        W = _table(w, place, units, periods)
        totals = W.sum(axis=1)
        totals = np.where(totals > 0, totals, 1.0)
        S = np.diag(W.sum(axis=0)) - W.T @ (W / totals[:, None])
        of_period = np.where(W.any(axis=0), _linked(S), -1)
        seen = W > 0
        of_unit = np.where(seen.any(axis=1), of_period[seen.argmax(axis=1)], -1)
        own = of_unit[unit]
        return cls(unit, when, w, W, totals, _inverse(S, of_period), place, (own >= 0) & (own == of_period[when]))

    def table(self, values: Array) -> Array:
        """Return the (N, T) sums of (n,) values."""
        return _table(values, self.place, *self.W.shape)

    def sum_by_unit(self, values: Array) -> Array:
        """Return the (N,) sums of (n,) values."""
        return np.bincount(self.unit, values, len(self.W))

    def beyond(self, values: Array) -> Array:
        """Return (n,) values minus their effects, fitted on clean rows; zero where these are not known."""
        sums = self.table(self.w * values)
        by_unit = sums.sum(axis=1)
        beta = self.inverse @ (sums.sum(axis=0) - self.W.T @ (by_unit / self.totals))
        alpha = (by_unit - self.W @ beta) / self.totals
        return np.where(self.known, values - alpha[self.unit] - beta[self.when], 0.0)


def _table(values: Array, place: Array | None, units: int, periods: int) -> Array:
    if place is None:
        return values.reshape(units, periods)
    return np.bincount(place, values, units * periods).reshape(units, periods)


def _linked(S: Array) -> Array:
    """Return (T,) the set of periods that each period is linked with by units seen in both."""
    from scipy.sparse.csgraph import connected_components

    label: Array = connected_components(S != 0, directed=False)[1]
    return label


def _inverse(S: Array, label: Array) -> Array:
    """Return (T, T) the inverse of S with the first period of each linked set left at zero."""
    out = np.zeros_like(S)
    for one in np.unique(label[label >= 0]):
        free = np.flatnonzero(label == one)[1:]
        if len(free):
            out[np.ix_(free, free)] = np.linalg.inv(S[np.ix_(free, free)])
    return out


@dataclass(frozen=True)
class Counterfactual:
    """The fit of untreated outcomes.

    Attributes
    ----------
    tau : (n,) outcome minus fit, zero where the effects are not known
    X : (n, K) covariates beyond their effects; gram (K, K) inverse of X'wX
    """

    effects: Effects
    tau: Array
    X: Array
    gram: Array


def absorbed(X: Array, beyond: Array, effects: Effects) -> Array:
    """Return (K,) whether the effects take all of a covariate, in every row whose effects are known."""
    rows = beyond[effects.known]
    spread = np.abs(X - X.mean(axis=0)).max(axis=0)
    return np.asarray(np.abs(rows).max(axis=0, initial=0.0) <= 1e-9 * np.maximum(spread, 1e-300))


def counterfactual(y: Array, beyond: Array, effects: Effects) -> Counterfactual:
    """Fit y (n,) on covariates beyond their effects (n, K), raising Collinear when clean rows cannot tell them apart."""
    yr = _more_than_rounding(effects.beyond(y), y)
    if not beyond.shape[1]:
        return Counterfactual(effects, yr, beyond, np.zeros((0, 0)))
    wX = effects.w[:, None] * beyond
    gram = gram_inverse(wX.T @ beyond, np.sqrt(effects.w @ beyond**2 + (beyond**2).sum(axis=0)))
    return Counterfactual(effects, yr - beyond @ (gram @ (wX.T @ yr)), beyond, gram)


def _more_than_rounding(beyond: Array, y: Array) -> Array:
    """Return y (n,) beyond its effects, zeros where an outcome is nothing but effects: rounding would pass for effects without noise."""
    return beyond if np.abs(beyond).max() > 1e-12 * np.abs(y).max() else np.zeros_like(beyond)


def gram_inverse(XX: Array, size: Array) -> Array:
    """Return the inverse of a Gram matrix (K, K), raising Collinear; ``size`` (K,) says what a column's length should be near."""
    scale = np.sqrt(np.maximum(np.diag(XX), 0))
    if (gone := scale <= 1e-9 * size).any():
        raise Collinear([int(c) for c in np.flatnonzero(gone)])
    values, vectors = np.linalg.eigh(XX / np.outer(scale, scale))
    if values[0] < 1e-11 * values[-1]:
        raise Collinear([int(c) for c in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-4)])
    inverted: Array = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return inverted


@dataclass(frozen=True)
class Averages:
    """Averages (k,) of tau within cells, and what units or rows have to do with them.

    Attributes
    ----------
    contributions : (N, k) by unit or (n, k) by row, of which theta_hat - theta is close to the sum
    zero : (k,) whether an average is nothing whatever the data: v is zero
    """

    theta: Array
    contributions: Array
    zero: Array


def average(fit: Counterfactual, cell: Array, count: int, weight: Array, centre: tuple[Array, Array], by_row: bool) -> Averages:
    """Return the averages of tau in cells, and the influence of units (or of rows) on them.

    Parameters
    ----------
    cell : (n,) cell of each row, -1 for rows of no cell
    count : k, how many cells there are; each has rows with weight
    weight : (n,) weights of rows, not normalised
    centre : what is subtracted from tau within a cell (k,), and a factor (n,) on the difference, see :func:`conservative` and :func:`own_mean`
    by_row : whether contributions are (n, k) by row
    """
    e, rows = fit.effects, np.flatnonzero(cell >= 0)
    into, tau = cell[rows], fit.tau[rows]
    omega = weight[rows] / np.bincount(into, weight[rows], count)[into]
    theta = np.bincount(into, omega * tau, count)
    middle, factor = centre
    own = omega * (tau - middle[into]) * factor[rows]
    N, T = e.W.shape
    by_unit, by_period = e.unit[rows] * np.int64(count) + into, e.when[rows] * np.int64(count) + into
    q: Array = np.bincount(by_unit, omega, N * count).reshape(N, count)
    q /= e.totals[:, None]
    # The period part (T, k) and the covariate part (K, k) of (Z'wZ)^-1 sum omega z.
    of_period = np.bincount(by_period, omega, T * count).reshape(T, count) - e.W.T @ q
    of_X = np.array([np.bincount(into, omega * x, count) for x in fit.X[rows].T]).reshape(-1, count)
    beta, delta = e.inverse @ of_period, fit.gram @ of_X
    # In clean rows v'(1/w)v is what of omega'(1/w)omega the effects and covariates do not take.
    clean = np.flatnonzero(np.bincount(into, e.w[rows], count))
    length = np.bincount(into, omega**2 / np.where(e.w[rows] > 0, e.w[rows], np.inf), count)[clean]
    taken = e.totals @ q[:, clean] ** 2 + (of_period * beta)[:, clean].sum(axis=0) + (of_X * delta)[:, clean].sum(axis=0)
    zero = np.zeros(count, dtype=bool)
    zero[clean] = length - taken <= 1e-9 * length
    residual = e.w * fit.tau
    if by_row:
        alpha = q - e.W @ beta / e.totals[:, None]
        out = -residual[:, None] * (alpha[e.unit] + beta[e.when] + fit.X @ delta)
        out[rows, into] += own
        return Averages(theta, out, zero)
    # The unit part is the same in all rows of a unit, whose residuals add up to nothing: it drops out.
    out = e.table(residual) @ -beta
    for x, d in zip(fit.X.T, delta, strict=True):
        out -= np.outer(e.sum_by_unit(residual * x), d)
    out += np.bincount(by_unit, own, N * count).reshape(N, count)
    return Averages(theta, out, zero)


def own_mean(fit: Counterfactual, cell: Array, count: int, weight: Array) -> tuple[Array, Array]:
    """Return the centre of Gardner's second stage: each cell's average itself, and no factor."""
    rows = np.flatnonzero(cell >= 0)
    into = cell[rows]
    mean = np.bincount(into, weight[rows] * fit.tau[rows], count) / np.bincount(into, weight[rows], count)
    return mean, np.ones(len(cell))


def conservative(fit: Counterfactual, cell: Array, count: int, weight: Array, leave_out: bool) -> tuple[Array, Array]:
    """Return the centre of the conservative variance: tau-bar, the average with weights v^2 (equation 8), cell by cell.

    Leaving a row's own tau out of its tau-bar multiplies the difference by sum v^2 / (sum v^2 - v^2) (the
    leave-one-out version of the supplement, A.9). Within a cell v is
    proportional to the weights, so that tau-bar and the factor are those of every average the cell is part of.
    """
    rows = np.flatnonzero(cell >= 0)
    into, square = cell[rows], weight[rows] ** 2
    total = np.bincount(into, square, count)
    factor = np.ones(len(cell))
    if leave_out:
        rest = total[into] - square
        # A row alone in its cell is its own average: the difference is zero whatever the factor.
        factor[rows] = np.where(rest > 1e-12 * total[into], total[into] / np.where(rest > 0, rest, 1.0), 1.0)
    return np.bincount(into, square * fit.tau[rows], count) / total, factor


def leads(y: Array, D: Array, beyond: Array, effects: Effects, by_row: bool) -> Averages:
    """Return the coefficients of columns D (n, P) in the regression of clean rows on D, covariates and effects (equation 9, test 1).

    Parameters
    ----------
    beyond : (n, K) covariates beyond their effects
    """
    P = D.shape[1]
    X = np.array([*(effects.beyond(d) for d in D.T), *beyond.T]).T
    yr, w = _more_than_rounding(effects.beyond(y), y), effects.w
    wX = w[:, None] * X
    A = gram_inverse(wX.T @ X, np.sqrt(np.r_[w @ D**2, w @ beyond**2]))
    contributions = (wX * (yr - X @ (A @ (wX.T @ yr)))[:, None]) @ A[:, :P]
    theta = A[:P] @ (wX.T @ yr)
    if not by_row:
        contributions = np.column_stack([effects.sum_by_unit(c) for c in contributions.T])
    return Averages(theta, contributions, np.zeros(P, dtype=bool))
