"""A kept regression is the regression that was run: its coefficients, residuals and sums within clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.inference.linear import covariance
from evalkit.least_squares import LeastSquares, Regression, columns_without_means, dummies, generalised_inverse, without_means

ESTIMATORS: dict[str, tuple[Any, dict[str, Any]]] = {
    "two-way": (ek.TwoWay(), {"covariates": ["rain"]}),
    "two-way with provinces by year": (ek.TwoWay(by_period=["province"]), {}),
    "two-way with county trends": (ek.TwoWay(slopes=[("county", "year")]), {}),
    "event study": (ek.EventStudy(), {}),
    "event study, two references": (ek.EventStudy(), {"starts": (2014, 2015, 2017)}),
    "interaction-weighted": (ek.InteractionWeighted(), {}),
    "extended two-way": (ek.ExtendedTwoWay(), {}),
    "extended two-way, covariates that stay": (ek.ExtendedTwoWay(), {"covariates": ["share"]}),
    "extended two-way, covariates that change": (ek.ExtendedTwoWay(), {"covariates": ["rain"]}),
    "extended two-way, never-treated": (ek.ExtendedTwoWay(), {"comparison": "never_treated"}),
}


def design(gaps: bool = False, weight: str | None = None, starts: tuple[int, ...] = (0, 2014, 2016), **choices: Any) -> ek.Design:
    frame = villages(60, starts, seed=5)
    panel = ek.Panel(with_gaps(frame) if gaps else frame, "village", "year", ["county", "province"], weight)
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    return ek.Design(panel, rollout, "y", unbalanced="pairwise" if gaps else None, **choices)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("gaps", "weight"), [(False, None), (True, None), (False, "households")], ids=["plain", "gaps", "weights"])
def test_the_kept_regression_gives_the_effects_and_their_clustered_errors_again(name: str, gaps: bool, weight: str | None) -> None:
    estimator, choices = ESTIMATORS[name]
    estimate = estimator(design(gaps, weight, **choices))
    regression = estimate.facts.regression
    known = (estimate.cells["kind"] == "cell_share").to_numpy()
    theta = regression.shown @ regression.fit.coefficients
    np.testing.assert_allclose(theta[~known], estimate.theta[~known], rtol=1e-7, atol=1e-9)
    codes, labels = regression.fit.labels("county")
    score = regression.fit.parts(codes, len(labels)).score
    influence = score @ regression.fit.bread @ regression.shown.T
    matrix = covariance(estimate, "county", "none").matrix
    np.testing.assert_allclose(influence.T @ influence, matrix, rtol=1e-6, atol=1e-9 * np.diag(matrix).max())


def test_averages_keep_their_regression_as_combinations() -> None:
    cells = ek.InteractionWeighted()(design())
    path = ek.aggregate(cells, by="event_time")
    regression = path.facts.regression
    assert regression is not None
    np.testing.assert_allclose(regression.shown @ regression.fit.coefficients, path.theta, atol=1e-9)


def test_an_estimate_that_is_no_regression_keeps_none() -> None:
    assert ek.GroupTime()(design()).facts.regression is None
    assert ek.Stacked()(design()).facts.regression is None
    assert ek.ExtendedTwoWay(family="poisson")(design()).facts.regression is None


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return columns, outcome, unit and weight of 40 rows."""
    generator = np.random.default_rng(2)
    unit = np.repeat(np.arange(8), 5)
    return generator.normal(size=(40, 3)), generator.normal(size=40), unit, generator.uniform(1, 3, 40)


@pytest.mark.parametrize("weighted", [False, True])
def test_absorbed_effects_are_those_of_dummies(weighted: bool) -> None:
    X, y, unit, w = rows()
    weight, root = (w, np.sqrt(w)) if weighted else (None, np.ones(40))
    fit = LeastSquares(lambda: columns_without_means(X, y, pd.DataFrame({"unit": unit}), unit, weight))
    full = np.hstack([X, dummies([unit], [None])]) * root[:, None]
    beta = np.linalg.lstsq(full, y * root, rcond=None)[0]
    np.testing.assert_allclose(fit.coefficients, beta[:3], rtol=1e-10)
    np.testing.assert_allclose(fit.residuals, y * root - full @ beta, atol=1e-12)
    np.testing.assert_allclose(fit.bread, np.linalg.inv(full.T @ full)[:3, :3], rtol=1e-10)


def test_a_mean_within_a_unit_is_taken_off_by_weight() -> None:
    # Unit 0: (1 x 1 + 3 x 5) / 4 = 4; unit 1: one row, nothing is left of it.
    values = np.array([[1.0], [5.0], [7.0]])
    np.testing.assert_allclose(without_means(values, np.array([0, 0, 1]), np.array([1.0, 3.0, 2.0])), [[-3.0], [1.0], [0.0]])


