"""Work given to others: the same results in the same order, and nobody left working when the one who asked is gone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from evalkit.errors import EvalkitError
from evalkit.parallel import ONE_THREAD, WorkersLost, as_finished, workers


def test_results_come_in_the_order_of_the_items_whoever_works():
    for jobs in (1, 2):
        assert list(workers(jobs)(lambda base, power: base**power, range(20), [2] * 20)) == [n**2 for n in range(20)]


def test_results_as_they_come_say_whose_they_are():
    for jobs in (1, 2):
        assert dict(as_finished(lambda item: item * 10, [3, 1, 2], jobs)) == {0: 30, 1: 10, 2: 20}


def test_the_quick_do_not_wait_for_the_slow():
    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    assert [place for place, _ in as_finished(wait, [4.0, 0.0, 0.0], 2)][-1] == 0


@pytest.mark.parametrize("jobs", [0, -1, 1.5])
def test_a_number_of_jobs_that_is_none_is_refused(jobs):
    with pytest.raises(EvalkitError, match="whole number of processes"):
        workers(jobs)
    with pytest.raises(EvalkitError, match="whole number of processes"):
        list(as_finished(abs, [1], jobs))


def test_what_the_function_raises_is_raised():
    for jobs in (1, 2):
        with pytest.raises(ZeroDivisionError):
            list(as_finished(lambda item: 1 / item, [0], jobs))


def test_nothing_to_do_starts_nobody():
    assert list(as_finished(abs, [], 2)) == []


def test_workers_have_one_thread_each_and_leave_in_order(tmp_path):
    def who(_: int) -> tuple[int, dict[str, str | None]]:
        return os.getpid(), {name: os.environ.get(name) for name in ONE_THREAD}

    def leave() -> None:
        (tmp_path / str(os.getpid())).touch()

    found = [answer for _, answer in as_finished(who, range(8), 2, leaving=leave)]
    assert all(threads == ONE_THREAD for _, threads in found)
    left = {int(path.name) for path in tmp_path.iterdir()}
    assert {process for process, _ in found} <= left and os.getpid() not in left


def test_who_asks_may_stop_asking_and_nobody_goes_on(tmp_path):
    def work(item: int) -> int:
        (tmp_path / f"began-{os.getpid()}").touch()
        time.sleep(60 if item else 0)
        return item

    def leave() -> None:
        (tmp_path / f"left-{os.getpid()}").touch()

    asking = as_finished(work, [0, 1, 2, 3], 2, leaving=leave)
    assert next(asking) == (0, 0)
    while len(list(tmp_path.glob("began-*"))) < 2:
        time.sleep(0.05)
    asking.close()
    began, left = ({path.name.split("-")[1] for path in tmp_path.glob(f"{what}-*")} for what in ("began", "left"))
    assert began == left and not any(Path(f"/proc/{process}").exists() for process in began)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals here")
def test_a_worker_that_is_killed_is_told():
    def fall(_: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkersLost, match="Memory may be short"):
        list(as_finished(fall, [0, 1], 2))


def test_a_scheduler_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EvalkitError, match=r"evalkit\[cluster\]"):
        workers(1, "tcp://127.0.0.1:1")
    with pytest.raises(EvalkitError, match=r"evalkit\[cluster\]"):
        list(as_finished(abs, [1], 1, "tcp://127.0.0.1:1"))
