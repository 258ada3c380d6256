"""The rank of an estimate among treatments that could have been assigned instead, and what such a rank can show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages

import evalkit as ek
from evalkit.estimate import Facts, cell_frame
from evalkit.estimators.synthetic import Synthetic
from evalkit.estimators.two_way import EventStudy, TwoWay
from evalkit.inference import reassigned
from evalkit.inference.assignment import arrangements, assignments, moved
from evalkit.inference.attainable import smallest_p
from evalkit.inference.inversion import Lines, inverted
from evalkit.inference.linear import covariance
from evalkit.inference.permutation import permute
from evalkit.notices import Notice
from evalkit.parallel import workers
from evalkit.subset import with_starts
from evalkit.words import catalogue

MOVES = ("sets and dates", "sets", "dates")


def overall(design: ek.Design) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(design))


def path(design: ek.Design) -> ek.Estimate:
    return ek.aggregate(ek.GroupTime()(design), "event_time")


def quick(design: ek.Design) -> ek.Estimate:
    """Return the two-way coefficient of a balanced panel and its scores by unit, without the rest."""
    Y, D = design.wide(design.y), design.wide(design.treated.astype(float))
    D = D - D.mean(axis=1, keepdims=True) - D.mean(axis=0) + D.mean()
    Y = Y - Y.mean(axis=1, keepdims=True) - Y.mean(axis=0) + Y.mean()
    b = (D * Y).sum() / (D**2).sum()
    psi = (D * (Y - b * D)).sum(axis=1) / (D**2).sum() * len(Y)
    return ek.Estimate(np.array([b]), psi[:, None], cell_frame("overall", 1), design.row_keys, Facts(Y.size))


def design(frame: pd.DataFrame, **choices: Any) -> ek.Design:
    clusters = [c for c in ("county", "province") if c in frame]
    panel = ek.Panel(frame, "village", "year", clusters, choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def small(starts: tuple[int, ...], seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Return villages with these starts over 2012-2016; further columns hold one value a village."""
    generator = np.random.default_rng(seed)
    N, years = len(starts), np.arange(2012, 2017)
    frame = pd.DataFrame(
        {
            "village": np.repeat(np.arange(N), 5),
            "year": np.tile(years, N),
            "start": np.repeat(starts, 5),
            "y": (generator.normal(0, 1, (N, 1)) + generator.normal(0, 1, (N, 5)).cumsum(axis=1)).ravel(),
        }
    )
    return frame.assign(**{name: np.repeat(values, 5) for name, values in columns.items()})


def by_hand(treated_change: float) -> ek.Design:
    """Return six villages in two years; the changes of the others are 0, 1, 2, 3 and 4."""
    change = np.array([treated_change, 0, 1, 2, 3, 4])
    frame = pd.DataFrame(
        {"village": np.repeat(np.arange(6), 2), "year": [2014, 2015] * 6, "start": np.repeat([2015, 0, 0, 0, 0, 0], 2)}
    )
    return design(frame.assign(y=np.column_stack([np.zeros(6), change]).ravel()))


def test_one_treated_village_of_six_by_hand() -> None:
    # Its change is 7, the mean of the others 2: the effect is 5, and no other village stands out as much.
    found = permute(TwoWay(), by_hand(7), level=0.8)
    row = found.table.iloc[0]
    assert row["estimate"] == pytest.approx(5) and row["rank"] == 1 and row["p_value"] == pytest.approx(1 / 6) and row["exact"]
    # Less tau its change is 7 - tau. It stands out most of all six beyond 5 (against 0: 5 x - 10 > 10 + x) and, as a mirror, below -1.
    assert (row["conf_low"], row["conf_high"]) == (pytest.approx(2), pytest.approx(8))
    # One of six may be as extreme at 80%: the set covers in 5 of 6 cases.
    assert row["conf_level"] == pytest.approx(5 / 6)
    np.testing.assert_allclose(sorted(found.draws[:, 0]), sorted((6 * np.arange(5) - 17) / 5))


