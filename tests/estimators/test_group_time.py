"""Group-time effects: who is compared with whom from which year on, and the three methods by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.comparison import Comparison

FRAME = villages(units=150)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def effect(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


WIDE = FRAME.pivot(index="village", columns="year", values="y")
START = FRAME.groupby("village")["start"].first()


def difference(cohort: int, period: int, base: int, comparison: pd.Series) -> float:
    change = WIDE[period] - WIDE[base]
    return change[cohort == START].mean() - change[comparison].mean()


NEVER, LATER = START == 0, START == 2016


@pytest.mark.parametrize(
    ("choices", "cohort", "period", "base", "comparison"),
    [
        ({"comparison": "never_treated"}, 2014, 2015, 2013, NEVER),
        ({"comparison": "never_treated"}, 2016, 2012, 2015, NEVER),
        ({}, 2014, 2015, 2013, NEVER | LATER),
        ({}, 2014, 2016, 2013, NEVER),
        ({}, 2014, 2012, 2013, NEVER | LATER),
        ({}, 2016, 2013, 2015, NEVER),
        ({"base": "varying"}, 2016, 2013, 2012, NEVER | (START == 2014)),
        ({"base": "varying"}, 2016, 2014, 2013, NEVER),
        ({"base": "varying"}, 2016, 2017, 2015, NEVER),
        ({"anticipation": 1}, 2014, 2014, 2012, NEVER | LATER),
        ({"anticipation": 1}, 2014, 2015, 2012, NEVER),
        ({"anticipation": 1, "base": "varying"}, 2016, 2015, 2014, NEVER),
    ],
)
def test_a_cell_compares_its_cohort_with_those_clean_in_both_periods(
    choices: dict[str, Any], cohort: int, period: int, base: int, comparison: pd.Series
) -> None:
    estimate = ek.GroupTime()(design(**choices))
    assert effect(estimate, cohort, period) == pytest.approx(difference(cohort, period, base, comparison))


def test_the_universal_base_is_zero_by_construction_and_a_varying_one_is_not_shown() -> None:
    universal, varying = (ek.GroupTime()(design(base=base)).cells for base in ("universal", "varying"))
    zeros = universal[universal["reference"]]
    assert list(zip(zeros["cohort"], zeros["period"], strict=True)) == [(2014, 2013), (2016, 2015)]
    assert not varying["reference"].any() and 2012 not in varying["period"].to_list()


def test_effects_after_treatment_do_not_depend_on_the_base() -> None:
    one, other = (ek.GroupTime()(design(base=base)) for base in ("universal", "varying"))
    for cohort, period in ((2014, 2014), (2014, 2017), (2016, 2016)):
        assert effect(one, cohort, period) == effect(other, cohort, period)


def test_without_covariates_the_methods_are_the_same_difference_of_means() -> None:
    one, *others = (ek.GroupTime(method)(design()) for method in ("dr", "ipw", "reg"))
    for other in others:
        np.testing.assert_array_equal(one.theta, other.theta)
        np.testing.assert_array_equal(one.psi, other.psi)


@pytest.mark.parametrize("weight", [None, "households"])
def test_the_methods_are_their_formulas(weight: str | None) -> None:
    """2014 against never treated, 2013 to 2015: Sant'Anna & Zhao (2020) eq. (2.2), (2.4) normalised and (2.6)."""
    rows = START.isin([0, 2014])
    change, D = (WIDE[2015] - WIDE[2013])[rows].to_numpy(), (START[rows] == 2014).to_numpy(float)
    at_base = FRAME[FRAME["year"] == 2013].set_index("village").loc[START.index[rows]]
    X = sm.add_constant(at_base[["share", "rain"]]).to_numpy()
    w = np.ones(len(D)) if weight is None else at_base[weight].to_numpy(float)
    p = sm.GLM(D, X, family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-12).predict()
    growth = X @ sm.WLS(change[D == 0], X[D == 0], weights=w[D == 0]).fit().params
    odds = w * (1 - D) * p / (1 - p)

    def treated_mean(v: np.ndarray) -> float:
        return np.average(v, weights=w * D)

    expected = {
        "reg": treated_mean(change - growth),
        "ipw": treated_mean(change) - np.average(change, weights=odds),
        "dr": treated_mean(change - growth) - np.average(change - growth, weights=odds),
    }
    choices = {"covariates": ["share", "rain"], "comparison": "never_treated", "weight": weight}
    found = {method: effect(ek.GroupTime(method)(design(**choices)), 2014, 2015) for method in expected}
    assert found == pytest.approx(expected, rel=1e-8)


def test_covariates_are_read_in_the_earlier_of_the_two_periods() -> None:
    later_spoiled = FRAME.assign(rain=FRAME["rain"].where(FRAME["year"] <= 2013, FRAME["village"] * 37 % 11 - FRAME["rain"]))
    one, other = (ek.GroupTime()(design(f, covariates=["rain"], comparison="never_treated")) for f in (FRAME, later_spoiled))
    assert effect(one, 2014, 2016) == pytest.approx(effect(other, 2014, 2016), rel=1e-10)
    # Before treatment the earlier period is not the base: 2016 in 2013 is measured from 2015.
    base_spoiled = FRAME.assign(rain=FRAME["rain"].where(FRAME["year"] != 2015, FRAME["village"] * 37 % 11 - FRAME["rain"]))
    one, other = (ek.GroupTime()(design(f, covariates=["rain"], comparison="never_treated")) for f in (FRAME, base_spoiled))
    assert effect(one, 2016, 2013) == pytest.approx(effect(other, 2016, 2013), rel=1e-10)
    assert effect(one, 2016, 2017) != pytest.approx(effect(other, 2016, 2017), rel=1e-6)


