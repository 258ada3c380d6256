"""One contender, once, in a process of its own: ``python measure.py TASK CONTENDER SIZE`` prints one line of JSON.

Not counted are imports, a warm-up call on 300 units (compilers and first-use imports) and loading the frame.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import worlds
from machine import versions
from tasks import TASKS


def measure(task: str, contender: str, size: str) -> dict[str, object]:
    """Return CPU and wall seconds, peak memory above the loaded frame in MB (10**6 bytes), numbers and versions."""
    part, chosen = TASKS[task].part, TASKS[task].contenders[contender]
    make = import_module(chosen.frame).DataFrame
    # Some peers print what they find; the last line of the output is the measurement.
    warnings.simplefilter("ignore")
    chosen.run(make(worlds.warm_up(size, chosen.columns, part)))
    frame = make(worlds.load(size, chosen.columns, part))
    gc.collect()
    reset_peak()
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    numbers = chosen.run(frame)
    cpu, wall, peak = time.process_time() - cpu, time.perf_counter() - wall, resident("VmHWM")
    return {
        "cpu_seconds": round(cpu, 3),
        "wall_seconds": round(wall, 3),
        "memory_mb": round((peak - before) / 1e6, 1),
        "numbers": numbers,
        "versions": versions(),
    }


def reset_peak() -> None:
    """Set the process's high-water mark of memory back to what it holds now (Linux only)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(field: str) -> int:
    """Return VmRSS (held now) or VmHWM (the high-water mark) in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
