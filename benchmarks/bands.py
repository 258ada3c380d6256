"""What a 999-draw uniform band costs beside the estimator whose path it covers, at 100,000 units and 8 periods.

``python benchmarks/bands.py`` prints the ratios and writes ``bands.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from machine import machine
from worlds import SIZES, draw

import evalkit as ek

REPEATS = 9
DRAWS = 999
BAR = 0.1  # of the estimator's own time
RECORD = Path(__file__).parent / "bands.json"


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU seconds of some calls, and what the last one returned."""
    taken, found = [], None
    for _ in range(REPEATS):
        start = time.process_time()
        found = call()
        taken.append(time.process_time() - start)
    return min(taken), found


def measured() -> dict[str, float]:
    """Return CPU seconds: from the frame to the path, of the bare estimator, and of its table without and with a band."""
    frame = pd.DataFrame(draw(SIZES["100k"]))

    def design() -> ek.Design:
        panel = ek.Panel(frame, "unit", "time", ["cl"])
        return ek.Design(panel, ek.Rollout.from_first_treated(panel, "g", never=0), "y")

    made = design()
    bare, _ = seconds(lambda: ek.GroupTime()(made))
    whole, path = seconds(lambda: ek.aggregate(ek.GroupTime()(design()), by="event_time"))
    plain, _ = seconds(lambda: ek.infer(path))
    band, _ = seconds(lambda: ek.infer(path, band="uniform", draws=DRAWS, seed=1))
    return {"estimator": bare, "frame_to_path": whole, "table": plain, "table_with_band": band}


def main() -> None:
    """Measure, print and record."""
    found = measured()
    ratios = {
        "draws over the bare estimator": max(0.0, found["table_with_band"] - found["table"]) / found["estimator"],
        "whole table with its band over the way from frame to path": found["table_with_band"] / found["frame_to_path"],
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.3f} (bar {BAR}: {'met' if ratio <= BAR else 'missed'})")
    RECORD.write_text(json.dumps({"machine": machine(), "cpu_seconds": found, "ratios": ratios}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
