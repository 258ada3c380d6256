"""Errors that depend on each other in space or in time: hand sums, limits that are clusters, refusals, and where they fail."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.errors import EstimateError
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.inference.dependence import Dependence, DriscollKraay, NeweyWest, adjusted, contributions, serial_products
from evalkit.inference.linear import covariance
from evalkit.inference.nearby import EARTH, Conley, near_products
from evalkit.inference.panel_covariances import Arellano, BeckKatz, White, panel_corrected
from evalkit.least_squares import Columns, LeastSquares
from evalkit.words import catalogue

Array = np.ndarray[Any, Any]


def noise(units: int, periods: int, parameters: int = 2, seed: int = 3, rows: str = "observation") -> Estimate:
    """Return an estimate whose influence is noise, on rows of observations or of units."""
    draws = np.random.default_rng(seed)
    unit, period = (v.ravel() for v in np.meshgrid(np.arange(units), 2000 + np.arange(periods), indexing="ij"))
    keys = pd.DataFrame({"observation": np.arange(len(unit)), "village": unit, "year": period})
    if rows == "unit":
        keys = pd.DataFrame({"village": np.arange(units)})
    psi = draws.normal(size=(len(keys), parameters))
    return Estimate(np.zeros(parameters), psi, cell_frame("covariate", parameters), keys, Facts(units * periods))


def scattered(units: int, seed: int = 5) -> pd.DataFrame:
    """Return places in and around Guizhou, some of which share one spot."""
    draws = np.random.default_rng(seed)
    where = pd.DataFrame({"longitude": draws.uniform(104, 109, units), "latitude": draws.uniform(24, 29, units)})
    where.iloc[1] = where.iloc[0]
    return where


def kilometres(where: pd.DataFrame) -> Array:
    """Return all great-circle distances by the haversine formula."""
    longitude, latitude = np.radians(where["longitude"].to_numpy()), np.radians(where["latitude"].to_numpy())
    half = np.sin((latitude[:, None] - latitude) / 2) ** 2
    half += np.cos(latitude[:, None]) * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2) ** 2
    return np.asarray(2 * EARTH * np.arcsin(np.sqrt(half)))


def design(rows: str = "observation") -> ek.Design:
    return replace(ek.example_design(), rows=rows)


# Hand arithmetic


def test_three_villages_on_the_equator_by_hand() -> None:
    """One degree is 111.195 km. psi = 1, 2, 4 at 0, 1 and 3 degrees; a cutoff of two degrees joins the first two with weight 1/2.

    Bartlett: 1 + 4 + 16 + 2 (1/2) 1 2 = 23; uniform: 21 + 2 (1 2) + 2 (2 4) = 41, as 1 and 3 are exactly two degrees apart.
    Both over n^2 = 9.
    """
    degree = EARTH * np.pi / 180
    keys = pd.DataFrame({"village": [0, 1, 2]})
    estimate = Estimate(np.zeros(1), np.array([[1.0], [2.0], [4.0]]), cell_frame("covariate", 1), keys, Facts(3))
    where = pd.DataFrame({"longitude": [0.0, 1.0, 3.0], "latitude": 0.0})
    assert degree == pytest.approx(111.195, abs=1e-3)
    assert covariance(estimate, Conley(2 * degree, where)).matrix[0, 0] == pytest.approx(23 / 9, rel=1e-12)
    assert covariance(estimate, Conley(2.001 * degree, where, "uniform")).matrix[0, 0] == pytest.approx(41 / 9, rel=1e-12)
    assert covariance(estimate, Conley(0.5 * degree, where, "uniform")).matrix[0, 0] == pytest.approx(21 / 9, rel=1e-12)


def test_newey_west_of_two_villages_by_hand() -> None:
    """Village a has 1, 2, 3 in three years, b has 4 and 5 in the first and third: with one lag of weight 1/2 b's two do not meet.

    1 + 4 + 9 + 16 + 25 + 2 (1/2) (1 2 + 2 3) = 63, over n^2 = 25.
    """
    keys = pd.DataFrame({"observation": range(5), "village": list("aaabb"), "year": [1, 2, 3, 1, 3]})
    estimate = Estimate(np.zeros(1), np.array([[1.0], [2], [3], [4], [5]]), cell_frame("covariate", 1), keys, Facts(5))
    assert covariance(estimate, NeweyWest(1)).matrix[0, 0] == pytest.approx(63 / 25)


def test_driscoll_kraay_of_five_years_by_hand() -> None:
    """Sums by year 3, -1, 2, 0, 1; one lag: 15 + 2 (1/2) (-3 - 2 + 0 + 0) = 10, over n^2 = 100."""
    keys = pd.DataFrame({"observation": range(10), "village": [0] * 5 + [1] * 5, "year": [*range(5)] * 2})
    psi = np.array([1, 1, 1, 1, 1, 2, -2, 1, -1, 0], float)[:, None]
    estimate = Estimate(np.zeros(1), psi, cell_frame("covariate", 1), keys, Facts(10))
    assert covariance(estimate, DriscollKraay(1)).matrix[0, 0] == pytest.approx(10 / 100)


@pytest.mark.parametrize("kernel", ["bartlett", "uniform"])
@pytest.mark.parametrize("cutoff", [30.0, 150.0, 5_000.0])
def test_sums_over_bands_of_latitude_are_those_over_all_pairs(kernel: str, cutoff: float) -> None:
    estimate, where = noise(700, 1, 3, rows="unit"), scattered(700)
    distance = kilometres(where)
    weight = (distance <= cutoff) * (1.0 if kernel == "uniform" else 1 - distance / cutoff)
    summed = Conley(cutoff, where, kernel).summed(estimate)
    assert (summed.groups, summed.alone) == (699, True)
    np.testing.assert_allclose(summed.matrix, estimate.psi.T @ weight @ estimate.psi / 700**2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("lags", [0, 1, 3])
def test_lags_join_rows_of_a_year_across_places_and_of_a_village_over_years(lags: int) -> None:
    estimate, where = noise(40, 6), scattered(40)
    village, year = estimate.rows["village"].to_numpy(), estimate.rows["year"].to_numpy()
    apart = np.abs(year[:, None] - year)
    weight = np.maximum(1 - kilometres(where) / 200, 0)[np.ix_(village, village)] * (apart == 0)
    weight += (village[:, None] == village) * (apart > 0) * np.maximum(1 - apart / (lags + 1), 0)
    brute = estimate.psi.T @ weight @ estimate.psi / len(estimate.psi) ** 2
    np.testing.assert_allclose(Conley(200, where, lags=lags).summed(estimate).matrix, brute, rtol=1e-10, atol=1e-15)


def test_places_on_both_sides_of_the_date_line_and_at_the_pole_are_near() -> None:
    values = np.ones((2, 1, 1))
    for degrees in ([[179.95, 10.0], [-179.95, 10.0]], [[0.0, 89.9], [180.0, 89.9]]):
        assert near_products(np.array(degrees), values, 30 / EARTH, "uniform")[0, 0] == 4.0


# Limits and invariance


def test_a_cutoff_that_reaches_nobody_is_no_dependence_and_units_are_as_clusters() -> None:
    where = scattered(len(design().units)).set_index(design().units)
    where.iloc[1] += 0.5
    for rows in ("unit", "observation"):
        estimate = ek.TwoWay()(design(rows))
        ours = covariance(estimate, Conley(0.01, where), "none")
        unit = str(estimate.rows.columns[1 if rows == "observation" else 0])
        np.testing.assert_allclose(ours.matrix, covariance(estimate, unit, "none").matrix, rtol=1e-10)


def test_counties_without_neighbours_are_clusters_of_their_villages() -> None:
    """Villages placed at the seat of their county, seats far apart: the errors are those clustered by county, whatever the rows."""
    estimate = noise(30, 4)
    rows = estimate.rows.assign(county=estimate.rows["village"] // 5)
    estimate = replace(estimate, rows=rows)
    seats = pd.DataFrame({"longitude": 100.0 + np.arange(6), "latitude": 30.0})
    ours = covariance(estimate, Conley(50, seats, place="county"), "none")
    assert ours.clusters == 6
    np.testing.assert_allclose(ours.matrix, covariance(estimate, "county", "none").matrix, rtol=1e-10)


def test_driscoll_kraay_without_lags_is_clustering_by_period() -> None:
    estimate = noise(20, 8)
    np.testing.assert_allclose(covariance(estimate, DriscollKraay(0)).matrix, covariance(estimate, "year").matrix, rtol=1e-12)


def test_newey_west_without_lags_is_rows_alone_and_with_all_lags_nears_clusters_by_unit() -> None:
    estimate = noise(20, 8)
    np.testing.assert_allclose(covariance(estimate, NeweyWest(0)).matrix, covariance(estimate, "observation").matrix, rtol=1e-12)
    unit, period = estimate.rows["village"].to_numpy(), estimate.rows["year"].to_numpy() - 2000
    many = serial_products(estimate.psi, unit, period, 10**7)
    by_unit = covariance(estimate, "village").matrix * len(estimate.psi) ** 2
    np.testing.assert_allclose(many, by_unit, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", [Conley(120, scattered(25)), Conley(120, scattered(25), lags=2), DriscollKraay(2), NeweyWest(2)])
def test_the_order_of_rows_the_labels_of_years_and_the_scale_do_not_matter(kind: Dependence) -> None:
    estimate = noise(25, 6)
    expected = covariance(estimate, kind).matrix
    order = np.random.default_rng(1).permutation(len(estimate.psi))
    rows = estimate.rows.iloc[order].reset_index(drop=True)
    shuffled = replace(estimate, psi=estimate.psi[order] * 10, rows=rows.assign(year=rows["year"] * 3))
    np.testing.assert_allclose(covariance(shuffled, kind).matrix, 100 * expected, rtol=1e-10)


def test_a_stretch_of_the_parameters_stretches_the_covariance() -> None:
    estimate, kind = noise(25, 6), Conley(60, scattered(25))
    J = np.array([[1.0, 2.0], [0.0, -1.0]])
    mapped = estimate.map(J @ estimate.theta, J, estimate.cells)
    np.testing.assert_allclose(kind.summed(mapped).matrix, J @ kind.summed(estimate).matrix @ J.T, rtol=1e-12)


def test_whole_units_of_group_time_effects_take_errors_correlated_in_space() -> None:
    estimate = ek.aggregate(ek.GroupTime()(design("unit")), by="event_time")
    where = scattered(len(estimate.rows)).set_index(estimate.rows.iloc[:, 0])
    table = ek.infer(estimate, cluster=Conley(80, where))
    assert (table["cluster"] == "within 80 km (bartlett)").all()
    assert (table["std_error"][table["event_time"] >= 0] > 0).all()


def test_rows_are_squared_when_each_has_its_own_variance() -> None:
    estimate = ek.TwoWay()(design())
    np.testing.assert_allclose(covariance(estimate, White()).matrix, covariance(estimate, "observation", "none").matrix, rtol=1e-9)
    shares, _ = contributions(estimate, "HC1")
    grown = estimate.facts.observations / (estimate.facts.observations - estimate.facts.slopes)
    np.testing.assert_allclose(shares.T @ shares, covariance(estimate, White()).matrix * grown, rtol=1e-9)


def test_arellano_is_clustering_by_unit_or_period() -> None:
    estimate = ek.TwoWay()(design())
    unit, period = (str(c) for c in estimate.rows.columns[1:3])
    for by, name in (("unit", unit), ("period", period)):
        plain = Arellano("HC0", by=by)
        np.testing.assert_allclose(covariance(estimate, plain).matrix, covariance(estimate, name, "none").matrix, rtol=1e-9)


def test_beck_katz_of_two_villages_by_hand() -> None:
    """y on one column x: e = (1, -1) and (2, 0) in two years. S = [[1, 1], [1, 2]]; with x = (1, 0) and (0, 1) sum x'Sx = 1 + 2 = 3."""
    unit, year = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    e, x = np.array([1.0, -1, 2, 0]), np.array([1.0, 0, 0, 1])[:, None]
    assert panel_corrected(x, e, unit, year)[0, 0] == 3.0
    # With village 2 unseen in the second year, its variance is that of the first year alone, 4, and pairs meet in that year only.
    both = np.array([1.0, 0, 1])[:, None]
    assert panel_corrected(both, e[:3], unit[:3], year[:3])[0, 0] == 1 + 4 + 2 * 2


