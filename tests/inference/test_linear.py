"""Standard errors are those of statsmodels and linearmodels, and of hand arithmetic; factors are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from linearmodels import PanelOLS
from scipy import stats
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimate import Facts, cell_frame
from evalkit.inference.dependence import DriscollKraay
from evalkit.inference.linear import SmallSample, covariance, has_own_noise

COVARIATES = ["rain", "share_over_time"]


def data(gaps: bool = False) -> pd.DataFrame:
    frame = villages(units=60, seed=11)
    frame = with_gaps(frame) if gaps else frame
    frame["share_over_time"] = frame["share"] * (frame["year"] - 2012)
    frame["treated"] = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).astype(float)
    return frame


def ours(frame: pd.DataFrame, weight: str | None = None, rows: str = "observation") -> ek.Estimate:
    panel = ek.Panel(frame, "village", "year", ["county", "province"], weight)
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    choices: dict[str, Any] = {"covariates": COVARIATES, "rows": rows}
    return ek.TwoWay()(ek.Design(panel, rollout, "y", unbalanced=None if panel.balanced else "pairwise", **choices))


def dummies(frame: pd.DataFrame, weight: str | None = None) -> Any:
    """Return statsmodels' regression on all dummies."""
    X = pd.get_dummies(frame[["village", "year"]].astype("category"), drop_first=True).astype(float)
    X = pd.concat([frame[["treated", *COVARIATES]], sm.add_constant(X)], axis=1)
    model = sm.OLS(frame["y"], X) if weight is None else sm.WLS(frame["y"], X, weights=frame[weight])
    return model


def top(matrix: Any) -> np.ndarray:
    return np.asarray(matrix)[:3, :3]


@pytest.mark.parametrize("gaps", [False, True], ids=["balanced", "gaps"])
@pytest.mark.parametrize("weight", [None, "sampled"])
class TestAgainstStatsmodels:
    def fits(self, gaps: bool, weight: str | None) -> tuple[ek.Estimate, Any, pd.DataFrame]:
        frame = data(gaps)
        return ours(frame, weight), dummies(frame, weight), frame

    def test_equal_variances(self, gaps: bool, weight: str | None) -> None:
        estimate, model, _ = self.fits(gaps, weight)
        fit, spread = model.fit(), covariance(estimate, "iid")
        np.testing.assert_allclose(estimate.theta, fit.params[:3], rtol=1e-9)
        np.testing.assert_allclose(spread.matrix, top(fit.cov_params()), rtol=1e-8)
        assert spread.degrees == fit.df_resid
        np.testing.assert_allclose(spread.p_value(estimate.theta / spread.std_error), fit.pvalues[:3], rtol=1e-6)

    def test_unequal_variances(self, gaps: bool, weight: str | None) -> None:
        estimate, model, _ = self.fits(gaps, weight)
        for counted, kind in (("full", "HC1"), ("none", "HC0")):
            spread = covariance(estimate, "observation", SmallSample(counted))
            np.testing.assert_allclose(spread.matrix, top(model.fit(cov_type=kind).cov_params()), rtol=1e-8)

    def test_one_way_clusters(self, gaps: bool, weight: str | None) -> None:
        estimate, model, frame = self.fits(gaps, weight)
        for cluster in ("county", "village"):
            fit = model.fit(cov_type="cluster", cov_kwds={"groups": frame[cluster]})
            np.testing.assert_allclose(covariance(estimate, cluster, "full").matrix, top(fit.cov_params()), rtol=1e-8)

    def test_two_way_clusters(self, gaps: bool, weight: str | None) -> None:
        estimate, model, frame = self.fits(gaps, weight)
        groups = frame[["county", "year"]].astype("category").apply(lambda c: c.cat.codes).to_numpy()
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        theirs = top(fit.cov_params())  # each of the three terms has its own G
        assert np.linalg.eigvalsh(theirs).min() > 0
        spread = covariance(estimate, ("county", "year"), SmallSample("full", smallest=False))
        np.testing.assert_allclose(spread.matrix, theirs, rtol=1e-8)
        assert spread.clusters == 6 and spread.degrees == 5


