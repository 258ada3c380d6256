"""Power before the estimate: the smallest effect that a design can show, and how many units another would need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.design import Design
from evalkit.diagnostics.pretrend import SCALES, in_yuan
from evalkit.diagnostics.row_weights import Spread, row_weights, spread_of
from evalkit.diagnostics.working_noise import cluster_of_units, learned_noise
from evalkit.errors import DesignError, unknown
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.income_components import named_effects
from evalkit.inference.known import known_weights
from evalkit.inference.simulated_power import Noise, simulated_power, with_outcome
from evalkit.notices import Notice
from evalkit.parallel import Map

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]

FEW_CLUSTERS = 10
LARGE = 10.0  # per cent of base income


@dataclass(frozen=True)
class Overall:
    """The overall effect of an estimator, one parameter."""

    estimator: Estimator

    def __call__(self, design: Design) -> Estimate:
        """Return the overall effect of a design."""
        return named_effects(self.estimator(design), "overall", "")

    def outcome_weights(self, design: Design) -> Array | None:
        """Return (N, T) the weights on outcomes, where the estimator knows them."""
        return known_weights(self.estimator, design)


@dataclass(frozen=True, eq=False)
class Detectable:
    """The smallest effect that a design shows with a given power, computed without reading the effect.

    Attributes
    ----------
    effect : in the outcome's unit; percent and yuan : the same of base income (None where that takes a base income)
    std_error, degrees : of the estimate under the working model; Satterthwaite's degrees of freedom
    power, level : asked for
    noise : the working model of untreated outcomes
    units, treated_units, clusters, treated_clusters, comparison_clusters : in the design; comparison clusters hold untreated units
    table : the power curve: effect, percent, yuan, power
    notices : remarks for readers
    """

    effect: float
    percent: float | None
    yuan: float | None
    std_error: float
    degrees: float
    power: float
    level: float
    noise: Noise
    units: int
    treated_units: int
    clusters: int
    treated_clusters: int
    comparison_clusters: int
    table: pd.DataFrame = field(repr=False)
    notices: tuple[Notice, ...]
    plan: Plan = field(repr=False)

    @property
    def facts(self) -> dict[str, object]:
        """The numbers that a sentence quotes."""
        names = ("effect", "percent", "yuan", "power", "level", "units", "treated_units", "clusters", "treated_clusters")
        return {name: getattr(self, name) for name in names}

    def power_of(self, effect: float) -> float:
        """Return the power against an effect in the outcome's unit, by the same formula."""
        return _power_of(effect, self.std_error, self.degrees, self.level)

    def simulate(
        self, *, draws: int, seed: int, effects: Sequence[float] | None = None, correction: str = "clusters",
        reference: str = "t", map: Map = map,
    ) -> pd.DataFrame:  # fmt: skip
        """Return how often effects are found in worlds drawn from the working model: 0, half, all and twice the detectable one unless said.

        The choices are those of :func:`evalkit.inference.simulated_power.simulated_power`; ``analytic`` stands beside.
        """
        sizes = [0.0, self.effect / 2, self.effect, 2 * self.effect] if effects is None else list(effects)
        table = simulated_power(
            self.plan.estimator, self.plan.design, self.noise, sizes, draws=draws, seed=seed, cluster=self.plan.cluster,
            level=self.level, correction=correction, reference=reference, map=map,
        )  # fmt: skip
        return table.assign(analytic=[self.power_of(size) for size in sizes])


@dataclass(frozen=True, eq=False)
class UnitsNeeded:
    """How many units a design like this one would need to show an effect.

    Attributes
    ----------
    effect : in the outcome's unit; percent : of base income
    power, level : asked for
    units, clusters : needed when clusters become more and stay as they are; today's are units_today and clusters_today
    table : frame with a row per way of growing ("more_clusters", "more_units" in today's clusters): times, units, clusters, possible,
        and the smallest effect in per cent that this way can ever show
    notices : remarks for readers
    """

    effect: float
    percent: float
    power: float
    level: float
    units: int
    clusters: int
    units_today: int
    clusters_today: int
    table: pd.DataFrame = field(repr=False)
    notices: tuple[Notice, ...]

    @property
    def enough(self) -> bool:
        """Whether today's units are enough."""
        return self.units <= self.units_today

    @property
    def facts(self) -> dict[str, object]:
        """The numbers that a sentence quotes."""
        names = ("percent", "power", "units", "clusters", "units_today", "clusters_today")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Plan:
    """A design without its outcome: who is treated when, how it will be estimated, and the noise to expect."""

    design: Design
    estimator: Estimator
    noise: Noise
    cluster: str | None
    spread: Spread
    treated_clusters: int
    comparison_clusters: int
    notices: tuple[Notice, ...]


