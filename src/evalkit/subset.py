"""The same design with fewer units, or with units drawn anew, and estimates of parts brought back to the rows of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, first_five
from evalkit.estimate import Estimate
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

LATE = "TREATED_AFTER_WINDOW"


def without_units(design: Design, leave: Array) -> Design:
    """Return the design without some of its units; everything that was chosen stays.

    Parameters
    ----------
    design : Design
    leave : (N,) booleans in the order of ``design.units``: the units that go

    Raises
    ------
    DesignError
        When nobody would be left, or what is left allows no comparison.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design()
    >>> without_units(design, design.cohort == 2016).observations, design.observations
    (360, 480)
    """
    return with_starts(design, ~np.asarray(leave, dtype=bool), None)


def with_starts(design: Design, keep: Array, first_treated: Array | None, programme: str | None = None) -> Design:
    """Return the design of the units kept, treated from other periods if given: (N,) first treated periods, inf for never."""
    keep = np.asarray(keep)
    if keep.shape != design.units.shape or keep.dtype != bool:
        raise DesignError(
            f"One True or False a unit is needed: {len(design.units):,}, in the order of design.units; got {keep.shape}."
        )
    if not keep.any():
        raise DesignError("No unit would be left.")
    rollout, position = design.rollout, _in_panel(design)
    # Units that the design has left out already stay in the panel, so that they are counted again.
    stays = np.ones(len(rollout.units), dtype=bool)
    stays[position] = keep
    first = rollout.first_treated
    if first_treated is not None:
        first = np.full(len(stays), np.inf)
        first[position] = first_treated
    notices = _notices(design, keep, first[stays], None if first_treated is not None else rollout.notices)
    told = replace(rollout, programme=programme or rollout.programme, notices=notices)
    return _of_units(replace(design, rollout=told), np.flatnonzero(stays), first[stays], first_treated is not None)


def redrawn(design: Design, taken: Array, first_treated: Array | None = None) -> Design:
    """Return the design on some of its units, in which a unit may be taken more than once and its start may be another.

    Parameters
    ----------
    taken : (U,) positions in ``design.units``; a unit taken several times becomes several units
    first_treated : (U,) another first treated period for each of them, inf for never

    Raises
    ------
    DesignError
        When these are no positions, or what is taken allows no comparison.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design()
    >>> redrawn(design, [0, 1, 2, 2]).observations
    32
    """
    taken, units = np.asarray(taken), len(design.units)
    if taken.dtype.kind not in "iu" or not len(taken) or taken.min() < 0 or taken.max() >= units:
        raise DesignError(f"Positions in design.units are needed, whole numbers from 0 to {units - 1:,}, and one at least.")
    order = np.argsort(taken, kind="stable")
    chosen = _in_panel(design)[taken[order]]
    first = design.rollout.first_treated[chosen] if first_treated is None else np.asarray(first_treated, float)[order]
    return _of_units(design, chosen, first, first_treated is not None)


def _in_panel(design: Design) -> Array:
    """Return (N,) positions of the design's units in its panel."""
    return np.asarray(pd.Index(design.panel.units).get_indexer(pd.Index(design.units)))


def _of_units(design: Design, taken: Array, first: Array, moved: bool) -> Design:
    """Return the design on units of its panel (U,), in order, some of them several times, with their starts, ``moved`` or not."""
    panel, rollout = design.panel, design.rollout
    starts = np.searchsorted(panel.unit_index, np.arange(len(panel.units) + 1))
    counts = np.diff(starts)[taken]
    rows = np.repeat(starts[taken] - np.r_[0, np.cumsum(counts)[:-1]], counts) + np.arange(counts.sum())
    frame = panel.frame.iloc[rows if panel.order is None else panel.order[rows]].reset_index(drop=True)
    if panel.unit is not None and (np.diff(taken) == 0).any():
        frame = frame.assign(**{panel.unit: np.repeat(np.arange(len(taken)), counts)})
    fewer = replace(panel, frame=frame)
    intensity = None if rollout.intensity is None or moved else rollout.intensity[rows]
    return replace(
        design, panel=fewer, rollout=replace(rollout, first_treated=first, units=fewer.units, intensity=intensity)
    )  # fmt: skip


def _notices(design: Design, keep: Array, first: Array, old: tuple[Notice, ...] | None) -> tuple[Notice, ...]:
    """Return the remarks on a roll-out of fewer units: who left, what was said before, and its late starts counted anew."""
    last = int(design.panel.periods[-1])
    notices = [Notice("UNITS_TAKEN_OUT", {"units": int((~keep).sum()), "of": len(keep)})] if not keep.all() else []
    notices += [notice for notice in old or () if notice.code != LATE]
    if late := int((np.isfinite(first) & (first > last)).sum()):
        notices.append(Notice(LATE, {"units": late, "last_period": last}))
    return tuple(notices)


def on_rows_of(estimate: Estimate, rows: pd.DataFrame) -> Estimate:
    """Return an estimate made on some of these rows as one on all of them: the others have no influence.

    It can then be joined with estimates of the whole. The covariance of the estimate itself does not change.

    Raises
    ------
    EstimateError
        When rows are observations, which have no name that lasts, or rows of the estimate are not among these.
    """
    key = str(rows.columns[0])
    own = str(estimate.rows.columns[0])
    if "observation" in (key, own):
        raise EstimateError(
            "Rows of single observations are counted anew when units leave, so they cannot be matched. Use rows='unit' or a cluster: "
            "Design(..., rows=...)."
        )
    if key != own:
        raise EstimateError(f"These rows are {key!r}, those of the estimate {own!r}: both designs need the same rows=.")
    position = pd.Index(rows[key]).get_indexer(pd.Index(estimate.rows[key]))
    if (missing := position < 0).any():
        raise EstimateError(
            f"{missing.sum():,} rows of the estimate are not among these: {first_five(estimate.rows[key][missing])}."
        )
    psi = np.zeros((len(rows), len(estimate.theta)))
    psi[position] = estimate.psi * (len(rows) / len(estimate.rows))
    treated, marked = None, estimate.facts.treated
    if marked is not None:
        treated = np.zeros(len(rows), dtype=bool)
        treated[position] = marked
    return replace(estimate, psi=psi, rows=rows, facts=replace(estimate.facts, treated=treated))
