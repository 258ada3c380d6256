"""Figures as people write them, alone and in columns; units; questions about size."""

from __future__ import annotations

import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.codes import table
from evalkit.intake.numbers import (
    WITH_NUMBER,
    Flag,
    Number,
    figures_in,
    parse,
    parse_column,
    question_magnitude,
    question_share_scale,
)
from evalkit.intake.observations import IntakeError
from evalkit.intake.units import comparable, convert, find_unit
from evalkit.words import catalogue

FULL_WIDTH = str.maketrans("0123456789.-,+", "０１２３４５６７８９．－，＋")

# --- one figure


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("0", 0.0, None),
        ("2350", 2350.0, None),
        (" 2350.5 ", 2350.5, None),
        ("１２３", 123.0, None),
        ("1,234,567.8", 1234567.8, None),
        ("1，234", 1234.0, None),
        ("1'234", 1234.0, None),
        ("12 345", 12345.0, None),
        ("12\u00a0345", 12345.0, None),
        ("-3.5%", -3.5, "%"),
        ("－３．５％", -3.5, "%"),
        ("−3.5", -3.5, None),
        ("+8", 8.0, None),
        ("1.5e3", 1500.0, None),
        ("2350①", 2350.0, None),
        ("2350[1]", 2350.0, None),
        ("2350注1", 2350.0, None),
        ("2350(注1)", 2350.0, None),
        ("￥2,350.00", 2350.0, "元"),
        ("¥ 0.5", 0.5, "元"),
        ("2350\u200b", 2350.0, None),
        ("4.7亿元", 4.7, "亿元"),
        ("21.3万", 21.3, "万"),
        ("75平方米", 75.0, "㎡"),
        ("75m²", 75.0, "㎡"),
        ("75㎡", 75.0, "㎡"),
        ("25㎡/人", 25.0, "㎡/人"),
        ("6040元/人·年", 6040.0, "元/人·年"),
        ("4.16 万元/村", 4.16, "万元/村"),
        ("1.3万人次", 1.3, "万人次"),
        ("3口人", 3.0, "人"),
        ("29249名", 29249.0, "人"),
        ("3个百分点", 3.0, "百分点"),
        ("2‰", 2.0, "‰"),
        ("12千公顷", 12.0, "千公顷"),
        ("2014年", 2014.0, "年"),
        ("2350元", 2350.0, "元"),
    ],
)
def test_a_figure_is_read_as_it_is_meant(text: str, value: float, unit: str | None) -> None:
    assert parse(text) == Number(value, unit, Flag.OK)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        *((text, Flag.BLANK) for text in ("", " ", "　", "\u200b", "\t")),
        *(
            (text, Flag.DASH)
            for text in ("—", "——", "-", "–", "…", "……", "/", "...", ".", "无", "n/a", "NA", "N/A", "缺", "不 详", "NaN", "null")
        ),
        *(
            (text, Flag.MASKED)
            for text in ("17**", "1**元", "**.*%", "#", "***", "＊＊", "####", "2350*", "1*5", "1×元", "1XX元", "1x", "300月至**元")
        ),
        *((text, Flag.PLACEHOLDER) for text in ("X户X人", "XX", "××", "x", "Ｘ户Ｘ人", "XX元", "○○县")),
        *(
            (text, Flag.UNREADABLE)
            for text in ("1.234,5", "(123)", "（123）", "12,34", "1,2345", "1/10", "2016/8", "两千", "十", "5 18", "10-20", "3½")
        ),
        *(
            (text, Flag.UNREADABLE)
            for text in ("①", "10²", "#N/A", "#REF!", "#DIV/0!", "1e999", "inf", "abc", "元", "1..2", "--5", "2350元元", "5千伏")
        ),
    ],
)
def test_what_is_no_number_says_why(text: str, flag: Flag) -> None:
    number = parse(text)
    assert number.flag == flag and math.isnan(number.value)


