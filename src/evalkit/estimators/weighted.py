"""Matched and weighted difference-in-differences: a comparison made to look like the treated once, in the base year."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators import weights_of_cohort
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import balancing
from evalkit.notices import Notice
from evalkit.shares import with_cell_shares
from evalkit.words import catalogue

Array = np.ndarray[Any, Any]

METHODS = ("entropy", "propensity", "nearest")
DISTANCES = ("mahalanobis", "propensity")
SAME_RANKS = 0.99  # Spearman's correlation from which a column is the outcome under another name
SMALL = 30  # effective comparison units below which a reader is told
HEAVY = 0.2  # share of the comparison's weight on one unit from which a reader is told
NOBODY = "No effect can be estimated: no cohort has both a clean base period and a comparison seen in two periods."
OUTSIDE = 0.1  # share of a cohort outside the comparison's range from which a reader is told


@dataclass(frozen=True, eq=False)
class CohortWeights:
    """The weights of one cohort and its comparison in the base year.

    Attributes
    ----------
    cohort, base : first treated period, and the period the covariates are read in
    rows : (n,) positions of the units compared; treated (n,) which are of the cohort
    x : (n, k) covariates in the base year; names : their columns; sampling : (n,) sampling weights
    fit : the fitted weights
    """

    cohort: int
    base: int
    rows: Array
    treated: Array
    x: Array
    names: tuple[str, ...]
    sampling: Array
    fit: balancing.Balanced = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"Weights of cohort {self.cohort} on {', '.join(self.names)} in {self.base}: {int((self.fit.treated > 0).sum()):,} of "
            f"{int(self.treated.sum()):,} treated units, {int((~self.treated).sum()):,} comparison units that count for "
            f"{self.effective_size:.1f}"
        )

    @property
    def weights(self) -> Array:
        """(n,) weights, those of the comparison summing to those of the treated."""
        return self.fit.treated + self.fit.comparison

    @property
    def shares(self) -> Array:
        """(n,) shares of the comparison's weight."""
        return np.asarray(self.fit.comparison / self.fit.comparison.sum())

    @property
    def effective_size(self) -> float:
        """Kish's effective number of comparison units."""
        return balancing.effective_size(self.fit.comparison)

    @property
    def outside(self) -> Array:
        """(n,) treated units with a covariate below the smallest or above the largest in the comparison."""
        pool = self.x[~self.treated]
        return np.asarray(self.treated & ((self.x < pool.min(axis=0)) | (self.x > pool.max(axis=0))).any(axis=1))


