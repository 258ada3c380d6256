"""Two-way fixed effects: the static coefficient and the event study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.estimate import Absorbed, Estimate, Facts, cell_frame
from evalkit.kernels import two_way as kernel
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TwoWay:
    """One coefficient of being treated, with unit and period effects: y_it = a_i + l_t + b D_it + x_it'c + e_it.

    Parameters
    ----------
    by_period : sequence of str
        Columns whose values get their own period effects, for example ``["province"]`` for province x year.
    slopes : sequence of (group, variable)
        Columns for group-specific slopes, for example ``[("county_id", "year")]`` for county trends.

    Returns
    -------
    Estimate
        A cell of kind ``overall``, then one of kind ``covariate`` for each covariate that varies within units.

    Notes
    -----
    With staggered treatment and effects that grow, b is a weighted mean of effects in which some weights are
    negative (Goodman-Bacon 2021; de Chaisemartin & D'Haultfoeuille 2020): show it beside :class:`GroupTime`, not
    instead. Anticipation does not enter: years in which units may already react count as untreated here. The default correction is fixest's: (N-1)/(N-K) G/(G-1), effects nested in clusters not counted, t with
    G - 1 degrees of freedom. On a repeated cross-section cohort effects stand in for unit effects; a panel declared
    ``unbalanced="repeated_cross_section"`` keeps its unit effects.
    """

    by_period: Sequence[str] = field(default=())
    slopes: Sequence[tuple[str, str]] = field(default=())
    needs: ClassVar[tuple[str, ...]] = ()
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the coefficient of a design."""
        units = float(np.isfinite(design.cohort).sum())
        regressors = _Regressors(cell_frame("overall", 1, units=units), lambda event: (event >= 0)[..., None].astype(float), ())
        return _fit(design, regressors, self.by_period, self.slopes)


@dataclass(frozen=True)
class EventStudy:
    """Coefficients of event-time dummies with unit and period effects; the last clean period before treatment is zero.

    Parameters
    ----------
    by_period, slopes : see :class:`TwoWay`

    Returns
    -------
    Estimate
        Cells of kind ``event_time``, the reference among them, then ``covariate``.

    Notes
    -----
    Coefficients mix the effects of different event times when effects differ between cohorts (Sun & Abraham 2021).
    Without never-treated units one more event time is not identified: the earliest is set to zero and named.
    """

    by_period: Sequence[str] = field(default=())
    slopes: Sequence[tuple[str, str]] = field(default=())
    needs: ClassVar[tuple[str, ...]] = ()
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the path of a design."""
        event = design.periods[design.period_index] - design.cohort[design.unit_index]
        seen = np.isfinite(event)
        times = np.unique(event[seen].astype(int))
        clean = times[times < -design.anticipation]
        if not len(clean):
            raise DesignError("No treated unit is seen before treatment, so there is no reference period for a path.")
        references = [int(clean.max())]
        notices: tuple[Notice, ...] = ()
        if np.isfinite(design.cohort).all() and times.min() < references[0]:
            references.append(int(times.min()))
            notices = (Notice("SECOND_REFERENCE", {"event_time": int(times.min())}),)
        shown = np.array([t for t in times if t not in references])
        cells = cell_frame("event_time", len(shown), event_time=shown, units=_units_at(design, event, shown))
        regressors = _Regressors(cells, lambda e: (e[..., None] == shown).astype(float), notices)
        return _with_references(_fit(design, regressors, self.by_period, self.slopes), references)


def _units_at(design: Design, event: Array, times: Array) -> list[int]:
    return [len(np.unique(design.unit_index[event == time])) for time in times]


@dataclass(frozen=True)
class _Regressors:
    """What the coefficients of interest are, and their columns as a function of event time."""

    cells: pd.DataFrame
    of_event_time: Any  # (...,) event times, -inf for never treated, to (..., K) columns
    notices: tuple[Notice, ...]


def _fit(design: Design, regressors: _Regressors, by_period: Sequence[str], slopes: Sequence[tuple[str, str]]) -> Estimate:
    by_period = (by_period,) if isinstance(by_period, str) else tuple(by_period)
    cross_section = design.panel.unit is None
    varying, constant = _covariates(design, cross_section)
    patterns = None
    if not (varying or by_period or slopes or cross_section) and _weights_by_unit(design):
        patterns = _patterns(design)
    cells = regressors.cells
    names = [design.covariates[j] for j in varying]
    if names:
        cells = pd.concat([cells, cell_frame("covariate", len(names), name=names)], ignore_index=True)
    try:
        if patterns is not None:
            fit = _by_pattern(design, regressors, *patterns)
        else:
            fit = _dense(design, regressors, varying, by_period, slopes)
    except kernel.Collinear as problem:
        raise DesignError(_collinear(cells, problem.columns)) from None
    by_unit = patterns is not None and design.rows != "observation"
    psi = (design.psi_from_units if by_unit else design.psi_from_observations)(fit.contributions)
    facts = Facts(
        design.observations, len(fit.beta), _absorbed(design, by_period, slopes), "nested", "t", fit.bread, fit.residual_sum
    )
    notices = design.notices + regressors.notices
    if constant and not cross_section:
        notices += (Notice("ABSORBED_COVARIATES", {"columns": [design.covariates[j] for j in constant]}),)
    return Estimate(fit.beta, psi, cells, design.row_keys, facts, notices)


def _covariates(design: Design, cross_section: bool) -> tuple[list[int], list[int]]:
    """Return positions of covariates that vary within units, and of those that unit effects absorb."""
    varying = []
    for j in range(design.x.shape[1]):
        x = design.x[:, j]
        if cross_section or not np.array_equal(x, x[design.first_rows][design.unit_index]):
            varying.append(j)
    return varying, [j for j in range(design.x.shape[1]) if j not in varying]


def _weights_by_unit(design: Design) -> bool:
    return design.w is None or np.array_equal(design.w, design.unit_weight[design.unit_index])


MANY_PATTERNS = 5_000  # beyond, a loop over patterns costs more than residualising rows


def _patterns(design: Design) -> tuple[Array, Array | None, Array, Array] | None:
    """Return the wide outcome, its mask, one unit of each (cohort, mask) pattern and each unit's pattern; None if they are many."""
    Y = design.wide(design.y)
    seen = None if design.balanced else ~np.isnan(Y)
    first, pattern = kernel.cohort_patterns(design.cohort, seen)
    return (Y, seen, first, pattern) if len(first) <= MANY_PATTERNS else None


def _by_pattern(design: Design, regressors: _Regressors, Y: Array, seen: Array | None, first: Array, pattern: Array) -> kernel.Fit:
    columns = regressors.of_event_time(design.periods[None, :] - design.cohort[first][:, None])
    masks = None if seen is None else seen[first]
    return kernel.by_pattern(Y, design.unit_weight, columns, masks, pattern, design.rows == "observation")


def _dense(
    design: Design, regressors: _Regressors, varying: list[int], by_period: Sequence[str], slopes: Sequence[tuple[str, str]]
) -> kernel.Fit:
    event = design.periods[design.period_index] - design.cohort[design.unit_index]
    X = np.hstack([regressors.of_event_time(event), design.x[:, varying]])
    effects = [] if by_period else [kernel.Effects(design.period_index, len(design.periods))]
    for name in by_period:
        codes, levels = design.codes(name)
        both, keys = pd.factorize(codes.astype(np.int64) * len(design.periods) + design.period_index)
        effects.append(kernel.Effects(both, len(keys)))
    for group, variable in slopes:
        codes, levels = design.codes(group)
        values = design.values(variable) if variable != design.panel.period else design.periods[design.period_index].astype(float)
        # Centred, so that trends and levels are not nearly collinear; the group levels are absorbed with the slopes.
        effects += [kernel.Effects(codes, levels), kernel.Effects(codes, levels, values - values.mean())]
    unit, units = _unit_codes(design)
    return kernel.dense(design.y, X, unit, units, effects, design.w)


def _unit_codes(design: Design) -> tuple[Array, int]:
    if design.panel.unit is not None:
        return design.unit_index, len(design.units)
    cohorts, codes = np.unique(design.cohort, return_inverse=True)
    return codes[design.unit_index], len(cohorts)


def _absorbed(design: Design, by_period: Sequence[str], slopes: Sequence[tuple[str, str]]) -> tuple[Absorbed, ...]:
    unit, units = _unit_codes(design)
    effects = [Absorbed("unit", units, design.nested_in(unit, units))]
    if not by_period:
        effects.append(Absorbed("period", len(design.periods), design.nested_in(design.period_index, len(design.periods))))
    for name in by_period:
        codes, _ = design.codes(name)
        both, keys = pd.factorize(codes.astype(np.int64) * len(design.periods) + design.period_index)
        effects.append(Absorbed(f"{name} x period", len(keys), design.nested_in(both, len(keys))))
    for group, variable in slopes:
        codes, levels = design.codes(group)
        nested = design.nested_in(codes, levels)
        if group != design.panel.unit:
            effects.append(Absorbed(group, levels, nested))
        # A slope takes one parameter a level (one is taken off every set for the constant), and is always counted.
        effects.append(Absorbed(f"{variable} by {group}", levels + 1))
    return tuple(effects)


def _collinear(cells: pd.DataFrame, columns: list[int]) -> str:
    names = []
    for column in columns:
        cell = cells.iloc[column]
        if cell["kind"] == "covariate":
            names.append(f"covariate {cell['name']!r}")
        else:
            names.append("treatment" if cell["kind"] == "overall" else f"event time {int(cell['event_time'])}")
    return (
        f"Collinear with the fixed effects or with each other: {', '.join(names)}. "
        "Treatment must vary within units and periods; leave out covariates that the effects absorb."
    )


def _with_references(estimate: Estimate, references: list[int]) -> Estimate:
    """Return the path with its reference event times as zeros, in order of event time."""
    k = len(estimate.theta)
    frame = pd.concat(
        [estimate.cells, cell_frame("event_time", len(references), event_time=references, reference=True)], ignore_index=True
    )
    order = np.lexsort((frame["event_time"].to_numpy(), frame["kind"] == "covariate"))
    jacobian = np.vstack([np.eye(k), np.zeros((len(references), k))])[order]
    return estimate.map(jacobian @ estimate.theta, jacobian, frame.iloc[order])
