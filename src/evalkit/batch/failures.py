"""A report that could not be made: what is said about it, and the folder that says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit import errors
from evalkit.batch.jobs import Job, Titles
from evalkit.batch.notebook import as_json, machine_names, plain
from evalkit.batch.refusal import Refusal, said
from evalkit.intake.observations import Problem
from evalkit.words import catalogue

FAILURE = "failure.json"


@dataclass(frozen=True)
class Failure:
    """Why a report was not made: the kind of error and what it says, by language.

    ``run_id`` is there where it was known already, ``problems`` where intake found them.
    """

    job: Job
    titles: Titles
    kind: str
    message: Mapping[str, str]
    run_id: str | None = None
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, job: Job, titles: Titles, problem: BaseException, run_id: str | None = None) -> Failure:
        """Return the failure that an error makes of a job."""
        kind = "BatchError" if isinstance(problem, Refusal) else type(problem).__name__
        return cls(job, titles, kind, said(problem), run_id, getattr(problem, "problems", ()))

    @property
    def folder(self) -> str:
        """Name of the folder that tells of it."""
        return self.run_id or unknown_folder(self.job)

    def cure(self, lang: str, notebook: str | None) -> str:
        """Return what to do: the house's own errors say it themselves, others stand in the notebook."""
        own = isinstance(getattr(errors, self.kind, None), type) or self.kind in ("IntakeError", "WordsError", "OSError")
        words = catalogue(lang)
        if own or notebook is None:
            return words.say("batch.cure.mend")
        return words.say("batch.cure.read", notebook=notebook)

    def record(self, notebook: str | None) -> dict[str, Any]:
        """Return what ``failure.json`` holds."""
        called = dict.fromkeys(("zh", "en"), self.job.label)
        return {
            "study": self.job.label,
            "county": self.job.county,
            "county_name": self.job.county_name,
            "title": dict(self.titles.title) or called,
            "programme": dict(self.titles.programme) or called,
            "kind": self.kind,
            "message": without_machine(self.message, self.job),
            "notebook": notebook,
        }


def without_machine(said: Mapping[str, str], job: Job) -> dict[str, str]:
    """Return what is said by language with folders of this machine shortened to their names."""
    folders = {path.parent for path in (job.path, job.data) if path is not None}
    places = {str(place): place.name for folder in folders for place in (folder, folder.resolve()) if len(place.parts) > 1}
    return {lang: plain(text, machine_names() | places) for lang, text in said.items()}


def unknown_folder(job: Job) -> str:
    """Return the folder of a failure whose run has no id yet: study-county-failed.

    >>> unknown_folder(Job("effect", Path("a.yml"), "a", county="99/01"))
    'a-99_01-failed'
    """
    parts = [job.label, *([] if job.county is None else [job.county]), "failed"]
    return "-".join(re.sub(r"[^\w.]", "_", part) for part in parts)


def write_failure(folder: Path, failure: Failure, notebook: str | None) -> None:
    """Write failure.json into a folder."""
    (folder / FAILURE).write_text(as_json(failure.record(notebook)), encoding="utf-8")
