"""The extended regression: untreated rows tell what would have been; least squares and Poisson agree with their dummies and with pencils."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.estimators import two_way
from evalkit.estimators.extended_two_way import ExtendedTwoWay
from evalkit.inference.linear import covariance

PLAIN = villages(units=120)
GAPS = with_gaps(PLAIN)


def design(frame: pd.DataFrame, unit: str | None = "village", weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county", "province"], weight)
    if unit and not panel.balanced:
        choices.setdefault("unbalanced", "pairwise")
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def cell(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


def tiny() -> pd.DataFrame:
    """Cohort means: 2014 has 10, 12, 18; never has 4, 8, 16. Two villages each, one above and one below the mean."""
    incomes = {(1, 2014): [9, 11, 17], (2, 2014): [11, 13, 19], (3, 0): [3, 7, 14], (4, 0): [5, 9, 18]}
    rows = [(v, s, 2012 + t, float(y)) for (v, s), path in incomes.items() for t, y in enumerate(path)]
    frame = pd.DataFrame(rows, columns=["village", "start", "year", "y"])
    return frame.assign(county=frame["village"], province=0)


def test_all_years_before_treatment_count_as_comparison() -> None:
    """Cohort 2014 lies 6 and 4 above the others before, 5 on average; 2 above in 2014: the effect is 2 - 5 = -3."""
    assert cell(ExtendedTwoWay()(design(tiny())), 2014, 2014) == pytest.approx(-3.0)


def test_with_all_leads_the_last_clean_year_alone_counts() -> None:
    """It lies 4 above the others in 2013 and 2 above in 2014: the effect is -2; 6 above in 2012: the lead is 2."""
    estimate = ExtendedTwoWay()(design(tiny(), comparison="never_treated"))
    assert [cell(estimate, 2014, year) for year in (2012, 2013, 2014)] == pytest.approx([2.0, 0.0, -2.0])
    assert list(estimate.cells["reference"]) == [False, True, False, False, False, False]


def test_with_poisson_what_would_have_been_grows_in_proportion() -> None:
    """From 2013 the others double (8 to 16), so that 12 would have become 24; it is 18: 6 less, a quarter less."""
    made = design(tiny(), comparison="never_treated")
    assert cell(ExtendedTwoWay("poisson")(made), 2014, 2014) == pytest.approx(-6.0)
    assert cell(ExtendedTwoWay("poisson", measure="ratio")(made), 2014, 2014) == pytest.approx(-0.25)
    # With both years before: the cohort has 22 of their 34, so would have had 22 / 12 of the others' 16.
    assert cell(ExtendedTwoWay("poisson")(design(tiny())), 2014, 2014) == pytest.approx(18 - 16 * 22 / 12)


def dummies(
    data: pd.DataFrame, effects: list[str], x: list[str], leads: bool = False
) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    """Return the columns of the regression with all dummies written out, treated cells first."""
    start, year = data["start"], data["year"]
    keys = [(g, t) for g in (2014, 2016) for t in range(2012, 2018) if (leads and t != g - 1) or t >= g]
    columns = {f"{g} {t}": ((start == g) & (year == t)).astype(float) for g, t in keys}
    for name in x:
        columns |= {f"{k} {name}": columns[k] * data[name] for k in [f"{g} {t}" for g, t in keys]}
        columns |= {f"year{t} {name}": (year == t) * data[name] for t in range(2012, 2018)}
        columns |= {f"cohort{g} {name}": (start == g) * data[name] for g in (0, 2014, 2016)}
    levels = pd.get_dummies(data[effects].astype(str)).astype(float)
    return pd.concat([pd.DataFrame(columns), levels], axis=1), keys


def independent(X: pd.DataFrame) -> tuple[np.ndarray, list[int]]:
    """Return the columns that the columns before them do not imply, and which of them are a treated cell's."""
    kept: list[int] = []
    for column in range(X.shape[1]):
        if np.linalg.matrix_rank(X.to_numpy()[:, [*kept, column]]) == len(kept) + 1:
            kept.append(column)
    words = [name.split() for name in X.columns[kept]]
    return X.to_numpy()[:, kept], [i for i, name in enumerate(words) if len(name) >= 2 and name[1].isdigit()]


