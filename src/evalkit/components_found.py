"""Which incomes moved: effects on the components of income, in money, that add up to the effect on the total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.aggregation import aggregate
from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, StudyError, unknown
from evalkit.estimate import Estimate
from evalkit.estimators import GroupTime
from evalkit.findings import ComponentRow, Components, EarnedShare, Pretrend
from evalkit.income_components import TOTAL, IncomeComponents, SelfGenerated, income_components
from evalkit.panel import Panel
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.study_data import Loaded, rolled_out
from evalkit.yardsticks import Show

Array = np.ndarray[Any, Any]

NO_SHARE = {"SHARE_UNDEFINED": "undefined", "SHARE_WITHOUT_NOISE": "without_noise"}


@dataclass
class _Measure:
    """How a component is estimated: its group-time effects on the scale of the premise, and one overall effect in money.

    ``columns`` maps a column of money to the column estimated; ``design`` holds these, and ``scale`` is what turns an effect on them
    into money, with its influence. ``cells`` keeps the group-time effects of every column, ``years`` are those whose own income a
    unit is measured against, None where money is estimated as it stands.
    """

    method: str
    design: Design
    columns: dict[str, str]
    scale: float
    scale_psi: Array
    years: tuple[int, int] | None
    cells: dict[str, Estimate] = field(default_factory=dict)

    def __call__(self, design: Design) -> Estimate:
        column = str(design.outcome)
        self.cells[column] = GroupTime(self.method)(replace(self.design, outcome=self.columns[column]))
        effect = aggregate(self.cells[column], "overall").select(kind="overall")
        psi = self.scale * effect.psi + self.scale_psi[:, None] * effect.theta
        return replace(effect, theta=self.scale * effect.theta, psi=psi)


def components_found(
    study: Study, design: Design, loaded: Loaded, show: Show, tested: Callable[[Estimate], Pretrend | None] | None
) -> Components | None:
    """Return the effects on the components that a study names, None where it names none.

    On the log scale the premise of a study is equal growth in per cent, which money does not share: where the treated are poorer,
    equal growth in per cent is less in money. Every income is therefore divided by the unit's own mean income of the years before
    anybody starts, a constant of the unit, and units weigh by it: components still add up, and the premise is that of the headline.
    Components grow at different rates, so units that live on other incomes would part without any programme: the shares of the
    components in the unit's own income of those years are covariates, in an outcome regression, which is linear in the outcome.

    Parameters
    ----------
    tested : callable
        The joint test of the leads of a component's group-time effects; None where clusters are too few to give any range.

    Raises
    ------
    StudyError, DesignError
        For a column that is not there, and for components that do not add up to the outcome in every row.
    """
    if not study.components:
        return None
    columns = {name: part.column for name, part in study.components.items()}
    for column in columns.values():
        if column not in design.panel.frame:
            raise StudyError(unknown("column", column, [str(c) for c in loaded.frame.columns]))
    found, measure, composition = _estimated(study, design, loaded, columns)
    effects = {row["name"]: Interval.of(row) for _, row in show(found.effects).iterrows()}
    theta = found.effects.theta
    return Components(
        rows=[
            ComponentRow(
                name=name,
                word=study.components[name].word if name in study.components else None,
                earned=name in study.self_generated,
                effect=effects[name],
                pretrend_p=_p(tested, measure.cells[columns.get(name, study.outcome)]),
            )
            for name in (*columns, TOTAL)
        ],
        growth=measure.years is not None,
        measured_by=measure.years,
        units=len(measure.design.units),
        left_out=len(design.units) - len(measure.design.units),
        composition=composition,
        gap=float(theta[1:].sum() - theta[0]),
        **_share(found, tested is None),
    )


def _estimated(study: Study, design: Design, loaded: Loaded, columns: dict[str, str]) -> tuple[IncomeComponents, _Measure, bool]:
    """Return the components' effects, how they were measured, and whether the composition of income was held fixed."""
    levels, wanted = replace(design, outcome=study.outcome), [study.outcome, *columns.values()]
    years = _years_before(design) if study.scale == "log" else None

    def parts(composition: bool) -> tuple[IncomeComponents, _Measure, bool]:
        made: list[_Measure] = []  # at the first call, when the columns have been judged

        def estimator(part: Design) -> Estimate:
            if not made:
                made.append(_growth(study, levels, loaded, wanted, years, composition) if years else _money(study, levels, wanted))
            return made[0](part)

        cluster = study.cluster or study.unit
        found = income_components(levels, columns, estimator, study.self_generated, cluster=cluster, level=study.level)
        return found, made[0], composition

    if years is None:
        return parts(False)
    try:
        return parts(True)
    except DesignError:  # too few units to hold the composition of income fixed; whatever else is wrong is told again
        return parts(False)


