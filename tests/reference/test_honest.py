"""Honest bounds are those of R's HonestDiD 0.2.6, up to its grid and its simulated critical values, which are reproduced here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from recorded import case, close, needs, third_party
from scipy import special

from evalkit.inference.fixed_length import FixedLength, folded_normal_quantile, of_smoothness
from evalkit.inference.honest import Problem, breakdown
from evalkit.inference.moment_inequalities import confidence_set

Array = np.ndarray[Any, Any]

BC = "05_honestdid_BC"
METHOD = {"FLCI": "fixed length", "C-LF": "hybrid least favourable", "C-F": "hybrid fixed length", "Conditional": "conditional"}
# R's Delta -> our restriction, sign, direction.
DELTA = {
    "DeltaSD": ("smoothness", None, None),
    "DeltaRM": ("relative", None, None),
    "DeltaSDRM": ("smoothness relative", None, None),
    "DeltaSDPB": ("smoothness", "positive", None),
    "DeltaSDI": ("smoothness", None, "increasing"),
}
TARGET = {"e0": np.array([1.0, 0, 0, 0]), "avg": np.full(4, 0.25)}

INPUTS = ["fixest_input", "did_input"]
PLAIN = ["fixest_original_ci", "did_original_ci"]
DETAIL = ["fixest_FLCI_detail", "did_FLCI_detail"]
BOUNDS = [
    *(f"{name}_{rest}" for name in ("fixest", "did") for rest in ("SD_FLCI_e0", "SD_FLCI_avg", "SD_CLF_e0", "RM_CLF_e0")),
    "fixest_RM_CLF_avg",
    "fixest_RM_Conditional_e0",
]
ELSEWHERE = [f"{name}_pretrends_{rest}" for name in ("fixest", "did") for rest in ("slope", "power_slope_0.01", "power_slope_50")]

BC_BOUNDS = {
    "SD_FLCI_l1": "e0",
    "SD_FLCI_lavg": "avg",
    "RM_CLF_l1": "e0",
    "RM_Cond_l1": "e0",
    "SD_CLF_l1": "e0",
    "SD_CF_l1": "e0",
    "SD_Cond_l1": "e0",
    "SDRM_CLF": "e0",
    "RM_CLF_lavg": "avg",
    "SDPB_default_method": "e0",
    "SDM_increasing_default_method": "e0",
}
BC_NOT_OFFERED = {
    "delta_sd_bounds": "an upper bound of M from the leads alone: it would let the leads choose the restriction",
    "delta_sd_lower": "the lower bound of the same, which failed in R",
}

# R draws 1,000 maxima and takes their 99.5% quantile, which has a standard error of about 0.15; ours comes from 20,000.
CRITICAL_NOISE = 0.45
# R's folded normal quantiles come from a million draws with one seed; their error, in standard deviations of the estimator, is about
# 0.002 at 95% and 0.005 at 99.5%.
QUANTILE_NOISE = {0.95: 0.006, 0.995: 0.02}


@cache
def inputs(name: str) -> tuple[Array, Array]:
    recorded = case("honest")[f"{name}_input"]
    return np.array([row["betahat"] for row in recorded["rows"]]), np.array(recorded["sigma"])


@cache
def bc() -> tuple[Array, Array]:
    recorded = third_party(f"{BC}/expected.json")["inputs"]
    return np.array(recorded["betahat"]), np.array(recorded["sigma"])


def recorded_rows(name: str) -> list[dict[str, Any]]:
    """Return a result of the third-party folder as rows."""
    columns = third_party(f"{BC}/expected.json")[name]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def problem(data: tuple[Array, Array], target: str, row: dict[str, Any]) -> tuple[Problem, float]:
    restriction, sign, direction = DELTA[row["Delta"]]
    size = row["M"] if "M" in row else row["Mbar"]
    return Problem(*data, TARGET[target], restriction, sign, direction, METHOD[row["method"]]), float(size)


def grid_step(asked: Problem, size: float) -> float:
    """Return the step of R's grid of 1,000 values: 20 standard errors beyond the identified set, or over the first stage."""
    if asked.method == "hybrid fixed length":
        return 2 * asked.linear(size, 0.995).half_length / 999
    wide = 0.0
    if not asked.relative:  # the worst bias of a second difference of M at every period, a straight line taken out at the base
        T = len(asked.target)
        wide = size * float(asked.target @ (np.arange(1, T + 1) * np.arange(2, T + 2) / 2))
    return 2 * (wide + 20 * asked.std_error) / 999


