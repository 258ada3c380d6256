r"""Weights that make a comparison group look like the treated: entropy balancing, odds of a propensity, nearest neighbours.

``n`` rows and ``k`` columns of covariates; ``D`` (n,) is 1 in the treated group, ``w`` (n,) are sampling weights, ``x`` (n, k) the
covariates without the intercept, ``dy`` (n,) the change of the outcome.

Entropy balancing (Hainmueller 2012, Political Analysis 20, eq. 3-8) minimises the Kullback-Leibler distance of the weights from
``w`` subject to equal means of ``x``. Its solution is exponential, w exp(a + x b), so the weights solve
E[w (D - (1 - D) exp(a + x b)) (1, x)] = 0: the same moment as a propensity by calibration (Zhao & Percival 2017), whose influence is
found as a logit's is. Both are handed on as a fitted :class:`evalkit.kernels.doubly_robust.Propensity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.kernels import doubly_robust as dr

Array = np.ndarray[Any, Any]

SLACK = 1e-9  # distances closer than this, relative, are ties


class OutsideHull(Exception):
    """No positive weights reach the treated means of the columns (positions in ``columns``; none when they are reached in the limit)."""

    def __init__(self, columns: list[int]) -> None:
        super().__init__(columns)
        self.columns = columns


@dataclass(frozen=True)
class Balanced:
    """Fitted weights: of the treated (n,), of the comparison (n,), and the score they come from, or the columns they were matched on.

    The comparison's weights sum to the treated's. ``matched_on`` (n, 1 + k) is there for nearest neighbours only.
    """

    treated: Array
    comparison: Array
    score: dr.Propensity | None = None
    matched_on: Array | None = None


def standardised(x: Array, D: Array, w: Array) -> Array:
    """Return (n, k) columns less the treated mean, over their standard deviation in all rows. Raises Collinear for constants."""
    centre = (w * D) @ x / (w * D).sum()
    spread = np.sqrt(w @ (x - w @ x / w.sum()) ** 2 / w.sum())
    if (spread <= 1e-12 * np.abs(x).max(axis=0)).any():
        raise dr.Collinear
    return np.asarray((x - centre) / spread)


def entropy(D: Array, x: Array, w: Array) -> Balanced:
    """Return entropy balancing weights. Raises OutsideHull when the treated means cannot be reached, Collinear for dependent columns."""
    z = standardised(x, D, w)
    Z = z[D == 0]
    edge = [j for j in range(z.shape[1]) if Z[:, j].min() >= -1e-12 or Z[:, j].max() <= 1e-12]
    if edge:
        raise OutsideHull(edge)
    b = _dual(Z, w[D == 0])
    exponent = z @ b
    e = np.where(D == 1, 0.0, np.exp(exponent - exponent[D == 0].max()))
    e *= (w * D).sum() / (w * e).sum()
    X = np.column_stack([np.ones(len(D)), z])
    hessian = X.T @ (X * (w * e)[:, None]) / len(D)
    fitted = dr.Coefficients(np.r_[np.nan, b], w * (D - e), X, hessian)
    return Balanced(w * D, w * e, dr.Propensity(e, np.ones(len(D)), fitted))


def _dual(Z: Array, q: Array, iterations: int = 200) -> Array:
    """Minimise log sum q exp(Z b) by Newton's method with halved steps: the dual of eq. 8, whose gradient is the remaining gap."""
    q = q / q.sum()
    b, gap = np.zeros(Z.shape[1]), np.inf
    # Were there weights p with mean zero, the objective could never fall below -KL(p | q) >= log min q.
    floor = np.log(q.min()) - 1.0

    def objective(b: Array) -> tuple[float, Array]:
        exponent = Z @ b
        top = exponent.max()
        p = q * np.exp(exponent - top)
        return float(top + np.log(p.sum())), np.asarray(p / p.sum())

    value, p = objective(b)
    for iteration in range(iterations):
        gradient = p @ Z
        previous, gap = gap, np.abs(gradient).max()
        if gap < 1e-14 or (gap < 1e-11 and gap > 0.5 * previous):
            return b
        try:
            step = dr.solve((Z * p[:, None]).T @ Z - np.outer(gradient, gradient), gradient)
        except dr.Collinear:
            if iteration == 0:
                raise
            break
        # Close to the solution Newton's whole step is right, and falls in the objective drown in rounding.
        size, decrement = 1.0, gradient @ step
        while (trial := objective(b - size * step))[0] > value - 1e-4 * size * decrement and decrement > 1e-6 and size > 1e-10:
            size /= 2
        b, (value, p) = b - size * step, trial
        if value < floor:
            break
    raise OutsideHull(_unreachable(Z))


def _unreachable(Z: Array) -> list[int]:
    """Return the columns whose mean stays away from zero under the weights that come nearest (least sum of gaps)."""
    m, k = Z.shape
    # p (m,), gaps u, v (k,): Z'p + u - v = 0, sum p = 1.
    A = np.block([[Z.T, np.eye(k), -np.eye(k)], [np.ones((1, m)), np.zeros((1, 2 * k))]])
    from scipy.optimize import linprog

    found = linprog(np.r_[np.zeros(m), np.ones(2 * k)], A_eq=A, b_eq=np.r_[np.zeros(k), 1.0], method="highs")
    gaps = found.x[m : m + k] + found.x[m + k :]
    return [int(j) for j in np.argsort(-gaps) if gaps[j] > 1e-7]


def propensity(D: Array, x: Array, w: Array) -> Balanced:
    """Return the odds of a logit as weights (Hajek), comparison rows above DRDID's trim level left out. Raises Separation, Collinear."""
    X = np.column_stack([np.ones(len(D)), standardised(x, D, w)])
    score = dr.propensity(D, X, w)
    weight = score.kept * w * (1 - D) * score.odds
    return Balanced(w * D, weight * ((w * D).sum() / weight.sum()), score)


