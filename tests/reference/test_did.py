"""Group-time effects are those of R's did 2.5.1 on our own data: 59 results, their aggregates, pre-tests and influence."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import r_conventions
from recorded import AGGREGATES, COMPARISON, ESTIMATE, OWN, SPREAD, case, close, design, own, without_never_treated

import evalkit as ek
from evalkit.kernels import doubly_robust as kernel

BY_HAND = "hand_cluster_county_dr_nevertreated_varying_cov"
RECORDED = [name for name in case("did") if name != BY_HAND]


def arguments(name: str) -> dict[str, Any]:
    covariates = (args := case("did")[name]["args"])["covariates"]
    return args | {"covariates": [covariates] if isinstance(covariates, str) else covariates}


def is_cross_section(name: str) -> bool:
    return name.startswith("rc_") or "allow_unbalanced_panel = TRUE" in arguments(name)["other"]


def has_logit(name: str) -> bool:
    return bool(arguments(name)["covariates"]) and arguments(name)["est_method"] != "reg"


LOGITS = [name for name in RECORDED if has_logit(name)]


def cluster(name: str) -> str | None:
    if "clustervars" not in (other := arguments(name)["other"]):
        return None
    return other.split("clustervars = ")[1].split(",")[0]


def tolerance(name: str, usual: float) -> float:
    # R's logit stops at a deviance change of 1e-8, ours goes on: 1e-7 where a propensity is fitted (see r_conventions).
    return max(usual, 1e-7) if has_logit(name) else usual


def data(name: str) -> pd.DataFrame:
    frame = own(case("did")[name]["data"])
    if name.startswith("gap"):
        return frame[frame["year"] != 2013]
    if name.startswith("no_never_never"):
        return without_never_treated(frame, "first_treated", "year")
    return frame


def cells(name: str) -> ek.Estimate:
    args = arguments(name)
    chosen = design(
        data(name),
        None if name.startswith("rc_") else "village_id",
        "year",
        "first_treated",
        "log_income",
        clusters=["village_id", "county_id"] if name.startswith("rc_") else ["county_id"],
        weight=None if args["weights"] == "none" else args["weights"],
        covariates=args["covariates"],
        comparison=COMPARISON[args["control_group"]],
        base=args["base_period"],
        anticipation=args["anticipation"],
        unbalanced=None if "unbalanced" not in name else "repeated_cross_section" if is_cross_section(name) else "drop_units",
    )
    return ek.GroupTime(args["est_method"])(chosen)


@lru_cache
def estimate(name: str, logit_of_r: bool = False) -> ek.Estimate:
    """Return our estimate; where R uses drdid_rc, with the sign of one term as R has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "doubly_robust_cross_section", r_conventions.drdid_rc)
        if logit_of_r:
            patch.setattr(kernel, "propensity", r_conventions.logit)
        return cells(name)


def compare_cells(name: str, table: pd.DataFrame, estimates: float, spread: float) -> None:
    theirs = pd.DataFrame(case("did")[name]["rows"]).astype(float)
    ours = table[table["kind"] == "group_time"]
    assert list(zip(ours["cohort"], ours["period"], strict=True)) == list(zip(theirs["group"], theirs["t"], strict=True))
    close(ours["estimate"], theirs["att"], estimates)
    close(ours["std_error"], theirs["se"], spread)


def compare_aggregates(name: str, ours: ek.Estimate, estimates: float, spread: float) -> None:
    recorded = pd.DataFrame(case("did")[name]["aggte_rows"])
    for kind, theirs in recorded.groupby("type", sort=False):
        by = AGGREGATES[kind]
        table = ek.infer(ek.aggregate(ours, **by), cluster=cluster(name))
        if by["by"] != "overall":  # R puts the average first and leaves its key empty
            theirs = pd.concat([theirs[theirs["key"].notna()], theirs[theirs["key"].isna()]])
            close(table[by["by"]][:-1], theirs["key"][:-1].astype(float))
        close(table["estimate"], theirs["estimate"], estimates)
        close(table["std_error"], theirs["se"].astype(float), spread)


