"""Group-time effects are those of R's did 2.5.1 on the county employment data that ship with it (kept outside)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import r_conventions
from recorded import AGGREGATES, COMPARISON, ESTIMATE, SPREAD, close, design, needs, third_party, without_never_treated
from scipy.stats import norm

import evalkit as ek
from evalkit.inference.bootstrap import multiplier_draws, uniform_critical_value
from evalkit.inference.linear import covariance
from evalkit.kernels import doubly_robust as kernel

FOLDER = "01_did_mpdta"
pytestmark = [needs(FOLDER), pytest.mark.slow]


@lru_cache
def cases() -> dict[str, dict[str, Any]]:
    """Return both files of recorded cases, by a name made of their arguments."""
    named: dict[str, dict[str, Any]] = {}
    for file in ("expected", "expected_variants"):
        recorded = third_party(f"{FOLDER}/{file}.json") or {"cases": []}
        for case in recorded["cases"]:
            args = case["args"]
            words = [case.get("variant", "panel"), *(str(args[k]) for k in ("est_method", "control_group") if k in args)]
            words += [str(args.get("base_period", "varying")), args.get("xformla", "~1").replace("~", "x=")]
            words += ["anticipation"] * bool(args.get("anticipation"))
            assert "-".join(words) not in named
            named["-".join(words)] = case
    return named


def has_logit(case: dict[str, Any]) -> bool:
    return case["args"].get("xformla", "~1") != "~1" and case["args"].get("est_method", "dr") != "reg"


def tolerance(case: dict[str, Any], usual: float) -> float:
    # R's logit stops at a deviance change of 1e-8, ours goes on: 1e-7 where a propensity is fitted (see r_conventions).
    return max(usual, 1e-7) if has_logit(case) else usual


@lru_cache
def estimate(name: str) -> ek.Estimate:
    """Return our estimate; where R uses drdid_rc, with the sign of one term as R has it."""
    case = cases()[name]
    args, variant = case["args"], case.get("variant", "panel")
    frame = third_party(f"{FOLDER}/{case.get('datafile', 'data.csv')}")
    if variant == "no_never_treated" and args["control_group"] == "nevertreated":
        frame = without_never_treated(frame, "first.treat", "year")
    chosen = design(
        frame,
        "countyreal" if args.get("panel", True) else None,
        "year",
        "first.treat",
        "lemp",
        clusters=["cl"] if "clustervars" in args else (),
        weight=args.get("weightsname"),
        covariates=["lpop"] if args.get("xformla", "~1") == "~lpop" else (),
        comparison=COMPARISON[args.get("control_group", "nevertreated")],
        base=args.get("base_period", "varying"),
        anticipation=args.get("anticipation", 0),
        unbalanced={None: None, True: "repeated_cross_section", False: "drop_units"}[args.get("allow_unbalanced_panel")],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "doubly_robust_cross_section", r_conventions.drdid_rc)
        return ek.GroupTime(args.get("est_method", "dr"))(chosen)


def cluster(name: str) -> str | None:
    return cases()[name]["args"].get("clustervars")


def theirs(name: str) -> dict[str, np.ndarray]:
    return {k: np.array(v, dtype=float) for k, v in cases()[name]["att_gt"].items() if v is not None}


@pytest.mark.parametrize("name", cases())
def test_every_cell_and_its_standard_error_is_that_of_did(name: str) -> None:
    table, recorded = ek.infer(estimate(name), cluster=cluster(name)), theirs(name)
    table = table[table["kind"] == "group_time"]
    close(table["cohort"], recorded["group"])
    close(table["period"], recorded["t"])
    close(table["estimate"], recorded["att"], tolerance(cases()[name], ESTIMATE))
    close(table["std_error"], recorded["se"], tolerance(cases()[name], SPREAD))


@pytest.mark.parametrize("name", [name for name, case in cases().items() if "V" in case["att_gt"]])
def test_the_whole_covariance_of_the_cells_is_that_of_did(name: str) -> None:
    recorded, cells = theirs(name), estimate(name).select(kind="group_time")
    # did reports the covariance of sqrt(n) times the estimates; elements near zero are compared with the diagonal.
    matrix = covariance(cells, cluster(name)).matrix * recorded["n"]
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    scale[scale == 0] = 1
    np.testing.assert_allclose(matrix / scale, recorded["V"] / scale, atol=2 * tolerance(cases()[name], SPREAD))


@pytest.mark.parametrize("name", [name for name, case in cases().items() if case["att_gt"].get("pretest_W") is not None])
def test_the_wald_test_of_all_effects_before_treatment_is_that_of_did(name: str) -> None:
    cells, recorded = estimate(name), theirs(name)
    test = ek.wald(cells.select(np.array(cells.cells["event_time"] < 0), kind="group_time"), cluster=cluster(name))
    close(test.statistic, recorded["pretest_W"], tolerance(cases()[name], SPREAD))
    assert round(test.p_value, 5) == pytest.approx(recorded["pretest_p"], abs=1.1e-5)  # did rounds to five digits


# Aggregates are the same function of the cells whatever their method: the others are left to the whole run.
QUICK = ("dr-", "clustered", "alpha")
AVERAGED = [
    pytest.param(name, marks=[] if any(word in name for word in QUICK) else pytest.mark.slow)
    for name, case in cases().items()
    if "aggte" in case
]


@pytest.mark.parametrize("name", AVERAGED)
def test_every_aggregate_and_its_standard_error_is_that_of_did(name: str) -> None:
    case = cases()[name]
    for kind, recorded in case["aggte"].items():
        by = AGGREGATES[kind]
        ours = ek.aggregate(estimate(name), **by)
        spread = np.where(ours.cells["reference"], np.nan, covariance(ours, cluster(name)).std_error)
        close(ours.theta[-1], recorded["overall_att"], tolerance(case, ESTIMATE))
        close(spread[-1], recorded["overall_se"], tolerance(case, SPREAD))
        if "egt" in recorded:
            close(ours.cells[by["by"]][:-1], np.atleast_1d(recorded["egt"]))
            close(ours.theta[:-1], np.atleast_1d(recorded["att_egt"]), tolerance(case, ESTIMATE))
            close(spread[:-1], np.array(np.atleast_1d(recorded["se_egt"]), float), tolerance(case, SPREAD))


def test_influence_functions_are_those_of_did_county_by_county() -> None:
    recorded = third_party(f"{FOLDER}/inffunc_dr_nevertreated_lpop.csv").set_index("countyreal")
    ours = estimate("panel-dr-nevertreated-varying-x=lpop").select(kind="group_time")
    frame = pd.DataFrame(ours.psi, index=ours.rows["countyreal"]).loc[recorded.index]
    assert [f"g{g:.0f}_t{t:.0f}" for g, t in ours.cells[["cohort", "period"]].to_numpy()] == list(recorded.columns)
    # 1e-7 where a propensity is fitted; the influence of an average county is one tenth.
    np.testing.assert_allclose(frame, recorded, rtol=1e-7, atol=1e-8)


def bootstrap_error(draws: np.ndarray) -> np.ndarray:
    """Return did's standard error of draws: the interquartile range over that of a standard normal."""
    return np.subtract(*np.quantile(draws, [0.75, 0.25], axis=0)) / np.subtract(*norm.ppf([0.75, 0.25]))


