"""The range of a share of counts."""

from __future__ import annotations

from scipy.stats import binomtest


def wilson(count: int, of: int) -> tuple[float | None, float | None]:
    """Return the 95% interval of a share (Wilson 1927), (None, None) of nothing.

    Parameters
    ----------
    count, of : int
        How many of how many, 0 <= count <= of.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0, 100)]
    [0.0, 0.037]
    >>> wilson(0, 0)
    (None, None)
    """
    if of == 0:
        return None, None
    ends = binomtest(count, of).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)
