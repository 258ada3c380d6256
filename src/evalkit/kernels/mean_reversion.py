"""How much of a rise would have come anyway: growth of everybody, and the reversion of a group that was chosen on its income."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Anyway(NamedTuple):
    """What income would have become without a programme.

    Attributes
    ----------
    before, after : float
        Mean income of the group in the first and the last year.
    growth : float
        The factor by which everybody's mean income grows.
    reversion : float
        The factor by which a group chosen the same way grows beyond that.
    """

    before: float
    after: float
    growth: float
    reversion: float

    def parts(self) -> Array:
        """Return (3,) general growth, selection and the rest; they add up to ``after - before``."""
        grown = self.before * self.growth
        return np.array([grown - self.before, grown * (self.reversion - 1), self.after - grown * self.reversion])


def group_of(start: Array, end: Array, selected: Array, line: float | None) -> Array:
    """Return (N,) whether a unit is of the group: selected, with both incomes, and with the last at the line or above where there is one.

    >>> group_of(np.array([1.0, 1, 1]), np.array([2.0, 4, np.nan]), np.array([True, True, True]), 3.0).tolist()
    [False, True, False]
    """
    seen = selected & np.isfinite(start) & np.isfinite(end)
    return seen if line is None else seen & (np.nan_to_num(end, nan=-np.inf) >= line)


def by_earlier_pair(start: Array, end: Array, selected: Array, past: Array, present: Array, line: float | None) -> Anyway:
    """Return what a group would have become, learned from units at the same places of the incomes of an earlier pair of years.

    Parameters
    ----------
    start, end : (N,)
        Incomes of the first and the last year; NaN where there is none.
    selected : (N,) of bool
        Who was chosen at the start.
    past, present : (N,)
        Incomes of the two years of the earlier pair, in which nobody was helped yet.
    line : float, optional
        The line that income of the last year must reach for a unit to be counted, for those who left poverty.

    Notes
    -----
    A unit at place p of the N incomes of the first year is matched with the one at the same place of the earlier pair. The factor of
    reversion is the growth of the matched group over that of everybody, both between the earlier years. Those not selected fall back
    relative to everybody for the same reason that the selected catch up, so their growth is corrected by what the unmatched lost to
    everybody in the earlier pair: growth = growth of others x (growth of everybody / growth of the unmatched, earlier). A programme that
    touches only the selected therefore moves neither factor.
    """
    both, group = np.isfinite(start) & np.isfinite(end), group_of(start, end, selected, line)
    others = both & ~selected
    known = np.flatnonzero(np.isfinite(past) & np.isfinite(present))
    matched = known[np.argsort(past[known], kind="stable")][_places(start, both, selected, len(known))]
    left = np.isfinite(past) & np.isfinite(present)
    left[matched] = False
    unmatched = np.flatnonzero(left)
    everyone = present[known].mean() / past[known].mean()
    lost = (present[unmatched].mean() / past[unmatched].mean()) / everyone
    growth = end[others].mean() / start[others].mean() / lost
    if line is not None:
        # The line stands as high among everybody's incomes at the end of the earlier pair as it does, without the programme, now.
        reached = present[matched] >= line * present[known].mean() / (start[both].mean() * growth)
        matched = matched[reached]
    reversion = present[matched].mean() / past[matched].mean() / everyone
    return Anyway(float(start[group].mean()), float(end[group].mean()), float(growth), float(reversion))


def _places(start: Array, both: Array, selected: Array, earlier: int) -> Array:
    """Return the places of the selected among the incomes of the first year, as places among so many earlier incomes."""
    seen = np.flatnonzero(both)
    order = seen[np.argsort(start[seen], kind="stable")]
    places = np.flatnonzero(selected[order])
    return np.asarray(((places + 0.5) / len(seen) * earlier).astype(int))


def by_own_past(start: Array, end: Array, selected: Array, past: Array, line: float | None) -> Anyway:
    """Return what a group would have become, learned from its own incomes as long before the first year as the last is after it.

    Parameters
    ----------
    start, end, selected, line : as in :func:`by_earlier_pair`
    past : (N,)
        Incomes as many years before the first year.

    Notes
    -----
    Where the fluctuation of incomes about everybody's mean looks the same forwards and backwards (as it does for stationary normal
    incomes), a group chosen on what was known in the first year stands as far from everybody h years later as h years earlier. This
    holds also where lasting traits and not a bad year decided, in which case nothing reverts; it does not where incomes of the past
    decided as well. With a line the past incomes must reach it, as high as it stands among everybody's.
    """
    both, group = np.isfinite(start) & np.isfinite(end), group_of(start, end, selected, line)
    known, others = both & np.isfinite(past), both & ~selected

    def back(chosen: Array) -> float:
        """Return how the chosen stood to everybody in the past, relative to how they stand in the first year."""
        then, now = past[chosen].mean() / past[known].mean(), start[chosen].mean() / start[known].mean()
        return float(then / now)

    growth = end[others].mean() / start[others].mean() / back(known & ~selected)
    chosen = known & selected
    if line is not None:
        chosen &= np.nan_to_num(past, nan=-np.inf) >= line * past[known].mean() / (start[both].mean() * growth)
    return Anyway(float(start[group].mean()), float(end[group].mean()), float(growth), back(chosen))


def by_others(start: Array, end: Array, selected: Array, line: float | None) -> Anyway:
    """Return what a group would have become, learned from how the others' log incomes of two years hang together.

    Parameters
    ----------
    start, end, selected, line : as in :func:`by_earlier_pair`; incomes are positive

    Notes
    -----
    The log income of the last year is regressed on that of the first among those not selected, and drawn out to the incomes of the
    selected: choosing on the regressor leaves the line unbiased where it is one. Means in money take the residuals of the others along
    (Duan 1983); with a line only the draws that reach it count. Everybody's growth is that of the others and of the selected as predicted.
    """
    both, group = np.isfinite(start) & np.isfinite(end), group_of(start, end, selected, line)
    others, chosen = both & ~selected, both & selected
    x, y = np.log(start[others]), np.log(end[others])
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    residuals = np.sort(y - y.mean() - slope * (x - x.mean()))
    fitted = y.mean() + slope * (np.log(start[chosen]) - x.mean())
    whole = np.exp(fitted) * np.exp(residuals).mean()
    growth = (end[others].sum() + whole.sum()) / start[both].sum()
    if line is None:
        factor = whole.sum() / start[chosen].sum()
    else:
        first = np.searchsorted(residuals, np.log(line) - fitted)
        above = np.append(np.cumsum(np.exp(residuals)[::-1])[::-1], 0.0)
        share = (len(residuals) - first) / len(residuals)
        factor = (np.exp(fitted) * above[first] / len(residuals)).sum() / (share * start[chosen]).sum()
    return Anyway(float(start[group].mean()), float(end[group].mean()), float(growth), float(factor / growth))


def without_reversion(start: Array, end: Array, selected: Array, line: float | None) -> Anyway:
    """Return what a group would have become if lasting traits alone had decided who was chosen: it grows as the others do."""
    both, group = np.isfinite(start) & np.isfinite(end), group_of(start, end, selected, line)
    others = both & ~selected
    return Anyway(float(start[group].mean()), float(end[group].mean()), float(end[others].mean() / start[others].mean()), 1.0)
