"""Combinations: which programmes a unit has in each period, alone or together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import RolloutError, first_five
from evalkit.panel import Panel
from evalkit.rollout import Rollout

Array = np.ndarray[Any, Any]

NONE = "none"


@dataclass(frozen=True, eq=False)
class Combinations:
    """The programmes of every unit in every period.

    Attributes
    ----------
    programmes : names, in the order given
    rows : DataFrame of the panel's rows: unit, period, and ``combination``, for example "none", "industry", "industry+health"
    first_treated : DataFrame of units: the first period of each programme, inf for never
    counts : DataFrame, combination x period: units
    """

    programmes: tuple[str, ...]
    rows: pd.DataFrame = field(repr=False)
    first_treated: pd.DataFrame = field(repr=False)
    counts: pd.DataFrame

    @property
    def together(self) -> pd.DataFrame:
        """Programme x programme: units that start both in the same period; the diagonal holds all that start one."""
        starts = self.first_treated[list(self.programmes)].to_numpy()
        same = (starts[:, :, None] == starts[:, None, :]) & np.isfinite(starts)[:, :, None]
        return pd.DataFrame(same.sum(axis=0), index=list(self.programmes), columns=list(self.programmes))


def combinations(panel: Panel, rollouts: Sequence[Rollout]) -> Combinations:
    """Return which of several programmes every unit has in every period.

    Parameters
    ----------
    panel : Panel
    rollouts : sequence of Rollout
        One a programme, under different names. They may know more units than the panel, not fewer.

    Raises
    ------
    RolloutError
        When there is no programme, two have one name, or a roll-out lacks units of the panel.

    Examples
    --------
    >>> frame = pd.DataFrame({"village": [1, 1, 2, 2], "year": [2014, 2015] * 2, "industry": [2014] * 2 + [0] * 2, "health": 2015})
    >>> panel = Panel(frame, unit="village", period="year")
    >>> made = combinations(panel, [Rollout.from_first_treated(panel, name, never=0) for name in ("industry", "health")])
    >>> list(made.rows["combination"])
    ['industry', 'industry+health', 'none', 'health']
    """
    rollouts = (rollouts,) if isinstance(rollouts, Rollout) else tuple(rollouts)
    if not rollouts:
        raise RolloutError("Combinations are of programmes: give one roll-out at least.")
    starts = np.column_stack([first_treated_of(rollout, panel.units) for rollout in rollouts])
    names = [rollout.programme for rollout in rollouts]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise RolloutError(f"Two roll-outs have the same name: {first_five(twice)}. Say programme= when they are made.")
    code, found = np.zeros(len(panel.unit_index), dtype=np.int64), np.zeros((1, 0), dtype=bool)
    for first in starts.T:  # one programme after the other, so that only combinations that occur are counted
        on = panel.periods[panel.period_index] >= first[panel.unit_index]
        pairs, code = np.unique(2 * code + on, return_inverse=True)
        found = np.column_stack([found[pairs // 2], pairs % 2 == 1])
    # Told from none to all, a later programme after every combination of those before it.
    order = np.lexsort(found.T)
    found, code = found[order], np.argsort(order)[code]
    label = np.array(["+".join(n for n, has in zip(names, row, strict=True) if has) or NONE for row in found], dtype=object)
    unit = panel.unit or "row"
    rows = pd.DataFrame(
        {unit: panel.units[panel.unit_index], panel.period: panel.periods[panel.period_index], "combination": label[code]}
    )
    size = np.bincount(code * len(panel.periods) + panel.period_index, minlength=len(label) * len(panel.periods))
    counts = pd.DataFrame(size.reshape(len(label), -1), index=label, columns=panel.periods)
    first = pd.DataFrame({unit: panel.units, **dict(zip(names, starts.T, strict=True))})
    return Combinations(tuple(names), rows, first, counts)


def first_treated_of(rollout: Rollout, units: Array) -> Array:
    """Return (N,) first treated periods of these units, matched by label; raises RolloutError for units it does not know."""
    if not isinstance(rollout, Rollout):
        raise RolloutError(
            f"Another programme is a roll-out, made for example by Rollout.from_first_treated(panel, column, never=...), not {rollout!r}."
        )
    if rollout.intensity is not None:
        raise RolloutError(
            f"Treatment by {rollout.programme!r} stops or varies in intensity, so a first period does not tell who has it. Make its roll-out "
            "with from_first_treated, or from_status(..., reversals='started')."
        )
    if rollout.units is units or np.array_equal(rollout.units, units):
        return rollout.first_treated
    position = pd.Index(rollout.units).get_indexer(pd.Index(units))
    if (unknown := position < 0).any():
        raise RolloutError(
            f"The roll-out of {rollout.programme!r} knows nothing of {unknown.sum():,} units: {first_five(units[unknown])}. Make it from the "
            "same panel: a unit it leaves out would count as untreated in silence."
        )
    return np.asarray(rollout.first_treated[position])
