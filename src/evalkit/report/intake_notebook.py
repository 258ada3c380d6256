"""The parts of the data-quality page for a notebook: the bottom line, tables, figures and questions, in one language."""

from __future__ import annotations

import pandas as pd

from evalkit.errors import EvalkitError, unknown
from evalkit.intake.record import IntakeRecord
from evalkit.plots.look import Picture
from evalkit.report import data_page, intake_figures, intake_tables
from evalkit.report.intake_captions import drawn
from evalkit.report.intake_voice import IntakeVoice


def bottom_line(record: IntakeRecord, lang: str) -> str:
    """Return the first callout of the page as text: whether the panel can be used, and what it rests on."""
    voice = IntakeVoice(record, lang)
    made = data_page.callout(voice)
    status = [voice.say("status.simulated")] if record.simulated else []
    return "\n".join([*status, f"{made.mark} {made.label}", made.lead, *(f"- {point}" for point in made.points)])


def table(record: IntakeRecord, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the page as a reader sees it; raises EvalkitError for a name that this record has no table of."""
    made = intake_tables.tables(IntakeVoice(record, lang))
    if name not in made:
        raise EvalkitError(unknown("table", name, list(made)))
    one = made[name]
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in one.rows]
    return pd.DataFrame(rows, columns=[column.label for column in one.columns]).rename_axis(columns=one.caption)


def figure(record: IntakeRecord, name: str, lang: str) -> Picture | str:
    """Return a figure of the page (missing, income or changes), or the sentence that says why there is nothing to draw.

    Raises EvalkitError for a name that is no figure.
    """
    voice = IntakeVoice(record, lang)
    if name not in intake_figures.DRAW:
        raise EvalkitError(unknown("figure", name, list(intake_figures.DRAW)))
    if drawn(voice, name):
        return intake_figures.DRAW[name](record, lang)
    return data_page.nothing_drawn(voice, name)


def questions(record: IntakeRecord, lang: str) -> list[str]:
    """Return the questions to the owner of the data, each with its id, one sentence a question."""
    voice = IntakeVoice(record, lang)
    return [f"{voice.evidence(said)} {voice.question(said)}" for said in record.questions]
