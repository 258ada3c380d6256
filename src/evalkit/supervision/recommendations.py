"""What may be recommended and what is asked on the next visit: rules of a table, by verdict, grade and what the findings remark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from evalkit.codes import lines_of, table
from evalkit.errors import ReportError, unknown
from evalkit.findings import Described, Findings
from evalkit.places import shared
from evalkit.supervision.brief_records import Proposal

TABLE = "data/codes/recommendations.csv"
SOURCES = ("verdict", "refusal", "reason", "unknown", "remark")
UNRECORDED = "unrecorded"
CARRIED = ("gain", "loss", "small_change")
"""Verdicts that a recommendation may rest on."""
ENOUGH = ("A", "B", "C")
"""Grades that a recommendation may rest on."""


@dataclass(frozen=True)
class Rule:
    """One row of the table: for which verdicts and grades, on what, and the code of its sentence."""

    kind: str
    verdicts: frozenset[str]
    grades: frozenset[str]
    on: str
    code: str

    def is_for(self, verdict: str, grade: str) -> bool:
        """Return whether the rule is for a verdict and a grade."""
        return (not self.verdicts or verdict in self.verdicts) and (not self.grades or grade in self.grades)


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules of data/codes/recommendations.csv, in order.

    Raises
    ------
    ReportError
        For a row that recommends below grade C or beside a verdict that carries nothing, and for an unknown kind or source; it names
        the line.

    Example
    -------
    >>> {rule.code for rule in rules() if rule.kind == "recommend" and "C" in rule.grades and not rule.on} >= {"look_again_first"}
    True
    """
    rows = table("recommendations")
    lines = lines_of(shared(*TABLE.split("/")), len(rows))
    return tuple(_rule(f"{TABLE}, line {line}: ", row) for line, row in zip(lines, rows.to_dict("records"), strict=True))


def _rule(at: str, row: dict[Any, Any]) -> Rule:
    verdicts, grades = (frozenset(row[name].split("|")) - {""} for name in ("verdict", "grade"))
    if row["kind"] not in ("recommend", "ask"):
        raise ReportError(at + unknown("kind", row["kind"], ("recommend", "ask")))
    if row["kind"] == "recommend" and (not verdicts or not grades or verdicts - set(CARRIED) or grades - set(ENOUGH)):
        raise ReportError(
            f"{at}a recommendation rests on one of the verdicts {', '.join(CARRIED)} with a grade of {', '.join(ENOUGH)}; anything else is "
            "a question. Name both, or change the kind to ask."
        )
    if row["kind"] == "ask" and row["on"].partition(":")[0] not in SOURCES:
        raise ReportError(at + unknown("source of a question", row["on"], SOURCES))
    return Rule(row["kind"], verdicts, grades, row["on"], row["code"])


def recommendations(findings: Findings | Described, run: int) -> list[Proposal]:
    """Return what the findings of a run carry as recommendations: nothing below grade C, and nothing without a verdict."""
    verdict, grade = str(findings.verdict), letter(findings)
    if isinstance(findings, Described) or verdict not in CARRIED or grade not in ENOUGH:
        return []
    moved = moved_most(findings)
    chosen = [rule for rule in rules() if rule.kind == "recommend" and rule.is_for(verdict, grade) and rule.on in ("", moved)]
    evidence = {"": "headline.money", moved: "components.rows"}
    return _once(Proposal(code=rule.code, run=run, evidence=f"runs[{run}].findings.{evidence[rule.on]}") for rule in chosen)


def questions(findings: Findings | Described, run: int) -> list[Proposal]:
    """Return what the next visit should ask, each with the result it comes from."""
    verdict, grade = str(findings.verdict), letter(findings)
    seen = _seen(findings)
    chosen = [rule for rule in rules() if rule.kind == "ask" and rule.is_for(verdict, grade) and rule.on in seen]
    return _once(Proposal(code=rule.code, run=run, evidence=f"runs[{run}].findings.{seen[rule.on]}") for rule in chosen)


def _seen(findings: Findings | Described) -> dict[str, str]:
    """Return what questions may come from, each with the path of its result."""
    found = {"verdict": "verdict"}
    found |= {f"refusal:{refusal.code}": f"refusals[{place}]" for place, refusal in enumerate(findings.refusals)}
    if findings.grade is not None:
        found |= {f"reason:{reason.rule}": f"grade.reasons[{place}]" for place, reason in enumerate(findings.grade.reasons)}
        found |= {f"unknown:{family}": f"grade.unknown[{place}]" for place, family in enumerate(findings.grade.unknown)}
    for name in ("warnings", "remarks"):
        found |= {f"remark:{remark.code}": f"{name}[{place}]" for place, remark in enumerate(getattr(findings, name))}
    return found


def _once(proposals: Iterator[Proposal]) -> list[Proposal]:
    """Return each code once, with the first of the results it comes from."""
    made: dict[str, Proposal] = {}
    for proposal in proposals:
        made.setdefault(proposal.code, proposal)
    return list(made.values())


def letter(findings: Findings | Described) -> str:
    """Return the letter of the grade; findings without a causal figure have N, and those of an older version may have none."""
    if findings.grade is not None:
        return findings.grade.letter
    return "N" if isinstance(findings, Described) else UNRECORDED


def moved_most(findings: Findings) -> str:
    """Return the component of income that carries most of the change in the direction of the total, nothing where none is told."""
    if findings.components is None:
        return ""
    *parts, total = findings.components.rows
    sign = 1 if total.effect.estimate >= 0 else -1
    largest = max(parts, key=lambda row: sign * row.effect.estimate, default=None)
    return "" if largest is None or sign * largest.effect.estimate <= 0 else largest.name
