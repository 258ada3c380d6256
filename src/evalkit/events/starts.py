"""From events to the first treated year of every unit: which date counts, what to do without it, and support that ended."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evalkit.errors import RolloutError, first_five, unknown
from evalkit.events.judging import EVENTS, STARTS
from evalkit.events.policy import threshold
from evalkit.events.reading import labels
from evalkit.notices import Notice
from evalkit.panel import Panel
from evalkit.rollout import FAR

if TYPE_CHECKING:
    from evalkit.events.table import Events

Array = np.ndarray[Any, Any]

MISSING_DATES = ("refuse", "later_event", "any_event", "listed_untreated")
ENDED = ("absorbing", "refuse")
COARSER = (
    "Where events belong to villages and rows to households, bring each village's first year into a column and use "
    "Rollout.from_first_treated."
)


def first_treated(
    events: Events, panel: Panel, programme: str, date: str, missing_date: str | Sequence[str], ended: str
) -> tuple[str, Array, tuple[Notice, ...]]:
    """Return the programme's code, (N,) first treated years in panel order, inf without an event, and remarks."""
    choices = (missing_date,) if isinstance(missing_date, str) else tuple(missing_date)
    for kind, value, allowed in (
        ("date", date, STARTS),
        ("ended", ended, ENDED),
        *(("missing_date", c, MISSING_DATES) for c in choices),
    ):
        if value not in allowed:
            raise RolloutError(unknown(f"choice of {kind}", value, allowed))
    rows, notices = in_panel(events, panel, programme)
    code = str(rows["programme"].iloc[0])
    years = year_table(rows, panel)
    first = years[date].to_numpy(copy=True)
    part = np.zeros(len(panel.units), dtype=bool)
    part[rows["position"]] = True
    settled = np.isfinite(first)
    for choice in choices:
        open_units = part & ~settled
        taken, found = _settle(choice, years, rows, date, open_units)
        if taken.any():
            first[taken] = found[taken]
            settled |= taken
            notices.append(Notice("START_FROM_OTHER_EVENT", {"choice": choice, "date": date, "units": int(taken.sum())}))
    if (left := part & ~settled).any():
        raise RolloutError(_no_date(rows, panel, code, date, left, years))
    _judge_years(first, panel, code)
    untouched = int((~part).sum())
    notices += [Notice("UNTREATED_WITHOUT_EVENT", {"units": untouched})] if untouched else []
    return code, first, (*notices, *_ends(rows, panel, first, ended))


def in_panel(events: Events, panel: Panel, programme: str | None = None) -> tuple[pd.DataFrame, list[Notice]]:
    """Return the events of the panel's units with their ``position`` among them, and a remark on those of other units.

    Labels are compared as text. Raises RolloutError for a repeated cross-section, when two units look alike as text, when a unit
    of the events differs from one of the panel in blanks only, and when no unit of the events is in the panel.
    """
    if panel.unit is None:
        raise RolloutError(f"A repeated cross-section has no units that events could belong to. {COARSER}")
    rows = events.frame if programme is None else events.of(programme)
    names = pd.Index(labels(panel.units))
    if names.has_duplicates:
        twice = names[names.duplicated()]
        raise RolloutError(f"Units of the panel differ in spaces or width only: {first_five(twice)}. Give each unit one label.")
    position = names.get_indexer(pd.Index(rows["unit"]))
    units, outside = rows["unit"].unique(), rows["unit"][position < 0].unique()
    _refuse_near(outside, names)
    if len(outside) == len(units):
        raise RolloutError(
            f"None of the {len(units):,} units with events is in the panel. The events have {first_five(units)}; the panel has "
            f"{first_five(names)}. Labels are compared as text: look for lost leading zeros and for units of another level. {COARSER}"
        )
    facts = {"units": len(outside), "of_units": len(units), "first": list(map(str, outside[:5]))}
    notices = [Notice("EVENTS_OUTSIDE_PANEL", facts)] if len(outside) else []
    return rows.assign(position=position)[position >= 0], notices


def _refuse_near(outside: Array, names: pd.Index) -> None:
    """Refuse units that would be in the panel but for blanks: taken for other units, they would leave treated ones untreated."""
    if not len(outside):
        return
    written = {_close(name): name for name in names}
    near = {unit: written[_close(unit)] for unit in outside if _close(unit) in written}
    if near:
        shown = first_five(f"{unit!r} (in the panel: {name!r})" for unit, name in near.items())
        raise RolloutError(
            f"{len(near):,} unit{'s' if len(near) > 1 else ''} with events differ{'' if len(near) > 1 else 's'} from units of the panel in "
            f"blanks only: {shown}. Write each label alike in both tables, or the unit would count as untreated."
        )


def _close(label: str) -> str:
    """Return a label without blanks and invisible characters.

    >>> _close("漳　县")
    '漳县'
    """
    return "".join(c for c in unicodedata.normalize("NFKC", label) if not c.isspace() and unicodedata.category(c) != "Cf")


