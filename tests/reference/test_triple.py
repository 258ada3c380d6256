"""Triple differences are those of R's triplediff 0.2.4: two periods and many, covariates, weights, repeated cross-sections, averages.

Differences of convention, each shown below: triplediff has n - 1 for n in two periods and where several comparison cohorts are averaged;
the influence of cohort shares on the average over cohorts is taken from the wrong cells there; its doubly robust
repeated cross-section has the influence function of DRDID's drdid_rc; its propensities stop at a deviance change of 1e-8.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import r_conventions
from recorded import COMPARISON, ESTIMATE, SPREAD, case, close, design, own

import evalkit as ek
from evalkit.estimators.triple_difference import TripleDifference
from evalkit.kernels import doubly_robust

RECORDED = {name: result for name, result in case("extra").items() if name.startswith("ddd_")}
REGRESSION = "ddd_threeway_regression"
TWO_PERIODS = [name for name in RECORDED if name.startswith("ddd_two_")]
STAGGERED = [name for name in RECORDED if name not in (*TWO_PERIODS, REGRESSION)]
AGGREGATES = {"simple": "overall", "eventstudy": "event_time", "group": "cohort", "calendar": "period"}


def tolerance(name: str) -> float:
    """Return 1e-8, and 1e-7 where a propensity is fitted: R's logit stops at a deviance change of 1e-8, ours goes on."""
    return ESTIMATE if "reg" in name or "nocov" in name else 1e-7


def ours(name: str, method: str | None = None, **choices: Any) -> ek.Estimate:
    """Return the estimate that answers a recorded call; cohorts are averaged by all their units, as triplediff does."""
    result = RECORDED[name]
    args = result["args"]
    frame = own(result["data"])
    frame = frame.assign(start=frame["first_treated"] if args["gname"] == "first_treated" else 2013 * frame["enabled"])
    unit = None if args.get("panel") == "FALSE" else "household_id"
    choices = {
        "covariates": args["covariates"],
        "comparison": COMPARISON[args.get("control_group", "nevertreated")],
        "base": args.get("base_period", "universal"),
        "weight": args.get("weights"),
        "clusters": ["village_id"],
    } | choices
    made = design(frame, unit, "year", "start", "log_income", **choices)
    return TripleDifference("eligible", method or args["est_method"], shares="cohort")(made)


@lru_cache
def estimate(name: str) -> ek.Estimate:
    return ours(name)


def std_error(estimate: ek.Estimate) -> np.ndarray:
    return ek.infer(estimate)["std_error"].to_numpy()


def of_r(estimate: ek.Estimate) -> np.ndarray:
    """Return the standard errors that R's sd() gives: n - 1 for n."""
    n = len(estimate.rows)
    return std_error(estimate) * np.sqrt(n / (n - 1))


@pytest.mark.parametrize("name", TWO_PERIODS)
def test_two_periods_and_their_standard_errors_are_those_of_triplediff(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubly_robust, "doubly_robust_cross_section", r_conventions.drdid_rc)
    found = ours(name).select(kind="group_time", event_time=0)
    theirs = RECORDED[name]["rows"][0]
    close(found.theta, theirs["att"], tolerance(name))
    close(of_r(found), theirs["se"], SPREAD)


@pytest.mark.parametrize("name", STAGGERED)
def test_every_cohort_and_period_is_that_of_triplediff(name: str) -> None:
    found, theirs = estimate(name).select(kind="group_time"), RECORDED[name]["rows"]
    keys = list(zip(found.cells["cohort"], found.cells["period"], strict=True))
    assert keys == [(row["group"], row["t"]) for row in theirs]
    close(found.theta, [row["att"] for row in theirs], tolerance(name))
    noise, with_n_minus_one = std_error(found), of_r(found)
    for i, (cohort, period) in enumerate(keys):
        if theirs[i]["se"] is None:
            assert found.cells["reference"][i] and not found.psi[:, i].any()
            continue
        base = cohort - 1 if found.cells["reference"].any() or period >= cohort else period - 1
        pooled = "notyet" in name and cohort == 2013 and max(period, base) < 2015
        pooled |= "notyet" in name and cohort == 2015 and max(period, base) < 2013
        close(with_n_minus_one[i] if pooled else noise[i], theirs[i]["se"], SPREAD)


