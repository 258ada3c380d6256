"""Cluster-robust covariances of regressions that know leverage, and the degrees of freedom that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.errors import EstimateError, first_five
from evalkit.least_squares import LeastSquares, Parts

Array = np.ndarray[Any, Any]

SINGULAR = 1e-9  # 1 - m below: the cluster alone decides a direction, and its residuals there are zero


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Influence of clusters with their leverage taken into account, and what its degrees of freedom rest on.

    Attributes
    ----------
    influence : (G, k) adjusted influence of every cluster: the covariance is influence' influence
    bent : (G, k, r) b_gs, and within : (G, k, r) M_g b_gs, both in the axes of their cluster, and axes : (G, r, r)
    lost : (G, k) whether a parameter rests on a direction that this cluster decides alone
    """

    influence: Array
    bent: Array
    within: Array
    axes: Array
    lost: Array

    @cached_property
    def across(self) -> Array:
        """(G, k, r) M_g b_gs in the axes of the regression: entries of the quadratic form are P_gs,ht = [g = h] own - across'across."""
        return np.asarray(self.within @ self.axes.transpose(0, 2, 1))

    def degrees(self) -> Array:
        """Return (k,) Satterthwaite degrees of freedom: 2 E(v)^2 / Var(v) = tr(P)^2 / tr(P P)."""
        own = np.einsum("gkr,gkr->gk", self.within, self.bent)
        size = np.einsum("gkr,gkr->gk", self.across, self.across)
        by_parameter = np.ascontiguousarray(self.across.transpose(1, 0, 2))
        inner = by_parameter.transpose(0, 2, 1) @ by_parameter
        squares = (own**2 - 2 * own * size).sum(axis=0) + np.einsum("krs,krs->k", inner, inner)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((own - size).sum(axis=0) ** 2 / squares)


def adjusted(parts: Parts, bread: Array, shown: Array, kind: str) -> Adjusted:
    r"""Return the influence of clusters, adjusted for leverage.

    Parameters
    ----------
    parts : sums by cluster, N_g = X_g'X_g (G, p, p) and s_g = X_g'e_g (G, p)
    bread : (p, p) A, generalised inverse of X'X
    shown : (k, p) parameters as combinations of the coefficients
    kind : "CR0" (no adjustment), "CR2" (exactly unbiased when errors have equal variances) or "CR3" (nearly the jackknife)

    Notes
    -----
    Bell & McCaffrey (2002); Pustejovsky & Tipton (2018, Journal of Business & Economic Statistics 36), sections 2.1-2.2. Residuals are
    multiplied by (I - H_gg)^f with H_gg = X_g A X_g' and f = -1/2 (CR2) or -1 (CR3). Because X_g' h(X_g A X_g') = h(N_g A) X_g', nothing
    larger than p x p is needed: with A = R R' and M_g = R'N_g R the influence is C R (I - M_g)^f R's_g. Where I - M_g is singular
    the generalised inverse is taken, as in R's clubSandwich, and the parameters that rest on such a direction are marked: a single
    treated cluster decides the effect alone, and its residuals show nothing of its noise. With b_g = (I - M_g)^f R'c the entries of P
    are b_g'M_g b_g and -(M_g b_g)'(M_h b_h): effects that are absorbed within clusters are orthogonal to all columns there and
    change nothing. Weights are taken as inverse variances (clubSandwich with ``inverse_var=TRUE``; its default for weighted
    regressions assumes equal variances instead, which changes CR2 by less than a hundredth in the recorded cases).
    """
    scale = np.sqrt(np.maximum(np.diag(bread), 0))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(bread / np.outer(scale, scale))
    kept = values > 1e-12 * values[-1]
    R = scale[:, None] * vectors[:, kept] * np.sqrt(values[kept])
    m, U = np.linalg.eigh(R.T @ parts.gram @ R)
    left = np.maximum(1 - m, 0)
    usable = left > SINGULAR
    power = {"CR0": 0.0, "CR2": -0.5, "CR3": -1.0}[kind]
    factor = np.where(usable, np.where(usable, left, 1.0) ** power, 0.0) if power else np.ones_like(m)
    along = (shown @ R) @ U  # (G, k, r) in the axes of each cluster
    size = np.linalg.norm(shown @ R, axis=1)
    lost = (np.abs(along) * ~usable[:, None, :] > 1e-6 * size[:, None]).any(axis=2)
    bent = along * factor[:, None, :]
    scores = ((parts.score @ R)[:, None, :] @ U)[:, 0]
    influence = (bent @ scores[:, :, None])[:, :, 0]
    return Adjusted(influence, bent, bent * m[:, None, :], U, lost)


def hotelling_degrees(found: Adjusted) -> float:
    """Return the degrees of freedom eta of the Wishart distribution that the covariance of q parameters is nearest to.

    Notes
    -----
    Pustejovsky & Tipton (2018), section 3.2 ("HTZ"): in coordinates in which the covariance is expected to be the identity when
    errors have equal variances, eta = q (q + 1) / sum of the variances of its entries. (eta - q + 1) / (eta q) times the Wald statistic is then
    compared with F(q, eta - q + 1).
    """
    own = found.within @ found.bent.transpose(0, 2, 1)
    expected = (own - found.across @ found.across.transpose(0, 2, 1)).sum(axis=0)
    values, vectors = np.linalg.eigh(expected)
    root = vectors / np.sqrt(values)  # (q, q): C -> root' C has covariance I
    own, across = root.T @ own @ root, root.T @ found.across
    q = len(values)
    # Var(s, t) = sum over g, h of P_gs,hs P_gt,ht + P_gs,ht P_gt,hs, P the sum of a diagonal part and an outer product.
    outer = across @ across.transpose(0, 2, 1)
    variance = 0.0
    for s in range(q):
        for t in range(q):
            both = own[:, s, s] * own[:, t, t] + own[:, s, t] ** 2
            mixed = own[:, s, s] * outer[:, t, t] + own[:, t, t] * outer[:, s, s] + 2 * own[:, s, t] * outer[:, s, t]
            inner = across[:, s].T @ across[:, t]
            variance += float((both - mixed).sum() + (inner * inner).sum() + (inner * inner.T).sum())
    return q * (q + 1) / variance


def labels_within(fit: LeastSquares, cluster: str) -> tuple[Array, Array]:
    """Return (n,) codes of the cluster of each row of a regression, and the labels."""
    if cluster not in fit.columns.keys:
        raise EstimateError(
            f"The rows of the regression have no {cluster!r}, only {first_five(fit.columns.keys)}: labels that an estimate was coarsened by "
            "are unknown to it. Declare the cluster: Panel(..., clusters=[...])."
        )
    return fit.labels(cluster)
