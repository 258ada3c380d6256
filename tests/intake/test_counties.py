"""Counties keep their land through renamings, mergers and splits: totals, units, and what is asked or refused."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import SHARED

from evalkit.intake.counties import DISTRICT, MEMBERS, Harmonised, harmonise_counties
from evalkit.intake.county_history import REQUIRED, CountyHistory
from evalkit.intake.observations import IntakeError, Question
from evalkit.words import LANGUAGES, catalogue, placeholders

DEMO = Path(__file__).parents[2] / "data" / "demo"
REAL = SHARED / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real histories and panels are not there: set EVALKIT_REFERENCE")

RULE = {"people": "sum", "income": "mean by people"}


@lru_cache
def history(*records: str) -> CountyHistory:
    return CountyHistory.from_frame(pd.DataFrame([record.split(",") for record in records], columns=list(REQUIRED)))


@pytest.fixture(scope="module")
def sample() -> CountyHistory:
    return CountyHistory.sample()


MERGER = ("100001,甲县,县级,弃用,2000,2010,100003", "100002,乙县,县级,弃用,2000,2010,100003", "100003,丙县,县级,在用,2010,,")
ABSORBED = ("100001,甲县,县级,弃用,2000,2010,100002", "100002,乙县,县级,在用,2000,,")
SPLIT = ("100001,甲县,县级,弃用,2000,2010,100002;100003", "100002,乙县,县级,在用,2010,,", "100003,丙县,县级,在用,2010,,")
SHIFT = ("100001,甲县,县级,在用,2000,,100002[2010]", "100002,乙县,县级,在用,2000,,")
RECODE = ("100001,甲县,县级,弃用,2000,2010,100002", "100002,甲县,县级,在用,2010,,")
REUSED = (
    "100001,甲县,县级,弃用,2000,2005,100002",
    "100002,甲县,县级,在用,2005,,",
    "100003,乙县,县级,弃用,2000,2010,100001",
    "100001,乙县,县级,在用,2010,,",
)


def panel(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows of code, year, people, income."""
    return pd.DataFrame(rows, columns=["county_code", "year", "people", "income"])


def seen(result: Harmonised) -> list[tuple[Any, ...]]:
    return list(result.frame[["county_code", "year", "people", "income"]].itertuples(index=False, name=None))


def kinds(result: Harmonised) -> list[str]:
    return list(result.changes["kind"])


def asked(result: Harmonised) -> list[str]:
    for question in result.questions:
        for lang in LANGUAGES:
            assert "{" not in question.say(catalogue(lang))
    return [question.code for question in result.questions]


def refused(*arguments: Any, **named: Any) -> str:
    with pytest.raises(IntakeError) as error:
        harmonise_counties(*arguments, **named)
    assert "{" not in error.value.say("zh")
    return "\n".join(problem.code + ": " + problem.say(catalogue("en")) for problem in error.value.problems)


@pytest.mark.parametrize(
    ("before", "after", "year", "name"),
    [
        ("622428", "621125", 2003, "漳县"),
        ("642222", "640522", 2003, "海原县"),
        ("612524", "611023", 2001, "商南县"),
        ("612527", "611026", 2001, "柞水县"),
        ("510922", "510981", 2019, "射洪市"),
        ("500226", "500153", 2015, "荣昌区"),
        ("510811", "510811", 2013, "昭化区"),
    ],
)
def test_each_place_of_the_sample_goes_on_under_its_code_of_today(
    sample: CountyHistory, before: str, after: str, year: int, name: str
) -> None:
    frame = panel((before, 2000, 5, 1000.0), (after, year, 6, 1100.0)).assign(name=[sample.name(before, 2000), name])
    result = harmonise_counties(frame, 2020, {}, name="name")
    assert seen(result) == [(after, 2000, 5, 1000.0), (after, year, 6, 1100.0)]
    assert set(result.frame["name"]) == {name} and set(result.frame[MEMBERS]) == {""}
    assert asked(result) == [] and result.step.combined == 0


