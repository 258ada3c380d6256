"""Calling an estimator again: without each cluster, on drawn clusters, on units treated on paper."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.synthetic import Synthetic
from evalkit.inference.linear import covariance
from evalkit.inference.replay import bootstrap, placebo, replay
from evalkit.parallel import workers
from evalkit.subset import redrawn


def design(frame: pd.DataFrame, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county", "province"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def one_start(units: int = 60) -> pd.DataFrame:
    return villages(units, (0, 2015))


def test_a_design_on_some_of_its_units_is_the_design_of_their_rows() -> None:
    frame = with_gaps(villages(60)).sample(frac=1, random_state=1)  # rows in any order, some missing
    some = [5, 3, 40, 17, 58, 20, 33]
    whole = design(frame, weight="households", unbalanced="pairwise", covariates=["rain"])
    fewer = redrawn(whole, np.array(some))
    kept = frame[frame["village"].isin(whole.units[some])]
    expected = design(kept, weight="households", unbalanced="pairwise", covariates=["rain"])
    for name in ("y", "x", "w", "cohort", "units", "unit_index", "period_index"):
        np.testing.assert_array_equal(getattr(fewer, name), getattr(expected, name))


def test_a_unit_taken_twice_is_two_units() -> None:
    twice = redrawn(design(one_start()), np.r_[np.arange(60), np.arange(60)])
    assert len(twice.units) == 120 and len(np.unique(twice.units)) == 120
    np.testing.assert_allclose(ek.TwoByTwo()(twice).theta, ek.TwoByTwo()(design(one_start())).theta)


def test_another_start_goes_with_the_unit_it_was_given_for() -> None:
    moved = redrawn(design(one_start()), np.array([7, 2, 9]), np.array([2014, np.inf, 2016]))
    assert dict(zip(moved.units, moved.cohort, strict=True)) == {102: np.inf, 107: 2014, 109: 2016}


@pytest.mark.parametrize("taken", [[0, 60], [-1, 3], [], np.ones(60, dtype=bool)], ids=["beyond", "below", "nobody", "mask"])
def test_what_is_no_position_of_a_unit_is_refused(taken: Any) -> None:
    with pytest.raises(ek.DesignError, match="whole numbers from 0 to 59"):
        redrawn(design(one_start()), taken)


@pytest.mark.parametrize("draws", [-1, 0, 1, 2.5])
def test_fewer_than_two_draws_are_refused(draws: int) -> None:
    with pytest.raises(ek.EstimateError, match="draws is a whole number from 2 on"):
        bootstrap(ek.TwoByTwo(), design(one_start()), draws, seed=1)
    with pytest.raises(ek.EstimateError, match="draws is a whole number from 2 on"):
        placebo(ek.TwoByTwo(), design(villages(60, (0, 0, 0, 2015))), draws, seed=1)


@pytest.mark.parametrize("cluster", [None, "county"])
def test_replayed_influence_is_the_difference_that_leaving_a_cluster_out_makes(cluster: str | None) -> None:
    frame = one_start()
    found = replay(ek.TwoByTwo(), design(frame), cluster)
    key = "village" if cluster is None else cluster
    assert list(found.rows.columns) == [key]
    whole, G = ek.TwoByTwo()(design(frame)).theta, frame[key].nunique()
    for g in (0, 7):
        without = ek.TwoByTwo()(design(frame[frame[key] != found.rows[key][g]])).theta
        np.testing.assert_allclose(found.psi[g], (G - 1) * (whole - without))


def test_its_error_is_the_cluster_jackknife() -> None:
    found = replay(ek.TwoByTwo(), design(one_start()), "county")
    G = 20
    without = found.theta - found.psi / (G - 1)
    by_hand = np.sqrt((G - 1) / G * ((without - found.theta) ** 2).sum())
    table = ek.infer(found)
    assert table["std_error"].iloc[0] == pytest.approx(by_hand, rel=1e-12)
    assert table.loc[0, ["cluster", "clusters", "correction", "reference_distribution"]].tolist() == [
        "county",
        20,
        "clusters",
        "t(19)",
    ]


def test_for_a_smooth_estimator_it_is_close_to_the_analytic_error() -> None:
    whole = design(villages(120))
    analytic = covariance(ek.GroupTime()(whole)).std_error
    replayed = covariance(replay(ek.GroupTime(), whole)).std_error
    np.testing.assert_allclose(replayed, analytic, rtol=0.05)


def test_a_cluster_that_changes_nothing_counts_too() -> None:
    found = replay(lambda d: ek.TwoByTwo()(redrawn(d, np.flatnonzero(d.units >= 110))), design(one_start(40)))
    assert (found.psi[:10] == 0).all() and covariance(found).clusters == 40


def test_an_effect_that_hangs_on_one_cluster_has_no_error_and_says_so() -> None:
    frame = one_start()
    alone = frame[(frame["start"] == 0) | (frame["village"] == frame.loc[frame["start"] > 0, "village"].iloc[0])]
    found = replay(ek.TwoByTwo(), design(alone))
    assert ek.infer(found)["std_error"].isna().all()
    facts = {n.code: n.facts for n in found.notices}["LOST_WITHOUT_CLUSTER"]
    assert facts["parameters"] == 1 and len(facts["clusters"]) == 1 and "No unit is treated" in facts["reason"]


def test_an_average_that_hangs_on_one_cluster_has_no_error_either() -> None:
    """Without the first batch nobody is seen for two years after the start, and the average is refused."""
    frame = villages(30, (0, 2015, 2017))
    early = frame.loc[frame["start"] == 2015, "village"].iloc[0]
    alone = frame[(frame["start"] != 2015) | (frame["village"] == early)]
    found = replay(lambda d: ek.aggregate(ek.GroupTime()(d), by="event_time", balance=2), design(alone))
    facts = {n.code: n.facts for n in found.notices}["LOST_WITHOUT_CLUSTER"]
    assert facts["clusters"] == [str(early)] and "No cohort is seen for 2 periods" in facts["reason"]


def test_cohorts_that_lie_in_one_cluster_are_named_with_it() -> None:
    """Every village of 2017 lies in county 3, none of the other cohort does, so that without county 3 the effect of 2017 is gone."""
    frame = villages(60, (0, 2015))
    frame["start"] = np.where(frame["county"] == frame["county"].unique()[3], 2017, frame["start"])
    found = replay(lambda d: ek.aggregate(ek.GroupTime()(d), by="cohort"), design(frame), "county")
    facts = {n.code: n.facts for n in found.notices}
    county = str(frame["county"].unique()[3])
    assert facts["COHORTS_IN_ONE_CLUSTER"] == {"cohorts": [2017], "clusters": [county]}
    assert facts["LOST_WITHOUT_CLUSTER"]["clusters"] == [county]
    table = ek.infer(found).set_index("cohort")
    assert np.isnan(table.loc[2017, "std_error"]) and table.loc[2015, "std_error"] > 0


def backwards(function: Any, *items: Any) -> list[Any]:
    """Return what map does, run from the last task to the first, each task sent through a pickle as to another process."""
    tasks = list(zip(*items, strict=False))
    return [pickle.loads(pickle.dumps(function))(*task) for task in reversed(tasks)][::-1]


def test_nothing_depends_on_the_order_or_the_process_in_which_tasks_are_run() -> None:
    """Also where draws fail and are drawn again: 8 villages, 2 of them treated, which some draws do not hold."""
    frame = one_start(12)
    few = frame[(frame["start"] == 0) | frame["village"].isin(frame.loc[frame["start"] > 0, "village"].unique()[:2])]
    for one, other in (
        (replay(ek.TwoByTwo(), design(few)), replay(ek.TwoByTwo(), design(few), map=backwards)),
        (bootstrap(ek.TwoByTwo(), design(few), 40, 1), bootstrap(ek.TwoByTwo(), design(few), 40, 1, map=backwards)),
        (placebo(ek.TwoByTwo(), design(few), 9, 1).estimate, placebo(ek.TwoByTwo(), design(few), 9, 1, map=backwards).estimate),
    ):
        np.testing.assert_array_equal(one.psi, other.psi)
        assert one.notices == other.notices


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one() -> None:
    whole = design(one_start(20))
    np.testing.assert_array_equal(replay(ek.TwoByTwo(), whole).psi, replay(ek.TwoByTwo(), whole, map=workers(2)).psi)


def test_draws_that_fail_do_not_change_the_others() -> None:
    """One clustered draw after another from one generator, failures passed over: the first 60 that succeed."""
    frame = one_start(12)
    few = design(frame[(frame["start"] == 0) | frame["village"].isin(frame.loc[frame["start"] > 0, "village"].unique()[:2])])
    generator, theta, failed = np.random.default_rng(1), [], 0
    while len(theta) < 60:
        try:
            theta.append(ek.TwoByTwo()(redrawn(few, generator.integers(0, 8, 8))).theta[0])
        except (ek.DesignError, ek.EstimateError):
            failed += 1
    found = bootstrap(ek.TwoByTwo(), few, 60, seed=1)
    assert len(few.units) == 8 and failed > 0
    np.testing.assert_array_equal(found.psi[:, 0], np.sqrt(60) * (np.array(theta) - np.mean(theta)))
    assert {n.code: n.facts for n in found.notices}["DRAWS_FAILED"]["failed"] == failed


def test_a_single_cluster_cannot_be_left_out_and_an_unknown_one_is_named() -> None:
    with pytest.raises(ek.EstimateError, match="only one cluster"):
        replay(ek.TwoByTwo(), design(one_start().assign(county=1)), "county")
    with pytest.raises(ek.EstimateError, match="only one cluster"):
        bootstrap(ek.TwoByTwo(), design(one_start().assign(county=1)), 9, 1, "county")
    with pytest.raises(ek.EstimateError, match="Did you mean 'county'"):
        replay(ek.TwoByTwo(), design(one_start()), "count")


def test_the_bootstrap_error_is_near_the_analytic_one_and_repeats_with_its_seed() -> None:
    whole = design(one_start(100))
    one, same, other = (bootstrap(ek.TwoByTwo(), whole, 150, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.psi, same.psi)
    assert not np.array_equal(one.psi, other.psi)
    table = ek.infer(one)
    # 150 draws know a standard error to 6 per cent; 100 villages make the two differ by a little more.
    assert table["std_error"].iloc[0] == pytest.approx(covariance(ek.TwoByTwo()(whole)).std_error[0], rel=0.2)
    assert table.loc[0, ["cluster", "clusters"]].tolist() == ["draw", 150]


def test_the_bootstrap_error_is_the_root_mean_squared_deviation_of_draws() -> None:
    found = bootstrap(ek.TwoByTwo(), design(one_start()), 50, seed=3, cluster="county")
    deviations = found.psi[:, 0] / np.sqrt(50)
    assert covariance(found).std_error[0] == pytest.approx(np.sqrt((deviations**2).mean()), rel=1e-12)


def test_draws_that_cannot_be_estimated_are_drawn_again_and_counted() -> None:
    frame = one_start(12)
    few = frame[(frame["start"] == 0) | frame["village"].isin(frame.loc[frame["start"] > 0, "village"].unique()[:2])]
    found = bootstrap(ek.TwoByTwo(), design(few), 60, seed=1)
    facts = {n.code: n.facts for n in found.notices}["DRAWS_FAILED"]
    assert facts["failed"] > 0 and facts["draws"] == 60 and len(found.rows) == 60


def test_a_bootstrap_that_mostly_fails_is_refused() -> None:
    cohorts = design(villages(10, (0, 2014, 2015, 2016, 2017)))
    with pytest.raises(ek.EstimateError, match="More than 20 bootstrap draws failed"):
        bootstrap(lambda d: ek.aggregate(ek.GroupTime()(d), by="cohort"), cohorts, 20, seed=1)


def test_one_treated_village_is_ranked_among_all_that_were_never_treated() -> None:
    frame = one_start(40)
    alone = frame[(frame["start"] == 0) | (frame["village"] == frame.loc[frame["start"] > 0, "village"].iloc[0])]
    whole = design(alone)
    found = placebo(ek.TwoByTwo(), whole)
    change = whole.wide(whole.y)[:, 3:].mean(axis=1) - whole.wide(whole.y)[:, :3].mean(axis=1)
    never = np.flatnonzero(np.isinf(whole.cohort))
    by_hand = [change[j] - change[never[never != j]].mean() for j in never]
    np.testing.assert_allclose(found.draws[:, 0], by_hand, atol=1e-12)
    rank = 1 + (np.abs(by_hand) >= abs(found.table["estimate"][0])).sum()
    assert found.table.loc[0, ["rank", "placebos"]].tolist() == [rank, 20]
    assert found.table["p_value"][0] == pytest.approx(rank / 21)
    error = ek.infer(found.estimate)
    assert error["cluster"][0] == "placebo" and error["std_error"][0] == pytest.approx(np.std(by_hand))


def test_a_rank_does_not_depend_on_the_currency() -> None:
    frame = one_start(40)
    alone = frame[(frame["start"] == 0) | (frame["village"] == frame.loc[frame["start"] > 0, "village"].iloc[0])]
    one, other = (placebo(ek.TwoByTwo(), design(alone.assign(y=scale * alone["y"]))).table for scale in (1.0, 1e-14))
    assert one["rank"][0] == other["rank"][0] < 21


def test_several_batches_are_placed_on_paper_with_their_sizes_and_dates() -> None:
    frame = villages(90, (0, 2014, 2016))
    few = frame[(frame["start"] == 0) | (frame["village"] % 6 == 0)]
    seen = []

    def watched(d: ek.Design) -> ek.Estimate:
        seen.append(sorted(d.cohort[np.isfinite(d.cohort)]))
        return ek.aggregate(Synthetic("did")(d))

    found = placebo(watched, design(few), draws=5, seed=1)
    assert len(found.draws) == 5 and all(starts == seen[0] for starts in seen)
    np.testing.assert_array_equal(found.draws, placebo(watched, design(few), draws=5, seed=1).draws)


@pytest.mark.slow
def test_where_nothing_happened_the_placebo_rank_is_uniform() -> None:
    """80 worlds of exchangeable noise at 10 per cent: Monte Carlo error 3.4."""
    rejected = []
    for seed in range(80):
        y = np.random.default_rng(seed).normal(size=(10, 6))
        frame = pd.DataFrame({"village": np.repeat(np.arange(10), 6), "year": np.tile(np.arange(2012, 2018), 10), "y": y.ravel()})
        frame = frame.assign(start=np.where(frame["village"] == 4, 2015, 0), county=0, province=0)
        rejected.append(placebo(ek.TwoByTwo(), design(frame)).table["p_value"][0] <= 0.10)
    assert 0.01 <= np.mean(rejected) <= 0.21


@pytest.mark.parametrize(
    ("starts", "choices", "message"),
    [
        ((0, 2015), {"draws": 9, "seed": 1}, "cannot stand in"),
        ((0, 0, 0, 2015), {}, "say draws and seed"),
        ((2014, 2016), {"draws": 9, "seed": 1}, "cannot stand in"),
    ],
)
def test_placebos_that_cannot_be_made_are_refused(starts: tuple[int, ...], choices: dict[str, int], message: str) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        placebo(lambda d: ek.aggregate(ek.GroupTime()(d)), design(villages(40, starts)), **choices)


def test_with_one_treated_village_nothing_is_drawn() -> None:
    frame = one_start(20)
    alone = frame[(frame["start"] == 0) | (frame["village"] == frame.loc[frame["start"] > 0, "village"].iloc[0])]
    with pytest.raises(ek.EstimateError, match="leave draws and seed out"):
        placebo(ek.TwoByTwo(), design(alone), draws=9, seed=1)
