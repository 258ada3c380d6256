"""Spillovers: which untreated units are near the treated, what happened to them, and the effect without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, cell_frame
from evalkit.income_components import named_effects
from evalkit.notices import Notice
from evalkit.subset import on_rows_of, with_starts, without_units

Array = np.ndarray[Any, Any]
Estimator = Callable[[Design], Estimate]

FAR = "far"
EARTH = 6371.0088  # km, mean radius
# Degrees within which China lies, its islands included.
LONGITUDE, LATITUDE = (73.0, 136.0), (3.0, 54.0)


@dataclass(frozen=True, eq=False)
class Rings:
    """How near every untreated unit is to the treated, and since when one of them has been treated.

    Attributes
    ----------
    names : rings from near to far; the last is "far"
    ring : (N,) positions in ``names``, -1 for treated units, in the order of the design's units
    start : (N,) first treated period among the treated units near by (in any ring), inf for far and treated units
    distance : (N,) km to the nearest treated unit, or None when nearness is a matter of places
    units : (N,) labels of the design's units
    notices : remarks for readers
    """

    names: tuple[str, ...]
    ring: Array = field(repr=False)
    start: Array = field(repr=False)
    distance: Array | None = field(repr=False)
    units: Array = field(repr=False)
    notices: tuple[Notice, ...] = ()

    @property
    def counts(self) -> pd.DataFrame:
        """Untreated units in each ring, and the first and last period in which they came near."""
        frames = []
        for code, name in enumerate(self.names):
            start = self.start[(self.ring == code) & np.isfinite(self.start)]
            span = (int(start.min()), int(start.max())) if len(start) else (None, None)
            frames.append({"ring": name, "units": int((self.ring == code).sum()), "first_start": span[0], "last_start": span[1]})
        return pd.DataFrame(frames).astype({"first_start": "Int64", "last_start": "Int64"})


def rings(
    design: Design,
    same: str | None = None,
    neighbours: pd.DataFrame | None = None,
    coordinates: tuple[str, str] | None = None,
    widths_km: Sequence[float] | float = (10, 20, 50),
) -> Rings:
    """Return how near the untreated units are to the treated ones.

    Parameters
    ----------
    design : Design
    same : str, optional
        Column of places, such as ``"township_id"``: untreated units of a place with treated units are the ring "same".
    neighbours : DataFrame, optional
        Two columns, pairs of neighbouring places (values of ``same``, or labels of units without it), in either order: the ring
        "neighbour".
    coordinates : (longitude, latitude), optional
        Columns in degrees; rings are great-circle distances to the nearest treated unit.
    widths_km : outer ends of the rings, or of the only one

    Raises
    ------
    DesignError
        When nothing or too much was said about nearness, and when coordinates are missing, swapped, outside China, or move.

    Notes
    -----
    Near units count from the first period in which any treated unit within the outermost ring is treated, so that the periods before
    are clean at every distance.

    Examples
    --------
    >>> import evalkit as ek
    >>> near = rings(ek.example_design(), same="county_id")
    >>> near.names, near.counts["units"].tolist()
    (('same', 'far'), [15, 0])
    """
    if (coordinates is None) == (same is None and neighbours is None):
        raise DesignError(
            "Say what near means: same='township_id' (and neighbours=pairs of places), or coordinates=('longitude', 'latitude')."
        )
    if coordinates is not None:
        return _by_distance(design, coordinates, widths_km)
    return _by_place(design, same, neighbours)


def spillovers(design: Design, estimator: Estimator, rings: Rings) -> Estimate:
    """Return the effect on the untreated units of each ring: what happened to them once a neighbour was treated, against far units.

    Parameters
    ----------
    estimator : callable
        Design -> Estimate with an overall effect or group-time effects, for example ``GroupTime()``.

    Returns
    -------
    Estimate
        One cell of kind ``overall`` a ring, its ``name`` the ring, with the covariance between them. Rings that cannot be
        estimated are named in a notice.

    Notes
    -----
    Assumes that far units are untouched, and that near and far units would have grown alike. Treated units take no part. The design of rings
    follows Butts (2023, "Difference-in-differences estimation with spatial spillovers").
    """
    _judge_rings(design, rings)
    far = rings.ring == len(rings.names) - 1
    found: list[Estimate] = []
    silent: list[str] = []
    for code, name in enumerate(rings.names[:-1]):
        inside = rings.ring == code
        clean = (rings.start > design.periods[0] + design.anticipation) & (rings.start <= design.periods[-1])
        if not (inside & clean).any():
            silent.append(name)
            continue
        near = with_starts(design, inside | far, np.where(inside, rings.start, np.inf), f"near {design.rollout.programme}")
        found.append(on_rows_of(named_effects(estimator(near), "overall", name), design.row_keys))
    if not found:
        raise DesignError(
            f"No ring can be estimated: {first_five(silent)} hold no untreated unit with a period before its neighbours were treated."
        )
    joint = found[0]
    for one in found[1:]:
        joint = joint.join(one)
    notices = (*rings.notices, *(Notice("RINGS_NOT_ESTIMATED", {"rings": silent}) for _ in silent[:1]))
    return replace(joint, notices=(*joint.notices, *notices))


def donut(design: Design, rings: Rings, drop: Sequence[str] | None = None) -> Design:
    """Return the same design without the untreated units of some rings; all but "far" unless said.

    Raises DesignError for unknown rings, rings of other units, and when no comparison is left.
    """
    names = rings.names[:-1] if drop is None else (drop,) if isinstance(drop, str) else tuple(drop)
    for name in names:
        if name not in rings.names:
            raise DesignError(unknown("ring", name, rings.names))
    _judge_units(design, rings)
    return without_units(design, np.isin(rings.ring, [rings.names.index(name) for name in names]))


def beside_donut(design: Design, estimator: Estimator, rings: Rings, drop: Sequence[str] | None = None) -> Estimate:
    """Return the effect with all comparison units, without the near ones, and the difference, with their covariance.

    Cells of kind ``overall`` are named "all", "donut" and "difference" (all minus donut). If near units gain too, comparing with
    them understates the effect and the difference is negative. Raises DesignError when nobody is in the rings to leave out, and
    EstimateError when rows are observations, which cannot be matched between the two.
    """
    smaller = donut(design, rings, drop)
    if len(smaller.units) == len(design.units):
        raise DesignError(
            "No untreated unit is in the rings left out, so the effect without them is the same effect. Choose wider rings, or report that "
            "nobody is near."
        )
    whole = named_effects(estimator(design), "overall", "all")
    part = on_rows_of(named_effects(estimator(smaller), "overall", "donut"), whole.rows)
    both = whole.join(part)
    cells = pd.concat(
        [
            both.cells,
            cell_frame(
                "overall", 1, name="difference", units=both.cells["units"].min(), noisy_units=both.cells["noisy_units"].min()
            ),
        ],
        ignore_index=True,
    )
    jacobian = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
    return both.map(jacobian @ both.theta, jacobian, cells)


def _judge_rings(design: Design, rings: Rings) -> None:
    _judge_units(design, rings)
    if not (rings.ring == len(rings.names) - 1).any():
        raise DesignError(
            "No untreated unit is far from the treated: there is nobody untouched to compare with. Choose narrower rings."
        )


def _judge_units(design: Design, rings: Rings) -> None:
    if not np.array_equal(rings.units, design.units):
        raise DesignError(
            f"The rings were made for other units ({len(rings.units):,}) than the design's ({len(design.units):,}). Make them from this "
            "design."
        )


def _by_place(design: Design, same: str | None, neighbours: pd.DataFrame | None) -> Rings:
    """Return rings of places: first treated period within the place, and within its neighbours."""
    codes, labels = _places(design, same)
    starts = np.full(len(labels), np.inf)
    np.minimum.at(starts, codes, design.cohort)
    names: list[str] = ["same"] if same is not None else []
    nearest = [starts[codes]] if same is not None else []
    notices: tuple[Notice, ...] = ()
    if neighbours is not None:
        pairs, lost = _pairs(neighbours, labels)
        beside = np.full(len(labels), np.inf)
        for one, other in (pairs, pairs[::-1]):
            np.minimum.at(beside, one, starts[other])
        names.append("neighbour")
        nearest.append(beside[codes])
        notices = (Notice("NEIGHBOURS_WITHOUT_UNITS", {"pairs": lost}),) if lost else ()
    return _ringed(design, (*names, FAR), np.column_stack(nearest), None, notices)


def _places(design: Design, same: str | None) -> tuple[Array, pd.Index]:
    """Return (N,) codes of the units' places, and the places' labels."""
    if same is None:
        return np.arange(len(design.units)), pd.Index(design.units)
    codes, _ = design.codes(same)
    first = codes[design.first_rows]
    if (moved := codes != first[design.unit_index]).any():
        raise DesignError(
            f"Units change their {same!r}: {first_five(np.unique(design.units[design.unit_index[moved]]))}. Use a place that lasts."
        )
    column = design.panel.column(same)
    column = column if design.keep is None else column[design.keep]
    return np.asarray(first), pd.Index(pd.factorize(column, sort=True)[1])


def _pairs(neighbours: pd.DataFrame, labels: pd.Index) -> tuple[tuple[Array, Array], int]:
    """Return positions of neighbouring places, and how many pairs name a place without units."""
    if not isinstance(neighbours, pd.DataFrame) or neighbours.shape[1] < 2:
        raise DesignError("neighbours is a frame whose first two columns are pairs of neighbouring places.")
    one, other = (labels.get_indexer(pd.Index(neighbours.iloc[:, j])) for j in (0, 1))
    known = (one >= 0) & (other >= 0)
    if not known.any():
        raise DesignError(
            f"None of the {len(known):,} pairs of neighbours names two places of the data: {first_five(neighbours.iloc[:, 0])} beside "
            f"{first_five(labels)}. Codes must be of one kind, text or numbers."
        )
    return (one[known], other[known]), int((~known).sum())


def _by_distance(design: Design, coordinates: tuple[str, str], widths_km: Sequence[float] | float) -> Rings:
    """Return rings of distance to the nearest treated unit, one tree of points a cohort."""
    from scipy.spatial import cKDTree

    widths = _widths(widths_km)
    points = _points(design, coordinates)
    untreated = np.flatnonzero(np.isinf(design.cohort))
    cohorts = np.unique(design.cohort[np.isfinite(design.cohort)])
    km = np.full((len(design.units), len(cohorts)), np.inf)
    for column, cohort in enumerate(cohorts):
        chord, _ = cKDTree(points[design.cohort == cohort]).query(points[untreated])
        km[untreated, column] = 2 * EARTH * np.arcsin(np.clip(chord / 2, 0, 1))
    nearest = km.min(axis=1)
    bounds = [0.0, *widths]
    names = [f"{low:g}-{high:g} km" for low, high in pairwise(bounds)]
    start = np.where(km <= widths[-1], cohorts, np.inf).min(axis=1)
    by_ring = np.full((len(km), len(widths)), np.inf)
    inside = np.searchsorted(widths, nearest)
    near = np.flatnonzero(inside < len(widths))
    by_ring[near, inside[near]] = start[near]
    distance = np.where(np.isinf(design.cohort), nearest, 0.0)
    return _ringed(design, (*names, FAR), by_ring, distance, ())


def _widths(widths_km: Sequence[float] | float) -> list[float]:
    """Return the outer ends of the rings, after judging that they are numbers that grow."""
    try:
        widths = np.atleast_1d(np.asarray(widths_km, float))
    except (TypeError, ValueError):
        widths = np.zeros(0)
    if widths.ndim != 1 or not (np.isfinite(widths).all() and (np.diff(widths, prepend=0.0) > 0).all() and len(widths)):
        raise DesignError(
            f"widths_km are the outer ends of the rings, each larger than the one before: (10, 20, 50), not {widths_km!r}."
        )
    return [float(width) for width in widths]


def _ringed(design: Design, names: tuple[str, ...], starts: Array, distance: Array | None, notices: tuple[Notice, ...]) -> Rings:
    """Return rings from (N, R) first treated periods near by, ring by ring: the nearest ring with any counts."""
    near = np.isfinite(starts)
    ring = np.where(near.any(axis=1), near.argmax(axis=1), len(names) - 1)
    treated = np.isfinite(design.cohort)
    start = np.where(treated, np.inf, starts.min(axis=1))
    return Rings(names, np.where(treated, -1, ring), start, distance, design.units, notices)


def _points(design: Design, coordinates: tuple[str, str]) -> Array:
    """Return (N, 3) points on the unit sphere, after judging the coordinates."""
    if isinstance(coordinates, str) or len(coordinates) != 2:
        raise DesignError(f"Coordinates are two columns, ('longitude', 'latitude'), not {coordinates!r}.")
    values = [design.values(name) for name in coordinates]
    first = [value[design.first_rows] for value in values]
    for name, value, own in zip(coordinates, values, first, strict=True):
        if (missing := np.isnan(value)).any():
            _refuse(design, missing, f"{name!r} is missing for {{units}}. Fill it in, or leave these units out")
        if (moved := value != own[design.unit_index]).any():
            _refuse(design, moved, f"{name!r} changes over time for {{units}}. A unit has one place: use its first, or the mean")
    longitude, latitude = first
    if _inside(latitude, LONGITUDE).mean() > 0.5 and _inside(longitude, LATITUDE).mean() > 0.5:
        raise DesignError(
            f"Longitude and latitude are swapped: {coordinates[0]!r} is {longitude[0]:g}, {coordinates[1]!r} is {latitude[0]:g}. Give "
            f"coordinates=({coordinates[1]!r}, {coordinates[0]!r})."
        )
    if (outside := ~(_inside(longitude, LONGITUDE) & _inside(latitude, LATITUDE))).any():
        rows = outside[design.unit_index]
        _refuse(design, rows, "Coordinates lie outside China (73-136 east, 3-54 north, in degrees) for {units}. Mend them")
    east, north = np.radians(longitude), np.radians(latitude)
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def _inside(values: Array, bounds: tuple[float, float]) -> Array:
    return np.asarray((values >= bounds[0]) & (values <= bounds[1]))


def _refuse(design: Design, rows: Array, message: str) -> None:
    units = np.unique(design.unit_index[rows])
    raise DesignError(message.format(units=f"{len(units):,} units: {first_five(design.units[units])}") + ".")
