"""The file of a plan: written once, sealed, and refused when it was changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.errors import StudyError, first_five
from evalkit.plan_records import SHORT, PlanRecord


def text(record: PlanRecord) -> str:
    """Return a plan as the text of its file."""
    return json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"


def write(record: PlanRecord, path: str | Path, force: bool = False) -> Path:
    """Write a plan and return its path; a plan that is there already is a record, and is kept unless told otherwise.

    Raises StudyError when the file is there and ``force`` is not said.
    """
    path = Path(path)
    if path.exists() and not force:
        raise StudyError(
            f"{path.name} is there already, and a plan is a record: it is not overwritten. Write the new plan under another name with --out, "
            "so that both can be compared, or replace the old one with --force."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(record), encoding="utf-8")
    return path


def read(path: str | Path) -> PlanRecord:
    """Read a plan, and refuse one that was changed after it was made.

    Raises
    ------
    StudyError
        For a missing file, for what is no plan, and for a plan whose content does not match its number or its seal.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(
            f"plan: there is no file {path.name}. 'evalkit plan STUDY.yml' writes one; or remove plan: from the study."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        inner = content["planned"]
        numbers = {"number": (content["hash"], digest(inner)), "seal": (content["seal"], seal(content))}
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as problem:
        raise StudyError(
            f"plan: {path.name} is no plan that 'evalkit plan' wrote ({type(problem).__name__}: {problem}). Restore the file as it was."
        ) from None
    for name, (stands, made) in numbers.items():
        if stands != made:
            raise StudyError(
                f"plan: {path.name} was changed after it was made: its {name} is {str(stands)[:SHORT]}, its content makes {made[:SHORT]}. Restore "
                "the file as it was. What is done otherwise than planned is said in the study, and the report lists it."
            )
    try:
        return PlanRecord.model_validate(content)
    except ValidationError as problem:
        where = first_five(".".join(map(str, error["loc"])) for error in problem.errors())
        raise StudyError(
            f"plan: {path.name} was written by evalkit {content.get('version')}, whose plans had other keys ({where}). Use that version."
        ) from None


def digest(content: Any) -> str:
    """Return the sha256 of a record in its canonical form: sorted keys, no blanks.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def seal(content: dict[str, Any]) -> str:
    """Return the sha256 of all that a file of a plan holds besides its seal."""
    return digest({key: value for key, value in content.items() if key != "seal"})