def test_one_of_six_can_show_nothing_at_five_per_cent_and_says_so_first() -> None:
    known = smallest_p(by_hand(7))
    assert known.smallest_p == pytest.approx(1 / 6) and not known.can_reject(0.95) and known.can_reject(0.8)
    assert known.comparison_needed(0.95) == 14  # one of twenty
    found = permute(TwoWay(), by_hand(7))
    assert found.smallest == known and repr(found).startswith(
        "Smallest p-value 0.167: 1 of 6 units treated, 6 assignments. At 5% nothing"
    )
    assert (found.table.loc[0, "conf_low"], found.table.loc[0, "conf_high"]) == (-np.inf, np.inf)
    assert found.table.loc[0, "conf_level"] == 1
    facts = {n.code: n.facts for n in found.notices}["PERMUTATION_CANNOT_REJECT"]
    assert "尚不能判断" in catalogue("zh").say("estimator_notice.PERMUTATION_CANNOT_REJECT", **facts)
    assert "0.167" in catalogue("en").say("estimator_notice.PERMUTATION_CANNOT_REJECT", **facts)


def test_so_many_more_untreated_villages_make_it_possible_and_one_fewer_does_not() -> None:
    for starts in [(2014, 0, 0), (2014, 2014, 0, 0), (2014, 2015, 0)]:
        more = smallest_p(design(small(starts))).comparison_needed(0.95)
        assert more is not None and more > 0
        assert smallest_p(design(small((*starts, *[0] * more)))).can_reject(0.95)
        assert not smallest_p(design(small((*starts, *[0] * (more - 1))))).can_reject(0.95)
    assert smallest_p(design(small((2014, 2015, 0))), moves="dates").comparison_needed() is None


def test_the_smallest_p_does_not_know_the_outcome() -> None:
    frame = small((2014, 2014, 2015, 0, 0, 0))
    other = frame.assign(y=frame["y"].sample(frac=1, random_state=1).to_numpy() ** 3)
    assert smallest_p(design(frame)) == smallest_p(design(other))


def test_as_many_treated_as_untreated_tie_with_their_mirror_image() -> None:
    frame = small((2014, 2014, 2014, 0, 0, 0))
    frame["y"] += 100 * ((frame["start"] > 0) & (frame["year"] >= 2014))
    known = smallest_p(design(frame))
    assert known.assignments == 20 and known.mirrored and known.smallest_p == 2 / 20
    assert permute(TwoWay(), design(frame)).table.loc[0, "p_value"] == 2 / 20
    assert smallest_p(design(frame), alternative="greater").smallest_p == 1 / 20
    assert permute(TwoWay(), design(frame), alternative="greater").table.loc[0, "p_value"] == 1 / 20
    assert permute(TwoWay(), design(frame), alternative="less").table.loc[0, "p_value"] == 1


STRATA = {"province": [0, 0, 0, 0, 1, 1, 1]}
COUNTIES = {"county": [0, 0, 1, 2, 3, 3]}


@pytest.mark.parametrize("statistic", ["estimate", "t"])
@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize(
    ("starts", "columns", "how"),
    [
        ((2014, 2015, 0, 0), {}, {}),
        ((2014, 2015, 0, 2015, 0), {"province": [0, 0, 0, 1, 1]}, {"strata": "province"}),
        ((2014, 2014, 2015, 0, 2015, 2015), COUNTIES, {"cluster": "county"}),
    ],
    ids=["villages", "within provinces", "whole counties"],
)
def test_whatever_was_assigned_a_test_without_effect_rejects_no_more_often_than_it_says(
    starts: tuple[int, ...], columns: dict[str, Any], how: dict[str, str], moves: str, statistic: str
) -> None:
    """Outcomes are fixed; each assignment in turn is the one that happened. The share of p-values up to any bound is at most that."""
    observed = design(small(starts, **columns))
    possible = assignments(observed, moves=moves, **how)
    tables = [
        permute(
            quick, moved(observed, possible.cohorts(code)), moves=moves, statistic=statistic, interval="none", **how
        ).table.iloc[0]
        for code in possible.all()
    ]
    assert {table["assignments"] for table in tables} == {possible.count}  # the same assignments whichever happened
    p_values = np.array([table["p_value"] for table in tables])
    for p in p_values:
        assert np.mean(p_values <= p + 1e-12) <= p + 1e-12
    assert min(p_values) >= smallest_p(observed, moves=moves, **how).smallest_p - 1e-12


