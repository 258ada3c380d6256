"""Simulated panels of a given shape with no effect and one planted problem: 模拟数据 / simulated data, the truth known to be zero."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, unknown
from evalkit.panel import Panel
from evalkit.rollout import Rollout
from evalkit.shape import Shape, is_whole, panel_shape, shape_of

Array = np.ndarray[Any, Any]

__all__ = ["THREATS", "Planted", "Shape", "World", "design_of", "panel_shape", "plantable", "planted", "shape_of", "world"]

STATUS = "模拟数据 simulated"
SHARED = 0.5  # of a trend, a shock of places or a break, in an outcome that the programme cannot touch
OTHER = 0.5  # noise SD: the gain by the programme that arrives together
GROWTH = 0.25  # noise SD: what a copied growth adds
LINE = 0.2  # of the covered units lie below the line that figures are lifted over
ABOVE = 0.04  # of the line: how far above it a lifted figure lands
TRANSFERS = (0.10, 0.10, 0.05)  # share of income: of all, more among the covered, more a standard deviation poorer


@dataclass(frozen=True, eq=False)
class World:
    """One simulated panel in which the programme does nothing.

    Attributes
    ----------
    shape : Shape, with the rows that are left and the starts as they are in this world
    outcome, untouched : (N, T) the outcome, and one that no programme can touch
    other : (N,) first period of another programme, inf for never
    line : (T,) a poverty line in the unit of the outcome
    left : (N,) whether a unit leaves the panel
    """

    threat: str
    size: float
    shape: Shape
    outcome: Array = field(repr=False)
    untouched: Array = field(repr=False)
    other: Array = field(repr=False)
    line: Array = field(repr=False)
    left: Array = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Draw:
    """The raw material of a world: shocks (N, T) of units and of places, fixed levels (N,), and the generator for the rest."""

    shape: Shape
    own: Array
    place: Array
    level: Array
    generator: np.random.Generator

    @property
    def outcome(self) -> Array:
        return np.asarray(self.shape.noise.period + self.level[:, None] + self.own + self.place)


Planting = Callable[[World, _Draw, float], World]


@dataclass(frozen=True)
class Threat:
    """A problem to plant.

    Attributes
    ----------
    plant : what is done to a world
    sizes : graded sizes; in noise SDs if ``noisy``, otherwise as they stand
    noisy : whether a size is in the unit of the outcome
    low, high : sizes that have a meaning
    whole : whether a size counts clusters
    """

    plant: Planting
    sizes: tuple[float, ...]
    noisy: bool = False
    low: float = -np.inf
    high: float = np.inf
    whole: bool = False

    def judge(self, name: str, size: float) -> None:
        """Raise DesignError for a size without meaning."""
        if not (isinstance(size, Real) and np.isfinite(size) and self.low <= size <= self.high):
            limits = "is a number" if np.isinf([self.low, self.high]).all() else f"lies between {self.low:g} and {self.high:g}"
            raise DesignError(f"The size of {name!r} {limits}, not {size}.")
        if self.whole and float(size) != int(size):
            raise DesignError(f"The size of {name!r} is a whole number of clusters, not {size:g}.")


def seed_of(seed: int, threat: str, *place: int) -> np.random.SeedSequence:
    """Return the seed of one world, or of one block's shuffles: a child of the seed that depends on nothing else."""
    return np.random.SeedSequence(judged_seed(seed), spawn_key=(crc32(threat.encode()), *place))


def judged_seed(seed: int) -> int:
    """Return a seed as a number; raises DesignError for what is no whole number from 0 on."""
    if not is_whole(seed) or seed < 0:
        raise DesignError(f"seed is a whole number from 0 on, such as 1, not {seed!r}: the same seed gives the same worlds.")
    return int(seed)


def plantable(shape: Shape, threat: str, size: float) -> str:
    """Return why this shape cannot have a problem, or nothing when it can."""
    groups = int(shape.cluster.max()) + 1
    if threat == "few_clusters" and not 1 <= int(size) < groups:
        return f"Of {groups} clusters from 1 to {groups - 1} can be treated, not {size:g}."
    if threat == "few_clusters" and shape.usual_start is None:
        return "No unit starts after the first period, so that few clusters would have no period before."
    if threat == "spillover" and not shape.near.any():
        return "No unit stays untreated, so no untreated neighbour can gain."
    return ""


