"""Rollout: which unit gets a programme, and from which period on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from evalkit.errors import RolloutError, first_five, unknown
from evalkit.notices import Notice
from evalkit.panel import Array, Panel

NeverCode = float | int | None
FAR = 50  # periods
ROUNDING = 1e-12  # of the largest dose: a smaller change is the arithmetic of the file, not of the programme
REVERSALS = ("refuse", "started", "keep")


class DatedEvents(Protocol):
    """A judged table of events that can tell when each unit of a panel starts a programme: evalkit.events.Events."""

    def first_treated(
        self, panel: Panel, programme: str, date: str, missing_date: str | Sequence[str], ended: str
    ) -> tuple[str, Array, tuple[Notice, ...]]:
        """Return the programme's code, (N,) first treated periods in panel order (inf without events), and remarks."""
        ...


@dataclass(frozen=True, eq=False)
class Rollout:
    """The first treated period of every unit of a panel.

    Attributes
    ----------
    programme : str
        Name of the programme.
    first_treated : (N,) floats in the order of ``panel.units``; ``inf`` means never treated
    units : (N,) labels of the units
    never_codes : how many units carried each declared never-treated code
    intensity : (n,) treatment in each row of the panel, or None when a unit once treated stays treated alike
    """

    programme: str
    first_treated: Array
    units: Array = field(repr=False)
    never_codes: dict[str, int] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    intensity: Array | None = field(default=None, repr=False)

    @classmethod
    def from_first_treated(
        cls,
        panel: Panel,
        column: str,
        never: NeverCode | Sequence[NeverCode] = (),
        programme: str | None = None,
    ) -> Rollout:
        """Read the roll-out from a column with each unit's first treated period.

        Parameters
        ----------
        column : str
            First treated period (a whole number like the panel's periods, or a date), the same in all rows of a unit.
        never : code or codes that mean never treated
            For example ``0``, ``float("nan")``, ``float("inf")``, ``-1`` or ``(0, 9999)``. Nothing is
            assumed: a code that cannot be a period and is not declared is an error.
        programme : str, optional
            Name of the programme; the column's name without it.

        Raises
        ------
        RolloutError
            When the year varies within a unit, when undeclared codes are found, or when the kinds
            of the column and of the panel's periods cannot be matched.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"village": [1, 1, 2, 2], "year": [2014, 2015] * 2, "start": [2015, 2015, 0, 0]})
        >>> panel = Panel(frame, unit="village", period="year")
        >>> Rollout.from_first_treated(panel, "start", never=0)
        Rollout of 'start': 1 units treated from 2015, 1 never treated
        """
        series = _as_numbers(panel, column)
        by_unit = _one_per_unit(panel, series, column)
        codes = tuple(never) if isinstance(never, (tuple, list, np.ndarray)) else (never,)
        try:
            declared = [np.nan if code is None or code is pd.NaT else float(code) for code in codes]
        except (TypeError, ValueError):
            raise RolloutError(
                f"never={never!r} is no number: say the code that stands for never, such as 0, or None for an empty cell."
            ) from None
        if clash := [code for code in declared if panel.periods[0] < code <= panel.periods[-1]]:
            raise RolloutError(
                f"never={clash[0]:g} lies within the panel's periods ({panel.periods[0]}-{panel.periods[-1]}), so it would hide a real "
                "start. A code for never treated is a value that no start can have, such as 0."
            )
        is_never = np.zeros(len(by_unit), dtype=bool)
        counts: dict[str, int] = {}
        for code in declared:
            hit = np.isnan(by_unit) if np.isnan(code) else by_unit == code
            counts[_code_name(code)] = int(hit.sum())
            is_never |= hit
        _refuse_undeclared(panel, by_unit, is_never, column)
        first = np.where(is_never, np.inf, by_unit)
        return cls(programme or column, first, panel.units, counts, _window_notices(panel, first))

    @classmethod
    def from_status(cls, panel: Panel, column: str, programme: str | None = None, reversals: str = "refuse") -> Rollout:
        """Read the roll-out from a 0/1 column that says whether a unit is treated in a period.

        Parameters
        ----------
        reversals : "refuse", "started" or "keep"
            What to do when treatment stops: refuse; read the effect as that of having started (a unit's first period
            with 1 is its cohort, the stops are counted); or keep the status of every period, for estimators of treatments
            that switch on and off (:class:`evalkit.Switching`). Kept, a unit's cohort is the first period in which its status
            is another than in its first period.

        Raises
        ------
        RolloutError
            When the column holds anything but 0 and 1, when treatment stops and nothing was said about it, and for a repeated
            cross-section.
        """
        if reversals not in REVERSALS:
            raise RolloutError(unknown("choice of reversals", reversals, REVERSALS))
        status = panel.numbers(column)
        if (odd := ~np.isin(status, (0.0, 1.0))).any():
            rows = np.flatnonzero(odd)
            raise RolloutError(f"{column!r} must be 0 or 1 in every row, but is not in {first_five(panel.places(rows))}.")
        if reversals == "keep":
            return cls._from_intensity(panel, status, programme or column)
        _refuse_cross_section(panel)
        same_unit = np.diff(panel.unit_index) == 0
        stops = np.flatnonzero(same_unit & (np.diff(status) < 0)) + 1
        if len(stops) and reversals == "refuse":
            raise RolloutError(
                f"Treatment in {column!r} stops in {len(stops):,} places: {first_five(panel.places(stops))}. "
                "Leaving the register does not end support: if it goes on, code these rows 1. If it really stops, say "
                "reversals='started' to read the effect as that of having started, or reversals='keep' and ask evalkit.Switching, "
                "which follows treatments that switch on and off."
            )
        when = np.where(status == 1, panel.periods[panel.period_index].astype(float), np.inf)
        first = np.full(len(panel.units), np.inf)
        np.minimum.at(first, panel.unit_index, when)
        notices = (*_unseen_starts(panel, first), *_window_notices(panel, first))
        if len(stops):
            stopped = len(np.unique(panel.unit_index[stops]))
            notices = (Notice("TREATMENT_STOPS", {"units": stopped, "treated_units": int(np.isfinite(first).sum())}), *notices)
        return cls(programme or column, first, panel.units, {}, notices)

    @classmethod
    def from_dose(cls, panel: Panel, column: str, programme: str | None = None) -> Rollout:
        """Read the roll-out from a column with each row's intensity of treatment: yuan a head, hectares, a share of households.

        A unit's cohort is the first period in which its intensity is another than in its first period. Raises RolloutError
        when intensities are missing or infinite.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"village": [1, 1, 2, 2], "year": [2014, 2015] * 2, "yuan": [0, 120.5, 0, 0]})
        >>> Rollout.from_dose(Panel(frame, unit="village", period="year"), "yuan")
        Rollout of 'yuan': 1 units treated from 2015, 1 never treated
        """
        intensity = panel.numbers(column)
        if (odd := ~np.isfinite(intensity)).any():
            rows = np.flatnonzero(odd)
            raise RolloutError(
                f"{column!r} must hold a finite number in every row, but does not in {len(rows):,}: {first_five(panel.places(rows))}. "
                "An intensity of nothing is 0."
            )
        return cls._from_intensity(panel, intensity, programme or column)

    @classmethod
    def _from_intensity(cls, panel: Panel, intensity: Array, programme: str) -> Rollout:
        _refuse_cross_section(panel)
        starts = np.flatnonzero(np.r_[True, np.diff(panel.unit_index) != 0])
        first_intensity = intensity[starts][panel.unit_index]
        changed = np.abs(intensity - first_intensity) > ROUNDING * np.abs(intensity).max()
        intensity = np.where(changed, intensity, first_intensity)
        when = np.where(changed, panel.periods[panel.period_index].astype(float), np.inf)
        first = np.full(len(panel.units), np.inf)
        np.minimum.at(first, panel.unit_index, when)
        return cls(programme, first, panel.units, {}, _unseen_starts(panel, first), intensity)

    @classmethod
    def from_events(
        cls,
        panel: Panel,
        events: DatedEvents,
        programme: str,
        date: str = "funded",
        missing_date: str | Sequence[str] = "refuse",
        ended: str = "absorbing",
    ) -> Rollout:
        """Read the roll-out from a table of events: a unit is treated from the first year of the chosen event.

        A unit without any event of the programme is untreated, and counted. Exit from the register is no event of a programme and
        ends nothing.

        Parameters
        ----------
        events : evalkit.events.Events
        programme : str
            Code or usual name, such as "relocation" or "易地搬迁".
        date : "listed", "funded", "built" or "moved_in"
            Which event counts as the start.
        missing_date : "refuse", "later_event", "any_event" or "listed_untreated", or several in order
            What to do with units that took part but lack the chosen date: stop and count them; take their first event that usually
            follows the chosen one; take their first dated event of any kind; take those with nothing but a listing for untreated.
        ended : "absorbing" or "refuse"
            Whether support that ended within the panel still counts as treatment, the effect being that of having started, or
            stops the run.

        Raises
        ------
        RolloutError
            For unknown names and choices, for units without the chosen date, and for years far outside the panel.

        Examples
        --------
        >>> import pandas as pd
        >>> from evalkit.events import Events
        >>> panel = Panel(pd.DataFrame({"village": [1, 1, 2, 2], "year": [2014, 2015] * 2}), unit="village", period="year")
        >>> happened = pd.DataFrame({"unit": [1], "programme": ["industry"], "event": ["funded"], "date": ["2015-03"]})
        >>> Rollout.from_events(panel, Events.read(happened), "industry")
        Rollout of 'industry': 1 units treated from 2015, 1 never treated
        """
        if not callable(getattr(type(events), "first_treated", None)):
            raise RolloutError(
                "Events are judged before they are used: evalkit.events.Events.read(frame) makes them from a frame or a file."
            )
        code, first, notices = events.first_treated(panel, programme, date, missing_date, ended)
        return cls(code, first, panel.units, {}, (*notices, *_window_notices(panel, first)))

    def __repr__(self) -> str:
        treated = self.first_treated[np.isfinite(self.first_treated)]
        span = f" from {int(treated.min())}" if len(treated) else ""
        if len(np.unique(treated)) > 1:
            span += f" to {int(treated.max())}"
        return f"Rollout of {self.programme!r}: {len(treated):,} units treated{span}, {np.isinf(self.first_treated).sum():,} never treated"


