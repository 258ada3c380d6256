"""Years across the columns: a heading that holds a year becomes a stem, and its years become rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.intake.ledger import Step
from evalkit.intake.observations import IntakeError, Place, Problem
from evalkit.intake.origin import Table

YEAR = "年份"  # heading of the column that the years go to
VALUE = "数值"  # heading of the values when a heading is a year and nothing else
EXAMPLES = 3  # headings that a problem quotes

_WIDE_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")
_YEAR = re.compile(r"(?<![\d.])(19[4-9]\d|20[0-4]\d)(?![\d.])(年度|年)?")
_SPAN = re.compile(r"(?<!\d)\d{4}年?\s*[-—–－~～至到/]+\s*\d{2,4}(?!\d)年?")
_DATE_AFTER = re.compile(r"\s*(\d{1,2}\s*[月季\-—–~～]|[Qq][1-4]|-\d{1,2}(?!\d))")
_EMPTY = re.compile(r"[（(\[【]\s*[）)\]】]")
_EDGES = " \t\u3000|_-—–:：、,，."


def split_year(heading: str) -> tuple[str, int | None]:
    """Return a heading without its year, and the year; None when it names no year of its own.

    The year of a price base (2010年不变价), of a comparison (比2013年增长), of a stock at year's end (2020年末), a span of years and
    a date are no year of the column.

    >>> split_year("人均纯收入(2013年)"), split_year("income_2013"), split_year("A20")
    (('人均纯收入', 2013), ('income', 2013), ('A20', None))
    >>> split_year("2013年收入(2010年不变价)")
    ('收入(2010年不变价)', 2013)
    """
    text = heading.translate(_WIDE_DIGITS)
    if _SPAN.search(text):
        return heading, None
    own = [match for match in _YEAR.finditer(text) if _is_own(text, match)]
    if not own or len({match[1] for match in own}) > 1:
        return heading, None
    stem = heading
    for match in reversed(own):
        stem = stem[: match.start()] + stem[match.end() :]
    parts = (_EMPTY.sub("", part).strip(_EDGES) for part in stem.split("|"))
    return "|".join(dict.fromkeys(part for part in parts if part)), int(own[0][1])


def _is_own(text: str, match: re.Match[str]) -> bool:
    """Return whether a year belongs to its column, by what stands around it."""
    before, after = text[: match.start()], text[match.end() :]
    if any(before.endswith(word) for word in _words("before")) or any(after.startswith(word) for word in _words("after")):
        return False
    if _DATE_AFTER.match(after):
        return False
    # A letter that runs into the digits: income2013 is a year, A2013 a name, 2013b neither.
    if after[:1].isascii() and after[:1].isalpha():
        return False
    letters = re.search(r"[A-Za-z]+$", before)
    return letters is None or len(letters[0]) > 1


@cache
def _words(side: str) -> tuple[str, ...]:
    words = table("layout_years")
    return tuple(words.loc[words["side"] == side, "word"])


def melt(table_: Table, keep: Collection[int] = ()) -> tuple[Table, Step]:
    """Return the table with one row per unit and year, and the step of the ledger.

    Columns whose headings hold a year go to a column of their stem; the years go to a new column 年份; all other columns are
    repeated. Years in which a row has no value at all leave and are counted.

    Parameters
    ----------
    keep : positions of columns that stay as they are although their headings hold a year

    Raises
    ------
    IntakeError
        TWO_KINDS_OF_YEARS when there is a column of years as well, NO_YEARS_IN_HEADINGS, DUPLICATE_HEADING when two columns
        have the same stem and year, UNITS_DIFFER_BY_YEAR.
    """
    split = {j: split_year(heading) for j, heading in enumerate(table_.headings) if j not in keep}
    dated = {j: (stem or VALUE, year) for j, (stem, year) in split.items() if year is not None}
    if not dated:
        raise IntakeError(Problem("NO_YEARS_IN_HEADINGS"))
    constant = [j for j in range(len(table_.headings)) if j not in dated]
    _refuse_year_column(table_, constant, dated)
    columns = _by_stem_and_year(table_, dated, [table_.headings[j] for j in constant])
    units = {stem: _one_unit(table_, stem, by_year.values()) for stem, by_year in columns.items()}
    years = sorted({year for _, year in dated.values()})
    return _stacked(table_, constant, columns, units, years)


def year_column(headings: Sequence[str]) -> int | None:
    """Return the position of a column of years, by its heading.

    >>> year_column(["县名", "年 份", "收入"])
    1
    """
    words = table("layout_words")
    known = {word.casefold() for word in words.loc[words["kind"] == "year_heading", "word"]}
    return next((j for j, heading in enumerate(headings) if "".join(heading.split()).casefold() in known), None)


def _refuse_year_column(table_: Table, constant: Sequence[int], dated: Mapping[int, tuple[str, int]]) -> None:
    headings = [table_.headings[j] for j in constant]
    if (found := year_column(headings)) is not None:
        shown = ", ".join(table_.headings[j] for j in list(dated)[:EXAMPLES])
        raise IntakeError(Problem("TWO_KINDS_OF_YEARS", {"column": headings[found], "headings": shown}))


def _by_stem_and_year(table_: Table, dated: Mapping[int, tuple[str, int]], taken: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return stem -> year -> position."""
    columns: dict[str, dict[int, int]] = {}
    twins: list[int] = []
    for j, (stem, year) in dated.items():
        if year in columns.setdefault(stem, {}) or stem in taken:
            twins.append(j)
        columns[stem].setdefault(year, j)
    if twins:
        names = [table_.headings[j] for j in twins]
        raise IntakeError(Problem.at("DUPLICATE_HEADING", [Place(column=name) for name in names], headings=", ".join(names[:5])))
    return columns


