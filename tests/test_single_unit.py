"""One county on its own: a rank and a prediction interval, never a t-interval."""

import numpy as np
import pytest

import evalkit as ek


def test_a_county_is_its_change_minus_the_mean_change_of_the_comparison():
    design = ek.example_design(units=120)
    unit = design.units[np.flatnonzero(design.cohort == 2016)[0]]
    result = ek.one_unit(design, unit)
    Y = design.wide(design.y)
    i, never = list(design.units).index(unit), np.isinf(design.cohort)
    base, when = list(design.periods).index(2015), list(design.periods).index(2018)
    expected = (Y[i, when] - Y[i, base]) - (Y[never, when] - Y[never, base]).mean()
    assert result.path.set_index("period").loc[2018, "effect"] == pytest.approx(expected, rel=1e-12)


def test_the_rank_counts_comparison_units_left_out_in_turn():
    design = ek.example_design(units=120)
    unit = design.units[np.flatnonzero(design.cohort == 2016)[0]]
    result = ek.one_unit(design, unit)
    Y = design.wide(design.y)
    never = np.flatnonzero(np.isinf(design.cohort))
    base, when = list(design.periods).index(2015), list(design.periods).index(2018)
    change = Y[:, when] - Y[:, base]
    gaps = np.array([change[j] - change[never[never != j]].mean() for j in never])
    row = result.path.set_index("period").loc[2018]
    assert row["p_value"] == pytest.approx((1 + (np.abs(gaps) >= abs(row["effect"])).sum()) / (len(never) + 1))
    size = np.sort(np.abs(gaps))[int(np.ceil(0.95 * (len(never) + 1))) - 1]
    assert row["conf_high"] - row["effect"] == pytest.approx(size, rel=1e-10)


def test_too_few_comparison_counties_are_a_refusal_with_the_smallest_p_value():
    design = ek.example_design(units=24)
    result = ek.one_unit(design, design.units[1])
    assert result.refusal.code == "TOO_FEW_COMPARISONS"
    assert result.refusal.facts == {"units": 6, "smallest_p": round(1 / 7, 3), "needed": 19}
    assert result.path["conf_low"].isna().all() and result.path["effect"].notna().all()


def test_covariates_adjust_what_was_to_be_expected():
    """With a covariate the gap is the residual of a regression of changes among comparison units."""
    design = ek.example_design(units=120, covariates=["labour_share"])
    unit = design.units[1]
    Y, share = design.wide(design.y), design.wide(np.ascontiguousarray(design.x[:, 0]))[:, 0]
    never = np.isinf(design.cohort)
    base, when = list(design.periods).index(2014), list(design.periods).index(2017)
    change = Y[:, when] - Y[:, base]
    slope, level = np.polyfit(share[never], change[never], 1)
    row = ek.one_unit(design, unit).path.set_index("period").loc[2017]
    assert row["effect"] == pytest.approx(change[1] - level - slope * share[1], rel=1e-8)


@pytest.mark.parametrize("unit", ["nobody", 1])
def test_a_county_that_is_unknown_or_never_treated_is_refused(unit):
    with pytest.raises(ek.DesignError):
        ek.one_unit(ek.example_design(), unit)


def test_under_no_effect_the_rank_cries_wolf_at_its_nominal_rate():
    """Exchangeable noise, no effect: a 10 per cent rank test rejects in about 10 per cent of worlds (Monte Carlo error 3)."""
    rejections = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        frame = ek.example_frame(units=40, cohorts=1, seed=seed, effect=0.0)
        frame["log_income"] = generator.normal(size=len(frame))
        treated = frame["village_id"] == 2
        frame["first_treated"] = np.where(treated, 2016, 0)
        panel = ek.Panel(frame, unit="village_id", period="year")
        design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income")
        rejections.append(ek.one_unit(design, 2).path["p_value"].iloc[-1] <= 0.10)
    assert 0.04 < np.mean(rejections) < 0.17


def test_a_year_in_which_the_county_is_not_seen_has_no_effect_and_no_p_value():
    frame = ek.example_frame(units=120)
    frame = frame[~((frame["village_id"] == 3) & (frame["year"] == 2018))]
    panel = ek.Panel(frame, unit="village_id", period="year")
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income", unbalanced="pairwise")
    path = ek.one_unit(design, 3).path.set_index("period")
    assert np.isnan(path.loc[2018, ["effect", "p_value", "conf_low"]].astype(float)).all()
    seen = path.loc[[2016, 2017, 2019], "effect"]
    assert path["effect"].iloc[-1] == pytest.approx(seen.mean()) and path["p_value"].iloc[-1] > 1 / 31


def test_a_county_that_serves_as_comparison_has_no_effect():
    with pytest.raises(ek.DesignError, match="serves as comparison"):
        ek.one_unit(ek.example_design(), 1)
