"""How noisy outcomes are where no programme is at work: size, persistence, and what units of a cluster share."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.errors import DesignError, first_five
from evalkit.inference.simulated_power import Noise

Array = np.ndarray[Any, Any]

PERSISTENCE = np.linspace(0.0, 0.99, 991)  # steps of 0.001; nothing below: a few short differences can look like it


def learned_noise(design: Design, cluster: str | None = None) -> Noise:
    """Return the noise of outcomes in untreated rows: never treated, or before the start and its anticipation.

    Parameters
    ----------
    cluster : a column whose units share shocks; every unit on its own without it

    Raises
    ------
    DesignError
        When no unit is seen twice untreated, when all differences span equally many periods so that persistence cannot be told, with one
        cluster, on repeated cross-sections, and when outcomes have no noise.

    Notes
    -----
    With d_i the change of unit i over h periods, (d_i - d_j)**2 / 4 knows neither unit effects nor what all units share. Its mean over pairs of
    one cluster is unbiased for the variance of a unit's own noise that such a change leaves, and over pairs of different clusters for that
    of own and shared noise together; for AR(1) noise they are sd**2 (1 - serial**h). Both are fitted by least squares weighted by the
    changes behind each h, with a persistence from 0 to 0.99. Systematic differences in growth between clusters count as noise.
    Treated rows are never read.

    Examples
    --------
    >>> import evalkit as ek
    >>> noise = learned_noise(ek.example_design(), cluster="county_id")
    >>> round(noise.sd, 2), round(noise.shared_sd, 2)
    (0.05, 0.03)
    """
    if design.panel.unit is None:
        raise DesignError(
            "Repeated cross-sections do not show how a unit's noise persists. Say it: noise=Noise(sd=..., serial=...)."
        )
    codes = cluster_of_units(design, cluster)
    if len(np.unique(codes)) < 2:
        raise DesignError("There is only one cluster, so nothing can be learned about its variation. Cluster at a finer level.")
    lags, changes, own, total = _differences(design, codes)
    sd, serial = _persistent(lags, changes, own)
    shared_sd, shared_serial = _persistent(lags, changes, total - own)
    if not max(sd, shared_sd) > 0:
        raise DesignError(f"Untreated outcomes {design.outcome!r} have no noise, so any effect would be seen. Look at the data.")
    return Noise(sd, serial, shared_sd, shared_serial)


def cluster_of_units(design: Design, cluster: str | None) -> Array:
    """Return (N,) codes of the units' clusters, the units themselves without a name."""
    if cluster is None or cluster == design.panel.unit:
        return np.arange(len(design.units))
    codes, _ = design.codes(cluster)
    own = codes[design.first_rows]
    if (moved := codes != own[design.unit_index]).any():
        where = first_five(np.unique(design.units[design.unit_index[moved]]))
        raise DesignError(
            f"Units change their {cluster!r}: {where}. Noise is shared by units that stay together: use a lasting cluster."
        )
    return np.asarray(np.unique(own, return_inverse=True)[1])


def _differences(design: Design, codes: Array) -> tuple[Array, Array, Array, Array]:
    """Return (H,) lags, changes behind each, and half the variance of a change: a unit's own, and own and shared together."""
    untreated = design.periods[design.period_index] + design.anticipation < design.cohort[design.unit_index]
    y = np.full((len(design.units), len(design.periods)), np.nan)
    y[design.unit_index[untreated], design.period_index[untreated]] = design.y[untreated]
    T, groups = len(design.periods), int(codes.max()) + 1
    sums: dict[int, Array] = {}
    for s in range(T):
        for t in range(s + 1, T):
            change = y[:, t] - y[:, s]
            seen = ~np.isnan(change)
            if not seen.any():
                continue
            lag = int(design.periods[t] - design.periods[s])
            sums[lag] = sums.get(lag, np.zeros(5)) + _pairs(change[seen] - change[seen].mean(), codes[seen], groups)
    usable = {lag: row for lag, row in sorted(sums.items()) if row[2] > 0}
    if not usable:
        raise DesignError(
            "No units of two clusters are seen twice before treatment, so there is no pre-period to learn the noise from. Add earlier periods or "
            "never-treated units, or say the noise: noise=Noise(sd=..., serial=...)."
        )
    if len(usable) == 1 and T > 2:
        raise DesignError(
            f"Untreated units are seen {next(iter(usable))} periods apart only, so how long noise lasts cannot be learned. Add earlier "
            "periods, or say the noise: noise=Noise(sd=..., serial=...)."
        )
    changes, alike, unlike, within, across = np.array(list(usable.values())).T
    total = across / unlike / 4
    own = np.divide(within, alike * 4, out=total.copy(), where=alike > 0)
    return np.array(list(usable), dtype=float), changes, own, total


def _pairs(d: Array, codes: Array, groups: int) -> Array:
    """Return (5,): changes, pairs of one cluster and of two, and the sums of (d_i - d_j)**2 over either."""
    size, sums, squares = (np.bincount(codes, weight, groups) for weight in (None, d, d**2))
    alike, within = (size**2).sum() - len(d), 2 * (size * squares - sums**2).sum()
    everything = 2 * (len(d) * squares.sum() - sums.sum() ** 2)
    return np.array([len(d), alike, len(d) ** 2 - (size**2).sum(), within, everything - within])


def _persistent(lags: Array, changes: Array, left: Array) -> tuple[float, float]:
    """Return standard deviation and persistence that fit sd**2 (1 - serial**lag); zeros when no variance is left."""
    if len(lags) == 1:  # two periods: only the variance of their difference matters
        return float(np.sqrt(max(left[0], 0.0))), 0.0
    gone = 1 - PERSISTENCE[:, None] ** lags
    variance = (gone * changes) @ left / ((gone**2) @ changes)
    misfit = ((left - variance[:, None] * gone) ** 2) @ changes
    if not (variance > 0).any():
        return 0.0, 0.0
    best = int(np.where(variance > 0, misfit, np.inf).argmin())
    return float(np.sqrt(variance[best])), float(PERSISTENCE[best].round(3))
