"""A report comes to its place whole or not at all, and the disk may refuse."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.batch import place
from evalkit.batch.jobs import Asked
from evalkit.batch.place import UNFINISHED, put, tidied, workplace, write_whole
from evalkit.batch.refusal import DISK, Refusal, of_the_disk
from evalkit.batch.running import run_batch
from evalkit.words import catalogue

DEAD = 2**22 + 7  # no process has this number


def folder_with(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "a").write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_new_report_takes_the_place_of_the_old_one_as_a_whole(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(place, "_exchanged", lambda one, other: False)
    target = folder_with(tmp_path / "r", "old")
    (target / "only in the old one").touch()
    with workplace(tmp_path, "r", os.getpid()) as fresh:
        (fresh / "a").write_text("new", encoding="utf-8")
        put(fresh, target)
    assert [path.name for path in target.iterdir()] == ["a"] and (target / "a").read_text() == "new"
    assert list((tmp_path / UNFINISHED).iterdir()) == []


def test_a_report_that_is_not_finished_leaves_the_old_one(tmp_path):
    target = folder_with(tmp_path / "r", "old")
    with pytest.raises(ValueError), workplace(tmp_path, "r", os.getpid()) as fresh:
        (fresh / "a").write_text("new", encoding="utf-8")
        raise ValueError
    assert (target / "a").read_text() == "old" and list((tmp_path / UNFINISHED).iterdir()) == []


def test_what_dead_processes_left_is_removed_and_counted_and_what_the_living_make_stays(tmp_path):
    folder_with(tmp_path / UNFINISHED / f"one-two-{DEAD}", "half")
    (tmp_path / UNFINISHED / f"batch-{DEAD}").touch()
    living = folder_with(tmp_path / UNFINISHED / f"other-{os.getppid()}", "half")
    own = folder_with(tmp_path / UNFINISHED / f"mine-{os.getpid()}", "half")
    assert tidied(tmp_path) == 1 and living.exists() and own.exists()
    assert tidied(tmp_path, os.getpid()) == 1 and living.exists() and not own.exists()


def test_a_kill_between_two_renames_is_mended(tmp_path):
    folder_with(tmp_path / UNFINISHED / f"r-{DEAD}", "new")
    folder_with(tmp_path / UNFINISHED / f"r-{DEAD}.before", "old")
    tidied(tmp_path)
    assert (tmp_path / "r" / "a").read_text() == "old" and not (tmp_path / UNFINISHED).exists()


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "batch.json"
    write_whole(path, "old", 1)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_whole(path, "new", 1)
    assert path.read_text() == "old" and list((tmp_path / UNFINISHED).iterdir()) == []


@pytest.mark.parametrize("code", sorted(set(DISK.values())))
def test_what_the_disk_refuses_is_said_in_both_languages_with_the_folder_and_what_stays(code):
    number = next(number for number, name in DISK.items() if name == code)
    refusal = of_the_disk(OSError(number, os.strerror(number)), Path("results"))
    assert "results" in refusal.say("zh") and "results" in refusal.say("en")
    if code != "no_folder":
        assert "已完成的报告" in refusal.say("zh") and "finished report is kept" in str(refusal)


def test_errors_of_other_kinds_are_not_the_disk_refusing():
    assert of_the_disk(OSError(errno.ENOENT, "gone"), Path("results")) is None


def test_a_refusal_travels_between_processes():
    import pickle

    refusal = Refusal("disk_full", folder="results", reason="full")
    assert str(pickle.loads(pickle.dumps(refusal))) == str(refusal)


def test_every_refusal_has_words():
    assert all(catalogue(lang).has(f"batch.refusal.{code}") for lang in ("zh", "en") for code in DISK.values())


def mounted(folder: Path, *options: str) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=2500k", "tmpfs")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs")


def test_a_full_disk_stops_the_batch_and_keeps_what_is_finished(world, small_disk):
    studies = [world.study(name, "big 500000") for name in ("one", "two", "three", "four")]
    with pytest.raises(Refusal, match=r"full.*Free some space") as caught:
        run_batch(Asked(tuple(studies)), small_disk / "out")
    assert str(small_disk) in caught.value.say("zh") and "已满" in caught.value.say("zh")
    kept = {path.parent.name.split("-")[0] for path in small_disk.glob("out/*/manifest.json")}
    assert kept == {"one", "two"}
    assert world.statuses(small_disk / "out") == dict.fromkeys(("one", "two"), "done") | dict.fromkeys(
        ("three", "four"), "interrupted"
    )
    assert not list(small_disk.glob("out/*/failure.json"))
    world.study("three"), world.study("four")
    again = run_batch(Asked(tuple(studies)), small_disk / "out")
    assert [row.status for row in again.rows] == ["unchanged", "unchanged", "done", "done"]


def test_a_disk_that_cannot_be_written_refuses_the_batch(world, read_only):
    with pytest.raises(Refusal, match="read-only"):
        run_batch(Asked((world.study("one"),)), read_only / "out")


def test_a_file_in_place_of_the_folder_refuses_the_batch(world):
    world.out.write_text("a file", encoding="utf-8")
    for out in (world.out, world.out / "below"):
        with pytest.raises(Refusal, match="not a folder") as caught:
            run_batch(Asked((world.study("one"),)), out)
        assert "不是文件夹" in caught.value.say("zh")


def test_a_folder_without_permission_refuses_the_batch(world, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(place, "put", refused)
    monkeypatch.setattr("evalkit.batch.making.put", refused)
    with pytest.raises(Refusal, match="may not write"):
        run_batch(Asked((world.study("one"),)), world.out)
    assert world.statuses() == {"one": "interrupted"} and not list(world.out.glob("one-*"))
