"""Matched and weighted comparisons: who is weighted how, by hand, and what is refused and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.estimators.weighted import Weighted
from evalkit.kernels import balancing
from evalkit.words import catalogue

FRAME = villages(units=150)
START = FRAME.groupby("village")["start"].first()
WIDE = FRAME.pivot(index="village", columns="year", values="y")
BOTH = ("share", "rain")


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    choices = {"comparison": "never_treated"} | choices
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def effects(estimate: ek.Estimate) -> ek.Estimate:
    return estimate.select(kind="group_time")


def at_base(cohort: int, frame: pd.DataFrame = FRAME) -> pd.DataFrame:
    """The covariates of the cohort and the never treated, in the year before the cohort starts."""
    return frame[(frame["year"] == cohort - 1) & frame["start"].isin([0, cohort])].set_index("village")


def table(*villages: tuple[int, float, float, float]) -> pd.DataFrame:
    """Villages of (start, covariate, outcome before, outcome after), 2014 and 2015."""
    rows = [
        {"village": number, "county": 0, "year": 2014 + after, "start": start, "x": x, "y": outcome[after]}
        for number, (start, x, *outcome) in enumerate(villages)
        for after in (0, 1)
    ]
    return pd.DataFrame(rows)


PENCIL = table((2015, 1, 10, 15), (2015, 3, 10, 17), (0, 0, 10, 11), (0, 1, 10, 12), (0, 4, 10, 16))


def test_entropy_weights_by_hand() -> None:
    """Treated mean of x is 2. Weights exp(a + b x) on x = 0, 1, 4 that sum to 2 and average 2: with r = exp(b), 2 + r = 2 r**4."""
    r = np.roots([2, 0, 0, -1, -2])
    r = float(r[(abs(r.imag) < 1e-12) & (r.real > 0)].real[0])
    weights = np.array([1, r, r**4]) * 2 / (1 + r + r**4)
    (found,) = Weighted(on="x").weights(design(PENCIL))
    np.testing.assert_allclose(found.weights, [1, 1, *weights], rtol=1e-12)
    effect = (5 + 7) / 2 - weights @ [1, 2, 6] / 2
    assert effects(Weighted(on="x")(design(PENCIL))).theta[-1] == pytest.approx(effect, rel=1e-12)


def test_nearest_neighbours_by_hand() -> None:
    """x = 1 is matched to 1 (change 2), x = 3 to 4 (change 6): (5 - 2 + 7 - 6) / 2. With two: to 1 and 0, and to 4 and 1."""
    one, two = (effects(Weighted("nearest", "x", neighbours=m)(design(PENCIL))).theta[-1] for m in (1, 2))
    assert one == pytest.approx(2.0) and two == pytest.approx(((5 - 1.5) + (7 - 4)) / 2)


def test_ties_share_a_match() -> None:
    tied = table((2015, 1, 10, 15), (2015, 3, 10, 17), (0, 0, 10, 11), (0, 2, 10, 13), (0, 4, 10, 16), (0, 4, 10, 18))
    (found,) = Weighted("nearest", "x").weights(design(tied))
    np.testing.assert_allclose(found.fit.comparison[2:], [1 / 2, 1 / 2 + 1 / 3, 1 / 3, 1 / 3])


def test_neighbours_are_those_of_the_slow_obvious_search() -> None:
    generator = np.random.default_rng(5)
    places, points = (
        generator.integers(0, 6, (80, 2)).astype(float),
        np.unique(generator.integers(0, 6, (25, 2)), axis=0).astype(float),
    )
    counts = generator.integers(1, 4, len(points))
    row, point, apart = balancing.neighbouring(places, points, counts, 3)
    for i, place in enumerate(places):
        d = np.sqrt(((points - place) ** 2).sum(axis=1))
        third = np.sort(np.repeat(d, counts))[2]
        assert set(point[row == i]) == set(np.flatnonzero(d <= third + 1e-12))
        np.testing.assert_allclose(apart[row == i], d[point[row == i]])


@pytest.mark.parametrize("weight", [None, "households"])
def test_entropy_weights_give_the_comparison_the_treated_means(weight: str | None) -> None:
    for found in Weighted(on=BOTH).weights(design(weight=weight)):
        treated, comparison = found.fit.treated, found.fit.comparison
        np.testing.assert_allclose(comparison @ found.x, treated @ found.x, rtol=1e-12, atol=1e-10 * treated.sum())
        assert comparison.sum() == pytest.approx(treated.sum(), rel=1e-12) and (comparison[~found.treated] > 0).all()


@pytest.mark.parametrize("weight", [None, "households"])
def test_propensity_weights_are_the_odds_of_a_logit_and_the_effect_is_their_difference_of_means(weight: str | None) -> None:
    base = at_base(2014)
    D, w = (base["start"] == 2014).to_numpy(float), np.ones(len(base)) if weight is None else base[weight].to_numpy(float)
    p = sm.GLM(D, sm.add_constant(base[list(BOTH)]), family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-12).predict()
    change = (WIDE[2016] - WIDE[2013])[base.index].to_numpy()
    expected = np.average(change, weights=w * D) - np.average(change, weights=w * (1 - D) * p / (1 - p))
    found = Weighted("propensity", BOTH)(design(weight=weight)).select(kind="group_time", cohort=2014, period=2016).theta[0]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("choices", [{}, {"base": "varying"}, {"comparison": "not_yet_treated"}, {"anticipation": 1}])
def test_propensity_weighting_is_group_time_weighting_with_covariates_held_at_the_base_year(choices: dict[str, Any]) -> None:
    cohort, anticipation = 2014, choices.get("anticipation", 0)
    held = FRAME.merge(FRAME.loc[FRAME["year"] == cohort - 1 - anticipation, ["village", "rain"]].rename(columns={"rain": "held"}))
    weighted = Weighted("propensity", BOTH)(design(**choices)).select(kind="group_time", cohort=cohort)
    group_time = ek.GroupTime("ipw")(design(held, covariates=["share", "held"], **choices)).select(kind="group_time", cohort=cohort)
    assert list(weighted.cells["period"]) == list(group_time.cells["period"])
    np.testing.assert_allclose(weighted.theta, group_time.theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted.psi, group_time.psi, rtol=1e-6, atol=1e-8)


def test_weights_are_fitted_once_so_later_covariates_say_nothing() -> None:
    later = FRAME.assign(rain=FRAME["rain"].where(FRAME["year"] < 2016, FRAME["village"] * 37 % 11 - FRAME["rain"]))
    one, other = (Weighted(on=BOTH)(design(frame)) for frame in (FRAME, later))
    np.testing.assert_array_equal(one.theta, other.theta)


def test_averages_are_those_of_group_time_where_weights_do_nothing() -> None:
    """Every cohort and the comparison have the same covariates: weights are equal, and so are all averages, their shares included."""
    frame = villages(units=180).sort_values(["start", "village", "year"])
    frame["x"] = np.tile(np.repeat([1.0, 2.0, 3.0], 6), 60)
    one, other = (estimator(design(frame)) for estimator in (Weighted(on="x"), ek.GroupTime()))
    for by in ("overall", "event_time", "cohort", "period"):
        ours, theirs = ek.aggregate(one, by), ek.aggregate(other, by)
        assert list(ours.cells["kind"]) == list(theirs.cells["kind"]) and list(ours.cells["units"]) == list(theirs.cells["units"])
        np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["entropy", "propensity", "nearest"])
def test_where_growth_depends_on_the_covariate_weighting_finds_the_effect_and_plain_changes_do_not(method: str) -> None:
    """Growth is 0.3 x and the treated have more x. True effect 0; 95% intervals cover, and errors are no wider than the estimates spread."""
    generator = np.random.default_rng(11)
    effect, plain, covered, errors = [], [], [], []
    for _ in range(60):
        n = 200
        x = generator.normal(size=n)
        treated = generator.random(n) < 1 / (1 + np.exp(0.8 - 0.8 * x))
        after = 10 + 0.3 * x + generator.normal(0, 0.2, n)
        frame = table(*((2015 * int(d), a, 10.0, b) for d, a, b in zip(treated, x, after, strict=True)))
        overall = ek.aggregate(Weighted(method, "x")(design(frame)))
        error = float(np.sqrt((overall.psi**2).sum()) / n)
        effect.append(overall.theta[0])
        covered.append(abs(overall.theta[0]) < 1.96 * error)
        errors.append(error)
        plain.append(effects(ek.GroupTime()(design(frame))).theta[-1])
    assert abs(np.mean(effect)) < 0.02 and np.mean(plain) > 0.15
    assert np.mean(covered) >= 0.87 and np.mean(errors) < 1.3 * np.std(effect)


def test_matching_on_the_outcome_level_makes_an_effect_out_of_nothing() -> None:
    """Groups differ in level by one between-unit standard deviation, nobody has an effect, half of a year's spread is that year's luck.

    Matched on the level in the base year, the comparison units picked are those with a good year, and their fall afterwards shows as
    an effect of about a third of a standard deviation; a plain difference of changes finds none.
    """
    generator = np.random.default_rng(12)
    n = 4_000
    treated = np.arange(n) % 2 == 0
    lasting = generator.normal(0, 1, n) - 1.0 * treated
    before, after = (lasting + generator.normal(0, 0.8, n) for _ in range(2))
    frame = table(*((2015 * int(d), 0.0, a, b) for d, a, b in zip(treated, before, after, strict=True)))
    plain = effects(ek.GroupTime()(design(frame)))
    assert abs(plain.theta[-1]) < 0.1
    expected = -0.64 / (1 + 0.64)  # the share of luck in a year's spread, times the gap of one standard deviation
    for method in ("entropy", "propensity", "nearest"):
        found = Weighted(method, outcome_level=True)(design(frame))
        assert effects(found).theta[-1] == pytest.approx(expected, abs=0.1)
        assert [n.facts["outcome"] for n in found.notices if n.code == "WEIGHTED_OUTCOME_LEVEL"] == ["y"]


def test_units_without_a_neighbour_within_the_caliper_leave_and_are_counted() -> None:
    far = pd.concat([PENCIL, table((2015, 90, 10, 99)).assign(village=50)])
    estimate = Weighted("nearest", "x", caliper=0.5)(design(far))
    assert effects(estimate).theta[-1] == pytest.approx(2.0) and effects(estimate).cells["units"].iloc[-1] == 2
    (remark,) = [n for n in estimate.notices if n.code == "WEIGHTED_UNMATCHED"]
    assert dict(remark.facts) == {"units": 1, "treated_units": 3, "first": "50"}


def test_a_comparison_that_rests_on_few_units_is_told_with_their_names() -> None:
    rng = np.random.default_rng(1)
    pool = [(0, float(x), 10.0, 11.0) for x in rng.normal(0, 1, 100)]
    estimate = Weighted(on="x")(design(table((2015, 1.2, 10, 12), (2015, 1.4, 10, 13), (2015, 2.9, 10, 13), *pool)))
    codes = {n.code: dict(n.facts) for n in estimate.notices}
    assert codes["WEIGHTED_FEW_CARRY"]["comparison_units"] == 100 and codes["WEIGHTED_FEW_CARRY"]["effective"] < 5
    heaviest = str(np.argmax([x for _, x, _, _ in pool]) + 3)
    assert codes["WEIGHTED_FEW_CARRY"]["first"].split(",")[0] == heaviest
    assert codes["WEIGHTED_POOR_OVERLAP"] == {"cohort": 2015, "units": 1, "treated_units": 3, "first": "2"}


def test_where_rows_are_missing_the_units_seen_in_both_periods_and_the_base_year_are_balanced() -> None:
    gaps = with_gaps(FRAME)
    frame = gaps[gaps["start"].isin([0, 2016])]
    found = Weighted("propensity", "share")(design(frame, unbalanced="pairwise")).select(kind="group_time", period=2017)
    wide = frame.pivot(index="village", columns="year", values="y")[[2015, 2017]].dropna()
    D = (START[wide.index] == 2016).to_numpy(float)
    x = sm.add_constant(FRAME.groupby("village")["share"].first()[wide.index])
    p = sm.GLM(D, x, family=sm.families.Binomial()).fit(tol=1e-12).predict()
    change = (wide[2017] - wide[2015]).to_numpy()
    expected = np.average(change, weights=D) - np.average(change, weights=(1 - D) * p / (1 - p))
    assert found.theta[0] == pytest.approx(expected, rel=1e-8)


NEAR = FRAME["share"] + FRAME["rain"] * np.pi
TOLD = (FRAME["start"] == 2014) + 0.1 * FRAME["rain"] / FRAME["rain"].abs().max()


@pytest.mark.parametrize(
    ("spec", "frame", "choices", "message"),
    [
        (Weighted(), FRAME, {}, "No columns to weight on are named.*Estimators that could: .*group_time"),
        (Weighted(on="rain"), FRAME, {"covariates": ["share"]}, "share are not among on=.*would be ignored"),
        (Weighted(on=("share", "share")), FRAME, {}, "named twice: share"),
        (Weighted(on=("share", "y")), FRAME, {}, "'y' is the outcome. .*that year's luck.*outcome_level=True"),
        (Weighted(on="income"), FRAME.assign(income=np.exp(FRAME["y"])), {}, "'income' ranks units as the outcome does.*fall back"),
        (Weighted(on="gap"), FRAME.assign(gap=9 - FRAME["y"]), {}, "'gap' ranks units as the outcome does.*correlation of ranks -1.000"),
        (Weighted(on=("share", "told")), FRAME.assign(told=TOLD), {}, r"for cohort 2014 and its \d+ comparison units in 2013: told"),
        (Weighted("propensity", ("share", "told")), FRAME.assign(told=TOLD), {}, "^told: at some values there are treated units only.* for cohort 2014 and its"),
        (Weighted(on=("share", "twice")), FRAME.assign(twice=2 * FRAME["share"]), {}, "'twice' is constant, or a combination"),
        (Weighted("nearest", ("share", "twice")), FRAME.assign(twice=2 * FRAME["share"]), {}, "'twice' is constant, or a comb"),
        (Weighted("nearest", "share", neighbours=99), FRAME, {}, "neighbours=99 is more"),
        (Weighted("nearest", "near", caliper=1e-9), FRAME.assign(near=NEAR), {}, "within the caliper of 1e-09"),
        (Weighted(on="gap"), FRAME.assign(gap=FRAME["share"].where(FRAME["village"] > 105)), {}, "'gap' is missing in 2013 for"),
        (Weighted(on="share"), FRAME, {"rows": "observation"}, "compares whole units"),
        (Weighted(on="share"), FRAME, {"unbalanced": "repeated_cross_section", "gaps": True}, "follows the same units"),
        (Weighted("propensity", "share"), table((2015, 1, 1, 1), (0, 0, 1, 1), (0, 2, 1, 2)).assign(share=lambda f: f["x"]), {}, "is one unit"),
    ],
)  # fmt: skip
def test_what_cannot_be_weighted_is_refused_with_the_reason(
    spec: Weighted, frame: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    frame = with_gaps(frame) if choices.pop("gaps", False) else frame
    with pytest.raises(ek.DesignError, match=message):
        spec(design(frame, **choices))


def test_means_reachable_one_by_one_but_not_together_name_the_columns() -> None:
    """Each treated mean lies inside the comparison's range, but no mix of (0, 0), (1, 0) and (0, 1) averages (0.9, 0.9)."""
    frame = table((2015, 0.9, 1, 2), (2015, 0.9, 1, 3), *((0, x, 1.0, 1.5) for x in (0, 1, 0, 0, 1)))
    frame["z"] = frame["x"].where(frame["start"] > 0, frame["village"].isin([4, 5]) * 1.0)
    with pytest.raises(
        ek.DesignError, match=r"No weights .* for cohort 2015 and its 5 comparison units in 2014: .*(x|z) \(mean of the tr"
    ):
        Weighted(on=("x", "z"))(design(frame))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "entropie"}, "Did you mean 'entropy'"),
        ({"method": "nearest", "distance": "euclid"}, "no distance 'euclid'"),
        ({"caliper": 0.2}, "method='entropy' has none"),
        ({"method": "propensity", "neighbours": 3}, "method='propensity' has none"),
        ({"method": "nearest", "neighbours": 0}, "neighbours must be 1, 2, 3"),
        ({"method": "nearest", "neighbours": 1.5}, "neighbours must be 1, 2, 3"),
        ({"method": "nearest", "caliper": -1}, "caliper positive"),
        ({"every_period": True}, "Matching again in every period is not offered"),
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        Weighted(**arguments)


