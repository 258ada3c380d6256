"""Which check sees which problem: the matrix counts what the checks do, and reproduces the simulations it grew from."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.diagnostics.checks import CHECKS, Check, Trial
from evalkit.diagnostics.threats import ThreatMatrix, threat_matrix, tried
from evalkit.diagnostics.two_way_moments import coefficients_without, moments, reassigned_coefficients
from evalkit.errors import DesignError, EstimateError
from evalkit.inference.joint_test import wald
from evalkit.inference.permutation import permute
from evalkit.parallel import workers
from evalkit.planted import THREATS, design_of, plantable, seed_of, world
from evalkit.proportion import wilson
from evalkit.shape import Shape, panel_shape
from evalkit.subset import with_starts, without_units
from evalkit.words import LANGUAGES, catalogue

SMALL = panel_shape(units=60, treated=20, clusters=15, periods=8, place=0.2)
CHEAP = ["ordinary_test", "random_sets", "together"]


def staggered(gaps: bool) -> Shape:
    cohort = np.repeat([2014.0, 2016.0, np.inf, np.inf], 10)
    seen = np.ones((40, 8), dtype=bool)
    if gaps:
        seen[np.random.default_rng(1).random(seen.shape) < 0.1] = False
    return replace(panel_shape(units=40, treated=20, clusters=20, periods=8), cohort=cohort, seen=seen)


def trial_of(shape: Shape, threat: str = "trend", size: float = 0.1, number: int = 0) -> Trial:
    return Trial(world(shape, threat, size, number), seed=1, number=number)


def by_chi_squared(trial: Trial) -> bool:
    """The joint test of the first simulation: all leads, chi-squared, no factor for small samples."""
    leads = trial.path.select(trial.path.cells["event_time"].to_numpy() < 0)
    return wald(leads, "cluster", correction="none", reference="z").p_value < 0.05


@pytest.mark.parametrize("gaps", [False, True])
def test_reassigned_coefficients_are_those_of_the_estimator_on_other_starts(gaps: bool) -> None:
    trial = trial_of(staggered(gaps))
    generator = np.random.default_rng(2)
    assigned = np.array([trial.assigned, *(generator.permutation(trial.assigned) for _ in range(4))])
    found = reassigned_coefficients(trial.moments, assigned)
    for row, coefficient in zip(assigned, found, strict=True):
        other = with_starts(trial.design, np.ones(40, dtype=bool), trial.moments.starts[row])
        assert coefficient == pytest.approx(ek.TwoWay()(other).theta[0], rel=1e-9)


@pytest.mark.parametrize("gaps", [False, True])
def test_coefficients_without_a_cluster_are_those_of_the_estimator_without_it(gaps: bool) -> None:
    trial = trial_of(staggered(gaps))
    cluster = trial.world.shape.cluster
    found = coefficients_without(trial.moments, trial.assigned, cluster)
    for g in range(20):
        assert found[g] == pytest.approx(ek.TwoWay()(without_units(trial.design, cluster == g)).theta[0], rel=1e-9)


def test_without_the_only_treated_cluster_no_coefficient_is_left() -> None:
    trial = trial_of(panel_shape(units=20, treated=2, clusters=10))
    found = coefficients_without(trial.moments, trial.assigned, trial.world.shape.cluster)
    assert np.isnan(found).tolist() == [True] + [False] * 9
    assert CHECKS["leave_one_out"].fires(trial)


def test_two_units_and_two_periods_by_hand() -> None:
    # Changes are 5 and 2; treated first, the coefficient is 3, treated second, it is -3.
    made = moments(np.array([[1.0, 6.0], [1.0, 3.0]]), np.ones((2, 2), dtype=bool), np.array([1, 2]), np.array([2.0]))
    assert reassigned_coefficients(made, np.array([[0, 1], [1, 0]])).tolist() == pytest.approx([3.0, -3.0])


def test_all_sets_of_three_of_eight_clusters_are_those_of_randomisation_inference() -> None:
    trial = trial_of(panel_shape(units=16, treated=6, clusters=8))
    found = permute(ek.TwoWay(), trial.design, cluster="cluster", interval="none")
    sets = np.array([[0 if g in chosen else 1 for g in range(8)] for chosen in combinations(range(8), 3)])
    ours = reassigned_coefficients(trial.moments, sets[:, trial.world.shape.cluster])
    theirs = found.draws[:, 0] if len(found.draws) == 56 else np.r_[found.draws[:, 0], trial.theta]
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), rtol=1e-8)
    p_value = (np.abs(ours) >= abs(trial.theta) * (1 - 1e-9)).mean()
    assert found.table["p_value"].iloc[0] == pytest.approx(p_value)


@pytest.mark.parametrize("gaps", [False, True])
def test_a_panel_judged_once_gives_the_estimates_of_a_panel_judged_anew(gaps: bool) -> None:
    shape = staggered(gaps)
    first, second = world(shape, "trend", 0.1, 1), world(shape, "bundle", 0.5, 2)
    fresh, reused = design_of(second), design_of(second, like=design_of(first))
    pd.testing.assert_frame_equal(fresh.panel.frame.sort_index(axis=1), reused.panel.frame.sort_index(axis=1), check_exact=True)
    for estimator in (ek.TwoWay(), ek.EventStudy(), ek.GroupTime()):
        one, two = estimator(fresh), estimator(reused)
        np.testing.assert_array_equal(one.theta, two.theta)
        np.testing.assert_array_equal(one.psi, two.psi)
    assert (reused.threat, reused.size) == ("bundle", 0.5)


@pytest.mark.parametrize("gaps", [False, True])
def test_a_regression_made_ready_once_gives_the_estimates_of_the_estimator(gaps: bool) -> None:
    shape, alike, ready = staggered(gaps), {}, {}
    for number in range(3):
        trial = Trial(world(shape, "trend", 0.1, number), 1, number, 199, alike, ready)
        for quick, slow in ((trial.coefficient, trial.estimate), (trial.profile, trial.path)):
            np.testing.assert_allclose(quick.theta, slow.theta, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(
                ek.infer(quick, cluster="cluster")["std_error"], ek.infer(slow, cluster="cluster")["std_error"], rtol=1e-9
            )
        before = replace(shape, seen=shape.seen & (shape.periods < 2014), cohort=np.where(shape.treated, 2012.0, np.inf))
        clean = replace(trial.world, shape=before)
        told = trial.regressed("clean", clean, trend=True)
        anew = ek.TwoWay(slopes=[("ever_treated", "period")])(design_of(clean))
        assert told.theta[0] == pytest.approx(anew.theta[0], rel=1e-9)
        errors = [ek.infer(each, cluster="cluster")["std_error"].iloc[0] for each in (told, anew)]
        assert errors[0] == pytest.approx(errors[1], rel=1e-9)
    assert set(ready) == {"design", "path", "clean"}


def test_every_check_looks_at_every_problem_and_what_it_refuses_is_counted() -> None:
    found = threat_matrix(SMALL, worlds=2, seed=1, draws=39)
    expected = sum(1 for threat in THREATS.values() for _ in threat.sizes) * len(CHECKS)
    assert len(found.table) == expected
    tried_by = found.table["check"].map({name: len(range(0, 2, check.every)) for name, check in CHECKS.items()})
    assert (found.table["worlds"] + found.table["refused"] == tried_by).all()
    assert (found.table["reason"] != "").eq(found.table["refused"] > 0).all()
    alone = found.table[(found.table["threat"] == "few_clusters") & (found.table["size"] == 1)].set_index("check")
    assert "one cluster on a side" in alone.loc["joint_leads", "reason"]
    assert np.isnan(alone.loc["joint_leads", "rate"])
    assert found.matrix.shape == (expected // len(CHECKS), len(CHECKS) + 1)
    assert "模拟数据 simulated" in repr(found)


def test_the_same_seed_gives_the_same_matrix_however_it_is_run() -> None:
    asked: dict[str, Any] = {"threats": {"trend": [0.1], "attrition": [0.2]}, "checks": CHEAP, "worlds": 25, "seed": 7, "draws": 39}
    one, two = threat_matrix(SMALL, **asked), threat_matrix(SMALL, **asked, map=workers(2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    pd.testing.assert_frame_equal(one.false_estimates, two.false_estimates, check_exact=True)
    other = threat_matrix(SMALL, **{**asked, "seed": 8})
    assert not other.false_estimates["estimate"].equals(one.false_estimates["estimate"])


def test_a_world_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = (tried(("trend", 0.1, 0, stop), SMALL, {name: CHECKS[name] for name in CHEAP}, seed=1, draws=39) for stop in (3, 6))
    assert many["estimates"][:3] == few["estimates"]


def test_worlds_that_lose_other_units_do_not_borrow_each_others_panels() -> None:
    told = tried(("attrition", 0.2, 0, 4), SMALL, {"ordinary_test": CHECKS["ordinary_test"]}, seed=1, draws=39)
    alone = [
        ek.TwoWay()(design_of(world(SMALL, "attrition", 0.2, seed_of(1, "attrition", number)))).theta[0] for number in range(4)
    ]
    np.testing.assert_allclose(told["estimates"], alone, rtol=1e-9)


def test_worlds_of_different_problems_are_different_draws() -> None:
    one, two = (world(SMALL, threat, 0.0, seed_of(1, threat, 0)) for threat in ("trend", "bundle"))
    assert not np.array_equal(one.outcome, two.outcome)


def stops_after(blocks: int) -> Any:
    """A map that is cut off after some results, as a power cut would."""

    def some(function: Any, items: Any) -> Any:
        for count, item in enumerate(items):
            if count == blocks:
                raise KeyboardInterrupt
            yield function(item)

    return some


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"threats": {"trend": [0.1, 0.2]}, "checks": CHEAP, "worlds": 50, "seed": 7, "draws": 39}
    store, done = tmp_path / "blocks.jsonl", []
    with pytest.raises(KeyboardInterrupt):
        threat_matrix(SMALL, **asked, store=store, map=stops_after(2))
    with store.open("a", encoding="utf-8") as file:
        file.write('{"block": ["trend", 0.1, 40')  # a line that was being written
    found = threat_matrix(SMALL, **asked, store=store, progress=lambda at, of: done.append((at, of)))
    assert done == [(40, 100), (50, 100), (70, 100), (90, 100), (100, 100)]
    pd.testing.assert_frame_equal(found.table, threat_matrix(SMALL, **asked).table, check_exact=True)

    def never(*_: Any) -> Any:
        raise AssertionError("nothing is left to do")

    again = threat_matrix(SMALL, **asked, store=store, map=lambda function, items: [never() for _ in items])
    pd.testing.assert_frame_equal(again.table, found.table, check_exact=True)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"seed": 8}, "seed"),
        ({"draws": 19}, "draws"),
        ({"worlds": 10}, "blocks"),
        ({"checks": ["together"]}, "checks"),
    ],
)
def test_blocks_of_another_run_are_refused(tmp_path: Path, change: dict[str, Any], differs: str) -> None:
    asked: dict[str, Any] = {"threats": {"bundle": [0.5]}, "checks": CHEAP, "worlds": 4, "seed": 7, "draws": 39}
    threat_matrix(SMALL, **asked, store=tmp_path / "blocks.jsonl")
    with pytest.raises(EstimateError, match=f"other arguments: {differs} differ"):
        threat_matrix(SMALL, **{**asked, **change}, store=tmp_path / "blocks.jsonl")
    with pytest.raises(EstimateError, match="other arguments: shape differ"):
        threat_matrix(replace(SMALL, scale="level"), **asked, store=tmp_path / "blocks.jsonl")


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "income.csv").write_text("village,income\n1,2\n", encoding="utf-8")
    with pytest.raises(EstimateError, match="holds no blocks of a threat matrix"):
        threat_matrix(SMALL, checks=CHEAP, worlds=2, seed=1, store=tmp_path / "income.csv")
    assert (tmp_path / "income.csv").read_text(encoding="utf-8") == "village,income\n1,2\n"


def test_a_check_of_ones_own_stands_beside_the_others() -> None:
    def refuses(trial: Trial) -> bool:
        raise EstimateError(f"not on {trial.design.observations} rows")

    own: dict[str, Check | Any] = {"larger": lambda trial: trial.theta > 0, "refuses": refuses, "together": CHECKS["together"]}
    found = threat_matrix(SMALL, threats={"trend": [1.0]}, checks=own, worlds=3, seed=1).table.set_index("check")
    assert found.loc["larger", "rate"] == 1.0
    assert found.loc["larger", "meaning"] == "warning"
    assert found.loc["refuses", "refused"] == 3
    assert found.loc["refuses", "reason"] == "not on 480 rows"


def test_a_users_design_gives_the_shape_and_its_effect_is_not_looked_at() -> None:
    design = ek.example_design()
    frame = design.panel.frame.assign(log_income=design.y + 9.0 * design.treated)
    panel = ek.Panel(frame, unit="village_id", period="year", clusters=["county_id"])
    other = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), outcome="log_income")
    asked: dict[str, Any] = {"threats": ["trend", "few_clusters"], "checks": CHEAP, "worlds": 3, "seed": 1, "cluster": "county_id"}
    one, two = threat_matrix(design, **asked), threat_matrix(other, **asked)
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    trend = one.table[one.table["threat"] == "trend"]
    np.testing.assert_allclose(trend["size"] / one.shape.noise.total, trend["size_in_noise"])


def test_starts_that_differ_within_clusters_leave_randomisation_by_cluster_out_with_the_reason() -> None:
    found = threat_matrix(ek.example_design(), threats=["nothing"], checks=["randomisation"], worlds=2, seed=1, cluster="county_id")
    assert found.table["refused"].tolist() == [2]
    assert found.table["reason"].str.contains("cannot be reassigned as wholes").all()


def test_sizes_that_a_shape_cannot_have_are_listed() -> None:
    tiny = panel_shape(units=40, treated=20, clusters=4)
    found = threat_matrix(tiny, threats=["few_clusters"], checks=["together"], worlds=2, seed=1)
    assert found.left_out["size"].tolist() == [5.0]
    assert "from 1 to 3 can be treated" in found.left_out["reason"][0]


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"threats": ["trand"]}, DesignError, "no threat 'trand'. Did you mean 'trend'"),
        ({"threats": {"bundle": [2.0]}}, DesignError, "size of 'bundle' lies between 0 and 1, not 2"),
        ({"checks": ["plcebo"]}, DesignError, "no check 'plcebo'"),
        ({"worlds": 1}, EstimateError, "worlds is a whole number from 2 on"),
        ({"worlds": 2.5}, EstimateError, "worlds is a whole number from 2 on"),
    ],
)
def test_what_does_not_exist_is_refused(choices: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        threat_matrix(SMALL, **{"worlds": 2, "seed": 1, **choices})


def test_wilson_by_hand() -> None:
    # 5 of 10: centre 1/2, half width z sqrt(1/40 + z^2/400) / (1 + z^2/10) with z = 1.959964.
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 0) == (None, None)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_problem_and_every_check_has_its_words(lang: str) -> None:
    words = catalogue(lang)
    for kind, names, second in (("threat", THREATS, "what"), ("check", CHECKS, "sees")):
        assert all(words.say(f"{kind}.{name}.name") and words.say(f"{kind}.{name}.{second}") for name in names)
        told = {key.split(".")[1] for key in words.sentences if key.startswith(f"{kind}.")}
        assert told == set(names)


def rates(found: ThreatMatrix, check: str) -> list[float]:
    return list(found.matrix[check])


TREND = {"nothing": [0.0], "trend": [0.05, 0.10, 0.20]}
# The simulation this matrix grew from: 300 units, 60 treated, 10 years, noise SD 0.63, 200 worlds (errors of up to 0.035 each).
FALSE, TEST, PLACEBO, LEADS = (0.0, 0.26, 0.49, 1.0), (0.04, 0.90, 1.0, 1.0), (0.05, 0.90, 1.0, 1.0), (0.07, 0.23, 0.81, 1.0)


def judged(worlds: int, seed: int, room: float) -> ThreatMatrix:
    checks = {name: CHECKS[name] for name in ("ordinary_test", "random_sets", "joint_leads")} | {
        "by_chi_squared": Check(by_chi_squared, "warning")
    }
    found = threat_matrix(panel_shape(), threats=TREND, checks=checks, worlds=worlds, seed=seed)
    np.testing.assert_allclose(found.matrix["false_estimate"], FALSE, atol=0.02 + 3 * 0.08 / np.sqrt(worlds))
    for check, recorded in (("ordinary_test", TEST), ("random_sets", PLACEBO), ("by_chi_squared", LEADS)):
        np.testing.assert_allclose(rates(found, check), recorded, atol=room, err_msg=check)
    return found


def test_a_differing_trend_survives_the_placebo_and_mostly_the_leads() -> None:
    judged(worlds=60, seed=1, room=3 * np.hypot(0.5 / np.sqrt(60), 0.035))


@pytest.mark.simulation
def test_the_table_of_the_first_simulation_returns() -> None:
    found = judged(worlds=600, seed=2, room=3 * np.hypot(0.5 / np.sqrt(600), 0.035) * 0.75)
    # With Hotelling's degrees of freedom of the smaller side the joint test sees a little less.
    assert all(
        ours <= theirs + 0.01 for ours, theirs in zip(rates(found, "joint_leads"), rates(found, "by_chi_squared"), strict=True)
    )


# Rejections at 5% without any effect, one start, 40 clusters of one unit, AR(1) of 0.7, k treated; the first simulation, 1,000 worlds.
FEW = {1: 0.76, 2: 0.29, 3: 0.19, 5: 0.10, 10: 0.07, 20: 0.06}


def few(treated: int, worlds: int) -> ThreatMatrix:
    shape = panel_shape(units=40, treated=treated, own=1.4, persistence=0.7)
    return threat_matrix(shape, threats=["nothing"], checks=["ordinary_test", "randomisation"], worlds=worlds, seed=4)


@pytest.mark.parametrize("treated", [1, 3])
def test_with_few_treated_the_ordinary_test_cries_wolf_and_randomisation_does_not(treated: int) -> None:
    found = few(treated, worlds=100)
    assert rates(found, "ordinary_test")[0] == pytest.approx(FEW[treated], abs=0.15)
    assert rates(found, "randomisation")[0] < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("treated", FEW)
def test_the_sizes_with_few_treated_return(treated: int) -> None:
    found = few(treated, worlds=800)
    assert rates(found, "ordinary_test")[0] == pytest.approx(FEW[treated], abs=3 * np.sqrt(0.25 * 0.8 / 400))
    assert 0.02 < rates(found, "randomisation")[0] < 0.075


def test_only_the_honest_bound_does_not_call_a_differing_trend_an_effect() -> None:
    every = {name: replace(CHECKS[name], every=1) for name in ("ordinary_test", "random_sets", "wild_clusters", "honest_bound")}
    shape = panel_shape(units=200, treated=80, clusters=50)
    found = threat_matrix(shape, threats={"trend": [0.1]}, checks=every, worlds=20, seed=1).matrix.iloc[0]
    assert (found[["ordinary_test", "random_sets", "wild_clusters"]] > 0.9).all()
    assert found["honest_bound"] < 0.3


def test_each_problem_that_leaves_a_trace_is_seen_by_the_check_made_for_it() -> None:
    made_for = {
        "spillover": "near_ring",
        "bundle": "together",
        "lifted": "bunching",
        "copied": "same_growth",
        "attrition": "attrition",
    }
    largest = {threat: [THREATS[threat].sizes[-1] * (0.625 if THREATS[threat].noisy else 1.0)] for threat in made_for}
    found = threat_matrix(
        panel_shape(clusters=60), threats=largest | {"nothing": [0.0]}, checks=list(made_for.values()), worlds=10, seed=1
    )
    wide = found.matrix.droplevel("size")
    for threat, check in made_for.items():
        assert wide.loc[threat, check] > 0.85, threat
        assert wide.loc["nothing", check] < 0.35, check


def test_a_bad_year_of_selection_and_a_changed_definition_show_before_the_start() -> None:
    checks = ["placebo_in_time", "definition_step"]
    quiet = panel_shape(units=200, treated=100, own=0.05, persistence=0.3)
    found = threat_matrix(
        quiet, threats={"nothing": [0.0], "mean_reversion": [1.0], "definition_break": [1.0]}, checks=checks, worlds=10, seed=1
    )
    wide = found.matrix.droplevel("size")
    assert wide.loc["mean_reversion", "placebo_in_time"] > 0.85
    assert wide.loc["definition_break", "definition_step"] > 0.85
    assert (wide.loc["nothing", checks] < 0.35).all()


def test_checks_say_why_they_do_not_apply() -> None:
    late = panel_shape(units=20, treated=6, periods=6, start=1)
    cases = {
        "placebo_in_time": "two clean periods at least",
        "definition_step": "on either side of the break",
        "joint_leads": "No lead can be tested",
        "honest_bound": "Without a lead",
    }
    for name, message in cases.items():
        with pytest.raises((EstimateError, DesignError), match=message):
            CHECKS[name].fires(trial_of(late))
    universal = replace(late, cohort=np.where(np.arange(20) < 10, 2012.0, 2014.0))
    with pytest.raises(DesignError, match="both near and far"):
        CHECKS["near_ring"].fires(trial_of(universal))
    far = trial_of(late)
    high = replace(far.world, outcome=far.world.outcome + 50.0)
    with pytest.raises(DesignError, match="rows lie near the line"):
        CHECKS["bunching"].fires(replace(far, world=high))


# What came back from messy panels.


def waves(shape: Shape) -> Shape:
    """Return a shape whose periods are two years apart."""
    periods = 2000 + 2 * np.arange(len(shape.periods))
    starts = np.searchsorted(shape.periods, shape.cohort[shape.treated])
    cohort = np.full(len(shape.cohort), np.inf)
    cohort[shape.treated] = periods[starts]
    return replace(shape, periods=periods, cohort=cohort)


def test_a_placebo_in_time_moves_starts_by_periods_of_the_data_not_by_years() -> None:
    yearly, biennial = SMALL, waves(SMALL)
    for number in range(3):
        one, two = (Trial(world(shape, "nothing", 0.0, seed_of(1, "nothing", number)), 1, number) for shape in (yearly, biennial))
        assert CHECKS["placebo_in_time"].fires(one) is CHECKS["placebo_in_time"].fires(two)
        placebos = [next(found for key, (_, found) in trial.ready.items() if key == "placebo_in_time") for trial in (one, two)]
        assert placebos[0].template.theta[0] == pytest.approx(placebos[1].template.theta[0])


def test_units_treated_from_the_first_period_on_do_not_stop_a_run() -> None:
    always = replace(SMALL, cohort=np.where(np.arange(len(SMALL.cohort)) < 12, SMALL.periods[0], SMALL.cohort))
    found = threat_matrix(always, threats=["few_clusters", "nothing"], checks=["ordinary_test"], worlds=2, seed=1)
    assert len(found.false_estimates) == 5 and found.table["rate"].notna().all()
    nobody = replace(SMALL, cohort=np.where(SMALL.treated, float(SMALL.periods[0]), np.inf))
    assert "no period before" in plantable(nobody, "few_clusters", 1.0)


def test_attrition_is_refused_where_nobody_stays_untreated() -> None:
    universal = replace(SMALL, cohort=np.where(SMALL.treated, SMALL.cohort, SMALL.cohort[SMALL.treated].max() + 1))
    with pytest.raises(DesignError, match="nobody's leaving can be compared"):
        CHECKS["attrition"].fires(trial_of(universal))


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"seed": None}, DesignError, "seed is a whole number from 0 on, such as 1, not None"),
        ({"seed": -1}, DesignError, "not -1"),
        ({"seed": 1.5}, DesignError, "not 1.5"),
        ({"worlds": 4.0}, EstimateError, "whole number from 2 on, such as 200, not 4.0"),
        ({"worlds": "4"}, EstimateError, "not '4'"),
        ({"draws": 0}, EstimateError, "draws is a whole number from 19 on"),
        ({"draws": 39.0}, EstimateError, "not 39.0"),
        ({"threats": []}, DesignError, "threats= names nothing. Allowed: nothing, trend"),
        ({"threats": {"trend": []}}, DesignError, "No size is named for trend"),
        ({"threats": {"trend": ["a"]}}, DesignError, "size of 'trend' is a number, not a"),
        ({"threats": {"few_clusters": 1.5}}, DesignError, "whole number of clusters, not 1.5"),
        ({"checks": []}, DesignError, "checks= names nothing"),
        ({"checks": {"mine": 3}}, DesignError, "these are neither: mine"),
        ({"checks": {"mine": lambda trial: np.nan}}, EstimateError, "'mine' returned nan: a check returns True"),
        ({"store": Path("no") / "such" / "folder.jsonl"}, EstimateError, "a file in a folder that exists"),
        ({"store": Path()}, EstimateError, "a file in a folder that exists"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_has_no_meaning_is_refused(choices: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        threat_matrix(SMALL, **{"worlds": 2, "seed": 1, "threats": ["nothing"], "checks": CHEAP, **choices})


def test_one_size_may_stand_alone_and_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"checks": CHEAP, "draws": np.int64(39)}
    one = threat_matrix(SMALL, threats={"trend": 0.1}, worlds=np.int64(4), seed=np.int64(3), store=tmp_path / "blocks", **asked)
    two = threat_matrix(SMALL, threats={"trend": [np.float64(0.1)]}, worlds=4, seed=3, **asked)
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def larger_than(limit: float) -> Any:
    return lambda trial: trial.theta > limit


@dataclass(frozen=True)
class Larger:
    limit: float

    def __call__(self, trial: Trial) -> bool:
        return trial.theta > self.limit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda trial: trial.theta > 0.1, lambda trial: trial.theta > 0.2),
        (larger_than(0.1), larger_than(0.2)),
        (Larger(0.1), Larger(0.2)),
        (partial(max, 0.1), partial(max, 0.2)),
        (Check(CHECKS["together"].fires, "warning", every=1), Check(CHECKS["together"].fires, "warning", every=2)),
    ],
    ids=["constant", "closure", "object", "partial", "every"],
)
def test_blocks_of_another_check_of_the_same_name_are_not_taken_for_its_own(tmp_path: Path, one: Any, other: Any) -> None:
    asked: dict[str, Any] = {"threats": {"trend": [0.1]}, "worlds": 2, "seed": 1, "store": tmp_path / "blocks.jsonl"}
    stop = KeyboardInterrupt()

    def stopped(*_: Any) -> Any:
        raise stop

    for _ in range(2):  # the same check goes on
        with pytest.raises(KeyboardInterrupt):
            threat_matrix(SMALL, checks={"mine": one}, **asked, map=stopped)
    with pytest.raises(EstimateError, match="other arguments: checks differ"):
        threat_matrix(SMALL, checks={"mine": other}, **asked, map=stopped)
