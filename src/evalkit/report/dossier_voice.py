"""The robustness dossier read aloud: what a check is called, what it found and why, and how its numbers are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalkit import numerals
from evalkit.dossier_records import Check, Dossier, Line
from evalkit.records import Remark
from evalkit.report.remarks import sentence as remark_of_report
from evalkit.report.sources import Traced, distinct, without_marks
from evalkit.report.voice import Voice

MARKS = {"pass": "○", "doubt": "◇", "fail": "▲", "not_applicable": "—"}
RULES = tuple(f"R{number}" for number in range(1, 24))

WITHOUT = {"breakdown": "_unlimited", "power": "_plain", "smallest_p": "_untested"}
"""How a sentence is called that lacks one of its numbers."""

SPANS = (("smallest", "largest"), ("smallest_error", "largest_error"))
"""Ends of a span; where a reader sees the same number twice, the sentence names it once."""

# What a number is, by its name; what is no key here is a count or a plain number.
EFFECTS = {
    "smallest", "largest", "middle", "headline", "two_way", "low", "high", "estimate", "main", "gap", "lower", "upper", "value", "donut",
    "smallest_error", "largest_error", "clean_mean", "forbidden_mean", "before", "difference", "low_without_donor", "high_without_donor",
    "band_low", "band_high",
}  # fmt: skip
SHARES = {
    "share", "power", "overlap", "forbidden_weight", "negative_share", "treated_share", "comparison_share", "near", "ever", "weight",
    "trimmed_share", "limit_share", "mean", "largest_share", "at",
}  # fmt: skip
PER_CENT = {
    "percent",
    "meaningful_percent",
    "median_percent",
    "smallest_percent",
    "largest_percent",
    "per_cent",
    "headline_percent",
}
YEARS = {"first", "last", "year", "base", "at_year", "cohort", "start", "period"}
UNITS = {"units", "treated_units", "near_units", "units_today", "far_units"}
FIXED = {"breakdown", "doubt", "fail", "ratio", "largest_after", "correlation", "lasting", "coefficient"}
SPECIAL = {
    ("R7", "before"): "fixed", ("R7", "after"): "fixed", ("R7", "difference"): "fixed", ("R7", "limit"): "fixed", ("R7", "least"): "share",
    ("R7", "treated"): "measured", ("R7", "comparison"): "measured", ("R8", "before"): "share", ("R8", "comparison"): "share",
    ("R8", "limit"): "share", ("R16", "limit"): "share", ("R20", "at"): "year", ("R22", "limit"): "percent", ("R22", "money"): "money",
    ("R21", "coefficient"): "fixed", ("R4", "breakdown"): "fixed", ("R15", "lines"): "count", ("R19", "power"): "count",
    ("R23", "mean_dependent"): "fixed", ("R23", "mean_income"): "money", ("R18", "before"): "effect", ("R20", "limit_points"): "short",
    ("R20", "points"): "short", ("R23", "units"): "count",
}  # fmt: skip


@dataclass(frozen=True)
class DossierVoice:
    """One dossier in one language; sentences know the programme, its groups and its unit of money as those of the report do."""

    dossier: Dossier
    lang: str

    @cached_property
    def voice(self) -> Voice:
        """The voice of the findings that the dossier is about."""
        return Voice(self.dossier.findings, self.lang)

    def has(self, key: str) -> bool:
        """Return whether the catalogue has a key of this page."""
        return self.voice.catalogue.has(key)

    def say(self, key: str, /, **facts: object) -> str:
        """Return a sentence of this page."""
        return self.voice.say(key, **_named(facts))

    def phrase(self, key: str, /, **facts: object) -> str:
        """Return a part of a sentence of this page."""
        return self.voice.phrase(key, **_named(facts))

    def name(self, check: Check) -> str:
        """Return a rule with its name: R4 sensitivity to differing trends."""
        return self.phrase("dossier.page.number", rule=check.rule, name=self.phrase(f"dossier.{check.rule}.name"))

    def verdict(self, check: Check) -> str:
        """Return the verdict with its mark."""
        return f"{MARKS[check.verdict]} {self.phrase(f'dossier.verdict.{check.verdict}')}"

    def said(self, check: Check) -> str:
        """Return what a check found; nothing where it does not apply and has no statistic."""
        if check.statistic.code == "none":
            return ""
        code, facts = check.statistic.code, check.statistic.facts
        for name, suffix in WITHOUT.items():
            if facts.get(name, 0) is None and self.has(f"dossier.{check.rule}.said.{code}{suffix}"):
                code += suffix
        for ends in SPANS:
            told = {
                without_marks(self.told(check, name, facts[name], sentence=True)) for name in ends if facts.get(name) is not None
            }
            if len(told) == 1 and self.has(f"dossier.{check.rule}.said.{code}_same"):
                code += "_same"
        return self._coded(check, "said", Remark(code=code, facts=facts))

    def because(self, check: Check) -> str:
        """Return the reason of a verdict that is not a pass, and what is told whatever the verdict is."""
        told = [self._coded(check, "because", check.because)] if check.because else []
        told += [self._remark(check, remark) for remark in check.remarks]
        return self.voice.join(distinct(told))

    def _remark(self, check: Check, remark: Remark) -> str:
        """Return what is told whatever the verdict is: in the words of this page, or in those of the main report."""
        own = self.has(f"dossier.{check.rule}.remark.{remark.code}") or self.has(f"dossier.remark.{remark.code}")
        return self._coded(check, "remark", remark) if own else remark_of_report(self.voice, remark)

    def _coded(self, check: Check, part: str, remark: Remark) -> str:
        own = f"dossier.{check.rule}.{part}.{remark.code}"
        key = own if self.has(own) or part == "said" else f"dossier.{part}.{remark.code}"
        return self.say(key, **self.facts(check, remark.facts))

    def facts(self, check: Check, facts: Mapping[str, Any]) -> dict[str, str]:
        """Return facts as a sentence tells them; lists also by how many they hold."""
        told = {name: self.told(check, name, value, sentence=True) for name, value in facts.items()}
        told |= {f"{name}_count": f"{len(value):,}" for name, value in facts.items() if isinstance(value, list)}
        if self.lang in facts:
            told["names"] = self.voice.catalogue.listing(facts[self.lang])
        if "column" in facts:
            told["what"] = self.column(str(facts["column"]))
        return told

    def told(self, check: Check, name: str, value: Any, sentence: bool = False) -> str:
        """Return one value as a reader sees it, by its name; amounts of money and numbers of units in full in a sentence."""
        if value is None:
            return self.voice.phrase("language.missing")
        if isinstance(value, list):
            return self.voice.catalogue.listing(self._item(check, name, item) for item in value)
        if isinstance(value, str) and not (isinstance(value, Traced) and not isinstance(value.plain, str)):
            return self._text(name, value)
        tell: Tell = _TELL[kind_of(check.rule, name)]
        return tell(self, value, sentence)

    def _text(self, name: str, value: str) -> str:
        if name == "schedule":
            return self.voice.phrase(f"poverty_line.{value}")
        if name == "date":
            return self.voice.phrase(f"event.{value}")
        return value

    def _item(self, check: Check, name: str, item: Any) -> str:
        """Return one item of a list: a line of the check, an estimator, a component, or a column."""
        text = str(item)
        if self.has(f"dossier.{check.rule}.short.{text}"):
            return self.phrase(f"dossier.{check.rule}.short.{text}")
        line = next((line for line in check.lines if line.name == text), None)
        if line is not None:
            return self.label(check, line)
        if name == "estimators":
            return self.voice.phrase(f"estimator.{text}.name")
        line = next((line for line in check.lines if line.name == f"component.{text}"), None)
        return self.label(check, line) if line is not None else self.column(text)

    def column(self, name: str) -> str:
        """Return what a column is called: a kind of cluster, a covariate of the study, or the column itself."""
        findings = self.voice.findings
        if name == findings.sample.cluster:
            return self.voice.cluster(name, findings.sample.clusters)
        if self.voice.catalogue.has(f"cluster.{name}"):
            return self.voice.phrase(f"cluster.{name}")
        return self.voice.covariate(name)

    def label(self, check: Check, line: Line) -> str:
        """Return what a line is called."""
        part, _, code = line.name.partition(".")
        facts = {name: self.told(check, name, value, sentence=True) for name, value in {**line.words, **line.numbers}.items()}
        facts["what"] = self._what(line)
        if part in ("estimator", "regression") and self.voice.catalogue.has(f"estimator.{code}.name"):
            return self.voice.say(f"estimator.{code}.name")
        if part == "component":
            return facts["what"] or self.voice.phrase(f"component.{code}")
        if part == "bacon_type":
            return self.voice.say(f"bacon_type.{code}")
        if part == "specification":
            return self._specification(check, line)
        short = f"dossier.{check.rule}.short.{line.name}"
        return self.say(
            short if self.has(short) and (line.reason or not code) else f"dossier.{check.rule}.line.{line.name}", **facts
        )

    def _what(self, line: Line) -> str:
        return line.words.get(self.lang) or (self.column(line.words["column"]) if "column" in line.words else "")

    def _specification(self, check: Check, line: Line) -> str:
        words = line.words
        facts = {axis: self.phrase(f"dossier.{check.rule}.{axis}.{words[axis]}") for axis in ("sample", "outcome")}
        return self.say(
            f"dossier.{check.rule}.line.specification", estimator=self.voice.phrase(f"estimator.{words['estimator']}.name"), **facts
        )

    def detail(self, check: Check, line: Line) -> str:
        """Return the second line of a label: why there is no estimate, or what the estimate is an average of."""
        if line.reason:
            facts = {name: self.told(check, name, value) for name, value in {**line.words, **line.numbers}.items()}
            return self.phrase(f"dossier.reason.{line.reason}", **facts)
        if line.name.startswith("estimator."):
            average = self.voice.phrase(f"average.{line.words['average']}")
            return self.voice.phrase("language.two_parts", one=average, two=self.voice.versus(line.words["comparison"]))
        if line.name.startswith("specification."):
            return self.voice.catalogue.listing(self._choices(check, line))
        return ""

    def _choices(self, check: Check, line: Line) -> Iterator[str]:
        """Yield the choices of a specification in which the specifications differ."""
        for axis in ("covariates", "weight", "comparison"):
            known = {other.words.get(axis) for other in check.lines if other.words.get("outcome") != "poisson"}
            if len(known) > 1:
                value = line.words[axis]
                yield self.voice.versus(value) if axis == "comparison" else self.phrase(f"dossier.{check.rule}.{axis}.{value}")

    def percent_share(self, value: float) -> str:
        """Return a share as per cent."""
        return numerals.percent(100 * value)

    @property
    def made(self) -> Sequence[str]:
        """The rules of the dossier, in order."""
        return [check.rule for check in self.dossier.checks]


def _named(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts under names that a sentence can have: what a study did not name is its ``named``."""
    return {"named" if name == "key" else name: value for name, value in facts.items()}


