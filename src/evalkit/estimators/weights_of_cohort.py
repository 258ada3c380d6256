"""Weights of one cohort fitted, or what stands in the way: by name, with the numbers, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.errors import DesignError, first_five
from evalkit.kernels import balancing
from evalkit.kernels.doubly_robust import Collinear, Separation

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Compared:
    """A cohort and its comparison in the base year, for the effects of one period."""

    cohort: int
    time: int
    base: int
    D: Array
    x: Array
    w: Array
    names: tuple[str, ...]

    @property
    def late(self) -> bool:
        """Whether it is for a period after the start, when fewer may be untreated."""
        return self.time > self.cohort

    def __str__(self) -> str:
        others = int((self.D == 0).sum())
        when = f", to be compared in {self.time}" if self.late else ""
        return f"cohort {self.cohort} and its {others:,} comparison units in {self.base}{when}"


def fit(compared: Compared, method: str, neighbours: int, caliper: float | None, distance: str) -> balancing.Balanced:
    """Fit the weights of one cohort, turning what cannot be fitted into a refusal that names cohort and covariate."""
    D, x, w, cohort = compared.D, compared.x, compared.w, compared.cohort
    scored = method == "propensity" or (method == "nearest" and distance == "propensity")
    if scored and D.sum() == 1:
        raise DesignError(
            f"The propensity of cohort {cohort}, which is one unit, cannot be fitted. Use method='entropy', or join it to a neighbouring year."
        )
    if method == "nearest" and neighbours > (D == 0).sum():
        raise DesignError(f"There are too few to choose from for {compared}: neighbours={neighbours} is more.")
    try:
        if method == "entropy":
            return balancing.entropy(D, x, w)
        if method == "propensity":
            return balancing.propensity(D, x, w)
        matches = balancing.nearest(D, x, w, neighbours, caliper, distance)
    except balancing.OutsideHull as outside:
        raise DesignError(_unreached(compared, outside.columns)) from None
    except Separation:
        raise DesignError(_separated(compared)) from None
    except Collinear:
        culprit = compared.names[balancing.dependent_column(x)]
        raise DesignError(
            f"Column {culprit!r} is constant, or a combination of the others ({', '.join(compared.names)}), for {compared}. Leave it out."
        ) from None
    if matches.treated.sum() == 0:
        raise DesignError(
            f"Nobody has a neighbour within the caliper of {caliper:g} among {compared}. Widen it, or match on fewer columns."
        )
    return matches


def _unreached(compared: Compared, columns: list[int]) -> str:
    one, pool = compared.D == 1, compared.x[compared.D == 0]
    mean = compared.w[one] @ compared.x[one] / compared.w[one].sum()
    found = first_five(
        f"{compared.names[j]} (mean of the treated {mean[j]:.4g}; comparison from {pool[:, j].min():.4g} to {pool[:, j].max():.4g})"
        for j in columns or range(len(mean))
    )
    if not columns:
        return (
            f"The treated means can be reached only by weights so far from the sampling weights that they cannot be computed, for {compared}: "
            f"{found}. Look at the sampling weights, or leave covariates out."
        )
    return (
        f"No weights give the comparison the means of the treated, for {compared}: {found}. The treated lie outside, or at the edge, of what "
        f"mixes of comparison units can be. Leave the covariate out, compare with other units{_never(compared)}, or use method='propensity'."
    )


def _never(compared: Compared) -> str:
    return " (fewer and fewer are not yet treated; see comparison='never_treated')" if compared.late else ""


def _separated(compared: Compared) -> str:
    one, other = compared.x[compared.D == 1], compared.x[compared.D == 0]
    alone = (one.min(axis=0) >= other.max(axis=0)) | (one.max(axis=0) <= other.min(axis=0))
    names = compared.names
    what = [name for name, tells in zip(names, alone, strict=True) if tells] or [f"{', '.join(names)} together"]
    return (
        f"{first_five(what)}: at some values there are treated units only, or comparison units only, so that no propensity can be fitted for "
        f"{compared}. Leave it out, or compare with units that are like the treated{_never(compared)}."
    )