@pytest.mark.parametrize("gaps", [False, True], ids=["balanced", "gaps"])
def test_panel_regression_of_linearmodels(gaps: bool) -> None:
    frame = data(gaps).set_index(["village", "year"])
    model = PanelOLS(frame["y"], frame[["treated", *COVARIATES]], entity_effects=True, time_effects=True)
    estimate = ours(frame.reset_index())
    plain = model.fit(cov_type="unadjusted", debiased=True)
    np.testing.assert_allclose(estimate.theta, plain.params, rtol=1e-9)
    np.testing.assert_allclose(covariance(estimate, "iid").std_error, plain.std_errors, rtol=1e-8)
    clustered = model.fit(cov_type="clustered", clusters=frame[["county"]], debiased=True, group_debias=True)
    np.testing.assert_allclose(covariance(estimate, "county", "full").matrix, clustered.cov, rtol=1e-8)


def by_hand() -> ek.Estimate:
    """Return one parameter on six rows in three counties, with psi of whole numbers."""
    psi = np.array([[1.0], [2.0], [-4.0], [1.0], [3.0], [-3.0]])
    rows = pd.DataFrame({"village": range(6), "county": [1, 1, 2, 2, 3, 3], "wave": [1, 2, 1, 2, 1, 2]})
    facts = Facts(20, slopes=2, absorbed=(), bread=np.array([[0.5]]), residual_sum=9.0)
    return ek.Estimate(np.array([1.0]), psi, cell_frame("overall", 1), rows, facts)


def test_a_variance_is_the_sum_of_squares_over_n_squared() -> None:
    assert covariance(by_hand()).matrix == pytest.approx(np.array([[40 / 36]]))


def test_within_clusters_influence_is_added_before_it_is_squared() -> None:
    # County sums are 3, -3 and 0.
    assert covariance(by_hand(), "county").matrix == pytest.approx(np.array([[18 / 36]]))


def test_two_way_is_one_plus_the_other_minus_their_intersection() -> None:
    # Waves sum to 0 and 0, single rows to 40; 18 + 0 - 40 is negative and set to zero.
    assert covariance(by_hand(), ("county", "wave")).matrix == pytest.approx(np.zeros((1, 1)))


def test_clusters_that_lie_in_one_another_cross_nowhere_and_the_coarser_is_named() -> None:
    for both in (("county", "village"), ("village", "county")):
        with pytest.raises(ek.EstimateError, match=r"'village' lies within 'county'.* Say cluster='county'"):
            covariance(by_hand(), both)


@pytest.mark.parametrize(
    ("correction", "factor"),
    [
        ("none", 1.0),
        ("clusters", 3 / 2),
        ("nested", 19 / 18 * 3 / 2),
        ("full", 19 / 18 * 3 / 2),
        (SmallSample(clusters=False), 19 / 18),
    ],
)
def test_small_sample_factors_are_what_they_say(correction: Any, factor: float) -> None:
    spread = covariance(by_hand(), "county", correction)
    assert spread.factor == pytest.approx(factor)
    assert spread.matrix == pytest.approx(np.array([[factor * 18 / 36]]))


def test_effects_nested_in_a_cluster_are_not_counted() -> None:
    facts = ours(data()).facts
    counts = {c: SmallSample("nested").parameters(facts, (c,)) for c in ("observation", "village", "county", "year")}
    slopes, unit, year = 3, 59, 5
    assert counts == {
        "observation": slopes + 1 + unit + year,
        "village": slopes + 1 + year,
        "county": slopes + 1 + year,
        "year": slopes + 1 + unit,
    }
    assert SmallSample("nested").parameters(facts, ("county", "year")) == slopes + 1
    assert SmallSample("full").parameters(facts, ("county",)) == slopes + 1 + unit + year
    assert SmallSample("slopes").parameters(facts, ()) == SmallSample("none").parameters(facts, ()) == slopes


def test_equal_variances_divide_the_residual_sum_by_its_degrees() -> None:
    assert covariance(by_hand(), "iid", "full").matrix == pytest.approx(np.array([[0.5 * 9 / 18]]))
    assert covariance(by_hand(), "iid", "none").matrix == pytest.approx(np.array([[0.5 * 9 / 19]]))


def test_tables_say_what_their_numbers_rest_on() -> None:
    row = ek.infer(by_hand(), cluster="county", correction="clusters", reference="t", level=0.9).iloc[0]
    error = np.sqrt(0.75)
    assert row["std_error"] == pytest.approx(error)
    assert (row["cluster"], row["clusters"], row["correction"], row["reference_distribution"]) == ("county", 3, "clusters", "t(2)")
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(1 / error, 2))
    assert (row["conf_low"], row["conf_high"]) == pytest.approx(
        (1 - stats.t.ppf(0.95, 2) * error, 1 + stats.t.ppf(0.95, 2) * error)
    )


