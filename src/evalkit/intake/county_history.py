"""The history of county codes: which code meant which county in which year, and what became of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.codes import lines_of, read_table, table
from evalkit.intake.observations import IntakeError, Place, Problem

Positions = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[Any]

REQUIRED = ("code", "name", "level", "status", "start", "end", "new")
JOIN = "+"  # between the codes and the names of counties that are put together
PROVINCE, PREFECTURE, COUNTY = "省级", "地级", "县级"
LEVELS = (COUNTY, PREFECTURE, PROVINCE)
STATUSES = ("在用", "弃用", "变更")
FOREVER = 9999  # the end of a record that is still in force
ENDINGS = re.compile("(自治县|自治旗|林区|特区|新区|县|市|区|旗)$")
WHOLE = ("continued", "merged", "split")  # the county ended, and all of it went on in its successors


@dataclass(frozen=True, eq=False)
class CountyHistory:
    """Every record of the national code lists, and the links between them.

    Attributes
    ----------
    records : frame (n,) of code, name, level, start, end
        In force from the year ``start`` to the year before ``end``; 9999 means that it still is. Sorted by code and start.
    links : frame of source, target, year, kind
        ``source`` and ``target`` are positions in ``records``. The kinds are ``continued`` (the same county under a new code or name),
        ``merged`` (all of it went into a county that has more), ``split`` (it ended in several), ``split_off`` (a part of it became a
        county of its own) and ``shifted`` (a part of it went to a county that has a past of its own).
    """

    records: pd.DataFrame
    links: pd.DataFrame

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a history from a csv file in UTF-8 with the columns code, name, level, status, start, end and new.

        ``new`` holds the successors, ``;`` between them; ``110102[2010]`` is one that got a part in 2010.

        Raises
        ------
        IntakeError
            When the file cannot be read, columns are missing, codes or years are malformed, two records of a code overlap, or a
            successor was not in force in the year of the change; all problems are told at once.
        """
        try:
            frame = read_table(Path(path))
        except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, FileNotFoundError) as reason:
            problem = Problem("HISTORY_NOT_READABLE", {"file": Path(path).name})
            raise IntakeError(problem) from reason
        return cls.from_frame(frame, lines_of(Path(path), len(frame)))

    @classmethod
    def sample(cls) -> Self:
        """Return the shipped sample: twenty records of ten changes, for examples and tests.

        >>> history = CountyHistory.sample()
        >>> history.known("622428", 2002), history.known("622428", 2003), history.name("621125", 2003)
        (True, False, '漳县')
        """
        return cls.from_frame(table("county_history_sample"))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, lines: Sequence[int] | None = None) -> Self:
        """Judge a history that is already read (all columns text) and return it; raises IntakeError as ``read`` does.

        lines (n,) are those of the rows in the file, counted from 2 without them.
        """
        missing = [name for name in REQUIRED if name not in frame.columns]
        if missing:
            problem = Problem("HISTORY_COLUMN_MISSING", {"columns": ", ".join(missing), "allowed": ", ".join(REQUIRED)})
            raise IntakeError(problem)
        if frame.empty:
            raise IntakeError(Problem("HISTORY_EMPTY"))
        text = frame[list(REQUIRED)].fillna("").astype(str).apply(lambda column: column.str.strip())
        text = text.assign(line=np.arange(len(text)) + 2 if lines is None else lines).sort_values(
            ["code", "start"], kind="stable", ignore_index=True
        )
        if problems := [*_malformed(text)]:
            raise IntakeError(problems)
        records = text.assign(start=text["start"].astype(int), end=text["end"].replace("", str(FOREVER)).astype(int))
        if problems := [*_wrong_spans(records)]:
            raise IntakeError(problems)
        parts, problems = _parts(records)
        if problems:
            raise IntakeError(problems)
        kept = records[["code", "name", "level", "start", "end"]]
        return cls(kept, _kinds(kept, parts))

    @cached_property
    def positions(self) -> Mapping[str, tuple[int, ...]]:
        """The positions of the records of every code, oldest first."""
        return {str(code): tuple(int(i) for i in index) for code, index in self.records.groupby("code").indices.items()}

    @cached_property
    def entities(self) -> Positions:
        """Labels (n,) of the records: equal where one county went on under another name or code, and nothing else happened."""
        return connected(len(self.records), self.links[self.links["kind"] == "continued"])

    @cached_property
    def code_of(self) -> Words:
        """The code (n,) of every record."""
        return self.records["code"].to_numpy(dtype=object)

    @cached_property
    def name_of(self) -> Words:
        """The name (n,) of every record."""
        return self.records["name"].to_numpy(dtype=object)

    @cached_property
    def county(self) -> Bools:
        """Whether each record (n,) is of a county."""
        return (self.records["level"] == COUNTY).to_numpy(dtype=bool)

    def in_force(self, codes: Sequence[str] | Words, years: npt.ArrayLike) -> Positions:
        """Return the position (m,) of the record of each code in each year, -1 where no record is in force."""
        starts = self.records["code"].astype(int).to_numpy() * 10_000 + self.records["start"].to_numpy()
        wanted = np.asarray(codes, dtype=np.int64) * 10_000 + np.asarray(years, dtype=np.int64)
        found = np.searchsorted(starts, wanted, side="right") - 1
        same = starts[found] // 10_000 == wanted // 10_000
        in_force = (found >= 0) & same & (self.records["end"].to_numpy()[found] > wanted % 10_000)
        return np.where(in_force, found, -1).astype(np.int64)

    @cached_property
    def reused(self) -> frozenset[str]:
        """The codes that were given to more than one county."""
        return frozenset(code for code, at in self.positions.items() if len({self.entities[i] for i in at}) > 1)

    def is_county(self, position: int, year: int) -> bool:
        """Return whether a record is a county, or in that year a prefecture without counties, which is one itself (东莞)."""
        level = self.records["level"].iloc[position]
        return bool(level == COUNTY or (level == PREFECTURE and _alone(self._spans, self.code_of[position], year)))

    @cached_property
    def _spans(self) -> Mapping[str, list[tuple[int, int]]]:
        return _county_spans(self.records)

    def known(self, code: str, year: int) -> bool:
        """Return whether a code is in force in a year."""
        return bool(code.isdecimal() and len(code) == 6 and self.in_force([code], [year])[0] >= 0)

    def name(self, code: str, year: int) -> str:
        """Return the name of a code in a year; raises IntakeError when the code is not in force in that year."""
        if not self.known(code, year):
            spans = [self.described(i) for i in self.positions.get(code, ())]
            facts = {"code": code, "year": year, "spans": ", ".join(spans) or "–"}
            raise IntakeError(Problem("COUNTY_CODE_NOT_IN_FORCE", facts))
        return str(self.records["name"].iloc[self.in_force([code], [year])[0]])

    def names(self, level: str = COUNTY) -> tuple[str, ...]:
        """Return every name that a place of a level (县级, 地级 or 省级) ever had, sorted."""
        return tuple(sorted(set(self.records.loc[self.records["level"] == level, "name"])))

    def described(self, position: int) -> str:
        """Return a record in a few characters: 622428 漳县 1985-2003."""
        code, name, _, start, end = self.records.iloc[position]
        return f"{code} {name} {start}-{'' if end == FOREVER else end}"


