"""Income definition: which figures are net and which are disposable income, and when each unit changed over."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.intake.dated_tables import problem_at, require, years_of
from evalkit.intake.observations import IntakeError, Problem, Question
from evalkit.notices import Notice
from evalkit.panel import Array

NET, DISPOSABLE, UNKNOWN = "net", "disposable", "unknown"
ALLOWED = "net / 纯收入, disposable / 可支配收入, unknown / 口径不详"


@dataclass(frozen=True, eq=False)
class IncomeDefinition:
    """Which definition of income every row has, and what that means for every unit.

    Attributes
    ----------
    definition : (n,) "net" | "disposable" | "unknown", in the order of the rows
    units : (u,) labels of the units, sorted
    switch_year : (u,) first year with disposable income after a year with net income; NaN for a unit that does not change
        over within the data. Years that are missing or not known lie before it: the change is no later than this year.
    switches_back : (u,) whether net income comes after disposable income
    mixed : (u,) whether both definitions stand in one year
    unknown_rows : (u,) rows whose definition is not known
    crosses : whether the years reach over the switch of the national series
    given : "column" | "declared" | "assumed" (not said, and the years lie on one side of the switch)
    """

    definition: Array = field(repr=False)
    units: Array = field(repr=False)
    switch_year: Array = field(repr=False)
    switches_back: Array = field(repr=False)
    mixed: Array = field(repr=False)
    unknown_rows: Array = field(repr=False)
    crosses: bool
    given: Literal["column", "declared", "assumed"]
    questions: tuple[Question, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def units_by_switch_year(self) -> dict[int, int]:
        """How many units change over in each year."""
        years, counts = np.unique(self.switch_year[~np.isnan(self.switch_year)], return_counts=True)
        return {int(year): int(count) for year, count in zip(years, counts, strict=True)}

    @property
    def staggered(self) -> bool:
        """Whether units change over in different years."""
        return len(self.units_by_switch_year) > 1


def switch_of_series() -> int:
    """Return the first year of the national series of disposable income, from the table of definitions.

    >>> switch_of_series()
    2013
    """
    return int(table("income_definitions").set_index("definition")["first_year"][DISPOSABLE])


def judge_income_definition(
    frame: pd.DataFrame,
    unit: str,
    period: str,
    *,
    column: str | None = None,
    declared: str | None = None,
    lines: Array | None = None,
) -> IncomeDefinition:
    """Return which definition of income every row has, or refuse when it matters and nobody says.

    It matters when the years cross the switch: at least one before the first year of the series of disposable income
    (2013 in the table) and at least one in or after it. A panel wholly before that year is net income, there was no
    other. A panel wholly from that year on is taken to be disposable income, with a question: for 2013 itself both series
    were published, and many counties changed over only later.

    Parameters
    ----------
    unit, period : columns with the unit and with the year
    column : column that says net | disposable | unknown, or 纯收入 | 可支配收入 | 口径不详; an empty cell is read as unknown and asked about
    declared : one of these words, for all rows
    lines : (n,) lines of the rows in the file, for messages

    Raises
    ------
    IntakeError
        When nothing says the definition of a panel that crosses the switch, when it is said twice, and for other words.

    Examples
    --------
    >>> frame = pd.DataFrame({"county": ["a"] * 3, "year": [2012, 2013, 2014], "def": ["纯收入", "纯收入", "可支配 收入"]})
    >>> judge_income_definition(frame, "county", "year", column="def").units_by_switch_year
    {2014: 1}
    """
    years = years_of(frame, period, lines)
    codes, units = pd.factorize(frame[require(frame, unit)], sort=True, use_na_sentinel=False)
    switch = switch_of_series()
    crosses = bool(len(years) and years.min() < switch <= years.max())
    if column is not None and declared is not None:
        raise IntakeError(Problem("INCOME_DEFINITION_TWICE", {"column": column, "declared": declared}))
    questions: list[Question] = []
    given: Literal["column", "declared", "assumed"] = "column"
    if column is not None:
        definition, questions = _from_column(frame, column, lines)
    elif declared is not None:
        given, definition = "declared", np.full(len(frame), _declared(declared), dtype=object)
    elif crosses:
        facts = {"first": int(years.min()), "last": int(years.max()), "switch": switch}
        raise IntakeError(Problem("INCOME_DEFINITION_NEEDED", facts))
    else:
        given = "assumed"
        after = len(years) > 0 and years.min() >= switch
        definition = np.full(len(frame), DISPOSABLE if after else NET, dtype=object)
        questions = [Question("INCOME_DEFINITION_ASSUMED", {"switch": switch})] if after else []
    told = _by_unit(definition, codes, years, len(units))
    early = (definition == DISPOSABLE) & (years < switch)
    questions += _questions(told, early, switch, frame[period], lines)
    judged = IncomeDefinition(
        definition,
        np.asarray(units),
        told["switch_year"],
        told["switches_back"],
        told["mixed"],
        told["unknown_rows"],
        crosses,
        given,
        tuple(questions),
    )
    return replace(judged, notices=tuple(notice for notice in (unknown_notice(judged), switch_notice(judged)) if notice))


def switch_and_treatment(definition: IncomeDefinition, first_treated: Array | pd.Series, within: float = 1) -> float | None:
    """Return the share of treated units whose change of definition lies within a year of their start.

    Parameters
    ----------
    first_treated : (u,) first treated years in the order of ``definition.units``, or a Series with the units as its index;
        NaN and inf mean never treated
    within : years on either side

    Returns
    -------
    share of the treated units, None when no unit is treated

    Raises
    ------
    ValueError
        When units are missing, or the array is of another length: the caller's mistake, not the file's.
    """
    start = _starts(definition, first_treated)
    treated = np.isfinite(start)
    if not treated.any():
        return None
    return float(_near(definition, start, within).sum() / treated.sum())


def switch_notice(definition: IncomeDefinition, first_treated: Array | pd.Series | None = None) -> Notice | None:
    """Return the remark on the change of definition, None where no unit changes over.

    Facts: years (year -> units), units, of_units, staggered, units_back; with ``first_treated`` also treated and
    treated_near, the treated units whose change lies within one year of their start.
    """
    by_year = definition.units_by_switch_year
    if not by_year:
        return None
    facts: dict[str, object] = {
        "years": by_year,
        "units": sum(by_year.values()),
        "of_units": len(definition.units),
        "staggered": definition.staggered,
        "units_back": int(definition.switches_back.sum()),
    }
    if first_treated is not None:
        start = _starts(definition, first_treated)
        facts |= {"treated": int(np.isfinite(start).sum()), "treated_near": int(_near(definition, start, 1).sum())}
    return Notice("INCOME_DEF_SWITCH", facts)


def unknown_notice(definition: IncomeDefinition) -> Notice | None:
    """Return the remark on rows whose definition is not known, None where all are; facts: rows, of_rows, units, of_units, crosses."""
    rows = int(definition.unknown_rows.sum())
    if not rows:
        return None
    facts = {
        "rows": rows,
        "of_rows": len(definition.definition),
        "units": int((definition.unknown_rows > 0).sum()),
        "of_units": len(definition.units),
        "crosses": definition.crosses,
    }
    return Notice("INCOME_DEF_UNKNOWN", facts)


def plain(text: object) -> str:
    """Return a word as it is compared: full width made half, no spaces, small letters.

    >>> plain("可支配　收入"), plain(" Net ")
    ('可支配收入', 'net')
    """
    return "".join(unicodedata.normalize("NFKC", str(text)).split()).casefold()


@cache
def _words() -> Mapping[str, str]:
    """Return each accepted word and the definition it means."""
    meaning = {}
    for row in table("income_definitions").to_dict("records"):
        for word in (row["definition"], row["zh"], row["en"], *row["synonyms"].split("|")):
            meaning[plain(word)] = str(row["definition"])
    return meaning


def definition_meant(word: str) -> str | None:
    """Return the definition that a word means, None when it is no word for one.

    >>> definition_meant("可支配收入"), definition_meant("net"), definition_meant("income_def")
    ('disposable', 'net', None)
    """
    return _words().get(plain(word))


def _declared(word: str) -> str:
    if (meant := definition_meant(word)) is None:
        raise IntakeError(Problem("INCOME_DEFINITION_DECLARED", {"declared": word, "allowed": ALLOWED}))
    return meant


def _from_column(frame: pd.DataFrame, column: str, lines: Array | None) -> tuple[Array, list[Question]]:
    """Return (n,) definitions, and a question about the empty cells."""
    written = frame[require(frame, column)]
    codes, distinct = pd.factorize(written, use_na_sentinel=True)
    # The last entry is for the missing: factorize gives them -1.
    words = [plain(word) for word in distinct] + [""]
    meaning = np.array([UNKNOWN if not word else _words().get(word, "") for word in words], dtype=object)
    definition = meaning[codes]
    if (bad := definition == "").any():
        raise IntakeError(problem_at("INCOME_DEFINITION_VALUE", bad, column, written, lines, allowed=ALLOWED))
    blank = np.array([not word for word in words], dtype=bool)[codes]
    return definition, [_asked("INCOME_DEFINITION_BLANK", blank, column, written, lines)] if blank.any() else []


def _asked(code: str, rows: Array, column: str, values: pd.Series, lines: Array | None, **facts: object) -> Question:
    found = problem_at(code, rows, column, values, lines, **facts)
    return Question(found.code, found.facts, found.places, found.count)


def _by_unit(definition: Array, codes: Array, years: Array, count: int) -> dict[str, Array]:
    """Return the (u,) arrays of IncomeDefinition from (n,) definitions, unit codes and years."""
    net, disposable = definition == NET, definition == DISPOSABLE
    first_net, last_net = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first_net, codes[net], years[net])
    np.maximum.at(last_net, codes[net], years[net])
    first_disposable = np.full(count, np.inf)
    np.minimum.at(first_disposable, codes[disposable], years[disposable])
    switch = np.full(count, np.inf)
    after = disposable & (years > first_net[codes])
    np.minimum.at(switch, codes[after], years[after])
    kinds = pd.DataFrame({"unit": codes, "year": years, "disposable": disposable})[net | disposable].drop_duplicates()
    twice = kinds.loc[kinds.duplicated(["unit", "year"]), "unit"].to_numpy()
    mixed = np.zeros(count, dtype=bool)
    mixed[twice] = True
    return {
        "switch_year": np.where(np.isinf(switch), np.nan, switch),
        "switches_back": last_net > first_disposable,
        "mixed": mixed,
        "unknown_rows": np.bincount(codes[definition == UNKNOWN], minlength=count),
    }


def _questions(told: dict[str, Array], early: Array, switch: int, years: pd.Series, lines: Array | None) -> list[Question]:
    found = []
    if early.any():
        found.append(_asked("INCOME_DEFINITION_EARLY", early, str(years.name), years, lines, switch=switch))
    for code, name in (("INCOME_DEFINITION_BACK", "switches_back"), ("INCOME_DEFINITION_MIXED", "mixed")):
        if units := int(told[name].sum()):
            found.append(Question(code, {"units": units}, count=units))
    return found


def _starts(definition: IncomeDefinition, first_treated: Array | pd.Series) -> Array:
    """Return (u,) first treated years in the order of the units; never treated is NaN or inf."""
    if isinstance(first_treated, pd.Series):
        if len(absent := [unit for unit in definition.units if unit not in first_treated.index]):
            raise ValueError(f"first_treated has no value for {len(absent)} units, such as {absent[0]!r}")
        first_treated = first_treated.loc[definition.units].to_numpy(dtype=float, na_value=np.nan)
    if len(first_treated) != len(definition.units):
        raise ValueError(f"first_treated has {len(first_treated)} values for {len(definition.units)} units")
    return np.asarray(first_treated, dtype=float)


def _near(definition: IncomeDefinition, start: Array, within: float) -> Array:
    """Return (u,) whether a treated unit's change of definition lies within some years of its start."""
    gap = np.abs(np.where(np.isfinite(start), start, np.nan) - definition.switch_year)
    return np.asarray(gap <= within)
