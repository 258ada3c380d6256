"""The files of a brief: a page for a browser, two pages of PDF and of Word set as closely as they need, its figures and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.errors import ReportError, unknown
from evalkit.report import FORMATS, blocks, brief_figures
from evalkit.report.blocks import Document, Drawing, Figure, Table
from evalkit.report.brief_voice import DETAILS, Detail
from evalkit.report.trace import csv_text as numbers_text
from evalkit.supervision.brief_records import Brief
from evalkit.words import LANGUAGES


def write_files(brief: Brief, lang: str, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the files of a brief and return them; raises ReportError as :func:`evalkit.report.brief_page.write` does."""
    for name in formats:
        if name not in FORMATS:
            raise ReportError(unknown("format", name, FORMATS))
    detail = same_detail(brief)
    document, drawings, size, _ = fitted(brief, lang, narrow="html" in formats, least=detail)
    shown = blocks.page(document)
    files = {f"brief.{lang}.{name}": _rendered(name, shown, drawings, size) for name in formats}
    files |= {f"figures/{name}.{lang}.svg": drawing.wide.encode("utf-8") for name, drawing in drawings.items()}
    files |= _tables(document)
    files[f"tables/brief_numbers.{lang}.csv"] = numbers_text(document).encode("utf-8-sig")
    written = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


def same_detail(brief: Brief) -> Detail:
    """Return how much a brief tells one by one: what fits in every language, so that none says less than another."""
    return max((fitted(brief, lang)[3] for lang in LANGUAGES), key=DETAILS.index)


def fitted(
    brief: Brief, lang: str, narrow: bool = False, least: Detail = DETAILS[0]
) -> tuple[Document, dict[str, Drawing], float, Detail]:
    """Return the fullest document of a brief that fits on its pages, its drawings, the size of the type, and how much it tells.

    ``least`` is where the search begins: nothing fuller is tried.

    Raises
    ------
    ReportError
        For a brief whose shortest document does not fit in the smallest type; it names the longest sections.
    """
    from evalkit.report.brief_page import compose
    from evalkit.report.brief_pdf import READABLE, longest, size_that_fits

    document = compose(brief, lang)
    drawings = drawn(brief, document, narrow)
    for detail in DETAILS[DETAILS.index(least) :]:
        document = compose(brief, lang, detail)
        size = size_that_fits(document, drawings, pages(brief))
        if size is not None and (size >= READABLE or detail == DETAILS[-1]):
            return document, drawings, size, detail
    raise ReportError(
        f"The brief {document.title!r} ({lang}) does not fit on {pages(brief)} pages, the shortest it can be. Its longest sections are "
        f"{longest(document)}. Shorten the names in the study, or write one brief for each run."
    )


def pages(brief: Brief) -> int:
    """Return how many pages a brief has, its annex aside: two for one run, one more for each further one."""
    return 1 + len(brief.runs)


def drawn(brief: Brief, document: Document, narrow: bool) -> dict[str, Drawing]:
    """Return the figures of a brief as SVG; only a page for a browser needs the narrow ones."""
    from evalkit.plots.look import svg

    made = {}
    for name in [block.name for block in document.blocks if isinstance(block, Figure)]:
        draw = brief_figures.DRAW[name]
        small = svg(draw(brief, document.lang, narrow=True), f"{name}-narrow") if narrow else ""
        made[name] = Drawing(svg(draw(brief, document.lang), name), small)
    return made


def _tables(document: Document) -> dict[str, bytes]:
    from evalkit.report.latex import latex
    from evalkit.report.table_files import workbook
    from evalkit.report.tables import csv_text

    lang, listed = document.lang, [block for block in document.blocks if isinstance(block, Table)]
    files = {f"tables/{table.name}.{lang}.csv": csv_text(table, document.banner).encode("utf-8-sig") for table in listed}
    files |= {f"tables/{table.name}.{lang}.tex": latex(table).encode("utf-8") for table in listed}
    return files | ({f"brief_tables.{lang}.xlsx": workbook(listed, document)} if listed else {})


def _rendered(name: str, document: Document, drawings: Mapping[str, Drawing], size: float) -> bytes:
    """Return a brief in one format; each renderer is loaded when it is asked for."""
    if name == "html":
        from evalkit.report import html

        return html.render(document, drawings).encode("utf-8")
    if name == "pdf":
        from evalkit.report import brief_pdf

        return brief_pdf.render(document, drawings, size)
    from evalkit.report import brief_word

    return brief_word.render(document, drawings, size)
