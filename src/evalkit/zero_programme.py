"""A simulated world without any programme, in which the mean income of those who left poverty more than doubles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator

from evalkit.before_after_records import ZeroProgramme
from evalkit.errors import DesignError

Array = np.ndarray[Any, Any]

LINES = (2736.0, 2952.0)
"""The lines at the start and four years later, yuan per person per year."""
POOR_SHARE, LOG_GROWTH, YEARS = 0.076, 0.09, 4
SETTINGS = ((0.55, 0.35, 0.09), (0.60, 0.30, 0.09), (0.65, 0.25, 0.09), (0.60, 0.30, 0.07), (0.70, 0.20, 0.09))
"""Standard deviations of lasting and of passing log income, and yearly log growth; the first is the world that is told."""
SEED = 11


@dataclass(frozen=True, eq=False)
class ZeroProgrammeWorld:
    """Incomes at the start and the end of a world in which nobody is helped, and what the usual figures make of them.

    Attributes
    ----------
    start, end : (n,)
        Incomes in yuan per person per year.
    poor, exited : (n,) of bool
        Below the line at the start; of these, above the line of the end.
    lasting, passing, log_growth, years
        As they were given.
    """

    start: Array
    end: Array
    poor: Array
    exited: Array
    lasting: float
    passing: float
    log_growth: float
    years: float

    @property
    def before(self) -> float:
        """Mean income at the start of those who left poverty."""
        return float(self.start[self.exited].mean())

    @property
    def after(self) -> float:
        """Mean income at the end of those who left poverty."""
        return float(self.end[self.exited].mean())

    @property
    def rise(self) -> float:
        """By how much the mean of those who left poverty rises: 1.52 is by 152 per cent."""
        return self.after / self.before - 1

    @property
    def everyone(self) -> float:
        """By how much everybody's mean rises."""
        return float(self.end.mean() / self.start.mean() - 1)

    @property
    def exited_share(self) -> float:
        """The share of the poor who left poverty, without any programme."""
        return float(self.exited.sum() / self.poor.sum())

    @property
    def naive_did(self) -> float:
        """The mean log growth of the poor less that of the others: a difference in differences whose truth is zero."""
        growth = np.log(self.end) - np.log(self.start)
        return float(growth[self.poor].mean() - growth[~self.poor].mean())


def zero_programme_world(
    lasting: float = 0.55,
    passing: float = 0.35,
    log_growth: float = LOG_GROWTH,
    years: float = YEARS,
    poor_share: float = POOR_SHARE,
    lines: tuple[float, float] = LINES,
    people: int = 400_000,
    seed: int = SEED,
) -> ZeroProgrammeWorld:
    """Return a world in which incomes grow for everybody alike and fluctuate, and nothing else happens.

    Parameters
    ----------
    lasting, passing : float
        Standard deviations of the part of log income that stays a person's own, and of the part that is drawn anew at both ends.
    log_growth : float
        Growth of all incomes in log points a year: 0.09 is 9.4 per cent, and 43 per cent in four years.
    years : float
        Years between the start and the end.
    poor_share : float
        Share of people below the first line; incomes are scaled to it.
    lines : pair of float
        Poverty lines of the start and the end, in the money of the world.
    people, seed : int
        How many incomes are drawn, and from which seed.

    Raises
    ------
    DesignError
        For shares outside (0, 1), deviations that are negative or both zero, lines that are not positive, and too few people to have poor among them.

    Notes
    -----
    Log income is a + e + g t with a ~ N(0, lasting²) and e ~ N(0, passing²), drawn anew at both ends. Who is below a line today had a
    bad year more often than not, so that the next draw is better (Galton 1886; in evaluations Ashenfelter 1978); who is then counted
    only if the end is above a line had a good year there too.

    Examples
    --------
    >>> world = zero_programme_world(people=20_000)
    >>> world.rise > 1.3, 0.4 < world.everyone < 0.46
    (True, True)
    """
    if not 0 < poor_share < 1 or min(lasting, passing) < 0 or lasting + passing == 0 or min(lines) <= 0 or poor_share * people < 10:
        raise DesignError(
            f"A world of {people:,} people with a poor share of {poor_share:g}, deviations {lasting:g} and {passing:g} and lines {lines} "
            "cannot be drawn: the share lies between 0 and 1, deviations are from 0 on and not both 0, lines are positive, and at least "
            "ten people are poor."
        )
    rng = Generator(PCG64(seed))
    own = rng.normal(0.0, lasting, people)
    start = np.exp(own + rng.normal(0.0, passing, people))
    scale = lines[0] / np.quantile(start, poor_share)
    end = scale * np.exp(own + rng.normal(0.0, passing, people) + log_growth * years)
    poor = scale * start < lines[0]
    return ZeroProgrammeWorld(scale * start, end, poor, poor & (end > lines[1]), lasting, passing, log_growth, years)


@cache
def zero_programme(years: int = YEARS, log_growth: float = LOG_GROWTH) -> ZeroProgramme:
    """Return what the usual figures make of worlds without a programme, over as many years and with as much growth as a claim.

    Parameters
    ----------
    years : int
        Years between the start and the end; the line of the end moves with them.
    log_growth : float
        Growth of all incomes in log points a year.

    Examples
    --------
    >>> told = zero_programme()
    >>> round(told.before), round(told.after), round(told.rise, 2), round(told.everyone, 2)
    (2179, 5484, 1.52, 0.43)
    """
    lines = (LINES[0], LINES[0] * (LINES[1] / LINES[0]) ** (years / YEARS))
    told = [zero_programme_world(one, other, log_growth * own / LOG_GROWTH, years, lines=lines) for one, other, own in SETTINGS]
    rises, naive = [world.rise for world in told], [world.naive_did for world in told]
    return ZeroProgramme(
        before=told[0].before,
        after=told[0].after,
        rise=told[0].rise,
        everyone=told[0].everyone,
        rise_low=min(rises),
        rise_high=max(rises),
        did_low=min(naive),
        did_high=max(naive),
        poor_share=POOR_SHARE,
        years=years,
        settings=len(SETTINGS),
    )
