"""What a county office reads when its file cannot become a panel: where it stands, what is wrong, what to do, in both languages."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from evalkit.cli import app
from evalkit.intake import receive
from evalkit.intake.observations import IntakeError
from evalkit.words import catalogue

sys.path.insert(0, str(Path(__file__).parent))

runner = CliRunner()
Maker = Callable[[Path], None]


@dataclass(frozen=True)
class Broken:
    """A broken file: what is in it, how it is to be read, and what the message must say in both languages, and in each."""

    content: str | bytes | Maker
    code: str
    both: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()
    en: tuple[str, ...] = ()
    mapping: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    name: str = "county_2020.csv"


HEAD = "区划代码,县名,年份,农村居民人均可支配收入\n"


def county(*rows: str) -> str:
    """A county table of income, one row a county and year."""
    return HEAD + "\n".join(rows) + "\n"


def resident(sequence: int) -> str:
    """An identity number of nobody: born in 1900, with a valid check digit."""
    body = f"51081119000101{sequence:03d}"
    weights = [pow(2, 17 - position, 11) for position in range(17)]
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def two_sheets(path: Path) -> None:
    """A workbook with a sheet for each of two years."""
    import openpyxl

    book = openpyxl.Workbook()
    for number, title in enumerate(("2014年", "2015年")):
        sheet = book.active if number == 0 else book.create_sheet()
        sheet.title = title
        for row in (["区划代码", "县名", "人均收入"], ["510811", "昭化区", 8000]):
            sheet.append(row)
    book.save(path)


def with_password(path: Path) -> None:
    """A workbook as Excel encrypts it: an OLE file whose directory names the encrypted package."""
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"))


def numbers_for_ids(path: Path) -> None:
    """A household register whose identity numbers were typed into cells of numbers: Excel keeps fifteen digits."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["身份证号", "年份", "家庭纯收入"])
    for sequence in range(3):
        for year in (2014, 2015):
            book.active.append([float(resident(sequence)[:17] + "0"), year, 8000 + sequence])
    book.save(path)


REGISTER = {"level": "household", "unit": "person_id", "period": "year"}
HISTORY = """code,name,level,status,start,end,new
990001,甲县,县级,弃用,2010,2016,990003
990002,乙县,县级,弃用,2010,2016,990003
990003,丙区,县级,在用,2016,,
"""

