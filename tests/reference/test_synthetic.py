"""Synthetic difference-in-differences, synthetic controls and their jackknife are those of R's synthdid 0.0.9.

The README allows 1e-5 for estimates and 1e-4 for weights, because R stops its search before the optimum. The search is the same here,
step by step, so that everything agrees to rounding; a synthetic control's penalty is so small that rounding grows to 1e-10.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import SPREAD, case, close, needs, own, third_party

import evalkit as ek
from evalkit.donors import against_donors
from evalkit.estimators.synthetic import Synthetic
from evalkit.inference.replay import placebo

FORMS = {"sdid": "synthdid", "sc": "synthetic_control", "did": "did"}
WEIGHT = 1e-9  # absolute
PROP99 = "04_synthdid_prop99"

RECORDED = case("synth")
FITS = [name for name in RECORDED if name.split("_", 1)[1] in FORMS]
PLACEBOS = [name for name in RECORDED if "placebo_each_donor" in name]
COVARIATES = [name for name in RECORDED if name.endswith("covariate")]


def designed(frame: pd.DataFrame, unit: str, period: str, outcome: str, **choices: Any) -> ek.Design:
    """Return a design from a 0/1 treatment, as R's panel.matrices reads it."""
    panel = ek.Panel(frame, unit=unit, period=period)
    return ek.Design(panel, ek.Rollout.from_status(panel, "treated"), outcome, **choices)


@lru_cache
def counties(data: str, *covariates: str) -> ek.Design:
    return designed(own(data), "county", "year", "log_income", covariates=covariates)


@lru_cache
def states(*treated: str, covariate: bool = False) -> ek.Design:
    frame = third_party(f"{PROP99}/data.csv")
    if treated:
        frame = frame.assign(treated=(frame["State"].isin(treated) & (frame["Year"] >= 1989)).astype(int))
    if covariate:
        # Rows as in Y_matrix.csv, whose first column is the state and whose others are the years.
        years = third_party(f"{PROP99}/Y_matrix.csv")
        X = third_party(f"{PROP99}/X_cov.csv").set_axis(years.columns[1:].astype(int), axis=1).set_index(years["unit"])
        long = X.rename_axis("State").melt(var_name="Year", value_name="x", ignore_index=False).reset_index()
        frame = frame.merge(long.astype({"Year": int}), on=["State", "Year"])
    return designed(frame, "State", "Year", "PacksPerCapita", covariates=["x"] if covariate else [])


def average(design: ek.Design, form: str) -> ek.Estimate:
    return ek.aggregate(Synthetic(form)(design), "overall")


def curve(design: ek.Design, form: str) -> np.ndarray:
    cells = Synthetic(form)(design).select(kind="group_time")
    return cells.theta[cells.cells["event_time"] >= 0]


def weights(design: ek.Design, form: str, kind: str) -> pd.Series:
    table = Synthetic(form).weights(design)
    return table[table["kind"] == kind].set_index("label")["weight"].rename_axis(None)


def jackknife(design: ek.Design, form: str) -> float:
    return float(ek.infer(average(design, form), correction="clusters")["std_error"].iloc[0])


@pytest.mark.parametrize("name", FITS)
def test_effects_and_their_path_are_rs(name: str) -> None:
    result, form = RECORDED[name], FORMS[name.split("_", 1)[1]]
    close(average(counties(result["data"]), form).theta, [result["rows"][0]["estimate"]])
    close(curve(counties(result["data"]), form), [row["effect"] for row in result["effect_curve_rows"]])


@pytest.mark.parametrize("name", FITS)
def test_weights_of_donors_and_of_years_are_rs(name: str) -> None:
    result, form = RECORDED[name], FORMS[name.split("_", 1)[1]]
    recorded = pd.DataFrame(result["weights_rows"])
    for kind, letter in (("unit", "omega"), ("period", "lambda")):
        ours, theirs = weights(counties(result["data"]), form, kind), recorded[recorded["kind"] == letter]
        assert [str(label) for label in ours.index] == list(theirs["label"])
        np.testing.assert_allclose(ours, theirs["weight"], atol=WEIGHT)


MOVED = {"single_sdid": 0.0018, "block_sdid": -0.00005, "single_sc": 0.1942, "block_sc": 0.0058}


@pytest.mark.parametrize("name", MOVED)
def test_the_exact_minimum_lies_from_where_r_stops_as_far_as_the_docstring_says(name: str) -> None:
    design = counties(RECORDED[name]["data"])
    exact = ek.aggregate(Synthetic(FORMS[name.split("_")[1]], solver="exact")(design)).theta[0]
    assert exact / RECORDED[name]["rows"][0]["estimate"] - 1 == pytest.approx(MOVED[name], abs=1e-4)


@pytest.mark.parametrize("name", [name for name in FITS if "jackknife_se" in RECORDED[name]])
def test_the_error_is_rs_jackknife_with_the_weights_held(name: str) -> None:
    result = RECORDED[name]
    close(jackknife(counties(result["data"]), FORMS[name.split("_", 1)[1]]), result["jackknife_se"], SPREAD)


