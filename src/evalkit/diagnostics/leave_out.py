"""Leave one out: does one county, or one province, carry the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.replays import Array, Estimator, Replays, Variant, constant_in_units, replays
from evalkit.errors import DesignError
from evalkit.notices import Notice
from evalkit.parallel import Map
from evalkit.subset import without_units


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """The effect without each place in turn.

    Attributes
    ----------
    table : frame, one row a place left out
        The columns of :class:`~evalkit.diagnostics.replays.Replays`, and ``influence`` (the effect of all minus the effect without the
        place: what the place adds), ``sign_flips`` and ``cohorts_lost`` (starts of which nobody is left, as text)
    by : the column
    main : the effect with everybody
    replays : the same with the estimates behind the rows
    notices : remarks for readers
    """

    table: pd.DataFrame
    by: str
    main: float
    replays: Replays = field(repr=False)
    notices: tuple[Notice, ...] = ()

    @property
    def flips(self) -> tuple[object, ...]:
        """The places without which the sign is another."""
        return tuple(self.table.loc[self.table["sign_flips"], self.by])

    @property
    def driver(self) -> object | None:
        """The place whose leaving changes the effect most; None when no place could be left out."""
        size = self.table["influence"].abs()
        return None if size.isna().all() else self.table[self.by].iloc[int(size.fillna(-1).to_numpy().argmax())]

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest effect without a place."""
        return float(self.table["estimate"].min()), float(self.table["estimate"].max())

    def __repr__(self) -> str:
        low, high = self.range
        refused = int((self.table["refused"] != "").sum())
        return (
            f"Effect {self.main:.4g}; without one {self.by} of {len(self.table)} from {low:.4g} to {high:.4g}, most changed without "
            f"{self.driver}; sign flips without {len(self.flips)}; {refused} refused"
        )


def leave_out(estimator: Estimator, design: Design, by: str, *, map: Map = map, **inference: Any) -> LeaveOut:
    """Return the effect without each value of a column: each county, each province.

    Parameters
    ----------
    estimator : callable
        Design -> Estimate with one effect, such as ``TwoWay()`` or ``lambda design: aggregate(GroupTime()(design), by="overall")``.
    by : column that does not vary within units; it need not be a declared cluster
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`, such as ``cluster="county_id"``

    Raises
    ------
    DesignError
        When the column varies within units or has one value only. A place that cannot be left out (all treated, or all comparison
        units are there) is a row with the reason.

    Notes
    -----
    Where the place is one cluster of the standard error, its own noise is all that the difference holds, so that the difference is
    about as large as its error by construction: what to read is the sign, the range and the influence. With a place of many clusters
    (a province of many counties) the test of the difference has its usual meaning. For a standard error from these same replays see
    :func:`evalkit.inference.replay.replay`.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.leave_out import leave_out
    >>> found = leave_out(ek.TwoWay(), ek.example_design(), by="county_id")
    >>> len(found.table), found.flips
    (10, ())
    """
    codes, labels = constant_in_units(design, by)
    if len(labels) < 2:
        raise DesignError(f"{by!r} has one value only ({labels[0]}), so none can be left out. Choose a finer column.")
    variants = [Variant({by: label}, partial(without_units, leave=codes == code), estimator) for code, label in enumerate(labels)]
    found = replays(design, variants, estimator, map=map, inference=inference)
    assert found.main is not None
    main = float(found.main.theta[0])
    estimate = found.table["estimate"].to_numpy()
    table = found.table.assign(
        influence=main - estimate,
        sign_flips=np.sign(estimate) * np.sign(main) < 0,
        cohorts_lost=[_lost(design, codes != code) for code in range(len(labels))],
    )
    flips = [str(label) for label in table.loc[table["sign_flips"], by]]
    notices = (Notice("SIGN_FLIPS_WITHOUT", {"places": flips, "of": len(labels)}),) if flips else ()
    return LeaveOut(table, by, main, found, notices)


def _lost(design: Design, stay: Array) -> str:
    """Return the cohorts of which nobody stays, as text."""
    gone = np.setdiff1d(design.cohort, design.cohort[stay])
    return ", ".join("never treated" if np.isinf(cohort) else f"{cohort:g}" for cohort in gone)
