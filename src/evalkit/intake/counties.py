"""Counties through time: every county-year is put under one unit that means the same land in every year."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import nearest
from evalkit.intake.county_history import (
    JOIN,
    WHOLE,
    Bools,
    CountyHistory,
    Positions,
    Units,
    Words,
    county_units,
    stem,
)
from evalkit.intake.ledger import Step
from evalkit.intake.observations import IntakeError, Place, Problem, Question

MEMBERS, DISTRICT = "county_members", "became_district"
ADDED = (MEMBERS, DISTRICT)
WEIGHTED = "mean by "
RULES = ("sum", f"{WEIGHTED}COLUMN", "same", "drop")
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


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a file as the history sees them: code, year, name, line (n,) and, once resolved, their records' positions."""

    code: Words
    year: Positions
    name: Words | None
    line: Positions
    column: str
    name_column: str | None

    def places(self, rows: npt.ArrayLike, column: str | None = None, values: Sequence[object] | None = None) -> list[Place]:
        """Return the places of rows (positions, or (n,) bools), with the code if no other column and values are given."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        shown = self.code[chosen] if values is None else values
        return [Place(int(line), column or self.column, str(value)) for line, value in zip(self.line[chosen], shown, strict=True)]


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
    _refuse(_argument_problems(frame, rules, code, period, name, constant, boundary_shifts))
    rows = _rows(frame, code, period, name, lines)
    listed = frame[MEMBERS].fillna("").astype(str).to_numpy(dtype=object) if MEMBERS in frame else None
    records = _resolved(rows, history, to_year, listed)
    first, last = int(min(rows.year.min(), to_year)), int(max(rows.year.max(), to_year))
    units = county_units(history, first, last, to_year, boundary_shifts, records)
    questions = list(_judged_names(rows, records, units))
    label = units.labels[records]
    questions += _judged_presence(rows, records, label, listed, units)
    lacking, asked = _lacking(rows, records, label, listed, units)
    questions += asked
    whole_frame = frame.assign(**{code: units.code[label], period: rows.year}).drop(columns=list(ADDED), errors="ignore")
    if name is not None:
        whole_frame[name] = units.name[label]
    combined, more = _combined(whole_frame, rules, rows, label, lacking, (code, period, name))
    questions += more
    result = _with_added(combined, code, period, label, units)
    questions += _varying(result, code, [column for column in constant if column in result])
    step = Step("counties", len(frame), len(result), combined=len(frame) - len(result))
    return Harmonised(result, changes_of(rows.year, records, units, listed is not None), tuple(questions), step)


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise IntakeError(problems)


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


def _rows(frame: pd.DataFrame, code: str, period: str, name: str | None, lines: Sequence[int] | None) -> _Rows:
    """Return the rows with codes of six digits and whole years; raises IntakeError for what is neither."""
    line = np.arange(len(frame), dtype=np.int64) + 2 if lines is None else np.asarray(lines, dtype=np.int64)
    text = frame[code].map(lambda value: value.strip() if isinstance(value, str) else f"{value}!").astype(str)
    text = text.str.replace(r"^(\d{6})000000$", r"\1", regex=True)
    year = pd.to_numeric(frame[period], errors="coerce")
    bad_code, bad_year = (~text.str.fullmatch(r"[0-9]{6}")).to_numpy(), ~year.between(1900, 2100) | (year % 1 != 0)
    codes = text.to_numpy(dtype=object)
    named = None if name is None else frame[name].fillna("").astype(str).str.replace(r"\s+", "", regex=True).to_numpy(dtype=object)
    whole = year.where(~bad_year, 0).to_numpy().astype(np.int64)
    rows = _Rows(codes, whole, named, line, code, name)
    problems = []
    if bad_code.any():
        shown = [value.removesuffix("!") for value in codes[bad_code]]
        problems.append(Problem.at("COUNTY_CODE_NOT_SIX_DIGITS", rows.places(bad_code, values=shown)))
    if bad_year.any():
        wrong = list(frame.loc[bad_year.to_numpy(), period])
        problems.append(Problem.at("COUNTY_PERIOD_NOT_A_YEAR", rows.places(bad_year, period, wrong)))
    _refuse(problems)
    return rows


def _resolved(rows: _Rows, history: CountyHistory, to_year: int, listed: Words | None) -> Positions:
    """Return the record (n,) of each row: found by code and year, by the name too where a code was given to two counties.

    In a frame that is harmonised already (``listed`` are its members) a code means in all years what it means in ``to_year``.
    """
    records = history.in_force(rows.code, rows.year)
    if listed is not None:
        lasting = history.in_force(rows.code, np.full(len(records), to_year))
        records = np.where(lasting >= 0, lasting, records)
    doubtful = records < 0
    if rows.name is not None:
        reused = np.isin(rows.code.astype(str), list(history.reused))
        doubtful |= reused & (history.name_of[records] != rows.name) & (rows.name != "")
    failed: defaultdict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(doubtful):
        found = _nearest_record(rows, int(row), int(records[row]), history)
        if isinstance(found, str):
            failed[found].append(int(row))
        else:
            records[row] = found
    together = np.zeros(len(records), dtype=bool) if listed is None else listed != ""
    other_level = ~together & ~history.county[records] & (records >= 0)
    failed["NOT_A_COUNTY"] += [
        int(row) for row in np.flatnonzero(other_level) if not history.is_county(records[row], rows.year[row])
    ]
    _refuse([Problem.at(kind, rows.places(at), hints=_hints(kind, rows, at, history)) for kind, at in failed.items() if at])
    return records


def _nearest_record(rows: _Rows, row: int, found: int, history: CountyHistory) -> int | str:
    """Return the position of the record meant by a row whose code is not in force or whose name differs, or the problem's code."""
    candidates = history.positions.get(rows.code[row], ())
    if not candidates:
        return "UNKNOWN_COUNTY_CODE"
    name = "" if rows.name is None else rows.name[row]
    names, entities = history.name_of, history.entities
    namesakes = [c for c in candidates if names[c] == name]
    if found >= 0:
        others = [c for c in namesakes if entities[c] != entities[found]]
        candidates = tuple(others) or (found,)
    elif namesakes:
        candidates = tuple(namesakes)
    elif len({entities[c] for c in candidates}) > 1 and len({names[c] for c in candidates}) > 1:
        return "COUNTY_CODE_AMBIGUOUS"
    year = int(rows.year[row])
    start, end = history.records["start"].to_numpy(), history.records["end"].to_numpy()
    return min(candidates, key=lambda c: (max(start[c] - year, year - end[c] + 1, 0), -c))


