"""Stacked differences: sub-experiments by hand, the regression with all its dummies, and who leaves."""

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


def design(frame: pd.DataFrame, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", weight=weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def five_villages() -> pd.DataFrame:
    """Return a table that can be worked with a pencil: one village starts in 2003, two in 2005, two never."""
    income = {
        ("a", 2003): [10, 10, 16, 18, 18, 18],
        ("b", 2005): [20, 21, 22, 23, 30, 31],
        ("c", 2005): [30, 31, 32, 35, 40, 41],
        ("d", 0): [5, 6, 7, 8, 9, 10],
        ("e", 0): [7, 7, 9, 9, 11, 11],
    }
    rows = [(v, s, 2001 + i, y) for (v, s), values in income.items() for i, y in enumerate(values)]
    return pd.DataFrame(rows, columns=["village", "start", "year", "y"]).astype({"y": float})


def by_event(estimate: ek.Estimate) -> dict[int, float]:
    path = estimate.select(kind="event_time")
    return {int(e): float(t) for e, t in zip(path.cells["event_time"], path.theta, strict=True)}


# Changes from the year before the start, less those of villages clean to the end of the window (one year after the first):
# a: 6 - (1+1+1+2)/4 = 4.75 at once, 8 - (2+4+2+2)/4 = 5.5 a year later;  b, c: (7+5)/2 - (1+2)/2 = 4.5, (8+6)/2 - (2+2)/2 = 5.
AT_ONCE, LATER = (4.75, 4.5), (5.5, 5.0)


def test_weighted_every_treated_village_counts_once() -> None:
    estimate = Stacked(before=1, after=1)(design(five_villages()))
    expected = {-1: 0.0, 0: (AT_ONCE[0] + 2 * AT_ONCE[1]) / 3, 1: (LATER[0] + 2 * LATER[1]) / 3}
    assert by_event(estimate) == pytest.approx(expected)
    assert estimate.select(kind="overall").theta[0] == pytest.approx((expected[0] + expected[1]) / 2)
    assert estimate.cells["units"].to_list() == [3, 3, 3, 3]


def test_unweighted_sub_experiments_count_by_treated_times_clean_over_all() -> None:
    a, bc = 1 * 4 / 5, 2 * 2 / 4
    estimate = Stacked(before=1, after=1, weights="none")(design(five_villages()))
    expected = {e: (a * one + bc * two) / (a + bc) for e, (one, two) in ((0, AT_ONCE), (1, LATER))}
    assert by_event(estimate) == pytest.approx({-1: 0.0, **expected})


def test_a_village_about_to_start_is_no_clean_comparison() -> None:
    """With two years after the first, b and c start within the window of a, and are not seen to the end of their own."""
    estimate = Stacked(before=1, after=2)(design(five_villages()))
    assert by_event(estimate) == pytest.approx({-1: 0, 0: 6 - 1.5, 1: 8 - 2, 2: 8 - 3.5})
    facts = {n.code: n.facts for n in estimate.notices}["COHORTS_OUTSIDE_WINDOW"]
    assert facts == {"cohorts": [2005], "units": 2, "before": 1, "after": 2, "first_period": 2001, "last_period": 2006}


def test_where_all_are_treated_windows_end_before_the_last_cohort_starts() -> None:
    frame = villages(units=90, starts=(2014, 2015, 2017))
    estimate = Stacked(before=1, after=2)(design(frame))
    wide = frame.pivot(index="village", columns="year", values="y")
    start = frame.groupby("village")["start"].first()
    change = wide[2015] - wide[2013]
    assert by_event(estimate)[1] == pytest.approx(change[start == 2014].mean() - change[start == 2017].mean())
    facts = {n.code: n.facts for n in estimate.notices}["COHORTS_OUTSIDE_WINDOW"]
    assert (facts["cohorts"], facts["last_period"]) == ([2015], 2016)


def test_cells_that_cannot_be_compared_are_left_out_and_named() -> None:
    frame = villages(units=90, starts=(0, 2014, 2015))[lambda f: ~((f["start"] == 2015) & (f["year"] == 2016))]
    estimate = Stacked(before=1, after=1)(design(frame, unbalanced="pairwise"))
    assert [n.facts for n in estimate.notices if n.code == "CELLS_NOT_ESTIMATED"] == [{"cells": ["2015 in 2016"]}]
    assert estimate.cells["units"].to_list()[:3] == [60, 60, 30]


def test_without_a_window_it_is_the_widest_that_no_cohort_leaves() -> None:
    frame = villages(units=90, starts=(0, 2014, 2015))
    estimate = Stacked()(design(frame))
    assert list(by_event(estimate)) == [-2, -1, 0, 1, 2]
    assert not [n for n in estimate.notices if n.code.startswith("COHORTS")]
    assert list(by_event(Stacked()(design(frame, anticipation=1)))) == [-2, -1, 0, 1, 2]


FRAME = villages(units=60, starts=(0, 2014, 2015, 2016))


def laid_out(frame: pd.DataFrame, before: int, after: int) -> pd.DataFrame:
    """Return the stacked rows: every sub-experiment with its treated and clean villages, and Wing's weights."""
    start = frame["start"].replace(0, np.inf)
    stacks = []
    for cohort in sorted(c for c in frame["start"].unique() if c and c - before >= YEARS[0] and c + after <= YEARS[-1]):
        inside = frame["year"].between(cohort - before, cohort + after) & ((start == cohort) | (start > cohort + after))
        stack = frame[inside].assign(stack=cohort, event=lambda f, c=cohort: f["year"] - c)
        stacks.append(stack.assign(D=(stack["start"] == cohort).astype(float)))
    stacked = pd.concat(stacks, ignore_index=True)
    size = stacked.groupby(["stack", "D"])["w"].sum().unstack()
    share = size / size.sum()
    corrective = (share[1.0] / share[0.0])[stacked["stack"]].to_numpy()
    return stacked.assign(Q=np.where(stacked["D"] == 1, 1.0, corrective))


@pytest.mark.parametrize("weights", ["wing", "none"])
@pytest.mark.parametrize("weight", [None, "households"])
def test_it_is_the_regression_of_the_stacked_rows_on_all_dummies(weights: str, weight: str | None) -> None:
    stacked = laid_out(FRAME.assign(w=1.0 if weight is None else FRAME["households"]), 2, 1)
    events = [-2, 0, 1]
    effects = [stacked["D"] * (stacked["event"] == e) for e in events]
    stacks = stacked["stack"].unique()
    periods = [((stacked["stack"] == s) & (stacked["event"] == e)).astype(float) for s in stacks for e in events]
    units = pd.get_dummies(stacked["stack"].astype(str) + "-" + stacked["village"].astype(str), dtype=float).to_numpy()
    q = stacked["w"] * (stacked["Q"] if weights == "wing" else 1.0)
    fit = sm.WLS(stacked["y"].to_numpy(), np.column_stack([*effects, *periods, units]), weights=q).fit(
        cov_type="cluster", cov_kwds={"groups": stacked["village"], "use_correction": False}
    )
    estimate = Stacked(before=2, after=1, weights=weights)(design(FRAME, weight))
    ours = estimate.select(~estimate.cells["reference"].to_numpy(), kind="event_time")
    np.testing.assert_allclose(ours.theta, fit.params[:3], rtol=1e-8)
    np.testing.assert_allclose(covariance(ours, correction="none").matrix, fit.cov_params()[:3, :3], rtol=1e-7, atol=1e-12)
    # fixest counts the rows, the coefficients and the effects of periods; those of villages are nested in the clusters.
    N, K, G = len(stacked), 3 + 4 * len(stacks), stacked["village"].nunique()
    assert covariance(estimate).factor == pytest.approx((N - 1) / (N - K) * G / (G - 1), rel=1e-12)
    assert covariance(estimate).degrees == G - 1


def test_with_the_corrective_weights_dummies_of_treated_and_event_time_give_the_same_effects() -> None:
    """The regression of Wing, Freedman & Hollingsworth (2024), without effects of villages."""
    stacked = laid_out(FRAME.assign(w=1.0), 2, 1)
    events = [-2, 0, 1]
    E = np.column_stack([stacked["event"] == e for e in events]).astype(float)
    D = stacked["D"].to_numpy()
    fit = sm.WLS(stacked["y"], np.column_stack([E * D[:, None], E, D, np.ones(len(D))]), weights=stacked["Q"]).fit()
    ours = by_event(Stacked(before=2, after=1)(design(FRAME)))
    np.testing.assert_allclose([ours[e] for e in events], fit.params[:3], rtol=1e-8)


def test_units_outside_every_sub_experiment_are_no_clusters() -> None:
    frame = villages(units=60, starts=(0, 2012, 2014, 2017))
    estimate = Stacked(before=2, after=1)(design(frame))
    stacked = laid_out(frame.assign(w=1.0), 2, 1)
    assert covariance(estimate).degrees == stacked["village"].nunique() - 1 < 59


def test_effects_that_differ_are_averaged_over_the_treated_only_with_the_corrective_weights() -> None:
    """No noise: early starters gain 1, late ones 3. There are twice as many late ones, and fewer clean villages for them."""
    frame = five_villages()
    growth = frame["year"] ** 2 % 7
    gain = np.where(frame["start"] == 2003, 1.0, 3.0) * ((frame["start"] > 0) & (frame["year"] >= frame["start"]))
    frame["y"] = frame["village"].map(dict(zip("abcde", (3, 1, 4, 1, 5), strict=True))) + growth + gain
    wing, unweighted = (Stacked(before=1, after=1, weights=w)(design(frame)) for w in ("wing", "none"))
    assert by_event(wing) == pytest.approx({-1: 0, 0: (1 + 2 * 3) / 3, 1: (1 + 2 * 3) / 3})
    assert by_event(unweighted)[0] == pytest.approx((0.8 * 1 + 1.0 * 3) / 1.8)


def test_it_is_the_local_projection_of_a_fixed_composition() -> None:
    frame = villages(units=90, starts=(0, 2014, 2015))
    for weights, reweighted in (("none", False), ("wing", True)):
        stacked = Stacked(before=2, after=2, weights=weights)(design(frame))
        projected = LocalProjections(before=2, after=2, reweighted=reweighted, composition="fixed")(design(frame))
        np.testing.assert_allclose(stacked.theta, projected.theta, rtol=1e-10, atol=1e-14)
        if not reweighted:
            np.testing.assert_allclose(stacked.psi, projected.psi, rtol=1e-8, atol=1e-10)


def test_where_rows_are_missing_an_event_time_uses_the_villages_seen_then_and_before_the_start() -> None:
    frame = with_gaps(villages(units=90, starts=(0, 2014, 2015)))
    wide = frame.pivot(index="village", columns="year", values="y")
    start = frame.groupby("village")["start"].first().replace(0, np.inf)
    effects, counts = [], []
    for cohort in (2014, 2015):
        change = (wide[cohort + 1] - wide[cohort - 1]).dropna()
        own = start[change.index]
        effects.append(change[own == cohort].mean() - change[own > cohort + 1].mean())
        counts.append((own == cohort).sum())
    estimate = Stacked(before=1, after=1)(design(frame, unbalanced="pairwise"))
    assert by_event(estimate)[1] == pytest.approx(np.average(effects, weights=counts))
    assert estimate.select(event_time=1).cells["units"].item() == sum(counts)


def test_anticipation_moves_the_reference_back_and_asks_more_of_the_comparison() -> None:
    frame = villages(units=90, starts=(0, 2014, 2016))
    estimate = Stacked(before=2, after=1)(design(frame, anticipation=1))
    wide = frame.pivot(index="village", columns="year", values="y")
    start = frame.groupby("village")["start"].first()
    change = {g: wide[g] - wide[g - 2] for g in (2014, 2016)}
    expected = np.mean([change[g][start == g].mean() - change[g][start == 0].mean() for g in (2014, 2016)])
    assert by_event(estimate)[0] == pytest.approx(expected) and by_event(estimate)[-2] == 0


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (FRAME, {"covariates": ["share"]}, "takes no covariates"),
        (with_gaps(FRAME), {"unbalanced": "repeated_cross_section"}, "follows the same units"),
        (households(rows=400), {"unit": None}, "follows the same units"),
        (FRAME, {"base": "varying"}, "base='varying' has no meaning.*base='universal'"),
        (FRAME, {"rows": "observation"}, "compares whole units"),
        (FRAME, {"anticipation": 2}, "before=2 leaves no clean period.*before=3"),
        (villages(units=60, starts=(0, 2017)), {}, "No cohort has a sub-experiment from 2 periods.*shorter window"),
        (villages(units=60, starts=(0, 2012)), {}, "None of the 30 treated units is seen before"),
    ],
)
def test_what_cannot_be_stacked_is_refused_with_the_reason(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Stacked(before=2, after=1)(design(frame, **choices))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "wings"}, "Did you mean 'wing'"),
        ({"before": 0}, "before=0 is no number of periods: before counts 1, 2, 3"),
        ({"after": -1}, "after=-1 is no number of periods"),
        ({"after": 1.5}, "after=1.5 is no number of periods"),
        ({"after": float("nan")}, "after=nan is no number of periods"),
        ({"before": "2"}, "before='2' is no number of periods"),
        ({"before": 2.0}, "before=2.0 is no number of periods"),
        ({"before": True}, "before=True is no number of periods"),
    ],
)
def test_a_specification_without_meaning_is_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Stacked(**fields)


