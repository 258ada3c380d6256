"""R9: the effect in groups named beforehand, and whether it differs between them, with p-values adjusted for there being several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.diagnostics.replays import Array, difference
from evalkit.dossier.baseline import Verdict
from evalkit.dossier.checking import Work, constant_values, not_named
from evalkit.dossier.lines import excludes_zero, line_of, opposed, refused_line
from evalkit.dossier_records import Check, Line
from evalkit.errors import EvalkitError, StudyError, first_five
from evalkit.estimate import Estimate
from evalkit.inference.linear import has_own_noise
from evalkit.inference.multiple import adjusted
from evalkit.records import Remark
from evalkit.study_parts import Group
from evalkit.subset import on_rows_of, without_units

ADJUSTED = "evalkit.inference.multiple.adjusted"
LEAST_HOUSEHOLDS = 30  # of a cell: with fewer a mean tells of single households (domain.md, R9)
LEAST_CLUSTERS = 5  # on each side of a cell: fewer give no range that can be trusted (domain.md, R9)
LEVEL = 0.05  # of an adjusted p-value, as the ranges of the report
DRAWS = 1_999  # of Romano and Wolf


@dataclass(frozen=True, eq=False)
class Cell:
    """One group: its key, who is in it (N,), how many units and clusters each side has, and what it is called."""

    key: str
    group: Group
    member: Array
    treated_units: int
    comparison_units: int
    treated_clusters: int
    comparison_clusters: int

    @property
    def numbers(self) -> dict[str, int]:
        """The counts of a line."""
        names = ("treated_units", "comparison_units", "treated_clusters", "comparison_clusters")
        return {name: getattr(self, name) for name in names}

    @property
    def words(self) -> dict[str, str]:
        """The words of a line."""
        return {"zh": self.group.word.zh, "en": self.group.word.en}


def groups(work: Work) -> Check:
    """Return R9: the effect in every group against units of the same group, its difference from all others, and adjusted p-values."""
    named = work.study.who.groups if work.study.who else {}
    if not named:
        return not_named("R9", "who.groups", ADJUSTED)
    cells = [_cell(work, key, group) for key, group in named.items()]
    small = [cell.key for cell in cells if too_small(work, cell)]
    lines: list[Line] = []
    effects: dict[str, Estimate] = {}
    apart: dict[str, Estimate] = {}
    for cell in cells:
        if cell.key in small:
            lines.append(Line(name="group.effect", numbers=dict(cell.numbers), words=cell.words, reason="small_cell"))
            continue
        try:
            effects[cell.key] = work.overall(without_units(work.design, ~cell.member))
        except EvalkitError as refusal:
            lines.append(refused_line("group.effect", refusal, cell.words, **cell.numbers))
            continue
        others = _against_others(work, cell, effects[cell.key])
        if others is not None:
            apart[cell.key] = others
    told = [*_told(work, "group.effect", cells, effects), *_told(work, "group.difference", cells, apart)]
    verdict, because = _judged(work, told, small)
    p = [line.numbers["p_adjusted"] for line in told if line.name == "group.difference"]
    facts = {
        "groups": len(cells), "told": len(effects), "small": len(small),
        "smallest_p": min((one for one in p if one is not None), default=None), "tests": len(p),
    }  # fmt: skip
    return Check(
        rule="R9",
        name="groups",
        verdict=verdict,
        statistic=Remark(code="differences", facts=facts),
        because=because,
        lines=[*told, *lines],
        made_by=ADJUSTED,
    )


def _judged(work: Work, told: list[Line], small: list[str]) -> tuple[Verdict, Remark | None]:
    effects = [line for line in told if line.name == "group.effect"]
    if not effects:
        return "not_applicable", Remark(code="small_cells", facts={"groups": small, "least": LEAST_CLUSTERS})
    if against := [line for line in effects if opposed(work, line.effect) and excludes_zero(line.effect)]:
        return "fail", Remark(code="opposed_in_group", facts=_named(against))
    differ = [line for line in told if line.name == "group.difference" and (line.numbers["p_adjusted"] or 1.0) < LEVEL]
    if differ:
        return "doubt", Remark(code="groups_differ", facts=_named(differ))
    if small:
        facts = {"groups": small, "least": LEAST_CLUSTERS, "least_households": LEAST_HOUSEHOLDS}
        return "doubt", Remark(code="small_cells", facts=facts)
    return "pass", None


def _named(lines: list[Line]) -> dict[str, list[str]]:
    return {lang: [line.words[lang] for line in lines] for lang in ("zh", "en")}


def _cell(work: Work, key: str, group: Group) -> Cell:
    """Return who is in a group; raises StudyError for values that nobody has."""
    values = constant_values(work, group.column, f"who.groups.{key}.column")
    written = np.array([_written(value) for value in values], dtype=object)
    wanted = [_written(value) for value in group.values]
    if lost := [value for value in wanted if value not in set(written)]:
        allowed = sorted(set(written))
        raise StudyError(
            f"who.groups.{key}.values: nobody has {group.column} = {first_five(lost)}. It holds {first_five(allowed)}."
        )
    member = np.isin(written, wanted)
    treated = np.isfinite(work.design.cohort)
    codes, _ = work.design.codes(work.cluster)
    of_unit = codes[work.design.first_rows]
    sides = {"treated": member & treated, "comparison": member & ~treated}
    counts = {f"{side}_units": int(inside.sum()) for side, inside in sides.items()}
    clusters = {f"{side}_clusters": len(np.unique(of_unit[inside])) for side, inside in sides.items()}
    return Cell(key, group, member, **counts, **clusters)


def _written(value: object) -> str:
    """Return a value as text, a whole number without its decimals: 1 and 1.0 are one group."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def too_small(work: Work, cell: Cell) -> bool:
    """Return whether a side of a group has too few clusters, or too few households where units are households."""
    if min(cell.treated_clusters, cell.comparison_clusters) < LEAST_CLUSTERS:
        return True
    received = work.loaded.received
    level = work.study.unit_level or (received.mapping.level if received else None)
    # Units within clusters are people or households; where the study does not say, they count as such.
    households = level == "household" or (level is None and work.cluster != work.study.unit)
    return households and min(cell.treated_units, cell.comparison_units) < LEAST_HOUSEHOLDS


