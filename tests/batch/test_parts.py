"""Pages besides the report: asked for by name, made in the folder of the report, and refused where the study cannot have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalkit.batch.jobs import PARTS, Asked, Job
from evalkit.batch.judging import PAGES, study_task
from evalkit.batch.ledger import asked_record
from evalkit.county import within
from evalkit.errors import EvalkitError, StudyError
from evalkit.places import shared
from evalkit.study import Study
from evalkit.study_data import Loaded, load

STUDIES = shared("notebooks", "studies")


def steps(tmp_path: Path, parts: tuple[str, ...], county: str | None = None, name: str = "industry") -> list[str]:
    path = STUDIES / f"{name}.yml"
    study = Study.from_yaml(path)
    asked = Asked((path,), languages=("zh",), parts=parts)
    own = (study, loaded(study)) if county is None else within(study, loaded(study), county)
    task = study_task(Job("effect", path, name, county=county), *own, asked, tmp_path)
    return [step.target for step in task.steps]


def loaded(study: Study) -> Loaded:
    return load(study, None, STUDIES)


def test_the_report_is_made_alone_unless_more_is_asked_for(tmp_path: Path) -> None:
    assert steps(tmp_path, ("effect",)) == ["notebook.ipynb"]
    assert steps(tmp_path, ("brief", "dossier")) == ["notebook.ipynb", "dossier.ipynb", "brief.ipynb"]


def test_all_means_all_that_a_study_can_have(tmp_path: Path) -> None:
    assert steps(tmp_path, PARTS) == ["notebook.ipynb", "dossier.ipynb", "scan.ipynb", "brief.ipynb"]
    assert steps(tmp_path, PARTS, county="990124") == ["notebook.ipynb", "case.ipynb", "brief.ipynb"]


@pytest.mark.parametrize(
    ("part", "county", "lacking"),
    [
        ("who", None, "who:"),
        ("case", None, "--county"),
        ("scan", "990124", "without --county"),
        ("dossier", "990124", "without --county"),
    ],
)
def test_a_page_that_a_study_cannot_have_says_what_it_lacks(tmp_path: Path, part: str, county: str | None, lacking: str) -> None:
    with pytest.raises(StudyError, match=f"{part}.*{lacking}"):
        steps(tmp_path, ("effect", part), county)


def test_an_unknown_page_is_refused_with_those_there_are() -> None:
    with pytest.raises(EvalkitError, match=r"part 'dosier'.*dossier"):
        Asked(parts=("dosier",))
    assert set(PAGES) == set(PARTS[1:])


def test_a_batch_remembers_its_pages(tmp_path: Path) -> None:
    assert asked_record(Asked(parts=("effect", "who")), tmp_path)["parts"] == ["effect", "who"]


def test_what_a_locality_answers_lies_beside_the_runs(tmp_path: Path) -> None:
    path = STUDIES / "industry.yml"
    study = Study.from_yaml(path)
    task = study_task(Job("effect", path, "industry"), study, loaded(study), Asked((path,), parts=("effect", "brief")), tmp_path)
    brief = task.steps[-1].parameters
    assert brief["response"] == str(tmp_path / "responses" / "industry") and brief["runs"] is None


def at_once(tmp_path: Path, **changes: Any) -> Study:
    """A study whose counties start in one year, so that nobody is left to compare with."""
    counties = pd.read_csv(shared("data", "demo", "counties.csv"))
    counties.assign(industry_first_year=2016).to_csv(tmp_path / "counties.csv", index=False)
    plain = Study.from_yaml(STUDIES / "industry.yml").model_dump(mode="json", exclude_unset=True)
    return Study.model_validate(plain | {"data": str(tmp_path / "counties.csv"), "truth": None} | changes)


def pages_of(study: Study, tmp_path: Path, parts: tuple[str, ...], county: str | None = None) -> list[str]:
    asked = Asked((tmp_path / "study.yml",), languages=("zh",), parts=parts)
    (tmp_path / "study.yml").write_text("study", encoding="utf-8")
    task = study_task(Job("effect", tmp_path / "study.yml", "study", county=county), study, loaded(study), asked, tmp_path)
    return [step.target for step in task.steps]


def test_where_nobody_is_left_to_compare_with_the_report_and_the_brief_are_made(tmp_path: Path) -> None:
    study = at_once(tmp_path)
    assert pages_of(study, tmp_path, PARTS) == ["notebook.ipynb", "brief.ipynb"]
    for part in ("dossier", "scan"):
        with pytest.raises(StudyError, match=f"{part}.*somebody to compare with; the report says"):
            pages_of(study, tmp_path, ("effect", part))


def test_all_of_a_county_of_households_leaves_out_what_would_show_one(tmp_path: Path) -> None:
    made = steps(tmp_path, PARTS, county="990124", name="relocation_households")
    assert made == ["notebook.ipynb", "who.ipynb", "brief.ipynb"]
    with pytest.raises(StudyError, match=r"case.*a household may not be shown"):
        steps(tmp_path, ("effect", "case"), county="990124", name="relocation_households")


def test_a_group_that_is_not_there_is_told_before_a_kernel_starts(tmp_path: Path) -> None:
    group = {"column": "no_such", "values": [1], "word": {"zh": "组", "en": "group"}}
    study = at_once(tmp_path, who={"groups": {"g": group}}, unit_level="county")
    with pytest.raises(StudyError, match=r"who\.groups\.g\.column: there is no column 'no_such'"):
        pages_of(study, tmp_path, ("effect", "who"))
    with pytest.raises(StudyError, match="who: needs unit_level"):
        pages_of(at_once(tmp_path, who={"lines": ["registry"]}), tmp_path, PARTS)
