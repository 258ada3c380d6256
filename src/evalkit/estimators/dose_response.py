"""Effects of a continuous dose, by Callaway, Goodman-Bacon & Sant'Anna (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import dose as kernel
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

BY = ("cohort", "overall")
DECILES = np.linspace(0.1, 0.9, 9)


@dataclass(frozen=True)
class DoseResponse:
    """The effect of a dose on those who got that dose, ATT(d|d), as a curve over doses; its slope, and averages of both.

    Parameters
    ----------
    degree, knots : int
        Of the B-spline of the change on the dose among the treated: its degree, and how many inner knots lie at
        equally spaced quantiles of the doses. 3 and 0 are a cubic.
    doses : sequence of float, optional
        Where the curve is read; the deciles of the doses without it.
    by : "cohort" or "overall"
        How cohorts and periods are averaged: every cohort's mean over its treated periods, weighted by cohort size (what
        R's contdid does), or every treated unit and period alike.

    Returns
    -------
    Estimate
        Cells of kind ``dose`` (at the dose; name ``effect``, ATT(d|d), or ``slope``), ``overall`` (name ``effect``, the mean effect
        at the doses received, or ``slope``, the mean slope at them) and, with several periods, ``event_time`` (the same two names).

    Raises
    ------
    DesignError
        When a unit's dose changes after its start or is negative, when a cohort has too few different doses for the spline or so many
        are the same that knots coincide, and when a dose is asked for that nobody got.

    Notes
    -----
    Callaway, Goodman-Bacon & Sant'Anna (2024, "Difference-in-differences with a continuous treatment"). Parallel trends without
    treatment identify ``effect``: what the units with dose d gained by it. They do NOT say what other units would have gained by d,
    so neither the slope nor the difference of effects at two doses is caused by the dose: units that chose high doses may gain more
    from any dose. Under STRONG parallel trends (units of all doses would have responded alike to every dose) ``slope`` is the
    average causal response ACRT(d); a notice says so. Roll-outs come from :meth:`evalkit.Rollout.from_dose`.

    Each cohort and period is a comparison as in :class:`evalkit.GroupTime`. Shares of cohorts are estimated. R's contdid 0.1
    takes the influence of the mean slope without the factor (units in the comparison) / (treated units), so that its standard error
    of the overall slope is too small (halved where half are treated), and puts the dose where a dummy belongs in its event study of
    effects, which is then a mean weighted by dose; neither is done here.

    Examples
    --------
    >>> import evalkit as ek
    >>> frame = ek.example_frame()
    >>> spread = frame["village_id"].rank(method="dense") % 17 + 1
    >>> frame["hectares"] = spread * ((frame["first_treated"] > 0) & (frame["year"] >= frame["first_treated"]))
    >>> panel = ek.Panel(frame, unit="village_id", period="year")
    >>> design = ek.Design(panel, ek.Rollout.from_dose(panel, "hectares"), outcome="log_income")
    >>> curve = ek.DoseResponse(degree=2, doses=[3, 9, 15])(design)
    >>> [float(dose) for dose in curve.select(kind="dose", name="effect").cells["at"]]
    [3.0, 9.0, 15.0]
    """

    degree: int = 3
    knots: int = 0
    doses: Sequence[float] | None = None
    by: str = "cohort"
    needs: ClassVar[tuple[str, ...]] = ("units_followed", "no_covariates", "intensity", "lasting", "clean_period")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        for name, value, least in (("degree", self.degree, 1), ("knots", self.knots, 0)):
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise DesignError(f"{name} is a whole number of at least {least}, not {value!r}.")
        if self.by not in BY:
            raise DesignError(unknown("way of averaging", self.by, BY))

    def __call__(self, design: Design) -> Estimate:
        """Return the curve and its averages."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        doses = _doses_of_units(design)
        given = doses[np.isin(comparison.cohort, comparison.cohorts) & ~np.isnan(doses)]
        spline = self._spline(given)
        self._refuse_few(comparison, doses, spline)
        at = self._asked(given)
        cells, skipped = _cells(design, comparison, doses, spline)
        after = [i for i, cell in enumerate(cells) if cell.event >= 0]
        if not after:
            raise DesignError(
                "No effect of a dose can be estimated: no cohort has both a clean base period and a comparison after it."
            )
        averages = _Averages(design, comparison, cells)
        if self.by == "cohort":
            lengths = {g: sum(cells[i].cohort == g for i in after) for g in comparison.cohorts}
            factors = np.array([1 / lengths[cells[i].cohort] for i in after])
        else:
            factors = np.ones(len(after))
        averages.add_curve(after, factors, at, spline)
        averages.add(after, factors, "overall")
        events = sorted({cell.event for cell in cells})
        if len(events) > 1:
            for event in events:
                chosen = [i for i, cell in enumerate(cells) if cell.event == event]
                averages.add(chosen, np.ones(len(chosen)), "event_time", event_time=event)
        notices = (*design.notices, Notice("SLOPE_IS_NO_RESPONSE", {}), *_unknown_doses(doses, comparison))
        notices += _beyond(comparison, doses, at)
        if skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}),)
        return averages.estimate(comparison.periods[0], notices)

    def _spline(self, given: Array) -> kernel.Spline:
        try:
            return kernel.Spline.over(given, self.degree, self.knots)
        except kernel.HeapedDoses:
            values, counts = np.unique(given, return_counts=True)
            raise DesignError(
                f"{counts.max():,} of {len(given):,} doses are {values[counts.argmax()]:g}, so that {self.knots} inner knots at quantiles of the "
                "doses coincide. Use fewer knots, or GroupTime for treated against not."
            ) from None

    def _refuse_few(self, comparison: Comparison, doses: Array, spline: kernel.Spline) -> None:
        different = {g: len(np.unique(doses[(comparison.cohort == g) & ~np.isnan(doses)])) for g in comparison.cohorts}
        if few := [f"cohort {g} ({count})" for g, count in different.items() if count < spline.size]:
            raise DesignError(
                f"A spline of degree {self.degree} with {self.knots} inner knots has {spline.size} coefficients, and fewer different doses "
                f"are found in {first_five(few)}. Use a smaller degree, fewer knots, or GroupTime for treated against not."
            )

    def _asked(self, given: Array) -> Array:
        if self.doses is None:
            return np.asarray(np.quantile(given, DECILES))
        try:
            at = np.asarray(self.doses, float).ravel()
        except (TypeError, ValueError):
            at = np.zeros(0)
        if not len(at):
            raise DesignError(f"doses are numbers at which the curve is read, one at least, not {self.doses!r}.")
        if (outside := ~((at >= given.min()) & (at <= given.max()))).any():
            raise DesignError(
                f"Doses {first_five(f'{d:g}' for d in at[outside])} lie outside those received, {given.min():g} to {given.max():g}: "
                "nothing is known there. Ask for doses within."
            )
        return at


