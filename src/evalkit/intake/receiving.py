"""Receive: a file and its mapping become a panel, with a ledger of every row and a note of every value that was not plain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Words
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit import codes
from evalkit.errors import nearest
from evalkit.intake.aggregates import aggregate_rows
from evalkit.intake.checked import checked
from evalkit.intake.columns import INCOME_DEF, Said, Use, heading_key, recognise
from evalkit.intake.counties import harmonise_counties
from evalkit.intake.county_history import CountyHistory
from evalkit.intake.database import read_query
from evalkit.intake.dictionary import ColumnDictionary
from evalkit.intake.formats import read_table
from evalkit.intake.income_definition import IncomeDefinition, definition_meant, judge_income_definition
from evalkit.intake.ledger import Ledger, Step
from evalkit.intake.mapping import Mapping
from evalkit.intake.observations import IntakeError, Place, Problem, Question
from evalkit.intake.origin import Origin, Table
from evalkit.intake.plausibility import Plausibility
from evalkit.intake.prices import Deflated, PriceIndex, deflate, nominal
from evalkit.intake.privacy import find_personal, question_lost_digits
from evalkit.intake.protection import Removal, protect, read_salt, unsigned
from evalkit.intake.schema import judge_values
from evalkit.intake.values import Lines, Ranges, Typed, typed
from evalkit.intake.wide import melt, split_year
from evalkit.notices import Notice
from evalkit.panel import Panel

MONEY = {"money", "money_per_head"}
CODE, NAME, TOWNSHIP = "county_code", "county_name", "township_name"
MOSTLY = 0.5  # share of the filled cells from which a column is one of personal numbers


@dataclass(frozen=True, eq=False)
class Received:
    """A file that became a panel, and everything that happened on the way.

    Attributes
    ----------
    frame : one row per unit and period, sorted, under the names of the dictionary
    mapping, origin, title, notes : how it was read, from which file, and what stands above and below the table
    uses : what became of each heading
    ledger : rows in, rows left and why, rows out
    flags : one row per cell that is no plain number (line, column, flag, text)
    removed : personal data that were taken out
    kinds : column -> kind of its values
    units : column -> unit of its values
    definition : which definition of income each row has; None without income
    prices : price basis
    changes : changes of county codes that were followed
    plausibility : checks that ran, and their questions
    questions, notices : what to ask the owner of the data, what readers must know
    inputs : name -> sha256 of the file and of the tables it was read with
    """

    frame: pd.DataFrame = field(repr=False)
    mapping: Mapping
    origin: Origin
    title: str
    notes: tuple[str, ...]
    uses: tuple[Use, ...] = field(repr=False)
    ledger: Ledger = field(repr=False)
    flags: pd.DataFrame = field(repr=False)
    removed: tuple[Removal, ...]
    kinds: Words[str, str] = field(repr=False)
    units: Words[str, str] = field(repr=False)
    definition: IncomeDefinition | None = field(repr=False)
    prices: Deflated = field(repr=False)
    changes: pd.DataFrame = field(repr=False)
    plausibility: Plausibility = field(repr=False)
    questions: tuple[Question, ...] = ()
    notices: tuple[Notice, ...] = ()
    inputs: Words[str, str] = field(default_factory=dict, repr=False)

    def panel(self) -> Panel:
        """Return the panel."""
        return Panel(self.frame, unit=self.mapping.unit, period=self.mapping.period)


def receive(
    file: str | Path | None, mapping: Mapping | str | Path, folder: str | Path | None = None, *, strict: bool = True
) -> Received:
    """Return a file as a panel that can be trusted.

    Parameters
    ----------
    file : path of the file; None when the mapping asks for a database
    mapping : Mapping, or the path of its YAML file
    folder : where the mapping's further files lie; the mapping's own folder, or the current one
    strict : whether headings that are neither known nor named in the mapping are a problem

    Raises
    ------
    IntakeError
        With every problem found, each with line, heading and value, in both languages.
    """
    if not isinstance(mapping, Mapping):
        folder = Path(mapping).parent if folder is None else folder
        mapping = Mapping.from_yaml(mapping)
    beside = Path(folder or ".")
    dictionary = ColumnDictionary.shipped(beside / mapping.synonyms if mapping.synonyms else None)
    table, ledger = _units_only(_opened(file, mapping), dictionary, mapping)
    table, removed, questions = _protected(table, mapping, beside)
    table, ledger = _rows(table, ledger, mapping)
    origin, title, notes, lines = table.origin, table.title, tuple(table.notes), table.lines
    uses = _recognised(table, dictionary, mapping, strict)
    cells = {position: table.cells[position] for position in range(len(table.headings))}
    del table  # the cells leave one by one, so that a large file is not held twice
    read = typed(cells, uses, lines, _ranges(uses, dictionary), mapping)
    frame, lines, ledger = _judged(read, cells, uses, lines, ledger, mapping)
    del cells
    read = replace(read, frame=pd.DataFrame())  # what is done from here on makes new rows, and the old ones go
    seen, part = checked(frame, lines, mapping)
    frame, changes, asked, ledger = _followed(frame, lines, ledger, mapping, beside)
    frame, at = _sorted(frame, lines, mapping)
    asked = [*asked, *_edition(title, origin, frame, mapping), *_columns_asked(uses)]
    definition = _definition(frame, mapping, at)
    prices = _deflated(frame, read.kinds, mapping, beside, at)
    return Received(
        frame=prices.frame, mapping=mapping, origin=origin, title=title, notes=notes, uses=uses, ledger=ledger, flags=read.flags,
        removed=removed, kinds=read.kinds | {mapping.period: "year"},
        units={use.column: use.unit for use in uses if use.column and use.unit},
        definition=definition, prices=prices, changes=changes, plausibility=seen,
        questions=(*questions, *read.questions, *(definition.questions if definition else ()), *asked, *seen.questions),
        notices=(*_flag_notices(read.flags), *part, *(definition.notices if definition else ()), *prices.notices),
        inputs=_inputs(origin, mapping, beside),
    )  # fmt: skip


def _recognised(table: Table, dictionary: ColumnDictionary, mapping: Mapping, strict: bool) -> tuple[Use, ...]:
    """Return what each heading means; refuses with every problem of the headings at once."""
    uses, problems = recognise(
        table.headings, table.units, table.labels, dictionary, _without_empty(table, dictionary, mapping), strict
    )
    if mapping.year is not None and (said := [use.heading for use in uses if use.column == mapping.period]):
        problems.append(Problem("YEAR_SAID_TWICE", {"column": said[0], "year": mapping.year}))
    have, headings = {use.column for use in uses}, ", ".join(table.headings)
    if mapping.unit not in have:
        problems.append(Problem("NO_UNIT_COLUMN", {"column": mapping.unit, "headings": headings}))
    if mapping.period not in have and mapping.year is None:
        problems.append(Problem("NO_PERIOD_COLUMN", {"column": mapping.period, "headings": headings}))
    if problems:
        raise IntakeError(problems)
    return uses


def _without_empty(table: Table, dictionary: ColumnDictionary, mapping: Mapping) -> Mapping:
    """Return the mapping with headings ignored that nobody knows and under which nothing stands."""
    empty = [heading for position, heading in enumerate(table.headings) if table.cells[position].isna().all()]
    unknown = tuple(heading for heading in empty if dictionary.find(heading) is None)
    return mapping.model_copy(update={"ignore": (*mapping.ignore, *unknown)})


def _ranges(uses: tuple[Use, ...], dictionary: ColumnDictionary) -> Ranges:
    return {use.column: dictionary.range(use.column) for use in uses if use.column and use.column in dictionary.columns}


def _judged(
    read: Typed, unused: dict[int, pd.Series], uses: tuple[Use, ...], lines: Lines, ledger: Ledger, mapping: Mapping
) -> tuple[pd.DataFrame, Lines, Ledger]:
    """Return rows that can be a panel, each once; refuses with every problem of the values at once."""
    frame, lines, step = _one_row_each(_dated(read.frame, mapping), unused, lines, read.questions, mapping)
    in_file = {use.column: use.heading for use in uses if use.column}
    kinds = read.kinds | {mapping.period: "year"} | {CODE: "county_code"}
    problems = judge_values(frame, kinds, mapping.unit, mapping.period, lines, lambda column: in_file.get(column, column))
    if any(problem.code == "YEAR_UNREADABLE" for problem in read.problems):  # it is missing because it cannot be read: said once
        problems = [problem for problem in problems if problem.code != "KEY_MISSING"]
    if read.problems or problems:
        raise IntakeError([*read.problems, *problems])
    frame = frame.assign(**{mapping.period: frame[mapping.period].astype(np.int64)})
    return frame, lines, ledger.then(step) if step else ledger


def _sorted(frame: pd.DataFrame, lines: Lines, mapping: Mapping) -> tuple[pd.DataFrame, Lines | None]:
    """Return the rows by unit and period, and their lines; rows that were put together stand in no single line."""
    codes, _ = pd.factorize(frame[mapping.unit], sort=True)
    order = np.lexsort((frame[mapping.period].to_numpy(), codes))
    if (np.diff(order) > 0).all():  # many files are sorted already, and a copy of a large one is large
        return frame, lines if mapping.counties is None else None
    # Column by column, each old one going before the next is made: a large file is never held twice.
    arranged = {name: frame.pop(str(name)).array.take(order) for name in list(frame)}
    return pd.DataFrame(arranged, copy=False), lines[order] if mapping.counties is None else None


def _inputs(origin: Origin, mapping: Mapping, beside: Path) -> dict[str, str]:
    """Return the fingerprints of the file and of the tables beside the mapping."""
    named = (mapping.synonyms, mapping.counties and mapping.counties.history, mapping.prices and mapping.prices.index)
    tables = {Path(name).name: hashlib.sha256((beside / name).read_bytes()).hexdigest() for name in named if name}
    return {origin.name: origin.sha256} | tables


def _opened(file: str | Path | None, mapping: Mapping) -> Table:
    if mapping.database is not None:
        return read_query(mapping.database)
    if file is None:
        raise IntakeError(Problem("NO_FILE"))
    return read_table(file, sheet=mapping.sheet, encoding=mapping.encoding, header_lines=mapping.header_lines)


def _protected(table: Table, mapping: Mapping, beside: Path) -> tuple[Table, tuple[Removal, ...], list[Question]]:
    """Return the table without personal data: only totals left before, for a hash would hide them; nothing was let out."""
    personal = find_personal(table.cells, table.headings)
    salt = (
        read_salt(mapping.salt_file if mapping.salt_file.startswith("env:") else str(beside / mapping.salt_file))
        if mapping.salt_file
        else None
    )
    # A number that slipped into a column of something else is hidden there; only a column of such numbers leaves as a whole.
    named = {one.heading for one in personal if one.found_by == "heading"}
    few = [one for one in personal if one.count < MOSTLY * table.cells[one.position].count() and not one.digits_lost]
    stray = {one.heading: "mask" for one in few if one.heading not in named}
    written = {heading_key(heading): heading for heading in table.headings}
    chosen = {written.get(heading_key(heading), heading): way for heading, way in mapping.personal.items()}
    cells, record = protect(table.cells, table.headings, personal, stray | chosen, salt=salt)
    units = tuple(table.units[position] for position in record.kept) if table.units else ()
    pa.default_memory_pool().release_unused()
    left = replace(table, cells=cells, headings=record.headings, units=units)
    return left, record.removed, list(question_lost_digits(personal, table.lines))


def _units_only(table: Table, dictionary: ColumnDictionary, mapping: Mapping) -> tuple[Table, Ledger]:
    """Return the table without totals and higher levels, and the ledger so far."""
    ledger, said = Ledger((table.step,)), Said.of(mapping)
    found: dict[str | None, pd.Series] = {}
    for position, heading in enumerate(table.headings):
        found.setdefault(said.column(heading, table.labels.get(heading), dictionary), table.cells[position])
    county = mapping.level == "county"
    code = found.get(CODE) if county else None
    # In a table of counties 合计 below 乡镇 is the county itself.
    named = [column for column in dict.fromkeys((NAME, mapping.unit, *(() if county else (TOWNSHIP,)))) if column in found]
    names = [found[column] for column in named if not pd.api.types.is_numeric_dtype(found[column])]
    reasons = np.full(len(table), "", dtype=object)
    if code is not None and not names:
        reasons = aggregate_rows(None, code, mapping.level)
    for name in names:
        reasons = np.where(reasons == "", aggregate_rows(name, code, mapping.level, _provinces() if county else ()), reasons)
    if not (reasons != "").any() and not (county and (code is not None or NAME in found)):
        return table, ledger
    table, step = _without(table, reasons)
    return table, ledger.then(step)


def _rows(table: Table, ledger: Ledger, mapping: Mapping) -> tuple[Table, Ledger]:
    """Return the table with one row per unit and year, and the ledger so far."""
    said = Said.of(mapping)
    keep = {j for j, heading in enumerate(table.headings) if said.names(heading)}
    if any(split_year(heading)[1] is not None for j, heading in enumerate(table.headings) if j not in keep):
        table, step = melt(table, keep)
        ledger = ledger.then(step)
    if not len(table):
        why = list(dict.fromkeys(reason for step in ledger.steps for reason in step.left))
        raise IntakeError(Problem("NO_ROWS_LEFT", {"reasons": ", ".join(why)}, count=ledger.rows_in))
    return table, ledger


def _provinces() -> frozenset[str]:
    """Return the names of provinces, which a county table may carry without a code."""
    return frozenset(codes.table("provinces")["zh"])


def _without(table: Table, reasons: Lines) -> tuple[Table, Step]:
    """Return the table without the rows that are totals or higher levels, and the step that counts them."""
    stays = reasons == ""
    left = {str(reason): tuple(int(line) for line in table.lines[reasons == reason]) for reason in np.unique(reasons[~stays])}
    cells = table.cells[stays].reset_index(drop=True) if left else table.cells
    return replace(table, cells=cells, lines=table.lines[stays]), Step("totals", len(table), int(stays.sum()), left=left)


def _dated(frame: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """Return the frame with the year of its data in every row."""
    if mapping.year is not None:
        frame = frame.assign(**{mapping.period: float(mapping.year)})
    if mapping.year_means == "edition":
        frame = frame.assign(**{mapping.period: frame[mapping.period] - 1})
    return frame


def _one_row_each(
    frame: pd.DataFrame, unused: dict[int, pd.Series], lines: Lines, questions: list[Question], mapping: Mapping
) -> tuple[pd.DataFrame, Lines, Step | None]:
    """Return the frame without rows that repeat another in every cell, which are counted and asked about."""
    keys = [mapping.unit, mapping.period]
    pa.default_memory_pool().release_unused()
    coded = pd.DataFrame({key: pd.factorize(frame[key])[0] for key in keys})  # by numbers: names would become Python objects
    twice = np.flatnonzero(coded.duplicated(keep=False))
    again = np.zeros(len(frame), dtype=bool)
    # A row repeats another only where all of it does, columns included that the panel does not use.
    whole = pd.concat(
        [frame.iloc[twice].reset_index(drop=True), *(cells.iloc[twice].reset_index(drop=True) for cells in unused.values())], axis=1
    )
    again[twice] = whole.duplicated().to_numpy()
    if not again.any():
        return frame, lines, None
    repeated = lines[again]
    questions.append(Question.at("EXACT_DUPLICATES", [Place(int(line)) for line in repeated]))
    step = Step("duplicates", len(frame), int((~again).sum()), left={"exact_duplicate": tuple(int(line) for line in repeated)})
    return frame[~again].reset_index(drop=True), lines[~again], step


def _followed(
    frame: pd.DataFrame, lines: Lines, ledger: Ledger, mapping: Mapping, beside: Path
) -> tuple[pd.DataFrame, pd.DataFrame, list[Question], Ledger]:
    """Return the rows with every county under one code, the changes that were followed, what to ask, and the ledger."""
    choice = mapping.counties
    if choice is None:
        return frame, pd.DataFrame(), _not_followed(frame, mapping), ledger
    if strange := [column for column in choice.rule if column not in frame]:
        near = nearest(strange[0], [str(column) for column in frame]) or [str(column) for column in frame]
        raise IntakeError(Problem("RULE_WITHOUT_COLUMN", {"column": strange[0], "columns": ", ".join(near)}))
    done = harmonise_counties(
        frame,
        choice.to_year,
        ({INCOME_DEF: "same"} if INCOME_DEF in frame else {}) | choice.rule,
        code=CODE,
        period=mapping.period,
        name=NAME if NAME in frame else None,
        history=CountyHistory.read(beside / choice.history) if choice.history else CountyHistory.sample(),
        lines=[int(line) for line in lines],
    )
    asked = [*done.questions, *([] if choice.history else [Question("SMALL_HISTORY")])]
    return done.frame, done.changes, asked, ledger.then(done.step)


def _not_followed(frame: pd.DataFrame, mapping: Mapping) -> list[Question]:
    """Ask about codes when counties come and go and nobody said how to follow them."""
    if mapping.unit not in (CODE, NAME):
        return []
    seen = frame.groupby(mapping.unit)[mapping.period].nunique()
    broken = int((seen < frame[mapping.period].nunique()).sum())
    return [Question("CODES_NOT_FOLLOWED", {"units": broken, "all_units": len(seen)}, count=broken)] if broken else []


def _definition(frame: pd.DataFrame, mapping: Mapping, lines: Lines | None) -> IncomeDefinition | None:
    """Return which definition of income each row has, None for a file without income."""
    if "income_pc" not in frame:
        return None
    said = mapping.income_def
    declared = said if said is not None and definition_meant(said) else None
    column = None if declared else said or (INCOME_DEF if INCOME_DEF in frame else None)
    return judge_income_definition(frame, mapping.unit, mapping.period, column=column, declared=declared, lines=lines)


def _deflated(frame: pd.DataFrame, kinds: Words[str, str], mapping: Mapping, beside: Path, lines: Lines | None) -> Deflated:
    choice = mapping.prices
    if choice is None:
        return nominal(frame)
    index = PriceIndex.read(beside / choice.index, choice.series) if choice.index else PriceIndex.shipped()
    money = [str(column) for column in frame if kinds.get(str(column)) in MONEY]
    return deflate(
        frame, money, index, choice.base_year, period=mapping.period, area=choice.area, fallback=choice.fallback, lines=lines
    )


def _columns_asked(uses: tuple[Use, ...]) -> list[Question]:
    """Ask about units that nothing says, where they are not the plain ones, and about income where no column means it."""
    assumed = [use for use in uses if use.unit_assumed and str(use.unit).startswith(("万", "亿"))]
    asked = [Question("UNIT_ASSUMED", {"columns": [f"{use.heading} ({use.unit})" for use in assumed]})] if assumed else []
    if not any(use.column and use.column.startswith("income_") for use in uses):
        near = [use.heading for use in uses if use.column is None and ("收入" in use.heading or "income" in use.heading.lower())]
        asked.append(Question("NO_INCOME_COLUMN", {"columns": near or ["—"]}))
    return asked


def _edition(title: str, origin: Origin, frame: pd.DataFrame, mapping: Mapping) -> list[Question]:
    """Ask about the year where a yearbook's own year is the last year of its data: a yearbook is usually one year later."""
    said = f"{title} {origin.name}"
    last = int(frame[mapping.period].max())
    if mapping.year_means == "edition" or "年鉴" not in said or str(last) not in said:
        return []
    return [Question("YEAR_OF_YEARBOOK", {"title": " ".join(unsigned([title or origin.name])[0]), "last": last})]


def _flag_notices(flags: pd.DataFrame) -> list[Notice]:
    """Return one notice on cells that were hidden, not available, or bounds."""
    counts = flags["flag"].value_counts()
    hidden = int(counts.reindex(["MASKED", "PLACEHOLDER"]).fillna(0).sum())
    dash = int(counts.reindex(["DASH", "MISSING_CODE"]).fillna(0).sum())
    bounds = int(counts.reindex(["LOWER_BOUND", "UPPER_BOUND", "APPROXIMATE"]).fillna(0).sum())
    return [Notice("INTAKE_FLAGS", {"masked": hidden, "dash": dash, "bounds": bounds})] if hidden or bounds else []
