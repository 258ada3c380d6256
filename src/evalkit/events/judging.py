"""Judging a table of events: every cell is understood or named, and nothing is left out without being counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.errors import RolloutError, first_five, nearest
from evalkit.events.dates import Span, span
from evalkit.events.programmes import Programmes, fold, folded_words
from evalkit.events.reading import is_blank, label, labels
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

STARTS = ("listed", "funded", "built", "moved_in")  # in their usual order
EVENTS = (*STARTS, "ended")
COLUMNS = ["unit", "programme", "event", "date", "year", "dose", "source", "line"]
SHOWN = 5  # names that a message explains
DATES_ALLOWED = (
    "Allowed: a year (2016), a month (2016-08, 2016年8月) or a day (2016-08-03). Leave a date blank when it is not known."
)
DOSES_ALLOWED = "Write plain yuan, zero or more: 5000, not 0.5万."
AMOUNT = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")


def judged(picked: pd.DataFrame, places: str, programmes: Programmes) -> tuple[pd.DataFrame, tuple[Notice, ...]]:
    """Return the table of events with its meanings, sorted, and what was left out or needs a look.

    ``picked`` has the columns unit, programme, event, date and perhaps dose and source; its index says where a row stands,
    ``places`` what the index counts ("line" or "row"). Raises RolloutError with every problem found, one a line.
    """
    if picked.empty:
        raise RolloutError(
            "The table of events has no rows yet. Write one event a row: unit, programme, event (listed, funded, built, moved_in, ended), date."
        )
    understood = _words()
    kind = _each(picked["event"], lambda value: understood.get(fold(value), ""))
    exits = kind == "register_exit"
    picked, kind = picked[~exits], kind[~exits]
    notices = [Notice("REGISTER_EXITS_LEFT_OUT", {"rows": int(exits.sum())})] if exits.any() else []
    frame, problems = _understood(picked, kind, places, programmes)
    if not problems:
        problems = [*_twice(frame, places), *_ends(frame, places)]
    if problems:
        raise RolloutError("\n".join(problems))
    if frame.empty:
        raise RolloutError(
            "The table holds exits from the register only. An exit is no event of a programme: support goes on after it."
        )
    frame = frame.sort_values(["unit", "programme", "first", "event", "dose", "source"], kind="stable", na_position="last")
    return frame[COLUMNS].reset_index(drop=True), (*notices, *_remarks(frame))


@cache
def _words() -> dict[str, str]:
    rows = table("events")
    return {folded: code for folded, _, code in folded_words(rows[rows["role"] != "heading"], "code")}


def _each(column: pd.Series, meaning: Callable[[Any], object]) -> Array:
    """Return (n,) meanings of a column's values; each distinct value is read once."""
    codes, distinct = pd.factorize(column.astype(object), use_na_sentinel=False)
    meanings = np.empty(len(distinct), dtype=object)
    for position, value in enumerate(distinct):
        meanings[position] = meaning(value)
    return meanings[codes]


