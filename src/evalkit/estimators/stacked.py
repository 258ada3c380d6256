"""Stacked difference-in-differences with clean comparisons (Cengiz et al. 2019; Wing, Freedman & Hollingsworth 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import stacks as kernel
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

WEIGHTS: dict[str, kernel.Weights] = {"wing": kernel.corrective, "none": kernel.alike}


@dataclass(frozen=True)
class Stacked:
    """Effects by event time from sub-experiments, one for each cohort with its clean comparison, stacked on event time.

    Parameters
    ----------
    before, after : int, optional
        The window: so many periods before the start, and after its first period. A cohort whose window is not wholly in the
        data leaves, as does one whose window goes on when nobody untreated is left; they are counted in a Notice.
        Without them the widest window for which no cohort leaves, which a single early or late cohort can make short.
    weights : "wing" or "none"
        *wing*: clean units are weighted so that their sub-experiments count as those of the treated do, and every effect is the
        mean over all treated units in the window (the trimmed aggregate ATT). *none*: unweighted, as in Cengiz et al. (2019);
        sub-experiments then count by the variance of treatment within them, which is nobody's mean in particular.

    Returns
    -------
    Estimate
        Cells of kind ``event_time``, the last clean period the reference, then ``overall``, the mean over event times from 0 on,
        which is the mean over treated unit-periods of the window where no row is missing.

    Raises
    ------
    DesignError
        When no cohort is left, when the window has no clean period, and for ``base="varying"``.

    Notes
    -----
    The regression is that of the stacked rows on event time x treated, with effects of unit x sub-experiment and of period x
    sub-experiment. Wing, Freedman & Hollingsworth (2024, NBER working paper 32054, sections 3 to 5) put in a dummy of the treated and of
    each event time instead: with their weights the estimates are the same, while residuals with the effects do not count growth
    between calendar years as noise. A unit's influence is summed over the sub-experiments in which it stands, so that errors are
    clustered by unit at least. The weights are taken as given. Defaults are fixest's: (N-1)/(N-K) G/(G-1) with N stacked rows, K
    the effects of periods and the coefficients (those of units are nested in the clusters), t with G - 1 degrees of freedom.
    A weighted panel gives every mean and every count its weights, read in the earlier of the two periods compared: with population
    as the weight "wing" is the paper's population-weighted ATT. Where rows are missing (``unbalanced="pairwise"``) an event time uses the
    units seen then and in the reference period, and sub-experiments count by those.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.Stacked(before=2, after=2)(ek.example_design())
    >>> [int(e) for e in path.select(kind="event_time").cells["event_time"]]
    [-2, -1, 0, 1, 2]
    """

    before: int | None = None
    after: int | None = None
    weights: str = "wing"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "units_followed", "clean_period", "universal_base", "no_covariates")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        refuse_window(self.before, self.after)
        if self.weights not in WEIGHTS:
            raise DesignError(unknown("choice of weights", self.weights, list(WEIGHTS)))

    def __call__(self, design: Design) -> Estimate:
        """Return the path of a design and its mean after treatment."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        reference = -1 - design.anticipation
        before, after = self._window(comparison, reference)
        panel = units_in_order(design, comparison, np.ones(len(design.units), dtype=bool))
        cohorts, notices = _stacks(comparison, before, after)
        position = {int(p): i for i, p in enumerate(design.periods)}
        path = Path(panel, cohorts, WEIGHTS[self.weights])
        for event in range(-before, after + 1):
            if event == reference:
                path.add_reference(event, {cohort: position[cohort + reference] for cohort in cohorts})
                continue
            starts = {}
            for cohort in cohorts:
                then, base = position[cohort + event], position[cohort + reference]
                sides = (panel.starting(cohort), _clean(comparison, panel, cohort, after))
                outcome = panel.base(np.array([base]))
                treated, clean = (kernel.group(panel, s, then, outcome, min(then, base), then) for s in sides)
                starts[cohort] = kernel.Start(treated, clean)
            path.add(event, starts)
        periods = range(-before, after + 1)
        stacked = sum(_rows(panel, comparison, c, after, [position[c + e] for e in periods]) for c in cohorts)
        # Effects of periods are counted with the coefficients, and no absorbed effects are named, so that G is the number of
        # clusters that stand in a sub-experiment: units outside all of them are no rows of the regression.
        facts = Facts(
            stacked,
            path.estimated + len(cohorts) * len(periods),
            (),
            "nested",
            "t",
            first_period=comparison.periods[0],
            treated=design.treated_rows,
        )
        return path.estimate(design, "overall", "", facts, notices)

    def _window(self, comparison: Comparison, reference: int) -> tuple[int, int]:
        """Return the window asked for, or the widest that no cohort leaves."""
        reach = [_reach(comparison, cohort) for cohort in comparison.cohorts]
        reach = [(before, after) for before, after in reach if before >= -reference and after >= 0]
        if not reach:
            raise DesignError(
                f"No cohort is seen in its first period and {-reference} period(s) before it without a gap. Local projections measure "
                "from the last clean period there is: LocalProjections()."
            )
        before = min(b for b, _ in reach) if self.before is None else self.before
        after = min(a for _, a in reach) if self.after is None else self.after
        if before < -reference:
            raise DesignError(
                f"before={before} leaves no clean period in the window: effects are measured from event time {reference}. "
                f"Use before={-reference} or more."
            )
        return before, after