@pytest.mark.parametrize("name", COVARIATES)
def test_a_covariate_enters_by_rs_joint_search(name: str) -> None:
    design = counties(RECORDED[name]["data"], "rainfall")
    close(average(design, "synthdid").theta, [RECORDED[name]["rows"][0]["estimate"]])


@pytest.mark.parametrize("name", PLACEBOS)
def test_each_donor_treated_on_paper_has_rs_effect(name: str) -> None:
    rows = pd.DataFrame(RECORDED[name]["rows"])
    design = counties(RECORDED[name]["data"])
    treated = design.units[np.isfinite(design.cohort)][0]
    result = against_donors(design, treated, FORMS[name.rsplit("_", 1)[1]])
    assert list(result.placebos["unit"]) == list(rows["unit"])
    close(result.placebos["effect"], rows["estimate"], tolerance=1e-7)


def test_placebo_errors_are_rs_up_to_the_draws_of_another_generator() -> None:
    """R drew 60 sets of four: the standard error of a standard deviation from 60 draws is 9 per cent."""
    found = placebo(lambda d: average(d, "did"), counties("block"), draws=400, seed=1)
    ours = ek.infer(found.estimate)["std_error"].iloc[0]
    close(ours, RECORDED["block_did"]["placebo_se_seed_2024_reps_60"], tolerance=0.3)


def test_with_one_treated_county_r_draws_among_the_placebos_that_are_all_made_here() -> None:
    found = placebo(lambda d: average(d, "did"), counties("single"))
    every = [row["estimate"] for row in RECORDED["single_placebo_each_donor_did"]["rows"]]
    close(found.draws[:, 0], every)
    close(ek.infer(found.estimate)["std_error"].iloc[0], np.std(every))


def test_every_recorded_result_is_matched() -> None:
    assert set(FITS) | set(PLACEBOS) | set(COVARIATES) == set(RECORDED)
    recorded = third_party(f"{PROP99}/expected.json")
    if recorded:
        parts = {"results", "five_treated_last5rows", "placebo_each_control_sdid", "sdid_with_covariate_X"}
        assert set(recorded) - {"package", "call"} == parts


@needs(PROP99)
@pytest.mark.parametrize("form", FORMS)
def test_californias_tobacco_programme_has_rs_effect_weights_and_path(form: str) -> None:
    recorded = third_party(f"{PROP99}/expected.json")["results"][form]
    close(average(states(), FORMS[form]).theta, [recorded["estimate"]])
    close(curve(states(), FORMS[form]), recorded["curve"])
    np.testing.assert_allclose(weights(states(), FORMS[form], "unit"), recorded["omega"], atol=WEIGHT)
    np.testing.assert_allclose(weights(states(), FORMS[form], "period"), recorded["lambda"], atol=WEIGHT)


@needs(PROP99)
@pytest.mark.parametrize("form", FORMS)
def test_five_treated_states_have_rs_effect_weights_and_jackknife(form: str) -> None:
    last = list(third_party(f"{PROP99}/Y_matrix.csv")["unit"].iloc[-5:])
    name = {"sdid": "synthdid"}.get(form, form)
    recorded = third_party(f"{PROP99}/expected.json")["five_treated_last5rows"][f"{name}_estimate"]
    design = states(*last)
    close(average(design, FORMS[form]).theta, [recorded["estimate"]])
    close(jackknife(design, FORMS[form]), recorded["se_jackknife"], SPREAD)
    np.testing.assert_allclose(weights(design, FORMS[form], "unit"), recorded["omega"], atol=WEIGHT)
    np.testing.assert_allclose(weights(design, FORMS[form], "period"), recorded["lambda"], atol=WEIGHT)


@needs(PROP99)
@pytest.mark.parametrize(("form", "moved"), [("sdid", 0.0001), ("sc", -0.0054)])
def test_californias_effect_moves_little_at_the_exact_minimum(form: str, moved: float) -> None:
    recorded = third_party(f"{PROP99}/expected.json")["results"][form]["estimate"]
    exact = ek.aggregate(Synthetic(FORMS[form], solver="exact")(states())).theta[0]
    assert exact / recorded - 1 == pytest.approx(moved, abs=1e-4)


@needs(PROP99)
def test_each_state_treated_on_paper_has_rs_effect() -> None:
    recorded = third_party(f"{PROP99}/expected.json")["placebo_each_control_sdid"]
    close(against_donors(states(), "California").placebos["effect"], recorded, tolerance=1e-7)


@needs(PROP99)
def test_a_covariate_of_noise_enters_california_by_rs_joint_search() -> None:
    recorded = third_party(f"{PROP99}/expected.json")["sdid_with_covariate_X"]
    close(average(states(covariate=True), "synthdid").theta, [recorded["estimate"]])
