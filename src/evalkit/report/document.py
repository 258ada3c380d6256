"""From findings to a document: which blocks a report has, in which order, in either language."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.findings import Findings
from evalkit.report import numbers
from evalkit.report.blocks import Block, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph
from evalkit.report.bottom_line import callout, gap, gaps, reference_time
from evalkit.report.remarks import sentence
from evalkit.report.tables import table
from evalkit.report.voice import Voice

FIGURES = ("event_study", "estimators", "trends")


def compose(findings: Findings, lang: str) -> Document:
    """Return the report of findings in one language, "zh" or "en"; raises ReportError for what has no words."""
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
    left_out = "how.left_out" if sample.rows_left_out else "how.nothing_left_out"
    data = voice.say(
        "how.data",
        units=voice.count_units(sample.units),
        years=voice.years(sample.periods),
        rows=voice.count(sample.rows, "row"),
        cluster=voice.cluster(sample.cluster, sample.clusters),
        clusters=voice.count(sample.clusters, "cluster"),
        left_out=voice.say(left_out, rows=voice.count(sample.rows_left_out, "row")),
    )
    count = voice.count_treated(sample.treated_used)
    who = [voice.say("how.who", count=count, who=voice.compared_with())]
    if sample.treated_from_start:
        who.append(voice.say("how.from_start", count=voice.count_units(sample.treated_from_start)))
    items = [
        Item(voice.join(who), voice.say("how.who_label")),
        Item(data, voice.say("how.data_label")),
    ]
    if growth := _growth(voice):
        items.append(Item(growth, voice.say("how.growth_label")))
    average = voice.say("how.average", count=count, prices=voice.say("how.prices"))
    items.append(Item(average, voice.say("how.average_label")))
    yield Listing(tuple(items))


def _growth(voice: Voice) -> str:
    """Say how the means of both groups moved over the window, or nothing where a group is missing."""
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated is None or others is None:
        return ""
    facts = {"first": others[0].period, "last": others[1].period}
    text: dict[str, str] = {}
    for name, (start, end) in (("treated", treated), ("comparison", others)):
        text[f"{name}_first"], text[f"{name}_last"] = numbers.money(start.mean), numbers.money(end.mean)
        text[f"{name}_growth"] = numbers.percent(100 * (end.mean / start.mean - 1), plus=True)
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
    yield Paragraph(voice.say("path.reading"), "help")
    yield table(voice, "path")


def _pretrend(voice: Voice) -> str:
    pretrend = voice.findings.pretrend
    if pretrend is None:
        return voice.say("pretrend.none")
    facts = {
        "p": numbers.p_sentence(pretrend.p_value),
        "statistic": numbers.fixed(pretrend.statistic, 2),
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
            told[name] = voice.phrase(
                f"figure.event_study.{name}",
                count=len(points),
                low=voice.hundred(min(values)),
                high=voice.hundred(max(values)),
                end=voice.when(last.event_time),
                last=voice.hundred(last.estimate),
                band=voice.hundred_span(last.band_low, last.band_high),
            )
    return told


def _figure(voice: Voice, name: str, facts: dict[str, str], notes: tuple[str, ...] = ()) -> Figure:
    facts = {"unit_of_effect": voice.unit_of_effect(hundred=True)} | facts
    first = (voice.say("status.simulated_note"),) if voice.findings.simulated else ()
    return Figure(
        name=name,
        number=voice.phrase("language.figure", number=FIGURES.index(name) + 1),
        caption=voice.say(f"figure.{name}.caption"),
        description=voice.join([*first, voice.say(f"figure.{name}.description", **facts)]),
        notes=(*first, voice.say(f"figure.{name}.note"), *notes),
    )


def _agree(voice: Voice) -> Iterator[Block]:
    findings = voice.findings
    rows = findings.estimators
    main = next((row for row in rows if row.headline), rows[0])
    others = [row for row in rows if row is not main]
    values = [row.effect.estimate for row in rows]
    same = sum((row.effect.estimate > 0) == (main.effect.estimate > 0) for row in others)
    if others:
        text = [
            voice.say(
                "agree.summary",
                others=len(others),
                same=same,
                low=voice.effect(min(values)),
                high=voice.effect(max(values)),
                unit_of_effect=voice.unit_of_effect(),
            )
        ]
        text += [voice.say("agree.differ")] if same < len(others) else []
        yield Paragraph(voice.join(text))
    else:
        yield Paragraph(voice.say("agree.alone"))
    if findings.published:
        yield Paragraph(voice.say("agree.published"))
    told = voice.join(
        voice.phrase(
            "figure.estimators.row",
            name=voice.phrase(
                "language.parenthesis",
                outer=voice.say(f"estimator.{row.estimator}"),
                inner=voice.phrase("language.two_parts", one=voice.phrase(f"average.{row.average}"), two=voice.phrase(f"comparison.{row.comparison}")),
            ),
            estimate=voice.hundred(row.effect.estimate),
            interval=voice.hundred_span(row.effect.low, row.effect.high),
        )
        for row in rows
    )  # fmt: skip
    notes = (voice.say("figure.estimators.published_note"),) if findings.published else ()
    yield _figure(voice, "estimators", {"rows": told}, notes)
    yield table(voice, "estimators")


def _who(voice: Voice) -> Iterator[Block]:
    findings, sample = voice.findings, voice.findings.sample
    text = [
        voice.say(
            "who.accounts",
            total=voice.count_units(sample.units),
            used=voice.count_units(sample.treated_used),
            comparison_count=voice.count_units(sample.comparison_units),
        )
    ]
    if sample.treated_from_start:
        text.append(voice.say("who.from_start", count=voice.count_units(sample.treated_from_start), year=min(sample.periods)))
    if single := [cohort.year for cohort in findings.cohorts if cohort.used and cohort.units == 1]:
        text.append(voice.say("who.single", years=voice.years(single)))
    yield Paragraph(voice.join(text))
    yield table(voice, "sample")
    yield table(voice, "cohorts")
    treated, others = voice.ends("treated"), voice.ends("comparison")
    if treated and others:
        axis = voice.say(f"who.trend_{findings.scale}")
        facts = {"first": str(others[0].period), "last": str(others[1].period), "axis": axis}
        for name, (start, end) in (("treated", treated), ("comparison", others)):
            facts |= {f"{name}_first": numbers.money(start.mean), f"{name}_last": numbers.money(end.mean)}
        yield _figure(voice, "trends", facts)
        yield Paragraph(axis, "help")


def _limits(voice: Voice) -> Iterator[Block]:
    remarks = dict.fromkeys(sentence(voice, remark) for remark in voice.findings.remarks)
    fixed = [
        voice.say("limits.premise"),
        voice.say("limits.single_unit"),
        voice.say("limits.outside", years=voice.years(voice.findings.sample.periods)),
    ]
    yield Listing(tuple(Item(text) for text in (*fixed, *remarks)))


def _truth(voice: Voice) -> Iterator[Block]:
    truth, effect = voice.findings.truth, voice.findings.headline.effect
    if truth is None or not voice.findings.simulated:
        return
    told = voice.say(
        "truth.inside" if truth.inside else "truth.outside",
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
    "agree": _agree,
    "who": _who,
    "limits": _limits,
    "truth": _truth,
    "methods": _methods,
}
