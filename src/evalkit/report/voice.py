"""Findings read aloud in one language: the phrases that more than one part of a report uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Literal

from evalkit import numerals
from evalkit.findings import About, Alone, Findings, TrendPoint
from evalkit.records import Interval
from evalkit.report import numbering
from evalkit.report.blocks import anchor
from evalkit.report.sources import capitalised, is_traced, linked
from evalkit.study import Published, Words
from evalkit.words import Catalogue, catalogue


class Speaker:
    """One language and the facts that any sentence may quote: what every page is read aloud with.

    ``common`` holds those facts, ``simulated`` says whether the data are.
    """

    lang: str

    @cached_property
    def catalogue(self) -> Catalogue:
        """The sentences of the language."""
        return catalogue(self.lang)

    @property
    def common(self) -> dict[str, str]:
        """Facts that any sentence may quote."""
        raise NotImplementedError

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        raise NotImplementedError

    @property
    def warning(self) -> str:
        """What every figure of simulated data says at its corner, nothing where data are real."""
        return self.say("status.simulated") if self.simulated else ""

    def say(self, key: str, **facts: object) -> str:
        """Return a sentence with the common facts and its own, begun with a capital letter."""
        return capitalised(self.phrase(key, **facts))

    def phrase(self, key: str, **facts: object) -> str:
        """Return a part of a sentence."""
        return self.catalogue.say(key, **{**self.common, **facts})

    def count_units(self, number: int | None) -> str:
        """Return a number of units: 99 counties; some counties where a public report does not tell how many."""
        return self._counted(number, self.common["unit"])

    def number_units(self, number: int | None) -> str:
        """Return a number of units that are named beside it: 3 of 99 counties."""
        return self.phrase("language.number_hidden") if number is None else self.catalogue.number(number, self.common["unit"])

    def count(self, number: int | None, noun: str) -> str:
        """Return a number of rows, clusters or years."""
        return self._counted(number, self.catalogue.say(f"noun.{noun}"))

    def _counted(self, number: int | None, noun: str) -> str:
        if number is None:
            return self.phrase("language.count_hidden", noun=self.catalogue.plural(noun))
        return self.catalogue.count(number, noun)

    def years(self, years: Sequence[int]) -> str:
        """Return consecutive years as a range, and single years one by one."""
        runs: list[list[int]] = []
        for year in sorted(years):
            if runs and year == runs[-1][-1] + 1:
                runs[-1].append(year)
            else:
                runs.append([year])
        return self.catalogue.listing(self._run(run) for run in runs)

    def _run(self, run: list[int]) -> str:
        return self.window(run[0], run[-1])

    def window(self, first: int, last: int) -> str:
        """Return the years from the first to the last: 2016—2018年, 2016–2018."""
        if first == last:
            return self.phrase("language.one_year", year=first)
        return self.phrase("language.years", first=first, last=last)

    def join(self, sentences: Iterable[str]) -> str:
        """Return sentences one after another: English puts a space between them."""
        return (" " if self.lang == "en" else "").join(s.strip() for s in sentences if s.strip())


@dataclass(frozen=True)
class StudyVoice(Speaker):
    """What a study is about and a language; every sentence knows the programme, its groups and its unit of money.

    An effect is that of ``programme``, which is a bundle where programmes arrive together; who was covered, and since when,
    is told of ``own_programme``, whose start the study dates.
    """

    findings: About
    lang: str

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return self.findings.simulated

    @cached_property
    def title(self) -> str:
        """The title of the report, with the county it is about."""
        title, county = self.word(self.findings.title), self.findings.county
        return title if county is None else self.phrase("one_unit.title", where=county.name, title=title)

    def word(self, words: Words) -> str:
        """Return one of the study's own expressions in this language."""
        return words.zh if self.lang == "zh" else words.en

    @cached_property
    def common(self) -> dict[str, str]:
        """Facts that any sentence may quote."""
        findings = self.findings
        unit = self.word(findings.unit_word)
        units = self.catalogue.plural(unit)
        noun, per = self._money_parts()
        return {
            "programme": self._bundle() or self.word(findings.programme),
            "own_programme": self.word(findings.programme),
            "outcome": self.word(findings.outcome_word),
            "unit": unit,
            "units": units,
            "units_word": units,
            "a_unit": self.catalogue.one(unit),
            "treated": self._treated(unit, units),
            "comparison": self.catalogue.say("term.comparison", unit=units),
            "money": self.word(findings.money),
            "noun": noun,
            "per": per,
            "prices": self.word(findings.prices),
            "level": numerals.whole_percent(findings.level),
        }

    def _treated(self, unit: str, units: str) -> str:
        """Return what the treated group is called: the county by its name in a report about one."""
        if not self.single:
            return self.catalogue.say("term.treated", unit=units)
        county = self.findings.county
        return self.catalogue.say("one_unit.treated", unit=unit) if county is None else county.name

    @property
    def members(self) -> list[str]:
        """The names of the programmes in the bundle, the study's own first; empty without a bundle."""
        return [self.word(words) for words in self.findings.bundle]

    def _bundle(self) -> str:
        """Return what an effect that belongs to several programmes is called, or nothing without a bundle."""
        if not self.findings.bundle:
            return ""
        first, *others = self.members
        key = "two" if len(others) == 1 else "more"
        names = self.catalogue.say(f"term.bundle_{key}", first=first, others=self.catalogue.listing(others))
        return self.catalogue.say("term.bundle", programmes=names)

    def caption(self, key: str) -> str:
        """Return the caption of a figure or table of income; where prices are not deflated every one of them says so."""
        caption = self.say(key)
        nominal = any(remark.code == "NOMINAL" for remark in self.findings.remarks)
        return self.phrase("fragment.nominal", caption=caption) if nominal else caption

    def _money_parts(self) -> tuple[str, str]:
        """Split a unit of money: yuan and per person per year, 元 and 每人每年."""
        money = self.word(self.findings.money)
        if self.lang == "en":
            noun, per, rest = money.partition(" per ")
            return noun, (per + rest).strip()
        noun, _, rest = money.partition("/")
        return noun, "".join(self.catalogue.say("term.per_person", thing=part) for part in rest.split("·") if part)

    def count_treated(self, number: int | None) -> str:
        """Return a number of treated units."""
        return self._counted(number, self.catalogue.say("term.treated", unit=self.common["unit"]))

    @cached_property
    def mark(self) -> str:
        """What a table shows instead of a count that a public report does not tell, nothing where all is told."""
        hidden = self.findings.hidden
        return self.phrase("disclosure.mark", minimum=hidden.minimum) if hidden else ""

    def amount(self, value: float, plus: bool = False) -> str:
        """Return money for a sentence, large amounts in the language's own unit: 1.23万, 1.23 million."""
        return self.amounts(value, plus=plus)[0]

    def amounts(self, *values: float, plus: bool = False) -> tuple[str, ...]:
        """Return money that stands side by side in a sentence, in one unit; a study that counts in 万元 or thousands keeps to that."""
        if self.common["noun"] not in ("元", "yuan"):
            return tuple(numerals.money(value, plus) for value in values)
        return numerals.amounts(values, self.lang, plus)

    @cached_property
    def single(self) -> bool:
        """Whether the findings are about one treated unit, with a range or not."""
        return self.findings.alone is not None

    def ends(self, group: str) -> tuple[TrendPoint, TrendPoint] | None:
        """Return the first and the last mean of a group, or nothing without two years."""
        points = sorted((p for p in self.findings.trends if p.group == group), key=lambda p: p.period)
        return (points[0], points[-1]) if len(points) > 1 else None


