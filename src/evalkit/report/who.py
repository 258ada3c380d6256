"""Who is compared with whom, on which data, and since when: in sentences, tables and a figure."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.report import firmness
from evalkit.report.blocks import Block, Item, Listing, Paragraph
from evalkit.report.figure_blocks import figure
from evalkit.report.one_unit import where
from evalkit.report.tables import table
from evalkit.report.voice import Voice


def how_section(voice: Voice) -> Iterator[Block]:
    """Return the section on how the figure was made: who, on which data, and what the average is."""
    sample = voice.findings.sample
    count = where(voice) if voice.single else voice.count_treated(sample.treated_used)
    who = [voice.say("how.who", count=count, who=voice.compared_with())]
    if sample.treated_from_start != 0:
        who.append(voice.say("how.from_start", count=voice.count_units(sample.treated_from_start)))
    items = [
        Item(voice.join(who), voice.say("how.who_label")),
        Item(voice.join(_data(voice)), voice.say("how.data_label")),
    ]
    if growth := _growth(voice):
        items.append(Item(growth, voice.say("how.growth_label")))
    average = voice.say(
        f"how.average_{'one' if voice.single or sample.treated_used == 1 else 'many'}", count=count, prices=voice.say("how.prices")
    )
    items.append(Item(average, voice.say("how.average_label")))
    if voice.findings.firm:
        items.append(Item(firmness.seen(voice, voice.findings.firm.seen), voice.say("how.seen_label")))
    yield Listing(tuple(items))


def _data(voice: Voice) -> Iterator[str]:
    """Say what was read, what the headline rests on, and what was not used."""
    sample = voice.findings.sample
    yield voice.say(
        "how.data_read",
        units=voice.count_units(sample.units),
        years=voice.years(sample.periods),
        rows=voice.count(sample.rows, "row"),
    )
    yield voice.say(
        "how.data_used",
        rows=voice.count(sample.rows_used, "row"),
        cluster=voice.cluster(sample.cluster, sample.clusters),
        clusters=voice.count(sample.clusters_used, "cluster"),
    )
    if sample.rows_outside:
        yield voice.say("how.data_outside", rows=voice.count(sample.rows_outside, "row"))
    if sample.rows_left_out:
        yield voice.say("how.left_out", table=voice.see("table", "sample"), rows=voice.count(sample.rows_left_out, "row"))
    elif sample.rows_used == sample.rows and not sample.rows_outside:
        yield voice.say("how.nothing_left_out")


def _growth(voice: Voice) -> str:
    """Say how the means of both groups moved over the window, or nothing where a group is missing."""
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated is None or others is None:
        return ""
    facts = {"first": others[0].period, "last": others[1].period}
    text: dict[str, str] = {}
    for name, (start, end) in (("treated", treated), ("comparison", others)):
        text[f"{name}_first"], text[f"{name}_last"] = voice.amounts(start.mean, end.mean)
        text[f"{name}_growth"] = numerals.percent(100 * (end.mean / start.mean - 1), plus=True)
    return voice.say(f"how.growth_{voice.findings.scale}", **facts, **text)


def who_section(voice: Voice) -> Iterator[Block]:
    """Return the section on who is in the sample, since when, and by which date."""
    findings, sample = voice.findings, voice.findings.sample
    text = [
        voice.say(
            "who.accounts",
            total=voice.count_units(sample.units),
            used=voice.count_units(sample.treated_used),
            parts=voice.comparison_parts(),
            table=voice.see("table", "sample"),
        )
    ]
    if sample.treated_from_start != 0:
        text.append(voice.say("who.from_start", count=voice.count_units(sample.treated_from_start), year=voice.first_clean_start))
    single = [] if voice.single else [cohort.year for cohort in findings.cohorts if cohort.used and cohort.units == 1]
    if single:
        text.append(voice.say(f"who.single_{'one' if len(single) == 1 else 'many'}", years=voice.years(single)))
    if not findings.covariates:
        text.append(voice.say("who.no_covariates"))
    yield Paragraph(voice.join(text))
    yield table(voice, "sample")
    if not voice.single:
        yield table(voice, "cohorts")
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated and others:
        axis = voice.say(f"who.trend_{findings.scale}")
        facts = {"first": str(others[0].period), "last": str(others[1].period), "axis": axis}
        for name, (start, end) in (("treated", treated), ("comparison", others)):
            facts |= dict(zip((f"{name}_first", f"{name}_last"), voice.amounts(start.mean, end.mean), strict=True))
        yield figure(voice, "trends", facts)
        yield Paragraph(axis, "help")
    if findings.dates:
        yield Paragraph(voice.join(_dates(voice)))
        yield table(voice, "dates")


def _dates(voice: Voice) -> Iterator[str]:
    """Say how far apart the effects are under each choice of the date that counts as the start."""
    rows = [row for row in voice.findings.dates if row.effect is not None]
    effects = [row.effect for row in rows if row.effect is not None]
    facts = {"dates": voice.catalogue.listing(voice.phrase(f"event.{row.date}") for row in rows)}
    if len(effects) > 1:
        low, high = min(effects), max(effects)
        facts["table"] = voice.see("table", "dates")
        facts |= {"low": voice.effect(low), "high": voice.effect(high), "gap": voice.effect(high - low)}
        yield voice.say("who.dates_many", unit_of_effect=voice.unit_of_effect(), **facts)
    else:
        yield voice.say(f"who.dates_{'one' if effects else 'none'}", **facts)
    for row in voice.findings.dates:
        if row.used:
            yield voice.say("who.dates_own", date=voice.phrase(f"event.{row.date}"))
