"""Synthetic difference-in-differences: weights by hand and by a slow solver, invariances, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.synthetic import Synthetic
from evalkit.kernels import synthetic as kernel

ALL = ("synthdid", "synthetic_control", "demeaned", "did")
WITH_CONSTANT = ("synthdid", "demeaned", "did")


def design(frame: pd.DataFrame, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"] if "county" in frame else [], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def table(start: int = 2016, first: int = 2012, treated: tuple[str, ...] = ("a",), **paths: list[float]) -> pd.DataFrame:
    """Return a frame from the outcomes of each village, year by year."""
    return pd.DataFrame(
        [
            {"village": name, "year": first + t, "start": start if name in treated else 0, "y": float(value)}
            for name, path in paths.items()
            for t, value in enumerate(path)
        ]
    )


def one_start(units: int = 40, seed: int = 3) -> pd.DataFrame:
    return villages(units, (0, 2015), seed)


def overall(form: str, frame: pd.DataFrame, **choices: Any) -> float:
    return float(ek.aggregate(Synthetic(form)(design(frame, **choices))).theta[0])


@pytest.mark.parametrize("solver", ["frank_wolfe", "exact"])
def test_a_synthetic_control_is_the_mix_of_donors_that_was_equal_before(solver: str) -> None:
    # Before: a = b/4 + 3c/4 in every year. After: the mix has 5 and 5, a has 7 and 8.
    frame = table(a=[3.5, 3, 4.5, 5.5, 7, 8], b=[2, 6, 0, 4, 8, 2], c=[4, 2, 6, 6, 4, 6])
    specification = Synthetic("synthetic_control", solver=solver)
    cells = specification(design(frame)).select(kind="group_time")
    np.testing.assert_allclose(cells.theta, [0, 0, 0, 0, 2, 3], atol=1e-8)
    weights = specification.weights(design(frame)).set_index("label")["weight"]
    np.testing.assert_allclose(weights, [0.25, 0.75, 0, 0, 0, 0], atol=1e-8)


def test_with_all_weights_alike_it_is_the_difference_of_differences() -> None:
    # a: after 8, before 4; b, c: after 5 and 7, before 4 and 3: their mean change is (1 + 4) / 2.
    frame = table(a=[3, 4, 4, 5, 7, 9], b=[4, 4, 4, 4, 4, 6], c=[2, 3, 4, 3, 6, 8])
    assert overall("did", frame) == pytest.approx(4 - 2.5)


def test_with_one_start_and_weights_alike_it_is_two_by_two() -> None:
    assert overall("did", one_start()) == pytest.approx(ek.TwoByTwo()(design(one_start())).theta[0], rel=1e-12)


def test_a_village_of_another_level_is_matched_by_its_movements_when_a_constant_is_allowed() -> None:
    # The same villages, a higher by 100 in every year.
    frame = table(a=[103.5, 103, 104.5, 105.5, 107, 108], b=[2, 6, 0, 4, 8, 2], c=[4, 2, 6, 6, 4, 6])
    assert overall("demeaned", frame) == pytest.approx(2.5, abs=1e-8)
    assert overall("synthetic_control", frame) > 90


def slow(A: np.ndarray, b: np.ndarray, eta: float) -> np.ndarray:
    """Return the weights by a general solver: sequential quadratic programming from the middle."""
    n = A.shape[1]
    objective = lambda x: float(((A @ x - b) ** 2).sum() + eta * (x**2).sum())  # noqa: E731
    slope = lambda x: 2 * ((A @ x - b) @ A + eta * x)  # noqa: E731
    one = {"type": "eq", "fun": lambda x: x.sum() - 1, "jac": lambda x: np.ones(n)}
    found = minimize(
        objective, np.full(n, 1 / n), jac=slope, bounds=[(0, 1)] * n, constraints=one, tol=1e-14, options={"maxiter": 500}
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("eta", [1e-6, 0.5, 20.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fast_search_finds_what_a_slow_solver_finds(seed: int, eta: float) -> None:
    generator = np.random.default_rng(seed)
    A, b = generator.normal(size=(9, 14)), generator.normal(size=9)
    start = np.full(14, 1 / 14)
    fast, exact = kernel.simplex_weights(A, b, eta, start, 50_000, 1e-16), slow(A, b, eta)
    value = [((A @ x - b) ** 2).sum() + eta * (x**2).sum() for x in (fast, exact)]
    assert fast.min() >= 0 and fast.sum() == pytest.approx(1, abs=1e-12)
    assert value[0] == pytest.approx(value[1], rel=2e-4)  # Frank-Wolfe nears the optimum like one over the steps
    np.testing.assert_allclose(fast, exact, atol=1e-2)


@pytest.mark.parametrize("donors", [8, 14, 200])
@pytest.mark.parametrize("eta", [0.0, 1e-6, 0.5, 20.0])
def test_from_the_exact_weights_no_donor_could_take_weight_and_do_better(eta: float, donors: int) -> None:
    """At the minimum on the simplex every slope K_i x is x'Kx or more, and equal to it where there is weight."""
    generator = np.random.default_rng(donors)
    A, b = generator.normal(size=(9, donors)), np.full(9, 3.0)  # no mix of donors is as high
    x = kernel.exact_weights(A, b, eta)
    slopes = (A - b[:, None]).T @ (A @ x - b) + eta * x
    assert x.min() >= 0 and x.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(slopes[x > 0], slopes @ x, rtol=1e-10)
    assert slopes.min() >= slopes @ x * (1 - 1e-10)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_donors_that_are_all_alike_share_the_weight(scale: float) -> None:
    for level in (1, 2):
        np.testing.assert_allclose(kernel.exact_weights(np.full((4, 5), scale), np.full(4, level * scale), 0.0), 0.2, rtol=1e-3)


