"""Local projections: one horizon at a time by hand, the same as other estimators where they must be, covariates and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from worlds import YEARS, households, villages, with_gaps

import evalkit as ek
from evalkit.estimators.local_projections import LocalProjections
from evalkit.estimators.stacked import Stacked
from evalkit.inference.linear import covariance

FRAME = villages(units=90, starts=(0, 2014, 2015, 2017))


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", weight=weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def by_event(estimate: ek.Estimate) -> dict[int, float]:
    path = estimate.select(kind="event_time")
    return {int(e): float(t) for e, t in zip(path.cells["event_time"], path.theta, strict=True)}


def four_villages() -> pd.DataFrame:
    """Return a table that can be worked with a pencil: one village starts in 2003, two in 2004, one never."""
    income = {
        ("a", 2003): [10, 12, 16, 18, 21],
        ("b", 2004): [20, 21, 22, 27, 31],
        ("c", 2004): [30, 31, 33, 36, 40],
        ("d", 0): [5, 6, 7, 8, 10],
    }
    rows = [(v, s, 2001 + i, y) for (v, s), values in income.items() for i, y in enumerate(values)]
    return pd.DataFrame(rows, columns=["village", "start", "year", "y"]).astype({"y": float})


# a at once: 4 less (1 + 2 + 1)/3; a later: 6 less 2 (only d is clean in 2004).  b, c at once: (5 + 3)/2 less 1; later: (9 + 7)/2 less 3.
AT_ONCE, LATER = (4 - 4 / 3, 3.0), (4.0, 5.0)
# Two years before the start: a: -2 less (-1 - 1 - 1)/3; b, c: (-1 - 2)/2 less -1.
BEFORE = (-1.0, -0.5)


def test_reweighted_every_treated_village_counts_once() -> None:
    estimate = LocalProjections(before=2, after=1)(design(four_villages()))
    means = {e: (a + 2 * bc) / 3 for e, (a, bc) in ((-2, BEFORE), (0, AT_ONCE), (1, LATER))}
    assert by_event(estimate) == pytest.approx(means | {-1: 0.0})
    assert estimate.select(kind="average").theta[0] == pytest.approx((means[0] + means[1]) / 2)
    assert estimate.cells.query("reference")["event_time"].to_list() == [-1]


def test_otherwise_starts_count_by_treated_times_clean_over_all() -> None:
    path = by_event(LocalProjections(before=2, after=1, reweighted=False)(design(four_villages())))
    a, bc = 1 * 3 / 4, 2 * 1 / 3
    assert path[0] == pytest.approx((a * AT_ONCE[0] + bc * AT_ONCE[1]) / (a + bc))
    a = 1 * 1 / 2  # a year later b and c are treated
    assert path[1] == pytest.approx((a * LATER[0] + bc * LATER[1]) / (a + bc))


def test_changes_can_be_measured_from_the_mean_before_the_start() -> None:
    """At once a gains 16 - 11 = 5 less (22-20.5 + 33-30.5 + 7-5.5)/3 = 11/6; b and c 27-21 and 36-94/3, less 8-6."""
    estimate = LocalProjections(before=1, after=0, base="mean")(design(four_villages()))
    a, bc = 5 - 5.5 / 3, (6 + 36 - 94 / 3) / 2 - 2
    assert by_event(estimate)[0] == pytest.approx((a + 2 * bc) / 3)
    assert by_event(estimate)[-1] != 0 and not estimate.cells["reference"].any()
    two = LocalProjections(before=1, after=0, base=2)(design(four_villages()))
    bc = (27 - 21.5 + 36 - 32) / 2 - (8 - 6.5)
    assert by_event(two)[0] == pytest.approx((a + 2 * bc) / 3)


def test_one_period_of_base_is_the_last() -> None:
    one, last = (LocalProjections(base=base)(design()) for base in (1, "last"))
    assert one.theta.tobytes() == last.theta.tobytes() and one.psi.tobytes() == last.psi.tobytes()


def test_a_fixed_composition_does_without_cohorts_not_seen_to_the_end() -> None:
    """Seen for two years after its first, only a is left; b and c are no comparison either, being treated by then."""
    estimate = LocalProjections(before=1, after=2, composition="fixed")(design(four_villages()))
    assert by_event(estimate) == pytest.approx({-1: 0, 0: 4 - 1, 1: 6 - 2, 2: 9 - 4})
    facts = {n.code: n.facts for n in estimate.notices}["COHORTS_NOT_SEEN_THROUGHOUT"]
    assert facts == {"cohorts": [2004], "units": 2, "after": 2}


def test_a_cohort_not_seen_to_the_end_of_a_fixed_composition_is_no_comparison_either() -> None:
    """2017 is clean throughout the window of 2014, and still leaves: its own window is not seen (R's lpdid)."""
    ours = LocalProjections(before=1, after=2, composition="fixed")(design())
    without = LocalProjections(before=1, after=2, composition="fixed")(design(FRAME[FRAME["start"] != 2017]))
    np.testing.assert_allclose(ours.theta, without.theta, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("frame", "choices"),
    [
        (FRAME, {}),
        (FRAME, {"comparison": "never_treated"}),
        (FRAME, {"anticipation": 1}),
        (FRAME, {"weight": "households"}),
        (villages(units=90, starts=(2014, 2015, 2017)), {}),
        (FRAME[FRAME["year"] != 2016], {}),
        (FRAME[~FRAME["year"].isin([2013, 2015])], {}),
    ],
)
def test_reweighted_it_is_callaway_and_santanna_by_event_time(frame: pd.DataFrame, choices: dict[str, Any]) -> None:
    theirs = ek.aggregate(ek.GroupTime()(design(frame, **choices)), by="event_time")
    ours = LocalProjections()(design(frame, **choices))
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-10, atol=1e-13)
    for column in ("kind", "event_time", "units", "reference"):
        assert ours.cells[column].equals(theirs.cells[column]), column


