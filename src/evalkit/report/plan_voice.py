"""A plan read aloud in one language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from evalkit import numerals
from evalkit.plan_records import PlanRecord
from evalkit.report.voice import Speaker
from evalkit.study_parts import Words


@dataclass(frozen=True)
class PlanVoice(Speaker):
    """One plan and a language; every sentence knows the programme, its groups and its unit of money."""

    record: PlanRecord
    lang: str

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return self.record.simulated

    @cached_property
    def common(self) -> dict[str, str]:
        """Facts that any sentence may quote."""
        record = self.record
        unit = self.word(record.unit_word)
        units = self.catalogue.plural(unit)
        programme = self.word(record.programme)
        return {
            "programme": programme,
            "own_programme": programme,
            "outcome": self.word(record.outcome_word),
            "unit": unit,
            "units": units,
            "units_word": units,
            "a_unit": self.catalogue.one(unit),
            "treated": self.catalogue.say("term.treated", unit=units),
            "comparison": self.catalogue.say("term.comparison", unit=units),
            "money": self.word(record.money),
            "prices": self.word(record.prices),
            "level": numerals.whole_percent(record.planned.level),
        }

    def word(self, words: Words) -> str:
        """Return one of the study's own expressions in this language."""
        return words.zh if self.lang == "zh" else words.en

    def covariate(self, name: str) -> str:
        """Return what a covariate is called: the study's own words, or its column."""
        words = self.record.covariate_words.get(name)
        return self.word(words) if words else name

    @property
    def counted(self) -> bool:
        """Whether the page may tell how many units start when: in a public one no cohort is smaller than what may be told."""
        least = self.record.told_from
        return least is None or all(cohort.units >= least for cohort in self.record.planned.cohorts)