def _doses_of_units(design: Design) -> Array:
    """Return (N,) the dose of each unit once treated, 0 for never, not a number where it is not seen after its start."""
    after = design.treated
    doses = np.where(np.isinf(design.cohort), 0.0, np.nan)
    doses[design.unit_index[after]] = design.intensity[after]
    if (varies := after & (design.intensity != doses[design.unit_index])).any():
        units = np.unique(design.unit_index[varies])
        raise DesignError(
            f"The dose changes after the start in {len(units):,} units: {first_five(design.units[units])}. A dose response compares units by one "
            "dose each: use the first, the final or the mean dose, and say which."
        )
    if (negative := doses < 0).any():
        raise DesignError(
            f"Doses are negative in {negative.sum():,} units: {first_five(design.units[negative])}. A dose says how much, from 0 on."
        )
    return doses


def _unknown_doses(doses: Array, comparison: Comparison) -> tuple[Notice, ...]:
    missing = int((np.isnan(doses) & np.isin(comparison.cohort, comparison.cohorts)).sum())
    return (Notice("DOSE_UNKNOWN", {"units": missing}),) if missing else ()


def _beyond(comparison: Comparison, doses: Array, at: Array) -> tuple[Notice, ...]:
    """Say which cohorts' curves are continued beyond their own doses."""
    cohorts = []
    for g in comparison.cohorts:
        own = doses[(comparison.cohort == g) & ~np.isnan(doses)]
        if at.min() < own.min() or at.max() > own.max():
            cohorts.append(str(g))
    return (Notice("DOSES_BEYOND_COHORT", {"cohorts": ", ".join(cohorts)}),) if cohorts else ()


