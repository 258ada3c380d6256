"""What lies in a folder of outputs: reports, runs that failed, pages of data quality, and what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from evalkit.findings import Verdict
from evalkit.grade_records import Letter
from evalkit.records import County
from evalkit.study import Words
from evalkit.words import LANGUAGES

FORMATS = {"html": "report", "pdf": "report", "docx": "report", "xlsx": "tables", "data": "data"}
"""The formats of a report and the stem of their files; ``data`` is the page of data quality."""

RESPONSES = "responses"
"""The folder of what localities answered to briefs, which is no run."""

NOTEBOOKS = ("notebook.ipynb", "data_intake.ipynb")
JUDGEMENTS: dict[str, str] = {
    "gain": "▲",
    "loss": "▼",
    "small_change": "◆",
    "unclear": "○",
    "pretrend_failed": "■",
    "too_few": "□",
    "one_unit": "◇",
    "cannot_show": "□",
    "weak": "○",
    "refused": "×",
}
"""The verdicts in the order of the list of counts, with the marks that reports give them."""


class _Lenient(BaseModel):
    """A part of a file: what the site shows, whatever else a later version may have written beside it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Range(_Lenient):
    """An estimate and, where there is one, its range."""

    estimate: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the range, or nothing."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class Sizes(_Lenient):
    """The headline in money and in per cent of base income."""

    money: Range
    percent: Range


class Alone(_Lenient):
    """What one unit alone has for a range; without money it has none."""

    money: Range | None = None


class Graded(_Lenient):
    """The evidence grade as its letter."""

    letter: Letter


class Shown(_Lenient):
    """What the site shows of findings; one without a causal figure has no headline, and one of an earlier version no grade."""

    title: Words
    programme: Words
    bundle: tuple[Words, ...] = ()
    window: tuple[int, int]
    verdict: Verdict
    grade: Graded | None = None
    headline: Sizes | None = None
    money: Words
    unit_word: Words
    level: FiniteFloat
    simulated: bool
    county: County | None = None
    alone: Alone | None = None

    @property
    def predicted(self) -> bool:
        """Whether the range is the prediction interval of one unit alone, and not a confidence interval."""
        return self.alone is not None and self.alone.money is not None

    @property
    def amount(self) -> Range | None:
        """The effect in money with its range, whichever kind of range the report gives; nothing where there is no estimate."""
        if self.alone is not None and self.alone.money is not None:
            return self.alone.money
        return None if self.headline is None else self.headline.money

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the range of the effect, or nothing."""
        return None if self.amount is None else self.amount.ends

    @model_validator(mode="after")
    def _estimated(self) -> Shown:
        if self.headline is None and self.verdict != "refused":
            raise ValueError("headline is missing, and the verdict is not 'refused'")
        return self


class Refusal(_Lenient):
    """What a run that failed left in its failure.json."""

    study: str
    county: str | None = None
    county_name: str | None = None
    title: Words | None = None
    programme: Words | None = None
    kind: str = ""
    message: Words | str = ""


T = TypeVar("T")
Part = TypeVar("Part", bound=_Lenient)


@dataclass(frozen=True)
class Files:
    """The files of one folder that a reader can open: by language and format, and the notebooks, each by its name."""

    pages: Mapping[str, Mapping[str, str]]
    notebooks: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether there is anything to open."""
        return bool(self.notebooks) or any(self.pages.values())


@dataclass(frozen=True)
class Entry:
    """One folder of outputs; ``shown`` is what was found there, or the reason why it cannot be told."""

    folder: str
    files: Files
    shown: Shown | Refusal | Unreadable | None


@dataclass(frozen=True)
class Unreadable:
    """Why a file cannot be listed: it is missing, it is not JSON, or places in it lack what the site shows."""

    file: str
    reason: Literal["missing", "not_json", "not_understood"]
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """How the jobs of the last batch ended: asked for, done (made now or unchanged), failed, and not come to an end."""

    asked: int
    done: int
    failed: int

    @property
    def open(self) -> int:
        """Jobs that neither succeeded nor failed."""
        return self.asked - self.done - self.failed


