"""Bounds on an effect when some units were lost: trimming (Lee) and the worst case (Manski)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.design import Design
from evalkit.diagnostics.attrition import ARMS, Followed, followed
from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.linear import covariance, infer
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

MONOTONE = ("either", "treatment keeps", "treatment loses")


@dataclass(frozen=True, eq=False)
class AttritionBounds:
    """Between which values an effect lies, whatever happened to those who left; or the reason why there are no bounds.

    Attributes
    ----------
    method : "lee" or "manski"
    table : frame with rows "lower" and "upper": estimate, std_error, conf_low, conf_high; empty without bounds
    reason : why there are none; "" when there are
    assumption : what the bounds assume, as a code: MONOTONE_SELECTION or BOUNDED_OUTCOME
    conf_low, conf_high : the interval that holds the effect itself with the level said, Imbens & Manski (2004), in the reference
        distribution of the standard errors (z, or t with few clusters); NaN without bounds
    without_bounds : the difference of changes among those seen in both periods
    trimmed_arm, trimmed_share : whom Lee's method trims, and how much of those seen; "" and 0 for Manski
    estimate : lower, upper with their influence; None without bounds
    notices : remarks for readers: what the bounds assume
    """

    method: str
    table: pd.DataFrame
    reason: str
    assumption: str
    conf_low: float = np.nan
    conf_high: float = np.nan
    without_bounds: float = np.nan
    trimmed_arm: str = ""
    trimmed_share: float = 0.0
    estimate: Estimate | None = field(default=None, repr=False)
    notices: tuple[Notice, ...] = ()

    def __repr__(self) -> str:
        if self.reason:
            return f"No {self.method} bounds: {self.reason}"
        low, high = self.table["estimate"]
        return f"{self.method} bounds {low:.4g} to {high:.4g} (interval of the effect {self.conf_low:.4g} to {self.conf_high:.4g})"


def lee_bounds(
    design: Design,
    *,
    base: int | None = None,
    at: int | None = None,
    monotone: str = "either",
    level: float = 0.95,
    **inference: Any,
) -> AttritionBounds:
    """Return trimming bounds on the effect on those who stay whatever happens, for the change between two periods.

    Parameters
    ----------
    base, at : as for :func:`evalkit.diagnostics.attrition.attrition`
    monotone : "either", "treatment keeps" or "treatment loses"
        The direction in which treatment is assumed to move anybody's staying; *either* takes that of the data.
    level : of the interval
    inference : choices of :func:`evalkit.infer`, such as ``cluster="county_id"``

    Returns
    -------
    AttritionBounds
        Without bounds, and with the reason, when nobody or equal shares left (then the difference needs none) or more stayed in the
        arm that treatment was said to thin out.

    Notes
    -----
    Lee (2009, Review of Economic Studies 76), proposition 1: the arm that kept more is trimmed by q = 1 - p_less / p_more from above and
    from below. Assumes that treatment moves staying in one direction only for everybody (monotonicity), and equal changes but for the
    treatment. The share trimmed is exact: the unit at the edge counts in part, where Stata's leebounds leaves out whole units.
    Standard errors are those of proposition 3 (trimmed mean, its quantile, and the shares estimated), as sums of influences so that they
    can be clustered. Weights of the panel and covariates play no part.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.attrition_bounds import lee_bounds
    >>> lee_bounds(ek.example_design())
    No lee bounds: Nobody seen in 2014 was lost by 2019: the difference of changes stands without bounds.
    """
    if monotone not in MONOTONE:
        raise EstimateError(unknown("direction", str(monotone), MONOTONE))
    who = followed(design, base, at)
    change = np.where(who.seen, who.after - who.before, 0.0)
    refusal = _no_trimming(who, monotone)
    plain = np.nan
    if who.seen[who.treated].any() and who.seen[~who.treated].any():
        plain = float(change[who.seen & who.treated].mean() - change[who.seen & ~who.treated].mean())
    if refusal:
        return AttritionBounds("lee", _empty(), refusal, "MONOTONE_SELECTION", without_bounds=plain)
    keeps = who.seen[who.treated].mean() > who.seen[~who.treated].mean()
    more, less = (who.treated, ~who.treated) if keeps else (~who.treated, who.treated)
    kappa = who.seen[less].mean() / who.seen[more].mean()
    bottom, top = (_trimmed(change, more, less, who.seen, kappa, of_top) for of_top in (False, True))
    mean, mean_psi = _mean(change, less & who.seen)
    sign = 1.0 if keeps else -1.0
    ends = [(sign * (value - mean), sign * (psi - mean_psi)) for value, psi in (bottom, top)]
    low, high = ends if keeps else ends[::-1]
    assumed = Notice("MONOTONE_SELECTION", {"share": float(1 - kappa)})
    return _bounds("lee", assumed, who, low, high, level, inference, plain, ARMS[0 if keeps else 1], 1 - kappa)


def _no_trimming(who: Followed, monotone: str) -> str:
    """Return why Lee's bounds do not apply, "" when they do."""
    treated, comparison = who.seen[who.treated].mean(), who.seen[~who.treated].mean()
    if who.seen.all():
        return f"Nobody seen in {who.base} was lost by {who.at}: the difference of changes stands without bounds."
    if not treated or not comparison:
        return f"Nobody of the {ARMS[0 if not treated else 1]} is seen in {who.at}, so there is nothing to trim to."
    if treated == comparison:
        return (
            f"Both arms kept {treated:.1%} of their units: under monotonicity the same kind left, and the difference of changes stands without "
            "bounds."
        )
    found = MONOTONE[1] if treated > comparison else MONOTONE[2]
    if monotone not in ("either", found):
        return (
            f"{treated:.1%} of the treated and {comparison:.1%} of the comparison stayed, the other way round than said "
            f"(monotone={monotone!r}): these data contradict the assumption, or differ by chance. Use manski_bounds, which assumes nothing "
            "about who leaves."
        )
    return ""


