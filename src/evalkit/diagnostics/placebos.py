"""Placebos: the estimator asked where the programme cannot have worked (before it, on other outcomes, in other groups)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.design import Design
from evalkit.diagnostics.replays import Array, Estimator, Replays, Variant, constant_in_units, replays
from evalkit.diagnostics.variations import without_rows
from evalkit.errors import DesignError, first_five
from evalkit.parallel import Map
from evalkit.subset import with_starts


@dataclass(frozen=True)
class Earlier:
    """Move all starts some periods ahead and keep only rows before the true start.

    Rows in which units may already react (anticipation) count as after the start. Units that would then have no row before the
    placebo start leave.
    """

    periods: int

    def __call__(self, design: Design) -> Design:
        """Return the design of the time before."""
        start = design.cohort - design.anticipation
        when = design.periods[design.period_index]
        treated = np.isfinite(design.cohort)
        feasible = start - self.periods > design.periods[0]
        if not (treated & feasible).any():
            raise DesignError(f"No treated unit has a period left before a start {self.periods} periods earlier.")
        gone = (treated & ~feasible)[design.unit_index]
        over = start[treated & feasible].max()
        # Rows of units never treated go too once nobody is left to compare them with: they would only widen the sample.
        leave = gone | (when >= np.minimum(start, over)[design.unit_index])
        # Starts move first: without them nobody would be treated in the rows that stay.
        everybody = np.ones(len(design.units), dtype=bool)
        ahead = with_starts(replace(design, anticipation=0), everybody, start - self.periods, design.rollout.programme)
        return without_rows(ahead, leave)


@dataclass(frozen=True)
class OtherOutcome:
    """Read another column as the outcome."""

    outcome: str

    def __call__(self, design: Design) -> Design:
        """Return the design of that outcome."""
        return replace(design, outcome=self.outcome)


@dataclass(frozen=True)
class GroupTreated:
    """Treat untreated units (N,) on paper from a period on; the treated units leave."""

    group: Array
    start: float

    def __call__(self, design: Design) -> Design:
        """Return the design without the treated."""
        never = np.isinf(design.cohort)
        if self.group[never].all():
            raise DesignError(
                "All untreated units are in this group, so nobody is left to compare them with. Choose a part of them."
            )
        first = np.where(self.group, self.start, np.inf)
        return with_starts(design, never, first, f"placebo of {design.rollout.programme}")


def _judge_starts(design: Design) -> None:
    """Refuse a roll-out of intensities: a placebo start says nothing about how strongly units would have been treated."""
    if design.rollout.intensity is not None:
        raise DesignError(
            "A placebo treats units from another period on; this roll-out has an intensity in every row, which cannot be moved there. "
            "Make the roll-out from first treated periods."
        )


def placebo_in_time(
    estimator: Estimator, design: Design, shifts: int | Sequence[int] | None = None, *, map: Map = map, **inference: Any
) -> Replays:
    """Return the effect found when every unit starts some periods earlier than it did, on rows before its true start only.

    Parameters
    ----------
    shifts : periods by which starts are moved ahead, one number or several; every feasible number without it
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`

    Returns
    -------
    Replays
        Rows labelled ``shift``. No row of a treated unit at or after its true start is read.

    Raises
    ------
    DesignError
        When no treated unit is seen in two periods before its start, so that no placebo start fits in between, and when the roll-out
        has an intensity.

    Notes
    -----
    The rows overlap: the placebos are no independent tests. Passing says that the groups moved alike before the start, as far as the
    errors can tell; it does not show that they would have gone on to.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.placebos import placebo_in_time
    >>> placebo_in_time(ek.TwoWay(), ek.example_design()).table["shift"].tolist()
    [1, 2, 3, 4]
    """
    _judge_starts(design)
    treated = design.cohort[np.isfinite(design.cohort)]
    longest = int(treated.max() - design.anticipation - design.periods[0]) - 1
    if longest < 1:
        raise DesignError(
            f"No treated unit is seen in two clean periods before its start (the data begin in {design.periods[0]}), so no placebo start "
            "fits in between. Add earlier periods."
        )
    wanted: list[Any] = list(range(1, longest + 1)) if shifts is None else np.atleast_1d(np.asarray(shifts)).tolist()
    if bad := [k for k in wanted if not isinstance(k, (int, float)) or k < 1 or k % 1]:
        raise DesignError(f"Shifts count periods ahead: whole numbers from 1 on, not {first_five(bad)}.")
    variants = [Variant({"shift": int(k)}, Earlier(int(k)), estimator) for k in wanted]
    return replays(design, variants, map=map, inference=inference)


def placebo_outcomes(
    estimator: Estimator, design: Design, outcomes: Sequence[str], *, map: Map = map, **inference: Any
) -> Replays:  # fmt: skip
    """Return the effect on outcomes that the programme cannot touch: rainfall, births before it, prices elsewhere.

    Each is in its own unit; all else is as in the main design. Rows are labelled ``outcome``.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.placebos import placebo_outcomes
    >>> placebo_outcomes(ek.TwoWay(), ek.example_design(), ["rainfall"]).table["outcome"].tolist()
    ['rainfall']
    """
    names = [outcomes] if isinstance(outcomes, str) else list(outcomes)
    if not names or design.outcome in names:
        raise DesignError(
            f"Placebo outcomes are columns that the programme cannot touch, at least one, and not the outcome {design.outcome!r} itself."
        )
    variants = [Variant({"outcome": name}, OtherOutcome(name), estimator) for name in names]
    return replays(design, variants, map=map, inference=inference)


def placebo_groups(
    estimator: Estimator,
    design: Design,
    groups: Mapping[str, Array | str],
    starts: int | Sequence[int] | None = None,
    *,
    map: Map = map,
    **inference: Any,
) -> Replays:
    """Return the effect found in units that were not treated, as if they had been at the real dates; the treated take no part.

    Parameters
    ----------
    groups : name -> (N,) booleans in the order of ``design.units``, or a column of 0 and 1 that does not vary within units
    starts : periods; those of the real cohorts without it, one row each
    map : how the estimations are run, see :mod:`evalkit.parallel`
    inference : choices of :func:`evalkit.infer`

    Raises
    ------
    DesignError
        When a group holds treated units or nobody, and when the roll-out has an intensity.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.placebos import placebo_groups
    >>> design = ek.example_design()
    >>> found = placebo_groups(ek.TwoWay(), design, {"low numbers": (design.units < 25) & (design.cohort == float("inf"))})
    >>> found.table[["group", "start", "treated_units"]].values.tolist()
    [['low numbers', 2015, 6], ['low numbers', 2016, 6], ['low numbers', 2017, 6]]
    """
    if not isinstance(groups, Mapping):
        raise DesignError('Groups are named, such as {"neighbours": column or one True or False a unit}.')
    _judge_starts(design)
    dates = np.unique(design.cohort[np.isfinite(design.cohort)]) if starts is None else np.atleast_1d(np.asarray(starts, float))
    variants = []
    for name, group in groups.items():
        member = _members(design, name, group)
        variants += [Variant({"group": name, "start": int(date)}, GroupTreated(member, float(date)), estimator) for date in dates]
    return replays(design, variants, map=map, inference=inference)


def _members(design: Design, name: str, group: Array | str) -> Array:
    """Return (N,) whether each unit belongs to a group, after judging that none was treated."""
    if isinstance(group, str):
        constant_in_units(design, group)
        member = design.values(group)[design.first_rows]
        if not np.isin(member, (0.0, 1.0)).all():
            raise DesignError(f"Column {group!r} of group {name!r} must be 0 or 1.")
        member = member == 1
    else:
        member = np.asarray(group)
        if member.shape != design.units.shape or member.dtype != bool:
            raise DesignError(
                f"Group {name!r} needs one True or False a unit: {len(design.units):,}; got {member.dtype} {member.shape}."
            )
    if not member.any():
        raise DesignError(f"Nobody is in group {name!r}.")
    if (treated := member & np.isfinite(design.cohort)).any():
        raise DesignError(
            f"{int(treated.sum()):,} units of group {name!r} were treated: {first_five(design.units[treated])}. A placebo group was not."
        )
    return member
