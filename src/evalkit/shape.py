"""Shape: a panel without its outcomes, and the noise of outcomes where nothing was done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.errors import DesignError, unknown
from evalkit.estimate import sum_within

Array = np.ndarray[Any, Any]

SCALES = ("log", "level")
NO_LOG = 50.0  # no income has this log: it would be e to the 50th yuan
BREAK = 2013  # the national change from net to disposable income
PAIRS = 20  # of consecutive untreated rows: fewer tell nothing of the noise


@dataclass(frozen=True, eq=False)
class Noise:
    """What outcomes are made of where nothing was done.

    Attributes
    ----------
    own : SD of a unit's shocks; place : SD of the shocks that all units of a cluster share; both last as an AR(1)
    persistence : correlation of a shock with the next period's
    unit : SD of fixed differences between units
    gap : mean level of the units ever treated minus the others'
    period : (T,) mean of every period
    """

    own: float
    place: float = 0.0
    persistence: float = 0.0
    unit: float = 0.0
    gap: float = 0.0
    period: Array = field(default_factory=lambda: np.zeros(1), repr=False)

    @property
    def total(self) -> float:
        """SD of all shocks of a unit in a period."""
        return float(np.hypot(self.own, self.place))


@dataclass(frozen=True, eq=False)
class Shape:
    """A panel without its outcomes: who, when, in which cluster, which rows are there, and how outcomes vary.

    Attributes
    ----------
    cohort : (N,) first treated period, inf for never
    periods : (T,) whole numbers
    cluster : (N,) codes of clusters 0, 1, ...; every unit its own without clusters
    seen : (N, T) whether the row is there
    noise : Noise
    scale : "log" (outcomes are logs of income) or "level"
    anticipation : periods before the start that count as no clean ones
    few : how many clusters are treated where a problem asks for few
    """

    cohort: Array = field(repr=False)
    periods: Array = field(repr=False)
    cluster: Array = field(repr=False)
    seen: Array = field(repr=False)
    noise: Noise
    scale: str = "log"
    anticipation: int = 0
    few: int | None = None

    @property
    def clustered(self) -> bool:
        """Whether clusters hold more than one unit."""
        return int(self.cluster.max()) + 1 < len(self.cohort)

    @property
    def treated(self) -> Array:
        """(N,) whether a unit is ever treated."""
        return np.isfinite(self.cohort)

    @property
    def after(self) -> Array:
        """(N, T) whether a unit is treated in a period."""
        return np.asarray(self.periods >= self.cohort[:, None])

    @property
    def clean(self) -> Array:
        """(N, T) whether a row is there and untreated, anticipation left out."""
        return np.asarray(self.seen & (self.periods < self.cohort[:, None] - self.anticipation))

    @property
    def usual_start(self) -> float | None:
        """The period of the median start, units treated from the first period on left out; None without one."""
        starts = self.cohort[self.treated & (self.cohort > self.periods[0])]
        later = self.periods[self.periods >= np.median(starts)] if len(starts) else starts
        return float(later[0]) if len(later) else None

    @property
    def break_at(self) -> int:
        """Position of the first period under the new definition: 2013 if clean periods of the treated lie on both sides, else midway."""
        before = np.flatnonzero(self.periods < self.cohort.min() - self.anticipation)
        if not len(before):
            return 1
        if (self.periods[before[1:]] == BREAK).any():
            return int(np.flatnonzero(self.periods == BREAK)[0])
        return int(max(1, (len(before) + 1) // 2))

    @property
    def near(self) -> Array:
        """(N,) whether an untreated unit lives near treated ones: in one of their clusters, otherwise every second untreated unit."""
        hosts = np.isin(self.cluster, self.cluster[self.treated]) & ~self.treated
        if hosts.any() and (~hosts & ~self.treated).any():
            return hosts
        untreated = np.flatnonzero(~self.treated)
        near = np.zeros(len(self.cohort), dtype=bool)
        near[untreated[::2]] = True
        return near


def is_whole(value: object) -> bool:
    """Return whether this is a whole number, of Python or of numpy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def panel_shape(
    units: int = 300,
    treated: int = 60,
    periods: int = 10,
    start: int | None = None,
    *,
    clusters: int | None = None,
    first: int = 2010,
    own: float = 0.625,
    place: float = 0.0,
    persistence: float = 0.6,
    unit: float = 0.0,
    scale: str = "log",
) -> Shape:
    """Return a balanced shape with one start from explicit numbers; clusters are of equal size, and treated units come first.

    Parameters
    ----------
    units, treated, periods : how many
    start : position of the first treated period, half of the periods without it
    clusters : how many; every unit its own without it
    first : the first period
    own, place, persistence, unit : see :class:`Noise`
    scale : "log" or "level"

    Raises
    ------
    DesignError
        For numbers that leave nobody treated or untreated, no period before or after, and for an unknown scale.

    Examples
    --------
    >>> panel_shape(units=40, treated=3).treated.sum()
    np.int64(3)
    """
    whole = {"units": units, "treated": treated, "periods": periods, "start": start, "clusters": clusters, "first": first}
    for name, value in whole.items():
        if value is not None and not is_whole(value):
            raise DesignError(f"{name} is a whole number, not {value!r}.")
    begin = periods // 2 if start is None else start
    if not 0 < treated < units:
        raise DesignError(f"Of {units} units some are treated and some are not: treated is from 1 to {units - 1}, not {treated}.")
    if not 0 < begin < periods:
        raise DesignError(f"start is a position from 1 to {periods - 1}, with periods before and from it on, not {begin}.")
    groups = units if clusters is None else clusters
    if not 1 < groups <= units:
        raise DesignError(f"clusters is a number from 2 to {units}, not {groups}.")
    if scale not in SCALES:
        raise DesignError(unknown("scale", scale, SCALES))
    finite = all(isinstance(value, Real) and np.isfinite(value) for value in (own, place, unit, persistence))
    if not finite or min(own, place, unit) < 0 or own + place == 0 or not -1 < persistence < 1:
        raise DesignError("SDs are numbers from 0 on, own or place is above 0, and persistence lies between -1 and 1.")
    when = first + np.arange(periods)
    cohort = np.where(np.arange(units) < treated, float(when[begin]), np.inf)
    noise = Noise(own, place, persistence, unit, 0.0, np.zeros(periods))
    cluster = np.arange(units) * groups // units
    return Shape(cohort, when, cluster, np.ones((units, periods), dtype=bool), noise, scale)


