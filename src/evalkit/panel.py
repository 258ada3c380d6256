"""Panel: one row per unit and period, roles declared, judged at birth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import PanelError, first_five, unknown

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Panel:
    """A frame with one row per unit and period, whose roles are declared and judged once.

    Parameters
    ----------
    frame : DataFrame
        Long data, one row per unit and period, in any order. It is not changed.
    unit : str or None
        Column that names the unit (text or numbers). ``None`` declares a repeated
        cross-section: every row is another household, seen once.
    period : str
        Column of whole numbers (years) or of dates, one date a year.
    clusters : sequence of str
        Columns along which errors may be correlated.
    weight : str, optional
        Column of positive sampling weights.

    Attributes
    ----------
    units : (N,) labels of the units, sorted
    periods : (T,) whole numbers, sorted
    unit_index, period_index : (n,) positions of each sorted row in ``units`` and ``periods``

    Raises
    ------
    PanelError
        For an empty frame, an unknown column, a missing unit or period, periods that are not
        whole numbers or yearly dates, and units that appear twice in one period.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"village": ["a", "a", "b", "b"], "year": [2014, 2015, 2014, 2015],
    ...                       "income": [3000.0, 3300.0, 2800.0, 3000.0]})
    >>> Panel(frame, unit="village", period="year")
    Panel of 2 units ('village') in 2 periods ('year', 2014-2015), 4 rows, balanced
    """

    frame: pd.DataFrame
    unit: str | None
    period: str
    clusters: Sequence[str] = ()
    weight: str | None = None
    units: Array = field(init=False, repr=False)
    periods: Array = field(init=False, repr=False)
    unit_index: Array = field(init=False, repr=False)
    period_index: Array = field(init=False, repr=False)
    order: Array | None = field(init=False, repr=False)
    dated: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.frame, pd.DataFrame):
            raise PanelError(f"A panel is made from a pandas DataFrame, not from {type(self.frame).__name__}.")
        clusters = (self.clusters,) if isinstance(self.clusters, str) else tuple(self.clusters)
        # A shallow copy: under copy-on-write the caller may go on changing the frame, we never see it.
        self._keep(frame=self.frame.copy(deep=False), clusters=clusters)
        self._judge_columns()
        numbers, dated = period_numbers(self.frame[self.period], self.period)
        periods, period_index = positions(numbers)
        self._keep(periods=periods, dated=dated)
        self._arrange(period_index)
        self._judge_duplicates()

    def _keep(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _judge_columns(self) -> None:
        columns = [str(c) for c in self.frame.columns]
        roles = [self.unit, self.period, *self.clusters, self.weight]
        for name in (role for role in roles if role is not None):
            if name not in self.frame.columns:
                raise PanelError(unknown("column", name, columns))
        if self.frame.columns.duplicated().any():
            twice = self.frame.columns[self.frame.columns.duplicated()]
            raise PanelError(f"Columns appear twice: {first_five(twice)}. Rename or drop one of each.")
        if self.frame.empty:
            raise PanelError("The frame has no rows. Look at the filter or the file that made it: a panel needs at least one row.")
        for key in (self.unit, self.period, *self.clusters):
            if key is not None and (missing := self.frame[key].isna().to_numpy()).any():
                rows = first_five(np.flatnonzero(missing))
                raise PanelError(
                    f"Column {key!r} is missing in {missing.sum():,} rows (row numbers {rows}). "
                    "Fill it in, or drop these rows before making the panel."
                )

    def _arrange(self, period_index: Array) -> None:
        """Find the order that sorts rows by unit and period, or None when they already are."""
        if self.unit is None:
            n = len(self.frame)
            self._keep(units=np.arange(n), unit_index=np.arange(n, dtype=np.int32), period_index=period_index)
            self._keep(order=None)
            return
        labelled = self.frame[self.unit]
        # Text is left where it is: a million names as Python objects take more memory than all numbers of a panel.
        column = labelled.to_numpy() if labelled.dtype.kind in "iu" else None
        if column is not None and (np.diff(column) >= 0).all():
            starts = np.r_[True, column[1:] != column[:-1]]
            unit_index, units = np.cumsum(starts, dtype=np.int32) - np.int32(1), column[starts]
        else:
            codes, labels = pd.factorize(labelled, sort=True)
            unit_index, units = codes.astype(np.int32), np.asarray(labels)
        step = np.diff(unit_index)
        if ((step > 0) | ((step == 0) & (np.diff(period_index) >= 0))).all():
            order = None
        else:
            order = np.lexsort((period_index, unit_index))
            unit_index, period_index = unit_index[order], period_index[order]
        self._keep(units=units, unit_index=unit_index, period_index=period_index, order=order)

    def _judge_duplicates(self) -> None:
        again = (np.diff(self.unit_index) == 0) & (np.diff(self.period_index) == 0)
        if again.any():
            rows = np.flatnonzero(again)
            raise PanelError(
                f"{len(rows):,} {self.unit!r} appear twice in one {self.period!r}: {first_five(self.places(rows))}. "
                "A panel has one row per unit and period. Combine them before loading "
                f"(frame.groupby([{self.unit!r}, {self.period!r}]).mean()), or choose a finer unit."
            )

    def __repr__(self) -> str:
        kind = "rows of a repeated cross-section" if self.unit is None else f"units ({self.unit!r})"
        span = f"{self.periods[0]}-{self.periods[-1]}"
        shape = "" if self.unit is None else (", balanced" if self.balanced else ", unbalanced")
        return (
            f"Panel of {len(self.units):,} {kind} in {len(self.periods)} periods ({self.period!r}, {span}), "
            f"{len(self.unit_index):,} rows{shape}"
        )

    @property
    def balanced(self) -> bool:
        """Whether every unit has a row in every period."""
        return len(self.unit_index) == len(self.units) * len(self.periods)

    def places(self, rows: Iterable[int]) -> list[str]:
        """Return 'unit (period)' for sorted row positions, for messages."""
        rows = np.asarray(list(rows)[:1000], dtype=int)
        labels, when = self.units[self.unit_index[rows]], self.periods[self.period_index[rows]]
        return [f"{label} ({period})" for label, period in zip(labels, when, strict=True)]

    def column(self, name: str) -> pd.Series:
        """Return a column in the panel's row order."""
        if name not in self.frame.columns:
            raise PanelError(unknown("column", name, [str(c) for c in self.frame.columns]))
        series = self.frame[name]
        return series if self.order is None else series.iloc[self.order]

    def numbers(self, name: str) -> Array:
        """Return a column as (n,) floats in the panel's row order, missing values as NaN.

        Raises PanelError when the column holds text or infinite values.
        """
        series = self.column(name)
        if not (pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)):
            self._refuse_text(series, name)
        values: Array = series.to_numpy(dtype=float, na_value=np.nan)
        if (infinite := np.isinf(values)).any():
            rows = np.flatnonzero(infinite)
            raise PanelError(
                f"Column {name!r} is infinite in {len(rows):,} rows: {first_five(self.places(rows))}. "
                "An infinity is a fault upstream (a division by zero, the log of zero), not a missing value. Mend it there."
            )
        return values

    def _refuse_text(self, series: pd.Series, name: str) -> None:
        parsed = pd.to_numeric(series.astype("object"), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        bad = np.flatnonzero(np.isnan(parsed) & series.notna().to_numpy())
        shown = bad if len(bad) else np.flatnonzero(series.notna().to_numpy())
        where = zip(series.iloc[shown[:1000]], self.places(shown), strict=True)
        listed = first_five(f"{value!r} in {place}" for value, place in where)
        what = f"{len(bad):,} values that are not numbers" if len(bad) else "numbers written as text"
        raise PanelError(f"Column {name!r} holds {what}: {listed}. Convert it first, for example with pandas.to_numeric.")


def positions(numbers: Array) -> tuple[Array, Array]:
    """Return the distinct whole numbers (T,), sorted, and each number's position among them (n,)."""
    first, last = int(numbers.min()), int(numbers.max())
    if last - first > 10_000:
        distinct, index = np.unique(numbers, return_inverse=True)
        return distinct, index.astype(np.int32)
    # Years lie close together: counting them is an order of magnitude faster than sorting millions of rows.
    seen = np.bincount(numbers - first) > 0
    return np.flatnonzero(seen) + first, (np.cumsum(seen, dtype=np.int32) - np.int32(1))[numbers - first]


def period_numbers(series: pd.Series, name: str) -> tuple[Array, bool]:
    """Return periods as (n,) whole numbers, and whether they were dates.

    Dates become their year when there is one date a year; anything else raises PanelError.
    """
    if pd.api.types.is_datetime64_any_dtype(series) or isinstance(series.dtype, pd.PeriodDtype):
        dates = pd.Series(series.unique())
        years = dates.dt.year
        if years.duplicated().any():
            twice = sorted(years[years.duplicated()].unique())
            raise PanelError(
                f"Column {name!r} holds several dates in one year ({first_five(twice)}). evalkit counts periods in whole "
                "numbers: add a column that numbers the quarters or months and use it as the period."
            )
        return series.dt.year.to_numpy(dtype=np.int64), True
    numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    if not numeric and pd.api.types.infer_dtype(series) != "integer":
        raise PanelError(
            f"Column {name!r} holds {pd.api.types.infer_dtype(series)} such as {series.iloc[0]!r}. "
            "Periods are whole numbers (years) or dates: convert it with astype(int) or pandas.to_datetime."
        )
    values: Array = series.to_numpy(dtype=float) if series.dtype.kind not in "iu" else series.to_numpy()
    if values.dtype.kind == "f":
        if (odd := ~np.isfinite(values) | (values != np.round(values))).any():
            raise PanelError(f"Periods in {name!r} are not whole numbers: {first_five(values[odd])}.")
        values = values.astype(np.int64)
    return values, False
