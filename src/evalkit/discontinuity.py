"""Regression discontinuity at a line: the jump of an outcome where a score crosses a cutoff, after the score has been judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.cutoffs import Manipulated as Manipulated
from evalkit.cutoffs import (
    Pair,
    cluster_codes,
    cross_section,
    density_test,
    judge_counts,
    judge_density,
    judge_scores,
    number,
    pair,
    scores,
    weights,
)  # fmt: skip
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.linear import covariance
from evalkit.kernels import bandwidth as widths
from evalkit.kernels import local_polynomial as local
from evalkit.notices import Notice, merged
from evalkit.panel import Panel

Array = np.ndarray[Any, Any]

WEAK = 10.0  # F of the jump in take-up below which a fuzzy effect is not to be trusted


@dataclass(frozen=True, eq=False)
class Sample:
    """One row a unit: score, outcome, take-up, covariates and weights (n,), codes of the bandwidth's cluster, and keys of rows."""

    score: Array
    y: Array
    take_up: Array | None
    covariates: Array
    weight: Array | None
    codes: Array | None
    rows: pd.DataFrame
    notices: tuple[Notice, ...] = ()

    def where(self, keep: Array) -> Sample:
        """Return some of the rows."""
        return Sample(
            self.score[keep],
            self.y[keep],
            _of(self.take_up, keep),
            self.covariates[keep],
            _of(self.weight, keep),
            _of(self.codes, keep),
            self.rows[keep].reset_index(drop=True),
            self.notices,
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """An estimate with the bandwidths (left, right) that it was made with and the rows within them."""

    estimate: Estimate
    h: Pair
    b: Pair
    within: tuple[int, int]


@dataclass(frozen=True)
class Discontinuity:
    """The effect at a cutoff, by local polynomials on both sides with robust bias correction.

    Parameters
    ----------
    score : column that decides, measured before the programme; it must be constant within units, or its period said
    cutoff : the line, in the unit of the score
    outcome : column of the outcome
    treated : "below" or "above", the side that the programme is for
    other_policies : what else changes at this line. None is refused: it must have been asked. An empty list says that nothing does; with
        names the effect is that of the bundle and is told as such
    take_up : column of what units received (0 and 1, or an amount); the effect is then that of taking up (fuzzy design)
    period, score_period : period of the outcome, and of the score when it varies within units
    kernel : "triangular", "epanechnikov" or "uniform"
    order : of the polynomials, 1 or 2; that of the bias is one more
    derivative : 0 for a jump, 1 for a kink (a change of slope; needs order 2 to be centred well)
    bandwidth : name of a selector ("mserd", "msetwo", "msesum", "msecomb1", "msecomb2", or "cer..." for coverage), a number, or (left, right)
    bias_bandwidth : None for the selector's, or for the same as a bandwidth given as numbers
    donut : scores nearer to the cutoff than this are left out, and counted
    covariates : columns that must not be moved by the programme; they only sharpen the estimate
    cutoff_belongs : "above" or "below", the side of a score exactly at the cutoff
    residuals : "nn" (nearest neighbours), or "hc0" to "hc3": which residuals the influence is made of
    cluster : whose variance the selectors and the strength of the first stage use (the clusters of an interval are said to
        :func:`evalkit.infer`)
    mass_points : "adjust", "check" or "off"; regularise : see :class:`evalkit.kernels.bandwidth.Selector`
    clusters, weight : columns, for a frame; a panel has its own

    Returns
    -------
    Estimate
        Two cells of kind "discontinuity": *conventional*, and *bias_corrected*, whose influence has the estimated bias in it, so that its
        interval is the robust one: centred at the bias-corrected estimate, with the robust spread. A fuzzy design has the jump of take-up
        beside them (kind "first_stage"). psi is zero for rows beyond the bandwidths.

    Raises
    ------
    Manipulated
        When the density test has p < 0.05. No option goes on regardless: :func:`density_test` can be called on its own.
    DesignError
        When other policies were not asked for, scores are missing, constant or all on one side, when a side has fewer than 20 rows within
        the bandwidth, when outcomes there are all the same, when take-up does not jump, and for unknown choices.

    Notes
    -----
    Calonico, Cattaneo & Titiunik (2014), Calonico, Cattaneo, Farrell & Titiunik (2019), with the numbers of R's rdrobust 3.0.0. In the
    curved first design of the 2014 paper a robust 95% interval misses 9 to 10% of the time with 500 to 2,000 rows, a conventional one 12 to 15%.
    psi'psi / n**2 is its variance for every kind of residuals without clusters (those of HC1 carry their factor on each side). With clusters
    rdrobust takes the two sides as independent and each with its own G/(G-1) (n-1)/(n-k); here a cluster on both sides counts
    once, with the covariance between its sides, and the factor is that of :func:`evalkit.covariance`. Take-up that is constant on a
    side leaves the selectors of a fuzzy design without a scale: the bandwidths are then those of the outcome, which is told.
    Covariates, false cutoffs, other bandwidths and donuts: :mod:`evalkit.discontinuity_checks`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import evalkit as ek
    >>> income = 2736 + np.linspace(-900, 900, 1201)
    >>> frame = pd.DataFrame({"income_2013": income, "log_income": 8 + income / 9000 + 0.1 * (income < 2736) + 0.05 * np.sin(7 * income)})
    >>> line = Discontinuity("income_2013", 2736, "log_income", treated="below", other_policies=[])
    >>> told = ek.infer(line(frame).select(name="bias_corrected"))
    >>> bool(told["conf_low"][0] < 0.1 < told["conf_high"][0])
    True
    """

    score: str
    cutoff: float
    outcome: str
    treated: str
    other_policies: Sequence[str] | None = None
    take_up: str | None = None
    period: int | None = None
    score_period: int | None = None
    kernel: str = "triangular"
    order: int = 1
    derivative: int = 0
    bandwidth: str | float | Pair = "mserd"
    bias_bandwidth: float | Pair | None = None
    donut: float = 0.0
    covariates: Sequence[str] = ()
    cutoff_belongs: str = "above"
    residuals: str = "nn"
    cluster: str | None = None
    mass_points: str = "adjust"
    regularise: bool = True
    clusters: Sequence[str] = ()
    weight: str | None = None

    def __post_init__(self) -> None:
        choices: list[tuple[str, object, Sequence[str]]] = [
            ("side treated", self.treated, ("below", "above")),
            ("side of the cutoff", self.cutoff_belongs, ("below", "above")),
            ("kernel", self.kernel, local.KERNELS),
            ("kind of residuals", self.residuals, local.RESIDUALS),
            ("treatment of mass points", self.mass_points, ("adjust", "check", "off")),
        ]
        if isinstance(self.bandwidth, str):
            choices.append(("bandwidth", self.bandwidth, widths.SELECTORS))
        for kind, value, allowed in choices:
            if value not in allowed:
                raise DesignError(unknown(kind, str(value), allowed))
        if self.order not in (1, 2) or self.derivative not in (0, 1):
            raise DesignError(
                f"order is 1 or 2 and derivative 0 or 1, not {self.order} and {self.derivative}: higher ones are noise at a line."
            )
        if isinstance(self.covariates, str) or isinstance(self.other_policies, str):
            raise DesignError("covariates and other_policies are lists: write ['name'], not 'name'.")
        if taken := {self.outcome, self.take_up} & set(self.covariates):
            raise DesignError(f"{first_five(sorted(map(str, taken)))} cannot be explained by itself: take it out of covariates=.")
        self._judge_sizes()

    def _judge_sizes(self) -> None:
        number(self.cutoff, f"The cutoff of {self.score!r}")
        sizes = [] if isinstance(self.bandwidth, str) else list(pair(self.bandwidth))
        if self.bias_bandwidth is not None:
            if isinstance(self.bandwidth, str):
                raise DesignError("A bandwidth for the bias is said together with a bandwidth in numbers; a selector chooses both.")
            sizes += pair(self.bias_bandwidth)
        if any(not 0 < size < np.inf for size in sizes) or not 0 <= number(self.donut, "A donut") < np.inf:
            raise DesignError(f"Bandwidths are positive and a donut is not negative; got {sizes} and {self.donut}.")

    def __call__(self, data: Panel | pd.DataFrame) -> Estimate:
        """Return the effect at the cutoff, or say why there is none to tell."""
        fitted = self.fitted(self.judged(data))
        facts = {
            "left": _shown(fitted.h[0]),
            "right": _shown(fitted.h[1]),
            "rows_left": fitted.within[0],
            "rows_right": fitted.within[1],
        }
        told = Notice("DISCONTINUITY_WINDOW", {"score": self.score, "cutoff": _shown(self.cutoff)} | facts)
        return replace(fitted.estimate, notices=merged(fitted.estimate.notices, [told]))

    def sample(self, data: Panel | pd.DataFrame) -> Sample:
        """Return the rows of the period that are complete, judged but for manipulation."""
        panel, rows = cross_section(data, self.period, self.clusters, self.weight)
        score = scores(panel, rows, self.score, self.score_period)
        judge_scores(score, self.score, self.cutoff, self.cutoff_belongs, panel, rows)
        names = [self.outcome, *([] if self.take_up is None else [self.take_up]), *self.covariates]
        columns = {name: panel.numbers(name)[rows] for name in names}
        missing = {name: int(np.isnan(values).sum()) for name, values in columns.items() if np.isnan(values).any()}
        whole = ~np.isnan(np.column_stack(list(columns.values()))).any(axis=1)
        notices = [Notice("MISSING_ROWS", {"rows": int((~whole).sum()), "columns": missing})] if missing else []
        if panel.unit and (gone := len(panel.units) - len(rows)):
            period = int(panel.periods[panel.period_index[rows[0]]])
            notices.append(Notice("SCORED_UNITS_NOT_SEEN", {"units": gone, "of": len(panel.units), "period": period}))
        keys = {panel.unit or "observation": panel.units[panel.unit_index[rows]] if panel.unit else np.arange(len(rows))}
        named = (*panel.clusters, *([] if self.cluster is None else [self.cluster]))
        keys |= {name: panel.column(name).to_numpy()[rows] for name in named}
        return Sample(
            score,
            columns[self.outcome],
            None if self.take_up is None else columns[self.take_up],
            np.column_stack([np.empty((len(rows), 0)), *(columns[name] for name in self.covariates)]),
            None if panel.weight is None else weights(panel, rows),
            None if self.cluster is None else cluster_codes(panel, rows, self.cluster),
            pd.DataFrame(keys),
            tuple(notices),
        ).where(whole)

    def judged(self, data: Panel | pd.DataFrame) -> Sample:
        """Return the sample after other policies have been asked for and the density test has passed."""
        if self.other_policies is None:
            raise DesignError(
                f"Say what else happens at {self.score} = {self.cutoff:g}: other_policies=[] when you have checked that nothing does, or the "
                "names of the other programmes, rules and services that change at the same line. The jump is the effect of all of them."
            )
        ties = "off" if self.mass_points == "off" else "adjust"
        where = data, self.score, self.cutoff, self.period, self.score_period
        test = density_test(*where, cutoff_belongs=self.cutoff_belongs, mass_points=ties)
        judge_density(test, self.score, self.cutoff)
        sample = self.sample(data)
        bundle = {"policies": list(self.other_policies), "cutoff": _shown(self.cutoff)}
        told = [Notice("OTHER_POLICIES_AT_CUTOFF", bundle)] if self.other_policies else []
        return replace(sample, notices=merged(sample.notices, test.notices, told))

    @property
    def _sign(self) -> float:
        """What turns right minus left, as the kernels see it, into treated minus untreated."""
        mirrored = self.cutoff_belongs == "below"
        return (1.0 if (self.treated == "above") != mirrored else -1.0) * (-1.0 if mirrored else 1.0) ** self.derivative

    def fitted(self, sample: Sample) -> Fitted:
        """Return the estimate on a sample that has been judged."""
        n, notices = len(sample.score), list(sample.notices)
        near = np.abs(sample.score - self.cutoff) < self.donut
        if near.any():
            notices.append(Notice("DONUT", {"rows": int(near.sum()), "of": n, "width": _shown(self.donut)}))
        left, right, order = self._sides(sample, np.flatnonzero(~near))
        try:
            h, b, told = self._bandwidths(left, right)
            parts = {"discontinuity": local.jump(left, right, self._specification, h, b)}
            if self.take_up is not None:
                first = replace(self._specification, fuzzy=False)
                parts["first_stage"] = local.jump(_without(left, 0), _without(right, 0), first, h, b)
        except (local.TooFewPoints, local.Collinear, local.NoTakeUp, local.OneCluster) as reason:
            raise DesignError(self._why(reason)) from None
        self._judge_outcome(left, right, h)
        counts = parts["discontinuity"].windows
        within = counts[0][0], counts[1][0]
        judge_counts(within, h, self.cutoff, self.donut)
        treated = within[1] if (self.treated == "above") != (self.cutoff_belongs == "below") else within[0]
        estimate = _estimate(
            parts, {"discontinuity": 1.0 if self.take_up else self._sign, "first_stage": self._sign}, sample, order, n
        )
        cells = [cell_frame(kind, 2, name=["conventional", "bias_corrected"], at=self.cutoff, units=treated) for kind in parts]
        estimate = replace(estimate, cells=pd.concat(cells, ignore_index=True), notices=(*notices, *told))
        return Fitted(self._with_first_stage_told(estimate), self._turned(h), self._turned(b), self._turned(within))

    def _why(self, reason: Exception) -> str:
        """Return what a kernel's refusal means for the data."""
        if isinstance(reason, local.TooFewPoints):
            return (
                f"Around {self.cutoff:g} the score {self.score!r} takes too few distinct values on a side for a polynomial of order "
                f"{int(self.order) + 1}. Choose a wider bandwidth, or compare the two groups next to the line as they are."
            )
        if isinstance(reason, local.Collinear):
            return (
                f"The covariates {first_five(self.covariates)} are constant near the cutoff, or one follows from the others and the score. "
                "Leave it out."
            )
        if isinstance(reason, local.NoTakeUp):
            return (
                f"Take-up {self.take_up!r} does not change at {self.cutoff:g}, so that there is no effect of taking up to be told. Look at the "
                "column and the cutoff; without take_up= the effect is that of standing on the treated side."
            )
        return (
            f"Near {self.cutoff:g} a side has rows of one {self.cluster!r} only, so the bandwidth cannot be chosen by its variation. Name a "
            "finer cluster, leave cluster= out, or say the bandwidth as a number."
        )

    def _judge_outcome(self, left: local.Side, right: local.Side, h: Pair) -> None:
        near = np.concatenate([_within(s, self._specification.c, width)[:, 0] for s, width in zip((left, right), h, strict=True)])
        if len(near) and np.ptp(near) <= 1e-12 * np.abs(near).max():
            raise DesignError(
                f"{self.outcome!r} is {near[0]:g} in all {len(near):,} rows within the bandwidth: it cannot jump. Look at the column."
            )

    @property
    def _specification(self) -> local.Specification:
        c = -self.cutoff if self.cutoff_belongs == "below" else self.cutoff
        return local.Specification(
            float(c),
            int(self.order),
            int(self.order) + 1,
            int(self.derivative),
            self.kernel,
            self.residuals,
            self.take_up is not None,
        )

    def _turned(self, pair: Any) -> Any:
        """Return (left, right) as the reader sees them."""
        return (pair[1], pair[0]) if self.cutoff_belongs == "below" else tuple(pair)

    def _sides(self, sample: Sample, kept: Array) -> tuple[local.Side, local.Side, Array]:
        """Return both sides and the rows (m,) in their order; scores are mirrored when the cutoff itself belongs below."""
        how = self._specification
        x = -sample.score[kept] if self.cutoff_belongs == "below" else sample.score[kept]
        order = np.argsort(x, kind="stable")
        x, rows = x[order], kept[order]
        D = np.column_stack([sample.y, *([] if sample.take_up is None else [sample.take_up]), sample.covariates])[rows]
        whole = local.Side(x, D, _of(sample.weight, rows), _of(sample.codes, rows))
        middle = int(np.searchsorted(x, how.c, side="left"))
        judge_counts((middle, len(x) - middle), None, self.cutoff, self.donut)
        return whole.rows(slice(0, middle)), whole.rows(slice(middle, None)), rows

    def _bandwidths(self, left: local.Side, right: local.Side) -> tuple[Pair, Pair, tuple[Notice, ...]]:
        """Return bandwidths h and b as the kernels see them."""
        if not isinstance(self.bandwidth, str):
            h = self._turned(pair(self.bandwidth))
            return h, h if self.bias_bandwidth is None else self._turned(pair(self.bias_bandwidth)), ()
        how = self._specification
        told: tuple[Notice, ...] = ()
        choose = widths.Selector(left, right, how, self.regularise, self.mass_points)
        if self.take_up is not None and any(np.ptp(_within(s, how.c, choose.pilot)[:, 1]) == 0 for s in (left, right)):
            told = (Notice("TAKE_UP_CONSTANT_ON_A_SIDE", {"take_up": self.take_up}),)
            sides = (_without(left, 1), _without(right, 1))
            choose = widths.Selector(*sides, replace(how, fuzzy=False), self.regularise, self.mass_points)
        return *choose(self.bandwidth), told

    def _with_first_stage_told(self, estimate: Estimate) -> Estimate:
        """Return the estimate with a remark when take-up hardly jumps, or say that it jumps the wrong way."""
        if self.take_up is None:
            return estimate
        first = estimate.select(kind="first_stage", name="conventional")
        jump, error = float(first.theta[0]), float(covariance(first, self.cluster).std_error[0])
        if jump < -2 * error or (error == 0 and jump <= 0):
            raise DesignError(
                f"Take-up {self.take_up!r} does not rise on the side called treated ({self.treated}): it changes by {jump:.3g} at the cutoff. "
                f"Look at treated= and at the column."
            )
        if jump**2 >= WEAK * error**2:
            return estimate
        facts = {"jump": f"{jump:.3g}", "statistic": f"{(jump / error) ** 2:.1f}", "needed": f"{WEAK:g}"}
        return replace(estimate, notices=(*estimate.notices, Notice("WEAK_FIRST_STAGE", facts)))


def _within(side: local.Side, c: float, h: float) -> Array:
    """Return the data (m, columns) of a side within h."""
    return np.asarray(side.D[np.abs(side.x - c) < h])


def _without(side: local.Side, column: int) -> local.Side:
    return replace(side, D=np.delete(side.D, column, axis=1))


def _of(values: Array | None, rows: Array) -> Array | None:
    return None if values is None else values[rows]


def _estimate(parts: dict[str, local.Jump], signs: dict[str, float], sample: Sample, order: Array, n: int) -> Estimate:
    """Return jumps as one Estimate on all n rows of the sample; ``order`` (m,) says which rows the contributions are of."""
    theta, psi = [], np.zeros((n, 2 * len(parts)))
    for i, (kind, jump) in enumerate(parts.items()):
        theta += [signs[kind] * jump.conventional, signs[kind] * jump.bias_corrected]
        psi[order, 2 * i : 2 * i + 2] = n * signs[kind] * np.vstack([jump.left, jump.right])
    cells = cell_frame("discontinuity", len(theta))
    return Estimate(np.array(theta), psi, cells, sample.rows, Facts(n))


def _shown(value: float) -> str:
    return f"{value:,.6g}"
