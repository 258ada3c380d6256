"""The record of an intake read aloud in one language: the phrases that more than one part of the data-quality page uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalkit import numerals
from evalkit.codes import table
from evalkit.intake.observations import Place, Question
from evalkit.intake.record import IntakeRecord, Said
from evalkit.report.remarks import flags
from evalkit.report.voice import Speaker
from evalkit.words import Catalogue, WordsError


def column_label(name: str, lang: str) -> str:
    """Return the label of a column of the dictionary in data/codes/columns.csv; a column of the user's own is called by its name."""
    return _labels("columns", "canonical", lang).get(name) or name


def unit_word(unit: str, lang: str) -> str:
    """Return a unit of data/codes/units.csv in words, one that it does not know as it stands; 万元 and 元/人 are put together from parts."""
    first, *rest = (_simple_unit(part.strip(), lang) for part in unit.split("/"))
    return " per ".join([first, *(part.removesuffix("s") for part in rest)]) if lang == "en" else "/".join([first, *rest])


def _simple_unit(unit: str, lang: str) -> str:
    known = _labels("units", "unit", lang)
    if unit in known or lang == "zh":
        return known.get(unit, unit)
    units = table("units")
    multipliers = sorted(units.loc[units["quantity"] == "multiplier", "unit"], key=len, reverse=True)
    for many in multipliers:
        if unit.startswith(many) and unit.removeprefix(many) in known:
            return f"{known[many]} {known[unit.removeprefix(many)]}"
    return unit


def _labels(name: str, key: str, lang: str) -> dict[str, str]:
    codes = table(name)
    return dict(zip(codes[key], codes[lang], strict=True))


@dataclass(frozen=True)
class IntakeVoice(Speaker):
    """One record of an intake and a language; every sentence knows what the units are."""

    record: IntakeRecord
    lang: str

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return self.record.simulated

    @cached_property
    def common(self) -> dict[str, str]:
        """Facts that any sentence may quote."""
        unit = self.catalogue.say(f"data.level.{self.record.level}")
        units = self.catalogue.plural(unit)
        return {"unit": unit, "units": units, "units_word": units, "a_unit": self.catalogue.one(unit), "outcome": self.outcome}

    @cached_property
    def outcome(self) -> str:
        """The income that the panel is about, in words."""
        return self.column(self.record.income_column) if self.record.income_column else self.catalogue.say("data.income.word")

    def column(self, name: str) -> str:
        """Return the label of a column."""
        return column_label(name, self.lang)

    def unit(self, unit: str | None) -> str:
        """Return a unit in words, or that there is none."""
        return unit_word(unit, self.lang) if unit else self.phrase("language.missing")

    def number_of(self, number: int, thing: str) -> str:
        """Return a number of columns, questions, lines and the like: 3 columns."""
        return self.phrase(f"data.count.{'one_' if number == 1 else ''}{thing}", number=f"{number:,}")

    def quoted(self, names: Iterable[str], shown: int = 8) -> str:
        """Return names in quotation marks, and how many more there are."""
        return self.catalogue.listing((self.phrase("data.quoted", name=name) for name in names), shown)

    def lines(self, lines: Iterable[int], count: int) -> str:
        """Return the first lines of a file on which something stands, and how many more there are."""
        first = list(lines)
        if not first:
            return self.phrase("language.missing")
        listed = self.phrase("language.separator").join(f"{line}" for line in first)
        more = self.phrase("data.more_lines", count=f"{count - len(first):,}") if count > len(first) else ""
        return listed + more

    def share(self, share: float) -> str:
        """Return a share as per cent; one that would round to nothing says so."""
        return "<0.1%" if 0 < share < 0.0005 else numerals.percent(100 * share)

    def money(self, value: float) -> str:
        """Return an amount of the income's unit."""
        return numerals.fixed(value, 0 if float(value).is_integer() or abs(value) >= 100 else 1)

    @cached_property
    def money_unit(self) -> str:
        """The unit of the income of the panel."""
        units = (use.unit for use in self.record.headings if use.column == self.record.income_column and use.unit)
        return self.unit(next(units, None) or "元")

    @cached_property
    def nominal(self) -> bool:
        """Whether incomes are known to stand in the prices of their own year, as the poverty lines do."""
        return self.prices == self.phrase("price_basis.nominal")

    @cached_property
    def prices(self) -> str:
        """The price basis in words."""
        return self.record.price_basis.get(self.lang) or self.phrase("data.definition.prices_unknown")

    def definition(self, kind: str) -> str:
        """Return a definition of income in words: net, disposable or unknown."""
        return self.phrase(f"data.definition.{kind}")

    def schedule(self, name: str) -> str:
        """Return a schedule of poverty lines in words; one of the user's own is called by its name."""
        known = f"poverty_line.{name}"
        return self.phrase(known) if self.catalogue.has(known) else self.phrase("poverty_line.own", schedule=name)

    def question(self, said: Said) -> str:
        """Return a question as a sentence with its places."""
        return self._asked(said).say(self.catalogue)

    def evidence(self, said: Said) -> str:
        """Return the short id by which a question is quoted."""
        return said.evidence or self._asked(said).evidence

    def _asked(self, said: Said) -> Question:
        return Question(said.code, said.facts, tuple(Place(*place) for place in said.places), said.count)

    def notice(self, said: Said) -> str:
        """Return a remark as a sentence: in the study report's words where it has some."""
        if said.code in PREPARED:
            key, facts = PREPARED[said.code](self, said.facts)
            return self.say(key, **facts)
        facts = {name: _told(self.catalogue, value) for name, value in said.facts.items()}
        return self.say(self.known(f"remark.{said.code}", f"notice.{said.code}"), **{"count": f"{said.count:,}", **facts})

    def known(self, *keys: str) -> str:
        """Return the first key that the catalogue has words for; raises WordsError when it has none of them."""
        for key in keys:
            if self.catalogue.has(key):
                return key
        raise WordsError(f"The {self.lang} catalogue has none of {', '.join(keys)}. Add one of them to locale, in every language.")


