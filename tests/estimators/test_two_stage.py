"""Two stages: the averages of imputation, with errors that carry who is treated when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.imputation import Imputation
from evalkit.estimators.two_stage import TwoStage
from evalkit.inference.linear import covariance

FRAME = villages(units=120)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def test_by_hand_effects_of_5_and_3_with_weights_3_and_1_vary_around_their_own_mean() -> None:
    frame = pd.DataFrame(
        {
            "village": ["A", "A", "B", "B", "C", "C", "D", "D"],
            "county": 1,
            "year": [2014, 2015] * 4,
            "start": [0] * 4 + [2015] * 4,
            "y": [10.0, 13, 20, 21, 5, 12, 8, 13],
            "weight": [1.0] * 4 + [3, 3, 1, 1],
        }
    )
    cell = TwoStage()(design(frame, "weight")).select(kind="group_time", period=2015)
    assert cell.theta[0] == pytest.approx(4.5)
    assert list(cell.psi[:, 0] / 4) == pytest.approx([-0.5, 0.5, 0.75 * (5 - 4.5), 0.25 * (3 - 4.5)])


def test_effects_are_those_of_imputation_and_their_errors_too_cell_by_cell() -> None:
    one, other = TwoStage()(design()), Imputation()(design())
    after = one.select(np.array(one.cells["event_time"] >= 0), kind="group_time")
    np.testing.assert_allclose(after.theta, other.select(kind="group_time").theta, rtol=1e-12)
    np.testing.assert_allclose(after.psi, other.select(kind="group_time").psi, atol=1e-12)


def test_averages_are_those_of_imputation_with_wider_errors_where_cohorts_differ() -> None:
    frame = FRAME.assign(y=FRAME["y"] + 1.0 * ((FRAME["start"] == 2014) & (FRAME["year"] >= 2014)))
    staged, imputed = (ek.aggregate(estimator(design(frame)), by="overall") for estimator in (TwoStage(), Imputation()))
    np.testing.assert_allclose(staged.theta, imputed.theta, rtol=1e-12)
    assert covariance(staged).std_error[0] > 1.2 * covariance(imputed).std_error[0]
    known = ek.aggregate(TwoStage(shares="sample")(design(frame)), by="overall")
    np.testing.assert_allclose(known.psi, imputed.psi, atol=1e-12)


@pytest.mark.parametrize("weight", [None, "sampled"])
def test_averages_over_cells_are_the_second_stage_regression_of_residuals_on_event_times(weight: str | None) -> None:
    """The influence of both stages from dummies: (X'WX)^-1 [X'W e2 - X'WZ (Z0'WZ0)^-1 Z0'W e1]."""
    frame = with_gaps(FRAME)
    w = np.ones(len(frame)) if weight is None else frame[weight].to_numpy(float)
    Z = np.hstack([pd.get_dummies(frame["village"]), pd.get_dummies(frame["year"]).iloc[:, 1:]]).astype(float)
    D, y = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy(), frame["y"].to_numpy()
    A = np.linalg.pinv((Z[~D] * w[~D, None]).T @ Z[~D])
    residual = y - Z @ (A @ (Z[~D].T @ (w * y)[~D]))
    event = np.where(frame["start"] > 0, frame["year"] - frame["start"], -99)
    times = np.unique(event[event > -99])
    X = (event[:, None] == times).astype(float)
    bread = np.linalg.inv((X * w[:, None]).T @ X)
    b = bread @ (X.T @ (w * residual))
    second, first = X * (w * (residual - X @ b))[:, None], Z * np.where(D, 0, w * residual)[:, None]
    by_row = (second - first @ A @ ((Z * w[:, None]).T @ X)) @ bread
    path = ek.aggregate(TwoStage()(design(frame, weight, unbalanced="pairwise")), by="event_time").select(kind="event_time")
    by_unit = pd.DataFrame(by_row).groupby(frame["village"].to_numpy()).sum().to_numpy()
    np.testing.assert_allclose(path.theta, b, atol=1e-12)
    np.testing.assert_allclose(path.psi / len(path.rows), by_unit, atol=1e-12)


def test_a_cohort_alone_in_being_untreated_has_an_average_of_zero_there_by_construction() -> None:
    estimate = TwoStage()(design(villages(starts=(2014, 2015, 2017), units=90)))
    zero = estimate.cells[estimate.cells["reference"]]
    assert list(zip(zero["cohort"], zero["period"], strict=True)) == [(2017, 2015), (2017, 2016)]
    assert (estimate.theta[zero.index] == 0).all() and (estimate.psi[:, zero.index] == 0).all()


def test_a_cohort_with_one_clean_year_has_an_average_of_zero_there_by_construction() -> None:
    estimate = TwoStage()(design(villages(starts=(0, 2013, 2015), units=90)))
    zero = estimate.cells[estimate.cells["reference"]]
    assert list(zip(zero["cohort"], zero["period"], strict=True)) == [(2013, 2012)]


def test_where_one_zero_leaves_the_next_cell_alone_that_is_zero_too_and_no_other_is() -> None:
    estimate = TwoStage()(design(villages(starts=(2013, 2014, 2016, 2017), units=120)))
    table = estimate.cells[(estimate.cells["kind"] == "group_time") & (estimate.cells["event_time"] < 0)]
    zero = np.abs(estimate.psi[:, table.index]).max(axis=0) == 0
    assert list(zero) == list(table["reference"]) and zero.sum() == 2  # 2013 in 2012, 2017 in 2016
    chain = TwoStage()(design(villages(starts=(2013, 2014), units=60))).cells
    before = chain[(chain["kind"] == "group_time") & (chain["event_time"] < 0)]
    assert list(zip(before["cohort"], before["period"], strict=True)) == [(2013, 2012), (2014, 2012), (2014, 2013)]
    assert before["reference"].all()


def test_villages_seen_once_before_they_start_have_averages_of_zero_there_by_construction_in_whatever_year_it_was() -> None:
    """Half of a cohort is seen untreated in 2012 only, the other half in 2013 only: no cell is alone, every village is."""
    odd, late = FRAME["village"] % 2 == 1, FRAME["start"] == 2014
    frame = FRAME[~(late & (FRAME["year"] == np.where(odd, 2012, 2013)))]
    cells = TwoStage()(design(frame, unbalanced="pairwise"))
    zero = cells.cells[cells.cells["reference"]]
    assert list(zip(zero["cohort"], zero["period"], strict=True)) == [(2014, 2012), (2014, 2013)]
    assert not cells.theta[zero.index].any() and not cells.psi[:, zero.index].any()


def test_a_covariate_that_marks_a_cohort_in_a_year_makes_its_average_zero_by_construction() -> None:
    marked = ((FRAME["start"] == 2016) & (FRAME["year"] == 2013)).astype(float)
    cells = TwoStage()(design(FRAME.assign(marked=marked), covariates=["marked"])).cells
    zero = cells[cells["reference"]]
    assert list(zip(zero["cohort"], zero["period"], strict=True)) == [(2016, 2013)]


def test_before_treatment_averages_add_up_to_nothing_within_a_cohort() -> None:
    estimate = TwoStage()(design(weight="households"))
    before = estimate.select(np.array(estimate.cells["event_time"] < 0), kind="group_time")
    for cohort in (2014, 2016):
        assert before.select(cohort=cohort).theta.sum() == pytest.approx(0, abs=1e-12)


def test_an_unknown_choice_of_shares_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="There is no choice of shares 'all'"):
        TwoStage(shares="all")
