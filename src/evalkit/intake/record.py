"""The record of an intake: what came, what was done to it and what is open, as codes and numbers without prose."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceFile(Frozen):
    """The file as it came: its name, size and fingerprint, never its folder."""

    name: str
    bytes: int
    sha256: str
    format: str
    encoding: str | None
    sheet: str | None
    title: str | None
    notes: list[str]


class HeadingUse(Frozen):
    """One heading of the file: what became of it. ``how`` is mapped | dictionary | ignored | dropped | hashed | melted."""

    heading: str
    column: str | None
    how: str
    unit_in_file: str | None = None
    unit: str | None = None


class LedgerStep(Frozen):
    """One step of the ledger: rows in and out, how many left for which reason (with the first lines), added and combined."""

    code: str
    rows_in: int
    rows_out: int
    left: dict[str, int]
    lines: dict[str, list[int]]
    added: int
    combined: int


class FlagCount(Frozen):
    """How many cells of a column carry a flag, with the first lines."""

    column: str
    flag: str
    count: int
    lines: list[int]


class Said(Frozen):
    """A question to the owner of the data, or a remark for readers: a code, its facts and its places."""

    code: str
    facts: dict[str, Any]
    evidence: str = ""
    places: list[tuple[int | None, str | None, str | None]] = []
    count: int = 0


class MissingShare(Frozen):
    """Share of units without a value, by column and period."""

    column: str
    period: int
    share: float
    units: int


class Bin(Frozen):
    """One bin of the income histogram, in prices of the year as the poverty lines are: [low, high) holds ``count`` rows."""

    low: float
    high: float
    count: int


class PovertyLine(Frozen):
    """A poverty line of one year under one schedule, and the share of rows below it."""

    schedule: str
    year: int
    value: float
    verified: str
    below: float | None


class CodeChange(Frozen):
    """One change of code, name or area that the panel met."""

    unit: str
    kind: str
    year: int | None
    from_code: str
    from_name: str
    to_code: str
    to_name: str


class CheckRun(Frozen):
    """A plausibility check: whether it ran, and the reason where it does not apply."""

    check: str
    ran: bool
    questions: int
    reason: str | None = None
    facts: dict[str, Any] = {}


class IntakeRecord(Frozen):
    """Everything the data-quality page says, without a sentence."""

    run_id: str
    version: str
    simulated: bool
    source: SourceFile
    level: Literal["county", "village", "household"]
    unit: str
    period: str
    units: int
    periods: list[int]
    rows: int
    balanced: bool
    headings: list[HeadingUse]
    ledger: list[LedgerStep]
    flags: list[FlagCount]
    personal: dict[str, int]
    missing: list[MissingShare]
    income_column: str | None
    income: list[Bin]
    income_year: int | None
    lines: list[PovertyLine]
    income_definition: dict[str, Any] | None
    price_basis: dict[str, str]
    changes: list[CodeChange]
    checks: list[CheckRun]
    questions: list[Said]
    notices: list[Said]
