"""Tables for the public: cells that rest on too few households are hidden, and those that would reveal them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.intake.personal_patterns import Flags, policy
from evalkit.words import Catalogue

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hidden:
    """A cell that is not shown: its row and column, and why: "small", or "complement" (else a small one could be worked out).

    The reason is for the owner of the data: a public table marks both alike.
    """

    row: object
    column: object
    reason: str


@dataclass(frozen=True, eq=False)
class Suppressed:
    """A table whose cells on too few households are missing, and which cells these are."""

    table: pd.DataFrame
    cells: tuple[Hidden, ...]
    minimum: int

    def marked(self, words: Catalogue) -> pd.DataFrame:
        """Return the table for a public version: hidden cells carry a mark, the same for every reason."""
        shown = self.table.astype(object)
        for cell in self.cells:
            shown.loc[[cell.row], [cell.column]] = words.say("disclosure.mark", minimum=self.minimum)
        return shown


def suppress(
    table: pd.DataFrame,
    counts: str | pd.Series | pd.DataFrame,
    minimum: int | None = None,
    *,
    values: Sequence[str] | None = None,
    within: str | Sequence[str] = (),
    total: object = None,
) -> Suppressed:
    """Return the table without the cells that rest on fewer than ``minimum`` households, nor those that would reveal them.

    Where the total of a line is published, one hidden cell is the total less the others. So in every such line at least two cells are
    hidden, together resting on at least ``minimum`` households; the smallest remaining ones join. A cell whose count is unknown is hidden.

    Parameters
    ----------
    table : (n, k) frame with rows named once each
    counts : households behind the cells
        A column of the table or (n,) counts when every row is a cell; an (n, k) frame, with the same rows and columns, when every
        value is one.
    minimum : int, optional
        10 unless said otherwise (data/codes/disclosure.csv).
    values : columns to hide when every row is a cell; all numeric columns, the counts too, if not given
    within : columns whose groups have a published total, when every row is a cell
    total : the name of the row and of the column that hold the totals, when every value is a cell

    Raises
    ------
    ValueError
        When rows or columns of the counts are not those of the table.

    Examples
    --------
    >>> table = pd.DataFrame({"poor": [30.0, 4.0, 25.0], "other": [80.0, 60.0, 12.0]}, index=["A", "B", "C"])
    >>> table.loc["total"] = table.sum()
    >>> hidden = suppress(table, table, total="total")
    >>> [(cell.row, cell.column, cell.reason) for cell in hidden.cells]
    [('B', 'poor', 'small'), ('C', 'poor', 'complement')]
    """
    least = int(policy("minimum_households")) if minimum is None else minimum
    if isinstance(counts, pd.DataFrame):
        if not (table.index.equals(counts.index) and table.columns.equals(counts.columns)):
            raise ValueError("the counts need the rows and the columns of the table")
        numbers = counts.to_numpy(dtype=float, na_value=np.nan)
        hidden, small = _hide(numbers, least, _margins(table, total))
        columns: list[object] = list(table.columns)
    else:
        series = table[counts] if isinstance(counts, str) else counts
        if not series.index.equals(table.index):
            raise ValueError("the counts need the rows of the table")
        numbers = series.to_numpy(dtype=float, na_value=np.nan)[:, None]
        columns = list(values) if values is not None else list(table.select_dtypes("number").columns)
        hidden, small = _hide(numbers, least, _groups(table, [within] if isinstance(within, str) else list(within)))
        hidden, small = np.repeat(hidden, len(columns), axis=1), np.repeat(small, len(columns), axis=1)
    shown = table.copy()
    for place, column in enumerate(columns):
        shown[column] = table[column].mask(hidden[:, place])
    cells = tuple(
        Hidden(table.index[row], columns[place], "small" if small[row, place] else "complement")
        for row, place in np.argwhere(hidden)
    )
    return Suppressed(shown, cells, least)


Line = tuple[
    npt.NDArray[np.int64], bool
]  # positions of the cells of one line with a published total, and whether the last of them is the total


def _margins(table: pd.DataFrame, total: object) -> list[Line]:
    """Return the rows and columns of a table whose total is published, as positions in the flattened table."""
    places = np.arange(table.size).reshape(table.shape)
    lines: list[Line] = []
    if total in table.columns:
        last = int(np.flatnonzero(table.columns == total)[0])
        lines += [(np.r_[np.delete(row, last), row[last]], True) for row in places]
    if total in table.index:
        last = int(np.flatnonzero(table.index == total)[0])
        lines += [(np.r_[np.delete(column, last), column[last]], True) for column in places.T]
    return lines


def _groups(table: pd.DataFrame, within: list[str]) -> list[Line]:
    return [(np.asarray(rows), False) for rows in table.groupby(within, dropna=False).indices.values()] if within else []


def _hide(counts: Counts, minimum: int, lines: list[Line]) -> tuple[Flags, Flags]:
    """Return which cells are hidden and which of them are small: (n, k) flags each."""
    flat = counts.ravel()
    known = np.nan_to_num(flat, nan=0.5)  # an unknown count hides something, but may rest on nobody
    small: Flags = ~(flat >= minimum)
    hidden = small.copy()
    while (more := _revealed_by_lines(known, hidden, minimum, lines)) or (more := _revealed_together(known, hidden, lines)):
        hidden[more] = True
    return hidden.reshape(counts.shape), small.reshape(counts.shape)


def _smallest_shown(cells: npt.NDArray[np.int64], known: Counts, hidden: Flags) -> int | None:
    shown = cells[~hidden[cells] & (known[cells] > 0)]
    return int(shown[np.argmin(known[shown])]) if len(shown) else None


def _revealed_by_lines(known: Counts, hidden: Flags, minimum: int, lines: list[Line]) -> list[int]:
    """Return one more cell for every line whose hidden cells are a single one, or rest on too few households together."""
    more = []
    for cells, has_total in lines:
        gone, inner = cells[hidden[cells]], cells[:-1] if has_total else cells
        hides = gone[known[gone] > 0]
        if not len(hides) or (has_total and hidden[cells[-1]] and len(hides) > 1):
            continue
        if len(hides) == 1 or known[hides].sum() < minimum:
            another = _smallest_shown(inner, known, hidden)
            another = _smallest_shown(cells, known, hidden) if another is None else another
            if another is not None:
                more.append(another)
    return more


def _revealed_together(known: Counts, hidden: Flags, lines: list[Line]) -> list[int]:
    """Return one more cell when rows and columns taken together still give a hidden one away.

    A hidden cell is given away when it is the same in every solution of the equations "cells add up to the total": its row in the basis
    of their null space is zero.
    """
    places = np.flatnonzero(hidden & (known > 0))
    crossing = [(cells, has_total) for cells, has_total in lines if has_total and hidden[cells].any()]
    if not crossing or not len(places):
        return []
    equations = np.array([np.isin(places, cells[:-1]) * 1.0 - (places == cells[-1]) for cells, _ in crossing])
    _, sizes, basis = np.linalg.svd(equations)
    free = basis[int((sizes > 1e-9).sum()) :]
    for place in places[np.abs(free).sum(axis=0) < 1e-9]:
        for cells, _ in crossing:
            if place in cells and (another := _smallest_shown(cells, known, hidden)) is not None:
                return [another]
    return []