def test_the_reasons_against_matching_again_and_on_levels_are_told_in_both_languages() -> None:
    english, chinese = (catalogue(lang) for lang in ("en", "zh"))
    assert "no longer the change of the same units" in english.say("matching.every_period")
    assert "逐期" in chinese.say("matching.every_period") and "当年运气" in chinese.say("matching.outcome_level")


def test_every_remark_has_a_sentence_in_both_languages() -> None:
    rng = np.random.default_rng(1)
    pool = [(0, float(x), 10.0, 11.0) for x in rng.normal(0, 1, 60)]
    frame = table((2015, 1.2, 10, 12), (2015, 2.4, 10, 13), (2015, 2.9, 11, 13), *pool)
    spec = Weighted("nearest", "x", caliper=0.5, outcome_level=True)
    remarks = [n for n in spec(design(frame)).notices if n.code.startswith("WEIGHTED")]
    assert {"WEIGHTED_OUTCOME_LEVEL", "WEIGHTED_UNMATCHED", "WEIGHTED_FEW_CARRY", "WEIGHTED_POOR_OVERLAP"} == {
        n.code for n in remarks
    }
    for lang in ("en", "zh"):
        for remark in remarks:
            assert "{" not in catalogue(lang).say(f"estimator_notice.{remark.code}", **remark.facts)


