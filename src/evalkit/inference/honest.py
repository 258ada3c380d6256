"""Honest bounds: how far an effect survives when trends would not have been parallel, and the yearly drift that undoes it, in yuan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate
from evalkit.inference import fixed_length
from evalkit.inference.honest_path import Weights, read_path
from evalkit.inference.linear import Covariance, SmallSample
from evalkit.inference.moment_inequalities import Moments, confidence_set, moments, reaches
from evalkit.inference.restrictions import bends, judge, restrictions, steps
from evalkit.notices import Notice, merged

Array = np.ndarray[Any, Any]
Interval = tuple[float, float]

METHODS = ("fixed length", "hybrid least favourable", "hybrid fixed length", "conditional")
LINEAR = {"smoothness": fixed_length.of_smoothness, "drift": fixed_length.of_drift}
SCALES = ("log", "level")
FEW_CLUSTERS, FEW_TREATED, FEW_LEADS = 10, 6, 3
NO_LOG = 5.0  # an effect of log income this large would be a factor of 148


@dataclass(frozen=True, eq=False)
class Honest:
    """Bounds on an effect under restrictions on the differential trend, and the size of violation at which they reach zero.

    Attributes
    ----------
    table : DataFrame
        A row for every size: ``size``, ``conf_low``, ``conf_high`` (in the unit of the outcome), ``conf_low_yuan``,
        ``conf_high_yuan`` where yuan are known, ``method``, and ``reason``: "" for an interval, "open" where an end is infinite,
        "empty" where the data contradict the restriction at that size (its ends are then not numbers).
    estimate, std_error : the effect looked at and its standard error
    original : the plain interval, as if trends were parallel
    weights : DataFrame of the event times after the reference with their weight in the effect
    breakdown : the size at which the bounds first reach zero: 0 if they do without any violation, infinite if they never do
    breakdown_drift : the same in units of the outcome per period (``breakdown`` itself, or times the largest difference before);
        of "smoothness" restrictions it is a change of the yearly drift from one period to the next
    breakdown_yuan : that in yuan per person and year at base income, a difference d of logs being base (exp(d) - 1) whichever its
        sign; None where yuan are not known
    largest_before : the largest difference of the same kind between neighbouring periods before the start, None without one
    largest_before_error : its standard error (the largest of several is too large on average)
    largest_before_yuan : the same in yuan
    leads : how many periods before the reference there are
    restriction, method, level, cluster, clusters : what was asked for
    notices : remarks for readers
    """

    table: pd.DataFrame
    estimate: float
    std_error: float
    original: Interval
    weights: pd.DataFrame
    breakdown: float
    breakdown_drift: float
    breakdown_yuan: float | None
    largest_before: float | None
    largest_before_error: float | None
    largest_before_yuan: float | None
    leads: int
    restriction: str
    method: str
    level: float
    cluster: str
    clusters: int
    notices: tuple[Notice, ...]

    def __repr__(self) -> str:
        return f"Honest bounds ({self.restriction}, {self.method}) at {len(self.table)} sizes; breakdown at {self.breakdown:.3g}"


@dataclass(frozen=True, eq=False)
class Problem:
    """What the bounds are computed from: a path with its covariance, and the restriction on its differential trend.

    Attributes
    ----------
    beta, sigma : (K + T,) path without its reference, and its covariance
    target : (T,) weights of the effect
    restriction, sign, monotone, method, level : as in :func:`honest`
    """

    beta: Array
    sigma: Array
    target: Array
    restriction: str
    sign: str | None = None
    monotone: str | None = None
    method: str = "hybrid least favourable"
    level: float = 0.95

    @property
    def leads(self) -> int:
        """How many periods before the reference."""
        return len(self.beta) - len(self.target)

    @property
    def estimate(self) -> float:
        """The effect looked at, l'beta."""
        return float(self.beta[self.leads :] @ self.target)

    @property
    def std_error(self) -> float:
        """Its standard error, the root of l' Sigma l."""
        later = self.sigma[self.leads :, self.leads :]
        return float(np.sqrt(self.target @ later @ self.target))

    @property
    def relative(self) -> bool:
        """Whether sizes are multiples of what was seen before, not in units of the outcome."""
        return self.restriction not in LINEAR

    def standardised(self) -> Problem:
        """Return the problem in units of the standard error of its effect, in which tolerances have a meaning."""
        unit = self.std_error
        names = (self.restriction, self.sign, self.monotone, self.method, self.level)
        return Problem(self.beta / unit, self.sigma / unit**2, self.target, *names)

    def linear(self, size: float, level: float) -> fixed_length.FixedLength:
        """Return the shortest fixed-length interval at a size."""
        return LINEAR[self.restriction](self.sigma, self.target, size, level)

    def tests(self, size: float) -> list[Moments]:
        """Return a test for each polyhedron of the restriction."""
        alpha = 1 - self.level
        first = self.linear(size, 1 - alpha / 10) if self.method == "hybrid fixed length" else None
        parts = restrictions(self.restriction, self.leads, len(self.target), size, self.sign, self.monotone)
        return [moments(self.beta, self.sigma, self.target, A, d, alpha, self.method, first) for A, d in parts]

    def interval(self, size: float) -> Interval | None:
        """Return the confidence interval at a size; None if every value is rejected."""
        if self.method != "fixed length":
            return confidence_set(self.tests(size))
        found = self.linear(size, self.level)
        centre = float(found.weights @ self.beta)
        return centre - found.half_length, centre + found.half_length

    def reaches_zero(self, size: float) -> bool:
        """Return whether the interval gets from the estimate to zero."""
        positive = self.estimate > 0
        if self.method != "fixed length":
            return reaches(self.tests(size), 0.0, below=positive)
        ends = self.interval(size)
        assert ends is not None
        return ends[0] <= 0 if positive else ends[1] >= 0


