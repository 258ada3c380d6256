"""Two-way regressions are those of R's fixest 0.14.2 on the data that ship with it (kept outside)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from recorded import ESTIMATE, POLICIES, SPREAD, close, design, needs, third_party

import evalkit as ek
from evalkit.estimate import Absorbed
from evalkit.inference.dependence import DriscollKraay, NeweyWest
from evalkit.inference.linear import covariance
from evalkit.inference.nearby import Conley

FOLDER = "02_fixest"
pytestmark = needs(FOLDER)

NOT_OFFERED = {
    **dict.fromkeys(["sunab", "sunab_weights"], "the saturated event study: compared in test_saturated.py"),
    **dict.fromkeys(["iv_2sls", "iv_2sls_weights"], "instrumental variables"),
    **dict.fromkeys(["fepois_trade", "fepois_stagg", "fepois_stagg_weights"], "Poisson regression"),
    "feols_trade": "flows between places: units are pairs, a panel has one unit",
    "felogit": "logistic regression with fixed effects",
}
COVARIANCE_NOT_OFFERED = ("HC2", "HC3")
FACTS_NOT_OFFERED = {"fixef_id", "fixef_year", "r2", "wr2", "ll", "call", "wald_pretrends"}
CLUSTERS: dict[str, Any] = {
    "iid": "iid",
    "hetero": "observation",
    "cluster_id": "id",
    "cluster_cl2": "cl2",
    "twoway_id_year": ("id", "year"),
    "twoway_cl2_year": ("cl2", "year"),
    "twoway": ("id", "period"),
    "DK_lag2": DriscollKraay(2),
    "DK_default": DriscollKraay(),
    "NW_lag2": NeweyWest(2),
    "NW_default": NeweyWest(),
    # Distances on a sphere of 6376 km, or in a plane where a degree of latitude is 111 km.
    "conley_200km_spherical": Conley(200, ("lon", "lat"), "uniform", radius_km=6376),
    "conley_200km_triangular": Conley(200, ("lon", "lat"), "uniform", radius_km=111 * 180 / 3.14159),
}
SSC = {
    "adjF": "K_adj_off",
    "fixefnone": "K_fixef_none",
    "fixeffull": "K_fixef_full",
    "nonnested": "default",
    "GadjF": "G_adj_off",
    "Gconv": "G_df_conventional",
    "Gmin": "default",
    "tdfconv": "t_df_conventional",
    "all_off": "all_off",
}
STAGGERED = {"unit": "id", "period": "year", "first": "year_treated", "never": 10_000, "clusters": ["cl2", "lon", "lat"]}
SIMPLE = {"unit": "id", "period": "period", "first": "first"}
X1 = {"covariates": ["x1"]}
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "twfe": (ek.TwoWay(), STAGGERED | X1),
    "twfe_weights": (ek.TwoWay(), STAGGERED | X1 | {"weight": "w"}),
    "twfe_3fe": (ek.TwoWay(by_period=["cl2"]), STAGGERED | X1),
    "twfe_varslope": (ek.TwoWay(slopes=[("id", "x1")]), STAGGERED),
    "event_study_twfe": (ek.EventStudy(), STAGGERED | X1),
    "base_did_event": (ek.EventStudy(), SIMPLE | X1),
    # One dummy after treatment in place of period effects: two periods, before and after, of a repeated cross-section.
    "base_did_ols": (ek.TwoWay(), SIMPLE | X1 | {"unit": None, "period": "post", "clusters": ["id"]}),
}


@lru_cache
def fitted(name: str) -> ek.Estimate:
    estimator, choices = MODELS[name]
    frame = third_party(f"{FOLDER}/{'base_did' if name.startswith('base_did') else 'base_stagg_aug'}.csv")
    if name.startswith("base_did"):
        frame = frame.assign(first=frame["treat"] * (6 if name == "base_did_event" else 1))
    estimate = estimator(design(frame, outcome="y", rows="observation", **choices))
    if name == "twfe_3fe":
        # fixest is given year and cl2^year and counts both: nine parameters more than the columns can bear.
        period = Absorbed("period", 10, frozenset({"year"}))
        estimate = replace(estimate, facts=replace(estimate.facts, absorbed=(*estimate.facts.absorbed, period)))
    return estimate


def label(term: str) -> str:
    """Return R's term in our words."""
    if term in ("D", "post:treat"):
        return "overall"
    if term.startswith("time_to_treatment::"):
        return f"event {int(term.split('::')[1])}"
    if term.startswith("period::"):
        return f"event {int(term.split('::')[1].split(':')[0]) - 6}"
    return term