# What is said and what is refused


def test_negative_eigenvalues_are_set_to_zero_and_said() -> None:
    keys = pd.DataFrame({"village": [0, 1, 2]})
    psi = np.array([[1.0, 0.0], [-1.0, 1.0], [1.0, 0.0]])
    estimate = Estimate(np.zeros(2), psi, cell_frame("covariate", 2), keys, Facts(3))
    where = pd.DataFrame({"longitude": [0.0, 1.0, 2.0], "latitude": 0.0})  # the middle is near both ends, which are not near
    kind = Conley(150, where, "uniform")
    assert np.linalg.eigvalsh(kind.summed(estimate).matrix)[0] < -0.01
    found = covariance(estimate, kind)
    assert np.linalg.eigvalsh(found.matrix)[0] > -1e-15
    assert found.remark == "1 negative eigenvalues set to zero"
    notices = {notice.code: notice.facts for notice in kind.notices(estimate)}
    assert notices["NEGATIVE_EIGENVALUES"] == {"negative": 1, "of": 2}
    assert notices["WIDE_CUTOFF"] == {"km": "150", "percent": 78}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_remark_has_a_sentence_in_both_languages(language: str) -> None:
    quoted: dict[str, dict[str, Any]] = {
        "NEGATIVE_EIGENVALUES": {"negative": 1, "of": 2},
        "DRISCOLL_KRAAY_FEW_PERIODS": {"periods": 12, "wanted": 20},
        "WIDE_CUTOFF": {"km": "150", "percent": 78},
    }
    for code, facts in quoted.items():
        sentence = catalogue(language).say(f"estimator_notice.{code}", **facts)
        assert all(str(value) in sentence for value in facts.values())


