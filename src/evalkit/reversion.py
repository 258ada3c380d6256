"""What the income of a group would have become anyway: the incomes of the years it takes, the ways to tell, and their ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts
from evalkit.inference.linear import covariance
from evalkit.kernels.mean_reversion import Anyway, by_earlier_pair, by_others, by_own_past, without_reversion

Array = np.ndarray[Any, Any]

FEWEST = 10
"""Units that the group, and the others, must at least have: fewer say nothing about how incomes fluctuate."""
GROUPS = 50
"""Groups of units or clusters left out one at a time for the ranges."""
PARTS = 3


class Wide(NamedTuple):
    """Incomes by year, (N,) each, who is selected, and the codes of what is left out together."""

    incomes: dict[int, Array]
    selected: Array
    codes: Array


def judge_size(count: int, where: str) -> None:
    """Raise DesignError for fewer units than fluctuation can be told from."""
    if count < FEWEST:
        raise DesignError(f"There are {count} units {where}; at least {FEWEST} are needed to tell how incomes fluctuate.")


def wide(
    frame: pd.DataFrame, unit: str, period: str, income: str, selected: str, cluster: str | None, years: Sequence[int]
) -> Wide:
    """Return the incomes of these years, units in the order of their labels."""
    for name in filter(None, (unit, period, income, selected, cluster)):
        if name not in frame:
            raise DesignError(unknown("column", name, list(frame.columns)))
    if missing := [year for year in dict.fromkeys(years) if not (frame[period] == year).any()]:
        raise DesignError(
            f"There are no rows of {first_five(missing)} in {period!r}; there are {first_five(sorted(frame[period].unique()))}."
        )
    kept = frame[frame[period].isin(years)]
    if (twice := kept.duplicated([unit, period])).any():
        raise DesignError(
            f"{int(twice.sum())} rows stand twice for a unit and year, of units {first_five(kept.loc[twice, unit].unique())}."
        )
    marks = kept.groupby(unit, sort=True)[selected].agg(["min", "max"])
    bad = ~marks.isin([0, 1]).all(axis=1) | (marks["min"] != marks["max"])
    if bad.any():
        raise DesignError(
            f"{selected!r} is 1 (selected at the start) or 0 in all years of a unit; in {int(bad.sum())} units it is not: "
            f"{first_five(marks.index[bad])}."
        )
    units = marks.index
    by_year = {int(year): kept[kept[period] == year].set_index(unit)[income] for year in dict.fromkeys(years)}
    incomes = {year: column.reindex(units).to_numpy(dtype=float, na_value=np.nan) for year, column in by_year.items()}
    labels = units.to_series() if cluster is None else kept.groupby(unit, sort=True)[cluster].first()
    codes, found = pd.factorize(labels, sort=True)
    if (codes < 0).any():
        raise DesignError(f"{int((codes < 0).sum())} units have no {cluster!r}: {first_five(units[codes < 0])}.")
    if len(found) < 2:
        raise DesignError(f"All units lie in one {cluster!r}, so that no range can be given. Name a finer cluster.")
    return Wide(incomes, marks["max"].to_numpy() == 1, codes)


Way = Callable[[Array], Anyway]


def ways_to_tell(data: Wide, first: int, last: int, earlier: tuple[int, int] | None, line: float | None) -> dict[str, Way]:
    """Return the ways to tell what would have come anyway, each a function of the units that are kept: the main one, then a second."""
    start, end, selected = data.incomes[first], data.incomes[last], data.selected
    if earlier is None:
        bad = (np.nan_to_num(start, nan=1.0) <= 0) | (np.nan_to_num(end, nan=1.0) <= 0)
        if bad.any():
            raise DesignError(
                f"{int(bad.sum())} units have an income of zero or less, which has no log. Give an earlier pair of years, or leave them out."
            )
        return {
            "main": lambda kept: by_others(start[kept], end[kept], selected[kept], line),
            "no_reversion": lambda kept: without_reversion(start[kept], end[kept], selected[kept], line),
        }
    past, present = data.incomes[earlier[0]], data.incomes[earlier[1]]
    judge_size(int((np.isfinite(past) & np.isfinite(present)).sum()), f"with an income in {earlier[0]} and {earlier[1]}")
    ways: dict[str, Way] = {
        "main": lambda kept: by_earlier_pair(start[kept], end[kept], selected[kept], past[kept], present[kept], line)
    }
    seen = np.isfinite(start) & np.isfinite(end) & np.isfinite(past)
    if earlier[1] == first and min((seen & selected).sum(), (seen & ~selected).sum()) >= FEWEST:
        ways["own_past"] = lambda kept: by_own_past(start[kept], end[kept], selected[kept], past[kept], line)
    return ways


def told_by(ways: dict[str, Way], kept: Array) -> list[Anyway]:
    """Return what each way tells of the units that are kept."""
    return [way(kept) for way in ways.values()]


def ranges(ways: dict[str, Way], codes: Array, theta: Array, level: float) -> list[tuple[float, float]]:
    """Return the range of each of three parts: the span of the ranges of all ways.

    ``theta`` is (3 x ways,), the parts by each way. Row g of the influence is (G - 1) (theta - theta without group g).
    """
    groups = codes % GROUPS
    G = int(groups.max()) + 1
    without = np.array([np.concatenate([one.parts() for one in told_by(ways, groups != g)]) for g in range(G)])
    if not np.isfinite(without).all():
        raise DesignError("Without some of the units nothing is left of the group or of what it is compared with. Give more units.")
    made = Estimate(
        theta,
        (G - 1) * (theta - without),
        pd.DataFrame({"kind": "part", "name": [f"{way}.{part}" for way in ways for part in range(PARTS)]}),
        pd.DataFrame({"group": np.arange(G)}),
        Facts(len(codes), correction="clusters", reference="t"),
    )
    told = covariance(made)
    reach = told.quantile(0.5 + level / 2) * told.std_error
    low, high = (np.reshape(end, (len(ways), PARTS)) for end in (theta - reach, theta + reach))
    return [(float(low[:, j].min()), float(high[:, j].max())) for j in range(PARTS)]
