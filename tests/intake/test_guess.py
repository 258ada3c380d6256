"""What evalkit takes a file for that nobody has described: right where the words or the values say so, a question otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.intake import receive
from evalkit.intake.formats import read_table
from evalkit.intake.guess import Guess, guess_mapping
from evalkit.intake.observations import IntakeError
from evalkit.places import shared


def guessed(folder: Path, text: str) -> tuple[Guess, Path]:
    """The guess for a csv file, and the file."""
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return guess_mapping(read_table(path)), path


def rows(*columns: object) -> str:
    """Two units in three years; the columns are filled in between."""
    return "".join(f"{unit},{year},{5000 + year}\n" for unit in columns for year in (2014, 2015, 2016))


HEADINGS: dict[str, tuple[str, str, str, str]] = {
    "county by code": ("区划代码,年份,农村居民人均可支配收入\n" + rows(510811, 510981), "county", "county_code", "year"),
    "county by name": ("县名,年份,农村居民人均可支配收入\n" + rows("昭化区", "射洪市"), "county", "county_name", "year"),
    "village": ("村编码,年份,人均可支配收入\n" + rows("V1", "V2"), "village", "village_id", "year"),
    "household": ("户编号,年份,家庭纯收入\n" + rows("H1", "H2"), "household", "hh_id", "year"),
}


@pytest.mark.parametrize("name", HEADINGS)
def test_level_unit_and_year_are_those_that_the_headings_name(name: str, tmp_path: Path) -> None:
    text, *expected = HEADINGS[name]
    guess, path = guessed(tmp_path, text)
    assert [guess.mapping.level, guess.mapping.unit, guess.mapping.period] == expected
    assert set(guess.confirm) >= {"level", "unit", "period"}
    assert guess.years == (2014, 2016)
    received = receive(path, guess.mapping)
    assert len(received.frame) == 6 and received.frame[guess.mapping.unit].nunique() == 2


def test_columns_of_the_files_own_that_name_a_row_are_tried(tmp_path: Path) -> None:
    guess, path = guessed(tmp_path, "学校,学年,可支配\n" + rows("一中", "二中"))
    assert {heading: rule.name for heading, rule in guess.mapping.columns.items()} == {"学校": "学校", "学年": "学年"}
    assert (guess.mapping.unit, guess.mapping.period) == ("学校", "学年")
    assert guess.unrecognised.keys() == {"可支配"} and guess.mapping.ignore == ("可支配",)
    assert len(receive(path, guess.mapping).frame) == 6


def test_codes_of_six_digits_are_a_better_unit_than_names_that_several_counties_bear(tmp_path: Path) -> None:
    text = "标识,县名,年份,农村居民人均可支配收入\n" + "".join(
        f"{code},鼓楼区,{year},{20000 + year}\n" for code in (320106, 320302) for year in (2014, 2015)
    )
    guess, path = guessed(tmp_path, text)
    assert guess.mapping.unit == "county_code" and guess.mapping.columns["标识"].name == "county_code"
    assert receive(path, guess.mapping).frame["county_code"].nunique() == 2


@pytest.mark.parametrize(
    "values",
    [("51081", "51098"), ("510811", ""), ("510811", "51098X")],
    ids=["five digits", "one missing", "a letter"],
)
def test_what_is_no_county_code_is_not_taken_for_one(values: tuple[str, str], tmp_path: Path) -> None:
    text = "标识,县名,年份\n" + "".join(
        f"{code},{name},{year}\n" for code, name in zip(values, ("昭化区", "射洪市"), strict=True) for year in (2014, 2015)
    )
    assert guessed(tmp_path, text)[0].mapping.unit == "county_name"


def test_values_that_look_like_years_only_now_and_then_are_no_years(tmp_path: Path) -> None:
    guess, _ = guessed(tmp_path, "区划代码,得分,甲\n510811,2014,1\n510811,98,2\n510981,2015,3\n510981,2016,4\n")
    assert guess.mapping.period == "year" and guess.years is None
    assert "得分" in guess.mapping.ignore


def test_an_ambiguous_heading_is_left_open_and_both_meanings_are_named(tmp_path: Path) -> None:
    guess, path = guessed(tmp_path, "区划代码,年份,纳入年份\n510811,2014,2014\n510811,2015,2014\n")
    assert guess.ambiguous == {"纳入年份": ("identified_year", "treat_start")}
    assert guess.mapping.ignore == ("纳入年份",)
    assert "纳入年份" not in guess.unrecognised and len(receive(path, guess.mapping).frame) == 2


def test_an_unknown_heading_gets_its_nearest_words(tmp_path: Path) -> None:
    guess, _ = guessed(tmp_path, "区划代码,年份,人均收人\n510811,2014,1\n510811,2015,2\n")
    assert guess.unrecognised["人均收人"][0] == "人均纯收入 (income_pc)"


@pytest.mark.parametrize(("heading", "open_"), [("农民人均纯收入", False), ("农村居民人均可支配收入", False), ("income_pc", True)])
def test_the_definition_of_income_is_asked_for_where_the_heading_does_not_say_it(heading: str, open_: bool, tmp_path: Path) -> None:
    guess, path = guessed(tmp_path, f"区划代码,年份,{heading}\n510811,2012,5000\n510811,2014,8000\n")
    assert ("income_def" in guess.confirm) == open_
    assert guess.mapping.income_def == ("unknown" if open_ else None)
    assert len(receive(path, guess.mapping).frame) == 2


def test_years_side_by_side_are_found_in_the_headings(tmp_path: Path) -> None:
    guess, path = guessed(tmp_path, "区划代码,2013年人均纯收入,2014年人均纯收入\n510811,5000,5500\n510981,6000,6600\n")
    assert guess.years == (2013, 2014) and guess.kinds["income_pc"] == "money_per_head"
    assert len(receive(path, guess.mapping).frame) == 4


def test_personal_columns_are_neither_guessed_nor_named(tmp_path: Path) -> None:
    text = "户编号,户主姓名,联系电话,年份,家庭纯收入\nH1,甲某一,13900000001,2014,8000\nH1,甲某一,13900000001,2015,8100\n"
    guess, path = guessed(tmp_path, text)
    assert "甲某一" not in repr(guess) and "13900000001" not in repr(guess)
    assert not {"户主姓名", "联系电话"} & {*guess.mapping.columns, *guess.mapping.ignore}
    assert len(receive(path, guess.mapping).frame) == 2


def test_a_file_that_says_it_is_simulated_stays_simulated() -> None:
    for name in ("counties.csv", "as_received/county_yearbook.csv"):
        assert guess_mapping(read_table(shared("data", "demo", *name.split("/")))).mapping.simulated


def test_without_anything_that_names_a_row_the_guess_leads_to_a_message(tmp_path: Path) -> None:
    guess, path = guessed(tmp_path, "甲,乙\n1,2\n3,4\n")
    with pytest.raises(IntakeError) as caught:
        receive(path, guess.mapping)
    assert [problem.code for problem in caught.value.problems] == ["NO_UNIT_COLUMN", "NO_PERIOD_COLUMN"]


def test_the_order_of_the_rows_and_columns_changes_no_guess(tmp_path: Path) -> None:
    first, _ = guessed(tmp_path, "区划代码,县名,年份,甲\n510811,昭化区,2014,1\n510811,昭化区,2015,2\n510981,射洪市,2014,3\n")
    second, _ = guessed(tmp_path, "甲,年份,县名,区划代码\n3,2014,射洪市,510981\n2,2015,昭化区,510811\n1,2014,昭化区,510811\n")
    assert first.mapping == second.mapping and first.years == second.years


def test_a_sheet_that_is_named_wins_over_the_one_of_the_mapping(tmp_path: Path) -> None:
    import openpyxl

    from evalkit.check import describe_data

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, codes in (("甲", ["510811"]), ("乙", ["510811", "510981"])):
        sheet = book.create_sheet(title)
        sheet.append(["区划代码", "年份", "农村居民人均可支配收入"])
        for code in codes:
            sheet.append([code, 2014, 8000])
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "intake.yml").write_text("level: county\nsheet: 甲\n", encoding="utf-8")
    said = [describe_data(tmp_path / "a.xlsx", tmp_path / "intake.yml", ["en"], sheet)[0] for sheet in (None, "乙")]
    assert "Units: 1 " in said[0] and "Units: 2 " in said[1]
