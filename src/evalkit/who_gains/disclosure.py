"""Who gained, for a public page: nothing rests on too few households, and what is left out cannot be worked out from the rest."""

from __future__ import annotations

from evalkit.codes import value
from evalkit.firm_records import NotTold
from evalkit.public_findings import smallest_hidden
from evalkit.who_records import (
    Deciles,
    GroupFound,
    Groups,
    NearPoor,
    NoLine,
    Overtaking,
    Passed,
    PeopleFound,
    Poverty,
    Village,
    WhoGains,
)

BARE = {"treated_units": None, "comparison_units": None, "treated_clusters": None, "comparison_clusters": None}


def disclosed(found: WhoGains, minimum: int | None = None) -> WhoGains:
    """Return who gained as it may be published: without effects, shares and counts that rest on fewer households than ``minimum``.

    Where the size of a hidden group would follow from a total, the next smallest is hidden too.

    Parameters
    ----------
    minimum : int, optional
        ``minimum_households`` in data/codes/disclosure.csv unless said otherwise.
    """
    least = int(value("disclosure", "minimum_households")) if minimum is None else minimum
    hidden = NotTold(reason="hidden", facts={"minimum": least})
    update = {
        "groups": _groups(found.groups, hidden, least) if isinstance(found.groups, Groups) else found.groups,
        "deciles": hidden if isinstance(found.deciles, Deciles) and _few(found.deciles, least) else found.deciles,
        "poverty": hidden if isinstance(found.poverty, Poverty) and _few(found.poverty, least) else found.poverty,
        "village": _village(found.village, least) if isinstance(found.village, Village) else found.village,
        "minimum": least,
    }
    return found.model_copy(update=update)


def _few(found: Deciles | Poverty | GroupFound, least: int) -> bool:
    return any(count is None or 0 < count < least for count in (found.treated_units, found.comparison_units))


def _groups(groups: Groups, hidden: NotTold, least: int) -> Groups:
    """Return the groups without small ones; in a column with a small one the next smallest loses its counts too."""
    gone: set[str] = set()
    bare: set[str] = set()
    for column in {row.column for row in groups.rows}:
        rows = [row for row in groups.rows if row.column == column]
        small = {row.name for row in rows if _few(row, least)}
        gone |= small
        for side in ("treated_units", "comparison_units"):
            bare |= smallest_hidden({row.name: getattr(row, side) for row in rows}, least) if small else set()
    rows = [
        row.model_copy(update={**BARE, "found": hidden, "pretrend_p": None, "adjusted": None})
        if row.name in gone
        else row.model_copy(update=BARE)
        if row.name in bare
        else row
        for row in groups.rows
    ]
    differences = [one for one in groups.differences if not {one.one, one.other} & gone]
    empty = {column: None if count is not None and 0 < count < least else count for column, count in groups.without_value.items()}
    return groups.model_copy(update={"rows": rows, "differences": differences, "without_value": empty})


def _village(found: Village, least: int) -> Village:
    overtaking = [one if isinstance(one, NoLine) else _overtaking(one, least) for one in found.overtaking]
    near = [one if isinstance(one, NoLine) else _near_poor(one, least) for one in found.near_poor]
    sizes = {
        one.schedule: {row.group: row.units for row in one.rows} for one in found.near_poor if not isinstance(one, NoLine)
    }  # fmt: skip
    overtaking = [
        one.model_copy(
            update={"ranks": [point for point in one.ranks if not 0 < (sizes[one.schedule].get(point.group) or 0) < least]}
        )
        if isinstance(one, Overtaking) and one.schedule in sizes
        else one
        for one in overtaking
    ]
    left = None if found.left_out is not None and 0 < found.left_out < least else found.left_out
    return found.model_copy(update={"overtaking": overtaking, "near_poor": near, "left_out": left})


def _overtaking(one: Overtaking, least: int) -> Overtaking | NoLine:
    if 0 < (one.neighbours or 0) < least or 0 < (one.covered.households or 0) < least:
        return NoLine(schedule=one.schedule, reason="hidden", facts={"minimum": least})
    others = one.registered
    if isinstance(others, Passed) and 0 < (others.households or 0) < least:
        return one.model_copy(
            update={
                "registered": NotTold(reason="hidden", facts={"minimum": least}),
                "alike": None,
                "difference": None,
                "without_match": None,
            }
        )
    return one


def _near_poor(one: NearPoor, least: int) -> NearPoor:
    """Return the groups without small ones, and without shares that tell of few households below the line."""
    small = smallest_hidden({row.group: row.units for row in one.rows}, least)
    kept = [row for row in one.rows if not 0 < (row.units or 0) < least]
    return one.model_copy(update={"rows": [_people(row, row.group in small, least) for row in kept]})


def _people(row: PeopleFound, bare: bool, least: int) -> PeopleFound:
    units = row.units or 0
    shares = {
        name: None if share is not None and 0 < share * units < least else share
        for name, share in (("below_start", row.below_start), ("below_end", row.below_end))
    }
    return row.model_copy(update={**shares, **({"units": None} if bare else {})})
