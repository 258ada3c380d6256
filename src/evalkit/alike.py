"""Whether those compared are alike: covariates of treated and comparison units in the base year, before and after weighting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.balance import Balance, balance
from evalkit.errors import DesignError
from evalkit.estimators import Weighted
from evalkit.findings import Alike, CovariateBalance, Overlap, OverlapBin

Arm = Literal["treated", "comparison", "weighted"]

LARGE_BEFORE, LARGE_AFTER = 0.25, 0.10  # standardised differences from which a covariate is named, before and after weighting
PICTURED = 4  # cohorts in the figure of overlap, the largest


def alike(design: Design) -> Alike | None:
    """Return how far the covariates of a design differ, None without covariates.

    Averages are over cohorts, by treated units; the largest difference of any cohort stands beside them, since cohorts that differ
    in opposite directions cancel in an average.
    """
    if not design.covariates:
        return None
    found, weighted = _balanced(design)
    if found is None or np.isinf(found.table[["difference_before", "difference_after"]].to_numpy()).any():
        return Alike(covariates=[], cohorts=[], histogram=[], weighted=False, large_before=[], large_after=[])
    covariates = [_covariate(found, name, weighted) for name in design.covariates]
    return Alike(
        covariates=covariates,
        cohorts=[_overlap(row, weighted, found.separated) for _, row in found.cohorts.iterrows()],
        histogram=_histogram(found, weighted),
        weighted=weighted,
        large_before=[row.covariate for row in covariates if abs(row.largest_before) > LARGE_BEFORE],
        large_after=[row.covariate for row in covariates if row.largest_after is not None and abs(row.largest_after) > LARGE_AFTER],
    )


def _balanced(design: Design) -> tuple[Balance | None, bool]:
    """Return the balance and whether it holds weights; where entropy balancing is refused, groups are compared as they are."""
    for method in ("entropy", "nearest"):
        try:
            return balance(design, Weighted(method)), method == "entropy"
        except DesignError:  # said in the report: without weights, or not compared at all
            continue
    return None, False


def _covariate(found: Balance, name: str, weighted: bool) -> CovariateBalance:
    # What is the same constant on both sides has no standard deviation and no difference.
    rows = found.table[found.table["covariate"] == name].fillna({"difference_before": 0.0, "difference_after": 0.0})
    units = rows["cohort"].map(found.cohorts.set_index("cohort")["treated_units"]).to_numpy()

    def average(column: str) -> float:
        return float(np.average(rows[column], weights=units))

    before, after = (_largest(rows, f"difference_{when}") for when in ("before", "after"))
    return CovariateBalance(
        covariate=name,
        treated=average("treated_mean"),
        comparison=average("comparison_mean"),
        weighted=average("weighted_mean") if weighted else None,
        before=average("difference_before"),
        after=average("difference_after") if weighted else None,
        largest_before=float(before["difference_before"]),
        largest_cohort=int(before["cohort"]),
        largest_after=float(after["difference_after"]) if weighted else None,
    )


def _largest(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.iloc[int(rows[column].abs().to_numpy().argmax())]


def _overlap(row: pd.Series, weighted: bool, separated: Sequence[int]) -> Overlap:
    return Overlap(
        cohort=int(row["cohort"]),
        base=int(row["base"]),
        treated_units=int(row["treated_units"]),
        comparison_units=int(row["comparison_units"]),
        effective_units=float(row["effective_units"]) if weighted else None,
        outside_units=int(row["outside_units"]),
        separated=int(row["cohort"]) in separated,
    )


def _histogram(found: Balance, weighted: bool) -> list[OverlapBin]:
    """Return the bins of the largest cohorts, two joined to one: as many as a small picture of few units can carry."""
    largest = found.cohorts.sort_values("treated_units", ascending=False, kind="stable")["cohort"].head(PICTURED)
    bins = found.histogram
    arms: tuple[Arm, ...] = ("treated", "comparison", "weighted") if weighted else ("treated", "comparison")
    joined = []
    for cohort in sorted(largest):
        for arm in arms:
            part = bins[(bins["cohort"] == cohort) & (bins["arm"] == arm)]
            low, high, share = (part[name].to_numpy() for name in ("low", "high", "share"))
            pairs = zip(low[::2], high[1::2], share[::2] + share[1::2], strict=True)
            joined += [OverlapBin(cohort=int(cohort), arm=arm, low=float(a), high=float(b), share=float(s)) for a, b, s in pairs]
    return joined
