"""What went into a report and what came out, with the versions, the machine and the time: the one file that may differ between runs."""

from __future__ import annotations

import platform
import subprocess
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import evalkit
from evalkit.batch.jobs import Task
from evalkit.batch.key import sha256

RECORDED = ("numpy", "scipy", "pandas", "matplotlib", "papermill", "ipykernel", "typst", "python-docx")


def manifest(task: Task, folder: Path, started: float, seconds: float) -> dict[str, Any]:
    """Return the manifest of a report made in a folder; times in seconds, ``started`` since 1970."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {
        "run_id": task.run_id,
        "key": task.key,
        **task.what,
        "inputs": dict(task.inputs),
        "outputs": {path.relative_to(folder).as_posix(): sha256(path) for path in files},
        "versions": {"evalkit": evalkit.__version__, "python": platform.python_version()} | _versions(),
        "git_commit": task.commit,
        "platform": platform.platform(),
        "started": moment(started),
        "seconds": seconds,
    }


def moment(when: float) -> str:
    """Return a time since 1970 as date, time and zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(when))


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout evalkit runs from, with + when files differ, or None outside one."""
    root = Path(evalkit.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if dirty.stdout else "")
