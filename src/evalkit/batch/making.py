"""One report made by a worker: its notebooks executed, searched for personal data, recorded, and put in its place."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.batch.failures import FAILURE, Failure, unknown_folder, write_failure
from evalkit.batch.jobs import NO_TITLES, Task
from evalkit.batch.manifest import manifest
from evalkit.batch.notebook import Stop, as_json, disk_error, execute, machine_names
from evalkit.batch.place import put, workplace
from evalkit.batch.refusal import DISK, Refusal, of_the_disk
from evalkit.intake.disclosure import refuse_leaks
from evalkit.intake.observations import IntakeError

FAILED = "-failed"
SPACE = 500_000  # bytes that must be free for a failure to be the report's own


@dataclass(frozen=True)
class Outcome:
    """What became of a task: done, or failed with its failure, or nothing because the disk refused."""

    status: Literal["done", "failed", "refused"]
    folder: Path
    seconds: float = 0.0
    failure: Failure | None = None
    notebook: str | None = None
    refusal: Refusal | None = None


def make(task: Task) -> Outcome:
    """Make a report and return what became of it; nothing half made is ever in its place.

    A report that cannot be made is a folder with the notebook that stopped and failure.json, beside one that was finished earlier. Every folder is searched for personal
    numbers before it comes to its place; where there are some, nothing of it stays but the message.
    """
    started = time.time()
    target = task.out / task.run_id
    try:
        with workplace(task.out, task.run_id, task.owner) as folder:
            failure = _made(task, folder, started)
            notebook = None
            if failure is not None:
                failure, notebook = _told(failure, folder)
                target = _beside_a_report(target, failure)
            put(folder, target)
        if target.name == task.run_id:
            forget_failure(task)
    except OSError as problem:
        refusal = of_the_disk(problem, task.out)
        if refusal is None:
            raise
        return Outcome("refused", target, refusal=refusal)
    except Refusal as refusal:
        return Outcome("refused", target, refusal=refusal)
    seconds = round(time.time() - started, 1)
    return Outcome("done" if failure is None else "failed", target, seconds, failure, notebook)


def _made(task: Task, folder: Path, started: float) -> Failure | None:
    """Execute the notebooks of a report in a folder and write its manifest; return what kept it from being made."""
    try:
        for step in task.steps:
            parameters = {**step.parameters, "out_dir": str(folder)}
            stop = execute(step.template, folder / step.target, parameters, _names(task, folder, parameters))
            if stop is not None:
                _refuse_when_the_disk_stopped_it(stop, task, folder)
                return Failure(task.job, task.titles, stop.name, {"zh": stop.said, "en": stop.said}, task.run_id)
        record = folder / "manifest.json"
        written = manifest(task, folder, started, round(time.time() - started, 1))
        record.write_text(as_json(written), encoding="utf-8")
        inspection = refuse_leaks(folder)
        record.write_text(as_json(written | {"not_searched": inspection.skipped_kinds}), encoding="utf-8")
    except IntakeError as problem:
        _emptied(folder)
        return Failure.of(task.job, task.titles, problem, task.run_id)
    except Refusal as problem:
        if problem.code != "kernel_lost":
            raise
        return Failure.of(task.job, task.titles, problem, task.run_id)
    return None


def _told(failure: Failure, folder: Path) -> tuple[Failure, str | None]:
    """Leave in the folder of a failure its notebook and what is said about it, if nothing personal is in either."""
    for path in folder.iterdir():
        if path.suffix != ".ipynb":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    notebook = next((path.name for path in sorted(folder.glob("*.ipynb"), reverse=True)), None)
    write_failure(folder, failure, notebook)
    try:
        refuse_leaks(folder)
    except IntakeError as found:  # what stopped the run may quote the same data
        _emptied(folder)
        failure, notebook = Failure.of(failure.job, NO_TITLES, found, failure.run_id), None
        write_failure(folder, failure, None)
    return failure, notebook


def tell(failure: Failure, out: Path, owner: int) -> Outcome:
    """Write the folder of a failure that was found before a kernel started."""
    try:
        with workplace(out, failure.folder, owner) as folder:
            failure, _ = _told(failure, folder)
            put(folder, out / failure.folder)
    except OSError as problem:
        refusal = of_the_disk(problem, out)
        if refusal is None:
            raise
        raise refusal from None
    return Outcome("failed", out / failure.folder, 0.0, failure)


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _names(task: Task, folder: Path, parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the texts of this machine that a notebook can hold, and what stands in their place."""
    given = {value: Path(value).name for value in parameters.values() if isinstance(value, str) and len(Path(value).parts) > 1}
    return machine_names() | {str(task.out): task.out.name} | given | {str(folder): task.run_id}


def _refuse_when_the_disk_stopped_it(stop: Stop, task: Task, folder: Path) -> None:
    """Raise what the disk refused, when it was the disk that stopped a notebook."""
    number = disk_error(stop)
    if number is None and shutil.disk_usage(folder).free < SPACE:
        number = errno.ENOSPC
    if number in (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR) and task.run_id not in stop.said:
        return  # of another file than those of the report
    if number in DISK:
        raise Refusal(DISK[number], folder=str(task.out), reason=stop.said.splitlines()[0])


def _beside_a_report(target: Path, failure: Failure) -> Path:
    """Return where a failure is put: a report of the same inputs that was finished earlier stays, unless numbers of persons are found."""
    if (target / "manifest.json").is_file() and failure.kind != IntakeError.__name__:
        return target.with_name(f"{target.name}{FAILED}")
    return target


def forget_failure(task: Task) -> None:
    """Remove the folders of earlier failures of the same job: without an id, and beside a report that stood."""
    for earlier in (task.out / unknown_folder(task.job), task.out / f"{task.run_id}{FAILED}"):
        if (earlier / FAILURE).is_file():
            shutil.rmtree(earlier)
