"""A first mapping for a file nobody has described yet: what evalkit takes it to be, each guess to be confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from evalkit.intake.columns import Use, recognise
from evalkit.intake.dictionary import Ambiguous, ColumnDictionary
from evalkit.intake.headers import normalise
from evalkit.intake.mapping import Level, Mapping
from evalkit.intake.origin import Table
from evalkit.intake.privacy import find_personal
from evalkit.intake.protection import protect
from evalkit.intake.wide import melt, split_year

LEVELS: tuple[tuple[str, Level], ...] = (
    ("hh_id", "household"),
    ("village_id", "village"),
    ("county_code", "county"),
    ("county_name", "county"),
)
YEARS_KEPT = 60  # a column of whole numbers with more distinct values is no column of years


@dataclass(frozen=True)
class Guess:
    """A mapping that fits a file's headings, and what is uncertain about it.

    ``unrecognised`` maps a heading to the nearest words of the dictionary, ``ambiguous`` to the columns it may mean; ``confirm`` names
    the keys of the mapping that were guessed. ``uses`` says what became of each heading, ``years`` the first and the last year, None
    where no year was found.
    """

    mapping: Mapping
    unrecognised: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)
    confirm: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    years: tuple[int, int] | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """Column -> kind of what was recognised."""
        return {use.column: use.kind or "" for use in self.uses if use.column}


def guess_mapping(table: Table, sheet: str | None = None) -> Guess:
    """Return a first mapping for a table.

    Headings of the dictionary are taken as they are. Where none of them names a unit or a year, the file's own columns are tried: a
    year is a column of few whole numbers between 1949 and 2100, a unit one that together with it never repeats.
    """
    dictionary = ColumnDictionary.shipped()
    cells, record = protect(table.cells, table.headings, find_personal(table.cells, table.headings))
    headings, units = record.headings, tuple(table.units[position] for position in record.kept) if table.units else ()
    if any(split_year(heading)[1] is not None for heading in headings):
        long, _ = melt(replace(table, cells=cells, headings=headings, units=units))
        cells, headings, units = long.cells, long.headings, long.units
    uses, _ = recognise(headings, units, table.labels, dictionary, Mapping(), strict=False)
    have = {use.column: use for use in uses if use.column}
    own = [use for use in uses if use.column is None]
    columns: dict[str, str] = {}
    confirm = ["level", "unit", "period"]
    period = "year" if "year" in have else _own_period(cells, own)
    if period and period not in have:
        columns[period] = normalise(period)
    unit, level = next(((name, level) for name, level in LEVELS if name in have), (None, "county"))
    # A name alone is a weak unit: several counties bear the same one.
    if unit in (None, "county_name") and period is not None and (found := _own_codes(cells, own, headings, period, have)):
        columns[found] = unit = "county_code"
    if unit is None and period is not None and (found := _own_unit(cells, own, headings, period, have)):
        columns[found] = normalise(found)
        unit = normalise(found)
    said = {use.heading: dictionary.find(use.heading) for use in own if use.heading not in columns}
    ambiguous = {heading: found.canonicals for heading, found in said.items() if isinstance(found, Ambiguous)}
    unknown = {heading: tuple(dictionary.nearest(heading)) for heading in said if heading not in ambiguous}
    income = have.get("income_pc")
    crosses = income is not None and income.income_def is None and "income_def" not in have
    content = {
        "level": level,
        "unit": unit or "county_code",
        "period": columns.get(period or "", "year") if period not in have else "year",
        "sheet": sheet,
        "columns": {heading: {"name": name} for heading, name in columns.items()},
        "ignore": list(said),
        "income_def": "unknown" if crosses else None,
        "simulated": _simulated(table),
    }
    when = next((use.position for use in uses if use.column == "year" or use.heading == period), None)
    confirm += ["income_def"] if crosses else []
    return Guess(Mapping.parse(content), unknown, ambiguous, tuple(confirm), uses, None if when is None else _span(cells[when]))


def _span(years: pd.Series) -> tuple[int, int] | None:
    """Return the first and the last four-digit year of a column."""
    found = pd.to_numeric(years.astype("str").str.extract(r"((?:19|20)\d{2})")[0], errors="coerce").dropna()
    return (int(found.min()), int(found.max())) if len(found) else None


def _own_period(cells: pd.DataFrame, own: Sequence[Use]) -> str | None:
    """Return the heading of a column of years among those the dictionary does not know."""
    for use in own:
        numbers = pd.to_numeric(cells[use.position], errors="coerce")
        whole = numbers.notna().all() and (numbers % 1 == 0).all() and numbers.between(1949, 2100).all()
        if whole and 1 < numbers.nunique() <= YEARS_KEPT:
            return use.heading
    return None


def _own_codes(cells: pd.DataFrame, own: Sequence[Use], headings: Sequence[str], period: str, have: dict[str, Use]) -> str | None:
    """Return the heading of a column of six-digit codes that names a row together with the year."""
    codes = [use for use in own if cells[use.position].astype("str").str.fullmatch(r"\d{6}").fillna(False).all()]
    return _own_unit(cells, codes, headings, period, have)


def _own_unit(cells: pd.DataFrame, own: Sequence[Use], headings: Sequence[str], period: str, have: dict[str, Use]) -> str | None:
    """Return the heading of a column that names a row together with the year."""
    year = have[period].position if period in have else list(headings).index(period)
    for use in own:
        values = cells[use.position]
        if use.position == year or values.isna().any() or values.nunique() * 2 > len(values):
            continue
        if not pd.DataFrame({"unit": values, "year": cells[year]}).duplicated().any():
            return use.heading
    return None


def _simulated(table: Table) -> bool:
    """Return whether the file says of itself that it is simulated, in its title, its notes or a column."""
    words = " ".join([table.title, *table.notes, *(str(table.cells[j].iloc[0]) for j in table.cells if len(table.cells))])
    return "模拟数据" in words or "simulated" in words.lower()