def _hints(kind: str, rows: _Rows, at: Sequence[int], history: CountyHistory) -> str:
    """Return what the reader may have meant: the counties of the same name, the spans of the code, or codes that look alike."""
    said = []
    for row in list(dict.fromkeys(at))[:5]:
        code = rows.code[row]
        name = "" if rows.name is None else rows.name[row]
        near = np.flatnonzero(history.name_of == name) if name else np.array([], dtype=int)
        if kind != "UNKNOWN_COUNTY_CODE":
            near = np.array(history.positions[code])
        elif not len(near):
            near = np.array([history.positions[c][-1] for c in nearest(code, list(history.positions))], dtype=int)
        said.append(f"{code} → {' / '.join(history.described(int(i)) for i in near[:3]) or '–'}")
    return "; ".join(dict.fromkeys(said))


def _judged_names(rows: _Rows, records: Positions, units: Units) -> list[Question]:
    """Return a question where a name is not that of the record; raises IntakeError where it belongs to another county."""
    if (given := rows.name) is None:
        return []
    names, unit = units.history.name_of, units.labels
    odd = np.flatnonzero((given != "") & (given != names[records]) & (given != units.name[unit[records]]))
    known, elsewhere = set(names), {}
    for record, name in {(int(records[row]), given[row]) for row in odd}:
        own = {stem(own) for own in names[unit == unit[record]]}
        elsewhere[record, name] = stem(name) not in own and name in known
    differ = [int(row) for row in odd if elsewhere[int(records[row]), given[row]]]
    asked = [int(row) for row in odd if not elsewhere[int(records[row]), given[row]]]

    def facts(at: list[int]) -> dict[str, Any]:
        pairs = dict.fromkeys(f"{rows.code[row]} {names[records[row]]} ≠ {given[row]}" for row in at)
        return {"places": rows.places(at, rows.name_column, list(given[at])), "pairs": "; ".join(list(pairs)[:5])}

    if differ:
        hints = _hints("UNKNOWN_COUNTY_CODE", rows, differ, units.history)
        raise IntakeError(Problem.at("COUNTY_CODE_AND_NAME_DIFFER", **facts(differ), hints=hints))
    return [Question.at("NAME_DISAGREES", **facts(asked))] if asked else []


