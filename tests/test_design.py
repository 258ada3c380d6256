"""A design turns the panel and the choices into arrays, once, and says what it left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek


def rows() -> pd.DataFrame:
    """Return four villages in three years; village 3 is never treated, village 2 is the last of two cohorts."""
    return pd.DataFrame(
        {
            "village": np.repeat([0, 1, 2, 3], 3),
            "year": np.tile([2014, 2015, 2016], 4),
            "start": np.repeat([2015, 2015, 2016, 0], 3),
            "county": np.repeat(["s", "s", "n", "n"], 3),
            "y": np.arange(12.0),
            "x": [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 4],
            "w": np.repeat([1.0, 2.0, 3.0, 4.0], 3),
        }
    )


def design(frame: pd.DataFrame | None = None, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(rows() if frame is None else frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def test_arrays_are_sorted_and_cohorts_are_infinite_for_never_treated() -> None:
    made = design(rows().sample(frac=1, random_state=1), covariates=["x"], weight="w")
    np.testing.assert_array_equal(made.y, np.arange(12.0))
    np.testing.assert_array_equal(made.x[:, 0], rows()["x"])
    np.testing.assert_array_equal(made.cohort, [2015, 2015, 2016, np.inf])
    np.testing.assert_array_equal(made.unit_weight, [1, 2, 3, 4])
    np.testing.assert_array_equal(made.wide(made.y), np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(made.treated, [0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0])


def test_missing_rows_are_counted_by_column_and_left_out() -> None:
    spoiled = rows()
    spoiled.loc[[0, 4], "y"] = np.nan
    spoiled.loc[[4, 8], "x"] = np.nan
    made = design(spoiled, covariates=["x"], unbalanced="pairwise")
    facts = {notice.code: notice.facts for notice in made.notices}
    assert facts["MISSING_ROWS"] == {"rows": 3, "columns": {"y": 2, "x": 2}}
    assert facts["UNBALANCED"] == {"choice": "pairwise", "units": 4, "rows": 9, "complete_units": 1, "periods": 3}
    np.testing.assert_array_equal(made.y, [1, 2, 3, 5, 6, 7, 9, 10, 11])
    assert np.isnan(made.wide(made.y)).sum() == 3


def test_complete_units_are_kept_when_the_others_are_dropped() -> None:
    made = design(rows().drop(index=[1]), unbalanced="drop_units")
    assert list(made.units) == [1, 2, 3] and made.balanced


def test_a_year_without_rows_leaves_the_panel_balanced_over_the_years_it_has() -> None:
    made = design(rows().assign(y=lambda d: d["y"].where(d["year"] != 2016)))
    assert made.balanced and list(made.periods) == [2014, 2015]
    np.testing.assert_array_equal(made.cohort, [2015, 2015, np.inf, np.inf])


def test_a_unit_first_treated_after_the_window_is_a_comparison() -> None:
    made = design(rows().replace({"start": {2016: 2017}}))
    np.testing.assert_array_equal(made.cohort, [2015, 2015, np.inf, np.inf])
    anticipating = design(rows().replace({"start": {2016: 2017}}), anticipation=1)
    np.testing.assert_array_equal(anticipating.cohort, [2015, 2015, 2017, np.inf])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"comparison": "never"}, "no choice of comparison 'never'. Did you mean 'never_treated'"),
        ({"base": "universl"}, "Did you mean 'universal'"),
        ({"unbalanced": "pairwse"}, "Did you mean 'pairwise'"),
        ({"rows": "conty"}, "Did you mean 'county'"),
        ({"anticipation": -1}, "anticipation counts periods"),
        ({"anticipation": 0.5}, "anticipation counts periods"),
        ({"covariates": ["z"]}, "There is no column 'z'"),
    ],
)
def test_an_unknown_choice_is_an_error_that_names_the_nearest(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.EvalkitError, match=message):
        design(**choices)


def test_a_roll_out_of_another_panel_is_refused() -> None:
    panel, other = (ek.Panel(frame, "village", "year") for frame in (rows(), rows().iloc[:9]))
    with pytest.raises(ek.DesignError, match=r"made for other units \(3\) than the panel's \(4\)"):
        ek.Design(panel, ek.Rollout.from_first_treated(other, "start", never=0), "y")


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan])
def test_a_weight_that_stands_for_nobody_is_refused_with_its_place(weight: float) -> None:
    spoiled = rows()
    spoiled.loc[4, "w"] = weight
    with pytest.raises(ek.DesignError, match=r"'w' is missing or not positive in 1 rows: 1 \(2015\)"):
        design(spoiled, weight="w")


def test_all_treated_at_once_leaves_no_comparison() -> None:
    with pytest.raises(ek.DesignError, match="All 4 units are treated from 2015 on: there is no comparison"):
        design(rows().assign(start=2015))


def test_nobody_treated_within_the_window_leaves_no_effect() -> None:
    with pytest.raises(ek.DesignError, match="No unit is treated by 'start' within 2014-2016"):
        design(rows().assign(start=0))


def test_an_outcome_that_is_never_there_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="No row has 'y'"):
        design(rows().assign(y=np.nan))


def test_rows_of_influence_carry_the_clusters_that_are_constant_in_them() -> None:
    assert list(design().row_keys.columns) == ["village", "county"]
    wandering = rows()
    wandering.loc[0, "county"] = "n"
    assert list(design(wandering).row_keys.columns) == ["village"]
    by_row = design(wandering, rows="observation").row_keys
    assert list(by_row.columns) == ["observation", "village", "year", "county"] and list(by_row["county"][:2]) == ["n", "s"]
    with pytest.raises(ek.DesignError, match=r"'county' varies within units.*rows='observation'"):
        _ = design(wandering, rows="county").row_keys


def test_contributions_of_units_become_influence_of_units_or_of_counties() -> None:
    contributions = np.array([[1.0], [2.0], [4.0], [8.0]])
    np.testing.assert_array_equal(design().psi_from_units(contributions.copy())[:, 0], [4, 8, 16, 32])
    counties = design(rows="county")
    assert list(counties.row_keys["county"]) == ["n", "s"]
    np.testing.assert_array_equal(counties.psi_from_units(contributions.copy())[:, 0], [24, 6])


def test_contributions_of_observations_are_summed_within_units() -> None:
    contributions = np.arange(12.0)[:, None]
    np.testing.assert_array_equal(design().psi_from_observations(contributions.copy())[:, 0], [12, 48, 84, 120])
    by_row = design(rows="observation").psi_from_observations(contributions.copy())[:, 0]
    np.testing.assert_array_equal(by_row, 12 * np.arange(12.0))


def test_effects_are_nested_in_the_clusters_within_which_they_do_not_vary() -> None:
    made = design()
    assert made.nested_in(made.unit_index, 4) == {"village", "county"}
    assert made.nested_in(made.period_index, 3) == {"year"}
    county, count = made.codes("county")
    assert made.nested_in(county, count) == {"county"}


def test_one_covariate_may_be_said_without_a_list() -> None:
    assert design(covariates="x").covariates == ("x",)


def test_a_design_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        design().outcome = "x"
