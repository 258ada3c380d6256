"""Covariances from influence functions and the table of estimates: the only place a standard error is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from numbers import Integral
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy import special

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate, require_kinds, sum_within
from evalkit.inference.sandwich import Adjusted, adjusted, labels_within
from evalkit.inference.small_sample import CORRECTIONS, LEVERAGE, OBSERVATION, SmallSample, policy
from evalkit.notices import Notice

__all__ = ["CORRECTIONS", "Covariance", "Inference", "SmallSample", "covariance", "has_own_noise", "infer"]

Array = np.ndarray[Any, Any]

IID = "iid"
REFERENCES = ("t", "z", "satterthwaite")
FEW_DRAWS = 99
FEW_CLUSTERS = 10  # a simultaneous band from fewer is far too narrow


@runtime_checkable
class Dependence(Protocol):
    """What rows depend on besides clusters: space, neighbouring periods (see evalkit.inference.dependence)."""

    def covariance(self, estimate: Estimate, correction: str | SmallSample | None, reference: str | None) -> Covariance:
        """Return the covariance of an estimate."""

    def notices(self, estimate: Estimate) -> tuple[Notice, ...]:
        """Return what a reader should know of it: too few periods, a cutoff that reaches everywhere."""


Clusters = str | Sequence[str] | Dependence | None


@dataclass(frozen=True, eq=False)
class Covariance:
    """A covariance matrix and how it was made.

    Attributes
    ----------
    matrix : (k, k)
    cluster : names of the clusters, "iid", or the key of the psi rows
    clusters : how many (the smallest number for two-way clusters)
    correction, factor : the small-sample policy and the number it gave; not a number where residuals are adjusted one by one (CR2, CR3)
    reference, degrees : "t" with its degrees of freedom, one or (k,) of them, or "z" with infinity
    treated_clusters : clusters that hold treated rows with influence; None where that is not known
    remark : "" or what was done to the matrix that a reader should know
    """

    matrix: Array
    cluster: str
    clusters: int
    correction: str
    factor: float
    reference: str
    degrees: float | Array
    treated_clusters: int | None = None
    remark: str = ""

    @property
    def std_error(self) -> Array:
        """(k,) standard errors."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.matrix), 0)))

    def quantile(self, probability: float) -> Array:
        """Return (k,) quantiles of the reference distribution."""
        of_one = special.ndtri(probability) if self.reference == "z" else special.stdtrit(self.degrees, probability)
        return np.broadcast_to(of_one, len(self.matrix))

    @property
    def named_reference(self) -> list[str]:
        """(k,) "z", t with its degrees of freedom, or "none" where zeros by construction have none."""
        degrees = np.broadcast_to(self.degrees, len(self.matrix))
        return ["z" if self.reference == "z" else "none" if np.isnan(one) else f"t({one:g})" for one in degrees]

    @property
    def least_degrees(self) -> float:
        """The smallest degrees of freedom of any parameter that has some."""
        return self.least_among(np.ones(len(self.matrix), dtype=bool))

    def least_among(self, shown: Array) -> float:
        """Return the smallest degrees of freedom among the parameters shown (k,); zeros by construction have none."""
        degrees = np.broadcast_to(self.degrees, len(self.matrix))[shown]
        known = degrees[~np.isnan(degrees)]
        return float(known.min()) if len(known) else np.nan

    def p_value(self, statistic: Array) -> Array:
        """Return two-sided p-values (k,)."""
        tail = special.ndtr(-np.abs(statistic)) if self.reference == "z" else special.stdtr(self.degrees, -np.abs(statistic))
        return np.asarray(2 * tail)


