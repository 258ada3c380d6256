"""What an estimator knows of its numbers by algebra, so that it need not be called again to learn it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.estimate import Estimate

Array = np.ndarray[Any, Any]


def known_weights(estimator: Callable[[Design], Estimate], design: Design) -> Array | None:
    """Return (N, T) the weights with which outcomes add up to an estimator's one number; None where it does not tell.

    An estimator tells by a method ``outcome_weights(design)``, which may return None too.
    """
    tells: Callable[[Design], Array | None] | None = getattr(estimator, "outcome_weights", None)
    return None if tells is None else tells(design)


def known_without(estimator: Callable[[Design], Estimate], design: Design, codes: Array, G: int) -> Array | None:
    """Return (G, k) an estimator's numbers without every cluster, NaN where it has to be called; None where it does not tell.

    An estimator tells by a method ``without_clusters(design, codes, G)``, with the (N,) cluster of every unit.
    """
    tells: Callable[[Design, Array, int], Array | None] | None = getattr(estimator, "without_clusters", None)
    return None if tells is None else tells(design, codes, G)
