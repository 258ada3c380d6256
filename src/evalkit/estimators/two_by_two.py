"""The two-by-two difference-in-differences: two groups, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.design import Design
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
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
        When treatment starts in more than one period, when nobody is never treated, when rows are missing (a unit's means would rest
        on other years than its neighbour's, and common growth look like an effect), or when covariates are given.

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

    needs: ClassVar[tuple[str, ...]] = (
        "lasting", "no_covariates", "units_followed", "every_period", "one_cohort", "never_treated", "clean_period",
    )  # fmt: skip
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the difference of differences."""
        refuse_unmet(design, self)
        start = int(design.cohort.min())
        Y = design.wide(design.y)
        after, before = design.periods >= start, design.periods + design.anticipation < start
        change = Y[:, after].mean(axis=1) - Y[:, before].mean(axis=1)
        D = (design.cohort == start).astype(float)
        theta, psi = means(change, D, design.unit_weight)
        contribution = psi[:, None] / len(psi)
        cells = cell_frame("overall", 1, cohort=start, units=D.sum())
        facts = Facts(design.observations, treated=design.treated_rows)
        return Estimate(np.array([theta]), design.psi_from_units(contribution), cells, design.row_keys, facts, design.notices)