def test_a_county_recoded_twice_is_followed_through_both_changes() -> None:
    frame = panel(("642222", 2000, 1, 1.0), ("640421", 2002, 2, 2.0), ("640522", 2003, 3, 3.0))
    result = harmonise_counties(frame, 2020, {})
    assert list(result.frame["county_code"]) == ["640522"] * 3
    assert list(result.changes[["kind", "year", "from_codes", "to_codes", "rows"]].itertuples(index=False, name=None)) == [
        ("recoded", 2001, "642222", "640421", 1),
        ("recoded", 2003, "640421", "640522", 1),
    ]
    back = harmonise_counties(result.frame, 2000, {})
    assert list(back.frame["county_code"]) == ["642222"] * 3


def test_a_merger_keeps_its_totals() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0), ("100003", 2010, 41, 1400.0))
    result = harmonise_counties(frame, 2012, RULE, history=history(*MERGER))
    # (30 x 1000 + 10 x 2000) / 40
    assert seen(result) == [("100003", 2009, 40, 1250.0), ("100003", 2010, 41, 1400.0)]
    assert (result.frame["people"] * result.frame["income"]).iloc[0] == (frame["people"] * frame["income"]).iloc[:2].sum()
    assert kinds(result) == ["merged"] and result.changes["from_codes"].item() == "100001+100002"
    assert (result.step.rows_in, result.step.combined, result.step.rows_out) == (3, 1, 2)
    assert set(result.frame[MEMBERS]) == {"100001+100002+100003"}
    assert pd.api.types.is_integer_dtype(result.frame["people"])


def test_the_sample_merger_of_mengjin_keeps_its_totals() -> None:
    frame = panel(("410306", 2020, 7, 100.0), ("410322", 2020, 43, 200.0), ("410308", 2021, 49, 210.0))
    result = harmonise_counties(frame, 2021, RULE)
    assert seen(result) == [("410308", 2020, 50, 186.0), ("410308", 2021, 49, 210.0)]
    assert list(result.frame[DISTRICT]) == [False, True]


def test_a_county_that_takes_another_in_is_put_together_with_it_before_too() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0), ("100002", 2010, 41, 1400.0))
    result = harmonise_counties(frame, 2010, RULE, history=history(*ABSORBED))
    assert seen(result) == [("100002", 2009, 40, 1250.0), ("100002", 2010, 41, 1400.0)]


def test_a_split_is_put_together_under_the_code_it_came_from() -> None:
    frame = panel(("100001", 2009, 40, 1000.0), ("100002", 2010, 30, 1000.0), ("100003", 2010, 10, 2000.0)).assign(
        name=list("甲乙丙")
    )
    frame["name"] += "县"
    result = harmonise_counties(frame, 2012, RULE, name="name", history=history(*SPLIT))
    assert seen(result) == [("100001", 2009, 40, 1000.0), ("100001", 2010, 40, 1250.0)]
    assert set(result.frame["name"]) == {"乙县+丙县"} and kinds(result) == ["split_back"]


def test_a_part_that_became_a_county_is_put_back() -> None:
    frame = panel(("330327", 2018, 40, 1.0), ("330327", 2019, 30, 1.0), ("330383", 2019, 10, 5.0))
    assert seen(harmonise_counties(frame, 2020, RULE)) == [("330327", 2018, 40, 1.0), ("330327", 2019, 40, 2.0)]


def test_a_boundary_shift_puts_both_counties_together_unless_told_to_keep_them() -> None:
    frame = panel(*[(code, year, 10, income) for year in (2009, 2010) for code, income in (("100001", 1.0), ("100002", 3.0))])
    together = harmonise_counties(frame, 2010, RULE, history=history(*SHIFT))
    assert seen(together) == [("100001", 2009, 20, 2.0), ("100001", 2010, 20, 2.0)]
    apart = harmonise_counties(frame, 2010, {}, history=history(*SHIFT), boundary_shifts="keep")
    assert len(apart.frame) == 4 and apart.step.combined == 0
    assert kinds(together) == kinds(apart) == ["boundary_shift"]


def test_changes_outside_the_years_of_the_frame_put_nothing_together() -> None:
    frame = panel(("100001", 2008, 30, 1000.0), ("100002", 2008, 10, 2000.0))
    result = harmonise_counties(frame, 2009, {}, history=history(*MERGER))
    assert len(result.frame) == 2 and kinds(result) == []


