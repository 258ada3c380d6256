"""The dictionary of columns: which canonical column a heading means, or that it is unknown, or that it may mean two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from evalkit.codes import read_table, table
from evalkit.errors import nearest as nearest_names
from evalkit.intake.headers import normalise, split_unit
from evalkit.intake.observations import IntakeError, Place, Problem

SHOWN = 30  # headings that a message lists by name, to be copied into a mapping file


@dataclass(frozen=True)
class Match:
    """What a heading means: the canonical column, the unit and the income definition where the heading says them."""

    canonical: str
    unit: str | None = None
    income_def: Literal["net", "disposable"] | None = None


@dataclass(frozen=True)
class Ambiguous:
    """A heading that may mean several columns; nothing is chosen."""

    heading: str
    canonicals: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One canonical column as data/codes/columns.csv describes it; ``low`` and ``high`` are in ``unit``."""

    canonical: str
    level: str
    kind: str
    unit: str | None
    zh: str
    en: str
    low: float | None
    high: float | None
    personal: str | None


@dataclass(frozen=True)
class ColumnDictionary:
    """The canonical columns and every word for them.

    >>> words = ColumnDictionary.shipped()
    >>> words.find("农村居民人均纯收入（元）")
    Match(canonical='income_pc', unit='元', income_def='net')
    >>> words.find("纳入年份").canonicals, words.find("第几批次")
    (('identified_year', 'treat_start'), None)
    >>> words.nearest("人均收纯入")[0]
    '人均纯收入 (income_pc)'
    """

    columns: Mapping[str, Column]
    synonyms: Mapping[str, tuple[Match, ...]] = field(repr=False)
    spellings: Mapping[str, str] = field(repr=False)
    groups: frozenset[str] = field(repr=False, default=frozenset())

    @classmethod
    def shipped(cls, extra: Path | None = None) -> ColumnDictionary:
        """Return the dictionary that ships with evalkit, with the words of a file of one's own added.

        Parameters
        ----------
        extra : path of a csv file with the columns synonym and canonical, and if wanted income_def, unit and note
            Its words win over the shipped ones; a word that it lists twice is ambiguous.

        Raises
        ------
        IntakeError
            SYNONYM_COLUMNS when the file lacks a column, UNKNOWN_COLUMN for canonical names that do not exist.
        """
        columns = {row["canonical"]: _column(row) for row in table("columns").to_dict("records")}
        own = {name: (name, Match(name)) for name in columns}
        spoken = _spoken(table("column_synonyms"), columns)
        added = _spoken(_read_extra(extra), columns) if extra else []
        synonyms: dict[str, tuple[Match, ...]] = {_key(name): (match,) for name, match in own.values()}
        for words in (spoken, added):
            synonyms |= _by_key(words)
        spellings = {_key(word): word for word, _ in [*own.values(), *spoken, *added]}
        groups = frozenset(_key(word) for word in table("text_group_headings")["heading"])
        return cls(columns, synonyms, spellings, groups)

    def find(self, heading: str) -> Match | Ambiguous | None:
        """Return what a heading means; None when it is unknown, Ambiguous when it may mean several columns.

        The heading may carry its unit. Rows of a heading are joined by "|": 收入情况|工资性收入(元) means what its last
        part means because 收入情况 says nothing of its own; 农村居民|人均纯收入 is read as one word.
        """
        stem, unit = split_unit(heading)
        for words, said in ((normalise(heading), None), (stem, unit)):
            for key in self._readings(words):
                if found := self.synonyms.get(key):
                    return _choose(heading, found, said)
        return None

    def _readings(self, words: str) -> Iterable[str]:
        """Return the ways to read a heading of several rows: as it is, as one word, without rows that say nothing or repeat."""
        yield _key(words)
        if "|" in words:
            parts = [_key(part) for part in words.split("|")]
            yield "".join(parts)
            telling = list(dict.fromkeys(part for part in parts[:-1] if part and part not in self.groups)) + parts[-1:]
            yield "".join(dict.fromkeys(telling))

    def nearest(self, heading: str, count: int = 3) -> list[str]:
        """Return the known words closest to a heading, each of another column, as "人均纯收入 (income_pc)"."""
        from rapidfuzz import fuzz, process

        wanted = _key(re.sub(r"(?:19|20)\d\d年?|\|", "", split_unit(heading)[0]))
        scored = process.extract(wanted, list(self.spellings), scorer=fuzz.ratio, limit=None)
        order = sorted(scored, key=lambda found: (-found[1], -fuzz.partial_ratio(wanted, found[0]), found[2]))
        listed: dict[tuple[str, ...], str] = {}
        for key, score, _ in order:
            canonicals = tuple(match.canonical for match in self.synonyms[key])
            if score > 0:
                listed.setdefault(canonicals, f"{self.spellings[key]} ({' / '.join(canonicals)})")
        return list(listed.values())[:count]

    def column(self, canonical: str) -> Column:
        """Return the description of a canonical column; raises IntakeError (UNKNOWN_COLUMN) when there is none."""
        if canonical not in self.columns:
            raise IntakeError(_unknown_columns([canonical], self.columns))
        return self.columns[canonical]

    def kind(self, canonical: str) -> str:
        """Return what kind of values a column holds: text, code, year, money, money_per_head, persons, share, ..."""
        return self.column(canonical).kind

    def unit(self, canonical: str) -> str | None:
        """Return the unit in which values of a column are kept, None when they have none."""
        return self.column(canonical).unit

    def label(self, canonical: str, lang: str) -> str:
        """Return the name of a column for readers, "zh" or "en"."""
        column = self.column(canonical)
        return {"zh": column.zh, "en": column.en}[lang]

    def range(self, canonical: str) -> tuple[float | None, float | None]:
        """Return the plausible range of a column in its unit; an end that nothing sensible is known about is None."""
        column = self.column(canonical)
        return column.low, column.high

    def personal(self, canonical: str) -> str | None:
        """Return what a column would tell about a person: name, id, phone, account; None for all others."""
        return self.column(canonical).personal

    def unknown_headings(self, headings: Sequence[str]) -> Problem:
        """Return the problem of headings that the dictionary does not know, with the three nearest words for each."""
        places = [Place(column=heading) for heading in headings]
        hints = "; ".join(f"{heading} → {', '.join(self.nearest(heading)) or '-'}" for heading in headings[:SHOWN])
        return Problem.at("UNKNOWN_HEADING", places, nearest=hints + (" …" if len(headings) > SHOWN else ""))