def _as_numbers(panel: Panel, column: str) -> Array:
    """Return the column as (n,) floats in panel order, dates as years."""
    series = panel.column(column)
    if pd.api.types.is_datetime64_any_dtype(series):
        years: Array = series.dt.year.to_numpy(dtype=float, na_value=np.nan)
        if not panel.dated and not np.isnan(years).all() and np.nanmin(years) > panel.periods[-1] + 200:
            raise RolloutError(
                f"{column!r} holds dates (years {np.nanmin(years):.0f}-{np.nanmax(years):.0f}) but the panel's periods are "
                f"numbers ({panel.periods[0]}-{panel.periods[-1]}). Give both as years or both as dates."
            )
        return years
    if not pd.api.types.is_numeric_dtype(series):
        kind = pd.api.types.infer_dtype(series)
        raise RolloutError(
            f"{column!r} holds {kind} such as {series.iloc[0]!r}, the panel's periods are "
            f"{'dates' if panel.dated else 'whole numbers'}. Give the first treated period as a number or a date."
        )
    numbers: Array = series.to_numpy(dtype=float, na_value=np.nan)
    return numbers


def _one_per_unit(panel: Panel, values: Array, column: str) -> Array:
    """Return (N,) values, one per unit, after checking that they do not vary within a unit."""
    if panel.unit is None:
        return values
    starts = np.flatnonzero(np.r_[True, np.diff(panel.unit_index) != 0])
    by_unit: Array = values[starts]
    expected = by_unit[panel.unit_index]
    differs = (values != expected) & ~(np.isnan(values) & np.isnan(expected))
    if differs.any():
        offenders = np.unique(panel.unit_index[differs])
        blank = int(np.isnan(values[differs]).sum()) + int(np.isnan(by_unit[offenders]).sum())
        hint = " In some rows it is blank: fill these in." if blank else ""
        shown = [
            f"{panel.units[u]} ({', '.join(f'{v:g}' for v in np.unique(values[panel.unit_index == u]))})" for u in offenders[:5]
        ]
        raise RolloutError(
            f"The first treated period in {column!r} varies within {len(offenders):,} units: {first_five([*shown, *offenders[5:]])}.{hint} "
            "A unit has one first period, the same in all its rows. If treatment was recorded more than once, take the first exposure: the "
            "earliest year that is no never code. If it switches on and off, take the first year it was on."
        )
    return by_unit


