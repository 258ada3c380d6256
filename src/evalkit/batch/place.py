"""Where a report is made and how it comes to its place: whole, in one step, or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"
_ASIDE = ".before"
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


@contextmanager
def workplace(out: Path, name: str, owner: int) -> Iterator[Path]:
    """Give an empty folder to make a report in; whatever is left there at the end is removed."""
    folder = out / UNFINISHED / f"{name}-{owner}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def put(folder: Path, target: Path) -> None:
    """Move a whole folder to its place in one rename; one that stands there already changes places with it and is removed.

    Where the file system cannot exchange two folders, the old one is set aside first, and :func:`tidied` puts it back when the
    process was killed between the two renames.
    """
    if not target.exists():
        os.rename(folder, target)
    elif not _exchanged(folder, target):
        aside = folder.with_name(folder.name + _ASIDE)
        os.rename(target, aside)
        os.rename(folder, target)
        shutil.rmtree(aside)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step and return whether the system could (Linux, most file systems)."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    return exchange is not None and exchange(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def tidied(out: Path, owner: int | None = None) -> int:
    """Remove what dead processes left unfinished and return how many reports that were.

    Parameters
    ----------
    out : the folder of results
    owner : a process whose leftovers go although it is alive: the caller itself, when it makes nothing at the moment
    """
    place = out / UNFINISHED
    if not place.is_dir():
        return 0
    removed = 0
    for left in sorted(place.iterdir()):
        name, _, process = left.name.removesuffix(_ASIDE).rpartition("-")
        if not process.isdigit() or (_alive(int(process)) and int(process) != owner):
            continue
        if left.name.endswith(_ASIDE) and not (out / name).exists():
            os.rename(left, out / name)
            continue
        removed += left.is_dir()
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    if not any(place.iterdir()):
        place.rmdir()
    return removed


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # there is one, of somebody else
        return True
    return True


def write_whole(path: Path, content: str, owner: int) -> None:
    """Write a file so that a reader, and a kill at any moment, finds either the old one or the new one."""
    place = path.parent / UNFINISHED
    place.mkdir(parents=True, exist_ok=True)
    fresh = place / f"{path.stem}-{owner}"
    try:
        fresh.write_text(content, encoding="utf-8")
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
