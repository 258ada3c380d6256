"""A brief as a Word file: two pages in a closer setting than that of a report, its annex on a page of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.report.blocks import Callout, Document, Drawing, Facts, Figure, Listing
from evalkit.report.brief_pdf import is_annex
from evalkit.report.word import _check, _dated, _margins, _properties
from evalkit.report.word_figures import pictures
from evalkit.report.word_page import Page
from evalkit.report.word_parts import LINE, SOFT, TINT, Element, border, cell, grid, node, paragraph, row
from evalkit.report.word_styles import PROFILES, VERDICTS, Profile, Style, _fill, _page, _styles, template

FIGURE = 0.97
"""The width of a figure, as a share of that of the text."""
SMALLER = 0.96
"""Word's lines are set a little closer than those of the PDF that fitted: its faces and its breaks are not ours."""


def render(document: Document, drawings: Mapping[str, Drawing], size: float) -> bytes:
    """Return a brief as a Word file, the same bytes on every run.

    ``size`` is that of the type with which the same brief fits on its pages as PDF.

    Raises
    ------
    ReportError
        For a figure without a drawing, and for a text with a character that no Word file can hold.
    """
    from docx import Document as opened

    _check(document)
    profile = compact(document.lang, SMALLER * size)
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    file = opened(io.BytesIO(template(document.lang)))
    _fill(file.styles.element, _styles(profile))
    _fill(file.sections[0]._sectPr, _page(profile))
    page = BriefPage(document, profile, file, pictures(figures, drawings, round(FIGURE * profile.width)))
    end = file.element.body[-1]
    for element in page.elements():
        end.addprevious(element)
    _margins(file, document, profile)
    _properties(file, document)
    out = io.BytesIO()
    file.save(out)
    return _dated(out)


def compact(lang: str, size: float) -> Profile:
    """Return the profile of a brief in a size: narrow margins, and every style a multiple of the type."""
    line = size * (1.5 if lang == "zh" else 1.32)
    face = {"zh": "song", "en": "song"}[lang]
    own: dict[str, dict[str, Any]] = {
        "Normal": {"size": size, "line": line, "face": face},
        "Title": {"size": 1.7 * size, "line": 2.1 * size, "after": 0.3 * size, "align": "left"},
        "Subtitle": {"size": 0.9 * size, "line": 1.2 * size, "align": "left"},
        "heading 1": {"size": 1.15 * size, "line": 1.6 * size, "before": 0.45 * size, "after": 0.15 * size},
        "Body Text": {"size": size, "line": line, "face": face, "after": 0.2 * size},
        "List Bullet": {"size": size, "line": line, "face": face, "left": 1.1 * size, "first": -1, "after": 0},
        "Help": {"size": 0.92 * size, "line": 1.4 * size, "before": 2, "after": 4},
        "Banner Text": {"size": 0.86 * size, "line": 1.2 * size, "after": 1},
        "caption": {"size": 0.88 * size, "line": 1.3 * size, "before": 0.25 * size, "after": 0, "align": "left", "keep": True},
        "Figure": {"size": 0.88 * size, "before": 0},
        "Note": {"size": 0.8 * size, "line": 1.1 * size, "before": 0, "after": 0.25 * size},
        "Gap": {"size": 2, "line": 4},
        "Table Head": {"size": 0.86 * size, "line": 1.2 * size},
        "Table Text": {"size": 0.86 * size, "line": 1.2 * size},
        "Fact Label": {"size": 0.8 * size, "line": 1.1 * size},
        "Fact Value": {"size": size, "line": line, "face": face},
        "Item Label": {"size": 0.92 * size, "line": line, "first": 0, "face": "hei", "colour": "12436D", "italic": False, "before": 0, "keep": False},
        "Verdict": {"size": 1.15 * size, "line": 1.6 * size, "before": 0, "after": 0},
        "Number Label": {"size": 0.8 * size, "line": 1.1 * size},
        "Number": {"size": 1.25 * size, "line": 1.6 * size},
        "Lead": {"size": 1.05 * size, "line": 1.5 * size if lang == "zh" else 1.36 * size, "before": 0.15 * size, "after": 0.15 * size, "face": face},
        "Point": {"size": size, "line": line, "left": 1.1 * size, "first": -1},
        "header": {"size": 8}, "footer": {"size": 7.5}, "Page Number": {"size": 8},
    }  # fmt: skip
    styles = tuple(_changed(style, own.get(style.name, {})) for style in PROFILES[lang].styles)
    return replace(PROFILES[lang], margins=(16, 18, 16, 18), edges=(9, 7), styles=styles)


