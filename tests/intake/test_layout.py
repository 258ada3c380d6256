"""Where title, unit, header and data stand is found by their looks, and asked for when it is not clear."""

from __future__ import annotations

import pytest

from evalkit.intake.body import is_note
from evalkit.intake.layout import Layout, find_layout, is_units_row, unit_said
from evalkit.intake.observations import IntakeError, Problem


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.strip("\n").split("\n")]


def refusal(text: str, **choices: object) -> Problem:
    with pytest.raises(IntakeError) as caught:
        find_layout(rows(text), **choices)  # type: ignore[arg-type]
    return caught.value.problems[0]


PLAIN = "县代码,县名,年份,收入\n622428,漳县,2013,2350.5\n622428,漳县,2014,2600"


def test_a_plain_table_begins_with_its_header() -> None:
    layout = find_layout(rows(PLAIN))
    assert layout.headings == ("县代码", "县名", "年份", "收入")
    assert (layout.header_lines, layout.first_data_line, layout.left) == ((1,), 2, {"header": (1,)})


@pytest.mark.parametrize(
    ("above", "title", "unit", "lines"),
    [
        ("表3-5 各县收入（2013—2020年）,,,\n", "表3-5 各县收入（2013—2020年）", None, 1),
        ("表3-5 各县收入\n\n,,,单位：元\n", "表3-5 各县收入", "元", 3),
        ("计量单位:万元,,,\n", "", "万元", 1),
        ("各县收入情况,,,\n单位：元、人,,,\n", "各县收入情况", "元、人", 2),
        ("各县收入  单位：元,,,\n", "", "元", 1),
        ("各县收入（单位：元）,,,\n", "", "元", 1),
        ("2013年,,,单 位：元\n", "2013年", "元", 1),
        ("填报单位：漳县统计局,,,填报日期：2014年\n", "填报单位：漳县统计局 填报日期：2014年", None, 1),
        ("表3-5,各县收入,,\n", "表3-5 各县收入", None, 1),
        (",,各县收入,\n", "各县收入", None, 1),
    ],
)
def test_what_stands_above_the_header_is_not_data(above: str, title: str, unit: str | None, lines: int) -> None:
    layout = find_layout(rows(above + PLAIN))
    assert layout.headings == ("县代码", "县名", "年份", "收入")
    assert layout.first_data_line == lines + 2
    assert layout.title == title or (not title and unit and layout.title in {"", "各县收入  单位：元"})
    assert set(layout.units) == {unit}


@pytest.mark.parametrize(
    ("header", "headings"),
    [
        ("县名,收入,,人口\n,工资性,经营性,", ("县名", "收入|工资性", "收入|经营性", "人口")),
        (
            "县名,收入,,,支出,\n,合计,工资性,经营性,合计,食品",
            ("县名", "收入|合计", "收入|工资性", "收入|经营性", "支出|合计", "支出|食品"),
        ),
        ("县名,人均纯收入,,\n,2013,2014,2015", ("县名", "人均纯收入|2013", "人均纯收入|2014", "人均纯收入|2015")),
        (",人均纯收入,,\n县名,2013,2014,2015", ("县名", "人均纯收入|2013", "人均纯收入|2014", "人均纯收入|2015")),
        ("县名,2013,,2014,\n,收入,人口,收入,人口", ("县名", "2013|收入", "2013|人口", "2014|收入", "2014|人口")),
        ("县名,2013年,2014年", ("县名", "2013年", "2014年")),
        (",2013,2014", ("", "2013", "2014")),
        ("县名,收入,人口\n甲,1,2", ("县名", "收入", "人口")),
        ("县名,收入,收入\n,工资性,经营性", ("县名", "收入|工资性", "收入|经营性")),
        ("县名,收入,,\n,纯收入,,总收入\n,工资性,经营性,", ("县名", "收入|纯收入|工资性", "收入|纯收入|经营性", "收入|总收入")),
    ],
)
def test_a_header_of_several_rows_is_joined_from_top_to_bottom(header: str, headings: tuple[str, ...]) -> None:
    data = ",".join(["漳县", *(f"{n}.5" for n in range(len(headings) - 1))])
    layout = find_layout(rows(f"{header}\n{data}\n{data}"))
    assert layout.headings == headings
    assert layout.first_data_line == header.count("\n") + 2


def test_a_row_of_units_below_the_header_says_the_unit_of_each_column() -> None:
    layout = find_layout(rows("县名,收入,人口,比重\n,元,万人,(%)\n漳县,2350,20.1,7.6"))
    assert layout.headings == ("县名", "收入", "人口", "比重")
    assert layout.units == (None, "元", "万人", "(%)")
    assert layout.first_data_line == 3


