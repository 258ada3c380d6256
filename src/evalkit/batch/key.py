"""What a report depends on, as one fingerprint; a report whose fingerprint has not changed is not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import evalkit
from evalkit.places import shared


def sha256(path: Path) -> str:
    """Return the fingerprint of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key(
    identity: str, notebooks: Mapping[str, str], parameters: Mapping[str, Any], inputs: Mapping[str, str], source: str | None = None
) -> str:
    """Return the fingerprint of a report.

    Parameters
    ----------
    identity : the run's id
    notebooks : fingerprints of the notebooks, by name
    parameters : what they are run with, without paths
    inputs : fingerprints of the files that go in, by name
    source : fingerprint of evalkit itself; of the installed one without it

    Examples
    --------
    >>> one = key("a", {}, {"lang": "zh"}, {}, "s")
    >>> one == key("a", {}, {"lang": "zh"}, {}, "s"), one == key("a", {}, {"lang": "en"}, {}, "s")
    (True, False)
    """
    content = {
        "run_id": identity,
        "notebooks": dict(notebooks),
        "parameters": dict(parameters),
        "inputs": dict(inputs),
        "version": evalkit.__version__,
        "source": source or source_digest(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


@cache
def source_digest() -> str:
    """Return the fingerprint of the installed evalkit: its code, words, styles, and the tables it reads (codes, poverty lines)."""
    digest = hashlib.sha256()
    for root in (Path(evalkit.__file__).resolve().parent, shared("data", "codes")):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".pyo") and "_shared" not in path.parts:
                digest.update(f"{path.relative_to(root).as_posix()}:{sha256(path)}\n".encode())
    return digest.hexdigest()


def unchanged(folder: Path, fingerprint: str) -> bool:
    """Return whether a finished report with this fingerprint stands in a folder, with every file as it was written."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return False
    if manifest.get("key") != fingerprint:
        return False
    files = manifest["outputs"].items()
    return all((folder / name).is_file() and sha256(folder / name) == written for name, written in files)
