"""Which plan a report follows, in sentences, and a table of what was done otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evalkit import numerals
from evalkit.plan_records import Departure, Followed
from evalkit.report.blocks import Block, Cell, Paragraph, Row
from evalkit.report.cells import Made, column, text_cell
from evalkit.report.sources import count
from evalkit.report.voice import Speaker, Voice

ENTRIES = ("estimators", "groups", "components", "checks", "data")
"""Keys whose parts are told one by one: "groups.minority"."""
CODED = ("scale", "comparison", "base", "method", "unbalanced", "assignment", "sample", "missing_date", "lines")
"""Keys whose values are codes with words of their own."""


def plan_section(voice: Voice) -> Iterator[Block]:
    """Return which plan a report follows and what was done otherwise; one sentence where none was registered."""
    from evalkit.report.tables import table

    yield Paragraph(voice.join(sentences(voice)))
    if voice.findings.plan is not None and voice.findings.plan.departures:
        yield table(voice, "plan_departures")


def sentences(voice: Voice) -> Iterator[str]:
    """Say whether a plan was registered and followed, what was added to it, and what the record cannot show."""
    found = voice.findings.plan
    if found is None:
        yield voice.say("plan.none")
        return
    yield voice.say("plan.registered", number=found.number, made_on=found.made_on)
    if found.departures:
        many = "one" if len(found.departures) == 1 else "many"
        yield voice.say(f"plan.departed_{many}", count=f"{count(found.departures):,}", table=voice.see("table", "plan_departures"))
    else:
        yield voice.say("plan.followed")
    if found.added:
        yield voice.say("plan.added", names=voice.catalogue.listing(key_name(voice, name) for name in found.added))
    yield voice.say(f"plan.outcome_{'present' if found.outcome_present else 'absent'}")


def departures_table(voice: Voice) -> Made:
    """Return what was planned and what was done, one choice a row."""
    found: Followed | None = voice.findings.plan
    assert found is not None
    columns = [column(voice, name, align="left") for name in ("plan_key", "planned", "done")]
    rows = [_row(voice, departure) for departure in found.departures]
    return columns, rows, [voice.say("plan.departures_note")]


def _row(voice: Voice, departure: Departure) -> Row:
    label = text_cell(key_name(voice, departure.key))
    if departure.hidden:
        hidden = voice.mark or voice.phrase("language.number_hidden")
        return Row((label, text_cell(hidden), text_cell(hidden)))
    return Row(
        (
            label,
            *(
                Cell(told := value_text(voice, departure.key, value), values=(told,))
                for value in (departure.planned, departure.done)
            ),
        )
    )


def key_name(voice: Speaker, key: str) -> str:
    """Return what a key of a plan is called; the name of a part stands after the kind of it."""
    kind, _, part = key.partition(".")
    if kind not in ENTRIES or not part:
        return voice.say(f"plan.key.{key}")
    named = part
    if kind == "estimators":
        named = voice.phrase(f"estimator.{part}.name")
    elif kind == "data" and part in ("rows", "start"):
        named = voice.phrase(f"plan.data.{part}")
    elif kind == "checks":
        named = voice.phrase(f"plan.check.{part}")
    return voice.say("plan.key_part", kind=voice.phrase(f"plan.key.{kind}"), part=named)


def value_text(voice: Speaker, key: str, value: Any) -> str:
    """Return a choice in words: codes by theirs, columns by their names, numbers with their unit."""
    kind = key.partition(".")[0]
    if value is None or value == [] or value == "":
        return voice.phrase("plan.nothing")
    if isinstance(value, bool):
        return voice.phrase(f"plan.{'yes' if value else 'no'}")
    if kind in CODED and isinstance(value, str):
        return voice.phrase(f"plan.value.{value}")
    if kind == "date":
        return voice.phrase(f"event.{value}")
    if kind == "estimators":
        return voice.catalogue.listing(voice.phrase(f"estimator.{name}.name") for name in value)
    if kind == "window":
        return voice.window(value[0], value[1])
    if kind == "periods":
        return voice.years(value)
    if kind == "level":
        return numerals.whole_percent(value)
    if kind == "smallest_meaningful_percent":
        return voice.phrase("plan.of_base", percent=numerals.short(value))
    if kind == "cohorts":
        parts = (voice.phrase("plan.cohort", year=f"{year}", count=voice.count_units(units)) for year, units in value.items())
        return voice.catalogue.listing(parts)
    if kind == "groups":
        return voice.phrase("plan.group", column=value[0], values=_listed(voice, value[1]))
    if kind == "anticipation":
        return voice.count(value, "year") if value else voice.phrase("plan.nothing")
    if kind in ("units", "treated_units"):
        return voice.count_units(value)
    return _listed(voice, value, kind)


def _listed(voice: Speaker, value: Any, kind: str = "") -> str:
    """Return values one after another, and a mapping with its keys."""
    if isinstance(value, Mapping):
        parts = (
            voice.phrase("plan.pair", name=voice.phrase(f"plan.part.{name}"), value=value_text(voice, str(name), inner))
            for name, inner in value.items()
        )
        return voice.phrase("language.pause").join(parts)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return voice.catalogue.listing(value_text(voice, kind, one) for one in value)
    return f"{value:g}" if isinstance(value, float) else f"{value}"