def test_the_exact_solver_has_no_joint_search() -> None:
    made = design(one_start(), covariates=["rain"])
    with pytest.raises(ek.DesignError, match=r"Use adjustment='projected' with solver='exact'"):
        Synthetic(solver="exact")(made)
    assert np.isfinite(ek.aggregate(Synthetic(adjustment="projected", solver="exact")(made)).theta[0])


def test_a_donor_that_has_all_the_weight_up_to_rounding_has_no_influence() -> None:
    _, _, donors = kernel.effects(np.ones((3, 1)), np.array([[0.3], [7.1]]), np.array([1 - 2e-16, 2e-16]))
    np.testing.assert_allclose(donors, 0, atol=1e-12)


def plain_search(A: np.ndarray, b: np.ndarray, eta: float, steps: int) -> np.ndarray:
    """Return the weights by Frank-Wolfe as it is written in R, with all products made anew."""
    x = np.full(A.shape[1], 1 / A.shape[1])
    for _ in range(steps):
        half = (A @ x - b) @ A + eta * x
        d = -x
        d[half.argmin()] += 1
        length = ((A @ d) ** 2).sum() + eta * (d**2).sum()
        x = x + min(1, max(0, -(half @ d) / length)) * d
    return x


@pytest.mark.parametrize("steps", [1, 2, 50, 199, 200, 201, 900])
def test_the_search_takes_the_steps_of_the_plain_one(steps: int) -> None:
    generator = np.random.default_rng(5)
    A, b = generator.normal(size=(6, 30)), generator.normal(size=6)
    fast = kernel.simplex_weights(A, b, 0.3, np.full(30, 1 / 30), steps, -1.0)
    np.testing.assert_allclose(fast, plain_search(A, b, 0.3, steps), atol=1e-12)


def test_a_search_that_jumps_to_one_donor_and_back_keeps_its_way() -> None:
    """The best first step is the whole way to the first column: its scale vanishes and must be taken up."""
    A, b = np.array([[1.0, 5, 9], [0, 3, -8]]), np.array([1.0, 0])
    np.testing.assert_allclose(kernel.simplex_weights(A, b, 0.0, np.full(3, 1 / 3), 500, 1e-20), [1, 0, 0], atol=1e-12)


def left_out_by_hand(Y1: np.ndarray, Y0: np.ndarray, omega: np.ndarray) -> np.ndarray:
    effects = [np.delete(Y1, i).mean() - omega @ Y0 for i in range(len(Y1))]
    for j in range(len(Y0)):
        rest = np.delete(omega, j)
        effects.append(Y1.mean() - (rest / rest.sum()) @ np.delete(Y0, j))
    return np.array(effects)


def test_the_influence_is_the_jackknife_with_renormalised_weights_unit_by_unit() -> None:
    generator = np.random.default_rng(4)
    Y1, Y0, omega = generator.normal(size=5), generator.normal(size=7), generator.dirichlet(np.ones(7))
    _, treated, donors = kernel.effects(Y1[:, None], Y0[:, None], omega)
    without, n = left_out_by_hand(Y1, Y0, omega), 12
    np.testing.assert_allclose(np.r_[treated[:, 0], donors[:, 0]], (without.mean() - without) * (n - 1) / n, atol=1e-14)
    jackknife = (n - 1) / n * ((without - without.mean()) ** 2).sum()
    assert ((treated**2).sum() + (donors**2).sum()) * n / (n - 1) == pytest.approx(jackknife, rel=1e-12)


