"""Who gained, read aloud in one language: the numbers of its figures and tables, and the phrases that several sections use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.records import Interval
from evalkit.report.blocks import anchor
from evalkit.report.sources import is_traced, linked
from evalkit.report.voice import Voice, has_range
from evalkit.who_records import (
    Deciles,
    GroupFound,
    Groups,
    NearPoor,
    NoLine,
    Overtaking,
    Poverty,
    PovertyLineFound,
    Village,
    WhoGains,
)

FAILED = 0.10
"""Below this p-value two sides are said to have moved apart before the start."""

FIGURES = ("who_groups", "who_deciles", "who_ranks")
TABLES = ("who_groups", "who_differences", "who_deciles", "who_poverty", "who_overtaking", "who_near_poor")
_FORCE = {"A": "", "B": "_probably", "C": "_may"}


def present(record: WhoGains, kind: Literal["figure", "table"]) -> list[str]:
    """Return the names of the figures or tables of a page, in order."""
    groups, village = record.groups, record.village
    told = isinstance(groups, Groups) and any(not isinstance(row.found, NotTold) for row in groups.rows)
    passed = overtaken(record)
    there = {
        "who_groups": told or (kind == "table" and isinstance(groups, Groups) and bool(groups.rows)),
        "who_differences": isinstance(groups, Groups) and bool(groups.differences),
        "who_deciles": isinstance(record.deciles, Deciles),
        "who_poverty": bool(lines_of(record)),
        "who_ranks": bool(passed and passed[0].ranks),
        "who_overtaking": bool(passed),
        "who_near_poor": isinstance(village, Village) and any(isinstance(one, NearPoor) for one in village.near_poor),
    }
    return [name for name in (FIGURES if kind == "figure" else TABLES) if there[name]]


def lines_of(record: WhoGains) -> list[PovertyLineFound]:
    """Return the lines under which poverty is told."""
    return [one for one in record.poverty.lines if not isinstance(one, NoLine)] if isinstance(record.poverty, Poverty) else []


def overtaken(record: WhoGains) -> list[Overtaking]:
    """Return the lines under which it is told who passed whom."""
    return [one for one in record.village.overtaking if isinstance(one, Overtaking)] if isinstance(record.village, Village) else []


@dataclass(frozen=True)
class WhoVoice(Voice):
    """One page's record and language."""

    record: WhoGains

    @classmethod
    def of(cls, record: WhoGains, lang: str) -> WhoVoice:
        """Return the voice of a record."""
        return cls(record.findings, lang, record)  # type: ignore[arg-type]

    @cached_property
    def single(self) -> bool:
        """Whether the findings are about one treated unit; what is refused is about none."""
        return getattr(self.findings, "alone", None) is not None

    def _bundle(self) -> str:
        return super()._bundle() if isinstance(self.findings, Findings) else ""

    @property
    def causal(self) -> bool:
        """Whether the verdict and the evidence grade carry a causal verb."""
        grade = self.findings.grade
        return self.findings.verdict in ("gain", "loss") and (grade is None or grade.letter in _FORCE)

    @property
    def force(self) -> str:
        """How strongly a causal verb may be said by the evidence grade: plainly, as probable, or as possible."""
        grade = self.findings.grade
        return "" if grade is None else _FORCE[grade.letter]

    def see(self, kind: Literal["figure", "table"], name: str) -> str:
        """Return how a sentence refers to a figure or a table of this page."""
        said = self.number(kind, name)
        return linked(said, anchor(kind, name)) if is_traced(self.findings) else said

    def number(self, kind: Literal["figure", "table"], name: str) -> str:
        """Return the number of a figure or a table of this page; raises ReportError for what the page does not have."""
        there = present(self.record, kind)
        if name not in there:
            raise ReportError(f"The page of {self.findings.run_id} has no {kind} {name!r}. It has: {', '.join(there) or 'none'}.")
        return self.phrase(f"language.{kind}", number=there.index(name) + 1)

    def group(self, name: str | None, beside: str = "") -> str:
        """Return what a group is called; without a name everybody else of the column of the group beside it."""
        if not isinstance(self.record.groups, Groups) or name is None:
            return self.phrase("gains.groups.rest", group=self.group(beside))
        return self.word(next(row.word for row in self.record.groups.rows if row.name == name))

    def decile(self, at: float) -> str:
        """Return what a decile is called, 0.5 the median."""
        ends = {1: "lowest", 5: "median", 9: "highest"}
        return self.phrase(f"gains.decile.{ends.get(int(10 * at + 0.5), 'other')}", number=round(10 * at))

    def group_found(self) -> list[GroupFound]:
        """Return the groups that have an effect."""
        if not isinstance(self.record.groups, Groups):
            return []
        return [row for row in self.record.groups.rows if not isinstance(row.found, NotTold)]

    def money_span(self, interval: Interval) -> str:
        """Return a range of money for a table."""
        if interval.low is None or interval.high is None:
            return self.phrase("language.missing")
        return self.phrase("language.interval", low=numerals.money(interval.low), high=numerals.money(interval.high))

    def money_range(self, interval: Interval) -> str:
        """Return a range of money for a sentence."""
        if interval.low is None or interval.high is None:
            return self.phrase("language.missing")
        low, high = self.amounts(interval.low, interval.high)
        return self.phrase("language.range", low=low, high=high)

    def share_span(self, interval: Interval) -> str:
        """Return a range of shares in per cent, or in percentage points, for a table."""
        if interval.low is None or interval.high is None:
            return self.phrase("language.missing")
        low, high = (numerals.fixed(100 * end, 1) for end in (interval.low, interval.high))
        return self.phrase("language.interval", low=low, high=high)

    def points_range(self, interval: Interval) -> str:
        """Return a range of differences of shares for a sentence."""
        if interval.low is None or interval.high is None:
            return self.phrase("language.missing")
        high = numerals.points(100 * interval.high, self.lang)
        return self.phrase("language.range", low=numerals.fixed(100 * interval.low, 1), high=high)

    def share(self, value: float) -> str:
        """Return a share in per cent."""
        return numerals.percent(100 * value)

    def line(self, schedule: str) -> str:
        """Return what a schedule of lines is called."""
        known = f"poverty_line.{schedule}"
        return self.phrase(known) if self.catalogue.has(known) else self.phrase("poverty_line.own", schedule=schedule)

    def refusal(self, found: NotTold, **facts: object) -> str:
        """Return why something is not told."""
        told = {name: self.years(fact) if name == "years" else fact for name, fact in found.facts.items()}
        if found.reason == "no_years" and not found.facts.get("years"):
            return self.say("gains.refused.no_line_years", **facts)
        return self.say(f"gains.refused.{found.reason}", **{**told, **facts})

    def caption(self, key: str) -> str:
        """Return the caption of a figure or table of income, which says so where prices are not deflated."""
        if isinstance(self.findings, Findings):
            return super().caption(key)
        return self.say(key)

    def listed(self, parts: Sequence[str]) -> str:
        """Return parts of a sentence one after another."""
        return self.catalogue.listing(parts)


def holds_zero(interval: Interval) -> bool:
    """Return whether a range holds zero, or there is none."""
    return not has_range(interval) or bool(interval.low <= 0 <= interval.high)  # type: ignore[operator]