@dataclass(frozen=True)
class Voice(StudyVoice):
    """One report's findings and language."""

    findings: Findings
    lang: str

    def see(self, kind: Literal["figure", "table"], name: str) -> str:
        """Return how a sentence refers to a figure or a table of this report: 图1, Table 3.

        Raises
        ------
        ReportError
            For what the report does not have, with the result that is missing.
        """
        said = self.phrase(f"language.{kind}", number=numbering.number(self.findings, kind, name))
        return linked(said, anchor(kind, name)) if is_traced(self.findings) else said

    def covariate(self, name: str) -> str:
        """Return what a covariate is called: the study's own words, or its column."""
        words = self.findings.covariate_words.get(name)
        return self.word(words) if words else name

    def when(self, event_time: int) -> str:
        """Return an event time in words."""
        if event_time == 0:
            return self.phrase("term.start")
        key = "one_year_" if abs(event_time) == 1 else ""
        return self.phrase(f"term.{key}{'before' if event_time < 0 else 'after'}", years=abs(event_time))

    def effect(self, value: float) -> str:
        """Return an effect as tables show it: log points with four decimals, money with one."""
        return numerals.fixed(value, 4 if self.findings.scale == "log" else 1)

    def hundred(self, value: float, plus: bool = False) -> str:
        """Return an effect as figures show it: log points times 100, or money."""
        if self.findings.scale == "log":
            return numerals.fixed(100 * value, 1, plus)
        return numerals.money(value, plus)

    def span(self, low: float | None, high: float | None) -> str:
        """Return an interval of effects as tables show it."""
        if low is None or high is None:
            return self.phrase("language.missing")
        return self.phrase("language.interval", low=self.effect(low), high=self.effect(high))

    def hundred_span(self, low: float | None, high: float | None) -> str:
        """Return an interval of effects as figures show it."""
        if low is None or high is None:
            return self.phrase("language.missing")
        return self.phrase("language.interval", low=self.hundred(low), high=self.hundred(high))

    def size(self, value: float) -> str:
        """Return the size of a difference for a sentence; above 10 log points per cent would be misleading."""
        if self.findings.scale == "level":
            return self.phrase("term.money", amount=self.amount(abs(value)))
        points = numerals.fixed(100 * abs(value), 1)
        key = "term.approximate_percent" if abs(value) < 0.10 else "term.log_points"
        return self.phrase(key, points=points)

    def unit_of_effect(self, hundred: bool = False) -> str:
        """Return the unit of effects in words."""
        return self.phrase(f"unit_of_effect.{self.findings.scale}{'_100' if hundred else ''}")

    def cluster(self, name: str, clusters: int | None = None) -> str:
        """Return what a cluster is; where there are as many clusters as units, they are the units."""
        if clusters == self.findings.sample.units or name == "unit":
            return self.common["unit"]
        known = f"cluster.{name}"
        return self.phrase(known) if self.catalogue.has(known) else name

    @cached_property
    def ranges(self) -> bool:
        """Whether the report gives ranges at all: with too few clusters on one side it gives none."""
        headline = getattr(self.findings, "headline", None)  # a brief speaks of studies without a causal figure too
        return headline is None or has_range(headline.effect)

    @cached_property
    def alone(self) -> Alone | None:
        """The range of the one treated unit, where the findings are about one and its comparison allows a range."""
        return self.findings.alone if isinstance(self.findings.alone, Alone) else None

    @cached_property
    def banded(self) -> bool:
        """Whether the path has a simultaneous band, which needs more clusters than a range of one year."""
        return self.findings.path_critical is not None

    @cached_property
    def first_clean_start(self) -> int:
        """The last year in which a start leaves no clean year before it, which is when units count as treated from the start."""
        return min(self.findings.sample.periods) + self.findings.anticipation

    @cached_property
    def last_cohort(self) -> int:
        """The year in which the last cohort starts."""
        return max((cohort.year for cohort in self.findings.cohorts), default=self.findings.window[1])

    def comparison_parts(self) -> str:
        """Return of whom the comparison consists: never covered, covered only after the window, or the last cohort."""
        sample = self.findings.sample
        counts = {"never": sample.never_units, "later": sample.later_units, "last": sample.last_cohort_units}
        parts = [
            self.phrase(f"term.part_{name}", count=self.count_units(n), year=self.last_cohort)
            for name, n in counts.items()
            if n != 0
        ]
        return self.phrase("language.clause").join(parts)

    def compared_with(self) -> str:
        """Return who the comparison is."""
        findings, sample = self.findings, self.findings.sample
        if sample.last_cohort_units != 0:
            return self.phrase("term.not_yet_last", count=self.count_units(sample.last_cohort_units), year=self.last_cohort)
        if findings.comparison != "never_treated" and self.alone is None:
            return self.phrase("term.not_yet_some", parts=self.comparison_parts())
        if sample.never_units != 0 and sample.later_units != 0:
            return self.phrase("term.outside", parts=self.comparison_parts())
        return self.phrase(
            "term.later" if sample.later_units != 0 else "term.never", count=self.count_units(sample.comparison_units)
        )

    def versus(self, comparison: str) -> str:
        """Return the comparison of one estimator in short; units covered after the window are not called never covered."""
        outside = comparison == "never_treated" and self.findings.sample.later_units != 0
        return self.phrase(f"comparison.{'outside' if outside else comparison}")

    @cached_property
    def smallest_money(self) -> float:
        """The smallest meaningful change in money."""
        return self.findings.smallest_meaningful_percent / 100 * self.findings.headline.base.estimate


def published_interval(published: Published, level: float) -> Interval:
    """Return a published estimate with the range estimate ± z · its standard error, z the normal quantile of the study's level.

    The range is absent where no standard error was published.
    """
    if published.std_error is None:
        return Interval(estimate=published.estimate)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * published.std_error
    return Interval(
        estimate=published.estimate,
        std_error=published.std_error,
        low=published.estimate - reach,
        high=published.estimate + reach,
    )


def has_range(interval: Interval) -> bool:
    """Return whether an estimate comes with a range."""
    return interval.low is not None and interval.high is not None
