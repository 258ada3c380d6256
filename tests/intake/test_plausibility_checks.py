"""Each plausibility check finds what was planted, says it with the right numbers, and knows what it cannot see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import PCG64, Generator

from evalkit.intake.checks.benford import benford, benford_of, first_digits
from evalkit.intake.checks.bunching import bunching, excess, unrounded
from evalkit.intake.checks.comparing import against_others, exact_interval, holm
from evalkit.intake.checks.copied import copied_blocks
from evalkit.intake.checks.heaping import heaping
from evalkit.intake.checks.identical import carried_over, combined, identical
from evalkit.intake.checks.jumps import jumps, mixed_units
from evalkit.intake.checks.sheet import NotApplied, Ran, Roles, Sheet
from evalkit.intake.checks.smoothness import explained, narrow_years, same_growth, too_smooth
from evalkit.intake.checks.target import just_below, targets_hit
from evalkit.intake.checks.two_sources import gap_distribution
from evalkit.intake.observations import IntakeError, Question
from evalkit.intake.plausibility import question_plausibility, reconcile
from evalkit.words import catalogue

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def chance(seed: int) -> Generator:
    return Generator(PCG64(seed))


def codes(questions: list[Question]) -> list[str]:
    return [question.code for question in questions]


def ask(frame: pd.DataFrame, **roles: str) -> list[Question]:
    return list(question_plausibility(frame, Roles(**roles)).questions)


# Comparisons


def test_the_interval_of_a_share_is_that_of_the_wrongly_exited_households() -> None:
    # 28 persons were 0.41 per cent: about 6,829 persons sampled, exact interval 0.27 to 0.59 per cent.
    low, high = exact_interval(28, 6829)
    assert (round(100 * low, 2), round(100 * high, 2)) == (0.27, 0.59)


def test_a_place_like_the_others_has_the_binomial_tail_of_its_share() -> None:
    from scipy.stats import binom

    hits, rows = np.array([30, 10, 10, 10, 10, 10, 10]), np.full(7, 100)
    p, others = against_others(hits, rows)
    assert others[0] == pytest.approx(60.5 / 601)
    assert p[0] == pytest.approx(binom.sf(29, 100, 60.5 / 601), rel=1e-9)
    assert p[1] > 0.2


def test_spread_among_the_others_makes_a_place_less_remarkable() -> None:
    even, uneven = np.array([30, 10, 10, 10, 10, 10, 10, 10, 10]), np.array([30, 2, 18, 1, 19, 4, 16, 0, 20])
    rows = np.full(9, 100)
    assert against_others(uneven, rows)[0][0] > 100 * against_others(even, rows)[0][0]


def test_two_remarkable_places_do_not_hide_each_other() -> None:
    hits = np.r_[60, 60, np.full(28, 10)]
    p, _ = against_others(hits, np.full(30, 100))
    assert holm(p)[:2].max() < 1e-3
    assert holm(p)[2:].min() > 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 80), st.floats(0, 1)), min_size=3, max_size=12))
def test_a_tail_is_a_probability_whatever_the_counts(places: list[tuple[int, float]]) -> None:
    rows = np.array([row for row, _ in places])
    hits = np.array([int(row * share) for row, share in places])
    p, _ = against_others(hits, rows)
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[hits == 0] == 1).all()


def test_a_village_of_an_uneven_county_is_not_asked_more_often_than_stated() -> None:
    rng, asked = chance(1), 0
    for _ in range(300):
        share = rng.beta(4, 16, 25)  # villages round off between 5 and 40 per cent of their numbers
        p, _ = against_others(rng.binomial(100, share), np.full(25, 100))
        asked += bool((holm(p) < 0.01).any())
    assert asked / 300 <= 0.05


# Round numbers


def answers(rng: Generator, villages: int, rows: int) -> tuple[Floats, Floats]:
    return np.rint(np.exp(rng.normal(8.3, 0.5, villages * rows))), np.repeat(np.arange(villages), rows)


def test_one_village_of_round_hundreds_is_asked_about_with_its_numbers() -> None:
    rng = chance(2)
    values, village = answers(rng, 20, 60)
    values = np.where(rng.random(len(values)) < 0.25, np.round(values, -2), values)  # everywhere a quarter is rounded
    values[:60] = np.where(rng.random(60) < 0.7, np.round(values[:60], -2), values[:60])
    found = heaping(values, village, [f"village {n}" for n in range(20)], np.arange(1200) + 2, "income")
    assert codes(found) == ["HEAPED_HUNDREDS"]
    facts = found[0].facts
    assert facts["group"] == "village 0"
    assert facts["rows"] == 60
    assert facts["observed"] == pytest.approx((values[:60] % 100 == 0).mean(), rel=1e-3)
    assert float(str(facts["low"])) < float(str(facts["observed"])) < float(str(facts["high"]))
    assert [place.line for place in found[0].places] == (np.flatnonzero(values[:60] % 100 == 0)[:5] + 2).tolist()


def test_round_numbers_everywhere_are_no_question() -> None:
    rng = chance(3)
    values, village = answers(rng, 20, 60)
    assert heaping(np.round(values, -2), village, [str(n) for n in range(20)], np.arange(1200), "income") == []


def test_too_few_villages_are_a_reason_and_not_a_silence() -> None:
    values, village = answers(chance(4), 5, 60)
    seen = question_plausibility(pd.DataFrame({"v": village, "y": values}), Roles(group="v", income="y"), checks=["heaping"])
    assert [(one.reason, one.facts["found"]) for one in seen.not_applied] == [("FEW_GROUPS", 5)]


# Bunching


def incomes(rng: Generator, rows: int, planted: float = 1.0, middle: float = 1.2) -> Floats:
    """Incomes over a line of 3,000, the window 1 to 1.05 filled up from just below by a factor."""
    relative = np.exp(rng.normal(np.log(middle), 0.5, rows))
    inside, near = (relative >= 1) & (relative < 1.05), np.flatnonzero((relative >= 0.85) & (relative < 1))
    lifted = rng.choice(near, round(float((planted - 1) * inside.sum())), replace=False)
    relative[lifted] = rng.uniform(1, 1.05, len(lifted))
    return np.rint(3000 * relative)


def asked_about(income: Floats, place: Floats | None = None) -> list[Question]:
    rows = len(income)
    village = np.full(rows, -1) if place is None else place
    labels = [] if place is None else [str(n) for n in range(int(place.max()) + 1)]
    return bunching(
        income,
        np.full(rows, 3000.0),
        village,
        labels,
        np.arange(rows) + 2,
        "income",
        {"schedule": "a", "line": "3,000", "years": "2016"},
    )


@pytest.mark.parametrize("middle", [1.0, 1.2])
def test_an_excess_of_three_tenths_among_3000_households_is_found_four_times_in_five(middle: float) -> None:
    # The stated power: 111 rows expected in the window. At 300 tries the standard error of the share is 2.3 points.
    rng = chance(5)
    found = sum(bool(asked_about(incomes(rng, 3000, 1.3, middle))) for _ in range(300))
    assert found / 300 >= 0.76


def test_clean_incomes_are_asked_about_in_at_most_one_file_of_twenty() -> None:
    rng = chance(6)
    found = sum(bool(asked_about(incomes(rng, 3000), np.arange(3000) % 4)) for _ in range(200))
    assert found / 200 <= 0.05


def test_a_density_that_is_not_lognormal_is_asked_about_no_more_often() -> None:
    rng, found = chance(7), 0
    for _ in range(200):
        poor, other = rng.gamma(6, 450, 2000), np.exp(rng.normal(8.6, 0.4, 1500))
        found += bool(asked_about(np.rint(np.r_[poor, other])))
    assert found / 200 <= 0.07


def test_the_ratio_is_that_which_was_planted_and_its_interval_holds_it() -> None:
    rng = chance(8)
    seen = [excess(incomes(rng, 20_000, 1.5) / 3000) for _ in range(60)]
    assert np.mean([one.ratio for one in seen]) == pytest.approx(1.5, abs=0.06)
    assert np.mean([one.interval[0] < 1.5 < one.interval[1] for one in seen]) >= 0.85


def test_an_income_on_the_line_stands_in_the_window_and_one_at_its_end_does_not() -> None:
    rng = chance(9)
    base = incomes(rng, 3000)
    assert excess(np.r_[base, np.full(7, 3000.0)] / 3000).observed == excess(base / 3000).observed + 7
    assert excess(np.r_[base, np.full(7, 3150.0)] / 3000).observed == excess(base / 3000).observed


def test_the_place_that_was_lifted_is_named_and_no_other() -> None:
    rng = chance(10)
    income = np.r_[incomes(rng, 3000, 2.5), incomes(rng, 15_000)]
    found = asked_about(income, np.repeat(np.arange(6), 3000))
    assert [question.facts["group"] for question in found if question.code == "BUNCHED_PLACE"] == ["0"]


def test_round_numbers_by_themselves_are_no_bunching_and_do_not_hide_it() -> None:
    # A line of 2,968 has 3,000 in its window: answers in thousands make a peak there that no one lifted.
    rng, clean, found, naive = chance(11), 0, 0, 0
    for _ in range(60):
        exact, lifted = incomes(rng, 4000) * 2968 / 3000, incomes(rng, 4000, 1.6) * 2968 / 3000
        rounded = rng.random(4000) < 0.3
        answered, answered_lifted = (np.where(rounded, np.round(one / 1000) * 1000, np.rint(one)) for one in (exact, lifted))
        clean += excess(answered[unrounded(answered)] / 2968).p < 0.035
        found += excess(answered_lifted[unrounded(answered_lifted)] / 2968).p < 0.035
        naive += excess(answered / 2968).p < 0.035
    assert clean <= 6
    assert found >= 50
    assert naive >= 50


def test_with_too_few_rows_around_the_line_the_check_says_so() -> None:
    frame = pd.DataFrame({"t": 2016, "y": np.arange(1000, 1100)})
    from evalkit.intake.plausibility import poverty_lines

    for lines, reason in (((), "NO_LINES"), (poverty_lines("registry"), "FEW_NEAR_LINE")):
        seen = question_plausibility(frame, Roles(period="t", income="y"), poverty_lines=lines, checks=["bunching"])
        assert [one.reason for one in seen.not_applied] == [reason]


# Identical rows and blocks


def sources(rng: Generator, rows: int) -> Floats:
    return np.rint(np.exp(rng.normal(7, 0.6, (rows, 4))))


def question_identical(values: Floats, village: Floats, size: Floats | None = None) -> list[Question]:
    size = np.zeros(len(values)) if size is None else size
    labels = [f"v{n}" for n in range(int(village.max()) + 1)]
    return identical(
        values,
        size,
        village,
        np.full(len(values), 2016.0),
        labels,
        np.arange(len(values)) + 2,
        ("wage", "business", "property", "transfer"),
    )


def test_repeated_rows_of_one_village_are_counted_and_placed() -> None:
    values, village = sources(chance(12), 600), np.repeat(np.arange(12), 50)
    values[[103, 107, 111]] = values[100]
    values[7, 2] = np.nan  # a row that is left aside must not shift the lines
    (question,) = question_identical(values, village)
    assert question.code == "IDENTICAL_ROWS"
    assert (question.facts["group"], question.facts["extra"], question.count) == ("v2", 3, 4)
    assert [place.line for place in question.places] == [102, 105, 109, 113]


def test_rows_equal_but_for_one_source_are_nearly_identical_and_the_source_is_named() -> None:
    values, village = sources(chance(13), 600), np.repeat(np.arange(12), 50)
    values[[103, 107, 111], :3] = values[100, :3]
    (question,) = question_identical(values, village)
    assert question.code == "NEARLY_IDENTICAL_ROWS"
    assert question.facts["left"] == "transfer"


def test_standard_amounts_that_all_villages_have_are_no_question() -> None:
    rng = chance(14)
    values = rng.choice([[0, 300, 0, 2400], [0, 300, 0, 3600], [0, 500, 0, 2400], [800, 300, 0, 2400]], 600).astype(float)
    assert question_identical(values, np.repeat(np.arange(12), 50), np.repeat([1.0, 2.0], 300)) == []


def test_values_rounded_to_hundreds_coincide_by_chance_and_are_no_question() -> None:
    rng, asked = chance(15), 0
    for _ in range(40):
        values = np.round(np.exp(rng.normal(6, 0.4, (600, 4))), -2)
        asked += bool(question_identical(values, np.repeat(np.arange(12), 50)))
    assert asked <= 3


def test_a_row_with_one_source_says_too_little() -> None:
    values = np.tile([0.0, 0.0, 0.0, 2400.0], (600, 1))
    values[:300] = sources(chance(16), 300)
    assert question_identical(values, np.repeat(np.arange(12), 50)) == []


def test_last_years_figures_in_one_village_are_asked_about() -> None:
    rng = chance(17)
    before, after = sources(rng, 400), sources(rng, 400)
    after[40:60] = before[40:60]
    village = np.tile(np.repeat(np.arange(10), 40), 2)
    follows = (np.arange(400), np.arange(400, 800))
    found = carried_over(np.vstack([before, after]), follows, village, [str(n) for n in range(10)], np.arange(800) + 2, "wage")
    assert [(q.code, q.facts["group"], q.count, q.places[0].line) for q in found] == [("CARRIED_OVER", "1", 20, 442)]
    whole = carried_over(np.vstack([before, before]), follows, village, [str(n) for n in range(10)], np.arange(800) + 2, "wage")
    assert [(q.code, q.count) for q in whole] == [("CARRIED_OVER_FILE", 400)]


def test_a_block_of_lines_that_stands_twice_is_found_with_both_places() -> None:
    values = sources(chance(18), 300)
    values[210:218] = values[40:48]
    frame = pd.DataFrame(values, columns=["w", "b", "p", "t"]).assign(home=np.arange(300))
    found = ask(frame, unit="home", wage="w", business="b", property="p", transfer="t")
    assert codes(found) == ["COPIED_BLOCK"]
    assert {name: found[0].facts[name] for name in ("first", "last", "again_first", "again_last", "rows")} == {
        "first": 42,
        "last": 49,
        "again_first": 212,
        "again_last": 219,
        "rows": 8,
    }


def test_four_lines_are_no_block_and_one_repeated_row_is_none() -> None:
    rows = np.array([0, 1, 2, 3, 9, 8, 0, 1, 2, 3, 7, 6])
    assert copied_blocks(rows, np.arange(12)) == []
    assert copied_blocks(np.zeros(30, dtype=int), np.arange(30)) == []
    blank = np.array([0, 1, -1, 2, 3])  # a blank row equals none
    assert copied_blocks(np.tile(blank, 2), np.arange(10)) == []
    assert copied_blocks(np.tile(np.arange(5), 2), np.tile(np.arange(5), 2)) == []  # the same households in two years


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.5, 2.0]), st.integers(0, 2)), min_size=1, max_size=30))
def test_combined_numbers_agree_exactly_where_the_rows_agree(rows: list[tuple[int, float, int]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    numbers = combined(*columns)
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert (numbers[i] == numbers[j]) == (one == other)


# Smoothness


def village_years(rng: Generator, villages: int = 8, homes: int = 30, years: int = 5) -> pd.DataFrame:
    level = rng.normal(8.3, 0.4, villages * homes)
    logs = level[:, None] + 0.08 * np.arange(years) + rng.normal(0, 0.15, (villages * homes, years))
    frame = pd.DataFrame({"y": np.rint(np.exp(logs)).ravel()})
    frame["home"] = np.repeat(np.arange(villages * homes), years)
    frame["village"] = np.repeat(np.arange(villages), homes * years).astype(str)
    frame["t"] = np.tile(np.arange(2014, 2014 + years), villages * homes)
    return frame


SMOOTH = {"unit": "home", "period": "t", "group": "village", "income": "y"}


def smooth(frame: pd.DataFrame) -> list[Question]:
    return list(question_plausibility(frame, Roles(**SMOOTH), checks=["smoothness"]).questions)


def test_one_growth_rate_for_a_whole_village_is_asked_about() -> None:
    frame = village_years(chance(19))
    assert smooth(frame) == []
    here = (frame["village"] == "3") & (frame["t"] == 2016)
    frame.loc[here, "y"] = np.rint(frame["y"].shift(1)[here] * 1.12)
    (question,) = smooth(frame)
    assert (question.code, question.facts["group"], question.facts["period"], question.count) == ("SAME_GROWTH", "3", 2016, 30)
    assert question.facts["growth"] == pytest.approx(0.12, abs=0.002)
    assert question.facts["observed"] == 1.0


def test_five_hundred_yuan_for_everyone_is_a_straight_line() -> None:
    frame = village_years(chance(20))
    here = (frame["village"] == "3") & (frame["t"] == 2016)
    frame.loc[here, "y"] = frame["y"].shift(1)[here] + 500
    (question,) = smooth(frame)
    assert question.code == "YEAR_COMPUTED"
    assert question.facts["observed"] == pytest.approx(1.0)


def test_a_year_in_which_a_village_draws_together_is_asked_about_and_a_year_of_all_villages_is_not() -> None:
    frame = village_years(chance(21), villages=12)
    middle = frame.groupby(["village", "t"])["y"].transform("median")
    narrow = np.rint(middle * (frame["y"] / middle) ** 0.25)
    here = (frame["village"] == "5") & (frame["t"] == 2018)
    (question,) = smooth(frame.assign(y=frame["y"].where(~here, narrow)))
    assert (question.code, question.facts["group"], question.facts["period"]) == ("NARROW_YEAR", "5", 2018)
    assert question.facts["ratio"] == pytest.approx(0.25, abs=0.08)
    assert smooth(frame.assign(y=frame["y"].where(frame["t"] != 2018, narrow))) == []


def test_same_growth_and_correlation_by_hand() -> None:
    before, after = np.array([100.0, 200.0, 400.0, 50.0]), np.array([110.0, 220.0, 440.0, 100.0])
    share, middle = same_growth(before, after, np.zeros(4, dtype=int))
    assert (share[0], middle[0]) == (0.75, pytest.approx(np.log(1.1)))
    correlation, residual = explained(before, after, np.zeros(4, dtype=int))
    assert correlation[0] == pytest.approx(np.corrcoef(before, after)[0, 1])
    line = np.polyfit(before, after, 1)
    assert residual[0] == pytest.approx(np.sqrt(((after - np.polyval(line, before)) ** 2).sum() / 2) / after.mean())


def test_without_villages_and_without_pairs_there_is_a_reason_or_no_question() -> None:
    frame = village_years(chance(22))
    single = question_plausibility(frame[frame["t"] == 2014], Roles(**SMOOTH), checks=["smoothness"])
    assert [one.reason for one in single.not_applied] == ["FEW_PAIRS"]
    nobody = question_plausibility(frame, Roles(unit="home", period="t", income="y"), checks=["smoothness"])
    assert [(one.reason, one.facts["roles"]) for one in nobody.not_applied] == [("ROLE_MISSING", ("group",))]
    empty = np.zeros(0, dtype=int)
    assert too_smooth(np.ones(3), (empty, empty), np.zeros(3, dtype=int), np.ones(3), ["a"], np.arange(3), "y") == []
    assert narrow_years(np.zeros(3), np.zeros(3, dtype=int), np.ones(3), ["a"], np.arange(3), "y") == []


# Identities

REGISTRY = {
    role: role for role in ("wage", "business", "property", "transfer", "total", "cost", "net", "size", "members", "income")
}


def registry(rows: int = 200) -> pd.DataFrame:
    rng = chance(23)
    frame = pd.DataFrame(np.rint(np.exp(rng.normal(8, 0.5, (rows, 4)))), columns=["wage", "business", "property", "transfer"])
    frame["total"] = frame.sum(axis=1)
    frame["cost"] = np.rint(0.3 * frame["business"])
    frame["net"] = frame["total"] - frame["cost"]
    frame["size"] = rng.integers(1, 7, rows)
    frame["members"] = frame["size"]
    return frame.assign(income=np.rint(frame["net"] / frame["size"]))


def identities(frame: pd.DataFrame, *without: str) -> list[Question]:
    roles = {role: column for role, column in REGISTRY.items() if role not in without}
    return list(question_plausibility(frame, Roles(**roles), checks=["identities"]).questions)


def test_a_registry_in_which_everything_adds_up_is_left_in_peace() -> None:
    frame = registry()
    assert identities(frame) == []
    assert identities(frame.assign(total=frame["total"].round(-1), net=frame["net"].round(-1))) == []  # given in tens of yuan


def test_rows_that_do_not_add_up_are_counted_and_placed() -> None:
    frame = registry()
    frame.loc[[4, 9], "total"] += 1000
    frame.loc[[17], "members"] += 2
    found = {question.code: question for question in identities(frame)}
    assert set(found) == {"TOTAL_NOT_SUM", "NET_NOT_TOTAL_LESS_COST", "SIZE_NOT_MEMBERS"}
    assert found["TOTAL_NOT_SUM"].facts == {"column": "total", "rows": 200, "largest": 1000.0}
    assert [place.line for place in found["TOTAL_NOT_SUM"].places] == [6, 11]
    assert found["SIZE_NOT_MEMBERS"].facts["largest"] == 2.0


@pytest.mark.parametrize(
    ("change", "without", "code"),
    [
        (lambda f: {"net": f["total"]}, ("income",), "NET_IS_TOTAL"),
        (lambda f: {"total": f["total"] - f["cost"]}, ("net", "income"), "TOTAL_IS_SUM_LESS_COST"),
        (lambda f: {"total": f["total"] * f["size"]}, ("net", "income"), "TOTAL_IS_SUM_TIMES_SIZE"),
        (lambda f: {}, ("total", "income"), "NET_IS_SUM_LESS_COST"),
        (lambda f: {"income": f["total"] / f["size"]}, (), "INCOME_IS_TOTAL_PER_HEAD"),
        (lambda f: {"income": f["net"]}, (), "INCOME_IS_NET"),
        (lambda f: {}, ("net",), "INCOME_IS_LESS_COST_PER_HEAD"),
        (lambda f: {"income": f["total"]}, ("net",), "INCOME_IS_TOTAL"),
        (lambda f: {"income": f["total"] / f["size"]}, ("net", "total"), "INCOME_IS_SUM_PER_HEAD"),
        (lambda f: {}, ("net", "total"), "INCOME_IS_SUM_LESS_COST_PER_HEAD"),
        (lambda f: {"income": f["net"]}, ("net", "total"), "INCOME_IS_SUM_LESS_COST"),
    ],
)
def test_where_another_known_formula_holds_it_is_named(change: object, without: tuple[str, ...], code: str) -> None:
    frame = registry()
    (question,) = identities(frame.assign(**change(frame)), *without)  # type: ignore[operator]
    assert question.code == code
    assert question.facts["observed"] == 1.0
    assert question.facts["left"] == 0


def test_net_business_income_and_listed_members_are_named_too() -> None:
    frame = registry()
    netted = frame.assign(business=frame["business"] - frame["cost"], net=frame["total"] - frame["cost"])
    netted = netted.assign(total=netted["total"], net=netted["total"] - 2 * netted["cost"], income=0.0)
    fewer = frame.assign(members=frame["size"] + 1, income=frame["net"] / (frame["size"] + 1))
    assert "INCOME_IS_NET_PER_MEMBER" in codes(identities(fewer))
    after_costs = frame.assign(business=frame["business"] - frame["cost"])
    after_costs["total"] = after_costs[["wage", "business", "property", "transfer"]].sum(axis=1) + 0.0
    after_costs["net"] = after_costs["total"]
    assert codes(identities(after_costs)) == ["NET_IS_TOTAL"]


def test_a_blank_is_not_a_zero() -> None:
    frame = registry()
    frame.loc[3, "transfer"] = np.nan
    assert identities(frame) == []


# Reconciliation


def test_levels_that_differ_are_asked_about_with_the_largest_gap() -> None:
    homes = pd.DataFrame({"village": list("aabbc"), "persons": [3, 4, 2, 2, 5]})
    villages = pd.DataFrame({"village": list("abd"), "persons": [7, 9, 1]})
    found = {question.code: question for question in reconcile(homes, villages, "village", "persons")}
    assert set(found) == {"SUM_DIFFERS", "ONLY_IN_COARSE", "ONLY_IN_FINE"}
    assert found["SUM_DIFFERS"].facts == {
        "column": "persons",
        "compared": 2,
        "worst_line": 3,
        "stated": 9.0,
        "added": 4.0,
        "largest": 5.0,
    }
    assert [place.line for place in found["ONLY_IN_COARSE"].places] == [4]
    assert [place.line for place in found["ONLY_IN_FINE"].places] == [6]


def test_counts_agree_exactly_and_a_published_figure_within_its_rounding() -> None:
    # 89 of 151 villages; 8 + 72 + 67 companies are 147 where 148 were published.
    companies = pd.DataFrame({"place": "city", "companies": [8, 72, 67]})
    press = pd.DataFrame({"place": ["city"], "companies": [148]})
    (question,) = reconcile(companies, press, "place", "companies")
    assert question.facts["largest"] == 1.0
    assert reconcile(companies, press, "place", "companies", tolerance=5) == []


def test_a_blank_makes_a_sum_incomplete_and_not_smaller() -> None:
    homes = pd.DataFrame({"village": list("aab"), "persons": [3, np.nan, 2]})
    villages = pd.DataFrame({"village": list("ab"), "persons": [9, np.nan]})
    assert [(q.code, q.count) for q in reconcile(homes, villages, "village", "persons")] == [("SUM_INCOMPLETE", 2)]


def test_a_column_may_be_called_anything_and_a_key_may_have_two_columns() -> None:
    fine = pd.DataFrame({"rows": list("aabb"), "filled": [2015, 2016] * 2, "total": [1, 2, 3, 4]})
    assert reconcile(fine, fine, ["rows", "filled"], "total") == []


@pytest.mark.parametrize(
    ("coarse", "message"),
    [
        ({"village": ["a", "a"], "persons": [1, 2]}, "stands there more than once: 2"),
        ({"village": ["a", "b"]}, "is missing on one"),
        ({"village": ["a", "b"], "persons": ["1", "2"]}, "holds text where numbers are needed"),
        ({"village": [1, 2], "persons": [1, 2]}, "is text on one level and a number on the other"),
    ],
)
def test_levels_that_cannot_be_compared_are_refused(coarse: dict[str, list[object]], message: str) -> None:
    homes = pd.DataFrame({"village": ["a", "b"], "persons": [1, 2]})
    with pytest.raises(IntakeError, match=message):
        reconcile(homes, pd.DataFrame(coarse), "village", "persons")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10_000)), min_size=1, max_size=40))
def test_a_level_made_by_adding_up_always_reconciles(rows: list[tuple[int, int]]) -> None:
    fine = pd.DataFrame(rows, columns=["village", "persons"])
    coarse = fine.groupby("village", as_index=False)["persons"].sum()
    assert reconcile(fine, coarse, "village", "persons") == []
    wrong = coarse.assign(persons=coarse["persons"] + (coarse.index == 0))
    assert [(q.code, q.count) for q in reconcile(fine, wrong, "village", "persons")] == [("SUM_DIFFERS", 1)]


# First digits


def totals(rng: Generator, places: int = 400, years: int = 5) -> pd.DataFrame:
    size = np.repeat(10 ** rng.uniform(3, 6, places), years)
    gdp = np.rint(size * np.exp(0.08 * np.tile(np.arange(years), places) + rng.normal(0, 0.05, places * years)))
    return pd.DataFrame({"county": np.repeat(np.arange(places), years), "t": np.tile(np.arange(years), places), "gdp": gdp})


def test_totals_over_three_orders_of_magnitude_follow_the_law_though_years_repeat_each_other() -> None:
    rng, rejected = chance(24), 0
    for _ in range(100):
        frame = totals(rng)
        rejected += benford(frame["gdp"].to_numpy(), frame["county"].to_numpy())[2] < 0.05
    assert rejected <= 12


def test_totals_that_begin_with_nine_too_often_are_a_weak_hint() -> None:
    frame = totals(chance(25))
    low = first_digits(frame["gdp"].to_numpy()) == 1
    frame.loc[low & (frame["county"] % 2 == 0), "gdp"] *= 9
    seen = question_plausibility(frame, Roles(unit="county", aggregates=("gdp",)), checks=["benford"])
    assert codes(list(seen.questions)) == ["FIRST_DIGITS"]
    assert "weak hint" in seen.say("en") and "仅供参考" in seen.say("zh")


@pytest.mark.parametrize(
    ("frame", "roles", "reason"),
    [
        (totals(chance(26)), Roles(unit="county", income="gdp", aggregates=("gdp",)), "PER_HEAD"),
        (totals(chance(26)), Roles(unit="county", income="gdp"), "PER_HEAD"),
        (totals(chance(26), places=299), Roles(unit="county", aggregates=("gdp",)), "FEW_PLACES"),
        (totals(chance(26)).assign(gdp=lambda f: f["gdp"] ** 0.3), Roles(unit="county", aggregates=("gdp",)), "NARROW"),
    ],
)
def test_incomes_per_head_few_places_and_narrow_ranges_are_refused_with_the_reason(
    frame: pd.DataFrame, roles: Roles, reason: str
) -> None:
    outcome = benford_of(Sheet(frame, roles, np.arange(len(frame))))
    assert isinstance(outcome, NotApplied)
    assert outcome.reason == reason


# Targets, jumps, units, two sources


def test_villages_that_stop_just_below_three_per_cent_are_asked_about() -> None:
    rng = chance(27)
    rates = np.round(rng.uniform(0, 8, 800), 2)
    assert targets_hit(rates, np.arange(800), "rate") == []
    moved = np.flatnonzero((rates >= 3) & (rates < 3.4))[:30]
    rates[moved] = 2.95
    (question,) = targets_hit(rates, np.arange(800), "rate")
    assert (question.code, question.facts["target"]) == ("TARGET_HIT", 3.0)
    assert question.count == ((rates >= 2.9) & (rates < 3.0)).sum()


def test_a_rate_of_exactly_the_target_is_not_below_it() -> None:
    assert just_below(np.array([1.9, 1.99, 2.0, 1.8999, 2.5, 1.39]), 2.0)[:2] == (2, 4)


def test_clean_rates_with_one_decimal_are_asked_about_in_at_most_one_file_of_twenty() -> None:
    rng = chance(28)
    asked = sum(bool(targets_hit(np.round(rng.gamma(2, 2, 1000), 1), np.arange(1000), "rate")) for _ in range(200))
    assert asked <= 10


def test_a_slip_of_a_digit_is_a_jump_and_back() -> None:
    frame = village_years(chance(29))
    frame.loc[7, "y"] *= 10
    seen = question_plausibility(frame, Roles(**SMOOTH), checks=["jumps"])
    (question,) = seen.questions
    assert (question.code, question.count, question.facts["rows"]) == ("JUMP", 2, 960)
    assert [place.line for place in question.places] == [9, 10]
    assert jumps(np.ones(4), (np.zeros(0, dtype=int), np.zeros(0, dtype=int)), np.arange(4), "y") == []


def test_a_gap_of_two_years_is_no_jump() -> None:
    frame = pd.DataFrame(
        {"home": np.repeat(np.arange(30), 2), "t": np.tile([2014, 2016], 30), "village": "a", "y": np.tile([100.0, 900.0], 30)}
    )
    seen = question_plausibility(frame, Roles(**SMOOTH), checks=["jumps"])
    assert [one.reason for one in seen.not_applied] == ["FEW_PAIRS"]


def test_incomes_that_vary_much_are_not_asked_row_by_row() -> None:
    rng = chance(30)
    values = np.exp(rng.normal(8, 0.8, 2000))
    follows = (np.arange(0, 2000, 2), np.arange(1, 2000, 2))
    assert jumps(values, follows, np.arange(2000), "y") == []


@pytest.mark.parametrize("few", [1, 40, 160])
def test_yuan_and_ten_thousand_yuan_in_one_column_are_two_groups(few: int) -> None:
    values = np.exp(chance(31).normal(8.5, 0.5, 200))
    values[:few] /= 10_000
    (question,) = mixed_units(values, np.arange(200) + 2, "income")
    assert (question.code, question.count) == ("MIXED_UNITS", min(few, 200 - few))
    assert float(str(question.facts["large"])) / float(str(question.facts["small"])) == pytest.approx(10_000, rel=1.5)


def test_totals_that_span_many_orders_are_not_two_groups() -> None:
    assert mixed_units(10 ** chance(32).normal(5, 1.2, 3000), np.arange(3000), "gdp") == []
    assert mixed_units(np.exp(chance(33).normal(8.5, 0.7, 3000)), np.arange(3000), "income") == []


def test_two_sources_give_a_distribution_and_no_question() -> None:
    interviewed = np.full(40, 4000.0)
    stated = np.r_[np.full(10, 4000.0), np.full(20, 4400.0), np.full(10, 6000.0)]
    frame = pd.DataFrame({"registry": stated, "interview": interviewed})
    seen = question_plausibility(frame, Roles(income="registry", interviewed="interview"), checks=["two_sources"])
    assert seen.questions == ()
    (told,) = seen.distributions
    assert told.facts["middle"] == 0.1
    assert (told.facts["above"], told.facts["wide"]) == (0.75, 0.25)
    assert 'differs from "interview" by +10%' in told.say(catalogue("en"))
    assert gap_distribution(stated[:9], interviewed[:9], "a", "b") is None


def test_a_check_without_its_columns_is_not_a_check_that_ran() -> None:
    from evalkit.intake.plausibility import CHECKS

    sheet = Sheet(pd.DataFrame({"a": [1, 2]}), Roles(), np.arange(2))
    assert not any(isinstance(check(sheet), Ran) for check in CHECKS.values())
