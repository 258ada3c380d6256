"""The frame of the dossier: one evaluation, one design, and the checks R1 to R23 in order, none lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.dossier_records import Check, Dossier
from evalkit.errors import EstimateError, EvalkitError, StudyError, first_five, unknown
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.evaluation import evaluate_loaded
from evalkit.findings import Findings
from evalkit.how_firm import Money, Overall
from evalkit.inference.linear import Inference
from evalkit.intake.personal_patterns import safe
from evalkit.records import Interval, Remark
from evalkit.study import Study
from evalkit.study_columns import judge_columns
from evalkit.study_data import Loaded, designed, load
from evalkit.study_parts import Checks

Array = np.ndarray[Any, Any]

# rule -> the check's name, and the function of a Work that makes it
CHECKS: dict[str, tuple[str, str]] = {
    "R1": ("stepwise_controls", "evalkit.dossier.baseline:stepwise_controls"),
    "R2": ("event_study", "evalkit.dossier.baseline:event_study"),
    "R3": ("staggered_starts", "evalkit.dossier.staggered:staggered_starts"),
    "R4": ("sensitivity", "evalkit.dossier.sensitivity:sensitivity"),
    "R5": ("permutation", "evalkit.dossier.placebos:permutation"),
    "R6": ("false_programmes", "evalkit.dossier.placebos:false_programmes"),
    "R7": ("matching", "evalkit.dossier.matching:matching"),
    "R8": ("other_programmes", "evalkit.dossier.bundle:other_programmes"),
    "R9": ("groups", "evalkit.dossier.groups:groups"),
    "R10": ("mechanisms", "evalkit.dossier.mechanisms:mechanisms"),
    "R11": ("spillover", "evalkit.dossier.spillover:spillover"),
    "R12": ("specifications", "evalkit.dossier.specifications:specifications"),
    "R13": ("clusters", "evalkit.dossier.clusters:clusters"),
    "R14": ("samples", "evalkit.dossier.samples:samples"),
    "R15": ("anticipation", "evalkit.dossier.anticipation:anticipation"),
    "R16": ("reversals", "evalkit.dossier.reversals:reversals"),
    "R17": ("discontinuity", "evalkit.dossier.discontinuity:discontinuity"),
    "R18": ("synthetic", "evalkit.dossier.synthetic:synthetic"),
    "R19": ("distribution", "evalkit.dossier.distribution:distribution"),
    "R20": ("losses", "evalkit.dossier.losses:losses"),
    "R21": ("models", "evalkit.dossier.models:models"),
    "R22": ("power", "evalkit.dossier.power:power"),
    "R23": ("tables", "evalkit.dossier.tables:tables"),
}


@dataclass(frozen=True, eq=False)
class Work:
    """What every check reads: the study, its data and design, and what was found.

    Attributes
    ----------
    study, loaded, design : as :func:`evalkit.evaluate` reads and builds them
    cells : the study's group-time effects
    findings : the evaluation that the dossier is about; numbers it holds already are read from here, not computed again
    seed : of random draws
    draws : random assignments of a placebo
    """

    study: Study
    loaded: Loaded = field(repr=False)
    design: Design = field(repr=False)
    cells: Estimate = field(repr=False)
    findings: Findings = field(repr=False)
    seed: int
    draws: int

    @property
    def checks(self) -> Checks:
        """The columns that the study names for checks; nothing is named where the study has no such part."""
        return self.study.checks or Checks()

    @property
    def cluster(self) -> str:
        """The column whose groups are assumed independent: the study's cluster, or its unit."""
        return self.study.cluster or self.study.unit

    @property
    def too_few(self) -> bool:
        """Whether clusters are too few for any range, so that only estimates are told."""
        return self.findings.headline.effect.low is None

    @property
    def main(self) -> float:
        """The headline's effect, in the outcome's unit."""
        return self.findings.headline.effect.estimate

    @property
    def overall(self) -> Overall:
        """The study's own estimator of the average effect over treated unit-periods: Design -> Estimate of one parameter."""
        return Overall(self.study.method)

    @cached_property
    def money(self) -> Money:
        """Effects in money at the rate of the headline."""
        return Money.of(self.findings.headline, self.study.scale)

    def intervals(self, estimate: Estimate, cluster: str | None = None) -> list[Interval]:
        """Return each parameter with the study's range, and no range where clusters are too few for one."""
        table = Inference(cluster=cluster or self.cluster, level=self.study.level)(estimate)
        if self.too_few:
            return [Interval(estimate=float(one)) for one in table["estimate"]]
        return [Interval.of(row) for _, row in table.iterrows()]


