"""The same estimate on changed data: rows around the start or units near a line left out, outliers tamed, other start dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.replays import Array, Change, Estimator, Replays, Variant, constant_in_units, replays
from evalkit.errors import DesignError, EvalkitError, first_five
from evalkit.panel import Panel
from evalkit.parallel import Map
from evalkit.rollout import DatedEvents, Rollout
from evalkit.subset import with_starts, without_units

DATES = ("listed", "funded", "built", "moved_in")


def vary(
    estimator: Estimator, design: Design, changes: Mapping[str, Change], *, map: Map = map, **inference: Any
) -> Replays:  # fmt: skip
    """Return the effect under each named change of the data, and how far each lies from the main estimate.

    Parameters
    ----------
    changes : name -> Design -> Design
        Those of this module (:class:`AroundStart`, :class:`NearLine`, :class:`Winsorised`, :class:`Trimmed`, :class:`Without`,
        :class:`Periods`, :class:`Started`) or any other; an evalkit error in one is a row with the reason.
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.variations import AroundStart, Winsorised, vary
    >>> found = vary(ek.TwoWay(), ek.example_design(), {"winsorised": Winsorised(), "no start": AroundStart(0, 0)})
    >>> found.table[["variant", "rows_changed", "rows_left_out"]].values.tolist()
    [['winsorised', 16, 0], ['no start', <NA>, 45]]
    """
    judged_changes(changes)
    variants = [Variant({"variant": name}, change, estimator) for name, change in changes.items()]
    return replays(design, variants, estimator, map=map, inference=inference)


def judged_changes(changes: object) -> None:
    """Raise DesignError unless these are named changes of a design."""
    if not isinstance(changes, Mapping) or not changes or not all(callable(change) for change in changes.values()):
        raise DesignError('Changes are named functions from a design to a design, such as {"winsorised": Winsorised()}.')


def without_rows(design: Design, leave: Array) -> Design:
    """Return the design without some of its rows; units of which no row stays leave too.

    Parameters
    ----------
    leave : (n,) booleans in the order of ``design.y``: the rows that go

    Notes
    -----
    A design that said nothing about missing rows becomes ``unbalanced="pairwise"``: the rows now missing were chosen. Rows that the
    design had left out already stay in the panel, so that they are counted again. One that said "drop_units" becomes "pairwise" on the
    units it had kept: else units would leave for the rows taken here, and others come back.

    Raises
    ------
    DesignError
        When no row would be left, or what is left allows no comparison.
    """
    leave = np.asarray(leave)
    if leave.shape != design.y.shape or leave.dtype != bool:
        raise DesignError(f"One True or False a row is needed: {design.observations:,}; got {leave.shape}.")
    if leave.all():
        raise DesignError("No row would be left.")
    if not leave.any():
        return design
    panel, rollout = design.panel, design.rollout
    stays = np.full(len(panel.unit_index), design.unbalanced != "drop_units")
    stays[_in_panel(design)] = ~leave
    rows = np.flatnonzero(stays)
    frame = panel.frame.iloc[rows if panel.order is None else panel.order[rows]].reset_index(drop=True)
    fewer = replace(panel, frame=frame)
    present = np.unique(panel.unit_index[rows])
    intensity = None if rollout.intensity is None else rollout.intensity[rows]
    told = replace(rollout, first_treated=rollout.first_treated[present], units=fewer.units, intensity=intensity)
    return replace(design, panel=fewer, rollout=told, unbalanced=_said(design))


def with_outcome(design: Design, values: Array) -> Design:
    """Return the design with other outcomes (n,) under the same name."""
    values = np.asarray(values, float)
    if values.shape != design.y.shape:
        raise DesignError(f"One outcome a row is needed: {design.observations:,}; got {values.shape}.")
    panel = design.panel
    outcome = panel.numbers(design.outcome).copy()
    outcome[_in_panel(design)] = values
    if panel.order is not None:
        sorted_rows = outcome
        outcome = np.empty_like(sorted_rows)
        outcome[panel.order] = sorted_rows
    return replace(design, panel=replace(panel, frame=panel.frame.assign(**{design.outcome: outcome})))


def _in_panel(design: Design) -> Array:
    """Return (n,) positions of the design's rows among the panel's."""
    return np.arange(len(design.y)) if design.keep is None else np.flatnonzero(design.keep)


def _said(design: Design) -> str | None:
    """Return what the design says about missing rows, or that pairs of periods count."""
    if design.panel.unit is None:
        return None
    return "repeated_cross_section" if design.unbalanced == "repeated_cross_section" else "pairwise"


@dataclass(frozen=True)
class AroundStart:
    """Leave out treated units' rows at event times first..last: a donut in time.

    Periods before the start that are left out count as anticipation too, so that estimators with a base period take the last one
    before them.
    """

    first: int = -1
    last: int = 1

    def __call__(self, design: Design) -> Design:
        """Return the design without these rows."""
        if self.first > self.last:
            raise DesignError(f"Event times go from first to last: {self.first} is after {self.last}.")
        event = design.periods[design.period_index] - design.cohort[design.unit_index]
        inside = (event >= self.first) & (event <= self.last)
        if not inside.any():
            raise DesignError(f"No treated unit is seen at event times {self.first} to {self.last}.")
        wider = replace(design, anticipation=max(design.anticipation, -self.first))
        return without_rows(wider, inside)


@dataclass(frozen=True)
class NearLine:
    """Leave out units whose ``column`` lies less than ``width`` from ``line``: those who could have been moved across it.

    The column is read in each unit's first row and must not change within a unit.
    """

    column: str
    line: float
    width: float

    def __call__(self, design: Design) -> Design:
        """Return the design without these units."""
        value = design.values(self.column)
        if (missing := np.isnan(value)).any():
            raise DesignError(f"{self.column!r} is missing in {int(missing.sum()):,} rows. Fill it in, or leave these rows out.")
        constant_in_units(design, self.column)
        near = np.abs(value[design.first_rows] - self.line) < self.width
        if not near.any():
            raise DesignError(f"No unit lies less than {self.width:g} from {self.column} = {self.line:g}.")
        return without_units(design, near)


@dataclass(frozen=True)
class Winsorised:
    """Pull outcomes beyond two quantiles of their period to these quantiles; linear interpolation between order statistics.

    Quantiles are of the period's rows, each counting once. Outcomes after treatment are part of them, so where the programme moved the
    tails this takes a part of its effect away.
    """

    lower: float = 0.01
    upper: float = 0.99

    def __call__(self, design: Design) -> Design:
        """Return the design with tamed outcomes."""
        low, high = _bounds(design, self.lower, self.upper)
        return with_outcome(design, np.clip(design.y, low, high))


@dataclass(frozen=True)
class Trimmed:
    """Leave out rows whose outcome lies beyond two quantiles of their period, or the whole units they belong to.

    A sample chosen by the outcome is no longer the same on both sides: read it beside :class:`Winsorised`, which keeps everybody.
    """

    lower: float = 0.01
    upper: float = 0.99
    whole_units: bool = False

    def __call__(self, design: Design) -> Design:
        """Return the design without outlying rows or units."""
        low, high = _bounds(design, self.lower, self.upper)
        beyond = (design.y < low) | (design.y > high)
        if self.whole_units:
            return without_units(design, np.bincount(design.unit_index[beyond], minlength=len(design.units)) > 0)
        return without_rows(design, beyond)


def _bounds(design: Design, lower: float, upper: float) -> tuple[Array, Array]:
    """Return (n,) lower and upper quantiles of the outcome in each row's period."""
    if not 0 <= lower < upper <= 1:
        raise DesignError(f"Quantiles lie between 0 and 1, the lower below the upper: not {lower} and {upper}.")
    groups = [design.y[design.period_index == t] for t in range(len(design.periods))]
    ends = np.array([np.quantile(group, [lower, upper]) for group in groups])
    return ends[design.period_index, 0], ends[design.period_index, 1]