@dataclass(frozen=True)
class Weighted:
    """Changes of each cohort against those of comparison units weighted or matched to resemble it in the base year.

    Parameters
    ----------
    method : "entropy", "propensity" or "nearest"
        Entropy balancing gives exactly equal means; *propensity* weights by the odds of a logit (Hajek); *nearest* matches with
        replacement, ties sharing a match.
    on : columns to balance; the design's covariates if not said. They are read in the last clean period before the cohort starts.
    neighbours, caliper, distance
        For *nearest* only: how many neighbours, how far they may be (in Mahalanobis units, or standard deviations of the logit's index),
        and "mahalanobis" or "propensity". Treated units with nobody within the caliper leave, and are counted.
    outcome_level : bool
        Match on the outcome's level in the base year as well. Refused unless asked for here (see Notes).
    every_period : False
        Matching again in every period is not offered; True raises the reason.

    Returns
    -------
    Estimate
        Cells of kind ``group_time``, and ``cell_share`` with which :func:`evalkit.aggregate` weights them.

    Raises
    ------
    DesignError
        When a covariate tells the groups apart, is collinear, or has treated means that no weights reach (named); when nothing is there
        to balance on; and for the outcome's level, also under another name or sign (a poverty gap).

    Notes
    -----
    Entropy balancing: Hainmueller (2012), as R's ebal. Odds: Hajek weighting of Abadie (2005), the same as
    ``GroupTime(method="ipw")`` on covariates held at the base year, trim at .995 included (but for leads with a varying base, see below). Both
    carry the influence of the fitted weights (stacked estimating equations). Sampling weights are those of the base year.

    Weights are fitted once for each set of units compared: once a cohort where the comparison is never treated, once more whenever
    comparison units start treatment themselves or (unbalanced="pairwise") are not seen, always on base-year covariates. Units that
    start treatment before the base year are no comparison for leads either, with base="varying" (their covariates may have been moved).

    Averages over cells count every treated unit of a cohort, with or without a match. Where no more comparison units count than there are
    columns (and the constant), they are fitted exactly: their noise cannot be learned, and the cells have no standard error.

    Matches have no smooth influence, and the bootstrap fails too (Abadie & Imbens 2008). They are taken as given, which is right for
    close matches on few columns (Abadie & Imbens 2006). It leaves out the bias from distant matches, and with distance="propensity"
    that the score was fitted.

    Matching on the outcome's level invites regression to the mean (Daw & Hatfield 2018): where groups differ in level, matches are
    alike by that year's luck, and part from each other afterwards.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = ek.example_design(covariates=["labour_share"], comparison="never_treated")
    >>> cells = ek.Weighted("entropy")(design)
    >>> len(ek.aggregate(cells, by="cohort").theta)
    4
    """

    method: str = "entropy"
    on: Sequence[str] = ()
    neighbours: int = 1
    caliper: float | None = None
    distance: str = "mahalanobis"
    outcome_level: bool = False
    every_period: bool = False
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "units_followed", "weighted_on")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", (self.on,) if isinstance(self.on, str) else tuple(self.on))
        for name, value, allowed in (("method", self.method, METHODS), ("distance", self.distance, DISTANCES)):
            if value not in allowed:
                raise DesignError(unknown(name, value, allowed))
        if self.every_period:
            raise DesignError(catalogue("en").say("matching.every_period"))
        if self.method != "nearest" and (self.neighbours, self.caliper, self.distance) != (1, None, "mahalanobis"):
            raise DesignError(
                f"neighbours, caliper and distance say how neighbours are found; method={self.method!r} has none. "
                "Leave them out, or use method='nearest'."
            )
        if self.neighbours < 1 or self.neighbours != int(self.neighbours) or (self.caliper is not None and not self.caliper > 0):
            raise DesignError(f"neighbours must be 1, 2, 3, ... and caliper positive, not {self.neighbours} and {self.caliper}.")

    def __call__(self, design: Design) -> Estimate:
        """Return all group-time effects of a design."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        fits = _Fits(self, design, comparison)
        pairs = [(g, t, b) for g in comparison.cohorts for t, b in comparison.pairs(g)]
        columns = np.zeros((len(pairs), len(design.row_keys)))
        theta: list[float] = []
        labels: list[tuple[int, int, bool, int, bool]] = []
        skipped: list[str] = []
        for cohort, time, base in pairs:
            if time == base:
                labels.append((cohort, time, True, int((design.cohort == cohort).sum()), True))
                theta.append(0.0)
                continue
            result = fits.cell(cohort, time, base)
            if result is None:
                skipped.append(f"{cohort} in {time}")
                continue
            value, contribution, treated, noise = result
            columns[len(theta)] = design.psi_from_units(contribution[:, None])[:, 0]
            theta.append(value)
            labels.append((cohort, time, False, treated, noise))
        if all(reference for _, _, reference, _, _ in labels):
            raise DesignError(NOBODY)
        notices = design.notices + fits.notices()
        if skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}),)
        if blind := [f"{cohort} in {time}" for cohort, time, _, treated, noise in labels if treated > 1 and not noise]:
            notices += (Notice("WEIGHTED_NOISE_UNKNOWN", {"cells": first_five(blind)}),)
        cohorts, periods, reference, units, noisy = (np.array(part) for part in zip(*labels, strict=True))
        cells = cell_frame(
            "group_time", len(labels), cohort=cohorts, period=periods, event_time=periods - cohorts,
            units=units, noisy_units=np.where((units > 1) & noisy, units, 0), reference=reference,
        )  # fmt: skip
        facts = Facts(observations=design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        effects = Estimate(np.array(theta), columns[: len(theta)].T, cells, design.row_keys, facts, notices)
        return with_cell_shares(effects, design, "population")

    def weights(self, design: Design) -> tuple[CohortWeights, ...]:
        """Return the weights of every cohort against those not yet treated when it starts, for balance tables and pictures.

        Cohorts without units on both sides in the base year have none. Raises DesignError when that is so for all.
        """
        refuse_unmet(design, self)
        if not (found := _Fits(self, design, Comparison.of(design)).at_start()):
            raise DesignError(NOBODY)
        return tuple(found)


class _Fits:
    """Weights by cohort and comparison, each fitted once, and what a reader must know about them."""

    def __init__(self, spec: Weighted, design: Design, comparison: Comparison) -> None:
        self.spec, self.design, self.comparison = spec, design, comparison
        self.names = _columns(spec, design)
        self.position = {int(p): i for i, p in enumerate(design.periods)}
        self.Y = np.ascontiguousarray(design.wide(design.y).T)
        known = dict(zip(design.covariates, design.x.T, strict=True)) | {design.outcome: design.y}
        long = [known[name] if name in known else design.values(name) for name in self.names]
        self.X = [design.wide(np.ascontiguousarray(values)) for values in long]
        self.w = None if design.w is None else design.wide(design.w)
        self.known: dict[tuple[int, bytes], CohortWeights] = {}

    def cell(self, cohort: int, time: int, base: int) -> tuple[float, Array, int, bool] | None:
        """Return an effect, (N,) contributions of units, the number treated and whether the comparison's noise is seen.

        None without units on both sides.
        """
        change = self.Y[self.position[time]] - self.Y[self.position[base]]
        # With a varying base a lead lies before the year the covariates are read in: those treated by then are out.
        others = self.comparison.of_cell(cohort, time, self.comparison.base_of(cohort))
        found = self.fitted(cohort, others, ~np.isnan(change), time)
        if found is None:
            return None
        value, psi = balancing.effect(change[found.rows], found.treated.astype(float), found.sampling, found.fit)
        contribution = np.zeros(len(self.design.units))
        contribution[found.rows] = psi / len(psi)
        noise = balancing.noise_is_seen(found.treated.astype(float), found.x, found.fit)
        return value, contribution, int((found.fit.treated > 0).sum()), noise

    def at_start(self) -> list[CohortWeights]:
        """Return each cohort's weights against all that are comparable in its first period."""
        everyone = np.ones(len(self.design.units), dtype=bool)
        others = {g: self.comparison.of_cell(g, g, self.comparison.base_of(g)) for g in self.comparison.cohorts}
        found = (self.fitted(g, others[g], everyone, g) for g in self.comparison.cohorts)
        return [weights for weights in found if weights is not None]

    def fitted(self, cohort: int, others: Array, seen: Array, time: int) -> CohortWeights | None:
        """Return the weights of a cohort and these others (``time`` is for messages) where seen; None without units on both sides."""
        base = self.comparison.base_of(cohort)
        b = self.position[base]
        treated = self.design.cohort == cohort
        used = (treated | others) & seen & ~np.isnan(self.Y[b])
        key = cohort, np.packbits(used).tobytes()
        if key not in self.known:
            rows = np.flatnonzero(used)
            if not treated[rows].any() or treated[rows].all():
                return None
            x = np.column_stack([column[rows, b] for column in self.X])
            self._judge(x, rows, base)
            w = np.ones(len(rows)) if self.w is None else self.w[rows, b]
            compared = weights_of_cohort.Compared(cohort, time, base, treated[rows].astype(float), x, w, self.names)
            spec = self.spec
            fit = weights_of_cohort.fit(compared, spec.method, spec.neighbours, spec.caliper, spec.distance)
            self.known[key] = CohortWeights(cohort, base, rows, treated[rows], x, self.names, w, fit)
        return self.known[key]

    def _judge(self, x: Array, rows: Array, base: int) -> None:
        """Refuse columns that are missing in the base year, or are the outcome's level under another name."""
        y = self.Y[self.position[base]][rows]
        for name, values in zip(self.names, x.T, strict=True):
            if (missing := np.isnan(values)).any():
                raise DesignError(
                    f"Column {name!r} is missing in {base} for {missing.sum():,} units: {first_five(self.design.units[rows[missing]])}. "
                    "Make it a covariate of the design, which leaves such rows out and counts them, or fill it in."
                )
            if not self.spec.outcome_level and np.ptp(values) > 0 and np.ptp(y) > 0 and len(y) > 10:
                alike = _likeness(values, y)
                if abs(alike) > SAME_RANKS:
                    raise DesignError(
                        _level(f"Column {name!r} ranks units as the outcome does (correlation of ranks {alike:.3f}).")
                    )

    def notices(self) -> tuple[Notice, ...]:
        """Return what a reader must know: who has no match, weights on few units, poor overlap, trimmed units, the outcome's level.

        Of several fits of a cohort (its comparison shrinks as others start) the worst is told.
        """
        self.at_start()
        fits, units = list(self.known.values()), self.design.units
        remarks = []
        if self.spec.outcome_level:
            remarks.append(Notice("WEIGHTED_OUTCOME_LEVEL", {"outcome": self.design.outcome}))
        alone = _positions(fits, lambda c: c.treated & (c.fit.treated == 0))
        if len(alone):
            treated = len(_positions(fits, lambda c: c.treated))
            facts = {"units": len(alone), "treated_units": treated, "first": first_five(units[alone])}
            remarks.append(Notice("WEIGHTED_UNMATCHED", facts))
        trimmed = _positions(fits, lambda c: np.zeros(len(c.rows), bool) if c.fit.score is None else c.fit.score.kept == 0)
        if len(trimmed):
            remarks.append(Notice("WEIGHTED_TRIMMED", {"units": len(trimmed), "first": first_five(units[trimmed])}))
        for cohort in self.comparison.cohorts:
            remarks += _about_weights([c for c in fits if c.cohort == cohort], units)
        return tuple(remarks)


