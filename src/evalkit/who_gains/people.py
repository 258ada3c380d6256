"""Who is who among households: on the register, covered, near-poor off the register, and the lines that tell the near-poor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import StudyError, first_five, unknown
from evalkit.intake.poverty_lines import known_lines
from evalkit.study import Study

Array = np.ndarray[Any, Any]

YEARS = 2  # years that an income at the start or at the end is the mean of, so that one bad year is no poverty


def line_of(schedule: str, years: Iterable[int]) -> dict[int, float]:
    """Return the line of every year that has one, in yuan per person per year.

    >>> line_of("statistical", [2019, 2020])
    {2019: 3218.0}
    """
    lines = known_lines()
    own = lines[lines["schedule"] == schedule]
    values = dict(zip(own["year"].astype(int), own["value"].astype(float), strict=True))
    return {int(year): float(values[int(year)]) for year in years if int(year) in values}


def years_before(design: Design) -> list[int]:
    """Return the last years before anybody starts, at most two."""
    first = min(Comparison.of(design).cohorts) - design.anticipation
    return [int(year) for year in design.periods[design.periods < first][-YEARS:]]


def on_register(study: Study, design: Design) -> Array | None:
    """Return (N,) 1 for units on the register in the last year before anybody starts in which they are seen, 0 for others.

    Not a number where no entry is known until then; None where the study names no register.

    Raises
    ------
    StudyError
        For a column that is not there, and for one that holds something else than 0 and 1.
    """
    if study.who is None or study.who.registered is None:
        return None
    column = study.who.registered
    if column not in design.panel.frame:
        raise StudyError("who.registered: " + unknown("column", column, [str(c) for c in design.panel.frame.columns]))
    values = design.values(column)
    if (odd := ~np.isin(values, [0, 1]) & ~np.isnan(values)).any():
        raise StudyError(
            f"who.registered: {column!r} must be 1 (on the register) or 0; it also holds {first_five(np.unique(values[odd]))}."
        )
    early = (design.periods[design.period_index] <= years_before(design)[-1]) & ~np.isnan(values)
    found = np.full(len(design.units), np.nan)
    found[design.unit_index[early]] = values[early]  # rows are in the order of years: the last one stays
    return found


@dataclass(frozen=True)
class Ends:
    """Incomes at both ends: means over ``start_years`` and ``end_years`` of each unit (N,), not a number where it is not seen.

    ``covered`` marks units that started between the two, ``open`` those not covered by the end of the window; the rest did neither.
    """

    start_years: list[int]
    end_years: list[int]
    start: Array
    end: Array
    covered: Array
    open: Array


def ends_of(study: Study, design: Design) -> Ends:
    """Return the incomes of units before anybody starts and at the end of the window."""
    start_years = years_before(design)
    end_years = [int(year) for year in design.periods[-YEARS:] if year > start_years[-1]]
    income = design.values(study.outcome)
    covered = (design.cohort > start_years[-1]) & (design.cohort <= end_years[0])
    start, end = (mean_in(design, income, years) for years in (start_years, end_years))
    return Ends(start_years, end_years, start, end, covered, np.isinf(design.cohort))


def mean_in(design: Design, values: Array, years: list[int]) -> Array:
    """Return (N,) each unit's mean of (n,) values in some years, not a number where none is seen."""
    seen = np.isin(design.periods[design.period_index], years) & ~np.isnan(values)
    count = np.bincount(design.unit_index[seen], minlength=len(design.units))
    total = np.bincount(design.unit_index[seen], values[seen], len(design.units))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def over_line(design: Design, income: Array, line: dict[int, float], years: list[int]) -> Array:
    """Return (N,) each unit's mean income over the line of the same year, in years that have one: 1.2 is a fifth above it."""
    when = design.periods[design.period_index]
    values = np.array([line.get(int(year), np.nan) for year in design.periods])[design.period_index]
    return mean_in(design, income / values, [year for year in years if year in line and year in when])


def with_columns(design: Design, columns: dict[str, Array]) -> Design:
    """Return the design with more columns, given in the order of all rows of the panel, not only of those used."""
    panel = design.panel
    frame = panel.frame if panel.order is None else panel.frame.iloc[panel.order].reset_index(drop=True)
    wider = replace(panel, frame=frame.assign(**columns))
    return replace(design, panel=wider)
