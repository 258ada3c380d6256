"""Plausibility of reported figures: what was seen, asked courteously; nothing here is a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalkit.errors import nearest
from evalkit.intake.checks import CHECKS
from evalkit.intake.checks.reconciliation import reconcile
from evalkit.intake.checks.sheet import Array, Distribution, Level, NotApplied, PovertyLine, Roles, Sheet
from evalkit.intake.observations import IntakeError, Problem, Question
from evalkit.intake.poverty_lines import known_lines
from evalkit.words import catalogue

__all__ = ["CHECKS", "Distribution", "Level", "NotApplied", "Plausibility", "PovertyLine", "Roles"]
__all__ += ["poverty_lines", "question_plausibility", "reconcile"]


@dataclass(frozen=True)
class Plausibility:
    """What the plausibility checks ask and tell.

    Attributes
    ----------
    questions : to the owner of the data, each with its evidence id
    checks_run : names of the checks that ran, most of them without a question
    not_applied : the checks that did not, each with its reason
    distributions : what is told without a question
    """

    questions: tuple[Question, ...]
    checks_run: tuple[str, ...]
    not_applied: tuple[NotApplied, ...]
    distributions: tuple[Distribution, ...] = ()

    def say(self, lang: str) -> str:
        """Return everything in one language, one sentence a line: questions with their evidence ids, then what ran and what did not."""
        words = catalogue(lang)
        asked = [words.say("plausibility.evidence", evidence=one.evidence, sentence=one.say(words)) for one in self.questions]
        told = [one.say(words) for one in self.distributions]
        ran = words.listing([words.say(f"plausibility_check.{name}") for name in self.checks_run], shown=len(CHECKS))
        summary = words.say("plausibility.ran", checks=ran, run=len(self.checks_run), questions=len(self.questions)) if ran else ""
        return "\n".join(line for line in [*asked, *told, summary, *(one.say(words) for one in self.not_applied)] if line)


def poverty_lines(*schedules: str) -> tuple[PovertyLine, ...]:
    """Return the poverty lines that ship with evalkit, all schedules without a name, in yuan per person per year.

    >>> [line.value for line in poverty_lines("registry") if line.year == 2020]
    [4000.0]
    """
    rows = known_lines()
    if strange := [name for name in schedules if name not in set(rows["schedule"])]:
        raise IntakeError(
            Problem("POVERTY_LINE_SCHEDULE", {"schedule": strange[0], "allowed": ", ".join(sorted(set(rows["schedule"])))})
        )
    every = zip(rows["schedule"], rows["year"], rows["value"], strict=True)
    return tuple(PovertyLine(name, int(year), float(value)) for name, year, value in every if not schedules or name in schedules)


def question_plausibility(
    frame: pd.DataFrame,
    roles: Roles,
    *,
    lines: Array | None = None,
    poverty_lines: Sequence[PovertyLine] = (),
    levels: Sequence[Level] = (),
    checks: Sequence[str] | None = None,
) -> Plausibility:
    """Run the plausibility checks on a frame and return what they ask.

    Parameters
    ----------
    frame : DataFrame
        One row per household (or village, or county) and period; it is not changed.
    roles : Roles
        Which column plays which part; a check whose roles are missing is listed with the reason.
    lines : (n,) lines of the rows in the file, as a spreadsheet counts them; counted from 2 without them
    poverty_lines : the lines that bunching is looked for at, see :func:`poverty_lines`
    levels : pairs of levels whose sums should agree
    checks : names out of CHECKS, all without it

    Raises
    ------
    IntakeError
        For a column that the frame has not, a column of text where numbers are needed, and an unknown check.

    Examples
    --------
    >>> frame = pd.DataFrame({"size": [3, 4, 2], "members": [3, 4, 3]})
    >>> seen = question_plausibility(frame, Roles(size="size", members="members"), checks=["identities", "bunching"])
    >>> [(question.code, question.count) for question in seen.questions], seen.checks_run
    ([('SIZE_NOT_MEMBERS', 1)], ('identities',))
    >>> [(one.check, one.reason) for one in seen.not_applied]
    [('bunching', 'ROLE_MISSING')]
    """
    names = list(CHECKS) if checks is None else list(checks)
    if strange := [name for name in names if name not in CHECKS]:
        facts = {"check": strange[0], "nearest": ", ".join(nearest(strange[0], list(CHECKS))) or "-", "allowed": ", ".join(CHECKS)}
        raise IntakeError(Problem("CHECK_UNKNOWN", facts))
    at = np.arange(2, len(frame) + 2) if lines is None else np.asarray(lines)
    sheet = Sheet(frame, roles, at, tuple(poverty_lines), tuple(levels))
    questions: list[Question] = []
    told: list[Distribution] = []
    ran: list[str] = []
    left: list[NotApplied] = []
    for name in names:
        outcome = CHECKS[name](sheet)
        if isinstance(outcome, NotApplied):
            left.append(replace(outcome, check=name))
            continue
        ran.append(name)
        questions += outcome.questions
        told += outcome.distributions
    return Plausibility(tuple(questions), tuple(ran), tuple(left), tuple(told))
