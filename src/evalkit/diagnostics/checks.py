"""The checks of the threat matrix: each looks at one world and fires, does not, or refuses with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.diagnostics.prepared import Prepared, event_columns
from evalkit.diagnostics.pretest_power import Pretest
from evalkit.diagnostics.pretrend import ENOUGH_POWER
from evalkit.diagnostics.two_way_moments import Moments, coefficients_without, moments, reassigned_coefficients
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate
from evalkit.estimators.two_way import EventStudy, TwoWay
from evalkit.inference.honest import Problem
from evalkit.inference.honest_path import read_path
from evalkit.inference.joint_test import wald
from evalkit.inference.linear import covariance, has_own_noise
from evalkit.inference.wild import wild_bootstrap
from evalkit.planted import Planted, World, design_of, seed_of, shuffled
from evalkit.shape import Shape

Array = np.ndarray[Any, Any]

LEVEL = 0.05
CLUSTER = "cluster"
TOGETHER = 0.5  # of the treated start another programme within a year: the grade's limit
APART = 0.05  # difference of attrition: the grade's limit
WINDOW = 0.05  # of the line, above and below it
ALIKE = 0.05  # of a batch's units, three at least, that report one growth
ROUNDING = 1e-3  # noise SD: growth is called equal within it


@dataclass(frozen=True, eq=False)
class Trial:
    """One world under trial: what checks look at, each thing made when it is first asked for.

    Attributes
    ----------
    world : World
    seed, number : of the matrix and of the world, from which a check draws its shuffles
    draws : shuffles of a permutation
    alike, ready : designs and regressions of worlds of the same shape, by what was done to them; a block of trials shares them
    """

    world: World
    seed: int
    number: int
    draws: int = 199
    alike: dict[str, tuple[Shape, Planted]] = field(default_factory=dict, repr=False)
    ready: dict[str, tuple[Shape, Prepared]] = field(default_factory=dict, repr=False)

    @cached_property
    def design(self) -> Planted:
        """The world as a design, for estimators and for checks of one's own."""
        return self.designed("design", self.world)

    def designed(self, name: str, world: World) -> Planted:
        """Return the design of a variant of this world, the panel judged once for all worlds of one shape."""
        shape, known = self.world.shape, self.alike.get(name)
        made = design_of(world, self.seed, known[1] if known and known[0] is shape else None)
        self.alike[name] = shape, made
        return made

    @cached_property
    def estimate(self) -> Estimate:
        """The ordinary estimate: the two-way coefficient."""
        return TwoWay()(self.design)

    @cached_property
    def path(self) -> Estimate:
        """The ordinary event study."""
        return EventStudy()(self.design).select(kind="event_time")

    def regressed(self, name: str, world: World, trend: bool = False) -> Estimate:
        """Return the two-way coefficient of a variant of this world, net of a trend of the treated if wished."""
        design, known = self.designed(name, world), self.ready.get(name)
        if known and known[0] is self.world.shape:
            return known[1](design.y)
        found = (TwoWay(slopes=[("ever_treated", "period")]) if trend else TwoWay())(design)
        columns = [design.treated.astype(float)]
        if trend:
            columns.append(design.values("ever_treated") * design.periods[design.period_index])
        self.ready[name] = self.world.shape, Prepared(found, design, np.column_stack(columns), np.array([0]))
        return found

    @cached_property
    def coefficient(self) -> Estimate:
        """The numbers of ``estimate``, without what only the estimator knows of its regression."""
        return self.regressed("design", self.world)

    @cached_property
    def profile(self) -> Estimate:
        """The numbers of ``path``, without what only the estimator knows of its regression."""
        known = self.ready.get("path")
        if known and known[0] is self.world.shape:
            return known[1](self.design.y)
        columns = event_columns(self.path, self.design)
        self.ready["path"] = self.world.shape, Prepared(self.path, self.design, columns, np.arange(columns.shape[1]))
        return self.path

    @cached_property
    def leads(self) -> tuple[Estimate, float]:
        """The leads of the path and their degrees of freedom; with few clusters the nearest ones, as many as can be told apart."""
        shape = self.world.shape
        sides = [len(np.unique(shape.cluster[side])) for side in (shape.treated, ~shape.treated) if side.any()]
        degrees = min(sides) - 1
        known = has_own_noise(self.profile)
        event = self.profile.cells["event_time"].to_numpy(dtype=float)
        before = np.sort(event[known & (event < 0)])
        if not len(before):
            raise EstimateError("No lead can be tested: there is one clean period, or each batch has one unit.")
        if degrees < 1:
            raise EstimateError("Leads cannot be tested with one cluster on a side: it shows no noise.")
        nearest = before[-max(1, degrees // 2) :]
        return self.profile.select(known & np.isin(event, nearest)), float(degrees)

    @cached_property
    def moments(self) -> Moments:
        """What the outcomes say about every assignment of the starts."""
        shape = self.world.shape
        return moments(self.world.outcome, shape.seen, shape.periods, np.unique(shape.cohort[shape.treated]))

    @cached_property
    def assigned(self) -> Array:
        """(N,) positions of the units' starts among those there are."""
        return np.searchsorted(self.moments.starts, self.world.shape.cohort)

    @property
    def theta(self) -> float:
        """The ordinary estimate; the truth is 0."""
        return float(self.coefficient.theta[0])

    def shuffles(self, labels: Array, check: str) -> Array:
        """Return (draws, G) random orders of labels (G,), the same whenever this world is tried."""
        return shuffled(labels, self.draws, seed_of(self.seed, self.world.threat + check, self.number))


@dataclass(frozen=True)
class Check:
    """A check and what its firing means.

    Attributes
    ----------
    fires : function of a trial; an EstimateError or DesignError is a refusal, counted with its reason
    meaning : "claim" (it calls the false estimate real) or "warning" (it says that something is wrong)
    every : a dear check is tried in every so-many-th world only
    """

    fires: Callable[[Trial], bool]
    meaning: str
    every: int = 1


def unlike_zero(estimate: Estimate) -> bool:
    """Return whether the first parameter differs from zero by the ordinary test over clusters."""
    spread = covariance(estimate, CLUSTER)
    if spread.std_error[0] == 0:
        raise EstimateError("The estimate has no noise over clusters, so there is no test.")
    return bool(spread.p_value(estimate.theta[:1] / spread.std_error[:1])[0] < LEVEL)


def ordinary_test(trial: Trial) -> bool:
    """Return whether the ordinary test over clusters calls the estimate real."""
    return unlike_zero(trial.coefficient)


def random_sets(trial: Trial) -> bool:
    """Return whether the estimate lies outside those of random sets of units: the placebo that is "passed"."""
    return _rank_is_rare(trial, trial.shuffles(trial.assigned, "random_sets"))


def randomisation(trial: Trial) -> bool:
    """Return whether the estimate is rare among those under other assignments of the clusters."""
    cluster, cohort = trial.world.shape.cluster, trial.world.shape.cohort
    first = np.unique(cluster, return_index=True)[1]
    if (cohort[first][cluster] != cohort).any():
        raise DesignError("Starts differ within clusters, so clusters cannot be reassigned as wholes.")
    return _rank_is_rare(trial, trial.shuffles(trial.assigned[first], "randomisation")[:, cluster])


def _rank_is_rare(trial: Trial, assigned: Array) -> bool:
    others = np.abs(reassigned_coefficients(trial.moments, assigned))
    count = int((others >= abs(trial.theta) * (1 - 1e-9)).sum())
    return (1 + count) / (1 + len(others)) <= LEVEL


def joint_leads(trial: Trial) -> bool:
    """Return whether the joint test of the leads rejects."""
    leads, degrees = trial.leads
    return wald(leads, CLUSTER, degrees=degrees).p_value < LEVEL


def weak_leads(trial: Trial) -> bool:
    """Return whether the leads would miss a drift worth half of the estimate more often than not."""
    (leads, degrees), path = trial.leads, trial.profile
    event, base = path.cells["event_time"].to_numpy(dtype=float), float(path.cells.loc[path.cells["reference"], "event_time"].max())
    after = event >= 0
    slope = path.theta[after].mean() / 2 / (event[after] - base).mean()
    test = Pretest(covariance(leads, CLUSTER).matrix, LEVEL, degrees, degrees - len(leads.theta) + 1)
    return test.joint_power(slope * (leads.cells["event_time"].to_numpy(dtype=float) - base)) < ENOUGH_POWER


def honest_bound(trial: Trial) -> bool:
    """Return whether the bound still excludes zero when trends may differ after the start as much as in the worst period before it."""
    _, beta, spread, target = read_path(trial.profile, "overall", CLUSTER, None)
    problem = Problem(beta, spread.matrix, target, "relative", level=1 - LEVEL)
    if problem.leads < 1:
        raise EstimateError("Without a lead there is nothing that later differences of trend could be measured by.")
    return not problem.standardised().reaches_zero(1.0)


def wild_clusters(trial: Trial) -> bool:
    """Return whether the wild cluster bootstrap calls the estimate real."""
    seed = seed_of(trial.seed, trial.world.threat + "wild_clusters", trial.number).generate_state(1)[0]
    told = wild_bootstrap(trial.estimate, cluster=CLUSTER, draws=trial.draws, seed=int(seed))
    return bool(told.table["p_value"].iloc[0] < LEVEL)


def leave_one_out(trial: Trial) -> bool:
    """Return whether the sign of the estimate changes, or nothing is left, without some cluster."""
    without = coefficients_without(trial.moments, trial.assigned, trial.world.shape.cluster)
    return bool(np.isnan(without).any() or (np.sign(without) != np.sign(trial.theta)).any())


def placebo_in_time(trial: Trial) -> bool:
    """Return whether an effect is found before the start: starts moved half the clean periods back, clean rows only."""
    shape = trial.world.shape
    before = int((shape.periods < shape.cohort.min() - shape.anticipation).sum())
    if before < 2:
        early = " Leave out units treated from the first period on." if shape.cohort.min() <= shape.periods[0] else ""
        raise DesignError(f"A placebo in time needs two clean periods at least; there are {before}.{early}")
    # In positions, not in years: panels have gaps. Starts that differ by a period then differ by one.
    at = np.searchsorted(shape.periods, shape.cohort - shape.anticipation) - before // 2
    earlier = shape.periods[np.clip(at, 0, len(shape.periods) - 1)].astype(float)
    return unlike_zero(_clean(trial, np.where(shape.treated, earlier, np.inf)))


def definition_step(trial: Trial) -> bool:
    """Return whether the treated step apart when the definition changes, net of their trend where periods allow it."""
    shape = trial.world.shape
    before = int((shape.periods < shape.cohort.min() - shape.anticipation).sum())
    at = shape.break_at
    if not 0 < at < before:
        raise DesignError(
            "No clean period of the treated lies on either side of the break, so its step cannot be told from the effect."
        )
    cohort = np.where(shape.treated, shape.periods[at], np.inf)
    return unlike_zero(_clean(trial, cohort, at >= 2 and before - at >= 2, "definition_step"))


def _clean(trial: Trial, cohort: Array, trend: bool = False, name: str = "placebo_in_time") -> Estimate:
    """Return the estimate for other starts on rows before the true ones, net of a trend of the treated if wished."""
    shape = trial.world.shape
    clean = shape.clean & (shape.periods < shape.cohort.min() - shape.anticipation)
    before = replace(trial.world, shape=replace(shape, seen=clean, cohort=cohort, anticipation=0))
    return trial.regressed(name, before, trend)


def untouched_outcome(trial: Trial) -> bool:
    """Return whether an effect is found on an outcome that no programme can touch."""
    return unlike_zero(trial.regressed("design", replace(trial.world, outcome=trial.world.untouched)))


def together(trial: Trial) -> bool:
    """Return whether more than half of the treated start another programme within a year of this one."""
    world = trial.world
    apart = np.abs(world.other[world.shape.treated] - world.shape.cohort[world.shape.treated])
    return bool((apart <= 1).mean() > TOGETHER)


def near_ring(trial: Trial) -> bool:
    """Return whether untreated units near the treated change otherwise than those far away."""
    shape = trial.world.shape
    near: Array = shape.near
    if not near.any() or not (~near & ~shape.treated).any():
        raise DesignError("There are no untreated units both near and far, so neighbours cannot be compared.")
    cohort = np.where(near, shape.cohort.min(), np.inf)
    ring = replace(shape, cohort=cohort, seen=shape.seen & ~shape.treated[:, None])
    return unlike_zero(trial.regressed("near_ring", replace(trial.world, shape=ring)))


def bunching(trial: Trial) -> bool:
    """Return whether covered rows lie just above the line rather than just below it more often than others do.

    Each unit counts once, in the first row that lies in the window; Fisher's exact test, one-sided.
    """
    from scipy.stats import hypergeom

    world, shape = trial.world, trial.world.shape
    width = np.log1p(WINDOW) if shape.scale == "log" else WINDOW * np.abs(world.line)
    apart = world.outcome - world.line
    inside = shape.seen & (np.abs(apart) < width)
    counts = {}
    for covered, rows in ((True, inside & shape.after), (False, inside & ~shape.after)):
        units = np.flatnonzero(rows.any(axis=1))
        above = apart[units, rows[units].argmax(axis=1)] >= 0
        counts[covered] = int(above.sum()), len(units)
    (above, here), (above_elsewhere, elsewhere) = counts[True], counts[False]
    if not here or not elsewhere:
        raise DesignError("No covered, or no other, rows lie near the line.")
    return bool(hypergeom.sf(above - 1, here + elsewhere, above + above_elsewhere, here) < LEVEL)


def same_growth(trial: Trial) -> bool:
    """Return whether units of one batch report the same growth in a covered period: three, and one in twenty, or more."""
    world, shape = trial.world, trial.world.shape
    for start in np.unique(shape.cohort[shape.treated]):
        members = shape.cohort == start
        for t in [int(late) for late in np.flatnonzero(shape.periods >= start)]:
            both: Array = members & shape.seen[:, t] & shape.seen[:, max(t - 1, 0)]
            if t == 0 or not both.any():
                continue
            growth = np.round((world.outcome[both, t] - world.outcome[both, t - 1]) / (ROUNDING * shape.noise.total))
            if np.unique(growth, return_counts=True)[1].max() >= max(3.0, ALIKE * float(both.sum())):
                return True
    return False


def attrition(trial: Trial) -> bool:
    """Return whether the treated leave the panel more, or less, often than the others by over 5 points."""
    shape = trial.world.shape
    gone: Array = ~shape.seen[:, -1]
    if shape.treated.all():
        raise DesignError("Every unit is treated in the end, so nobody's leaving can be compared with the treated's.")
    return bool(abs(gone[shape.treated].mean() - gone[~shape.treated].mean()) > APART)


CHECKS: dict[str, Check] = {
    "ordinary_test": Check(ordinary_test, "claim"),
    "random_sets": Check(random_sets, "claim"),
    "randomisation": Check(randomisation, "claim"),
    "wild_clusters": Check(wild_clusters, "claim", every=4),
    "honest_bound": Check(honest_bound, "claim", every=2),
    "joint_leads": Check(joint_leads, "warning"),
    "weak_leads": Check(weak_leads, "warning"),
    "leave_one_out": Check(leave_one_out, "warning"),
    "placebo_in_time": Check(placebo_in_time, "warning"),
    "definition_step": Check(definition_step, "warning"),
    "untouched_outcome": Check(untouched_outcome, "warning"),
    "together": Check(together, "warning"),
    "near_ring": Check(near_ring, "warning"),
    "bunching": Check(bunching, "warning"),
    "same_growth": Check(same_growth, "warning"),
    "attrition": Check(attrition, "warning"),
}
