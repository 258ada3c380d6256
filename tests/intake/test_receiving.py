"""A file as it comes becomes a panel: the same one from every layout, with every row and value accounted for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evalkit as ek
from evalkit.intake import Received, receive, summarise, write_panel_csv
from evalkit.intake.mapping import Mapping
from evalkit.intake.observations import IntakeError
from evalkit.places import shared

sys.path.insert(0, str(Path(__file__).parent))
import layouts

AS_RECEIVED = shared("data", "demo", "as_received")
MAPPING = Mapping.parse({"level": "county"})
EXPECTED = pd.DataFrame(
    {
        "county_code": ["090001", "090001", "622428", "622428"],
        "county_name": ["㵲水县", "㵲水县", "漳县", "漳县"],
        "year": [2013, 2014, 2013, 2014],
        "income_wage": [900.0, 1010.75, 1200.5, 1320.25],
        "income_business": [np.nan, 605.5, 800.0, np.nan],
        "population": [88000.0, 88100.0, 201000.0, 201500.0],
    }
)


def own_population() -> Mapping:
    """人口 of a county is no column of the dictionary (persons of a household are), so the mapping names it."""
    return Mapping.parse({"columns": {"人口": {"name": "population", "kind": "number"}}})


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", [*layouts.LAYOUTS, *layouts.WIDE])
def test_one_table_in_every_layout_is_the_same_panel(name: str, tmp_path: Path) -> None:
    {**layouts.LAYOUTS, **layouts.WIDE}[name](tmp_path / name)
    mapping = own_population()
    if name in ("table.dta", "table.sav"):
        mapping = Mapping.parse({"columns": {"people": {"name": "population", "kind": "number"}}})
    received = receive(tmp_path / name, mapping)
    pd.testing.assert_frame_equal(received.frame[list(EXPECTED)], EXPECTED, check_dtype=False)
    assert list(received.flags[["column", "flag"]].itertuples(index=False, name=None)) == [("income_business", "MASKED")]
    assert received.ledger.rows_out == len(received.frame) == len(received.panel().frame)


def test_a_masked_figure_is_missing_and_a_blank_is_not_zero(tmp_path: Path) -> None:
    layouts.LAYOUTS["gb18030.csv"](tmp_path / "a.csv")
    frame = receive(tmp_path / "a.csv", own_population()).frame
    assert frame["income_business"].isna().tolist() == [True, False, False, True]
    assert not (frame["income_business"] == 0).any()


# The simulated province as a bureau sends it


@pytest.fixture(scope="module")
def province() -> Received:
    return receive(AS_RECEIVED / "county_yearbook.csv", AS_RECEIVED / "intake.yml")


def test_the_yearbook_table_becomes_the_harmonised_panel(province: Received) -> None:
    known = pd.read_csv(shared("data", "demo", "counties.csv"), dtype={"county_key": str})
    both = province.frame.merge(
        known, left_on=["county_code", "year"], right_on=["county_key", "year"], how="outer", indicator=True
    )
    assert (both["_merge"] == "both").all()
    assert both["income_pc"].isna().sum() == 1  # the figure that was hidden
    # Counties that merged are printed in whole yuan before they merged, and put together without rounding.
    assert (both["income_pc"] - both["income"]).abs().max() < 0.5
    assert both.loc[both["county_key"] != "990441", "income_pc"].dropna().mod(1).eq(0).all()
    assert (both["pop_registered"] * 10_000 - both["population"]).abs().max() < 0.5
    assert (both["income_def_x"] == both["income_def_y"]).all()


def test_every_line_of_the_yearbook_is_accounted_for(province: Received) -> None:
    text = (AS_RECEIVED / "county_yearbook.csv").read_bytes().decode("gb18030")
    assert province.ledger.rows_in == len(text.splitlines())
    left = {reason: len(lines) for step in province.ledger.steps for reason, lines in step.left.items()}
    assert left["total"] == 1 and left["prefecture"] == 10 and left["title"] == 1 and left["footnote"] == 2
    added, combined = (sum(getattr(step, name) for step in province.ledger.steps) for name in ("added", "combined"))
    assert province.ledger.rows_in - province.ledger.rows_left + added - combined == len(province.frame)


def test_the_changes_of_codes_are_told(province: Received) -> None:
    told = {(row.kind, row.from_codes, row.to_codes) for row in province.changes.itertuples()}
    assert told == {("merged", "990428+990429", "990441"), ("recoded", "990723", "990743")}


def test_the_record_has_no_prose_and_the_panel_can_be_read_again(province: Received, tmp_path: Path) -> None:
    record = summarise(province)
    kept = record.model_dump_json()
    assert record.model_validate_json(kept).model_dump_json() == kept
    again = pd.read_csv(write_panel_csv(province, tmp_path), dtype={"county_code": str}, encoding="utf-8-sig")
    assert (again["data_status"] == "模拟数据 simulated").all() and len(again) == len(province.frame)
    assert record.income_definition == {"definition": "mixed", "in_year": "disposable", "switch_years": {"2013": 99}, "unknown": 0}


def test_the_study_of_the_yearbook_finds_what_the_tidy_panel_finds() -> None:
    folder = shared("notebooks", "studies")
    printed, tidy = (
        ek.evaluate(ek.Study.from_yaml(folder / f"{name}.yml"), folder=folder) for name in ("industry_as_received", "industry")
    )
    assert printed.headline.percent.estimate == pytest.approx(tidy.headline.percent.estimate, abs=0.05)
    assert [cohort.units for cohort in printed.cohorts] == [cohort.units for cohort in tidy.cohorts]
    assert [row.date for row in printed.dates if row.used] == ["funded"]
    assert printed.bundle[0].zh == "产业扶贫" and len(printed.bundle) > 1


def test_the_same_file_gives_the_same_record(province: Received) -> None:
    again = receive(AS_RECEIVED / "county_yearbook.csv", AS_RECEIVED / "intake.yml")
    assert summarise(again).model_dump_json() == summarise(province).model_dump_json()


# What a mapping can say

COUNTY = "区划代码,县名,年份,农村居民人均可支配收入\n{rows}\n"


def county(*rows: str) -> str:
    return COUNTY.format(rows="\n".join(rows))


def test_rows_that_repeat_another_are_counted_and_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path, county("510811,昭化区,2014,8000", "510811,昭化区,2014,8000", "510811,昭化区,2015,8800"))
    received = receive(path, MAPPING)
    assert len(received.frame) == 2
    assert received.ledger.steps[-1].left == {"exact_duplicate": (3,)}
    assert "EXACT_DUPLICATES" in [question.code for question in received.questions]


def test_a_yearbook_of_an_edition_has_the_data_of_the_year_before(tmp_path: Path) -> None:
    path = write(tmp_path, county("510811,昭化区,2015,8000", "510811,昭化区,2016,8800"))
    received = receive(path, Mapping.parse({"year_means": "edition"}))
    assert received.frame["year"].tolist() == [2014, 2015]


def test_a_file_of_one_year_takes_its_year_from_the_mapping(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,县名,农村居民人均可支配收入\n510811,昭化区,8000\n510981,射洪市,9000\n")
    assert receive(path, Mapping.parse({"year": 2019})).frame["year"].tolist() == [2019, 2019]


def test_units_are_converted_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,农村居民人均可支配收入(万元),户籍人口\n510811,2014,0.8,21.3\n510811,2015,0.88,21.4\n")
    received = receive(path, MAPPING)
    assert received.frame["income_pc"].tolist() == pytest.approx([8000, 8800])
    (use,) = [use for use in received.uses if use.column == "income_pc"]
    assert (use.unit_in, use.unit) == ("万元", "元")


def test_money_is_deflated_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, county("510811,昭化区,2015,8000", "510811,昭化区,2016,8152"))
    received = receive(path, Mapping.parse({"prices": {"base_year": 2015}}))
    assert received.frame["income_pc"].tolist() == pytest.approx([8000, 8152 / 1.019])
    assert "2015" in received.prices.basis("zh")
    assert {"PRICE_INDEX_UNVERIFIED"} <= {notice.code for notice in received.notices}


def test_a_panel_across_the_switch_of_definitions_needs_to_say_which(tmp_path: Path) -> None:
    text = "区划代码,年份,{}\n510811,2012,5000\n510811,2014,8000\n"
    path = write(tmp_path, text.format("家庭人均收入"))
    mapping = {"columns": {"家庭人均收入": "income_pc"}}
    with pytest.raises(IntakeError) as caught:
        receive(path, Mapping.parse(mapping))
    assert [problem.code for problem in caught.value.problems] == ["INCOME_DEFINITION_NEEDED"]
    received = receive(path, Mapping.parse({**mapping, "income_def": "unknown"}))
    assert "INCOME_DEF_UNKNOWN" in [notice.code for notice in received.notices]


def test_net_and_disposable_income_are_never_mixed(tmp_path: Path) -> None:
    head = "区划代码,年份,农民人均纯收入,农村居民人均可支配收入\n"
    apart = receive(write(tmp_path, head + "510811,2012,5000,\n510811,2013,,6000\n"), MAPPING)
    assert apart.frame["income_def"].tolist() == ["net", "disposable"]
    with pytest.raises(IntakeError, match="never mixed"):
        receive(write(tmp_path, head + "510811,2012,5000,5300\n510811,2013,,6000\n"), MAPPING)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_page_of_a_file_with_headings_nobody_knows_can_be_written(lang: str, tmp_path: Path) -> None:
    from evalkit.report.data_page import compose

    text = "区划代码,年份,农村居民人均可支配收入,第几批次,纳入年份\n510811,2014,8000,1,2014\n510811,2015,8100,1,2014\n"
    received = receive(write(tmp_path, text), MAPPING, strict=False)
    assert [use.heading for use in received.uses if use.how == "unrecognised"] == ["第几批次", "纳入年份"]
    assert compose(summarise(received), lang)


def test_a_study_may_say_its_definition_of_income_in_chinese() -> None:
    from evalkit.background import background_notices
    from evalkit.study_data import designed, load

    path = shared("notebooks", "studies", "industry.yml")
    study = ek.Study.from_yaml(path).model_copy(update={"income_def": "口径不详"})
    loaded = load(study, None, path.parent)
    design, _ = designed(study, loaded.frame, loaded.events)
    assert "INCOME_DEF_UNKNOWN" in [notice.code for notice in background_notices(study, design, loaded, None)]


# Labels, totals and headings at every level

VILLAGES = {
    "level": "village",
    "unit": "village",
    "columns": {"村名": {"name": "village", "kind": "text"}, "村人均收入": {"name": "income_pc", "income_def": "disposable"}},
}
VILLAGE = "村名,年份,村人均收入\n"


def villages(folder: Path, *rows: str, mapping: dict[str, object] | None = None) -> Received:
    return receive(write(folder, VILLAGE + "\n".join(rows) + "\n"), Mapping.parse({**VILLAGES, **(mapping or {})}))


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("城关村（1）", "城关村（2）"),
        ("1#", "1"),
        ("城关村1", "城关村2"),
        ("城关村①", "城关村1"),
        ("城关村[1]", "城关村"),
        ("村*", "村"),
    ],
)
def test_marks_at_the_end_of_a_name_tell_one_unit_from_another(one: str, another: str, tmp_path: Path) -> None:
    frame = villages(tmp_path, f"{one},2014,8000", f"{another},2015,8100").frame
    assert frame["village"].nunique() == 2


@pytest.mark.parametrize("other", ["城关村（１）", "城 关 村(1)", "城关村\u200b（1）", " 城关村（ 1 ）"])
def test_names_that_differ_in_width_and_blanks_only_are_one_unit(other: str, tmp_path: Path) -> None:
    received = villages(tmp_path, "城关村（1）,2014,8000", f"{other},2015,8100")
    assert received.frame["village"].tolist() == ["城关村(1)"] * 2
    assert "NAMES_IN_TWO_SCRIPTS" not in [question.code for question in received.questions]


def test_a_name_in_two_scripts_is_one_unit_and_asked_about(tmp_path: Path) -> None:
    received = villages(tmp_path, "河東村,2014,8000", "河东村,2015,8100", "灣里村,2014,8000", "灣 里村,2015,8100")
    assert received.frame["village"].nunique() == 2
    (asked,) = [question for question in received.questions if question.code == "NAMES_IN_TWO_SCRIPTS"]
    assert asked.facts["names"] == "河東村 = 河东村" and [place.line for place in asked.places] == [2, 3]


@pytest.mark.parametrize("total", ["合　计", "总计", "城关镇小计", "其中：贫困村"])
def test_a_total_is_no_village(total: str, tmp_path: Path) -> None:
    received = villages(tmp_path, "甲村,2014,8000", "乙村,2014,8100", f"{total},2014,8050")
    assert received.frame["village"].tolist() == ["乙村", "甲村"]
    assert sum(received.ledger.steps[-1].left.values(), ()) == (4,)


@pytest.mark.parametrize("how", [{}, {"户 编 号": "hash"}])
def test_a_total_is_no_household_even_where_its_number_is_hashed(how: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "salt.txt").write_text("a secret of this test, long enough")
    mapping = {"level": "household", "unit": "hh_id", "personal": how, "salt_file": "salt.txt"}
    path = write(tmp_path, "户编号,年份,农村居民人均可支配收入\nH1,2014,8000\nH2,2014,8100\n合计,2014,8050\n")
    received = receive(path, Mapping.parse(mapping), tmp_path)
    assert len(received.frame) == 2 and received.ledger.steps[-1].left == {"total": (4,)}
    assert ("H1" in received.frame["hh_id"].tolist()) == (not how)


def test_a_total_in_the_column_of_codes_is_no_county(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,农村居民人均可支配收入\n510811,2014,8000\n合计,2014,8100\n")
    assert receive(path, MAPPING).frame["county_code"].tolist() == ["510811"]


def test_a_heading_is_the_same_one_however_it_is_spaced(tmp_path: Path) -> None:
    path = write(tmp_path, "名  目,农村居民人均可支配收入2014,目标  2020\n漳县,8000,3\n合计,8100,3\n")
    mapping = {"unit": "county_name", "columns": {"名目": "county_name"}, "ignore": ["目标2020"]}
    received = receive(path, Mapping.parse(mapping))
    assert received.frame[["county_name", "year"]].to_numpy().tolist() == [["漳县", 2014]]


# Years and units


@pytest.mark.parametrize(
    "written",
    [
        "2016", "２０１６", "2016.0", "2016年", "2016 年度", "2016-05", "2016/5", "2016.05", "201605", "2016年5月", "2016-05-01", "2016/5/1",
        "2016.5.1", "20160501", "2016年5月1日", "2016-05-01 00:00:00",
    ],
)  # fmt: skip
def test_a_year_and_a_full_date_are_read(written: str, tmp_path: Path) -> None:
    assert receive(write(tmp_path, county(f"510811,昭化区,{written},8000")), MAPPING).frame["year"].tolist() == [2016]


@pytest.mark.parametrize(
    "written",
    [
        "2016-2020",
        "2014/15",
        "2014-2015",
        "2013.5",
        "2016.1",
        "2016-13",
        "约2016",
        "2016年以前",
        "2016人",
        "2016年5月—6月",
    ],
)
def test_what_is_no_date_is_no_year(written: str, tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        receive(write(tmp_path, county("510811,昭化区,2014,8000", f"510811,昭化区,{written},8000")), MAPPING)
    assert [(problem.code, [place.line for place in problem.places]) for problem in caught.value.problems] == [
        ("YEAR_UNREADABLE", [3])
    ]


@pytest.mark.parametrize("written", ["201613", "20160532", "20016", "98"])
def test_a_number_that_is_no_year_of_ours_is_refused_as_one(written: str, tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        receive(write(tmp_path, county(f"510811,昭化区,{written},8000")), MAPPING)
    assert [problem.code for problem in caught.value.problems] == ["YEAR_OUT_OF_RANGE"]


def test_half_a_year_is_no_year_in_a_column_of_numbers_either(tmp_path: Path) -> None:
    frame = pd.DataFrame({"county_code": ["510811"] * 2, "year": [2014, 2014.5], "income_pc": [8000.0, 8100.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(IntakeError) as caught:
        receive(tmp_path / "a.parquet", Mapping.parse({"income_def": "disposable"}))
    assert [problem.code for problem in caught.value.problems] == ["YEAR_UNREADABLE"]


def test_a_figure_in_a_unit_of_something_else_is_refused_or_counted(tmp_path: Path) -> None:
    rows = ("510811,昭化区,2014,8000", "510811,昭化区,2015,12.5%", "510811,昭化区,2016,30人")
    with pytest.raises(IntakeError) as caught:
        receive(write(tmp_path, county(*rows)), MAPPING)
    assert [(problem.code, problem.facts["unit"], problem.count) for problem in caught.value.problems] == [
        ("NUMBER_IN_OTHER_UNIT", "元", 2)
    ]
    received = receive(write(tmp_path, county(*rows)), Mapping.parse({"unreadable": "missing"}))
    assert received.frame["income_pc"].isna().tolist() == [False, True, True]
    assert received.flags["flag"].tolist() == ["OTHER_UNIT"] * 2


@pytest.mark.parametrize("word", ["disposable", "可支配收入", "可支配　收入", "Disposable income"])
def test_the_definition_of_income_is_said_in_either_language(word: str, tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,人均收入\n510811,2012,8000\n510811,2014,8000\n")
    whole = receive(path, Mapping.parse({"columns": {"人均收入": "income_pc"}, "income_def": word}))
    column = receive(path, Mapping.parse({"columns": {"人均收入": {"name": "income_pc", "income_def": word}}}))
    for received in (whole, column):
        assert received.definition is not None and set(received.definition.definition) == {"disposable"}


def codes(received: Received) -> list[str]:
    return [question.code for question in received.questions]


def test_rows_that_differ_in_a_column_nobody_uses_are_no_repetition(tmp_path: Path) -> None:
    head = "区划代码,年份,农村居民人均可支配收入,类别\n"
    path = write(tmp_path, head + "510811,2014,8000,农村\n510811,2014,8000,城镇\n")
    with pytest.raises(IntakeError) as caught:
        receive(path, Mapping.parse({"ignore": ["类别"]}))
    assert [problem.code for problem in caught.value.problems] == ["SAME_UNIT_TWICE"]


def test_of_two_units_of_a_table_each_column_takes_its_own(tmp_path: Path) -> None:
    rows = "区划代码,年份,地区生产总值,户籍人口\n510811,2014,5000000000,21.3\n510811,2015,5100000000,21.4\n"
    received = receive(write(tmp_path, "各县情况,,,\n,,,单位：元、万人\n" + rows), MAPPING)
    assert received.frame["gdp"].tolist() == pytest.approx([500_000, 510_000])  # in 万元
    assert received.frame["pop_registered"].tolist() == [21.3, 21.4] and "UNIT_ASSUMED" not in codes(received)


def test_a_unit_that_nothing_says_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,农村居民人均可支配收入,户籍人口\n510811,2014,8000,213000\n510811,2015,8100,213100\n")
    assert "UNIT_ASSUMED" in codes(receive(path, MAPPING))


def test_a_panel_without_income_and_a_column_without_values_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,户籍人口(万人),城乡收入,贫困发生率(%)\n510811,2014,21,8,\n510811,2015,22,9,\n")
    received = receive(path, Mapping.parse({"ignore": ["城乡收入"]}))
    assert {"NO_INCOME_COLUMN", "EMPTY_COLUMN"} <= set(codes(received))
    assert "城乡收入" in str(next(q for q in received.questions if q.code == "NO_INCOME_COLUMN").facts)


def test_a_column_without_values_that_nobody_knows_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "区划代码,年份,农村居民人均可支配收入,某某栏\n510811,2014,8000,\n510811,2015,8100,\n")
    assert [use.how for use in receive(path, MAPPING).uses][-1] == "ignored"


def test_a_village_table_has_numbers_and_names(tmp_path: Path) -> None:
    path = write(tmp_path, "行政村代码,村名,年份,人均可支配收入\n510811100201,甲村,2014,8000\n510811100202,乙村,2014,8100\n")
    frame = receive(path, Mapping.parse({"level": "village", "unit": "village_id"})).frame
    assert frame[["village_id", "village_name", "income_def"]].to_numpy().tolist() == [
        ["510811100201", "甲村", "disposable"],
        ["510811100202", "乙村", "disposable"],
    ]


def test_an_apostrophe_that_marks_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, county("'510811,昭化区,'2014,'8000", "'510811,昭化区,'2015,'8100"))
    frame = receive(path, MAPPING).frame
    assert frame["county_code"].tolist() == ["510811"] * 2 and frame["income_pc"].tolist() == [8000, 8100]


# Personal data


def resident(month: int, sequence: int) -> str:
    """An identity number of nobody: born in 1900, with a valid check digit."""
    body = f"5108111900{month:02d}01{sequence:03d}"
    weights = [pow(2, 17 - position, 11) for position in range(17)]
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


REGISTER = "户编号,户主姓名,身份证号,联系电话,开户银行账号,年份,家庭人均收入,备注\n"


def register(count: int = 12) -> tuple[str, list[str]]:
    """A household register with planted personal data, and everything of it that must never get out."""
    rows, secret = [], []
    for number in range(count):
        person, phone, card = resident(number % 12 + 1, number), f"139{number:08d}", "6222020000000000000"
        rows += [
            f"H{number:03d},甲某{number},{person},{phone},{card},{year},{3000 + number * 10 + year},{phone}的亲戚"
            for year in (2014, 2015)
        ]
        secret += [person, phone, f"甲某{number}"]
    return REGISTER + "\n".join(rows) + "\n", [*secret, "6222020000000000000"]


@pytest.mark.parametrize("how", [{}, {"户编号": "hash"}])
def test_planted_personal_data_never_reach_the_outputs(how: dict[str, str], tmp_path: Path) -> None:
    from evalkit.intake.disclosure import scan
    from evalkit.report import write_intake

    text, secret = register()
    path = write(tmp_path, text)
    (tmp_path / "salt.txt").write_text("a secret of this test, long enough")
    content = {"level": "household", "unit": "hh_id", "columns": {"家庭人均收入": "income_pc"}, "personal": how}
    received = receive(path, Mapping.parse({**content, "salt_file": "salt.txt"} if how else content), tmp_path, strict=False)
    out = tmp_path / "out"
    for lang in ("zh", "en"):
        write_intake(summarise(received), out, lang)
    (out / "intake.json").write_text(summarise(received).model_dump_json())
    write_panel_csv(received, out)
    written = b"".join(file.read_bytes() for file in out.rglob("*") if file.is_file())
    assert [value for value in secret if value.encode() in written] == []
    assert scan(out) == ()
    assert (b"H001" in written) == (not how)
    assert received.frame["hh_id"].nunique() == 12


def test_one_personal_number_in_a_column_of_figures_is_hidden_and_the_column_stays(tmp_path: Path) -> None:
    rows = [f"510811,昭化区,{year},{8000 + year}" for year in range(2014, 2020)]
    path = write(tmp_path, county(*rows, f"510811,昭化区,2020,{resident(3, 1)}"))
    received = receive(path, MAPPING)
    assert received.frame["income_pc"].notna().tolist() == [True] * 6 + [False]
    assert received.flags["flag"].tolist() == ["MASKED"] and resident(3, 1) not in str(received.flags)
    assert [(removal.way, removal.count) for removal in received.removed] == [("mask", 1)]


def test_a_year_is_said_once(tmp_path: Path) -> None:
    path = write(tmp_path, county("510811,昭化区,2014,8000"))
    with pytest.raises(IntakeError) as caught:
        receive(path, Mapping.parse({"year": 2016}))
    assert [problem.code for problem in caught.value.problems] == ["YEAR_SAID_TWICE"]


def test_the_year_of_a_yearbook_is_asked_about(tmp_path: Path) -> None:
    rows = ("510811,昭化区,2014,8000", "510811,昭化区,2015,8800")
    asked = receive(write(tmp_path, "某市统计年鉴2015\n" + county(*rows)), MAPPING).questions
    assert "YEAR_OF_YEARBOOK" in [question.code for question in asked]
    asked = receive(write(tmp_path, "某市统计年鉴2016\n" + county(*rows)), MAPPING).questions
    assert "YEAR_OF_YEARBOOK" not in [question.code for question in asked]


# Properties

CODES = st.lists(st.integers(1101, 6590).map(lambda place: f"{place}27"), min_size=2, max_size=5, unique=True)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CODES, st.lists(st.integers(2014, 2020), min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(tmp_path: Path, codes: list[str], years: list[int], order: object) -> None:
    rows = [f"{code},某县,{year},{5000 + int(code) % 977 + year}" for code in codes for year in years]
    first = receive(write(tmp_path, county(*rows)), MAPPING)
    order.shuffle(rows)  # type: ignore[attr-defined]
    second = receive(write(tmp_path, county(*rows), "b.csv"), MAPPING)
    left, right = (received.frame for received in (first, second))
    pd.testing.assert_frame_equal(left, right)
    assert len(left) == len(codes) * len(years) == first.ledger.rows_out
