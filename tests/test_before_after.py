"""A rise before and after is split into parts that add up, and a world without a programme leaves no rest."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.before_after import before_after_decomposition, claimed_rise, rise_of_covered
from evalkit.before_after_records import BeforeAfter, RisePart
from evalkit.errors import DesignError
from evalkit.findings import Described, TrendPoint
from evalkit.firm_records import NotTold
from evalkit.grade_records import Refusal
from evalkit.kernels.mean_reversion import by_earlier_pair, by_others, by_own_past, group_of, without_reversion
from tests.report.conftest import example_findings

LINES = (2736.0, 2952.0)
ASKED: dict[str, Any] = {"unit": "unit", "period": "year", "income": "income", "selected": "poor", "first": 2014, "last": 2018}
WAYS: dict[str, dict[str, Any]] = {
    "covered, earlier pair": {"earlier": (2010, 2014)},
    "covered, two years": {},
    "exited, earlier pair": {"earlier": (2010, 2014), "chosen": "exited", "exit_line": LINES[1]},
    "exited, two years": {"chosen": "exited", "exit_line": LINES[1]},
}


@cache
def world(seed: int = 1, people: int = 8000, effect: float = 0.0, memory: float = 0.0, traits: bool = False) -> pd.DataFrame:
    """Households of which 7.6% are registered in 2014 by their income of that year, or by lasting traits, with an effect in 2018."""
    rng = np.random.default_rng(seed)
    own, luck, years = rng.normal(0, 0.55, people), rng.normal(0, 0.35, people), {}
    for year in (2010, 2014, 2018):
        years[year] = np.exp(own + luck + 0.09 * (year - 2014))
        luck = memory * luck + np.sqrt(1 - memory**2) * rng.normal(0, 0.35, people)
    wide = pd.DataFrame(years)
    wide *= LINES[0] / wide[2014].quantile(0.076)
    poor = pd.Series(own < np.quantile(own, 0.076)) if traits else wide[2014] < LINES[0]
    wide.loc[poor, 2018] *= 1 + effect
    frame = wide.stack().rename("income").rename_axis(["unit", "year"]).reset_index()
    return frame.assign(poor=frame["unit"].map(poor).astype(int))


@cache
def split(way: str, **kind: Any) -> BeforeAfter:
    return before_after_decomposition(world(**kind), **ASKED, **WAYS[way])


def part(record: BeforeAfter, name: Any) -> RisePart:
    found = record.part(name)
    assert found is not None
    return found


def ends(found: RisePart) -> tuple[float, float]:
    assert found.low is not None and found.high is not None
    return found.low, found.high


def anyway(record: BeforeAfter) -> float:
    """What the mean would have become without a programme, by the record."""
    return record.after - part(record, "rest").amount


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [{}, {"memory": 0.6}], ids=["drawn anew", "with memory"])
def test_without_a_programme_the_rest_is_nothing_within_its_range(way: str, kind: dict[str, Any]) -> None:
    record = split(way, **kind)
    low, high = ends(part(record, "rest"))
    assert low < 0 < high
    assert part(record, "rest").amount == pytest.approx(0, abs=0.08 * anyway(record))
    # What the usual reading would call the result of the policy, once general growth is taken off, is not nothing at all.
    assert part(record, "selection").amount > 0.25 * record.before
    assert record.growth == pytest.approx(np.expm1(0.36), abs=0.02)


@pytest.mark.parametrize("way", ["covered, earlier pair", "covered, two years"])
def test_a_planted_effect_of_ten_per_cent_is_the_rest(way: str) -> None:
    record, without = split(way, effect=0.1), split(way)
    planted = without.after * 0.1
    low, high = ends(part(record, "rest"))
    assert low < planted < high
    assert part(record, "rest").amount - part(without, "rest").amount == pytest.approx(planted)


@pytest.mark.parametrize("way", ["covered, earlier pair", "covered, two years"])
def test_a_programme_that_touches_the_selected_alone_moves_neither_growth_nor_selection(way: str) -> None:
    for name in ("general_growth", "selection"):
        assert part(split(way, effect=0.1), name).amount == pytest.approx(part(split(way), name).amount)


def test_among_those_who_exited_the_rest_is_less_than_the_effect() -> None:
    with_effect, without = split("exited, earlier pair", effect=0.1), split("exited, earlier pair")
    assert with_effect.units is not None and without.units is not None and with_effect.units > without.units
    gained = part(with_effect, "rest").amount - part(without, "rest").amount
    assert 0 < gained < 0.1 * anyway(without)


@pytest.mark.parametrize("way", WAYS)
def test_the_parts_add_up_exactly(way: str) -> None:
    record = split(way, effect=0.1)
    assert sum(one.amount for one in record.parts) == pytest.approx(record.after - record.before, abs=1e-9)
    assert sum(one.share or 0 for one in record.parts) == pytest.approx(1)
    assert [one.name for one in record.parts] == ["general_growth", "selection", "rest"]


@pytest.mark.parametrize("way", WAYS)
def test_where_lasting_traits_decided_the_range_says_so(way: str) -> None:
    record = split(way, traits=True)
    low, high = ends(part(record, "rest"))
    assert low < 0 < high  # the point alone takes the group for one with a bad year, and is far off
    assert part(record, "rest").amount < -0.3 * record.before
    if way == "covered, earlier pair":
        assert record.by_own_past == pytest.approx(0, abs=0.1 * record.before)


def test_what_was_done_is_told() -> None:
    pair, two = split("covered, earlier pair"), split("covered, two years")
    assert (pair.reversion, pair.earlier, pair.missing, pair.growth_from) == ("earlier_pair", (2010, 2014), "", "others")
    assert (two.reversion, two.earlier, two.missing, two.by_own_past) == ("others", None, "no_income_before", None)
    assert part(two, "selection").low == 0
    assert pair.units == int(world()["poor"].sum() / 3) and pair.left_out == 0


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_rows_changes_nothing(way: str) -> None:
    assert before_after_decomposition(world().sample(frac=1, random_state=3), **ASKED, **WAYS[way]) == split(way)


def test_another_unit_of_money_scales_amounts_and_leaves_shares() -> None:
    way = WAYS["exited, earlier pair"] | {"exit_line": LINES[1] / 10_000}
    scaled = before_after_decomposition(world().assign(income=lambda t: t["income"] / 10_000), **ASKED, **way)
    for one, other in zip(scaled.parts, split("exited, earlier pair").parts, strict=True):
        assert (10_000 * one.amount, one.share) == (pytest.approx(other.amount), pytest.approx(other.share))
        assert 10_000 * ends(one)[0] == pytest.approx(ends(other)[0])


@pytest.mark.parametrize("way", ["covered, earlier pair", "covered, two years"])
def test_more_growth_of_everybody_is_general_growth_and_carries_the_other_parts_along(way: str) -> None:
    lifted = world().assign(income=lambda t: t["income"] * np.where(t["year"] == 2018, 1.2, 1.0))
    record, before = before_after_decomposition(lifted, **ASKED, **WAYS[way]), split(way)
    assert 1 + (record.growth or 0) == pytest.approx(1.2 * (1 + (before.growth or 0)))
    for name in ("selection", "rest"):
        assert part(record, name).amount == pytest.approx(1.2 * part(before, name).amount)


def test_cloned_households_in_one_village_tell_nothing_new() -> None:
    few = world(people=3000)
    twins = pd.concat([few.assign(village=few["unit"]), few.assign(village=few["unit"], unit=few["unit"] + 10_000)])
    once = before_after_decomposition(few, **ASKED)
    twice = before_after_decomposition(twins, **ASKED, cluster="village")
    for one, other in zip(once.parts, twice.parts, strict=True):
        assert (one.amount, *ends(one)) == pytest.approx((other.amount, *ends(other)))


def test_households_without_an_income_in_one_year_are_counted() -> None:
    frame = world(people=3000)
    poor = frame.loc[frame["poor"] == 1, "unit"].unique()[:3]
    gone = frame[~((frame["year"] == 2018) & frame["unit"].isin(poor))]
    record = before_after_decomposition(gone, **ASKED)
    assert record.left_out == 3 and record.units == frame["poor"].sum() / 3 - 3


# A table to redo with a pencil: four households, of which the poorest is selected.
START, END = np.array([10.0, 20, 30, 40]), np.array([50.0, 40, 60, 60])
POOREST = np.array([True, False, False, False])


def test_the_earlier_pair_by_hand() -> None:
    past, present = np.array([4.0, 2, 3, 1]), np.array([6.0, 4, 6, 4])
    found = by_earlier_pair(START, END, POOREST, past, present, None)
    # Earlier everybody doubled (10 to 20) and the poorest had four times as much: twice the growth of everybody. The others grew
    # by 16/9 then, 8/9 of everybody's growth; now they grew by 160/90, so that everybody would have doubled again.
    assert (found.growth, found.reversion) == (pytest.approx(2), pytest.approx(2))
    assert found.parts() == pytest.approx([10, 20, 10])


def test_with_a_line_only_those_who_would_reach_it_are_matched() -> None:
    start, end = np.array([10.0, 10, 30, 50]), np.array([20.0, 90, 60, 100])
    past, present = np.array([1.0, 1, 3, 5]), np.array([2.0, 6, 5, 7])
    selected = np.array([True, True, False, False])
    found = by_earlier_pair(start, end, selected, past, present, 50.0)
    # Everybody doubled earlier (10 to 20), the unmatched grew by 12/8: 3/4 of that. Now the others doubled: growth 8/3 of 100.
    assert found.growth == pytest.approx(2 / 0.75)
    # The line of 50 among a mean of 200/3 is 15/4 among a mean of 5, which one of the two matched reached: from 1 to 6.
    assert found.reversion == pytest.approx(6 / 1 / 2)
    assert (found.before, found.after) == (10, 90)


def test_the_own_past_by_hand() -> None:
    found = by_own_past(START, END, POOREST, np.array([4.0, 2, 3, 1]), None)
    # The poorest had 4 of a mean of 2.5 in the past and has 10 of a mean of 25 now: four times as far up. The others fell to 2/3.
    assert found.reversion == pytest.approx(4)
    assert found.growth == pytest.approx(160 / 90 / (2 / 3))


def test_two_years_by_hand() -> None:
    # Log incomes of the others lie on a line: the square root of the start, times ten. The selected had 1, so would have 10.
    start, end = np.array([1.0, 4, 16, 64]), np.array([13.0, 20, 40, 80])
    found = by_others(start, end, POOREST, None)
    assert found.before * found.growth * found.reversion == pytest.approx(10)
    assert found.growth == pytest.approx((10 + 20 + 40 + 80) / 85)
    assert found.parts()[2] == pytest.approx(3)
    assert without_reversion(start, end, POOREST, None).parts() == pytest.approx([140 / 84 - 1, 0, 13 - 140 / 84])


def test_who_is_of_the_group() -> None:
    start, end = np.array([1.0, 1, np.nan, 1]), np.array([5.0, 2, 5, 5])
    selected = np.array([True, True, True, False])
    assert group_of(start, end, selected, None).tolist() == [True, True, False, False]
    assert group_of(start, end, selected, 3.0).tolist() == [True, False, False, False]


def test_a_file_of_the_exited_alone_is_not_divided() -> None:
    alone = world()[lambda t: t["poor"] == 1]
    whole = before_after_decomposition(alone, **ASKED, chosen="exited")
    assert (whole.missing, [one.name for one in whole.parts], whole.growth) == ("no_growth", ["undivided"], None)
    assert whole.parts[0].amount == pytest.approx(whole.rise)
    known = before_after_decomposition(alone, **ASKED, chosen="exited", general_growth=0.10)
    assert (known.missing, known.growth_from) == ("no_income_before", "outside")
    assert known.parts[0].amount == pytest.approx(known.before * (1.1**4 - 1))
    assert sum(one.amount for one in known.parts) == pytest.approx(known.rise)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a column": ({"income": "incme"}, r"no column 'incme'. Did you mean 'income'"),
    "a year": ({"last": 2019}, r"no rows of 2019 in 'year'; there are 2010, 2014, 2018"),
    "an order": ({"first": 2018, "last": 2014}, r"last year 2014 does not come after the first, 2018"),
    "a group": ({"chosen": "escaped"}, r"no kind of group 'escaped'.*Allowed: covered, exited"),
    "no line": ({"chosen": "exited"}, r"chosen by their income of 2018 too: say from which one"),
    "a line for the covered": ({"exit_line": 3000.0}, r"exit_line=3000 goes with chosen='exited'"),
    "a line that is none": ({"chosen": "exited", "exit_line": -1.0}, r"and is a positive income"),
    "a shorter pair": ({"earlier": (2012, 2014)}, r"earlier pair \(2012, 2014\) must lie 4 years apart.*For example \(2010, 2014\)"),
    "a later pair": ({"earlier": (2014, 2018)}, r"and end by 2014"),
    "growth from outside": ({"general_growth": 0.09}, r"here the others tell it. Leave it out"),
    "a level": ({"level": 95}, r"coverage of the ranges, such as 0.95, not 95"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_is_refused(name: str) -> None:
    change, message = REFUSED[name]
    with pytest.raises(DesignError, match=message):
        before_after_decomposition(world(people=3000), **(ASKED | change))


BAD: dict[str, tuple[Any, str]] = {
    "twice": (lambda t: pd.concat([t, t[:2]]), r"stand twice for a unit and year, of units 0"),
    "half": (lambda t: t.assign(poor=np.where(t["unit"] == 7, 0.5, t["poor"])), r"in 1 units it is not: 7"),
    "turns": (lambda t: t.assign(poor=np.where(t["unit"] == 7, t["year"] == 2018, t["poor"])), r"in all years of a unit.*: 7"),
    "few": (lambda t: t.assign(poor=(t["unit"] < 5).astype(int)), r"5 units in the group.*at least 10"),
    "few others": (lambda t: t.assign(poor=(t["unit"] > 5).astype(int)), r"6 units not selected.*at least 10"),
    "nothing": (lambda t: t.assign(income=np.where(t["unit"] == 9, 0.0, t["income"])), r"1 units have an income of zero or less"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_data_that_cannot_be_split_are_refused(name: str) -> None:
    change, message = BAD[name]
    with pytest.raises(DesignError, match=message):
        before_after_decomposition(change(world(people=3000)), **ASKED)


def test_clusters_that_give_no_range_are_refused() -> None:
    frame = world(people=3000)
    with pytest.raises(DesignError, match="All units lie in one 'village'"):
        before_after_decomposition(frame.assign(village=1), **ASKED, cluster="village")
    with pytest.raises(DesignError, match="1 units have no 'village': 4"):
        before_after_decomposition(frame.assign(village=frame["unit"].where(frame["unit"] != 4)), **ASKED, cluster="village")


def test_two_published_figures_stand_beside_a_world_without_a_programme() -> None:
    claim = claimed_rise(2350, 6040, years=4)
    assert (claim.missing, claim.growth, claim.claimed, claim.units) == ("no_growth", None, True, None)
    assert claim.zero is not None and claim.zero.rise == pytest.approx(1.52, abs=0.02)
    assert claim.rise / claim.before == pytest.approx(1.57, abs=0.005)


def test_a_published_rise_with_growth_from_outside_by_hand() -> None:
    claim = claimed_rise(2000, 5000, general_growth=0.5, first=2014, last=2016)
    assert [(one.name, one.amount) for one in claim.parts] == [
        ("general_growth", pytest.approx(2500)),
        ("undivided", pytest.approx(500)),
    ]
    assert (claim.years, claim.growth, claim.parts[1].share) == (2, pytest.approx(1.25), pytest.approx(1 / 6))
    assert claim.zero is not None and claim.zero.everyone == pytest.approx(1.25, rel=0.02)  # the world beside grows as much
    assert claimed_rise(2000, 5000, years=4, selected="covered").zero is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"before": 0, "after": 5}, "mean incomes above zero, not 0 and 5"),
        ({"before": 5, "after": 6, "general_growth": 0.1}, "say how many lie between the two figures"),
        ({"before": 5, "after": 6, "years": 0}, "a whole number from 1 to 40, not 0"),
        ({"before": 5, "after": 6, "years": 3, "first": 2014, "last": 2018}, "From 2014 to 2018 are 4 years, not 3"),
        ({"before": 5, "after": 6, "years": 3, "general_growth": 9}, "as a share, 0.09 for 9 per cent, not 9"),
    ],
)
def test_published_figures_that_say_nothing_are_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        claimed_rise(**asked)


def trends(**means: tuple[float, ...]) -> list[TrendPoint]:
    names = {"treated": "treated", "comparison": "comparison"}
    return [
        TrendPoint(group=names[g], period=2013 + i, mean=m, units=40) for g, row in means.items() for i, m in enumerate(row) if m
    ]  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", ["log", "level"])
def test_the_rise_of_the_covered_by_hand(scale: str) -> None:
    findings = example_findings("gain", scale=scale, trends=trends(treated=(100, 150, 260), comparison=(200, 250, 300)))
    record = rise_of_covered(findings)
    assert isinstance(record, BeforeAfter)
    money = findings.headline.money
    grown = 50.0 if scale == "log" else 100.0  # half as much again, or a hundred yuan
    assert [(one.name, one.amount) for one in record.parts] == [
        ("general_growth", pytest.approx(grown)), ("policy", money.estimate), ("rest", pytest.approx(160 - grown - money.estimate)),
    ]  # fmt: skip
    assert (part(record, "policy").low, part(record, "policy").high) == (money.low, money.high)
    assert (record.first, record.last, record.before, record.after, record.growth) == (2013, 2015, 100, 260, 0.5)


def test_the_rise_of_example_findings_adds_up() -> None:
    for verdict in ("gain", "loss", "too_few"):
        record = rise_of_covered(example_findings(verdict))
        assert isinstance(record, BeforeAfter)
        assert sum(one.amount for one in record.parts) == pytest.approx(record.rise)


def test_years_that_one_group_lacks_are_not_compared() -> None:
    findings = example_findings("gain", trends=trends(treated=(100, 150, 260), comparison=(0, 250, 300)))
    record = rise_of_covered(findings)
    assert isinstance(record, BeforeAfter) and (record.first, record.last) == (2014, 2015)
    hidden = rise_of_covered(example_findings("gain", trends=trends(treated=(100, 150, 260), comparison=(0, 0, 300))))
    assert isinstance(hidden, NotTold) and hidden.reason == "other_years"
    nobody = rise_of_covered(example_findings("gain", trends=trends(comparison=(200, 250))))
    assert isinstance(nobody, NotTold) and nobody.reason == "no_trend"


def described(**changes: Any) -> Described:
    known = example_findings("gain").model_dump()
    values = {name: value for name, value in known.items() if name in Described.model_fields} | {"verdict": "refused"}
    told = {"units": 60, "treated_units": 60, "periods": [2013, 2014, 2015], "rows": 180, "trends": trends(treated=(100, 150, 260))}
    return Described(**(values | told | changes))


def test_a_study_without_a_causal_figure_has_a_rise_that_is_not_divided() -> None:
    record = rise_of_covered(described())
    assert isinstance(record, BeforeAfter)
    assert (record.missing, record.selected, record.zero, record.parts[0].amount) == ("no_growth", "covered", None, 160)
    beside = rise_of_covered(described(trends=trends(treated=(100, 150, 260), comparison=(200, 250, 300))))
    assert isinstance(beside, BeforeAfter)
    assert [(one.name, one.amount) for one in beside.parts] == [("general_growth", 50), ("undivided", 110)]
    exited = rise_of_covered(described(refusals=[Refusal(code="only_exited")]))
    assert isinstance(exited, BeforeAfter) and exited.zero is not None
    assert (exited.selected, exited.zero.before) == ("exited", 100)  # the world beside begins where the group does
    assert exited.zero.years == 2


@pytest.mark.simulation
@pytest.mark.parametrize("way", WAYS)
def test_over_many_worlds_the_rest_is_unbiased_and_its_range_holds_the_truth(way: str) -> None:
    rests, held = [], 0
    for seed in range(100):
        record = before_after_decomposition(world(seed=500 + seed, people=4000), **ASKED, **WAYS[way])
        low, high = ends(part(record, "rest"))
        rests.append(part(record, "rest").amount / record.before)
        held += low <= 0 <= high
    assert abs(np.mean(rests)) < 4 * np.std(rests) / 10
    assert held >= 88
