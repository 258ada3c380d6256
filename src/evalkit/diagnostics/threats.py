"""The threat x check matrix: which check sees which problem, on a panel of the user's own shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.diagnostics.checks import CHECKS, LEVEL, Check, Trial
from evalkit.diagnostics.stored_blocks import Stored, told
from evalkit.errors import DesignError, EstimateError, first_five, unknown
from evalkit.parallel import Map
from evalkit.planted import STATUS, THREATS, judged_seed, plantable, seed_of, shaped, world
from evalkit.proportion import wilson
from evalkit.shape import Shape, is_whole, shape_of

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]

BLOCK = 20  # worlds that are tried, and stored, together
LEAST_DRAWS = 19


@dataclass(frozen=True, eq=False)
class ThreatMatrix:
    """How often each check fires in simulated worlds in which the programme does nothing and one problem is planted.

    Attributes
    ----------
    table : frame with a row per threat, size and check: ``fired`` of ``worlds`` in which the check could be applied, ``rate`` with its
        Monte Carlo error ``mc_error`` and Wilson interval ``conf_low``, ``conf_high`` (None where it could be applied in no world),
        ``refused`` and the most frequent ``reason``, ``meaning`` ("claim": it calls the false estimate real; "warning": it says that
        something is wrong), and the size in noise SDs where it is in the outcome's unit
    false_estimates : frame with a row per threat and size: mean ``estimate`` (the truth is 0), its Monte Carlo error, the SD over worlds, the
        mean in noise SDs, worlds
    left_out : frame of threats and sizes that this shape cannot have, each with the reason
    shape : of the panel, with its noise
    level : of the tests
    seed : everything follows from it
    status : says that the data are simulated
    """

    table: pd.DataFrame = field(repr=False)
    false_estimates: pd.DataFrame = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)
    shape: Shape = field(repr=False)
    worlds: int
    seed: int
    level: float = LEVEL
    status: str = STATUS

    @property
    def matrix(self) -> pd.DataFrame:
        """Firing rates, threat and size x check; the false estimate first."""
        index = ["threat", "size"]
        order = pd.MultiIndex.from_frame(self.false_estimates[index])
        by_check = {name: rows.set_index(index)["rate"] for name, rows in self.table.groupby("check", sort=False)}
        wide = pd.DataFrame(by_check).reindex(order)
        wide.insert(0, "false_estimate", self.false_estimates.set_index(index)["estimate"])
        return wide

    def __repr__(self) -> str:
        threats, checks = self.table["threat"].nunique(), self.table["check"].nunique()
        return f"ThreatMatrix of {threats} threats x {checks} checks, {self.worlds} worlds each ({self.status})"


def threat_matrix(
    design: Design | Shape,
    *,
    threats: Sequence[str] | Mapping[str, float | Sequence[float]] | None = None,
    checks: Sequence[str] | Mapping[str, Check | Callable[[Trial], bool]] | None = None,
    worlds: int = 200,
    seed: int,
    cluster: str | None = None,
    scale: str = "log",
    draws: int = 199,
    map: Map = map,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> ThreatMatrix:
    """Return how often each check fires on simulated panels of a design's own shape.

    Parameters
    ----------
    design : Design or Shape
        Of a design the shape, with noise from its untreated rows, is learned (:func:`evalkit.shape.shape_of`); its effect is never looked at.
    threats : names out of ``THREATS``, or a mapping from names to one or several sizes, as :func:`evalkit.planted.planted` takes them; all, graded, without it
    checks : names out of ``CHECKS``, or a mapping from names to checks, one's own among them; all without it
        A check of one's own is a function of a :class:`Trial` (its ``design``, ``estimate``, ``path`` and ``world``) that returns
        whether it fires, and raises EstimateError or DesignError where it does not apply.
    worlds : simulated for each threat and size
    seed : of all chance; each world and each shuffle has its own child of it
    cluster : a declared cluster: shocks are shared, tests are clustered and assignments move within it; units without it
    scale : "log" or "level", see :func:`evalkit.shape.shape_of`
    draws : shuffles behind every permutation
    map : see :mod:`evalkit.parallel`; the numbers do not depend on it
    store : file that keeps finished blocks; a later call with the same arguments goes on where it stopped
    progress : called with worlds done and worlds in all

    Raises
    ------
    DesignError
        For unknown threats and checks, sizes without meaning, and what the shape cannot be learned from.
    EstimateError
        For fewer than two worlds or 19 draws, when ``store`` holds blocks of other arguments, and when a check returns no truth value.

    Notes
    -----
    The estimate under trial is the two-way coefficient, the path the two-way event study: what is usually shown. Weights and covariates
    of the design are not simulated. All worlds of a threat share their noise over sizes.

    Examples
    --------
    >>> from evalkit.planted import panel_shape
    >>> found = threat_matrix(panel_shape(80, 30), threats={"trend": [0.5]}, checks=["ordinary_test", "together"], worlds=4, seed=1)
    >>> found.table["rate"].tolist()
    [1.0, 0.0]
    """
    _judge_counts(worlds, draws)
    seed, worlds, draws = judged_seed(seed), int(worlds), int(draws)
    shape = design if isinstance(design, Shape) else shape_of(design, cluster, scale)
    asked = _asked(threats, shape)
    known = _known(checks)
    reasons = {place: plantable(shape, *place) for place in asked}
    left_out = pd.DataFrame([(*place, why) for place, why in reasons.items() if why], columns=["threat", "size", "reason"])
    places = [place for place, why in reasons.items() if not why]
    blocks = [(*place, start, min(start + BLOCK, worlds)) for place in places for start in range(0, worlds, BLOCK)]
    arguments = {
        "shape": _fingerprint(shape),
        "blocks": blocks,
        "checks": {name: (told(check.fires), check.every) for name, check in known.items()},
        "seed": seed,
        "draws": draws,
    }
    stored = Stored.opened(store, arguments)
    todo = [block for block in blocks if block not in stored]
    done = sum(block[3] - block[2] for block in blocks if block in stored)
    total = len(places) * worlds
    if progress:
        progress(done, total)
    trial = partial(tried, shape=shape, checks=known, seed=seed, draws=draws)
    for block, found in zip(todo, map(trial, todo), strict=True):
        stored.keep(block, found)
        done += block[3] - block[2]
        if progress:
            progress(done, total)
    made = {place: [stored[block] for block in blocks if block[:2] == place] for place in places}
    return ThreatMatrix(_table(made, known, shape), _false(made, shape), left_out, shape, worlds, seed)


def tried(block: tuple[str, float, int, int], shape: Shape, checks: Mapping[str, Check], seed: int, draws: int) -> dict[str, Any]:
    """Return what all checks find in the worlds of one block: (threat, size, first world, one past the last)."""
    threat, size, start, stop = block
    estimates: list[float] = []
    fired = dict.fromkeys(checks, 0)
    applied = dict.fromkeys(checks, 0)
    refused: dict[str, dict[str, int]] = {name: {} for name in checks}
    shape = shaped(shape, threat, size)  # once, so that worlds share it and panels of one shape are judged once
    alike: dict[str, Any] = {}
    ready: dict[str, Any] = {}
    for number in range(start, stop):
        trial = Trial(world(shape, threat, size, seed_of(seed, threat, number)), seed, number, draws, alike, ready)
        estimates.append(trial.theta)
        for name, check in checks.items():
            if number % check.every:
                continue
            try:
                found = check.fires(trial)
            except (DesignError, EstimateError) as refusal:
                reason = str(refusal)
                refused[name][reason] = refused[name].get(reason, 0) + 1
                continue
            if not isinstance(found, (bool, np.bool_)):
                raise EstimateError(f"The check {name!r} returned {found!r}: a check returns True (it fires) or False.")
            fired[name] += bool(found)
            applied[name] += 1
    return {"estimates": estimates, "fired": fired, "applied": applied, "refused": refused}


def _asked(threats: Sequence[str] | Mapping[str, float | Sequence[float]] | None, shape: Shape) -> list[tuple[str, float]]:
    """Return the threats and sizes asked for; graded sizes in noise SDs become units of the outcome."""
    if isinstance(threats, str):
        threats = (threats,)
    names = list(THREATS) if threats is None else list(dict.fromkeys(threats))
    if not names:
        raise DesignError(f"threats= names nothing. Allowed: {', '.join(THREATS)}.")
    for name in names:
        if name not in THREATS:
            raise DesignError(unknown("threat", str(name), list(THREATS)))
    if isinstance(threats, Mapping):
        graded = {name: list(sizes) if isinstance(sizes := threats[name], Iterable) else [sizes] for name in names}
        if empty := [name for name, sizes in graded.items() if not sizes]:
            raise DesignError(f"No size is named for {first_five(empty)}. Without a mapping every problem has its graded sizes.")
    else:
        graded = {
            name: [size * (shape.noise.total if THREATS[name].noisy else 1.0) for size in THREATS[name].sizes] for name in names
        }
    for name, sizes in graded.items():
        for size in sizes:
            THREATS[name].judge(name, size)
    return [(name, float(size)) for name, sizes in graded.items() for size in sizes]


def _judge_counts(worlds: int, draws: int) -> None:
    if not is_whole(worlds) or worlds < 2:
        raise EstimateError(f"worlds is a whole number from 2 on, such as 200, not {worlds!r}.")
    if not is_whole(draws) or draws < LEAST_DRAWS:
        raise EstimateError(
            f"draws is a whole number from {LEAST_DRAWS} on, such as 199, not {draws!r}: fewer shuffles cannot be rare at 5%. "
            "(The wild cluster bootstrap needs 99.)"
        )


def _known(checks: Sequence[str] | Mapping[str, Check | Callable[[Trial], bool]] | None) -> dict[str, Check]:
    if checks is None:
        return CHECKS
    if not checks:
        raise DesignError(f"checks= names nothing. Allowed: {', '.join(CHECKS)}.")
    if isinstance(checks, Mapping):
        if strange := [name for name, check in checks.items() if not (isinstance(check, Check) or callable(check))]:
            raise DesignError(f"A check is a function of a trial or a Check; these are neither: {first_five(strange)}.")
        return {name: check if isinstance(check, Check) else Check(check, "warning") for name, check in checks.items()}
    names = [checks] if isinstance(checks, str) else list(checks)
    for name in names:
        if name not in CHECKS:
            raise DesignError(unknown("check", str(name), list(CHECKS)))
    return {name: CHECKS[name] for name in names}


def _fingerprint(shape: Shape) -> str:
    parts = [np.ascontiguousarray(part).tobytes() for part in (shape.cohort, shape.periods, shape.cluster, shape.seen)]
    noise = {name: np.asarray(value).tolist() for name, value in asdict(shape.noise).items()}
    told = json.dumps([noise, shape.scale, shape.anticipation])
    return sha256(b"|".join([*parts, told.encode()])).hexdigest()


def _table(made: Mapping[tuple[str, float], list[dict[str, Any]]], checks: Mapping[str, Check], shape: Shape) -> pd.DataFrame:
    rows = []
    for (threat, size), blocks in made.items():
        for name, check in checks.items():
            fired, applied = (sum(block[what][name] for block in blocks) for what in ("fired", "applied"))
            reasons: dict[str, int] = {}
            for block in blocks:
                for reason, count in block["refused"][name].items():
                    reasons[reason] = reasons.get(reason, 0) + count
            low, high = wilson(fired, applied)
            rate = fired / applied if applied else None
            rows.append(
                {
                    "threat": threat,
                    "size": size,
                    "size_in_noise": size / shape.noise.total if THREATS[threat].noisy else None,
                    "check": name,
                    "meaning": check.meaning,
                    "rate": rate,
                    "mc_error": None if rate is None else float(np.sqrt(rate * (1 - rate) / applied)),
                    "conf_low": low,
                    "conf_high": high,
                    "fired": fired,
                    "worlds": applied,
                    "refused": sum(reasons.values()),
                    "reason": max(reasons, key=lambda reason: reasons[reason]) if reasons else "",
                }
            )
    frame = pd.DataFrame(rows)
    numbers = ["size_in_noise", "rate", "mc_error", "conf_low", "conf_high"]
    return frame.astype(dict.fromkeys(numbers, float)) if len(frame) else frame


def _false(made: Mapping[tuple[str, float], list[dict[str, Any]]], shape: Shape) -> pd.DataFrame:
    rows = []
    for (threat, size), blocks in made.items():
        estimates = np.array([value for block in blocks for value in block["estimates"]])
        mean, spread = float(estimates.mean()), float(estimates.std(ddof=1))
        rows.append(
            {
                "threat": threat,
                "size": size,
                "estimate": mean,
                "mc_error": spread / np.sqrt(len(estimates)),
                "spread": spread,
                "in_noise": mean / shape.noise.total,
                "worlds": len(estimates),
            }
        )
    return pd.DataFrame(rows)
