r"""Extended two-way regressions with cohort effects: clean rows predict, treated cells are compared with the prediction.

Wooldridge (2021, equation 5.3; 2023, equations 3.7 and 3.12) gives every treated (cohort, period) cell c its own intercept and slopes.
Such cells are fitted by themselves, so that the regression falls apart into pieces:

- the clean rows have mean :math:`m(z'(\kappa_g + \pi_t))`, with z = (1, covariates), cohorts g and periods t;
- the effect of cell c is the mean over its rows of y less :math:`m(z'(\kappa_g + \pi_t))`, as both the identity (least squares) and the
  exponential m (Poisson) reproduce the mean of y within a cell that has its own intercept.

``n`` rows, ``q`` entries of z, ``G`` cohorts, ``T`` periods, ``C`` cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.kernels.two_way import generalised_inverse

Array = np.ndarray[Any, Any]

LARGEST_STEP = 1e-9  # Newton's next step is then below the precision of a number
MOST_STEPS = 60


class Separation(Exception):
    """Poisson means run off to zero: some rows are fitted by an infinite coefficient."""


@dataclass(frozen=True)
class Rows:
    """The rows of a saturated regression.

    Attributes
    ----------
    y, w : (n,) outcome and weights
    z : (n, q) ones and covariates
    cohort, period : (n,) codes below ``cohorts`` and ``periods``
    cell : (n,) the row's treated cell below ``cells``, -1 for clean rows
    """

    y: Array
    w: Array
    z: Array
    cohort: Array
    period: Array
    cell: Array
    cohorts: int
    periods: int
    cells: int

    def moments(self, weight: Array, code: Array, count: int) -> Array:
        """Return (count, q, q) sums of weight z z' within codes."""
        q = self.z.shape[1]
        out = np.empty((count, q, q))
        for a in range(q):
            for b in range(a, q):
                out[:, a, b] = out[:, b, a] = np.bincount(code, weight * self.z[:, a] * self.z[:, b], count)
        return out

    def sums(self, values: Array, code: Array, count: int) -> Array:
        """Return (count, q) sums of values z within codes."""
        return np.column_stack([np.bincount(code, values * z, count) for z in self.z.T])

    def part(self, rows: Array) -> Rows:
        """Return some of the rows."""
        taken = {name: getattr(self, name)[rows] for name in ("y", "w", "z", "cohort", "period", "cell")}
        return replace(self, **taken)


@dataclass(frozen=True)
class Saturated:
    """The effects of treated cells and what their influence is made of.

    Attributes
    ----------
    theta : (C,) effects, in the unit of y or as a share of the prediction
    clean, own : (n,) weighted residuals of clean rows, and influence of treated rows on the effect of their own cell; zero elsewhere
    back : ((G + T) q, C) what a clean row's z adds to each effect, by cohort and by period
    bread : (C, C) inverse of X'X for the effects
    residual_sum : weighted sum of squared residuals
    parameters : how many coefficients were estimated, the effects of cohorts and periods among them
    """

    theta: Array
    clean: Array
    own: Array
    back: Array
    bread: Array
    residual_sum: float
    parameters: int

    def contributions(self, rows: Rows, target: Array, count: int) -> Array:
        """Return (count, C) influence summed over the rows of each target (n,), such as a unit: of one cohort, one row a period."""
        q, G = rows.z.shape[1], rows.cohorts
        back = self.back.reshape(G + rows.periods, q, -1)
        cohort = np.zeros(count, dtype=int)
        cohort[target] = rows.cohort
        out = np.zeros((count, rows.cells))
        for a in range(q):
            scores = np.zeros((count, rows.periods))
            scores[target, rows.period] = self.clean * rows.z[:, a]
            out -= scores @ back[G:, a]
            out -= scores.sum(axis=1)[:, None] * back[cohort, a]
        treated = np.flatnonzero(rows.cell >= 0)
        out[target[treated], rows.cell[treated]] += self.own[treated]
        return out


