"""The two-way coefficient of many assignments, or without each cluster, from the moments of one panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.estimate import sum_within

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Moments:
    """What a panel with gaps says about every path of treatment a unit may have.

    Attributes
    ----------
    starts : (C,) first treated periods, the last one inf
    path : (C, N, T) the unit-demeaned 0/1 path of each start in the rows of each unit, zero where a row is missing
    outcome : (N, T) the unit-demeaned outcome
    period : (N, T, T) cross-products of unit-demeaned period dummies, or (N,) how often the balanced one counts
    """

    starts: Array
    path: Array
    outcome: Array
    period: Array


def moments(outcome: Array, seen: Array, periods: Array, starts: Array) -> Moments:
    """Return the moments of (N, T) outcomes in the rows seen, for these distinct starts (without inf)."""
    every = np.r_[np.asarray(starts, float), np.inf]
    paths = (periods >= every[:, None])[:, None, :] & seen
    count = np.maximum(seen.sum(axis=1), 1)
    path = np.where(seen, paths - (paths.sum(axis=2) / count)[:, :, None], 0.0)
    filled = np.where(seen, outcome, 0.0)
    demeaned = np.where(seen, filled - (filled.sum(axis=1) / count)[:, None], 0.0)
    if seen.all():
        return Moments(every, path, demeaned, np.ones(len(outcome)))
    there = seen.astype(float)
    period = there[:, :, None] * np.eye(there.shape[1]) - there[:, :, None] * there[:, None, :] / count[:, None, None]
    return Moments(every, path, demeaned, period)


def _inverse(period: Array, periods: int) -> Array:
    """Return (..., T, T) inverses of summed cross-products; a number n stands for n balanced units."""
    if period.ndim and period.shape[-1] == periods and period.ndim >= 2:
        return np.asarray(np.linalg.pinv(period, hermitian=True))
    centre = np.eye(periods) - 1 / periods
    return np.asarray(centre / period[..., None, None])


def reassigned_coefficients(made: Moments, assigned: Array) -> Array:
    """Return (M,) two-way coefficients under M assignments of starts.

    Parameters
    ----------
    assigned : (M, N) positions in ``made.starts``

    Notes
    -----
    Frisch-Waugh: with D and y net of unit means, m the sum of D over units by period and S the period dummies' cross-product,
    b = (D'y - m'S^-1 p) / (D'D - m'S^-1 m). Every sum over units is a product with a 0/1 matrix of who has which start.
    """
    T = made.outcome.shape[1]
    weight = _inverse(made.period.sum(axis=0), T)
    product = (made.path * made.outcome).sum(axis=2)  # (C, N) D'y of every unit on every path
    square = (made.path**2).sum(axis=2)
    top, below, by_period = np.zeros(len(assigned)), np.zeros(len(assigned)), np.zeros((len(assigned), T))
    for c in range(len(made.starts) - 1):
        has = (assigned == c).astype(float)
        top, below, by_period = top + has @ product[c], below + has @ square[c], by_period + has @ made.path[c]
    adjusted = by_period @ weight
    return np.asarray((top - adjusted @ made.outcome.sum(axis=0)) / (below - (adjusted * by_period).sum(axis=1)))


def coefficients_without(made: Moments, assigned: Array, cluster: Array) -> Array:
    """Return (G,) two-way coefficients without each cluster, NaN where nobody treated or nobody else is left.

    Parameters
    ----------
    assigned : (N,) positions in ``made.starts``
    cluster : (N,) codes 0, 1, ...
    """
    N, T = made.outcome.shape
    own = made.path[assigned, np.arange(N)]
    groups = int(cluster.max()) + 1

    def without(values: Array) -> Array:
        flat = values.reshape(N, -1)
        left: Array = flat.sum(axis=0) - sum_within(flat, cluster, groups)
        return left.reshape(groups, *values.shape[1:])

    weight = _inverse(without(made.period), T)
    by_period, outcome = without(own), without(made.outcome)
    adjusted = np.einsum("gt,gts->gs", by_period, weight)
    below = without((own**2).sum(axis=1)) - (adjusted * by_period).sum(axis=1)
    top = without((own * made.outcome).sum(axis=1)) - (adjusted * outcome).sum(axis=1)
    kept = below > 1e-9 * (own**2).sum()
    return np.where(kept, top / np.where(kept, below, 1.0), np.nan)
