"""Effects of a dose: a line by pencil, what is averaged, what slopes do not say, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.dose_response import DoseResponse
from evalkit.kernels import dose as kernel


def dosed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a dose of 1.0 to 4.0 in every treated village, from its start on."""
    amount = 1 + (frame["village"] * 37 % 31) / 10
    return frame.assign(amount=amount, dose=amount * ((frame["start"] > 0) & (frame["year"] >= frame["start"])))


FRAME = dosed(villages(units=150))
AT = (1.5, 2.5, 3.5)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, dose: str = "dose", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_dose(panel, dose), "y", **choices)


def value(estimate: ek.Estimate, **labels: Any) -> Any:
    return estimate.select(**labels).theta


LINE = pd.DataFrame(
    [
        (village, year, dose * (year == 2015), before + growth * (year == 2015))
        for village, dose, before, growth in [(1, 1, 5, 3), (2, 2, 4, 4), (3, 3, 6, 8), (4, 0, 9, 1), (5, 0, 2, 0)]
        for year in (2014, 2015)
    ],
    columns=["village", "year", "dose", "y"],
).assign(county=0)


def test_a_line_through_three_treated_villages() -> None:
    """Growth 3, 4, 8 at doses 1, 2, 3: mean 5, slope 2.5, residuals 0.5, -1, 0.5; untreated growth 1 and 0: mean 0.5."""
    estimate = DoseResponse(degree=1, doses=[1, 2, 3])(design(LINE))
    np.testing.assert_allclose(value(estimate, kind="dose", name="effect"), [2.0, 4.5, 7.0])
    np.testing.assert_allclose(value(estimate, kind="dose", name="slope"), [2.5] * 3)
    np.testing.assert_allclose(value(estimate, kind="overall"), [4.5, 2.5])
    at_two = estimate.select(kind="dose", name="effect", at=2.0).psi[:, 0] / 5
    np.testing.assert_allclose(
        at_two, [0.5 / 3, -1 / 3, 0.5 / 3, -0.5 / 2, 0.5 / 2]
    )  # residual / 3; untreated: distance from 0.5, over 2
    slope = estimate.select(kind="overall", name="slope").psi[:, 0] / 5
    np.testing.assert_allclose(slope, [-0.5 / 2, 0, 0.5 / 2, 0, 0], atol=1e-14)  # (d - 2) residual / 2
    effect = estimate.select(kind="overall", name="effect").psi[:, 0] / 5
    np.testing.assert_allclose(effect, [-2 / 3, -1 / 3, 3 / 3, -0.5 / 2, 0.5 / 2])  # growth around 5, over 3


def test_the_overall_effect_is_that_of_treated_against_not() -> None:
    for choices in ({}, {"comparison": "never_treated"}, {"anticipation": 1}, {"weight": "households"}):
        cells = ek.GroupTime()(design(**choices))
        estimate = DoseResponse(doses=AT)(design(**choices))
        by_cohort = DoseResponse(doses=AT, by="overall")(design(**choices))
        for found, by in ((estimate, "cohort"), (by_cohort, "overall")):
            one, other = found.select(kind="overall", name="effect"), ek.aggregate(cells, by)
            assert one.theta[0] == pytest.approx(other.theta[-1])
            np.testing.assert_allclose(one.psi[:, 0], other.psi[:, -1], atol=1e-10)
        path = ek.aggregate(cells, "event_time").select(kind="event_time")
        np.testing.assert_allclose(value(estimate, kind="event_time", name="effect"), path.theta, atol=1e-12)
        np.testing.assert_allclose(estimate.select(kind="event_time", name="effect").psi, path.psi, atol=1e-10)


def test_a_gift_in_proportion_to_the_dose_raises_effects_by_it_and_slopes_by_its_price() -> None:
    before = DoseResponse(doses=AT)(design())
    after = DoseResponse(doses=AT)(design(FRAME.assign(y=FRAME["y"] + 0.7 + 0.2 * FRAME["dose"] - 0.7 * (FRAME["dose"] == 0))))
    np.testing.assert_allclose(
        value(after, kind="dose", name="effect") - value(before, kind="dose", name="effect"), 0.7 + 0.2 * np.array(AT)
    )
    np.testing.assert_allclose(value(after, kind="dose", name="slope") - value(before, kind="dose", name="slope"), 0.2)
    np.testing.assert_allclose(value(after, kind="overall", name="slope") - value(before, kind="overall", name="slope"), 0.2)


def test_a_cubic_with_no_knots_is_the_polynomial_regression_in_one_cell() -> None:
    two = FRAME[FRAME["year"].isin([2013, 2014]) & FRAME["start"].isin([0, 2014])]
    wide = two.pivot(index="village", columns="year", values="y")
    growth, start = wide[2014] - wide[2013], two.groupby("village")["start"].first()
    d = two[two["year"] == 2014].set_index("village")["dose"]
    line = np.polynomial.Polynomial.fit(d[start == 2014], growth[start == 2014], 3)
    estimate = DoseResponse(doses=AT)(design(two))
    np.testing.assert_allclose(value(estimate, kind="dose", name="effect"), line(np.array(AT)) - growth[start == 0].mean())
    np.testing.assert_allclose(value(estimate, kind="dose", name="slope"), line.deriv()(np.array(AT)))