def ambiguous_heading(found: Ambiguous) -> Problem:
    """Return the problem of a heading that may mean several columns, naming all of them."""
    return Problem.at("AMBIGUOUS_HEADING", [Place(column=found.heading)], canonicals=" / ".join(found.canonicals))


def _choose(heading: str, found: tuple[Match, ...], unit: str | None) -> Match | Ambiguous:
    if len({match.canonical for match in found}) > 1:
        return Ambiguous(heading, tuple(dict.fromkeys(match.canonical for match in found)))
    return Match(found[0].canonical, unit or found[0].unit, found[0].income_def)


def _key(words: str) -> str:
    """Return a heading as it is compared: plain, lower case, one underscore for blanks between Latin words."""
    return re.sub(r"\s+", "_", normalise(words).strip()).casefold()


def _column(row: Mapping[Any, str]) -> Column:
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    unit, personal = row["unit"] or None, row["personal"] or None
    return Column(row["canonical"], row["level"], row["kind"], unit, row["zh"], row["en"], low, high, personal)


def _spoken(words: pd.DataFrame, columns: Mapping[str, Column]) -> list[tuple[str, Match]]:
    """Return every word of a table of synonyms with what it means."""
    if strangers := sorted(set(words["canonical"]) - set(columns)):
        raise IntakeError(_unknown_columns(strangers, columns))
    rows = words.reindex(columns=["synonym", "canonical", "income_def", "unit"], fill_value="").to_dict("records")
    return [(r["synonym"], Match(r["canonical"], r["unit"] or None, r["income_def"] or None)) for r in rows]


def _by_key(words: Iterable[tuple[str, Match]]) -> dict[str, tuple[Match, ...]]:
    found: dict[str, tuple[Match, ...]] = {}
    for word, match in words:
        found[_key(word)] = tuple(dict.fromkeys((*found.get(_key(word), ()), match)))
    return found


def _read_extra(path: Path) -> pd.DataFrame:
    try:
        words = read_table(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as reason:
        raise IntakeError(Problem("SYNONYMS_NOT_READABLE", {"file": path.name})) from reason
    missing = [column for column in ("synonym", "canonical") if column not in words.columns]
    if missing:
        raise IntakeError(Problem.at("SYNONYM_COLUMNS", [], file=path.name, missing=", ".join(missing)))
    return words


def _unknown_columns(names: Sequence[str], columns: Mapping[str, Column]) -> Problem:
    hints = "; ".join(f"{name} → {', '.join(nearest_names(name, list(columns))) or '-'}" for name in names)
    return Problem.at("UNKNOWN_COLUMN", [Place(value=name) for name in names], nearest=hints, allowed=", ".join(columns))