def test_few_periods_are_said_and_very_few_refused() -> None:
    (notice,) = DriscollKraay(1).notices(noise(10, 12))
    assert (notice.code, dict(notice.facts)) == ("DRISCOLL_KRAAY_FEW_PERIODS", {"periods": 12, "wanted": 20})
    assert DriscollKraay(1).notices(noise(10, 20)) == ()
    with pytest.raises(EstimateError, match=r"4 periods are too few .at least 5, better 20"):
        covariance(noise(10, 4), DriscollKraay())


@pytest.mark.parametrize("kind", [DriscollKraay(), NeweyWest(), Conley(50, scattered(60), lags=1)])
def test_rows_of_units_have_no_periods(kind: Dependence) -> None:
    with pytest.raises(
        EstimateError, match=r"need the period of each row, and these rows are keyed by 'village'.*rows=\"observation\""
    ):
        covariance(noise(60, 8, rows="unit"), kind)


def test_units_seen_twice_in_a_period_are_refused_and_driscoll_kraay_needs_no_units() -> None:
    estimate = noise(4, 6)
    rows = estimate.rows.assign(village=0)
    with pytest.raises(EstimateError, match=r"1 values of 'village' have two rows in one period: 0\. Say unit= and period="):
        covariance(replace(estimate, rows=rows), NeweyWest())
    cross_section = replace(estimate, rows=estimate.rows[["observation", "year"]])
    assert covariance(cross_section, DriscollKraay()).clusters == 6
    with pytest.raises(EstimateError, match=r"There is no column of the rows 'yaer'. Did you mean 'year'"):
        covariance(estimate, DriscollKraay(period="yaer"))


