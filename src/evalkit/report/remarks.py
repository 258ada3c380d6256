"""Coded remarks as sentences: one small function for the facts of each code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from evalkit.errors import unknown
from evalkit.findings import Remark
from evalkit.report import numbers
from evalkit.report.voice import Voice
from evalkit.words import WordsError

Facts = dict[str, Any]


def sentence(voice: Voice, remark: Remark) -> str:
    """Return the sentence of a remark; raises WordsError for a code without one."""
    if remark.code not in REMARKS:
        raise WordsError(f"{unknown('remark', remark.code, list(REMARKS))} Give it words in report/remarks.py and locale.")
    variant, prepare = REMARKS[remark.code]
    try:
        key = f"remark.{remark.code}" + (f"_{variant(remark.facts)}" if variant else "")
        facts = prepare(voice, remark.facts)
    except KeyError as missing:
        raise WordsError(f"The remark {remark.code} lacks the fact {missing}; it has {sorted(remark.facts)}.") from None
    return voice.say(key, **facts)


def _nothing(voice: Voice, facts: Facts) -> Facts:
    return {}


def _late(voice: Voice, facts: Facts) -> Facts:
    return {"units": voice.count_units(facts["units"]), "last_period": facts["last_period"]}


def _missing(voice: Voice, facts: Facts) -> Facts:
    columns = (
        voice.phrase("fragment.column_rows", name=name, rows=voice.count(rows, "row")) for name, rows in facts["columns"].items()
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
        "units": voice.catalogue.number(facts["units"], voice.common["unit"]),
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
        return voice.phrase("fragment.cell", cohort=parts[1], period=parts[2]) if parts else str(cell)

    cells = list(facts["cells"])
    return {"count": f"{len(cells):,}", "cells": voice.catalogue.listing(map(named, cells), shown=5)}


def _columns(voice: Voice, facts: Facts) -> Facts:
    return {"columns": voice.catalogue.listing(facts["columns"])}


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
    return voice.phrase("fragment.missing_code") if str(code).lower() in ("missing", "nan", "none", "") else str(code)


def _few_clusters(voice: Voice, facts: Facts) -> Facts:
    def counted(name: str) -> str:
        return f"{facts[name]:,}" if voice.lang == "en" else voice.count(facts[name], "cluster")

    sides = {name: counted(name) for name in ("treated_clusters", "comparison_clusters")}
    consequence = voice.phrase("fragment.few_ranges" if voice.ranges else "fragment.few_none")
    return {"clusters": voice.count(facts["clusters"], "cluster"), "consequence": consequence} | sides


def _too_few(voice: Voice, facts: Facts) -> Facts:
    return {
        "units": voice.count_units(facts["units"]),
        "smallest_p": numbers.p_value(facts["smallest_p"]),
        "needed": voice.count_units(facts["needed"]),
    }


def _left_out(voice: Voice, facts: Facts) -> Facts:
    units = facts["units"]
    return {"units": voice.count_units(units if isinstance(units, int) else len(units))}


# The code of a remark: what chooses between variants of its sentence, and the facts the sentence quotes.
REMARKS: dict[str, tuple[Callable[[Facts], str] | None, Callable[[Voice, Facts], Facts]]] = {
    "TREATED_AFTER_WINDOW": (None, _late),
    "MISSING_ROWS": (None, _missing),
    "UNBALANCED": (_choice, _unbalanced),
    "UNIVERSAL": (None, _universal),
    "PERIOD_GAP": (None, _periods),
    "TREATED_FROM_START": (None, _from_start),
    "SINGLE_UNIT_COHORT": (_one_or_many, _cohorts),
    "CELLS_NOT_ESTIMATED": (None, _cells),
    "ABSORBED_COVARIATES": (None, _columns),
    "SECOND_REFERENCE": (None, _second_reference),
    "NEVER_CODES": (None, _never_codes),
    "NOMINAL": (None, _nothing),
    "FEW_CLUSTERS": (None, _few_clusters),
    "TWO_WAY_NOT_ESTIMATED": (None, _nothing),
    "INCOME_DEF_2013": (None, _nothing),
    "TOO_FEW_COMPARISONS": (None, _too_few),
    "UNITS_LEFT_OUT": (None, _left_out),
}