def _trimmed(change: Array, more: Array, less: Array, seen: Array, kappa: float, of_top: bool) -> tuple[float, Array]:
    """Return the mean change of the lowest (or highest) share kappa of those seen in an arm, and its influence (N,)."""
    N, own = len(change), np.flatnonzero(more & seen)
    sign = -1.0 if of_top else 1.0
    values = sign * change[own]
    order = np.argsort(values, kind="stable")
    inside = np.zeros(len(own))
    inside[order] = np.clip(kappa * len(own) - np.arange(len(own)), 0, 1)
    mu = inside @ values / inside.sum()
    edge = values[order[min(int(np.ceil(kappa * len(own) - 1e-9)), len(own)) - 1]]
    psi = np.zeros(N)
    psi[own] = (inside * (values - edge) - kappa * (mu - edge)) / kappa * N / len(own)
    # The share kept is estimated: its own influence, times the slope of the trimmed mean in it.
    share, share_psi = _mean(seen.astype(float), less)
    other, other_psi = _mean(seen.astype(float), more)
    psi += (edge - mu) / kappa * (share_psi / other - share * other_psi / other**2)
    return float(sign * mu), sign * psi


def _mean(values: Array, among: Array) -> tuple[float, Array]:
    """Return a mean among some units and its influence (N,)."""
    mean = float(values[among].mean())
    return mean, np.where(among, values - mean, 0.0) * len(values) / among.sum()