def test_a_spline_with_knots_recovers_a_kink_that_a_line_does_not() -> None:
    kinked = FRAME.assign(y=np.maximum(FRAME["dose"] - 2.5, 0) + FRAME["year"] * 0.1)
    bent, straight = (DoseResponse(degree=1, knots=k, doses=[1.2, 3.8])(design(kinked)) for k in (1, 0))
    np.testing.assert_allclose(value(bent, kind="dose", name="slope"), [0, 1], atol=0.1)
    assert np.ptp(value(straight, kind="dose", name="slope")) < 1e-9


@pytest.mark.parametrize(("degree", "inner"), [(1, 0), (3, 0), (3, 2), (2, 4)])
def test_basis_functions_add_up_to_one_and_their_slopes_to_nothing(degree: int, inner: int) -> None:
    d = np.random.default_rng(1).uniform(0.2, 3, 60)
    spline = kernel.Spline.over(d, degree, inner)
    assert spline.size == degree + 1 + inner
    np.testing.assert_allclose(spline.basis(d).sum(axis=1), 1)
    np.testing.assert_allclose(spline.slopes(d).sum(axis=1), 0, atol=1e-10)
    step = 1e-6
    inside = d[(d > d.min() + step) & (d < d.max() - step)]
    numeric = (spline.basis(inside + step) - spline.basis(inside - step)) / (2 * step)
    np.testing.assert_allclose(spline.slopes(inside), numeric, atol=1e-4)


def test_without_doses_asked_for_the_curve_is_read_at_the_deciles() -> None:
    cells = DoseResponse()(design()).select(kind="dose", name="effect").cells
    amounts = FRAME[FRAME["start"] > 0].drop_duplicates("village")["amount"]
    np.testing.assert_allclose(cells["at"], np.quantile(amounts, np.arange(1, 10) / 10))


def test_a_panel_of_two_years_has_no_path() -> None:
    two = FRAME[FRAME["year"].isin([2013, 2014]) & FRAME["start"].isin([0, 2014])]
    assert set(DoseResponse(doses=AT)(design(two, base="varying")).cells["kind"]) == {"dose", "overall"}
    assert set(DoseResponse(doses=AT)(design()).cells["kind"]) == {"dose", "overall", "event_time"}


def test_the_base_period_is_zero_by_construction_and_nothing_else_is() -> None:
    estimate = DoseResponse(doses=AT)(design())
    zeros = estimate.select(np.array(estimate.cells["reference"]))
    assert list(zip(zeros.cells["event_time"], zeros.cells["name"], strict=True)) == [(-1, "effect"), (-1, "slope")]
    assert not zeros.theta.any() and not zeros.psi.any()


def test_slopes_come_with_the_remark_that_they_are_no_response_without_strong_parallel_trends() -> None:
    assert "SLOPE_IS_NO_RESPONSE" in [n.code for n in DoseResponse()(design()).notices]


def test_slopes_mislead_where_villages_that_gain_more_take_higher_doses() -> None:
    """Every village gains its dose times 1, and those with high doses 0.5 more for each unit: the slope says 1.5."""
    generator = np.random.default_rng(3)
    units, d = 4_000, generator.uniform(1, 4, 4_000)
    d[::2] = 0
    y = np.column_stack([generator.normal(size=units), generator.normal(0, 0.1, units)])
    y[:, 1] += y[:, 0] + d * 1.0 + 0.5 * d
    frame = pd.DataFrame({
        "village": np.repeat(np.arange(units), 2), "county": 0, "year": np.tile([2014, 2015], units),
        "dose": np.column_stack([np.zeros(units), d]).ravel(), "y": y.ravel(),
    })  # fmt: skip
    assert value(DoseResponse(degree=1)(design(frame)), kind="overall", name="slope")[0] == pytest.approx(1.5, abs=0.02)


def test_intervals_of_the_curve_and_of_the_mean_slope_cover_the_truth() -> None:
    """effect(d) = 0.4 d - 0.05 d^2 at doses uniform on (1, 4): the mean slope is 0.4 - 0.1 * 2.5."""
    generator = np.random.default_rng(4)
    inside = np.zeros(3)
    for _ in range(100):
        d = np.where(np.arange(150) % 3 > 0, generator.uniform(1, 4, 150), 0)
        growth = 0.4 * d - 0.05 * d**2 + generator.normal(0, 0.1 + 0.1 * d)
        frame = pd.DataFrame({
            "village": np.repeat(np.arange(150), 2), "county": 0, "year": np.tile([2014, 2015], 150),
            "dose": np.column_stack([0 * d, d]).ravel(), "y": np.column_stack([0 * d, growth]).ravel(),
        })  # fmt: skip
        table = ek.infer(DoseResponse(degree=2, doses=[1.5, 3])(design(frame, base="varying")))
        for i, (row, truth) in enumerate(((0, 0.4875), (1, 0.75), (5, 0.15))):
            inside[i] += table["conf_low"][row] < truth < table["conf_high"][row]
    assert (inside >= 88).all()  # a standard error half as large would cover about 67 times