def shared_terms(estimate: ek.Estimate, names: Any) -> tuple[list[int], list[int]]:
    """Return the positions of the terms that both have, ours and R's."""
    cells = estimate.cells
    words = {"overall": lambda row: "overall", "event_time": lambda row: f"event {row.event_time:.0f}"}
    ours = [words.get(row.kind, lambda row: row.name_)(row) for row in cells.rename(columns={"name": "name_"}).itertuples()]
    pairs = [(ours.index(label(t)), i) for i, t in enumerate(np.atleast_1d(names)) if label(t) in ours]
    return [a for a, _ in pairs], [b for _, b in pairs]


def tables() -> list[tuple[str, str, str]]:
    """Return every recorded table: regression, covariance, small-sample policy."""
    found = []
    for name in MODELS:
        for key, value in (third_party(f"{FOLDER}/expected.json") or {"results": {}})["results"].get(name, {}).items():
            if key == "ssc":
                found += [(name, vcov, policy) for policy, table in value.items() for vcov in table]
            elif key not in FACTS_NOT_OFFERED:
                found.append((name, key, "plain"))
    return found


OFFERED = [table for table in tables() if not table[1].startswith(COVARIANCE_NOT_OFFERED)]
SKIPPED = [
    pytest.param(*table, marks=pytest.mark.skip("leverages of the full dummy-variable design"))
    for table in tables()
    if table not in OFFERED
] + [pytest.param(name, "all", "all", marks=pytest.mark.skip(reason)) for name, reason in NOT_OFFERED.items()]


@pytest.mark.parametrize(("name", "vcov", "policy"), [*OFFERED, *SKIPPED])
def test_coefficients_covariances_and_p_values_are_those_of_fixest(name: str, vcov: str, policy: str) -> None:
    recorded = third_party(f"{FOLDER}/expected.json")["results"][name]
    theirs = recorded[vcov] if policy == "plain" else recorded["ssc"][policy][vcov]
    estimate, small = fitted(name), POLICIES[SSC.get(policy, "default")]
    spread = covariance(estimate, CLUSTERS[vcov], small)
    a, b = shared_terms(estimate, theirs["names"])
    assert len(a) == len(estimate.theta) - estimate.cells["reference"].sum()
    close(estimate.theta[a], np.atleast_1d(theirs["estimate"])[b], ESTIMATE)
    close(spread.std_error[a], np.atleast_1d(theirs["se"])[b], SPREAD)
    scale = np.outer(spread.std_error[a], spread.std_error[a])
    np.testing.assert_allclose(spread.matrix[np.ix_(a, a)] / scale, np.array(theirs["vcov"])[np.ix_(b, b)] / scale, atol=2e-6)
    assert spread.degrees == theirs["df_t"]
    t = estimate.theta[a] / spread.std_error[a]
    # A tail probability multiplies the relative error of t by up to t squared.
    close(spread.p_value(t), np.atleast_1d(theirs["pvalue"])[b], SPREAD * max(1, (t**2).max()), floor=0)


def test_the_wald_test_of_the_periods_before_treatment_is_that_of_fixest() -> None:
    theirs = third_party(f"{FOLDER}/expected.json")["results"]["base_did_event"]["wald_pretrends"]
    estimate = fitted("base_did_event")
    test = ek.wald(estimate.select(np.array(estimate.cells["event_time"] < 0)), cluster="id")
    close(test.statistic, theirs["stat"], SPREAD)
    close(test.p_value, theirs["p"], SPREAD)
    assert test.distribution == f"F({theirs['df1']}, {theirs['df2']})"


def test_every_recorded_regression_is_compared_or_listed_with_its_reason() -> None:
    assert set(third_party(f"{FOLDER}/expected.json")["results"]) == {*MODELS, *NOT_OFFERED}
    assert len(OFFERED) > 70
