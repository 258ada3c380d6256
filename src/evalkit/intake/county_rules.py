"""The rules by which the values of counties that are put together become one, and what is missing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evalkit.intake.county_history import Bools, Positions
from evalkit.intake.county_rows import Rows, refuse
from evalkit.intake.observations import IntakeError, Place, Problem, Question

WEIGHTED = "mean by "
RULES = ("sum", f"{WEIGHTED}COLUMN", "same", "drop")


def combined(
    frame: pd.DataFrame, rules: Mapping[str, str], rows: Rows, label: Positions, lacking: Bools, keys: tuple[str, str, str | None]
) -> tuple[pd.DataFrame, list[Question]]:
    """Return one row per unit and year, and what is missing in it; raises IntakeError for columns that cannot be combined."""
    touched = pd.DataFrame({"unit": label, "year": rows.year}).duplicated(keep=False).to_numpy() | lacking
    kept = [column for column in frame.columns if rules.get(column) != "drop"]
    order = [keys[0], keys[1]]
    if not touched.any():
        return frame[kept].sort_values(order, ignore_index=True), []
    values = [column for column in kept if column not in keys]
    if bare := [str(column) for column in values if column not in rules]:
        facts = {"columns": ", ".join(bare), "allowed": ", ".join(RULES)}
        raise IntakeError(Problem.at("COLUMN_WITHOUT_RULE", rows.places(touched), **facts))
    part = frame.loc[touched]  # with what is dropped: a weight may be among it
    groups = part.groupby(order, sort=False, dropna=False)
    size = groups.size()
    result = pd.DataFrame(index=size.index)
    if keys[2] is not None:
        result[keys[2]] = groups[keys[2]].first()
    holes: dict[str, Bools] = {}
    refuse(_cannot_combine(part, rules, values, rows, touched, order))
    for column in values:
        result[column], holes[column] = _one_column(part, groups, column, rules[column])
    group_lacks = pd.Series(lacking[touched], index=part.index).groupby([part[c] for c in order], sort=False).any().to_numpy()
    for column in values:
        if rules[column] != "same" and group_lacks.any():
            result[column] = result[column].mask(group_lacks)
    questions = _missing_in_combination(holes, group_lacks, part, order, size, rows.line[touched])
    result = pd.concat([frame.loc[~touched, kept], result.reset_index()[kept]], ignore_index=True)
    return result.sort_values(order, ignore_index=True), questions


def _one_column(part: pd.DataFrame, groups: Any, column: str, rule: str) -> tuple[pd.Series, Bools]:
    """Return the values of one column by unit and year, missing where any member's is, and where that happened (g,)."""
    size = groups.size()
    if rule == "same":
        present = groups[column].count()
        return groups[column].first().mask(present < size), ((present < size) & (present > 0)).to_numpy()
    if rule == "sum":
        present, value = groups[column].count(), groups[column].sum()
        hole = present < size
        return (value.mask(hole) if hole.any() else value), (hole & (present > 0)).to_numpy()
    weight = part[rule.removeprefix(WEIGHTED)]
    by = [part[name] for name in size.index.names]
    both = part[column].notna() & weight.notna()
    total = weight.where(both).groupby(by, sort=False).sum()
    mean = (part[column] * weight).groupby(by, sort=False).sum() / total.where(total != 0)
    hole = (both.groupby(by, sort=False).sum() < size) | (total == 0)
    return mean.mask(hole), (hole & (groups[column].count() > 0)).to_numpy()


def _cannot_combine(
    part: pd.DataFrame, rules: Mapping[str, str], values: Sequence[str], rows: Rows, touched: Bools, order: list[str]
) -> list[Problem]:
    """Return problems of values that should agree in a unit and year and do not, and of weights below zero."""
    problems, line = [], rows.line[touched]
    for column in (c for c in values if rules[c] == "same"):
        differs = part.groupby(order)[column].transform("nunique").to_numpy() > 1
        if differs.any():
            places = [Place(int(at), column, str(v)) for at, v in zip(line[differs], part.loc[differs, column], strict=True)]
            problems.append(Problem.at("COUNTY_VALUES_DISAGREE", places, column=column))
    for weight in sorted({rules[c].removeprefix(WEIGHTED) for c in values if rules[c].startswith(WEIGHTED)}):
        if (below := (part[weight] < 0).to_numpy()).any():
            places = [Place(int(at), weight, str(v)) for at, v in zip(line[below], part.loc[below, weight], strict=True)]
            problems.append(Problem.at("COUNTY_WEIGHT_BELOW_ZERO", places, column=weight))
    return problems


def _missing_in_combination(
    holes: Mapping[str, Bools], lacks: Bools, part: pd.DataFrame, order: list[str], size: pd.Series, line: Positions
) -> list[Question]:
    """Return the question about values that are missing because a member's value or weight is; incomplete units are asked about elsewhere."""
    columns = [column for column, hole in holes.items() if (hole & ~lacks).any()]
    if not columns:
        return []
    position = pd.Series(np.arange(len(size)), index=size.index)
    group = position.loc[pd.MultiIndex.from_frame(part[order])].to_numpy()
    places = []
    for column in columns:
        first_rows = pd.Series(line).groupby(group).min()
        places += [Place(int(first_rows[g]), column) for g in np.flatnonzero(holes[column] & ~lacks)]
    return [Question.at("VALUE_MISSING_IN_COMBINATION", places, columns=", ".join(columns))]
