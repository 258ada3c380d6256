"""The frame of the dossier, and the checks R1 to R12."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.diagnostics.variations import Periods, with_outcome
from evalkit.dossier import checking
from evalkit.dossier.baseline import event_study, stepwise_controls
from evalkit.dossier.bundle import other_programmes
from evalkit.dossier.checking import CHECKS, checked, work_of
from evalkit.dossier.groups import groups
from evalkit.dossier.matching import level_difference, matching
from evalkit.dossier.mechanisms import mechanisms
from evalkit.dossier.placebos import false_programmes, permutation
from evalkit.dossier.sensitivity import sensitivity
from evalkit.dossier.specifications import specifications
from evalkit.dossier.spillover import spillover
from evalkit.dossier.staggered import staggered_starts
from evalkit.dossier_records import Check, Dossier, Line
from evalkit.errors import DesignError, EstimateError, StudyError
from evalkit.events import Events
from evalkit.findings import ComponentRow, Components
from evalkit.firm_records import NotTold, Overturn, Power
from evalkit.records import Interval
from evalkit.study import Treatment
from evalkit.study_columns import judge_columns
from evalkit.subset import without_units

FIRST_HALF = [f"R{number}" for number in range(1, 13)]
BOTH = {"zh": "一", "en": "one"}


def lines(check: Check, part: str) -> list[Line]:
    """Return the lines of one part of a check."""
    return [line for line in check.lines if line.name.split(".")[0] == part]


def one(check: Check, name: str) -> Line:
    """Return the only line of this name."""
    (found,) = [line for line in check.lines if line.name == name]
    return found


def estimate(line: Line) -> float:
    """Return the estimate of a line that has one."""
    assert line.effect is not None
    return line.effect.estimate


@pytest.fixture(scope="module")
def asked(quiet: Any, with_columns: Any) -> Any:
    """The province with a region and a place named."""
    return with_columns(quiet, regions=["region"], same_place="place")


@pytest.fixture(scope="module")
def first_half(asked: Any) -> Dossier:
    """R1 to R12 of the province."""
    return checked(asked, FIRST_HALF)


@pytest.fixture(scope="module")
def curve(first_half: Dossier) -> Check:
    """R12 of the province."""
    return first_half.checks[-1]


# --- the frame ---------------------------------------------------------------------------------------------------------------------


def test_checks_come_in_the_order_of_the_rules_whatever_order_is_asked_for(quiet: Any) -> None:
    assert [check.rule for check in checked(quiet, ["R4", "R1", "R3"]).checks] == ["R1", "R3", "R4"]


def test_a_check_that_cannot_be_made_is_told_with_its_reason_and_never_lost(quiet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: Any) -> Check:
        raise DesignError("No unit is far enough.")

    monkeypatch.setattr("evalkit.dossier.staggered.staggered_starts", refuse)
    told = checked(quiet, ["R2", "R3"]).checks
    assert [check.rule for check in told] == ["R2", "R3"]
    assert told[1].verdict == "not_applicable"
    assert told[1].because is not None and told[1].because.facts["said"] == "No unit is far enough."


def test_a_fault_of_the_program_is_no_verdict(quiet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(work: Any) -> Check:
        raise KeyError("oops")

    monkeypatch.setattr("evalkit.dossier.staggered.staggered_starts", broken)
    with pytest.raises(KeyError):
        checked(quiet, ["R3"])


def test_an_unknown_rule_is_refused_with_those_there_are(quiet: Any) -> None:
    with pytest.raises(StudyError, match="R24"):
        checked(quiet, ["R24"])


def test_every_check_names_a_function_that_exists_and_the_rules_run_from_1_to_23(first_half: Dossier) -> None:
    assert list(CHECKS) == [f"R{number}" for number in range(1, 24)]
    for check in first_half.checks:
        module, _, function = check.made_by.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function)), check.made_by
        assert check.name == CHECKS[check.rule][0]


def test_a_misspelt_column_is_an_error_that_names_the_key_and_the_nearest_column(quiet: Any, with_columns: Any) -> None:
    asked = with_columns(quiet, {"groups": {"hilly": {"column": "hils", "values": [1], "word": BOTH}}}, regions=["regoin"])
    with pytest.raises(
        StudyError, match=r"checks\.regions.*'regoin'.*region.*who\.groups\.hilly\.column.*'hils'.*hills.*The data have county"
    ):
        judge_columns(asked.study, quiet.loaded.frame)


def test_without_a_causal_figure_there_is_nothing_to_check(quiet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "evaluate_loaded", lambda study, loaded: object())
    with pytest.raises(EstimateError, match="gives no causal figure"):
        work_of(quiet.study, quiet.loaded)


def test_the_same_input_gives_the_same_bytes_and_the_record_can_be_read_back(asked: Any, first_half: Dossier) -> None:
    again = checked(asked, FIRST_HALF[:-1])
    assert [check.model_dump_json() for check in again.checks] == [check.model_dump_json() for check in first_half.checks[:-1]]
    assert Dossier.model_validate_json(first_half.model_dump_json()) == first_half


def test_a_public_report_that_hides_small_cells_shows_no_lines_they_could_be_worked_out_from(
    quiet: Any, with_findings: Any
) -> None:
    hidden = {"minimum": 10, "event_times": [], "periods": []}
    told = checked(
        with_findings(quiet, hidden=type(quiet.findings).model_fields["hidden"].annotation.__args__[0](**hidden)), ["R3"]
    )
    assert not told.checks[0].lines
    assert [remark.code for remark in told.checks[0].remarks][-1] == "lines_hidden"


# --- R1 ----------------------------------------------------------------------------------------------------------------------------


def test_a_control_that_the_programme_moves_is_a_bad_control_and_named(controlled: Any) -> None:
    told = stepwise_controls(controlled)
    assert told.verdict == "doubt"
    assert told.because is not None and (told.because.code, told.because.facts["columns"]) == ("bad_controls", ["fund"])
    reacts = {line.words["column"]: estimate(line) for line in lines(told, "control")}
    assert set(reacts) == {"fund", "price"}  # labour never changes, so that nothing can move it
    assert reacts["fund"] == pytest.approx(0.5, abs=0.1)


def test_columns_go_from_no_controls_to_region_by_year(controlled: Any, with_columns: Any) -> None:
    told = stepwise_controls(with_columns(controlled, regions=["region"]))
    names = [line.name for line in lines(told, "column")]
    assert names == ["column.no_controls", "column.controls", "column.controls_by_year", "column.region_by_year"]
    assert all(line.numbers["clusters"] == 60 for line in lines(told, "column"))


def test_without_controls_and_regions_the_baseline_is_still_told(quiet: Any) -> None:
    told = stepwise_controls(quiet)
    assert told.because is not None and told.because.facts == {"key": "covariates"}
    assert estimate(one(told, "headline.own")) == pytest.approx(quiet.main)


def test_controls_of_the_first_year_are_those_of_the_first_year(controlled: Any) -> None:
    frame = controlled.loaded.frame.copy()
    later = frame["year"] > 2011
    generator = np.random.default_rng(1)
    frame.loc[later, "fund"] = generator.normal(size=int(later.sum()))  # what comes after the first year plays no part
    other = replace(
        controlled, design=replace(controlled.design, panel=replace(controlled.design.panel, frame=_with(controlled, frame)))
    )
    name = "column.controls_by_year"
    assert estimate(one(stepwise_controls(other), name)) == pytest.approx(estimate(one(stepwise_controls(controlled), name)))


def _with(work: Any, frame: Any) -> Any:
    """Return the design's frame with the columns of another one, row by row."""
    own = work.design.panel.frame
    keyed = frame.set_index(["county", "year"])["fund"]
    return own.assign(fund=[keyed[key] for key in zip(own["county"], own["year"], strict=True)])


