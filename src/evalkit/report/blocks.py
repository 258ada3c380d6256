"""The blocks of a report: what every renderer (HTML, PDF, Word) reads. Texts without markup, in one language."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple


@dataclass(frozen=True)
class Told:
    """A number in a text: where it stands (start to end), as it is shown, the results it comes from, and the value told.

    A source is the path of a value in findings.json, ``headline.money.estimate`` or ``path[5].low``. ``direct`` says that the
    value stands there as it is, and was not computed from what stands there.
    """

    start: int
    end: int
    text: str
    sources: tuple[str, ...]
    value: float | int | str
    direct: bool


@dataclass(frozen=True)
class Link:
    """A reference in a text (start to end) to a figure or a table of the same document, by its anchor."""

    start: int
    end: int
    anchor: str


class Text(str):
    """A text that a reader sees, which knows its numbers and its references; for a renderer that asks neither it is a str."""

    numbers: tuple[Told, ...]
    links: tuple[Link, ...]

    def __new__(cls, text: str, numbers: tuple[Told, ...] = (), links: tuple[Link, ...] = ()) -> Text:
        """Return the text; it is equal to the same text that knows nothing."""
        made = super().__new__(cls, text)
        made.numbers, made.links = numbers, links
        return made


def anchor(kind: Literal["figure", "table"], name: str) -> str:
    """Return where a figure or a table is found in a page.

    >>> anchor("table", "few_clusters")
    'table-few-clusters'
    """
    return f"{kind}-{name.replace('_', '-')}"


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    kind: ClassVar[str] = "heading"
    text: str
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; a reading help is set apart."""

    kind: ClassVar[str] = "paragraph"
    text: str
    role: Literal["body", "help"] = "body"


@dataclass(frozen=True)
class Fact:
    """A label and its value, with the address of a source where there is one."""

    label: str
    value: str
    link: str | None = None


@dataclass(frozen=True)
class Facts:
    """Labels and values: a strip of a few, or a list of many."""

    kind: ClassVar[str] = "facts"
    items: tuple[Fact, ...]
    role: Literal["strip", "list"] = "strip"


@dataclass(frozen=True)
class Callout:
    """The bottom line: a verdict as shape, colour (by its name) and label, the sentence, key numbers, and remarks; ``grade`` as a letter."""

    kind: ClassVar[str] = "callout"
    verdict: str
    mark: str
    label: str
    lead: str
    numbers: tuple[Fact, ...]
    points: tuple[str, ...]
    grade: str = ""


@dataclass(frozen=True)
class Item:
    """One entry of a list, with a label where it has one."""

    text: str
    label: str = ""


@dataclass(frozen=True)
class Listing:
    """A list of sentences."""

    kind: ClassVar[str] = "list"
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Figure:
    """A figure by its name: the renderer asks :mod:`evalkit.report.figures` to draw it."""

    kind: ClassVar[str] = "figure"
    name: str
    number: str
    caption: str
    description: str
    notes: tuple[str, ...]


class Drawing(NamedTuple):
    """A figure as SVG text: wide for paper and screens, narrow for telephones."""

    wide: str
    narrow: str


@dataclass(frozen=True)
class Column:
    """A column; ``fields`` names the values of its cells in a csv file. One that is not ``told`` is in files of data alone."""

    label: str
    align: Literal["left", "right"]
    fields: tuple[str, ...]
    told: bool = True


@dataclass(frozen=True)
class Cell:
    """What a reader sees (a text and a smaller second line), and the plain values behind it for a csv file."""

    text: str
    detail: str = ""
    values: tuple[str | int | float | None, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row; the main one is marked."""

    cells: tuple[Cell, ...]
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """A three-line table."""

    kind: ClassVar[str] = "table"
    name: str
    number: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    cards: bool = False


def page_table(table: Table) -> Table:
    """Return a table as a page shows it: without the columns that are not told.

    >>> both = (Column("Year", "left", ("year",)), Column("p", "right", ("p",), told=False))
    >>> made = Table("path", "Table 1", "By year", both, (Row((Cell("2016"), Cell("—"))),), ())
    >>> [cell.text for cell in page_table(made).rows[0].cells]
    ['2016']
    """
    kept = [place for place, column in enumerate(table.columns) if column.told]
    rows = tuple(replace(row, cells=tuple(row.cells[place] for place in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=rows)


Block = Heading | Paragraph | Facts | Callout | Listing | Figure | Table


@dataclass(frozen=True)
class Document:
    """One report in one language; ``banner`` says on every page that data are simulated, and is empty for real ones.

    ``sheet`` names a style sheet of its own that a kind of page has besides the common one.
    """

    lang: str
    tag: str
    title: str
    kicker: str
    page_title: str
    banner: str
    banner_text: str
    footer: str
    page_number: tuple[str, str]
    blocks: tuple[Block, ...]
    sheet: str = ""


def page(document: Document) -> Document:
    """Return a document as a page shows it, its tables without the columns that only files of data hold."""
    return replace(document, blocks=tuple(page_table(block) if isinstance(block, Table) else block for block in document.blocks))
