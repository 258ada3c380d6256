"""The robustness dossier as records: each check with its statistics, its verdict, and where it came from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evalkit.findings import Findings
from evalkit.records import Frozen, Interval, Remark

Passed = Literal["pass", "doubt", "fail", "not_applicable"]


class Line(Frozen):
    """One line of the tables of a check: what it is called, and its numbers.

    ``name`` is a part of the check and a code, such as "bacon.earlier_later": lines of one part make one table. What the study names
    itself stands in ``words``: "zh" and "en", or "column"; so do "said" (the words of a refusal) and the choices of a specification.
    ``reason`` is the code of why there is no effect, or no range.
    """

    name: str
    effect: Interval | None = None
    numbers: dict[str, float | int | None] = Field(default_factory=dict)
    words: dict[str, str] = Field(default_factory=dict)
    reason: str = ""


class Check(Frozen):
    """One check of the dossier.

    ``rule`` is R1 to R23; ``statistic`` a coded sentence with the numbers it quotes; ``because`` the coded reason of a verdict that
    is not a pass; ``lines`` the numbers behind it, in the outcome's unit unless their catalogue entry says otherwise; ``made_by`` the
    public function that made it. ``remarks`` are told whatever the verdict is; ``draws`` are estimates under other assignments, for a
    picture of them.
    """

    rule: str
    name: str
    verdict: Passed
    statistic: Remark
    because: Remark | None = None
    lines: list[Line] = Field(default_factory=list)
    made_by: str
    remarks: list[Remark] = Field(default_factory=list)
    draws: list[float] = Field(default_factory=list)


class Dossier(Frozen):
    """All checks of one study in order, with the findings they are about."""

    findings: Findings
    checks: list[Check]