def test_a_year_missing_from_the_data_takes_the_cohorts_around_it_out_of_the_stack() -> None:
    frame = villages(units=90, starts=(0, 2014, 2016))[lambda f: f["year"] != 2015]
    estimate = Stacked(before=1, after=0)(design(frame))
    facts = {n.code: n.facts for n in estimate.notices}
    assert facts["COHORTS_OUTSIDE_WINDOW"]["cohorts"] == [2016]
    with pytest.raises(ek.DesignError, match="without a gap"):
        Stacked()(design(frame[frame["start"] != 2014]))


@pytest.mark.parametrize("estimator", [Stacked(), LocalProjections(), LocalProjections(base="mean")])
def test_where_all_change_alike_no_rounding_passes_for_an_effect(estimator: Any) -> None:
    estimate = estimator(design(FRAME.assign(y=0.1 * FRAME["village"] + 0.37 * FRAME["year"])))
    assert not estimate.theta.any() and not estimate.psi.any()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator, covered = np.random.default_rng(11), []
    frame = villages(units=60, starts=(0, 2014, 2015))
    treated = (frame["start"] > 0) & (frame["year"] >= frame["start"])
    for _ in range(200):
        own = generator.normal(0, 1, 60).repeat(6) + generator.normal(0, 1, 6)[frame["year"] - 2012]
        wander = generator.normal(0, 1, (60, 6)).cumsum(axis=1).ravel()
        table = ek.infer(Stacked(before=2, after=2)(design(frame.assign(y=own + wander + 0.5 * treated))).select(kind="overall"))
        covered.append(table["conf_low"].item() <= 0.5 <= table["conf_high"].item())
    assert 0.90 < np.mean(covered) < 0.99
