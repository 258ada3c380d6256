"""The section of a brief about the field work: coverage, problems by field, how widespread, and what was rectified; counts alone."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.firm_records import NotTold
from evalkit.report.blocks import Cell, Column, Fact, Row, Table
from evalkit.report.brief_voice import BriefVoice
from evalkit.supervision.brief_records import Fieldwork, Prevalence
from evalkit.supervision.ledger import LEAST_SHARE, LEAST_SITES


def facts(voice: BriefVoice, found: Fieldwork) -> Iterator[Fact]:
    """Say what was covered, what is widespread, and what was rectified."""
    yield Fact(voice.say("brief.label.coverage"), _coverage(voice, found))
    yield Fact(voice.say("brief.label.widespread"), _widespread(voice, found))
    yield Fact(voice.say("brief.label.rectified"), voice.join(_rectified(voice, found)))


def _coverage(voice: BriefVoice, found: Fieldwork) -> str:
    key = "brief.field.coverage" if found.of_sites is not None else "brief.field.coverage_plain"
    gates = {name: f"{getattr(found.gates, name):,}" for name in ("traceable", "verified")}
    sites = {"sites": f"{found.sites:,}", "of_sites": f"{found.of_sites or 0:,}"}
    return voice.say(key, problems=f"{found.problems + found.new:,}", **sites, **gates)


def _widespread(voice: BriefVoice, found: Fieldwork) -> str:
    if isinstance(found.prevalence, NotTold):
        return voice.say("brief.field.sites_unknown")
    rule = {"least_sites": LEAST_SITES, "least_share": numerals.whole_percent(LEAST_SHARE)}
    kinds = [row for row in found.prevalence if row.widespread]
    if not kinds:
        return voice.say("brief.field.none_widespread", **rule)
    shown = voice.phrase("language.pause").join(_prevalence(voice, row) for row in kinds[: voice.detail.kinds])
    more = voice.phrase("brief.field.more", count=len(kinds) - voice.detail.kinds) if len(kinds) > voice.detail.kinds else ""
    passed = {"widespread": f"{found.gates.widespread or 0:,}", "all_three": f"{found.gates.all_three or 0:,}"}
    return voice.join([voice.say("brief.field.widespread", kinds=shown + more, **passed), voice.say("brief.field.rule", **rule)])


def _prevalence(voice: BriefVoice, row: Prevalence) -> str:
    ends = {"low": numerals.fixed(100 * row.seen.low) + "%", "high": numerals.fixed(100 * row.seen.high) + "%"}
    name = (
        voice.phrase("brief.field.kind", field=voice.phrase(f"brief.fields.{row.field}"), kind=row.kind)
        if row.kind
        else voice.phrase(f"brief.fields.{row.field}")
    )
    return voice.phrase(
        "brief.field.prevalence",
        kind=name,
        sites=row.seen.count,
        of_sites=row.seen.of,
        share=numerals.fixed(100 * row.seen.share) + "%",
        **ends,
    )


def _rectified(voice: BriefVoice, found: Fieldwork) -> Iterator[str]:
    reported, confirmed = found.reported, found.confirmed
    if isinstance(reported, NotTold):
        yield voice.say("brief.field.nothing_reported")
    else:
        yield voice.say(
            "brief.field.reported", count=f"{reported.count:,}", of=f"{reported.of:,}", share=numerals.percent(100 * reported.share)
        )
        if isinstance(confirmed, NotTold):
            yield voice.say("brief.field.not_rechecked")
        else:
            counts = {"count": f"{confirmed.count:,}", "of": f"{confirmed.of:,}"}
            low, high = (numerals.percent(100 * end) for end in (confirmed.low, confirmed.high))
            yield voice.say("brief.field.confirmed", **counts, share=numerals.percent(100 * confirmed.share), low=low, high=high)
    yield voice.say("brief.field.open", open=f"{found.fields[-1].in_progress + found.fields[-1].open:,}", new=f"{found.new:,}")


def table(voice: BriefVoice, found: Fieldwork) -> Table:
    """Return the problems by field and reported state."""
    names = ("problems", "rectified", "in_progress", "open")
    columns = (
        Column(voice.say("brief.column.field"), "left", ("field",)),
        *(Column(voice.say(f"brief.column.{name}"), "right", (name,)) for name in names),
    )
    rows = tuple(
        Row(
            (
                Cell(voice.say(f"brief.fields.{row.field}"), values=(row.field,)),
                *(Cell(f"{getattr(row, name):,}", values=(getattr(row, name),)) for name in names),
            ),
            marked=row.field == "all",
        )
        for row in found.fields
    )
    return Table(
        "brief_fields",
        voice.phrase("language.table", number=1),
        voice.say("brief.table.caption"),
        columns,
        rows,
        (voice.say("brief.table.note"),),
    )