def test_errors_of_both_differ_only_by_how_cohort_effects_that_differ_enter() -> None:
    """A single cohort has no other to differ from: the two influence functions are then one."""
    frame = villages(units=90, starts=(0, 2014))
    theirs = ek.aggregate(ek.GroupTime()(design(frame)), by="event_time")
    ours = LocalProjections()(design(frame))
    np.testing.assert_allclose(ours.psi, theirs.psi, rtol=1e-9, atol=1e-10)


def test_weights_of_rows_are_read_in_the_earlier_of_the_two_periods_as_group_time_effects_read_them() -> None:
    frame = villages(units=90, starts=(0, 2014))
    theirs = ek.aggregate(ek.GroupTime()(design(frame, "sampled")), by="event_time")
    np.testing.assert_allclose(LocalProjections()(design(frame, "sampled")).theta, theirs.theta, rtol=1e-10, atol=1e-13)


def laid_out(event: int, frame: pd.DataFrame = FRAME) -> pd.DataFrame:
    """Return the rows of the regression at one event time: change, switch, covariates in the year of the switch."""
    wide = frame.pivot(index="village", columns="year", values="y")
    own = frame.set_index(["village", "year"])
    start = frame.groupby("village")["start"].first().replace(0, np.inf)
    rows = []
    for year in YEARS[1:]:
        if year + event not in YEARS:
            continue
        for village in wide.index[(start == year) | (start > year + max(event, 0))]:
            change = wide.at[village, year + event] - wide.at[village, year - 1]
            rows.append((village, year, change, start[village] == year, *own.loc[(village, year), ["share", "rain", "households"]]))
    return pd.DataFrame(rows, columns=["village", "year", "change", "switch", "share", "rain", "households"])


@pytest.mark.parametrize("event", [-2, 0, 2])
def test_covariates_stand_in_the_regression_of_every_event_time(event: int) -> None:
    rows = laid_out(event)
    periods = pd.get_dummies(rows["year"], dtype=float).to_numpy()
    X = np.column_stack([rows["switch"], rows[["share", "rain"]], periods]).astype(float)
    fit = sm.WLS(rows["change"].to_numpy(), X, weights=rows["households"]).fit(
        cov_type="cluster", cov_kwds={"groups": rows["village"], "use_correction": False}
    )
    choices = {"covariates": ["share", "rain"], "weight": "households"}
    ours = LocalProjections(reweighted=False)(design(**choices)).select(kind="event_time", event_time=event)
    assert ours.theta[0] == pytest.approx(fit.params[0], rel=1e-9)
    assert covariance(ours, correction="none").std_error[0] == pytest.approx(fit.bse[0], rel=1e-8)


