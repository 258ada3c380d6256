"""The smallest p-value that a permutation test can give, before any estimate."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import comb, log10

import numpy as np

from evalkit.design import Design
from evalkit.errors import EstimateError, unknown
from evalkit.inference.assignment import MOVES, Assignments, assignments
from evalkit.notices import Notice

ALTERNATIVES = ("two-sided", "greater", "less")


@dataclass(frozen=True)
class Attainable:
    """The smallest p-value that a permutation test can give, known before any estimate.

    Attributes
    ----------
    assignments : distinct assignments, the observed one among them
    smallest_p : the p-value when no other assignment gives as large a statistic
    items, treated : what could have been treated (units or clusters), and how many were
    cluster, strata, moves, alternative : as asked
    draws : random assignments used instead of all, or None when all are
    mirrored : whether exchanging treated and untreated gives the same statistic with the other sign, so that both tie
    sizes : items and treated items of every stratum
    """

    assignments: int
    smallest_p: float
    items: int
    treated: int
    cluster: str | None
    strata: str | None
    moves: str
    alternative: str
    draws: int | None = None
    mirrored: bool = False
    sizes: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    def can_reject(self, level: float = 0.95) -> bool:
        """Return whether any data could reject at 1 - level; level is a coverage such as 0.95."""
        judge_level(level)
        return self.smallest_p <= 1 - level + 1e-12

    def comparison_needed(self, level: float = 0.95) -> int | None:
        """Return how many more untreated items would make rejection possible, 0 if none, None when they could not.

        They count as added to the stratum with most treated items. Moving dates alone, untreated items add nothing.
        """
        if self.can_reject(level):
            return 0
        n, k = max(self.sizes, key=lambda size: size[1])
        if self.moves == "dates" or k == 0 or (self.draws is not None and (1 - level) * (1 + self.draws) < 1):
            return None
        # One start is put among all others: what the starts of the treated do among themselves stays.
        others, more = self.assignments // comb(n, k), 0
        while others * comb(n + more, k) < 1 / (1 - level) - 1e-9:
            more += 1
        return more

    def notice(self, level: float = 0.95) -> tuple[Notice, ...]:
        """Return the remark that nothing can be shown, or none."""
        if self.can_reject(level):
            return ()
        facts: dict[str, object] = {
            "treated": self.treated,
            "items": self.items,
            "assignments": self.assignments if self.draws is None else self.draws + 1,
            "smallest": self.smallest_p,
            "percent": round(100 * (1 - level), 6),
        }
        return (Notice("PERMUTATION_CANNOT_REJECT", facts),)

    def __repr__(self) -> str:
        what = "units" if self.cluster is None else f"values of {self.cluster!r}"
        within = "" if self.strata is None else f" within {self.strata!r}"
        count = f"{self.assignments:,}" if self.assignments < 10**6 else f"10^{log10(self.assignments):.0f}"
        drawn = "" if self.draws is None else f", {self.draws:,} drawn"
        line = f"Smallest p-value {self.smallest_p:.3g}: {self.treated} of {self.items} {what} treated, {count} assignments{within}{drawn}"
        if self.can_reject():
            return line
        more = self.comparison_needed()
        cure = "" if more is None else f" ({more} more untreated would make it possible)"
        return f"{line}. At 5% nothing can be shown, whatever the data{cure}"


def smallest_p(
    design: Design,
    cluster: str | None = None,
    strata: str | None = None,
    moves: str = MOVES[0],
    alternative: str = "two-sided",
    draws: int | None = None,
) -> Attainable:
    """Return the smallest p-value that a permutation test of a design can give; the outcome plays no part in it.

    Parameters
    ----------
    cluster, strata, moves : see :func:`assignments`
    alternative : "two-sided", "greater" or "less"
    draws : random assignments, if not all are to be used

    Notes
    -----
    1 over the number of assignments. With one start and as many treated as untreated items in every stratum, exchanging them
    changes the sign of a difference-in-differences and nothing else: two-sided it is 2 over that number then (in balanced
    panels without covariates and weights, whose items have equally many units).

    Examples
    --------
    >>> import evalkit as ek
    >>> one_of_six = ek.example_frame(units=6).assign(start=lambda f: f["first_treated"].where(f["village_id"] == 2, 0))
    >>> panel = ek.Panel(one_of_six, unit="village_id", period="year")
    >>> known = smallest_p(ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "log_income"))
    >>> round(known.smallest_p, 3), known.can_reject(0.95), known.comparison_needed(0.95)
    (0.167, False, 14)
    """
    return attainable(design, assignments(design, cluster, strata, moves), cluster, strata, alternative, draws)


def attainable(
    design: Design, possible: Assignments, cluster: str | None, strata: str | None, alternative: str, draws: int | None
) -> Attainable:
    """Return the smallest p-value among these assignments."""
    if draws is not None:
        draws = judge_draws(draws)
    if alternative not in ALTERNATIVES:
        raise EstimateError(unknown("alternative", str(alternative), ALTERNATIVES))
    treated, count = possible.treated, possible.count
    plain = (
        design.balanced and design.w is None and not design.covariates and possible.sizes_stay and possible.starts.shape == (2, 1)
    )
    halves = (
        plain and possible.moves != "dates" and all(n == 2 * k for n, k in possible.sizes) and bool(np.isinf(possible.starts).any())
    )
    mirrored = alternative == "two-sided" and halves
    fewer = draws if draws is not None and count > draws + 1 else None
    smallest = (2 if mirrored else 1) / count if fewer is None else 1 / (1 + fewer)
    return Attainable(
        count, smallest, len(treated), int(treated.sum()), cluster, strata, possible.moves, alternative, fewer, mirrored, possible.sizes
    )  # fmt: skip


def judge_draws(draws: object) -> int:
    """Return draws as a whole number; EstimateError unless it is one from 1 on."""
    if not isinstance(draws, (int, float, np.integer, np.floating)) or not draws >= 1 or draws % 1:
        raise EstimateError(f"draws is a whole number from 1 on, such as 999, not {draws!r}.")
    return int(draws)


def judge_level(level: float) -> None:
    """Raise EstimateError unless a level is a coverage; 0.05 is more likely a slip than a wish."""
    if not 0.5 < level < 1:
        raise EstimateError(f"The level is a coverage between 0.5 and 1, such as 0.95 for tests at 5%, not {level}.")
