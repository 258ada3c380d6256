"""The ledger of problems: a file read and judged, and counted into shares with their intervals. Nobody's name leaves this module."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from evalkit.errors import ReportError, first_five, nearest
from evalkit.firm_records import NotTold
from evalkit.intake.personal_patterns import safe
from evalkit.proportion import wilson
from evalkit.supervision.brief_records import FieldName, FieldRow, Fieldwork, Gates, Prevalence, Share, State

NEEDED = ("problem_id", "found_date", "site_id", "field", "kind", "evidence_id", "verified_by", "state")
OPTIONAL = ("root_level", "text", "responsible", "due", "state_date", "wave2_state")
FIELDS: dict[str, FieldName] = {
    "健康": "health", "教育": "education", "产业": "industry", "居住": "housing", "居住条件": "housing", "资金": "funds", "资金统筹": "funds",
    "其他": "other",
}  # fmt: skip
STATES: dict[str, State] = {"已整改": "rectified", "整改中": "in_progress", "未整改": "open"}
SECOND = {
    "已整改(复查属实)": "confirmed", "已整改(复查不实)": "not_confirmed", "整改中": "in_progress", "未整改": "open", "新发现": "new", "": "",
}  # fmt: skip
LEVELS = {
    "户": "household",
    "村": "village",
    "乡": "township",
    "县": "county",
    "市": "prefecture",
    "省": "province",
    "国家": "country",
}
LEAST_SITES = 3  # one or two sites are single cases, whatever their share
LEAST_SHARE = 0.10  # of all sites, at the lower end of the interval: chance alone does not bring a rare kind above it
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]00:00:00)?")


def read_ledger(path: str | Path, sites: int | None = None) -> Fieldwork:
    """Read a ledger of problems and return its counts.

    Parameters
    ----------
    path : a csv (UTF-8 or GB18030) or xlsx file, one row per problem
        Columns problem_id, found_date, site_id, field, kind, evidence_id, verified_by and state; root_level, text, responsible, due,
        state_date and wave2_state where there are. ``state`` is what those responsible report, ``wave2_state`` what the second visit saw.
    sites : int, optional
        How many sites were visited, those without a problem among them: a ledger does not name these, and without them the share of
        sites with a problem would be too high.

    Raises
    ------
    ReportError
        For a file that is no ledger, and for cells that are missing, repeated or unknown: it names the first five rows, as a
        spreadsheet counts them, and what is allowed.

    Notes
    -----
    A problem counts as widespread when its kind was found in at least three sites and the lower end of the 95% Wilson interval of the
    share of sites is 10 per cent or more. One newly found on the second visit is counted apart from what was to be rectified.
    """
    path = Path(path)
    content = _content(path)
    table = _judged(_table(path, content), path.name)
    return _counted(table, sites, path.name, hashlib.sha256(content).hexdigest())


def share_of(count: int, of: int) -> Share | NotTold:
    """Return a share with its 95% Wilson interval (Wilson 1927), or that there is nothing to take a share of.

    >>> part = share_of(9, 28)
    >>> f"{part.share:.0%}, {part.low:.0%} to {part.high:.0%}"
    '32%, 18% to 51%'
    >>> share_of(0, 0).reason
    'none'
    """
    low, high = wilson(count, of)
    if low is None or high is None:
        return NotTold(reason="none")
    return Share(count=count, of=of, share=count / of, low=low, high=high)


def is_widespread(seen: Share) -> bool:
    """Return whether so many of the sites visited make a kind of problem widespread.

    >>> is_widespread(share_of(9, 28)), is_widespread(share_of(3, 28)), is_widespread(share_of(2, 2))
    (True, False, False)
    """
    return seen.count >= LEAST_SITES and seen.low >= LEAST_SHARE


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ReportError(f"There is no ledger {path.name}. Give the csv or xlsx file with the ledger of problems, or none at all.")
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise ReportError(f"The ledger {path.name} is neither csv nor xlsx. Save it as one of these.")
    return path.read_bytes()


def _table(path: Path, content: bytes) -> pd.DataFrame:
    """Return the table of a file, all of it text, with the rows as a spreadsheet counts them."""
    try:
        if path.suffix.lower() == ".xlsx":
            table = pd.read_excel(BytesIO(content), dtype=str, keep_default_na=False, engine="openpyxl")
        else:
            table = pd.read_csv(
                BytesIO(_utf8(content)), encoding="utf-8-sig", skip_blank_lines=False, dtype=str, keep_default_na=False
            )
    except (ValueError, KeyError, OSError, BadZipFile) as problem:
        raise ReportError(
            f"The ledger {path.name} cannot be read as a table: {str(problem).splitlines()[0]}. Save it again."
        ) from problem
    table.columns = [str(name).strip() for name in table.columns]
    table.index = pd.RangeIndex(2, len(table) + 2)
    cells: pd.DataFrame = table.apply(lambda column: column.str.strip())
    filled: pd.DataFrame = cells[(cells != "").any(axis=1)]
    return filled


def _utf8(content: bytes) -> bytes:
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace").encode()
    return content


def _judged(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the ledger with codes in place of words; every cell has been looked at."""
    if missing := [column for column in NEEDED if column not in table]:
        others = [name for name in table.columns if name not in (*NEEDED, *OPTIONAL)]
        near = {column: nearest(column, others, 1) for column in missing}
        hints = [f"{column} (is it {close[0]!r}?)" if close else column for column, close in near.items()]
        raise ReportError(f"The ledger {name} lacks the columns {first_five(hints)}. A ledger has {', '.join(NEEDED)}.")
    if table.empty:
        raise ReportError(f"The ledger {name} holds no problem. Leave it out where there is none.")
    once = [re.sub(r"\.\d+$", "", column) for column in table.columns]  # pandas calls the second one kind.1
    if repeated := [column for column in (*NEEDED, *OPTIONAL) if once.count(column) > 1]:
        raise ReportError(f"The ledger {name} has the columns {first_five(repeated)} twice. Keep one of each.")
    told = table[[column for column in (*NEEDED, *OPTIONAL) if column in table]].copy()
    told.attrs["ignored"] = len(table.columns) - len(told.columns)
    for column in ("wave2_state", "state_date", "root_level"):
        if column not in told:
            told[column] = ""
    for column in ("problem_id", "site_id", "kind"):
        _refuse(
            name,
            column,
            told.index[told[column] == ""],
            told[column],
            "is empty: give every problem its own number, the site it was found at, and its kind",
        )
    twice = told["problem_id"].duplicated(keep=False)
    _refuse(name, "problem_id", told.index[twice], told["problem_id"], "stands twice: a problem keeps one row through all rounds")
    _coded(told, name, "field", FIELDS)
    _coded(told, name, "state", STATES, optional=told["wave2_state"].map(_plain) == "新发现")
    _coded(told, name, "wave2_state", SECOND)
    _coded(told, name, "root_level", LEVELS | {"": ""})
    _dated(told, name)
    _refuse_names(told, name)
    told["kind"] = told["kind"].map(safe)
    return told


