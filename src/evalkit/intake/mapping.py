"""Mapping: how one file is to be read, as a type; written once per kind of file and kept beside the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evalkit.errors import nearest
from evalkit.intake.observations import IntakeError, Problem

Level = Literal["county", "village", "household"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRule(_Frozen):
    """What one heading of the file means: a column of the dictionary, or ``as`` a column of the user's own."""

    name: str
    unit: str | None = Field(default=None, description="unit of the values in the file, where the file does not say it")
    income_def: Literal["net", "disposable", "unknown"] | None = None
    kind: Literal["text", "number", "year", "code"] | None = Field(default=None, description="for columns of one's own")


class Counties(_Frozen):
    """How counties are followed through changes of code, name and area."""

    history: str | None = Field(
        default=None, description="file of code changes, relative to the mapping; the shipped sample without it"
    )
    to_year: int
    rule: dict[str, str] = Field(default_factory=dict, description="column -> sum | mean by COLUMN | same | drop")


class Prices(_Frozen):
    """How money is deflated."""

    base_year: int
    index: str | None = Field(
        default=None, description="price index file, relative to the mapping; the shipped national one without it"
    )
    series: Literal["rural_cpi", "cpi", "supplied"] = Field(
        default="supplied", description="what the index file measures, for captions"
    )
    area: str | None = Field(default=None, description="column with the county or province code; national index without it")
    fallback: Literal["national"] | None = None


class Database(_Frozen):
    """A query instead of a file; the address may stand in an environment variable, so that no password is written down."""

    query: str
    url: str | None = None
    url_variable: str = "EVALKIT_DATABASE"


class Mapping(_Frozen):
    """How one kind of file becomes a panel.

    Examples
    --------
    >>> mapping = Mapping.parse({"level": "county", "unit": "county_code", "columns": {"农民收入": "income_pc"}})
    >>> mapping.columns["农民收入"].name
    'income_pc'
    """

    level: Level = "county"
    unit: str = Field(default="county_code", description="column that names the unit")
    period: str = "year"
    columns: dict[str, ColumnRule] = Field(default_factory=dict, description="heading in the file -> column")
    ignore: tuple[str, ...] = Field(default=(), description="headings that are not needed")
    synonyms: str | None = Field(default=None, description="table of further synonyms, relative to the mapping")
    sheet: str | None = None
    encoding: str | None = None
    header_lines: tuple[int, ...] | None = None
    year: int | None = Field(default=None, description="the year of all rows, where no column says it")
    year_means: Literal["data", "edition"] = Field(
        default="data", description="edition: a yearbook's year, one later than its data"
    )
    missing_codes: tuple[float, ...] = Field(default=(), description="numbers that mean missing, such as -8")
    unreadable: Literal["refuse", "missing"] = Field(default="refuse", description="what becomes of cells that are no numbers")
    income_def: str | None = Field(default=None, description="net, disposable or unknown for the whole file, or a column")
    personal: dict[str, Literal["drop", "hash", "mask"]] = Field(default_factory=dict, description="heading -> what to do with it")
    salt_file: str | None = Field(default=None, description="file with the salt for hashing, relative to the mapping; never shared")
    counties: Counties | None = None
    prices: Prices | None = None
    database: Database | None = None
    simulated: bool = False

    @field_validator("columns", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Take ``heading: name`` for ``heading: {name: name}``."""
        if not isinstance(value, dict):
            return value
        return {str(heading): {"name": rule} if isinstance(rule, str) else rule for heading, rule in value.items()}

    @classmethod
    def from_yaml(cls, path: str | Path) -> Mapping:
        """Read a mapping; raises IntakeError for a missing file, broken YAML, and unknown, missing or wrong keys."""
        path = Path(path)
        if not path.is_file():
            near = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")]) if path.parent.is_dir() else []
            raise IntakeError(Problem("NO_MAPPING", {"file": path.name, "nearest": ", ".join(near) or "—"}))
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, yaml.YAMLError) as problem:
            raise IntakeError(
                Problem("UNREADABLE_MAPPING", {"file": path.name, "reason": " ".join(str(problem).split())})
            ) from None
        return cls.parse(content if content is not None else {}, path.name)

    @classmethod
    def parse(cls, content: Any, where: str = "intake.yml") -> Mapping:
        """Return a mapping from keys and values, or one IntakeError that lists every problem."""
        if not isinstance(content, dict):
            raise IntakeError(Problem("UNREADABLE_MAPPING", {"file": where, "reason": f"{type(content).__name__}"}))
        try:
            return cls.model_validate(content)
        except ValidationError as problem:
            raise IntakeError([_problem(error, where) for error in problem.errors()]) from None


def _problem(error: Any, where: str) -> Problem:
    """Say which key of a mapping is wrong."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        models: dict[str, Any] = {"columns": ColumnRule, "counties": Counties, "prices": Prices, "database": Database}
        model = models.get(str(error["loc"][0]), Mapping) if len(error["loc"]) > 1 else Mapping
        fields = list(model.model_fields)
        close = nearest(str(error["loc"][-1]), fields) or fields
        return Problem("UNKNOWN_MAPPING_KEY", {"file": where, "key": key, "nearest": ", ".join(close)})
    if error["type"] == "missing":
        return Problem("MISSING_MAPPING_KEY", {"file": where, "key": key})
    return Problem("WRONG_MAPPING_VALUE", {"file": where, "key": key, "value": repr(error["input"])[:60], "reason": error["msg"]})
