"""Imputation: what covered rows would have been, by hand; what is left out, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.estimators.imputation import Imputation
from evalkit.estimators.two_stage import TwoStage
from evalkit.inference.linear import has_own_noise
from evalkit.words import catalogue, placeholders

FRAME = villages(units=120)
# Two villages never treated, which grow by 3 and by 1, and two treated in 2015.
TINY = pd.DataFrame(
    {
        "village": ["A", "A", "B", "B", "C", "C", "D", "D"],
        "year": [2014, 2015] * 4,
        "start": [0] * 4 + [2015] * 4,
        "y": [10.0, 13, 20, 21, 5, 12, 8, 13],
        "weight": [1.0] * 4 + [3, 3, 1, 1],
    }
)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"] if "county" in frame else [], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def effect(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


def contributions(estimate: ek.Estimate) -> list[float]:
    return list(estimate.select(kind="group_time").psi[:, 0] / len(estimate.rows))


def codes(estimate: ek.Estimate) -> dict[str, Any]:
    return {notice.code: notice.facts for notice in estimate.notices}


def test_by_hand_the_untreated_grow_by_2_so_that_c_gains_5_and_d_3() -> None:
    estimate = Imputation()(design(TINY))
    assert effect(estimate, 2015, 2015) == pytest.approx((7 - 2 + 5 - 2) / 2)
    # A grew by 1 more and B by 1 less than the mean of both; C gained 1 more and D 1 less than the mean of theirs.
    assert contributions(estimate) == pytest.approx([-0.5, 0.5, 0.5, -0.5])
    assert ek.infer(estimate)["std_error"][0] == pytest.approx(np.sqrt(4 * 0.25))


def test_by_hand_left_out_of_its_own_average_c_gained_2_more_than_d_and_d_2_less_than_c() -> None:
    estimate = Imputation(leave_out=True)(design(TINY))
    assert contributions(estimate) == pytest.approx([-0.5, 0.5, 1, -1])


def test_by_hand_with_weights_3_and_1_effects_vary_around_the_average_with_weights_9_and_1() -> None:
    estimate = Imputation()(design(TINY, weight="weight"))
    assert effect(estimate, 2015, 2015) == pytest.approx((3 * 5 + 1 * 3) / 4)
    assert contributions(estimate) == pytest.approx([-0.5, 0.5, 0.75 * (5 - 4.8), 0.25 * (3 - 4.8)])


def test_by_hand_a_weight_of_treated_rows_leaves_the_fit_alone_and_may_leave_a_village_out() -> None:
    frame = TINY.assign(chosen=[0, 0, 0, 0, 1, 1, 0, 0])
    estimate = Imputation(treated_weight="chosen")(design(frame))
    assert effect(estimate, 2015, 2015) == pytest.approx(5)
    assert codes(estimate)["TREATED_ROWS_WITHOUT_WEIGHT"] == {"column": "chosen", "rows": 1, "treated_rows": 2}
    assert list(estimate.cells["units"]) == [1, 1] and list(estimate.cells["noisy_units"]) == [0, 0]
    assert not has_own_noise(estimate).any()  # one village has no noise of its own


def dummies(frame: pd.DataFrame, columns: tuple[str, ...] = ()) -> np.ndarray:
    """Return the dummies of villages and years, and covariates."""
    parts = [pd.get_dummies(frame["village"]), pd.get_dummies(frame["year"]).iloc[:, 1:], frame[list(columns)]]
    return np.hstack([part.to_numpy(float) for part in parts])


@pytest.mark.parametrize("covariates", [(), ("rain",)])
@pytest.mark.parametrize("weight", [None, "sampled"])
def test_effects_and_influence_of_every_row_are_those_of_dummies_of_every_village_and_year(
    covariates: tuple[str, ...], weight: str | None
) -> None:
    frame = with_gaps(FRAME)
    choices = {"covariates": covariates, "unbalanced": "pairwise", "rows": "observation"}
    cells = Imputation()(design(frame, weight, **choices))
    Z, w = dummies(frame, covariates), np.ones(len(frame)) if weight is None else frame[weight].to_numpy(float)
    D = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy()
    bread = np.linalg.pinv((Z[~D] * w[~D, None]).T @ Z[~D])
    tau = frame["y"].to_numpy() - Z @ (bread @ (Z[~D].T @ (w * frame["y"])[~D]))
    for cohort, period in ((2014, 2015), (2016, 2017)):
        inside = ((frame["start"] == cohort) & (frame["year"] == period)).to_numpy()
        omega = np.where(inside, w, 0) / w[inside].sum()
        assert effect(cells, cohort, period) == pytest.approx(omega @ tau, rel=1e-9)
        v = np.where(D, omega, -w * (Z @ bread @ (Z.T @ omega)))
        assert v @ frame["y"] == pytest.approx(omega @ tau, rel=1e-9)
        middle = (omega**2 @ tau) / (omega**2).sum()
        psi = cells.select(kind="group_time", cohort=cohort, period=period).psi[:, 0] / len(frame)
        np.testing.assert_allclose(psi, v * (tau - np.where(D, middle, 0)), atol=1e-12)


def test_with_one_start_and_two_years_it_is_two_by_two() -> None:
    frame = villages(starts=(0, 2015), units=60)
    frame = frame[frame["year"].isin([2014, 2015])]
    one, other = ek.aggregate(Imputation()(design(frame)), by="overall"), ek.TwoByTwo()(design(frame))
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-11)
    np.testing.assert_allclose(one.psi, other.psi, atol=1e-10)


def test_with_one_start_the_base_is_the_mean_of_all_years_before() -> None:
    frame = villages(starts=(0, 2015), units=60)
    wide = frame.pivot(index="village", columns="year", values="y")
    treated = frame.groupby("village")["start"].first() > 0
    change = wide[2016] - wide[[2012, 2013, 2014]].mean(axis=1)
    assert effect(Imputation()(design(frame)), 2015, 2016) == pytest.approx(change[treated].mean() - change[~treated].mean())


def test_the_overall_effect_is_the_mean_over_treated_rows() -> None:
    cells = Imputation()(design())
    counts = cells.select(kind="group_time").cells["units"].to_numpy()
    overall = ek.aggregate(cells, by="overall").theta[0]
    assert overall == pytest.approx(np.average(cells.select(kind="group_time").theta, weights=counts), rel=1e-12)


def test_known_shares_have_no_error_and_estimated_ones_have() -> None:
    known, estimated = (ek.infer(Imputation(shares=shares)(design())) for shares in ("sample", "population"))
    assert known.loc[known["kind"] == "cell_share", "std_error"].isna().all()
    assert (estimated.loc[estimated["kind"] == "cell_share", "std_error"] > 0).all()


def test_in_years_in_which_units_may_anticipate_they_are_imputed_and_not_learned_from() -> None:
    frame = FRAME.copy()
    moved = frame.assign(y=frame["y"] + 5.0 * (frame["year"] == frame["start"] - 1))
    one, other = (Imputation()(design(data, anticipation=1)) for data in (frame, moved))
    early = (one.cells["event_time"] == -1) & (one.cells["kind"] == "group_time")
    assert early.sum() == 2
    np.testing.assert_allclose(other.theta - one.theta, 5.0 * early, atol=1e-9)


def test_one_path_joins_years_before_and_effects_after_with_the_covariance_of_both() -> None:
    cells = Imputation(pretrend_periods=1)(design())
    path = cells.select(kind="event_time").join(ek.aggregate(cells, by="event_time"))
    assert list(path.cells["event_time"])[:-1] == [-1, 0, 1, 2, 3]
    assert path.facts.correction == "none" and path.facts.reference == "z"
    assert abs(path.psi[:, 0] @ path.psi[:, 1]) > 0


def test_coefficients_before_treatment_are_those_of_a_regression_on_untreated_rows() -> None:
    frame = FRAME[(FRAME["start"] == 0) | (FRAME["year"] < FRAME["start"])]
    event = frame["year"] - frame["start"].where(frame["start"] > 0)
    X = np.hstack([dummies(frame, ("rain",)), (event == -1).to_numpy(float)[:, None]])
    b = np.linalg.lstsq(X, frame["y"].to_numpy(), rcond=None)[0][-1]
    leads = Imputation(pretrend_periods=1)(design(covariates=["rain", "share"])).select(kind="event_time")
    assert list(leads.cells["event_time"]) == [-1] and leads.cells["units"][0] == 80
    np.testing.assert_allclose(leads.theta, [b], rtol=1e-9)


def test_of_years_two_apart_the_last_event_times_there_are_get_coefficients_before_treatment() -> None:
    """The same rows, counted in years of which every other is in the data: -2 and -4 are what -1 and -2 were."""
    apart = FRAME.assign(year=2 * FRAME["year"], start=2 * FRAME["start"])
    one, other = (Imputation(pretrend_periods=2)(design(frame)).select(kind="event_time") for frame in (FRAME, apart))
    assert list(other.cells["event_time"]) == [-4, -2]
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-10)
    np.testing.assert_allclose(other.psi, one.psi, atol=1e-10)


@pytest.mark.parametrize("y", [0.1, 0.1 * FRAME["village"], 0.1 * FRAME["village"] + 0.37 * FRAME["year"]])
@pytest.mark.parametrize("estimator", [Imputation(pretrend_periods=1), TwoStage()])
def test_outcomes_that_are_nothing_but_effects_of_villages_and_years_leave_no_rounding_that_passes_for_an_effect(
    estimator: Any, y: Any
) -> None:
    estimate = estimator(design(FRAME.assign(y=y)))
    shown = (estimate.cells["kind"] != "cell_share").to_numpy()
    assert not estimate.theta[shown].any() and not estimate.psi[:, shown].any()


def test_on_a_repeated_cross_section_cohorts_stand_in_for_units() -> None:
    frame = households(600)
    frame["group"] = np.arange(len(frame)) % 7
    estimate = Imputation()(design(frame, unit=None))
    clean = (frame["start"] == 0) | (frame["year"] < frame["start"])
    Z = dummies(frame.assign(village=frame["start"]))
    tau = frame["y"] - Z @ np.linalg.lstsq(Z[clean], frame["y"][clean].to_numpy(), rcond=None)[0]
    inside = (frame["start"] == 2014) & (frame["year"] == 2016)
    assert effect(estimate, 2014, 2016) == pytest.approx(tau[inside].mean(), rel=1e-9)


def test_units_never_seen_untreated_are_left_out_and_counted() -> None:
    frame = pd.concat([FRAME, FRAME[FRAME["start"] == 2014].assign(village=lambda f: f["village"] + 5000, start=2012)])
    plain, more = Imputation()(design()), Imputation()(design(frame))
    np.testing.assert_allclose(plain.select(kind="group_time").theta, more.select(kind="group_time").theta, rtol=1e-10)
    facts = codes(more)["NEVER_SEEN_UNTREATED"]
    assert (facts["units"], facts["rows"], facts["cohorts"]) == (40, 240, [2012])


def test_years_in_which_nobody_is_untreated_are_left_out_and_named() -> None:
    estimate = Imputation()(design(villages(starts=(2014, 2016), units=60)))
    assert set(estimate.cells["period"]) == {2014, 2015}
    facts = codes(estimate)["NOBODY_UNTREATED"]
    assert facts["periods"] == [2016, 2017] and facts["cohorts"] == [2014, 2016] and facts["rows"] == 120


def test_rows_of_a_year_that_nobody_links_with_the_years_before_are_left_out() -> None:
    frame = villages(starts=(0, 2014), units=60)
    treated = frame["start"] > 0
    # The untreated of 2016 and 2017 are other villages than those of earlier years.
    others = frame.assign(village=np.where(~treated & (frame["year"] >= 2016), frame["village"] + 5000, frame["village"]))
    estimate = Imputation()(design(others, unbalanced="pairwise"))
    assert set(estimate.cells["period"]) == {2014, 2015}
    assert codes(estimate)["NOT_LINKED"]["periods"] == [2016, 2017]


def test_covariates_that_never_vary_are_absorbed_and_named() -> None:
    plain, more = Imputation()(design()), Imputation()(design(covariates=["share"]))
    np.testing.assert_array_equal(plain.theta, more.theta)
    assert codes(more)["ABSORBED_COVARIATES"] == {"columns": ["share"]}


def test_effects_that_grow_are_found_where_two_way_effects_are_off_and_intervals_cover() -> None:
    found, covered, two_way = [], [], []
    frame = villages(units=90, starts=(0, 2014, 2015))
    since = np.where(frame["start"] > 0, frame["year"] - frame["start"], -1)
    gain = np.where(since >= 0, 0.1 + 0.1 * since, 0.0)
    truth = gain[since >= 0].mean()
    generator = np.random.default_rng(11)
    for _ in range(120):
        y = gain + frame["village"] % 10 + generator.normal(0, 0.3, len(frame))
        made = design(frame.assign(y=y))
        table = ek.infer(ek.aggregate(Imputation()(made), by="overall"))
        found.append(table["estimate"][0])
        covered.append(table["conf_low"][0] <= truth <= table["conf_high"][0])
        two_way.append(ek.TwoWay()(made).theta[0])
    assert abs(np.mean(found) - truth) < 0.015  # three standard errors of the mean
    assert abs(np.mean(two_way) - truth) > 0.04
    assert 0.9 <= np.mean(covered) <= 1.0


def with_one_covariate(values: Any) -> pd.DataFrame:
    return FRAME.assign(own=values)


TREATED = (FRAME["start"] > 0) & (FRAME["year"] >= FRAME["start"])


@pytest.mark.parametrize("estimator", [Imputation(), TwoStage()])
@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (FRAME, {"comparison": "never_treated"}, "compares with every row not yet covered.*comparison='not_yet_treated'"),
        (FRAME, {"base": "varying"}, "base='varying' has no meaning"),
        (
            with_one_covariate(np.where(TREATED, FRAME["rain"], 0.0)),
            {"covariates": ["own"]},
            "'own' do not vary in untreated rows",
        ),
        (with_one_covariate(2 * FRAME["rain"] + FRAME["year"]), {"covariates": ["rain", "own"]}, "not apart from each other"),
        (
            FRAME[(FRAME["year"] > 2014) | (FRAME["start"] != 2014)].assign(start=lambda f: f["start"].replace(2016, 0)),
            {"unbalanced": "pairwise"},
            "No treated row has a counterfactual",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    estimator: Any, frame: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        estimator(design(frame, **choices))


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ({"shares": "some"}, "There is no choice of shares 'some'"),
        ({"pretrend_periods": -1}, "pretrend_periods counts periods"),
        ({"pretrend_periods": 1.5}, "pretrend_periods counts periods"),
        ({"pretrend_periods": "2"}, "pretrend_periods counts periods.*not '2'"),
        ({"pretrend_periods": True}, "pretrend_periods counts periods.*not True"),
    ],
)
def test_a_specification_without_meaning_is_refused(specification: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Imputation(**specification)


@pytest.mark.parametrize(
    ("specification", "frame", "message"),
    [
        ({"pretrend_periods": 7}, FRAME, r"seen at 4 clean event times .*\(-1, -2, -3, -4\)\. Choose pretrend_periods up to 4"),
        ({"pretrend_periods": 3}, villages(units=60, starts=(2014, 2015)), "cannot be told from unit and period effects"),
        ({"treated_weight": "chosen"}, FRAME.assign(chosen=-1.0), r"negative in 240 treated rows: \d+ \(201\d\)"),
        ({"treated_weight": "chosen"}, FRAME.assign(chosen=np.nan), "missing or negative in 240 treated rows"),
        ({"treated_weight": "chosen"}, FRAME.assign(chosen=0.0), "No treated row has a weight"),
    ],
)
def test_a_specification_that_the_data_do_not_allow_is_refused(
    specification: dict[str, Any], frame: pd.DataFrame, message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Imputation(**specification)(design(frame))


def test_a_weight_of_treated_rows_need_not_be_there_in_untreated_ones() -> None:
    chosen = FRAME.assign(chosen=np.where(TREATED, 1.0, np.nan))
    np.testing.assert_allclose(Imputation(treated_weight="chosen")(design(chosen)).theta, Imputation()(design()).theta, rtol=1e-12)


@pytest.mark.parametrize("code", ["NEVER_SEEN_UNTREATED", "NOBODY_UNTREATED", "NOT_LINKED", "TREATED_ROWS_WITHOUT_WEIGHT"])
def test_both_languages_say_what_was_left_out_with_the_same_facts(code: str) -> None:
    sentences = [catalogue(lang).sentences[f"estimator_notice.{code}"] for lang in ("en", "zh")]
    assert placeholders(sentences[0]) == placeholders(sentences[1])
