"""How trends may differ after the start: small builders of linear restrictions A delta <= d on the differential trend delta."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.errors import EstimateError, unknown

Array = np.ndarray[Any, Any]
Restrictions = list[tuple[Array, Array]]
"""A union of polyhedra {delta : A delta <= d}, one (A, d) each."""

RESTRICTIONS = ("relative", "smoothness", "smoothness relative", "drift")
SIGNS = ("positive", "negative")
DIRECTIONS = ("increasing", "decreasing")


def steps(before: int, after: int) -> Array:
    """Return (K + T, K + T) first differences of delta, the first one between the two earliest leads.

    Parameters
    ----------
    before, after : K leads and T periods after the reference; columns are event times without the reference, where delta is zero

    Examples
    --------
    >>> from evalkit.inference.restrictions import steps
    >>> steps(1, 2).astype(int).tolist()
    [[-1, 0, 0], [0, 1, 0], [0, -1, 1]]
    """
    return _without_reference(np.diff(np.eye(before + after + 1), axis=0), before)


def bends(before: int, after: int) -> Array:
    """Return (K + T - 1, K + T) second differences of delta: how much its slope changes from one period to the next.

    Examples
    --------
    >>> from evalkit.inference.restrictions import bends
    >>> bends(1, 2).astype(int).tolist()
    [[1, 1, 0], [0, -2, 1]]
    """
    return _without_reference(np.diff(np.eye(before + after + 1), n=2, axis=0), before)


def _without_reference(matrix: Array, before: int) -> Array:
    return np.asarray(np.delete(matrix, before, axis=1))


def drift(before: int, after: int, size: float) -> tuple[Array, Array]:
    """Return |delta_t - delta_(t-1)| <= size in every period after the reference."""
    return _absolute(steps(before, after)[before:], size)


def smoothness(before: int, after: int, size: float) -> tuple[Array, Array]:
    """Return that the slope of delta changes by at most ``size`` between periods: Delta^SD of the paper, equation 8.

    Second differences among leads alone say nothing about what comes after and are left out.
    """
    return _absolute(bends(before, after)[max(before - 1, 0) :], size)


def relative(before: int, after: int, size: float) -> Restrictions:
    """Return steps after the reference of at most ``size`` times the largest step before: Delta^RM of the paper, equation 7.

    One polyhedron for every lead step s and sign of it: in it, the step at s (with that sign) is the largest.
    """
    every = steps(before, after)
    return _relative_to(every[before:], every[:before], size)


def smoothness_relative(before: int, after: int, size: float) -> Restrictions:
    """Return changes of slope after the reference of at most ``size`` times the largest one before: Delta^SDRM of the paper."""
    every = bends(before, after)
    return _relative_to(every[before - 1 :], every[: before - 1], size)


def signed(before: int, after: int, sign: str) -> tuple[Array, Array]:
    """Return that delta is positive (or negative) in every period after the reference."""
    rows = np.eye(before + after)[before:]
    return (-rows if sign == "positive" else rows), np.zeros(after)


def monotone(before: int, after: int, direction: str) -> tuple[Array, Array]:
    """Return that delta is increasing (or decreasing) from the reference on."""
    rows = steps(before, after)[before:]
    return (-rows if direction == "increasing" else rows), np.zeros(after)


def _absolute(rows: Array, size: float) -> tuple[Array, Array]:
    return np.vstack([rows, -rows]), np.full(2 * len(rows), float(size))


def _relative_to(rows: Array, largest: Array, size: float) -> Restrictions:
    bound = [sign * size * row for row in largest for sign in (1.0, -1.0)]
    return [(np.vstack([rows - limit, -rows - limit]), np.zeros(2 * len(rows))) for limit in bound]


def restrictions(
    restriction: str, before: int, after: int, size: float, sign: str | None = None, direction: str | None = None
) -> Restrictions:
    """Return a restriction on the differential trend as a union of polyhedra {delta : A delta <= d}.

    Parameters
    ----------
    restriction : "relative", "smoothness", "smoothness relative" or "drift"
    before, after : K leads and T periods after the reference
    size : Mbar of the relative restrictions; M or B in units of the outcome per period of the others
    sign : "positive" or "negative", the sign of delta after the reference (None: either)
    direction : "increasing" or "decreasing", how delta moves from the reference on (None: either)

    Returns
    -------
    list of (A, d)
        A has K + T columns, event times in order without the reference.

    Raises
    ------
    EstimateError
        For names that are unknown and when there are too few leads.

    Notes
    -----
    Rambachan & Roth (2023, Review of Economic Studies 90), section 2.4. Rows that concern leads alone are not part of it, which is
    ``postPeriodMomentsOnly`` of R's HonestDiD; ``sign`` and ``direction`` give its Delta^SDPB, SDNB, SDI, SDD, RMPB, ...

    Examples
    --------
    >>> from evalkit.inference.restrictions import restrictions
    >>> [(A, d)] = restrictions("drift", 0, 2, size=0.1)
    >>> A.astype(int).tolist(), d.tolist()
    ([[1, 0], [-1, 1], [-1, 0], [1, -1]], [0.1, 0.1, 0.1, 0.1])
    """
    judge(restriction, before, sign, direction)
    absolute = {"drift": drift, "smoothness": smoothness}
    union = {"relative": relative, "smoothness relative": smoothness_relative}
    shape = absolute.get(restriction)
    parts = union[restriction](before, after, size) if shape is None else [shape(before, after, size)]
    if sign is not None:
        parts = [_both(part, signed(before, after, sign)) for part in parts]
    if direction is not None:
        parts = [_both(part, monotone(before, after, direction)) for part in parts]
    return parts


def _both(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.vstack([one[0], other[0]]), np.r_[one[1], other[1]]


NEEDED = {"drift": 0, "relative": 1, "smoothness": 1, "smoothness relative": 2}


def judge(restriction: str, before: int, sign: str | None, direction: str | None) -> None:
    """Raise EstimateError for unknown names, and for a restriction that needs more leads than there are."""
    if restriction not in RESTRICTIONS:
        raise EstimateError(unknown("restriction", restriction, RESTRICTIONS))
    if sign is not None and sign not in SIGNS:
        raise EstimateError(unknown("sign", sign, SIGNS))
    if direction is not None and direction not in DIRECTIONS:
        raise EstimateError(unknown("direction", direction, DIRECTIONS))
    if sign is not None and direction is not None:
        raise EstimateError(
            "Choose sign= or monotone=, not both: a difference that starts from zero and increases is positive anyway, and one that "
            "decreases is negative."
        )
    if before < NEEDED[restriction]:
        allowed = [name for name in RESTRICTIONS if NEEDED[name] <= before]
        raise EstimateError(
            f"The restriction {restriction!r} is measured against periods before the reference and needs {NEEDED[restriction]} of "
            f"them; this path has {before}. Possible here: {', '.join(allowed)}; or show earlier event times."
        )
