"""The rows of a county panel as the history sees them: their codes and years judged, and the record that each of them means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import nearest
from evalkit.intake.county_history import CountyHistory, Positions, Words
from evalkit.intake.headers import short_code
from evalkit.intake.observations import IntakeError, Place, Problem


@dataclass(frozen=True, eq=False)
class Rows:
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


def refuse(problems: Sequence[Problem]) -> None:
    """Raise IntakeError when there are problems."""
    if problems:
        raise IntakeError(problems)


def rows_of(frame: pd.DataFrame, code: str, period: str, name: str | None, lines: Sequence[int] | None) -> Rows:
    """Return the rows with codes of six digits and whole years; raises IntakeError for what is neither."""
    line = np.arange(len(frame), dtype=np.int64) + 2 if lines is None else np.asarray(lines, dtype=np.int64)
    text = frame[code].map(lambda value: value.strip() if isinstance(value, str) else f"{value}!").astype(str)
    text = text.map(short_code)
    year = pd.to_numeric(frame[period], errors="coerce")
    bad_code, bad_year = (~text.str.fullmatch(r"[0-9]{6}")).to_numpy(), ~year.between(1900, 2100) | (year % 1 != 0)
    codes = text.to_numpy(dtype=object)
    named = None if name is None else frame[name].fillna("").astype(str).str.replace(r"\s+", "", regex=True).to_numpy(dtype=object)
    whole = year.where(~bad_year, 0).to_numpy().astype(np.int64)
    rows = Rows(codes, whole, named, line, code, name)
    problems = []
    if bad_code.any():
        shown = [value.removesuffix("!") for value in codes[bad_code]]
        problems.append(Problem.at("COUNTY_CODE_NOT_SIX_DIGITS", rows.places(bad_code, values=shown)))
    if bad_year.any():
        wrong = list(frame.loc[bad_year.to_numpy(), period])
        problems.append(Problem.at("COUNTY_PERIOD_NOT_A_YEAR", rows.places(bad_year, period, wrong)))
    refuse(problems)
    return rows


def resolved(rows: Rows, history: CountyHistory, to_year: int, listed: Words | None) -> Positions:
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
    refuse([Problem.at(kind, rows.places(at), hints=hints(kind, rows, at, history)) for kind, at in failed.items() if at])
    return records


def _nearest_record(rows: Rows, row: int, found: int, history: CountyHistory) -> int | str:
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


def hints(kind: str, rows: Rows, at: Sequence[int], history: CountyHistory) -> str:
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
