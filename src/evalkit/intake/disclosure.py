"""What leaves the house: a search of the results for personal data."""

from __future__ import annotations

import gzip
import html
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path, PurePosixPath

import pandas as pd

from evalkit.intake.observations import SHOWN, IntakeError, Problem
from evalkit.intake.personal_patterns import policy, recognise, safe
from evalkit.intake.privacy import find_personal
from evalkit.words import Catalogue

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PAGES = {".html", ".htm", ".xml", ".svg"}
# Tags that stand inside a line: a number can go on behind them. Of Word's, all but paragraphs, cells, rows, breaks and tabs.
_TAG = (
    r"</?(?:w:(?!(?:p|tc|tr|br|tab|cr)[ />])[A-Za-z]+|a:(?:r|t|rPr)|text:span|rPr|rFont|sz|color|family|charset|scheme|tspan|span|strong|em|font|mark|small|"
    r"sub|sup|wbr|code|[abirtu])(?: [^<>]*)?/?>"
)
_INLINE, _TORN = re.compile(_TAG), re.compile(rf"[0-9０-９](?:{_TAG})+[0-9０-９]")
_DRAWN = re.compile(r' (?:d|points)="[^"]*"')  # the coordinates of a drawing
_EMBEDDED = re.compile(r"[A-Za-z0-9+/](?<![A-Za-z0-9+/]{2})[A-Za-z0-9+/]{69,}={0,2}")  # pictures and fonts in base64
_ESCAPED = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["/])|[nrtbf\\])')
_RUN = re.compile(r"[0-9０-９](?<![0-9][0-9])(?<![0-9]\.[0-9])(?:[ \-－‐‑‒–—　\u00a0\u200b]?[0-9０-９]){6,}")
_BEFORE, _AFTER = 16, 6  # characters around a run of digits that say what it is
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"wOFF", b"wOF2", b"\0\1\0\0", b"OTTO")


@dataclass(frozen=True)
class Leak:
    """A file of the results that holds what looks personal: its name below the folder, what, and how often; never which."""

    file: str
    what: str
    count: int


@dataclass(frozen=True)
class Inspection:
    """The search of a folder: what was found, how many files were read, and which could not be (pictures, fonts, other binary files)."""

    leaks: tuple[Leak, ...]
    searched: int
    skipped: tuple[str, ...]

    @property
    def skipped_kinds(self) -> dict[str, int]:
        """How many files of each kind could not be read, by the last part of their names.

        >>> Inspection((), 3, ("a.png", "figures/b.PNG", "c")).skipped_kinds
        {'other': 1, 'png': 2}
        """
        kinds = Counter(PurePosixPath(name.lower()).suffix.removeprefix(".") or "other" for name in self.skipped)
        return dict(sorted(kinds.items()))


@dataclass(frozen=True)
class LeakProblem(Problem):
    """The problem that results hold what looks personal: it names the first five files and the kinds, in the reader's language."""

    leaks: tuple[Leak, ...] = ()

    def say(self, words: Catalogue) -> str:
        """Return the problem as a sentence with its files."""
        shown = [
            words.say("disclosure.leak", file=leak.file, what=words.say(f"personal.{leak.what}"), count=f"{leak.count:,}")
            for leak in self.leaks[:SHOWN]
        ]
        more = words.say("place.more", count=len(self.leaks) - SHOWN) if len(self.leaks) > SHOWN else ""
        found = words.say("disclosure.between").join(shown) + more
        return words.say(f"{self.kind}.{self.code}", found=found, count=f"{self.count:,}")


def scan(folder: Path | str) -> tuple[Leak, ...]:
    """Return what looks personal in the files of a folder and below; ``inspect`` says as well which files could not be read."""
    return inspect(folder).leaks


def inspect(folder: Path | str) -> Inspection:
    """Search every file below a folder, and the names of the files, for identity, card and telephone numbers and personal headings.

    Texts of every kind, pages, notebooks, CSV tables (their headings too), Excel and Word files, gzip and zip archives, Parquet files and
    the plain strings of PDF files are read. Embedded pictures and fonts are left out.
    """
    root = Path(folder)
    leaks: list[Leak] = []
    skipped: list[str] = []
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in files:
        name = path.relative_to(root).as_posix()
        found = _in_file(name, path.read_bytes())
        if found is None:
            skipped.append(safe(name))
        in_name = Counter(span.what for span in recognise(name))
        for what, count in sorted(((found or Counter()) + in_name).items()):
            leaks.append(Leak(safe(name), what, count))
    return Inspection(tuple(leaks), len(files) - len(skipped), tuple(skipped))