def shaped(shape: Shape, threat: str, size: float) -> Shape:
    """Return the shape of a problem's worlds: its own, but for few clusters, where ``size`` are treated and half of all noise is theirs."""
    if threat != "few_clusters" or shape.few == int(size):
        return shape
    count = int(size)
    cohort = np.where(shape.cluster < count, shape.usual_start or 0.0, np.inf)
    if not shape.clustered:
        return replace(shape, cohort=cohort, few=count)
    both = shape.noise.total / np.sqrt(2)
    return replace(shape, cohort=cohort, few=count, noise=replace(shape.noise, own=both, place=both))


def world(shape: Shape, threat: str, size: float, seed: int | np.random.SeedSequence) -> World:
    """Return one world with a planted problem; the same noise for every size of a problem.

    Raises
    ------
    DesignError
        For an unknown threat and a size without meaning for it.
    """
    if threat not in THREATS:
        raise DesignError(unknown("threat", threat, list(THREATS)))
    known = THREATS[threat]
    known.judge(threat, size)
    if reason := plantable(shape, threat, size):
        raise DesignError(reason)
    shape = shaped(shape, threat, size)
    generator = np.random.default_rng(seed if isinstance(seed, np.random.SeedSequence) else seed_of(seed, threat))
    noise, N, T = shape.noise, len(shape.cohort), len(shape.periods)
    own = _shocks(generator, N, T, noise.own, noise.persistence)
    groups = int(shape.cluster.max()) + 1
    place = _shocks(generator, groups, T, noise.place, noise.persistence)[shape.cluster]
    level = noise.unit * generator.standard_normal(N) + noise.gap * shape.treated
    other = np.where(generator.random(N) < 0.2, generator.choice(shape.periods, N).astype(float), np.inf)
    aside = _shocks(generator, N, T, noise.own, noise.persistence)
    draw = _Draw(shape, own, place, level, generator)
    base = draw.outcome
    line = np.quantile(base[shape.treated] if shape.treated.any() else base, LINE, axis=0)
    plain = World(threat, size, shape, base, aside + SHARED * place, other, line, np.zeros(N, dtype=bool))
    return known.plant(plain, draw, size)


def _shocks(generator: np.random.Generator, rows: int, periods: int, deviation: float, persistence: float) -> Array:
    """Return (rows, periods) stationary AR(1) shocks with this SD."""
    shocks = deviation * generator.standard_normal((rows, periods))
    shocks[:, 1:] *= np.sqrt(1 - persistence**2)
    for t in range(1, periods):
        shocks[:, t] += persistence * shocks[:, t - 1]
    return shocks


def _nothing(plain: World, draw: _Draw, size: float) -> World:
    return plain


def _trend(plain: World, draw: _Draw, size: float) -> World:
    """The treated grow faster by ``size`` a period all along, zero in the last period before the first start."""
    shape = plain.shape
    slope = size * (shape.periods - (shape.cohort[shape.treated].min() - 1)) * shape.treated[:, None]
    return replace(plain, outcome=plain.outcome + slope, untouched=plain.untouched + SHARED * slope)


def _mean_reversion(plain: World, draw: _Draw, size: float) -> World:
    """Units are chosen for a bad last year: ``size`` is the correlation of the choice with their shock before the start."""
    shape = plain.shape
    own = draw.own.copy()
    luck = draw.generator.standard_normal(len(own))
    pool = np.arange(len(own))
    for start in np.unique(shape.cohort[shape.treated]):
        last = max(int(np.searchsorted(shape.periods, start)) - 1, 0)
        members = np.flatnonzero(shape.cohort == start)
        score = size * draw.own[pool, last] / draw.shape.noise.own + np.sqrt(1 - size**2) * luck[pool]
        chosen = np.argsort(score, kind="stable")[: len(members)]
        own[members] = draw.own[pool[chosen]]
        pool = np.delete(pool, chosen)
    rest = np.flatnonzero(~shape.treated)
    own[rest] = draw.own[pool]
    return replace(plain, outcome=replace(draw, own=own).outcome)


def _anticipation(plain: World, draw: _Draw, size: float) -> World:
    """Incomes dip by ``size`` in the last period before the start, and are back from it on."""
    shape = plain.shape
    last = np.searchsorted(shape.periods, shape.cohort) - 1
    dip = shape.treated[:, None] & (np.arange(len(shape.periods)) == last[:, None])
    return replace(plain, outcome=plain.outcome - size * dip)


