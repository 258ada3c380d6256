"""How a text file is encoded: judged by its own bytes, all of them, never by a guess from a few."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from evalkit.errors import nearest
from evalkit.intake.observations import IntakeError, Place, Problem

CHUNK = 1 << 20  # bytes read at a time
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NAMES = ("utf-8", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be", "big5")


@dataclass(frozen=True)
class Text:
    """A text file as its bytes decode.

    ``lines`` and ``quotes`` count lines and double quotation marks, ``control`` says whether there are NUL characters.
    """

    path: Path
    zipped: bool
    encoding: str
    lines: int
    quotes: int
    control: bool

    def start(self, characters: int) -> str:
        """Return the first characters; no more than whole characters of the file."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        with opened(self.path, self.zipped) as stream:
            return decoder.decode(stream.read(characters))


def opened(path: Path, zipped: bool) -> IO[bytes]:
    """Open a file for reading, unpacked when it is zipped."""
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_text(path: Path, zipped: bool = False, encoding: str | None = None) -> Text:
    """Return a text file's encoding, after decoding it from the first byte to the last.

    A byte order mark decides; else NUL bytes beside every other character mean UTF-16; else the whole file must be UTF-8; else it
    must be GB18030 (GBK and GB2312 are part of it). An encoding that is given is used, and must fit the whole file too.

    Raises
    ------
    IntakeError
        UNKNOWN_ENCODING, ENCODING_DOES_NOT_FIT or NO_SUCH_ENCODING; DAMAGED_FILE for a broken gzip file.
    """
    try:
        with opened(path, zipped) as stream:
            start = stream.read(1 << 16)
        if encoding is not None:
            return _as_said(path, zipped, encoding, start)
        return _detected(path, zipped, start)
    except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
        raise IntakeError(Problem("DAMAGED_FILE", {"name": path.name, "format": "gzip"})) from broken


def _as_said(path: Path, zipped: bool, encoding: str, start: bytes) -> Text:
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        close = ", ".join(nearest(encoding, NAMES)) or ", ".join(NAMES)
        raise IntakeError(Problem("NO_SUCH_ENCODING", {"encoding": encoding, "nearest": close})) from None
    if codec == "utf-8" and start.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    if codec in {"gb2312", "gbk"}:
        codec = "gb18030"
    found = _decoded(path, zipped, codec)
    if isinstance(found, Text):
        return found
    raise IntakeError(Problem.at("ENCODING_DOES_NOT_FIT", [Place(line=found)], name=path.name, encoding=encoding))


def _detected(path: Path, zipped: bool, start: bytes) -> Text:
    failed: dict[str, int] = {}
    for codec in _candidates(start):
        found = _decoded(path, zipped, codec)
        if isinstance(found, Text):
            return found
        failed[codec] = found
    furthest = max(failed, key=lambda codec: failed[codec])
    facts = {"name": path.name, "encoding": furthest.removesuffix("-sig").upper()}
    raise IntakeError(Problem.at("UNKNOWN_ENCODING", [Place(line=failed[furthest])], **facts))


def _candidates(start: bytes) -> tuple[str, ...]:
    marked = next((codec for mark, codec in MARKS if start.startswith(mark)), None)
    if marked:
        return (marked,)
    whole = len(start) // 2 * 2
    even, odd = start[0:whole:2].count(0), start[1:whole:2].count(0)
    if odd > whole / 40 and even == 0:
        return ("utf-16-le",)
    if even > whole / 40 and odd == 0:
        return ("utf-16-be",)
    return ("utf-8", "gb18030")


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(CHUNK):
        yield piece


def _decoded(path: Path, zipped: bool, codec: str) -> Text | int:
    """Return what the whole file decodes to, or the line of the first byte that does not fit."""
    decoder = codecs.getincrementaldecoder(codec)()
    breaks = quotes = returns = 0
    control = False
    last = "\n"
    with opened(path, zipped) as stream:
        for piece in _pieces(stream):
            try:
                text = decoder.decode(piece)
            except UnicodeDecodeError as bad:
                return breaks + 1 + bad.object[: bad.start].count(b"\n")
            breaks, quotes, returns = breaks + text.count("\n"), quotes + text.count('"'), returns + text.count("\r")
            control = control or "\0" in text
            last = text[-1:] or last
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return breaks + 1
    return Text(path, zipped, codec, (breaks or returns) + (last not in "\r\n"), quotes, control)
