"""Two-way fixed effects: the static coefficient and the event study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.estimate import Absorbed, Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import two_way as kernel
from evalkit.least_squares import Columns, LeastSquares, Regression, columns_without_means, dummies
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
    instead. One coefficient has no base period and compares with all rows, those treated earlier too, whatever ``base`` and
    ``comparison`` say, and anticipation does not enter: years in which units may already react count as untreated here.
    The default correction is fixest's: (N-1)/(N-K) G/(G-1), effects nested in clusters not counted, t with G - 1 degrees
    of freedom. On a repeated cross-section cohort effects stand in for unit effects; a panel declared
    ``unbalanced="repeated_cross_section"`` keeps its unit effects.
    """

    by_period: Sequence[str] = field(default=())
    slopes: Sequence[tuple[str, str]] = field(default=())
    needs: ClassVar[tuple[str, ...]] = ("lasting",)
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the coefficient of a design."""
        refuse_unmet(design, self)
        units = float(np.isfinite(design.cohort).sum())
        regressors = Regressors(cell_frame("overall", 1, units=units), _started)
        return regress(design, regressors, self.by_period, self.slopes)


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
    Coefficients mix the effects of different event times when effects differ between cohorts (Sun & Abraham 2021), and compare
    with all rows, those treated earlier too, whatever ``comparison`` says.
    Without never-treated units one more event time is not identified: the earliest is set to zero and named.
    """

    by_period: Sequence[str] = field(default=())
    slopes: Sequence[tuple[str, str]] = field(default=())
    needs: ClassVar[tuple[str, ...]] = ("lasting", "universal_base")
    cannot: ClassVar[dict[str, str]] = {}

    def __call__(self, design: Design) -> Estimate:
        """Return the path of a design."""
        refuse_unmet(design, self)
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
        regressors = Regressors(cells, partial(_at_event_times, shown), notices)
        return _with_references(regress(design, regressors, self.by_period, self.slopes), references)


def _started(first: Array, period: Array) -> Array:
    return np.asarray((period >= first)[..., None].astype(float))


def _at_event_times(shown: Array, first: Array, period: Array) -> Array:
    return np.asarray(((period - first)[..., None] == shown).astype(float))


def _units_at(design: Design, event: Array, times: Array) -> list[int]:
    return [len(np.unique(design.unit_index[event == time])) for time in times]


@dataclass(frozen=True, eq=False)
class Regressors:
    """What the coefficients of interest are, and their columns as a function of cohort and period.

    Attributes
    ----------
    cells : frame of K rows
    columns : (..., ) first treated periods, inf for never treated, and (...,) periods to (..., K) columns
    notices : remarks that come with them
    kept : (n,) rows that the regression uses, or None for all
    """

    cells: pd.DataFrame
    columns: Callable[[Array, Array], Array]
    notices: tuple[Notice, ...] = ()
    kept: Array | None = None


