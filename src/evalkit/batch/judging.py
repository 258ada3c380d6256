"""Every study and its data judged before a kernel starts: tasks for what can be made, failures for what cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.batch.failures import Failure
from evalkit.batch.jobs import EVERY, NO_TITLES, PARTS, Asked, Job, Step, Task, Titles, labels
from evalkit.batch.key import key, sha256
from evalkit.batch.notebook import known_parameters
from evalkit.comparison import Comparison
from evalkit.county import NoCounty, counties, within
from evalkit.errors import EvalkitError, NoComparison, StudyError
from evalkit.intake.personal_patterns import safe
from evalkit.places import shared
from evalkit.site.entries import RESPONSES
from evalkit.study import Study
from evalkit.study_columns import judge_columns
from evalkit.study_data import Loaded, designed, load, run_id

NOTEBOOK = "10_intervention_effect.ipynb"
INTAKE_NOTEBOOK = "00_data_intake.ipynb"
WHOLE = "the whole area, without --county"
COMPARED = "somebody to compare with; the report says what may be told without, and which data would cure it"
EXITED = "everybody ever on the register: with sample: exited the data hold those alone who left poverty, in every county"
PAGES = {
    "dossier": "11_robustness_dossier.ipynb",
    "who": "12_who_gains.ipynb",
    "scan": "31_county_scan.ipynb",
    "case": "32_synthetic_case.ipynb",
    "brief": "30_supervision_brief.ipynb",
}


def template(name: str) -> Path:
    """Return the notebook of this name that ships with evalkit."""
    return shared("notebooks", name)


def judged(asked: Asked, out: Path, commit: str | None = None) -> Iterator[Task | Failure]:
    """Yield a task for every report that can be made and a failure for every one that cannot, in the order asked for.

    A study that cannot be read, or whose data do not allow the comparison, is one failure; the others go on.
    """
    out = out.resolve()
    for mapping, data in asked.received:
        yield from _received(mapping, data, asked, out, commit)
    paths = list({path.absolute(): path for path in asked.studies}.values())
    for path, label in zip(paths, labels(paths), strict=True):
        yield from _study(path, label, asked, out, commit)


def _study(path: Path, label: str, asked: Asked, out: Path, commit: str | None) -> Iterator[Task | Failure]:
    job = Job("effect", path, label, asked.data)
    titles = NO_TITLES
    try:
        study = Study.from_yaml(path)
        titles = Titles(study.title.model_dump(), study.programme.model_dump())
        loaded = load(study, asked.data, path.parent)
        if not asked.county:
            yield study_task(job, study, loaded, asked, out, commit)
            return
        found = counties(study, loaded)
    except (EvalkitError, OSError) as problem:
        yield Failure.of(job, titles, problem)
        return
    if study.intake is not None and not study.public:  # one page for all counties
        yield from _received(path.parent / study.intake, loaded.data, asked, out, commit, write_panel=False)
    for said in list(found) if EVERY in asked.county else asked.county:
        here = replace(job, county=said, county_name=found.get(said))
        try:
            parsed, alone = within(study, loaded, said)
            if alone.county is not None:
                here = replace(job, county=alone.county.code, county_name=alone.county.name)
            yield study_task(here, parsed, alone, asked, out, commit)
        except (EvalkitError, OSError) as problem:
            yield Failure.of(here, titles, problem)


def study_task(job: Job, study: Study, loaded: Loaded, asked: Asked, out: Path, commit: str | None = None) -> Task:
    """Return the task of a study on its data, or on those of one county.

    Raises StudyError, PanelError, RolloutError or DesignError for what the data do not allow.
    """
    comparison = None
    with suppress(NoComparison):  # a report without a causal figure is a report
        comparison = Comparison.of(designed(study, loaded.frame, loaded.events)[0])
    identity = run_id(study, loaded, loaded.data.parent / "truth.json" if loaded.data else None)
    parameters: dict[str, Any] = {"study": str(job.path.resolve()), "data": _absolute(loaded.data)}
    if job.county is not None:
        parameters["county"] = job.county
    steps = [
        Step(template(NOTEBOOK), "notebook.ipynb", parameters | _chosen(asked)),
        *_pages(job, study, loaded, comparison, asked, out),
    ]
    if study.intake is not None and not study.public and job.county is None:  # the page tells single rows: it stays in the office
        steps.append(_intake_step(job.path.parent / study.intake, loaded.data, asked, write_panel=False))
    what = {"study": study.model_dump(mode="json"), "seed": study.seed}
    if loaded.county is not None:
        what["county"] = loaded.county.model_dump(mode="json")
    inputs = {job.path.name: sha256(job.path), **loaded.inputs}
    titles = Titles(study.title.model_dump(), study.programme.model_dump())
    return _task(job, titles, identity, tuple(steps), what, inputs, asked, out, commit)


def intake_task(job: Job, asked: Asked, out: Path, write_panel: bool = True, commit: str | None = None) -> Task:
    """Return the task of the page on a data file; raises IntakeError for a file that cannot become a panel."""
    from evalkit.intake.mapping import Mapping
    from evalkit.intake.receiving import receive
    from evalkit.intake.summary import run_id as intake_id

    received = receive(job.data, job.path)
    steps = (_intake_step(job.path, job.data, asked, write_panel),)
    what = {"mapping": Mapping.from_yaml(job.path).model_dump(mode="json")}
    inputs = {job.path.name: sha256(job.path), **received.inputs}
    return _task(job, NO_TITLES, intake_id(received), steps, what, inputs, asked, out, commit)


def _received(
    mapping: Path, data: Path | None, asked: Asked, out: Path, commit: str | None, write_panel: bool = True
) -> Iterator[Task | Failure]:
    job = Job("intake", mapping, safe(f"{mapping.stem}-{data.stem}" if data else mapping.stem), data)
    try:
        yield intake_task(job, asked, out, write_panel, commit)
    except (EvalkitError, OSError) as problem:
        yield Failure.of(job, NO_TITLES, problem)


def _intake_step(mapping: Path, data: Path | None, asked: Asked, write_panel: bool) -> Step:
    parameters = {
        "mapping": str(mapping.resolve()),
        "data": _absolute(data),
        "languages": list(asked.languages),
        "write_panel": write_panel,
    }
    return Step(template(INTAKE_NOTEBOOK), "data_intake.ipynb", parameters)


def _pages(job: Job, study: Study, loaded: Loaded, comparison: Comparison | None, asked: Asked, out: Path) -> Iterator[Step]:
    """Yield the pages asked for besides the report; raises StudyError for one that the study cannot have, with what it lacks."""
    given = {"study": str(job.path.resolve()), "data": _absolute(loaded.data)} | _chosen(asked)
    lacks = {part: next(reasons, "") for part, reasons in _lacking(job, study, loaded, comparison).items()}
    for part in (part for part in PARTS[1:] if part in asked.parts):
        if lacking := lacks.get(part, ""):
            if set(asked.parts) >= set(PARTS):  # all of them means all that the study can have
                continue
            raise StudyError(f"The page {part!r} of the study {study.name!r} needs {lacking}.")
        if part in ("dossier", "who"):
            judge_columns(study, loaded.frame)
        if part == "who":
            from evalkit.who_gains.gaining import level_of_units  # the estimators come along: only those who ask for it pay

            level_of_units(study, loaded)
        own = {"county": job.county} if part in ("who", "case") and job.county else {}
        parameters = _of_brief(given, study, out) if part == "brief" else given | own
        yield Step(template(PAGES[part]), f"{part}.ipynb", parameters)


def _lacking(job: Job, study: Study, loaded: Loaded, comparison: Comparison | None) -> dict[str, Iterator[str]]:
    """Return what each page lacks, the first reason first."""
    level = study.unit_level or (loaded.received.mapping.level if loaded.received else None)
    covered = None if comparison is None else int(np.isin(comparison.cohort, comparison.cohorts).sum())
    reasons = {
        "who": {"who: (the groups and the poverty lines) in the study": not study.who},
        "scan": {
            "county: (the column of counties) in the study": study.county is None,
            WHOLE: bool(job.county),
            COMPARED: comparison is None,
            EXITED: study.sample == "exited",
        },
        "case": {
            "--county, the code or name of one county": not job.county,
            "counties or villages as units, since a household may not be shown": level == "household",
            COMPARED: comparison is None,
            f"one covered unit in the county, where there are {covered}": covered != 1,
        },
        "dossier": {WHOLE: bool(job.county), COMPARED: comparison is None},
    }
    return {part: (reason for reason, lacking in listed.items() if lacking) for part, listed in reasons.items()}


def _of_brief(given: dict[str, Any], study: Study, out: Path) -> dict[str, Any]:
    """Return the parameters of the brief, which reads what the notebooks before it stored in the folder they share.

    What the locality answers stands beside the folders of runs, which are replaced whole.
    """
    kept = {name: value for name, value in given.items() if name not in ("study", "data")}
    return kept | {"runs": None, "response": str(out / RESPONSES / study.name)}


def _chosen(asked: Asked) -> dict[str, Any]:
    """Return the parameters that are the same for every report of a batch; formats not asked for are the notebook's own."""
    formats = {} if asked.formats is None else {"formats": list(asked.formats)}
    return {"languages": list(asked.languages), **formats}