@pytest.mark.parametrize(
    ("text", "value", "unit", "flag"),
    [
        ("70多", 70, None, Flag.LOWER_BOUND),
        ("70多条", 70, "条", Flag.LOWER_BOUND),
        ("95%以上", 95, "%", Flag.LOWER_BOUND),
        ("30余", 30, None, Flag.LOWER_BOUND),
        ("30余户", 30, "户", Flag.LOWER_BOUND),
        ("5.5万多人", 5.5, "万人", Flag.LOWER_BOUND),
        ("超过100万元", 100, "万元", Flag.LOWER_BOUND),
        ("≥5", 5, None, Flag.LOWER_BOUND),
        ("10%以内", 10, "%", Flag.UPPER_BOUND),
        ("不超过25", 25, None, Flag.UPPER_BOUND),
        ("不足10户", 10, "户", Flag.UPPER_BOUND),
        ("<5", 5, None, Flag.UPPER_BOUND),
        ("约200", 200, None, Flag.APPROXIMATE),
        ("近1万人", 1, "万人", Flag.APPROXIMATE),
        ("200元左右", 200, "元", Flag.APPROXIMATE),
        ("约70多户", 70, "户", Flag.LOWER_BOUND),
    ],
)
def test_a_bound_keeps_its_number(text: str, value: float, unit: str | None, flag: Flag) -> None:
    assert parse(text) == Number(value, unit, flag)


def test_a_unit_in_the_cell_is_converted_to_the_column() -> None:
    assert parse("4.7亿元", "元") == Number(470_000_000.0, "元")
    assert parse("2350元", "万元") == Number(0.235, "万元")
    assert parse("2350", "元") == Number(2350.0, "元")
    assert parse("6040元/人·年", "元") == Number(6040.0, "元")


def test_a_bare_multiplier_multiplies_the_base_unit_of_the_column() -> None:
    assert parse("21.3万", "人").value == 213_000 and parse("21.3万", "万人").value == 21.3


@pytest.mark.parametrize(
    ("text", "unit"),
    [("3个百分点", "%"), ("7.6%", "元"), ("1.3万人次", "人"), ("5元/月", "元"), ("25㎡/户", "㎡/人"), ("3万", "%")],
)
def test_a_figure_in_a_unit_the_column_cannot_hold_is_not_converted(text: str, unit: str) -> None:
    number = parse(text, unit)
    assert number.flag == Flag.OTHER_UNIT and math.isnan(number.value) and number.unit == parse(text).unit


def test_a_ratio_is_read_only_where_ratios_are_asked_for() -> None:
    assert parse("1/10", "比值") == Number(0.1, "比值")
    assert parse("1/10", "元").flag == parse("3½", "比值").flag == parse("1/0", "比值").flag == Flag.UNREADABLE


def test_a_share_written_as_a_fraction_stays_as_it_is() -> None:
    assert parse("0.076", "%") == Number(0.076, "%")


# --- laws

FLOATS = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).map(lambda value: round(value, 4) + 0.0)
UNITS = ["", "元", "万元", "亿元", "人", "万人", "户", "%", "百分点", "㎡", "公顷", "人次", "元/人·年"]


@given(FLOATS, st.sampled_from(UNITS), st.booleans(), st.booleans(), st.sampled_from([",", "，", " ", "'", ""]))
def test_a_number_survives_being_written(value: float, unit: str, full: bool, padded: bool, separator: str) -> None:
    text = f"{value:,.4f}".replace(",", separator) + unit
    text = text.translate(FULL_WIDTH) if full else text
    assert parse(f"　{text} " if padded else text) == Number(value, unit or None, Flag.OK)