# --- R2 ----------------------------------------------------------------------------------------------------------------------------


def test_leads_that_differ_fail_whatever_else_is_well(quiet: Any, with_findings: Any) -> None:
    pretrend = quiet.findings.pretrend.model_copy(update={"p_value": 0.01, "failed": True})
    told = event_study(with_findings(quiet, pretrend=pretrend))
    assert (told.verdict, told.because.code if told.because else "") == ("fail", "leads_differ")
    assert len(lines(told, "path")) > 2 * 5  # the headline's path and the two-way one


@pytest.mark.parametrize(
    ("power", "verdict", "code"),
    [(0.2, "doubt", "weak_test"), (None, "doubt", "power_unknown"), (0.8, "pass", None)],
)
def test_a_test_that_could_not_have_seen_a_drift_is_no_pass(
    quiet: Any, with_findings: Any, power: float | None, verdict: str, code: str | None
) -> None:
    told = NotTold(reason="refused") if power is None else Power(power=power, slope=30.0, weak=power < 0.5)
    pretrend = quiet.findings.pretrend.model_copy(update={"p_value": 0.5, "failed": False})
    work = with_findings(quiet, firm=quiet.findings.firm.model_copy(update={"power": told}), pretrend=pretrend)
    check = event_study(work)
    assert (check.verdict, check.because.code if check.because else None) == (verdict, code)


