"""Covariances of pooled, within, first-difference and random-effects regressions are those of R's plm 2.6.2.

The regressions themselves are made here from arrays: evalkit offers the covariances, not the models. plm applies no factor unless told
(HC0); "HC1" multiplies residuals by the root of N/(N-K) with K the slopes, "sss" is the factor G/(G-1) (N-1)/(N-K), and HC2 and HC3
divide by the leverages of single rows in the transformed columns. Three things differ and are redone below: plm counts the rows
before first differences in N - K, leaves negative eigenvalues of double clustering alone, and takes periods in the order in which an
unbalanced panel first shows them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, case, close, needs, own, third_party

import evalkit as ek
from evalkit.estimate import Absorbed, Estimate, Facts, cell_frame
from evalkit.inference.dependence import DriscollKraay, NeweyWest
from evalkit.inference.linear import Covariance, SmallSample, covariance
from evalkit.inference.panel_covariances import Arellano, BeckKatz, White, panel_corrected
from evalkit.least_squares import LeastSquares, Regression, columns_without_means

FOLDER = "07_plm"
Array = np.ndarray[Any, Any]

MODELS_NOT_OFFERED = "panel models, tests of panel models and GMM are no covariances"
# plm's random effects in two ways weight with three variance components.
OWN_MODELS = [
    *(f"{s}_{m}" for s in ("balanced", "unbalanced") for m in ("pooling", "within_individual", "within_time", "within_twoways")),
    *(f"{s}_{m}" for s in ("balanced", "unbalanced") for m in ("between", "fd", "mundlak")),
    *(f"{s}_random_{m}" for s in ("balanced", "unbalanced") for m in ("swar", "amemiya", "walhus", "nerlove")),
    *(f"balanced_random_twoways_{m}" for m in ("swar", "amemiya", "walhus")),
]
OWN_NOT_OFFERED = dict.fromkeys(
    [name for name in case("plm") if name.endswith("_tests") or name.startswith(("ab_", "bb_"))]
    + ["balanced_fixef", "dynamic_within_nickell", "anderson_hsiao"],
    MODELS_NOT_OFFERED,
)
THEIR_MODELS = ["pooling", "within", "between", "fd", "within_time", "within_twoways", "random_swar"]
THEIR_CASES = ["grunfeld", "produc", "wages", "produc_unbalanced"]

COVARIANCES: dict[str, tuple[Any, Any]] = {
    "conventional": ("iid", "full"),
    "arellano_HC0": (Arellano("HC0"), None),
    "arellano_HC1": (Arellano("HC1"), None),
    "arellano_HC2": (Arellano("HC2"), None),
    "arellano_HC3": (Arellano("HC3"), None),
    "arellano_sss": ("unit", SmallSample("slopes")),
    "arellano_time_HC0": (Arellano("HC0", by="period"), None),
    "white1_HC0": (White(), None),
    "white2_HC0": (White(common="unit"), None),
    "SCC_default": (DriscollKraay(), "none"),
    "SCC_maxlag2_HC1": (DriscollKraay(2, "HC1"), "none"),
    "NW_default": (NeweyWest(), "none"),
    "NW_maxlag2": (NeweyWest(2), "none"),
    "BK_group": (BeckKatz("periods"), None),
    "BK_time": (BeckKatz("units"), None),
    "DC": (("unit", "period"), "none"),
}
# plm's names in the third-party folder -> ours above.
THEIR_NAMES = {
    "HC_arellano_HC0": "arellano_HC0",
    "arellano_time": "arellano_time_HC0",
    "white1": "white1_HC0",
    "white2": "white2_HC0",
}
THEIR_NAMES |= {"SCC": "SCC_default", "NW": "NW_default"}


def regression(X: Array, y: Array, unit: Array, period: Array, absorbed: tuple[Absorbed, ...] = (), codes: Any = None) -> Estimate:
    """Return the least squares of y (n,) on X (n, K) as an estimate on rows of observations."""
    keys = pd.DataFrame({"observation": np.arange(len(y)), "unit": unit, "period": period})
    fit = LeastSquares(lambda: columns_without_means(X, y, keys, codes))
    psi = len(y) * (fit.columns.X * fit.residuals[:, None]) @ fit.bread
    rest = float(fit.residuals @ fit.residuals)
    facts = Facts(len(y), X.shape[1], absorbed, "none", "t", fit.bread, rest, Regression(fit, np.eye(X.shape[1])))
    return Estimate(fit.coefficients, psi, cell_frame("covariate", X.shape[1], name=""), keys, facts)


def mean_within(values: Array, codes: Array) -> Array:
    return np.asarray((np.bincount(codes, values) / np.bincount(codes))[codes])


def two_ways_out(values: Array, unit: Array, period: Array) -> Array:
    """Return the columns (n, k) less the effects of units and periods."""

    def within(v: Array) -> Array:
        return np.asarray(v - mean_within(v, unit))

    dummies = np.column_stack([within((period == p).astype(float)) for p in range(1, period.max() + 1)])
    values = np.column_stack([within(v) for v in values.T])
    return np.asarray(values - dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0])


def model(X: Array, y: Array, unit: Array, period: Array, name: str, components: dict[str, Any] | None = None) -> Estimate:
    """Return one of plm's models; rows are sorted by unit and period, and X holds plm's columns, the constant among them."""
    units = Absorbed("unit", int(unit.max()) + 1, frozenset({"unit"}))
    periods = Absorbed("period", int(period.max()) + 1, frozenset({"period"}))
    both = np.column_stack([X, y])
    if name in ("within", "within_individual"):
        return regression(X, y, unit, period, (units,), unit)
    if name == "within_time":
        return regression(X, y, unit, period, (periods,), period)
    if name == "within_twoways":
        both = two_ways_out(both, unit, period)
        return regression(both[:, :-1], both[:, -1], unit, period, (units, periods))
    if name == "fd":
        # plm takes differences of rows that follow each other, whatever lies between, and keeps the constant.
        follows = np.flatnonzero(unit[1:] == unit[:-1])
        change = both[follows + 1] - both[follows]
        constant = np.ptp(X, axis=0) == 0
        change[:, :-1][:, constant] = 1.0
        return regression(change[:, :-1], change[:, -1], unit[follows + 1], period[follows + 1])
    if name == "between":
        means = np.column_stack([np.bincount(unit, v) / np.bincount(unit) for v in both.T])
        return regression(means[:, :-1], means[:, -1], np.arange(len(means)), np.zeros(len(means), int))
    if components is not None:
        both = quasi_demeaned(both, unit, period, components)
    return regression(both[:, :-1], both[:, -1], unit, period)


def quasi_demeaned(values: Array, unit: Array, period: Array, components: dict[str, Any]) -> Array:
    """Return columns less the shares of their means that random effects take out."""
    sigma, theta = components["sigma2"], components["theta"]
    if isinstance(theta, dict) and "time" in theta:
        own, same, all_ = (np.ravel(theta[k])[0] for k in ("id", "time", "total"))
        return np.column_stack([v - own * mean_within(v, unit) - same * mean_within(v, period) + all_ * v.mean() for v in values.T])
    lengths = np.bincount(unit)[unit]
    share = 1 - np.sqrt(sigma["idios"] / (sigma["idios"] + lengths * sigma["id"]))
    return np.column_stack([v - share * mean_within(v, unit) for v in values.T])


def spread_of(estimate: Estimate, name: str) -> Covariance:
    cluster, correction = COVARIANCES[name]
    return covariance(estimate, cluster, correction)


def as_plm(estimate: Estimate, model: str, vcov: str) -> Array:
    """Return our covariance with plm's count of first differences: N/(M-K), M being the rows before differences were taken."""
    matrix = spread_of(estimate, vcov).matrix
    if model != "fd" or "HC1" not in vcov:
        return matrix
    rows, slopes, units = estimate.facts.observations, estimate.facts.slopes, estimate.rows["unit"].nunique()
    return np.asarray(matrix * (rows - slopes) / (rows + units - slopes))


