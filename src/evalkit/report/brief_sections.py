"""The sections of a brief about stored results: how it was found, who gained, what it cost, how solid it is, what it does not show."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.before_after_records import BeforeAfter
from evalkit.cost_records import Bought, Lasting
from evalkit.findings import Components
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report import components, cost_blocks, firmness, refusals
from evalkit.report.blocks import Fact
from evalkit.report.brief_voice import BriefVoice, parts, reasons
from evalkit.report.remarks import sentence
from evalkit.report.sources import count, distinct, without_marks
from evalkit.report.voice import has_range

LIMITS = (
    "SELECTED_ON_OUTCOME", "NO_COMPARISON", "BUNDLE", "FEW_TREATED", "PRETREND_WEAK_TEST", "DATA_ANOMALY", "INCOME_DEF_2013", "SUPPORT_ENDED",
    "INCOME_DEF_SWITCH", "INCOME_DEF_UNKNOWN", "CODE_CHANGED", "MASKED", "NOMINAL", "PRICE_INDEX_UNVERIFIED", "UNIVERSAL", "FEW_CLUSTERS",
    "NEVER_CODES", "TREATED_FROM_START", "INTAKE_FLAGS", "EVENTS_OUTSIDE_PANEL",
)  # fmt: skip
"""Remarks that limit what may be concluded, the most important first."""


def how(voice: BriefVoice) -> Iterator[Fact]:
    """Say with whom it was compared, on which data, and of what the change consists."""
    if voice.described is None:
        sample = voice.findings.sample
        yield Fact(voice.label("compared"), voice.say("brief.how.compared", who=voice.compared_with()))
        facts = {"units": voice.count_units(sample.units), "treated_units": voice.count_treated(sample.treated_used)}
        of = "" if sample.clusters == sample.units else "_clusters"
        cluster = voice.count(sample.clusters, "cluster")
        rows = voice.count(sample.rows, "row")
        yield Fact(
            voice.label("data"),
            voice.say(f"brief.how.data{of}", **facts, years=voice.years(sample.periods), rows=rows, cluster=cluster),
        )
    else:
        found = voice.described
        facts = {"units": voice.count_units(found.units), "treated_units": voice.count_treated(found.treated_units)}
        yield Fact(
            voice.label("data"),
            voice.say("brief.how.data_described", **facts, years=voice.years(found.periods), rows=voice.count(found.rows, "row")),
        )
    yield Fact(voice.label("parts"), split(voice))


def split(voice: BriefVoice) -> str:
    """Say how an observed change splits into what grew everywhere, what is the programme's, and the rest."""
    rise = voice.run.rise
    if isinstance(rise, NotTold):
        return voice.missing()
    before, after = voice.amounts(rise.before, rise.after)
    told = [
        voice.phrase("brief.how.part", name=voice.phrase(part_key(voice, part.name)), amount=voice.amount(part.amount, plus=True))
        for part in rise.parts
    ]
    facts = {"first": rise.first, "last": rise.last, "before": before, "after": after}
    change = voice.amount(rise.after - rise.before, plus=True)
    return voice.say("brief.how.split", **facts, change=change, parts=voice.phrase("brief.how.between").join(told))


def part_key(voice: BriefVoice, name: str) -> str:
    """Return the key of what a part of a change is called: the programme's only where the findings carry that."""
    return f"brief.part.{name}{'' if name != 'policy' else '_carried' if voice.carried else '_plain'}"


def has_split(voice: BriefVoice) -> bool:
    """Return whether there is a change with parts to draw."""
    return isinstance(voice.run.rise, BeforeAfter) and len(voice.run.rise.parts) > 1


def who(voice: BriefVoice) -> Iterator[Fact]:
    """Say who gained, from which incomes, and where one unit stands."""
    yield Fact(voice.label("groups"), _groups(voice))
    found = None if voice.described is not None else voice.findings.components
    yield Fact(voice.label("incomes"), voice.missing() if found is None else _incomes(voice, found))
    if not isinstance(voice.run.case, NotTold):
        place = {"name": voice.run.case.name, "below": numerals.percent(100 * voice.run.case.below)}
        yield Fact(voice.label("case"), voice.say("brief.who.case", **place))


