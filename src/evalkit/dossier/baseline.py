"""R1 and R2: the effect as controls are added step by step, and the path before and after the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.diagnostics.replays import constant_in_units
from evalkit.dossier.checking import Work
from evalkit.dossier.lines import excludes_zero, line_of, opposed, outside, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError, EvalkitError
from evalkit.estimate import Estimate
from evalkit.estimators import EventStudy, TwoWay
from evalkit.firm_records import Power
from evalkit.inference.multiple import adjusted
from evalkit.records import Interval, Remark

Array = np.ndarray[Any, Any]
Verdict = Literal["pass", "doubt", "fail", "not_applicable"]

REACTS = 0.05  # adjusted p-value below which a control counts as moved by the programme: the level of the ranges
LEAST_PERIODS = 3  # before the first start: with two a trend and a chance difference look alike (domain.md, R2)
TWO_WAY = "evalkit.estimators.two_way.TwoWay"
PATH = "evalkit.how_firm.firm"


def stepwise_controls(work: Work) -> Check:
    """Return R1: the two-way coefficient without controls, with controls, with controls of the base year by year, and with region by year."""
    lines = list(_steps(work))
    moved = list(_moved(work))
    bad = [line.words["column"] for line in moved if (line.numbers["p_adjusted"] or 0.0) < REACTS]
    main = work.findings.headline.effect
    columns = [line for line in lines if line.name.startswith("column.") and line.effect is not None]
    verdict, because = _of_columns(work, columns, bad)
    if not work.design.covariates and not work.checks.regions:
        verdict, because = "not_applicable", Remark(code="not_named", facts={"key": "covariates"})
    estimates = [line.effect.estimate for line in columns if line.effect is not None]
    return Check(
        rule="R1",
        name="stepwise_controls",
        verdict=verdict,
        statistic=Remark(
            code="columns",
            facts={
                "columns": len(columns),
                "smallest": min(estimates, default=None),
                "largest": max(estimates, default=None),
                "headline": main.estimate,
            },
        ),
        because=because,
        lines=[*lines, *moved],
        made_by=TWO_WAY,
    )


def _of_columns(work: Work, columns: list[Line], bad: list[str]) -> tuple[Verdict, Remark | None]:
    main = work.findings.headline.effect
    other = [line.name for line in columns if opposed(work, line.effect)]
    if strong := [line.name for line in columns if line.name in other and excludes_zero(line.effect)]:
        return "fail", Remark(code="sign_changes", facts={"columns": strong})
    if other:
        return "doubt", Remark(code="sign_changes", facts={"columns": other})
    if bad:
        return "doubt", Remark(code="bad_controls", facts={"columns": bad})
    if apart := [line.name for line in columns if outside(line.effect, main)]:
        return "doubt", Remark(code="outside_headline", facts={"columns": apart})
    return "pass", None


def _steps(work: Work) -> Iterator[Line]:
    """Yield the columns of the table, and the headline's own estimator beside them."""
    bare = replace(work.design, covariates=())
    yield _column(work, "column.no_controls", bare, TwoWay())
    if work.design.covariates:
        yield _column(work, "column.controls", work.design, TwoWay())
        based, names = _base_years(bare, work.design.covariates)
        slopes = [(work.study.period, name) for name in names]
        yield _column(work, "column.controls_by_year", based, TwoWay(slopes=slopes))
    if work.checks.regions:
        region = work.checks.regions[0]
        yield _column(work, "column.region_by_year", bare, TwoWay(by_period=[region]), {"column": region})
    yield _column(work, "headline.own", work.design, work.overall)
    if work.design.covariates:
        yield _column(work, "headline.no_controls", bare, work.overall)


def _column(work: Work, name: str, design: Design, estimator: Any, words: dict[str, str] | None = None) -> Line:
    counts = {"observations": design.observations, "units": len(design.units)}
    try:
        estimate = estimator(design)
        return line_of(work, name, estimate.select(kind="overall"), words, **counts, **_clusters(work, design))
    except EvalkitError as refusal:
        return refused_line(name, refusal, words, **counts)


def _clusters(work: Work, design: Design) -> dict[str, int]:
    return {"clusters": design.codes(work.cluster)[1]}


