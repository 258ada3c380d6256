"""The worlds of the self-check are what their table says: effect, level, noise, persistence, trend and selection."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.codes import table
from evalkit.errors import StudyError
from evalkit.selfcheck import worlds as module
from evalkit.selfcheck.worlds import drawn, effects, first_years, log_incomes, truth, worlds, years
from evalkit.selfcheck_records import Started, World

DRAWS = 60
NAMES = [world.world for world in worlds()]


def difference(world: World, draws: int = DRAWS) -> tuple[float, float]:
    """Mean change of those covered from the year before their start to the years from it on, beside the never covered; and its error."""
    first, when = first_years(world), years(world)
    covered = (first > 0)[:, None] & (when >= first[:, None])
    never = first == 0
    found = []
    for seed in range(1, draws + 1):
        y = log_incomes(world, seed)
        rows, columns = np.nonzero(covered)
        bases = first[rows] - 1 - world.first_year
        found.append(np.mean(y[rows, columns] - y[rows, bases] - (y[never][:, columns] - y[never][:, bases]).mean(axis=0)))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(draws))


def test_the_three_worlds_of_the_targets_are_written_down() -> None:
    rows = {world.world: world for world in worlds()}
    assert (rows["null"].target, rows["null"].share, truth(rows["null"])) == ("at_most", 0.05, 0.0)
    assert (rows["strong"].target, rows["strong"].share) == ("at_least", 0.8)
    assert 0.08 <= np.expm1(truth(rows["strong"])) <= 0.10
    trends = [world for world in rows.values() if world.group == "trend"]
    assert {0.05, 0.1, 0.2} <= {world.trend for world in trends}
    assert all(truth(world) == 0 and (world.target, world.share) == ("at_most", 0.05) for world in trends)


def test_every_world_says_why_its_numbers_are_what_they_are() -> None:
    assert (table("selfcheck_worlds")["source"].str.len() > 20).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_effect_is_what_the_table_says(name: str) -> None:
    world = worlds([name])[0]
    found, error = difference(world)
    first, when = first_years(world)[:, None], years(world)
    covered = (first > 0) & (when >= first)
    drift = (
        world.trend * world.noise_sd * (when - (first - 1))[covered].mean()
    )  # a trend counts from the last year before the start
    expected = truth(world) + drift
    if world.selection:
        assert found > 4 * error  # a bad year before the start looks like a gain after it
    else:
        assert abs(found - expected) < 4 * error


def test_a_bad_year_gets_a_place_chosen_as_often_as_the_table_says() -> None:
    world = worlds(["chosen_after_bad_year"])[0]
    first = first_years(world)
    lows = [
        log_incomes(world, seed)[first == 2016, 2].mean() - log_incomes(world, seed)[first == 0, 2].mean() for seed in range(40)
    ]
    usual = [
        log_incomes(world, seed)[first == 2016, 0].mean() - log_incomes(world, seed)[first == 0, 0].mean() for seed in range(40)
    ]
    assert np.mean(lows) < np.mean(usual) - 0.005


def test_level_noise_and_persistence_are_those_of_the_table() -> None:
    world = worlds(["null"])[0]
    first = first_years(world)
    kept = [log_incomes(world, seed) - world.growth * (years(world) - world.first_year) for seed in range(1, 201)]
    gap = np.mean([y[first > 0].mean() - y[first == 0].mean() for y in kept])
    assert gap == pytest.approx(world.gap, abs=0.01)
    own = np.array([y - y.mean(axis=1, keepdims=True) for y in kept])
    shocks = np.diff(own, axis=2)
    variance = world.noise_sd**2 * 2 * (1 - world.persistence)  # of a change of an AR(1): 2 s^2 (1 - r)
    assert shocks.var() == pytest.approx(variance, rel=0.02)
    together = (shocks[:, :, 1:] * shocks[:, :, :-1]).mean() / shocks.var()
    assert together == pytest.approx(-(1 - world.persistence) / 2, abs=0.01)  # (2r - 1 - r^2) / (2 (1 - r)) = -(1 - r) / 2


def test_a_small_table_of_effects_by_hand() -> None:
    base = worlds(["effects_differ"])[0]
    small = base.model_copy(
        update={
            "units": 3,
            "never": 1,
            "first_year": 2014,
            "last_year": 2018,
            "cohorts": [Started(year=2016, units=1, growth=[0.10, 0.20]), Started(year=2018, units=1, growth=[0.03])],
        }
    )
    assert np.expm1(effects(small)).round(12).tolist() == [[0, 0, 0.1, 0.2, 0.2], [0, 0, 0, 0, 0.03], [0, 0, 0, 0, 0]]
    assert truth(small) == pytest.approx((np.log(1.1) + 2 * np.log(1.2) + np.log(1.03)) / 4)


def test_the_same_seed_gives_the_same_panel_and_another_another() -> None:
    world = worlds(["null"])[0]
    one, again, other = (drawn(world, seed)[1].frame for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one["income"].equals(other["income"])


def test_worlds_share_their_noise_so_that_they_differ_by_what_is_planted_alone() -> None:
    null, strong = (log_incomes(world, 3) for world in worlds(["null", "strong"]))
    assert np.allclose(strong - null, effects(worlds(["strong"])[0]))


def test_every_panel_says_that_it_is_simulated() -> None:
    study, loaded = drawn(worlds(["strong"])[0], 1)
    assert study.source.simulated
    assert loaded.frame["data_status"].unique().tolist() == ["模拟数据 simulated"]
    assert loaded.inputs == {}


def test_an_unknown_world_is_told_with_the_nearest() -> None:
    with pytest.raises(StudyError, match="Did you mean 'strong'"):
        worlds(["strng"])


def test_a_row_that_contradicts_itself_is_refused() -> None:
    row = dict(table("selfcheck_worlds").iloc[0])
    with pytest.raises(StudyError, match="add up to 99"):
        module._world(row | {"never": "39"})
    with pytest.raises(StudyError, match="3 cohorts and 2 paths"):
        module._world(row | {"effect": "0.1;0.2"})