def covariance(
    estimate: Estimate,
    cluster: Clusters = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
) -> Covariance:
    """Return the covariance of an estimate.

    Parameters
    ----------
    cluster : None, one or two cluster names, "iid", or an object of :mod:`evalkit.inference.dependence`
        None treats the rows of psi as independent (units, for most estimates). Two names give two-way clusters,
        V1 + V2 - V12 with negative eigenvalues set to zero (Cameron, Gelbach & Miller 2011; the convention of R's
        fixest). "iid" assumes equal variances. Objects such as ``Conley(50, coordinates)`` and ``DriscollKraay()`` let neighbours in
        space or time depend on each other.
    correction : "none", "clusters", "nested", "full", "CR2", "CR3" or a :class:`SmallSample`; the estimator's own without it
        none or CR0: no factor (R did); clusters or CR1: G/(G-1); nested: (N-1)/(N-K) G/(G-1), effects nested in clusters not
        counted (fixest); full or CR1S: the same, every absorbed effect counted (Stata's regress with dummies). CR2 and CR3 adjust the
        residuals of each cluster for its leverage and have Satterthwaite's degrees of freedom, one for each parameter
        (:func:`evalkit.inference.sandwich.adjusted`); they need the regression behind the estimate and one-way clusters.
    reference : "t", "z" or "satterthwaite"; the estimator's own without it, satterthwaite for CR2 and CR3
        t has G - 1 degrees of freedom (the smallest G), N - K for "iid" and for single observations. satterthwaite is t with the degrees of
        freedom of Bell & McCaffrey (2002), one for each coefficient of a regression.

    Raises
    ------
    EstimateError
        For undeclared clusters, a single cluster, clusters nested in one another, and "iid", CR2 and CR3 where the estimate is no
        regression.
    """
    require_kinds(estimate, (), "Inference")
    if isinstance(cluster, Dependence) and not isinstance(cluster, type):
        return cluster.covariance(estimate, correction, reference)
    if correction in LEVERAGE:
        return with_leverage(estimate, cluster, str(correction), reference)[0]
    if reference == "satterthwaite":
        plain = covariance(estimate, cluster, correction, "t")
        return replace(plain, degrees=with_leverage(estimate, cluster, "CR0", None)[0].degrees)
    name, small = policy(estimate.facts.correction if correction is None else correction)
    reference = _judged_reference(estimate.facts.reference if reference is None else reference)
    if isinstance(cluster, str) and cluster == IID:
        return _iid(estimate, name, small, reference)
    clusters = _named_clusters(estimate, cluster)
    codes = [pd.factorize(estimate.cluster(c))[0] for c in clusters]
    if len(codes) == 2:
        _refuse_nested(codes, clusters)
    behind = min((_behind(estimate, c) for c in codes), key=lambda counts: counts[0])
    groups = behind[0]
    matrix, factor = np.zeros((len(estimate.theta),) * 2), np.nan
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            label = _intersection(chosen)
            own = int(label.max()) + 1
            factor = small.factor(estimate.facts, clusters, groups if small.smallest else _behind(estimate, label)[0])
            matrix += (-1) ** (size + 1) * factor * _meat(estimate.psi, label, own)
    if len(codes) == 2:
        matrix = _positive(matrix)
    degrees = float(groups - 1)
    if OBSERVATION in clusters or small.residual_degrees:
        degrees = small.degrees(estimate.facts, clusters)
    degrees = np.inf if reference == "z" else degrees
    return Covariance(matrix, " x ".join(clusters), groups, name, factor, reference, degrees, behind[1])


def _judged_reference(reference: str) -> str:
    if reference not in REFERENCES:
        raise EstimateError(unknown("reference distribution", reference, REFERENCES))
    return reference


def _named_clusters(estimate: Estimate, cluster: Clusters) -> tuple[str, ...]:
    if cluster is None:
        return (str(estimate.rows.columns[0]),)
    clusters: tuple[Any, ...] = (cluster,) if isinstance(cluster, str) or not isinstance(cluster, Iterable) else tuple(cluster)
    if not clusters or not all(isinstance(name, str) for name in clusters):
        raise EstimateError(
            f"cluster is the name of a cluster, a pair of names, or an object such as DriscollKraay(), not {cluster!r}. Without it the rows "
            "of psi are independent."
        )
    if len(clusters) > 2:
        raise EstimateError(f"Clusters are one- or two-way; {len(clusters)} were given: {', '.join(clusters)}.")
    return clusters


def _refuse_nested(codes: Sequence[Array], clusters: Sequence[str]) -> None:
    """Refuse two clusters of which one lies in the other: two-way clusters are then the coarser one alone."""
    both = int(_intersection(codes).max()) + 1
    for inner, outer in ((0, 1), (1, 0)):
        if both == int(codes[inner].max()) + 1:
            raise EstimateError(
                f"{clusters[inner]!r} lies within {clusters[outer]!r}, so that the two cross nowhere: clustering by both is clustering by "
                f"{clusters[outer]!r}. Say cluster={clusters[outer]!r}."
            )


