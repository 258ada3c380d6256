"""Poverty by hand, and against a world in which nothing happens: shares are not taken for effects because groups start apart."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.estimators import GroupTime
from evalkit.firm_records import NotTold
from evalkit.inference.linear import covariance
from evalkit.study_data import designed
from evalkit.who_gains.lines import poverty
from evalkit.who_gains.people import line_of
from evalkit.who_gains.poverty import measured, shortfall
from evalkit.who_gains.without import effect_on
from evalkit.who_records import NoLine, Poverty


def found(study: Any, frame: Any) -> Poverty:
    told = poverty(study, designed(study, frame)[0])
    assert isinstance(told, Poverty)
    return told


def measure(told: Poverty, schedule: str, name: str) -> Any:
    line = next(one for one in told.lines if one.schedule == schedule)
    assert not isinstance(line, NoLine)
    return next(row for row in line.measures if row.measure == name)


@pytest.fixture(scope="module")
def nothing(world: Any, asked: Any) -> Poverty:
    return found(asked(), world(0.0))


@pytest.fixture(scope="module")
def raised(world: Any, asked: Any) -> Poverty:
    return found(asked(), world(0.2))


def test_the_three_measures_by_hand() -> None:
    income = np.array([1400.0, 2100.0, 2800.0, 5600.0])  # half and a quarter of the line are missing, then nothing
    assert [float(shortfall(income, 2800.0, order).mean()) for order in (0, 1, 2)] == [0.5, 0.1875, (0.25 + 0.0625) / 4]
    near = measured(income, 2800.0, 1.5)["near"]
    assert near.tolist() == [1, 1, 1, 0]
    assert np.isnan(shortfall(np.array([np.nan]), 2800.0, 0)).all()


def test_the_line_of_each_year_is_that_of_the_shipped_table() -> None:
    assert line_of("statistical", range(2013, 2021)) == {
        2013: 2736.0, 2014: 2800.0, 2015: 2855.0, 2016: 2952.0, 2017: 2952.0, 2018: 2995.0, 2019: 3218.0,
    }  # fmt: skip
    assert min(line_of("registry", range(2010, 2021))) == 2014


def test_two_households_and_one_cohort_by_hand(world: Any, asked: Any) -> None:
    """Without noise: the covered would have had their income before times the growth of the others."""
    frame = world()
    base = frame.groupby("household")["income"].transform("first")
    frame["start"] = np.where(frame["start"] > 0, 2018, 0)
    frame["income"] = base * 1.1 ** (frame["year"] - 2013) * np.where((frame["start"] > 0) & (frame["year"] >= 2018), 1.3, 1.0)
    design, _ = designed(asked(), frame)
    line = {2018: 2995.0}
    one = effect_on(lambda income, z: shortfall(income, z, 0), design, GroupTime("dr")(design), line, "log")
    assert one is not None
    then = frame[(frame["start"] > 0) & (frame["year"] == 2018)]["income"].to_numpy()
    without = float((then / 1.3 < 2995).mean())
    assert one.average.theta == pytest.approx([float((then < 2995).mean()) - without, without], abs=1e-12)


def test_where_nothing_happens_no_poverty_is_found_though_shares_fall_apart(nothing: Poverty) -> None:
    for schedule in ("statistical", "registry"):
        row = measure(nothing, schedule, "headcount")
        assert row.effect.low < 0 < row.effect.high
        assert row.before_treated > 2 * row.before_comparison  # the covered start nearer to the line
        assert (
            row.pretrend_p > row.plain.pretrend_p and row.plain.pretrend_p < 0.05
        )  # the years before speak against comparing shares
    row = measure(nothing, "statistical", "headcount")
    assert row.plain.effect.estimate < -0.03 < row.effect.estimate  # what comparing shares would have claimed


def test_a_planted_rise_takes_households_out_of_poverty(raised: Poverty, world: Any) -> None:
    row = measure(raised, "registry", "headcount")
    frame = world(0.2)
    line = line_of("registry", range(2013, 2020))
    on = frame[(frame["start"] > 0) & (frame["year"] >= frame["start"])]
    z = on["year"].map(line)
    truth = float((on["income"] < z).mean() - (on["income"] / np.exp(0.2) < z).mean())
    assert row.effect.low < truth < row.effect.high and row.effect.high < 0
    assert row.without.estimate + row.effect.estimate == pytest.approx(float((on["income"] < z).mean()))


def test_every_measure_moves_the_same_way_and_is_adjusted_for_all(raised: Poverty) -> None:
    rows = [row for line in raised.lines for row in line.measures]
    assert all(row.effect.estimate < 0 for row in rows)
    assert {row.adjusted.family for row in rows} == {8}
    assert all(row.adjusted.holm >= row.effect.p_value for row in rows)


def test_the_error_of_the_headcount_is_that_of_the_bootstrap_over_villages(world: Any, asked: Any) -> None:
    frame = world(0.1, per_village=12)
    line = {2018: 2995.0}

    def estimate(some: Any) -> Any:
        design, _ = designed(asked(), some)
        return effect_on(partial(shortfall, order=1), design, GroupTime("dr")(design), line, "log").average

    one = estimate(frame)
    villages = [part for _, part in frame.groupby("village")]
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(40):
        parts = [villages[k].assign(village=new) for new, k in enumerate(rng.integers(0, len(villages), len(villages)))]
        parts = [part.assign(household=part["household"] + 10_000 * new) for new, part in enumerate(parts)]
        drawn.append(estimate(pd.concat(parts, ignore_index=True)).theta[0])
    assert covariance(one, "village").std_error[0] == pytest.approx(np.std(drawn), rel=0.35)


def test_years_without_a_line_are_told_and_lines_that_nobody_read_as_well(nothing: Poverty) -> None:
    registry = next(one for one in nothing.lines if one.schedule == "registry")
    assert not isinstance(registry, NoLine)
    assert registry.without_line == [2013] and registry.unverified == list(range(2014, 2020)) and registry.secondary == []
    statistical = next(one for one in nothing.lines if one.schedule == "statistical")
    assert not isinstance(statistical, NoLine)
    assert statistical.secondary == [2013, 2014, 2015, 2016] and statistical.unverified == [2017, 2018, 2019]


def test_a_schedule_that_leaves_no_year_after_the_start_says_so(world: Any, asked: Any) -> None:
    frame = world()
    frame["year"] += 6  # 2019 to 2025: the statistical line ends in 2019, the registry line in 2020
    frame["start"] = np.where(frame["start"] > 0, frame["start"] + 6, 0)
    told = found(asked(window=[2019, 2025]), frame)
    assert [one.reason for one in told.lines if isinstance(one, NoLine)] == ["no_years", "no_years"]


def test_deflated_incomes_and_other_money_are_not_held_against_a_line(world: Any, asked: Any) -> None:
    frame = world()
    other = asked(money={"zh": "万元/人·年", "en": "10,000 yuan per person per year"})
    for study, reason in ((asked(nominal=False), "deflated"), (other, "other_money")):
        assert poverty(study, designed(study, frame)[0]) == NotTold(reason=reason)
