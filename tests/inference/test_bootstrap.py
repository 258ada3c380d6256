"""Bands that hold for a whole path, and random signs, have the quantiles and moments they should have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import evalkit as ek
from evalkit.estimate import Facts, cell_frame
from evalkit.inference.bootstrap import MULTIPLIERS, multiplier_draws, uniform_critical_value
from evalkit.inference.linear import covariance

DRAWS = 99_999  # a 95% quantile of 100,000 draws is known to about 0.006


@pytest.mark.parametrize("degrees", [3, 9, 39, np.inf])
def test_for_one_parameter_the_critical_value_is_the_quantile(degrees: float) -> None:
    expected = stats.t.ppf(0.975, degrees) if np.isfinite(degrees) else stats.norm.ppf(0.975)
    found = uniform_critical_value(np.array([[4.0]]), 0.95, DRAWS, seed=1, degrees=degrees)
    assert found == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("k", [2, 5, 12])
def test_for_independent_parameters_it_is_sidaks(k: int) -> None:
    sidak = stats.norm.ppf((1 + 0.95 ** (1 / k)) / 2)
    assert uniform_critical_value(np.diag(np.arange(1.0, k + 1)), 0.95, DRAWS, seed=1) == pytest.approx(sidak, rel=0.01)


def test_for_parameters_that_move_together_it_is_that_of_one() -> None:
    spread = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert uniform_critical_value(spread, 0.95, DRAWS, seed=1) == pytest.approx(stats.norm.ppf(0.975), rel=0.01)


def test_a_higher_level_and_more_parameters_widen_the_band() -> None:
    values = [uniform_critical_value(np.eye(k), level, 20_000, seed=1) for k, level in ((2, 0.9), (2, 0.95), (6, 0.95))]
    assert values == sorted(values) and values[0] < values[-1]


def test_the_same_seed_gives_the_same_band_and_another_seed_another() -> None:
    one, same, other = (uniform_critical_value(np.eye(3), 0.95, 5_000, seed=seed) for seed in (7, 7, 8))
    assert one == same != other


def estimate(n: int = 40, seed: int = 3) -> ek.Estimate:
    generator = np.random.default_rng(seed)
    psi = generator.normal(size=(n, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    rows = pd.DataFrame({"village": np.arange(n), "county": np.arange(n) // 4})
    cells = cell_frame("event_time", 2, event_time=[0, 1])
    return ek.Estimate(np.zeros(2), psi - psi.mean(axis=0), cells, rows, Facts(n))


@pytest.mark.parametrize("weights", MULTIPLIERS)
@pytest.mark.parametrize("cluster", [None, "county"])
def test_draws_have_the_covariance_of_the_estimate(weights: str, cluster: str | None) -> None:
    draws = multiplier_draws(estimate(), 40_000, seed=5, cluster=cluster, weights=weights)
    matrix = covariance(estimate(), cluster).matrix
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    np.testing.assert_allclose(np.cov(draws.T) / scale, matrix / scale, atol=0.04)  # kurtosis 4: known to about 1%
    np.testing.assert_allclose(draws.mean(axis=0) / np.sqrt(np.diag(matrix)), 0, atol=0.02)


@pytest.mark.parametrize(("weights", "third"), [("rademacher", 0.0), ("mammen", 1.0), ("gaussian", 0.0)])
def test_multipliers_have_the_moments_of_their_name(weights: str, third: float) -> None:
    one = ek.Estimate(np.zeros(1), np.ones((1, 1)), cell_frame("overall", 1), pd.DataFrame({"village": [0]}), Facts(1))
    signs = multiplier_draws(one, 200_000, seed=6, weights=weights)[:, 0]
    assert signs.mean() == pytest.approx(0, abs=0.01)
    assert (signs**2).mean() == pytest.approx(1, abs=0.02)
    assert (signs**3).mean() == pytest.approx(third, abs=0.05)
    values = {"rademacher": {-1.0, 1.0}, "mammen": {round((1 - 5**0.5) / 2, 9), round((1 + 5**0.5) / 2, 9)}}
    assert weights == "gaussian" or {round(float(v), 9) for v in np.unique(signs)} == values[weights]


def test_draws_do_not_depend_on_how_many_are_made_at_a_time_and_repeat_with_their_seed() -> None:
    one, same, other = (multiplier_draws(estimate(), 50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_an_unknown_multiplier_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ek.EstimateError, match="Did you mean 'rademacher'"):
        multiplier_draws(estimate(), 10, seed=1, weights="rademacer")


def test_a_uniform_band_is_wider_than_the_pointwise_one_and_covers_the_path_only() -> None:
    path = ek.aggregate(ek.GroupTime()(ek.example_design()), "event_time")
    pointwise, uniform = ek.infer(path), ek.infer(path, band="uniform", seed=7)
    shown = (path.cells["kind"] == "event_time").to_numpy() & ~path.cells["reference"].to_numpy()
    assert (uniform["critical"][shown] > pointwise["critical"][shown] + 0.3).all()
    assert uniform["critical"].iloc[-1] == pointwise["critical"].iloc[-1]  # the average keeps its own interval
    pd.testing.assert_series_equal(uniform["std_error"], pointwise["std_error"])


def test_the_band_of_a_single_effect_is_its_own_interval() -> None:
    cells = ek.GroupTime()(ek.example_design())
    overall = ek.infer(ek.aggregate(cells), band="uniform", seed=7).iloc[0]
    assert overall["critical"] == pytest.approx(stats.norm.ppf(0.975), rel=0.015)
    average = ek.infer(ek.aggregate(cells, "event_time").select(kind="average"), band="uniform", seed=7).iloc[0]
    assert average["critical"] == pytest.approx(stats.norm.ppf(0.975), rel=0.015)


def test_a_uniform_band_covers_the_whole_path_as_often_as_it_says() -> None:
    path, generator = estimate(), np.random.default_rng(12)
    matrix = covariance(path).matrix
    critical = uniform_critical_value(matrix, 0.9, DRAWS, seed=1)
    truth = generator.multivariate_normal(np.zeros(2), matrix, size=20_000)
    inside = (np.abs(truth) <= critical * np.sqrt(np.diag(matrix))).all(axis=1).mean()
    assert inside == pytest.approx(0.9, abs=0.01)
    assert replace(path).theta.shape == (2,)