@dataclass(frozen=True, eq=False)
class _Cell:
    """One cohort in one period: the response of its ``rows``, and the ``mean`` change of the ``others``, both positions of units.

    ``of_others`` are contributions to ``mean``; a ``reference`` is zero by construction and has neither rows nor others.
    """

    cohort: int
    event: int
    units: int
    rows: Array
    response: kernel.Response
    others: Array
    mean: float
    of_others: Array
    reference: bool = False

    @classmethod
    def zero(cls, cohort: int, event: int, units: int, spline: kernel.Spline) -> _Cell:
        none, nobody = np.zeros(0), np.zeros(0, dtype=int)
        response = kernel.Response(np.zeros(spline.size), np.zeros((0, spline.size)), 0.0, none, 0.0, none)
        return cls(cohort, event, units, nobody, response, nobody, 0.0, none, reference=True)


def _cells(design: Design, comparison: Comparison, doses: Array, spline: kernel.Spline) -> tuple[list[_Cell], list[str]]:
    """Return every cohort and period that can be compared, and the names of those that cannot."""
    position = {int(p): i for i, p in enumerate(design.periods)}
    Y = np.ascontiguousarray(design.wide(design.y).T)
    W = None if design.w is None else np.ascontiguousarray(design.wide(design.w).T)
    cells, skipped = [], []
    for cohort in comparison.cohorts:
        members = np.flatnonzero((comparison.cohort == cohort) & ~np.isnan(doses))
        B, slopes = spline.basis(doses[members]), spline.slopes(doses[members])
        for time, base in comparison.pairs(cohort):
            if time == base:
                cells.append(_Cell.zero(cohort, time - cohort, len(members), spline))
                continue
            change, w = Y[position[time]] - Y[position[base]], None if W is None else W[min(position[time], position[base])]
            inside = ~np.isnan(change[members])
            others = np.flatnonzero(comparison.of_cell(cohort, time, base) & ~np.isnan(change))
            if not len(others) or not inside.any():
                skipped.append(f"{cohort} in {time}")
                continue
            rows = members[inside]
            weight = np.ones(len(change)) if w is None else w
            try:
                found = kernel.response(change[rows], B[inside], slopes[inside], weight[rows])
            except kernel.TooFewDoses:
                raise DesignError(
                    f"The doses of cohort {cohort} are too few or too close together for the spline in {time}. Use a smaller degree or fewer knots."
                ) from None
            total = weight[others].sum()
            mean = float(weight[others] @ change[others] / total)
            of_others = weight[others] * (change[others] - mean) / total
            cells.append(_Cell(cohort, time - cohort, len(rows), rows, found, others, mean, of_others))
    return cells, skipped


