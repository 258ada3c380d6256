"""The evidence grade: a pure function of recorded facts, by rules in a table that a reader can argue with."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from evalkit.codes import lines_of, table
from evalkit.errors import EvalkitError, nearest, unknown
from evalkit.grade_records import Evidence, Grade, Letter, Reason
from evalkit.places import shared

TABLE = "data/codes/grade_rules.csv"
LETTERS: tuple[Letter, ...] = ("A", "B", "C", "D")
KINDS = ("ceiling", "down", "cap", "up")
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
CONDITION = re.compile(r"(?P<fact>\w+)\s*(?:(?P<is>is missing)|(?P<sign><=|>=|<|>|=)\s*(?P<limit>\S+))")

Holds = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Condition:
    """One comparison of a fact with a limit; without a sign it asks whether the fact is missing."""

    fact: str
    sign: str
    limit: float | str | bool | None

    def holds(self, evidence: Evidence) -> Holds:
        """Return whether the condition holds for some evidence; what rests on a fact that is missing is not known."""
        value = getattr(evidence, self.fact)
        if not self.sign:
            return "yes" if value is None else "no"
        if value is None:
            return "unknown"
        return "yes" if COMPARED[self.sign](value, self.limit) else "no"


@dataclass(frozen=True)
class Rule:
    """One row of the table of rules: all its conditions must hold."""

    name: str
    kind: Literal["ceiling", "down", "cap", "up"]
    conditions: tuple[Condition, ...]
    steps: int
    to: Letter | None
    family: str
    source: str

    def holds(self, evidence: Evidence) -> Holds:
        """Return whether the rule applies: no as soon as one condition fails, unknown where a fact is missing."""
        found = [condition.holds(evidence) for condition in self.conditions]
        return "no" if "no" in found else "unknown" if "unknown" in found else "yes"

    def reason(self, evidence: Evidence) -> Reason:
        """Return the rule with the facts it read."""
        facts = {condition.fact: getattr(evidence, condition.fact) for condition in self.conditions}
        return Reason(rule=self.name, family=self.family, kind=self.kind, steps=self.steps, to=self.to, facts=facts)


def graded(evidence: Evidence, rules: Iterable[Rule] | None = None) -> Grade:
    """Return the grade of some evidence with its reasons; the same evidence always has the same grade.

    Parameters
    ----------
    evidence : Evidence
        The recorded facts; what is not known is None and never counts as a pass.
    rules : rules, optional
        Those of data/codes/grade_rules.csv without it.

    Returns
    -------
    Grade
        N where the rule of the ceiling says so; otherwise the ceiling less the steps of all families of rules that apply, with at most
        one step up, no better than the caps and the ceiling, and D at worst.

    Notes
    -----
    The form follows GRADE (start from the design, rate down, rarely up) and the Maryland Scientific Methods Scale (the design sets the
    maximum, the execution decides). Of the rules of one family only the one that moves most counts, so that nothing is held against a
    study twice.

    Examples
    --------
    >>> graded(Evidence(design="before_after")).letter
    'N'
    >>> firm = Evidence(design="parallel", periods_before=5, pretrend_p=0.4, pretrend_power=0.8, breakdown=1.2)
    >>> graded(firm).letter, graded(firm.model_copy(update={"pretrend_power": 0.3})).letter
    ('B', 'C')
    """
    asked = tuple(shipped() if rules is None else rules)
    top = next((rule for rule in asked if rule.kind == "ceiling" and rule.holds(evidence) == "yes"), None)
    if top is None or top.to is None:
        raise EvalkitError(f"No rule of {TABLE} sets a ceiling for the design {evidence.design!r}. Add one of kind 'ceiling'.")
    families: dict[str, list[Rule]] = {}
    for rule in asked:
        if rule.kind != "ceiling":
            families.setdefault(rule.family, []).append(rule)
    if top.to == "N":
        return Grade(letter="N", ceiling="N", reasons=[top.reason(evidence)], held=[], unknown=[])
    applied: list[Rule] = []
    held: list[Rule] = []
    missing: list[str] = []
    for family, members in families.items():
        found = {rule: rule.holds(evidence) for rule in members}
        moving = [rule for rule in members if found[rule] == "yes"]
        applied += _strongest(moving)
        if not moving:
            open_rules = [rule for rule in members if found[rule] == "unknown"]
            missing += [family] if open_rules else []
            held += [rule for rule in members if found[rule] == "no" and not open_rules and _applicable(rule, evidence)]
    reasons = [rule.reason(evidence) for rule in (top, *applied)]
    return Grade(
        letter=_letter(top.to, applied),
        ceiling=top.to,
        reasons=reasons,
        held=[rule.reason(evidence) for rule in held],
        unknown=missing,
    )


def _strongest(moving: list[Rule]) -> list[Rule]:
    """Return of the rules of one family the steps that move most and the lowest cap."""
    steps = sorted((rule for rule in moving if rule.to is None), key=lambda rule: -rule.steps)[:1]
    caps = sorted((rule for rule in moving if rule.to is not None), key=lambda rule: -LETTERS.index(rule.to or "A"))[:1]
    return steps + caps


def _letter(ceiling: Letter, applied: list[Rule]) -> Letter:
    down = sum(rule.steps for rule in applied if rule.kind == "down")
    up = min(1, sum(rule.steps for rule in applied if rule.kind == "up"))
    caps = [LETTERS.index(rule.to) for rule in applied if rule.kind == "cap" and rule.to is not None]
    top = LETTERS.index(ceiling)
    place = max([top, top + down - up, *caps])
    return LETTERS[min(place, len(LETTERS) - 1)]


def _applicable(rule: Rule, evidence: Evidence) -> bool:
    """Return whether a rule that does not hold says something: not one for another design, and not one that asks for a missing fact."""
    other = any(condition.fact == "design" and condition.holds(evidence) == "no" for condition in rule.conditions)
    return rule.kind != "up" and not other and all(condition.sign for condition in rule.conditions)


@cache
def shipped() -> tuple[Rule, ...]:
    """Return the rules of data/codes/grade_rules.csv.

    Raises
    ------
    EvalkitError
        For a row with an unknown kind or fact, a condition that is none, or a result that is neither letter nor steps; it names the
        line.

    Example
    -------
    >>> [rule.name for rule in shipped() if rule.to == "N"]
    ['exited_only', 'before_after', 'nearly_everybody']
    """
    return read_rules(shared(*TABLE.split("/")))


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a table with the columns of data/codes/grade_rules.csv; raises as :func:`shipped` does."""
    from evalkit.codes import read_table

    rows = table("grade_rules") if path == shared(*TABLE.split("/")) else read_table(path)
    lines = lines_of(path, len(rows))
    return tuple(_rule(f"{path.name}, line {line}: ", row) for line, row in zip(lines, rows.to_dict("records"), strict=True))


