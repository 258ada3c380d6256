"""The dictionary of programmes: the names that offices use, and the code that each stands for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from evalkit.codes import read_table, table
from evalkit.errors import RolloutError, first_five, nearest, unknown


@dataclass(frozen=True)
class Programmes:
    """Names of programmes and the codes they stand for.

    Attributes
    ----------
    codes : the codes, in the order of the table, local ones last
    names : code -> its name in Chinese and in English
    known : every name, folded -> the codes it stands for (several for a slogan)
    spelled : every name, folded -> as the table writes it

    Examples
    --------
    >>> Programmes.shipped().code("易地搬迁")
    'relocation'
    """

    codes: tuple[str, ...]
    names: Mapping[str, tuple[str, str]] = field(repr=False)
    known: Mapping[str, tuple[str, ...]] = field(repr=False)
    spelled: Mapping[str, str] = field(repr=False)

    @classmethod
    def shipped(cls) -> Programmes:
        """Return the dictionary that ships with the package: fourteen programmes and some slogans."""
        return _shipped()

    def with_local_names(self, source: str | Path | pd.DataFrame) -> Programmes:
        """Return the dictionary with a file of local names, columns ``name`` and ``programme``.

        A local name wins over a shipped one. A programme that is not among the codes introduces itself by a row
        whose name and programme are the same. Raises RolloutError for a file without these columns, for a
        programme that is neither known nor introduced, and for a name that is given to two programmes.
        """
        rows = _local_rows(source)
        new = [programme for name, programme in rows if name == programme and programme not in self.codes]
        codes = (*self.codes, *dict.fromkeys(new))
        if strangers := sorted({programme for _, programme in rows} - set(codes)):
            raise RolloutError(
                f"{unknown('programme', strangers[0], codes)} In the file of local names, {len(strangers):,} programmes are not known: "
                f"{first_five(strangers)}. A new programme introduces itself by a row whose name and programme are the same."
            )
        local: dict[str, tuple[str, ...]] = {}
        for name, programme in rows:
            if local.setdefault(fold(name), (programme,)) != (programme,):
                raise RolloutError(
                    f"The file of local names gives {name!r} to two programmes: {local[fold(name)][0]} and {programme}. Keep one."
                )
        names = {**self.names, **{code: (code, code) for code in new}}
        return Programmes(codes, names, {**self.known, **local}, {**self.spelled, **{fold(name): name for name, _ in rows}})

    def code(self, name: str) -> str:
        """Return the code of a programme; raises RolloutError for an unknown name and for a slogan that covers several."""
        found = self.known.get(fold(name), ())
        if len(found) != 1:
            raise RolloutError(self.doubt(name))
        return found[0]

    def doubt(self, name: str) -> str:
        """Return why a name stands for no single programme, and which names come close."""
        if found := self.known.get(fold(name), ()):
            return (
                f"{name!r} is a name for several programmes: {', '.join(found)}. Each has dates of its own, "
                "so give each its own rows under its own name."
            )
        close = [f"{self.spelled[word]!r} ({self.known[word][0]})" for word in nearest(fold(name), list(self.known))]
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        return (
            f"There is no programme {name!r}.{hint} Allowed: {', '.join(self.codes)}, and their usual names. "
            "Local names go into a file with the columns name and programme: Events.read(..., programmes=file)."
        )


def fold(name: object) -> str:
    """Return a name without what offices write differently: width, case, spaces and punctuation.

    >>> fold("Whole-Village "), fold("“转、扶、搬、保、救”")
    ('wholevillage', '转扶搬保救')
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", str(name)).casefold())


def folded_words(rows: pd.DataFrame, code: str) -> list[tuple[str, str, str]]:
    """Return (folded, as written, code) for every name in a table of words, whose column ``code`` holds the code."""
    found = []
    for row in rows.to_dict("records"):
        written = dict.fromkeys([row[code], row["zh"], row["en"], *row["words"].split("|")])
        found += [(fold(word), word, row[code]) for word in written if fold(word)]
    return found


@cache
def _shipped() -> Programmes:
    rows = table("programmes")
    single = rows[rows["kind"] == "programme"]
    # A slogan's own code is a list of codes, not a name.
    words = folded_words(single, "programme") + [
        w for w in folded_words(rows[rows["kind"] == "slogan"], "programme") if "|" not in w[1]
    ]
    known = _each_once(words)
    names = {row["programme"]: (row["zh"], row["en"]) for row in single.to_dict("records")}
    return Programmes(tuple(names), names, known, {folded: written for folded, written, _ in reversed(words)})


def _each_once(words: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {}
    for folded, written, code in words:
        codes = tuple(code.split("|"))
        if known.setdefault(folded, codes) != codes:
            raise RolloutError(f"The table of programmes gives {written!r} to both {known[folded]} and {codes}. Keep one.")
    return known


def _local_rows(source: str | Path | pd.DataFrame) -> list[tuple[str, str]]:
    """Return (name, programme) for every row of a file of local names."""
    if isinstance(source, pd.DataFrame):
        rows = source
    elif Path(source).is_file():
        rows = read_table(Path(source))
    else:
        raise RolloutError(f"There is no file of local names {str(source)!r}. Give a csv file with the columns name and programme.")
    if missing := [column for column in ("name", "programme") if column not in rows.columns]:
        raise RolloutError(
            f"The file of local names has no column {first_five(missing)}. It needs name and programme; it has {first_five(rows.columns)}."
        )
    pairs = [(str(name).strip(), str(code).strip()) for name, code in zip(rows["name"], rows["programme"], strict=True)]
    return [(name, code) for name, code in pairs if name or code]