def _against_others(work: Work, cell: Cell, effect: Estimate) -> Estimate | None:
    """Return the effect in a group less that in all others, with the covariance of the two; None where the others are too few."""
    if cell.member.all():
        return None
    others = _cell_of(work, ~cell.member, cell)
    if too_small(work, others):
        return None
    rest = work.overall(without_units(work.design, cell.member))
    return difference(effect, on_rows_of(rest, work.design.row_keys))


def _cell_of(work: Work, member: Array, like: Cell) -> Cell:
    codes, _ = work.design.codes(work.cluster)
    of_unit, treated = codes[work.design.first_rows], np.isfinite(work.design.cohort)
    return Cell(
        like.key, like.group, member, int((member & treated).sum()), int((member & ~treated).sum()),
        len(np.unique(of_unit[member & treated])), len(np.unique(of_unit[member & ~treated])),
    )  # fmt: skip


def _told(work: Work, name: str, cells: list[Cell], found: dict[str, Estimate]) -> Iterator[Line]:
    """Yield the lines of a family of effects, with p-values of Romano and Wolf."""
    noisy = {key: estimate for key, estimate in found.items() if has_own_noise(estimate).all() and estimate.psi.any()}
    p: pd.Series[float] = pd.Series(dtype=float)
    if noisy and not work.too_few:
        table = adjusted(noisy, "romano_wolf", cluster=work.cluster, draws=DRAWS, seed=work.seed)
        p = table.set_index("label")["p_adjusted"]
    for cell in cells:
        if cell.key in found:
            value = float(p.loc[cell.key]) if cell.key in p.index else None
            yield line_of(work, name, found[cell.key], cell.words, **cell.numbers, p_adjusted=value)
