"""R5 and R6: the estimate among those of random assignments, and the effect of programmes that never were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.diagnostics.placebos import placebo_groups, placebo_in_time, placebo_outcomes
from evalkit.diagnostics.replays import Array, constant_in_units
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, constant_values
from evalkit.dossier.lines import line_of_row
from evalkit.dossier_records import Check, Line
from evalkit.errors import DesignError
from evalkit.inference.multiple import holm
from evalkit.inference.permutation import Permutation, permute
from evalkit.records import Remark

PERMUTE = "evalkit.inference.permutation.permute"
PLACEBOS = "evalkit.diagnostics.placebos.placebo_in_time"
LEVEL = 0.05  # of a test of one programme that never was, and of a rank that stands out: as the ranges of the report
WEAK = 0.10  # a p-value up to which a doubt is all that is said
SHOWN = 0.05  # where even the first rank has a larger p-value, the rank says nothing
LONGEST = 3  # years by which starts are moved ahead: each more costs a year of a window that is short already
MOST_REGIONS = 8  # groups of a placebo: more of them only cost power once p-values are adjusted
LEAST_UNITS = 6  # of a placebo group and of its comparison: with fewer the usual test rejects far too often (domain.md 2.4)


def permutation(work: Work) -> Check:
    """Return R5: the rank of the estimate among those of random sets of units and dates, within region where one is named.

    It tells whether ranges have the right width, and is blind to a trend that the covered have of their own: both the estimate and
    its comparison with random sets hold that trend.
    """
    where = _movable(work)
    found = permute(work.overall, work.design, draws=work.draws, seed=work.seed, interval="none", level=work.study.level, **where)
    row, smallest = found.table.iloc[0], found.smallest
    moves = "within" if "strata" in where else "clusters" if "cluster" in where else "units"
    p_value = float(row["p_value"])
    verdict, because = _ranked(work, p_value, smallest.smallest_p)
    others = found.draws[:, 0]
    facts: dict[str, Any] = {
        "estimate": float(row["estimate"]), "p_value": p_value, "rank": int(row["rank"]), "assignments": int(row["assignments"]),
        "exact": bool(row["exact"]), "smallest_p": smallest.smallest_p, "moves": moves, "refused": int(np.isnan(others).sum()),
        "strata": where.get("strata", ""), "low": float(np.nanquantile(others, 0.025)), "high": float(np.nanquantile(others, 0.975)),
    }  # fmt: skip
    return Check(
        rule="R5",
        name="permutation",
        verdict=verdict,
        statistic=Remark(code="rank", facts=facts),
        because=because,
        lines=list(_spread(found)),
        made_by=PERMUTE,
        remarks=[
            Remark(code="scale_only", facts={}),
            *([Remark(code="within_areas", facts={"middle": float(np.nanmedian(others))})] if moves == "within" else []),
        ],
        draws=[float(value) for value in others[np.isfinite(others)]],
    )


def _movable(work: Work) -> dict[str, Any]:
    """Return what could have been treated instead: units or whole clusters, within region; units within clusters where starts differ there."""
    regions = [name for name in work.checks.regions if name != work.cluster]
    region = {"strata": regions[0]} if regions else {}
    if work.cluster == work.study.unit:
        return region
    codes, count = work.design.codes(work.cluster)
    starts = set(zip(codes[work.design.first_rows].tolist(), work.design.cohort.tolist(), strict=True))
    return {"cluster": work.cluster, **region} if len(starts) == count else {"strata": work.cluster}


def _ranked(work: Work, p_value: float, smallest: float) -> tuple[Verdict, Remark | None]:
    if smallest > SHOWN:
        return "not_applicable", Remark(code="cannot_stand_out", facts={"smallest_p": smallest})
    if p_value <= LEVEL:
        return "pass", None
    facts = {"p_value": p_value}
    claimed = work.findings.verdict in ("gain", "loss")
    return ("fail" if claimed and p_value > WEAK else "doubt"), Remark(code="within_placebos", facts=facts)


def _spread(found: Permutation) -> Iterator[Line]:
    """Yield the distribution of the other estimates at a few quantiles."""
    others = found.draws[:, 0][np.isfinite(found.draws[:, 0])]
    for share in (0.0, 0.025, 0.25, 0.5, 0.75, 0.975, 1.0):
        yield Line(name="draws.quantile", numbers={"share": share, "value": float(np.quantile(others, share))})


@dataclass(frozen=True)
class _Placebo:
    """One programme that never was: its line's name, words and numbers, and the row that was found."""

    name: str
    words: Mapping[str, str]
    numbers: Mapping[str, int]
    row: pd.Series[Any]


