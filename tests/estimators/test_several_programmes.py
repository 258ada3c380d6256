"""One programme beside others: who counts, who is compared, and what cannot be told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.combinations import combinations
from evalkit.estimators.several_programmes import SeveralProgrammes
from evalkit.words import catalogue


def design(frame: pd.DataFrame, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def effect(estimate: ek.Estimate, cohort: int, period: int) -> float:
    return float(estimate.select(kind="group_time", cohort=cohort, period=period).theta[0])


def six_villages(early: int = 2014) -> pd.DataFrame:
    """Return villages over 2015-2016 with (industry, training) from the years given and income in both."""
    rows = [
        ("industry", 2016, 0, 0, 5), ("both", 2016, early, 0, 9), ("training with it", 2016, 2016, 0, 100),
        ("none", 0, 0, 0, 1), ("trained", 0, 2015, 0, 4), ("trained later", 0, 2016, 0, 70),
    ]  # fmt: skip
    long = [(name, 2015 + t, start, other, float(y)) for name, start, other, *path in rows for t, y in enumerate(path)]
    return pd.DataFrame(long, columns=["village", "year", "start", "training", "y"]).assign(county=1)


BY_STATUS = SeveralProgrammes(others="training", never=0)


def test_villages_are_compared_with_those_of_the_same_other_programmes_that_stay_as_they_are() -> None:
    """(5 - 1) without training and (9 - 4) with it; the two villages that begin training in 2016 do not count."""
    estimate = BY_STATUS(design(six_villages()))
    assert effect(estimate, 2016, 2016) == pytest.approx((4 + 5) / 2)
    cell = estimate.select(kind="group_time", period=2016).cells.iloc[0]
    assert cell["units"] == 2
    notice = next(n for n in estimate.notices if n.code == "OTHER_PROGRAMMES_LEFT_OUT")
    assert notice.facts == {"programmes": ["training"], "treated_rows": 3, "changed": 1, "unmatched": 0}
    share = estimate.select(kind="cell_share", period=2016).theta[0]
    assert share == pytest.approx(2 / 12)


def test_matching_on_the_start_leaves_out_villages_trained_since_another_year() -> None:
    """The trained village of 2014 has no comparison trained since 2014: only 5 - 1 is left."""
    by_start = SeveralProgrammes(others="training", never=0, match="start")
    estimate = by_start(design(six_villages()))
    assert effect(estimate, 2016, 2016) == pytest.approx(4)
    assert next(n for n in estimate.notices if n.code == "OTHER_PROGRAMMES_LEFT_OUT").facts["unmatched"] == 1
    assert effect(by_start(design(six_villages(early=2015))), 2016, 2016) == pytest.approx(4.5)


def test_beside_a_programme_that_nobody_has_it_is_the_group_time_effect() -> None:
    frame = with_gaps(villages(units=150)).assign(roads=0)
    for choices in ({}, {"covariates": ["share"]}, {"base": "varying", "anticipation": 1}, {"weight": "households"}):
        made = design(frame, unbalanced="pairwise", **choices)
        ours, theirs = SeveralProgrammes(others="roads", never=0)(made), ek.GroupTime()(made)
        ours, theirs = (e.select(kind="group_time") for e in (ours, theirs))
        np.testing.assert_allclose(ours.theta, theirs.theta, atol=1e-9)
        np.testing.assert_allclose(ours.psi, theirs.psi, atol=1e-8 * np.abs(theirs.psi).max())


def trained(seed: int, units: int = 300, gain: float = 0.4, growing: float = 0.0) -> pd.DataFrame:
    """Return villages whose training programme often comes with industry; industry raises y by 0.1."""
    generator = np.random.default_rng(seed)
    years = np.arange(2012, 2018)
    start = generator.choice([0, 2014, 2016], units)
    training = np.where(start > 0, generator.choice([0, 2013, 2015, 2016], units), generator.choice([0, 0, 0, 2013, 2015], units))
    frame = pd.DataFrame({"village": np.repeat(np.arange(units), 6), "county": np.repeat(np.arange(units) % 20, 6)})
    frame = frame.assign(year=np.tile(years, units), start=np.repeat(start, 6), training=np.repeat(training, 6))
    since = frame["year"] - frame["training"]
    other = ((frame["training"] > 0) & (since >= 0)) * (gain + growing * since)
    own = 0.1 * ((frame["start"] > 0) & (frame["year"] >= frame["start"]))
    return frame.assign(y=own + other + np.repeat(generator.normal(size=units), 6) + generator.normal(0, 0.1, 6 * units))


def test_a_second_programme_biases_the_plain_comparison_and_not_this_one() -> None:
    """Over 60 draws the mean error is within 3.5 of its standard errors, and intervals cover 95% up to 3.5 of theirs."""
    errors, plain, covered = [], [], []
    for seed in range(60):
        made = design(trained(seed))
        overall = ek.infer(ek.aggregate(BY_STATUS(made), "overall")).iloc[0]
        errors.append(overall["estimate"] - 0.1)
        covered.append(overall["conf_low"] <= 0.1 <= overall["conf_high"])
        plain.append(ek.aggregate(ek.GroupTime()(made), "overall").theta[0] - 0.1)
    assert abs(np.mean(errors)) < 3.5 * np.std(errors) / np.sqrt(60)
    assert np.mean(plain) > 0.05
    assert np.mean(covered) > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 60)


def test_when_the_others_effects_grow_only_matching_on_their_start_is_right() -> None:
    frame = trained(3, units=6000, growing=0.2)
    by_status = ek.aggregate(BY_STATUS(design(frame)), "overall")
    by_start = ek.aggregate(SeveralProgrammes(others="training", never=0, match="start")(design(frame)), "overall")
    assert by_start.theta[0] == pytest.approx(0.1, abs=0.02) and abs(by_status.theta[0] - 0.1) < 0.1


def test_a_roll_out_of_more_villages_serves_as_well_as_a_column() -> None:
    frame = trained(1, units=120)
    panel = ek.Panel(frame, "village", "year", ["county"])
    rollout = ek.Rollout.from_first_treated(panel, "training", never=0)
    part = frame[frame["village"] % 3 > 0]
    by_rollout, by_column = (s(design(part)) for s in (SeveralProgrammes(others=rollout), BY_STATUS))
    np.testing.assert_array_equal(by_rollout.theta, by_column.theta)


def test_two_other_programmes_make_four_strata() -> None:
    frame = trained(2, units=200)
    third = dict(zip(range(200), np.random.default_rng(1).choice([0, 2012], 200), strict=True))
    frame = frame.assign(roads=frame["village"].map(third))
    found = effect(SeveralProgrammes(others=("training", "roads"), never=0)(design(frame)), 2014, 2014)
    wide = frame.pivot(index="village", columns="year", values="y")
    village = frame.groupby("village").first()
    change = (wide[2014] - wide[2013])[~village["training"].isin([2014])]
    village = village.loc[change.index]
    village["had"] = village["training"].between(1, 2013).astype(int).astype(str) + village["roads"].astype(str)
    differences, sizes = [], []
    for _, group in village.groupby("had"):
        treated, compared = group.index[group["start"] == 2014], group.index[group["start"].isin([0, 2016])]
        differences.append(change[treated].mean() - change[compared].mean())
        sizes.append(len(treated))
    assert len(sizes) == 4 and found == pytest.approx(np.average(differences, weights=sizes))


def test_anticipation_holds_for_the_other_programmes_too() -> None:
    frame = trained(4)
    made = design(frame, anticipation=1)
    cell = BY_STATUS(made).select(kind="group_time", cohort=2014, period=2014).cells.iloc[0]
    first = frame.groupby("village").first()
    # Base 2012: nothing may start in 2013, 2014 or, being anticipated, 2015.
    assert cell["units"] == ((first["start"] == 2014) & ~first["training"].isin([2013, 2014, 2015])).sum()


def test_programmes_that_always_arrive_together_are_told_as_a_bundle() -> None:
    frame = villages(units=90)
    with pytest.raises(ek.DesignError, match=r"effect of the bundle.*first period with any of them"):
        SeveralProgrammes(others="start", never=0)(design(frame))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"match": "starts"}, "Did you mean 'start'"),
        ({"method": "regr"}, "Did you mean 'reg'"),
        ({"shares": "samples"}, "Did you mean 'sample'"),
    ],
)
def test_an_unknown_choice_is_an_error_that_names_the_nearest(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DesignError, match=message):
        SeveralProgrammes(**choices)


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(ek.DesignError, match="SeveralProgrammes cannot answer"):
        BY_STATUS(design(households(rows=800).assign(training=0), unit=None))
    frame = trained(1, units=120)
    with pytest.raises(ek.DesignError, match="compares whole units"):
        BY_STATUS(design(frame, rows="observation"))
    part = frame[frame["village"] < 60]
    panel = ek.Panel(part, "village", "year")
    with pytest.raises(ek.RolloutError, match="knows nothing of 60 units"):
        SeveralProgrammes(others=ek.Rollout.from_first_treated(panel, "training", never=0))(design(frame))


@pytest.mark.parametrize("others", [(), None])
def test_without_another_programme_it_says_that_none_is_named(others: Any) -> None:
    with pytest.raises(ek.DesignError, match="No other programme is named"):
        SeveralProgrammes(others=others)(design(trained(1, units=60)))


def test_another_programme_is_a_roll_out_or_a_column() -> None:
    with pytest.raises(ek.RolloutError, match=r"Another programme is a roll-out.*not 3"):
        SeveralProgrammes(others=[3])(design(trained(1, units=60)))


def test_covariates_that_no_stratum_can_fit_are_named_and_not_the_other_programmes() -> None:
    frame = six_villages().assign(share=lambda f: f["y"] % 7 + f["village"].str.len())
    with pytest.raises(ek.DesignError, match=r"Covariates share cannot be fitted in any comparison.*\(training\)"):
        BY_STATUS(design(frame, covariates=["share"]))


def test_strata_in_which_the_covariates_cannot_be_fitted_are_counted_apart_from_those_without_comparison() -> None:
    """Among villages trained since 2013 the share says who has industry; the others are compared as if these were not there."""
    frame = trained(5, units=240)
    share = dict(zip(range(240), np.random.default_rng(3).normal(size=240), strict=True))
    early = frame["training"] == 2013
    frame = frame.assign(share=np.where(early, (frame["start"] == 2014) * 1.0, frame["village"].map(share)))
    ours = BY_STATUS(design(frame, covariates=["share"]))
    apart = BY_STATUS(design(frame[~early], covariates=["share"]))
    assert effect(ours, 2014, 2015) == pytest.approx(effect(apart, 2014, 2015), rel=1e-12)
    left = {n.code: n.facts for n in ours.notices}
    lost = (early & (frame["start"] == 2014) & (frame["year"] >= 2014)).sum()
    assert left["STRATA_WITHOUT_FIT"]["columns"] == ["share"]
    assert left["STRATA_WITHOUT_FIT"]["rows"] >= lost > 0
    without = {n.code: n.facts for n in BY_STATUS(design(frame)).notices}["OTHER_PROGRAMMES_LEFT_OUT"]
    assert left["OTHER_PROGRAMMES_LEFT_OUT"] == without
    for lang in ("en", "zh"):
        assert "share" in catalogue(lang).say(
            "estimator_notice.STRATA_WITHOUT_FIT", **left["STRATA_WITHOUT_FIT"] | {"columns": "share"}
        )


def test_combinations_say_who_has_what_when() -> None:
    frame = six_villages()
    panel = ek.Panel(frame, "village", "year")
    rollouts = [ek.Rollout.from_first_treated(panel, c, never=0) for c in ("start", "training")]
    made = combinations(panel, rollouts)
    assert made.counts.to_dict() == {
        2015: {"none": 4, "start": 0, "training": 2, "start+training": 0},
        2016: {"none": 1, "start": 1, "training": 2, "start+training": 2},
    }
    assert made.together.loc["start", "training"] == 1 and made.together.loc["start", "start"] == 3
    assert list(made.first_treated.columns) == ["village", "start", "training"]
    with pytest.raises(ek.RolloutError, match="same name: start"):
        combinations(panel, [rollouts[0], rollouts[0]])
    stopping = ek.Rollout.from_status(ek.Panel(frame.assign(on=frame["year"] == 2015), "village", "year"), "on", reversals="keep")
    with pytest.raises(ek.RolloutError, match="stops or varies"):
        combinations(panel, [rollouts[0], stopping])


def test_one_roll_out_is_a_combination_and_none_is_refused() -> None:
    panel = ek.Panel(six_villages(), "village", "year")
    training = ek.Rollout.from_first_treated(panel, "training", never=0)
    assert list(combinations(panel, training).counts.index) == ["none", "training"]
    with pytest.raises(ek.RolloutError, match="one roll-out at least"):
        combinations(panel, [])


def test_forty_programmes_cost_no_more_than_the_combinations_that_occur() -> None:
    panel = ek.Panel(six_villages(), "village", "year")
    first = ek.Rollout.from_first_treated(panel, "training", never=0)
    many = [replace(first, programme=f"p{i}") for i in range(40)]
    made = combinations(panel, many)
    assert list(made.counts.index) == ["none", "+".join(one.programme for one in many)]
    assert made.counts.to_numpy().tolist() == combinations(panel, first).counts.to_numpy().tolist()
