"""Planted worlds do what they say: the programme does nothing, and one problem of a known size is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.errors import DesignError
from evalkit.planted import STATUS, THREATS, World, plantable, planted, world
from evalkit.shape import panel_shape, shape_of

SHAPE = panel_shape(units=120, treated=40, clusters=12, place=0.2, unit=0.4)


def of(threat: str, size: float, seed: int = 3, shape: Any = SHAPE) -> World:
    """A world whose noise is the same for all problems and sizes."""
    return world(shape, threat, size, np.random.SeedSequence(seed))


def did(made: World, shape: Any = SHAPE) -> float:
    change = made.outcome[:, 5:].mean(axis=1) - made.outcome[:, :5].mean(axis=1)
    return float(change[shape.treated].mean() - change[~shape.treated].mean())


@pytest.mark.parametrize("threat", THREATS)
def test_every_problem_is_planted_in_a_design_that_says_it_is_simulated_and_that_the_truth_is_zero(threat: str) -> None:
    design = planted(SHAPE, threat, THREATS[threat].sizes[0], seed=1)
    assert (design.truth, design.threat, design.status) == (0.0, threat, STATUS)
    assert set(design.panel.frame["data_status"]) == {STATUS}
    assert np.isfinite(ek.TwoWay()(design).theta).all()


@pytest.mark.parametrize("threat", THREATS)
def test_the_same_seed_gives_the_same_world_and_another_seed_another(threat: str) -> None:
    size = THREATS[threat].sizes[-1]
    one, again, other = (planted(SHAPE, threat, size, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.panel.frame, again.panel.frame, check_exact=True)
    assert not np.array_equal(one.y[:50], other.y[:50])


@pytest.mark.parametrize(
    "threat", ["trend", "anticipation", "spillover", "bundle", "definition_break", "lifted", "copied", "attrition"]
)
def test_a_problem_of_size_zero_is_no_problem(threat: str) -> None:
    np.testing.assert_array_equal(of(threat, 0.0).outcome, of("nothing", 0.0).outcome)


def test_a_trend_of_five_hundredths_a_year_is_a_quarter_after_five_years_on_average() -> None:
    # The means of years 0-4 and 5-9 lie five years apart: 5 * 0.05.
    assert did(of("trend", 0.05)) - did(of("nothing", 0.0)) == pytest.approx(0.25, abs=1e-12)


def test_a_dip_in_one_of_five_years_before_is_worth_a_fifth() -> None:
    assert did(of("anticipation", 0.5)) - did(of("nothing", 0.0)) == pytest.approx(0.1, abs=1e-12)


def test_gains_of_neighbours_are_taken_off_by_their_share_of_the_comparison() -> None:
    share = SHAPE.near[~SHAPE.treated].mean()
    assert did(of("spillover", 0.5)) - did(of("nothing", 0.0)) == pytest.approx(-0.5 * share, abs=1e-12)


def test_another_programme_gives_half_a_noise_sd_to_the_share_that_has_it() -> None:
    made = of("bundle", 0.6)
    together = made.other[SHAPE.treated] == SHAPE.cohort[SHAPE.treated]
    assert 0.4 < together.mean() < 0.85
    gained = (made.outcome - of("nothing", 0.0).outcome)[SHAPE.treated][:, 5:].mean()
    assert 0 < gained <= 0.5 * SHAPE.noise.total * together.mean() + 1e-12


def test_transfers_rerated_by_fifteen_per_cent_are_worth_one_and_a_half_per_cent_more_to_the_covered() -> None:
    # ln(1 + 0.15 * 0.20) - ln(1 + 0.15 * 0.10): the covered live on transfers by a fifth, others by a tenth.
    shape = panel_shape(units=120, treated=40)
    made, plain = of("definition_break", 0.15, shape=shape), of("nothing", 0.0, shape=shape)
    step = (made.outcome - plain.outcome)[:, -1]
    assert step[0] - step[-1] == pytest.approx(np.log(1.03) - np.log(1.015), abs=1e-12)
    assert shape.break_at == 3
    assert (made.outcome == plain.outcome)[:, :3].all()


def test_full_selection_on_a_bad_year_takes_the_units_with_the_worst_shocks() -> None:
    shape = panel_shape(units=200, treated=40)
    made = of("mean_reversion", 1.0, shape=shape)
    last = made.outcome[:, 4]
    assert last[shape.treated].max() <= last[~shape.treated].min()
    assert sorted(made.outcome[:, 4]) == pytest.approx(sorted(of("nothing", 0.0, shape=shape).outcome[:, 4]))
    assert did(made, shape) > 0.05


def test_few_clusters_are_as_many_as_said() -> None:
    made = of("few_clusters", 2.0)
    assert sorted(set(made.shape.cluster[made.shape.treated])) == [0, 1]
    assert made.shape.noise.total == pytest.approx(SHAPE.noise.total)


def test_lifted_figures_land_within_four_per_cent_above_the_line() -> None:
    made, plain = of("lifted", 1.0), of("nothing", 0.0)
    moved = made.outcome != plain.outcome
    assert moved.any()
    assert not (moved & ~SHAPE.after).any()
    above = (made.outcome - made.line)[moved]
    assert above.min() >= 0
    assert above.max() <= np.log(1.04)
    assert not (SHAPE.after & (made.outcome < made.line)).any()


def test_copied_growth_is_one_number_a_year() -> None:
    made = of("copied", 1.0)
    growth = np.diff(made.outcome[SHAPE.treated], axis=1)[:, 5:]
    np.testing.assert_allclose(growth, growth[:1].repeat(len(growth), axis=0), atol=1e-12)


def test_the_worst_fifth_of_the_treated_leaves_when_treatment_starts() -> None:
    made = of("attrition", 0.2)
    assert made.left.sum() == 8
    assert not made.left[~SHAPE.treated].any()
    assert made.shape.seen[made.left][:, :5].all()
    assert not made.shape.seen[made.left][:, 5:].any()


def test_noise_is_learned_back_from_a_panel_it_was_made_with() -> None:
    true = panel_shape(units=2000, treated=500, clusters=100, own=0.3, place=0.4, unit=0.5, persistence=0.7, periods=12)
    found = shape_of(planted(true, "nothing", 0.0, seed=5), cluster="cluster").noise
    # Chance of 100 clusters over 6 to 12 periods moves the shared part by some 0.03.
    assert (found.own, found.place, found.unit) == pytest.approx((0.3, 0.4, 0.5), abs=0.06)
    assert found.persistence == pytest.approx(0.7, abs=0.05)


def test_no_effect_however_large_changes_what_is_learned() -> None:
    design = ek.example_design()
    frame = design.panel.frame.assign(log_income=design.y + 5.0 * design.treated)
    panel = ek.Panel(frame, unit="village_id", period="year", clusters=["county_id"])
    other = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), outcome="log_income")
    one, two = (shape_of(each, cluster="county_id").noise for each in (design, other))
    assert (one.own, one.place, one.persistence, one.unit, one.gap) == (two.own, two.place, two.persistence, two.unit, two.gap)
    np.testing.assert_array_equal(one.period, two.period)


def test_a_planted_panel_has_the_rows_starts_and_clusters_of_the_users_own() -> None:
    whole = ek.example_design()
    frame = whole.panel.frame.drop(index=[5, 17, 200])
    panel = ek.Panel(frame, unit="village_id", period="year", clusters=["county_id"])
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    design = ek.Design(panel, rollout, outcome="log_income", unbalanced="pairwise")
    made = planted(design, "trend", 0.01, seed=1, cluster="county_id")
    np.testing.assert_array_equal(made.unit_index, design.unit_index)
    np.testing.assert_array_equal(made.period_index, design.period_index)
    np.testing.assert_array_equal(made.cohort, design.cohort)
    assert made.codes("cluster")[1] == design.codes("county_id")[1]
    # As noisy as the data it was learned from.
    assert ek.TwoWay()(made).facts.residual_sum == pytest.approx(ek.TwoWay()(design).facts.residual_sum, rel=0.6)


def test_matching_on_the_outcome_before_makes_an_effect_of_minus_four_tenths_where_there_is_none() -> None:
    # Treated units lie one SD of fixed differences lower; the change alone is right, the change among the matched is not.
    bare = panel_shape(units=400, treated=100, periods=2, own=0.8, persistence=0.0, unit=1.0)
    shape = replace(bare, noise=replace(bare.noise, gap=-1.0))
    plain, matched = [], []
    for seed in range(60):
        before, after = of("nothing", 0.0, seed, shape).outcome.T
        change, others = after - before, np.flatnonzero(~shape.treated)
        nearest = others[np.abs(before[others][None, :] - before[shape.treated][:, None]).argmin(axis=1)]
        plain.append(change[shape.treated].mean() - change[others].mean())
        matched.append(change[shape.treated].mean() - change[nearest].mean())
    assert np.mean(plain) == pytest.approx(0.0, abs=0.06)
    assert np.mean(matched) == pytest.approx(-0.39, abs=0.08)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: planted(SHAPE, "trand", 0.1), "no threat 'trand'. Did you mean 'trend'"),
        (lambda: planted(SHAPE, "bundle", 1.5), "size of 'bundle' lies between 0 and 1, not 1.5"),
        (lambda: planted(SHAPE, "trend", float("nan")), "not nan"),
        (lambda: planted(SHAPE, "few_clusters", 12), "Of 12 clusters from 1 to 11 can be treated, not 12"),
        (lambda: panel_shape(treated=300), "treated is from 1 to 299"),
        (lambda: panel_shape(start=0), "start is a position from 1 to 9"),
        (lambda: panel_shape(clusters=1), "clusters is a number from 2 to 300"),
        (lambda: panel_shape(scale="yuan"), "no scale 'yuan'"),
        (lambda: panel_shape(persistence=1.0), "persistence lies between"),
        (lambda: shape_of(ek.example_design(units=3, cohorts=1)), "too few to learn the noise from"),
        (lambda: shape_of(ek.example_design(), scale="yuan"), "no scale 'yuan'"),
        (lambda: shape_of(ek.example_design(), cluster="year"), "varies within units"),
    ],
)
def test_what_cannot_be_planted_or_learned_is_refused(call: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        call()


def test_outcomes_without_noise_and_cross_sections_are_refused() -> None:
    design = ek.example_design()
    frame = design.panel.frame.assign(log_income=design.panel.frame["year"].astype(float))
    panel = ek.Panel(frame, unit="village_id", period="year")
    flat = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), outcome="log_income")
    with pytest.raises(DesignError, match="no noise to learn"):
        shape_of(flat, scale="level")
    rows = ek.Panel(design.panel.frame, unit=None, period="year")
    cross = ek.Design(rows, ek.Rollout.from_first_treated(rows, "first_treated", never=0), outcome="log_income")
    with pytest.raises(DesignError, match="no units to follow"):
        shape_of(cross)


def test_neighbours_cannot_gain_where_nobody_stays_untreated() -> None:
    universal = replace(SHAPE, cohort=np.where(np.arange(120) < 60, 2015.0, 2017.0))
    assert "No unit stays untreated" in plantable(universal, "spillover", 0.5)
    assert plantable(universal, "trend", 0.5) == ""


# What came back from messy panels.


def test_the_dip_before_the_start_is_in_the_last_period_of_the_data_also_between_waves() -> None:
    periods = 2000 + 2 * np.arange(len(SHAPE.periods))
    start = int(np.searchsorted(SHAPE.periods, SHAPE.cohort[SHAPE.treated][0]))
    between = replace(SHAPE, periods=periods, cohort=np.where(SHAPE.treated, periods[start] - 1.0, np.inf))
    plain, dipped = (world(between, "anticipation", size, 1).outcome for size in (0.0, 0.5))
    expected = np.zeros_like(plain)
    expected[SHAPE.treated, start - 1] = -0.5
    np.testing.assert_allclose(dipped - plain, expected)


def test_a_seed_of_numpy_is_the_same_seed_and_no_seed_is_refused() -> None:
    np.testing.assert_array_equal(planted(SHAPE, seed=np.int64(4)).y, planted(SHAPE, seed=4).y)
    for seed in (None, -1, 1.5, "1", True):
        with pytest.raises(DesignError, match="seed is a whole number from 0 on"):
            planted(SHAPE, seed=seed)  # type: ignore[arg-type]


def test_income_in_yuan_is_not_taken_for_a_log() -> None:
    design = ek.example_design()
    panel = ek.Panel(design.panel.frame.assign(income=np.exp(design.y)), unit="village_id", period="year", clusters=["county_id"])
    level = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), outcome="income")
    with pytest.raises(DesignError, match=r"'income' is .* in the median, which is no log of income. Say scale='level'"):
        shape_of(level)
    assert shape_of(level, scale="level").noise.own > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: shape_of(ek.example_design(), cluster="log_income"),
            "no cluster 'log_income'.*Allowed: village_id, year, county_id",
        ),
        (lambda: shape_of(ek.example_design(), cluster=["county_id"]), "no cluster"),  # type: ignore[arg-type]
        (lambda: panel_shape(units=300.0), "units is a whole number, not 300.0"),  # type: ignore[arg-type]
        (lambda: panel_shape(treated=2.5), "treated is a whole number, not 2.5"),  # type: ignore[arg-type]
        (lambda: panel_shape(clusters="ten"), "clusters is a whole number, not 'ten'"),  # type: ignore[arg-type]
        (lambda: panel_shape(own=np.nan), "SDs are numbers from 0 on"),
        (lambda: panel_shape(unit=np.inf), "SDs are numbers from 0 on"),
        (lambda: planted(SHAPE, "few_clusters", 1.5), "whole number of clusters, not 1.5"),
        (lambda: planted(SHAPE, "trend", "a"), "size of 'trend' is a number, not a"),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_meaning_is_refused(call: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        call()