@given(
    st.integers(0, 10**9),
    st.integers(0, 9),
    st.integers(1, 4),
    st.sampled_from("*＊#×Xx"),
    st.sampled_from(UNITS),
    st.sampled_from(["", "-", "约", "不超过", "近-"]),
)
def test_no_number_ever_comes_from_a_masked_text(whole: int, at: int, length: int, mask: str, unit: str, before: str) -> None:
    digits = str(whole)
    text = digits[:at] + mask * length + digits[at + length :] + unit
    cell, running = parse(text), figures_in(f"人均增收{before}{text}，增长")
    assert math.isnan(cell.value) and cell.flag in (Flag.MASKED, Flag.PLACEHOLDER)
    assert all(math.isnan(figure.value) for figure in running)


@pytest.mark.parametrize("text", ["-1**元", "约-1,2**元", "1.**%", "12 **元", "1,***万元"])
def test_a_sign_or_a_comma_before_a_mask_frees_no_digits(text: str) -> None:
    assert [figure.flag for figure in figures_in(f"人均{text}")] == [Flag.MASKED] and parse(text).flag == Flag.MASKED


ANYTHING = st.text(max_size=30)
LIKELY = st.text(alphabet="0123456789.,-+*#X×/%()（）①²½ 　万亿元人次户约近多余以上年月至—…无缺e\n", max_size=12)


@given(st.one_of(ANYTHING, LIKELY), st.sampled_from([None, "元", "%", "比值", "万人"]))
def test_no_text_breaks_the_parser(text: str, unit: str | None) -> None:
    number = parse(text, unit)
    assert math.isnan(number.value) == (number.flag not in WITH_NUMBER)
    for figure in figures_in(text):
        assert math.isnan(figure.value) == (figure.flag not in WITH_NUMBER)


CELLS = st.one_of(
    st.none(),
    LIKELY,
    FLOATS.map(str),
    st.integers(-(10**6), 10**6).map(lambda n: f"{n:,}"),
    st.sampled_from(["—", "17**", "70多", "2.5万", "3.5%"]),
)


