"""What a restriction says of the difference in trends: rows of A delta <= d that a reader can check with a pencil."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import EstimateError
from evalkit.inference.restrictions import RESTRICTIONS, bends, restrictions, steps


def holds(delta: list[float], restriction: str, size: float, leads: int = 2, **shape: str) -> bool:
    """Whether a path of differences (reference left out) lies in some part of the restriction."""
    parts = restrictions(restriction, leads, len(delta) - leads, size, shape.get("sign"), shape.get("monotone"))
    return any((A @ np.array(delta) <= d + 1e-12).all() for A, d in parts)


def test_steps_and_bends_count_the_reference_as_zero() -> None:
    delta = np.array([3.0, 1.0, 4.0, 9.0])  # at -3, -2, 0, 1 around a reference at -1
    np.testing.assert_allclose(steps(2, 2) @ delta, [-2, -1, 4, 5])
    np.testing.assert_allclose(bends(2, 2) @ delta, [1, 5, 1])


@pytest.mark.parametrize(
    ("restriction", "size"), [("relative", 2.5), ("smoothness", 5.0), ("smoothness relative", 5.0), ("drift", 5.0)]
)
def test_the_same_path_is_inside_from_its_own_size_on(restriction: str, size: float) -> None:
    delta = [3.0, 1.0, 4.0, 9.0]  # steps -2, -1 | 4, 5; bends 1 | 5, 1
    assert holds(delta, restriction, size) and holds(delta, restriction, size + 1)
    assert not holds(delta, restriction, size - 0.01)


def test_a_straight_line_has_no_bend_but_drifts() -> None:
    line = [-2.0, -1.0, 1.0, 2.0]  # by one a period through the reference, which is zero
    assert holds([-0.2, -0.1, 0.1, 0.2], "smoothness", 0.0)
    assert holds(line, "drift", 1.0) and not holds(line, "drift", 0.99)
    assert holds(line, "relative", 1.0) and not holds(line, "relative", 0.99)


def test_signs_and_directions_concern_what_comes_after_only() -> None:
    rising, falling_leads = [5.0, 2.0, 1.0, 3.0], [-5.0, 2.0, -1.0, -0.5]
    assert holds(rising, "drift", 9.0, sign="positive") and holds(rising, "drift", 9.0, monotone="increasing")
    assert not holds(rising, "drift", 9.0, sign="negative") and not holds(rising, "drift", 9.0, monotone="decreasing")
    assert holds(falling_leads, "drift", 9.0, sign="negative") and not holds(falling_leads, "drift", 9.0, monotone="decreasing")


def test_a_drift_asks_nothing_of_the_leads() -> None:
    assert holds([1000.0, -1000.0, 1.0, 2.0], "drift", 1.0) and holds([1.0, 2.0], "drift", 1.0, leads=0)


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_rows_are_those_that_concern_periods_after_the_reference(restriction: str) -> None:
    for A, d in restrictions(restriction, 3, 2, 1.5):
        assert A.shape == (len(d), 5) and (np.abs(A[:, 3:]).sum(axis=1) > 0).all()
    assert len(restrictions(restriction, 3, 2, 1.5)) == {"relative": 6, "smoothness relative": 4}.get(restriction, 1)


def test_too_few_leads_are_refused_with_what_is_possible() -> None:
    with pytest.raises(EstimateError, match=r"needs 1 of them; this path has 0\. Possible here: drift"):
        restrictions("relative", 0, 2, 1.0)
    with pytest.raises(EstimateError, match=r"needs 2 of them; this path has 1\. Possible here: relative, smoothness, drift"):
        restrictions("smoothness relative", 1, 2, 1.0)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (("smooth", None, None), "There is no restriction 'smooth'"),
        (("drift", "up", None), "There is no sign 'up'"),
        (("drift", None, "up"), "There is no direction 'up'"),
        (("drift", "positive", "increasing"), "Choose sign= or monotone=, not both"),
    ],
)
def test_unknown_names_are_refused(choices: tuple[str, str | None, str | None], message: str) -> None:
    restriction, sign, direction = choices
    with pytest.raises(EstimateError, match=message):
        restrictions(restriction, 2, 2, 1.0, sign, direction)
