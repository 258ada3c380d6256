"""What a code meant in a year, what became of a county, and what a history of codes may not hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from recorded import SHARED

from evalkit.codes import table
from evalkit.intake.county_history import COUNTY, PREFECTURE, REQUIRED, CountyHistory, stem
from evalkit.intake.observations import IntakeError
from evalkit.words import LANGUAGES, catalogue

FULL = SHARED / "real" / "admin_codes_history_1981_2024.csv"
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the full history of codes is not there: set EVALKIT_REFERENCE")

HEAD = ",".join(REQUIRED)
OLD, NEW = "100001,甲县,县级,弃用,2000,2010,100002", "100002,甲县,县级,在用,2010,,"


def history(*records: str) -> CountyHistory:
    rows = [record.split(",") for record in records]
    return CountyHistory.from_frame(pd.DataFrame(rows, columns=list(REQUIRED)))


@pytest.fixture(scope="module")
def sample() -> CountyHistory:
    return CountyHistory.sample()


@pytest.fixture(scope="module")
def full() -> CountyHistory:
    return CountyHistory.read(FULL)


def kinds(*records: str) -> list[str]:
    return sorted(history(*records).links["kind"])


def refused(*records: str) -> list[str]:
    with pytest.raises(IntakeError) as error:
        history(*records)
    for lang in LANGUAGES:
        assert "{" not in error.value.say(lang)
    return [problem.code for problem in error.value.problems]


def test_a_code_is_in_force_from_its_start_to_the_year_before_its_end() -> None:
    codes = history(OLD, NEW)
    assert [codes.known("100001", year) for year in (1999, 2000, 2009, 2010)] == [False, True, True, False]
    assert [codes.known("100002", year) for year in (2009, 2010, 2050)] == [False, True, True]
    assert not codes.known("10000", 2005) and not codes.known("100003", 2005) and not codes.known("000001", 2005)


def test_the_same_code_has_another_name_after_a_renaming(sample: CountyHistory) -> None:
    assert (sample.name("510811", 2012), sample.name("510811", 2013)) == ("元坝区", "昭化区")


def test_asking_for_a_code_in_a_year_without_it_tells_when_it_was_in_force(sample: CountyHistory) -> None:
    with pytest.raises(IntakeError, match=r"622428 is not in force in 2003.*622428 漳县 1985-2003"):
        sample.name("622428", 2003)
    with pytest.raises(IntakeError, match="Records of this code: –"):
        sample.name("999999", 2003)


def test_the_sample_has_twenty_records_and_every_place_of_the_fixture(sample: CountyHistory) -> None:
    assert len(sample.records) == 20
    assert {"漳县", "海原县", "商南县", "柞水县", "射洪市", "荣昌区", "昭化区", "孟津区", "苍南县"} <= set(sample.names())
    assert sample.links["kind"].value_counts().to_dict() == {"continued": 8, "merged": 2, "split_off": 1}


def test_names_are_told_by_level() -> None:
    codes = history(OLD, NEW, "100000,乙市,地级,在用,2000,,")
    assert codes.names() == ("甲县",) and codes.names(PREFECTURE) == ("乙市",)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((OLD, NEW), ["continued"]),
        (("100001,甲县,县级,变更,2000,2010,100001", "100001,甲市,县级,在用,2010,,"), ["continued"]),
        ((OLD, "100003,乙县,县级,弃用,2000,2010,100002", NEW), ["merged", "merged"]),
        (("100001,甲县,县级,弃用,2000,2010,100002", "100002,乙县,县级,在用,2000,,"), ["merged"]),
        (
            ("100001,甲县,县级,弃用,2000,2010,100002;100003", "100002,乙县,县级,在用,2010,,", "100003,丙县,县级,在用,2010,,"),
            ["split", "split"],
        ),
        (("100001,甲县,县级,在用,2000,,100003[2010]", "100003,丙县,县级,在用,2010,,"), ["split_off"]),
        (("100001,甲县,县级,在用,2000,,100003[2010]", "100003,丙县,县级,在用,2000,,"), ["shifted"]),
    ],
    ids=["recoded", "renamed", "merged into a new one", "merged into one that stays", "split", "split off", "shifted"],
)
def test_each_kind_of_change_is_told_from_the_others(records: tuple[str, ...], expected: list[str]) -> None:
    assert kinds(*records) == expected


def test_a_county_that_ends_in_a_district_of_its_own_name_goes_on_as_that_one() -> None:
    yongnian = "130429,永年县,县级,弃用,1993,2016,130403;130408"
    assert kinds(yongnian, "130403,丛台区,县级,在用,1981,,", "130408,永年区,县级,在用,2016,,") == ["continued", "shifted"]


def test_a_part_that_joins_a_county_recoded_in_the_same_year_is_a_boundary_shift() -> None:
    part = "100003,丙县,县级,在用,2000,,100002[2010]"
    assert kinds(OLD, NEW, part) == ["continued", "shifted"]


def test_a_prefecture_hands_land_on_only_when_it_has_no_counties_itself() -> None:
    prefecture, district = "460200,三亚市,地级,在用,1988,,460202[2014]", "460202,海棠区,县级,在用,2014,,"
    assert kinds(prefecture, district) == ["split_off"]
    assert kinds(prefecture, district, "460221,别县,县级,在用,1990,,") == []


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (("10001,甲县,县级,在用,2000,,",), "HISTORY_CODE_MALFORMED"),
        (("100001,,县级,在用,2000,,",), "HISTORY_NAME_MISSING"),
        (("100001,甲县,县级,在用,20,,",), "HISTORY_YEAR_MALFORMED"),
        (("100001,甲县,县级,弃用,2000,201O,100002", NEW), "HISTORY_YEAR_MALFORMED"),
        (("100001,甲县,县,在用,2000,,",), "HISTORY_WORD_UNKNOWN"),
        (("100001,甲县,县级,在,2000,,",), "HISTORY_WORD_UNKNOWN"),
        (("100001,甲县,县级,弃用,2000,2010,100002、100003", NEW), "HISTORY_SUCCESSOR_MALFORMED"),
        (("100001,甲县,县级,弃用,2010,2010,100002", NEW), "HISTORY_ENDS_BEFORE_START"),
        ((OLD, "100001,乙县,县级,在用,2009,,", NEW), "HISTORY_CODE_TWICE_IN_FORCE"),
        ((OLD,), "HISTORY_SUCCESSOR_NOT_IN_FORCE"),
        ((OLD, "100002,甲县,县级,在用,2011,,"), "HISTORY_SUCCESSOR_NOT_IN_FORCE"),
        (("100001,甲县,县级,弃用,2000,2010,",), "HISTORY_SUCCESSOR_NOT_IN_FORCE"),
        (("100001,甲县,县级,在用,2000,,100002", NEW), "HISTORY_SUCCESSOR_NOT_IN_FORCE"),
        ((OLD, "100002,甲县,县级,弃用,2001,2010,100001"), "HISTORY_SUCCESSORS_IN_A_CIRCLE"),
    ],
)
def test_what_a_history_may_not_hold_is_told_in_both_languages(records: tuple[str, ...], code: str) -> None:
    assert refused(*records) == [code]


def test_a_history_without_records_is_refused() -> None:
    assert refused() == ["HISTORY_EMPTY"]


def test_problems_name_the_line_of_the_file_remarks_included(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"# a remark\n# another\n{HEAD}\n{OLD}\n{NEW}\n12,乙县,县级,在用,2000,,\n", encoding="utf-8")
    with pytest.raises(IntakeError) as error:
        CountyHistory.read(path)
    assert [place.line for place in error.value.problems[0].places] == [6]


def test_missing_columns_are_named() -> None:
    with pytest.raises(IntakeError, match="no column start, new"):
        CountyHistory.from_frame(table("county_history_sample").drop(columns=["start", "new"]))


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    with pytest.raises(IntakeError) as error:
        history("10001,甲县,县级,在用,2000,,", "100001,甲县,县级,在用,20,,")
    assert [(problem.code, problem.places[0].line) for problem in error.value.problems] == [
        ("HISTORY_CODE_MALFORMED", 2),
        ("HISTORY_YEAR_MALFORMED", 3),
    ]


def test_a_file_is_read_with_further_columns_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"prov,{HEAD}\n甘肃省,{OLD}\n甘肃省,{NEW}\n", encoding="utf-8-sig")
    assert CountyHistory.read(path).name("100001", 2001) == "甲县"


UNREADABLE = {
    "not there": None,
    "empty": b"",
    "another encoding": f"{HEAD}\n{OLD}".encode("gb18030"),
    "ragged": f"{HEAD}\n{NEW}\n{NEW},,\n".encode(),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_a_problem_that_names_the_file_only(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "history.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntakeError, match=r"\(history\.csv\) cannot be read") as error:
        CountyHistory.read(path)
    assert str(tmp_path) not in str(error.value)


def test_a_stem_is_the_name_without_its_rank_and_never_empty() -> None:
    assert [stem(name) for name in ("漳县", "县", "玉屏侗族自治县", "郊区")] == ["漳", "县", "玉屏侗族", "郊"]


def test_both_languages_say_the_same_changes() -> None:
    keys = [{key for key in catalogue(lang).sentences if key.startswith("change.")} for lang in LANGUAGES]
    assert keys[0] == keys[1] and len(keys[0]) == 8


@needs_full
def test_the_full_history_is_read_and_every_successor_found(full: CountyHistory) -> None:
    assert len(full.records) > 6000 and full.links["year"].between(1981, 2024).all()
    assert full.known("130123", 2000) and full.name("130123", 2000) == "正定县"
    assert (full.name("510811", 2010), full.name("510811", 2020)) == ("元坝区", "昭化区")
    assert "漳县" in full.names(COUNTY) and "定西市" in full.names(PREFECTURE)


@needs_full
def test_the_sample_says_what_the_full_history_says(full: CountyHistory, sample: CountyHistory) -> None:
    columns = ["code", "name", "level", "start", "end"]
    assert len(sample.records.merge(full.records[columns], on=columns)) == len(sample.records)
