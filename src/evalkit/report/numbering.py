"""Which figures and tables a report of some findings holds, in order: their numbers come from here."""

from __future__ import annotations

from typing import Literal

from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.firm_records import NotTold

FIGURES = ("before_after", "event_study", "firmness", "overlap", "components", "estimators", "trends")
ORDER = (
    "before_after",
    "path",
    "drift",
    "few_clusters",
    "grade",
    "balance",
    "overlap",
    "components",
    "estimators",
    "cost",
    "sample",
    "cohorts",
    "dates",
    "plan_departures",
)
_NEEDS = {
    ("table", "drift"): "firm.overturn",
    ("table", "few_clusters"): "firm",
    ("table", "before_after"): "before_after",
    ("figure", "before_after"): "before_after",
    ("table", "grade"): "grade",
    ("table", "cost"): "cost.bought",
    ("table", "plan_departures"): "plan.departures",
    ("table", "balance"): "alike.covariates",
    ("table", "overlap"): "alike.cohorts",
    ("table", "components"): "components",
    ("table", "dates"): "dates",
    ("figure", "firmness"): "firm.overturn",
    ("figure", "overlap"): "alike.histogram",
    ("figure", "components"): "components",
}
"""The result without which there is no such figure or table."""
_OF_SEVERAL = {("table", "few_clusters"), ("table", "cohorts")}
"""Tables that would repeat the bottom line in one row where one unit alone is treated; of one county the rise is not taken apart."""


def figures(findings: Findings) -> list[str]:
    """Return the names of the figures of a report, in order."""
    return _present(findings, "figure", FIGURES)


def tables(findings: Findings) -> list[str]:
    """Return the names of the tables of a report, in order."""
    return _present(findings, "table", ORDER)


def _present(findings: Findings, kind: str, names: tuple[str, ...]) -> list[str]:
    there = [name for name in names if (kind, name) not in _NEEDS or _has(findings, _NEEDS[kind, name])]
    return [name for name in there if not left_out(findings, kind, name)]


def left_out(findings: Findings, kind: str, name: str) -> bool:
    """Return whether a report leaves out what its findings hold, because it would repeat its bottom line."""
    if name == "before_after" and findings.county is not None:
        return True
    return findings.alone is not None and (kind, name) in _OF_SEVERAL


def _has(findings: Findings, path: str) -> bool:
    value: object = findings
    for name in path.split("."):
        value = getattr(value, name, None)
    return not isinstance(value, NotTold) and bool(value)


def number(findings: Findings, kind: Literal["figure", "table"], name: str) -> int:
    """Return the number of a figure or a table in the report of some findings.

    Raises
    ------
    ReportError
        For a name that no report has, and for one that this report lacks, with the result that is missing.
    """
    known = FIGURES if kind == "figure" else ORDER
    if name not in known:
        raise ReportError(f"A report has no {kind} {name!r}. Allowed: {', '.join(known)}.")
    there = figures(findings) if kind == "figure" else tables(findings)
    if name not in there:
        why = "it is about one unit" if left_out(findings, kind, name) else f"its findings lack the result {_NEEDS[kind, name]!r}"
        raise ReportError(f"The report of {findings.run_id} has no {kind} {name!r}: {why}. It has: {', '.join(there)}.")
    return there.index(name) + 1
