r"""Two-period difference-in-differences given covariates: regression, inverse probability, doubly robust.

Notation and estimators of Sant'Anna & Zhao (2020, Journal of Econometrics 219, sections 2 and 3), ``n`` rows and ``k`` columns of covariates:

- ``D`` (n,)    1 in the treated group, 0 in the comparison
- ``X`` (n, k)  covariates, the first column ones
- ``w`` (n,)    sampling weights
- ``dy`` (n,)   change of the outcome (panel), or ``y`` and ``post`` (n,) (repeated cross-sections)

Every estimator here is a sum of weighted means whose weights or values contain a fitted logit or a fitted
regression. A weighted mean has influence (w v - w mean) / E[w]; a fitted nuisance adds its own influence times
the derivative of the means. Influence is scaled so that theta_hat - theta is close to psi.mean().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

Array = np.ndarray[Any, Any]

TRIM = 0.995  # comparison rows whose propensity is higher leave, the trim level of the R package DRDID


class Separation(Exception):
    """The covariates tell the treated and the comparison apart perfectly: no propensity can be fitted."""


class Collinear(Exception):
    """The covariates are collinear within the comparison group."""


@dataclass(frozen=True)
class Coefficients:
    """Fitted coefficients (k,) and what their influence is made of: scores (n,) on X (n, k), and the Hessian (k, k)."""

    value: Array
    scores: Array
    X: Array
    hessian: Array

    def toward(self, M: Array) -> Array:
        """Return the influence (n,) on M'value, without forming the influence on each coefficient."""
        return np.asarray(self.scores * (self.X @ solve(self.hessian, M)))


@dataclass(frozen=True)
class Propensity:
    """A fitted logit: odds (n,) p / (1 - p), kept (n,) 0 for comparison rows trimmed, and its coefficients."""

    odds: Array
    kept: Array
    gamma: Coefficients


def weighted_mean(w: Array, v: Array) -> tuple[float, Array]:
    """Return E[w v] / E[w] and its influence (n,)."""
    total = w.mean()
    mean = float(w @ v / len(w) / total)
    return mean, w * (v - mean) / total


def solve(A: Array, b: Array) -> Array:
    """Solve A x = b for a symmetric A (k, k), raising Collinear when it is singular to working precision."""
    scale = np.sqrt(np.diag(A))
    if (scale == 0).any() or np.linalg.cond(A / np.outer(scale, scale)) > 1e14:
        raise Collinear
    solution: Array = np.linalg.solve(A, b)
    return solution


def regression(y: Array, X: Array, w: Array) -> Coefficients:
    """Return weighted least-squares coefficients. Rows with w = 0 are out."""
    n, wX = len(y), w[:, None] * X
    XX = wX.T @ X / n
    beta = solve(XX, wX.T @ y / n)
    return Coefficients(beta, w * (y - X @ beta), X, XX)


def propensity(D: Array, X: Array, w: Array, start: Array | None = None, iterations: int = 50) -> Propensity:
    """Fit P(D = 1 | X) by a logit, Newton's method to a step below 1e-10 from ``start`` (k,). Raises Separation or Collinear."""
    n, k = X.shape
    gamma = np.zeros(k) if start is None else start
    if start is None:
        gamma[0] = np.log((w @ D) / (w.sum() - w @ D))
    for iteration in range(iterations):
        p = expit(X @ gamma)
        H = X.T @ (X * (w * p * (1 - p))[:, None]) / n
        try:
            step = solve(H, X.T @ (w * (D - p)) / n)
        except Collinear:
            if start is None and iteration == 0:
                raise
            raise Separation from None  # the Hessian vanishes as the fit becomes perfect
        gamma = gamma + step
        if np.abs(D - p).max() < 1e-6:
            raise Separation
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise Separation
    p = expit(X @ gamma)
    H = X.T @ (X * (w * p * (1 - p))[:, None]) / n
    capped = np.minimum(p, 1 - 1e-6)
    kept = np.where(D == 1, 1.0, (capped < TRIM).astype(float))
    return Propensity(capped / (1 - capped), kept, Coefficients(gamma, w * (D - p), X, H))


def means(dy: Array, D: Array, w: Array) -> tuple[float, Array]:
    """Return the difference of mean changes and its influence (n,): every method without covariates."""
    treated, influence_treated = weighted_mean(w * D, dy)
    comparison, influence_comparison = weighted_mean(w * (1 - D), dy)
    return treated - comparison, influence_treated - influence_comparison


def outcome_regression(dy: Array, D: Array, X: Array, w: Array) -> tuple[float, Array]:
    """Return the regression estimate and its influence (n,): DRDID's reg_did_panel."""
    beta = regression(dy, X, w * (1 - D))
    att, influence = weighted_mean(w * D, dy - X @ beta.value)
    M = (w * D) @ X / (w * D).sum()  # derivative of the treated mean of X beta
    return att, influence - beta.toward(M)


def inverse_probability(dy: Array, D: Array, w: Array, X: Array, score: Propensity) -> tuple[float, Array]:
    """Return the Hajek weighting estimate and its influence (n,): DRDID's std_ipw_did_panel."""
    treated, influence_treated = weighted_mean(score.kept * w * D, dy)
    wc = score.kept * w * (1 - D) * score.odds
    comparison, influence_comparison = weighted_mean(wc, dy)
    M = (wc * (dy - comparison)) @ X / wc.sum()  # the odds are exp(X gamma): their derivative is themselves times X
    return treated - comparison, influence_treated - influence_comparison - score.gamma.toward(M)