def shape_of(design: Design, cluster: str | None = None, scale: str = "log") -> Shape:
    """Return the shape of a design, its noise learned from rows before treatment and of units never treated only.

    Parameters
    ----------
    cluster : a declared cluster that does not vary within units; every unit its own without it
    scale : "log" when the outcome is a log of income, "level" when it is income

    Raises
    ------
    DesignError
        For a repeated cross-section, with fewer than 20 pairs of consecutive untreated rows to learn from, for a column that is no
        declared cluster, and for a scale of logs when the outcome is far too large for one.

    Notes
    -----
    Moments of first differences of untreated rows, net of the period: they carry no unit effects, so that short panels do not bias
    them. With AR(1) shocks of variance s2 the variance of differences is 2 s2 (1 - r), their first autocovariance -s2 (1 - r)^2;
    shocks of clusters are the mean product of differences of two units of one cluster and period, with G/(G-1) for the period taken
    out, and last as long as the units' own.

    Examples
    --------
    >>> import evalkit as ek
    >>> shape = shape_of(ek.example_design(), cluster="county_id")
    >>> 0.03 < shape.noise.own < 0.08
    True
    """
    if design.panel.unit is None:
        raise DesignError("A repeated cross-section has no units to follow, so there is no panel shape to learn. Give a panel.")
    if scale not in SCALES:
        raise DesignError(unknown("scale", scale, SCALES))
    if scale == "log" and abs(typical := float(np.median(design.y))) > NO_LOG:
        raise DesignError(
            f"The outcome {design.outcome!r} is {typical:,.6g} in the median, which is no log of income. Say scale='level'."
        )
    codes = np.arange(len(design.units)) if cluster is None else _cluster_of_units(design, cluster)
    outcome = np.full((len(design.units), len(design.periods)), np.nan)
    outcome[design.unit_index, design.period_index] = design.y
    bare = Shape(design.cohort, design.periods, codes, ~np.isnan(outcome), Noise(1.0), scale, design.anticipation)
    return replace(bare, noise=_learned(np.where(bare.clean, outcome, np.nan), codes, bare))


