"""Who stands in each year: names that fit their codes, no county twice, and no part of a unit without a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.intake.county_history import JOIN, WHOLE, Bools, Positions, Words, stem
from evalkit.intake.county_rows import Rows, hints
from evalkit.intake.county_units import Units
from evalkit.intake.observations import IntakeError, Problem, Question


def judged_names(rows: Rows, records: Positions, units: Units) -> list[Question]:
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
        meant = hints("UNKNOWN_COUNTY_CODE", rows, differ, units.history)
        raise IntakeError(Problem.at("COUNTY_CODE_AND_NAME_DIFFER", **facts(differ), hints=meant))
    return [Question.at("NAME_DISAGREES", **facts(asked))] if asked else []


def judged_presence(rows: Rows, records: Positions, label: Positions, listed: Words | None, units: Units) -> list[Question]:
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


def lacking(rows: Rows, records: Positions, label: Positions, listed: Words | None, units: Units) -> tuple[Bools, list[Question]]:
    """Return which rows (n,) stand in a year in which a part of their unit has no row, and the question about them."""
    lacks = np.zeros(len(records), dtype=bool)
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
        lacks[chosen] = bool(gone)
        absent |= dict.fromkeys(f"{history.code_of[i]} {history.name_of[i]} ({year})" for i in gone)
    if not lacks.any():
        return lacks, []
    shown = "; ".join([*list(absent)[:5], *(["…"] if len(absent) > 5 else [])])
    return lacks, [Question.at("INCOMPLETE_MERGER", rows.places(lacks), absent=shown, missing=len(absent))]


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
