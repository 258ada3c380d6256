"""Covariances that know leverage: by brute force with every dummy and every n x n matrix, and as invariances."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.inference.linear import covariance
from evalkit.inference.replay import replay

KINDS = ("CR2", "CR3")


def small(weight: str | None = None, gaps: bool = False, units: int = 36) -> ek.Design:
    """Return 36 villages in six counties, some of them missing years."""
    frame = ek.example_frame(units=units).query("county_id <= 6")
    if gaps:
        frame = frame[(frame["village_id"] * 7 + frame["year"]) % 9 > 0]
    panel = ek.Panel(frame, "village_id", "year", ["county_id"], weight)
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    return ek.Design(panel, rollout, "log_income", unbalanced="pairwise" if gaps else None, covariates=["rainfall"])


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Return a power of a symmetric matrix, of its generalised inverse when negative."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-9
    return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T


def by_brute_force(design: ek.Design, kind: str) -> tuple[float, float]:
    """Return the standard error and Satterthwaite degrees of freedom of being treated, from all dummies."""
    n = design.observations
    X = np.column_stack(
        [
            design.treated.astype(float),
            design.x[:, 0],
            *(design.unit_index == i for i in range(len(design.units))),
            *(design.period_index == t for t in range(1, len(design.periods))),
        ]
    ).astype(float)
    root = np.ones(n) if design.w is None else np.sqrt(design.w)
    X, y = X * root[:, None], design.y * root
    A = np.linalg.pinv(X.T @ X)
    residual_maker = np.eye(n) - X @ A @ X.T
    county = design.codes("county_id")[0]
    exponent = {"CR2": -0.5, "CR3": -1.0}[kind]
    vectors = []
    for g in np.unique(county):
        rows = county == g
        adjust = power(residual_maker[np.ix_(rows, rows)], exponent)
        vectors.append(residual_maker[:, rows] @ adjust @ X[rows] @ A[0])
    p = np.array(vectors)
    P = p @ p.T
    influence = p @ y
    return float(np.sqrt(influence @ influence)), float(np.trace(P) ** 2 / (P**2).sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choices", [{}, {"weight": "households"}, {"gaps": True}], ids=["plain", "weights", "gaps"])
def test_absorbing_units_gives_what_all_dummies_give(kind: str, choices: dict[str, Any]) -> None:
    design = small(**choices)
    spread = covariance(ek.TwoWay()(design), "county_id", kind)
    error, degrees = by_brute_force(design, kind)
    assert spread.std_error[0] == pytest.approx(error, rel=1e-9)
    assert np.asarray(spread.degrees)[0] == pytest.approx(degrees, rel=1e-8)


def test_the_table_names_the_adjustment_and_its_degrees_of_freedom() -> None:
    design = small()
    table = ek.infer(ek.TwoWay()(design), cluster="county_id", correction="CR2")
    spread = covariance(ek.TwoWay()(design), "county_id", "CR2")
    assert (table["correction"] == "CR2").all() and table["factor"].isna().all()
    assert table["reference_distribution"][0] == f"t({np.asarray(spread.degrees)[0]:g})"
    assert table["clusters"][0] == 6


def test_leaving_out_every_county_once_is_cr3_but_for_its_factor() -> None:
    design = small()
    again = replay(ek.TwoWay(), design, "county_id")
    jackknife = covariance(again, correction="none").std_error[0]
    # Row g of psi is (G-1) (theta - theta(-g)), so without a factor the variance is ((G-1)/G)^2 times the sum of squares.
    assert jackknife * 6 / 5 == pytest.approx(covariance(ek.TwoWay()(design), "county_id", "CR3").std_error[0], rel=1e-8)


@pytest.mark.parametrize("kind", ("CR2", "CR3"))
def test_a_path_and_its_average_are_combinations_with_degrees_of_their_own(kind: str) -> None:
    design = ek.example_design()
    for estimator in (ek.InteractionWeighted(), ek.ExtendedTwoWay()):
        path = ek.aggregate(estimator(design), by="event_time")
        table = ek.infer(path, cluster="county_id", correction=kind)
        assert table.loc[~table["reference"].astype(bool), "std_error"].gt(0).all()
        plain = ek.infer(path, cluster="county_id", correction="CR0")
        ratio = (table["std_error"] / plain["std_error"]).dropna()
        assert ratio.gt(1).all()  # leverage only takes away from residuals


def test_the_order_of_units_and_the_unit_of_the_outcome_do_not_matter() -> None:
    design = small()
    frame = design.panel.frame
    scaled = frame.assign(log_income=1000 * frame["log_income"]).sample(frac=1, random_state=3)
    panel = ek.Panel(scaled, "village_id", "year", ["county_id"])
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=0)
    again = covariance(ek.TwoWay()(ek.Design(panel, rollout, "log_income", covariates=["rainfall"])), "county_id", "CR2")
    once = covariance(ek.TwoWay()(design), "county_id", "CR2")
    np.testing.assert_allclose(again.std_error / [1000, 1000], once.std_error, rtol=1e-9)
    np.testing.assert_allclose(again.degrees, once.degrees, rtol=1e-7)


def test_a_joint_test_of_one_parameter_is_its_t_test() -> None:
    effect = ek.TwoWay()(small()).select(kind="overall")
    table = ek.infer(effect, cluster="county_id", correction="CR2")
    joint = ek.wald(effect, "county_id", "CR2")
    assert joint.p_value == pytest.approx(table["p_value"][0], rel=1e-8)


@pytest.mark.parametrize(
    ("make", "cluster", "message"),
    [
        (
            lambda d: ek.aggregate(ek.GroupTime()(d)),
            "county_id",
            r"this estimate is none.*replay\.replay\(estimator, design, cluster\)",
        ),
        (lambda d: ek.TwoWay()(d), ("county_id", "year"), "one-way clusters, not county_id x year"),
        (lambda d: ek.TwoWay()(d), "year", "60 units lie in several clusters of 'year'"),
        (lambda d: ek.TwoWay()(d), "conty_id", "Did you mean 'county_id'"),
    ],
    ids=["no regression", "two-way", "crossing", "unknown"],
)
def test_what_has_no_leverage_is_refused_with_what_to_use(make: Any, cluster: Any, message: str) -> None:
    design = ek.example_design()
    if cluster != "county_id" and "conty" not in cluster:
        design = ek.example_design(rows="observation")
    with pytest.raises(ek.EstimateError, match=message):
        ek.infer(make(design), cluster=cluster, correction="CR2")


@pytest.mark.parametrize("kind", KINDS)
def test_one_treated_county_is_refused_because_its_residuals_show_nothing(kind: str) -> None:
    frame = ek.example_frame(units=36).query("county_id <= 6")
    frame = frame.assign(first_treated=np.where(frame["county_id"] == 3, 2015, 0))
    panel = ek.Panel(frame, "village_id", "year", ["county_id"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income", covariates=["rainfall"])
    with pytest.raises(ek.EstimateError, match=r"1 of 2 parameters are decided by one cluster of 'county_id' alone \(3\).*permute"):
        ek.infer(ek.TwoWay()(design), cluster="county_id", correction=kind)
    with pytest.raises(ek.EstimateError, match="decided by one cluster"):
        ek.infer(ek.TwoWay()(design), cluster="county_id", reference="satterthwaite")
    assert ek.infer(ek.TwoWay()(design).select(kind="covariate"), cluster="county_id", correction=kind)["std_error"][0] > 0


@pytest.mark.parametrize("kind", ("CR2", "CR3"))
def test_equal_variances_make_cr2_unbiased(kind: str) -> None:
    """The expected squared error under independent noise is the covariance of least squares: exactly for CR2, above it for CR3."""
    design = small()
    regression = ek.TwoWay()(design).facts.regression
    assert regression is not None
    X, codes = regression.fit.columns.X, regression.fit.labels("county_id")[0]
    A, c = regression.fit.bread, regression.shown[0]
    unit = np.eye(len(design.units))[regression.fit.columns.absorbed]
    maker = np.eye(len(X)) - X @ A @ X.T - unit @ np.linalg.inv(unit.T @ unit) @ unit.T
    exponent = {"CR2": -0.5, "CR3": -1.0}[kind]
    expected = 0.0
    for g in np.unique(codes):
        rows = codes == g
        vector = maker[:, rows] @ power(maker[np.ix_(rows, rows)], exponent) @ X[rows] @ A @ c
        expected += float(vector @ vector)
    exact = float(c @ A @ c)
    assert expected == pytest.approx(exact, rel=1e-9) if kind == "CR2" else expected > exact


def test_frames_of_results_hold_one_row_a_parameter() -> None:
    table = ek.infer(ek.EventStudy()(small()), cluster="county_id", correction="CR3")
    assert isinstance(table, pd.DataFrame) and len(table) == len(ek.EventStudy()(small()).theta)


def households(**choices: Any) -> ek.Design:
    """Return 960 households in six counties, every one seen once."""
    frame = small(units=120).panel.frame
    panel = ek.Panel(frame, None, "year", ["county_id"])
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income", **choices)


def test_households_seen_once_have_cohorts_as_dummies_and_not_absorbed() -> None:
    """Cohorts lie across counties: leverage within counties must know their dummies."""
    design = households()
    cohort = design.cohort[design.unit_index]
    X = np.column_stack(
        [
            design.treated.astype(float),
            *(cohort == c for c in np.unique(cohort)),
            *(design.period_index == t for t in range(1, len(design.periods))),
        ]
    ).astype(float)
    A = np.linalg.pinv(X.T @ X)
    maker, county = np.eye(len(X)) - X @ A @ X.T, design.codes("county_id")[0]
    p = np.array(
        [maker[:, county == g] @ power(maker[np.ix_(county == g, county == g)], -0.5) @ X[county == g] @ A[0] for g in range(6)]
    )
    P, influence = p @ p.T, p @ design.y
    spread = covariance(ek.TwoWay()(design), "county_id", "CR2")
    assert spread.std_error[0] == pytest.approx(np.sqrt(influence @ influence), rel=1e-9)
    assert np.asarray(spread.degrees)[0] == pytest.approx(np.trace(P) ** 2 / (P**2).sum(), rel=1e-8)


@pytest.mark.parametrize("choices", [{"correction": "CR2"}, {"reference": "satterthwaite"}], ids=["CR2", "satterthwaite"])
def test_a_reference_period_has_no_degrees_of_freedom_and_takes_none_away_from_the_others(choices: dict[str, str]) -> None:
    path = ek.EventStudy()(ek.example_design())
    others = path.select(reference=False)
    band = {"cluster": "county_id", "band": "uniform", "seed": 1, "draws": 999} | choices
    whole, without = ek.infer(path, **band), ek.infer(others, **band)
    assert whole.loc[~whole["reference"], "critical"].to_numpy() == pytest.approx(without["critical"].to_numpy(), rel=1e-12)
    assert whole.loc[whole["reference"], "reference_distribution"].tolist() == ["none"]
    leads, shown = path.select(event_time=[-3, -2, -1]), others.select(event_time=[-3, -2])
    assert ek.wald(leads, "county_id", **choices).p_value == pytest.approx(ek.wald(shown, "county_id", **choices).p_value)


def test_a_band_is_as_wide_as_its_few_degrees_of_freedom_ask() -> None:
    path = ek.EventStudy()(ek.example_design())
    choices = {"cluster": "county_id", "band": "uniform", "seed": 1, "draws": 9_999}
    adjusted, normal = (ek.infer(path, **choices, correction="CR2", reference=r)["critical"][0] for r in ("satterthwaite", "z"))
    assert adjusted > 1.1 * normal


@pytest.mark.parametrize(
    ("make", "choices", "message"),
    [
        (
            lambda d: ek.TwoWay()(d),
            {"cluster": "iid"},
            r"reference='satterthwaite' needs one-way clusters, not iid\. Name a cluster",
        ),
        (lambda d: ek.GroupTime()(d), {"cluster": "county_id"}, r"reference='satterthwaite' has a meaning for one regression"),
        (lambda d: ek.TwoWay()(d).join(ek.TwoWay()(d)), {"cluster": "county_id"}, r"nor are two that were joined"),
        (lambda d: ek.TwoWay()(d).coarsen(np.arange(60) // 10), {}, r"rows of the regression have no 'group'.*Declare the cluster"),
    ],
    ids=["iid", "no regression", "joined", "labels of its own"],
)
def test_degrees_of_freedom_that_do_not_exist_are_refused_by_the_name_they_were_asked_by(
    make: Any, choices: dict[str, str], message: str
) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        ek.infer(make(ek.example_design()), reference="satterthwaite", **choices)


def test_a_regression_travels_with_its_estimate() -> None:
    for estimator in (ek.TwoWay(), ek.EventStudy(), ek.ExtendedTwoWay()):
        estimate = estimator(small())
        again = pickle.loads(pickle.dumps(estimate))
        assert covariance(again, "county_id", "CR2").matrix.tolist() == covariance(estimate, "county_id", "CR2").matrix.tolist()