def with_leverage(estimate: Estimate, cluster: Clusters, kind: str, reference: str | None) -> tuple[Covariance, Adjusted]:
    """Return the covariance with residuals adjusted for leverage, t with Satterthwaite's degrees of freedom, and what it is made of."""
    regression = estimate.facts.regression
    asked, else_ = (
        ("reference='satterthwaite'", "reference='t'") if kind == "CR0" else (f"correction={kind!r}", "correction='nested'")
    )
    if regression is None:
        raise EstimateError(
            f"{asked} has a meaning for one regression, and this estimate is none (nor are two that were joined: ask each before). With few "
            "clusters, call the estimator again without each cluster: evalkit.inference.replay.replay(estimator, design, cluster) gives the jackknife (CRV3); "
            "evalkit.inference.permutation.permute asks what other assignments would have shown."
        )
    names = _named_clusters(estimate, cluster)
    if names == (IID,) or len(names) == 2:
        cure = f"Choose one of them, or {else_} for both." if len(names) == 2 else f"Name a cluster, or say {else_}."
        raise EstimateError(f"{asked} needs one-way clusters, not {' x '.join(names)}. {cure}")
    estimate.cluster(names[0])
    fit = regression.fit
    codes, labels = labels_within(fit, names[0])
    if (absorbed := fit.columns.absorbed) is not None:
        first = np.unique(absorbed, return_index=True)[1]
        if (cut := codes != codes[first][absorbed]).any():
            raise EstimateError(
                f"{len(np.unique(absorbed[cut])):,} units lie in several clusters of {names[0]!r}, and {asked} needs the absorbed unit "
                f"effects within clusters. Choose clusters in which units are nested, or {else_}."
            )
    if len(labels) < 2:
        raise EstimateError("There is only one cluster, so nothing can be learned about its variation. Cluster at a finer level.")
    found = adjusted(fit.parts(codes, len(labels)), fit.bread, regression.shown, kind)
    if found.lost.any():
        alone = [str(label) for label in labels[found.lost.any(axis=1)]]
        raise EstimateError(
            f"{int(found.lost.any(axis=0).sum())} of {found.lost.shape[1]} parameters are decided by one cluster of {names[0]!r} alone "
            f"({first_five(alone)}), whose residuals there are zero: nothing can be learned of their noise from it. Choose other parameters "
            "(estimate.select), cluster at a finer level, or rank the estimate among other assignments "
            "(evalkit.inference.permutation.permute)."
        )
    reference = _judged_reference(reference or "satterthwaite")
    degrees = {"t": float(len(labels) - 1), "z": np.inf}.get(reference, found.degrees())
    matrix = found.influence.T @ found.influence
    reference = "z" if reference == "z" else "t"
    treated = _behind(estimate, pd.factorize(estimate.cluster(names[0]))[0])[1]
    return Covariance(matrix, names[0], len(labels), kind, np.nan, reference, degrees, treated), found


def _behind(estimate: Estimate, label: Array) -> tuple[int, int | None]:
    """Return how many clusters stand behind an estimate, and how many of them hold treated rows (None where that is not known).

    All clusters count for a regression, those with influence for comparisons of cohorts.
    """
    every, treated = int(label.max()) + 1, estimate.facts.treated
    size = np.einsum("nk,nk->n", estimate.psi, estimate.psi)  # no copy: psi can be the largest array there is
    with_influence = size > 1e-24 * size.max(initial=0.0)
    if not with_influence.any():  # no noise at all: outcomes that are constants of units and periods
        with_influence[:] = True
    marked = None if treated is None else int((np.bincount(label, with_influence & treated, every) > 0).sum())
    if estimate.facts.absorbed:
        return every, marked
    return int((np.bincount(label, with_influence, every) > 0).sum()), marked


def _intersection(codes: Sequence[Array]) -> Array:
    if len(codes) == 1:
        return codes[0]
    both = codes[0].astype(np.int64) * (int(codes[1].max()) + 1) + codes[1]
    return np.asarray(pd.factorize(both)[0])


def _meat(psi: Array, label: Array, groups: int) -> Array:
    """Return the cross-products of psi summed within groups, over n**2."""
    sums = psi if groups == len(psi) else sum_within(psi, label, groups)
    return np.asarray(sums.T @ sums / len(psi) ** 2)


