"""Worlds with a known truth as tables of numbers: a row of data/codes/selfcheck_worlds.csv becomes a study and its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.errors import StudyError, unknown
from evalkit.selfcheck_records import Started, World
from evalkit.study import Study
from evalkit.study_data import Loaded

Array = np.ndarray[Any, Any]

STATUS = "模拟数据 simulated"
START_INCOME = 9.0  # log of about 8,100 yuan, as rural income of a poor county was around 2013
NUMBERS = ("gap", "unit_sd", "noise_sd", "persistence", "trend", "selection", "growth")


def worlds(names: Sequence[str] | None = None) -> list[World]:
    """Return the worlds of data/codes/selfcheck_worlds.csv, those named or all.

    Raises
    ------
    StudyError
        For a name that the table does not have.

    Examples
    --------
    >>> [(world.world, world.target, world.share) for world in worlds(["null", "strong"])]
    [('null', 'at_most', 0.05), ('strong', 'at_least', 0.8)]
    """
    known = {row["world"]: _world(dict(row)) for _, row in table("selfcheck_worlds").iterrows()}
    for name in names or ():
        if name not in known:
            raise StudyError(unknown("world", str(name), list(known)))
    return [known[name] for name in (known if names is None else dict.fromkeys(names))]


def _world(row: dict[Any, Any]) -> World:
    """Return one world; raises StudyError for a row that contradicts itself."""
    starts = [part.split(":") for part in row["cohorts"].split("|")]
    paths = [[float(rate) for rate in path.split("|")] for path in row["effect"].split(";")]
    if len(paths) not in (1, len(starts)):
        raise StudyError(
            f"The world {row['world']!r} has {len(starts)} cohorts and {len(paths)} paths of effects. Give one path, or one for each cohort."
        )
    paths = paths * len(starts) if len(paths) == 1 else paths
    cohorts = [Started(year=int(year), units=int(units), growth=path) for (year, units), path in zip(starts, paths, strict=True)]
    told = sum(cohort.units for cohort in cohorts) + int(row["never"])
    if told != int(row["units"]):
        raise StudyError(f"The world {row['world']!r} has {row['units']} units, but its cohorts and never add up to {told}.")
    return World(
        world=row["world"],
        group=row["group"],
        target=row["target"] or None,
        share=float(row["share"]) if row["share"] else None,
        units=int(row["units"]),
        first_year=int(row["first_year"]),
        last_year=int(row["last_year"]),
        cohorts=cohorts,
        never=int(row["never"]),
        source=row["source"],
        **{name: float(row[name]) for name in NUMBERS},
    )


def first_years(world: World) -> Array:
    """Return (N,) first covered years, 0 for never, in the order of the cohorts.

    >>> first_years(worlds(["few_clusters"])[0])[[0, 5, 6]].tolist()
    [2017, 2017, 0]
    """
    years = [cohort.year for cohort in world.cohorts]
    return np.repeat([*years, 0], [*(cohort.units for cohort in world.cohorts), world.never])


def years(world: World) -> Array:
    """Return (T,) the years of a world."""
    return np.arange(world.first_year, world.last_year + 1)


def effects(world: World) -> Array:
    """Return (N, T) the planted effects in logs, zero before the start and for those never covered."""
    parts = []
    for cohort in world.cohorts:
        since = years(world) - cohort.year
        growth = np.log1p(np.asarray(cohort.growth))[np.clip(since, 0, len(cohort.growth) - 1)]
        parts.append(np.tile(np.where(since >= 0, growth, 0.0), (cohort.units, 1)))
    return np.vstack([*parts, np.zeros((world.never, len(years(world))))])


def truth(world: World) -> float:
    """Return the planted average effect in logs over covered units and years, which the headline estimates.

    >>> round(truth(worlds(["strong"])[0]), 4)  # log(1.09)
    0.0862
    """
    first = first_years(world)[:, None]
    covered = (first > 0) & (years(world) >= first)
    return float(effects(world)[covered].mean())


def log_incomes(world: World, seed: int) -> Array:
    """Return (N, T) log incomes of one draw; a seed gives the same noise in worlds that share its sizes.

    Notes
    -----
    Level, growth of everybody, AR(1) shocks, the planted effect, and the trend of those covered. With a selection those covered
    are the units whose score, correlated with the shock of the year before the start, is highest.
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(b"selfcheck"),)))
    first, when = first_years(world), years(world)
    N, T = len(first), len(when)
    shocks = _shocks(generator, N, T, world.noise_sd, world.persistence)
    level = world.unit_sd * generator.standard_normal(N) + world.gap * (first > 0)
    luck = generator.standard_normal(N)
    if world.selection:
        shocks = shocks[_chosen(world, shocks, luck)]
    trend = world.trend * world.noise_sd * (first > 0)[:, None] * (when - world.first_year)
    common = START_INCOME + world.growth * (when - world.first_year)
    return np.asarray(common + level[:, None] + shocks + effects(world) + trend)