@pytest.mark.parametrize("form", WITH_CONSTANT)
def test_constants_of_villages_and_steady_common_growth_move_nothing(form: str) -> None:
    frame = one_start()
    level = frame["village"].map(dict(zip(frame["village"].unique(), np.random.default_rng(1).normal(0, 3, 40), strict=True)))
    grown = frame.assign(y=frame["y"] + level + 0.5 * (frame["year"] - 2012))
    assert overall(form, grown) == pytest.approx(overall(form, frame), rel=1e-7)


def test_a_donor_with_a_wild_path_gets_next_to_no_weight() -> None:
    frame = one_start()
    wild = frame["village"] == frame.loc[frame["start"] == 0, "village"].iloc[0]
    spoiled = frame.assign(y=frame["y"] + wild * np.where(frame["year"] % 2, 30.0, -30.0))
    weights = Synthetic("demeaned").weights(design(spoiled)).set_index("label")["weight"]
    assert weights[frame.loc[wild, "village"].iloc[0]] < 0.005


@pytest.mark.parametrize("form", ALL)
def test_weights_are_shares(form: str) -> None:
    table = Synthetic(form).weights(design(villages(60)))
    sums = table.groupby(["cohort", "first_period", "kind"])["weight"].sum()
    expected = np.where(sums.index.get_level_values("kind") == "unit", 1, 0 if form == "synthetic_control" else 1)
    assert (table["weight"] >= 0).all()
    np.testing.assert_allclose(sums, expected, atol=1e-12)


def test_not_yet_treated_villages_are_donors_until_they_start() -> None:
    frame = villages(60)
    cells = Synthetic()(design(frame)).select(kind="group_time", cohort=2014)
    # Up to 2015 those who start in 2016 are donors like the never treated.
    early = frame[frame["year"] < 2016].assign(start=lambda d: d["start"].where(d["start"] == 2014, 0))
    pooled = Synthetic()(design(early)).select(kind="group_time")
    np.testing.assert_allclose(cells.theta[:4], pooled.theta, rtol=1e-10)
    # From 2016 on only the never treated are left, and the weights look at those years alone.
    late = frame[(frame["start"] != 2016) & ~frame["year"].isin([2014, 2015])]
    alone = Synthetic()(design(late)).select(kind="group_time", event_time=[2, 3])
    np.testing.assert_allclose(cells.theta[4:], alone.theta, rtol=1e-10)


def test_with_never_treated_villages_only_each_batch_is_as_if_the_others_were_not_there() -> None:
    frame = villages(60)
    both = Synthetic()(design(frame, comparison="never_treated")).select(kind="group_time", cohort=2014)
    alone = Synthetic()(design(frame[frame["start"] != 2016])).select(kind="group_time")
    np.testing.assert_allclose(both.theta, alone.theta, rtol=1e-10)


def test_years_of_anticipation_enter_no_weight_and_are_shown() -> None:
    frame = villages(60, (0, 2016))
    moved = frame.assign(y=frame["y"] + 5.0 * ((frame["start"] == 2016) & (frame["year"] == 2015)))
    one, other = (Synthetic()(design(f, anticipation=1)).select(kind="group_time") for f in (frame, moved))
    np.testing.assert_allclose(other.theta - one.theta, [0, 0, 0, 5, 0, 0], atol=1e-10)


def test_the_average_of_batches_counts_their_villages_in_treated_years() -> None:
    cells = Synthetic("did")(design(villages(60)))
    effects = cells.select(kind="group_time")
    after = effects.cells["event_time"].to_numpy() >= 0
    by_hand = np.average(effects.theta[after], weights=effects.cells["units"][after])
    assert ek.aggregate(cells).theta[0] == pytest.approx(by_hand, rel=1e-12)


def test_where_trends_differ_with_a_common_cycle_weights_find_the_truth_and_plain_differences_do_not() -> None:
    generator = np.random.default_rng(8)
    years = np.arange(2000, 2020)
    factor, loading = np.cumsum(generator.normal(0.1, 0.3, 20)), generator.uniform(0, 1, 60)
    treated = np.argsort(loading)[40:55]
    start = np.where(np.isin(np.arange(60), treated), 2014, 0)
    y = loading[:, None] * factor + 0.5 * ((start[:, None] > 0) & (years >= 2014)) + generator.normal(0, 0.05, (60, 20))
    frame = pd.DataFrame(
        {"village": np.repeat(np.arange(60), 20), "year": np.tile(years, 60), "start": np.repeat(start, 20), "y": y.ravel()}
    )
    assert abs(overall("synthdid", frame) - 0.5) < 0.06
    assert abs(overall("did", frame) - 0.5) > 0.15