def _judged_presence(rows: _Rows, records: Positions, label: Positions, listed: Words | None, units: Units) -> list[Question]:
    """Return a question where an old code goes on beside its successor; raises IntakeError where a county stands twice in a year."""
    keys = pd.DataFrame({"unit": label, "year": rows.year, "record": records})
    twice = keys.duplicated(keep=False).to_numpy()
    if twice.any():
        raise IntakeError(Problem.at("COUNTY_TWICE_IN_A_YEAR", rows.places(twice)))
    together = np.flatnonzero(keys.duplicated(["unit", "year"], keep=False).to_numpy())
    ends, starts = (units.history.records[column].to_numpy() for column in ("end", "start"))
    after = _descendants(units.links)
    double: set[int] = set()
    still: set[int] = set()
    for _, group in keys.iloc[together].groupby(["unit", "year"]):
        for row in group.index:
            for other in group.index:
                inside = row != other and listed is not None and rows.code[other] in listed[row].split(JOIN)
                became = records[other] in after[records[row]]
                if inside or (became and starts[records[other]] >= ends[records[row]]):
                    double |= {row, other}
                elif became and ends[records[row]] <= rows.year[row]:
                    still.add(row)
    if double:
        raise IntakeError(Problem.at("COUNTY_DOUBLE_COUNTED", rows.places(sorted(double))))
    return [Question.at("OLD_CODE_STILL_LISTED", rows.places(sorted(still)))] if still else []


def _descendants(links: pd.DataFrame) -> Mapping[int, set[int]]:
    """Return for every record all records that it went on in as a whole, near and far."""
    whole = links[links["kind"].isin(WHOLE)].sort_values("year", ascending=False)
    after: defaultdict[int, set[int]] = defaultdict(set)
    for source, target in zip(whole["source"], whole["target"], strict=True):
        after[source] |= {target} | after[target]
    return after


def _lacking(rows: _Rows, records: Positions, label: Positions, listed: Words | None, units: Units) -> tuple[Bools, list[Question]]:
    """Return which rows (n,) stand in a year in which a part of their unit has no row, and the question about them."""
    lacking = np.zeros(len(records), dtype=bool)
    tree, history = _Tree.of(units), units.history
    inside = {unit: np.flatnonzero(units.labels == unit) for unit in np.unique(label[units.members[label] != ""])}
    together: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row in np.flatnonzero(units.members[label] != ""):
        together[int(label[row]), int(rows.year[row])].append(int(row))
    absent: dict[str, None] = {}
    for (unit, year), chosen in together.items():
        codes = set() if listed is None else {code for row in chosen for code in listed[row].split(JOIN)}
        present = {int(record) for record in records[chosen]} | {int(i) for i in inside[unit] if history.code_of[i] in codes}
        gone = [int(i) for i in tree.expected(inside[unit], year) if not tree.covered(int(i), year, present)]
        lacking[chosen] = bool(gone)
        absent |= dict.fromkeys(f"{history.code_of[i]} {history.name_of[i]} ({year})" for i in gone)
    if not lacking.any():
        return lacking, []
    shown = "; ".join([*list(absent)[:5], *(["…"] if len(absent) > 5 else [])])
    return lacking, [Question.at("INCOMPLETE_MERGER", rows.places(lacking), absent=shown, missing=len(absent))]


