"""The algebra of the wild cluster bootstrap: every draw is a few sums over clusters, quadratic in the hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.inference.signs import Signs
from evalkit.least_squares import Parts

Array = np.ndarray[Any, Any]

DIRECT = 128  # clusters up to which squares are summed one by one: exact where they cancel, and cheap
TIE = 1e-9  # relative: a draw this near to the statistic is the statistic itself (all signs alike), not beyond it
FAR = 1e6  # standard errors: an interval that is not closed by then is open
RANK = 1e-11  # of the largest eigenvalue: directions below are without variation


@dataclass(frozen=True, eq=False)
class Pieces:
    """What the draws of one parameter are made of. Weights v_g turn into a statistic whose parts are affine in d = theta - null.

    Attributes
    ----------
    direction : (p,) a, the estimate of a draw less its own null is a'z, z = sum of v_g (s_g + d r_g)
    score, slope : (G, p) s_g and r_g; r is zero where the null is not imposed
    leverage : (G, p) l_g
    own : (G, p) o_g: the share of cluster g in the variance of a draw is (v_g o_g'(s_g + d r_g) - l_g'z)**2
    shares : (G,) what is squared and summed for the variance of the estimate itself
    """

    direction: Array
    score: Array
    slope: Array
    leverage: Array
    own: Array
    shares: Array


@dataclass(frozen=True, eq=False)
class Draws:
    """B draws of one parameter, as functions of d = theta - null: the numerator A + d B, its variance P + 2 d Q + d**2 R.

    Attributes
    ----------
    A, B, P, Q, R : (B,) each
    squares : variance of the estimate itself in the same measure
    """

    A: Array
    B: Array
    P: Array
    Q: Array
    R: Array
    squares: float

    def statistic(self, d: float) -> Array:
        """Return (B,) t statistics of the draws, in units in which that of the estimate is d / root of ``squares``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.A + d * self.B) / np.sqrt(np.maximum(self.P + (2 * self.Q + self.R * d) * d, 0))
        return np.asarray(np.where(np.isnan(t), 0.0, t))  # nothing over nothing: a draw in which nobody moves


def shares_beyond(draws: Draws, d: float, kind: str) -> tuple[float, float]:
    """Return the p-value of d = theta - null: the share of draws strictly beyond the statistic, and that of ties too."""
    t, found = d / np.sqrt(draws.squares), draws.statistic(d)
    near = TIE * abs(t)
    if kind == "symmetric":
        size = np.abs(found)
        return float((size > abs(t) + near).mean()), float((size >= abs(t) - near).mean())
    strict = min((found < t - near).mean(), (found > t + near).mean())
    tied = min((found <= t + near).mean(), (found >= t - near).mean())
    return min(1.0, 2 * float(strict)), min(1.0, 2 * float(tied))


def reach_of_interval(draws: Draws, step: float, kind: str, alpha: float) -> tuple[float, float, bool]:
    """Return how far the interval reaches to the right and to the left of the estimate, and whether accepted values lie beyond it."""

    def accepted(d: float) -> bool:
        return shares_beyond(draws, d, kind)[0] > alpha

    right, left = first_rejected(lambda far: accepted(-far), step), first_rejected(accepted, step)
    beyond = any(
        accepted(sign * far) for sign, end in ((-1, right), (1, left)) for far in end * 2.0 ** np.arange(1, 8) if np.isfinite(far)
    )
    return right, left, beyond


def first_rejected(accepted: Callable[[float], bool], step: float) -> float:
    """Return the first distance at which a value is rejected, walking outward and then halving to 1e-10 of a step."""
    near, far = 0.0, step / 2
    while accepted(far):
        near, far = far, far * 1.3
        if far > FAR * step:
            return float("inf")
    while far - near > 1e-10 * step:
        middle = (near + far) / 2
        near, far = (middle, far) if accepted(middle) else (near, middle)
    return far