def fit(rows: Rows, poisson: bool, population: bool, ratio: bool = False) -> Saturated:
    """Fit a saturated regression and return the effects of its treated cells.

    Parameters
    ----------
    rows : Rows
    poisson : whether m is the exponential (Poisson quasi-likelihood) or the identity (least squares)
    population : whether the covariates of the treated are a sample from a population, whose own noise then counts
    ratio : whether effects are shares of the prediction instead of differences

    Raises
    ------
    Separation
        When Poisson means run off to zero.
    evalkit.kernels.two_way.Collinear
        With the positions of cells whose prediction the clean rows do not tell.
    """
    is_clean = rows.cell < 0
    clean, treated = rows.part(np.flatnonzero(is_clean)), rows.part(np.flatnonzero(~is_clean))
    coefficients = _clean_coefficients(clean, poisson)
    m, slope = _means(rows, coefficients, poisson)
    W = np.bincount(treated.cell, treated.w, rows.cells)
    y_mean = np.bincount(treated.cell, treated.w * treated.y, rows.cells) / W
    prediction = np.bincount(treated.cell, treated.w * m[~is_clean], rows.cells) / W
    scale = prediction if ratio else np.ones(rows.cells)
    theta = y_mean / prediction - 1 if ratio else y_mean - prediction
    # d theta / d coefficients of the clean rows: less the mean of m'z, and of the ratio by the rule of quotients.
    share = (1 + theta) / scale if ratio else np.ones(rows.cells)
    gradient = _by_cell(treated, treated.w * slope[~is_clean] / W[treated.cell]) * share[:, None]
    A, rank = generalised_inverse(_gram(clean, clean.w * slope[is_clean]), gradient)
    residual, own_rank = _own_residuals(treated, poisson)
    noise = residual
    if population:
        noise = treated.y - m[~is_clean] - theta[treated.cell] * (m[~is_clean] if ratio else 1.0)
    clean_residual, own = np.zeros((2, len(rows.y)))
    clean_residual[is_clean] = clean.w * (clean.y - m[is_clean])
    own[~is_clean] = treated.w * noise / (W * scale)[treated.cell]
    back = A @ gradient.T
    residual_sum = float(clean_residual @ (rows.y - m) + treated.w @ residual**2)
    return Saturated(theta, clean_residual, own, back, np.diag(1 / W) + gradient @ back, residual_sum, rank + own_rank)


def _by_cell(treated: Rows, weight: Array) -> Array:
    """Return (C, (G + T) q) sums of weight z within cells, in the places of the cell's cohort and period."""
    q = treated.z.shape[1]
    sums = treated.sums(weight, treated.cell, treated.cells)
    out = np.zeros((treated.cells, treated.cohorts + treated.periods, q))
    cells, first = np.unique(treated.cell, return_index=True)
    out[cells, treated.cohort[first]] = sums[cells]
    out[cells, treated.cohorts + treated.period[first]] = sums[cells]
    return out.reshape(treated.cells, -1)


def _gram(clean: Rows, weight: Array) -> Array:
    """Return the ((G + T) q, (G + T) q) Gram matrix of cohort and period effects times z."""
    G, T, q = clean.cohorts, clean.periods, clean.z.shape[1]
    S = clean.moments(weight, clean.cohort * T + clean.period, G * T).reshape(G, T, q, q)
    out = np.zeros((G + T, q, G + T, q))
    g, t = np.arange(G), G + np.arange(T)
    out[g, :, g, :] = S.sum(axis=1)
    out[t, :, t, :] = S.sum(axis=0)
    out[:G, :, G:, :] = S.transpose(0, 2, 1, 3)
    out[G:, :, :G, :] = S.transpose(1, 3, 0, 2)
    return out.reshape((G + T) * q, -1)