def dossier(
    study: Study,
    data: str | Path | None = None,
    folder: str | Path = ".",
    rules: Sequence[str] = (),
    draws: int | None = None,
) -> Dossier:
    """Return all checks of a study's headline.

    Parameters
    ----------
    data : the data file; the study's own without it
    folder : where the study file lies
    rules : the checks wanted, such as ``["R2", "R4"]``; all without it
    draws : random assignments of a placebo; those of the study (``checks.draws``, 500) without it

    Raises
    ------
    StudyError
        For a rule that does not exist, and for columns named in ``checks`` and ``who`` that the data do not have.
    EstimateError
        When the study gives no causal figure, so that there is nothing to check.
    PanelError, RolloutError, DesignError
        When the data do not allow the comparison.
    """
    loaded = load(study, data, folder)
    return checked(work_of(study, loaded, draws), rules)


def work_of(study: Study, loaded: Loaded, draws: int | None = None) -> Work:
    """Return what the checks read, for a study whose data are loaded already; raises as :func:`dossier` does."""
    judge_columns(study, loaded.frame)
    findings = evaluate_loaded(study, loaded)
    if not isinstance(findings, Findings):
        raise EstimateError(
            f"The study {study.name!r} gives no causal figure, so there is nothing to check. Its main report says why, and which data would "
            "cure it."
        )
    design, _ = designed(study, loaded.frame, loaded.events)
    wanted = draws if draws is not None else (study.checks or Checks()).draws
    return Work(study, loaded, design, GroupTime(study.method)(design), findings, study.seed, wanted)


def checked(work: Work, rules: Sequence[str] = ()) -> Dossier:
    """Return the checks of a finding in order; one that cannot be made says so with the reason."""
    for rule in rules:
        if rule not in CHECKS:
            raise StudyError(unknown("check", rule, list(CHECKS)))
    wanted = [rule for rule in CHECKS if not rules or rule in rules]
    checks = [_made(work, rule) for rule in wanted]
    if work.findings.hidden is not None:
        checks = [_without_lines(check) for check in checks]
    return Dossier(findings=work.findings, checks=checks)


def _without_lines(check: Check) -> Check:
    """Return a check without its lines: in a public report that hides small cells, they could be worked out from those."""
    if not check.lines:
        return check
    return check.model_copy(update={"lines": [], "remarks": [*check.remarks, Remark(code="lines_hidden", facts={})]})


def _made(work: Work, rule: str) -> Check:
    _, where = CHECKS[rule]
    module, function = where.split(":")
    make: Callable[[Work], Check] = getattr(import_module(module), function)
    try:
        return make(work)
    except EvalkitError as refusal:
        said = Remark(code="refused", facts={"said": safe(str(refusal))})
        return not_applicable(rule, said, where.replace(":", "."))


def not_applicable(rule: str, because: Remark, made_by: str) -> Check:
    """Return a check that does not apply, with the reason."""
    return Check(
        rule=rule, name=CHECKS[rule][0], verdict="not_applicable", statistic=Remark(code="none", facts={}), because=because, made_by=made_by
    )  # fmt: skip


def not_named(rule: str, key: str, made_by: str) -> Check:
    """Return a check that needs a column which the study does not name under this key."""
    return not_applicable(rule, Remark(code="not_named", facts={"key": key}), made_by)


def constant_values(work: Work, name: str, key: str) -> Array:
    """Return (N,) values of a column that must not change within units, in the order of the design's units; missing is a value.

    Raises StudyError naming the key and the units whose value changes.
    """
    column = work.design.panel.column(name)
    column = column if work.design.keep is None else column[work.design.keep]
    codes = pd.factorize(column, use_na_sentinel=False)[0]
    own = codes[work.design.first_rows]
    if (moved := codes != own[work.design.unit_index]).any():
        units = np.unique(work.design.unit_index[moved])
        raise StudyError(
            f"{key}: {name!r} changes over time within {len(units):,} units: {safe(first_five(work.design.units[units]))}. Use a column that is "
            "fixed before the programme."
        )
    return np.asarray(column.to_numpy(dtype=object)[work.design.first_rows])