@pytest.mark.parametrize("moves", MOVES)
def test_assignments_are_all_different_keep_their_starts_and_are_as_many_as_counted(moves: str) -> None:
    whole = design(small((2014, 2015, 2014, 0, 2015, 2014, 0), **STRATA))
    possible = assignments(whole, strata="province", moves=moves)
    every = possible.all()
    assert len({tuple(code) for code in every}) == len(every) == possible.count
    assert possible.count == {"sets and dates": 12 * 6, "sets": 4 * 3, "dates": 3 * 2}[moves]  # multinomials by province
    drawn = possible.drawn(4_000, seed=1)
    assert {tuple(code) for code in drawn} == {tuple(code) for code in every}  # nothing else, and nothing left out
    shares = pd.Series([tuple(code) for code in drawn]).value_counts() / 4_000
    assert abs(shares * len(every) - 1).max() < 0.7  # as likely as each other
    for code in every:
        for members in (slice(0, 4), slice(4, 7)):
            np.testing.assert_array_equal(np.sort(code[members]), np.sort(possible.code[members]))
    if moves == "dates":
        assert (np.isinf(possible.starts[every, 0]) == np.isinf(whole.cohort)).all()


def test_arrangements_are_every_order_once() -> None:
    found = arrangements(np.array([1, 1, 2, 3]))
    assert len(found) == 12 == len({tuple(row) for row in found})


def test_astronomical_numbers_of_assignments_are_counted_too() -> None:
    known = smallest_p(design(villages(2_000)), draws=999)
    assert known.assignments == 10**300 and known.smallest_p == 1 / 1000 and "10^300 assignments, 999 drawn" in repr(known)


def test_villages_of_a_county_move_together() -> None:
    whole = design(small((2014, 2014, 2015, 0, 2015, 2015), **COUNTIES))
    possible = assignments(whole, "county")
    assert possible.count == 12  # counties with 2014, 2015, never, 2015: 4! / 2!
    for code in possible.all():
        cohort = possible.cohorts(code)
        assert cohort[0] == cohort[1] and cohort[4] == cohort[5]


def test_where_starts_differ_within_counties_whole_lists_of_starts_move() -> None:
    mixed = design(small((2014, 0, 0, 0, 2015, 2015), county=[1, 1, 2, 2, 3, 3]))
    possible = assignments(mixed, "county")
    got = {tuple(possible.cohorts(code)) for code in possible.all()}
    lists = [(2014, np.inf), (np.inf, np.inf), (2015, 2015)]
    assert got == {(*a, *b, *c) for a in lists for b in lists for c in lists if len({a, b, c}) == 3}
    found = permute(TwoWay(), mixed, cluster="county")
    facts = {n.code: n.facts for n in found.notices}["WHOLE_VECTORS_MOVED"]
    assert facts == {"clusters": 1, "of": 3, "units": 2}
    with pytest.raises(ek.EstimateError, match=r"whole vectors of starts cannot be exchanged.*strata='county'"):
        permute(TwoWay(), design(small((2014, 0, 0, 0, 2015), county=[1, 1, 2, 2, 3])), cluster="county")


def test_a_moved_design_is_the_design_made_anew() -> None:
    frame = villages(60)
    frame = frame[np.random.default_rng(4).random(len(frame)) > 0.07]
    whole = design(frame, unbalanced="drop_units", covariates=["rain"])
    _ = whole.treated, whole.intensity, whole.lasting  # caches that must not survive
    cohort = np.random.default_rng(1).permutation(whole.cohort)
    light, anew = moved(whole, cohort), with_starts(whole, np.ones(len(cohort), dtype=bool), cohort)
    for name in ("y", "x", "cohort", "units", "unit_index", "period_index", "treated", "intensity"):
        np.testing.assert_array_equal(getattr(light, name), getattr(anew, name))
    np.testing.assert_allclose(overall(light).psi, overall(anew).psi)
    assert (whole.cohort != cohort).any()  # the design itself is left alone


