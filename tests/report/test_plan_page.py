"""The page of a plan, and what a report says of the plan it follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import yaml

from evalkit import Study
from evalkit.design import BASES, COMPARISONS, UNBALANCED
from evalkit.places import shared
from evalkit.plan import planned
from evalkit.plan_records import COUNTS, Departure, Followed, Planned, PlannedCohort, PlanRecord
from evalkit.report import numbering, tables
from evalkit.report.blocks import Document, Facts, Heading, Listing, Paragraph, Table
from evalkit.report.pages import write_page
from evalkit.report.plan_blocks import departures_table, key_name, plan_section, sentences, value_text
from evalkit.report.plan_page import compose
from evalkit.report.plan_voice import PlanVoice
from evalkit.report.sources import without_marks
from evalkit.report.voice import Voice
from evalkit.study_data import Loaded
from evalkit.wording import check
from evalkit.words import LANGUAGES, WordsError

FOLDER = shared("notebooks", "studies")
GROUPS = {"poor": {"column": "poor", "values": [1], "word": {"zh": "贫困发生率高的县", "en": "counties with much poverty"}}}
FOLLOWED = Followed(hash="ab12cd34" + "0" * 56, made_on="2015-12-01", outcome_present=True)
DEPARTURES = [
    Departure(key="comparison", planned="not_yet_treated", done="never_treated"),
    Departure(key="window", planned=[2013, 2022], done=[2013, 2021]),
    Departure(key="smallest_meaningful_percent", planned=3.0, done=1.5),
    Departure(key="level", planned=0.95, done=0.9),
    Departure(key="covariates", planned=["distance_km"], done=[]),
    Departure(key="treatment", planned={"programme": "industry", "date": "funded"}, done={"first_year": "start", "never": [0.0]}),
    Departure(key="estimators.stacked", planned=True, done=False),
    Departure(key="groups.poor", planned=["poor", ["1"]], done=None),
    Departure(key="components.wage", planned="wage", done="wages"),
    Departure(key="data.income", planned="0123abcd", done="4567efab"),
    Departure(key="data.rows", planned="0123abcd", done="4567efab"),
    Departure(key="units", planned=99, done=97),
    Departure(key="cohorts", planned={"2016": 20, "2017": 20}, done={"2016": 20, "2017": 18}),
]


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def record() -> PlanRecord:
    content = yaml.safe_load((FOLDER / "industry_covariates.yml").read_text(encoding="utf-8"))
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    keys = frame.drop_duplicates("county_key").groupby("industry_first_year")["county_key"].head(12)
    frame = frame[frame["county_key"].isin(keys) & (frame["year"] < 2016)].assign(poor=1)
    study = Study.parse(content | {"who": {"groups": GROUPS}, "window": [2013, 2018], "smallest_meaningful_percent": 1.0})
    return planned(study, Loaded(frame, {}), "2015-12-01")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report know the table of departures."""
    if "plan_departures" not in numbering.ORDER:
        monkeypatch.setattr(numbering, "ORDER", (*numbering.ORDER, "plan_departures"))
        monkeypatch.setitem(numbering._NEEDS, ("table", "plan_departures"), "plan.departures")
        monkeypatch.setitem(tables._MAKERS, "plan_departures", departures_table)


def texts(document: Document) -> Iterator[str]:
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                yield block.text
            case Facts():
                yield from (f"{fact.label} {fact.value}" for fact in block.items)
            case Listing():
                yield from (item.text for item in block.items)
            case Table():
                yield from (block.caption, *block.notes, *(cell.text for row in block.rows for cell in row.cells))


# The page


def test_the_page_says_what_is_asked_how_it_is_estimated_and_what_can_be_seen(record, lang):
    told = "\n".join(texts(compose(record, lang)))
    seen = record.planned.detectable
    for part in (record.number, "2015-12-01", f"{seen.percent:.1f}%", "income", "95%", "1%", str(record.planned.seed), "poor"):
        assert part in told, part
    assert record.hash in told.replace(" ", "").replace("\n", "")
    assert ("没有实施以后的结果" if lang == "zh" else "held no outcome from after the start") in told


def test_a_plan_made_with_later_outcomes_at_hand_says_what_it_cannot_show(record, lang):
    told = "\n".join(texts(compose(record.model_copy(update={"outcome_present": True}), lang)))
    assert ("不能说明登记之前没有人看过" if lang == "zh" else "cannot show that nobody had looked before") in told


def test_simulated_data_say_so_on_the_page_and_under_its_tables(record, lang):
    page = compose(record, lang)
    assert page.banner and page.banner_text
    assert all("Simulated" in block.notes[0] for block in page.blocks if isinstance(block, Table))
    real = compose(record.model_copy(update={"simulated": False}), lang)
    assert not real.banner and all(not block.notes for block in real.blocks if isinstance(block, Table))


def test_every_number_leads_to_a_value_of_the_file(record, lang):
    content = record.model_dump(mode="json")

    def found(path: str) -> Any:
        value: Any = content
        for step in path.replace("[", ".").replace("]", "").split("."):
            value = value[int(step)] if isinstance(value, list) else value[step.strip('"')]
        return value

    told = [number for text in texts(compose(record, lang)) for number in getattr(text, "numbers", ())]
    assert {source for number in told for source in number.sources} >= {
        "planned.detectable.percent", "planned.detectable.money", "planned.known_until", "planned.units"
    }  # fmt: skip
    for number in told:
        assert all(found(source) is not None for source in number.sources), number