def test_a_propensity_shared_by_many_periods_is_the_one_fitted_for_each() -> None:
    ones = FRAME.assign(one=1.0)
    shared, own = ek.GroupTime()(design(covariates=["share"])), ek.GroupTime()(design(ones, "one", covariates=["share"]))
    np.testing.assert_allclose(shared.theta, own.theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shared.psi, own.psi, rtol=1e-6, atol=1e-8)


def test_in_a_cross_section_a_cell_is_a_difference_of_four_means() -> None:
    frame = households(rows=800)
    estimate = ek.GroupTime()(design(frame, None, None, comparison="never_treated"))
    mean = frame.groupby(["start", "year"])["y"].mean()
    expected = mean[2014, 2016] - mean[2014, 2013] - mean[0, 2016] + mean[0, 2013]
    assert effect(estimate, 2014, 2016) == pytest.approx(expected)


def test_shares_are_the_cohorts_parts_of_all_units() -> None:
    estimate = ek.GroupTime()(design()).select(kind="cohort_share")
    np.testing.assert_allclose(estimate.theta, [(START == 2014).mean(), (START == 2016).mean()])
    weighted = ek.GroupTime()(design(weight="households")).select(kind="cohort_share")
    w = FRAME.groupby("village")["households"].first()
    np.testing.assert_allclose(weighted.theta, [w[g == START].sum() / w.sum() for g in (2014, 2016)])


def test_cells_that_cannot_be_compared_are_left_out_and_named() -> None:
    gone = FRAME[~((FRAME["start"] == 2016) & (FRAME["year"] == 2013))]
    estimate = ek.GroupTime()(design(gone, unbalanced="pairwise"))
    assert [n.facts for n in estimate.notices if n.code == "CELLS_NOT_ESTIMATED"] == [{"cells": ["2016 in 2013"]}]
    assert (2016, 2013) not in set(zip(estimate.cells["cohort"], estimate.cells["period"], strict=True))


def test_the_last_cohort_is_the_comparison_where_nobody_is_never_treated() -> None:
    comparison = Comparison.of(design(villages(units=90, starts=(2014, 2015, 2017))))
    assert comparison.cohorts == (2014, 2015) and comparison.periods == (2012, 2013, 2014, 2015, 2016)
    earlier = Comparison.of(design(villages(units=90, starts=(2014, 2015, 2017)), anticipation=1))
    assert earlier.periods == (2012, 2013, 2014, 2015)


def test_units_treated_from_the_start_have_no_cell_and_are_no_comparison() -> None:
    frame = villages(units=120, starts=(0, 2012, 2015))
    with_them, without = (ek.GroupTime()(design(f)) for f in (frame, frame[frame["start"] != 2012]))
    effects = [e.select(kind="group_time") for e in (with_them, without)]
    np.testing.assert_allclose(effects[0].theta, effects[1].theta)


def test_pairwise_uses_every_unit_seen_in_both_periods_of_a_cell() -> None:
    frame = with_gaps(FRAME)
    wide = frame.pivot(index="village", columns="year", values="y")
    change = (wide[2015] - wide[2013]).dropna()
    start = START[change.index]
    estimate = ek.GroupTime()(design(frame, unbalanced="pairwise", comparison="never_treated"))
    assert effect(estimate, 2014, 2015) == pytest.approx(change[start == 2014].mean() - change[start == 0].mean())


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (FRAME.assign(told=(FRAME["start"] == 2014) * 1.0), {"covariates": ["told"]}, "apart perfectly.*method='reg'"),
        (FRAME.assign(twice=2 * FRAME["share"]), {"covariates": ["share", "twice"]}, "share, twice are collinear"),
        (villages(units=60, starts=(0, 2012)), {}, "None of the 30 treated units is seen before treatment"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused_with_the_cure(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        ek.GroupTime()(design(frame, **choices))


def test_an_unknown_method_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ek.DesignError, match="Did you mean 'reg'"):
        ek.GroupTime("regr")


def test_influence_by_observation_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="compares whole units"):
        ek.GroupTime()(design(rows="observation"))


def test_a_covariate_with_a_heavy_tail_is_no_perfect_separation() -> None:
    """Comparison villages far out in the tail have a propensity of nearly zero, which is no lack of overlap."""
    frame = ek.example_frame(units=120, cohorts=1)
    wealth = np.random.default_rng(3).pareto(1.2, 120) * 5
    frame["wealth"] = np.repeat(np.where(np.arange(120) % 2 == 0, wealth * 20, wealth), 8)
    panel = ek.Panel(frame, unit="village_id", period="year")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income", covariates=["wealth"])
    assert np.isfinite(ek.GroupTime()(design).theta).all()


def test_a_covariate_that_tells_the_treated_apart_is_refused() -> None:
    frame = ek.example_frame(units=60, cohorts=1)
    frame["mark"] = (frame["first_treated"] > 0) + np.random.default_rng(1).uniform(0, 0.1, 60).repeat(8)
    panel = ek.Panel(frame, unit="village_id", period="year")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income", covariates=["mark"])
    with pytest.raises(ek.DesignError, match="apart perfectly"):
        ek.GroupTime()(design)
