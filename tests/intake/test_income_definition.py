"""Net income gave way to disposable income: when a file must say which it has, and when each county changed over."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import SHARED

from evalkit.codes import table
from evalkit.intake.income_definition import (
    IncomeDefinition,
    judge_income_definition,
    switch_and_treatment,
    switch_notice,
    switch_of_series,
)
from evalkit.intake.observations import IntakeError
from evalkit.words import LANGUAGES, catalogue, placeholders


def panel(**counties: str) -> pd.DataFrame:
    """Return a panel from one letter a year from 2011 on: n net, d disposable, u unknown, _ empty cell, x no row."""
    word = {"n": "net", "d": "disposable", "u": "unknown", "_": None}
    rows = [(name, 2011 + at, word[c]) for name, path in counties.items() for at, c in enumerate(path) if c != "x"]
    return pd.DataFrame(rows, columns=["county", "year", "income_def"])


def judged(frame: pd.DataFrame, **choices: Any) -> IncomeDefinition:
    return judge_income_definition(frame, "county", "year", **choices)


def of_column(**counties: str) -> IncomeDefinition:
    return judged(panel(**counties), column="income_def")


def refused(action: Any, *codes: str) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        action()
    assert [problem.code for problem in caught.value.problems] == list(codes)
    for lang in LANGUAGES:
        assert not re.search(r"[{}]", caught.value.say(lang))
    return caught.value


def asked(definition: IncomeDefinition) -> list[str]:
    for question in definition.questions:
        assert "请核实" in question.say(catalogue("zh")) or "请补填" in question.say(catalogue("zh"))
        assert "Please" in question.say(catalogue("en"))
    return [question.code for question in definition.questions]


# When it must be said


@pytest.mark.parametrize("path", ["nnd", "xnn", "nnddd", "nxxd"])
def test_years_on_both_sides_of_2013_need_a_definition(path: str) -> None:
    frame = panel(a=path)
    error = refused(lambda: judged(frame), "INCOME_DEFINITION_NEEDED")
    for word in ("income_def: net", "income_def: disposable", "income_def: unknown", "2013"):
        assert word in error.say("zh") and word in error.say("en")
    assert "纯收入" in error.say("zh") and "可支配收入" in error.say("zh") and "口径不详" in error.say("zh")


def test_a_panel_that_ends_before_2013_is_net_and_asks_nothing() -> None:
    found = judged(panel(a="nn", b="nn"))
    assert set(found.definition) == {"net"} and found.given == "assumed" and not found.crosses
    assert found.questions == () and found.notices == ()


def test_a_panel_from_2013_on_is_taken_as_disposable_and_asks_whether_all_counties_changed() -> None:
    found = judged(panel(a="xxddd"))
    assert set(found.definition) == {"disposable"} and found.given == "assumed" and not found.crosses
    assert asked(found) == ["INCOME_DEFINITION_ASSUMED"]


def test_the_switch_comes_from_the_table_and_not_from_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.intake import income_definition

    later = table("income_definitions")
    later.loc[later["definition"] == "disposable", "first_year"] = "2015"
    monkeypatch.setattr(income_definition, "table", lambda name: later)
    assert switch_of_series() == 2015
    assert not judged(panel(a="nnnn")).crosses
    refused(lambda: judged(panel(a="nnnnn")), "INCOME_DEFINITION_NEEDED")


@pytest.mark.parametrize(
    "word, meaning", [("net", "net"), ("纯收入", "net"), (" Disposable", "disposable"), ("口径不详", "unknown")]
)
def test_one_word_can_declare_the_whole_file(word: str, meaning: str) -> None:
    found = judged(panel(a="nnnn", b="nnnn"), declared=word)
    assert set(found.definition) == {meaning} and found.given == "declared" and found.crosses
    assert found.units_by_switch_year == {}
    assert [notice.code for notice in found.notices] == (["INCOME_DEF_UNKNOWN"] if meaning == "unknown" else [])


def test_declared_disposable_before_its_series_begins_is_asked_about() -> None:
    found = judged(panel(a="dddd", b="xddd"), declared="disposable")
    assert asked(found) == ["INCOME_DEFINITION_EARLY"] and found.questions[0].count == 3


def test_saying_it_twice_or_wrongly_is_refused() -> None:
    frame = panel(a="nnnn")
    refused(lambda: judged(frame, column="income_def", declared="net"), "INCOME_DEFINITION_TWICE")
    error = refused(lambda: judged(frame, declared="gross"), "INCOME_DEFINITION_DECLARED")
    assert "gross" in str(error) and "可支配收入" in str(error)
    refused(lambda: judged(frame, column="definition"), "COLUMN_NOT_THERE")
    refused(lambda: judge_income_definition(frame, "village", "year", column="income_def"), "COLUMN_NOT_THERE")
    refused(lambda: judged(frame.assign(year="last"), column="income_def"), "YEAR_NOT_READABLE")


# What the column may say


@pytest.mark.parametrize(
    "written, meaning",
    [
        ("纯收入", "net"),
        ("農村居民人均純收入", "net"),
        ("人均纯收入", "net"),
        ("ＮＥＴ", "net"),
        ("Net income", "net"),
        ("可支配 收入", "disposable"),
        ("可支配　收入 ", "disposable"),
        ("农村居民人均可支配收入", "disposable"),
        ("DISPOSABLE", "disposable"),
        ("口径不详", "unknown"),
        ("不详", "unknown"),
    ],
)
def test_the_words_of_a_yearbook_are_understood(written: str, meaning: str) -> None:
    assert judged(panel(a="nnnn").assign(income_def=written), column="income_def").definition.tolist() == [meaning] * 4


def test_other_words_are_refused_with_their_lines() -> None:
    frame = panel(a="nnnn").assign(income_def=["net", "总收入", "disposable", "人均收入"])
    error = refused(lambda: judged(frame, column="income_def", lines=np.arange(5, 9)), "INCOME_DEFINITION_VALUE")
    assert [(place.line, place.column, place.value) for place in error.problems[0].places] == [
        (6, "income_def", "总收入"),
        (8, "income_def", "人均收入"),
    ]
    assert "口径不详" in error.say("zh")


def test_an_empty_cell_is_not_known_and_is_asked_about() -> None:
    found = judged(panel(a="n_dd", b="nn__"), column="income_def", lines=np.arange(2, 10))
    assert asked(found) == ["INCOME_DEFINITION_BLANK"]
    assert found.questions[0].count == 3 and [place.line for place in found.questions[0].places] == [3, 8, 9]
    assert found.definition.tolist() == ["net", "unknown", "disposable", "disposable", "net", "net", "unknown", "unknown"]


def test_a_column_that_is_all_empty_says_that_nothing_is_known() -> None:
    found = of_column(a="____")
    assert set(found.definition) == {"unknown"} and [notice.code for notice in found.notices] == ["INCOME_DEF_UNKNOWN"]


# When each county changed over


def test_the_year_of_change_is_the_first_disposable_year_after_a_net_one() -> None:
    found = of_column(a="nnnd", b="nnddd", c="nnnnn", d="ddddd", e="nundd", f="nxxxd")
    np.testing.assert_array_equal(found.switch_year, [2014, 2013, np.nan, np.nan, 2014, 2015])
    assert found.units.tolist() == list("abcdef")
    assert found.units_by_switch_year == {2013: 1, 2014: 2, 2015: 1} and found.staggered
    assert not found.switches_back.any() and found.unknown_rows.tolist() == [0, 0, 0, 0, 1, 0]


def test_one_change_in_all_counties_is_not_staggered() -> None:
    found = of_column(a="nnnd", b="nnnd")
    assert not found.staggered
    (notice,) = found.notices
    assert notice.code == "INCOME_DEF_SWITCH"
    assert notice.facts == {"years": {2014: 2}, "units": 2, "of_units": 2, "staggered": False, "units_back": 0}


def test_a_county_that_goes_back_is_asked_about_and_keeps_its_first_change() -> None:
    found = of_column(a="nndnd", b="ddnnn", c="nnddd")
    assert found.switches_back.tolist() == [True, True, False]
    np.testing.assert_array_equal(found.switch_year, [2013, np.nan, 2013])
    assert asked(found) == ["INCOME_DEFINITION_EARLY", "INCOME_DEFINITION_BACK"] and found.questions[1].facts == {"units": 2}


def test_two_definitions_within_one_year_are_asked_about_once_per_county() -> None:
    twice = pd.concat([panel(a="nnnd", b="nnnd"), panel(a="nndx")])
    found = judged(twice, column="income_def")
    assert found.mixed.tolist() == [True, False] and asked(found) == ["INCOME_DEFINITION_MIXED"]
    assert not found.switches_back.any()


def test_both_definitions_of_one_year_are_no_change_over() -> None:
    found = judged(pd.concat([panel(a="xxn"), panel(a="xxd")]), column="income_def")
    assert np.isnan(found.switch_year[0]) and found.mixed[0] and found.notices == ()


def test_what_is_not_known_is_counted_for_the_grade() -> None:
    found = of_column(a="nuud", b="nndd", c="uuuu")
    notice = next(notice for notice in found.notices if notice.code == "INCOME_DEF_UNKNOWN")
    assert notice.facts == {"rows": 6, "of_rows": 12, "units": 2, "of_units": 3, "crosses": True}


PATHS = st.lists(st.text("nduux_", min_size=2, max_size=8), min_size=1, max_size=8)


@given(paths=PATHS, seed=st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_the_order_of_rows_does_not_matter_and_a_slow_reading_agrees(paths: list[str], seed: int) -> None:
    frame = panel(**{f"c{i}": path for i, path in enumerate(paths)})
    if frame.empty:
        return
    found = judged(frame, column="income_def")
    mixed = judged(frame.sample(frac=1, random_state=seed), column="income_def")
    np.testing.assert_array_equal(mixed.switch_year, found.switch_year)
    np.testing.assert_array_equal(mixed.switches_back, found.switches_back)
    for unit, year, back in zip(found.units, found.switch_year, found.switches_back, strict=True):
        path = paths[int(unit[1:])]
        after_net = [2011 + i for i, c in enumerate(path) if c == "d" and "n" in path[:i]]
        assert (np.isnan(year) and not after_net) or year == after_net[0]
        assert back == bool(re.search("d.*n", path))


# Change and treatment


def test_the_share_whose_change_falls_within_a_year_of_the_start() -> None:
    found = of_column(a="nnnd", b="nnnd", c="nnnd", d="nnnn", e="nnnd")
    start = np.array([2013, 2015, 2011, 2014, np.inf])  # gaps 1, 1, 3, no change, never treated
    assert switch_and_treatment(found, start) == 2 / 4
    assert switch_and_treatment(found, start, within=3) == 3 / 4
    by_name = pd.Series(start, index=list("abcde"))[list("dabce")]
    assert switch_and_treatment(found, by_name) == 2 / 4
    notice = switch_notice(found, start)
    assert notice is not None and {key: notice.facts[key] for key in ("treated", "treated_near")} == {
        "treated": 4,
        "treated_near": 2,
    }


def test_without_treated_units_there_is_no_share() -> None:
    found = of_column(a="nnnd", b="nnnd")
    assert switch_and_treatment(found, np.array([np.inf, np.nan])) is None
    assert switch_notice(of_column(a="nnnn")) is None


def test_starts_of_the_wrong_units_are_a_mistake_of_the_caller() -> None:
    found = of_column(a="nnnd", b="nnnd")
    with pytest.raises(ValueError, match="3 values for 2 units"):
        switch_and_treatment(found, np.array([2013.0, 2014, 2015]))
    with pytest.raises(ValueError, match="no value for 1 units, such as 'b'"):
        switch_and_treatment(found, pd.Series({"a": 2013.0}))


# Real figures, and words


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the folder of real data is not there: set EVALKIT_REFERENCE")
def test_the_provinces_changed_over_together_in_2014() -> None:
    frame = pd.read_csv(SHARED / "real" / "province_income_panel_2000_2019.csv")
    refused(lambda: judge_income_definition(frame, "prov_code", "year"), "INCOME_DEFINITION_NEEDED")
    found = judge_income_definition(frame, "prov_code", "year", column="rural_concept")
    assert found.units_by_switch_year == {2014: 30} and not found.staggered and found.questions == ()


def test_the_demo_says_its_definition_row_by_row() -> None:
    from evalkit.places import shared

    frame = pd.read_csv(shared("data", "demo", "counties.csv"))
    found = judge_income_definition(frame, "county_key", "year", column="income_def")
    assert found.crosses and set(found.definition) <= {"net", "disposable"} and sum(found.units_by_switch_year.values()) > 0


def test_the_table_of_definitions_names_its_sources() -> None:
    rows = table("income_definitions")
    assert rows["definition"].tolist() == ["net", "disposable", "unknown"]
    assert set(rows["verified"]) <= {"yes", "secondary", "no"} and (rows["source"] != "").all()


def test_the_remarks_can_be_said_from_their_facts() -> None:
    wanted = {
        "remark.INCOME_DEF_UNKNOWN": {"units", "of_units", "rows"},
        "remark.INCOME_DEF_SWITCH_together": {"units", "of_units", "years", "treated"},
        "remark.INCOME_DEF_SWITCH_staggered": {"units", "of_units", "years", "treated"},
        "income_definition.switch_near_start": {"near", "treated"},
    }
    for key, names in wanted.items():
        for lang in LANGUAGES:
            assert placeholders(catalogue(lang).sentences[key]) == names
