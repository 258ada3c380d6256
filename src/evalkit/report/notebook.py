"""The parts of a report for a notebook: the bottom line, tables, figures and remarks, in one language."""

from __future__ import annotations

import pandas as pd

from evalkit.findings import Described, Findings
from evalkit.plots.look import Picture
from evalkit.report import described, figures, tables
from evalkit.report.bottom_line import callout
from evalkit.report.numbering import left_out
from evalkit.report.remarks import sentence
from evalkit.report.sources import without_marks
from evalkit.report.voice import StudyVoice, Voice


def bottom_line(findings: Findings | Described, lang: str) -> str:
    """Return the first callout of the report as text: the verdict, the sentence, and what it rests on."""
    voice = StudyVoice(findings, lang)
    made = described.callout(voice) if isinstance(findings, Described) else callout(Voice(findings, lang))
    status = [voice.say("status.simulated")] if findings.simulated else []
    lines = [*status, f"{made.mark} {made.label}", made.lead, *(f"- {point}" for point in made.points)]
    return "\n".join(without_marks(line) for line in lines)


def table(findings: Findings | Described, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the report (by its name in ``tables.ORDER``) as a reader sees it; a study without an estimate has few."""
    if isinstance(findings, Described):
        return pd.DataFrame({_none(findings, lang): []})
    made = tables.table(Voice(findings, lang), name, numbered=not left_out(findings, "table", name))
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in made.rows]
    return pd.DataFrame(rows, columns=[column.label for column in made.columns]).rename_axis(columns=made.caption)


def figure(findings: Findings | Described, name: str, lang: str) -> Picture | str:
    """Return a figure of the report, by its name in ``figures.DRAW``; of a study without an estimate that there is none."""
    if isinstance(findings, Described) and name != "before_after":
        return _none(findings, lang)
    return figures.DRAW[name](findings, lang)


def _none(findings: Described, lang: str) -> str:
    return StudyVoice(findings, lang).say("described.no_estimate")


def remarks(findings: Findings | Described, lang: str) -> list[str]:
    """Return what a reader must know about the data and the comparison, one sentence a remark."""
    voice = StudyVoice(findings, lang) if isinstance(findings, Described) else Voice(findings, lang)
    return [sentence(voice, remark) for remark in findings.remarks]
