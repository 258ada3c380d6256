r"""Effects of a continuous dose: a spline of the change on the dose among the treated, minus the mean change of the untreated.

Notation of Callaway, Goodman-Bacon & Sant'Anna (2024), in one comparison of two periods:

- ``d`` (n1,)   doses of the treated, all positive; ``dy`` (n1,) their changes; ``w`` (n1,) weights
- ``B`` (n1, p) B-spline basis at their doses, ``B'`` its derivative; p = degree + 1 + inner knots
- ``beta`` (p,) coefficients of dy on B, so that ATT(d|d) = B(d) beta - E[dy | untreated] (parallel trends)
  and its slope is B'(d) beta, which is the causal response ACRT(d) under strong parallel trends only

Contributions are scaled so that theta_hat - theta is close to their sum over units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class HeapedDoses(Exception):
    """So many doses are the same that inner knots coincide, with each other or with an end."""


class TooFewDoses(Exception):
    """The doses do not tell the basis functions apart: no coefficients can be fitted."""


@dataclass(frozen=True)
class Spline:
    """A B-spline basis: its degree and its knots (p + degree + 1,), boundary knots repeated."""

    degree: int
    knots: Array

    @classmethod
    def over(cls, d: Array, degree: int, inner: int) -> Spline:
        """Return the basis over the range of doses, inner knots at equally spaced quantiles. Raises HeapedDoses where two coincide."""
        within = np.quantile(d, np.linspace(0, 1, inner + 2)[1:-1])
        if inner and (np.diff([d.min(), *within, d.max()]) <= 0).any():
            raise HeapedDoses
        return cls(degree, np.r_[[d.min()] * (degree + 1), within, [d.max()] * (degree + 1)])

    @property
    def size(self) -> int:
        """How many functions the basis has, p."""
        return len(self.knots) - self.degree - 1

    def basis(self, d: Array) -> Array:
        """Return (m, p) values at doses."""
        return np.asarray(self._spline()(d))

    def slopes(self, d: Array) -> Array:
        """Return (m, p) derivatives at doses."""
        return np.asarray(self._spline().derivative()(d))

    def _spline(self) -> Any:
        from scipy.interpolate import BSpline

        return BSpline(self.knots, np.eye(self.size), self.degree)


@dataclass(frozen=True)
class Response:
    """The treated of one comparison.

    Attributes
    ----------
    beta : (p,) coefficients and ``of_beta`` (n1, p) contributions to them
    change, slope : mean change, and mean slope at the treated's own doses
    of_change, of_slope : (n1,) contributions to them
    """

    beta: Array
    of_beta: Array
    change: float
    of_change: Array
    slope: float
    of_slope: Array


def response(dy: Array, B: Array, slopes: Array, w: Array) -> Response:
    """Return how the change depends on the dose. Raises TooFewDoses.

    Parameters
    ----------
    dy, w : (n1,); B, slopes : (n1, p) the basis and its derivative at the doses
    """
    wB = w[:, None] * B
    gram = wB.T @ B
    scale = np.sqrt(np.diag(gram))
    if (scale == 0).any() or np.linalg.cond(gram / np.outer(scale, scale)) > 1e14:
        raise TooFewDoses
    inverse = np.linalg.inv(gram)
    beta = inverse @ (wB.T @ dy)
    of_beta = (wB * (dy - B @ beta)[:, None]) @ inverse
    total = w.sum()
    change, mean_slopes = float(w @ dy / total), w @ slopes / total
    slope = float(mean_slopes @ beta)
    of_slope = w * (slopes @ beta - slope) / total + of_beta @ mean_slopes  # doses are drawn, coefficients are fitted
    return Response(beta, of_beta, change, w * (dy - change) / total, slope, of_slope)