def detectable_effect(
    design: Design,
    *,
    power: float = 0.8,
    level: float = 0.05,
    cluster: str | None = None,
    estimator: Estimator | None = None,
    noise: Noise | None = None,
    base_income: float | None = None,
    scale: str = "log",
) -> Detectable:
    """Return the smallest effect that a design detects with a given power, before any effect is looked at.

    Parameters
    ----------
    design : Design
        Its treated rows are not read: outcomes count only where no programme is at work, and only for the noise.
    power, level : probability of detection, and level of the two-sided test
    cluster : units in it share shocks, and the standard error will be clustered by it; the unit without it
    estimator : linear in the outcome, with an overall effect; :class:`evalkit.GroupTime` without it
    noise : the working model; learned from untreated rows without it
    base_income : yuan per person and year, for the effect in yuan (and in per cent on the scale of levels)
    scale : "log" (an effect d is exp(d) - 1 of base income) or "level"

    Raises
    ------
    DesignError
        When power is not between level and one, nothing is seen before treatment, one side has a single cluster, and when the estimator is
        not linear in the outcome or the patterns of missing rows are too many.

    Notes
    -----
    The estimate is a weighted sum of outcomes. Units of one cohort that are seen in the same periods have equal weights (in proportion to
    their sampling weight), found by estimating on outcomes that are one in one cohort and period, and checked on another outcome. With c the
    weights and W the working covariance, the standard error is the root of c'Wc, without error by simulation. The smallest detectable effect is
    (t_{1 - level/2} + t_{power}) standard errors (Bloom 1995; for panels with serial correlation Burlig, Preonas & Woerman 2020, Journal of
    Development Economics 144, equation 2, which this is on a balanced two-group panel). Degrees of freedom are Satterthwaite's, of
    treated and of other clusters, so that few clusters on a side need a large effect; the usual test with t(G - 1) promises more there than it
    keeps: of 20 counties with 10, 5, 3 and 2 treated it rejects a true zero in 6%, 9%, 13% and 29% of simulated worlds at 5%. Covariates
    are left out, with a remark.

    Examples
    --------
    >>> import evalkit as ek
    >>> told = detectable_effect(ek.example_design(), cluster="county_id", base_income=9000)
    >>> round(told.percent, 1), told.clusters
    (4.2, 10)
    """
    _judge(power, level, base_income, scale)
    plan = _plan(design, cluster, estimator, noise)
    spread = plan.spread
    effect = spread.detectable(power, level)
    notices = list(plan.notices)
    percent, yuan = _in_percent(effect, base_income, scale), _yuan(effect, base_income, scale)
    if (fewest := min(plan.treated_clusters, plan.comparison_clusters)) < FEW_CLUSTERS:
        notices.append(Notice("DETECTABLE_FEW_CLUSTERS", {"clusters": fewest}))
    if percent is not None and percent > LARGE:
        notices.append(Notice("DETECTABLE_ONLY_LARGE", {"percent": percent, "power": power}))
    std_error, degrees = spread.std_error(), spread.degrees()
    sizes = np.linspace(0, 2, 21) * effect
    table = pd.DataFrame({"effect": sizes, "power": [_power_of(size, std_error, degrees, level) for size in sizes]})
    if percent is not None:
        table["percent"] = [_in_percent(size, base_income, scale) for size in sizes]
    if base_income is not None:
        table["yuan"] = in_yuan(sizes, base_income, scale)
    return Detectable(
        effect, percent, yuan, std_error, degrees, power, level, plan.noise, len(design.units), int(np.isfinite(design.cohort).sum()),
        len(spread.own), plan.treated_clusters, plan.comparison_clusters, table, tuple(notices), plan,
    )  # fmt: skip


