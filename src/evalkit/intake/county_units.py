"""The units of a span of years: which counties are one because land moved between them, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.intake.county_history import JOIN, WHOLE, Bools, CountyHistory, Positions, Words, connected


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a span of years.

    Attributes
    ----------
    history : the history they come from
    first : the first year of the span
    labels : (n,) unit of every record, said as the position of its first record
    links : frame like the history's, of the changes that put records together
    shifts : frame like the history's, of the boundary shifts of the span, whether or not they put counties together
    code, name, members : (n,) by label; ``members`` joins the codes that are put together with "+", "" for a single county
    """

    history: CountyHistory
    first: int
    labels: Positions
    links: pd.DataFrame
    shifts: pd.DataFrame
    code: Words
    name: Words
    members: Words


def county_units(history: CountyHistory, first: int, last: int, to_year: int, boundary_shifts: str, used: Positions) -> Units:
    """Return the units of the years ``first`` to ``last``: what hangs together through changes after ``first``, up to ``last``.

    A record that is used in years when it was not in force is followed to those that were, so that a file in today's codes works.
    """
    year, kind = history.links["year"].to_numpy(), history.links["kind"].to_numpy()
    in_span = (year > first) & (year <= last)
    wanted = in_span.copy()
    if boundary_shifts == "keep":
        wanted &= kind != "shifted"
    wanted |= _paths(history, first, last, np.unique(used))
    links = history.links[wanted].reset_index(drop=True)
    labels = connected(len(history.records), links)
    shifts = history.links[in_span & (kind == "shifted")].reset_index(drop=True)
    return Units(history, first, labels, links, shifts, *_named(history, labels, links, first, to_year))


def _paths(history: CountyHistory, first: int, last: int, used: Positions) -> Bools:
    """Return which links (m,) lead from records outside the span to the records inside it that they stand for."""
    start, end = history.records["start"].to_numpy(), history.records["end"].to_numpy()
    links = history.links
    lasting = links["kind"] != "shifted"
    chosen = np.zeros(len(links), dtype=bool)
    for here, there, outside in (("source", "target", end <= first), ("target", "source", start > last)):
        followed = (links["kind"].isin(WHOLE) if here == "source" else lasting).to_numpy()
        waiting = used[outside[used]]
        while len(waiting):
            step = followed & np.isin(links[here].to_numpy(), waiting) & ~chosen
            if here == "target":  # only what a county was born from, not what it took in later
                step &= links["year"].to_numpy() == start[links["target"].to_numpy()]
            chosen |= step
            reached = np.unique(links[there].to_numpy()[step])
            waiting = reached[outside[reached]]
    return chosen


def _named(history: CountyHistory, labels: Positions, links: pd.DataFrame, first: int, to_year: int) -> tuple[Words, Words, Words]:
    """Return the code, name and members of every unit; arrays (n,) by label."""
    code, name = history.code_of.copy(), history.name_of.copy()
    members = np.full(len(code), "", dtype=object)
    ends = links[["source", "target"]].to_numpy(dtype=np.int64)
    combining = set(labels[ends[(links["kind"] != "continued").to_numpy(), 0]])
    in_units = np.flatnonzero(np.isin(labels, labels[ends.ravel()]))
    # A stable sort keeps the order of the records: the one of their codes.
    groups = {int(labels[group[0]]): group for group in _runs(in_units[np.argsort(labels[in_units], kind="stable")], labels)}
    now = {unit: _in_force(history, group, to_year) for unit, group in groups.items()}
    then = {unit: _in_force(history, group, first) for unit, group in groups.items()}
    owner = {str(history.code_of[i]): int(labels[i]) for i in np.flatnonzero(_live(history, to_year))}
    taken: set[str] = set()
    for unit in sorted(groups, key=lambda unit: (len(now[unit]) != 1, unit)):
        codes = list(dict.fromkeys(history.code_of[groups[unit]]))
        ancestor = then[unit] if len(then[unit]) == 1 else then[unit][:0]
        wanted = [*(now[unit] if len(now[unit]) == 1 else ancestor), *now[unit], *groups[unit]]
        free = [c for c in history.code_of[wanted] if c not in taken and owner.get(c, unit) == unit]
        code[unit] = free[0] if free else JOIN.join(codes)
        taken.add(code[unit])
        meant = next((group for group in (now[unit], then[unit]) if len(group)), groups[unit])
        name[unit] = JOIN.join(dict.fromkeys(history.name_of[meant]))
        members[unit] = JOIN.join(codes) if unit in combining else ""
    return code, name, members


def _runs(positions: Positions, labels: Positions) -> list[Positions]:
    """Return positions sorted by label, cut where the label changes; nothing for no positions."""
    return np.split(positions, np.flatnonzero(np.diff(labels[positions])) + 1) if len(positions) else []


def _live(history: CountyHistory, year: int) -> Bools:
    start, end = (history.records[column].to_numpy() for column in ("start", "end"))
    live: Bools = (start <= year) & (end > year)
    return live


def _in_force(history: CountyHistory, group: Positions, year: int) -> Positions:
    """Return the counties of a unit in force in a year; a prefecture only where there is no county."""
    live = group[_live(history, year)[group]]
    counties = live[history.county[live]]
    return counties if len(counties) else live