@dataclass(frozen=True)
class Outputs:
    """Everything in a folder of outputs, in the order of the page; ``others`` are folders that hold nothing of evalkit."""

    reports: tuple[tuple[Entry, Shown], ...]
    failures: tuple[tuple[Entry, Refusal], ...]
    unreadable: tuple[tuple[Entry, Unreadable], ...]
    data_pages: tuple[Entry, ...]
    others: tuple[str, ...]
    batch: Batch | Unreadable | None


def outputs(out: Path) -> Outputs:
    """Return what lies in the folders of out; hidden folders belong to runs that have not ended.

    Reports come by programme, then by county code: never by how large an effect is.
    """
    folders = sorted((path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")), key=lambda p: p.name)
    entries = [entry for folder in folders for entry in _entries(folder)]
    return Outputs(
        reports=tuple(sorted(_of(entries, Shown), key=_place)),
        failures=tuple(sorted(_of(entries, Refusal), key=lambda pair: (pair[1].study, pair[1].county or "", pair[0].folder))),
        unreadable=tuple(_of(entries, Unreadable)),
        data_pages=tuple(entry for entry in entries if entry.shown is None and entry.files),
        others=tuple(entry.folder for entry in entries if entry.shown is None and not entry.files and entry.folder != RESPONSES),
        batch=_batch(out / "batch.json"),
    )


def _of(entries: list[Entry], kind: type[T]) -> list[tuple[Entry, T]]:
    return [(entry, entry.shown) for entry in entries if isinstance(entry.shown, kind)]


def _place(report: tuple[Entry, Shown]) -> tuple[Any, ...]:
    entry, shown = report
    return shown.programme.zh, shown.county is not None, shown.county.code if shown.county else "", shown.window, entry.folder


def _entries(folder: Path) -> Iterator[Entry]:
    """Return the report of a folder and the failure of a later run, where there are both: neither hides the other."""
    files = _files(folder)
    failed, found = (folder / "failure.json").exists(), (folder / "findings.json").exists()
    if failed:
        yield Entry(folder.name, files, _read(folder / "failure.json", Refusal))
    if found:
        yield Entry(folder.name, files, _read(folder / "findings.json", Shown))
    elif not failed:
        report = any(name in files.pages[lang] for lang in LANGUAGES for name in FORMATS if name != "data")
        yield Entry(folder.name, files, Unreadable("findings.json", "missing") if report else None)


def _files(folder: Path) -> Files:
    pages = {}
    for lang in LANGUAGES:
        names = {kind: f"{stem}.{lang}.{'html' if kind == 'data' else kind}" for kind, stem in FORMATS.items()}
        pages[lang] = {kind: name for kind, name in names.items() if (folder / name).is_file()}
    return Files(pages, tuple(name for name in NOTEBOOKS if (folder / name).is_file()))


def _read(path: Path, kind: type[Part]) -> Part | Unreadable:
    """Return what the site shows of a file; what cannot be read is told by name and place, and stops nobody."""
    try:
        part = kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
        part.model_dump_json()  # JSON can hold half a character, which no page can
    except ValidationError as problem:
        places = sorted({".".join(str(part) for part in error["loc"]) for error in problem.errors()})
        return Unreadable(path.name, "not_understood", tuple(place for place in places if place))
    except (OSError, ValueError, RecursionError):
        return Unreadable(path.name, "not_json")
    return part


class _Job(_Lenient):
    status: str


class _Ledger(_Lenient):
    rows: tuple[_Job, ...]


def _batch(path: Path) -> Batch | Unreadable | None:
    """Count how the jobs of the last batch ended; a run that was repeated and one that was not count alike."""
    if not path.exists():
        return None
    ledger = _read(path, _Ledger)
    if isinstance(ledger, Unreadable):
        return ledger
    statuses = [job.status for job in ledger.rows]
    done = sum(status in ("done", "unchanged") for status in statuses)
    return Batch(len(statuses), done, statuses.count("failed"))