def _p(tested: Callable[[Estimate], Pretrend | None] | None, cells: Estimate) -> float | None:
    test = tested(cells) if tested else None
    return test.p_value if test else None


def _share(found: IncomeComponents, too_few: bool) -> dict[str, Any]:
    share = found.self_generated
    if share is None:
        return {"share": None, "no_share": "not_asked"}
    if too_few:
        return {"share": None, "no_share": "too_few"}
    if isinstance(share, SelfGenerated):
        low, high = share.fieller
        return {"share": EarnedShare(estimate=share.share, low=low, high=high), "no_share": ""}
    return {"share": None, "no_share": NO_SHARE[share.reason.code]}


def _years_before(design: Design) -> tuple[int, int] | None:
    """Return the first and last year before anybody starts, None where units are not followed or there is no such year."""
    last = min(Comparison.of(design).cohorts) - 1 - design.anticipation
    early = design.periods[design.periods <= last]
    return (int(early[0]), int(early[-1])) if len(early) and design.unbalanced != "repeated_cross_section" else None


def _money(study: Study, levels: Design, wanted: list[str]) -> _Measure:
    return _Measure(study.method, levels, {column: column for column in wanted}, 1.0, np.zeros(len(levels.row_keys)), None)


def _growth(study: Study, levels: Design, loaded: Loaded, wanted: list[str], years: tuple[int, int], composition: bool) -> _Measure:
    """Return incomes over the unit's own income of the years before; units without one leave, and are counted."""
    panel = levels.panel
    frame = panel.frame if panel.order is None else panel.frame.iloc[panel.order]
    when = panel.periods[panel.period_index]
    money = pd.DataFrame({column: panel.numbers(column) for column in wanted})
    early = (when >= years[0]) & (when <= years[1])
    before = money[early].groupby(panel.unit_index[early]).mean().reindex(range(len(panel.units)))
    means = before.iloc[panel.unit_index].reset_index(drop=True)
    kept = means[study.outcome].notna().to_numpy()
    frame, means, money = (part[kept].reset_index(drop=True) for part in (frame, means, money))
    own = means[study.outcome].to_numpy(dtype=float)
    shares = _composition(means[wanted[1:]].div(own, axis=0)) if composition else {}
    weight = own if study.weight is None else own * frame[study.weight].to_numpy(dtype=float)
    ratios = {column: f"{column} over own income before" for column in wanted}
    columns = {ratios[column]: money[column].to_numpy() / own for column in wanted}
    clusters = [study.cluster] if study.cluster and study.cluster != study.unit else []
    panel = Panel(
        frame.assign(**columns, **shares, **{OWN: own, WEIGHT: weight}),
        unit=study.unit, period=study.period, clusters=clusters, weight=WEIGHT,
    )  # fmt: skip
    rollout = rolled_out(study, panel, loaded.events)
    covariates = (*levels.covariates, *shares)
    design = replace(levels, panel=panel, rollout=rollout, outcome=ratios[study.outcome], covariates=covariates)
    scale, psi = _own_income_of_treated(design)
    return _Measure("reg" if shares else study.method, design, ratios, scale, psi, years)


def _composition(shares: pd.DataFrame) -> dict[str, Array]:
    """Return (n,) shares of components in own income before, without the largest, which follows from the others, and constants."""
    varying = shares.loc[:, np.ptp(shares.to_numpy(dtype=float), axis=0) > 0]
    kept = varying.columns.drop(shares.mean().idxmax(), errors="ignore")
    return {f"{name} share before": varying[name].to_numpy(dtype=float) for name in kept}


OWN, WEIGHT = "own income before", "weight by own income before"


def _own_income_of_treated(design: Design) -> tuple[float, Array]:
    """Return the mean own income over treated unit-periods, with its influence."""
    comparison = Comparison.of(design)
    start = design.cohort[design.unit_index]
    when = design.periods[design.period_index]
    treated = np.isin(start, comparison.cohorts) & (when >= start) & np.isin(when, comparison.periods)
    own = design.values(OWN)
    weight = treated * (design.values(WEIGHT) / own)
    mean = float(weight @ own / weight.sum())
    contributions = weight * (own - mean) / weight.sum()
    return mean, design.psi_from_observations(contributions[:, None])[:, 0]
