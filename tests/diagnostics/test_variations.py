"""The same estimate on changed data: what leaves is counted, what is moved is counted, and the change has its own error."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.diagnostics.replays import SAME, difference, unchanged
from evalkit.diagnostics.variations import (
    AroundStart,
    NearLine,
    Periods,
    Started,
    Trimmed,
    Winsorised,
    Without,
    date_sensitivity,
    starts_by_date,
    vary,
    with_outcome,
    without_rows,
)
from evalkit.events import Events


def design(frame: pd.DataFrame, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, choices.pop("unit", "village"), "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def average(made: ek.Design) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(made))


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=1).reset_index(drop=True)


@pytest.mark.parametrize("change", [Winsorised(), Trimmed(), AroundStart(0, 0), NearLine("share", 0.5, 0.05), Periods(last=2016)])
def test_the_order_of_the_file_does_not_matter(change: Any) -> None:
    frame = villages(units=90)
    one, two = (change(design(f)) for f in (frame, shuffled(frame)))
    np.testing.assert_array_equal(one.y, two.y)
    np.testing.assert_array_equal(one.units, two.units)
    np.testing.assert_allclose(ek.TwoWay()(one).theta, ek.TwoWay()(two).theta, rtol=1e-12)


def test_rows_left_out_are_those_that_a_smaller_file_would_lack() -> None:
    frame = villages(units=90)
    made = design(frame)
    leave = np.random.default_rng(2).random(len(made.y)) < 0.1
    fewer, file = without_rows(made, leave), design(frame[~leave], unbalanced="pairwise")
    np.testing.assert_array_equal(fewer.y, file.y)
    np.testing.assert_allclose(average(fewer).theta, average(file).theta, rtol=1e-12)
    assert without_rows(made, np.zeros(len(leave), dtype=bool)) is made and made.unbalanced is None


def test_units_without_any_row_left_leave_the_roll_out_too() -> None:
    made = design(with_gaps(villages(units=60)), unbalanced="pairwise")
    fewer = without_rows(made, made.unit_index == 7)
    assert len(fewer.units) == 59 and made.units[7] not in fewer.units


def test_outcomes_are_replaced_row_by_row_also_where_the_design_left_rows_out() -> None:
    frame = shuffled(villages(units=30))
    frame.loc[[3, 70], "y"] = np.nan
    made = design(frame, unbalanced="pairwise")
    doubled = with_outcome(made, 2 * made.y)
    np.testing.assert_array_equal(doubled.y, 2 * made.y)
    assert doubled.observations == len(frame) - 2


def test_winsorising_by_hand() -> None:
    """Values 0..100 in a period: the quantiles at 1/99 are 1 and 99, so two of 101 rows move."""
    rows = [(i, year, i, 2016 if i % 2 else 0, float(i)) for i in range(101) for year in (2015, 2016)]
    made = design(pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"]))
    tamed = Winsorised()(made)
    assert sorted(tamed.y[tamed.period_index == 0])[:3] == [1, 1, 2] and tamed.y.max() == 99
    table = vary(ek.TwoWay(), made, {"wins": Winsorised(), "trim": Trimmed(), "whole": Trimmed(whole_units=True)}).table
    assert table["rows_changed"].iloc[0] == 4 and table["rows_left_out"].tolist() == [0, 4, 4]
    assert table["units_left_out"].tolist() == [0, 2, 2]


def test_a_donut_around_the_start_leaves_those_rows_out_and_takes_an_earlier_base() -> None:
    """An effect of 1 from the year after the start, and a dip of -5 in the year before and in the start year itself."""
    years = range(2012, 2018)
    rows = []
    for i in range(8):
        for year in years:
            dip = -5.0 * (year in (2014, 2015)) + 1.0 * (year > 2015) if i < 4 else 0.0
            rows.append((i, year, i, 2015 if i < 4 else 0, 0.1 * i * (year % 3) + dip))
    made = design(pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"]))
    whole, hole = average(made).theta[0], average(AroundStart(-1, 0)(made)).theta[0]
    clean = pd.DataFrame(rows, columns=["village", "year", "county", "start", "y"])
    hand = clean.assign(t=clean["village"] < 4).groupby(["t", "year"])["y"].mean().unstack("t")
    gap = hand[True] - hand[False]
    assert hole == pytest.approx(gap[[2016, 2017]].mean() - gap[2013]) and whole != pytest.approx(hole)
    assert AroundStart(-1, 0)(made).anticipation == 1


def test_the_difference_to_the_main_estimate_is_known_better_than_either() -> None:
    found = vary(ek.TwoWay(), design(villages()), {"same": unchanged, "wins": Winsorised()}, cluster="county").table
    assert found["no_difference"].tolist() == [SAME, ""] and found["difference"].iloc[0] == 0
    assert 0 < found["difference_std_error"].iloc[1] < found["std_error"].iloc[1] / 2


def test_the_error_of_a_difference_is_that_of_the_jackknife() -> None:
    made = design(villages())
    change = Winsorised(0.1, 0.9)

    def apart(d: ek.Design) -> float:
        return float(ek.TwoWay()(change(d)).theta[0] - ek.TwoWay()(d).theta[0])

    from evalkit.subset import without_units

    analytic = float(ek.infer(difference(ek.TwoWay()(change(made)), ek.TwoWay()(made)))["std_error"].iloc[0])
    without = np.array([apart(without_units(made, np.arange(len(made.units)) == i)) for i in range(0, len(made.units), 3)])
    spread = np.sqrt(((without - apart(made)) ** 2).mean() * len(made.units))
    # The jackknife also moves the quantiles, which the influence takes as given; a third of the units is drawn.
    assert analytic == pytest.approx(spread, rel=0.35)


def test_samples_and_lines() -> None:
    made = design(villages())
    table = vary(
        ek.TwoWay(),
        made,
        {
            "no province 0": Without("province", (0,)),
            "to 2016": Periods(last=2016),
            "line": NearLine("share", 0.5, 0.1),
            "nobody": NearLine("share", 5, 0.1),
            "no treated": Periods(last=2013),
        },
        cluster="county",
    ).table
    assert table["units_left_out"].tolist()[:2] == [60, 0] and table["rows_left_out"].iloc[1] == 240
    assert "No unit lies less than 0.1" in table["refused"].iloc[3] and table["units"].isna().iloc[3]
    assert "No unit is treated" in table["refused"].iloc[4] and (table["refused"].iloc[:3] == "").all()


def test_dates_as_roll_outs_count_who_changes_cohort_and_who_has_no_date() -> None:
    frame = villages(units=90)
    made = design(frame)
    first = made.rollout.first_treated
    moved = replace(made.rollout, first_treated=np.where(first == 2014, 2015, first))
    some = frame[frame["village"] >= 110]
    panel = ek.Panel(some, "village", "year", ["county"])
    fewer = ek.Rollout.from_first_treated(panel, "start", never=0)
    table = date_sensitivity(ek.TwoWay(), made, {"funded": made.rollout, "built": moved, "dated": fewer}).table
    assert table["cohorts_changed"].tolist() == [0, int((first == 2014).sum()), 0]
    assert table["units_left_out"].tolist() == [0, 0, 10] and table["no_difference"].iloc[0] == SAME


def test_dates_of_events_are_roll_outs_and_a_date_that_nobody_has_is_a_row_with_the_reason() -> None:
    frame = villages(units=60)
    treated = frame.loc[frame["start"] > 0, ["village", "start"]].drop_duplicates()
    events = pd.concat(
        [
            treated.assign(event="listed", date=(treated["start"] - 1).astype(str)),
            treated.assign(event="funded", date=treated["start"].astype(str)),
        ]
    )
    events = Events.read(events.assign(unit=events["village"], programme="industry")[["unit", "programme", "event", "date"]])
    table = date_sensitivity(ek.TwoWay(), design(frame), starts_by_date(events, "industry")).table.set_index("date")
    assert table.loc["funded", "cohorts_changed"] == 0 and table.loc["listed", "cohorts_changed"] == len(treated)
    assert table.loc["built", "refused"].startswith("With 'built' as the start:") and len(table) == 4
    assert isinstance(starts_by_date(events, "industry")["funded"], partial)


def test_what_has_no_meaning_is_refused() -> None:
    made = design(villages(units=60))
    with pytest.raises(ek.DesignError, match="Changes are named functions"):
        vary(ek.TwoWay(), made, [Winsorised()])
    with pytest.raises(ek.DesignError, match="Dates are named roll-outs"):
        date_sensitivity(ek.TwoWay(), made, {"a": 3})
    with pytest.raises(ek.DesignError, match="Quantiles lie between 0 and 1"):
        Winsorised(0.9, 0.1)(made)
    with pytest.raises(ek.DesignError, match="Event times go from first to last"):
        AroundStart(1, -1)(made)
    with pytest.raises(ek.DesignError, match="No treated unit is seen at event times 9 to 9"):
        AroundStart(9, 9)(made)
    with pytest.raises(ek.DesignError, match="No row has 'province' among 17; it holds 0, 1, 2, 3"):
        Without("province", (17,))(made)
    with pytest.raises(ek.DesignError, match="One True or False a row is needed"):
        without_rows(made, np.zeros(3, dtype=bool))
    with pytest.raises(ek.DesignError, match="No row would be left"):
        without_rows(made, np.ones(len(made.y), dtype=bool))
    with pytest.raises(ek.DesignError, match="One outcome a row is needed"):
        with_outcome(made, np.zeros(3))
    with pytest.raises(ek.DesignError, match="'rain' varies within units"):
        NearLine("rain", 0.0, 0.1)(made)
    gone = design(villages(units=60).assign(share=lambda f: f["share"].where(f["village"] != 100)))
    with pytest.raises(ek.DesignError, match="'share' is missing in 6 rows"):
        NearLine("share", 0.5, 0.1)(gone)
    strangers = replace(made.rollout, units=made.rollout.units + 10_000)
    with pytest.raises(ek.DesignError, match="names none of the units"):
        Started(strangers)(made)
    with_doses = replace(made.rollout, intensity=made.treated.astype(float))
    with pytest.raises(ek.DesignError, match="has an intensity by period"):
        Started(with_doses)(made)


def test_a_donut_takes_rows_from_the_complete_units_only_and_not_whole_units_with_them() -> None:
    frame = villages(units=60)
    gone = (frame["village"] % 10 == 0) & (frame["year"] == frame["year"].max())
    complete = frame[frame["village"] % 10 != 0]
    made, alone = design(frame[~gone], unbalanced="drop_units"), design(complete)
    found, expected = (
        vary(ek.TwoWay(), one, {"donut": AroundStart(0, 0), "late": Periods(2014, 2016)}).table for one in (made, alone)
    )
    assert (found["refused"] == "").all() and found["units"].tolist() == expected["units"].tolist()
    assert np.allclose(found["estimate"], expected["estimate"])


def test_a_change_that_is_none_and_a_single_value_left_out() -> None:
    found = vary(ek.TwoWay(), design(villages(units=40)), {"nothing": lambda made: None, "one": Without("county", 1)}).table  # type: ignore[dict-item, return-value]
    assert found["refused"].tolist() == ["A change returns a Design, not a NoneType.", ""]
    assert found["units_left_out"].iloc[1] > 0


def test_outcomes_without_noise_and_single_treated_units_say_so() -> None:
    frame = villages(units=40)
    flat = vary(ek.TwoWay(), design(frame.assign(y=1.0)), {"winsorised": Winsorised()}).table.iloc[0]
    assert np.isnan(flat["std_error"]) and np.isnan(flat["p_value"]) and "no noise to learn from" in flat["no_error"]
    lone = frame.assign(start=np.where(frame["village"] == frame["village"].iloc[0], 2015, 0))
    found = vary(average, design(lone), {"winsorised": Winsorised()}).table.iloc[0]
    assert (
        np.isnan(found["std_error"]) and "single treated unit" in found["no_error"] and "single treated" in found["no_difference"]
    )
