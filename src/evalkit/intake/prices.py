"""Prices: money of different years becomes money of one year, by a chained price index that says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd

from evalkit.codes import table
from evalkit.intake.dated_tables import dated_table, problem_at, require, said_years, years_of
from evalkit.intake.observations import IntakeError, Problem
from evalkit.notices import Notice
from evalkit.panel import Array
from evalkit.places import shared
from evalkit.words import catalogue

NATIONAL = "00"
PLAUSIBLE_INDEX = (80.0, 130.0)  # previous year = 100; the provinces since 1990 lie between 96 and 129
Series = Literal["rural_cpi", "cpi", "supplied"]


@dataclass(frozen=True, eq=False)
class PriceIndex:
    """Yearly price indices, previous year = 100, of provinces and of the country.

    Attributes
    ----------
    table : DataFrame with columns area (two digits, "00" = national), year, index, source, verified (yes | secondary | no)
    series : "rural_cpi" (rural consumer prices) | "cpi" (consumer prices of all households) | "supplied" (not said)

    Raises
    ------
    IntakeError
        From ``read``: a missing file or column, unreadable numbers, indices that are not "previous year = 100",
        and an area that has two indices for one year.

    Examples
    --------
    >>> PriceIndex.shipped().span(NATIONAL)
    (2010, 2020)
    """

    table: pd.DataFrame
    series: Series = "supplied"

    @classmethod
    def shipped(cls) -> Self:
        """Return the national rural index that ships with evalkit; no year of it has been verified yet."""
        return cls.read(shared("data", "codes", "price_index.csv"), "rural_cpi")

    @classmethod
    def read(cls, path: str | Path, series: Series = "supplied") -> Self:
        """Read a table with the columns area, year, index, source and verified; ``series`` is named in captions."""
        catalogue("en").say(f"price_series.{series}")  # a series without a name is refused before it is used
        return cls(dated_table(Path(path), "area", "index", PLAUSIBLE_INDEX, "PRICE_INDEX", area_codes), series)

    def span(self, area: str) -> tuple[int, int] | None:
        """Return the first and the last year of an area's index, None when it has none."""
        years = self.table.loc[self.table["area"] == area, "year"]
        return (int(years.min()), int(years.max())) if len(years) else None


@dataclass(frozen=True, eq=False)
class Deflated:
    """A frame whose money is in prices of one year.

    Attributes
    ----------
    frame : the caller's frame with the deflated columns; nothing else is changed
    factors : (n,) level of prices in the base year over that of the row's year; real = nominal * factor
    base_year, series : what captions name; ``base_year`` None means nominal
    notices : PRICE_INDEX_NATIONAL, PRICE_INDEX_UNVERIFIED
    """

    frame: pd.DataFrame
    factors: Array = field(repr=False)
    base_year: int | None
    series: Series = "supplied"
    notices: tuple[Notice, ...] = ()

    def basis(self, lang: str) -> str:
        """Return the price basis in words, for captions."""
        return price_basis(lang, self.base_year, self.series)


def price_basis(lang: str, base_year: int | None = None, series: Series = "supplied") -> str:
    """Return a price basis in words; without a base year the money is nominal.

    >>> price_basis("en")
    'nominal prices, not deflated'
    >>> price_basis("zh", 2015, "rural_cpi")
    '2015年价格（按农村居民消费价格指数折算）'
    """
    words = catalogue(lang)
    if base_year is None:
        return words.say("price_basis.nominal")
    return words.say("price_basis.real", year=base_year, series=words.say(f"price_series.{series}"))


def nominal(frame: pd.DataFrame) -> Deflated:
    """Return a frame as it is, said to be in nominal prices."""
    return Deflated(frame, np.ones(len(frame)), None, notices=(Notice("NOMINAL"),))


def deflate(
    frame: pd.DataFrame,
    columns: Sequence[str],
    index: PriceIndex,
    base_year: int,
    *,
    period: str,
    area: str | None = None,
    fallback: Literal["national"] | None = None,
    lines: Array | None = None,
) -> Deflated:
    """Return a frame whose money columns are in prices of ``base_year``: nominal * level(base year) / level(year).

    Levels are chained from the yearly indices between a row's year and the base year, so that the year before the
    first index can be deflated as well, and can be the base year.

    Parameters
    ----------
    columns : money columns, in current prices of each row's year
    period : column with the year
    area : column with county or province codes (two, six or twelve digits); the national index without it
    fallback : "national" takes the national index for the provinces and years that the index lacks, and says so
    lines : (n,) lines of the rows in the file, for messages

    Raises
    ------
    IntakeError
        For unknown columns, text where money is expected, unreadable years and codes, a base year that the index does
        not reach, and provinces and years without an index.

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2015, 2016], "income": [1000.0, 1019.0]})
    >>> deflate(frame, ["income"], PriceIndex.shipped(), 2015, period="year").frame["income"].round(6).tolist()
    [1000.0, 1000.0]
    """
    _require_money(frame, columns)
    years = years_of(frame, period, lines)
    areas = np.full(len(frame), NATIONAL, dtype=object) if area is None else _areas_of(frame, area, lines)
    pairs = pd.DataFrame({"area": areas, "year": years})
    which = pairs.groupby(["area", "year"], sort=True).ngroup().to_numpy()
    needed = sorted(set(zip(pairs["area"], pairs["year"].tolist(), strict=True)))
    chain = _Chain(index, base_year, fallback == "national")
    by_pair = np.array([chain.factor(place, year) for place, year in needed])
    chain.refuse_missing()
    factors = by_pair[which] if len(frame) else np.ones(0)
    real = frame.assign(**{name: frame[name].to_numpy(dtype=float, na_value=np.nan) * factors for name in columns})
    return Deflated(real, factors, base_year, index.series, chain.notices())


