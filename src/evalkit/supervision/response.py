"""The slot for the locality's response: a file that the user writes, that no run overwrites, and that is searched for personal data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from evalkit.errors import ReportError, first_five
from evalkit.intake.disclosure import inspect
from evalkit.supervision.brief_records import Response, Stage
from evalkit.words import catalogue

NAME = "response.md"
FOLDER = "responses"
NONE_RECEIVED = "none_received"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_RUNS = re.compile(r"<!--.*?\bruns: ([^\n]*)\n.*?-->", re.DOTALL)


def slot(results: Path, studies: Sequence[str]) -> Path:
    """Return where the response to a brief about studies stands: beside the folders of runs, in one of its own.

    The folder of a run is replaced whole when the run is made again, and its name changes with the data; the name of a study does
    neither, so the response survives both.

    >>> slot(Path("outputs"), ["industry"]).as_posix()
    'outputs/responses/industry/response.md'
    """
    return results / FOLDER / "+".join(studies) / NAME


def opened(path: Path, run_ids: Sequence[str]) -> Path:
    """Make an empty slot with instructions where there is none yet; a file that is there stays as it is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        told = [catalogue(lang).say("brief.response.instructions") for lang in ("zh", "en")]
        path.write_text("\n".join(["<!--", *told, f"runs: {' '.join(run_ids)}", "-->", ""]) + "\n", encoding="utf-8")
    return path


def received(path: Path, run_ids: Sequence[str]) -> Response:
    """Return what stands in a slot, word for word, without the instructions.

    Raises
    ------
    ReportError
        For a file that is not UTF-8, and for a text that holds what looks personal.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ReportError(
            f"The response {path.name} is not UTF-8. Save it as UTF-8 (in Notepad: Save as, encoding UTF-8)."
        ) from wrong
    with TemporaryDirectory() as folder:
        (Path(folder) / path.name).write_text(text, encoding="utf-8")
        leaks = inspect(folder).leaks
    if leaks:
        words = catalogue("en")
        found = first_five(f"{words.say(f'personal.{leak.what}')}: {leak.count:,}" for leak in leaks)
        raise ReportError(
            f"The response {path.name} holds what looks personal ({found}), and a brief shows it word for word. Ask the locality for a text "
            "without it, and put that in its place."
        )
    paragraphs = [line.strip() for line in _COMMENT.sub("", text).splitlines() if line.strip()]
    marked = _RUNS.search(text)
    to_runs = marked[1].split() if marked else []
    same = not to_runs or sorted(to_runs) == sorted(run_ids)
    status: Literal["received", "awaited"] = "received" if paragraphs else "awaited"
    return Response(status=status, paragraphs=paragraphs, to_runs=to_runs, of_these_runs=same)


def response_to(given: str | Path | None, results: Path, studies: Sequence[str], run_ids: Sequence[str], stage: Stage) -> Response:
    """Return the response to a brief, opening its slot on the first run.

    Raises
    ------
    ReportError
        For a final brief without a response, and for one that is said not to have arrived while it stands in its slot.
    """
    own = slot(results, studies)
    if given == NONE_RECEIVED:
        if own.is_file() and received(own, run_ids).status == "received":
            raise ReportError(
                f"A response stands in {_told(own)}, so it cannot be {NONE_RECEIVED!r}. Leave `response` out, or empty the file."
            )
        return Response(status="none_received")
    path = own if given is None else Path(given)
    path = path if path.suffix else path / NAME
    if given is not None and not path.is_file() and path.parent.parent.name != FOLDER:  # a slot may still have to be opened
        raise ReportError(
            f"There is no response {_told(path)}. Give the file with the locality's response, or leave --response out: then its slot is opened "
            "beside the runs."
        )
    found = received(opened(path, run_ids), run_ids)
    if stage == "final" and found.status == "awaited":
        raise ReportError(
            f"A final brief shows what the locality answered, and {_told(path)} holds nothing yet. Write the response there as it was "
            f"received, or say response={NONE_RECEIVED!r} (--response {NONE_RECEIVED}) when the time for it has passed."
        )
    return found


def _told(path: Path) -> str:
    """Return a path without the folders of this machine: the folder and the name of the file."""
    return "/".join(path.parts[-3:])
