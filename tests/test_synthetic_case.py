"""One county in depth: where it stands, its synthetic self, and when nothing is read from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import Study, StudyError, against_donors
from evalkit.case_records import Case
from evalkit.county import NoCounty, within
from evalkit.places import shared
from evalkit.study_data import Loaded, designed, load
from evalkit.synthetic_case import case_loaded, readable, standing, synthetic_case

FOLDER = shared("notebooks", "studies")
COUNTY = "990122"


def study(name: str = "industry", **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | changes)


@pytest.fixture(scope="module")
def case() -> Case:
    return synthetic_case(study(), COUNTY, folder=FOLDER)


def world(lift: float = 0.0, effect: float = 0.2, years: int = 9, donors: int = 12) -> tuple[Study, Loaded]:
    """One county treated from 2016 on that is a half of two donors before, ``lift`` above them, and donors with courses of their own."""
    chance, frame = np.random.default_rng(5), []
    time = np.arange(years)
    paths = {
        unit: 9 + 0.03 * unit + (0.05 + 0.004 * (unit % 5)) * time + 0.02 * chance.normal(size=years) for unit in range(donors)
    }
    own = (paths[1] + paths[2]) / 2 + lift + effect * (time >= years - 3) + 0.01 * chance.normal(size=years)
    for unit, path in {**paths, 99: own}.items():
        first = 2016 if unit == 99 else 0
        frame += [(unit, 2016 - years + 3 + year, np.exp(value), first) for year, value in zip(time.tolist(), path, strict=True)]
    words = {"zh": "某", "en": "some"}
    made = Study.parse(
        {
            "name": "world", "title": words, "programme": words, "source": {"name": words}, "unit": "code", "unit_word": {"zh": "县", "en": "county"},
            "outcome": "income", "outcome_word": words, "prices": words, "nominal": False, "income_def": "disposable", "window": [2019 - years, 2018],
            "treatment": {"first_year": "first", "never": [0]}, "seed": 1,
        }
    )  # fmt: skip
    return made, Loaded(pd.DataFrame(frame, columns=["code", "year", "income", "first"]), {"frame": "0"})


def test_a_percentile_is_the_share_that_grew_less_ties_counting_half() -> None:
    # Of 1, 2, 3, 4 two lie below 3 and one is 3 itself: (2 + 1/2) / 4.
    told = standing(3.0, np.array([4.0, 1.0, np.nan, 3.0, 2.0]), 2014, (2015, 2018))
    assert (told.below, told.units, told.percentile, told.median) == (2, 4, 62.5, 2.5)
    assert told.growths == [1.0, 2.0, 3.0, 4.0]


def test_a_case_does_not_depend_on_the_order_of_the_rows() -> None:
    made, loaded = world()
    mixed = Loaded(loaded.frame.sample(frac=1, random_state=1).reset_index(drop=True), loaded.inputs)
    one, other = case_loaded(made, "99", loaded), case_loaded(made, "99", mixed)
    assert (one.standing, one.matched) == (other.standing, other.matched)


def test_growth_is_counted_from_the_last_year_before_the_start(case: Case) -> None:
    frame = pd.read_csv(FOLDER / study().data)
    wide = np.log(frame[frame["year"].between(2013, 2022)].pivot(index="county_key", columns="year", values="income"))
    never = frame.groupby("county_key")["industry_first_year"].first() == 0
    growth = wide[list(range(2018, 2023))].mean(axis=1) - wide[2017]
    after = case.standing[-1]
    assert (after.first, after.until) == (2017, (2018, 2022))
    assert after.growth == pytest.approx(growth[int(COUNTY)])
    assert after.below == int((growth[never] < growth[int(COUNTY)]).sum()) and after.units == int(never.sum())


def test_what_a_form_finds_is_what_against_donors_finds(case: Case) -> None:
    here, rows = within(study(), load(study(), None, FOLDER), COUNTY)
    found = against_donors(designed(here, rows.frame, rows.events)[0], int(COUNTY), "synthdid")
    told = next(one for one in case.matched if one.form == "synthdid")
    assert (told.effect, told.rank, told.p_value) == (found.effect, found.rank, found.p_value)
    after = [point.event_time >= 0 for point in told.path]
    effects = [float(np.mean(np.array(one.gaps)[after])) for one in told.paper]
    assert effects == pytest.approx(found.placebos["effect"].tolist())
    assert told.smallest_p == pytest.approx(1 / 41)
    assert sum(one.weight for one in told.donors) == pytest.approx(1) and {one.unit for one in told.donors} <= set(
        found.donor_weights["unit"].astype(str)
    )


def test_money_is_the_mean_difference_of_incomes_after_the_start(case: Case) -> None:
    for one in case.matched:
        gaps = [point.actual - point.synthetic for point in one.path if point.event_time >= 0]
        assert one.money == pytest.approx(np.mean(gaps))


def test_a_county_that_donors_resemble_is_read_and_its_gap_is_rare() -> None:
    found = case_loaded(*_at(world()))
    main = next(one for one in found.matched if one.form == found.chosen)
    assert main.refusal is None and main.doubt is None
    assert main.effect == pytest.approx(0.2, abs=0.05) and main.p_value <= 2 / 13


def test_a_county_beyond_all_donors_has_no_synthetic_control_and_another_form_is_told() -> None:
    found = case_loaded(*_at(world(lift=1.5)))
    control, did = found.matched
    assert control.refusal is not None and control.refusal.reason == "unlike"
    assert found.chosen == "synthdid" and did.effect == pytest.approx(0.2, abs=0.05)


def test_with_few_years_before_the_start_a_perfect_fit_is_not_read() -> None:
    control = case_loaded(*_at(world(years=5))).matched[0]
    assert control.refusal is not None and control.refusal.reason == "fits_anything" and control.refusal.facts["years"] == 2


def test_a_gap_no_larger_than_the_misfit_is_in_doubt(case: Case) -> None:
    beyond = case_loaded(*_at(world(lift=1.5, effect=0.01))).matched[0]
    assert beyond.before > abs(beyond.effect) or beyond.doubt is None
    for one in (*case.matched, beyond):
        assert (one.doubt is not None) == (one.before > abs(one.effect))


@pytest.mark.parametrize(
    ("before", "typical", "noise", "reason"),
    [
        (0.05, 0.01, 0.01, "unlike"),
        (0.05, 0.03, 0.01, None),
        (0.05, 0.0, 0.03, "fits_anything"),
        (0.001, 0.01, 0.02, "fits_anything"),
    ],
)
def test_whether_a_gap_is_read_is_judged_by_the_years_before_alone(
    before: float, typical: float, noise: float, reason: str | None
) -> None:
    told = readable(before, typical, noise, 5)
    assert (told.reason if told else None) == reason


def _at(made: tuple[Study, Loaded]) -> tuple[Study, str, Loaded]:
    return made[0], "99", made[1]


def test_few_donors_and_a_missing_year_are_told_and_not_raised() -> None:
    few = case_loaded(*_at(world(donors=3)))
    assert few.matched and all(one.smallest_p == 0.25 for one in few.matched)
    made, loaded = world()
    frame = loaded.frame[~((loaded.frame["code"] == 99) & (loaded.frame["year"] == 2011))].reset_index(drop=True)
    gap = case_loaded(made.model_copy(update={"unbalanced": "pairwise"}), "99", Loaded(frame, {}))
    assert gap.matched == [] and gap.chosen is None and gap.not_matched is not None and gap.not_matched.reason == "not_seen"
    assert gap.standing


def test_one_year_before_the_start_leaves_the_position_alone() -> None:
    found = case_loaded(*_at(world(years=4)))
    assert found.not_matched is not None and found.not_matched.reason == "one_year" and len(found.standing) == 1


def test_an_unknown_county_is_refused_with_the_nearest() -> None:
    with pytest.raises(NoCounty, match=r"Nearest.*990122"):
        synthetic_case(study(), "9901222", folder=FOLDER)


def test_a_county_of_several_units_and_a_household_are_refused() -> None:
    loaded = load(study("relocation"), None, FOLDER)
    with pytest.raises(StudyError, match="holds 120 treated units"):
        case_loaded(study("relocation", unit_level=None), "990124", loaded)
    with pytest.raises(StudyError, match="a household may not be shown"):
        case_loaded(study("relocation", unit_level="household"), "990124", loaded)


def test_covariates_have_no_part_in_the_weights_and_this_is_told() -> None:
    made, loaded = world()
    frame = loaded.frame.assign(distance=loaded.frame["code"] % 7)
    told = case_loaded(made.model_copy(update={"covariates": ("distance",), "method": "reg"}), "99", Loaded(frame, {}))
    assert [(one.code, one.facts) for one in told.remarks] == [("COVARIATES_NOT_USED", {"columns": ["distance"]})]
    assert told.matched == case_loaded(made, "99", loaded).matched
