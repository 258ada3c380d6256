"""Counties through time: every county-year is put under one unit that means the same land in every year."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from evalkit.intake.county_changes import becomes_district, changes_of
from evalkit.intake.county_history import CountyHistory, Positions
from evalkit.intake.county_presence import judged_names, judged_presence, lacking
from evalkit.intake.county_rows import refuse, resolved, rows_of
from evalkit.intake.county_rules import RULES, WEIGHTED, combined
from evalkit.intake.county_units import Units, county_units
from evalkit.intake.ledger import Step
from evalkit.intake.observations import Problem, Question

MEMBERS, DISTRICT = "county_members", "became_district"
ADDED = (MEMBERS, DISTRICT)
SHIFTS = ("combine", "keep")


@dataclass(frozen=True, eq=False)
class Harmonised:
    """A county panel in which a code means the same land in every year, and what had to be done for it.

    Attributes
    ----------
    frame : one row per unit and year, sorted
        The columns that came in, less those with the rule "drop", and two more: ``county_members`` (the codes that a unit puts
        together, "+" between them, empty for a single county) and ``became_district`` (True from the year in which a county or a
        county-level city of the unit became a district, which changes what rural income means).
    changes : frame of unit, name, kind, year, from_codes, from_names, to_codes, to_names, rows
        ``rows`` counts the rows of the file that carried one of the codes changed from. The kinds: renamed, recoded, merged,
        split_back, boundary_shift, district_from_county, code_of_later_year, code_of_earlier_year.
    questions : what to ask the owner of the file
    step : the ledger's step "counties"
    """

    frame: pd.DataFrame
    changes: pd.DataFrame
    questions: tuple[Question, ...]
    step: Step


def harmonise_counties(
    frame: pd.DataFrame,
    to_year: int,
    rule: Mapping[str, str],
    *,
    code: str = "county_code",
    period: str = "year",
    name: str | None = None,
    history: CountyHistory | None = None,
    constant: Collection[str] = (),
    boundary_shifts: Literal["combine", "keep"] = "combine",
    lines: Sequence[int] | None = None,
) -> Harmonised:
    """Return the panel with every county under one code from its first year to its last.

    A unit is the set of counties between which land moved within the years of the frame and ``to_year``: counties that merged are put
    together before the merger too, counties that split are put together after it too; nothing is ever divided. Its code is the one in
    force in ``to_year`` if there is one, else that of the county they all came from, else the smallest.

    Parameters
    ----------
    frame : one row per county and year
    to_year : year whose codes are wanted
    rule : how the values of counties that are put together combine, by column
        "sum" (totals); "mean by COLUMN" (weighted by another column); "same" (they agree, or it is a Problem); "drop" (the column
        leaves). Needed only for columns of a frame in which something is put together.
    name : column of names, to check the codes against; it is overwritten by the names of ``to_year``
    history : the changes of codes; without it the shipped sample of ten changes, which is for examples only
    constant : columns that stay the same over the years of a county, combined as "same"; one that does not is asked about
    boundary_shifts : whether land that moved between two counties that both go on puts them together
        "combine" (default) is safe: of 2,864 counties of 2000, 2,567 units remain in 2020. "keep" leaves 2,720, and accepts that the land
        of some differs between years; the shifts are then listed and nothing more.
    lines : (n,) lines of the rows in the file, for messages; otherwise counted from 2

    Raises
    ------
    IntakeError
        With every problem found: codes malformed, unknown, ambiguous or contradicted by the name; a county twice in a year; columns
        without a rule; values that should agree and do not.

    Examples
    --------
    >>> frame = pd.DataFrame({"county_code": ["622428", "621125"], "year": [2002, 2003], "income": [1100.0, 1150.0]})
    >>> harmonised = harmonise_counties(frame, 2020, {})
    >>> list(harmonised.frame["county_code"]), harmonised.changes["kind"].tolist()
    (['621125', '621125'], ['recoded'])
    """
    history = history or CountyHistory.sample()
    rules = {**dict.fromkeys(constant, "same"), **rule}
    refuse(_argument_problems(frame, rules, code, period, name, constant, boundary_shifts))
    rows = rows_of(frame, code, period, name, lines)
    listed = frame[MEMBERS].fillna("").astype(str).to_numpy(dtype=object) if MEMBERS in frame else None
    records = resolved(rows, history, to_year, listed)
    first, last = int(min(rows.year.min(), to_year)), int(max(rows.year.max(), to_year))
    units = county_units(history, first, last, to_year, boundary_shifts, records)
    questions = list(judged_names(rows, records, units))
    label = units.labels[records]
    questions += judged_presence(rows, records, label, listed, units)
    lacks, asked = lacking(rows, records, label, listed, units)
    questions += asked
    whole_frame = frame.assign(**{code: units.code[label], period: rows.year}).drop(columns=list(ADDED), errors="ignore")
    if name is not None:
        whole_frame[name] = units.name[label]
    together, more = combined(whole_frame, rules, rows, label, lacks, (code, period, name))
    questions += more
    result = _with_added(together, code, period, label, units)
    questions += _varying(result, code, [column for column in constant if column in result])
    step = Step("counties", len(frame), len(result), combined=len(frame) - len(result))
    return Harmonised(result, changes_of(rows.year, records, units, listed is not None), tuple(questions), step)


def _argument_problems(
    frame: pd.DataFrame, rules: Mapping[str, str], code: str, period: str, name: str | None, constant: Collection[str], shifts: str
) -> list[Problem]:
    """Return what is wrong with the arguments: columns that are not there, rules that are none, weights and sums of words."""
    if shifts not in SHIFTS:
        return [Problem("BOUNDARY_SHIFTS_UNKNOWN", {"value": shifts, "allowed": ", ".join(SHIFTS)})]
    problems = []
    weights = {rule.removeprefix(WEIGHTED) for rule in rules.values() if rule.startswith(WEIGHTED)}
    asked = {code, period, *([name] if name else []), *constant, *weights, *(c for c, rule in rules.items() if rule != "drop")}
    if absent := sorted(asked - set(frame.columns)):
        facts = {"columns": ", ".join(absent), "allowed": ", ".join(map(str, frame.columns))}
        problems.append(Problem("COUNTY_COLUMN_MISSING", facts))
    if odd := sorted(f"{c}: {rule}" for c, rule in rules.items() if rule not in RULES and not rule.startswith(WEIGHTED)):
        problems.append(Problem("COUNTY_RULE_UNKNOWN", {"rules": ", ".join(odd), "allowed": ", ".join(RULES)}))
    numbers = weights | {c for c, rule in rules.items() if rule == "sum" or rule.startswith(WEIGHTED)}
    if words := sorted(c for c in numbers & set(frame.columns) if not pd.api.types.is_numeric_dtype(frame[c])):
        problems.append(Problem("COUNTY_RULE_NEEDS_NUMBERS", {"columns": ", ".join(words)}))
    if not problems and not len(frame):
        problems.append(Problem("COUNTY_FRAME_EMPTY"))
    return problems


def _with_added(frame: pd.DataFrame, code: str, period: str, label: Positions, units: Units) -> pd.DataFrame:
    """Return the frame with the members of each unit, and whether a county of it has become a district by then."""
    used = np.unique(label)
    members = dict(zip(units.code[used], units.members[used], strict=True))
    links = units.links[(units.links["year"] > units.first) & becomes_district(units)]
    years = links["year"].groupby(units.labels[links["source"].to_numpy(dtype=int)]).min()
    since = dict(zip(units.code[years.index.to_numpy(dtype=int)], years, strict=True))
    became = frame[period].to_numpy() >= frame[code].map(since).fillna(np.inf).to_numpy(dtype=float)
    result = frame.copy()
    result[MEMBERS], result[DISTRICT] = frame[code].map(members).astype("str"), became
    return result


def _varying(frame: pd.DataFrame, code: str, constant: Sequence[str]) -> list[Question]:
    """Return the question about columns that should stay the same over the years of a county and do not."""
    counts = frame.groupby(code)[list(constant)].nunique() if constant else pd.DataFrame()
    told = {column: list(counts.index[counts[column] > 1]) for column in counts.columns}
    return [
        Question("CONSTANT_CHANGES", {"column": column, "units": ", ".join(units[:5])}, count=len(units))
        for column, units in told.items()
        if units
    ]
