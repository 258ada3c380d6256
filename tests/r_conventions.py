"""Where R's packages and evalkit differ and the difference is understood: R's side of it, to be plugged in by a test."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from evalkit.kernels import doubly_robust as kernel

Array = np.ndarray

OURS = {"doubly_robust_cross_section": kernel.doubly_robust_cross_section, "propensity": kernel.propensity}


def logit(D: Array, X: Array, w: Array, start: Array | None = None, iterations: int = 25) -> kernel.Propensity:
    """Fit the propensity as R's glm does: from (w y + 1/2) / (w + 1), until the deviance changes by less than 1e-8.

    evalkit iterates until the step is below 1e-10, so that it is nearer to the maximum: the two differ by up to 1e-9.
    DRDID divides weights by their mean, which moves glm's start and with it where the iterations stop. ``start`` is not used: glm has its own.
    """
    w = w / w.mean()
    p = (w * D + 0.5) / (w + 1)
    eta, deviance = np.log(p / (1 - p)), np.inf
    for _ in range(iterations):
        v = p * (1 - p)
        WX = (w * v)[:, None] * X
        gamma = np.linalg.solve(WX.T @ X, WX.T @ (eta + (D - p) / v))
        eta = X @ gamma
        p, before = expit(eta), deviance
        deviance = -2 * (w * (D * np.log(p) + (1 - D) * np.log(1 - p))).sum()
        if abs(deviance - before) / (abs(deviance) + 0.1) < 1e-8:
            break
    p = np.minimum(p, 1 - 1e-6)
    H = ((w * p * (1 - p))[:, None] * X).T @ X / len(D)
    kept = np.where(D == 1, 1.0, (p < kernel.TRIM).astype(float))
    return kernel.Propensity(p / (1 - p), kept, kernel.Coefficients(gamma, w * (D - p), X, H))


def drdid_rc(y: Array, post: Array, D: Array, X: Array, w: Array, score: kernel.Propensity) -> tuple[float, Array]:
    """Return DRDID's drdid_rc: the estimate is ours, the influence has one term with the opposite sign.

    The term is the estimation effect of the regression of the comparison group before treatment. It enters through the
    difference of two means of X, which goes to zero when the propensity is right: both are valid asymptotically, ours is
    the derivative (see the test against the jackknife).
    """
    theta, influence = OURS["doubly_robust_cross_section"](y, post, D, X, w, score)
    pre = 1 - post
    b0 = kernel.regression(y, X, w * (1 - D) * pre)
    treated, comparison = score.kept * w * D * pre, score.kept * w * (1 - D) * score.odds * pre
    gap = comparison @ X / comparison.sum() - treated @ X / treated.sum()
    return theta, influence + 2 * b0.toward(gap)
