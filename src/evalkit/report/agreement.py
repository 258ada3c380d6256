"""Whether other estimators agree, in sentences, a figure and a table."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.findings import EstimatorRow, Headline, TwoWayWeights
from evalkit.records import Remark
from evalkit.report.blocks import Block, Paragraph
from evalkit.report.figure_blocks import figure
from evalkit.report.sources import count
from evalkit.report.tables import table
from evalkit.report.voice import Voice, has_range

DISTINCT = 0.05  # below this p-value a difference between two estimators is said to be more than chance


def agree_section(voice: Voice) -> Iterator[Block]:
    """Return the section on other estimators: how far they lie apart, and why they may."""
    findings = voice.findings
    rows = findings.estimators
    main = next((row for row in rows if row.headline), rows[0])
    others = [row for row in rows if row is not main]
    same = [row for row in others if (row.effect.estimate > 0) == (main.effect.estimate > 0)]
    text = [_others(voice, main, others, same)]
    text += [voice.say("agree.differ")] if len(same) < len(others) else []
    text += [voice.say("agree.why")] if others else []
    text += _apart(voice, others)
    yield Paragraph(voice.join(text))
    if findings.two_way_weights is not None:
        yield Paragraph(voice.join(_weights(voice, findings.two_way_weights)))
    if findings.not_used:
        yield Paragraph(_not_used(voice))
    if findings.other_scale is not None:
        yield Paragraph(_other_scale(voice, findings.other_scale))
    if findings.published:
        yield Paragraph(voice.say("agree.published", table=voice.see("table", "estimators")))
    told = voice.join(
        voice.phrase(
            f"figure.estimators.row{'' if has_range(row.effect) else '_plain'}",
            name=_named(voice, row),
            estimate=voice.hundred(row.effect.estimate),
            interval=voice.hundred_span(row.effect.low, row.effect.high),
        )
        for row in rows
    )  # fmt: skip
    notes = (voice.say("figure.estimators.published_note"),) if findings.published else ()
    yield figure(voice, "estimators", {"rows": told}, notes)
    yield table(voice, "estimators")


def _apart(voice: Voice, others: list[EstimatorRow]) -> Iterator[str]:
    """Say which estimates differ from the main one by more than chance, where ranges are told."""
    tested = [(row, row.difference.p_value) for row in others if row.difference and row.difference.p_value is not None]
    if apart := [row for row, p in tested if p < DISTINCT]:
        yield voice.say("agree.distinct", names=voice.catalogue.listing([_named(voice, row) for row in apart]))
    elif tested:
        yield voice.say("agree.alike")


def _weights(voice: Voice, weights: TwoWayWeights) -> Iterator[str]:
    """Say where the two-way coefficient puts its weight."""
    negative = voice.phrase(
        f"agree.weights_{'negative' if weights.negative else 'positive'}",
        count=weights.negative,
        sum=numerals.fixed(weights.negative_sum, 3),
    )
    yield voice.say("agree.weights", cells=weights.cells, negative=negative)
    if weights.forbidden_weight is None:
        return
    if weights.forbidden_weight == 0:
        yield voice.say("agree.forbidden_none")
    else:
        yield voice.say("agree.forbidden", share=numerals.percent(100 * weights.forbidden_weight))


def _not_used(voice: Voice) -> str:
    """Say which estimators do not apply, and why."""
    told = []
    for row in voice.findings.not_used:
        name = voice.phrase(f"estimator.{row.estimator}.name")
        why = voice.join(_why_not(voice, reason) for reason in row.reasons)
        plain = "" if row.reasons else "plain"
        told.append(voice.phrase(f"agree.not_used_{plain or 'one'}", name=name, why=why.rstrip("。.")))
    return voice.say("agree.not_used", list=voice.catalogue.listing(told))


def _why_not(voice: Voice, reason: Remark) -> str:
    """Say what an estimator needs and the study does not have, with covariates called as the study calls them."""
    if reason.code == "refused":
        return voice.say("agree.refused")
    columns = str(reason.facts.get("columns", "")).split(", ")
    plain = f"agree.need_{reason.code}"  # in place of a sentence that names options of the library
    return voice.say(
        plain if voice.catalogue.has(plain) else f"need.{reason.code}",
        **(reason.facts | {"columns": voice.catalogue.listing(map(voice.covariate, columns))}),
    )


def _named(voice: Voice, row: EstimatorRow) -> str:
    inner = voice.phrase("language.two_parts", one=voice.phrase(f"average.{row.average}"), two=voice.versus(row.comparison))
    return voice.phrase("language.parenthesis", outer=voice.say(f"estimator.{row.estimator}.name"), inner=inner)


def _others(voice: Voice, main: EstimatorRow, others: list[EstimatorRow], same: list[EstimatorRow]) -> str:
    """Say how the other estimates lie beside the main one: none, one, or several."""
    unit = voice.unit_of_effect()
    if not others:
        return voice.say("agree.alone")
    if len(others) == 1:
        facts = {"other": voice.effect(others[0].effect.estimate), "main": voice.effect(main.effect.estimate)}
        return voice.say("agree.one", name=_named(voice, others[0]), unit_of_effect=unit, **facts)
    values = [row.effect.estimate for row in (main, *others)]
    low, high = voice.effect(min(values)), voice.effect(max(values))
    rows = voice.findings.estimators
    counts = {"others": count(others, of=rows), "same": count(same, of=rows)}
    return voice.say("agree.many", table=voice.see("table", "estimators"), **counts, low=low, high=high, unit_of_effect=unit)


def _other_scale(voice: Voice, headline: Headline) -> str:
    """Say what the same comparison gives in money instead of logs."""
    money = headline.money
    told = ""
    if has_range(money):
        low, high = voice.amounts(money.low or 0.0, money.high or 0.0)
        told = voice.phrase("agree.other_range", low=low, high=high)
    signed, percent = voice.amount(money.estimate, plus=True), numerals.percent(headline.percent.estimate, plus=True)
    said = voice.say("agree.other_scale", signed=signed, percent=percent, range=told)
    test = voice.findings.other_pretrend
    if test is None or not test.failed:
        return said
    return voice.join([said, voice.say("agree.other_premise", p=numerals.p_sentence(test.p_value))])
