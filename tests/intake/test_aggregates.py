"""Totals leave a table, units stay, and a name that nobody knows is a unit."""

from __future__ import annotations

import pandas as pd
import pytest
from recorded import SHARED

from evalkit.intake.aggregates import aggregate_rows, compact
from evalkit.words import catalogue

HISTORY = SHARED / "real" / "admin_codes_history_1981_2024.csv"


def reason(name: str, level: str = "county", code: str | None = None, **choices: object) -> str:
    codes = None if code is None else pd.Series([code])
    return str(aggregate_rows(pd.Series([name]), codes, level, **choices)[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("合计", "total"),
        ("合  计", "total"),
        ("总　计", "total"),
        ("全县合计", "total"),
        ("定西市合计", "total"),
        ("全省", "total"),
        ("汇总", "total"),
        ("一、合计", "total"),
        ("合计（不含市辖区）", "total"),
        ("小计", "subtotal"),
        ("定西市小计", "subtotal"),
        ("平均", "average"),
        ("全省平均水平", "average"),
        ("全县平均", "average"),
        ("其中：贫困县", "of_which"),
        ("其 中:", "of_which"),
        ("＃其中：国家级", "of_which"),
        ("其中贫困县", "of_which"),
        ("Total", "total"),
        ("甘肃省", "province"),
        ("内蒙古自治区", "province"),
        ("大兴安岭地区", "prefecture"),
        ("临夏回族自治州", "prefecture"),
    ],
)
def test_rows_that_sum_up_others_are_known_by_their_names(name: str, expected: str) -> None:
    assert reason(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "漳县",
        "射洪市",
        "全州县",
        "全州",
        "全椒县",
        "平均县乡",
        "市辖区",
        "合川区",
        "总部基地",
        "地区",
        "东乡族自治县",
        "",
        "㵲水县",
    ],
)
def test_a_county_and_a_name_nobody_knows_are_units(name: str) -> None:
    assert reason(name) == ""


@pytest.mark.parametrize("name", ["合家欢", "李平均", "张其中", "其中村一组", "王合计"])
def test_a_household_is_not_taken_for_a_total_by_part_of_its_name(name: str) -> None:
    assert reason(name, "household") == ""


def test_a_total_row_of_a_household_table_is_a_total() -> None:
    assert reason("合计", "household") == "total"


@pytest.mark.parametrize(
    ("code", "level", "expected"),
    [
        ("620000", "county", "province"),
        ("621100", "county", "prefecture"),
        ("621125", "county", ""),
        ("621100000000", "county", "prefecture"),
        ("621125000000", "county", ""),
        ("620000", "prefecture", "province"),
        ("621100", "prefecture", ""),
        ("621100", "household", ""),
        ("441900", "county", ""),  # Dongguan has no counties: its row is a unit
        ("", "county", ""),
        ("100", "county", ""),
    ],
)
def test_codes_tell_provinces_and_prefectures(code: str, level: str, expected: str) -> None:
    assert aggregate_rows(None, pd.Series([code]), level).tolist() == [expected]


def test_codes_that_are_numbers_count_too() -> None:
    assert aggregate_rows(None, pd.Series([620000.0, 621125.0, None]), "county").tolist() == ["province", "", ""]


def test_a_county_level_city_has_a_prefectures_name_and_its_own_code() -> None:
    names, codes = pd.Series(["射洪市", "遂宁市", "定西市"]), pd.Series(["510981", "510900", None])
    assert aggregate_rows(names, codes, "county", {"遂宁市", "定西市"}).tolist() == ["", "prefecture", "prefecture"]
    assert aggregate_rows(names, codes, "county").tolist() == ["", "prefecture", ""]


def test_a_municipality_that_is_known_is_a_province() -> None:
    assert reason("重庆市", known_names={"重庆市"}) == "province"
    assert reason("重庆市") == ""


def test_a_name_that_is_known_does_not_overrule_a_county_code() -> None:
    assert reason("吉林市", code="220281", known_names={"吉林市"}) == ""


def test_districts_together_leave_only_beside_their_districts() -> None:
    names = pd.Series(["市辖区", "利州区", "市辖区"])
    assert aggregate_rows(names, pd.Series(["510801", "510802", "620201"]), "county").tolist() == ["subtotal", "", ""]


def test_missing_names_and_codes_are_units_and_the_order_does_not_matter() -> None:
    names = pd.Series(["合计", None, "漳县", "小计", None], dtype="str")
    codes = pd.Series([None, "620000", "621125", None, None], dtype="str")
    found = aggregate_rows(names, codes, "county")
    assert found.tolist() == ["total", "province", "", "subtotal", ""]
    assert aggregate_rows(names[::-1], codes[::-1], "county").tolist() == found.tolist()[::-1]


def test_nothing_comes_from_nothing() -> None:
    assert aggregate_rows(pd.Series([], dtype="str"), None, "county").tolist() == []
    with pytest.raises(ValueError, match="names or codes"):
        aggregate_rows(None, None, "county")


def test_every_reason_has_words() -> None:
    for lang in ("en", "zh"):
        for code in ("total", "subtotal", "of_which", "average", "province", "prefecture"):
            assert catalogue(lang).has(f"left.{code}")


def test_spaces_of_any_kind_go() -> None:
    assert compact(" 合　 计\u00a0") == "合计"


@pytest.mark.skipif(not HISTORY.exists(), reason="the history of county codes is not there: set EVALKIT_REFERENCE")
def test_no_county_since_1981_is_taken_for_a_total_and_every_prefecture_is_told_by_its_code() -> None:
    history = pd.read_csv(HISTORY, dtype=str)
    counties = history[history["level"] == "县级"].drop_duplicates(["code", "name"])
    named = counties[~counties["name"].isin(["市辖区"])]
    assert set(aggregate_rows(named["name"], None, "county")) == {""}
    assert set(aggregate_rows(named["name"], named["code"], "county")) == {""}
    provinces = history[history["level"] == "省级"]
    assert set(aggregate_rows(None, provinces["code"], "county")) == {"province"}


@pytest.mark.parametrize("level", ["county", "village", "household"])
def test_totals_are_found_among_numbers_of_any_number(level: str) -> None:
    names = pd.Series(["H0001", "510811", "合计", None, "1. 合计", "V-2", "Total"])
    assert aggregate_rows(names, None, level).tolist() == ["", "", "total", "", "total", "", "total"]
