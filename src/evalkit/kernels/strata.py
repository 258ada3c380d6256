r"""Differences of means within strata, averaged with the numbers of the treated.

Units of one *pattern* share cohort and stratum in every period. ``P`` patterns:

- ``W`` (P,)  sums of weights w_i of the units seen in both periods
- ``S`` (P,)  sums of w_i dy_i, dy the change of the outcome

de Chaisemartin & D'Haultfoeuille (2023, Journal of Econometrics 236), section 4: the strata are the other programmes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Stratified:
    """The mean over strata; a unit of pattern p contributes w_i (slope_p dy_i + level_p); used (P,) says who is treated and compared."""

    theta: float
    slope: Array
    level: Array
    used: Array


def difference(W: Array, S: Array, treated: Array, compared: Array, stratum: Array) -> Stratified | None:
    """Return sum_s W_s1 (mean dy_s1 - mean dy_s0) / sum_s W_s1 over strata with both; None when there is none.

    The influence of a treated unit is w (dy - mean_s0 - theta) / sum W_1: its own noise, and that of its stratum's share.
    """
    W1, S1 = (np.bincount(stratum, part * treated) for part in (W, S))
    W0, S0 = (np.bincount(stratum, part * compared) for part in (W, S))
    both = (W1 > 0) & (W0 > 0)
    if not both.any():
        return None
    mean0 = np.divide(S0, W0, out=np.zeros(len(W0)), where=both)
    ratio = np.divide(W1, W0, out=np.zeros(len(W0)), where=both)
    total = W1[both].sum()
    theta = float((S1 - W1 * mean0)[both].sum() / total)
    one, zero = treated & both[stratum], compared & both[stratum]
    slope = (one - zero * ratio[stratum]) / total
    level = (zero * ratio[stratum] * mean0[stratum] - one * (mean0[stratum] + theta)) / total
    return Stratified(theta, slope, level, one)
