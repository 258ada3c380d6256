"""Small-sample policies: which parameters and clusters the factor of a sandwich counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.errors import EstimateError, unknown
from evalkit.estimate import Facts

OBSERVATION = "observation"


@dataclass(frozen=True)
class SmallSample:
    """A small-sample policy: which parameters and clusters the factor of a sandwich counts.

    Parameters
    ----------
    counted : "none", "slopes", "nested" or "full"
        Parameters K in (N-1)/(N-K): nobody (factor 1), slopes only, slopes and the effects that are not nested in a
        cluster, or all absorbed effects.
    clusters : bool
        Whether G/(G-1) applies.
    smallest : bool
        Whether two-way covariances use the smallest G in all three terms, or each term its own.
    residual_degrees : bool
        Whether t has N - K degrees of freedom instead of G - 1.

    Notes
    -----
    These are the four switches of R's fixest (K.adj and K.fixef, G.adj, G.df, t.df).
    """

    counted: str = "nested"
    clusters: bool = True
    smallest: bool = True
    residual_degrees: bool = False

    def __post_init__(self) -> None:
        if self.counted not in ("none", "slopes", "nested", "full"):
            raise EstimateError(unknown("count of parameters", self.counted, ("none", "slopes", "nested", "full")))

    def parameters(self, facts: Facts, clusters: Sequence[str]) -> int:
        """Return K. A set of L absorbed levels costs L - 1, and all sets together one for the constant."""
        if self.counted in ("none", "slopes") or not facts.absorbed:
            return facts.slopes
        free = [e for e in facts.absorbed if self.counted == "full" or not e.nested_in.intersection(clusters)]
        return facts.slopes + 1 + sum(effect.levels - 1 for effect in free)

    def degrees(self, facts: Facts, clusters: Sequence[str]) -> float:
        """Return N - K, the degrees of freedom of residuals; nobody counted for the factor still leaves them (fixest)."""
        small = replace(self, counted="nested") if self.counted == "none" else self
        return float(facts.observations - small.parameters(facts, clusters))

    def factor(self, facts: Facts, clusters: Sequence[str], groups: int) -> float:
        """Return the factor of a sandwich over G groups: (N-1)/(N-K) G/(G-1), N/(N-K) over single observations."""
        N = facts.observations
        if clusters == (OBSERVATION,):
            return 1.0 if self.counted == "none" else N / (N - self.parameters(facts, clusters))
        factor = 1.0 if self.counted == "none" else (N - 1) / (N - self.parameters(facts, clusters))
        if not self.clusters:
            return factor
        if groups < 2:
            raise EstimateError(
                "There is only one cluster, so nothing can be learned about its variation. Cluster at a finer level."
            )
        return factor * groups / (groups - 1)


CORRECTIONS = {
    "none": SmallSample("none", clusters=False),
    "clusters": SmallSample("none"),
    "nested": SmallSample("nested"),
    "full": SmallSample("full"),
}
OTHER_NAMES = {"CR0": "none", "CR1": "clusters", "CR1S": "full"}
LEVERAGE = ("CR2", "CR3")


def policy(correction: str | SmallSample) -> tuple[str, SmallSample]:
    """Return a correction's name and its policy."""
    if isinstance(correction, SmallSample):
        named = [name for name, known in CORRECTIONS.items() if known == correction]
        return (named[0] if named else "own"), correction
    correction = OTHER_NAMES.get(correction, correction)
    if correction not in CORRECTIONS:
        raise EstimateError(unknown("correction", correction, [*CORRECTIONS, *OTHER_NAMES, *LEVERAGE]))
    return correction, CORRECTIONS[correction]
