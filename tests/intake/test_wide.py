"""Years in headings become rows; a year that only names a price base or a date does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.intake.formats import read_table
from evalkit.intake.ledger import Ledger, Step
from evalkit.intake.observations import IntakeError
from evalkit.intake.origin import Origin, Table
from evalkit.intake.wide import VALUE, YEAR, melt, split_year, year_column


@pytest.mark.parametrize(
    ("heading", "stem", "year"),
    [
        ("2013", "", 2013),
        ("2013年", "", 2013),
        ("2013年度", "", 2013),
        ("２０１３年", "", 2013),
        ("2013年人均纯收入", "人均纯收入", 2013),
        ("2013人均纯收入", "人均纯收入", 2013),
        ("人均纯收入2013", "人均纯收入", 2013),
        ("人均纯收入(2013年)", "人均纯收入", 2013),
        ("人均纯收入（2013）", "人均纯收入", 2013),
        ("人均纯收入|2013", "人均纯收入", 2013),
        ("2013|人均纯收入", "人均纯收入", 2013),
        ("2013年|收入|工资性", "收入|工资性", 2013),
        ("收入|2013年|工资性", "收入|工资性", 2013),
        ("2013年|2013年收入", "收入", 2013),
        ("income_2013", "income", 2013),
        ("income2013", "income", 2013),
        ("2013_income", "income", 2013),
        ("A20_2014", "A20", 2014),
        ("2013年人均纯收入(元)", "人均纯收入(元)", 2013),
        ("2013年收入(2010年不变价)", "收入(2010年不变价)", 2013),
        ("2014年比2013年增长", "比2013年增长", 2014),
        ("2013年按2010年价格计算的收入", "按2010年价格计算的收入", 2013),
    ],
)
def test_a_year_of_a_column_is_split_from_its_stem(heading: str, stem: str, year: int) -> None:
    assert split_year(heading) == (stem, year)


@pytest.mark.parametrize(
    "heading",
    [
        "2010年不变价",
        "收入(2010年不变价)",
        "按2015年价格",
        "2020年末",
        "2020年末总人口",
        "以2010年为基期的指数",
        "指数(2010年=100)",
        "比2013年增长",
        "2013-2020年增长",
        "2013—2020年平均",
        "2013年至2020年",
        "2013年6月",
        "2013年1-6月收入",
        "2013年上半年",
        "2013Q1",
        "2013-06",
        "2013年以来",
        "截至2020年",
        "2013年和2014年之和",
        "A20",
        "A2013",
        "2013b",
        "县代码622013",
        "1.2013",
        "收入",
        "年份",
        "",
    ],
)
def test_a_year_that_is_not_the_columns_is_left_in_its_heading(heading: str) -> None:
    assert split_year(heading) == (heading, None)


def table(headings: list[str], rows: list[list[str | None]], units: tuple[str | None, ...] | None = None) -> Table:
    columns = {j: pd.Series([row[j] for row in rows], dtype="str") for j in range(len(headings))}
    lines = np.arange(2, len(rows) + 2)
    return Table(
        tuple(headings),
        pd.DataFrame(columns),
        lines,
        Origin("a.csv", 1, "", "csv"),
        Step("read", len(rows) + 1, len(rows), {"header": (1,)}),
        units or (None,) * len(headings),
    )


def cells(made: Table) -> list[tuple[str, ...]]:
    return [tuple("" if pd.isna(value) else value for value in row) for row in made.cells.itertuples(index=False, name=None)]


def test_years_follow_each_other_within_a_unit_and_units_keep_their_order() -> None:
    long, step = melt(table(["县名", "2014年收入", "2013年收入", "面积"], [["漳县", "2", "1", "9"], ["陇西县", "4", "3", "8"]]))
    assert long.headings == ("县名", "面积", YEAR, "收入")
    assert cells(long) == [
        ("漳县", "9", "2013", "1"),
        ("漳县", "9", "2014", "2"),
        ("陇西县", "8", "2013", "3"),
        ("陇西县", "8", "2014", "4"),
    ]
    assert long.lines.tolist() == [2, 2, 3, 3]
    assert Ledger((long.step, step)).rows_out == 4


def test_a_year_without_any_value_leaves_and_is_counted() -> None:
    rows: list[list[str | None]] = [
        ["漳县", "1", None, None, None],
        ["陇西县", "3", "4", "5", None],
        ["通渭县", None, None, None, None],
    ]
    long, step = melt(table(["县名", "收入_2013", "人口_2013", "收入_2014", "人口_2014"], rows))
    assert cells(long) == [("漳县", "2013", "1", ""), ("陇西县", "2013", "3", "4"), ("陇西县", "2014", "5", "")]
    assert step.left == {"empty_year": (2, 4, 4)}
    assert (step.rows_in, step.added, step.rows_out) == (3, 3, 3)


def test_one_year_alone_is_melted_just_the_same() -> None:
    long, step = melt(table(["县名", "2016年收入", "2016年人口"], [["漳县", "1", "2"]]))
    assert (long.headings, cells(long)) == (("县名", YEAR, "收入", "人口"), [("漳县", "2016", "1", "2")])
    assert step.added == 0


def test_a_heading_that_is_only_a_year_gives_values() -> None:
    long, _ = melt(table(["县名", "2013", "2014"], [["漳县", "1", "2"]]))
    assert long.headings == ("县名", YEAR, VALUE)


def test_a_stem_without_some_year_is_missing_there() -> None:
    long, _ = melt(table(["县名", "收入2013", "收入2014", "人口2014"], [["漳县", "1", "2", "3"]]))
    assert cells(long) == [("漳县", "2013", "1", ""), ("漳县", "2014", "2", "3")]


def test_columns_that_are_kept_stay_as_they_are() -> None:
    long, _ = melt(table(["县名", "收入2013", "2014年脱贫"], [["漳县", "1", "是"]]), keep={2})
    assert long.headings == ("县名", "2014年脱贫", YEAR, "收入")


def test_units_go_with_their_stems() -> None:
    long, _ = melt(table(["县名", "收入2013", "收入2014"], [["漳县", "1", "2"]], (None, "元", "元")))
    assert long.units == (None, None, "元")


def test_numbers_stay_numbers() -> None:
    wide = table(["县名", "收入2013", "收入2014"], [["漳县", "1", "2"]])
    wide.cells[1], wide.cells[2] = [1.5], [2.5]
    long, _ = melt(wide)
    assert long.cells[2].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("headings", "units", "code"),
    [
        (["县名", "年份", "收入2013"], None, "TWO_KINDS_OF_YEARS"),
        (["县名", "年 度", "2013"], None, "TWO_KINDS_OF_YEARS"),
        (["县名", "收入", "人口"], None, "NO_YEARS_IN_HEADINGS"),
        (["县名", "收入2013", "2013年收入"], None, "DUPLICATE_HEADING"),
        (["收入", "县名", "收入2013"], None, "DUPLICATE_HEADING"),
        (["县名", "收入2013", "收入2014"], (None, "元", "万元"), "UNITS_DIFFER_BY_YEAR"),
    ],
)
def test_what_cannot_be_melted_says_why(headings: list[str], units: tuple[str | None, ...] | None, code: str) -> None:
    with pytest.raises(IntakeError) as caught:
        melt(table(headings, [["a", "1", "2"]], units))
    assert caught.value.problems[0].code == code


def test_a_column_of_years_is_known_by_its_heading() -> None:
    assert year_column(["县名", "Year"]) == 1
    assert year_column(["县名", "脱贫年度"]) is None


VALUES = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 9).map(str)), min_size=6, max_size=6), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(values=VALUES)
def test_no_value_is_lost_or_made_and_no_row_disappears(values: list[list[str | None]]) -> None:
    headings = ["县名", *(f"{stem}_{year}" for stem in ("收入", "人口") for year in (2013, 2014, 2015))]
    wide = table(headings, [[f"县{i}", *row] for i, row in enumerate(values)])
    long, step = melt(wide)
    before = sorted((i, headings[j + 1], value) for i, row in enumerate(values) for j, value in enumerate(row) if value is not None)
    after = sorted(
        (int(row[0][1:]), f"{stem}_{row[1]}", value)
        for row in cells(long)
        for stem, value in zip(("收入", "人口"), row[2:], strict=True)
        if value
    )
    assert after == before
    assert step.rows_out + step.rows_left == 3 * len(values)


def test_the_order_of_the_years_columns_makes_no_difference(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("县名,2013年收入,2014年收入\n漳县,1,2\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("县名,2014年收入,2013年收入\n漳县,2,1\n", encoding="utf-8")
    first, second = (melt(read_table(tmp_path / name))[0] for name in ("a.csv", "b.csv"))
    assert cells(first) == cells(second)
