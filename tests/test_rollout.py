"""Who gets a programme and from when: nothing is assumed, nothing contradicts itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek


def panel(start: list, years=(2014, 2015, 2016), **columns) -> ek.Panel:
    rows = pd.DataFrame({"village": np.repeat(np.arange(len(start)), len(years)), "year": np.tile(years, len(start))})
    rows["start"] = pd.Series(start).repeat(len(years)).to_numpy()
    return ek.Panel(rows.assign(**columns), "village", "year")


def test_declared_codes_are_never_treated_and_counted() -> None:
    rollout = ek.Rollout.from_first_treated(panel([2015.0, 0.0, np.nan, 9999.0, 2016.0]), "start", never=(0, np.nan, 9999))
    np.testing.assert_array_equal(rollout.first_treated, [2015, np.inf, np.inf, np.inf, 2016])
    assert rollout.never_codes == {"0": 1, "missing": 1, "9999": 1}
    assert repr(rollout) == "Rollout of 'start': 2 units treated from 2015 to 2016, 3 never treated"


def test_the_codes_may_come_in_any_container() -> None:
    for never in ([0, -1], (0, -1), np.array([0, -1])):
        rollout = ek.Rollout.from_first_treated(panel([2015, 0, -1]), "start", never=never)
        np.testing.assert_array_equal(rollout.first_treated, [2015, np.inf, np.inf])


def test_a_zero_is_a_period_where_the_panel_counts_from_there() -> None:
    rollout = ek.Rollout.from_first_treated(panel([0, 1], years=(-1, 0, 1)), "start")
    np.testing.assert_array_equal(rollout.first_treated, [0, 1])


def test_the_programme_is_named_by_its_column_unless_it_is_named() -> None:
    assert ek.Rollout.from_first_treated(panel([2015, 0]), "start", 0).programme == "start"
    assert ek.Rollout.from_first_treated(panel([2015, 0]), "start", 0, programme="water").programme == "water"


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([2015.0, 0.0, 0.0], r"0 \(2 units\).*never=0"),
        ([2015.0, np.nan], r'missing \(1 units\).*never=float\("nan"\)'),
        ([2015.0, -np.inf], r'-inf \(1 units\).*never=float\("-inf"\)'),
        ([2015.0, -1.0, 0.0], r"-1 \(1 units\), 0 \(1 units\).*never=\(-1, 0\)"),
        ([2015.5, 2016.0], "not whole numbers: 2015.5"),
        (["2015", "2016"], "holds string such as '2015'.*whole numbers"),
    ],
)
def test_what_is_no_period_and_not_declared_is_shown_with_what_to_type(start: list, message: str) -> None:
    with pytest.raises(ek.RolloutError, match=message):
        ek.Rollout.from_first_treated(panel(start), "start")


def test_a_programme_that_nobody_got_is_said_when_effects_are_asked_for() -> None:
    nobody = panel([0, 0, 0], date=pd.to_datetime(pd.Series([None] * 9)), y=np.arange(9.0))
    for column, never in (("start", 0), ("date", pd.NaT)):
        rollout = ek.Rollout.from_first_treated(nobody, column, never=never)
        with pytest.raises(ek.DesignError, match=r"No unit is treated by '(start|date)' within 2014-2016"):
            ek.Design(nobody, rollout, "y")


def test_status_gives_the_first_year_with_one() -> None:
    status = [0, 0, 1, 0, 1, 1, 0, 0, 0]
    rollout = ek.Rollout.from_status(panel([1, 1, 1], status=status), "status")
    np.testing.assert_array_equal(rollout.first_treated, [2016, 2015, np.inf])


def test_status_and_first_year_say_the_same() -> None:
    start = np.array([2015, 2016, 0, 2014])
    years = np.array([2014, 2015, 2016])
    status = ((start[:, None] > 0) & (years >= start[:, None])).astype(int).ravel()
    both = panel(list(start), status=status)
    one, other = ek.Rollout.from_status(both, "status"), ek.Rollout.from_first_treated(both, "start", never=0)
    np.testing.assert_array_equal(one.first_treated, other.first_treated)


def test_treatment_that_stops_is_refused_with_places_and_a_reading_of_leaving_the_register() -> None:
    with pytest.raises(ek.RolloutError, match=r"stops in 2 places: 0 \(2015\), 1 \(2016\).*Leaving the register"):
        ek.Rollout.from_status(panel([1, 1], status=[1, 0, 0, 1, 1, 0]), "status")


@pytest.mark.parametrize("odd", [2, 0.5, np.nan])
def test_a_status_that_is_neither_zero_nor_one_is_refused_with_its_place(odd: float) -> None:
    with pytest.raises(ek.RolloutError, match=r"must be 0 or 1 in every row, but is not in 0 \(2015\)"):
        ek.Rollout.from_status(panel([1], status=[0, odd, 1]), "status")


def test_units_treated_after_the_last_period_are_a_notice() -> None:
    rollout = ek.Rollout.from_first_treated(panel([2015, 2030, 0]), "start", never=0)
    assert [(n.code, n.facts) for n in rollout.notices] == [("TREATED_AFTER_WINDOW", {"units": 1, "last_period": 2016})]


def test_in_a_cross_section_every_row_has_its_own_first_year() -> None:
    rows = pd.DataFrame({"year": [2014, 2015, 2014], "start": [2015, 2015, 0]})
    rollout = ek.Rollout.from_first_treated(ek.Panel(rows, None, "year"), "start", never=0)
    np.testing.assert_array_equal(rollout.first_treated, [2015, 2015, np.inf])


def test_a_never_code_within_the_panel_would_hide_a_real_start_and_is_refused() -> None:
    frame = pd.DataFrame({"unit": [1, 1, 2, 2], "year": [2014, 2015] * 2, "start": [2015, 2015, 0, 0]})
    panel = ek.Panel(frame, unit="unit", period="year")
    with pytest.raises(ek.RolloutError, match="never=2015 lies within the panel's periods"):
        ek.Rollout.from_first_treated(panel, "start", never=(0, 2015))


def test_support_that_stops_can_be_read_as_having_started_and_is_counted() -> None:
    data = panel([1, 1], status=[1, 0, 0, 0, 1, 0])
    rollout = ek.Rollout.from_status(data, "status", reversals="started")
    assert list(rollout.first_treated) == [2014, 2015] and rollout.intensity is None
    assert [n.facts["units"] for n in rollout.notices if n.code == "TREATMENT_STOPS"] == [2]


def test_a_status_that_is_kept_starts_with_its_first_change_and_is_seen_in_every_row() -> None:
    data = panel([1, 1], status=[1, 0, 0, 0, 0, 1])
    rollout = ek.Rollout.from_status(data, "status", reversals="keep")
    assert list(rollout.first_treated) == [2015, 2016]
    assert list(ek.Design(data, rollout, "start").intensity) == [1, 0, 0, 0, 0, 1]


def test_a_dose_starts_where_it_changes() -> None:
    data = panel([1, 1], dose=[0.0, 2.5, 2.5, 0, 0, 0])
    rollout = ek.Rollout.from_dose(data, "dose")
    assert list(rollout.first_treated) == [2015, np.inf]
    assert ek.Design(data, rollout, "start").lasting


def test_estimators_of_lasting_treatments_refuse_one_that_switches_and_name_who_can() -> None:
    data = panel([1, 1, 1], status=[0, 1, 0, 0, 0, 1, 0, 0, 0])
    design = ek.Design(data, ek.Rollout.from_status(data, "status", reversals="keep"), "start")
    assert not design.lasting
    with pytest.raises(
        ek.DesignError, match=r"stops, or is there from the beginning, in 1 units.*Estimators that could: .*switching"
    ):
        ek.GroupTime()(design)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: ek.Rollout.from_status(p, "status", reversals="kep"), "Did you mean 'keep'"),
        (lambda p: ek.Rollout.from_dose(p, "gap"), "finite number in every row, but does not in 1: "),
    ],
)
def test_a_roll_out_of_intensities_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ek.RolloutError, match=message):
        make(panel([1], status=[0, 1, 0], gap=[0, np.nan, 1]))


def test_a_unit_not_seen_just_before_its_first_treated_row_may_have_started_earlier_and_is_counted() -> None:
    whole = panel([1, 1], status=[0, 0, 1, 0, 1, 1]).frame
    gap = ek.Panel(whole.drop(index=1).reset_index(drop=True), "village", "year")
    for rollout in (ek.Rollout.from_status(gap, "status"), ek.Rollout.from_dose(gap, "status")):
        assert [(n.code, n.facts["units"]) for n in rollout.notices] == [("START_BETWEEN_ROWS", 1)]


def test_a_unit_that_enters_already_treated_may_have_started_earlier_and_is_counted() -> None:
    whole = panel([1, 1, 1], status=[0, 1, 1, 1, 1, 1, 0, 0, 0]).frame
    late = ek.Panel(whole.drop(index=0).reset_index(drop=True), "village", "year")
    rollout = ek.Rollout.from_status(late, "status")
    assert list(rollout.first_treated) == [2015, 2014, np.inf]
    # Village 1 is treated from the first year of the data on, which the design says by itself.
    assert [(n.code, n.facts["units"]) for n in rollout.notices] == [("START_BETWEEN_ROWS", 1)]


def test_in_a_cross_section_no_status_can_be_seen_to_change() -> None:
    rows = ek.Panel(pd.DataFrame({"year": [2014, 2015, 2015], "status": [0, 1, 0]}), None, "year")
    for reversals in ("refuse", "started", "keep"):
        with pytest.raises(ek.RolloutError, match=r"nobody's treatment can be seen to change.*from_first_treated"):
            ek.Rollout.from_status(rows, "status", reversals=reversals)


def test_rounding_in_a_column_of_doses_is_no_change_of_treatment() -> None:
    data = panel([1, 1], dose=[0.0, 0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2, 0.3])
    rollout = ek.Rollout.from_dose(data, "dose")
    assert list(rollout.first_treated) == [2015, np.inf]


def test_a_code_for_never_that_is_no_number_is_refused() -> None:
    with pytest.raises(ek.RolloutError, match="never='missing' is no number: say the code"):
        ek.Rollout.from_first_treated(ek.example_design().panel, "first_treated", never="missing")
