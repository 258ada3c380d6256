"""Balance: whether weighting made the comparison look like the treated, and whether the two overlap at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.estimators.weighted import CohortWeights, Weighted
from evalkit.kernels import balancing
from evalkit.kernels.doubly_robust import Collinear, Separation

Array = np.ndarray[Any, Any]

BINS = 20
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Balance:
    """What weighting did to each cohort's comparison, in the base year.

    Attributes
    ----------
    table : frame, one row a cohort and covariate
        treated_mean, comparison_mean and weighted_mean; difference_before and difference_after (treated less comparison, in standard
        deviations of the treated before weighting; of the comparison for a cohort that does not vary); ratio_before and ratio_after
        (variance of the treated over that of the comparison)
    cohorts : frame, one row a cohort
        base, treated_units, matched_units, comparison_units, effective_units (Kish), largest_share (of one comparison unit),
        outside_units and outside_share (treated with a covariate outside the comparison's range)
    outside : frame of these units: cohort, unit, covariate, value, lowest and highest in the comparison
    propensity : frame of a logit's fitted probabilities: cohort, arm (treated, comparison, weighted), at (the quantile), value
    histogram : frame for an overlap figure: cohort, arm, low, high, share
    separated : cohorts that the covariates tell apart perfectly, for which there is no propensity to show
    """

    table: pd.DataFrame
    cohorts: pd.DataFrame
    outside: pd.DataFrame
    propensity: pd.DataFrame
    histogram: pd.DataFrame
    separated: tuple[int, ...]

    def __repr__(self) -> str:
        lines = []
        for row in self.cohorts.itertuples():
            lines.append(
                f"Cohort {row.cohort} in {row.base}: {row.matched_units:,} of {row.treated_units:,} treated units, {row.comparison_units:,} "
                f"comparison units that count for {row.effective_units:.1f}, {row.outside_units:,} treated outside their range"
                + ("; no propensity, the groups are told apart" if row.cohort in self.separated else "")
            )
            of_cohort = self.table[self.table["cohort"] == row.cohort]
            lines += [
                f"  {c.covariate}: difference {c.difference_before:.2f} before, {c.difference_after:.2f} after"
                for c in of_cohort.itertuples()
            ]
        return "\n".join(lines)


def balance(design: Design, weighted: Weighted) -> Balance:
    """Return how far treated and comparison units differed in the base year before and after weighting, and how far they overlap.

    Parameters
    ----------
    design : Design
    weighted : Weighted
        Each cohort is set against the units not yet treated (or never treated, as the design says) when it starts.

    Raises
    ------
    DesignError
        Where the weights cannot be fitted, and where no cohort is seen in the base year beside a comparison (cohorts of which that is
        true are left out).

    Notes
    -----
    Standardised differences keep one denominator before and after, so that weighting cannot look good by widening it (Stuart 2010).
    Variances divide by the sum of weights. The propensity is a logit on the same columns, whatever the method of the weights.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.balance import balance
    >>> from evalkit.estimators.weighted import Weighted
    >>> design = ek.example_design(covariates=["labour_share"], comparison="never_treated")
    >>> found = balance(design, Weighted("entropy")).table
    >>> bool(found["difference_after"].abs().max() < 1e-9)
    True
    """
    groups = weighted.weights(design)
    scores = {group.cohort: _propensity(group) for group in groups}
    shown = [(group, p) for group in groups if (p := scores[group.cohort]) is not None]
    return Balance(
        table=pd.concat([_table(group) for group in groups], ignore_index=True),
        cohorts=pd.DataFrame([_cohort(group) for group in groups]),
        outside=pd.concat([_outside(group, design) for group in groups], ignore_index=True),
        propensity=_stacked([_quantiles(group, p) for group, p in shown], ["cohort", "arm", "at", "value"]),
        histogram=_stacked([_histogram(group, p) for group, p in shown], ["cohort", "arm", "low", "high", "share"]),
        separated=tuple(cohort for cohort, p in scores.items() if p is None),
    )


def _stacked(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _arms(group: CohortWeights) -> dict[str, Array]:
    """(n,) weights of the treated and the comparison as they are, and of both after weighting."""
    return {
        "treated": group.sampling * group.treated,
        "comparison": group.sampling * ~group.treated,
        "matched": group.fit.treated,
        "weighted": group.fit.comparison,
    }


def _table(group: CohortWeights) -> pd.DataFrame:
    mean, variance = {}, {}
    for arm, w in _arms(group).items():
        mean[arm] = w @ group.x / w.sum()
        variance[arm] = w @ (group.x - mean[arm]) ** 2 / w.sum()
    for arm, found in variance.items():  # what rounding leaves of a constant is no spread
        variance[arm] = np.where(np.sqrt(found) > 1e-12 * np.abs(mean[arm]), found, 0.0)
    spread = np.sqrt(np.where(variance["treated"] > 0, variance["treated"], variance["comparison"]))
    with np.errstate(divide="ignore", invalid="ignore"):  # a comparison that does not vary has no ratio
        frame = {
            "cohort": group.cohort,
            "covariate": list(group.names),
            "treated_mean": mean["matched"],
            "comparison_mean": mean["comparison"],
            "weighted_mean": mean["weighted"],
            "difference_before": (mean["treated"] - mean["comparison"]) / spread,
            "difference_after": (mean["matched"] - mean["weighted"]) / spread,
            "ratio_before": variance["treated"] / variance["comparison"],
            "ratio_after": variance["matched"] / variance["weighted"],
        }
    return pd.DataFrame(frame)


def _cohort(group: CohortWeights) -> dict[str, object]:
    treated, outside = int(group.treated.sum()), int(group.outside.sum())
    return {
        "cohort": group.cohort,
        "base": group.base,
        "treated_units": treated,
        "matched_units": int((group.fit.treated > 0).sum()),
        "comparison_units": int((~group.treated).sum()),
        "effective_units": group.effective_size,
        "largest_share": float(group.fit.comparison.max() / group.fit.comparison.sum()),
        "outside_units": outside,
        "outside_share": outside / treated,
    }


def _outside(group: CohortWeights, design: Design) -> pd.DataFrame:
    pool = group.x[~group.treated]
    low, high = pool.min(axis=0), pool.max(axis=0)
    row, column = np.nonzero(group.treated[:, None] & ((group.x < low) | (group.x > high)))
    frame = {
        "cohort": group.cohort,
        "unit": design.units[group.rows[row]],
        "covariate": np.array(group.names, dtype=object)[column],
        "value": group.x[row, column],
        "lowest": low[column],
        "highest": high[column],
    }
    return pd.DataFrame(frame)


def _propensity(group: CohortWeights) -> Array | None:
    """Return (n,) fitted probabilities of being treated, None where the covariates tell the groups apart."""
    try:
        score = balancing.propensity(group.treated.astype(float), group.x, group.sampling).score
    except (Separation, Collinear):
        return None
    assert score is not None
    return np.asarray(score.odds / (1 + score.odds))


def _quantiles(group: CohortWeights, p: Array) -> pd.DataFrame:
    order = np.argsort(p, kind="stable")
    parts = []
    for arm in ("treated", "comparison", "weighted"):
        w = _arms(group)[arm][order]
        inside = w > 0
        reached = np.cumsum(w[inside]) / w.sum()
        # The smallest value that reaches the share, up to the rounding of sums of weights.
        at = np.minimum(np.searchsorted(reached, np.array(QUANTILES) - 1e-10), len(reached) - 1)
        value = p[order][inside][at]
        parts.append(pd.DataFrame({"cohort": group.cohort, "arm": arm, "at": QUANTILES, "value": value}))
    return pd.concat(parts, ignore_index=True)


def _histogram(group: CohortWeights, p: Array) -> pd.DataFrame:
    edges = np.linspace(p.min(), p.max(), BINS + 1)
    parts = []
    for arm in ("treated", "comparison", "weighted"):
        w = _arms(group)[arm]
        share = np.histogram(p, edges, weights=w)[0] / w.sum()
        parts.append(pd.DataFrame({"cohort": group.cohort, "arm": arm, "low": edges[:-1], "high": edges[1:], "share": share}))
    return pd.concat(parts, ignore_index=True)
