"""One county against its donors: what the gap is, how it is ranked, and when it should not be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.donors import against_donors
from evalkit.estimators.synthetic import Synthetic

YEARS = np.arange(2006, 2018)


def counties(donors: int = 25, effect: float = 0.0, seed: int = 1, treated: int = 1) -> pd.DataFrame:
    """Return counties that share two cycles; the first ``treated`` ones start in 2014."""
    generator = np.random.default_rng(seed)
    n = donors + treated
    cycles = np.cumsum(generator.normal(0, 0.2, (2, len(YEARS))), axis=1)
    y = generator.normal(8, 0.3, (n, 1)) + generator.uniform(0, 1, (n, 2)) @ cycles + generator.normal(0, 0.02, (n, len(YEARS)))
    y[:treated, YEARS >= 2014] += effect
    frame = pd.DataFrame({"county": np.repeat(np.arange(n), len(YEARS)), "year": np.tile(YEARS, n), "y": y.ravel()})
    frame["rain"] = generator.normal(size=len(frame))
    frame["size"] = 1.0 + frame["county"] % 3
    return frame.assign(start=np.where(frame["county"] < treated, 2014, 0))


def design(frame: pd.DataFrame, weight: str | None = None, unit: str | None = "county", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", weight=weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def codes(notices: tuple[ek.Notice, ...]) -> list[str]:
    return [notice.code for notice in notices]


@pytest.mark.parametrize("form", ["synthdid", "synthetic_control", "demeaned", "did"])
def test_one_county_has_the_effect_of_the_estimator_on_it_alone(form: str) -> None:
    frame = counties(effect=0.3)
    result = against_donors(design(frame), 0, form)
    cells = Synthetic(form)(design(frame))
    assert result.effect == pytest.approx(ek.aggregate(cells).theta[0], rel=1e-10)
    np.testing.assert_allclose(result.path["gap"], cells.select(kind="group_time").theta, atol=1e-12)
    np.testing.assert_allclose(result.path["actual"] - result.path["synthetic"], result.path["gap"])


def test_the_exact_solver_reaches_the_placebos_too() -> None:
    frame = counties(donors=8, effect=0.3)
    result = against_donors(design(frame), 0, "synthetic_control", solver="exact")
    exact = Synthetic("synthetic_control", solver="exact")
    assert result.effect == pytest.approx(ek.aggregate(exact(design(frame))).theta[0], rel=1e-10)
    paper = frame[frame["county"] != 0].assign(start=lambda d: np.where(d["county"] == 3, 2014, 0))
    assert result.placebos["effect"][2] == pytest.approx(ek.aggregate(exact(design(paper))).theta[0], rel=1e-10)


def test_a_large_effect_ranks_first_and_without_a_smallest_p_above_one_in_twenty() -> None:
    result = against_donors(design(counties(effect=0.6)), 0)
    assert (result.rank, result.p_value, result.p_value_effect) == (1, 1 / 26, 1 / 26)
    assert "POOR_FIT_BEFORE" not in codes(result.notices) and "FEW_DONORS" not in codes(result.notices)


def test_ratio_and_rank_are_those_of_the_gaps_by_hand() -> None:
    frame = counties(donors=8, effect=0.1)
    result = against_donors(design(frame), 0, "synthetic_control")
    gap = result.path.set_index("period")["gap"]
    before, after = np.sqrt((gap.loc[:2013] ** 2).mean()), np.sqrt((gap.loc[2014:] ** 2).mean())
    assert (result.before, result.after, result.ratio) == pytest.approx((before, after, after / before))
    assert result.rank == 1 + (result.placebos["ratio"] >= result.ratio).sum()
    # Donor 3 treated on paper, the treated county left out.
    paper = frame[frame["county"] != 0].assign(start=lambda d: np.where(d["county"] == 3, 2014, 0))
    alone = against_donors(design(paper), 3, "synthetic_control")
    row = result.placebos.set_index("unit").loc[3]
    assert (row["effect"], row["before"], row["after"]) == pytest.approx((alone.effect, alone.before, alone.after))


def test_a_constant_difference_is_no_misfit_where_the_form_allows_it() -> None:
    frame = counties(effect=0.3)
    higher = frame.assign(y=frame["y"] + 4.0 * (frame["county"] == 0))
    result = against_donors(design(higher), 0, "demeaned")
    assert result.before < 0.05
    assert against_donors(design(higher), 0, "synthetic_control").before > 2


def test_before_treatment_gaps_are_measured_around_their_mean_where_a_constant_is_allowed() -> None:
    result = against_donors(design(counties(effect=0.3)), 0, "synthdid")
    gap = result.path.set_index("period")["gap"].loc[:2013]
    assert result.before == pytest.approx(gap.std(ddof=0)) and abs(gap.mean()) > 1e-4


def test_a_county_that_donors_cannot_reproduce_is_called_out() -> None:
    frame = counties(effect=0.3)
    own = frame.assign(y=frame["y"] + (frame["county"] == 0) * np.where(frame["year"] % 2, 0.4, -0.4))
    facts = {n.code: n.facts for n in against_donors(design(own), 0).notices}["POOR_FIT_BEFORE"]
    assert facts["before"] > 5 * facts["typical"]


def test_few_donors_cannot_give_a_small_p_value() -> None:
    facts = {n.code: n.facts for n in against_donors(design(counties(donors=9, effect=0.5)), 0).notices}["FEW_DONORS"]
    assert facts == {"donors": 9, "smallest_p": 0.1}


def test_other_treated_counties_are_no_donors_and_are_counted() -> None:
    frame = counties(effect=0.4, treated=3)
    result = against_donors(design(frame), 1)
    alone = against_donors(design(frame[~frame["county"].isin([0, 2])]), 1)
    assert result.effect == pytest.approx(alone.effect, rel=1e-12) and set(result.donor_weights["unit"]) == set(range(3, 28))
    assert {n.code: n.facts for n in result.notices}["TREATED_NOT_DONORS"] == {"units": 2}


def test_donors_with_missing_years_leave_the_pool_and_are_counted() -> None:
    frame = counties()
    gaps = frame[~(frame["county"].isin([4, 9]) & (frame["year"] == 2010))]
    result = against_donors(design(gaps, unbalanced="pairwise"), 0)
    complete = against_donors(design(frame[~frame["county"].isin([4, 9])]), 0)
    assert result.effect == pytest.approx(complete.effect, rel=1e-12)
    assert {n.code: n.facts for n in result.notices}["DONORS_NOT_SEEN"] == {"units": 2}


def test_the_heaviest_donors_are_left_out_in_turn() -> None:
    frame = counties(effect=0.3)
    result = against_donors(design(frame), 0, "demeaned")
    heaviest = result.donor_weights["unit"][0]
    without = against_donors(design(frame[frame["county"] != heaviest]), 0, "demeaned").effect
    assert result.left_out["unit"][0] == heaviest and result.left_out["effect"][0] == pytest.approx(without, rel=1e-12)
    assert result.range_without_a_donor == (result.left_out["effect"].min(), result.left_out["effect"].max())
    assert (result.left_out["weight"] > 0).all()


def test_covariates_are_taken_off() -> None:
    frame = counties(effect=0.3)
    wet = frame.assign(y=frame["y"] + 0.5 * frame["rain"])
    found = against_donors(design(wet, covariates=["rain"]), 0, adjustment="projected").effect
    assert found == pytest.approx(against_donors(design(frame), 0).effect, abs=0.05)


@pytest.mark.slow
def test_where_nothing_happened_the_rank_is_uniform() -> None:
    """60 worlds at 10 per cent: Monte Carlo error 4."""
    ranks = [against_donors(design(counties(donors=9, seed=seed)), 0, "did").p_value <= 0.1 for seed in range(60)]
    assert 0.0 < np.mean(ranks) <= 0.22


@pytest.mark.parametrize(
    ("frame", "unit", "choices", "form", "message"),
    [
        (counties(5), 99, {}, "synthdid", "There is no unit 99"),
        (counties(5), 3, {}, "synthdid", "no effect to estimate"),
        (counties(5), 0, {}, "synthetic", "Did you mean 'synthdid'"),
        (counties(5), 0, {"weight": "size"}, "synthdid", "sampling weights have no place"),
        (counties(5), 0, {"base": "varying"}, "synthdid", "no meaning here"),
        (counties(2), 0, {}, "synthdid", "three at least"),
        (counties(5).query("year > 2012"), 0, {}, "synthdid", "1 clean period"),
        (counties(5).query("county != 0 or year != 2010"), 0, {"unbalanced": "pairwise"}, "synthdid", "not seen in every period"),
        (counties(5).assign(size=lambda d: d["size"]), 0, {"covariates": ["size"]}, "synthdid", "do not change within the units"),
        (counties(5), 0, {"unit": None}, "synthdid", "different households"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    frame: pd.DataFrame, unit: int, choices: dict[str, Any], form: str, message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        against_donors(design(frame, **choices), unit, form)
