"""The wild cluster bootstrap is that of R's fwildclusterboot 0.13.0, and its variants those of Python's wildboottest 0.3.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, case, close, needs, own, third_party

from evalkit.estimate import Absorbed, Estimate, Facts, cell_frame
from evalkit.inference.wild import wild_bootstrap
from evalkit.least_squares import LeastSquares, Regression, columns_without_means

# In standard errors. Our intervals end where the p-value steps past 5% (tests/inference/test_wild.py); fwildclusterboot's search stops
# near it: its own intervals of one model, found from two nulls, are 3e-4 standard errors apart.
SEARCH = 5e-4
EIGHT = "08_clubsandwich_few_clusters"
WILD = [name for name in case("few") if name.startswith(("wild", "boottest"))]


def regression(y: pd.Series, both: pd.DataFrame, others: list[Any], cluster: pd.Series, absorbed: bool) -> Estimate:
    """Return the coefficients of two columns beside others, with dummies of the clusters absorbed or not."""
    X = np.column_stack([both, *others]).astype(float)
    codes = pd.factorize(cluster)[0] if absorbed else None
    columns = columns_without_means(X, y.to_numpy(), cluster.to_frame(), codes)
    fit = LeastSquares(lambda: columns)
    psi = (columns.X * fit.residuals[:, None]) @ fit.bread[:, :2] * len(y)
    rows = pd.DataFrame({"observation": np.arange(len(y)), cluster.name: cluster})
    # R's lm counts every dummy: CR1S.
    effects = (Absorbed("cluster", cluster.nunique(), frozenset({str(cluster.name)})),) if absorbed else ()
    facts = Facts(len(y), X.shape[1], effects, "full", "t", regression=Regression(fit, np.eye(2)))
    return Estimate(fit.coefficients[:2], psi, cell_frame("covariate", 2, name=list(both)), rows, facts)


def dummies(values: pd.Series) -> np.ndarray:
    return np.asarray(values.to_numpy()[:, None] == np.unique(values)[1:], dtype=float)


def model(name: str) -> Estimate:
    """Return log income on treatment and x: with the county's group and the time (no_fe), or with counties absorbed and years (fe)."""
    frame = own("few")
    plain = [np.ones(len(frame)), frame["treated_county"], frame["post"]]
    others = plain if name == "no_fe" else [dummies(frame["year"])]
    return regression(frame["log_income"], frame[["treated", "x"]], others, frame["county_id"], name == "fe")


def simulated(name: str) -> Estimate:
    """Return y on treat and x of the third-party case, with a constant (nofe) or with clusters absorbed and periods (fe)."""
    frame = third_party(f"{EIGHT}/data.csv")
    others = [np.ones(len(frame))] if name == "nofe" else [dummies(frame["t"])]
    return regression(frame["y"], frame[["treat", "x"]], others, frame["g"], name == "fe")


def told(name: str, term: str = "treated", **choices: Any) -> pd.Series:
    wild = wild_bootstrap(model(name), cluster="county_id", terms=[["treated", "x"].index(term)], **choices)
    return wild.table.iloc[0]


@pytest.mark.parametrize(
    "row", case("few")["wild_enumerated_by_hand"]["rows"], ids=lambda r: f"{r['model']}-{r['term']}-{r['null']}-{r['impose_null']}"
)
def test_all_sets_of_signs_by_hand(row: dict[str, Any]) -> None:
    choices = {"null": row["null"], "restricted": row["impose_null"]}
    ours = told(row["model"], row["term"], **choices)
    close(ours[["estimate", "std_error", "t"]], [row["estimate"], row["se_CR1S"], row["t"]], SPREAD)
    close(ours["estimate"], row["estimate"], ESTIMATE)
    assert (ours["p_value"], ours["p_with_ties"]) == (row["p_greater"], row["p_greater_or_equal"])
    assert told(row["model"], row["term"], p_value="equal_tailed", **choices)["p_value"] == row["p_equal_tail"]
    assert (ours["draws"], ours["enumerated"], ours["treated_clusters"]) == (1024, True, 3 if row["term"] == "treated" else 10)


ENUMERATED = [name for name in WILD if "enum_" in name]


@pytest.mark.parametrize("name", ENUMERATED)
def test_boottest_with_all_sets_of_signs(name: str) -> None:
    row = case("few")[name]["rows"][0]
    choices = {
        "null": 0.05 if "r005" in name else 0.0,
        "restricted": "nonull" not in name,
        "p_value": "equal_tailed" if "equal_tailed" in name else "symmetric",
    }
    ours = told("no_fe" if name.endswith("no_fe") else "fe", **choices)
    close(ours["estimate"], row["estimate"], ESTIMATE)
    close(ours["t"], row["t"], SPREAD)
    assert ours["p_value"] == row["p"] and ours["draws"] == row["B"]
    ends = ours[["conf_low", "conf_high"]].astype(float)
    np.testing.assert_allclose(ends, [row["ci_low"], row["ci_high"]], atol=SEARCH * ours["std_error"], rtol=0)


@pytest.mark.parametrize("name", [name for name in WILD if "webb" in name])
def test_boottest_with_webb_weights_up_to_chance(name: str) -> None:
    """19,999 draws of another generator: p-values of .017 and .014 have errors of .001 on either side."""
    row = case("few")[name]["rows"][0]
    ours = told("no_fe" if name.endswith("no_fe") else "fe", weights="webb", draws=row["B"], seed=1)
    assert ours["p_value"] == pytest.approx(row["p"], abs=0.004)
    np.testing.assert_allclose(ours[["conf_low", "conf_high"]].astype(float), [row["ci_low"], row["ci_high"]], atol=0.005)


