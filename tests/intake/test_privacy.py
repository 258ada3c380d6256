"""Personal data are found, removed and never shown; ordinary numbers are left alone. Every number here is made up: sequence 000, or zeros."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.codes import table
from evalkit.intake import receive, summarise
from evalkit.intake.mapping import Mapping
from evalkit.intake.observations import IntakeError, Place, Problem, Question
from evalkit.intake.personal_patterns import MASK, recognise, safe
from evalkit.intake.privacy import Personal, find_personal, personal_heading, question_lost_digits
from evalkit.intake.protection import protect, read_salt, unsigned
from evalkit.report import write_intake
from evalkit.words import LANGUAGES, catalogue

WEIGHTS = [2 ** (17 - place) % 11 for place in range(17)]
SALT = b"0123456789abcdef"
PROVINCES = sorted(table("provinces")["code"])


def identity(area: str = "110101", born: str = "19000101", sequence: str = "000") -> str:
    """Return a made-up identity number with its check digit, after the formula of GB 11643 (the sum of all 18 is 1 modulo 11)."""
    first = area + born + sequence
    return first + next(
        c
        for c in "0123456789X"
        if (sum(int(d) * w for d, w in zip(first, WEIGHTS, strict=True)) + (10 if c == "X" else int(c))) % 11 == 1
    )


def card(first: str = "62000000000000000") -> str:
    """Return a made-up card number with Luhn's check digit, digit by digit."""
    for check in "0123456789":
        doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(first + check))]
        if sum(d // 10 + d % 10 for d in doubled) % 10 == 0:
            return first + check
    raise AssertionError


ID, PHONE, OLD_ID, CARD = identity(), "13800000000", "110101490101000", card()
WITH_X = next(identity(sequence=f"{n:03d}") for n in range(100) if identity(sequence=f"{n:03d}").endswith("X"))
PLANTED = {
    "id": [
        ID,
        WITH_X,
        WITH_X.lower(),
        ID.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        f"{ID[:6]} {ID[6:14]} {ID[14:]}",
        OLD_ID,
    ],
    "phone": [
        PHONE,
        "138-0000-0000",
        "138 0000 0000",
        "+86 13800000000",
        "+8613800000000",
        "１３８００００００００",
        "电话：0870-2345678",
        "Tel.13800000000",
    ],
    "account": [
        CARD,
        card("620000000000000"),
        " ".join(CARD[i : i + 4] for i in range(0, 18, 4)),
        f"卡号{card('400000000000000')}",
    ],
}
EVERY = [(what, text) for what, texts in PLANTED.items() for text in texts]


def one(values: list[object], heading: str = "备注", dtype: str = "str") -> tuple[Personal, ...]:
    return find_personal(pd.DataFrame({0: pd.Series(values, dtype=dtype)}), [heading])


@pytest.mark.parametrize(("what", "text"), EVERY)
def test_a_planted_number_is_found_inside_a_remark_and_alone(what: str, text: str) -> None:
    for remark in (f"该户{text}，已核实", text, f"（{text}）", f"因病致贫\n{text}\n"):
        found = one(["无", remark, None])
        assert [(column.what, column.count, column.rows) for column in found] == [(what, 1, (1,))], remark


chinese = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=8).filter(
    lambda text: not text.startswith(tuple("元万亿公千吨亩平"))
)
days = st.dates(date(1900, 1, 1), date.today()).map(lambda day: day.strftime("%Y%m%d"))
areas = st.builds(lambda province, rest: f"{province}{rest:04d}", st.sampled_from(PROVINCES), st.integers(0, 9999))


@given(areas, days, st.integers(0, 999), chinese, chinese)
@settings(max_examples=200, deadline=None)
def test_every_valid_identity_number_is_found_in_any_chinese_text(
    area: str, born: str, sequence: int, before: str, after: str
) -> None:
    number = identity(area, born.zfill(8), f"{sequence:03d}")
    assert [span.what for span in recognise(before + number + after)] == ["id"]
    assert number not in safe(before + number + after)


@given(st.lists(st.decimals(0, 10**13, places=2).map(str), min_size=1, max_size=50))
@settings(deadline=None)
def test_amounts_of_money_are_never_personal(amounts: list[str]) -> None:
    assert one(amounts, "数额") == ()
    assert not any(recognise(f"{amount.split('.')[0]}元") for amount in amounts)
    assert one([float(amount) for amount in amounts], "总产值(元)", "float64") == ()


