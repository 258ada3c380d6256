"""The page of a plan: what will be estimated, of whom, how large a change can be seen, and what the record can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evalkit import numerals
from evalkit.firm_records import NotTold
from evalkit.plan_records import PlanRecord
from evalkit.report.blocks import Block, Cell, Column, Document, Fact, Facts, Heading, Item, Listing, Paragraph, Row, Table, anchor
from evalkit.report.plan_blocks import key_name, value_text
from evalkit.report.plan_voice import PlanVoice
from evalkit.report.sources import capitalised, linked, traced
from evalkit.report.trace import finished

DRAW: dict[str, Callable[..., Any]] = {}
CHOICES = (
    "outcome", "income_def", "scale", "window", "treatment", "comparison", "base", "anticipation", "method", "covariates", "unbalanced",
    "weight", "cluster", "level", "smallest_meaningful_percent", "assignment", "sample", "seed",
)  # fmt: skip
"""Choices that the page lists, in order; what does not apply is left out unless its absence is a choice."""
ABSENCE_TOLD = ("covariates", "weight")
COLUMNS = ("outcome", "income_def", "covariates", "weight", "cluster")
"""Choices that name columns of the data, which are told as they are written."""
IN_GROUPS = 8  # digits of a fingerprint that stand together, so that a line can break


def compose(record: PlanRecord, lang: str) -> Document:
    """Return the page of a plan in one language, "zh" or "en", every number of which knows the value it comes from.

    Raises
    ------
    WordsError
        For another language, and for a choice without words.
    """
    return finished(arranged(traced(record), lang))


def arranged(record: PlanRecord, lang: str) -> Document:
    """Return the blocks of the page as they are made of a record, traced or not; texts still hold the marks of traced numbers."""
    voice = PlanVoice(record, lang)
    sections = [(name, made) for name, make in _SECTIONS.items() if (made := list(make(voice)))]
    ordinals = voice.phrase("language.ordinals").split()
    blocks: list[Block] = [_strip(voice)]
    for ordinal, (name, content) in zip(ordinals, sections, strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"plan.heading.{name}"))
        blocks += [Heading(title, name), *content]
    title = voice.say("plan.title", title=voice.word(record.title))
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say("plan.kicker"),
        page_title=title,
        banner=voice.say("status.simulated") if record.simulated else "",
        banner_text=voice.say("status.simulated_long") if record.simulated else "",
        footer=voice.say("plan.footer", title=title, number=record.number),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
    )


def _strip(voice: PlanVoice) -> Facts:
    record = voice.record
    told = {
        "number": record.number,
        "made_on": record.made_on,
        "programme": voice.say("language.name", name=voice.common["programme"]),
        "window": voice.window(*record.planned.window),
        "outcome": voice.say("language.name", name=voice.common["outcome"]),
        "status": voice.say("status.simulated" if record.simulated else "status.real"),
        "source": voice.word(record.source),
    }
    return Facts(tuple(Fact(voice.say(f"plan.label.{name}"), value) for name, value in told.items()))


def _question(voice: PlanVoice) -> Iterator[Block]:
    planned = voice.record.planned
    facts = {
        "window": voice.window(*planned.window),
        "versus": voice.phrase(f"plan.versus.{planned.comparison}"),
        "smallest": numerals.short(planned.smallest_meaningful_percent),
    }
    yield Paragraph(voice.join([voice.say("plan.question", **facts), voice.say("plan.smallest", **facts)]))
    yield Paragraph(voice.join([voice.say("plan.verdicts"), voice.say("plan.headline")]), "help")


def _how(voice: PlanVoice) -> Iterator[Block]:
    planned = voice.record.planned
    entries = [Fact(key_name(voice, "estimator"), voice.say("estimator.group_time.name"))]
    for key in CHOICES:
        value = getattr(planned, key)
        if value in (None, [], "") and key not in ABSENCE_TOLD:
            continue
        text = (
            voice.catalogue.listing(map(voice.covariate, value)) if key == "covariates" and value else value_text(voice, key, value)
        )
        entries.append(Fact(key_name(voice, key), text if key in COLUMNS and value else capitalised(text)))
    if others := planned.estimators[1:]:
        entries.append(Fact(key_name(voice, "estimators"), value_text(voice, "estimators", others)))
    yield Facts(tuple(entries), "list")


def _who(voice: PlanVoice) -> Iterator[Block]:
    planned = voice.record.planned
    if voice.counted:
        counts = {"units": voice.count_units(planned.units), "treated_units": voice.number_units(planned.treated_units)}
        see = linked(voice.phrase("language.table", number=1), anchor("table", "plan_cohorts"))
        yield Paragraph(voice.say("plan.who", see=see, **counts))
        yield _cohorts(voice)
    else:
        yield Paragraph(voice.say("plan.who_hidden", years=voice.years([cohort.year for cohort in planned.cohorts])))


def _cohorts(voice: PlanVoice) -> Table:
    planned = voice.record.planned
    rows = [
        Row((Cell(f"{cohort.year}", values=(cohort.year,)), Cell(f"{cohort.units:,}", values=(cohort.units,))))
        for cohort in planned.cohorts
    ]
    others = planned.units - planned.treated_units
    if others:
        label = voice.say("plan.not_in_window")
        rows.append(Row((Cell(label, values=(label,)), Cell(f"{others:,}", values=(others,)))))
    return _table(voice, "plan_cohorts", 1, (("year", "left"), ("units", "right")), rows)


def _groups(voice: PlanVoice) -> Iterator[Block]:
    planned = voice.record.planned
    if planned.groups:
        see = linked(voice.phrase("language.table", number=1 + voice.counted), anchor("table", "plan_groups"))
        yield Paragraph(voice.say("plan.groups", see=see))
        rows = [
            Row(tuple(Cell(text, values=(text,)) for text in (voice.word(g.word), g.column, value_text(voice, "values", g.values))))
            for g in planned.groups
        ]
        yield _table(voice, "plan_groups", 1 + voice.counted, (("group", "left"), ("column", "left"), ("values", "left")), rows)
    if planned.lines:
        yield Paragraph(voice.say("plan.lines", lines=value_text(voice, "lines", planned.lines)))
    if planned.checks:
        named = (
            voice.phrase("language.parenthesis", outer=voice.phrase(f"plan.check.{name}"), inner=voice.catalogue.listing(columns))
            for name, columns in planned.checks.items()
        )
        yield Paragraph(voice.say("plan.checks", parts=voice.catalogue.listing(named)))
    if planned.components:
        parts = voice.catalogue.listing(
            voice.phrase("language.parenthesis", outer=name, inner=column) for name, column in planned.components.items()
        )
        yield Paragraph(voice.say("plan.components", parts=parts))


def _table(voice: PlanVoice, name: str, number: int, columns: tuple[tuple[str, Any], ...], rows: list[Row]) -> Table:
    heads = tuple(Column(voice.say(f"plan.column.{key}"), align, (voice.phrase(f"plan.column.{key}"),)) for key, align in columns)
    notes = (voice.say("status.simulated_note"),) if voice.simulated else ()
    return Table(name, voice.phrase("language.table", number=number), voice.say(f"plan.table.{name}"), heads, tuple(rows), notes)


def _seen(voice: PlanVoice) -> Iterator[Block]:
    planned = voice.record.planned
    seen = planned.detectable
    facts = {"until": planned.known_until}
    if isinstance(seen, NotTold):
        yield Paragraph(voice.say("plan.not_seen", **facts))
        return
    told = [
        voice.say(
            "plan.seen",
            power=numerals.whole_percent(seen.power),
            percent=numerals.percent(seen.percent),
            amount=numerals.money(seen.money),
            **facts,
        )
    ]
    if seen.percent > planned.smallest_meaningful_percent:
        told.append(voice.say("plan.seen_only_large", smallest=numerals.short(planned.smallest_meaningful_percent)))
    if planned.covariates:
        told.append(voice.say("plan.seen_without_covariates"))
    yield Paragraph(voice.join(told))


def _shows(voice: PlanVoice) -> Iterator[Block]:
    record = voice.record
    told = [
        voice.say("plan.read", until=record.planned.known_until),
        voice.say(f"plan.page_outcome_{'present' if record.outcome_present else 'absent'}"),
        voice.say(
            "plan.identity",
            hash=" ".join(record.hash[place : place + IN_GROUPS] for place in range(0, len(record.hash), IN_GROUPS)),
        ),
        voice.say("plan.deposit"),
        voice.say("plan.changes"),
    ]
    yield Listing(tuple(Item(text) for text in told))


_SECTIONS: dict[str, Callable[[PlanVoice], Iterator[Block]]] = {
    "question": _question,
    "how": _how,
    "who": _who,
    "groups": _groups,
    "seen": _seen,
    "shows": _shows,
}
