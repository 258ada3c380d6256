"""Honest bounds: what moves them, what does not, where they reach zero, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linprog, minimize

import evalkit as ek
from evalkit.errors import EstimateError
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.fixed_length import folded_normal_quantile, of_drift, of_smoothness
from evalkit.inference.honest import LINEAR, METHODS, Problem, breakdown, honest
from evalkit.inference.moment_inequalities import DRAWS, FEW_RAYS, SEED, confidence_set, extreme_rays, moments, truncated_p_value
from evalkit.inference.restrictions import RESTRICTIONS, restrictions
from evalkit.words import catalogue

Array = np.ndarray[Any, Any]

BETA = np.array([0.010, -0.015, 0.004, 0.090, 0.110, 0.120])  # three leads, then 0, 1, 2
SIGMA = 0.0001 * (np.eye(6) + 0.5)


def event_study(
    beta: Sequence[float] | Array = BETA,
    sigma: Array = SIGMA,
    times: Sequence[float] = (-4, -3, -2, 0, 1, 2),
    base: float = -1,
    rows: int = 60,
    units: Sequence[float] | None = None,
) -> Estimate:
    """Return a path with this covariance exactly."""
    k = len(beta)
    orthonormal = np.linalg.qr(np.random.default_rng(0).normal(size=(rows, k)))[0]
    psi = rows * orthonormal @ np.linalg.cholesky(np.asarray(sigma)).T
    order = np.argsort([*times, base], kind="stable")
    cells = cell_frame("event_time", k + 1, event_time=np.array([*times, base])[order], reference=order == k)
    counts = np.full(k, 10.0) if units is None else np.asarray(units, float)
    cells["units"] = cells["noisy_units"] = np.r_[counts, 10.0][order]
    frame = pd.DataFrame({"unit": np.arange(rows), "county": np.arange(rows) // 12})
    return Estimate(np.r_[beta, 0.0][order], np.c_[psi, np.zeros(rows)][:, order], cells, frame, Facts(rows))


def ends(bounds: Any) -> Array:
    return np.asarray(bounds.table[["conf_low", "conf_high"]].to_numpy())


CASES = [(name, method) for name in RESTRICTIONS for method in METHODS if "fixed" not in method or name in LINEAR]


# What moves bounds, and what does not.


@pytest.mark.parametrize(("restriction", "method"), CASES)
def test_multiplying_the_outcome_multiplies_the_bounds(restriction: str, method: str) -> None:
    relative, c = restriction not in LINEAR, 137.0
    sizes = np.array([0.5, 1.0]) if relative else np.array([0.005, 0.02])
    one = honest(event_study(), restriction=restriction, method=method, sizes=sizes.tolist())
    many = honest(
        event_study(c * BETA, c**2 * SIGMA),
        restriction=restriction,
        method=method,
        sizes=(sizes if relative else c * sizes).tolist(),
    )
    np.testing.assert_allclose(ends(many), c * ends(one), rtol=1e-7)
    np.testing.assert_allclose(many.breakdown, one.breakdown * (1 if relative else c), rtol=1e-5)
    np.testing.assert_allclose(many.breakdown_drift, c * one.breakdown_drift, rtol=1e-5)


@pytest.mark.parametrize(("restriction", "method"), CASES)
def test_a_larger_effect_moves_the_bounds_along(restriction: str, method: str) -> None:
    sizes = [0.5, 1.0] if restriction not in LINEAR else [0.005, 0.02]
    shift = np.array([0, 0, 0, 0.02, 0.05, -0.01])
    here, there = (honest(event_study(b), restriction=restriction, method=method, sizes=sizes) for b in (BETA, BETA + shift))
    np.testing.assert_allclose(ends(there), ends(here) + 0.02, atol=1e-8)


@pytest.mark.parametrize(("restriction", "method"), CASES)
def test_turning_the_sign_of_the_outcome_turns_the_bounds(restriction: str, method: str) -> None:
    sizes = [0.5, 1.0] if restriction not in LINEAR else [0.005, 0.02]
    plus, minus = (honest(event_study(s * BETA), restriction=restriction, method=method, sizes=sizes) for s in (1, -1))
    # The least favourable critical value is simulated, so that its two sides agree up to its noise.
    tolerance = {"rtol": 0, "atol": 2e-4} if "least" in method else {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(ends(minus), -ends(plus)[:, ::-1], **tolerance)
    np.testing.assert_allclose(minus.breakdown, plus.breakdown, rtol=1e-2 if "least" in method else 1e-5)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    leads=st.integers(1, 3),
    after=st.integers(1, 3),
    seed=st.integers(0, 10**6),
    restriction=st.sampled_from(["relative", "smoothness", "drift"]),
    method=st.sampled_from(["hybrid least favourable", "conditional"]),
)
def test_a_larger_violation_never_narrows_the_bounds(leads: int, after: int, seed: int, restriction: str, method: str) -> None:
    generator = np.random.default_rng(seed)
    k = leads + after
    root = generator.normal(size=(3 * k, k))
    problem = Problem(
        generator.normal(size=k), root.T @ root / (3 * k), np.full(after, 1 / after), restriction, method=method
    ).standardised()
    found = [pair for size in (0.0, 0.5, 1.0, 2.0) if (pair := problem.interval(size)) is not None]
    for smaller, larger in pairwise(found):
        assert larger[0] <= smaller[0] + 1e-6 and larger[1] >= smaller[1] - 1e-6


def test_fixed_length_intervals_widen_with_the_violation_but_need_not_be_nested() -> None:
    table = honest(event_study(), restriction="smoothness", sizes=[0.0, 0.002, 0.01, 0.05]).table
    assert (np.diff(table["conf_high"] - table["conf_low"]) > 0).all()


def test_knowing_the_sign_helps_on_one_side() -> None:
    plain, positive = (
        honest(event_study(), restriction="drift", sizes=[0.02], method="hybrid least favourable", sign=s)
        for s in (None, "positive")
    )
    assert ends(positive)[0, 1] < ends(plain)[0, 1] - 0.01 and abs(ends(positive)[0, 0] - ends(plain)[0, 0]) < 0.003


def test_a_difference_that_can_only_hide_the_effect_never_undoes_it() -> None:
    bounds = honest(event_study(), restriction="drift", sign="negative", base_income=10_000)
    assert np.isinf(bounds.breakdown) and np.isinf(bounds.breakdown_yuan or 0)
    assert "HONEST_NEVER_ZERO" in {notice.code for notice in bounds.notices}


# By hand.


def test_a_drift_of_b_a_year_is_worth_b_then_two_b_then_three_b() -> None:
    bounds = honest(event_study(), restriction="drift", at=2, sizes=[0.0, 0.01, 0.5])
    error = np.sqrt(1.5e-4)
    for row, bias in zip(bounds.table.itertuples(), (0.0, 0.03, 1.5), strict=True):
        half = error * stats.foldnorm.ppf(0.95, bias / error)
        np.testing.assert_allclose([row.conf_low, row.conf_high], [0.12 - half, 0.12 + half], rtol=1e-8)
    # It reaches zero where 0.12 is a bias of 3 B and a one-sided margin away.
    np.testing.assert_allclose(bounds.breakdown, (0.12 - 1.6448536 * error) / 3, rtol=1e-5)


def test_the_mean_of_three_years_drifts_by_two_a_year() -> None:
    found = of_drift(SIGMA, np.full(3, 1 / 3), 0.01, 0.95)
    np.testing.assert_allclose(found.bias, 0.01 * (1 + 2 + 3) / 3)


def test_without_any_violation_parallel_trends_give_the_plain_interval() -> None:
    bounds = honest(event_study(), restriction="drift", sizes=[0.0])
    np.testing.assert_allclose(ends(bounds)[0], bounds.original, rtol=1e-10)
    half = 1.959963985 * np.sqrt(1e-4 * (0.5 + 1 / 3))
    np.testing.assert_allclose(bounds.original, [0.32 / 3 - half, 0.32 / 3 + half], rtol=1e-8)


def test_without_any_bend_the_leads_are_continued_in_a_straight_line() -> None:
    bounds = honest(event_study(), restriction="smoothness", at=0, sizes=[0.0])
    # The best straight line through the reference: generalised least squares of all effects but the one at 0 moved freely.
    X = np.c_[[-3, -2, -1, 1, 2, 3], np.r_[np.zeros((3, 3)), np.eye(3)]]
    inverse = np.linalg.inv(SIGMA)
    V = np.linalg.inv(X.T @ inverse @ X)
    tau, error = (V @ X.T @ inverse @ BETA)[1], np.sqrt(V[1, 1])
    np.testing.assert_allclose(ends(bounds)[0], [tau - 1.959963985 * error, tau + 1.959963985 * error], rtol=1e-7)


def test_one_lead_with_a_bend_is_the_effect_plus_that_lead() -> None:
    # delta_0 = -delta_(-2) + bend: the only estimator without bias from a line adds the lead, and is off by M at most.
    found = of_smoothness(np.diag([4.0, 9.0]), np.array([1.0]), 2.0, 0.95)
    np.testing.assert_allclose(found.weights, [1, 1])
    np.testing.assert_allclose([found.bias, found.deviation], [2, np.sqrt(13)])
    np.testing.assert_allclose(found.half_length, np.sqrt(13) * stats.foldnorm.ppf(0.95, 2 / np.sqrt(13)))


def test_with_one_lead_and_one_period_relative_bounds_are_those_of_two_moments() -> None:
    # |delta_0| <= |delta_(-2)| with a lead of 10 known almost exactly and an effect of 30 with error 1: from 20 to 40, one-sided.
    found = Problem(np.array([10.0, 30.0]), np.diag([1e-8, 1.0]), np.array([1.0]), "relative", method="conditional").interval(1.0)
    assert found is not None
    np.testing.assert_allclose(found, [20 - 1.6448536, 40 + 1.6448536], atol=1e-3)


def test_the_breakdown_is_where_bounds_first_reach_zero() -> None:
    assert breakdown(lambda size: size >= 0.3 or 0.01 < size < 0.011, 1.0) == pytest.approx(0.3)  # a sliver below the steps
    assert breakdown(lambda size: 0.2 <= size < 0.22 or size >= 0.25, 1.0) == pytest.approx(0.2, rel=1e-5)
    assert breakdown(lambda size: True, 1.0) == 0 and np.isinf(breakdown(lambda size: False, 1.0))


@pytest.mark.parametrize(("restriction", "method"), CASES)
def test_at_the_breakdown_an_end_is_zero(restriction: str, method: str) -> None:
    whole = honest(event_study(), restriction=restriction, method=method)
    sizes = [whole.breakdown * factor for factor in (0.99, 1.0, 1.01)]
    low = ends(honest(event_study(), restriction=restriction, method=method, sizes=sizes))[:, 0]
    assert low[0] > 0 > low[2] and abs(low[1]) < 1e-5


def test_yuan_are_yearly_and_at_base_income() -> None:
    drift = honest(event_study(), restriction="drift", base_income=8_000)
    np.testing.assert_allclose(drift.breakdown_yuan, 8_000 * np.expm1(drift.breakdown))
    np.testing.assert_allclose(drift.largest_before_yuan, 8_000 * np.expm1(0.025))  # from .010 to -.015
    np.testing.assert_allclose(drift.largest_before_error, np.sqrt(2e-4))
    np.testing.assert_allclose(drift.table["conf_low_yuan"], 8_000 * np.expm1(drift.table["conf_low"]))
    relative = honest(event_study(), base_income=8_000)
    np.testing.assert_allclose(relative.breakdown_drift, relative.breakdown * 0.025)
    np.testing.assert_allclose(relative.breakdown_yuan, 8_000 * np.expm1(relative.breakdown * 0.025))
    bent = honest(event_study(), restriction="smoothness", base_income=8_000)
    np.testing.assert_allclose(bent.largest_before, 0.044)  # -.025, then +.019
    assert honest(event_study()).breakdown_yuan is None


def test_a_level_is_in_yuan_already() -> None:
    bounds = honest(event_study(1000 * BETA, 1e6 * SIGMA), restriction="drift", scale="level")
    assert bounds.breakdown_yuan == bounds.breakdown and bounds.largest_before_yuan == pytest.approx(25)
    np.testing.assert_array_equal(bounds.table["conf_low_yuan"], bounds.table["conf_low"])


# Which effect.


def test_the_headline_weighs_event_times_by_their_treated_units() -> None:
    path = event_study(units=[10, 10, 10, 30, 20, 10])
    assert honest(path, restriction="drift", at="headline").weights["weight"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    whole = ek.GroupTime()(ek.example_design())
    headline = honest(ek.aggregate(whole, by="event_time"), restriction="drift", at="headline").estimate
    np.testing.assert_allclose(headline, ek.aggregate(whole).theta[0])


def test_effects_can_be_named_in_four_ways() -> None:
    one = [honest(event_study(), restriction="drift", at=at, sizes=[0.01]) for at in (1, {1: 1.0}, [0, 1, 0])]
    for bounds in one[1:]:
        np.testing.assert_array_equal(ends(bounds), ends(one[0]))
    np.testing.assert_allclose(honest(event_study(), restriction="drift", at={0: -1, 2: 1}).estimate, 0.03)


def test_with_anticipation_periods_before_the_start_may_be_off_too() -> None:
    path = event_study(times=(-4, -3, -1, 0, 1, 2), base=-2)
    bounds = honest(path, restriction="drift", at=0, sizes=[0.01])
    assert bounds.leads == 2 and bounds.weights["event_time"].tolist() == [-1, 0, 1, 2]
    error = np.sqrt(1.5e-4)
    half = error * stats.foldnorm.ppf(0.95, 0.02 / error)  # two steps from the reference
    np.testing.assert_allclose(ends(bounds)[0], [0.09 - half, 0.09 + half])


# What is refused, and what is said.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (event_study(times=(-5, -3, -2, 0, 1, 2)), "do not follow each other: -5 to -3. Show a stretch without gaps"),
        (event_study(times=(-4, -3, -2, 0, 1, 3)), "1 to 3"),
        (event_study(units=[1, 10, 10, 10, 10, 10]), "noise of event times -4 is not known"),
        (event_study(times=(-7, -6, -5, -4, -3, -2)), "no event time from 0 on"),
        (ek.aggregate(ek.GroupTime()(ek.example_design())), "An honest bound needs event_time parameters"),
    ],
    ids=["gap", "later gap", "one unit", "no effect", "no path"],
)
def test_paths_that_cannot_be_bounded_are_refused(path: Estimate, message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        honest(path)


def test_fewer_clusters_than_event_times_are_refused_with_what_to_do() -> None:
    with pytest.raises(EstimateError, match=r"6 event times cannot be inverted: 5 clusters \(county\).*Show fewer of them"):
        honest(event_study(), cluster="county")


def test_a_path_without_one_reference_is_refused() -> None:
    path = event_study()
    with pytest.raises(EstimateError, match=r"one reference period, .* it has none"):
        honest(path.select(~path.cells["reference"].to_numpy(bool)))
    both = replace(path, cells=path.cells.assign(reference=path.cells["event_time"].isin([-4, -1])))
    with pytest.raises(EstimateError, match="it has 2: -4, -1"):
        honest(both)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"restriction": "smooth"}, "There is no restriction 'smooth'"),
        ({"method": "flci"}, "There is no method 'flci'"),
        ({"method": "fixed length"}, "worst bias is known beforehand: smoothness or drift, without sign or monotone"),
        ({"method": "hybrid fixed length"}, "worst bias is known beforehand: smoothness or drift. Use"),
        ({"restriction": "drift", "sign": "positive", "method": "fixed length"}, "without sign or monotone"),
        ({"at": "average"}, "There is no effect 'average'"),
        ({"at": 3}, "There is no event time 3 after the reference. There are 0, 1, 2"),
        ({"at": -2}, "There is no event time -2 after the reference"),
        ({"at": [1, 2]}, "3 event times from 0 on need as many weights; got 2"),
        ({"at": [0, 0, 0]}, "at least one of them is not zero"),
        ({"sizes": []}, "at least one; got none"),
        ({"sizes": [-1, 2]}, "sizes are numbers from 0 on"),
        ({"level": 1.2}, "The level is a probability"),
        ({"scale": "ratio"}, "There is no scale 'ratio'"),
        ({"base_income": -5}, "base_income is in yuan per person and year and positive"),
        ({"cluster": "town"}, "There is no cluster 'town'"),
    ],
    ids=str,
)
def test_choices_without_a_meaning_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        honest(event_study(), **choices)


def test_a_headline_needs_the_number_of_treated_units() -> None:
    with pytest.raises(EstimateError, match="does not say how many treated units"):
        honest(event_study(units=[np.nan] * 6), restriction="drift", at="headline")


def test_without_leads_a_drift_can_still_be_bounded() -> None:
    path = event_study(BETA[3:], SIGMA[3:, 3:], times=(0, 1, 2))
    bounds = honest(path, restriction="drift", base_income=10_000)
    assert bounds.leads == 0 and bounds.largest_before is None and bounds.breakdown > 0
    assert "HONEST_DRIFT_YUAN_ALONE" in {notice.code for notice in bounds.notices}
    for restriction in ("relative", "smoothness"):
        with pytest.raises(EstimateError, match="Possible here: drift"):
            honest(path, restriction=restriction)


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_an_interval_that_holds_zero_breaks_down_at_once(restriction: str) -> None:
    bounds = honest(event_study(0.1 * BETA), restriction=restriction, base_income=10_000)
    assert bounds.breakdown == bounds.breakdown_yuan == 0
    assert "HONEST_ALREADY_ZERO" in {notice.code for notice in bounds.notices}


def test_a_trend_that_reaches_zero_by_going_on_is_named() -> None:
    growing = np.array([-0.09, -0.06, -0.03, 0.03, 0.06, 0.09])
    bounds = honest(event_study(growing), restriction="smoothness")
    assert bounds.original[0] > 0 and bounds.breakdown == 0
    assert "HONEST_TREND_REACHES_ZERO" in {notice.code for notice in bounds.notices}


def test_few_clusters_and_few_leads_are_said() -> None:
    keep = [2, 3, 4]
    path = event_study(BETA[keep], SIGMA[np.ix_(keep, keep)], times=(-2, 0, 1))
    codes = {notice.code: notice.facts for notice in honest(path, cluster="county").notices}
    assert codes["FEW_CLUSTERS_HONEST"] == {"clusters": 5} and codes["HONEST_FEW_LEADS"] == {"leads": 1}
    assert "FEW_CLUSTERS_HONEST" not in {notice.code for notice in honest(event_study()).notices}


def test_what_the_data_contradict_is_empty_and_said() -> None:
    leads = np.array([-3.0, -1.5, 1.0, 0.1, 0.1, 0.1])  # after them a line through the reference cannot increase
    empty = honest(event_study(leads), restriction="smoothness", monotone="increasing", at=0, sizes=[0.0])
    assert empty.table["reason"].tolist() == ["empty"] and np.isnan(ends(empty)).all()
    assert "HONEST_EMPTY" in {notice.code for notice in empty.notices}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_remark_has_its_sentence(lang: str) -> None:
    facts = {"clusters": 5, "treated": 2, "leads": 1, "sizes": "1, 2", "yuan": 231.4, "before": 443.6}
    codes = [key for key in catalogue(lang).sentences if "HONEST" in key]
    said = [catalogue(lang).say(key, **facts) for key in codes]
    assert (
        len(codes) == 12 and sum("231" in sentence for sentence in said) == 4 and sum("444" in sentence for sentence in said) == 2
    )


# The tests behind the bounds.


@pytest.mark.parametrize("level", [0.9, 0.95, 0.995])
@pytest.mark.parametrize("mean", [0.0, 0.3, 2.0, 40.0])
def test_folded_normal_quantiles_are_exact(level: float, mean: float) -> None:
    np.testing.assert_allclose(folded_normal_quantile(level, mean), stats.foldnorm.ppf(level, mean), rtol=1e-7)


@pytest.mark.parametrize("size", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_other_weights_give_a_shorter_interval(size: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    K, T = 4, 3
    root = generator.normal(size=(20, K + T))
    sigma, target = root.T @ root / 20, generator.uniform(0.1, 1, T)
    found = of_smoothness(sigma, target, size, 0.95)

    def worst(weights: Array) -> float:
        rows = np.diff(np.eye(K + T + 1), n=2, axis=0)[:, [i for i in range(K + T + 1) if i != K]]
        program = linprog(-weights, A_ub=np.vstack([rows, -rows]), b_ub=np.ones(2 * len(rows)), bounds=(None, None), method="highs")
        assert program.status == 0
        return float(-program.fun)

    np.testing.assert_allclose(size * worst(found.weights), found.bias, atol=1e-7)

    def half_length(leads: Array) -> float:
        free = np.r_[leads, target]
        # The nearest lead makes up for a straight line.
        free[K - 1] = np.arange(1, T + 1) @ target - np.arange(K, 1, -1) @ leads[: K - 1]
        bends = [float(free[:j].size and np.arange(j, 0, -1) @ free[:j]) for j in range(1, K + 1)]
        later = [float(np.arange(1, T - s + 1) @ target[s:]) for s in range(1, T)]
        deviation = float(np.sqrt(free @ sigma @ free))
        return deviation * folded_normal_quantile(0.95, size * float(np.abs([*bends, *later]).sum()) / deviation)

    np.testing.assert_allclose(half_length(found.weights[:K]), found.half_length, rtol=1e-9)
    other = minimize(half_length, found.weights[:K] + 0.05, method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-10})
    assert other.fun >= found.half_length * (1 - 1e-9)
    np.testing.assert_allclose(other.fun, found.half_length, rtol=2e-3)


@pytest.mark.parametrize("shape", [{}, {"sign": "positive"}, {"direction": "decreasing"}], ids=str)
@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_corners_give_what_a_linear_programme_gives(restriction: str, shape: dict[str, str]) -> None:
    generator = np.random.default_rng(5)
    K, T = 3, 4
    A, _ = restrictions(restriction, K, T, 0.7, **shape)[-1]
    target, y, sd = generator.normal(size=T), generator.normal(size=len(A)), generator.uniform(0.5, 2, len(A))
    nuisance = np.linalg.svd(target[None])[2][1:].T
    program = linprog(np.r_[1, np.zeros(T - 1)], -np.c_[sd, A[:, -T:] @ nuisance], -y, bounds=(None, None), method="highs")
    rays = extreme_rays(A[:, -T:] @ nuisance)
    np.testing.assert_allclose((rays @ y / (rays @ sd)).max(), program.fun, rtol=1e-9)


def test_truncation_points_are_where_another_corner_takes_over() -> None:
    generator = np.random.default_rng(11)
    root = generator.normal(size=(40, 6))
    sigma, target, theta = root.T @ root / 40, np.array([0.2, 0.5, 0.3]), 3.0
    A, d = restrictions("relative", 3, 3, 1.0)[0]
    test = moments(generator.normal(size=6), sigma, target, A, d, 0.05, "conditional")
    y = test.value - theta * test.slope
    best, along = int(y.argmax()), test.exposure @ test.exposure[int(y.argmax())]
    moved = np.linspace(y[best] - 8, y[best] + 8, 16_001)
    still = np.array([(y + along / along[best] * (c - y[best])).argmax() == best for c in moved])
    low, high = moved[still].min(), moved[still].max()
    low, high = (-np.inf if still[0] else low), (np.inf if still[-1] else high)
    deviation = np.sqrt(along[best])
    expected = stats.truncnorm.sf(y[best] / deviation, low / deviation, high / deviation)
    rejected = y[best] > 0 and expected < 0.05
    assert bool(test.accepted(np.array([theta]))[0]) is not rejected
    for size in (expected - 0.005, expected + 0.005):  # the p-value, up to the step of the search
        assert bool(replace(test, size=size).accepted(np.array([theta]))[0]) is bool(size < expected or y[best] <= 0)


@pytest.mark.parametrize(("x", "low", "high"), [(1.0, -1.0, 3.0), (1.0, -np.inf, np.inf), (30.0, 29.0, np.inf), (9.0, 8.9, 9.3)])
def test_truncated_tails_are_safe_far_out(x: float, low: float, high: float) -> None:
    found = truncated_p_value(np.array([x]), np.array([low]), np.array([high]), np.ones(1))[0]
    assert np.isclose(found, stats.truncnorm.sf(x, low, high), rtol=1e-6)


def test_a_finer_grid_finds_the_same_ends() -> None:
    problem = Problem(BETA, SIGMA, np.full(3, 1 / 3), "relative").standardised()
    np.testing.assert_allclose(confidence_set(problem.tests(1.0)), confidence_set(problem.tests(1.0), points=8_001), atol=1e-7)


def test_too_many_corners_are_refused_with_what_to_do() -> None:
    with pytest.raises(EstimateError, match=r"too many corners to go through\. Use fewer event times"):
        Problem(np.ones(16), np.eye(16), np.full(12, 1 / 12), "smoothness", monotone="increasing").tests(1.0)


# Coverage.


def coverage(draws: int, seed: int, restriction: str, method: str, delta: Array, size: float) -> float:
    """Return how often the true mean effect 0 is accepted when trends differ by delta, which the restriction allows."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(draws, 6)) @ np.linalg.cholesky(SIGMA).T
    covered = 0
    for row in noise:
        problem = Problem(delta + row, SIGMA, np.full(3, 1 / 3), restriction, method=method).standardised()
        inside = size if problem.relative else size / 1e-2 / np.sqrt(0.5 + 1 / 3)
        if method == "fixed length":
            found = problem.interval(inside)
            assert found is not None
            covered += found[0] <= 0 <= found[1]
        else:
            covered += any(test.accepted(np.zeros(1))[0] for test in problem.tests(inside))
    return covered / draws