def _code_name(code: float) -> str:
    return "missing" if np.isnan(code) else f"{code:g}"


def _type_it(code: float) -> str:
    if np.isnan(code):
        return 'float("nan")'
    return f'float("{"-" if code < 0 else ""}inf")' if np.isinf(code) else f"{code:g}"


def _refuse_undeclared(panel: Panel, by_unit: Array, is_never: Array, column: str) -> None:
    """Refuse values that cannot be a period: missing, infinite, not positive, or not whole."""
    rest = by_unit[~is_never]
    strange = np.isnan(rest) | np.isinf(rest)
    # A code such as 0 or -1 is no period unless the panel itself counts from there.
    strange |= (rest <= 0) & (rest < panel.periods[0])
    # A year far outside the data is a code (9999) or a slip (201607), not a start.
    strange |= (rest > panel.periods[-1] + FAR) | (rest < panel.periods[0] - FAR)
    if strange.any():
        values, counts = np.unique(rest[strange], return_counts=True)
        found = ", ".join(f"{_code_name(v)} ({c:,} units)" for v, c in zip(values, counts, strict=True))
        typed = ", ".join(_type_it(v) for v in values)
        raise RolloutError(
            f"{column!r} holds values that are no period: {found}. If they mean never treated, say so: "
            f"never={typed if len(values) == 1 else f'({typed})'}. If the date is unknown or mistyped, mend it or leave these units out."
        )
    whole = rest[np.isfinite(rest)]
    if (odd := whole != np.round(whole)).any():
        raise RolloutError(f"First treated periods in {column!r} are not whole numbers: {first_five(np.unique(whole[odd]))}.")


