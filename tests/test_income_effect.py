"""The headline in money and per cent, on four villages by hand and against leaving villages out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek

# Incomes of a (treated from 2 on), b (from 3 on), c and d (never).
INCOME = {"a": [100.0, 140.0, 160.0], "b": [90.0, 95.0, 150.0], "c": [80.0, 90.0, 99.0], "d": [110.0, 121.0, 143.0]}
START = {"a": 2, "b": 3, "c": 0, "d": 0}


def design(log: bool) -> ek.Design:
    frame = pd.DataFrame(INCOME, index=pd.Index([1, 2, 3], name="period")).melt(
        var_name="village", value_name="y", ignore_index=False
    )
    frame = frame.reset_index().assign(start=lambda d: d["village"].map(START))
    frame["y"] = np.log(frame["y"]) if log else frame["y"]
    panel = ek.Panel(frame, "village", "period")
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", comparison="never_treated")


def named(made: ek.Design, **choices: object) -> dict[str, float]:
    answer = ek.headline(ek.GroupTime()(made), made, **choices)
    assert list(answer.cells["kind"]) == ["headline"] * 4
    return dict(zip(answer.cells["name"], answer.theta, strict=True))


def change(village: str, period: int, base: int, log: bool) -> float:
    before, after = INCOME[village][base - 1], INCOME[village][period - 1]
    return np.log(after / before) if log else after - before


def effect(village: str, period: int, base: int, log: bool) -> float:
    return change(village, period, base, log) - (change("c", period, base, log) + change("d", period, base, log)) / 2


def test_in_levels_money_is_the_effect_and_the_base_is_income_without_it() -> None:
    tau = [effect("a", 2, 1, False), effect("a", 3, 1, False), effect("b", 3, 2, False)]
    base = (140 + 160 + 150) / 3 - np.mean(tau)
    expected = {"effect": np.mean(tau), "money": np.mean(tau), "base": base, "percent": 100 * np.mean(tau) / base}
    assert named(design(log=False), scale="level") == pytest.approx(expected)


def test_in_logs_money_is_what_each_cell_lost_without_its_effect() -> None:
    tau = np.array([effect("a", 2, 1, True), effect("a", 3, 1, True), effect("b", 3, 2, True)])
    mean = np.array([140.0, 160.0, 150.0])
    money, base = np.mean(mean * (1 - np.exp(-tau))), np.mean(mean * np.exp(-tau))
    expected = {"effect": tau.mean(), "money": money, "base": base, "percent": 100 * money / base}
    assert named(design(log=True)) == pytest.approx(expected)
    assert money + base == pytest.approx(mean.mean())


def test_an_unknown_scale_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ek.EstimateError, match=r"no scale 'logs'\. Did you mean 'log'"):
        named(design(log=True), scale="logs")


def made(frame: pd.DataFrame, weight: str | None = None, **choices: object) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def of(frame: pd.DataFrame, **choices: object) -> ek.Estimate:
    one = made(frame, **choices)
    return ek.headline(ek.GroupTime()(one), one)


WORLDS = {
    "plain": (villages(), {}),
    "weights": (villages(), {"weight": "households"}),
    "weights of rows": (villages(), {"weight": "sampled", "covariates": ["share"]}),
    "gaps": (with_gaps(villages()), {"unbalanced": "pairwise"}),
}


@pytest.mark.parametrize("name", WORLDS)
def test_influence_on_money_and_per_cent_is_what_leaving_a_village_out_changes(name: str) -> None:
    frame, choices = WORLDS[name]
    whole = of(frame, **choices)
    units = whole.rows["village"].to_numpy()
    chosen = np.random.default_rng(2).permutation(len(units))[:12]
    left_out = [of(frame[frame["village"] != units[i]], **choices).theta for i in chosen]
    replayed = (len(units) - 1) * (whole.theta - np.array(left_out))
    for parameter, label in enumerate(whole.cells["name"]):
        assert np.corrcoef(whole.psi[chosen, parameter], replayed[:, parameter])[0, 1] > 0.99, label


def test_influence_adds_up_to_nothing_and_by_county_it_is_the_sum_over_villages() -> None:
    by_village, by_county = of(villages()), of(villages(), rows="county")
    scale = np.abs(by_village.psi).max(axis=0)
    assert (np.abs(by_village.psi.mean(axis=0)) < 1e-6 * scale).all()  # derivatives are taken numerically
    np.testing.assert_allclose(by_county.psi / scale, by_village.coarsen("county").psi / scale, atol=1e-6)


def test_income_in_another_currency_scales_money_and_leaves_per_cent_alone() -> None:
    before, after = (of(villages().assign(y=lambda d, r=rate: d["y"] + np.log(r))) for rate in (1.0, 7.0))
    np.testing.assert_allclose(after.theta / before.theta, [1, 7, 7, 1], rtol=1e-9)
    np.testing.assert_allclose(after.psi, before.psi * [1, 7, 7, 1], rtol=1e-5, atol=1e-5)


def test_a_small_effect_in_logs_is_about_its_per_cent() -> None:
    frame = villages()
    frame["y"] = 8 + 0.001 * frame["village"] + 0.01 * ((frame["start"] > 0) & (frame["year"] >= frame["start"]))
    answer = of(frame)
    percent = answer.theta[list(answer.cells["name"]).index("percent")]
    assert percent == pytest.approx(100 * np.expm1(0.01), rel=1e-9)


def test_the_headline_needs_group_time_effects() -> None:
    one = made(villages())
    with pytest.raises(ek.EstimateError, match="The headline needs group_time"):
        ek.headline(ek.TwoWay()(one), one)
    cells = ek.GroupTime()(one)
    assert ek.headline(replace(cells), one).cells["units"].iloc[0] == 160
