"""Where the notebook, the studies and the demo data lie: in the checkout, or beside the installed package."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import StudyError

_PACKAGE = Path(__file__).resolve().parent


def shared(*parts: str) -> Path:
    """Return a file or folder that ships with evalkit, such as ``shared("notebooks", "studies")``."""
    for root in (_PACKAGE.parents[1], _PACKAGE / "_shared"):
        if (path := root.joinpath(*parts)).exists():
            return path
    raise StudyError(f"{'/'.join(parts)} is not installed with this evalkit.")
