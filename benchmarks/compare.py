"""Measure evalkit and its peers side by side: ``python benchmarks/compare.py --size 1M``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import results
import worlds
from environments import interpreter
from machine import machine
from tasks import TASKS

HERE = Path(__file__).parent
THREADS = 1
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "POLARS")


def run(task: str, contender: str, size: str) -> dict[str, Any]:
    """Return one measurement, made in a fresh process with one thread."""
    package = TASKS[task].contenders[contender].package
    environment = os.environ | {f"{library}_NUM_THREADS": str(THREADS) for library in LIBRARIES}
    if package != "evalkit":
        # A peer sees its own environment only.
        environment.pop("PYTHONPATH", None)
    command = [str(interpreter(package)), str(HERE / "measure.py"), task, contender, size]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{contender} failed in {task} at {size}:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def compare(task: str, size: str, repeats: int) -> results.Result:
    """Return the result of a task: all repeats of all contenders, taken in turns (A B A B A B), and what they rest on."""
    worlds.ensure(size)
    contenders = TASKS[task].contenders
    for contender in contenders.values():
        interpreter(contender.package)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        for name in contenders:
            measured = run(task, name, size)
            runs[name].append(measured)
            cost = f"{measured['cpu_seconds']:.2f} CPU s, {measured['memory_mb']:,.0f} MB"
            print(f"{task} {size} {repeat + 1}/{repeats} {name}: {cost}", flush=True)
    return {
        "task": task,
        "title": TASKS[task].title,
        "size": size,
        "units": worlds.SIZES[size],
        "periods": worlds.PERIODS,
        "repeats": repeats,
        "threads": THREADS,
        "machine": machine(),
        "disagreements": results.disagreements(TASKS[task], {name: made[0]["numbers"] for name, made in runs.items()}),
        "contenders": {
            name: {
                "package": contenders[name].package,
                "versions": made[0]["versions"],
                "numbers": made[0]["numbers"],
                "repeats": [{measure: one[measure] for measure in results.MEASURES} for one in made],
            }
            for name, made in runs.items()
        },
    }


def main() -> None:
    """Measure the chosen tasks, keep the results and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=worlds.SIZES, default="1M")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    made = [compare(task, chosen.size, chosen.repeats) for task in chosen.tasks]
    for result in made:
        results.keep(result)
    print(f"\n{results.table(made)}")
    for line in [f"{result['task']}: {line}" for result in made for line in result["disagreements"]]:
        print(f"DISAGREE {line}")


if __name__ == "__main__":
    main()
