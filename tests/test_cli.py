"""The command line: what a county office types, and what it reads when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evalkit import __version__
from evalkit.cli import app
from evalkit.places import shared

runner = CliRunner()
STUDIES = shared("notebooks", "studies")


def test_the_version_is_told():
    assert runner.invoke(app, ["--version"]).output.strip() == f"evalkit {__version__}"


def test_help_is_in_both_languages_and_names_every_command():
    output = runner.invoke(app, ["--help"]).output
    assert all(command in output for command in ("demo", "run", "check")) and "评估" in output


def test_help_loads_nothing_heavy():
    code = "import sys; from typer.testing import CliRunner; from evalkit.cli import app; CliRunner().invoke(app, ['--help']); "
    code += "print(sorted({'numpy', 'pandas', 'scipy', 'matplotlib', 'papermill', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_check_of_a_study_says_who_is_compared_with_whom():
    result = runner.invoke(app, ["check", str(STUDIES / "industry.yml")])
    assert result.exit_code == 0
    assert "99 county x 10 periods (2013-2022), 990 rows" in result.output and "2016 (20), 2017 (20), 2018 (19)" in result.output


def test_check_of_data_names_the_columns_that_identify_a_row():
    result = runner.invoke(app, ["check", str(STUDIES / "../../data/demo/counties.csv")])
    assert result.exit_code == 0 and "unit: county_key, period: year" in result.output


def test_a_mistake_ends_with_one_line_and_status_one(tmp_path):
    result = runner.invoke(app, ["check", str(STUDIES / "industrie.yml")])
    assert result.exit_code == 1
    assert "StudyError" in result.output and "industry.yml" in result.output and "Traceback" not in result.output


def test_a_study_that_cannot_run_is_refused_before_a_kernel_starts(tmp_path):
    result = runner.invoke(app, ["run", str(STUDIES / "chongqing_land_coupon.yml"), "--out", str(tmp_path)])
    assert result.exit_code == 1 and "--data PATH" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, Path]:
    """The industry study run twice into two folders."""
    folders = []
    for name in ("first", "second"):
        out = tmp_path_factory.mktemp(name)
        result = runner.invoke(app, ["run", str(STUDIES / "industry.yml"), "--out", str(out)])
        assert result.exit_code == 0, result.output
        folders.append(next(out.iterdir()))
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
    from evalkit.cli import Language, _run_all

    bad = tmp_path / "bad.yml"
    good = tmp_path / "good.yml"
    text = (STUDIES / "industry.yml").read_text(encoding="utf-8")
    text = text.replace("../../data/demo/counties.csv", str(shared("data", "demo", "counties.csv")))
    good.write_text(text, encoding="utf-8")
    bad.write_text(text.replace("outcome: income", "outcome: incme"), encoding="utf-8")
    with pytest.raises(typer.Exit):
        _run_all([bad, good], None, Language.zh, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("report.zh.html"))) == 1