def test_the_outcome_level_alone_can_be_weighted_on_when_it_is_asked_for_by_name() -> None:
    assert np.isfinite(Weighted(outcome_level=True)(design()).theta).all()


def test_a_comparison_as_few_as_the_columns_shows_no_noise_and_gets_no_error() -> None:
    """Three comparison units on two columns and a constant are fitted exactly; a single match is its own mean."""
    few = FRAME[FRAME["start"].eq(2014) | FRAME["village"].isin(START.index[START == 0][:3])]
    found = Weighted("nearest", BOTH)(design(few))
    overall = ek.infer(ek.aggregate(found))
    assert np.isfinite(overall["estimate"][0]) and np.isnan(overall["std_error"][0])
    (remark,) = [n for n in found.notices if n.code == "WEIGHTED_NOISE_UNKNOWN"]
    assert str(remark.facts["cells"]).startswith("2014 in 2012, 2014 in 2014")
    for lang in ("en", "zh"):
        assert "2014 in 2012" in catalogue(lang).say("estimator_notice.WEIGHTED_NOISE_UNKNOWN", **remark.facts)
    assert not [n for n in Weighted("nearest", BOTH)(design()).notices if n.code == "WEIGHTED_NOISE_UNKNOWN"]
    one = table((2015, 1, 10, 15), (2015, 1.1, 10, 17), (0, 1, 10, 11), (0, 9, 10, 12), (0, 8, 10, 16), (0, 7, 9, 16))
    assert np.isnan(ek.infer(ek.aggregate(Weighted("nearest", "x")(design(one))))["std_error"][0])