def nearest(
    D: Array, x: Array, w: Array, neighbours: int = 1, caliper: float | None = None, distance: str = "mahalanobis"
) -> Balanced:
    """Return weights of matching with replacement: each treated row's weight is shared by its nearest comparison rows, ties included.

    Distances are Mahalanobis's, by the covariance within groups, or differences of a logit's index in its standard deviations.
    Treated rows with nobody within the caliper have no weight.
    """
    place = standardised(x, D, w)
    X = np.column_stack([np.ones(len(D)), place])
    if distance == "propensity":
        index = np.log(dr.propensity(D, X, w).odds)
        place = (index / np.sqrt(np.cov(index, aweights=w, ddof=0)))[:, None]
    else:
        place = whitened(place, D, w)
    arm, pool = np.flatnonzero(D == 1), np.flatnonzero(D == 0)
    points, of, counts = np.unique(place[pool], axis=0, return_inverse=True, return_counts=True)
    row, point, apart = neighbouring(place[arm], points, counts, neighbours)
    within = apart <= (np.inf if caliper is None else caliper)
    row, point = row[within], point[within]
    share = w[arm][row] / np.bincount(row, counts[point], len(arm))[row]
    treated, comparison = np.zeros(len(D)), np.zeros(len(D))
    treated[arm] = np.where(np.bincount(row, minlength=len(arm)) > 0, w[arm], 0.0)
    comparison[pool] = np.bincount(point, share, len(points))[of.ravel()]
    return Balanced(treated, comparison, None, X)


def whitened(z: Array, D: Array, w: Array) -> Array:
    """Return (n, k) columns in which Euclid's distance is Mahalanobis's, by the covariance within the two groups."""
    S = np.zeros((z.shape[1], z.shape[1]))
    for group in (w * D, w * (1 - D)):
        off = z - group @ z / group.sum()
        S += (off * group[:, None]).T @ off
    dr.solve(S, np.ones(len(S)))  # raises Collinear
    return np.asarray(np.linalg.solve(np.linalg.cholesky(S / w.sum()), z.T).T)


def neighbouring(places: Array, points: Array, counts: Array, neighbours: int) -> tuple[Array, Array, Array]:
    """Return pairs (row, point, distance): for each row the points that hold its ``neighbours`` nearest units, with all ties."""
    from scipy.spatial import cKDTree

    tree, todo = cKDTree(points), np.arange(len(places))
    rows, found, apart = [], [], []
    reach = min(len(points), neighbours + 4)
    while len(todo):
        d, j = tree.query(places[todo], k=np.arange(1, reach + 1))
        enough = np.minimum((np.cumsum(counts[j], axis=1) < neighbours).sum(axis=1), reach - 1)
        last = np.take_along_axis(d, enough[:, None], axis=1)
        near = d <= last * (1 + SLACK) + SLACK
        # Ties may go on beyond the reach of this search.
        done = ~near[:, -1] | (reach == len(points))
        pair = np.nonzero(near & done[:, None])
        rows.append(todo[pair[0]])
        found.append(j[pair])
        apart.append(d[pair])
        todo, reach = todo[~done], min(len(points), 4 * reach)
    return np.concatenate(rows), np.concatenate(found), np.concatenate(apart)


def effect(dy: Array, D: Array, w: Array, fit: Balanced) -> tuple[float, Array]:
    """Return the difference of weighted mean changes and its influence (n,), with that of fitted weights.

    Matches have no smooth influence: they are taken as given. What the matched columns explain of ``dy`` is equal in matched pairs and
    no noise (Abadie & Imbens 2006, theorem 3: only the variance given the covariates counts), so influence is of the residuals of a
    regression within the comparison.
    """
    if fit.score is not None:
        return dr.inverse_probability(dy, D, w, fit.score.gamma.X, fit.score)
    assert fit.matched_on is not None
    theta = fit.treated @ dy / fit.treated.sum() - fit.comparison @ dy / fit.comparison.sum()
    X, pool = fit.matched_on, w * (1 - D)
    wX = pool[:, None] * X
    # A column may not vary among comparison units: the fit is then the same, its coefficients are not unique.
    residual = dy - X @ (np.linalg.pinv(wX.T @ X, rcond=1e-12, hermitian=True) @ (wX.T @ dy))
    _, of_treated = dr.weighted_mean(fit.treated, residual)
    _, of_comparison = dr.weighted_mean(fit.comparison, residual)
    return float(theta), of_treated - of_comparison


def noise_is_seen(D: Array, x: Array, fit: Balanced) -> bool:
    """Return whether the comparison's own noise can be learned: rows that are as few as the columns are fitted exactly, one row is its mean."""
    counted, columns = int((fit.comparison > 0).sum()), x.shape[1] + 1
    fitted = counted if fit.score is not None else int((D == 0).sum())  # matches: the regression is of all comparison rows
    return fitted > columns and counted > 1


def effective_size(weights: Array) -> float:
    """Return Kish's effective number of rows, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights @ weights))


def dependent_column(x: Array) -> int:
    """Return the first column that is a constant or a combination of those before it; the last if none is exactly."""
    X = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300)])
    for j in range(1, X.shape[1]):
        left = X[:, j] - X[:, :j] @ np.linalg.lstsq(X[:, :j], X[:, j], rcond=None)[0]
        if np.abs(left).max() < 1e-6 or not np.isfinite(X[:, j]).all() or np.ptp(x[:, j - 1]) == 0:
            return j - 1
    return int(x.shape[1] - 1)