def test_the_wording_of_the_page_is_in_order(record, lang):
    for other in (record, record.model_copy(update={"outcome_present": True})):
        for text in texts(compose(other, lang)):
            assert check(text, lang, "description") == [], text


def test_a_public_plan_of_households_does_not_tell_how_many_start_where_they_are_few(record, lang):
    few = [PlannedCohort(year=2016, units=40), PlannedCohort(year=2017, units=3)]
    public = record.model_copy(update={"told_from": 10, "planned": record.planned.model_copy(update={"cohorts": few})})
    page = compose(public, lang)
    assert [block.name for block in page.blocks if isinstance(block, Table)] == ["plan_groups"]
    assert not any(str(count) in text for text in texts(page) for count in (f" {record.planned.units} ", " 40 "))
    assert PlanVoice(public.model_copy(update={"told_from": 3}), lang).counted


def test_without_enough_years_the_page_says_that_it_cannot_tell(record, lang):
    from evalkit.firm_records import NotTold

    blind = record.model_copy(update={"planned": record.planned.model_copy(update={"detectable": NotTold(reason="refused")})})
    told = "\n".join(texts(compose(blind, lang)))
    assert ("无法事先算出" if lang == "zh" else "too few to say beforehand") in told


def test_every_choice_of_a_study_has_words(record, lang):
    voice = PlanVoice(record, lang)
    for key in Planned.model_fields:
        if key not in ("known_until", "detectable"):
            assert key_name(voice, key)
    codes = {
        "comparison": COMPARISONS,
        "base": BASES,
        "unbalanced": UNBALANCED,
        "method": ("dr", "ipw", "reg"),
        "scale": ("log", "level"),
    }
    codes |= {name: get_args(Study.model_fields[name].annotation) for name in ("assignment", "sample")}
    for key, values in codes.items():
        assert all(value_text(voice, key, value) for value in values)
    with pytest.raises(WordsError):
        value_text(voice, "scale", "cubic")


@pytest.mark.slow
def test_the_page_is_written_and_the_same_input_has_the_same_bytes(record, tmp_path: Path):
    one, two = (write_page("plan", record, tmp_path / name, "zh", ("html",)) for name in "ab")
    assert {path.name for path in one} >= {"plan.zh.html", "plan_cohorts.zh.csv", "plan_numbers.zh.csv"}
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


# In a report


def test_without_a_plan_a_report_says_so_in_one_sentence(example_findings, lang):
    (block,) = plan_section(Voice(example_findings(), lang))
    assert block.text == Voice(example_findings(), lang).say("plan.none")


def test_a_followed_plan_is_named_by_its_number_and_date(example_findings, lang):
    (block,) = plan_section(Voice(example_findings(plan=FOLLOWED), lang))
    assert "ab12cd34" in block.text and "2015-12-01" in block.text
    assert ("一致" if lang == "zh" else "every choice is as planned") in block.text
    absent = FOLLOWED.model_copy(update={"outcome_present": False})
    (other,) = plan_section(Voice(example_findings(plan=absent), lang))
    assert other.text != block.text and ("还没有" if lang == "zh" else "held no outcome") in other.text


@pytest.mark.parametrize("verdict", ["gain", "unclear", "pretrend_failed"])
def test_departures_stand_in_a_table_in_words(example_findings, registered, lang, verdict):
    found = FOLLOWED.model_copy(update={"departures": DEPARTURES, "added": ["estimators.weighted", "groups.near"]})
    text, table = plan_section(Voice(example_findings(verdict, plan=found), lang))
    assert "13" in text.text and f"{('表' if lang == 'zh' else 'Table ')}" in text.text
    assert len(table.rows) == len(DEPARTURES) and table.name == "plan_departures"
    cells = [cell.text for row in table.rows for cell in row.cells]
    assert all(cells) and not any("not_yet" in cell or "None" in cell or "{" in cell for cell in cells)
    for said in (text.text, *cells, *table.notes, table.caption):
        assert check(said, lang, verdict) == [], said


def test_one_departure_is_told_as_one(example_findings, registered, lang):
    found = FOLLOWED.model_copy(update={"departures": DEPARTURES[:1]})
    told = without_marks(" ".join(sentences(Voice(example_findings(plan=found), lang))))
    assert ("有一处" if lang == "zh" else "One choice is other than planned") in told


def test_a_public_report_shows_no_count_of_a_departure(example_findings, registered, lang):
    found = FOLLOWED.model_copy(update={"departures": DEPARTURES}).without_counts()
    assert {d.key for d in found.departures if d.hidden} == {"units", "cohorts"} and {"units", "cohorts"} <= set(COUNTS)
    _, table = plan_section(Voice(example_findings(plan=found), lang))
    assert not any(number in cell.text for row in table.rows[-2:] for cell in row.cells[1:] for number in ("99", "97", "20", "18"))


def test_a_plan_in_findings_is_read_back_from_their_file(example_findings):
    found = example_findings(plan=FOLLOWED.model_copy(update={"departures": DEPARTURES}))
    assert type(found).model_validate(json.loads(found.model_dump_json())).plan.departures[1].planned == [2013, 2022]
