"""Errors correlated between places that are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate, sum_within
from evalkit.inference.dependence import Dependence, Summed, lags_within, serial_products, unit_and_period
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

EARTH = 6371.0088  # mean radius in km
WIDE = 0.1  # share of the places that lie near one, beyond which ten or fewer are independent


@dataclass(frozen=True, eq=False)
class Conley(Dependence):
    """Errors correlated between places that are near each other (Conley 1999).

    Parameters
    ----------
    cutoff_km : distance from which on errors are uncorrelated, in km along the earth's surface
    coordinates : frame indexed by unit (or by ``place``) with the columns ``longitude`` and ``latitude`` in degrees; or the names of
        two columns of the rows that hold them, longitude first
    kernel : "bartlett", weights 1 - d/cutoff, or "uniform", weight 1 up to and including the cutoff
    lags : which periods of two rows count
        None: all, near places are correlated whatever the years (fixest; what rows of units mean). A number L: only rows of one
        period across places, and within a unit rows up to L periods apart with weights 1 - l/(L+1) (Hsiang 2010).
    place : column of the rows that ``coordinates`` is indexed by, for example the county of a village; the unit without it
    radius_km : radius of the earth
    unit, period : see :class:`Dependence`

    Raises
    ------
    EstimateError
        For places without coordinates, impossible or swapped degrees, unknown kernels, and lags without rows of observations.

    Notes
    -----
    V = sum_ij w(d_ij) psi_i psi_j' / n^2 with great-circle distances, over pairs in bands of latitude: no matrix of all pairs is
    made. Rows of one place are summed first. Small samples are those of single observations: N/(N-K), every absorbed effect counted,
    and t with N - K degrees of freedom, as in R's fixest, whose distances have a radius of 6376 km, whose kernel is uniform and
    whose pairs are of all years. Neither kernel is positive semi-definite over the plane: negative eigenvalues are set to zero.
    Where it holds: with villages scattered over 500 by 500 km and errors shared within 25 km, a mean of nothing was rejected at 5% in
    9 to 11% of trials at a cutoff of 80 km (26 to 54% when villages count as independent); shared within 50 km in 13 to 18%, at cutoffs
    of 80 to 300 km. Where neighbours are treated together it is worse: 9 to 16% with 100 to 400 counties. A cutoff that is wide compared with the region leaves few independent places: :meth:`notices` says so.

    Examples
    --------
    >>> import evalkit as ek, numpy as np, pandas as pd
    >>> from evalkit.inference.nearby import Conley
    >>> estimate = ek.TwoWay()(ek.example_design())
    >>> units = estimate.rows.iloc[:, 0]
    >>> where = pd.DataFrame({"longitude": 104 + 0.1 * np.arange(len(units)), "latitude": 26.0}, index=units)
    >>> Conley(30, where).covariance(estimate).cluster
    'within 30 km (bartlett)'
    """

    cutoff_km: float
    coordinates: pd.DataFrame | Sequence[str]
    kernel: str = "bartlett"
    lags: int | None = None
    place: str | None = field(default=None, kw_only=True)
    radius_km: float = field(default=EARTH, kw_only=True)

    def __post_init__(self) -> None:
        if self.kernel not in ("bartlett", "uniform"):
            raise EstimateError(unknown("kernel", self.kernel, ("bartlett", "uniform")))
        if not self.cutoff_km > 0 or not np.isfinite(self.cutoff_km):
            raise EstimateError(f"cutoff_km is a distance above zero in km, not {self.cutoff_km}.")

    @property
    def name(self) -> str:
        """What tables call it."""
        serial = "" if self.lags is None else f", {self.lags} lags"
        return f"within {self.cutoff_km:g} km ({self.kernel}{serial})"

    def summed(self, estimate: Estimate) -> Summed:
        """Return the covariance of an estimate before any small-sample factor."""
        psi, n = estimate.psi, len(estimate.psi)
        degrees, point = np.unique(self._degrees(estimate), axis=0, return_inverse=True)
        point, places = point.ravel(), len(degrees)
        cutoff = self.cutoff_km / self.radius_km
        if self.lags is None:
            values = sum_within(psi, point, places)[:, None]
            return Summed(near_products(degrees, values, cutoff, self.kernel) / n**2, places, True)
        unit, period = unit_and_period(estimate.rows, self.name, self.unit, self.period)
        periods = int(period.max()) + 1
        lags = lags_within(self.lags, periods)
        values = sum_within(psi, point * periods + period, places * periods).reshape(places, periods, -1)
        matrix = near_products(degrees, values, cutoff, self.kernel) + serial_products(psi, unit, period, lags, own=False)
        return Summed(matrix / n**2, places, True)

    def notices(self, estimate: Estimate) -> tuple[Notice, ...]:
        """Return what a reader of these standard errors must know."""
        degrees = np.unique(self._degrees(estimate), axis=0)
        pairs = near_products(degrees, np.ones((len(degrees), 1, 1)), self.cutoff_km / self.radius_km, "uniform")[0, 0]
        share = pairs / len(degrees) ** 2
        facts = {"km": f"{self.cutoff_km:g}", "percent": round(100 * share)}
        return ((Notice("WIDE_CUTOFF", facts),) if share > WIDE else ()) + super().notices(estimate)

    def _degrees(self, estimate: Estimate) -> Array:
        """Return (n, 2) longitudes and latitudes of the rows of an estimate."""
        rows = estimate.rows
        key = place_of(rows, self.place or self.unit)
        if isinstance(self.coordinates, pd.DataFrame):
            where = self.coordinates
            if missing := [c for c in ("longitude", "latitude") if c not in where]:
                raise EstimateError(f"The coordinates have no column {first_five(missing)}: name them 'longitude' and 'latitude'.")
            where = where[["longitude", "latitude"]].astype(float)
            where = where[~pd.DataFrame({"key": where.index}).join(where.reset_index(drop=True)).duplicated().to_numpy()]
            where = where[~where.index.duplicated(keep=False)]  # what is left twice has two different places
            labels, kinds = pd.factorize(rows[key])
            degrees = where.reindex(kinds).to_numpy()[labels]
        else:
            degrees = np.column_stack([estimate.cluster(c).to_numpy(float) for c in self.coordinates])
            if degrees.shape[1] != 2:
                raise EstimateError("Coordinates are two columns, longitude and latitude.")
        refuse_impossible(degrees, rows[key].to_numpy(), key)
        return degrees


def refuse_impossible(degrees: Array, keys: Array, key: str) -> None:
    """Raise EstimateError unless (n, 2) longitudes and latitudes are places; (n,) keys name them."""
    missing = ~np.isfinite(degrees).all(axis=1)
    if missing.any():
        found = pd.unique(keys[missing])
        raise EstimateError(
            f"{len(found):,} places ({key}) have no coordinates, or two different ones: {first_five(found)}. Give each one longitude "
            "and one latitude in degrees."
        )
    longitude, latitude = degrees.T
    wrong = (np.abs(longitude) > 180) | (np.abs(latitude) > 90)
    # North of 73 degrees nobody lives: places of China with the two columns swapped lie there, or beyond the pole.
    if wrong.any() or latitude.min() > 73:
        found = pd.unique(keys[wrong if wrong.any() else latitude > 73])
        raise EstimateError(
            f"{len(found):,} places ({key}) have impossible coordinates: {first_five(found)}. Longitudes lie between -180 and 180, "
            "latitudes between -90 and 90 degrees; are the two swapped?"
        )


def near_products(degrees: Array, values: Array, cutoff: float, kernel: str) -> Array:
    """Return the sum over pairs of places of weight times values_i'values_j, period by period.

    ``degrees`` are (P, 2) longitudes and latitudes, ``values`` (P, T, k), ``cutoff`` is an angle in radians.
    """
    order = np.argsort(degrees[:, 1], kind="stable")
    longitude, latitude = np.radians(degrees[order]).T
    point = np.column_stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    values = values[order]
    P, T, k = values.shape
    flat, total, width = values.reshape(P, T * k), np.zeros((k, k)), 64
    for start in range(0, P, width):
        block = slice(start, min(start + width, P))
        reach = cutoff * (1 + 1e-9)
        low = int(np.searchsorted(latitude, latitude[start] - reach))
        high = int(np.searchsorted(latitude, latitude[block.stop - 1] + reach, "right"))
        near = _weights(point[block], point[low:high], cutoff, kernel) @ flat[low:high]
        total += flat[block].reshape(-1, k).T @ near.reshape(-1, k)
    return np.asarray((total + total.T) / 2)


def _weights(here: Array, there: Array, cutoff: float, kernel: str) -> Array:
    """Return the (a, b) weights between points (a, 3) and (b, 3) of the unit sphere."""
    from scipy.spatial.distance import cdist

    # Squared differences, not inner products: those lose half the digits of small distances.
    weight = np.asarray(cdist(here, there, "sqeuclidean"))
    if kernel == "uniform":
        return np.asarray(weight <= (2 * np.sin(min(cutoff, np.pi) / 2)) ** 2, float)
    np.sqrt(weight, out=weight)
    np.minimum(weight / 2, 1, out=weight)
    np.arcsin(weight, out=weight)
    weight *= -2 / cutoff
    weight += 1
    return np.asarray(np.maximum(weight, 0, out=weight))


def place_of(rows: pd.DataFrame, place: str | None) -> str:
    """Return the column that says where a row is: the one asked for, or the unit."""
    first = 1 if rows.columns[0] == "observation" and len(rows.columns) > 1 else 0
    name = str(rows.columns[first]) if place is None else place
    if name not in rows:
        raise EstimateError(unknown("column of the rows", name, list(rows.columns)))
    return name
