"""Group-time cells brought together: overall, by event time, by cohort, by calendar period."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate, cell_frame, require_kinds
from evalkit.shares import position_of_shares

Array = np.ndarray[Any, Any]

BY = ("overall", "event_time", "cohort", "period")


def aggregate(
    cells: Estimate, by: str = "overall", balance: int | None = None, first: int | None = None, last: int | None = None
) -> Estimate:
    """Return averages of group-time effects, weighted by the shares that come with them.

    Parameters
    ----------
    cells : Estimate
        With parameters of kind ``group_time`` and their shares: ``cohort_share`` (:class:`evalkit.GroupTime`: one share a cohort,
        every period of it counts alike) or ``cell_share`` (other estimators: one a cell, by its treated rows).
    by : "overall", "event_time", "cohort" or "period"
        *overall* is the average over all treated unit-periods (did's "simple"), the headline. The others return one
        parameter a label, and an ``average`` last: over event times from 0 on (plain mean), over cohorts
        (by their shares, those of cells averaged), over periods (plain mean).
    balance : int, optional
        By event time only: keep the cohorts seen at least this many periods after treatment, and event times up
        to it, so that the path is not bent by cohorts that come and go.
    first, last : int, optional
        First event time shown, and last event time used.

    Returns
    -------
    Estimate
        Where the weights are estimated, their influence is carried along.

    Notes
    -----
    Callaway & Sant'Anna (2021), section 3.2, with the conventions of R did's ``aggte``.
    """
    if by == "unit":
        raise EstimateError(
            "A cohort's effect cannot be split by unit. Use evalkit.one_unit(design, unit): it refits the unit on its own."
        )
    if by not in BY:
        raise EstimateError(unknown("aggregation", by, (*BY, "unit")))
    require_kinds(cells, ("group_time",), "An aggregation")
    if balance is not None and balance < 0:
        raise EstimateError(f"balance= counts periods from the start on: 0, 1, 2, ..., not {balance}.")
    if by != "event_time" and (balance is not None or first is not None):
        raise EstimateError("balance= and first= shape a path over event time: they have a meaning with by='event_time' only.")
    averages = _Averages(cells)
    table = cells.cells
    effect = (table["kind"] == "group_time").to_numpy()
    event, cohort, period = (table[c].to_numpy() for c in ("event_time", "cohort", "period"))
    if last is not None:
        effect = effect & (event <= last)
    after = effect & (event >= 0)
    if not after.any():
        until = "" if last is None else f" up to event time {last}"
        raise EstimateError(f"There is no effect after treatment{until} among these cells.")
    if by == "overall":
        part = averages.by_share(after)
        return averages.estimate([part], cell_frame("overall", 1, **averages.units(after)))
    if by == "event_time":
        return _by_event_time(averages, effect, event, cohort, period, balance, first)
    labels = np.unique((cohort if by == "cohort" else period)[after])
    groups = [after & ((cohort if by == "cohort" else period) == label) for label in labels]
    parts = [averages.by_share(group) for group in groups]
    frame = cell_frame(by, len(labels), **{by: labels}, **averages.units(*groups))
    overall = averages.of_cohorts(parts, groups) if by == "cohort" else _mean(parts)
    return averages.estimate([*parts, overall], _with_average(frame, averages.units(after)))


def _by_event_time(
    averages: _Averages, effect: Array, event: Array, cohort: Array, period: Array, balance: int | None, first: int | None
) -> Estimate:
    if balance is not None:
        start, end = period[effect].min(), period[effect].max()
        # With a varying base the first period is a base only, so the panel starts one earlier than the cells.
        start = min(start, averages.first_period)
        effect = effect & (end - cohort >= balance) & (event <= balance) & (event >= balance - (end - start))
        if not effect.any():
            raise EstimateError(f"No cohort is seen for {balance} periods after treatment. Choose a smaller balance.")
    if first is not None:
        effect = effect & (event >= first)
    if not (effect & (event >= 0)).any():
        raise EstimateError(f"No event time from {first} on has an effect after treatment. Choose an earlier first.")
    labels = np.unique(event[effect])
    groups = [effect & (event == label) for label in labels]
    parts = [averages.by_share(group) for group in groups]
    reference = [bool(averages.reference[group].all()) for group in groups]
    frame = cell_frame("event_time", len(labels), event_time=labels, reference=reference, **averages.units(*groups))
    overall = _mean([part for part, label in zip(parts, labels, strict=True) if label >= 0])
    return averages.estimate([*parts, overall], _with_average(frame, averages.units(effect & (event >= 0))))


def _with_average(frame: pd.DataFrame, units: dict[str, list[float]]) -> pd.DataFrame:
    name = str(frame["kind"].iloc[0])
    return pd.concat([frame, cell_frame("average", 1, name=name, **units)], ignore_index=True)


Part = tuple[float, Array]  # a value and its gradient (k,)


def _mean(parts: list[Part]) -> Part:
    return float(np.mean([value for value, _ in parts])), np.mean([gradient for _, gradient in parts], axis=0)


class _Averages:
    """Means of cells as values with gradients, weights included."""

    def __init__(self, cells: Estimate) -> None:
        self.cells, table = cells, cells.cells
        self.cohort = table["cohort"].to_numpy()
        self.reference = table["reference"].to_numpy()
        self.share = position_of_shares(table)
        self.size, self.noisy = table["units"].to_numpy(), table["noisy_units"].to_numpy()
        self.first_period = cells.facts.first_period if cells.facts.first_period is not None else np.inf

    def by_share(self, group: Array) -> Part:
        """Share-weighted mean over cells: sum of p ATT / sum of p."""
        theta = self.cells.theta
        inside = np.flatnonzero(group)
        shares = self.share[inside]
        total = theta[shares].sum()
        value = float(theta[shares] @ theta[inside] / total)
        gradient = np.zeros(len(theta))
        gradient[inside] = theta[shares] / total
        np.add.at(gradient, shares, (theta[inside] - value) / total)
        return value, gradient

    def of_cohorts(self, parts: list[Part], groups: list[Array]) -> Part:
        """Share-weighted mean of cohort means, a cohort's share being the mean share of its cells."""
        theta = self.cells.theta
        shares = [self.share[np.flatnonzero(group)] for group in groups]
        p, values = np.array([theta[s].mean() for s in shares]), np.array([value for value, _ in parts])
        mean = float(p @ values / p.sum())
        gradient = sum((w * g for w, (_, g) in zip(p / p.sum(), parts, strict=True)), np.zeros(len(theta)))
        for value, s in zip(values, shares, strict=True):
            np.add.at(gradient, s, (value - mean) / p.sum() / len(s))
        return mean, gradient

    def units(self, *groups: Array) -> dict[str, list[float]]:
        """Treated units behind groups of cells, and how many of them have noise that can be learned."""

        def behind(size: Array, group: Array) -> float:
            return float(sum(size[group & (self.cohort == cohort)].max() for cohort in np.unique(self.cohort[group])))

        return {
            "units": [behind(self.size, group) for group in groups],
            "noisy_units": [behind(self.noisy, group) for group in groups],
        }

    def estimate(self, parts: list[Part], frame: pd.DataFrame) -> Estimate:
        return self.cells.map(np.array([v for v, _ in parts]), np.array([g for _, g in parts]), frame)
