r"""Two-period difference-in-differences given covariates: regression, inverse probability, doubly robust.

Notation of Sant'Anna & Zhao (2020, Journal of Econometrics 219), ``n`` rows and ``k`` columns of covariates:

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
class Propensity:
    """A fitted logit.

    ``odds`` (n,) are p / (1 - p); ``kept`` (n,) is 0 for comparison rows trimmed; ``influence`` (n, k) is the
    influence of each row on the coefficients.
    """

    odds: Array
    kept: Array
    influence: Array


def weighted_mean(w: Array, v: Array) -> tuple[float, Array]:
    """Return E[w v] / E[w] and its influence (n,)."""
    total = w.mean()
    mean = float((w * v).mean() / total)
    return mean, w * (v - mean) / total


def solve(A: Array, b: Array) -> Array:
    """Solve A x = b for a symmetric A (k, k), raising Collinear when it is singular to working precision."""
    scale = np.sqrt(np.diag(A))
    if (scale == 0).any() or np.linalg.cond(A / np.outer(scale, scale)) > 1e14:
        raise Collinear
    solution: Array = np.linalg.solve(A, b)
    return solution


def regression(y: Array, X: Array, w: Array) -> tuple[Array, Array]:
    """Return weighted least-squares coefficients (k,) and the influence of each row on them (n, k). Rows with w = 0 are out."""
    n, wX = len(y), w[:, None] * X
    XX = wX.T @ X / n
    beta = solve(XX, wX.T @ y / n)
    return beta, solve(XX, (wX * (y - X @ beta)[:, None]).T).T


def propensity(D: Array, X: Array, w: Array, iterations: int = 50) -> Propensity:
    """Fit P(D = 1 | X) by a logit, Newton's method to a step below 1e-10. Raises Separation or Collinear."""
    n, k = X.shape
    gamma = np.zeros(k)
    gamma[0] = np.log((w * D).sum() / (w * (1 - D)).sum())
    wX = w[:, None] * X
    for _ in range(iterations):
        p = expit(X @ gamma)
        H = (wX * (p * (1 - p))[:, None]).T @ X / n
        step = solve(H, wX.T @ (D - p) / n)
        gamma = gamma + step
        if np.abs(X @ gamma).max() > 35:
            raise Separation
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise Separation
    p = expit(X @ gamma)
    H = (wX * (p * (1 - p))[:, None]).T @ X / n
    p_capped = np.minimum(p, 1 - 1e-6)
    kept = np.where(D == 1, 1.0, (p_capped < TRIM).astype(float))
    return Propensity(p_capped / (1 - p_capped), kept, solve(H, (wX * (D - p)[:, None]).T).T)


def means(dy: Array, D: Array, w: Array) -> tuple[float, Array]:
    """Return the difference of mean changes and its influence (n,): every method without covariates."""
    treated, influence_treated = weighted_mean(w * D, dy)
    comparison, influence_comparison = weighted_mean(w * (1 - D), dy)
    return treated - comparison, influence_treated - influence_comparison


def outcome_regression(dy: Array, D: Array, X: Array, w: Array) -> tuple[float, Array]:
    """Return the regression estimate and its influence (n,): eq. (2.2), DRDID's reg_did_panel."""
    beta, influence_beta = regression(dy, X, w * (1 - D))
    att, influence = weighted_mean(w * D, dy - X @ beta)
    M = (w * D) @ X / (w * D).sum()  # derivative of the treated mean of X beta
    return att, influence - influence_beta @ M


def inverse_probability(dy: Array, D: Array, w: Array, X: Array, score: Propensity) -> tuple[float, Array]:
    """Return the Hajek weighting estimate and its influence (n,): eq. (2.4) normalised, DRDID's std_ipw_did_panel."""
    treated, influence_treated = weighted_mean(score.kept * w * D, dy)
    wc = score.kept * w * (1 - D) * score.odds
    comparison, influence_comparison = weighted_mean(wc, dy)
    M = (wc * (dy - comparison)) @ X / wc.sum()  # the odds are exp(X gamma): their derivative is themselves times X
    return treated - comparison, influence_treated - influence_comparison - score.influence @ M


def doubly_robust(dy: Array, D: Array, X: Array, w: Array, score: Propensity) -> tuple[float, Array]:
    """Return the doubly robust estimate and its influence (n,): eq. (2.6) and (3.1), DRDID's drdid_panel (not the improved one)."""
    beta, influence_beta = regression(dy, X, w * (1 - D))
    residual = dy - X @ beta
    wt, wc = score.kept * w * D, score.kept * w * (1 - D) * score.odds
    treated, influence_treated = weighted_mean(wt, residual)
    comparison, influence_comparison = weighted_mean(wc, residual)
    M_beta = wt @ X / wt.sum() - wc @ X / wc.sum()
    M_gamma = (wc * (residual - comparison)) @ X / wc.sum()
    influence = influence_treated - influence_comparison - influence_beta @ M_beta - score.influence @ M_gamma
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
    after, influence_after = regression(y, X, w * (1 - D) * post)
    before, influence_before = regression(y, X, w * (1 - D) * (1 - post))
    treated_after, part_after = weighted_mean(w * D * post, y)
    treated_before, part_before = weighted_mean(w * D * (1 - post), y)
    comparison, part = weighted_mean(w * D, X @ (after - before))
    M = (w * D) @ X / (w * D).sum()
    influence = part_after - part_before - part - (influence_after - influence_before) @ M
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
    return total, influence - score.influence @ M


def doubly_robust_cross_section(y: Array, post: Array, D: Array, X: Array, w: Array, score: Propensity) -> tuple[float, Array]:
    """Return the locally efficient doubly robust estimate on repeated cross-sections and its influence (n,).

    Sant'Anna & Zhao (2020) eq. (3.4), DRDID's drdid_rc: regressions of all four groups, ``b`` for the comparison and
    ``a`` for the treated, after (1) and before (0).
    """
    pre = 1 - post
    b1, inf_b1 = regression(y, X, w * (1 - D) * post)
    b0, inf_b0 = regression(y, X, w * (1 - D) * pre)
    a1, inf_a1 = regression(y, X, w * D * post)
    a0, inf_a0 = regression(y, X, w * D * pre)
    wd = score.kept * w * D
    wc = score.kept * w * (1 - D) * score.odds
    residual = y - np.where(post == 1, X @ b1, X @ b0)
    gap1, gap0 = X @ (a1 - b1), X @ (a0 - b0)
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
    influence = influence + inf_b1 @ (c1 - d) + inf_b0 @ (d - c0) + inf_a1 @ (d - d1) + inf_a0 @ (d0 - d)
    return total, influence + score.influence @ (mean_score(wc * pre) - mean_score(wc * post))