def connected(size: int, links: pd.DataFrame) -> Positions:
    """Return labels (size,) of what hangs together through links, each label the smallest position in its group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = (links["source"].to_numpy(), links["target"].to_numpy())
    _, labels = connected_components(coo_array((np.ones(len(links)), pairs), shape=(size, size)), directed=False)
    _, first = np.unique(labels, return_index=True)
    smallest: Positions = first[labels].astype(np.int64)
    return smallest


def stem(name: str) -> str:
    """Return a name without the word for its rank.

    >>> [stem(name) for name in ("永年县", "永年区", "漳县", "围场满族蒙古族自治县")]
    ['永年', '永年', '漳', '围场满族蒙古族']
    """
    return ENDINGS.sub("", name) or name


def _malformed(text: pd.DataFrame) -> Iterator[Problem]:
    """Yield a problem for every column that holds what it must not."""
    year = r"[12]\d{3}"
    wanted = {
        "code": (r"\d{6}", "HISTORY_CODE_MALFORMED"),
        "name": (r".+", "HISTORY_NAME_MISSING"),
        "start": (year, "HISTORY_YEAR_MALFORMED"),
        "end": (rf"({year})?", "HISTORY_YEAR_MALFORMED"),
        "level": ("|".join(LEVELS), "HISTORY_WORD_UNKNOWN"),
        "status": ("|".join(STATUSES), "HISTORY_WORD_UNKNOWN"),
        "new": (rf"(\d{{6}}(\[{year}\])?(;\d{{6}}(\[{year}\])?)*)?", "HISTORY_SUCCESSOR_MALFORMED"),
    }
    for column, (pattern, code) in wanted.items():
        bad = text[~text[column].str.fullmatch(pattern)]
        if len(bad):
            allowed = {"level": LEVELS, "status": STATUSES}.get(column, ())
            yield Problem.at(code, _places(bad, column), column=column, allowed=", ".join(allowed))


def _wrong_spans(records: pd.DataFrame) -> Iterator[Problem]:
    """Yield problems where a record ends before it starts, or two records of one code overlap."""
    backwards = records[records["end"] <= records["start"]]
    if len(backwards):
        yield Problem.at("HISTORY_ENDS_BEFORE_START", _places(backwards, "end"))
    same = records["code"] == records["code"].shift()
    overlap = records[same & (records["start"] < records["end"].shift())]
    if len(overlap):
        yield Problem.at("HISTORY_CODE_TWICE_IN_FORCE", _places(overlap, "code"))


def _places(rows: pd.DataFrame, column: str) -> list[Place]:
    pairs = zip(rows["line"], rows[column], strict=True)
    return [Place(int(line), column, str(value)) for line, value in sorted(pairs, key=lambda pair: int(pair[0]))]


def _parts(records: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Return one row for every successor (source, target, year, dated), and what is wrong with them."""
    spans: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for position, (code, start, end) in enumerate(zip(records["code"], records["start"], records["end"], strict=True)):
        spans[code].append((position, start, end))
    rows: list[dict[str, Any]] = []
    lost: list[dict[str, Any]] = []
    columns = records[["code", "level", "end", "new", "line"]]
    for position, (code, level, end, new, line) in enumerate(columns.itertuples(index=False)):
        parts = new.split(";") if new else []
        undated = 0
        for part in parts:
            dated = "[" in part
            undated += not dated
            year = int(part[7:11]) if dated else end
            target = [at for at, first, last in spans[part[:6]] if first <= year < last and at != position]
            entry = {"source": position, "year": year, "dated": dated, "code": code, "new": part, "line": line}
            if target and year != FOREVER:
                rows.append({**entry, "target": target[0]})
            else:
                lost.append(entry)
        if level == COUNTY and end != FOREVER and not undated:
            lost.append({"source": position, "year": end, "dated": False, "code": code, "new": "", "line": line})
    return pd.DataFrame(rows, columns=["source", "target", "year", "dated"]), _lost(lost)