def _positions(fits: Sequence[CohortWeights], which: Callable[[CohortWeights], Array]) -> Array:
    """Return the positions of the units that are so in any of the fits, each once."""
    return np.unique(np.concatenate([c.rows[which(c)] for c in fits]))


def _about_weights(fits: Sequence[CohortWeights], units: Array) -> list[Notice]:
    """Return remarks on one cohort: its comparison rests on few units, or some of it have nobody alike."""
    remarks = []
    if few := [c for c in fits if c.effective_size < min(SMALL, (~c.treated).sum() / 2) or c.shares.max() > HEAVY]:
        c = min(few, key=lambda c: c.effective_size)
        size = {"effective": round(c.effective_size, 1), "comparison_units": int((~c.treated).sum())}
        heaviest = first_five(units[c.rows[np.argsort(-c.shares, kind="stable")[:5]]])
        facts = {"cohort": c.cohort, **size, "largest_share": float(c.shares.max()), "first": heaviest}
        remarks.append(Notice("WEIGHTED_FEW_CARRY", facts))
    if far := [c for c in fits if c.outside.sum() > OUTSIDE * c.treated.sum()]:
        c = max(far, key=lambda c: c.outside.sum() / c.treated.sum())
        count = {"units": int(c.outside.sum()), "treated_units": int(c.treated.sum())}
        remarks.append(
            Notice("WEIGHTED_POOR_OVERLAP", {"cohort": c.cohort, **count, "first": first_five(units[c.rows[c.outside]])})
        )
    return remarks


