"""Balance: differences before and after weighting by hand, and who has no counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages

import evalkit as ek
from evalkit.diagnostics.balance import QUANTILES, balance
from evalkit.estimators.weighted import Weighted


def design(frame: pd.DataFrame, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    choices = {"comparison": "never_treated"} | choices
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def table(treated: list[float], comparison: list[float]) -> pd.DataFrame:
    """Villages with a covariate x, seen in 2014 and 2015; the treated start in 2015."""
    rows = [
        {"village": number, "county": 0, "year": year, "start": start, "x": x, "y": float(number % 4 + year)}
        for number, (start, x) in enumerate([*((2015, x) for x in treated), *((0, x) for x in comparison)])
        for year in (2014, 2015)
    ]
    return pd.DataFrame(rows)


def test_a_matched_comparison_by_hand() -> None:
    """Treated at 1, 3, 5 (mean 3, variance 8/3); comparison at 0, 1, 2, 4 (mean 7/4, variance 35/16).

    The nearest of 1 is 1, of 3 both 2 and 4 (half a match each), of 5 it is 4: weights 1, 1/2, 3/2 on 1, 2, 4 average 8/3. Kish's size
    is 3**2 / (1 + 1/4 + 9/4) = 18/7. One of three treated lies above 4.
    """
    found = balance(design(table([1, 3, 5], [0, 1, 2, 4])), Weighted("nearest", "x"))
    (row,) = found.table.to_dict("records")
    spread = np.sqrt(8 / 3)
    weighted_variance = (1 * (1 - 8 / 3) ** 2 + 0.5 * (2 - 8 / 3) ** 2 + 1.5 * (4 - 8 / 3) ** 2) / 3
    assert row == {
        "cohort": 2015, "covariate": "x", "treated_mean": 3.0, "comparison_mean": 1.75, "weighted_mean": pytest.approx(8 / 3),
        "difference_before": pytest.approx(1.25 / spread), "difference_after": pytest.approx((1 / 3) / spread),
        "ratio_before": pytest.approx((8 / 3) / (35 / 16)), "ratio_after": pytest.approx((8 / 3) / weighted_variance),
    }  # fmt: skip
    (group,) = found.cohorts.to_dict("records")
    assert group["effective_units"] == pytest.approx(18 / 7) and group["largest_share"] == pytest.approx(0.5)
    assert (group["treated_units"], group["matched_units"], group["comparison_units"], group["outside_units"]) == (3, 3, 4, 1)
    assert found.outside.to_dict("records") == [
        {"cohort": 2015, "unit": 2, "covariate": "x", "value": 5.0, "lowest": 0.0, "highest": 4.0}
    ]


@pytest.mark.parametrize("method", ["entropy", "propensity", "nearest"])
@pytest.mark.parametrize("weight", [None, "households"])
def test_weighting_brings_the_groups_together(method: str, weight: str | None) -> None:
    found = balance(design(villages(), weight), Weighted(method, ("share", "rain")))
    before, after = (found.table[f"difference_{when}"].abs() for when in ("before", "after"))
    assert before.max() > 0.5 and after.max() < {"entropy": 1e-9, "propensity": 0.2, "nearest": 0.2}[method]
    assert list(found.table["cohort"].unique()) == list(found.cohorts["cohort"]) == [2014, 2016]
    assert (found.cohorts["effective_units"] < found.cohorts["comparison_units"]).all()


def test_the_overlap_figure_has_every_unit_once_in_each_arm() -> None:
    found = balance(design(villages()), Weighted(on=("share", "rain")))
    np.testing.assert_allclose(found.histogram.groupby(["cohort", "arm"])["share"].sum(), 1.0)
    assert set(found.histogram["arm"]) == {"treated", "comparison", "weighted"}
    for (_, _), part in found.propensity.groupby(["cohort", "arm"]):
        assert tuple(part["at"]) == QUANTILES and part["value"].is_monotonic_increasing and part["value"].between(0, 1).all()
    arms = found.propensity[found.propensity["at"] == 0.5].pivot(index="cohort", columns="arm", values="value")
    gap = (arms["treated"] - arms["comparison"]).abs(), (arms["treated"] - arms["weighted"]).abs()
    assert (gap[1] < gap[0] / 2).all()


def test_groups_told_apart_by_a_covariate_have_no_propensity_and_are_named() -> None:
    found = balance(design(table([7, 8, 9], [1, 2, 3, 4])), Weighted("nearest", "x"))
    assert found.separated == (2015,) and found.propensity.empty and found.histogram.empty
    assert found.cohorts["outside_share"].tolist() == [1.0]


def test_units_without_a_match_are_out_of_the_balance_after() -> None:
    found = balance(design(table([1, 3, 50], [0, 1, 2, 4])), Weighted("nearest", "x", caliper=0.2))
    assert found.cohorts["matched_units"].tolist() == [2] and found.table["treated_mean"].tolist() == [2.0]


def test_a_cohort_of_one_unit_is_measured_in_deviations_of_the_comparison() -> None:
    found = balance(design(table([2], [0, 1, 3, 4])), Weighted(on="x")).table
    assert found["difference_before"].tolist() == [0.0] and found["difference_after"].abs().max() < 1e-12


def test_weights_that_cannot_be_fitted_are_refused_here_too() -> None:
    with pytest.raises(ek.DesignError, match="No weights give the comparison the means"):
        balance(design(table([7, 8, 9], [1, 2, 3, 4])), Weighted(on="x"))


def test_a_cohort_alike_to_the_last_digit_is_measured_in_deviations_of_the_comparison() -> None:
    """The mean of seven times 0.1 is not exactly 0.1 in binary numbers: what rounding leaves is no standard deviation."""
    found = balance(design(table([0.1] * 7, [0.0, 0.2, 0.3, 0.5])), Weighted("nearest", "x")).table
    assert found["difference_before"].abs().max() < 3 and found["ratio_before"].tolist() == [0.0]


def test_where_nobody_is_seen_in_the_base_year_there_is_nothing_to_balance() -> None:
    frame = table([1, 2], [0, 1, 3])
    gone = frame[~((frame["start"] > 0) & (frame["year"] == 2014))]
    with pytest.raises(ek.DesignError, match="no cohort has both a clean base period"):
        balance(design(gone, unbalanced="pairwise"), Weighted(on="x"))


def test_a_balance_reads_as_one_line_a_fact() -> None:
    assert repr(balance(design(table([1, 3, 5], [0, 1, 2, 4])), Weighted("nearest", "x"))).splitlines() == [
        "Cohort 2015 in 2014: 3 of 3 treated units, 4 comparison units that count for 2.6, 1 treated outside their range",
        "  x: difference 0.77 before, 0.20 after",
    ]
    assert "the groups are told apart" in repr(balance(design(table([7, 8, 9], [1, 2, 3, 4])), Weighted("nearest", "x")))