def test_an_early_and_a_late_year_give_the_same_units_when_no_change_lies_between() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0), ("100003", 2015, 41, 1400.0))
    early, late = (harmonise_counties(frame, year, RULE, history=history(*MERGER)) for year in (2010, 2020))
    pd.testing.assert_frame_equal(early.frame, late.frame)


def test_a_year_before_the_merger_keeps_the_two_together_and_gives_the_smallest_code() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0), ("100003", 2010, 41, 1400.0))
    assert [row[0] for row in seen(harmonise_counties(frame, 2009, RULE, history=history(*MERGER)))] == ["100001"] * 2


def test_a_missing_member_leaves_the_total_empty_and_is_asked_about() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100003", 2010, 41, 1400.0)).assign(place="same")
    result = harmonise_counties(frame, 2012, {**RULE, "place": "same"}, history=history(*MERGER))
    assert result.frame["people"].isna().tolist() == [True, False] and result.frame["income"].isna().tolist() == [True, False]
    assert asked(result) == ["INCOMPLETE_MERGER"]
    question = result.questions[0]
    assert question.facts["absent"] == "100002 乙县 (2009)" and question.places[0].line == 2 and question.count == 1


def test_a_county_that_takes_another_in_later_does_not_stand_for_it_before() -> None:
    frame = panel(("100002", 2009, 10, 2000.0), ("100002", 2010, 41, 1400.0))
    result = harmonise_counties(frame, 2010, RULE, history=history(*ABSORBED))
    assert result.frame["people"].isna().tolist() == [True, False] and asked(result) == ["INCOMPLETE_MERGER"]


def test_a_missing_weight_makes_the_mean_missing_and_not_an_unweighted_one() -> None:
    frame = panel(
        ("100001", 2009, np.nan, 1000.0), ("100002", 2009, 10, 2000.0), ("100001", 2008, 30, 1000.0), ("100002", 2008, 10, 2000.0)
    )
    result = harmonise_counties(frame, 2012, RULE, history=history(*MERGER))
    assert result.frame["income"].tolist()[0] == 1250.0 and result.frame.loc[1, ["people", "income"]].isna().all()
    assert asked(result) == ["VALUE_MISSING_IN_COMBINATION"] and result.questions[0].facts["columns"] == "people, income"


def test_a_weight_that_is_dropped_still_weighs() -> None:
    frame = panel(("100001", 2009, 10, 4.0), ("100002", 2009, 30, 8.0), ("100003", 2010, 50, 9.0))
    result = harmonise_counties(frame, 2010, {"people": "drop", "income": "mean by people"}, history=history(*MERGER))
    assert result.frame["income"].tolist() == [7.0, 9.0] and "people" not in result.frame


def test_a_weight_of_zero_everywhere_gives_no_mean() -> None:
    frame = panel(("100001", 2009, 0, 1000.0), ("100002", 2009, 0, 2000.0))
    result = harmonise_counties(frame, 2012, RULE, history=history(*MERGER))
    assert result.frame["people"].item() == 0 and np.isnan(result.frame["income"].item())


def test_columns_without_a_rule_are_named_only_when_something_is_put_together() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0)).assign(grain=1.0, note="x")
    told = refused(frame, 2012, RULE, history=history(*MERGER))
    assert (
        told.startswith("COLUMN_WITHOUT_RULE")
        and "grain, note" in told
        and "people" not in told.split("Give each")[0].split(":")[2]
    )
    assert len(harmonise_counties(frame, 2009, {}, history=history(*MERGER)).frame) == 2
    dropped = harmonise_counties(frame, 2012, {**RULE, "grain": "drop", "note": "same"}, history=history(*MERGER))
    assert "grain" not in dropped.frame and dropped.frame["note"].item() == "x"


def test_values_that_should_agree_and_do_not_are_a_problem() -> None:
    frame = panel(("100001", 2009, 30, 1000.0), ("100002", 2009, 10, 2000.0)).assign(kind=["net", "disposable"])
    told = refused(frame, 2012, {**RULE, "kind": "same"}, history=history(*MERGER))
    assert "COUNTY_VALUES_DISAGREE" in told and 'value "disposable"' in told