def test_two_clean_years_are_a_doubt_whatever_the_test_says(quiet: Any, with_findings: Any) -> None:
    pretrend = quiet.findings.pretrend.model_copy(update={"p_value": 0.5, "failed": False})
    short = replace(quiet, design=Periods(first=2012)(quiet.design))  # 2012 and 2013 are before the first start
    told = event_study(with_findings(short, pretrend=pretrend))
    assert (told.verdict, told.because.code if told.because else "") == ("doubt", "few_periods")
    assert told.statistic.facts["periods"] == 2


# --- R3 ----------------------------------------------------------------------------------------------------------------------------


def test_the_two_by_two_comparisons_add_up_to_the_two_way_coefficient(quiet: Any) -> None:
    told = staggered_starts(quiet)
    pairs = lines(told, "bacon")
    weights = [float(line.numbers["weight"] or 0) for line in pairs]
    assert sum(weights) == pytest.approx(1)
    total = sum(weight * estimate(line) for weight, line in zip(weights, pairs, strict=True))
    assert total == pytest.approx(told.statistic.facts["two_way"])
    assert sum(float(line.numbers["weight"] or 0) for line in lines(told, "weight")) == pytest.approx(1)


def test_a_robust_estimator_with_another_sign_fails_only_when_its_range_excludes_zero(quiet: Any, with_findings: Any) -> None:
    def with_rows(low: float, high: float) -> Check:
        rows = [
            row.model_copy(update={"effect": Interval(estimate=-0.05, low=low, high=high)})
            if row.estimator == "imputation"
            else row
            for row in quiet.findings.estimators
        ]
        return staggered_starts(with_findings(quiet, estimators=rows))

    assert staggered_starts(quiet).verdict == "pass"
    assert with_rows(-0.09, -0.01).verdict == "fail"
    assert with_rows(-0.11, 0.01).verdict == "doubt"


def test_without_anybody_never_covered_the_check_is_a_doubt(quiet: Any) -> None:
    everybody = replace(quiet, design=without_units(quiet.design, np.isinf(quiet.design.cohort)))
    told = staggered_starts(everybody)
    assert (told.verdict, told.because.code if told.because else "") == ("doubt", "no_never_treated")


def test_averages_over_other_years_are_shown_but_not_held_against_the_headline(quiet: Any, with_findings: Any) -> None:
    rows = [
        row.model_copy(update={"effect": Interval(estimate=9.0, low=8.0, high=10.0)})
        if row.average in ("window", "dynamic")
        else row
        for row in quiet.findings.estimators
    ]
    assert staggered_starts(with_findings(quiet, estimators=rows)).verdict == "pass"


# --- R4 ----------------------------------------------------------------------------------------------------------------------------


def overturned(quiet: Any, with_findings: Any, **changes: Any) -> Check:
    """Return R4 for other bounds."""
    plain: dict[str, Any] = {
        "effect": 600.0, "breakdown": 100.0, "already": False, "largest_before": 50.0, "relative": 2.0, "rows": [], "curve": [],
        "first": -3, "last": 4, "whole": True,
    }  # fmt: skip
    overturn = Overturn(**plain | changes)
    return sensitivity(with_findings(quiet, firm=quiet.findings.firm.model_copy(update={"overturn": overturn})))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"), ({"relative": 0.5}, "pass"), ({"relative": 0.49}, "doubt"), ({"relative": 0.25}, "doubt"),
        ({"relative": 0.24}, "fail"), ({"already": True, "relative": None}, "doubt"), ({"largest_before": None}, "doubt"),
        ({"relative": None}, "pass"), ({"stays_small": 0.25}, "doubt"), ({"stays_small": 1.0, "already": True}, "pass"),
    ],
)  # fmt: skip
def test_bounds_fall_at_the_steps_of_the_grade(quiet: Any, with_findings: Any, changes: dict[str, Any], verdict: str) -> None:
    assert overturned(quiet, with_findings, **changes).verdict == verdict


