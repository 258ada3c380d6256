"""What the choice of a date changes: cohorts, and the effect itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, EvalkitError, RolloutError, unknown
from evalkit.estimate import Estimate
from evalkit.events.judging import STARTS
from evalkit.events.starts import in_panel, year_table
from evalkit.events.table import Events
from evalkit.panel import Panel
from evalkit.rollout import Rollout

Array = np.ndarray[Any, Any]
Effect = Estimate | tuple[float, float | None, float | None]
SAMPLES = ("each", "common")


@dataclass(frozen=True)
class DateEffect:
    """The effect when one kind of date counts as the start.

    Attributes
    ----------
    date : the kind of event
    units : treated units that have it; left_out : units that took part but are not in this row
    first_cohort, last_cohort : years, None without units
    effect, low, high : in the caller's unit; None when there is no estimate or no range
    reason : why there is no estimate; "" when there is one
    """

    date: str
    units: int
    left_out: int
    first_cohort: int | None = None
    last_cohort: int | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class DateSensitivity:
    """The effect under each choice of date, in the usual order of events."""

    programme: str
    sample: str
    rows: tuple[DateEffect, ...] = field(repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """One row per kind of date, the fields of :class:`DateEffect` as columns."""
        frame = pd.DataFrame([vars(row) for row in self.rows])
        whole = dict.fromkeys(("first_cohort", "last_cohort"), "Int64")
        return frame.astype(whole | dict.fromkeys(("effect", "low", "high"), "Float64"))


def dates_compared(panel: Panel, events: Events, programme: str, default: str = "funded") -> pd.DataFrame:
    """Return how the kinds of date differ, one row each, over the panel's units.

    Returns
    -------
    DataFrame indexed by date (listed, funded, built, moved_in) with the columns
        units, that have such an event with a date; without, that took part but have none; first_cohort, last_cohort;
        years_after_listed, the median over units with both dates; same_year_as_default, the share of units with both dates
        whose year is the same. What does not apply is <NA>.

    Examples
    --------
    >>> panel = Panel(pd.DataFrame({"village": ["a", "a", "b", "b"], "year": [2015, 2016] * 2}), unit="village", period="year")
    >>> frame = pd.DataFrame({"unit": ["a", "a", "b"], "programme": "industry", "event": ["listed", "funded", "listed"],
    ...                       "date": ["2014", "2016", "2015"]})
    >>> found = dates_compared(panel, Events.read(frame), "industry")
    >>> found.loc[["listed", "funded"], ["units", "without", "years_after_listed"]].to_dict("list")
    {'units': [2, 1], 'without': [0, 1], 'years_after_listed': [0.0, 2.0]}
    """
    if default not in STARTS:
        raise RolloutError(unknown("choice of date", default, STARTS))
    rows, _ = in_panel(events, panel, programme)
    years = year_table(rows, panel)
    part = rows["position"].nunique()
    table = []
    for kind in STARTS:
        own = years[kind].to_numpy()
        has = np.isfinite(own)
        after = own - years["listed"].where(np.isfinite(years["listed"])).to_numpy()
        gap = own - years[default].where(np.isfinite(years[default])).to_numpy()
        lag, same = after[has & ~np.isnan(after)], gap[has & ~np.isnan(gap)]
        table.append(
            {
                "date": kind,
                "units": int(has.sum()),
                "without": part - int(has.sum()),
                "first_cohort": int(own[has].min()) if has.any() else None,
                "last_cohort": int(own[has].max()) if has.any() else None,
                "years_after_listed": float(np.median(lag)) if len(lag) else None,
                "same_year_as_default": float((same == 0).mean()) if len(same) else None,
            }
        )
    frame = pd.DataFrame(table).set_index("date")
    kinds = {"first_cohort": "Int64", "last_cohort": "Int64", "years_after_listed": "Float64", "same_year_as_default": "Float64"}
    return frame.astype(kinds)


def effects_by_date(
    panel: Panel,
    events: Events,
    programme: str,
    estimate: Callable[[Panel, Rollout], Effect],
    dates: Sequence[str] = STARTS,
    sample: str = "each",
) -> DateSensitivity:
    """Return the effect under each choice of date, over units that have that date.

    Units that took part without the date are left out of its row, because they are neither treated from a known year nor untreated;
    so the roll-out belongs to a smaller panel, and both are handed to ``estimate``. What evalkit refuses is a row with the reason.

    Parameters
    ----------
    estimate : callable of a panel and its roll-out
        Returns an Estimate of one parameter, or (effect, low, high) in any unit; NaN where there is no range.
    dates : kinds of date to compare
    sample : "each" or "common"
        Whether a row uses all units that have its date, or only those that have every date compared, so that rows differ by
        date alone.

    Examples
    --------
    >>> panel = Panel(pd.DataFrame({"village": ["a", "a", "b", "b"], "year": [2015, 2016] * 2}), unit="village", period="year")
    >>> frame = pd.DataFrame({"unit": "a", "programme": "industry", "event": ["listed", "funded"], "date": ["2015", "2016"]})
    >>> found = effects_by_date(panel, Events.read(frame), "industry", lambda panel, rollout: (120.0, 80.0, 160.0))
    >>> [(row.date, row.first_cohort, row.effect) for row in found.rows if row.units]
    [('listed', 2015, 120.0), ('funded', 2016, 120.0)]
    """
    wanted = (dates,) if isinstance(dates, str) else tuple(dates)
    for kind, values, allowed in (("date", wanted or ("",), STARTS), ("sample", (sample,), SAMPLES)):
        for value in values:
            if value not in allowed:
                raise RolloutError(unknown(f"choice of {kind}", value, allowed))
    asked = [kind for kind in STARTS if kind in wanted]
    rows, _ = in_panel(events, panel, programme)
    part = np.zeros(len(panel.units), dtype=bool)
    part[rows["position"]] = True
    years = year_table(rows, panel)
    has = {kind: np.isfinite(years[kind].to_numpy()) for kind in asked}
    every = np.logical_and.reduce([has[kind] for kind in asked])
    found = []
    for kind in asked:
        keep = ~part | (every if sample == "common" else has[kind])
        first = years[kind].to_numpy()[part & keep]
        cohorts = (int(first.min()), int(first.max())) if len(first) else (None, None)
        row = DateEffect(kind, len(first), int((part & ~keep).sum()), *cohorts)
        found.append(_effect(row, panel, keep, events, programme, estimate))
    return DateSensitivity(str(rows["programme"].iloc[0]), sample, tuple(found))


def _effect(
    row: DateEffect, panel: Panel, keep: Array, events: Events, programme: str, estimate: Callable[[Panel, Rollout], Effect]
) -> DateEffect:
    """Return a row with the effect over the units to keep, (N,) of the panel, or with the reason why there is none."""
    if row.units == 0:
        return replace(row, reason=f"No unit has a dated {row.date!r} event.")
    try:
        smaller = with_units(panel, keep)
        rollout = Rollout.from_events(smaller, events, programme, date=row.date)
        effect, low, high = _numbers(estimate(smaller, rollout))
    except EvalkitError as refusal:
        return replace(row, reason=str(refusal))
    return replace(row, effect=effect, low=low, high=high)


def _numbers(found: Effect) -> tuple[float, float | None, float | None]:
    """Return an effect and its range; an Estimate carries none, because ranges are made in one place."""
    if isinstance(found, tuple):
        effect, low, high = (None if pd.isna(number) else float(number) for number in found)
        if effect is None:
            raise EstimateError("The estimate is not a number.")
        return effect, low, high
    if len(found.theta) != 1:
        raise EstimateError(
            f"A row of the table holds one effect; this estimate has {len(found.theta)}. Aggregate it to the overall effect first."
        )
    return float(found.theta[0]), None, None


def with_units(panel: Panel, keep: Array) -> Panel:
    """Return the panel of some of its units, (N,) whether to keep each; everything declared stays declared."""
    if keep.all():
        return panel
    rows = np.flatnonzero(keep[panel.unit_index])
    place = rows if panel.order is None else np.sort(panel.order[rows])
    return Panel(panel.frame.iloc[place], panel.unit, panel.period, panel.clusters, panel.weight)
