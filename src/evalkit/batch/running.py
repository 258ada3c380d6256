"""A batch: everything judged, what is unchanged left alone, the rest made by workers, and a record that survives any end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from evalkit.batch.failures import Failure
from evalkit.batch.jobs import Asked, Task
from evalkit.batch.judging import judged, refuse_unknown_counties
from evalkit.batch.key import unchanged
from evalkit.batch.ledger import Ledger, Row
from evalkit.batch.lock import alone
from evalkit.batch.making import Outcome, forget_failure, make, tell
from evalkit.batch.manifest import git_commit
from evalkit.batch.place import tidied
from evalkit.batch.refusal import of_the_disk
from evalkit.errors import EvalkitError
from evalkit.parallel import WorkersLost, as_finished

LOSSES = 3  # times in a row that workers may be lost without a report between


class Interrupted(KeyboardInterrupt):
    """A signal that ends the batch; ``number`` is SIGINT or SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Watcher(Protocol):
    """Whoever is told how a batch goes on."""

    def leftovers(self, count: int) -> None:
        """Unfinished reports of dead processes were removed."""

    def judged(self, total: int) -> None:
        """Everything has been judged; so many reports will be told of."""

    def told(self, number: int, total: int, row: Row) -> None:
        """One report is done, unchanged or failed."""


class Nobody:
    """A watcher who does nothing."""

    def leftovers(self, count: int) -> None:
        """Pass over."""

    def judged(self, total: int) -> None:
        """Pass over."""

    def told(self, number: int, total: int, row: Row) -> None:
        """Pass over."""


@dataclass(frozen=True)
class Batch:
    """A batch that has ended.

    Attributes
    ----------
    out : folder of results
    rows : what became of every report, in the order asked for
    counts : how many are done, unchanged, failed and interrupted
    signal : number of the signal that ended it, None when it came to its end
    site : the page that lists all reports, None when the batch was interrupted
    """

    out: Path
    rows: tuple[Row, ...]
    counts: dict[str, int]
    signal: int | None = None
    site: Path | None = None


def run_batch(
    asked: Asked,
    out: str | Path = "outputs",
    jobs: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    watcher: Watcher | None = None,
) -> Batch:
    """Make every report asked for and return what became of each.

    Parameters
    ----------
    asked : Asked
    out : folder of results; a folder for each report, batch.json and the index are written there
    jobs : worker processes, each with a kernel of its own
    scheduler : address of a dask scheduler whose workers see the same files, instead of jobs
    force : make again what has not changed
    watcher : who is told meanwhile

    Raises
    ------
    Refusal
        When another batch holds the folder, and when the disk refuses to go on; reports that are done stay.
    EvalkitError
        For what cannot be asked for: an unknown county, format or language, or a scheduler that is not there.

    Notes
    -----
    SIGINT and SIGTERM end workers and kernels and are told by ``Batch.signal``. After a kill of any kind the next batch finds every
    report whole, old or new, and removes what was unfinished.
    """
    out, watcher = Path(out), watcher or Nobody()
    with alone(out), _interrupts():
        watcher.leftovers(tidied(out, os.getpid()))
        ledger: Ledger | None = None
        try:
            found = _judged(asked, out)
            ledger = Ledger(out, asked, [_first_row(one) for one in found], {"jobs": jobs, "scheduler": scheduler})
            ledger.write()
            watcher.judged(len(found))
            _fill(ledger, found, jobs, scheduler, force, watcher)
            site = _site(out)
            ledger.close("finished")
        except Interrupted as stop:
            if ledger is not None:
                ledger.close("interrupted")
            return Batch(out, tuple(ledger.rows) if ledger else (), ledger.counts if ledger else {}, stop.number)
        except (EvalkitError, OSError) as problem:
            tidied(out, os.getpid())
            if ledger is not None:
                with suppress(OSError):  # on a full disk the record of the last finished report stands
                    ledger.close("interrupted")
            raise _told_both(problem, out) from None
        finally:
            tidied(out, os.getpid())
        return Batch(out, tuple(ledger.rows), ledger.counts, None, site)


def _told_both(problem: EvalkitError | OSError, out: Path) -> Exception:
    """Return what ends the batch, in words where the disk ended it."""
    return (of_the_disk(problem, out) or problem) if isinstance(problem, OSError) else problem


def _judged(asked: Asked, out: Path) -> list[Task | Failure]:
    """Return tasks and failures, each run once: two files that make the same run are one report."""
    found: dict[str, Task | Failure] = {}
    for one in judged(asked, out, git_commit()):
        found.setdefault(one.run_id or f"{one.job.name} {one.job.path}", one)
    results = list(found.values())
    if not results:
        raise EvalkitError("There is nothing to make: give a study, such as 'evalkit run notebooks/studies/industry.yml'.")
    refuse_unknown_counties(asked, results)
    return results


def _first_row(one: Task | Failure) -> Row:
    return Row(one.job, one.run_id, one.key if isinstance(one, Task) else None)


def _fill(ledger: Ledger, found: list[Task | Failure], jobs: int, scheduler: str | None, force: bool, watcher: Watcher) -> None:
    """Fill the rows of a batch: failures found before, reports that are unchanged, and the rest as workers finish it."""
    told = 0

    def tell_of(number: int, **known: Any) -> None:
        nonlocal told
        row = ledger.enter(number, **known)
        told += 1
        watcher.told(told, len(found), row)

    waiting: dict[int, Task] = {}
    for number, one in enumerate(found):
        if isinstance(one, Failure):
            tell_of(number, **_known(tell(one, ledger.out, os.getpid())))
        elif not force and unchanged(one.out / one.run_id, one.key):
            forget_failure(one)
            tell_of(number, status="unchanged", folder=one.run_id)
        else:
            waiting[number] = one
    with closing(_made(waiting, jobs, scheduler)) as outcomes:
        for number, outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
            tell_of(number, **_known(outcome))


def _made(waiting: dict[int, Task], jobs: int, scheduler: str | None) -> Generator[tuple[int, Outcome], None, None]:
    """Yield outcomes as they come; workers that are lost are replaced, and what they had is given to others."""
    from evalkit.batch.ending import end_kernels

    losses = 0
    while waiting:
        numbers = list(waiting)
        try:
            with closing(as_finished(make, list(waiting.values()), jobs, scheduler, end_kernels)) as finished:
                for place, outcome in finished:
                    losses = 0
                    del waiting[numbers[place]]
                    yield numbers[place], outcome
        except WorkersLost as problem:
            losses += 1
            if losses == LOSSES:
                for number, task in list(waiting.items()):
                    failure = Failure.of(task.job, task.titles, problem, task.run_id)
                    del waiting[number]
                    yield number, tell(failure, task.out, os.getpid())


def _known(outcome: Outcome) -> dict[str, Any]:
    """Return what an outcome says about its row."""
    known: dict[str, Any] = {"status": outcome.status, "seconds": outcome.seconds, "folder": outcome.folder.name}
    if outcome.failure is not None:
        notebook = None if outcome.notebook is None else f"{outcome.folder.name}/{outcome.notebook}"
        known |= {"kind": outcome.failure.kind, "reason": dict(outcome.failure.message)}
        known["cure"] = {lang: outcome.failure.cure(lang, notebook) for lang in ("zh", "en")}
    return known


def _site(out: Path) -> Path:
    from evalkit.site import write_site

    return write_site(out)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted once; a second one does not disturb the ending of what the first one stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def stop(number: int, _: object) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
