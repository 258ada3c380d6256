"""Power of pre-tests: the numbers of R's pretrends 0.1.0 on its own example and on ours.

R integrates quasi-randomly, so that powers agree to 1e-3. It finds slopes with uniroot, whose default tolerance is 1.2e-4 in the slope itself
(not relative): ours are within that of R's, and have the power asked for by an integral of their own. R's threshold is 1.96, ours the
normal quantile 1.95996, which moves nothing that could be seen at this tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import case, close, needs, third_party
from scipy import stats

import evalkit as ek
from evalkit.diagnostics.pretrend import Pretrend, pretrend
from evalkit.estimate import Facts, cell_frame

HE_WANG = "11_pretrends_HeWang"
INPUTS = ("fixest", "did")
QUASI_RANDOM = 1e-3
UNIROOT = 1.3e-4  # absolute, .Machine$double.eps^0.25


def path(event_time: Any, betahat: Any, sigma: Any) -> ek.Estimate:
    """Return a path with these numbers and this covariance, and its reference period -1."""
    times, k = np.r_[event_time, -1], len(betahat)
    cells = cell_frame("event_time", k + 1, event_time=times, units=50, reference=times == -1)
    psi = np.column_stack([k * np.linalg.cholesky(np.asarray(sigma)).T, np.zeros(k)])
    return ek.Estimate(np.r_[betahat, 0.0], psi, cells, pd.DataFrame({"row": np.arange(k)}), Facts(k))


def ours(name: str) -> Pretrend:
    given = case("honest")[f"{name}_input"]
    rows = pd.DataFrame(given["rows"])
    told = pretrend(path(rows["event_time"], rows["betahat"], given["sigma"]))
    assert isinstance(told, Pretrend)
    return told


def matches(told: Pretrend, slope: float, rows: pd.DataFrame, power: dict[str, float]) -> None:
    drift = told.against(slope)
    close(drift.single_power, power["Power"], QUASI_RANDOM)
    close(drift.bayes_factor, power["Bayes.Factor"], QUASI_RANDOM)
    close(drift.likelihood_ratio, power["Likelihood.Ratio"], 1e-8)  # a formula: no integration
    theirs = rows[rows["t"] != -1].set_index("t")
    assert drift.table is not None
    mine = drift.table.set_index("event_time").loc[theirs.index]
    close(mine["drift"], theirs["deltatrue"], 1e-8)
    close(mine["after_passing"], theirs["meanAfterPretesting"], QUASI_RANDOM)


@pytest.mark.parametrize("name", INPUTS)
def test_slopes_that_are_detected(name: str) -> None:
    theirs = pd.DataFrame(case("honest")[f"{name}_pretrends_slope"]["rows"])
    given = case("honest")[f"{name}_input"]
    found = ours(name).slopes["single_slope"].to_numpy()
    np.testing.assert_allclose(found, theirs["slope"], rtol=0, atol=UNIROOT)
    sigma, since = np.asarray(given["sigma"])[:3, :3], np.array([-3, -2, -1])
    half = 1.96 * np.sqrt(np.diag(sigma))
    for slope, power in zip(found, theirs["target_power"], strict=True):
        integral = stats.multivariate_normal(slope * since, sigma, maxpts=1_000_000, abseps=1e-7, seed=0)
        close(1 - integral.cdf(half, lower_limit=-half), power, QUASI_RANDOM / 10)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("slope", ["0.01", "50"])
def test_power_and_what_passing_does_to_estimates(name: str, slope: str) -> None:
    theirs = case("honest")[f"{name}_pretrends_power_slope_{slope}"]
    matches(ours(name), theirs["args"]["slope"], pd.DataFrame(theirs["rows"]), theirs["power"])


def test_every_recorded_result_of_pretrends_is_matched() -> None:
    recorded = {name for name in case("honest") if "_pretrends_" in name}
    matched = {f"{n}_pretrends_{what}" for n in INPUTS for what in ("slope", "power_slope_0.01", "power_slope_50")}
    assert recorded == matched


@needs(HE_WANG)
def test_he_and_wang() -> None:
    """He & Wang (2017, AEJ: Applied), the example of pretrends: college graduate village officials."""
    recorded = third_party(f"{HE_WANG}/expected.json")
    given, slopes = recorded["inputs"], recorded["slope_for_power"]
    told = pretrend(path(given["t"], given["beta"], given["sigma"]))
    assert isinstance(told, Pretrend)
    close(told.slopes["single_slope"], [slopes["0.5"], slopes["0.8"]], QUASI_RANDOM)
    at = recorded["pretrends_at_slope50"]
    matches(told, slopes["0.5"], pd.DataFrame(at["df_eventplot"]), at["df_power"])
