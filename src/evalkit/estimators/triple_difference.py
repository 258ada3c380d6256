"""Triple differences of Ortiz-Villavicencio & Sant'Anna (2025): eligible units of treated places against three groups."""

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
from evalkit.kernels import triple as kernel
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

Pair = tuple[int, int]  # positions of a cohort's eligible and other units among the groups

SHARES = ("eligible", "cohort")
FEWEST = 2  # units a group needs: the noise of a single one cannot be learned


@dataclass(frozen=True)
class TripleDifference:
    """Effects on eligible units of treated places, net of what ineligible units there and both kinds of units elsewhere went through.

    Parameters
    ----------
    eligible : str
        Column with 1 for units that can get the programme and 0 for others, the same in all rows of a unit. The roll-out says when
        a unit's place starts, for eligible and ineligible units alike.
    method : "dr", "ipw" or "reg"
        Doubly robust (the default), Hajek inverse probability weighting, or outcome regression, in each of the three two-group
        comparisons. Without covariates the three are the same difference of eight means.
    shares : "eligible" or "cohort"
        With which shares :func:`evalkit.aggregate` averages cohorts: those of the eligible units (the units treated), or those of
        all units of a cohort, which is what R's triplediff does.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` (cohort, period, event_time), and ``cohort_share``.

    Raises
    ------
    DesignError
        When one of the four groups is missing (which one is said), when ``eligible`` is not 0 or 1 or changes within units, when
        covariates are collinear in a group or predict it perfectly.

    Notes
    -----
    Ortiz-Villavicencio & Sant'Anna (2025, "Better understanding triple differences estimators"), the doubly robust estimator and
    the GMM average of comparison cohorts: DiD(4, 3) + DiD(4, 2) - DiD(4, 1), each with the covariates of the treated eligible
    units, which the difference of two differences-in-differences is not. Assumes that eligible and ineligible units would have
    drifted apart alike in treated and other places, not that either pair would have moved in parallel, and that ineligible units of
    treated places are not touched by the programme. Units not yet treated are compared cohort by cohort, because pooling them is
    biased here, and the comparisons are averaged with the weights of smallest variance. Conventions are those of R's triplediff 0.2
    but for the shares, for covariates and weights read in the earlier of the two periods, for propensities fitted to convergence,
    and for standard errors without a small-sample factor (triplediff has n - 1 for n in two periods and where comparisons are
    averaged). A group of fewer than two units is left out and named.

    Examples
    --------
    >>> import evalkit as ek
    >>> frame = ek.example_frame()
    >>> frame["eligible"] = (frame["village_id"].rank(method="dense") % 3 > 0).astype(int)
    >>> panel = ek.Panel(frame, unit="village_id", period="year")
    >>> rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    >>> cells = ek.TripleDifference(eligible="eligible")(ek.Design(panel, rollout, outcome="log_income"))
    >>> int((cells.cells["kind"] == "cohort_share").sum())
    3
    """

    eligible: str = "eligible"
    method: str = "dr"
    shares: str = "eligible"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "eligible")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DesignError(unknown("method", self.method, METHODS))
        if self.shares not in SHARES:
            raise DesignError(unknown("choice of shares", self.shares, SHARES))

    def __call__(self, design: Design) -> Estimate:
        """Return all group-time effects of a design."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        groups = _Groups.of(comparison, _eligible_units(design, self.eligible))
        groups.refuse_missing(comparison, self.eligible)
        changes = (_Repeated if design.unbalanced == "repeated_cross_section" else _Followed)(design, groups, self.method)
        effects = _Effects(design)
        for cohort in comparison.cohorts:
            pair = groups.pair(cohort)
            for time, base in comparison.pairs(cohort):
                if time == base:
                    effects.add_reference(cohort, time, int(groups.units[pair[0]]))
                    continue
                means = changes.means(time, base)
                others, small = groups.compared(comparison, cohort, time, base, means.units)
                effects.small |= small
                if min(means.units[list(pair)]) < FEWEST or not others:
                    effects.skipped.append(f"{cohort} in {time}")
                    continue
                if design.covariates:
                    theta, contribution = _given_covariates(changes, time, base, pair, others)
                else:
                    theta, coefficient = kernel.of_means(means, pair, others)
                    contribution = coefficient[groups.code] * means.contribution
                effects.add(theta, contribution, cohort, time, int(means.units[pair[0]]))
        return self._estimate(design, comparison, groups, effects)

    def _estimate(self, design: Design, comparison: Comparison, groups: _Groups, effects: _Effects) -> Estimate:
        cells = effects.cells(self.eligible)
        weight = design.unit_weight / design.unit_weight.mean()
        counted = groups.eligible if self.shares == "eligible" else np.ones(len(weight), dtype=bool)
        with_effects = [g for g in comparison.cohorts if (cells["cohort"] == g).any()]
        shares, influence = [], []
        for cohort in with_effects:
            member = weight * (counted & (comparison.cohort == cohort))
            shares.append(float(member.mean()))
            influence.append(design.psi_from_units(((member - weight * member.mean()) / len(member))[:, None])[:, 0])
        units = [int(groups.units[groups.pair(g)[0]]) for g in with_effects]
        frame = pd.concat([cells, cell_frame("cohort_share", len(shares), cohort=with_effects, units=units)], ignore_index=True)
        notices = design.notices
        if effects.skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": effects.skipped}),)
        if later := sorted(g for g in effects.small if np.isfinite(g)):
            notices += (Notice("TRIPLE_GROUPS_TOO_SMALL", {"cohorts": ", ".join(f"{g:g}" for g in later)}),)
        if np.inf in effects.small:
            notices += (Notice("TRIPLE_NEVER_TOO_SMALL", {}),)
        facts = Facts(observations=design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        psi = np.vstack([*effects.by_cell, *influence]).T
        return Estimate(np.array([*effects.theta, *shares]), psi, frame, design.row_keys, facts, notices)


def _eligible_units(design: Design, column: str) -> Array:
    """Return (N,) whether each unit is eligible, after checking that the column says so."""
    values = design.values(column)
    if (odd := ~np.isin(values, (0.0, 1.0))).any():
        rows = np.flatnonzero(odd)
        places = rows if design.keep is None else np.arange(len(design.panel.unit_index))[design.keep][rows]
        raise DesignError(
            f"{column!r} must be 1 for eligible units and 0 for others, but is neither in {len(rows):,} rows: "
            f"{first_five(design.panel.places(places))}. Mend these rows or leave the units out."
        )
    eligible = values[design.first_rows]
    if (changes := values != eligible[design.unit_index]).any():
        units = np.unique(design.unit_index[changes])
        raise DesignError(
            f"{column!r} changes within {len(units):,} units: {first_five(design.units[units])}. Eligibility is what a unit was before "
            "anything started; a programme that moves people in or out of it cannot be told from its effect. Use the value of the first period."
        )
    return np.asarray(eligible == 1)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Cohorts of places, each once eligible and once not.

    ``code`` (N,) is the group of each unit, ``units`` (Q,) how many a group has.
    """

    cohorts: Array
    eligible: Array
    code: Array
    units: Array

    @classmethod
    def of(cls, comparison: Comparison, eligible: Array) -> _Groups:
        cohorts, position = np.unique(comparison.cohort, return_inverse=True)
        code = 2 * position + eligible
        return cls(cohorts, eligible, code, np.bincount(code, minlength=2 * len(cohorts)))

    def pair(self, cohort: float) -> Pair:
        """Return the positions of a cohort's eligible and other units among the groups."""
        position = 2 * int(np.searchsorted(self.cohorts, cohort))
        return position + 1, position

    def name(self, code: int) -> str:
        """Return a group in words."""
        cohort = self.cohorts[code // 2]
        place = "never treated" if np.isinf(cohort) else f"treated from {cohort:g}"
        return f"{'eligible' if code % 2 else 'ineligible'} units {place}"

    def compared(self, comparison: Comparison, cohort: int, time: int, base: int, units: Array) -> tuple[list[Pair], set[float]]:
        """Return the pairs of groups of every cohort that is compared, and the cohorts too small for it."""
        found, small = [], set()
        for other in np.unique(comparison.cohort[comparison.of_cell(cohort, time, base)]):
            pair = self.pair(other)
            if min(units[list(pair)]) < FEWEST:
                small.add(float(other))
            else:
                found.append(pair)
        return found, small

    def refuse_missing(self, comparison: Comparison, column: str) -> None:
        """Raise DesignError when one of the four groups of a triple difference has no units."""
        enabled = np.isin(comparison.cohort, comparison.cohorts)
        never = np.isinf(comparison.cohort)
        others = never if comparison.design.comparison == "never_treated" else never | (comparison.cohort > min(comparison.cohorts))
        missing = [
            f"{kind} units in {places}"
            for places, mask in (("treated places", enabled), ("places to compare with", others))
            for kind, eligible in (("eligible", True), ("ineligible", False))
            if not (mask & (self.eligible == eligible)).any()
        ]
        if missing:
            raise DesignError(
                f"A triple difference needs four groups, and there are no {' and no '.join(missing)} ({column!r} is 1 for eligible). "
                "Add them, or compare treated with other places by GroupTime."
            )


class _Effects:
    """Collects effects, and the influence of rows on them, as they come."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.theta: list[float] = []
        self.by_cell: list[Array] = []
        self.labels: list[tuple[int, int, bool, int]] = []
        self.skipped: list[str] = []
        self.small: set[float] = set()

    def add(self, theta: float, contribution: Array, cohort: int, time: int, units: int) -> None:
        self.theta.append(theta)
        self.by_cell.append(self.design.psi_from_units(contribution[:, None])[:, 0])
        self.labels.append((cohort, time, False, units))

    def add_reference(self, cohort: int, time: int, units: int) -> None:
        self.theta.append(0.0)
        self.by_cell.append(np.zeros(len(self.design.row_keys)))
        self.labels.append((cohort, time, True, units))

    def cells(self, column: str) -> pd.DataFrame:
        """Return what each effect is; a cohort without any effect loses its reference."""
        estimated = {cohort for cohort, _, reference, _ in self.labels if not reference}
        if not estimated:
            raise DesignError(
                f"No triple difference can be estimated: in no two periods are {FEWEST} eligible and {FEWEST} ineligible units ({column!r}) "
                f"seen in a treated cohort and in one it is compared with. Missing: {first_five(self.skipped)}. Join cohorts, or use GroupTime."
            )
        kept = [i for i, label in enumerate(self.labels) if label[0] in estimated]
        self.theta, self.by_cell = [self.theta[i] for i in kept], [self.by_cell[i] for i in kept]
        cohorts, periods, reference, units = (np.array(part) for part in zip(*(self.labels[i] for i in kept), strict=True))
        return cell_frame(
            "group_time",
            len(cohorts),
            cohort=cohorts,
            period=periods,
            event_time=periods - cohorts,
            units=units,
            reference=reference,
        )


def _given_covariates(
    changes: _Followed | _Repeated, time: int, base: int, enabled: Pair, others: list[Pair]
) -> tuple[float, Array]:
    """Return the triple difference given covariates and the (N,) contributions of units to it."""
    inside, inside_contribution = changes.between(time, base, enabled[0], enabled[1])
    theta, C = np.empty(len(others)), np.empty((len(inside_contribution), len(others)))
    for j, (eligible, ineligible) in enumerate(others):
        same, same_contribution = changes.between(time, base, enabled[0], eligible)
        other, other_contribution = changes.between(time, base, enabled[0], ineligible)
        theta[j] = inside + same - other
        C[:, j] = inside_contribution + same_contribution - other_contribution
    weights = kernel.smallest_variance(C) if len(others) > 1 else np.ones(1)
    return float(weights @ theta), C @ weights


class _Compared:
    """Two groups compared given covariates, with the errors of the kernel in words."""

    def __init__(self, design: Design, groups: _Groups, method: str) -> None:
        self.design, self.groups, self.method = design, groups, method

    def between(self, time: int, base: int, treated: int, other: int) -> tuple[float, Array]:
        """Return the difference of two groups' changes given covariates, and (N,) contributions to it."""
        try:
            return self._between(time, base, treated, other)
        except dr.Separation:
            what, cure = "tell {} apart perfectly, so there is no overlap to weight", "TripleDifference(method='reg')"
        except dr.Collinear:
            what, cure = "are collinear (or too many) for {}", "the covariates that vary in every group"
        pair = " and ".join(self.groups.name(code) for code in (treated, other))
        raise DesignError(
            f"Covariates {', '.join(self.design.covariates)} {what.format(pair)}, {base} to {time}. "
            f"Use {cure}, fewer covariates, or larger groups."
        )

    def _between(self, time: int, base: int, treated: int, other: int) -> tuple[float, Array]:
        raise NotImplementedError


class _Followed(_Compared):
    """Changes of units seen in both periods."""

    def __init__(self, design: Design, groups: _Groups, method: str) -> None:
        super().__init__(design, groups, method)
        self.tables = Tables(design)
        self.scores: dict[tuple[int, int, int, bytes], dr.Propensity] = {}

    def means(self, time: int, base: int) -> kernel.Means:
        """Return the mean changes of all groups."""
        dy, earlier = self.tables.change(time, base)
        w = None if self.tables.w is None else self.tables.w[earlier]
        return kernel.mean_changes(dy, w, self.groups.code, len(self.groups.units))

    def _between(self, time: int, base: int, treated: int, other: int) -> tuple[float, Array]:
        change, earlier = self.tables.change(time, base)
        code = self.groups.code
        rows = np.flatnonzero(((code == treated) | (code == other)) & ~np.isnan(change))
        D, dy = (code[rows] == treated).astype(float), change[rows]
        w, X = self.tables.weights(earlier, rows), self.tables.covariates(earlier, rows)
        key = (treated, other, 0 if self.tables.fixed else earlier, b"" if self.design.balanced else rows.tobytes())
        if self.method != "reg" and key not in self.scores:
            self.scores[key] = dr.propensity(D, X, w)
        theta, psi = adjusted(self.method, dy, D, X, w, self.scores.get(key))
        contribution = np.zeros(len(change))
        contribution[rows] = psi / len(rows)
        return theta, contribution


class _Repeated(_Compared):
    """Rows of two periods as if households were different; a unit's influence is summed."""

    def __init__(self, design: Design, groups: _Groups, method: str) -> None:
        super().__init__(design, groups, method)
        self.when = design.periods[design.period_index]

    def means(self, time: int, base: int) -> kernel.Means:
        """Return the mean changes of all groups."""
        rows = np.flatnonzero(np.isin(self.when, (time, base)))
        design, groups = self.design, self.groups
        w = None if design.w is None else design.w[rows]
        return kernel.mean_changes_cross_section(
            design.y[rows], self.when[rows] == time, w, design.unit_index[rows], groups.code, len(groups.units)
        )

    def _between(self, time: int, base: int, treated: int, other: int) -> tuple[float, Array]:
        design, code = self.design, self.groups.code[self.design.unit_index]
        rows = np.flatnonzero(np.isin(self.when, (time, base)) & ((code == treated) | (code == other)))
        D, post, y = (code[rows] == treated).astype(float), (self.when[rows] == time).astype(float), design.y[rows]
        w = np.ones(len(rows)) if design.w is None else design.w[rows]
        X = np.column_stack([np.ones(len(rows)), design.x[rows]])
        theta, psi = adjusted_cross_section(self.method, y, post, D, X, w)
        return theta, np.bincount(design.unit_index[rows], psi / len(rows), len(design.units))
