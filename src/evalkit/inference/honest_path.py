"""Reading an event study for honest bounds: one reference, neighbouring periods, noise that is known, and the effect looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from evalkit.errors import EstimateError, first_five, unknown
from evalkit.estimate import Estimate, require_kinds
from evalkit.inference.linear import Covariance, SmallSample, covariance, has_own_noise

Array = np.ndarray[Any, Any]
Weights = str | float | Sequence[float] | Mapping[int, float]


def read_path(
    path: Estimate,
    at: Weights,
    cluster: str | Sequence[str] | None,
    correction: str | SmallSample | None,
) -> tuple[Array, Array, Covariance, Array]:
    """Return event times and effects (K + T,) without the reference, their covariance, and the (T,) weights of the effect."""
    require_kinds(path, ("event_time",), "An honest bound")
    every = path.select(kind="event_time")
    order = np.argsort(every.cells["event_time"].to_numpy(), kind="stable")
    times, reference = every.cells["event_time"].to_numpy()[order], every.cells["reference"].to_numpy(bool)[order]
    if reference.sum() != 1:
        found = f"it has {reference.sum()}: {first_five(int(t) for t in times[reference])}" if reference.any() else "it has none"
        raise EstimateError(
            f"Honest bounds need a path with one reference period, against which everything is measured; {found}. "
            "aggregate(GroupTime()(design), by='event_time') has one, with Design(..., base='universal'); some regressions need "
            "never-treated units for it."
        )
    if (gaps := np.diff(times) != 1).any():
        where = first_five(f"{a:g} to {b:g}" for a, b in zip(times[:-1][gaps], times[1:][gaps], strict=True))
        raise EstimateError(
            f"Honest bounds compare neighbouring periods, and these event times do not follow each other: {where}. Show a stretch "
            "without gaps, aggregate(..., by='event_time', first=..., last=...); if data come in waves, number the waves 1, 2, 3, ..."
        )
    kept = every.select(~every.cells["reference"].to_numpy(bool))
    silent = ~has_own_noise(kept)
    if silent.any():
        raise EstimateError(
            f"The noise of event times {first_five(f'{t:g}' for t in np.sort(kept.cells['event_time'][silent]))} is not known: fewer "
            "than two treated units of a cohort stand behind them. Leave them out: aggregate(..., by='event_time', first=..., last=...)."
        )
    order = np.argsort(kept.cells["event_time"].to_numpy(), kind="stable")
    times, units = kept.cells["event_time"].to_numpy()[order], kept.cells["units"].to_numpy(float)[order]
    base = int(every.cells["event_time"][every.cells["reference"]].iloc[0])
    spread = covariance(kept.map(kept.theta[order], np.eye(len(times))[order], kept.cells.iloc[order]), cluster, correction)
    _judge_spread(spread)
    later = times > base
    return times, kept.theta[order], spread, _weights(at, times[later], units[later])


def _judge_spread(spread: Covariance) -> None:
    error = spread.std_error
    k = len(error)
    if not (error > 0).any():
        raise EstimateError(
            f"The {k} event times have no noise at all over {spread.clusters} clusters ({spread.cluster}): is the outcome constant?"
        )
    if (error > 0).all():
        values = np.linalg.eigvalsh(spread.matrix / np.outer(error, error))
        if values.min() > 1e-10:
            return
    raise EstimateError(
        f"The covariance of the {k} event times cannot be inverted: {spread.clusters} clusters ({spread.cluster}) tell apart fewer "
        "directions than there are event times. Show fewer of them, aggregate(..., by='event_time', first=..., last=...), or cluster "
        "at a finer level."
    )


def _weights(at: Weights, times: Array, units: Array) -> Array:
    """Return the (T,) weights of the event times after the reference."""
    effect = times >= 0
    if not effect.any():
        raise EstimateError("This path has no event time from 0 on, so there is no effect to bound.")
    if isinstance(at, str):
        if at == "overall":
            return np.asarray(effect / effect.sum())
        if at != "headline":
            raise EstimateError(unknown("effect", at, ("overall", "headline")) + " Or an event time, or weights.")
        if np.isnan(units[effect]).any():
            raise EstimateError(
                "This path does not say how many treated units are behind each event time. Use at='overall' or weights."
            )
        return np.asarray(np.where(effect, units, 0.0) / units[effect].sum())
    if isinstance(at, Mapping):
        _judge_numbers([*at.keys(), *at.values()])
        chosen = {float(time): float(weight) for time, weight in at.items()}
    elif isinstance(at, Real) or not isinstance(at, Iterable):
        _judge_numbers([at])
        chosen = {float(at): 1.0}
    else:
        _judge_numbers(list(at))
        if len(at) != effect.sum():
            raise EstimateError(f"{effect.sum()} event times from 0 on need as many weights; got {len(at)}.")
        chosen = dict(zip(times[effect].tolist(), (float(weight) for weight in at), strict=True))
    if missing := [f"{time:g}" for time in chosen if time not in times]:
        raise EstimateError(
            f"There is no event time {first_five(missing)} after the reference. There are {', '.join(f'{t:g}' for t in times)}."
        )
    weights = np.array([chosen.get(float(time), 0.0) for time in times])
    if not np.isfinite(weights).all() or not weights.any():
        raise EstimateError("Weights are numbers, and at least one of them is not zero.")
    return weights


def _judge_numbers(given: list[Any]) -> None:
    if strange := [each for each in given if not isinstance(each, Real) or isinstance(each, bool)]:
        raise EstimateError(
            f"{first_five(repr(each) for each in strange)}: the effect looked at is 'overall', 'headline', an event time, a weight for each "
            "event time from 0 on, or a mapping from event times to weights."
        )