def test_a_constant_that_changes_over_the_years_is_asked_about() -> None:
    frame = panel(("622428", 2002, 1, 1.0), ("621125", 2003, 1, 1.0)).assign(prefecture=["定西地区", "定西市"])
    assert asked(harmonise_counties(frame, 2020, {}, constant=["prefecture"])) == ["CONSTANT_CHANGES"]


def test_the_old_and_the_new_code_in_one_year_are_a_problem_and_never_added_up() -> None:
    frame = panel(("622428", 2003, 1, 1.0), ("621125", 2003, 1, 2.0))
    told = refused(frame, 2020, RULE)
    assert told.startswith("COUNTY_DOUBLE_COUNTED") and "line 2" in told and "line 3" in told


def test_a_merged_county_beside_its_members_is_a_problem() -> None:
    frame = panel(("100001", 2009, 1, 1.0), ("100002", 2009, 1, 1.0), ("100003", 2009, 2, 1.0))
    assert refused(frame, 2020, RULE, history=history(*MERGER)).startswith("COUNTY_DOUBLE_COUNTED")


def test_a_harmonised_total_beside_one_of_its_members_is_a_problem() -> None:
    frame = panel(("100003", 2009, 40, 1.0), ("100002", 2009, 10, 1.0)).assign(county_members=["100001+100002+100003", ""])
    assert refused(frame, 2020, RULE, history=history(*MERGER)).startswith("COUNTY_DOUBLE_COUNTED")


def test_a_county_twice_in_a_year_is_a_problem() -> None:
    assert refused(panel(("622428", 2002, 1, 1.0), ("622428", 2002, 1, 2.0)), 2020, RULE).startswith("COUNTY_TWICE_IN_A_YEAR")


def test_the_old_code_printed_for_another_year_beside_the_county_that_took_it_in_is_asked_about() -> None:
    frame = panel(("100001", 2010, 30, 1000.0), ("100002", 2010, 10, 2000.0))
    result = harmonise_counties(frame, 2012, RULE, history=history(*ABSORBED))
    assert seen(result) == [("100002", 2010, 40, 1250.0)] and asked(result) == ["OLD_CODE_STILL_LISTED"]


def test_codes_of_today_in_old_years_are_accepted_and_told() -> None:
    result = harmonise_counties(panel(("621125", 2000, 1, 1.0), ("621125", 2005, 1, 2.0)), 2020, {})
    assert list(result.frame["county_code"]) == ["621125"] * 2 and "code_of_later_year" in kinds(result)


def test_a_file_in_codes_of_today_counts_a_merged_county_as_complete() -> None:
    result = harmonise_counties(panel(("100003", 2005, 40, 1.0), ("100003", 2012, 41, 2.0)), 2012, RULE, history=history(*MERGER))
    assert seen(result) == [("100003", 2005, 40, 1.0), ("100003", 2012, 41, 2.0)] and asked(result) == []


def test_codes_of_a_year_after_the_span_are_followed_back_into_it() -> None:
    result = harmonise_counties(panel(("510981", 2005, 1, 1.0), ("510981", 2010, 1, 2.0)), 2010, {})
    assert list(result.frame["county_code"]) == ["510922"] * 2


def test_codes_from_before_the_span_are_followed_into_it() -> None:
    result = harmonise_counties(panel(("622428", 2010, 1, 1.0), ("622428", 2011, 1, 2.0)), 2011, {})
    assert list(result.frame["county_code"]) == ["621125"] * 2 and "code_of_earlier_year" in kinds(result)


def test_an_unknown_code_names_the_county_of_the_same_name() -> None:
    frame = panel(("622482", 2002, 1, 1.0)).assign(name="漳县")
    told = refused(frame, 2020, {}, name="name")
    assert told.startswith("UNKNOWN_COUNTY_CODE") and "621125 漳县" in told
    assert "622428 漳县" in refused(frame, 2020, {"name": "drop"})


