"""The brief reads what is stored, estimates nothing, and keeps what the locality wrote."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.case_records import Case, Standing
from evalkit.demo_results import STUDIES
from evalkit.demo_results import stored as found_now
from evalkit.dossier_records import Check, Dossier
from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.places import shared
from evalkit.records import Remark
from evalkit.study import Words
from evalkit.supervision.brief import brief
from evalkit.supervision.brief_records import Brief, Checked, Placed
from evalkit.who_records import GroupFound as WhoGroup
from evalkit.who_records import Groups, WhoGains

Run = Callable[..., Path]


def slot_of(folder: Path, study: str = "industry") -> Path:
    return folder.parent / "responses" / study / "response.md"


def test_no_module_of_estimation_is_loaded_while_a_brief_is_made(run: Run, ledger: Any, line: Any) -> None:
    folder, table = run(), ledger(*(line(n) for n in range(5)))
    code = (
        "import sys\nfrom evalkit.supervision.brief import brief\nfrom evalkit.report import brief_files, brief_page\n"
        f"made = brief({str(folder)!r}, {str(table)!r}, sites=28)\n"
        "brief_files.drawn(made, brief_page.compose(made, 'zh'), narrow=False)\n"
        "estimating = ('evalkit.estimators', 'evalkit.evaluation', 'evalkit.diagnostics', 'evalkit.design')\n"
        "print(sorted(name for name in sys.modules if name.startswith(estimating)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_stored_stands_in_the_brief_as_it_is(run: Run, stored: Findings) -> None:
    made = brief(run())
    assert made.runs[0].findings == stored
    assert Brief.model_validate_json(made.model_dump_json()) == made


def test_the_same_folders_give_the_same_bytes(run: Run) -> None:
    folder = run()
    assert brief(folder).model_dump_json() == brief(folder).model_dump_json()


def test_what_does_not_lie_beside_the_findings_was_not_computed(run: Run) -> None:
    (only,) = brief(run()).runs
    assert only.checks == only.groups == only.case == NotTold(reason="not_computed")


def test_a_dossier_beside_the_findings_is_counted(run: Run, stored: Findings) -> None:
    folder = run()
    verdicts = ["pass", "pass", "doubt", "fail", "not_applicable"]
    checks = [
        Check(rule=f"R{n}", name="x", verdict=verdict, statistic=Remark(code="X", facts={}), made_by="f")
        for n, verdict in enumerate(verdicts, 1)
    ]
    (folder / "dossier.json").write_text(Dossier(findings=stored, checks=checks).model_dump_json(), encoding="utf-8")
    assert brief(folder).runs[0].checks == Checked(passed=2, doubt=1, fail=1, not_applicable=1, named=["R3", "R4"])


def test_the_parts_of_the_change_add_up_to_it(run: Run) -> None:
    rise = brief(run()).runs[0].rise
    assert not isinstance(rise, NotTold)
    assert sum(part.amount for part in rise.parts) == pytest.approx(rise.after - rise.before)


def test_the_stored_results_of_the_demo_are_what_its_study_finds_now() -> None:
    for name in STUDIES:
        kept = json.loads(shared("notebooks", "stored_results", name, "findings.json").read_text(encoding="utf-8"))
        assert alike(kept, json.loads(found_now(name).model_dump_json())) == []


def alike(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two records differ by more than the last digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [p for key in one | other for p in alike(one.get(key, "-"), other.get(key, "-"), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [p for place, pair in enumerate(zip(one, other, strict=True)) for p in alike(*pair, f"{path}[{place}]")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if one == pytest.approx(other, rel=1e-6, abs=1e-9) else [path]
    return [] if one == other else [path]


def test_a_slot_is_made_once_and_survives_runs_made_again(run: Run, stored: Findings) -> None:
    folder = run()
    assert brief(folder).response.status == "awaited"
    slot = slot_of(folder)
    slot.write_text(slot.read_text(encoding="utf-8") + "我县认为数据基本符合实际。\n\n另：2019年有旱灾。\n", encoding="utf-8")
    before = slot.read_bytes()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()  # a run made again replaces its folder whole
    again = run("industry-new", run_id="industry-new")
    response = brief(again).response
    assert slot.read_bytes() == before
    assert response.paragraphs == ["我县认为数据基本符合实际。", "另：2019年有旱灾。"]
    assert response.to_runs == [stored.run_id]
    assert not response.of_these_runs


def test_a_response_is_shown_as_it_is_written(run: Run, tmp_path: Path) -> None:
    given = tmp_path / "desk" / "answer.md"
    given.parent.mkdir()
    given.write_text("# 意见\n数字 *偏高* 5%。\n", encoding="utf-8")
    made = brief(run(), response=given, stage="final").response
    assert (made.status, made.paragraphs) == ("received", ["# 意见", "数字 *偏高* 5%。"])


def test_a_response_that_names_a_telephone_is_refused_without_it(run: Run, tmp_path: Path) -> None:
    given = tmp_path / "answer.md"
    given.write_text("联系人电话13812345678", encoding="utf-8")
    with pytest.raises(ReportError, match=r"response answer\.md holds what looks personal \(.+: 1\)") as refused:
        brief(run(), response=given)
    assert "13812345678" not in str(refused.value)


def test_a_final_brief_needs_the_response_or_that_there_is_none(run: Run) -> None:
    folder = run()
    with pytest.raises(ReportError, match=r"responses/industry/response.md holds nothing yet. .*response='none_received'"):
        brief(folder, stage="final")
    assert brief(folder, response="none_received", stage="final").response.status == "none_received"
    slot_of(folder).write_text("有意见", encoding="utf-8")
    with pytest.raises(ReportError, match="cannot be 'none_received'"):
        brief(folder, response="none_received", stage="final")
    assert brief(folder, stage="final").response.status == "received"


def test_a_response_that_is_not_there_is_told_and_not_made(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"There is no response .*answr\.md.*leave --response out"):
        brief(run(), response=tmp_path / "answr.md")
    assert not (tmp_path / "answr.md").exists()


def test_sites_without_a_ledger_are_told(run: Run) -> None:
    with pytest.raises(ReportError, match=r"--sites.*none is given"):
        brief(run(), sites=6)


def test_findings_that_were_changed_after_the_run_are_refused(run: Run) -> None:
    folder = run()
    content = (folder / "findings.json").read_bytes()
    listed = {"outputs": {"findings.json": hashlib.sha256(content).hexdigest()}}
    (folder / "manifest.json").write_text(json.dumps(listed), encoding="utf-8")
    assert brief(folder).runs
    (folder / "findings.json").write_bytes(content.replace(b'"level"', b'"level" '))
    with pytest.raises(ReportError, match=r"findings\.json is not as the run wrote it.*Run the study again"):
        brief(folder)


def test_a_response_that_is_not_utf_8_is_refused(run: Run, tmp_path: Path) -> None:
    given = tmp_path / "answer.md"
    given.write_bytes("我县认为".encode("gb18030"))
    with pytest.raises(ReportError, match=r"answer\.md is not UTF-8"):
        brief(run(), response=given)


def test_simulated_results_and_real_ones_do_not_share_a_brief(run: Run) -> None:
    folders = [run(), run("real", run_id="real-1", simulated=False)]
    with pytest.raises(ReportError, match=r"Simulated results .* and real ones .real-1. do not belong into one brief"):
        brief(folders)


def test_bad_folders_are_told(run: Run, tmp_path: Path) -> None:
    good = run()
    (tmp_path / "outputs" / "empty").mkdir()
    with pytest.raises(ReportError, match=f"The folder empty holds no findings.json.*Folders beside it that do: {good.name}"):
        brief(tmp_path / "outputs" / "empty")
    with pytest.raises(ReportError, match="stands twice"):
        brief([good, good])
    with pytest.raises(ReportError, match="at least one run"):
        brief([])
    with pytest.raises(ReportError, match=r"There is no stage 'finished'. .*Allowed: draft, final"):
        brief(good, stage="finished")  # type: ignore[arg-type]
    (good / "findings.json").write_text('{"run_id": "x", "headlines": {}}', encoding="utf-8")
    with pytest.raises(ReportError, match=r"is not what this version writes: .* and .* more. Run the study again"):
        brief(good)
    (good / "findings.json").write_text("{", encoding="utf-8")
    with pytest.raises(ReportError, match="is no JSON"):
        brief(good)
    (good / "findings.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ReportError, match="holds no record"):
        brief(good)


def test_a_case_beside_the_findings_tells_its_place_alone(run: Run, stored: Findings) -> None:
    folder = run()
    standing = {
        "first": 2015, "until": (2018, 2022), "growth": 0.4, "median": 0.3, "below": 33, "units": 40, "percentile": 82.5, "growths": [0.1],
    }  # fmt: skip
    case = Case(
        findings=stored, unit="990124", start=2016, base=2015, standing=[Standing(**standing)], matched=[],
        not_matched=NotTold(reason="refused"), chosen=None, remarks=[],
    )  # fmt: skip
    (folder / "case.json").write_text(case.model_dump_json(), encoding="utf-8")
    assert brief(folder).runs[0].case == Placed(name="990124", below=0.825)


def test_groups_beside_the_findings_are_told_with_the_reason_where_there_is_no_figure(run: Run, stored: Findings) -> None:
    folder = run()
    common = {"column": "c", "treated_units": 9, "comparison_units": 9, "treated_clusters": 9, "comparison_clusters": 9}
    word = Words(zh="有劳动力", en="with labour")
    rows = [
        WhoGroup(name="one", word=word, found=stored.headline, **common),
        WhoGroup(name="two", word=word, found=NotTold(reason="too_few"), **common),
    ]
    absent = NotTold(reason="county_means")
    gains = WhoGains(
        findings=stored, groups=Groups(rows=rows, differences=[], without_value={}), deciles=absent, poverty=absent, village=absent
    )
    (folder / "who.json").write_text(gains.model_dump_json(), encoding="utf-8")
    groups = brief(folder).runs[0].groups
    assert isinstance(groups, list)
    assert [group.effect for group in groups] == [stored.headline.money, NotTold(reason="too_few")]
