"""The one way many independent estimations are run: in this process, over several, or over the machines of a cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from evalkit.errors import EvalkitError

Map = Callable[..., Iterable[Any]]
"""What :func:`map` does: ``map(function, items)``, the results in the order of the items."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
WATCH = 0.3  # seconds between two looks of a worker at whether the process that started it is still there
GRACE = 3.0  # seconds that workers have to end what they started


class WorkersLost(EvalkitError):
    """Worker processes that ended without an answer: killed from outside, often for want of memory."""


def workers(jobs: int, scheduler: str | None = None) -> Map:
    """Return a map that runs over this many processes, or over a cluster, and keeps the order of the items.

    Parameters
    ----------
    jobs : processes, 1 or more; 1 stays in this process
    scheduler : address of a dask scheduler, such as ``tcp://10.0.0.5:8786``; its workers are used then, however many there are

    Raises
    ------
    EvalkitError
        When jobs is no whole number from 1 on, when the cluster cannot be reached, or when dask.distributed is not installed.

    Notes
    -----
    Functions and items travel to the processes by value (cloudpickle), lambdas too. The numbers do not depend on how many processes
    there are, because no seed is shared between items.

    Examples
    --------
    >>> from evalkit.parallel import workers
    >>> list(workers(1)(abs, [-1, 2]))
    [1, 2]
    """
    _judge(jobs)
    if scheduler is not None:
        return _over_cluster(scheduler)
    if jobs == 1:
        return map

    def over_processes(function: Callable[..., Any], *items: Iterable[Any]) -> Iterable[Any]:
        from joblib import Parallel, delayed

        results: Iterable[Any] = Parallel(n_jobs=int(jobs), return_as="generator")(
            delayed(function)(*item) for item in zip(*items, strict=False)
        )
        return results

    return over_processes


def as_finished(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int,
    scheduler: str | None = None,
    leaving: Callable[[], None] | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Yield (place of the item, result) as results come in; closing the iterator ends the workers at once.

    Parameters
    ----------
    function : of one item; function, items and results travel between processes
    items : what it is applied to
    jobs, scheduler : as in :func:`workers`
    leaving : what every worker does before it ends, such as to end processes of its own

    Raises
    ------
    WorkersLost
        When a worker was killed; what was yielded before stands.
    EvalkitError
        As :func:`workers` does. What the function raises is raised here.

    Notes
    -----
    Workers do linear algebra with one thread each, ignore Ctrl-C (whoever started them decides), and end when the process that
    started them is gone, however it ended.

    Examples
    --------
    >>> from evalkit.parallel import as_finished
    >>> sorted(as_finished(abs, [-1, 2], jobs=1))
    [(0, 1), (1, 2)]
    """
    _judge(jobs)
    if scheduler is not None:
        yield from _cluster_as_finished(function, items, scheduler, leaving)
    elif jobs == 1:
        try:
            for place, item in enumerate(items):
                yield place, function(item)
        finally:
            if leaving is not None:
                leaving()
    else:
        yield from _processes_as_finished(function, items, min(int(jobs), len(items)), leaving)


def _judge(jobs: int) -> None:
    if jobs < 1 or int(jobs) != jobs:
        raise EvalkitError(f"jobs is a whole number of processes from 1 on, not {jobs}.")


def _processes_as_finished(
    function: Callable[[Any], Any], items: Sequence[Any], jobs: int, leaving: Callable[[], None] | None
) -> Generator[tuple[int, Any], None, None]:
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    from joblib.externals.loky import ProcessPoolExecutor

    if not items:
        return
    pool = ProcessPoolExecutor(jobs, env=ONE_THREAD, initializer=_begin_work, initargs=(os.getpid(), leaving))
    whole = False
    try:
        places = {pool.submit(function, item): place for place, item in enumerate(items)}
        for done in as_completed(places):
            yield places.pop(done), done.result()
        whole = True
    except BrokenProcessPool as problem:
        raise WorkersLost(f"A worker process ended without an answer ({type(problem).__name__}). Memory may be short.") from None
    finally:
        processes = list((pool._processes or {}).values())
        if not whole:
            _end(processes)
        pool.shutdown(wait=True, kill_workers=not whole)


def _end(processes: Iterable[Any]) -> None:
    """Ask processes to end, and wait a little: what is left after that is killed with all it started."""
    processes = list(processes)
    for process in processes:
        process.terminate()
    limit = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, limit - time.monotonic()))


def _begin_work(parent: int, leaving: Callable[[], None] | None) -> None:
    """Make this process a worker: it leaves in order when it is told to, and when whoever started it is gone."""
    from multiprocessing.util import Finalize

    def leave(*_: object) -> None:
        if leaving is not None:
            leaving()
        os._exit(143)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        leave()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
    threading.Thread(target=watch, daemon=True).start()
    if leaving is not None:
        Finalize(None, leaving, exitpriority=10)


def _over_cluster(scheduler: str) -> Map:
    _distributed()

    def over_cluster(function: Callable[..., Any], *items: Iterable[Any]) -> Iterable[Any]:
        client = _client(scheduler)
        try:
            for future in client.map(function, *(list(item) for item in items), pure=False):
                yield future.result()
        finally:
            client.close()

    return over_cluster


def _cluster_as_finished(
    function: Callable[[Any], Any], items: Sequence[Any], scheduler: str, leaving: Callable[[], None] | None
) -> Generator[tuple[int, Any], None, None]:
    distributed = _distributed()
    client = _client(scheduler)
    whole = False
    places: dict[Any, int] = {}
    try:
        places = {future: place for place, future in enumerate(client.map(function, list(items), pure=False))}
        for done in distributed.as_completed(list(places), loop=client.loop):
            yield places.pop(done), done.result()
        whole = True
    except distributed.KilledWorker as problem:
        raise WorkersLost(f"Workers of the cluster ended without an answer ({problem}). Memory may be short.") from None
    finally:
        if not whole:
            client.cancel(list(places), force=True)
        if leaving is not None:
            client.run(leaving)
        client.close()


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise EvalkitError(
            "A scheduler needs dask.distributed, which is not installed. Install evalkit with its extra: pip install 'evalkit[cluster]'."
        ) from None
    return distributed


def _client(scheduler: str) -> Any:
    """Return a connection to a scheduler that leaves the process's other connections alone."""
    try:
        return _distributed().Client(scheduler, set_as_default=False, timeout="10s")
    except (OSError, ValueError) as problem:
        raise EvalkitError(
            f"There is no scheduler at {scheduler!r} ({problem}). Start one with 'dask scheduler' and give its address, such as "
            "tcp://10.0.0.5:8786."
        ) from None