BOOTSTRAPPED = "panel-reg-nevertreated-varying-x=1"


def shown(by: str) -> ek.Estimate:
    cells = estimate(BOOTSTRAPPED)
    return cells.select(kind="group_time") if by == "att_gt" else ek.aggregate(cells, "event_time").select(kind="event_time")


@pytest.mark.parametrize("by", ["att_gt", "dynamic"])
def test_random_signs_have_the_spread_and_the_critical_value_of_did(by: str) -> None:
    """The file calls its draws Mammen's; Rademacher's signs reproduce them, Mammen's are off by 4% and by 22% below."""
    recorded = third_party(f"{FOLDER}/expected_bootstrap_seeded.json")[by]
    draws = multiplier_draws(shown(by), draws=25_000, seed=42)
    error = bootstrap_error(draws)
    # Two bootstraps of 25,000 draws: an interquartile range is known to 0.8%, the difference of two to 1.1%.
    np.testing.assert_allclose(error, recorded["se"], rtol=0.04)
    assert np.mean(error / recorded["se"]) == pytest.approx(1, abs=0.01)
    critical = np.quantile(np.abs(draws / error).max(axis=1), 0.95)
    np.testing.assert_allclose(critical, recorded["crit_val"], rtol=0.02)


@pytest.mark.parametrize("by", ["att_gt", "dynamic"])
def test_the_uniform_band_is_as_wide_as_that_of_did(by: str) -> None:
    recorded = third_party(f"{FOLDER}/expected_bootstrap_seeded.json")[by]
    spread = covariance(shown(by))
    critical = uniform_critical_value(spread.matrix, 0.95, 99_999, seed=1)
    # Random signs of a cohort of 20 counties are not Gaussian: did's standard errors are up to 6% larger than the analytic
    # ones and its critical value 6% smaller; the half-widths differ by no more.
    np.testing.assert_allclose(critical * spread.std_error, np.array(recorded["se"]) * recorded["crit_val"], rtol=0.07)


def test_clustered_random_signs_have_the_spread_of_did_clustered_by_state() -> None:
    recorded = third_party(f"{FOLDER}/expected_bootstrap_seeded.json")["clustered_by_state"]
    cells = estimate("clustered_state_analytic-reg-nevertreated-varying-x=1").select(kind="group_time")
    error = bootstrap_error(multiplier_draws(cells, draws=25_000, seed=42, cluster="cl"))
    # 29 states: the signs of a few large sums make the draws lumpy, and their quartiles uncertain by up to 2% each.
    np.testing.assert_allclose(error, recorded["se"], rtol=0.05)
    assert np.mean(error / recorded["se"]) == pytest.approx(1, abs=0.015)


def test_nothing_recorded_is_left_out() -> None:
    assert len(cases()) == 48 + 93
    assert {kind for case in cases().values() for kind in case.get("aggte", {})} <= set(AGGREGATES)
