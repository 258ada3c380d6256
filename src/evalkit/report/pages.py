"""Pages besides the main report: each is a record of its own, written in every format, with its tables and the origin of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from evalkit.errors import ReportError, unknown
from evalkit.report import FORMATS, write_files
from evalkit.report.blocks import Table
from evalkit.report.trace import csv_text

PAGES = {
    "dossier": "evalkit.report.dossier_page",
    "who": "evalkit.report.who_page",
    "scan": "evalkit.report.scan_page",
    "case": "evalkit.report.case_page",
    "brief": "evalkit.report.brief_page",
    "selfcheck": "evalkit.report.selfcheck_page",
    "plan": "evalkit.report.plan_page",
}
"""Pages, and the module of each: ``compose(record, lang) -> Document``, and ``DRAW``, its figures by name."""


def write_page(name: str, record: BaseModel, folder: str | Path, lang: str, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write one page in a language and return its files: <name>.<lang>.<format>, figures and tables as those of the report.

    Raises
    ------
    ReportError
        For an unknown page or format, and for what a template cannot show.
    WordsError
        For an unknown language, and for a record that holds a code without words.
    """
    if name not in PAGES:
        raise ReportError(unknown("page", name, list(PAGES)))
    page = import_module(PAGES[name])
    if hasattr(page, "write"):  # a page that must fit its paper chooses its own sizes
        written: list[Path] = page.write(record, Path(folder), lang, formats)
        return written
    document = page.compose(record, lang)
    listed = [block for block in document.blocks if isinstance(block, Table)]
    numbers = {f"tables/{name}_numbers.{lang}.csv": csv_text(document).encode("utf-8-sig")}
    return write_files(name, document, page.DRAW, record, listed, Path(folder), formats, numbers)