def _positive(matrix: Array) -> Array:
    """Set negative eigenvalues to zero, as fixest does for multi-way covariances."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min() >= 0:
        return matrix
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _iid(estimate: Estimate, name: str, small: SmallSample, reference: str) -> Covariance:
    """Return the equal-variance covariance: residual sum of squares over N - K (over N - 1 when nothing is counted)."""
    facts = estimate.facts
    if facts.bread is None or facts.residual_sum is None:
        raise EstimateError("Equal variances ('iid') have a meaning for one regression only. Choose a cluster instead.")
    degrees = small.degrees(facts, ())
    divisor = facts.observations - 1 if small.counted == "none" else degrees
    matrix = facts.bread * (facts.residual_sum / divisor)
    degrees = np.inf if reference == "z" else degrees
    return Covariance(matrix, IID, facts.observations, name, 1.0, reference, degrees)


@dataclass(frozen=True)
class Inference:
    """How uncertainty is shown: clusters, small-sample correction, reference distribution and band.

    Parameters
    ----------
    cluster, correction, reference : see :func:`covariance`
    band : "pointwise" or "uniform"
        Uniform: all parameters shown lie inside at once with probability ``level``; an average beside them keeps its
        own interval. It needs ten clusters, and many more to hold: with z, a nominal 95% band of a path missed it in 12, 8 and 7 of 100
        simulated panels of 20, 40 and 100 counties, half of them treated, and in 29 with 5 of 40 treated.
    level : coverage, 0.95
    draws, seed : Gaussian draws behind a uniform band; the seed must be said for one
    """

    cluster: str | tuple[str, ...] | Dependence | None = None
    correction: str | SmallSample | None = None
    reference: str | None = None
    band: str = "pointwise"
    level: float = 0.95
    draws: int = 99_999
    seed: int | None = None

    def __call__(self, estimate: Estimate) -> pd.DataFrame:
        """Return the table of an estimate: one row a parameter; what readers should know is in its ``attrs["notices"]``."""
        from evalkit.inference.bootstrap import uniform_critical_value

        if not 0 < self.level < 1:
            raise EstimateError(f"The level is a probability between 0 and 1, not {self.level}.")
        if self.band not in ("pointwise", "uniform"):
            raise EstimateError(unknown("band", self.band, ("pointwise", "uniform")))
        spread = covariance(estimate, self.cluster, self.correction, self.reference)
        shown = has_own_noise(estimate)
        std_error = np.where(shown, spread.std_error, np.nan)
        band = np.full(len(std_error), "pointwise", dtype=object)
        critical = spread.quantile(0.5 + self.level / 2).copy()
        if self.band == "uniform":
            _refuse_few(spread)
            if self.seed is None:
                raise EstimateError("A uniform band is drawn at random: say its seed, for example seed=7.")
            if not isinstance(self.draws, Integral) or self.draws < FEW_DRAWS:
                raise EstimateError(
                    f"draws is a whole number from {FEW_DRAWS} on, such as 99999, not {self.draws!r}: fewer tell no quantile."
                )
            together = shown & (estimate.cells["kind"] != "average").to_numpy()
            matrix = spread.matrix[np.ix_(together, together)]
            band = np.where(together, "uniform", "pointwise")
            if together.any():
                critical[together] = uniform_critical_value(matrix, self.level, self.draws, self.seed, spread.least_among(together))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = estimate.theta / std_error
        columns: dict[str, Any] = {
            "estimate": estimate.theta,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": spread.p_value(statistic),
            "conf_low": estimate.theta - critical * std_error,
            "conf_high": estimate.theta + critical * std_error,
            "critical": critical,
            "level": self.level,
            "band": band,
            "cluster": spread.cluster,
            "clusters": spread.clusters,
            "treated_clusters": spread.treated_clusters,
            "correction": spread.correction,
            "factor": spread.factor,
            "reference_distribution": spread.named_reference,
        }
        # All columns at once: pandas makes a frame faster than it widens one.
        table = pd.DataFrame({str(name): estimate.cells[name] for name in estimate.cells} | columns)
        told = self.cluster.notices(estimate) if isinstance(self.cluster, Dependence) else ()
        table.attrs["notices"] = (*estimate.notices, *told)
        return table


def infer(estimate: Estimate, **choices: Any) -> pd.DataFrame:
    """Return estimates with standard errors, p-values and intervals; the choices are those of :class:`Inference`.

    The columns say what each number rests on: cluster, clusters, correction, factor and reference distribution. The
    reference period of an event study, and cells with one treated unit, have no standard error of their own.
    """
    allowed = list(Inference.__dataclass_fields__)
    for name in choices:
        if name not in allowed:
            raise EstimateError(unknown("choice", name, allowed))
    if isinstance(choices.get("cluster"), list):
        choices["cluster"] = tuple(choices["cluster"])
    return Inference(**choices)(estimate)


def _refuse_few(spread: Covariance) -> None:
    """Refuse a simultaneous band whose covariance rests on so few clusters that it would be far too narrow."""
    if spread.clusters < FEW_CLUSTERS:
        raise EstimateError(
            f"A uniform band from {spread.clusters} clusters ({spread.cluster}) would be far too narrow: it needs {FEW_CLUSTERS}. With so few, "
            "look at single effects: correction='CR2' for a regression, evalkit.inference.wild.wild_bootstrap, "
            "evalkit.inference.permutation.permute to rank them among other assignments; or use clusters at a finer level if treatment "
            "was assigned there."
        )


def has_own_noise(estimate: Estimate) -> Array:
    """Return (k,) whether a parameter has a standard error: not the reference period, and two treated units of one cohort.

    The noise of a cohort of one unit cannot be learned from it: its influence on the treated side is zero by construction.
    """
    reference = estimate.cells["reference"].to_numpy(dtype=bool)
    units = estimate.cells["noisy_units"].to_numpy(dtype=float)
    return np.asarray(~reference & ~(units < 2))
