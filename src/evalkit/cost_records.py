"""What the money bought, as records: public cost per yuan of yearly income gained, and whether the gain lasts."""

from __future__ import annotations

from typing import Literal

from evalkit.firm_records import NotTold
from evalkit.records import Frozen, Interval
from evalkit.study_parts import Words


class Bought(Frozen):
    """Public money per yuan of yearly income gained, low to high; an end is absent where the gain may be nothing.

    ``people`` were covered, ``money`` yuan were spent (``money_low`` to ``money_high``), the gain is per person and year. The low end goes
    with the least money and the largest gain, the high end with the most money and the smallest gain. ``present_yuan`` is what a
    yearly yuan over ``lasting_years`` years is worth in the first of them, and ``per_lasting_yuan`` the money per yuan of that. ``counted``
    says whether people are a number of the study, or summed over the covered units.
    """

    per_yuan: float
    per_yuan_low: float
    per_yuan_high: float | None
    per_lasting_yuan: float
    per_lasting_yuan_low: float
    per_lasting_yuan_high: float | None
    gain: Interval
    people: float
    counted: Literal["given", "summed"]
    money: float
    money_low: float
    money_high: float
    transfers: Literal["counted", "left_out"]
    discount_rate: float
    lasting_years: int
    present_yuan: float
    source: Words


class Lasting(Frozen):
    """The effect on units whose support ended, while it lasted and after, in money, with their difference (after less during).

    The year in which support ended still counts as support. ``years`` are the most years that a unit is seen after its end; ``undated``
    units ended in a year that is not known and are left out; ``left_out`` are those without a year on both sides of the end.
    """

    during: Interval
    after: Interval
    difference: Interval
    units: int | None
    years: int
    undated: int | None
    left_out: int | None


class CostFound(Frozen):
    """What the money bought and whether it lasts, each with the reason where it cannot be told."""

    bought: Bought | NotTold
    lasting: Lasting | NotTold

    def without_counts(self, minimum: int) -> CostFound:
        """Return the same for a public report: nothing on units whose support ended where they are fewer than ``minimum``."""
        told = self.lasting
        if isinstance(told, Lasting) and (told.units or 0) < minimum:
            return self.model_copy(update={"lasting": NotTold(reason="too_few")})
        return self