def test_the_breakdown_is_told_in_money_a_year_as_the_report_tells_it(quiet: Any) -> None:
    told = sensitivity(quiet)
    assert told.statistic.facts["breakdown_money"] == quiet.findings.firm.overturn.breakdown
    assert one(told, "smoothness.breakdown").numbers["breakdown_money"] is not None


def test_bounds_that_cannot_be_told_say_why(quiet: Any, with_findings: Any) -> None:
    firm = quiet.findings.firm.model_copy(update={"overturn": NotTold(reason="no_reference")})
    told = sensitivity(with_findings(quiet, firm=firm))
    assert (told.verdict, told.because.code if told.because else "") == ("not_applicable", "no_reference")


# --- R5 and R6 ---------------------------------------------------------------------------------------------------------------------


def test_the_placebo_of_500_draws_passes_a_drift_that_placebo_dates_see(drifting: Any) -> None:
    """The moral of the dossier: random sets have no drift of their own, so that the estimate stands out among them."""
    told = permutation(drifting)
    assert told.verdict == "pass"
    assert [remark.code for remark in told.remarks] == ["scale_only"]
    assert false_programmes(drifting).verdict == "fail"


def test_the_p_value_is_the_share_of_assignments_at_least_as_large(quiet: Any) -> None:
    told = permutation(quiet)
    facts = told.statistic.facts
    as_large = sum(abs(draw) >= abs(facts["estimate"]) * (1 - 1e-9) for draw in told.draws)
    assert facts["p_value"] == pytest.approx((1 + as_large) / (1 + len(told.draws)))
    assert len(told.draws) == quiet.draws


def test_units_and_dates_move_within_region_where_one_is_named(quiet: Any, with_columns: Any) -> None:
    assert permutation(with_columns(quiet, regions=["region"])).statistic.facts["strata"] == "region"
    assert permutation(quiet).statistic.facts["strata"] == ""


def test_a_rank_that_can_never_be_small_is_no_verdict(quiet: Any) -> None:
    few = (quiet.design.cohort == 2014).cumsum() == 1
    keep = ((quiet.design.cohort == 2014) & few) | (np.isinf(quiet.design.cohort) & (np.isinf(quiet.design.cohort).cumsum() <= 8))
    told = permutation(replace(quiet, design=without_units(quiet.design, ~keep)))
    assert told.verdict == "not_applicable"
    assert told.because is not None and told.because.facts["smallest_p"] == pytest.approx(1 / 9)


def test_a_claim_that_does_not_stand_out_fails_and_an_unclear_one_is_a_doubt(quiet: Any, with_findings: Any) -> None:
    still = replace(quiet, design=with_outcome(quiet.design, quiet.design.y - 0.08 * quiet.design.treated))
    claimed, unclear = (permutation(with_findings(still, verdict=verdict)) for verdict in ("gain", "unclear"))
    assert claimed.statistic.facts["p_value"] > 0.10
    assert (claimed.verdict, unclear.verdict) == ("fail", "doubt")


def test_an_untouched_outcome_that_moves_fails_and_one_that_does_not_passes(quiet: Any, with_columns: Any) -> None:
    moved = false_programmes(with_columns(quiet, untouched={"fund": BOTH}))
    assert moved.verdict == "fail"
    assert moved.because is not None and moved.because.facts["placebos"] == ["outcome.untouched"]
    assert false_programmes(with_columns(quiet, untouched={"rain": BOTH})).verdict == "pass"


def test_p_values_of_placebos_are_adjusted_for_there_being_several(quiet: Any, with_columns: Any) -> None:
    told = false_programmes(with_columns(quiet, untouched={"rain": BOTH, "price": BOTH}, regions=["region"]))
    own = [line.effect.p_value for line in told.lines if line.effect is not None]
    adjusted = [line.numbers["p_adjusted"] for line in told.lines]
    assert {line.name.split(".")[0] for line in told.lines} == {"date", "outcome", "group"}
    assert all(a >= p for a, p in zip(adjusted, own, strict=True))
    assert min(a for a in adjusted if a is not None) == pytest.approx(min(1.0, len(own) * min(own)))