def test_a_code_that_was_given_to_two_counties_is_told_apart_by_year_and_by_name() -> None:
    codes = history(*REUSED)
    by_year = harmonise_counties(panel(("100001", 2003, 1, 1.0), ("100001", 2012, 2, 2.0)), 2012, {}, history=codes)
    assert list(by_year.frame[["county_code", "year"]].itertuples(index=False, name=None)) == [("100001", 2012), ("100002", 2003)]
    between = panel(("100001", 2007, 1, 1.0))
    assert refused(between, 2012, {}, history=codes).startswith("COUNTY_CODE_AMBIGUOUS")
    by_name = [
        harmonise_counties(between.assign(name=name), 2012, {}, name="name", history=codes).frame["county_code"].item()
        for name in ("甲县", "乙县")
    ]
    assert by_name == ["100002", "100001"]


def test_a_name_of_another_rank_is_asked_about_with_both_names() -> None:
    frame = panel(("622428", 2002, 1, 1.0)).assign(name="漳　县 ")
    assert asked(harmonise_counties(frame, 2020, {}, name="name")) == []
    result = harmonise_counties(frame.assign(name="漳区"), 2020, {}, name="name")
    assert asked(result) == ["NAME_DISAGREES"] and result.questions[0].facts["pairs"] == "622428 漳县 ≠ 漳区"
    assert result.frame["name"].item() == "漳县"


def test_the_code_of_one_county_and_the_name_of_another_are_a_problem() -> None:
    told = refused(panel(("622428", 2002, 1, 1.0)).assign(name="海原县"), 2020, {}, name="name")
    assert told.startswith("COUNTY_CODE_AND_NAME_DIFFER") and "640522 海原县" in told


def test_codes_of_twelve_digits_are_cut_and_others_are_a_problem() -> None:
    assert harmonise_counties(panel(("622428000000", 2002, 1, 1.0)), 2020, {}).frame["county_code"].item() == "621125"
    for code in ("622428.0", "62242", 622428, "622428001000", None):
        assert refused(panel((code, 2002, 1, 1.0)), 2020, {}).startswith("COUNTY_CODE_NOT_SIX_DIGITS")


def test_years_may_be_text_and_must_be_years() -> None:
    assert harmonise_counties(panel(("622428", "2002", 1, 1.0)), 2020, {}).frame["year"].item() == 2002
    for year in ("2002年", 2002.5, None, 202):
        assert refused(panel(("622428", year, 1, 1.0)), 2020, {}).startswith("COUNTY_PERIOD_NOT_A_YEAR")


def test_a_prefecture_with_counties_is_refused_and_one_without_is_a_county() -> None:
    prefecture = "100000,丁市,地级,在用,2000,,"
    frame = panel(("100000", 2005, 1, 1.0))
    assert refused(frame, 2005, {}, history=history(prefecture, *SHIFT)).startswith("NOT_A_COUNTY")
    assert len(harmonise_counties(frame, 2005, {}, history=history(prefecture)).frame) == 1


@pytest.mark.parametrize(
    ("rule", "named", "code"),
    [
        ({"poeple": "sum"}, {}, "COUNTY_COLUMN_MISSING"),
        ({"income": "mean by persons"}, {}, "COUNTY_COLUMN_MISSING"),
        ({}, {"code": "code"}, "COUNTY_COLUMN_MISSING"),
        ({"people": "total"}, {}, "COUNTY_RULE_UNKNOWN"),
        ({"county_code": "sum"}, {}, "COUNTY_RULE_NEEDS_NUMBERS"),
        ({}, {"boundary_shifts": "ignore"}, "BOUNDARY_SHIFTS_UNKNOWN"),
    ],
)
def test_arguments_that_cannot_be_are_named(rule: dict[str, str], named: dict[str, Any], code: str) -> None:
    assert refused(panel(("622428", 2002, 1, 1.0)), 2020, rule, **named).startswith(code)


def test_a_weight_below_zero_and_an_empty_frame_are_refused() -> None:
    frame = panel(("100001", 2009, -30, 1000.0), ("100002", 2009, 10, 2000.0))
    assert refused(frame, 2012, RULE, history=history(*MERGER)).startswith("COUNTY_WEIGHT_BELOW_ZERO")
    assert refused(frame.iloc[:0], 2012, RULE).startswith("COUNTY_FRAME_EMPTY")


