"""The bottom line: what may be said first, by verdict; no causal verb where the data do not carry one."""

from __future__ import annotations

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.findings import Pretrend
from evalkit.firm_records import Needed, NotTold, Permuted
from evalkit.records import Interval
from evalkit.report import grading, refusals
from evalkit.report.blocks import Callout, Fact
from evalkit.report.firmness import needed, permutation
from evalkit.report.one_unit import points, range_of, where, without_range
from evalkit.report.remarks import sentence
from evalkit.report.sources import count
from evalkit.report.voice import Voice, has_range

FEW = 5
"""A difference before the start that rests on fewer units says so."""

MARKS = {
    "gain": "▲", "loss": "▼", "small_change": "◆", "unclear": "○", "pretrend_failed": "■", "too_few": "□", "one_unit": "◇",
    "cannot_show": "□", "weak": "○", "refused": "×",
}  # fmt: skip
DESCRIBED = ("pretrend_failed", "too_few", "cannot_show", "weak", "refused")
"""Verdicts whose number is a description and no key figure."""


def callout(voice: Voice) -> Callout:
    """Return the bottom line of the findings."""
    verdict, grade = voice.findings.verdict, voice.findings.grade
    lead, points = _PARTS[verdict](voice)
    key_numbers = () if verdict in DESCRIBED else _key_numbers(voice)
    all_points = (*_bundle(voice), *points, *_grade(voice), *_departed(voice), *_few_clusters(voice), *_from_start(voice))
    said = grading.label(voice, voice.say(f"verdict.{verdict}"), grade)
    return Callout(verdict, MARKS[verdict], said, lead, key_numbers, all_points, grade.letter if grade else "")


def _grade(voice: Voice) -> list[str]:
    """Say why the evidence has its grade."""
    grade = voice.findings.grade
    return [] if grade is None else [grading.first_reasons(voice, grade, voice.see("table", "grade"))]


def _departed(voice: Voice) -> list[str]:
    """Say on the first page that choices are other than registered."""
    found = voice.findings.plan
    if found is None or not found.departures:
        return []
    return [voice.say("bottom.departed", count=f"{count(found.departures):,}", table=voice.see("table", "plan_departures"))]


def _bundle(voice: Voice) -> list[str]:
    """Say that the effect is that of several programmes: nobody may read the lead as the effect of one."""
    if not voice.findings.bundle:
        return []
    return [sentence(voice, remark) for remark in voice.findings.remarks if remark.code == "BUNDLE"]


def _few_clusters(voice: Voice) -> list[str]:
    """Return the warning that a range rests on few clusters, where there is a range: it belongs beside the range."""
    if not voice.ranges:
        return []
    return [sentence(voice, remark) for remark in voice.findings.remarks if remark.code == "FEW_CLUSTERS"]


def gap(voice: Voice, event_time: int, estimate: float) -> str:
    """Say how differently the two groups grew before the start; a gap that closes towards the reference is faster growth.

    With a universal base an effect before the start is the gap relative to the last year before: growth since then has
    the opposite sign. With a varying base it is the growth of one year itself.
    """
    findings = voice.findings
    faster = estimate < 0 if findings.base == "universal" else estimate > 0
    key = f"pretrend.{'faster' if faster else 'slower'}_{findings.base}_{findings.scale}"
    facts = {"from": voice.when(event_time), "to": voice.when(reference_time(voice))}
    told = voice.phrase(key, size=voice.size(estimate), **facts)
    units = next((p.units for p in findings.path if p.event_time == event_time), FEW)
    few = units is not None and units < FEW
    return voice.phrase("pretrend.few_units", gap=told, units=voice.count_units(units)) if few else told


def gaps(voice: Voice, pretrend: Pretrend) -> str:
    """Return the first and, where it is another one, the largest difference before the start."""
    told = [gap(voice, pretrend.first_event_time, pretrend.first)]
    if pretrend.largest_event_time != pretrend.first_event_time:
        told.append(gap(voice, pretrend.largest_event_time, pretrend.largest))
    return voice.catalogue.say("language.pause").join(told)


def reference_time(voice: Voice) -> int:
    """Return the last reference period, in years since the start."""
    references = [point.event_time for point in voice.findings.path if point.reference]
    return max(references, default=-1 - voice.findings.anticipation)


def _graded(voice: Voice, key: str) -> str:
    """Return the key of a lead by grade; findings of an earlier version have no grade, and claim no more than the evidence is limited."""
    grade = voice.findings.grade
    return f"bottom.{key}_{grade.letter if grade else 'C'}"


def _gain(voice: Voice) -> tuple[str, list[str]]:
    return voice.say(_graded(voice, "gain"), **_size(voice)), [_compared(voice), _premise(voice), *_pretrend(voice)]


def _loss(voice: Voice) -> tuple[str, list[str]]:
    lead = voice.say(_graded(voice, "loss"), **_size(voice, turned=True))
    return lead, [_compared(voice), voice.say("bottom.loss_check"), _premise(voice), *_pretrend(voice)]