@dataclass(frozen=True, eq=False)
class _Tree:
    """The changes of the units as lists by record: (other record, year, kind) later and before."""

    later: Mapping[int, list[tuple[int, int, str]]]
    before: Mapping[int, list[tuple[int, int, str]]]
    start: Positions
    end: Positions
    county: Bools

    @classmethod
    def of(cls, units: Units) -> _Tree:
        later: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
        before: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
        lasting = units.links[units.links["kind"] != "shifted"]
        for source, target, year, kind in lasting.itertuples(index=False):
            later[source].append((target, year, kind))
            before[target].append((source, year, kind))
        records = units.history.records
        return cls(later, before, records["start"].to_numpy(), records["end"].to_numpy(), units.history.county)

    def expected(self, group: Positions, year: int) -> Positions:
        """Return the counties of a unit in force in a year."""
        return group[self.county[group] & (self.start[group] <= year) & (self.end[group] > year)]

    def covered(self, record: int, year: int, present: set[int]) -> bool:
        """Return whether a county has a row of its own, or all that it became has, or all that it came from.

        Only a county that is not in force in that year stands for others: one that is in force stands for itself.
        """
        if record in present:
            return True
        later = {other for other in present if self.start[other] > year}
        earlier = {other for other in present if self.end[other] <= year}
        return self._by_later(record, year, later) or self._by_earlier(record, year, earlier)

    def _by_later(self, record: int, year: int, present: set[int]) -> bool:
        if record in present:
            return True
        parts = [link for link in self.later.get(record, ()) if link[1] > year]
        ended = any(kind in WHOLE for _, _, kind in parts)
        return ended and all(self._by_later(target, when, present) for target, when, _ in parts)

    def _by_earlier(self, record: int, year: int, present: set[int]) -> bool:
        if record in present:
            return True
        sources = [link for link in self.before.get(record, ()) if link[1] <= year]
        born = any(when == self.start[record] for _, when, _ in sources)
        whole = all(kind in WHOLE for _, _, kind in sources)
        return born and whole and all(self._by_earlier(source, when - 1, present) for source, when, _ in sources)


def _combined(
    frame: pd.DataFrame, rules: Mapping[str, str], rows: _Rows, label: Positions, lacking: Bools, keys: tuple[str, str, str | None]
) -> tuple[pd.DataFrame, list[Question]]:
    """Return one row per unit and year, and what is missing in it; raises IntakeError for columns that cannot be combined."""
    touched = pd.DataFrame({"unit": label, "year": rows.year}).duplicated(keep=False).to_numpy() | lacking
    kept = [column for column in frame.columns if rules.get(column) != "drop"]
    order = [keys[0], keys[1]]
    if not touched.any():
        return frame[kept].sort_values(order, ignore_index=True), []
    values = [column for column in kept if column not in keys]
    if bare := [str(column) for column in values if column not in rules]:
        facts = {"columns": ", ".join(bare), "allowed": ", ".join(RULES)}
        raise IntakeError(Problem.at("COLUMN_WITHOUT_RULE", rows.places(touched), **facts))
    part = frame.loc[touched, kept]
    groups = part.groupby(order, sort=False, dropna=False)
    size = groups.size()
    result = pd.DataFrame(index=size.index)
    if keys[2] is not None:
        result[keys[2]] = groups[keys[2]].first()
    holes: dict[str, Bools] = {}
    _refuse(_cannot_combine(part, rules, values, rows, touched, order))
    for column in values:
        result[column], holes[column] = _one_column(part, groups, column, rules[column])
    group_lacks = pd.Series(lacking[touched], index=part.index).groupby([part[c] for c in order], sort=False).any().to_numpy()
    for column in values:
        if rules[column] != "same" and group_lacks.any():
            result[column] = result[column].mask(group_lacks)
    questions = _missing_in_combination(holes, group_lacks, part, order, size, rows.line[touched])
    result = pd.concat([frame.loc[~touched, kept], result.reset_index()[kept]], ignore_index=True)
    return result.sort_values(order, ignore_index=True), questions