def test_sums_within_clusters_are_sums_of_rows_in_any_order() -> None:
    X, y, unit, _ = rows()
    order = np.random.default_rng(3).permutation(40)
    keys = pd.DataFrame({"unit": unit})
    one = LeastSquares(lambda: columns_without_means(X, y, keys, None))
    other = LeastSquares(lambda: columns_without_means(X[order], y[order], keys.iloc[order], None))
    parts, again = (fit.parts(*(lambda codes, labels: (codes, len(labels)))(*fit.labels("unit"))) for fit in (one, other))
    np.testing.assert_allclose(parts.gram[2], X[10:15].T @ X[10:15])
    np.testing.assert_allclose(parts.moment[2], X[10:15].T @ y[10:15])
    np.testing.assert_allclose(parts.score.sum(axis=0), 0, atol=1e-12)  # the normal equations
    for name in ("gram", "moment", "score"):
        np.testing.assert_allclose(getattr(parts, name), getattr(again, name), atol=1e-12)


def test_labels_are_sorted_and_an_undeclared_key_is_an_error() -> None:
    X, y, unit, _ = rows()
    fit = LeastSquares(lambda: columns_without_means(X, y, pd.DataFrame({"county": unit[::-1] + 3}), None))
    codes, labels = fit.labels("county")
    assert labels.tolist() == list(range(3, 11)) and codes[0] == 7
    with pytest.raises(KeyError):
        fit.labels("province")


def test_a_column_too_many_changes_no_combination_that_the_data_tell() -> None:
    X, y, unit, _ = rows()
    keys = pd.DataFrame({"unit": unit})
    doubled = np.column_stack([X, X[:, 1] - 1e6 * X[:, 2], 0 * y])
    fit, plain = (LeastSquares(lambda Z=Z: columns_without_means(Z, y, keys, None)) for Z in (doubled, X))
    np.testing.assert_allclose(fit.residuals, plain.residuals, atol=1e-7)
    assert fit.coefficients[0] == pytest.approx(plain.coefficients[0], rel=1e-7)


def test_a_generalised_inverse_does_not_depend_on_the_unit_of_a_column() -> None:
    X, *_ = rows()
    unit = np.array([1.0, 1e6, 1e-6])
    plain, scaled = generalised_inverse(X.T @ X), generalised_inverse((X * unit).T @ (X * unit))
    np.testing.assert_allclose(scaled * np.outer(unit, unit), plain, rtol=1e-9)
    np.testing.assert_allclose(plain, np.linalg.inv(X.T @ X), rtol=1e-10)


def test_slopes_on_a_variable_in_yuan_leave_the_same_errors_as_in_billions() -> None:
    frame = ek.example_frame()
    output = np.random.default_rng(0).uniform(1e9, 1e11, len(frame))
    spreads = []
    for unit in (1.0, 1e-9):
        panel = ek.Panel(frame.assign(output=output * unit), "village_id", "year", ["county_id"])
        whole = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income")
        estimate = ek.TwoWay(slopes=[("county_id", "output")])(whole)
        regression = estimate.facts.regression
        assert regression is not None
        np.testing.assert_allclose(regression.shown @ regression.fit.coefficients, estimate.theta, rtol=1e-8)
        spreads.append(covariance(estimate, "county_id", "CR2"))
    np.testing.assert_allclose(spreads[0].std_error, spreads[1].std_error, rtol=1e-7)
    np.testing.assert_allclose(spreads[0].degrees, spreads[1].degrees, rtol=1e-6)


def test_a_column_that_effects_take_whole_is_zero_and_not_rounding() -> None:
    _, y, unit, w = rows()
    X = np.column_stack([unit * 0.1 + 1e6, y + unit])
    columns = columns_without_means(X, y, pd.DataFrame({"unit": unit}), unit, w)
    assert (columns.X[:, 0] == 0).all() and columns.X[:, 1].any()


def test_maps_of_parameters_are_maps_of_combinations() -> None:
    X, y, unit, _ = rows()
    regression = Regression(LeastSquares(lambda: columns_without_means(X, y, pd.DataFrame({"unit": unit}), None)), np.eye(2))
    difference = regression.through(np.array([[1.0, -1.0]]))
    np.testing.assert_array_equal(difference.shown, [[1.0, -1.0, 0.0]])
    assert difference.fit is regression.fit


def test_columns_are_made_when_first_asked_for_and_once() -> None:
    made = []

    def columns() -> Any:
        made.append(1)
        X, y, unit, _ = rows()
        return columns_without_means(X, y, pd.DataFrame({"unit": unit}), None)

    fit = LeastSquares(columns)
    assert not made
    assert len(fit.residuals) == len(fit.residuals) == 40 and made == [1]
