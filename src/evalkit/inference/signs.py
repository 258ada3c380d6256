"""Random weights of the wild bootstrap: signs and their kin, a column a cluster, drawn or enumerated in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.errors import EstimateError, unknown

Array = np.ndarray[Any, Any]

GOLDEN = (1 + np.sqrt(5)) / 2
# The points a weight can take, where they are finitely many and equally likely.
POINTS = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)]),
}
WEIGHTS = (*POINTS, "mammen", "normal")
ALWAYS_ENUMERATED = 2**13  # so many sets of signs cost less than a second, whatever number of draws was asked for
BLOCK = 4_000_000  # weights held at once


@dataclass(frozen=True)
class Signs:
    """A way of drawing one weight for each of G clusters.

    Parameters
    ----------
    weights : "rademacher" (+1, -1), "webb" (six points), "mammen" (two points, third moment one) or "normal"
    clusters : G
    draws : how many were asked for
    seed : seed of the draws; None only where every set of weights is used

    Raises
    ------
    EstimateError
        For unknown weights, fewer than 99 draws, and when chance enters without a seed.

    Notes
    -----
    Rademacher and Webb weights are enumerated when there are no more sets of them than draws + 1, and sets of signs also up to 8,192
    (13 clusters). Webb (2023): six points, because few clusters have few sets of signs. Mammen (1993).

    Examples
    --------
    >>> Signs("rademacher", 3, 999, None).enumerated
    True
    """

    weights: str
    clusters: int
    draws: int
    seed: int | None

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise EstimateError(unknown("kind of weights", self.weights, WEIGHTS))
        if self.draws < 99 or int(self.draws) != self.draws:
            raise EstimateError(f"draws is a whole number from 99 on, such as 9999, not {self.draws}: fewer say little about 5%.")
        if self.seed is None and not self.enumerated:
            raise EstimateError(
                f"{self.clusters:,} clusters have too many sets of weights to use them all, so {self.draws:,} are drawn at random: "
                "say the seed, for example seed=7."
            )

    @property
    def sets(self) -> float:
        """How many sets of weights there are; infinite where weights are continuous or clusters are many."""
        if self.weights == "normal":
            return np.inf
        points = len(POINTS[self.weights]) if self.weights in POINTS else 2
        return float(points**self.clusters) if self.clusters < 300 else np.inf

    @property
    def step(self) -> float:
        """The smallest share of draws by which a p-value can move: one set of weights and, where weights are symmetric, its mirror."""
        return (2 if self.weights in POINTS else 1) / self.sets

    @property
    def enumerated(self) -> bool:
        """Whether every set of weights is used once instead of drawing."""
        if self.weights not in POINTS:
            return False
        return self.sets <= self.draws + 1 or (self.weights == "rademacher" and self.sets <= ALWAYS_ENUMERATED)

    @property
    def number(self) -> int:
        """How many sets of weights are used."""
        return int(self.sets) if self.enumerated else int(self.draws)

    def said(self) -> dict[str, object]:
        """Return the columns that say which weights, how many sets of them, and whether these are all."""
        return {"weights": self.weights, "draws": self.number, "enumerated": self.enumerated}

    @property
    def squares_are_one(self) -> bool:
        """Whether all squared weights are one."""
        return self.weights == "rademacher"

    def blocks(self) -> Iterator[Array]:
        """Yield (block, G) weights until all are drawn."""
        size = max(1, BLOCK // self.clusters)
        generator = None if self.enumerated else np.random.default_rng(self.seed)
        for start in range(0, self.number, size):
            count = min(size, self.number - start)
            yield self._enumerated(start, count) if generator is None else self._drawn(generator, count)

    def _enumerated(self, start: int, count: int) -> Array:
        points = POINTS[self.weights]
        digits = np.arange(start, start + count)[:, None] // len(points) ** np.arange(self.clusters) % len(points)
        return np.asarray(points[digits])

    def _drawn(self, generator: np.random.Generator, count: int) -> Array:
        if self.weights == "normal":
            return generator.standard_normal((count, self.clusters))
        if self.weights == "mammen":
            low = generator.random((count, self.clusters)) < GOLDEN / np.sqrt(5)
            return np.asarray(np.where(low, 1 - GOLDEN, GOLDEN))
        if self.weights == "webb":
            return np.asarray(POINTS["webb"][generator.integers(0, 6, (count, self.clusters), dtype=np.int8)])
        octets = generator.integers(0, 256, (count, -(-self.clusters // 8)), dtype=np.uint8)
        signs = np.unpackbits(octets, axis=1, count=self.clusters).astype(float)  # a bit a sign
        signs *= 2
        signs -= 1
        return signs
