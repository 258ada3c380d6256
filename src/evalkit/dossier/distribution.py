"""R19: effects along the distribution of income, and on the shares below the poverty lines. Only where a unit is a household."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.diagnostics.variations import with_outcome
from evalkit.dossier.checking import Work, not_applicable
from evalkit.dossier.lines import refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError, EstimateError
from evalkit.estimators import ChangesInChanges
from evalkit.intake.observations import IntakeError
from evalkit.intake.poverty_lines import SCHEDULES, poverty_line
from evalkit.records import Remark
from evalkit.study_parts import Who

Array = np.ndarray[Any, Any]

MADE = "evalkit.dossier.distribution.distribution"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
MULTIPLES = (1.0, 1.5)  # of the line: 1.5 is where the nearly poor begin to be counted
DEPTHS = (1, 2)  # gap and squared gap of Foster, Greer & Thorbecke (1984)


def distribution(work: Work) -> Check:
    """Return effects at quantiles (changes-in-changes) and on the shares and gaps below the poverty lines.

    Notes
    -----
    Means of counties hide who is poor in them, so the check applies to households alone. Shares and gaps are effects on the indicator
    and on its Foster-Greer-Thorbecke gaps, by the study's own comparison; lines are in current prices, so that deflated incomes have
    none. Effects on shares are in shares of households: 0.01 is one percentage point.
    """
    level = _level(work)
    if level != "household":
        return not_applicable("R19", Remark(code="means" if level else "level_not_said", facts={"key": "unit_level"}), MADE)
    lines = [*_quantiles(work), *_below(work)]
    told = [line for line in lines if line.name == "quantile.effect" and line.effect]
    below = [line for line in lines if line.name == "poverty.below_line" and line.effect]
    if not told and not below:
        return not_applicable(
            "R19",
            Remark(code="refused", facts={"said": next((text for line in lines if (text := line.words.get("said"))), "")}),
            MADE,
        )
    lost = [line for line in told if line.effect and line.effect.high is not None and line.effect.high < 0]
    gained = [line for line in told if line.effect and line.effect.low is not None and line.effect.low > 0]
    because = Remark(code="both_ways", facts={"lost": len(lost), "gained": len(gained)}) if lost and gained else None
    estimates = [line.effect.estimate for line in told if line.effect]
    said = (
        Remark(code="quantiles", facts={"quantiles": len(told), "low": min(estimates), "high": max(estimates)})
        if estimates
        else Remark(code="shares_alone", facts={"lines": len(below)})
    )
    return Check(
        rule="R19", name="distribution", verdict="doubt" if because else "pass", statistic=said, because=because, lines=lines, made_by=MADE
    )  # fmt: skip


def _level(work: Work) -> str | None:
    received = work.loaded.received
    by_county = "county" if work.study.county == work.study.unit else None  # a report for each unit is one for each county
    return work.study.unit_level or (received.mapping.level if received else by_county)


def _quantiles(work: Work) -> Iterator[Line]:
    try:
        plain = replace(work.design, covariates=())
        found = ChangesInChanges(QUANTILES)(plain).select(kind="quantile")
        effects = work.intervals(found)
    except (DesignError, EstimateError) as refusal:
        yield refused_line("quantile.effect", refusal)
        return
    for at, effect in zip(found.cells["at"], effects, strict=True):
        yield Line(name="quantile.effect", effect=effect, numbers={"at": float(at)})


def _below(work: Work) -> Iterator[Line]:
    design, study = work.design, work.study
    if not study.nominal:
        yield Line(name="poverty.below_line", reason="deflated")
        return
    income = np.exp(design.y) if study.scale == "log" else design.y
    for schedule in (study.who or Who()).lines if study.who else SCHEDULES:
        try:
            values = poverty_line(schedule, [int(period) for period in design.periods]).values[design.period_index]
        except IntakeError as refusal:
            yield refused_line("poverty.below_line", refusal, {"schedule": schedule})
            continue
        for multiple in MULTIPLES:
            share = (income < multiple * values).astype(float)
            yield _poverty(work, "poverty.below_line", share, {"schedule": schedule}, {"multiple": multiple})
        for depth in DEPTHS:
            yield _poverty(work, "poverty.gap", gap(income, values, depth), {"schedule": schedule}, {"power": depth})


def gap(income: Array, line: Array, power: int) -> Array:
    """Return (n,) the gap below the line as a share of it, to a power; nothing above the line.

    Examples
    --------
    >>> import numpy as np
    >>> gap(np.array([1500.0, 3000.0]), np.array([3000.0, 3000.0]), 2).tolist()
    [0.25, 0.0]
    """
    return np.asarray(np.clip(1 - income / line, 0, None) ** power)


def _poverty(work: Work, name: str, values: Array, words: dict[str, str], numbers: dict[str, Any]) -> Line:
    if not values.any():
        return Line(name=name, words=words, numbers=numbers, reason="nobody_below")
    try:
        effect = work.intervals(work.overall(with_outcome(work.design, values)))[0]
    except (DesignError, EstimateError) as refusal:
        return refused_line(name, refusal, words, **numbers)
    return Line(name=name, effect=effect, words=words, numbers={**numbers, "mean": float(values.mean())})
