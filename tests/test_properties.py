"""What holds whatever the data look like: small panels drawn at random, with gaps, weights and any roll-out."""

from unittest.mock import patch

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import evalkit as ek

steady = settings(max_examples=30, deadline=None, derandomize=True)


@st.composite
def villages(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a panel: 8 to 24 villages, 4 to 7 years, any first years, up to a third of the rows missing."""
    units, periods = draw(st.integers(8, 24)), draw(st.integers(4, 7))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    starts = generator.choice([0, *range(2011, 2010 + periods)], units)
    starts[:2] = 0
    frame = pd.DataFrame(
        {
            "village": np.repeat(np.arange(units), periods),
            "year": np.tile(np.arange(2010, 2010 + periods), units),
            "start": np.repeat(starts, periods),
            "households": np.repeat(generator.integers(1, 9, units), periods),
            "y": generator.normal(size=units * periods),
        }
    )
    keep = generator.random(len(frame)) > draw(st.floats(0, 0.33))
    return frame[keep].sample(frac=1, random_state=1)


def design(frame: pd.DataFrame, **choices: object) -> ek.Design:
    panel = ek.Panel(frame, unit="village", period="year", weight="households")
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    return ek.Design(panel, rollout, "y", **({"unbalanced": "pairwise"} | choices))


@steady
@given(villages())
def test_two_way_effects_are_the_same_by_pattern_and_row_by_row(frame: pd.DataFrame) -> None:
    try:
        by_pattern = ek.TwoWay()(design(frame))
    except ek.DesignError:
        assume(False)
    with patch("evalkit.estimators.two_way.MANY_PATTERNS", 0):
        by_row = ek.TwoWay()(design(frame))
    np.testing.assert_allclose(by_pattern.theta, by_row.theta, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(by_pattern.psi, by_row.psi, rtol=1e-7, atol=1e-9)


@steady
@given(villages(), st.sampled_from(["pairwise", "repeated_cross_section"]), st.sampled_from(["universal", "varying"]))
def test_influence_is_centred_and_averages_lie_between_their_cells(frame: pd.DataFrame, unbalanced: str, base: str) -> None:
    try:
        cells = ek.GroupTime()(design(frame, unbalanced=unbalanced, base=base))
        overall = ek.aggregate(cells, "overall")
    except (ek.DesignError, ek.EstimateError):
        assume(False)
    assert np.abs(cells.psi.mean(axis=0)).max() < 1e-9
    after = cells.select(kind="group_time").select(cells.select(kind="group_time").cells["event_time"] >= 0)
    assert after.theta.min() - 1e-12 <= overall.theta[0] <= after.theta.max() + 1e-12


@steady
@given(villages(), st.floats(-3, 3), st.floats(0.1, 50))
def test_level_and_currency_of_income_do_not_matter(frame: pd.DataFrame, shift: float, scale: float) -> None:
    try:
        before = ek.GroupTime()(design(frame))
        after = ek.GroupTime()(design(frame.assign(y=scale * frame["y"] + shift)))
    except ek.DesignError:
        assume(False)
    effects = (before.cells["kind"] == "group_time").to_numpy()
    np.testing.assert_allclose(after.theta[effects], scale * before.theta[effects], rtol=1e-9, atol=1e-9)
