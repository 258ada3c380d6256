"""From who gained to a page: groups, deciles, poverty under both lines, who passed whom, and the near-poor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pandas as pd

from evalkit import numerals
from evalkit.errors import ReportError, unknown
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.plots.look import Picture
from evalkit.report import who_figures
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph
from evalkit.report.bottom_line import callout
from evalkit.report.sources import count, distinct, traced
from evalkit.report.trace import finished
from evalkit.report.voice import Voice
from evalkit.report.who_sentences import (
    decile_texts,
    difference_texts,
    group_items,
    near_poor_texts,
    overtaking_texts,
    points,
    poverty_texts,
)
from evalkit.report.who_tables import line_cautions, table
from evalkit.report.who_voice import TABLES, WhoVoice, overtaken, present
from evalkit.who_records import Deciles, Groups, Poverty, Village, WhoGains

__all__ = ["DRAW", "bottom_line", "compose", "drawn", "shown"]

DRAW = who_figures.DRAW
MEANS = ("county_means", "village_means")


def compose(record: WhoGains, lang: str) -> Document:
    """Return the page of who gained in one language, every number of which knows the result it comes from.

    Raises
    ------
    WordsError
        For a language other than "zh" and "en", and for what has no words.
    """
    return finished(arranged(traced(record), lang))


def arranged(record: WhoGains, lang: str) -> Document:
    """Return the blocks of the page, traced or not; texts still hold the marks of traced numbers."""
    voice = WhoVoice.of(record, lang)
    ordinals = voice.phrase("language.ordinals").split()
    told = _SECTIONS if isinstance(record.findings, Findings) else {"bottom_line": _bottom_line}  # one refusal is said once
    sections = [(name, content) for name, make in told.items() if (content := list(make(voice)))]
    blocks: list[Block] = [_strip(voice)]
    for ordinal, (name, content) in zip(ordinals, sections, strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"gains.heading.{name}"))
        blocks += [Heading(title, name.replace("_", "-")), *content]
    title, findings = voice.title, voice.findings
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say("gains.kind"),
        page_title=voice.phrase("language.parenthesis", outer=title, inner=voice.phrase("gains.kind")),
        banner=voice.say("status.simulated") if voice.simulated else "",
        banner_text=voice.say("status.simulated_long") if voice.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=findings.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
    )


def bottom_line(record: WhoGains, lang: str) -> str:
    """Return the first callout of the page as text."""
    voice = WhoVoice.of(record, lang)
    status = [voice.say("status.simulated")] if voice.simulated else []
    if not isinstance(record.findings, Findings):
        return "\n".join([*status, voice.say("gains.refused.refused")])
    made = _callout(voice)
    return "\n".join([*status, f"{made.mark} {made.label}", made.lead, *(f"- {point}" for point in made.points)])


def shown(record: WhoGains, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the page as a reader sees it, an empty one where this record has none; raises ReportError for no table at all."""
    if name in TABLES and name not in present(record, "table"):
        return pd.DataFrame({_not_here(record, lang): []})
    made = table(WhoVoice.of(record, lang), name)
    rows = [[" · ".join(part for part in (cell.text, cell.detail) if part) for cell in row.cells] for row in made.rows]
    return pd.DataFrame(rows, columns=[column.label for column in made.columns]).rename_axis(columns=made.caption)


def drawn(record: WhoGains, name: str, lang: str) -> Picture | str:
    """Return a figure of the page, words where this record has none; raises ReportError for no figure at all."""
    if name not in DRAW:
        raise ReportError(unknown("figure", name, list(DRAW)))
    return DRAW[name](record, lang) if name in present(record, "figure") else _not_here(record, lang)


def _not_here(record: WhoGains, lang: str) -> str:
    return WhoVoice.of(record, lang).say("gains.not_here")


