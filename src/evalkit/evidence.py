"""The facts that a grade rests on, read from findings and, where the study names further columns, from the design."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import ttest_ind

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.diagnostics.attrition import followed
from evalkit.errors import DesignError
from evalkit.evidence_limits import UNLIMITED
from evalkit.findings import Alike, Findings
from evalkit.firm_records import LeftOut, Overturn, Permuted, Power
from evalkit.further_evidence import further
from evalkit.grade_records import Evidence
from evalkit.study import Study
from evalkit.study_columns import judge_columns
from evalkit.study_data import Loaded

Array = np.ndarray[Any, Any]

OPEN_QUESTIONS = (
    "BUNCHED_FILE", "BUNCHED_PLACE", "IDENTICAL_ROWS", "COPIED_BLOCK", "SAME_GROWTH", "YEAR_COMPUTED", "NARROW_YEAR", "MIXED_UNITS",
    "SUM_DIFFERS",
)  # fmt: skip
"""Questions of the plausibility checks that lower the grade as long as nobody has answered them."""
TOGETHER = 1  # years on either side in which another programme counts as arriving together
STATIC = "two_way"  # no robust estimator of the average effect where starts are staggered


def evidence(findings: Findings, study: Study, design: Design, comparison: Comparison, loaded: Loaded) -> Evidence:
    """Return the facts of a judgement.

    Parameters
    ----------
    findings : Findings
        Complete but for the judgement.
    design, comparison : the study's own, for what findings do not hold

    Raises
    ------
    StudyError
        For a column named under ``checks:`` that the data lack.
    """
    judge_columns(study, design.panel.frame)
    sample = findings.sample
    treated, others = sample.treated_used or 0, sample.comparison_units or 0
    facts: dict[str, Any] = {
        "design": "lottery" if study.assignment == "lottery" else "parallel",
        "sample": study.sample,
        "comparison_share": others / (treated + others) if treated + others else None,
        "periods_before": sum(period + design.anticipation < min(comparison.cohorts) for period in comparison.periods),
        "smaller_side": min(sample.treated_clusters or 0, sample.comparison_clusters or 0),
        "straddles": _straddles(findings),
        "bundle_share": bundle_share(findings, study, design, comparison, loaded),
        "missing_share": _missing_share(design),
        "attrition_gap": _attrition_gap(design),
        "start_p": _start_p(study, design) if study.assignment == "lottery" else None,
        "definition_break": definition_break(findings, design, comparison),
        "flags": _flags(findings, loaded),
    }
    facts |= (
        _of_pretrend(findings)
        | _of_firmness(findings)
        | _of_estimators(findings)
        | _of_alike(findings.alike, drawn=study.assignment == "lottery")
    )
    return Evidence(**facts, **further(study, design))


def _straddles(findings: Findings) -> bool | None:
    low, high = findings.headline.percent.low, findings.headline.percent.high
    if low is None or high is None:
        return None
    return low < 0 < high and max(-low, high) >= findings.smallest_meaningful_percent


def _of_pretrend(findings: Findings) -> dict[str, Any]:
    pretrend, power = findings.pretrend, findings.firm.power if findings.firm else None
    return {
        "pretrend_p": None if pretrend is None else pretrend.p_value,
        "pretrend_power": power.power if isinstance(power, Power) else None,
    }


def _of_firmness(findings: Findings) -> dict[str, Any]:
    firm = findings.firm
    if firm is None:
        return {}
    facts: dict[str, Any] = {}
    if isinstance(firm.overturn, Overturn):
        facts["breakdown"] = breakdown(firm.overturn)
    if isinstance(firm.permuted, Permuted):
        facts |= {"permutation_p": firm.permuted.p_value, "smallest_p": firm.permuted.smallest_p}
    if isinstance(firm.without, LeftOut):
        facts["flips"] = _flips(findings, firm.without)
    return facts


def _flips(findings: Findings, without: LeftOut) -> int:
    """Return without how many clusters the sign is another; of a change too small to tell, on how many ends it becomes worth telling."""
    if findings.verdict != "small_change":
        return without.flips
    most = findings.smallest_meaningful_percent / 100 * findings.headline.base.estimate
    return sum(abs(end) >= most for end in (without.low, without.high))


def breakdown(found: Overturn) -> float | None:
    """Return the multiple of the largest difference before the start that overturns the conclusion, None where there was no such year."""
    if found.stays_small is not None:
        return found.stays_small
    if found.already:
        return 0.0
    if found.largest_before is None:
        return None
    return UNLIMITED if found.relative is None else found.relative


def _of_estimators(findings: Findings) -> dict[str, Any]:
    """Return how many robust estimators of the same average contradict the conclusion, or lie outside the range of the headline."""
    rows = [row for row in findings.estimators if not row.headline and row.estimator != STATIC and row.average == "overall"]
    main = findings.headline.effect
    facts: dict[str, Any] = {"estimators": len(rows)}
    plain = 100.0 if findings.scale == "log" else 100 / findings.headline.base.estimate
    rate = (
        findings.headline.percent.estimate / main.estimate if main.estimate else plain
    )  # per cent of base income of an effect of one
    if rows:
        facts["estimators_opposed"] = sum(_contradicts(findings, rate * row.effect.estimate) for row in rows)
    if rows and main.low is not None and main.high is not None:
        facts["estimators_outside"] = sum(not main.low <= row.effect.estimate <= main.high for row in rows)
    if findings.other_scale is not None:
        # Where the years before already contradict equal growth in money, that comparison is no witness against the headline.
        witness = findings.other_pretrend is None or not findings.other_pretrend.failed
        facts["money_opposed"] = witness and _contradicts(findings, findings.other_scale.percent.estimate)
    return facts


def _contradicts(findings: Findings, percent: float) -> bool:
    """Return whether an estimate in per cent speaks against the headline: by its sign, or by its size where that is too small to tell."""
    if findings.verdict == "small_change":
        return abs(percent) >= findings.smallest_meaningful_percent
    return percent * findings.headline.percent.estimate < 0


def _of_alike(alike: Alike | None, drawn: bool) -> dict[str, Any]:
    """Return how far groups are apart: after weighting where there are weights, and as they are where a lot is said to have drawn them."""
    if alike is None or not alike.covariates:
        return {}
    sizes = [
        abs(row.largest_after if alike.weighted and not drawn and row.largest_after is not None else row.largest_before)
        for row in alike.covariates
    ]
    counted = [row for row in alike.cohorts if row.treated_units is not None and row.outside_units is not None]
    treated = sum(row.treated_units or 0 for row in counted)
    outside = sum((row.treated_units if row.separated else row.outside_units) or 0 for row in counted)
    return {"largest_imbalance": max(sizes), "overlap": 1 - outside / treated if treated else None}


def _flags(findings: Findings, loaded: Loaded) -> int | None:
    """Return how many questions on the figures are open, of the plausibility checks and of a definition of income nobody knows.

    None where no plausibility check ran: a tidy file that is read as it is has not been looked at.
    """
    unknown_definition = any(r.code == "INCOME_DEF_UNKNOWN" and r.facts.get("crosses") for r in findings.remarks)
    if loaded.received is None:
        return 1 if unknown_definition else None
    asked = loaded.received.plausibility.questions
    return sum(question.code in OPEN_QUESTIONS for question in asked) + unknown_definition


def definition_break(findings: Findings, design: Design, comparison: Comparison) -> bool:
    """Return whether some effect compares years on two sides of a change of the definition of income.

    Cohorts whose last clean year lies at or after the change are compared within one definition: only their leads cross it.
    """
    years = [int(year) for r in findings.remarks if r.code == "INCOME_DEF_SWITCH" for year in r.facts["years"]]
    return any(comparison.base_of(cohort) < year <= max(comparison.periods) for cohort in comparison.cohorts for year in years)


def _missing_share(design: Design) -> float:
    """Return the share of rows that are missing in the window, those of units that the study leaves out among them."""
    if design.unbalanced == "drop_units":
        return 1 - len(design.panel.unit_index) / (len(design.panel.units) * len(design.panel.periods))
    return 1 - len(design.y) / (len(design.units) * len(design.periods))


def _start_p(study: Study, design: Design) -> float | None:
    """Return the p-value of a difference in the outcome's level before anybody starts (Welch's test on means of clusters)."""
    treated = np.isfinite(design.cohort)
    if not treated.any() or treated.all():
        return None
    before = design.periods + design.anticipation < design.cohort[treated].min()
    codes, _ = design.codes(study.cluster or study.unit)
    level = [_means_of_clusters(design, codes, side, before) for side in (treated, ~treated)]
    if min(map(len, level)) < 2:
        return None
    p_value = float(ttest_ind(*level, equal_var=False).pvalue)
    return p_value if p_value == p_value else None


def _means_of_clusters(design: Design, codes: Array, side: Array, before: Array) -> Array:
    rows = side[design.unit_index] & before[design.period_index]
    inside = codes[rows]
    counts = np.bincount(inside)
    return np.asarray(np.bincount(inside, design.y[rows])[counts > 0] / counts[counts > 0])


def _attrition_gap(design: Design) -> float | None:
    """Return how much more often one arm is lost by the end than the other, as a share; None where units are not followed."""
    if design.unbalanced == "drop_units":
        stayed, ever = np.isin(design.panel.units, design.units), np.isfinite(design.rollout.first_treated)
        return abs(float(stayed[ever].mean()) - float(stayed[~ever].mean())) if ever.any() and not ever.all() else None
    if design.balanced:
        return 0.0
    try:
        who = followed(design)
    except DesignError:  # a repeated cross-section, or nobody on a side in the base year
        return None
    lost = [1 - float(who.seen[arm].mean()) for arm in (who.treated, ~who.treated)]
    return abs(lost[0] - lost[1])


def bundle_share(
    findings: Findings, study: Study, design: Design, comparison: Comparison, loaded: Loaded
) -> float | None:  # fmt: skip
    """Return the share of the treated units in which another programme starts within a year of this one, None where nothing tells."""
    told = [float(remark.facts["share"]) for remark in findings.remarks if remark.code == "BUNDLE"]
    if near := arriving_together(study, design, comparison):
        told.append(float(np.logical_or.reduce(list(near.values())).mean()))
    return max(told, default=0.0 if loaded.events is not None else None)


def arriving_together(study: Study, design: Design, comparison: Comparison) -> dict[str, Array]:
    """Return for every programme named under ``checks.other_programmes`` which treated units start it within a year of this one."""
    treated = np.isin(comparison.cohort, comparison.cohorts)
    start = comparison.cohort[treated]
    found = {}
    for column in study.checks.other_programmes if study.checks else {}:
        other = design.values(column)[design.first_rows][treated]
        found[column] = np.abs(np.where(other > 0, other, np.inf) - start) <= TOGETHER
    return found
