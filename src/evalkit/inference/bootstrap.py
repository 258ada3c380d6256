"""Bands that hold for a whole path at once: Gaussian draws from a covariance, and multiplier draws of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate

Array = np.ndarray[Any, Any]

MULTIPLIERS = ("rademacher", "mammen", "gaussian")


def uniform_critical_value(matrix: Array, level: float, draws: int, seed: int, degrees: float = np.inf) -> float:
    """Return the critical value of a simultaneous band: the quantile of max |t| over k parameters.

    The covariance (k, k) of the parameters is all that the multiplier bootstrap of Callaway & Sant'Anna (2021,
    Theorem 3) converges to, so Gaussian draws from it replace draws over rows. With finite ``degrees`` every draw is
    divided by the root of a chi-squared over its degrees, so that for k = 1 the t quantile returns.
    """
    scale = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 0))
    generator = np.random.default_rng(seed)
    block = max(1, 50_000_000 // (8 * len(values)))
    largest = np.concatenate(
        [
            np.abs(generator.standard_normal((min(block, draws - start), len(values))) @ root.T).max(axis=1)
            for start in range(0, draws, block)
        ]
    )
    if np.isfinite(degrees):
        largest = largest / np.sqrt(generator.chisquare(degrees, draws) / degrees)
    return float(np.quantile(largest, level))


def multiplier_draws(estimate: Estimate, draws: int, seed: int, cluster: str | None = None, weights: str = "rademacher") -> Array:
    """Return (draws, k) bootstrap deviations: random signs times cluster sums of psi, over n.

    ``weights`` is "rademacher" (+1, -1), "mammen" (two points with third moment one) or "gaussian".
    """
    if weights not in MULTIPLIERS:
        raise EstimateError(unknown("kind of multiplier", weights, MULTIPLIERS))
    sums = estimate.psi if cluster is None else estimate.coarsen(cluster).psi
    rows = len(sums)
    generator = np.random.default_rng(seed)
    out = np.empty((draws, sums.shape[1]))
    block = max(1, 50_000_000 // (8 * rows))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        out[start : start + size] = _multipliers(generator, (size, rows), weights) @ sums / rows
    return out


def _multipliers(generator: np.random.Generator, shape: tuple[int, int], weights: str) -> Array:
    if weights == "gaussian":
        return generator.standard_normal(shape)
    if weights == "rademacher":
        return np.asarray(2.0 * generator.integers(0, 2, shape, dtype=np.int8) - 1.0)
    golden = (1 + np.sqrt(5)) / 2
    low = generator.random(shape) < golden / np.sqrt(5)
    return np.asarray(np.where(low, 1 - golden, golden))
