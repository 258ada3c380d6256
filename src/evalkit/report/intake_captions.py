"""What stands around the figures of the data-quality page: captions, notes, and descriptions for who cannot see them."""

from __future__ import annotations

from collections import Counter

from evalkit.intake.record import CodeChange, PovertyLine
from evalkit.report.blocks import Figure
from evalkit.report.intake_tables import average, missing_by_column
from evalkit.report.intake_voice import IntakeVoice

COLUMNS_DRAWN = 40
"""Columns that the map of missing values draws; the emptiest are drawn."""
UNITS_DRAWN = 25
"""Units that the timeline draws one by one; with more it counts by year."""
NOT_IN_TIME = ("code_of_later_year", "code_of_earlier_year")
"""Kinds of changes that are about how the file is written, and have no place on a timeline."""


def drawn(voice: IntakeVoice, name: str) -> bool:
    """Return whether a figure has anything to show."""
    if name == "missing":
        return bool(missing_by_column(voice))
    if name == "income":
        return any(bin_.count for bin_ in voice.record.income)
    return bool(dated(voice))


def dated(voice: IntakeVoice) -> dict[str, list[tuple[int, CodeChange]]]:
    """Return the changes that have a year, by unit, the units in the order of their first change."""
    by_unit: dict[str, list[tuple[int, CodeChange]]] = {}
    for change in voice.record.changes:
        if change.year is not None and change.kind not in NOT_IN_TIME:
            by_unit.setdefault(change.unit, []).append((change.year, change))
    ordered = {unit: sorted(found, key=lambda pair: (pair[0], pair[1].from_code)) for unit, found in by_unit.items()}
    return dict(sorted(ordered.items(), key=lambda item: (item[1][0][0], item[0])))


def lines_drawn(voice: IntakeVoice) -> list[PovertyLine]:
    """Return the poverty lines of the year of the histogram, the lowest first."""
    year = voice.record.income_year
    return sorted((line for line in voice.record.lines if line.year == year), key=lambda line: (line.value, line.schedule))


def caption(voice: IntakeVoice, name: str) -> Figure:
    """Return the words around a figure: missing, income or changes."""
    title, description, notes = {"missing": _missing, "income": _income, "changes": _changes}[name](voice)
    first = (voice.say("status.simulated_note"),) if voice.simulated else ()
    return Figure(name, "", title, voice.join([*first, description]), (*first, *notes))


Words = tuple[str, str, list[str]]


def _missing(voice: IntakeVoice) -> Words:
    some = missing_by_column(voice)
    periods = sorted({share.period for share in voice.record.missing})
    told = []
    for column, shares in list(some.items())[:8]:
        worst = max(shares, key=lambda share: share.share)
        facts = {"column": voice.column(column), "share": voice.share(average(shares)), "worst": voice.share(worst.share)}
        told.append(voice.phrase("data.figure.missing.column", year=voice.years([worst.period]), **facts))
    shown = voice.number_of(min(len(some), COLUMNS_DRAWN), "column")
    pause = voice.phrase("language.pause")
    description = voice.say("data.figure.missing.description", columns=shown, years=voice.years(periods), told=pause.join(told))
    notes = [voice.say("data.figure.missing.note")]
    if len(some) > COLUMNS_DRAWN:
        rest = list(some.values())[COLUMNS_DRAWN:]
        most = voice.share(max(average(shares) for shares in rest))
        notes.append(voice.say("data.figure.missing.rest", rest=f"{len(rest):,}", columns=shown, most=most))
    return voice.say("data.figure.missing.caption"), description, notes


def _income(voice: IntakeVoice) -> Words:
    record = voice.record
    bins = [bin_ for bin_ in record.income if bin_.count]
    years = voice.years([record.income_year] if record.income_year else record.periods)
    fullest = max(bins, key=lambda bin_: bin_.count)
    lines = lines_drawn(voice)
    told = voice.phrase("language.pause").join(_line(voice, line) for line in lines)
    facts = {
        "rows": voice.count(sum(bin_.count for bin_ in bins), "row"),
        "low": voice.money(bins[0].low),
        "high": voice.money(bins[-1].high),
        "mode_low": voice.money(fullest.low),
        "mode_high": voice.money(fullest.high),
        "money": voice.money_unit,
        "years": years,
    }
    current = voice.phrase("price_basis.nominal")  # whatever the panel's prices are, the picture compares with lines of the year
    about = voice.say("data.figure.income.basis", prices=current, definition=definition_drawn(voice))
    end = voice.say("data.figure.income.lines", lines=told) if lines else voice.say("data.figure.income.no_lines", years=years)
    notes = [about, end]
    if lines and not voice.nominal:
        notes.append(voice.say("data.figure.income.other_prices", prices=voice.prices))
    title = voice.say("data.figure.income.caption", years=years, prices=current)
    return title, voice.join([voice.say("data.figure.income.description", **facts), end]), notes


def definition_drawn(voice: IntakeVoice) -> str:
    """Return the definition that the incomes of the histogram have, as far as the record says."""
    given = voice.record.income_definition or {}
    return voice.definition(str(given.get("in_year") or given.get("definition") or "unknown"))


def _line(voice: IntakeVoice, line: PovertyLine) -> str:
    below = voice.phrase("data.figure.income.below", share=voice.share(line.below)) if line.below is not None else ""
    verified = voice.phrase(f"data.verified.{line.verified}")
    value = f"{voice.money(line.value)}"
    return voice.phrase(
        "data.figure.income.line", schedule=voice.schedule(line.schedule), value=value, verified=verified, below=below
    )


def _changes(voice: IntakeVoice) -> Words:
    by_unit = dated(voice)
    changes = [pair for found in by_unit.values() for pair in found]
    years = sorted({year for year, _ in changes})
    facts = {
        "changes": voice.number_of(len(changes), "change"),
        "units": voice.count_units(len(by_unit)),
        "years": voice.years(years),
    }
    pause = voice.phrase("language.pause")
    if len(by_unit) > UNITS_DRAWN:
        by_year = Counter(year for year, _ in changes)
        told = pause.join(voice.phrase("data.figure.changes.in_year", year=year, number=f"{by_year[year]:,}") for year in years)
        notes = [voice.say("data.figure.changes.note_years", limit=UNITS_DRAWN)]
        description = voice.say("data.figure.changes.description_years", told=told, **facts)
    else:
        told = pause.join(change_told(voice, found) for found in by_unit.values())
        notes = [voice.say("data.figure.changes.note")]
        description = voice.say("data.figure.changes.description", told=told, **facts)
    return voice.say("data.figure.changes.caption"), description, notes


def change_told(voice: IntakeVoice, found: list[tuple[int, CodeChange]]) -> str:
    """Return what happened to a unit: from which names to which, and when."""
    before = dict.fromkeys(change.from_name or change.from_code for _, change in found)
    after = dict.fromkeys(change.to_name or change.to_code for _, change in found)
    last = {name: None for name in after if name not in before} or after
    years = voice.years(sorted({year for year, _ in found}))
    listed = {name: voice.catalogue.listing(names, shown=3) for name, names in (("before", before), ("after", last))}
    return voice.phrase("data.figure.changes.unit", arrow=voice.phrase("data.arrow", **listed), years=years)
