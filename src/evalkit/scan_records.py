"""The same effect county by county, as records: no order but that of the codes, and how far the counties differ beyond chance."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.records import County, Frozen, Interval


class Predicted(Frozen):
    """One county's effect drawn towards the mean of all counties: a prediction of its true value, not a measurement of it.

    ``pull`` is the weight of that mean, 0 to 1.
    """

    effect: Interval
    money: Interval
    percent: Interval
    pull: float


class CountyEffect(Frozen):
    """One county beside its comparison: effect in the outcome's unit, in money and in per cent of base income.

    ``single`` says that the county is one unit, whose range is a prediction interval; otherwise it is a confidence interval.
    ``own_error`` is the standard error without the part that counties with one comparison share; absent without a range, with the
    reason in ``no_range``. Counts are absent where a public report hides them.
    """

    county: County
    single: bool
    starts: list[int]
    treated_units: int | None
    comparison_units: int | None
    effect: Interval
    money: Interval
    percent: Interval
    base: Interval
    own_error: float | None
    no_range: NotTold | None
    predicted: Predicted | None


class Without(Frozen):
    """A county that the programme reached and that has no figure, with the reason."""

    county: County
    reason: NotTold


class Differences(Frozen):
    """How much the counties' effects differ, all in the outcome's unit but for the share.

    ``observed`` is the standard deviation of the estimates, ``chance`` that which their own errors would make alone, ``tau`` that of the
    true effects (Paule and Mandel) with its range. ``i_squared`` is the share of the observed differences beyond chance, 0 to 1.
    ``distribution`` is that of Q divided by its degrees of freedom, F, or of Q, chi2.
    """

    counties: int
    mean: Interval
    observed: float
    chance: float
    tau: float
    tau_low: float
    tau_high: float
    q: float
    distribution: str
    p_value: float
    i_squared: float


class ByChance(Frozen):
    """How many of the counties' ranges leave out zero, and about how many would by chance if the programme changed nothing anywhere."""

    ranges: int
    outside: int
    expected: float


class Scan(Frozen):
    """The same effect in each county, in the order of the codes.

    ``findings`` are those of the whole study, ``kind`` says whether a county is one unit, holds several, or both occur.
    ``shared`` says that all counties have one comparison, so that their errors are partly the same.
    """

    findings: Findings
    kind: Literal["single", "within", "mixed"]
    shared: bool
    asked: bool
    counties: list[CountyEffect]
    without: list[Without]
    differences: Differences | NotTold
    by_chance: ByChance | None