WORLDS = [
    ("drift", "fixed length", np.array([0, 0, 0, 0.01, 0.02, 0.03]), 0.01),
    ("drift", "hybrid least favourable", np.array([0, 0, 0, 0.01, 0.02, 0.03]), 0.01),
    ("smoothness", "fixed length", np.array([-0.06, -0.04, -0.02, 0.03, 0.07, 0.12]), 0.01),
    ("smoothness", "hybrid fixed length", np.array([-0.06, -0.04, -0.02, 0.03, 0.07, 0.12]), 0.01),
    ("relative", "hybrid least favourable", np.array([-0.09, -0.06, -0.03, 0.03, 0.06, 0.09]), 1.0),
    ("relative", "conditional", np.array([0.0, 0.0, -0.05, 0.05, 0.10, 0.15]), 1.0),
]


@pytest.mark.parametrize(("restriction", "method", "delta", "size"), WORLDS)
def test_bounds_cover_when_the_difference_is_as_large_as_allowed(restriction: str, method: str, delta: Array, size: float) -> None:
    # 100 draws: 95% has a standard error of 2.2 points, so below 88% the bounds would be wrong.
    assert coverage(100, 4, restriction, method, delta, size) > 0.88


def test_ignoring_the_difference_does_not_cover() -> None:
    assert coverage(100, 4, "drift", "fixed length", np.array([0, 0, 0, 0.01, 0.02, 0.03]), 0.0) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("restriction", "method", "delta", "size"), WORLDS)