@pytest.mark.parametrize("name", RECORDED)
def test_every_cell_and_its_standard_error_is_that_of_did(name: str) -> None:
    table = ek.infer(estimate(name), cluster=cluster(name))
    compare_cells(name, table, tolerance(name, ESTIMATE), tolerance(name, SPREAD))


@pytest.mark.parametrize("name", RECORDED)
def test_every_aggregate_and_its_standard_error_is_that_of_did(name: str) -> None:
    compare_aggregates(name, estimate(name), tolerance(name, ESTIMATE), tolerance(name, SPREAD))


@pytest.mark.parametrize("name", LOGITS)
def test_with_the_stopping_rule_of_r_even_the_logits_agree_to_rounding(name: str) -> None:
    ours = estimate(name, logit_of_r=True)
    compare_cells(name, ek.infer(ours, cluster=cluster(name)), 1e-11, 1e-11)


@pytest.mark.parametrize("name", [name for name in RECORDED if "pretest_W" in case("did")[name]])
def test_the_wald_test_of_all_effects_before_treatment_is_that_of_did(name: str) -> None:
    recorded, ours = case("did")[name], estimate(name)
    before = ours.select(np.array(ours.cells["event_time"] < 0), kind="group_time")
    test = ek.wald(before, cluster=cluster(name))
    # did inverts the covariance of sqrt(n) ATT: a condition number of 1e3 costs three digits of the statistic.
    close(test.statistic, recorded["pretest_W"], tolerance(name, SPREAD))
    assert round(test.p_value, 5) == pytest.approx(recorded["pretest_p"], abs=1.1e-5)  # did rounds to five digits


def test_influence_functions_are_those_of_did_village_by_village() -> None:
    theirs = pd.read_csv(OWN / "did" / "inffunc_dr_nevertreated_varying_cov.csv.gz").set_index("village_id")
    ours = estimate("dr_nevertreated_varying_cov").select(kind="group_time")
    frame = pd.DataFrame(ours.psi, index=ours.rows["village_id"]).loc[theirs.index]
    names = [f"g{g:.0f}_t{t:.0f}" for g, t in ours.cells[["cohort", "period"]].to_numpy()]
    assert names == list(theirs.columns)
    np.testing.assert_allclose(frame, theirs, rtol=1e-9, atol=1e-10)  # the file has 13 significant digits


def test_clustered_errors_follow_by_hand_from_the_influence_functions() -> None:
    recorded, ours = case("did")[BY_HAND], estimate("dr_nevertreated_varying_cov")
    theirs = pd.DataFrame(recorded["rows"])
    close(ek.infer(ours.select(kind="group_time"))["std_error"], theirs["se_iid"], SPREAD)
    close(ek.infer(ours.select(kind="group_time"), cluster="county_id")["std_error"], theirs["se_cluster"], SPREAD)
    aggregates = pd.DataFrame(recorded["aggte_rows"])
    for kind, by in (("simple", "overall"), ("dynamic", "event_time")):
        table = ek.infer(ek.aggregate(ours, by).select(kind=by), cluster="county_id")
        rows = aggregates[aggregates["type"] == kind]
        close(table["estimate"], rows["estimate"], ESTIMATE)
        close(table["std_error"], rows["se"], SPREAD)


def test_nothing_recorded_is_left_out() -> None:
    assert len(RECORDED) + 1 == len(case("did")) == 59


def test_without_never_treated_units_the_never_treated_are_refused_where_did_swaps_in_the_last_cohort() -> None:
    frame = own("panel_no_never")
    with pytest.raises(ek.DesignError, match=r"no never-treated units.*comparison='not_yet_treated'.*2018"):
        design(frame, "village_id", "year", "first_treated", "log_income", comparison="never_treated")


@pytest.mark.parametrize("name", [name for name in LOGITS if is_cross_section(name) and "dr" in arguments(name)["est_method"]])
def test_the_one_sign_in_which_drdid_differs_is_needed_to_reproduce_it(name: str) -> None:
    ours, theirs = ek.infer(cells(name)), ek.infer(estimate(name))
    close(ours["estimate"], theirs["estimate"])
    after = (ours["kind"] == "group_time").to_numpy()
    assert np.abs(ours["std_error"] / theirs["std_error"] - 1)[after].max() > 1e-3