def _one_column(part: pd.DataFrame, groups: Any, column: str, rule: str) -> tuple[pd.Series, Bools]:
    """Return the values of one column by unit and year, missing where any member's is, and where that happened (g,)."""
    size = groups.size()
    if rule == "same":
        present = groups[column].count()
        return groups[column].first().mask(present < size), ((present < size) & (present > 0)).to_numpy()
    if rule == "sum":
        present, value = groups[column].count(), groups[column].sum()
        hole = present < size
        return (value.mask(hole) if hole.any() else value), (hole & (present > 0)).to_numpy()
    weight = part[rule.removeprefix(WEIGHTED)]
    by = [part[name] for name in size.index.names]
    both = part[column].notna() & weight.notna()
    total = weight.where(both).groupby(by, sort=False).sum()
    mean = (part[column] * weight).groupby(by, sort=False).sum() / total.where(total != 0)
    hole = (both.groupby(by, sort=False).sum() < size) | (total == 0)
    return mean.mask(hole), (hole & (groups[column].count() > 0)).to_numpy()


def _cannot_combine(
    part: pd.DataFrame, rules: Mapping[str, str], values: Sequence[str], rows: _Rows, touched: Bools, order: list[str]
) -> list[Problem]:
    """Return problems of values that should agree in a unit and year and do not, and of weights below zero."""
    problems, line = [], rows.line[touched]
    for column in (c for c in values if rules[c] == "same"):
        differs = part.groupby(order)[column].transform("nunique").to_numpy() > 1
        if differs.any():
            places = [Place(int(at), column, str(v)) for at, v in zip(line[differs], part.loc[differs, column], strict=True)]
            problems.append(Problem.at("COUNTY_VALUES_DISAGREE", places, column=column))
    for weight in sorted({rules[c].removeprefix(WEIGHTED) for c in values if rules[c].startswith(WEIGHTED)}):
        if (below := (part[weight] < 0).to_numpy()).any():
            places = [Place(int(at), weight, str(v)) for at, v in zip(line[below], part.loc[below, weight], strict=True)]
            problems.append(Problem.at("COUNTY_WEIGHT_BELOW_ZERO", places, column=weight))
    return problems


def _missing_in_combination(
    holes: Mapping[str, Bools], lacks: Bools, part: pd.DataFrame, order: list[str], size: pd.Series, line: Positions
) -> list[Question]:
    """Return the question about values that are missing because a member's value or weight is; incomplete units are asked about elsewhere."""
    columns = [column for column, hole in holes.items() if (hole & ~lacks).any()]
    if not columns:
        return []
    position = pd.Series(np.arange(len(size)), index=size.index)
    group = position.loc[pd.MultiIndex.from_frame(part[order])].to_numpy()
    places = []
    for column in columns:
        first_rows = pd.Series(line).groupby(group).min()
        places += [Place(int(first_rows[g]), column) for g in np.flatnonzero(holes[column] & ~lacks)]
    return [Question.at("VALUE_MISSING_IN_COMBINATION", places, columns=", ".join(columns))]


def _with_added(frame: pd.DataFrame, code: str, period: str, label: Positions, units: Units) -> pd.DataFrame:
    """Return the frame with the members of each unit, and whether a county of it has become a district by then."""
    used = np.unique(label)
    members = dict(zip(units.code[used], units.members[used], strict=True))
    links = units.links[(units.links["year"] > units.first) & _becomes_district(units)]
    years = links["year"].groupby(units.labels[links["source"].to_numpy(dtype=int)]).min()
    since = dict(zip(units.code[years.index.to_numpy(dtype=int)], years, strict=True))
    became = frame[period].to_numpy() >= frame[code].map(since).fillna(np.inf).to_numpy(dtype=float)
    result = frame.copy()
    result[MEMBERS], result[DISTRICT] = frame[code].map(members).astype("str"), became
    return result


def _becomes_district(units: Units) -> Bools:
    """Return which links (m,) make a county, a banner or a county-level city a district (撤县设区)."""
    name = units.history.records["name"]
    before, after = (name.iloc[units.links[end].to_numpy(dtype=int)].reset_index(drop=True) for end in ("source", "target"))
    rank = before.str.contains("[县市旗]$") & after.str.endswith("区") & ~after.str.contains("[林特]区$")
    becomes: Bools = (rank & units.links["kind"].isin(WHOLE)).to_numpy()
    return becomes


