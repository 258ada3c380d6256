"""From a scan to its page: every county in the order of the codes, never a ranking, and how far counties differ beyond chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit import numerals
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report.blocks import (
    Block,
    Callout,
    Cell,
    Column,
    Document,
    Fact,
    Facts,
    Figure,
    Item,
    Listing,
    Paragraph,
    Row,
    Table,
)
from evalkit.report.county_pages import about, framed, see, signed, size
from evalkit.report.scan_figures import DRAW
from evalkit.report.sources import count, traced
from evalkit.report.trace import finished
from evalkit.report.voice import Voice
from evalkit.scan_records import CountyEffect, Differences, Scan

__all__ = ["DRAW", "compose"]

SHOWN = 0.05  # a p-value below says that counties differ by more than chance


def compose(scan: Scan, lang: str) -> Document:
    """Return the page of a scan in one language; raises WordsError for what has no words."""
    return finished(arranged(traced(scan), lang))


def arranged(scan: Scan, lang: str) -> Document:
    """Return the blocks of the page as they are made of a scan, traced or not."""
    voice = Voice(scan.findings, lang)
    sections: dict[str, Sequence[Block]] = {
        "bottom_line": [callout(voice, scan)],
        "counties": list(_counties(voice, scan)),
        "differences": list(_differences(voice, scan)),
        "without": list(_without(voice, scan)),
        "limits": [Listing(tuple(Item(voice.say(f"scan.limits.{name}")) for name in _limits(scan)))],
        "methods": [Facts(tuple(_methods(voice, scan)), "list")],
    }
    headed = {voice.say(f"scan.heading.{name}"): (name, blocks) for name, blocks in sections.items()}
    title = voice.say("scan.title", title=voice.title)
    return framed(voice, voice.say("scan.kind"), title, headed, [_strip(voice, scan)])


def _strip(voice: Voice, scan: Scan) -> Facts:
    return about(voice, [Fact(voice.say("scan.fact.counties"), f"{count(scan.counties):,}")])


def _number(voice: Voice, number: int) -> str:
    return voice.catalogue.count(number, voice.phrase("cluster.county"))


def _listed(voice: Voice, scan: Scan) -> str:
    return voice.catalogue.count(count(scan.counties), voice.phrase("cluster.county"))


def _of_income(voice: Voice, size: str) -> str:
    return voice.phrase(f"scan.of_income_{voice.findings.scale}", size=size)


def _span_of(voice: Voice, low: str, high: str) -> str:
    return voice.phrase(f"scan.span_{voice.findings.scale}", low=low, high=high)


def callout(voice: Voice, scan: Scan) -> Callout:
    """Return the bottom line: whether counties differ by more than chance, and that nothing here ranks them."""
    found = scan.differences
    facts: list[Fact] = []
    if isinstance(found, Differences):
        span = voice.phrase("language.range", low=size(voice, found.tau_low), high=size(voice, found.tau_high))
        span = voice.phrase("language.missing") if too_alike(found) else span
        facts = [
            Fact(voice.say("scan.fact.observed"), size(voice, found.observed)),
            Fact(voice.say("scan.fact.chance"), size(voice, found.chance)),
            Fact(voice.say("scan.fact.tau"), span),
        ]
    points = tuple(_points(voice, scan))
    return Callout("one_unit", "◇", voice.say("scan.verdict"), _lead(voice, scan), tuple(facts), points)


def too_alike(found: Differences) -> bool:
    """Return whether counties are closer together than their errors allow, so that the errors are too large and tau has no interval."""
    return found.tau_high == 0


def _lead(voice: Voice, scan: Scan) -> str:
    found, counties = scan.differences, _listed(voice, scan)
    if not scan.counties:
        return voice.say("scan.lead_none")
    if not isinstance(found, Differences):
        return voice.say("scan.lead_few", counties=counties, **_few(voice, found))
    facts = {"observed": _of_income(voice, size(voice, found.observed)), "chance": _of_income(voice, size(voice, found.chance))}
    return voice.say(f"scan.lead_{'more' if found.p_value < SHOWN else 'chance'}", counties=counties, **facts)


def _few(voice: Voice, reason: NotTold) -> dict[str, str]:
    return {"with_error": _number(voice, reason.facts["counties"]), "needed": _number(voice, reason.facts["needed"])}


def _points(voice: Voice, scan: Scan) -> Iterator[str]:
    found, chance = scan.differences, scan.by_chance
    if isinstance(found, Differences) and too_alike(found):
        yield voice.say("scan.alike", p=numerals.p_sentence(found.p_value))
    elif isinstance(found, Differences) and found.p_value >= SHOWN:
        yield voice.say("scan.not_same", span=_span_of(voice, size(voice, found.tau_low), size(voice, found.tau_high)))
    yield voice.say("scan.order")
    if chance is not None:
        expected = numerals.fixed(chance.expected, 0 if chance.expected >= 1 else 1)
        said = voice.say("scan.chance", ranges=_number(voice, chance.ranges), expected=expected, outside=f"{chance.outside:,}")
        yield voice.join([said, voice.say("scan.chance_shared")] if scan.shared else [said])
    if isinstance(found, Differences):
        yield voice.say("scan.predicted")
    yield voice.say("scan.only")
    verdict = scan.findings.verdict
    if verdict == "refused":
        yield voice.say("scan.refused")
    elif voice.catalogue.has(f"verdict.{verdict}"):
        yield voice.say("scan.whole", verdict=voice.phrase(f"verdict.{verdict}"))


def _counties(voice: Voice, scan: Scan) -> Iterator[Block]:
    if not scan.counties:
        return
    listed = _listed(voice, scan)
    key = "counted" if scan.without else "counted_all"
    cluster = voice.cluster(scan.findings.sample.cluster, scan.findings.sample.clusters)
    yield Paragraph(
        voice.join(
            [
                voice.say(f"scan.{key}", counties=listed, without=_number(voice, count(scan.without))),
                voice.say(f"scan.compared_{scan.kind}"),
                voice.say(f"scan.range_{scan.kind}", cluster=cluster),
                voice.say(
                    "scan.see", figure=see(voice, "figure", "scan_counties", 1), table=see(voice, "table", "scan_counties", 1)
                ),
            ]
        )
    )
    yield _figure(voice, scan)
    yield _table(voice, scan)


def _figure(voice: Voice, scan: Scan) -> Figure:
    first = (voice.say("status.simulated_note"),) if scan.findings.simulated else ()
    found, chance = scan.differences, scan.by_chance
    facts: dict[str, str] = {"counties": _listed(voice, scan), "ranges": "0" if chance is None else f"{chance.ranges:,}"}
    plain = "" if isinstance(found, Differences) and chance else "_plain"
    if isinstance(found, Differences) and chance:
        facts |= {"outside": f"{chance.outside:,}", "mean": _of_income(voice, signed(voice, found.mean.estimate))}
    return Figure(
        name="scan_counties",
        number=voice.phrase("language.figure", number=1),
        caption=voice.caption("scan.figure.caption"),
        description=voice.join([*first, voice.say(f"scan.figure.description{plain}", **facts)]),
        notes=(*first, voice.say(f"scan.figure.note{plain}")),
    )


def _table(voice: Voice, scan: Scan) -> Table:
    predicted = isinstance(scan.differences, Differences)
    reasons = list(dict.fromkeys(one.no_range.reason for one in scan.counties if one.no_range))
    notes = [voice.say("scan.table.note")]
    if reasons:
        told = voice.catalogue.listing(voice.phrase(f"scan.no_range.{reason}") for reason in reasons)
        notes.append(voice.say("scan.table.note_no_range", reasons=told))
    if scan.findings.simulated:
        notes = [voice.say("status.simulated_note"), *notes]
    return Table(
        "scan_counties",
        voice.phrase("language.table", number=1),
        voice.caption("scan.table.counties"),
        tuple(_columns(voice, predicted)),
        tuple(_row(voice, one, predicted) for one in scan.counties),
        tuple(notes),
        cards=True,
    )


def _columns(voice: Voice, predicted: bool) -> Iterator[Column]:
    fields = {
        "county": ("code", "name"),
        "start": ("start",),
        "estimate": ("estimate",),
        "range": ("low", "high"),
        "percent": ("estimate_percent", "low_percent", "high_percent"),
    }
    more = {"predicted": ("predicted", "predicted_percent"), "predicted_range": ("predicted_low", "predicted_high")}
    for name, inner in (fields | more if predicted else fields).items():
        labels = tuple(voice.phrase(f"scan.column.{field}") for field in inner)
        yield Column(voice.say(f"scan.column.{name}"), "left" if name in ("county", "start") else "right", labels)


def _row(voice: Voice, one: CountyEffect, predicted: bool) -> Row:
    county, missing = one.county, voice.phrase("language.missing")
    named = Cell(county.name, "" if county.name == county.code else county.code, (county.code, county.name))
    starts = voice.catalogue.listing(f"{year}" for year in one.starts)
    percent = one.percent
    cells = [
        named,
        Cell(starts, values=(starts,)),
        Cell(numerals.money(one.money.estimate, plus=True), values=(one.money.estimate,)),
        _span(voice, one.money),
        Cell(numerals.percent(percent.estimate, plus=True), values=(percent.estimate, percent.low, percent.high)),
    ]
    if predicted and one.predicted is not None:
        money = one.predicted.money
        cells += [
            Cell(numerals.money(money.estimate, plus=True), values=(money.estimate, one.predicted.percent.estimate)),
            _span(voice, money),
        ]
    elif predicted:
        cells += [Cell(missing, values=(None, None)), Cell(missing, values=(None, None))]
    return Row(tuple(cells))


def _span(voice: Voice, money: Interval) -> Cell:
    if money.low is None or money.high is None:
        return Cell(voice.phrase("language.missing"), values=(None, None))
    text = voice.phrase("language.interval", low=numerals.money(money.low), high=numerals.money(money.high))
    return Cell(text, values=(money.low, money.high))


def _differences(voice: Voice, scan: Scan) -> Iterator[Block]:
    found = scan.differences
    if not isinstance(found, Differences):
        if scan.counties:
            yield Paragraph(voice.say("scan.few", **_few(voice, found)))
        return
    test = {"p": numerals.p_sentence(found.p_value), "q": numerals.fixed(found.q, 1), "distribution": found.distribution}
    told = [voice.say("scan.test", **test)]
    told += [voice.say("scan.degrees")] if found.distribution.startswith("F") else []
    told += [voice.say("scan.alike", p=test["p"])] if too_alike(found) else list(_true_spread(voice, found))
    told += [voice.say("scan.volatile")] if found.p_value < SHOWN else []
    yield Paragraph(voice.join(told))
    drawn = [one.predicted.pull for one in scan.counties if one.predicted]
    low, high = numerals.percent(100 * min(drawn)), numerals.percent(100 * max(drawn))
    same = round(min(drawn), 3) == round(max(drawn), 3)
    mean, ends = found.mean, (signed(voice, found.mean.low or 0.0), signed(voice, found.mean.high or 0.0))
    yield Paragraph(
        voice.join(
            [
                voice.say("scan.mean", mean=_of_income(voice, signed(voice, mean.estimate)), span=_span_of(voice, *ends)),
                voice.say("scan.predicted"),
                voice.say("scan.pull_one", low=low) if same else voice.say("scan.pull", low=low, high=high),
            ]
        )
    )


def _true_spread(voice: Voice, found: Differences) -> Iterator[str]:
    ends = size(voice, found.tau_low), size(voice, found.tau_high)
    yield voice.say("scan.tau", tau=_of_income(voice, size(voice, found.tau)), span=_span_of(voice, *ends))
    yield voice.say("scan.share", share=numerals.percent(100 * found.i_squared))


def _without(voice: Voice, scan: Scan) -> Iterator[Block]:
    if scan.without:
        items = (
            Item(voice.say(f"scan.reason.{one.reason.reason}", **_facts(voice, one.reason)), one.county.told)
            for one in scan.without
        )
        yield Listing(tuple(items))


def _facts(voice: Voice, reason: NotTold) -> dict[str, str]:
    told = {name: f"{fact}" for name, fact in reason.facts.items() if name != "said"}
    return told | ({"units": voice.count_units(reason.facts["units"])} if "units" in reason.facts else {})


def _limits(scan: Scan) -> Iterator[str]:
    yield "cause"
    yield "ranking"
    if isinstance(scan.differences, Differences):
        yield from ("equal", "normal")
    if scan.without:
        yield "few"


def _methods(voice: Voice, scan: Scan) -> Iterator[Fact]:
    cluster = voice.cluster(scan.findings.sample.cluster, scan.findings.sample.clusters)
    known = isinstance(scan.differences, Differences)
    yield Fact(voice.say("scan.fact.estimate"), voice.say("scan.method.estimate"))
    yield Fact(voice.say("scan.fact.ranges"), voice.say(f"scan.method.ranges_{scan.kind}", cluster=cluster))
    yield Fact(voice.say("scan.fact.spread"), voice.say(f"scan.method.spread{'' if known else '_none'}"))
    if known:
        yield Fact(voice.say("scan.fact.predicted"), voice.say("scan.method.predicted"))
    yield Fact(voice.say("scan.fact.prices"), voice.say("language.name", name=voice.common["prices"]))
