"""The parts of a report for a notebook: the bottom line, tables, figures and remarks, in one language."""

from __future__ import annotations

import pandas as pd

from evalkit.findings import Findings
from evalkit.plots.look import Picture
from evalkit.report import figures, tables
from evalkit.report.bottom_line import callout
from evalkit.report.numbering import left_out
from evalkit.report.remarks import sentence
from evalkit.report.voice import Voice


def bottom_line(findings: Findings, lang: str) -> str:
    """Return the first callout of the report as text: the verdict, the sentence, and what it rests on."""
    voice = Voice(findings, lang)
    made = callout(voice)
    status = [voice.say("status.simulated")] if findings.simulated else []
    return "\n".join([*status, f"{made.mark} {made.label}", made.lead, *(f"- {point}" for point in made.points)])


def table(findings: Findings, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the report (by its name in ``tables.ORDER``) as a reader sees it."""
    made = tables.table(Voice(findings, lang), name, numbered=not left_out(findings, "table", name))
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in made.rows]
    return pd.DataFrame(rows, columns=[column.label for column in made.columns]).rename_axis(columns=made.caption)


def figure(findings: Findings, name: str, lang: str) -> Picture:
    """Return a figure of the report, by its name in ``figures.DRAW``."""
    return figures.DRAW[name](findings, lang)


def remarks(findings: Findings, lang: str) -> list[str]:
    """Return what a reader must know about the data and the comparison, one sentence a remark."""
    voice = Voice(findings, lang)
    return [sentence(voice, remark) for remark in findings.remarks]
