"""Saturated regressions are those of R: fixest 0.14.2 (sunab) and etwfe 0.6.0 with marginaleffects 0.32.0.

Conventions. The covariance of etwfe's averages is recorded with numerical derivatives (marginaleffects), which are right to some 3e-6; the
coefficients recorded beside them agree to 1e-8. fixest's `agg = "period"` is by relative period, which is evalkit's event time. With weights
etwfe fits with them, and then averages effects over treated rows without them: see the test of weights.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, case, close, design, needs, own, third_party

import evalkit as ek
from evalkit.estimators import extended_two_way
from evalkit.estimators.extended_two_way import ExtendedTwoWay
from evalkit.estimators.interaction_weighted import InteractionWeighted
from evalkit.inference.linear import covariance

# fixest's Poisson of jobs stopped when the deviance changed by less than 1e-8: means of 150,000 jobs are right to 3e-6, effects of 100 to 3e-8.
NEARLY_CONVERGED = 1e-7
BY_NUMERICAL_DERIVATIVE = 1e-5  # marginaleffects differentiates numerically; exact to 3e-6 in the worst case
CLUSTERS = {"iid": "iid", "cluster_village": "village_id", "cluster_county": "county_id"}
# How R calls an average -> how evalkit does, and the label of its parameters.
SUNAB = {"event": "event_time", "att": "overall", "cohort": "cohort", "period": "event_time"}
EMFX = {"simple": "overall", "event": "event_time", "group": "cohort", "calendar": "period"}


def position(estimate: ek.Estimate, by: str, label: float | None) -> int:
    """Return where an average stands among the parameters."""
    if label is None or np.isnan(label):
        return 0
    return int(np.flatnonzero(estimate.cells[by].to_numpy() == label)[0])


SUNABS: dict[str, dict[str, Any]] = {
    "sunab": {},
    "sunab_rainfall_weights": {"covariates": ["rainfall"], "weight": "households"},
    "sunab_unbalanced": {"unbalanced": "pairwise"},
    "sunab_no_never": {},
}


@lru_cache
def path(name: str, rows: str = "observation") -> ek.Estimate:
    frame = own(case("fixest")[name]["data"])
    choices = SUNABS[name] | {"clusters": ["county_id"], "rows": rows}
    return InteractionWeighted()(design(frame, "village_id", "year", "first_treated", "log_income", **choices))


@pytest.mark.parametrize("vcov", CLUSTERS)
@pytest.mark.parametrize("name", SUNABS)
def test_averages_of_the_saturated_path_are_those_of_fixest(name: str, vcov: str) -> None:
    theirs = pd.DataFrame(case("fixest")[name]["rows"])
    theirs = theirs[theirs["vcov"] == vcov]
    assert set(theirs["agg"]) == set(SUNAB)
    covariates = path(name).select(path(name).cells["kind"].to_numpy() == "covariate") if "rainfall" in name else None
    for row in theirs.itertuples():
        if row.term == "rainfall":
            assert covariates is not None
            averages, at = covariates, 0
        else:
            averages = ek.aggregate(path(name), SUNAB[row.agg])
            at = position(averages, SUNAB[row.agg], float(row.term.split("::")[1]) if "::" in row.term else None)
        spread = covariance(averages, CLUSTERS[vcov])
        close(averages.theta[at], row.estimate, ESTIMATE)
        close(spread.std_error[at], row.se, SPREAD)
        close(spread.p_value(averages.theta[at] / spread.std_error[at]), row.p, 1e-6, floor=0)


@pytest.mark.parametrize("name", SUNABS)
def test_every_cell_of_the_saturated_path_is_that_of_fixest(name: str) -> None:
    theirs = case("fixest")[name]["disaggregated_cluster_village_rows"]
    effects = path(name).select(path(name).cells["kind"].isin(["group_time", "covariate"]).to_numpy())
    spread = covariance(effects, "village_id").std_error
    cells = effects.cells
    labels = (
        [f"year::{e:.0f}:cohort::{g:.0f}" for e, g in zip(cells["event_time"], cells["cohort"], strict=True)] if len(cells) else []
    )
    labels = np.where(cells["kind"] == "covariate", cells["name"], labels)
    at = [int(np.flatnonzero(labels == row["term"])[0]) for row in theirs]
    assert len(at) == (~cells["reference"]).sum()
    close(effects.theta[at], [row["estimate"] for row in theirs], ESTIMATE)
    close(spread[at], [row["se"] for row in theirs], SPREAD)
    assert effects.facts.observations == case("fixest")[name]["nobs"]


@pytest.mark.parametrize("rows", ["village", "county_id"])
def test_rows_of_villages_or_counties_give_the_same_errors(rows: str) -> None:
    rows = "unit" if rows == "village" else rows
    ours, expected = (ek.aggregate(path("sunab_unbalanced", r), "event_time") for r in (rows, "observation"))
    close(covariance(ours, "county_id").std_error, covariance(expected, "county_id").std_error, 1e-9)


BASE = needs("02_fixest")


@BASE
@pytest.mark.parametrize("name", ["sunab", "sunab_weights"])
def test_the_saturated_path_of_fixests_own_data_is_that_of_fixest(name: str) -> None:
    recorded = third_party("02_fixest/expected.json")["results"][name]
    frame = third_party("02_fixest/base_stagg_aug.csv")
    weight = "w" if name == "sunab_weights" else None
    made = design(frame, "id", "year", "year_treated", "y", never=10_000, covariates=["x1"], weight=weight, rows="observation")
    estimate = InteractionWeighted()(made)
    tables = {"event_time": recorded.get("event_time", recorded), "att": recorded["att"]}
    tables |= {agg: recorded[agg] for agg in ("period", "cohort", "event_time_iid") if agg in recorded}
    for agg, table in tables.items():
        by = {"event_time_iid": "event_time"}.get(agg) or SUNAB.get(agg, agg)
        averages = ek.aggregate(estimate, by)
        spread = covariance(averages, "iid" if agg == "event_time_iid" else "id")
        for term, theta, error in zip(table["names"], table["estimate"], table["se"], strict=True):
            if term == "x1":
                close(estimate.select(kind="covariate").theta, theta, ESTIMATE)
                continue
            at = position(averages, by, float(term.split("::")[1]) if "::" in term else None)
            close(averages.theta[at], theta, ESTIMATE)
            if averages.cells["noisy_units"][at] == averages.cells["units"][at]:
                close(spread.std_error[at], error, SPREAD)
    if name == "sunab":
        effects = estimate.select(kind="group_time", reference=False)
        terms = recorded["disaggregated"]["names"][1:]
        cells = [
            f"year::{e:.0f}:cohort::{g:.0f}" for e, g in zip(effects.cells["event_time"], effects.cells["cohort"], strict=True)
        ]
        close(effects.theta[[cells.index(t) for t in terms]], recorded["disaggregated"]["estimate"][1:], ESTIMATE)


ETWFE: dict[str, tuple[ExtendedTwoWay, dict[str, Any]]] = {
    "etwfe_notyet": (ExtendedTwoWay(effects="cohort"), {}),
    "etwfe_never": (ExtendedTwoWay(effects="cohort"), {"comparison": "never_treated"}),
    "etwfe_notyet_cov": (ExtendedTwoWay(effects="cohort"), {"covariates": ["base_poverty"]}),
    "etwfe_never_cov": (ExtendedTwoWay(effects="cohort"), {"covariates": ["base_poverty"], "comparison": "never_treated"}),
    "etwfe_notyet_cov2": (ExtendedTwoWay(effects="cohort"), {"covariates": ["base_poverty", "labour_share"]}),
    "etwfe_notyet_ivar": (ExtendedTwoWay(), {"covariates": ["base_poverty"]}),
    "etwfe_notyet_weights": (ExtendedTwoWay(effects="cohort"), {"covariates": ["base_poverty"], "weight": "households"}),
    "etwfe_poisson": (ExtendedTwoWay("poisson"), {}),
    "etwfe_unbalanced": (ExtendedTwoWay(effects="cohort"), {"unbalanced": "pairwise"}),
    "etwfe_no_never": (ExtendedTwoWay(effects="cohort"), {}),
}
AVERAGED_WITHOUT_WEIGHTS = ("etwfe_notyet_weights", "lpop_notyet_w")


@lru_cache
def extended(name: str) -> ek.Estimate:
    recorded, (estimator, choices) = case("estimators")[name], ETWFE[name]
    outcome = recorded["args"]["formula"].split(" ~ ")[0]
    return estimator(
        design(own(recorded["data"]), "village_id", "year", "first_treated", outcome, clusters=["county_id"], **choices)
    )


def compare(estimate: ek.Estimate, tables: dict[str, tuple[list[Any], list[Any], list[Any]]], tolerance: float = ESTIMATE) -> None:
    """Hold averages to recorded keys, estimates and standard errors."""
    for kind, (keys, thetas, errors) in tables.items():
        averages = ek.aggregate(estimate, EMFX[kind])
        spread = covariance(averages).std_error
        for key, theta, error in zip(keys, thetas, errors, strict=True):
            at = position(averages, EMFX[kind], key)
            close(averages.theta[at], theta, tolerance)
            if error is not None and not np.isnan(error):
                close(spread[at], error, BY_NUMERICAL_DERIVATIVE)
            else:
                assert averages.cells["reference"][at]


def tables_of(rows: list[dict[str, Any]]) -> dict[str, tuple[list[Any], list[Any], list[Any]]]:
    frame = pd.DataFrame(rows)
    return {kind: tuple(list(f[c]) for c in ("key", "estimate", "se")) for kind, f in frame.groupby("type")}


@pytest.mark.parametrize("name", [name for name in ETWFE if name not in AVERAGED_WITHOUT_WEIGHTS])
def test_averages_of_the_extended_regression_are_those_of_etwfe(name: str) -> None:
    tables = tables_of(case("estimators")[name]["rows"])
    assert set(tables) == set(EMFX)
    compare(extended(name), tables)


@pytest.mark.parametrize("name", [name for name in ETWFE if name not in (*AVERAGED_WITHOUT_WEIGHTS, "etwfe_poisson")])
def test_cells_of_the_extended_regression_are_the_coefficients_of_etwfe(name: str) -> None:
    """Covariates are centred by cohort there, so that on balanced data the coefficient of a cell is its average effect."""
    coefficients = {row["term"]: row for row in case("estimators")[name]["coefficient_rows"]}
    effects = extended(name).select(kind="group_time", reference=False)
    spread = covariance(effects).std_error
    for at, cell in enumerate(effects.cells.itertuples()):
        row = coefficients[f".Dtreat:first_treated::{cell.cohort:.0f}:year::{cell.period:.0f}"]
        close(effects.theta[at], row["estimate"], ESTIMATE)
        close(spread[at], row["se"], SPREAD)


def without_weights(estimator: ExtendedTwoWay, made: ek.Design, monkeypatch: pytest.MonkeyPatch) -> ek.Estimate:
    """Return our estimate with etwfe's averages: a weighted fit, effects and cells averaged over rows as if all weighed the same."""
    mean_of_cells = extended_two_way._mean_of_cells
    monkeypatch.setattr(
        extended_two_way, "_mean_of_cells", lambda z, w, code, count: mean_of_cells(z, np.ones_like(w), code, count)
    )
    by_unit, by_cohort = replace(estimator, effects="unit")(made), replace(estimator, effects="cohort")(made)
    theta = by_unit.theta.copy()
    share = (by_unit.cells["kind"] == "cell_share").to_numpy()
    theta[share] = by_unit.cells["units"][share] / len(made.units)
    return replace(by_unit, theta=theta, facts=by_cohort.facts)


