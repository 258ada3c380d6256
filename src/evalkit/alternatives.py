"""Other estimators beside the headline: what they say, how far they are from it, which do not apply, and why they may differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evalkit.aggregation import aggregate
from evalkit.design import Design
from evalkit.diagnostics.bacon import bacon
from evalkit.diagnostics.two_way_weights import two_way_weights
from evalkit.errors import DesignError
from evalkit.estimate import Estimate
from evalkit.estimators import ESTIMATORS, GroupTime, TwoWay
from evalkit.estimators.needs import unmet
from evalkit.findings import EstimatorRow, NotUsed, TwoWayWeights
from evalkit.notices import Notice
from evalkit.records import Interval, Remark
from evalkit.side_by_side import beside, overall
from evalkit.study import Study
from evalkit.yardsticks import Show

# The estimators of the same average effect that a study can be asked for without further choices.
BESIDE = (
    "interaction_weighted", "imputation", "two_stage", "extended_two_way", "stacked", "local_projections", "weighted", "synthetic",
)  # fmt: skip
# Whose comparison is their own, whatever the study says, and whose average is not over all treated unit-periods.
OWN_COMPARISON = {"interaction_weighted": "never_treated"}
OWN_AVERAGE = {"stacked": "window", "local_projections": "dynamic"}
# About parts of an estimate that the report does not show, or that a row says of itself.
TOLD_ELSEWHERE = {"NEVER_TREATED_ALONE", "GAPS_BEFORE_ARE_FITTED"}


@dataclass(frozen=True)
class Alternatives:
    """Estimators beside the headline.

    Attributes
    ----------
    rows : the headline and every other average effect
    not_used : estimators that do not apply to the design, with the reasons
    weights : where the two-way coefficient puts its weight, or None where it has none
    notices : remarks of the estimators
    """

    rows: list[EstimatorRow]
    not_used: list[NotUsed]
    weights: TwoWayWeights | None
    notices: tuple[Notice, ...]


def alternatives(study: Study, design: Design, cells: Estimate, show: Show) -> Alternatives:
    """Return what other estimators say of a design whose group-time effects are the study's own."""
    main = aggregate(cells, "overall")
    rows, notices = _two_way(design, main, show)
    known = {notice.code for notice in (*design.notices, *cells.notices)} | TOLD_ELSEWHERE
    rows += _group_time(study, design, cells, main, show)
    not_used: list[NotUsed] = []
    for name in BESIDE:
        estimator = ESTIMATORS[name]()
        if lacking := unmet(design, estimator):
            not_used.append(NotUsed(estimator=name, reasons=[Remark(code=n.code, facts=dict(n.facts)) for n in lacking]))
            continue
        try:
            estimate = estimator(design)
        except DesignError:  # what is needed is there, and still the numbers do not allow it; the message may name units
            not_used.append(NotUsed(estimator=name, reasons=[Remark(code="refused", facts={})]))
            continue
        comparison = OWN_COMPARISON.get(name, study.comparison)
        notices += tuple(_of(name, notice) for notice in estimate.notices if notice.code not in known)
        rows.append(_row(overall(estimate), main, show, name, OWN_AVERAGE.get(name, "overall"), comparison))
    return Alternatives(rows, not_used, _weights(design), notices)


def _of(name: str, notice: Notice) -> Notice:
    return Notice("OF_ESTIMATOR", {"estimator": name, "code": notice.code, "facts": dict(notice.facts)})


def _two_way(design: Design, main: Estimate, show: Show) -> tuple[list[EstimatorRow], tuple[Notice, ...]]:
    try:
        two_way = TwoWay()(design)
    except DesignError as refusal:
        return [], (Notice("TWO_WAY_NOT_ESTIMATED", {"reason": str(refusal)}),)  # a side row: the study goes on without it
    notices = tuple(notice for notice in two_way.notices if notice not in design.notices)
    return [_row(two_way.select(kind="overall"), main, show, "two_way", "static", "all")], notices


def _group_time(study: Study, design: Design, cells: Estimate, main: Estimate, show: Show) -> list[EstimatorRow]:
    rows: list[EstimatorRow] = []
    for choice in (study.comparison, *(c for c in ("not_yet_treated", "never_treated") if c != study.comparison)):
        own = choice == study.comparison
        if not own and not np.isinf(design.cohort).any():
            continue
        estimate = cells if own else GroupTime(study.method)(replace(design, comparison=choice))
        averages = {"overall": aggregate(estimate, "overall"), "dynamic": aggregate(estimate, "event_time").select(kind="average")}
        for average, part in averages.items():
            row = _row(part, main, show, "group_time", average, choice, headline=own and average == "overall")
            # With one cohort the averages coincide, with nobody treated later the comparisons do: one line says it.
            if not any(_same(row.effect, other.effect) for other in rows):
                rows.append(row)
    return rows


def _same(one: Interval, other: Interval) -> bool:
    pairs = ((one.estimate, other.estimate), (one.std_error or 0.0, other.std_error or 0.0))
    return all(np.isclose(a, b, rtol=1e-9, atol=0) for a, b in pairs)


def _row(
    effect: Estimate, main: Estimate, show: Show, name: str, average: str, comparison: str, headline: bool = False
) -> EstimatorRow:
    row = show(effect).iloc[0]
    return EstimatorRow(
        estimator=name,
        average=average,
        comparison=comparison,
        effect=Interval.of(row),
        difference=None if headline else Interval.of(show(beside(effect, main)).iloc[0]),
        cluster=str(row["cluster"]),
        clusters=int(row["clusters"]),
        correction=str(row["correction"]),
        factor=float(row["factor"]),
        reference=str(row["reference_distribution"]),
        headline=headline,
    )


def _weights(design: Design) -> TwoWayWeights | None:
    """Return where the two-way coefficient puts its weight; None where it has none or takes covariates."""
    try:
        weights = two_way_weights(design)
    except DesignError:  # the row of the two-way estimator says that it could not be estimated
        return None
    try:
        forbidden = bacon(design).forbidden_weight
    except DesignError:  # missing rows, or weights that vary over time: pairs of cohorts cannot be told apart
        forbidden = None
    return TwoWayWeights(
        cells=len(weights.cells), negative=len(weights.negative), negative_sum=weights.negative_sum, forbidden_weight=forbidden
    )
