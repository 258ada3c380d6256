"""Several estimators side by side: their differences carry a covariance, and what does not apply says why."""

from __future__ import annotations

import numpy as np
import pytest

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

    never.needs = ()  # type: ignore[attr-defined]
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
