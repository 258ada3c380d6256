"""Reports: from findings to pages, figures and tables, in Chinese and English."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.findings import Findings

__all__ = ["write"]


def write(findings: Findings, folder: str | Path, lang: str) -> list[Path]:
    """Write one report and return its files: report.<lang>.html, figures/<name>.<lang>.svg, tables/<name>.<lang>.csv.

    Raises
    ------
    WordsError
        For an unknown language, and for findings that hold a code without words.
    """
    from evalkit.report import figures, html
    from evalkit.report.blocks import Figure, Table
    from evalkit.report.document import compose
    from evalkit.report.tables import csv_text

    document = compose(findings, lang)
    names = [block.name for block in document.blocks if isinstance(block, Figure)]
    pictures = {}
    for name in names:
        draw = figures.DRAW[name]
        wide, narrow = draw(findings, lang), draw(findings, lang, narrow=True)
        pictures[name] = (figures.svg(wide, name), figures.svg(narrow, f"{name}-narrow"))
    folder = Path(folder)
    texts = {folder / f"report.{lang}.html": html.render(document, pictures).encode("utf-8")}
    for name, (drawing, _) in pictures.items():
        texts[folder / "figures" / f"{name}.{lang}.svg"] = drawing.encode("utf-8")
    for block in document.blocks:
        if isinstance(block, Table):
            status = document.banner
            texts[folder / "tables" / f"{block.name}.{lang}.csv"] = csv_text(block, status).encode("utf-8-sig")
    for path, content in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(texts)