@pytest.mark.parametrize("weight", [None, "sampled", "households"])
@pytest.mark.parametrize("x", [[], ["share"], ["share", "rain"]], ids=["plain", "share", "rain"])
@pytest.mark.parametrize("effects", ["unit", "cohort"])
@pytest.mark.parametrize("leads", [False, True], ids=["not yet", "never"])
def test_it_is_the_regression_on_all_dummies(leads: bool, effects: str, x: list[str], weight: str | None) -> None:
    X, keys = dummies(GAPS, ["village" if effects == "unit" else "start", "year"], x, leads)
    w = np.ones(len(GAPS)) if weight is None else GAPS[weight].to_numpy(float)
    root = np.sqrt(w)
    beta = np.linalg.lstsq(X.to_numpy() * root[:, None], GAPS["y"].to_numpy() * root)[0]
    residual = (GAPS["y"].to_numpy() - X.to_numpy() @ beta) * root
    made = design(GAPS, weight=weight, covariates=x, comparison="never_treated" if leads else "not_yet_treated", rows="observation")
    estimate = ExtendedTwoWay(effects=effects)(made)
    for position, (g, t) in enumerate(keys):
        inside = ((GAPS["start"] == g) & (GAPS["year"] == t)).to_numpy()
        means = [np.average(GAPS[name][inside], weights=w[inside]) for name in x]
        expected = beta[position] + sum(m * beta[X.columns.get_loc(f"{g} {t} {name}")] for m, name in zip(means, x, strict=True))
        assert cell(estimate, g, t) == pytest.approx(expected, abs=1e-8)
    assert estimate.facts.residual_sum == pytest.approx(residual @ residual)
    rank = np.linalg.matrix_rank(X.to_numpy() * root[:, None])
    assert estimate.facts.slopes + 1 + sum(effect.levels - 1 for effect in estimate.facts.absorbed) == rank
    # Equal variances: (X'WX)^-1 of the cells' coefficients, in the bread.
    if not x:
        inverse = np.linalg.pinv((X.to_numpy() * w[:, None]).T @ X.to_numpy())[: len(keys), : len(keys)]
        at = [int(np.flatnonzero((estimate.cells["cohort"] == g) & (estimate.cells["period"] == t))[0]) for g, t in keys]
        np.testing.assert_allclose(estimate.facts.bread[np.ix_(at, at)], inverse, atol=1e-9)