def _likeness(x: Array, y: Array) -> float:
    """Return Spearman's correlation of two columns; of a part of many units, where that is far from one already."""
    part = slice(None, None, max(len(x) // 2_000, 1))
    of_part = _of_ranks(x[part], y[part])
    return of_part if abs(of_part) < SAME_RANKS - 0.05 else _of_ranks(x, y)


def _of_ranks(x: Array, y: Array) -> float:
    ranks = []
    for values in (x, y):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[place])  # ties share their mean rank
    return 0.0 if min(np.ptp(rank) for rank in ranks) == 0 else float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _level(what: str) -> str:
    return f"{what} {catalogue('en').say('matching.outcome_level')} If you must, ask for it by name: outcome_level=True."


def _columns(spec: Weighted, design: Design) -> tuple[str, ...]:
    """Return the columns to balance, or refuse."""
    names = tuple(spec.on) or design.covariates
    if unused := [name for name in design.covariates if name not in names]:
        raise DesignError(
            f"The design's covariates {first_five(unused)} are not among on={list(spec.on)}, and would be ignored. "
            "Name them in on=, or leave them out of the design."
        )
    if design.outcome in names and not spec.outcome_level:
        raise DesignError(_level(f"Column {design.outcome!r} is the outcome."))
    if spec.outcome_level and design.outcome not in names:
        names = (*names, design.outcome)
    if len(set(names)) < len(names):
        raise DesignError(f"Columns are named twice: {first_five(n for n in set(names) if names.count(n) > 1)}.")
    return tuple(names)
