"""The randomisation inference of the few-counties case: all 120 sets of three of ten counties, coefficients and t by fixest 0.14.2.

fixest's t is that of CR1S with effects nested in counties not counted, which is the correction "nested" here. Effects of villages stand in
for those of counties: in a balanced panel with treatment by county both give the same coefficient and county sums of scores.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from recorded import ESTIMATE, SPREAD, case, close, design, own

import evalkit as ek
from evalkit.estimators.two_way import TwoWay
from evalkit.inference.assignment import assignments
from evalkit.inference.permutation import Permutation, permute

RECORDED = case("few")["randomisation_inference_enumerated"]


def few() -> ek.Design:
    frame = own(RECORDED["data"])
    first = frame["year"].where(frame["treated"] == 1).groupby(frame["county_id"]).transform("min").fillna(0)
    return design(frame.assign(first=first), "village_id", "year", "first", "log_income", clusters=["county_id"])


@pytest.fixture(scope="module", params=["estimate", "t"])
def found(request: pytest.FixtureRequest) -> Permutation:
    return permute(TwoWay(), few(), cluster="county_id", statistic=request.param)


def sets(codes: np.ndarray) -> list[str]:
    """Return the treated counties of each assignment, as R names them."""
    possible = assignments(few(), "county_id")
    treated = np.isfinite(possible.starts[codes, 0])
    return ["+".join(str(county + 1) for county in np.flatnonzero(row)) for row in treated]


def test_the_coefficient_its_t_and_the_rank(found: Permutation) -> None:
    theirs, ours = RECORDED["rows"][0], found.table.iloc[0]
    close(ours["estimate"], theirs["estimate"], ESTIMATE)
    assert ours["assignments"] == theirs["sets"] == found.smallest.assignments and ours["exact"]
    if found.statistic == "t":
        close(ours["statistic"], theirs["t"], SPREAD)
        assert ours["p_value"] == pytest.approx(theirs["p_t"], rel=1e-12)
    else:
        assert ours["p_value"] == pytest.approx(theirs["p_coef"], rel=1e-12)


def test_the_whole_distribution(found: Permutation) -> None:
    theirs = pd.DataFrame(RECORDED["distribution_rows"]).set_index("set")
    assert len(theirs) == 120 == len(found.draws) + 1
    ours = pd.Series(np.r_[found.draws[:, 0], found.table["statistic"]], index=[*sets(found.codes), "1+2+3"])
    observed = sets(assignments(few(), "county_id").code[None])[0]
    ours.index = [*ours.index[:-1], observed]
    assert set(ours.index) == set(theirs.index)
    if found.statistic == "t":
        close(ours[theirs.index], theirs["t"], SPREAD)
    else:
        close(ours[theirs.index], theirs["coef"], ESTIMATE)