def test_the_lines_of_the_file_are_told_where_they_are_given() -> None:
    frame = panel(("622428", 2003, 1, 1.0), ("621125", 2003, 1, 2.0))
    assert "line 17" in refused(frame, 2020, RULE, lines=[11, 17])


def test_the_frame_that_came_in_is_left_alone() -> None:
    frame = panel(("622428", "2002", 1, 1.0), ("621125", "2003", 1, 2.0))
    copy = frame.copy(deep=True)
    harmonise_counties(frame, 2020, RULE)
    pd.testing.assert_frame_equal(frame, copy)


def test_a_county_became_a_district_from_the_year_on() -> None:
    result = harmonise_counties(panel(("500226", 2014, 1, 1.0), ("500153", 2015, 1, 1.0), ("500153", 2016, 1, 1.0)), 2020, {})
    assert list(result.frame[DISTRICT]) == [False, True, True]
    assert kinds(result) == ["district_from_county", "recoded"]


def demo(file: str, key: str) -> pd.DataFrame:
    return pd.read_csv(DEMO / file, dtype={key: str})


def test_the_demo_as_published_becomes_the_harmonised_demo() -> None:
    weighted = dict.fromkeys(["income", "distance_km", "base_poverty", "labour_share"], "mean by population")
    constant = ["prefecture_id", "data_status", "industry_first_year", "relocation_first_year", "health_first_year"]
    rule = {**weighted, "population": "sum", "income_def": "same"}
    codes = CountyHistory.read(DEMO / "county_history.csv")
    published, truth = demo("counties_as_published.csv", "county_code"), demo("counties.csv", "county_key")
    result = harmonise_counties(published, 2022, rule, name="county_name", history=codes, constant=constant)
    ours = result.frame.rename(columns={"county_code": "county_key"})
    assert asked(result) == [] and kinds(result) == ["merged", "recoded"]
    # Published values are rounded before they are averaged, those of the truth after: at most one unit of the last digit apart.
    steps = {"income": 1.0, "distance_km": 0.1, "base_poverty": 0.1, "labour_share": 0.001}
    for column, step in steps.items():
        assert (ours[column] - truth[column]).abs().max() <= step
    others = [column for column in truth.columns if column not in steps]
    pd.testing.assert_frame_equal(ours[others], truth[others])


LAND = st.integers(min_value=2, max_value=5)
EVENTS = ("recode", "rename", "merge", "absorb", "split", "split off", "shift")


@dataclass
class Country:
    """Counties made of plots of land (bits of a number), and the records of their codes while they change."""

    land: dict[str, int] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    closed: list[list[str]] = field(default_factory=list)
    next_code: int = 100001

    def found(self, year: int, land: int, name: str | None = None) -> str:
        code = str(self.next_code)
        self.next_code += 1
        self.open[code] = [code, name or f"地{code}县", "县级", "在用", str(year), "", ""]
        self.land[code] = land
        return code

    def end(self, code: str, year: int, successors: list[str], status: str = "弃用") -> None:
        record = self.open.pop(code)
        parts = [part for part in [record[6], *successors] if part]
        self.closed.append([*record[:3], status, record[4], str(year), ";".join(parts)])
        del self.land[code]

    def part(self, code: str, other: str, year: int) -> None:
        record = self.open[code]
        record[6] = ";".join(part for part in (record[6], f"{other}[{year}]") if part)

    def happen(self, event: str, year: int, first: int, second: int) -> None:
        codes = sorted(self.open)
        code, other = codes[first % len(codes)], codes[second % len(codes)]
        land = self.land[code]
        plot = land & -land
        if event == "recode":
            self.end(code, year, [self.found(year, land)])
        elif event == "rename":
            self.end(code, year, [code], "变更")
            self.open[code], self.land[code] = [code, f"新{year}县", "县级", "在用", str(year), "", ""], land
        elif event == "merge" and code != other:
            new = self.found(year, land | self.land[other])
            for ended in (code, other):
                self.end(ended, year, [new])
        elif event == "absorb" and code != other:
            self.land[other] |= land
            self.end(code, year, [other])
        elif event == "split" and plot != land:
            self.end(code, year, [self.found(year, plot), self.found(year, land - plot)])
        elif event == "split off" and plot != land:
            self.part(code, self.found(year, plot), year)
            self.land[code] -= plot
        elif event == "shift" and plot != land and code != other:
            self.part(code, other, year)
            self.land[code] -= plot
            self.land[other] |= plot