class _Chain:
    """The yearly links between two years, and a record of which were used, borrowed and missed."""

    def __init__(self, index: PriceIndex, base_year: int, borrow: bool) -> None:
        self.index, self.base_year, self.borrow = index, base_year, borrow
        keys = list(zip(index.table["area"], index.table["year"].tolist(), strict=True))
        self.links: dict[tuple[str, int], float] = dict(zip(keys, index.table["index"].tolist(), strict=True))
        self.verified: dict[tuple[str, int], str] = dict(zip(keys, index.table["verified"].tolist(), strict=True))
        self.used: set[tuple[str, int]] = set()
        self.borrowed: set[tuple[str, int]] = set()
        self.missing: set[tuple[str, int]] = set()
        years = index.table["year"]
        if not len(years) or not years.min() - 1 <= base_year <= years.max():
            raise IntakeError(Problem("PRICE_BASE_YEAR", {"base_year": base_year, "years": said_years(years.tolist()) or "—"}))

    def factor(self, area: str, year: int) -> float:
        """Return level(base year) / level(year); NaN when a link is missing."""
        first, last = min(year, self.base_year), max(year, self.base_year)
        ratio = float(np.prod([self._link(area, step) / 100 for step in range(first + 1, last + 1)]))
        return ratio if year < self.base_year else 1 / ratio

    def _link(self, area: str, year: int) -> float:
        key = (area, year)
        if key not in self.links and self.borrow and (NATIONAL, year) in self.links:
            self.borrowed.add(key)
            key = (NATIONAL, year)
        if key not in self.links:
            self.missing.add(key)
            return np.nan
        self.used.add(key)
        return self.links[key]

    def refuse_missing(self) -> None:
        """Refuse when a link is missing, and name every province and year without one."""
        if self.missing:
            facts = {"missing": _said_by_area(self.missing), "areas": len({area for area, _ in self.missing})}
            raise IntakeError(Problem("PRICE_INDEX_MISSING", facts, count=len(self.missing)))

    def notices(self) -> tuple[Notice, ...]:
        """Return what a reader must know of the indices that were used."""
        found = []
        if self.borrowed:
            found.append(Notice("PRICE_INDEX_NATIONAL", {"provinces": _by_area(self.borrowed)}))
        if unread := {key for key in self.used if self.verified[key] == "no"}:
            facts = {"unverified": len(unread), "used": len(self.used), "years": sorted({year for _, year in unread})}
            found.append(Notice("PRICE_INDEX_UNVERIFIED", facts))
        return tuple(found)


def province_name(code: str, lang: str) -> str:
    """Return the name of a province by its two digits; a code without a name is returned as it is.

    >>> province_name("51", "zh"), province_name("99", "en")
    ('四川省', '99')
    """
    names = table("provinces").set_index("code")[lang]
    return str(names.get(code, code))


def _by_area(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for area, year in sorted(pairs):
        grouped.setdefault(area, []).append(year)
    return grouped


def _said_by_area(pairs: Iterable[tuple[str, int]]) -> str:
    return "; ".join(f"{area}: {said_years(years)}" for area, years in _by_area(pairs).items())


def area_codes(codes: pd.Series) -> pd.Series:
    """Return the two digits of the province of every code, "" where it is none; "00" and "0" are the country.

    >>> area_codes(pd.Series(["51", "510922", "510000.0", "00", "0", "四川"])).tolist()
    ['51', '51', '51', '00', '00', '']
    """
    text = codes.astype("str").str.strip().str.replace(r"\.0+$", "", regex=True)
    good = text.str.fullmatch(r"\d{2}|\d{6}|\d{12}").fillna(False).astype(bool)
    return text.str[:2].where(good, "").mask(text.isin(["0", "000000"]), NATIONAL)


def _areas_of(frame: pd.DataFrame, area: str, lines: Array | None) -> Array:
    codes = area_codes(frame[require(frame, area)])
    if (bad := (codes == "").to_numpy()).any():
        raise IntakeError(problem_at("PRICE_AREA", bad, area, frame[area], lines))
    return codes.to_numpy(dtype=object)


def _require_money(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    for name in columns:
        if not pd.api.types.is_numeric_dtype(frame[require(frame, name)]) or pd.api.types.is_bool_dtype(frame[name]):
            raise IntakeError(Problem("MONEY_NOT_NUMBERS", {"column": name}))
