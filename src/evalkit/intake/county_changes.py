"""The changes of counties that concern the rows of a file, in the words of a report and a figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from evalkit.intake.county_history import JOIN, WHOLE, Bools, CountyHistory, Positions
from evalkit.intake.county_units import Units


def changes_of(years: Positions, records: Positions, units: Units, harmonised: bool = False) -> pd.DataFrame:
    """Return the changes that concern the rows of a file, as ``Harmonised.changes`` says them, sorted by unit and year.

    Codes used out of their time are told unless the file was ``harmonised`` before: then they are meant so.
    """
    labels = units.labels
    count = np.bincount(records, minlength=len(labels))
    concerned = set(labels[records])
    entries: defaultdict[tuple[int, str, int, int], tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    links = units.links.assign(district=becomes_district(units))
    links = pd.concat([links[links["kind"] != "shifted"], units.shifts.assign(district=False)], ignore_index=True)
    for source, target, year, kind, district in links.itertuples(index=False):
        for said in _kinds_said(units.history, source, target, kind, district):
            unit = labels[source] if labels[source] in concerned else labels[target]
            anchor = target if said in ("merged", "district_from_county") else source
            entry = entries[int(unit), said, int(year), int(anchor)]
            entry[0].add(int(source))
            entry[1].add(int(target))
    found = [
        {
            "unit": units.code[unit],
            "name": units.name[unit],
            "kind": kind,
            "year": year,
            **_ends(units.history, *ends),
            "rows": count[[*ends[0]]].sum(),
        }
        for (unit, kind, year, _), ends in entries.items()
        if unit in concerned
    ]
    found += [] if harmonised else _out_of_time(years, records, units)
    columns = ["unit", "name", "kind", "year", "from_codes", "from_names", "to_codes", "to_names", "rows"]
    return pd.DataFrame(found, columns=columns).sort_values(["unit", "year", "kind", "from_codes"], ignore_index=True)


def becomes_district(units: Units) -> Bools:
    """Return which links (m,) make a county, a banner or a county-level city a district (撤县设区)."""
    name = units.history.records["name"]
    before, after = (name.iloc[units.links[end].to_numpy(dtype=int)].reset_index(drop=True) for end in ("source", "target"))
    rank = before.str.contains("[县市旗]$") & after.str.endswith("区") & ~after.str.contains("[林特]区$")
    becomes: Bools = (rank & units.links["kind"].isin(WHOLE)).to_numpy()
    return becomes


def _kinds_said(history: CountyHistory, source: int, target: int, kind: str, district: bool) -> list[str]:
    """Return what a link is called in the changes; nothing where only the prefecture above a county changed."""
    said = {"merged": "merged", "split": "split_back", "split_off": "split_back", "shifted": "boundary_shift"}.get(kind)
    if kind == "continued" and history.code_of[source] != history.code_of[target]:
        said = "recoded"
    elif kind == "continued" and history.name_of[source] != history.name_of[target]:
        said = "renamed"
    return [*([said] if said else []), *(["district_from_county"] if district else [])]


def _ends(history: CountyHistory, before: Collection[int], after: Collection[int]) -> dict[str, str]:
    """Return the codes and names on both ends of a change, "+" between several."""
    ends = {"from": sorted(before), "to": sorted(after)}
    words = {"codes": history.code_of, "names": history.name_of}
    return {f"{end}_{what}": JOIN.join(said[at]) for end, at in ends.items() for what, said in words.items()}


def _out_of_time(years: Positions, records: Positions, units: Units) -> list[dict[str, Any]]:
    """Return a change for every code that the file uses in years in which it was not in force."""
    table = units.history.records
    later, earlier = table["start"].to_numpy()[records] > years, table["end"].to_numpy()[records] <= years
    found = []
    for kind, odd in (("code_of_later_year", later), ("code_of_earlier_year", earlier)):
        for record in np.unique(records[odd]):
            used = years[odd & (records == record)]
            unit = units.labels[record]
            code, name = units.history.code_of[record], units.history.name_of[record]
            ends = {"from_codes": code, "from_names": name, "to_codes": units.code[unit], "to_names": units.name[unit]}
            found.append(
                {"unit": units.code[unit], "name": units.name[unit], "kind": kind, "year": used.min(), **ends, "rows": len(used)}
            )
    return found