class _Averages:
    """Averages of cells, weighted by cohort shares times factors, with the contributions of units, a parameter a row."""

    def __init__(self, design: Design, comparison: Comparison, cells: list[_Cell]) -> None:
        self.design, self.cells = design, cells
        self.cohorts = comparison.cohorts
        weight = design.unit_weight / design.unit_weight.mean()
        members = [comparison.cohort == g for g in self.cohorts]
        self.share = np.array([weight[mask].sum() / len(weight) for mask in members])
        # Units of no cohort are in the last, whose share does not matter.
        self.code = np.select(members, list(range(len(members))), len(members))
        self.weight = weight / len(weight)
        self.theta: list[Array] = []
        self.contributions: list[Array] = []
        self.labels: list[dict[str, Any]] = []

    def _cohort_of(self, chosen: list[int]) -> Array:
        return np.array([self.cohorts.index(self.cells[i].cohort) for i in chosen])

    def _weights(self, chosen: list[int], factors: Array) -> Array:
        raw = factors * self.share[self._cohort_of(chosen)]
        return np.asarray(raw / raw.sum())

    def _add(self, chosen: list[int], weights: Array, values: Array, out: Array) -> None:
        """Keep the means of values (cells, k), with contributions (k, N) to which the influence of estimated shares is added."""
        mean, cohort = weights @ values, self._cohort_of(chosen)
        derivative = np.zeros((len(self.cohorts) + 1, values.shape[1]))  # of the mean by the share of each cohort
        np.add.at(derivative, cohort, weights[:, None] * (values - mean) / self.share[cohort][:, None])
        if len(np.unique(cohort)) > 1:
            for row, by_cohort in zip(out, derivative.T, strict=True):
                row += self.weight * by_cohort[self.code]
        self.theta.append(mean)
        self.contributions += list(out)

    def add_curve(self, chosen: list[int], factors: Array, at: Array, spline: kernel.Spline) -> None:
        """Add the effect and the slope at each dose."""
        weights = self._weights(chosen, factors)
        forms = np.vstack([spline.basis(at), spline.slopes(at)])  # (2m, p)
        level = np.repeat([1.0, 0.0], len(at))  # the untreated's change is taken off effects, not off slopes
        of_beta, of_mean = np.zeros((len(self.weight), spline.size)), np.zeros(len(self.weight))
        for i, weight in zip(chosen, weights, strict=True):
            cell = self.cells[i]
            of_beta[cell.rows] += weight * cell.response.of_beta
            of_mean[cell.others] -= weight * cell.of_others
        out = forms @ of_beta.T
        out[: len(at)] += of_mean
        values = np.array([forms @ self.cells[i].response.beta - level * self.cells[i].mean for i in chosen])
        self._add(chosen, weights, values, out)
        units = self._units(chosen)
        self.labels += [
            {"kind": "dose", "name": name, "at": d, "reference": False, **units} for name in ("effect", "slope") for d in at
        ]

    def add(self, chosen: list[int], factors: Array, kind: str, event_time: float = np.nan) -> None:
        """Add the mean effect and the mean slope at the doses received."""
        weights = self._weights(chosen, factors)
        out = np.zeros((2, len(self.weight)))
        for i, weight in zip(chosen, weights, strict=True):
            cell = self.cells[i]
            out[0, cell.rows] += weight * cell.response.of_change
            out[0, cell.others] -= weight * cell.of_others
            out[1, cell.rows] += weight * cell.response.of_slope
        responses = [self.cells[i].response for i in chosen]
        values = np.array([(r.change - self.cells[i].mean, r.slope) for i, r in zip(chosen, responses, strict=True)])
        self._add(chosen, weights, values, out)
        reference = all(self.cells[i].reference for i in chosen)
        units = self._units(chosen)
        self.labels += [
            {"kind": kind, "name": name, "event_time": event_time, "reference": reference, **units} for name in ("effect", "slope")
        ]

    def _units(self, chosen: list[int]) -> dict[str, float]:
        most: dict[int, int] = {}
        for i in chosen:
            cell = self.cells[i]
            most[cell.cohort] = max(most.get(cell.cohort, 0), cell.units)
        return {"units": float(sum(most.values())), "noisy_units": float(sum(u for u in most.values() if u > 1))}

    def estimate(self, first_period: int, notices: tuple[Notice, ...]) -> Estimate:
        """Return all averages: effects before slopes, curves first, paths last."""
        kinds = ("dose", "overall", "event_time")
        ranks = [2 * kinds.index(label["kind"]) + (label["name"] == "slope") for label in self.labels]
        order = np.argsort(ranks, kind="stable")
        labels = pd.DataFrame([self.labels[i] for i in order])
        of_kind = [(kind, labels[labels["kind"] == kind].drop(columns="kind")) for kind in kinds]
        frames = [cell_frame(kind, len(chosen), **chosen) for kind, chosen in of_kind if len(chosen)]
        contributions = np.array([self.contributions[i] for i in order]).T
        return Estimate(
            np.concatenate(self.theta)[order],
            self.design.psi_from_units(contributions),
            pd.concat(frames, ignore_index=True),
            self.design.row_keys,
            Facts(observations=self.design.observations, first_period=first_period, treated=self.design.treated_rows),
            notices,
        )