@lru_cache
def fitted(name: str) -> Estimate:
    """Return our estimate of a model that plm fitted to invented villages."""
    recorded = case("plm")[name]
    frame = own(recorded["data"]).sort_values(["village_id", "year"]).reset_index(drop=True)
    means = frame.groupby("village_id")[["treated", "rainfall"]].transform("mean")
    frame = frame.assign(mt=means["treated"], mr=means["rainfall"], **{"(Intercept)": 1.0})
    terms = list(dict.fromkeys(row["term"] for row in recorded["rows"]))
    unit, period = (pd.factorize(frame[c], sort=True)[0] for c in ("village_id", "year"))
    components = {"sigma2": recorded["sigma2"], "theta": recorded["theta"]} if "sigma2" in recorded else None
    X, y = frame[terms].to_numpy(float), frame["log_income"].to_numpy(float)
    return model(X, y, unit, period, name.removeprefix("unbalanced_").removeprefix("balanced_"), components)


TABLES = [(name, vcov) for name in OWN_MODELS for vcov in dict.fromkeys(row["vcov"] for row in case("plm")[name]["rows"])]


@pytest.mark.parametrize(("name", "vcov"), TABLES)
def test_standard_errors_are_those_of_plm(name: str, vcov: str) -> None:
    theirs = [row for row in case("plm")[name]["rows"] if row["vcov"] == vcov]
    estimate = fitted(name)
    close(estimate.theta, [row["estimate"] for row in theirs], ESTIMATE)
    matrix = as_plm(estimate, name.removeprefix("unbalanced_").removeprefix("balanced_"), vcov)
    close(np.sqrt(np.diag(matrix)), [row["se"] for row in theirs], SPREAD)