def breakdown(reaches_zero: Callable[[float], bool], start: float) -> float:
    """Return the smallest size at which bounds reach zero, to six digits; infinite beyond a thousand times ``start``.

    Sizes are doubled from start / 16 on; the step in which zero is first reached is searched in eight parts, then by bisection.
    """
    if reaches_zero(0.0):
        return 0.0
    low, high = 0.0, start / 16
    while not reaches_zero(high):
        low, high = high, 2 * high
        if high > 2**10 * start:
            return np.inf
    for size in np.linspace(low, high, 9)[1:]:
        if reaches_zero(float(size)):
            high = float(size)
            break
        low = float(size)
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reaches_zero(middle) else (middle, high)
    return high


def honest(
    path: Estimate,
    *,
    restriction: str = "relative",
    at: Weights = "overall",
    sizes: float | Sequence[float] | None = None,
    sign: str | None = None,
    monotone: str | None = None,
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    level: float = 0.95,
    method: str | None = None,
    base_income: float | None = None,
    scale: str = "log",
) -> Honest:
    """Return bounds on an effect that hold although trends may differ, at several sizes of the difference, and where they reach zero.

    Parameters
    ----------
    path : Estimate
        An event study with a universal base: ``aggregate(GroupTime()(design), by="event_time")`` or a regression's path. Leads are
        the event times before its reference, which is zero; every period after the reference may be off.
    restriction : str
        What is assumed of delta, the difference in trend that would have been there anyway. "relative": no yearly step after the
        start is more than ``size`` times the largest before. "smoothness": its slope changes by at most ``size`` a period.
        "smoothness relative": by at most ``size`` times the largest change before. "drift": no yearly step after the start is
        more than ``size``, in units of the outcome.
    at : the effect looked at
        "overall", the plain mean from event time 0 on; "headline", the mean with as much weight as there are treated units; an
        event time; or weights, a number for each event time from 0 on or a mapping from event times.
    sizes : a number from 0 on, or several, of the table; without it five or six around what was seen before the start
    sign, monotone : "positive" or "negative", "increasing" or "decreasing": what else is known of delta after the reference
    cluster, correction : of the covariance, see :func:`evalkit.inference.linear.covariance`
    level : coverage
    method : str, optional
        "fixed length" (default for smoothness and drift alone), "hybrid least favourable" (default otherwise), "hybrid fixed
        length" or "conditional". Critical values are normal.
    base_income : float, optional
        Counterfactual mean of the treated in the window, yuan per person and year, to which a log effect b adds base (exp(b) - 1).
        Levels need none.
    scale : "log" or "level", the unit of the outcome; a level is in yuan already

    Raises
    ------
    EstimateError
        For paths without one reference, with gaps between event times, or whose covariance cannot be inverted (fewer clusters than
        event times, cohorts of one unit), for methods that a restriction does not allow, and for effects no log of income can have.

    Notes
    -----
    Rambachan & Roth (2023, Review of Economic Studies 90). As R's HonestDiD: moments of leads alone are left out, the first stage of a
    hybrid has a tenth of the size, a relative restriction is a union over steps and signs. Unlike it: ends are found by bisection,
    not on a grid, and are not cut off at its edge; folded normal quantiles are exact; the least favourable critical value comes
    from 20,000 draws with a seed of our own. Intervals need not be nested in the size, although what is assumed is: the test, or the
    estimator, differs from size to size (most with ``sign``, ``monotone`` or fixed length); the breakdown is where zero is reached first.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.inference.honest import honest
    >>> path = ek.aggregate(ek.GroupTime()(ek.example_design()), by="event_time")
    >>> bounds = honest(path, restriction="drift", sizes=[0.01], base_income=10_000)
    >>> bounds.table[["size", "conf_low", "conf_high"]].round(3).to_numpy().tolist()
    [[0.01, 0.039, 0.157]]
    >>> round(bounds.breakdown_yuan), round(bounds.largest_before_yuan)
    (231, 444)
    """
    judge_choices(level, scale, base_income)
    times, beta, spread, target = read_path(path, at, cluster, correction)
    leads = len(times) - len(target)
    judge(restriction, leads, sign, monotone)
    method = _method(restriction, method, restricted=sign is not None or monotone is not None)
    problem = Problem(beta, spread.matrix, target, restriction, sign, monotone, method, level)
    half = special.ndtri(0.5 + level / 2) * problem.std_error
    original = (problem.estimate - half, problem.estimate + half)
    before, error = _largest_before(problem)
    yardstick = 1.0 if problem.relative else (before or problem.std_error)
    chosen = _sizes(restriction, yardstick) if sizes is None else _judged_sizes(sizes)
    yuan = _yuan(scale, base_income, float(np.abs(beta).max()))
    table = _table(chosen, _intervals(problem, chosen), method, yuan)
    already = original[0] <= 0 <= original[1]
    broken = 0.0 if already else _breakdown(problem, yardstick)
    drift = broken * (before or 0.0) if problem.relative and np.isfinite(broken) else broken
    drift_yuan, before_yuan = (None if yuan is None or value is None else yuan(value) for value in (drift, before))
    notices = _remarks(problem, spread, table) + _verdict(restriction, broken, already, drift_yuan, before_yuan)
    return Honest(
        table=table,
        estimate=problem.estimate,
        std_error=problem.std_error,
        original=original,
        weights=pd.DataFrame({"event_time": times[leads:], "weight": target}),
        breakdown=broken,
        breakdown_drift=drift,
        breakdown_yuan=drift_yuan,
        largest_before=before,
        largest_before_error=error,
        largest_before_yuan=before_yuan,
        leads=leads,
        restriction=restriction,
        method=method,
        level=level,
        cluster=spread.cluster,
        clusters=spread.clusters,
        notices=merged(path.notices, notices),
    )