def _small_change(voice: Voice) -> tuple[str, list[str]]:
    return voice.say(_graded(voice, "small_change"), **_size(voice)), [_compared(voice), _premise(voice), *_pretrend(voice)]


def _weak(voice: Voice) -> tuple[str, list[str]]:
    """Say what very weak evidence fits with; its number is a description, and a range without zero says what it leaves out."""
    percent = voice.findings.headline.percent
    small = grading.of_small_change(voice) or (
        percent.low is not None and percent.high is not None and percent.low <= 0 <= percent.high
    )
    key = "small" if small else "higher" if percent.estimate > 0 else "lower"
    one_sided = percent.low is not None and percent.high is not None and not small
    return voice.say(f"bottom.weak_{key}"), [
        voice.say("bottom.number_only", **_difference(voice)),
        *([voice.say("bottom.weak_range")] if one_sided else []),
        _compared(voice),
        *_pretrend(voice),
    ]


def _cannot_show(voice: Voice) -> tuple[str, list[str]]:
    lead = _nothing_can_be_shown(voice)
    points = [
        voice.say("bottom.number_only", **_difference(voice)),
        _compared(voice),
        *refusals.cures(voice, voice.findings.refusals),
    ]
    return voice.join([lead, voice.say("bottom.not_nothing")]), points


def _nothing_can_be_shown(voice: Voice) -> str:
    """Say among how many assignments no rank can be small enough; a public report does not tell the numbers of small groups."""
    firm = voice.findings.firm
    if firm is not None and isinstance(firm.permuted, NotTold) and firm.permuted.reason == "hidden":
        return voice.say("bottom.cannot_show_hidden")
    if firm is None or not isinstance(firm.permuted, Permuted):
        raise ReportError(
            "Findings with the verdict cannot_show lack the result 'firm.permuted', the rank among other assignments."
        )
    found = firm.permuted
    counts = {"items": found.items, "treated_items": found.treated}
    told = {name: voice.phrase("language.number_hidden") if n is None else numerals.fixed(n) for name, n in counts.items()}
    return voice.say("bottom.cannot_show", **told, smallest_p=numerals.p_value(found.smallest_p))


def _refused(voice: Voice) -> tuple[str, list[str]]:
    told = [refusals.because(voice, one) for one in voice.findings.refusals if one.code != "arrive_together"]
    lead = voice.say("bottom.refused", because=voice.phrase("language.pause").join(told))
    return lead, [
        voice.say("bottom.number_only", **_difference(voice)),
        _compared(voice),
        *refusals.cures(voice, voice.findings.refusals),
    ]


def _unclear(voice: Voice) -> tuple[str, list[str]]:
    money = voice.findings.headline.money
    straddles = money.low is not None and money.high is not None and money.low < 0 < money.high
    why = voice.say(f"bottom.unclear_{'straddles' if straddles else 'other'}", **_smallest(voice))
    found = voice.findings.firm.needed if voice.findings.firm else None
    cure = needed(voice, found) if isinstance(found, Needed) else voice.say("bottom.unclear_cure")
    return voice.say("bottom.unclear", **_size(voice)), [why, cure, _compared(voice)]


def _pretrend_failed(voice: Voice) -> tuple[str, list[str]]:
    pretrend = voice.findings.pretrend
    told = gaps(voice, pretrend) if pretrend else voice.phrase("language.missing")
    if pretrend:
        test = voice.phrase("pretrend.joint", p=numerals.p_sentence(pretrend.p_value))
        told = voice.phrase("language.parenthesis", outer=told, inner=test)
    lead = voice.join([voice.say("bottom.pretrend_failed", gaps=told), voice.say("bottom.describes")])
    return lead, [
        voice.say("bottom.number_only", **_difference(voice)),
        _compared(voice),
        voice.say("bottom.cure", section=voice.say("heading.firm")),
    ]


def _too_few(voice: Voice) -> tuple[str, list[str]]:
    lead = voice.say("bottom.too_few", **_difference(voice))
    firm = voice.findings.firm
    ranked = [voice.join(permutation(voice, firm.permuted))] if firm else []
    return lead, [*_why_no_range(voice), *ranked, _compared(voice), *_pretrend(voice)]


def _why_no_range(voice: Voice) -> list[str]:
    """Say why there is no range, and what it would take."""
    if voice.single:
        return [voice.say("one_unit.why"), *without_range(voice)]
    sample = voice.findings.sample
    why = voice.say(
        "bottom.too_few_why",
        cluster=voice.cluster(sample.cluster, sample.clusters),
        treated_clusters=voice.count(sample.treated_clusters, "cluster"),
        comparison_clusters=voice.count(sample.comparison_clusters, "cluster"),
    )
    return [why, voice.say("bottom.too_few_cure")]