def test_an_outcome_that_never_changes_has_no_test(quiet: Any, with_columns: Any) -> None:
    told = one(false_programmes(with_columns(quiet, untouched={"labour": BOTH})), "outcome.untouched")
    assert (told.reason, told.numbers["p_adjusted"]) == ("no_range", None)


# --- R7 ----------------------------------------------------------------------------------------------------------------------------


def test_matching_on_the_level_is_refused_where_the_groups_differ_in_level(controlled: Any) -> None:
    covered = np.isfinite(controlled.design.cohort)[controlled.design.unit_index]
    apart = replace(controlled, design=with_outcome(controlled.design, controlled.design.y - 0.5 * covered))
    line = one(matching(apart), "matching.outcome_level")
    assert (line.reason, line.effect) == ("levels_differ", None)
    assert line.numbers["difference"] is not None and line.numbers["difference"] < -1


def test_groups_of_one_level_may_be_matched_on_it(controlled: Any) -> None:
    apart = level_difference(controlled)
    spread = one(matching(controlled), "matching.outcome_level")
    assert (spread.reason == "levels_differ") == (abs(apart) > 0.25)
    covered = np.isfinite(controlled.design.cohort)[controlled.design.unit_index]
    step = controlled.design.y[covered].std() * apart
    levelled = replace(controlled, design=with_outcome(controlled.design, controlled.design.y - 0.9 * step * covered))
    assert abs(level_difference(levelled)) < abs(apart)


def test_the_difference_in_level_by_hand(quiet: Any) -> None:
    design = quiet.design
    wide = design.wide(design.y)
    apart = []
    for cohort, base in ((2014, 2013), (2015, 2014)):
        y = wide[:, base - 2011]
        covered, others = y[design.cohort == cohort], y[(design.cohort > max(cohort, base)) & (design.cohort != cohort)]
        apart.append((covered.mean() - others.mean()) / covered.std())
    sizes = [(design.cohort == cohort).sum() for cohort in (2014, 2015)]
    assert level_difference(quiet) == pytest.approx(np.average(apart, weights=sizes))


def test_without_covariates_there_is_nothing_to_match_on(quiet: Any) -> None:
    told = matching(quiet)
    assert told.because is not None and told.because.facts == {"key": "covariates"}


def test_little_overlap_fails_the_matching(controlled: Any, with_findings: Any) -> None:
    alike = controlled.findings.alike
    cohorts = [row.model_copy(update={"outside_units": row.treated_units, "separated": False}) for row in alike.cohorts]
    told = matching(with_findings(controlled, alike=alike.model_copy(update={"cohorts": cohorts})))
    assert (told.verdict, told.statistic.facts["overlap"]) == ("fail", 0.0)


# --- R8 ----------------------------------------------------------------------------------------------------------------------------


def test_a_programme_that_comes_a_year_later_everywhere_is_a_bundle(quiet: Any, with_columns: Any) -> None:
    told = other_programmes(with_columns(quiet, other_programmes={"road_first": BOTH}))
    assert (told.verdict, told.because.code if told.because else "") == ("fail", "bundle")
    assert told.statistic.facts["share"] == 1.0


def test_shares_of_other_programmes_by_hand(quiet: Any, with_columns: Any) -> None:
    told = other_programmes(with_columns(quiet, other_programmes={"health_first": BOTH}))
    first = quiet.loaded.frame.drop_duplicates("county")
    covered = first[first["first"] > 0]
    line = one(told, "programme.share")
    assert line.numbers["near"] == pytest.approx((covered["health_first"] == covered["first"]).mean())
    assert line.numbers["comparison"] == pytest.approx((first[first["first"] == 0]["health_first"] > 0).mean())
    assert one(told, "dropped.near").numbers["units_left_out"] == (covered["health_first"] > 0).sum()
    years = {line.words["en"]: line.numbers for line in lines(told, "started")}
    assert years["industry support"]["2014"] == 12 and years["industry support"]["2015"] == 20


def test_holding_a_programme_constant_that_adds_nothing_leaves_the_coefficient(quiet: Any, with_columns: Any) -> None:
    told = other_programmes(with_columns(quiet, other_programmes={"health_first": BOTH}))
    assert estimate(one(told, "absorbed.held_constant")) == pytest.approx(estimate(one(told, "absorbed.two_way")), abs=0.02)


