"""How firm a finding is: what would overturn it, what tests could see, and whether it survives few clusters. Without a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.diagnostics import detectable
from evalkit.diagnostics.pretrend import NotTestable, in_yuan
from evalkit.diagnostics.pretrend import pretrend as leads_with_power
from evalkit.errors import DesignError, EstimateError, EvalkitError
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.evidence_limits import SHOWN
from evalkit.findings import Headline, Pretrend, Sample, Verdict
from evalkit.firm_records import Drifted, Firm, LeftOut, Method, Needed, NotTold, Overturn, Permuted, Power, Seen
from evalkit.inference.assignment import Assignments, assignments
from evalkit.inference.honest import Honest, honest
from evalkit.inference.linear import Inference, has_own_noise
from evalkit.inference.permutation import Permutation, permute
from evalkit.inference.replay import replay
from evalkit.inference.wild import wild_bootstrap
from evalkit.intake.personal_patterns import safe
from evalkit.kernels.mean_changes import Cell, cell_weights, without_clusters
from evalkit.notices import Notice
from evalkit.records import Remark, number
from evalkit.study import Study

Array = np.ndarray[Any, Any]

PRETREND_LEVEL = 0.10
TOO_FEW_CLUSTERS = 5  # fewer on a side, and the usual interval misses a true zero so often that none is shown
REPLAYED_CLUSTERS = 100  # more are not left out one by one: the usual standard error needs no help there, and it takes long
SIGNS = 999  # random signs of the wild bootstrap
ASSIGNMENTS = 499  # random assignments where their estimates are sums of cohort means
ASSIGNMENTS_REPLAYED = 99  # where every one of them is an estimation of its own
MANY = 10**6  # assignments beyond are not counted for readers
POWER = 0.8
STEPS = 12  # of the picture
MULTIPLES = (0.25, 0.5, 1.0)  # of the largest difference before the start: where the rules of the grade draw their lines
TOLD = ("FEW_CLUSTERS_HONEST", "HONEST_FEW_LEADS", "HONEST_FEW_TREATED", "HONEST_OPEN", "HONEST_EMPTY")
OF_ASSIGNMENTS = ("WHOLE_VECTORS_MOVED", "ASSIGNMENTS_REFUSED")


@dataclass(frozen=True)
class Overall:
    """The average effect over treated unit-periods, as an estimator of one parameter."""

    method: str

    def __call__(self, design: Design) -> Estimate:
        """Return the average effect of a design."""
        return aggregate(GroupTime(self.method)(design), "overall")

    def without_clusters(self, design: Design, codes: Array, G: int) -> Array | None:
        """Return (G, 1) the effect without every cluster, NaN where a cohort lies in it whole; None where cells are no plain means."""
        cells = _plain_cells(design)
        if cells is None:
            return None
        return without_clusters(cells, codes, G)[:, None]

    def outcome_weights(self, design: Design) -> Array | None:
        """Return (N, T) the weights with which outcomes add up to the effect; None where cells are no plain means."""
        cells = _plain_cells(design)
        return None if cells is None else cell_weights(cells, design.wide(design.y).shape)


def _plain_cells(design: Design) -> list[Cell] | None:
    """Return the cells of an average effect where they are differences of mean changes, whose shares follow from the sizes of cohorts.

    They are in balanced panels without covariates and weights, whatever the method.
    """
    if not design.balanced or design.covariates or design.w is not None:
        return None
    comparison, wide = Comparison.of(design), design.wide(design.y)
    at = {int(period): place for place, period in enumerate(design.periods)}
    return [
        Cell(wide, at[time], at[base], design.cohort == cohort, comparison.of_cell(cohort, time, base))
        for cohort in comparison.cohorts
        for time, base in comparison.pairs(cohort)
        if time >= cohort
    ]


@dataclass(frozen=True)
class Money:
    """Effects in money and in per cent of base income; None where an end of a range is infinite or missing.

    On the log scale ``rate`` is the money of a growth of one: that of the headline, which weighs incomes by their effects, so that
    its effect is the headline's money; base income where the effect is too close to zero to tell (a rate beyond half or twice of it).
    """

    base: float
    rate: float
    scale: str

    @classmethod
    def of(cls, top: Headline, scale: str) -> Money:
        """Return the money of a headline."""
        base = top.base.estimate
        if scale != "log":  # an effect in yuan is no growth: its exponential overflows
            return cls(base, base, scale)
        growth = float(np.expm1(top.effect.estimate))
        told = 0.5 * base * abs(growth) <= top.money.estimate * np.sign(growth) <= 2 * base * abs(growth)
        return cls(base, top.money.estimate / growth if told and growth else base, scale)

    @property
    def proportional(self) -> bool:
        """Whether effects are turned into money at the rate of the headline."""
        return self.rate != self.base or self.scale == "level"

    def yuan(self, effect: float | None) -> float | None:
        """Return an effect in money."""
        return None if effect is None or not np.isfinite(effect) else float(in_yuan(np.array(effect), self.rate, self.scale))

    def percent(self, effect: float | None) -> float | None:
        """Return an effect in per cent of base income."""
        money = self.yuan(effect)
        return None if money is None else 100 * money / self.base

    def ends(self, low: float, high: float) -> dict[str, Any]:
        """Return a range of effects as a method tells it."""
        return {
            "low": self.yuan(low), "high": self.yuan(high), "low_percent": self.percent(low), "high_percent": self.percent(high)
        }  # fmt: skip


def firm(
    study: Study, design: Design, cells: Estimate, top: Headline, pretrend: Pretrend | None, sample: Sample, verdict: Verdict
) -> Firm:
    """Return how firm a finding is.

    Parameters
    ----------
    cells : the study's group-time effects
    top : the headline, whose base income turns effects into money
    pretrend : the joint test that the report quotes; its leads are those whose power is told
    verdict : with "too_few" nothing that rests on a standard error is told; with "unclear" how many units would do

    Notes
    -----
    All ranges are of the average effect over treated unit-periods, in the outcome's unit, and turned into money in one way.
    """
    money = Money.of(top, study.scale)
    cluster = study.cluster or study.unit
    too_few = verdict in ("too_few", "one_unit")
    overall = aggregate(cells, "overall")
    methods: list[Method] = []
    without: LeftOut | NotTold = NotTold(reason="too_few")
    if not too_few:
        left_out, without = _jackknife(study, design, cluster, money, sample)
        methods = [_interval(study, overall, cluster, money), left_out, _wild(study, overall, cluster, money)]
    permuted, ranked = _permuted(study, design, cluster, money, interval=not too_few)
    seen = _seen(study, design, cluster, money)
    return Firm(
        overturn=NotTold(reason="too_few") if too_few else _overturn(study, cells, cluster, money, verdict == "small_change"),
        power=_power(study, cells, overall, cluster, money, pretrend, sample, verdict == "small_change"),
        methods=[*methods, ranked],
        permuted=permuted,
        seen=seen,
        needed=_needed(study, design, cluster, money)
        if verdict == "unclear" and isinstance(seen, Seen)
        else NotTold(reason="clear"),
        without=without,
        proportional=money.proportional,
    )


def _told(notices: tuple[Notice, ...], codes: tuple[str, ...]) -> list[Remark]:
    return [Remark(code=notice.code, facts=dict(notice.facts)) for notice in notices if notice.code in codes]


def _refused(refusal: EvalkitError) -> NotTold:
    """Return the words of a refusal for those who read the findings; a report says it in its own."""
    return NotTold(reason="refused", facts={"said": safe(str(refusal))})


def stretch(path: Estimate) -> tuple[Estimate, bool] | str:
    """Return the event times around the reference whose noise is known from enough units, and whether all effects are among them.

    The code of the reason where there is no such stretch: "no_reference", "two_references", or "few_units" after the start.
    """
    event = path.cells["event_time"].to_numpy()
    reference = path.cells["reference"].to_numpy(dtype=bool)
    if reference.sum() != 1:
        return "two_references" if reference.any() else "no_reference"
    base = int(event[reference][0])
    good = has_own_noise(path) & (path.cells["noisy_units"].to_numpy() >= TOO_FEW_CLUSTERS)
    known = {int(e) for e in event[good]} | {base}
    first, last = base, base
    while first - 1 in known:
        first -= 1
    while last + 1 in known:
        last += 1
    if last < 0:
        return "few_units"
    return path.select((event >= first) & (event <= last)), last == int(event.max())


def _overturn(study: Study, cells: Estimate, cluster: str, money: Money, small: bool) -> Overturn | NotTold:
    """Return the yearly drift that undoes the effect; bounds are refused where the path cannot carry them.

    A change too small to be worth telling is undone when its range leaves what is, which is told beside it.
    """
    found = stretch(aggregate(cells, "event_time").select(kind="event_time"))
    if isinstance(found, str):
        return NotTold(reason=found)
    path, whole = found

    def bounds(restriction: str, sizes: list[float]) -> Honest:
        return honest(
            path, restriction=restriction, at="headline", sizes=sizes, cluster=cluster, level=study.level, base_income=money.rate,
            scale=study.scale,
        )  # fmt: skip

    try:
        plain = bounds("drift", [0.0])
    except EstimateError as refusal:  # a covariance without full rank: event times as many as clusters
        return _refused(refusal)
    already = plain.breakdown == 0
    broken = _finite(plain.breakdown)
    largest = plain.largest_before
    relative = None
    if largest is not None and not already:
        relative = _finite(bounds("relative", [1.0]).breakdown)
    marks = sorted({0.0, *((largest / 2, largest) if largest else ()), *((broken,) if broken else ())})
    reach = 1.25 * max(marks) or plain.std_error
    grid = sorted({*np.linspace(0, reach, STEPS + 1).tolist(), *marks})
    table = bounds("drift", grid)
    curve = [_drifted(row, money, size) for size, (_, row) in zip(grid, table.table.iterrows(), strict=True)]
    of = dict(zip(grid, curve, strict=True))
    effect = money.yuan(plain.estimate)
    assert effect is not None
    event = path.cells["event_time"]
    return Overturn(
        effect=effect,
        breakdown=0.0 if already else money.yuan(broken),
        already=already,
        largest_before=plain.largest_before_yuan,
        relative=relative,
        rows=[of[size] for size in marks],
        curve=curve,
        first=int(event.min()),
        last=int(event.max()),
        whole=whole,
        stays_small=_stays_small(bounds("relative", list(MULTIPLES)), study, money) if small and largest is not None else None,
        remarks=_told(plain.notices, TOLD),
    )


def _stays_small(found: Honest, study: Study, money: Money) -> float:
    """Return the largest multiple of the largest difference before the start under which the range stays below what is worth telling."""
    most = study.smallest_meaningful_percent / 100 * money.base
    ends = found.table[["conf_low_yuan", "conf_high_yuan"]].abs().max(axis=1).to_numpy()
    stays = [size for size, end in zip(MULTIPLES, ends, strict=True) if end < most]
    return max(stays, default=0.0)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _drifted(row: Any, money: Money, size: float) -> Drifted:
    return Drifted(drift=money.yuan(size) or 0.0, low=float(row["conf_low_yuan"]), high=float(row["conf_high_yuan"]))


def _power(
    study: Study,
    cells: Estimate,
    overall: Estimate,
    cluster: str,
    money: Money,
    pretrend: Pretrend | None,
    sample: Sample,
    small: bool,
) -> Power | NotTold:
    """Return what the joint test quoted in the report could have seen: a drift that explains half of the estimate.

    Of a change too small to be worth telling it is half of the smallest that is: nothing explains half of nothing.
    """
    if pretrend is None:
        return NotTold(reason="untested")
    if pretrend.failed:
        return NotTold(reason="failed")
    path = aggregate(cells, "event_time").select(kind="event_time")
    if int(path.cells["reference"].sum()) != 1:
        return NotTold(reason="two_references" if path.cells["reference"].any() else "no_reference")
    degrees = min(sample.treated_clusters, sample.comparison_clusters) - 1
    share = study.smallest_meaningful_percent / 100
    smallest = (float(np.log1p(share)) if study.scale == "log" else share * money.base) if small else None
    try:
        told = leads_with_power(
            path, cluster=cluster, degrees=degrees, level=PRETREND_LEVEL, half_of=float(overall.theta[0]) if smallest is None else smallest,
            leads=pretrend.event_times, least_units=TOO_FEW_CLUSTERS, base_income=money.rate, scale=study.scale,
        )  # fmt: skip
    except EstimateError as refusal:  # effects after the start whose covariance has not full rank
        return _refused(refusal)
    if isinstance(told, NotTestable):
        return NotTold(reason="untested")
    slope = money.yuan(abs(told.half.slope)) or 0.0
    return Power(power=told.half.joint_power, slope=slope, weak=told.verdict == "no_power", of_smallest=small)


def _interval(study: Study, overall: Estimate, cluster: str, money: Money) -> Method:
    """Return the range that the report uses elsewhere."""
    row = Inference(cluster=cluster, level=study.level)(overall).iloc[0]
    if number(row["conf_low"]) is None:
        return Method(name="interval", reason="no_noise")
    return Method(
        name="interval",
        **money.ends(row["conf_low"], row["conf_high"]),
        p_value=number(row["p_value"]),
        clusters=int(row["clusters"]),
        reference=str(row["reference_distribution"]),
    )


def _jackknife(study: Study, design: Design, cluster: str, money: Money, sample: Sample) -> tuple[Method, LeftOut | NotTold]:
    """Return the range from leaving out every cluster once, and how far the effect moves when one is left out."""
    if sample.clusters > REPLAYED_CLUSTERS:
        return Method(name="jackknife", reason="many_clusters"), NotTold(reason="many_clusters")
    found = replay(Overall(study.method), design, None if cluster == study.unit else cluster)
    G = len(found.rows)
    row = Inference(level=study.level)(found).iloc[0]
    if number(row["conf_low"]) is None:  # without some cluster there is no effect
        return Method(name="jackknife", reason="lost"), NotTold(reason="lost")
    method = Method(
        name="jackknife",
        **money.ends(row["conf_low"], row["conf_high"]),
        p_value=number(row["p_value"]),
        clusters=G,
        reference=str(row["reference_distribution"]),
    )
    without = found.theta[0] - found.psi[:, 0] / (G - 1)
    low, high = money.yuan(float(without.min())), money.yuan(float(without.max()))
    assert low is not None and high is not None
    return method, LeftOut(low=low, high=high, flips=int((np.sign(without) != np.sign(found.theta[0])).sum()), clusters=G)


def _wild(study: Study, overall: Estimate, cluster: str, money: Money) -> Method:
    """Return the range from random signs of clusters."""
    try:
        row = wild_bootstrap(overall, cluster=cluster, draws=SIGNS, seed=study.seed, level=study.level).table.iloc[0]
    except EstimateError:  # so few clusters that there are no signs to draw, or no noise
        return Method(name="wild", reason="refused")
    # No draw beyond the estimate is a small share, not none at all.
    return Method(
        name="wild",
        **money.ends(row["conf_low"], row["conf_high"]),
        p_value=max(float(row["p_value"]), 1 / (int(row["draws"]) + 1)),
        clusters=int(row["clusters"]),
        draws=int(row["draws"]),
    )


def _permuted(study: Study, design: Design, cluster: str, money: Money, interval: bool) -> tuple[Permuted | NotTold, Method]:
    """Return the rank of the estimate among other assignments, as such and as a row beside the other methods."""
    try:
        moves, where, possible = _movable(study, design, cluster)
        learned = _sums_of_cohort_means(design, possible)
        found = permute(
            Overall(study.method), design, draws=ASSIGNMENTS if learned else ASSIGNMENTS_REPLAYED, seed=study.seed,
            interval="algebra" if interval and learned else "none", level=study.level, **where,
        )  # fmt: skip
    except (DesignError, EstimateError) as refusal:  # nothing can move, or the estimator refuses most assignments
        return _refused(refusal), Method(name="permutation", reason="refused")
    row, exact = found.table.iloc[0], found.smallest.draws is None
    draws = len(found.codes)
    ends: dict[str, Any] = money.ends(row["conf_low"], row["conf_high"]) if "conf_low" in found.table else {}
    reason = "" if ends else "too_few" if not interval else "costly"
    method = Method(name="permutation", **ends, p_value=float(row["p_value"]), draws=draws, reason=reason)
    return _ranks(found, moves, draws, exact), method


def _ranks(found: Permutation, moves: Literal["units", "clusters", "within"], draws: int, exact: bool) -> Permuted:
    smallest = found.smallest
    many = smallest.assignments
    return Permuted(
        moves=moves,
        items=smallest.items,
        treated=smallest.treated,
        possible=many if many <= MANY else None,
        draws=None if exact else draws,
        exact=exact,
        smallest_p=smallest.smallest_p,
        p_value=float(found.table["p_value"].iloc[0]),
        cannot=smallest.smallest_p > SHOWN,
        needed=smallest.comparison_needed(1 - SHOWN) if smallest.smallest_p > SHOWN else None,
        remarks=_told(found.notices, OF_ASSIGNMENTS),
    )


def _movable(
    study: Study, design: Design, cluster: str
) -> tuple[Literal["units", "clusters", "within"], dict[str, Any], Assignments]:
    """Return what could have been treated instead: clusters where all of their units start together, units within them otherwise."""
    if cluster == study.unit:
        return "units", {}, assignments(design)
    codes, count = design.codes(cluster)
    of_unit = codes[design.first_rows]
    starts = {(int(code), float(start)) for code, start in zip(of_unit, design.cohort, strict=True)}
    if len(starts) == count:
        return "clusters", {"cluster": cluster}, assignments(design, cluster=cluster)
    return "within", {"strata": cluster}, assignments(design, strata=cluster)


def _sums_of_cohort_means(design: Design, possible: Assignments) -> bool:
    """Return whether estimates under all assignments follow from cohort means, so that many of them cost little."""
    plain = design.balanced and design.w is None and not design.covariates
    return plain and possible.sizes_stay and possible.starts.shape[1] == 1


def _seen(study: Study, design: Design, cluster: str, money: Money) -> Seen | NotTold:
    try:
        found = detectable.detectable_effect(design, power=POWER, **_plan(study, cluster, money))
    except (DesignError, EstimateError) as refusal:  # nothing before the start, one cluster on a side, too many patterns of rows
        return _refused(refusal)
    assert found.percent is not None and found.yuan is not None
    return Seen(
        percent=found.percent, money=found.yuan, power=POWER, remarks=[Remark(code=n.code, facts=dict(n.facts)) for n in found.notices]
    )  # fmt: skip


def _needed(study: Study, design: Design, cluster: str, money: Money) -> Needed | NotTold:
    percent = study.smallest_meaningful_percent
    try:
        found = detectable.units_needed(design, effect=percent / 100, power=POWER, **_plan(study, cluster, money))
    except (DesignError, EstimateError) as refusal:
        return _refused(refusal)
    if found.enough:
        return NotTold(reason="enough")
    names = ("units", "clusters", "units_today", "clusters_today")
    return Needed(percent=percent, power=POWER, **{name: getattr(found, name) for name in names})


def _plan(study: Study, cluster: str, money: Money) -> dict[str, Any]:
    return {
        "cluster": None if cluster == study.unit else cluster,
        "level": 1 - study.level,
        "estimator": Overall(study.method),
        "base_income": money.base,
        "scale": study.scale,
    }
