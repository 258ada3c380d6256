"""The command line: what a county office types, and what it reads when something is wrong."""

import json
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evalkit import __version__
from evalkit.cli import app
from evalkit.errors import StudyError
from evalkit.intake.observations import IntakeError
from evalkit.places import shared

runner = CliRunner()
STUDIES = shared("notebooks", "studies")


def test_the_version_is_told():
    assert runner.invoke(app, ["--version"]).output.strip() == f"evalkit {__version__}"


def test_help_is_in_both_languages_and_names_every_command():
    output = runner.invoke(app, ["--help"]).output
    assert all(command in output for command in ("demo", "run", "site", "check", "init", "intake")) and "评估" in output


def test_help_loads_nothing_heavy():
    code = "import sys; from typer.testing import CliRunner; from evalkit.cli import app; CliRunner().invoke(app, ['--help']); "
    code += "print(sorted({'numpy', 'pandas', 'scipy', 'matplotlib', 'papermill', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


STUDY = {
    "zh": ("99个单位（县）× 10期（2013—2022年），990行", "2016 (20), 2017 (20), 2018 (19)", "这项研究可以运行。"),
    "en": (
        "99 units (county) x 10 periods (2013-2022), 990 rows",
        "2016 (20), 2017 (20), 2018 (19)",
        "not Two groups, two periods: Treatment starts in 3 periods (2016 to 2018)",
        "The study can be run.",
    ),
}
DATA = {
    "zh": (
        "99个单位（county_code），13期（2010—2022年），共1,287行，每个单位每期都有",
        "county_key → county_code",
        "没有待核实的问题。",
    ),
    "en": ("Units: 99 (county_code); periods: 13 (2010-2022); rows: 1,287", "county_key → county_code", "No question is open."),
}
YEARBOOK = {
    "zh": (
        "文件共119行，去掉48行",
        "去掉1行：合计行（第5行）",
        "income_pc：1处被星号等遮盖（第23行）",
        "请数据提供方核实",
        "请核实",
    ),
    "en": (
        "119 in the file, 48 left",
        "1 left: row of totals (lines: 5)",
        "income_pc: 1 hidden by asterisks",
        "To ask the owner of the data",
        "?",
    ),
}
AS_RECEIVED = shared("data", "demo", "as_received")


@pytest.mark.parametrize("lang", ["both", "zh", "en"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (STUDIES / "industry.yml", STUDY),
        (shared("data", "demo", "counties.csv"), DATA),
        (AS_RECEIVED / "county_yearbook.csv", YEARBOOK),
    ],
    ids=["study", "tidy", "yearbook"],
)
def test_check_tells_of_a_study_or_a_file_in_the_languages_asked_for(path: Path, expected: dict[str, tuple[str, ...]], lang: str):
    result = runner.invoke(app, ["check", str(path), "--lang", lang])
    assert result.exit_code == 0, result.output
    for code, fragments in expected.items():
        said = [fragment for fragment in fragments if fragment in result.output]
        assert said == list(fragments) if lang in ("both", code) else fragments[-1] not in said and fragments[0] not in said
    if lang == "en" and expected is STUDY:
        assert not re.search("[\u4e00-\u9fff]", result.output)


def test_check_says_both_languages_unless_one_is_asked_for():
    result = runner.invoke(app, ["check", str(STUDIES / "industry.yml")])
    assert all(fragment in result.output for fragments in STUDY.values() for fragment in fragments)


def test_check_names_what_a_study_compares_with_in_words():
    for lang, words in (("zh", "尚未纳入"), ("en", "not yet or never covered")):
        output = runner.invoke(app, ["check", str(STUDIES / "industry.yml"), "--lang", lang]).output
        assert words in output and "not_yet_treated" not in output


def test_check_of_data_without_a_mapping_says_that_it_guessed_and_how_to_write_it_down():
    output = runner.invoke(app, ["check", str(shared("data", "demo", "counties.csv"))]).output
    assert "初步判断" in output and "evalkit guessed" in output and "evalkit init" in output
    assert "distance_km" in output  # a heading that was not recognised is said to be left out


def test_check_with_a_mapping_guesses_nothing():
    mapping = AS_RECEIVED / "intake.yml"
    result = runner.invoke(app, ["check", str(AS_RECEIVED / "county_yearbook.csv"), "--mapping", str(mapping), "--lang", "en"])
    assert result.exit_code == 0 and "guessed" not in result.output
    assert "Units: 99 (county_code)" in result.output


def test_check_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (STUDIES / "industry.yml", AS_RECEIVED / "county_yearbook.csv"):
        assert runner.invoke(app, ["check", str(path.resolve())]).exit_code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lang", "said", "unsaid"), [("zh", "没有找到文件", "There is no file"), ("en", "There is no file", "没有找到文件")]
)
def test_a_problem_is_told_in_the_language_asked_for(lang: str, said: str, unsaid: str):
    result = runner.invoke(app, ["check", str(AS_RECEIVED / "county_yaerbook.csv"), "--lang", lang])
    assert result.exit_code == 1 and said in result.output and unsaid not in result.output
    assert "county_yearbook.csv" in result.output  # the nearest name


