"""Effects in groups named beforehand: their own comparison, their differences, their limits, and what a study may not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.errors import StudyError
from evalkit.estimators import GroupTime
from evalkit.firm_records import NotTold
from evalkit.income_effect import headline
from evalkit.inference.linear import Inference
from evalkit.study_data import designed
from evalkit.who_gains.groups import group_effects
from evalkit.who_records import Groups


def found(study: Any, frame: Any, households: bool = True) -> Groups:
    groups = group_effects(study, designed(study, frame)[0], households)
    assert isinstance(groups, Groups)
    return groups


@pytest.fixture(scope="module")
def split(world: Any, asked: Any) -> tuple[Any, Groups]:
    frame = world(lambda people: np.where(people["labour"] == 1, 0.15, 0.0))
    return frame, found(asked(), frame)


def test_a_group_has_the_effect_of_its_own_rows_alone(split: Any, asked: Any) -> None:
    frame, groups = split
    alone = asked(who=None)
    design, _ = designed(alone, frame[frame["labour"] == 1].reset_index(drop=True))
    table = Inference(cluster="village")(headline(GroupTime("dr")(design), design, "log"))
    for name in ("effect", "money", "percent"):
        row = table[table["name"] == name].iloc[0]
        told = getattr(groups.rows[0].found, name)
        assert told.estimate == pytest.approx(row["estimate"], rel=1e-12)
        assert told.std_error == pytest.approx(row["std_error"], rel=1e-9)


def test_planted_effects_are_found_in_their_groups(split: Any) -> None:
    _, groups = split
    with_labour, without = (row.found.effect for row in groups.rows)
    assert with_labour.low < 0.15 < with_labour.high and with_labour.low > 0
    assert without.low < 0 < without.high


def test_a_difference_is_that_of_the_two_and_knows_that_they_share_villages(split: Any) -> None:
    _, groups = split
    (one,) = groups.differences
    first, second = (row.found.effect for row in groups.rows)
    assert one.effect.estimate == pytest.approx(first.estimate - second.estimate, abs=1e-12)
    apart = np.hypot(first.std_error, second.std_error)
    assert one.effect.std_error != pytest.approx(apart, rel=1e-6)  # villages are shared: not the sum of squares
    assert one.effect.std_error == pytest.approx(apart, rel=0.5)
    assert one.adjusted is not None and one.adjusted.family == 1 and one.adjusted.holm < 0.05


def test_p_values_are_adjusted_by_the_number_of_groups(split: Any) -> None:
    _, groups = split
    p = sorted(row.found.effect.p_value for row in groups.rows)
    holm = sorted(row.adjusted.holm for row in groups.rows)
    assert holm == pytest.approx([min(1, 2 * p[0]), max(min(1, 2 * p[0]), p[1])])


def test_a_group_alone_in_its_column_is_held_against_everybody_else(split: Any, asked: Any) -> None:
    frame, groups = split
    alone = asked(who={"groups": {"labour": asked().who.groups["labour"].model_dump()}})
    (one,) = found(alone, frame).differences
    assert (one.one, one.other) == ("labour", None)
    assert one.effect == groups.differences[0].effect


def test_names_and_order_of_groups_do_not_change_a_figure(split: Any, asked: Any) -> None:
    frame, groups = split
    turned = dict(reversed(asked().who.model_dump()["groups"].items()))
    again = found(asked(who={"groups": turned}), frame)
    assert {row.name: row.found for row in again.rows} == {row.name: row.found for row in groups.rows}
    assert again.differences[0].effect.estimate == pytest.approx(-groups.differences[0].effect.estimate)


def test_small_groups_and_groups_without_anybody_covered_have_a_reason_and_no_figure(world: Any, asked: Any) -> None:
    frame = world(per_village=60)
    few, four, never = frame["household"] % 60 == 0, frame["village"] < 4, frame["start"] == 0
    kinds = {"few": few, "four": four, "never": never, "one": frame["start"] == 2016}
    frame["kind"] = np.select(list(kinds.values()), list(kinds), "rest")
    words = {"zh": "组", "en": "group"}
    who = {"groups": {name: {"column": "kind", "values": [name], "word": words} for name in kinds}}
    groups = found(asked(who=who), frame)
    reasons = {row.name: row.found.reason for row in groups.rows if isinstance(row.found, NotTold)}
    assert reasons == {"few": "few_units", "four": "few_clusters", "never": "no_treated", "one": "no_comparison"}
    assert groups.differences == []


def test_counties_are_judged_by_clusters_and_not_by_thirty_households(world: Any, asked: Any) -> None:
    frame = world(per_village=3)
    assert {row.found.reason for row in found(asked(), frame).rows} == {"few_units"}
    told = found(asked(), frame, households=False)
    assert not any(isinstance(row.found, NotTold) for row in told.rows)


def test_a_covariate_that_a_group_holds_fixed_is_named_and_left_out(world: Any, asked: Any) -> None:
    groups = found(asked(covariates=["labour"], method="reg"), world())
    assert [row.fixed for row in groups.rows] == [["labour"], ["labour"]]
    assert not any(isinstance(row.found, NotTold) for row in groups.rows)


def test_a_column_that_changes_over_time_is_refused_with_the_years(world: Any, asked: Any) -> None:
    frame = world()
    frame.loc[(frame["year"] >= 2017) & (frame["household"] == 3), "labour"] = 1 - frame["labour"]
    with pytest.raises(
        StudyError, match=r"who\.groups\.labour\.column: 'labour' changes over time within 1 units \(in 2017, 2018, 2019\)"
    ):
        found(asked(), frame)


def test_unknown_columns_and_values_name_the_key_and_what_is_allowed(world: Any, asked: Any) -> None:
    def who(**changes: Any) -> Any:
        return asked(who={"groups": {"labour": asked().who.groups["labour"].model_dump() | changes}})

    with pytest.raises(StudyError, match=r"who\.groups\.labour\.values: There is no value in column 'labour' '2'.*Allowed: 0, 1\."):
        found(who(values=[2]), world())
    with pytest.raises(StudyError, match=r"who\.groups\.labour\.column: There is no column 'labor'. Did you mean 'labour'"):
        found(who(column="labor"), world())


def test_a_value_is_the_same_however_it_is_written(world: Any, asked: Any) -> None:
    frame = world()
    text = frame.assign(labour=frame["labour"].astype(float))
    assert found(asked(), text) == found(asked(), frame)


def test_units_without_a_value_are_in_no_group_and_counted(world: Any, asked: Any) -> None:
    frame = world()
    frame["labour"] = frame["labour"].astype(float).where(frame["household"] % 50 != 0)
    assert found(asked(), frame).without_value == {"labour": 12}


def test_a_study_without_groups_says_so(world: Any, asked: Any) -> None:
    design, _ = designed(asked(), world())
    assert group_effects(asked(who={"registered": "registered"}), design, True) == NotTold(reason="no_groups")


@pytest.mark.simulation
def test_adjusted_p_values_keep_the_chance_of_one_false_finding(world: Any, asked: Any) -> None:
    false = 0
    for seed in range(200):
        groups = found(asked(), world(0.0, seed=seed))
        false += min(row.adjusted.holm for row in groups.rows) <= 0.05
    assert false / 200 < 0.10
