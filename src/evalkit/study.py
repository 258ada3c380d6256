"""Study: an evaluation as a type, read from a YAML file; an unknown or missing key is an error that names the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalkit.errors import StudyError, nearest
from evalkit.study_parts import Checks, Cost, Who, Words

__all__ = ["Component", "Published", "Source", "Study", "Treatment", "Words"]


class Source(BaseModel):
    """Where the data come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Words
    url: str | None = None
    licence: Words | None = None
    simulated: bool = False


class Treatment(BaseModel):
    """Who is treated from when: a column with the first year, a 0/1 column with one year for all, or a table of events."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    first_year: str | None = None
    never: tuple[float | Literal["missing", "inf"], ...] = ()
    group: str | None = None
    since: int | None = None
    events: str | None = Field(default=None, description="table of events (unit, programme, event, date), relative to the study")
    programme: str | None = Field(default=None, description="programme in the table of events")
    date: Literal["listed", "funded", "built", "moved_in"] = "funded"
    missing_date: Literal["refuse", "later_event", "any_event", "listed_untreated"] = "refuse"

    @field_validator("never", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        codes = value if isinstance(value, (list, tuple)) else [value]
        for code in codes:
            if not isinstance(code, (int, float)) and code not in ("missing", "inf"):
                raise ValueError(
                    f"a never code is a number, 'missing' or 'inf', such as [0] or [missing]; {code!r} is none of them"
                )
        return tuple(codes)

    @model_validator(mode="after")
    def _one_way(self) -> Treatment:
        ways = [self.first_year is not None, self.group is not None, self.events is not None]
        whole = (self.group is None) == (self.since is None) and (self.events is None) == (self.programme is None)
        if sum(ways) != 1 or not whole:
            raise ValueError("give either first_year (and never), or group together with since, or events together with programme")
        return self


class Published(BaseModel):
    """A figure published elsewhere that the report shows beside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    what: Words
    estimate: float
    std_error: float | None = None


KNOWN_COMPONENTS = ("wage", "business", "property", "transfer")
"""Components of income that reports have words for."""