def _spillover(plain: World, draw: _Draw, size: float) -> World:
    """Untreated units near the treated gain ``size`` from the first start on."""
    shape = plain.shape
    return replace(plain, outcome=plain.outcome + size * shape.near[:, None] * (shape.periods >= shape.cohort.min()))


def _bundle(plain: World, draw: _Draw, size: float) -> World:
    """Another programme starts together in a share ``size`` of the treated units and is worth half a noise SD."""
    shape = plain.shape
    together = shape.treated & (draw.generator.random(len(shape.cohort)) < size)
    other = np.where(together, shape.cohort, plain.other)
    gain = OTHER * shape.noise.total * (together[:, None] & shape.after)
    return replace(plain, other=other, outcome=plain.outcome + gain)


def _definition_break(plain: World, draw: _Draw, size: float) -> World:
    """From one period on transfers count ``size`` times more, and the poor and the treated live on transfers more than others."""
    shape = plain.shape
    poor = -(draw.level - draw.level.mean()) / (draw.level.std() or 1.0)
    base, more, poorer = TRANSFERS
    share = np.clip(base + more * shape.treated + poorer * poor, 0.0, 0.9)
    rise = np.log1p(size * share) if shape.scale == "log" else size * share * np.abs(shape.noise.period.mean() + draw.level)
    step = rise[:, None] * (np.arange(len(shape.periods)) >= shape.break_at)
    return replace(plain, outcome=plain.outcome + step, untouched=plain.untouched + SHARED * step)


def _lifted(plain: World, draw: _Draw, size: float) -> World:
    """A share ``size`` of the figures of covered units below the line is reported just above it."""
    shape = plain.shape
    below = shape.after & (plain.outcome < plain.line) & (draw.generator.random(plain.outcome.shape) < size)
    over = draw.generator.uniform(0, ABOVE, plain.outcome.shape)
    lifted = plain.line + (np.log1p(over) if shape.scale == "log" else over * np.abs(plain.line))
    return replace(plain, outcome=np.where(below, lifted, plain.outcome))


def _copied(plain: World, draw: _Draw, size: float) -> World:
    """A share ``size`` of covered units reports one and the same growth since the last period before the start."""
    shape = plain.shape
    copies = shape.treated & (draw.generator.random(len(shape.cohort)) < size)
    last = np.clip(np.searchsorted(shape.periods, np.where(shape.treated, shape.cohort, shape.periods[0])) - 1, 0, None)
    base = plain.outcome[np.arange(len(last)), last] - shape.noise.period[last]
    copied = base[:, None] + shape.noise.period + GROWTH * shape.noise.total
    return replace(plain, outcome=np.where(copies[:, None] & shape.after, copied, plain.outcome))


def _attrition(plain: World, draw: _Draw, size: float) -> World:
    """The share ``size`` of the treated with the worst first treated period is gone from then on."""
    shape = plain.shape
    at = np.clip(
        np.searchsorted(shape.periods, np.where(shape.treated, shape.cohort, shape.periods[-1])), 0, len(shape.periods) - 1
    )
    shock = (draw.own + draw.place)[np.arange(len(at)), at]
    ever = np.flatnonzero(shape.treated)
    gone = ever[np.argsort(shock[ever], kind="stable")[: round(size * len(ever))]]
    left = np.zeros(len(at), dtype=bool)
    left[gone] = True
    return replace(plain, shape=replace(shape, seen=shape.seen & ~(left[:, None] & shape.after)), left=left)


THREATS: dict[str, Threat] = {
    "nothing": Threat(_nothing, (0.0,)),
    "trend": Threat(_trend, (0.08, 0.16, 0.32), noisy=True),
    "mean_reversion": Threat(_mean_reversion, (0.25, 0.5, 1.0), low=0.0, high=1.0),
    "anticipation": Threat(_anticipation, (0.25, 0.5, 1.0), noisy=True),
    "spillover": Threat(_spillover, (0.25, 0.5, 1.0), noisy=True),
    "bundle": Threat(_bundle, (0.25, 0.6, 0.9), low=0.0, high=1.0),
    "definition_break": Threat(_definition_break, (0.15, 0.3, 0.6), low=0.0, high=5.0),
    "few_clusters": Threat(_nothing, (1.0, 2.0, 3.0, 5.0), low=1.0, whole=True),
    "lifted": Threat(_lifted, (0.3, 0.6, 0.9), low=0.0, high=1.0),
    "copied": Threat(_copied, (0.1, 0.3, 0.6), low=0.0, high=1.0),
    "attrition": Threat(_attrition, (0.05, 0.1, 0.2), low=0.0, high=0.8),
}


