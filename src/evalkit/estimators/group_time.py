"""Group-time average effects of Callaway & Sant'Anna (2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.two_periods import METHODS, Tables, adjusted, adjusted_cross_section
from evalkit.kernels import doubly_robust as dr
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GroupTime:
    """Effects ATT(g, t) of every cohort in every period, each a two-period comparison that uses clean comparison units only.

    Parameters
    ----------
    method : "dr", "ipw" or "reg"
        Doubly robust (the default), Hajek inverse probability weighting, or outcome regression. Without
        covariates the three are the same difference of means.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` (cohort, period, event_time), and ``cohort_share``, the estimated shares with
        which :func:`evalkit.aggregate` weights them.

    Raises
    ------
    DesignError
        When covariates are collinear in a comparison group or predict treatment perfectly, and when the propensity
        of a cohort of one unit is asked for.

    Notes
    -----
    Callaway & Sant'Anna (2021, Journal of Econometrics 225), theorem 1 and section 3. Conventions are those of R's did 2.5:
    standard errors without a small-sample factor and normal quantiles; cohorts treated in the first period have no
    base period and leave; without never-treated units the last cohort is the comparison until it starts.
    Covariates and weights are read in the earlier of the two periods. Where rows count as different households (repeated
    cross-sections, unbalanced panels declared as such), a unit's own level does not cancel.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design()
    >>> cells = ek.GroupTime()(design)
    >>> int((cells.cells["kind"] == "cohort_share").sum())
    3
    """

    method: str = "dr"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DesignError(unknown("method", self.method, METHODS))

    def __call__(self, design: Design) -> Estimate:
        """Return all group-time effects of a design."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        if self.method != "reg" and design.covariates:
            self._refuse_single_units(design, comparison)
        column = (
            _CrossSection(design, self.method)
            if design.unbalanced == "repeated_cross_section"
            else _Differences(design, self.method)
        )
        columns = _Columns(design, sum(len(comparison.pairs(g)) + 1 for g in comparison.cohorts))
        labels: list[tuple[int, int, bool, int]] = []
        skipped: list[str] = []
        for cohort in comparison.cohorts:
            for time, base in comparison.pairs(cohort):
                if time == base:
                    columns.add_zero()
                    labels.append((cohort, time, True, int((design.cohort == cohort).sum())))
                    continue
                others = comparison.of_cell(cohort, time, base)
                try:
                    result = column(cohort, time, base, others)
                except dr.Separation:
                    raise DesignError(_separated(cohort, time, design)) from None
                except dr.Collinear:
                    raise DesignError(_collinear(cohort, time, design)) from None
                if result is None:
                    skipped.append(f"{cohort} in {time}")
                    continue
                theta, contribution, treated = result
                columns.add(theta, contribution)
                labels.append((cohort, time, False, treated))
        if all(reference for _, _, reference, _ in labels):
            raise DesignError("No group-time effect can be estimated: no cohort has both a clean base period and a comparison.")
        return self._estimate(design, comparison, columns, labels, skipped)

    def _estimate(
        self,
        design: Design,
        comparison: Comparison,
        columns: _Columns,
        labels: list[tuple[int, int, bool, int]],
        skipped: list[str],
    ) -> Estimate:
        cohorts, periods, reference, units = (np.array(part) for part in zip(*labels, strict=True))
        sizes = {g: int((design.cohort == g).sum()) for g in comparison.cohorts}
        effects = cell_frame(
            "group_time", len(labels), cohort=cohorts, period=periods, event_time=periods - cohorts,
            units=units, noisy_units=np.where(units > 1, units, 0), reference=reference,
        )  # fmt: skip
        weight = design.unit_weight / design.unit_weight.mean()
        for cohort in comparison.cohorts:
            member = weight * (design.cohort == cohort)
            columns.add(float(member.mean()), (member - weight * member.mean()) / len(member))
        shares = cell_frame("cohort_share", len(sizes), cohort=list(sizes), units=list(sizes.values()))
        notices = design.notices
        if skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}),)
        facts = Facts(observations=design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        cells = pd.concat([effects, shares], ignore_index=True)
        return Estimate(np.array(columns.theta), columns.psi(), cells, design.row_keys, facts, notices)

    def _refuse_single_units(self, design: Design, comparison: Comparison) -> None:
        alone = [g for g in comparison.cohorts if (design.cohort == g).sum() == 1]
        if alone:
            raise DesignError(
                f"The propensity of a cohort of one unit cannot be fitted: {first_five(alone)}. Use GroupTime(method='reg'), leave out "
                "the covariates, or join the cohort to a neighbouring year."
            )


def _separated(cohort: int, time: int, design: Design) -> str:
    names = ", ".join(design.covariates)
    return (
        f"Covariates {names} tell cohort {cohort} and its comparison in {time} apart perfectly, so there is no overlap to weight. "
        "Use GroupTime(method='reg'), fewer covariates, or a larger comparison."
    )


def _collinear(cohort: int, time: int, design: Design) -> str:
    names = ", ".join(design.covariates)
    return (
        f"Covariates {names} are collinear (or too many) for cohort {cohort} and its comparison in {time}. "
        "Leave one out, or use a larger comparison."
    )


class _Columns:
    """Collects estimates and the influence of rows on them, summed to the design's rows as they come."""

    def __init__(self, design: Design, most: int) -> None:
        self.design = design
        self.theta: list[float] = []
        self.by_cell = np.zeros((most, len(design.row_keys)))  # one block, a cell's column lies together

    def add(self, theta: float, contribution: Array) -> None:
        self.by_cell[len(self.theta)] = self.design.psi_from_units(contribution[:, None])[:, 0]
        self.theta.append(theta)

    def add_zero(self) -> None:
        self.theta.append(0.0)

    def psi(self) -> Array:
        return self.by_cell[: len(self.theta)].T


class _Differences:
    """One cell from the changes of units seen in both periods."""

    def __init__(self, design: Design, method: str) -> None:
        self.design, self.method, self.tables = design, method, Tables(design)
        self.score: tuple[tuple[int, int, bytes], dr.Propensity] | None = None

    def __call__(self, cohort: int, time: int, base: int, others: Array) -> tuple[float, Array, int] | None:
        change, earlier = self.tables.change(time, base)
        treated = self.design.cohort == cohort
        used = treated | others
        if not self.design.balanced:
            used &= ~np.isnan(change)
        rows = np.flatnonzero(used)
        D = treated[rows].astype(float)
        if not D.any() or D.all():
            return None
        dy, w = change[rows], self.tables.weights(earlier, rows)
        if not self.tables.X:
            theta, psi = dr.means(dy, D, w)
        else:
            X = self.tables.covariates(earlier, rows)
            score = None if self.method == "reg" else self._propensity(cohort, 0 if self.tables.fixed else earlier, used, D, X, w)
            theta, psi = adjusted(self.method, dy, D, X, w, score)
        contribution = np.zeros(len(self.design.units))
        contribution[rows] = psi / len(rows)
        return theta, contribution, int(D.sum())

    def _propensity(self, cohort: int, earlier: int, used: Array, D: Array, X: Array, w: Array) -> dr.Propensity:
        # The propensity of a cohort against one comparison group serves all periods that share it.
        key = (cohort, earlier, np.packbits(used).tobytes())
        if self.score is None or self.score[0] != key:
            start = self.score[1].gamma.value if self.score is not None and self.score[0][0] == cohort else None
            self.score = key, dr.propensity(D, X, w, start)
        return self.score[1]


class _CrossSection:
    """One cell from all rows of two periods, as if households were different; a unit's influence is summed."""

    def __init__(self, design: Design, method: str) -> None:
        self.design, self.method = design, method
        self.when = design.periods[design.period_index]

    def __call__(self, cohort: int, time: int, base: int, others: Array) -> tuple[float, Array, int] | None:
        design = self.design
        treated = design.cohort == cohort
        rows = np.flatnonzero(np.isin(self.when, (time, base)) & (treated | others)[design.unit_index])
        unit = design.unit_index[rows]
        D, post, y = treated[unit].astype(float), (self.when[rows] == time).astype(float), design.y[rows]
        w = np.ones(len(rows)) if design.w is None else design.w[rows]
        if min((D * post).sum(), (D * (1 - post)).sum(), ((1 - D) * post).sum(), ((1 - D) * (1 - post)).sum()) == 0:
            return None
        if not design.covariates:
            theta, psi = dr.means_cross_section(y, post, D, w)
        else:
            X = np.column_stack([np.ones(len(rows)), design.x[rows]])
            theta, psi = adjusted_cross_section(self.method, y, post, D, X, w)
        return theta, np.bincount(unit, psi / len(rows), len(design.units)), len(np.unique(unit[D == 1]))
