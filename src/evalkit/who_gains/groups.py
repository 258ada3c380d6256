"""Effects in groups named before the outcome is read, and the differences between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, StudyError, first_five, unknown
from evalkit.estimate import Estimate, cell_frame
from evalkit.estimators import GroupTime
from evalkit.findings import Headline
from evalkit.firm_records import NotTold
from evalkit.income_effect import headline
from evalkit.inference.linear import Inference
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.study_parts import Group
from evalkit.subset import on_rows_of, without_units
from evalkit.who_gains.families import LEAST_CLUSTERS, clusters_of, family, pretrend_p
from evalkit.who_records import GroupDifference, GroupFound, Groups

Array = np.ndarray[Any, Any]

LEAST_HOUSEHOLDS = 30  # fewer households on a side tell nothing of a group
NAMES = ("effect", "money", "percent", "base")


def group_effects(study: Study, design: Design, households: bool) -> Groups | NotTold:
    """Return the effect in every group of the study, and the differences between groups of one column.

    A group's covered units are compared with units of the same group that are not covered. Differences know that groups share
    clusters: the influence of every row on both is joined. Groups of one column are compared with each other; one that stands alone in its
    column with everybody else whose column is known.

    Parameters
    ----------
    households : whether units are households, of which a side needs 30; clusters are needed of any units, five a side

    Raises
    ------
    StudyError
        For a column or a value that is not there, and for a column that changes over time.
    """
    if study.who is None or not study.who.groups:
        return NotTold(reason="no_groups")
    labels = {group.column: unit_labels(design, f"who.groups.{name}", group.column) for name, group in study.who.groups.items()}
    members = {name: members_of(f"who.groups.{name}", group, labels[group.column]) for name, group in study.who.groups.items()}
    sides = {name: _side(study, design, mask, households) for name, mask in members.items()}
    rows = design.row_keys
    shown = {name: on_rows_of(side.estimate, rows) for name, side in sides.items() if side.estimate is not None}
    cluster = study.cluster or study.unit
    alone = family({name: one.select(name="effect") for name, one in shown.items()}, cluster, study.seed)
    found = [
        _found(study, name, group, sides[name]).model_copy(update={"adjusted": alone.get(name)})
        for name, group in study.who.groups.items()
    ]
    pairs = _pairs(study, design, labels, members, shown, households)
    missing = {column: int((of == "").sum()) for column, of in labels.items() if (of == "").any()}
    return Groups(rows=found, differences=_differences(study, pairs), without_value=missing)


def unit_labels(design: Design, key: str, column: str) -> Array:
    """Return (N,) what each unit's column holds, as text, "" where it is empty.

    Raises
    ------
    StudyError
        For a column that is not there, and for one that changes over time, with the years in which it does.
    """
    panel = design.panel
    if column not in panel.frame:
        raise StudyError(f"{key}.column: " + unknown("column", column, [str(c) for c in panel.frame.columns]))
    cells = panel.column(column)
    cells = cells if design.keep is None else cells[design.keep]
    text = np.array([plain(value) for value in cells], dtype=object)
    first = text[design.first_rows]
    if (moved := text != first[design.unit_index]).any():
        years = np.unique(design.periods[design.period_index[moved]])
        units = len(np.unique(design.unit_index[moved]))
        raise StudyError(
            f"{key}.column: {column!r} changes over time within {units:,} units (in {first_five(years)}). A group is fixed before the "
            "programme: use a column with the value of one year before it starts."
        )
    return np.asarray(first)


def plain(value: Any) -> str:
    """Return a value of a column or of a study as text, the same whether it was written 1, 1.0 or "1"; "" where there is none.

    >>> plain(1.0), plain(True), plain("east"), plain(float("nan"))
    ('1', '1', 'east', '')
    """
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_, int, float, np.integer, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def members_of(key: str, group: Group, labels: Array) -> Array:
    """Return (N,) which units belong to a group; raises StudyError for a value that nobody has."""
    known = sorted(set(labels) - {""})
    wanted = [plain(value) for value in group.values]
    for value in wanted:
        if value not in known:
            raise StudyError(f"{key}.values: " + unknown(f"value in column {group.column!r}", value, known))
    return np.isin(labels.astype(str), wanted)


@dataclass(frozen=True)
class _Side:
    """One group: how many units and clusters each side has, its effect (None where it has none, with the reason), and its test before."""

    counts: dict[str, int]
    estimate: Estimate | None
    reason: NotTold | None
    pretrend_p: float | None
    fixed: list[str]


def _side(study: Study, design: Design, mask: Array, households: bool) -> _Side:
    inside = mask[design.unit_index]
    fixed = [name for at, name in enumerate(design.covariates) if inside.any() and np.ptp(design.x[inside, at]) == 0]
    whole = replace(design, covariates=tuple(name for name in design.covariates if name not in fixed)) if fixed else design
    cluster = study.cluster or study.unit
    treated, others = mask & np.isfinite(design.cohort), mask & np.isinf(design.cohort)
    try:
        part = without_units(whole, ~mask)
        comparison = Comparison.of(part)
    except DesignError:  # the only thing that fewer units can lack is somebody covered, or somebody to compare with
        counts = _counts(design, cluster, treated, others)
        missing = "no_treated" if not treated.any() else "no_comparison"
        return _Side(counts, None, NotTold(reason=missing), None, fixed)
    counts = counted(study, part, comparison)
    if refused := too_few(counts, households):
        return _Side(counts, None, refused, None, fixed)
    cells = GroupTime(study.method)(part)
    p = pretrend_p(cells, cluster, (counts["treated_clusters"], counts["comparison_clusters"]), study.anticipation)
    return _Side(counts, headline(cells, part, study.scale), None, p, fixed)


def _counts(design: Design, cluster: str, treated: Array, others: Array) -> dict[str, int]:
    return {
        "treated_units": int(treated.sum()),
        "comparison_units": int(others.sum()),
        "treated_clusters": clusters_of(design, cluster, treated),
        "comparison_clusters": clusters_of(design, cluster, others),
    }


def counted(study: Study, design: Design, comparison: Comparison) -> dict[str, int]:
    """Return how many units and clusters have an effect, and with how many they are compared."""
    arms = np.isin(comparison.cohort, comparison.cohorts), np.isinf(comparison.cohort)
    return _counts(design, study.cluster or study.unit, *arms)


def too_few(counts: dict[str, int], households: bool) -> NotTold | None:
    """Return why a group is too small for an effect, None where it is large enough.

    >>> too_few({"treated_units": 29, "comparison_units": 90, "treated_clusters": 9, "comparison_clusters": 9}, True).reason
    'few_units'
    """
    if households and min(counts["treated_units"], counts["comparison_units"]) < LEAST_HOUSEHOLDS:
        return NotTold(reason="few_units", facts={"least": LEAST_HOUSEHOLDS})
    if min(counts["treated_clusters"], counts["comparison_clusters"]) < LEAST_CLUSTERS:
        return NotTold(reason="few_clusters", facts={"least": LEAST_CLUSTERS})
    return None


def intervals(study: Study, estimate: Estimate) -> dict[str, Interval]:
    """Return the parameters of an estimate by their names, with the ranges of the study."""
    table = Inference(cluster=study.cluster or study.unit, level=study.level)(estimate)
    return {str(row["name"]): Interval.of(row) for _, row in table.iterrows()}


def _found(study: Study, name: str, group: Group, side: _Side) -> GroupFound:
    found: Headline | NotTold | None = side.reason
    if side.estimate is not None:
        found = Headline(**intervals(study, side.estimate))
    assert found is not None
    return GroupFound.model_validate(
        {
            "name": name,
            "word": group.word,
            "column": group.column,
            "found": found,
            "pretrend_p": side.pretrend_p,
            "fixed": side.fixed,
        }
        | side.counts
    )


def _pairs(
    study: Study, design: Design, labels: dict[str, Array], members: dict[str, Array], shown: dict[str, Estimate], households: bool
) -> dict[tuple[str, str | None], Estimate]:
    """Return the differences of all pairs of groups of one column, and of a group alone in its column from everybody else."""
    assert study.who is not None
    pairs: dict[tuple[str, str | None], Estimate] = {}
    for column, of in labels.items():
        names = [name for name, group in study.who.groups.items() if group.column == column]
        there = [name for name in names if name in shown]
        if len(names) > 1:
            pairs |= {(one, other): difference(shown[one], shown[other]) for one, other in combinations(there, 2)}
        elif there:
            rest = (
                _side(study, design, ~members[names[0]] & (of != ""), households)
                if (~members[names[0]] & (of != "")).any()
                else None
            )
            if rest is not None and rest.estimate is not None:
                pairs[names[0], None] = difference(shown[names[0]], on_rows_of(rest.estimate, design.row_keys))
    return pairs


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return one headline less another, parameter by parameter, with the covariance between them."""
    joint = one.join(other)
    k = len(one.theta)
    minus = np.hstack([np.eye(k), -np.eye(k)])
    units = float(np.nanmin(joint.cells["noisy_units"].to_numpy(float)))
    return joint.map(minus @ joint.theta, minus, cell_frame("difference", k, name=list(one.cells["name"]), units=units))


def _differences(study: Study, pairs: dict[tuple[str, str | None], Estimate]) -> list[GroupDifference]:
    known = family(
        {f"{one} {other}": e.select(name="effect") for (one, other), e in pairs.items()}, study.cluster or study.unit, study.seed
    )
    told = []
    for (one, other), estimate in pairs.items():
        rows = intervals(study, estimate)
        told.append(
            GroupDifference(
                one=one, other=other, adjusted=known.get(f"{one} {other}"), **{name: rows[name] for name in NAMES if name != "base"}
            )
        )  # fmt: skip
    return told
