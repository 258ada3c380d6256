"""Placebos: nothing is found where nothing is planted, what is planted is found, and treated rows are never read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import YEARS, households, villages

import evalkit as ek
from evalkit.diagnostics.placebos import Earlier, placebo_groups, placebo_in_time, placebo_outcomes


def design(frame: pd.DataFrame, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def average(made: ek.Design) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(made))


def world(drift: float = 0.0, effect: float = 5.0, seed: int = 1) -> pd.DataFrame:
    """Return villages whose treated ones drift apart by so much a year, and gain from their start on."""
    generator = np.random.default_rng(seed)
    frame = villages(units=120, starts=(0, 2015, 2016), seed=seed)
    treated = frame["start"] > 0
    noise = generator.normal(0, 0.05, len(frame))
    gain = effect * (treated & (frame["year"] >= frame["start"]))
    return frame.assign(
        y=frame["village"] / 10 + 0.3 * (frame["year"] - 2012) + drift * treated * (frame["year"] - 2012) + gain + noise
    )


@pytest.mark.parametrize("estimator", [ek.TwoWay(), average])
def test_rows_at_or_after_the_true_start_are_never_read(estimator: Any) -> None:
    frame = world()
    after = (frame["start"] > 0) & (frame["year"] >= frame["start"])
    wild = frame.assign(y=np.where(after, 1e6 * np.sin(frame.index), frame["y"]))
    one, two = (placebo_in_time(estimator, design(f)).table for f in (frame, wild))
    pd.testing.assert_frame_equal(one, two)
    assert one["estimate"].abs().max() < 0.05 and len(one) == 3


def test_a_drift_apart_is_found_in_the_time_before() -> None:
    found = placebo_in_time(ek.TwoWay(), design(world(drift=0.2)), cluster="county").table
    assert (found["conf_low"] > 0).all() and found["estimate"].between(0.1, 0.6).all()


def test_anticipation_years_count_as_after_the_start() -> None:
    frame = world()
    early = frame.assign(y=frame["y"] + 9 * ((frame["start"] > 0) & (frame["year"] == frame["start"] - 1)))
    found = placebo_in_time(ek.TwoWay(), design(early, anticipation=1)).table
    assert len(found) == 2 and found["estimate"].abs().max() < 0.05
    assert Earlier(1)(design(early, anticipation=1)).anticipation == 0


def test_units_without_a_year_before_the_placebo_start_leave_and_are_counted() -> None:
    found = placebo_in_time(ek.TwoWay(), design(world())).table
    # Three years earlier, only the cohort of 2016 (40 of 80) starts after 2012.
    assert found["treated_units"].tolist() == [80, 80, 40] and found["units_left_out"].tolist() == [0, 0, 40]


def test_a_shift_that_does_not_fit_is_a_row_with_the_reason() -> None:
    found = placebo_in_time(ek.TwoWay(), design(world()), shifts=[1, 9]).table
    assert found["refused"].tolist()[0] == "" and "No treated unit has a period left" in found["refused"].tolist()[1]


def test_households_seen_once_can_be_asked_about_the_time_before() -> None:
    found = placebo_in_time(ek.TwoWay(), design(households(), unit=None)).table
    assert (found["refused"] == "").all() and found["units_left_out"].gt(0).all()


def test_placebo_in_time_by_hand() -> None:
    """Two treated from 2014 with 0, 1 before it, two others with 0, 0: moved one year ahead the placebo is 1."""
    rows = [(i, y, i, 2014 if i < 2 else 0, v) for i in range(4) for y, v in zip((2012, 2013, 2014), (0, i < 2, 77), strict=True)]
    made = design(pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"]).astype({"y": float}))
    found = placebo_in_time(ek.TwoWay(), made).table
    assert found["estimate"].tolist() == pytest.approx([1.0]) and found["observations"].tolist() == [8]


def test_outcomes_that_the_programme_cannot_touch() -> None:
    frame = world().assign(births=lambda f: 3.0 * ((f["start"] > 0) & (f["year"] >= f["start"])) + f["rain"])
    found = placebo_outcomes(ek.TwoWay(), design(frame), ["rain", "births", "absent"]).table
    assert found["estimate"].iloc[1] - found["estimate"].iloc[0] == pytest.approx(3.0)
    assert "There is no column 'absent'" in found["refused"].iloc[2] and np.isnan(found["estimate"].iloc[2])


def test_a_group_that_was_not_treated_is_asked_at_the_real_dates_without_the_treated() -> None:
    frame = world()
    group = (frame["start"] == 0) & (frame["village"] % 2 == 0)
    gained = frame.assign(y=frame["y"] + 2.0 * (group & (frame["year"] >= 2015)), neighbour=group.astype(int))
    made = design(gained)
    mask = np.isinf(made.cohort) & (made.units % 2 == 0)
    by_column, by_mask = (placebo_groups(ek.TwoWay(), made, {"near": g}).table for g in ("neighbour", mask))
    pd.testing.assert_frame_equal(by_column, by_mask)
    assert by_mask["start"].tolist() == [2015, 2016] and by_mask["estimate"].iloc[0] == pytest.approx(2.0, abs=0.05)
    wild = gained.assign(y=np.where(gained["start"] > 0, 1e6, gained["y"]))
    pd.testing.assert_frame_equal(placebo_groups(ek.TwoWay(), design(wild), {"near": "neighbour"}).table, by_mask)


def test_what_is_no_placebo_is_refused() -> None:
    made = design(world())
    with pytest.raises(ek.DesignError, match="not the outcome 'y' itself"):
        placebo_outcomes(ek.TwoWay(), made, ["y"])
    with pytest.raises(ek.DesignError, match="80 units of group 'a' were treated"):
        placebo_groups(ek.TwoWay(), made, {"a": np.isfinite(made.cohort)})
    with pytest.raises(ek.DesignError, match="Nobody is in group 'a'"):
        placebo_groups(ek.TwoWay(), made, {"a": np.zeros(len(made.units), dtype=bool)})
    with pytest.raises(ek.DesignError, match="needs one True or False a unit"):
        placebo_groups(ek.TwoWay(), made, {"a": np.ones(3)})
    with pytest.raises(ek.DesignError, match="must be 0 or 1"):
        placebo_groups(ek.TwoWay(), made, {"a": "province"})
    with pytest.raises(ek.DesignError, match="whole numbers from 1 on, not 0"):
        placebo_in_time(ek.TwoWay(), made, shifts=[0])
    all_of_them = placebo_groups(ek.TwoWay(), made, {"a": np.isinf(made.cohort)}).table
    assert all_of_them["refused"].str.contains("nobody is left to compare").all()
    short = world()
    with pytest.raises(ek.DesignError, match="no placebo start"):
        placebo_in_time(ek.TwoWay(), design(short[short["year"] >= 2015]))
    assert YEARS[0] == 2012


def test_an_intensity_is_not_turned_into_a_start_in_silence() -> None:
    frame = world().assign(dose=lambda f: ((f["start"] > 0) & (f["year"] >= f["start"])) * (1.0 + f["village"] % 3))
    panel = ek.Panel(frame, "village", "year", ["county"])
    made = ek.Design(panel, ek.Rollout.from_dose(panel, "dose"), "y")
    never = np.isinf(made.cohort) & (np.arange(len(made.units)) % 2 == 0)
    for ask in (lambda: placebo_in_time(ek.TwoWay(), made), lambda: placebo_groups(ek.TwoWay(), made, {"some": never})):
        with pytest.raises(ek.DesignError, match="this roll-out has an intensity"):
            ask()


def test_one_number_is_as_good_as_a_list_of_one() -> None:
    made = design(world())
    pd.testing.assert_frame_equal(placebo_in_time(ek.TwoWay(), made, 2).table, placebo_in_time(ek.TwoWay(), made, [2]).table)
    never = np.isinf(made.cohort) & (np.arange(len(made.units)) % 2 == 0)
    assert placebo_groups(ek.TwoWay(), made, {"some": never}, 2015).table["start"].tolist() == [2015]


@pytest.mark.parametrize(
    ("shifts", "message"), [([], "There is nothing to estimate"), ("ab", "Shifts count periods"), ([1.5], "not 1.5")]
)
def test_shifts_are_whole_numbers_and_one_at_least(shifts: Any, message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        placebo_in_time(ek.TwoWay(), design(world()), shifts)


def test_choices_that_fit_no_estimate_are_told_and_not_put_into_every_row() -> None:
    with pytest.raises(ek.EstimateError, match="There is no cluster 'nowhere'"):
        placebo_in_time(ek.TwoWay(), design(world()), cluster="nowhere")
