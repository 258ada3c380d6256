"""All specifications of a curve tested together: is the whole more one-sided than treatment dealt out at random makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.replays import Array, Found, Run, Variant
from evalkit.diagnostics.specification_curve import Scale, SpecificationCurve, in_per_cent
from evalkit.errors import EstimateError, EvalkitError
from evalkit.inference.assignment import MOVES, assignments, moved
from evalkit.inference.attainable import judge_draws
from evalkit.inference.linear import Inference, covariance, has_own_noise
from evalkit.parallel import Map

CHECKED = 3  # assignments at which it is judged that every specification follows them
STATISTICS = ("median", "dominant sign", "significant")


@dataclass(frozen=True, eq=False)
class JointCurveTest:
    """Whether a whole curve is more one-sided than chance makes it.

    Attributes
    ----------
    table : frame, one row a statistic ("median", "dominant sign", "significant")
        observed, p_value, and ``refused``, the reason why a statistic has no meaning here
    draws : (B, 3) the statistics under other assignments, NaN where a statistic is refused
    exact : whether the draws are all assignments there are (the observed one among them)
    incomplete : assignments under which some specification was refused; their statistics are of the others
    empty : assignments under which every specification was refused; they count as at least as extreme, so that they never make a
        p-value smaller
    """

    table: pd.DataFrame
    draws: Array = field(repr=False)
    exact: bool
    incomplete: int
    empty: int

    def __repr__(self) -> str:
        told = ", ".join(
            f"{row.statistic} {row.observed:.4g} (p {row.p_value:.3g})" if not row.refused else f"{row.statistic} refused"
            for row in self.table.itertuples()
        )
        return f"{'All' if self.exact else 'Random'} {len(self.draws):,} assignments: {told}"


@dataclass(frozen=True, eq=False)
class _Reassigned:
    """The whole curve under other first treated periods (N,): the task that goes to a map."""

    design: Design
    variants: tuple[Variant, ...]
    inference: Mapping[str, Any]

    def __call__(self, cohort: Array) -> Array:
        """Return the effect and whether it is significant (S, 2), NaN where a specification is refused."""
        run, shown = Run(moved(self.design, cohort)), Inference(**self.inference)
        return np.array([_effect(run(variant), shown) for variant in self.variants])


def _effect(found: Found, shown: Inference) -> tuple[float, float]:
    """Return the effect and whether its interval excludes zero, without the table that readers see."""
    if found.estimate is None:
        return np.nan, np.nan
    theta = float(found.estimate.theta[0])
    if not has_own_noise(found.estimate)[0]:
        return theta, 0.0
    try:
        spread = covariance(found.estimate, shown.cluster, shown.correction, shown.reference)
    except EstimateError:  # no standard error under this deal, as in the curve's rows with no_error
        return theta, 0.0
    if not spread.std_error[0] > found.rounding:
        return theta, 0.0
    return theta, float(np.abs(theta) > spread.quantile(0.5 + shown.level / 2)[0] * spread.std_error[0])


def _judge_moved(task: _Reassigned, cohorts: Sequence[Array], names: Sequence[str]) -> None:
    """Refuse specifications whose starts stay where they are when treatment is dealt out anew."""
    for variant, name in zip(task.variants, names, strict=True):
        here = variant.change(task.design)
        for cohort in cohorts:
            try:
                there = variant.change(moved(task.design, cohort))
            except EvalkitError:
                continue
            place = pd.Index(there.units).get_indexer(pd.Index(here.units))
            common = place >= 0
            dealt = cohort[pd.Index(task.design.units).get_indexer(pd.Index(here.units[common]))]
            if (dealt != here.cohort[common]).any() and (there.cohort[place[common]] == here.cohort[common]).all():
                raise EstimateError(
                    f"Specification {name} takes its starts from elsewhere (another roll-out), so dealing out treatment anew does not move "
                    "them and its p-value would mean nothing. Test a curve without it, or make a curve on that roll-out's design."
                )


def joint_test(
    curve: SpecificationCurve,
    draws: int,
    seed: int,
    *,
    cluster: str | None = None,
    strata: str | None = None,
    moves: str = MOVES[0],
    map: Map = map,
) -> JointCurveTest:
    """Return a test of all specifications together: treatment is dealt out anew, and the whole curve estimated again on each deal.

    Parameters
    ----------
    draws, seed : random assignments and their seed; all assignments instead where there are no more of them than draws + 1
    cluster, strata, moves : what moves, see :func:`evalkit.inference.assignment.assignments`
    map : how the assignments are run, see :mod:`evalkit.parallel`

    Returns
    -------
    JointCurveTest

    Raises
    ------
    EstimateError
        When no specification was estimated, and for what cannot be reassigned, such as a specification on another roll-out.

    Notes
    -----
    Simonsohn, Simmons & Nelson (2020): the median effect (in absolute value), the share of the dominant sign, and the share of the
    dominant sign and significant; p is (1 + assignments at least as extreme) / (1 + draws), or the share of all assignments. The null is
    that treatment did nothing to anybody. Whether the two groups would have grown alike is not tested: an own trend of the treated
    makes every specification one-sided. With outcomes in different units the median is taken in per cent, if all have a scale, and is
    refused otherwise. Specifications refused for the data as they are, and those that repeat another, take no part.
    """
    draws = judge_draws(draws)
    if not len(curve.replays.told):
        raise EstimateError("No specification was estimated, so there is no curve to test.")
    possible = assignments(curve.design, cluster, strata, moves)
    exact = possible.count <= draws + 1
    codes = possible.all() if exact else possible.drawn(draws, seed)
    inference = dict(curve.inference) | {"level": curve.level}
    estimated = ((curve.table["refused"] == "") & ~curve.table["repeats"]).to_numpy()
    shown = curve.table[estimated]
    task = _Reassigned(curve.design, tuple(v for v, kept in zip(curve.variants, estimated, strict=True) if kept), inference)
    cohorts = [possible.cohorts(code) for code in codes]
    told = [", ".join(str(value) for value in variant.labels.values()) for variant in task.variants]
    _judge_moved(task, cohorts[-CHECKED:], told)
    found = np.array(list(map(task, cohorts)))
    outcome = list(shown["outcome"])
    observed = np.column_stack([shown["estimate"], shown["significant"].astype(float)])
    actual = curve_statistics(observed, outcome, curve.scale)
    drawn = np.array([curve_statistics(one, outcome, curve.scale) for one in found])
    gone = np.isnan(found[:, :, 0])
    # Equal up to rounding is a tie, and a deal that tells nothing counts against the curve.
    extreme = ~(np.abs(drawn) < np.abs(actual) * (1 - 1e-9))
    p_value = extreme.mean(axis=0) if exact else (1 + extreme.sum(axis=0)) / (1 + len(drawn))
    known = ~np.isnan(actual)
    reason = "Outcomes are in different units and not all have a scale, so no median stands for all."
    table = pd.DataFrame(
        {
            "statistic": STATISTICS,
            "observed": actual,
            "p_value": np.where(known, p_value, np.nan),
            "refused": ["" if ok else reason for ok in known],
        }
    )
    return JointCurveTest(table, drawn, exact, int(gone.any(axis=1).sum()), int(gone.all(axis=1).sum()))


def curve_statistics(found: Array, outcome: Sequence[object], scale: Mapping[str, Scale]) -> tuple[float, float, float]:
    """Return median, share of the dominant sign, and share of that sign and significant.

    Parameters
    ----------
    found : (S, 2) effects and whether they are significant, NaN where refused
    outcome : S names of outcomes
    scale : as in :func:`evalkit.diagnostics.specification_curve.specification_curve`

    Examples
    --------
    >>> import numpy as np
    >>> from evalkit.diagnostics.joint_curve import curve_statistics
    >>> curve_statistics(np.array([[0.2, 1], [0.1, 0], [-0.3, 1], [0.4, 1]]), ["y"] * 4, {})
    (0.15000000000000002, 0.75, 0.5)
    """
    told = ~np.isnan(found[:, 0])
    if not told.any():
        return np.nan, np.nan, np.nan
    effect, significant = found[told, 0], found[told, 1] == 1
    names = np.array(outcome)[told]
    median = np.nan
    if len(set(outcome)) == 1:
        median = float(np.median(effect))
    elif set(outcome) <= set(scale):
        median = float(np.median([in_per_cent(value, scale[str(name)]) for value, name in zip(effect, names, strict=True)]))
    positive, negative = float((effect > 0).mean()), float((effect < 0).mean())
    same = effect > 0 if positive >= negative else effect < 0
    return median, max(positive, negative), float((same & significant).mean())
