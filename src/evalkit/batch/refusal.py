"""Why a batch cannot start or go on, in both languages."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from evalkit.errors import BatchError
from evalkit.words import catalogue

DISK = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "not_permitted",
    errno.EPERM: "not_permitted",
    errno.ENOTDIR: "no_folder",
    errno.EEXIST: "no_folder",
}
"""What the disk refused, by the number of the error: going on with the next report would end the same way."""


class Refusal(BatchError):
    """A batch that cannot start or go on: a code with its facts, said in English by ``str()``, in either language by ``say``."""

    def __init__(self, code: str, **facts: object) -> None:
        self.code, self.facts = code, facts
        super().__init__(self.say("en"))

    def say(self, lang: str) -> str:
        """Return the reason and the cure in one language."""
        return catalogue(lang).say(f"batch.refusal.{self.code}", **self.facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.code, self.facts)


def _again(code: str, facts: dict[str, object]) -> Refusal:
    return Refusal(code, **facts)


def of_the_disk(problem: OSError, out: Path) -> Refusal | None:
    """Return why the disk stops the batch, None for an error that says nothing about the folder of results."""
    code = DISK.get(problem.errno or 0)
    return None if code is None else Refusal(code, folder=str(out), reason=problem.strerror or str(problem))


def said(problem: BaseException) -> dict[str, str]:
    """Return what an error says by language; one that speaks English only says it in both places.

    >>> said(ValueError("no"))
    {'zh': 'no', 'en': 'no'}
    """
    say = getattr(problem, "say", None)
    return {lang: say(lang) if say is not None else str(problem) for lang in ("zh", "en")}