def _refuse_names(told: pd.DataFrame, name: str) -> None:
    """Refuse kinds of problem that hold the name of somebody in the ledger: kinds are told, and nobody is."""
    columns = [column for column in ("responsible", "verified_by") if column in told]
    people = {cell for column in columns for cell in told[column] if len(cell) > 1}
    named = [int(row) for row, kind in zip(told.index, told["kind"], strict=True) if any(person in kind for person in people)]
    _refuse(
        name,
        "kind",
        named,
        pd.Series("", told.index),
        "names somebody who is responsible or verified. Write what kind of problem it is",
    )


def _plain(text: str) -> str:
    return text.replace("（", "(").replace("）", ")").replace(" ", "")


def _coded(table: pd.DataFrame, name: str, column: str, words: Mapping[str, str], optional: pd.Series | None = None) -> None:
    """Put codes in place of the words of a column; codes themselves are in order too."""
    allowed = {**words, **{code: code for code in words.values()}}
    given = table[column].map(_plain)
    unknown = ~given.isin(list(allowed))
    if optional is not None:
        unknown &= ~(optional & (given == ""))
    listed = ", ".join([word for word in words if word] + sorted({code for code in words.values() if code}))
    _refuse(name, column, table.index[unknown], table[column], f"is unknown. Allowed: {listed}")
    table[column] = given.map(lambda word: allowed.get(word, ""))


