"""Treatments that start, stop and change: who is compared with whom, by pencil, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.switching import Switching
from evalkit.inference.linear import covariance
from evalkit.words import catalogue

# Five villages: A gets the programme in 2020 and loses it in 2021, B gets it in 2021, C never has it, D loses it in 2021, E always has it.
PENCIL = pd.DataFrame(
    [
        ("A", 2019, 0, 10.0), ("A", 2020, 1, 13.0), ("A", 2021, 0, 14.0),
        ("B", 2019, 0, 10.0), ("B", 2020, 0, 12.0), ("B", 2021, 1, 15.0),
        ("C", 2019, 0, 10.0), ("C", 2020, 0, 11.0), ("C", 2021, 0, 12.0),
        ("D", 2019, 1, 20.0), ("D", 2020, 1, 22.0), ("D", 2021, 0, 20.0),
        ("E", 2019, 1, 20.5), ("E", 2020, 1, 22.0), ("E", 2021, 1, 23.0),
    ],
    columns=["village", "year", "status", "income"],
)  # fmt: skip


def design(frame: pd.DataFrame, outcome: str = "income", weight: str | None = None, **choices: Any) -> ek.Design:
    """Return a design of a status that is kept as it is."""
    panel = ek.Panel(frame, "village", "year", [c for c in ("county",) if c in frame], weight)
    return ek.Design(panel, ek.Rollout.from_dose(panel, "status"), outcome, **choices)


def path(estimate: ek.Estimate) -> dict[float, float]:
    """Return event time -> estimate; the average per unit of treatment under its name."""
    cells = estimate.cells
    return dict(zip(cells["event_time"].where(cells["kind"] == "event_time", 99.0), estimate.theta, strict=True))


def test_five_villages_by_pencil() -> None:
    ours = path(Switching(effects=2, placebos=1)(design(PENCIL)))
    a = (13 - 10) - ((12 - 10) + (11 - 10)) / 2  # in 2020 neither B nor C has changed yet
    b = (15 - 12) - (12 - 11)  # in 2021 C alone is left
    d = -((20 - 22) - (23 - 22))  # what D lost, compared with E, as an effect of having it
    a_later = (14 - 10) - (12 - 10)  # a year later A has lost it again: still the path that began in 2020
    b_before, d_before = (10 - 12) - (10 - 11), -((20 - 22) - (20.5 - 22))
    effects, later, before = (a + b + d) / 3, a_later, (b_before + d_before) / 2
    per_unit = (a + b + d + a_later) / (1 + 1 + 1 + 0)  # A had one year of it, not two
    assert ours == pytest.approx({-2: before, -1: 0, 0: effects, 1: later, 99: per_unit})
    assert (effects, later, before) == pytest.approx((6.5 / 3, 2, -0.25))


@pytest.mark.parametrize(("switchers", "first"), [("in", (1.5 + 2) / 2), ("out", 3.0)])
def test_those_who_get_it_and_those_who_lose_it_can_be_asked_for_alone(switchers: str, first: float) -> None:
    assert Switching(effects=1, placebos=0, switchers=switchers)(design(PENCIL)).theta[1] == pytest.approx(first)


def test_units_that_never_change_can_be_the_only_comparison() -> None:
    estimate = Switching(effects=1, placebos=0)(design(PENCIL, comparison="never_treated"))
    assert estimate.theta[1] == pytest.approx((2 + 2 + 3) / 3)


def test_a_normalised_effect_is_the_effect_over_the_treatment_had_by_then() -> None:
    stronger = PENCIL.assign(status=PENCIL["status"] * np.where(PENCIL["village"] == "A", 4, 1))
    plain, normalised = (path(Switching(2, 0, normalised=choice)(design(stronger))) for choice in (False, True))
    assert normalised[0] == pytest.approx(plain[0] / ((4 + 1 + 1) / 3))
    assert normalised[1] == pytest.approx(plain[1] / 4)
    assert normalised[99] == pytest.approx(plain[99])


def test_units_are_counted_behind_every_effect() -> None:
    cells = Switching(effects=2, placebos=1)(design(PENCIL)).cells
    assert list(cells["units"]) == [2, 3, 3, 1, 3]
    assert list(cells["reference"]) == [False, True, False, False, False]


FRAME = villages()


def lasting(frame: pd.DataFrame = FRAME, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


@pytest.mark.parametrize(
    ("frame", "choices"),
    [
        (FRAME, {}),
        (FRAME, {"comparison": "never_treated"}),
        (FRAME, {"rows": "county"}),
        (villages(starts=(2014, 2015, 2017)), {}),
    ],
)
def test_where_treatment_starts_once_and_lasts_effects_and_influence_are_those_of_group_time(
    frame: pd.DataFrame, choices: dict[str, Any]
) -> None:
    ours = Switching(effects=2, placebos=0)(lasting(frame, **choices)).select(kind="event_time", event_time=[0, 1])
    theirs = ek.aggregate(ek.GroupTime()(lasting(frame, **choices)), by="event_time").select(kind="event_time", event_time=[0, 1])
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-12)
    np.testing.assert_allclose(ours.psi, theirs.psi, atol=1e-12 * np.abs(theirs.psi).max())


def test_a_status_read_row_by_row_says_the_same_as_a_year_of_start() -> None:
    frame = FRAME.assign(status=((FRAME["start"] > 0) & (FRAME["year"] >= FRAME["start"])).astype(int))
    by_row, by_start = Switching()(design(frame, "y")), Switching()(lasting())
    np.testing.assert_array_equal(by_row.theta, by_start.theta)
    np.testing.assert_array_equal(by_row.psi, by_start.psi)


def test_a_trend_of_each_unit_moves_nothing_where_units_may_have_trends() -> None:
    slope = FRAME["village"].map(lambda v: np.sin(v)) * (FRAME["year"] - 2010)
    asked = Switching(effects=2, placebos=1, trends="unit")
    before, after = asked(lasting()), asked(lasting(FRAME.assign(y=FRAME["y"] + slope)))
    np.testing.assert_allclose(after.theta, before.theta, atol=1e-10)
    np.testing.assert_allclose(after.psi, before.psi, atol=1e-8)
    assert "overall" not in set(before.cells["kind"])
    without = Switching(effects=2, placebos=1)
    assert abs(without(lasting(FRAME.assign(y=FRAME["y"] + slope))).theta - without(lasting()).theta).max() > 0.01


def test_a_path_of_each_province_moves_nothing_within_provinces() -> None:
    path_of_province = np.sin(FRAME["province"] * 7.0 + FRAME["year"] * 3.0)
    for within, moves in (("province", False), (None, True)):
        asked = Switching(within=within)
        change = asked(lasting(FRAME.assign(y=FRAME["y"] + path_of_province))).theta - asked(lasting()).theta
        assert (abs(change).max() > 1e-3) == moves


def test_what_a_covariate_explains_in_full_moves_nothing() -> None:
    frame = FRAME.assign(y=FRAME["y"] + 0.8 * FRAME["rain"])
    before, after = (Switching()(lasting(data, covariates=["rain"])) for data in (FRAME, frame))
    np.testing.assert_allclose(after.theta, before.theta, atol=1e-12)
    np.testing.assert_allclose(after.psi, before.psi, atol=1e-9)


def test_a_weight_of_two_is_a_village_that_stands_there_twice() -> None:
    weighted = FRAME.assign(weight=1 + FRAME["village"] % 2)
    twice = pd.concat([FRAME, FRAME[FRAME["village"] % 2 == 1].assign(village=lambda f: f["village"] + 100_000)], ignore_index=True)
    np.testing.assert_allclose(Switching()(lasting(weighted, "weight")).theta, Switching()(lasting(twice)).theta, rtol=1e-10)


def test_the_same_units_stand_behind_all_effects_when_asked_for() -> None:
    late = villages(starts=(0, 2014, 2017))
    assert list(Switching(2, 0)(lasting(late)).cells["units"]) == [160, 160, 80, 160]
    assert list(Switching(2, 0, same_switchers=True)(lasting(late)).cells["units"]) == [80, 80, 80, 80]


def test_a_missing_row_takes_the_unit_out_of_the_comparisons_that_need_it() -> None:
    frame = PENCIL[~((PENCIL["village"] == "B") & (PENCIL["year"] == 2020))]
    estimate = Switching(effects=1, placebos=0)(design(frame, unbalanced="pairwise"))
    # Without B in 2020, A is compared with C alone, and B itself has no year before its change.
    assert estimate.theta[1] == pytest.approx(((3 - 1) + 3) / 2)
    assert estimate.cells["units"].iloc[1] == 2


def test_a_row_without_outcome_still_tells_the_treatment() -> None:
    frame = PENCIL.assign(income=PENCIL["income"].where((PENCIL["village"] != "A") | (PENCIL["year"] != 2020)))
    estimate = Switching(effects=2, placebos=0, normalised=True)(design(frame, unbalanced="pairwise"))
    assert path(estimate)[1] == pytest.approx(((14 - 10) - (12 - 10)) / 1)  # A had the programme in 2020, seen or not


def test_a_missing_row_keeps_the_treatment_of_the_row_before() -> None:
    long = pd.DataFrame(
        [
            (village, year, int(village == "A" and year >= 2020), float(year - 2019 + 3 * (village == "A" and year >= 2020)))
            for village in ("A", "B", "C")
            for year in (2019, 2020, 2021, 2022)
        ],
        columns=["village", "year", "status", "income"],
    )
    gap = long[~((long["village"] == "A") & (long["year"] == 2021))]
    estimate = Switching(effects=3, placebos=0, normalised=True, same_switchers=False)
    with pytest.raises(ek.DesignError, match="1 can be estimated"):
        estimate(design(gap, unbalanced="pairwise"))
    two = pd.concat([gap, long[long["village"] == "A"].assign(village="D")], ignore_index=True)
    assert path(estimate(design(two, unbalanced="pairwise")))[2] == pytest.approx(3 / 3)


def test_years_after_treatment_was_both_above_and_below_that_of_the_start_are_left_out_and_counted() -> None:
    dose = {"A": (2, 3, 1), "B": (2, 2, 2), "C": (2, 2, 2)}
    frame = pd.DataFrame(
        [(v, 2019 + i, d, 1.0 * i + (v == "A") * d) for v, doses in dose.items() for i, d in enumerate(doses)],
        columns=["village", "year", "status", "income"],
    )
    estimate = Switching(effects=1, placebos=0)(design(frame))
    assert estimate.theta[1] == pytest.approx(1)
    notice = next(n for n in estimate.notices if n.code == "TREATMENT_CROSSES_START")
    assert notice.facts == {"units": 1, "rows": 1}
    with pytest.raises(ek.DesignError, match="2 effects were asked for; 1 can be estimated"):
        Switching(effects=2, placebos=0)(design(frame))


def test_units_without_anybody_of_the_same_start_are_left_out_and_counted() -> None:
    alone = pd.DataFrame({"village": "F", "year": [2019, 2020, 2021], "status": [5, 6, 6], "income": [1.0, 9.0, 9.0]})
    with_f, without = (Switching(2, 0)(design(frame)) for frame in (pd.concat([PENCIL, alone]), PENCIL))
    np.testing.assert_allclose(with_f.theta, without.theta)
    notice = next(n for n in with_f.notices if n.code == "SWITCHERS_WITHOUT_COMPARISON")
    assert notice.facts == {"units": 1, "comparisons": 2}
    assert not any(n.code == "SWITCHERS_WITHOUT_COMPARISON" for n in without.notices)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_remark_can_be_said(lang: str) -> None:
    said = catalogue(lang)
    assert "12" in said.say("estimator_notice.SWITCHERS_WITHOUT_COMPARISON", units=12, comparisons=30)
    assert "7" in said.say("estimator_notice.TREATMENT_CROSSES_START", units=7, rows=9)


def doses() -> pd.DataFrame:
    """Return villages whose programme begins at one or two units, and in every third is cut or raised two years later."""
    since = FRAME["year"] - FRAME["start"].where(FRAME["start"] > 0, 9999)
    dose = np.where(since >= 0, 1 + FRAME["village"] % 2, 0) + np.where((since >= 1) & (FRAME["village"] % 3 == 0), 0.5, 0)
    return FRAME.assign(status=dose + (FRAME["village"] % 4 == 0), weight=1.0 + FRAME["village"] % 3, y=FRAME["y"] + 0.1 * dose)


@pytest.mark.parametrize(
    ("specification", "choices"),
    [
        ({}, {}),
        ({"normalised": True}, {"covariates": ["rain"]}),
        ({"effects": 2, "placebos": 1, "trends": "unit"}, {"covariates": ["rain", "sampled"]}),
        ({"placebos": 1, "same_switchers": True, "within": "county_half"}, {"covariates": ["rain"], "comparison": "never_treated"}),
    ],
)
def test_influence_is_what_a_little_more_weight_of_a_village_changes(
    specification: dict[str, Any], choices: dict[str, Any]
) -> None:
    frame, asked = doses().assign(county_half=lambda f: f["county"] % 2), Switching(**specification)
    whole = asked(design(frame, "y", "weight", **choices))
    for village in whole.rows["village"].iloc[::23]:
        moved = [
            asked(
                design(frame.assign(weight=frame["weight"] * (1 + step * (frame["village"] == village))), "y", "weight", **choices)
            ).theta
            for step in (1e-4, -1e-4)
        ]
        slope = (moved[0] - moved[1]) / 2e-4
        ours = whole.psi[whole.rows["village"] == village][0] / len(whole.psi)
        np.testing.assert_allclose(ours, slope, rtol=1e-5, atol=1e-9)


def test_given_dates_leave_out_how_often_each_date_comes_up_and_change_no_estimate() -> None:
    sampled, given = Switching()(lasting()), Switching(shares="sample")(lasting())
    np.testing.assert_array_equal(sampled.theta, given.theta)
    start = FRAME.groupby("village")["start"].first().to_numpy()
    effect = given.select(kind="event_time", event_time=0).psi[:, 0]
    assert abs(effect[start == 2014].mean()) < 1e-10 < abs(sampled.psi[start == 2014, 3].mean())
    # What differs is the influence of each cohort's share: nothing but a constant of its members.
    difference = sampled.select(kind="event_time", event_time=0).psi[:, 0] - effect
    assert all(np.ptp(difference[start == cohort]) < 1e-10 for cohort in (0, 2014, 2016))
    assert abs(difference[start == 2014]).min() > 1e-6


def test_the_noise_of_a_unit_alone_in_its_cohort_is_not_claimed_to_be_known() -> None:
    table = ek.infer(Switching(effects=1, placebos=0, shares="sample")(design(PENCIL)))
    assert table["std_error"].isna().all()
    assert ek.infer(Switching(effects=1, placebos=0)(design(PENCIL)))["std_error"].iloc[1] > 0


def test_the_adjustment_is_n_over_n_minus_one_in_a_single_comparison() -> None:
    frame = villages(units=60, starts=(0, 2015))
    plain, adjusted = (Switching(1, 0, shares="sample", adjusted=choice)(lasting(frame)) for choice in (False, True))
    treated = frame.groupby("village")["start"].first().to_numpy() == 2015
    for members in (treated, ~treated):
        n = members.sum()
        np.testing.assert_allclose(adjusted.psi[members, 1], plain.psi[members, 1] * np.sqrt(n / (n - 1)), rtol=1e-12)


def test_intervals_cover_the_truth_when_treatment_comes_and_goes() -> None:
    generator = np.random.default_rng(20)
    years, size = np.arange(2015, 2021), 150
    errors = []
    for _ in range(150):
        first = generator.choice([2017, 2018, 9999], size)
        length = generator.integers(1, 4, size)
        on = (years >= first[:, None]) & (years < (first + length)[:, None])
        own = generator.normal(0.3, 0.3, size)[:, None]
        y = generator.normal(size=size)[:, None] + 0.1 * (years - 2015) + own * on + generator.normal(0, 0.5, on.shape)
        frame = pd.DataFrame({"village": np.repeat(np.arange(size), 6), "year": np.tile(years, size)})
        estimate = Switching(2, 0)(design(frame.assign(status=on.ravel().astype(int), income=y.ravel())))
        truth = 0.3 * 2 / 3  # a year after the start two in three still have it
        errors.append((estimate.theta[2] - truth) / covariance(estimate).std_error[2])
    covered = np.abs(errors) < 1.96
    assert 0.90 < covered.mean() < 0.99
    assert abs(np.mean(errors)) < 0.2


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "too many effects": (
        {"effects": 9, "placebos": 0},
        {},
        "9 effects were asked for; 4 can be estimated on this design. Say effects=4",
    ),
    "too many placebos": ({"placebos": 7}, {}, "7 placebos were asked for; 2 can be estimated on this design"),
    "nobody loses it": (
        {"effects": 1, "placebos": 0, "switchers": "out"},
        {},
        "treatment falls in no unit",
    ),
    "nobody like it": (
        {"placebos": 0, "within": "village"},
        {},
        "none can be compared with units of the same treatment at the start",
    ),
    "fixed covariate": ({}, {"covariates": ["share"]}, "those of share are nothing or collinear"),
    "the same twice": ({}, {"covariates": ["rain", "rain_again"]}, "rain, rain_again are nothing or collinear"),
    "place that moves": ({"within": "rain"}, {}, "'rain' varies over time in 240 units"),
    "varying base": ({}, {"base": "varying"}, "base='varying' has no meaning"),
    "rows": ({}, {"rows": "observation"}, "compares whole units"),
    "anticipation": ({}, {"anticipation": 1}, "It takes no anticipation"),
    "crossed rows": ({}, {"unbalanced": "repeated_cross_section"}, "it follows the same units over time"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_answered_is_refused_with_the_reason(name: str) -> None:
    specification, choices, message = REFUSALS[name]
    frame = FRAME.assign(rain_again=2 * FRAME["rain"])
    frame = with_gaps(frame) if "unbalanced" in choices else frame
    with pytest.raises(ek.DesignError, match=message.replace("(", r"\(")):
        Switching(**specification)(lasting(frame, **choices))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"switchers": "off"}, "There is no choice of switchers 'off'"),
        ({"trends": "linear"}, "There is no choice of trends 'linear'"),
        ({"shares": "all"}, "There is no choice of shares 'all'"),
        ({"effects": 0}, "effects is a whole number of at least 1"),
        ({"placebos": -1}, "placebos one of at least 0, not 3 and -1"),
        ({"effects": 1.5}, "whole number of at least 1 .* not 1.5"),
        ({"effects": "3"}, "whole number of at least 1 .* not '3'"),
        ({"placebos": float("nan")}, "not 3 and nan"),
        ({"adjusted": True}, "say shares='sample' too"),
    ],
)
def test_choices_that_do_not_exist_are_refused_before_there_is_a_design(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Switching(**choices)


def test_where_everybody_starts_in_the_second_year_there_is_nothing_before_to_compare() -> None:
    with pytest.raises(ek.DesignError, match=r"No placebo can be estimated: .* Say placebos=0"):
        Switching(effects=1, placebos=1)(lasting(villages(starts=(0, 2013))))


def test_a_trend_asks_for_two_years_before_the_change() -> None:
    with pytest.raises(ek.DesignError, match=r"learned from two periods before the change, .* add earlier periods"):
        Switching(effects=1, placebos=0, trends="unit")(lasting(villages(starts=(0, 2013))))


def test_a_repeated_cross_section_has_no_changes_to_follow() -> None:
    panel = ek.Panel(FRAME, None, "year", ["county"])
    seen_once = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")
    with pytest.raises(ek.DesignError, match="it follows the same units over time"):
        Switching()(seen_once)


def test_the_program_does_not_change_what_it_is_given() -> None:
    made = lasting(with_gaps(FRAME), unbalanced="pairwise", covariates=["rain"])
    before = made.y.copy(), made.x.copy(), made.cohort.copy()
    Switching()(made)
    for old, new in zip(before, (made.y, made.x, made.cohort), strict=True):
        np.testing.assert_array_equal(old, new)
