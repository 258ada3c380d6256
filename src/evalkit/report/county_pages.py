"""What the pages about counties share: their frame, how a sentence refers to a figure, how sizes are told, and parts for a notebook."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
from pydantic import BaseModel

from evalkit import numerals
from evalkit.errors import ReportError, unknown
from evalkit.plots.look import Picture
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Figure, Heading, Paragraph, Table, anchor
from evalkit.report.sources import is_traced, linked
from evalkit.report.voice import Voice
from evalkit.words import catalogue

TABLES = ("scan_counties", "case_forms", "case_weights")


def framed(
    voice: Voice, kicker: str, title: str, sections: Mapping[str, tuple[str, Sequence[Block]]], first: Sequence[Block]
) -> Document:
    """Return a page about findings: sections by their heading, each with its anchor and its blocks; empty ones are left out."""
    findings = voice.findings
    ordinals = voice.phrase("language.ordinals").split()
    kept = [(heading, name, blocks) for heading, (name, blocks) in sections.items() if blocks]
    blocks: list[Block] = list(first)
    for ordinal, (heading, name, content) in zip(ordinals, kept, strict=False):
        numbered = voice.phrase("language.section", ordinal=ordinal, title=heading)
        blocks += [Heading(numbered, name.replace("_", "-")), *content]
    return Document(
        lang=voice.lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=kicker,
        page_title=voice.say("page.brief_title", title=title, window=voice.window(*findings.window)),
        banner=voice.warning,
        banner_text=voice.say("status.simulated_long") if findings.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=findings.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
    )


def callout_text(document: Document) -> str:
    """Return the bottom line of a page as text, for a notebook."""
    made = next(block for block in document.blocks if isinstance(block, Callout))
    status = [document.banner] if document.banner else []
    return "\n".join([*status, f"{made.mark} {made.label}", made.lead, *(f"- {point}" for point in made.points)])


def section_text(document: Document, name: str) -> str:
    """Return the running text of one section of a page, by its anchor, for a notebook."""
    told: dict[str, list[str]] = {}
    here = ""
    for block in document.blocks:
        here = block.anchor if isinstance(block, Heading) else here
        if isinstance(block, Paragraph):
            told.setdefault(here, []).append(block.text)
    return "\n".join(told.get(name) or [catalogue(document.lang).say("case.not_here")])


def frame_of(document: Document, name: str) -> pd.DataFrame:
    """Return a table of a page as a reader sees it, for a notebook; an empty one where the page leaves it out."""
    if name not in TABLES:
        raise ReportError(unknown("table", name, TABLES))
    listed = {block.name: block for block in document.blocks if isinstance(block, Table)}
    if name not in listed:
        return pd.DataFrame({catalogue(document.lang).say("case.not_here"): []})
    made = listed[name]
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in made.rows]
    frame = pd.DataFrame(rows, columns=[column.label for column in made.columns]).rename_axis(columns=made.caption)
    return frame.set_index(made.columns[0].label)  # rows without a number, which would look like a place in a ranking


def figure_of(document: Document, record: BaseModel, name: str, draw: Mapping[str, Callable[..., Picture]]) -> Picture | str:
    """Return a figure of a page, drawn from its record, for a notebook; words where the page leaves it out."""
    if name not in draw:
        raise ReportError(unknown("figure", name, list(draw)))
    there = any(isinstance(block, Figure) and block.name == name for block in document.blocks)
    return draw[name](record, document.lang) if there else catalogue(document.lang).say("case.not_here")


def see(voice: Voice, kind: Literal["figure", "table"], name: str, number: int) -> str:
    """Return how a sentence refers to a figure or a table of a page besides the main report."""
    told = voice.phrase(f"language.{kind}", number=number)
    return linked(told, anchor(kind, name)) if is_traced(voice.findings) else told


def about(voice: Voice, first: Sequence[Fact] = ()) -> Facts:
    """Return what a page is about: programme, window, outcome, and whether the data are simulated."""
    findings = voice.findings
    return Facts(
        (
            *first,
            Fact(voice.say("label.programme"), voice.say("language.name", name=voice.common["programme"])),
            Fact(voice.say("label.window"), voice.window(*findings.window)),
            Fact(voice.say("label.outcome"), voice.say("language.name", name=voice.common["outcome"])),
            Fact(voice.say("label.status"), voice.say("status.simulated" if findings.simulated else "status.real")),
            Fact(voice.say("label.run_id"), findings.run_id),
            Fact(voice.say("label.source"), voice.word(findings.source), findings.source_url),
        )
    )


def size(voice: Voice, value: float) -> str:
    """Return a spread of effects as readers see it: in per cent of income on the log scale, in money otherwise."""
    if voice.findings.scale == "log":
        return numerals.percent(100 * value)
    return voice.phrase("language.amount", amount=voice.amount(value), noun=voice.common["noun"])


def signed(voice: Voice, value: float) -> str:
    """Return an effect as readers see it: in per cent on the log scale, in money otherwise."""
    if voice.findings.scale == "log":
        return numerals.percent(100 * (math.e**value - 1), plus=True)
    return voice.phrase("language.amount", amount=voice.amount(value, plus=True), noun=voice.common["noun"])