@pytest.mark.parametrize("name", STAGGERED)
@pytest.mark.parametrize("kind", AGGREGATES)
def test_averages_of_cells_are_those_of_triplediff(name: str, kind: str) -> None:
    by = AGGREGATES[kind]
    found = ek.aggregate(estimate(name), by)
    noise = std_error(found)
    for row in RECORDED[name]["aggregate_rows"]:
        if row["type"] != kind:
            continue
        at = len(found.theta) - 1 if row["key"] is None else int(np.flatnonzero(found.cells[by] == row["key"])[0])
        close(found.theta[at], row["estimate"], tolerance(name))
        if (kind, row["key"]) == ("group", None):
            close(average_over_cohorts_in_r(name), row["se"], SPREAD)
        elif row["se"] is not None:
            close(noise[at], row["se"], SPREAD)


def average_over_cohorts_in_r(name: str) -> float:
    """Return the standard error of the average over cohorts as triplediff has it.

    The influence of the share of cohort k is looked up in cell k instead: both of the first two cells are of the first cohort.
    """
    cells = estimate(name)
    share = (cells.cells["kind"] == "cohort_share").to_numpy()
    known = replace(cells, psi=np.where(share, 0.0, cells.psi))
    by_cohort = ek.aggregate(known, "cohort")
    p, effect, member = cells.theta[share], by_cohort.theta[:-1], cells.psi[:, share] + cells.theta[share]
    looked_up = member[:, [0, 0]] - p
    influence = looked_up / p.sum() - np.outer(looked_up.sum(axis=1), p) / p.sum() ** 2
    total = by_cohort.psi[:, -1] + influence @ effect
    return float(np.sqrt((total**2).sum()) / len(total))


@pytest.mark.parametrize("name", STAGGERED)
def test_the_right_influence_of_shares_on_the_average_over_cohorts_is_near_theirs(name: str) -> None:
    row = next(row for row in RECORDED[name]["aggregate_rows"] if (row["type"], row["key"]) == ("group", None))
    found = ek.aggregate(estimate(name), "cohort")
    close(std_error(found)[-1], row["se"], 1e-2)
    assert abs(std_error(found)[-1] / row["se"] - 1) > 1e-3


def test_the_influence_of_the_cross_section_is_the_kernels_own_and_near_theirs() -> None:
    name = "ddd_two_dr_cov_rc"
    found = estimate(name).select(kind="group_time", event_time=0)
    assert 1e-3 < abs(of_r(found)[0] / RECORDED[name]["rows"][0]["se"] - 1) < 2e-3


@pytest.mark.parametrize(
    "name", [name for name in RECORDED if "args" in RECORDED[name] and RECORDED[name]["args"].get("est_method")]
)
def test_with_the_stopping_rule_of_r_estimates_agree_to_rounding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubly_robust, "propensity", r_conventions.logit)
    found, theirs = ours(name), RECORDED[name]["rows"]
    after = found.select(kind="group_time", event_time=0) if name in TWO_PERIODS else found.select(kind="group_time")
    close(after.theta, [row["att"] for row in theirs], 1e-12)


def test_without_covariates_two_periods_are_the_threeway_regression() -> None:
    rows = {(row["model"], row["term"]): row for row in RECORDED[REGRESSION]["rows"]}
    found = estimate("ddd_two_dr_nocov").select(kind="group_time", event_time=0)
    term = "enabled:eligible:post"
    close(found.theta, rows["fe_cluster_village", term]["estimate"], ESTIMATE)
    close(found.theta, rows["ols_cluster_household", term]["estimate"], ESTIMATE)
    # fixest: (N-1)/(N-K) G/(G-1), with the eight means counted, over 344 households seen twice.
    households, rows_of_data = 344, 688
    factor = (rows_of_data - 1) / (rows_of_data - 8) * households / (households - 1)
    close(std_error(found)[0] * np.sqrt(factor), rows["ols_cluster_household", term]["se"], SPREAD)


def test_clustered_by_village_the_influence_is_that_of_the_regression_with_fixed_effects() -> None:
    row = next(row for row in RECORDED[REGRESSION]["rows"] if row["model"] == "fe_cluster_village")
    found = estimate("ddd_two_dr_nocov").select(kind="group_time", event_time=0)
    villages = own("triple_two")["village_id"].nunique()
    bare = ek.infer(found, cluster="village_id", correction="none")["std_error"][0]
    # Household effects are nested in villages. Counted: the coefficient, a constant, 4 - 1 effects of eligible x year, 4 - 1 of enabled x year.
    close(bare * np.sqrt((688 - 1) / (688 - 8) * villages / (villages - 1)), row["se"], SPREAD)


def test_every_recorded_result_is_compared() -> None:
    assert {*TWO_PERIODS, *STAGGERED, REGRESSION} == set(RECORDED)
    assert len(RECORDED) == 13
