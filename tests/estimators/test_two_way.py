"""Two-way regressions: both routes agree with each other, with dummies and with linearmodels; collinearity is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from linearmodels import PanelOLS
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.estimators import two_way

STARTS = (0, 2014, 2016)


def design(frame: pd.DataFrame, unit: str | None = "village", weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county", "province"], weight)
    if unit and not panel.balanced:
        choices.setdefault("unbalanced", "pairwise")
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


FRAMES = {
    "balanced": villages(units=90),
    "gaps": with_gaps(villages(units=90)),
    "all treated": villages(units=90, starts=(2014, 2015, 2017)),
    "some from the start": villages(units=90, starts=(0, 2012, 2015)),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("weight", [None, "households"])
@pytest.mark.parametrize("rows", ["unit", "observation", "county"])
@pytest.mark.parametrize("estimator", [ek.TwoWay(), ek.EventStudy()], ids=["static", "path"])
def test_cells_of_cohorts_suffice_and_give_what_rows_give(
    estimator: Any, rows: str, weight: str | None, frame: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = design(FRAMES[frame], weight=weight, rows=rows)
    by_pattern = estimator(made)
    monkeypatch.setattr(two_way, "MANY_PATTERNS", 0)
    by_row = estimator(made)
    np.testing.assert_allclose(by_pattern.theta, by_row.theta, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(by_pattern.psi, by_row.psi, rtol=1e-7, atol=1e-9 * np.abs(by_row.psi).max())
    assert by_pattern.facts.residual_sum == pytest.approx(by_row.facts.residual_sum)
    np.testing.assert_allclose(by_pattern.facts.bread, by_row.facts.bread, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("frame", ["balanced", "gaps", "some from the start"])
@pytest.mark.parametrize("weight", [None, "sampled"])
def test_the_coefficient_is_that_of_linearmodels(frame: str, weight: str | None) -> None:
    data = FRAMES[frame].assign(treated=lambda d: ((d["start"] > 0) & (d["year"] >= d["start"])).astype(float))
    estimate = ek.TwoWay()(design(data, weight=weight, covariates=["rain"]))
    indexed = data.set_index(["village", "year"])
    weights = None if weight is None else indexed[weight]
    theirs = PanelOLS(indexed["y"], indexed[["treated", "rain"]], weights=weights, entity_effects=True, time_effects=True).fit()
    np.testing.assert_allclose(estimate.theta, theirs.params, rtol=1e-8)


def with_dummies(data: pd.DataFrame, columns: dict[str, Any], effects: list[pd.Series], weight: str | None = None) -> np.ndarray:
    """Return the coefficients of the named columns in a regression on all dummies."""
    X = pd.concat([pd.DataFrame(columns), *(pd.get_dummies(e, prefix=str(i)).astype(float) for i, e in enumerate(effects))], axis=1)
    root = np.sqrt(np.ones(len(data)) if weight is None else data[weight].to_numpy(float))
    return np.linalg.lstsq(X.to_numpy() * root[:, None], data["y"].to_numpy() * root)[0][: len(columns)]


def treated(data: pd.DataFrame) -> pd.Series:
    return ((data["start"] > 0) & (data["year"] >= data["start"])).astype(float)


def test_provinces_may_have_their_own_years() -> None:
    data = FRAMES["gaps"]
    own_years = data["province"] * 10_000 + data["year"]
    expected = with_dummies(data, {"treated": treated(data), "rain": data["rain"]}, [data["village"], own_years], "sampled")
    made = design(data, weight="sampled", covariates=["rain"])
    np.testing.assert_allclose(ek.TwoWay(by_period=["province"])(made).theta, expected, rtol=1e-8)
    np.testing.assert_allclose(ek.TwoWay(by_period="province")(made).theta, expected, rtol=1e-8)


def test_counties_may_have_their_own_trends() -> None:
    data = FRAMES["gaps"]
    trends = pd.get_dummies(data["county"]).astype(float).mul(data["year"] - 2012, axis=0)
    columns = {"treated": treated(data), **{f"trend {c}": trends[c] for c in trends}}
    expected = with_dummies(data, columns, [data["village"], data["year"]])[0]
    assert ek.TwoWay(slopes=[("county", "year")])(design(data)).theta == pytest.approx([expected])


def test_in_a_cross_section_cohort_effects_stand_in_for_units() -> None:
    data = households(rows=800)
    expected = with_dummies(data, {"treated": treated(data), "share": data["share"]}, [data["start"], data["year"]], "sampled")
    made = design(data, None, weight="sampled", covariates=["share"])
    np.testing.assert_allclose(ek.TwoWay()(made).theta, expected, rtol=1e-8)


def test_the_path_is_the_regression_on_event_time() -> None:
    data = FRAMES["balanced"]
    event = (data["year"] - data["start"]).where(data["start"] > 0, -1)
    times = sorted(set(event) - {-1})
    expected = with_dummies(data, {str(e): (event == e).astype(float) for e in times}, [data["village"], data["year"]])
    path = ek.EventStudy()(design(data))
    assert list(path.cells["event_time"]) == sorted([*times, -1])
    np.testing.assert_allclose(path.select(reference=False).theta, expected, rtol=1e-7, atol=1e-10)
    assert path.select(event_time=-1).theta == 0 and not path.select(event_time=-1).psi.any()
    assert path.cells.set_index("event_time")["units"][0] == (data.groupby("village")["start"].first() > 0).sum()


def test_with_anticipation_the_reference_lies_before_it() -> None:
    path = ek.EventStudy()(design(FRAMES["balanced"], anticipation=2))
    assert list(path.cells.loc[path.cells["reference"], "event_time"]) == [-3]


def test_without_never_treated_units_a_second_reference_is_named() -> None:
    path = ek.EventStudy()(design(FRAMES["all treated"]))
    assert [n.facts for n in path.notices if n.code == "SECOND_REFERENCE"] == [{"event_time": -5}]
    assert list(path.cells.loc[path.cells["reference"], "event_time"]) == [-5, -1]


def test_units_seen_after_treatment_only_leave_no_reference() -> None:
    with pytest.raises(ek.DesignError, match="no reference period"):
        ek.EventStudy()(design(villages(units=60, starts=(0, 2012))))


def test_treatment_that_never_varies_within_a_unit_is_named_as_collinear() -> None:
    with pytest.raises(ek.DesignError, match=r"Collinear.*treatment"):
        ek.TwoWay()(design(villages(units=60, starts=(0, 2012))))


def test_covariates_that_repeat_each_other_are_named() -> None:
    data = FRAMES["balanced"].assign(twice=lambda d: 2 * d["rain"] - 1)
    with pytest.raises(ek.DesignError, match="covariate 'rain', covariate 'twice'"):
        ek.TwoWay()(design(data, covariates=["rain", "twice"]))


def test_a_covariate_that_the_years_absorb_is_named() -> None:
    data = FRAMES["balanced"].assign(price=lambda d: d["year"].map(dict(zip(range(2012, 2018), [1.0, 3, 2, 5, 4, 6], strict=True))))
    with pytest.raises(ek.DesignError, match=r"Collinear with the fixed effects or with each other: covariate 'price'\."):
        ek.TwoWay()(design(data, covariates=["price", "rain"]))


def test_a_covariate_that_unit_effects_absorb_is_left_out_with_a_notice() -> None:
    estimate = ek.TwoWay()(design(FRAMES["balanced"], covariates=["share", "rain"]))
    assert list(estimate.cells["name"]) == ["", "rain"]
    assert [n.facts for n in estimate.notices if n.code == "ABSORBED_COVARIATES"] == [{"columns": ["share"]}]


def test_an_unknown_group_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ek.PanelError, match="Did you mean 'province'"):
        ek.TwoWay(by_period=["provnce"])(design(FRAMES["balanced"]))


def test_a_cluster_that_varies_within_units_is_allowed_by_observation() -> None:
    data = FRAMES["balanced"].assign(county=lambda d: d["county"].where(d["year"] < 2015, (d["county"] + 1) % 20))
    table = ek.infer(ek.TwoWay()(design(data, rows="observation")), cluster=("county", "year"))
    assert table["clusters"].iloc[0] == 6 and table["std_error"].iloc[0] > 0


def switching() -> ek.Design:
    data = FRAMES["balanced"].assign(on=lambda d: ((d["start"] > 0) & (d["year"] == d["start"])).astype(int))
    panel = ek.Panel(data, "village", "year")
    return ek.Design(panel, ek.Rollout.from_status(panel, "on", reversals="keep"), "y")


@pytest.mark.parametrize("estimator", [ek.TwoWay(), ek.EventStudy()], ids=["static", "path"])
def test_a_treatment_that_stops_is_not_read_as_one_that_lasts(estimator: Any) -> None:
    with pytest.raises(ek.DesignError, match=r"Treatment stops.*switching"):
        estimator(switching())


def test_a_path_has_one_base_and_a_varying_one_is_refused() -> None:
    with pytest.raises(ek.DesignError, match=r"EventStudy cannot answer.*base='varying'"):
        ek.EventStudy()(design(FRAMES["balanced"], base="varying"))


@pytest.mark.parametrize("slopes", ["year", ["year"], ("county", "year"), [("county",)], [1]])
def test_slopes_that_are_no_pairs_are_refused_with_an_example(slopes: Any) -> None:
    with pytest.raises(ek.DesignError, match=r"such as slopes=\[\('county', 'year'\)\]"):
        ek.TwoWay(slopes=slopes)(design(FRAMES["balanced"]))


def test_a_slope_on_a_column_with_blanks_is_refused_and_counted() -> None:
    data = FRAMES["balanced"].assign(price=lambda d: d["rain"].where(d["rain"] < 1.5))
    with pytest.raises(ek.DesignError, match=f"'price' is missing in {data['price'].isna().sum()} of the rows used"):
        ek.TwoWay(slopes=[("county", "price")])(design(data))


@pytest.mark.parametrize("many", [0, 5_000], ids=["rows", "patterns"])
@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_a_covariate_may_be_in_yuan_or_in_billions(size: float, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of a county in yuan, 1e12, beside dummies: nothing but its own coefficient changes."""
    monkeypatch.setattr(two_way, "MANY_PATTERNS", many)
    data = FRAMES["gaps"].assign(output=lambda d: np.random.default_rng(1).lognormal(size=len(d)))
    for estimator in (ek.TwoWay(), ek.EventStudy(), ek.InteractionWeighted()):
        one = estimator(design(data, covariates=["rain", "output"]))
        other = estimator(design(data.assign(output=size * data["output"]), covariates=["rain", "output"]))
        unit = np.where(one.cells["name"] == "output", size, 1.0)
        np.testing.assert_allclose(other.theta * unit, one.theta, rtol=1e-8)
        np.testing.assert_allclose(other.psi * unit, one.psi, rtol=1e-6, atol=1e-10)
        np.testing.assert_allclose(other.facts.bread * np.outer(unit, unit), one.facts.bread, rtol=1e-7, atol=1e-14)


def test_all_treated_in_cohorts_two_years_apart_leave_a_path_untold_and_the_reader_is_sent_on() -> None:
    """Odd and even distances from the start are never compared with each other."""
    with pytest.raises(ek.DesignError, match="Without never-treated units this path needs more cohorts: use GroupTime"):
        ek.EventStudy()(design(villages(units=60, starts=(2014, 2016))))


def test_a_covariate_of_households_that_is_constant_in_the_rows_used_is_named() -> None:
    data = households(rows=800).assign(rain=lambda d: (d["year"] == 2013) * 1.0)
    data.loc[data["year"] == 2013, "y"] = np.nan
    with pytest.raises(ek.DesignError, match="covariate 'rain'"):
        ek.TwoWay()(design(data, None, covariates=["rain"]))