def test_ordinary_columns_are_left_alone() -> None:
    generator = np.random.default_rng(7)
    columns = {
        "县代码": [f"5306{i:02d}" for i in range(100)],
        "村代码": [f"530602{i:06d}" for i in range(100001, 100201)],
        "户编号": [f"990526-{i % 9:02d}-{i:03d}" for i in range(200)],
        "国家户编号": [f"5306021002{i:06d}" for i in range(200)],
        "甘肃户编号": [f"621125100201{i:04d}" for i in range(200)],
        "老户编号": [f"530602100201{i:03d}" for i in range(200)],
        "年份": ["2016", "2017"],
        "日期": ["2016-12-31", "20161231"],
        "时间": ["20161231123000", "1482451200000", "2016-12-31 12:30:00"],
        "生产总值": [str(number) for number in generator.integers(10**9, 10**11, 300)],
        "总额": ["13812345678", "15912345678"],
        "摘要": [
            "e3b0c44298fc1c149afb13812345678f",
            "0.13812345678",
            "13812345678.5",
            "￥13812345678",
            "13812345678元",
            "138 2345 6789 2345",
        ],
        "固定电话用户(户)": ["120345", "98234"],
        "手机": ["1", "0"],
        "是否有身份证": ["是", "否"],
        "电话普及率": ["12.5", "13.1"],
        "name": ["漳县", "海原县"],
        "户主": ["1", "0"],
    }
    for heading, values in columns.items():
        assert one(values, heading) == (), heading
    numbers = {"gdp": [13812345678, 9876543210, 22222222222, 1], "population": [312912.0, np.nan], "growth": [0.1, 0.13812345678]}
    for heading, values in numbers.items():
        frame = pd.DataFrame({heading: values})
        assert find_personal(frame, [heading]) == (), heading


@pytest.mark.parametrize("break_it", ["check digit", "birthday", "future", "province"])
def test_an_identity_number_needs_its_province_its_birthday_and_its_check_digit(break_it: str) -> None:
    wrong = {
        "check digit": ID[:-1] + str((int(ID[-1]) + 1) % 10),
        "birthday": identity(born="19000230"),
        "future": identity(born=(date.today() + timedelta(days=2)).strftime("%Y%m%d")),
        "province": identity(area="990101"),
    }[break_it]
    assert recognise(f"编号{wrong}。") == []


def test_headings_say_what_a_column_holds() -> None:
    said = {
        "name": ["姓名", "姓 名", "户主", "户主姓名", "家庭成员", "基本情况|姓名", "name", "成员1姓名", "姓名(户主)*"],
        "id": ["身份证号", "身份证号码", "证件号码", "id_card", "ID_CARD", "公民身份号码", "身份證號碼"],
        "phone": ["联系电话", "手机", "手机号码", "电话", "phone", "mobile", "household_phone", "電(diàn)話(huà)"],
        "account": ["银行账号", "银行卡号", "一卡通账号", "开户行账号", "bank_account", "账 号"],
        "address": ["家庭住址", "门牌号", "地址"],
    }
    for what, headings in said.items():
        assert {heading: personal_heading(heading) for heading in headings} == dict.fromkeys(headings, what)
    plain = "县名 村名 地区名称 乡镇名称 项目名称 户编号 开户行 家庭成员数 与户主关系 一卡通补贴金额 automobile county_name 固定电话用户 通电话村数 户主收入 账户余额 收入"
    assert [heading for heading in plain.split() if personal_heading(heading)] == []


def test_neither_a_finding_nor_a_record_carries_a_value() -> None:
    cells = pd.DataFrame({0: ["张某甲"], 1: [ID], 2: [f"电话{PHONE}"], 3: ["2350"]})
    headings = ["户主", "编码", "备注", f"列{PHONE}"]
    found = find_personal(cells, headings)
    left, record = protect(cells, headings, found, {"编码": "hash", "备注": "mask"}, salt=SALT)
    said = [sentence for lang in LANGUAGES for sentence in (r.say(catalogue(lang)) for r in record.removed)]
    everything = repr(found) + str(record) + str(said) + left.to_csv()
    for secret in ("张某甲", ID, PHONE, SALT.decode()):
        assert secret not in everything
    assert record.headings == ("编码", "备注", f"列{MASK}") and record.kept == (1, 2, 3)
    assert [(r.heading, r.what, r.way, r.count) for r in record.removed] == [
        ("户主", "name", "drop", 1),
        ("编码", "id", "hash", 1),
        ("备注", "phone", "mask", 1),
    ]