def _strip(voice: WhoVoice) -> Facts:
    findings = voice.findings
    facts = {
        "programme": voice.say("language.name", name=voice.common["programme"]),
        "window": voice.window(*findings.window),
        "outcome": voice.say("language.name", name=voice.common["outcome"]),
        "status": voice.say("status.simulated" if voice.simulated else "status.real"),
        "run_id": findings.run_id,
    }
    told = [Fact(voice.say(f"label.{name}"), value) for name, value in facts.items()]
    return Facts((*told, Fact(voice.say("label.source"), voice.word(findings.source), findings.source_url)))


def _callout(voice: WhoVoice) -> Callout:
    """Return the bottom line of the findings with what this page adds to it."""
    assert isinstance(voice.findings, Findings)
    main = callout(Voice(voice.findings, voice.lang))  # its points refer to tables of the main report, which this page has not
    return replace(main, points=tuple(points(voice)))


def _bottom_line(voice: WhoVoice) -> Iterator[Block]:
    if isinstance(voice.findings, Findings):
        yield _callout(voice)
    else:
        yield Paragraph(voice.say("gains.refused.refused"))


def _figure(voice: WhoVoice, name: str, facts: dict[str, str], *notes: str) -> Figure:
    first = (voice.say("status.simulated_note"),) if voice.simulated else ()
    return Figure(
        name=name,
        number=voice.number("figure", name),
        caption=voice.caption(f"gains.figure.{name}_caption"),
        description=voice.join([*first, voice.say(f"gains.figure.{name}_description", **facts)]),
        notes=(*first, *notes),
    )


def _groups(voice: WhoVoice) -> Iterator[Block]:
    found = voice.record.groups
    if isinstance(found, NotTold):
        yield Paragraph(voice.refusal(found, group=voice.say("gains.subject.groups")))
        return
    if tested := voice.group_found():
        yield Paragraph(voice.say("gains.groups.intro", number=count(tested)))
    yield Listing(tuple(Item(text) for text in group_items(voice, found)))
    if told := list(difference_texts(voice, found)):
        yield Paragraph(voice.join(told))
    if "who_groups" in present(voice.record, "figure"):
        rows = voice.join(
            voice.phrase(
                "gains.figure.row",
                name=voice.word(row.word),
                estimate=voice.hundred(row.found.effect.estimate),
                interval=voice.hundred_span(row.found.effect.low, row.found.effect.high),
            )
            for row in voice.group_found()
            if not isinstance(row.found, NotTold)
        )
        unit = voice.unit_of_effect(hundred=True)
        yield _figure(voice, "who_groups", {"rows": rows, "unit_of_effect": unit}, voice.say("gains.figure.who_groups_note"))
    yield table(voice, "who_groups")
    if found.differences:
        yield table(voice, "who_differences")
    yield Paragraph(voice.say("gains.groups.help"), "help")


def _deciles(voice: WhoVoice) -> Iterator[Block]:
    found = voice.record.deciles
    if isinstance(found, NotTold):
        yield Paragraph(voice.refusal(found, group=voice.say("gains.subject.deciles")))
        return
    assert isinstance(found, Deciles)
    yield Paragraph(voice.join(decile_texts(voice, found)))
    rows = voice.join(
        voice.phrase(
            "gains.figure.row",
            name=voice.decile(row.at),
            estimate=numerals.money(row.money.estimate),
            interval=voice.money_span(row.money),
        )
        for row in found.rows
    )
    yield _figure(voice, "who_deciles", {"rows": rows}, voice.say("gains.figure.who_deciles_note"))
    yield table(voice, "who_deciles")
    yield Paragraph(voice.say("gains.deciles.help"), "help")


def _poverty(voice: WhoVoice) -> Iterator[Block]:
    found = voice.record.poverty
    if isinstance(found, NotTold):
        yield Paragraph(voice.refusal(found, group=voice.say("gains.subject.poverty")))
        return
    assert isinstance(found, Poverty)
    for text in poverty_texts(voice, found):
        yield Paragraph(text)
    if "who_poverty" in present(voice.record, "table"):
        yield table(voice, "who_poverty")
        yield Paragraph(voice.say("gains.poverty.help"), "help")


