"""Programmes that arrive together: who shares them, and when an effect belongs to a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import RolloutError, first_five, unknown
from evalkit.events.judging import STARTS
from evalkit.events.policy import threshold
from evalkit.events.reading import labels
from evalkit.events.table import Events
from evalkit.notices import Notice
from evalkit.panel import Panel

Array = np.ndarray[Any, Any]
Units = Panel | Sequence[object] | Array | None


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which programmes the same units get, and how many get them at about the same time.

    Attributes
    ----------
    programmes : (P,) codes in the order of the dictionary
    both : (P, P) units that started both programmes; the diagonal holds the units that started one
    together : (P, P) units that started both at most ``window`` years apart
    date, window : the event that counts as the start, and the years
    listed_only, undated : (P,) units not counted because they are listed and nothing more, or because no start of theirs has a date
    """

    programmes: tuple[str, ...]
    both: Array = field(repr=False)
    together: Array = field(repr=False)
    date: str
    window: int
    listed_only: Array = field(repr=False)
    undated: Array = field(repr=False)

    @property
    def counts(self) -> pd.DataFrame:
        """Units with both programmes, programme x programme."""
        return pd.DataFrame(self.both, index=list(self.programmes), columns=list(self.programmes))

    @property
    def shares(self) -> pd.DataFrame:
        """Share of the row programme's units that start the column programme within the window before or after."""
        treated = np.diag(self.both)[:, None]
        share = np.divide(self.together, treated, out=np.zeros(self.together.shape), where=treated > 0)
        return pd.DataFrame(share, index=list(self.programmes), columns=list(self.programmes))


@dataclass(frozen=True)
class Bundle:
    """Programmes that mostly arrive together, so that an effect cannot be told apart among them.

    Attributes
    ----------
    programme : the programme that was asked about
    programmes : all that the bundle is named after, the one asked about first
    shares : every other programme -> share of the treated units that start it within the window, largest first
    units, treated_units : how many treated units start at least one other programme within the window, and how many there are
    """

    programme: str
    programmes: tuple[str, ...]
    shares: dict[str, float]
    units: int
    treated_units: int
    window: int

    @property
    def share(self) -> float:
        """Share of the treated units that start at least one other programme within the window."""
        return self.units / self.treated_units

    @property
    def notice(self) -> Notice:
        """The remark by which a report renames the effect."""
        facts = {
            "programmes": list(self.programmes),
            "share": self.share,
            "shares": dict(self.shares),
            "units": self.units,
            "treated_units": self.treated_units,
            "window": self.window,
        }
        return Notice("BUNDLE", facts)


def overlap(units: Units, events: Events, date: str = "funded", window: int = 1) -> Overlap:
    """Return which programmes the same units start, and how often within a window of years.

    A unit starts a programme in the first year of the chosen event, or where that is missing of its first other event except a mere
    listing. Units that are only listed and starts without a date are counted apart.

    Parameters
    ----------
    units : Panel, labels of units, or None for all units with events
    date : "listed", "funded", "built" or "moved_in"
    window : years before and after

    Examples
    --------
    >>> frame = pd.DataFrame({"unit": ["a", "a", "b"], "programme": ["industry", "health", "industry"], "event": "funded",
    ...                       "date": ["2015", "2016", "2016"]})
    >>> overlap(None, Events.read(frame)).shares
              industry  health
    industry       1.0     0.5
    health         1.0     1.0
    """
    starts, listed_only, undated = _starts(events, units, date, window)
    codes = events.present
    years = starts.reindex(columns=list(codes)).to_numpy(dtype=float)
    has = np.isfinite(years).astype(int)
    # A missing year differs from every other by NaN, which is no difference of at most a window.
    near = np.abs(years[:, :, None] - years[:, None, :]) <= window
    apart = {
        name: np.array([counts.get(code, 0) for code in codes]) for name, counts in (("listed", listed_only), ("undated", undated))
    }
    return Overlap(codes, has.T @ has, near.sum(axis=0), date, window, apart["listed"], apart["undated"])


def bundle(events: Events, programme: str, window: int = 1, date: str = "funded", units: Units = None) -> Bundle | None:
    """Return the bundle that a programme is part of, or None when at most half of its units start another one within the window.

    A bundle is named after the programmes that more than half of the treated units start within ``window`` years before or after,
    and after the fewest others, the most frequent first, that are needed to account for more than half. The limit is
    ``bundle_share`` in data/codes/thresholds.csv. Raises RolloutError when no unit starts the programme.

    Examples
    --------
    >>> frame = pd.DataFrame({"unit": ["a", "a", "b"], "programme": ["industry", "health", "industry"], "event": "funded",
    ...                       "date": ["2015", "2016", "2016"]})
    >>> bundle(Events.read(frame), "industry") is None, bundle(Events.read(frame), "health").programmes
    (True, ('health', 'industry'))
    """
    starts, _, _ = _starts(events, units, date, window)
    code = events.programmes.code(programme)
    if code not in starts or not starts[code].notna().any():
        raise RolloutError(
            f"No unit starts {code!r}, so no other programme starts with it. Started: {', '.join(starts.columns) or 'none'}."
        )
    own = starts[starts[code].notna()]
    others = own.drop(columns=code)
    near = (others.sub(own[code], axis=0).abs() <= window).to_numpy()
    limit = threshold("bundle_share") * len(own)
    if near.any(axis=1).sum() <= limit:
        return None
    names, counts = list(map(str, others.columns)), near.sum(axis=0)
    order = sorted(map(int, np.flatnonzero(counts)), key=lambda j: (-counts[j], events.present.index(names[j])))
    members, reached = [code], np.zeros(len(own), dtype=bool)
    for j in order:
        if counts[j] > limit or reached.sum() <= limit:
            members.append(names[j])
            reached |= near[:, j]
    shares = {names[j]: float(counts[j] / len(own)) for j in order}
    return Bundle(code, tuple(members), shares, int(near.any(axis=1).sum()), len(own), window)


def _starts(events: Events, units: Units, date: str, window: int) -> tuple[pd.DataFrame, dict[str, int], dict[str, int]]:
    """Return the start years (units x programmes, NaN without a start), and units listed only and without a date by programme."""
    if date not in STARTS:
        raise RolloutError(unknown("choice of date", date, STARTS))
    if isinstance(window, bool) or int(window) != window or window < 0:
        raise RolloutError(f"window counts years before and after: 0, 1, 2, ..., not {window}.")
    rows = events.frame[events.frame["event"] != "ended"]
    if units is not None:
        wanted = labels(np.asarray(units.units if isinstance(units, Panel) else list(units), dtype=object))
        rows = rows[rows["unit"].isin(wanted)]
        if rows.empty:
            raise RolloutError(
                f"None of these units has an event: {first_five(wanted)}. The events have {first_five(events.frame['unit'].unique())}."
            )
    key = ["unit", "programme"]
    beyond = rows["event"].isin([date, *STARTS[1:]])
    took_part, started = rows[key].drop_duplicates(), rows[beyond]
    chosen = started[started["event"] == date].groupby(key)["year"].min()
    start = chosen.combine_first(started.groupby(key)["year"].min())
    listed_only = _per_programme(
        took_part.merge(started[key].drop_duplicates(), how="left", indicator=True).query("_merge == 'left_only'")
    )
    undated = _per_programme(start[start.isna()].reset_index())
    return start.dropna().reset_index().pivot_table("year", "unit", "programme"), listed_only, undated


def _per_programme(rows: pd.DataFrame) -> dict[str, int]:
    return {str(code): int(count) for code, count in rows["programme"].value_counts().items()}
