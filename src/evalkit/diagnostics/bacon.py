"""The decomposition of Goodman-Bacon (2021): of which two-by-two comparisons the coefficient of two-way fixed effects is a mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.kernels import decomposition as kernel
from evalkit.kernels import two_way
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

# What a comparison is called; the last two use units as comparison that are treated already.
TYPES = ("treated_untreated", "earlier_later", "later_earlier", "treated_always")
FORBIDDEN = ("later_earlier", "treated_always")
CONTROLLED = ("treated_untreated", "both_treated", "treated_always", "always_untreated")


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The two-by-two comparisons behind a two-way coefficient, with their weights.

    Attributes
    ----------
    comparisons : DataFrame
        ``treated`` and ``untreated`` (first treated periods, inf for never, -inf for always treated), ``type``, ``estimate``,
        ``weight``. Weights are positive and add to one.
    coefficient : the two-way coefficient
    within_weight, within_estimate : with covariates, the share of the coefficient that compares units of one cohort (Omega), and
        its estimate; 0 and None without
    notices : remarks for readers
    """

    comparisons: pd.DataFrame
    coefficient: float
    within_weight: float
    within_estimate: float | None
    notices: tuple[Notice, ...]

    @property
    def by_type(self) -> pd.DataFrame:
        """Each type's number of comparisons, weight and mean."""
        kind = self.comparisons["type"].to_numpy()
        names = [name for name in dict.fromkeys((*TYPES, *CONTROLLED)) if (kind == name).any()]
        weights = [self._weight(kind == name) for name in names]
        means = [self._mean(kind == name) for name in names]
        return pd.DataFrame(
            {"type": names, "comparisons": [int((kind == name).sum()) for name in names], "weight": weights, "mean": means}
        )

    @property
    def forbidden_weight(self) -> float | None:
        """Weight of the comparisons with units already treated; None with covariates, where pairs are not split by direction."""
        return None if self.within_estimate is not None else self._weight(self._forbidden)

    @property
    def forbidden_mean(self) -> float | None:
        """Mean of the comparisons with units already treated; None without any, and with covariates."""
        return None if self.within_estimate is not None else self._mean(self._forbidden)

    @property
    def clean_mean(self) -> float | None:
        """Mean of the comparisons with units not treated at the time; None without any, and with covariates."""
        return None if self.within_estimate is not None else self._mean(~self._forbidden)

    @property
    def _forbidden(self) -> Array:
        return self.comparisons["type"].isin(FORBIDDEN).to_numpy()

    def _weight(self, chosen: Array) -> float:
        return float(self.comparisons["weight"].to_numpy()[chosen].sum())

    def _mean(self, chosen: Array) -> float | None:
        weight, estimate = (self.comparisons[name].to_numpy()[chosen] for name in ("weight", "estimate"))
        return float(weight @ estimate / weight.sum()) if chosen.any() else None


def bacon(design: Design) -> Decomposition:
    """Return every two-by-two comparison of :class:`evalkit.TwoWay` with its weight: their weighted sum is its coefficient.

    Parameters
    ----------
    design : Design
        A balanced panel; weights must not vary within units. The comparison, the base and anticipation do not enter, as they do not
        enter two-way fixed effects.

    Raises
    ------
    DesignError
        When units are not followed, are missing in some periods, or have weights that vary over time, when everybody starts
        together or nobody has a period of each kind, and when the effects and the covariates determine treatment.

    Notes
    -----
    Goodman-Bacon (2021), theorem 1; the numbers are those of R's bacondecomp 0.1.1. With covariates (section 5.2) treatment is the
    residual of a regression on unit and period effects and the covariates: the coefficient is Omega times a regression
    within cohorts plus (1 - Omega) times the weighted sum of comparisons between cohorts. As in R, a pair of cohorts treated
    at different times is then one comparison ("both_treated"), earlier and later together.

    Examples
    --------
    >>> import evalkit as ek
    >>> told = bacon(ek.example_design())
    >>> float(round(told.comparisons["weight"].sum(), 12)), len(told.comparisons)
    (1.0, 9)
    """
    _judge(design)
    labels, cohort = np.unique(_starts(design), return_inverse=True)
    start = np.searchsorted(design.periods, labels)  # -inf is 0, inf is T
    if not ((start > 0) & (start < len(design.periods))).any():
        raise DesignError(
            f"No unit starts after {design.periods[0]} and by {design.periods[-1]}, so no comparison has a before and an after."
        )
    n = np.bincount(cohort, design.unit_weight)
    Z = _net_of_effects(design)
    gone = kernel.absorbed(Z[:, 1:-1], design.x)
    absorbed = [name for name, out in zip(design.covariates, gone, strict=True) if out]
    notices = design.notices + ((Notice("ABSORBED_COVARIATES", {"columns": absorbed}),) if absorbed else ())
    if not gone.all():
        return _controlled(design, Z[:, np.r_[True, ~gone, True]], labels, cohort, start, n, notices)
    y = _cohort_means(design.wide(design.y), cohort, design.unit_weight, n)
    pairs = kernel.two_by_twos(y, n, start)
    names = np.select(
        [start[pairs.untreated] == len(design.periods), start[pairs.untreated] == 0, start[pairs.treated] < start[pairs.untreated]],
        ["treated_untreated", "treated_always", "earlier_later"],
        "later_earlier",
    )
    table = _table(labels, pairs, names)
    return Decomposition(table, float(pairs.weight @ pairs.estimate), 0.0, None, notices)