@pytest.mark.slow
def test_its_interval_covers_the_truth_at_about_its_level() -> None:
    """100 worlds of independent noise, 95 per cent: Monte Carlo error 2.2; the jackknife with held weights errs to the wide side."""
    covered = []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        y = generator.normal(size=(30, 8)) + generator.normal(size=(30, 1))
        y[:10, 5:] += 1
        frame = pd.DataFrame({"village": np.repeat(np.arange(30), 8), "year": np.tile(np.arange(2010, 2018), 30), "y": y.ravel()})
        frame["start"] = np.where(frame["village"] < 10, 2015, 0)
        row = ek.infer(ek.aggregate(Synthetic()(design(frame))), correction="clusters").iloc[0]
        covered.append(row["conf_low"] <= 1 <= row["conf_high"])
    assert 0.88 <= np.mean(covered) <= 1


def test_gaps_that_were_fitted_have_no_error_and_those_of_plain_differences_do() -> None:
    for form, learned in (("synthdid", False), ("did", True)):
        cells = Synthetic(form)(design(one_start())).select(kind="group_time")
        shown = ek.infer(cells)["std_error"].notna().to_numpy()
        assert (shown[cells.cells["event_time"] >= 0]).all()
        assert (shown[cells.cells["event_time"] < 0] == learned).all()
    assert "GAPS_BEFORE_ARE_FITTED" in [n.code for n in Synthetic()(design(one_start())).notices]


def test_one_treated_village_has_an_effect_and_no_error() -> None:
    frame = one_start()
    alone = frame[(frame["start"] == 0) | (frame["village"] == frame.loc[frame["start"] > 0, "village"].iloc[0])]
    cells = Synthetic()(design(alone))
    assert ek.infer(ek.aggregate(cells))["std_error"].isna().all() and np.isfinite(cells.psi).all()
    assert "ONE_TREATED_UNIT" in [n.code for n in cells.notices]


def test_where_one_donor_has_all_the_weight_there_is_no_error_to_be_learned() -> None:
    # The treated lie on the far side of b, seen from c.
    frame = table(treated=("a", "e"), a=[0, 1, 0, 1, 5, 5], b=[1, 2, 1, 3, 2, 2], c=[4, 5, 4, 8, 3, 1], e=[0, 1, 0, 1, 4, 4])
    cells = Synthetic("synthetic_control")(design(frame))
    assert ek.infer(cells.select(kind="group_time"))["std_error"].isna().all() and np.isfinite(cells.psi).all()
    assert "ONE_DONOR" in [n.code for n in cells.notices]


def test_batches_without_two_clean_years_are_left_out_and_named() -> None:
    cells = Synthetic("did")(design(villages(60, (0, 2013, 2015)), comparison="never_treated"))
    assert set(cells.cells["cohort"]) == {2015}
    left = {n.code: n.facts for n in cells.notices}["CELLS_NOT_ESTIMATED"]["cells"]
    assert left == [f"2013 in {year}" for year in range(2013, 2018)]


@pytest.mark.parametrize("adjustment", ["joint", "projected"])
def test_a_covariate_that_moves_incomes_is_taken_off(adjustment: str) -> None:
    frame = one_start()
    wet = frame.assign(rain=frame["rain"] + 2.0 * ((frame["start"] > 0) & (frame["year"] >= 2015)))
    wet["y"] += wet["rain"] - frame["rain"]  # two points more rain from the start on, a point of income for each
    wet["y"] += frame["rain"]
    before = overall("synthdid", frame)
    after = float(ek.aggregate(Synthetic("synthdid", adjustment)(design(wet, covariates=["rain"]))).theta[0])
    assert after == pytest.approx(before, abs=0.1) and overall("synthdid", wet) - before > 1.5


