"""P-values of several effects at once, and what it costs to have looked at several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages

import evalkit as ek
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.linear import covariance
from evalkit.inference.multiple import adjusted, benjamini_hochberg, benjamini_yekutieli, holm, step_down
from evalkit.subset import with_starts
from evalkit.words import catalogue


def noise(psi: np.ndarray, theta: np.ndarray | None = None, rows: pd.DataFrame | None = None, **labels: Any) -> Estimate:
    """Return an estimate whose psi (n, k) is given, and whose theta is its mean unless given: pure noise."""
    centred = psi - psi.mean(axis=0)
    k = psi.shape[1]
    names = {"name": [f"outcome {j}" for j in range(k)]} | labels
    rows = pd.DataFrame({"village": np.arange(len(psi))}) if rows is None else rows
    theta = psi.mean(axis=0) if theta is None else theta
    return Estimate(theta, centred, cell_frame("overall", k, **names), rows, Facts(len(psi), correction="clusters", reference="t"))


def design(frame: pd.DataFrame, outcome: str = "y") -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county", "province"])
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), outcome)


def overall(design: ek.Design) -> Estimate:
    return ek.aggregate(ek.GroupTime()(design))


def test_holm_by_hand() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 = 0.06, and 0.9 x 1.
    np.testing.assert_allclose(holm(np.array([0.9, 0.01, 0.03, 0.02])), [0.9, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.6])), [1, 1])


def test_benjamini_and_hochberg_by_hand() -> None:
    # From the largest down: 0.9 x 4/4, 0.03 x 4/3 = 0.04, 0.02 x 4/2 = 0.04, 0.01 x 4/1 = 0.04.
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.9, 0.01, 0.03, 0.02])), [0.9, 0.04, 0.04, 0.04])
    # Under any dependence times 1 + 1/2 + 1/3 + 1/4 = 25/12.
    np.testing.assert_allclose(benjamini_yekutieli(np.array([0.9, 0.01, 0.03, 0.02])), [1, 1 / 12, 1 / 12, 1 / 12])


def test_they_are_those_of_another_library() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(0).uniform(0, 0.3, 30) ** 2
    for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh"), (benjamini_yekutieli, "fdr_by")):
        np.testing.assert_allclose(ours(p), multitest.multipletests(p, method=name)[1], rtol=1e-12)


def test_the_step_down_by_hand() -> None:
    drawn = np.array([[0.5, 2.5, 0.1], [1.5, 0.5, 3.5], [0.2, 0.1, 0.3], [0.9, 1.2, 0.4]])
    # |t| of 3: largest draws 2.5, 3.5, 0.3, 1.2: one is as large, (1 + 1) / 5. Of 2, without the first: 2.5, 3.5, 0.3, 1.2: two.
    # Of 0.4, the last column alone: 0.1, 3.5, 0.3, 0.4: two (a tie counts), 3/5.
    np.testing.assert_allclose(step_down(np.array([3.0, 2.0, 0.4]), drawn), [2 / 5, 3 / 5, 3 / 5])


def test_adjusted_p_values_never_order_effects_otherwise() -> None:
    generator = np.random.default_rng(1)
    table = adjusted(noise(generator.normal(size=(60, 8)) + generator.uniform(0, 0.5, 8)), draws=999, seed=1)
    by_size = table.assign(t=(table["estimate"] / table["std_error"]).abs()).sort_values("t", ascending=False)
    assert by_size["p_adjusted"].is_monotonic_increasing
    assert (table["p_adjusted"] >= table["p_value"] - 0.02).all()


def test_one_effect_alone_keeps_its_p_value() -> None:
    estimate = noise(np.random.default_rng(2).normal(0.2, 1, size=(400, 1)))
    for method in ("holm", "bh", "by"):
        row = adjusted(estimate, method).iloc[0]
        assert row["p_adjusted"] == row["p_value"]
    for weights in ("rademacher", "webb", "normal"):
        row = adjusted(estimate, draws=19_999, seed=1, weights=weights).iloc[0]
        assert row["p_adjusted"] == pytest.approx(row["p_value"], abs=0.01)


def test_copies_of_one_outcome_cost_nothing_and_unrelated_outcomes_what_holm_says() -> None:
    generator = np.random.default_rng(3)
    one = generator.normal(size=(300, 1))
    copies = noise(np.repeat(one, 6, axis=1), theta=np.full(6, 2.2 * one.std() / np.sqrt(300)))
    apart = noise(generator.normal(size=(300, 6)), theta=np.full(6, 2.2 / np.sqrt(300)))
    for weights in ("rademacher", "webb", "normal"):
        together = adjusted(copies, draws=9_999, seed=1, weights=weights)
        np.testing.assert_allclose(together["p_adjusted"], together["p_value"], atol=0.01)
        alone = adjusted(apart, draws=9_999, seed=1, weights=weights)
        largest = alone["p_value"].idxmin()
        assert alone["p_adjusted"][largest] == pytest.approx(1 - (1 - alone["p_value"][largest]) ** 6, abs=0.03)
    assert adjusted(copies, "holm")["p_adjusted"].min() == pytest.approx(6 * together["p_value"].min())


def test_the_unit_of_the_outcomes_does_not_matter() -> None:
    frame = villages(120)
    frame = frame.assign(yuan=1000 * frame["y"], other=frame["y"] + np.random.default_rng(0).normal(0, 0.1, len(frame)))
    plain = adjusted({"a": overall(design(frame)), "b": overall(design(frame, "other"))}, cluster="county", draws=499, seed=1)
    scaled = adjusted(
        {"a": overall(design(frame, "yuan")), "b": overall(design(frame, "other"))}, cluster="county", draws=499, seed=1
    )
    np.testing.assert_allclose(scaled["p_adjusted"], plain["p_adjusted"])
    assert plain["label"].tolist() == ["a", "b"] and (plain["method"] == "romano_wolf").all()
    own = ek.infer(overall(design(frame)), cluster="county").iloc[0]
    np.testing.assert_allclose(
        plain.loc[0, ["estimate", "std_error", "p_value"]].astype(float), own[["estimate", "std_error", "p_value"]].astype(float)
    )


def test_groups_are_brought_to_common_rows_with_their_dependence() -> None:
    frame = villages(240)
    whole = design(frame)
    rich = frame.groupby("village")["share"].first().to_numpy() > 0.5
    parts = {"all": overall(whole)} | {
        name: overall(with_starts(whole, keep, None)) for name, keep in (("rich", rich), ("poor", ~rich))
    }
    for family in (parts, {name: parts[name] for name in ("rich", "poor")}):  # the whole among them, or rows of nobody else
        table = adjusted(family, cluster="county", draws=499, seed=1)
        for row in table.to_dict("records"):
            own = np.sqrt(covariance(parts[row["label"]], "county").matrix[0, 0])
            assert row["std_error"] == pytest.approx(own)
    path = adjusted({"path": ek.aggregate(ek.GroupTime()(whole), "event_time"), "all": parts["all"]}, draws=99, seed=1)
    assert path["label"].tolist()[0] == "path: event_time -4" and "path: average event_time" in path["label"].tolist()


def test_what_has_no_noise_is_left_out_and_counted() -> None:
    path = ek.aggregate(ek.GroupTime()(design(villages(120))), "event_time")
    table = adjusted(path, "holm")
    (notice,) = table.attrs["notices"]
    assert notice.facts == {"left": 1, "family": len(path.theta) - 1} and len(table) == len(path.theta) - 1
    for lang in ("en", "zh"):
        assert "{" not in catalogue(lang).say("estimator_notice.LEFT_OUT_OF_FAMILY", **notice.facts)
    shares = adjusted(ek.GroupTime()(design(villages(120))), "bh")
    assert shares["label"].str.startswith("group_time").all() and shares["label"].is_unique
    assert "notices" not in adjusted({"a": 0.1}, "holm").attrs


def test_two_way_clusters_need_draws_from_the_joint_covariance() -> None:
    frame = villages(240)
    panel = ek.Panel(frame, "village", "year", ["county", "province", "year"])
    crossed = ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", rows="observation")
    from evalkit.estimators.two_way import EventStudy

    found = EventStudy()(crossed)
    with pytest.raises(ek.EstimateError, match=r"one kind of cluster.*weights='normal'"):
        adjusted(found, cluster=("county", "year"), seed=1)
    table = adjusted(found, cluster=("county", "year"), seed=1, draws=999, weights="normal")
    assert ((table["p_adjusted"] > 0) & (table["p_adjusted"] <= 1)).all()


def test_p_values_alone() -> None:
    series = pd.Series({"wages": 0.01, "farming": 0.04})
    expected = pd.DataFrame({"label": ["wages", "farming"], "p_value": [0.01, 0.04], "p_adjusted": [0.02, 0.04], "method": "holm"})
    pd.testing.assert_frame_equal(adjusted(series, "holm"), expected)
    pd.testing.assert_frame_equal(adjusted(dict(series), "holm"), expected)


PURE = noise(np.random.default_rng(0).normal(size=(20, 2)))
REFUSALS: list[tuple[Any, dict[str, Any], str]] = [
    (PURE, {}, r"say the seed, for example seed=7"),
    (PURE, {"method": "bonferroni"}, r"no method 'bonferroni'.*romano_wolf, holm, bh, by"),
    (PURE, {"weights": "mammen", "seed": 1}, r"no kind of weights 'mammen'.*rademacher, webb, normal"),
    (PURE, {"seed": 1, "draws": 0}, "whole number from 1 on"),
    (PURE, {"seed": 1, "cluster": "county"}, "There is no cluster 'county'"),
    ({"a": 0.1}, {}, "P-values alone allow holm, bh and by"),
    ({"a": 0.1, "b": 1.2, "c": -0.1}, {"method": "bh"}, r"missing or outside 0 to 1: b \(1.2\), c \(-0.1\)"),
    ({"a": 0.1, "b": float("nan")}, {"method": "holm"}, r"missing or outside 0 to 1: b \(nan\)"),
    ({"a": 0.1, "b": PURE}, {"method": "holm"}, r"not both; there are 1 Estimates of 2"),
    ({}, {"method": "holm"}, "the family is empty"),
    (noise(np.random.default_rng(0).normal(size=(9, 1)), reference=True), {"method": "holm"}, "No parameter has noise of its own"),
    (noise(np.ones((9, 1)), name="pensions"), {"method": "holm"}, "no variance at all: overall pensions"),
    (
        {"a": PURE, "b": noise(np.random.default_rng(0).normal(size=(9, 1)), rows=pd.DataFrame({"county": range(9)}))},
        {"seed": 1},
        r"both designs need the same rows=",
    ),
]


@pytest.mark.parametrize(("family", "how", "message"), REFUSALS, ids=[message[:30] for _, _, message in REFUSALS])
def test_what_cannot_be_adjusted_is_refused(family: Any, how: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.EstimateError, match=message):
        adjusted(family, **how)


def test_the_same_seed_gives_the_same_p_values() -> None:
    one, same, other = (adjusted(PURE, draws=499, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert (one["p_adjusted"] != other["p_adjusted"]).any()


def family_wise(
    worlds: int, seed: int, groups: int = 30, k: int = 8, shared: float = 0.9, draws: int = 299
) -> dict[str, tuple[float, float]]:
    """Return how often a method finds anything without effects, and how often it finds a moderate effect on one of k outcomes.

    Villages of counties whose shocks are shared, and outcomes that share most of their noise.
    """
    generator = np.random.default_rng(seed)
    county = np.repeat(np.arange(groups), 4)
    rows = pd.DataFrame({"village": np.arange(len(county)), "county": county})
    found: dict[str, list[tuple[bool, bool]]] = {"romano_wolf": [], "holm": [], "unadjusted": []}
    for world in range(worlds):
        common = generator.normal(size=(groups, 1))
        shocks = np.sqrt(shared) * common + np.sqrt(1 - shared) * generator.normal(size=(groups, k))
        psi = shocks[county] + 0.5 * generator.normal(size=(len(county), k))
        null = noise(psi, rows=rows)
        gain = np.zeros(k)
        gain[0] = 0.6
        with_effect = noise(psi, psi.mean(axis=0) + gain, rows)
        for method in found:
            column = "p_value" if method == "unadjusted" else "p_adjusted"
            how = {"method": "holm" if method == "unadjusted" else method, "cluster": "county", "draws": draws, "seed": world}
            some = (adjusted(null, **how)[column] <= 0.05).any()
            found[method].append((bool(some), bool(adjusted(with_effect, **how)[column][0] <= 0.05)))
    return {method: tuple(np.mean(np.array(each), axis=0)) for method, each in found.items()}


def test_a_family_without_effects_is_seldom_found_guilty() -> None:
    table = family_wise(worlds=40, seed=1, draws=199)
    assert table["romano_wolf"][0] <= 0.1 and table["holm"][0] <= 0.1, table
    assert table["romano_wolf"][1] > table["holm"][1]  # outcomes move together: more is found


@pytest.mark.simulation
def test_family_wise_errors_and_power() -> None:
    table = family_wise(worlds=1_000, seed=2)
    assert table["romano_wolf"][0] <= 0.065 and table["holm"][0] <= 0.065 and table["unadjusted"][0] > 0.08, table
    assert table["romano_wolf"][1] > table["holm"][1] + 0.05, table
    few = family_wise(worlds=400, seed=3, groups=10)
    assert few["romano_wolf"][0] <= 0.075, few
