"""The saturated path: each coefficient is a difference of differences, averages are weighted by the treated, and what leaves is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.estimators import two_way
from evalkit.estimators.interaction_weighted import InteractionWeighted

PLAIN = villages(units=120)


def design(frame: pd.DataFrame, unit: str | None = "village", weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county", "province"], weight)
    if unit and not panel.balanced:
        choices.setdefault("unbalanced", "pairwise")
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def cell(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


def codes(estimate: ek.Estimate) -> dict[str, dict[str, Any]]:
    return {notice.code: dict(notice.facts) for notice in estimate.notices}


def tiny() -> pd.DataFrame:
    """Two villages from 2014 on, one from 2015 on, two never; incomes are whole numbers."""
    incomes = {
        (1, 2014): [10, 11, 17], (2, 2014): [20, 22, 25], (3, 2015): [5, 6, 11], (4, 0): [8, 10, 11], (5, 0): [0, 0, 3],
    }  # fmt: skip
    rows = [(v, s, 2013 + t, y) for (v, s), path in incomes.items() for t, y in enumerate(path)]
    frame = pd.DataFrame(rows, columns=["village", "start", "year", "y"])
    return frame.assign(county=frame["village"], province=0)


def test_a_cell_is_the_change_of_the_cohort_less_the_change_of_those_never_treated() -> None:
    """From 2013 to 2014 cohort 2014 gains 1 and 2, the others 2 and 0: 1.5 - 1. From 2013 to 2015 it gains 7 and 5, they 3 and 3: 6 - 3."""
    estimate = InteractionWeighted()(design(tiny()))
    assert cell(estimate, 2014, 2014) == pytest.approx(0.5)
    assert cell(estimate, 2014, 2015) == pytest.approx(3.0)
    # Cohort 2015 is measured from 2014: it gains 5, the others 1 and 3; from 2014 back to 2013 it loses 1, the others 2 and 0.
    assert cell(estimate, 2015, 2015) == pytest.approx(3.0)
    assert cell(estimate, 2015, 2013) == pytest.approx(0.0)
    assert cell(estimate, 2014, 2013) == 0 and cell(estimate, 2015, 2014) == 0
    # Three treated villages in their first year: (2 x 0.5 + 3) / 3; five treated village-years: (2 x 0.5 + 2 x 3 + 3) / 5.
    assert ek.aggregate(estimate, "event_time").select(event_time=0).theta[0] == pytest.approx(4 / 3)
    assert ek.aggregate(estimate).theta[0] == pytest.approx(2.0)


def test_a_lone_village_has_an_effect_and_no_standard_error() -> None:
    cells = InteractionWeighted()(design(tiny()))
    table = ek.infer(cells.select(kind="group_time", period=2015))
    assert list(table["std_error"].isna()) == [False, True]
    assert list(cells.select(kind="group_time").cells["noisy_units"]) == [2, 2, 2, 0, 0, 0]


@pytest.mark.parametrize("frame", [PLAIN, with_gaps(PLAIN)], ids=["balanced", "gaps"])
@pytest.mark.parametrize("covariates", [[], ["rain"]], ids=["plain", "rain"])
@pytest.mark.parametrize("weight", [None, "households"])
@pytest.mark.parametrize("rows", ["unit", "observation"])
def test_cells_of_cohorts_suffice_and_give_what_rows_give(
    frame: pd.DataFrame, covariates: list[str], weight: str | None, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = design(frame, weight=weight, covariates=covariates, rows=rows, anticipation=1)
    by_pattern = InteractionWeighted()(made)
    monkeypatch.setattr(two_way, "MANY_PATTERNS", 0)
    by_row = InteractionWeighted()(made)
    np.testing.assert_allclose(by_pattern.theta, by_row.theta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(by_pattern.psi, by_row.psi, rtol=1e-7, atol=1e-9 * np.abs(by_row.psi).max())
    np.testing.assert_allclose(by_pattern.facts.bread, by_row.facts.bread, rtol=1e-7, atol=1e-12)
    assert by_pattern.facts.residual_sum == pytest.approx(by_row.facts.residual_sum)
    assert by_pattern.facts.slopes == by_row.facts.slopes


def test_it_is_the_regression_on_dummies_of_cohort_and_event_time() -> None:
    data = with_gaps(PLAIN)
    event = data["year"] - data["start"]
    names = [(g, e) for g in (2014, 2016) for e in sorted(set(event[data["start"] == g])) if e != -1]
    cells = np.column_stack([(data["start"] == g) & (event == e) for g, e in names]).astype(float)
    dummies = pd.get_dummies(data[["village", "year"]].astype(str)).to_numpy(float)
    X = np.hstack([cells, data[["rain"]].to_numpy(), dummies])
    root = np.sqrt(data["sampled"].to_numpy(float))
    expected = np.linalg.lstsq(X * root[:, None], data["y"].to_numpy() * root)[0][: len(names) + 1]
    estimate = InteractionWeighted()(design(data, weight="sampled", covariates=["rain"]))
    ours = [cell(estimate, g, g + e) for g, e in names] + list(estimate.select(kind="covariate").theta)
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-10)


def test_without_covariates_and_gaps_it_is_the_group_time_effect_against_those_never_treated() -> None:
    made = design(PLAIN, comparison="never_treated")
    ours, theirs = InteractionWeighted()(made), ek.GroupTime()(made)
    keys = list(zip(theirs.cells["cohort"], theirs.cells["period"], theirs.cells["kind"], strict=True))
    for at, (cohort, period, kind) in enumerate(keys):
        if kind == "group_time":
            assert cell(ours, cohort, period) == pytest.approx(theirs.theta[at], abs=1e-10)


def test_those_not_yet_treated_are_no_comparison_and_the_reader_is_told() -> None:
    estimate = InteractionWeighted()(design(PLAIN))
    never = InteractionWeighted()(design(PLAIN, comparison="never_treated"))
    np.testing.assert_array_equal(estimate.theta, never.theta)
    assert codes(estimate)["NEVER_TREATED_ALONE"] == {"units": 40}
    assert "NEVER_TREATED_ALONE" not in codes(never)
    assert "NEVER_TREATED_ALONE" not in codes(InteractionWeighted()(design(villages(units=60, starts=(0, 2015)))))


def test_without_never_treated_units_the_last_cohort_is_compared_until_it_starts() -> None:
    data = villages(units=90, starts=(2014, 2015, 2017))
    estimate = InteractionWeighted()(design(data)).select(kind="group_time")
    assert estimate.cells["period"].max() == 2016
    assert codes(estimate)["ROWS_NOT_COMPARED"] == {"rows": 90, "of_rows": 540, "units": 0}
    as_never = data[data["year"] < 2017].assign(start=lambda d: d["start"].where(d["start"] < 2017, 0))
    again = InteractionWeighted()(design(as_never)).select(kind="group_time")
    np.testing.assert_allclose(estimate.theta, again.theta, atol=1e-10)
    np.testing.assert_allclose(ek.infer(estimate)["std_error"], ek.infer(again)["std_error"], rtol=1e-9, atol=1e-12)


def test_units_treated_from_the_start_leave_and_are_counted() -> None:
    data = villages(units=120, starts=(0, 2012, 2014))
    estimate = InteractionWeighted()(design(data))
    assert codes(estimate)["ROWS_NOT_COMPARED"] == {"rows": 240, "of_rows": 720, "units": 40}
    without = InteractionWeighted()(design(data[data["start"] != 2012]))
    np.testing.assert_allclose(estimate.select(kind="group_time").theta, without.select(kind="group_time").theta, atol=1e-10)
    assert estimate.facts.observations == 480


def test_with_anticipation_the_reference_lies_before_it() -> None:
    estimate = InteractionWeighted()(design(PLAIN, anticipation=1))
    assert set(estimate.cells.loc[estimate.cells["reference"], "event_time"]) == {-2}


def test_a_reference_period_in_which_nobody_of_the_cohort_was_asked_gives_way_to_the_one_before() -> None:
    data = PLAIN[(PLAIN["start"] != 2014) | (PLAIN["year"] != 2013)]
    estimate = InteractionWeighted()(design(data))
    reference = estimate.cells[estimate.cells["reference"]].set_index("cohort")["period"]
    assert dict(reference) == {2014: 2012, 2016: 2015}


def test_a_cohort_never_asked_before_it_starts_is_refused() -> None:
    data = PLAIN[(PLAIN["start"] != 2014) | (PLAIN["year"] >= 2014)]
    with pytest.raises(ek.DesignError, match=r"Cohort 2014 is seen in no clean period"):
        InteractionWeighted()(design(data))


def test_a_period_in_which_a_cohort_was_not_asked_is_listed() -> None:
    data = PLAIN[(PLAIN["start"] != 2014) | (PLAIN["year"] != 2016)]
    assert codes(InteractionWeighted()(design(data)))["CELLS_NOT_ESTIMATED"] == {"cells": ["2014 in 2016"]}


def test_a_period_without_never_treated_units_is_named() -> None:
    data = PLAIN[(PLAIN["start"] != 0) | (PLAIN["year"] != 2016)]
    with pytest.raises(ek.DesignError, match=r"Collinear.*cohort 2014 in 2016"):
        InteractionWeighted()(design(data))


def test_a_varying_base_is_refused() -> None:
    with pytest.raises(ek.DesignError, match=r"InteractionWeighted cannot answer.*base='varying'"):
        InteractionWeighted()(design(PLAIN, base="varying"))


def test_an_unknown_choice_of_shares_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="shares"):
        InteractionWeighted("all")


def test_data_without_a_clean_period_are_refused_with_the_estimators_that_could() -> None:
    with pytest.raises(ek.DesignError, match="InteractionWeighted cannot answer this design"):
        InteractionWeighted()(design(villages(units=60, starts=(0, 2012))))


def test_a_constant_covariate_is_left_to_unit_effects_with_a_notice() -> None:
    estimate = InteractionWeighted()(design(PLAIN, covariates=["share", "rain"]))
    assert codes(estimate)["ABSORBED_COVARIATES"] == {"columns": ["share"]}
    assert list(estimate.select(kind="covariate").cells["name"]) == ["rain"]


def test_the_influence_on_effects_in_a_cross_section_is_what_leaving_a_household_out_changes() -> None:
    data = households(rows=600)
    made = InteractionWeighted()(design(data, None, covariates=["share"], weight="sampled"))
    psi, n = ek.aggregate(made, "overall").psi[:, 0], len(data)
    chosen = np.r_[np.argsort(np.abs(psi))[-4:], 0:4]
    without = [
        InteractionWeighted()(design(data.drop(i).reset_index(drop=True), None, covariates=["share"], weight="sampled"))
        for i in chosen
    ]
    shares = made.theta[made.cells["kind"] == "cell_share"]
    fixed = [np.r_[e.theta[: len(e.theta) - len(shares)], shares] for e in without]
    whole = ek.aggregate(made).theta[0]
    replayed = [(n - 1) * (whole - _overall(made, theta)) for theta in fixed]
    assert np.corrcoef(psi[chosen], replayed)[0, 1] > 0.99


def _overall(made: ek.Estimate, theta: np.ndarray) -> float:
    return float(ek.aggregate(made.map(theta, np.eye(len(theta)), made.cells)).theta[0])


def test_shares_of_a_population_widen_the_error_and_leave_the_average_alone() -> None:
    sample, population = (
        ek.aggregate(InteractionWeighted(s)(design(PLAIN, comparison="never_treated"))) for s in ("sample", "population")
    )
    assert population.theta[0] == pytest.approx(sample.theta[0])
    assert not np.allclose(population.psi, sample.psi)


def test_intervals_of_averages_cover_the_truth_as_often_as_they_say() -> None:
    """120 villages, 60 worlds of which only the noise differs: the overall effect of 0.1 plus 0.02 a year lies inside 95% of intervals."""
    base = villages(units=120)
    effect = np.where((base["start"] > 0) & (base["year"] >= base["start"]), 0.1 + 0.02 * (base["year"] - base["start"]), 0.0)
    truth, inside = effect[effect > 0].mean(), 0
    generator = np.random.default_rng(11)
    for _ in range(60):
        own = np.repeat(generator.normal(0, 0.4, 120), 6)
        noise = generator.normal(0, 0.1, 720).reshape(120, 6)
        noise[:, 1:] += 0.5 * noise[:, :-1]
        table = ek.infer(ek.aggregate(InteractionWeighted()(design(base.assign(y=8 + own + noise.ravel() + effect)))))
        inside += table["conf_low"][0] <= truth <= table["conf_high"][0]
    assert 0.86 <= inside / 60 < 1