def refuse_window(before: int | None, after: int | None) -> None:
    """Raise DesignError unless a window is said in whole numbers of periods."""
    for name, value, least in (("before", before, 1), ("after", after, 0)):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if value is not None and (not whole or value < least):
            raise DesignError(f"{name}={value!r} is no number of periods: {name} counts {least}, {least + 1}, {least + 2}, ...")


def units_in_order(design: Design, comparison: Comparison, keep: Array) -> kernel.Ordered:
    """Return the units (N,) to keep of a design as slices of cohorts, the last cohort never treated where it is the comparison."""
    w = None if design.w is None else design.wide(design.w)
    X = [design.wide(np.ascontiguousarray(x)) for x in design.x.T]
    return kernel.ordered(comparison.cohort, keep, design.wide(design.y), w, X)


def _reach(comparison: Comparison, cohort: int) -> tuple[int, int]:
    """Return how many periods before its start and after its first period a cohort is seen without a gap; (0, -1) for none."""
    periods = set(comparison.periods)
    before, after = 0, -1
    while cohort - before - 1 in periods:
        before += 1
    while cohort + after + 1 in periods:
        after += 1
    return before, after


def _clean(comparison: Comparison, panel: kernel.Ordered, cohort: int, after: int) -> slice:
    """Return the units that are not treated, nor anticipate treatment, by the end of a cohort's window."""
    never = comparison.design.comparison == "never_treated"
    return panel.later(np.inf if never else cohort + after + comparison.design.anticipation)


def _stacks(comparison: Comparison, before: int, after: int) -> tuple[tuple[int, ...], tuple[Notice, ...]]:
    """Return the cohorts that have a sub-experiment, and a remark on those that have none."""
    reach = {cohort: _reach(comparison, cohort) for cohort in comparison.cohorts}
    outside = [c for c, (b, a) in reach.items() if b < before or a < after]
    kept = tuple(c for c in comparison.cohorts if c not in outside)
    first, last = comparison.periods[0], comparison.periods[-1]
    if not kept:
        raise DesignError(
            f"No cohort has a sub-experiment from {before} periods before its start to {after} after its first period without a gap: there is a "
            f"comparison from {first} to {last}, and the cohorts start in {first_five(outside)}. Use a shorter window."
        )
    if not outside:
        return kept, ()
    facts: dict[str, object] = {
        "cohorts": outside,
        "units": int(np.isin(comparison.cohort, outside).sum()),
        "before": before,
        "after": after,
        "first_period": first,
        "last_period": last,
    }
    return kept, (Notice("COHORTS_OUTSIDE_WINDOW", facts),)


def _rows(panel: kernel.Ordered, comparison: Comparison, cohort: int, after: int, periods: list[int]) -> int:
    """Return how many rows of data stand in a sub-experiment."""
    places = (panel.starting(cohort), _clean(comparison, panel, cohort, after))
    return sum(int((~np.isnan(panel.Y[periods, place])).sum()) for place in places)