def test_with_weights_etwfe_fits_with_them_and_averages_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells' coefficients are effects at the unweighted mean of the covariate, and averages count rows.

    evalkit weighs both, so that an average is over the households that the weights stand for; the difference is 4% here.
    """
    recorded, (estimator, choices) = case("estimators")["etwfe_notyet_weights"], ETWFE["etwfe_notyet_weights"]
    made = design(own(recorded["data"]), "village_id", "year", "first_treated", "log_income", **choices)
    compare(without_weights(estimator, made, monkeypatch), tables_of(recorded["rows"]))
    ours = ek.aggregate(extended("etwfe_notyet_weights")).theta[0]
    assert 0.001 < abs(ours / recorded["rows"][0]["estimate"] - 1) < 0.05


MPDTA: dict[str, tuple[ExtendedTwoWay, dict[str, Any]]] = {
    "noctrl_notyet": (ExtendedTwoWay(effects="cohort"), {}),
    "lpop_notyet": (ExtendedTwoWay(effects="cohort"), {"covariates": ["lpop"]}),
    "noctrl_never": (ExtendedTwoWay(effects="cohort"), {"comparison": "never_treated"}),
    "lpop_never": (ExtendedTwoWay(effects="cohort"), {"covariates": ["lpop"], "comparison": "never_treated"}),
    "lpop_notyet_ivar": (ExtendedTwoWay(), {"covariates": ["lpop"]}),
    "lpop_notyet_w": (ExtendedTwoWay(effects="cohort"), {"covariates": ["lpop"], "weight": "w"}),
    "poisson_emp": (ExtendedTwoWay("poisson"), {"covariates": ["lpop"]}),
}
KEYS = {"event": "event", "group": "first.treat", "calendar": "year"}
MINIMUM_WAGES = needs("06a_etwfe_mpdta")


@MINIMUM_WAGES
@pytest.mark.parametrize("name", MPDTA)
def test_effects_of_minimum_wages_are_those_of_etwfe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = third_party("06a_etwfe_mpdta/expected.json")["results"][name]
    frame = third_party("06a_etwfe_mpdta/data.csv")
    estimator, choices = MPDTA[name]
    outcome = "emp" if name == "poisson_emp" else "lemp"
    made = design(frame, "countyreal", "year", "first.treat", outcome, **choices)
    estimate = without_weights(estimator, made, monkeypatch) if name in AVERAGED_WITHOUT_WEIGHTS else estimator(made)
    tables = {}
    for kind in EMFX:
        if kind in recorded:
            table = recorded[kind]
            keys = table[KEYS[kind]] if kind in KEYS else [None]
            tables[kind] = (keys, table["estimate"], table["std.error"])
    compare(estimate, tables, NEARLY_CONVERGED if name == "poisson_emp" else ESTIMATE)


@MINIMUM_WAGES
def test_every_recorded_extended_regression_is_compared() -> None:
    assert set(third_party("06a_etwfe_mpdta/expected.json")["results"]) == set(MPDTA)


def test_every_recorded_saturated_regression_is_compared() -> None:
    assert {name for name in case("fixest") if name.startswith("sunab")} == set(SUNABS)
    assert {name for name in case("estimators") if name.startswith("etwfe")} == set(ETWFE)