def _controlled(
    design: Design, Z: Array, labels: Array, cohort: Array, start: Array, n: Array, notices: tuple[Notice, ...]
) -> Decomposition:
    """Return the decomposition with covariates Z[:, 1:-1], between treatment and outcome: within cohorts, and between every two."""
    e = kernel.residual_treatment(Z[:, 0], Z[:, 1:-1], design.w)
    if e is None:
        raise DesignError(
            f"The fixed effects and the covariates {', '.join(design.covariates)} determine treatment: the regression has no coefficient to "
            "take apart. Leave out the covariate that says who is treated when."
        )
    d, y = design.wide(e), design.wide(np.ascontiguousarray(Z[:, -1]))
    d_between, y_between = (_cohort_means(v, cohort, design.unit_weight, n) for v in (d, y))
    within = d - d_between[cohort]
    u = design.unit_weight[:, None]
    total, inside = float((u * d**2).sum()), float((u * within**2).sum())
    omega = inside / total
    pairs = kernel.between_pairs(y_between, d_between, n)
    # The cohort named as treated is the one that starts within the window, and of two the earlier.
    never, always = start == len(design.periods), start == 0
    swap = always[pairs.treated] & ~never[pairs.untreated]
    treated, untreated = (np.where(swap, a, b) for a, b in ((pairs.untreated, pairs.treated), (pairs.treated, pairs.untreated)))
    names = np.select(
        [always[treated] & never[untreated], never[untreated], always[untreated]],
        ["always_untreated", "treated_untreated", "treated_always"],
        "both_treated",
    )
    pairs = kernel.Pairs(treated, untreated, pairs.estimate, pairs.weight)
    estimate = float((u * within * y).sum() / inside)
    return Decomposition(_table(labels, pairs, names), float((u * d * y).sum() / total), omega, estimate, notices)


def _net_of_effects(design: Design) -> Array:
    """Return (n, K + 2) treatment, covariates and outcome net of unit and period effects; without covariates nothing is asked of it."""
    columns = np.column_stack([design.treated.astype(float), design.x, design.y])
    if not design.covariates:
        return columns
    period = two_way.Effects(design.period_index, len(design.periods))
    return two_way.residualise(columns, design.unit_index, len(design.units), [period], design.w)


def _judge(design: Design) -> None:
    if not design.lasting:
        raise DesignError(
            f"Treatment by {design.rollout.programme!r} stops or varies in intensity; the decomposition is that of having started. Make the "
            "roll-out with Rollout.from_status(..., reversals='started')."
        )
    if design.panel.unit is None or design.unbalanced == "repeated_cross_section":
        raise DesignError(
            "The decomposition compares the same units over time; a repeated cross-section has none. two_way_weights(design) tells the weights "
            "of a two-way coefficient on any data."
        )
    if not design.balanced:
        complete = len(design.units) * len(design.periods)
        raise DesignError(
            f"The decomposition holds on balanced panels only: {complete - design.observations:,} of {complete:,} rows are missing. Use "
            "unbalanced='drop_units', or two_way_weights(design), which takes any panel."
        )
    if design.w is not None and not np.array_equal(design.w, design.unit_weight[design.unit_index]):
        raise DesignError(
            f"Weight {design.panel.weight!r} varies within units, so the coefficient is no mean of two-by-two comparisons. Use a weight that is "
            "constant over time, or two_way_weights(design)."
        )


def _starts(design: Design) -> Array:
    """Return (N,) first treated periods as the regression sees them: -inf treated throughout, inf never within the window."""
    first = np.where(design.cohort > design.periods[-1], np.inf, design.cohort)
    return np.where(first <= design.periods[0], -np.inf, first)


def _cohort_means(wide: Array, cohort: Array, w: Array, n: Array) -> Array:
    sums = np.stack([np.bincount(cohort, w * column, len(n)) for column in wide.T], axis=1)
    return np.asarray(sums / n[:, None])


def _table(labels: Array, pairs: kernel.Pairs, names: Array) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "treated": labels[pairs.treated],
            "untreated": labels[pairs.untreated],
            "type": names,
            "estimate": pairs.estimate,
            "weight": pairs.weight,
        }
    )
    return frame.sort_values(["type", "treated", "untreated"], ignore_index=True, kind="stable")
