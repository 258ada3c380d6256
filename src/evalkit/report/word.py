"""One Word file of a document: the styles of official papers, three-line tables, and figures that stay sharp at any size."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError, first_five, unknown
from evalkit.report.blocks import Block, Document, Drawing, Figure, Heading, Table
from evalkit.report.word_figures import pictures
from evalkit.report.word_page import Page
from evalkit.report.word_parts import Element, field, paragraph, run, texts_within
from evalkit.report.word_styles import MM, PROFILES, Profile, template

if TYPE_CHECKING:
    from docx.document import Document as File

FIGURE = round(150 * MM)
DATE = datetime(2000, 1, 1)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(document: Document, drawings: Mapping[str, Drawing]) -> bytes:
    """Return a document as a Word file, the same bytes on every run.

    Parameters
    ----------
    document : Document
        The report, or any other document of blocks, in one language.
    drawings : Mapping of Drawing
        Each figure by its name; the wide drawing is used.

    Raises
    ------
    ReportError
        For a language without a style, a figure without a drawing, and a text with a character that no Word file can hold.

    Notes
    -----
    Chinese reports follow the page of GB/T 9704-2012 (margins 37, 26, 35 and 28 mm, text of 16 points on lines of 28 points, headings in
    黑体); tables, captions and notes are smaller. English ones have 12 points on lines of 1.15. The list of contents names the sections, and
    has page numbers once Word brings it up to date (F9).

    Examples
    --------
    >>> from evalkit.report.blocks import Document, Heading, Paragraph
    >>> blocks = (Heading("1. Bottom line", "bottom-line"), Paragraph("Incomes rose."))
    >>> small = Document("en", "en", "A report", "Evaluation", "A report", "", "", "A report", ("Page ", ""), blocks)
    >>> render(small, {})[:2]
    b'PK'
    """
    from docx import Document as opened

    _check(document)
    profile = PROFILES[document.lang]
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    file = opened(io.BytesIO(template(document.lang)))
    page = Page(document, profile, file, pictures(figures, drawings, FIGURE))
    body = file.element.body
    end = body[-1]
    for element in page.elements():
        end.addprevious(element)
    _margins(file, document, profile)
    _properties(file, document)
    out = io.BytesIO()
    file.save(out)
    return _dated(out)


def _check(document: Document) -> None:
    """Refuse what no Word file can hold, and say in which block it stands."""
    if document.lang not in PROFILES:
        raise ReportError(unknown("language of Word reports", document.lang, list(PROFILES)))
    named: list[tuple[str, Any]] = [(_named(block), block) for block in document.blocks]
    named += [("the title page", (document.title, document.kicker, document.page_title))]
    named += [("the banner", (document.banner, document.banner_text)), ("the footer", document.footer)]
    wrong = []
    for where, part in named:
        for text in texts_within(part):
            if found := _FORBIDDEN.search(text):
                wrong.append(
                    f"U+{ord(found.group()):04X} in {where} ({text[max(0, found.start() - 20) : found.start()]!r} before it)"
                )
    if wrong:
        raise ReportError(
            f"A Word file cannot hold these characters: {first_five(wrong)}. Remove them from the study or the data; a copy from another "
            "program is the usual source."
        )


def _named(block: Block) -> str:
    """Return what to call a block in an error."""
    match block:
        case Figure() | Table():
            return f"the {block.kind} {block.name!r}"
        case Heading():
            return f"the heading {block.anchor!r}"
        case _:
            return f"a block of kind {block.kind!r}"


def _margins(file: File, document: Document, profile: Profile) -> None:
    """Say in the header of every page that data are simulated, and in the footer which page of which report it is."""
    section = file.sections[0]
    if document.banner:
        _filled(section.header, [paragraph("Header", run(document.banner, east=profile.east))])
    number = [*run("— ", east=False), *field(" PAGE ", run("1", east=False)), *run(" —", east=False)]
    _filled(section.footer, [paragraph("PageNumber", number), paragraph("Footer", run(document.footer, east=profile.east))])


def _filled(part: Any, content: list[Element]) -> None:
    """Give a header or footer its content."""
    part.is_linked_to_previous = False
    for child in list(part._element):
        part._element.remove(child)
    part._element.extend(content)


def _properties(file: File, document: Document) -> None:
    """Say what the file is, with a fixed date."""
    properties = file.core_properties
    # A property holds 255 characters; what it says stands in full on the first page.
    properties.title, properties.subject = document.page_title[:255], document.kicker[:255]
    properties.author = properties.last_modified_by = "evalkit"
    properties.language, properties.comments, properties.keywords = document.tag, "", ""
    properties.created = properties.modified = DATE
    properties.revision = 1


def _dated(made: io.BytesIO) -> bytes:
    """Return a zip file with one date for all its files."""
    out = io.BytesIO()
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            fixed = zipfile.ZipInfo(entry.filename, DATE.timetuple()[:6])
            fixed.external_attr = 0o600 << 16
            after.writestr(fixed, before.read(entry), zipfile.ZIP_DEFLATED, 6)
    return out.getvalue()
