"""From findings to a document: which blocks a report has, in which order, in either language."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit import numerals
from evalkit.findings import EstimatorRow, Findings, Headline, TwoWayWeights
from evalkit.firm_records import Overturn
from evalkit.records import Remark
from evalkit.report import alike, components, firmness
from evalkit.report.blocks import Block, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph
from evalkit.report.bottom_line import callout, gap, gaps, reference_time, untested
from evalkit.report.remarks import sentence
from evalkit.report.tables import table
from evalkit.report.voice import Voice, has_range

DISTINCT = 0.05  # below this p-value a difference between two estimators is said to be more than chance
FIGURES = ("event_study", "firmness", "overlap", "components", "estimators", "trends")


def compose(findings: Findings, lang: str) -> Document:
    """Return the report of findings in one language, "zh" or "en"; raises WordsError for what has no words."""
    voice = Voice(findings, lang)
    sections = [("bottom_line", list(_bottom_line(voice)))]
    sections += [(name, made) for name, make in _SECTIONS.items() if (made := list(make(voice)))]
    ordinals = voice.phrase("language.ordinals").split()
    blocks: list[Block] = [_strip(voice)]
    for ordinal, (name, content) in zip(ordinals, sections, strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"heading.{name}"))
        blocks += [Heading(title, name.replace("_", "-")), *content]
    title, window = voice.word(findings.title), voice.years(range(findings.window[0], findings.window[1] + 1))
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say("page.kind"),
        page_title=voice.say("page.brief_title", title=title, window=window),
        banner=voice.say("status.simulated") if findings.simulated else "",
        banner_text=voice.say("status.simulated_long") if findings.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=findings.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
    )


def _strip(voice: Voice) -> Facts:
    findings = voice.findings
    first, last = findings.window
    status = "status.simulated" if findings.simulated else "status.real"
    return Facts(
        (
            Fact(voice.say("label.programme"), voice.say("language.name", name=voice.common["programme"])),
            Fact(voice.say("label.window"), voice.years(range(first, last + 1))),
            Fact(voice.say("label.outcome"), voice.say("language.name", name=voice.common["outcome"])),
            Fact(voice.say("label.status"), voice.say(status)),
            Fact(voice.say("label.run_id"), findings.run_id),
            Fact(voice.say("label.source"), voice.word(findings.source), findings.source_url),
        )
    )


def _bottom_line(voice: Voice) -> Iterator[Block]:
    yield callout(voice)


def _how(voice: Voice) -> Iterator[Block]:
    sample = voice.findings.sample
    count = voice.count_treated(sample.treated_used)
    who = [voice.say("how.who", count=count, who=voice.compared_with())]
    if sample.treated_from_start != 0:
        who.append(voice.say("how.from_start", count=voice.count_units(sample.treated_from_start)))
    items = [
        Item(voice.join(who), voice.say("how.who_label")),
        Item(voice.join(_data(voice)), voice.say("how.data_label")),
    ]
    if growth := _growth(voice):
        items.append(Item(growth, voice.say("how.growth_label")))
    average = voice.say(f"how.average_{'one' if sample.treated_used == 1 else 'many'}", count=count, prices=voice.say("how.prices"))
    items.append(Item(average, voice.say("how.average_label")))
    if voice.findings.firm:
        items.append(Item(firmness.seen(voice, voice.findings.firm.seen), voice.say("how.seen_label")))
    yield Listing(tuple(items))


def _data(voice: Voice) -> Iterator[str]:
    """Say what was read, what the headline rests on, and what was not used."""
    sample = voice.findings.sample
    yield voice.say(
        "how.data_read",
        units=voice.count_units(sample.units),
        years=voice.years(sample.periods),
        rows=voice.count(sample.rows, "row"),
    )
    yield voice.say(
        "how.data_used",
        rows=voice.count(sample.rows_used, "row"),
        cluster=voice.cluster(sample.cluster, sample.clusters),
        clusters=voice.count(sample.clusters_used, "cluster"),
    )
    if sample.rows_outside:
        yield voice.say("how.data_outside", rows=voice.count(sample.rows_outside, "row"))
    if sample.rows_left_out:
        yield voice.say("how.left_out", rows=voice.count(sample.rows_left_out, "row"))
    elif sample.rows_used == sample.rows and not sample.rows_outside:
        yield voice.say("how.nothing_left_out")


def _growth(voice: Voice) -> str:
    """Say how the means of both groups moved over the window, or nothing where a group is missing."""
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated is None or others is None:
        return ""
    facts = {"first": others[0].period, "last": others[1].period}
    text: dict[str, str] = {}
    for name, (start, end) in (("treated", treated), ("comparison", others)):
        text[f"{name}_first"], text[f"{name}_last"] = numerals.money(start.mean), numerals.money(end.mean)
        text[f"{name}_growth"] = numerals.percent(100 * (end.mean / start.mean - 1), plus=True)
    return voice.say(f"how.growth_{voice.findings.scale}", **facts, **text)


def _path(voice: Voice) -> Iterator[Block]:
    after = [point for point in voice.findings.path if point.event_time >= 0]
    if after:
        yield Paragraph(
            voice.say(
                f"path.summary_{voice.findings.scale}",
                reference=voice.when(reference_time(voice)),
                start=voice.when(after[0].event_time),
                first=voice.hundred(after[0].estimate, plus=True),
                end=voice.when(after[-1].event_time),
                last=voice.hundred(after[-1].estimate, plus=True),
            )
        )
    yield Paragraph(_pretrend(voice))
    yield _figure(voice, "event_study", _event_study_facts(voice))
    if voice.ranges:
        yield Paragraph(voice.say(f"path.reading{'' if voice.banded else '_single'}"), "help")
    yield table(voice, "path")


def _pretrend(voice: Voice) -> str:
    pretrend = voice.findings.pretrend
    if pretrend is None:
        return voice.say(untested(voice))
    facts = {
        "p": numerals.p_sentence(pretrend.p_value),
        "statistic": numerals.fixed(pretrend.statistic, 2),
        "distribution": pretrend.distribution.replace("chi2", "χ²"),
    }
    if pretrend.failed:
        told = gaps(voice, pretrend)
        return voice.say("pretrend.failed", gaps=told[:1].upper() + told[1:], **facts)
    return voice.say("pretrend.not_rejected", gaps=gap(voice, pretrend.largest_event_time, pretrend.largest), **facts)


def _event_study_facts(voice: Voice) -> dict[str, str]:
    before = [p for p in voice.findings.path if p.event_time < 0 and not p.reference]
    after = [p for p in voice.findings.path if p.event_time >= 0]
    told = {"before": "", "after": "", "reference": voice.when(reference_time(voice))}
    for name, points in (("before", before), ("after", after)):
        if points:
            values = [p.estimate for p in points]
            last = points[-1]
            plain = name == "after" and last.band_low is None
            told[name] = voice.phrase(
                f"figure.event_study.{name}{'_plain' if plain else ''}",
                count=len(points),
                low=voice.hundred(min(values)),
                high=voice.hundred(max(values)),
                end=voice.when(last.event_time),
                last=voice.hundred(last.estimate),
                band=voice.hundred_span(last.band_low, last.band_high),
            )
    return told


def _firm(voice: Voice) -> Iterator[Block]:
    firm = voice.findings.firm
    if firm is None:
        return
    found = firm.overturn
    yield Paragraph(voice.join(firmness.overturned(voice, found)))
    if isinstance(found, Overturn):
        yield table(voice, "drift")
        yield _figure(voice, "firmness", {"rows": firmness.drifts(voice, found)})
        yield Paragraph(voice.join(firmness.expert(voice, found)), "help")
    if told := list(firmness.power(voice, firm.power)):
        yield Paragraph(voice.join(told))
    yield Paragraph(voice.join(firmness.few_clusters(voice, firm)))
    yield table(voice, "few_clusters")
    if told := list(firmness.without(voice, firm.without)):
        yield Paragraph(voice.join(told))


def _figure(voice: Voice, name: str, facts: dict[str, str], notes: tuple[str, ...] = ()) -> Figure:
    facts = {"unit_of_effect": voice.unit_of_effect(hundred=True)} | facts
    first = (voice.say("status.simulated_note"),) if voice.findings.simulated else ()
    hidden = voice.findings.hidden
    gone = {} if hidden is None else {"event_study": hidden.event_times, "trends": hidden.periods}
    if hidden and gone.get(name):
        notes = (*notes, voice.say(f"figure.{name}.hidden", few=voice.count_units(hidden.minimum)))
    plain = "" if voice.ranges else "_plain"
    description, note = (f"figure.{name}.{part}" for part in ("description", "note"))
    if name == "estimators":
        description += plain
    if name in ("event_study", "estimators", "components"):
        note += plain
    if name == "event_study" and voice.ranges and not voice.banded:
        note += "_single"
    if name == "overlap" and not (voice.findings.alike and voice.findings.alike.weighted):
        note += "_plain"
    return Figure(
        name=name,
        number=voice.phrase("language.figure", number=_figures(voice).index(name) + 1),
        caption=voice.say("figure.overlap.caption") if name == "overlap" else voice.caption(f"figure.{name}.caption"),
        description=voice.join([*first, voice.say(description, **facts)]),
        notes=(*first, voice.say(note, parts=voice.comparison_parts()), *notes),
    )


def _figures(voice: Voice) -> list[str]:
    """Return the figures of this report, in order."""
    found, balance = voice.findings, voice.findings.alike
    lacks = {
        "firmness": found.firm is None or not isinstance(found.firm.overturn, Overturn),
        "overlap": balance is None or not balance.histogram,
        "components": found.components is None,
    }
    return [name for name in FIGURES if not lacks.get(name)]


def _agree(voice: Voice) -> Iterator[Block]:
    findings = voice.findings
    rows = findings.estimators
    main = next((row for row in rows if row.headline), rows[0])
    others = [row for row in rows if row is not main]
    same = sum((row.effect.estimate > 0) == (main.effect.estimate > 0) for row in others)
    text = [_others(voice, main, others, same)]
    text += [voice.say("agree.differ")] if same < len(others) else []
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
        yield Paragraph(voice.say("agree.published"))
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
    yield _figure(voice, "estimators", {"rows": told}, notes)
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
    if weights.forbidden_weight is not None:
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
    return voice.say(f"need.{reason.code}", **(reason.facts | {"columns": voice.catalogue.listing(map(voice.covariate, columns))}))


def _named(voice: Voice, row: EstimatorRow) -> str:
    inner = voice.phrase("language.two_parts", one=voice.phrase(f"average.{row.average}"), two=voice.versus(row.comparison))
    return voice.phrase("language.parenthesis", outer=voice.say(f"estimator.{row.estimator}.name"), inner=inner)


def _others(voice: Voice, main: EstimatorRow, others: list[EstimatorRow], same: int) -> str:
    """Say how the other estimates lie beside the main one: none, one, or several."""
    unit = voice.unit_of_effect()
    if not others:
        return voice.say("agree.alone")
    if len(others) == 1:
        facts = {"other": voice.effect(others[0].effect.estimate), "main": voice.effect(main.effect.estimate)}
        return voice.say("agree.one", name=_named(voice, others[0]), unit_of_effect=unit, **facts)
    values = [row.effect.estimate for row in (main, *others)]
    low, high = voice.effect(min(values)), voice.effect(max(values))
    return voice.say("agree.many", others=len(others), same=same, low=low, high=high, unit_of_effect=unit)


def _other_scale(voice: Voice, headline: Headline) -> str:
    """Say what the same comparison gives in money instead of logs."""
    money = headline.money
    told = ""
    if has_range(money):
        told = voice.phrase("agree.other_range", low=numerals.money(money.low or 0.0), high=numerals.money(money.high or 0.0))
    signed, percent = numerals.money(money.estimate, plus=True), numerals.percent(headline.percent.estimate, plus=True)
    return voice.say("agree.other_scale", signed=signed, percent=percent, range=told)


def _who(voice: Voice) -> Iterator[Block]:
    findings, sample = voice.findings, voice.findings.sample
    text = [
        voice.say(
            "who.accounts",
            total=voice.count_units(sample.units),
            used=voice.count_units(sample.treated_used),
            parts=voice.comparison_parts(),
        )
    ]
    if sample.treated_from_start != 0:
        text.append(voice.say("who.from_start", count=voice.count_units(sample.treated_from_start), year=voice.first_clean_start))
    if single := [cohort.year for cohort in findings.cohorts if cohort.used and cohort.units == 1]:
        text.append(voice.say(f"who.single_{'one' if len(single) == 1 else 'many'}", years=voice.years(single)))
    if not findings.covariates:
        text.append(voice.say("who.no_covariates"))
    yield Paragraph(voice.join(text))
    yield table(voice, "sample")
    yield table(voice, "cohorts")
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated and others:
        axis = voice.say(f"who.trend_{findings.scale}")
        facts = {"first": str(others[0].period), "last": str(others[1].period), "axis": axis}
        for name, (start, end) in (("treated", treated), ("comparison", others)):
            facts |= {f"{name}_first": numerals.money(start.mean), f"{name}_last": numerals.money(end.mean)}
        yield _figure(voice, "trends", facts)
        yield Paragraph(axis, "help")
    if findings.dates:
        yield Paragraph(voice.join(_dates(voice)))
        yield table(voice, "dates")


def _dates(voice: Voice) -> Iterator[str]:
    """Say how far apart the effects are under each choice of the date that counts as the start."""
    rows = [row for row in voice.findings.dates if row.effect is not None]
    effects = [row.effect for row in rows if row.effect is not None]
    facts = {"dates": voice.catalogue.listing(voice.phrase(f"event.{row.date}") for row in rows)}
    if len(effects) > 1:
        low, high = min(effects), max(effects)
        facts |= {"low": voice.effect(low), "high": voice.effect(high), "gap": voice.effect(high - low)}
        yield voice.say("who.dates_many", unit_of_effect=voice.unit_of_effect(), **facts)
    else:
        yield voice.say(f"who.dates_{'one' if effects else 'none'}", **facts)
    for row in voice.findings.dates:
        if row.used:
            yield voice.say("who.dates_own", date=voice.phrase(f"event.{row.date}"))


def _alike(voice: Voice) -> Iterator[Block]:
    balance = voice.findings.alike
    if balance is None:
        return
    yield Paragraph(voice.join(alike.sentences(voice, balance)))
    if not balance.covariates:
        return
    yield table(voice, "balance")
    yield Paragraph(voice.say(f"alike.reading{'' if balance.weighted else '_plain'}"), "help")
    if balance.histogram:
        fewer = len(alike.pictured(balance)) < len(balance.cohorts)
        yield _figure(
            voice, "overlap", alike.overlap_facts(voice, balance), (voice.say("figure.overlap.largest"),) if fewer else ()
        )
    if balance.cohorts:
        yield table(voice, "overlap")


def _components(voice: Voice) -> Iterator[Block]:
    found = voice.findings.components
    if found is None:
        return
    yield Paragraph(voice.join(components.sentences(voice, found)))
    yield Paragraph(voice.join(components.share(voice, found)))
    earned = (voice.say("figure.components.earned"),) if any(row.earned for row in found.rows) else ()
    yield _figure(voice, "components", components.figure_facts(voice, found), earned)
    yield table(voice, "components")


def _limits(voice: Voice) -> Iterator[Block]:
    remarks = dict.fromkeys(sentence(voice, remark) for remark in voice.findings.remarks)
    fixed = [
        voice.say("limits.premise"),
        voice.say("limits.single_unit"),
        voice.say("limits.outside", years=voice.years(voice.findings.sample.periods)),
    ]
    if voice.findings.scale == "log":
        fixed.append(voice.say("limits.money"))
    if hidden := voice.findings.hidden:
        fixed.append(voice.say("limits.hidden", few=voice.count_units(hidden.minimum)))
    yield Listing(tuple(Item(text) for text in (*fixed, *remarks)))


def _truth(voice: Voice) -> Iterator[Block]:
    truth, effect = voice.findings.truth, voice.findings.headline.effect
    if truth is None or not voice.findings.simulated:
        return
    told = voice.say(
        f"truth.{('inside' if truth.inside else 'outside') if has_range(effect) else 'none'}",
        truth=voice.effect(truth.effect),
        estimate=voice.effect(effect.estimate),
        interval=voice.span(effect.low, effect.high),
        unit_of_effect=voice.unit_of_effect(),
    )
    yield Paragraph(voice.join([told, voice.say("truth.note")]))


def _methods(voice: Voice) -> Iterator[Block]:
    from evalkit.report.methods import facts

    yield Facts(facts(voice), "list")


_SECTIONS = {
    "how": _how,
    "path": _path,
    "firm": _firm,
    "alike": _alike,
    "components": _components,
    "agree": _agree,
    "who": _who,
    "limits": _limits,
    "truth": _truth,
    "methods": _methods,
}
