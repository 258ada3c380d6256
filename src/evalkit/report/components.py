"""Which incomes moved, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.findings import ComponentRow, Components
from evalkit.report.voice import Voice, has_range

FAILED = 0.10  # below this p-value two groups are said to have moved apart before the start


def name(voice: Voice, row: ComponentRow) -> str:
    """Return what a component is called."""
    return voice.word(row.word) if row.word else voice.phrase(f"component.{row.name}")


def sentences(voice: Voice, found: Components) -> Iterator[str]:
    """Say how much each component moved and that they add up, what that assumes, and which part is earned."""
    *parts, total = found.rows
    told = voice.catalogue.listing(
        voice.phrase("components.part", name=name(voice, row), amount=voice.amount(row.effect.estimate, plus=True)) for row in parts
    )
    yield voice.say(
        "components.moved", parts=told, table=voice.see("table", "components"), total=voice.amount(total.effect.estimate, plus=True)
    )
    if found.growth and found.measured_by:
        yield voice.say("components.growth", years=voice.window(*found.measured_by))
        if found.composition:
            yield voice.say("components.composition")
        yield voice.say("components.headline", main=voice.amount(voice.findings.headline.money.estimate, plus=True))
    else:
        yield voice.say("components.money")
    if found.left_out != 0:
        yield voice.say("components.left_out", units=voice.count_units(found.left_out))


def share(voice: Voice, found: Components) -> Iterator[str]:
    """Say which part of the change is earned, or why no share is given, and which components were apart before the start."""
    earned = voice.catalogue.listing(name(voice, row) for row in found.rows if row.earned)
    failed = [row for row in found.rows if row.pretrend_p is not None and row.pretrend_p < FAILED]
    if found.share is not None:
        low, high = (numerals.percent(100 * end) for end in (found.share.low, found.share.high))
        yield voice.say("components.share", earned=earned, share=numerals.percent(100 * found.share.estimate), low=low, high=high)
        if not 0 <= found.share.estimate <= 1:
            yield voice.say("components.share_outside")
    elif found.no_share != "not_asked":
        yield voice.say(f"components.no_share_{found.no_share}", earned=earned)
    if failed:
        yield voice.say("components.apart_before", names=voice.catalogue.listing(name(voice, row) for row in failed))
    elif any(row.pretrend_p is not None for row in found.rows):
        yield voice.say("components.not_apart_before")


def figure_facts(voice: Voice, found: Components) -> dict[str, str]:
    """Return the facts of the description of the figure of components."""
    told = voice.join(
        voice.phrase(
            f"figure.components.row{'' if has_range(row.effect) else '_plain'}",
            name=name(voice, row),
            estimate=numerals.money(row.effect.estimate),
            interval=money_span(voice, row),
        )
        for row in found.rows
    )  # fmt: skip
    return {"rows": told}


def money_span(voice: Voice, row: ComponentRow) -> str:
    """Return the range of a component in money."""
    low, high = row.effect.low, row.effect.high
    if low is None or high is None:
        return voice.phrase("language.missing")
    return voice.phrase("language.interval", low=numerals.money(low), high=numerals.money(high))
