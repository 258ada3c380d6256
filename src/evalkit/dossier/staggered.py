"""R3: what staggered starts do to two-way fixed effects, and what estimators that are robust to it say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.diagnostics.bacon import Decomposition, bacon
from evalkit.diagnostics.two_way_weights import two_way_weights
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work
from evalkit.dossier.lines import excludes_zero, opposed, outside, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError
from evalkit.findings import EstimatorRow
from evalkit.records import Interval, Remark

BACON = "evalkit.diagnostics.bacon.bacon"


def staggered_starts(work: Work) -> Check:
    """Return R3: the decomposition and the weights of the two-way coefficient, and robust estimators side by side."""
    design = work.design
    starts = np.unique(design.cohort[np.isfinite(design.cohort)])
    rows = work.findings.estimators
    robust = [row for row in rows if row.estimator != "two_way" and row.average == "overall" and not row.headline]
    facts: dict[str, Any] = {
        "cohorts": len(starts), "first": int(starts.min()), "last": int(starts.max()), "robust": len(robust),
        "headline": work.main, "two_way": next((row.effect.estimate for row in rows if row.estimator == "two_way"), None),
        "smallest": min((row.effect.estimate for row in robust), default=None),
        "largest": max((row.effect.estimate for row in robust), default=None),
        "never_units": int(np.isinf(design.cohort).sum()),
    }  # fmt: skip
    pairs, taken_apart = _taken_apart(work)
    weights, weighed = _weighed(work)
    verdict, because = _judged(work, robust, facts)
    return Check(
        rule="R3",
        name="staggered_starts",
        verdict=verdict,
        statistic=Remark(code="staggered" if len(starts) > 1 else "one_start", facts=facts | taken_apart | weighed),
        because=because,
        lines=[*_estimators(work), *pairs, *weights],
        made_by=BACON,
        remarks=_misled(work),
    )


def _judged(work: Work, robust: list[EstimatorRow], facts: dict[str, Any]) -> tuple[Verdict, Remark | None]:
    main = work.findings.headline.effect
    other = [row for row in robust if opposed(work, row.effect)]
    if strong := [row.estimator for row in other if excludes_zero(row.effect)]:
        return "fail", Remark(code="robust_opposed", facts={"estimators": strong})
    if other:
        return "doubt", Remark(code="robust_opposed", facts={"estimators": [row.estimator for row in other]})
    if apart := [row.estimator for row in robust if outside(row.effect, main)]:
        return "doubt", Remark(code="robust_outside", facts={"estimators": apart})
    if facts["never_units"] == 0:
        return "doubt", Remark(code="no_never_treated", facts={"last": facts["last"]})
    if not robust:
        return "doubt", Remark(code="no_robust", facts={})
    return "pass", None


def _misled(work: Work) -> list[Remark]:
    """Return the remark that the two-way coefficient should not be quoted here: it lies outside the range of the headline."""
    row = next((row for row in work.findings.estimators if row.estimator == "two_way"), None)
    if row is None or not outside(row.effect, work.findings.headline.effect):
        return []
    return [Remark(code="two_way_misleads", facts={"two_way": row.effect.estimate, "headline": work.main})]


def _estimators(work: Work) -> Iterator[Line]:
    for row in work.findings.estimators:
        apart = row.difference
        yield Line(
            name=f"estimator.{row.estimator}",
            effect=row.effect,
            numbers={
                "clusters": row.clusters, "headline": int(row.headline), "difference": apart.estimate if apart else None,
                "difference_p": apart.p_value if apart else None,
            },
            words={"average": row.average, "comparison": row.comparison},
        )  # fmt: skip
    for lacking in work.findings.not_used:
        yield Line(name=f"estimator.{lacking.estimator}", reason="not_used")


def _taken_apart(work: Work) -> tuple[list[Line], dict[str, Any]]:
    """Return the two-by-two comparisons behind the two-way coefficient, with the weight of those that use treated units as comparison."""
    try:
        found = bacon(work.design)
    except EvalkitError as refusal:
        return [refused_line("bacon.all", refusal)], {"forbidden_weight": None}
    facts = {"forbidden_weight": found.forbidden_weight, "forbidden_mean": found.forbidden_mean, "clean_mean": found.clean_mean}
    return [*_types(found), *_pairs(found)], facts


def _types(found: Decomposition) -> Iterator[Line]:
    for _, row in found.by_type.iterrows():
        numbers: dict[str, float | int | None] = {"weight": float(row["weight"]), "comparisons": int(row["comparisons"])}
        yield Line(name=f"bacon_type.{row['type']}", effect=Interval(estimate=float(row["mean"])), numbers=numbers)


def _pairs(found: Decomposition) -> Iterator[Line]:
    for _, row in found.comparisons.iterrows():
        starts = {side: int(row[side]) if np.isfinite(row[side]) else None for side in ("treated", "untreated")}
        numbers: dict[str, float | int | None] = {**starts, "weight": float(row["weight"])}
        yield Line(name=f"bacon.{row['type']}", effect=Interval(estimate=float(row["estimate"])), numbers=numbers)


def _weighed(work: Work) -> tuple[list[Line], dict[str, Any]]:
    """Return the weight of the two-way coefficient on the effect of every cohort and period, and how much of it is negative."""
    try:
        found = two_way_weights(work.design)
    except EvalkitError as refusal:
        return [refused_line("weight.all", refusal)], {"cells": None, "negative": None, "negative_share": None}
    lines = []
    for _, row in found.cells.iterrows():
        numbers: dict[str, float | int | None] = {name: int(row[name]) for name in ("cohort", "period")}
        lines.append(Line(name="weight.cell", numbers={**numbers, "share": float(row["share"]), "weight": float(row["weight"])}))
    facts = {"cells": len(found.cells), "negative": len(found.negative), "negative_share": found.negative_share}
    return lines, facts | {"negative_sum": found.negative_sum}
