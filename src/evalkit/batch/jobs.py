"""What a batch is asked for, and the jobs that makes: a report each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalkit.errors import EvalkitError, unknown
from evalkit.intake.personal_patterns import safe

FORMATS = ("html", "pdf", "docx")
LANGUAGES = {"zh": ("zh",), "en": ("en",), "both": ("zh", "en")}
EVERY = "all"
PARTS = ("effect", "dossier", "who", "scan", "case", "brief")
"""What can be made of a study: the main report, and the pages besides it, in the order in which they are made."""


@dataclass(frozen=True)
class Asked:
    """What a batch was asked for.

    Attributes
    ----------
    studies : study files
    county : codes or names of counties, ("all",) for every county with an effect, () for the whole area of each study
    languages : of the reports
    formats : of the reports, None for what the notebook writes by itself
    data : a data file that takes the place of the studies' own
    received : pairs of a mapping and its data file, for pages of data quality
    parts : the main report and the pages besides it; the report is always made
    """

    studies: tuple[Path, ...] = ()
    county: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("zh", "en")
    formats: tuple[str, ...] | None = None
    data: Path | None = None
    received: tuple[tuple[Path, Path | None], ...] = ()
    parts: tuple[str, ...] = ("effect",)

    def __post_init__(self) -> None:
        checked = (
            ("format", self.formats or (), FORMATS),
            ("language", self.languages, LANGUAGES["both"]),
            ("part", self.parts, PARTS),
        )
        for kind, given, allowed in checked:
            for name in given:
                if name not in allowed:
                    raise EvalkitError(unknown(kind, name, allowed))


@dataclass(frozen=True)
class Job:
    """One report to make: a study on the whole of its area or on one county, or the page on a data file.

    ``label`` is what folders and messages call it as long as nothing else is known: no two jobs of a batch share it.
    """

    kind: Literal["effect", "intake"]
    path: Path
    label: str
    data: Path | None = None
    county: str | None = None
    county_name: str | None = None

    @property
    def name(self) -> str:
        """The label and the county: industry 990121 甲山县."""
        return " ".join(dict.fromkeys(part for part in (self.label, self.county, self.county_name) if part))


@dataclass(frozen=True)
class Step:
    """One notebook of a report: the template, the name of the executed one, and its parameters but for ``out_dir``."""

    template: Path
    target: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Titles:
    """What a report is called, by language."""

    title: Mapping[str, str]
    programme: Mapping[str, str]


NO_TITLES = Titles({}, {})


@dataclass(frozen=True)
class Task:
    """A judged job, with everything a worker needs to make it.

    Attributes
    ----------
    job : Job
    titles : Titles
    run_id : name of the folder of results
    key : fingerprint of what it depends on
    steps : notebooks, in order
    what, inputs : for the manifest: what is evaluated and how, and the fingerprints of the files that went in
    out : folder of results, absolute
    owner : process that asked for it
    commit : of the checkout evalkit runs from
    """

    job: Job
    titles: Titles
    run_id: str
    key: str
    steps: tuple[Step, ...]
    what: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, str] = field(repr=False)
    out: Path
    owner: int
    commit: str | None = None


def labels(paths: Sequence[Path]) -> list[str]:
    """Return short names of files, no two alike; files of one name are told apart by their folders, and by a number at last.

    >>> labels([Path("a/study.yml"), Path("b/study.yml"), Path("c/health.yml")])
    ['a-study', 'b-study', 'health']
    """
    stems = [safe(path.stem) for path in paths]
    often = Counter(stems)
    named = [stem if often[stem] == 1 else f"{path.resolve().parent.name}-{stem}" for stem, path in zip(stems, paths, strict=True)]
    seen: Counter[str] = Counter()
    distinct = []
    for name in named:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return distinct
