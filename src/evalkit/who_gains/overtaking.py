"""Who passed whom (反超), and what became of the near-poor off the register (边缘户): descriptions of neighbours, no effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import StudyError, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.firm_records import NotTold
from evalkit.inference.linear import Inference
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.who_gains.people import Ends, ends_of, line_of, mean_in, over_line
from evalkit.who_gains.poverty import unfit_money
from evalkit.who_records import NearPoor, NoLine, Overtaking, Passed, People, PeopleFound, RankPoint, Village

Array = np.ndarray[Any, Any]

LEAST_PLACES = 5  # fewer villages tell nothing of how shares differ among villages
DISTANCES = np.array([0.5, 0.7, 0.85])  # income over that of the neighbour at the start: who is near behind passes more often


@dataclass(frozen=True)
class Turned:
    """Pairs of a household and a neighbour, by village and distance at the start (V, B), and the households' own counts (H,).

    ``behind`` counts pairs in which the household was behind at the start and ``passed`` those of them in which it is ahead at the
    end; ``ahead`` and ``lost`` (V,) the same the other way. ``own_behind`` and ``own_passed`` are the first two by household.
    """

    behind: Array
    passed: Array
    ahead: Array
    lost: Array
    own_behind: Array
    own_passed: Array


def turned(place: Array, mine: Array, near: Array, start: Array, end: Array) -> Turned:
    """Count who passed whom within places.

    Parameters
    ----------
    place : (N,) codes of villages, 0 to V - 1
    mine, near : (N,) which households, and which are the neighbours they are held against
    start, end : (N,) incomes; nobody passes by being equal

    Examples
    --------
    One village: a household with 10 behind neighbours with 12 and 25, and ahead of one with 8; at the end 14, 13, 26 and 9.

    >>> place, near = np.zeros(4, dtype=int), np.array([False, True, True, True])
    >>> found = turned(place, ~near, near, np.array([10.0, 12.0, 25.0, 8.0]), np.array([14.0, 13.0, 26.0, 9.0]))
    >>> found.behind.tolist(), found.passed.tolist(), found.ahead.tolist(), found.lost.tolist()
    ([[1, 0, 1, 0]], [[0, 0, 1, 0]], [1], [0])
    """
    places, bins = int(place.max()) + 1, len(DISTANCES) + 1
    by_distance = np.zeros((2, places, bins), dtype=np.int64)
    other_way = np.zeros((2, places), dtype=np.int64)
    own = np.zeros((2, len(place)), dtype=np.int64)
    order = np.argsort(place, kind="stable")
    for where, inside in enumerate(np.split(order, np.searchsorted(place[order], np.arange(1, places)))):
        i, j = inside[mine[inside]], inside[near[inside]]
        behind, ahead = start[i, None] < start[None, j], start[i, None] > start[None, j]
        passed, lost = behind & (end[i, None] > end[None, j]), ahead & (end[i, None] < end[None, j])
        distance = np.searchsorted(DISTANCES, start[i, None] / start[None, j], side="right")
        for one, pairs in enumerate((behind, passed)):
            by_distance[one, where] = np.bincount(distance[pairs], minlength=bins)
        other_way[:, where] = ahead.sum(), lost.sum()
        own[0, i], own[1, i] = behind.sum(axis=1), passed.sum(axis=1)
    return Turned(by_distance[0], by_distance[1], other_way[0], other_way[1], own[0, mine], own[1, mine])


def village(study: Study, design: Design, registered: Array | None) -> Village | NotTold:
    """Return who passed near-poor neighbours and what became of them, under each line of the study.

    Near-poor are households off the register and not covered whose income before anybody starts lies between the line and
    ``just_above`` times the line. Ahead of and behind one another are households of one village.
    """
    assert study.who is not None
    if registered is None:
        return NotTold(reason="no_register")
    if not study.who.lines:
        return NotTold(reason="no_lines")
    if refused := unfit_money(study):
        return refused
    column = study.who.place or study.cluster
    if column is None or column == study.unit:
        return NotTold(reason="no_place")
    if column not in design.panel.frame:
        raise StudyError("who.place: " + unknown("column", column, [str(c) for c in design.panel.frame.columns]))
    ends = ends_of(study, design)
    if not ends.end_years or not ends.covered.any():
        return NotTold(reason="no_years")
    codes, _ = design.codes(column)
    place = codes[design.first_rows]
    known = ~np.isnan(ends.start) & ~np.isnan(ends.end) & ~np.isnan(registered) & (ends.covered | ends.open)
    scene = _Scene(study, design, ends, place, registered == 1, known)
    return Village(
        place=column,
        just_above=study.who.just_above,
        start_years=ends.start_years,
        end_years=ends.end_years,
        left_out=int((~known).sum()),
        overtaking=[scene.overtaking(schedule) for schedule in study.who.lines],
        near_poor=[scene.near_poor(schedule) for schedule in study.who.lines],
    )


@dataclass(frozen=True)
class _Scene:
    """Households as neighbours, before and after."""

    study: Study
    design: Design
    ends: Ends
    place: Array
    registered: Array
    known: Array

    def people(self, schedule: str) -> dict[People, Array] | None:
        """Return who belongs to which group under a line (N,), None where the years before the start have no line."""
        assert self.study.who is not None
        line = line_of(schedule, self.ends.start_years)
        if not line:
            return None
        ratio = over_line(self.design, self.design.values(self.study.outcome), line, self.ends.start_years)
        off = self.known & self.ends.open & ~self.registered
        near = off & (ratio >= 1) & (ratio < self.study.who.just_above)
        return {
            "covered": self.known & self.ends.covered,
            "registered": self.known & self.ends.open & self.registered,
            "near": near,
            "other": off & ~near,
        }

    def overtaking(self, schedule: str) -> Overtaking | NoLine:
        """Return who passed near-poor neighbours under a line."""
        people = self.people(schedule)
        if people is None:
            return NoLine(schedule=schedule, reason="no_line_before", facts={"years": self.ends.start_years})
        covered, registered = (
            turned(self.place, people[name], people["near"], self.ends.start, self.ends.end) for name in ("covered", "registered")
        )
        if places_with(covered) < LEAST_PLACES:
            return NoLine(schedule=schedule, reason="few_places", facts={"least": LEAST_PLACES})
        show = Inference(level=self.study.level)
        rows = {str(row["name"]): Interval.of(row) for _, row in show(share_estimate(covered, registered)).iterrows()}
        few = NotTold(reason="few_places", facts={"least": LEAST_PLACES})
        used = people["near"] & np.isin(self.place, np.flatnonzero(covered.behind.sum(axis=1)))
        return Overtaking(
            schedule=schedule,
            neighbours=int(used.sum()),
            places=places_with(covered),
            covered=_passed("covered", covered, rows["covered"]),
            registered=_passed("registered", registered, rows["registered"]) if "registered" in rows else few,
            alike=rows.get("alike"),
            difference=rows.get("difference"),
            without_match=int(covered.behind[:, ~_matched(covered, registered)].sum()),
            ranks=self.ranks(people),
        )

    def ranks(self, people: dict[People, Array]) -> list[RankPoint]:
        """Return the mean place of each group among all households of their village, by year."""
        design = self.design
        frame = pd.DataFrame(
            {
                "unit": design.unit_index,
                "period": design.periods[design.period_index],
                "place": self.place[design.unit_index],
                "income": design.values(self.study.outcome),
            }
        ).dropna()
        among = frame.groupby(["place", "period"])["income"]
        size = among.transform("size")
        frame["rank"] = 100 * (among.rank(method="average") - 1) / (size - 1).where(size > 1)
        points = []
        for group, mask in people.items():
            inside = frame[mask[frame["unit"].to_numpy()]]
            means = inside.groupby("period")["rank"].mean().dropna()
            points += [RankPoint(group=group, period=int(period), rank=float(mean)) for period, mean in means.items()]
        return points

    def near_poor(self, schedule: str) -> NearPoor | NoLine:
        """Return what became of each group under a line."""
        people = self.people(schedule)
        if people is None:
            return NoLine(schedule=schedule, reason="no_line_before", facts={"years": self.ends.start_years})
        at_end = line_of(schedule, self.ends.end_years)
        below = [self._below(schedule, years) for years in (self.ends.start_years, self.ends.end_years)]
        rows = []
        for group, mask in people.items():
            if not mask.any():
                continue
            shares = [None if np.isnan(of[mask]).all() else float(np.nanmean(of[mask])) for of in below]
            start, end = (float(of[mask].mean()) for of in (self.ends.start, self.ends.end))
            rows.append(
                PeopleFound(group=group, units=int(mask.sum()), start=start, end=end, below_start=shares[0], below_end=shares[1])
            )
        return NearPoor(schedule=schedule, rows=rows, line_years=sorted(at_end))

    def _below(self, schedule: str, years: list[int]) -> Array:
        """Return (N,) the share of a household's years in which it was below the line."""
        line = line_of(schedule, years)
        income, when = self.design.values(self.study.outcome), self.design.periods[self.design.period_index]
        values = np.array([line.get(int(year), np.nan) for year in when])
        return mean_in(self.design, np.where(np.isnan(values), np.nan, (income < values).astype(float)), sorted(line))