def test_a_sheet_can_be_named(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for title, income in (("甲", 8000), ("乙", 9000)):
        sheet = book.create_sheet(title)
        for row in (["区划代码", "年份", "人均可支配收入"], ["510811", 2014, income], ["510811", 2015, income]):
            sheet.append(row)
    del book["Sheet"]
    book.save(tmp_path / "a.xlsx")
    assert runner.invoke(app, ["check", str(tmp_path / "a.xlsx")]).exit_code == 1
    assert runner.invoke(app, ["check", str(tmp_path / "a.xlsx"), "--sheet", "乙"]).exit_code == 0
    unknown = runner.invoke(app, ["check", str(tmp_path / "a.xlsx"), "--sheet", "丙"])
    assert unknown.exit_code == 1 and "丙" in unknown.output and "甲" in unknown.output


def test_a_study_whose_file_cannot_be_received_tells_the_problems_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("区划代码,年份,农村居民人均可支配收入\n51081,2015,八千\n", encoding="utf-8")
    (tmp_path / "intake.yml").write_text("level: county\n", encoding="utf-8")
    text = (STUDIES / "industry_as_received.yml").read_text(encoding="utf-8")
    text = text.replace("../../data/demo/as_received/county_yearbook.csv", "a.csv").replace("../../data/demo/as_received/", "")
    (tmp_path / "study.yml").write_text(text, encoding="utf-8")
    result = runner.invoke(app, ["check", str(tmp_path / "study.yml")])
    assert result.exit_code == 1
    assert "八千" in result.output and "六位" in result.output and "six digits" in result.output


def test_a_mistake_ends_with_one_line_and_status_one(tmp_path):
    result = runner.invoke(app, ["check", str(STUDIES / "industrie.yml")])
    assert result.exit_code == 1
    assert "StudyError" in result.output and "industry.yml" in result.output and "Traceback" not in result.output


def test_a_study_that_cannot_run_is_refused_before_a_kernel_starts(tmp_path):
    result = runner.invoke(app, ["run", str(STUDIES / "chongqing_land_coupon.yml"), "--out", str(tmp_path)])
    assert result.exit_code == 1 and "--data PATH" in result.output
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert folder.name == "chongqing_land_coupon-failed" and [path.name for path in folder.iterdir()] == ["failure.json"]


@pytest.fixture(autouse=True)
def no_glossary(monkeypatch):
    """The page that lists all reports without the glossary beside it, which takes seconds and has tests of its own."""
    from evalkit.batch import running

    monkeypatch.setattr(running, "_site", lambda out: out / "index.html")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--resume"),
        (["--resume", "--county", "all"], "name the studies too"),
        (["--resume"], "no record of an earlier batch"),
        ([str(STUDIES / "industry.yml"), "--formats", "html,doc"], "Did you mean 'docx'"),
        ([str(STUDIES / "industry.yml"), "--county", "99012"], "no county '99012'. Nearest: 9901"),
        ([str(STUDIES)], "不是研究文件"),
        ([str(STUDIES.parent / "10_intervention_effect.ipynb")], "is no study. A study is a .yml file"),
        ([str(STUDIES / "industry.yml"), "--county", "甲水"], "没有“甲水”这个县。相近的有：990122 甲水县"),
        ([str(STUDIES / "industry.yml"), "--county", " ，"], "--county says nothing"),
        ([str(STUDIES / "industry.yml"), "--formats", ""], "--formats 后面没有写内容"),
    ],
)
def test_what_cannot_be_asked_for_ends_with_status_two(tmp_path, arguments: list[str], said: str):
    result = runner.invoke(app, ["run", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


def test_lists_may_be_written_with_chinese_commas():
    from evalkit.cli import _counties, _listed

    assert _listed("510811，510812、 510813,", "county") == ("510811", "510812", "510813") and _listed(None, "county") == ()
    assert _counties("５１０８１１,510811 ，甲水县") == ("510811", "甲水县") and _counties("甲水县,ALL") == ("all",)


def test_the_page_of_all_reports_can_be_written_and_served(tmp_path, monkeypatch):
    from evalkit import site

    served = []
    monkeypatch.setattr(site, "write_site", lambda out: out / "index.html")
    monkeypatch.setattr(site, "serve", lambda out, port: served.append((out, port)))
    assert runner.invoke(app, ["site", "--out", str(tmp_path)]).output.strip() == str(tmp_path / "index.html")
    assert not served
    assert runner.invoke(app, ["site", "--out", str(tmp_path), "--serve", "--port", "0"]).exit_code == 0
    assert served == [(tmp_path, 0)]


ID = "110101190001010006"  # made up
RECEIVED = "区划代码,县名,年份,农村居民人均可支配收入\n510811,昭化区,2014,8000\n510811,昭化区,2015,8800\n"


def intake_run(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "intake.yml", written: str = "", stops: str = "") -> Path:
    """Run an intake whose notebook writes a text, and may stop; return the folder of results."""
    from evalkit import run
    from evalkit.batch import making
    from evalkit.batch.notebook import Stop

    def execute(template: Path, target: Path, parameters: dict[str, object], names: dict[str, str]) -> Stop | None:
        target.write_text(written, encoding="utf-8")
        (target.parent / "figure.png").write_bytes(b"\x89PNG")
        return Stop("StudyError", stops) if stops else None

    monkeypatch.setattr(making, "execute", execute)
    (folder / "a.csv").write_text(RECEIVED, encoding="utf-8")
    (folder / name).write_text("level: county\n", encoding="utf-8")
    run.run_intake(folder / name, folder / "a.csv", out=folder / "out")
    return folder / "out"


def nothing_but_a_message(out: Path) -> bool:
    """Whether all that is left of a run is the file that says why, without the number."""
    (said,) = (path for path in out.rglob("*") if path.is_file())
    return said.name == "failure.json" and ID not in said.read_text(encoding="utf-8")


def test_the_manifest_is_searched_for_personal_numbers_too(tmp_path, monkeypatch):
    with pytest.raises(IntakeError, match=r"manifest\.json"):
        intake_run(tmp_path, monkeypatch, f"{ID}.yml")
    assert nothing_but_a_message(tmp_path / "out")


def test_the_notebook_of_a_failure_is_searched_for_personal_numbers(tmp_path, monkeypatch):
    with pytest.raises(IntakeError) as caught:
        intake_run(tmp_path, monkeypatch, written=f"row {ID}", stops=f"line {ID}")
    assert nothing_but_a_message(tmp_path / "out") and ID not in "".join(traceback.format_exception(caught.value))


def test_the_notebook_of_a_failure_is_kept_when_nothing_personal_is_in_it(tmp_path, monkeypatch):
    with pytest.raises(StudyError, match="no reason"):
        intake_run(tmp_path, monkeypatch, written="{}", stops="no reason")
    assert [path.name for path in (tmp_path / "out").rglob("*.ipynb")] == ["data_intake.ipynb"]


def test_the_manifest_says_which_files_were_not_searched(tmp_path, monkeypatch):
    (manifest,) = intake_run(tmp_path, monkeypatch).rglob("manifest.json")
    assert json.loads(manifest.read_text(encoding="utf-8"))["not_searched"] == {"png": 1}


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, Path]:
    """The industry study run twice into two folders."""
    folders = []
    for name in ("first", "second"):
        out = tmp_path_factory.mktemp(name)
        result = runner.invoke(app, ["run", str(STUDIES / "industry.yml"), "--out", str(out)])
        assert result.exit_code == 0, result.output
        folders.append(next(out.glob("industry-*")))
    return folders[0], folders[1]


@pytest.mark.slow
def test_a_run_leaves_reports_findings_tables_figures_notebook_and_manifest(twice):
    files = {p.relative_to(twice[0]).as_posix() for p in twice[0].rglob("*") if p.is_file()}
    assert {"report.zh.html", "report.en.html", "findings.json", "manifest.json", "notebook.ipynb"} <= files
    assert any(f.startswith("tables/") for f in files) and any(f.startswith("figures/") for f in files)


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_except_the_manifest(twice):
    first, second = twice
    assert first.name == second.name
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file() and p.name != "manifest.json")
    assert names == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file() and p.name != "manifest.json")
    assert [n for n in names if (first / n).read_bytes() != (second / n).read_bytes()] == []


