"""R11: what happened to untreated units near the treated, and the effect against those far away alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.diagnostics.spillovers import Rings, beside_donut, rings, spillovers
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, not_named
from evalkit.dossier.lines import excludes_zero, opposed, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError
from evalkit.inference.multiple import holm
from evalkit.records import Remark

SPILLOVERS = "evalkit.diagnostics.spillovers.spillovers"
LEVEL = 0.05  # of a ring's adjusted p-value: as the ranges of the report
WEAK = 0.10  # up to which a doubt is told
WIDTHS = (10, 20, 50)  # km: a township, a neighbouring one, a neighbouring county


def spillover(work: Work) -> Check:
    """Return R11: the effect on the rings of untreated units round the treated, and the headline without them."""
    nearness = _nearness(work)
    if not nearness:
        return not_named("R11", "checks.same_place", SPILLOVERS)
    lines = [line for name, given in nearness.items() for line in _of(work, name, given)]
    told = [line for line in lines if line.name.startswith("ring.") and line.effect is not None]
    lines = _with_adjusted(lines)
    verdict, because = _judged(work, lines)
    p = [line.numbers["p_adjusted"] for line in lines if line.numbers.get("p_adjusted") is not None]
    facts = {
        "rings": len(told), "smallest_p": min((one for one in p if one is not None), default=None),
        "near_units": sum(int(line.numbers["near_units"] or 0) for line in lines if line.name.startswith("place.")),
        "headline": work.main, "donut": _donut(lines),
    }  # fmt: skip
    return Check(
        rule="R11",
        name="spillover",
        verdict=verdict,
        statistic=Remark(code="rings", facts=facts),
        because=because,
        lines=lines,
        made_by=SPILLOVERS,
    )


def _nearness(work: Work) -> dict[str, dict[str, Any]]:
    """Return what near means: the same place, a distance, or both, each on its own."""
    found: dict[str, dict[str, Any]] = {}
    if work.checks.same_place:
        found["place"] = {"same": work.checks.same_place}
    if work.checks.coordinates:
        found["distance"] = {"coordinates": work.checks.coordinates, "widths_km": WIDTHS}
    return found


def _of(work: Work, name: str, given: dict[str, Any]) -> Iterator[Line]:
    """Yield how many untreated units are near, the effect on each ring, and the headline with and without them."""
    try:
        near = rings(work.design, **given)
    except EvalkitError as refusal:
        yield refused_line(f"ring.{name}", refusal)
        return
    yield _counts(name, near)
    try:
        found = spillovers(work.design, work.overall, near)
        for effect, (_, cell) in zip(work.intervals(found), found.cells.iterrows(), strict=True):
            units = int((near.ring == near.names.index(str(cell["name"]))).sum())
            yield Line(name=f"ring.{name}", effect=effect, numbers={"units": units}, words={"ring": str(cell["name"])})
    except EvalkitError as refusal:
        yield refused_line(f"ring.{name}", refusal)
    try:
        both = beside_donut(work.design, work.overall, near)
        for effect, called in zip(work.intervals(both), both.cells["name"], strict=True):
            yield Line(name=f"donut_{name}.{called}", effect=effect)
    except EvalkitError as refusal:
        yield refused_line(f"donut_{name}.donut", refusal)


def _counts(name: str, near: Rings) -> Line:
    far = len(near.names) - 1
    inside = (near.ring >= 0) & (near.ring < far)
    return Line(
        name=f"place.{name}", numbers={"near_units": int(inside.sum()), "far_units": int((near.ring == far).sum())}
    )  # fmt: skip


def _with_adjusted(lines: list[Line]) -> list[Line]:
    """Return the lines with Holm's p-value beside every ring's own."""
    tested = [
        i for i, line in enumerate(lines) if line.name.startswith("ring.") and line.effect and line.effect.p_value is not None
    ]
    p = [line.effect.p_value for line in (lines[i] for i in tested) if line.effect is not None]
    out = list(lines)
    for i, value in zip(tested, holm(np.array(p, dtype=float)), strict=True):
        out[i] = lines[i].model_copy(update={"numbers": {**lines[i].numbers, "p_adjusted": float(value)}})
    return out


def _donut(lines: list[Line]) -> float | None:
    return next((line.effect.estimate for line in lines if line.name.endswith(".donut") and line.effect is not None), None)


def _judged(work: Work, lines: list[Line]) -> tuple[Verdict, Remark | None]:
    p = [float(line.numbers["p_adjusted"]) for line in lines if line.numbers.get("p_adjusted") is not None]  # type: ignore[arg-type]
    donuts = [line for line in lines if line.name.endswith(".donut") and line.effect is not None]
    counted = [line for line in lines if line.name.startswith("place.")]
    if counted and all(line.numbers["far_units"] == 0 for line in counted):
        return "doubt", Remark(
            code="nobody_far", facts={"near_units": max(int(line.numbers["near_units"] or 0) for line in counted)}
        )
    if counted and all(line.numbers["near_units"] == 0 for line in counted):
        return "pass", None
    other = [line for line in donuts if opposed(work, line.effect)]
    if other:
        sure = any(excludes_zero(line.effect) for line in other)
        return "fail" if sure else "doubt", Remark(code="donut_opposed", facts={"donut": _donut(lines), "headline": work.main})
    if not p:
        if refused := [line for line in lines if line.reason]:
            return "not_applicable", Remark(code="refused", facts={"said": refused[0].words.get("said", "")})
        return "not_applicable", Remark(code="too_few", facts={})
    if min(p) < LEVEL:
        return "fail", Remark(code="near_units_move", facts={"p_value": min(p)})
    if min(p) < WEAK:
        return "doubt", Remark(code="near_units_may_move", facts={"p_value": min(p)})
    return "pass", None