WORLDS: dict[str, dict[str, Any]] = {
    "villages": {},
    "provinces": {"strata": "province"},
    "counties": {"cluster": "county"},
    "dates": {"moves": "dates"},
}


@pytest.mark.parametrize("how", WORLDS.values(), ids=list(WORLDS))
@pytest.mark.parametrize("estimator", [TwoWay(), path, EventStudy()], ids=["two-way", "group-time path", "event study"])
def test_the_short_cut_by_cohort_means_changes_no_number(
    estimator: Callable[..., Any], how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = villages(60)
    if "cluster" in how:
        frame["start"] = frame["county"] % 3 * 2 + 2012
        frame["start"] = frame["start"].where(frame["start"] > 2012, 0)
    ask = partial(permute, estimator, design(frame), draws=24, seed=3, **how)
    short = ask()
    monkeypatch.setattr(reassigned, "_by_cohort_means", lambda *_: False)
    long = ask()
    assert (short.route, long.route) == ("cohort means", "replayed")
    np.testing.assert_allclose(short.draws, long.draws, rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(short.table, long.table, rtol=1e-8)


def test_an_estimator_that_looks_at_more_than_cohort_means_is_replayed() -> None:
    found = permute(TwoWay(by_period=["province"]), design(villages(60)), draws=24, seed=3)
    assert found.route == "replayed"
    weighted = permute(overall, design(villages(60), weight="households"), draws=24, seed=3)
    assert weighted.route == "replayed"


GIFTS = [("estimate", "two-sided"), ("estimate", "greater"), ("estimate", "less"), ("t", "two-sided"), ("t", "greater")]


@pytest.mark.parametrize(("statistic", "alternative"), GIFTS)
def test_the_confidence_set_ends_where_the_test_of_a_constant_effect_begins_to_reject(statistic: str, alternative: str) -> None:
    frame = small((2014, 2014, 2015, 0, 0, 0, 0, 0), county=[1, 1, 2, 3, 3, 4, 5, 6], seed=5)
    ask = partial(permute, quick, cluster="county", statistic=statistic, alternative=alternative, level=0.9)
    row = ask(design(frame)).table.iloc[0]
    treated = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy()

    def p_value(tau: float) -> float:
        return float(ask(design(frame.assign(y=frame["y"] - tau * treated))).table.loc[0, "p_value"])

    finite = [(end, side) for end, side in ((row["conf_low"], 1), (row["conf_high"], -1)) if np.isfinite(end)]
    assert len(finite) == (2 if alternative == "two-sided" else 1)
    for end, inward in finite:
        assert p_value(end + inward * 1e-4) > 0.1 + 1e-12 >= p_value(end - inward * 1e-4)
        assert p_value(end - inward * 0.5) <= 0.1 + 1e-12
    assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_bisection_finds_what_algebra_says() -> None:
    frame = small((2014, 2014, 0, 0, 0), seed=2)
    for statistic in ("estimate", "t"):
        ask = partial(permute, quick, design(frame), statistic=statistic, level=0.8)
        exact, slow = ask().table, ask(interval="bisection").table
        spread = float(exact["conf_high"].iloc[0] - exact["conf_low"].iloc[0])
        np.testing.assert_allclose(slow[["conf_low", "conf_high"]], exact[["conf_low", "conf_high"]], atol=2e-3 * spread)
    never = permute(quick, by_hand(7), interval="bisection").table
    assert (never.loc[0, "conf_low"], never.loc[0, "conf_high"]) == (-np.inf, np.inf)


def test_the_sweep_agrees_with_asking_at_every_effect() -> None:
    generator = np.random.default_rng(0)
    for studentised in (False, True):
        for _ in range(8):
            theta, slope = generator.normal(size=40), generator.uniform(-0.9, 0.9, 40)
            root = generator.normal(size=(40, 2))
            one = np.array([[2.0, 0.3, 1.0]]) if studentised else None  # positive for every tau
            v = np.column_stack([1 + root[:, 0] ** 2, 2 * root[:, 0] * root[:, 1], 0.1 + root[:, 1] ** 2]) if studentised else None
            observed, others = Lines(np.array([1.0]), np.array([1.0]), one), Lines(theta, slope, v)
            low, high = inverted(observed, others, "two-sided", 4)
            grid = np.linspace(-60, 60, 24_001)[None]
            count = 1 + (np.abs(others.at(grid)) >= np.abs(observed.at(grid))).sum(axis=0)
            inside = grid[0, count > 4]
            assert (low if np.isfinite(low) else -60) == pytest.approx(max(inside.min(), -60), abs=0.01)
            assert (high if np.isfinite(high) else 60) == pytest.approx(min(inside.max(), 60), abs=0.01)


def test_constants_scale_and_a_gift_to_the_treated_do_what_they_must() -> None:
    frame = small((2014, 2014, 2015, 0, 0, 0, 0), seed=4)
    treated = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy()

    def table(y: Any) -> pd.DataFrame:
        return (
            permute(TwoWay(), design(frame.assign(y=y)), level=0.9).table.loc[0, ["p_value", "conf_low", "conf_high"]].astype(float)
        )

    plain = table(frame["y"])
    np.testing.assert_allclose(table(frame["y"] + frame["village"] ** 2 + np.sin(frame["year"])), plain, rtol=1e-7)
    np.testing.assert_allclose(table(3 * frame["y"])[["p_value"]], plain[["p_value"]])
    np.testing.assert_allclose(table(3 * frame["y"])[1:], 3 * plain[1:], rtol=1e-7)
    np.testing.assert_allclose(table(frame["y"] + 2 * treated)[1:], plain[1:] + 2, rtol=1e-7)


def test_a_lead_says_nothing_about_a_constant_effect_after_the_start() -> None:
    table = permute(path, design(small((2014, 2014, 0, 0, 0, 0, 0, 0)))).table
    before = table[table["event_time"] < -1]
    assert len(before) and np.isinf(before[["conf_low", "conf_high"]].to_numpy()).all()
    after = table[table["event_time"] >= 0]
    assert len(after) and np.isfinite(after[["conf_low", "conf_high"]].to_numpy()).all()


def test_several_processes_give_the_same_numbers() -> None:
    ask = partial(permute, lambda d: TwoWay()(d), design(small((2014, 2014, 0, 0, 0))), statistic="t", interval="none")
    pd.testing.assert_frame_equal(ask().table, ask(map=workers(2)).table)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    ask = partial(permute, TwoWay(), design(villages(60)), draws=99, interval="none")
    pd.testing.assert_frame_equal(ask(seed=1).table, ask(seed=1).table)
    assert (ask(seed=1).draws != ask(seed=2).draws).any()
    assert "conf_low" not in ask(seed=1).table


def test_random_draws_come_near_the_exact_rank() -> None:
    whole = design(small((2014, 2014, 2014, 0, 0, 0, 0, 0, 0), seed=8))
    exact, drawn = permute(TwoWay(), whole), permute(TwoWay(), whole, draws=50, seed=1)
    assert exact.table.loc[0, "exact"] and not drawn.table.loc[0, "exact"]
    assert drawn.table.loc[0, "p_value"] == pytest.approx(exact.table.loc[0, "p_value"], abs=0.15)
    assert permute(TwoWay(), whole, draws=83).table.loc[0, "exact"]  # 84 assignments: all of them, and no seed needed


def test_shares_and_covariates_are_not_ranked_and_counted() -> None:
    found = permute(ek.GroupTime(), design(small((2014, 2014, 0, 0, 0, 0))))
    assert set(found.table["kind"]) == {"group_time"}
    left = {n.code: n.facts for n in found.notices}["NOT_PERMUTED"]["parameters"]
    assert left == len(found.estimate.theta) - len(found.table) and left >= 2


def test_an_assignment_that_cannot_be_estimated_counts_as_more_extreme() -> None:
    def moody(whole: ek.Design) -> ek.Estimate:
        if np.isfinite(whole.cohort[5]):
            raise ek.EstimateError("Village 5 says no.")
        return TwoWay()(whole)

    frame = small((2014, 0, 0, 0, 0, 0, 0, 0), seed=3)
    frame["y"] += 30 * ((frame["village"] == 0) & (frame["year"] >= 2014))
    found = permute(moody, design(frame))
    assert permute(TwoWay(), design(frame)).table.loc[0, "rank"] == 1 and found.table.loc[0, "rank"] == 2
    facts = {n.code: n.facts for n in found.notices}["ASSIGNMENTS_REFUSED"]
    assert facts == {"refused": 1, "assignments": 8, "reason": "Village 5 says no."}

    def stubborn(whole: ek.Design) -> ek.Estimate:
        if np.isinf(whole.cohort[0]):
            raise ek.EstimateError("Only as it was.")
        return TwoWay()(whole)

    with pytest.raises(ek.EstimateError, match=r"refused 7 of 7 other assignments.*Only as it was"):
        permute(stubborn, design(frame))


def test_an_estimator_that_is_not_linear_is_told_so_before_the_work_and_can_be_bisected() -> None:
    def squared(whole: ek.Design) -> ek.Estimate:
        found = TwoWay()(whole)
        return found.map(np.exp(found.theta), np.diag(np.exp(found.theta)), found.cells)

    whole = design(small((2014, 0, 0, 0, 0, 0)))
    with pytest.raises(ek.EstimateError, match=r"linear in the outcome.*interval='bisection'"):
        permute(squared, whole)
    assert permute(squared, whole, interval="none", alternative="greater").table.loc[0, "p_value"] == pytest.approx(
        permute(TwoWay(), whole, alternative="greater").table.loc[0, "p_value"]
    )


def test_synthetic_comparisons_can_be_permuted_too() -> None:
    found = permute(lambda d: ek.aggregate(Synthetic()(d)), design(small((2015, 0, 0, 0, 0, 0))), interval="none")
    assert found.route == "replayed" and found.table.loc[0, "assignments"] == 6


def test_the_remark_on_what_placebos_cannot_see_is_always_there() -> None:
    found = permute(TwoWay(), by_hand(7))
    assert found.notices[0] == Notice("PLACEBO_SCOPE")
    for notice in [own for own in found.notices if own not in found.estimate.notices]:
        for lang in ("en", "zh"):
            assert "{" not in catalogue(lang).say(f"estimator_notice.{notice.code}", **notice.facts)
    assert catalogue("zh").say("estimator_notice.PLACEBO_SCOPE") == "随机安慰剂只检验推断尺度，不能发现处理组自身的增长趋势差异。"


def test_a_differing_trend_passes_the_permutation_as_an_effect() -> None:
    """What PLACEBO_SCOPE says: treated units on a steeper path look like an effect to any permutation."""
    frame = small((2014,) * 4 + (0,) * 16, seed=9)
    frame["y"] += 3.0 * (frame["start"] > 0) * (frame["year"] - 2012)
    assert permute(TwoWay(), design(frame), draws=399, seed=1).table.loc[0, "p_value"] < 0.01


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"moves": "places"}, r"no choice of moves 'places'.*sets and dates, sets, dates"),
    ({"statistic": "z"}, r"no statistic 'z'.*estimate, t"),
    ({"alternative": "both"}, r"no alternative 'both'.*two-sided"),
    ({"interval": "grid"}, r"no interval 'grid'.*algebra, bisection, none"),
    ({"draws": 0}, "whole number from 1 on"),
    ({"draws": 2.5}, "whole number from 1 on"),
    ({"level": 0.05}, "coverage between 0.5 and 1, such as 0.95 for tests at 5%, not 0.05"),
    ({}, r"assignments, more than are all estimated: say how many are drawn"),
    ({"draws": 99}, r"with which seed, for example draws=999, seed=7"),
    ({"strata": "village"}, r"Nothing can move.*wider strata"),
    ({"strata": "rain"}, r"'rain' varies within units"),
    ({"cluster": "parish"}, r"no column 'parish'"),
    ({"cluster": "province", "strata": "county"}, r"Stratum 'county' varies within 'province'"),
]