def compare(asked: Problem, size: float, row: dict[str, Any]) -> None:
    if asked.method == "fixed length":
        compare_fixed(asked, asked.linear(size, 0.95), row)
        return
    step, edge = grid_step(asked, size), 20 * asked.std_error
    narrow, wide = between(asked, size)
    # R keeps the outermost accepted point of its grid, which lies inside the true end by at most one step.
    assert wide[0] - 1e-7 <= row["lb"] <= narrow[0] + step + 1e-7, (row, narrow, wide, step)
    if row["ub"] > edge * (1 - 1e-9) and asked.relative:
        assert wide[1] > edge  # R's grid ends here, and its interval is open
    else:
        assert narrow[1] - step - 1e-7 <= row["ub"] <= wide[1] + 1e-7, (row, narrow, wide, step)


def between(asked: Problem, size: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return our narrowest and widest ends as R's simulated critical values vary."""
    tests = asked.tests(size)
    if asked.method == "conditional":
        variants = [tests]
    elif asked.method == "hybrid least favourable":
        variants = [[replace(t, critical=t.critical + noise) for t in tests] for noise in (-CRITICAL_NOISE, 0.0, CRITICAL_NOISE)]
    else:
        spread = asked.linear(size, 0.995).deviation * QUANTILE_NOISE[0.995]
        variants = [[replace(t, half_length=t.half_length + noise) for t in tests] for noise in (-spread, 0.0, spread)]
    found = [ends for variant in variants if (ends := confidence_set(variant)) is not None]
    low, high = [ends[0] for ends in found], [ends[1] for ends in found]
    return (max(low), min(high)), (min(low), max(high))


def compare_fixed(asked: Problem, ours: FixedLength, row: dict[str, Any]) -> None:
    """Match the half length up to R's quantile, and the centre up to R's numerical optimum, whose half length is flat there."""
    half, centre = (row["ub"] - row["lb"]) / 2, (row["ub"] + row["lb"]) / 2
    assert abs(half - ours.half_length) < QUANTILE_NOISE[0.95] * ours.deviation
    assert abs(centre - ours.weights @ asked.beta) < 0.02 * ours.deviation


def test_every_recorded_result_is_matched_or_listed() -> None:
    assert set(case("honest")) == {*INPUTS, *PLAIN, *DETAIL, *BOUNDS, *ELSEWHERE}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_intervals(name: str) -> None:
    for row in case("honest")[name]["rows"]:
        asked = Problem(*inputs(name.split("_")[0]), TARGET[row["target"]], "drift", method="fixed length")
        close(asked.interval(0.0), [row["lb"], row["ub"]], 1e-9)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_on_our_own_paths(name: str) -> None:
    target = name.rsplit("_", 1)[1]
    for row in case("honest")[name]["rows"]:
        asked, size = problem(inputs(name.split("_")[0]), target, row)
        compare(asked, size, row)


@pytest.mark.parametrize("name", [name for name in BOUNDS if "RM_CLF" in name or "FLCI" in name])
def test_breakdowns_on_our_own_paths(name: str) -> None:
    """R's breakdown is the first size of its list whose interval holds zero; null if none does."""
    recorded = case("honest")[name]
    sizes = [row["M"] if "M" in row else row["Mbar"] for row in recorded["rows"]]
    first = recorded.get("breakdown_M", recorded.get("breakdown_Mbar"))
    asked, _ = problem(inputs(name.split("_")[0]), name.rsplit("_", 1)[1], recorded["rows"][0])
    ours = breakdown(asked.reaches_zero, 1.0 if asked.relative else asked.std_error)
    if first is None:
        assert ours > max(sizes)
    else:
        assert max(size for size in sizes if size < first) < ours <= first


@pytest.mark.parametrize("name", DETAIL)
def test_weights_are_at_least_as_good_as_those_r_found(name: str) -> None:
    recorded, (_, sigma) = case("honest")[name], inputs(name.split("_")[0])
    M, theirs = recorded["rows"][0]["M"], np.array(recorded["optimal_vec"])
    ours = of_smoothness(sigma, TARGET["e0"], M, 0.95)
    bends = np.array([theirs[0], 2 * theirs[0] + theirs[1], 3 * theirs[0] + 2 * theirs[1] + theirs[2]])
    deviation = np.sqrt(theirs @ sigma @ theirs)
    half = deviation * folded_normal_quantile(0.95, M * np.abs(bends).sum() / deviation)
    assert ours.half_length <= half * (1 + 1e-9)
    close(ours.half_length, half, 1e-4)  # R's optimum is numeric
    close(ours.weights, theirs, 0.05, floor=0.05)
    close(recorded["rows"][0]["half_length"], half, QUANTILE_NOISE[0.95])


@needs(BC)
def test_every_third_party_result_is_matched_or_listed() -> None:
    others = {"package", "inputs", "original", "flci_detail", "notes"}
    assert set(third_party(f"{BC}/expected.json")) == {*BC_BOUNDS, *BC_NOT_OFFERED, *others}


@needs(BC)
@pytest.mark.parametrize("name", list(BC_BOUNDS))
def test_bounds_on_the_restaurants(name: str) -> None:
    for row in recorded_rows(name):
        asked, size = problem(bc(), BC_BOUNDS[name], row)
        compare(asked, size, row)


@needs(BC)
def test_the_plain_interval_and_the_weights_of_the_restaurants() -> None:
    recorded = third_party(f"{BC}/expected.json")
    asked = Problem(*bc(), TARGET["e0"], "drift", method="fixed length")
    close(asked.interval(0.0), [recorded["original"]["lb"][0][0], recorded["original"]["ub"][0][0]], 1e-9)
    detail, ours = recorded["flci_detail"], of_smoothness(bc()[1], TARGET["e0"], 0.1, 0.95)
    close(ours.weights, detail["optimalVec"], 1e-6, floor=1e-6)
    close(ours.weights @ bc()[0], np.mean(detail["FLCI"]), 1e-8)


@needs(BC)
def test_one_error_of_a_simulated_quantile_explains_every_half_length_of_the_restaurants() -> None:
    """Far from zero bias R's 95% quantile is short by the same 0.0015 of 1.6449 at every M, as one seed makes it."""
    implied = []
    for row in recorded_rows("SD_FLCI_l1")[1:]:
        ours = of_smoothness(bc()[1], TARGET["e0"], row["M"], 0.95)
        implied.append(((row["ub"] - row["lb"]) / 2 - ours.bias) / ours.deviation)
    close(implied, implied[0], 1e-6)
    assert 0.001 < special.ndtri(0.95) - implied[0] < 0.002  # its standard error from a million draws is 0.002


@needs(BC)
def test_breakdowns_of_the_restaurants() -> None:
    recorded = third_party(f"{BC}/expected_breakdown.json")
    relative = Problem(*bc(), TARGET["e0"], "relative")
    assert 1.6 < breakdown(relative.reaches_zero, 1.0) < recorded["RM_breakdown_Mbar"]
    smooth = Problem(*bc(), TARGET["e0"], "smoothness", method="fixed length")
    assert 0.21 < breakdown(smooth.reaches_zero, 0.1) < recorded["SD_FLCI_breakdown_M"]
    for name, target in (("RM_CLF", "e0"), ("SD_FLCI", "e0")):
        columns = recorded[name]
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            asked, size = problem(bc(), target, row)
            compare(asked, size, row)
