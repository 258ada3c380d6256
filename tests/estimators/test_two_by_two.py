"""The two-by-two comparison: before and after, two groups, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek


def design(frame: pd.DataFrame, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def small() -> pd.DataFrame:
    values = {"a": [1, 3, 8, 6], "b": [2, 2, 5, 9], "c": [1, 2, 3, 3], "d": [4, 4, 4, 6]}
    frame = pd.DataFrame(values, index=pd.Index([2012, 2013, 2014, 2015], name="year")).melt(
        var_name="village", value_name="y", ignore_index=False
    )
    frame = frame.reset_index().assign(start=lambda d: d["village"].map({"a": 2014, "b": 2014, "c": 0, "d": 0}))
    return frame.assign(county=frame["village"], weight=frame["village"].map({"a": 3.0, "b": 1.0, "c": 1.0, "d": 1.0}))


def test_it_is_the_difference_of_differences_of_means() -> None:
    # Changes: a 7 - 2 = 5, b 7 - 2 = 5, c 3 - 1.5, d 5 - 4.
    estimate = ek.TwoByTwo()(design(small()))
    assert estimate.theta == pytest.approx([5 - 1.25])
    assert estimate.cells.loc[0, ["kind", "cohort", "units"]].tolist() == ["overall", 2014, 2]
    np.testing.assert_allclose(estimate.psi[:, 0], [0, 0, -0.5, 0.5])


def test_years_in_which_units_may_anticipate_are_left_out() -> None:
    # Before is 2012 alone: a 6, b 5, c 2, d 1.
    assert ek.TwoByTwo()(design(small(), anticipation=1)).theta == pytest.approx([5.5 - 1.5])


def test_a_village_counts_as_much_as_its_weight() -> None:
    spoiled = small()
    spoiled.loc[(spoiled["village"] == "a") & (spoiled["year"] > 2013), "y"] += 4  # a gains 9, b 5, with weights 3 and 1
    assert ek.TwoByTwo()(design(spoiled, weight="weight")).theta == pytest.approx([8 - 1.25])


def test_with_one_start_it_is_the_two_way_coefficient_and_its_influence() -> None:
    one = design(villages(starts=(0, 2015)))
    by_hand, regression = ek.TwoByTwo()(one), ek.TwoWay()(one)
    np.testing.assert_allclose(by_hand.theta, regression.theta)
    np.testing.assert_allclose(by_hand.psi, regression.psi, atol=1e-10)


def test_a_village_with_a_missing_year_does_not_count() -> None:
    frame = small()
    blind = frame[~((frame["village"] == "b") & (frame["year"] > 2013))]
    estimate = ek.TwoByTwo()(design(blind, unbalanced="drop_units"))
    assert estimate.theta == pytest.approx([5 - 1.25]) and estimate.cells["units"][0] == 1


def test_years_that_are_missing_would_make_common_growth_look_like_an_effect_so_they_are_refused() -> None:
    frame = with_gaps(villages(starts=(0, 2015)))
    steady = frame.assign(y=0.1 * (frame["year"] - 2012))
    with pytest.raises(ek.DesignError, match="unbalanced='drop_units'"):
        ek.TwoByTwo()(design(steady, unbalanced="pairwise"))
    assert ek.TwoByTwo()(design(steady, unbalanced="drop_units")).theta == pytest.approx([0], abs=1e-10)


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (villages(units=60), {}, r"starts in 2 periods \(2014 to 2016\).*Estimators that could:.* group_time"),
        (villages(units=60, starts=(0, 2012)), {}, "seen before treatment .data begin in 2012"),
        (villages(units=60, starts=(0, 2013)), {"anticipation": 1}, "periods of anticipation: 1"),
        (villages(units=60, starts=(0, 2015)), {"covariates": ["share"]}, "takes no covariates, and the design has share"),
        (villages(units=60, starts=(0, 2015)), {"unit": None}, "follows the same units over time.*group_time"),
        (villages(units=60, starts=(2015, 2019)), {"unit": "village", "anticipation": 2}, "starts in 2 periods"),
    ],
)
def test_what_it_cannot_compare_is_refused_with_what_to_use(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        ek.TwoByTwo()(design(frame, **choices))
