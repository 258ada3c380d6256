"""How firm a conclusion is, as records: what would overturn it, what tests could see, whether it survives few clusters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalkit.records import Frozen, Remark


class NotTold(Frozen):
    """What does not apply to a study, with the reason as a code; ``facts`` are what its sentence quotes."""

    reason: str
    facts: dict[str, Any] = Field(default_factory=dict)


class Drifted(Frozen):
    """The range of the effect if incomes of the two groups would have drifted apart by ``drift`` a year anyway; all in money."""

    drift: float
    low: float
    high: float


class Overturn(Frozen):
    """What would overturn the conclusion: the yearly drift between the groups at which the range of the effect reaches zero, in money.

    ``breakdown`` is zero where the plain range holds zero already (``already``), and absent where no drift in reason reaches it.
    ``largest_before`` is the largest yearly difference before the start, absent without a year to learn it from;
    ``relative`` the same breakdown as a multiple of it (its own noise counted), absent likewise. ``curve`` holds the points of
    the picture. ``stays_small`` is, for a change smaller than is worth telling, the largest of the multiples looked at under which its range
    stays so small; absent for other verdicts. ``first`` and ``last`` are the event times used, ``whole`` says that no other year after the start has an effect.
    """

    effect: float
    breakdown: float | None
    already: bool
    largest_before: float | None
    relative: float | None
    rows: list[Drifted]
    curve: list[Drifted]
    first: int
    last: int
    whole: bool
    stays_small: float | None = None
    remarks: list[Remark] = Field(default_factory=list)


class Power(Frozen):
    """What the joint test of the leads could have seen: its chance against the drift that would explain half of the estimate.

    ``slope`` is that drift in money per year; ``weak`` says that the chance is below one half, which is no pass. ``of_smallest`` says that
    the drift would explain half of the smallest change worth telling instead, where the estimate is smaller than that.
    """

    power: float
    slope: float
    weak: bool
    of_smallest: bool = False


class Method(Frozen):
    """The range of the average effect by one method, in money and in per cent of base income.

    An end is absent where the range is open there, and both with the ``reason`` where the method gives none. ``clusters`` and
    ``reference`` say what a standard error rests on, ``draws`` how many random signs or assignments.
    """

    name: Literal["interval", "jackknife", "wild", "permutation"]
    low: float | None = None
    high: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None
    p_value: float | None = None
    clusters: int | None = None
    reference: str = ""
    draws: int | None = None
    reason: str = ""


class Permuted(Frozen):
    """The rank of the estimate among other assignments of treatment.

    ``moves`` are "units", "clusters", or "units within clusters"; ``exact`` says that all ``possible`` assignments (absent above a million)
    were used, otherwise ``draws`` random ones. ``cannot`` says that even ``smallest_p`` is above 5 per cent; ``needed`` more items without
    the programme would make it smaller, absent where none would.
    """

    moves: Literal["units", "clusters", "within"]
    items: int | None
    treated: int | None
    possible: int | None
    draws: int | None
    exact: bool
    smallest_p: float
    p_value: float
    cannot: bool
    needed: int | None = None
    remarks: list[Remark] = Field(default_factory=list)


class Seen(Frozen):
    """The smallest effect that the design shows with this power, known before the effect is."""

    percent: float
    money: float
    power: float
    remarks: list[Remark] = Field(default_factory=list)


class Needed(Frozen):
    """How many units, in how many clusters, it would take to see an effect of ``percent`` with this power."""

    percent: float
    power: float
    units: int
    clusters: int
    units_today: int
    clusters_today: int


class LeftOut(Frozen):
    """The average effect without one cluster at a time, in money: its range, and without how many its sign is another."""

    low: float
    high: float
    flips: int
    clusters: int | None


class Firm(Frozen):
    """How firm the conclusion is: what would overturn it, what tests could see, whether it survives few clusters.

    On the log scale all money is converted from the average effect in one way, so that the ranges of all methods can be compared:
    at the rate of the headline where ``proportional``, otherwise at base income.
    """

    overturn: Overturn | NotTold
    power: Power | NotTold
    methods: list[Method]
    permuted: Permuted | NotTold
    seen: Seen | NotTold
    needed: Needed | NotTold
    without: LeftOut | NotTold
    proportional: bool = True
