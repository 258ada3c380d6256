"""Events: what happened to which unit in which programme and when, judged once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import RolloutError, first_five, unknown
from evalkit.events.judging import EVENTS, judged
from evalkit.events.programmes import Programmes
from evalkit.events.reading import opened, roles
from evalkit.events.starts import first_treated, undated
from evalkit.notices import Notice
from evalkit.panel import Panel

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Events:
    """A long table of events, one row each: a unit, a programme, what happened, and when.

    Attributes
    ----------
    frame : DataFrame, sorted, with the columns
        unit (label as text), programme (code), event (listed, funded, built, moved_in or ended), date (as exactly as it is known:
        2016, 2016-08 or 2016-08-03; "" when it is blank), year (NaN when the date is blank), dose (yuan, NaN when not given),
        source (text), line (where the row stood in the file)
    programmes : the dictionary of programmes
    ignored : headings of columns that no event needs, such as the year of exit from the register
    notices : what was left out or needs a look
    """

    frame: pd.DataFrame = field(repr=False)
    programmes: Programmes = field(repr=False)
    ignored: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    @classmethod
    def read(
        cls,
        source: pd.DataFrame | str | Path,
        columns: Mapping[str, str] | None = None,
        programmes: str | Path | pd.DataFrame | None = None,
    ) -> Events:
        """Read and judge a table of events.

        Parameters
        ----------
        source : DataFrame or path of a csv, tsv, xls or xlsx file
            Columns unit, programme, event, date, and perhaps dose (yuan) and source; usual Chinese headings are understood.
            Event words are listed, funded, built, moved_in, ended, or 列入, 到账, 建成, 入住, 结束 and their usual variants. A date
            is a year, a month ("2016-08", "2016年8月") or a day. A blank date stays: the event took place, its date is unknown.
        columns : heading -> role, optional
            For headings that are not understood, for example ``{"xm": "programme"}``.
        programmes : file or frame of local names, optional
            Columns ``name`` and ``programme``.

        Raises
        ------
        RolloutError
            With every problem found, one a line: blank units, unknown programmes and event words, unreadable dates and doses; then
            rows that appear twice and support that ended without or before a start.

        Examples
        --------
        >>> frame = pd.DataFrame({"unit": ["a", "a", "b"], "programme": "易地搬迁", "event": ["列入", "入住", "列入"],
        ...                       "date": ["2015", "2017年3月", "2016"]})
        >>> Events.read(frame)
        Events of 2 units: relocation (3), 2015-2017
        """
        shipped = Programmes.shipped()
        dictionary = shipped if programmes is None else shipped.with_local_names(programmes)
        table, places = opened(source)
        heading = roles(table, columns or {})
        ignored = tuple(str(column) for column in table.columns if column not in heading.values())
        picked = pd.DataFrame({role: table[name] for role, name in heading.items()}, index=table.index)
        frame, notices = judged(picked, places, dictionary)
        return cls(frame, dictionary, ignored, notices)

    def __repr__(self) -> str:
        counts = self.frame["programme"].value_counts()
        listed = ", ".join(f"{code} ({counts[code]:,})" for code in self.present)
        years = self.frame["year"].dropna()
        span = f", {years.min():.0f}-{years.max():.0f}" if len(years) else ""
        return f"Events of {self.frame['unit'].nunique():,} units: {listed}{span}"

    @property
    def present(self) -> tuple[str, ...]:
        """The codes of the programmes in the table, in the order of the dictionary."""
        held = set(self.frame["programme"])
        return tuple(code for code in self.programmes.codes if code in held)

    def of(self, programme: str) -> pd.DataFrame:
        """Return the rows of one programme, by its code or any of its names; raises RolloutError when there are none."""
        code = self.programmes.code(programme)
        rows = self.frame[self.frame["programme"] == code]
        if rows.empty:
            raise RolloutError(f"The table has no event of {code!r}. It has events of: {', '.join(self.present)}.")
        return rows

    def first_treated(
        self,
        panel: Panel,
        programme: str,
        date: str = "funded",
        missing_date: str | Sequence[str] = "refuse",
        ended: str = "absorbing",
    ) -> tuple[str, Array, tuple[Notice, ...]]:
        """Return the programme's code, (N,) first treated years in the order of ``panel.units`` (inf without events), and remarks.

        See :meth:`evalkit.Rollout.from_events` for the choices.
        """
        return first_treated(self, panel, programme, date, missing_date, ended)

    def undated(self, panel: Panel, programme: str, date: str = "funded") -> Array:
        """Return the labels of the panel's units with events of a programme but no dated event of this kind, in panel order.

        Examples
        --------
        >>> panel = Panel(pd.DataFrame({"village": ["a", "a", "b", "b"], "year": [2015, 2016] * 2}), unit="village", period="year")
        >>> frame = pd.DataFrame({"unit": ["a", "b"], "programme": "industry", "event": ["funded", "listed"], "date": "2016"})
        >>> Events.read(frame).undated(panel, "industry", "funded").tolist()
        ['b']
        """
        return undated(self, panel, programme, date)


def doses(events: Events, programme: str, event: str | None = None) -> pd.DataFrame:
    """Return the money each unit received from a programme, all payments summed.

    Parameters
    ----------
    event : kind of event whose amounts are money received, for example "funded"
        Needed only when amounts stand with several kinds, because a planned and a paid amount must not be added.

    Returns
    -------
    DataFrame, one row per unit with such an event
        unit; yuan (NaN when no amount is known); payments, the events summed; without_dose, how many of them have no amount.

    Raises
    ------
    RolloutError
        When no amount is given, or when amounts stand with several kinds of event and none is chosen.

    Examples
    --------
    >>> frame = pd.DataFrame({"unit": ["a", "a", "b"], "programme": "industry", "event": "funded", "date": ["2015", "2016", "2016"],
    ...                       "dose": [5000, 3000, None]})
    >>> print(doses(Events.read(frame), "industry").to_string(index=False))
    unit   yuan  payments  without_dose
       a 8000.0         2             0
       b    NaN         1             1
    """
    rows = events.of(programme)
    if event is not None and event not in EVENTS:
        raise RolloutError(unknown("event", event, EVENTS))
    given = rows.loc[rows["dose"].notna(), "event"].value_counts()
    kinds = [kind for kind in EVENTS if kind in given.index]
    if not kinds:
        raise RolloutError(
            f"No event of {rows['programme'].iloc[0]!r} has a dose. A dose is an amount in yuan in a column of its own."
        )
    if event is None and len(kinds) > 1:
        raise RolloutError(
            f"Amounts stand with several kinds of event: {first_five(f'{kind} ({given[kind]:,})' for kind in kinds)}. A planned and a paid "
            f"amount must not be added. Say which one was received, for example event={'funded' if 'funded' in kinds else kinds[-1]!r}."
        )
    paid = rows[rows["event"] == (event or kinds[0])]
    if paid["dose"].notna().sum() == 0:
        raise RolloutError(f"No {event!r} event has a dose. Amounts stand with: {', '.join(kinds)}.")
    sums = paid.groupby("unit", sort=True)["dose"].agg(
        yuan=lambda dose: dose.sum(min_count=1), payments="size", without_dose=lambda dose: int(dose.isna().sum())
    )
    return sums.reset_index()