def test_a_unit_whose_match_starts_itself_is_without_one_from_then_on_and_is_counted() -> None:
    """Village 0 (x = 1) is matched to 2 (x = 1), which starts in 2016: in 2016 nobody is near it, though in 2015 there was."""
    frame = pd.DataFrame(
        {"village": number, "county": 0, "year": year, "start": start, "x": x, "y": float(number * year % 7)}
        for number, (start, x) in enumerate([(2015, 1), (2015, 5), (2016, 1), (2016, 5), (0, 5), (0, 5.1)])
        for year in (2014, 2015, 2016)
    )
    found = Weighted("nearest", "x", caliper=0.3)(design(frame, comparison="not_yet_treated"))
    units = found.select(kind="group_time", cohort=2015).cells.set_index("period")["units"]
    assert units[2015] == 2 and units[2016] == 1
    (remark,) = [n for n in found.notices if n.code == "WEIGHTED_UNMATCHED"]
    assert "0" in str(remark.facts["first"]).split(", ")


def test_leads_from_a_varying_base_read_no_covariate_of_units_already_treated() -> None:
    """The programme moves the rain of those it covers; covariates are read in 2015, when the cohort of 2014 is covered."""
    moved = FRAME.assign(rain=FRAME["rain"] + 5.0 * ((FRAME["start"] == 2014) & (FRAME["year"] >= 2014)))
    choices: dict[str, Any] = {"comparison": "not_yet_treated", "base": "varying"}
    one, other = (Weighted(on=BOTH)(design(f, **choices)).select(kind="group_time", cohort=2016) for f in (FRAME, moved))
    np.testing.assert_array_equal(one.theta, other.theta)
    never = Weighted(on=BOTH)(design(base="varying")).select(kind="group_time", cohort=2016, period=2013)
    assert one.select(period=2013).theta[0] == pytest.approx(never.theta[0])


