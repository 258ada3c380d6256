"""Findings: what was found, as codes and numbers without prose. The only thing a report may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from evalkit.before_after_records import BeforeAfter
from evalkit.cost_records import CostFound
from evalkit.firm_records import Firm, NotTold
from evalkit.grade_records import Evidence, Grade, Refusal
from evalkit.plan_records import Followed
from evalkit.records import County, Frozen, Interval, Remark
from evalkit.study import Published, Words

Verdict = Literal[
    "gain", "loss", "small_change", "unclear", "pretrend_failed", "too_few", "one_unit", "cannot_show", "weak", "refused"
]
"""The four verdicts of a report are gain, loss, small change and unclear; the rest are kinds of unclear, each with its own reason."""


class Headline(Frozen):
    """The average effect over treated unit-periods, in the outcome's unit, in money and in per cent of base income."""

    effect: Interval
    money: Interval
    percent: Interval
    base: Interval


class PathPoint(Frozen):
    """One event time: pointwise range (low, high) and simultaneous band (band_low, band_high)."""

    event_time: int
    estimate: float
    std_error: float | None
    low: float | None
    high: float | None
    band_low: float | None
    band_high: float | None
    units: int | None
    reference: bool


class EstimatorRow(Frozen):
    """One line of the comparison of estimators.

    ``estimator`` is a name in evalkit.ESTIMATORS, ``average`` is static | overall | dynamic, ``headline`` marks the study's own,
    and ``difference`` is the effect minus the headline's, with an error that knows that both rest on the same rows.
    """

    estimator: str
    average: str
    comparison: str
    effect: Interval
    difference: Interval | None = None
    cluster: str
    clusters: int | None
    correction: str
    factor: float | None
    reference: str
    headline: bool = False


class Cohort(Frozen):
    """Units first treated in one year; used is False when they have no period before treatment."""

    year: int
    units: int | None
    used: bool
    effect: Interval | None = None


class TrendPoint(Frozen):
    """Mean income of one group in one year, in money. group is treated (units with an effect) or comparison (never treated, or
    the last cohort where all are)."""

    group: Literal["treated", "comparison"]
    period: int
    mean: float
    units: int | None


class Pretrend(Frozen):
    """The joint test that effects before treatment are zero, and the largest of them.

    ``failed`` is p below 0.10. A test that does not reject proves nothing.
    """

    event_times: list[int]
    statistic: float
    distribution: str
    p_value: float
    failed: bool
    largest_event_time: int
    largest: float
    first_event_time: int
    first: float


class Told(Frozen):
    """Who is in the study, as far as it may be told: a count is absent where a public report hides it.

    Units are treated_used (with an effect), treated_from_start (no period before), never_units, later_units (treated after the
    window) and last_cohort_units (where all are treated, the last serve as comparison until they start). The comparison
    is the last three. ``rows_used`` and ``clusters_used`` stand behind the headline; ``rows`` and ``clusters`` are all that
    were read in the window, which two-way effects use; ``rows_outside`` lie outside the window.
    """

    rows: int
    units: int
    periods: list[int]
    treated_units: int | None
    treated_used: int | None
    treated_from_start: int | None
    comparison_units: int | None
    never_units: int | None
    later_units: int | None
    last_cohort_units: int | None
    cluster: str
    clusters: int
    rows_used: int | None
    clusters_used: int | None
    treated_clusters: int | None
    comparison_clusters: int | None
    rows_left_out: int
    rows_outside: int
    never_codes: Mapping[str, int | None]


class Sample(Told):
    """Who is in the study, with every count."""

    treated_units: int
    treated_used: int
    treated_from_start: int
    comparison_units: int
    never_units: int
    later_units: int
    last_cohort_units: int
    rows_used: int
    clusters_used: int
    treated_clusters: int
    comparison_clusters: int


class Hidden(Frozen):
    """What a public report leaves out because it rests on fewer than ``minimum`` units, or would tell what does.

    ``event_times`` are points taken off the path, ``periods`` years in which the mean of a group was taken off the trends.
    Counts that are not told are absent where they stood.
    """

    minimum: int
    event_times: list[int]
    periods: list[int]


class DateRow(Frozen):
    """The headline when one kind of date counts as the start; effect is absent with the reason where there is none.

    ``used`` marks the date of the study; ``left_out`` units took part but lack this date.
    """

    date: str
    units: int | None
    left_out: int | None
    first_cohort: int | None
    last_cohort: int | None
    effect: float | None
    low: float | None
    high: float | None
    reason: str
    used: bool


class Truth(Frozen):
    """Simulated data only: the planted average effect and whether the interval holds it."""

    effect: float
    inside: bool


class NotUsed(Frozen):
    """An estimator that does not apply to the study's design, with the reasons as coded needs."""

    estimator: str
    reasons: list[Remark]


class TwoWayWeights(Frozen):
    """Where the two-way coefficient puts its weight.

    Of ``cells`` effects (cohorts in periods) ``negative`` have a negative weight, together ``negative_sum``;
    ``forbidden_weight`` of the coefficient rests on comparisons with units already treated, absent where that cannot be told.
    """

    cells: int
    negative: int
    negative_sum: float
    forbidden_weight: float | None


class CovariateBalance(Frozen):
    """One covariate in the base year: means, and standardised differences (treated less comparison), averaged over cohorts.

    ``largest_before`` is the largest difference of one cohort, that of ``largest_cohort``; weighted values are absent without weights.
    """

    covariate: str
    treated: float
    comparison: float
    weighted: float | None
    before: float
    after: float | None
    largest_before: float
    largest_cohort: int | None
    largest_after: float | None


