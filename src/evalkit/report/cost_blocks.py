"""What the money bought and whether the gain lasts, in sentences and a small table of assumptions."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evalkit import numerals
from evalkit.cost_records import Bought, Lasting
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report.blocks import Block, Cell, Paragraph, Row
from evalkit.report.cells import Made, column, text_cell
from evalkit.report.voice import Voice, has_range


def cost_section(voice: Voice) -> Iterator[Block]:
    """Return the section on cost: money per yuan gained with its assumptions, and whether the gain lasts; nothing where neither is asked."""
    from evalkit.report.tables import table

    found = voice.findings.cost
    if found is None:
        return
    if told := list(money(voice, found.bought)):
        yield Paragraph(voice.join(told))
    if isinstance(found.bought, Bought):
        yield table(voice, "cost")
        yield Paragraph(voice.say("cost.reading"), "help")
    yield Paragraph(voice.join(lasting(voice, found.lasting)))


def money(voice: Voice, found: Bought | NotTold) -> Iterator[str]:
    """Say what a yuan of yearly income gained cost, and what a lasting one did, or why neither is told."""
    if isinstance(found, NotTold):
        if found.reason != "not_given":
            yield voice.say(f"cost.{found.reason}")
        return
    best, low, high = found.per_yuan, found.per_yuan_low, found.per_yuan_high
    yield voice.say("cost.yearly" if high is not None else "cost.yearly_open", **_ends(best, low, high))
    facts = {"years": voice.count(found.lasting_years, "year"), "rate": numerals.whole_percent(found.discount_rate)}
    ends = _ends(found.per_lasting_yuan, found.per_lasting_yuan_low, found.per_lasting_yuan_high)
    yield voice.say("cost.lasting_yuan" if high is not None else "cost.lasting_yuan_open", **facts, **ends)
    yield voice.say("cost.assumes", table=voice.see("table", "cost"), source=voice.word(found.source))


def _ends(best: float, low: float, high: float | None) -> dict[str, str]:
    told = _together(low, best, high)
    return {"low": told[0], "best": told[1]} | ({} if high is None else {"high": told[2]})


def _together(low: float, best: float, high: float | None) -> list[str]:
    """Return money per yuan with equal decimals: two, and as many more as the smallest needs to be seen, fewer where all are large.

    >>> _together(0.478, 0.654, 1.021), _together(0.0123, 0.05, None), _together(120.0, 150.0, 260.0)
    (['0.48', '0.65', '1.02'], ['0.012', '0.050'], ['120', '150', '260'])
    """
    size = math.floor(math.log10(low))
    decimals = min(2, max(0, 2 - size)) if size >= -1 else 1 - size
    return [numerals.fixed(value, decimals) for value in (low, best, high) if value is not None]


def cost_table(voice: Voice) -> Made:
    """Return what the cost of a yuan was computed from: the best figure, and the ends of its range."""
    found = voice.findings.cost.bought if voice.findings.cost else None
    assert isinstance(found, Bought)
    columns = [column(voice, "cost_item", align="left"), *(column(voice, f"cost_{name}") for name in ("low", "best", "high"))]
    gain, years = found.gain, {"years": voice.count(found.lasting_years, "year")}
    people = Cell(numerals.fixed(found.people), values=(found.people,))
    lasting_ends = found.per_lasting_yuan_low, found.per_lasting_yuan, found.per_lasting_yuan_high
    rows = [
        _row(voice, "spent", _money(voice, found.money_low), _money(voice, found.money), _money(voice, found.money_high)),
        _row(voice, "gain", _money(voice, gain.low), _money(voice, gain.estimate), _money(voice, gain.high)),
        _row(voice, "people", _missing(voice), people, _missing(voice)),
        _row(voice, "per_yuan", *_ratios(voice, found.per_yuan_low, found.per_yuan, found.per_yuan_high), marked=True),
        _row(voice, "per_lasting", *_ratios(voice, *lasting_ends), years=years["years"]),
    ]
    notes = [
        voice.say("cost.note_range"),
        voice.say(f"cost.note_people_{found.counted}"),
        voice.say(f"cost.note_transfers_{found.transfers}"),
        voice.say(
            "cost.note_discount",
            rate=numerals.whole_percent(found.discount_rate),
            worth=numerals.fixed(found.present_yuan, 2),
            **years,
        ),
        voice.say("cost.note_prices"),
        voice.say("cost.note_source", source=voice.word(found.source)),
    ]
    if found.per_yuan_high is None:
        notes.insert(1, voice.say("cost.note_open"))
    return columns, rows, notes


def _row(voice: Voice, name: str, low: Cell, best: Cell, high: Cell, marked: bool = False, **facts: str) -> Row:
    return Row((text_cell(voice.say(f"cost.row_{name}", **facts)), low, best, high), marked)


def _missing(voice: Voice) -> Cell:
    return Cell(voice.phrase("language.missing"), values=(None,))


def _money(voice: Voice, value: float | None) -> Cell:
    return _missing(voice) if value is None else Cell(numerals.money(value), values=(value,))


def _ratios(voice: Voice, low: float, best: float, high: float | None) -> tuple[Cell, Cell, Cell]:
    """Return money per yuan; an end that is open says so."""
    told = [*_together(low, best, high), voice.phrase("cost.open")]
    first, second, third = (Cell(text, values=(value,)) for text, value in zip(told, (low, best, high), strict=False))
    return first, second, third


def lasting(voice: Voice, found: Lasting | NotTold) -> Iterator[str]:
    """Say how the difference to the comparison was while support lasted and after, or why that cannot be told."""
    if isinstance(found, NotTold):
        yield voice.say(f"cost.after_{found.reason}")
        return
    facts = {
        name: _with_range(voice, interval)
        for name, interval in (("during", found.during), ("after", found.after), ("change", found.difference))
    }
    yield voice.say("cost.after", count=voice.count_units(found.units), years=voice.count(found.years, "year"), **facts)
    yield voice.say(f"cost.after_{_direction(found.difference)}")
    for name in ("undated", "left_out"):
        if (number := getattr(found, name)) != 0:
            yield voice.say(f"cost.after_{name}", count=voice.count_units(number))


def _with_range(voice: Voice, interval: Interval) -> str:
    told = voice.phrase("cost.signed", amount=voice.amount(interval.estimate, plus=True))
    if not has_range(interval):
        return told
    low, high = voice.amounts(interval.low or 0.0, interval.high or 0.0)
    return voice.phrase("language.parenthesis", outer=told, inner=voice.phrase("cost.range", low=low, high=high))


def _direction(interval: Interval) -> str:
    """Return whether the difference is smaller or larger after the end than before it, or whether that cannot be told."""
    if interval.high is not None and interval.high < 0:
        return "smaller"
    return "larger" if interval.low is not None and interval.low > 0 else "unclear"
