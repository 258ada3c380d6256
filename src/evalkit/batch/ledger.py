"""batch.json: what was asked for, and what became of every report, written after each of them."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from evalkit.batch.failures import without_machine
from evalkit.batch.jobs import Asked, Job
from evalkit.batch.manifest import moment
from evalkit.batch.notebook import as_json
from evalkit.batch.place import write_whole
from evalkit.batch.refusal import Refusal

RECORD = "batch.json"
Status = Literal["done", "unchanged", "failed", "interrupted"]


@dataclass(frozen=True)
class Row:
    """What became of one report; ``interrupted`` until something has. ``reason`` says by language why it failed, ``cure`` what to do."""

    job: Job
    run_id: str | None
    key: str | None
    status: Status = "interrupted"
    seconds: float = 0.0
    folder: str | None = None
    kind: str | None = None
    reason: Mapping[str, str] = field(default_factory=dict)
    cure: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the row as batch.json holds it."""
        said: dict[str, Any] = {}
        if self.status == "failed":
            said = {"kind": self.kind, "reason": without_machine(self.reason, self.job), "cure": dict(self.cure)}
        return {
            "report": self.job.kind,
            "study": self.job.label,
            "county": self.job.county,
            "county_name": self.job.county_name,
            "run_id": self.run_id,
            "status": self.status,
            "folder": self.folder,
            "seconds": self.seconds,
            "key": self.key,
            **said,
        }


class Ledger:
    """The rows of a batch, in the order asked for; every change is on the disk before the next."""

    def __init__(self, out: Path, asked: Asked, rows: list[Row], options: Mapping[str, Any]) -> None:
        self.out, self.asked, self.rows, self.options = out, asked, list(rows), dict(options)
        self.started, self.state = moment(time.time()), "running"

    def enter(self, number: int, **known: Any) -> Row:
        """Fill a row, write all, and return it."""
        self.rows[number] = replace(self.rows[number], **known)
        self.write()
        return self.rows[number]

    def close(self, state: Literal["finished", "interrupted"]) -> None:
        """Say that nothing more will come."""
        self.state = state
        self.write()

    @property
    def counts(self) -> dict[str, int]:
        """How many reports are done, unchanged, failed and interrupted."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in ("done", "unchanged", "failed", "interrupted")}

    def write(self) -> None:
        """Write batch.json; whoever reads it meanwhile finds the one before."""
        content = {
            "state": self.state,
            "asked": {**asked_record(self.asked, self.out), **self.options},
            "counts": self.counts,
            "process": os.getpid(),
            "started": self.started,
            "rows": [row.record() for row in self.rows],
        }
        write_whole(self.out / RECORD, as_json(content), os.getpid())


def asked_record(asked: Asked, out: Path) -> dict[str, Any]:
    """Return what was asked for, with files as seen from the folder of results: both may move together."""
    return {
        "studies": [_from(path, out) for path in asked.studies],
        "county": list(asked.county),
        "languages": list(asked.languages),
        "formats": None if asked.formats is None else list(asked.formats),
        "parts": list(asked.parts),
        "data": None if asked.data is None else _from(asked.data, out),
        "received": [[_from(mapping, out), None if data is None else _from(data, out)] for mapping, data in asked.received],
    }


def last_asked(out: Path) -> tuple[Asked, dict[str, Any]]:
    """Return what the last batch of a folder was asked for and its options; raises Refusal where there was none."""
    try:
        said = json.loads((out / RECORD).read_text(encoding="utf-8"))["asked"]
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, KeyError):
        raise Refusal("no_last_batch", folder=str(out)) from None
    asked = Asked(
        studies=tuple(_back(name, out) for name in said["studies"]),
        county=tuple(said["county"]),
        languages=tuple(said["languages"]),
        formats=None if said["formats"] is None else tuple(said["formats"]),
        parts=tuple(said.get("parts", ("effect",))),  # a folder of an earlier version names none
        data=None if said["data"] is None else _back(said["data"], out),
        received=tuple((_back(mapping, out), None if data is None else _back(data, out)) for mapping, data in said["received"]),
    )
    return asked, {name: said[name] for name in ("jobs", "scheduler")}


def _from(path: Path, out: Path) -> str:
    return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()


def _back(name: str, out: Path) -> Path:
    return Path(os.path.relpath(out.resolve() / name))
