"""Coded remarks as sentences: one small function for the facts of each code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from evalkit import numerals
from evalkit.codes import table
from evalkit.errors import unknown
from evalkit.records import Remark
from evalkit.report.sources import count, distinct, whole
from evalkit.report.voice import Speaker, StudyVoice, Voice
from evalkit.words import WordsError

Facts = dict[str, Any]


def sentence(voice: StudyVoice, remark: Remark) -> str:
    """Return the sentence of a remark; raises WordsError for a code without one."""
    voice = cast(Voice, voice)  # what is remarked of a study without an estimate asks for none
    if voice.catalogue.has(f"estimator_notice.{remark.code}"):
        return voice.say(f"estimator_notice.{remark.code}", **_plain(voice, remark.facts))
    if remark.code not in REMARKS:
        raise WordsError(f"{unknown('remark', remark.code, list(REMARKS))} Give it words in report/remarks.py and locale.")
    variant, prepare = REMARKS[remark.code]
    try:
        chosen = variant(remark.facts) if variant else ""
        key = f"remark.{remark.code}" + (f"_{chosen}" if chosen else "")
        facts = prepare(voice, remark.facts)
    except KeyError as missing:
        raise WordsError(f"The remark {remark.code} lacks the fact {missing}; it has {sorted(remark.facts)}.") from None
    return voice.say(key, **facts)


_OF_ONE_UNIT = ("FEW_CLUSTERS", "SINGLE_UNIT_COHORT", "ONE_TREATED_UNIT")


def told_remarks(voice: Voice) -> list[Remark]:
    """Return the remarks that a report lists: that one unit alone has no standard error is what a report about it is built on."""
    remarks = voice.findings.remarks
    return [r for r in remarks if r.facts.get("code", r.code) not in _OF_ONE_UNIT] if voice.single else remarks


def limits(voice: Voice) -> list[str]:
    """Return the remarks that a report lists as sentences; what several estimators remark alike is told once, of all of them."""
    groups: dict[str, list[Remark]] = {}
    for remark in told_remarks(voice):
        same = repr((remark.facts["code"], remark.facts["facts"])) if remark.code == "OF_ESTIMATOR" else repr(remark)
        groups.setdefault(same, []).append(remark)
    return [sentence(voice, first) if not more else _of_several(voice, [first, *more]) for first, *more in groups.values()]


def _of_several(voice: Voice, remarks: list[Remark]) -> str:
    if remarks[0].code != "OF_ESTIMATOR":
        return sentence(voice, remarks[0])
    names = distinct(voice.phrase(f"estimator.{remark.facts['estimator']}.name") for remark in remarks)
    facts = _of_estimator(voice, remarks[0].facts) | {"estimator": voice.catalogue.listing(names)}
    return voice.say("remark.OF_ESTIMATOR", **facts)


def _nothing(voice: Voice, facts: Facts) -> Facts:
    return {}


def _late(voice: Voice, facts: Facts) -> Facts:
    return {"units": voice.count_units(facts["units"]), "last_period": facts["last_period"]}


def _missing(voice: Voice, facts: Facts) -> Facts:
    columns = (
        voice.phrase("fragment.column_rows", name=voice.covariate(name), rows=voice.count(rows, "row"))
        for name, rows in facts["columns"].items()
    )
    return {"rows": voice.count(facts["rows"], "row"), "columns": voice.catalogue.listing(columns)}


def _unbalanced(voice: Voice, facts: Facts) -> Facts:
    return {
        "units": voice.count_units(facts["units"]),
        "rows": voice.count(facts["rows"], "row"),
        "complete_units": voice.count_units(facts["complete_units"]),
        "periods": voice.count(facts["periods"], "year"),
    }


def _universal(voice: Voice, facts: Facts) -> Facts:
    return {"last_cohort": facts["last_cohort"]}


def _periods(voice: Voice, facts: Facts) -> Facts:
    return {"periods": voice.years(facts["periods"])}


def _from_start(voice: Voice, facts: Facts) -> Facts:
    treated = voice.count_treated if voice.lang == "en" else voice.count_units
    return {
        "units": voice.number_units(facts["units"]),
        "treated_units": treated(facts["treated_units"]),
        "year": facts["first_period"] + voice.findings.anticipation,
    }


def _choice(facts: Facts) -> str:
    return str(facts["choice"])


def _one_or_many(facts: Facts) -> str:
    return "one" if len(facts["cohorts"]) == 1 else "many"


def _cohorts(voice: Voice, facts: Facts) -> Facts:
    return {"cohorts": voice.years(facts["cohorts"])}


def _cells(voice: Voice, facts: Facts) -> Facts:
    def named(cell: str) -> str:
        parts = re.fullmatch(r"(\d+) in (\d+)", str(cell))
        if parts is None:
            return f"{cell}"
        return voice.phrase("fragment.cell", cohort=whole(parts[1], of=cell), period=whole(parts[2], of=cell))

    cells = facts["cells"]
    return {"count": f"{count(cells):,}", "cells": voice.catalogue.listing(map(named, cells), shown=5)}


def _columns(voice: Voice, facts: Facts) -> Facts:
    return {"columns": voice.catalogue.listing(map(voice.covariate, facts["columns"]))}


def _second_reference(voice: Voice, facts: Facts) -> Facts:
    return {"event_time": voice.when(facts["event_time"])}


def _never_codes(voice: Voice, facts: Facts) -> Facts:
    codes = (
        voice.phrase("fragment.never_code", code=never_code(voice, code), units=voice.count_units(units))
        for code, units in facts["codes"].items()
    )
    return {"codes": voice.catalogue.listing(codes)}


def never_code(voice: Voice, code: str) -> str:
    """Return a never-treated code as readers know it: an empty cell is blank."""
    return voice.phrase("fragment.missing_code") if str(code).lower() in ("missing", "nan", "none", "") else f"{code}"


def _few_clusters(voice: Voice, facts: Facts) -> Facts:
    def counted(name: str) -> str:
        return _figure(voice, facts[name]) if voice.lang == "en" else voice.count(facts[name], "cluster")

    sides = {name: counted(name) for name in ("treated_clusters", "comparison_clusters")}
    consequence = voice.phrase("fragment.few_ranges" if voice.ranges else "fragment.few_none")
    return {"clusters": voice.count(facts["clusters"], "cluster"), "consequence": consequence} | sides


def _too_few(voice: Voice, facts: Facts) -> Facts:
    return {
        "units": voice.count_units(facts["units"]),
        "smallest_p": numerals.p_value(facts["smallest_p"]),
        "needed": voice.count_units(facts["needed"]),
    }


def _left_out(voice: Voice, facts: Facts) -> Facts:
    units = facts["units"]
    return {"units": voice.count_units(count(units) if isinstance(units, (list, tuple, dict)) else units)}


def _national_index(voice: Voice, facts: Facts) -> Facts:
    names = table("provinces").set_index("code")[voice.lang]
    told = (
        voice.phrase("language.parenthesis", outer=names.get(code, code), inner=voice.years(years))
        for code, years in facts["provinces"].items()
    )
    return {"provinces": voice.catalogue.listing(told)}


def _unverified_index(voice: Voice, facts: Facts) -> Facts:
    return {name: f"{facts[name]:,}" for name in ("used", "unverified")} | {"years": voice.years(facts["years"])}


def _unknown_definition(voice: Voice, facts: Facts) -> Facts:
    return _of_units(voice, facts) | {"rows": voice.count(facts["rows"], "row")}


def _of_units(voice: Voice, facts: Facts) -> Facts:
    return {"units": voice.number_units(facts["units"]), "of_units": voice.count_units(facts["of_units"])}


def _together_or_staggered(facts: Facts) -> str:
    return "staggered" if facts["staggered"] else "together"


def _switch(voice: Voice, facts: Facts) -> Facts:
    by_year = {whole(year): units for year, units in facts["years"].items()}
    years = voice.years(list(by_year))
    if facts["staggered"]:
        told = (
            voice.phrase("language.parenthesis", outer=voice.years([year]), inner=voice.count_units(units))
            for year, units in by_year.items()
        )
        years = voice.catalogue.listing(told)
    near = facts.get("treated_near")
    counts = {"near": _figure(voice, near), "treated": _figure(voice, facts.get("treated"))}
    treated = "" if near == 0 or "treated" not in facts else voice.phrase("income_definition.switch_near_start", **counts)
    return _of_units(voice, facts) | {"years": years, "treated": treated}


def _figure(voice: Voice, number: int | None) -> str:
    return voice.phrase("language.number_hidden") if number is None else f"{number:,}"


def _without_event(voice: Voice, facts: Facts) -> Facts:
    return {"units": voice.count_units(facts["units"]), "programme": voice.common["own_programme"]}


def _other_event(voice: Voice, facts: Facts) -> Facts:
    return _without_event(voice, facts) | {"date": voice.phrase(f"event.{facts['date']}")}


def _named_or_not(facts: Facts) -> str:
    return "" if facts["first"] else "unnamed"


def _outside_panel(voice: Voice, facts: Facts) -> Facts:
    return _of_units(voice, facts) | {"first": voice.catalogue.listing(facts["first"])}


def _rows(voice: Voice, facts: Facts) -> Facts:
    return {"rows": voice.count(facts["rows"], "row")}


def _without_date(voice: Voice, facts: Facts) -> Facts:
    return _rows(voice, facts) | {"of_rows": voice.count(facts["of_rows"], "row")}


def _part_of_rows(voice: Voice, facts: Facts) -> Facts:
    return {name: f"{facts[name]:,}" for name in ("rows", "of_rows")}


def _told_twice(voice: Voice, facts: Facts) -> Facts:
    return _rows(voice, facts) | {"yuan": numerals.fixed(facts["yuan"])}


def _many_or_few(facts: Facts) -> str:
    return "many" if facts["many"] else "few"


def _support_ended(voice: Voice, facts: Facts) -> Facts:
    share, limit = _share(voice, facts["share"]), numerals.whole_percent(facts["limit"])
    return {"units": voice.count_units(facts["units"]), "share": share, "limit": limit}


def _share(voice: Voice, share: float | None) -> str:
    if share is None:
        return voice.phrase("fragment.share_hidden")
    return numerals.whole_percent(share) if share == round(share, 2) else numerals.percent(100 * share)


def _one_year_or_more(facts: Facts) -> str:
    return "one" if facts["window"] == 1 else ""


def _bundle(voice: Voice, facts: Facts) -> Facts:
    names = voice.catalogue.listing(voice.members or facts["programmes"])
    return {"share": _share(voice, facts["share"]), "window": facts["window"], "programmes": names}


def flags(voice: Speaker, facts: Facts) -> Facts:
    """Return the parts that count anything: hidden cells, cells marked as not available, bounds."""
    counts = {name: facts[name] for name in ("masked", "dash", "bounds") if facts[name]}
    parts = (voice.phrase(f"fragment.{name}_{'one' if n == 1 else 'many'}", count=f"{n:,}") for name, n in counts.items())
    return {"parts": voice.phrase("language.pause").join(parts)}


# The code of a remark: what chooses between variants of its sentence, and the facts the sentence quotes.
def _plain(voice: Voice, facts: Facts) -> Facts:
    """Return the facts of an estimator's notice as its sentence quotes them; units are counted in a report, never named."""
    told: Facts = {}
    for name, fact in facts.items():
        if name == "first":
            told[name] = voice.phrase("agree.unnamed")
        elif isinstance(fact, (list, tuple)):
            told[name] = voice.catalogue.listing(f"{part:g}" if isinstance(part, float) else f"{part}" for part in fact)
        else:
            told[name] = f"{fact:,}" if isinstance(fact, int) and abs(fact) > 9999 else fact
    return told