def test_places_without_coordinates_are_named() -> None:
    estimate = noise(9, 6)
    where = scattered(9)
    where.iloc[3, 0] = np.nan
    with pytest.raises(EstimateError, match=r"3 places \(village\) have no coordinates, or two different ones: 3, 7, 8\."):
        covariance(estimate, Conley(50, where.iloc[:7]))
    twice = pd.concat([scattered(9), scattered(9, seed=6).iloc[[4]]])
    with pytest.raises(EstimateError, match=r"1 places .village. have no coordinates, or two different ones: 4"):
        covariance(estimate, Conley(50, twice))
    same = pd.concat([scattered(9), scattered(9)])
    np.testing.assert_array_equal(
        covariance(estimate, Conley(50, same)).matrix, covariance(estimate, Conley(50, scattered(9))).matrix
    )
    with pytest.raises(EstimateError, match="no column latitude: name them"):
        covariance(estimate, Conley(50, where.rename(columns={"latitude": "lat"})))


@pytest.mark.parametrize("longitude", [104.0, 75.0])
def test_swapped_and_impossible_degrees_are_refused(longitude: float) -> None:
    """Chongqing swapped has a latitude beyond the pole; Kashgar swapped would lie in the Arctic sea."""
    where = pd.DataFrame({"latitude": longitude + 0.1 * np.arange(9), "longitude": 30.0 + 0.1 * np.arange(9)})
    with pytest.raises(EstimateError, match=r"impossible coordinates: 0, 1, 2, 3, 4 and 4 more.*are the two swapped"):
        covariance(noise(9, 6), Conley(50, where))


