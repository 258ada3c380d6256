"""Headings as they are written, the units in them, and the columns they mean."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import SHARED

from evalkit.codes import table
from evalkit.intake.dictionary import Ambiguous, ColumnDictionary, Match, ambiguous_heading
from evalkit.intake.headers import heading_unit, normalise, split_unit
from evalkit.intake.observations import IntakeError
from evalkit.intake.units import comparable, find_unit
from evalkit.words import catalogue

NAMES = SHARED / "real" / "admin_codes_history_1981_2024.csv"
PINYIN = SHARED / "seeds" / "002_c020cc2c2e80e190.txt"
DOCUMENTED = SHARED / "facts" / "column_synonyms.csv"


def needs(file: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not file.exists(), reason=f"{file.name} is not there: set EVALKIT_REFERENCE to the folder that holds it"
    )


@pytest.fixture(scope="module")
def columns() -> ColumnDictionary:
    return ColumnDictionary.shipped()


# --- plain headings


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("漳　县", "漳县"),
        ("陇  县", "陇县"),
        ("國(guó)家", "国家"),
        ("發（fā）展", "发展"),
        ("县(市、区)", "县(市、区)"),
        ("县（市、区）", "县(市、区)"),
        ("人均纯收入(元)", "人均纯收入(元)"),
        ("人均纯收入(yuan)", "人均纯收入(yuan)"),
        ("人均纯收入①", "人均纯收入"),
        ("人均纯收入(元)*", "人均纯收入(元)"),
        ("人均纯收入#", "人均纯收入"),
        ("人均纯收入[1]", "人均纯收入"),
        ("人均纯收入(1)", "人均纯收入"),
        ("人均纯收入注1", "人均纯收入"),
        ("人均纯收入¹", "人均纯收入"),
        ("人均纯收入(2013)", "人均纯收入(2013)"),
        ("住房面积（m²）", "住房面积(m2)"),
        ("农村居民\n人均纯收入\r\n（元）", "农村居民人均纯收入(元)"),
        ("２０１３ 年", "2013年"),
        ("ＧＤＰ", "GDP"),
        ("人均\u200b纯收入\ufeff", "人均纯收入"),
        ("農村居民人均純收入（元）", "农村居民人均纯收入(元)"),
        ("貸款餘額", "贷款余额"),
        ("income per capita", "income per capita"),
        ("**", "**"),
        ("", ""),
    ],
)
def test_a_heading_is_brought_to_plain_words(written: str, plain: str) -> None:
    assert normalise(written) == plain


@pytest.mark.parametrize(
    "name", ["乾县", "乾安县", "瞭望乡", "著名村", "于都县", "后溪镇", "㵲阳镇", "郁南县", "台江县", "㵲水乾县"]
)
def test_a_name_in_simplified_characters_stays(name: str) -> None:
    assert normalise(name) == name


def test_a_traditional_text_is_converted_by_words() -> None:
    assert normalise("乾縣") == "乾县" and normalise("乾淨") == "干净"


@needs(NAMES)
def test_no_county_name_since_1981_is_changed() -> None:
    with NAMES.open(encoding="utf-8-sig", newline="") as file:
        names = {row[key] for row in csv.DictReader(file) for key in ("name", "pref", "prov") if row[key]}
    assert len(names) > 4000
    assert [name for name in sorted(names) if normalise(name) != name] == []


@needs(PINYIN)
def test_all_pinyin_of_a_real_page_goes_and_nothing_else_in_brackets() -> None:
    page = PINYIN.read_text(encoding="utf-8")
    toned = re.compile(r"\([^()]*[āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ][^()]*\)")
    assert len(toned.findall(page)) == 442
    plain = "\n".join(map(normalise, page.splitlines()))
    assert toned.findall(plain) == [] and re.findall(r"\([^()]*\)", plain) == ["(镇)"]
    assert plain.startswith("党建中") and "漳县历来是国家扶贫开发工作重点县" in plain


@given(st.one_of(st.text(max_size=20), st.text(alphabet="國乾縣县(guó)（）元①*#[1]注 　/|²m２0", max_size=15)))
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    stem, unit = split_unit(text)
    assert unit is None or heading_unit(unit) == unit
    assert normalise(stem) == stem


# --- units in headings


@pytest.mark.parametrize(
    ("heading", "stem", "unit"),
    [
        ("农村居民人均纯收入(元)", "农村居民人均纯收入", "元"),
        ("地区生产总值（万元）", "地区生产总值", "万元"),
        ("收入/元", "收入", "元"),
        ("人口：万人", "人口", "万人"),
        ("收入-万元", "收入", "万元"),
        ("收入，万元", "收入", "万元"),
        ("人均纯收入|元", "人均纯收入", "元"),
        ("贫困发生率％", "贫困发生率", "%"),
        ("收入(元/人·年)", "收入", "元/人·年"),
        ("收入(元/(人·年))", "收入", "元/人·年"),
        ("收入（单位：元）", "收入", "元"),
        ("2013年人均纯收入(元)", "2013年人均纯收入", "元"),
        ("人均纯收入(元)2013年", "人均纯收入2013年", "元"),
        ("住房面积(㎡)", "住房面积", "㎡"),
        ("GDP (10,000 yuan)", "GDP", "万元"),
        ("县(市)", "县(市)", None),
        ("县（市、区）", "县(市、区)", None),
        ("市(地、州、盟)", "市(地、州、盟)", None),
        ("乡(镇)", "乡(镇)", None),
        ("人均纯收入", "人均纯收入", None),
        ("income_pc", "income_pc", None),
        ("万元", "万元", None),
        ("(元)", "(元)", None),
    ],
)
def test_a_unit_in_a_heading_is_told_from_the_words(heading: str, stem: str, unit: str | None) -> None:
    assert split_unit(heading) == (stem, unit)


def test_villages_in_thousands_are_no_unit_of_a_heading_either() -> None:
    assert heading_unit("千村") is heading_unit("村") is heading_unit("千") is None and heading_unit("千公顷") == "千公顷"


# --- what a heading means


@pytest.mark.parametrize("written", ["{}", "{}（元）", " {}　", "{}①", "{}/元"])
def test_every_word_of_the_table_is_found_however_it_is_written(columns: ColumnDictionary, written: str) -> None:
    words = table("column_synonyms")
    for word, meant in words.groupby("synonym")["canonical"].apply(set).items():
        found = columns.find(written.format(word))
        known = {found.canonical} if isinstance(found, Match) else set(found.canonicals) if isinstance(found, Ambiguous) else set()
        assert known == meant, word


@needs(DOCUMENTED)
def test_every_documented_synonym_means_its_column(columns: ColumnDictionary) -> None:
    """A17 and A19 stand in one form, so net income has a column of its own; the pattern treat_<k> has one name for all k."""
    own = {"A19": "income_net", "家庭纯收入": "income_net"}
    with DOCUMENTED.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            canonical = row["canonical"].replace("_<k>", "")
            for word in row["synonyms"].split("|"):
                found = columns.find(word)
                means = found.canonicals if isinstance(found, Ambiguous) else (found.canonical,) if found else ()
                assert own.get(word, canonical) in means, word
                assert (len(means) == 1) == (word != "纳入年份"), word


def test_canonical_names_mean_themselves(columns: ColumnDictionary) -> None:
    for name in columns.columns:
        assert columns.find(name) == columns.find(name.upper()) == columns.find(name.replace("_", " ")) == Match(name), name


def test_the_words_say_which_income_is_meant(columns: ColumnDictionary) -> None:
    assert columns.find("农民人均纯收入（元）") == Match("income_pc", "元", "net")
    assert columns.find("农村居民人均可支配收入（元）") == Match("income_pc", "元", "disposable")
    assert columns.find("income") == Match("income_pc", None, None)
    for row in table("column_synonyms").itertuples():
        if row.canonical.startswith("income") and ("可支配" in row.synonym or "纯收入" in row.synonym):
            assert row.income_def == ("disposable" if "可支配" in row.synonym else "net"), row.synonym


def test_the_only_ambiguous_word_is_known_and_nothing_is_chosen(columns: ColumnDictionary) -> None:
    words = table("column_synonyms")["synonym"]
    assert list(words[words.map(normalise).str.casefold().duplicated()]) == ["纳入年份"]
    found = columns.find("纳入年份")
    assert found == Ambiguous("纳入年份", ("identified_year", "treat_start"))
    problem = ambiguous_heading(found)
    assert problem.code == "AMBIGUOUS_HEADING" and problem.places[0].column == "纳入年份"
    for lang in ("zh", "en"):
        assert all(name in problem.say(catalogue(lang)) for name in ("identified_year", "treat_start", "columns:"))


def test_rows_of_a_heading_are_read_together(columns: ColumnDictionary) -> None:
    assert columns.find("收入情况|工资性收入(元)") == Match("income_wage", "元")
    assert columns.find("农村居民|人均纯收入|元") == Match("income_pc", "元", "net")
    assert columns.find("人均纯收入|人均纯收入") == Match("income_pc", None, "net")


def test_a_group_that_says_something_is_not_passed_over(columns: ColumnDictionary) -> None:
    """人均纯收入 alone means rural income; under 城镇居民 it is something else, and nobody said what."""
    assert columns.find("城镇居民|人均纯收入") is None


@pytest.mark.parametrize("heading", ["", "甲", "2013年人均纯收入(元)", "(元)", "元", "|", "||", "**", "人均纯收入|2013年"])
def test_unknown_headings_are_unknown(columns: ColumnDictionary, heading: str) -> None:
    assert columns.find(heading) is None
    assert len(columns.nearest(heading)) <= 3


@pytest.mark.parametrize(
    ("heading", "first"),
    [
        ("人均收纯入", "人均纯收入 (income_pc)"),
        ("农民人均收入", "农民人均纯收入 (income_pc)"),
        ("2013年人均纯收入(元)", "人均纯收入 (income_pc)"),
        ("户籍人囗", "户籍人口 (pop_registered)"),
        ("incom_pc", "income_pc (income_pc)"),
        ("纳入年", "纳入年份 (identified_year / treat_start)"),
    ],
)
def test_the_nearest_word_is_named_with_its_column(columns: ColumnDictionary, heading: str, first: str) -> None:
    near = columns.nearest(heading)
    assert near[0] == first and len(near) == 3 and len({word.split("(")[-1] for word in near}) == 3


def test_unknown_headings_are_told_with_three_near_words_each(columns: ColumnDictionary) -> None:
    problem = columns.unknown_headings(["人均收入水平", "户籍人囗"])
    assert problem.code == "UNKNOWN_HEADING" and problem.count == 2
    for lang in ("zh", "en"):
        said = problem.say(catalogue(lang))
        assert "户籍人囗 → 户籍人口 (pop_registered)" in said and "ignore:" in said and "columns:" in said
        assert all(word in said for word in columns.nearest("人均收入水平"))


# --- what is known of a column


def test_a_column_says_its_kind_unit_label_range_and_whom_it_names(columns: ColumnDictionary) -> None:
    assert columns.kind("income_pc") == "money_per_head" and columns.unit("income_pc") == "元"
    assert columns.range("income_pc") == (300.0, 60_000.0) and columns.range("gdp") == (None, None)
    assert columns.label("county_name", "zh") == "县（市、区）" and columns.label("county_name", "en") == "county"
    assert columns.unit("county_name") is None and columns.personal("income_pc") is None
    said = {"姓名": "name", "户主姓名": "name", "身份证号码": "id", "联系电话": "phone", "银行账号": "account"}
    for heading, what in said.items():
        found = columns.find(heading)
        assert isinstance(found, Match) and columns.personal(found.canonical) == what


def test_an_unknown_column_names_the_nearest(columns: ColumnDictionary) -> None:
    with pytest.raises(IntakeError, match="incom_pc → income_pc"):
        columns.unit("incom_pc")


QUANTITY = {
    "money": "money",
    "money_per_head": "money",
    "persons": "persons",
    "area": "area",
    "share": "share",
    "tonnes": "mass",
    "count": "count",
    "year": "year",
}


def test_every_column_is_complete_and_its_unit_fits_its_kind(columns: ColumnDictionary) -> None:
    for column in columns.columns.values():
        assert column.zh and column.en and column.level in {"county", "village", "household", "interview", "any"}
        assert column.personal in {None, "name", "id", "phone", "account"}
        unit = find_unit(column.unit) if column.unit else None
        assert (unit.quantity if unit else None) == QUANTITY.get(column.kind), column.canonical
        assert column.low is None or column.high is None or column.low < column.high
    for row in table("column_synonyms").itertuples():
        assert row.income_def in ("", "net", "disposable")
        unit = columns.unit(row.canonical)
        assert not row.unit or (unit and comparable(find_unit(row.unit), find_unit(unit)))


# --- words of one's own


def test_words_of_ones_own_win(tmp_path: Path) -> None:
    own = tmp_path / "words.csv"
    own.write_text(
        "synonym,canonical,income_def,unit\n年收入水平（元）,income_pc,net,元\n纳入年份,identified_year,,\n", encoding="utf-8"
    )
    columns = ColumnDictionary.shipped(own)
    assert columns.find("年收入水平(元)") == Match("income_pc", "元", "net")
    assert columns.find("纳入年份") == Match("identified_year")
    assert columns.find("人均纯收入") == Match("income_pc", None, "net")


def test_two_columns_are_enough_for_words_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "words.csv"
    own.write_text("\ufeffsynonym,canonical\n甲,gdp\n乙,gdp\n乙,grain\n", encoding="utf-8")
    columns = ColumnDictionary.shipped(own)
    assert columns.find("甲") == Match("gdp") and columns.find("乙") == Ambiguous("乙", ("gdp", "grain"))


def test_wrong_words_of_ones_own_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "words.csv"
    own.write_text("synonym,canonical\n甲,incom_pc\n", encoding="utf-8")
    with pytest.raises(IntakeError, match="incom_pc → income_pc"):
        ColumnDictionary.shipped(own)
    own.write_text("word,column\n甲,gdp\n", encoding="utf-8")
    with pytest.raises(IntakeError, match=r"words\.csv lacks the following: synonym, canonical") as refused:
        ColumnDictionary.shipped(own)
    assert "缺少synonym, canonical列" in refused.value.say("zh")