def _task(
    job: Job,
    titles: Titles,
    identity: str,
    steps: tuple[Step, ...],
    what: dict[str, Any],
    inputs: dict[str, str],
    asked: Asked,
    out: Path,
    commit: str | None,
) -> Task:
    for step in steps:
        known_parameters(step.template, {**step.parameters, "out_dir": ""})
    notebooks = {step.template.name: sha256(step.template) for step in steps}
    what |= _chosen(asked)
    plain = [
        {name: value for name, value in step.parameters.items() if name not in ("study", "data", "mapping", "response")}
        for step in steps
    ]
    return Task(
        job=job,
        titles=titles,
        run_id=identity,
        key=key(identity, notebooks, {"steps": plain, **what}, inputs),
        steps=steps,
        what=what,
        inputs=inputs | notebooks,
        out=out,
        owner=os.getpid(),
        commit=commit,
    )


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def refuse_unknown_counties(asked: Asked, results: list[Task | Failure]) -> None:
    """Refuse a county that no study of the batch has: it is a slip of the pen, not a report that failed. Raises NoCounty."""
    refused = {
        one.job.county: one.message for one in reversed(results) if isinstance(one, Failure) and one.kind == NoCounty.__name__
    }
    there = [one.job for one in results if isinstance(one, Task) or one.kind != NoCounty.__name__]
    known = {text for job in there for text in (job.county, job.county_name)}
    for said in asked.county:
        if said in refused and said not in known:
            raise NoCounty(refused[said])