def _one_unit(table_: Table, stem: str, positions: Collection[int]) -> str | None:
    said = list(dict.fromkeys(table_.units[j] for j in positions)) if table_.units else [None]
    if len(said) > 1:
        listed = ", ".join(unit or "?" for unit in said)
        raise IntakeError(Problem("UNITS_DIFFER_BY_YEAR", {"stem": stem, "units": listed}))
    return said[0]


def _stacked(
    table_: Table,
    constant: Sequence[int],
    columns: Mapping[str, Mapping[int, int]],
    units: Mapping[str, str | None],
    years: Sequence[int],
) -> tuple[Table, Step]:
    """Return the long table: the years of a row follow each other, rows keep their order."""
    count, periods = len(table_), len(years)
    # Years below each other first, then back to the order of rows.
    order = np.arange(periods * count).reshape(periods, count).T.ravel()
    values = {stem: _column_of_years(table_, by_year, years).take(order) for stem, by_year in columns.items()}
    filled = np.zeros(periods * count, dtype=bool)
    for column in values.values():
        filled |= column.notna().to_numpy()
    lines = np.repeat(table_.lines, periods)
    rows = np.repeat(np.arange(count), periods)[filled]
    cells: dict[int, Any] = {}
    for position, j in enumerate(constant):
        cells[position] = table_.cells.iloc[:, j].take(rows).reset_index(drop=True)
    year = np.tile(np.array(years), count)[filled]
    cells[len(cells)] = pd.Series(year).astype("str")
    for column in values.values():
        cells[len(cells)] = column[filled].reset_index(drop=True)
    left = {"empty_year": tuple(int(line) for line in lines[~filled])} if not filled.all() else {}
    step = Step("melt", count, int(filled.sum()), left, added=count * (periods - 1))
    own_units = table_.units or (None,) * len(table_.headings)
    long = replace(
        table_,
        headings=(*(table_.headings[j] for j in constant), YEAR, *columns),
        cells=pd.DataFrame(cells, copy=False),
        lines=lines[filled],
        units=(*(own_units[j] for j in constant), None, *(units[stem] for stem in columns)),
        labels={**table_.labels, **_stem_labels(table_, columns)},
    )
    return long, step


def _column_of_years(table_: Table, by_year: Mapping[int, int], years: Sequence[int]) -> pd.Series[Any]:
    """Return the columns of all years below each other; a year without a column is missing."""
    some = table_.cells.iloc[:, next(iter(by_year.values()))]
    nothing = pd.Series([None] * len(table_), dtype=some.dtype if some.dtype == "str" else "float64")
    parts = [table_.cells.iloc[:, by_year[year]] if year in by_year else nothing for year in years]
    if len({part.dtype == "str" for part in parts}) > 1:
        parts = [part.astype("str") for part in parts]
    return pd.concat(parts, ignore_index=True)


def _stem_labels(table_: Table, columns: Mapping[str, Mapping[int, int]]) -> dict[str, str]:
    """Return the labels of stems: those of their columns without the year."""
    labels = {}
    for stem, by_year in columns.items():
        said = {split_year(table_.labels.get(table_.headings[j], ""))[0] for j in by_year.values()} - {""}
        if len(said) == 1:
            labels[stem] = said.pop()
    return labels