def test_group_time_effects_use_no_factor_and_the_normal_distribution_unless_told() -> None:
    row = ek.infer(ek.GroupTime()(ek.example_design())).iloc[1]
    assert (row["correction"], row["factor"], row["reference_distribution"], row["cluster"]) == ("none", 1.0, "z", "village_id")
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(row["statistic"])))
    assert row["critical"] == pytest.approx(stats.norm.ppf(0.975))


def test_regressions_leave_nested_effects_uncounted_and_use_t_unless_told() -> None:
    row = ek.infer(ek.TwoWay()(ek.example_design()), cluster="county_id").iloc[0]
    assert (row["correction"], row["reference_distribution"], row["clusters"]) == ("nested", "t(9)", 10)


def test_reference_periods_and_single_units_have_no_error_of_their_own() -> None:
    estimate = by_hand().join(by_hand()).join(by_hand())
    cells = estimate.cells.assign(reference=[True, False, False], noisy_units=[5.0, 0.0, np.nan])
    marked = estimate.map(estimate.theta, np.eye(3), cells)
    assert list(has_own_noise(marked)) == [False, False, True]
    assert list(ek.infer(marked)["std_error"].isna()) == [True, True, False]
    assert ek.wald(marked).parameters == 1


def test_a_wald_test_of_one_parameter_is_its_t_test() -> None:
    row = ek.infer(by_hand(), cluster="county", reference="t").iloc[0]
    test = ek.wald(by_hand(), cluster="county", reference="t")
    assert (test.statistic, test.p_value, test.distribution) == pytest.approx((row["statistic"] ** 2, row["p_value"], "F(1, 2)"))
    chi = ek.wald(by_hand(), cluster="county")
    assert (chi.p_value, chi.distribution) == pytest.approx((stats.chi2.sf(chi.statistic, 1), "chi2(1)"))


def test_more_parameters_than_directions_of_their_covariance_are_refused() -> None:
    estimate = ek.EventStudy()(ek.example_design()).select(reference=False)
    with pytest.raises(ek.EstimateError, match=r"18 parameters cannot be tested jointly: .* has only 9 directions\. Test fewer"):
        ek.wald(estimate.join(estimate), correction="none", reference="z")