def _intervals(problem: Problem, sizes: list[float]) -> list[Interval | None]:
    """Return the interval at each size; tolerances have a meaning in units of the standard error of the effect."""
    unit, inside = problem.std_error, problem.standardised()
    ends = [inside.interval(size if problem.relative else size / unit) for size in sizes]
    return [None if pair is None else (pair[0] * unit, pair[1] * unit) for pair in ends]


def _breakdown(problem: Problem, yardstick: float) -> float:
    unit = 1.0 if problem.relative else problem.std_error
    return breakdown(problem.standardised().reaches_zero, yardstick / unit) * unit


def judge_choices(level: float, scale: str, base_income: float | None) -> None:
    """Raise EstimateError for a level, scale or base income that has no meaning."""
    if not (isinstance(level, Real) and 0.5 < float(level) < 1):
        raise EstimateError(f"The level is a probability between 0.5 and 1, such as 0.95, not {level!r}.")
    if scale not in SCALES:
        raise EstimateError(unknown("scale", scale, SCALES))
    known = isinstance(base_income, Real) and not isinstance(base_income, bool) and 0 < float(base_income) < np.inf
    if base_income is not None and not known:
        raise EstimateError(f"base_income is in yuan per person and year and positive, not {base_income!r}.")


def _method(restriction: str, method: str | None, restricted: bool) -> str:
    plain = restriction in LINEAR and not restricted
    if method is None:
        return "fixed length" if plain else "hybrid least favourable"
    if method not in METHODS:
        raise EstimateError(unknown("method", method, METHODS))
    if (method == "fixed length" and not plain) or (method == "hybrid fixed length" and restriction not in LINEAR):
        raise EstimateError(
            f"The method {method!r} needs a restriction whose worst bias is known beforehand: smoothness or drift"
            f"{', without sign or monotone' if method == 'fixed length' else ''}. Use 'hybrid least favourable' or 'conditional'."
        )
    return method