def test_a_row_of_units_wins_over_the_unit_of_the_table() -> None:
    layout = find_layout(rows(",,单位：元\n县名,收入,人口\n,,人\n漳县,2350,20100"))
    assert layout.units == ("元", "元", "人")


def test_years_in_a_header_are_headings_and_years_in_rows_are_data() -> None:
    assert find_layout(rows("县名,摘帽年份\n漳县,2019\n陇西县,2018")).first_data_line == 2
    assert find_layout(rows("县名,2013,2014\n漳县,2350,2600")).first_data_line == 2


def test_masked_numbers_are_data() -> None:
    assert find_layout(rows("县名,收入,人口\n漳县,17**,1**")).first_data_line == 2


def test_a_table_of_words_has_its_header_in_the_first_row() -> None:
    assert find_layout(rows("县名,政策\n漳县,电商\n陇西县,产业")).first_data_line == 2


def test_one_column_is_a_table_too() -> None:
    layout = find_layout([["表1 名单"], ["县名"], ["漳县"]])
    assert (layout.headings, layout.first_data_line) == (("县名",), 3)


def test_cells_merged_over_the_header_spread_and_those_over_rows_do_not_make_a_header() -> None:
    text = rows("县名,政策,\n,名称,类别\n漳县,电商,产业\n,搬迁,住房\n")
    merges = [(0, 0, 1, 0), (0, 1, 0, 2), (2, 0, 3, 0)]
    layout = find_layout(text, merges=merges)
    assert layout.headings == ("县名", "政策|名称", "政策|类别")
    assert layout.first_data_line == 3


def test_a_merged_group_beside_a_lone_heading_is_not_carried_over_it() -> None:
    text = rows("县名,收入,,\n,2013,2014,备注\n漳县,1.5,2.5,无")
    assert find_layout(text, merges=[(0, 1, 0, 2)]).headings == ("县名", "收入|2013", "收入|2014", "备注")


def test_header_lines_that_are_given_win() -> None:
    text = "名单,x,y\n县名,收入,人口\n漳县,甲,乙"
    layout = find_layout(rows(text), header_lines=[2])
    assert (layout.headings, layout.title_lines, layout.first_data_line) == (("县名", "收入", "人口"), (1,), 3)
    both = find_layout(rows("县名,收入,人口\n甲,1,2\n漳县,3,4"), header_lines=[1, 2])
    assert both.first_data_line == 3


@pytest.mark.parametrize(
    "text",
    [
        "622428,漳县,2350.5\n621122,陇西县,3000",  # data from the first row on
        "1,2,3\n4,5,6",
        "地区,收入,\n县名,工资性,经营性\n漳县,1,2",  # two headings for the key
    ],
)
def test_an_unclear_header_is_asked_for(text: str) -> None:
    assert refusal(text).code == "UNCLEAR_HEADER"


@pytest.mark.parametrize("lines", [[0], [2, 4], [9], [3]])
def test_header_lines_must_be_lines_of_the_file_that_follow_each_other(lines: list[int]) -> None:
    assert refusal("a,b\nc,d\n,\n1,2", header_lines=lines).code == "HEADER_LINES_OUTSIDE"


def test_a_header_without_data_is_not_a_table() -> None:
    assert refusal("表1 收入,\n县名,收入").code == "HEADER_ONLY"


def test_every_row_above_the_data_has_a_reason() -> None:
    layout: Layout = find_layout(rows("表1,,\n,,\n,,单位：元\n县名,收入,\n,工资性,经营性\n,元,元\n漳县,1.5,2.5"))
    assert sorted(line for lines in layout.left.values() for line in lines) == [1, 2, 3, 4, 5, 6]
    assert layout.first_data_line == 7


def test_a_row_above_does_not_change_what_the_header_is() -> None:
    for blank in range(4):
        layout = find_layout([["", "", "", ""]] * blank + rows(PLAIN))
        assert layout.headings == ("县代码", "县名", "年份", "收入")
        assert layout.first_data_line == blank + 2


def test_a_column_called_unit_is_no_unit() -> None:
    assert unit_said(["单位", "收入"]) is None
    assert find_layout(rows("单位,收入\n漳县,1.5")).headings == ("单位", "收入")


def test_names_are_no_units() -> None:
    assert is_units_row(["单位", "元", "万人"])
    assert not is_units_row(["漳县", "元", "万人"])


@pytest.mark.parametrize(
    "text", ["注：a", "注1：a", "(注: a", "资料来源 统计局", "来源：a", "填表人：张", "说明：x", "①本表", "※快报", "备注：a"]
)
def test_notes_are_known_by_their_first_word(text: str) -> None:
    assert is_note([text])


@pytest.mark.parametrize("text", ["漳县", "注家村", "来源村", "17**", "说明书", "", "2013"])
def test_names_that_begin_like_a_note_are_none(text: str) -> None:
    assert not is_note([text] if text else [])