BROKEN: dict[str, Broken] = {
    "empty file": Broken("", "EMPTY_FILE", ("county_2020.csv",), ("没有内容", "重新保存"), ("holds nothing", "save it again")),
    "header only": Broken(HEAD, "HEADER_ONLY", ("1",), ("下面没有数据",), ("no row of data",)),
    "ragged row": Broken(
        county("510811,昭化区,2014,8,000", "510811,昭化区,2015,8800", "510811,昭化区,2016,9500"), "RAGGED_ROW", ("5", "4"),
        ("第2行", "逗号"), ("line 2", "comma"),
    ),
    "wrong encoding": Broken(
        county("510811,昭化区,2014,8000").encode("gb18030") + b"\xff\xff,x,2015,1\n", "UNKNOWN_ENCODING", ("GB18030",),
        ("第3行", "另存为UTF-8"), ("line 3", "save the file as UTF-8"),
    ),
    "several sheets": Broken(two_sheets, "WHICH_SHEET", ("2014年", "2015年", "sheet: 2014年"), name="county.xlsx"),
    "password": Broken(with_password, "PASSWORD", ("county.xlsx",), ("另存一份不加密",), ("save a copy without",), name="county.xlsx"),
    "pdf called xlsx": Broken(
        b"%PDF-1.4\n1 0 obj\n", "NOT_A_TABLE", ("county.xlsx", "PDF"), ("不是表格",), ("is no table",), name="county.xlsx"
    ),
    "unknown heading": Broken(
        "区划代码,年份,人均收人\n510811,2014,8000\n", "UNKNOWN_HEADING", ("人均收人", "income_pc", "ignore:"), ("请在对照文件",), ("mapping file",)
    ),
    "ambiguous heading": Broken(
        "区划代码,年份,纳入年份\n510811,2014,2014\n", "AMBIGUOUS_HEADING", ("纳入年份", "identified_year", "treat_start"),
    ),
    "heading meant twice": Broken(
        "区划代码,年份,户籍人口,年末户籍人口\n510811,2014,20,21\n", "TWO_HEADINGS_ONE_COLUMN", ("户籍人口", "年末户籍人口", "ignore:"),
    ),
    "text in a number column": Broken(
        county("510811,昭化区,2014,八千", "510811,昭化区,2015,8800"), "UNREADABLE_NUMBER", ("八千", "农村居民人均可支配收入"),
        ("第2行", "unreadable: missing"), ("line 2", "unreadable: missing"),
    ),
    "per cent in income": Broken(
        "区划代码,年份,农村居民人均可支配收入(%)\n510811,2014,8000\n", "UNIT_MISMATCH", ("%", "元", "农村居民人均可支配收入", "unit:"),
    ),
    "same unit twice": Broken(
        county("510811,昭化区,2014,8000", "510811,昭化区,2014,8100"), "SAME_UNIT_TWICE", ("510811", "2014", "区划代码"), ("第2行", "第3行"), ("line 2", "line 3"),
    ),
    "code of five digits": Broken(
        county("51081,昭化区,2014,8000", "51081,昭化区,2015,8800"), "CODE_NOT_SIX_DIGITS", ("51081", "区划代码"), ("第2行", "六位"), ("line 2", "six digits"),
    ),
    "unit missing": Broken(
        "区划代码,年份,农村居民人均可支配收入\n510811,2014,8000\n,2015,8800\n", "KEY_MISSING", ("区划代码",), ("第3行", "补填"), ("line 3", "Fill it in")
    ),
    "year 20016": Broken(
        county("510811,昭化区,20016,8000", "510811,昭化区,2015,8800"), "YEAR_OUT_OF_RANGE", ("20016", "年份", "1949", "2100"), ("第2行",), ("line 2",)
    ),
    "year in words": Broken(
        county("510811,昭化区,去年,8000", "510811,昭化区,2015,8800"), "YEAR_UNREADABLE", ("去年", "年份", "2016"), ("第2行", "四位"), ("line 2", "four digits")
    ),
    "share of 120 per cent": Broken(
        "区划代码,年份,贫困发生率(%)\n510811,2014,120\n510811,2015,8.1\n", "SHARE_OUT_OF_RANGE", ("120", "贫困发生率"), ("第2行",), ("line 2",)
    ),
    "negative persons": Broken(
        "区划代码,年份,贫困人口\n510811,2014,-8\n510811,2015,800\n", "NEGATIVE_COUNT", ("-8", "贫困人口", "missing_codes"), ("第2行",), ("line 2",)
    ),
    "neither yes nor no": Broken(
        "户编号,年份,是否建档立卡\nH1,2014,也许\nH1,2015,是\n", "UNREADABLE_YES_NO", ("也许", "是否建档立卡", "unreadable: missing"),
        ("第2行",), ("line 2",), mapping={"level": "household", "unit": "hh_id"},
    ),
    "yes and no as one and two": Broken(
        "户编号,年份,是否建档立卡\nH1,2014,2\nH1,2015,1\n", "NOT_YES_NO", ("是否建档立卡", "missing_codes"), ("第2行",), ("line 2",),
        mapping={"level": "household", "unit": "hh_id"},
    ),
    "totals only": Broken(
        county(",合计,2014,8000", ",合  计,2015,8800"), "NO_ROWS_LEFT", ("3",), ("合计", "请核对"), ("totals", "Check")
    ),
    "two kinds of years": Broken(
        "区划代码,年份,2013年人均纯收入,2014年人均纯收入\n510811,2013,5000,5500\n", "TWO_KINDS_OF_YEARS", ("年份", "2013年人均纯收入"),
    ),
    "income across 2013": Broken(
        "区划代码,年份,家庭人均收入\n510811,2012,5000\n510811,2014,8000\n", "INCOME_DEFINITION_NEEDED", ("2012", "2014", "2013", "income_def: unknown"),
        mapping={"columns": {"家庭人均收入": "income_pc"}},
    ),
    "both definitions filled": Broken(
        "区划代码,年份,农民人均纯收入,农村居民人均可支配收入\n510811,2012,5000,5300\n510811,2013,,6000\n", "TWO_DEFINITIONS_FILLED",
        ("ignore:",), ("第2行", "不能混用"), ("line 2", "never mixed"),
    ),
    "mapped heading absent": Broken(
        county("510811,昭化区,2014,8000"), "MAPPED_HEADING_ABSENT", ("农村居民人均收入", "农村居民人均可支配收入", "columns:"),
        mapping={"columns": {"农村居民人均收入": "income_pc"}},
    ),
    "unknown mapping key": Broken(
        county("510811,昭化区,2014,8000"), "UNKNOWN_MAPPING_KEY", ("intake.yml", "colums", "columns"), mapping={"colums": {}}
    ),
    "wrong mapping value": Broken(
        county("510811,昭化区,2014,8000"), "MAPPING_NOT_ALLOWED", ("level", "township", "household"), mapping={"level": "township"}
    ),
    "unit not in the file": Broken(
        "年份,贫困发生率\n2014,8.1\n", "NO_UNIT_COLUMN", ("county_code", "贫困发生率", "columns:"),
    ),
    "year not in the file": Broken(
        "区划代码,贫困发生率\n510811,8.1\n", "NO_PERIOD_COLUMN", ("year: 2016", "贫困发生率"),
    ),
    "code in no list": Broken(
        county("990009,庚县,2014,8000", "990009,庚县,2015,8800"), "UNKNOWN_COUNTY_CODE", ("990009",), ("第2行",), ("line 2",),
        mapping={"counties": {"history": "history.csv", "to_year": 2016, "rule": {"income_pc": "drop"}}}, beside={"history.csv": HISTORY},
    ),
    "county counted twice": Broken(
        county("990001,甲县,2016,8000", "990003,丙区,2016,8800"), "COUNTY_DOUBLE_COUNTED", ("990001",), ("第2行",), ("line 2",),
        mapping={"counties": {"history": "history.csv", "to_year": 2016, "rule": {"income_pc": "drop"}}}, beside={"history.csv": HISTORY},
    ),
    "no rule for a merger": Broken(
        county("990001,甲县,2015,8000", "990002,乙县,2015,8800"), "COLUMN_WITHOUT_RULE", ("income_pc",), (), (),
        mapping={"counties": {"history": "history.csv", "to_year": 2016}}, beside={"history.csv": HISTORY},
    ),
    "rule for no column": Broken(
        county("990001,甲县,2015,8000", "990002,乙县,2015,8800"), "RULE_WITHOUT_COLUMN", ("income_pcc", "income_pc"), (), (),
        mapping={"counties": {"history": "history.csv", "to_year": 2016, "rule": {"income_pcc": "sum"}}}, beside={"history.csv": HISTORY},
    ),
    "no price index for a year": Broken(
        county("510811,昭化区,2015,8000", "510811,昭化区,2018,9800"), "PRICE_INDEX_MISSING", ("2018", "fallback: national"), (), (),
        mapping={"prices": {"base_year": 2015, "index": "prices.csv", "area": "county_code"}},
        beside={"prices.csv": "area,year,index,source,verified\n51,2015,101.5,年鉴,yes\n51,2016,101.9,年鉴,yes\n51,2017,101.4,年鉴,yes\n"},
    ),
    "ids saved as numbers, to be hashed": Broken(
        numbers_for_ids, "LOST_DIGITS_HASHED", ("身份证号",), ("文本",), ("as text",), name="register.xlsx",
        mapping={**REGISTER, "personal": {"身份证号": "hash"}, "salt_file": "salt.txt"}, beside={"salt.txt": "a secret of this test, long enough"},
    ),
    "no salt": Broken(
        "户编号,年份,家庭纯收入\nH1,2014,8000\nH1,2015,8800\n", "SALT_NEEDED", ("户编号", "salt.txt"), (), (), name="register.csv",
        mapping={"level": "household", "unit": "hh_id", "personal": {"户编号": "hash"}},
    ),
    "salt not there": Broken(
        "户编号,年份,家庭纯收入\nH1,2014,8000\nH1,2015,8800\n", "SALT_NOT_FOUND", ("slat.txt",), (), (), name="register.csv",
        mapping={"level": "household", "unit": "hh_id", "personal": {"户编号": "hash"}, "salt_file": "slat.txt"},
    ),
    "full-width commas": Broken(county("510811,昭化区,2014,8000").replace(",", "，"), "FULL_WIDTH_COMMA", ("，",)),
    "no header": Broken("510811,昭化区,2014,8000\n510811,昭化区,2015,8800\n", "UNCLEAR_HEADER", ("header_lines: [3, 4]",)),
}  # fmt: skip


