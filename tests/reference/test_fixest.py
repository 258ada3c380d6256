"""Two-way regressions and event studies are those of R's fixest 0.14.2: coefficients, covariances, p-values, Wald tests."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, POLICIES, SPREAD, case, close, design, own

import evalkit as ek
from evalkit.inference.dependence import DriscollKraay, NeweyWest
from evalkit.inference.linear import SmallSample, covariance
from evalkit.inference.nearby import Conley

# What fixest was asked for and evalkit answers elsewhere or not at all.
NOT_OFFERED = {
    **dict.fromkeys(
        ["sunab", "sunab_rainfall_weights", "sunab_unbalanced", "sunab_no_never"],
        "the saturated event study: compared in test_saturated.py",
    ),
    **dict.fromkeys(
        ["poisson", "poisson_weights", "poisson_event", "poisson_offset", "poisson_unbalanced", "poisson_threeway_flows"],
        "Poisson regression",
    ),
    **dict.fromkeys(["threeway_fe_flows", "nested_fe_flows"], "flows between places: units are pairs, a panel has one unit"),
    **dict.fromkeys(["iv_overid", "iv_just", "iv_nofe", "iv_weights"], "instrumental variables"),
    **dict.fromkeys(["ols_no_fe", "ols_dummies"], "least squares without unit effects"),
}
COVARIANCE_NOT_OFFERED = {
    "HC2": "leverages of the full dummy-variable design",
    "HC3": "leverages of the full dummy-variable design",
}
# County effects nested in county clusters: see the test of county trends.
JUDGED_DIFFERENTLY = ("twfe_county_trend", "cluster_county")

# fixest's earth: distances on a sphere of 6376 km, or in a plane where a degree of latitude is 111 km (and pi is 3.14159).
SPHERE, PLANE = 6376, 111 * 180 / 3.14159
VILLAGES = own("panel").rename(columns={"lon": "longitude", "lat": "latitude"}).set_index("village_id")
CLUSTERS: dict[str, Any] = {
    "iid": "iid",
    "hetero": "observation",
    "cluster_village": "village_id",
    "cluster_county": "county_id",
    "twoway_county_year": ("county_id", "year"),
    "twoway_village_year": ("village_id", "year"),
    "DK_lag2": DriscollKraay(2),
    "DK_default": DriscollKraay(),
    "NW_lag2": NeweyWest(2),
    "NW_default": NeweyWest(),
    **{f"conley_{km}km_spherical": Conley(km, VILLAGES, "uniform", radius_km=SPHERE) for km in (50, 100)},
    "conley_100km_triangular": Conley(100, VILLAGES, "uniform", radius_km=PLANE),
}
RAINFALL = {"covariates": ["rainfall"]}
WEIGHTED = {**RAINFALL, "weight": "households"}
# Recorded result -> the estimator and the choices of its design.
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "twfe": (ek.TwoWay(), {}),
    "twfe_ssc": (ek.TwoWay(), {}),
    "twfe_rainfall": (ek.TwoWay(), RAINFALL),
    "twfe_weights": (ek.TwoWay(), WEIGHTED),
    "twfe_prefecture_year": (ek.TwoWay(by_period=["prefecture_id"]), RAINFALL),
    "twfe_county_trend": (ek.TwoWay(slopes=[("county_id", "trend")]), RAINFALL),
    "twfe_unbalanced": (ek.TwoWay(), RAINFALL),
    "event": (ek.EventStudy(), {}),
    "event_unbalanced": (ek.EventStudy(), {}),
    "event_weights": (ek.EventStudy(), WEIGHTED),
}


@lru_cache
def fitted(name: str, rows: str = "observation") -> ek.Estimate:
    """Return our estimate of a recorded regression."""
    estimator, choices = MODELS[name]
    frame = own(case("fixest")[name]["data"])
    frame = frame.assign(trend=frame["year"] - frame["year"].min())
    choices = choices | {"clusters": ["county_id", "prefecture_id"], "rows": rows}
    if name.endswith("unbalanced"):
        choices["unbalanced"] = "pairwise"
    return estimator(design(frame, "village_id", "year", "first_treated", "log_income", **choices))


def positions(estimate: ek.Estimate, terms: list[str]) -> list[int]:
    """Return where R's terms stand among our parameters."""
    table = estimate.cells
    labels = np.where(table["kind"] == "overall", "treated", table["name"].astype(str))
    event = (table["kind"] == "event_time").to_numpy()
    labels[event] = [f"rel::{e:.0f}" for e in table["event_time"][event]]
    return [int(np.flatnonzero(labels == term)[0]) for term in terms]


TABLES = [
    (name, vcov, ssc)
    for name in MODELS
    for vcov, ssc in dict.fromkeys((row["vcov"], row["ssc"]) for row in case("fixest")[name]["rows"])
    if (name, vcov) != JUDGED_DIFFERENTLY
]
OFFERED = [table for table in TABLES if table[1] not in COVARIANCE_NOT_OFFERED]
SKIPPED = [
    *(pytest.param(*t, marks=pytest.mark.skip(COVARIANCE_NOT_OFFERED[t[1]])) for t in TABLES if t not in OFFERED),
    *(pytest.param(name, "all", "all", marks=pytest.mark.skip(reason)) for name, reason in NOT_OFFERED.items()),
]


def recorded(name: str, vcov: str, ssc: str) -> pd.DataFrame:
    rows = pd.DataFrame(case("fixest")[name]["rows"])
    return rows[(rows["vcov"] == vcov) & (rows["ssc"] == ssc)]


