"""Dates as offices write them: a year, a month or a day, and never a guess."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from dataclasses import dataclass

import pandas as pd

EARLIEST_YEAR, LATEST_YEAR = 1949, 2100

YEAR = re.compile(r"(\d{4})年?")
MONTH = re.compile(r"(\d{4})(?:[-/年](\d{1,2})|\.(\d{2}))月?")
DAY = re.compile(r"(\d{4})[-./年](\d{1,2})[-./月](\d{1,2})日?(?:[ T]\d{1,2}:\d{2}.*)?")


@dataclass(frozen=True)
class Span:
    """A date as exactly as it is known: from its first possible day to its last.

    ``text`` is the date as ISO writes it (2016, 2016-08 or 2016-08-03).
    """

    text: str
    first: datetime.date
    last: datetime.date

    @property
    def year(self) -> int:
        """The year of the date."""
        return self.first.year


def span(value: object) -> Span | None:
    """Return the days that a date may mean, or None when it cannot be read without guessing.

    Read are a year, an ISO month or day, the same with slashes, points or 年月日, and dates of Python and pandas.
    Not read are two-digit years, 201608, 8/3/2016, and 2016.1, which a spreadsheet makes of October as well as of January.

    Examples
    --------
    >>> span("2016年8月").text, span(2016.0).text, span("2016/8/3").text, span("201608"), span("2016.1")
    ('2016-08', '2016', '2016-08-03', None, None)
    """
    if isinstance(value, pd.Period):
        return _between(value.start_time.date(), value.end_time.date())
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return _between(value, value)
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        number = float(value) if hasattr(value, "__float__") else math.nan
        return _year(int(number)) if number.is_integer() else None
    return _read(unicodedata.normalize("NFKC", value).strip())


def _read(text: str) -> Span | None:
    """Return the span of a text without surrounding spaces."""
    text = re.sub(r"\.0+$", "", text) if re.fullmatch(r"\d{4}\.0+", text) else text
    if found := YEAR.fullmatch(text):
        return _year(int(found[1]))
    if found := MONTH.fullmatch(text):
        return _month(int(found[1]), int(found[2] or found[3]))
    if found := DAY.fullmatch(text):
        try:
            day = datetime.date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:  # 2016-02-30 is no day
            return None
        return _between(day, day)
    return None


def _year(year: int) -> Span | None:
    return _between(datetime.date(year, 1, 1), datetime.date(year, 12, 31)) if EARLIEST_YEAR <= year <= LATEST_YEAR else None


def _month(year: int, month: int) -> Span | None:
    if not (1 <= month <= 12 and EARLIEST_YEAR <= year <= LATEST_YEAR):
        return None
    first = datetime.date(year, month, 1)
    return _between(first, (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1))


def _between(first: datetime.date, last: datetime.date) -> Span | None:
    """Return the span from one day to another, written as exactly as it is known."""
    if not EARLIEST_YEAR <= first.year <= LATEST_YEAR:
        return None
    if first == last:
        return Span(first.isoformat(), first, last)
    whole_year = (first.month, last.month) == (1, 12)
    return Span(f"{first.year:04d}" if whole_year else f"{first:%Y-%m}", first, last)
