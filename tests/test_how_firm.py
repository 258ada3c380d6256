"""How firm a finding is: drifts that undo it, tests that could see, methods for few clusters, in worlds whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import Findings, GroupTime, Study, aggregate, evaluate
from evalkit.findings import Headline
from evalkit.firm_records import LeftOut, Needed, NotTold, Overturn, Permuted, Power, Seen
from evalkit.how_firm import Money, Overall, _wild, stretch
from evalkit.inference.honest import honest
from evalkit.inference.linear import infer
from evalkit.inference.replay import replay
from evalkit.places import shared
from evalkit.records import Interval
from evalkit.study_data import designed, load
from evalkit.subset import without_units

FOLDER = shared("notebooks", "studies")
COUNTIES = FOLDER / "../../data/demo/counties.csv"


def study(name: str, **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | changes)


@pytest.fixture(scope="module")
def industry() -> Findings:
    return evaluate(study("industry"), folder=FOLDER)


@pytest.fixture
def county(tmp_path):
    """Evaluate industry support on a changed file of counties."""

    def evaluated(frame: pd.DataFrame, **changes: object) -> Findings:
        frame.to_csv(tmp_path / "data.csv", index=False)
        return evaluate(study("industry", truth=None, **changes), tmp_path / "data.csv")

    return evaluated


def few_treated(treated: int, untreated: int = 40) -> pd.DataFrame:
    frame = pd.read_csv(COUNTIES)
    one = frame.loc[frame["industry_first_year"] == 2016, "county_key"].unique()[:treated]
    others = frame.loc[frame["industry_first_year"] == 0, "county_key"].unique()[:untreated]
    return frame[frame["county_key"].isin([*one, *others])]


def test_at_the_breakdown_the_range_begins_to_hold_zero_and_the_picture_passes_through_the_table(industry):
    found = industry.firm.overturn
    assert isinstance(found, Overturn) and not found.already and found.whole
    at = next(row for row in found.rows if row.drift == pytest.approx(found.breakdown))
    assert at.low == pytest.approx(0, abs=0.01) and at.high > 0
    assert [row.drift for row in found.rows] == pytest.approx(
        [0, found.largest_before / 2, found.largest_before, found.breakdown], rel=0.01
    )
    assert set(found.rows) <= set(found.curve)
    widths = [row.high - row.low for row in found.curve]
    assert widths == sorted(widths) and found.curve[-1].drift == pytest.approx(1.25 * found.breakdown, rel=0.02)


def test_the_estimate_behind_all_methods_is_the_headline_in_money(industry):
    money = industry.headline.money.estimate
    assert industry.firm.proportional and industry.firm.overturn.effect == pytest.approx(money)
    for row in industry.firm.methods:
        assert row.low < money < row.high
    assert industry.firm.without.low <= money <= industry.firm.without.high


def test_the_bounds_are_those_of_the_path_of_the_study(industry):
    content = study("industry")
    loaded = load(content, None, FOLDER)
    design, _ = designed(content, loaded.frame, loaded.events)
    path = aggregate(GroupTime()(design), by="event_time").select(kind="event_time")
    rate = industry.headline.money.estimate / np.expm1(industry.headline.effect.estimate)
    told = honest(path, restriction="drift", at="headline", cluster="county_key", base_income=rate)
    assert industry.firm.overturn.breakdown == pytest.approx(told.breakdown_yuan)
    assert industry.firm.overturn.largest_before == pytest.approx(told.largest_before_yuan)


def test_a_trend_of_the_treated_before_the_start_lowers_what_would_overturn_relative_to_what_was_seen(county, industry):
    frame = pd.read_csv(COUNTIES)
    frame["income"] *= np.exp(0.03 * (frame["industry_first_year"] > 0) * (frame["year"] - 2013))
    found = county(frame)
    assert found.verdict == "pretrend_failed" and found.firm.power == NotTold(reason="failed")
    seen, plain = found.firm.overturn, industry.firm.overturn
    assert seen.breakdown / seen.largest_before < plain.breakdown / plain.largest_before
    assert seen.largest_before > 2 * plain.largest_before


def test_a_range_that_holds_zero_has_nothing_to_overturn():
    found = evaluate(study("health"), folder=FOLDER).firm
    assert found.overturn.already and found.overturn.breakdown == 0 and found.overturn.relative is None
    assert found.overturn.rows[0].low < 0 < found.overturn.rows[0].high
    # Villages were covered whole: they move as wholes.
    assert isinstance(found.permuted, Permuted) and found.permuted.moves == "clusters" and found.permuted.items == 60
    assert isinstance(found.without, LeftOut) and found.without.clusters == 60


def test_households_chosen_within_villages_change_places_within_them():
    found = evaluate(study("relocation", components={}, self_generated=[]), folder=FOLDER).firm
    assert found.permuted.moves == "within" and found.permuted.items == 3000 and found.permuted.possible is None


def test_the_power_is_that_of_the_test_that_the_report_quotes(industry):
    found = industry.firm.power
    assert isinstance(found, Power) and 0.5 < found.power < 1 and not found.weak


def test_the_jackknife_leaves_out_every_county_once(industry):
    content = study("industry")
    loaded = load(content, None, FOLDER)
    design, _ = designed(content, loaded.frame, loaded.events)
    row = infer(replay(Overall("dr"), design)).iloc[0]
    rate = industry.headline.money.estimate / np.expm1(industry.headline.effect.estimate)
    told = next(row for row in industry.firm.methods if row.name == "jackknife")
    assert told.low == pytest.approx(rate * np.expm1(row["conf_low"])) and told.reference == "t(98)"
    without = [Overall("dr")(without_units(design, design.units == unit)).theta[0] for unit in design.units]
    ends = [rate * np.expm1(end) for end in (min(without), max(without))]
    assert [industry.firm.without.low, industry.firm.without.high] == pytest.approx(ends) and industry.firm.without.flips == 0


def test_with_one_treated_county_of_six_nothing_can_be_shown_whatever_the_estimate(county):
    found = county(few_treated(1, 5))
    permuted = found.firm.permuted
    assert found.verdict == "too_few" and permuted.exact and permuted.possible == 6
    assert permuted.smallest_p == pytest.approx(1 / 6) and permuted.cannot
    assert found.firm.overturn == NotTold(reason="too_few")


def test_with_few_treated_counties_ranks_are_told_and_ranges_are_not(county):
    found = county(few_treated(2))
    assert found.verdict == "too_few"
    (row,) = found.firm.methods
    assert row.name == "permutation" and row.low is None and row.p_value >= found.firm.permuted.smallest_p
    # 2 of 42 counties: 42 * 41 / 2 assignments, of which 499 are drawn.
    assert found.firm.permuted.possible == 861 and found.firm.permuted.draws == 499 and not found.firm.permuted.cannot
    assert all(point.band_low is None for point in found.path) and found.path_critical is None


def test_an_unclear_finding_says_how_many_counties_would_do(county):
    frame = few_treated(0, 16)  # nothing happened to any of them
    half = frame["county_key"].unique()[::2]
    found = county(frame.assign(industry_first_year=np.where(frame["county_key"].isin(half), 2016, 0)))
    needed = found.firm.needed
    assert found.verdict == "unclear"
    assert isinstance(needed, Needed) and needed.units > needed.units_today == 16 and needed.percent == 3.0


def test_what_can_be_seen_does_not_depend_on_what_was_found(county, industry):
    """Raise all incomes of the treated after the start by a half: the design sees no more and no less in per cent."""
    frame = pd.read_csv(COUNTIES)
    after = (frame["industry_first_year"] > 0) & (frame["year"] >= frame["industry_first_year"])
    seen = county(frame.assign(income=frame["income"] * np.where(after, 1.5, 1.0))).firm.seen
    assert isinstance(seen, Seen) and seen.percent == pytest.approx(industry.firm.seen.percent)


def test_a_path_is_used_from_its_reference_outwards_as_far_as_units_are_enough():
    content = study("industry")
    loaded = load(content, None, FOLDER)
    design, _ = designed(content, loaded.frame, loaded.events)
    path = aggregate(GroupTime()(design), by="event_time").select(kind="event_time")
    event = path.cells["event_time"]
    known, whole = stretch(path)
    assert whole and list(known.cells["event_time"]) == list(event)
    thin = replace(path, cells=path.cells.assign(noisy_units=path.cells["noisy_units"].mask((event == -3) | (event == 5), 4.0)))
    known, whole = stretch(thin)
    assert not whole and (known.cells["event_time"].min(), known.cells["event_time"].max()) == (-2, 4)
    assert stretch(path.select(event >= 0)) == "no_reference"
    alone = replace(path, cells=path.cells.assign(noisy_units=path.cells["noisy_units"].mask(event >= 0, 1.0)))
    assert stretch(alone) == "few_units"
    twice = replace(path, cells=path.cells.assign(reference=path.cells["reference"] | (event == -5)))
    assert stretch(twice) == "two_references"


def test_without_a_fixed_reference_nothing_is_bounded_and_the_reason_is_told():
    found = evaluate(study("industry", base="varying"), folder=FOLDER).firm
    assert found.overturn == NotTold(reason="no_reference") and found.power == NotTold(reason="no_reference")
    assert [row.name for row in found.methods] == ["interval", "jackknife", "wild", "permutation"]


def headline(effect: float, money: float) -> Headline:
    return Headline(
        **{name: Interval(estimate=x) for name, x in (("effect", effect), ("money", money), ("percent", 1.0), ("base", 1000.0))}
    )


def test_money_is_in_the_proportion_of_the_headline_where_that_can_be_told():
    # A growth of 10% that is 120 yuan is 1,200 yuan for a growth of one.
    growth = float(np.log(1.1))
    money = Money.of(headline(growth, 120.0), "log")
    assert money.proportional and money.yuan(growth) == pytest.approx(120) and money.percent(growth) == pytest.approx(12)
    assert money.yuan(-np.inf) is None and money.yuan(None) is None
    for strange in (-10.0, 900.0):
        assert Money.of(headline(growth, strange), "log").rate == 1000
    assert Money.of(headline(50.0, 50.0), "level").yuan(50.0) == 50


def test_another_seed_draws_other_signs(industry):
    content = study("industry", seed=1)
    loaded = load(content, None, FOLDER)
    design, _ = designed(content, loaded.frame, loaded.events)
    money = Money.of(industry.headline, "log")
    told = [_wild(one, Overall("dr")(design), "county_key", money) for one in (content, study("industry"))]
    assert told[0] != told[1] == industry.firm.methods[2]
