"""What the money bought: public money per yuan of yearly income gained."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.cost_records import Bought, CostFound
from evalkit.design import Design
from evalkit.errors import StudyError, first_five, unknown
from evalkit.events import Events
from evalkit.findings import Headline, Verdict
from evalkit.firm_records import NotTold
from evalkit.persistence import persistence
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.study_parts import Cost
from evalkit.yardsticks import Show

Array = np.ndarray[Any, Any]


def cost_found(
    study: Study, design: Design, top: Headline, verdict: Verdict, show: Show, events: Events | None = None, together: bool = False
) -> CostFound | None:
    """Return what the money of a study bought and whether its effect lasts after support ends; None where neither is asked.

    Parameters
    ----------
    top : the headline, whose money is the gain per person and year
    verdict : only "gain" carries a gain that money could have bought
    show : how estimates are tabulated in this study
    events : the table of events, which says whose support ended
    together : whether the effect is that of several programmes, so that the money of one cannot be set against it

    Raises
    ------
    StudyError
        When the column with people is missing, holds no numbers, or leaves a covered unit without any; when income is not in yuan.
    """
    lasting = persistence(study, design, verdict, show, events)
    ended = not (isinstance(lasting, NotTold) and lasting.reason == "support_has_not_ended")
    if study.cost is None:
        return CostFound(bought=NotTold(reason="not_given"), lasting=lasting) if ended else None
    found = bought(study.cost, study, design, top, verdict)
    if together and isinstance(found, Bought):
        found = NotTold(reason="bundle")
    return CostFound(bought=found, lasting=lasting)


def bought(cost: Cost, study: Study, design: Design, top: Headline, verdict: Verdict) -> Bought | NotTold:
    """Return the money per yuan gained; without a gain the reason why there is none to divide by."""
    _judge_money(study)
    number = people(cost, design)
    gain = top.money
    if verdict != "gain" or gain.estimate <= 0:
        return NotTold(reason="no_gain", facts={"verdict": verdict})
    money, low, high = cost.spent.total, cost.spent.low or cost.spent.total, cost.spent.high or cost.spent.total
    best, least, most = per_yuan(money, low, high, gain, number)
    present = present_yuan(cost.discount_rate, cost.lasting_years)
    return Bought(
        per_yuan=best,
        per_yuan_low=least,
        per_yuan_high=most,
        per_lasting_yuan=best / present,
        per_lasting_yuan_low=least / present,
        per_lasting_yuan_high=None if most is None else most / present,
        gain=gain,
        people=number,
        counted="summed" if isinstance(cost.people, str) else "given",
        money=money,
        money_low=low,
        money_high=high,
        transfers=cost.transfers,
        discount_rate=cost.discount_rate,
        lasting_years=cost.lasting_years,
        present_yuan=present,
        source=cost.source,
    )


def per_yuan(money: float, low: float, high: float, gain: Interval, people: float) -> tuple[float, float, float | None]:
    """Return public money per yuan of yearly income gained: best, least, and most; most is None where the gain may be nothing.

    Notes
    -----
    The range takes the ends of both ranges at once, least money with largest gain and most money with smallest gain, so that it is wider
    than either alone makes it and no statement about probability.

    Examples
    --------
    >>> per_yuan(6e6, 5e6, 8e6, Interval(estimate=300, low=200, high=500), people=10_000)
    (2.0, 1.0, 4.0)
    >>> per_yuan(6e6, 6e6, 6e6, Interval(estimate=300, low=-10, high=600), people=10_000)
    (2.0, 1.0, None)
    """
    largest = gain.estimate if gain.high is None else gain.high
    smallest = gain.low
    most = None if smallest is None or smallest <= 0 else high / (smallest * people)
    return money / (gain.estimate * people), low / (largest * people), most


def present_yuan(rate: float, years: int) -> float:
    """Return what one yuan a year is worth in the first of so many years.

    >>> round(present_yuan(0.03, 2), 4), present_yuan(0.0, 5)
    (1.9709, 5.0)
    """
    return float(((1 + rate) ** -np.arange(years, dtype=float)).sum())


def people(cost: Cost, design: Design) -> float:
    """Return how many people were covered: the number given, or the sum over all units treated within the window.

    Notes
    -----
    A unit counts with the mean of its column over its treated rows, times its sampling weight where there is one. Raises StudyError for an
    unknown column, for one without numbers, and for units without a positive number in any treated row.
    """
    if not isinstance(cost.people, str):
        return float(cost.people)
    column = cost.people
    if column not in design.panel.frame:
        raise StudyError(
            f"cost.people: {unknown('column', column, [str(c) for c in design.panel.frame])} Or give the number of people covered, such as 52000."
        )
    count = design.values(column)
    if (wrong := count <= 0).any():
        raise StudyError(
            f"cost.people: {column!r} is zero or negative in {int(wrong.sum()):,} rows: "
            f"{first_five(np.unique(design.units[design.unit_index[wrong]]))}. A unit has at least one person."
        )
    rows = design.treated & ~np.isnan(count)
    size = len(design.units)
    seen = np.bincount(design.unit_index[rows], minlength=size)
    treated = np.isfinite(design.cohort)
    if (bare := treated & (seen == 0)).any():
        raise StudyError(
            f"cost.people: {column!r} is missing in every treated row of {int(bare.sum()):,} units: {first_five(design.units[bare])}. Fill it in, "
            "or give the number of people covered, such as 52000."
        )
    means = np.bincount(design.unit_index[rows], count[rows], size)[treated] / seen[treated]
    return float(means @ design.unit_weight[treated])


def _judge_money(study: Study) -> None:
    """Refuse incomes that are not counted in yuan, as the money spent is."""
    noun = study.money.en.partition(" per ")[0].strip()
    if noun != "yuan":
        raise StudyError(
            f"cost: spending is counted in yuan, but the study's money is {study.money.en!r}. Bring incomes to yuan (a mapping does it), or remove "
            "cost: from the study."
        )
