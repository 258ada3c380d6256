"""From every number that a reader sees to the result it comes from: texts that know their numbers, and the list of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from evalkit.report.blocks import Callout, Cell, Document, Facts, Figure, Heading, Link, Listing, Paragraph, Table, Text, Told
from evalkit.report.sources import Origin, Target, Traced, spans
from evalkit.words import catalogue

COLUMNS = ("place", "sentence", "shown", "results", "value", "computed")


def finished(document: Document) -> Document:
    """Return a document whose texts are plain and know their numbers and references: no mark is left, and values are plain."""
    made: Document = _finished(document)
    return made


def _finished(part: Any) -> Any:
    if isinstance(part, str):
        return _text(part)
    if isinstance(part, tuple):
        return tuple(_finished(inner) for inner in part)
    if isinstance(part, Cell):
        values = tuple(_plain(value) for value in part.values)
        return Cell(_text(part.text), _text(part.detail), values)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{field.name: _finished(getattr(part, field.name)) for field in fields(part)})
    return part


def _text(marked: str) -> Text:
    plain, found = spans(marked)
    numbers = tuple(Told(start, end, plain[start:end], *told) for start, end, told in found if isinstance(told, Origin))
    links = tuple(Link(start, end, told.anchor) for start, end, told in found if isinstance(told, Target))
    return Text(plain, numbers, links)


def _plain(value: Any) -> Any:
    """Return a value of a csv file without its origin."""
    if isinstance(value, Traced):
        return value.plain
    return spans(value)[0] if isinstance(value, str) else value


@dataclass(frozen=True)
class Trail:
    """One number of a report: where it stands, the sentence or the cell, as it is shown, the results it comes from, and the value.

    Attributes
    ----------
    place : str
        The section, figure or table: its heading, or its number and caption.
    sentence : str
        The sentence; in a table the label of the row and of the column.
    shown : str
        The number as a reader sees it.
    results : tuple of str
        Result ids: paths of values in findings.json.
    value : float, int or str
        What was told, before rounding.
    computed : bool
        Whether the value was computed from these results, instead of standing there as it is.
    """

    place: str
    sentence: str
    shown: str
    results: tuple[str, ...]
    value: float | int | str
    computed: bool


def rows(document: Document) -> list[Trail]:
    """Return every number of a report with the results it comes from, in the order of reading."""
    return [
        Trail(place, sentence or _sentence(text, told), told.text, told.sources, told.value, not told.direct)
        for place, sentence, text in _texts(document)
        for told in getattr(text, "numbers", ())
    ]


def csv_text(document: Document) -> str:
    """Return the list of numbers of a report as csv, with the status of simulated data in each row."""
    words = catalogue(document.lang)
    status = [document.banner] if document.banner else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([words.say(f"trace.{name}") for name in COLUMNS] + (["data_status"] if status else []))
    for row in rows(document):
        computed = words.say(f"trace.{'computed_yes' if row.computed else 'computed_no'}")
        writer.writerow([row.place, row.sentence, row.shown, " ".join(row.results), value_text(row.value), computed, *status])
    return out.getvalue()


def value_text(value: float | int | str) -> str:
    """Return a told value for other programs: at most ten digits.

    >>> value_text(436.21370000000003), value_text(2016)
    ('436.2137', '2016')
    """
    return format(value, ".10g") if isinstance(value, float) else str(value)


def _sentence(text: str, told: Told) -> str:
    """Return the sentence in which a number stands."""
    ends = [0, *(found.end() for found in re.finditer(r"[。；]|[.;] ", text)), len(text)]
    start = max(end for end in ends if end <= told.start)
    return text[start : min(end for end in ends if end >= told.end)].strip()


def _texts(document: Document) -> Iterator[tuple[str, str, str]]:
    """Return every text with its place, and with a label of its own where it is no sentence."""
    place = document.title
    yield place, "", document.page_title
    for block in document.blocks:
        match block:
            case Heading():
                place = block.text
                yield place, "", block.text
            case Paragraph():
                yield place, "", block.text
            case Facts():
                yield from ((place, part and fact.label, part) for fact in block.items for part in (fact.label, fact.value))
            case Callout():
                yield from ((place, fact.label, part) for fact in block.numbers for part in (fact.label, fact.value))
                yield from ((place, "", text) for text in (block.label, block.lead, *block.points))
            case Listing():
                yield from ((place, "", part) for item in block.items for part in (item.label, item.text))
            case Figure():
                named = f"{block.number} {block.caption}"
                yield from ((named, "", text) for text in (block.caption, block.description, *block.notes))
            case Table():
                yield from _of_table(block)
    yield document.title, "", document.footer


def _of_table(table: Table) -> Iterator[tuple[str, str, str]]:
    named = f"{table.number} {table.caption}"
    yield named, "", table.caption
    yield from ((named, column.label, column.label) for column in table.columns)
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            label = f"{row.cells[0].text} · {column.label}"
            yield from ((named, label, text) for text in (cell.text, cell.detail))
    yield from ((named, "", note) for note in table.notes)