@dataclass(frozen=True)
class Without:
    """Leave out rows in which a column has this value, or one of these: city districts, an earthquake county, a year."""

    column: str
    values: Any

    def __call__(self, design: Design) -> Design:
        """Return the design without these rows."""
        column = design.panel.column(self.column)
        column = column if design.keep is None else column[design.keep]
        wanted = tuple(self.values) if pd.api.types.is_list_like(self.values) else (self.values,)
        among = column.isin(wanted).to_numpy()
        if not among.any():
            raise DesignError(
                f"No row has {self.column!r} among {first_five(wanted)}; it holds {first_five(pd.unique(column.dropna()))}."
            )
        return without_rows(design, among)


@dataclass(frozen=True)
class Periods:
    """Keep the periods from ``first`` to ``last`` (either may be open)."""

    first: int | None = None
    last: int | None = None

    def __call__(self, design: Design) -> Design:
        """Return the design of these periods."""
        when = design.periods[design.period_index]
        outside = np.zeros(len(when), dtype=bool)
        outside |= when < self.first if self.first is not None else False
        outside |= when > self.last if self.last is not None else False
        return without_rows(design, outside)


@dataclass(frozen=True)
class Started:
    """Count treatment from another roll-out: of the same units, or of some of them (the others leave and are counted).

    ``rollout`` is a Rollout, or a function from the panel to one.
    """

    rollout: Rollout | Callable[[Panel], Rollout]

    def __call__(self, design: Design) -> Design:
        """Return the design with these starts."""
        rollout = self.rollout if isinstance(self.rollout, Rollout) else self.rollout(design.panel)
        if rollout.intensity is not None or design.rollout.intensity is not None:
            raise DesignError("Other dates replace the starts of treatments that begin once; this one has an intensity by period.")
        position = pd.Index(rollout.units).get_indexer(pd.Index(design.units))
        if not (position >= 0).any():
            raise DesignError(f"The roll-out names none of the units: it has {first_five(rollout.units)}.")
        first = rollout.first_treated[np.maximum(position, 0)]
        return with_starts(design, position >= 0, first, rollout.programme)