def regress(
    design: Design, regressors: Regressors, by_period: Sequence[str] | str = (), slopes: Sequence[tuple[str, str]] = ()
) -> Estimate:
    """Return the coefficients of regressors in a regression with unit and period effects and the design's covariates.

    Covariates that never change within a unit are left to the unit effects, with a notice.
    """
    by_period, slopes = (by_period,) if isinstance(by_period, str) else tuple(by_period), pairs(slopes)
    cross_section = design.panel.unit is None
    varying, constant = _covariates(design, cross_section)
    x = design.x[:, varying]
    # Columns of one size keep matrices well conditioned, with the output of a county in yuan beside dummies.
    size = np.where((spread := x.std(axis=0)) > 0, spread, 1.0)
    x = (x - x.mean(axis=0)) / size
    patterns = None
    if not (by_period or slopes or cross_section) and weights_by_unit(design):
        patterns = patterns_of(design, regressors.kept)
    cells = regressors.cells
    names = [design.covariates[j] for j in varying]
    if names:
        cells = pd.concat([cells, cell_frame("covariate", len(names), name=names)], ignore_index=True)
    try:
        if patterns is not None:
            fit = _by_pattern(design, regressors, patterns, x)
        else:
            fit = _dense(design, regressors, x, by_period, slopes)
    except kernel.Collinear as problem:
        raise DesignError(collinear(cells, problem.columns, bool(np.isfinite(design.cohort).all()))) from None
    if varying:
        fit = fit.in_units(np.r_[np.ones(len(regressors.cells)), size])
    by_unit = patterns is not None and design.rows != "observation"
    psi = (design.psi_from_units if by_unit else design.psi_from_observations)(fit.contributions)
    used = design.observations if regressors.kept is None else int(regressors.kept.sum())
    absorbed = absorbed_effects(design, by_period, slopes, regressors.kept)
    combinations = np.diag(1 / np.r_[np.ones(len(regressors.cells)), size])
    regression = Regression(LeastSquares(partial(_columns, design, regressors, x, by_period, slopes)), combinations)
    facts = Facts(used, fit.slopes, absorbed, "nested", "t", fit.bread, fit.residual_sum, regression, treated=design.treated_rows)
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


def weights_by_unit(design: Design) -> bool:
    """Return whether a unit's weight is the same in all its rows."""
    return design.w is None or np.array_equal(design.w, design.unit_weight[design.unit_index])


MANY_PATTERNS = 5_000  # beyond, a loop over patterns costs more than residualising rows


@dataclass(frozen=True, eq=False)
class Patterns:
    """The outcome by unit and period, and the (cohort, mask) patterns of units.

    Attributes
    ----------
    Y : (N, T) outcome in the periods used; seen : (N, T) rows used, or None for all
    first : (P,) one unit of each pattern; pattern : (N,) each unit's
    periods : (T,) positions of the periods used
    """

    Y: Array
    seen: Array | None
    first: Array
    pattern: Array
    periods: Array

    @property
    def masks(self) -> Array | None:
        """(P, T) rows used in each pattern, or None for all."""
        return None if self.seen is None else self.seen[self.first]

    def wide(self, design: Design, values: Array) -> Array:
        """Return (n,) values as (N, T) in the periods used."""
        return design.wide(values)[:, self.periods] if len(self.periods) < len(design.periods) else design.wide(values)


def on_all_rows(contributions: Array, kept: Array | None) -> Array:
    """Return (n, K) contributions from those of the rows kept; others have no influence."""
    if kept is None:
        return contributions
    out = np.zeros((len(kept), contributions.shape[1]))
    out[kept] = contributions
    return out


def patterns_of(design: Design, kept: Array | None = None) -> Patterns | None:
    """Return the patterns of the rows kept, or None when there are too many to loop over."""
    Y = design.wide(design.y)
    seen = None if design.balanced else ~np.isnan(Y)
    periods = np.arange(len(design.periods))
    if kept is not None:
        seen = design.wide(kept.astype(float)) == 1
        periods = np.flatnonzero(seen.any(axis=0))
        Y, seen = Y[:, periods], seen[:, periods]
    first, pattern = kernel.cohort_patterns(design.cohort, seen)
    return Patterns(Y, seen, first, pattern, periods) if len(first) <= MANY_PATTERNS else None


