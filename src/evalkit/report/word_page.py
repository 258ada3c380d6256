"""What the blocks of a document become on a Word page: a frame, lists, facts side by side, figures and tables with their captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from evalkit.report.blocks import Callout, Document, Fact, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.word_figures import Picture, drawing
from evalkit.report.word_parts import (
    LINE,
    SOFT,
    TINT,
    Bookmarks,
    Element,
    border,
    cell,
    field_end,
    field_start,
    grid,
    jump,
    link,
    node,
    paragraph,
    row,
    run,
)
from evalkit.report.word_styles import VERDICTS, Profile
from evalkit.report.word_tables import length, three_lines
from evalkit.words import catalogue

if TYPE_CHECKING:
    from docx.document import Document as File

LONG = 6  # a document of more headings has a list of contents


@dataclass(frozen=True)
class Page:
    """One file while it is made: what its blocks become, and the pictures and bookmarks they need."""

    document: Document
    profile: Profile
    file: File
    pictures: Mapping[str, Picture]
    bookmarks: Bookmarks = field(default_factory=Bookmarks)

    def elements(self) -> list[Element]:
        """Return everything from the title to the last block; the contents come after the first section, which is the bottom line."""
        headings = [block for block in self.document.blocks if isinstance(block, Heading)]
        names = [self.bookmarks.name("section", heading.anchor) for heading in headings]
        made, seen = self._title(), 0
        for block in self.document.blocks:
            if isinstance(block, Heading):
                if seen == 1 and len(headings) > LONG:
                    made += self._contents(headings, names)
                made.append(paragraph("Heading1", self.bookmarks.around(names[seen], self.run(block.text))))
                seen += 1
            else:
                made += _MAKERS[type(block)](self, block)
        return made

    def run(self, text: str, **look: Any) -> list[Element]:
        """Return a text as runs."""
        return run(text, east=self.profile.east, **look)

    def text(self, style: str, text: str, **how: Any) -> Element:
        """Return a paragraph of one text."""
        return paragraph(style, self.run(text), **how)

    def body(self, style: str, text: str) -> Element:
        """Return a paragraph of running text; a short one is not split between pages, so that no heading stays behind."""
        lines = length(text, self.profile.style("Body Text").size) / self.profile.width
        return self.text(style, text, whole=lines < 4)

    def _title(self) -> list[Element]:
        document = self.document
        made = [self.text("Subtitle", document.kicker), self.text("Title", document.title)]
        return [*made, self.text("BannerText", document.banner_text)] if document.banner_text else made

    def _contents(self, headings: list[Heading], names: list[str]) -> list[Element]:
        """Return the list of contents, whole on one page: a field that already shows the headings."""
        title = self.text("TOCHeading", catalogue(self.document.lang).say("word.contents"))
        entries = [[jump(name, self.run(heading.text))] for heading, name in zip(headings, names, strict=True)]
        entries[0] = [*field_start(' TOC \\o "1-1" \\h \\z \\u '), *entries[0]]
        entries[-1] = [*entries[-1], field_end()]
        kind = node("docPartObj", node("docPartGallery", val="Table of Contents"), node("docPartUnique"))
        listed = node("sdt", node("sdtPr", kind), node("sdtContent", title, *(paragraph("Toc1", entry) for entry in entries)))
        total, lines = self.profile.width, [border(side, 4, LINE) for side in ("top", "bottom")]
        return [
            grid([total], [row([cell(total, [listed, paragraph("Gap")])])], lines=lines, padding=(60, 0, 60, 0)),
            paragraph("Gap"),
        ]

    def value(self, fact: Fact) -> list[Element]:
        """Return the value of a fact, a link where it has an address."""
        if not fact.link:
            return self.run(fact.value)
        from docx.opc.constants import RELATIONSHIP_TYPE

        address = quote(fact.link, safe="%/:=&?~#+!$,;'@()*[]")
        relation = self.file.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        return [link(relation, self.run(fact.value, style="Hyperlink"))]


def _text(page: Page, block: Paragraph) -> list[Element]:
    return [page.text("Help", block.text) if block.role == "help" else page.body("BodyText", block.text)]


def _listing(page: Page, block: Listing) -> list[Element]:
    """Return a list with bullets, or a text under each label."""
    made = []
    for item in block.items:
        if item.label:
            made += [page.text("ItemLabel", item.label), page.body("BodyText", item.text)]
        else:
            made.append(page.body("ListBullet", item.text))
    return made


def _facts(page: Page, block: Facts) -> list[Element]:
    if not block.items:
        return []
    made = _strip(page, block.items) if block.role == "strip" else _list(page, block.items)
    return [made, paragraph("Gap")]


def _strip(page: Page, facts: tuple[Fact, ...]) -> Element:
    """Return a few facts side by side, each under its label."""
    count = 2 if len(facts) in (2, 4) else min(3, len(facts))
    columns = _shared(page.profile.width, [1.0] * count)
    rows = []
    for start in range(0, len(facts), count):
        cells = []
        for place, width in enumerate(columns):
            fact = facts[start + place] if start + place < len(facts) else Fact("", "")
            cells.append(cell(width, [page.text("FactLabel", fact.label, keep=True), paragraph("FactValue", page.value(fact))]))
        rows.append(row(cells))
    return grid(columns, rows, lines=(border("top", 4, LINE), border("bottom", 4, LINE)), padding=(40, 160, 20, 0))


def _list(page: Page, facts: tuple[Fact, ...]) -> Element:
    """Return many facts, one below the other, labels at the left."""
    total = page.profile.width
    longest = max((length(fact.label, page.profile.style("Fact Value").size) for fact in facts), default=0.0) + 160
    first = round(min(max(longest, 0.16 * total), 0.3 * total))
    columns = (first, total - first)
    rows = []
    for place, fact in enumerate(facts):
        keep = len(facts) - 4 <= place < len(facts) - 1  # a page never holds the last row alone
        label, value = paragraph("FactValue", page.run(fact.label, colour=SOFT), keep=keep), page.value(fact)
        rows.append(row([cell(columns[0], [label]), cell(columns[1], [paragraph("FactValue", value, keep=keep)])]))
    sides = ("top", "bottom", "insideH")
    return grid(columns, rows, lines=[border(side, 4, LINE) for side in sides], padding=(35, 100, 25, 0))


def _callout(page: Page, block: Callout) -> list[Element]:
    """Return the bottom line in a frame: mark and verdict, key numbers, the sentence, and the points.

    Each point is a row of its own, so that a long bottom line goes on over a page instead of leaving one empty.
    """
    colour, total = VERDICTS.get(block.verdict, SOFT), page.profile.width
    content = [paragraph("Verdict", page.run(f"{block.mark} {block.label}", colour=colour), keep=True)]
    if block.numbers:
        content.append(_numbers(page, block.numbers, total - 480))
    content.append(page.text("Lead", block.lead))
    parts = [content, *([page.text("Point", point)] for point in block.points)]
    lines = [border(side, 4, LINE) for side in ("top", "bottom", "right")]
    lines.insert(1, border("left", 36, colour))
    rows = [row([cell(total, part, fill=TINT)]) for part in parts]
    return [grid([total], rows, lines=lines, padding=(30, 220, 40, 220), title=block.label), paragraph("Gap")]


def _numbers(page: Page, numbers: tuple[Fact, ...], total: int) -> Element:
    """Return the key numbers side by side, each as wide as it needs."""
    sizes = page.profile.style("Number").size, page.profile.style("Number Label").size
    needs = [max(length(fact.value, sizes[0]), length(fact.label, sizes[1])) + 200 for fact in numbers]
    columns = _shared(total, needs)
    cells = [
        cell(width, [page.text("NumberLabel", fact.label, keep=True), paragraph("Number", page.value(fact), keep=True)])
        for width, fact in zip(columns, numbers, strict=True)
    ]
    return grid(columns, [row(cells)], padding=(0, 100, 0, 0))


def _shared(total: int, parts: list[float]) -> list[int]:
    """Return a width split in proportion to parts, to the last twentieth of a point."""
    edges = [round(total * sum(parts[:place]) / sum(parts)) for place in range(len(parts) + 1)]
    return [right - left for left, right in pairwise(edges)]


def _figure(page: Page, block: Figure) -> list[Element]:
    number, name = page.bookmarks.picture(), page.bookmarks.name("figure", block.name)
    shown = drawing(page.pictures[block.name], page.file.part, number, block.number, block.description)
    caption = paragraph("Caption", _numbered(page, name, block), keep=bool(block.notes))
    return [paragraph("Figure", [shown], keep=True), caption, *_notes(page, block.notes)]


def _table(page: Page, block: Table) -> list[Element]:
    caption = paragraph("Caption", _numbered(page, page.bookmarks.name("table", block.name), block), keep=True)
    made = [caption, three_lines(block, page.profile, block.caption)]
    return [*made, *_notes(page, block.notes)] if block.notes else [*made, paragraph("Gap")]


def _numbered(page: Page, name: str, block: Figure | Table) -> list[Element]:
    """Return number and caption; cross references find the number by its bookmark."""
    blank = "　" if page.profile.east else "  "
    return [*page.bookmarks.around(name, page.run(block.number)), *page.run(blank + block.caption)]


def _notes(page: Page, notes: tuple[str, ...]) -> list[Element]:
    return [page.text("Note", ("" if page.profile.east else " ").join(notes))] if notes else []


_MAKERS: dict[type, Any] = {
    Paragraph: _text,
    Facts: _facts,
    Callout: _callout,
    Listing: _listing,
    Figure: _figure,
    Table: _table,
}