def refuse_leaks(folder: Path | str) -> Inspection:
    """Search a folder and return which files could not be read; raises IntakeError when one holds what looks personal."""
    inspection = inspect(folder)
    if leaks := inspection.leaks:
        raise IntakeError(LeakProblem("PERSONAL_DATA_IN_OUTPUT", count=len({leak.file for leak in leaks}), leaks=leaks))
    return inspection


def _in_file(name: str, content: bytes) -> Counter[str] | None:
    """Return how often each kind occurs in a file, None when the file cannot be read."""
    suffix = PurePosixPath(name.lower()).suffix
    if content[:2] == b"\x1f\x8b":
        return _in_file(name[: -len(suffix)] if suffix in (".gz", ".gzip") else name, gzip.decompress(content))
    if content[:4] == b"PK\3\4":
        return _in_archive(content)
    if content[:4] == b"PAR1":
        return _in_table(pd.read_parquet(BytesIO(content)))
    if content[:5] == b"%PDF-":
        return _in_text(strings) if (strings := _pdf_text(content)) else None
    if (text := _decoded(content)) is None:
        return None
    if suffix in SEPARATORS and (frame := _as_table(text, SEPARATORS[suffix])) is not None:
        return _in_table(frame)
    return _in_page(text) if suffix in PAGES else _in_text(text)


def _decoded(content: bytes) -> str | None:
    """Return a text file's text, None for a binary file."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if content.startswith(PICTURES) or b"\0" in content[:8000]:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # digits are the same in every encoding that remains
        return content.decode("gb18030", errors="replace")


def _in_archive(content: bytes) -> Counter[str] | None:
    if not zipfile.is_zipfile(BytesIO(content)):
        return None
    found: Counter[str] = Counter()
    with zipfile.ZipFile(BytesIO(content)) as archive:
        if any(member.flag_bits & 1 for member in archive.infolist()):  # locked by a password
            return None
        for member in archive.infolist():
            found += _in_file(member.filename, archive.read(member)) or Counter()
    return found


def _as_table(text: str, separator: str) -> pd.DataFrame | None:
    """Return the table that a text file holds, None when its lines do not have the same number of cells."""
    try:
        frame = pd.read_csv(StringIO(text), sep=separator, dtype="str", keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    # Where rows are longer than the headings, the first cells were taken for names of rows.
    return frame if frame.shape[1] > 1 and isinstance(frame.index, pd.RangeIndex) else None


def _in_table(frame: pd.DataFrame) -> Counter[str]:
    headings = [str(heading) for heading in frame.columns]
    found = _in_text("\n".join(headings))
    for column in find_personal(frame, headings):
        found[column.what] += column.count
    return found


def _in_page(text: str) -> Counter[str]:
    """Return what a page holds, in its tags as well as across those that stand inside a line."""
    if "&#" in text:
        text = html.unescape(text)
    text = _DRAWN.sub(" ", text)
    found = _in_text(text)
    return found | _in_text(_INLINE.sub("", text)) if _TORN.search(text) else found


def _in_text(text: str) -> Counter[str]:
    if "\\" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2] or "\n", text)
        text = _DRAWN.sub(" ", text)
    runs = _around_digits(_EMBEDDED.sub(" ", text))
    spans = recognise(runs)
    found = Counter(span.what for span in spans)
    # Numbers of households pass the check digit of cards too, one in ten of them: cards pass it always.
    unsure = sum(span.what == "account" and not span.certain for span in spans)
    if unsure and unsure < float(policy("own_number_share")) * len(re.findall(r"(?<![0-9])[3-9][0-9]{15,18}(?![0-9])", runs)):
        found["account"] -= unsure
    return +found


def _around_digits(text: str) -> str:
    """Return only the stretches of a text that hold long runs of digits, a line each."""
    kept, end = [], 0
    runs = [match.span() for match in _RUN.finditer(text)]
    for start, stop in runs:
        kept.append(text[max(end, start - _BEFORE) : stop + _AFTER].replace("\n", " "))
        end = stop
    return "\n".join(kept)


def _pdf_text(content: bytes) -> str:
    """Return the plain strings of a PDF file; text set in embedded fonts by glyph numbers cannot be read and gives none."""
    lines = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        unpacker = zlib.decompressobj()
        try:
            page = unpacker.decompress(stream)
        except zlib.error:  # not compressed, or a picture
            page = stream
        for shown in re.findall(rb"\[((?:\((?:\\.|[^\\()])*\)|[^\[\]()])*)\] ?TJ|(\((?:\\.|[^\\()])*\)) ?Tj", page):
            strings = re.findall(rb"\(((?:\\.|[^\\()])*)\)", shown[0] or shown[1])
            lines.append(b"".join(strings).decode("latin-1"))
    return "\n".join(lines)
