"""Effects of one programme while others come and go: de Chaisemartin & D'Haultfoeuille (2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.combinations import first_treated_of
from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.two_periods import METHODS, Tables, adjusted
from evalkit.kernels import doubly_robust as dr
from evalkit.kernels.strata import difference
from evalkit.notices import Notice
from evalkit.rollout import NeverCode, Rollout
from evalkit.shares import SHARES

Array = np.ndarray[Any, Any]

MATCHES = ("status", "start")


@dataclass(frozen=True)
class SeveralProgrammes:
    """Effects of one programme among units whose other programmes stay as they are, against units with the same other programmes.

    Parameters
    ----------
    others : sequence of Rollout or str
        The other programmes: roll-outs, or columns of the panel with their first treated periods. With none that anybody has this
        is :class:`evalkit.GroupTime`.
    never : code or codes that mean never treated in columns named in ``others``
    match : "status" or "start"
        *status* compares units that have the same other programmes; *start* only those that also started them in the same
        period, which lets the effects of the others grow with time.
    method : "dr", "ipw" or "reg"
        How covariates enter each comparison, see :class:`evalkit.GroupTime`.
    shares : "population" or "sample"
        Whether the weights of an average count as estimated or as known, see :func:`evalkit.shares.with_cell_shares`.

    Returns
    -------
    Estimate
        Cells of kind ``group_time``, and a ``cell_share`` for each: the treated rows that could be compared, over all rows.

    Raises
    ------
    DesignError
        When no other programme is named, and when no treated unit can be compared: the programmes arrive together everywhere, and
        the effect is that of the bundle; or the covariates cannot be fitted among units of the same other programmes.

    Notes
    -----
    de Chaisemartin & D'Haultfoeuille (2023, Journal of Econometrics 236), section 4, with Callaway & Sant'Anna's cells. For the effect
    on cohort g in period t, units count if no other programme starts between the base period (excluded) and t (and design.anticipation
    further periods), treated and compared alike; they are compared with units of the same other programmes, and the differences are
    averaged with the treated units' numbers. So a programme that always follows this one within a period leaves the first effects only. Units
    whose other programmes change, or for which there is nobody to compare with, are counted in a notice, and so are those of strata
    in which the covariates cannot be fitted. The effect is
    that of the programme given the others a unit has, averaged over what the treated have: with interactions it is
    not the effect the programme would have alone.

    Examples
    --------
    >>> import evalkit as ek
    >>> panel = ek.Panel(ek.example_frame().assign(roads=0), unit="village_id", period="year")
    >>> design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income")
    >>> cells = SeveralProgrammes(others="roads", never=0)(design)
    >>> bool(abs(cells.select(kind="group_time").theta - ek.GroupTime()(design).select(kind="group_time").theta).max() < 1e-12)
    True
    """

    others: Sequence[Rollout | str] = field(default=())
    never: NeverCode | Sequence[NeverCode] = ()
    match: str = "status"
    method: str = "dr"
    shares: str = "population"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "units_followed", "clean_period", "others")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        choices = (("match", self.match, MATCHES), ("method", self.method, METHODS), ("choice of shares", self.shares, SHARES))
        for name, value, allowed in choices:
            if value not in allowed:
                raise DesignError(unknown(name, value, allowed))
        if isinstance(self.others, (str, Rollout)):
            object.__setattr__(self, "others", (self.others,))
        object.__setattr__(self, "others", tuple(self.others or ()))

    def __call__(self, design: Design) -> Estimate:
        """Return all group-time effects of a design's programme, given the others."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        cells = _Cells(design, comparison, self._other_starts(design), self.match, self.method, self.shares == "population")
        skipped: list[str] = []
        for cohort in comparison.cohorts:
            for time, base in comparison.pairs(cohort):
                if not cells.add(cohort, time, base) and time >= cohort:
                    skipped.append(f"{cohort} in {time}")
        if not any(label.period >= label.cohort for label in cells.labels):
            raise DesignError(self._unfitted(design) if cells.unfitted else self._bundled(design))
        return self._estimate(design, comparison, cells, skipped)

    def _other_starts(self, design: Design) -> list[Array]:
        """Return (N,) first treated periods of every other programme."""
        starts = []
        for other in self.others:
            if isinstance(other, str):
                other = Rollout.from_first_treated(design.panel, other, never=self.never)
            starts.append(first_treated_of(other, design.units))
        return starts

    def _names(self) -> list[str]:
        return [other if isinstance(other, str) else other.programme for other in self.others]

    def _bundled(self, design: Design) -> str:
        return (
            f"The effect of {design.rollout.programme!r} cannot be told apart from {first_five(self._names())}: no treated unit keeps its other "
            "programmes as they were and finds a comparison with the same. What can be told is the effect of the bundle: leave out "
            "others= and name the effect after all of them, or take the first period with any of them as the start."
        )

    def _unfitted(self, design: Design) -> str:
        return (
            f"Covariates {', '.join(design.covariates)} cannot be fitted in any comparison: among units of the same other programmes "
            f"({first_five(self._names())}) they are collinear, too many, or tell the treated and the others apart perfectly. Use fewer "
            "covariates, method='reg', or match='status'."
        )

    def _estimate(self, design: Design, comparison: Comparison, cells: _Cells, skipped: list[str]) -> Estimate:
        names = ("cohort", "period", "units", "reference")
        cohort, period, units, reference = (np.array([getattr(label, name) for label in cells.labels]) for name in names)
        labels = {"cohort": cohort, "period": period, "event_time": period - cohort, "units": units}
        own = np.where(units > 1, units, 0)
        k = len(units)
        effects = cell_frame("group_time", k, reference=reference, **labels, noisy_units=own)
        shares = cell_frame("cell_share", k, **labels, noisy_units=own * (self.shares == "population"))
        notices = design.notices
        if skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}),)
        if cells.left_out["changed"] + cells.left_out["unmatched"]:
            notices += (Notice("OTHER_PROGRAMMES_LEFT_OUT", {"programmes": self._names(), **cells.left_out}),)
        if cells.unfitted:
            facts_of_it = {"treated_rows": cells.left_out["treated_rows"], "rows": cells.unfitted}
            notices += (Notice("STRATA_WITHOUT_FIT", {"columns": list(design.covariates), **facts_of_it}),)
        facts = Facts(observations=design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        frame = pd.concat([effects, shares], ignore_index=True)
        return Estimate(np.r_[cells.theta, cells.share], cells.psi(), frame, design.row_keys, facts, notices)


@dataclass(frozen=True)
class _Label:
    """Which effect a column is, and how many treated units stand behind it."""

    cohort: int
    period: int
    reference: bool
    units: int


class _Cells:
    """Effects on cohorts in periods, stratum by stratum of the other programmes; counts what it leaves out."""

    def __init__(
        self, design: Design, comparison: Comparison, others: list[Array], match: str, method: str, estimated_shares: bool
    ) -> None:
        self.design, self.match, self.method, self.estimated_shares = design, match, method, estimated_shares
        self.tables = Tables(design)
        first, self.pattern = _patterns([comparison.cohort, *others])
        self.others = [starts[first] for starts in others]
        self.cohort = design.cohort[first]
        self.comparison = replace(comparison, cohort=comparison.cohort[first])
        weight = np.ones(design.observations) if design.w is None else design.w
        self.total, self.own = float(weight.sum()), np.bincount(design.unit_index, weight, len(design.units))
        self.strata: dict[int, Array] = {}
        self.labels: list[_Label] = []
        self.theta: list[float] = []
        self.share: list[float] = []
        most = sum(len(comparison.pairs(g)) for g in comparison.cohorts)
        self.columns = np.zeros((2, most, len(design.row_keys)))
        self.left_out = {"treated_rows": 0, "changed": 0, "unmatched": 0}
        self.unfitted = 0

    def add(self, cohort: int, time: int, base: int) -> bool:
        """Add an effect and its share; False when nobody can be compared."""
        treated = self.comparison.cohort == cohort
        if time == base:
            self._keep(_Label(cohort, time, True, int(treated[self.pattern].sum())), 0.0, None, treated[self.pattern])
            return True
        dy, earlier = self.tables.change(time, base)
        low, high = min(time, base), max(time, base) + self.design.anticipation
        compared = self.comparison.of_cell(cohort, time, base)
        seen = None if self.design.balanced else ~np.isnan(dy)
        steady = self._steady(low, high)
        among = dy, seen, earlier, treated & steady, compared & steady, self._stratum(low)
        fitted, unfitted = self._given_covariates(*among) if self.tables.X else (self._means(*among), 0)
        used = np.zeros(len(dy), dtype=bool) if fitted is None else fitted[2]
        if time >= cohort:
            self._count(treated, treated & steady, seen, int(used.sum()), unfitted)
        if fitted is None:
            return False
        self._keep(_Label(cohort, time, False, int(used.sum())), *fitted)
        return True

    def psi(self) -> Array:
        """Return the influence of rows on the effects, then on their shares."""
        return np.concatenate([block[: len(self.theta)] for block in self.columns]).T

    def _keep(self, label: _Label, theta: float, contribution: Array | None, used: Array) -> None:
        place, period = len(self.labels), self.tables.position[label.period]
        wide = self._weight(period)
        rows = used.astype(float) if wide is None else used * wide
        if wide is None and not self.design.balanced:
            rows = used * ~np.isnan(self.tables.Y[period])
        share = float(rows.sum() / self.total)
        if contribution is not None:
            self.columns[0, place] = self.design.psi_from_units(contribution[:, None])[:, 0]
        if self.estimated_shares:
            influence = (rows - self.own * share) / self.total
            self.columns[1, place] = self.design.psi_from_units(influence[:, None])[:, 0]
        self.labels.append(label)
        self.theta.append(theta)
        self.share.append(share)

    def _weight(self, column: int) -> Array | None:
        return None if self.tables.w is None else np.nan_to_num(self.tables.w[column])

    def _count(self, treated: Array, steady: Array, seen: Array | None, used: int, unfitted: int) -> None:
        sizes = np.bincount(self.pattern, seen, len(treated))
        there, kept = int(sizes[treated].sum()), int(sizes[steady].sum())
        counts = {"treated_rows": there, "changed": there - kept, "unmatched": kept - used - unfitted}
        self.unfitted += unfitted
        self.left_out = {name: value + counts[name] for name, value in self.left_out.items()}

    def _steady(self, low: int, high: int) -> Array:
        """Return (P,) whether no other programme starts after ``low`` and by ``high``."""
        steady = np.ones(len(self.cohort), dtype=bool)
        for first in self.others:
            steady &= (first <= low) | (first > high)
        return steady

    def _stratum(self, low: int) -> Array:
        """Return (P,) codes of the other programmes had by ``low``, and of when they started if these must agree."""
        if low in self.strata:
            return self.strata[low]
        code = np.zeros(len(self.cohort), dtype=np.int64)
        for first in self.others:
            had = first <= low
            own = np.unique(np.where(had, first, np.inf), return_inverse=True)[1] if self.match == "start" else had.astype(int)
            code = np.unique(code * (int(own.max()) + 1) + own, return_inverse=True)[1]
        self.strata[low] = code
        return code

    def _means(
        self, dy: Array, seen: Array | None, earlier: int, treated: Array, compared: Array, stratum: Array
    ) -> tuple[float, Array, Array] | None:
        """Return the effect, (N,) contributions and which treated units are behind it, from sums by pattern."""
        w, P = self._weight(earlier), len(treated)
        if seen is not None:
            w = seen.astype(float) if w is None else w * seen
            dy = np.where(seen, dy, 0.0)
        wdy = dy if w is None else w * dy
        found = difference(
            np.bincount(self.pattern, w, P).astype(float), np.bincount(self.pattern, wdy, P), treated, compared, stratum
        )
        if found is None:
            return None
        level = found.level[self.pattern] if w is None else w * found.level[self.pattern]
        used = found.used[self.pattern]
        return found.theta, wdy * found.slope[self.pattern] + level, used if seen is None else used & seen

    def _given_covariates(
        self, dy: Array, seen: Array | None, earlier: int, treated: Array, compared: Array, stratum: Array
    ) -> tuple[tuple[float, Array, Array] | None, int]:
        """Return the same, each stratum's difference adjusted for the covariates, and how many treated units' strata have no fit."""
        inside = (treated | compared)[self.pattern]
        rows = np.flatnonzero(inside if seen is None else inside & seen)
        code = stratum[self.pattern[rows]]
        order = np.argsort(code, kind="stable")
        parts, unfitted = [], 0
        for units in np.split(rows[order], np.cumsum(np.bincount(code))[:-1]) if len(rows) else []:
            D = treated[self.pattern[units]].astype(float)
            if not D.any() or D.all():
                continue
            if (part := self._adjusted(units, D, dy[units], earlier)) is None:
                unfitted += int(D.sum())
            else:
                parts.append((units, D, *part))
        if not parts:
            return None, unfitted
        contribution, used = np.zeros(len(dy)), np.zeros(len(dy), dtype=bool)
        total = sum(float(w @ D) for _, D, w, _, _ in parts)
        theta = sum(float(w @ D) / total * own for _, D, w, own, _ in parts)
        for units, D, w, own, psi in parts:
            # The stratum's own noise, and that of its share among the treated.
            contribution[units] = (w @ D) / total * psi / len(units) + w * D * (own - theta) / total
            used[units] = D == 1
        return (theta, contribution, used), unfitted

    def _adjusted(self, units: Array, D: Array, dy: Array, earlier: int) -> tuple[Array, float, Array] | None:
        """Return weights, the effect and its influence within one stratum; None where the covariates cannot be fitted."""
        w = self.tables.weights(earlier, units)
        try:
            return w, *adjusted(self.method, dy, D, self.tables.covariates(earlier, units), w)
        except (dr.Separation, dr.Collinear):
            return None


def _patterns(starts: list[Array]) -> tuple[Array, Array]:
    """Return (P,) positions of one unit of each combination of first treated periods, and each unit's combination (N,)."""
    code = np.zeros(len(starts[0]), dtype=np.int64)
    for first in starts:
        own = np.unique(first, return_inverse=True)[1]
        code = np.unique(code * (int(own.max()) + 1) + own, return_inverse=True)[1]
    position, pattern = np.unique(code, return_index=True, return_inverse=True)[1:]
    return position, pattern
