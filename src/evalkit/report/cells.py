"""Columns and cells of tables: what a reader sees, and the plain values behind it."""

from __future__ import annotations

from evalkit import numerals
from evalkit.records import Interval
from evalkit.report.blocks import Cell, Column, Row
from evalkit.report.voice import StudyVoice, Voice

Made = tuple[list[Column], list[Row], list[str]]


def column(voice: StudyVoice, name: str, *fields: str, align: str = "right") -> Column:
    """Return a column by its name in the catalogue; fields name the values of its cells, the column itself where they are one."""
    labels = tuple(voice.phrase(f"column.{field}") for field in fields or (name,))
    say = voice.phrase if name in ("p_value", "pretrend_p") else voice.say
    return Column(say(f"column.{name}"), "left" if align == "left" else "right", labels)


def text_cell(text: str, detail: str = "") -> Cell:
    """Return a cell of words."""
    return Cell(text, detail, (text,))


def count_cell(voice: Voice, value: int | None) -> Cell:
    """Return a count; one that a public report does not tell shows the mark of a hidden number."""
    return text_cell(voice.mark) if value is None else Cell(f"{value:,}", values=(value,))


def sum_cell(voice: Voice, value: int | None) -> Cell:
    """Return a count that tells the size of hidden cells and is none itself: where it is not told it is missing, not small."""
    return Cell(voice.phrase("language.missing"), values=(None,)) if value is None else count_cell(voice, value)


def effect_cell(voice: Voice, value: float | None) -> Cell:
    """Return an effect in the unit of the outcome."""
    return Cell(voice.phrase("language.missing") if value is None else voice.effect(value), values=(value,))


def span_cell(voice: Voice, low: float | None, high: float | None) -> Cell:
    """Return a range of effects."""
    return Cell(voice.span(low, high), values=(low, high))


def p_cell(voice: Voice, interval: Interval) -> Cell:
    """Return the p-value of an estimate."""
    p = interval.p_value
    return Cell(voice.phrase("language.missing") if p is None else numerals.p_value(p), values=(p,))


def mean_cell(value: float) -> Cell:
    """Return a mean of any unit."""
    return Cell(numerals.measured(value), values=(value,))
