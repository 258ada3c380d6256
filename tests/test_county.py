"""One county of a study: whose rows are kept, whom it is compared with, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import Findings, Study, StudyError, evaluate, one_unit
from evalkit.county import counties, within
from evalkit.places import shared
from evalkit.study_data import designed, load, run_id

FOLDER = shared("notebooks", "studies")
COUNTY = "990122"


def study(name: str, **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | changes)


@pytest.fixture(scope="module")
def found() -> Findings:
    return evaluate(study("industry"), folder=FOLDER, county=COUNTY)


def test_counties_are_those_that_the_programme_reached_and_have_names():
    chosen = study("industry")
    listed = counties(chosen, load(chosen, None, FOLDER))
    frame = pd.read_csv(FOLDER / chosen.data)
    reached = frame[(frame["industry_first_year"] > 0) & (frame["industry_first_year"] <= 2022)]
    assert list(listed) == sorted(reached["county_key"].astype(str).unique())
    assert listed[COUNTY] == "甲水县"


def test_a_county_that_is_a_unit_keeps_its_rows_and_those_never_covered():
    chosen = study("industry")
    loaded = load(chosen, None, FOLDER)
    _, here = within(chosen, loaded, COUNTY)
    starts = here.frame.groupby("county_key")["industry_first_year"].first()
    assert set(starts[starts > 0].index.astype(str)) == {COUNTY}
    everyone = loaded.frame.groupby("county_key")["industry_first_year"].first()
    assert (starts == 0).sum() == (everyone == 0).sum()


def test_a_county_of_households_is_compared_with_itself():
    chosen = study("relocation")
    _, here = within(chosen, load(chosen, None, FOLDER), "990124")
    assert set(here.frame["county_code"].astype(str)) == {"990124"}
    assert (here.frame["relocation_first_year"] == 0).any() and (here.frame["relocation_first_year"] > 0).any()


def test_the_effect_of_a_county_is_that_of_its_unit_alone_with_its_range(found):
    chosen = study("industry")
    design = designed(chosen, load(chosen, None, FOLDER).frame)[0]
    by_hand = one_unit(design, int(COUNTY)).path.iloc[-1]
    assert found.headline.effect.estimate == pytest.approx(by_hand["effect"], rel=1e-9)
    assert found.alone.effect.low == pytest.approx(by_hand["conf_low"], rel=1e-9)
    assert found.alone.effect.high == pytest.approx(by_hand["conf_high"], rel=1e-9)
    assert found.alone.money.low < found.headline.money.estimate < found.alone.money.high


def test_the_range_covers_what_comparison_counties_do_by_chance(found):
    chosen = study("industry")
    design = designed(chosen, load(chosen, None, FOLDER).frame)[0]
    assert found.alone.comparison_units == int(np.isinf(design.cohort).sum())
    assert {point.event_time for point in found.alone.path} == {point.event_time for point in found.path if not point.reference}


def test_what_stands_for_the_whole_area_does_not_stand_for_a_county(found):
    assert evaluate(study("industry"), folder=FOLDER).truth is not None
    assert found.truth is None and found.published == []


def test_a_county_has_an_identity_of_its_own(found):
    chosen = study("industry")
    loaded = load(chosen, None, FOLDER)
    ids = {run_id(*within(chosen, loaded, code)) for code in (COUNTY, "990124")} | {run_id(chosen, loaded)}
    assert len(ids) == 3 and found.run_id in ids and found.run_id.startswith(f"industry-{COUNTY}-")
    assert (found.county.code, found.county.name) == (COUNTY, "甲水县")


def test_several_units_are_never_told_as_one():
    assert evaluate(study("industry"), folder=FOLDER).alone is None


def test_few_comparison_counties_give_no_range_and_say_how_many_are_needed(tmp_path):
    chosen = study("industry")
    frame = pd.read_csv(FOLDER / chosen.data)
    never = frame.loc[frame["industry_first_year"] == 0, "county_key"].unique()[:12]
    frame[frame["county_key"].isin([*never, int(COUNTY)])].to_csv(tmp_path / "few.csv", index=False)
    few = evaluate(study("industry", truth=None), tmp_path / "few.csv", FOLDER, county=COUNTY)
    assert few.alone.reason == "too_few_comparisons" and few.alone.facts == {"units": 12, "smallest_p": 0.077, "needed": 19}


@pytest.mark.parametrize(
    ("changes", "county", "message"),
    [
        ({}, "99012", "There is no county '99012'. Nearest: 9901.*Allowed: 990122 甲水县, "),
        ({}, "甲水", "There is no county '甲水'. Nearest: 990122 甲水县"),
        ({}, "990121", "nobody whom industry support reached by 2022"),
        ({"county": None, "county_name": None}, COUNTY, "names no column of counties. Add county:"),
        ({"county": "county_kye"}, COUNTY, "There is no column 'county_kye'. Did you mean 'county_key'"),
        ({"county": "income"}, COUNTY, "'income' changes over time within 99 units"),
    ],
)
def test_what_is_no_county_is_an_error_that_says_what_to_do(changes, county, message):
    with pytest.raises(StudyError, match=message):
        evaluate(study("industry", **changes), folder=FOLDER, county=county)


def test_a_county_may_be_given_by_its_name_unless_two_have_it():
    chosen = study("industry")
    loaded = load(chosen, None, FOLDER)
    assert within(chosen, loaded, " 甲水县")[1].county.code == COUNTY
    twice = loaded.frame.assign(county_name="甲水县")
    with pytest.raises(StudyError, match=r"Several counties are called '甲水县'\. Give the code: 9901"):
        within(chosen, dataclasses.replace(loaded, frame=twice), "甲水县")


def test_a_name_of_counties_needs_their_codes():
    with pytest.raises(StudyError, match="county_name needs county"):
        study("industry", county=None)


def test_a_county_of_a_study_with_covariates_is_told_by_regression():
    adjusted = evaluate(study("industry_covariates"), folder=FOLDER, county=COUNTY)
    assert adjusted.method == "reg" and adjusted.covariates and adjusted.verdict == "one_unit"
