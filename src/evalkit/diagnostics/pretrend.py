"""Pre-trends with power: what leads show, what they could have shown, and how large a deviation they rule out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.diagnostics.pretest_power import Drift, Leads, quantile, upper_tail
from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate, require_kinds, sum_within
from evalkit.inference.joint_test import JointTest, wald
from evalkit.inference.linear import Covariance, SmallSample, covariance, has_own_noise
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

ENOUGH_POWER = 0.5  # a test that misses half of the estimate more often than not is no pass
SCALES = ("log", "level")
LARGEST_LOG = 20.0  # beyond it a difference of logs is a mistake: incomes do not differ by a factor of 500 million


@dataclass(frozen=True, eq=False)
class Pretrend:
    """What the leads of a path say about equal trends, with the power of saying so.

    Attributes
    ----------
    verdict : "fails" (joint p below the level), "passes_with_power", or "no_power" (absence of power is not a pass)
    level : of the tests
    joint : the joint test that all leads are zero
    half : the linear drift that would explain half of the effect, and the power against it
    effect : the effect whose half is meant, in the outcome's unit
    slopes : frame with a row per power (0.5, 0.8): the slope that the joint test, and a single lead, detects with it, and what
        that drift is on average after the start
    table : frame with a row per lead: event_time, estimate, std_error, statistic, p_value, units, tested, and why it is not
    equivalence : frame with a row per measure (max, mean, rms): estimate and smallest_bound, the smallest deviation ruled out at the level;
        with ``bound`` its p_value, with ``base_income`` the bound in yuan
    cluster, clusters, reference : what standard errors rest on
    notices : remarks for readers
    seen : the leads and effects with their covariance, behind :meth:`against`
    """

    verdict: str
    level: float
    joint: JointTest
    half: Drift
    effect: float
    slopes: pd.DataFrame
    table: pd.DataFrame = field(repr=False)
    equivalence: pd.DataFrame
    cluster: str
    clusters: int
    reference: str
    notices: tuple[Notice, ...]
    seen: Leads = field(repr=False)

    def against(self, slope: float) -> Drift:
        """Return what the pre-tests see of a linear drift of this slope per period, and what passing them does."""
        return self.seen.drift(slope)

    @property
    def facts(self) -> dict[str, object]:
        """The numbers that a sentence about the test quotes."""
        largest = int(np.abs(self.seen.theta).argmax())
        facts: dict[str, object] = {
            "verdict": self.verdict,
            "leads": self.joint.parameters,
            "p_value": self.joint.p_value,
            "power": self.half.joint_power,
            "single_power": self.half.single_power,
            "half": abs(self.effect) / 2,
            "slope_80": float(self.slopes["joint_slope"].iloc[-1]),
            "largest": float(self.seen.theta[largest]),
            "largest_event_time": int(self.seen.event_time[largest]),
            "smallest_bound": float(self.equivalence["smallest_bound"].iloc[0]),
        }
        if "smallest_bound_yuan" in self.equivalence:
            facts["smallest_bound_yuan"] = float(self.equivalence["smallest_bound_yuan"].iloc[0])
        return facts


@dataclass(frozen=True, eq=False)
class NotTestable:
    """A path whose leads cannot be tested, and why.

    Attributes
    ----------
    verdict : "not_testable"
    reason : "no_leads" (nothing is seen before the reference period) or "no_noise" (every lead rests on too few units)
    table : the leads that there are, as in :class:`Pretrend`
    notices : remarks for readers
    """

    reason: str
    table: pd.DataFrame
    notices: tuple[Notice, ...]
    verdict: str = "not_testable"

    @property
    def facts(self) -> dict[str, object]:
        """What a sentence quotes."""
        return {"verdict": self.verdict, "reason": self.reason, "leads": 0}


def pretrend(
    path: Estimate,
    *,
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
    degrees: float | None = None,
    level: float = 0.05,
    half_of: float | None = None,
    leads: Sequence[int] | None = None,
    least_units: int = 2,
    bound: float | None = None,
    base_income: float | None = None,
    scale: str = "log",
) -> Pretrend | NotTestable:
    """Return the test of the leads of an event study together with what it was able to see.

    Parameters
    ----------
    path : Estimate
        Cells of kind ``event_time`` with one reference period: ``aggregate(GroupTime()(design), by="event_time")``.
    cluster, correction, reference : see :func:`evalkit.covariance`
    degrees : float, optional
        Clusters on the smaller side less one: the covariance counts as estimated from so few (Hotelling's test, t quantiles). Leads with
        degrees of their own (CR2, CR3) are judged one by one by these; bounds and powers rest on the fewest.
    level : of the joint test, of single leads, and of the equivalence test
    half_of : the effect whose half a drift is to explain; the plain mean of the path from event time 0 on without it
    leads : event times to test; all before the reference period without it
    least_units : treated units below which a lead is left out, and said to be
    bound : largest deviation that would not matter, in the outcome's unit: equivalence is tested against it
    base_income : yuan per person and year; bounds and drifts are also told in yuan
    scale : "log" (a difference d is base_income (exp(d) - 1) yuan) or "level" (it is d)

    Returns
    -------
    Pretrend, or NotTestable with the reason when no lead can be tested.

    Raises
    ------
    EstimateError
        When the estimate is no path with one reference period and effects after it, leads are unknown or none, their covariance has
        less than full rank (more leads than clusters), a side lies in one cluster, and when differences said to be of logs are too large to be.

    Notes
    -----
    Roth (2022, AER: Insights 4): power, Bayes factor, likelihood ratio and the mean after passing are those of R's pretrends, which has
    the normal quantile 1.96 and no joint test. A drift is slope * (event time - reference). The verdict asks the joint test for
    a power of one half against the linear drift whose average after the start is half of the effect.

    Equivalence turns the burden of proof round: the smallest bound is what largest, mean, and root mean square lead provably stay below.
    *max* and *mean* are two one-sided tests (Hartman & Hidalgo 2018, American Journal of Political Science 62), max by
    intersection-union; Dette & Schumann's (2024, Journal of Business & Economic Statistics 42) folded-normal quantile is never larger than these and
    differs where a bound is below one standard error. *rms* is sqrt(b'b/K) + z sqrt(largest eigenvalue of V / K), valid for any V
    because b'b is at least the square of b along the true direction; Dette & Schumann's self-normalised version needs refits of parts of
    the sample and is not offered.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.aggregate(ek.GroupTime()(ek.example_design()), by="event_time")
    >>> told = pretrend(path, cluster="county_id", degrees=9)
    >>> told.verdict, told.joint.parameters
    ('passes_with_power', 4)
    """
    _judge_choices(level, bound, base_income, scale, least_units, half_of)
    path, base = _path(path)
    before, asked, known = _sorted(path, base, leads, least_units)
    tested, left_out = asked & known, [int(e) for e in path.cells["event_time"][asked & ~known]]
    spread = covariance(path, cluster, correction, reference)
    quantiles = _quantiles(spread, degrees)
    table = _table(path, spread, quantiles, before, asked, known)
    if not tested.any():
        notice = Notice("PRETREND_NOT_TESTABLE", {"leads": len(left_out)})
        return NotTestable("no_noise" if left_out else "no_leads", table, (notice,))
    _judge_degrees(int(tested.sum()), degrees)
    few = float(np.broadcast_to(quantiles.degrees, len(tested))[tested].min())
    one = _leads(path, base, tested, spread, level, few)
    _judge_clusters(path.select(tested), cluster)
    joint = wald(path.select(tested), cluster, correction, reference, degrees)
    one = replace(one, left=joint.left)
    effect = float(path.theta[_after(path)].mean() if half_of is None else half_of)
    half = one.drift(effect / 2 / one.later)
    verdict = "fails" if joint.p_value < level else "passes_with_power" if half.joint_power >= ENOUGH_POWER else "no_power"
    notices: list[Notice] = []
    if left_out:
        notices.append(Notice("PRETREND_LEADS_LEFT_OUT", {"leads": left_out, "least_units": least_units}))
    if verdict == "no_power":
        notices.append(Notice("PRETREND_WEAK_TEST", {"power": half.joint_power}))
    equivalence = _equivalence(one, bound, base_income, scale)
    told = "z" if np.isinf(few) else f"t({few:g})"
    return Pretrend(
        verdict, level, joint, half, effect, _slopes(one, base_income, scale), table, equivalence, spread.cluster, spread.clusters,
        told, tuple(notices), one,
    )  # fmt: skip


def _sorted(path: Estimate, base: int, leads: Sequence[int] | None, least_units: int) -> tuple[Array, Array, Array]:
    """Return (k,) which cells are leads, which are asked for, and which rest on enough units."""
    event = path.cells["event_time"].to_numpy()
    before = event < base
    if leads is not None and (isinstance(leads, (int, str)) or not len(leads)):
        raise EstimateError(f"leads= is a list of event times such as [-3, -2], not {leads!r}; all leads are tested without it.")
    if leads is not None and (strange := sorted(set(leads) - {int(e) for e in event[before]})):
        allowed = first_five(int(e) for e in event[before])
        raise EstimateError(f"{first_five(strange)} are no event times before the reference period {base}. There are: {allowed}.")
    asked = before if leads is None else before & np.isin(event, list(leads))
    known = has_own_noise(path) & ~(path.cells["noisy_units"].to_numpy() < least_units)
    return before, asked, known


def _after(path: Estimate) -> Array:
    """Return (k,) which cells are effects with a standard error after the start."""
    after = (path.cells["event_time"].to_numpy() >= 0) & has_own_noise(path)
    if not after.any():
        raise EstimateError(
            "The path has no effect with a standard error after the start, so nothing says how large a drift would matter."
        )
    return np.asarray(after)


def _leads(path: Estimate, base: int, tested: Array, spread: Covariance, level: float, degrees: float) -> Leads:
    """Return the tested leads and the effects after the start as arrays, leads first."""
    shown = np.r_[np.flatnonzero(tested), np.flatnonzero(_after(path))]
    event = path.cells["event_time"].to_numpy()[shown]
    return Leads(path.theta[tested], spread.matrix[np.ix_(shown, shown)], event, base, level, degrees)


def in_yuan(difference: Array, base_income: float, scale: str) -> Array:
    """Return differences of the outcome in yuan per person and year at a base income.

    Raises EstimateError for differences that cannot be those of logs, which is what an outcome in yuan looks like.
    """
    largest = float(np.max(np.abs(difference), initial=0.0))
    if scale == "log" and largest > LARGEST_LOG:
        raise EstimateError(
            f"A difference of {largest:,.6g} is none of logs: it would multiply income by e to that power. When the outcome is in yuan, say "
            "scale='level'; otherwise these data can show nothing."
        )
    return np.asarray(base_income * np.expm1(difference) if scale == "log" else difference)


def _judge_choices(
    level: float, bound: float | None, base_income: float | None, scale: str, least_units: int, half_of: float | None
) -> None:
    if not 0 < level < 0.5:
        raise EstimateError(f"The level of a test lies between 0 and 0.5, for example 0.05 or 0.1, not {level}.")
    if bound is not None and not bound > 0:
        raise EstimateError(f"bound= is the largest deviation that would not matter, above zero, not {bound}.")
    if half_of is not None and not (isinstance(half_of, (int, float, np.number)) and np.isfinite(half_of)):
        raise EstimateError(f"half_of= is an effect in the outcome's unit, not {half_of!r}.")
    if base_income is not None and not 0 < base_income < np.inf:
        raise EstimateError(f"base_income= is yuan per person and year, above zero, not {base_income}.")
    if scale not in SCALES:
        raise EstimateError(unknown("scale", scale, SCALES))
    if least_units < 2:
        raise EstimateError(f"least_units= is 2 or more, not {least_units}: the noise of one unit cannot be learned.")


def _path(path: Estimate) -> tuple[Estimate, int]:
    """Return the path alone, and its reference period."""
    require_kinds(path, ("event_time",), "A pre-trend test")
    path = path.select(kind="event_time")
    event, reference = path.cells["event_time"].to_numpy(), path.cells["reference"].to_numpy(dtype=bool)
    bases = sorted(int(e) for e in event[reference])
    if not bases:
        raise EstimateError(
            "The path has no reference period: its leads are steps from one period to the next, and a drift is no slope among them. "
            "Use Design(..., base='universal')."
        )
    if len(bases) > 1:
        raise EstimateError(
            f"The path has {len(bases)} reference periods ({first_five(bases)}), so a linear drift cannot be told from none. Use "
            "aggregate(GroupTime()(design), by='event_time')."
        )
    if bases[0] >= 0:
        raise EstimateError(f"The reference period {bases[0]} is not before the start, so no lead shows a trend.")
    return path, bases[0]


def _quantiles(spread: Covariance, degrees: float | None) -> Covariance:
    """Return the covariance with the degrees of freedom of few clusters, if said."""
    if degrees is None:
        return spread
    if not 1 <= degrees < np.inf:
        raise EstimateError(
            f"degrees= is the clusters of the smaller side less one, 1 or more, not {degrees}: one cluster shows no noise."
        )
    return replace(spread, reference="t", degrees=float(degrees))


def _judge_clusters(leads: Estimate, cluster: str | Sequence[str] | None) -> None:
    """Raise EstimateError when all covered units are of one cluster: its influences add up to nought, as if it had no noise."""
    if not isinstance(cluster, str) or cluster not in leads.rows:
        return
    codes = pd.factorize(leads.rows[cluster])[0]
    groups, size = int(codes.max()) + 1, np.abs(leads.psi).sum(axis=1)
    whole = np.bincount(codes, size, groups)
    left = np.abs(sum_within(leads.psi, codes, groups)).sum(axis=1)
    if (silent := (whole > 1e-6 * whole.max()) & (left <= 1e-9 * whole)).any():
        names = leads.rows[cluster].iloc[[int(np.flatnonzero(codes == code)[0]) for code in np.flatnonzero(silent)]]
        raise EstimateError(
            f"All units of one side lie in one {cluster!r} ({first_five(names)}), whose own noise cannot be seen, so that the test would reject far "
            "too often. Cluster at a finer level, or rank this cluster among placebos (evalkit.inference.permutation.permute)."
        )


def _judge_degrees(leads: int, degrees: float | None) -> None:
    if degrees is not None and degrees < leads:
        raise EstimateError(
            f"{leads} leads cannot be tested jointly with {degrees:g} degrees of freedom: the clusters are too few. Test the leads nearest "
            f"to the start, at most {max(1, int(degrees) // 2)} of them: leads=(...)."
        )


def _table(path: Estimate, spread: Covariance, quantiles: Covariance, before: Array, asked: Array, known: Array) -> pd.DataFrame:
    std_error = spread.std_error
    statistic = np.divide(path.theta, std_error, out=np.full(len(std_error), np.nan), where=known & (std_error > 0))
    why = np.where(~asked, "not_asked", np.where(~known, "too_few_units", ""))
    columns = {
        "event_time": path.cells["event_time"].astype(int),
        "estimate": path.theta,
        "std_error": np.where(known, std_error, np.nan),
        "statistic": statistic,
        "p_value": quantiles.p_value(statistic),
        "units": path.cells["units"],
        "tested": asked & known,
        "why_not": why,
    }
    return pd.DataFrame(columns)[before].reset_index(drop=True)


def _slopes(one: Leads, base_income: float | None, scale: str) -> pd.DataFrame:
    """Return the slopes that the tests detect with a power of a half and of 80%."""
    rows = []
    for power in (0.5, 0.8):
        row = {"power": power}
        for test in ("joint", "single"):
            slope = one.slope_seen(power, test)
            row |= {f"{test}_slope": slope, f"{test}_after": slope * one.later}
            if base_income is not None:
                row[f"{test}_after_yuan"] = float(in_yuan(np.array(slope * one.later), base_income, scale))
        rows.append(row)
    return pd.DataFrame(rows)


def _equivalence(one: Leads, bound: float | None, base_income: float | None, scale: str) -> pd.DataFrame:
    """Return the smallest bounds that largest, mean and root mean square lead provably stay below, and p-values of a bound."""
    theta, sigma, K = one.theta, one.sigma, len(one.theta)
    size = np.abs(theta), np.abs(theta.mean())[None], np.sqrt((theta**2).mean())[None]
    error = np.sqrt(np.diag(sigma)), np.sqrt(sigma.sum())[None] / K, np.sqrt(np.linalg.eigvalsh(sigma)[-1:] / K)
    q = quantile(one.degrees, 1 - one.level)
    frame = pd.DataFrame(
        {
            "measure": ["max", "mean", "rms"],
            "estimate": [float(s.max()) for s in size],
            "smallest_bound": [float((s + q * e).max()) for s, e in zip(size, error, strict=True)],
        }
    )
    if bound is not None:
        p_value = [upper_tail(one.degrees, float(((bound - s) / e).min())) for s, e in zip(size, error, strict=True)]
        frame = frame.assign(bound=bound, p_value=p_value)
    if base_income is not None:
        frame = frame.assign(smallest_bound_yuan=in_yuan(frame["smallest_bound"].to_numpy(), base_income, scale))
    return frame
