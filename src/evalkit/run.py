"""Run one study or receive one file: the notebook executed, its findings and reports, and a manifest of what went in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit import errors
from evalkit.batch.jobs import LANGUAGES, Asked, Job, Task, labels
from evalkit.errors import EvalkitError, StudyError
from evalkit.places import shared


@dataclass(frozen=True)
class Run:
    """One finished run: its folder, the reports by language, and how many seconds it took."""

    study: str
    folder: Path
    reports: dict[str, Path]
    seconds: float


def run_study(
    study: str | Path,
    data: str | Path | None = None,
    lang: str = "both",
    out: str | Path = "outputs",
    county: str | None = None,
    formats: tuple[str, ...] | None = None,
    parts: tuple[str, ...] = ("effect",),
) -> Run:
    """Execute the notebooks of a study, or of one county of it, and return where its reports are.

    ``parts`` are the main report (always made) and the pages besides it: dossier, who, scan, case, brief.

    The study and its data are judged before a kernel starts, so that a mistake is told at once. Everything that depends on the
    time or the machine is in manifest.json alone. Many of them are made by :func:`evalkit.batch.running.run_batch`.

    Raises
    ------
    EvalkitError
        For a study or data that cannot be run, with the reason.
    """
    from evalkit.batch.judging import study_task
    from evalkit.county import within
    from evalkit.study import Study
    from evalkit.study_data import load

    path = Path(study)
    given = Path(data) if data is not None else None
    asked = Asked((path,), () if county is None else (county,), _languages(lang), formats, given, parts=parts)
    parsed = Study.from_yaml(path)
    loaded = load(parsed, given, path.parent)
    if county is not None:
        parsed, loaded = within(parsed, loaded, county)
    job = Job("effect", path, labels([path])[0], given)
    if loaded.county is not None:
        job = replace(job, county=loaded.county.code, county_name=loaded.county.name)
    task = study_task(job, parsed, loaded, asked, Path(out).resolve(), _commit())
    return _run(task, parsed.name, Path(out), "report")


def run_intake(mapping: str | Path, data: str | Path | None = None, lang: str = "both", out: str | Path = "outputs") -> Run:
    """Execute the intake notebook for a file and return where its data-quality pages are; the panel lies beside them.

    Raises
    ------
    IntakeError
        For a file that cannot become a panel, with every problem found.
    """
    from evalkit.batch.judging import intake_task

    mapping, source = Path(mapping), Path(data) if data is not None else None
    asked = Asked(languages=_languages(lang), received=((mapping, source),))
    task = intake_task(Job("intake", mapping, labels([mapping])[0], source), asked, Path(out).resolve(), commit=_commit())
    return _run(task, task.run_id, Path(out), "data")


def _run(task: Task, name: str, out: Path, page: str) -> Run:
    """Make one report in a kernel of its own and return it; what kept it from being made is raised in its own words."""
    from evalkit.batch.ending import end_kernels
    from evalkit.batch.making import make
    from evalkit.batch.place import tidied
    from evalkit.intake.observations import IntakeError

    try:
        made = make(task)
    finally:
        end_kernels()
        tidied(task.out)
    if made.refusal is not None:
        raise made.refusal
    if made.failure is not None and made.failure.problems:
        raise IntakeError(made.failure.problems)
    if made.failure is not None:
        where = f" (The notebook that stopped is {made.notebook} in {made.folder.name}.)" if made.notebook else ""
        raise _error(made.failure.kind)(made.failure.message["en"] + where)
    folder = out / task.run_id
    pages = {code: folder / f"{page}.{code}.html" for code in task.what["languages"]}
    extra = {f"data.{code}": folder / f"data.{code}.html" for code in task.what["languages"]} if len(task.steps) > 1 else {}
    return Run(name, folder, pages | extra, made.seconds)


def _error(kind: str) -> type[Exception]:
    found = getattr(errors, kind, EvalkitError)
    return found if isinstance(found, type) and issubclass(found, EvalkitError) else EvalkitError


def _languages(lang: str) -> tuple[str, ...]:
    if lang not in LANGUAGES:
        raise StudyError(f"There is no language {lang!r}. Allowed: {', '.join(LANGUAGES)}.")
    return LANGUAGES[lang]


def _commit() -> str | None:
    from evalkit.batch.manifest import git_commit

    return git_commit()


def executed(path: Path) -> str:
    """Return a committed notebook executed again on the demo data, without times: the same text as is committed, if nothing changed."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return str(nbformat.writes(notebook)) + "\n"


def execute_committed() -> None:
    """Execute the committed notebooks again in place."""
    for path in sorted(shared("notebooks").glob("*.ipynb")):
        path.write_text(executed(path), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    if sys.argv[1:] != ["notebooks"]:
        sys.exit("usage: python -m evalkit.run notebooks")
    execute_committed()