def lay(broken: Broken, folder: Path) -> tuple[Path, Path]:
    """Write a broken file, its mapping and what lies beside it; return the two paths."""
    path, mapping = folder / broken.name, folder / "intake.yml"
    if callable(broken.content):
        broken.content(path)
    else:
        path.write_bytes(broken.content.encode() if isinstance(broken.content, str) else broken.content)
    mapping.write_text(yaml.safe_dump(broken.mapping or {"level": "county"}, allow_unicode=True), encoding="utf-8")
    for name, text in broken.beside.items():
        (folder / name).write_text(text, encoding="utf-8")
    return path, mapping


def halves(result: Result) -> tuple[str, str]:
    """The Chinese and the English half of what was said; both say that the file cannot be used."""
    zh, between, en = result.output.partition(catalogue("en").say("check_file.cannot"))
    assert between and zh.startswith(catalogue("zh").say("check_file.cannot"))
    return zh, en


def judge(result: Result, folder: Path) -> None:
    """A refusal ends with status 1 and says nothing that only its makers understand, nor where on this machine the file lies."""
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert "Traceback" not in result.output and "Error:" not in result.output
    assert re.findall(r"[A-Z]{3,}_[A-Z_]{2,}", result.output.replace("EVALKIT_DATABASE", "")) == []
    assert re.findall(r"\{\w*(?:![rs])?\}|\bNone\b|\bnan\b", result.output) == []
    assert str(folder) not in result.output


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_where_and_what_to_do_in_both_languages(name: str, tmp_path: Path) -> None:
    broken = BROKEN[name]
    path, mapping = lay(broken, tmp_path)
    result = runner.invoke(app, ["check", str(path), "--mapping", str(mapping)])
    judge(result, tmp_path)
    zh, en = halves(result)
    assert [fragment for fragment in (*broken.both, *broken.zh) if fragment not in zh] == []
    assert [fragment for fragment in (*broken.both, *broken.en) if fragment not in en] == []
    assert re.search("请|可以", zh)
    with pytest.raises(IntakeError) as caught:
        receive(path, mapping)
    assert caught.value.problems[0].code == broken.code


