"""Poverty rates that stand just below the target."""

from __future__ import annotations

import numpy as np

from evalkit.intake.checks.comparing import Array, holm
from evalkit.intake.checks.sheet import NotApplied, Outcome, Ran, Sheet, ask, figure
from evalkit.intake.checks.thresholds import threshold
from evalkit.intake.observations import Question

TARGETS = ("target.rate", "target.rate_west")


def just_below(rates: Array, target: float) -> tuple[int, int, float, float]:
    """Return rates in [target - 0.1, target), rates in the neighbourhood, how many are expected, and the binomial tail.

    rates (n,) in per cent. The neighbourhood is five such steps to each side; a density that falls in a straight line
    puts one in eleven of it into each step.
    """
    from scipy.special import bdtrc

    width, bins = threshold("target.width"), int(threshold("target.bins"))
    step = np.floor((rates - target) / width + 1e-9)  # -1 is [target - width, target)
    near = int((np.abs(step + 1) <= bins).sum())
    hits = int((step == -1).sum())
    share = 1 / (2 * bins + 1)
    return hits, near, near * share, float(bdtrc(hits - 1, near, share)) if hits else 1.0


def targets_hit(rates: Array, lines: Array, column: str) -> list[Question]:
    """Return questions where twice as many villages as their neighbourhood suggests stand just below 2 or 3 per cent.

    rates (n,) in per cent, villages and years. It sees a heap just below the target. It cannot say whether work was
    done until the target was met or the figure was; nor see rates far below it.
    """
    counted = {name: just_below(rates, threshold(name)) for name in TARGETS}
    p = holm(np.array([tail for *_, tail in counted.values()]))
    found = []
    for (name, (hits, near, expected, _)), chance in zip(counted.items(), p, strict=True):
        enough = near >= threshold("target.rows_min") and hits >= threshold("target.ratio") * expected
        if enough and chance < threshold("target.alpha"):
            target, width = threshold(name), threshold("target.width")
            rows = np.flatnonzero(np.floor((rates - target) / width + 1e-9) == -1)
            facts = {"expected": figure(expected, 3), "ratio": figure(hits / expected, 3), "near": near}
            found.append(ask("TARGET_HIT", lines, column, rows, target=target, width=width, **facts))
    return found


def target_of(sheet: Sheet) -> Outcome:
    """Return what poverty rates around the targets ask."""
    if reason := sheet.missing("poverty_rate"):
        return reason
    column = sheet.roles.named()["poverty_rate"]
    rates = sheet.numbers(column)
    if max(just_below(rates, threshold(name))[1] for name in TARGETS) < threshold("target.rows_min"):
        targets = " / ".join(f"{threshold(name):g}%" for name in TARGETS)
        return NotApplied("FEW_NEAR_TARGET", facts={"needed": int(threshold("target.rows_min")), "targets": targets})
    return Ran(tuple(targets_hit(rates, sheet.lines, column)))
