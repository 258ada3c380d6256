"""Covariances from influence functions and the table of estimates: the only place a standard error is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Estimate, Facts, sum_within

Array = np.ndarray[Any, Any]

IID = "iid"


@dataclass(frozen=True)
class SmallSample:
    """A small-sample policy: which parameters and clusters the factor of a sandwich counts.

    Parameters
    ----------
    counted : "none", "slopes", "nested" or "full"
        Parameters K in (N-1)/(N-K): nobody (factor 1), slopes only, slopes and the effects that are not nested in a
        cluster, or all absorbed effects.
    clusters : bool
        Whether G/(G-1) applies.
    smallest : bool
        Whether two-way covariances use the smallest G in all three terms, or each term its own.
    residual_degrees : bool
        Whether t has N - K degrees of freedom instead of G - 1.

    Notes
    -----
    These are the four switches of R's fixest (K.adj and K.fixef, G.adj, G.df, t.df).
    """

    counted: str = "nested"
    clusters: bool = True
    smallest: bool = True
    residual_degrees: bool = False

    def __post_init__(self) -> None:
        if self.counted not in ("none", "slopes", "nested", "full"):
            raise EstimateError(unknown("count of parameters", self.counted, ("none", "slopes", "nested", "full")))

    def parameters(self, facts: Facts, clusters: Sequence[str]) -> int:
        """Return K. A set of L absorbed levels costs L - 1, and all sets together one for the constant."""
        if self.counted in ("none", "slopes") or not facts.absorbed:
            return facts.slopes
        free = [e for e in facts.absorbed if self.counted == "full" or not e.nested_in.intersection(clusters)]
        return facts.slopes + 1 + sum(effect.levels - 1 for effect in free)

    def degrees(self, facts: Facts, clusters: Sequence[str]) -> float:
        """Return N - K, the degrees of freedom of residuals; nobody counted for the factor still leaves them (fixest)."""
        small = replace(self, counted="nested") if self.counted == "none" else self
        return float(facts.observations - small.parameters(facts, clusters))

    def factor(self, facts: Facts, clusters: Sequence[str], groups: int) -> float:
        """Return the factor of a sandwich over G groups: (N-1)/(N-K) G/(G-1), N/(N-K) over single observations."""
        N = facts.observations
        if clusters == (OBSERVATION,):
            return 1.0 if self.counted == "none" else N / (N - self.parameters(facts, clusters))
        factor = 1.0 if self.counted == "none" else (N - 1) / (N - self.parameters(facts, clusters))
        if not self.clusters:
            return factor
        if groups < 2:
            raise EstimateError(
                "There is only one cluster, so nothing can be learned about its variation. Cluster at a finer level."
            )
        return factor * groups / (groups - 1)


OBSERVATION = "observation"
CORRECTIONS = {
    "none": SmallSample("none", clusters=False),
    "clusters": SmallSample("none"),
    "nested": SmallSample("nested"),
    "full": SmallSample("full"),
}


def policy(correction: str | SmallSample) -> tuple[str, SmallSample]:
    """Return a correction's name and its policy."""
    if isinstance(correction, SmallSample):
        named = [name for name, known in CORRECTIONS.items() if known == correction]
        return (named[0] if named else "own"), correction
    if correction not in CORRECTIONS:
        raise EstimateError(unknown("correction", correction, list(CORRECTIONS)))
    return correction, CORRECTIONS[correction]


