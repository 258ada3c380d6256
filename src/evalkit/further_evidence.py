"""Facts of a grade that need columns which the study names under ``checks:``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.diagnostics.spillovers import rings, spillovers
from evalkit.errors import EvalkitError, StudyError
from evalkit.estimate import Estimate
from evalkit.how_firm import Overall
from evalkit.inference.linear import Inference
from evalkit.inference.multiple import holm
from evalkit.side_by_side import beside
from evalkit.study import Study
from evalkit.subset import on_rows_of, without_units

Array = np.ndarray[Any, Any]

SAME = 0.05  # two comparisons whose difference has a smaller p-value do not agree


def further(study: Study, design: Design) -> dict[str, Any]:
    """Return what columns named under ``checks:`` tell; a check that the data refuse leaves its fact unknown.

    Raises
    ------
    StudyError
        For a second comparison that holds all or none of the units never covered.
    """
    checks = study.checks
    if checks is None:
        return {}
    asked: list[tuple[bool, Callable[[], dict[str, Any]]]] = [
        (checks.same_place is not None, lambda: _neighbours(study, design)),
        (bool(checks.untouched), lambda: _untouched(study, design)),
        (checks.intensity is not None, lambda: _dose(study, design)),
        (checks.second_comparison is not None, lambda: _second(study, design)),
    ]
    found: dict[str, Any] = {}
    for named, look in asked:
        if not named:
            continue
        try:
            found |= {name: fact for name, fact in look().items() if fact == fact}  # no noise, no p-value: not known
        except StudyError:
            raise
        except EvalkitError:  # nobody near, no variation, a group too small: the grade lists the fact as not known
            continue
    return found


def _p_values(study: Study, estimate: Estimate) -> Array:
    table = Inference(cluster=study.cluster or study.unit, level=study.level)(estimate)
    return np.asarray(table["p_value"].to_numpy(dtype=float))


def _neighbours(study: Study, design: Design) -> dict[str, Any]:
    assert study.checks is not None
    near = rings(design, same=study.checks.same_place)
    p = _p_values(study, spillovers(design, Overall(study.method), near))
    return {"spillover_p": float(holm(p).min())}


def _untouched(study: Study, design: Design) -> dict[str, Any]:
    """Return the joint p-value of outcomes that the programme cannot touch, and whether a move worth telling would have been seen in each.

    A range that reaches beyond the smallest change worth telling, of the outcome's own mean, could hide a move: it is no pass.
    """
    assert study.checks is not None
    p_values, seen = [], []
    for name in study.checks.untouched:
        other = replace(design, outcome=name)
        row = Inference(cluster=study.cluster or study.unit, level=study.level)(Overall(study.method)(other)).iloc[0]
        room = study.smallest_meaningful_percent / 100 * abs(float(np.average(other.y, weights=other.w)))
        p_values.append(float(row["p_value"]))
        seen.append(max(-float(row["conf_low"]), float(row["conf_high"])) < room)
    return {"untouched_p": float(holm(np.array(p_values)).min()), "untouched_within": all(seen)}


def _dose(study: Study, design: Design) -> dict[str, Any]:
    """Return whether the effect grows with the dose over thirds of the treated, and the p-value of the highest against the lowest."""
    assert study.checks is not None and study.checks.intensity is not None
    treated, after = np.isfinite(design.cohort), design.treated
    dose = np.where(after, design.values(study.checks.intensity), 0.0)
    mean = np.bincount(design.unit_index, dose, len(design.units)) / np.maximum(
        np.bincount(design.unit_index, after, len(design.units)), 1
    )
    third = np.searchsorted(np.quantile(mean[treated], (1 / 3, 2 / 3)), mean, side="left")
    parts = [_on(design, Overall(study.method)(without_units(design, treated & (third != one)))) for one in range(3)]
    effects = [float(part.theta[0]) for part in parts]
    return {
        "dose_monotone": effects == sorted(effects, reverse=float(Overall(study.method)(design).theta[0]) < 0),
        "dose_p": float(_p_values(study, beside(parts[2], parts[0]))[0]),
    }


def _second(study: Study, design: Design) -> dict[str, Any]:
    """Return whether a second, independent comparison gives the same sign and a difference within its noise."""
    assert study.checks is not None and study.checks.second_comparison is not None
    never = np.isinf(design.cohort)
    marked = design.values(study.checks.second_comparison)[design.first_rows] == 1
    if not (never & marked).any() or not (never & ~marked).any():
        raise StudyError(
            f"checks.second_comparison: of the units never covered some must have 1 in {study.checks.second_comparison!r} and some 0, "
            f"so that there are two comparisons; {int((never & marked).sum())} have 1 and {int((never & ~marked).sum())} have not."
        )
    parts = [_on(design, Overall(study.method)(without_units(design, never & leave))) for leave in (marked, ~marked)]
    same = float(parts[0].theta[0]) * float(parts[1].theta[0]) > 0 and _p_values(study, beside(*parts))[0] >= SAME
    return {"second_source": "agrees" if same else "differs"}


def _on(design: Design, estimate: Estimate) -> Estimate:
    return on_rows_of(estimate, design.row_keys)
