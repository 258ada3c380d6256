"""The benchmark's data: a seeded panel of households or counties, written once per size under ``work``.

``python benchmarks/worlds.py 1M`` writes one of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

FOLDER = Path(__file__).parent / "work" / "worlds"
CLUSTERS = 341
SEED = 20240601


@dataclass(frozen=True)
class Size:
    """How many units are seen for how many periods."""

    units: int
    periods: int


SIZES = {"small": Size(2_000, 8), "county": Size(2_856, 20), "100k": Size(100_000, 8), "1M": Size(1_000_000, 8)}
WARM_UP_UNITS = 300
PARTS = ("all", "block", "two_periods")


def draw(size: Size, seed: int = SEED) -> Columns:
    """Return the columns of a balanced panel of units x periods rows, sorted by unit and period.

    ``unit``, ``time`` 1 to T, ``y`` outcome, ``d`` 0/1 treated, ``g`` first treated period (0 for never, 30% of units; five
    cohorts of 14%), ``x`` a covariate that is fixed over time and related to treatment and growth, ``cl`` one of 341
    clusters with common shocks. Effects differ by cohort and grow with time since treatment. Then what some tasks need, drawn from
    a stream of its own and without influence on ``y``: ``steps`` treatment of 1, for half of the units 2 from its second period on;
    ``dose`` of a unit, between 0.2 and 2, and ``dose_now``, zero before its start; ``e`` 0/1 eligible, 60% of units; ``ever`` 0/1.
    """
    units, periods = size.units, size.periods
    rng = np.random.default_rng(seed)
    starts = np.linspace(3, periods - 1, 5).round().astype(int) + 1
    g = rng.choice(np.r_[0, starts], size=units, p=[0.30, 0.14, 0.14, 0.14, 0.14, 0.14])
    cl = rng.integers(0, 31, units) * 11 + rng.integers(0, 11, units)
    x = rng.normal(size=units) + 0.3 * (g > 0)
    level = rng.normal(size=units) + 0.5 * x
    trend = np.cumsum(rng.normal(0.05, 0.1, periods))
    shocks = rng.normal(0, 0.2, (CLUSTERS, periods)).cumsum(1) * 0.3
    noise = rng.normal(0, 0.5, (units, periods))
    time = np.arange(1, periods + 1)
    since = time - g[:, None]
    treated = (g[:, None] > 0) & (since >= 0)
    effect = np.where(treated, 0.1 + 0.05 * since + 0.02 * (g[:, None] % 5), 0)
    y = level[:, None] + trend + 0.05 * x[:, None] * time + shocks[cl] + effect + noise
    more = np.random.default_rng([seed, 1])
    twice = more.random(units) < 0.5
    dose = np.where(g > 0, more.uniform(0.2, 2, units), 0.0)
    eligible = (more.random(units) < 0.6).astype(np.int64)
    by_unit = {"unit": np.arange(units), "g": g, "x": x, "cl": cl, "dose": dose, "e": eligible, "ever": (g > 0).astype(np.int64)}
    by_row = {
        "y": y,
        "d": treated.astype(np.int64),
        "steps": treated + (treated & (since >= 1) & twice[:, None]).astype(np.int64),
        "dose_now": np.where(treated, dose[:, None], 0.0),
    }
    columns = {name: np.repeat(values, periods) for name, values in by_unit.items()}
    return columns | {"time": np.tile(time, units)} | {name: values.ravel() for name, values in by_row.items()}


def ensure(size: str) -> Path:
    """Return the file of a size, writing it first when it is not there or lacks columns."""
    path = FOLDER / f"{size}.npz"
    wanted = draw(Size(WARM_UP_UNITS, SIZES[size].periods)).keys()
    if path.exists():
        with np.load(path) as columns:
            if set(columns.files) == wanted:
                return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, **draw(SIZES[size]))
    unfinished.replace(path)
    return path


def load(size: str, names: tuple[str, ...], part: str = "all") -> Columns:
    """Return the named columns of a part of a size; the others are never read, but for those that the part needs."""
    with np.load(ensure(size)) as columns:
        chosen = None if part == "all" else within(part, columns["g"], columns["time"])
        return {name: columns[name] if chosen is None else columns[name][chosen] for name in names}


def warm_up(size: str, names: tuple[str, ...], part: str = "all") -> Columns:
    """Return the columns of 300 units, for the call that is not counted."""
    columns = draw(Size(WARM_UP_UNITS, SIZES[size].periods))
    chosen = slice(None) if part == "all" else within(part, columns["g"], columns["time"])
    return {name: columns[name][chosen] for name in names}


def within(part: str, g: Array, time: Array) -> Array:
    """Return which rows are in a part: *block* is the third cohort and the never treated; *two_periods* these around its start."""
    start = np.unique(g[g > 0])[2]
    block = (g == 0) | (g == start)
    return np.asarray(block if part == "block" else block & ((time == start - 1) | (time == start)))


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        ensure(chosen)