def test_there_are_many_kinds_of_broken_files_and_no_two_are_told_alike() -> None:
    codes = {broken.code for broken in BROKEN.values()}
    assert len(codes) == len(BROKEN) >= 35
    for lang in ("zh", "en"):
        assert len({catalogue(lang).sentences[f"problem.{code}"] for code in codes}) == len(codes)


@pytest.mark.parametrize(("lang", "there", "absent"), [("zh", "没有内容", "holds nothing"), ("en", "holds nothing", "没有内容")])
def test_a_refusal_in_one_language_is_in_that_language_only(lang: str, there: str, absent: str, tmp_path: Path) -> None:
    path, mapping = lay(BROKEN["empty file"], tmp_path)
    output = runner.invoke(app, ["check", str(path), "--mapping", str(mapping), "--lang", lang]).output
    assert there in output and absent not in output


@pytest.mark.parametrize("name", ["empty file", "same unit twice", "unknown mapping key", "pdf called xlsx"])
def test_receiving_a_broken_file_says_the_same_and_writes_nothing(name: str, tmp_path: Path) -> None:
    path, mapping = lay(BROKEN[name], tmp_path)
    said = runner.invoke(app, ["check", str(path), "--mapping", str(mapping)])
    result = runner.invoke(app, ["intake", str(mapping), "--data", str(path), "--out", str(tmp_path / "out")])
    judge(result, tmp_path)
    assert result.output == said.output
    assert not (tmp_path / "out").exists()


def test_every_problem_of_the_values_is_told_at_once_each_with_its_number(tmp_path: Path) -> None:
    rows = ["51081,1850,120,-3", "510811,2015,8,八百", "510811,2015,8,900"]
    broken = Broken("区划代码,年份,贫困发生率(%),贫困人口\n" + "\n".join(rows) + "\n", "")
    path, mapping = lay(broken, tmp_path)
    zh, en = halves(runner.invoke(app, ["check", str(path), "--mapping", str(mapping)]))
    for told in (zh, en):
        assert re.findall(r"^  (\d)\. ", told, flags=re.M) == list("123456")
    assert [value for value in ("51081", "1850", "120", "-3", "八百", "510811 / 2015”") if value not in zh] == []


