"""The same effect county by county: each county's own evaluation, no ranking, and the spread against chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import EstimateError, Study, StudyError, evaluate
from evalkit.county import NoCounty
from evalkit.county_scan import county_scan, scan_loaded
from evalkit.firm_records import NotTold
from evalkit.places import shared
from evalkit.scan_records import Differences, Scan
from evalkit.shrinkage import shrunken, spread
from evalkit.study_data import Loaded, load

FOLDER = shared("notebooks", "studies")
FIVE = ("990122", "990124", "990125", "990128", "990130")


def study(name: str = "industry", **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | changes)


@pytest.fixture(scope="module")
def found() -> Scan:
    return county_scan(study(), folder=FOLDER, counties=FIVE)


def world(counties: int = 8, donors: int = 25, tau: float = 0.0, seed: int = 1) -> tuple[Study, Loaded]:
    """Counties treated from 2015 on with true effects of standard deviation tau around 0.05, and counties never treated."""
    chance = np.random.default_rng(seed)
    rows = []
    for unit in range(counties + donors):
        effect = 0.05 + tau * chance.normal() if unit < counties else 0.0
        for year in range(2012, 2019):
            income = np.exp(9 + 0.08 * (year - 2012) + effect * (year >= 2015) * (unit < counties) + 0.03 * chance.normal())
            rows.append((f"9{unit:02d}", year, income, 2015 if unit < counties else 0))
    frame = pd.DataFrame(rows, columns=["code", "year", "income", "first"])
    words = {"zh": "某", "en": "some"}
    made = Study.parse(
        {
            "name": "world", "title": words, "programme": words, "source": {"name": words}, "unit": "code", "unit_word": {"zh": "县", "en": "county"},
            "outcome": "income", "outcome_word": words, "prices": words, "nominal": False, "income_def": "disposable", "window": [2012, 2018],
            "treatment": {"first_year": "first", "never": [0]}, "county": "code", "seed": 1,
        }
    )  # fmt: skip
    return made, Loaded(frame, {"frame": "0"})


@pytest.fixture(scope="module")
def whole(found: Scan) -> Any:
    return found.findings


def test_every_county_has_the_figure_and_the_range_of_its_own_evaluation(found: Scan) -> None:
    own = evaluate(study(), folder=FOLDER, county=FIVE[1])
    one = found.counties[1]
    assert one.county == own.county
    assert one.effect == own.alone.effect and one.money == own.alone.money and one.percent == own.alone.percent
    assert one.base == own.headline.base


def test_counties_stand_in_the_order_of_their_codes_whatever_order_they_are_asked_in(found: Scan, whole: Any) -> None:
    asked = scan_loaded(study(), load(study(), None, FOLDER), [*reversed(FIVE), "甲水县"], whole)
    assert [one.county.code for one in asked.counties] == sorted(FIVE)
    assert asked.counties == found.counties


def test_an_unknown_county_is_refused_with_the_nearest(whole: Any) -> None:
    with pytest.raises(NoCounty, match=r"9901239.*Nearest.*99012"):
        scan_loaded(study(), load(study(), None, FOLDER), ["9901239"], whole)


def test_a_study_without_a_column_of_counties_is_refused() -> None:
    with pytest.raises(StudyError, match="names no column of counties"):
        county_scan(study(county=None, county_name=None), folder=FOLDER)


def test_equal_errors_are_shrunken_as_by_james_and_stein() -> None:
    # Variance of 0, 2, 4, 6, 8 is 10, of which 4 is error: tau^2 = 6, and the mean's weight is (5 - 3) * 4 / 40 = 0.2.
    y, errors = np.array([0.0, 2.0, 4.0, 6.0, 8.0]), np.full(5, 2.0)
    told = spread(y, errors)
    assert told.tau**2 == pytest.approx(6) and told.q == pytest.approx(10) and told.i_squared == pytest.approx(0.6)
    drawn = shrunken(y, errors, told)
    assert drawn.pull == pytest.approx(0.2)
    assert drawn.values == pytest.approx([0.8, 2.4, 4.0, 5.6, 7.2])
    # 4 (1 - 4/5 * 0.2) + 2/2 * 0.04 * (y - 4)^2
    assert drawn.errors**2 == pytest.approx(3.36 + 0.04 * np.array([16, 4, 0, 4, 16]))


def test_estimates_no_wider_apart_than_their_errors_have_no_spread() -> None:
    told = spread(np.array([1.0, 2.0, 0.0, 1.5, 0.5]), np.full(5, 1.0))
    assert told.tau == 0 and told.low == 0 and told.high > 0 and told.i_squared == 0


def test_q_at_the_spread_equals_its_degrees_of_freedom() -> None:
    y, errors = np.array([0.1, 0.5, -0.3, 0.9, 0.2, 0.4]), np.array([0.1, 0.2, 0.15, 0.3, 0.1, 0.25])
    told = spread(y, errors)
    w = 1 / (errors**2 + told.tau**2)
    assert w @ (y - told.mean) ** 2 == pytest.approx(5)
    assert told.low < told.tau < told.high


def test_moving_and_stretching_all_estimates_moves_and_stretches_the_spread() -> None:
    y, errors = np.array([0.1, 0.5, -0.3, 0.9, 0.2]), np.array([0.1, 0.2, 0.15, 0.3, 0.1])
    one, other = spread(y, errors), spread(10 * y + 3, 10 * errors)
    assert other.tau == pytest.approx(10 * one.tau) and other.q == pytest.approx(one.q)
    values = shrunken(y, errors, one).values
    assert shrunken(10 * y + 3, 10 * errors, other).values == pytest.approx(10 * values + 3)


@pytest.mark.parametrize(("y", "errors"), [([1.0] * 4, [1.0] * 4), ([1.0] * 5, [1.0] * 4 + [0.0]), ([1.0] * 5, [np.nan] * 5)])
def test_too_few_estimates_and_missing_errors_have_no_spread(y: list[float], errors: list[float]) -> None:
    with pytest.raises(EstimateError, match=r"at least 5 estimates|errors positive"):
        spread(np.array(y), np.array(errors))


def rejected(draws: int, tau: float, seed: int = 3) -> tuple[float, float, float]:
    """How often counties with one comparison are said to differ, with errors estimated and taken as known; and how often ranges hold."""
    chance, k, donors = np.random.default_rng(seed), 30, 20
    told, naive, inside = [], [], []
    for _ in range(draws):
        true, others = tau * chance.normal(size=k), chance.normal(size=donors)
        y, error = true + chance.normal(size=k) - others.mean(), others.std(ddof=1)
        found = spread(y, np.full(k, error), donors - 1)
        drawn = shrunken(y, np.full(k, error), found)
        told.append(found.p_value < 0.05)
        naive.append(spread(y, np.full(k, error)).p_value < 0.05)
        inside.append((np.abs(drawn.values - true) <= 1.96 * np.sqrt(drawn.errors**2 + error**2 / donors)).mean())
    return float(np.mean(told)), float(np.mean(naive)), float(np.mean(inside))


def test_counties_that_do_not_differ_are_said_to_differ_one_time_in_twenty() -> None:
    told, naive, inside = rejected(200, 0.0)
    assert told < 0.11 and naive > told + 0.05 and inside > 0.93


@pytest.mark.simulation
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_predictions_hold_the_true_differences(tau: float) -> None:
    told, _, inside = rejected(1500, tau)
    assert inside > 0.90
    assert tau > 0 or told == pytest.approx(0.05, abs=0.025)


def test_the_error_of_one_county_is_that_of_a_prediction_from_its_comparison(whole: Any) -> None:
    made, loaded = world()
    found = scan_loaded(made, loaded, (), whole)
    frame = loaded.frame.assign(log=np.log(loaded.frame["income"]))
    wide = frame[frame["first"] == 0].pivot(index="code", columns="year", values="log")
    change = wide[[2015, 2016, 2017, 2018]].mean(axis=1) - wide[2014]
    assert {round(one.own_error or 0, 10) for one in found.counties} == {round(change.std(ddof=1), 10)}
    assert found.shared and isinstance(found.differences, Differences) and found.differences.distribution == "F(7, 24)"
    assert found.by_chance is not None and found.by_chance.expected == pytest.approx(0.4)


def test_true_differences_beyond_chance_are_seen(whole: Any) -> None:
    found = scan_loaded(*world(tau=0.2), (), whole).differences
    assert isinstance(found, Differences)
    assert found.p_value < 0.001 and found.tau_low > 0.05 and found.tau_low < 0.2 < found.tau_high


def test_a_predicted_value_lies_between_the_estimate_and_the_mean(found: Scan) -> None:
    assert isinstance(found.differences, Differences)
    middle = found.differences.mean.estimate
    for one in found.counties:
        assert one.predicted is not None
        ends = sorted([one.effect.estimate, middle])
        assert ends[0] <= one.predicted.effect.estimate <= ends[1]


def test_too_few_counties_have_no_spread_and_no_prediction(whole: Any) -> None:
    found = scan_loaded(*world(counties=3), (), whole)
    assert found.differences == NotTold(reason="few_counties", facts={"counties": 3, "needed": 5})
    assert all(one.predicted is None for one in found.counties) and len(found.counties) == 3


def test_a_county_treated_from_the_start_is_told_with_the_reason(whole: Any) -> None:
    made, loaded = world()
    frame = loaded.frame.assign(first=loaded.frame["first"].where(loaded.frame["code"] != "903", 2012))
    found = scan_loaded(made, Loaded(frame, {}), (), whole)
    assert [(one.county.code, one.reason) for one in found.without] == [
        ("903", NotTold(reason="from_start", facts={"year": 2012, "first": 2012}))
    ]
    assert "903" not in {one.county.code for one in found.counties} and len(found.counties) == 7


def test_a_county_without_enough_comparison_has_a_figure_and_no_range(whole: Any) -> None:
    found = scan_loaded(*world(donors=10), (), whole)
    assert {one.no_range.reason for one in found.counties if one.no_range} == {"too_few_comparisons"}
    assert found.by_chance is None and all(one.effect.low is None for one in found.counties)


def test_a_public_scan_of_households_hides_small_counties_and_counts(whole: Any) -> None:
    made = study("relocation", public=True, unit_level="household")
    loaded = load(made, None, FOLDER)
    treated = loaded.frame.loc[
        (loaded.frame["county_code"] == 990124) & (loaded.frame["relocation_first_year"] > 0), "household_id"
    ].unique()
    two = loaded.frame[loaded.frame["county_code"].isin([990124, 990128])]
    small = Loaded(two[~two["household_id"].isin(treated[9:])].reset_index(drop=True), {})
    found = scan_loaded(made, small, ("990124", "990128"), whole)
    assert [one.reason.reason for one in found.without] == ["hidden"]
    assert [(one.treated_units, one.comparison_units) for one in found.counties] == [(None, None)]
