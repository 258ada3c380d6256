"""The thresholds of the plausibility checks, from the table in data/codes."""

from __future__ import annotations

from functools import cache

from evalkit.codes import table


@cache
def _values() -> dict[str, float]:
    rows = table("plausibility")
    return {str(name): float(value) for name, value in zip(rows["name"], rows["value"], strict=True)}


def threshold(name: str) -> float:
    """Return one threshold by name, in the unit that the table gives.

    >>> threshold("bunching.width")
    0.05
    """
    return _values()[name]
