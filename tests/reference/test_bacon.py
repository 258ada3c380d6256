"""The decompositions are those of R's bacondecomp 0.1.1: every comparison, its weight and type, and Omega with covariates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, case, close, design, needs, own, third_party

import evalkit as ek
from evalkit.diagnostics.bacon import Decomposition, bacon

# R's names of types -> ours. With covariates R calls every pair of treated cohorts "Both Treated".
TYPE = {
    "Treated vs Untreated": "treated_untreated",
    "Earlier vs Later Treated": "earlier_later",
    "Later vs Earlier Treated": "later_earlier",
    "Later vs Always Treated": "treated_always",
    "Both Treated": "both_treated",
}
OWN = ["bacon", "bacon_no_never", "bacon_first_period_treated", "bacon_controls"]
CASTLE = "03a_bacon_castle"


def recorded_design(name: str) -> ek.Design:
    covariates = ["rainfall"] if name == "bacon_controls" else []
    frame = own(case("estimators")[name]["data"])
    return design(frame, "village_id", "year", "first_treated", "log_income", covariates=covariates)


def castle(covariates: list[str]) -> ek.Design:
    frame = third_party(f"{CASTLE}/data.csv")
    first = frame["year"].where(frame["post"] == 1).groupby(frame["state"]).transform("min").fillna(0)
    return design(frame.assign(first=first), "state", "year", "first", "l_homicide", covariates=covariates)


def compare(ours: Decomposition, theirs: pd.DataFrame, first_period: int) -> None:
    """Match comparisons by cohorts and type; R codes never treated 99999 and always treated by the first period."""
    theirs = theirs.replace({"untreated": {99999: np.inf, first_period: -np.inf}}).assign(type=theirs["type"].map(TYPE))
    if "both_treated" in set(theirs["type"]):  # R names the two in the order in which it met them
        low, high = theirs[["treated", "untreated"]].min(axis=1), theirs[["treated", "untreated"]].max(axis=1)
        theirs = theirs.assign(treated=low, untreated=high)
    key = ["treated", "untreated", "type"]
    both = ours.comparisons.merge(theirs, on=key, suffixes=("", "_theirs"), how="outer", validate="1:1")
    assert len(both) == len(theirs) == len(ours.comparisons)
    close(both["weight"], both["weight_theirs"], ESTIMATE)
    close(both["estimate"], both["estimate_theirs"], ESTIMATE)


@pytest.mark.parametrize("name", OWN)
def test_our_own_panels(name: str) -> None:
    theirs, ours = case("estimators")[name], bacon(recorded_design(name))
    compare(ours, pd.DataFrame(theirs["rows"]), 2011)
    close(ours.coefficient, theirs["twfe"], ESTIMATE)
    if name == "bacon_controls":
        close(ours.within_weight, theirs["Omega"], ESTIMATE, floor=0)
        close(ours.within_estimate, theirs["beta_hat_w"], ESTIMATE)


@needs(CASTLE)
def test_the_castle_doctrine() -> None:
    theirs: Any = third_party(f"{CASTLE}/expected.json")
    ours = bacon(castle([]))
    compare(ours, pd.DataFrame(theirs["decomposition"]), 2000)
    close(ours.coefficient, theirs["twfe"], ESTIMATE)


@needs(CASTLE)
def test_the_castle_doctrine_with_covariates() -> None:
    theirs: Any = third_party(f"{CASTLE}/expected.json")["controlled"]
    ours = bacon(castle(["l_pop", "l_income"]))
    compare(ours, pd.DataFrame(theirs["two_by_twos"]), 2000)
    close(ours.within_weight, theirs["Omega"], ESTIMATE)
    close(ours.within_estimate, theirs["beta_hat_w"], ESTIMATE)
    close(ours.coefficient, theirs["twfe"], ESTIMATE)


def test_every_recorded_decomposition_is_compared() -> None:
    assert {name for name in case("estimators") if name.startswith("bacon")} == set(OWN)
