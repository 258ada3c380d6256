"""Sums and quotients that must hold in every row; where another known formula holds, which one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalkit.intake.checks.comparing import Array
from evalkit.intake.checks.sheet import SOURCES, NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question

Columns = dict[str, Array]


def _per_person(amount: Array, persons: Array) -> Array:
    share: Array = np.divide(amount, persons, out=np.full(len(amount), np.nan), where=persons > 0)
    return share


def _sum(given: Columns) -> Array:
    total: Array = given["wage"] + given["business"] + given["property"] + given["transfer"]
    return total


@dataclass(frozen=True)
class Formula:
    """A way to compute one column from others.

    Attributes
    ----------
    code : its words stand under ``question`` in both catalogues
    needs : roles that it reads
    value : what it computes, (n,) from the columns by role
    """

    code: str
    needs: tuple[str, ...]
    value: Callable[[Columns], Array]


@dataclass(frozen=True)
class Identity:
    """What a column should be, and what it is known to be in some forms instead.

    The question is ``code`` where the formula fails in single rows, and the alternative's own code where that one holds.
    """

    role: str
    expected: Formula
    alternatives: tuple[Formula, ...] = ()
    without: tuple[str, ...] = ()  # roles in whose presence another identity speaks


# After the registry forms: A17 = A17a + A17b + A17c + A17d with A17b gross, A19 = A17 - A18, A20 = A19 / persons.
IDENTITIES = (
    Identity(
        "total",
        Formula("TOTAL_NOT_SUM", SOURCES, _sum),
        (
            Formula("TOTAL_IS_SUM_LESS_COST", (*SOURCES, "cost"), lambda c: _sum(c) - c["cost"]),
            Formula("TOTAL_IS_SUM_TIMES_SIZE", (*SOURCES, "size"), lambda c: _sum(c) * c["size"]),
        ),
    ),
    Identity(
        "net",
        Formula("NET_NOT_TOTAL_LESS_COST", ("total", "cost"), lambda c: c["total"] - c["cost"]),
        (
            Formula("NET_IS_TOTAL", ("total",), lambda c: c["total"]),
            Formula("NET_IS_SUM", SOURCES, _sum),
        ),
    ),
    Identity(
        "net",
        Formula("NET_NOT_SUM", SOURCES, _sum),
        (Formula("NET_IS_SUM_LESS_COST", (*SOURCES, "cost"), lambda c: _sum(c) - c["cost"]),),
        without=("total",),
    ),
    Identity(
        "income",
        Formula("INCOME_NOT_NET_PER_HEAD", ("net", "size"), lambda c: _per_person(c["net"], c["size"])),
        (
            Formula("INCOME_IS_TOTAL_PER_HEAD", ("total", "size"), lambda c: _per_person(c["total"], c["size"])),
            Formula("INCOME_IS_NET_PER_MEMBER", ("net", "members"), lambda c: _per_person(c["net"], c["members"])),
            Formula("INCOME_IS_NET", ("net",), lambda c: c["net"]),
        ),
    ),
    Identity(
        "income",
        Formula("INCOME_NOT_TOTAL_PER_HEAD", ("total", "size"), lambda c: _per_person(c["total"], c["size"])),
        (
            Formula(
                "INCOME_IS_LESS_COST_PER_HEAD", ("total", "cost", "size"), lambda c: _per_person(c["total"] - c["cost"], c["size"])
            ),
            Formula("INCOME_IS_TOTAL", ("total",), lambda c: c["total"]),
        ),
        without=("net",),
    ),
    Identity(
        "income",
        Formula("INCOME_NOT_SUM", SOURCES, _sum),
        (
            Formula("INCOME_IS_SUM_PER_HEAD", (*SOURCES, "size"), lambda c: _per_person(_sum(c), c["size"])),
            Formula(
                "INCOME_IS_SUM_LESS_COST_PER_HEAD",
                (*SOURCES, "cost", "size"),
                lambda c: _per_person(_sum(c) - c["cost"], c["size"]),
            ),
            Formula("INCOME_IS_SUM_LESS_COST", (*SOURCES, "cost"), lambda c: _sum(c) - c["cost"]),
        ),
        without=("total", "net"),
    ),
    Identity("size", Formula("SIZE_NOT_MEMBERS", ("members",), lambda c: c["members"])),
)


def holds(stated: Array, computed: Array, terms: int) -> Array:
    """Return (n,) whether two numbers agree within rounding: half a unit for each term, or two in a thousand.

    >>> holds(np.array([1000.0, 1000.0]), np.array([1002.0, 1004.0]), terms=4).tolist()
    [True, False]
    """
    allowed = threshold("identity.absolute") * (terms + 1) / 2
    close: Array = np.abs(stated - computed) <= np.maximum(allowed, threshold("identity.relative") * np.abs(computed)) + 1e-9
    return close


def _agrees(identity: Identity, formula: Formula, given: Columns) -> Array:
    """Return (n,) whether a formula holds; persons agree exactly."""
    if identity.role == "size":
        equal: Array = given["size"] == formula.value(given)
        return equal
    return holds(given[identity.role], formula.value(given), len(formula.needs))


def question_identity(identity: Identity, given: Columns, lines: Array, names: dict[str, str]) -> list[Question]:
    """Return at most one question about an identity: rows where it fails, or the formula that holds instead.

    given : role -> (n,) numbers; names : role -> column. It sees rows that disagree beyond rounding. It cannot see rows
    that agree and are wrong all the same; rows with a blank among the terms are left aside.
    """
    tested = np.isfinite(given[identity.role]) & np.isfinite(identity.expected.value(given))
    right = _agrees(identity, identity.expected, given)
    wrong = np.flatnonzero(tested & ~right)
    if not len(wrong):
        return []
    column, rows = names[identity.role], int(tested.sum())
    for other in identity.alternatives:
        if set(other.needs) <= set(given):
            agreeing = _agrees(identity, other, given)
            instead = agreeing[wrong].mean()
            if agreeing[tested].mean() >= threshold("identity.alternative") and instead >= threshold("identity.alternative"):
                left = int((tested & ~agreeing).sum())
                share = figure(float(agreeing[tested].mean()))
                return [ask(other.code, lines, column, wrong, rows=rows, observed=share, left=left)]
    gap = figure(float(np.abs(given[identity.role] - identity.expected.value(given))[wrong].max()))
    return [ask(identity.expected.code, lines, column, wrong, rows=rows, largest=gap)]


def identities_of(sheet: Sheet) -> Outcome:
    """Return what the sums and quotients of the registry ask, one question for each identity at most."""
    named = {
        role: column
        for role, column in sheet.roles.named().items()
        if role in {*SOURCES, "income", "total", "cost", "net", "size", "members"}
    }
    given = {role: sheet.numbers(column) for role, column in named.items()}
    applying = [one for one in IDENTITIES if {one.role, *one.expected.needs} <= set(given) and not set(one.without) & set(given)]
    if not applying:
        return NotApplied("NO_IDENTITY")
    return Ran(tuple(question for one in applying for question in question_identity(one, given, sheet.lines, named)))