def _groups(voice: BriefVoice) -> str:
    groups = voice.run.groups
    if isinstance(groups, NotTold):
        return voice.missing()
    told = [
        voice.phrase(f"brief.who.group{_kind(row.effect)}", name=voice.word(row.word), **_money(voice, row.effect))
        for row in groups
    ]
    shown = voice.phrase("language.pause").join(told[: voice.detail.groups])
    more = voice.phrase("brief.who.more", count=count(groups) - voice.detail.groups) if len(told) > voice.detail.groups else ""
    return voice.say("brief.who.groups", groups=shown + more) if told else voice.missing()


def _kind(effect: Interval | NotTold) -> str:
    return "_none" if isinstance(effect, NotTold) else "" if has_range(effect) else "_plain"


def _money(voice: BriefVoice, effect: Interval | NotTold) -> dict[str, str]:
    if isinstance(effect, NotTold):
        return {}
    told = {"amount": voice.amount(effect.estimate, plus=True)}
    if effect.low is None or effect.high is None:
        return told
    low, high = voice.amounts(effect.low, effect.high)
    return told | {"low": low, "high": high}


def _incomes(voice: BriefVoice, found: Components) -> str:
    *rows, total = found.rows
    told = voice.phrase("language.separator").join(
        voice.phrase("components.part", name=components.name(voice, row), amount=voice.amount(row.effect.estimate, plus=True))
        for row in rows
    )
    said = [voice.say("brief.who.incomes", parts=told, total=voice.amount(total.effect.estimate, plus=True))]
    if found.share is not None:
        low, high = (numerals.percent(100 * end) for end in (found.share.low, found.share.high))
        said.append(voice.say("brief.who.earned", share=numerals.percent(100 * found.share.estimate), low=low, high=high))
    return voice.join(said)


def cost(voice: BriefVoice) -> Iterator[Fact]:
    """Say what public money bought, and whether it lasted, in the words of the report."""
    found = None if voice.described is not None else voice.findings.cost
    bought = [] if found is None else list(cost_blocks.money(voice, found.bought))[:1]
    if bought and found is not None and isinstance(found.bought, Bought):
        bought.append(voice.say(f"brief.cost.transfers_{found.bought.transfers}"))
    yield Fact(voice.label("cost"), voice.join(bought) if bought else voice.say("brief.cost.none"))
    if found is not None and isinstance(found.lasting, Lasting):
        yield Fact(voice.label("lasting"), voice.join(list(cost_blocks.lasting(voice, found.lasting))[:2]))


def solid(voice: BriefVoice) -> Iterator[Fact]:
    """Say the grade with its reasons, what would overturn the conclusion, and how the checks came out."""
    yield Fact(voice.label("grade"), voice.join(reasons(voice) or [voice.say("brief.grade_unrecorded")]))
    if voice.described is None:
        firm = voice.findings.firm
        told = [] if firm is None else list(firmness.overturned(voice, firm.overturn))
        yield Fact(voice.label("overturn"), voice.join(told) if told else voice.missing())
    yield Fact(voice.label("checks"), _checks(voice))


def _checks(voice: BriefVoice) -> str:
    checks = voice.run.checks
    if isinstance(checks, NotTold):
        return voice.missing()
    counts = {name: f"{getattr(checks, name)}" for name in ("doubt", "fail", "not_applicable")} | {
        "unremarkable": f"{checks.passed}"
    }
    rules = [voice.phrase("language.parenthesis", outer=voice.phrase(f"dossier.{rule}.name"), inner=rule) for rule in checks.named]
    named = voice.say("brief.checks.named", rules=voice.catalogue.listing(rules, shown=6)) if rules else ""
    return voice.join([voice.say("brief.checks.text", **counts), named])


def own_limits(voice: BriefVoice) -> list[str]:
    """Return what this run does not show beyond what no run shows: the gravest remarks, and how many more the report lists."""
    remarks = {remark.code: remark for remark in voice.findings.remarks}
    warned = {remark.code: remark for remark in voice.findings.warnings if remark.code not in remarks}
    above = {without_marks(point) for point in parts(voice)[3]}
    said = distinct(
        refusals.warning(voice, warned[code]) if code in warned else sentence(voice, remarks[code])
        for code in LIMITS
        if code in remarks or code in warned
    )
    said = [text for text in said if without_marks(text) not in above]
    first = [] if voice.carried else [voice.say("brief.limits.not_carried")]
    kept = said[: max(voice.detail.limits - len(first), 0)]
    rest = len(remarks) + len(warned) - len(kept)
    return [*first, *kept, *([voice.say("brief.limits.more", count=rest)] if rest > 0 else [])]
