"""What the money bought, by hand arithmetic, and whether an effect lasts after support ends, in worlds whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import evalkit as ek
from evalkit import GroupTime, Study, StudyError, aggregate
from evalkit.cost import bought, cost_found, people, per_yuan, present_yuan
from evalkit.cost_records import Bought, CostFound, Lasting
from evalkit.design import Design
from evalkit.events import Events
from evalkit.findings import Headline
from evalkit.firm_records import NotTold
from evalkit.income_effect import headline
from evalkit.inference.linear import Inference
from evalkit.panel import Panel
from evalkit.persistence import persistence, support_ends
from evalkit.places import shared
from evalkit.records import Interval
from evalkit.rollout import Rollout
from evalkit.study_data import designed

COST: dict[str, Any] = {
    "spent": {"total": 6_000_000, "low": 5_000_000, "high": 8_000_000},
    "people": 10_000,
    "source": {"zh": "县财政局决算", "en": "county finance bureau, final accounts"},
}
TOP = Headline(
    effect=Interval(estimate=300.0),
    money=Interval(estimate=300.0, std_error=75.0, low=200.0, high=500.0),
    percent=Interval(estimate=3.0),
    base=Interval(estimate=10_000.0),
)
UNITS, TREATED = 40, 20


def study(**changes: object) -> Study:
    content = yaml.safe_load(shared("notebooks", "studies", "industry.yml").read_text(encoding="utf-8"))
    own = {
        "unit": "village", "cluster": None, "window": [2010, 2019], "scale": "level", "truth": None, "county": None, "county_name": None,
        "treatment": {"events": "events.csv", "programme": "industry"}, "cost": COST,
    }  # fmt: skip
    return Study.parse(content | own | changes)


def show(estimate: ek.Estimate) -> pd.DataFrame:
    return Inference(cluster="village")(estimate)


def world(during: float = 100.0, after: float = 30.0, noise: float = 0.0, start: int = 2013, end: int = 2015) -> pd.DataFrame:
    """Villages with a start in 2013 and an end in 2015 (treated), or neither; the effect is known in every year."""
    draws = np.random.default_rng(5)
    rows = []
    for village in range(UNITS):
        for year in range(2010, 2020):
            own = village < TREATED
            effect = 0.0 if not own or year < start else during if year <= end else after
            income = 5000 + 10 * village + 50 * (year - 2010) + effect + noise * draws.normal()
            rows.append((village, year, income, 100.0 + village))
    return pd.DataFrame(rows, columns=["village", "year", "income", "persons"])


def events(ends: dict[int, object], starts: dict[int, int] | None = None, more: list[tuple[Any, ...]] | None = None) -> Events:
    starts = dict.fromkeys(range(TREATED), 2013) if starts is None else starts
    rows = [(unit, "industry", "funded", year) for unit, year in starts.items()]
    rows += [(unit, "industry", "ended", year) for unit, year in ends.items()] + (more or [])
    return Events.read(pd.DataFrame(rows, columns=["unit", "programme", "event", "date"]).astype(str))


def made(frame: pd.DataFrame, happened: Events, **changes: object) -> tuple[Study, Design]:
    own = study(**changes)
    return own, designed(own, frame, happened)[0]


@pytest.fixture(scope="module")
def plain() -> tuple[Study, Design]:
    return made(world(), events({}))


# Money, with a pencil


def test_money_over_people_times_gain_and_both_ranges_at_their_ends():
    # 6,000,000 / (10,000 x 300) = 2; 5,000,000 / (10,000 x 500) = 1; 8,000,000 / (10,000 x 200) = 4
    assert per_yuan(6e6, 5e6, 8e6, TOP.money, 10_000) == (2.0, 1.0, 4.0)


def test_a_range_of_the_gain_that_holds_zero_leaves_the_high_end_open():
    for low in (0.0, -50.0, None):
        assert per_yuan(6e6, 5e6, 8e6, Interval(estimate=300, low=low, high=600), 10_000)[2] is None


def test_a_yuan_a_year_for_three_years_at_five_per_cent_is_worth_2_86_in_the_first():
    assert present_yuan(0.05, 3) == pytest.approx(1 + 1 / 1.05 + 1 / 1.1025)


def test_what_was_bought_says_all_that_it_assumes(plain):
    own, design = plain
    found = bought(own.cost, own, design, TOP, "gain")
    assert isinstance(found, Bought)
    assert (found.per_yuan, found.per_yuan_low, found.per_yuan_high) == (2.0, 1.0, 4.0)
    worth = 1 + sum(1.03**-year for year in range(1, 5))
    assert found.present_yuan == pytest.approx(worth) and found.per_lasting_yuan == pytest.approx(2 / worth)
    assert found.per_lasting_yuan_high == pytest.approx(4 / worth) and found.per_lasting_yuan_low == pytest.approx(1 / worth)
    assert (found.people, found.counted, found.transfers, found.lasting_years) == (10_000, "given", "counted", 5)
    assert (found.money, found.money_low, found.money_high, found.gain) == (6e6, 5e6, 8e6, TOP.money)


def test_twice_the_money_costs_twice_and_twice_the_people_half(plain):
    own, design = plain
    one = bought(own.cost, own, design, TOP, "gain")
    for change, factor in (({"spent": {"total": 12e6, "low": 10e6, "high": 16e6}}, 2.0), ({"people": 20_000}, 0.5)):
        other = study(cost=COST | change)
        assert bought(other.cost, other, design, TOP, "gain").per_yuan_high == pytest.approx(one.per_yuan_high * factor)


def test_without_a_range_of_spending_the_range_is_that_of_the_gain(plain):
    own = study(cost=COST | {"spent": {"total": 6_000_000}})
    found = bought(own.cost, own, plain[1], TOP, "gain")
    assert (found.per_yuan_low, found.per_yuan_high) == (6e6 / (10_000 * 500), 6e6 / (10_000 * 200))


@pytest.mark.parametrize(
    "verdict", ["loss", "small_change", "unclear", "pretrend_failed", "too_few", "one_unit", "weak", "cannot_show"]
)
def test_only_a_gain_has_a_price(plain, verdict):
    own, design = plain
    assert bought(own.cost, own, design, TOP, verdict) == NotTold(reason="no_gain", facts={"verdict": verdict})


def test_a_point_estimate_of_nothing_has_no_price(plain):
    own, design = plain
    none = TOP.model_copy(update={"money": Interval(estimate=0.0, low=-5.0, high=5.0)})
    assert bought(own.cost, own, design, none, "gain").reason == "no_gain"


# People


def test_people_are_the_sum_over_covered_units_of_their_mean_while_covered(plain):
    frame = world()
    frame.loc[(frame["village"] == 0) & (frame["year"] >= 2013), "persons"] = [100.0, np.nan, 120.0, 120.0, 120.0, 120.0, 120.0]
    own, design = made(frame, events({}), cost=COST | {"people": "persons"})
    others = sum(100 + village for village in range(1, TREATED))
    assert people(own.cost, design) == pytest.approx(others + 700 / 6)
    assert bought(own.cost, own, design, TOP, "gain").counted == "summed"


def test_persons_before_the_start_and_of_others_do_not_count():
    frame = world()
    frame.loc[(frame["village"] >= TREATED) | (frame["year"] < 2013), "persons"] = 7
    own, design = made(frame, events({}), cost=COST | {"people": "persons"})
    assert people(own.cost, design) == sum(100 + village for village in range(TREATED))


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"people": "heads"}, r"cost.people: There is no column 'heads'.*Or give the number of people covered"),
        ({"people": "empty"}, r"cost.people: 'empty' is missing in every treated row of 20 units: 0, 1, 2, 3, 4 and 15 more"),
        ({"people": "negative"}, r"cost.people: 'negative' is zero or negative in 10 rows: 3\. A unit has at least one person"),
    ],
)
def test_a_column_that_does_not_count_people_is_refused(cost, said):
    frame = world().assign(empty=np.nan, negative=lambda f: f["persons"].where(f["village"] != 3, -1))
    own, design = made(frame, events({}), cost=COST | cost)
    with pytest.raises(StudyError, match=said):
        people(own.cost, design)


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"spent": {"total": -5}}, r"'cost.spent.total': Input should be greater than 0"),
        ({"spent": {"total": 5, "low": 6}}, r"'cost.spent': .*low <= total <= high"),
        ({"spent": {"total": 5, "low": 3, "high": 2}}, r"low <= total <= high"),
        ({"people": 0}, r"'cost.people': .*above zero, such as 52000, or a column"),
        ({"people": True}, r"'cost.people': .*above zero"),
        ({"transfers": "some"}, r"'cost.transfers': Input should be 'counted' or 'left_out'"),
        ({"discount_rate": 3}, r"'cost.discount_rate': Input should be less than 0.5"),
        ({"lasting_years": 0}, r"'cost.lasting_years': Input should be greater than or equal to 1"),
        ({"spnt": {"total": 1}}, r"unknown key 'cost.spnt'"),
    ],
)
def test_costs_that_cannot_be_are_refused_by_their_key(cost, said):
    with pytest.raises(StudyError, match=said):
        study(cost=COST | cost)


def test_income_that_is_not_in_yuan_is_refused(plain):
    own = study(money={"zh": "千元/人·年", "en": "thousand yuan per person per year"})
    with pytest.raises(StudyError, match="spending is counted in yuan, but the study's money is 'thousand yuan"):
        bought(own.cost, own, plain[1], TOP, "gain")


# After support ends


def test_the_effect_while_support_lasted_and_after_it_ended_is_found_exactly():
    own, design = made(world(), events(dict.fromkeys(range(TREATED), 2015)))
    found = persistence(own, design, "gain", show, events(dict.fromkeys(range(TREATED), 2015)))
    assert isinstance(found, Lasting)
    assert [found.during.estimate, found.after.estimate, found.difference.estimate] == pytest.approx([100, 30, -70])
    assert (found.units, found.years, found.undated, found.left_out) == (TREATED, 4, 0, 0)


def test_only_units_whose_support_ended_count_and_an_end_of_others_does_not_move_them():
    ended = dict.fromkeys(range(10), 2015)
    frame = world()
    frame.loc[frame["village"].between(10, 19) & (frame["year"] > 2015), "income"] += 5000  # still supported, and doing very well
    own, design = made(frame, events(ended))
    found = persistence(own, design, "gain", show, events(ended))
    assert [found.during.estimate, found.after.estimate, found.units] == pytest.approx([100, 30, 10])


def test_ends_in_several_years_are_averaged_over_the_years_of_their_units():
    frame, ended = world(), {unit: 2015 if unit < 10 else 2017 for unit in range(TREATED)}
    late = frame["village"].between(10, 19) & frame["year"].isin([2016, 2017])
    frame.loc[late, "income"] += 70  # so that 100 lasts until 2017 there
    own, design = made(frame, events(ended))
    found = persistence(own, design, "gain", show, events(ended))
    assert [found.during.estimate, found.after.estimate] == pytest.approx([100, 30])
    frame.loc[frame["village"].between(10, 19) & (frame["year"] > 2017), "income"] += 60  # 90 after the end: 20 of 60 unit-years
    found = persistence(own, made(frame, events(ended))[1], "gain", show, events(ended))
    assert found.after.estimate == pytest.approx((40 * 30 + 20 * 90) / 60)


def test_with_one_end_and_one_start_the_difference_has_the_error_of_a_contrast_of_the_same_cells():
    happened = events(dict.fromkeys(range(TREATED), 2015))
    own, design = made(world(noise=40.0), happened)
    found = persistence(own, design, "gain", show, happened)
    path = aggregate(GroupTime("dr")(design), "event_time").select(kind="event_time")
    event = path.cells["event_time"].to_numpy()
    contrast = np.where(event > 2, 1 / 4, 0.0) - np.where((event >= 0) & (event <= 2), 1 / 3, 0.0)
    told = show(path.map([contrast @ path.theta], contrast[None], path.cells.iloc[[0]])).iloc[0]
    assert found.difference.estimate == pytest.approx(told["estimate"])
    assert found.difference.std_error == pytest.approx(told["std_error"], rel=1e-6)
    apart = np.hypot(found.during.std_error, found.after.std_error)
    assert found.difference.std_error < 0.95 * apart  # the same units stand behind both


def test_without_the_years_after_the_end_the_average_while_it_lasted_is_that_of_the_headline():
    happened = events(dict.fromkeys(range(TREATED), 2015))
    own, design = made(world(noise=40.0), happened, scale="log")
    found = persistence(own, design, "gain", show, happened)
    short, cut = made(world(noise=40.0).query("year <= 2015"), events({}), scale="log", window=[2010, 2015])
    whole = show(headline(GroupTime("dr")(cut), cut, short.scale)).set_index("name")
    assert found.during.estimate == pytest.approx(whole.loc["money", "estimate"])
    assert found.during.std_error == pytest.approx(whole.loc["money", "std_error"], rel=1e-6)


@pytest.mark.parametrize(
    ("ends", "more"),
    [
        ({}, []),
        (dict.fromkeys(range(TREATED), 2022), []),  # after the panel
        (dict.fromkeys(range(TREATED), 2015), [(unit, "industry", "funded", 2017) for unit in range(TREATED)]),  # and began again
        (dict.fromkeys(range(TREATED), ""), []),  # when is not known
    ],
)
def test_support_that_has_not_ended_for_all_that_is_known_is_not_told(ends, more):
    happened = events(ends, more=more)
    own, design = made(world(), happened)
    assert persistence(own, design, "gain", show, happened) == NotTold(reason="support_has_not_ended")


def test_ends_of_few_units_and_few_clusters_are_not_told():
    happened = events(dict.fromkeys(range(4), 2015))
    own, design = made(world(), happened)
    assert persistence(own, design, "gain", show, happened) == NotTold(reason="too_few", facts={"units": 4})
    many = events(dict.fromkeys(range(TREATED), 2015))
    assert persistence(own, made(world(), many)[1], "too_few", show, many).reason == "too_few"
    assert persistence(own, made(world(), many)[1], "refused", show, many) == NotTold(reason="not_judged")


def test_who_is_left_out_is_counted():
    ended = dict.fromkeys(range(18), 2015) | {17: 2019, 18: ""}  # 17 is not seen after its end, of 18 the year is not known
    own, design = made(world(), events(ended))
    found = persistence(own, design, "gain", show, events(ended))
    assert (found.units, found.left_out, found.undated) == (17, 1, 1)


def test_a_status_that_falls_back_to_nothing_ends_too():
    frame = world().assign(on=lambda f: ((f["village"] < TREATED) & f["year"].between(2013, 2015)).astype(int))
    panel = Panel(frame, unit="village", period="year")
    design = Design(panel, Rollout.from_status(panel, "on", reversals="keep"), "income")
    assert np.unique(support_ends(study(), design, None).last).tolist() == [2015.0, np.inf]
    found = persistence(study(), design, "gain", show, None)
    assert [found.during.estimate, found.after.estimate] == pytest.approx([100, 30])


# Both together


def test_nothing_is_found_where_nothing_is_asked_and_an_end_is_told_without_money(plain):
    own, design = plain
    silent = own.model_copy(update={"cost": None})
    assert cost_found(silent, design, TOP, "gain", show, events({})) is None
    happened = events(dict.fromkeys(range(TREATED), 2015))
    found = cost_found(silent, made(world(), happened)[1], TOP, "gain", show, happened)
    assert found is not None and found.bought == NotTold(reason="not_given") and isinstance(found.lasting, Lasting)
    told = cost_found(own, design, TOP, "gain", show, events({}))
    assert isinstance(told.bought, Bought) and told.lasting == NotTold(reason="support_has_not_ended")


def test_a_public_report_does_not_tell_of_few_units_whose_support_ended():
    happened = events(dict.fromkeys(range(8), 2015))
    own, design = made(world(), happened)
    found = cost_found(own, design, TOP, "gain", show, happened)
    assert isinstance(found, CostFound) and found.lasting.units == 8
    assert found.without_counts(10).lasting == NotTold(reason="too_few") and found.without_counts(8) == found
