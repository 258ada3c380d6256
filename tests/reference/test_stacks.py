"""Local projections are those of R's lpdid 0.6.1 and of fixest by hand: estimates, and errors once its counting is applied.

R fits one regression for each event time, and its errors carry fixest's (N-1)/(N-K) G/(G-1) of that regression: N its rows, K its
effects of periods and its coefficients, G the clusters among its rows. evalkit's path has one covariance for all event times, with
G/(G-1) only. R's factor is computed here, on rows laid out as R lays them out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, case, close, design, own

import evalkit as ek
from evalkit.estimators.local_projections import LocalProjections
from evalkit.inference.linear import covariance

BY_VARIANCE = LocalProjections(before=4, after=3, reweighted=False)
# Recorded result -> the estimator, the covariates of its design and the cluster.
MODELS: dict[str, tuple[LocalProjections, list[str], str]] = {
    "lpdid_variance_weighted": (BY_VARIANCE, [], "village_id"),
    "lpdid_by_hand": (BY_VARIANCE, [], "village_id"),
    "lpdid_cluster_county": (BY_VARIANCE, [], "county_id"),
    "lpdid_premean_differenced": (replace(BY_VARIANCE, base=2), [], "village_id"),
    "lpdid_no_composition": (replace(BY_VARIANCE, composition="fixed"), [], "village_id"),
    "lpdid_reweighted": (replace(BY_VARIANCE, reweighted=True), [], "village_id"),
    "lpdid_reweighted_nocomp": (replace(BY_VARIANCE, reweighted=True, composition="fixed"), [], "village_id"),
    "lpdid_rainfall": (BY_VARIANCE, ["rainfall"], "village_id"),
}


@lru_cache
def estimated(name: str) -> ek.Estimate:
    estimator, covariates, _ = MODELS[name]
    choices = {"covariates": covariates, "clusters": ["county_id"]}
    return estimator(design(own("panel.csv"), "village_id", "year", "first_treated", "log_income", **choices))


def recorded(name: str) -> pd.DataFrame:
    return pd.DataFrame(case("extra")[name]["rows"])


def rows(estimator: LocalProjections, event: int) -> pd.DataFrame:
    """Return the rows of R's regression at one event time: village, year and whether it starts then."""
    panel = own("panel.csv")
    last, lags = panel["year"].max(), 1 if estimator.base == "last" else int(estimator.base)
    table = panel[["village_id", "county_id", "year", "first_treated"]].copy()
    start = table["first_treated"].replace(0, np.inf)
    table["switch"] = start == table["year"]
    fixed = estimator.composition == "fixed"
    clean = start > table["year"] + (estimator.after if fixed else max(event, 0))
    inside = (table["year"] - lags >= panel["year"].min()) & (table["year"] + event).between(panel["year"].min(), last)
    if fixed:
        inside &= (table["year"] + estimator.after <= last) & (np.isinf(start) | (start + estimator.after <= last))
    kept = table[inside & (table["switch"] | clean)]
    if not estimator.reweighted:
        return kept
    treated = kept.groupby("year")["switch"].transform("mean")
    return kept[(treated > 0) & (treated < 1)]  # the weights of other years are missing


@pytest.mark.parametrize("name", MODELS)
def test_estimates_are_those_of_lpdid(name: str) -> None:
    theirs, path = recorded(name), estimated(name).select(kind="event_time")
    ours = dict(zip(path.cells["event_time"], path.theta, strict=True))
    close([ours[e] for e in theirs["event_time"]], theirs["estimate"], ESTIMATE)
    missing = set(ours) - set(theirs["event_time"])
    assert missing <= {-1} and all(ours[e] == 0 for e in missing)


@pytest.mark.parametrize("name", MODELS)
def test_errors_are_those_of_lpdid_once_its_rows_and_coefficients_are_counted(name: str) -> None:
    theirs, (estimator, covariates, cluster) = recorded(name), MODELS[name]
    estimate = estimated(name)
    uncorrected = covariance(estimate, cluster, correction="none").std_error
    error = dict(zip(estimate.cells["event_time"], uncorrected, strict=True))
    for event, their_error, count in theirs[["event_time", "se", "nobs"]].itertuples(index=False):
        if count == 0:  # the reference
            assert error[event] == 0
            continue
        laid_out = rows(estimator, int(event))
        N, K, G = len(laid_out), 1 + len(covariates) + laid_out["year"].nunique(), laid_out[cluster].nunique()
        assert count == N
        close(error[event] * np.sqrt((N - 1) / (N - K) * G / (G - 1)), their_error, SPREAD)


@pytest.mark.parametrize("name", MODELS)
def test_errors_with_one_correction_for_the_path_are_smaller_by_some_thousandths(name: str) -> None:
    theirs, table = recorded(name), ek.infer(estimated(name), cluster=MODELS[name][2])
    ours = dict(zip(table["event_time"], table["std_error"], strict=True))
    for event, error in theirs.loc[theirs["nobs"] > 0, ["event_time", "se"]].itertuples(index=False):
        assert 1.001 < error / ours[event] < 1.006


def test_the_event_time_before_the_start_is_the_reference_except_with_a_mean_before() -> None:
    for name in MODELS:
        references = list(estimated(name).cells.query("reference")["event_time"])
        assert references == ([] if name == "lpdid_premean_differenced" else [-1])


def test_treated_villages_are_counted_at_every_event_time() -> None:
    for name, (estimator, _, _) in MODELS.items():
        path = estimated(name).select(kind="event_time")
        for event, units, reference in path.cells[["event_time", "units", "reference"]].itertuples(index=False):
            assert reference or units == rows(estimator, int(event))["switch"].sum()


def test_every_recorded_local_projection_is_matched() -> None:
    assert set(MODELS) == {name for name in case("extra") if name.startswith("lpdid")}