def drawn(pieces: list[Pieces], signs: Signs) -> list[Draws]:
    """Return the draws of every parameter, all made with the same weights."""
    sums: list[list[Array]] = [[] for _ in pieces]
    clusters = len(pieces[0].score)
    for v in signs.blocks():
        for found, piece in zip(sums, pieces, strict=True):
            found.append(_one_by_one(piece, v) if clusters <= DIRECT else _by_products(piece, v, signs.squares_are_one))
    together = [np.concatenate(found, axis=1) for found in sums]
    return [
        Draws(A, B, P, Q, R, float(piece.shares @ piece.shares)) for (A, B, P, Q, R), piece in zip(together, pieces, strict=True)
    ]


def _one_by_one(piece: Pieces, v: Array) -> Array:
    """Return (5, block) A, B, P, Q, R by summing squares over clusters."""
    imposed = bool(piece.slope.any())
    z0 = v @ piece.score
    u0 = v * _rowwise(piece.own, piece.score) - z0 @ piece.leverage.T
    out = np.zeros((5, len(v)))
    out[0], out[2] = z0 @ piece.direction, np.einsum("bg,bg->b", u0, u0)
    if imposed:
        z1 = v @ piece.slope
        u1 = v * _rowwise(piece.own, piece.slope) - z1 @ piece.leverage.T
        out[1], out[3], out[4] = z1 @ piece.direction, np.einsum("bg,bg->b", u0, u1), np.einsum("bg,bg->b", u1, u1)
    return out


def _by_products(piece: Pieces, v: Array, squares_are_one: bool) -> Array:
    """Return the same with the squares multiplied out: one product of the weights with a narrow matrix.

    sum of (v q - l'z)**2 = sum of v**2 q**2 - 2 z'(sum of v q l) + z'Lz with L the sum of l l'.
    """
    p, imposed = piece.score.shape[1], bool(piece.slope.any())
    K = piece.leverage.T @ piece.leverage
    q0 = _rowwise(piece.own, piece.score)
    narrow = [piece.score, q0[:, None] * piece.leverage]
    squared = [q0 * q0]
    if imposed:
        q1 = _rowwise(piece.own, piece.slope)
        narrow += [piece.slope, q1[:, None] * piece.leverage]
        squared += [q0 * q1, q1 * q1]
    products = v @ np.hstack(narrow)
    # Signs have squares of one: the first sum is the same in every draw.
    Q = np.column_stack(squared)
    first = np.broadcast_to(Q.sum(axis=0), (len(v), Q.shape[1])) if squares_are_one else (v * v) @ Q
    z0, l0 = products[:, :p], products[:, p : 2 * p]
    out = np.zeros((5, len(v)))
    out[0], out[2] = z0 @ piece.direction, first[:, 0] - 2 * _rowwise(z0, l0) + _rowwise(z0 @ K, z0)
    if imposed:
        z1, l1 = products[:, 2 * p : 3 * p], products[:, 3 * p :]
        out[1] = z1 @ piece.direction
        out[3] = first[:, 1] - _rowwise(z0, l1) - _rowwise(z1, l0) + _rowwise(z0 @ K, z1)
        out[4] = first[:, 2] - 2 * _rowwise(z1, l1) + _rowwise(z1 @ K, z1)
    return out


def _rowwise(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("gp,gp->g", a, b))


class Lost(Exception):
    """Leaving these clusters out, the regression loses what the variant needs."""

    def __init__(self, clusters: Array) -> None:
        super().__init__(f"lost without clusters {clusters.tolist()}")
        self.clusters = clusters