class Overlap(Frozen):
    """One cohort and those it is compared with in its base year.

    ``effective_units`` is the number of comparison units that weights leave (Kish), ``outside_units`` are treated with a covariate
    outside the comparison's range, ``separated`` says that covariates tell the two apart, so that no propensity can be drawn.
    """

    cohort: int
    base: int
    treated_units: int | None
    comparison_units: int | None
    effective_units: float | None
    outside_units: int | None
    separated: bool


class OverlapBin(Frozen):
    """The share of one arm whose fitted probability of treatment lies between low and high."""

    cohort: int
    arm: Literal["treated", "comparison", "weighted"]
    low: float
    high: float
    share: float


class Alike(Frozen):
    """Whether those compared are alike in the study's covariates; ``weighted`` is False where no weights could be fitted.

    ``large_before`` and ``large_after`` name covariates whose difference in some cohort exceeds 0.25, and 0.1 after weighting.
    """

    covariates: list[CovariateBalance]
    cohorts: list[Overlap]
    histogram: list[OverlapBin]
    weighted: bool
    large_before: list[str]
    large_after: list[str]


class ComponentRow(Frozen):
    """The effect on one component of income, in money; the last row is the total, which they add up to exactly.

    ``pretrend_p`` is the p-value of the joint test that both groups moved alike before the start; absent where it cannot be tested.
    """

    name: str
    word: Words | None
    earned: bool
    effect: Interval
    pretrend_p: float | None


class EarnedShare(Frozen):
    """The part of the change in income that is earned, with Fieller's interval: 0.8 is 80 per cent."""

    estimate: float
    low: float
    high: float


class Components(Frozen):
    """Effects on the components of income.

    ``growth`` says that each unit's incomes were measured against its own income of the years ``measured_by``, so that equal growth
    in per cent is the premise, as in a study on the log scale; otherwise the premise is equal growth in money. ``composition`` says
    that the shares of the components in that income were held fixed. ``gap`` is the sum of the components less the total. ``share`` is absent with the reason in ``no_share``, or where no component counts as earned.
    """

    rows: list[ComponentRow]
    growth: bool
    composition: bool
    measured_by: tuple[int, int] | None
    units: int | None
    left_out: int | None
    gap: float
    share: EarnedShare | None
    no_share: Literal["", "not_asked", "undefined", "without_noise", "too_few"]


class AlonePoint(Frozen):
    """The range of the one unit's gap in one event time."""

    event_time: int
    low: float
    high: float


class Alone(Frozen):
    """One treated unit beside its comparison units, each of which is left out in turn and compared with the others.

    The ranges are prediction intervals: the unit's effect plus and minus the gap that so many of the comparison units stay below.
    ``effect`` is in the outcome's unit, ``money`` and ``percent`` as in the headline.
    """

    comparison_units: int
    effect: Interval
    money: Interval
    percent: Interval
    path: list[AlonePoint]


class About(Frozen):
    """What a study is about: its names, its data, its window and its choices."""

    run_id: str
    version: str
    study: str
    county: County | None = None
    title: Words
    programme: Words
    unit_word: Words
    outcome_word: Words
    money: Words
    prices: Words
    income_definition: Words | None
    source: Words
    source_url: str | None
    licence: Words | None
    simulated: bool
    scale: Literal["log", "level"]
    window: tuple[int, int]
    comparison: str
    anticipation: int
    base: str
    method: str
    covariates: list[str]
    weight: str | None
    level: float
    seed: int
    smallest_meaningful_percent: float
    trends: list[TrendPoint]
    remarks: list[Remark]
    published: list[Published]
    bundle: list[Words] = Field(default_factory=list)
    hidden: Hidden | None = None
    alone: Alone | NotTold | None = None
    refusals: list[Refusal] = Field(default_factory=list)
    warnings: list[Remark] = Field(default_factory=list)
    grade: Grade | None = None
    before_after: BeforeAfter | None = None
    plan: Followed | None = None


class Described(About):
    """A study without a causal figure: why none can be given, what changed, and what would cure it.

    ``trends`` are the means of those covered and, where there are some, of others. A public report on fewer households than may be
    told is refused, so that counts are always there.
    """

    verdict: Literal["refused"] = "refused"
    units: int
    treated_units: int
    periods: list[int]
    rows: int


class Findings(About):
    """Everything a report says, without a sentence.

    Effects are in the outcome's unit: log points on the log scale (0.05 is about 5 per cent), money on the level scale.
    ``other_scale`` is the headline of the same study on the level scale, as a check of the log scale; absent where the
    study itself is on the level scale; ``other_pretrend`` is its joint test of the years before. The verdict ``too_few`` (too few treated
    or comparison clusters for an interval) comes before all others but ``refused``: no range, no p-value, no pre-trend test. ``path_critical`` is absent where clusters are too few for a band.
    ``groups_named`` are the groups that the study names beforehand, whose effects stand on a page of their own; absent without any.
    """

    dates: list[DateRow]
    verdict: Verdict
    headline: Headline
    other_scale: Headline | None
    other_pretrend: Pretrend | None = None
    path: list[PathPoint]
    path_critical: float | None
    estimators: list[EstimatorRow]
    covariate_words: Mapping[str, Words] = {}
    groups_named: list[Words] | None = None
    alike: Alike | None = None
    components: Components | None = None
    not_used: list[NotUsed] = Field(default_factory=list)
    two_way_weights: TwoWayWeights | None = None
    cohorts: list[Cohort]
    pretrend: Pretrend | None
    sample: Sample | Told
    truth: Truth | None
    firm: Firm | None = None
    evidence: Evidence | None = None
    cost: CostFound | None = None
