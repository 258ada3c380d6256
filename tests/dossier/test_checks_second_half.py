"""R13 to R23: what each check finds, what it declines to say, and when it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.diagnostics.variations import with_outcome, without_rows
from evalkit.dossier.anticipation import anticipation
from evalkit.dossier.checking import Work, checked, work_of
from evalkit.dossier.clusters import clusters, shows
from evalkit.dossier.distribution import distribution
from evalkit.dossier.losses import losses
from evalkit.dossier.models import Fit, clustered, lasting, leftover, models, mundlak, random_effects, shared_in_regions
from evalkit.dossier.power import power
from evalkit.dossier.reversals import reversals
from evalkit.dossier.samples import districts, samples
from evalkit.dossier.synthetic import synthetic
from evalkit.dossier.tables import tables
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.study_data import Loaded

SECOND_HALF = [f"R{number}" for number in range(13, 24)]


def of(check: Check, name: str) -> Line:
    return next(line for line in check.lines if line.name == name)


def outcome(work: Work, values: np.ndarray[Any, Any]) -> Work:
    return replace(work, design=with_outcome(work.design, values))


def with_column(work: Work, **columns: Any) -> Work:
    panel = work.design.panel
    return replace(work, design=replace(work.design, panel=replace(panel, frame=panel.frame.assign(**columns))))


def code(check: Check) -> str:
    assert check.because is not None
    return check.because.code


@pytest.fixture(scope="module")
def whole(quiet: Work, with_columns: Callable[..., Work]) -> dict[str, Check]:
    return {check.rule: check for check in checked(with_columns(quiet, regions=["region"]), SECOND_HALF).checks}


def test_a_quiet_province_gives_no_doubt_in_the_second_half(whole: dict[str, Check]) -> None:
    assert list(whole) == SECOND_HALF
    assert {rule: check.verdict for rule, check in whole.items() if check.verdict not in ("pass", "not_applicable")} == {}
    assert [rule for rule, check in whole.items() if check.verdict == "not_applicable"] == ["R16", "R17", "R19"]


def test_every_way_of_inference_stands_beside_the_same_estimate(whole: dict[str, Check], quiet: Work) -> None:
    check = whole["R13"]
    same = [line.effect.estimate for line in check.lines if line.effect and "two_way" not in line.name]
    assert len(same) == 3 and np.allclose(same, quiet.main)
    assert of(check, "assumed.near").reason == "not_named"
    assert of(check, "assumed.permutation").numbers["p_value"] == quiet.findings.firm.permuted.p_value  # type: ignore[union-attr]
    assert of(check, "assumed.two_way_both").numbers["clusters"] == 8


def test_a_line_tells_from_zero_by_its_range_or_else_by_its_p_value() -> None:
    assert shows(Line(name="a", effect=Interval(estimate=1, low=0.1, high=2))) is True
    assert shows(Line(name="a", effect=Interval(estimate=1, low=-0.1, high=2))) is False
    assert shows(Line(name="a", numbers={"p_value": 0.2})) is False
    assert shows(Line(name="a", reason="refused")) is None


def test_few_treated_clusters_and_a_rank_that_cannot_stand_out_are_told(quiet: Work, with_findings: Callable[..., Work]) -> None:
    few = with_findings(quiet, sample=quiet.findings.sample.model_copy(update={"treated_clusters": 7}))
    assert (clusters(few).verdict, code(clusters(few))) == ("doubt", "few_clusters")
    firm = quiet.findings.firm
    assert firm is not None
    ranks = firm.permuted.model_copy(update={"smallest_p": 1 / 6, "p_value": 1 / 6})
    cannot = clusters(with_findings(quiet, firm=firm.model_copy(update={"permuted": ranks})))
    assert (cannot.verdict, code(cannot)) == ("fail", "permutation_cannot")


def test_with_too_few_clusters_no_check_gives_a_range(quiet: Work, with_findings: Callable[..., Work]) -> None:
    top = quiet.findings.headline
    bare = {name: getattr(top, name).model_copy(update={"low": None, "high": None}) for name in type(top).model_fields}
    few = with_findings(quiet, verdict="too_few", headline=top.model_copy(update=bare))
    made = [clusters(few), anticipation(few), synthetic(few), losses(few), models(few), tables(few)]
    kept = [line for check in made for line in check.lines if line.effect and check.rule != "R23"]
    assert kept and all(line.effect is not None and line.effect.low is None for line in kept)
    assert made[0].verdict == "fail" and made[1].verdict == "not_applicable"


def test_one_county_that_carries_the_effect_is_found_and_not_named(quiet: Work) -> None:
    design = quiet.design
    first = design.unit_index == np.flatnonzero(np.isfinite(design.cohort))[0]
    moved = design.y + design.treated * np.where(first, 1.5, -0.1)
    check = samples(outcome(quiet, moved))
    assert (check.verdict, code(check)) == ("fail", "one_place")
    assert check.statistic.facts["flips"] == 1
    assert not {str(unit) for unit in design.units} & {word for line in check.lines for word in line.words.values()}


def test_leaving_out_in_turn_is_the_range_of_the_main_report(whole: dict[str, Check], quiet: Work) -> None:
    firm = quiet.findings.firm
    assert firm is not None
    turns = [line.effect.estimate for line in whole["R14"].lines if line.name == "without.cluster" and line.effect]
    low, high = (quiet.money.yuan(end) for end in (min(turns), max(turns)))
    assert (low, high) == (pytest.approx(firm.without.low), pytest.approx(firm.without.high))  # type: ignore[union-attr]


def test_city_districts_are_told_by_the_code() -> None:
    told = districts(np.array(["500101", "500120", "500121", "500229", "512081"]))
    assert told is not None and told.tolist() == [True, True, False, False, False]
    assert districts(np.array(["500101", "c01"])) is None


def test_a_trend_of_the_covered_is_a_gap_in_the_last_year_before(whole: dict[str, Check], drifting: Work) -> None:
    assert whole["R15"].verdict == "pass"
    check = anticipation(drifting)
    assert (check.verdict, code(check)) == ("doubt", "lead_apart")
    assert check.statistic.facts["gap"] == pytest.approx(0.02, abs=0.012)


def test_without_an_earlier_year_early_reaction_cannot_be_told(quiet: Work) -> None:
    late = quiet.design.periods[quiet.design.period_index] < 2013
    check = anticipation(replace(quiet, design=without_rows(quiet.design, late)))
    assert check.statistic.code in ("untested", "lead")
    with pytest.raises(DesignError, match="No row would be left"):
        without_rows(quiet.design, np.ones(len(late), dtype=bool))


def test_a_dose_that_falls_back_to_nothing_is_counted(quiet: Work, with_columns: Callable[..., Work]) -> None:
    panel = quiet.design.panel
    last = panel.frame["year"] == 2018
    stopped = panel.frame["county"].isin(["c00", "c01"]) & last
    dosed = with_column(
        quiet, dose=np.where(stopped, 0.0, (panel.frame["first"] > 0) & (panel.frame["year"] >= panel.frame["first"]))
    )
    check = reversals(with_columns(dosed, intensity="dose"))
    assert check.statistic.facts == {"units": 2, "treated_units": 20, "share": 0.1}
    assert (check.verdict, code(check)) == ("doubt", "many_stopped")
    with pytest.raises(DesignError, match="dose of nothing is 0"):
        reversals(with_columns(with_column(quiet, dose=np.where(stopped, np.nan, 1.0)), intensity="dose"))


def test_a_synthetic_comparison_that_speaks_against_the_headline_fails(quiet: Work) -> None:
    check = synthetic(outcome(quiet, quiet.design.y - 0.3 * quiet.design.treated))
    assert (check.verdict, code(check)) == ("fail", "other_sign")


def test_means_of_counties_hide_a_distribution_and_households_show_one(quiet: Work) -> None:
    assert code(distribution(quiet)) == "means"
    unsaid = replace(quiet, study=quiet.study.model_copy(update={"unit_level": None}))
    assert code(distribution(unsaid)) == "level_not_said"
    check = distribution(replace(quiet, study=quiet.study.model_copy(update={"unit_level": "household"})))
    told = [line.effect.estimate for line in check.lines if line.name == "quantile.effect" and line.effect]
    assert len(told) == 5 and np.allclose(told, 0.08, atol=0.05)
    assert check.verdict == "pass" and check.statistic.code == "quantiles"


def test_counties_lost_on_one_side_are_a_doubt(whole: dict[str, Check], quiet: Work) -> None:
    assert whole["R20"].statistic.code == "nobody_lost"
    design = quiet.design
    treated = np.flatnonzero(np.isfinite(design.cohort))[:5]
    gone = np.isin(design.unit_index, treated) & (design.periods[design.period_index] == 2018)
    check = losses(replace(quiet, design=without_rows(design, gone)))
    assert check.verdict in ("doubt", "fail") and code(check) in ("apart", "bounds_hold_zero")
    assert check.statistic.facts["treated_share"] == pytest.approx(5 / 20)
    assert of(check, "lost.comparison").effect == Interval(estimate=0.0)


def test_errors_shared_within_a_region_are_found(whole: dict[str, Check], quiet: Work, with_columns: Callable[..., Work]) -> None:
    assert whole["R21"].verdict == "pass"
    design, generator = quiet.design, np.random.default_rng(3)
    regions = pd.factorize(design.panel.column("place"))[0]
    shock = generator.normal(0, 0.05, (12, len(design.periods)))[regions, design.period_index]
    check = models(with_columns(outcome(quiet, design.y + shock), regions=["place"]))
    assert (check.verdict, code(check)) == ("doubt", "shared")


def test_power_is_that_of_the_main_report(quiet: Work, whole: dict[str, Check], with_findings: Callable[..., Work]) -> None:
    firm = quiet.findings.firm
    assert firm is not None and whole["R22"].statistic.facts["percent"] == firm.seen.percent  # type: ignore[union-attr]
    blind = firm.model_copy(update={"seen": firm.seen.model_copy(update={"percent": 12.0})})
    assert (power(with_findings(quiet, firm=blind)).verdict, code(power(with_findings(quiet, firm=blind)))) == ("doubt", "blind")
    untold = firm.model_copy(update={"seen": NotTold(reason="refused", facts={"said": "one cluster"})})
    assert power(with_findings(quiet, firm=untold)).because.facts == {"said": "one cluster"}  # type: ignore[union-attr]


def test_the_regression_table_holds_the_headline_and_what_it_rests_on(whole: dict[str, Check], quiet: Work) -> None:
    line = of(whole["R23"], "regression.group_time")
    assert line.effect is not None and line.effect.estimate == pytest.approx(quiet.main) and line.words == {"headline": "yes"}
    assert (line.numbers["observations"], line.numbers["units"], line.numbers["clusters"]) == (480, 60, 60)


def test_a_study_whose_only_covered_county_is_one_is_ranked_among_its_donors(
    quiet: Work, invented: Callable[..., pd.DataFrame]
) -> None:
    frame = invented()
    frame["first"] = np.where(frame["county"] == "c00", 2014, 0)
    work = work_of(quiet.study, Loaded(frame, {}), 9)
    assert work.findings.verdict == "one_unit"
    check = synthetic(work)
    assert check.statistic.code == "ranked" and check.statistic.facts["of"] == 60
    assert [one.because.code for one in (clusters(work), samples(work)) if one.because] == ["one_unit", "one_unit"]


# The numbers themselves.


def test_clustered_errors_of_a_mean_by_pencil() -> None:
    fit = clustered(np.ones((4, 1)), np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    assert fit.estimate == 4 and fit.std_error == pytest.approx(np.sqrt((16 + 16) / 16 * 2)) and fit.clusters == 2


def test_identical_errors_within_regions_correlate_by_one() -> None:
    residuals = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0]])
    correlation, p = shared_in_regions(residuals, np.array([0, 0, 1, 1]), 99, 1)
    assert correlation == pytest.approx(1) and 0.2 < p < 0.5  # 8 of the 24 orders keep the two pairs together
    assert shared_in_regions(residuals, np.arange(4), 99, 1) == (0.0, 1.0)


def test_what_is_left_over_holds_neither_units_nor_the_years_of_a_cohort() -> None:
    unit, year = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)
    cell = np.array([0, 1, 0, 1, 2, 3])
    left = leftover(np.array([1.0, 2.0, 5.0, 9.0, 4.0, 4.0]), unit, cell)
    assert left == pytest.approx([0.75, -0.75, -0.75, 0.75, 0, 0])
    assert len(year) == len(left)


def panel(lasts: float, seed: int = 1, units: int = 300, years: int = 8) -> tuple[Any, ...]:
    """Return y, treated, unit, period and codes of a panel whose errors keep a share of themselves from year to year."""
    generator = np.random.default_rng(seed)
    error = np.zeros((units, years))
    for t in range(years):
        error[:, t] = (lasts * error[:, t - 1] if t else 0) + generator.normal(size=units)
    unit, period = np.repeat(np.arange(units), years), np.tile(np.arange(years), units)
    treated = ((unit < units // 3) & (period >= 4)).astype(float)
    return (error.ravel() + 0.5 * treated + 0.1 * period, treated, unit, period, unit)


def test_errors_that_do_not_last_follow_each_other_with_minus_one_half() -> None:
    fresh, walk = lasting(*panel(0.0)), lasting(*panel(1.0))
    assert fresh is not None and walk is not None
    assert fresh.estimate == pytest.approx(-0.5, abs=0.05) and fresh.p_value > 0.05
    assert walk.estimate == pytest.approx(0.0, abs=0.06) and walk.p_value < 0.001


def test_unit_means_tell_where_levels_and_treatment_go_together() -> None:
    y, treated, unit, period, codes = panel(0.0)
    assert mundlak(y, treated, unit, period, codes).p_value > 0.05
    assert mundlak(y + 2 * (unit < 100), treated, unit, period, codes).p_value < 0.001


def test_random_effects_are_those_of_linearmodels() -> None:
    linear = pytest.importorskip("linearmodels")
    y, treated, unit, period, codes = panel(0.3, units=60)
    y = y + np.random.default_rng(5).normal(0, 1, 60)[unit]
    index = pd.MultiIndex.from_arrays([unit, period])
    years = pd.get_dummies(pd.Series(period, index=index), prefix="t", dtype=float)
    theirs = linear.RandomEffects(pd.Series(y, index=index), years.assign(treated=treated)).fit()
    own: Fit = random_effects(y, treated, unit, period, codes)
    assert own.estimate == pytest.approx(theirs.params["treated"], rel=2e-3)
