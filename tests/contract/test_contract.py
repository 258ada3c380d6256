"""The contract: what must be true of every estimator and every aggregate, whatever the numbers.

An identity that an estimator cannot meet is listed with the reason, and a test shows that it is really not met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from worlds import Averaged, World, worlds

import evalkit as ek
from evalkit.inference.linear import covariance, has_own_noise

WORLDS = {world.name: world for world in worlds()}
IDENTITIES = ("centred", "gift", "constants", "scale", "order", "cloning", "jackknife", "county_rows")
Check = Callable[[str], None]
CHECKS: dict[str, Check] = {}


def reasons(world: World) -> dict[str, str]:
    """Return the identities that do not hold in a world, with the reasons its estimator or the world itself gives."""
    declared: dict[str, str] = getattr(type(world.specification), "cannot", {})
    return {**declared, **world.cannot}


def every_world_but(identity: str) -> Callable[[Check], Check]:
    """Hold every world to an identity, except those that say why they cannot meet it."""

    def hold(check: Check) -> Check:
        CHECKS[identity] = check
        names = [name for name, world in WORLDS.items() if identity not in reasons(world)]
        return pytest.mark.parametrize("name", names)(check)

    return hold


every_world = pytest.mark.parametrize("name", WORLDS)


@lru_cache
def estimate(name: str) -> ek.Estimate:
    return WORLDS[name].estimate()


def effects_after(cells: pd.DataFrame) -> np.ndarray:
    """Return (k,) whether a parameter is an effect of having been treated."""
    on_a_path = cells["kind"].isin(["group_time", "event_time"]).to_numpy()
    whole = cells["kind"].isin(["overall", "cohort", "period", "average", "quantile", "dose"])
    after = np.where(on_a_path, cells["event_time"].to_numpy() >= 0, whole)
    return np.where(cells["name"] == "slope", False, after)  # a gift of the same size at every dose has no slope


def in_units_of_the_outcome(cells: pd.DataFrame) -> np.ndarray:
    return ~cells["kind"].isin(["cohort_share", "cell_share"]).to_numpy()


def same(one: np.ndarray, other: np.ndarray, scale: float = 1.0) -> None:
    """Assert equality up to the rounding of double precision (propensities: to a Newton step below 1e-10)."""
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * scale)


def shifted_constants(world: World) -> pd.DataFrame:
    """Return the data with a constant added to every unit (to every cohort, where a unit is seen once) and every year."""
    generator = np.random.default_rng(7)
    by = "start" if world.unit is None else world.unit
    labels, years = world.frame[by].unique(), world.frame["year"].unique()
    own = world.frame[by].map(dict(zip(labels, generator.normal(0, 2, len(labels)), strict=True)))
    common = world.frame["year"].map(dict(zip(years, generator.normal(0, 2, len(years)), strict=True)))
    return world.frame.assign(y=world.frame["y"] + own + common)


@every_world_but("centred")
def test_influence_adds_up_to_nothing(name: str) -> None:
    psi = estimate(name).psi
    assert np.abs(psi.mean(axis=0)).max() < 1e-9 * max(1.0, np.abs(psi).max())


@every_world_but("gift")
def test_a_gift_to_the_treated_raises_their_effects_by_the_gift_and_leaves_the_influence_alone(name: str) -> None:
    world, before = WORLDS[name], estimate(name)
    after = world.estimate(world.frame.assign(y=world.frame["y"] + 0.7 * world.gift(world.frame)))
    same(after.theta - before.theta, 0.7 * effects_after(before.cells))
    same(after.psi, before.psi, np.abs(before.psi).max())


@every_world_but("constants")
def test_constants_of_units_and_of_years_move_nothing(name: str) -> None:
    world, before = WORLDS[name], estimate(name)
    after = world.estimate(shifted_constants(world))
    same(after.theta, before.theta)
    same(after.psi, before.psi, np.abs(before.psi).max())


@every_world_but("scale")
def test_income_in_another_currency_scales_the_effects_and_their_influence(name: str) -> None:
    world, before = WORLDS[name], estimate(name)
    after = world.estimate(world.frame.assign(y=6.5 * world.frame["y"]))
    rate = np.where(in_units_of_the_outcome(before.cells), 6.5, 1.0)
    same(after.theta, rate * before.theta)
    same(after.psi, rate * before.psi, np.abs(before.psi).max())


@every_world_but("order")
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    world, before = WORLDS[name], estimate(name)
    order = np.random.default_rng(8).permutation(len(world.frame))
    after = world.estimate(world.frame.iloc[order].reset_index(drop=True))
    same(after.theta, before.theta)
    if world.unit is None:  # a row's key is its position
        same(after.psi, before.psi[order], np.abs(before.psi).max())
        return
    pd.testing.assert_frame_equal(after.rows, before.rows)
    same(after.psi, before.psi, np.abs(before.psi).max())


@every_world_but("cloning")
def test_cloning_every_unit_and_clustering_on_the_original_leaves_the_effect_and_its_error_alone(name: str) -> None:
    world, before = WORLDS[name], estimate(name)
    original = world.frame.assign(original=world.keys(world.frame))
    clone = original if world.unit is None else original.assign(**{world.unit: original[world.unit] + 100_000})
    after = world.estimate(pd.concat([original, clone], ignore_index=True))
    same(after.theta, before.theta)
    unit = {"observation": world.unit}.get(str(before.rows.columns[0]), str(before.rows.columns[0]))
    alone = covariance(before, unit, correction="none").matrix
    cloned = covariance(after, "original", correction="none").matrix
    same(cloned, alone, np.abs(alone).max())


@lru_cache
def left_out(world: World, count: int = 12) -> tuple[np.ndarray, tuple[ek.Estimate, ...]]:
    """Return the positions of some units among the rows of psi, and the estimates without each of them."""
    whole = world.estimate(rows="unit")
    units, keys = whole.rows.iloc[:, 0].to_numpy(), world.keys(world.frame)
    chosen = np.random.default_rng(9).permutation(len(units))[:count]
    without = (world.frame[keys != units[i]].reset_index(drop=True) for i in chosen)
    return chosen, tuple(world.estimate(frame, rows="unit") for frame in without)


@every_world_but("jackknife")
def test_influence_is_what_leaving_a_unit_out_changes(name: str) -> None:
    world, whole = WORLDS[name], estimate(name)
    if whole.rows.columns[0] == "observation" and world.unit is not None:
        whole = whole.coarsen(str(world.unit))
    base = WORLDS[name.split("_by_")[0]] if isinstance(world.estimator, Averaged) else world
    chosen, without = left_out(base)
    if isinstance(world.estimator, Averaged):
        without = tuple(ek.aggregate(cells, world.estimator.by) for cells in without)
    replayed = (len(whole.rows) - 1) * (whole.theta - np.array([e.theta for e in without]))
    for parameter in np.flatnonzero(has_own_noise(whole)):
        assert np.corrcoef(whole.psi[chosen, parameter], replayed[:, parameter])[0, 1] > 0.99, whole.cells.iloc[parameter]


@every_world_but("county_rows")
def test_influence_by_county_from_the_start_is_influence_by_unit_summed_afterwards(name: str) -> None:
    world = WORLDS[name]
    by_county, coarsened = world.estimate(rows="county"), estimate(name).coarsen("county")
    same(by_county.theta, coarsened.theta)
    same(by_county.psi, coarsened.psi, np.abs(coarsened.psi).max())
    assert list(by_county.rows["county"]) == list(coarsened.rows["county"])
    assert "province" in by_county.rows and list(by_county.rows["province"]) == list(coarsened.rows["province"])


@every_world
def test_an_estimator_is_pure_and_frozen(name: str) -> None:
    world, first = WORLDS[name], estimate(name)
    frame = world.frame.copy()
    again = world.estimate()
    assert again.theta.tobytes() == first.theta.tobytes() and again.psi.tobytes() == first.psi.tobytes()
    pd.testing.assert_frame_equal(world.frame, frame)
    for attribute in [f.name for f in fields(world.specification)] or ["anything"]:
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(world.specification, attribute, "changed")


EXCEPTIONS = [(name, identity) for name, world in WORLDS.items() for identity in reasons(world)]


@pytest.mark.parametrize(("name", "identity"), EXCEPTIONS)
def test_an_identity_that_an_estimator_says_it_cannot_meet_is_really_not_met(name: str, identity: str) -> None:
    assert identity in IDENTITIES
    with pytest.raises(AssertionError):
        CHECKS[identity](name)


def test_every_registered_estimator_is_held_to_the_contract() -> None:
    held = {type(world.specification) for world in WORLDS.values()}
    assert held == set(ek.ESTIMATORS.values())
    assert {world.estimator.by for world in WORLDS.values() if isinstance(world.estimator, Averaged)} == {
        "overall", "event_time", "cohort", "period",
    }  # fmt: skip
