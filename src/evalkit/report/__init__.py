"""Reports: from findings to pages, figures and tables, in Chinese and English."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError, unknown

if TYPE_CHECKING:
    from evalkit.findings import Described, Findings
    from evalkit.intake.record import IntakeRecord
    from evalkit.report.blocks import Document, Drawing, Table

__all__ = ["FORMATS", "write", "write_files", "write_intake"]

FORMATS = ("html", "pdf", "docx")
"""The forms a page can take: for a browser, for print, for Word."""


def write(findings: Findings | Described, folder: str | Path, lang: str, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write one report and return its files.

    Parameters
    ----------
    findings : Findings or Described
    folder : path
        Where to write; it is made where it does not exist.
    lang : "zh" or "en"
    formats : any of "html", "pdf", "docx"

    Returns
    -------
    list of Path
        report.<lang>.<format>; figures/<name>.<lang>.svg; tables.<lang>.xlsx with all tables, and each of them as
        tables/<name>.<lang>.csv and .tex; tables/numbers.<lang>.csv says of every number in the report where in
        findings.json it stands.

    Raises
    ------
    WordsError
        For an unknown language, and for findings that hold a code without words.
    ReportError
        For an unknown format, and for what a template cannot show.
    """
    from evalkit.report import figures, trace
    from evalkit.report.blocks import Table
    from evalkit.report.document import compose

    document = compose(findings, lang)
    listed = [block for block in document.blocks if isinstance(block, Table)]
    numbers = {f"tables/numbers.{lang}.csv": trace.csv_text(document).encode("utf-8-sig")}
    return write_files("report", document, figures.DRAW, findings, listed, Path(folder), formats, numbers)


def write_intake(record: IntakeRecord, folder: str | Path, lang: str, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write the data-quality page and return its files: data.<lang>.<format>, figures and tables as in :func:`write`.

    The page shortens long tables; the csv, tex and xlsx files hold every row.

    Raises
    ------
    WordsError
        For an unknown language, and for a record that holds a code without words.
    ReportError
        For an unknown format, and for what a template cannot show.
    """
    from evalkit.report import intake_figures
    from evalkit.report.data_page import compose
    from evalkit.report.intake_tables import tables
    from evalkit.report.intake_voice import IntakeVoice

    listed = list(tables(IntakeVoice(record, lang)).values())
    return write_files("data", compose(record, lang), intake_figures.DRAW, record, listed, Path(folder), formats, {})


def write_files(
    page: str,
    document: Document,
    draw: Mapping[str, Any],
    source: Any,
    listed: Sequence[Table],
    folder: Path,
    formats: Sequence[str],
    more: Mapping[str, bytes],
) -> list[Path]:
    """Write a page in every format, its figures drawn from a source, and its tables."""
    from evalkit.report import blocks
    from evalkit.report.latex import latex
    from evalkit.report.table_files import workbook
    from evalkit.report.tables import csv_text

    for name in formats:
        if name not in FORMATS:
            raise ReportError(unknown("format", name, FORMATS))
    lang = document.lang
    drawings = _drawings(document, draw, source, narrow="html" in formats)
    shown = blocks.page(document)
    files = {f"{page}.{lang}.{name}": _rendered(name, shown, drawings) for name in formats}
    files |= {f"figures/{name}.{lang}.svg": drawing.wide.encode("utf-8") for name, drawing in drawings.items()}
    for table in listed:
        files[f"tables/{table.name}.{lang}.csv"] = csv_text(table, document.banner).encode("utf-8-sig")
        files[f"tables/{table.name}.{lang}.tex"] = latex(table).encode("utf-8")
    if listed:
        files[f"{'tables' if page == 'report' else f'{page}_tables'}.{lang}.xlsx"] = workbook(listed, document)
    written = []
    for name, content in {**files, **more}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


def _drawings(document: Document, draw: Mapping[str, Any], source: Any, narrow: bool) -> dict[str, Drawing]:
    """Return the figures of a document as SVG; only a page for a browser needs the narrow ones."""
    from evalkit.plots.look import svg
    from evalkit.report.blocks import Drawing, Figure

    lang = document.lang
    names = [block.name for block in document.blocks if isinstance(block, Figure)]
    with _collecting_later():
        return {
            name: Drawing(
                svg(draw[name](source, lang), name), svg(draw[name](source, lang, narrow=True), f"{name}-narrow") if narrow else ""
            )
            for name in names
        }


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Let the collector of garbage wait: a picture is thousands of objects, and looking through them costs a sixth of drawing it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _rendered(name: str, document: Document, drawings: Mapping[str, Drawing]) -> bytes:
    """Return a document in one format; each renderer is loaded when it is asked for."""
    if name == "html":
        from evalkit.report import html

        return html.render(document, drawings).encode("utf-8")
    if name == "pdf":
        from evalkit.report import pdf

        return pdf.render(document, drawings)
    from evalkit.report import word

    return word.render(document, drawings)
