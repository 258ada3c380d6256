"""Changes-in-changes: ranks by hand, the formulas of the paper spelt out, and when it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.estimators.changes_in_changes import ChangesInChanges
from evalkit.kernels.quantiles import Cell, Distribution
from evalkit.words import catalogue


def design(frame: pd.DataFrame, unit: str | None = "village", weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def table(treated: list[tuple[float, float]], comparison: list[tuple[float, float]]) -> pd.DataFrame:
    """Villages of (outcome in 2014, outcome in 2015); the treated start in 2015."""
    rows = [
        {"village": number, "county": number % 3, "year": 2014 + after, "start": start, "y": outcome[after]}
        for number, (start, outcome) in enumerate([*((2015, o) for o in treated), *((0, o) for o in comparison)])
        for after in (0, 1)
    ]
    return pd.DataFrame(rows)


def sample(*values: float) -> Distribution:
    return Distribution(np.array(values, float), np.ones(len(values)))


def random_cell(seed: int = 2, sizes: tuple[int, int, int, int] = (40, 35, 60, 50)) -> Cell:
    generator = np.random.default_rng(seed)
    shapes = ((1.5, 1.2), (0.3, 1.0), (0.5, 1.3), (0.0, 1.1))
    return Cell(*(
        Distribution(generator.normal(mean, spread, size), generator.uniform(0.5, 2, size))
        for (mean, spread), size in zip(shapes, sizes, strict=True)
    ))  # fmt: skip


def test_ranks_by_hand() -> None:
    """In the comparison 1, 2, 3, 4 became 2, 4, 6, 8. The treated stood at 3 and 4: without the programme at 6 and 8. They are at 9, 12.

    The mean effect is 10.5 - 7 = 3.5 (a difference of mean changes says 7 - 2.5 = 4.5), that at the median 9 - 6, at 0.75 12 - 8.
    """
    frame = table([(3, 9), (4, 12)], [(1, 2), (2, 4), (3, 6), (4, 8)])
    estimate = ChangesInChanges((0.5, 0.75))(design(frame))
    assert estimate.select(kind="group_time").theta.tolist() == [0.0, 3.5]
    curve = estimate.select(kind="quantile")
    assert curve.theta.tolist() == [3.0, 4.0]
    assert curve.cells[["at", "cohort", "period", "units"]].to_numpy().tolist() == [[0.5, 2015, 2015, 2], [0.75, 2015, 2015, 2]]
    assert ek.GroupTime()(design(frame)).theta[1] == 4.5


def test_an_outcome_between_two_of_the_comparison_takes_the_rank_of_the_lower_and_the_ends_hold() -> None:
    cell = Cell(sample(0), sample(2.5, 0.5, 9), sample(20, 40, 60, 80), sample(1, 2, 3, 4))
    np.testing.assert_array_equal(cell.Y01.Q(cell.Y00.F(cell.Y10.y)), [40, 20, 80])
    np.testing.assert_array_equal(cell.outside, [False, True, True])


def test_where_the_comparison_moves_by_a_constant_it_is_a_difference_in_differences() -> None:
    before = [float(v) for v in (1, 2, 3, 5, 8, 13)]
    frame = table([(2, 6), (5, 7), (8, 15), (13, 14)], [(v, v + 4) for v in before])
    ours, theirs = (estimator(design(frame)).select(kind="group_time") for estimator in (ChangesInChanges(), ek.GroupTime()))
    np.testing.assert_allclose(ours.theta, theirs.theta, atol=1e-12)


def test_taking_logs_moves_the_counterfactual_as_it_moves_the_outcome() -> None:
    one = random_cell()
    logs = Cell(*(Distribution(np.exp(s.y), s.w) for s in (one.Y11, one.Y10, one.Y01, one.Y00)))
    for t in (0.2, 0.5, 0.9):
        actual = one.Y11.Q(np.array(t))
        counterfactual = actual - one.at_quantile(t)[0]
        assert logs.at_quantile(t)[0] == pytest.approx(np.exp(actual) - np.exp(counterfactual), rel=1e-12)


def test_the_density_is_the_sum_of_kernels() -> None:
    one = random_cell().Y01
    for y in (-1.0, 0.4, one.v[-1]):
        kernels = 0.75 * np.maximum(0, 1 - ((one.y - y) / one.bandwidth) ** 2)
        assert one.f(np.array(y)) == pytest.approx(one.p @ kernels / one.bandwidth, rel=1e-10)


@pytest.mark.parametrize("mistyped", [1e6, 1e9, -1e12])
def test_an_income_mistyped_a_million_times_too_high_leaves_the_density_of_the_others_alone(mistyped: float) -> None:
    values = np.r_[np.random.default_rng(6).normal(9_000, 2_000, 400), mistyped, 3 * mistyped, 40_000.0]
    one = sample(*values)
    for y in (9_000.0, values[3], 2_000.0, -4_000.0, mistyped, 20_000.0, mistyped / 2, 2.5 * mistyped):
        kernels = 0.75 * np.maximum(0, 1 - ((values - y) / one.bandwidth) ** 2)
        assert one.f(np.array(y)) == pytest.approx(kernels.mean() / one.bandwidth, rel=1e-9, abs=1e-18)


def test_the_mean_has_the_influence_of_theorem_5_1() -> None:
    """P, Q, R and S as double sums over the pairs of two samples."""
    cell = random_cell()
    Y11, Y10, Y01, Y00 = cell.Y11, cell.Y10, cell.Y01, cell.Y00
    z = Y10.y
    F00 = np.array([(Y00.p * (Y00.y <= v)).sum() for v in z])
    ordered, reached = np.sort(Y01.y), np.cumsum(Y01.p[np.argsort(Y01.y)])
    k = np.array([ordered[np.argmax(reached >= u - 1e-12)] for u in F00])
    slope = Y10.p / Y01.f(k)
    P = ((Y00.y[:, None] <= z) - F00) @ slope
    Q = -((Y01.y[:, None] <= k) - F00) @ slope
    value, parts = cell.mean()
    assert value == pytest.approx(Y11.p @ Y11.y - Y10.p @ k, rel=1e-12)
    np.testing.assert_allclose(parts[0], Y11.p * (Y11.y - Y11.p @ Y11.y))
    np.testing.assert_allclose(parts[1], -Y10.p * (k - Y10.p @ k), atol=1e-15)
    np.testing.assert_allclose(parts[2], -Y01.p * (Q - Y01.p @ Q), atol=1e-14)
    np.testing.assert_allclose(parts[3], -Y00.p * P, atol=1e-14)
    assert abs(Y01.p @ Q) <= slope.sum() * Y01.p.max()  # what is taken out is at most a step of the empirical distribution


def test_a_quantile_has_the_influence_of_theorem_5_3() -> None:
    """More treated below the quantile after: the effect falls; before: it rises, by the slope f00 / (f01 f10) of where they would be."""
    cell = random_cell()
    Y11, Y10, Y01, Y00 = cell.Y11, cell.Y10, cell.Y01, cell.Y00
    t = 0.4
    q11, q10 = Y11.Q(np.array(t)), Y10.Q(np.array(t))
    k = Y01.Q(Y00.F(q10))
    expected = (
        -((Y11.y <= q11) - Y11.F(q11)) / Y11.f(q11),
        ((Y10.y <= q10) - Y10.F(q10)) * Y00.f(q10) / (Y01.f(k) * Y10.f(q10)),
        ((Y01.y <= k) - Y01.F(k)) / Y01.f(k),
        -((Y00.y <= q10) - Y00.F(q10)) / Y01.f(k),
    )
    value, parts = cell.at_quantile(t)
    assert value == q11 - k
    for part, own, each in zip(parts, expected, (Y11, Y10, Y01, Y00), strict=True):
        np.testing.assert_allclose(part, each.p * own, atol=1e-14)


def test_a_weight_of_two_is_a_row_twice() -> None:
    generator = np.random.default_rng(4)
    y, twice = generator.normal(size=(4, 30)), generator.integers(1, 3, (4, 30))
    weighted = Cell(*(Distribution(v, w.astype(float)) for v, w in zip(y, twice, strict=True)))
    repeated = Cell(*(Distribution(np.repeat(v, w), np.ones(w.sum())) for v, w in zip(y, twice, strict=True)))
    for of in (lambda cell: cell.mean(), lambda cell: cell.at_quantile(0.3)):
        (one, parts), (other, doubled) = of(weighted), of(repeated)
        assert one == pytest.approx(other, rel=1e-12)
        for part, double, w in zip(parts, doubled, twice, strict=True):
            sums = np.add.reduceat(double, np.r_[0, np.cumsum(w)[:-1]])
            np.testing.assert_allclose(part, sums, atol=1e-14)


def test_quantile_effects_are_averaged_over_treated_cells_by_their_rows() -> None:
    """The average of cells of unequal size, and its influence: that of the cells, and that of how many rows each has."""
    frame = villages(units=160, starts=(0, 2014, 2014, 2016))
    estimate = ChangesInChanges((0.25, 0.5))(design(frame, comparison="never_treated"))
    groups = {key: part.set_index("village")["y"] for key, part in frame.groupby(["start", "year"])}
    effects, psi, shares = [], [], []
    for start, year in ((g, t) for g in (2014, 2016) for t in range(g, 2018)):
        samples = [groups[key] for key in ((start, year), (start, start - 1), (0, year), (0, start - 1))]
        cell = Cell(*(sample(*values) for values in samples))
        found = [cell.at_quantile(t) for t in (0.25, 0.5)]
        effects.append([value for value, _ in found])
        parts = [pd.concat([pd.Series(c, v.index) for c, v in zip(each, samples, strict=True)]) for _, each in found]
        psi.append([160 * part.groupby(level=0).sum().reindex(estimate.rows["village"], fill_value=0) for part in parts])
        shares.append(estimate.select(kind="cell_share", cohort=start, period=year))
        mean = estimate.select(kind="group_time", cohort=start, period=year).theta[0]
        assert mean == pytest.approx(cell.mean()[0], rel=1e-10)
    p, values = np.array([share.theta[0] for share in shares]), np.array(effects)
    average = p @ values / p.sum()
    ours = estimate.select(kind="quantile")
    np.testing.assert_allclose(ours.theta, average, rtol=1e-10)
    of_shares = np.array([share.psi[:, 0] for share in shares])
    for j in range(2):
        expected = (p @ np.array([cell[j] for cell in psi]) + (values[:, j] - average[j]) @ of_shares) / p.sum()
        np.testing.assert_allclose(ours.psi[:, j], expected, atol=1e-10)


@pytest.mark.parametrize("crossed", [False, True])
def test_intervals_cover_the_truth_in_panels_and_in_repeated_cross_sections(crossed: bool) -> None:
    """Income is the exponential of a trait that the treated have more of; its spread grows with time; everybody gains 1."""
    generator = np.random.default_rng(21)
    hits, naive = [], []
    for _ in range(60):
        trait = np.r_[generator.normal(0.5, 0.8, 150), generator.normal(0, 1, 200)]
        before, after = (trait + generator.normal(0, 0.3, 350) for _ in range(2))
        if crossed:
            after = np.r_[generator.normal(0.5, 0.8, 150), generator.normal(0, 1, 200)] + generator.normal(0, 0.3, 350)
        now = 1.2 * np.exp(0.4 * after) + 1.0 * (np.arange(350) < 150)
        pairs = list(zip(np.exp(0.3 * before), now, strict=True))
        frame = table(pairs[:150], pairs[150:])
        estimate = ChangesInChanges((0.25, 0.5, 0.75))(design(frame, None if crossed else "village"))
        keep = estimate.cells["kind"].isin(["quantile"]) | ((estimate.cells["kind"] == "group_time") & ~estimate.cells["reference"])
        chosen = estimate.select(keep.to_numpy())
        error = np.sqrt((chosen.psi**2).sum(axis=0)) / len(chosen.psi)
        hits.append(np.abs(chosen.theta - 1.0) < 1.96 * error)
        naive.append(ek.GroupTime()(design(frame, None if crossed else "village")).select(kind="group_time", period=2015).theta[0])
    assert (np.mean(hits, axis=0) >= 0.87).all(), np.mean(hits, axis=0)
    assert np.mean(naive) > 1.05  # common growth in yuan does not hold here


def test_treated_outcomes_outside_the_comparison_are_counted_and_named() -> None:
    frame = table([(0, 9), (4, 12), (99, 100)], [(1, 2), (2, 4), (3, 6), (4, 8)])
    estimate = ChangesInChanges((0.5,))(design(frame))
    (remark,) = [n for n in estimate.notices if n.code == "CIC_OUTSIDE_SUPPORT"]
    assert dict(remark.facts) == {"rows": 2, "treated_rows": 3, "share": 2 / 3, "first": "0 (2014), 2 (2014)"}
    inside = ChangesInChanges((0.5,))(design(table([(1, 9), (4, 12)], [(1, 2), (2, 4), (4, 8)])))
    assert not [n for n in inside.notices if n.code == "CIC_OUTSIDE_SUPPORT"]


def test_where_rows_are_missing_pairwise_uses_the_units_seen_in_both_periods_and_cross_sections_all_rows() -> None:
    frame = with_gaps(villages(units=150, starts=(0, 2016)))
    wide = frame.pivot(index="village", columns="year", values="y")
    start = frame.groupby("village")["start"].first()
    for choice in ("pairwise", "repeated_cross_section"):
        used = wide[[2015, 2017]].dropna() if choice == "pairwise" else wide
        four = ((2016, 2017), (2016, 2015), (0, 2017), (0, 2015))
        cell = Cell(*(sample(*used.loc[start[used.index] == g, year].dropna()) for g, year in four))
        estimate = ChangesInChanges(())(design(frame, unbalanced=choice))
        assert estimate.select(kind="group_time", period=2017).theta[0] == pytest.approx(cell.mean()[0], rel=1e-10)


def test_a_cell_without_rows_is_left_out_and_named() -> None:
    frame = villages(units=150)
    gone = frame[~((frame["start"] == 2016) & (frame["year"] == 2013))]
    estimate = ChangesInChanges((0.5,))(design(gone, unbalanced="pairwise"))
    assert [n.facts for n in estimate.notices if n.code == "CELLS_NOT_ESTIMATED"] == [{"cells": ["2016 in 2013"]}]


ROUNDED = villages().assign(y=lambda f: (5 * f["y"]).round())
CENSORED = households().assign(y=lambda f: f["y"].clip(lower=f["y"].quantile(0.3)))


@pytest.mark.parametrize(
    ("frame", "unit", "choices", "message"),
    [
        (
            ROUNDED,
            "village",
            {},
            r"not continuous: \d+% of the rows of cohort 2014 in 2013 share values such as \d+\..*bounds only",
        ),
        (CENSORED, None, {}, r"not continuous: \d+% of the rows of .* share values such as"),
        (villages(), "village", {"covariates": ["share"]}, "takes no covariates"),
        (table([(1, 2)], [(1, 2), (2, 3)]), "village", {}, r"Cohort 2015 has a single outcome in 2014 \(1 rows\).*quantiles=\(\)"),
        (table([(1, 2), (2, 3)], [(1, 2), (2, 2)]), "village", {}, "Its comparison has a single outcome in 2015"),
    ],
)
def test_what_has_no_ranks_is_refused_with_the_reason(
    frame: pd.DataFrame, unit: str | None, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        ChangesInChanges()(design(frame, unit, **choices))


def test_a_cohort_of_one_unit_has_a_mean_but_no_quantiles() -> None:
    estimate = ChangesInChanges(())(design(table([(1, 4)], [(1, 2), (2, 3)])))
    assert estimate.select(kind="group_time").theta[-1] == 2.0 and "quantile" not in set(estimate.cells["kind"])


@pytest.mark.parametrize(
    ("quantiles", "message"), [((0.5, 1.0), "between 0 and 1.*got 1.0"), ((0, 0.5), "got 0.0"), ((0.5, 0.5), "named twice: 0.5")]
)
def test_quantiles_that_are_none_are_refused(quantiles: tuple[float, ...], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        ChangesInChanges(quantiles)


def test_a_sample_of_one_row_has_no_noise_to_learn_from() -> None:
    """Households of a village seen once before and thrice after: how they differed before cannot be known."""
    frame = table([(1.5, 4)] + [(9, v) for v in (5, 6)], [(1, 2), (2, 4), (3, 5.5)])
    seen = frame[~((frame["village"].isin([1, 2])) & (frame["year"] == 2014))]
    estimate = ChangesInChanges(())(design(seen, None))
    cell = estimate.select(kind="group_time", period=2015).cells
    assert cell["units"].tolist() == [4] and cell["noisy_units"].tolist() == [0]
    assert np.isnan(ek.infer(ek.aggregate(estimate))["std_error"][0])


@pytest.mark.parametrize("within", [0.02, 0.4])
def test_half_a_step_is_by_how_much_the_effect_is_too_high(within: float) -> None:
    """Everybody's effect is 0.1: the mean error over draws is half a step, however much incomes move."""
    generator = np.random.default_rng(31)
    errors, steps = [], []
    for _ in range(300):
        trait = generator.normal(0, 0.5, 160)
        before, after = (trait + within * generator.normal(size=160) for _ in range(2))
        after[:60] += 0.1
        cell = Cell(sample(*after[:60]), sample(*before[:60]), sample(*after[60:]), sample(*before[60:]))
        errors.append(cell.mean()[0] - 0.1)
        steps.append(cell.half_step)
    assert np.mean(errors) == pytest.approx(np.mean(steps), abs=3 * np.std(errors) / np.sqrt(300) + 0.001)


def test_ranks_that_are_too_coarse_for_the_effect_are_told_with_the_step() -> None:
    """The comparison stands at 0, 10, ..., 90; the treated between them, at 5, ..., 85 (half a step is 5), and gain 20 or 200."""
    low = [float(v) for v in range(0, 100, 10)]
    remarks = []
    for gain in (20, 200):
        frame = table([(v + 5, v + 5 + gain) for v in low[:-1]], [(v, v) for v in low])
        remarks.append([n for n in ChangesInChanges(())(design(frame)).notices if n.code == "CIC_COARSE_RANKS"])
    assert [dict(n.facts) for n in remarks[0]] == [{"half_step": pytest.approx(5), "effect": pytest.approx(25)}] and not remarks[1]
    for lang in ("en", "zh"):
        assert "5" in catalogue(lang).say("estimator_notice.CIC_COARSE_RANKS", **remarks[0][0].facts)
    exact = ChangesInChanges(())(design(table([(v, v + 20) for v in low[2:5]], [(v, v) for v in low])))
    assert not [n for n in exact.notices if n.code == "CIC_COARSE_RANKS"]