def test_a_refusal_says_in_which_period_the_comparison_became_too_small() -> None:
    """In 2014 the mean 3 of the treated lies between 0 and 9; in 2015, when 9 has started, only 0, 1 and 2 are left."""
    frame = pd.DataFrame(
        {"village": number, "county": 0, "year": year, "start": start, "x": x, "y": float(number * year % 7)}
        for number, (start, x) in enumerate([(2014, 2.5), (2014, 3.5), (2015, 9), (2015, 8), (0, 0), (0, 1), (0, 2)])
        for year in (2013, 2014, 2015)
    )
    with pytest.raises(
        ek.DesignError, match=r"cohort 2014 and its 3 comparison units in 2013, to be compared in 2015: x .*never_treated"
    ):
        Weighted(on="x")(design(frame, comparison="not_yet_treated"))


def test_means_are_told_with_their_sampling_weights_and_absurd_weights_for_what_they_are() -> None:
    told = PENCIL.assign(w=np.where(PENCIL["village"] == 1, 3.0, 1.0), x=PENCIL["x"] + 4.0 * (PENCIL["start"] > 0))
    with pytest.raises(ek.DesignError, match=r"x \(mean of the treated 6\.5; comparison from 0 to 4\)"):
        Weighted(on="x")(design(told, weight="w"))
    frame = villages(units=60, starts=(0, 2014)).assign(
        w=lambda f: np.where(f["village"] == f.loc[f["start"] == 0, "village"].min(), 1e15, 1)
    )
    with pytest.raises(ek.DesignError, match="Look at the sampling weights"):
        Weighted(on=BOTH)(design(frame, weight="w"))


def test_a_covariate_counted_in_tiny_units_is_no_constant() -> None:
    one, other = (effects(Weighted(on="x")(design(PENCIL.assign(x=PENCIL["x"] * unit)))).theta for unit in (1.0, 1e-14))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_weights_of_nobody_are_refused_and_those_of_a_cohort_read_in_one_line() -> None:
    gone = PENCIL[~((PENCIL["start"] > 0) & (PENCIL["year"] == 2014))]
    for ask in (Weighted(on="x").weights, Weighted(on="x")):
        with pytest.raises(ek.DesignError, match="no cohort has both a clean base period"):
            ask(design(gone, unbalanced="pairwise"))
    (found,) = Weighted("nearest", "x").weights(design(PENCIL))
    assert repr(found) == "Weights of cohort 2015 on x in 2014: 2 of 2 treated units, 3 comparison units that count for 2.0"