def test_bounds_cover_in_many_draws(restriction: str, method: str, delta: Array, size: float) -> None:
    assert coverage(2_000, 5, restriction, method, delta, size) > 0.938  # 95% less two and a half standard errors


# What came back from messy panels.


def test_a_level_taken_for_a_log_is_refused_and_wide_bounds_of_logs_overflow_nothing() -> None:
    with pytest.raises(EstimateError, match=r"Effects up to 120 are no differences of log income. Say scale='level'"):
        honest(event_study(1000 * BETA, 1e6 * SIGMA), base_income=8_000)
    wide = honest(event_study(), restriction="drift", sizes=[1e5], base_income=8_000).table
    assert np.isinf(wide["conf_high_yuan"][0]) and wide["conf_low_yuan"][0] == -8_000


def test_one_size_may_stand_alone_and_numpy_numbers_are_numbers() -> None:
    several = honest(event_study(), sizes=[0.5], at=1)
    one = honest(event_study(), sizes=np.float64(0.5), at=np.int64(1), base_income=np.int64(8_000), level=np.float64(0.95))
    np.testing.assert_array_equal(ends(one), ends(several))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"sizes": "many"}, "sizes are numbers from 0 on"),
        ({"sizes": [None]}, "sizes are numbers from 0 on, at least one; got None"),
        ({"level": "95%"}, "such as 0.95, not '95%'"),
        ({"base_income": "8000"}, "positive, not '8000'"),
        ({"base_income": True}, "positive, not True"),
        ({"at": None}, "None: the effect looked at is 'overall'"),
        ({"at": True}, "True: the effect looked at"),
        ({"at": {"first": 1}}, "'first': the effect looked at"),
        ({"at": ["a", 1, 1]}, "'a': the effect looked at"),
    ],
    ids=str,
)
def test_what_is_no_number_is_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        honest(event_study(), **choices)


