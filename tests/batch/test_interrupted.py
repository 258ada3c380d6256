"""A batch that is stopped, killed, or started twice: nothing is lost, nothing is half made, nothing goes on running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from small_world import World, contents, eventually, gone, offspring

from evalkit.batch.lock import alone
from evalkit.batch.refusal import Refusal

NAMES = [f"s{number}" for number in range(6)]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Six studies that take their time."""
    world = World(tmp_path_factory.mktemp("interrupts"))
    for name in NAMES:
        world.study(name, "sleep 0.7")
    return world


@pytest.fixture(scope="module")
def undisturbed(slow: World) -> dict[str, bytes]:
    """The results of a batch of them that nobody disturbed."""
    process = slow.start("run", *studies(slow), "--jobs", 2, out=slow.folder / "undisturbed")
    said, complaints = process.communicate(timeout=240)
    assert process.returncode == 0, said + complaints
    return contents(slow.folder / "undisturbed")


def studies(world: World) -> list[Path]:
    return [world.folder / f"{name}.yml" for name in NAMES]


def finished(world: World, out: Path) -> int:
    return len(list(out.glob("s*/manifest.json")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.simulation), signal.SIGKILL],
    ids=lambda number: number.name,
)
def test_an_interrupted_batch_keeps_what_is_finished_and_does_the_rest_the_next_time(slow, undisturbed, number):
    world = slow
    out = world.folder / number.name
    process = world.start("run", *studies(world), "--jobs", 2, out=out)
    assert eventually(lambda: finished(world, out) >= 2, 120)
    below = offspring(process.pid)
    assert len(below) >= 4  # two workers, a kernel each
    os.kill(process.pid, number)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number], complaints
    assert eventually(lambda: gone(below), 20), "workers or kernels go on running"
    kept = {path.parent.name for path in out.glob("s*/manifest.json")}
    assert 2 <= len(kept) < 6
    assert all(row["status"] in ("done", "interrupted") for row in world.record(out)["rows"])
    if number != signal.SIGKILL:
        assert f"evalkit run --resume --out {out}" in said and "Traceback" not in complaints
        assert world.record(out)["state"] == "interrupted" and not (out / ".unfinished").exists()

    again = world.start("run", "--resume", "--jobs", 2, out=out)
    said, complaints = again.communicate(timeout=240)
    assert again.returncode == 0, said + complaints
    came = world.statuses(out)
    assert set(came.values()) == {"done", "unchanged"} and {f"s{name[1]}" for name in kept} == {
        name for name, status in came.items() if status == "unchanged"
    }
    assert contents(out) == undisturbed and not (out / ".unfinished").exists()


def test_ctrl_c_reaches_everybody_in_the_terminal_and_ends_a_single_report_too(slow):
    world = slow
    out = world.folder / "terminal"
    process = world.start("run", world.study("long", "sleep 60"), "--jobs", 1, out=out)
    assert eventually(lambda: any(out.glob(".unfinished/long-*")) and offspring(process.pid), 60)
    below = offspring(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in complaints, said + complaints
    assert eventually(lambda: gone(below), 20) and not (out / ".unfinished").exists()
    assert world.statuses(out) == {"long": "interrupted"}


def test_two_batches_in_one_folder_refuse_each_other_until_the_first_is_killed(slow):
    world = slow
    out = world.folder / "twice"
    first = world.start("run", world.study("long", "sleep 60"), "--jobs", 1, out=out)
    assert eventually(lambda: (out / "batch.json").exists(), 60)
    second = world.start("run", world.study("short"), "--jobs", 1, out=out)
    _, complaints = second.communicate(timeout=60)
    holder = json.loads((out / ".holder").read_text(encoding="utf-8"))
    assert second.returncode == 1 and str(first.pid) in complaints and holder["started"] in complaints
    assert "--out" in complaints and "正在运行" in complaints and world.statuses(out) == {"long": "interrupted"}
    first.kill()
    first.communicate(timeout=20)
    with alone(out):
        pass


def test_a_batch_that_still_judges_is_named_and_not_the_one_before(tmp_path):
    (tmp_path / "batch.json").write_text('{"process": 1, "started": "yesterday"}', encoding="utf-8")
    with alone(tmp_path), pytest.raises(Refusal, match=rf"process {os.getpid()}, started 20\d\d"), alone(tmp_path):
        pass


def test_a_folder_is_free_again_when_a_batch_is_over(tmp_path):
    with alone(tmp_path / "out"), pytest.raises(Refusal, match="Another batch is running"), alone(tmp_path / "out"):
        pass
    with alone(tmp_path / "out"):
        pass


@pytest.mark.slow
def test_nothing_is_printed_by_processes_below(slow):
    world = slow
    process: subprocess.Popen[str] = world.start("run", world.study("quick"), world.study("bad", "fail x"), "--jobs", 2)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 1 and complaints == ""
    lines = said.splitlines()
    assert any(line.startswith(("[1/2] ✓ quick ", "[2/2] ✓ quick ")) and line.endswith(" s") for line in lines)
    assert any("✗ bad: ValueError: x in bad-" in line for line in lines)
    assert any("处理办法 | What to do" in line for line in lines) and "index.html" in lines[-1]
