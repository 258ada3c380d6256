"""A small made-up design for examples and tests: villages of counties, staggered starts, one covariate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.panel import Panel
from evalkit.rollout import Rollout


def example_frame(units: int = 60, cohorts: int = 3, seed: int = 1, effect: float = 0.08) -> pd.DataFrame:
    """Return simulated villages in ten counties, 2012-2019, a third of them never treated.

    Columns: village_id, county_id, year, first_treated (0 = never), labour_share (fixed), rainfall (varying),
    households (weight) and log_income.
    """
    generator = np.random.default_rng(seed)
    years = np.arange(2012, 2020)
    starts = np.array([0, *(2015 + np.arange(cohorts))])
    first = starts[np.arange(units) % len(starts)]
    share = generator.uniform(0.3, 0.8, units)
    level = 8.5 + 0.5 * share - 0.1 * (first > 0) + generator.normal(0, 0.2, units)
    rain = generator.normal(size=(units, len(years)))
    shock = generator.normal(0, 0.03, (10, len(years)))[np.arange(units) // 6 % 10]
    treated = (first[:, None] > 0) & (years >= first[:, None])
    growth = 0.07 * (years - 2012) + 0.02 * share[:, None] * (years - 2012)
    outcome = level[:, None] + growth + effect * treated + 0.01 * rain + shock + generator.normal(0, 0.05, rain.shape)
    repeat, tile = len(years), units
    return pd.DataFrame(
        {
            "village_id": np.repeat(np.arange(1, units + 1), repeat),
            "county_id": np.repeat(np.arange(units) // 6 % 10 + 1, repeat),
            "year": np.tile(years, tile),
            "first_treated": np.repeat(first, repeat),
            "labour_share": np.repeat(share.round(4), repeat),
            "rainfall": rain.ravel().round(4),
            "households": np.repeat(generator.integers(40, 160, units), repeat),
            "log_income": outcome.ravel().round(6),
        }
    )


def example_design(units: int = 60, cohorts: int = 3, seed: int = 1, weight: str | None = None, **choices: object) -> Design:
    """Return a design on :func:`example_frame`; further choices go to :class:`evalkit.Design`.

    >>> example_design().observations
    480
    """
    panel = Panel(example_frame(units, cohorts, seed), unit="village_id", period="year", clusters=["county_id"], weight=weight)
    rollout = Rollout.from_first_treated(panel, "first_treated", never=0)
    return Design(panel, rollout, outcome="log_income", **choices)  # type: ignore[arg-type]