def _passed(group: Any, found: Turned, share: Interval) -> Passed:
    own = found.own_behind > 0
    most = found.own_passed[own] * 2 > found.own_behind[own]
    ahead = int(found.ahead.sum())
    return Passed(
        group=group,
        households=int(own.sum()),
        pairs=int(found.behind.sum()),
        share=share,
        passed_most=float(most.mean()),
        pairs_ahead=ahead,
        lost=float(found.lost.sum() / ahead) if ahead else None,
    )


def places_with(found: Turned) -> int:
    """Return in how many villages a household was behind a near-poor neighbour."""
    return int((found.behind.sum(axis=1) > 0).sum())


def _matched(covered: Turned, registered: Turned) -> Array:
    """Return (B,) at which distances both groups have pairs."""
    return np.asarray((covered.behind.sum(axis=0) > 0) & (registered.behind.sum(axis=0) > 0))


def share_estimate(covered: Turned, registered: Turned) -> Estimate:
    """Return shares of pairs turned round, with the influence of every village on each: covered, registered, alike and difference.

    ``alike`` is the share of the registered at the distances at which the covered stood behind their neighbours: a household that stands
    close behind passes more often. ``difference`` is that of the covered, at distances that both have, less ``alike``. Of the registered
    nothing is told where fewer than five villages have pairs.

    Notes
    -----
    A share is a ratio of sums over villages, with the influence (passed - share x behind) over the mean number of pairs; the weights
    of distances are shares of the covered pairs, with the same influence.
    """
    names, parts = ["covered"], [_ratio(covered.passed.sum(axis=1), covered.behind.sum(axis=1))]
    both = _matched(covered, registered)
    if places_with(registered) >= LEAST_PLACES:
        names.append("registered")
        parts.append(_ratio(registered.passed.sum(axis=1), registered.behind.sum(axis=1)))
        if both.any():
            inside = covered.behind[:, both].sum(axis=1)
            alike, influence = 0.0, np.zeros(len(inside))
            for distance in np.flatnonzero(both):
                share, of_share = _ratio(registered.passed[:, distance], registered.behind[:, distance])
                weight, of_weight = _ratio(covered.behind[:, distance], inside)
                alike, influence = alike + weight * share, influence + weight * of_share + share * of_weight
            own, of_own = _ratio(covered.passed[:, both].sum(axis=1), inside)
            names += ["alike", "difference"]
            parts += [(alike, influence), (own - alike, of_own - influence)]
    cells = cell_frame("share", len(names), name=names, units=float(len(covered.own_behind)))
    facts = Facts(observations=int(covered.behind.sum()), correction="clusters", reference="t")
    psi = np.column_stack([influence for _, influence in parts])
    return Estimate(np.array([share for share, _ in parts]), psi, cells, pd.DataFrame({"place": np.arange(len(psi))}), facts)


def _ratio(part: Array, whole: Array) -> tuple[float, Array]:
    """Return the share of a part (V,) in a whole (V,) summed over villages, and the influence of every village on it."""
    share = float(part.sum() / whole.sum())
    return share, (part - share * whole) / whole.mean()