def _one_unit(voice: Voice) -> tuple[str, list[str]]:
    alone = voice.alone
    if alone is None:
        raise ReportError("Findings with the verdict one_unit lack the result 'alone', the range of the one unit.")
    lead = voice.say("one_unit.lead", where=where(voice), **(_difference(voice) | range_of(voice, alone)))
    return lead, [*points(voice, alone), _compared(voice), *_pretrend(voice)]


_PARTS = {
    "gain": _gain,
    "loss": _loss,
    "small_change": _small_change,
    "unclear": _unclear,
    "pretrend_failed": _pretrend_failed,
    "too_few": _too_few,
    "one_unit": _one_unit,
    "cannot_show": _cannot_show,
    "weak": _weak,
    "refused": _refused,
}


def _turned(interval: Interval) -> Interval:
    """Return the interval of the opposite: a loss is told as the size of the fall."""
    low = None if interval.high is None else -interval.high
    high = None if interval.low is None else -interval.low
    return Interval.model_construct(estimate=-interval.estimate, low=low, high=high)  # unchecked, so that numbers keep their origin


def _size(voice: Voice, turned: bool = False) -> dict[str, str]:
    """Return the headline as the facts of a sentence."""
    headline = voice.findings.headline
    money, percent = headline.money, headline.percent
    if turned:
        money, percent = _turned(money), _turned(percent)
    return {
        "amount": voice.amount(money.estimate),
        "signed": voice.amount(money.estimate, plus=True),
        "percent": numerals.percent(percent.estimate),
        "signed_percent": numerals.percent(percent.estimate, plus=True),
        "base": voice.amount(headline.base.estimate),
        "range": _range(voice, money, percent),
        **_smallest(voice),
    }


def _difference(voice: Voice) -> dict[str, str]:
    """Return the headline as the facts of a description: how much higher or lower, without a sign."""
    lower = voice.findings.headline.money.estimate < 0
    return _size(voice, turned=lower) | {"direction": voice.phrase("bottom.lower" if lower else "bottom.higher")}


def _range(voice: Voice, money: Interval, percent: Interval) -> str:
    if money.low is None or money.high is None or percent.low is None or percent.high is None:
        return voice.phrase("bottom.range_none")
    low, high = voice.amounts(money.low, money.high)
    return voice.phrase(
        "bottom.range",
        low=low,
        high=high,
        low_percent=numerals.percent(percent.low),
        high_percent=numerals.percent(percent.high),
    )


def _smallest(voice: Voice) -> dict[str, str]:
    return {
        "smallest": numerals.short(voice.findings.smallest_meaningful_percent),
        "smallest_money": voice.amount(voice.smallest_money),
    }


def _compared(voice: Voice) -> str:
    return voice.say("bottom.compared", who=voice.compared_with())


def _premise(voice: Voice) -> str:
    return voice.say(f"bottom.premise_{voice.findings.scale}")


def _pretrend(voice: Voice) -> list[str]:
    pretrend = voice.findings.pretrend
    if pretrend is None:
        return [untested(voice)]
    return [] if pretrend.failed else [voice.say("pretrend.short", p=numerals.p_sentence(pretrend.p_value))]


def untested(voice: Voice) -> str:
    """Say why the years before the start are not tested."""
    if voice.single:
        return voice.say("one_unit.untested", where=where(voice), figure=voice.see("figure", "event_study"))
    return voice.say("pretrend.none" if voice.ranges else "pretrend.few")


def _from_start(voice: Voice) -> list[str]:
    """Say of how many treated units the figure is, where some were covered from the start."""
    sample = voice.findings.sample
    if sample.treated_from_start == 0:
        return []
    parts = [voice.phrase("term.part_from_start", count=voice.count_units(sample.treated_from_start), year=voice.first_clean_start)]
    if sample.last_cohort_units != 0:
        last = {"count": voice.count_units(sample.last_cohort_units), "year": voice.last_cohort}
        parts.append(voice.phrase("term.part_last", **last))
    return [
        voice.say(
            "bottom.from_start",
            used=voice.number_units(sample.treated_used),
            treated_count=voice.count_treated(sample.treated_units),
            parts=voice.phrase("language.pause").join(parts),
        )
    ]


def _key_numbers(voice: Voice) -> tuple[Fact, ...]:
    headline = voice.findings.headline
    money = voice.alone.money if voice.alone else headline.money
    found = [
        Fact(
            voice.say("label.average"),
            voice.phrase("language.amount", amount=voice.amount(money.estimate, plus=True), noun=voice.common["noun"]),
        ),
        Fact(voice.say("label.of_base"), numerals.percent(headline.percent.estimate, plus=True)),
    ]
    if has_range(money):
        low, high = voice.amounts(money.low or 0.0, money.high or 0.0)
        span = voice.phrase("language.range", low=low, high=high)
        label = voice.say("one_unit.range" if voice.alone else "label.range")
        found.append(Fact(label, voice.phrase("language.amount", amount=span, noun=voice.common["noun"])))
    return tuple(found)