def _understood(picked: pd.DataFrame, kind: Array, places: str, programmes: Programmes) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with meanings in place of words, and a sentence for every kind of cell that has none."""
    blank = pd.Series(np.nan, index=picked.index)
    days, unread = _days(picked["date"])
    dose = _each(picked.get("dose", blank), amount)
    columns = {
        "unit": labels(picked["unit"]),
        "programme": _each(picked["programme"], lambda v: c[0] if len(c := programmes.known.get(fold(label(v)), ())) == 1 else ""),
        "event": kind,
        "source": _each(picked.get("source", blank), label),
    }
    frame = pd.DataFrame({name: pd.Series(values, index=picked.index, dtype=str) for name, values in columns.items()})
    frame["dose"] = np.array([np.nan if value is None else value for value in dose], dtype=float)
    lines = picked.index.to_numpy()
    bad = {name: (frame[name] == "").to_numpy() for name in ("unit", "programme", "event")}
    problems = (
        [f"The unit is blank in {_at(bad['unit'], lines, places)}. Fill it in: an event belongs to one unit."]
        if bad["unit"].any()
        else []
    )
    problems += _names(picked["programme"], bad["programme"], programmes.doubt, "programme", places)
    problems += _names(picked["event"], bad["event"], _event_doubt, "event", places)
    problems += _values(picked["date"], unread, places, "dates cannot be read", DATES_ALLOWED)
    no_amount = np.array([found is None or found < 0 for found in dose], dtype=bool)
    problems += _values(picked.get("dose", blank), no_amount, places, "doses are no amount in yuan", DOSES_ALLOWED)
    return pd.concat([frame, days], axis=1).assign(line=lines), problems


def _at(bad: Array, lines: Array, places: str) -> str:
    return f"{bad.sum():,} {places}{'s' if bad.sum() > 1 else ''} ({first_five(lines[bad])})"


def _values(column: pd.Series, bad: Array, places: str, what: str, allowed: str) -> list[str]:
    """Return a sentence for values that cannot be read, or none."""
    if not bad.any():
        return []
    lines = column.index.to_numpy()
    shown = first_five(f"{str(value)!r} ({places} {line})" for value, line in zip(column[bad], lines[bad], strict=True))
    return [f"{bad.sum():,} {what}: {shown}. {allowed}"]


def _names(column: pd.Series, bad: Array, doubt: Callable[[str], str], what: str, places: str) -> list[str]:
    """Return a sentence for each of the first five names that are not known, and one for how many more there are."""
    names, lines = labels(column), column.index.to_numpy()
    distinct = list(dict.fromkeys(names[bad]))
    sentences = []
    for name in distinct[:SHOWN]:
        sentence = doubt(name) if name else f"The {what} is blank."
        sentences.append(f"{sentence} Found in {_at(bad & (names == name), lines, places)}.")
    if more := distinct[SHOWN:]:
        sentences.append(f"{len(more):,} more names of a {what} are not known: {first_five(more)}.")
    return sentences


def _days(dates: pd.Series) -> tuple[pd.DataFrame, Array]:
    """Return what a column of dates says (text, year, first and last possible day), and (n,) which of them cannot be read."""
    codes, distinct = pd.factorize(dates.astype(object), use_na_sentinel=False)
    found: list[Span | None] = [None if is_blank(value) else span(value) for value in distinct]
    unread = [day is None and not is_blank(value) for day, value in zip(found, distinct, strict=True)]
    meaning = pd.DataFrame(
        {
            "date": pd.Series(["" if day is None else day.text for day in found], dtype=str),
            "year": pd.Series([np.nan if day is None else day.year for day in found], dtype=float),
            "first": pd.Series([None if day is None else pd.Timestamp(day.first) for day in found], dtype="datetime64[s]"),
            "last": pd.Series([None if day is None else pd.Timestamp(day.last) for day in found], dtype="datetime64[s]"),
        }
    )
    return meaning.take(codes).set_axis(dates.index, axis=0), np.array(unread, dtype=bool)[codes]


def amount(value: object) -> float | None:
    """Return an amount of yuan, NaN for an empty cell, None for what is no plain number.

    >>> amount("5,000"), amount("0.5万")
    (5000.0, None)
    """
    if is_blank(value):
        return float("nan")
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).strip()
        return float(text.replace(",", "")) if AMOUNT.fullmatch(text) else None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    return float(value) if np.isfinite(float(value)) else None


def _event_doubt(name: str) -> str:
    rows = table("events")
    words = {folded: (word, code) for folded, word, code in folded_words(rows[rows["role"] != "heading"], "code")}
    close = [f"{words[word][0]!r} ({words[word][1]})" for word in nearest(fold(name), list(words))]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    events = rows[rows["role"] == "event"]
    allowed = ", ".join(f"{row['code']} ({row['zh']})" for row in events.to_dict("records"))
    return f"There is no event {name!r}.{hint} Allowed: {allowed}."


def _twice(frame: pd.DataFrame, places: str) -> list[str]:
    again = frame.duplicated(["unit", "programme", "event", "date", "dose", "source"])
    if not again.any():
        return []
    rows = frame[again]
    shown = first_five(
        f"{r.unit} {r.programme} {r.event} {r.date} ({places} {r.line})".replace("  ", " ") for r in rows.itertuples()
    )
    return [
        f"{len(rows):,} events repeat an earlier row in every column: {shown}. If they were delivered twice, drop the copies "
        "(frame.drop_duplicates()); if they are two payments on one date, add their amounts up, or say in the source what tells them apart."
    ]


def _ends(frame: pd.DataFrame, places: str) -> list[str]:
    """Return a sentence for support that ended without a start, and one for support that ended before it."""
    key = ["unit", "programme"]
    ends = frame[frame["event"] == "ended"]
    if ends.empty:
        return []
    starts = frame[frame["event"] != "ended"]
    begun = starts.groupby(key)["first"].min().rename("begun")
    # A start whose date is unknown may lie before any end.
    begun = begun.mask(starts.assign(blank=starts["date"] == "").groupby(key)["blank"].any())
    merged = ends.merge(begun.reset_index(), on=key, how="left", indicator=True)
    without, early = (merged["_merge"] == "left_only").to_numpy(), (merged["last"] < merged["begun"]).to_numpy()
    problems = []
    if without.any():
        shown = first_five(f"{row.unit} {row.programme} ({places} {row.line})" for row in merged[without].itertuples())
        problems.append(
            f"{without.sum():,} times support ended without a start: {shown}. Add when it was listed, funded, built or moved_in. "
            "An exit from the register is no end of support: leave it out."
        )
    if early.any():
        shown = first_five(
            f"{row.unit} {row.programme} (ended {row.date}, started {row.begun:%Y-%m-%d}, {places} {row.line})"
            for row in merged[early].itertuples()
        )
        problems.append(f"{early.sum():,} times support ended before it started: {shown}. Mend one of the two dates.")
    return problems


def _remarks(frame: pd.DataFrame) -> tuple[Notice, ...]:
    """Return what needs a look: blank dates, and payments that two sources tell alike."""
    notices = []
    if blank := int((frame["date"] == "").sum()):
        notices.append(Notice("EVENTS_WITHOUT_DATE", {"rows": blank, "of_rows": len(frame)}))
    alike = frame.duplicated(["unit", "programme", "event", "date", "dose"]) & frame["dose"].notna()
    if alike.any():
        notices.append(Notice("PAYMENT_TOLD_TWICE", {"rows": int(alike.sum()), "yuan": float(frame.loc[alike, "dose"].sum())}))
    return tuple(notices)
