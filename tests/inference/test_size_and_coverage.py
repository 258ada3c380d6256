"""Tests of nothing reject about one time in twenty where methods say that they hold, and often where they say that they do not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalkit as ek
from evalkit.inference.permutation import permute
from evalkit.inference.replay import replay
from evalkit.inference.wild import wild_bootstrap

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import sizes  # noqa: E402
import sizes_others as others  # noqa: E402
import sizes_single as single  # noqa: E402
from sizes_single import World  # noqa: E402
from sizes_table import cell, written  # noqa: E402

RECORD = json.loads(sizes.RECORD.read_text())


def rates(found: single.Found) -> dict[str, float]:
    return {method: float(rejected.mean()) for method, rejected in found.items() if rejected is not None}


def within(rate: float, draws: int, at_most: bool = False) -> bool:
    """Whether a rate lies between 3% and 7%, give or take two Monte Carlo errors."""
    slack = 2 * np.sqrt(0.05 * 0.95 / draws)
    return bool((at_most or rate > sizes.LOW - slack) and rate < sizes.HIGH + slack)


# The shortcuts of the simulation are the library.


@pytest.mark.parametrize(("clusters", "treated", "sizes_of"), [(7, 3, "1:10"), (6, 2, "largest treated")])
def test_the_batch_says_what_the_library_says_of_each_panel(clusters: int, treated: int, sizes_of: str) -> None:
    world = World(clusters, treated, sizes_of)
    lot = next(world.lots())
    totals = world.totals(4, np.random.default_rng(3))
    totals[3:, lot, single.BASE + 1 :] += 2.5 * world.villages[lot][:, None]  # an effect, so that some tests reject
    found = single.of_two_way(world, lot, totals, 0) | single.of_group_time(world, lot, totals, 0)
    average = [lambda d: ek.aggregate(ek.GroupTime()(d))]
    for draw, total in enumerate(totals):
        design = world.design(lot, total)
        two_way, overall = ek.TwoWay()(design), average[0](design)
        said: dict[str, Any] = {
            "t(G-1)": ek.infer(two_way, cluster="county"),
            "CR2": ek.infer(two_way, cluster="county", correction="CR2"),
            "CR3": ek.infer(two_way, cluster="county", correction="CR3"),
            "CRV3": ek.infer(replay(ek.TwoWay(), design, "county")),
            "GroupTime z": ek.infer(overall, cluster="county"),
            "GroupTime t(G-1)": ek.infer(overall, cluster="county", correction="clusters", reference="t"),
            "GroupTime CRV3": ek.infer(replay(average[0], design, "county")),
            "permutation": permute(ek.TwoWay(), design, cluster="county", interval="none").table,
            "permutation of t": permute(ek.TwoWay(), design, cluster="county", interval="none", statistic="t").table,
            "GroupTime permutation": permute(average[0], design, cluster="county", interval="none").table,
            "WCR-C signs": wild_bootstrap(two_way, cluster="county", seed=1).table,
        }
        for method, table in said.items():
            p_values = found[method]
            assert p_values is not None and p_values[draw] == pytest.approx(table["p_value"][0], rel=1e-6, abs=1e-9), method


@pytest.mark.parametrize(
    ("name", "variant", "restricted"), [("WCR-S", "S", True), ("WCR-V", "V", True), ("WCR-B", "B", True), ("WCU-C", "C", False)]
)
def test_bootstraps_in_the_batch_are_those_of_the_library(name: str, variant: str, restricted: bool) -> None:
    world = World(9, 4, "1:10")
    lot, totals = next(world.lots()), world.totals(3, np.random.default_rng(5))
    for draw, total in enumerate(totals):
        estimate = ek.TwoWay()(world.design(lot, total))
        one = single.Regressed.of(ek.TwoWay()(world.design(lot, totals[0])), world, totals)
        made = single.drawn([one.pieces(variant, restricted)[draw]], single.Signs("rademacher", 9, 999, None))[0]
        p_value = single.shares_beyond(made, one.theta[draw, 0], "symmetric")[0]
        told = wild_bootstrap(estimate, cluster="county", variant=variant, restricted=restricted).table
        assert p_value == pytest.approx(told["p_value"][0], abs=1e-12)


def test_paths_in_the_batch_are_event_studies() -> None:
    world = World(12, 5, "1:10")
    lot, totals = next(world.lots()), world.totals(2, np.random.default_rng(2))
    theta, influence = single.path_of(world, lot, totals)
    path = ek.aggregate(ek.GroupTime()(world.design(lot, totals[1])), by="event_time").select(kind="event_time")
    path = path.select(~path.cells["reference"].to_numpy(bool))
    np.testing.assert_allclose(theta[1], path.theta, atol=1e-10)
    errors = ek.infer(path, cluster="county")["std_error"]
    np.testing.assert_allclose(np.sqrt((influence[1] ** 2).sum(axis=0)), errors, rtol=1e-9)


# What is true is rejected about one time in twenty where that is claimed: a small run.


def test_with_half_of_twenty_counties_treated_all_tests_keep_their_size() -> None:
    found = rates(single.single_effects(World(20, 10), 250))
    for method, rate in found.items():
        claim = sizes.CLAIMS[method]
        if claim.holds is not None and claim.holds(World(20, 10)):
            assert within(rate, 250, claim.at_most), (method, rate)


def test_with_two_of_forty_counties_treated_t_cries_wolf_and_the_permutation_does_not() -> None:
    found = rates(single.single_effects(World(40, 2), 250))
    assert found["t(G-1)"] > 0.2 and found["GroupTime score"] > 0.2
    assert found["WCR-C"] < 0.02 and within(found["permutation"], 250)


def test_with_twenty_counties_bands_of_z_and_joint_tests_of_chi2_find_too_much() -> None:
    world = World(20, 10)
    band, leads = rates(others.bands(world, 200)), rates(others.leads(world, 500))
    assert band["band, GroupTime z"] > band["band, EventStudy t"]
    assert leads["leads, chi2"] > 0.12 and within(leads["leads, Hotelling"], 500, at_most=True) and within(leads["leads, HTZ"], 500)


def test_what_is_said_to_be_detectable_is_found_four_times_in_five() -> None:
    assert rates(others.power(World(40, 20), 1_000))["power, GroupTime t(G-1)"] == pytest.approx(0.8, abs=0.05)


# The claims again, at length.


@pytest.mark.slow
@pytest.mark.parametrize(
    "world", [World(10, 5), World(20, 5), World(20, 10, "1:10"), World(40, 10), World(40, 20, "1:10")], ids=lambda w: w.name
)
def test_methods_keep_their_size_where_the_record_says_so(world: World) -> None:
    recorded = RECORD["settings"][f"single effects: {world.name}"]["methods"]
    for method, rate in rates(single.single_effects(world, 400)).items():
        if recorded[method]["verdict"] in ("ok", "never above") and recorded[method]["claims"]:
            assert within(rate, 400, sizes.CLAIMS[method].at_most), (method, rate)


@pytest.mark.slow
@pytest.mark.parametrize("world", [World(20, 10), World(100, 50)], ids=lambda w: w.name)
def test_bands_joint_tests_and_bounds_keep_theirs(world: World) -> None:
    for section, measured in {"bands": others.bands, "leads": others.leads, "bounds": others.bounds}.items():
        recorded = RECORD["settings"][f"{section}: {world.name}"]["methods"]
        for method, rate in rates(measured(world, 400)).items():
            if recorded[method]["verdict"] in ("ok", "never above") and recorded[method]["claims"]:
                assert within(rate, 400, sizes.CLAIMS[method].at_most), (method, rate)


@pytest.mark.slow
def test_what_is_recorded_is_what_comes_out_again() -> None:
    for key in ("single effects: 2 of 10, equal", "single effects: 3 of 20, 1:10", "time: 30 years, AR(1) 0.5"):
        setting = next(one for one in sizes.settings() if one.key == key)
        for method, rate in rates(setting.run(400)).items():
            recorded = RECORD["settings"][key]["methods"][method]["rate"]
            assert rate == pytest.approx(recorded, abs=0.01 + 4 * np.sqrt(max(recorded, 0.01) * (1 - min(recorded, 0.99)) / 400)), (
                key,
                method,
            )


# The record and its page.


def test_every_setting_and_every_method_is_on_record_with_error_draws_and_verdict() -> None:
    keys = {setting.key for setting in sizes.settings()}
    assert keys == set(RECORD["settings"])
    methods = {method for one in RECORD["settings"].values() for method in one["methods"]}
    assert methods == set(sizes.CLAIMS)
    for one in RECORD["settings"].values():
        for entry in one["methods"].values():
            assert set(entry) == {"rate", "mc_error", "draws", "claims", "verdict"}
            assert entry["rate"] is None or (entry["mc_error"] > 0 and entry["draws"] > 0)


def test_the_page_is_the_record() -> None:
    assert sizes.TABLE.read_text() == written(RECORD, sizes.CLAIMS)


def test_a_broken_promise_is_printed_in_bold() -> None:
    setting = sizes.Setting("single effects", "", World(40, 20), 1_000, lambda _: {})
    often = np.arange(1_000) < 120
    assert (
        cell(sizes.entry(setting, "t(G-1)", often)) == "**12.0**" and cell(sizes.entry(setting, "GroupTime z", often)) == "(12.0)"
    )
    assert cell(sizes.entry(setting, "t(G-1)", np.arange(1_000) < 50)) == "5.0"
    assert cell(sizes.entry(setting, "t(G-1)", np.arange(1_000) < 75)) == "**7.5**?"
    assert cell(sizes.entry(setting, "permutation", np.zeros(1_000, dtype=bool))) == "0.0"
    assert (
        cell(sizes.entry(setting, "t(G-1)", np.zeros(1_000, dtype=bool))) == "**0.0**"
        and cell(sizes.entry(setting, "CRV3", None)) == "–"
    )
