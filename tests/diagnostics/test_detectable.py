"""Power before the estimate: what a design can show, learned without reading the effect."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.diagnostics.detectable import Overall, detectable_effect, units_needed
from evalkit.diagnostics.row_weights import row_weights
from evalkit.diagnostics.working_noise import learned_noise
from evalkit.errors import DesignError, EstimateError
from evalkit.inference.simulated_power import Noise, drawn, simulated_power, with_outcome
from evalkit.parallel import workers
from evalkit.words import catalogue

FRAME = villages(units=160).query("2013 <= year <= 2016")
SMALL = villages(units=80, starts=(0, 2015)).query("2013 <= year <= 2015")  # one start, three years: few cells to weigh


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county", "province"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def two_groups(treated: int, untreated: int, before: int, after: int) -> ek.Design:
    """Return villages of one cohort and of none, each a county, on outcomes of nothing but noise."""
    years = np.arange(2015 - before, 2015 + after)
    start = np.repeat([2015] * treated + [0] * untreated, len(years))
    count = treated + untreated
    y = np.random.default_rng(1).normal(size=len(start))
    columns = {"village": np.repeat(np.arange(count), len(years)), "year": np.tile(years, count), "start": start, "y": y}
    frame = pd.DataFrame(columns)
    return design(frame.assign(county=frame["village"] % 5, province=1))


def burlig(noise: Noise, J: int, P: float, m: int, r: int, degrees: float) -> float:
    """Return the smallest detectable effect of Burlig, Preonas & Woerman (2020), equation 2, at 80% and 5%.

    J units, a share P treated, m periods before and r after; the averages of the covariances between different periods before (B),
    after (A), and across (X), of AR(1) noise.
    """
    before, after = np.arange(m), np.arange(m, m + r)

    def average(one: Any, other: Any) -> float:
        pairs = [noise.sd**2 * noise.serial ** abs(s - t) for s in one for t in other if s != t]
        return float(np.mean(pairs)) if pairs else 0.0

    B, A, X = average(before, before), average(after, after), average(before, after)
    variance = (m + r) / (m * r) * noise.sd**2 + (m - 1) / m * B + (r - 1) / r * A - 2 * X
    quantiles = special.stdtrit(degrees, 0.975) + special.stdtrit(degrees, 0.8)
    return float(quantiles * np.sqrt(variance / (P * (1 - P) * J)))


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (4, 3)])
@pytest.mark.parametrize("serial", [0.0, 0.5])
def test_burlig_preonas_and_woerman_on_a_balanced_panel(before: int, after: int, serial: float) -> None:
    """10 of 20 villages treated: t with 18 degrees of freedom, the two-way coefficient compares means before and after."""
    noise = Noise(0.1, serial)
    told = detectable_effect(two_groups(10, 10, before, after), estimator=ek.TwoWay(), noise=noise)
    assert told.degrees == pytest.approx(18)
    assert told.effect == pytest.approx(burlig(noise, 20, 0.5, before, after, 18), rel=1e-9)


def test_two_by_two_by_hand() -> None:
    """10 of 20 villages, one year before and after, sd 0.1, no persistence.

    A change has variance 2 x 0.01, a difference of two means of 10 changes 2 x 0.02 / 10 = 0.004: error 0.0632.
    t_.975(18) = 2.1009 and t_.8(18) = 0.8620 add to 2.9629; times 0.0632 is 0.1874, 20.6% or 1,855 yuan of 9,000.
    """
    told = detectable_effect(two_groups(10, 10, 1, 1), noise=Noise(0.1), base_income=9000)
    assert told.std_error == pytest.approx(np.sqrt(0.004))
    assert (told.effect, told.percent, told.yuan) == pytest.approx((0.18739, 20.610, 1854.9), rel=1e-4)
    assert [n.code for n in told.notices] == ["DETECTABLE_ONLY_LARGE"]
    assert told.power_of(told.effect) == pytest.approx(0.8)


def test_shared_shocks_by_hand() -> None:
    """All villages of a county move together by 0.05 a year: twice the villages in a county do not help against that.

    12 counties of 5 villages, half of them treated, one year before and after, sd 0.1: variance of a county's mean change 2 (.01 / 5 +
    .0025) = .009; of the difference of two means of 6: 2 x .009 / 6 = .003. Degrees 10.
    """
    made = two_groups(30, 30, 1, 1)
    frame = made.panel.frame.assign(county=made.panel.frame["village"] // 5)
    told = detectable_effect(design(frame), cluster="county", noise=Noise(0.1, shared_sd=0.05))
    assert told.std_error == pytest.approx(np.sqrt(0.003)) and told.degrees == pytest.approx(10)
    assert (told.clusters, told.treated_clusters, told.comparison_clusters) == (12, 6, 6)
    assert told.notices[0].facts == {"clusters": 6}


@pytest.mark.parametrize(
    ("estimator", "choices"),
    [(ek.GroupTime(), {}), (ek.GroupTime(), {"anticipation": 1}), (ek.TwoWay(), {"comparison": "never_treated"})],
)
def test_adding_any_effect_leaves_it_alone_bit_for_bit(estimator: Any, choices: dict[str, Any]) -> None:
    start = SMALL["start"] - choices.get("anticipation", 0)
    after = (SMALL["start"] > 0) & (SMALL["year"] >= start)
    chance = np.random.default_rng(8).normal(size=len(SMALL))
    told = detectable_effect(design(SMALL, **choices), cluster="county", estimator=estimator)
    for effect in (0.3, 1e6 * chance):
        other = design(SMALL.assign(y=SMALL["y"] + effect * after), **choices)
        moved = detectable_effect(other, cluster="county", estimator=estimator)
        assert moved.noise == told.noise and moved.effect == told.effect and moved.degrees == told.degrees
        pd.testing.assert_frame_equal(moved.table, told.table, check_exact=True)


def test_what_lies_before_the_start_does_matter() -> None:
    louder = SMALL["y"] + np.where(SMALL["start"] == 0, np.random.default_rng(2).normal(0, 0.3, len(SMALL)), 0)
    assert detectable_effect(design(SMALL.assign(y=louder))).effect > 1.5 * detectable_effect(design(SMALL)).effect


def test_units_and_periods_have_their_own_constants() -> None:
    moved = SMALL["y"] + SMALL["village"] ** 1.5 + 3.0 * (SMALL["year"] - 2012) ** 2
    one, other = (detectable_effect(design(frame), cluster="county") for frame in (SMALL, SMALL.assign(y=moved)))
    assert other.effect == pytest.approx(one.effect, rel=1e-6)


def test_money_changes_nothing_but_the_unit() -> None:
    level = detectable_effect(design(SMALL.assign(y=9000 * SMALL["y"])), scale="level", base_income=9000)
    one = detectable_effect(design(SMALL))
    assert level.effect == pytest.approx(9000 * one.effect) == level.yuan
    assert level.percent == pytest.approx(100 * one.effect)


def test_more_power_and_a_stricter_level_need_a_larger_effect() -> None:
    effects = [detectable_effect(design(SMALL), power=power).effect for power in (0.5, 0.8)]
    assert effects == sorted(effects)
    assert detectable_effect(design(SMALL), level=0.01).effect > effects[1]


CASES = [
    (FRAME, {}),
    (FRAME, {"weight": "households"}),
    (FRAME, {"weight": "households", "anticipation": 1, "comparison": "never_treated"}),
    (FRAME[FRAME["village"] % 3 > 0], {"base": "varying"}),
    (villages(units=40, starts=(2013, 2014, 2016)), {}),
    (with_gaps(villages(units=18)), {"unbalanced": "pairwise"}),
    (with_gaps(villages(units=60)), {"unbalanced": "drop_units"}),
    (FRAME.sample(frac=1, random_state=1), {"weight": "households"}),
]


@pytest.mark.parametrize(
    ("frame", "choices", "estimator"), [(*case, e) for case, e in zip(CASES, 4 * [ek.GroupTime(), ek.TwoWay()], strict=True)]
)
def test_the_estimate_is_the_weighted_sum_of_outcomes(frame: pd.DataFrame, choices: dict[str, Any], estimator: Any) -> None:
    made = design(frame, **choices)
    c = row_weights(made, Overall(estimator))
    assert c @ made.y == pytest.approx(float(Overall(estimator)(made).theta[0]), rel=1e-7)
    assert c[made.treated].sum() == pytest.approx(1)  # an effect of one is estimated as one
    assert np.bincount(made.unit_index, c) == pytest.approx(0, abs=1e-9)
    assert np.bincount(made.period_index, c) == pytest.approx(0, abs=1e-9)


def test_imputation_can_be_planned_as_well() -> None:
    made, estimator = design(), Overall(ek.Imputation())
    assert row_weights(made, estimator) @ made.y == pytest.approx(float(estimator(made).theta[0]), rel=1e-7)


def test_weights_are_those_found_row_by_row() -> None:
    made = design(villages(units=15))
    c = row_weights(made, Overall(ek.GroupTime()))
    rows = [0, 17, 44, 61, 89]
    one = [Overall(ek.GroupTime())(with_outcome(made, np.eye(made.observations)[row])).theta[0] for row in rows]
    assert c[rows] == pytest.approx(one)


@pytest.mark.parametrize("estimator", [ek.GroupTime(), ek.TwoWay()])
def test_the_error_is_that_of_estimates_on_drawn_outcomes(estimator: Any) -> None:
    """The standard deviation of 400 estimates, itself known to 3.5%."""
    noise, made, generator = Noise(0.08, 0.6, 0.05, 0.3), design(SMALL), np.random.default_rng(4)
    c = row_weights(made, Overall(estimator))
    draws = [c @ drawn(made, noise, generator, "county") for _ in range(400)]
    told = detectable_effect(made, cluster="county", estimator=estimator, noise=noise)
    assert told.std_error == pytest.approx(np.std(draws), rel=0.1)


def check_simulation(draws: int, estimator: Any, **choices: Any) -> None:
    noise = Noise(0.08, 0.5, 0.03, 0.3)
    told = detectable_effect(design(villages(units=120)), cluster="county", noise=noise, estimator=estimator)
    table = told.simulate(draws=draws, seed=5, **choices)
    assert table["power"].is_monotonic_increasing and (table["draws"] == draws).all()
    # The formula counts detections on the right side only, so the size of a two-sided test is twice its value at nought.
    expected = table["analytic"] * np.where(table["effect"] == 0, 2, 1)
    error = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(table["power"] - expected) <= 3 * error + 0.02).all(), table


def test_simulated_power_agrees_with_the_formula() -> None:
    check_simulation(80, ek.TwoWay())


@pytest.mark.slow
def test_simulated_power_agrees_with_the_formula_to_two_points() -> None:
    check_simulation(1_000, ek.GroupTime(), map=workers(2))


def carried(function: Any, items: Any) -> list[Any]:
    """Return a map whose function and items travel as they do to another process."""
    return [pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(item))) for item in items]


def test_simulation_is_the_same_for_the_same_seed_wherever_it_runs() -> None:
    made, noise = design(villages(units=30)), Noise(0.1)
    effects = np.linspace(0, 0.1, 8).tolist()
    alone, apart = (simulated_power(ek.TwoWay(), made, noise, effects, draws=15, seed=1, map=way) for way in (map, carried))
    pd.testing.assert_frame_equal(alone, apart, check_exact=True)
    other = simulated_power(ek.TwoWay(), made, noise, effects, draws=15, seed=2)
    assert other["power"].tolist() != alone["power"].tolist()
    assert alone["mc_error"].tolist() == pytest.approx(np.sqrt(alone["power"] * (1 - alone["power"]) / 15).tolist())


def test_a_planted_working_model_is_recovered() -> None:
    """Medians over 40 worlds of 160 villages in 20 counties; each number within about three of its standard errors."""
    planted, made, generator = Noise(0.08, 0.6, 0.05, 0.3), design(), np.random.default_rng(0)
    found = [learned_noise(with_outcome(made, drawn(made, planted, generator, "county")), "county") for _ in range(40)]
    for name, tolerance in (("sd", 0.006), ("serial", 0.06), ("shared_sd", 0.006), ("shared_serial", 0.09)):
        assert np.median([getattr(one, name) for one in found]) == pytest.approx(getattr(planted, name), abs=tolerance)


def four_villages(**choices: Any) -> ek.Design:
    """Return two counties of two untreated villages over two years, with changes 1, 3 and -1, -3, and a treated village elsewhere."""
    changes = {1: (0, 1.0), 2: (0, 3.0), 3: (1, -1.0), 4: (1, -3.0), 5: (2, 50.0)}
    rows = [
        (v, county, year, 2015 * (v == 5), v + change * (year == 2015))
        for v, (county, change) in changes.items()
        for year in (2014, 2015)
    ]
    return design(pd.DataFrame(rows, columns=["village", "county", "year", "start", "y"]).assign(province=1), **choices)


def test_noise_of_four_villages_by_hand() -> None:
    """Within counties changes differ by 2: 2**2 / 4 = 1, a village's own. Across by 2, 4, 4 and 6: (4 + 16 + 16 + 36) / 4 / 4 = 4.5.

    What is shared is the rest, 3.5. Villages on their own: six pairs, (4 + 4 + 4 + 16 + 16 + 36) / 6 / 4 = 10/3.
    """
    told = learned_noise(four_villages(), "county")
    assert (told.sd**2, told.shared_sd**2) == pytest.approx((1.0, 3.5))
    assert (told.serial, told.intraclass) == (0.0, pytest.approx(3.5 / 4.5))
    assert learned_noise(four_villages()).sd ** 2 == pytest.approx(10 / 3)


def test_units_needed_by_hand() -> None:
    """The error falls with the root of the number of villages, degrees of freedom grow with it: 20 villages show 20.6%.

    At n villages, half of them treated, the error is sqrt(2 x .02 / (n / 2)) = sqrt(.08 / n), with n - 2 degrees.
    """
    told = units_needed(two_groups(10, 10, 1, 1), effect=0.05, noise=Noise(0.1))

    def shown(n: float) -> float:
        return float((special.stdtrit(n - 2, 0.975) + special.stdtrit(n - 2, 0.8)) * np.sqrt(0.08 / n))

    assert shown(told.units) <= np.log(1.05) < shown(told.units - 1)
    assert told.clusters == told.units and told.units_today == 20 and not told.enough
    assert told.table["way"].tolist() == ["more_clusters"]
    facts = {"percent": 5.0, "power": 0.8, "units": told.units, "clusters": told.units, "units_today": 20, "clusters_today": 20}
    assert told.facts == pytest.approx(facts)


def test_what_is_detectable_needs_just_the_units_there_are() -> None:
    made = design(SMALL)
    today = detectable_effect(made, cluster="county")
    told = units_needed(made, effect=np.expm1(today.effect) * (1 + 1e-9), cluster="county")
    assert told.units == 80 and told.clusters == 20 and told.enough
    assert "DETECTABLE_UNITS_NEEDED" not in [n.code for n in told.notices]


def test_more_villages_in_the_same_counties_cannot_show_what_counties_hide() -> None:
    made, noise = design(SMALL), Noise(0.1, shared_sd=0.05)
    told = units_needed(made, effect=0.01, cluster="county", noise=noise)
    counties, inside = (told.table.iloc[row] for row in (0, 1))
    assert bool(counties["possible"]) and not bool(inside["possible"]) and pd.isna(inside["units"])
    assert inside["floor_percent"] > 1 and counties["floor_percent"] == 0
    easier = units_needed(made, effect=inside["floor_percent"] / 100 * 1.05, cluster="county", noise=noise).table.iloc[1]
    assert bool(easier["possible"]) and easier["units"] > 80 and easier["clusters"] == 20


def test_units_needed_says_its_sentence_and_warns_of_few_clusters() -> None:
    told = units_needed(design(SMALL), effect=0.02, cluster="county")
    (notice,) = told.notices
    assert notice.facts["units"] == told.units
    for lang, words in (("zh", "看清 2% 的效应，大约需要"), ("en", "to show an effect of 2%")):
        said = catalogue(lang).say(f"estimator_notice.{notice.code}", **notice.facts)
        assert words in said and f"{told.units:,}" in said
    assert [n.code for n in units_needed(two_groups(4, 4, 1, 1), effect=0.05, noise=Noise(0.01)).notices] == [
        "DETECTABLE_FEW_CLUSTERS"
    ]
    fewer = units_needed(design(), effect=0.5, cluster="county")
    assert fewer.clusters < 10 and fewer.notices[0].code == "DETECTABLE_FEW_CLUSTERS"


def test_covariates_are_left_out_and_said_to_be() -> None:
    told = detectable_effect(design(SMALL, covariates=["share"]))
    assert told.effect == detectable_effect(design(SMALL)).effect
    assert told.notices[0].code == "DETECTABLE_WITHOUT_COVARIATES" and told.notices[0].facts == {"columns": ["share"]}


def test_every_remark_can_be_said() -> None:
    facts = {"clusters": 4, "percent": 12.3, "power": 0.8, "columns": "share", "leads": "-4", "least_units": 5}
    codes = (
        "DETECTABLE_FEW_CLUSTERS", "DETECTABLE_ONLY_LARGE", "DETECTABLE_WITHOUT_COVARIATES", "PRETREND_LEADS_LEFT_OUT",
        "PRETREND_NOT_TESTABLE",
    )  # fmt: skip
    for lang in ("en", "zh"):
        for code in codes:
            assert "{" not in catalogue(lang).say(f"estimator_notice.{code}", **facts)


def test_households_seen_once_need_their_noise_said() -> None:
    made = design(households(rows=600), unit=None)
    with pytest.raises(DesignError, match=r"do not show how a unit's noise persists\. Say it: noise="):
        detectable_effect(made)
    assert detectable_effect(made, noise=Noise(0.3)).effect > 0


def one_county(frame: pd.DataFrame) -> ek.Design:
    return design(frame.assign(county=np.where(frame["start"] > 0, 1, 2 + frame["county"])))


REFUSED: list[tuple[Any, str]] = [
    (lambda: detectable_effect(design(), power=0.04), "power lies between the level 0.05 and 1"),
    (lambda: detectable_effect(design(), power=1), "power lies between the level 0.05 and 1"),
    (lambda: detectable_effect(design(), level=0), "level of a test lies between 0 and 1"),
    (lambda: detectable_effect(design(), scale="logs"), "no scale 'logs'. Did you mean 'log'"),
    (lambda: detectable_effect(design(), base_income=0), "above zero, not 0"),
    (lambda: detectable_effect(one_county(FRAME), cluster="county"), "only one cluster on a side"),
    (lambda: learned_noise(design(FRAME.assign(county=1)), "county"), "only one cluster, so nothing can be learned"),
    (lambda: detectable_effect(design(FRAME.assign(county=FRAME["year"])), cluster="county"), "Units change their 'county'"),
    (lambda: detectable_effect(design(FRAME.assign(y=FRAME["village"] + FRAME["year"]))), "have no noise"),
    (lambda: detectable_effect(design(SMALL), estimator=ek.Synthetic()), "not a weighted sum of outcomes"),
    (lambda: units_needed(design(), effect=0), "no number of units shows an effect of zero"),
    (lambda: units_needed(design(), scale="level"), "needs base_income="),
    (lambda: Noise(0.0), "not both zero"),
    (lambda: Noise(0.1, serial=1.0), "serial is a correlation between -1 and 1"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_planned_is_refused(call: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        call()


def test_without_a_pre_period_there_is_no_noise_to_learn() -> None:
    """Two years, the treated start in the second, and the comparison starts before it can be seen twice."""
    frame = FRAME[(FRAME["start"] == 2014) & FRAME["year"].isin([2013, 2014]) | (FRAME["start"] == 2016) & (FRAME["year"] == 2013)]
    with pytest.raises(DesignError, match=r"no pre-period to learn the noise from.*say the noise: noise="):
        learned_noise(design(frame.assign(start=frame["start"].replace(2016, 0)), unbalanced="pairwise"))


def test_one_difference_does_not_show_how_long_noise_lasts() -> None:
    frame = FRAME[FRAME["start"].isin([2014, 2016]) & FRAME["year"].isin([2014, 2015, 2016])]
    with pytest.raises(DesignError, match="Untreated units are seen 1 periods apart only"):
        learned_noise(design(frame))


def test_simulation_refuses_what_it_cannot_count() -> None:
    with pytest.raises(EstimateError, match="draws is a whole number from 2 on"):
        simulated_power(ek.TwoWay(), design(), Noise(0.1), [0.1], draws=1, seed=1)
    with pytest.raises(EstimateError, match="Power is that of one parameter; the estimator returns"):
        simulated_power(ek.EventStudy(), design(), Noise(0.1), [0.1], draws=2, seed=1)


def test_rows_missing_in_too_many_ways_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.diagnostics.row_weights.MOST_PROBES", 20)
    with pytest.raises(DesignError, match=r"too many to weigh one by one\. Use Design\(\.\.\., unbalanced='drop_units'\)"):
        detectable_effect(design(with_gaps(FRAME), unbalanced="pairwise"))


def test_shocks_without_a_cluster_are_each_units_own_in_formula_and_simulation() -> None:
    """Nothing of the working model is ignored: sd 0.1 shared with nobody is the same as one more sd of one's own."""
    made = two_groups(10, 10, 1, 1)
    shared, own = Noise(1e-6, shared_sd=0.1), Noise(0.1)
    planned = [detectable_effect(made, noise=noise).std_error for noise in (shared, own)]
    assert planned[0] == pytest.approx(planned[1], rel=1e-6)
    draws = [drawn(made, noise, np.random.default_rng(1)).std() for noise in (shared, own)]
    assert draws[0] == pytest.approx(0.1, rel=0.4) and draws[1] == pytest.approx(0.1, rel=0.4)


