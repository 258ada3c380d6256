"""Histories of treatment: a design sorted by treatment at the start and date of the first change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, first_five
from evalkit.kernels import switching as did
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Histories:
    """The units of a design, sorted for comparisons.

    Attributes
    ----------
    paths : outcomes, dates and signs of first changes
    order : (N,) position of each sorted unit among the design's units
    X : (K, T, N) covariates; covariates : their names
    level : (C,) which classes share a treatment at the start; level_of_unit : (N,)
    dose, cumulated : (T, N) treatment over that of the start, in the period and summed since
    notices : what was left out
    """

    paths: did.Paths
    order: Array
    X: Array
    covariates: tuple[str, ...]
    level: Array
    level_of_unit: Array
    dose: Array
    cumulated: Array
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, design: Design, within: str | None) -> Histories:
        """Return the histories of a design; units are compared within the groups of a column, if one is named."""
        Y = design.wide(design.y)
        seen = ~np.isnan(Y)
        F = np.where(np.isfinite(design.cohort), np.searchsorted(design.periods, design.cohort), len(design.periods))
        baseline, dose = _doses(design)
        crossed = np.logical_and(*(np.logical_or.accumulate(side, axis=1) for side in (dose > 0, dose < 0)))
        notices = _notices(crossed & seen)
        if crossed.any():
            Y = np.where(crossed, np.nan, Y)
        dose = np.where(crossed, 0.0, dose)
        new = dose[np.arange(len(dose)), (dose != 0).argmax(axis=1)]
        level, group = np.unique(baseline, return_inverse=True)[1], np.zeros(len(Y), dtype=int)
        if within is not None:
            group = _constant(design, within)
        classes, code = np.unique(level * (group.max() + 1) + group, return_inverse=True)
        order, cohort, ends, changes = did.sort_paths(code, F, new)

        def sort(values: Array) -> Array:
            return np.ascontiguousarray(values.T[:, order])

        paths = did.Paths(
            sort(Y), None if design.w is None else sort(design.wide(design.w)), F[order], np.sign(new[order]), cohort, ends,
            _clusters(design, order), design.comparison == "never_treated", bool(seen.all() and not crossed.any()), changes,
        )  # fmt: skip
        X = [sort(np.where(crossed, np.nan, design.wide(np.ascontiguousarray(x)))) for x in design.x.T]
        dose = sort(dose)
        return cls(
            paths, order, np.array(X).reshape(len(X), *paths.Y.shape), tuple(design.covariates), classes // (group.max() + 1),
            level[order], dose, dose.cumsum(axis=0), notices,
        )  # fmt: skip


def _doses(design: Design) -> tuple[Array, Array]:
    """Return (N,) treatment at the start, and (N, T) treatment over it, also in rows whose outcome is missing.

    Where a row is missing altogether, treatment is that of the row before.
    """
    panel, intensity = design.panel, design.rollout.intensity
    if intensity is None:
        treated = (design.periods >= design.cohort[:, None]).astype(float)
        return treated[:, 0], treated - treated[:, :1]
    starts = np.flatnonzero(np.r_[True, np.diff(panel.unit_index) != 0])
    over = intensity - intensity[starts][panel.unit_index]
    unit, period = panel.unit_index, panel.period_index
    if design.keep is not None:
        unit = pd.Index(design.units).get_indexer(pd.Index(panel.units))[unit]
        period = pd.Index(design.periods).get_indexer(pd.Index(panel.periods))[period]
    inside = (unit >= 0) & (period >= 0)
    shape = len(design.units), len(design.periods)
    D = np.full(shape, np.nan)
    D[unit[inside], period[inside]] = over[inside]
    baseline = np.empty(shape[0])
    baseline[unit[inside]] = (intensity - over)[inside]
    known = ~np.isnan(D)
    if known.all():
        return baseline, D
    last = np.maximum.accumulate(np.where(known, np.arange(shape[1]), -1), axis=1)
    return baseline, np.where(last < 0, 0.0, np.take_along_axis(D, np.maximum(last, 0), axis=1))


def _constant(design: Design, name: str) -> Array:
    """Return (N,) codes of a column that is the same in all rows of a unit."""
    codes, _ = design.codes(name)
    by_unit = codes[design.first_rows]
    varies = codes != by_unit[design.unit_index]
    if varies.any():
        units = design.units[np.unique(design.unit_index[varies])]
        raise DesignError(
            f"Column {name!r} varies over time in {len(units):,} units: {first_five(units)}. within= takes what a unit always is, "
            "such as its province."
        )
    return np.asarray(by_unit)


def _clusters(design: Design, order: Array) -> Array | None:
    """Return (N,) the cluster of each sorted unit where the rows of psi are clusters, None where they are units."""
    if design.rows == "unit":
        return None
    codes, _ = design.codes(design.rows)
    return np.asarray(codes[design.first_rows][order])


def _notices(crossed: Array) -> tuple[Notice, ...]:
    if not crossed.any():
        return ()
    return (Notice("TREATMENT_CROSSES_START", {"units": int(crossed.any(axis=1).sum()), "rows": int(crossed.sum())}),)
