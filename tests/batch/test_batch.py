"""A batch of reports: what is made, what is left alone, what fails and stops nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_world import COUNTIES, World, contents

from evalkit.batch import running
from evalkit.batch.jobs import Asked
from evalkit.batch.ledger import last_asked
from evalkit.batch.refusal import Refusal
from evalkit.batch.running import Batch, run_batch
from evalkit.errors import EvalkitError, StudyError

ID = "110101190001010006"  # made up


def run(world: World, *studies: Path, jobs: int = 1, force: bool = False, **asked: object) -> Batch:
    return run_batch(Asked(studies, **asked), world.out, jobs, force=force)


def statuses(batch: Batch) -> list[str]:
    return [row.status for row in batch.rows]


def failure(batch: Batch, number: int = 0) -> dict:
    return json.loads((batch.out / batch.rows[number].folder / "failure.json").read_text(encoding="utf-8"))


def test_what_is_done_is_not_repeated_until_something_it_depends_on_changes(world):
    one = world.study("one")
    first = run(world, one)
    assert statuses(first) == ["done"]
    before = contents(world.out)
    assert statuses(run(world, one)) == ["unchanged"] and contents(world.out) == before
    assert statuses(run(world, one, force=True)) == ["done"] and contents(world.out) == before
    folder = world.out / first.rows[0].folder
    (folder / "report.zh.html").write_text("changed by hand", encoding="utf-8")
    assert statuses(run(world, one)) == ["done"] and contents(world.out) == before
    (folder / "report.zh.html").unlink()
    assert statuses(run(world, one)) == ["done"] and contents(world.out) == before
    world.write_notebook("1 + 1")
    assert statuses(run(world, one)) == ["done"]
    assert statuses(run(world, one, languages=("zh",))) == ["done"]
    assert not (folder / "report.en.html").exists()  # what was not asked for does not stand beside what was
    assert statuses(run(world, one, formats=("html", "pdf"))) == ["done"]
    with (world.folder / "counties.csv").open("a", encoding="utf-8") as data:
        data.write("510809,壬县,2018,9000,0\n510809,壬县,2017,9000,0\n")
    changed = run(world, world.study("one", unbalanced="drop_units"))
    assert statuses(changed) == ["done"] and changed.rows[0].run_id != first.rows[0].run_id


def test_evalkit_itself_is_one_of_the_things_a_report_depends_on(world, monkeypatch):
    from evalkit.batch import key

    one = world.study("one")
    monkeypatch.setattr(key, "source_digest", lambda: "yesterday")
    run(world, one)
    monkeypatch.setattr(key, "source_digest", lambda: "today")
    assert statuses(run(world, one)) == ["done"]


def test_where_the_files_lie_changes_nothing(tmp_path, world):
    other = World(tmp_path / "elsewhere")
    for one in (world, other):
        run(one, one.study("one"))
    assert contents(world.out) == contents(other.out)
    keys = {json.loads(next(one.out.glob("*/manifest.json")).read_text())["key"] for one in (world, other)}
    assert len(keys) == 1
    assert not [name for name, content in contents(other.out).items() if str(tmp_path).encode() in content]


def test_a_report_that_fails_stops_nobody_and_says_why(world):
    batch = run(world, world.study("bad", "fail 坏了"), world.study("good"), world.folder / "gone.yml")
    assert statuses(batch) == ["failed", "done", "failed"]
    said = failure(batch)
    assert (
        said["kind"] == "ValueError" and said["message"]["zh"].startswith("坏了 in bad-") and said["notebook"] == "notebook.ipynb"
    )
    assert said["title"] == {"zh": "题", "en": "fail 坏了"} and said["programme"]["en"] == "industry support"
    notebook = (batch.out / batch.rows[0].folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert "ValueError: 坏了" in notebook and str(world.folder) not in notebook
    assert {path.name for path in (batch.out / batch.rows[0].folder).iterdir()} == {"notebook.ipynb", "failure.json"}
    lost = failure(batch, 2)
    assert batch.rows[2].folder == "gone-failed" and lost["kind"] == "StudyError" and lost["notebook"] is None
    assert "good.yml" in lost["message"]["en"] and str(world.folder) not in lost["message"]["en"]


def test_a_failure_is_tried_again_and_forgotten_when_it_is_mended(world):
    bad, broken = world.study("bad", "fail x"), world.folder / "broken.yml"
    broken.write_text("name: [", encoding="utf-8")
    first = run(world, bad, broken)
    assert statuses(first) == ["failed", "failed"] and (world.out / "broken-failed").is_dir()
    assert statuses(run(world, bad, broken)) == ["failed", "failed"]
    world.study("bad")
    broken.write_text(world.study("whole").read_text(encoding="utf-8"), encoding="utf-8")
    assert statuses(run(world, bad, broken)) == ["done", "done"]
    assert not (world.out / "broken-failed").exists()


def test_the_same_run_that_failed_leaves_no_failure_when_it_succeeds(world):
    one = world.study("one", f"once {world.folder / 'first'}")
    world.write_notebook('if not Path("seen").exists():\n    Path("seen").touch()\n    raise OSError("once")')
    failed = run(world, one)
    assert statuses(failed) == ["failed"]
    mended = run(world, one)
    assert statuses(mended) == ["done"] and mended.rows[0].folder == failed.rows[0].folder
    assert not (world.out / mended.rows[0].folder / "failure.json").exists()


def test_a_report_that_cannot_be_made_again_takes_nothing_from_the_one_that_stands(world):
    one = world.study("one")
    before = run(world, one)
    kept = contents(world.out)
    world.write_notebook('raise KeyError("later")')
    failed = run(world, one)
    folder = before.rows[0].folder
    assert statuses(failed) == ["failed"] and failed.rows[0].folder == f"{folder}-failed"
    assert kept.items() <= contents(world.out).items() and (world.out / folder / "manifest.json").is_file()
    assert f"{folder}-failed/notebook.ipynb" in failed.rows[0].cure["en"]
    world.write_notebook()
    assert statuses(run(world, one)) == ["unchanged"] and contents(world.out) == kept
    world.write_notebook(f'(folder / "list.txt").write_text("身份证号 {ID}")')
    assert statuses(run(world, one)) == ["failed"]
    assert [path.name for path in (world.out / folder).iterdir()] == ["failure.json"]


def test_counties_are_reports_of_their_own(world):
    one = world.study("one")
    batch = run(world, one, county=("all",))
    treated = [code for place, code in enumerate(COUNTIES) if place % 2 == 0]
    assert [row.job.county for row in batch.rows] == treated and set(statuses(batch)) == {"done"}
    assert batch.rows[1].job.name == "one 510802 丙县"
    (folder,) = world.out.glob("one-510802-*")
    assert (folder / "report.zh.html").read_text(encoding="utf-8") == "one 510802 zh html"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["county"] == {"code": "510802", "name": "丙县"}
    again = run(world, one, county=("510802",))
    assert statuses(again) == ["unchanged"]


def test_a_county_that_no_study_has_is_refused_before_anything_is_written(world):
    with pytest.raises(StudyError, match=r"no county '510803x'. Nearest: .*Allowed: 510800 甲县, 510802 丙县") as caught:
        run(world, world.study("one"), world.folder / "gone.yml", county=("510800", "510803x"))
    assert caught.value.say("zh").startswith("没有“510803x”这个县")
    assert [path.name for path in world.out.glob("*")] == [".lock"]


def test_a_county_may_be_given_by_its_name_or_twice(world):
    batch = run(world, world.study("one"), county=("丙县", "510802", "甲县"))
    assert [(row.job.county, row.job.county_name) for row in batch.rows] == [("510802", "丙县"), ("510800", "甲县")]
    assert statuses(batch) == ["done", "done"] and len(list(world.out.glob("one-5108*"))) == 2


def test_a_county_that_one_study_of_two_lacks_fails_there_alone(world):
    data = (world.folder / "counties.csv").read_text(encoding="utf-8").splitlines()
    fewer = [line for line in data if "丙县" not in line]
    (world.folder / "fewer.csv").write_text("\n".join(fewer) + "\n", encoding="utf-8")
    batch = run(world, world.study("one"), world.study("two", data="fewer.csv"), county=("丙县",))
    assert statuses(batch) == ["done", "failed"] and "没有“丙县”这个县" in failure(batch, 1)["message"]["zh"]


def test_a_county_without_a_name_is_called_by_its_code_once(world):
    batch = run(world, world.study("one", county_name=None), county=("510802",))
    assert batch.rows[0].job.name == "one 510802"


def test_a_study_without_counties_says_what_to_add(world):
    batch = run(world, world.study("one", county=None, county_name=None), county=("all",))
    assert statuses(batch) == ["failed"] and "Add county:" in failure(batch)["message"]["en"]


def test_a_parameter_that_the_notebook_does_not_have_is_refused_before_a_kernel_starts(world):
    path = world.notebooks / "10_intervention_effect.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("languages = ", "langs = "), encoding="utf-8")
    batch = run(world, world.study("one"))
    assert statuses(batch) == ["failed"]
    assert "no parameter 'languages'. Did you mean 'langs'" in failure(batch)["message"]["en"]
    assert failure(batch)["notebook"] is None


def test_a_format_that_does_not_exist_is_refused():
    with pytest.raises(EvalkitError, match=r"no format 'doc'. Did you mean 'docx'.*Allowed: html, pdf, docx"):
        Asked((Path("a.yml"),), formats=("doc",))


def test_an_interrupt_while_the_list_of_reports_is_written_is_told_like_any_other(world, monkeypatch):
    def stopped(out):
        raise running.Interrupted(2)

    monkeypatch.setattr(running, "_site", stopped)
    batch = run(world, world.study("one"))
    assert (statuses(batch), batch.signal, batch.site) == (["done"], 2, None) and world.record()["state"] == "interrupted"


def test_a_disk_that_is_full_when_the_list_of_reports_is_written_is_told_in_words(world, monkeypatch):
    def full(out):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, "_site", full)
    with pytest.raises(Refusal, match="every finished report is kept"):
        run(world, world.study("one"))


def test_nothing_asked_is_refused(world):
    with pytest.raises(EvalkitError, match="nothing to make"):
        run(world)


def test_two_files_that_say_the_same_are_one_report(world):
    one = world.study("one")
    assert statuses(run(world, one, one.parent / ".." / one.parent.name / "one.yml")) == ["done"]


def test_a_kernel_that_dies_is_replaced_once_and_the_others_go_on(world):
    studies = world.study("dies", "die"), world.study("recovers", f"once {world.folder / 'seen'}"), world.study("good")
    batch = run(world, *studies)
    assert statuses(batch) == ["failed", "done", "done"]
    said = failure(batch)
    assert said["kind"] == "BatchError" and "ended twice" in said["message"]["en"] and "两次" in said["message"]["zh"]
    assert said["notebook"] == "notebook.ipynb"


def test_a_report_with_personal_numbers_is_dropped(world):
    batch = run(
        world, world.study("person", "person 身份证号 " + ID), world.study("quotes", "fail 身份证号 " + ID), world.study("good")
    )
    assert statuses(batch) == ["failed", "failed", "done"]
    everything = b"".join(path.read_bytes() for path in world.out.rglob("*") if path.is_file())
    assert ID.encode() not in everything
    for number in (0, 1):
        assert [path.name for path in (world.out / batch.rows[number].folder).iterdir()] == ["failure.json"]
        assert failure(batch, number)["kind"] == "IntakeError" and "身份证" in failure(batch, number)["message"]["zh"]


def test_the_record_says_what_was_asked_and_what_became_of_each(world):
    asked = Asked((world.study("one"), world.study("bad", "fail x")), languages=("zh",), formats=("html",))
    batch = run_batch(asked, world.out)
    record = world.record()
    assert record["state"] == "finished" and record["counts"] == {"done": 1, "unchanged": 0, "failed": 1, "interrupted": 0}
    assert record["asked"]["studies"] == ["../one.yml", "../bad.yml"] and record["asked"]["formats"] == ["html"]
    assert [(row["study"], row["status"], row["run_id"]) for row in record["rows"]] == [
        (row.job.label, row.status, row.run_id) for row in batch.rows
    ]
    assert record["rows"][0]["key"] == json.loads(next(world.out.glob("one-*/manifest.json")).read_text())["key"]
    assert record["rows"][1]["reason"]["en"].startswith("x in bad-")
    again, options = last_asked(world.out)
    assert [path.resolve() for path in again.studies] == list(asked.studies) and again.languages == ("zh",)
    assert options == {"jobs": 1, "scheduler": None}


def test_there_is_nothing_to_go_on_with_in_a_folder_without_a_batch(tmp_path):
    with pytest.raises(Refusal, match="no record of an earlier batch") as caught:
        last_asked(tmp_path)
    assert "没有上一批" in caught.value.say("zh")


def test_workers_that_are_lost_are_replaced_and_given_up_after_three_times(world, monkeypatch):
    from evalkit.parallel import WorkersLost

    tries = []

    def lost(function, items, jobs, scheduler, leaving):
        tries.append(len(items))
        if len(tries) == 1:
            yield 0, function(items[0])
        raise WorkersLost("gone")

    monkeypatch.setattr(running, "as_finished", lost)
    batch = run(world, world.study("one"), world.study("two"))
    assert (statuses(batch) == ["done", "failed"] and tries == [2, 1, 1, 1]) or tries == [2, 1, 1]
    assert failure(batch, 1)["kind"] == "WorkersLost"