def test_power_of_adjusted_residuals_has_its_own_critical_value() -> None:
    table = simulated_power(ek.TwoWay(), two_groups(6, 6, 1, 1), Noise(0.1), [0.0, 9.0], draws=5, seed=1, correction="CR2")
    assert table["power"].iloc[1] == 1.0


def test_more_villages_in_todays_counties_are_never_fewer_than_counties() -> None:
    table = units_needed(design(SMALL), effect=1.0, cluster="county").table
    assert table["units"].iloc[1] >= table["clusters"].iloc[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: detectable_effect(made, noise=Noise(0.1), cluster=["county"]), r"name of one column, not \['county'\]"),
        (lambda made: detectable_effect(made, noise=0.1), "noise= is a working model such as Noise"),
        (lambda made: detectable_effect(made, noise=Noise(5e4)), "is none of logs.*scale='level'"),
        (lambda made: detectable_effect(made, noise=Noise(0.1), base_income=np.inf), "above zero, not inf"),
        (
            lambda made: detectable_effect(made, noise=Noise(0.1), estimator=ek.ChangesInChanges()),
            "takes only some outcomes.*It says",
        ),
        (lambda made: units_needed(made, noise=Noise(0.1), effect=5), "such as 0.05 for 5%, above -1 and at most 1, not 5"),
        (lambda made: Noise("loud"), "sd is a number, not 'loud'"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), [0], draws="5", seed=1), "draws is a whole number"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), [0], draws=5, seed=None), "say the seed"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), [0], draws=5, seed=-1), "from 0 on.*not -1"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), [0], draws=5, seed=1, level=95), "between 0 and 1"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), [], draws=5, seed=1), "effects= is a list of sizes"),
        (lambda made: simulated_power(ek.TwoWay(), made, Noise(0.1), 0.1, draws=5, seed=1), "effects= is a list of sizes"),
        (
            lambda made: simulated_power(Overall(ek.GroupTime()), two_groups(1, 9, 1, 1), Noise(0.1), [0], draws=5, seed=1),
            "single treated unit",
        ),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_computed(call: Any, message: str) -> None:
    with pytest.raises((DesignError, EstimateError), match=message):
        call(two_groups(6, 6, 1, 1))


def test_a_side_is_one_cluster_only_if_all_its_units_are_in_it() -> None:
    """Ten counties of two villages: nine with a village of either kind. A tenth without treated villages takes nothing away, all
    comparison villages in one county do."""
    made = two_groups(9, 11, 1, 1)
    frame = made.panel.frame
    mixed = frame.assign(county=np.where(frame["village"] == 19, 9, frame["village"] % 9).clip(max=9))
    mixed["county"] = np.where(frame["village"] == 18, 9, mixed["county"])
    told = detectable_effect(design(mixed), cluster="county", noise=Noise(0.1))
    assert (told.clusters, told.treated_clusters, told.comparison_clusters) == (10, 9, 10)
    assert 8 < told.degrees <= 9
    alone = frame.assign(county=np.where(frame["village"] < 9, frame["village"], 0))
    with pytest.raises(DesignError, match="only one cluster on a side"):
        detectable_effect(design(alone), cluster="county", noise=Noise(0.1))
