"""The page on the self-check of the method: from its record to blocks, in either language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.firm_records import NotTold
from evalkit.report import selfcheck_figures, selfcheck_tables
from evalkit.report.blocks import Block, Callout, Document, Fact, Facts, Figure, Heading, Item, Listing, Paragraph, Table
from evalkit.report.selfcheck_voice import SelfCheckVoice, aimed, row_of
from evalkit.report.sources import count, distinct, traced
from evalkit.report.trace import finished
from evalkit.selfcheck_records import SelfCheck

if TYPE_CHECKING:
    import pandas as pd

DRAW = selfcheck_figures.DRAW
ENOUGH = 100  # evaluations of a world below which a rate near 5% cannot be told from one near 10%


def compose(record: SelfCheck, lang: str) -> Document:
    """Return the page of a self-check in one language, "zh" or "en", every number of which knows the result it comes from.

    Raises
    ------
    WordsError
        For another language, and for a world, a verdict or a check without words.
    """
    return finished(arranged(traced(record), lang))


def arranged(record: SelfCheck, lang: str) -> Document:
    """Return the blocks of the page as they are made of a record, traced or not; texts still hold the marks of traced numbers."""
    voice = SelfCheckVoice(record, lang)
    page = _Page(voice)
    ordinals = voice.phrase("language.ordinals").split()
    blocks: list[Block] = [_strip(voice)]
    for ordinal, (name, make) in zip(ordinals, _SECTIONS.items(), strict=False):
        title = voice.phrase("language.section", ordinal=ordinal, title=voice.say(f"selfcheck.heading.{name}"))
        blocks += [Heading(title, name.replace("_", "-")), *make(page)]
    title = voice.say("selfcheck.title")
    return Document(
        lang=lang,
        tag=voice.phrase("language.tag"),
        title=title,
        kicker=voice.say("selfcheck.kicker"),
        page_title=title,
        banner=voice.say("status.simulated"),
        banner_text=voice.say("status.simulated_long"),
        footer=voice.say("page.footer", title=voice.say("selfcheck.kicker"), run_id=record.run_id),
        page_number=(voice.phrase("page.print_page"), voice.phrase("page.print_page_end")),
        blocks=tuple(blocks),
        sheet="selfcheck_page.css",
    )


@dataclass(frozen=True)
class _Page:
    """One page while it is made: its language, and the numbers of its figures and tables."""

    voice: SelfCheckVoice
    named: dict[str, list[str]] = field(default_factory=lambda: {"figure": [], "table": []})

    def table(self, name: str) -> Table:
        self.named["table"].append(name)
        return selfcheck_tables.table(self.voice, name, len(self.named["table"]))

    def figure(self, name: str, description: str) -> Figure:
        self.named["figure"].append(name)
        number = self.voice.phrase("language.figure", number=len(self.named["figure"]))
        caption, note = self.voice.say(f"selfcheck.figure.{name}"), self.voice.say(f"selfcheck.note.{name}")
        return Figure(f"selfcheck_{name}", number, caption, description, (note,))


def _strip(voice: SelfCheckVoice) -> Facts:
    recorded = voice.record.recorded
    first, last = recorded.seeds
    told = {
        "worlds": f"{count(recorded.rows):,}",
        "runs": f"{recorded.rows[0].runs:,}",
        "seeds": voice.phrase("language.range", low=f"{first:,}", high=f"{last:,}"),
        "status": voice.say("status.simulated"),
        "rules": recorded.rules,
        "run_id": voice.record.run_id,
    }
    return Facts(tuple(Fact(voice.say(f"selfcheck.label.{name}"), value) for name, value in told.items()))


def callout(voice: SelfCheckVoice) -> Callout:
    """Return the bottom line: how many targets are met, and the rates that they are about."""
    recorded = voice.record.recorded
    targets = aimed(recorded)
    missed = [row for row in targets if row.met == "not_met"]
    runs = recorded.rows[0].runs
    few = runs < ENOUGH
    key = "few" if few else "open" if missed else "met"
    facts = {"targets": f"{count(targets, recorded.rows):,}", "missed": f"{count(missed, recorded.rows):,}"}
    lead = [voice.say("selfcheck.bottom.lead", runs=f"{runs:,}")]
    if few:
        lead.append(voice.say("selfcheck.bottom.few", runs=f"{runs:,}", enough=f"{ENOUGH}"))
    if not recorded.graded:
        lead.append(voice.say("selfcheck.bottom.ungraded"))
    lead += [voice.say(f"selfcheck.bottom.stale_{name}") for name in voice.record.stale]
    points = []
    for row in [*missed, *(row for row in targets if row.met == "met")]:
        told = {"share": voice.share(row.firm)[0], "target": voice.target(row.world), **voice.ends(row.firm)}
        kept = "missed" if row.met == "not_met" else "kept"
        points.append(voice.say(f"selfcheck.bottom.{kept}", world=voice.world(row.world), **told))
    usable = not few and not missed and not voice.record.stale
    return Callout(
        "usable" if usable else "usable_open",
        "●" if usable else "◇",
        voice.say(f"selfcheck.verdict.{key}", **facts),
        voice.join(lead),
        tuple(_key_numbers(voice)),
        tuple(distinct(points)),
    )


def _key_numbers(voice: SelfCheckVoice) -> Iterator[Fact]:
    recorded = voice.record.recorded
    for group in ("null", "strong", "trend"):
        row = row_of(recorded, group)
        if row is not None:
            yield Fact(voice.say(f"selfcheck.label.{group}"), voice.share(row.firm)[0])
    null = row_of(recorded, "null")
    if null is not None and not isinstance(null.covered, NotTold):
        yield Fact(voice.say("selfcheck.label.covered"), voice.share(null.covered)[0])


def _bottom_line(page: _Page) -> Iterator[Block]:
    yield callout(page.voice)


def _worlds(page: _Page) -> Iterator[Block]:
    yield Paragraph(page.voice.say("selfcheck.text.worlds"))
    yield page.table("worlds")
    yield Paragraph(page.voice.say("selfcheck.text.worlds_help"), "help")


def _firm(page: _Page) -> Iterator[Block]:
    voice = page.voice
    yield Paragraph(voice.say("selfcheck.text.firm"))
    told = (
        voice.say("selfcheck.figure.row_firm", world=voice.world(row.world), share=voice.share(row.firm)[0])
        for row in voice.record.recorded.rows
    )
    yield page.figure("firm", voice.join(told))
    yield page.table("firm")
    yield Paragraph(voice.say("selfcheck.text.firm_help"), "help")


def _verdicts(page: _Page) -> Iterator[Block]:
    yield Paragraph(page.voice.say("selfcheck.text.verdicts"))
    yield page.table("verdicts")
    yield page.table("grades")


def _coverage(page: _Page) -> Iterator[Block]:
    voice = page.voice
    yield Paragraph(voice.say("selfcheck.text.coverage"))
    told = (
        voice.say("selfcheck.figure.row_coverage", world=voice.world(row.world), share=voice.share(row.covered)[0])
        for row in voice.record.recorded.rows
    )
    yield page.figure("coverage", voice.join(told))
    yield page.table("coverage")
    yield Paragraph(voice.say("selfcheck.text.coverage_help"), "help")


def _matrix(page: _Page) -> Iterator[Block]:
    voice, matrix = page.voice, page.voice.record.matrix
    facts = {name: f"{getattr(matrix, name):,}" for name in ("units", "treated", "years", "worlds")}
    yield Paragraph(voice.say("selfcheck.text.matrix", **facts))
    problems = len({row.threat for row in matrix.rows})
    checks = matrix.rows[0].checks
    yield page.figure("matrix", voice.say("selfcheck.figure.matrix_description", threats=f"{problems}", checks=f"{len(checks)}"))
    yield Paragraph(voice.say("selfcheck.text.matrix_help"), "help")
    yield Listing(
        tuple(
            Item(voice.say(f"check.{one.check}.sees"), f"{number} {voice.check(one)}") for number, one in enumerate(checks, start=1)
        )
    )
    yield page.table("matrix")


def _live(page: _Page) -> Iterator[Block]:
    voice, live = page.voice, page.voice.record.live
    if live is None:
        yield Paragraph(voice.say("selfcheck.text.no_live"))
        return
    first, last = live.seeds
    yield Paragraph(voice.say("selfcheck.text.live", runs=f"{live.rows[0].runs:,}", first=f"{first:,}", last=f"{last:,}"))
    yield page.table("live")


def _limits(page: _Page) -> Iterator[Block]:
    names = ("worlds", "plain", "rates", "matrix")
    yield Listing(tuple(Item(page.voice.say(f"selfcheck.limits.{name}")) for name in names))


_SECTIONS: dict[str, Callable[[_Page], Iterator[Block]]] = {
    "bottom_line": _bottom_line,
    "worlds": _worlds,
    "firm": _firm,
    "verdicts": _verdicts,
    "coverage": _coverage,
    "matrix": _matrix,
    "live": _live,
    "limits": _limits,
}


def bottom_line(record: SelfCheck, lang: str) -> str:
    """Return the bottom line of the page as text, for a notebook."""
    voice = SelfCheckVoice(record, lang)
    made = callout(voice)
    lines = [voice.say("status.simulated"), f"{made.mark} {made.label}", made.lead]
    return "\n".join([*lines, *(f"- {point}" for point in made.points)])


def shown(record: SelfCheck, name: str, lang: str) -> pd.DataFrame:
    """Return a table of the page, by its name in ``selfcheck_tables.MAKERS``, as a reader sees it, for a notebook."""
    import pandas as pd

    made = selfcheck_tables.table(SelfCheckVoice(record, lang), name, list(selfcheck_tables.MAKERS).index(name) + 1)
    labels, rows = selfcheck_tables.plain_rows(made)
    return pd.DataFrame(rows, columns=labels).rename_axis(columns=made.caption)
