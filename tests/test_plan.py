"""The plan: it never reads an outcome from the first start on, keeps its number, and what was done otherwise is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from evalkit import Study, StudyError
from evalkit import plan as plans
from evalkit.cli import app
from evalkit.diagnostics.detectable import detectable_effect
from evalkit.firm_records import NotTold, Seen
from evalkit.places import shared
from evalkit.plan import BLANK, followed, plan, planned
from evalkit.plan_file import digest, read, seal, text, write
from evalkit.plan_records import Departure, Followed, PlanRecord
from evalkit.study_data import Loaded, designed, load

FOLDER = shared("notebooks", "studies")
DAY = "2015-12-01"
GROUPS = {
    "poor": {"column": "poor", "values": [1], "word": {"zh": "贫困县", "en": "poor counties"}},
    "near": {"column": "near", "values": ["yes"], "word": {"zh": "近处", "en": "near"}},
}


def study(name: str = "industry", **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | {"window": [2013, 2018]} | changes)


@pytest.fixture(scope="module")
def counties() -> pd.DataFrame:
    """A part of the demo's counties that starts in 2016 and 2017 or never: small, so that many plans are made in a few seconds."""
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    keys = frame.drop_duplicates("county_key").groupby("industry_first_year")["county_key"].head(12)
    frame = frame[frame["county_key"].isin(keys) & (frame["industry_first_year"] != 2018) & (frame["year"] >= 2013)]
    return frame.assign(poor=(frame["base_poverty"] > 10).astype(int), near=np.where(frame["distance_km"] < 60, "yes", "no"))


def of(frame: pd.DataFrame, made: Study | None = None, made_on: str = DAY) -> PlanRecord:
    return planned(made or study(), Loaded(frame, {}), made_on)


def run(frame: pd.DataFrame, made: Study, path: Path) -> Followed:
    return followed(made, designed(made, frame)[0], path)


