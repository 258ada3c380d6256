"""Limits at which a report changes what it says, from the table of thresholds."""

from __future__ import annotations

from evalkit.codes import table
from evalkit.errors import RolloutError, unknown


def threshold(name: str) -> float:
    """Return a limit of data/codes/thresholds.csv; raises RolloutError for an unknown name.

    >>> threshold("bundle_share")
    0.5
    """
    values = table("thresholds").set_index("name")["value"]
    if name not in values.index:
        raise RolloutError(unknown("threshold", name, list(values.index)))
    return float(values[name])
