"""Reports: from findings to pages, figures and tables, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.findings import Findings
    from evalkit.intake.record import IntakeRecord
    from evalkit.report.blocks import Document, Table

__all__ = ["write", "write_intake"]


def write(findings: Findings, folder: str | Path, lang: str) -> list[Path]:
    """Write one report and return its files: report.<lang>.html, figures/<name>.<lang>.svg, tables/<name>.<lang>.csv.

    Raises
    ------
    WordsError
        For an unknown language, and for findings that hold a code without words.
    """
    from evalkit.report import figures
    from evalkit.report.blocks import Table
    from evalkit.report.document import compose

    document = compose(findings, lang)
    listed = [block for block in document.blocks if isinstance(block, Table)]
    return _write("report", document, figures.DRAW, findings, listed, Path(folder))


def write_intake(record: IntakeRecord, folder: str | Path, lang: str) -> list[Path]:
    """Write the data-quality page and return its files: data.<lang>.html, figures/<name>.<lang>.svg, tables/<name>.<lang>.csv.

    The page shortens long tables; the csv files hold every row.

    Raises
    ------
    WordsError
        For an unknown language, and for a record that holds a code without words.
    """
    from evalkit.report import intake_figures
    from evalkit.report.data_page import compose
    from evalkit.report.intake_tables import tables
    from evalkit.report.intake_voice import IntakeVoice

    listed = list(tables(IntakeVoice(record, lang)).values())
    return _write("data", compose(record, lang), intake_figures.DRAW, record, listed, Path(folder))


def _write(
    page: str, document: Document, draw: Mapping[str, Any], source: Any, listed: Iterable[Table], folder: Path
) -> list[Path]:
    """Write a page, its figures drawn from a source, and its tables."""
    from evalkit.plots.look import svg
    from evalkit.report import html
    from evalkit.report.blocks import Drawing, Figure
    from evalkit.report.tables import csv_text

    lang = document.lang
    pictures = {}
    for name in (block.name for block in document.blocks if isinstance(block, Figure)):
        wide, narrow = draw[name](source, lang), draw[name](source, lang, narrow=True)
        pictures[name] = Drawing(svg(wide, name), svg(narrow, f"{name}-narrow"))
    texts = {folder / f"{page}.{lang}.html": html.render(document, pictures).encode("utf-8")}
    for name, (drawing, _) in pictures.items():
        texts[folder / "figures" / f"{name}.{lang}.svg"] = drawing.encode("utf-8")
    for table in listed:
        texts[folder / "tables" / f"{table.name}.{lang}.csv"] = csv_text(table, document.banner).encode("utf-8-sig")
    for path, content in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(texts)
