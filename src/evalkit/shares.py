"""Shares: with which weights the cells of a roll-out are averaged, as parameters of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, unknown
from evalkit.estimate import Estimate, cell_frame

Array = np.ndarray[Any, Any]

SHARES = ("sample", "population")


def with_cell_shares(effects: Estimate, design: Design, shares: str = "sample") -> Estimate:
    """Return group-time effects with one ``cell_share`` parameter for each: its treated rows over all rows of the design.

    Parameters
    ----------
    effects : Estimate
        Cells of kind ``group_time``, on the rows of the design; other kinds are kept.
    shares : "sample" or "population"
        *sample* takes the shares as known, so that an average is the one over the treated of this very sample; *population*
        carries their own influence, for the average over the treated of the population the sample was drawn from.

    Notes
    -----
    Rows count with their weights. A lead (a period before treatment) has a share too: the rows of its cohort in that period.
    """
    if shares not in SHARES:
        raise DesignError(unknown("choice of shares", shares, SHARES))
    table = effects.cells
    cell = np.flatnonzero(table["kind"] == "group_time")
    cohorts, periods = table["cohort"].to_numpy()[cell], table["period"].to_numpy()[cell]
    w = np.ones(len(design.y)) if design.w is None else design.w
    row_cell = _cell_of_rows(design, cohorts, periods)
    inside = row_cell >= 0
    theta = np.bincount(row_cell[inside], w[inside], len(cell)) / w.sum()
    psi = np.zeros((len(effects.psi), len(cell)))
    if shares == "population":
        by_observation = design.rows == "observation"
        row, count = (np.arange(len(w)), len(w)) if by_observation else (design.unit_index, len(design.units))
        contributions = -np.outer(np.bincount(row, w, count), theta)
        contributions[row[inside], row_cell[inside]] += w[inside]  # a unit has one row in a cell at most
        psi = (design.psi_from_observations if by_observation else design.psi_from_units)(contributions / w.sum())
    units = table["units"].to_numpy()[cell]
    frame = cell_frame(
        "cell_share", len(cell), cohort=cohorts, period=periods, event_time=periods - cohorts,
        units=units, noisy_units=units if shares == "population" else 0,  # what is taken as known has no noise of its own
    )  # fmt: skip
    return effects.join(Estimate(theta, psi, frame, effects.rows, effects.facts, effects.notices))


def _cell_of_rows(design: Design, cohorts: Array, periods: Array) -> Array:
    """Return (n,) the position of each row's cell, -1 for rows of no cell."""
    cohort_labels, cohort_code = np.unique(design.cohort, return_inverse=True)
    position = np.full((len(cohort_labels), len(design.periods)), -1)
    position[np.searchsorted(cohort_labels, cohorts), np.searchsorted(design.periods, periods)] = np.arange(len(cohorts))
    return np.asarray(position[cohort_code[design.unit_index], design.period_index])


def position_of_shares(table: pd.DataFrame) -> Array:
    """Return (k,) where each group-time effect's share stands among the parameters, -1 for other kinds.

    Raises EstimateError when an effect has no share.
    """
    kind, cohort, period = (table[name].to_numpy() for name in ("kind", "cohort", "period"))
    of_cohort = {cohort[i]: i for i in np.flatnonzero(kind == "cohort_share")}
    of_cell = {(cohort[i], period[i]): i for i in np.flatnonzero(kind == "cell_share")}
    out = np.full(len(table), -1)
    for i in np.flatnonzero(kind == "group_time"):
        found = of_cell.get((cohort[i], period[i]), of_cohort.get(cohort[i]))
        if found is None:
            raise EstimateError(
                f"The effect of cohort {cohort[i]:g} in {period[i]:g} has no share to be averaged with. Keep the parameters of kind "
                "cohort_share or cell_share beside the effects."
            )
        out[i] = found
    return out