class Component(BaseModel):
    """One part of income: its column, and what it is called where it is not wage, business, property or transfer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str
    word: Words | None = None


class Study(BaseModel):
    """One programme, one outcome, one comparison.

    Examples
    --------
    >>> from evalkit import StudyError
    >>> try:
    ...     Study.parse({"name": "x", "titel": 1})
    ... except StudyError as problem:
    ...     print(str(problem)[:64])
    The study has 13 problems: missing key 'title' (is 'titel' meant
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="short name, used for folders")
    title: Words
    programme: Words
    data: str | None = Field(default=None, description="file, relative to the study; or given at run time with --data")
    source: Source
    intake: str | None = Field(default=None, description="how the file is read (intake.yml), relative to the study")
    unit: str = Field(description="column that names the unit")
    unit_level: Literal["county", "village", "household"] | None = Field(
        default=None, description="what a unit is, where public: true"
    )
    unit_word: Words = Field(description="what a unit is: county, household")
    period: str = "year"
    outcome: str = Field(description="column of income, in money")
    outcome_word: Words
    money: Words = Words(zh="元/人·年", en="yuan per person per year")
    prices: Words = Field(description="price basis, nominal prices if not deflated")
    nominal: bool = Field(description="true when prices are not deflated")
    income_definition: Words | None = None
    income_def: str | None = Field(default=None, description="net, disposable or unknown for all years, or the column that says it")
    public: bool = Field(default=False, description="true for a report that leaves the office: cells of few households are hidden")
    scale: Literal["log", "level"] = "log"
    window: tuple[int, int]
    treatment: Treatment
    comparison: Literal["not_yet_treated", "never_treated"] = "not_yet_treated"
    anticipation: int = Field(default=0, ge=0)
    base: Literal["universal", "varying"] = "universal"
    covariates: tuple[str, ...] = ()
    covariate_words: dict[str, Words] = Field(default={}, description="what covariates are called in reports, by column")
    method: Literal["dr", "ipw", "reg"] = "dr"
    weight: str | None = None
    cluster: str | None = Field(default=None, description="column; the unit itself without it")
    county: str | None = Field(default=None, description="column with the county of each row, for reports county by county")
    county_name: str | None = Field(default=None, description="column with its name")
    unbalanced: Literal["pairwise", "drop_units", "repeated_cross_section"] | None = None
    level: float = Field(default=0.95, gt=0.5, lt=1)
    seed: int
    smallest_meaningful_percent: float = Field(
        default=3.0, gt=0, le=25, description="the smallest change worth telling, in per cent of base income"
    )
    assignment: Literal["chosen", "lottery"] = Field(default="chosen", description="lottery when chance decided who is covered")
    sample: Literal["everyone", "exited"] = Field(
        default="everyone", description="exited when the data hold only those who left poverty"
    )
    plan: str | None = Field(default=None, description="record of what is to be estimated (evalkit plan), relative to the study")
    who: Who | None = Field(default=None, description="who gains: groups and poverty lines")
    checks: Checks | None = Field(default=None, description="columns that checks of the headline need")
    cost: Cost | None = Field(default=None, description="what was spent, on how many people")
    truth: str | None = Field(default=None, description="simulated data only: key of the planted effect in truth.json")
    published: tuple[Published, ...] = ()
    components: dict[str, Component] = Field(default={}, description="parts of income that add up to the outcome: name, and column")
    self_generated: tuple[str, ...] = Field(default=(), description="components that people earn themselves")

    @field_validator("components", mode="before")
    @classmethod
    def _columns_alone(cls, value: Any) -> Any:
        """Let a component be said by its column alone."""
        if not isinstance(value, dict):
            return value
        return {name: {"column": said} if isinstance(said, str) else said for name, said in value.items()}

    @field_validator("window")
    @classmethod
    def _in_order(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] >= value[1]:
            raise ValueError(
                f"window is [first year, last year], the first before the last, such as [2013, 2020]; {list(value)} is not"
            )
        return value

    @model_validator(mode="after")
    def _known_names(self) -> Study:
        for key, names, among in (
            ("covariate_words", list(self.covariate_words), list(self.covariates)),
            ("self_generated", list(self.self_generated), list(self.components)),
        ):
            for name in names:
                if name not in among:
                    raise ValueError(f"{key} names {name!r}, which is not among {among}")
        if self.county_name is not None and self.county is None:
            raise ValueError("county_name needs county, the column with the code of each county")
        columns = [part.column for part in self.components.values()]
        if len(columns) == 1:
            raise ValueError("components has one entry; income has at least two parts that add up to it")
        if len(set(columns)) < len(columns):
            raise ValueError(f"components names a column twice: {columns}")
        if "total" in self.components:
            raise ValueError("components may not be called 'total', which is income itself")
        for name, part in self.components.items():
            if part.word is None and name not in KNOWN_COMPONENTS:
                raise ValueError(
                    f"component {name!r} has no words: write {name}: {{column: {part.column}, word: {{zh: ..., en: ...}}}}, or use one of "
                    f"{', '.join(KNOWN_COMPONENTS)}"
                )
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> Study:
        """Read a study; raises StudyError for a missing file, broken YAML, and unknown, missing or wrong keys."""
        path = Path(path)
        if not path.is_file():
            folder = path.parent if path.parent.is_dir() else Path(".")
            near = nearest(path.name, [p.name for p in folder.glob("*.y*ml")])
            raise StudyError(f"There is no study {path}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise StudyError(f"{path} is not UTF-8. Save it again with encoding UTF-8.") from None
        except yaml.YAMLError as problem:
            raise StudyError(f"{path} is not readable YAML: {problem}") from None
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: Any, where: str = "The study") -> Study:
        """Return a study from a mapping, or one StudyError that lists every problem."""
        if not isinstance(content, dict):
            raise StudyError(f"{where} must hold keys and values, such as 'name: industry'; it holds {type(content).__name__}.")
        try:
            return cls.model_validate(content)
        except ValidationError as problem:
            lines = list(dict.fromkeys(_explain(error, content) for error in problem.errors()))
            count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
            raise StudyError(f"{where} has {count}: " + "; ".join(lines) + ".") from None


def _explain(error: Any, content: Any) -> str:
    """Say in words what is wrong with one key."""
    location = [part for part in error["loc"] if isinstance(part, str)]
    key = ".".join(location) or "study"
    model: Any = Study
    for part in error["loc"][:-1]:
        content = content[part] if isinstance(content, (dict, list)) else {}
        if model is not None and part in model.model_fields:  # the name of a component or covariate is none
            model = _model_of(model.model_fields[part].annotation)
    if not location:
        return str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing" and isinstance(error["loc"][-1], int):
        return f"{key!r} has too few values: {content!r}"
    fields = list(model.model_fields) if model is not None else []  # a list of plain values has no keys
    if error["type"] == "extra_forbidden":
        close = nearest(location[-1], fields)
        return f"unknown key {key!r}" + (
            f", did you mean {' or '.join(repr(c) for c in close)}?" if close else f", allowed: {fields}"
        )
    if error["type"] == "missing":
        near = [name for name in nearest(location[-1], list(content)) if name not in fields]
        return f"missing key {key!r}" + (f" (is {near[0]!r} meant?)" if near else "")
    return f"{key!r}: {error['msg']}, not {error['input']!r}"


def _model_of(annotation: Any) -> Any:
    """Return the model inside an annotation such as ``Words | None`` or ``tuple[Published, ...]``."""
    if hasattr(annotation, "model_fields"):
        return annotation
    inside = [found for part in get_args(annotation) if (found := _model_of(part)) is not None]
    return inside[0] if inside else None