def _rule(at: str, row: dict[Hashable, Any]) -> Rule:
    kind, result = row["kind"], row["result"]
    if kind not in KINDS:
        raise EvalkitError(at + unknown("kind of rule", kind, KINDS))
    lettered = kind in ("ceiling", "cap")
    allowed = get_args(Letter) if kind == "ceiling" else LETTERS if lettered else ("1", "2", "3")
    if result not in allowed:
        raise EvalkitError(at + unknown("result", result, allowed))
    conditions = tuple(_condition(at, part) for part in row["when"].split(";"))
    steps = 0 if lettered else int(result)
    return Rule(row["rule"], kind, conditions, steps, result if lettered else None, row["family"], row["source"])


def _condition(at: str, text: str) -> Condition:
    found = CONDITION.fullmatch(text.strip())
    if found is None:
        raise EvalkitError(
            f"{at}{text.strip()!r} is no condition. Write a fact, one of {' '.join(COMPARED)} and a limit, or 'is missing'."
        )
    fact = found["fact"]
    if fact not in Evidence.model_fields:
        near = nearest(fact, list(Evidence.model_fields))
        raise EvalkitError(f"{at}there is no fact {fact!r}." + (f" Nearest: {', '.join(near)}." if near else ""))
    if found["is"]:
        return Condition(fact, "", None)
    return Condition(fact, found["sign"], _limit(found["limit"]))


def _limit(text: str) -> float | str | bool:
    if text in ("yes", "no"):
        return text == "yes"
    try:
        return float(text)
    except ValueError:
        return text
