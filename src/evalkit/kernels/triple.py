r"""Triple differences: eligible units of enabled places, against three groups that were not treated.

Notation of Ortiz-Villavicencio & Sant'Anna (2025), in one comparison of two periods and for one cohort ``g`` of enabled places:

- ``N`` units, ``Q`` groups of units: every cohort of places once eligible and once not
- ``dy`` (N,)      change of the outcome; ``w`` (N,) weights; ``q`` (N,) group of each unit
- ``m`` (Q,)       mean change of each group
- ``C`` (N, J)     contributions of units to the triple differences against J comparison cohorts
- ``l`` (J,)       weights of the comparison cohorts, which add up to one

A triple difference against comparison cohort c is DiD(4, 3) + DiD(4, 2) - DiD(4, 1), where 4 is (g, eligible), 3 (g, not),
2 (c, eligible) and 1 (c, not), each term doubly robust (their estimator for two periods). Several comparison cohorts estimate the
same effect; their GMM estimator weights them to the smallest variance. Contributions are scaled so that theta_hat - theta is close
to their sum over units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Means:
    """Mean changes of groups.

    Attributes
    ----------
    value : (Q,) mean change of a group, not a number where the group is empty
    units : (Q,) how many units are behind it
    spread : (Q,) its sampling variance, the sum of squared contributions
    contribution : (N,) each unit's contribution to the mean of its own group
    """

    value: Array
    units: Array
    spread: Array
    contribution: Array


def mean_changes(dy: Array, w: Array | None, q: Array, groups: int) -> Means:
    """Return the mean changes of groups of units; units whose change is not a number are out."""
    seen = ~np.isnan(dy)
    if not seen.all():
        means = mean_changes(dy[seen], None if w is None else w[seen], q[seen], groups)
        contribution = np.zeros(len(dy))
        contribution[seen] = means.contribution
        return Means(means.value, means.units, means.spread, contribution)
    units = np.bincount(q, minlength=groups)
    W = units if w is None else np.bincount(q, w, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        m = np.bincount(q, dy if w is None else w * dy, groups) / W
        contribution = (dy - m[q]) / W[q]
    if w is not None:
        contribution *= w
    return Means(m, units, np.bincount(q, contribution**2, groups), contribution)


def mean_changes_cross_section(y: Array, post: Array, w: Array | None, unit: Array, q: Array, groups: int) -> Means:
    """Return the mean changes of groups from rows of two periods, ``post`` (n,) 0 or 1, as if every row were another household.

    ``unit`` (n,) is the unit of each row, ``q`` (N,) the group of each unit: a unit seen twice contributes the sum of its rows.
    """
    half = 2 * q[unit] + post
    rows = np.bincount(half, minlength=2 * groups)
    W = rows if w is None else np.bincount(half, w, 2 * groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        m = np.bincount(half, y if w is None else w * y, 2 * groups) / W
        each = (2 * post - 1) * (y - m[half]) / W[half] * (1.0 if w is None else w)
    contribution = np.bincount(unit, each, len(q))
    fewest = rows.reshape(groups, 2).min(axis=1)
    return Means(m[1::2] - m[::2], fewest, np.bincount(q, contribution**2, groups), contribution)


def of_means(means: Means, enabled: tuple[int, int], others: list[tuple[int, int]]) -> tuple[float, Array]:
    """Return the triple difference of mean changes and the coefficients (Q,) of the groups' means in it.

    Parameters
    ----------
    enabled : positions of the groups (g, eligible) and (g, not)
    others : the same of every comparison cohort

    Notes
    -----
    Groups share no unit, so the comparisons' covariance is a common part, the noise of the enabled groups, plus a diagonal; the
    common part does not move the weights of smallest variance: l_c is proportional to 1 / (spread of (c, eligible) + spread of (c,
    not)).
    """
    noise = np.array([means.spread[e] + means.spread[i] for e, i in others])
    precision = 1 / noise if (noise > 0).all() else (noise == 0).astype(float)  # what has no noise decides alone
    a = np.zeros(len(means.value))
    a[list(enabled)] = 1, -1
    for (e, i), weight in zip(others, precision / precision.sum(), strict=True):
        a[e], a[i] = -weight, weight
    used = a != 0
    return float(a[used] @ means.value[used]), a


def smallest_variance(C: Array) -> Array:
    """Return the weights l (J,) of J estimates of one effect that make their mean vary least, from contributions C (N, J)."""
    omega = C.T @ C
    scale = np.sqrt(np.diag(omega))
    if (scale == 0).any():
        return np.asarray((scale == 0) / (scale == 0).sum())  # what has no noise decides alone
    # Estimates that are the same number twice share their weight.
    ones = np.linalg.lstsq(omega / np.outer(scale, scale), 1 / scale, rcond=1e-12)[0] / scale
    return np.asarray(ones / ones.sum())