def _lost(lost: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return problems of successors that are not there: in circles, or not in force."""
    back = {(entry["code"], entry["new"][:6], entry["year"]) for entry in lost}
    circles = [entry for entry in lost if (entry["new"][:6], entry["code"], entry["year"]) in back]
    others = [entry for entry in lost if entry not in circles]
    kinds = {"HISTORY_SUCCESSORS_IN_A_CIRCLE": circles, "HISTORY_SUCCESSOR_NOT_IN_FORCE": others}
    return [
        Problem.at(code, [Place(e["line"], "new", f"{e['code']}→{e['new']} ({e['year']})") for e in entries])
        for code, entries in kinds.items()
        if entries
    ]


def _kinds(records: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Return the links with their kinds; a province, or a prefecture that has counties, hands nothing on that could be placed."""
    source, target = (records.iloc[parts[end].to_numpy()].reset_index(drop=True) for end in ("source", "target"))
    new = (target["start"] == parts["year"]).to_numpy()
    dated = parts["dated"].to_numpy(dtype=bool)
    several = parts.assign(undated=~dated).groupby("source")["undated"].transform("sum").to_numpy() > 1
    same_stem = (source["name"].map(stem) == target["name"].map(stem)).to_numpy()
    namesake = ~dated & several & new & same_stem
    named = pd.Series(namesake).groupby(parts["source"].to_numpy()).transform("sum").to_numpy()
    # A county that ends in several, one of them new and of its own name, goes on as that one; the others got parts.
    main = np.where(named == 1, namesake, ~several) & ~dated
    partial = dated | ((named == 1) & ~main)
    mains = pd.Series(main).groupby([parts["target"].to_numpy(), parts["year"].to_numpy()]).transform("sum").to_numpy()
    kind = np.select(
        [main & new & (mains == 1), main, partial & new & (mains == 0), partial],
        ["continued", "merged", "split_off", "shifted"],
        "split",
    )
    links = parts[["source", "target", "year"]].assign(kind=kind)
    return links[_placed(records, source, links)].astype({"source": int, "target": int, "year": int}).reset_index(drop=True)


def _placed(records: pd.DataFrame, source: pd.DataFrame, links: pd.DataFrame) -> Bools:
    """Return which links start from a county, or from a prefecture that is its own only county (东莞, 三亚 before 2014)."""
    spans = _county_spans(records)
    rows = zip(source["level"], source["code"], links["year"], strict=True)
    return np.array(
        [level == COUNTY or (level == PREFECTURE and _alone(spans, code, year - 1)) for level, code, year in rows], dtype=bool
    )


def _county_spans(records: pd.DataFrame) -> Mapping[str, list[tuple[int, int]]]:
    """Return start and end of every county by the first four digits of its code: those of its prefecture."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    counties = records[records["level"] == COUNTY]
    for code, start, end in zip(counties["code"], counties["start"], counties["end"], strict=True):
        spans[code[:4]].append((int(start), int(end)))
    return spans


def _alone(spans: Mapping[str, list[tuple[int, int]]], prefecture: str, year: int) -> bool:
    return not any(start <= year < end for start, end in spans.get(prefecture[:4], ()))