@needs(EIGHT)
@pytest.mark.parametrize("name", ["WCR_treat_nofe", "WCU_treat_nofe", "WCR_treat_fe", "WCU_treat_fe", "WCR_x_nofe"])
def test_eight_clusters_by_hand(name: str) -> None:
    theirs = third_party(f"{EIGHT}/expected.json")["results"]["wild_full_enum_rademacher_by_hand"][name]
    kind, term, effects = name.split("_")
    choices: dict[str, Any] = {"cluster": "g", "restricted": kind == "WCR", "terms": [["treat", "x"].index(term)]}
    ours = wild_bootstrap(simulated(effects), **choices).table.iloc[0]
    close(ours[["estimate", "std_error", "t"]], [theirs["est"], theirs["se_CR1"], theirs["t"]], SPREAD)
    assert (ours["p_value"], ours["p_with_ties"], ours["draws"]) == (theirs["p_sym_strict"], theirs["p_sym"], theirs["n_draws"])
    equal = wild_bootstrap(simulated(effects), p_value="equal_tailed", **choices).table.iloc[0]
    # Their loop counts some of the ties, as rounding falls.
    assert equal["p_value"] <= theirs["p_equaltail"] <= equal["p_with_ties"]


@needs(EIGHT)
@pytest.mark.parametrize("name", ["WCR_rademacher_nofe", "WCU_rademacher_nofe", "WCR_rademacher_fe", "WCR_webb_nofe_seeded"])
def test_boottest_on_eight_clusters(name: str) -> None:
    theirs = third_party(f"{EIGHT}/expected.json")["results"]["fwildclusterboot"][name]
    kind, weights, effects = name.split("_")[:3]
    ours = wild_bootstrap(
        simulated(effects), cluster="g", weights=weights, restricted=kind == "WCR", terms=[0], draws=99_999, seed=1
    ).table.iloc[0]
    close(ours["t"], theirs["t"], SPREAD)
    assert ours["p_value"] == pytest.approx(theirs["p"], abs=0.006 if weights == "webb" else 0)
    ends = ours[["conf_low", "conf_high"]].astype(float)
    # Between seeds the ends of Webb's interval differ by 0.1 standard errors: few draws are near them.
    np.testing.assert_allclose(ends, theirs["ci"], atol=(0.2 if weights == "webb" else SEARCH) * ours["std_error"], rtol=0)


# wildboottest 0.3.2 on the no_fe model, all 1,024 sets of signs: t, share beyond it, share with ties (both counted from its draws,
# because it breaks ties by rounding), and the hundredth largest |t*|. Its types 13 and 33 run only with numpy before 2.
VARIANTS = {
    ("treated", True, "C"): (5.254122272040096, 0.025390625, 0.02734375, 3.5305104779303473),
    ("treated", True, "S"): (5.254122272040096, 0.025390625, 0.025390625, 3.557199736105402),
    ("treated", True, "V"): (4.654541938748108, 0.025390625, 0.02734375, 3.079779936338091),
    ("treated", True, "B"): (4.654541938748108, 0.025390625, 0.025390625, 3.0479238679172718),
    ("treated", False, "C"): (5.254122272040096, 0.0, 0.0, 1.8497601277639715),
    ("treated", False, "S"): (5.254122272040096, 0.0, 0.0, 1.7929475548964655),
    ("treated", False, "V"): (4.654541938748108, 0.0, 0.0, 1.3445683508180357),
    ("treated", False, "B"): (4.654541938748108, 0.0, 0.0, 1.353251708588515),
    ("x", True, "C"): (-0.2536745012093997, 0.857421875, 0.859375, 1.549747094971195),
    ("x", True, "S"): (-0.2536745012093997, 0.873046875, 0.873046875, 1.520565317907832),
    ("x", True, "V"): (-0.23179074367600053, 0.861328125, 0.86328125, 1.3626914861160206),
    ("x", True, "B"): (-0.23179074367600053, 0.87109375, 0.87109375, 1.3269655058738823),
    ("x", False, "C"): (-0.2536745012093997, 0.849609375, 0.849609375, 1.6863202106482273),
    ("x", False, "S"): (-0.2536745012093997, 0.859375, 0.859375, 1.7545520045785696),
    ("x", False, "V"): (-0.23179074367600053, 0.8515625, 0.8515625, 1.4874389125117964),
    ("x", False, "B"): (-0.23179074367600053, 0.85546875, 0.85546875, 1.633959278324328),
}


@pytest.mark.parametrize("key", VARIANTS, ids=lambda key: f"{key[0]}-{'WCR' if key[1] else 'WCU'}-{key[2]}")
def test_the_variants_of_mackinnon_nielsen_and_webb(key: tuple[str, bool, str]) -> None:
    term, restricted, variant = key
    ours = wild_bootstrap(
        model("no_fe"), cluster="county_id", restricted=restricted, variant=variant, terms=[["treated", "x"].index(term)]
    )
    t, p_value, p_with_ties, hundredth = VARIANTS[key]
    row = ours.table.iloc[0]
    close(row["t"], t, SPREAD)
    assert (row["p_value"], row["p_with_ties"]) == (p_value, p_with_ties)
    close(np.sort(np.abs(ours.draws[:, 0]))[-100], hundredth, SPREAD)


def test_every_recorded_wild_bootstrap_is_compared() -> None:
    compared = ["wild_enumerated_by_hand", *ENUMERATED, *(name for name in WILD if "webb" in name)]
    assert sorted(compared) == sorted(WILD) and len(WILD) == 9


@needs(EIGHT)
def test_every_third_party_wild_bootstrap_is_compared() -> None:
    theirs = third_party(f"{EIGHT}/expected.json")["results"]
    assert sum(map(len, (theirs["wild_full_enum_rademacher_by_hand"], theirs["fwildclusterboot"]))) == 5 + 4 + 1  # and the version