def test_a_constant_outcome_is_named() -> None:
    path = event_study()
    with pytest.raises(EstimateError, match=r"no noise at all over 60 clusters.*is the outcome constant"):
        honest(replace(path, psi=np.zeros_like(path.psi)))


def test_paths_of_steps_are_refused_with_the_choice_that_exists() -> None:
    design = replace(ek.example_design(), base="varying")
    with pytest.raises(EstimateError, match=r"it has none\. aggregate\(GroupTime.*Design\(\.\.\., base='universal'\)"):
        honest(ek.aggregate(ek.GroupTime()(design), by="event_time"))


def county_panel(treated: int) -> Estimate:
    """Return the path of a panel of 12 counties of 6 villages, some of the counties treated from 2015 on."""
    generator = np.random.default_rng(3)
    village, year = np.repeat(np.arange(72), 8), np.tile(np.arange(2011, 2019), 72)
    frame = pd.DataFrame({"village": village, "year": year, "county": village // 6})
    frame["start"] = np.where(frame["county"] < treated, 2015, 0)
    frame["income"] = generator.normal(9, 0.2, len(frame)) + 0.3 * ((frame["start"] > 0) & (year >= 2015))
    panel = ek.Panel(frame, unit="village", period="year", clusters=["county"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "income")
    return ek.aggregate(ek.GroupTime()(design), by="event_time", first=-3, last=2)


@pytest.mark.parametrize(("treated", "said"), [(2, True), (6, False)])
def test_few_treated_clusters_among_many_are_said(treated: int, said: bool) -> None:
    facts = {notice.code: notice.facts for notice in honest(county_panel(treated), cluster="county").notices}
    assert ("HONEST_FEW_TREATED" in facts) is said
    assert not said or facts["HONEST_FEW_TREATED"] == {"treated": 2, "clusters": 12}


def test_bounds_of_signs_need_not_be_nested_but_are_those_of_the_test() -> None:
    # Linear programmes, value by value, agree with the corners where the larger violation rejects what the smaller one accepts.
    problem = Problem(BETA, SIGMA, np.full(3, 1 / 3), "smoothness relative", None, "decreasing", "conditional").standardised()
    generator = np.random.default_rng(1)
    for size in (0.5, 2.0):
        tests = problem.tests(size)
        for theta in generator.uniform(-3, 12, 2):
            parts = restrictions("smoothness relative", 3, 3, size, direction="decreasing")
            by_programme = [_accepted_by_programmes(problem, A, theta) for A, _ in parts]
            assert [bool(test.accepted(np.array([theta]))[0]) for test in tests] == by_programme


def _accepted_by_programmes(problem: Problem, A: Array, theta: float) -> bool:
    """Return whether the conditional test accepts, its corner and truncation points found by linear programmes and bisection."""
    T = len(problem.target)
    X = A[:, -T:] @ np.linalg.svd(problem.target[None])[2][1:].T
    y = A @ problem.beta - A[:, -T:] @ problem.target * theta / (problem.target @ problem.target)
    V = A @ problem.sigma @ A.T
    sd = np.sqrt(np.diag(V))

    def solved(y: Array) -> tuple[float, Array]:
        found = linprog(np.r_[1, np.zeros(T - 1)], -np.c_[sd, X], -y, bounds=(None, None), method="highs")
        return found.fun, -found.ineqlin.marginals

    eta, corner = solved(y)
    if eta <= 0:
        return True
    along = V @ corner / (corner @ V @ corner)

    def end(side: float) -> float:
        near, far = 0.0, 60.0
        if solved(y + along * side * far)[0] - eta - side * far < 1e-7:
            return side * np.inf
        for _ in range(25):
            middle = (near + far) / 2
            stays = solved(y + along * side * middle)[0] - eta - side * middle < 1e-8
            near, far = (middle, far) if stays else (near, middle)
        return eta + side * near

    edges = np.array([eta, end(1.0), end(-1.0)]) / np.sqrt(corner @ V @ corner)
    at, high, low = stats.norm.sf(edges)
    return bool((at - high) / (low - high) >= 1 - problem.level)


@pytest.mark.parametrize(("lang", "word"), [("en", "period"), ("zh", "期")])
def test_sentences_in_yuan_hold_for_waves_too(lang: str, word: str) -> None:
    for restriction in ("drift", "smoothness"):
        bounds = honest(event_study(), restriction=restriction, base_income=8_000)
        notice = next(notice for notice in bounds.notices if "YUAN" in notice.code)
        assert word in catalogue(lang).say(f"estimator_notice.{notice.code}", **notice.facts).split("(")[0].split("（")[0]


@pytest.mark.parametrize(("periods", "shape"), [(7, {"sign": "positive"}), (4, {})], ids=["many corners", "few corners"])
def test_draws_that_cannot_be_large_are_left_out_without_moving_the_critical_value(periods: int, shape: dict[str, str]) -> None:
    A, d = restrictions("relative", 3, periods, 1.0, **shape)[0]
    root = np.random.default_rng(2).normal(size=(3 * A.shape[1], A.shape[1]))
    test = moments(np.zeros(A.shape[1]), root.T @ root, np.full(periods, 1 / periods), A, d, 0.05, "hybrid least favourable")
    assert (len(test.exposure) > FEW_RAYS) is bool(shape)
    everything = (test.exposure @ np.random.default_rng(SEED).normal(size=(A.shape[1], DRAWS))).max(axis=0)
    np.testing.assert_allclose(test.critical, np.quantile(everything, 0.995), rtol=1e-12)