@pytest.mark.parametrize(("how", "message"), REFUSALS, ids=[str(how) for how, _ in REFUSALS])
def test_what_cannot_be_asked_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        permute(TwoWay(), design(villages(60)), **how)


def test_starts_are_what_moves() -> None:
    frame = small((2014, 2014, 0, 0)).assign(dose=lambda f: 0.5 * (f["start"] > 0) * (f["year"] >= 2014))
    panel = ek.Panel(frame, "village", "year")
    dosed = ek.Design(panel, ek.Rollout.from_dose(panel, "dose"), "y")
    with pytest.raises(ek.EstimateError, match="has an intensity in every row"):
        smallest_p(dosed)
    rows = ek.Panel(frame, None, "year", ["village"])
    crossed = ek.Design(rows, ek.Rollout.from_first_treated(rows, "start", never=0), "y")
    with pytest.raises(ek.EstimateError, match="name the cluster that was treated"):
        smallest_p(crossed)
    assert smallest_p(crossed, cluster="village").assignments == 6
    with pytest.raises(ek.EstimateError, match=r"all are shares.*Use statistic='estimate'"):
        permute(overall, design(small((2014, 0, 0, 0))), statistic="t")


def rejections(treated: int, worlds: int, seed: int, draws: int = 199) -> tuple[float, float]:
    """Return how often 5% tests reject without effect: clustered t, and permutation. 40 counties, ten years, AR(1) errors with 0.7."""
    generator = np.random.default_rng(seed)
    years = np.arange(2011, 2021)
    frame = pd.DataFrame({"village": np.repeat(np.arange(40), 10), "year": np.tile(years, 40)})
    frame["start"] = np.where(frame["village"] < treated, 2016, 0)
    clustered, permuted = [], []
    for _ in range(worlds):
        shocks = generator.normal(size=(40, 10))
        shocks[:, 0] /= np.sqrt(1 - 0.7**2)
        for t in range(1, 10):
            shocks[:, t] += 0.7 * shocks[:, t - 1]
        world = design(frame.assign(y=shocks.ravel()))
        spread = covariance(quick(world), "village", "clusters", "t")
        clustered.append(spread.p_value(quick(world).theta / spread.std_error)[0] <= 0.05)
        found = permute(quick, world, draws=draws, seed=int(generator.integers(2**31)), interval="none")
        permuted.append(found.table.loc[0, "p_value"] <= 0.05)
    return float(np.mean(clustered)), float(np.mean(permuted))


