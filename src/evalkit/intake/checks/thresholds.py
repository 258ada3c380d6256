"""The thresholds of the plausibility checks, from the table in data/codes."""

from __future__ import annotations

from evalkit.codes import value


def threshold(name: str) -> float:
    """Return one threshold by name, in the unit that the table gives.

    >>> threshold("bunching.width")
    0.05
    """
    return float(value("plausibility", name))