def _changed(style: Style, own: dict[str, Any]) -> Style:
    """Return a style with other sizes, in half points as Word keeps them; a hanging indent is measured in its own type."""
    rounded = {name: round(2 * value) / 2 if name == "size" else value for name, value in own.items()}
    return replace(style, **rounded)


@dataclass(frozen=True)
class BriefPage(Page):
    """One brief while it is made."""

    def elements(self) -> list[Element]:
        """Return everything from the title to the end of the annex, which begins a page."""
        made = self._title()
        for block in self.document.blocks:
            if is_annex(block):
                made.append(node("p", node("pPr", node("pStyle", val="Gap"), node("pageBreakBefore"))))
            made += _beside(self, block) if isinstance(block, Facts | Listing) else _framed(self, block)
        return made

    def _title(self) -> list[Element]:
        return [self.text("Subtitle", self.document.kicker), self.text("Title", self.document.title)]


def _framed(page: BriefPage, block: Any) -> list[Element]:
    from evalkit.report.blocks import Heading
    from evalkit.report.word_page import _MAKERS

    if isinstance(block, Heading):
        return [paragraph("Heading1", page.bookmarks.around(page.bookmarks.name("section", block.anchor), page.run(block.text)))]
    if isinstance(block, Figure):
        return _figure(page, block)
    made: list[Element] = _callout(page, block) if isinstance(block, Callout) else _MAKERS[type(block)](page, block)
    return made


def _figure(page: BriefPage, block: Figure) -> list[Element]:
    """Return a figure under its caption."""
    from evalkit.report.word_figures import drawing
    from evalkit.report.word_page import _notes, _numbered

    number, name = page.bookmarks.picture(), page.bookmarks.name("figure", block.name)
    shown = drawing(page.pictures[block.name], page.file.part, number, block.number, block.description)
    caption = paragraph("Caption", _numbered(page, name, block), keep=True)
    return [caption, paragraph("Figure", [shown], keep=bool(block.notes)), *_notes(page, block.notes)]


def _callout(page: BriefPage, block: Callout) -> list[Element]:
    """Return the bottom line in a frame; key numbers stand side by side."""
    from evalkit.report.word_page import _numbers

    colour, total = VERDICTS.get(block.verdict, SOFT), page.profile.width
    content = [paragraph("Verdict", page.run(f"{block.mark} {block.label}", colour=colour), keep=True)]
    content += [_numbers(page, block.numbers, total - 400)] if block.numbers else []
    content += [page.text("Lead", block.lead), *(page.text("Point", point) for point in block.points)]
    lines = [border(side, 4, LINE) for side in ("top", "bottom", "right")]
    lines.insert(1, border("left", 30, colour))
    return [
        grid([total], [row([cell(total, content, fill=TINT)])], lines=lines, padding=(40, 160, 40, 160), title=block.label),
        paragraph("Gap"),
    ]


def _beside(page: BriefPage, block: Facts | Listing) -> list[Element]:
    """Return labels at the left of their texts; what has no label is a list with bullets, and a strip stands in one line."""
    if isinstance(block, Facts) and block.role == "strip":
        return [_strip(page, block), paragraph("Gap")]
    pairs = (
        [(fact.label, fact.value) for fact in block.items]
        if isinstance(block, Facts)
        else [(item.label, item.text) for item in block.items]
    )
    if not any(label for label, _ in pairs):
        return [page.text("ListBullet", text) for _, text in pairs]
    total = page.profile.width
    first = round((0.135 if page.document.lang == "zh" else 0.16) * total)
    rows = [
        row([cell(first, [page.text("ItemLabel", label)]), cell(total - first, [page.text("FactValue", text)])])
        for label, text in pairs
    ]
    return [grid([first, total - first], rows, padding=(14, 80, 14, 0)), paragraph("Gap")]


def _strip(page: BriefPage, block: Facts) -> Element:
    from evalkit.report.word_page import _shared
    from evalkit.report.word_tables import length

    size = page.profile.style("Fact Value").size
    needs = [max(length(fact.value, size), length(fact.label, size)) + 240 for fact in block.items]
    columns = _shared(page.profile.width, needs)
    cells = [
        cell(width, [page.text("FactLabel", fact.label), page.text("FactValue", fact.value)])
        for width, fact in zip(columns, block.items, strict=True)
    ]
    return grid(columns, [row(cells)], lines=(border("top", 4, LINE),), padding=(30, 120, 0, 0))
