"""Entropy balancing weights are those of R's ebal 0.1.8: one recorded result, 100 weights.

The record balances the villages of the first cohort and the never treated in the first year of the data. evalkit reads covariates in the
last clean period, so the years between are left out here to make the first year that period. One of the balanced columns is the
outcome's level (log_income), which has to be asked for by name.
"""

from __future__ import annotations

import numpy as np
import pytest
from recorded import ESTIMATE, case, close, design, own

import evalkit as ek
from evalkit.diagnostics.balance import balance
from evalkit.estimators.weighted import CohortWeights, Weighted

RECORD = case("extra")["entropy_balancing"]
COLUMNS = ("labour_share", "base_poverty", "distance_km")
SPEC = Weighted(on=COLUMNS, outcome_level=True)


def first_year_as_base() -> ek.Design:
    frame = own(RECORD["data"])
    first, start = frame["year"].min(), frame.loc[frame["first_treated"] > 0, "first_treated"].min()
    kept = frame[frame["first_treated"].isin([0, start]) & ((frame["year"] == first) | (frame["year"] >= start))]
    return design(kept, "village_id", "year", "first_treated", "log_income", comparison="never_treated")


@pytest.fixture(scope="module")
def weights() -> CohortWeights:
    (only,) = SPEC.weights(first_year_as_base())
    return only


def test_weights_are_those_of_ebal(weights: CohortWeights) -> None:
    theirs = {row["village_id"]: row["weight"] for row in RECORD["weights_rows"]}
    units = first_year_as_base().units[weights.rows[~weights.treated]]
    assert set(units) == set(theirs)
    close(weights.weights[~weights.treated], [theirs[unit] for unit in units], ESTIMATE)
    close(weights.fit.comparison.sum(), RECORD["sum_of_weights"])


def test_means_are_those_of_ebal_and_balance_to_rounding(weights: CohortWeights) -> None:
    table = balance(first_year_as_base(), SPEC).table.set_index("covariate")
    for row in RECORD["rows"]:
        ours = table.loc[row["variable"], ["treated_mean", "comparison_mean", "weighted_mean"]]
        close(ours.to_numpy(float), [row["treated_mean"], row["control_mean"], row["control_weighted_mean"]])
    assert np.abs(table["difference_after"]).max() < 1e-9  # ebal's own tolerance for its gap


def test_no_other_result_of_the_case_is_a_weighting() -> None:
    assert [name for name, result in case("extra").items() if result["package"] == "ebal"] == ["entropy_balancing"]
