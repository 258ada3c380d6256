"""Local projections with clean comparisons (Dube, Girardi, Jorda & Taylor 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.stacked import Path, refuse_window, units_in_order
from evalkit.kernels import local_projections as given_covariates
from evalkit.kernels import stacks as kernel
from evalkit.kernels.two_way import Collinear
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

COMPOSITIONS = ("all", "fixed")


@dataclass(frozen=True)
class LocalProjections:
    """Effects by event time, each a regression of the change since before the start on starting, among starters and the clean.

    Parameters
    ----------
    before, after : int, optional
        First and last event time, as numbers of periods. Without them as far as the data go (with a fixed composition: as far
        after the start as every cohort is seen).
    reweighted : bool
        Starts count by their treated, so that an effect is the mean over the treated; otherwise by the variance of treatment
        within them, which is more precise where effects are alike.
    base : "last", "mean" or a number of periods
        What changes are measured from: the last clean period, the mean of all clean periods, or the mean of the last so many
        (premean differencing). A mean has no reference event time, and is less noisy where outcomes are not persistent.
    composition : "all" or "fixed"
        *fixed*: the treated after the start are the same at every event time: cohorts not seen to the end of the window leave
        (counted in a Notice), and the comparison is clean to its end. Event times before the start may still lose early cohorts.

    Returns
    -------
    Estimate
        Cells of kind ``event_time``, the last clean period the reference (with base "last"), then ``average``, the plain mean
        over event times from 0 on.

    Raises
    ------
    DesignError
        When nothing after the start can be estimated, when covariates are collinear, and for ``base="varying"`` of the design.

    Notes
    -----
    Dube, Girardi, Jorda & Taylor (2025, Journal of Applied Econometrics): y(t+h) - y(t-1) on the switch in t with effects of t;
    the sample of horizon h are switchers in t and units not yet treated in t+h (in t, before the start). Reweighted and without
    covariates it is Callaway & Sant'Anna (2021) with not-yet-treated units by event time, to the last digit. Covariates are
    read in t, as R's lpdid does (units not seen in t leave): one that treatment may move within the first period is given as a
    lag. Not reweighted, they stand in the regression (assuming the same coefficients for the treated); reweighted, they are fitted on the clean alone, in
    all periods, and predict what the treated would have done (the paper's regression adjustment; R's lpdid keeps them in the weighted
    regression). Weights of rows are read in the earlier of the two periods compared.

    Influence is that of R's regressions, in which the weights that reweight are taken as given. R's lpdid 0.6.1 then applies
    fixest's (N-1)/(N-K) G/(G-1) to each event time, with the rows, coefficients, effects of periods and clusters of its own
    regression; here one correction serves all event times at once, so that their covariance is one matrix: G/(G-1), G the clusters
    that stand in one of them, t with G - 1 degrees of freedom. R's errors are larger by some thousandths.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.LocalProjections(before=2, after=1)(ek.example_design())
    >>> [int(e) for e in path.select(kind="event_time").cells["event_time"]]
    [-2, -1, 0, 1]
    """

    before: int | None = None
    after: int | None = None
    reweighted: bool = True
    base: str | int = "last"
    composition: str = "all"
    needs: ClassVar[tuple[str, ...]] = ("lasting", "units_followed", "clean_period", "universal_base")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        refuse_window(self.before, self.after)
        if self.composition not in COMPOSITIONS:
            raise DesignError(unknown("composition", self.composition, COMPOSITIONS))
        if isinstance(self.base, str):
            if self.base not in ("last", "mean"):
                raise DesignError(unknown("base", self.base, ("last", "mean", "1", "2", "3")))
        elif not isinstance(self.base, Integral) or isinstance(self.base, bool) or self.base < 1:
            raise DesignError(
                f"base={self.base!r} is no base: it is 'last', 'mean', or how many of the last clean periods: 1, 2, 3, ..."
            )

    def __call__(self, design: Design) -> Estimate:
        """Return the path of a design and its mean after treatment."""
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        before, after = self._window(comparison)
        left = self._left_out(comparison, after)
        cohorts = [c for c in comparison.cohorts if c not in left]
        if not cohorts:
            raise DesignError(f"No cohort is seen for {after} periods after its first. Use a smaller after, or composition='all'.")
        panel = units_in_order(design, comparison, ~np.isin(comparison.cohort, left))
        path = Path(panel, cohorts, kernel.by_treated if self.reweighted else kernel.alike)
        horizons = _Horizons(self, comparison, panel, cohorts, after)
        for event in range(-before, after + 1):
            starts = horizons.starts(event)
            if self.base in ("last", 1) and (measured := horizons.at_base(event, starts)):
                path.add_reference(event, measured)
                continue
            if design.covariates:
                self._add_given_covariates(path, event, starts, design)
            else:
                path.add(event, starts)
        facts = Facts(
            design.observations,
            correction="clusters",
            reference="t",
            first_period=comparison.periods[0],
            treated=design.treated_rows,
        )
        return path.estimate(design, "average", "event_time", facts, self._remarks(comparison, path, before, after, left))

    def _window(self, comparison: Comparison) -> tuple[int, int]:
        first, last = comparison.periods[0], comparison.periods[-1]
        furthest = [last - cohort for cohort in comparison.cohorts]
        before = max(comparison.cohorts) - first if self.before is None else self.before
        if self.after is not None:
            return before, self.after
        return before, min(furthest) if self.composition == "fixed" else max(furthest)

    def _left_out(self, comparison: Comparison, after: int) -> list[int]:
        """Return the cohorts that a fixed composition does without, also as comparisons."""
        if self.composition == "all":
            return []
        return [cohort for cohort in comparison.cohorts if cohort + after > comparison.periods[-1]]

    def _add_given_covariates(self, path: Path, event: int, starts: dict[int, kernel.Start], design: Design) -> None:
        both = path.served(event, starts)
        if not both:
            return
        fit = given_covariates.adjusted if self.reweighted else given_covariates.directly
        try:
            theta, contributions = fit(list(starts.values()), len(path.panel.order))
        except Collinear as problem:
            names = first_five(design.covariates[c] for c in problem.columns)
            among = "the clean units" if self.reweighted else "starters and clean units"
            raise DesignError(
                f"Covariates {names} are collinear at event time {event}: among {among} they do not vary within a period of start, or not "
                "apart from each other and from treatment. Leave one out, or keep to event times with more clean units (before=, after=)."
            ) from None
        path.append(event, both, theta, contributions)

    def _remarks(self, comparison: Comparison, path: Path, before: int, after: int, left: list[int]) -> tuple[Notice, ...]:
        notices: tuple[Notice, ...] = ()
        if left:
            units = int(np.isin(comparison.cohort, left).sum())
            notices += (Notice("COHORTS_NOT_SEEN_THROUGHOUT", {"cohorts": left, "units": units, "after": after}),)
        if missing := [event for event in range(-before, after + 1) if event not in path.events]:
            notices += (Notice("EVENT_TIMES_NOT_ESTIMATED", {"event_times": missing}),)
        return notices


@dataclass(frozen=True)
class _Origin:
    """One start: its units, the position of its base period and the outcome there (N,), and where covariates are read."""

    treated: slice
    base: int
    outcome: Array
    at: int


class _Horizons:
    """Who starts, who is clean, and since when changes are measured, at every event time."""

    def __init__(
        self, estimator: LocalProjections, comparison: Comparison, panel: kernel.Ordered, cohorts: list[int], after: int
    ) -> None:
        self.panel, self.comparison, self.cohorts = panel, comparison, cohorts
        self.fixed = after if estimator.composition == "fixed" else None
        self.position = {int(p): i for i, p in enumerate(comparison.design.periods)}
        base, last = estimator.base, comparison.periods[-1]
        # Periods in which nobody starts say something about covariates only.
        periods = sorted({*cohorts, *comparison.periods}) if panel.X is not None else cohorts
        self.origins: dict[int, _Origin] = {}
        for period in periods:
            clean = [i for p, i in self.position.items() if p + comparison.design.anticipation < period]
            used = {"last": clean[-1:], "mean": clean}[base] if isinstance(base, str) else clean[-base:]
            enough = len(used) >= (1 if isinstance(base, str) else base)
            if enough and (self.fixed is None or period + self.fixed <= last):
                at = min(i for p, i in self.position.items() if p >= period)
                self.origins[period] = _Origin(panel.starting(period), used[-1], panel.base(np.array(used)), at)

    def starts(self, event: int) -> dict[int, kernel.Start]:
        """Return the starts that are seen at an event time, by their period."""
        found = {}
        for period, origin in self.origins.items():
            if period + event not in self.comparison.periods:
                continue
            then, clean = self.position[period + event], self._clean(period, event)
            treated, others = (
                kernel.group(self.panel, place, then, origin.outcome, min(then, origin.base), origin.at)
                for place in (origin.treated, clean)
            )
            if treated.total > 0 or others.total > 0:
                found[period] = kernel.Start(treated, others)
        return found

    def _clean(self, period: int, event: int) -> slice:
        """Return the units that neither are treated nor anticipate it, then or (composition fixed) to the end of the window."""
        if self.comparison.design.comparison == "never_treated":
            return self.panel.later(np.inf)
        until = (event if self.fixed is None else self.fixed) + self.comparison.design.anticipation
        return self.panel.later(period + max(until, 0))

    def at_base(self, event: int, starts: dict[int, kernel.Start]) -> dict[int, int]:
        """Return the base positions of the cohorts seen at an event time if it is the base itself for all of them, else none."""
        mine = {period: self.origins[period].base for period in starts if period in self.cohorts}
        return mine if all(self.position[period + event] == base for period, base in mine.items()) else {}
