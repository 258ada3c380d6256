"""Selection on what is not observed: the formula recovers what was planted, by the choice of the right root."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages

import evalkit as ek
from evalkit.diagnostics.selection import Regressions, bias_adjusted, explaining_delta, selection, three_regressions


def design(frame: pd.DataFrame, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], choices.pop("weight", None))
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


# beta 2 with R2 0.2 without controls, 1 with 0.5 with them; sigma_yy = 10, so sigma_xx = 0.2 * 10 / 2**2 = 0.5; tau = 0.4.
BY_HAND = Regressions(2.0, 0.2, 1.0, 0.5, 10.0, 0.5, 0.4)


def test_delta_by_hand() -> None:
    """R_max 0.65: A = 3 + 0.5, B = 1.5, nu = 1: 0.4 (3.5 + 1 + 0.1) / ((1.5 + 0.4) (0.5 + 0.1)) = 1.84 / 1.14."""
    assert explaining_delta(BY_HAND, 0.65) == pytest.approx(1.84 / 1.14, rel=1e-14)


def test_the_adjusted_effect_by_hand_and_the_root_that_is_not_taken() -> None:
    """delta = 1: 0.2 nu^2 + (0.4 * 3.5 - 1.5 * 0.1) nu - 1.5 * 0.5 = 0, of which the root nu > 0 keeps the direction."""
    beta, others = bias_adjusted(BY_HAND, 0.65)
    root = np.sqrt(1.25**2 + 4 * 0.2 * 0.75)
    assert beta == pytest.approx(1 - (-1.25 + root) / 0.4, rel=1e-12)
    # The other root, nu = -6.80, would have the observed part bias downwards (0.5 - 6.80 * 0.1 < 0): against assumption 3.
    assert others == pytest.approx((1 - (-1.25 - root) / 0.4,), rel=1e-12)


def test_a_nearer_root_that_turns_the_direction_of_observed_selection_is_told_but_not_taken() -> None:
    """A = 0.05 + 0.01, B = 1: 0.01 nu^2 + (0.1 * 0.06 - 0.9) nu - 0.1 = 0; at the small root 0.1 + 0.9 nu is below zero."""
    beta, others = bias_adjusted(Regressions(1.1, 0.121, 1.0, 0.126, 10.0, 1.0, 0.1), 0.226)
    root = np.sqrt(0.894**2 + 4 * 0.01 * 0.1)
    assert beta == pytest.approx(1 - (0.894 + root) / 0.02) and others == pytest.approx((1 - (0.894 - root) / 0.02,), rel=1e-6)


@pytest.mark.parametrize("delta", [0.4, 1.0, 1.7, -0.6])
@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_planted_selection_is_recovered(delta: float, noise: float) -> None:
    """One observed, one unobserved cause, both of the treatment and of the outcome, orthogonal: delta and the effect are known."""
    generator = np.random.default_rng(3)
    W1, W2, e, u = np.linalg.qr(generator.normal(size=(50, 4)))[0].T * np.sqrt(50)
    beta, c1, c2, s1 = 0.7, 1.2, 0.5, 0.6
    s2 = delta * (s1 * c1 / c1**2) * c2**2 / c2  # Cov(D, c2 W2) / Var(c2 W2) = delta Cov(D, c1 W1) / Var(c1 W1)
    D = s1 * W1 + s2 * W2 + e
    y = beta * D + c1 * W1 + c2 * W2 + noise * u
    found = three_regressions(y, D, W1[:, None], np.ones(50))
    r_squared_max = 1 - noise**2 / found.outcome_variance
    assert explaining_delta(found, r_squared_max, null=beta) == pytest.approx(delta, rel=1e-9)
    adjusted, others = bias_adjusted(found, r_squared_max, delta)
    assert min(abs(value - beta) for value in (adjusted, *others)) < 1e-9
    if delta > 0:
        assert adjusted == pytest.approx(beta, rel=1e-8)


def test_nothing_left_to_observe_changes_nothing() -> None:
    assert bias_adjusted(BY_HAND, 0.5)[0] == pytest.approx(1.0)
    table = [bias_adjusted(BY_HAND, r)[0] for r in (0.5, 0.6, 0.8, 1.0)]
    assert (np.diff(table) < 0).all()
    # The delta that explains an effect away, put in again, gives zero.
    delta = explaining_delta(BY_HAND, 0.65)
    assert min(abs(b) for b in (lambda out: (out[0], *out[1]))(bias_adjusted(BY_HAND, 0.65, delta))) < 1e-9


def confounded(seed: int = 1) -> pd.DataFrame:
    frame = villages(units=120, seed=seed)
    treated = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy(float)
    generator = np.random.default_rng(seed)
    seen = 0.8 * treated + generator.normal(0, 0.5, len(frame))
    return frame.assign(seen=seen, y=frame["village"] + 0.5 * seen + 0.1 * treated + generator.normal(0, 0.2, len(frame)))


def test_coefficients_are_those_of_the_two_way_regression() -> None:
    for weight in (None, "households"):
        made = design(confounded(), covariates=["seen"], weight=weight)
        found = selection(made)
        r = found.regressions
        from dataclasses import replace

        assert r.short == pytest.approx(ek.TwoWay()(replace(made, covariates=())).theta[0], rel=1e-9)
        assert r.controlled == pytest.approx(ek.TwoWay()(made).theta[0], rel=1e-9)
        assert found.table.loc[0, "r_squared_max"] == pytest.approx(min(1.0, 1.3 * r.controlled_r_squared))
        assert r.short > r.controlled > found.table.loc[0, "beta_star"]


def test_r_squared_is_that_within_units_and_periods() -> None:
    """On two periods: differences between them, of which the mean is taken out, are all that is left."""
    frame = confounded()
    frame = frame[frame["year"].isin([2013, 2016])]
    found = selection(design(frame, covariates=["seen"])).regressions
    wide = frame.assign(d=((frame["start"] > 0) & (frame["year"] >= frame["start"])).astype(float))
    wide = wide.pivot(index="village", columns="year", values=["y", "d", "seen"])
    change = {name: (wide[name][2016] - wide[name][2013]).to_numpy() for name in ("y", "d", "seen")}
    y, d, x = (v - v.mean() for v in change.values())
    X = np.column_stack([d, x])
    fit = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert found.controlled_r_squared == pytest.approx((fit @ fit) / (y @ y), rel=1e-9)
    assert found.short_r_squared == pytest.approx((d @ y) ** 2 / (d @ d) / (y @ y), rel=1e-9)


def test_units_of_measurement_do_not_matter() -> None:
    frame = confounded()
    one = selection(design(frame, covariates=["seen"]), r_squared_max=[0.95, 1.0]).table
    scaled = frame.assign(y=1000 * frame["y"] + 7, seen=0.001 * frame["seen"])
    two = selection(design(scaled, covariates=["seen"]), r_squared_max=[0.95, 1.0]).table
    np.testing.assert_allclose(two["beta_star"], 1000 * one["beta_star"], rtol=1e-6)
    np.testing.assert_allclose(two["delta_star"], one["delta_star"], rtol=1e-6)


def test_the_caveat_is_part_of_the_result() -> None:
    found = selection(design(confounded(), covariates=["seen", "share"]))
    assert found.caveat == "PROPORTIONAL_SELECTION" and [n.code for n in found.notices] == [found.caveat]
    assert found.controls == ("seen",) and "silent on differing trends" in repr(found)


def test_households_seen_once_have_cohort_effects() -> None:
    frame = households()
    made = design(frame, unit=None, covariates=["share"])
    assert selection(made).regressions.controlled == pytest.approx(ek.TwoWay()(made).theta[0], rel=1e-8)


def test_what_cannot_be_told_is_refused() -> None:
    frame = confounded()
    with pytest.raises(ek.DesignError, match="no controls that vary within units, so"):
        selection(design(frame))
    with pytest.raises(ek.DesignError, match=r"no controls that vary within units \(share never change"):
        selection(design(frame, covariates=["share"]))
    with pytest.raises(ek.EstimateError, match="largest R2 lies between that with controls"):
        selection(design(frame, covariates=["seen"]), r_squared_max=0.1)
    with pytest.raises(ek.EstimateError, match="largest R2 lies between"):
        selection(design(frame, covariates=["seen"]), r_squared_max=1.2)
    copy = frame.assign(twin=((frame["start"] > 0) & (frame["year"] >= frame["start"])).astype(float))
    with pytest.raises(ek.DesignError, match="nothing is left of the treatment"):
        selection(design(copy, covariates=["twin"]))
    unrelated = Regressions(1.0, 0.2, 1.0, 0.4, 10.0, 2.0, 2.0)
    with pytest.raises(ek.EstimateError, match="unrelated to the treatment"):
        explaining_delta(unrelated, 0.5)


def test_a_constant_outcome_and_numbers_that_are_none_are_refused() -> None:
    frame = confounded()
    name = design(frame).covariates or ("rain",)
    with pytest.raises(ek.DesignError, match="leave nothing of 'y'"):
        selection(design(frame.assign(y=3.0), covariates=name))
    made = design(frame, covariates=name)
    with pytest.raises(ek.EstimateError, match="delta is a finite number, not nan"):
        selection(made, delta=float("nan"))
    with pytest.raises(ek.EstimateError, match="The largest R2 is a number"):
        selection(made, r_squared_max="x")  # type: ignore[arg-type]
    with pytest.raises(ek.EstimateError, match="Name one largest R2"):
        selection(made, r_squared_max=[])
