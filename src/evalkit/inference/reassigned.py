"""An estimator called under other assignments of treatment: again on each, or once as weights of cohort means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate
from evalkit.inference.assignment import Array, Assignments, moved
from evalkit.inference.known import known_weights
from evalkit.inference.linear import covariance
from evalkit.inference.replay import aligned
from evalkit.parallel import Map

Estimator = Callable[[Design], Estimate]

CHUNKS = 64  # parts of the work handed to a map
CHECKED = 3  # assignments at which weights of cohort means are checked
EXACT = 1e-8  # relative to the outcome's spread: what agrees so well is the same


def under_assignments(task: Replay, codes: Array, map: Map) -> tuple[Array, str, str]:
    """Return the (B, taus, 2, k) numbers of every assignment, the route taken to them, and the last reason of a refusal.

    In a balanced panel without covariates and weights, a linear estimator that treats units of a cohort alike is a sum of
    weights times cohort means, and the weights stay when cohorts keep their sizes. The estimator tells them, or they are learned from an
    estimation for every cohort and period; they are checked on assignments: where they fall short, every assignment is estimated.
    """
    if not task.studentised and _by_cohort_means(task.design, task.possible, len(codes) * len(task.taus)):
        found = _of_cohort_means(task, codes, map)
        if found is not None:
            return found, "cohort means", ""
    numbers, reason = replayed(task, codes, map)
    return numbers, "replayed", reason


@dataclass(frozen=True, eq=False)
class Replay:
    """The task of one part of the work: an estimator called on some assignments, with tau taken out of the treated outcomes.

    Called with codes (b, M), it returns (b, taus, 2, k) estimates and variances (NaN where it refused), and the last reason.
    """

    estimator: Estimator
    design: Design
    possible: Assignments
    whole: Estimate
    shown: Array
    cluster: str | None
    studentised: bool
    taus: tuple[float, ...]

    @classmethod
    def of(
        cls,
        estimator: Estimator,
        design: Design,
        possible: Assignments,
        whole: Estimate,
        shown: Array,
        cluster: str | None,
        studentised: bool,
        taus: tuple[float, ...],
    ) -> Replay:
        """Return the task that carries the labels of the observed estimate to other processes, and not its influence."""
        labels = replace(whole, psi=np.empty((0, len(whole.theta))), rows=whole.rows.iloc[:0])
        return cls(estimator, design, possible, labels, shown, cluster, studentised, taus)

    def __call__(self, codes: Array) -> tuple[Array, str]:
        """Return the numbers of each assignment."""
        treated = self.design.treated.astype(float)
        outcomes = [self.design.y - tau * treated if tau else self.design.y for tau in self.taus]
        out, reason = np.full((len(codes), len(outcomes), 2, int(self.shown.sum())), np.nan), ""
        for b, code in enumerate(codes):
            cohort = self.possible.cohorts(code)
            try:
                for i, y in enumerate(outcomes):
                    out[b, i] = self.numbers(moved(self.design, cohort, y))
            except (DesignError, EstimateError) as refusal:
                out[b], reason = np.nan, str(refusal)
        return out, reason

    def numbers(self, design: Design) -> Array:
        """Return (2, k) estimates of a design and their variances, NaN unless studentised."""
        found = self.estimator(design)
        theta = aligned(self.whole, found)[self.shown]
        if not self.studentised:
            return np.stack([theta, np.full_like(theta, np.nan)])
        spread = covariance(found, self.cluster)
        return np.stack([theta, aligned(self.whole, replace(found, theta=np.diag(spread.matrix)))[self.shown]])


def replayed(task: Replay, codes: Array, map: Map) -> tuple[Array, str]:
    """Return the (B, taus, 2, k) numbers of every assignment, estimated one by one, and the last reason of a refusal."""
    parts = list(map(task, np.array_split(codes, min(CHUNKS, len(codes)))))
    reasons = [reason for _, reason in parts if reason]
    return np.concatenate([numbers for numbers, _ in parts]), reasons[-1] if reasons else ""


def _by_cohort_means(design: Design, possible: Assignments, estimations: int) -> bool:
    """Return whether an estimator could be learned as weights of cohort means, and whether that is less work."""
    cells = len(np.unique(design.cohort)) * len(design.periods)
    plain = design.balanced and design.w is None and not design.covariates and design.panel.unit is not None
    return plain and possible.sizes_stay and possible.starts.shape[1] == 1 and estimations > 2 * cells


def _of_cohort_means(task: Replay, codes: Array, map: Map) -> Array | None:
    """Return (B, taus, 2, k) estimates from weights of cohort means, or None when checks show that they depend on more."""
    design, possible = task.design, task.possible
    starts = possible.starts[:, 0]
    Y = design.wide(design.y)
    size = float(design.y.std()) or 1.0
    places = [(g, t) for g in range(len(starts)) for t in range(Y.shape[1])]
    learn = Learn(task, size)
    at_zero = learn.at(None)
    # (k, L, T): what raising one cohort in one period by one does to the estimates.
    weights = _known_of_cohorts(task, len(starts))
    if weights is None:
        weights = ((np.array(list(map(learn, places))) - at_zero) / size).T.reshape(-1, len(starts), Y.shape[1])
    surfaces = [Y - tau * design.wide(design.treated.astype(float)) for tau in task.taus]
    out = np.full((len(codes), len(surfaces), 2, len(weights)), np.nan)
    block = max(1, 20_000_000 // (8 * Y.shape[0]))
    for start in range(0, len(codes), block):
        rows = slice(start, start + block)
        label = codes[rows][:, possible.item]
        for g in range(len(starts)):
            inside = (label == g).astype(float) / max((possible.code[possible.item] == g).sum(), 1)
            for i, surface in enumerate(surfaces):
                part = (inside @ surface) @ weights[:, g].T
                out[rows, i, 0] = part if g == 0 else out[rows, i, 0] + part
    checked, _ = task(codes[:CHECKED])
    error = np.abs(checked[:, :, 0] - out[:CHECKED, :, 0])
    right = bool((error <= EXACT * max(size, float(np.abs(at_zero).max()))).all())  # what was refused is NaN: not right
    return out if right else None


def _known_of_cohorts(task: Replay, cohorts: int) -> Array | None:
    """Return (1, L, T) the weights of cohort means where an estimator of one number knows its weights, else None."""
    known = known_weights(task.estimator, task.design)
    if known is None or int(task.shown.sum()) != 1:
        return None
    of = task.possible.code[task.possible.item]
    return np.stack([known[of == g].sum(axis=0) for g in range(cohorts)])[None]


@dataclass(frozen=True, eq=False)
class Learn:
    """The task of one estimation with the outcome of one cohort raised in one period."""

    task: Replay
    size: float

    def __call__(self, place: tuple[int, int]) -> Array:
        """Return (k,) estimates."""
        return self.at(place)

    def at(self, place: tuple[int, int] | None) -> Array:
        """Return (k,) estimates with the outcome raised by ``size`` there, or nowhere."""
        design, possible = self.task.design, self.task.possible
        y = design.y
        if place is not None:
            inside = (possible.code[possible.item] == place[0])[design.unit_index] & (design.period_index == place[1])
            y = y + self.size * inside
        return np.asarray(self.task.numbers(moved(design, design.cohort, y))[0])