@pytest.mark.parametrize("way", ["drop", "hash", "mask"])
def test_after_protecting_nothing_is_found_and_no_planted_number_survives(way: str) -> None:
    remarks = [f"第{n}户{text}说明{other}" for n, (_, text) in enumerate(EVERY) for _, other in EVERY[:3]]
    cells = pd.DataFrame(
        {
            0: pd.Series(remarks, dtype="str"),
            1: pd.Series([int(ID)] * len(remarks)),
            2: pd.Series([PHONE, "0"] * (len(remarks) // 2) + [None] * (len(remarks) % 2), dtype="str"),
            3: pd.Series(["赵某", None] * (len(remarks) // 2) + ["钱某"] * (len(remarks) % 2), dtype="str"),
            4: pd.Series([float(PHONE)] * len(remarks)),
        }
    )
    headings = ["备注", "编号", "联系电话", "户主姓名", "联络"]
    found = find_personal(cells, headings)
    left, record = protect(cells, headings, found, dict.fromkeys(headings, way), salt=SALT)
    assert find_personal(left, record.headings) == ()
    written = left.to_csv()
    for _, text in EVERY:
        assert text not in written
    assert "赵某" not in written and len(left) == len(cells)
    assert list(left.columns) == list(range(len(record.headings)))


def test_hashes_follow_the_person_and_the_salt_whatever_the_order() -> None:
    cells = pd.DataFrame({0: pd.Series([ID, WITH_X, ID, None, WITH_X.lower(), f" {ID} "], dtype="str")})
    found = find_personal(cells, ["证件号"])

    def hashed(frame: pd.DataFrame, salt: bytes) -> pd.Series:
        return protect(frame, ["证件号"], found, {"证件号": "hash"}, salt=salt)[0][0]

    first = hashed(cells, SALT)
    assert (
        first[0] == first[2] == first[5]
        and first[1] == first[4] != first[0]
        and first.isna().tolist() == [False] * 3 + [True] + [False] * 2
    )
    assert first.drop(3).str.fullmatch("[0-9a-f]{16}").all()
    other = hashed(cells, b"another salt of yours")
    assert set(first.dropna()).isdisjoint(other.dropna())
    backwards = hashed(cells.iloc[::-1], SALT)
    pd.testing.assert_series_equal(backwards.sort_index(), first)


def test_numbers_and_texts_of_one_identifier_get_one_hash() -> None:
    as_text, as_number = pd.DataFrame({0: [PHONE]}), pd.DataFrame({0: [float(PHONE)]})
    hashes = [
        protect(frame, ["电话"], find_personal(frame, ["电话"]), {"电话": "hash"}, salt=SALT)[0].iloc[0, 0]
        for frame in (as_text, as_number)
    ]
    assert hashes[0] == hashes[1]


def problems(error: pytest.ExceptionInfo[IntakeError]) -> list[str]:
    assert all(error.value.say(lang) for lang in LANGUAGES)
    return [problem.code for problem in error.value.problems]


def test_hashing_needs_a_salt_of_the_users_own(tmp_path, monkeypatch) -> None:
    cells = pd.DataFrame({0: [ID]})
    found = find_personal(cells, ["证件号"])
    with pytest.raises(IntakeError, match=r"secrets\.token_hex") as error:
        protect(cells, ["证件号"], found, {"证件号": "hash"})
    assert problems(error) == ["SALT_NEEDED"]
    with pytest.raises(IntakeError) as error:
        protect(cells, ["证件号"], found, {"证件号": "hash"}, salt="short")
    assert problems(error) == ["SALT_TOO_SHORT"] and "short" not in repr(error.value.problems).replace("TOO_SHORT", "")
    (tmp_path / "salt.txt").write_text(SALT.decode() + "\n")
    monkeypatch.setenv("OUR_SALT", SALT.decode())
    assert read_salt(str(tmp_path / "salt.txt")) == read_salt("env:OUR_SALT") == SALT
    for source in (str(tmp_path / "none.txt"), "env:NO_SUCH_SALT"):
        with pytest.raises(IntakeError) as error:
            read_salt(source)
        assert problems(error) == ["SALT_NOT_FOUND"] and str(tmp_path) not in str(error.value)


def test_what_cannot_be_done_is_refused_all_at_once() -> None:
    cells = pd.DataFrame({0: [ID]})
    with pytest.raises(IntakeError) as error:
        protect(cells, ["证件号"], find_personal(cells, ["证件号"]), {"证件号": "burn", "证件号码": "drop"})
    assert problems(error) == ["PRIVACY_WAY_UNKNOWN", "PRIVACY_HEADING_ABSENT"]
    assert "“证件号”列的处理方式“burn”" in error.value.say("zh") and 'column "证件号" is unknown: "burn"' in error.value.say("en")


def test_headings_are_listed_in_the_readers_language() -> None:
    cells = pd.DataFrame({0: [ID], 1: [PHONE]})
    headings = ["证件号", "电话"]
    with pytest.raises(IntakeError) as error:
        protect(cells, headings, find_personal(cells, headings), dict.fromkeys(headings, "hash"))
    assert "证件号、电话" in error.value.say("zh") and "证件号 and 电话" in error.value.say("en")


@pytest.mark.parametrize("secret", [ID, PHONE, CARD])
def test_no_observation_can_show_a_personal_number(secret: str) -> None:
    row = f"甲,{secret},2350"
    place = Place(3, f"列{secret}", row)
    facts = {"name": row, "found": [row, (secret,)], "by": {secret: 1}, "expected": 3}
    question = Question.at("ENTRY_ERROR", [place], **facts)
    everything = repr(question) + str(question.facts) + "".join(place.say(catalogue(lang)) for lang in LANGUAGES)
    assert secret not in everything and MASK in everything and question.facts["expected"] == 3
    for lang in LANGUAGES:
        said = Problem("PRIVACY_WAY_UNKNOWN", {"heading": row, "way": row}, (place,), 1).say(catalogue(lang))
        assert secret not in said and MASK in said


def test_the_evidence_of_an_observation_without_personal_data_stays_the_same() -> None:
    question = Question.at("OUTLIER", [Place(3, "人均", "2350")], a=3, b=["x"], c={1: 2})
    assert question.evidence == "Q-d7b1bc6c"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"填表人：张某 联系电话：{PHONE}", []),
        ("单位负责人：李某  统计负责人：王某  填表人：张某", []),
        ("填 表 人 张某", []),
        ("审核人张某", []),
        ("填表人（签字）:", []),
        ("Tel: 0931-8000000", []),
        ("表3-5 各县收入 制表人：张某", ["表3-5 各县收入"]),
        ("注：不含市辖区。联系电话 8000000", ["注：不含市辖区。"]),
        (f"注：如有疑问请致{PHONE}", [f"注：如有疑问请致{MASK}"]),
    ],
)
def test_signatures_around_a_table_are_left_out_and_counted(line: str, left: list[str]) -> None:
    kept, signed = unsigned([line, "注：本表为快报数。"])
    assert kept == [*left, "注：本表为快报数。"] and signed == (MASK not in "".join(left))


@pytest.mark.parametrize(
    "line",
    [
        "注：审核后数据以年鉴为准。",
        "填报单位：某县统计局",
        "各村负责人数和电话用户数",
        "制表日期：2016年",
        "Hotel: 3",
        "表3-5 各县收入",
    ],
)
def test_other_lines_around_a_table_stay(line: str) -> None:
    assert unsigned([line]) == ([line], 0)


@pytest.mark.parametrize(
    "values",
    [[float(f"53060219000{month}010001") for month in range(1, 9)], ["5.30602E+17"] * 3, ["530602190001010000"] * 2],
)
@pytest.mark.parametrize("heading", ["身份证号", "编码"])
def test_identity_numbers_read_as_numbers_are_said_to_be_destroyed_and_never_hashed(values: list[object], heading: str) -> None:
    cells = pd.DataFrame({0: pd.Series(values)})
    found = find_personal(cells, [heading])
    assert [(column.what, column.digits_lost, column.count) for column in found] == [("id", True, len(values))]
    (question,) = question_lost_digits(found, np.arange(3, 3 + len(values)))
    assert (
        question.code == "ID_DIGITS_LOST"
        and question.places[0].line == 3
        and all(question.say(catalogue(lang)) for lang in LANGUAGES)
    )
    with pytest.raises(IntakeError) as error:
        protect(cells, [heading], found, {heading: "hash"}, salt=SALT)
    assert problems(error) == ["LOST_DIGITS_HASHED"]
    left, record = protect(cells, [heading], found)
    assert left.shape == (len(values), 0) and record.headings == ()


def test_a_column_that_nobody_found_can_be_dropped_by_choice() -> None:
    cells = pd.DataFrame({0: ["甲", "乙"], 1: ["1", "2"]})
    left, record = protect(cells, ["外号", "数"], (), {"外号": "drop"})
    assert left.shape == (2, 1) and record.removed[0].what == "chosen" and record.removed[0].count == 2
    assert all(record.removed[0].say(catalogue(lang)) for lang in LANGUAGES)


def test_a_file_without_personal_data_stays_as_it_is() -> None:
    cells = pd.DataFrame({0: ["甲县", None], 1: [1.5, np.nan]})
    left, record = protect(cells, ["县名", "收入"], find_personal(cells, ["县名", "收入"]))
    pd.testing.assert_frame_equal(left, cells)
    assert record.removed == ()


def test_odd_columns_are_looked_at_too() -> None:
    frame = pd.DataFrame(
        {
            "a": pd.Series([PHONE, 1, None], dtype=object),
            "b": pd.Series([PHONE, "x", None], dtype="category"),
            "c": pd.to_datetime(["2016-01-01", None, None]),
            "d": [True, False, True],
            "e": pd.Series([int(ID), None, 3], dtype="Int64"),
            "f": [None, None, None],
        }
    )
    assert [(column.heading, column.what) for column in find_personal(frame, list(frame.columns))] == [
        ("a", "phone"),
        ("b", "phone"),
        ("e", "id"),
    ]
    assert find_personal(pd.DataFrame({0: pd.Series([], dtype="str")}), ["姓名"]) == ()


def test_a_hundred_thousand_rows_of_ten_texts_are_searched_in_a_third_of_a_second() -> None:
    rows = 100_000
    texts = (
        [f"云南省昭通市昭阳区第{i % 3000}村" for i in range(rows)],
        [f"530602{i:06d}" for i in range(rows)],
        [f"{i}.25" for i in range(rows)],
    )
    cells = pd.DataFrame({k: pd.Series(texts[k % 3], dtype="str") for k in range(10)})
    cells.iloc[777, 3] = f"电话{PHONE}"
    spent = []
    for _ in range(3):
        start = time.process_time()
        found = find_personal(cells, [f"列{k}" for k in range(10)])
        spent.append(time.process_time() - start)
    assert [(column.position, column.rows) for column in found] == [(3, (777,))]
    assert min(spent) < 0.3


def test_the_record_and_the_page_hold_no_signature(tmp_path: Path) -> None:
    county = "区划代码,县名,年份,农村居民人均可支配收入\n510811,昭化区,2014,8000\n510811,昭化区,2015,8800\n"
    text = f"某市各县收入 制表人：张某甲\n{county}注：本表为快报数。\n填表人：张某甲 联系电话：{PHONE}\n单位负责人：李某乙,,,\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    record = summarise(receive(tmp_path / "a.csv", Mapping.parse({"level": "county"})))
    assert (record.source.title, record.source.notes) == ("某市各县收入", ["注：本表为快报数。"])
    for lang in LANGUAGES:
        write_intake(record, tmp_path / "out", lang)
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.html")) + record.model_dump_json()
    assert not any(secret in written for secret in ("张某甲", "李某乙", PHONE))
    assert all(catalogue(lang).say("notice.SIGNATURES_LEFT_OUT", lines=3) in written for lang in LANGUAGES)


def _resident(sequence: int = 7) -> str:
    body = f"510811190003010{sequence:02d}"
    weights = [pow(2, 17 - position, 11) for position in range(17)]
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


@pytest.mark.parametrize(
    "written",
    [
        "残疾证号{id}44",
        "{id}01",
        "{a}.{b}.{c}",
        "{a}_{b}_{c}",
        "{a}  {b}  {c}",
        "微信号VX13900000001",
        "qq13900000001",
        "139.0000.0001",
    ],
)
def test_numbers_written_in_unusual_ways_are_hidden_too(written: str) -> None:
    number = _resident()
    text = written.format(id=number, a=number[:6], b=number[6:14], c=number[14:])
    hidden = safe(text)
    assert "1900" not in hidden and "0000" not in hidden
    assert find_personal(pd.DataFrame({0: [text]}), ["备注"])