@st.composite
def countries(draw: st.DrawFn) -> tuple[CountyHistory, pd.DataFrame]:
    """A random history, and for each year the counties of it with their land."""
    country, rows, bit = Country(), [], 0
    for size in draw(st.lists(LAND, min_size=2, max_size=5)):
        country.found(1990, ((1 << size) - 1) << bit)
        bit += size
    for year in range(2000, 2009):
        if year > 2000:
            country.happen(draw(st.sampled_from(EVENTS)), year, draw(st.integers(0, 99)), draw(st.integers(0, 99)))
        rows += [(code, year, land, float(land % 7)) for code, land in country.land.items()]
    records = pd.DataFrame([*country.closed, *country.open.values()], columns=list(REQUIRED))
    return CountyHistory.from_frame(records), panel(*rows)


@settings(max_examples=10, deadline=None)
@given(countries(), st.integers(2000, 2008), st.randoms(use_true_random=False))
def test_every_unit_of_a_random_history_is_the_same_land_in_every_year(
    world: tuple[CountyHistory, pd.DataFrame], to_year: int, random: Any
) -> None:
    codes, frame = world
    result = harmonise_counties(frame, to_year, RULE, history=codes)
    assert asked(result) == []
    assert not result.frame.duplicated(["county_code", "year"]).any()
    # Land is a sum of bits, each plot one: equal sums are equal land.
    assert (result.frame.groupby("county_code")["people"].nunique() == 1).all()
    assert (result.frame.groupby("county_code").size() == 9).all()
    totals = [data.groupby("year")["people"].sum() for data in (frame, result.frame)]
    pd.testing.assert_series_equal(*totals)
    money = [(data["people"] * data["income"]).groupby(data["year"]).sum() for data in (frame, result.frame)]
    pd.testing.assert_series_equal(*money, rtol=1e-12)
    assert result.step.rows_in - result.step.combined == len(result.frame)

    mixed = frame.iloc[random.sample(range(len(frame)), len(frame))]
    shuffled = harmonise_counties(mixed, to_year, RULE, history=codes)
    pd.testing.assert_frame_equal(shuffled.frame, result.frame, rtol=1e-12)
    pd.testing.assert_frame_equal(shuffled.changes, result.changes)

    again = harmonise_counties(result.frame, to_year, {}, history=codes)
    pd.testing.assert_frame_equal(again.frame, result.frame)
    assert asked(again) == [] and again.step.combined == 0


@settings(max_examples=8, deadline=None)
@given(countries(), st.integers(0, 999))
def test_a_row_that_is_missing_never_makes_a_total_too_small(world: tuple[CountyHistory, pd.DataFrame], row: int) -> None:
    codes, frame = world
    whole = harmonise_counties(frame, 2008, RULE, history=codes).frame.set_index(["county_code", "year"])["people"]
    part = harmonise_counties(frame.drop(index=row % len(frame)), 2008, RULE, history=codes).frame.set_index(
        ["county_code", "year"]
    )["people"]
    kept = part.dropna()
    assert (kept == whole.loc[kept.index]).all() and len(whole) - len(kept) == 1


@pytest.fixture(scope="module")
def full() -> CountyHistory:
    return CountyHistory.read(REAL / "admin_codes_history_1981_2024.csv")


@pytest.fixture(scope="module")
def from_2000_to_2020(full: CountyHistory) -> pd.DataFrame:
    return every_county(full, range(2000, 2021)).drop(columns="name")


def every_county(codes: CountyHistory, years: range) -> pd.DataFrame:
    records = codes.records[codes.county]
    lists = [records[(records["start"] <= year) & (records["end"] > year)].assign(year=year) for year in years]
    return pd.concat(lists, ignore_index=True)[["code", "name", "year"]].rename(columns={"code": "county_code"})


