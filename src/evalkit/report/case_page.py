"""From a case to its page: one county beside its synthetic self, told only as far as the years before the start allow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from evalkit import numerals
from evalkit.case_records import Case, Matched, Standing
from evalkit.evidence_limits import SHOWN
from evalkit.report.blocks import Block, Callout, Cell, Column, Document, Fact, Facts, Figure, Item, Listing, Paragraph, Row, Table
from evalkit.report.case_figures import DRAW
from evalkit.report.county_pages import about, framed, see, signed, size
from evalkit.report.one_unit import where
from evalkit.report.sources import count, traced
from evalkit.report.trace import finished
from evalkit.report.voice import Voice

__all__ = ["DRAW", "compose"]

LEAST = 0.02  # weights below are told together
ALONE = 0.9  # a weight from which on one donor stands for all
TIMES, SHARE = 5, 10  # of the rule by which a gap is not read, as readers are told it


def compose(case: Case, lang: str) -> Document:
    """Return the page of a case in one language; raises WordsError for what has no words."""
    return finished(arranged(traced(case), lang))


def arranged(case: Case, lang: str) -> Document:
    """Return the blocks of the page as they are made of a case, traced or not."""
    page = _Page(case, lang)
    voice = page.voice
    sections: dict[str, Sequence[Block]] = {
        "bottom_line": [page.callout()],
        "standing": list(page.standing()),
        "path": list(page.path()),
        "gap": list(page.gap()),
        "weights": list(page.weights()),
        "limits": [Listing(tuple(Item(page.say(f"case.limits.{name}")) for name in page.limits()))],
        "methods": [Facts(tuple(page.methods()), "list")],
    }
    headed = {page.say(f"case.heading.{name}"): (name, blocks) for name, blocks in sections.items()}
    strip = about(
        voice,
        [Fact(page.say("case.fact.unit"), page.where), Fact(page.say("case.fact.start"), voice.window(case.start, case.start))],
    )
    return framed(voice, page.say("case.kind"), page.say("case.title", title=voice.title), headed, [strip])


class _Page:
    """One page while it is made: its case, its voice, and the numbers of its figures and tables."""

    def __init__(self, case: Case, lang: str) -> None:
        self.case, self.voice = case, Voice(case.findings, lang)
        self.where = where(self.voice)
        self.main = next((one for one in case.matched if one.form == case.chosen), None)
        shown = self.main or next(iter(case.matched), None)
        names = ["standing"] if case.standing else []
        names += ["path"] if shown else []
        names += ["gap"] if self.main else []
        self.shown, self.figures = shown, {name: place + 1 for place, name in enumerate(names)}
        self.tables = {
            name: place + 1 for place, name in enumerate((["forms"] if case.matched else []) + (["weights"] if self.main else []))
        }

    def say(self, key: str, **facts: object) -> str:
        return self.voice.say(key, where=self.where, **facts)

    def see(self, kind: Literal["figure", "table"], name: str) -> str:
        return see(self.voice, kind, f"case_{name}", (self.figures if kind == "figure" else self.tables)[name])

    def form(self, one: Matched) -> str:
        return self.voice.phrase(f"case.form.{one.form}")

    def fit(self, one: Matched) -> dict[str, str]:
        sizes = {"before": one.before, "typical": one.typical_before, "noise": one.noise}
        return {name: self.of_income(size(self.voice, value)) for name, value in sizes.items()}

    def of_income(self, told: str) -> str:
        return self.voice.phrase(f"scan.of_income_{self.voice.findings.scale}", size=told)

    def money(self, value: float, plus: bool = False) -> str:
        return self.voice.amount(value, plus=plus)

    # The bottom line

    def callout(self) -> Callout:
        """Return what may be said first: the difference, that it cannot be told from the misfit, or why nothing is said."""
        main, points = self.main, list(self.positions())[:1]
        if main is None:
            cures = dict.fromkeys(one.refusal.reason for one in self.case.matched if one.refusal)
            points = [*(self.say(f"case.cure_{reason}") for reason in cures), *points]
            return Callout("refused", "□", self.say("case.verdict_refused"), self._refused(), (), tuple(points))
        told = [self.say(f"case.chosen_{main.form}"), self.voice.join(self.rank(main)), *points]
        kind = "doubt" if main.doubt else "read"
        lead = self.say(f"case.lead_{kind}", **self._difference(main))
        points = [*told, self.say("case.only_here")]
        return Callout(
            "one_unit",
            "○" if main.doubt else "◇",
            self.say(f"case.verdict_{kind}"),
            lead,
            tuple(self._numbers(main)),
            tuple(points),
        )

    def _refused(self) -> str:
        case = self.case
        if case.not_matched is not None:
            return self.say("case.lead_none", reason=self.say(f"case.not_{case.not_matched.reason}"))
        return self.say("case.lead_refused", reasons=self.voice.join(self._reason(one) for one in case.matched))

    def _reason(self, one: Matched) -> str:
        assert one.refusal is not None
        facts = self.fit(one)
        return self.say(f"case.reason_{one.refusal.reason}", form=self.form(one), years=f"{one.refusal.facts['years']}", **facts)

    def _difference(self, main: Matched) -> dict[str, str]:
        lower = main.money < 0
        return {
            "amount": self.money(abs(main.money)),
            "signed": self.money(main.money, plus=True),
            "percent": numerals.percent(main.percent, plus=True) if main.doubt else numerals.percent(abs(main.percent)),
            "direction": self.voice.phrase(f"case.{'lower' if lower else 'higher'}"),
        }

    def _numbers(self, main: Matched) -> Iterator[Fact]:
        amount = self.voice.phrase("language.amount", amount=self.money(main.money, plus=True), noun=self.voice.common["noun"])
        yield Fact(self.say("case.fact.difference"), amount)
        yield Fact(self.say("case.fact.percent"), numerals.percent(main.percent, plus=True))
        yield Fact(self.say("case.fact.p"), numerals.p_value(main.p_value))

    def rank(self, main: Matched) -> Iterator[str]:
        """Say how rare a gap of this size is among donors treated on paper."""
        facts = {
            "placebos": self.voice.count_units(main.placebos),
            "p": numerals.p_sentence(main.p_value),
            "smallest": numerals.fixed(main.smallest_p, 3),
        }
        if main.ratio is None:
            yield self.say("case.rank_bare", **facts)
        else:
            yield self.say("case.rank", larger=self.voice.count_units(main.rank - 1), **facts)
        if main.smallest_p > SHOWN:
            yield self.say("case.cannot")
        else:
            yield self.say("case.rare" if main.p_value < SHOWN else "case.common")

    # Where it stands

    def positions(self) -> Iterator[str]:
        """Say where the growth of the unit stands, after the start first."""
        for one in reversed(self.case.standing):
            after = one.until[1] >= self.case.start
            yield self.say(f"case.position_{'after' if after else 'before'}", **self._position(one))

    def _position(self, one: Standing) -> dict[str, str]:
        return {
            "first": f"{one.first}",
            "until": self.voice.window(*one.until),
            "growth": _growth(self.voice, one.growth),
            "median": _growth(self.voice, one.median),
            "percentile": self._place(one.percentile),
            "below": self.voice.number_units(one.below),
            "others": self.voice.count_units(one.units),
        }

    def _place(self, percentile: float) -> str:
        place = numerals.fixed(percentile)
        if self.voice.lang == "zh":
            return place
        plain = round(float(percentile))
        end = "th" if plain % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(plain % 10, "th")
        return f"{place}{end}"

    def standing(self) -> Iterator[Block]:
        """Yield where the unit stands, in words and as a picture."""
        if self.case.standing:
            yield Paragraph(self.voice.join([*self.positions(), self.say("case.position_note")]))
            rows = self.voice.join(self.say("case.figure.standing.row", **self._position(one)) for one in self.case.standing)
            yield self._figure("standing", {"rows": rows})

    def _figure(self, name: str, facts: dict[str, str], **noted: str) -> Figure:
        voice = self.voice
        first = (voice.say("status.simulated_note"),) if voice.findings.simulated else ()
        return Figure(
            name=f"case_{name}",
            number=voice.phrase("language.figure", number=self.figures[name]),
            caption=self.say(f"case.figure.{name}.caption"),
            description=voice.join([*first, self.say(f"case.figure.{name}.description", **facts)]),
            notes=(*first, self.say(f"case.figure.{name}.note", **noted)),
        )

    # The path and the gap

    def path(self) -> Iterator[Block]:
        """Yield the incomes of the unit and of its synthetic self, and how well they fit before the start."""
        one = self.shown
        if one is None:
            return
        fit = self.fit(one)
        told = [
            self.say(f"case.path_{'told' if self.main else 'refused'}", figure=self.see("figure", "path")),
            self.say("case.fit", **fit),
        ]
        yield Paragraph(self.voice.join(told + ([self.say("case.moved")] if one.form == "synthdid" else [])))
        first, last = one.path[0], one.path[-1]
        facts = {"first": f"{first.period}", "last": f"{last.period}"}
        ends = {
            "actual_first": first.actual,
            "actual_last": last.actual,
            "synthetic_first": first.synthetic,
            "synthetic_last": last.synthetic,
        }
        facts |= {name: self.money(value) for name, value in ends.items()}
        yield self._figure("path", facts, form=self.form(one))

    def gap(self) -> Iterator[Block]:
        """Yield the gap beside those of donors treated on paper, and the comparisons side by side."""
        main, last = self.main, self.case.matched and self.case.matched[0].path[-1]
        if main is not None:
            yield Paragraph(self.voice.join([self.say("case.gap_told", figure=self.see("figure", "gap")), *self.rank(main)]))
            last = main.path[-1]
            facts = {
                "gap": self.of_income(_growth(self.voice, last.gap)),
                "last": f"{last.period}",
                "count": self.voice.count_units(count(main.paper)),
            }
            yield self._figure("gap", facts, form=self.form(main))
        if self.case.matched:
            yield Paragraph(self.say("case.forms_told", table=self.see("table", "forms")))
            yield self._forms()

    def _forms(self) -> Table:
        fields = {
            "form": ("form",), "difference": ("money",), "percent": ("percent",), "before": ("before",), "after": ("after",),
            "ratio": ("ratio",), "p": ("p",), "smallest": ("smallest",), "reading": ("reading", "low", "high"),
        }  # fmt: skip
        unit = self.voice.phrase(f"case.table.unit_{self.voice.findings.scale}")
        rows = (*(self._form_row(one) for one in self.case.matched), self._mean_row())
        return self._table(
            "forms", fields, rows, self.say("case.table.forms"), self.say("case.table.forms_note", unit_of_size=unit)
        )

    def _form_row(self, one: Matched) -> Row:
        read = one.refusal is None
        kind = "yes" if one.doubt is None else "doubt"
        reading = self.voice.say(f"case.reading.{one.refusal.reason if one.refusal else kind}")
        cells = [
            self._cell(numerals.money(one.money, plus=True), one.money, read),
            self._cell(numerals.percent(one.percent, plus=True), one.percent, read),
            self._cell(size(self.voice, one.before), one.before),
            self._cell(size(self.voice, one.after), one.after, read),
            self._cell("" if one.ratio is None else numerals.fixed(one.ratio, 1), one.ratio, read and one.ratio is not None),
            self._cell(numerals.p_value(one.p_value), one.p_value, read),
            self._cell(numerals.fixed(one.smallest_p, 3), one.smallest_p),
        ]
        form = self.voice.say(f"case.form.{one.form}")
        return Row((Cell(form, values=(form,)), *cells, Cell(reading, values=(reading, None, None))), one.form == self.case.chosen)

    def _mean_row(self) -> Row:
        found, alone = self.case.findings.headline, self.voice.alone
        low, high = (alone.money.low, alone.money.high) if alone else (None, None)
        ends = {} if low is None or high is None else {"low": numerals.money(low), "high": numerals.money(high)}
        reading = self.voice.say(f"case.reading.mean{'' if ends else '_none'}", **ends)
        form = self.voice.say("case.form.mean")
        cells = [
            self._cell(numerals.money(found.money.estimate, plus=True), found.money.estimate),
            self._cell(numerals.percent(found.percent.estimate, plus=True), found.percent.estimate),
            *(self._cell("", None, False) for _ in range(5)),
        ]
        return Row((Cell(form, values=(form,)), *cells, Cell(reading, values=(reading, low, high))))

    def _cell(self, text: str, value: float | None, told: bool = True) -> Cell:
        return Cell(text, values=(value,)) if told else Cell(self.voice.phrase("language.missing"), values=(None,))

    def _table(self, name: str, fields: dict[str, tuple[str, ...]], rows: Sequence[Row], caption: str, note: str) -> Table:
        voice = self.voice
        first = (voice.say("status.simulated_note"),) if voice.findings.simulated else ()
        columns = []
        for column, inner in fields.items():
            say = voice.phrase if column == "p" else voice.say
            labels = tuple(voice.phrase(f"case.column.{field}") for field in inner)
            columns.append(
                Column(say(f"case.column.{column}"), "left" if column in ("form", "reading", "donor") else "right", labels)
            )
        number = voice.phrase("language.table", number=self.tables[name])
        return Table(f"case_{name}", number, caption, tuple(columns), tuple(rows), (*first, note), cards=name == "forms")

    # The weights

    def weights(self) -> Iterator[Block]:
        """Yield what the synthetic unit is made of, and how far the difference rests on one donor."""
        main = self.main
        if main is None:
            return
        ends = {"low": signed(self.voice, main.low_without), "high": signed(self.voice, main.high_without)}
        span = self.voice.phrase(f"scan.span_{self.voice.findings.scale}", **ends)
        told = [self.say("case.weights_told", table=self.see("table", "weights"))]
        told += [self.say("case.weights_one")] if main.donors[0].weight >= ALONE else []
        told += [self.say("case.weights_rest", span=span)] if len(main.donors) > 1 else []
        yield Paragraph(self.voice.join(told))
        large = [one for one in main.donors if one.weight >= LEAST]
        rows = [
            Row((Cell(one.name, "" if one.name == one.unit else one.unit, (one.unit, one.name)), self._cell(numerals.percent(100 * one.weight), one.weight)))
            for one in large
        ]  # fmt: skip
        small = [one.weight for one in main.donors if one.weight < LEAST]
        if small:
            rest = self.say("case.table.rest", count=self.voice.count_units(len(small)))
            rows.append(Row((Cell(rest, values=("", rest)), self._cell(numerals.percent(100 * sum(small)), sum(small)))))
        caption = self.say("case.table.weights", form=self.form(main))
        yield self._table(
            "weights", {"donor": ("code", "name"), "weight": ("weight",)}, rows, caption, self.say("case.table.weights_note")
        )

    # What it does not show, and how it is made

    def limits(self) -> Iterator[str]:
        """Return what the page does not show, as keys."""
        yield "one"
        if self.main is not None:
            yield from ("cause", "premise", "fit", "after")

    def methods(self) -> Iterator[Fact]:
        """Return how the figures are made."""
        if self.case.matched:
            told = {"times": TIMES, "share": f"{100 // SHARE}%"}
            for name in ("synthetic_control", "synthdid", "refuse", "rank"):
                yield Fact(self.say(f"case.fact.{name}"), self.say(f"case.method.{name}", **told))
        for remark in self.case.remarks:
            columns = self.voice.catalogue.listing(self.voice.covariate(name) for name in remark.facts["columns"])
            yield Fact(self.say("case.fact.covariates"), self.say("case.method.covariates", columns=columns))
        yield Fact(self.say("case.fact.prices"), self.say("language.name", name=self.voice.common["prices"]))


def _growth(voice: Voice, value: float) -> str:
    """Return a growth as readers see it: in per cent on the log scale, in money otherwise."""
    if voice.findings.scale == "log":
        return numerals.percent(100 * (math.e**value - 1))
    return signed(voice, value)