def _shocks(generator: np.random.Generator, rows: int, periods: int, deviation: float, persistence: float) -> Array:
    """Return (rows, periods) stationary AR(1) shocks with this SD."""
    shocks = deviation * generator.standard_normal((rows, periods))
    shocks[:, 1:] *= np.sqrt(1 - persistence**2)
    for t in range(1, periods):
        shocks[:, t] += persistence * shocks[:, t - 1]
    return shocks


def _chosen(world: World, shocks: Array, luck: Array) -> Array:
    """Return (N,) which row of shocks each unit has: cohorts choose in turn by shock and luck, the rest are never covered."""
    pool = np.arange(len(shocks))
    order = []
    for cohort in world.cohorts:
        before = cohort.year - 1 - world.first_year
        score = world.selection * shocks[pool, before] / world.noise_sd + np.sqrt(1 - world.selection**2) * luck[pool]
        taken = np.argsort(-score, kind="stable")[: cohort.units]
        order.append(pool[taken])
        pool = np.delete(pool, taken)
    return np.concatenate([*order, pool])


def drawn(world: World, seed: int) -> tuple[Study, Loaded]:
    """Return one draw of a world as a study and its data, as an office would send them: yearly income in whole yuan.

    Parameters
    ----------
    world : World
    seed : of the draw, and of what is drawn at random in its evaluation

    Examples
    --------
    >>> study, loaded = drawn(worlds(["null"])[0], seed=1)
    >>> loaded.frame.shape, study.source.simulated
    ((1000, 5), True)
    """
    first, when = first_years(world), years(world)
    income = np.rint(np.exp(log_incomes(world, seed)))
    frame = pd.DataFrame(
        {
            "county": np.repeat([f"{number + 1:03d}" for number in range(len(first))], len(when)),
            "year": np.tile(when, len(first)),
            "income": income.ravel(),
            "first_year": np.repeat(first, len(when)),
            "data_status": STATUS,
        }
    )
    return _study(world, seed), Loaded(frame, inputs={})


def _study(world: World, seed: int) -> Study:
    """Return the plainest study of a world: nothing but the panel of incomes, as most offices have."""
    return Study.parse(
        {
            "name": f"selfcheck_{world.world}",
            "title": {"zh": "方法自检", "en": "Self-check of the method"},
            "programme": {"zh": "模拟项目", "en": "a simulated programme"},
            "source": {"name": {"zh": "模拟数据：真值已知", "en": "Simulated data with a known truth"}, "simulated": True},
            "unit": "county",
            "unit_level": "county",
            "unit_word": {"zh": "县", "en": "county"},
            "outcome": "income",
            "outcome_word": {"zh": "农村居民人均收入", "en": "rural income per head"},
            "prices": {"zh": "名义值，未扣除物价", "en": "nominal, not deflated"},
            "nominal": True,
            "income_def": "disposable",
            "window": [world.first_year, world.last_year],
            "treatment": {"first_year": "first_year", "never": [0]},
            "cluster": "county",
            "seed": seed,
        }
    )