@needs_real
def test_the_full_history_takes_the_places_of_the_sample_to_their_codes_of_2020(full: CountyHistory) -> None:
    crosswalk = pd.read_csv(REAL / "county_code_to_2020.csv", dtype=str).set_index("code_any_year")["code_2020"]
    old = ["622428", "642222", "640421", "612524", "612527", "510922", "500226", "510811", "410381"]
    frame = pd.DataFrame({"county_code": old, "year": 2000})
    frame.loc[frame["county_code"] == "640421", "year"] = 2002
    result = harmonise_counties(frame, 2020, {}, history=full)
    assert sorted(result.frame["county_code"]) == sorted(crosswalk[old])
    to_2021 = harmonise_counties(panel(("410381", 2000, 1, 1.0)), 2021, {}, history=full)
    assert to_2021.frame["county_code"].item() == "410307"


@needs_real
def test_thirty_years_of_all_counties_keep_their_totals_within_seconds(full: CountyHistory) -> None:
    frame = every_county(full, range(1993, 2023)).assign(people=lambda data: data.index % 97 + 1.0, income=1000.0)
    started = time.perf_counter()
    result = harmonise_counties(frame, 2020, RULE, name="name", history=full)
    assert time.perf_counter() - started < 10  # about 1.5 s on an idle core
    assert asked(result) == [] and result.frame["people"].notna().all()
    pd.testing.assert_series_equal(result.frame.groupby("year")["people"].sum(), frame.groupby("year")["people"].sum())
    assert np.allclose(result.frame["income"], 1000.0, rtol=1e-12)


@needs_real
@pytest.mark.parametrize(("shifts", "units"), [("combine", 2567), ("keep", 2720)])
def test_so_many_units_remain_of_the_counties_of_2000_in_2020(
    full: CountyHistory, from_2000_to_2020: pd.DataFrame, shifts: Any, units: int
) -> None:
    frame = from_2000_to_2020
    result = harmonise_counties(frame, 2020, {}, history=full, boundary_shifts=shifts)
    assert frame.loc[frame["year"] == 2000, "county_code"].nunique() == 2864
    assert abs(result.frame["county_code"].nunique() - units) <= 5
    again = harmonise_counties(result.frame, 2020, {}, history=full, boundary_shifts=shifts)
    pd.testing.assert_frame_equal(again.frame, result.frame)


@needs_real
def test_the_chongqing_panel_is_in_codes_of_2020_already_and_keeps_its_numbers(full: CountyHistory) -> None:
    frame = pd.read_csv(REAL / "chongqing_county_panel_2005_2020.csv", dtype={"code": str})
    result = harmonise_counties(frame, 2020, {}, code="code", name="county_name", history=full)
    pd.testing.assert_frame_equal(result.frame[frame.columns], frame.sort_values(["code", "year"], ignore_index=True))
    assert asked(result) == [] and set(kinds(result)) == {"code_of_later_year", "district_from_county", "merged", "recoded"}
    assert result.frame.groupby("year")[DISTRICT].sum().loc[[2005, 2020]].tolist() == [0, 13]


def test_both_languages_have_the_same_sentences_with_the_same_facts() -> None:
    pages = [Path(__file__).parents[2] / "src" / "evalkit" / "locale" / lang / "intake_counties.toml" for lang in LANGUAGES]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    keys = [dict(re.findall(r'^(\w+) = "(.*)"$', text, flags=re.MULTILINE)) for text in texts]
    assert keys[0].keys() == keys[1].keys() and len(keys[0]) > 30
    for key in keys[0]:
        assert placeholders(keys[0][key]) == placeholders(keys[1][key]), key


def test_every_question_ends_by_asking_courteously() -> None:
    chinese = catalogue("zh")
    for code in (
        "NAME_DISAGREES",
        "OLD_CODE_STILL_LISTED",
        "INCOMPLETE_MERGER",
        "VALUE_MISSING_IN_COMBINATION",
        "CONSTANT_CHANGES",
    ):
        assert re.search("请(核实|补充)", chinese.sentences[f"{Question.kind}.{code}"])
