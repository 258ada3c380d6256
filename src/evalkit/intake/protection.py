"""Personal data taken out of a table: columns dropped, hashed with a salt of the user's own or masked, and the record of it."""

from __future__ import annotations

import hmac
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.codes import table
from evalkit.errors import nearest
from evalkit.intake.observations import IntakeError, Problem
from evalkit.intake.personal_patterns import MASK, policy, safe
from evalkit.intake.privacy import HASH_LENGTH, Personal, arrow, candidates, filled, is_text
from evalkit.words import Catalogue

WAYS = ("drop", "hash", "mask")


@dataclass(frozen=True)
class Removal:
    """What was done to one column: its heading, what it held, in how many cells, and the way: drop, hash or mask."""

    heading: str
    what: str
    way: str
    found_by: str
    count: int

    def say(self, words: Catalogue) -> str:
        """Return the removal in words."""
        what = words.say(f"personal.{self.what}")
        return words.say(f"privacy.{self.way}", heading=self.heading, what=what, count=f"{self.count:,}")


@dataclass(frozen=True)
class Protected:
    """The record of what was removed, without a value: ``kept`` holds the old positions of the columns that are left."""

    removed: tuple[Removal, ...]
    kept: tuple[int, ...]
    headings: tuple[str, ...]


def read_salt(source: str) -> bytes:
    """Return the salt that a file holds, or an environment variable when the source is ``env:NAME``.

    Raises
    ------
    IntakeError
        When there is no such file or variable, or the salt is shorter than 16 bytes.
    """
    if source.startswith("env:"):
        salt = os.environ.get(source.removeprefix("env:"), "").strip().encode()
    else:
        salt = Path(source).read_bytes().strip() if Path(source).is_file() else b""
    if not salt:
        raise IntakeError(Problem("SALT_NOT_FOUND", {"source": source if source.startswith("env:") else Path(source).name}))
    return _long_enough(salt)


def _long_enough(salt: str | bytes) -> bytes:
    salt, least = salt.encode() if isinstance(salt, str) else salt, int(policy("salt_length"))
    if len(salt) < least:
        raise IntakeError(Problem("SALT_TOO_SHORT", {"least": least}))
    return salt


def _ways(headings: Sequence[str], personal: Sequence[Personal], how: Mapping[str, str], salted: bool) -> dict[int, str]:
    """Return the way of every column that is to be changed, by position; raises IntakeError with all problems at once."""
    problems: list[Problem] = []
    for heading, way in how.items():
        if heading not in headings:
            close = nearest(heading, list(headings))
            problems.append(Problem("PRIVACY_HEADING_ABSENT", {"heading": heading, "nearest": close or "-"}))
        if way not in WAYS:
            problems.append(Problem("PRIVACY_WAY_UNKNOWN", {"heading": heading, "way": way}))
    ways = {column.position: how.get(headings[column.position], "drop") for column in personal}
    ways |= {position: how[heading] for position, heading in enumerate(headings) if heading in how}
    hashed = [position for position in sorted(ways) if ways[position] == "hash"]
    if hashed and not salted:
        problems.append(Problem("SALT_NEEDED", {"headings": [headings[position] for position in hashed]}))
    for column in personal:
        if column.digits_lost and column.position in hashed:
            problems.append(Problem("LOST_DIGITS_HASHED", {"heading": column.heading}, count=column.count))
    if problems:
        raise IntakeError(problems)
    return ways


def _hashed(values: pa.Array, salt: bytes) -> pd.Series:
    """Return (n,) hashes: HMAC-SHA-256 of the value without width, spaces and hyphens, its first 16 hexadecimal characters."""
    encoded = values.dictionary_encode()
    hashes = []
    for value in encoded.dictionary.to_pylist():
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", str(whole))).upper()
        hashes.append(hmac.digest(salt, plain.encode(), "sha256").hex()[:HASH_LENGTH] if plain else None)
    return pd.Series(pa.array(hashes, pa.large_string()).take(encoded.indices).to_pandas(), dtype="str")


def _masked(values: pa.Array, whole: bool) -> pd.Series:
    """Return the column with what looks personal masked: the whole cell, or the stretch of text; numbers become missing."""
    rows, texts = (np.flatnonzero(filled(values)), []) if whole else candidates(values)
    if not is_text(values):
        gone = np.isin(np.arange(len(values)), rows)
        return pd.Series(values.to_numpy(zero_copy_only=False), dtype="float64").mask(gone)
    column: pd.Series = values.to_pandas().astype(object)
    column.iloc[rows] = MASK if whole else [safe(text) for text in texts]
    return pd.Series(column, dtype="str")


