"""Imputation of untreated outcomes (Borusyak, Jaravel & Spiess 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import imputation as kernel
from evalkit.kernels.two_way import Collinear
from evalkit.notices import Notice
from evalkit.shares import SHARES

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Imputation:
    """Effects of every cohort in every period: outcomes minus what unit and period effects, fitted on untreated rows, say they would have been.

    Parameters
    ----------
    leave_out : bool
        Leave a unit's own effect out of the average that its effect is compared with in the variance: wider intervals where
        cohorts are small.
    treated_weight : str, optional
        Column of weights, zero or more, of treated rows in all averages of effects, such as 1 for poor villages and 0 for
        others. It multiplies the panel's weight and leaves the fit alone.
    pretrend_periods : int
        How many clean event times before treatment, the last ones that the data have, get a coefficient in a regression on
        untreated rows, to judge parallel trends.
    shares : "sample" or "population"
        Whether averages over cells are those over the treated of this sample (the authors' convention), or carry the noise of who
        is treated when.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` (cohort, period, event_time), ``cell_share`` with which :func:`evalkit.aggregate` weights them, and
        with ``pretrend_periods`` cells of kind ``event_time`` with negative event times.

    Raises
    ------
    DesignError
        When nothing can be imputed, covariates cannot be told apart in untreated rows, a column of weights is negative or missing, pre-trends
        are asked for event times that are not there, and for ``comparison="never_treated"`` and ``base="varying"``.

    Notes
    -----
    Borusyak, Jaravel & Spiess (2024, Review of Economic Studies 91), with the conventions of R's didimputation 0.5. Untreated rows are those
    before the first period in which a unit may react, of whatever cohort; there is no base period. The variance is the paper's conservative one (theorem 3,
    equations 7 and 8): effects vary around the average of their cohort and period, weighted by v squared. Rows whose unit or period is never seen
    untreated have no counterfactual: they are left out and counted. Covariates are read in every period. Averages of cells by
    :func:`evalkit.aggregate` are the estimator's own, with its own influence, because the weights within a cell are the same in all of them.

    Coefficients before treatment come from another regression than effects, and are measured from the clean periods before them. One path
    with the covariance of both is ``cells.select(kind="event_time").join(evalkit.aggregate(cells, by="event_time"))``.
    didimputation shows them with fixest's small-sample factor, here all have the same correction.

    On a repeated cross-section cohort effects stand in for unit effects; a panel declared ``unbalanced="repeated_cross_section"`` keeps its
    unit effects. "pairwise" keeps every row.

    Examples
    --------
    >>> import evalkit as ek
    >>> cells = ek.Imputation(pretrend_periods=2)(ek.example_design())
    >>> path = cells.select(kind="event_time").join(ek.aggregate(cells, by="event_time"))
    >>> [int(e) for e in path.cells["event_time"].dropna()][:4]
    [-2, -1, 0, 1]
    """

    leave_out: bool = False
    treated_weight: str | None = None
    pretrend_periods: int = 0
    shares: str = "sample"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "universal_base", "not_yet_treated")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.shares not in SHARES:
            raise DesignError(unknown("choice of shares", self.shares, SHARES))
        counted = isinstance(self.pretrend_periods, Integral) and not isinstance(self.pretrend_periods, bool)
        if not counted or self.pretrend_periods < 0:
            raise DesignError(f"pretrend_periods counts periods before treatment: 0, 1, 2, ..., not {self.pretrend_periods!r}.")

    def __call__(self, design: Design) -> Estimate:
        """Return the effects of a design."""
        refuse_unmet(design, self)
        fit, notices = counterfactual(design, self)
        weight, more = self._weight(design, fit)
        cells = Cells.of(design, fit, weight, leads=False)
        centre = kernel.conservative(fit, cells.of_row, len(cells.frame), weight, self.leave_out)
        effects = cells.estimate(design, fit, weight, centre, self.shares, (*notices, *more))
        return effects.join(self._leads(design, fit, effects)) if self.pretrend_periods else effects

    def _weight(self, design: Design, fit: kernel.Counterfactual) -> tuple[Array, tuple[Notice, ...]]:
        """Return (n,) weights of rows in averages, and how many treated rows have none."""
        w = row_weights(design)
        if self.treated_weight is None:
            return w, ()
        chosen = design.values(self.treated_weight)
        treated = reacting(design) & fit.effects.known
        if (bad := treated & ~(chosen >= 0)).any():
            where = first_five(places(design, bad))
            raise DesignError(
                f"treated_weight {self.treated_weight!r} is missing or negative in {bad.sum():,} treated rows: {where}. "
                "A weight of treated rows is zero or more."
            )
        none = treated & (chosen == 0)
        facts = {"column": self.treated_weight, "rows": int(none.sum()), "treated_rows": int(treated.sum())}
        notices = (Notice("TREATED_ROWS_WITHOUT_WEIGHT", facts),) if none.any() else ()
        return w * chosen, notices

    def _leads(self, design: Design, fit: kernel.Counterfactual, beside: Estimate) -> Estimate:
        """Return the coefficients of clean event times, from a regression on untreated rows."""
        event = event_time(design)
        seen = np.unique(event[~reacting(design) & np.isfinite(event)]).astype(int)
        if len(seen) < self.pretrend_periods:
            raise DesignError(
                f"pretrend_periods={self.pretrend_periods} asks for more than there is: treated units are seen at {len(seen)} clean event "
                f"times before treatment ({first_five(seen[::-1])}). Choose pretrend_periods up to {len(seen)}."
            )
        times = seen[len(seen) - self.pretrend_periods :]
        D = (times[:, None] == event).astype(float).T
        by_row = by_observation(design)
        try:
            found = kernel.leads(design.y, D, fit.X, fit.effects, by_row)
        except Collinear as problem:
            alike = first_five(int(times[c]) for c in problem.columns if c < len(times))
            raise DesignError(
                f"Pre-trends at event times {alike} cannot be told from unit and period effects: too few untreated rows are left to "
                "measure them from. Choose a smaller pretrend_periods."
            ) from None
        cells = cell_frame("event_time", len(times), event_time=times, units=D.sum(axis=0))
        psi = influence(design, found.contributions, by_row)
        return Estimate(found.theta, psi, cells, design.row_keys, beside.facts)


def counterfactual(design: Design, estimator: object) -> tuple[kernel.Counterfactual, tuple[Notice, ...]]:
    """Return the fit of untreated outcomes, and what had to be left out of it or of the averages."""
    clean, w = ~reacting(design), row_weights(design)
    unit, units = _effect_of_unit(design)
    effects = kernel.Effects.of(unit, design.period_index, w, clean, units, len(design.periods))
    left = ~clean & ~effects.known
    if left.sum() == (~clean).sum():
        raise DesignError(
            "No treated row has a counterfactual: no unit treated is seen untreated before, in a panel in which others are still "
            "untreated after it started. Add earlier periods or units treated later or never."
        )
    beyond = np.column_stack([effects.beyond(x) for x in design.x.T]) if design.covariates else design.x
    gone = kernel.absorbed(design.x, beyond, effects)
    kept = np.flatnonzero(~gone)
    try:
        fit = kernel.counterfactual(design.y, beyond[:, kept], effects)
    except Collinear as problem:
        names = first_five(f"{str(design.covariates[int(kept[c])])!r}" for c in problem.columns)
        raise DesignError(
            f"Covariates {names} do not vary in untreated rows beyond unit and period effects (or not apart from each other), so what they "
            "do cannot be learned there and carried over to treated rows. Leave one out."
        ) from None
    notices = design.notices + _left_out(design, left, clean)
    if gone.any():
        notices += (
            Notice(
                "ABSORBED_COVARIATES",
                {"columns": [name for name, absorbed in zip(design.covariates, gone, strict=True) if absorbed]},
            ),
        )
    return fit, notices


def _left_out(design: Design, left: Array, clean: Array) -> tuple[Notice, ...]:
    """Return notices of treated rows without a counterfactual, by the reason."""
    if not left.any():
        return ()
    unit, units = _effect_of_unit(design)
    ever = (np.bincount(unit, clean, units) > 0)[unit]
    someone = (np.bincount(design.period_index, clean, len(design.periods)) > 0)[design.period_index]
    reasons = {
        "NEVER_SEEN_UNTREATED": left & ~ever,
        "NOBODY_UNTREATED": left & ever & ~someone,
        "NOT_LINKED": left & ever & someone,
    }
    notices = []
    for code, rows in reasons.items():
        if rows.any():
            cohorts = [int(g) for g in np.unique(design.cohort[design.unit_index[rows]])]
            periods = [int(p) for p in design.periods[np.unique(design.period_index[rows])]]
            facts = {"rows": int(rows.sum()), "treated_rows": int((~clean).sum()), "cohorts": cohorts, "periods": periods}
            notices.append(Notice(code, facts | {"units": len(np.unique(design.unit_index[rows]))}))
    return tuple(notices)


def _effect_of_unit(design: Design) -> tuple[Array, int]:
    """Return (n,) codes of unit effects, of cohort effects where units are seen once, and how many there are."""
    if design.panel.unit is not None:
        return design.unit_index, len(design.units)
    cohorts, codes = np.unique(design.cohort, return_inverse=True)
    return codes[design.unit_index], len(cohorts)


def event_time(design: Design) -> Array:
    """Return (n,) periods since treatment, minus infinity for units never treated."""
    return np.asarray(design.periods[design.period_index] - design.cohort[design.unit_index])


def reacting(design: Design) -> Array:
    """Return (n,) whether a row's unit is treated or may already anticipate it."""
    return event_time(design) >= -design.anticipation


def row_weights(design: Design) -> Array:
    """Return (n,) weights of rows, ones without weights."""
    return np.ones(len(design.y)) if design.w is None else design.w


def places(design: Design, rows: Array) -> list[str]:
    """Return 'unit (period)' of the rows marked, for messages."""
    marked = np.flatnonzero(rows)[:1000]
    labels, when = design.units[design.unit_index[marked]], design.periods[design.period_index[marked]]
    return [f"{label} ({period})" for label, period in zip(labels, when, strict=True)]


def by_observation(design: Design) -> bool:
    """Return whether influence is made row by row: asked for, or every row is another household."""
    return design.rows == "observation" or design.panel.unit is None


def influence(design: Design, contributions: Array, by_row: bool) -> Array:
    """Return psi from contributions of rows or of units."""
    return (design.psi_from_observations if by_row else design.psi_from_units)(contributions)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cohorts in periods, and which rows are in them.

    Attributes
    ----------
    of_row : (n,) position of each row's cell, -1 for rows in none
    frame : what each cell is
    """

    of_row: Array
    frame: pd.DataFrame

    @classmethod
    def of(cls, design: Design, fit: kernel.Counterfactual, weight: Array, leads: bool) -> Cells:
        """Return the cells of rows with weight whose counterfactual is known, with ``leads`` the clean ones of treated units too."""
        cohorts, code = np.unique(design.cohort, return_inverse=True)
        treated = np.isfinite(design.cohort)[design.unit_index]
        inside = np.flatnonzero(fit.effects.known & (weight > 0) & (treated if leads else reacting(design)))
        if not len(inside):
            raise DesignError(
                "No treated row has a weight, so there is no effect to average. Look at the column of treated_weight."
            )
        both = code[design.unit_index[inside]] * np.int64(len(design.periods)) + design.period_index[inside]
        rows_of = np.bincount(both)
        keys = np.flatnonzero(rows_of)
        position, size = np.cumsum(rows_of > 0) - 1, rows_of[keys]
        of_row = np.full(len(design.y), -1)
        of_row[inside] = position[both]
        start, period = cohorts[keys // len(design.periods)], design.periods[keys % len(design.periods)]
        frame = cell_frame(
            "group_time", len(keys), cohort=start, period=period, event_time=period - start,
            units=size, noisy_units=np.where(size > 1, size, 0),
        )  # fmt: skip
        return cls(of_row, frame)

    def estimate(
        self,
        design: Design,
        fit: kernel.Counterfactual,
        weight: Array,
        centre: tuple[Array, Array],
        shares: str,
        notices: tuple[Notice, ...],
    ) -> Estimate:
        """Return the averages of cells with their shares."""
        by_row, k = by_observation(design), len(self.frame)
        means = kernel.average(fit, self.of_row, k, weight, centre, by_row)
        psi = influence(design, means.contributions, by_row)
        effects = np.where(means.zero, 0.0, means.theta)
        psi[:, means.zero] = 0.0
        inside = self.of_row >= 0
        total = row_weights(design).sum()
        theta = np.bincount(self.of_row[inside], weight[inside], k) / total
        psi_shares = np.zeros_like(psi)
        if shares == "population":
            psi_shares = influence(design, self._share_contributions(design, weight, theta, total, by_row), by_row)
        known = {} if shares == "population" else {"noisy_units": 0.0}
        frame = pd.concat(
            [self.frame.assign(reference=means.zero), self.frame.assign(kind="cell_share", **known)], ignore_index=True
        )
        facts = Facts(observations=design.observations, first_period=int(design.periods[0]), treated=design.treated_rows)
        return Estimate(np.r_[effects, theta], np.hstack([psi, psi_shares]), frame, design.row_keys, facts, notices)

    def _share_contributions(self, design: Design, weight: Array, theta: Array, total: float, by_row: bool) -> Array:
        rows, k = np.flatnonzero(self.of_row >= 0), len(theta)
        w = row_weights(design)
        if by_row:
            out = -np.outer(w, theta)
            out[rows, self.of_row[rows]] += weight[rows]
            return out / total
        N = len(design.units)
        into = design.unit_index[rows] * np.int64(k) + self.of_row[rows]
        out = np.bincount(into, weight[rows] / total, N * k).reshape(N, k)
        out -= np.outer(np.bincount(design.unit_index, w, N) / total, theta)
        return out
