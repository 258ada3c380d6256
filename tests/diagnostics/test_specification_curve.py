"""Specification curve: every combination once, refused ones listed, and the whole curve tested against chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages

import evalkit as ek
from evalkit.diagnostics.joint_curve import curve_statistics, joint_test
from evalkit.diagnostics.replays import one_effect, unchanged
from evalkit.diagnostics.specification_curve import in_per_cent, specification_curve
from evalkit.diagnostics.variations import AroundStart, Periods, Started, Winsorised
from evalkit.inference.assignment import assignments, moved
from evalkit.parallel import workers


def design(frame: pd.DataFrame, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


TWO = {"twfe": ek.TwoWay(), "cs": ek.GroupTime()}


def test_every_combination_is_estimated_once_and_is_the_estimate_of_its_own_design() -> None:
    frame = villages(units=80)
    frame["logged"] = np.log(frame["y"])
    found = specification_curve(
        design(frame),
        TWO,
        samples={"all": unchanged, "to 2016": Periods(last=2016)},
        outcomes=["y", "logged"],
        covariates={"none": (), "rain": ("rain",)},
        comparisons=["not_yet_treated", "never_treated"],
        anticipations=[0, 1],
        weights={"none": None, "people": "households"},
        cluster="county",
    )
    assert len(found.table) == 2**7 and not found.table.duplicated(list(found.table.columns[:8])).any()
    one = found.table.query(
        "sample == 'to 2016' and outcome == 'logged' and covariates == 'rain' and comparison == 'never_treated' and anticipation == 1 "
        "and weight == 'people' and estimator == 'cs'"
    ).iloc[0]
    alone = design(
        frame[frame["year"] <= 2016], weight="households", covariates=["rain"], comparison="never_treated", anticipation=1
    )
    alone = ek.Design(alone.panel, alone.rollout, "logged", ["rain"], "never_treated", 1, unbalanced="pairwise")
    row = ek.infer(ek.aggregate(ek.GroupTime()(alone)), cluster="county").iloc[0]
    assert one["estimate"] == pytest.approx(row["estimate"], rel=1e-10)
    assert one["std_error"] == pytest.approx(row["std_error"], rel=1e-10)


def test_refused_combinations_are_rows_with_the_reason() -> None:
    found = specification_curve(
        design(villages(units=80)), {**TWO, "by hand": ek.TwoByTwo()}, covariates={"none": (), "gone": ("no",)}
    )
    assert len(found.table) == 6 and len(found.replays.refused) == 4
    assert found.summary["refused"].tolist() == [4] and found.summary["estimated"].tolist() == [2]
    assert found.table["refused"].str.contains("takes one").sum() == 1
    assert found.table["refused"].str.contains("There is no column 'no'").sum() == 3
    assert not found.table.loc[found.table["refused"] != "", "significant"].any()


def test_the_summary_by_hand() -> None:
    found = specification_curve(
        design(villages(units=80)), {str(tau): Shifted(tau) for tau in (-1.0, 0.5, 1.0, 4.0)}, scale={"y": 8.0}
    )
    row = found.summary.iloc[0]
    told = found.table["estimate"]
    assert (
        row["median"] == told.median()
        and row["share_positive"] == 0.75
        and row["median_per_cent"] == pytest.approx(12.5 * told.median())
    )
    assert found.curve["estimate"].is_monotonic_increasing and "4 of 4" in repr(found)


class Shifted:
    """The two-way estimate moved by a constant: a made-up estimator with a known answer."""

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def __call__(self, made: ek.Design) -> ek.Estimate:
        found = ek.TwoWay()(made)
        return found.map(0.001 * found.theta + self.tau, 0.001 * np.eye(1), found.cells)


def test_outcomes_in_different_units_are_summarised_apart_and_compared_in_per_cent_only() -> None:
    frame = villages(units=80)
    frame = frame.assign(yuan=1000 * frame["y"])
    found = specification_curve(design(frame), {"twfe": ek.TwoWay()}, outcomes=["y", "yuan"])
    assert len(found.summary) == 2 and "per_cent" not in found.table
    test = joint_test(found, draws=9, seed=1).table
    assert "different units" in test.loc[0, "refused"] and np.isnan(test.loc[0, "p_value"]) and test["p_value"].notna().sum() == 2
    scaled = specification_curve(design(frame), {"twfe": ek.TwoWay()}, outcomes=["y", "yuan"], scale={"y": 8.0, "yuan": 8000.0})
    assert scaled.table["per_cent"].iloc[0] == pytest.approx(scaled.table["per_cent"].iloc[1])
    assert joint_test(scaled, draws=9, seed=1).table.loc[0, "observed"] == pytest.approx(scaled.table["per_cent"].iloc[0])
    assert in_per_cent(0.1, "log") == pytest.approx(10.517, abs=1e-3)


def test_statistics_of_a_curve_by_hand() -> None:
    found = np.array([[-1.0, 1], [-2, 0], [3, 1], [-4, 1], [np.nan, np.nan]])
    assert curve_statistics(found, ["y"] * 5, {}) == (-1.5, 0.75, 0.5)
    assert all(np.isnan(curve_statistics(found[4:], ["y"], {})))


def small(effect: float, units: int = 6, seed: int = 1) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = [(i, t, i // 2, 2016 if i < units // 2 else 0) for i in range(units) for t in (2014, 2015, 2016, 2017)]
    frame = pd.DataFrame(rows, columns=["village", "year", "county", "start"])
    gain = effect * ((frame["start"] > 0) & (frame["year"] >= 2016))
    return frame.assign(y=frame["village"] + gain + generator.normal(0, 0.1, len(frame)))


def test_all_assignments_of_a_small_world_give_the_exact_p_value() -> None:
    """3 of 6 are treated: 20 assignments; the true one and its mirror image are the most extreme, 2 of 20."""
    curve = specification_curve(design(small(5.0)), TWO)
    found = joint_test(curve, draws=99, seed=1)
    assert found.exact and len(found.draws) == 20 and found.table.loc[0, "p_value"] == pytest.approx(0.1)
    assert found.table.loc[2, "p_value"] >= 0.1 and found.incomplete == found.empty == 0


def test_the_same_seed_gives_the_same_numbers_however_many_processes() -> None:
    curve = specification_curve(design(villages(units=40)), TWO, samples={"all": unchanged, "wins": Winsorised()})
    one, two = (joint_test(curve, 5, 3, map=m) for m in (map, workers(2)))
    np.testing.assert_array_equal(one.draws, two.draws)
    assert not one.exact and one.table["p_value"].tolist() == two.table["p_value"].tolist()
    assert joint_test(curve, 5, 4).draws.tolist() != one.draws.tolist()


def test_treatment_moves_with_whole_counties_and_within_strata() -> None:
    frame = small(5.0, units=16)
    frame = frame.assign(start=np.where(frame["county"] % 2 == 0, 2016, 0), half=frame["county"] // 4)
    curve = specification_curve(design(frame), {"twfe": ek.TwoWay()})
    assert len(joint_test(curve, 99, 1, cluster="county").draws) == 70  # 4 of 8 counties
    assert len(joint_test(curve, 99, 1, cluster="county", strata="half").draws) == 36  # 2 of 4, twice


def test_a_deal_under_which_a_specification_is_refused_is_counted() -> None:
    def only_first(made: ek.Design) -> ek.Estimate:
        if np.isinf(made.cohort[0]):
            raise ek.DesignError("The first village is not treated.")
        return ek.TwoWay()(made)

    curve = specification_curve(design(small(5.0)), {"twfe": ek.TwoWay(), "odd": only_first})
    assert joint_test(curve, 99, 1).incomplete == 10
    alone = specification_curve(design(small(5.0)), {"odd": only_first})
    found = joint_test(alone, 99, 1)
    # Ten of twenty deals tell nothing and count as extreme, beside the true one.
    assert found.empty == 10 and found.table.loc[0, "p_value"] == pytest.approx(11 / 20)


@pytest.mark.slow
def test_the_joint_test_keeps_its_size() -> None:
    """All 20 assignments of six villages: p is 0.1 at least, so a test at 10% rejects in a tenth of worlds without an effect."""
    one = {"twfe": ek.TwoWay()}
    p = np.array([joint_test(specification_curve(design(small(0.0, 6, seed)), one), 99, 1).table["p_value"] for seed in range(40)])
    share = (p <= 0.1).mean(axis=0)
    assert (share <= 0.1 + 3 * np.sqrt(0.09 / 40)).all()


def test_what_has_no_meaning_is_refused() -> None:
    made = design(villages(units=40))
    with pytest.raises(ek.DesignError, match="The axis 'estimator' is a mapping"):
        specification_curve(made, {})
    with pytest.raises(ek.DesignError, match="There is no outcome 'z'"):
        specification_curve(made, TWO, scale={"z": "log"})
    with pytest.raises(ek.DesignError, match="positive number to take per cent of, not -1"):
        specification_curve(made, TWO, scale={"y": -1})
    curve = specification_curve(made, TWO)
    with pytest.raises(ek.EstimateError, match="draws is a whole number from 1 on"):
        joint_test(curve, 0, 1)
    none = specification_curve(made, {"by hand": ek.TwoByTwo()})
    with pytest.raises(ek.EstimateError, match="No specification was estimated"):
        joint_test(none, 9, 1)


def test_a_choice_that_an_estimator_does_not_read_counts_once() -> None:
    made = design(villages(units=80))
    found = specification_curve(made, TWO, comparisons=["not_yet_treated", "never_treated"])
    assert found.table["repeats"].tolist() == [False, False, True, False] and len(found.curve) == 3
    row = found.summary.iloc[0]
    assert (row["estimated"], row["repeated"], row["refused"]) == (4, 1, 0)
    assert row["median"] == np.median(found.table["estimate"].iloc[[0, 1, 3]])
    alone = specification_curve(made, {"twfe": ek.TwoWay()}, comparisons=["not_yet_treated", "never_treated"])
    once = specification_curve(made, {"twfe": ek.TwoWay()})
    assert np.array_equal(joint_test(alone, 9, 1).draws, joint_test(once, 9, 1).draws)


def test_a_specification_on_another_roll_out_cannot_be_dealt_out_anew() -> None:
    made = design(villages(units=40))
    later = replace(made.rollout, first_treated=made.rollout.first_treated + 1)
    curve = specification_curve(made, {"twfe": ek.TwoWay()}, samples={"all": unchanged, "built": Started(later)})
    assert (curve.table["refused"] == "").all()
    with pytest.raises(ek.EstimateError, match=r"Specification built, y, .* takes its starts from elsewhere"):
        joint_test(curve, 9, seed=1)
    donut = specification_curve(made, {"twfe": ek.TwoWay()}, samples={"all": unchanged, "donut": AroundStart(0, 0)})
    assert len(joint_test(donut, 9, seed=1).draws) == 9


def test_significance_under_a_deal_is_that_of_the_table_of_an_estimate() -> None:
    made = design(villages(units=40))
    curve = specification_curve(made, TWO, cluster="county", level=0.9)
    codes = assignments(made).drawn(19, 3)
    drawn = joint_test(curve, 19, 3).draws
    for code, row in zip(codes, drawn, strict=True):
        dealt = moved(made, assignments(made).cohorts(code))
        tables = [ek.infer(one_effect(estimator(dealt)), cluster="county", level=0.9).iloc[0] for estimator in TWO.values()]
        found = np.array([[one["estimate"], one["conf_low"] > 0 or one["conf_high"] < 0] for one in tables], float)
        assert np.allclose(row, curve_statistics(found, ["y", "y"], {}))


@pytest.mark.parametrize("seed", [None, "a", 1.5, -1])
def test_a_joint_test_has_a_seed(seed: Any) -> None:
    curve = specification_curve(design(villages(units=40)), {"twfe": ek.TwoWay()})
    with pytest.raises(ek.EstimateError, match="say the seed"):
        joint_test(curve, 9, seed)


def test_numbers_of_numpy_a_scale_without_outcomes_and_curves_without_estimates() -> None:
    made = design(villages(units=40))
    curve = specification_curve(made, {"twfe": ek.TwoWay()}, anticipations=np.int64(0), outcomes=np.array(["y"]))
    assert len(curve.replays.told) == 1 and len(joint_test(curve, np.int64(3), np.int64(1)).draws) == 3
    with pytest.raises(ek.EstimateError, match="draws is a whole number"):
        joint_test(curve, "many", 1)  # type: ignore[arg-type]
    with pytest.raises(ek.DesignError, match="A scale is told by outcome"):
        specification_curve(made, {"twfe": ek.TwoWay()}, scale="log")  # type: ignore[arg-type]
    assert "nan" not in repr(specification_curve(made, {"twfe": ek.TwoWay()}, comparisons=["nobody"]))
