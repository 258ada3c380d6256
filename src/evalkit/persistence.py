"""Whether an effect lasts: the same units while their support lasted, and after it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.cost_records import Lasting
from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError
from evalkit.estimate import Estimate, cell_frame
from evalkit.estimators import GroupTime
from evalkit.events import Events
from evalkit.events.judging import STARTS
from evalkit.events.starts import in_panel
from evalkit.findings import Verdict
from evalkit.firm_records import NotTold
from evalkit.how_firm import TOO_FEW_CLUSTERS
from evalkit.income_effect import headline
from evalkit.intake.personal_patterns import safe
from evalkit.records import Interval
from evalkit.study import Study
from evalkit.subset import on_rows_of, without_units
from evalkit.yardsticks import Show

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Ends:
    """When support ended.

    Attributes
    ----------
    last : (N,) the last year of support of each unit of a design, inf where it has not ended within the design
    undated : (N,) whether support ended in a year that is not known
    """

    last: Array
    undated: Array


def persistence(study: Study, design: Design, verdict: Verdict, show: Show, events: Events | None) -> Lasting | NotTold:
    """Return the effect on units whose support ended, while it lasted and after it ended, and the difference of the two.

    Notes
    -----
    Units that started in one year and ended in one year are compared, as in the headline, with the study's comparison, without the other
    units that were treated. Both averages are over the unit-periods of the same units, counted as they are seen (the counts are taken
    as given), in money as the headline is. Influence functions are carried along, so that the standard error of the difference knows that
    both rest on the same units. That an effect falls when support ends is no statement about why.
    """
    ends = support_ends(study, design, events)
    ended = np.isfinite(ends.last)
    if not ended.any():
        return NotTold(reason="support_has_not_ended")
    if verdict == "refused":
        return NotTold(reason="not_judged")
    starts = design.cohort
    both = ended & (starts > design.periods[0] + design.anticipation) & (starts <= ends.last) & (ends.last < design.periods[-1])
    codes, _ = design.codes(study.cluster or study.unit)
    clusters = len(np.unique(codes[design.first_rows][both]))
    if clusters < TOO_FEW_CLUSTERS or verdict in ("too_few", "one_unit"):
        return NotTold(reason="too_few", facts={"units": int(both.sum())})
    once = replace(design, rollout=replace(design.rollout, intensity=None))
    try:
        joint, during, after = _by_end(study, once, ends.last, both)
    except (DesignError, EstimateError) as refusal:  # nobody to compare with once the others are left out
        return NotTold(reason="refused", facts={"said": safe(str(refusal))})
    averages = np.vstack([during / during.sum(), after / after.sum()])
    averages = np.vstack([averages, averages[1] - averages[0]])
    names = cell_frame("persistence", 3, name=["during", "after", "difference"])
    made = [Interval.of(row) for _, row in show(joint.map(averages @ joint.theta, averages, names)).iterrows()]
    return Lasting(
        during=made[0],
        after=made[1],
        difference=made[2],
        units=int(both.sum()),
        years=int(design.periods[-1] - ends.last[both].min()),
        undated=int(ends.undated.sum()),
        left_out=int((ended & ~both).sum()),
    )


def support_ends(study: Study, design: Design, events: Events | None) -> Ends:
    """Return when support ended: by the table of events, or where the roll-out's intensity falls to nothing for good.

    A unit that started again after the end, with a dated event of a start, counts as supported. An end after the design's last year, or
    before the unit started, is none.
    """
    if events is not None:
        return _by_events(study, design, events)
    nobody = np.zeros(len(design.units), dtype=bool)
    last = np.full(len(design.units), np.inf)
    if design.rollout.intensity is None:
        return Ends(last, nobody)
    when = design.periods[design.period_index].astype(float)
    on = np.full(len(design.units), -np.inf)
    np.maximum.at(on, design.unit_index, np.where(design.intensity != 0, when, -np.inf))
    seen = np.full(len(design.units), -np.inf)
    np.maximum.at(seen, design.unit_index, when)
    over = np.isfinite(on) & (on < seen) & np.isfinite(design.cohort)
    return Ends(np.where(over, on, np.inf), nobody)


def _by_events(study: Study, design: Design, events: Events) -> Ends:
    rows, _ = in_panel(events, design.panel, str(study.treatment.programme))
    size = len(design.panel.units)
    last, resumed = np.full(size, -np.inf), np.full(size, -np.inf)
    undated = np.zeros(size, dtype=bool)
    ends, starts = (
        rows[rows["event"] == "ended"],
        rows[rows["event"].isin(STARTS) & (rows["event"] != "listed") & rows["year"].notna()],
    )
    known = ends[ends["year"].notna()]
    np.maximum.at(last, known["position"].to_numpy(), known["year"].to_numpy())
    np.maximum.at(resumed, starts["position"].to_numpy(), starts["year"].to_numpy())
    undated[ends.loc[ends["year"].isna(), "position"].to_numpy()] = True
    first = design.rollout.first_treated
    over = (last >= first) & (last <= design.periods[-1]) & (resumed <= last) & ~undated
    inside = np.isin(design.panel.units, design.units)
    return Ends(np.where(over, last, np.inf)[inside], (undated & np.isfinite(first))[inside])


def _by_end(study: Study, design: Design, last: Array, both: Array) -> tuple[Estimate, Array, Array]:
    """Return money during and after support of units that ended in each year, side by side, with the unit-periods behind each."""
    treated = np.isfinite(design.cohort)
    parts: list[Estimate] = []
    weights: list[tuple[float, float]] = []
    rows = design.row_keys
    for end in np.unique(last[both]):
        mine = both & (last == end)
        own = without_units(design, treated & ~mine)
        cells = GroupTime(study.method)(own)
        table = cells.cells
        effect = ((table["kind"] == "group_time") & (table["event_time"] >= 0)).to_numpy()
        seen = table["units"].to_numpy() * table["cohort"].map(_mean_weight(own)).to_numpy()
        late = effect & (table["period"] > end).to_numpy()
        for kept in (effect & ~late, late):
            if not kept.any():
                raise EstimateError(f"Units whose support ended in {end:.0f} have no effect before or after that year.")
            top = headline(cells.select(~effect | kept), own, study.scale).select(name="money")
            parts.append(on_rows_of(top, rows))
            count = float(seen[kept].sum())
            weights.append((0.0, count) if kept is late else (count, 0.0))
    joint = parts[0]
    for part in parts[1:]:
        joint = joint.join(part)
    during, after = np.array(weights).T
    return joint, during, after


def _mean_weight(design: Design) -> dict[float, float]:
    """Return the mean sampling weight of the units of each cohort."""
    return {
        float(g): float(design.unit_weight[design.cohort == g].mean()) for g in np.unique(design.cohort[np.isfinite(design.cohort)])
    }
