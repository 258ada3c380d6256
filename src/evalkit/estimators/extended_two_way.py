"""The extended two-way regression of Wooldridge (2021, 2023): every treated cohort and period has a coefficient of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts
from evalkit.estimators.interaction_weighted import SaturatedCells, named
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.two_way import absorbed_effects, dense_on, explicit, on_all_rows, patterns_of, weights_by_unit
from evalkit.kernels import saturated as kernel
from evalkit.kernels import two_way
from evalkit.least_squares import Columns, LeastSquares, Regression
from evalkit.shares import SHARES

Array = np.ndarray[Any, Any]

FAMILIES = ("linear", "poisson")
MEASURES = ("difference", "ratio")
EFFECTS = ("unit", "cohort")


@dataclass(frozen=True)
class ExtendedTwoWay:
    """Effects of every cohort in every period from one regression in which untreated rows tell what would have been.

    Parameters
    ----------
    family : "linear" or "poisson"
        Least squares, or Poisson quasi-likelihood for outcomes that are never negative, such as counts or income in yuan: changes
        are then parallel in per cent, and effects are told in the outcome's unit.
    shares : "sample" or "population"
        Whether averages are over the treated of this very sample, their number and covariates known (the convention of R's etwfe), or
        over those of the population behind it.
    effects : None, "unit" or "cohort"
        Levels that the regression takes out. Without it those of units, where units are followed and the family is linear, else
        those of cohorts (etwfe's default). On balanced data with weights and covariates that never change within a unit both
        give the same effects; on unbalanced data cohort effects take units that come and go for others of the cohort.
    measure : "difference" or "ratio"
        Effects in the outcome's unit, or (Poisson only) as shares of what would have been: exp(b) - 1 without covariates.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` from treatment (and anticipation) on with ``comparison="not_yet_treated"``, in all periods with
        ``comparison="never_treated"``, the reference among them; ``cell_share``, with which :func:`evalkit.aggregate` weights them.

    Raises
    ------
    DesignError
        When untreated rows do not tell what a cell would have been without treatment, and for outcomes that Poisson cannot fit.

    Notes
    -----
    Wooldridge (2021, Two-way fixed effects, the two-way Mundlak regression, and difference-in-differences estimators), section 6, and
    Wooldridge (2023, Econometrics Journal 26), section 3; the conventions of R's etwfe 0.6. Covariates enter with levels by cohort and by period and
    with slopes by treated cell; effects are averaged over a cell's treated rows. Covariates should be measured before treatment: where
    they change over time their values of the period are used. Standard errors are clustered with fixest's default correction, t for
    least squares and normal quantiles for Poisson. Without never-treated units the last cohort is the comparison and its later periods
    leave, as do units treated from the start. Aggregates of ratios are means of ratios. Without leads there is nothing that
    ``base="varying"`` could change.

    Examples
    --------
    >>> import evalkit as ek
    >>> cells = ek.ExtendedTwoWay()(ek.example_design())
    >>> bool((cells.select(kind="group_time").cells["event_time"] >= 0).all())
    True
    """

    family: str = "linear"
    shares: str = "sample"
    effects: str | None = None
    measure: str = "difference"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("family", self.family, FAMILIES),
            ("choice of shares", self.shares, SHARES),
            ("choice of effects", self.effects, (None, *EFFECTS)),
            ("measure", self.measure, MEASURES),
        ):
            if value not in allowed:
                raise DesignError(unknown(what, str(value), [str(a) for a in allowed]))
        if self.measure == "ratio" and self.family != "poisson":
            raise DesignError(
                "Ratios to what would have been need family='poisson'; for a linear family take the outcome in logarithms."
            )
        if self.effects == "unit" and self.family == "poisson":
            raise DesignError(
                "The Poisson regression takes out effects of cohorts: effects in the outcome's unit depend on levels, which unit effects "
                "of short panels do not tell. Use effects='cohort' (the default of this family)."
            )

    def __call__(self, design: Design) -> Estimate:
        """Return the effects of a design."""
        refuse_unmet(design, self)
        cells = SaturatedCells.of(design, leads=design.comparison == "never_treated")
        try:
            estimate = self._by_unit(design, cells) if self._unit_effects(design) else self._by_cohort(design, cells)
        except two_way.Collinear as problem:
            raise DesignError(
                f"Untreated rows do not tell what these cohorts would have been without treatment: {named(cells.frame, problem.columns)}. "
                "Each needs untreated rows of its cohort and of its period that link them, with covariates within their range: leave out "
                "covariates or join small cohorts."
            ) from None
        return cells.finished(estimate, self.shares)

    def _unit_effects(self, design: Design) -> bool:
        if self.effects == "unit" and design.panel.unit is None:
            raise DesignError("Households seen once have no level of their own that could be taken out. Use effects='cohort'.")
        followed = design.panel.unit is not None and design.unbalanced != "repeated_cross_section"
        return self.effects == "unit" or (self.effects is None and followed and self.family == "linear")

    def _by_unit(self, design: Design, cells: SaturatedCells) -> Estimate:
        z, code = _with_ones(design, cells), cells.code
        w = np.ones(len(code)) if design.w is None else design.w
        shown, share = _mean_of_cells(z, w, code, len(cells.frame))
        first = design.first_rows
        constant = np.array_equal(z, z[first][design.unit_index])
        patterns = patterns_of(design, cells.kept) if constant and weights_by_unit(design) else None
        by_row = patterns is None or design.rows == "observation"
        if patterns is not None:
            columns = cells.columns(design.cohort[patterns.first][:, None], design.periods[patterns.periods][None, :])
            fit = two_way.by_pattern(
                patterns.Y, design.unit_weight, columns, patterns.masks, patterns.pattern, by_row, Z=z[first], shown=shown
            )
            contributions = on_all_rows(fit.contributions, cells.kept) if by_row else fit.contributions
        else:
            fit = _dense(design, cells, z, code, shown, constant)
            contributions = fit.contributions
        if self.shares == "population" and z.shape[1] > 1:
            slopes = fit.coefficients[: shown.shape[1]].reshape(len(cells.frame), -1)
            treated = np.flatnonzero(code >= 0)
            own = np.einsum("iq,iq->i", z[treated], slopes[code[treated]]) - fit.beta[code[treated]]
            contributions = contributions.copy()
            contributions[treated if by_row else design.unit_index[treated], code[treated]] += share[treated] * own
            regression = None  # part of the influence is that of the covariates' means, which no regression estimates
        else:
            regression = Regression(LeastSquares(partial(_columns, design, cells, z, code, constant)), shown)
        psi = (design.psi_from_observations if by_row else design.psi_from_units)(contributions)
        return _estimate(design, cells, fit.beta, psi, (fit.slopes, fit.bread, fit.residual_sum), None, "t", regression)

    def _by_cohort(self, design: Design, cells: SaturatedCells) -> Estimate:
        poisson = self.family == "poisson"
        z, kept = _with_ones(design, cells), slice(None) if cells.kept is None else cells.kept
        cohorts, position = np.unique(design.cohort, return_inverse=True)
        codes = position[design.unit_index]
        cohort, present = pd.factorize(codes[kept], sort=True)
        period, when = pd.factorize(design.period_index[kept], sort=True)
        w = np.ones(len(design.y)) if design.w is None else design.w
        rows = kernel.Rows(
            design.y[kept], w[kept], z[kept], cohort, period, cells.code[kept], len(present), len(when), len(cells.frame)
        )
        if poisson:
            _refuse_for_poisson(design, cells, rows, cohorts[present], design.periods[when])
        try:
            fit = kernel.fit(rows, poisson, self.shares == "population", self.measure == "ratio")
        except kernel.Separation:
            raise DesignError(
                "The Poisson regression does not converge: covariates tell apart rows in which the outcome is zero. Leave out covariates, "
                "join small cohorts, or use family='linear'."
            ) from None
        by_row = design.rows == "observation"
        target, count = (np.arange(len(design.y)), len(design.y)) if by_row else (design.unit_index, len(design.units))
        contributions = fit.contributions(rows, target[kept], count)
        psi = (design.psi_from_observations if by_row else design.psi_from_units)(contributions)
        slopes = fit.parameters - (len(present) + len(when) - 1)
        counted = (slopes, None, None) if poisson else (slopes, fit.bread, fit.residual_sum)
        return _estimate(design, cells, fit.theta, psi, counted, ("cohort", codes), "z" if poisson else "t")


def _with_ones(design: Design, cells: SaturatedCells) -> Array:
    """Return (n, 1 + K) ones and covariates, scaled, which changes no effect and keeps matrices well conditioned."""
    x = design.x if cells.kept is None else design.x[cells.kept]
    spread = x.std(axis=0)
    scaled = (design.x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.column_stack([np.ones(len(scaled)), scaled])


def _mean_of_cells(z: Array, w: Array, code: Array, count: int) -> tuple[Array, Array]:
    """Return (C, C q) the weights of coefficients in each cell's mean effect, and (n,) each row's share of its cell."""
    treated = np.flatnonzero(code >= 0)
    share = np.zeros(len(code))
    share[treated] = w[treated] / np.bincount(code[treated], w[treated], count)[code[treated]]
    shown = np.zeros((count, count, z.shape[1]))
    for a in range(z.shape[1]):
        shown[np.arange(count), np.arange(count), a] = np.bincount(code[treated], share[treated] * z[treated, a], count)
    return shown.reshape(count, -1), share


def _by_row(design: Design, cells: SaturatedCells, z: Array, code: Array, constant: bool) -> Array:
    """Return (n, L) columns: cells times z, then periods times covariates, then cohorts times covariates that change."""
    count, n = len(cells.frame), len(code)
    by_cell = np.zeros((n, count, z.shape[1]))
    treated = np.flatnonzero(code >= 0)
    by_cell[treated, code[treated]] = z[treated]
    blocks = [by_cell.reshape(n, -1)]
    blocks += [x[:, None] * (design.period_index[:, None] == np.arange(1, len(design.periods))) for x in z.T[1:]]
    if not constant:
        own = design.cohort[design.unit_index][:, None] == np.unique(design.cohort)
        blocks += [x[:, None] * own for x in z.T[1:]]
    return np.hstack(blocks)


def _columns(design: Design, cells: SaturatedCells, z: Array, code: Array, constant: bool) -> Columns:
    """Return the columns of the regression, unit effects absorbed and period effects as dummies."""
    return explicit(design, _by_row(design, cells, z, code, constant), ([design.period_index], [None]), cells.kept)


def _dense(design: Design, cells: SaturatedCells, z: Array, code: Array, shown: Array, constant: bool) -> two_way.Fit:
    """Fit with columns by row."""
    X = _by_row(design, cells, z, code, constant)
    wide = np.hstack([shown, np.zeros((len(shown), X.shape[1] - shown.shape[1]))])
    return dense_on(design, X, [(design.period_index, None)], cells.kept, wide)


def _refuse_for_poisson(design: Design, cells: SaturatedCells, rows: kernel.Rows, cohorts: Array, periods: Array) -> None:
    if rows.y.min() < 0:
        raise DesignError(
            f"{design.outcome!r} is negative in {int((rows.y < 0).sum()):,} rows: a Poisson mean is never negative. Use family='linear'."
        )
    treated, total = rows.cell >= 0, rows.w * rows.y
    empty = np.flatnonzero(np.bincount(rows.cell[treated], total[treated], rows.cells) == 0)
    zero = [named(cells.frame, empty)] if len(empty) else []
    for what, code, labels in (("cohort", rows.cohort, cohorts), ("period", rows.period, periods)):
        sums = np.bincount(code[~treated], total[~treated], len(labels))
        there = np.bincount(code[~treated], minlength=len(labels)) > 0
        of = ["never treated" if np.isinf(label) else f"{label:.0f}" for label in labels[there & (sums == 0)]]
        zero += [f"{what} {first_five(of)} without treatment"] if of else []
    if zero:
        raise DesignError(
            f"{design.outcome!r} is zero in every row of: {'; '.join(zero)}. A Poisson coefficient would be minus infinity. Join cohorts or "
            "periods, or use family='linear'."
        )


def _estimate(
    design: Design,
    cells: SaturatedCells,
    theta: Array,
    psi: Array,
    counted: tuple[int, Array | None, float | None],
    unit_effects: tuple[str, Array] | None,
    reference: str,
    regression: Regression | None = None,
) -> Estimate:
    slopes, bread, residual_sum = counted
    used = design.observations if cells.kept is None else int(cells.kept.sum())
    absorbed = absorbed_effects(design, kept=cells.kept, unit_effects=unit_effects)
    facts = Facts(used, slopes, absorbed, "nested", reference, bread, residual_sum, regression, treated=design.treated_rows)
    return Estimate(theta, psi, cells.frame, design.row_keys, facts, design.notices + cells.notices)
