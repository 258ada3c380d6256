"""The record of what was meant to be estimated before the outcome was read, and whether a run followed it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalkit.firm_records import NotTold, Seen
from evalkit.records import Frozen
from evalkit.study_parts import Words

SHORT = 8  # digits of a plan's number that a reader is told
COUNTS = ("units", "treated_units", "cohorts")
"""Keys of a plan that tell how many units there are."""


class PlannedGroup(Frozen):
    """A group named beforehand: those whose column holds one of the values."""

    name: str
    column: str
    values: list[str | int | float]
    word: Words


class PlannedCohort(Frozen):
    """How many units start in one year, as far as the roll-out is known."""

    year: int
    units: int


class Planned(Frozen):
    """What will be estimated: every choice that could change a figure, and nothing that is only a word for it.

    ``treatment`` holds how the start is read, ``estimators`` the headline's first, ``groups`` and ``components`` what effects are told of
    besides the average, ``checks`` the columns of checks that can move the grade. What was spent is a figure and no choice. ``periods`` are the years of the window, ``units`` and ``cohorts`` those that are known to take part.
    ``known_until`` is the last year of which outcomes were read. ``data`` are fingerprints of the columns that were read, in the rows up to
    then: the outcome, who starts when ("start"), and which units and years there are ("rows"). ``detectable`` is the smallest effect that the design shows, learned from those rows alone.
    """

    study: str
    unit: str
    period: str
    outcome: str
    income_def: str | None
    nominal: bool
    scale: Literal["log", "level"]
    window: tuple[int, int]
    treatment: dict[str, Any]
    comparison: str
    anticipation: int
    base: str
    method: str
    unbalanced: str | None
    covariates: list[str]
    weight: str | None
    cluster: str
    level: float
    seed: int
    assignment: str
    sample: str
    smallest_meaningful_percent: float
    estimators: list[str]
    groups: list[PlannedGroup]
    lines: list[str]
    registered: str | None
    just_above: float | None
    components: dict[str, str]
    checks: dict[str, list[str]] = Field(default_factory=dict)
    self_generated: list[str]
    periods: list[int]
    units: int
    treated_units: int
    cohorts: list[PlannedCohort]
    known_until: int
    data: dict[str, str]
    detectable: Seen | NotTold


class PlanRecord(Frozen):
    """A plan as it is kept in a file.

    ``hash`` is the sha256 of what is planned, the number of the plan; ``seal`` that of everything else in the file with it, the date among
    them. ``outcome_present`` says that the data held outcomes from the first start on when the plan was made: then the record
    cannot show that nobody had looked. ``periods_in_data`` are the years of the window that the data held. ``told_from`` is the smallest
    number of units that a public page tells of, absent where all counts may be told.
    """

    hash: str
    seal: str
    made_on: str
    version: str
    outcome_present: bool
    periods_in_data: list[int]
    told_from: int | None = None
    simulated: bool
    title: Words
    programme: Words
    unit_word: Words
    outcome_word: Words
    money: Words
    prices: Words
    source: Words
    covariate_words: dict[str, Words]
    planned: Planned

    @property
    def number(self) -> str:
        """The number of the plan as readers are told it."""
        return self.hash[:SHORT]


class Departure(Frozen):
    """One choice that a run made otherwise than its plan: the key, what was planned, and what was done.

    ``hidden`` says that a public report does not tell the two, which count units.
    """

    key: str
    planned: Any
    done: Any
    hidden: bool = False


class Followed(Frozen):
    """The plan of a study by its hash, and the departures from it.

    ``added`` are estimators, groups, components and checks that the plan does not hold, such as "groups.minority". ``outcome_present`` says that
    the data held outcomes from the first start on when the plan was made, so that the record cannot show that nobody had looked.
    """

    hash: str
    made_on: str
    outcome_present: bool
    departures: list[Departure] = Field(default_factory=list)
    added: list[str] = Field(default_factory=list)

    @property
    def number(self) -> str:
        """The number of the plan as readers are told it."""
        return self.hash[:SHORT]

    def without_counts(self) -> Followed:
        """Return the same for a public report: that counts of units differ is told, the counts are not."""
        told = [
            d.model_copy(update={"planned": None, "done": None, "hidden": True}) if d.key in COUNTS else d for d in self.departures
        ]
        return self.model_copy(update={"departures": told})
