"""R7: matching and weighting on covariates of one base year, how far they balance, and what the effect is then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, not_named
from evalkit.dossier.lines import excludes_zero, line_of, opposed, outside, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime, Weighted
from evalkit.findings import Alike
from evalkit.records import Remark

WEIGHTED = "evalkit.estimators.weighted.Weighted"
UNLIKE = 0.25  # standardised difference left after weighting from which the grade falls, and from which groups differ in level
HARDLY = 0.10  # from which a reader is told
LEAST_OVERLAP = 0.7  # share of the treated within the comparison's range below which the grade falls


def matching(work: Work) -> Check:
    """Return R7: balance before and after, overlap, and the effect by weights, matches, and the doubly robust estimator.

    Covariates are read once, in the last clean year before a cohort starts. Matching on the outcome's own level of that year is refused
    where the groups differ in level: matches are then alike by that year's luck, and part afterwards without any programme.
    """
    if not work.design.covariates:
        return not_named("R7", "covariates", WEIGHTED)
    alike = work.findings.alike
    estimates = [*_estimates(work), _on_level(work)]
    largest, overlap = _balance(alike)
    verdict, because = _judged(work, estimates, alike, largest, overlap)
    told = [line.effect.estimate for line in estimates if line.effect is not None]
    facts = {
        "largest_after": largest, "overlap": overlap, "smallest": min(told, default=None), "largest": max(told, default=None),
        "headline": work.main, "covariates": len(work.design.covariates),
    }  # fmt: skip
    return Check(
        rule="R7",
        name="matching",
        verdict=verdict,
        statistic=Remark(code="weighted", facts=facts),
        because=because,
        lines=[*_covariates(alike), *_cohorts(alike), *estimates],
        made_by=WEIGHTED,
    )


def _estimates(work: Work) -> Iterator[Line]:
    design = work.design
    made: dict[str, Callable[[Design], Estimate]] = {
        "matching.entropy": Weighted("entropy"),
        "matching.propensity": Weighted("propensity"),
        "matching.nearest": Weighted("nearest"),
        "matching.doubly_robust": GroupTime("dr"),
    }
    for name, estimator in made.items():
        try:
            yield line_of(work, name, aggregate(estimator(design), "overall"))
        except EvalkitError as refusal:
            yield refused_line(name, refusal)


def _on_level(work: Work) -> Line:
    """Return the line of matching on the outcome's level before the start, refused where the groups differ in level."""
    apart = level_difference(work)
    if abs(apart) > UNLIKE:
        return Line(name="matching.outcome_level", numbers={"difference": apart, "limit": UNLIKE}, reason="levels_differ")
    try:
        cells = Weighted("entropy", outcome_level=True)(work.design)
        return line_of(work, "matching.outcome_level", aggregate(cells, "overall"), difference=apart, limit=UNLIKE)
    except EvalkitError as refusal:
        return refused_line("matching.outcome_level", refusal, difference=apart, limit=UNLIKE)


def level_difference(work: Work) -> float:
    """Return how far the outcome of treated and comparison units lies apart in the base year, in standard deviations of the treated.

    It is averaged over cohorts by their treated units; a cohort of equal outcomes is measured in the spread of its comparison.
    """
    comparison = Comparison.of(work.design)
    wide = work.design.wide(work.design.y)
    weight, apart = [], []
    for cohort in comparison.cohorts:
        base = comparison.base_of(cohort)
        y = wide[:, int(np.searchsorted(work.design.periods, base))]
        seen = np.isfinite(y)
        covered = seen & (comparison.cohort == cohort)
        others = seen & comparison.of_cell(cohort, cohort, base)
        if not covered.any() or not others.any():
            continue
        spread = y[covered].std() or y[others].std()
        if spread > 0:
            weight.append(int(covered.sum()))
            apart.append(float((y[covered].mean() - y[others].mean()) / spread))
    return float(np.average(apart, weights=weight)) if apart else 0.0


def _balance(alike: Alike | None) -> tuple[float | None, float | None]:
    """Return the largest difference of any cohort after weighting, and the share of the treated within the comparison's range."""
    if alike is None or not alike.covariates:
        return None, None
    after = [abs(row.largest_after) for row in alike.covariates if row.largest_after is not None]
    units = sum(row.treated_units or 0 for row in alike.cohorts)
    outside_units = sum((row.treated_units if row.separated else row.outside_units) or 0 for row in alike.cohorts)
    return max(after, default=None), 1 - outside_units / units if units else None


def _judged(
    work: Work, estimates: list[Line], alike: Alike | None, largest: float | None, overlap: float | None
) -> tuple[Verdict, Remark | None]:
    main = work.findings.headline.effect
    other = [line for line in estimates if opposed(work, line.effect)]
    if strong := [line.name for line in other if excludes_zero(line.effect)]:
        return "fail", Remark(code="matched_opposed", facts={"estimators": strong})
    if overlap is not None and overlap < LEAST_OVERLAP:
        return "fail", Remark(code="no_overlap", facts={"overlap": overlap, "least": LEAST_OVERLAP})
    if largest is not None and largest > UNLIKE:
        return "fail", Remark(code="unlike", facts={"largest_after": largest, "limit": UNLIKE})
    if other:
        return "doubt", Remark(code="matched_opposed", facts={"estimators": [line.name for line in other]})
    if alike is None or not alike.weighted:
        return "doubt", Remark(code="no_weights", facts={})
    if largest is not None and largest > HARDLY:
        return "doubt", Remark(code="hardly_alike", facts={"largest_after": largest, "limit": HARDLY})
    if apart := [line.name for line in estimates if outside(line.effect, main)]:
        return "doubt", Remark(code="matched_outside", facts={"estimators": apart})
    return "pass", None


def _covariates(alike: Alike | None) -> Iterator[Line]:
    for row in alike.covariates if alike else []:
        yield Line(
            name="balance.covariate",
            numbers={
                "treated": row.treated, "comparison": row.comparison, "weighted": row.weighted, "before": row.before, "after": row.after,
                "largest_before": row.largest_before, "largest_after": row.largest_after,
            },
            words={"column": row.covariate},
        )  # fmt: skip


def _cohorts(alike: Alike | None) -> Iterator[Line]:
    for row in alike.cohorts if alike else []:
        yield Line(
            name="overlap.cohort",
            numbers={
                "cohort": row.cohort, "base": row.base, "treated_units": row.treated_units, "comparison_units": row.comparison_units,
                "effective_units": row.effective_units, "outside_units": row.outside_units, "separated": int(row.separated),
            },
        )  # fmt: skip
