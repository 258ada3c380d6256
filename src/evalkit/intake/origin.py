"""A table as a file gave it, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.intake.ledger import Step

Lines = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Origin:
    """Which file a table was read from, and how it was read.

    Attributes
    ----------
    name : str
        The file's name, never its folder.
    bytes, sha256 : its size and its digest, as it lies on the disk
    format : str
        What the content is, whatever the name says: csv, csv.gz, xlsx, xls, ods, html, dta, sav or parquet.
    encoding, delimiter, sheet : how text was decoded and split, which sheet was read; None where there is no such thing
    header_lines : lines of the header, counted from 1; empty where a format keeps its headings apart from its rows
    data_lines : first and last line of the rows; None without rows
    """

    name: str
    bytes: int
    sha256: str
    format: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_lines: tuple[int, ...] = ()
    data_lines: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file under its own headings; nothing is interpreted yet.

    Attributes
    ----------
    headings : (k,) the file's own headings; a header of several rows is joined with "|" from top to bottom
    cells : pd.DataFrame
        Columns are the positions 0..k-1. Text is the file's text without white space around it, an empty cell is missing;
        numbers of dta, sav and Parquet stay numbers.
    lines : (n,) the line of each row, counted from 1 with the header, as a spreadsheet or a text editor counts; where a cell of
        a text file holds a line break it is the first line of the row. For dta, sav and Parquet it is the number of the row.
    units : (k,) the unit said for the whole table (the same text for every column) or in a row below the header
    title, notes : what stands above and below the table
    labels : heading -> label of the variable (dta, sav)
    value_labels : heading -> {value: label}, for columns that stay numbers although some values have labels (dta, sav)
    user_missing : heading -> how many values the file itself declares missing (dta, sav); their cells are empty
    step : the ledger's first step; rows_in are the rows of the file or sheet, blank ones too
    """

    headings: tuple[str, ...]
    cells: pd.DataFrame = field(repr=False)
    lines: Lines = field(repr=False)
    origin: Origin
    step: Step
    units: tuple[str | None, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    user_missing: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)
