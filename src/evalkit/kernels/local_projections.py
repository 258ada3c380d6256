r"""Local projections given covariates, within starts (Dube, Girardi, Jorda & Taylor 2025, sections 3 and 4).

Changes ``u`` (n,), the switch ``D`` (n,), covariates ``X`` (n, K), an effect of every start and sampling weights ``w`` (n,), as in
:mod:`evalkit.kernels.stacks`. Tildes are deviations from the weighted means within a start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalkit.kernels.imputation import gram_inverse
from evalkit.kernels.stacks import Group, Start
from evalkit.kernels.two_way import Collinear

Array = np.ndarray[Any, Any]


def directly(starts: Sequence[Start], count: int) -> tuple[float, Array]:
    """Return the coefficient of D in u on D, X and the starts' effects, and the contributions (count,) of units.

    Starts without treated units say something about the coefficients of X. Raises Collinear with positions in X.
    """
    rows = [_deviations(start) for start in starts]
    ZZ = np.asarray(sum((Z.T * w) @ Z for Z, _, w in rows))
    sizes = _size([group for start in starts for group in (start.treated, start.clean)])
    try:
        A = gram_inverse(ZZ, np.r_[np.sqrt(ZZ[0, 0]), sizes])
    except Collinear as problem:
        raise Collinear([c - 1 for c in problem.columns if c > 0]) from None
    b = A @ sum((Z.T * w) @ u for Z, u, w in rows)
    out = np.zeros(count)
    for start, (Z, u, w) in zip(starts, rows, strict=True):
        contribution = w * (u - Z @ b) * (Z @ A[:, 0])
        cut = len(start.treated.u)
        out[start.treated.place] += contribution[:cut]
        out[start.clean.place] += contribution[cut:]
    return float(b[0]), out


def _deviations(start: Start) -> tuple[Array, Array, Array]:
    """Return (n, 1 + K) D and X and (n,) u as deviations within a start, and (n,) w; the treated come first."""
    one, other = start.treated, start.clean
    assert one.X is not None and other.X is not None
    w = np.r_[one.w, other.w]
    D = np.r_[np.ones(len(one.u)), np.zeros(len(other.u))]
    Z = np.column_stack([D, np.vstack([one.X, other.X]), np.r_[one.u, other.u]])
    Z -= w @ Z / w.sum()
    return Z[:, :-1], Z[:, -1], w


def _size(groups: Sequence[Group]) -> Array:
    """Return (K,) how long the covariates are before starts are taken out: spread, and a little of their level against rounding."""
    w, X = np.concatenate([g.w for g in groups]), np.vstack([np.asarray(g.X) for g in groups])
    spread = w @ (X - w @ X / w.sum()) ** 2
    return np.asarray(np.sqrt(spread) + 1e-5 * np.sqrt(w @ X**2))


def adjusted(starts: Sequence[Start], count: int) -> tuple[float, Array]:
    """Return the mean over the treated of u less its prediction from the clean, and the contributions (count,) of units.

    The prediction is m0_a + (x - x0_a)'g, with g fitted on the clean of all starts. The contribution of a treated unit is its
    own deviation over W1 = sum of treated weights; that of a clean row with residual e and deviation x~ is
    -w e ((W1_a / W0_a) / W1 + x~'A d), where A is the inverse of the clean X~'X~ and d the mean of x1_a - x0_a over the treated.
    Raises Collinear with positions in X.
    """
    centred = [(s, s.clean, np.asarray(s.clean.X) - s.clean.mean_X, s.clean.u - s.clean.mean) for s in starts if s.clean.total > 0]
    A = gram_inverse(np.asarray(sum((X.T * c.w) @ X for _, c, X, _ in centred)), _size([c for _, c, _, _ in centred]))
    g = A @ sum((X.T * c.w) @ u for _, c, X, u in centred)
    served = [s for s in starts if s.both]
    W1 = np.array([s.treated.total for s in served])
    apart = np.array([s.treated.mean_X - s.clean.mean_X for s in served])
    effects = np.array([s.treated.mean - s.clean.mean for s in served]) - apart @ g
    theta = float(W1 @ effects / W1.sum())
    toward = A @ (W1 @ apart / W1.sum())
    out = np.zeros(count)
    for s in served:
        predicted = s.clean.mean + (np.asarray(s.treated.X) - s.clean.mean_X) @ g
        out[s.treated.place] += s.treated.w * (s.treated.u - predicted - theta) / W1.sum()
    for s, clean, X, u in centred:
        share = s.treated.total / s.clean.total / W1.sum()
        out[clean.place] -= clean.w * (u - X @ g) * (share + X @ toward)
    return theta, out
