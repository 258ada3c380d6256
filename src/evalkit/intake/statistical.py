"""Files of statistical packages: Stata, SPSS and Parquet, where headings and types stand apart from the rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.intake.observations import IntakeError, Problem

FIRST_IN_UTF8 = 118  # from this release on a dta file is UTF-8 by its definition


@dataclass(frozen=True)
class Variables:
    """The variables of a statistical file; columns of ``cells`` are the positions 0..k-1."""

    headings: tuple[str, ...]
    cells: pd.DataFrame = field(repr=False)
    encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    user_missing: Mapping[str, int] = field(default_factory=dict)


def read_statistical(path: Path, kind: str) -> Variables:
    """Return the variables of a dta or sav file.

    Values that the file declares missing become missing and are counted. A column in which most values have a label becomes their
    labels; one in which most have none stays numbers. Strings of old Stata files are UTF-8 or GB18030.

    Raises
    ------
    IntakeError
        DAMAGED_FILE, UNKNOWN_ENCODING.
    """
    frame, meta, encoding = _read(path, kind)
    columns: dict[int, pd.Series[Any]] = {}
    kept_labels: dict[str, dict[float, str]] = {}
    missing: dict[str, int] = {}
    for position, name in enumerate(frame.columns):
        series, declared = _without_declared_missing(frame[name], name, meta)
        if declared:
            missing[name] = declared
        labels = dict(meta.variable_value_labels.get(name, {}))
        if labels and (worded := _labelled(series, labels)) is not None:
            series = worded
        elif labels:
            kept_labels[name] = labels
        columns[position] = plain(series)
    said = {name: label for name, label in meta.column_names_to_labels.items() if label}
    return Variables(tuple(frame.columns), pd.DataFrame(columns), encoding, said, kept_labels, missing)


def read_parquet(path: Path) -> Variables:
    """Return the columns of a Parquet file: numbers as numbers, everything else as text."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        # Through an open file: a path such as year=2013/a.parquet would gain a column from its folder.
        with path.open("rb") as file:
            table = parquet.ParquetFile(file).read()
    except (pa.ArrowInvalid, OSError) as broken:
        raise IntakeError(Problem("DAMAGED_FILE", {"name": path.name, "format": "parquet"})) from broken
    columns = {position: plain(_as_series(column)) for position, column in enumerate(table.columns)}
    return Variables(tuple(str(name) for name in table.column_names), pd.DataFrame(columns, copy=False))


def _as_series(column: Any) -> pd.Series[Any]:
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        return _as_series(column.cast(kind.value_type))
    if kinds.is_decimal(kind):
        return _as_series(column.cast(pa.float64()))
    if kinds.is_boolean(kind):
        return _as_series(column.cast(pa.int8()))
    series: pd.Series[Any] = column.to_pandas()
    return series


def plain(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as they are and everything else as text: dates as 2014-07-30, empty text as missing."""
    if pd.api.types.is_bool_dtype(series):
        return series.astype("int8")
    if pd.api.types.is_numeric_dtype(series):
        return series
    if pd.api.types.is_datetime64_any_dtype(series):
        whole_days = bool((series.dropna() == series.dropna().dt.normalize()).all())
        dates: pd.Series[Any] = series.dt.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%d %H:%M:%S").astype("str")
        return dates
    worded = series.map(lambda value: value if isinstance(value, str) else str(value), na_action="ignore")
    text: pd.Series[Any] = worded.astype("str").str.strip()
    return text.mask(text == "")


def _read(path: Path, kind: str) -> tuple[pd.DataFrame, Any, str | None]:
    """Return the frame with declared missing values in it, what the file says about its variables, and the encoding."""
    import pyreadstat

    reader = pyreadstat.read_dta if kind == "dta" else pyreadstat.read_sav
    encodings: tuple[str | None, ...] = (None,) if kind == "dta" and release(path) >= FIRST_IN_UTF8 else ("UTF-8", "GB18030")
    if kind == "sav":
        encodings = (None, "GB18030")
    told: Exception | None = None
    for encoding in encodings:
        try:
            frame, meta = reader(str(path), encoding=encoding, user_missing=True, dates_as_pandas_datetime=True)
        except (pyreadstat.ReadstatError, UnicodeDecodeError) as failed:
            told = failed
            if "encoding" not in str(failed) and not isinstance(failed, UnicodeDecodeError):
                break
        else:
            return frame, meta, encoding or meta.file_encoding or "UTF-8"
    code = "UNKNOWN_ENCODING" if told is not None and "encoding" in str(told) else "DAMAGED_FILE"
    raise IntakeError(Problem(code, {"name": path.name, "format": kind, "encoding": "GB18030"})) from told


def release(path: Path) -> int:
    """Return the release of a dta file's format, such as 114 or 118."""
    with path.open("rb") as file:
        start = file.read(200)
    if match := re.search(rb"<release>(\d+)</release>", start):
        return int(match[1])
    return start[0]


def _without_declared_missing(series: pd.Series[Any], name: str, meta: Any) -> tuple[pd.Series[Any], int]:
    """Return a column without the values its file declares missing, and how many there were."""
    ranges = meta.missing_ranges.get(name, []) if meta.missing_ranges else []
    codes = meta.missing_user_values.get(name, []) if meta.missing_user_values else []
    declared = np.zeros(len(series), dtype=bool)
    for one in ranges:
        if isinstance(one["lo"], str) or not pd.api.types.is_numeric_dtype(series):
            declared |= series.isin([one["lo"], one["hi"]]).to_numpy()
        else:
            declared |= ((series >= one["lo"]) & (series <= one["hi"])).to_numpy()
    if codes:
        declared |= series.isin(codes).to_numpy()
    if not declared.any():
        return series, 0
    kept = series.mask(declared)
    return (pd.to_numeric(kept) if codes else kept), int(declared.sum())


def _labelled(series: pd.Series[Any], labels: Mapping[Any, str]) -> pd.Series[Any] | None:
    """Return the labels of a column in which most values have one, None for a column of numbers."""
    present = series.dropna()
    known = present.isin(list(labels))
    if present.empty or known.mean() <= 0.5:
        return None
    shown = {value: labels.get(value, f"{value:g}" if isinstance(value, float) else str(value)) for value in present.unique()}
    return series.map(shown).astype("str")
