"""The parts of the robustness dossier for a notebook: the summary, tables and figures, in one language."""

from __future__ import annotations

import pandas as pd

from evalkit.dossier_records import Dossier
from evalkit.errors import ReportError, unknown
from evalkit.plots.look import Picture
from evalkit.report.blocks import Listing, Paragraph, Table, page_table
from evalkit.report.dossier_figures import DRAW, RULES, drawn
from evalkit.report.dossier_page import arranged, compose
from evalkit.report.dossier_voice import DossierVoice


def bottom_line(dossier: Dossier, lang: str) -> str:
    """Return the summary of the dossier as text: how many checks found what, those that failed or are in doubt first."""
    document = arranged(dossier, lang)
    status = [document.banner] if document.banner else []
    lines = []
    for block in document.blocks[2:]:  # after the strip of facts and the heading of the summary
        match block:
            case Paragraph(text=text, role="body"):
                lines.append(text)
            case Listing():
                lines += [f"- {item.label}: {item.text}" for item in block.items]
            case _:
                break
    return "\n".join([*status, *lines])


def table(dossier: Dossier, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the page as a reader sees it, such as "dossier_verdicts"; raises ReportError for one that it does not have."""
    listed = {block.name: page_table(block) for block in compose(dossier, lang).blocks if isinstance(block, Table)}
    if name not in listed:
        raise ReportError(unknown("table", name, list(listed)))
    one = listed[name]
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in one.rows]
    return pd.DataFrame(rows, columns=[column.label for column in one.columns]).rename_axis(columns=one.caption)


def figure(dossier: Dossier, rule: str, lang: str) -> Picture | str:
    """Return the figure of a check, such as that of R5, or the words that the dossier has none; raises ReportError for a check without any."""
    if rule not in RULES:
        raise ReportError(unknown("figure of a check", rule, list(RULES)))
    check = next((check for check in dossier.checks if check.rule == rule), None)
    name = None if check is None else drawn(check)
    return DossierVoice(dossier, lang).say("dossier.page.no_figure", rule=rule) if name is None else DRAW[name](dossier, lang)
