"""A study without a causal figure: what changed, why no effect can be told from it, and the data that would cure it."""

from __future__ import annotations

from typing import Any

import numpy as np

import evalkit
from evalkit.background import unit_level
from evalkit.before_after import rise_of_covered
from evalkit.before_after_records import BeforeAfter
from evalkit.codes import value
from evalkit.findings import Described, TrendPoint
from evalkit.grade import graded
from evalkit.grade_records import Evidence, Refusal
from evalkit.notices import Notice
from evalkit.panel import Panel
from evalkit.public_findings import judge_size
from evalkit.records import Remark
from evalkit.rollout import Rollout
from evalkit.study import Study
from evalkit.study_data import Loaded, rolled, run_id, says_simulated

LEAST = 10  # comparison units (or clusters) from which the usual range is trusted
YEARS = 3  # before the start: the least in which equal growth can be looked at


def described(study: Study, loaded: Loaded) -> Described:
    """Return what can be told of a study in which every unit is covered at once.

    Raises
    ------
    StudyError, PanelError, RolloutError
        When the data cannot be read as the study says.
    """
    panel, rollout, _ = rolled(study, loaded.frame, loaded.events)
    public = study.public and unit_level(study, loaded) == "household"
    if public:
        judge_size(covered=len(panel.units))
    start = int(rollout.first_treated[np.isfinite(rollout.first_treated)].max())
    before = int((panel.periods < start).sum())
    facts = Evidence(design="before_after", sample=study.sample, periods_before=before)
    refusal = Refusal(
        code="no_comparison",
        facts={"units": len(panel.units), "start": start},
        may_tell=[Remark(code="change", facts={})],
        cures=_cures(study, start, before),
    )
    exited = [_only_exited(study)] if study.sample == "exited" else []
    warnings = ["SELECTED_ON_OUTCOME"] * bool(exited) + ["NO_COMPARISON"] + ["NOMINAL"] * study.nominal
    truth = loaded.data.parent / "truth.json" if loaded.data else None
    made = Described(
        run_id=run_id(study, loaded, truth),
        version=evalkit.__version__,
        study=study.name,
        county=loaded.county,
        source=study.source.name,
        source_url=study.source.url,
        licence=study.source.licence,
        simulated=study.source.simulated or says_simulated(loaded.frame),
        covariates=list(study.covariates),
        published=list(study.published),
        remarks=[Remark(code=notice.code, facts=dict(notice.facts)) for notice in _notices(study)],
        refusals=[*exited, refusal],
        warnings=[Remark(code=code, facts={}) for code in warnings],
        grade=graded(facts),
        units=len(panel.units),
        treated_units=int(np.isfinite(rollout.first_treated).sum()),
        periods=[int(period) for period in panel.periods],
        rows=len(panel.unit_index),
        trends=_trends(study, panel, rollout),
        **{name: getattr(study, name) for name in _COPIED},
    )
    told = _public(made) if public else made
    rise = rise_of_covered(told)
    return told.model_copy(update={"before_after": rise}) if isinstance(rise, BeforeAfter) else told


_COPIED = (
    "title", "programme", "unit_word", "outcome_word", "money", "prices", "income_definition", "scale", "window",
    "comparison", "anticipation", "base", "method", "weight", "level", "seed", "smallest_meaningful_percent",
)  # fmt: skip


def _cures(study: Study, start: int, before: int) -> list[Remark]:
    """Return which data would allow a comparison: how many units not covered, in which years."""
    first, last = study.window
    facts: dict[str, Any] = {"units": LEAST, "first": first, "last": last}
    found = [Remark(code="not_covered", facts=facts), Remark(code="later_covered", facts={"start": start, "last": last})]
    if before < YEARS:
        found.append(Remark(code="years_before", facts={"more": YEARS - before, "first": start - YEARS, "last": start - 1}))
    return found


def _only_exited(study: Study) -> Refusal:
    window = {"first": study.window[0], "last": study.window[1]}
    cures = [Remark(code="everyone_registered", facts=window), Remark(code="never_registered", facts=window)]
    return Refusal(code="only_exited", may_tell=[Remark(code="change", facts={})], cures=cures)


def _notices(study: Study) -> list[Notice]:
    return [Notice("NOMINAL")] if study.nominal else []


def _trends(study: Study, panel: Panel, rollout: Rollout) -> list[TrendPoint]:
    """Return the mean income of every year, in money."""
    income = panel.numbers(study.outcome)
    weight = np.ones(len(income)) if panel.weight is None else panel.numbers(panel.weight)
    points = []
    for place, period in enumerate(panel.periods):
        rows = (panel.period_index == place) & np.isfinite(income)
        if rows.any():
            mean = float(np.average(income[rows], weights=weight[rows]))
            points.append(TrendPoint(group="treated", period=int(period), mean=mean, units=int(rows.sum())))
    return points


def _public(made: Described) -> Described:
    """Return what may be published: years that rest on too few households are left out."""
    least = int(value("disclosure", "minimum_households"))
    return made.model_copy(update={"trends": [point for point in made.trends if point.units is not None and point.units >= least]})