def _cluster_of_units(design: Design, cluster: str) -> Array:
    panel = design.panel
    declared = [str(name) for name in (panel.unit, panel.period, *panel.clusters)]
    if cluster not in declared:
        raise DesignError(unknown("cluster", str(cluster), declared) + " Declare it: Panel(..., clusters=[...]).")
    codes, _ = design.codes(cluster)
    by_unit = codes[design.first_rows]
    if (by_unit[design.unit_index] != codes).any():
        raise DesignError(f"Cluster {cluster!r} varies within units: worlds are planted in clusters that units stay in.")
    return np.unique(by_unit, return_inverse=True)[1]


def _learned(outcome: Array, cluster: Array, shape: Shape) -> Noise:
    """Return the noise of (N, T) untreated outcomes, NaN elsewhere."""
    steps = np.diff(outcome, axis=1)
    there = ~np.isnan(steps)
    if there.sum() < PAIRS:
        raise DesignError(
            f"Only {there.sum()} pairs of consecutive untreated rows are there: too few to learn the noise from ({PAIRS} at least). "
            "Give the numbers instead: panel_shape(...)."
        )
    growth = np.array([steps[there[:, t], t].mean() if there[:, t].any() else 0.0 for t in range(steps.shape[1])])
    change = np.where(there, steps - growth, 0.0)
    variance = float((change**2).sum() / max(there.sum() - steps.shape[1], 1))
    if variance == 0:
        raise DesignError("Untreated outcomes all change alike: there is no noise to learn. Give the numbers: panel_shape(...).")
    both = there[:, 1:] & there[:, :-1]
    lagged = float((change[:, 1:] * change[:, :-1])[both].mean()) if both.sum() >= PAIRS else -variance / 2
    persistence = float(np.clip(1 + 2 * lagged / variance, -0.5, 0.95))
    shared = _between(change, there, cluster) / (2 * (1 - persistence))
    total = variance / (2 * (1 - persistence))
    place = float(np.clip(shared, 0.0, 0.95 * total))
    period = np.r_[0.0, np.cumsum(growth)]
    clean = (~np.isnan(outcome)).sum(axis=1)
    level = np.where(clean > 0, np.nansum(outcome - period, axis=1) / np.maximum(clean, 1), np.nan)
    ever, never = shape.treated & ~np.isnan(level), ~shape.treated & ~np.isnan(level)
    base = float(level[never].mean()) if never.any() else float(level[ever].mean())
    gap = float(level[ever].mean()) - base if ever.any() else 0.0
    rows = clean[ever | never].mean()
    spread = float(np.var((level - gap * ever)[ever | never])) - total * _of_mean(persistence, round(rows))
    unit = float(np.sqrt(max(spread, 0.0)))
    return Noise(float(np.sqrt(total - place)), float(np.sqrt(place)), persistence, unit, gap, period + base)


def _of_mean(persistence: float, periods: int) -> float:
    """Return the variance of the mean of an AR(1) of variance 1 over some periods."""
    lags = np.arange(1, periods)
    return float((periods + 2 * ((periods - lags) * persistence**lags).sum()) / periods**2)


def _between(change: Array, there: Array, cluster: Array) -> float:
    """Return the mean product of changes of two units of one cluster and period, zero without such pairs."""
    groups = int(cluster.max()) + 1
    size, total = sum_within(there.astype(float), cluster, groups), sum_within(change, cluster, groups)
    pairs = float((size * (size - 1)).sum())
    if pairs == 0 or groups < 2:
        return 0.0
    return float((total**2 - sum_within(change**2, cluster, groups)).sum() / pairs * groups / (groups - 1))
