"""What a plausibility check is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.errors import nearest
from evalkit.intake.observations import SHOWN, IntakeError, Observation, Place, Problem, Question
from evalkit.words import Catalogue

Array = np.ndarray[Any, Any]
SOURCES = ("wage", "business", "property", "transfer")
NAMES = ("unit", "period", "group", "region")


@dataclass(frozen=True)
class Roles:
    """Which column of a frame plays which part; a role that is None does not exist in the file.

    Attributes
    ----------
    unit, period, group, region : household, year, village, and the place above it (township, county, or interviewer)
    income : income per head in yuan per person per year
    wage, business, property, transfer : the four sources, per head or of the whole household
    total : total income of the household before costs are taken off, yuan per year
    cost : production costs of the household, yuan per year
    net : net income of the household, yuan per year
    size, members : persons of the household as stated, and as counted in the list of its members
    interviewed : income per head by another source, such as an interview
    poverty_rate : poverty rate of a village in per cent
    aggregates : totals of counties or other large places, such as GDP
    """

    unit: str | None = None
    period: str | None = None
    group: str | None = None
    region: str | None = None
    income: str | None = None
    wage: str | None = None
    business: str | None = None
    property: str | None = None
    transfer: str | None = None
    total: str | None = None
    cost: str | None = None
    net: str | None = None
    size: str | None = None
    members: str | None = None
    interviewed: str | None = None
    poverty_rate: str | None = None
    aggregates: tuple[str, ...] = ()

    def named(self) -> dict[str, str]:
        """Return the roles that exist, each with its column; aggregates are not among them."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "aggregates"}
        return {role: str(column) for role, column in given.items() if column is not None}


@dataclass(frozen=True)
class PovertyLine:
    """A poverty line: its schedule, the year, and yuan per person per year in prices of that year."""

    schedule: str
    year: int
    value: float


@dataclass(frozen=True, eq=False)
class Level:
    """Two levels of one count or sum: ``column`` of ``fine`` added up over ``key`` should be ``column`` of ``coarse``."""

    fine: pd.DataFrame = field(repr=False)
    coarse: pd.DataFrame = field(repr=False)
    key: str | tuple[str, ...]
    column: str
    tolerance: float | None = None


@dataclass(frozen=True)
class NotApplied:
    """A check that does not apply, with the code of the reason; its words stand under ``not_applied`` in both catalogues."""

    reason: str
    check: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def say(self, words: Catalogue) -> str:
        """Return the check's name and the reason as a sentence."""
        return words.say("plausibility.not_applied", check=words.say(f"plausibility_check.{self.check}"), reason=self.why(words))

    def why(self, words: Catalogue) -> str:
        """Return the reason alone; a missing role is called by its name in the reader's language."""
        roles = self.facts.get("roles")
        if not isinstance(roles, tuple):
            return words.say(f"not_applied.{self.reason}", **self.facts)
        listed = words.listing([words.say(f"plausibility_role.{role}") for role in roles])
        return words.say(f"not_applied.{self.reason}", **{**self.facts, "roles": listed})


@dataclass(frozen=True)
class Distribution(Observation):
    """How something is distributed over the file: told, not asked."""

    kind: ClassVar[str] = "distribution"


@dataclass(frozen=True)
class Ran:
    """A check that ran, and what it asks and tells; most often nothing."""

    questions: tuple[Question, ...] = ()
    distributions: tuple[Distribution, ...] = ()


Outcome = Ran | NotApplied


@dataclass(frozen=True, eq=False)
class Sheet:
    """A frame with its roles and, for each row, its line in the file.

    Raises
    ------
    IntakeError
        For a role whose column the frame has not, and for a column that should hold numbers and holds text.
    """

    frame: pd.DataFrame = field(repr=False)
    roles: Roles
    lines: Array = field(repr=False)
    poverty_lines: tuple[PovertyLine, ...] = ()
    levels: tuple[Level, ...] = ()

    def __post_init__(self) -> None:
        numeric = {r: c for r, c in self.roles.named().items() if r not in NAMES or r == "period"}
        columns = [*self.roles.named().values(), *self.roles.aggregates]
        problems = [_unknown(self.frame, column) for column in columns if column not in self.frame.columns]
        problems += [
            Problem.at("PLAUSIBILITY_TEXT", [Place(column=column)], column=column)
            for column in [*numeric.values(), *self.roles.aggregates]
            if column in self.frame.columns and not pd.api.types.is_numeric_dtype(self.frame[column])
        ]
        if len(self.lines) != len(self.frame):
            problems.append(Problem("PLAUSIBILITY_LINES", {"lines": len(self.lines), "rows": len(self.frame)}))
        if problems:
            raise IntakeError(problems)

    def column(self, role: str) -> str | None:
        """Return the column that plays a role, or None."""
        return self.roles.named().get(role)

    def missing(self, *wanted: str) -> NotApplied | None:
        """Return the reason why a check that needs these roles does not apply, or None when all exist."""
        absent = tuple(role for role in wanted if role not in self.roles.named())
        return NotApplied("ROLE_MISSING", facts={"roles": absent}) if absent else None

    def numbers(self, column: str) -> Array:
        """Return a column as (n,) floats, missing and infinite values as nan."""
        values: Array = self.frame[column].to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def codes(self, *roles: str) -> tuple[Array, list[str]]:
        """Return (n,) positions among the labels of the first of these roles that exists (-1 where blank), and the labels.

        Without any of them all rows are -1 and there is no label.
        """
        column = next((column for role in roles if (column := self.column(role))), None)
        if column is None:
            return np.full(len(self.frame), -1, dtype=np.int64), []
        positions, labels = pd.factorize(self.frame[column], sort=True)
        return positions.astype(np.int64), [str(label) for label in labels]

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The columns of the sources of income that the file has."""
        return tuple(self.roles.named()[role] for role in SOURCES if role in self.roles.named())

    @cached_property
    def follows(self) -> tuple[Array, Array]:
        """Rows (m,) and the rows (m,) of the same unit one period later."""
        unit, _ = self.codes("unit")
        period = self.numbers(self.roles.named()["period"])
        order = np.lexsort((self.lines, period, unit))
        next_year = (np.diff(unit[order]) == 0) & (np.diff(period[order]) == 1) & (unit[order][1:] >= 0)
        return order[:-1][next_year], order[1:][next_year]


def _unknown(frame: pd.DataFrame, column: str) -> Problem:
    close = ", ".join(nearest(column, [str(name) for name in frame.columns])) or "-"
    return Problem("PLAUSIBILITY_COLUMN_UNKNOWN", {"column": column, "nearest": close})


def figure(value: float, digits: int = 4) -> float:
    """Return a number to a few significant digits, so that evidence ids do not hang on the last bit.

    >>> figure(0.123456789), figure(123456.0)
    (0.1235, 123456.0)
    """
    return float(value) if value == round(value) else float(f"{value:.{digits}g}")


def places(lines: Array, column: str, rows: Array) -> list[Place]:
    """Return the first five places of the rows (m,) in the order of the file; no value is named."""
    return [Place(line=int(line), column=column) for line in np.sort(lines[rows])[:SHOWN]]


def ask(code: str, lines: Array, column: str, rows: Array, /, **facts: object) -> Question:
    """Return a question about some rows (m,) of a column: all are counted, the first five placed."""
    return Question(code, {"column": column, **facts}, tuple(places(lines, column, rows)), len(rows))


def gathered(questions: Iterable[Sequence[Question]]) -> tuple[Question, ...]:
    """Return questions of several places in one tuple."""
    return tuple(question for some in questions for question in some)
