"""One batch at a time in a folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalkit.batch.refusal import Refusal, of_the_disk

LOCK = ".lock"
RECORD = "batch.json"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold a folder of results, made where it is missing; the system frees it at once when the process ends, however it ends.

    Raises
    ------
    Refusal
        When another batch holds it, naming the process and when it started, or the folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise Refusal("two_batches", folder=str(out), **_holder(out)) from None
    except OSError as problem:
        raise of_the_disk(problem, out) or problem from None
    try:
        yield
    finally:
        lock.release()


def _holder(out: Path) -> dict[str, str]:
    """Return which process holds a folder and since when; it writes both into batch.json when it starts."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        record = {}
    return {"process": str(record.get("process", "?")), "started": str(record.get("started", "?"))}