def _dated(table: pd.DataFrame, name: str) -> None:
    """Judge the dates: readable, and no state before its problem was found."""
    found = table["found_date"].map(_day)
    _refuse(name, "found_date", table.index[found.isna()], table["found_date"], "is no date. Write 2018-03-05")
    state = table["state_date"].map(_day)
    _refuse(
        name,
        "state_date",
        table.index[state.isna() & (table["state_date"] != "")],
        table["state_date"],
        "is no date. Write 2018-03-05",
    )
    early = [row for row in table.index if state[row] is not None and state[row] < found[row]]
    _refuse(name, "state_date", early, table["state_date"], "lies before found_date. Correct one of the two")


def _day(text: str) -> date | None:
    parts = _DATE.fullmatch(text)
    try:
        return datetime(*(int(part) for part in parts.groups())).date() if parts else None  # type: ignore[arg-type]
    except ValueError:
        return None


def _refuse(name: str, column: str, rows: Iterable[int], cells: pd.Series, why: str) -> None:
    """Raise ReportError with the first five rows, when there are some."""
    where = [f"row {row}" + (f" ({safe(cells[row])!r})" if cells[row] else "") for row in rows]
    if where:
        raise ReportError(f"The ledger {name}: {column} in {first_five(where)} {why}.")


def _counted(table: pd.DataFrame, sites: int | None, name: str, sha256: str) -> Fieldwork:
    seen = table["site_id"].nunique()
    if sites is not None and sites < seen:
        raise ReportError(
            f"The ledger {name} names {seen} sites, more than the {sites} visited. Give the number of all sites visited."
        )
    first = table[table["wave2_state"] != "new"]
    reported = first[first["state"] == "rectified"]
    again = reported[reported["wave2_state"] != ""]
    prevalence = NotTold(reason="sites_unknown") if sites is None else _prevalence(table, sites)
    return Fieldwork(
        sha256=sha256,
        problems=len(first),
        new=len(table) - len(first),
        sites=seen,
        of_sites=sites,
        fields=_fields(first),
        prevalence=prevalence,
        gates=_gates(table, prevalence),
        reported=share_of(len(reported), len(first)),
        confirmed=share_of(int((again["wave2_state"] == "confirmed").sum()), len(again)),
        columns_ignored=table.attrs["ignored"],
    )


def _fields(table: pd.DataFrame) -> list[FieldRow]:
    count: Callable[[pd.DataFrame], dict[str, int]] = lambda rows: {  # noqa: E731
        "problems": len(rows), **{state: int((rows["state"] == state).sum()) for state in STATES.values()}
    }  # fmt: skip
    order = dict.fromkeys(FIELDS.values())
    made = [FieldRow(field=field, **count(table[table["field"] == field])) for field in order if (table["field"] == field).any()]
    return [*made, FieldRow(field="all", **count(table))]


def _prevalence(table: pd.DataFrame, sites: int) -> list[Prevalence]:
    """Return the share of sites with each kind of problem, the most frequent first; kinds are told apart within a field."""
    made = []
    named: Any
    for named, rows in table.groupby(["field", "kind"], sort=True):
        field, kind = named
        seen = share_of(rows["site_id"].nunique(), sites)
        assert isinstance(seen, Share)
        made.append(Prevalence(field=field, kind=kind, problems=len(rows), seen=seen, widespread=is_widespread(seen)))
    return sorted(made, key=lambda row: (-row.seen.count, row.field, row.kind))


def _gates(table: pd.DataFrame, prevalence: list[Prevalence] | NotTold) -> Gates:
    """Count what passes each gate: true (verified), traceable (an identifier of evidence), and widespread."""
    traceable, verified = table["evidence_id"] != "", table["verified_by"] != ""
    counts = {"traceable": int(traceable.sum()), "verified": int(verified.sum())}
    if isinstance(prevalence, NotTold):
        return Gates(**counts, widespread=None, all_three=None)
    kinds = {(row.field, row.kind) for row in prevalence if row.widespread}
    widespread = pd.Series([pair in kinds for pair in zip(table["field"], table["kind"], strict=True)], index=table.index)
    return Gates(**counts, widespread=int(widespread.sum()), all_three=int((traceable & verified & widespread).sum()))