def _largest_before(problem: Problem) -> tuple[float | None, float | None]:
    """Return the largest difference before the start (of slopes for smoothness) and its standard error; None without one."""
    K, T = problem.leads, len(problem.target)
    rows = bends(K, T)[: max(K - 1, 0)] if "smoothness" in problem.restriction else steps(K, T)[:K]
    if not len(rows):
        return None, None
    row = rows[int(np.abs(rows @ problem.beta).argmax())]
    return abs(float(row @ problem.beta)), float(np.sqrt(row @ problem.sigma @ row))


def _sizes(restriction: str, yardstick: float) -> list[float]:
    multiples = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0) if restriction in LINEAR else (0.0, 0.5, 1.0, 1.5, 2.0)
    return [multiple * yardstick for multiple in multiples]


def _judged_sizes(sizes: float | Sequence[float]) -> list[float]:
    given: list[Any] = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    if not given or not all(isinstance(size, Real) and 0 <= float(size) < np.inf for size in given):
        raise EstimateError(f"sizes are numbers from 0 on, at least one; got {first_five(given) or 'none'}.")
    return [float(size) for size in given]


def _yuan(scale: str, base_income: float | None, largest: float) -> Callable[[float], float] | None:
    if scale == "level":
        return float
    if base_income is None:
        return None
    if largest > NO_LOG:
        raise EstimateError(
            f"Effects up to {largest:,.6g} are no differences of log income. Say scale='level' if the outcome is in yuan."
        )

    def at_base(effect: float) -> float:
        with np.errstate(over="ignore"):  # the ends of a wide bound may exceed any income: infinite
            return float(base_income * np.expm1(effect))

    return at_base


def _table(sizes: list[float], ends: list[Interval | None], method: str, yuan: Callable[[float], float] | None) -> pd.DataFrame:
    pairs = np.array([(np.nan, np.nan) if pair is None else pair for pair in ends])
    columns: dict[str, Any] = {"size": sizes, "conf_low": pairs[:, 0], "conf_high": pairs[:, 1]}
    if yuan:
        columns |= {f"{name}_yuan": [yuan(end) for end in columns[name]] for name in ("conf_low", "conf_high")}
    reason = ["empty" if pair is None else "open" if np.isinf(pair).any() else "" for pair in ends]
    return pd.DataFrame(columns | {"method": method, "reason": reason})


def _remarks(problem: Problem, spread: Covariance, table: pd.DataFrame) -> tuple[Notice, ...]:
    """Return what limits these bounds: few clusters, few of them treated, few leads, ends that are infinite or missing."""
    found: list[Notice] = []
    if spread.clusters < FEW_CLUSTERS:
        found.append(Notice("FEW_CLUSTERS_HONEST", {"clusters": spread.clusters}))
    if spread.treated_clusters is not None and spread.treated_clusters < FEW_TREATED:
        found.append(Notice("HONEST_FEW_TREATED", {"treated": spread.treated_clusters, "clusters": spread.clusters}))
    if problem.restriction != "drift" and problem.leads < FEW_LEADS:
        found.append(Notice("HONEST_FEW_LEADS", {"leads": problem.leads}))
    sizes = {reason: [f"{size:.3g}" for size in group["size"]] for reason, group in table.groupby("reason")}
    if "open" in sizes:
        found.append(Notice("HONEST_OPEN", {"sizes": sizes["open"]}))
    if "empty" in sizes:
        found.append(Notice("HONEST_EMPTY", {"sizes": sizes["empty"]}))
    return tuple(found)


def _verdict(restriction: str, broken: float, already: bool, drift: float | None, before: float | None) -> tuple[Notice, ...]:
    """Return the breakdown as a sentence, in yuan per person and year beside what was seen before."""
    if broken == 0:
        straight = "smoothness" in restriction and not already
        return (Notice("HONEST_TREND_REACHES_ZERO") if straight else Notice("HONEST_ALREADY_ZERO"),)
    if np.isinf(broken):
        return (Notice("HONEST_NEVER_ZERO"),)
    if drift is None:
        return ()
    told = {"yuan": drift} if before is None else {"yuan": drift, "before": before}
    if "smoothness" in restriction:
        return (Notice("HONEST_BEND_YUAN_ALONE" if before is None else "HONEST_BEND_YUAN", told),)
    return (Notice("HONEST_DRIFT_YUAN_ALONE" if before is None else "HONEST_DRIFT_YUAN", told),)
