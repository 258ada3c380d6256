"""From findings to a judgement: the grade, the verdict that it allows, refusals with their cures, and standard warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import StudyError
from evalkit.evidence import TOGETHER, arriving_together, evidence
from evalkit.evidence_limits import SHOWN
from evalkit.findings import Findings, Verdict
from evalkit.firm_records import Permuted, Power
from evalkit.grade import graded
from evalkit.grade_records import Evidence, Grade, Refusal
from evalkit.how_firm import TOO_FEW_CLUSTERS
from evalkit.records import Remark
from evalkit.study import Study, Words
from evalkit.study_data import Loaded

SIDE = 10  # clusters on a side from which the usual range is trusted; fewer are told, and fewer than TOO_FEW_CLUSTERS have no range
NOBODY = 0.05  # of the units: a smaller comparison is none
MOST = 0.5  # of the treated units: another programme in more of them makes the effect that of a bundle
NO_NOISE = 1e-9  # of the outcome: units that differ by less differ by the rounding of the computer alone
SAID = ("gain", "loss", "small_change")


def judged(findings: Findings, study: Study, design: Design, comparison: Comparison, loaded: Loaded) -> Findings:
    """Return findings with their evidence, grade, refusals and warnings, and the verdict that these allow.

    Raises
    ------
    StudyError
        For columns named under ``checks:`` that the data lack or that cannot serve.
    """
    facts = evidence(findings, study, design, comparison, loaded)
    grade = graded(facts)
    refusals = list(refused(findings, facts))
    verdict = allowed(findings.verdict, facts, grade, refusals)
    told = {"evidence": facts, "grade": grade, "refusals": refusals, "verdict": verdict}
    named = _named_together(findings, study, design, comparison, facts)
    return findings.model_copy(update={**told, **named, "warnings": list(_warnings(findings, facts, loaded))})


def _named_together(findings: Findings, study: Study, design: Design, comparison: Comparison, facts: Evidence) -> dict[str, Any]:
    """Return the bundle, and the remark that renames the effect, where columns and no table of events tell that programmes arrive together."""
    if findings.bundle or facts.bundle_share is None or facts.bundle_share <= MOST or study.checks is None:
        return {}
    near = {column: one for column, one in arriving_together(study, design, comparison).items() if one.any()}
    any_near = np.logical_or.reduce(list(near.values()))
    told = {
        "programmes": [study.name, *near], "share": float(any_near.mean()), "shares": {name: float(one.mean()) for name, one in near.items()},
        "units": int(any_near.sum()), "treated_units": len(any_near), "window": TOGETHER,
    }  # fmt: skip
    words = [study.programme, *(Words(zh=one.zh, en=one.en) for one in (study.checks.other_programmes[name] for name in near))]
    return {"bundle": words, "remarks": [*findings.remarks, Remark(code="BUNDLE", facts=told)]}


def judge_noise(study: Study, design: Design) -> None:
    """Refuse an outcome that moves alike in all units of a cohort, to the last digit: nothing can be learned about chance from it.

    Raises
    ------
    StudyError
        It names the column.
    """
    moves = np.diff(design.wide(design.y), axis=1)
    cohorts, of = np.unique(design.cohort, return_inverse=True)
    spread = [np.ptp(moves[of == cohort], axis=0) for cohort in range(len(cohorts)) if (of == cohort).sum() > 1]
    if spread and not np.nanmax(np.array(spread), initial=0.0) > NO_NOISE * max(1.0, float(np.abs(design.y).max())):
        raise StudyError(
            f"outcome {study.outcome!r} grows by the same {'share' if study.scale == 'log' else 'amount'} in all units that start together, to the last digit, "
            "so that nothing can be learned about chance from it. Incomes that were measured never do: look whether the column is filled, "
            "copied or computed, and name the measured one."
        )


def allowed(said: Verdict, facts: Evidence, grade: Grade, refusals: list[Refusal]) -> Verdict:
    """Return the verdict that evidence allows for what the range says.

    A grade of N refuses the effect before all else; what has no range stays as it is; then comes a break of the definition; a premise
    that the years before contradict stays as it is; a rank that can never be small shows nothing whatever the estimate; and with the
    lowest grade nobody can tell.

    Examples
    --------
    >>> from evalkit.grade import graded
    >>> facts = Evidence(design="parallel", periods_before=2, pretrend_p=0.5, pretrend_power=0.1, breakdown=0.0)
    >>> allowed("gain", facts, graded(facts), [])
    'weak'
    """
    if grade.letter == "N":
        return "refused"
    if said in ("too_few", "one_unit"):
        return said
    if any(refusal.code == "definition_break" for refusal in refusals):
        return "refused"
    if said not in SAID:
        return said
    if facts.smallest_p is not None and facts.smallest_p > SHOWN:
        return "cannot_show"
    return "weak" if grade.letter == "D" else said


def refused(findings: Findings, facts: Evidence) -> Iterator[Refusal]:
    """Yield why no causal figure is given, or none of the single programme: what may still be told, and which data would cure it."""
    sample, window = findings.sample, {"first": findings.window[0], "last": findings.window[1]}
    described = [Remark(code="difference", facts={})]
    if facts.sample == "exited":
        cures = [Remark(code="everyone_registered", facts=window), Remark(code="never_registered", facts=window)]
        yield Refusal(code="only_exited", may_tell=[Remark(code="rise", facts={})], cures=cures)
    if facts.comparison_share is not None and facts.comparison_share < NOBODY:
        told = {"comparison_units": sample.comparison_units, "units": sample.units, "share": facts.comparison_share}
        least = None if sample.treated_used is None else int(np.ceil(sample.treated_used * NOBODY / (1 - NOBODY)))
        cures = [Remark(code="not_covered", facts={"units": least, **window})]
        if sample.treated_from_start:  # earlier years help only where many had started before the window
            cures.append(Remark(code="earlier_years", facts={"last": findings.window[0]}))
        yield Refusal(code="nearly_everybody", facts=told, may_tell=described, cures=cures)
    if facts.definition_break:
        years = sorted(int(year) for r in findings.remarks if r.code == "INCOME_DEF_SWITCH" for year in r.facts["years"])
        cures = [Remark(code="window_after", facts={"year": years[-1]}), Remark(code="one_definition", facts={"year": years[0]})]
        yield Refusal(code="definition_break", facts={"years": years}, may_tell=described, cures=cures)
    if findings.verdict in ("too_few", "one_unit") or (facts.smallest_p is not None and facts.smallest_p > SHOWN):
        yield _too_few(findings, facts)
    if facts.bundle_share is not None and facts.bundle_share > MOST:
        yield Refusal(
            code="arrive_together", facts={"share": facts.bundle_share}, may_tell=[Remark(code="bundle", facts={})],
            cures=[Remark(code="one_programme_only", facts=window)],
        )  # fmt: skip


def _too_few(findings: Findings, facts: Evidence) -> Refusal:
    """Return the refusal for too few treated or comparison clusters, with how many more would do."""
    sample = findings.sample
    told = {
        "treated_clusters": sample.treated_clusters,
        "comparison_clusters": sample.comparison_clusters,
        "smallest_p": facts.smallest_p,
    }
    cures = [
        Remark(code=f"more_{side}", facts={"more": TOO_FEW_CLUSTERS - count, "least": TOO_FEW_CLUSTERS})
        for side, count in (("treated", sample.treated_clusters), ("comparison", sample.comparison_clusters))
        if count is not None and count < TOO_FEW_CLUSTERS
    ]
    more = findings.firm.permuted.needed if findings.firm and isinstance(findings.firm.permuted, Permuted) else None
    if more:
        cures.append(Remark(code="more_to_rank", facts={"more": more, "level": SHOWN}))
    ranked = findings.firm is not None and isinstance(findings.firm.permuted, Permuted)
    may_tell = [Remark(code="difference", facts={}), *([Remark(code="rank", facts={})] if ranked else [])]
    return Refusal(code="too_few", facts=told, may_tell=may_tell, cures=cures)


def _warnings(findings: Findings, facts: Evidence, loaded: Loaded) -> Iterator[Remark]:
    """Yield the standard warnings that apply, in the order of their table."""
    codes = {remark.code: remark for remark in findings.remarks}
    firm = findings.firm
    permuted = firm.permuted if firm and isinstance(firm.permuted, Permuted) else None
    if facts.sample == "exited":
        yield Remark(code="SELECTED_ON_OUTCOME", facts={})
    if permuted is not None and findings.sample.treated_clusters is not None and findings.sample.treated_clusters < SIDE:
        told = {"treated_clusters": findings.sample.treated_clusters, "smallest_p": permuted.smallest_p}
        yield Remark(code="FEW_TREATED", facts=told)
    if firm and isinstance(firm.power, Power) and firm.power.weak:
        yield Remark(code="PRETREND_WEAK_TEST", facts={"power": firm.power.power})
    if permuted is not None:
        yield Remark(code="PLACEBO_SCOPE", facts={})
    if facts.bundle_share is not None and facts.bundle_share > MOST:
        yield Remark(code="BUNDLE", facts={"share": facts.bundle_share})
    if "INCOME_DEF_SWITCH" in codes:
        yield Remark(code="INCOME_DEF_2013", facts={"years": sorted(int(y) for y in codes["INCOME_DEF_SWITCH"].facts["years"])})
    if "NOMINAL" in codes:
        yield Remark(code="NOMINAL", facts={})
    if loaded.received is not None and len(loaded.received.changes):
        yield Remark(code="CODE_CHANGED", facts={"units": int(loaded.received.changes["unit"].nunique())})
    if "UNIVERSAL" in codes:
        yield Remark(code="UNIVERSAL", facts={})
    if "INTAKE_FLAGS" in codes and codes["INTAKE_FLAGS"].facts["masked"]:
        yield Remark(code="MASKED", facts={"cells": codes["INTAKE_FLAGS"].facts["masked"]})
    if facts.flags:
        yield Remark(code="DATA_ANOMALY", facts={"questions": facts.flags})
