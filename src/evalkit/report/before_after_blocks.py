"""A rise before and after in a report: sentences, a figure and a table of its parts, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit import numerals
from evalkit.before_after_records import BeforeAfter, RisePart, ZeroProgramme
from evalkit.findings import Findings
from evalkit.report.blocks import Block, Cell, Column, Figure, Item, Listing, Paragraph, Row, Table, anchor
from evalkit.report.sources import is_traced, linked, whole
from evalkit.report.voice import StudyVoice

if TYPE_CHECKING:
    from evalkit.plots.look import Picture

NAME = "before_after"
CARRIED = ("gain", "loss")
"""Verdicts with which the estimate may be told as that of the programme."""


def before_after_section(voice: StudyVoice, record: BeforeAfter, figure: int = 1, table: int = 1) -> list[Block]:
    """Return the blocks of a rise before and after, for a report and for a page of a study without a causal figure.

    Parameters
    ----------
    voice : StudyVoice
        Whose findings tell the programme, the groups and the unit of money.
    record : BeforeAfter
        Traced where the voice's findings are.
    figure, table : int
        Their numbers in the page.

    Notes
    -----
    The figure's name is "before_after": the page's ``DRAW`` holds :func:`draw` under it.
    """
    told = _Rise(voice, record, figure, table)
    blocks: list[Block] = [Paragraph(text) for text in told.warning()]
    blocks.append(Paragraph(voice.join(told.opening())))
    parts = [voice.join(one) for one in told.parts()]
    blocks.append(Listing(tuple(Item(text) for text in parts)) if len(parts) > 1 else Paragraph(voice.join(parts)))
    if record.zero is not None:
        blocks.append(Paragraph(told.beside(record.zero), "help"))
    return [*blocks, told.picture(), told.rows(), Listing(tuple(Item(text) for text in told.limits()))]


def rise_table(voice: StudyVoice, record: BeforeAfter, table: int | None) -> Table:
    """Return the table of a rise by itself, without a number where it stands in no page."""
    made = _Rise(voice, record, 1, table or 1).rows()
    return made if table else replace(made, number="")


def draw(voice: StudyVoice, record: BeforeAfter, narrow: bool = False) -> Picture:
    """Return the picture of a rise, its bar named after the group."""
    from evalkit.plots.before_after import plot_before_after
    from evalkit.plots.look import NARROW, WIDE, Picture

    names = _Rise(voice, record, 1, 1).names()
    drawn = plot_before_after(
        record,
        names=names,
        lang=voice.lang,
        unit=voice.common["money"],
        simulated=voice.simulated,
        width=NARROW if narrow else WIDE,
    )
    picture = drawn.get_figure(root=True)
    assert isinstance(picture, Picture)
    return picture


class _Rise:
    """One rise read aloud."""

    def __init__(self, voice: StudyVoice, record: BeforeAfter, figure: int, table: int) -> None:
        self.voice, self.record = voice, record
        self.numbers = {"figure": figure, "table": table}
        self.who = voice.phrase(f"before_after.who_{'claimed' if record.claimed else record.selected}")

    def say(self, key: str, **facts: object) -> str:
        """Return a sentence of the page."""
        return self.voice.say(key, who=self.who, **facts)

    def amount(self, value: float, plus: bool = False) -> str:
        """Return money for a sentence."""
        return self.voice.amount(value, plus=plus)

    def span(self, part: RisePart) -> dict[str, str]:
        """Return an amount with its range as facts."""
        if part.low is None or part.high is None:
            return {"amount": self.amount(part.amount)}
        amount, low, high = self.voice.amounts(part.amount, part.low, part.high)
        return {"amount": amount, "low": numerals.fixed(part.low) if part.low == 0 else low, "high": high}

    def see(self, kind: str) -> str:
        """Return how a sentence refers to the figure or the table."""
        said = self.voice.phrase(f"language.{kind}", number=self.numbers[kind])
        return linked(said, anchor("figure" if kind == "figure" else "table", NAME)) if is_traced(self.voice.findings) else said

    def warning(self) -> Iterator[str]:
        """Yield the fixed warning where the group was chosen by its later income."""
        if self.record.selected == "exited":
            alone = self.record.growth_from in ("", "outside")
            yield self.say(f"before_after.{'only_exited_claim' if self.record.claimed else 'only_exited' if alone else 'exited'}")

    def opening(self) -> Iterator[str]:
        """Yield from what to what the mean went, of how many, and where the parts stand."""
        record = self.record
        before, after = self.voice.amounts(record.before, record.after)
        fell = record.after < record.before
        facts = {
            "before": before,
            "after": after,
            "signed": self.amount(record.after - record.before, plus=True),
            "percent": numerals.percent(100 * abs(record.after / record.before - 1)),
            "direction": self.voice.phrase(f"before_after.{'lower' if fell else 'higher'}"),
        }
        if record.claimed:
            yield self.say("before_after.rise_claim", **facts)
        elif record.first is not None and record.last is not None:
            yield self.say("before_after.rise", window=self.voice.window(record.first, record.last), **facts)
        if record.units is not None and record.reversion != "none":
            yield self.say("before_after.units", count=self.voice.count_units(record.units))
        if record.left_out:
            yield self.say("before_after.left_out", count=self.voice.count_units(record.left_out))
        yield self.say("before_after.refer", figure=self.see("figure"), table=self.see("table"))

    def parts(self) -> Iterator[Iterator[str]]:
        """Yield the sentences on every part."""
        tell = {
            "general_growth": self._growth,
            "selection": self._selection,
            "policy": self._policy,
            "rest": self._rest,
            "undivided": self._undivided,
        }
        for part in self.record.parts:
            yield tell[part.name](part)

    def _growth(self, part: RisePart) -> Iterator[str]:
        record, amount = self.record, self.amount(part.amount)
        if record.growth_from == "comparison" and self.voice.findings.scale == "level":
            yield self.say("before_after.growth_comparison_money", amount=amount, first=record.first, last=record.last)
        elif record.growth is not None:
            growth = numerals.percent(100 * record.growth)
            yield self.say(
                f"before_after.growth_{record.growth_from}", amount=amount, growth=growth, first=record.first, last=record.last
            )

    def _selection(self, part: RisePart) -> Iterator[str]:
        record = self.record
        if record.earlier is None:
            yield self.say("before_after.selection_others", **self.span(part))
            return
        yield self.say("before_after.selection_earlier", earlier=self.voice.window(*record.earlier), **self.span(part))
        if record.by_own_past is not None:
            yield self.say("before_after.own_past", year=record.earlier[0], amount=self.amount(record.by_own_past))

    def _policy(self, part: RisePart) -> Iterator[str]:
        facts, told = self.span(part), self._money(self.amount(part.amount))
        if "low" in facts:
            inner = self._money(self.voice.phrase("language.range", low=facts["low"], high=facts["high"]))
            told = self.voice.phrase("language.parenthesis", outer=self._money(facts["amount"]), inner=inner)
        yield self.say(f"before_after.policy_{'carried' if self._carried else 'plain'}", told=told)

    @property
    def _carried(self) -> bool:
        findings = self.voice.findings
        return isinstance(findings, Findings) and findings.verdict in CARRIED

    def _money(self, amount: str) -> str:
        return self.voice.phrase("language.amount", amount=amount, noun=self.voice.common["noun"])

    def _rest(self, part: RisePart) -> Iterator[str]:
        if part.low is None or part.high is None:
            yield self.say("before_after.rest_policy", **self.span(part))
        else:
            yield self.say(f"before_after.rest_{'zero' if part.low <= 0 <= part.high else 'other'}", **self.span(part))

    def _undivided(self, part: RisePart) -> Iterator[str]:
        if self.record.missing == "no_growth":
            yield self.say(f"before_after.undivided_{'claim' if self.record.claimed else 'whole'}")
        else:
            yield self.say("before_after.undivided_growth", amount=self.amount(part.amount))

    def beside(self, zero: ZeroProgramme) -> str:
        """Return what a world without a programme shows."""
        before, after = self.voice.amounts(zero.before, zero.after)
        return self.say(
            "before_after.zero",
            poor=numerals.percent(100 * zero.poor_share),
            years=self.voice.count(whole(zero.years), "year"),
            before=before,
            after=after,
            rise=numerals.percent(100 * zero.rise),
            everyone=numerals.percent(100 * zero.everyone),
            settings=zero.settings,
            low=numerals.percent(100 * zero.rise_low),
            high=numerals.percent(100 * zero.rise_high),
        )

    def names(self) -> dict[str, str]:
        """Return what the picture calls the bar and the part of the programme."""
        say = self.voice.say
        bar = {} if self.record.claimed else {"observed": self.who[:1].upper() + self.who[1:]}
        return bar | {"policy": say(f"before_after.plot.policy{'' if self._carried else '_plain'}")}

    def label(self, name: str) -> str:
        """Return what a part is called."""
        return self.names().get(name) or self.voice.say(f"before_after.plot.{name}")

    def picture(self) -> Figure:
        """Return the figure with its words."""
        record, voice = self.record, self.voice
        first = (voice.say("status.simulated_note"),) if voice.simulated else ()
        bars = [self._described(self.names().get("observed") or self.label("claimed"), record.before, record.parts, record.after)]
        if zero := record.zero:
            grown = zero.before * zero.everyone
            made = [RisePart.model_construct(name=name, amount=amount) for name, amount in
                    (("general_growth", grown), ("selection", zero.after - zero.before - grown))]  # fmt: skip
            bars.append(self._described(self.label("zero"), zero.before, made, zero.after))
        notes = [self.say("before_after.figure.note")]
        if (rest := record.part("rest")) and rest.low is not None and record.part("selection"):
            notes.append(self.say("before_after.figure.note_range"))
        if record.zero:
            notes.append(self.say("before_after.figure.note_zero"))
        return Figure(
            name=NAME,
            number=voice.phrase("language.figure", number=self.numbers["figure"]),
            caption=self._caption("figure"),
            description=voice.join([*first, self.say("before_after.figure.description", rows=voice.join(bars))]),
            notes=(*first, *notes),
        )

    def _caption(self, kind: str) -> str:
        """Return the caption; where prices are not deflated it says so."""
        nominal = any(remark.code == "NOMINAL" for remark in self.voice.findings.remarks)
        caption = self.say(f"before_after.{kind}.caption")
        return self.voice.phrase("fragment.nominal", caption=caption) if nominal else caption

    def _described(self, name: str, before: float, parts: list[RisePart], after: float) -> str:
        told = [self._piece(self.label("start"), numerals.money(before))]
        told += [self._piece(self.label(part.name), numerals.money(part.amount, plus=True)) for part in parts]
        return self.say(
            "before_after.figure.row",
            name=name,
            parts=self.voice.phrase("language.separator").join(told),
            after=numerals.money(after),
        )

    def _piece(self, name: str, amount: str) -> str:
        return self.voice.phrase("before_after.figure.part", name=name, amount=amount)

    def rows(self) -> Table:
        """Return the table of the parts."""
        voice, record = self.voice, self.record
        ranged = any(part.low is not None for part in record.parts)
        columns = [self._column("part", "part", align="left"), self._column("amount", "amount"), self._column("share", "share")]
        if ranged:
            columns.append(self._column("range", "low", "high"))
        rows = [self._row(self.say("before_after.table.start"), record.before, None, ranged)]
        rows += [self._row(self.label(part.name), part.amount, part, ranged, plus=True) for part in record.parts]
        if len(record.parts) > 1:
            total = record.after - record.before
            rows.append(
                self._row(
                    self.say("before_after.table.total"),
                    total,
                    RisePart.model_construct(amount=total, share=total / total if total else None),
                    ranged,
                    True,
                    True,
                )
            )
        rows.append(self._row(self.say("before_after.table.end"), record.after, None, ranged))
        first = (voice.say("status.simulated_note"),) if voice.simulated else ()
        return Table(
            NAME,
            voice.phrase("language.table", number=self.numbers["table"]),
            self._caption("table"),
            tuple(columns),
            tuple(rows),
            (*first, self.say("before_after.table.note")),
        )

    def _column(self, name: str, *fields: str, align: str = "right") -> Column:
        labels = tuple(self.voice.phrase(f"before_after.table.{field}_field") for field in fields)
        return Column(self.say(f"before_after.table.{name}"), "left" if align == "left" else "right", labels)

    def _row(self, label: str, amount: float, part: RisePart | None, ranged: bool, plus: bool = False, marked: bool = False) -> Row:
        missing = self.voice.phrase("language.missing")
        share = None if part is None else part.share
        cells = [
            Cell(label, values=(label,)),
            Cell(numerals.money(amount, plus=plus), values=(amount,)),
            Cell(missing if share is None else numerals.percent(100 * share), values=(share,)),
        ]
        if ranged:
            low, high = (None, None) if part is None or marked else (part.low, part.high)
            span = missing
            if low is not None and high is not None:
                span = self.voice.phrase(
                    "language.interval", low=numerals.fixed(low) if low == 0 else numerals.money(low), high=numerals.money(high)
                )
            cells.append(Cell(span, values=(low, high)))
        return Row(tuple(cells), marked)

    def limits(self) -> Iterator[str]:
        """Yield what the split does not show, and what would be needed to tell more."""
        record = self.record
        yield self.say(f"before_after.not_{'causal_claim' if record.claimed else 'policy' if record.part('policy') else 'causal'}")
        if record.reversion != "none":
            yield self.say("before_after.not_rest")
            yield self.say("before_after.not_rule", first=record.first)
            if record.selected == "exited":
                yield self.say("before_after.not_exit")
        if record.growth_from == "comparison":
            yield self.say("before_after.not_comparison")
        if record.missing == "no_growth":
            yield self.say("before_after.not_growth")
        if record.missing:
            yield self.say("before_after.not_before")
        if record.zero:
            yield self.say("before_after.not_zero")