def _told(words: Catalogue, value: object) -> object:
    """Return a fact as readers see it: lists in one phrase, numbers by year or name as pairs, no superfluous digits."""
    if isinstance(value, dict):
        return words.listing(words.say("language.parenthesis", outer=key, inner=_told(words, one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return words.listing(str(_told(words, one)) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else value


Remarked = tuple[str, dict[str, object]]


def _counted(voice: IntakeVoice, facts: dict[str, Any]) -> dict[str, object]:
    return {"units": voice.catalogue.number(facts["units"], voice.common["unit"]), "of_units": voice.count_units(facts["of_units"])}


def _definition_unknown(voice: IntakeVoice, facts: dict[str, Any]) -> Remarked:
    return "remark.INCOME_DEF_UNKNOWN", {**_counted(voice, facts), "rows": voice.count(facts["rows"], "row")}


def _definition_switch(voice: IntakeVoice, facts: dict[str, Any]) -> Remarked:
    years = [int(year) for year in facts["years"]]
    near = {"near": f"{facts['treated_near']:,}", "treated": f"{facts['treated']:,}"} if facts.get("treated") else {}
    treated = voice.phrase("income_definition.switch_near_start", **near) if near else ""
    key = f"remark.INCOME_DEF_SWITCH_{'staggered' if facts['staggered'] else 'together'}"
    return key, {**_counted(voice, facts), "years": voice.years(years), "treated": treated}


def _index_national(voice: IntakeVoice, facts: dict[str, Any]) -> Remarked:
    names = _labels("provinces", "code", voice.lang)
    told = (
        voice.phrase("language.parenthesis", outer=names.get(area, area), inner=voice.years([int(year) for year in years]))
        for area, years in facts["provinces"].items()
    )
    return "remark.PRICE_INDEX_NATIONAL", {"provinces": voice.catalogue.listing(told)}


def _index_unverified(voice: IntakeVoice, facts: dict[str, Any]) -> Remarked:
    return "remark.PRICE_INDEX_UNVERIFIED", {**facts, "years": voice.years([int(year) for year in facts["years"]])}


def _flags(voice: IntakeVoice, facts: dict[str, Any]) -> Remarked:
    return "remark.INTAKE_FLAGS_parts", flags(voice, facts)


PREPARED: dict[str, Callable[[IntakeVoice, dict[str, Any]], Remarked]] = {
    "INCOME_DEF_UNKNOWN": _definition_unknown,
    "INCOME_DEF_SWITCH": _definition_switch,
    "PRICE_INDEX_NATIONAL": _index_national,
    "PRICE_INDEX_UNVERIFIED": _index_unverified,
    "INTAKE_FLAGS": _flags,
}
"""The codes of remarks whose facts need words or a choice before their sentence can quote them."""
