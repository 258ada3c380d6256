"""Several estimators side by side: their differences carry a covariance, and what does not apply says why."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import villages

import evalkit as ek
from evalkit.side_by_side import overall

TWO = {"two_way": ek.TwoWay(), "group_time": ek.GroupTime()}


def test_the_error_of_a_difference_is_that_of_the_two_taken_together() -> None:
    beside = ek.compare(ek.example_design(), TWO)
    V = ek.covariance(beside.estimate).matrix
    told = beside.differences().iloc[0]
    assert told["estimate"] == pytest.approx(beside.estimate.theta[0] - beside.estimate.theta[1])
    assert told["std_error"] == pytest.approx(np.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1]))
    assert told["std_error"] < np.sqrt(V[0, 0] + V[1, 1])  # they err together


def test_the_numbers_are_those_of_each_estimator_alone() -> None:
    design = ek.example_design()
    table = ek.compare(design, TWO).table(cluster="county_id", correction="clusters")
    for name, alone in (("two_way", ek.TwoWay()(design)), ("group_time", ek.aggregate(ek.GroupTime()(design)))):
        row = ek.infer(alone, cluster="county_id", correction="clusters", reference="z").iloc[0]
        mine = table[table["name"] == name].iloc[0]
        assert (mine["estimate"], mine["std_error"]) == pytest.approx((row["estimate"], row["std_error"]))


def test_every_estimator_either_applies_or_says_why_not_in_both_languages() -> None:
    beside = ek.compare(ek.example_design())
    assert {*beside.estimate.cells["name"], *(one.estimator for one in beside.refused)} == set(ek.ESTIMATORS)
    for one in beside.refused:
        assert one.why_not("en") and one.why_not("zh") and one.why_not("en") != one.why_not("zh")


def test_an_estimator_that_the_numbers_do_not_allow_is_refused_with_its_reason() -> None:
    def never(design: ek.Design) -> ek.Estimate:
        raise ek.DesignError("The villages are all alike.")

    beside = ek.compare(ek.example_design(), {"group_time": ek.GroupTime(), "never": never})
    assert beside.refused[0].why_not("en") == "The villages are all alike."
    with pytest.raises(ek.DesignError, match=r"No estimator applies .* never \(The villages are all alike"):
        ek.compare(ek.example_design(), {"never": never})


def test_the_average_of_a_path_is_the_mean_after_the_start() -> None:
    path = ek.EventStudy()(ek.example_design())
    after = (path.cells["event_time"] >= 0).to_numpy()
    assert overall(path).theta[0] == pytest.approx(path.theta[after].mean())


def test_a_difference_needs_two_and_a_known_name() -> None:
    with pytest.raises(ek.EstimateError, match="Did you mean 'group_time'"):
        ek.compare(ek.example_design(), TWO).difference("group_tme")
    with pytest.raises(ek.EstimateError, match="no difference to tell"):
        ek.compare(ek.example_design(), {"group_time": ek.GroupTime()}).difference()
    with pytest.raises(ek.EstimateError, match="no average effect among parameters of kind cohort_share"):
        overall(ek.GroupTime()(ek.example_design()).select(kind="cohort_share"))


def test_two_estimators_that_are_the_same_differ_by_nothing_and_not_by_rounding() -> None:
    design = ek.example_design()
    same = ek.compare(design, {"imputation": ek.Imputation(), "extended_two_way": ek.ExtendedTwoWay()})
    assert same.estimate.theta[0] == pytest.approx(same.estimate.theta[1], rel=1e-12)
    told = same.differences("imputation").iloc[0]
    assert told["estimate"] == 0 and np.isnan(told["p_value"])


def test_an_effect_per_unit_of_a_dose_does_not_stand_beside_effects_of_having_started() -> None:
    frame = ek.example_frame()
    frame["yuan"] = 120.0 * ((frame["first_treated"] > 0) & (frame["year"] >= frame["first_treated"]))
    panel = ek.Panel(frame, "village_id", "year")
    design = ek.Design(panel, ek.Rollout.from_dose(panel, "yuan"), "log_income")
    beside = ek.compare(design, {"switching": ek.Switching(effects=2), "group_time": ek.GroupTime()})
    assert list(beside.estimate.cells["name"]) == ["group_time"] and "per unit of treatment" in beside.refused[0].why_not()


def test_what_is_no_mapping_of_names_to_estimators_is_refused_with_an_example() -> None:
    design = ek.example_design()
    for wrong, message in (
        (["two_way", "group_time"], "not as list"),
        ("group_time", "not as str"),
        (ek.GroupTime(), "not as GroupTime"),
        ({}, "No estimators were given"),
        ({"two_way": ek.TwoWay, "number": 3}, r"called on a design: two_way, number. Write it with its brackets"),
    ):
        with pytest.raises(ek.DesignError, match=message + r".*evalkit.GroupTime\(\)"):
            ek.compare(design, wrong)  # type: ignore[arg-type]


def test_a_column_that_is_not_there_and_a_path_without_an_average_are_told_beside_the_others() -> None:
    def shares(design: ek.Design) -> ek.Estimate:
        return ek.GroupTime()(design).select(kind="cohort_share")

    mine = {"mistyped": ek.Weighted(on="labour_shar"), "shares": shares, "group_time": ek.GroupTime()}
    beside = ek.compare(ek.example_design(), mine)
    assert [one.estimator for one in beside.refused] == ["mistyped", "shares"]
    assert "Did you mean 'labour_share'" in beside.refused[0].why_not() and "no average effect" in beside.refused[1].why_not()


def test_estimators_side_by_side_read_as_one_line_each() -> None:
    lines = repr(ek.compare(ek.example_design(), TWO | {"two_by_two": ek.TwoByTwo()})).splitlines()
    assert lines[0].startswith("Average effect by 2 estimators of one design, 1 refused")
    assert [line.split()[0] for line in lines[1:]] == ["two_way", "group_time", "two_by_two"]
    assert "refused: Treatment starts in 3 periods" in lines[3] and len(lines) == 4


def test_where_the_only_later_cohort_is_the_comparison_and_the_other_is_treated_throughout_nobody_applies() -> None:
    """Cohorts of 2012, the first year, and of 2014, all treated: the first has no before, the second nobody beside it."""
    panel = ek.Panel(villages(units=80, starts=(2012, 2014)), "village", "year")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start"), "y")
    answers = {one.estimator: one for one in ek.applicable(design)}
    for name in ("group_time", "imputation", "extended_two_way", "local_projections", "changes_in_changes", "synthetic"):
        assert not answers[name].applies
        with pytest.raises(ek.DesignError):
            ek.ESTIMATORS[name]()(design)
    assert "seen before treatment" in answers["group_time"].why_not() and "尚未覆盖的单位可比" in answers["group_time"].why_not(
        "zh"
    )
