"""Blocks of consecutive lines that stand in the file twice."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array
from evalkit.intake.checks.identical import combined, pairs, vectors
from evalkit.intake.checks.sheet import Outcome, Ran, Sheet, ask
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question


def block_length(vector: Array) -> int:
    """Return how many consecutive equal lines make a block: five, or more where rows coincide so often that five are chance.

    vector (n,) numbers of equal rows. With a share r of equal pairs, n (n - 1) / 2 * r ** length blocks are expected.
    """
    used = vector[vector >= 0]
    least = int(threshold("identical.block"))
    if len(used) < 2:
        return least
    share = pairs(np.bincount(used)).sum() / pairs(np.array(len(used)))
    if share <= 0:
        return least
    if share >= 1:
        return len(used)
    return max(least, int(np.ceil(np.log(threshold("identical.alpha") / pairs(np.array(len(used)))) / np.log(share))))


def copied_blocks(vector: Array, unit: Array) -> list[tuple[int, int, int]]:
    """Return blocks as (start, start of the copy, length) among rows in the order of the file.

    vector (n,) numbers of equal rows, -1 for rows that say too little; unit (n,). A block holds at least three different
    rows; a household that repeats its own year before is no block.

    >>> rows = np.array([0, 1, 2, 3, 4, 9, 0, 1, 2, 3, 4])
    >>> copied_blocks(rows, np.arange(11))
    [(0, 6, 5)]
    """
    length = block_length(vector)
    if len(vector) < 2 * length:
        return []
    starts = np.arange(len(vector) - length + 1)
    windows = np.lib.stride_tricks.sliding_window_view(vector, length)
    several = (np.diff(np.sort(windows, axis=1), axis=1) != 0).sum(axis=1) + 1 >= threshold("identical.different")
    starts = starts[(windows >= 0).all(axis=1) & several]
    if len(starts) < 2:
        return []
    key = combined(*windows[starts].T)
    first = starts[np.unique(key, return_index=True)[1]][key]
    again = (first < starts) & (unit[first] != unit[starts]) & (starts - first >= length)
    return _joined(first[again], starts[again], length)


def _joined(first: Array, again: Array, length: int) -> list[tuple[int, int, int]]:
    """Return overlapping blocks with the same distance as one."""
    blocks: list[tuple[int, int, int]] = []
    for start, copy in zip(first.tolist(), again.tolist(), strict=True):
        if blocks:
            begun, there, long = blocks[-1]
            if copy - start == there - begun and copy <= there + long:
                blocks[-1] = (begun, there, copy - there + length)
                continue
        blocks.append((start, copy, length))
    return blocks


def copied_of(sheet: Sheet) -> Outcome:
    """Return a question for each block of at least five consecutive lines that stands in the file again.

    Lines are compared by all sources of income, whoever stands in them, in the order of the file. It sees copies that
    keep the order. It cannot see copies that were sorted or changed afterwards.
    """
    if len(sheet.sources) < 2:
        return sheet.missing("wage", "business", "property", "transfer") or Ran()
    sources = np.column_stack([sheet.numbers(column) for column in sheet.sources])
    order = np.argsort(sheet.lines, kind="stable")
    unit = sheet.codes("unit")[0] if sheet.column("unit") else np.arange(len(order))
    blocks = copied_blocks(vectors(sources)[order], unit[order])
    return Ran(tuple(_question(sheet, order, block) for block in blocks))


def _question(sheet: Sheet, order: Array, block: tuple[int, int, int]) -> Question:
    start, copy, length = block
    ends = {"first": start, "last": start + length - 1, "again_first": copy, "again_last": copy + length - 1}
    at = {name: int(sheet.lines[order[position]]) for name, position in ends.items()}
    return ask("COPIED_BLOCK", sheet.lines, sheet.sources[0], order[copy : copy + length], rows=length, **at)
