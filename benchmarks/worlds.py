"""The benchmark's data: a seeded panel of households, written once per size under ``work``.

``python benchmarks/worlds.py 1M`` writes one of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

FOLDER = Path(__file__).parent / "work" / "worlds"
SIZES = {"small": 2_000, "100k": 100_000, "1M": 1_000_000}
WARM_UP = 300
PERIODS = 8
CLUSTERS = 341
SEED = 20240601


def draw(units: int, seed: int = SEED) -> Columns:
    """Return the columns of a balanced panel of ``units`` x 8 rows, sorted by unit and period.

    ``unit``, ``time`` 1 to 8, ``y`` outcome, ``d`` 0/1 treated, ``g`` first treated period (0 for never, 30% of units; five
    cohorts of 14%), ``x`` a covariate that is fixed over time and related to treatment and growth, ``cl`` one of 341
    clusters with common shocks. Effects differ by cohort and grow with time since treatment.
    """
    rng = np.random.default_rng(seed)
    starts = np.linspace(3, PERIODS - 1, 5).round().astype(int) + 1
    g = rng.choice(np.r_[0, starts], size=units, p=[0.30, 0.14, 0.14, 0.14, 0.14, 0.14])
    cl = rng.integers(0, 31, units) * 11 + rng.integers(0, 11, units)
    x = rng.normal(size=units) + 0.3 * (g > 0)
    level = rng.normal(size=units) + 0.5 * x
    trend = np.cumsum(rng.normal(0.05, 0.1, PERIODS))
    shocks = rng.normal(0, 0.2, (CLUSTERS, PERIODS)).cumsum(1) * 0.3
    noise = rng.normal(0, 0.5, (units, PERIODS))
    time = np.arange(1, PERIODS + 1)
    since = time - g[:, None]
    treated = (g[:, None] > 0) & (since >= 0)
    effect = np.where(treated, 0.1 + 0.05 * since + 0.02 * (g[:, None] % 5), 0)
    y = level[:, None] + trend + 0.05 * x[:, None] * time + shocks[cl] + effect + noise
    by_unit = {"unit": np.arange(units), "g": g, "x": x, "cl": cl}
    columns = {name: np.repeat(values, PERIODS) for name, values in by_unit.items()}
    return columns | {"time": np.tile(time, units), "y": y.ravel(), "d": treated.ravel().astype(np.int64)}


def ensure(size: str) -> Path:
    """Return the file of a size, writing it first when it is not there."""
    path = FOLDER / f"{size}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, **draw(SIZES[size]))
        unfinished.replace(path)
    return path


def load(size: str, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the named columns of a size as a frame; the others are never read."""
    with np.load(ensure(size)) as columns:
        return pd.DataFrame({name: columns[name] for name in names})


def warm_up(names: tuple[str, ...]) -> pd.DataFrame:
    """Return a frame of 300 units, for the call that is not counted."""
    columns = draw(WARM_UP)
    return pd.DataFrame({name: columns[name] for name in names})


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        ensure(chosen)
