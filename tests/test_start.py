"""`evalkit init`: what it writes for a new file can be used as it stands, says what it guessed, and gives nobody away."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import evalkit as ek
from evalkit.cli import app
from evalkit.intake import receive
from evalkit.intake.mapping import Mapping
from evalkit.places import shared
from evalkit.start import FILES, begin
from evalkit.study import Study

sys.path.insert(0, str(Path(__file__).parent / "intake"))
import layouts

runner = CliRunner()
YEARBOOK = shared("data", "demo", "as_received", "county_yearbook.csv")


def resident(month: int, sequence: int) -> str:
    """An identity number of nobody: born in 1900, with a valid check digit."""
    body = f"5108111900{month:02d}01{sequence:03d}"
    weights = [pow(2, 17 - position, 11) for position in range(17)]
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def register(path: Path) -> list[str]:
    """Write a household register with planted personal data; return everything of it that must never get out."""
    rows, secret = ["户编号,户主姓名,身份证号,联系电话,年份,家庭人均纯收入,备注"], []
    for number in range(12):
        person, phone = resident(number % 12 + 1, number), f"139{number:08d}"
        rows += [
            f"H{number:03d},甲某{number},{person},{phone},{year},{3000 + 10 * number + year},{phone}的亲戚" for year in (2014, 2015)
        ]
        secret += [person, phone, f"甲某{number}"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return secret


def tidy(path: Path) -> None:
    path.write_bytes(shared("data", "demo", "counties.csv").read_bytes())


# A file of each kind, and what is expected of the mapping: level, unit, rows of the panel.
SOURCES = {
    "yearbook.csv": (lambda path: path.write_bytes(YEARBOOK.read_bytes()), "county", "county_code"),
    "counties.csv": (tidy, "county", "county_code"),
    "printed.xls": (layouts.printed_xls, "county", "county_code"),
    "register.csv": (register, "household", "hh_id"),
}


@pytest.fixture(scope="module", params=SOURCES)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """The name of a source, the file, and the folder that was begun for it beside it."""
    place = tmp_path_factory.mktemp("begun")
    SOURCES[request.param][0](place / request.param)
    result = runner.invoke(app, ["init", str(place / "new"), "--data", str(place / request.param)])
    assert result.exit_code == 0, result.output
    assert [Path(line).name for line in result.output.split()] == list(FILES)
    return request.param, place / request.param, place / "new"


def test_the_mapping_that_was_written_reads_the_file(begun: tuple[str, Path, Path]) -> None:
    name, file, folder = begun
    mapping = Mapping.from_yaml(folder / "intake.yml")
    assert [mapping.level, mapping.unit] == list(SOURCES[name][1:])
    received = receive(file, folder / "intake.yml")
    assert len(received.frame) == received.ledger.rows_out > 0


def test_the_study_that_was_written_names_the_file_and_columns_of_the_panel(begun: tuple[str, Path, Path]) -> None:
    _, file, folder = begun
    study = Study.from_yaml(folder / "study.yml")
    frame = receive(file, folder / "intake.yml").frame
    assert study.data is not None and (folder / study.data).resolve() == file.resolve()
    assert {study.unit, study.period, study.outcome} <= set(frame)
    assert study.window == (frame["year"].min(), frame["year"].max())


def test_every_guess_is_marked_in_both_languages(begun: tuple[str, Path, Path]) -> None:
    _, _, folder = begun
    lines = (folder / "intake.yml").read_text(encoding="utf-8").splitlines()
    for key in ("level", "unit", "period"):
        assert any(line.startswith(f"{key}:") and "← 请核对 | please confirm" in line for line in lines)
    study = (folder / "study.yml").read_text(encoding="utf-8").splitlines()
    marked = {line.split(":")[0].strip() for line in study if "←" in line and not line.startswith("#")}
    assert marked >= {"title", "programme", "outcome", "window", "treatment"}


def test_lines_behind_a_mark_can_be_switched_on_one_by_one(begun: tuple[str, Path, Path], tmp_path: Path) -> None:
    """Taking the # away gives a mapping or study that still parses: no line stands at the wrong depth."""
    _, file, folder = begun
    for name in ("intake.yml", "study.yml"):
        text = (folder / name).read_text(encoding="utf-8")
        optional = [number for number, line in enumerate(text.splitlines()) if re.match(r"\s*#[^\s#]", line)]
        assert optional
        assert isinstance(yaml.safe_load(switched_on(text)), dict)
    whole = switched_on((folder / "intake.yml").read_text(encoding="utf-8"))
    mapping = Mapping.parse(yaml.safe_load(whole))
    assert mapping.prices is not None and mapping.missing_codes == (-8, -9)
    only_columns = re.sub(r"(?m)^  #(?=\S)", "  ", (folder / "intake.yml").read_text(encoding="utf-8"))
    again = receive(file, Mapping.parse(yaml.safe_load(only_columns)))
    pd.testing.assert_frame_equal(again.frame, receive(file, folder / "intake.yml").frame)


