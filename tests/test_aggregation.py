"""Averages of group-time effects on four villages and three years, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.inference.linear import covariance

# Village a is treated from 2 on, b from 3 on, c and d never. Changes of c and d: +1.5 on average, then -0.5.
INCOME = {"a": [1, 4, 6], "b": [2, 2, 7], "c": [0, 1, 1], "d": [2, 4, 3]}
START = {"a": 2, "b": 3, "c": 0, "d": 0}
# Effects: of a from period 1 to 2 3 - 1.5, to 3 5 - 1; of b from period 2 to 3 5 + 0.5, to 1 (its past) 0 + 1.5.
A2, A3, B3, B1 = 1.5, 4.0, 5.5, 1.5


def cells(weight: dict[str, float] | None = None, **choices: Any) -> ek.Estimate:
    frame = pd.DataFrame(INCOME, index=pd.Index([1, 2, 3], name="period")).melt(
        var_name="village", value_name="y", ignore_index=False
    )
    frame = frame.reset_index().assign(start=lambda d: d["village"].map(START))
    frame["weight"] = frame["village"].map(weight or dict.fromkeys(INCOME, 1.0))
    panel = ek.Panel(frame, "village", "period", weight="weight" if weight else None)
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    return ek.GroupTime()(ek.Design(panel, rollout, "y", comparison="never_treated", **choices))


def values(by: str, weight: dict[str, float] | None = None, **choices: Any) -> dict[Any, float]:
    """Return the averages by their label; the last one is called average."""
    averaged = ek.aggregate(cells(weight), by, **choices)
    labels = [*averaged.cells[by].iloc[:-1].astype(int), "average"]
    return dict(zip(labels, averaged.theta, strict=True))


def test_cells_are_differences_of_changes() -> None:
    table = cells().cells.assign(theta=cells().theta)
    effects = table[table["kind"] == "group_time"].set_index(["cohort", "period"])["theta"]
    assert effects.to_dict() == pytest.approx({(2, 1): 0, (2, 2): A2, (2, 3): A3, (3, 1): B1, (3, 2): 0, (3, 3): B3})
    assert list(table.loc[table["kind"] == "cohort_share", "theta"]) == [0.25, 0.25]


def test_overall_is_the_mean_over_all_treated_village_years() -> None:
    overall = ek.aggregate(cells())
    assert overall.theta == pytest.approx([(A2 + A3 + B3) / 3])
    assert list(overall.cells["kind"]) == ["overall"] and overall.cells["units"][0] == 2


def test_by_event_time_cohorts_are_averaged_at_the_same_distance() -> None:
    assert values("event_time") == pytest.approx({-2: B1, -1: 0, 0: (A2 + B3) / 2, 1: A3, "average": ((A2 + B3) / 2 + A3) / 2})
    path = ek.aggregate(cells(), "event_time")
    assert list(path.cells["reference"]) == [False, True, False, False, False]
    assert list(path.cells["units"]) == [1, 2, 2, 1, 2]


def test_by_cohort_each_is_averaged_over_its_years_and_then_by_share() -> None:
    assert values("cohort") == pytest.approx({2: (A2 + A3) / 2, 3: B3, "average": ((A2 + A3) / 2 + B3) / 2})


def test_by_period_the_treated_of_a_year_are_averaged() -> None:
    assert values("period") == pytest.approx({2: A2, 3: (A3 + B3) / 2, "average": (A2 + (A3 + B3) / 2) / 2})


def test_cohorts_weigh_as_much_as_their_households() -> None:
    weight = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 2.0}
    overall = ek.aggregate(cells(weight))
    assert overall.theta == pytest.approx([(3 * A2 + 3 * A3 + B3) / 7])
    assert values("event_time", weight)[0] == pytest.approx((3 * A2 + B3) / 4)
    assert values("cohort", weight)["average"] == pytest.approx((3 * (A2 + A3) / 2 + B3) / 4)


def test_a_balanced_path_keeps_the_cohorts_that_are_seen_long_enough() -> None:
    assert values("event_time", balance=1) == pytest.approx({-1: 0, 0: A2, 1: A3, "average": (A2 + A3) / 2})


def test_a_balanced_path_is_the_same_with_a_varying_base() -> None:
    universal, varying = (ek.aggregate(cells(base=base), "event_time", balance=1) for base in ("universal", "varying"))
    np.testing.assert_allclose(varying.select(event_time=[0, 1]).theta, universal.select(event_time=[0, 1]).theta)


def test_a_path_may_be_cut_at_both_ends() -> None:
    assert values("event_time", first=-1, last=0) == pytest.approx({-1: 0, 0: (A2 + B3) / 2, "average": (A2 + B3) / 2})
    assert ek.aggregate(cells(), last=0).theta == pytest.approx([(A2 + B3) / 2])


def test_the_influence_of_the_comparison_is_its_distance_from_the_mean() -> None:
    cell = cells().select(cohort=2, period=2, kind="group_time")
    # c grew by 1, d by 2: each is half a unit from the mean and has half the weight, and psi is n = 4 times that.
    np.testing.assert_allclose(cell.psi[:, 0], [0, 0, 1, -1])
    assert covariance(cell).std_error == pytest.approx([np.sqrt(2) / 4])


def test_estimated_shares_add_their_influence_to_an_average() -> None:
    overall, at = ek.aggregate(cells()), (A2 + A3 + B3) / 3
    gap = {"a": (A2 - at) + (A3 - at), "b": B3 - at}  # one more village of a cohort moves the mean toward the cohort's effects
    from_cells = sum(cells().select(cohort=g, period=t, kind="group_time").psi[:, 0] for g, t in ((2, 2), (2, 3), (3, 3))) / 3
    moved = {v: 4 * gap.get(v, 0.0) / 3 - (gap["a"] + gap["b"]) / 3 for v in INCOME}
    np.testing.assert_allclose(overall.psi[:, 0], from_cells + np.array([moved[v] for v in "abcd"]), atol=1e-12)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"by": "unit"}, "one_unit"),
        ({"by": "evnt_time"}, "Did you mean 'event_time'"),
        ({"by": "cohort", "balance": 1}, "by='event_time' only"),
        ({"by": "event_time", "balance": 5}, "No cohort is seen for 5 periods"),
        ({"by": "event_time", "balance": -1}, "0, 1, 2, ..., not -1"),
        ({"last": -1}, "no effect after treatment up to event time -1"),
        ({"by": "event_time", "first": 9}, "9"),
    ],
)
def test_what_cannot_be_averaged_is_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        ek.aggregate(cells(), **choices)


def test_a_regression_cannot_be_averaged() -> None:
    with pytest.raises(ek.EstimateError, match="needs group_time parameters; this estimate has overall"):
        ek.aggregate(ek.TwoWay()(ek.example_design()))


def test_a_design_is_no_estimate_yet() -> None:
    with pytest.raises(ek.EstimateError, match="takes an Estimate, not a Design: call an estimator on the design first"):
        ek.aggregate(ek.example_design())