def date_sensitivity(
    estimator: Estimator,
    design: Design,
    starts: Mapping[str, Rollout | Callable[[Panel], Rollout]],
    *,
    map: Map = map,
    **inference: Any,
) -> Replays:
    """Return the effect under each choice of the date that counts as the start.

    Parameters
    ----------
    starts : name -> Rollout, or panel -> Rollout, see :func:`starts_by_date`

    Returns
    -------
    Replays
        ``cohorts_changed`` counts the units that start in another period than in the main design.

    Examples
    --------
    >>> import evalkit as ek
    >>> from dataclasses import replace
    >>> from evalkit.diagnostics.variations import date_sensitivity
    >>> design = ek.example_design()
    >>> later = replace(design.rollout, first_treated=design.rollout.first_treated + 1)
    >>> found = date_sensitivity(ek.TwoWay(), design, {"funded": design.rollout, "built": later})
    >>> found.table["cohorts_changed"].tolist()
    [0, 45]
    """
    if not isinstance(starts, Mapping) or not all(isinstance(one, Rollout) or callable(one) for one in starts.values()):
        raise DesignError('Dates are named roll-outs, such as {"funded": rollout}, or functions from a panel to one.')
    variants = [Variant({"date": name}, Started(rollout), estimator) for name, rollout in starts.items()]
    return replays(design, variants, estimator, map=map, inference=inference)


def starts_by_date(
    events: DatedEvents, programme: str, dates: Sequence[str] = DATES, missing_date: str | Sequence[str] = "refuse"
) -> dict[str, Callable[[Panel], Rollout]]:
    """Return a roll-out for each kind of date of a table of events, for :func:`date_sensitivity`.

    Units that took part without the date are dealt with as ``missing_date`` says, see :meth:`evalkit.Rollout.from_events`;
    :func:`evalkit.events.effects_by_date` leaves them out of its row instead.
    """
    return {date: partial(_from_events, events=events, programme=programme, date=date, missing_date=missing_date) for date in dates}


def _from_events(panel: Panel, events: DatedEvents, programme: str, date: str, missing_date: str | Sequence[str]) -> Rollout:
    try:
        return Rollout.from_events(panel, events, programme, date=date, missing_date=missing_date)
    except EvalkitError as refusal:
        raise DesignError(f"With {date!r} as the start: {refusal}") from refusal
