"""Round numbers: does one village write more of them than the other villages do."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array, against_others, exact_interval, holm
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure, gathered
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question

# Kind -> what the last digits are.
ROUND = {"HEAPED_HUNDREDS": (100, 0), "HEAPED_FIFTIES": (100, 50), "HEAPED_TENS": (10, 0)}


def heaping(values: Array, village: Array, labels: list[str], lines: Array, column: str) -> list[Question]:
    """Return a question for each village with more values ending in 0, 00 or 50 than the other villages have.

    values (n,) in yuan, village (n,) positions in labels, lines (n,). Round numbers are normal where people answer from
    memory, so a village is compared with the others and never with one in ten; Holm over villages and kinds; with fewer than about thirty very uneven villages false alarms reach 5 instead of 1 per cent. It sees
    habits of one village or interviewer. It cannot see round numbers that are common everywhere, nor say why they are round.
    """
    used = (values > 0) & (village >= 0)
    rows = np.bincount(village[used], minlength=len(labels))
    large = np.flatnonzero(rows >= threshold("heaping.rows_min"))
    if len(large) < threshold("heaping.groups_min"):
        return []
    ends = {code: used & (np.abs(np.mod(values - rest, base)) < 0.005) for code, (base, rest) in ROUND.items()}
    hits = {code: np.bincount(village[at], minlength=len(labels))[large] for code, at in ends.items()}
    compared = {code: against_others(hits[code], rows[large]) for code in ROUND}
    p = holm(np.concatenate([compared[code][0] for code in ROUND])).reshape(len(ROUND), -1)
    found = []
    for position in np.flatnonzero(p.min(axis=0) < threshold("heaping.alpha")):
        code = list(ROUND)[int(p[:, position].argmin())]  # hundreds are tens too: one question, about the clearest
        n, k, place = int(rows[large][position]), int(hits[code][position]), large[position]
        expected, (low, high) = float(compared[code][1][position]), exact_interval(k, n)
        facts = {"observed": k / n, "low": low, "high": high, "expected": expected, "ratio": k / n / expected}
        shown = {name: figure(value) for name, value in facts.items()}
        found.append(
            ask(code, lines, column, np.flatnonzero(ends[code] & (village == place)), group=labels[place], rows=n, **shown)
        )
    return found


def heaping_of(sheet: Sheet) -> Outcome:
    """Return what the last digits of incomes ask, village by village."""
    columns = [column for role in ("income", "total", "net") if (column := sheet.column(role))]
    if not columns:
        return sheet.missing("income") or Ran()
    village, labels = sheet.codes("group", "region")
    if not labels:
        return NotApplied("ROLE_MISSING", facts={"roles": ("group",)})
    large = np.bincount(village[village >= 0], minlength=len(labels)) >= threshold("heaping.rows_min")
    if large.sum() < threshold("heaping.groups_min"):
        facts = {
            "found": int(large.sum()),
            "needed": int(threshold("heaping.groups_min")),
            "rows": int(threshold("heaping.rows_min")),
        }
        return NotApplied("FEW_GROUPS", facts=facts)
    return Ran(gathered(heaping(sheet.numbers(column), village, labels, sheet.lines, column) for column in columns))