@pytest.mark.slow
def test_the_manifest_says_what_went_in(twice):
    manifest = json.loads((twice[0] / "manifest.json").read_text(encoding="utf-8"))
    assert {"run_id", "inputs", "outputs", "versions", "seed", "git_commit", "study"} <= set(manifest)
    assert set(manifest["inputs"]) == {"industry.yml", "counties.csv", "10_intervention_effect.ipynb"}


@pytest.mark.slow
def test_every_file_made_from_simulated_data_says_so(twice):
    for path in twice[0].rglob("*"):
        if path.suffix in {".html", ".csv", ".svg"}:
            text = path.read_text(encoding="utf-8-sig")
            assert "模拟数据" in text or "imulated" in text, path


@pytest.mark.slow
def test_nothing_of_this_machine_is_in_a_report(twice):
    home = str(Path(__file__).parents[1])
    for path in twice[0].rglob("*"):
        if path.suffix in {".html", ".csv", ".svg", ".json", ".ipynb"} and path.name != "manifest.json":
            assert home not in path.read_text(encoding="utf-8-sig"), path


@pytest.mark.slow
def test_a_broken_file_keeps_the_others_going(tmp_path):
    bad = tmp_path / "bad.yml"
    good = tmp_path / "good.yml"
    text = (STUDIES / "industry.yml").read_text(encoding="utf-8")
    text = text.replace("../../data/demo/counties.csv", str(shared("data", "demo", "counties.csv")))
    good.write_text(text, encoding="utf-8")
    bad.write_text(text.replace("outcome: income", "outcome: incme"), encoding="utf-8")
    result = runner.invoke(app, ["run", str(bad), str(good), "--lang", "zh", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "incme" in result.output
    assert len(list((tmp_path / "out").rglob("report.zh.html"))) == 1