def _clean_coefficients(clean: Rows, poisson: bool) -> Array:
    """Return ((G + T), q) coefficients of the clean rows."""
    if not poisson:
        return _weighted(clean, clean.w, clean.y)
    if clean.z.shape[1] == 1:
        clean = _collapsed(clean)
    mu = (clean.y + np.average(clean.y, weights=clean.w)) / 2
    eta = np.log(mu)
    for _ in range(MOST_STEPS):
        coefficients = _weighted(clean, clean.w * mu, eta + (clean.y - mu) / mu)
        before, (mu, _) = eta, _means(clean, coefficients, True)
        eta = np.log(mu)
        if (step := np.abs(eta - before).max()) < LARGEST_STEP:
            return coefficients
        if not np.isfinite(step) or mu.min() < 1e-12 * clean.y.max():
            break
    raise Separation


def _weighted(clean: Rows, weight: Array, y: Array) -> Array:
    """Return ((G + T), q) weighted least-squares coefficients, the smallest where they are not told apart."""
    q = clean.z.shape[1]
    A, _ = generalised_inverse(_gram(clean, weight), np.empty((0, (clean.cohorts + clean.periods) * q)))
    score = np.vstack(
        [clean.sums(weight * y, clean.cohort, clean.cohorts), clean.sums(weight * y, clean.period, clean.periods)]
    )  # fmt: skip
    return np.asarray((A @ score.ravel()).reshape(-1, q))


def _collapsed(clean: Rows) -> Rows:
    """Return one row a (cohort, period) with the mean outcome: without covariates it says all there is to the coefficients."""
    code = clean.cohort * clean.periods + clean.period
    blocks, position = np.unique(code, return_inverse=True)
    w = np.bincount(position, clean.w)
    y = np.bincount(position, clean.w * clean.y) / w
    g, t = np.divmod(blocks, clean.periods)
    return Rows(y, w, np.ones((len(w), 1)), g, t, np.full(len(w), -1), clean.cohorts, clean.periods, clean.cells)


def _means(rows: Rows, coefficients: Array, poisson: bool) -> tuple[Array, Array]:
    """Return (n,) means and their derivatives with respect to z'(kappa + pi)."""
    index = np.einsum("iq,iq->i", rows.z, coefficients[rows.cohort] + coefficients[rows.cohorts + rows.period])
    if not poisson:
        return index, np.ones(len(index))
    with np.errstate(over="ignore"):  # a run-off is noticed by the caller
        mean = np.exp(index)
    return mean, mean


def _own_residuals(treated: Rows, poisson: bool) -> tuple[Array, int]:
    """Return (n,) residuals of each treated cell's own regression on z, and how many coefficients these have together."""
    if not poisson or treated.z.shape[1] == 1:
        beta, ranks = _own(treated, treated.w, treated.y)
        return treated.y - np.einsum("iq,iq->i", treated.z, beta[treated.cell]), ranks
    W = np.bincount(treated.cell, treated.w, treated.cells)
    mu = (treated.y + (np.bincount(treated.cell, treated.w * treated.y, treated.cells) / W)[treated.cell]) / 2
    eta = np.log(mu)
    for _ in range(MOST_STEPS):
        beta, ranks = _own(treated, treated.w * mu, eta + (treated.y - mu) / mu)
        before, eta = eta, np.einsum("iq,iq->i", treated.z, beta[treated.cell])
        with np.errstate(over="ignore"):
            mu = np.exp(eta)
        if (step := np.abs(eta - before).max()) < LARGEST_STEP:
            return treated.y - mu, ranks
        if not np.isfinite(step) or not mu.min() > 0:
            break
    raise Separation


def _own(treated: Rows, weight: Array, y: Array) -> tuple[Array, int]:
    """Return (C, q) weighted least-squares coefficients of each cell, and their number."""
    S = treated.moments(weight, treated.cell, treated.cells)
    scale = np.sqrt(np.einsum("cqq->cq", S))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(S / scale[:, :, None] / scale[:, None, :])
    kept = values > 1e-11 * values[:, -1:]
    inverted = np.where(kept, 1 / np.where(kept, values, 1), 0)
    score = treated.sums(weight * y, treated.cell, treated.cells) / scale
    turned = np.einsum("cab,ca->cb", vectors, score) * inverted
    return np.einsum("cab,cb->ca", vectors, turned) / scale, int(kept.sum())
