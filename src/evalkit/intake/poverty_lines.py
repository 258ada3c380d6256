"""Poverty lines: two schedules exist and neither is chosen for the reader; each line says where it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.errors import nearest
from evalkit.intake.dated_tables import dated_table, problem_at, said_years, years_of
from evalkit.intake.observations import IntakeError, Problem
from evalkit.panel import Array
from evalkit.places import shared
from evalkit.words import catalogue

SCHEDULES = ("statistical", "registry")
PLAUSIBLE_LINE = (300.0, 60_000.0)  # yuan per person per year: what rural income per head can be at all


@dataclass(frozen=True, eq=False)
class PovertyLine:
    """A poverty line by year, in yuan per person per year, current prices.

    Attributes
    ----------
    schedule : name of the line
    years : (k,) years, in the order they were asked for
    values : (k,) yuan per person per year, in prices of each year
    verified : (k,) "yes" (read in the publication), "secondary" (read in a text that quotes it), "no" (not read)
    sources : (k,) where each value was read
    """

    schedule: str
    years: Array
    values: Array
    verified: tuple[str, ...]
    sources: tuple[str, ...] = field(repr=False)

    def name(self, lang: str) -> str:
        """Return what the line is called."""
        return schedule_name(self.schedule, lang)

    def cautions(self, lang: str) -> tuple[str, ...]:
        """Return a sentence for the years that nobody verified, and one for those read second-hand; none when all are verified."""
        words = catalogue(lang)
        said = []
        for key, state in (("unverified", "no"), ("secondary", "secondary")):
            if years := [int(year) for year, read in zip(self.years, self.verified, strict=True) if read == state]:
                spans = said_years(years, words.say("language.separator"), words.say("poverty_line.to"))
                said.append(words.say(f"poverty_line.{key}", line=self.name(lang), years=spans))
        return tuple(said)


@dataclass(frozen=True, eq=False)
class Headcount:
    """The share of people below each poverty line.

    Attributes
    ----------
    table : one row per schedule and year that has a line: schedule, year, line (yuan per person per year), verified,
        rows (with an income), missing (rows without one), people (sum of weights), below (people below), share (below / people)
    without_line : schedule -> years of the data for which it has no line
    without_income : years in which no row has an income and a positive weight
    """

    table: pd.DataFrame
    without_line: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    without_income: tuple[int, ...] = ()


def poverty_line(schedule: str, years: Iterable[int], extra: str | Path | None = None) -> PovertyLine:
    """Return a poverty line for the years asked for.

    Parameters
    ----------
    schedule : "statistical" | "registry", or one of the user's file
    years : calendar years
    extra : a file with the columns schedule, year, value, source, verified, for provincial lines

    Raises
    ------
    IntakeError
        For an unknown schedule, years without a line, and a file that cannot be used.

    Examples
    --------
    >>> poverty_line("statistical", [2011, 2012]).values.tolist()
    [2536.0, 2625.0]
    """
    lines = known_lines(extra)
    of_schedule = lines[lines["schedule"] == schedule].set_index("year")
    if of_schedule.empty:
        names = list(dict.fromkeys(lines["schedule"]))
        close = nearest(schedule, names)
        raise IntakeError(
            Problem("POVERTY_LINE_SCHEDULE", {"schedule": schedule, "allowed": ", ".join(dict.fromkeys([*close, *names]))})
        )
    wanted = [int(year) for year in years]
    if absent := [year for year in wanted if year not in of_schedule.index]:
        facts = {"schedule": schedule, "years": said_years(absent), "covered": said_years(of_schedule.index.tolist())}
        raise IntakeError(Problem("POVERTY_LINE_YEARS", facts, count=len(set(absent))))
    rows = of_schedule.loc[wanted]
    values = rows["value"].to_numpy(dtype=float)
    return PovertyLine(schedule, np.array(wanted, dtype=np.int64), values, tuple(rows["verified"]), tuple(rows["source"]))


def known_lines(extra: str | Path | None = None) -> pd.DataFrame:
    """Return all lines: schedule, year, value, source, verified; the shipped ones and those of a file of the same shape.

    Raises IntakeError for a file that cannot be used, or that gives a shipped schedule another value in the same year.
    """
    shipped = _read(shared("data", "codes", "poverty_lines.csv"))
    if extra is None:
        return shipped
    own = _read(Path(extra))
    have = set(zip(shipped["schedule"], shipped["year"].tolist(), strict=True))
    clash = np.array([pair in have for pair in zip(own["schedule"], own["year"].tolist(), strict=True)], dtype=bool)
    if clash.any():
        lines = own["line"].to_numpy()
        raise IntakeError(problem_at("POVERTY_LINE_SHIPPED", clash, "schedule", own["schedule"], lines, file=Path(extra).name))
    return pd.concat([shipped, own], ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    return dated_table(path, "schedule", "value", PLAUSIBLE_LINE, "POVERTY_LINE")


def schedule_name(schedule: str, lang: str) -> str:
    """Return what a schedule is called; a user's own schedule goes by the name in the file.

    >>> schedule_name("registry", "zh")
    '建档立卡退出标准'
    """
    words = catalogue(lang)
    return words.say(f"poverty_line.{schedule}") if schedule in SCHEDULES else words.say("poverty_line.own", schedule=schedule)


def below_line(
    income: Array,
    year: Array,
    weights: Array | None = None,
    *,
    schedules: Sequence[str] = SCHEDULES,
    extra: str | Path | None = None,
) -> Headcount:
    """Return the share of people whose income is below each line, strictly, by schedule and year.

    Parameters
    ----------
    income : (n,) yuan per person per year in current prices, as the lines are; NaN is left out and counted
    year : (n,) calendar years
    weights : (n,) people that a row stands for; every row counts one without them
    schedules : the lines to compare with
    extra : a file with further lines, as in ``poverty_line``

    Raises
    ------
    IntakeError
        For arrays of different lengths, unreadable years, weights that are missing or negative, and an unknown schedule.

    Examples
    --------
    >>> import numpy as np
    >>> found = below_line(np.array([2700.0, 2900.0, 5000.0, 2967.0]), np.array([2014, 2014, 2015, 2015]))
    >>> found.table[["schedule", "year", "line", "share"]].to_numpy().tolist()
    [['statistical', 2014, 2800.0, 0.5], ['statistical', 2015, 2855.0, 0.0], ['registry', 2014, 2800.0, 0.5], ['registry', 2015, 2968.0, 0.5]]
    """
    income = np.asarray(income, dtype=float)
    people = np.ones(len(income)) if weights is None else np.asarray(weights, dtype=float)
    year = _judged_years(income, np.asarray(year), people)
    known = known_lines(extra)
    present, which = np.unique(year, return_inverse=True)
    counts = _counts(income, people, which, len(present))
    empty = counts["people"] == 0
    rows, without = [], {}
    for schedule in schedules:
        covered = set(known.loc[known["schedule"] == schedule, "year"])
        has = np.array([int(y) in covered for y in present], dtype=bool)
        line = poverty_line(schedule, present[has], extra)
        values = np.full(len(present), np.nan)
        values[has] = line.values
        below = np.bincount(which, people * (income < values[which]), minlength=len(present))
        state = dict(zip(line.years.tolist(), line.verified, strict=True))
        used = has & ~empty
        rows.append(_rows(schedule, present, values, state, counts, below)[used])
        if not has.all():
            without[schedule] = tuple(int(y) for y in present[~has])
    return Headcount(pd.concat(rows, ignore_index=True), without, tuple(int(y) for y in present[empty]))


def _judged_years(income: Array, year: Array, people: Array) -> Array:
    """Return the years as whole numbers, after checking that the three arrays can be used together."""
    lengths = (len(income), len(year), len(people))
    if len(set(lengths)) > 1:
        raise IntakeError(Problem("POVERTY_LINE_LENGTHS", {"lengths": ", ".join(f"{n:,}" for n in lengths)}))
    if bad := int((~np.isfinite(people) | (people < 0)).sum()):
        raise IntakeError(Problem("POVERTY_LINE_WEIGHTS", count=bad))
    return years_of(pd.DataFrame({"year": year}), "year")


def _counts(income: Array, people: Array, which: Array, periods: int) -> dict[str, Array]:
    """Return (periods,) rows with an income, rows without one, and people with an income."""
    seen = ~np.isnan(income)
    return {
        "rows": np.bincount(which[seen], minlength=periods),
        "missing": np.bincount(which[~seen], minlength=periods),
        "people": np.bincount(which[seen], people[seen], minlength=periods),
    }


def _rows(
    schedule: str, present: Array, values: Array, state: Mapping[int, str], counts: dict[str, Array], below: Array
) -> pd.DataFrame:
    verified = [state.get(int(year), "") for year in present]
    frame = pd.DataFrame({"schedule": schedule, "year": present, "line": values, "verified": verified, **counts, "below": below})
    return frame.assign(share=frame["below"] / frame["people"].where(frame["people"] > 0))
