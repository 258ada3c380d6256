"""Several effects at once: each with the p-values that allow for there being several, and the joint test of years before the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.estimate import Estimate
from evalkit.inference.joint_test import wald
from evalkit.inference.linear import covariance, has_own_noise
from evalkit.inference.multiple import adjusted
from evalkit.who_records import Adjusted

Array = np.ndarray[Any, Any]

DRAWS = 9_999
FEW = 12  # below so many clusters, signs alone give too few different draws, and Webb's six points are drawn
LEAST_CLUSTERS = 5  # fewer on a side, and the usual interval misses a true zero too often to be shown


def family(effects: Mapping[str, Estimate], cluster: str, seed: int) -> dict[str, Adjusted]:
    """Return the adjusted p-values of single effects by their names, by Holm and by Romano and Wolf; those without noise are left out.

    Parameters
    ----------
    effects : name -> Estimate of one parameter, on the same rows or on parts of them
    cluster : the cluster of the study
    seed : of the draws
    """
    noisy = {name: one for name, one in effects.items() if has_own_noise(one).all() and one.psi.any()}
    if not noisy:
        return {}
    clusters = min(covariance(one, cluster).clusters for one in noisy.values())
    weights = "webb" if clusters < FEW else "rademacher"
    by_holm = adjusted(noisy, "holm", cluster)
    by_draws = adjusted(noisy, "romano_wolf", cluster, draws=DRAWS, seed=seed, weights=weights)
    return {
        name: Adjusted(holm=float(holm), romano_wolf=float(drawn), family=len(noisy))
        for name, holm, drawn in zip(noisy, by_holm["p_adjusted"], by_draws["p_adjusted"], strict=True)
    }


def pretrend_p(cells: Estimate, cluster: str, sides: tuple[int, int], anticipation: int) -> float | None:
    """Return the p-value of the joint test of the years before the start, None where no year rests on enough units.

    Parameters
    ----------
    cells : group-time effects
    sides : clusters of the treated and of the comparison, of which the smaller gives the degrees of freedom
    """
    return joint_p(aggregate(cells, "event_time").select(kind="event_time"), cluster, sides, anticipation)


def joint_p(path: Estimate, cluster: str, sides: tuple[int, int], anticipation: int) -> float | None:
    """Return the p-value of the joint test of a path's years before the start, as :func:`pretrend_p` does.

    No more years than half the degrees of freedom are tested at once, those nearest to the start.
    """
    event = path.cells["event_time"].to_numpy()
    enough = path.cells["noisy_units"].to_numpy() >= LEAST_CLUSTERS
    before = (event < -anticipation) & has_own_noise(path) & enough
    degrees = min(sides) - 1
    if not before.any() or degrees < 1:
        return None
    nearest = np.sort(event[before])[-max(1, degrees // 2) :]
    return float(wald(path.select(before & np.isin(event, nearest)), cluster, degrees=degrees).p_value)


def clusters_of(design: Design, cluster: str, units: Array) -> int:
    """Return in how many clusters some units (N,) of a design lie."""
    codes, _ = design.codes(cluster)
    return len(np.unique(codes[units[design.unit_index]]))
