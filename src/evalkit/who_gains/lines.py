"""Effects on poverty under every line of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.firm_records import NotTold
from evalkit.income_effect import headline
from evalkit.intake.poverty_lines import poverty_line
from evalkit.study import Study
from evalkit.who_gains.families import family, joint_p, pretrend_p
from evalkit.who_gains.groups import counted, intervals, too_few
from evalkit.who_gains.people import line_of, with_columns
from evalkit.who_gains.poverty import measured, unfit_money
from evalkit.who_gains.without import effect_on
from evalkit.who_records import Measure, NoLine, PlainShares, Poverty, PovertyFound, PovertyLineFound

Array = np.ndarray[Any, Any]

MEASURES: tuple[Measure, ...] = ("headcount", "gap", "severity", "near")


def poverty(study: Study, design: Design) -> Poverty | NotTold:
    """Return the effects on poverty under each line of the study, by the premise and the comparison of its headline."""
    assert study.who is not None
    counts = counted(study, design, Comparison.of(design))
    if not study.who.lines:
        return NotTold(reason="no_lines")
    if refused := too_few(counts, True) or unfit_money(study):
        return refused
    cells = GroupTime(study.method)(design)
    made = {schedule: _line(study, design, cells, schedule, counts) for schedule in study.who.lines}
    effects = {
        f"{schedule} {name}": effect
        for schedule, one in made.items()
        if not isinstance(one, NoLine)
        for name, effect in one[1].items()
    }
    known = family(effects, study.cluster or study.unit, study.seed)
    lines: list[PovertyLineFound | NoLine] = []
    for schedule, one in made.items():
        if isinstance(one, NoLine):
            lines.append(one)
            continue
        told = [row.model_copy(update={"adjusted": known.get(f"{schedule} {row.measure}")}) for row in one[0].measures]
        lines.append(one[0].model_copy(update={"measures": told}))
    return Poverty(
        lines=lines, just_above=study.who.just_above, treated_units=counts["treated_units"], comparison_units=counts["comparison_units"]
    )  # fmt: skip


def _line(
    study: Study, design: Design, cells: Estimate, schedule: str, counts: Mapping[str, int]
) -> NoLine | tuple[PovertyLineFound, dict[Measure, Estimate]]:
    """Return what one schedule tells, with the effect of each measure; the reason where its years allow no comparison."""
    assert study.who is not None
    line = line_of(schedule, design.periods)
    found = {name: effect_on(partial(_part, name, study.who.just_above), design, cells, line, study.scale) for name in MEASURES}
    if any(one is None for one in found.values()):
        return NoLine(schedule=schedule, reason="no_years", facts={"years": sorted(line)})
    sides, cluster = (counts["treated_clusters"], counts["comparison_clusters"]), study.cluster or study.unit
    plain = _plain(study, design, schedule, line, sides)
    early = _means_before(study, design, line)
    rows, effects = [], {}
    for name, one in found.items():
        assert one is not None
        told = intervals(study, one.average)
        effects[name] = one.average.select(name="effect")
        p = joint_p(one.path, cluster, sides, study.anticipation) if one.path is not None else None
        before = early[name]
        rows.append(
            PovertyFound(
                measure=name, before_treated=before[0], before_comparison=before[1], without=told["without"], effect=told["effect"],
                pretrend_p=p, plain=plain[name] if plain else None,
            )
        )  # fmt: skip
    used = poverty_line(schedule, line)
    read = {state: [int(y) for y, v in zip(used.years, used.verified, strict=True) if v == state] for state in ("no", "secondary")}
    whole = PovertyLineFound(
        schedule=schedule, years=sorted(line), without_line=[int(y) for y in design.periods if int(y) not in line],
        before=_years_before(design, line), unverified=read["no"], secondary=read["secondary"],
        lowest=float(used.values.min()), highest=float(used.values.max()), measures=rows,
    )  # fmt: skip
    return whole, effects


def _part(name: Measure, just_above: float, income: Array, line: float) -> Array:
    return measured(income, line, just_above)[name]


def _years_before(design: Design, line: Mapping[int, float]) -> list[int]:
    """Return the years with a line before anybody starts."""
    first = min(Comparison.of(design).cohorts) - design.anticipation
    return [int(year) for year in design.periods if year < first and int(year) in line]


def _means_before(study: Study, design: Design, line: Mapping[int, float]) -> dict[Measure, tuple[float | None, float | None]]:
    """Return each measure before anybody starts, of those covered and of those they are compared with; None without a line then."""
    assert study.who is not None
    comparison, years = Comparison.of(design), _years_before(design, line)
    arms = (np.isin(comparison.cohort, comparison.cohorts), np.isinf(comparison.cohort))
    early = np.isin(design.periods[design.period_index], years)
    values = np.array([line.get(int(year), np.nan) for year in design.periods])[design.period_index]
    weight = np.ones(len(design.y)) if design.w is None else design.w
    parts = measured(design.values(study.outcome), values, study.who.just_above)

    def mean(part: Array, arm: Array) -> float | None:
        rows = early & arm[design.unit_index]
        return float(np.average(part[rows], weights=weight[rows])) if rows.any() else None

    return {name: (mean(part, arms[0]), mean(part, arms[1])) for name, part in parts.items()}


def _plain(
    study: Study, design: Design, schedule: str, line: Mapping[int, float], sides: tuple[int, int]
) -> dict[Measure, PlainShares] | None:
    """Return differences in differences of the shares themselves, as a check; None where years with a line allow none."""
    assert study.who is not None
    panel = design.panel
    values = np.array([line.get(int(year), np.nan) for year in panel.periods])[panel.period_index]
    columns = measured(panel.numbers(study.outcome), values, study.who.just_above)
    wider = with_columns(design, {f"{schedule} {name}": column for name, column in columns.items()})
    found: dict[Measure, PlainShares] = {}
    for name in columns:
        try:
            part = replace(wider, outcome=f"{schedule} {name}")
            cells = GroupTime(study.method)(part)
        except DesignError:  # without their lines, the years before or after the start are gone
            return None
        effect = intervals(study, headline(cells, part, "level").select(name="effect"))["effect"]
        p = pretrend_p(cells, study.cluster or study.unit, sides, study.anticipation)
        found[name] = PlainShares(effect=effect, pretrend_p=p)
    return found
