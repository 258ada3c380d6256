"""Intervals as strips on one axis: where the axis begins and ends, and where each strip lies on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, MARGIN = 160, 6
"""The width of a strip in pixels, and the room at either side for a dot or an arrow."""

TAIL = 0.05
"""Ends lie beyond the axis where they are farther from the middle 90 per cent of ends than those spread: one wild interval would
make dots of all others."""


@dataclass(frozen=True)
class Axis:
    """The axis that all strips share, in money, with its ticks; it holds zero.

    Examples
    --------
    >>> from evalkit.site.strips import axis
    >>> shared = axis([-120.0, 40.0, 310.0])
    >>> shared.ticks
    (-200.0, -100.0, 0.0, 100.0, 200.0, 300.0, 400.0)
    >>> [shared.at(value) for value in (-200.0, 0.0, 400.0)]
    [6, 55, 154]
    """

    ticks: tuple[float, ...]

    def at(self, value: float) -> int:
        """Return where a value lies, in pixels; what lies beyond the axis is set at its edge."""
        low, high = self.ticks[0], self.ticks[-1]
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return round(MARGIN + share * (WIDTH - 2 * MARGIN))

    def holds(self, value: float) -> bool:
        """Return whether a value lies on the axis."""
        return self.ticks[0] <= value <= self.ticks[-1]


def axis(values: Sequence[float]) -> Axis:
    """Return an axis with round ticks for zero and all values but wild ones; below twenty-one values none is wild."""
    ordered = sorted(values) or [0.0]
    tail = int(TAIL * (len(ordered) - 1))
    inner = ordered[tail], ordered[-1 - tail]
    spread = inner[1] - inner[0]
    kept = [0.0, *(value for value in ordered if inner[0] - spread <= value <= inner[1] + spread)]
    low, high = min(kept), max(kept)
    step = _round_step((high - low) / 6 or 1.0)
    first, last = math.floor(low / step), math.ceil(high / step)
    return Axis(tuple(step * tick for tick in range(first, max(last, first + 1) + 1)))


def _round_step(rough: float) -> float:
    """Return the nearest of 1, 2 and 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def strip(shared: Axis, estimate: float, ends: tuple[float, float]) -> str:
    """Return the path of a strip: from one end over the estimate, a vertex that bears the dot, to the other end."""
    low, high = ends
    return f"M{shared.at(low)} 7H{shared.at(estimate)}H{shared.at(high)}"


def beyond(shared: Axis, estimate: float, ends: tuple[float, float]) -> str:
    """Return on which sides a strip goes on beyond the axis: "", "low", "high" or "low high"."""
    values = (estimate, *ends)
    sides = {"low": min(values) < shared.ticks[0], "high": max(values) > shared.ticks[-1]}
    return " ".join(side for side, true in sides.items() if true)