def false_programmes(work: Work) -> Check:
    """Return R6: the effect of dates before the start, of groups that were not covered, and on outcomes that cannot move."""
    found = [*_earlier(work), *_other_groups(work), *_untouched(work)]
    p_adjusted = _adjusted(work, found)
    lines = [
        line_of_row(work, one.name, one.row, one.words, **one.numbers, p_adjusted=p)
        for one, p in zip(found, p_adjusted, strict=True)
    ]
    tested = [line for line in lines if line.numbers["p_adjusted"] is not None]
    verdict, because = _of_placebos(work, tested)
    smallest = min((p for p in p_adjusted if p is not None), default=None)
    parts = {
        f"{part}s": sum(line.name.startswith(part) and line.effect is not None for line in lines)
        for part in ("date", "group", "outcome")
    }
    return Check(
        rule="R6",
        name="false_programmes",
        verdict=verdict,
        statistic=Remark(code="placebos", facts={"tests": len(tested), "smallest_p": smallest, **parts}),
        because=because,
        lines=lines,
        made_by=PLACEBOS,
    )


def _of_placebos(work: Work, tested: list[Line]) -> tuple[Verdict, Remark | None]:
    if not tested:
        return "not_applicable", Remark(code="too_few" if work.too_few else "no_placebo", facts={})
    if sure := [line.name for line in tested if (line.numbers["p_adjusted"] or 0.0) < LEVEL]:
        return "fail", Remark(code="found_where_none_is", facts={"placebos": sorted(set(sure)), "number": len(sure)})
    if perhaps := [line.name for line in tested if (line.numbers["p_adjusted"] or 0.0) < WEAK]:
        return "doubt", Remark(code="perhaps_found", facts={"placebos": sorted(set(perhaps)), "number": len(perhaps)})
    return "pass", None


def _adjusted(work: Work, found: list[_Placebo]) -> list[float | None]:
    """Return Holm's p-values over all placebos; None where there is no test of one."""
    p = np.array([np.nan if work.too_few else float(one.row["p_value"]) for one in found])
    known = np.isfinite(p)
    out: list[float | None] = [None] * len(p)
    for position, value in zip(np.flatnonzero(known), holm(p[known]), strict=True):
        out[int(position)] = float(value)
    return out


def _choices(work: Work) -> dict[str, Any]:
    return {"cluster": work.cluster, "level": work.study.level}


def _earlier(work: Work) -> Iterator[_Placebo]:
    """Yield the effect of starts some years earlier, on rows before the true start."""
    treated = work.design.cohort[np.isfinite(work.design.cohort)]
    longest = int(treated.max() - work.design.anticipation - work.design.periods[0]) - 1
    shifts = list(range(1, min(LONGEST, longest) + 1))
    if not shifts:
        return
    for _, row in placebo_in_time(work.overall, work.design, shifts, **_choices(work)).table.iterrows():
        yield _Placebo("date.earlier", {}, {"shift": int(row["shift"])}, row)


def _untouched(work: Work) -> Iterator[_Placebo]:
    """Yield the effect on outcomes that the study names as beyond the programme's reach, each in its own unit."""
    for column, said in work.checks.untouched.items():
        words = {"column": column, "zh": said.zh, "en": said.en}
        row = placebo_outcomes(work.overall, work.design, [column], **_choices(work)).table.iloc[0]
        yield _Placebo("outcome.untouched", words, {}, row)


def _other_groups(work: Work) -> Iterator[_Placebo]:
    """Yield the effect in groups that were never covered, as if they had been from the commonest start on."""
    for name, member, words in _groups(work):
        start = _common_start(work)
        row = placebo_groups(work.overall, work.design, {name: member}, [int(start)], **_choices(work)).table.iloc[0]
        yield _Placebo(f"group.{name}", words, {"start": int(start)}, row)


def _common_start(work: Work) -> float:
    """Return the start of most treated units among those with a period before it."""
    starts, units = np.unique(work.design.cohort[np.isfinite(work.design.cohort)], return_counts=True)
    inside = starts > work.design.periods[0] + work.design.anticipation
    if not inside.any():
        raise DesignError("No cohort has a period before its start, so there is no date that a placebo group could be given.")
    return float(starts[inside][units[inside].argmax()])


def _groups(work: Work) -> Iterator[tuple[str, Array, Mapping[str, str]]]:
    """Yield groups never covered in the window: those covered later, a second comparison, and the largest regions."""
    design = work.design
    never = np.isinf(design.cohort)
    own = dict(zip(design.rollout.units, design.rollout.first_treated, strict=True))
    later = never & np.isfinite(np.array([own[unit] for unit in design.units], dtype=float))
    candidates: list[tuple[str, Array, dict[str, str]]] = [("later", later, {})]
    if column := work.checks.second_comparison:
        member = constant_values(work, column, "checks.second_comparison").astype(float) == 1
        candidates.append(("second_comparison", never & member, {"column": column}))
    if work.checks.regions:
        codes, labels = constant_in_units(design, work.checks.regions[0])
        sizes = np.bincount(codes[never], minlength=len(labels))
        largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_REGIONS])
        candidates += [("region", never & (codes == code), {"column": str(labels[code])}) for code in largest]
    for name, member, words in candidates:
        if member.sum() >= LEAST_UNITS and (never & ~member).sum() >= LEAST_UNITS:
            yield name, member, words