def test_missing_years_of_another_programme_mean_never(quiet: Any, with_columns: Any) -> None:
    panel = quiet.design.panel
    years = panel.frame["health_first"].astype(float).where(panel.frame["health_first"] > 0)
    blank = replace(quiet, design=replace(quiet.design, panel=replace(panel, frame=panel.frame.assign(health_first=years))))
    asked = {"other_programmes": {"health_first": BOTH}}
    assert other_programmes(with_columns(blank, **asked)) == other_programmes(with_columns(quiet, **asked))


def test_a_table_of_events_tells_of_other_programmes_as_columns_do(quiet: Any, with_columns: Any) -> None:
    first = quiet.loaded.frame.drop_duplicates("county")
    rows = [
        {"unit": county, "programme": programme, "event": "funded", "date": str(int(year))}
        for programme, column in (("industry", "first"), ("health", "health_first"))
        for county, year in zip(first["county"], first[column], strict=True)
        if year
    ]
    treatment = Treatment(events="events.csv", programme="industry")
    study = quiet.study.model_copy(update={"treatment": treatment})
    told = other_programmes(replace(quiet, study=study, loaded=replace(quiet.loaded, events=Events.read(pd.DataFrame(rows)))))
    named = other_programmes(with_columns(quiet, other_programmes={"health_first": BOTH}))
    assert (told.verdict, told.statistic) == (named.verdict, named.statistic)
    assert one(told, "programme.share").numbers == one(named, "programme.share").numbers


def test_names_where_years_belong_are_refused(quiet: Any, with_columns: Any) -> None:
    told = checked(with_columns(quiet, other_programmes={"place": BOTH}), ["R8"]).checks[0]
    assert told.because is not None and "holds something else than first years" in told.because.facts["said"]


# --- R9 ----------------------------------------------------------------------------------------------------------------------------


def grouped(**groups: Any) -> dict[str, Any]:
    """Return the part who: of a study with these groups, as (column, values)."""
    return {
        "groups": {
            key: {"column": column, "values": values, "word": {"zh": key, "en": key}} for key, (column, values) in groups.items()
        }
    }


def test_the_difference_is_the_group_less_all_others_and_adjusted(quiet: Any, with_columns: Any) -> None:
    told = groups(with_columns(quiet, grouped(r0=("region", ["r0"]), r1=("region", ["r1"]), r2=("region", ["r2"]))))
    design = quiet.design
    region = design.panel.frame.drop_duplicates("county").set_index("county")["region"].reindex(design.units).to_numpy()
    inside, outside = (quiet.overall(without_units(design, leave)).theta[0] for leave in (region != "r0", region == "r0"))
    effect = next(line for line in lines(told, "group") if line.name == "group.effect" and line.words["en"] == "r0")
    differs = next(line for line in lines(told, "group") if line.name == "group.difference" and line.words["en"] == "r0")
    assert estimate(effect) == pytest.approx(inside)
    assert estimate(differs) == pytest.approx(inside - outside)
    for line in told.lines:
        assert line.effect is not None and (line.numbers["p_adjusted"] or 0) >= (line.effect.p_value or 0) - 0.01


def test_a_cell_of_four_counties_is_refused(quiet: Any, with_columns: Any) -> None:
    told = groups(with_columns(quiet, grouped(tiny=("tiny", [1]), hills=("hills", [1]))))
    (small,) = [line for line in told.lines if line.reason]
    assert (small.words["en"], small.reason, small.effect) == ("tiny", "small_cell", None)
    assert (told.verdict, told.because.code if told.because else "") == ("doubt", "small_cells")


def test_a_group_written_as_a_number_or_with_decimals_is_the_same(quiet: Any, with_columns: Any) -> None:
    plain, decimal, text = (groups(with_columns(quiet, grouped(hills=("hills", values)))) for values in ([1], [1.0], ["1"]))
    assert plain == decimal == text


def test_a_value_that_nobody_has_is_refused_with_those_there_are(quiet: Any, with_columns: Any) -> None:
    with pytest.raises(StudyError, match=r"who\.groups\.hills\.values: nobody has hills = 7\. It holds 0, 1"):
        groups(with_columns(quiet, grouped(hills=("hills", [7]))))


def test_a_group_column_that_changes_over_time_is_refused(quiet: Any, with_columns: Any) -> None:
    with pytest.raises(StudyError, match=r"who\.groups\.rain\.column: 'rain' changes over time within 60 units"):
        groups(with_columns(quiet, grouped(rain=("rain", [1]))))