class Path:
    """Collects the effects of event times, the influence of units on them and the treated behind them."""

    def __init__(self, panel: kernel.Ordered, cohorts: Sequence[int], weights: kernel.Weights) -> None:
        self.panel, self.weights, self.cohorts = panel, weights, cohorts
        self.rounding = 1e-12 * float(np.nanmax(np.abs(panel.Y)))
        self.theta: list[float] = []
        self.columns: list[Array] = []
        self.events: list[int] = []
        self.references: list[bool] = []
        self.seen: list[dict[int, int]] = []  # treated units by cohort
        self.skipped: list[str] = []

    @property
    def estimated(self) -> int:
        """How many event times have an effect that is not zero by construction."""
        return self.references.count(False)

    def add(self, event: int, starts: dict[int, kernel.Start]) -> None:
        """Add the effect of an event time from its starts, if one of them has both groups."""
        if both := self.served(event, starts):
            self.append(event, both, *kernel.pooled(list(both.values()), self.weights, len(self.panel.order)))

    def served(self, event: int, starts: dict[int, kernel.Start]) -> dict[int, kernel.Start]:
        """Return the cohorts' starts that have both groups; the others are remembered as skipped."""
        mine = {cohort: start for cohort, start in starts.items() if cohort in self.cohorts}
        self.skipped += [f"{cohort} in {cohort + event}" for cohort, start in mine.items() if not start.both]
        return {cohort: start for cohort, start in mine.items() if start.both}

    def append(self, event: int, both: dict[int, kernel.Start], theta: float, contributions: Array) -> None:
        """Append an effect and its influence; both are nothing where all units change alike, rounding would pass for an effect."""
        if max(abs(theta), float(np.abs(contributions).sum())) <= self.rounding:
            theta, contributions = 0.0, np.zeros_like(contributions)
        self._append(event, False, {cohort: start.treated.seen for cohort, start in both.items()}, theta, contributions)

    def add_reference(self, event: int, bases: dict[int, int]) -> None:
        """Append the event time that effects are measured from; ``bases`` says by cohort at which position its period is."""
        Y = self.panel.Y
        seen = {cohort: int((~np.isnan(Y[base, self.panel.starting(cohort)])).sum()) for cohort, base in bases.items()}
        self._append(event, True, seen, 0.0, np.zeros(len(self.panel.order)))

    def _append(self, event: int, reference: bool, seen: dict[int, int], theta: float, contributions: Array) -> None:
        self.events.append(event)
        self.references.append(reference)
        self.seen.append(seen)
        self.theta.append(theta)
        self.columns.append(contributions)

    def estimate(self, design: Design, kind: str, name: str, facts: Facts, notices: tuple[Notice, ...]) -> Estimate:
        """Return the path with its plain mean from event time 0 on, a parameter of the given kind and name."""
        event = np.array(self.events)
        after = event >= 0
        if not after.any():
            raise DesignError(
                "No event time from 0 on can be estimated: no cohort has somebody seen both before and after its start, and a comparison."
            )
        contributions = np.zeros((len(design.units), len(event)))
        contributions[self.panel.order] = np.column_stack(self.columns)
        path = cell_frame("event_time", len(event), event_time=event, reference=self.references, **_units(self.seen))
        most: dict[int, int] = {}
        for seen in (s for s, is_after in zip(self.seen, after, strict=True) if is_after):
            most |= {cohort: max(count, most.get(cohort, 0)) for cohort, count in seen.items()}
        mean = cell_frame(kind, 1, name=name, **_units([most]))
        jacobian = np.vstack([np.eye(len(event)), after / after.sum()])
        if self.skipped:
            notices += (Notice("CELLS_NOT_ESTIMATED", {"cells": self.skipped}),)
        psi = design.psi_from_units(contributions @ jacobian.T)
        cells = pd.concat([path, mean], ignore_index=True)
        return Estimate(jacobian @ np.array(self.theta), psi, cells, design.row_keys, facts, design.notices + notices)


def _units(seen: Sequence[dict[int, int]]) -> dict[str, list[int]]:
    """Return how many treated units stand behind parameters, and how many of them in cohorts of at least two."""
    return {
        "units": [sum(counts.values()) for counts in seen],
        "noisy_units": [sum(count for count in counts.values() if count > 1) for counts in seen],
    }
