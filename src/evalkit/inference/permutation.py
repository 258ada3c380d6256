"""Randomisation inference: the rank of an estimate among those for treatments that could have been assigned instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import floor

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate
from evalkit.inference.assignment import MOVES, Array, Assignments, assignments
from evalkit.inference.attainable import ALTERNATIVES, Attainable, attainable, judge_draws, judge_level
from evalkit.inference.inversion import Lines, as_large, bisected, inverted
from evalkit.inference.linear import has_own_noise
from evalkit.inference.reassigned import Estimator, Replay, replayed, under_assignments
from evalkit.notices import Notice, merged
from evalkit.parallel import Map

STATISTICS = ("estimate", "t")
INTERVALS = ("algebra", "bisection", "none")
ENUMERATED = 20_000  # assignments that are all estimated without being asked how many
CHECKED = 3  # assignments at which linearity is checked
EXACT = 1e-7  # relative: what agrees so well is linear
Ends = tuple[float, float]

NO_EFFECTS = ("cohort_share", "cell_share", "covariate")


@dataclass(frozen=True, eq=False)
class Permutation:
    """The rank of every effect among those for other assignments of treatment.

    Attributes
    ----------
    smallest : Attainable
        The smallest p-value there could have been, known before the estimate.
    table : frame with a row per effect: its labels, ``estimate``, ``statistic``, ``p_value``, ``conf_low`` and ``conf_high`` (constant
        effects that are not rejected; infinite when none is), ``conf_level`` (the coverage guaranteed, at least ``level``; these three not with ``interval="none"``),
        ``rank`` (1: no other assignment as extreme), ``assignments`` (used, the observed one among them) and ``exact`` (all of them)
    draws : (B, k) the statistic under the other assignments
    codes : (B, M) those assignments: which start each unit or cluster got
    estimate : the estimate of the observed assignment
    route : "replayed", or "cohort means" when the estimator was learned as weights of cohort means first
    notices : remarks for readers; that placebos check the scale only is always among them
    """

    smallest: Attainable
    table: pd.DataFrame
    draws: Array
    codes: Array
    estimate: Estimate
    statistic: str
    route: str
    notices: tuple[Notice, ...]

    def __repr__(self) -> str:
        columns = ("kind", "name", "event_time", "estimate", "p_value", "conf_low", "conf_high")
        shown = [column for column in columns if column in self.table and self.table[column].notna().any()]
        return f"{self.smallest!r}\n{self.table[shown].to_string(index=False)}"


def permute(
    estimator: Estimator,
    design: Design,
    *,
    cluster: str | None = None,
    strata: str | None = None,
    moves: str = MOVES[0],
    draws: int | None = None,
    seed: int | None = None,
    statistic: str = "estimate",
    alternative: str = "two-sided",
    interval: str = "algebra",
    level: float = 0.95,
    map: Map = map,
) -> Permutation:
    """Return the rank of an estimate among all other assignments of treatment, or many random ones.

    Parameters
    ----------
    estimator : callable
        Design -> Estimate, for example ``lambda d: aggregate(GroupTime()(d))``; every effect in it gets its p-value.
    cluster, strata, moves : see :func:`evalkit.inference.assignment.assignments`
    draws, seed : int
        How many random assignments, and their seed. When there are no more than draws + 1 assignments, all are used and nothing
        is drawn; without draws all are used, up to 20,000.
    statistic : "estimate" or "t"
        The coefficient, or the coefficient over its standard error clustered by ``cluster``, which is better when clusters differ
        in size (MacKinnon & Webb 2020).
    alternative : "two-sided" (by absolute value), "greater" or "less"
    interval : "algebra", "bisection" or "none"
        *algebra* inverts the test at once, for estimators linear in the outcome (it is checked, and others are refused);
        *bisection* asks the test again at every effect tried, some forty times the work for every effect; *none* gives no set.
    level : coverage of the set
    map : how independent estimations are run, see :func:`evalkit.parallel.workers`

    Raises
    ------
    EstimateError
        When nothing can move, when draws or seed are needed and missing, when the estimator is not linear in the outcome
        (with *algebra*), and when the estimator refuses more than half of the assignments.

    Notes
    -----
    The sharp null is that nobody's outcome would differ under another assignment. p is the share of assignments whose statistic is at
    least as large, the observed one counted: exact when all are used, (1 + #) / (1 + draws) otherwise; ties up to rounding count.
    Assignments at which the estimator refuses count as larger. The set inverts the null of a constant effect tau on treated rows, T(y - tau D).
    Where it has gaps its ends are told. Studentised with one treated cluster, standard errors are far too small for every
    assignment alike; ranks stay exact. Which route is taken (see :mod:`evalkit.inference.reassigned`) changes the time and no number.

    Examples
    --------
    >>> import evalkit as ek
    >>> found = permute(lambda d: ek.aggregate(ek.GroupTime()(d)), ek.example_design(units=8, cohorts=1))
    >>> found.smallest.assignments, found.table["p_value"].round(3).tolist()
    (70, [0.057])
    """
    _judge_choices(statistic, alternative, interval, draws)
    judge_level(level)
    possible = assignments(design, cluster, strata, moves)
    smallest = attainable(design, possible, cluster, strata, alternative, draws)
    codes = _others(possible, smallest, draws, seed)
    if not callable(estimator) or not isinstance(whole := estimator(design), Estimate):
        raise EstimateError("An estimator is called with a design and returns an Estimate, such as TwoWay(); this one does not.")
    shown = _shown(whole, statistic)
    size = float(design.y.std()) or 1.0
    taus = (0.0,) if interval != "algebra" else (0.0, size) if statistic == "estimate" else (0.0, size, -size)
    task = Replay.of(estimator, design, possible, whole, shown, cluster, statistic == "t", taus)
    if interval == "algebra":
        _judge_linear(replace(task, taus=(0.0, size, -size, 2.5 * size)), np.vstack([possible.code, codes[:CHECKED]]))
    found, route, reason = under_assignments(task, codes, map)
    lost = int(np.isnan(found[:, 0, 0]).any(axis=1).sum())
    if 2 * lost > len(codes):
        raise EstimateError(f"The estimator refused {lost:,} of {len(codes):,} other assignments. The last reason: {reason}")
    tested = _Tested.of(task, task(possible.code[None])[0], found, alternative)
    allowed = floor((1 - level) * tested.total + 1e-9)
    inversions: dict[str, Callable[[int], list[Ends]]] = {
        "algebra": tested.by_algebra,
        "bisection": partial(_by_bisection, task, tested, codes, map),
    }
    ends = inversions[interval](allowed) if interval in inversions else None
    table = tested.table(whole.cells[shown], ends, allowed).assign(exact=smallest.draws is None)
    notices = (Notice("PLACEBO_SCOPE"), *possible.notices, *smallest.notice(level), *_remarks(~shown, lost, tested.total, reason))
    return Permutation(smallest, table, tested.others, codes, whole, statistic, route, merged(notices, whole.notices))


def _remarks(left: Array, lost: int, total: int, reason: str) -> Iterator[Notice]:
    if left.any():
        yield Notice("NOT_PERMUTED", {"parameters": int(left.sum())})
    if lost:
        yield Notice("ASSIGNMENTS_REFUSED", {"refused": lost, "assignments": total, "reason": reason})


def _judge_choices(statistic: str, alternative: str, interval: str, draws: int | None) -> None:
    for name, value, allowed in (
        ("statistic", statistic, STATISTICS),
        ("alternative", alternative, ALTERNATIVES),
        ("interval", interval, INTERVALS),
    ):
        if value not in allowed:
            raise EstimateError(unknown(name, str(value), allowed))
    if draws is not None:
        judge_draws(draws)


def _others(possible: Assignments, smallest: Attainable, draws: int | None, seed: int | None) -> Array:
    """Return the codes (B, M) of the assignments that the observed one is ranked among."""
    if smallest.assignments == 1:
        raise EstimateError(
            f"Nothing can move: with moves={possible.moves!r}, and strata and clusters as they are, the observed assignment is the only one. "
            "Choose other moves, or wider strata."
        )
    if smallest.draws is None and (draws is not None or smallest.assignments <= ENUMERATED):
        every = possible.all()
        return np.asarray(every[(every != possible.code).any(axis=1)])
    if draws is None or seed is None:
        raise EstimateError(
            f"There are {_count(smallest.assignments)} assignments, more than are all estimated: say how many are drawn and with which seed, "
            "for example draws=999, seed=7."
        )
    return possible.drawn(int(draws), seed)


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"10^{len(str(number)) - 1}"


def _shown(whole: Estimate, statistic: str) -> Array:
    """Return (k,) which parameters are effects that a permutation can rank."""
    effect = ~whole.cells["kind"].isin(NO_EFFECTS).to_numpy() & ~whole.cells["reference"].to_numpy(dtype=bool)
    if statistic == "t":
        effect &= has_own_noise(whole)
    if not effect.any():
        raise EstimateError(
            "No parameter can be ranked: all are shares, covariates or references"
            + (", or have no standard error. Use statistic='estimate'." if statistic == "t" else ".")
        )
    return np.asarray(effect)


def _judge_linear(task: Replay, codes: Array) -> None:
    """Refuse the algebra unless estimates are linear, and variances quadratic, in the effect taken out of the outcome."""
    found, _ = task(codes)
    size = task.taus[1]
    at, value = np.array(task.taus), found[:, :, 0]
    straight = value[:, :1] + (value[:, 1:2] - value[:, :1]) * (at / size)[None, :, None]
    error = np.abs(value - straight)
    if task.studentised:
        variance = found[:, :, 1]
        v = _quadratic(variance[:, 0], variance[:, 1], variance[:, 2], size)
        curved = v[0][:, None] + v[1][:, None] * at[None, :, None] + v[2][:, None] * at[None, :, None] ** 2
        error = error + np.sqrt(np.abs(variance - curved))
    if np.nanmax(error, initial=0) > EXACT * max(size, float(np.nanmax(np.abs(value), initial=0))) * (
        100 if task.studentised else 1
    ):
        raise EstimateError(
            "The confidence set by algebra needs an estimator that is linear in the outcome, and this one is not. Say interval='bisection' to "
            "ask the test again at every effect tried (some forty times the work for every parameter), or interval='none'."
        )


def _quadratic(zero: Array, plus: Array, minus: Array, size: float) -> tuple[Array, Array, Array]:
    """Return the coefficients of the quadratics with these values at 0, size and -size."""
    return zero, (plus - minus) / (2 * size), (plus + minus - 2 * zero) / (2 * size**2)


@dataclass(frozen=True, eq=False)
class _Tested:
    """The statistics of k effects, observed and under B other assignments, as functions of the effect taken out of the outcome."""

    theta: Array
    observed: Array
    others: Array
    lines: list[tuple[Lines, Lines]]
    alternative: str

    @classmethod
    def of(cls, task: Replay, here: Array, there: Array, alternative: str) -> _Tested:
        lines = [(_lines(here, j, task), _lines(there, j, task)) for j in range(here.shape[3])]
        zero = np.zeros((1, 1))
        observed = np.array([one.at(zero)[0, 0] for one, _ in lines])
        return cls(here[0, 0, 0], observed, np.column_stack([every.at(zero)[:, 0] for _, every in lines]), lines, alternative)

    @property
    def total(self) -> int:
        return len(self.others) + 1

    def by_algebra(self, allowed: int) -> list[Ends]:
        return [inverted(*pair, self.alternative, allowed) for pair in self.lines]

    def table(self, cells: pd.DataFrame, ends: list[Ends] | None, allowed: int) -> pd.DataFrame:
        rank = 1 + as_large(self.others, self.observed[None], self.alternative).sum(axis=0)
        table = cells.reset_index(drop=True).assign(estimate=self.theta, statistic=self.observed, p_value=rank / self.total)
        if ends is not None:
            low, high = zip(*ends, strict=True)
            table = table.assign(conf_low=low, conf_high=high, conf_level=1 - allowed / self.total)
        return table.assign(rank=rank, assignments=self.total)


def _lines(found: Array, j: int, task: Replay) -> Lines:
    """Return how the statistic of parameter j depends on the effect that is taken out."""
    taus, theta = task.taus, found[:, 0, 0, j]
    slope = (theta - found[:, 1, 0, j]) / taus[1] if len(taus) > 1 else np.zeros(len(theta))
    if not task.studentised:
        return Lines(theta, slope)
    v = [found[:, i, 1, j] for i in range(len(taus))]
    quadratic = _quadratic(v[0], v[1], v[2], taus[1]) if len(v) == 3 else (v[0], 0 * v[0], 0 * v[0])
    return Lines(theta, slope, np.stack(quadratic, axis=1))


def _by_bisection(task: Replay, tested: _Tested, codes: Array, map: Map, allowed: int) -> list[Ends]:
    """Return the ends of each parameter's set, the whole test being asked again at every effect tried."""
    known: dict[float, Array] = {}

    def p_value(j: int, tau: float) -> float:
        if tau not in known:
            at = replace(task, taus=(tau,))
            found = _Tested.of(at, at(task.possible.code[None])[0], replayed(at, codes, map)[0], tested.alternative)
            known[tau] = (1 + as_large(found.others, found.observed[None], tested.alternative).sum(axis=0)) / tested.total
        return float(known[tau][j])

    theta = np.column_stack([every.theta for _, every in tested.lines])
    spread, alpha = np.nanstd(theta, axis=0), allowed / tested.total + 1e-12
    return [bisected(partial(p_value, j), float(tested.theta[j]), float(spread[j]) or 1.0, alpha) for j in range(len(spread))]