def test_one_treated_county_of_forty_fools_the_clustered_error_and_not_the_permutation() -> None:
    clustered, permuted = rejections(1, worlds=25, seed=1)
    assert clustered > 0.5 and permuted <= 0.12


@pytest.mark.simulation
def test_rejections_without_effect_when_few_counties_are_treated() -> None:
    table = {k: rejections(k, worlds=300, seed=k) for k in (1, 2, 3)}
    for k, (clustered, permuted) in table.items():
        expected = {1: 0.76, 2: 0.29, 3: 0.19}[k]
        assert clustered == pytest.approx(expected, abs=0.07), table
        assert 0.02 <= permuted <= 0.08, table


def test_a_result_without_sets_can_be_shown() -> None:
    assert "p_value" in repr(permute(TwoWay(), design(small((0, 0, 0, 2015))), interval="none"))


@pytest.mark.parametrize("seed", ["a", 1.5, -1])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ek.EstimateError, match="say the seed, a whole number"):
        permute(TwoWay(), design(villages(units=60)), draws=9, seed=seed)


@pytest.mark.parametrize("estimator", ["twfe", lambda made: 3])
def test_what_gives_no_estimate_is_refused(estimator: Any) -> None:
    with pytest.raises(ek.EstimateError, match="returns an Estimate"):
        permute(estimator, design(small((0, 0, 0, 2015))))


@pytest.mark.parametrize("draws", [0, -1, 1.5, "9"])
def test_draws_are_whole_numbers_before_the_estimate_too(draws: Any) -> None:
    with pytest.raises(ek.EstimateError, match="draws is a whole number from 1 on"):
        smallest_p(design(villages(units=60)), draws=draws)
