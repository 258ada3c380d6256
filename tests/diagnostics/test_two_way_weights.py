"""The weights of a two-way coefficient: they recover it on noiseless data, and the two standard deviations solve their problems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.diagnostics.bacon import bacon
from evalkit.diagnostics.two_way_weights import TwoWayWeights, two_way_weights

FRAME = villages(units=150)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def planted(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[tuple[int, int], float]]:
    """Return the data without noise, with an effect of its own in every cohort and period."""
    treated = frame[(frame["start"] > 0) & (frame["year"] >= frame["start"])]
    cells = sorted(set(zip(treated["start"], treated["year"], strict=True)))
    effects = dict(zip(cells, np.random.default_rng(2).normal(1, 1, len(cells)), strict=True))
    effect = [effects.get(cell, 0.0) for cell in zip(frame["start"], frame["year"], strict=True)]
    level = frame["village"] % 17 + (frame["year"] - 2012) ** 2 / 5 + 0.3 * frame["rain"]
    return frame.assign(y=level + effect), effects


def test_two_villages_by_hand() -> None:
    """One village treated from 2016, one from 2017, over 2015 to 2017: nobody is ever untreated.

    Treatment 0 1 1 and 0 0 1, less village means (2/3, 1/3), less year means (0, 1/2, 1), plus 1/2:
    early -1/6 1/3 -1/6, late 1/6 -1/3 1/6. Over the treated rows: early 2016 1/3, early 2017 -1/6, late 2017 1/6; their sum is 1/3.
    """
    rows = [(u, 2015 + t, start, 0.0) for u, start in (("early", 2016), ("late", 2017)) for t in range(3)]
    told = two_way_weights(design(pd.DataFrame(rows, columns=["village", "year", "start", "y"]).assign(county=1)))
    found = {(c.cohort, c.period): (c.weight, c.share) for c in told.cells.itertuples()}
    third = pytest.approx(1 / 3)
    assert found == {
        (2016, 2016): (pytest.approx(1), third),
        (2016, 2017): (pytest.approx(-0.5), third),
        (2017, 2017): (pytest.approx(0.5), third),
    }
    assert (len(told.negative), told.negative_sum, told.negative_share) == pytest.approx((1, -0.5, 1 / 3))


CASES = [
    (FRAME, {}),
    (FRAME, {"weight": "sampled"}),
    (villages(units=120, starts=(0, 2012, 2013, 2016)), {"weight": "households"}),
    (villages(units=90, starts=(2014, 2015, 2017)), {}),
    (with_gaps(FRAME), {"unbalanced": "pairwise"}),
    (with_gaps(FRAME), {"unbalanced": "pairwise", "weight": "sampled"}),
    (FRAME, {"anticipation": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "choices"), CASES)
def test_on_noiseless_data_the_coefficient_is_the_weighted_sum_of_the_cells_effects(
    frame: pd.DataFrame, choices: dict[str, Any]
) -> None:
    frame, effects = planted(frame)
    made = design(frame, covariates=["rain"], **choices)
    told = two_way_weights(made)
    assert told.cells["weight"].sum() == pytest.approx(1) and told.cells["share"].sum() == pytest.approx(1)
    cells = list(zip(told.cells["cohort"], told.cells["period"], strict=True))
    assert set(cells) == set(effects)
    added = sum(w * effects[cell] for w, cell in zip(told.cells["weight"], cells, strict=True))
    assert added == pytest.approx(float(ek.TwoWay()(made).theta[0]), rel=1e-9)
    assert told.coefficient == pytest.approx(added, rel=1e-9)


@pytest.mark.parametrize(("frame", "choices"), CASES)
def test_the_coefficient_is_the_one_of_the_regression(frame: pd.DataFrame, choices: dict[str, Any]) -> None:
    for covariates in ([], ["share"], ["share", "rain"]):
        made = design(frame, covariates=covariates, **choices)
        assert two_way_weights(made).coefficient == pytest.approx(float(ek.TwoWay()(made).theta[0]), rel=1e-9)


def test_one_start_weighs_all_treated_rows_alike() -> None:
    told = two_way_weights(design(villages(units=60, starts=(0, 2015))))
    np.testing.assert_allclose(told.cells["weight"], told.cells["share"])
    assert told.sigma_zero == np.inf and told.sigma_opposite == np.inf and told.negative.empty


NEGATIVE = villages(units=150, starts=(0, 2013, 2013, 2014, 2014, 2016), seed=6)


def smallest_spread(told: TwoWayWeights, opposite: bool) -> float:
    """Return the smallest standard deviation found by a general solver, over effects that make the coefficient."""
    p, w = told.cells["share"].to_numpy(), told.cells["weight"].to_numpy()
    sign = np.sign(told.coefficient)
    negative = w < 0
    feasible = sign * (np.where(negative, w, 0) / (w[negative] @ w[negative]) if opposite else w / (w @ w))
    rules: list[dict[str, Any]] = [{"type": "eq", "fun": lambda d: w @ d - sign}]
    rules.append({"type": "ineq", "fun": lambda d: -sign * d} if opposite else {"type": "eq", "fun": lambda d: p @ d})
    found = optimize.minimize(lambda d: p @ (d - p @ d) ** 2, feasible, constraints=rules, tol=1e-14, options={"maxiter": 2000})
    return float(np.sqrt(found.fun)) * abs(told.coefficient)


def test_the_two_standard_deviations_solve_their_minimisation_problems() -> None:
    told = two_way_weights(design(NEGATIVE))
    assert len(told.negative) >= 2
    assert told.sigma_zero == pytest.approx(smallest_spread(told, opposite=False), rel=1e-4)
    assert told.sigma_opposite == pytest.approx(smallest_spread(told, opposite=True), rel=1e-4)
    assert told.sigma_opposite > told.sigma_zero


def test_negative_weights_lie_where_the_decomposition_finds_forbidden_comparisons() -> None:
    """Untreated villages that outnumber the treated leave no negative weight, few of them do."""
    crowded, sparse = villages(units=150, starts=(0, 0, 0, 0, 2013, 2017)), NEGATIVE
    weights = [two_way_weights(design(f)).negative_sum for f in (crowded, sparse)]
    forbidden = [bacon(design(f)).forbidden_weight for f in (crowded, sparse)]
    assert weights[0] > weights[1] and forbidden[0] < forbidden[1]


def test_effects_of_another_programme_enter_with_weights_that_add_to_nothing() -> None:
    frame, _ = planted(FRAME)
    generator = np.random.default_rng(4)
    other = dict(zip(frame["village"].unique(), generator.choice([0, 2013, 2015, 2017], 150), strict=True))
    frame = frame.assign(other=frame["village"].map(other), rain=0.0)
    on = (frame["other"] > 0) & (frame["year"] >= frame["other"])
    effects = {(g, t): float(generator.normal()) for g in (2013, 2015, 2017) for t in range(g, 2018)}
    gain = np.array([effects.get(cell, 0.0) for cell in zip(frame["other"], frame["year"], strict=True)])
    base = frame["village"] % 13 + 0.2 * frame["year"]
    frame = frame.assign(y=base + on * gain, y0=base)
    panel = ek.Panel(frame, "village", "year")
    rollouts = [ek.Rollout.from_first_treated(panel, column, never=0) for column in ("start", "other")]
    told = two_way_weights(ek.Design(panel, rollouts[0], "y"), others=rollouts[1:])
    assert told.contamination["weight"].sum() == pytest.approx(0, abs=1e-12)
    leaked = sum(
        w * effects[g, t] for g, t, w in zip(*(told.contamination[c] for c in ("cohort", "period", "weight")), strict=True)
    )
    assert told.coefficient == pytest.approx(leaked, rel=1e-9) and abs(leaked) > 1e-3


def test_a_covariate_that_says_nothing_beside_the_effects_is_named() -> None:
    plain = two_way_weights(design(covariates=["rain"]))
    told = two_way_weights(design(covariates=["rain", "share"]))
    assert told.coefficient == pytest.approx(plain.coefficient, rel=1e-9) and plain.notices == ()
    assert [(n.code, n.facts) for n in told.notices] == [("ABSORBED_COVARIATES", {"columns": ["share"]})]


def test_one_other_programme_need_not_be_a_list_and_a_name_is_no_roll_out() -> None:
    frame = FRAME.assign(other=2014 * (FRAME["village"] % 3 == 0))
    panel = ek.Panel(frame, "village", "year")
    rollouts = [ek.Rollout.from_first_treated(panel, column, never=0) for column in ("start", "other")]
    made = ek.Design(panel, rollouts[0], "y")
    one, several = two_way_weights(made, rollouts[1]), two_way_weights(made, rollouts[1:])
    pd.testing.assert_frame_equal(one.contamination, several.contamination)
    with pytest.raises(ek.RolloutError, match=r"is a roll-out.*not 'other'"):
        two_way_weights(made, ["other"])


def test_what_has_no_weights_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="repeated cross-section"):
        two_way_weights(design(households(rows=800), unit=None))
    made = design(FRAME)
    with pytest.raises(ek.DesignError, match="told as one bundle"):
        two_way_weights(made, others=[made.rollout])
    stopping = FRAME.assign(on=((FRAME["start"] > 0) & (FRAME["year"] == FRAME["start"])) * 1)
    panel = ek.Panel(stopping, "village", "year")
    kept = ek.Design(panel, ek.Rollout.from_status(panel, "on", reversals="keep"), "y")
    for diagnostic in (two_way_weights, bacon):
        with pytest.raises(ek.DesignError, match="stops or varies in intensity"):
            diagnostic(kept)
    part = design(FRAME[FRAME["village"] < 130])
    with pytest.raises(ek.RolloutError, match="knows nothing of 120 units"):
        two_way_weights(made, others=[part.rollout])
