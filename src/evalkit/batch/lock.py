"""One batch at a time in a folder of results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evalkit.batch.manifest import moment
from evalkit.batch.refusal import Refusal, of_the_disk

LOCK, HOLDER = ".lock", ".holder"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold a folder of results, made where it is missing; the system frees it at once when the process ends, however it ends.

    Raises
    ------
    Refusal
        When another batch holds it, naming the process and when it started, or the folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    holder = out / HOLDER
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK, timeout=0)
        lock.acquire()
        holder.write_text(json.dumps({"process": os.getpid(), "started": moment(time.time())}), encoding="utf-8")
    except Timeout:
        raise Refusal("two_batches", folder=str(out), **_said(holder)) from None
    except OSError as problem:
        raise of_the_disk(problem, out) or problem from None
    try:
        yield
    finally:
        with suppress(OSError):  # on a disk that went away the lock is freed all the same
            holder.unlink()
        lock.release()


def _said(holder: Path) -> dict[str, str]:
    """Return which process holds a folder and since when."""
    try:
        record = json.loads(holder.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        record = {}
    return {"process": str(record.get("process", "?")), "started": str(record.get("started", "?"))}