@pytest.mark.parametrize("at_once", [False, True], ids=["few", "many"])
@given(
    cells=st.lists(CELLS, max_size=20),
    units=st.sampled_from([(None, None), ("元", "元"), ("万元", "元"), ("元", "万元"), ("%", "%")]),
)
@settings(max_examples=60, deadline=None)
def test_a_column_reads_every_cell_as_the_cell_alone(
    at_once: bool, cells: list[str | None], units: tuple[str | None, str | None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evalkit.intake.numbers.MANY", 1 if at_once else 10**9)
        parsed = parse_column(pd.Series(cells, dtype="str"), *units)
    for cell, value, flag in zip(cells, parsed.values, parsed.flags, strict=True):
        alone = Number(math.nan, None, Flag.BLANK) if cell is None else parse(cell, units[0])
        expected = alone.value if units[0] is None else convert(alone.value, units[0], units[1] or units[0])
        assert flag == alone.flag, cell
        assert (math.isnan(value) and math.isnan(expected)) or value == expected, cell


def test_digits_after_a_blank_or_a_comma_are_no_end_of_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.intake.numbers.MANY", 1)
    parsed = parse_column(pd.Series(["12 345", "5 18", "1 234.5元", "2.345,6", "7元1", "12, 5"]), "元")
    np.testing.assert_array_equal(parsed.values, [12_345.0, np.nan, 1234.5, np.nan, np.nan, np.nan])


@given(st.permutations(["2350", "—", "17**", "1.2万", "70多", "", "0"]))
def test_the_order_of_cells_does_not_matter(cells: list[str]) -> None:
    parsed = parse_column(pd.Series(cells), "元")
    by_cell = dict(zip(cells, parsed.flags.tolist(), strict=True))
    assert by_cell == {"2350": 0, "—": 2, "17**": 3, "1.2万": 0, "70多": 5, "": 1, "0": 0}


@pytest.mark.parametrize(
    "text", ["1" * 5000 + "*" * 5000, "12." * 4000, "*1" * 4000, "1," * 4000, "x" * 5000 + "1", "1 " * 4000, "1万" * 3000]
)
def test_no_text_is_slow_to_read(text: str) -> None:
    """Careless patterns took minutes; the bound is wide because the machine may be busy."""
    start = time.process_time()
    parse(text), figures_in(text)
    assert time.process_time() - start < 1


# --- columns


def test_blank_is_not_zero_and_zero_is() -> None:
    parsed = parse_column(pd.Series(["0", "", None, "0.0"], dtype="str"), "元")
    np.testing.assert_array_equal(parsed.values, [0.0, np.nan, np.nan, 0.0])
    assert parsed.counts() == {Flag.OK: 2, Flag.BLANK: 2}


def test_numbers_pass_through() -> None:
    for values in (
        pd.Series([1.5, np.nan, 3.0]),
        pd.Series([1.5, None, 3.0], dtype=object),
        pd.Series([1.5, None, 3.0], dtype="Float64"),
    ):
        parsed = parse_column(values)
        np.testing.assert_array_equal(parsed.values, [1.5, np.nan, 3.0])
        assert parsed.flags.tolist() == [Flag.OK, Flag.BLANK, Flag.OK]
    assert parse_column(pd.Series([1, 2]), "万元", "元").values.tolist() == [10_000.0, 20_000.0]


def test_an_infinite_number_is_unreadable() -> None:
    parsed = parse_column(pd.Series([1.0, np.inf]))
    assert parsed.flags.tolist() == [Flag.OK, Flag.UNREADABLE] and np.isnan(parsed.values[1])


def test_mixed_objects_are_read_cell_by_cell() -> None:
    parsed = parse_column(pd.Series([2350, "1.2万", None, "17**", 0.1], dtype=object), "元")
    np.testing.assert_array_equal(parsed.values, [2350.0, 12_000.0, np.nan, np.nan, 0.1])


@pytest.mark.parametrize(
    "values", [pd.Series(["-8", "5", "-8.0", "拒答"]), pd.Series([-8.0, 5.0, -8.0, np.nan])], ids=["text", "numbers"]
)
def test_a_declared_code_is_missing_and_an_undeclared_one_is_a_number(values: pd.Series) -> None:
    declared = parse_column(values, "万元", "元", missing_codes=(-8, "拒答"))
    assert declared.flags[[0, 2]].tolist() == [Flag.MISSING_CODE] * 2 and np.isnan(declared.values[[0, 2]]).all()
    assert declared.values[1] == 50_000.0
    assert parse_column(values).values[0] == -8.0


def test_a_declared_word_is_missing() -> None:
    assert parse_column(pd.Series(["拒答", "5"]), missing_codes=("拒答",)).flags.tolist() == [Flag.MISSING_CODE, Flag.OK]


def test_places_name_line_column_and_cell() -> None:
    parsed = parse_column(pd.Series(["1", "17**", "—", "1**"]), "元", column="人均纯收入", lines=[4, 5, 6, 9])
    assert [(place.line, place.column, place.value) for place in parsed.places(Flag.MASKED)] == [
        (5, "人均纯收入", "17**"),
        (9, "人均纯收入", "1**"),
    ]
    assert parsed.where(Flag.MASKED, Flag.DASH).tolist() == [1, 2, 3] and parsed.places(Flag.UNREADABLE) == []


def test_columns_of_different_quantities_are_refused_in_both_languages() -> None:
    with pytest.raises(IntakeError, match=r"Values in 万元 cannot be said in 人") as refused:
        parse_column(pd.Series(["1"]), "万元", "人", column="人口")
    assert refused.value.problems[0].code == "UNIT_MISMATCH" and "不能换算" in refused.value.say("zh")


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(IntakeError, match='"元宝" is not a unit'):
        parse_column(pd.Series(["1"]), "元宝")
    with pytest.raises(IntakeError):
        parse("1", "元宝")


@pytest.mark.parametrize("written", ["{:.2f}", "{:,.2f}", "{:.2f}元", " {:.2f} "])
def test_a_hundred_thousand_cells_are_read_together(written: str) -> None:
    """Cell by cell this takes seconds; the bound is wide because the machine may be busy."""
    cells = pd.Series([written.format(2000 + number / 7) for number in range(100_000)])
    start = time.process_time()
    parsed = parse_column(cells, "元", "元")
    assert time.process_time() - start < 0.6
    assert parsed.counts() == {Flag.OK: 100_000}
    assert parsed.values[700] == 2100.0


# --- units


def test_units_convert_by_hand() -> None:
    assert convert(4.7, "亿元", "元") == 470_000_000
    assert convert(2.5, "万人", "人") == 25_000
    assert convert(15.0, "亩", "公顷") == pytest.approx(1.0, rel=1e-15)  # 1/15 hectare is no exact double
    assert convert(2, "公里", "华里") == 4 and convert(1, "吨", "公斤") == 1000 and convert(3, "公斤", "斤") == 6
    assert convert(7.6, "%", "‰") == pytest.approx(76, rel=1e-15)
    np.testing.assert_array_equal(convert(np.array([1.0, np.nan]), "万户", "户"), [10_000, np.nan])


@pytest.mark.parametrize(
    ("one", "other"),
    [("人次", "人"), ("百分点", "%"), ("元", "人"), ("元/月", "元/年"), ("元/人", "元/户"), ("户次", "户"), ("%", "倍")],
)
def test_different_things_do_not_convert(one: str, other: str) -> None:
    for source, target in ((one, other), (other, one)):
        with pytest.raises(IntakeError) as refused:
            convert(1.0, source, target, column="收入")
        assert refused.value.problems[0].code == "UNIT_MISMATCH" and refused.value.problems[0].places[0].column == "收入"


NAMES = [row.unit for row in table("units").itertuples() if row.quantity != "multiplier"]
PAIRS = [(a, b) for a in [*NAMES, "万元", "亿元", "千公顷"] for b in NAMES if comparable(find_unit(a), find_unit(b))]


@given(st.sampled_from(PAIRS), st.floats(min_value=1e-6, max_value=1e12))
def test_converting_back_gives_the_value_again(pair: tuple[str, str], value: float) -> None:
    there = convert(value, *pair)
    assert convert(there, pair[1], pair[0]) == pytest.approx(value, rel=4e-16 * 2)  # two roundings of a double


def test_every_unit_is_complete_and_no_spelling_stands_twice() -> None:
    units = table("units")
    assert (units[["unit", "quantity", "factor", "zh", "en", "source"]] != "").all(axis=None)
    spellings = [s for row in units.itertuples() for s in {row.unit, *filter(None, row.aliases.split("|"))}]
    assert len(spellings) == len(set(spellings))
    assert all(find_unit(spelling) is not None for spelling in spellings)


# --- sentences


def units_of(text: str) -> list[tuple[float, str | None]]:
    return [(figure.value, figure.unit) for figure in figures_in(text)]


def test_a_dash_between_figures_is_no_minus() -> None:
    assert units_of("2013-2017年") == [(2013.0, None), (2017.0, "年")]
    assert units_of("10元-20元") == [(10.0, "元"), (20.0, "元")]
    assert units_of("增长-3%") == [(-3.0, "%")]


def test_commas_between_figures_do_not_join_them_unless_they_group_thousands() -> None:
    assert units_of("22类,580个") == [(22.0, "类"), (580.0, "个")]
    assert units_of("6378,58") == [(6378.0, None), (58.0, None)] and units_of("共1,607个") == [(1607.0, "个")]


def test_a_date_is_no_ratio() -> None:
    assert units_of("占农村人口的1/10") == [(0.1, None)]
    for date in ("2016/5/8", "7/8日", "1/2/2016", "3/5月"):
        assert all(value == int(value) for value, _ in units_of(date)), date


def test_a_multiplier_before_people_counts_people() -> None:
    assert units_of("7.17万农村人口") == [(7.17, "万人")] and units_of("投入21.3万解决贫困人口饮水") == [(21.3, "万")]


def test_one_hidden_end_hides_a_range() -> None:
    for text in ("300月至**元", "**至300元", "300元~1**元"):
        assert [figure.flag for figure in figures_in(text)] == [Flag.MASKED], text


def test_a_hidden_name_is_no_figure() -> None:
    assert figures_in("今年7月,**的伍家台") == [Number(7.0, "月")]


# --- questions


def test_incomes_read_in_the_wrong_unit_are_asked_about_and_left_alone() -> None:
    values = np.array([0.235, 0.604, np.nan, 0.55])
    kept = values.copy()
    question = question_magnitude(values, 300, 60_000, "元", "人均纯收入", [4, 5, 6, 7])
    assert question is not None and question.code == "IMPLAUSIBLE_MAGNITUDE_UNIT" and question.count == 3
    assert (question.facts["said"], question.facts["likely"]) == ("元", "万元") and question.places[0].line == 4
    np.testing.assert_array_equal(values, kept)
    assert "may be 万元 rather than 元" in question.say(catalogue("en")) and "请核实单位" in question.say(catalogue("zh"))


@pytest.mark.parametrize(
    ("values", "unit", "said", "likely"),
    [
        ([2.35e7, 6e7], "元", "万元", "元"),
        ([12.3, 20.0], "万元", "万元", "亿元"),
        ([1.2e9, 2e9], "万元", "万元", "元"),
        ([0.24, 0.6], "元/人", "元/人", "万元/人"),
    ],
)
def test_the_unit_that_was_meant_is_named(values: list[float], unit: str, said: str, likely: str) -> None:
    low, high = (300, 60_000) if unit.startswith("元") else (20_000, 500_000)
    question = question_magnitude(np.array(values), low, high, unit)
    assert question is not None and (question.facts["said"], question.facts["likely"]) == (said, likely)


def test_single_strange_values_do_not_put_the_unit_in_doubt() -> None:
    question = question_magnitude(np.array([2350.0, 6040.0, 5.0]), 300, 60_000, "元")
    assert question is not None and question.code == "IMPLAUSIBLE_MAGNITUDE" and question.count == 1
    assert "300 to 60,000 元" in question.say(catalogue("en")) and "300至60,000元" in question.say(catalogue("zh"))


def test_a_median_within_its_range_speaks_for_the_unit() -> None:
    question = question_magnitude(np.array([50.0, 60.0, 2e7]), 1, 1_000_000, "元")
    assert question is not None and question.code == "IMPLAUSIBLE_MAGNITUDE"


def test_plausible_values_raise_no_question() -> None:
    assert question_magnitude(np.array([300.0, 60_000.0, np.nan]), 300, 60_000, "元") is None
    assert question_magnitude(np.array([np.nan]), 300, 60_000, "元") is None
    assert question_magnitude(np.array([1e12, -5.0]), None, None, "元") is None
    open_end = question_magnitude(np.array([-1.0]), 0, None, "人")
    assert open_end is not None and open_end.facts["high"] == "∞"


def test_shares_between_zero_and_one_are_asked_about() -> None:
    question = question_share_scale(np.array([0.076, 0.0, np.nan]), "%", "贫困发生率", [3, 4, 5])
    assert question is not None and question.code == "SHARE_SCALE" and question.count == 2
    assert all("0.076" in question.say(catalogue(lang)) for lang in ("zh", "en"))


@pytest.mark.parametrize(
    ("values", "unit"), [([0.5, 7.6], "%"), ([0.0, 0.0], "%"), ([-0.5, 0.5], "%"), ([0.5], "元"), ([0.5], None), ([], "%")]
)
def test_other_shares_are_not_asked_about(values: list[float], unit: str | None) -> None:
    assert question_share_scale(np.array(values, dtype=float), unit) is None


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_flag_that_is_told_has_words(lang: str) -> None:
    words = [catalogue(lang).say(f"flag.{flag.name}") for flag in Flag if flag not in (Flag.OK, Flag.BLANK)]
    assert len(set(words)) == len(words)