def test_coordinates_can_be_columns_of_the_rows() -> None:
    estimate, where = noise(9, 6), scattered(9)
    at = where.loc[estimate.rows["village"]].reset_index(drop=True)
    rows = estimate.rows.assign(x=at["longitude"], y=at["latitude"])
    ours = covariance(replace(estimate, rows=rows), Conley(90, ("x", "y")))
    np.testing.assert_allclose(ours.matrix, covariance(estimate, Conley(90, where)).matrix, rtol=1e-12)
    with pytest.raises(EstimateError, match="Coordinates are two columns"):
        covariance(replace(estimate, rows=rows), Conley(90, ("x",)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Conley(0, scattered(9)), "cutoff_km is a distance above zero"),
        (lambda: Conley(50, scattered(9), "epanechnikov"), "There is no kernel 'epanechnikov'"),
        (lambda: BeckKatz("counties"), "There is no side of panel-corrected errors 'counties'"),
        (lambda: covariance(noise(9, 6), NeweyWest(6)), "lags is a whole number of periods from 0 to 5, not 6"),
        (lambda: covariance(noise(9, 6), DriscollKraay(1.5)), "lags is a whole number of periods"),  # type: ignore[arg-type]
        (lambda: covariance(noise(9, 6), DriscollKraay(np.nan)), "lags is a whole number of periods.*not nan"),  # type: ignore[arg-type]
        (lambda: covariance(noise(9, 6), NeweyWest("2")), "lags is a whole number of periods.*not '2'"),  # type: ignore[arg-type]
        (lambda: covariance(noise(9, 6), BeckKatz()), "Beck-Katz. errors have a meaning for one regression only"),
        (lambda: covariance(noise(9, 6), Arellano()), "Arellano's covariances have a meaning for one regression only"),
        (lambda: covariance(noise(9, 6), White()), "White's covariances have a meaning for one regression only"),
        (lambda: covariance(noise(9, 6), DriscollKraay(1, "HC3")), "Residuals 'HC3' have a meaning for one regression only"),
        (lambda: covariance(ek.TwoWay()(design()), White("HC9")), "There is no kind of residuals 'HC9'"),
        (lambda: covariance(ek.TwoWay()(design()), Arellano(by="county")), "There is no group 'county'"),
        (
            lambda: covariance(noise(9, 6), NeweyWest(), "CR2"),
            "'CR2' adjusts the residuals of separate clusters, and errors Newey-West",
        ),
        (lambda: covariance(noise(9, 6), NeweyWest(), reference="F"), "There is no reference distribution 'F'"),
        (lambda: covariance(noise(9, 6), Conley(50, scattered(9), place="town")), "There is no column of the rows 'town'"),
    ],
)
def test_what_cannot_be_is_refused(made: Any, message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        made()


def test_rows_that_are_fitted_whatever_their_outcome_have_no_leverage_to_divide_by() -> None:
    X = np.array([[1.0, 0], [1, 0], [1, 1]])
    fit = LeastSquares(lambda: Columns(X, np.array([1.0, 2, 5]), pd.DataFrame({"unit": [0, 1, 2]})))
    with pytest.raises(EstimateError, match=r"1 rows are fitted whatever their outcome \(leverage 1\), the first 2"):
        adjusted(fit, Facts(3, 2), "HC3")
    # HC4: leverages 1/2, 1/2 and 1 of mean 2/3; the first two are divided by (1/2)^(min(4, 3/4) / 2).
    fine = LeastSquares(lambda: Columns(X[:, :1], np.array([1.0, 2, 6]), pd.DataFrame({"unit": [0, 1, 2]})))
    np.testing.assert_allclose(adjusted(fine, Facts(3, 1), "HC4"), np.array([-2, -1, 3]) / np.sqrt(2 / 3), rtol=1e-12)


# Where it holds


def rejections(units: int, cutoff: float, reach: float, draws: int, seed: int = 1) -> tuple[float, float]:
    """Return how often a mean of nothing is rejected at 5%: errors of Conley, and of units as if independent.

    Villages are scattered over 500 km x 500 km; their errors are those of all villages within ``reach`` km, summed.
    """
    where = scattered(units)
    spread = (kilometres(where) <= reach).astype(float)
    random = np.random.default_rng(seed)
    kind, count = Conley(cutoff, where), np.zeros(2)
    for _ in range(draws):
        y = spread @ random.normal(size=units)
        keys = pd.DataFrame({"village": np.arange(units)})
        estimate = Estimate(y.mean()[None], (y - y.mean())[:, None], cell_frame("covariate", 1), keys, Facts(units))
        errors = [covariance(estimate, c).std_error[0] for c in (kind, None)]
        count += np.abs(y.mean()) > 1.96 * np.array(errors)
    return tuple(count / draws)


def test_neighbours_that_share_their_errors_are_rejected_too_often_when_taken_as_independent() -> None:
    near, alone = rejections(300, 80, 25, 200)
    assert near < 0.12 < 0.2 < alone


def test_a_whole_country_of_counties_over_twenty_years_takes_a_moment() -> None:
    estimate = noise(2_856, 20, 5)
    draws = np.random.default_rng(1)
    where = pd.DataFrame({"longitude": draws.uniform(80, 130, 2_856), "latitude": draws.uniform(20, 50, 2_856)})
    started = time.process_time()
    covariance(estimate, Conley(200, where))
    covariance(estimate, Conley(200, where, lags=2))
    assert time.process_time() - started < 5  # about 0.3 seconds on a machine at rest
