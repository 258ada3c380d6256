"""Measure evalkit and its peers side by side: ``python benchmarks/compare.py --size 1M``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results
import worlds
from environments import interpreter
from machine import machine
from tasks import TASKS

HERE = Path(__file__).parent
THREADS = 1
SLOW = 60  # CPU seconds; a contender that takes more is measured once
MOST_SECONDS = 200  # with imports and warm-up
MOST_MEMORY = 8e9  # bytes, the data included
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "POLARS")


def run(task: str, contender: str, size: str) -> dict[str, Any]:
    """Return one measurement, made in a fresh process with one thread, or which limit the process ran into."""
    package = TASKS[task].contenders[contender].package
    environment = os.environ | {f"{library}_NUM_THREADS": str(THREADS) for library in LIBRARIES}
    if package != "evalkit":
        # A peer sees its own environment only.
        environment.pop("PYTHONPATH", None)
    command = [str(interpreter(package)), str(HERE / "measure.py"), task, contender, size]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        over = watch(process)
        if over:
            return {"over": over}
        out.seek(0), err.seek(0)
        if process.returncode:
            told = err.read()
            if "MemoryError" in told[-500:]:  # it asked for more than the machine has
                return {"over": f"more than {MOST_MEMORY / 1e9:g} GB"}
            sys.exit(f"{contender} failed in {task} at {size}:\n{told[-2000:]}")
        measured: dict[str, Any] = json.loads(out.read().splitlines()[-1])
    return measured


def watch(process: subprocess.Popen[bytes]) -> str | None:
    """Wait for a process; end it, and return the limit in words, when it holds more memory or takes more time than anyone may."""
    while process.poll() is None:
        try:
            cpu, held = spent(process.pid)
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            continue  # it has just ended
        over = f"more than {MOST_SECONDS} CPU s" if cpu > MOST_SECONDS else f"more than {MOST_MEMORY / 1e9:g} GB"
        if cpu > MOST_SECONDS or held > MOST_MEMORY:
            process.kill()
            process.wait()
            return over
        time.sleep(0.02)
    return None


def spent(pid: int) -> tuple[float, int]:
    """Return the CPU seconds a process has used and the bytes it holds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def compare(task: str, size: str, repeats: int) -> results.Result:
    """Return the result of a task: all repeats of all contenders, taken in turns (A B A B A B), and what they rest on.

    A contender that is slow at its first run, or runs into a limit, is not repeated.
    """
    worlds.ensure(size)
    contenders = TASKS[task].contenders
    for contender in contenders.values():
        interpreter(contender.package)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    over: dict[str, str] = {}
    for repeat in range(repeats):
        for name in contenders:
            if name in over or (runs[name] and runs[name][0]["cpu_seconds"] > SLOW):
                continue
            measured = run(task, name, size)
            if "over" in measured:
                over[name] = measured["over"]
                print(f"{task} {size} {name}: stopped at {over[name]}", flush=True)
                continue
            runs[name].append(measured)
            cost = f"{measured['cpu_seconds']:.2f} CPU s, {measured['memory_mb']:,.0f} MB"
            print(f"{task} {size} {repeat + 1}/{repeats} {name}: {cost}", flush=True)
    finished = {name: made for name, made in runs.items() if made}
    return {
        "task": task,
        "title": TASKS[task].title,
        "size": size,
        "units": worlds.SIZES[size].units,
        "periods": worlds.SIZES[size].periods,
        "repeats": repeats,
        "threads": THREADS,
        "machine": machine(),
        "disagreements": results.disagreements(TASKS[task], {name: made[0]["numbers"] for name, made in finished.items()}),
        "stopped": over,
        "contenders": {
            name: {
                "package": contenders[name].package,
                "versions": made[0]["versions"],
                "numbers": made[0]["numbers"],
                "repeats": [{measure: one[measure] for measure in results.MEASURES} for one in made],
            }
            for name, made in finished.items()
        },
    }


def main() -> None:
    """Measure the chosen tasks, keep the results and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=worlds.SIZES, default="1M")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    made = []
    for task in chosen.tasks:
        if chosen.size in TASKS[task].sizes:
            made.append(compare(task, chosen.size, chosen.repeats))
            results.keep(made[-1])
    print(f"\n{results.table(made)}")
    for line in [f"{result['task']}: {line}" for result in made for line in result["disagreements"]]:
        print(f"DISAGREE {line}")


if __name__ == "__main__":
    main()
