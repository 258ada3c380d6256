"""Who gains, as records: effects by group, at deciles and on poverty, who passed whom, and the near-poor off the register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from evalkit.findings import Described, Findings, Headline
from evalkit.firm_records import NotTold
from evalkit.records import Frozen, Interval
from evalkit.study import Words

Measure = Literal["headcount", "gap", "severity", "near"]
"""Of Foster, Greer and Thorbecke the orders 0, 1 and 2, and the share below a multiple of the line."""

People = Literal["covered", "registered", "near", "other"]
"""Covered by the programme; on the register and not covered; near-poor off the register; everybody else."""


class Adjusted(Frozen):
    """The p-values of one effect among a family of ``family`` effects: chance of even one false finding bounded, by two methods."""

    holm: float
    romano_wolf: float
    family: int


class GroupFound(Frozen):
    """The effect in one group: its covered units against units of the same group that are not, or the reason why there is none.

    ``fixed`` names covariates of the study that are the same for everybody in the group, so that they say nothing there.
    ``pretrend_p`` is the joint test that both sides moved alike before the start; absent where it cannot be tested.
    """

    name: str
    word: Words
    column: str
    treated_units: int | None
    comparison_units: int | None
    treated_clusters: int | None
    comparison_clusters: int | None
    found: Headline | NotTold
    pretrend_p: float | None = None
    adjusted: Adjusted | None = None
    fixed: list[str] = Field(default_factory=list)


class GroupDifference(Frozen):
    """The effect in one group less that in another; ``other`` is absent where it is everybody else whose column is known."""

    one: str
    other: str | None
    effect: Interval
    money: Interval
    percent: Interval
    adjusted: Adjusted | None = None


class Groups(Frozen):
    """The effects in groups named in the study; ``without_value`` counts units whose column is empty, by column."""

    rows: list[GroupFound]
    differences: list[GroupDifference]
    without_value: Mapping[str, int | None]


class Decile(Frozen):
    """The effect on one decile of the income of the covered (``at`` = 0.1 is the lowest), in money, and in logs on the log scale."""

    at: float
    money: Interval
    log: Interval | None
    adjusted: Adjusted | None = None


class Deciles(Frozen):
    """Effects on the deciles of income: the distribution of the covered against the one they would have had.

    ``outside`` covered households had an income before the start that nobody in the comparison had. ``half_step`` is told where the
    steps of the comparison's distribution are coarse beside the effect. ``covariates`` are those of the study that the method does
    not use.
    """

    rows: list[Decile]
    treated_units: int | None
    comparison_units: int | None
    outside: int | None
    half_step: float | None
    covariates: list[str]


class PlainShares(Frozen):
    """Differences in differences of the shares themselves: what they would say, and the joint test of the years before the start."""

    effect: Interval
    pretrend_p: float | None


class PovertyFound(Frozen):
    """One measure of poverty: before the start in both groups, what it would have been, and the effect, all as shares (0.1 is 10 per cent).

    ``without`` is the mean over covered household-years that would have been seen without the programme, by the premise of the headline;
    ``plain`` the differences in differences of the shares, which assume that shares would have moved alike.
    """

    measure: Measure
    before_treated: float | None
    before_comparison: float | None
    without: Interval
    effect: Interval
    pretrend_p: float | None
    plain: PlainShares | None
    adjusted: Adjusted | None = None


class PovertyLineFound(Frozen):
    """The measures under one schedule of lines, in the years of the window that have a line.

    ``before`` are the years that the shares before the start are means of; ``unverified`` and ``secondary`` years of the line that
    nobody has read, and that were read in a text that quotes the publication.
    """

    schedule: str
    years: list[int]
    without_line: list[int]
    before: list[int]
    unverified: list[int]
    secondary: list[int]
    lowest: float
    highest: float
    measures: list[PovertyFound]


class NoLine(NotTold):
    """A schedule of lines under which nothing can be told."""

    schedule: str


class Poverty(Frozen):
    """Poverty under every line, of the covered against what they would have been."""

    lines: list[PovertyLineFound | NoLine]
    just_above: float
    treated_units: int | None
    comparison_units: int | None


class Passed(Frozen):
    """How often households were ahead at the end of near-poor neighbours who had been ahead of them at the start.

    ``pairs`` are pairs of a household and a near-poor neighbour ahead of it at the start; ``share`` of these are turned round at the end.
    ``passed_most`` is the share of the households that passed more than half of those neighbours. ``pairs_ahead`` and ``lost`` are the
    same the other way: pairs in which the household was ahead, and the share in which it is behind at the end.
    """

    group: Literal["covered", "registered"]
    households: int | None
    pairs: int | None
    share: Interval
    passed_most: float
    pairs_ahead: int | None
    lost: float | None


class RankPoint(Frozen):
    """Mean place of a group among all households of their village in one year: 0 the lowest income, 100 the highest."""

    group: People
    period: int
    rank: float


class Overtaking(Frozen):
    """Who passed near-poor neighbours off the register, covered beside not covered, under one line: a description, no effect.

    ``alike`` is the share of the registered if they had stood as far behind their neighbours as the covered did, and ``difference`` that
    of the covered less it; ``without_match`` pairs of the covered stood at a distance at which nobody else did, and are not in it.
    """

    schedule: str
    neighbours: int | None
    places: int | None
    covered: Passed
    registered: Passed | NotTold
    alike: Interval | None
    difference: Interval | None
    without_match: int | None
    ranks: list[RankPoint]


class PeopleFound(Frozen):
    """Mean income of a group of households at the start and at the end, and the share of its household-years below the line then."""

    group: People
    units: int | None
    start: float
    end: float
    below_start: float | None
    below_end: float | None


class NearPoor(Frozen):
    """What happened to households under one line; ``line_years`` are the end years that have a line, empty where none has."""

    schedule: str
    rows: list[PeopleFound]
    line_years: list[int]


class Village(Frozen):
    """Households as neighbours: who passed whom, and what became of the near-poor, by line.

    Incomes are means over ``start_years`` (the last before anybody starts) and ``end_years`` (the last of the window). Not among them:
    ``left_out`` households not seen in both, covered before the first or only after the last of them, or with no entry on the register.
    """

    place: str
    just_above: float
    start_years: list[int]
    end_years: list[int]
    left_out: int | None
    overtaking: list[Overtaking | NoLine]
    near_poor: list[NearPoor | NoLine]


class WhoGains(Frozen):
    """Who gained, as numbers and codes; every part that does not apply is a reason.

    ``minimum`` is the smallest number of households that a public record tells anything about, absent where all is told.
    """

    findings: Findings | Described
    groups: Groups | NotTold
    deciles: Deciles | NotTold
    poverty: Poverty | NotTold
    village: Village | NotTold
    minimum: int | None = None
