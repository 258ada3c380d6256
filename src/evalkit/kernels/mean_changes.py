"""A mean of differences between the mean changes of groups: its weights, and what it is without each cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Cell(NamedTuple):
    """One comparison: the mean change of a group less that of others, counted by the size of the group.

    Attributes
    ----------
    outcome : (N, T)
        The outcome of every unit.
    time, base : int
        Positions of the periods between which it changes.
    group, others : (N,) of bool
        Who is averaged, and against whom.
    """

    outcome: Array
    time: int
    base: int
    group: Array
    others: Array

    @property
    def change(self) -> Array:
        """The (N,) changes between the two periods."""
        return np.asarray(self.outcome[:, self.time] - self.outcome[:, self.base])


def cell_weights(cells: Iterable[Cell], shape: tuple[int, ...]) -> Array:
    """Return (N, T) the weights with which outcomes add up to the mean of cells.

    Examples
    --------
    >>> outcome, group = np.array([[1.0, 4], [2, 4], [5, 6]]), np.array([True, True, False])
    >>> weights = cell_weights([Cell(outcome, 1, 0, group, ~group)], outcome.shape)
    >>> weights.tolist(), float((weights * outcome).sum())
    ([[-0.5, 0.5], [-0.5, 0.5], [1.0, -1.0]], 1.5)
    """
    weights, sizes = np.zeros(shape), 0
    for cell in cells:
        size = int(cell.group.sum())
        for member, sign in ((cell.group, 1.0), (cell.others, -1.0)):
            each = sign * size / member.sum()
            weights[member, cell.time] += each
            weights[member, cell.base] -= each
        sizes += size
    return weights / sizes


def without_clusters(cells: Iterable[Cell], codes: Array, clusters: int) -> Array:
    """Return (G,) the mean of cells without every cluster once.

    Parameters
    ----------
    codes : (N,) of int
        The cluster of every unit, from 0 to ``clusters`` - 1.

    Notes
    -----
    Sums over all less sums within a cluster are sums without it, so that nothing is estimated again. NaN where a group or the others of
    some cell are all in the cluster left out.

    Examples
    --------
    >>> outcome, group = np.array([[0.0, 3], [0, 5], [0, 1], [0, 2]]), np.array([True, True, False, False])
    >>> without_clusters([Cell(outcome, 1, 0, group, ~group)], np.array([0, 1, 2, 3]), 4).tolist()
    [3.5, 1.5, 2.0, 3.0]
    """
    total, sizes = np.zeros(clusters), np.zeros(clusters)
    for cell in cells:
        mean, size = _mean_without(cell.change, cell.group, codes, clusters)
        other, _ = _mean_without(cell.change, cell.others, codes, clusters)
        total += size * (mean - other)
        sizes += size
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / sizes)


def _mean_without(change: Array, member: Array, codes: Array, clusters: int) -> tuple[Array, Array]:
    """Return (G,) means and sizes of the members without each cluster; NaN where nobody is left."""
    inside = np.bincount(codes[member], minlength=clusters)
    left = float(member.sum()) - inside
    summed = change[member].sum() - np.bincount(codes[member], change[member], clusters)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(left > 0, summed / left, np.nan), left