def _varying(frame: pd.DataFrame, code: str, constant: Sequence[str]) -> list[Question]:
    """Return the question about columns that should stay the same over the years of a county and do not."""
    counts = frame.groupby(code)[list(constant)].nunique() if constant else pd.DataFrame()
    told = {column: list(counts.index[counts[column] > 1]) for column in counts.columns}
    return [
        Question("CONSTANT_CHANGES", {"column": column, "units": ", ".join(units[:5])}, count=len(units))
        for column, units in told.items()
        if units
    ]


def changes_of(years: Positions, records: Positions, units: Units, harmonised: bool = False) -> pd.DataFrame:
    """Return the changes that concern the rows of a file, as ``Harmonised.changes`` says them, sorted by unit and year.

    Codes used out of their time are told unless the file was ``harmonised`` before: then they are meant so.
    """
    labels = units.labels
    count = np.bincount(records, minlength=len(labels))
    concerned = set(labels[records])
    entries: defaultdict[tuple[int, str, int, int], tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    links = units.links.assign(district=_becomes_district(units))
    links = pd.concat([links[links["kind"] != "shifted"], units.shifts.assign(district=False)], ignore_index=True)
    for source, target, year, kind, district in links.itertuples(index=False):
        for said in _kinds_said(units.history, source, target, kind, district):
            unit = labels[source] if labels[source] in concerned else labels[target]
            anchor = target if said in ("merged", "district_from_county") else source
            entry = entries[int(unit), said, int(year), int(anchor)]
            entry[0].add(int(source))
            entry[1].add(int(target))
    found = [
        {
            "unit": units.code[unit],
            "name": units.name[unit],
            "kind": kind,
            "year": year,
            **_ends(units.history, *ends),
            "rows": count[[*ends[0]]].sum(),
        }
        for (unit, kind, year, _), ends in entries.items()
        if unit in concerned
    ]
    found += [] if harmonised else _out_of_time(years, records, units)
    columns = ["unit", "name", "kind", "year", "from_codes", "from_names", "to_codes", "to_names", "rows"]
    return pd.DataFrame(found, columns=columns).sort_values(["unit", "year", "kind", "from_codes"], ignore_index=True)


def _kinds_said(history: CountyHistory, source: int, target: int, kind: str, district: bool) -> list[str]:
    """Return what a link is called in the changes; nothing where only the prefecture above a county changed."""
    said = {"merged": "merged", "split": "split_back", "split_off": "split_back", "shifted": "boundary_shift"}.get(kind)
    if kind == "continued" and history.code_of[source] != history.code_of[target]:
        said = "recoded"
    elif kind == "continued" and history.name_of[source] != history.name_of[target]:
        said = "renamed"
    return [*([said] if said else []), *(["district_from_county"] if district else [])]


def _ends(history: CountyHistory, before: Collection[int], after: Collection[int]) -> dict[str, str]:
    """Return the codes and names on both ends of a change, "+" between several."""
    ends = {"from": sorted(before), "to": sorted(after)}
    words = {"codes": history.code_of, "names": history.name_of}
    return {f"{end}_{what}": JOIN.join(said[at]) for end, at in ends.items() for what, said in words.items()}


def _out_of_time(years: Positions, records: Positions, units: Units) -> list[dict[str, Any]]:
    """Return a change for every code that the file uses in years in which it was not in force."""
    table = units.history.records
    later, earlier = table["start"].to_numpy()[records] > years, table["end"].to_numpy()[records] <= years
    found = []
    for kind, odd in (("code_of_later_year", later), ("code_of_earlier_year", earlier)):
        for record in np.unique(records[odd]):
            used = years[odd & (records == record)]
            unit = units.labels[record]
            code, name = units.history.code_of[record], units.history.name_of[record]
            ends = {"from_codes": code, "from_names": name, "to_codes": units.code[unit], "to_names": units.name[unit]}
            found.append(
                {"unit": units.code[unit], "name": units.name[unit], "kind": kind, "year": used.min(), **ends, "rows": len(used)}
            )
    return found
