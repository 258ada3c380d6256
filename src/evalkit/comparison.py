"""Who is compared with whom, cohort by cohort: which cohorts have effects, over which periods, and against which units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.errors import DesignError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """Which cohorts have effects, over which periods, and against whom."""

    design: Design = field(repr=False)
    cohort: Array = field(repr=False)
    cohorts: tuple[int, ...]
    periods: tuple[int, ...]

    @classmethod
    def of(cls, design: Design) -> Comparison:
        """Settle the cohorts and periods of a design; without never-treated units the last cohort is the comparison."""
        cohort, periods = design.cohort, design.periods
        if np.isfinite(cohort).all():
            last = cohort.max()
            cohort = np.where(cohort == last, np.inf, cohort)
            periods = periods[periods + design.anticipation < last]
        if len(periods) < 2:
            raise DesignError("Effects by cohort and period need at least two periods in which a comparison exists.")
        inside = np.isfinite(cohort) & (cohort > periods[0] + design.anticipation) & (cohort <= periods[-1])
        cohorts = tuple(int(g) for g in np.unique(cohort[inside]))
        if not cohorts:
            raise DesignError(
                f"No cohort starts between {periods[0]} and {periods[-1]} with a clean period before it. Add earlier periods: "
                "units treated from the first period on have nothing to be compared with."
            )
        return cls(design, cohort, cohorts, tuple(int(p) for p in periods))

    def base_of(self, cohort: int) -> int:
        """Return the last clean period before a cohort starts."""
        return max(p for p in self.periods if p + self.design.anticipation < cohort)

    def pairs(self, cohort: int) -> list[tuple[int, int]]:
        """Return (period, base period) of every effect of a cohort."""
        anticipation, clean = self.design.anticipation, self.base_of(cohort)
        if self.design.base == "universal":
            return [(t, clean) for t in self.periods]
        before = dict(zip(self.periods[1:], self.periods[:-1], strict=True))
        return [(t, clean if t + anticipation >= cohort else before[t]) for t in self.periods[1:]]

    def of_cell(self, cohort: int, time: int, base: int) -> Array:
        """Return (N,) which units are compared with a cohort between two periods."""
        if self.design.comparison == "never_treated":
            return np.asarray(np.isinf(self.cohort))
        later = self.cohort > max(time, base) + self.design.anticipation
        return np.asarray(later & (self.cohort != cohort))