def _base_years(design: Design, covariates: Any) -> tuple[Design, list[str]]:
    """Return the design with a column of each covariate's value in the unit's first period, and the names of these columns."""
    frame = design.panel.frame
    order = design.panel.order
    columns, first = {}, np.searchsorted(design.panel.unit_index, np.arange(len(design.panel.units)))
    for name in covariates:
        own = design.panel.numbers(name)[first][design.panel.unit_index]
        if np.isnan(own).any():
            raise DesignError(
                f"Control {name!r} is missing in the first period of some units, so it has no value of the base year."
            )
        spread = np.empty_like(own)
        spread[slice(None) if order is None else order] = own - own.mean()
        columns[f"{name} of the first period"] = spread
    return replace(design, panel=replace(design.panel, frame=frame.assign(**columns))), list(columns)


def _moved(work: Work) -> Iterator[Line]:
    """Yield, for every control that changes over time, what the programme does to it: a control that reacts takes effect away."""
    bare = replace(work.design, covariates=())
    found: dict[str, Estimate] = {}
    for name in work.design.covariates:
        try:
            constant_in_units(work.design, name)
        except DesignError:  # it changes within units: the very ones that can react
            found[name] = work.overall(replace(bare, outcome=name))
    if not found:
        return
    table = adjusted(found, "holm", cluster=work.cluster).set_index("label")["p_adjusted"]
    for name, estimate in found.items():
        yield line_of(work, "control.reacts", estimate, {"column": name}, p_adjusted=float(table.loc[name]))


def event_study(work: Work) -> Check:
    """Return R2: the path of the headline and of the two-way regression, the joint test before the start, and what it could have seen."""
    test, power = work.findings.pretrend, work.findings.firm.power if work.findings.firm else None
    told = power if isinstance(power, Power) else None
    comparison = Comparison.of(work.design)
    periods = sum(p + work.design.anticipation < min(comparison.cohorts) for p in comparison.periods)
    lines = [*_own_path(work), *_two_way_path(work)]
    facts: dict[str, Any] = {"periods": periods, "power": told.power if told else None, "slope_money": told.slope if told else None}
    if test is not None:
        facts |= {"p_value": test.p_value, "leads": len(test.event_times), "distribution": test.distribution}
        facts |= {"largest": test.largest, "largest_event_time": test.largest_event_time}
    verdict, because = _of_path(work, periods, told)
    return Check(
        rule="R2",
        name="event_study",
        verdict=verdict,
        statistic=Remark(code="joint_test" if test else "untested", facts=facts),
        because=because,
        lines=lines,
        made_by=PATH,
    )


def _of_path(work: Work, periods: int, power: Power | None) -> tuple[Verdict, Remark | None]:
    test = work.findings.pretrend
    if test is None:
        return "not_applicable", Remark(code="too_few" if work.too_few else "untested", facts={"periods": periods})
    if test.failed:
        return "fail", Remark(code="leads_differ", facts={"p_value": test.p_value})
    if periods < LEAST_PERIODS:
        return "doubt", Remark(code="few_periods", facts={"periods": periods, "least": LEAST_PERIODS})
    if power is None:
        return "doubt", Remark(code="power_unknown", facts={})
    if power.weak:
        return "doubt", Remark(code="weak_test", facts={"power": power.power, "slope_money": power.slope})
    return "pass", None


def _own_path(work: Work) -> Iterator[Line]:
    for point in work.findings.path:
        effect = Interval(estimate=point.estimate, std_error=point.std_error, low=point.low, high=point.high)
        numbers = {"event_time": point.event_time, "units": point.units, "reference": int(point.reference)}
        yield Line(
            name="path.own", effect=effect, numbers={**numbers, "band_low": point.band_low, "band_high": point.band_high}
        )  # fmt: skip


def _two_way_path(work: Work) -> Iterator[Line]:
    try:
        path = EventStudy()(work.design).select(kind="event_time")
    except EvalkitError as refusal:
        yield refused_line("path.two_way", refusal)
        return
    for effect, (_, cell) in zip(work.intervals(path), path.cells.iterrows(), strict=True):
        numbers = {"event_time": int(cell["event_time"]), "units": int(cell["units"]) if cell["units"] == cell["units"] else None}
        yield Line(name="path.two_way", effect=effect, numbers={**numbers, "reference": int(cell["reference"])})
