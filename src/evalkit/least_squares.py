"""The regression behind an estimate, for inference that needs more of it than the influence of its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]

NOTHING_LEFT = 1e-11  # of a column's largest value: what rounding leaves where effects take all of it


@dataclass(frozen=True, eq=False)
class Columns:
    """What a regression was run on: n rows, p columns, times the roots of the weights.

    Attributes
    ----------
    X : (n, p) columns, the absorbed effects taken out; they may be collinear among themselves (a dummy too many)
    y : (n,) outcome, the same taken out
    keys : frame of n rows: the unit, the period and the clusters of each row
    absorbed : (n,) codes of the effects taken out, or None when there are none
    """

    X: Array
    y: Array
    keys: pd.DataFrame
    absorbed: Array | None = None


@dataclass(frozen=True, eq=False)
class Parts:
    """Sums over clusters that a regression's inference is made of (MacKinnon, Nielsen & Webb 2023).

    Attributes
    ----------
    gram : (G, p, p) X_g'X_g
    moment : (G, p) X_g'y_g
    score : (G, p) X_g'e_g, e being the residuals
    """

    gram: Array
    moment: Array
    score: Array


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A least-squares fit, made when first asked for: most readers of an estimate never ask.

    Parameters
    ----------
    made : callable that returns the columns
    """

    made: Callable[[], Columns]

    @cached_property
    def columns(self) -> Columns:
        """The columns, outcome and keys."""
        return self.made()

    @cached_property
    def bread(self) -> Array:
        """(p, p) symmetric generalised inverse of X'X."""
        return generalised_inverse(self.columns.X.T @ self.columns.X)

    @cached_property
    def coefficients(self) -> Array:
        """(p,) coefficients, the shortest where several fit alike."""
        return np.asarray(self.bread @ (self.columns.X.T @ self.columns.y))

    @cached_property
    def residuals(self) -> Array:
        """(n,) residuals, times the roots of the weights."""
        return np.asarray(self.columns.y - self.columns.X @ self.coefficients)

    def labels(self, cluster: str) -> tuple[Array, Array]:
        """Return (n,) codes of a key of the rows, and its labels; KeyError when there is none."""
        codes, labels = pd.factorize(self.columns.keys[cluster], sort=True)
        return np.asarray(codes), np.asarray(labels)

    def parts(self, codes: Array, groups: int) -> Parts:
        """Return the sums within (n,) integer codes."""
        X, y, e = self.columns.X, self.columns.y, self.residuals
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(groups + 1))
        p = X.shape[1]
        gram, moment, score = np.empty((groups, p, p)), np.empty((groups, p)), np.empty((groups, p))
        X, y, e = X[order], y[order], e[order]
        for g in range(groups):
            rows = slice(starts[g], starts[g + 1])
            gram[g] = X[rows].T @ X[rows]
            moment[g] = X[rows].T @ y[rows]
            score[g] = X[rows].T @ e[rows]
        return Parts(gram, moment, score)


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares whose combinations of coefficients are the parameters of an estimate.

    Parameters
    ----------
    fit : the least squares
    combinations : (k, s) the parameters as combinations of the first s coefficients

    Notes
    -----
    theta = C beta with beta = A X'y and A = (X'X)^-. Effects that are nested in clusters may be absorbed: the cluster-robust
    covariances CR0-CR3, their degrees of freedom and the wild bootstrap stay what they are with dummies (Pustejovsky & Tipton 2018,
    theorem 2, which holds for weights that are the working model's).
    """

    fit: LeastSquares
    combinations: Array

    @cached_property
    def shown(self) -> Array:
        """(k, p) the parameters as combinations of all coefficients."""
        k, s = self.combinations.shape
        return np.hstack([self.combinations, np.zeros((k, self.fit.columns.X.shape[1] - s))])

    def through(self, jacobian: Array) -> Regression:
        """Return the regression of a linear map (j, k) of the parameters."""
        return Regression(self.fit, jacobian @ self.combinations)


def generalised_inverse(matrix: Array) -> Array:
    """Return the symmetric generalised inverse of a Gram matrix (p, p), directions without variation left at zero.

    Columns are compared as shares of their own size, so that the unit of a column (yuan beside dummies) decides nothing.
    """
    size = np.sqrt(np.maximum(np.diag(matrix), 0))
    scale = np.where(size > 0, size, np.inf)
    values, vectors = np.linalg.eigh(matrix / scale / scale[:, None])
    kept = values > 1e-11 * values[-1]
    root = vectors[:, kept] / scale[:, None]
    return np.asarray((root / values[kept]) @ root.T)


def without_means(values: Array, codes: Array, weight: Array | None = None) -> Array:
    """Return (n, k) values less their (weighted) means within (n,) integer codes."""
    count = int(codes.max()) + 1
    total = np.bincount(codes, weight, count)
    out = np.empty_like(values, dtype=float)
    for column in range(values.shape[1]):
        own = values[:, column] if weight is None else values[:, column] * weight
        out[:, column] = values[:, column] - (np.bincount(codes, own, count) / total)[codes]
    return out


def columns_without_means(X: Array, y: Array, keys: pd.DataFrame, absorbed: Array | None, weight: Array | None = None) -> Columns:
    """Return the columns of a regression with the effects of (n,) integer codes absorbed, times the roots of the weights (n,).

    A column of which the effects leave nothing but rounding is zero.
    """
    both = np.column_stack([X, y]).astype(float)
    if absorbed is not None:
        size = np.abs(both).max(axis=0, initial=0.0)
        both = without_means(both, absorbed, weight)
        both[:, np.abs(both).max(axis=0, initial=0.0) <= NOTHING_LEFT * size] = 0.0
    if weight is not None:
        both = both * np.sqrt(weight)[:, None]
    return Columns(both[:, :-1], both[:, -1], keys, absorbed)


def dummies(codes: Sequence[Array], variables: Sequence[Array | None]) -> Array:
    """Return (n, L) columns of further effects: a dummy a level, or the variable that a slope multiplies."""
    blocks = []
    for code, variable in zip(codes, variables, strict=True):
        block = (code[:, None] == np.unique(code)).astype(float)
        blocks.append(block if variable is None else block * variable[:, None])
    return np.hstack(blocks)