def test_every_recorded_result_is_compared_or_listed_with_its_reason() -> None:
    assert set(case("plm")) == {*OWN_MODELS, *OWN_NOT_OFFERED}
    assert {vcov for _, vcov in TABLES} == set(COVARIANCES)
    assert len(TABLES) > 150


def term(frame: pd.DataFrame, name: str) -> Array:
    """Return a term of plm's formulas as a column."""
    if name == "(Intercept)":
        return np.ones(len(frame))
    if name == "unionyes":
        return (frame["union"] == "yes").to_numpy(float)
    if name == "I(exp^2)":
        return frame["exp"].to_numpy(float) ** 2
    if name.startswith("log("):
        return np.asarray(np.log(frame[name[4:-1]].to_numpy(float)))
    return frame[name].to_numpy(float)


@lru_cache
def theirs_fitted(data: str, name: str) -> Estimate:
    recorded = third_party(f"{FOLDER}/expected.json")["results"][data]
    keys = recorded["index"]
    frame = third_party(f"{FOLDER}/{data.capitalize()}.csv").sort_values(keys).reset_index(drop=True)
    unit, period = (pd.factorize(frame[c], sort=True)[0] for c in keys)
    X = np.column_stack([term(frame, t) for t in recorded[name]["names"]])
    return model(X, term(frame, recorded["formula"].split(" ~ ")[0]), unit, period, name, recorded[name].get("ercomp"))


@needs(FOLDER)
@pytest.mark.parametrize("name", THEIR_MODELS)
@pytest.mark.parametrize("data", THEIR_CASES)
def test_whole_covariances_are_those_of_plm_on_the_data_that_ship_with_it(data: str, name: str) -> None:
    recorded = third_party(f"{FOLDER}/expected.json")["results"][data][name]
    estimate = theirs_fitted(data, name)
    close(estimate.theta, recorded["estimate"], 1e-7)  # columns with a condition number of 1e5 lose half a digit more
    for vcov, matrix in {"conventional": recorded["vcov"], **recorded.get("robust", {})}.items():
        if (data, name, vcov) in DIFFERENT or (data, vcov) in DIFFERENT:
            continue
        if isinstance(matrix, dict):
            assert matrix == {"error": "subscript out of bounds"}  # plm, first differences of an unbalanced panel, Beck-Katz
            assert (data, name) == ("produc_unbalanced", "fd")
            continue
        near(as_plm(estimate, name, THEIR_NAMES.get(vcov, vcov)), np.array(matrix), vcov)


