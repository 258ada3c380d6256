"""An estimate is numbers with their influence: maps, joins and sums of it keep the covariance right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.estimate import Absorbed, Facts, cell_frame, require_kinds, sum_within
from evalkit.inference.linear import covariance


def estimate(seed: int = 1, n: int = 12, k: int = 3, **facts: object) -> ek.Estimate:
    generator = np.random.default_rng(seed)
    psi = generator.normal(size=(n, k))
    cells = cell_frame("event_time", k, event_time=np.arange(k) - 1.0, units=[5, 5, 1][:k], reference=[True, False, False][:k])
    keys = pd.DataFrame({"village": np.arange(n), "county": np.arange(n) // 3, "side": np.arange(n) % 2})
    return ek.Estimate(generator.normal(size=k), psi - psi.mean(axis=0), cells, keys, Facts(100, **facts))


def matrix(of: ek.Estimate, cluster: str | None = None) -> np.ndarray:
    return covariance(of, cluster, correction="none").matrix


def test_shapes_that_do_not_fit_are_refused() -> None:
    good = estimate()
    with pytest.raises(ek.EstimateError, match=r"needs psi of shape \(12, 3\) and 3 cells; got psi \(12, 2\)"):
        replace(good, psi=good.psi[:, :2])


def test_a_linear_map_has_the_covariance_of_the_delta_method() -> None:
    one = estimate()
    jacobian = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, 2.0]])
    mapped = one.map(jacobian @ one.theta, jacobian, cell_frame("overall", 2))
    np.testing.assert_allclose(matrix(mapped), jacobian @ matrix(one) @ jacobian.T, rtol=1e-12)
    np.testing.assert_allclose(matrix(mapped, "county"), jacobian @ matrix(one, "county") @ jacobian.T, rtol=1e-12)


def test_a_map_with_the_wrong_number_of_derivatives_is_refused() -> None:
    with pytest.raises(ek.EstimateError, match=r"jacobian must be \(1, 3\), not \(1, 2\)"):
        estimate().map(np.array([1.0]), np.ones((1, 2)), cell_frame("overall", 1))


def test_apply_differentiates_what_map_is_told() -> None:
    one = estimate()
    a, b, c = one.theta
    by_hand = one.map([np.exp(a) * b, b / c], [[np.exp(a) * b, np.exp(a), 0], [0, 1 / c, -b / c**2]], cell_frame("overall", 2))
    applied = one.apply(lambda t: np.array([np.exp(t[0]) * t[1], t[1] / t[2]]), cell_frame("overall", 2))
    np.testing.assert_allclose(applied.theta, by_hand.theta)
    np.testing.assert_allclose(applied.psi, by_hand.psi, rtol=1e-8, atol=1e-9)


def test_apply_keeps_its_step_relative_to_large_numbers() -> None:
    incomes = replace(estimate(), theta=np.array([12_000.0, 9_000.0, 3.0]))
    squared = incomes.apply(lambda t: t**2, incomes.cells)
    np.testing.assert_allclose(squared.psi, 2 * incomes.theta * incomes.psi, rtol=1e-7)


def test_joined_estimates_have_the_covariance_between_them() -> None:
    one, other = estimate(1), estimate(2)
    both = one.join(other)
    np.testing.assert_array_equal(both.theta, np.r_[one.theta, other.theta])
    np.testing.assert_allclose(matrix(both)[:3, 3:], one.psi.T @ other.psi / 12**2)
    difference = both.map(one.theta - other.theta, np.hstack([np.eye(3), -np.eye(3)]), one.cells)
    np.testing.assert_allclose(difference.psi, one.psi - other.psi)


def test_an_estimate_joined_with_itself_differs_from_itself_by_nothing() -> None:
    one = estimate()
    both = one.join(one)
    gap = both.map(np.zeros(3), np.hstack([np.eye(3), -np.eye(3)]), one.cells)
    assert matrix(gap).max() == 0


def test_only_the_same_rows_can_be_joined() -> None:
    one, other = estimate(), estimate(n=15)
    with pytest.raises(ek.EstimateError, match="these have 12 and 15 rows keyed by 'village' and 'village'"):
        one.join(other)
    with pytest.raises(ek.EstimateError, match="keyed by 'village' and 'county'"):
        one.join(one.coarsen("county"))


def test_joining_keeps_shared_conventions_and_falls_back_to_none_and_z_otherwise() -> None:
    regression = {"slopes": 2, "absorbed": (Absorbed("unit", 12),), "correction": "nested", "reference": "t"}
    same = estimate(1, **regression).join(estimate(2, **regression)).facts
    assert (same.correction, same.reference, same.slopes, same.bread) == ("nested", "t", 2, None)
    mixed = estimate(1, **regression).join(estimate(2)).facts
    assert (mixed.correction, mixed.reference, mixed.slopes) == ("none", "z", 0)


def test_joining_shows_each_notice_once() -> None:
    notice = ek.Notice("UNIVERSAL", {"last_cohort": 2018})
    one, other = (replace(estimate(s), notices=(notice,)) for s in (1, 2))
    assert one.join(other).notices == (notice,)


def test_coarsened_influence_gives_the_cluster_sandwich() -> None:
    one = estimate()
    by_county = one.coarsen("county")
    assert len(by_county.rows) == 4 and list(by_county.rows.columns) == ["county"]
    np.testing.assert_allclose(matrix(by_county), matrix(one, "county"), rtol=1e-12)
    np.testing.assert_array_equal(by_county.theta, one.theta)


def test_coarsening_by_labels_is_coarsening_by_a_column_of_them() -> None:
    one = estimate()
    by_labels = one.coarsen(list(one.rows["side"]))
    np.testing.assert_array_equal(by_labels.psi, one.coarsen("side").psi)
    assert by_labels.rows.columns[0] == "group"


def test_coarsening_keeps_the_clusters_that_contain_the_groups() -> None:
    one = estimate()
    nested = replace(one, rows=one.rows.assign(province=one.rows["county"] // 2)).coarsen("county")
    assert list(nested.rows.columns) == ["county", "province"] and list(nested.rows["province"]) == [0, 0, 1, 1]
    np.testing.assert_allclose(matrix(nested, "province"), matrix(nested.coarsen("province")), rtol=1e-12)


def test_labels_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ek.EstimateError):
        estimate().coarsen([1, 2, 3])


def test_an_undeclared_cluster_is_refused_with_the_nearest_and_the_cure() -> None:
    with pytest.raises(ek.EstimateError, match=r"no cluster 'conty'\. Did you mean 'county'.*Panel\(\.\.\., clusters"):
        estimate().coarsen("conty")


def test_selection_by_label_by_labels_and_by_mask_agree() -> None:
    one = estimate()
    for chosen in (
        one.select(event_time=[0, 1]),
        one.select(event_time=range(2)),
        one.select(reference=False),
        one.select(one.theta == one.theta, reference=False),
        one.select([False, True, True]),
    ):
        np.testing.assert_array_equal(chosen.theta, one.theta[1:])
        np.testing.assert_array_equal(chosen.psi, one.psi[:, 1:])
        assert list(chosen.cells["event_time"]) == [0, 1] and list(chosen.cells.index) == [0, 1]


def test_selection_leaves_the_mask_of_the_caller_alone_and_takes_one_from_a_frame() -> None:
    one = estimate()
    mask = np.array([True, True, False])
    one.select(mask, reference=False)
    assert list(mask) == [True, True, False]
    frozen = (one.cells["event_time"] >= 0).to_numpy()
    assert len(one.select(frozen, units=5).theta) == 1


def test_selection_carries_the_bread_of_a_regression() -> None:
    bread = np.diag([1.0, 2.0, 3.0])
    one = estimate(bread=bread, residual_sum=5.0)
    np.testing.assert_array_equal(one.select(event_time=[0, 1]).facts.bread, bread[1:, 1:])


def test_nothing_selected_and_unknown_labels_are_errors() -> None:
    with pytest.raises(ek.EstimateError, match=r"No parameter matches \{'event_time': 9\}"):
        estimate().select(event_time=9)
    with pytest.raises(ek.EstimateError, match=r"no cell label 'evnt_time'\. Did you mean 'event_time'"):
        estimate().select(evnt_time=1)


def test_a_kind_that_is_needed_and_not_there_is_named() -> None:
    with pytest.raises(ek.EstimateError, match="An aggregation needs group_time parameters; this estimate has event_time"):
        require_kinds(estimate(), ["group_time"], "An aggregation")


def test_sums_within_groups_are_sums() -> None:
    np.testing.assert_array_equal(
        sum_within(np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([1, 0, 1]), 3), [[3, 4], [6, 8], [0, 0]]
    )


def test_an_estimate_says_what_it_holds() -> None:
    assert repr(estimate()) == "Estimate of 3 parameters (3 event_time) on 12 rows"