@pytest.fixture(scope="module")
def industry(counties: pd.DataFrame) -> PlanRecord:
    return of(counties)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the smallest detectable effect, which takes nearly all of the time, where a test is about choices."""
    monkeypatch.setattr(plans, "_detectable", lambda *_: NotTold(reason="refused"))


@pytest.fixture
def kept(industry: PlanRecord, tmp_path: Path) -> Path:
    return write(industry, tmp_path / "industry.plan.json")


def after_the_start(frame: pd.DataFrame) -> pd.Series:
    return frame["year"] >= 2016


# What is read


def test_scrambling_every_outcome_after_the_first_start_leaves_every_byte_of_the_plan_alone(counties, industry):
    noise = np.random.default_rng(1).uniform(1, 1e6, len(counties))
    scrambled = counties.assign(income=counties["income"].where(~after_the_start(counties), noise))
    assert text(of(scrambled)) == text(industry)


@pytest.mark.parametrize("value", [np.nan, 0.0, -5.0])
def test_outcomes_that_are_missing_or_impossible_after_the_start_leave_the_number_alone(counties, industry, value):
    other = of(counties.assign(income=counties["income"].where(~after_the_start(counties), value)))
    assert other.hash == industry.hash and other.planned == industry.planned
    assert other.outcome_present is not bool(np.isnan(value))


def test_a_plan_made_before_the_later_rows_exist_is_the_same_plan(counties, industry):
    early = of(counties[~after_the_start(counties)])
    assert early.hash == industry.hash
    assert (early.outcome_present, industry.outcome_present) == (False, True)
    assert (early.periods_in_data, industry.periods_in_data) == ([2013, 2014, 2015], list(range(2013, 2019)))


def test_an_outcome_before_the_start_is_read(counties, industry):
    one = (counties["year"] == 2015) & (counties["county_key"] == counties["county_key"].iloc[0])
    other = of(counties.assign(income=counties["income"].where(~one, counties["income"] * 1.5)))
    assert other.planned.data != industry.planned.data and other.planned.detectable != industry.planned.detectable


def test_of_those_treated_from_the_first_year_no_outcome_is_read(counties, quick):
    keys = counties.loc[counties["industry_first_year"] == 2016, "county_key"].unique()[:3]
    always = counties["county_key"].isin(keys)
    early = counties.assign(industry_first_year=counties["industry_first_year"].where(~always, 2013))
    wild = early.assign(income=early["income"].where(~always, 7.0))
    assert of(wild).hash == of(early).hash


def test_no_number_depends_on_what_stands_in_rows_that_are_not_read(counties, industry, monkeypatch):
    monkeypatch.setattr(plans, "BLANK", 4321.0)
    assert BLANK != 4321.0 and of(counties).hash == industry.hash
    levels = study(scale="level", truth=None)
    here = of(counties, levels)
    monkeypatch.setattr(plans, "BLANK", 1.0)
    assert of(counties, levels).hash == here.hash


def test_the_order_of_rows_and_other_columns_change_nothing(counties, industry):
    assert text(of(counties.sample(frac=1, random_state=3).drop(columns="population"))) == text(industry)


def test_the_smallest_detectable_effect_is_that_of_years_before_the_start(counties, industry):
    seen = industry.planned.detectable
    assert isinstance(seen, Seen) and industry.planned.known_until == 2015
    # The same design with noise from all untreated rows differs, but not by much: the demo's noise is the same in all years.
    whole = detectable_effect(designed(study(), counties)[0], cluster="county_key")
    assert whole.percent is not None and seen.percent == pytest.approx(whole.percent, rel=0.3) and seen.percent != whole.percent
    treated = counties[(counties["year"] == 2015) & (counties["industry_first_year"].between(2016, 2018))]
    base = treated["income"].mean()
    assert seen.money == pytest.approx(base * seen.percent / 100, rel=1e-4)


def test_with_too_few_years_before_the_start_the_plan_says_that_it_cannot_tell(counties):
    short = of(counties, study(window=[2014, 2018]))
    assert isinstance(short.planned.detectable, NotTold) and short.planned.detectable.reason == "refused"
    assert of(counties[~after_the_start(counties)], study(window=[2014, 2018])).hash == short.hash


# Its number


def test_the_date_is_in_the_file_and_not_in_the_number(counties, industry):
    later = of(counties, made_on="2024-05-05")
    assert later.hash == industry.hash and later.seal != industry.seal and '"2024-05-05"' in text(later)


def test_words_are_not_in_the_number_and_choices_are(counties, quick):
    industry = of(counties)
    words = {"zh": "换个标题", "en": "Another title"}
    assert of(counties, study(title=words)).hash == industry.hash
    for change in (
        {"seed": 1},
        {"level": 0.9},
        {"smallest_meaningful_percent": 5},
        {"comparison": "never_treated"},
        {"method": "reg"},
    ):
        assert of(counties, study(**change)).hash != industry.hash, change


def test_a_plan_is_read_as_it_was_written(industry, kept):
    assert read(kept) == industry and len(industry.number) == 8
    content = json.loads(kept.read_text(encoding="utf-8"))
    assert (digest(content["planned"]), seal(content)) == (industry.hash, industry.seal)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["planned"].update(outcome="another"), "was changed after it was made: its number"),
        (lambda c: c.update(made_on="2010-01-01"), "was changed after it was made: its seal"),
        (lambda c: c.update(outcome_present=False), "its seal"),
        (lambda c: c.pop("planned"), "is no plan that 'evalkit plan' wrote"),
    ],
)
def test_a_plan_that_was_changed_is_refused(kept, change, said):
    content = json.loads(kept.read_text(encoding="utf-8"))
    change(content)
    kept.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(StudyError, match=said):
        read(kept)


def test_a_plan_with_keys_of_another_version_and_what_is_no_plan_are_refused(kept, tmp_path):
    content = json.loads(kept.read_text(encoding="utf-8"))
    content["planned"]["novel"] = 1
    content["hash"] = digest(content["planned"])
    content["seal"] = seal(content)
    kept.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StudyError, match=r"whose plans had other keys \(planned.novel\)"):
        read(kept)
    kept.write_text("not a plan", encoding="utf-8")
    with pytest.raises(StudyError, match="is no plan"):
        read(kept)
    with pytest.raises(StudyError, match=r"there is no file none\.json"):
        read(tmp_path / "none.json")


def test_a_plan_is_not_overwritten_unless_one_says_so(industry, kept, counties, quick):
    with pytest.raises(StudyError, match="a plan is a record"):
        write(industry, kept)
    write(of(counties, study(seed=3)), kept, force=True)
    assert read(kept).planned.seed == 3


# Whether it was followed


def test_a_run_as_planned_departs_from_nothing_and_new_words_are_no_departure(counties, kept, industry):
    made = study(title={"zh": "新", "en": "new"}, plan="industry.plan.json")
    found = run(counties, made, kept)
    assert found == Followed(hash=industry.hash, made_on=DAY, outcome_present=True)


def test_every_choice_made_otherwise_is_listed_with_both_values(counties, kept):
    made = study(method="reg", window=[2013, 2017], smallest_meaningful_percent=1.0)
    found = run(counties, made, kept)
    told = {departure.key: (departure.planned, departure.done) for departure in found.departures}
    assert told.pop("periods") == (list(range(2013, 2019)), list(range(2013, 2018)))
    assert told == {
        "method": ("dr", "reg"), "window": ([2013, 2018], [2013, 2017]), "smallest_meaningful_percent": (3.0, 1.0)
    }  # fmt: skip


def test_groups_may_be_added_and_when_they_go_or_are_defined_otherwise_it_is_told(counties, quick, tmp_path):
    both = study(who={"groups": GROUPS})
    path = write(of(counties, both), tmp_path / "p.json")
    renamed = {"near": GROUPS["near"] | {"word": {"zh": "邻近", "en": "close"}}, "poor": GROUPS["poor"]}
    assert run(counties, study(who={"groups": renamed}), path).departures == []
    fewer = run(counties, study(who={"groups": {"poor": GROUPS["poor"] | {"values": [0]}}}), path)
    assert fewer.departures == [
        Departure(key="groups.poor", planned=["poor", ["1"]], done=["poor", ["0"]]),
        Departure(key="groups.near", planned=["near", ["yes"]], done=None),
    ]
    one = write(of(counties, study(who={"groups": {"poor": GROUPS["poor"]}})), tmp_path / "one.json")
    assert run(counties, both, one).added == ["groups.near"]


def test_checks_may_be_added_and_when_they_go_it_is_told(counties, quick, tmp_path):
    """A check can move the grade: one that was added after the plan is no choice made beforehand."""
    asked = {"untouched": {"population": {"zh": "人口", "en": "population"}}, "regions": ["prefecture_id"]}
    one = write(of(counties, study(checks={"regions": ["prefecture_id"]})), tmp_path / "one.json")
    assert read(one).planned.checks == {"regions": ["prefecture_id"]}
    assert run(counties, study(checks=asked), one).added == ["checks.untouched"]
    both = write(of(counties, study(checks=asked)), tmp_path / "both.json")
    assert run(counties, study(checks={"regions": ["prefecture_id"]}), both).departures == [
        Departure(key="checks.untouched", planned=["population"], done=None)
    ]
    assert run(counties, study(checks=asked | {"draws": 99}), both).departures == []


def test_an_estimator_that_no_longer_applies_is_a_departure_and_a_new_one_an_addition(counties, quick, tmp_path):
    path = write(of(counties), tmp_path / "p.json")
    varying = run(counties, study(base="varying"), path)
    told = {d.key: (d.planned, d.done) for d in varying.departures}
    assert told.pop("base") == ("universal", "varying")
    assert told and all(key.startswith("estimators.") and value == (True, False) for key, value in told.items())
    with_covariates = run(counties, study(covariates=["distance_km"]), path)
    assert "estimators.weighted" in with_covariates.added


def test_data_that_changed_before_the_start_are_a_departure_and_later_rows_are_not(counties, kept):
    later = counties.assign(income=counties["income"].where(~after_the_start(counties), counties["income"] * 1.1))
    assert run(later, study(), kept).departures == []
    before = counties.assign(income=counties["income"].where(after_the_start(counties), counties["income"] * 1.1))
    assert [departure.key for departure in run(before, study(), kept).departures] == ["data.income"]
    one = counties.loc[counties["industry_first_year"] == 2016, "county_key"].iloc[0]
    later_start = counties["industry_first_year"].where(counties["county_key"] != one, 2018)
    delayed = run(counties.assign(industry_first_year=later_start), study(), kept)
    assert {"data.start", "cohorts"} <= {departure.key for departure in delayed.departures}


def test_counts_of_units_are_not_told_in_a_public_report(counties, kept):
    gone = counties[counties["county_key"] != counties.loc[counties["industry_first_year"] == 2017, "county_key"].iloc[0]]
    found = run(gone, study(), kept)
    told = {d.key: (d.planned, d.done) for d in found.departures}
    assert told["units"] == (36, 35) and told["cohorts"][0]["2017"] - told["cohorts"][1]["2017"] == 1
    hidden = {d.key: (d.planned, d.done, d.hidden) for d in found.without_counts().departures}
    assert hidden["units"] == hidden["cohorts"] == hidden["treated_units"] == (None, None, True)
    assert hidden["data.rows"][0] is not None and set(hidden) == set(told)


def test_the_plan_of_another_study_is_refused(counties, kept):
    with pytest.raises(StudyError, match="is the plan of the study 'industry', not of 'other'"):
        run(counties, study().model_copy(update={"name": "other"}), kept)


# Other data


def test_households_and_a_table_of_events_have_plans_too(counties, quick, tmp_path):
    households = plan(study("health", window=[2013, 2016]), folder=FOLDER, made_on=DAY)
    assert households.planned.known_until == 2014 and households.planned.treated_units == 1500
    starts = counties.drop_duplicates("county_key").query("industry_first_year > 0")
    events = pd.DataFrame(
        {"unit": starts["county_key"], "programme": "industry", "event": "funded", "date": starts["industry_first_year"]}
    )
    events.to_csv(tmp_path / "events.csv", index=False)
    dated = study(treatment={"events": "events.csv", "programme": "industry"}, truth=None)
    counties.to_csv(tmp_path / "all.csv", index=False)
    counties[counties["year"] < 2016].to_csv(tmp_path / "early.csv", index=False)
    made = plan(dated, tmp_path / "early.csv", tmp_path, made_on=DAY)
    assert made.planned.treatment["date"] == "funded" and made.planned.cohorts == of(counties).planned.cohorts
    loaded = load(dated, tmp_path / "all.csv", tmp_path)
    late = designed(dated, loaded.frame, loaded.events)[0]
    assert followed(dated, late, write(made, tmp_path / "p.json")).departures == []


def test_what_a_run_would_refuse_the_plan_refuses_in_the_same_words(counties):
    with pytest.raises(StudyError, match="There is no column 'incme'"):
        of(counties, study(outcome="incme"))


# On the command line


def test_the_command_writes_a_plan_beside_the_study_once(counties, quick, tmp_path, monkeypatch):
    counties.to_csv(tmp_path / "counties.csv", index=False)
    content: dict[str, Any] = yaml.safe_load((FOLDER / "industry.yml").read_text(encoding="utf-8"))
    (tmp_path / "mine.yml").write_text(
        yaml.safe_dump(content | {"data": "counties.csv", "window": [2013, 2018]}, allow_unicode=True), encoding="utf-8"
    )
    command = ["plan", str(tmp_path / "mine.yml")]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert read(tmp_path / "mine.plan.json").hash == of(counties).hash
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1 and "a plan is a record" in again.output
    made: list[Any] = []
    monkeypatch.setattr(
        "evalkit.report.pages.write_page", lambda name, record, folder, lang: made.append((name, folder, lang)) or []
    )
    assert CliRunner().invoke(app, [*command, "--force", "--pages", "--lang", "en"]).exit_code == 0
    assert made == [("plan", tmp_path / "mine.plan.pages", "en")]  # another study's pages in the same folder stay as they are