def doubly_robust(dy: Array, D: Array, X: Array, w: Array, score: Propensity) -> tuple[float, Array]:
    """Return the doubly robust estimate and its influence (n,): DRDID's drdid_panel (not the improved one)."""
    beta = regression(dy, X, w * (1 - D))
    residual = dy - X @ beta.value
    wt, wc = score.kept * w * D, score.kept * w * (1 - D) * score.odds
    treated, influence_treated = weighted_mean(wt, residual)
    comparison, influence_comparison = weighted_mean(wc, residual)
    M_beta = wt @ X / wt.sum() - wc @ X / wc.sum()
    M_gamma = (wc * (residual - comparison)) @ X / wc.sum()
    influence = influence_treated - influence_comparison - beta.toward(M_beta) - score.gamma.toward(M_gamma)
    return treated - comparison, influence


def means_cross_section(y: Array, post: Array, D: Array, w: Array) -> tuple[float, Array]:
    """Return the difference of four means and its influence (n,)."""
    total, influence = 0.0, np.zeros(len(y))
    for sign, group in ((1, D * post), (-1, D * (1 - post)), (-1, (1 - D) * post), (1, (1 - D) * (1 - post))):
        mean, part = weighted_mean(w * group, y)
        total, influence = total + sign * mean, influence + sign * part
    return total, influence


def outcome_regression_cross_section(y: Array, post: Array, D: Array, X: Array, w: Array) -> tuple[float, Array]:
    """Return the regression estimate on repeated cross-sections and its influence (n,): DRDID's reg_did_rc."""
    after = regression(y, X, w * (1 - D) * post)
    before = regression(y, X, w * (1 - D) * (1 - post))
    treated_after, part_after = weighted_mean(w * D * post, y)
    treated_before, part_before = weighted_mean(w * D * (1 - post), y)
    comparison, part = weighted_mean(w * D, X @ (after.value - before.value))
    M = (w * D) @ X / (w * D).sum()
    influence = part_after - part_before - part - after.toward(M) + before.toward(M)
    return treated_after - treated_before - comparison, influence


def inverse_probability_cross_section(
    y: Array, post: Array, D: Array, X: Array, w: Array, score: Propensity
) -> tuple[float, Array]:
    """Return the Hajek weighting estimate on repeated cross-sections and its influence (n,): DRDID's std_ipw_did_rc."""
    total, influence, M = 0.0, np.zeros(len(y)), np.zeros(X.shape[1])
    wt, wc = score.kept * w * D, score.kept * w * (1 - D) * score.odds
    for sign, when in ((1, post), (-1, 1 - post)):
        treated, part_treated = weighted_mean(wt * when, y)
        comparison, part_comparison = weighted_mean(wc * when, y)
        total += sign * (treated - comparison)
        influence = influence + sign * (part_treated - part_comparison)
        M += sign * ((wc * when * (y - comparison)) @ X / (wc * when).sum())
    return total, influence - score.gamma.toward(M)


def doubly_robust_cross_section(y: Array, post: Array, D: Array, X: Array, w: Array, score: Propensity) -> tuple[float, Array]:
    """Return the locally efficient doubly robust estimate on repeated cross-sections and its influence (n,).

    DRDID's drdid_rc: regressions of all four groups, ``b`` for the comparison and
    ``a`` for the treated, after (1) and before (0).
    """
    pre = 1 - post
    b1 = regression(y, X, w * (1 - D) * post)
    b0 = regression(y, X, w * (1 - D) * pre)
    a1 = regression(y, X, w * D * post)
    a0 = regression(y, X, w * D * pre)
    wd = score.kept * w * D
    wc = score.kept * w * (1 - D) * score.odds
    residual = y - np.where(post == 1, X @ b1.value, X @ b0.value)
    gap1, gap0 = X @ (a1.value - b1.value), X @ (a0.value - b0.value)
    terms = (
        (1, wd * post, residual), (-1, wd * pre, residual), (-1, wc * post, residual), (1, wc * pre, residual),
        (1, wd, gap1), (-1, wd * post, gap1), (-1, wd, gap0), (1, wd * pre, gap0),
    )  # fmt: skip
    total, influence = 0.0, np.zeros(len(y))
    for sign, weight, value in terms:
        mean, part = weighted_mean(weight, value)
        total, influence = total + sign * mean, influence + sign * part

    def mean_X(weight: Array) -> Array:
        return np.asarray(weight @ X / weight.sum())

    def mean_score(weight: Array) -> Array:
        mean, _ = weighted_mean(weight, residual)
        return np.asarray((weight * (residual - mean)) @ X / weight.sum())

    d, d1, d0, c1, c0 = mean_X(wd), mean_X(wd * post), mean_X(wd * pre), mean_X(wc * post), mean_X(wc * pre)
    # Collected derivatives: the treated means of the residual and of the gap share the term in b.
    influence = influence + b1.toward(c1 - d) + b0.toward(d - c0) + a1.toward(d - d1) + a0.toward(d0 - d)
    return total, influence + score.gamma.toward(mean_score(wc * pre) - mean_score(wc * post))
