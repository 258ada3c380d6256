"""Covariances for few clusters are those of R's clubSandwich, summclust and sandwich."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import SPREAD, case, close, needs, own, third_party

import evalkit as ek
from evalkit.estimate import Absorbed, Facts, cell_frame
from evalkit.inference.linear import SmallSample, covariance
from evalkit.inference.replay import replay
from evalkit.inference.sandwich import adjusted, hotelling_degrees
from evalkit.least_squares import LeastSquares, Regression, columns_without_means, dummies

# Compared in test_wild.py and test_few_permutation.py.
ELSEWHERE = {name for name in case("few") if "boottest" in name or "wild" in name} | {"randomisation_inference_enumerated"}
NOT_OFFERED = {"CR1p": "a factor G/(G-p) that is not defined from p coefficients on, and has no use beside CR2"}


def fitted(
    y: Any, X: dict[str, Any], keys: pd.DataFrame, weight: Any = None, absorbed: str | None = None, further: str | None = None
) -> ek.Estimate:
    """Return the estimate of any regression: named columns X, effects absorbed, and further effects as dummies."""
    columns = np.column_stack([np.asarray(x, float) for x in X.values()])
    effects, levels = [], []
    if further is not None:
        codes = pd.factorize(keys[further])[0]
        columns = np.hstack([columns, dummies([codes], [None])])
        effects.append(Absorbed(further, keys[further].nunique()))
    codes = None if absorbed is None else pd.factorize(keys[absorbed])[0]
    if absorbed is not None:
        levels.append(Absorbed(absorbed, keys[absorbed].nunique(), frozenset({absorbed})))
    weight = None if weight is None else np.asarray(weight, float)
    fit = LeastSquares(lambda: columns_without_means(columns, np.asarray(y, float), keys, codes, weight))
    regression = Regression(fit, np.eye(len(X), columns.shape[1]))
    rows = keys.assign(observation=np.arange(len(keys)))[["observation", *keys.columns]]
    psi = len(keys) * (fit.columns.X * fit.residuals[:, None]) @ fit.bread @ regression.shown.T
    facts = Facts(len(keys), len(X), (*levels, *effects), "full", "t", regression=regression)
    return ek.Estimate(regression.shown @ fit.coefficients, psi, cell_frame("covariate", len(X), name=list(X)), rows, facts)


@lru_cache
def ours(name: str) -> ek.Estimate:
    """Return our estimate of a recorded model."""
    frame = own("few")
    keys = frame[["county_id", "year"]]
    effects = {"treated": frame["treated"], "x": frame["x"]}
    if "no_fe" in name:
        plain = {"treated_county": frame["treated_county"], "post": frame["post"], "(Intercept)": np.ones(len(frame))}
        return fitted(frame["log_income"], effects | plain, keys)
    weight = frame["households"] if "weights" in name else None
    return fitted(frame["log_income"], effects, keys, weight, "county_id", "year")


@pytest.mark.parametrize("name", ["clubsandwich_no_fe", "clubsandwich_fe"])
def test_leverage_and_satterthwaite_are_those_of_clubsandwich(name: str) -> None:
    estimate = ours(name)
    for row in case("few")[name]["rows"]:
        if row["type"] in NOT_OFFERED:
            continue
        table = ek.infer(estimate, cluster="county_id", correction=row["type"], reference="satterthwaite").set_index("name")
        mine = table.loc[row["term"]]
        close(mine["std_error"], row["se"], 1e-9)
        close(mine["p_value"], row["p_satterthwaite"], 1e-7)
        spread = covariance(estimate, "county_id", row["type"], "satterthwaite")
        close(np.asarray(spread.degrees)[list(table.index).index(row["term"])], row["df_satterthwaite"], 1e-7)
        if "p_t_Gminus1" in row:
            with_t = ek.infer(estimate, cluster="county_id", correction=row["type"], reference="t").set_index("name")
            close(with_t.loc[row["term"], "p_value"], row["p_t_Gminus1"], 1e-7)
            close(mine[["conf_low", "conf_high"]], [row["ci_low"], row["ci_high"]], 1e-7)


@pytest.mark.parametrize("name", ["clubsandwich_no_fe", "clubsandwich_fe"])
def test_the_joint_test_is_the_approximate_hotelling_of_clubsandwich(name: str) -> None:
    both = ours(name).select(name=["treated", "x"])
    for row in case("few")[name]["wald_HTZ_treated_and_x_rows"]:
        if row["type"] not in ("CR2", "CR3"):
            continue  # without leverage: the next test
        joint = ek.wald(both, "county_id", row["type"])
        close(joint.statistic, row["F"], 1e-8)
        close(joint.p_value, row["p"], 1e-7)
        assert joint.distribution == f"F({row['df_num']}, {row['df_denom']:g})"


@pytest.mark.parametrize("name", ["clubsandwich_no_fe", "clubsandwich_fe"])
def test_without_leverage_the_joint_test_has_degrees_of_its_own(name: str) -> None:
    both = ours(name).select(name=["treated", "x"])
    fit = both.facts.regression.fit
    parts = fit.parts(fit.labels("county_id")[0], 10)
    row = next(r for r in case("few")[name]["wald_HTZ_treated_and_x_rows"] if r["type"] == "CR0")
    close(hotelling_degrees(adjusted(parts, fit.bread, both.facts.regression.shown, "CR0")) - 1, row["df_denom"], 1e-7)


def under_equal_variances(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, cluster: np.ndarray, kind: str, j: int
) -> tuple[float, float]:
    """Return CR0 or CR2 of coefficient j and its degrees as clubSandwich has them by default for weights: errors of equal variances.

    Residuals are (I - H) e with H = X (X'WX)^- X'W, not symmetric; those of a cluster have the variance B_g B_g' with B_g the rows of
    I - H, whose inverse root adjusts them.
    """
    A = np.linalg.pinv(X.T @ (w[:, None] * X))
    maker = np.eye(len(X)) - X @ A @ (X * w[:, None]).T
    vectors, influence = [], []
    for g in np.unique(cluster):
        rows = cluster == g
        adjust = np.eye(rows.sum())
        if kind == "CR2":
            values, turned = np.linalg.eigh(maker[rows] @ maker[rows].T)
            kept = values > 1e-9
            adjust = (turned[:, kept] / np.sqrt(values[kept])) @ turned[:, kept].T
        weights = adjust @ (w[rows, None] * X[rows]) @ A[j]
        vectors.append(maker[rows].T @ weights)
        influence.append((maker[rows] @ y) @ weights)
    P = np.array(vectors) @ np.array(vectors).T
    return float(np.sqrt(np.sum(np.square(influence)))), float(np.trace(P) ** 2 / (P**2).sum())


def test_with_weights_the_default_of_clubsandwich_assumes_equal_variances_and_ours_inverse_ones() -> None:
    frame, estimate = own("few"), ours("clubsandwich_weights")
    X = np.column_stack([frame["treated"], frame["x"], pd.get_dummies(frame["county_id"]), pd.get_dummies(frame["year"])]).astype(
        float
    )
    y, w, county = (frame[c].to_numpy(float) for c in ("log_income", "households", "county_id"))
    for row in case("few")["clubsandwich_weights"]["rows"]:
        j = ["treated", "x"].index(row["term"])
        mine = covariance(estimate, "county_id", row["type"], "satterthwaite").std_error[j]
        if row["type"] != "CR2":
            close(mine, row["se"], 1e-8)
        error, degrees = under_equal_variances(X, y, w, county, "CR2" if row["type"] == "CR2" else "CR0", j)
        close(degrees, row["df_satterthwaite"], 1e-6)
        if row["type"] == "CR2":
            close(error, row["se"], 1e-7)
            assert mine == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize("name", ["summclust_no_fe", "summclust_fe", "hand_jackknife_CV3"])
def test_the_jackknife_over_counties_is_that_of_summclust(name: str) -> None:
    recorded = case("few")[name]
    model = "no_fe" if "no_fe" in name else "fe"
    estimate, G = ours(model), 10
    without = pd.DataFrame(recorded["jackknife_rows"]).set_index("county_id")[["treated", "x"]]
    spread = covariance(estimate, "county_id", "CR3", "t")
    for j, row in enumerate(recorded["rows"][:2]):
        # CRV3 is (G-1)/G times CR3; with effects absorbed too, because CR3 leaves out a county with its own dummy.
        value = row.get("se", row.get("cv3_se"))
        close(spread.std_error[j] * np.sqrt((G - 1) / G), value, 1e-8)
        close(np.sqrt(((without.iloc[:, j] - estimate.theta[j]) ** 2).sum() * (G - 1) / G), value, 1e-8)


def test_replaying_without_each_county_gives_the_same_jackknife() -> None:
    """On a design (unit effects of villages, which the regression of county dummies in R does not have) CRV3 is (G-1)/G CR3."""
    frame = own("few")
    frame = frame.assign(first=np.where(frame["treated_county"] == 1, frame.loc[frame["post"] == 1, "year"].min(), 0))
    panel = ek.Panel(frame, "village_id", "year", ["county_id"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first", never=0), "log_income", unbalanced="pairwise")
    again = covariance(replay(ek.TwoWay(), design, "county_id")).std_error[0]
    close(again, covariance(ek.TwoWay()(design), "county_id", "CR3").std_error[0] * np.sqrt(9 / 10), 1e-8)


def test_sandwich_of_r_in_one_and_two_ways() -> None:
    estimate = ours("no_fe")
    G = 10
    made = {
        "vcovCL_HC0_no_adjust": covariance(estimate, "county_id", "CR0").std_error,
        "vcovCL_HC1": covariance(estimate, "county_id", "CR1S").std_error,
        "vcovCL_HC2": covariance(estimate, "county_id", "CR2").std_error * np.sqrt(G / (G - 1)),
        "vcovCL_HC3": covariance(estimate, "county_id", "CR3").std_error * np.sqrt(G / (G - 1)),
    }
    names = estimate.cells["name"].tolist()
    seen = set()
    for row in case("few")["sandwich_no_fe"]["rows"]:
        seen.add(row["vcov"])
        if row["vcov"] in made:
            close(made[row["vcov"]][names.index(row["term"])], row["se"], 1e-8)
    assert seen - set(made) == {"twoway_county_year_HC1"}


def test_a_two_way_variance_that_r_leaves_negative_is_set_to_zero_here() -> None:
    estimate = ours("no_fe")
    spread = covariance(estimate, ("county_id", "year"), "CR1S")
    names = estimate.cells["name"].tolist()
    rows = {r["term"]: r["se"] for r in case("few")["sandwich_no_fe"]["rows"] if r["vcov"] == "twoway_county_year_HC1"}
    assert rows["treated"] is None and np.isfinite(spread.std_error[names.index("treated")])


def test_every_recorded_result_is_compared_somewhere() -> None:
    here = {"clubsandwich_no_fe", "clubsandwich_fe", "clubsandwich_weights", "summclust_no_fe", "summclust_fe"}
    assert set(case("few")) - ELSEWHERE == here | {"hand_jackknife_CV3", "sandwich_no_fe"}


FOLDER = "08_clubsandwich_few_clusters"


@lru_cache
def theirs(model: str) -> ek.Estimate:
    frame = third_party(f"{FOLDER}/data.csv")
    names = {"x": frame["x"], "treat": frame["treat"]}
    keys = frame[["g", "t"]]
    if model == "lm_no_fe":
        return fitted(frame["y"], {"(Intercept)": np.ones(len(frame))} | names, keys)
    if model == "plm_within_id_cluster_g":
        return fitted(frame["y"], names, frame[["id", "g"]], absorbed="id")
    return fitted(frame["y"], names, keys, frame["w"] if model == "lm_weighted_invvar" else None, "g", "t")


@needs(FOLDER)
@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2"])
def test_the_weighted_example_has_the_same_errors_once_its_working_model_is_taken(kind: str) -> None:
    recorded = third_party(f"{FOLDER}/expected.json")["results"]["lm_weighted_invvar"][kind]["satterthwaite"]
    frame, estimate = third_party(f"{FOLDER}/data.csv"), theirs("lm_weighted_invvar")
    X = np.column_stack([frame["x"], frame["treat"], pd.get_dummies(frame["g"]), pd.get_dummies(frame["t"])]).astype(float)
    for j, term in enumerate(("x", "treat")):
        at = recorded["Coef"].index(term)
        if kind != "CR2":
            close(covariance(estimate, "g", kind, "t").std_error[j], recorded["SE"][at], SPREAD)
        error, degrees = under_equal_variances(
            X, frame["y"].to_numpy(), frame["w"].to_numpy(), frame["g"].to_numpy(), "CR2" if kind == "CR2" else "CR0", j
        )
        close(degrees, recorded["df_Satt"][at], SPREAD)
        if kind == "CR2":
            close(error, recorded["SE"][at], SPREAD)


@needs(FOLDER)
@pytest.mark.parametrize("model", ["lm_no_fe", "lm_fe_dummies", "plm_within_id_cluster_g"])
@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_the_published_example_has_the_same_errors_and_degrees(model: str, kind: str) -> None:
    recorded = third_party(f"{FOLDER}/expected.json")["results"][model]
    if "error" in recorded[kind]:
        assert kind == "CR3" and model != "lm_no_fe"  # with dummies of the clusters R's CR3 does not exist: I - H is singular
        return
    told = recorded[kind].get("satterthwaite", recorded[kind])
    estimate = theirs(model)
    # plm's models count slopes only; a regression on dummies counts them too.
    factor = SmallSample("slopes") if (kind, model) == ("CR1S", "plm_within_id_cluster_g") else kind
    spread = covariance(estimate, "g", factor, "satterthwaite")
    names = estimate.cells["name"].tolist()
    for term, error, degrees in zip(told["Coef"], told["SE"], told["df_Satt"], strict=True):
        if term in names:
            close(spread.std_error[names.index(term)], error, SPREAD)
            close(np.asarray(spread.degrees)[names.index(term)], degrees, SPREAD)
    if kind == "CR2" and "wald_HTZ" in recorded[kind]:
        joint = ek.wald(estimate.select(name=["x", "treat"]), "g", "CR2")
        close([joint.statistic, joint.p_value], [recorded[kind]["wald_HTZ"][k] for k in ("Fstat", "p_val")], 1e-6)