def manski_bounds(
    design: Design,
    outcome_range: tuple[float, float],
    *,
    base: int | None = None,
    at: int | None = None,
    level: float = 0.95,
    **inference: Any,
) -> AttritionBounds:
    """Return worst-case bounds on the effect on all units of the base period, for an outcome that cannot leave a range.

    Parameters
    ----------
    outcome_range : the lowest and highest value that the outcome can have, in its own unit; there is no default
    base, at, level, inference : as for :func:`lee_bounds`

    Raises
    ------
    EstimateError
        When the range is no range, and when outcomes lie outside it.

    Notes
    -----
    Manski (1990, American Economic Review 80): those lost from one arm get the lowest value, those lost from the other the highest, and the
    other way round. Nothing is assumed about who left, so the bounds are as wide as (share lost) times the range, summed over arms; equal
    changes but for the treatment is still assumed.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.attrition_bounds import manski_bounds
    >>> manski_bounds(ek.example_design(), outcome_range=(5.0, 12.0)).reason
    'Nobody seen in 2014 was lost by 2019: the difference of changes stands without bounds.'
    """
    lowest, highest = _judged_range(outcome_range)
    who = followed(design, base, at)
    known = np.r_[who.before, who.after[who.seen]]
    if (outside := (known < lowest) | (known > highest)).any():
        raise EstimateError(
            f"{int(outside.sum()):,} outcomes lie outside {lowest:g} to {highest:g} (found: {known.min():g} to {known.max():g}). Say the range "
            "that the outcome can have."
        )
    plain = np.nan
    if who.seen[who.treated].any() and who.seen[~who.treated].any():
        change = who.after - who.before
        plain = float(change[who.seen & who.treated].mean() - change[who.seen & ~who.treated].mean())
    if who.seen.all():
        return AttritionBounds("manski", _empty(), _no_trimming(who, MONOTONE[0]), "BOUNDED_OUTCOME", without_bounds=plain)
    ends = []
    for of_treated, of_comparison in ((lowest, highest), (highest, lowest)):
        after = np.where(who.seen, who.after, np.where(who.treated, of_treated, of_comparison))
        (mean, psi), (other, other_psi) = (_mean(after - who.before, arm) for arm in (who.treated, ~who.treated))
        ends.append((mean - other, psi - other_psi))
    low, high = ends
    assumed = Notice("BOUNDED_OUTCOME", {"lowest": lowest, "highest": highest})
    return _bounds("manski", assumed, who, low, high, level, inference, plain, "", 0.0)


def _judged_range(outcome_range: object) -> tuple[float, float]:
    """Return the two ends of a range as numbers."""
    ends = np.atleast_1d(np.asarray(outcome_range)).ravel()
    if len(ends) != 2 or ends.dtype.kind not in "iuf" or not np.isfinite(ends).all() or ends[0] >= ends[1]:
        raise EstimateError(
            f"outcome_range is the lowest and the highest value that the outcome can have, such as (0, 50_000), not {outcome_range!r}."
        )
    return float(ends[0]), float(ends[1])


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=["bound", "estimate", "std_error", "conf_low", "conf_high"])


def _bounds(
    method: str,
    assumption: Notice,
    who: Followed,
    low: tuple[float, Array],
    high: tuple[float, Array],
    level: float,
    inference: dict[str, Any],
    plain: float,
    arm: str,
    share: float,
) -> AttritionBounds:
    cells = cell_frame("bound", 2, name=["lower", "upper"])
    psi = np.column_stack([low[1], high[1]])
    estimate = Estimate(
        np.array([low[0], high[0]]), psi, cells, who.keys, Facts(len(who.seen), correction="clusters", reference="t"), ()
    )
    table = infer(estimate, **inference | {"level": level})
    errors = table["std_error"].to_numpy()
    spread = covariance(estimate, *(inference.get(choice) for choice in ("cluster", "correction", "reference")))
    c = imbens_manski(high[0] - low[0], float(errors.max()), level, spread.least_degrees)
    shown = table[["name", "estimate", "std_error", "conf_low", "conf_high"]].rename(columns={"name": "bound"})
    ends = low[0] - c * errors[0], high[0] + c * errors[1]
    told = replace(assumption, facts={"base": who.base, "at": who.at, **assumption.facts})
    return AttritionBounds(method, shown, "", told.code, *ends, plain, arm, float(share), estimate, (told,))


def imbens_manski(width: float, std_error: float, level: float, degrees: float = np.inf) -> float:
    """Return c so that the ends of an identified interval, moved out by c errors, hold the effect itself with this level.

    Solves Phi(c + width / std_error) - Phi(-c) = level, by bisection (Imbens & Manski 2004, Econometrica 72, equation 7); with Student's
    distribution in place of the normal where ``degrees`` are finite.

    >>> from evalkit.diagnostics.attrition_bounds import imbens_manski
    >>> round(imbens_manski(0.0, 1.0, 0.95), 4), round(imbens_manski(50.0, 1.0, 0.95), 4)
    (1.96, 1.6449)
    """
    if std_error == 0:
        return 0.0

    def below(value: float) -> float:
        return float(special.ndtr(value) if np.isinf(degrees) else special.stdtr(degrees, value))

    ratio, low, high = max(width, 0.0) / std_error, 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        inside = below(middle + ratio) - below(-middle)
        low, high = (middle, high) if inside < level else (low, middle)
    return float((low + high) / 2)