def test_with_a_joint_search_a_gift_is_found_and_another_currency_scales_everything() -> None:
    frame = one_start(20)
    gift = 0.7 * ((frame["start"] > 0) & (frame["year"] >= 2015))
    one, given, dear = (
        Synthetic()(design(frame.assign(y=y), covariates=["rain"])).select(kind="group_time")
        for y in (frame["y"], frame["y"] + gift, 6.5 * frame["y"])
    )
    np.testing.assert_allclose(given.theta - one.theta, 0.7 * (one.cells["event_time"] >= 0), atol=1e-9)
    np.testing.assert_allclose(given.psi, one.psi, atol=1e-8)
    np.testing.assert_allclose(dear.theta, 6.5 * one.theta, rtol=1e-8)
    np.testing.assert_allclose(dear.psi, 6.5 * one.psi, rtol=1e-6, atol=1e-9)


def test_projected_coefficients_do_not_depend_on_the_covariates_unit() -> None:
    frame = one_start()
    one, other = (
        ek.aggregate(Synthetic(adjustment="projected")(design(f, covariates=["rain"])))
        for f in (frame, frame.assign(rain=1000 * frame["rain"]))
    )
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-9)
    np.testing.assert_allclose(other.psi, one.psi, rtol=1e-6, atol=1e-12)


def test_a_covariate_in_yuan_does_not_push_one_in_millimetres_out() -> None:
    frame = one_start().assign(output=lambda d: np.random.default_rng(2).lognormal(size=len(d)))
    one, other = (
        ek.aggregate(Synthetic(adjustment="projected")(design(f, covariates=["rain", "output"])))
        for f in (frame, frame.assign(output=1e12 * frame["output"]))
    )
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-9)
    np.testing.assert_allclose(other.psi, one.psi, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("form", ["synthdid", "synthetic_control"])
@pytest.mark.parametrize("adjustment", ["joint", "projected"])
@pytest.mark.parametrize("covariate", ["projects", "trend"])
def test_a_covariate_that_stands_still_where_its_coefficient_is_searched_is_refused(
    covariate: str, adjustment: str, form: str
) -> None:
    """Projects come with the treatment alone: donors have none, and the treated none before."""
    frame = one_start().assign(trend=lambda d: d["year"] - 2012)
    frame["projects"] = np.where(frame["start"] > 0, np.maximum(frame["year"] - 2014, 0) * (1 + frame["village"] % 2), 0)
    with pytest.raises(ek.DesignError, match=f"Covariates {covariate} do not change within the units compared"):
        Synthetic(form, adjustment)(design(frame, covariates=[covariate]))


def test_before_the_weights_a_constant_of_each_donor_has_no_coefficient_even_where_levels_count() -> None:
    """A two-way regression takes it off; what rounding leaves of it would otherwise get an enormous coefficient."""
    with pytest.raises(ek.DesignError, match="Covariates share do not change"):
        Synthetic("synthetic_control", "projected")(design(one_start(), covariates=["share"]))


@pytest.mark.parametrize(
    ("specification", "frame", "choices", "message"),
    [
        (Synthetic(), with_gaps(one_start()), {"unbalanced": "pairwise"}, "unit-periods are missing"),
        (Synthetic(), one_start(), {"weight": "households"}, "no weights"),
        (Synthetic(), one_start(), {"unit": None}, "follows the same units"),
        (Synthetic(), one_start(), {"base": "varying"}, "base='varying'"),
        (Synthetic(), one_start(), {"rows": "observation"}, "no influence by observation"),
        (Synthetic(), villages(30, (0, 2013)), {}, "two at least"),
        (Synthetic(), one_start(), {"covariates": ["share"]}, "do not change within the units"),
        (Synthetic(), one_start().assign(rain=lambda d: 1e5 * d["rain"]), {"covariates": ["rain"]}, "did not settle"),
        (Synthetic(), one_start().assign(rain=lambda d: 1e-6 * d["rain"]), {"covariates": ["rain"]}, "did not settle"),
        (
            Synthetic(adjustment="projected"),
            one_start().assign(wet=lambda d: 2 * d["rain"] - 1),
            {"covariates": ["rain", "wet"]},
            "rain, wet say the same",
        ),
        (Synthetic(), table(a=[1, 2, 3, 4, 5, 6], b=[1, 2, 3, 4, 4, 4]), {}, "two comparison units"),
    ],
)
def test_what_it_cannot_answer_is_refused_with_the_reason(
    specification: Synthetic, frame: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        specification(design(frame, **choices))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"form": "synthdd"}, "Did you mean 'synthdid'"),
        ({"form": ["did"]}, "Did you mean 'did'"),
        ({"adjustment": "both"}, "projected"),
        ({"shares": "known"}, "sample"),
        ({"solver": "newton"}, "Allowed: frank_wolfe, exact"),
    ],
)
def test_an_unknown_choice_names_those_that_are(choices: dict[str, str], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Synthetic(**choices)