def switched_on(text: str) -> str:
    """A mapping with every optional line switched on; prose is "# " and stays a comment."""
    return re.sub(r"(?m)^(\s*)#(?=\S|  +\w+:|    \w)", r"\1", text)


def test_the_files_say_nothing_of_this_machine(begun: tuple[str, Path, Path]) -> None:
    _, file, folder = begun
    for name in FILES:
        assert str(file.parent) not in (folder / name).read_text(encoding="utf-8")


def test_no_name_and_no_number_of_a_person_reaches_the_files(tmp_path: Path) -> None:
    secret = register(tmp_path / "register.csv")
    result = runner.invoke(app, ["init", str(tmp_path / "new"), "--data", str(tmp_path / "register.csv")])
    text = result.output + "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir())
    assert [value for value in secret if value in text] == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    layouts.printed_xls(tmp_path / "a.xls")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "study.yml").write_text("mine\n")
    result = runner.invoke(app, ["init", str(tmp_path / "new"), "--data", str(tmp_path / "a.xls")])
    assert result.exit_code == 1 and "study.yml" in result.output
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {"study.yml": "mine\n"}


@pytest.mark.parametrize(
    ("content", "zh", "en"),
    [
        (b"", "没有内容", "holds nothing"),
        (b"%PDF-1.7 ...", "不是表格", "is no table"),
        ("县名,收入\n".encode(), "没有数据", "no row of data"),
        (None, "没有找到文件", "There is no file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_nothing_is_written(
    content: bytes | None, zh: str, en: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    result = runner.invoke(app, ["init", str(tmp_path / "new"), "--data", str(tmp_path / "a.csv")])
    assert result.exit_code == 1 and zh in result.output and en in result.output
    assert "Traceback" not in result.output and not (tmp_path / "new").exists()


def test_a_sheet_that_was_asked_for_stands_in_the_mapping(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for title in ("说明", "数据"):
        sheet = book.create_sheet(title)
        for row in (["区划代码", "年份", "人均可支配收入"], ["510811", 2014, 8000], ["510811", 2015, 8100]):
            sheet.append(row)
    del book["Sheet"]
    book.save(tmp_path / "a.xlsx")
    refused = runner.invoke(app, ["init", str(tmp_path / "new"), "--data", str(tmp_path / "a.xlsx")])
    assert refused.exit_code == 1 and "说明" in refused.output
    begin(tmp_path / "new", tmp_path / "a.xlsx", "数据")
    assert Mapping.from_yaml(tmp_path / "new" / "intake.yml").sheet == "数据"
    assert len(receive(tmp_path / "a.xlsx", tmp_path / "new" / "intake.yml").frame) == 2


def test_headings_that_yaml_would_read_otherwise_survive(tmp_path: Path) -> None:
    """Colons, marks and words such as yes and null: a heading in the written mapping is the heading of the file."""
    odd = ["备注: 说明", "#编号", "yes", "- 其他", "[甲]", "'引'号", "null"]
    (tmp_path / "a.csv").write_text(
        ",".join(["区划代码", "年份", *odd]) + "\n" + "".join(f"510811,{y},a,b,c,d,e,f,g\n" for y in (2014, 2015))
    )
    begin(tmp_path / "new", tmp_path / "a.csv")
    assert sorted(Mapping.from_yaml(tmp_path / "new" / "intake.yml").ignore) == sorted(odd)
    assert len(receive(tmp_path / "a.csv", tmp_path / "new" / "intake.yml").frame) == 2


def test_columns_and_labels_that_yaml_would_read_otherwise_survive(tmp_path: Path) -> None:
    """A unit called NO is not false, and a label with a comma is one label."""
    rows = "".join(f"{unit},{year},{year - 1900}\n" for unit in "ab" for year in (2014, 2015))
    (tmp_path / "a.csv").write_text("NO,年份,第一产业增加值（万元）\n" + rows, encoding="utf-8")
    begin(tmp_path / "new", tmp_path / "a.csv")
    assert Mapping.from_yaml(tmp_path / "new" / "intake.yml").unit == "NO"
    study = Study.from_yaml(tmp_path / "new" / "study.yml")
    assert (study.unit, study.cluster, study.outcome) == ("NO", "NO", "va_primary")
    assert study.outcome_word.en == "value added, primary sector"
    assert list(receive(tmp_path / "a.csv", tmp_path / "new" / "intake.yml").frame)[:2] == ["NO", "year"]


def test_a_heading_of_two_meanings_is_named_with_both(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("区划代码,年份,纳入年份\n510811,2014,2014\n510811,2015,2014\n", encoding="utf-8")
    begin(tmp_path / "new", tmp_path / "a.csv")
    text = (tmp_path / "new" / "intake.yml").read_text(encoding="utf-8")
    assert "纳入年份 → identified_year / treat_start" in text
    assert isinstance(yaml.safe_load(switched_on(text)), dict)


def test_columns_of_a_county_table_are_summed_or_averaged_as_what_they_are(tmp_path: Path) -> None:
    """Persons and products add up; what is said per head does not, also where the dictionary knows it from households."""
    head = "区划代码,年份,户籍人口,地区生产总值,农村居民人均可支配收入,工资性收入\n"
    (tmp_path / "a.csv").write_text(head + "510811,2014,20,900000,8000,3000\n510811,2015,20,950000,8100,3100\n")
    begin(tmp_path / "new", tmp_path / "a.csv")
    rule = yaml.safe_load(switched_on((tmp_path / "new" / "intake.yml").read_text(encoding="utf-8")))["counties"]["rule"]
    assert rule == {
        "pop_registered": "sum",
        "gdp": "sum",
        "income_pc": "mean by pop_registered",
        "income_wage": "mean by pop_registered",
    }


# From a new file to a result


def fill_events(folder: Path, frame: pd.DataFrame) -> None:
    """Write the events by hand: a third of the counties start in 2016, a third in 2018."""
    units = np.sort(frame["county_code"].unique())
    rows = [f"{unit},产业扶贫,到账,{2016 if k % 3 == 0 else 2018},,某文件" for k, unit in enumerate(units) if k % 3 < 2]
    with (folder / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder begun for the yearbook, with counties followed through their changes and events filled in."""
    folder = tmp_path_factory.mktemp("ready") / "new"
    begin(folder, YEARBOOK)
    text = (folder / "intake.yml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^#(?=counties:|  \w+:|    \w)", "", text)
    (folder / "intake.yml").write_text(text, encoding="utf-8")
    (folder / "county_history.csv").write_bytes(shared("data", "demo", "county_history.csv").read_bytes())
    fill_events(folder, receive(YEARBOOK, folder / "intake.yml").frame)
    return folder


def test_a_study_without_events_says_what_is_missing(tmp_path: Path) -> None:
    begin(tmp_path / "new", YEARBOOK)
    result = runner.invoke(app, ["check", str(tmp_path / "new" / "study.yml")])
    assert result.exit_code == 1 and "events" in result.output and "Traceback" not in result.output


def test_with_events_filled_in_the_study_can_be_checked_and_evaluated(ready: Path) -> None:
    """One figure of the yearbook is hidden, so the study must say what to do with a county that lacks a year."""
    refused = runner.invoke(app, ["check", str(ready / "study.yml")])
    assert refused.exit_code == 1 and "pairwise" in refused.output
    pairwise(ready)
    result = runner.invoke(app, ["check", str(ready / "study.yml")])
    assert result.exit_code == 0, result.output
    assert "这项研究可以运行。" in result.output and "The study can be run." in result.output
    found = ek.evaluate(ek.Study.from_yaml(ready / "study.yml"), folder=ready)
    assert [cohort.units for cohort in found.cohorts] == [33, 33]
    assert np.isfinite(found.headline.percent.estimate)


def pairwise(folder: Path) -> None:
    """Switch on the line of the study that says what to do with counties that lack a year."""
    text = (folder / "study.yml").read_text(encoding="utf-8")
    (folder / "study.yml").write_text(text.replace("#unbalanced:", "unbalanced:"), encoding="utf-8")


@pytest.mark.slow
def test_the_study_runs_to_its_reports(ready: Path, tmp_path: Path) -> None:
    pairwise(ready)
    result = runner.invoke(app, ["run", str(ready / "study.yml"), "--lang", "zh", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (folder,) = (path.parent for path in tmp_path.glob("*/manifest.json"))
    assert {"report.zh.html", "data.zh.html", "findings.json", "manifest.json"} <= {path.name for path in folder.iterdir()}
    assert "模拟数据" in (folder / "report.zh.html").read_text(encoding="utf-8")
