"""One county in depth, as records: where it stands, its path beside its synthetic self, and its rank among donors treated on paper."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.records import Frozen, Remark


class Standing(Frozen):
    """Where one unit's growth stands among that of the comparison: ``below`` of ``units`` grew less, which is ``percentile`` of them.

    Growth is that of the outcome from one year to the mean of the years ``last`` stands for: in log points, or money.
    ``growths`` are those of the comparison, from the smallest to the largest, without names.
    """

    first: int
    until: tuple[int, int]
    growth: float
    median: float
    below: int
    units: int
    percentile: float
    growths: list[float]


class CasePoint(Frozen):
    """One year: income of the unit and of its synthetic self in money, and the gap in the outcome's unit."""

    period: int
    event_time: int
    actual: float
    synthetic: float
    gap: float


class Donor(Frozen):
    """One comparison unit and its weight in the synthetic one, 0 to 1."""

    unit: str
    name: str
    weight: float


class Placebo(Frozen):
    """One comparison unit treated on paper: root mean squared gaps before and after, and its gap in each year, without a name."""

    before: float
    after: float
    gaps: list[float]


class Matched(Frozen):
    """One unit beside a weighted mean of comparison units.

    ``refusal`` says why the gap is not to be read (``unlike``: donors do not resemble the unit before the start; ``fits_anything``: they
    would reproduce anybody); ``doubt`` that the gap is no larger than the misfit before. ``money`` and ``percent`` are those of ``effect``,
    the mean gap after the start. ``ratio`` is the gap after over that before, ``rank`` its place among the unit and its donors from the
    largest on, ``p_value`` that over their number and ``smallest_p`` the least it can be. Without one donor at a time the effect lies
    between ``low_without`` and ``high_without``.
    """

    form: Literal["synthetic_control", "synthdid"]
    refusal: NotTold | None
    doubt: NotTold | None
    effect: float
    money: float
    percent: float
    before: float
    typical_before: float
    noise: float
    after: float
    ratio: float | None
    rank: int
    placebos: int
    p_value: float
    p_value_effect: float
    smallest_p: float
    low_without: float
    high_without: float
    path: list[CasePoint]
    donors: list[Donor]
    paper: list[Placebo]


class Case(Frozen):
    """One county in depth: the findings of the county alone, its standing, and what each form of weights finds.

    ``chosen`` is the form told first: the synthetic control where it can be read, otherwise synthetic difference-in-differences, and
    nothing where neither can. ``matched`` is empty with the reason in ``not_matched``.
    """

    findings: Findings
    unit: str
    start: int
    base: int
    standing: list[Standing]
    matched: list[Matched]
    not_matched: NotTold | None
    chosen: Literal["synthetic_control", "synthdid"] | None
    remarks: list[Remark]
