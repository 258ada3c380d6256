"""The two-period kernels are R's DRDID 1.2.3: regression, weighting and doubly robust, panels and repeated cross-sections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import r_conventions
from recorded import SPREAD, case, close, own

from evalkit.kernels import doubly_robust as kernel

Array = np.ndarray
Result = tuple[float, Array]

# Estimators of DRDID that evalkit does not offer, and why.
NOT_OFFERED = {
    "drdid_imp_panel": "improved: inverse probability tilting and weighted least squares; the group-time estimator of did is the traditional one",
    "drdid_imp_rc": "improved, as above",
    "drdid_imp_rc1": "improved, and regressions of the comparison group only",
    "drdid_rc1": "regressions of the comparison group only: not locally efficient (Sant'Anna & Zhao 2020, section 3)",
    "ipw_did_panel": "Horvitz-Thompson weights: not invariant to adding a constant to the outcome",
    "ipw_did_rc": "Horvitz-Thompson weights: not invariant to adding a constant to the outcome",
    "twfe_did_panel": "the regression with interactions: biased when effects or trends vary with the covariates",
    "twfe_did_rc": "the regression with interactions, as above",
}
INFLUENCE_NOT_OFFERED = {"panel_inffunc_drdid_imp": "influence of the improved estimator, which is not offered"}


def panel(result: dict) -> tuple[Array, Array, Array, Array]:
    """Return dy, D, X and w of the first cohort against the never treated, 2013 to 2014."""
    frame = own("panel")
    frame = frame[frame["first_treated"].isin([0, 2014])]
    before, after = frame[frame["year"] == 2013], frame[frame["year"] == 2014]
    columns = ["labour_share", "base_poverty"] if result["args"]["X"] != "1" else []
    X = np.column_stack([np.ones(len(before)), before[columns]])
    w = before["households"].to_numpy(float) if "weights" in result["args"] else np.ones(len(before))
    return after["log_income"].to_numpy() - before["log_income"].to_numpy(), (before["first_treated"] > 0).to_numpy(float), X, w


def cross_section(result: dict) -> tuple[Array, Array, Array, Array, Array]:
    """Return y, post, D, X and w of the first cohort against the never treated, 2013 and 2014."""
    frame = own("repeated_cs")
    frame = frame[frame["first_treated"].isin([0, 2014]) & frame["year"].isin([2013, 2014])]
    columns = ["labour_share", "head_age"] if result["args"]["X"] != "1" else []
    X = np.column_stack([np.ones(len(frame)), frame[columns]])
    w = frame["weight"].to_numpy(float) if "weights" in result["args"] else np.ones(len(frame))
    D, post = (frame["first_treated"] > 0).to_numpy(float), (frame["year"] == 2014).to_numpy(float)
    return frame["log_income"].to_numpy(), post, D, X, w


PANEL: dict[str, Callable[..., Result]] = {
    "drdid_panel": lambda dy, D, X, w: kernel.doubly_robust(dy, D, X, w, kernel.propensity(D, X, w)),
    "std_ipw_did_panel": lambda dy, D, X, w: kernel.inverse_probability(dy, D, w, X, kernel.propensity(D, X, w)),
    "reg_did_panel": kernel.outcome_regression,
}
CROSS_SECTION: dict[str, Callable[..., Result]] = {
    "drdid_rc": lambda y, post, D, X, w: kernel.doubly_robust_cross_section(y, post, D, X, w, kernel.propensity(D, X, w)),
    "std_ipw_did_rc": lambda y, post, D, X, w: kernel.inverse_probability_cross_section(
        y, post, D, X, w, kernel.propensity(D, X, w)
    ),
    "reg_did_rc": kernel.outcome_regression_cross_section,
}
RECORDED = [
    (name, row["estimator"])
    for name, result in case("drdid").items()
    if name not in INFLUENCE_NOT_OFFERED
    for row in result["rows"]
]
OFFERED = [(name, estimator) for name, estimator in RECORDED if estimator not in NOT_OFFERED]
SKIPPED = [pytest.param(*pair, marks=pytest.mark.skip(reason=NOT_OFFERED[pair[1]])) for pair in RECORDED if pair not in OFFERED]


def ours(name: str, estimator: str) -> tuple[float, float]:
    """Return our estimate and standard error."""
    result = case("drdid")[name]
    if estimator in PANEL:
        theta, psi = PANEL[estimator](*panel(result))
    else:
        theta, psi = CROSS_SECTION[estimator](*cross_section(result))
    return theta, float(np.sqrt((psi**2).sum()) / len(psi))


def theirs(name: str, estimator: str) -> dict[str, float]:
    return next(row for row in case("drdid")[name]["rows"] if row["estimator"] == estimator)


@pytest.mark.parametrize(("name", "estimator"), [*OFFERED, *SKIPPED])
def test_the_kernel_and_its_standard_error_are_those_of_drdid(name: str, estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "doubly_robust_cross_section", r_conventions.drdid_rc)
    estimate, std_error = ours(name, estimator)
    # R's logit stops at a deviance change of 1e-8, ours goes on: 1e-7 where a propensity is fitted.
    close(estimate, theirs(name, estimator)["att"], 1e-7 if "reg" not in estimator else 1e-8)
    close(std_error, theirs(name, estimator)["se"], SPREAD)


@pytest.mark.parametrize(("name", "estimator"), OFFERED)
def test_with_the_stopping_rule_of_r_the_kernel_agrees_to_rounding(
    name: str, estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "doubly_robust_cross_section", r_conventions.drdid_rc)
    monkeypatch.setattr(kernel, "propensity", r_conventions.logit)
    estimate, std_error = ours(name, estimator)
    close(estimate, theirs(name, estimator)["att"], 1e-12)
    close(std_error, theirs(name, estimator)["se"], 1e-12)


@pytest.mark.parametrize("name", [name for name in case("drdid") if name.endswith("no_covariates")])
def test_without_covariates_all_three_are_the_difference_of_means(name: str) -> None:
    result = case("drdid")[name]
    if name.startswith("panel"):
        dy, D, _, w = panel(result)
        theta, psi = kernel.means(dy, D, w)
        recorded = theirs(name, "drdid_panel")
    else:
        y, post, D, _, w = cross_section(result)
        theta, psi = kernel.means_cross_section(y, post, D, w)
        recorded = theirs(name, "drdid_rc")
    close(theta, recorded["att"], 1e-12)
    close(np.sqrt((psi**2).sum()) / len(psi), recorded["se"], 1e-12)


@pytest.mark.parametrize("name", ["rc_covariates", "rc_covariates_weights"])
def test_our_influence_of_the_cross_section_is_nearer_to_leaving_rows_out_than_that_of_drdid(name: str) -> None:
    data = cross_section(case("drdid")[name])
    n = len(data[0])

    def estimate(rows: Array) -> Result:
        y, post, D, X, w = (part[rows] for part in data)
        return kernel.doubly_robust_cross_section(y, post, D, X, w, kernel.propensity(D, X, w))

    everyone = np.arange(n)
    theta, psi = estimate(everyone)
    replayed = np.array([(n - 1) * (theta - estimate(np.delete(everyone, i))[0]) for i in everyone])
    y, post, D, X, w = data
    _, of_drdid = r_conventions.drdid_rc(y, post, D, X, w, kernel.propensity(D, X, w))
    distance = [np.linalg.norm(influence - replayed) for influence in (psi, of_drdid)]
    assert distance[0] < 0.98 * distance[1]
    assert np.corrcoef(psi, replayed)[0, 1] > max(0.99, np.corrcoef(of_drdid, replayed)[0, 1])


def test_every_recorded_estimator_is_compared_or_listed_with_its_reason() -> None:
    assert {estimator for _, estimator in RECORDED} == {*PANEL, *CROSS_SECTION, *NOT_OFFERED}
    assert not {*PANEL, *CROSS_SECTION} & set(NOT_OFFERED)
    assert len(case("drdid")) == 7
