"""The self-check: what was recorded in full, a small run of today, and the threat x check matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

import evalkit
from evalkit.diagnostics.threats import ThreatMatrix, threat_matrix
from evalkit.firm_records import NotTold
from evalkit.parallel import Map, workers
from evalkit.planted import panel_shape
from evalkit.selfcheck.rates import DECIMALS, rates, share_of
from evalkit.selfcheck.recorded import print_of, recorded_matrix, recorded_rates, stale
from evalkit.selfcheck.worlds import worlds as known_worlds
from evalkit.selfcheck_records import Fired, Matrix, PlantedThreat, SelfCheck
from evalkit.shape import Shape

LIVE = ("null", "strong", "trend_050")
MATRIX_SEED = 90


def selfcheck(
    seeds: int = 2,
    worlds: Sequence[str] | None = LIVE,
    *,
    jobs: int = 1,
    first_seed: int = 1,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SelfCheck:
    """Return the recorded rates and matrix with a small run of today beside them.

    Parameters
    ----------
    seeds : how many panels of each world are evaluated now, two or more; 0 evaluates none. Each takes a few seconds.
    worlds : names out of data/codes/selfcheck_worlds.csv; all of them with None
    jobs : processes, see :func:`evalkit.parallel.workers`
    first_seed : the first of the seeds
    folder : where the recording lies; the one that ships with evalkit without it
    progress : called with evaluations done and in all

    Raises
    ------
    StudyError
        For an unknown world, and where no recording is found.
    EstimateError
        For a single seed.

    Examples
    --------
    >>> selfcheck(seeds=0).live is None
    True
    """
    recorded, matrix = recorded_rates(folder), recorded_matrix(folder)
    live = None
    if seeds:
        live = rates(known_worlds(worlds), (first_seed, first_seed + seeds - 1), map=workers(jobs), progress=progress)
    content = [recorded.model_dump(), matrix.model_dump(), live.model_dump() if live else None]
    return SelfCheck(
        run_id=f"selfcheck-{print_of(content)[:10]}",
        version=evalkit.__version__,
        recorded=recorded,
        live=live,
        matrix=matrix,
        stale=stale(recorded),
    )


def county_shape() -> Shape:
    """Return the shape that the matrix is recorded on: as the null world, with one start in 2017.

    >>> shape = county_shape()
    >>> len(shape.cohort), int(shape.treated.sum()), shape.usual_start
    (100, 60, 2017.0)
    """
    null = known_worlds(["null"])[0]
    covered = null.units - null.never
    middle = sorted(cohort.year for cohort in null.cohorts)[len(null.cohorts) // 2]
    return panel_shape(
        null.units, covered, null.last_year + 1 - null.first_year, middle - null.first_year, first=null.first_year,
        own=null.noise_sd, persistence=null.persistence, unit=null.unit_sd,
    )  # fmt: skip


def matrix(worlds: int, *, map: Map = map, store: str | Path | None = None) -> Matrix:
    """Return the threat x check matrix on a panel of counties as a record; see :func:`evalkit.diagnostics.threats.threat_matrix`."""
    return matrix_of(threat_matrix(county_shape(), worlds=worlds, seed=MATRIX_SEED, map=map, store=store))


def matrix_of(found: ThreatMatrix) -> Matrix:
    """Return a threat x check matrix as a record."""
    shape, noise = found.shape, found.shape.noise
    false = {(row["threat"], row["size"]): row for _, row in found.false_estimates.iterrows()}
    rows = []
    for (threat, size), checks in found.table.groupby(["threat", "size"], sort=False):
        made = false[threat, size]
        told = checks["size_in_noise"].iloc[0]
        rows.append(
            PlantedThreat(
                threat=str(threat),
                size=round(float(made["size"]), DECIMALS),
                size_in_noise=None if pd.isna(told) else round(float(told), DECIMALS),
                in_noise=round(float(made["in_noise"]), DECIMALS),
                mc_error=round(float(made["mc_error"]) / noise.total, DECIMALS),
                checks=[
                    Fired(
                        check=row["check"],
                        meaning=row["meaning"],
                        rate=share_of(int(row["fired"]), int(row["worlds"])) if row["worlds"] else NotTold(reason="not_applicable"),
                    )
                    for _, row in checks.iterrows()
                ],
            )
        )
    return Matrix(
        version=evalkit.__version__,
        seed=found.seed,
        worlds=found.worlds,
        units=len(shape.cohort),
        treated=int(shape.treated.sum()),
        clusters=int(shape.cluster.max()) + 1,
        years=len(shape.periods),
        noise_sd=noise.total,
        persistence=noise.persistence,
        rows=rows,
    )