def pairs(slopes: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return slopes as pairs of a group and a variable, after refusing anything else."""
    if isinstance(slopes, str) or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in slopes):
        raise DesignError(f"slopes is a list of (group, variable), such as slopes=[('county', 'year')]; got {slopes!r}.")
    return tuple((group, variable) for group, variable in slopes)


def _by_pattern(design: Design, regressors: Regressors, made: Patterns, x: Array) -> kernel.Fit:
    columns = regressors.columns(design.cohort[made.first][:, None], design.periods[made.periods][None, :])
    V = np.stack([made.wide(design, np.ascontiguousarray(column)) for column in x.T], axis=2) if x.size else None
    by_row = design.rows == "observation"
    fit = kernel.by_pattern(made.Y, design.unit_weight, columns, made.masks, made.pattern, by_row, V=V)
    return replace(fit, contributions=on_all_rows(fit.contributions, regressors.kept)) if by_row else fit


def _dense(
    design: Design, regressors: Regressors, x: Array, by_period: Sequence[str], slopes: Sequence[tuple[str, str]]
) -> kernel.Fit:
    columns = regressors.columns(design.cohort[design.unit_index], design.periods[design.period_index])
    effects = list(zip(*_further_effects(design, by_period, slopes), strict=True))
    return dense_on(design, np.hstack([columns, x]), effects, regressors.kept)


def _columns(
    design: Design, regressors: Regressors, x: Array, by_period: Sequence[str], slopes: Sequence[tuple[str, str]]
) -> Columns:
    """Return the columns of a regression, unit effects absorbed and all others as dummies, over the rows used."""
    columns = regressors.columns(design.cohort[design.unit_index], design.periods[design.period_index])
    return explicit(design, np.hstack([columns, x]), _further_effects(design, by_period, slopes), regressors.kept)


def explicit(
    design: Design,
    X: Array,
    further: tuple[Sequence[Array], Sequence[Array | None]],
    kept: Array | None,
    absorbed: Array | None = None,
) -> Columns:
    """Return the columns of a regression over the rows kept: X (n, K), further effects as dummies, and those absorbed taken out.

    ``absorbed`` are (n,) codes of effects; those of units without them. Households seen once have none: their cohorts, which
    lie across clusters, are dummies.
    """
    rows = slice(None) if kept is None else kept
    codes, variables = further
    own = [code[rows] for code in codes]
    # Slopes of any size count as dummies do: a variable in yuan would hide them.
    multiplied = [None if variable is None else _of_size_one(variable[rows]) for variable in variables]
    if absorbed is None and design.panel.unit is None:
        own, multiplied, unit = [_unit_codes(design)[0][rows], *own], [None, *multiplied], None
    else:
        unit = pd.factorize((_unit_codes(design)[0] if absorbed is None else absorbed)[rows])[0]
    weight = None if design.w is None else design.w[rows]
    keys = replace(design, rows="observation").row_keys.loc[rows].reset_index(drop=True)
    return columns_without_means(np.hstack([X[rows], dummies(own, multiplied)]), design.y[rows], keys, unit, weight)


def _of_size_one(variable: Array) -> Array:
    largest = np.abs(variable).max(initial=0.0)
    return np.asarray(variable / largest) if largest > 0 else variable


def _further_effects(
    design: Design, by_period: Sequence[str], slopes: Sequence[tuple[str, str]]
) -> tuple[list[Array], list[Array | None]]:
    """Return the codes of the effects besides those of units, and the variables that slopes multiply."""
    codes = [design.period_index] if not by_period else []
    codes += [_crossed_with_period(design, name) for name in by_period]
    variables: list[Array | None] = [None] * len(codes)
    for group, variable in slopes:
        values = design.values(variable) if variable != design.panel.period else design.periods[design.period_index].astype(float)
        if missing := int(np.isnan(values).sum()):
            raise DesignError(f"Column {variable!r} is missing in {missing:,} of the rows used. Fill it in or leave it out.")
        # Centred, so that trends and levels are not nearly collinear; the group levels are absorbed with the slopes.
        codes += [design.codes(group)[0]] * 2
        variables += [None, values - values.mean()]
    return codes, variables


def dense_on(
    design: Design, X: Array, effects: Sequence[tuple[Array, Array | None]], kept: Array | None, shown: Array | None = None
) -> kernel.Fit:
    """Return the fit of the outcome on X (n, K) with unit effects and further ones, over the rows kept.

    ``effects`` are (n,) codes, and for slopes the (n,) variable they multiply.
    """
    rows = slice(None) if kept is None else kept
    further = []
    for codes, variable in effects:
        own, levels = pd.factorize(codes[rows])
        further.append(kernel.Effects(own, len(levels), None if variable is None else variable[rows]))
    unit, units = pd.factorize(_unit_codes(design)[0][rows])
    w = None if design.w is None else design.w[rows]
    fit = kernel.dense(design.y[rows], X[rows], unit, len(units), further, w, shown)
    return replace(fit, contributions=on_all_rows(fit.contributions, kept))


def _crossed_with_period(design: Design, name: str) -> Array:
    codes, _ = design.codes(name)
    return np.asarray(pd.factorize(codes.astype(np.int64) * len(design.periods) + design.period_index)[0])


def _unit_codes(design: Design) -> tuple[Array, int]:
    if design.panel.unit is not None:
        return design.unit_index, len(design.units)
    cohorts, codes = np.unique(design.cohort, return_inverse=True)
    return codes[design.unit_index], len(cohorts)


def absorbed_effects(
    design: Design,
    by_period: Sequence[str] = (),
    slopes: Sequence[tuple[str, str]] = (),
    kept: Array | None = None,
    unit_effects: tuple[str, Array] | None = None,
) -> tuple[Absorbed, ...]:
    """Return the sets of effects that a regression takes out, with their levels among the rows kept.

    ``unit_effects`` are the name and (n,) codes of effects that stand in for those of units.
    """
    rows = slice(None) if kept is None else kept

    def absorbed(name: str, codes: Array, further: int = 0) -> Absorbed:
        levels = len(pd.unique(codes[rows]))
        return Absorbed(name, levels + further, design.nested_in(codes, int(codes.max()) + 1))

    name, codes = ("unit", _unit_codes(design)[0]) if unit_effects is None else unit_effects
    effects = [absorbed(name, codes)]
    if not by_period:
        effects.append(absorbed("period", design.period_index))
    effects += [absorbed(f"{name} x period", _crossed_with_period(design, name)) for name in by_period]
    for group, variable in slopes:
        codes, _ = design.codes(group)
        if group != design.panel.unit:
            effects.append(absorbed(group, codes))
        # A slope takes one parameter a level (one is taken off every set for the constant), and is always counted.
        effects.append(Absorbed(f"{variable} by {group}", len(pd.unique(codes[rows])) + 1))
    return tuple(effects)


def collinear(cells: pd.DataFrame, columns: list[int], all_treated: bool) -> str:
    """Return the error's sentence that names the coefficients the data do not tell apart."""
    names = []
    for column in columns:
        cell = cells.iloc[column]
        if cell["kind"] == "covariate":
            names.append(f"covariate {cell['name']!r}")
        elif cell["kind"] == "group_time":
            names.append(f"cohort {int(cell['cohort'])} in {int(cell['period'])}")
        else:
            names.append("treatment" if cell["kind"] == "overall" else f"event time {int(cell['event_time'])}")
    cure = "Treatment must vary within units and periods; leave out covariates that the effects absorb."
    if all_treated and (cells["kind"].iloc[columns] == "event_time").all():
        cure = "Without never-treated units this path needs more cohorts: use GroupTime or InteractionWeighted, which take them one by one."
    return f"Collinear with the fixed effects or with each other: {', '.join(names)}. {cure}"


def _with_references(estimate: Estimate, references: list[int]) -> Estimate:
    """Return the path with its reference event times as zeros, in order of event time."""
    k = len(estimate.theta)
    frame = pd.concat(
        [estimate.cells, cell_frame("event_time", len(references), event_time=references, reference=True)], ignore_index=True
    )
    order = np.lexsort((frame["event_time"].to_numpy(), frame["kind"] == "covariate"))
    jacobian = np.vstack([np.eye(k), np.zeros((len(references), k))])[order]
    return estimate.map(jacobian @ estimate.theta, jacobian, frame.iloc[order])
