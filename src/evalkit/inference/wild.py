"""The wild cluster bootstrap: tests and intervals that survive few clusters, from sums over clusters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate
from evalkit.inference.linear import covariance, has_own_noise
from evalkit.inference.sandwich import labels_within
from evalkit.inference.signs import Signs
from evalkit.inference.wild_sums import (
    Lost,
    Pieces,
    drawn,
    influence_pieces,
    reach_of_interval,
    regression_pieces,
    shares_beyond,
)
from evalkit.least_squares import Parts, Regression
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

VARIANTS = ("C", "S", "V", "B")
P_VALUES = ("symmetric", "equal_tailed")
FEW = 5  # with fewer treated clusters, or fewer others, sizes in the table below are off


@dataclass(frozen=True, eq=False)
class Wild:
    """What a wild cluster bootstrap says about every parameter.

    Attributes
    ----------
    table : frame with a row per parameter: its labels, ``estimate``, ``std_error``, ``null``, ``t``, ``p_value``, ``p_with_ties``
        (draws as large as the statistic counted too), ``conf_low`` and ``conf_high`` (infinite where the interval is open),
        ``level``, ``cluster``, ``clusters``, ``treated_clusters`` (how many carry the parameter; missing where the estimate is no
        regression), ``variant`` (such as "WCR-C"), ``weights``, ``draws``, ``enumerated`` (whether these are all sets of weights)
    draws : (B, k) t statistics of the draws at the null
    notices : remarks for readers
    """

    table: pd.DataFrame
    draws: Array
    notices: tuple[Notice, ...]


def wild_bootstrap(
    estimate: Estimate,
    *,
    cluster: str,
    draws: int = 9_999,
    seed: int | None = None,
    weights: str = "rademacher",
    null: float = 0.0,
    restricted: bool | None = None,
    variant: str = "C",
    p_value: str = "symmetric",
    level: float = 0.95,
    terms: Sequence[int] | None = None,
) -> Wild:
    """Test every parameter by random signs of its clusters, and invert the test into an interval.

    Parameters
    ----------
    estimate : Estimate
        Coefficients of a regression (two-way effects, event studies, saturated and extended two-way regressions, sums of their
        coefficients), for which the bootstrap is the one of the literature; of any other estimate the influence of clusters is drawn.
    cluster : a declared cluster, in which the units are nested
    draws, seed : how many sets of weights, and the seed, which is not needed where all sets there are can be used
    weights : "rademacher", "webb", "mammen" or "normal": see :class:`evalkit.inference.signs.Signs`
    null : the value under test, in the unit of the outcome
    restricted : bool, optional
        Whether residuals are those under the null (WCR) or free (WCU). Without it: under the null for regressions, free otherwise.
    variant : "C", "S", "V" or "B"
        C: residuals and sandwich; S: residuals of regressions without the own cluster; V: jackknife variance (CV3); B: both.
    p_value : "symmetric" (draws beyond in absolute value) or "equal_tailed" (twice the smaller tail)
    level : of the interval: the null values around the estimate whose p-value exceeds 1 - level
    terms : positions of the parameters to test; all that have noise without it

    Returns
    -------
    Wild

    Raises
    ------
    EstimateError
        For unknown clusters or choices, a single cluster, a missing seed, parameters without noise, clusters that cut units in
        two, too few clusters for the weights, and variants that need a regression or one without each cluster.

    Notes
    -----
    Cameron, Gelbach & Miller (2008); variants: MacKinnon, Nielsen & Webb (2023, J. Applied Econometrics 38); sums over clusters and
    inversion: Roodman et al. (2019, Stata Journal 19). The p-value is the share of draws strictly beyond the statistic (so do
    R's fwildclusterboot and Stata's boottest), all signs alike among the draws when they are enumerated; ties are settled with a
    relative tolerance of 1e-9. ``p_with_ties`` is the cautious share: with six clusters the first steps by 1/32, and rejecting
    below 5% has size 2/32, by the second 1/32. Factors for small samples are in ``std_error`` and ``t`` and cancel in p-values.

    Other estimates: the score bootstrap of Kline & Santos (2012). Weights multiply the sums of psi over clusters; the variance of
    a draw is taken around its mean (without that it rejects more often: 10.7% instead of 6.5% with five of ten treated). Restricted, theta - null is divided equally
    over clusters before. It knows no leverage, so that it needs more clusters than a regression's.

    Rejections at 5% of effects that are zero, G clusters of one normal number, G1 of them treated (1,200 worlds, Webb weights; "t"
    is the sandwich with t(G - 1)):

    === === ===== ===== ===== ===== ===== =====
     G   G1   t   WCR-C WCU-C WCR-B WCU-B score
    === === ===== ===== ===== ===== ===== =====
     6   1   .358  .002  .299    -     -   .365
     6   2   .129  .061  .070  .049  .052  .122
     6   3   .075  .074  .051  .074  .051  .073
     8   2   .147  .026  .094  .015  .061  .145
     8   4   .077  .073  .054  .073  .054  .077
    10   1   .492  .000  .478    -     -   .491
    10   2   .153  .011  .102  .009  .073  .155
    10   3   .099  .065  .064  .068  .055  .092
    10   5   .062  .056  .044  .056  .044  .064
    20   1   .632  .000  .633    -     -   .634
    20   2   .278  .001  .184  .001  .101  .291
    20   3   .164  .049  .111  .044  .085  .177
    20   5   .085  .063  .072  .064  .063  .092
    20  10   .062  .054  .048  .054  .048  .058
    40   1   .750  .000  .747    -     -   .747
    40   2   .312  .000  .187  .000  .103  .338
    40   3   .217  .014  .129  .015  .094  .241
    40   4   .138  .062  .081  .067  .063  .158
    40   5   .116  .060  .076  .059  .062  .127
    40  10   .058  .043  .045  .043  .043  .058
    === === ===== ===== ===== ===== ===== =====

    With one treated cluster no form holds; with two or three the null imposed hides effects, and if the treated are noisier than the
    others it may also find too many (9% to 14% with three of ten or twenty and twice the noise). The score bootstrap is no better than
    t there. Reassigning treatment is the alternative.

    Examples
    --------
    >>> import evalkit as ek
    >>> told = wild_bootstrap(ek.TwoWay()(ek.example_design()), cluster="county_id")
    >>> told.table.loc[0, "variant"], len(told.draws), bool(told.table.loc[0, "enumerated"])
    ('WCR-C', 1024, True)
    """
    _judge(variant, p_value, level, null)
    chosen, notices = _with_noise(estimate, terms)
    sums = _sums(chosen, cluster)
    restricted = sums.regression is not None if restricted is None else restricted
    signs = Signs(weights, len(sums.labels), draws, seed)
    _refuse_coarse(signs, cluster, level)
    pieces = [sums.pieces(j, variant, restricted) for j in range(len(chosen.theta))]
    std_error = sums.std_error(pieces, variant)
    moves = (std_error > 0) & np.array([piece.shares @ piece.shares > 0 for piece in pieces])
    if not moves.all():
        raise EstimateError(
            f"Parameters at {first_five(np.flatnonzero(~moves))} of those tested do not vary between clusters: there is nothing to "
            "draw. Choose others with terms=."
        )
    made = drawn(pieces, signs)
    tests = [shares_beyond(one, theta - null, p_value) for one, theta in zip(made, chosen.theta, strict=True)]
    intervals = [reach_of_interval(one, error, p_value, 1 - level) for one, error in zip(made, std_error, strict=True)]
    carried = sums.carried()
    columns: dict[str, Any] = {
        "estimate": chosen.theta,
        "std_error": std_error,
        "null": null,
        "t": (chosen.theta - null) / std_error,
        "p_value": [strict for strict, _ in tests],
        "p_with_ties": [tied for _, tied in tests],
        "conf_low": chosen.theta - [left for _, left, _ in intervals],
        "conf_high": chosen.theta + [right for right, _, _ in intervals],
        "level": level,
        "variant": sums.name(variant, restricted),
    }
    table = pd.DataFrame({str(name): chosen.cells[name] for name in chosen.cells} | columns | sums.said(carried) | signs.said())
    at_null = np.column_stack([one.statistic(theta - null) for one, theta in zip(made, chosen.theta, strict=True)])
    scale = np.sqrt([one.squares for one in made]) / std_error
    return Wild(table, at_null * scale, (*notices, *sums.notices(carried), *_open(table, intervals)))


def _judge(variant: str, p_value: str, level: float, null: float) -> None:
    if not isinstance(null, Real) or not np.isfinite(null):
        raise EstimateError(f"null is one number in the unit of the outcome, not {null!r}.")
    if variant not in VARIANTS:
        raise EstimateError(unknown("variant", variant, VARIANTS))
    if p_value not in P_VALUES:
        raise EstimateError(unknown("kind of p-value", p_value, P_VALUES))
    if not 0 < level < 1:
        raise EstimateError(f"The level is a probability between 0 and 1, not {level}.")


def _with_noise(estimate: Estimate, terms: Sequence[int] | None) -> tuple[Estimate, tuple[Notice, ...]]:
    """Return the parameters to test, and how many were left out because they have no noise."""
    own, k = has_own_noise(estimate), len(estimate.theta)
    wanted = np.arange(k) if terms is None else np.atleast_1d(terms)
    if wanted.dtype.kind not in "iu" or not len(wanted) or wanted.min() < 0 or wanted.max() >= k:
        raise EstimateError(f"terms are positions of parameters, whole numbers from 0 to {k - 1}, and one at least.")
    without = wanted[~own[wanted]]
    if len(without) and (terms is not None or len(without) == len(wanted)):
        raise EstimateError(
            f"Parameters at {first_five(without)} have no noise that could be drawn: they are zero by construction or hang on one "
            "treated unit. Choose others with terms=, or rank the unit among comparison units (placebo)."
        )
    notices = (Notice("WILD_WITHOUT_NOISE", {"parameters": len(without)}),) if len(without) else ()
    keep = np.zeros(k, dtype=bool)
    keep[wanted] = own[wanted]
    return estimate.select(keep), notices


def _refuse_coarse(signs: Signs, cluster: str, level: float) -> None:
    """Refuse weights of which there are so few sets that no p-value lies between 0 and 1 - level."""
    if signs.clusters < 2:
        raise EstimateError("There is only one cluster, so nothing can be learned about its variation. Cluster at a finer level.")
    if signs.step > 1 - level:
        cure = 'weights="webb" have six points; ' if signs.weights != "webb" else ""
        raise EstimateError(
            f"{signs.clusters} clusters ({cluster}) have so few sets of {signs.weights} weights that p-values move in steps of "
            f"{signs.step:.4g}: none lies between 0 and {1 - level:.3g}. {cure}a test by reassigning treatment (permutation) counts "
            "what could have happened instead."
        )


@dataclass(frozen=True, eq=False)
class _Sums:
    """An estimate by cluster: the sums of its regression, or those of its influence."""

    estimate: Estimate
    cluster: str
    labels: Array
    regression: Regression | None
    parts: Parts | None

    def pieces(self, j: int, variant: str, restricted: bool) -> Pieces:
        """Return what the draws of parameter j are made of."""
        if self.regression is None or self.parts is None:
            if variant != "C":
                raise EstimateError(
                    f"Variant {variant!r} leaves clusters out of a regression, and this estimate is none. Use variant='C', or "
                    "evalkit.inference.replay.replay for the jackknife."
                )
            return influence_pieces(self.estimate.psi[:, j] / len(self.labels), restricted)
        try:
            return regression_pieces(self.parts, self.regression.fit.bread, self.regression.shown[j], variant, restricted)
        except Lost as lost:
            raise EstimateError(
                f"Variant {variant!r} leaves out every cluster once, and without {self.cluster} {first_five(self.labels[lost.clusters])} "
                "the regression cannot be estimated any more. Use variant='C', or another test (permutation)."
            ) from None

    def std_error(self, pieces: list[Pieces], variant: str) -> Array:
        """Return (k,) standard errors: the estimate's sandwich, or the jackknife's for the variants that use it."""
        if variant in ("C", "S"):
            return covariance(self.estimate, self.cluster).std_error
        G = len(self.labels)
        left_out = np.column_stack([(G - 1) * piece.shares for piece in pieces])
        rows = pd.DataFrame({self.cluster: self.labels})
        facts = replace(self.estimate.facts, regression=None, treated=None)
        return covariance(replace(self.estimate, psi=left_out, rows=rows, facts=facts), self.cluster, "clusters").std_error

    def carried(self) -> list[tuple[int, int] | None]:
        """Return (k,) how many clusters hold units that carry a parameter, and how many hold units that do not.

        A unit carries it when the columns behind it vary within the unit. None where the estimate is no regression.
        """
        if self.regression is None:
            return [None] * len(self.estimate.theta)
        columns, G = self.regression.fit.columns, len(self.labels)
        codes = self.regression.fit.labels(self.cluster)[0]
        units = np.arange(len(codes)) if columns.absorbed is None else columns.absorbed
        of_unit = codes[np.unique(units, return_index=True)[1]]
        counts: list[tuple[int, int] | None] = []
        for c in self.regression.shown:
            X = columns.X[:, c != 0]
            varies = np.bincount(units, np.einsum("nj,nj->n", X, X))
            carry = varies > 1e-9 * varies.max()
            counts.append((int((np.bincount(of_unit, carry, G) > 0).sum()), int((np.bincount(of_unit, ~carry, G) > 0).sum())))
        return counts

    def said(self, carried: list[tuple[int, int] | None]) -> dict[str, Any]:
        """Return the columns that say which clusters, how many, and how many are treated."""
        treated = pd.array([None if pair is None else pair[0] for pair in carried], dtype="Int64")
        return {"cluster": self.cluster, "clusters": len(self.labels), "treated_clusters": treated}

    def name(self, variant: str, restricted: bool) -> str:
        """Return what the bootstrap is called: WCR and WCU as in the literature, "score" where influence is drawn."""
        if self.regression is None:
            return "score, restricted" if restricted else "score"
        return f"{'WCR' if restricted else 'WCU'}-{variant}"

    def notices(self, carried: list[tuple[int, int] | None]) -> tuple[Notice, ...]:
        """Return what a reader must know: whether it is the score bootstrap, and how few clusters are treated or are not."""
        G = len(self.labels)
        if self.regression is None:
            return (Notice("WILD_SCORE", {"clusters": G}),)
        # Where everybody is treated at some time nobody is rare: those treated later are the comparison.
        rare = min(min(treated, others or G) for treated, others in (pair for pair in carried if pair is not None))
        if rare == 1:
            return (Notice("WILD_ONE_TREATED", {"clusters": G}),)
        return (Notice("WILD_FEW_TREATED", {"fewest": rare, "clusters": G}),) if rare < FEW else ()


def _sums(estimate: Estimate, cluster: str) -> _Sums:
    regression = estimate.facts.regression
    if regression is not None and np.allclose(regression.shown @ regression.fit.coefficients, estimate.theta, rtol=1e-6, atol=1e-9):
        return _regression_sums(estimate, cluster, regression)
    small = estimate.coarsen(cluster)
    size = np.abs(small.psi).max(axis=1)
    if not size.any():
        raise EstimateError("Nothing varies between clusters: the influence of each is zero, and there is nothing to draw.")
    kept = size > 1e-12 * size.max()  # the clusters that the covariance counts
    psi = small.psi[kept] * (kept.sum() / len(kept))
    small = replace(small, psi=psi, rows=small.rows[kept].reset_index(drop=True))
    return _Sums(small, cluster, small.rows[cluster].to_numpy(), None, None)


def _regression_sums(estimate: Estimate, cluster: str, regression: Regression) -> _Sums:
    fit = regression.fit
    estimate.cluster(cluster)
    codes, labels = labels_within(fit, cluster)
    effects = fit.columns.absorbed
    if effects is not None:
        first = np.unique(effects, return_index=True)[1]
        cut = codes != codes[first][effects]
        if cut.any():
            raise EstimateError(
                f"{len(np.unique(effects[cut])):,} units lie in several clusters ({cluster}): weights by cluster would break the unit "
                "effects that were absorbed. Choose a cluster in which units are nested."
            )
    return _Sums(estimate, cluster, labels, regression, fit.parts(codes, len(labels)))


def _open(table: pd.DataFrame, intervals: list[tuple[float, float, bool]]) -> tuple[Notice, ...]:
    """Return remarks on intervals that do not end, or are not all that the test accepts."""
    ends = table[["conf_low", "conf_high"]].to_numpy()
    endless, apart = int(np.isinf(ends).any(axis=1).sum()), sum(beyond for *_, beyond in intervals)
    notices = (Notice("WILD_OPEN_INTERVAL", {"parameters": endless}),) if endless else ()
    return notices + ((Notice("WILD_DISCONNECTED", {"parameters": apart}),) if apart else ())
