"""How far one place differs from all others, and how many comparisons were made."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
TRIMMED = 0.9  # share of the other places that the overdispersion is measured on, so that one odd place does not hide another
# Mean of a squared standard normal below its 90th percentile (2.7055): (0.9 - 2 * 1.64485 * 0.10314) / 0.9.
TRIMMED_MEAN = 0.6230


def holm(p: Array) -> Array:
    """Return p-values (k,) corrected for their number after Holm (1979): the chance of any false alarm stays below the level.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    if not len(p):
        return p
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def against_others(hits: Array, rows: Array) -> tuple[Array, Array]:
    """Return, for each place, the chance of as many hits if it were like the others, and the others' share.

    hits, rows : (G,) counts. The tail is exact beta-binomial: the share of the other places, spread as much as these
    spread among themselves (moments of the binomial's squared residuals, the largest tenth left out, one standard error added). A place is never
    compared with itself. Returns two arrays (G,): p, one-sided, and the share of the others.
    """
    others_rows = rows.sum() - rows
    share = (hits.sum() - hits + 0.5) / (others_rows + 1.0)
    usual = np.argsort(_squared(hits, rows, hits, rows), kind="stable")[: _kept(len(rows))]
    spread = _trimmed_spread(_squared(hits, rows, hits[usual], rows[usual]))
    # One standard error on top: a spread measured on few places is itself uncertain.
    spread = np.where(spread > 1, spread * (1 + np.sqrt(2 / _kept(len(rows)))), 1.0)
    typical = max(float(np.mean(rows)), 2.0)
    rho = np.clip((spread - 1.0) / (typical - 1.0), 0.0, 0.9)
    return _upper_tail(hits, rows, share, rho), share


def _kept(groups: int) -> int:
    return max(int(np.floor(TRIMMED * (groups - 1))), 1)


def _squared(hits: Array, rows: Array, usual_hits: Array, usual_rows: Array) -> Array:
    """Return (G,) squared standardised residuals from the share that the usual places have together."""
    total = usual_rows.sum()
    share = np.clip(usual_hits.sum() / total, 0.5 / total, 1 - 0.5 / total)
    residual: Array = (hits - rows * share) ** 2 / (rows * share * (1 - share))
    return residual


def _trimmed_spread(squared: Array) -> Array:
    """Return (G,) mean squared residuals of the other places, the largest left out, at least 1."""
    groups = len(squared)
    kept = _kept(groups)
    order = np.sort(squared)
    inside = np.searchsorted(order, squared, side="left") < kept  # the place itself is among the smallest
    total = order[:kept].sum()
    without = np.where(inside, total - squared + order[min(kept, groups - 1)], total)
    full = TRIMMED_MEAN if kept < groups - 1 else 1.0
    spread: Array = np.maximum(without / kept / full, 1.0)
    return spread


def _upper_tail(hits: Array, rows: Array, share: Array, rho: Array) -> Array:
    """Return (G,) chances of at least ``hits`` of ``rows`` under a beta-binomial; rho (G,) = 0 is the binomial."""
    from scipy.special import bdtrc, betaln, gammaln

    chance: Array = np.where(hits > 0, bdtrc(np.maximum(hits - 1, 0), rows, share), 1.0)
    for place in np.flatnonzero((rho > 0) & (hits > 0)):
        n = rows[place]
        strength = 1 / rho[place] - 1
        a, b = share[place] * strength, (1 - share[place]) * strength
        k = np.arange(hits[place], n + 1)
        logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + betaln(k + a, n - k + b) - betaln(a, b)
        chance[place] = min(float(np.exp(logs).sum()), 1.0)
    return chance


def exact_interval(hits: int, rows: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share after Clopper and Pearson (1934).

    >>> [round(end, 4) for end in exact_interval(10, 100)]
    [0.049, 0.1762]
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, rows - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, rows - hits, 1 - tail)) if hits < rows else 1.0
    return low, high
