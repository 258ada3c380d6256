"""Who passed whom, by hand and in worlds with and without a programme; and what became of the near-poor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.errors import StudyError
from evalkit.firm_records import NotTold
from evalkit.study_data import designed
from evalkit.who_gains.overtaking import share_estimate, turned, village
from evalkit.who_gains.people import on_register
from evalkit.who_records import NoLine, Overtaking, Village


def found(study: Any, frame: Any) -> Village:
    design, _ = designed(study, frame)
    told = village(study, design, on_register(study, design))
    assert isinstance(told, Village)
    return told


def first(told: Village) -> Overtaking:
    one = told.overtaking[0]
    assert isinstance(one, Overtaking)
    return one


@pytest.fixture(scope="module")
def nothing(world: Any, asked: Any) -> Village:
    return found(asked(), world(0.0))


def test_pairs_of_two_villages_by_hand() -> None:
    place = np.array([0, 0, 0, 1, 1])
    near = np.array([False, True, True, False, True])
    start = np.array([90.0, 100.0, 80.0, 40.0, 100.0])
    end = np.array([110.0, 100.0, 120.0, 99.0, 100.0])
    told = turned(place, ~near, near, start, end)
    assert told.behind.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]  # 90 of 100 is near behind, 40 of 100 far
    assert told.passed.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]
    assert told.ahead.tolist() == [1, 0] and told.lost.tolist() == [1, 0]
    assert told.own_behind.tolist() == [1, 1] and told.own_passed.tolist() == [1, 0]


def test_households_of_different_villages_are_no_neighbours() -> None:
    place, near = np.array([0, 1]), np.array([False, True])
    told = turned(place, ~near, near, np.array([1.0, 2.0]), np.array([3.0, 2.0]))
    assert told.behind.sum() == 0 and told.ahead.sum() == 0


def test_shares_at_equal_distances_by_hand() -> None:
    """Covered: 1 near and 3 far behind in each village. Others pass half of the near and none of the far: alike is 1/8."""
    from evalkit.who_gains.overtaking import Turned

    ones = np.ones(6, dtype=int)

    def group(near: tuple[int, int], far: tuple[int, int]) -> Turned:
        behind = np.column_stack([far[0] * ones, 0 * ones, 0 * ones, near[0] * ones])
        passed = np.column_stack([far[1] * ones, 0 * ones, 0 * ones, near[1] * ones])
        return Turned(behind, passed, ones, ones, ones, ones)

    told = share_estimate(group((1, 1), (3, 0)), group((4, 2), (2, 0)))
    values = dict(zip(told.cells["name"], told.theta, strict=True))
    assert values == pytest.approx({"covered": 0.25, "registered": 2 / 6, "alike": 1 / 8, "difference": 1 / 8})


def test_places_change_without_any_programme_and_alike_on_both_sides(nothing: Village) -> None:
    one = first(nothing)
    assert one.covered.share.estimate > 0.02  # noise alone turns some pairs round
    assert one.difference is not None and one.difference.low < 0 < one.difference.high


def test_a_large_rise_lets_the_covered_overtake_beyond_the_ordinary(world: Any, asked: Any, nothing: Village) -> None:
    one = first(found(asked(), world(0.35)))
    assert one.difference is not None and one.difference.low > 0
    assert one.covered.share.estimate > first(nothing).covered.share.estimate
    assert one.covered.passed_most > first(nothing).covered.passed_most


def test_only_near_poor_households_off_the_register_and_not_covered_are_neighbours(nothing: Village, world: Any) -> None:
    frame = world(0.0)
    before = frame[frame["year"].isin([2014, 2015])]
    ratio = (before["income"] / before["year"].map({2014: 2800.0, 2015: 2855.0})).groupby(before["household"]).mean()
    who = frame.groupby("household").first()
    near = (who["registered"] == 0) & (who["start"] == 0) & (ratio >= 1) & (ratio < 1.5)
    one = nothing.near_poor[0]
    assert not isinstance(one, NoLine)
    rows = {row.group: row for row in one.rows}
    assert rows["near"].units == int(near.sum())
    start = before.groupby("household")["income"].mean()[near].mean()
    assert rows["near"].start == pytest.approx(start) and nothing.start_years == [2014, 2015] and nothing.end_years == [2018, 2019]


def test_everybody_is_in_one_group_or_counted_as_left_out(nothing: Village, world: Any) -> None:
    one = nothing.near_poor[0]
    assert not isinstance(one, NoLine)
    assert sum(row.units for row in one.rows) + nothing.left_out == world(0.0)["household"].nunique()


def test_growth_in_per_cent_of_all_changes_no_place(world: Any, asked: Any, nothing: Village) -> None:
    frame = world(0.0)
    frame["income"] *= 1.0 + 0.2 * (frame["year"] >= 2018)
    assert first(found(asked(), frame)).covered == first(nothing).covered


def test_places_lie_between_nought_and_a_hundred_with_a_mean_of_fifty(nothing: Village, world: Any) -> None:
    one = first(nothing)
    assert all(0 <= point.rank <= 100 for point in one.ranks)
    units = {row.group: row.units for row in nothing.near_poor[0].rows}
    for year in (2013, 2019):
        ranks = {point.group: point.rank for point in one.ranks if point.period == year}
        assert sum(units[group] * rank for group, rank in ranks.items()) / sum(units.values()) == pytest.approx(50, abs=1e-6)


def test_without_a_register_or_a_village_there_are_no_neighbours(world: Any, asked: Any) -> None:
    frame = world()
    bare = asked(who={"lines": ["statistical"]})
    design, _ = designed(bare, frame)
    assert village(bare, design, on_register(bare, design)) == NotTold(reason="no_register")
    alone = asked(cluster=None)
    design, _ = designed(alone, frame)
    assert village(alone, design, on_register(alone, design)) == NotTold(reason="no_place")


def test_a_register_holds_ones_and_noughts_and_is_read_before_the_start(world: Any, asked: Any) -> None:
    frame = world()
    later = frame.assign(registered=frame["registered"].where(frame["year"] < 2016, 0))  # everybody has left the register since
    design = designed(asked(), later)[0]
    assert (on_register(asked(), design) == on_register(asked(), designed(asked(), frame)[0])).all()
    with pytest.raises(StudyError, match=r"who\.registered: 'registered' must be 1 \(on the register\) or 0; it also holds 2"):
        on_register(asked(), designed(asked(), frame.assign(registered=2))[0])
    with pytest.raises(StudyError, match=r"who\.registered: There is no column 'register'"):
        wrong = asked(who={"registered": "register"})
        on_register(wrong, designed(wrong, frame)[0])


def test_villages_may_be_another_column_than_the_cluster(world: Any, asked: Any, nothing: Village) -> None:
    frame = world(0.0).assign(hamlet=lambda f: f["village"])
    told = found(asked(who=asked().who.model_dump() | {"place": "hamlet"}), frame)
    assert told.overtaking == nothing.overtaking and told.place == "hamlet"
    wrong = asked(who=asked().who.model_dump() | {"place": "hamlett"})
    with pytest.raises(StudyError, match=r"who\.place: There is no column 'hamlett'"):
        found(wrong, frame)