def protect(
    cells: pd.DataFrame,
    headings: Sequence[str],
    personal: Sequence[Personal],
    how: Mapping[str, str] | None = None,
    *,
    salt: str | bytes | None = None,
) -> tuple[pd.DataFrame, Protected]:
    """Return the cells without personal data, their columns numbered anew from 0, and the record of what was removed.

    Parameters
    ----------
    personal : what ``find_personal`` found
    how : heading -> "drop" (whatever is not named), "hash" (an identifier by which households are followed) or "mask"
        Mask replaces what looks personal inside a text, and the whole cell below a personal heading. A column that nobody found can be
        named too.
    salt : str or bytes
        The secret of the hashes, at least 16 bytes, from ``read_salt``; the same salt gives the same hash. It is kept nowhere.

    Raises
    ------
    IntakeError
        When a heading or a way is unknown, a hash lacks its salt, or a column to hash has lost digits, so that persons would merge.

    Examples
    --------
    >>> from evalkit.intake.privacy import find_personal
    >>> cells = pd.DataFrame({0: ["张某", "李某"], 1: ["2350", "2410"]})
    >>> left, record = protect(cells, ["户主", "收入"], find_personal(cells, ["户主", "收入"]))
    >>> record.headings, [(removal.heading, removal.way, removal.count) for removal in record.removed]
    (('收入',), [('户主', 'drop', 2)])
    """
    ways = _ways(headings, personal, how or {}, salt is not None)
    secret = _long_enough(salt) if salt is not None else b""
    by_heading = {column.position for column in personal if column.found_by == "heading"}
    kept = tuple(position for position in range(len(headings)) if ways.get(position) != "drop")
    columns: dict[int, pd.Series] = {}
    for new, position in enumerate(kept):
        column = cells.iloc[:, position]
        if way := ways.get(position):
            values = arrow(column)
            column = _hashed(values, secret) if way == "hash" else _masked(values, position in by_heading)
            column.index = cells.index
        columns[new] = column
    record = Protected(
        tuple(_removals(cells, headings, personal, ways)), kept, tuple(safe(headings[position]) for position in kept)
    )
    return pd.DataFrame(columns, index=cells.index), record


def _removals(
    cells: pd.DataFrame, headings: Sequence[str], personal: Sequence[Personal], ways: Mapping[int, str]
) -> Iterator[Removal]:
    named = {column.position for column in personal}
    for column in personal:
        yield Removal(column.heading, column.what, ways[column.position], column.found_by, column.count)
    for position in sorted(set(ways) - named):
        count = int(filled(arrow(cells.iloc[:, position])).sum())
        yield Removal(safe(headings[position]), "chosen", ways[position], "choice", count)


@cache
def _signature() -> re.Pattern[str]:
    """Return the pattern of a word of a signature (data/codes/layout_words.csv) with a colon, a blank or a name behind it."""
    words = table("layout_words")
    words = words[words["kind"] == "signature"]
    free, bound = (
        # 填 表 人 and 填表人 are the same word, and Tel is no part of "hotel".
        "|".join(
            (r"\b" if word.isascii() else "") + r"\s*".join(map(re.escape, word))
            for word in words.loc[words["colon"] == colon, "word"]
        )
        for colon in ("no", "yes")
    )
    sign = r"\s*(?:[（(][^（）()]{0,8}[）)]\s*)?[:：]"
    alone = rf"(?:^|(?<=[\s，,；;。、]))(?:{free})(?:\s+\S|[+\d]|[一-鿿·]{{2,4}}(?:\s|$))"
    return re.compile(rf"(?:{free}|{bound}){sign}|{alone}", re.IGNORECASE)


def unsigned(lines: Iterable[str]) -> tuple[list[str], int]:
    """Return the lines around a table, masked, without the signatures and contacts they end with, and how many lines had some.

    What stands before the first signature of a line stays; a line that holds nothing else goes.

    >>> unsigned(["注：本表为快报数。", "注：不含市区。 填表人：张某 联系电话：8000000", "审核人 李某"])
    (['注：本表为快报数。', '注：不含市区。'], 2)
    """
    kept, signed = [], 0
    for line in lines:
        match = _signature().search(line)
        signed += match is not None
        if left := line[: match.start()].rstrip() if match else line:
            kept.append(safe(left))
    return kept, signed
