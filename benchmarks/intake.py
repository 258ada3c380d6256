"""Measure how long evalkit takes to read files, and how much memory: ``python benchmarks/intake.py``.

Files are made in a temporary folder. Each measurement is a fresh process; the memory is the peak of the whole process, the
interpreter and all imports included, so that it is what a machine must have. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import machine, versions
from measure import resident

HERE = Path(__file__).parent
RESULT = HERE / "results" / "intake.json"
HEADINGS = ("户编号", "县代码", "县名", "年份", "家庭人口数", "人均纯收入", "工资性收入", "经营性收入", "转移性收入", "脱贫属性")
YEARS = 8
SEED = 20131103


@dataclass(frozen=True)
class Task:
    """A file to make, what to do with it, and what that may cost at most: processor seconds (they depend less on what else runs), MB."""

    title: str
    make: Callable[[Path], None]
    run: Callable[[Path], int]
    seconds: float | None = None
    memory_mb: float | None = None


def household_rows(count: int, first: int = 0) -> str:
    """Return rows of a household register as csv, ten cells each; a household has eight years, and no two have one number."""
    draw = np.random.default_rng([SEED, first])
    income = draw.lognormal(8.5, 0.6, size=(count, 4)).round(2)
    people, county = draw.integers(1, 8, count), draw.integers(0, 2000, count // YEARS + 1)
    lines = (
        f"{620000 + (c := county[i // YEARS])}-{(first + i) // YEARS:07d},{620000 + c},第{c}号县,{2013 + i % YEARS},{p},{a:.2f},{b:.2f},"
        f"{'' if i % 50 == 0 else f'{x:.2f}'},{y:.2f},一般贫困户\n"
        for i, (p, (a, b, x, y)) in enumerate(zip(people, income, strict=True))
    )
    return "".join(lines)


def make_csv(encoding: str, count: int = 100_000, at_least: int = 0) -> Callable[[Path], None]:
    """Return a maker of a csv of ``count`` rows, or of as many times as many as ``at_least`` bytes need."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write((",".join(HEADINGS) + "\n").encode(encoding))
            first = 0
            while first == 0 or file.tell() < at_least:
                file.write(household_rows(count, first).encode(encoding))
                first += count

    return make


def read(path: Path) -> int:
    """Read a table and return its rows."""
    from evalkit.intake.formats import read_table

    return len(read_table(path))


def receive(path: Path) -> int:
    """Receive a household register and return the rows of its panel."""
    from evalkit.intake import receive
    from evalkit.intake.mapping import Mapping

    mapping = Mapping.parse({"level": "household", "unit": "hh_id"})
    return len(receive(path, mapping).panel().frame)


GIGABYTE = 1074  # 2**30 bytes, in MB of 10**6

TASKS = {
    "read-gb18030-100k": Task("100,000 rows x 10 columns of GB18030 csv", make_csv("gb18030"), read, seconds=1.5),
    "read-utf8-100k": Task("100,000 rows x 10 columns of UTF-8 csv", make_csv("utf-8"), read, seconds=1.5),
    "panel-gb18030-100k": Task("100,000 rows x 10 columns from GB18030 csv to Panel", make_csv("gb18030"), receive, seconds=3.0),
    "panel-gb18030-200mb": Task(
        "a GB18030 csv of 200 MB to Panel", make_csv("gb18030", at_least=200_000_000), receive, memory_mb=GIGABYTE
    ),
    "read-gb18030-200mb": Task("a GB18030 csv of 200 MB", make_csv("gb18030", at_least=200_000_000), read, memory_mb=GIGABYTE),
    "read-utf8-200mb": Task("a UTF-8 csv of 200 MB", make_csv("utf-8", at_least=200_000_000), read, memory_mb=GIGABYTE),
}


def measure(task: str, path: Path) -> dict[str, Any]:
    """Return what one task costs in this process: seconds, the peak of its memory in MB (10**6 bytes), rows and versions."""
    import pandera.pandas  # noqa: F401  imports are not counted
    import scipy.stats  # noqa: F401

    import evalkit.intake  # noqa: F401

    wall, cpu = time.perf_counter(), time.process_time()
    rows = TASKS[task].run(path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = round(resident("VmHWM") / 1e6, 1)
    return {"cpu_seconds": round(cpu, 3), "wall_seconds": round(wall, 3), "memory_mb": memory, "rows": rows, "versions": versions()}


def repeated(task: str, repeats: int) -> dict[str, Any]:
    """Return the result of a task: its file, all repeats in fresh processes, and whether it keeps within its bars."""
    chosen = TASKS[task]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        chosen.make(path)
        runs = []
        for _ in range(repeats):
            command = [sys.executable, __file__, "--measure", task, str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{task} failed:\n{done.stderr[-2000:]}")
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        size = round(path.stat().st_size / 1e6, 1)
    seconds, memory = median(run["cpu_seconds"] for run in runs), max(run["memory_mb"] for run in runs)
    met = (chosen.seconds is None or seconds <= chosen.seconds) and (chosen.memory_mb is None or memory <= chosen.memory_mb)
    print(
        f"{task}: {seconds:.2f} CPU s ({size:,} MB, {runs[0]['rows']:,} rows), {memory:,.0f} MB at most{'' if met else ': BAR MISSED'}",
        flush=True,
    )
    return {
        "task": task,
        "title": chosen.title,
        "file_mb": size,
        "rows": runs[0]["rows"],
        "bars": {"cpu_seconds": chosen.seconds, "memory_mb": chosen.memory_mb},
        "met": met,
        "versions": runs[0]["versions"],
        "repeats": [{key: run[key] for key in ("cpu_seconds", "wall_seconds", "memory_mb")} for run in runs],
    }


def main() -> None:
    """Measure the chosen tasks and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("TASK", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure[0], Path(chosen.measure[1]))))
        return
    made = [repeated(task, chosen.repeats) for task in chosen.tasks]
    if set(chosen.tasks) == set(TASKS):
        RESULT.write_text(json.dumps({"machine": machine(), "results": made}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