def test_a_band_from_fewer_than_ten_clusters_is_refused_with_what_to_use() -> None:
    few = ek.example_design(units=54).panel.frame.query("county_id < 10")
    panel = ek.Panel(few, "village_id", "year", ["county_id"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income")
    path = ek.EventStudy()(design)
    with pytest.raises(ek.EstimateError, match=r"from 9 clusters \(county_id\).*CR2.*wild_bootstrap.*permute"):
        ek.infer(path, cluster="county_id", band="uniform", seed=1)
    single = ek.infer(path.select(event_time=[0, 1]), cluster="county_id", correction="CR2")
    assert (single["conf_high"] > single["conf_low"]).all()


def test_the_table_counts_treated_clusters() -> None:
    design = ek.example_design(rows="unit")
    treated = design.units[np.isfinite(design.cohort)]
    keys = design.row_keys.set_index("village_id")["county_id"]
    for estimate in (ek.TwoWay()(design), ek.aggregate(ek.GroupTime()(design)), ek.GroupTime()(design).coarsen("county_id")):
        table = ek.infer(estimate, cluster="county_id")
        assert table["treated_clusters"].unique().tolist() == [keys[treated].nunique()]
    assert ek.infer(ek.TwoWay()(design))["treated_clusters"].tolist() == [len(treated)]


def test_a_negative_two_way_variance_is_set_to_zero_and_never_a_missing_error() -> None:
    assert covariance(by_hand(), ("county", "wave")).std_error == pytest.approx([0.0])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"cluster": "conty"}, "Did you mean 'county'"),
        ({"correction": "nestd"}, "Did you mean 'nested'"),
        ({"reference": "normal"}, "no reference distribution 'normal'"),
        ({"band": "uniorm"}, "Did you mean 'uniform'"),
        ({"clusters": "county"}, "Did you mean 'cluster'"),
        ({"cluster": ("county", "wave", "village")}, "one- or two-way; 3 were given"),
        ({"level": 1.5}, "level"),
        ({"level": 0.0}, "level"),
    ],
)
def test_unknown_choices_are_errors_that_name_the_nearest(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        ek.infer(by_hand(), **choices)


def test_a_band_without_a_seed_is_refused() -> None:
    with pytest.raises(ek.EstimateError, match="say its seed"):
        ek.infer(ek.EventStudy()(ek.example_design()), band="uniform")


def test_an_unknown_count_of_parameters_is_an_error() -> None:
    with pytest.raises(ek.EstimateError, match="no count of parameters 'nestd'"):
        SmallSample("nestd")


def test_one_cluster_teaches_nothing_about_variation() -> None:
    frame = data().assign(province=1)
    with pytest.raises(ek.EstimateError, match="only one cluster"):
        ek.infer(ours(frame), cluster="province")


def test_equal_variances_have_a_meaning_for_one_regression_only() -> None:
    for estimate in (ek.GroupTime()(ek.example_design()), ours(data()).join(ours(data()))):
        with pytest.raises(ek.EstimateError, match="one regression only"):
            covariance(estimate, "iid")


def test_a_repeated_cross_section_has_the_same_degrees_by_row_and_by_observation() -> None:
    frame = data()
    panel = ek.Panel(frame, None, "year")
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    by_row, by_observation = (
        covariance(ek.TwoWay()(ek.Design(panel, rollout, "y", rows=rows))) for rows in ("unit", "observation")
    )
    np.testing.assert_allclose(by_row.std_error, by_observation.std_error)
    assert by_row.degrees == by_observation.degrees


def test_outcomes_without_noise_have_an_error_of_zero_and_not_too_few_clusters() -> None:
    frame = ek.example_frame()
    flat = frame.assign(log_income=0.1 * frame["village_id"] + 0.37 * frame["year"])
    panel = ek.Panel(flat, "village_id", "year", ["county_id"])
    design = ek.Design(panel, ek.Rollout.from_first_treated(panel, "first_treated", never=0), "log_income")
    told = ek.infer(ek.Stacked()(design).select(kind="overall"), cluster="county_id").iloc[0]
    assert told["estimate"] == pytest.approx(0, abs=1e-12) and not told["std_error"] > 1e-12


def test_the_table_carries_what_readers_should_know() -> None:
    from evalkit.inference.dependence import DriscollKraay

    estimate = ours(data())
    assert ek.infer(estimate).attrs["notices"] == estimate.notices
    codes = [notice.code for notice in ek.infer(estimate, cluster=DriscollKraay()).attrs["notices"]]
    assert "DRISCOLL_KRAAY_FEW_PERIODS" in codes


@pytest.mark.parametrize("cluster", [5, (), [], (None,), np.array([1, 2]), (DriscollKraay(), "county"), DriscollKraay])
def test_what_is_no_cluster_is_refused_and_never_taken_for_none(cluster: Any) -> None:
    with pytest.raises(ek.EstimateError, match="cluster is the name of a cluster, a pair of names, or an object"):
        covariance(by_hand(), cluster)


def test_one_name_in_a_list_is_the_name() -> None:
    alone = covariance(by_hand(), "county").matrix
    for cluster in (["county"], ("county",), np.array(["county"])):
        assert covariance(by_hand(), cluster).matrix.tolist() == alone.tolist()


@pytest.mark.parametrize("draws", [0, 1, 10.5, "99"])
def test_a_band_of_hardly_any_draws_is_refused(draws: Any) -> None:
    with pytest.raises(ek.EstimateError, match="draws is a whole number from 99 on"):
        ek.infer(ek.EventStudy()(ek.example_design()), band="uniform", seed=1, draws=draws)


def test_what_is_no_estimate_is_refused() -> None:
    with pytest.raises(ek.EstimateError, match="Inference takes an Estimate, not a Design"):
        ek.infer(ek.example_design())  # type: ignore[arg-type]
    with pytest.raises(ek.EstimateError, match="A joint test takes an Estimate, not a Design"):
        ek.wald(ek.example_design())  # type: ignore[arg-type]


@pytest.mark.parametrize("estimator", [ek.TwoWay(), ek.GroupTime(), ek.ExtendedTwoWay()])
def test_a_county_whose_treated_villages_were_treated_from_the_start_is_no_treated_cluster(estimator: Any) -> None:
    frame = ek.example_frame()
    always = (frame["county_id"] <= 3) & (frame["village_id"] % 2 == 0)
    first = np.where(always, frame["year"].min(), np.where(frame["county_id"] <= 3, 0, frame["first_treated"]))
    panel = ek.Panel(frame.assign(first=first), "village_id", "year", ["county_id"])
    rollout = ek.Rollout.from_first_treated(panel, "first", never=0)
    counties = panel.frame.loc[panel.frame["first"] > frame["year"].min(), "county_id"].nunique()
    for rows in ("unit", "county_id"):
        estimate = estimator(ek.Design(panel, rollout, "log_income", rows=rows))
        assert covariance(estimate, "county_id").treated_clusters == counties
