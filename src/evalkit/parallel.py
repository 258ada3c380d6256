"""The one way many independent estimations are run: a map, in this process or over several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from evalkit.errors import EvalkitError

Map = Callable[..., Iterable[Any]]
"""What :func:`map` does: ``map(function, items)``, the results in the order of the items."""


def workers(jobs: int) -> Map:
    """Return a map that runs over this many processes and keeps the order of the items.

    Parameters
    ----------
    jobs : processes, 1 or more; 1 stays in this process

    Raises
    ------
    EvalkitError
        When jobs is no whole number from 1 on.

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
    if jobs < 1 or int(jobs) != jobs:
        raise EvalkitError(f"jobs is a whole number of processes from 1 on, not {jobs}.")
    if jobs == 1:
        return map

    def over_processes(function: Callable[..., Any], *items: Iterable[Any]) -> Iterable[Any]:
        from joblib import Parallel, delayed

        results: Iterable[Any] = Parallel(n_jobs=int(jobs), return_as="generator")(
            delayed(function)(*item) for item in zip(*items, strict=False)
        )
        return results

    return over_processes
