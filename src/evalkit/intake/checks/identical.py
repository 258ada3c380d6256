"""Rows with the same sources of income: more than rounding and common amounts make likely."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.intake.checks.comparing import Array, against_others, holm
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question


def vectors(sources: Array) -> Array:
    """Return (n,) numbers, the same for rows of ``sources`` (n, k) that are equal, -1 where too little is filled in.

    >>> vectors(np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 0.0], [2.0, 1.0]])).tolist()
    [0, 0, -1, 1]
    """
    numbers = np.full(len(sources), -1, dtype=np.int64)
    usable = comparable(sources)
    numbers[usable] = combined(*sources[usable].T)
    return numbers


def comparable(sources: Array) -> Array:
    """Return (n,) whether a row of ``sources`` (n, k) has no blank, and two sources or more that are not zero."""
    filled: Array = (sources != 0).sum(axis=1) >= threshold("identical.filled_min")
    return filled & ~np.isnan(sources).any(axis=1)


def combined(*columns: Array) -> Array:
    """Return (n,) numbers, the same for rows that agree in every column (n,), in order of appearance."""
    numbers: Array = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        # Small whole numbers need no coding of their own: that is where the time goes.
        small = column.dtype.kind == "i" and len(column) and column.min() >= 0 and column.max() <= 4 * len(column)
        codes = column if small else pd.factorize(column)[0]
        numbers = pd.factorize(numbers * (codes.max(initial=0) + 1) + codes)[0].astype(np.int64)
    return numbers


def pairs(counts: Array) -> Array:
    """Return the number of pairs among counts."""
    number: Array = counts * (counts - 1) / 2
    return number


def coincidence(sources: Array, vector: Array, stratum: Array, place: Array) -> Array:
    """Return (s,) how likely two unrelated rows of each stratum are equal.

    The larger of two answers: the product over the sources of the chance that two rows share a value (the sources
    independent), and the share of equal pairs among rows of different places (any dependence), one pair added.
    """
    rows = np.bincount(stratum)
    independent = np.ones(len(rows))
    for column in sources.T:
        _, first, counts = np.unique(combined(stratum, column), return_index=True, return_counts=True)
        same = np.bincount(stratum[first], weights=pairs(counts), minlength=len(rows))
        independent *= np.divide(same, pairs(rows), out=np.zeros(len(rows)), where=rows > 1)

    def equal_pairs(key: Array) -> Array:
        _, first, counts = np.unique(key, return_index=True, return_counts=True)
        return np.bincount(stratum[first], weights=pairs(counts), minlength=len(rows))

    here = combined(stratum, place)
    between = pairs(rows) - equal_pairs(here)
    equal = equal_pairs(combined(stratum, vector)) - equal_pairs(combined(here, vector))
    elsewhere = np.divide(equal + 1, between, out=np.zeros(len(rows)), where=between > 0)
    likely: Array = np.minimum(np.maximum(independent, elsewhere), 1.0)
    return likely


def repeated(sources: Array, stratum: Array, place: Array) -> tuple[Array, Array, Array]:
    """Return, by place, rows beyond the first of their kind, how many are expected, and the Poisson tail of that.

    sources (n, k), stratum (n,) such as household size and which sources are zero, place (n,) such as village and year.
    """
    from scipy.special import gammainc

    vector = combined(*sources.T)
    chance = coincidence(sources, vector, stratum, place)
    here = combined(place, stratum)
    _, first, counts = np.unique(here, return_index=True, return_counts=True)
    expected = np.bincount(place[first], weights=pairs(counts) * chance[stratum[first]])
    kinds = np.bincount(place[np.unique(combined(here, vector), return_index=True)[1]])
    extra = np.bincount(place) - kinds
    tail = np.where(extra > 0, gammainc(np.maximum(extra, 1), np.maximum(expected, 1e-300)), 1.0)
    return extra, expected, tail


def identical(
    sources: Array, size: Array, village: Array, period: Array, labels: list[str], lines: Array, columns: tuple[str, ...]
) -> list[Question]:
    """Return questions about villages and years with identical rows, or rows identical but for one source.

    sources (n, k) in yuan; size (n,) persons, 0 where unknown. Rows are compared within the same household size and the
    same zero sources, and against how often rows of different villages coincide; Holm over villages, years and
    comparisons. It sees copies within a village and year. Equal amounts can be right (an allowance at one rate for
    all): it cannot tell these from copies when only one village has them.
    """
    usable = np.flatnonzero(comparable(sources) & (village >= 0))
    if len(usable) < 2:
        return []
    values = np.column_stack([_coded(column) for column in sources[usable].T])
    place = combined(village[usable], period[usable])
    stratum = combined(combined(*(values != 0).T), size[usable])
    subsets = [tuple(range(values.shape[1]))]
    if values.shape[1] > 2:
        subsets += [tuple(at for at in subsets[0] if at != left) for left in subsets[0]]
    counted = [_counted(values, subset, stratum, place) for subset in subsets]
    p = holm(np.concatenate([tail for _, _, tail, _ in counted])).reshape(len(subsets), -1)
    found = []
    for at in np.flatnonzero(p.min(axis=0) < threshold("identical.alpha")):
        best = 0 if p[0, at] < threshold("identical.alpha") else int(p[:, at].argmin())
        extra, expected, _, rows = counted[best]
        here = rows[place[rows] == at]
        village_here, year = labels[village[usable[here[0]]]], period[usable[here[0]]]
        code = "IDENTICAL_ROWS" if best == 0 else "NEARLY_IDENTICAL_ROWS"
        facts = {"group": village_here, "period": int(year), "rows": int((place == at).sum()), "expected": figure(expected[at], 2)}
        if best:
            facts["left"] = columns[best - 1]
        found.append(ask(code, lines, columns[0], usable[here], extra=int(extra[at]), **facts))
    return found


def _coded(column: Array) -> Array:
    """Return (n,) numbers of the values, zero staying zero."""
    codes: Array = np.where(column == 0, 0, pd.factorize(column)[0] + 1)
    return codes


def _counted(values: Array, subset: tuple[int, ...], stratum: Array, place: Array) -> tuple[Array, Array, Array, Array]:
    """Return extra rows, expected ones and tails by place, and the rows (m,) that have an equal in their place."""
    part = values[:, subset]
    enough = (part != 0).sum(axis=1) >= threshold("identical.filled_min")
    # Rows with too little left keep a number of their own, so that they equal none.
    alone = np.where(enough, 0, np.arange(1, len(part) + 1))
    marked = np.column_stack([part, alone])
    extra, expected, tail = repeated(marked, stratum, place)
    key = combined(place, stratum, *marked.T)
    rows = np.flatnonzero(np.bincount(key)[key] > 1)
    return extra, expected, tail, rows


def carried_over(
    sources: Array, follows: tuple[Array, Array], village: Array, labels: list[str], lines: Array, column: str
) -> list[Question]:
    """Return questions where households have exactly the sources of income of the year before.

    A village is asked when at least a tenth of its rows and five in all repeat the year before and other villages do not
    repeat as much; the whole file when a tenth of all rows do. It cannot see copies with every figure changed a little.
    """
    before, after = follows
    filled = comparable(sources)
    filled = filled[before] & filled[after]
    before, after = before[filled], after[filled]
    same = (sources[before] == sources[after]).all(axis=1)
    share, least = threshold("identical.carried_share"), threshold("identical.carried_min")
    if not len(same) or same.sum() < least:
        return []
    if same.mean() >= share:
        return [ask("CARRIED_OVER_FILE", lines, column, after[same], rows=len(same), observed=figure(float(same.mean())))]
    inside = village[after] >= 0
    rows = np.bincount(village[after][inside], minlength=len(labels))
    hits = np.bincount(village[after][inside & same], minlength=len(labels))
    kept = np.flatnonzero(rows > 0)
    if len(kept) < 2:
        return []
    p, others = against_others(hits[kept], rows[kept])
    wanted = (holm(p) < threshold("identical.alpha")) & (hits[kept] >= least) & (hits[kept] >= share * rows[kept])
    found = []
    for position in np.flatnonzero(wanted):
        here = after[same & (village[after] == kept[position])]
        facts = {"observed": figure(len(here) / rows[kept][position]), "expected": figure(float(others[position]), 2)}
        found.append(
            ask("CARRIED_OVER", lines, column, here, group=labels[kept[position]], rows=int(rows[kept][position]), **facts)
        )
    return found


def identical_of(sheet: Sheet) -> Outcome:
    """Return what equal rows ask: within a village and year, and of one household over two years."""
    if len(sheet.sources) < 2:
        return sheet.missing("wage", "business", "property", "transfer") or Ran()
    sources = np.column_stack([sheet.numbers(column) for column in sheet.sources])
    village, labels = sheet.codes("group", "region")
    if not labels:
        return NotApplied("ROLE_MISSING", facts={"roles": ("group",)})
    size = np.nan_to_num(sheet.numbers(sheet.roles.named()["size"])) if sheet.column("size") else np.zeros(len(village))
    period = np.nan_to_num(sheet.numbers(sheet.roles.named()["period"])) if sheet.column("period") else np.zeros(len(village))
    found = identical(sources, size, village, period, labels, sheet.lines, sheet.sources)
    if sheet.column("unit") and sheet.column("period"):
        found += carried_over(sources, sheet.follows, village, labels, sheet.lines, sheet.sources[0])
    return Ran(tuple(found))
