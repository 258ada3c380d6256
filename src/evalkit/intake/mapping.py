"""Mapping: how one file is to be read, as a type; written once per kind of file and kept beside the study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from evalkit.errors import nearest
from evalkit.intake.income_definition import definition_meant
from evalkit.intake.observations import IntakeError, Place, Problem
from evalkit.intake.personal_patterns import safe

Level = Literal["county", "village", "household"]

# How the names of pydantic's errors begin, and what to say of a value.
WRONG = {
    "int": "MAPPING_NOT_A_NUMBER",
    "float": "MAPPING_NOT_A_NUMBER",
    "tuple": "MAPPING_NOT_A_LIST",
    "model": "MAPPING_NOT_ENTRIES",
    "dict": "MAPPING_NOT_ENTRIES",
    "string": "MAPPING_NOT_TEXT",
    "bool": "MAPPING_NOT_YES_NO",
}

SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:|[A-Za-z]:)(.+)")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRule(_Frozen):
    """What one heading of the file means: a column of the dictionary, or ``as`` a column of the user's own."""

    name: str
    unit: str | None = Field(default=None, description="unit of the values in the file, where the file does not say it")
    income_def: Literal["net", "disposable", "unknown"] | None = Field(default=None, description="or 纯收入, 可支配收入, 口径不详")
    kind: Literal["text", "number", "year", "code"] | None = Field(default=None, description="for columns of one's own")

    @field_validator("income_def", mode="before")
    @classmethod
    def _meant(cls, value: Any) -> Any:
        """Take a word for the definition it means; what means none is refused with the words that are allowed."""
        return definition_meant(value) or value if isinstance(value, str) else value


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
    url: str | None = Field(
        default=None, exclude=True, repr=False, description="address; kept out of every record, for its password"
    )
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
        """Take ``heading: name`` for ``heading: {name: name}``, and a ``columns:`` with nothing below it for an empty one."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        return {str(heading): {"name": rule} if isinstance(rule, str) else rule for heading, rule in value.items()}

    @model_validator(mode="after")
    def _two_columns(self) -> Mapping:
        """Refuse a panel whose unit is its year: it would have one row a unit and compare nothing."""
        if self.unit == self.period:
            raise PydanticCustomError("unit_is_period", "unit and period are the same column")
        return self

    @classmethod
    def from_yaml(cls, path: str | Path) -> Mapping:
        """Read a mapping; raises IntakeError for a missing file, broken YAML, and unknown, missing or wrong keys."""
        path = Path(path)
        if not path.is_file():
            near = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")]) if path.parent.is_dir() else []
            raise IntakeError(Problem("NO_MAPPING", {"file": path.name, "nearest": ", ".join(near) or "—"}))
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise IntakeError(Problem("MAPPING_NOT_UTF8", {"file": path.name})) from None
        except yaml.YAMLError as problem:
            # Only the line: the parser quotes the text around it, which may be the address of a database with its password.
            mark = getattr(problem, "problem_mark", None)
            places = [Place(mark.line + 1)] if mark else []
            raise IntakeError(Problem.at("UNREADABLE_MAPPING", places, file=path.name)) from None
        return cls.parse(_beside(content, path.parent) if content is not None else {}, path.name)

    @classmethod
    def parse(cls, content: Any, where: str = "intake.yml") -> Mapping:
        """Return a mapping from keys and values, or one IntakeError that lists every problem."""
        if not isinstance(content, dict):
            raise IntakeError(Problem("MAPPING_WITHOUT_KEYS", {"file": where}))
        try:
            return cls.model_validate(content)
        except ValidationError as problem:
            raise IntakeError([_problem(error, where) for error in problem.errors()]) from None


def _beside(content: Any, folder: Path) -> Any:
    """Return the content of a mapping with the file of an SQLite address counted from the mapping's own folder, like every other."""
    said = content.get("database") if isinstance(content, dict) else None
    if not isinstance(said, dict) or (found := SQLITE_FILE.fullmatch(str(said.get("url")))) is None:
        return content
    start, file = found.groups()
    return {**content, "database": {**said, "url": f"{start}{(folder / file).resolve().as_posix()}"}}


def _problem(error: Any, where: str) -> Problem:
    """Say which key of a mapping is wrong."""
    key = ".".join(str(part) for part in error["loc"])
    kind = str(error["type"])
    if kind == "unit_is_period":
        return Problem("UNIT_IS_PERIOD", {"file": where})
    if kind == "extra_forbidden":
        models: dict[str, Any] = {"columns": ColumnRule, "counties": Counties, "prices": Prices, "database": Database}
        model = models.get(str(error["loc"][0]), Mapping) if len(error["loc"]) > 1 else Mapping
        fields = list(model.model_fields)
        close = nearest(str(error["loc"][-1]), fields) or fields
        return Problem("UNKNOWN_MAPPING_KEY", {"file": where, "entry": key, "nearest": ", ".join(close)})
    if kind == "missing":
        return Problem("MISSING_MAPPING_KEY", {"file": where, "entry": key})
    # What stands under database may hold a password, and anything a slip of the pen has put in the wrong place a personal number.
    value = "…" if error["loc"][0] == "database" else safe(str(error["input"]))[:60]
    said = {"file": where, "entry": key, "value": value}
    if kind == "literal_error":
        return Problem("MAPPING_NOT_ALLOWED", {**said, "allowed": ", ".join(re.findall(r"'([^']+)'", error["ctx"]["expected"]))})
    return Problem(next((code for start, code in WRONG.items() if kind.startswith(start)), "WRONG_MAPPING_VALUE"), said)
