"""The brief of a supervision team: from stored results, the ledger and the locality's response to two pages, in either language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.firm_records import NotTold
from evalkit.report import brief_fieldwork, brief_figures, brief_sections
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph
from evalkit.report.brief_voice import DETAILS, BriefVoice, Detail, numbers_of, parts, voices
from evalkit.report.sources import distinct, traced
from evalkit.report.trace import finished
from evalkit.supervision.brief_records import Brief

DRAW = brief_figures.DRAW
BLANK = "\u00a0"
"""The label of an entry that goes on with the one above."""
ANNEX = "annex"
"""The anchor of the heading with which the annex, and a new page, begins."""


def compose(brief: Brief, lang: str, detail: Detail = DETAILS[0]) -> Document:
    """Return the brief in one language, every number of which knows the result it comes from.

    Raises
    ------
    WordsError
        For a language other than "zh" and "en", and for what has no words.
    """
    return finished(arranged(traced(brief), lang, detail))


def arranged(brief: Brief, lang: str, detail: Detail = DETAILS[0]) -> Document:
    """Return the blocks of a brief; texts still hold the marks of traced numbers."""
    spoken = voices(brief, lang, detail)
    voice = spoken[0]
    page = _Page(brief, spoken)
    sections = [(name, made) for name, make in _SECTIONS.items() if (made := list(make(page)))]
    ordinals = voice.phrase("language.ordinals").split()
    blocks: list[Block] = [_strip(page)]
    for ordinal, (name, content) in zip(ordinals, sections, strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"brief.heading.{name}"))
        blocks += [Heading(title, f"brief-{name}"), *content]
    blocks += [*_about(page), *_annex(page)]
    title = voice.say("brief.title_several", count=len(spoken)) if voice.several else voice.say("brief.title", title=voice.title)
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say(f"brief.kind_{brief.stage}"),
        page_title=voice.phrase("language.parenthesis", outer=title, inner=voice.say(f"brief.stage.{brief.stage}")),
        banner=voice.say("status.simulated") if brief.simulated else "",
        banner_text=voice.say("status.simulated_long") if brief.simulated else "",
        footer=voice.say("page.footer", title=title, run_id=brief.number),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
        sheet="brief_page.css",
    )


class _Page:
    """One page while it is made: the brief, its voices, and the numbers of its figures."""

    def __init__(self, brief: Brief, spoken: list[BriefVoice]) -> None:
        self.brief, self.voices, self.drawn = brief, spoken, 0
        self.voice = spoken[0]

    def figure(self, name: str, rows: Sequence[str]) -> Figure:
        """Return a figure with the next number; rows are what its description says of each run."""
        self.drawn += 1
        voice = self.voice
        first = (voice.say("status.simulated_note"),) if self.brief.simulated else ()
        return Figure(
            name=f"brief_{name}",
            number=voice.phrase("language.figure", number=self.drawn),
            caption=voice.say(f"brief.figure.{name}"),
            description=voice.join([*first, voice.say(f"brief.figure.{name}_description"), *rows]),
            notes=(voice.say(f"brief.figure.{name}_note", **self._ranges() if name == "effect" else {}),),
        )

    def _ranges(self) -> dict[str, str]:
        """Return what the thick lines of the effects are: one county alone has a prediction interval."""
        kinds = distinct(
            voice.phrase(f"brief.figure.interval{'_alone' if voice.alone else ''}", level=voice.common["level"])
            for voice in self.voices
            if brief_figures.has_effect(voice)
        )
        return {"interval": self.voice.catalogue.listing(kinds)}


def _strip(page: _Page) -> Facts:
    voice, brief = page.voice, page.brief
    last = max(max(_periods(each)) for each in page.voices)
    return Facts(
        (
            Fact(voice.say("label.status"), voice.say("status.simulated" if brief.simulated else "status.real")),
            Fact(voice.say("brief.label.stage"), voice.say(f"brief.stage.{brief.stage}")),
            Fact(voice.say("brief.label.data_to"), voice.years([last])),
            Fact(voice.say("brief.label.number"), brief.number),
        )
    )


def _periods(voice: BriefVoice) -> list[int]:
    return voice.findings.sample.periods if voice.described is None else voice.described.periods


def _bottom_line(page: _Page) -> Iterator[Block]:
    for voice in page.voices:
        mark, label, lead, points = parts(voice)
        yield Callout(str(voice.findings.verdict), mark, voice.named(label), lead, numbers_of(voice), tuple(points))
    if drawn := [voice for voice in page.voices if brief_figures.has_effect(voice)]:
        yield page.figure("effect", [brief_figures.effect_said(voice) for voice in drawn])


def _told(page: _Page, of: Callable[[BriefVoice], Iterator[Fact]]) -> Facts:
    """Return what every run tells, entry by entry: each label once, and under it one run after the other."""
    entries: dict[str, list[str]] = {}
    for voice in page.voices:
        for fact in of(voice):
            entries.setdefault(fact.label, []).append(voice.named(fact.value))
    pairs = ((label if place == 0 else BLANK, text) for label, texts in entries.items() for place, text in enumerate(texts))
    return Facts(tuple(Fact(*pair) for pair in pairs), "list")


def _how(page: _Page) -> Iterator[Block]:
    yield _told(page, brief_sections.how)
    if drawn := [voice for voice in page.voices if brief_sections.has_split(voice)]:
        yield page.figure("split", [brief_sections.split(voice) for voice in drawn])


def _who(page: _Page) -> Iterator[Block]:
    yield _told(page, brief_sections.who)


def _cost(page: _Page) -> Iterator[Block]:
    yield _told(page, brief_sections.cost)


def _solid(page: _Page) -> Iterator[Block]:
    yield _told(page, brief_sections.solid)


def _field(page: _Page) -> Iterator[Block]:
    found = page.brief.fieldwork
    if isinstance(found, NotTold):
        return
    yield Facts(tuple(brief_fieldwork.facts(page.voice, found)), "list")
    yield page.figure("funnel", brief_figures.funnel_said(page.voice, found))
    yield brief_fieldwork.table(page.voice, found)


def _proposed(page: _Page) -> Iterator[Block]:
    """Return recommendations and questions: from grade C up the ones, everything else the others."""
    voice, brief = page.voice, page.brief
    entries: list[Item] = []
    for name, proposals in (("advice", brief.recommendations), ("ask", brief.questions)):
        label = voice.say(f"brief.label.{name}")
        for place, run in enumerate(page.voices):
            texts = distinct(run.say(f"brief.{name}.{one.code}", **one.facts) for one in proposals if one.run == place)
            most = max(1, voice.detail.proposals // len(page.voices)) if voice.several else voice.detail.proposals
            shown, rest = [run.named(text) for text in texts[:most]], len(texts) - most
            if rest > 0:
                shown[-1] = voice.join([shown[-1], voice.say(f"brief.{name}_more", count=rest)])
            entries += [Item(text, label) for text in shown]
    if not brief.recommendations:
        yield Paragraph(voice.say("brief.no_advice"))
    yield Listing(tuple(_labelled_once(entries)))


def _labelled_once(entries: Sequence[Item]) -> Iterator[Item]:
    """Return entries as one text under each label."""
    grouped: dict[str, list[str]] = {}
    for item in entries:
        grouped.setdefault(item.label, []).append(item.text)
    for label, texts in grouped.items():
        for place, text in enumerate(texts, 1):
            yield Item(f"{place}. {text}" if len(texts) > 1 else text, label if place == 1 else BLANK)


def _limits(page: _Page) -> Iterator[Block]:
    voice = page.voice
    fixed = [voice.say(f"brief.limits.{name}") for name in ("places", "outside", "absence")]
    own = distinct(each.named(text) for each in page.voices for text in brief_sections.own_limits(each))
    yield Listing(tuple(Item(text) for text in (*fixed, *own)))


def _about(page: _Page) -> Iterator[Block]:
    """Return the lines at the foot: the response, data and methods, and the runs."""
    voice, response = page.voice, page.brief.response
    sources = distinct(
        each.say("brief.source", source=each.word(each.findings.source), prices=each.common["prices"]) for each in page.voices
    )
    yield Facts(
        (
            Fact(voice.label("response"), voice.say(f"brief.response.{response.status}_{page.brief.stage}")),
            *(Fact(voice.label("source") if place == 0 else BLANK, text) for place, text in enumerate(sources)),
            Fact(voice.label("stored"), voice.say("brief.stored", runs=page.brief.number)),
        ),
        "list",
    )


def _annex(page: _Page) -> Iterator[Block]:
    """Return the response word for word, on a page of its own: it is neither cut nor squeezed."""
    voice, response = page.voice, page.brief.response
    if response.status != "received":
        return
    yield Heading(voice.say("brief.heading.annex"), ANNEX)
    told = "brief.response.verbatim" if response.of_these_runs else "brief.response.to_earlier"
    yield Paragraph(voice.say(told, runs=voice.catalogue.listing(response.to_runs)), "help")
    yield from (Paragraph(text) for text in response.paragraphs)


_SECTIONS = {
    "bottom_line": _bottom_line,
    "how": _how,
    "who": _who,
    "cost": _cost,
    "solid": _solid,
    "field": _field,
    "proposed": _proposed,
    "limits": _limits,
}


def write(brief: Brief, folder: str | Path, lang: str, formats: Sequence[str]) -> list[Path]:
    """Write the brief in a language and return its files: brief.<lang>.<format>, its figures and tables.

    PDF and Word hold two pages for one programme (one more for each further one), besides the annex with the response. A long brief
    tells fewer proposals, limits, groups and kinds of problem one by one, and how many more there are; every format tells the same.

    Raises
    ------
    ReportError
        For an unknown format, and for a brief that does not fit on its pages: it names the longest section.
    """
    from evalkit.report.brief_files import write_files

    return write_files(brief, lang, Path(folder), formats)


def without_annex(document: Document) -> Document:
    """Return a document without what follows the heading of its annex."""
    ends = [place for place, block in enumerate(document.blocks) if isinstance(block, Heading) and block.anchor == ANNEX]
    return replace(document, blocks=document.blocks[: ends[0]]) if ends else document
