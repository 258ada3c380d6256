"""The one treated unit of a study, such as a single county: a range from what its comparison units do without the programme."""

from __future__ import annotations

import numpy as np

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.findings import Alone, AlonePoint, Headline
from evalkit.firm_records import NotTold
from evalkit.how_firm import Money
from evalkit.intake.personal_patterns import safe
from evalkit.records import Interval
from evalkit.single_unit import one_unit
from evalkit.study import Study


def alone(study: Study, design: Design, comparison: Comparison, top: Headline) -> Alone | NotTold | None:
    """Return the ranges of a single treated unit, the reason where there are none, nothing where several units have an effect.

    Notes
    -----
    A unit's own noise cannot be learned from one unit. :func:`evalkit.one_unit` learns it from the comparison units; its range is
    laid around the headline, so that a report tells one effect only.
    """
    treated = design.units[np.isin(comparison.cohort, comparison.cohorts)]
    if len(treated) != 1:
        return None
    try:
        found = one_unit(design, treated[0], study.level)
    except DesignError as refusal:
        return NotTold(reason="refused", facts={"said": safe(str(refusal))})
    if found.refusal is not None:
        return NotTold(reason="too_few_comparisons", facts=dict(found.refusal.facts))
    reach = (found.path["conf_high"] - found.path["conf_low"]).to_numpy() / 2
    effect, money = top.effect.estimate, Money.of(top, study.scale)
    low, high = effect - reach[-1], effect + reach[-1]
    ends = money.ends(low, high)
    told = found.path["p_value"].notna().to_numpy()[:-1]
    points = found.path.iloc[:-1][told]
    return Alone(
        comparison_units=found.comparison_units,
        effect=Interval(estimate=effect, low=low, high=high),
        money=Interval(estimate=top.money.estimate, low=ends["low"], high=ends["high"]),
        percent=Interval(estimate=top.percent.estimate, low=ends["low_percent"], high=ends["high_percent"]),
        path=[
            AlonePoint(event_time=int(row["event_time"]), low=float(row["conf_low"]), high=float(row["conf_high"]))
            for _, row in points.iterrows()
        ],
    )