def kind_of(rule: str, name: str) -> str:
    """Return what kind of number stands under a name in a check.

    >>> kind_of("R5", "smallest_p"), kind_of("R3", "last"), kind_of("R7", "before"), kind_of("R15", "units")
    ('plain_p', 'year', 'fixed', 'units')
    """
    if (special := SPECIAL.get((rule, name))) is not None:
        return special
    if name == "smallest_p":
        return "plain_p"
    if name.endswith("_p") or name in ("p_value", "p_adjusted"):
        return "p"
    if name.endswith("_money"):
        return "money"
    if name.endswith("_percent"):
        return "percent"
    named = {"effect": EFFECTS, "share": SHARES, "percent": PER_CENT, "year": YEARS, "units": UNITS, "fixed": FIXED}
    return next((kind for kind, names in named.items() if name in names), "when" if name == "event_time" else "count")


def _money(page: DossierVoice, value: float, sentence: bool) -> str:
    if not sentence:
        return numerals.money(value)
    return page.voice.phrase("language.amount", amount=page.voice.amount(value), noun=page.voice.common["noun"])


def _counted(page: DossierVoice, value: Any, sentence: bool) -> str:
    plain = value.plain if isinstance(value, Traced) else value
    if isinstance(plain, bool) or not isinstance(plain, float):
        return f"{value:,}"
    return f"{value:g}" if plain == round(plain) or abs(plain) < 1 else numerals.fixed(value, 2)


Tell = Callable[[DossierVoice, Any, bool], str]
_TELL: dict[str, Tell] = {
    "effect": lambda page, value, sentence: page.voice.hundred(value),
    "share": lambda page, value, sentence: page.percent_share(value),
    "percent": lambda page, value, sentence: numerals.percent(value),
    "p": lambda page, value, sentence: numerals.p_sentence(value) if sentence else numerals.p_value(value),
    "plain_p": lambda page, value, sentence: numerals.p_value(value),
    "money": _money,
    "year": lambda page, value, sentence: f"{value}",
    "units": lambda page, value, sentence: page.voice.count_units(value) if sentence else f"{value:,}",
    "fixed": lambda page, value, sentence: numerals.fixed(value, 2),
    "measured": lambda page, value, sentence: numerals.measured(value),
    "short": lambda page, value, sentence: numerals.fixed(value, 1),
    "when": lambda page, value, sentence: page.voice.when(value) if sentence else numerals.fixed(value),
    "count": _counted,
}
