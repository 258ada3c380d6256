"""Parts of a study that a question beyond the headline needs: who gains, which checks, and what the money bought."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Part(BaseModel):
    """A part of a study: frozen, with nothing in it that has no name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(Part):
    """One expression in both languages."""

    zh: str
    en: str


class Group(Part):
    """One group of units named before the outcome is read: those whose column holds one of the values."""

    column: str = Field(description="column of the group, fixed before the programme")
    values: tuple[str | int | float, ...] = Field(min_length=1, description="values of the column that belong to the group")
    word: Words

    @field_validator("values", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, (list, tuple)) else (value,)


class Who(Part):
    """Who gains: groups named before the outcome is read, and the poverty lines.

    ``registered`` is the column of those on the register (1) and not (0), read in the last year before anybody starts: those off it
    just above the line are the 边缘户. ``place`` is the column of the village in which households are neighbours.
    """

    groups: dict[str, Group] = {}
    place: str | None = Field(
        default=None, description="column of the village in which households are neighbours; the cluster without it"
    )
    lines: tuple[Literal["statistical", "registry"], ...] = ("statistical", "registry")
    registered: str | None = None
    just_above: float = Field(
        default=1.5, gt=1, le=3, description="near-poor: an income before the start below this multiple of the line"
    )

    @model_validator(mode="after")
    def _something_asked(self) -> Who:
        if not self.groups and not self.lines:
            raise ValueError("who asks for nothing: name groups, or lines such as [statistical, registry]")
        if len(set(self.lines)) < len(self.lines):
            raise ValueError(f"who.lines names a line twice: {list(self.lines)}")
        return self


class Checks(Part):
    """Columns that checks of the headline need and the headline itself does not.

    ``same_place`` tells which untreated units are near treated ones; ``regions`` are levels above the cluster, left out one by one
    and used as clusters too; ``untouched`` are outcomes that the programme cannot move; ``intensity`` is the yearly dose;
    ``other_programmes`` are columns with the first year of other programmes (0 or missing: never).
    """

    same_place: str | None = None
    coordinates: tuple[str, str] | None = Field(default=None, description="columns of longitude and latitude, in degrees")
    regions: tuple[str, ...] = ()
    untouched: dict[str, Words] = {}
    intensity: str | None = None
    other_programmes: dict[str, Words] = {}
    second_comparison: str | None = Field(
        default=None, description="0/1 column: never covered units that are a second, independent comparison"
    )
    draws: int = Field(default=500, ge=99, le=9999, description="random assignments of a placebo")


class Spent(Part):
    """What was spent on the programme, in yuan: the best figure and the range it may lie in."""

    total: float = Field(gt=0, allow_inf_nan=False, description="public money over the window, yuan")
    low: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    high: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Spent:
        low, high = self.low or self.total, self.high or self.total
        if not low <= self.total <= high:
            raise ValueError(f"low {low:g}, total {self.total:g} and high {high:g} do not follow each other: low <= total <= high")
        return self


class Cost(Part):
    """What the money bought: public money, whom it reached, and how it is counted.

    ``people`` is the number of persons covered, or the column with the persons of each unit. ``discount_rate`` brings gains of later
    years to the first; ``transfers`` says whether payments to households count as a cost.
    """

    spent: Spent
    people: float | str = Field(description="persons covered, or the column with the persons of each unit")
    transfers: Literal["counted", "left_out"] = "counted"
    discount_rate: float = Field(default=0.03, ge=0, lt=0.5)
    lasting_years: int = Field(default=5, ge=1, le=30, description="years over which a yearly gain is counted")
    source: Words

    @field_validator("people", mode="before")
    @classmethod
    def _some(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if (number and 0 < value < float("inf")) or (isinstance(value, str) and value):
            return value
        raise ValueError("people is the number of persons covered, above zero, such as 52000, or a column such as persons")
