"""Regression discontinuity at a line: what must not move it, what a pencil gives, and what it refuses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.cutoffs import density_test
from evalkit.discontinuity import Discontinuity, Manipulated
from evalkit.discontinuity_checks import bandwidth_sensitivity, covariate_continuity, donut_sensitivity, placebo_cutoffs
from evalkit.errors import DesignError, PanelError
from evalkit.kernels import local_polynomial as local
from evalkit.kernels.density import Distribution
from evalkit.words import catalogue

LINE = 2736.0
FIXED: dict[str, Any] = {"bandwidth": 600.0, "bias_bandwidth": 800.0}


def households(n: int = 2000, seed: int = 5, effect: float = 0.15, moved: float = 0.0) -> pd.DataFrame:
    """Return households around a poverty line; those below are helped, and a share ``moved`` of those just above slips below."""
    draw = np.random.default_rng(seed)
    income = 2736 + draw.normal(100, 900, n)
    just_above = (income >= LINE) & (income < LINE + 150) & (draw.random(n) < moved)
    income = np.where(just_above, LINE - (income - LINE), income)
    below = income < LINE
    county = draw.integers(0, 40, n)
    size = 4 + draw.normal(size=n)
    take_up = (draw.random(n) < np.where(below, 0.8, 0.1)).astype(float)
    base = 8 + (income - LINE) / 6000 + 0.02 * size + draw.normal(0, 0.05, 40)[county] + draw.normal(0, 0.25, n)
    columns = {"household": np.arange(n), "county": county, "income": income, "size": size, "take_up": take_up}
    columns |= {"gain": base + effect * below, "gain_if_taken": base + effect * take_up, "weight": 1 + county % 3}
    return pd.DataFrame(columns)


def line(**choices: Any) -> Discontinuity:
    said: dict[str, Any] = {"score": "income", "cutoff": LINE, "outcome": "gain", "treated": "below", "other_policies": []}
    return Discontinuity(**said | choices)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return households()


@pytest.fixture(scope="module")
def estimate(frame: pd.DataFrame) -> ek.Estimate:
    return line()(frame)


# Invariance


def test_adding_to_the_outcome_of_the_treated_raises_the_effect_by_as_much_and_leaves_its_error_alone(
    frame: pd.DataFrame, estimate: ek.Estimate
) -> None:
    more = line()(frame.assign(gain=frame["gain"] + 0.7 * (frame["income"] < LINE)))
    np.testing.assert_allclose(more.theta, estimate.theta + 0.7, rtol=1e-8)
    np.testing.assert_allclose(more.psi, estimate.psi, atol=1e-7)


def test_a_slope_or_a_constant_of_the_score_moves_nothing(frame: pd.DataFrame) -> None:
    plain = line(residuals="hc0", **FIXED)(frame)
    tilted = line(residuals="hc0", **FIXED)(frame.assign(gain=frame["gain"] + 3 + 0.001 * frame["income"]))
    np.testing.assert_allclose(tilted.theta, plain.theta, atol=1e-9)
    np.testing.assert_allclose(tilted.psi, plain.psi, atol=1e-8)


def test_multiplying_the_outcome_multiplies_the_effect_and_its_error(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    tenfold = line()(frame.assign(gain=10 * frame["gain"]))
    np.testing.assert_allclose(tenfold.theta, 10 * estimate.theta, rtol=1e-8)
    np.testing.assert_allclose(tenfold.psi, 10 * estimate.psi, rtol=1e-6, atol=1e-9)


def test_income_in_units_of_ten_thousand_yuan_gives_the_same_effect(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    small = line(cutoff=LINE / 1e4)(frame.assign(income=frame["income"] / 1e4))
    np.testing.assert_allclose(small.theta, estimate.theta, rtol=1e-8)


def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    order = np.random.default_rng(1).permutation(len(frame))
    shuffled = line()(frame.iloc[order])
    np.testing.assert_allclose(shuffled.theta, estimate.theta, rtol=1e-9)
    np.testing.assert_allclose(shuffled.psi, estimate.psi[order], atol=1e-9)


def test_cloning_every_household_and_clustering_on_the_original_leaves_effect_and_error_alone(frame: pd.DataFrame) -> None:
    how = line(residuals="hc0", clusters=["household"], **FIXED)
    once, twice = (how.fitted(how.sample(data)).estimate for data in (frame, pd.concat([frame, frame], ignore_index=True)))
    np.testing.assert_allclose(twice.theta, once.theta, rtol=1e-10)
    errors = [ek.covariance(told, "household").std_error for told in (once, twice)]
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-10)


def test_calling_the_other_side_treated_turns_the_sign(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    other = line(treated="above")(frame)
    np.testing.assert_allclose(other.theta, -estimate.theta)
    np.testing.assert_allclose(other.psi, -estimate.psi)


@pytest.mark.parametrize("derivative", [0, 1])
def test_without_anybody_at_the_line_it_does_not_matter_to_whom_the_line_belongs(frame: pd.DataFrame, derivative: int) -> None:
    designs = [line(order=2, derivative=derivative, cutoff_belongs=side) for side in ("above", "below")]
    above, below = (how.fitted(how.sample(frame)) for how in designs)
    np.testing.assert_allclose(below.estimate.theta, above.estimate.theta, rtol=1e-8)
    np.testing.assert_allclose(below.estimate.psi, above.estimate.psi, atol=1e-7 * np.abs(above.estimate.psi).max())
    np.testing.assert_allclose([below.h, below.b], [above.h, above.b], rtol=1e-8)
    assert below.within == above.within


def test_who_stands_exactly_at_the_line_belongs_to_the_side_that_is_said() -> None:
    score = np.r_[np.linspace(-40, -1, 40), np.zeros(30), np.linspace(1, 40, 40)]
    data = pd.DataFrame({"income": score, "gain": 1.0 * (score <= 0)})
    at_or_below = line(cutoff=0.0, bandwidth=30.0, cutoff_belongs="below")
    told = at_or_below.fitted(at_or_below.sample(data))
    assert told.within == (59, 29)
    np.testing.assert_allclose(told.estimate.theta, 1)
    below = line(cutoff=0.0, bandwidth=30.0)
    assert below.fitted(below.sample(data)).within == (29, 59)


def test_rows_beyond_the_bandwidths_have_no_influence(frame: pd.DataFrame) -> None:
    told = line(**FIXED)(frame)
    distance = np.abs(frame["income"].to_numpy() - LINE)
    assert (told.psi[distance > 600, 0] == 0).all() and (told.psi[distance > 800, 1] == 0).all()
    assert (told.psi[distance < 600, 0] != 0).all() and (told.psi[distance < 800, 1] != 0).all()


def test_influence_is_what_leaving_a_household_out_changes() -> None:
    data = households(400)
    how = line(residuals="hc0", **FIXED)
    whole = how.fitted(how.sample(data)).estimate
    some = np.flatnonzero(whole.psi[:, 1])[:60]
    left_out = [how.fitted(how.sample(data.drop(index=i))).estimate.theta for i in some]
    jackknife = (len(data) - 1) * (whole.theta - np.array(left_out))
    for column in (0, 1):
        assert np.corrcoef(jackknife[:, column], whole.psi[some, column])[0, 1] > 0.99


def test_a_county_on_both_sides_of_the_line_counts_once(frame: pd.DataFrame) -> None:
    told = line(clusters=["county"])(frame)
    sums = pd.DataFrame(told.psi).groupby(frame["county"].to_numpy()).sum().to_numpy() / len(frame)
    expected = np.sqrt((sums**2).sum(axis=0) * 40 / 39)
    np.testing.assert_allclose(ek.infer(told, cluster="county", correction="clusters")["std_error"], expected)


def test_weights_of_two_are_two_households(frame: pd.DataFrame) -> None:
    how = line(residuals="hc0", weight="weight", **FIXED)
    weighted = how.fitted(how.sample(frame)).estimate
    repeated = frame.loc[frame.index.repeat(frame["weight"])]
    plain = line(residuals="hc0", **FIXED)
    np.testing.assert_allclose(plain.fitted(plain.sample(repeated)).estimate.theta, weighted.theta, rtol=1e-9)


# Hand arithmetic


def test_straight_lines_through_four_points() -> None:
    left = local.Side(np.array([-2.0, -1.0]), np.array([[0.0], [1.0]]))
    right = local.Side(np.array([1.0, 2.0]), np.array([[5.0], [6.0]]))
    for side, level in ((left, 2.0), (right, 4.0)):
        fit = local.polynomial(side, 0.0, 3.0, 1, "triangular")
        assert np.isclose(fit.weights(0) @ side.D[:, 0], level) and np.isclose(fit.weights(1) @ side.D[:, 0], 1.0)


def test_a_parabola_biases_the_line_and_the_correction_takes_it_out() -> None:
    x = np.linspace(0.1, 1, 10)
    left, right = local.Side(-x[::-1], (x[::-1] ** 2)[:, None]), local.Side(x, 3 + 2 * (x**2)[:, None])
    told = local.jump(left, right, local.Specification(0.0), (1.5, 1.5), (1.5, 1.5))
    assert abs(told.conventional - 3) > 0.01
    assert np.isclose(told.bias_corrected, 3, atol=1e-12)


def test_residuals_from_the_nearest_rows() -> None:
    # 0 has the neighbour 1; 1 lies as near to 0 as to 2, so both; 2 has 1; the two at 5 have each other.
    x, y = np.array([0.0, 1.0, 2.0, 5.0, 5.0]), np.array([[1.0], [4.0], [9.0], [2.0], [6.0]])
    half, two = np.sqrt(1 / 2), np.sqrt(2 / 3)
    expected = [half * (1 - 4), two * (4 - 5), half * (9 - 4), half * (2 - 6), half * (6 - 2)]
    np.testing.assert_allclose(local.nearest_residuals(x, y, matches=1)[:, 0], expected, atol=1e-12)


def test_factors_of_the_residuals() -> None:
    # Three rows at u = -1/2, 0, 1/2 with equal weights: a constant leaves 2/3 of each, n / (n - 1) = 3/2, leverage 1/3.
    side = local.Side(np.array([-0.5, 0.0, 0.5]), np.array([[3.0], [0.0], [0.0]]))
    fit = local.polynomial(side, 0.0, 1.0, 0, "uniform")
    for kind, factor in (("hc0", 1), ("hc1", np.sqrt(3 / 2)), ("hc2", np.sqrt(3 / 2)), ("hc3", 3 / 2)):
        np.testing.assert_allclose(local.residuals(side, fit, kind)[:, 0], factor * np.array([2.0, -1.0, -1.0]), atol=1e-12)


def test_the_density_of_evenly_spread_scores_is_one_over_their_range() -> None:
    x = np.linspace(-1, 1, 202)  # 201 steps of 2/201: 1/2 a unit up to what the row itself takes away
    fit = Distribution(x).fit((0.6, 0.6), 2)
    np.testing.assert_allclose(fit.value, 0.5, rtol=1e-10)


def test_the_density_counts_rows_of_one_score_together() -> None:
    assert Distribution(np.array([-1.0, -1.0, 0.0, 2.0])).F.tolist() == [1 / 3, 1 / 3, 2 / 3, 1]
    assert Distribution(np.array([-1.0, -1.0, 0.0, 2.0]), ties=False).F.tolist() == [0, 1 / 3, 2 / 3, 1]


def test_a_kink_is_a_change_of_slope() -> None:
    score = np.linspace(-500, 500, 400)
    data = pd.DataFrame({"income": score, "gain": np.where(score < 0, 0.002 * score, 0.005 * score) + 0.1 * np.sin(99 * score)})
    told = line(cutoff=0.0, order=2, derivative=1, bandwidth=400.0, treated="above")(data)
    np.testing.assert_allclose(told.theta, 0.003, atol=0.001)


# Planted worlds


def covered(seeds: range) -> tuple[float, float]:
    """Return how often the robust interval holds the planted effect, and how often the density test rejects."""
    hits, rejections = [], []
    for seed in seeds:
        data = households(900, seed)
        rejections.append(density_test(data, "income", LINE).p_value < 0.05)
        how = line()
        told = ek.infer(how.fitted(how.sample(data)).estimate.select(name="bias_corrected")).iloc[0]
        hits.append(told["conf_low"] < 0.15 < told["conf_high"])
    return float(np.mean(hits)), float(np.mean(rejections))


def test_a_planted_jump_is_found(estimate: ek.Estimate) -> None:
    told = ek.infer(estimate).set_index("name").loc["bias_corrected"]
    assert told["conf_low"] < 0.15 < told["conf_high"] and told["p_value"] < 0.05


def test_intervals_hold_the_truth_and_clean_scores_pass() -> None:
    held, rejected = covered(range(40))
    assert held > 0.85 and rejected < 0.15


@pytest.mark.simulation
def test_intervals_hold_the_truth_nineteen_times_in_twenty_and_the_density_test_errs_once() -> None:
    held, rejected = covered(range(1000, 1600))
    assert 0.92 < held < 0.975 and 0.03 < rejected < 0.075


def test_planted_manipulation_is_refused_with_its_numbers() -> None:
    with pytest.raises(Manipulated, match=r"density of 'income' jumps at 2736.*p = .*donut is no cure.*What would help") as refused:
        line()(households(moved=0.8))
    assert refused.value.test.p_value < 0.05
    left, right = refused.value.test.table["density"].iloc[:2]
    assert left > right
    for check in (bandwidth_sensitivity, donut_sensitivity, placebo_cutoffs):
        with pytest.raises(Manipulated):
            check(line(), households(moved=0.8), [1.0])


def test_a_refusal_says_that_rounding_alone_may_be_behind_it() -> None:
    data = households(moved=0.8)
    heaped = data.assign(income=data["income"].where(data.index >= 300, data["income"].round(-3)))
    with pytest.raises(Manipulated, match=r"Scores heap on 3,000 \(.*alone can bring this about"):
        line()(heaped)
    with pytest.raises(Manipulated) as plain:
        line()(data)
    assert "heap" not in str(plain.value)


def test_there_is_no_way_around_the_density_test() -> None:
    with pytest.raises(TypeError):
        line(despite_manipulation=True)
    with pytest.raises(Manipulated):
        line(donut=100.0)(households(moved=0.8))


def test_take_up_gives_the_effect_of_taking_up(frame: pd.DataFrame) -> None:
    told = line(outcome="gain_if_taken", take_up="take_up")(frame)
    assert list(told.cells["kind"]) == ["discontinuity"] * 2 + ["first_stage"] * 2
    table = ek.infer(told)
    assert table["conf_low"][1] < 0.15 < table["conf_high"][1]
    assert 0.55 < table["estimate"][3] < 0.85
    # A ratio: the jump of the outcome over that of take-up, at the same bandwidths.
    how = line(outcome="gain_if_taken", take_up="take_up", **FIXED)(frame)
    reduced = line(outcome="gain_if_taken", **FIXED)(frame)
    assert np.isclose(how.theta[0], reduced.theta[0] / how.theta[2])


def test_full_take_up_gives_the_sharp_effect(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    told = line(take_up="helped")(frame.assign(helped=1.0 * (frame["income"] < LINE)))
    np.testing.assert_allclose(told.theta[:2], estimate.theta, rtol=1e-9)
    np.testing.assert_allclose(told.psi[:, :2], estimate.psi, atol=1e-8)
    assert "TAKE_UP_CONSTANT_ON_A_SIDE" in {notice.code for notice in told.notices}


# Tables


def test_characteristics_settled_before_do_not_jump(frame: pd.DataFrame) -> None:
    data = frame.assign(helped=1.0 * (frame["income"] < LINE))
    table = covariate_continuity(line(covariates=["size"]), data, ["size", "helped"]).table.set_index("covariate")
    assert table.loc["size", "p_value"] > 0.05 and np.isclose(table.loc["helped", "estimate"], 1)
    assert covariate_continuity(line(other_policies=None), households(moved=0.8), ["size"]).table["refusal"].eq("").all()


def test_placebo_cutoffs_do_not_see_the_true_jump() -> None:
    data = households(4000, effect=2.0)
    table = placebo_cutoffs(line(bandwidth=400.0), data, [LINE - 250, LINE + 250, 9e5]).table
    assert (table["p_value"].iloc[:2] > 0.01).all() and (table["estimate"].iloc[:2].abs() < 0.3).all()
    assert "20 are needed" in table["refusal"][2] and np.isnan(table["estimate"][2])


def test_bandwidths_halved_and_doubled(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    table = bandwidth_sensitivity(line(), frame).table
    assert table["factor"].tolist() == [0.5, 1.0, 2.0]
    np.testing.assert_allclose(table["bandwidth_left"] / table["bandwidth_left"][1], [0.5, 1, 2])
    np.testing.assert_allclose(table["estimate"][1], estimate.theta[1])
    np.testing.assert_allclose(table["std_error"][1], ek.covariance(estimate).std_error[1])
    assert table["rows_left"].is_monotonic_increasing


def test_a_donut_leaves_out_the_nearest_and_counts_them(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    table = donut_sensitivity(line(), frame, [0.0, 50.0, 1e5]).table
    np.testing.assert_allclose(table["estimate"][0], estimate.theta[1])
    assert table["refusal"][2] != "" and table["refusal"][1] == ""
    told = line(donut=50.0, bandwidth=500.0)(frame)
    near = np.abs(frame["income"].to_numpy() - LINE) < 50
    remark = next(notice for notice in told.notices if notice.code == "DONUT")
    assert remark.facts["rows"] == near.sum() > 0 and (told.psi[near] == 0).all()


# Panels


def years(frame: pd.DataFrame) -> ek.Panel:
    before = frame.assign(year=2013, gain=8.0)
    after = frame.assign(year=2016, income=frame["income"] + 500 + 300 * np.sin(np.arange(len(frame))))
    return ek.Panel(pd.concat([after, before]), "household", "year", ["county"])


def test_a_panel_uses_one_period_and_the_score_of_the_year_that_decided(frame: pd.DataFrame, estimate: ek.Estimate) -> None:
    told = line(period=2016, score_period=2013)(years(frame))
    np.testing.assert_allclose(told.theta, estimate.theta)
    assert list(told.rows) == ["household", "county"] and len(told.rows) == len(frame)
    assert ek.infer(told, cluster="county")["clusters"].eq(40).all()


def test_a_score_that_varies_needs_its_year(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match=r"varies over time in 2,000 units: 0 \(2016\).*score_period=.*2013, 2016"):
        line(period=2016)(years(frame))
    with pytest.raises(DesignError, match=r"has 2 periods.*period="):
        line(score_period=2013)(years(frame))
    with pytest.raises(DesignError, match="There is no period '2014'"):
        line(period=2014)(years(frame))
    with pytest.raises(DesignError, match="There is no period '2010'"):
        line(period=2016, score_period=2010)(years(frame))


# What is told


def test_rows_with_missing_outcomes_are_counted(frame: pd.DataFrame) -> None:
    told = line()(frame.assign(gain=frame["gain"].where(frame.index > 9)))
    assert told.notices[0] == ek.Notice("MISSING_ROWS", {"rows": 10, "columns": {"gain": 10}})
    assert len(told.rows) == len(frame) - 10


def test_rounded_incomes_are_told(frame: pd.DataFrame) -> None:
    rounded = frame.assign(income=frame["income"].round(-2))
    remark = line(cutoff=2700.0)(rounded).notices[0]
    assert remark.code == "SCORE_HEAPED" and remark.facts["distinct"] == rounded["income"].nunique()
    assert "SCORE_HEAPED" not in {notice.code for notice in line()(frame).notices}
    one_value = frame.assign(income=frame["income"].where(frame.index >= 40, 3000.0))
    assert line()(one_value).notices[0].facts["most"] == ["3,000 (40)"]


def test_other_policies_must_be_asked_for_and_name_the_bundle(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match=r"Say what else happens at income = 2736: other_policies=\[\]"):
        line(other_policies=None)(frame)
    told = line(other_policies=["relocation", "roads"])(frame)
    remark = next(notice for notice in told.notices if notice.code == "OTHER_POLICIES_AT_CUTOFF")
    assert remark.facts["policies"] == ["relocation", "roads"]


def test_a_weak_jump_of_take_up_is_told(frame: pd.DataFrame) -> None:
    draw = np.random.default_rng(3)
    hardly = frame.assign(take_up=(draw.random(len(frame)) < np.where(frame["income"] < LINE, 0.45, 0.35)).astype(float))
    assert "WEAK_FIRST_STAGE" in {notice.code for notice in line(take_up="take_up")(hardly).notices}
    assert "WEAK_FIRST_STAGE" not in {notice.code for notice in line(take_up="take_up")(frame).notices}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_remark_has_a_sentence(frame: pd.DataFrame, lang: str) -> None:
    draw = np.random.default_rng(3)
    data = frame.assign(
        income=frame["income"].round(-1), take_up=(draw.random(len(frame)) < 0.1 + 0.1 * (frame["income"] < LINE)) * 1.0
    )
    told = line(take_up="take_up", donut=20.0, other_policies=["roads"])(data).notices
    panel = years(frame).frame
    told += line(period=2016, score_period=2013)(
        ek.Panel(panel[(panel["year"] == 2013) | (panel["household"] > 5)], "household", "year")
    ).notices
    told += line(take_up="helped")(frame.assign(helped=1.0 * (frame["income"] < LINE))).notices
    codes = {
        "DISCONTINUITY_WINDOW",
        "DONUT",
        "OTHER_POLICIES_AT_CUTOFF",
        "SCORE_HEAPED",
        "WEAK_FIRST_STAGE",
        "TAKE_UP_CONSTANT_ON_A_SIDE",
        "SCORED_UNITS_NOT_SEEN",
    }
    assert {notice.code for notice in told} == codes
    for notice in told:
        assert "{" not in catalogue(lang).say(f"estimator_notice.{notice.code}", **notice.facts)


# Refusals


def change(**columns: Any) -> Any:
    return lambda frame: frame.assign(**{name: value(frame) if callable(value) else value for name, value in columns.items()})


@pytest.mark.parametrize(
    ("choices", "data", "message"),
    [
        ({}, change(income=lambda f: f["income"].where(f.index > 2)), r"missing in 3 of 2,000 units \(row numbers 0, 1, 2\)"),
        ({}, change(income=100.0), "is 100 in every row: it decides nothing"),
        ({"cutoff": 1e6}, change(), "lie on one side of the cutoff 1e\\+06: they run from"),
        ({}, change(income=lambda f: f["income"] / 1e4), "lie on one side.*its unit"),
        ({"cutoff": float("nan")}, change(), "The cutoff is a number"),
        ({"bandwidth": 5.0}, change(), "4 and 8 complete rows lie on the two sides of 2736 within the bandwidth.*20 are needed"),
        ({"covariates": ["size", "twice"]}, change(twice=lambda f: 2 * f["size"]), "one follows from the others"),
        ({"covariates": ["size"]}, change(size=4.0), "constant near the cutoff"),
        ({"take_up": "take_up", "treated": "above"}, change(), "does not rise on the side called treated"),
        ({"weight": "weight"}, change(weight=0.0), "missing or not positive in 2,000 rows"),
        ({"period": 2016}, change(), "A frame has one row a unit and no periods"),
        ({"score_period": 2013}, change(), "not followed over time"),
        ({"donut": 1e6}, change(), "Only 0 and 0 complete rows farther than 1e\\+06 from the line"),
        ({"take_up": "none"}, change(none=0.0), "'none' does not change at 2736, so that there is no effect of taking up"),
        ({"take_up": "all", "bandwidth": 600.0}, change(all=1.0), "'all' does not change at 2736"),
        ({}, change(gain=1e6 + 0.1), "'gain' is 1e\\+06 in all .* rows within the bandwidth: it cannot jump"),
        ({"cluster": "side"}, change(side=lambda f: f["income"] < LINE), "one 'side' only.*finer cluster"),
        ({"cluster": "county"}, change(county=lambda f: f["county"].where(f.index > 2)), r"Cluster 'county' is missing in 3 rows \(row numbers 0, 1, 2\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_data_is_said(frame: pd.DataFrame, choices: dict[str, Any], data: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        line(**choices)(data(frame))


def test_text_and_infinite_scores_are_refused_as_in_any_panel(frame: pd.DataFrame) -> None:
    with pytest.raises(PanelError, match="not numbers"):
        line()(frame.assign(income="poor"))
    with pytest.raises(PanelError, match="infinite"):
        line()(frame.assign(income=frame["income"].where(frame.index > 2, np.inf)))


def test_few_units_and_few_values_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="20 are needed on each"):
        line()(households(30))
    classes = frame.assign(income=LINE + 500 * np.sign(frame["income"] - LINE) * (1 + frame.index % 3))
    with pytest.raises(DesignError, match=r"too few distinct values near 2736 \(3 below and 3 above"):
        line()(classes)
    how = line()
    with pytest.raises(DesignError, match="too few distinct values on a side"):
        how.fitted(how.sample(classes))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"treated": "left"}, "There is no side treated 'left'"),
        ({"kernel": "gaussian"}, "There is no kernel 'gaussian'.*triangular"),
        ({"residuals": "hc9"}, "There is no kind of residuals 'hc9'"),
        ({"bandwidth": "mse"}, "There is no bandwidth 'mse'.*mserd"),
        ({"mass_points": "drop"}, "There is no treatment of mass points"),
        ({"cutoff_belongs": "nobody"}, "There is no side of the cutoff"),
        ({"order": 3}, "order is 1 or 2"),
        ({"bandwidth": -1.0}, "Bandwidths are positive"),
        ({"bandwidth": (1.0, 2.0, 3.0)}, "a number, or"),
        ({"donut": -1.0}, "a donut is not negative"),
        ({"bias_bandwidth": 5.0}, "a selector chooses both"),
        ({"covariates": "size"}, "are lists"),
        ({"covariates": ["size", "gain"]}, "gain cannot be explained by itself"),
        ({"cutoff": "2736"}, "The cutoff of 'income' is a number, not '2736'"),
        ({"donut": None}, "A donut is a number, not None"),
        ({"bandwidth": ("a", "b")}, "a number, or"),
        ({"other_policies": "roads"}, "are lists"),
    ],
)  # fmt: skip
def test_unknown_choices_are_named_beside_the_allowed_ones(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        line(**choices)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kernel": "gaussian"}, "There is no kernel"),
        ({"variance": "bootstrap"}, "There is no variance"),
        ({"bandwidth": "mserd"}, "There is no bandwidth 'mserd'.*comb"),
        ({"mass_points": "check"}, "There is no treatment of mass points"),
        ({"variance": "plugin", "restricted": True}, "plug-in variance is that of unrestricted"),
        ({"order": 7}, "order is 1, 2 or 3"),
        ({"bandwidth": (0.0, 5.0)}, "Bandwidths are positive"),
    ],
)
def test_the_density_test_refuses_what_it_does_not_know(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        density_test(frame, "income", LINE, **choices)


def test_numbers_may_come_from_numpy(frame: pd.DataFrame) -> None:
    plain = line(bandwidth=(500.0, 600.0), order=1)(frame)
    same = line(bandwidth=np.array([500, 600]), order=1.0, cutoff=np.int64(LINE), donut=np.float32(0))(frame)
    assert same.theta.tolist() == plain.theta.tolist() and same.psi.tobytes() == plain.psi.tobytes()


def test_a_refusal_for_manipulation_counts_in_steps_of_the_scores_own_unit() -> None:
    """In yuan and in 10,000 yuan the shares of rows near the line are the same, and shares of something."""
    moved = households(6000, moved=0.8)
    said = []
    for unit, step in ((1, "within 100 of the score"), (10_000, "within 0.01 of the score")):
        with pytest.raises(Manipulated, match=step) as refused:
            line(cutoff=LINE / unit)(moved.assign(income=moved["income"] / unit))
        said.append(re.findall(r"[\d.]+%", str(refused.value)))
    assert said[0] == said[1] and len(said[0]) == 2
    assert all(float(share.rstrip("%")) < 20 for share in said[0])


def test_a_score_missing_in_a_panel_is_said_by_unit_and_units_that_left_are_counted(frame: pd.DataFrame) -> None:
    both = years(frame).frame
    first, last = both["year"].min(), both["year"].max()
    name = str(years(frame).unit)
    low = both[name].min()
    unscored = both[~((both["year"] == first) & (both[name] == low))]
    how = line(period=last, score_period=first)
    with pytest.raises(DesignError, match=rf"missing in 1 of 2,000 units \({low}\)"):
        how(ek.Panel(unscored, name, "year"))
    left = both[~((both["year"] == last) & (both[name] < low + 7))]
    (notice,) = [n for n in how(ek.Panel(left, name, "year")).notices if n.code == "SCORED_UNITS_NOT_SEEN"]
    assert notice.facts == {"units": 7, "of": 2000, "period": last}


def test_the_strength_of_the_first_stage_is_that_of_clusters_where_they_are_said(frame: pd.DataFrame) -> None:
    """Cloning every household twenty times adds rows and no evidence: clustered on the household a weak jump stays weak."""
    weak = frame.assign(
        take_up=(np.random.default_rng(0).random(len(frame)) < np.where(frame["income"] < LINE, 0.35, 0.2)).astype(float)
    )
    cloned = pd.concat([weak] * 20)
    fixed: dict[str, Any] = {"bandwidth": 300.0, "take_up": "take_up", "residuals": "hc0"}
    codes = [{n.code for n in line(**fixed, cluster=cluster)(cloned).notices} for cluster in (None, "household")]
    assert "WEAK_FIRST_STAGE" not in codes[0] and "WEAK_FIRST_STAGE" in codes[1]


def test_what_is_constant_does_not_pass_for_a_jump(frame: pd.DataFrame) -> None:
    table = covariate_continuity(line(), frame.assign(village=1.0), ["village"]).table
    assert table["p_value"].isna().all() and "cannot jump" in table["refusal"][0]


@pytest.mark.parametrize(
    "call", [lambda f: placebo_cutoffs(line(), f, []), lambda f: placebo_cutoffs(line(), f, 2000),
             lambda f: placebo_cutoffs(line(), f, [2000, np.nan]), lambda f: bandwidth_sensitivity(line(), f, ()),
             lambda f: donut_sensitivity(line(), f, [])],
)  # fmt: skip
def test_a_table_needs_numbers_to_be_about(frame: pd.DataFrame, call: Any) -> None:
    with pytest.raises(DesignError, match="Name one number or more in a list"):
        call(frame)
    with pytest.raises(DesignError, match="positive factors, not by 0"):
        bandwidth_sensitivity(line(), frame, (0, 1))


def test_residuals_are_not_blown_up_where_there_are_none(frame: pd.DataFrame) -> None:
    heavy = frame.assign(weight=np.where(frame.index == frame["income"].sub(LINE).abs().idxmin(), 1e15, 1.0))
    with pytest.raises(DesignError, match="too few distinct values"):
        line(weight="weight", residuals="hc3", bandwidth=300.0)(heavy)


def test_the_density_test_has_no_plug_in_variance_where_no_rows_are() -> None:
    """Scores end 3 below the line and begin 5 above it: the left density, drawn out to the line, is negative."""
    draw = np.random.default_rng(1)
    apart = pd.DataFrame({"income": np.r_[5 + draw.exponential(1, 3000), -draw.uniform(0, 1, 25) - 3]})
    assert density_test(apart, "income", 0.0, bandwidth=8.0).table["density"].min() < 0
    with pytest.raises(DesignError, match="nought or less on a side of 0, which has no plug-in variance"):
        density_test(apart, "income", 0.0, variance="plugin", bandwidth=8.0)


def test_tables_refuse_what_means_nothing(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="is the cutoff itself"):
        placebo_cutoffs(line(), frame, [2000.0, LINE])
    with pytest.raises(DesignError, match="Name the characteristics"):
        covariate_continuity(line(), frame, [])


def test_a_panel_declares_its_own_clusters(frame: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="declares its own clusters"):
        line(clusters=["county"], period=2016, score_period=2013)(years(frame))
    with pytest.raises(DesignError, match="not from list"):
        line()([1, 2])  # type: ignore[arg-type]


def test_the_density_test_looks_the_same_from_either_side(frame: pd.DataFrame) -> None:
    above, below = (
        density_test(frame, "income", LINE, cutoff_belongs=side, bandwidth=(500.0, 700.0)) for side in ("above", "below")
    )
    pd.testing.assert_frame_equal(above.table, below.table)
    assert above.table["bandwidth"].tolist()[:2] == [500.0, 700.0]
    assert np.isclose(above.statistic, below.statistic)