@dataclass(frozen=True, eq=False)
class Covariance:
    """A covariance matrix and how it was made.

    Attributes
    ----------
    matrix : (k, k)
    cluster : names of the clusters, "iid", or the key of the psi rows
    clusters : how many (the smallest number for two-way clusters)
    correction, factor : the small-sample policy and the number it gave
    reference, degrees : "t" with its degrees of freedom, or "z" with infinity
    """

    matrix: Array
    cluster: str
    clusters: int
    correction: str
    factor: float
    reference: str
    degrees: float

    @property
    def std_error(self) -> Array:
        """(k,) standard errors."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.matrix), 0)))

    def quantile(self, probability: float) -> float:
        """Return the quantile of the reference distribution."""
        if self.reference == "z":
            return float(special.ndtri(probability))
        return float(special.stdtrit(self.degrees, probability))

    def p_value(self, statistic: Array) -> Array:
        """Return two-sided p-values (k,)."""
        tail = special.ndtr(-np.abs(statistic)) if self.reference == "z" else special.stdtr(self.degrees, -np.abs(statistic))
        return np.asarray(2 * tail)


def covariance(
    estimate: Estimate,
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
) -> Covariance:
    """Return the covariance of an estimate.

    Parameters
    ----------
    cluster : None, one or two cluster names, or "iid"
        None treats the rows of psi as independent (units, for most estimates). Two names give two-way clusters,
        V1 + V2 - V12 with negative eigenvalues set to zero (Cameron, Gelbach & Miller 2011; the convention of R's
        fixest). "iid" assumes equal variances.
    correction : "none", "clusters", "nested", "full" or a :class:`SmallSample`; the estimator's own without it
        none: no factor (R did); clusters: G/(G-1); nested: (N-1)/(N-K) G/(G-1), effects nested in clusters not
        counted (fixest); full: the same, every absorbed effect counted.
    reference : "t" or "z"; the estimator's own without it
        t has G - 1 degrees of freedom (the smallest G), N - K for "iid" and for single observations.

    Raises
    ------
    EstimateError
        For undeclared clusters, a single cluster, and "iid" where the estimate is no regression.
    """
    name, small = policy(estimate.facts.correction if correction is None else correction)
    reference = estimate.facts.reference if reference is None else reference
    if reference not in ("t", "z"):
        raise EstimateError(unknown("reference distribution", reference, ("t", "z")))
    if cluster == IID:
        return _iid(estimate, name, small, reference)
    clusters = (cluster,) if isinstance(cluster, str) else tuple(cluster or (str(estimate.rows.columns[0]),))
    if len(clusters) > 2:
        raise EstimateError(f"Clusters are one- or two-way; {len(clusters)} were given: {', '.join(clusters)}.")
    codes = [pd.factorize(estimate.cluster(c))[0] for c in clusters]
    groups = min(_groups(estimate, c) for c in codes)
    matrix, factor = np.zeros((len(estimate.theta),) * 2), np.nan
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            label = _intersection(chosen)
            own = int(label.max()) + 1
            factor = small.factor(estimate.facts, clusters, groups if small.smallest else _groups(estimate, label))
            matrix += (-1) ** (size + 1) * factor * _meat(estimate.psi, label, own)
    if len(codes) == 2:
        matrix = _positive(matrix)
    degrees = float(groups - 1)
    if OBSERVATION in clusters or small.residual_degrees:
        degrees = small.degrees(estimate.facts, clusters)
    degrees = np.inf if reference == "z" else degrees
    return Covariance(matrix, " x ".join(clusters), groups, name, factor, reference, degrees)


def _groups(estimate: Estimate, label: Array) -> int:
    """Return how many clusters stand behind an estimate: all for a regression, those with influence for comparisons of cohorts."""
    if estimate.facts.absorbed:
        return int(label.max()) + 1
    size = np.zeros(len(estimate.psi))
    for column in estimate.psi.T:  # one column at a time: psi can be the largest array there is
        np.maximum(size, np.abs(column), out=size)
    if not size.any():  # no noise at all: outcomes that are constants of units and periods
        return int(label.max()) + 1
    return len(np.unique(label[size > 1e-12 * size.max()]))


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
        own interval.
    level : coverage, 0.95
    draws, seed : Gaussian draws behind a uniform band; the seed must be said for one
    """

    cluster: str | tuple[str, ...] | None = None
    correction: str | SmallSample | None = None
    reference: str | None = None
    band: str = "pointwise"
    level: float = 0.95
    draws: int = 99_999
    seed: int | None = None

    def __call__(self, estimate: Estimate) -> pd.DataFrame:
        """Return the table of an estimate: one row a parameter."""
        from evalkit.inference.bootstrap import uniform_critical_value

        if not 0 < self.level < 1:
            raise EstimateError(f"The level is a probability between 0 and 1, not {self.level}.")
        if self.band not in ("pointwise", "uniform"):
            raise EstimateError(unknown("band", self.band, ("pointwise", "uniform")))
        spread = covariance(estimate, self.cluster, self.correction, self.reference)
        shown = has_own_noise(estimate)
        std_error = np.where(shown, spread.std_error, np.nan)
        band = np.full(len(std_error), "pointwise", dtype=object)
        critical = np.full(len(std_error), spread.quantile(0.5 + self.level / 2))
        if self.band == "uniform":
            if self.seed is None:
                raise EstimateError("A uniform band is drawn at random: say its seed, for example seed=7.")
            together = shown & (estimate.cells["kind"] != "average").to_numpy()
            matrix = spread.matrix[np.ix_(together, together)]
            band = np.where(together, "uniform", "pointwise")
            if together.any():
                critical[together] = uniform_critical_value(matrix, self.level, self.draws, self.seed, spread.degrees)
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
            "correction": spread.correction,
            "factor": spread.factor,
            "reference_distribution": "z" if spread.reference == "z" else f"t({spread.degrees:g})",
        }
        # All columns at once: pandas makes a frame faster than it widens one.
        return pd.DataFrame({str(name): estimate.cells[name] for name in estimate.cells} | columns)


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