@pytest.mark.parametrize(("name", "vcov", "ssc"), [*OFFERED, *SKIPPED])
def test_coefficients_errors_and_p_values_are_those_of_fixest(name: str, vcov: str, ssc: str) -> None:
    theirs, estimate = recorded(name, vcov, ssc), fitted(name)
    places = positions(estimate, list(theirs["term"]))
    spread = covariance(estimate, CLUSTERS[vcov], POLICIES[ssc])
    close(estimate.theta[places], theirs["estimate"], ESTIMATE)
    close(spread.std_error[places], theirs["se"], SPREAD)
    degrees = theirs["df_t"].iloc[0]
    assert spread.degrees == degrees
    close(spread.p_value(estimate.theta / np.where(spread.std_error > 0, spread.std_error, 1))[places], theirs["p"], 1e-6, floor=0)


@pytest.mark.parametrize("name", ["twfe", "twfe_rainfall", "twfe_weights", "event", "event_unbalanced", "event_weights"])
def test_rows_of_units_or_counties_give_the_same_clustered_errors_as_rows_of_observations(name: str) -> None:
    expected = covariance(fitted(name), "county_id")
    for rows in ("unit", "county_id"):
        spread = covariance(fitted(name, rows), "county_id")
        close(spread.matrix, expected.matrix, 1e-10)
        assert spread.degrees == expected.degrees == 39


@pytest.mark.parametrize("rows", ["observation", "unit", "county_id"])
def test_the_whole_covariance_of_treatment_and_rainfall_is_that_of_fixest(rows: str) -> None:
    matrix = covariance(fitted("twfe_rainfall", rows), "county_id").matrix
    theirs = np.array(case("fixest")["twfe_rainfall"]["vcov_cluster_county"])
    np.testing.assert_allclose(matrix, theirs, rtol=2e-6, atol=0)  # twice the tolerance of a standard error


@pytest.mark.parametrize("name", ["event", "event_unbalanced"])
def test_the_whole_covariance_of_the_path_is_that_of_fixest(name: str) -> None:
    estimate, theirs = fitted(name, "unit"), case("fixest")[name]
    places = positions(estimate, theirs["vcov_terms"])
    matrix = covariance(estimate, "village_id").matrix[np.ix_(places, places)]
    np.testing.assert_allclose(matrix, np.array(theirs["vcov_cluster_village"]), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ["event", "event_unbalanced"])
@pytest.mark.parametrize("vcov", ["iid", "cluster_village", "cluster_county"])
def test_the_wald_test_of_the_years_before_treatment_is_that_of_fixest(name: str, vcov: str) -> None:
    estimate, theirs = fitted(name), case("fixest")[name][f"wald_pretrends_{vcov}"]
    before = estimate.select(np.array(estimate.cells["event_time"] < 0))
    test = ek.wald(before, cluster=CLUSTERS[vcov])
    close(test.statistic, theirs["stat"], SPREAD)
    close(test.p_value, theirs["p"], SPREAD)
    assert (test.parameters, test.distribution) == (theirs["df1"], f"F({theirs['df1']}, {theirs['df2']})")


@pytest.mark.parametrize("name", ["twfe", "twfe_rainfall", "twfe_weights", "event", "event_unbalanced"])
def test_rows_of_villages_give_the_same_errors_correlated_in_space_as_rows_of_observations(name: str) -> None:
    for near in (Conley(50, VILLAGES, "uniform", radius_km=SPHERE), Conley(80, VILLAGES)):
        close(covariance(fitted(name, "unit"), near).matrix, covariance(fitted(name), near).matrix, 1e-9, floor=1e-16)


def test_with_county_trends_fixest_counts_the_villages_although_they_are_nested_in_counties() -> None:
    """With varying slopes fixest leaves out the county effects only: K = 2 + 1 + 239 + 9 + 40 = 291.

    Without slopes it leaves out villages within counties too, and so does evalkit in both cases: K = 2 + 1 + 9 + 40 = 52.
    """
    estimate, theirs = fitted("twfe_county_trend"), recorded("twfe_county_trend", "cluster_county", "default")
    facts, places = estimate.facts, positions(estimate, list(theirs["term"]))
    assert SmallSample().parameters(facts, ["county_id"]) == 52
    absorbed = tuple(replace(e, nested_in=frozenset()) if e.name == "unit" else e for e in facts.absorbed)
    as_fixest = replace(estimate, facts=replace(facts, absorbed=absorbed))
    assert SmallSample().parameters(as_fixest.facts, ["county_id"]) == 291
    spread = covariance(as_fixest, "county_id")
    close(estimate.theta[places], theirs["estimate"], ESTIMATE)
    close(spread.std_error[places], theirs["se"], SPREAD)
    close(spread.p_value(estimate.theta / spread.std_error)[places], theirs["p"], 1e-6, floor=0)
    ratio = covariance(estimate, "county_id").std_error[places] / theirs["se"]
    close(ratio, np.sqrt((2400 - 291) / (2400 - 52)), 1e-9)


def test_every_recorded_regression_is_compared_or_listed_with_its_reason() -> None:
    assert set(case("fixest")) == {*MODELS, *NOT_OFFERED}
    assert {vcov for _, vcov, _ in TABLES} <= {*CLUSTERS, *COVARIANCE_NOT_OFFERED}
    assert len(OFFERED) > 110