def year_table(rows: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Return (N, 4) first years of each kind of start in panel order, inf where a unit has no dated event of that kind."""
    table = {}
    for kind in STARTS:
        first = np.full(len(panel.units), np.inf)
        own = rows[(rows["event"] == kind) & rows["year"].notna()]
        np.minimum.at(first, own["position"].to_numpy(), own["year"].to_numpy())
        table[kind] = first
    return pd.DataFrame(table)


def undated(events: Events, panel: Panel, programme: str, date: str) -> Array:
    """Return the labels of the panel's units that have events of a programme but no dated event of this kind."""
    if date not in STARTS:
        raise RolloutError(unknown("choice of date", date, STARTS))
    rows, _ = in_panel(events, panel, programme)
    part = np.zeros(len(panel.units), dtype=bool)
    part[rows["position"]] = True
    return np.asarray(panel.units[part & ~np.isfinite(year_table(rows, panel)[date].to_numpy())])


def _settle(choice: str, years: pd.DataFrame, rows: pd.DataFrame, date: str, open_units: Array) -> tuple[Array, Array]:
    """Return (N,) which of the open units a choice settles, and (N,) the years it gives them."""
    nothing = np.full(len(years), np.inf)
    if choice == "listed_untreated":
        beyond = np.zeros(len(years), dtype=bool)
        beyond[rows.loc[rows["event"] != "listed", "position"]] = True
        return open_units & ~beyond, nothing
    kinds = {"refuse": (), "later_event": STARTS[STARTS.index(date) + 1 :], "any_event": STARTS}[choice]
    found = years[list(kinds)].min(axis=1).to_numpy() if kinds else nothing
    return open_units & np.isfinite(found), found


def _no_date(rows: pd.DataFrame, panel: Panel, code: str, date: str, left: Array, years: pd.DataFrame) -> str:
    """Say how many units took part without the chosen date, what they have instead, and what can be done."""
    own = rows[left[rows["position"]]]
    named = own["event"].where(own["date"] != "", own["event"] + " without a date")
    order = [name for kind in EVENTS for name in (kind, f"{kind} without a date")]
    having = named.groupby(own["position"]).agg(lambda kinds: " + ".join(name for name in order if name in set(kinds)))
    counts = having.value_counts()
    shown = "; ".join(
        f"{count:,} {'have' if count > 1 else 'has'} {kinds}"
        for kinds, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    )
    possible = {choice: int(_settle(choice, years, rows, date, left)[0].sum()) for choice in MISSING_DATES}
    later = STARTS[STARTS.index(date) + 1 :]
    dated = ", ".join(f"{kind} {int(np.isfinite(years[kind]).sum()):,}" for kind in STARTS)
    text = '"' + str(panel.unit) + '"'
    return (
        f"{left.sum():,} units have events of {code!r} but no dated {date!r} event ({shown}): {first_five(panel.units[left])}. They took part, "
        "and the date is unknown, so they cannot count as untreated. Choose: "
        f"missing_date='later_event' takes the first event that usually follows ({', '.join(later) or 'none follows'}; settles "
        f"{possible['later_event']:,}); missing_date='any_event' takes their first dated event of any kind (settles {possible['any_event']:,}); "
        "missing_date='listed_untreated' says that those with nothing but a listing never received anything (settles "
        f"{possible['listed_untreated']:,}); several may be given in order. To leave these units out: left = events.undated(panel, {code!r}, "
        f"{date!r}), then make the panel anew from frame[~frame[{text}].isin(left)]. Or choose another date: units with each are {dated}."
    )


def _judge_years(first: Array, panel: Panel, code: str) -> None:
    """Refuse years that lie far outside the panel's periods, as they do when its periods are no years."""
    far = np.isfinite(first) & ((first > panel.periods[-1] + FAR) | (first < panel.periods[0] - FAR))
    if far.any():
        shown = first_five(f"{unit} ({year:.0f})" for unit, year in zip(panel.units[far], first[far], strict=True))
        raise RolloutError(
            f"{far.sum():,} units start {code!r} more than {FAR} years from the panel's periods ({panel.periods[0]}-{panel.periods[-1]}): "
            f"{shown}. Events are dated in years, so the panel's periods must be years too; otherwise mend these dates."
        )


def _ends(rows: pd.DataFrame, panel: Panel, first: Array, ended: str) -> tuple[Notice, ...]:
    """Count the treated units whose support ended within the panel; refuse them when asked to."""
    ends = rows[rows["event"] == "ended"]
    start = first[ends["position"]]
    # An end without a date may lie within the panel and counts; an end before the chosen start is of an earlier round.
    within = (start <= panel.periods[-1]) & ~((ends["year"] < start) | (ends["year"] > panel.periods[-1])).to_numpy()
    units = np.unique(ends["position"][within])
    if len(units) == 0:
        return ()
    if ended == "refuse":
        raise RolloutError(
            f"Support ended for {len(units):,} treated units within the panel: {first_five(panel.units[units])}. ended='absorbing' reads the "
            "effect as that of having started; or end the panel before support does, or leave these units out."
        )
    treated = int((first <= panel.periods[-1]).sum())
    limit = threshold("support_ended_share")
    share = len(units) / treated
    facts = {"units": len(units), "treated_units": treated, "share": share, "limit": limit, "many": len(units) > limit * treated}
    return (Notice("SUPPORT_ENDED", facts),)