@dataclass(frozen=True, eq=False)
class Planted(Design):
    """A simulated design with a planted problem: the programme does nothing in it.

    Attributes
    ----------
    threat, size, seed : what was planted, how large, from which seed
    truth : the true effect, 0
    status : says that the data are simulated; the same stands in every row of the frame
    """

    threat: str = "nothing"
    size: float = 0.0
    seed: int | None = None
    truth: float = 0.0
    status: str = STATUS


def planted(shape: Shape | Design, threat: str = "trend", size: float = 0.05, seed: int = 1, cluster: str | None = None) -> Planted:
    """Return a simulated design in which the programme does nothing and one problem was planted.

    Parameters
    ----------
    shape : Shape or Design
        From :func:`panel_shape` or :func:`shape_of`; of a design its shape is learned.
    threat : a key of ``THREATS``
        "trend": the treated grow faster by ``size`` a period. "mean_reversion": chosen for a bad year, ``size`` the correlation.
        "anticipation": a dip of ``size`` just before. "spillover": untreated neighbours gain ``size``. "bundle": another programme
        starts together in the share ``size``. "definition_break": transfers count ``size`` times more. "few_clusters": ``size``
        treated clusters. "lifted": the share ``size`` of figures below the line is reported just above it. "copied": the share
        ``size`` reports one growth. "attrition": the share ``size`` of the treated, the worst off, leaves.
    cluster : with a design, the cluster whose shocks are learned

    Returns
    -------
    Planted
        A design with columns unit, period, cluster, outcome, untouched, other_programme, near, ever_treated, first_treated and
        data_status.

    Raises
    ------
    DesignError
        For an unknown threat and a size without meaning for it.

    Examples
    --------
    >>> import evalkit as ek
    >>> design = planted(panel_shape(), threat="trend", size=0.2, seed=1)
    >>> design.truth, float(ek.TwoWay()(design).theta[0].round(2))
    (0.0, 0.91)
    """
    if isinstance(shape, Design):
        shape = shape_of(shape, cluster)
    return design_of(world(shape, threat, size, seed), seed)


def design_of(world: World, seed: int | None = None, like: Planted | None = None) -> Planted:
    """Return the design of a world; ``like`` is one of a world of the very same shape, so that its panel need not be judged again."""
    shape = world.shape
    unit, when = np.nonzero(shape.seen)
    columns = {
        "outcome": world.outcome[unit, when],
        "untouched": world.untouched[unit, when],
        "other_programme": world.other[unit],
    }
    if like is not None:
        return _redressed(like, world, seed, columns)
    frame = pd.DataFrame(
        {
            "unit": unit,
            "period": shape.periods[when],
            "cluster": shape.cluster[unit],
            **columns,
            "near": shape.near[unit].astype(float),
            "ever_treated": shape.treated[unit].astype(float),
            "first_treated": np.where(shape.treated, shape.cohort, 0.0)[unit],
            "data_status": STATUS,
        }
    )
    panel = Panel(frame, unit="unit", period="period", clusters=["cluster"])
    rollout = Rollout.from_first_treated(panel, "first_treated", never=0, programme=world.threat)
    return Planted(
        panel,
        rollout,
        "outcome",
        anticipation=shape.anticipation,
        unbalanced=None if len(frame) == len(panel.units) * len(panel.periods) else "pairwise",
        threat=world.threat,
        size=world.size,
        seed=seed,
    )


def _redressed(like: Planted, world: World, seed: int | None, columns: dict[str, Array]) -> Planted:
    """Return a design with the outcomes of another world of the same shape: what was judged of rows and starts stays true."""
    panel, design = copy(like.panel), copy(like)
    object.__setattr__(panel, "frame", like.panel.frame.assign(**columns))
    for name, value in (
        ("panel", panel),
        ("y", columns["outcome"]),
        ("threat", world.threat),
        ("size", world.size),
        ("seed", seed),
    ):
        object.__setattr__(design, name, value)
    return design


def shuffled(groups: Array, draws: int, seed: np.random.SeedSequence) -> Array:
    """Return (draws, G) random orders of the labels (G,)."""
    generator = np.random.default_rng(seed)
    return np.asarray(generator.permuted(np.broadcast_to(groups, (draws, len(groups))), axis=1))
