"""Fixed-length intervals: the linear estimator whose worst-case interval is shortest, and its half length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import erfc, isqrt, sqrt
from typing import Any

import numpy as np
from scipy import special

from evalkit.errors import EstimateError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class FixedLength:
    """A linear estimator of the target with its worst-case bias, standard deviation and half length.

    Attributes
    ----------
    weights : (K + T,) on the leads and on the periods after the reference
    bias : worst-case bias over the restriction
    deviation : standard deviation of the estimator
    half_length : half the length of the interval
    """

    weights: Array
    bias: float
    deviation: float
    half_length: float


def folded_normal_quantile(level: float, mean: float) -> float:
    """Return the quantile of |Z + mean|, Z standard normal, solved exactly (R's HonestDiD simulates it).

    Examples
    --------
    >>> from evalkit.inference.fixed_length import folded_normal_quantile
    >>> round(folded_normal_quantile(0.95, 0.0), 4), round(folded_normal_quantile(0.95, 10.0), 4)
    (1.96, 11.6449)
    """
    mean = abs(mean)
    low, high = max(mean + float(special.ndtri(level)), 0.0), mean + float(special.ndtri(0.5 + level / 2))
    for _ in range(60):  # halving 60 times leaves rounding only
        middle = 0.5 * (low + high)
        if 0.5 * (erfc((mean - middle) / sqrt(2)) - erfc((mean + middle) / sqrt(2))) < level:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def of_drift(sigma: Array, target: Array, size: float, level: float) -> FixedLength:
    """Return the interval under |delta_t - delta_(t-1)| <= size after the reference.

    Leads are unrestricted and get no weight; the bias is at most size * sum_t |sum_(s >= t) l_s|.

    Parameters
    ----------
    sigma : (K + T, K + T) covariance of leads and later periods
    target : (T,) l, the weights of the effect looked at
    """
    weights = np.r_[np.zeros(len(sigma) - len(target)), target]
    bias = size * float(np.abs(np.cumsum(target[::-1])).sum())
    return _interval(sigma, weights, bias, level)


def of_smoothness(sigma: Array, target: Array, size: float, level: float) -> FixedLength:
    """Return the shortest interval under |second differences of delta| <= size.

    Parameters
    ----------
    sigma : (K + T, K + T) covariance of leads and later periods, K >= 1
    target : (T,) l, the weights of the effect looked at
    size : M, in units of the outcome per period

    Notes
    -----
    Rambachan & Roth (2023), section 3.2. Without bias from a straight line, an estimator's weights on leads are second differences of
    c_0 = sum_t t l_t and of free numbers c_1, ..., c_(K-1); c_s is its weight on the bend of delta s periods before the reference, so
    that its worst-case bias is M (sum |bends of l| + |c_0| + sum |c_s|). The smallest variance for every bias is therefore a
    lasso in c, whose path is piecewise linear and exact. On it the half length h cv(M b / h) is smallest where
    lambda = h f_b / f_h, f_b and f_h its derivatives in bias and deviation. R's HonestDiD searches numerically to about 1e-4.
    """
    return _of_smoothness(np.ascontiguousarray(sigma).tobytes(), np.ascontiguousarray(target, float).tobytes(), size, level)


@lru_cache(maxsize=128)  # the data are not needed for it
def _of_smoothness(covariance: bytes, weights: bytes, size: float, level: float) -> FixedLength:
    target = np.frombuffer(weights)
    sigma = np.frombuffer(covariance).reshape(2 * (isqrt(len(covariance) // 8),))
    K, T = len(sigma) - len(target), len(target)
    start, turn = _weights_from_bends(K, target)
    later = [float((np.arange(1, T - s + 1) * target[s:]).sum()) for s in range(1, T)]
    fixed = float(np.abs(later).sum()) + abs(float(np.arange(1, T + 1) @ target))
    knots, path = _lasso_path(turn.T @ sigma @ turn, turn.T @ sigma @ start)

    def at(penalty: float) -> FixedLength:
        c = np.array([np.interp(penalty, knots, values) for values in path.T])
        return _interval(sigma, start + turn @ c, size * (fixed + float(np.abs(c).sum())), level)

    low, high = 0.0, float(knots[-1])
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _price_of_bias(at(middle), size, level) > middle:
            low = middle
        else:
            high = middle
    return at(0.5 * (low + high))


def _interval(sigma: Array, weights: Array, bias: float, level: float) -> FixedLength:
    weights.setflags(write=False)
    deviation = float(np.sqrt(weights @ sigma @ weights))
    return FixedLength(weights, bias, deviation, deviation * folded_normal_quantile(level, bias / deviation))


def _price_of_bias(found: FixedLength, size: float, level: float) -> float:
    """Return h f_b / f_h, the variance worth giving up for a little less bias."""
    if size == 0:
        return 0.0
    b, q = found.bias / found.deviation, found.half_length / found.deviation
    near, far = np.exp(-0.5 * (q - b) ** 2), np.exp(-0.5 * (q + b) ** 2)
    by_bias, by_deviation = size * (near - far), (q - b) * near + (q + b) * far
    return float(found.deviation * by_bias / by_deviation)


def _weights_from_bends(K: int, target: Array) -> tuple[Array, Array]:
    """Return weights v = start + turn @ c: (K + T,) those at c = 0, and (K + T, K - 1) how c_1 ... c_(K-1) change them."""
    T = len(target)
    # v of the lead t periods before the reference is c_(t-1) - 2 c_t + c_(t+1).
    every = np.zeros((K, K))
    for t in range(1, K + 1):
        for s, weight in ((t - 1, 1.0), (t, -2.0), (t + 1, 1.0)):
            if s < K:
                every[K - t, s] = weight
    start = np.r_[every[:, 0] * float(np.arange(1, T + 1) @ target), target]
    return start, np.vstack([every[:, 1:], np.zeros((T, K - 1))])


def _lasso_path(Q: Array, g: Array, parted: bool = False) -> tuple[Array, Array]:
    """Return knots (j,) in rising order and (j, k) minimisers of c'Qc / 2 + g'c + lambda |c|_1, linear between knots.

    The homotopy of Osborne, Presnell & Turlach (2000): with active set A and signs s, c_A = -Q_AA^-1 (g_A + lambda s_A), until an
    inactive gradient reaches lambda or an active coefficient reaches zero.
    """
    k = len(g)
    if k == 0:
        return np.zeros(1), np.zeros((1, 0))
    signs, moved = np.zeros(k), int(np.abs(g).argmax())
    signs[moved], penalty = -np.sign(g[moved]), float(np.abs(g[moved]))
    knots, path = [penalty], [np.zeros(k)]
    for _ in range(20 * k):
        if penalty == 0:
            break
        active = signs != 0
        inverse = np.linalg.inv(Q[np.ix_(active, active)])
        level, slope = np.zeros(k), np.zeros(k)
        level[active], slope[active] = -inverse @ g[active], -inverse @ signs[active]
        penalty, moved, sign = _next_event(g + Q @ level, Q @ slope, level, slope, signs, penalty, moved)
        knots.append(penalty)
        path.append(np.where(active, level + penalty * slope, 0.0))
        if moved >= 0:
            signs[moved] = sign
            path[-1][moved] = 0.0
    if penalty > 0 and not parted:  # several events at once: part them by a billionth
        return _lasso_path(Q, g * (1 + 1e-9 * np.sqrt(np.arange(1, k + 1))), parted=True)
    if penalty > 0:
        raise EstimateError(
            "The shortest fixed-length interval was not found: leads are so alike that their weights cannot be told apart. Show fewer "
            "leads, aggregate(..., by='event_time', first=...), or use method='hybrid least favourable'."
        )
    return np.array(knots[::-1]), np.array(path[::-1])


def _next_event(
    fixed: Array, moving: Array, level: Array, slope: Array, signs: Array, penalty: float, moved: int
) -> tuple[float, int, float]:
    """Return the next penalty at which a coefficient leaves (sign 0) or enters (its sign); zero and -1 if none does.

    Gradients are fixed + lambda moving; the coefficient that moved last is at its own event and cannot have it again.
    """
    best, event, sign = 0.0, -1, 0.0
    for j in range(len(signs)):
        with np.errstate(divide="ignore", invalid="ignore"):
            entering = [(fixed[j] / (side - moving[j]), -side) for side in (1.0, -1.0)]
            candidates = [(-level[j] / slope[j], 0.0)] if signs[j] != 0 else entering
        limit = penalty * (1 - 1e-12 if j == moved else 1 + 1e-12)
        for value, new in candidates:
            if best < value <= limit:
                best, event, sign = min(float(value), penalty), j, new
    return best, event, sign