@pytest.mark.parametrize("rows", ["unit", "observation"])
@pytest.mark.parametrize("shares", ["sample", "population"])
@pytest.mark.parametrize("frame", [PLAIN, GAPS], ids=["balanced", "gaps"])
def test_cells_of_cohorts_suffice_and_give_what_rows_give(
    frame: pd.DataFrame, shares: str, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = design(frame, weight="households", covariates=["share"], rows=rows)
    by_pattern = ExtendedTwoWay(shares=shares)(made)
    monkeypatch.setattr(two_way, "MANY_PATTERNS", 0)
    by_row = ExtendedTwoWay(shares=shares)(made)
    np.testing.assert_allclose(by_pattern.theta, by_row.theta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(by_pattern.psi, by_row.psi, rtol=1e-7, atol=1e-9 * np.abs(by_row.psi).max())
    assert by_pattern.facts.slopes == by_row.facts.slopes


def test_on_balanced_data_unit_and_cohort_effects_give_the_same_effects_and_influence() -> None:
    made = design(PLAIN, weight="households", covariates=["share"])
    unit, cohort = ExtendedTwoWay(effects="unit")(made), ExtendedTwoWay(effects="cohort")(made)
    np.testing.assert_allclose(unit.theta, cohort.theta, atol=1e-10)
    np.testing.assert_allclose(unit.psi, cohort.psi, atol=1e-9 * np.abs(unit.psi).max())


def test_where_units_come_and_go_cohort_effects_take_one_for_another() -> None:
    """A rich village joins the cohort when it is treated: with cohort effects it passes for an effect, with unit effects it does not."""
    rich = PLAIN[(PLAIN["start"] == 2016) & (PLAIN["year"] >= 2016)].groupby("village").head(2).head(2)
    joined = pd.concat([PLAIN, rich.assign(village=9_999, y=rich["y"] + 100)], ignore_index=True)
    before, after = (ek.aggregate(ExtendedTwoWay()(design(f))).theta[0] for f in (PLAIN, joined))
    crossed = ek.aggregate(ExtendedTwoWay(effects="cohort")(design(joined))).theta[0]
    assert after == pytest.approx(before, abs=0.02) and crossed > before + 0.5


def counts() -> pd.DataFrame:
    """Visits to a clinic: whole numbers, often zero."""
    mean = np.exp(0.3 + 0.5 * PLAIN["share"] + 0.05 * (PLAIN["year"] - 2012))
    treated = (PLAIN["start"] > 0) & (PLAIN["year"] >= PLAIN["start"])
    return PLAIN.assign(y=np.random.default_rng(5).poisson(mean * np.where(treated, 1.4, 1.0)).astype(float))


@pytest.mark.parametrize("weight", [None, "sampled"])
@pytest.mark.parametrize("x", [[], ["share"], ["share", "rain"]], ids=["plain", "share", "rain"])
@pytest.mark.parametrize("leads", [False, True], ids=["not yet", "never"])
def test_with_poisson_it_is_the_generalised_linear_model_of_statsmodels(leads: bool, x: list[str], weight: str | None) -> None:
    data = with_gaps(counts())
    X, keys = dummies(data, ["start", "year"], x, leads)
    w = np.ones(len(data)) if weight is None else data[weight].to_numpy(float)
    Z, own = independent(X)  # statsmodels wants no column that others imply
    model = sm.GLM(data["y"].to_numpy(), Z, family=sm.families.Poisson(), freq_weights=w).fit(tol=1e-13, maxiter=200)
    without = Z.copy()
    without[:, own] = 0
    difference = model.mu - np.exp(without @ model.params)
    made = design(data, weight=weight, covariates=x, comparison="never_treated" if leads else "not_yet_treated")
    estimate = ExtendedTwoWay("poisson")(made)
    for g, t in keys:
        inside = ((data["start"] == g) & (data["year"] == t)).to_numpy()
        assert cell(estimate, g, t) == pytest.approx(np.average(difference[inside], weights=w[inside]), abs=1e-8)
    assert estimate.facts.slopes + 1 + sum(e.levels - 1 for e in estimate.facts.absorbed) == Z.shape[1]


def test_the_standard_error_with_poisson_is_the_delta_method_on_the_clustered_sandwich() -> None:
    """Gradient and sandwich by hand: scores x (y - mu), bread (X'MX)^-1, derivative of the mean difference by small steps."""
    data = counts()
    (Z, own), y = independent(dummies(data, ["start", "year"], ["share"])[0]), data["y"].to_numpy()
    model = sm.GLM(y, Z, family=sm.families.Poisson()).fit(tol=1e-13, maxiter=200)
    without = Z.copy()
    without[:, own] = 0
    treated = ((data["start"] > 0) & (data["year"] >= data["start"])).to_numpy()
    gradient = (Z[treated] * model.mu[treated, None]).mean(0) - (
        without[treated] * np.exp(without @ model.params)[treated, None]
    ).mean(0)
    bread = np.linalg.inv(Z.T @ (Z * model.mu[:, None]))
    influence = (Z * (y - model.mu)[:, None]) @ bread @ gradient
    expected = np.sqrt((pd.Series(influence).groupby(data["village"].to_numpy()).sum() ** 2).sum())
    ours = covariance(ek.aggregate(ExtendedTwoWay("poisson")(design(data, covariates=["share"]))), correction="none").std_error[0]
    assert ours == pytest.approx(expected, rel=1e-7)


def test_without_covariates_a_ratio_is_the_exponential_of_the_coefficient_less_one() -> None:
    """Its standard error is exp(b) times the clustered one of the coefficient b."""
    data = counts()
    X, keys = dummies(data, ["start", "year"], [])
    Z, y = independent(X)[0], data["y"].to_numpy()
    model = sm.GLM(y, Z, family=sm.families.Poisson()).fit(tol=1e-13, maxiter=200)
    influence = (Z * (y - model.mu)[:, None]) @ np.linalg.inv(Z.T @ (Z * model.mu[:, None]))
    spread = np.sqrt((pd.DataFrame(influence).groupby(data["village"].to_numpy()).sum() ** 2).sum())
    ratio = ExtendedTwoWay("poisson", measure="ratio")(design(data))
    for position, (g, t) in enumerate(keys):
        assert cell(ratio, g, t) == pytest.approx(np.expm1(model.params[position]), abs=1e-8)
        ours = covariance(ratio.select(kind="group_time", cohort=g, period=t), correction="none").std_error[0]
        assert ours == pytest.approx(np.exp(model.params[position]) * spread[position], rel=1e-7)


def test_poisson_finds_an_effect_of_two_fifths_where_outcomes_grow_in_per_cent() -> None:
    data = pd.concat([counts().assign(village=lambda d, k=k: d["village"] + 1_000 * k) for k in range(3)], ignore_index=True)
    estimate = ek.aggregate(ExtendedTwoWay("poisson", measure="ratio")(design(data, covariates=["share"])))
    table = ek.infer(estimate)
    assert table["conf_low"][0] < 0.4 < table["conf_high"][0]
    assert covariance(estimate).reference == "z"


def test_a_cohort_of_one_unit_has_an_effect_given_covariates() -> None:
    alone = PLAIN["village"] == PLAIN.loc[PLAIN["start"] == 2014, "village"].iloc[0]
    data = PLAIN[(PLAIN["start"] != 2014) | alone]
    estimate = ExtendedTwoWay()(design(data, covariates=["share"]))
    unit = ExtendedTwoWay(effects="cohort")(design(data, covariates=["share"]))
    np.testing.assert_allclose(estimate.theta, unit.theta, atol=1e-9)
    lone = estimate.select(kind="group_time", cohort=2014)
    assert (lone.cells["noisy_units"] == 0).all() and np.isfinite(lone.theta).all()


def test_cohorts_that_start_after_the_window_may_react_and_leave_before_they_do() -> None:
    """With one year of anticipation a cohort of 2018 is a comparison until 2016, and its rows of 2017 are left out."""
    data = villages(units=120, starts=(0, 2014, 2018))
    estimate = ExtendedTwoWay()(design(data, anticipation=1))
    facts = {n.code: dict(n.facts) for n in estimate.notices}
    assert facts["ROWS_NOT_COMPARED"] == {"rows": 40, "of_rows": 720, "units": 0}
    assert set(estimate.cells["cohort"]) == {2014}
    assert set(estimate.select(kind="group_time").cells["event_time"]) == {-1, 0, 1, 2, 3}
    moved = data.assign(y=data["y"] + 9.0 * ((data["start"] == 2018) & (data["year"] == 2017)))
    np.testing.assert_allclose(ExtendedTwoWay()(design(moved, anticipation=1)).theta, estimate.theta, atol=1e-10)


def test_rows_of_counties_and_of_observations_give_the_same_clustered_errors() -> None:
    for estimator in (ExtendedTwoWay(), ExtendedTwoWay("poisson", effects="cohort")):
        errors = [
            covariance(ek.aggregate(estimator(design(GAPS, covariates=["share"], rows=rows))), "county").std_error[0]
            for rows in ("unit", "observation", "county")
        ]
        np.testing.assert_allclose(errors, errors[0], rtol=1e-9)


def test_households_seen_once_are_compared_by_cohort() -> None:
    data = households(rows=800)
    X, keys = dummies(data, ["start", "year"], ["share"])
    beta = np.linalg.lstsq(X.to_numpy(), data["y"].to_numpy())[0]
    estimate = ExtendedTwoWay()(design(data, None, covariates=["share"]))
    for position, (g, t) in enumerate(keys):
        mean = data["share"][(data["start"] == g) & (data["year"] == t)].mean()
        assert cell(estimate, g, t) == pytest.approx(beta[position] + mean * beta[X.columns.get_loc(f"{g} {t} share")], abs=1e-8)


def test_a_negative_outcome_is_no_matter_for_poisson() -> None:
    with pytest.raises(ek.DesignError, match=r"negative in 2 rows"):
        ExtendedTwoWay("poisson")(design(PLAIN.assign(y=PLAIN["y"].where(PLAIN.index > 1, -1.0))))


@pytest.mark.parametrize(
    ("empty", "named"),
    [
        (lambda d: (d["start"] == 2014) & (d["year"] == 2015), r"zero in every row of: 2014 in 2015\."),
        (lambda d: (d["start"] == 2016) & (d["year"] < 2016), r"zero in every row of: cohort 2016 without treatment"),
        (lambda d: (d["start"] == 0) & (d["year"] == 2017), r"zero in every row of: period 2017 without treatment"),
    ],
)
def test_a_cohort_and_period_of_zeros_is_named(empty: Any, named: str) -> None:
    data = counts()
    with pytest.raises(ek.DesignError, match=named):
        ExtendedTwoWay("poisson")(design(data.assign(y=data["y"].where(~empty(data), 0.0))))


def test_covariates_that_tell_apart_the_zeros_are_refused_for_poisson() -> None:
    data = counts()
    poor = data["share"] < data["share"].median()
    data = data.assign(poor=poor.astype(float), y=data["y"].where(~(poor & (data["start"] == 0)), 0.0))
    with pytest.raises(ek.DesignError, match="does not converge"):
        ExtendedTwoWay("poisson")(design(data, covariates=["poor"]))


def test_cells_that_untreated_rows_do_not_tell_are_named() -> None:
    data = PLAIN[(PLAIN["start"] == 2014) | (PLAIN["year"] < 2016)]
    for effects in ("unit", "cohort"):
        with pytest.raises(ek.DesignError, match=r"do not tell .* 2014 in 2016, 2014 in 2017"):
            ExtendedTwoWay(effects=effects)(design(data))


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({"family": "logit"}, "family"),
        ({"shares": "all"}, "shares"),
        ({"effects": "county"}, "effects"),
        ({"measure": "odds"}, "measure"),
        ({"measure": "ratio"}, "family='poisson'"),
        ({"family": "poisson", "effects": "unit"}, "effects of cohorts"),
    ],
)
def test_choices_that_make_no_sense_are_refused(choices: dict[str, str], match: str) -> None:
    with pytest.raises(ek.DesignError, match=match):
        ExtendedTwoWay(**choices)


def test_unit_effects_of_households_seen_once_are_refused() -> None:
    with pytest.raises(ek.DesignError, match="Households seen once"):
        ExtendedTwoWay(effects="unit")(design(households(rows=400), None))


def test_a_varying_base_is_refused_where_there_are_leads() -> None:
    with pytest.raises(ek.DesignError, match="base='varying' has no meaning here"):
        ExtendedTwoWay()(design(PLAIN, comparison="never_treated", base="varying"))


def test_the_influence_on_a_population_counts_covariates_of_the_treated() -> None:
    sample, population = (ExtendedTwoWay(shares=s)(design(PLAIN, covariates=["share"])) for s in ("sample", "population"))
    np.testing.assert_allclose(sample.theta, population.theta, atol=1e-12)
    by_cohort = replace(ExtendedTwoWay(shares="population"), effects="cohort")(design(PLAIN, covariates=["share"]))
    np.testing.assert_allclose(by_cohort.psi, population.psi, atol=1e-9 * np.abs(population.psi).max())
    assert not np.allclose(sample.psi, population.psi)
