"""The same design with fewer units, and estimates of parts brought back to the rows of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, first_five
from evalkit.estimate import Estimate
from evalkit.notices import Notice
from evalkit.panel import Panel
from evalkit.rollout import Rollout

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
    panel, rollout = design.panel, design.rollout
    position = pd.Index(panel.units).get_indexer(pd.Index(design.units))
    # Units that the design has left out already stay in the panel, so that they are counted again.
    stays = np.ones(len(panel.units), dtype=bool)
    stays[position] = keep
    first = rollout.first_treated
    if first_treated is not None:
        first = np.full(len(panel.units), np.inf)
        first[position] = first_treated
    rows = stays[panel.unit_index]
    in_frame = rows
    if panel.order is not None:
        in_frame = np.empty(len(rows), dtype=bool)
        in_frame[panel.order] = rows
    smaller = Panel(panel.frame[in_frame], panel.unit, panel.period, panel.clusters, panel.weight)
    intensity = None if rollout.intensity is None or first_treated is not None else rollout.intensity[rows]
    notices = _notices(design, keep, first[stays], None if first_treated is not None else rollout.notices)
    starts = Rollout(programme or rollout.programme, first[stays], smaller.units, dict(rollout.never_codes), notices, intensity)
    return replace(design, panel=smaller, rollout=starts)


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
    return replace(estimate, psi=psi, rows=rows)