def _stops(voice: Voice, facts: Facts) -> Facts:
    return {"units": voice.count_units(facts["units"]), "treated_units": voice.number_units(facts["treated_units"])}


def _of_estimator(voice: Voice, facts: Facts) -> Facts:
    inner = sentence(voice, Remark(code=facts["code"], facts=facts["facts"]))
    return {"estimator": voice.phrase(f"estimator.{facts['estimator']}.name"), "inner": inner}


REMARKS: dict[str, tuple[Callable[[Facts], str] | None, Callable[[Voice, Facts], Facts]]] = {
    "TREATED_AFTER_WINDOW": (None, _late),
    "MISSING_ROWS": (None, _missing),
    "UNBALANCED": (_choice, _unbalanced),
    "UNIVERSAL": (None, _universal),
    "PERIOD_GAP": (None, _periods),
    "TREATED_FROM_START": (None, _from_start),
    "SINGLE_UNIT_COMPARISON": (None, _nothing),
    "SINGLE_UNIT_COHORT": (_one_or_many, _cohorts),
    "CELLS_NOT_ESTIMATED": (None, _cells),
    "ABSORBED_COVARIATES": (None, _columns),
    "SECOND_REFERENCE": (None, _second_reference),
    "NEVER_CODES": (None, _never_codes),
    "NOMINAL": (None, _nothing),
    "FEW_CLUSTERS": (None, _few_clusters),
    "TWO_WAY_NOT_ESTIMATED": (None, _nothing),
    "TOO_FEW_COMPARISONS": (None, _too_few),
    "UNITS_LEFT_OUT": (None, _left_out),
    "PRICE_INDEX_NATIONAL": (None, _national_index),
    "PRICE_INDEX_UNVERIFIED": (None, _unverified_index),
    "INCOME_DEF_UNKNOWN": (None, _unknown_definition),
    "INCOME_DEF_SWITCH": (_together_or_staggered, _switch),
    "UNTREATED_WITHOUT_EVENT": (None, _without_event),
    "START_FROM_OTHER_EVENT": (_choice, _other_event),
    "EVENTS_OUTSIDE_PANEL": (_named_or_not, _outside_panel),
    "EVENTS_WITHOUT_DATE": (None, _without_date),
    "REGISTER_EXITS_LEFT_OUT": (None, _rows),
    "PAYMENT_TOLD_TWICE": (None, _told_twice),
    "SUPPORT_ENDED": (_many_or_few, _support_ended),
    "PLAUSIBILITY_ON_A_PART": (None, _part_of_rows),
    "BUNDLE": (_one_year_or_more, _bundle),
    "OF_ESTIMATOR": (None, _of_estimator),
    "TREATMENT_STOPS": (None, _stops),
    "START_BETWEEN_ROWS": (None, _stops),
    "INTAKE_FLAGS": (lambda facts: "parts", flags),
}