# --- R10 ---------------------------------------------------------------------------------------------------------------------------


def components(gap: float = 0.0, p_value: float | None = 0.5) -> Components:
    """Return two components and their total."""
    rows = [
        ComponentRow(name=name, word=None, earned=True, effect=Interval(estimate=effect), pretrend_p=p_value)
        for name, effect in (("wage", 300.0), ("transfer", 100.0), ("total", 400.0 - gap))
    ]
    return Components(
        rows=rows, growth=True, composition=False, measured_by=(2011, 2013), units=60, left_out=0, gap=gap, share=None, no_share="not_asked"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "verdict"),
    [(components(), "pass"), (components(gap=1.0), "fail"), (components(p_value=0.05), "doubt"), (None, "not_applicable")],
)
def test_components_add_up_and_no_share_of_a_mechanism_is_told(quiet: Any, with_findings: Any, found: Any, verdict: str) -> None:
    told = mechanisms(with_findings(quiet, components=found))
    assert told.verdict == verdict
    assert [remark.code for remark in told.remarks] == ["no_mediation_share"]


# --- R11 ---------------------------------------------------------------------------------------------------------------------------


def test_neighbours_that_gain_are_seen_and_neighbours_that_do_not_are_not(quiet: Any, with_columns: Any, invented: Any) -> None:
    assert spillover(with_columns(quiet, same_place="place")).verdict == "pass"
    frame = invented(spill=0.06)
    touched = dict(zip(zip(frame["county"], frame["year"], strict=True), np.log(frame["income"]), strict=True))
    design = quiet.design
    keys = zip(design.units[design.unit_index], design.periods[design.period_index], strict=True)
    gained = replace(quiet, design=with_outcome(design, np.array([touched[key] for key in keys])))
    told = spillover(with_columns(gained, same_place="place"))
    assert (told.verdict, told.because.code if told.because else "") == ("fail", "near_units_move")
    assert estimate(one(told, "ring.place")) == pytest.approx(0.06, abs=0.03)
    # The comparison gained too, so that the headline understates and the effect against those far away is larger.
    assert estimate(one(told, "donut_place.donut")) > estimate(one(told, "donut_place.all"))


def test_where_everybody_is_near_nothing_can_be_seen_and_that_is_a_doubt(quiet: Any, with_columns: Any) -> None:
    told = spillover(with_columns(quiet, same_place="region"))
    assert (told.verdict, told.because.code if told.because else "") == ("doubt", "nobody_far")


def test_without_a_place_the_check_says_which_key_would_name_it(quiet: Any) -> None:
    told = spillover(quiet)
    assert told.because is not None and told.because.facts == {"key": "checks.same_place"}


# --- R12 ---------------------------------------------------------------------------------------------------------------------------


def test_every_combination_is_shown_and_none_dropped(curve: Check) -> None:
    told = curve
    samples, outcomes, comparisons, estimators = 4, 2, 2, 3
    assert len(told.lines) == samples * outcomes * comparisons * estimators + 2  # and two of Poisson
    assert told.statistic.facts["refused"] == sum(line.reason == "refused" for line in told.lines)
    assert len({(line.name, *sorted(line.words.items())) for line in told.lines}) == len(told.lines)


def test_poisson_tells_the_ratio_to_what_would_have_been(curve: Check) -> None:
    everybody = next(line for line in curve.lines if line.name == "specification.poisson" and line.words["sample"] == "all")
    assert everybody.numbers["per_cent"] == pytest.approx(100 * np.expm1(0.08), abs=2)


def test_a_sign_that_changes_in_money_alone_is_a_doubt_and_in_per_cent_a_failure(
    quiet: Any, with_findings: Any, curve: Check
) -> None:
    assert curve.verdict == "pass"
    assert curve.statistic.facts["own_agree"] == curve.statistic.facts["own_scale"]
    turned = quiet.findings.headline.model_copy(update={"effect": Interval(estimate=-0.08, low=-0.09, high=-0.07)})
    against = specifications(with_findings(quiet, headline=turned))
    assert (against.verdict, against.because.code if against.because else "") == ("fail", "sign_changes")


def test_tamed_outliers_are_counted(curve: Check) -> None:
    changed = [line.numbers.get("rows_changed") for line in curve.lines if line.words["sample"] == "winsorised"]
    assert all(count is None or count > 0 for count in changed)
    assert any(count for count in changed)
