"""Triple differences: eight means by pencil, which groups are compared, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.triple_difference import TripleDifference
from evalkit.kernels import triple as kernel


def some_eligible(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(eligible=(frame["village"] * 7 % 16 < 9).astype(int))


FRAME = some_eligible(villages(units=180))


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def effect(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


def table(incomes: dict[tuple[int, int], list[list[float]]]) -> pd.DataFrame:
    """Return households of (start of the village, eligible), each with its income in 2014 and 2015."""
    rows = []
    for (start, eligible), households in incomes.items():
        for before, after in households:
            name = len(rows) // 2
            rows += [(name, 0, 2014, start, eligible, before), (name, 0, 2015, start, eligible, after)]
    return pd.DataFrame(rows, columns=["village", "county", "year", "start", "eligible", "y"])


POOR_AND_OTHERS = {
    (2015, 1): [[1.0, 5.0], [3.0, 9.0]],  # grow by 4 and 6: 5
    (2015, 0): [[6.0, 8.0], [8.0, 9.0]],  # grow by 2 and 1: 1.5
    (0, 1): [[1.0, 2.0], [2.0, 3.0], [3.0, 7.0]],  # grow by 1, 1 and 4: 2
    (0, 0): [[7.0, 8.0], [9.0, 9.0]],  # grow by 1 and 0: 0.5
}


def test_with_two_years_and_no_covariates_it_is_the_difference_of_two_differences_in_differences() -> None:
    """(5 - 1.5) - (2 - 0.5) = 2; each household counts by its distance from its group's mean, over the group's size."""
    estimate = TripleDifference()(design(table(POOR_AND_OTHERS)))
    assert effect(estimate, 2015, 2015) == pytest.approx(2)
    contributions = estimate.select(kind="group_time", period=2015).psi[:, 0] / 9
    expected = [-1 / 2, 1 / 2, -0.5 / 2, 0.5 / 2, 1 / 3, 1 / 3, -2 / 3, 0.5 / 2, -0.5 / 2]
    np.testing.assert_allclose(contributions, expected)


def test_a_shock_to_eligible_households_everywhere_or_to_everyone_in_treated_villages_is_no_effect() -> None:
    shocked = {key: [[a, b + 3.0 * key[1] + 4.0 * (key[0] > 0)] for a, b in rows] for key, rows in POOR_AND_OTHERS.items()}
    assert effect(TripleDifference()(design(table(shocked))), 2015, 2015) == pytest.approx(2)
    poor_only = table(shocked)
    poor_only = poor_only[poor_only["eligible"] == 1]
    assert effect(ek.GroupTime()(design(poor_only)), 2015, 2015) == pytest.approx(5 - 2 + 4)


def test_comparison_cohorts_weigh_by_the_precision_of_their_own_two_groups() -> None:
    """Growth in villages that start in 2016: 3 -+ 1 and 1 -+ 1, so variances 1/2 and 1/2; never treated: (1+1+4)/9 * ... by the table."""
    later = POOR_AND_OTHERS | {(2016, 1): [[1.0, 3.0], [1.0, 5.0]], (2016, 0): [[1.0, 1.0], [1.0, 3.0]]}
    frame = pd.concat([table(later), table(later).assign(year=2016, y=0.0).drop_duplicates("village")])
    found = effect(TripleDifference()(design(frame)), 2015, 2015)
    # Variances of the means: eligible 6/9 and ineligible 0.5/4 of the never treated, 2/4 and 2/4 of 2016.
    never, soon = 1 / (6 / 9 + 0.5 / 4), 1 / (2 / 4 + 2 / 4)
    expected = (5 - 1.5) - (never * (2 - 0.5) + soon * (3 - 1)) / (never + soon)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("choices", "cohort", "period", "base", "others"),
    [
        ({"comparison": "never_treated"}, 2014, 2015, 2013, [0]),
        ({"comparison": "never_treated"}, 2016, 2012, 2015, [0]),
        ({}, 2014, 2016, 2013, [0]),
        ({}, 2014, 2015, 2013, [0, 2016]),
        ({"base": "varying"}, 2016, 2013, 2012, [0, 2014]),
        ({"anticipation": 1}, 2014, 2014, 2012, [0, 2016]),
        ({"anticipation": 1}, 2014, 2015, 2012, [0]),
    ],
)
def test_a_cell_lies_among_the_triple_differences_against_each_clean_cohort(
    choices: dict[str, Any], cohort: int, period: int, base: int, others: list[int]
) -> None:
    wide = FRAME.pivot(index=["village", "start", "eligible"], columns="year", values="y")
    growth = (wide[period] - wide[base]).groupby(["start", "eligible"]).mean()
    gap = {start: growth[start, 1] - growth[start, 0] for start in (0, 2014, 2016)}
    each = [gap[cohort] - gap[other] for other in others]
    found = effect(TripleDifference()(design(**choices)), cohort, period)
    assert min(each) - 1e-12 <= found <= max(each) + 1e-12


@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
def test_given_covariates_it_is_three_comparisons_with_the_treated_eligible(method: str) -> None:
    """Each of the three is what GroupTime finds between the two groups alone."""
    choices = {"covariates": ["share", "rain"], "comparison": "never_treated"}
    found = effect(TripleDifference(method=method)(design(**choices)), 2014, 2015)
    group = FRAME["start"].astype(str) + "/" + FRAME["eligible"].astype(str)

    def between(other: str) -> float:
        two = FRAME[group.isin(["2014/1", other])]
        two = two.assign(start=2014 * (group[two.index] == "2014/1"))
        return effect(ek.GroupTime(method)(design(two, **choices)), 2014, 2015)

    assert found == pytest.approx(between("2014/0") + between("0/1") - between("0/0"), rel=1e-9)


def test_the_methods_agree_without_covariates() -> None:
    one, *others = (TripleDifference(method=method)(design()) for method in ("dr", "ipw", "reg"))
    for other in others:
        np.testing.assert_array_equal(one.theta, other.theta)


def test_covariates_that_say_nothing_leave_it_near_the_eight_means() -> None:
    noise = FRAME.assign(noise=np.random.default_rng(2).normal(size=len(FRAME)).round(3))
    plain, given = (TripleDifference(method="reg")(design(noise, covariates=c)) for c in ([], ["noise"]))
    assert np.abs(plain.theta - given.theta).max() < 0.05


def test_shares_are_of_eligible_units_or_of_all_units_of_a_cohort() -> None:
    unit = FRAME.drop_duplicates("village")
    eligible, everyone = (TripleDifference(shares=s)(design()).select(kind="cohort_share") for s in ("eligible", "cohort"))
    np.testing.assert_allclose(eligible.theta, [((unit["start"] == g) & (unit["eligible"] == 1)).mean() for g in (2014, 2016)])
    np.testing.assert_allclose(everyone.theta, [(unit["start"] == g).mean() for g in (2014, 2016)])


def test_units_behind_an_effect_are_the_eligible_of_its_cohort() -> None:
    cells = TripleDifference()(design()).select(kind="group_time", cohort=2014).cells
    unit = FRAME.drop_duplicates("village")
    assert set(cells["units"]) == {((unit["start"] == 2014) & (unit["eligible"] == 1)).sum()}


def test_weights_of_smallest_variance_are_those_of_any_other_solution_or_better() -> None:
    generator = np.random.default_rng(4)
    C = generator.normal(size=(50, 3)) @ generator.normal(size=(3, 3))
    weights = kernel.smallest_variance(C)
    assert weights.sum() == pytest.approx(1)
    rivals = generator.normal(size=(200, 3))
    rivals /= rivals.sum(axis=1, keepdims=True)
    assert ((C @ weights) ** 2).sum() <= ((C @ rivals.T) ** 2).sum(axis=0).min() + 1e-12


def test_two_identical_comparisons_share_the_weight() -> None:
    C = np.column_stack([np.arange(5.0) - 2, np.arange(5.0) - 2])
    np.testing.assert_allclose(kernel.smallest_variance(C), [0.5, 0.5])


def test_the_formula_for_means_is_the_general_one() -> None:
    generator = np.random.default_rng(5)
    q = np.arange(200) % 8
    means = kernel.mean_changes(generator.normal(size=200), generator.uniform(1, 2, 200), q, 8)
    pairs = [(3, 2), (5, 4), (7, 6)]
    _, coefficient = kernel.of_means(means, (1, 0), pairs)
    C = np.column_stack([np.select([q == 1, q == 0, q == e, q == i], [1, -1, -1, 1], 0) * means.contribution for e, i in pairs])
    np.testing.assert_allclose(kernel.smallest_variance(C), [-coefficient[e] for e, _ in pairs])


def test_a_cohort_with_one_ineligible_unit_is_left_out_of_comparisons_and_named() -> None:
    later = FRAME[(FRAME["start"] == 2016) & (FRAME["eligible"] == 0)]["village"].unique()
    few = FRAME[~FRAME["village"].isin(later[1:])]
    estimate = TripleDifference()(design(few))
    assert [n.facts["cohorts"] for n in estimate.notices if n.code == "TRIPLE_GROUPS_TOO_SMALL"] == ["2016"]
    assert "TRIPLE_NEVER_TOO_SMALL" not in [n.code for n in estimate.notices]
    skipped = next(n.facts["cells"] for n in estimate.notices if n.code == "CELLS_NOT_ESTIMATED")
    assert skipped[0] == "2016 in 2012" and 2016 not in set(estimate.cells["cohort"])
    alone = TripleDifference()(design(FRAME[FRAME["start"] != 2016]))
    assert effect(estimate, 2014, 2015) == pytest.approx(effect(alone, 2014, 2015))


def test_pairwise_uses_the_units_seen_in_both_periods() -> None:
    frame = with_gaps(FRAME)
    wide = frame.pivot(index=["village", "start", "eligible"], columns="year", values="y")
    growth = (wide[2015] - wide[2013]).groupby(["start", "eligible"]).mean()
    found = effect(TripleDifference()(design(frame, unbalanced="pairwise", comparison="never_treated")), 2014, 2015)
    assert found == pytest.approx(growth[2014, 1] - growth[2014, 0] - growth[0, 1] + growth[0, 0])


def test_intervals_cover_an_effect_of_nothing() -> None:
    generator = np.random.default_rng(6)
    frame = some_eligible(villages(units=160))
    inside = 0
    for _ in range(200):
        noise = frame.assign(y=generator.normal(size=len(frame)))
        table = ek.infer(ek.aggregate(TripleDifference()(design(noise))))
        inside += bool((table["conf_low"] < 0).all() and (table["conf_high"] > 0).all())
    assert 180 <= inside <= 199


MIXED = FRAME["eligible"].where((FRAME["village"] != 107) | (FRAME["year"] < 2014), 1 - FRAME["eligible"])


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (FRAME.assign(eligible=FRAME["eligible"].where(FRAME["village"] != 103, 2)), {}, "neither in 6 rows: .*103"),
        (FRAME.assign(eligible=MIXED), {}, "changes within 1 units: 107"),
        (FRAME[(FRAME["start"] == 0) | (FRAME["eligible"] == 1)], {}, "no ineligible units in treated places"),
        (FRAME[(FRAME["start"] == 0) | (FRAME["eligible"] == 0)], {}, "no eligible units in treated places"),
        (FRAME[(FRAME["start"] != 0) | (FRAME["eligible"] == 0)], {"comparison": "never_treated"}, "no eligible units in places to comp"),
        (FRAME.assign(eligible=1), {}, "no ineligible units in treated places and no ineligible units in places to compare with"),
        (FRAME, {"rows": "observation"}, "compares whole units"),
        (FRAME.assign(twice=2 * FRAME["share"]), {"covariates": ["share", "twice"]}, "share, twice are collinear.*eligible units treated"),
        (
            FRAME.assign(told=(FRAME["start"] == 0) + np.linspace(0, 0.1, len(FRAME))),
            {"covariates": ["told"]},
            "apart perfectly.*method='reg'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused_with_the_cure(frame: pd.DataFrame, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        TripleDifference()(design(frame, **choices))


def test_a_design_with_one_unit_a_group_is_refused() -> None:
    one_each = FRAME.groupby(["start", "eligible"])["village"].transform("min") == FRAME["village"]
    with pytest.raises(ek.DesignError, match="No triple difference can be estimated"):
        TripleDifference()(design(FRAME[one_each]))


def test_a_column_that_is_not_there_is_a_need_not_met_so_that_other_estimators_are_named() -> None:
    frame = villages(units=90)
    panel = ek.Panel(frame, "village", "year")
    made = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")
    with pytest.raises(ek.DesignError, match=r"no column eligible that says who was eligible.*Estimators that could: .*group_time"):
        TripleDifference()(made)
    beside = ek.compare(made, {"triple_difference": TripleDifference(), "group_time": ek.GroupTime()})
    assert [one.estimator for one in beside.refused] == ["triple_difference"]


def test_unknown_options_are_errors_that_name_the_nearest() -> None:
    with pytest.raises(ek.DesignError, match="Did you mean 'reg'"):
        TripleDifference(method="regr")
    with pytest.raises(ek.DesignError, match="Did you mean 'cohort'"):
        TripleDifference(shares="cohorts")
