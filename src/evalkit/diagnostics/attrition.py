"""Attrition: who was still there at the end, and whether one arm lost more than the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.linear import infer
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

HIGH, APART = 0.20, 0.05  # shares above which attrition, and its difference between arms, are flagged
ARMS = ("treated", "comparison")


@dataclass(frozen=True, eq=False)
class Followed:
    """Units seen in a base period: their arm, whether they are seen at the end, and their outcomes in both periods.

    Attributes
    ----------
    treated, seen : (N,) booleans
    before, after : (N,) outcomes, after NaN where not seen
    base, at : the two periods
    cohort : (N,) first treated period, inf for never
    already : units seen in the base period that were treated by then, left out
    keys : frame of N rows, the units and the clusters that do not vary within them
    """

    treated: Array
    seen: Array
    before: Array
    after: Array
    base: int
    at: int
    cohort: Array
    already: int
    keys: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Attrition:
    """The share of units lost between two periods, by arm.

    Attributes
    ----------
    table : frame with rows "treated", "comparison" and "difference" (treated less comparison)
        units (in the base period), seen (at the end), estimate (share lost) with std_error, conf_low, conf_high and p_value, and
        ``no_error``, the reason why a share has no standard error ("" where it has one)
    cohorts : frame, one row a start: cohort, units, seen, lost (share)
    base, at : the two periods
    high : arms that lost more than 20% of their units
    apart : whether the arms lost shares more than 5 points apart
    already : units treated by the base period, which have no before and are left out
    estimate : the shares with their influence
    notices : remarks for readers
    """

    table: pd.DataFrame
    cohorts: pd.DataFrame
    base: int
    at: int
    high: tuple[str, ...]
    apart: bool
    already: int
    estimate: Estimate = field(repr=False)
    notices: tuple[Notice, ...]

    def __repr__(self) -> str:
        lost = self.table.set_index("arm")["estimate"]
        flags = [*(f"more than {HIGH:.0%} of {arm} units" for arm in self.high), *(["arms apart by over 5 points"] * self.apart)]
        return (
            f"Lost from {self.base} to {self.at}: {lost['treated']:.1%} of treated, {lost['comparison']:.1%} of comparison units, "
            f"difference {100 * lost['difference']:.1f} points" + (f" ({'; '.join(flags)})" if flags else "")
        )


def attrition(design: Design, *, base: int | None = None, at: int | None = None, **inference: Any) -> Attrition:
    """Return the share of units no longer seen at the end, by arm, and whether the arms differ.

    Parameters
    ----------
    design : Design
        Presence is read from its panel: a row with the outcome. What the design does with missing rows plays no part.
    base, at : periods; the last clean one before the first start, and the last, without them
    inference : choices of :func:`evalkit.infer`, such as ``cluster="county_id"``

    Raises
    ------
    DesignError
        For a repeated cross-section, periods that are not there, and when an arm is empty in the base period.

    Notes
    -----
    Every unit counts once, whatever its weight. An arm is who was treated by the period ``at``; units treated by the base period are left out and counted. Units that first
    appear after the base period play no part.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.attrition import attrition
    >>> attrition(ek.example_design()).table["estimate"].tolist()
    [0.0, 0.0, 0.0]
    """
    who = followed(design, base, at)
    lost = ~who.seen
    theta, psi = np.empty(3), np.zeros((len(lost), 3))
    for column, arm in enumerate((who.treated, ~who.treated)):
        theta[column] = lost[arm].mean()
        psi[arm, column] = (lost[arm] - theta[column]) * len(lost) / arm.sum()
    theta[2], psi[:, 2] = theta[0] - theta[1], psi[:, 0] - psi[:, 1]
    names = [*ARMS, "difference"]
    estimate = Estimate(
        theta, psi, cell_frame("attrition", 3, name=names), who.keys, Facts(len(lost), correction="clusters", reference="t"), ()
    )
    numbers = infer(estimate, **inference)[["estimate", "std_error", "conf_low", "conf_high", "p_value"]]
    numbers["no_error"] = np.where(numbers["std_error"] > 0, "", "Nobody was lost, or everybody: a share without variation.")
    units = [int(who.treated.sum()), int((~who.treated).sum())]
    seen = [int(who.seen[who.treated].sum()), int(who.seen[~who.treated].sum())]
    head = pd.DataFrame({"arm": names, "units": [*units, sum(units)], "seen": [*seen, sum(seen)]})
    high = tuple(arm for arm, share in zip(ARMS, theta, strict=False) if share > HIGH)
    apart = bool(abs(theta[2]) > APART)
    facts: dict[str, object] = {"treated": float(theta[0]), "comparison": float(theta[1]), "base": who.base, "at": who.at}
    notices = [Notice("ATTRITION_HIGH", facts)] if high else []
    notices += [Notice("ATTRITION_APART", facts | {"points": float(100 * abs(theta[2]))})] if apart else []
    return Attrition(
        pd.concat([head, numbers], axis=1), _by_cohort(who), who.base, who.at, high, apart, who.already, estimate, tuple(notices)
    )


def _by_cohort(who: Followed) -> pd.DataFrame:
    rows = []
    for cohort in np.unique(who.cohort):
        own = who.cohort == cohort
        rows.append(
            {"cohort": cohort, "units": int(own.sum()), "seen": int(who.seen[own].sum()), "lost": float((~who.seen[own]).mean())}
        )
    return pd.DataFrame(rows)


def followed(design: Design, base: int | None = None, at: int | None = None) -> Followed:
    """Return the units seen in the base period, and what is known of them at the end."""
    panel = design.panel
    if panel.unit is None:
        raise DesignError("A repeated cross-section does not follow units, so nobody can be lost from it.")
    periods, first = panel.periods, design.rollout.first_treated
    at = int(periods[-1]) if at is None else at
    clean = first - design.anticipation
    if base is None:
        starts = clean[np.isfinite(clean) & (clean > periods[0])]
        earlier = periods[periods < starts.min()] if len(starts) else periods[:1]
        base = int(earlier.max())
    for name, period in (("base", base), ("at", at)):
        if period not in periods:
            raise DesignError(unknown(f"period for {name}", str(period), [str(p) for p in periods]))
    base, at = int(base), int(at)
    if base >= at:
        raise DesignError(f"The base period comes before the end: base={base}, at={at}.")
    y = panel.numbers(design.outcome)
    wide = np.full((len(panel.units), 2), np.nan)
    for column, period in enumerate((base, at)):
        rows = np.flatnonzero(periods[panel.period_index] == period)
        wide[panel.unit_index[rows], column] = y[rows]
    present = ~np.isnan(wide[:, 0])
    already = present & (clean <= base)
    kept = np.flatnonzero(present & ~already)
    treated = first[kept] <= at
    for arm, name in ((treated, "treated"), (~treated, "comparison")):
        if not arm.any():
            raise DesignError(
                f"No {name} unit is seen in {base}, so the arms cannot be compared ({int(already.sum()):,} units were treated by then). "
                "Choose another base=."
            )
    return Followed(
        treated,
        ~np.isnan(wide[kept, 1]),
        wide[kept, 0],
        wide[kept, 1],
        base,
        at,
        first[kept],
        int(already.sum()),
        _keys(design, kept),
    )


def _keys(design: Design, kept: Array) -> pd.DataFrame:
    """Return the frame of units of the panel, with the clusters that do not vary within them."""
    panel = design.panel
    first = np.flatnonzero(np.r_[True, np.diff(panel.unit_index) != 0])
    frame = pd.DataFrame({str(panel.unit): panel.units[kept]})
    for name in panel.clusters:
        codes = pd.factorize(panel.column(name))[0]
        if (codes == codes[first][panel.unit_index]).all():
            frame[name] = panel.column(name).to_numpy()[first][kept]
    return frame