def near(ours: Array, theirs: Array, name: str = "") -> None:
    """Assert that two covariances are equal beside the size of their standard errors."""
    size = np.outer(np.sqrt(np.diag(theirs)), np.sqrt(np.diag(theirs)))
    np.testing.assert_allclose(ours / size, theirs / size, atol=2 * SPREAD, err_msg=name)


# Redone in the two tests that follow.
DIFFERENT = {("grunfeld", "fd", "DC"), ("produc_unbalanced", "BK_group")}


@needs(FOLDER)
def test_double_clustering_of_plm_keeps_negative_eigenvalues_and_ours_sets_them_to_zero() -> None:
    theirs = np.array(third_party(f"{FOLDER}/expected.json")["results"]["grunfeld"]["fd"]["robust"]["DC"])
    assert np.linalg.eigvalsh(theirs)[0] < 0
    estimate = theirs_fitted("grunfeld", "fd")
    sums = [covariance(estimate, by, "none").matrix for by in ("unit", "period", "observation")]
    near(sums[0] + sums[1] - sums[2], theirs)
    assert np.linalg.eigvalsh(spread_of(estimate, "DC").matrix)[0] > -1e-12


@needs(FOLDER)
@pytest.mark.parametrize("name", [name for name in THEIR_MODELS if name not in ("between", "within_time", "fd")])
def test_plm_mixes_up_the_periods_of_panel_corrected_errors_when_the_first_unit_lacks_one(name: str) -> None:
    """plm numbers periods as they first appear (Alabama lacks 1970, which comes last) but fills a state's residuals in order of time.

    Its pairs of periods are then of different years. With years numbered that way ours are the same; with years in their places they
    differ by up to five per cent.
    """
    theirs = np.array(third_party(f"{FOLDER}/expected.json")["results"]["produc_unbalanced"][name]["robust"]["BK_group"])
    estimate = theirs_fitted("produc_unbalanced", name)
    unit, appears = estimate.rows["unit"].to_numpy(), pd.factorize(estimate.rows["period"])[0]
    mixed = np.concatenate([np.sort(appears[unit == u]) for u in np.unique(unit)])
    fit = estimate.facts.regression.fit
    multipliers = fit.columns.X @ fit.bread
    near(panel_corrected(multipliers, fit.residuals, mixed, unit), theirs)
    right = panel_corrected(multipliers, fit.residuals, estimate.rows["period"].to_numpy(), unit)
    near(spread_of(estimate, "BK_group").matrix, right)


@needs(FOLDER)
def test_every_model_on_the_data_of_others_is_compared_or_no_covariance() -> None:
    recorded = third_party(f"{FOLDER}/expected.json")["results"]
    assert set(recorded) - set(THEIR_CASES) == {
        *("mundlak_grunfeld", "hausman_taylor_wages", "am_bms", "purtest"),
        *(name for name in recorded if name.startswith(("ab_", "bb_"))),
    }
    for data in THEIR_CASES:
        left = set(recorded[data]) - set(THEIR_MODELS) - {"formula", "index", "tests"}
        assert left == {f"random_{m}" for m in ("walhus", "amemiya", "nerlove")} | {
            f"random_twoways_{m}" for m in ("swar", "walhus", "amemiya")
        }
        assert not any("robust" in recorded[data][name] for name in left)  # what is left out has no robust covariance


def test_the_leverages_of_a_two_way_estimate_include_those_of_its_years_and_plm_leaves_them_out() -> None:
    """plm demeans years away and divides by leverages of what is left; TwoWay keeps the years as columns, and their leverage is (9/10)/240."""
    frame = own("panel")
    panel = ek.Panel(frame, "village_id", "year")
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    estimate = ek.TwoWay()(ek.Design(panel, rollout, "log_income", covariates=["rainfall"]))
    theirs = fitted("balanced_within_twoways")
    close(estimate.theta, theirs.theta)
    for plain in ("HC0", "HC1"):
        close(covariance(estimate, Arellano(plain)).std_error, covariance(theirs, Arellano(plain)).std_error, 1e-10)
    ratio = covariance(estimate, Arellano("HC3")).std_error / covariance(theirs, Arellano("HC3")).std_error
    close(ratio, [1 / (1 - 0.9 / 240)] * 2, 1e-5)