def units_needed(
    design: Design,
    *,
    effect: float = 0.05,
    power: float = 0.8,
    level: float = 0.05,
    cluster: str | None = None,
    estimator: Estimator | None = None,
    noise: Noise | None = None,
    base_income: float | None = None,
    scale: str = "log",
) -> UnitsNeeded:
    """Return how many units, in how many clusters, a design of these proportions needs to show an effect.

    Parameters
    ----------
    effect : as a share of base income: 0.05 is 5%
    power, level, cluster, estimator, noise, base_income, scale : see :func:`detectable_effect`; levels need a base income

    Raises
    ------
    DesignError
        For an effect of zero, which no number of units shows, and where :func:`detectable_effect` refuses.

    Notes
    -----
    Cohorts, window and the share of treated units stay as they are. More clusters of today's size divide the whole variance; more
    units in today's clusters divide only the noise of their own, so that an effect below a floor cannot be shown that way.

    Examples
    --------
    >>> import evalkit as ek
    >>> told = units_needed(ek.example_design(), effect=0.02, cluster="county_id")
    >>> told.units_today, told.enough
    (60, False)
    """
    _judge(power, level, base_income, scale)
    if not abs(effect) > 0 or effect <= -1 or effect > 1:
        raise DesignError(
            f"effect= is a share of base income such as 0.05 for 5%, above -1 and at most 1, not {effect}: no number of units shows an effect "
            "of zero."
        )
    if scale == "level" and base_income is None:
        raise DesignError("On the scale of levels a share of income needs base_income=, in yuan per person and year.")
    size = abs(np.log1p(effect)) if scale == "log" else abs(effect) * float(base_income or 0)
    plan = _plan(design, cluster, estimator, noise)
    spread, units, groups = plan.spread, len(design.units), len(plan.spread.own)
    times = _times(lambda f: spread.detectable(power, level, clusters=f), size)
    if times is None:
        raise DesignError(f"An effect of {100 * effect:g}% is too small to be shown by any number of units.")
    more, clusters = ceil(units * times - 1e-9), ceil(groups * times - 1e-9)
    rows: list[dict[str, object]] = [
        {"way": "more_clusters", "times": times, "units": more, "clusters": clusters, "possible": True, "floor_percent": 0.0}
    ]
    if groups < units:
        floor = spread.detectable(power, level, units=np.inf)
        inside = _times(lambda f: spread.detectable(power, level, units=f), size) if floor < size else None
        count = None if inside is None else max(groups, ceil(units * inside - 1e-9))  # no cluster without a unit
        rows.append(
            {
                "way": "more_units", "times": inside, "units": count, "clusters": groups, "possible": inside is not None,
                "floor_percent": _in_percent(floor, base_income, scale),
            }
        )  # fmt: skip
    notices = list(plan.notices)
    side = min(plan.treated_clusters, plan.comparison_clusters)
    if (fewest := min(side, ceil(side * times - 1e-9))) < FEW_CLUSTERS:
        notices.append(Notice("DETECTABLE_FEW_CLUSTERS", {"clusters": fewest}))
    if more > units:
        facts = {"percent": 100 * abs(effect), "power": power, "units": more, "clusters": clusters}
        notices.append(Notice("DETECTABLE_UNITS_NEEDED", facts | {"units_today": units, "clusters_today": groups}))
    table = pd.DataFrame(rows).astype({"units": "Int64", "times": float})
    return UnitsNeeded(
        float(size), 100 * abs(effect), power, level, more, clusters, units, groups, table, tuple(notices)
    )  # fmt: skip


def _judge(power: float, level: float, base_income: float | None, scale: str) -> None:
    if not 0 < level < 1:
        raise DesignError(f"The level of a test lies between 0 and 1, for example 0.05, not {level}.")
    if not level < power < 1:
        raise DesignError(f"The power lies between the level {level:g} and 1, for example 0.8, not {power}.")
    if base_income is not None and not 0 < base_income < np.inf:
        raise DesignError(f"base_income= is yuan per person and year, above zero, not {base_income}.")
    if scale not in SCALES:
        raise DesignError(unknown("scale", scale, SCALES))


def _power_of(effect: float, std_error: float, degrees: float, level: float) -> float:
    return float(special.stdtr(degrees, abs(effect) / std_error - special.stdtrit(degrees, 1 - level / 2)))


def _in_percent(effect: float, base_income: float | None, scale: str) -> float | None:
    if scale == "log":
        return float(in_yuan(np.array(effect), 100.0, scale))
    return None if base_income is None else 100 * effect / base_income


def _yuan(effect: float, base_income: float | None, scale: str) -> float | None:
    return None if base_income is None else float(in_yuan(np.array(effect), base_income, scale))


def _times(detectable: Callable[[float], float], size: float) -> float | None:
    """Return how many times as much makes an effect of a size detectable; what is detectable falls as there is more."""
    low, high = 1e-6, 1.0
    while detectable(high) > size:
        high *= 2
        if high > 1e12:
            return None
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if detectable(middle) > size else (low, middle)
    return float(high)


def _plan(design: Design, cluster: str | None, estimator: Estimator | None, noise: Noise | None) -> Plan:
    """Return what is known before the effect is: from here on the design holds no outcome."""
    if cluster is not None and not isinstance(cluster, str):
        raise DesignError(f"cluster= is the name of one column, not {cluster!r}: units of it share shocks.")
    if noise is not None and not isinstance(noise, Noise):
        raise DesignError(f"noise= is a working model such as Noise(sd=0.1, serial=0.5), not {noise!r}.")
    model = learned_noise(design, cluster) if noise is None else noise
    blank = with_outcome(design, np.zeros(design.observations))
    one = Overall(GroupTime() if estimator is None else estimator)
    codes = cluster_of_units(blank, cluster)
    spread = spread_of(blank, row_weights(blank, one), model, codes)
    if spread.degrees() <= 0.1:
        raise DesignError(
            "There is only one cluster on a side, treated or comparison, so its noise cannot be learned. Cluster at a finer level, or rank the "
            "cluster among placebos."
        )
    notices = (Notice("DETECTABLE_WITHOUT_COVARIATES", {"columns": list(design.covariates)}),) if design.covariates else ()
    treated, untreated = (len(np.unique(codes[side])) for side in (np.isfinite(blank.cohort), np.isinf(blank.cohort)))
    # Without never-treated units those not treated yet are the comparison.
    return Plan(blank, one, model, cluster, spread, treated, untreated or len(spread.own), notices)