def test_cohorts_whose_doses_do_not_span_the_curve_are_named() -> None:
    narrow = FRAME.assign(dose=FRAME["dose"].where(FRAME["start"] != 2016, FRAME["dose"].clip(upper=2.0)))
    notices = DoseResponse(degree=1, doses=AT)(design(narrow)).notices
    assert [n.facts["cohorts"] for n in notices if n.code == "DOSES_BEYOND_COHORT"] == ["2016"]


def test_pairwise_uses_the_units_seen_in_both_periods() -> None:
    frame = FRAME.assign(y=FRAME["y"].where(FRAME.index.isin(FRAME.sample(frac=0.93, random_state=1).index)))
    choices = {"unbalanced": "pairwise", "comparison": "never_treated"}
    path = ek.aggregate(ek.GroupTime()(design(frame, **choices)), "event_time").select(kind="event_time")
    found = DoseResponse(doses=AT)(design(frame, **choices))
    # Shares count every village alike here, seen after its start or not.
    np.testing.assert_allclose(value(found, kind="event_time", name="effect"), path.theta, atol=1e-12)


def test_villages_not_seen_after_their_start_have_no_dose_and_are_counted() -> None:
    lost = FRAME.loc[FRAME["start"] == 2016, "village"].iloc[0]
    frame = FRAME.assign(y=FRAME["y"].where((FRAME["village"] != lost) | (FRAME["year"] < 2016)))
    notices = DoseResponse(doses=AT)(design(frame, unbalanced="pairwise")).notices
    assert [n.facts for n in notices if n.code == "DOSE_UNKNOWN"] == [{"units": 1}]


HEAPED = FRAME.assign(dose=np.where((FRAME["village"] % 5 > 0) & (FRAME["dose"] > 0), 1.0, FRAME["dose"]))
GROWING = FRAME.assign(dose=FRAME["dose"] * (1 + (FRAME["village"] == 107) * (FRAME["year"] == 2017)))


@pytest.mark.parametrize(
    ("frame", "estimator", "choices", "message"),
    [
        (GROWING.assign(start=2014), DoseResponse(), {}, "dose changes after the start in 1 units: 107"),
        (FRAME.assign(dose=-FRAME["dose"]), DoseResponse(), {}, "Doses are negative in 100 units"),
        (FRAME.assign(dose=np.ceil(FRAME["dose"] / 2)), DoseResponse(), {}, r"4 coefficients.*cohort 2014 \(2\).*smaller degree"),
        (FRAME, DoseResponse(doses=[0.2, 2, 9]), {}, "Doses 0.2, 9 lie outside those received, 1 to 4"),
        (FRAME, DoseResponse(doses=[]), {}, r"one at least, not \[\]"),
        (FRAME, DoseResponse(doses="many"), {}, "one at least, not 'many'"),
        (HEAPED, DoseResponse(degree=2, knots=3), {}, "83 of 100 doses are 1, so that 3 inner knots.*fewer knots"),
        (FRAME, DoseResponse(), {"covariates": ["share"]}, "DoseResponse cannot answer this design.*share"),
        (FRAME, DoseResponse(), {"unbalanced": "repeated_cross_section", "drop": True}, "DoseResponse cannot answer this design"),
        (FRAME, DoseResponse(), {"rows": "observation"}, "compares whole units"),
        (FRAME.assign(dose=FRAME["amount"]), DoseResponse(), {}, "No unit is treated"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused_with_the_cure(
    frame: pd.DataFrame, estimator: DoseResponse, choices: dict[str, Any], message: str
) -> None:
    choices = dict(choices)
    frame = with_gaps(frame) if choices.pop("drop", False) else frame
    with pytest.raises(ek.DesignError, match=message):
        estimator(design(frame, **choices))


def test_a_rollout_that_only_knows_starts_is_refused() -> None:
    panel = ek.Panel(FRAME, "village", "year")
    plain = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y")
    with pytest.raises(ek.DesignError, match="DoseResponse cannot answer this design"):
        DoseResponse()(plain)


@pytest.mark.parametrize(("choices", "message"), [
    ({"degree": 0}, "degree is a whole number of at least 1"), ({"degree": 2.0}, "not 2.0"), ({"degree": "2"}, "not '2'"),
    ({"knots": float("nan")}, "not nan"), ({"knots": -1}, "knots is a whole number"), ({"by": "cohorts"}, "'cohort'"),
])  # fmt: skip
def test_options_without_a_meaning_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        DoseResponse(**choices)
