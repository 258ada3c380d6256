"""The world without a programme: the usual figures rise all the same, by as much as probability says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from evalkit.errors import DesignError
from evalkit.zero_programme import LINES, LOG_GROWTH, POOR_SHARE, SETTINGS, YEARS, zero_programme, zero_programme_world


def normal(z: np.ndarray) -> np.ndarray:
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def exact(lasting: float, passing: float, log_growth: float) -> dict[str, float]:
    """The same figures by integration over log income of the start, without drawing anything."""
    spread = np.hypot(lasting, passing)
    mean = np.log(LINES[0]) - spread * special.ndtri(POOR_SHARE)
    x = np.linspace(mean - 10 * spread, np.log(LINES[0]), 200_001)
    density = normal((x - mean) / spread) / spread * (x[1] - x[0])
    # Log income of the end given that of the start is normal: regression towards the mean by the lasting part.
    slope = (lasting / spread) ** 2
    centre, deviation = mean + slope * (x - mean) + log_growth * YEARS, spread * np.sqrt(1 - slope**2)
    z = (np.log(LINES[1]) - centre) / deviation
    above = special.ndtr(-z)
    income = np.exp(centre + deviation**2 / 2) * special.ndtr(deviation - z)
    before, after = (np.exp(x) * above * density).sum(), (income * density).sum()
    share = (above * density).sum()
    poor = ((centre - x - log_growth * YEARS) * density).sum() / density.sum()
    return {
        "before": before / share,
        "after": after / share,
        "exited_share": share / density.sum(),
        "naive_did": poor / (1 - POOR_SHARE),  # what the poor gain the others lose: growth in logs is nought on average
    }


def test_the_world_that_is_told_has_the_figures_of_the_trap() -> None:
    told = zero_programme()
    assert told.before == pytest.approx(2179, rel=0.005)
    assert told.after == pytest.approx(5484, rel=0.01)
    assert told.rise == pytest.approx(1.52, abs=0.02)
    assert told.everyone == pytest.approx(0.43, abs=0.005)
    assert (told.rise_low, told.rise_high) == (pytest.approx(0.82, abs=0.02), pytest.approx(1.52, abs=0.02))
    assert (told.did_low, told.did_high) == (pytest.approx(0.11, abs=0.005), pytest.approx(0.39, abs=0.01))
    assert told.settings == len(SETTINGS) == 5


@pytest.mark.parametrize("setting", SETTINGS)
def test_drawn_figures_are_those_of_probability(setting: tuple[float, float, float]) -> None:
    world, known = zero_programme_world(*setting, people=200_000, seed=3), exact(*setting)
    for name, value in known.items():
        assert getattr(world, name) == pytest.approx(value, rel=0.02, abs=0.012), name
    assert world.everyone == pytest.approx(np.expm1(setting[2] * YEARS), abs=0.01)


def test_the_poor_share_is_the_one_asked_for_and_seeds_decide_the_rest() -> None:
    one, same, other = (zero_programme_world(people=20_000, seed=seed) for seed in (1, 1, 2))
    assert one.poor.mean() == pytest.approx(POOR_SHARE, abs=1e-4)
    assert np.array_equal(one.start, same.start) and not np.array_equal(one.start, other.start)
    assert one.after > one.before > 0 and (one.end[one.exited] > LINES[1]).all()


def test_without_fluctuation_only_growth_is_left() -> None:
    world = zero_programme_world(passing=0.0, people=20_000)
    assert world.naive_did == pytest.approx(0, abs=1e-12)
    assert world.rise == pytest.approx(np.expm1(LOG_GROWTH * YEARS))


def test_more_growth_and_more_years_lift_everybody() -> None:
    assert zero_programme(4, 0.0).everyone == pytest.approx(0, abs=0.005)
    assert zero_programme(8).everyone > 2 * zero_programme(4).everyone
    assert zero_programme(4, 0.0).rise > 0.5  # selection alone


@pytest.mark.parametrize(
    "wrong", [{"poor_share": 0.0}, {"poor_share": 1.2}, {"passing": -0.1}, {"lasting": 0.0, "passing": 0.0}, {"people": 50}]
)
def test_worlds_that_cannot_be_drawn_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DesignError, match="cannot be drawn: the share lies between 0 and 1"):
        zero_programme_world(**wrong)  # type: ignore[arg-type]
