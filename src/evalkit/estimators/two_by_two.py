"""The two-by-two difference-in-differences: two groups, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.design import Design
from evalkit.errors import DesignError, first_five
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.kernels.doubly_robust import means

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TwoByTwo:
    """Mean change of the treated minus mean change of the never treated, from all clean periods before to all after.

    Returns
    -------
    Estimate
        One cell of kind ``overall``.

    Raises
    ------
    DesignError
        When treatment starts in more than one period, when nobody is never treated, or when covariates are given.

    Notes
    -----
    A unit's change is the mean of its outcome after treatment minus the mean before; years in which it may anticipate
    are left out. On a balanced panel with one start date it equals :class:`TwoWay`.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design(cohorts=1)
    >>> by_hand, regression = ek.TwoByTwo()(design), ek.TwoWay()(design)
    >>> bool(abs(by_hand.theta[0] - regression.theta[0]) < 1e-12)
    True
    """

    needs: ClassVar[tuple[str, ...]] = ("never_treated", "one_cohort", "units_followed")
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the difference of differences."""
        start = self._start(design)
        Y = design.wide(design.y)
        after, before = design.periods >= start, design.periods + design.anticipation < start
        change = Y[:, after].mean(axis=1) - Y[:, before].mean(axis=1)
        D = (design.cohort == start).astype(float)
        theta, psi = means(change, D, design.unit_weight)
        contribution = psi[:, None] / len(psi)
        cells = cell_frame("overall", 1, cohort=start, units=D.sum())
        facts = Facts(design.observations)
        return Estimate(np.array([theta]), design.psi_from_units(contribution), cells, design.row_keys, facts, design.notices)

    def _start(self, design: Design) -> int:
        if design.covariates:
            raise DesignError("The two-by-two comparison takes no covariates. Use GroupTime(method='dr').")
        if design.unbalanced == "repeated_cross_section":
            raise DesignError("The two-by-two comparison follows units over time. For a repeated cross-section use GroupTime.")
        if not design.balanced:
            raise DesignError(
                "Where years are missing, a unit's mean before and after rests on other years than its neighbour's, and common growth "
                "looks like an effect. Use unbalanced='drop_units', or GroupTime, which compares year by year."
            )
        cohorts = np.unique(design.cohort[np.isfinite(design.cohort)])
        if len(cohorts) > 1:
            raise DesignError(
                f"Treatment starts in {len(cohorts)} periods ({first_five(int(c) for c in cohorts)}): two-by-two has one. Use GroupTime."
            )
        start = int(cohorts[0])
        if not np.isinf(design.cohort).any():
            raise DesignError("The two-by-two comparison needs never-treated units; all are treated here.")
        if start <= design.periods[0] + design.anticipation:
            raise DesignError(f"There is no clean period before {start}, so there is no before to compare with.")
        return start
