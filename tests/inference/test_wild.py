"""Random signs of clusters: what they say, what they cannot say, and that sums over clusters replace drawing rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference import wild_sums
from evalkit.inference.signs import Signs
from evalkit.inference.wild import _open, wild_bootstrap
from evalkit.inference.wild_sums import Draws, drawn, influence_pieces, reach_of_interval, regression_pieces, shares_beyond
from evalkit.least_squares import Columns, LeastSquares, Parts, Regression


def design(frame: pd.DataFrame, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county", "province", "crossing"] if "crossing" in frame else ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def few(counties: int = 6, treated: int = 3, effect: float = 0.0) -> pd.DataFrame:
    """Return villages of few counties; a treated county is treated whole, in 2014 or 2015, and some rows are missing."""
    frame = with_gaps(villages(10 * counties))
    county = frame["village"] % counties
    start = np.where(county < treated, 2014 + county % 2, 0)
    on = (start > 0) & (frame["year"] >= start)
    return frame.assign(county=county, start=start, y=frame["y"] + effect * on)


def two_way(frame: pd.DataFrame, **choices: Any) -> Estimate:
    return ek.TwoWay()(design(frame, weight="households", unbalanced="pairwise", covariates=["rain"], **choices))


def of_columns(y: np.ndarray, X: np.ndarray, county: np.ndarray, shown: int = 1) -> Estimate:
    """Return the estimate of the first coefficients of a regression, with nothing absorbed."""
    keys = pd.DataFrame({"county": county})
    fit = LeastSquares(lambda: Columns(X, y, keys))
    psi = (X * fit.residuals[:, None]) @ fit.bread[:, :shown] * len(y)
    rows = keys.assign(observation=np.arange(len(y)))[["observation", "county"]]
    facts = Facts(len(y), X.shape[1], correction="nested", reference="t", regression=Regression(fit, np.eye(shown)))
    return Estimate(fit.coefficients[:shown], psi, cell_frame("covariate", shown, name=list(map(str, range(shown)))), rows, facts)


# The slow, obvious way: new outcomes row by row, every regression run again with all its dummies.


def by_rows(frame: pd.DataFrame, null: float, restricted: bool, variant: str) -> tuple[float, float]:
    """Return the two p-values of the effect by making 2^G samples and running all regressions on them."""
    D = ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy(float)
    dummies = pd.get_dummies(frame[["village", "year"]].astype(str), dtype=float).to_numpy()
    root = np.sqrt(frame["households"].to_numpy(float))
    X = np.column_stack([D, frame["rain"], dummies]) * root[:, None]
    y, g = frame["y"].to_numpy() * root, frame["county"].to_numpy()
    G = g.max() + 1

    def t_statistic(y: np.ndarray, value: float) -> float:
        b = np.linalg.pinv(X) @ y
        if variant in "CS":
            e = y - X @ b
            a = np.linalg.pinv(X)[0]
            return float((b[0] - value) / np.sqrt(sum((a[g == k] @ e[g == k]) ** 2 for k in range(G))))
        others = [np.linalg.pinv(X[g != k]) @ y[g != k] for k in range(G)]
        return float((b[0] - value) / np.sqrt(sum((o[0] - b[0]) ** 2 for o in others)))

    free = slice(1, None) if restricted else slice(None)
    target = y - null * X[:, 0] if restricted else y
    e = target - X[:, free] @ np.linalg.pinv(X[:, free]) @ target
    fitted = y - e
    value = null if restricted else float((np.linalg.pinv(X) @ y)[0])
    if variant in "SB":
        for k in range(G):
            own = g == k
            e[own] = target[own] - X[own, free] @ (np.linalg.pinv(X[~own, free]) @ target[~own])
    t = t_statistic(y, null)
    draws = np.abs([t_statistic(fitted + np.array(v)[g] * e, value) for v in product([-1, 1], repeat=G)])
    return float((draws > abs(t) * (1 + 1e-7)).mean()), float((draws >= abs(t) * (1 - 1e-7)).mean())


@pytest.mark.parametrize("restricted", [True, False], ids=["null imposed", "free"])
@pytest.mark.parametrize("variant", ["C", "S", "V", "B"])
def test_sums_over_clusters_say_what_new_samples_of_rows_would(variant: str, restricted: bool) -> None:
    frame = few().query("village < 130")
    told = wild_bootstrap(two_way(frame), cluster="county", null=0.02, variant=variant, restricted=restricted, terms=[0])
    assert (told.table["p_value"][0], told.table["p_with_ties"][0]) == pytest.approx(by_rows(frame, 0.02, restricted, variant))
    assert told.table["variant"][0] == f"WC{'R' if restricted else 'U'}-{variant}" and told.table["draws"][0] == 64


def test_a_mean_of_six_numbers_by_pencil() -> None:
    """With the null imposed on a mean, |t*| grows with |sum of signs times numbers|: larger than 14 for two sets of 64, 14 for four."""
    told = wild_bootstrap(of_columns(np.array([1.0, 2, 3, 4, 5, -1]), np.ones((6, 1)), np.arange(6)), cluster="county").table
    assert told["estimate"][0] == pytest.approx(14 / 6)
    assert (told["p_value"][0], told["p_with_ties"][0]) == (2 / 64, 6 / 64)


def test_its_interval_by_pencil() -> None:
    """Of 1 to 6 the mean is rejected at 10% as long as fewer than 4 of 32 pairs of sets lie beyond: the null moves past 1 and 2, not 3.

    With null r the numbers are y - r, and a set lies beyond when it flips numbers below r whose deviations outweigh those above:
    {1}, {2} and {1, 2} are three of 32 (9.4%), and {3} or, from r = 2 on, more make it four.
    """
    estimate = of_columns(np.arange(1.0, 7), np.ones((6, 1)), np.arange(6))
    told = wild_bootstrap(estimate, cluster="county", level=0.9).table
    assert told["conf_low"][0] == pytest.approx(7 - told["conf_high"][0])  # the numbers are symmetric around 3.5

    def share(null: float) -> float:
        sums = np.abs([np.dot(v, np.arange(1.0, 7) - null) for v in product([-1, 1], repeat=6)])
        return float((sums > abs(21 - 6 * null) + 1e-9).mean())

    low = told["conf_low"][0]
    assert share(low - 1e-6) <= 0.1 < share(low + 1e-6)


@pytest.mark.parametrize("variant", ["C", "S", "V", "B"])
@pytest.mark.parametrize("kind", ["symmetric", "equal_tailed"])
def test_the_interval_ends_where_the_p_value_passes_its_level(variant: str, kind: str) -> None:
    estimate = two_way(few(8, 5, effect=0.05))
    choices: dict[str, Any] = {"cluster": "county", "variant": variant, "p_value": kind, "terms": [0]}
    told = wild_bootstrap(estimate, **choices).table.iloc[0]
    for end, inside in (("conf_low", 1), ("conf_high", -1)):
        for step, accepted in ((1e-6, True), (-1e-6, False)):
            again = wild_bootstrap(estimate, null=told[end] + inside * step, **choices).table["p_value"][0]
            assert (again > 0.05) == accepted


def test_many_clusters_are_summed_by_products_and_few_one_by_one_alike() -> None:
    frame = villages(400).assign(county=lambda f: f["village"] % 150)
    regression = ek.TwoWay()(design(frame)).facts.regression
    assert regression is not None
    codes, labels = regression.fit.labels("county")
    parts = regression.fit.parts(codes, len(labels))
    assert len(labels) > wild_sums.DIRECT
    for weights in ("rademacher", "webb", "mammen", "normal"):
        for variant in "CB":
            piece = regression_pieces(parts, regression.fit.bread, regression.shown[0], variant, True)
            v = next(Signs(weights, 150, 200, 3).blocks())
            slow, fast = wild_sums._one_by_one(piece, v), wild_sums._by_products(piece, v, weights == "rademacher")
            for one, other in zip(fast, slow, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.abs(other).max())


@pytest.mark.parametrize("estimator", [ek.TwoWay(), ek.EventStudy(), ek.ExtendedTwoWay(), ek.Stacked(before=1, after=1)])
def test_errors_are_those_of_every_other_table(estimator: Any) -> None:
    estimate = estimator(design(villages(120)))
    told = wild_bootstrap(estimate, cluster="county", seed=1, draws=99).table
    np.testing.assert_allclose(told["std_error"], ek.infer(estimate, cluster="county")["std_error"].dropna(), rtol=1e-9)
    assert set(told["clusters"]) == {20}
    if isinstance(estimator, (ek.TwoWay, ek.EventStudy)):
        assert set(told["variant"]) == {"WCR-C"}


def test_the_jackknife_variants_have_the_jackknife_error() -> None:
    estimate = two_way(few(8, 4))
    from evalkit.inference.replay import replay

    choices: dict[str, Any] = {"weight": "households", "unbalanced": "pairwise", "covariates": ["rain"]}
    again = replay(ek.TwoWay(), design(few(8, 4), **choices), "county")
    told = wild_bootstrap(estimate, cluster="county", variant="V").table
    np.testing.assert_allclose(told["std_error"], ek.infer(again)["std_error"], rtol=1e-8)


def test_constants_of_villages_and_years_scale_and_the_order_of_rows_change_nothing() -> None:
    frame = few(8, 4)
    base = wild_bootstrap(two_way(frame), cluster="county").table
    other = frame.assign(y=100 * (frame["y"] + frame["village"] % 7 + (frame["year"] - 2012) ** 2)).sample(frac=1, random_state=2)
    moved = wild_bootstrap(two_way(other), cluster="county").table
    np.testing.assert_array_equal(moved["p_value"], base["p_value"])
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(moved[column], 100 * base[column], rtol=1e-6)


def test_an_effect_that_is_added_moves_the_interval_with_it() -> None:
    plain, raised = (
        wild_bootstrap(two_way(few(8, 4, effect)), cluster="county", null=effect).table.iloc[0] for effect in (0.0, 0.5)
    )
    assert raised["p_value"] == plain["p_value"]
    assert raised["conf_low"] == pytest.approx(plain["conf_low"] + 0.5, abs=1e-8)


def test_a_parameter_is_tested_the_same_alone_or_beside_others() -> None:
    estimate = ek.EventStudy()(design(villages(120)))
    together = wild_bootstrap(estimate, cluster="county", seed=4, draws=499)
    alone = wild_bootstrap(estimate, cluster="county", seed=4, draws=499, terms=[0])
    pd.testing.assert_frame_equal(alone.table, together.table.iloc[:1])
    np.testing.assert_allclose(alone.draws[:, 0], together.draws[:, 0])


def test_a_joint_shift_of_many_draws_is_the_normal_limit() -> None:
    """Normal weights on many clusters: the draws of t are nearly normal, and the interval nearly theta +- 1.96 errors."""
    told = wild_bootstrap(ek.TwoWay()(design(villages(400).assign(county=lambda f: f["village"]))), cluster="village", seed=1)
    assert np.quantile(np.abs(told.draws), 0.95) == pytest.approx(1.96, abs=0.06)
    row = told.table.iloc[0]
    assert (row["conf_high"] - row["conf_low"]) / row["std_error"] == pytest.approx(2 * 1.96, abs=0.12)


# Weights


@pytest.mark.parametrize(("weights", "third"), [("rademacher", 0), ("webb", 0), ("mammen", 1), ("normal", 0)])
def test_weights_have_mean_zero_and_variance_one(weights: str, third: float) -> None:
    v = np.concatenate(list(Signs(weights, 400, 2_000, 9).blocks())).ravel()
    assert np.array([v.mean(), (v**2).mean(), (v**3).mean()]) == pytest.approx([0, 1, third], abs=0.02)


def test_every_set_of_signs_is_used_once_where_they_are_few() -> None:
    v = np.concatenate(list(Signs("rademacher", 10, 999, None).blocks()))
    assert v.shape == (1024, 10) and len(np.unique(v, axis=0)) == 1024
    six = np.concatenate(list(Signs("webb", 4, 9_999, None).blocks()))
    assert six.shape == (1296, 4) and len(np.unique(six, axis=0)) == 1296


def test_a_seed_is_asked_for_where_chance_enters_and_decides_it() -> None:
    estimate = ek.TwoWay()(design(villages(120)))
    with pytest.raises(ek.EstimateError, match=r"20 clusters have too many sets of weights.*say the seed"):
        wild_bootstrap(estimate, cluster="county")
    one, same, other = (wild_bootstrap(estimate, cluster="county", seed=seed, draws=199).draws for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


# Estimates that are no regression


def test_other_estimates_draw_the_influence_of_clusters_by_pencil() -> None:
    """Influence 1, 1, 2, -4 and signs +, +, +, -: sum 8 over n; deviations from their mean -1, -1, 0, 2 have squares 6."""
    piece = influence_pieces(np.array([1.0, 1, 2, -4]), False)
    assert wild_sums._one_by_one(piece, np.array([[1.0, 1, 1, -1]]))[:, 0] == pytest.approx([8, 0, 6, 0, 0])


def test_group_time_effects_have_their_own_errors_and_say_that_they_are_no_regression() -> None:
    path = ek.aggregate(ek.GroupTime()(design(villages(120))), by="event_time")
    told = wild_bootstrap(path, cluster="county", seed=1, draws=499)
    expected = ek.infer(path, cluster="county")
    keep = ~expected["reference"].to_numpy(dtype=bool)
    np.testing.assert_allclose(told.table["std_error"], expected.loc[keep, "std_error"], rtol=1e-12)
    assert set(told.table["variant"]) == {"score"} and told.table["treated_clusters"].isna().all()
    assert {n.code for n in told.notices} == {"WILD_SCORE", "WILD_WITHOUT_NOISE"}
    middle = (told.table["conf_low"] + told.table["conf_high"]) / 2
    np.testing.assert_allclose(middle, told.table["estimate"], atol=1e-9)


def test_clusters_without_influence_do_not_count() -> None:
    """A last batch that is compared with nobody stands beside the others without influence."""
    estimate = ek.TwoByTwo()(design(villages(60, (0, 2015))))
    padded = replace(
        estimate,
        psi=np.vstack([estimate.psi, np.zeros((5, 1))]) * 65 / 60,
        rows=pd.concat([estimate.rows, pd.DataFrame({"village": range(900, 905), "county": range(90, 95)})], ignore_index=True),
        facts=replace(estimate.facts, regression=None, absorbed=(), treated=None),
    )
    plain = replace(estimate, facts=replace(estimate.facts, regression=None, absorbed=(), treated=None))
    tables = [wild_bootstrap(one, cluster="county", seed=1, draws=199).table for one in (plain, padded)]
    pd.testing.assert_frame_equal(*tables)


# Refusals and remarks


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ek.EstimateError, match="only one cluster"):
        wild_bootstrap(two_way(few().assign(county=0)), cluster="county")


def test_unknown_names_are_refused_with_those_allowed() -> None:
    estimate = two_way(few())
    for choice, message in (
        ({"cluster": "town"}, "There is no cluster 'town'"),
        ({"weights": "gamma"}, "There is no kind of weights 'gamma'.*rademacher, webb, mammen, normal"),
        ({"variant": "Q"}, "There is no variant 'Q'.*C, S, V, B"),
        ({"p_value": "two"}, "There is no kind of p-value 'two'"),
        ({"level": 95}, "The level is a probability between 0 and 1, not 95"),
        ({"draws": 10}, "whole number from 99 on"),
        ({"terms": [9]}, "whole numbers from 0 to 1"),
        ({"cluster": ["county"]}, "There is no cluster .*Did you mean 'county'"),
        ({"null": np.nan}, "null is one number in the unit of the outcome, not nan"),
        ({"null": [0, 1]}, "null is one number"),
    ):
        with pytest.raises(ek.EstimateError, match=message):
            wild_bootstrap(estimate, **({"cluster": "county"} | choice))  # type: ignore[arg-type]


def test_too_few_clusters_for_the_weights_say_by_which_steps_a_p_value_moves() -> None:
    five = two_way(few(5, 2))
    with pytest.raises(
        ek.EstimateError, match=r'5 clusters .county. have so few sets.*steps of 0.0625.*between 0 and 0.05.*"webb"'
    ):
        wild_bootstrap(five, cluster="county")
    assert wild_bootstrap(five, cluster="county", weights="webb").table["draws"][0] == 6**5
    assert wild_bootstrap(five, cluster="county", level=0.9).table["draws"][0] == 32


def test_a_cluster_that_cuts_villages_in_two_is_refused() -> None:
    frame = villages(60).assign(crossing=lambda f: f["year"] % 6)
    estimate = ek.TwoWay()(design(frame, rows="observation"))
    with pytest.raises(ek.EstimateError, match=r"60 units lie in several clusters .crossing."):
        wild_bootstrap(estimate, cluster="crossing", weights="webb")


def test_what_has_no_noise_is_refused_by_name_and_counted_otherwise() -> None:
    path = ek.EventStudy()(design(villages(120)))
    base = int(np.flatnonzero(path.cells["reference"])[0])
    with pytest.raises(ek.EstimateError, match=f"Parameters at {base} have no noise"):
        wild_bootstrap(path, cluster="county", seed=1, terms=[base])
    told = wild_bootstrap(path, cluster="county", seed=1, draws=99)
    assert len(told.table) == len(path.theta) - 1
    assert [n.facts for n in told.notices if n.code == "WILD_WITHOUT_NOISE"] == [{"parameters": 1}]


def test_outcomes_without_any_variation_between_clusters_are_refused() -> None:
    flat = of_columns(np.full(8, 2.0), np.ones((8, 1)), np.arange(8))
    flat = replace(flat, psi=np.zeros((8, 1)))
    with pytest.raises(ek.EstimateError, match="Parameters at 0 of those tested do not vary between clusters"):
        wild_bootstrap(flat, cluster="county")
    with pytest.raises(ek.EstimateError, match="Nothing varies between clusters"):
        wild_bootstrap(replace(flat, facts=replace(flat.facts, regression=None)), cluster="county")


def test_variants_that_leave_clusters_out_need_a_regression_that_survives_it() -> None:
    with pytest.raises(ek.EstimateError, match="Variant 'V' leaves clusters out of a regression, and this estimate is none"):
        wild_bootstrap(ek.GroupTime()(design(villages(60))), cluster="county", seed=1, variant="V")
    with pytest.raises(ek.EstimateError, match="without county 0 the regression cannot be estimated"):
        wild_bootstrap(two_way(few(8, 1)), cluster="county", variant="B")


@pytest.mark.parametrize(
    ("counties", "treated", "codes"),
    [(8, 1, {"WILD_ONE_TREATED"}), (8, 7, {"WILD_ONE_TREATED"}), (10, 3, {"WILD_FEW_TREATED"}), (10, 5, set()), (10, 10, set())],
)
def test_few_treated_counties_or_few_others_are_remarked(counties: int, treated: int, codes: set[str]) -> None:
    told = wild_bootstrap(two_way(few(counties, treated)), cluster="county", terms=[0])
    assert {n.code for n in told.notices} - {"WILD_OPEN_INTERVAL", "WILD_DISCONNECTED"} == codes
    assert told.table["treated_clusters"][0] == treated


def test_counties_with_treated_and_other_villages_are_both() -> None:
    told = wild_bootstrap(ek.TwoWay()(design(villages(120))), cluster="county", seed=1, draws=99)
    assert told.table["treated_clusters"][0] == 20 and not told.notices


def test_with_one_treated_county_the_null_is_never_rejected_or_far_too_easily() -> None:
    """The interval of the restricted test is open or very wide, that of the free one far too short (MacKinnon & Webb 2017)."""
    estimate = two_way(few(10, 1))
    tight = wild_bootstrap(estimate, cluster="county", restricted=False, terms=[0]).table.iloc[0]
    wide = wild_bootstrap(estimate, cluster="county", terms=[0])
    row = wide.table.iloc[0]
    assert row["conf_high"] - row["conf_low"] > 4 * (tight["conf_high"] - tight["conf_low"])


def test_an_interval_that_nothing_closes_is_infinite_and_said() -> None:
    """Draws without any variance are beyond every statistic, so that no null is rejected."""
    endless = Draws(np.ones(100), np.ones(100), np.zeros(100), np.zeros(100), np.zeros(100), 1.0)
    assert reach_of_interval(endless, 1.0, "symmetric", 0.05)[:2] == (np.inf, np.inf)
    table = pd.DataFrame({"conf_low": [-np.inf, 0.0], "conf_high": [1.0, 1.0]})
    remarks = _open(table, [(1.0, np.inf, False), (1.0, 1.0, True)])
    assert [(n.code, n.facts) for n in remarks] == [
        ("WILD_OPEN_INTERVAL", {"parameters": 1}),
        ("WILD_DISCONNECTED", {"parameters": 1}),
    ]


# Size


def rejections(G: int, treated: int, worlds: int) -> dict[str, float]:
    """Return how often effects of zero are called significant at 5%, G clusters of one number each (Webb weights, 399 draws)."""
    generator = np.random.default_rng(8)
    X, c = np.column_stack([np.arange(G) < treated, np.ones(G)]).astype(float), np.array([1.0, 0])
    gram = X[:, :, None] * X[:, None, :]
    bread = np.linalg.inv(gram.sum(axis=0))
    found = dict.fromkeys(("WCR-C", "WCU-C", "score"), 0)
    for world in range(worlds):
        y = generator.standard_normal(G)
        b = bread @ X.T @ y
        parts = Parts(gram, X * y[:, None], X * (y - X @ b)[:, None])
        pieces = [regression_pieces(parts, bread, c, "C", restricted) for restricted in (True, False)]
        pieces.append(influence_pieces(parts.score @ bread[0], False))
        for name, draws in zip(found, drawn(pieces, Signs("webb", G, 399, world)), strict=True):
            found[name] += shares_beyond(draws, b[0], "symmetric")[0] < 0.05
    return {name: count / worlds for name, count in found.items()}


def test_with_half_of_ten_clusters_treated_about_one_in_twenty_is_rejected() -> None:
    assert all(0.01 < share < 0.1 for share in rejections(10, 5, 300).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("G", "treated", "expected"),
    [(10, 5, (0.056, 0.044, 0.064)), (20, 2, (0.001, 0.184, 0.291)), (40, 10, (0.043, 0.045, 0.058))],
)
def test_sizes_are_those_of_the_table(G: int, treated: int, expected: tuple[float, ...]) -> None:
    for found, share in zip(rejections(G, treated, 1_500).values(), expected, strict=True):
        assert found == pytest.approx(share, abs=0.01 + 3 * np.sqrt(share * (1 - share) / 1_500))


def test_draws_of_one_call_are_made_with_the_same_signs() -> None:
    pieces = [influence_pieces(np.array([1.0, -2, 3, -2]), False), influence_pieces(np.array([2.0, -4, 6, -4]), False)]
    one, twice = drawn(pieces, Signs("normal", 4, 99, 1))
    np.testing.assert_allclose(2 * one.A, twice.A)


def test_one_position_is_a_list_of_one() -> None:
    estimate = two_way(few())
    one, listed = (wild_bootstrap(estimate, cluster="county", terms=terms).table for terms in (0, [0]))  # type: ignore[arg-type]
    assert one["p_value"].tolist() == listed["p_value"].tolist()


def test_a_constant_outcome_leaves_nothing_to_draw() -> None:
    with pytest.raises(ek.EstimateError, match="do not vary between clusters"):
        wild_bootstrap(two_way(few().assign(y=3.0)), cluster="county")


def test_households_seen_once_are_drawn_by_county_as_the_regression_they_are() -> None:
    panel = ek.Panel(few(10, 5), None, "year", ["county"])
    estimate = ek.TwoWay()(ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y"))
    told = wild_bootstrap(estimate, cluster="county", seed=1, draws=199).table.iloc[0]
    assert (told["variant"], told["clusters"], told["treated_clusters"]) == ("WCR-C", 10, 5)
