"""A panel is judged once, at birth: one row per unit and period, in any order, roles declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import evalkit as ek


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "village": ["b", "a", "a", "b"],
            "year": [2015, 2015, 2014, 2014],
            "county": ["n", "s", "s", "n"],
            "income": [3.0, 2.0, 1.0, np.nan],
            "weight": [4.0, 2.0, 2.0, 4.0],
        }
    )


def test_rows_are_sorted_by_unit_and_period_whatever_their_order() -> None:
    panel = ek.Panel(frame(), unit="village", period="year", clusters=["county"])
    assert list(panel.units) == ["a", "b"] and list(panel.periods) == [2014, 2015]
    assert list(panel.unit_index) == [0, 0, 1, 1] and list(panel.period_index) == [0, 1, 0, 1]
    np.testing.assert_array_equal(panel.numbers("income"), [1.0, 2.0, np.nan, 3.0])
    assert panel.balanced and panel.places([1, 2]) == ["a (2015)", "b (2014)"]


def test_units_that_are_numbers_are_sorted_as_numbers() -> None:
    rows = pd.DataFrame({"village": [10, 9, 10, 9], "year": [1, 1, 2, 2], "y": [1.0, 2.0, 3.0, 4.0]})
    panel = ek.Panel(rows, "village", "year")
    assert list(panel.units) == [9, 10]
    np.testing.assert_array_equal(panel.numbers("y"), [2.0, 4.0, 1.0, 3.0])
    assert ek.Panel(rows.sort_values(["village", "year"]), "village", "year").order is None


def test_what_is_done_to_the_frame_afterwards_does_not_reach_the_panel() -> None:
    rows = frame()
    panel = ek.Panel(rows, "village", "year")
    rows.loc[:, "income"] = -1.0
    np.testing.assert_array_equal(panel.numbers("income"), [1.0, 2.0, np.nan, 3.0])
    assert list(frame()["year"]) == list(rows["year"])


def test_a_repeated_cross_section_keeps_its_order_and_has_as_many_units_as_rows() -> None:
    panel = ek.Panel(frame(), unit=None, period="year")
    assert len(panel.units) == 4 and panel.order is None
    np.testing.assert_array_equal(panel.numbers("income"), [3.0, 2.0, 1.0, np.nan])
    assert "repeated cross-section" in repr(panel)


def test_missing_rows_make_a_panel_unbalanced() -> None:
    panel = ek.Panel(frame().iloc[:3], "village", "year")
    assert not panel.balanced and repr(panel).endswith("3 rows, unbalanced")


@pytest.mark.parametrize(
    ("periods", "numbers"),
    [
        (pd.to_datetime(["2014-12-31", "2015-12-31"]), [2014, 2015]),
        (pd.PeriodIndex(["2014", "2015"], freq="Y"), [2014, 2015]),
        ([2014.0, 2015.0], [2014, 2015]),
        (pd.array([2014, 2015], dtype="Int64"), [2014, 2015]),
        ([-1, 4], [-1, 4]),
    ],
    ids=["dates", "periods", "whole floats", "nullable", "negative"],
)
def test_periods_are_whole_numbers_or_yearly_dates(periods, numbers: list[int]) -> None:
    panel = ek.Panel(pd.DataFrame({"village": [1, 1], "year": periods}), "village", "year")
    assert list(panel.periods) == numbers and panel.periods.dtype.kind == "i"


@pytest.mark.parametrize(
    ("periods", "message"),
    [
        (pd.to_datetime(["2014-01-01", "2014-04-01"]), r"several dates in one year \(2014\).*numbers the quarters"),
        (["2014", "2015"], r"holds string such as '2014'.*astype\(int\)"),
        ([2014.5, 2015.0], "not whole numbers: 2014.5"),
        ([True, False], "holds boolean such as"),
    ],
)
def test_other_periods_are_refused_with_the_cure(periods, message: str) -> None:
    with pytest.raises(ek.PanelError, match=message):
        ek.Panel(pd.DataFrame({"village": [1, 1], "year": periods}), "village", "year")


@pytest.mark.parametrize("role", ["unit", "period", "clusters", "weight"])
def test_an_unknown_column_is_an_error_that_names_the_nearest(role: str) -> None:
    roles = {"unit": "village", "period": "year"} | {role: "conty"}
    with pytest.raises(ek.PanelError, match=r"no column 'conty'\. Did you mean 'county'"):
        ek.Panel(frame(), **roles)


def test_a_missing_unit_period_or_cluster_is_refused_with_its_rows() -> None:
    for name in ("village", "year", "county"):
        rows = frame().astype({"year": float}).assign(**{name: lambda d, n=name: d[n].where(np.arange(4) != 2)})
        with pytest.raises(ek.PanelError, match=rf"'{name}' is missing in 1 rows \(row numbers 2\)"):
            ek.Panel(rows, "village", "year", ["county"])


def test_a_column_that_stands_twice_is_refused_by_name() -> None:
    rows = frame()
    rows.columns = ["village", "year", "county", "income", "income"]
    with pytest.raises(ek.PanelError, match="Columns appear twice: income"):
        ek.Panel(rows, "village", "year")


def test_only_a_frame_makes_a_panel() -> None:
    with pytest.raises(ek.PanelError, match="not from dict"):
        ek.Panel({"village": [1], "year": [2014]}, "village", "year")


def test_a_panel_cannot_be_changed() -> None:
    panel = ek.Panel(frame(), "village", "year")
    with pytest.raises(AttributeError):
        panel.unit = "county"


def test_nullable_numbers_with_gaps_are_floats_with_nan() -> None:
    rows = frame().assign(income=pd.array([3, 2, None, 1], dtype="Int64"))
    np.testing.assert_array_equal(ek.Panel(rows, "village", "year").numbers("income"), [np.nan, 2.0, 1.0, 3.0])
