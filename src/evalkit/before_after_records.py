"""A rise before and after, split: what grew everywhere, what selection and mean reversion made, and the rest."""

from __future__ import annotations

from typing import Literal

from evalkit.records import Frozen

PartName = Literal["general_growth", "selection", "undivided", "policy", "rest"]


class RisePart(Frozen):
    """One part of an observed rise, in money, and as a share of it; a range where there is one.

    ``general_growth`` is what everybody's income grew by, applied to the group's own start; ``selection`` what a group chosen the same
    way rises beyond that without any programme; ``policy`` the estimated effect of a study; ``rest`` what is left; ``undivided`` what
    cannot be split between selection and the rest. ``share`` is absent where nothing rose.
    """

    name: PartName
    amount: float
    share: float | None
    low: float | None = None
    high: float | None = None


class ZeroProgramme(Frozen):
    """A simulated world without any programme, whose group is chosen by a line, beside an observed rise.

    Attributes
    ----------
    before, after : float
        Mean income of those below the line at the start and above that of the end, in the money of the line.
    rise, everyone : float
        How much their mean, and everybody's mean, rises: 1.52 is by 152 per cent.
    rise_low, rise_high : float
        The smallest and the largest rise over settings of how much incomes fluctuate.
    did_low, did_high : float
        The same of the naive comparison of all below the line with the others, in log points; its truth is zero.
    poor_share, years : float
        Share of people below the line at the start, and the years between.
    """

    before: float
    after: float
    rise: float
    everyone: float
    rise_low: float
    rise_high: float
    did_low: float
    did_high: float
    poor_share: float
    years: int
    settings: int


class BeforeAfter(Frozen):
    """An observed rise of the mean income of a group, and its parts, which add up to it.

    Attributes
    ----------
    first, last : int, optional
        The years compared; absent where a claim names none, ``years`` then counts those between, if that is known.
    before, after : float
        Means in money of the first and the last year.
    units : int, optional
        How many units the means are of; absent where a claim does not tell, or a public report must not.
    left_out : int
        Units of the group without an income in both years.
    selected : str
        How the group was chosen: ``covered`` by a programme, ``exited`` (by its income afterwards too), or ``everyone``.
    parts : list of RisePart
    growth, growth_from : float and str
        By how much everybody's income grew (0.43 is 43 per cent), and from whom that is known: the others in the data, the
        ``comparison`` of a study, or a rate from ``outside``.
    reversion : str
        How the selection was estimated: by an ``earlier_pair`` of years, by the ``others`` of two years alone, or not (``none``).
    earlier : pair of int, optional
        The earlier pair of years.
    by_own_past : float, optional
        The part of selection by the group's own incomes as long before, which also holds where lasting traits decided.
    level : float, optional
        The coverage of the ranges; the range of the selection also spans both ways to estimate it.
    missing : str
        What is not known: ``no_growth`` (nobody else in the data, no rate from outside) or ``no_income_before`` (no earlier pair).
    zero : ZeroProgramme, optional
        A world without a programme, beside it.
    simulated : bool
        Whether the incomes are simulated.
    claimed : bool
        Whether the two means are published figures and not from data.
    """

    first: int | None = None
    last: int | None = None
    years: int | None = None
    before: float
    after: float
    units: int | None
    left_out: int = 0
    selected: Literal["covered", "exited", "everyone"]
    parts: list[RisePart]
    growth: float | None = None
    growth_from: Literal["", "others", "comparison", "outside"] = ""
    reversion: Literal["none", "earlier_pair", "others"] = "none"
    earlier: tuple[int, int] | None = None
    by_own_past: float | None = None
    level: float | None = None
    missing: Literal["", "no_growth", "no_income_before"] = ""
    zero: ZeroProgramme | None = None
    simulated: bool = False
    claimed: bool = False

    @property
    def rise(self) -> float:
        """By how much the mean rose, in money."""
        return self.after - self.before

    def part(self, name: PartName) -> RisePart | None:
        """Return one part, or nothing where the rise was not split that way."""
        return next((part for part in self.parts if part.name == name), None)
