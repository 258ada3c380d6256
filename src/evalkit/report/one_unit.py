"""What a report says of one treated unit alone, such as a single county: a description with a range, never a cause and never a rank."""

from __future__ import annotations

from evalkit import numerals
from evalkit.findings import Alone
from evalkit.firm_records import NotTold
from evalkit.report.voice import Voice


def where(voice: Voice) -> str:
    """Return the name of the county a report is about, or that it is about this one unit."""
    county = voice.findings.county
    return voice.phrase("one_unit.here") if county is None else county.name


def range_of(voice: Voice, alone: Alone) -> dict[str, str]:
    """Return the ends of the range as the facts of a sentence, in money and in per cent of base income."""
    money, percent = alone.money, alone.percent
    low, high = voice.amounts(money.low or 0.0, money.high or 0.0)
    return {
        "low": low,
        "high": high,
        "low_percent": numerals.percent(percent.low or 0.0),
        "high_percent": numerals.percent(percent.high or 0.0),
        "comparison_units": voice.count_units(alone.comparison_units),
        "signed": voice.amount(money.estimate, plus=True),
    }


def points(voice: Voice, alone: Alone) -> list[str]:
    """Say how the range is to be read, what it cannot tell apart, and how it is made."""
    effect = alone.effect
    apart = effect.low is not None and effect.high is not None and not effect.low <= 0 <= effect.high
    return [
        voice.say(f"one_unit.{'outside' if apart else 'inside'}"),
        voice.say("one_unit.only_here", where=where(voice)),
        voice.say("one_unit.how_range", comparison_units=voice.count_units(alone.comparison_units)),
    ]


def without_range(voice: Voice) -> list[str]:
    """Say why one unit alone has no range either, nothing where several are treated."""
    found = voice.findings.alone
    if not isinstance(found, NotTold):
        return []
    if found.reason != "too_few_comparisons":
        return [voice.say("one_unit.no_range")]
    counts = {"comparison_units": voice.count_units(found.facts["units"]), "needed": voice.number_units(found.facts["needed"])}
    return [voice.say("one_unit.no_range_few", **counts)]