def _refuse_cross_section(panel: Panel) -> None:
    if panel.unit is None:
        raise RolloutError(
            "A repeated cross-section does not follow units, so nobody's treatment can be seen to change. "
            "Use the first treated period of each row's place (from_first_treated)."
        )


def _unseen_starts(panel: Panel, first: Array) -> tuple[Notice, ...]:
    """Return a remark on units not seen in the period before their first treated row: they may have started there or earlier."""
    row = np.flatnonzero(panel.periods[panel.period_index] == first[panel.unit_index])
    entered = np.r_[True, np.diff(panel.unit_index) != 0][row]
    earlier = np.where(entered, -1, panel.period_index[np.maximum(row - 1, 0)])  # where the unit was seen last
    skipped = panel.period_index[row] - earlier > 1
    if not skipped.any():
        return ()
    return (Notice("START_BETWEEN_ROWS", {"units": int(skipped.sum()), "treated_units": int(np.isfinite(first).sum())}),)


def _window_notices(panel: Panel, first: Array) -> tuple[Notice, ...]:
    last = int(panel.periods[-1])
    late = np.isfinite(first) & (first > last)
    facts: dict[str, Any] = {"units": int(late.sum()), "last_period": last}
    return (Notice("TREATED_AFTER_WINDOW", facts),) if late.any() else ()
