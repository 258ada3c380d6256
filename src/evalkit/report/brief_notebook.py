"""The parts of a brief for a notebook: a section as text, and its figures, in one language."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.errors import ReportError, unknown
from evalkit.plots.look import Picture
from evalkit.report import brief_figures, brief_page
from evalkit.report.blocks import Block, Callout, Facts, Figure, Heading, Listing, Paragraph
from evalkit.supervision.brief_records import Brief
from evalkit.words import catalogue

_PREFIX = "brief-"


def text(brief: Brief, lang: str, section: str) -> str:
    """Return a section of the brief as lines of text; raises ReportError for one that this brief does not have."""
    document = brief_page.compose(brief, lang)
    found: dict[str, list[Block]] = {}
    name = ""
    for block in document.blocks:
        if isinstance(block, Heading):
            name = block.anchor.removeprefix(_PREFIX)
        found.setdefault(name, []).append(block)
    if section not in found or not section:
        raise ReportError(unknown("section of the brief", section, [name for name in found if name]))
    status = [document.banner] if document.banner else []
    return "\n".join([*status, *(line for block in found[section] for line in _lines(block))])


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Callout():
            yield f"{block.mark} {block.label}"
            yield from (f"{fact.label}: {fact.value}" for fact in block.numbers)
            yield from (block.lead, *(f"- {point}" for point in block.points))
        case Facts():
            yield from (f"{fact.label}: {fact.value}" for fact in block.items)
        case Listing():
            yield from (f"{item.label.strip() or '-'} {item.text}" for item in block.items)
        case Paragraph():
            yield block.text
        case _:
            return


def figure(brief: Brief, name: str, lang: str) -> Picture | str:
    """Return a figure of the brief, words where this brief has none; raises ReportError for a name that is none."""
    if name not in brief_figures.DRAW:
        raise ReportError(unknown("figure", name, list(brief_figures.DRAW)))
    there = [block.name for block in brief_page.compose(brief, lang).blocks if isinstance(block, Figure)]
    return brief_figures.DRAW[name](brief, lang) if name in there else catalogue(lang).say("brief.figure.not_here")