def _overtaking(voice: WhoVoice) -> Iterator[Block]:
    found = voice.record.village
    if isinstance(found, NotTold):
        yield Paragraph(voice.refusal(found, group=voice.say("gains.subject.overtaking")))
        return
    assert isinstance(found, Village)
    for text in overtaking_texts(voice, found):
        yield Paragraph(text)
    if "who_ranks" in present(voice.record, "figure"):
        first = overtaken(voice.record)[0]
        ends = [
            voice.phrase(
                "gains.figure.rank_row",
                name=voice.say(f"gains.people.{group}"),
                first=numerals.fixed(path[0].rank),
                last=numerals.fixed(path[-1].rank),
                year=path[0].period,
                end=path[-1].period,
            )
            for group in ("covered", "registered", "near")
            if len(path := [point for point in first.ranks if point.group == group]) > 1
        ]
        note = voice.say("gains.figure.who_ranks_note", line=voice.line(first.schedule))
        yield _figure(voice, "who_ranks", {"rows": voice.join(ends)}, note)
    if "who_overtaking" in present(voice.record, "table"):
        yield table(voice, "who_overtaking")
        yield Paragraph(voice.say("gains.overtaking.help"), "help")


def _near_poor(voice: WhoVoice) -> Iterator[Block]:
    found = voice.record.village
    if isinstance(found, NotTold):
        yield Paragraph(voice.refusal(found, group=voice.say("gains.subject.near_poor")))
        return
    assert isinstance(found, Village)
    yield Paragraph(voice.join(near_poor_texts(voice, found)))
    if "who_near_poor" in present(voice.record, "table"):
        yield table(voice, "who_near_poor")


def _limits(voice: WhoVoice) -> Iterator[Block]:
    record = voice.record
    said = [voice.say("gains.limits.premise")] if isinstance(voice.findings, Findings) else []
    if isinstance(record.groups, Groups):
        said.append(voice.say("gains.limits.groups"))
    if isinstance(record.deciles, Deciles):
        said.append(voice.say("gains.limits.order"))
    if isinstance(record.poverty, Poverty):
        said += [voice.say("gains.limits.spread"), voice.say("gains.limits.lines"), *line_cautions(voice)]
    if isinstance(record.village, Village):
        said += [voice.say("gains.limits.described"), voice.say("gains.limits.register")]
        if record.village.left_out != 0:
            said.append(voice.say("gains.limits.left_out", units=voice.count_units(record.village.left_out)))
    said.append(voice.say("gains.limits.nobody"))
    if record.minimum is not None:
        said.append(voice.say("gains.limits.hidden", few=voice.count_units(record.minimum)))
    yield Listing(tuple(Item(text) for text in distinct(said)))


def _methods(voice: WhoVoice) -> Iterator[Block]:
    record = voice.record
    kept = {
        "groups": isinstance(record.groups, Groups),
        "adjusted": isinstance(record.groups, Groups),
        "deciles": isinstance(record.deciles, Deciles),
        "poverty": isinstance(record.poverty, Poverty),
        "overtaking": isinstance(record.village, Village),
    }
    means = "_means" if isinstance(record.deciles, NotTold) and record.deciles.reason in MEANS else ""
    items = [
        Fact(voice.say(f"gains.method.{name}_label"), voice.say(f"gains.method.{name}{means if name == 'groups' else ''}"))
        for name, there in kept.items()
        if there
    ]
    if items:
        yield Facts(tuple(items), "list")


_SECTIONS: dict[str, Callable[[WhoVoice], Iterator[Block]]] = {
    "bottom_line": _bottom_line,
    "groups": _groups,
    "deciles": _deciles,
    "poverty": _poverty,
    "overtaking": _overtaking,
    "near_poor": _near_poor,
    "limits": _limits,
    "methods": _methods,
}