def has_own_noise(estimate: Estimate) -> Array:
    """Return (k,) whether a parameter has a standard error: not the reference period, and two treated units of one cohort.

    The noise of a cohort of one unit cannot be learned from it: its influence on the treated side is zero by construction.
    """
    reference = estimate.cells["reference"].to_numpy(dtype=bool)
    units = estimate.cells["noisy_units"].to_numpy(dtype=float)
    return np.asarray(~reference & ~(units < 2))


@dataclass(frozen=True)
class JointTest:
    """A Wald test that several parameters are zero."""

    statistic: float
    parameters: int
    p_value: float
    distribution: str


def wald(
    estimate: Estimate,
    cluster: str | Sequence[str] | None = None,
    correction: str | SmallSample | None = None,
    reference: str | None = None,
    degrees: float | None = None,
) -> JointTest:
    """Test that all parameters of an estimate are zero: chi-squared with z, F with t (the convention of fixest's wald).

    Parameters that are zero by construction are left out; directions without variance do not count. With ``degrees`` d
    the covariance counts as estimated from d + 1 clusters: Hotelling's (d - k + 1) / (d k) times the statistic of k parameters is
    compared with F(k, d - k + 1), so that a few clusters do not reject what is true.
    """
    shown = has_own_noise(estimate)
    if not shown.any():
        raise EstimateError("There is no parameter to test: all are reference periods or single units.")
    spread = covariance(estimate, cluster, correction, reference)
    theta, matrix = estimate.theta[shown], spread.matrix[np.ix_(shown, shown)]
    values, vectors = np.linalg.eigh(matrix)
    usable = values > 1e-12 * values.max()
    turned = vectors[:, usable].T @ theta
    statistic, rank = float((turned**2 / values[usable]).sum()), int(usable.sum())
    if degrees is not None:
        if degrees < rank:
            raise EstimateError(f"{rank} parameters cannot be tested jointly with {degrees:g} degrees of freedom.")
        left = degrees - rank + 1
        scaled = statistic * left / (degrees * rank)
        return JointTest(scaled, rank, float(special.fdtrc(rank, left, scaled)), f"F({rank}, {left:g})")
    if spread.reference == "z":
        return JointTest(statistic, rank, float(special.chdtrc(rank, statistic)), f"chi2({rank})")
    p_value = float(special.fdtrc(rank, spread.degrees, statistic / rank))
    return JointTest(statistic / rank, rank, p_value, f"F({rank}, {spread.degrees:g})")