def regression_pieces(parts: Parts, bread: Array, c: Array, variant: str, restricted: bool) -> Pieces:
    """Return the pieces of the parameter c'b of a regression.

    Parameters
    ----------
    parts : sums by cluster
    bread : (p, p) A, inverse of X'X
    c : (p,)
    variant : "C", "S", "V" or "B": whether scores are those of residuals (C, V) or of the regression without the cluster (S, B),
        and whether the variance is the sandwich (C, S) or the jackknife's (V, B)
    restricted : whether the null is imposed on the residuals

    Raises
    ------
    Lost
        When a regression without some cluster loses a direction that the variant needs.

    Notes
    -----
    With N_g = X_g'X_g, a = A c and h = c'A c: the restricted scores are s_g + d N_g a / h. Without cluster g the coefficients are
    b - A_g s_g, A_g the inverse of X'X - N_g, so that its residuals have the scores s_g + N_g A_g s_g; restricted, A_g is taken
    within c'b = null. The variance of a draw sums (v_g a's_g - a'N_g A z)**2 over clusters, the jackknife's
    (v_g a_g's_g - (a_g - a)'z)**2 with a_g = A_g c (MacKinnon, Nielsen & Webb 2023, J. Applied Econometrics 38).
    """
    a = bread @ c
    across = parts.gram @ a  # (G, p) N_g a
    score, slope = parts.score, across / (c @ a) if restricted else np.zeros_like(across)
    if variant in ("S", "B"):
        inverse = _without_each(parts.gram, _orthogonal_to(c) if restricted else np.eye(len(c)))
        score, slope = (one + np.einsum("gij,gjk,gk->gi", parts.gram, inverse, one, optimize=True) for one in (score, slope))
    if variant in ("C", "S"):
        own, leverage = np.broadcast_to(a, across.shape), across @ bread
    else:
        own = _directions_without_each(parts.gram, c)
        leverage = own - a
    return Pieces(a, score, slope, leverage, own, _rowwise(own, parts.score))


def influence_pieces(sums: Array, restricted: bool) -> Pieces:
    """Return the pieces of a parameter of which only the influence of clusters is known: (G,) sums of psi / n.

    The weights multiply the sums, and with the null imposed an equal share of theta - null is added to each.
    """
    G = len(sums)
    one = np.ones((G, 1))
    slope = one / G if restricted else np.zeros((G, 1))
    return Pieces(np.ones(1), sums[:, None], slope, one / G, one, sums)


def _orthogonal_to(c: Array) -> Array:
    """Return (p, p-1) orthonormal columns Z with c'Z = 0."""
    return np.asarray(np.linalg.qr(c[:, None], mode="complete")[0][:, 1:])


def _without_each(gram: Array, Z: Array) -> Array:
    """Return (G, p, p) inverses of Z'(X'X - N_g)Z, in the coordinates of X."""
    whole = Z.T @ gram.sum(axis=0) @ Z
    less = whole - Z.T @ gram @ Z
    inverse, rank = _inverses(np.concatenate([whole[None], less]), whole)
    if (rank[1:] < rank[0]).any():
        raise Lost(np.flatnonzero(rank[1:] < rank[0]))
    return np.asarray(Z @ inverse[1:] @ Z.T)


def _directions_without_each(gram: Array, c: Array) -> Array:
    """Return (G, p) A_g c."""
    whole = gram.sum(axis=0)
    less = whole - gram
    inverse, _ = _inverses(less, whole)
    out = inverse @ c
    off = np.abs(np.einsum("gij,gj->gi", less, out) - c).max(axis=1)
    if (off > 1e-6 * np.abs(c).max()).any():
        raise Lost(np.flatnonzero(off > 1e-6 * np.abs(c).max()))
    return np.asarray(out)


def _inverses(matrices: Array, whole: Array) -> tuple[Array, Array]:
    """Return generalised inverses of (G, p, p) Gram matrices that are parts of one, and their ranks."""
    scale = np.sqrt(np.maximum(np.diag(whole), 0))
    scale = np.where(scale > 1e-9 * max(scale.max(initial=0.0), 1e-300), scale, np.inf)
    values, vectors = np.linalg.eigh(matrices / np.outer(scale, scale))
    kept = values > RANK * np.maximum(values.max(axis=1, initial=0.0, keepdims=True), 1e-300)
    root = vectors / scale[:, None]
    return np.einsum("gik,gk,gjk->gij", root, np.where(kept, 1 / np.where(kept, values, 1), 0), root, optimize=True), kept.sum(
        axis=1
    )