def test_five_places_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    rows = [f"510811,昭化区,{2001 + number},不详{number}" for number in range(8)] + ["510811,昭化区,2020,8000"]
    path, mapping = lay(Broken(county(*rows), ""), tmp_path)
    zh, en = halves(runner.invoke(app, ["check", str(path), "--mapping", str(mapping)]))
    assert "有8处" in zh and "第6行" in zh and "第7行" not in zh and "另有3处" in zh
    assert "not numbers: 8." in en and "and 3 more" in en


# Personal numbers


def test_an_identity_number_in_a_column_of_money_is_never_repeated(tmp_path: Path) -> None:
    person = resident(7)
    for content in (f"{person}元整", f"户主{person}", person):
        text = county(f"510811,昭化区,2014,{content}", "510811,昭化区,2014,8800", "510811,昭化区,20016,8800")
        for personal in ({}, {"农村居民人均可支配收入": "mask"}):
            path, mapping = lay(Broken(text, "", mapping={"personal": personal}), tmp_path)
            result = runner.invoke(app, ["check", str(path), "--mapping", str(mapping)])
            assert result.exit_code == 1
            assert person not in result.output and person[6:14] not in result.output


def test_values_in_a_problem_are_masked_where_they_look_personal() -> None:
    from evalkit.intake.schema import judge_values

    person = resident(3)
    frame = pd.DataFrame({"unit": [person, person], "year": [2014.0, 2014.0], "county_code": [person, "510811"]})
    kinds = {"year": "year", "county_code": "county_code"}
    problems = judge_values(frame, kinds, "unit", "year", np.array([2, 3]), str)
    assert sorted(problem.code for problem in problems) == ["CODE_NOT_SIX_DIGITS", "SAME_UNIT_TWICE"]
    said = IntakeError(problems)
    assert person not in said.say("zh") + said.say("en") + repr(problems)


# The mapping

MAPPINGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "not YAML": ("level: county\n\tunit: x\n", "UNREADABLE_MAPPING", ("intake.yml", "2")),
    "a list": ("- level\n- unit\n", "MAPPING_WITHOUT_KEYS", ("intake.yml",)),
    "missing key": ("counties: {history: h.csv}\n", "MISSING_MAPPING_KEY", ("counties.to_year",)),
    "year in words": ("year: 2016年\n", "MAPPING_NOT_A_NUMBER", ("year", "2016年")),
    "one heading, no list": ("ignore: 备注\n", "MAPPING_NOT_A_LIST", ("ignore", "备注", "[")),
    "counties as a number": ("counties: 2020\n", "MAPPING_NOT_ENTRIES", ("counties", "2020")),
    "a number for a name": ("unit: 5\n", "MAPPING_NOT_TEXT", ("unit", "5")),
    "maybe": ("simulated: maybe\n", "MAPPING_NOT_YES_NO", ("simulated", "true")),
    "unknown way with personal data": (
        "personal: {身份证号: delete}\n",
        "MAPPING_NOT_ALLOWED",
        ("personal.身份证号", "drop, hash, mask"),
    ),
    "unit and year in one": ("unit: year\n", "UNIT_IS_PERIOD", ("unit:", "period:")),
    "unknown key of a column": (
        "columns: {收入: {name: income_pc, unti: 元}}\n",
        "UNKNOWN_MAPPING_KEY",
        ("columns.收入.unti", "unit"),
    ),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_broken_mapping_says_which_entry_and_what_it_may_be(name: str, tmp_path: Path) -> None:
    text, code, both = MAPPINGS[name]
    path, mapping = lay(Broken(county("510811,昭化区,2014,8000"), code), tmp_path)
    mapping.write_text(text, encoding="utf-8")
    result = runner.invoke(app, ["check", str(path), "--mapping", str(mapping)])
    judge(result, tmp_path)
    for told in halves(result):
        assert [fragment for fragment in both if fragment not in told] == []
    with pytest.raises(IntakeError) as caught:
        receive(path, mapping)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_a_mapping_in_another_encoding_or_not_there_is_told(tmp_path: Path) -> None:
    path, mapping = lay(Broken(county("510811,昭化区,2014,8000"), ""), tmp_path)
    mapping.write_bytes("columns: {收入: income_pc}\n".encode("gb18030"))
    zh, en = halves(runner.invoke(app, ["check", str(path), "--mapping", str(mapping)]))
    assert "UTF-8" in zh and "save it as UTF-8" in en
    zh, en = halves(runner.invoke(app, ["check", str(path), "--mapping", str(tmp_path / "intaek.yml")]))
    assert "intaek.yml" in zh and "intake.yml" in zh and "evalkit init" in en
