"""How each package is asked: one file a package, functions from a frame to ``{label: (estimate, standard error)}``.

Every function imports its package inside, because every package lives in an environment of its own; the warm-up call has imported
it before time counts. A standard error is None where the package gives none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Numbers = dict[str, tuple[float, float | None]]
Call = Callable[[Any], Numbers]


def event(time: float) -> str:
    """Return the label of an event time."""
    return f"event time {time:.0f}"