@pytest.mark.parametrize("event", [-2, 0, 2])
def test_reweighted_covariates_predict_from_the_clean_what_the_treated_would_have_done(event: int) -> None:
    rows = laid_out(event)
    periods = pd.get_dummies(rows["year"], dtype=float).to_numpy()
    X, treated = np.column_stack([rows[["share", "rain"]], periods]).astype(float), rows["switch"].to_numpy(bool)
    clean = sm.WLS(rows["change"][~treated].to_numpy(), X[~treated], weights=rows["households"][~treated]).fit()
    expected = np.average(rows["change"][treated] - clean.predict(X[treated]), weights=rows["households"][treated])
    choices = {"covariates": ["share", "rain"], "weight": "households"}
    ours = LocalProjections()(design(**choices)).select(kind="event_time", event_time=event)
    assert ours.theta[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("village", [100, 140, 189])
def test_influence_given_covariates_is_what_a_little_more_of_a_village_changes(village: int) -> None:
    """The contribution of a village to the error is the derivative of the estimate by its weight, covariates fitted anew."""

    def estimate(more: float) -> ek.Estimate:
        frame = FRAME.assign(count=1.0 + more * (FRAME["village"] == village))
        return LocalProjections()(design(frame, "count", covariates=["share", "rain"]))

    derivative = (estimate(1e-5).theta - estimate(-1e-5).theta) / 2e-5
    whole = estimate(0.0)
    contribution = whole.psi[whole.rows["village"] == village][0] / len(whole.rows)
    np.testing.assert_allclose(contribution, derivative, rtol=1e-6, atol=1e-9)


def test_with_covariates_that_explain_growth_the_effect_is_found_and_without_them_missed() -> None:
    """No noise: villages grow with their rain, and it rains where treatment starts. The effect is 1 for all."""
    started = FRAME["start"] == FRAME["year"]
    rain = FRAME["village"] * 7919 % 101 / 50 + FRAME["year"] * FRAME["village"] % 13 / 5 + 2.0 * started
    level = (0.3 * rain).groupby(FRAME["village"]).cumsum()
    frame = FRAME.assign(rain=rain, y=level + FRAME["year"] % 5 + 1.0 * ((FRAME["start"] > 0) & (FRAME["year"] >= FRAME["start"])))
    for reweighted in (True, False):
        given = LocalProjections(before=1, after=0, reweighted=reweighted)(design(frame, covariates=["rain"]))
        plain = LocalProjections(before=1, after=0, reweighted=reweighted)(design(frame))
        assert by_event(given)[0] == pytest.approx(1.0, abs=1e-9)
        assert by_event(plain)[0] > 1.2


@pytest.mark.parametrize("reweighted", [True, False])
def test_covariates_in_yuan_stand_beside_shares(reweighted: bool) -> None:
    """A gross product of 10^11 yuan varies 10^10 times as much as a share, and neither is collinear for it."""
    small, large = (FRAME.assign(product=size * (1 + FRAME["rain"] / 10)) for size in (1.0, 1e11))
    one, other = (
        LocalProjections(reweighted=reweighted)(design(frame, covariates=["product", "share"])) for frame in (small, large)
    )
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(other.psi, one.psi, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("reweighted", [True, False])
def test_only_the_covariates_that_cannot_be_told_apart_are_named(reweighted: bool) -> None:
    price = FRAME.assign(price=FRAME["year"].map(dict(zip(YEARS, (0.1, 0.3, 0.2, 0.6, 0.5, 0.7), strict=True))))
    with pytest.raises(ek.DesignError, match=r"Covariates price are collinear at event time -5.*before=, after="):
        LocalProjections(reweighted=reweighted)(design(price, covariates=["share", "price", "rain"]))


def test_a_number_of_periods_from_an_array_is_a_base() -> None:
    assert LocalProjections(base=np.int64(2))(design()).theta.tobytes() == LocalProjections(base=2)(design()).theta.tobytes()


@pytest.mark.parametrize("estimator", [LocalProjections(), Stacked(before=1, after=0)])
def test_behind_the_reference_stand_the_treated_seen_in_it(estimator: Any) -> None:
    """Nobody of 2015, and half of 2014, is seen in the year before the start."""
    gone = (FRAME["year"] == FRAME["start"] - 1) & (
        (FRAME["start"] == 2015) | ((FRAME["start"] == 2014) & (FRAME["village"] % 2 == 1))
    )
    frame = FRAME[~gone & (FRAME["start"] != 2017)]
    seen = frame[(frame["year"] == frame["start"] - 1)]["village"].nunique()
    cells = estimator(design(frame, unbalanced="pairwise")).cells
    assert cells.loc[cells["reference"], "units"].to_list() == [seen]


def test_event_times_beyond_the_data_are_not_shown_and_named() -> None:
    estimate = LocalProjections(before=2, after=5)(design())
    assert list(by_event(estimate)) == [-2, -1, 0, 1, 2, 3]
    assert [n.facts for n in estimate.notices if n.code == "EVENT_TIMES_NOT_ESTIMATED"] == [{"event_times": [4, 5]}]
    assert not [n for n in LocalProjections()(design()).notices if n.code == "EVENT_TIMES_NOT_ESTIMATED"]


def test_cells_that_cannot_be_compared_are_left_out_and_named() -> None:
    gone = FRAME[~((FRAME["start"] == 2015) & (FRAME["year"] == 2016))]
    for covariates in ([], ["share"]):
        estimate = LocalProjections()(design(gone, unbalanced="pairwise", covariates=covariates))
        assert [n.facts for n in estimate.notices if n.code == "CELLS_NOT_ESTIMATED"] == [{"cells": ["2015 in 2016"]}]


def test_where_rows_are_missing_an_event_time_uses_the_villages_seen_then_and_in_the_base() -> None:
    frame = with_gaps(FRAME)
    wide = frame.pivot(index="village", columns="year", values="y")
    start = frame.groupby("village")["start"].first().replace(0, np.inf)
    effects, counts = [], []
    for cohort in (2014, 2015):
        change = (wide[cohort + 2] - wide[cohort - 1]).dropna()
        own = start[change.index]
        effects.append(change[own == cohort].mean() - change[own > cohort + 2].mean())
        counts.append((own == cohort).sum())
    estimate = LocalProjections()(design(frame, unbalanced="pairwise"))
    assert by_event(estimate)[2] == pytest.approx(np.average(effects, weights=counts))
    assert estimate.select(kind="event_time", event_time=2).cells["units"].item() == sum(counts)


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (FRAME, {"base": "varying"}, "base='varying' has no meaning.*base='universal'"),
        (FRAME, {"rows": "observation"}, "compares whole units"),
        (FRAME.assign(twice=2 * FRAME["share"]), {"covariates": ["share", "twice"]}, "share, twice are collinear.*event time"),
        (with_gaps(FRAME), {"unbalanced": "repeated_cross_section"}, "follows the same units"),
        (households(rows=400), {"unit": None}, "follows the same units"),
        (villages(units=60, starts=(0, 2012)), {}, "None of the 30 treated units is seen before"),
    ],
)
@pytest.mark.parametrize("reweighted", [True, False])
def test_what_cannot_be_projected_is_refused_with_the_reason(
    frame: pd.DataFrame, choices: dict[str, Any], message: str, reweighted: bool
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        LocalProjections(reweighted=reweighted)(design(frame, **choices))


def test_a_window_that_no_cohort_is_seen_to_the_end_of_is_refused() -> None:
    with pytest.raises(ek.DesignError, match=r"No cohort is seen for 5 periods.*composition='all'"):
        LocalProjections(after=5, composition="fixed")(design())
    with pytest.raises(ek.DesignError, match="No event time from 0 on can be estimated"):
        LocalProjections(base=6)(design())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"composition": "fix"}, "Did you mean 'fixed'"),
        ({"base": "means"}, "Did you mean 'mean'"),
        ({"base": 0}, "base=0 is no base.*how many"),
        ({"base": 2.5}, "base=2.5 is no base"),
        ({"base": True}, "base=True is no base"),
        ({"base": None}, "base=None is no base"),
        ({"before": 0}, "before=0 is no number of periods"),
        ({"after": -2}, "after=-2 is no number of periods"),
    ],
)
def test_a_specification_without_meaning_is_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        LocalProjections(**fields)
