"""Leave one out: who carries the result, who turns its sign, and what cannot be left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages

import evalkit as ek
from evalkit.diagnostics.leave_out import leave_out
from evalkit.inference.replay import replay
from evalkit.parallel import workers


def design(frame: pd.DataFrame, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def six_villages() -> pd.DataFrame:
    """Changes 10, 1, 1 in three treated counties, 2, 2, 2 in three others: the effect 4 - 2 is one county's doing."""
    change = [10, 1, 1, 2, 2, 2]
    rows = [(i, year, i, 2016 if i < 3 else 0, change[i] * (year == 2016)) for i in range(6) for year in (2015, 2016)]
    return pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"])


def test_one_county_that_carries_the_result_turns_its_sign_by_hand() -> None:
    found = leave_out(ek.TwoWay(), design(six_villages()), by="county")
    np.testing.assert_allclose(found.table["estimate"], [1 - 2, 5.5 - 2, 5.5 - 2, 2, 2, 2], atol=1e-12)
    np.testing.assert_allclose(found.table["influence"], [3, -1.5, -1.5, 0, 0, 0], atol=1e-12)
    assert found.flips == (0,) and found.driver == 0 and found.main == pytest.approx(2)
    assert found.range == pytest.approx((-1, 3.5))
    assert [n.code for n in found.notices] == ["SIGN_FLIPS_WITHOUT"] and found.notices[0].facts["places"] == ["0"]


def test_a_county_that_holds_a_whole_cohort_is_named_and_one_that_cannot_leave_has_a_row_with_the_reason() -> None:
    frame = six_villages()
    frame["county"] = np.where(frame["village"] < 3, 0, frame["village"])
    found = leave_out(ek.TwoWay(), design(frame), by="county")
    first = found.table.iloc[0]
    assert first["cohorts_lost"] == "2016" and "No unit is treated" in first["refused"] and np.isnan(first["estimate"])
    assert len(found.table) == 4 and found.flips == () and (found.table["cohorts_lost"].iloc[1:] == "").all()


def test_a_column_that_is_no_declared_cluster_can_be_left_out() -> None:
    found = leave_out(ek.TwoWay(), design(villages()), by="province", cluster="county")
    assert found.table["province"].tolist() == [0, 1, 2, 3]
    assert (found.table["units_left_out"] == 60).all() and (found.table["difference_std_error"] > 0).all()


def test_influence_columns_are_those_of_the_cluster_jackknife() -> None:
    made = design(villages())
    found = leave_out(ek.TwoWay(), made, by="county")
    psi = replay(ek.TwoWay(), made, "county").psi[:, 0]
    np.testing.assert_allclose((len(psi) - 1) * found.table["influence"], psi, atol=1e-10)


def test_the_map_changes_nothing() -> None:
    made = design(villages(units=60))

    def average(d: ek.Design) -> ek.Estimate:
        return ek.aggregate(ek.GroupTime()(d))

    one, two = (leave_out(average, made, by="province", map=m) for m in (map, workers(2)))
    pd.testing.assert_frame_equal(one.table, two.table)


def test_households_seen_once_are_left_out_by_county_without_a_test_of_the_difference() -> None:
    found = leave_out(ek.TwoWay(), design(households(rows=400), unit=None), by="county").table
    assert found["estimate"].notna().all() and found["difference_p_value"].isna().all()
    assert found["no_difference"].str.contains("counted anew").all()


def test_what_cannot_be_left_out_is_refused() -> None:
    made = design(villages(units=60).assign(one="x"))
    with pytest.raises(ek.DesignError, match="'rain' varies within units"):
        leave_out(ek.TwoWay(), made, by="rain")
    with pytest.raises(ek.DesignError, match="has one value only"):
        leave_out(ek.TwoWay(), made, by="one")
    with pytest.raises(ek.PanelError, match="There is no column 'countty'"):
        leave_out(ek.TwoWay(), made, by="countty")
    with pytest.raises(ek.EstimateError, match="One row holds one effect"):
        leave_out(ek.EventStudy(), made, by="county")


def test_a_place_without_which_one_cluster_is_left_has_an_estimate_and_the_reason_why_it_has_no_error() -> None:
    frame = villages(units=40).assign(half=lambda f: f["village"] % 2)
    panel = ek.Panel(frame, "village", "year", ["half"])
    made = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")
    found = leave_out(ek.TwoWay(), made, "half", cluster="half").table
    assert found["estimate"].notna().all() and found["std_error"].isna().all() and (found["refused"] == "").all()
    assert found["no_error"].str.contains("only one cluster").all()


def test_the_effect_without_a_place_is_that_of_least_squares_with_explicit_dummies() -> None:
    frame = villages(units=40)
    found = leave_out(ek.TwoWay(), design(frame), "county").table
    for county, estimate in zip(found["county"], found["estimate"], strict=True):
        rest = frame[frame["county"] != county]
        treated = ((rest["start"] > 0) & (rest["year"] >= rest["start"])).to_numpy(float)
        effects = [pd.get_dummies(rest[name]).to_numpy(float) for name in ("village", "year")]
        columns = np.column_stack([treated, *effects])
        assert estimate == pytest.approx(np.linalg.lstsq(columns, rest["y"].to_numpy(), rcond=None)[0][0], rel=1e-8)


def test_names_that_clash_and_things_that_are_no_estimator_are_refused() -> None:
    frame = villages(units=40)
    with pytest.raises(ek.DesignError, match="a column of its own named units"):
        leave_out(ek.TwoWay(), design(frame.assign(units=frame["county"])), "units")
    with pytest.raises(ek.EstimateError, match="'twfe' cannot be called"):
        leave_out("twfe", design(frame), "county")  # type: ignore[arg-type]
