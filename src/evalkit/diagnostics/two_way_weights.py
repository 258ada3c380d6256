"""The weights of de Chaisemartin & D'Haultfoeuille (2020): how a two-way coefficient weighs the effects of cohorts in periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.combinations import first_treated_of
from evalkit.design import Design
from evalkit.errors import DesignError
from evalkit.kernels import decomposition as kernel
from evalkit.kernels import two_way
from evalkit.notices import Notice
from evalkit.rollout import Rollout

Array = np.ndarray[Any, Any]

ROUNDING = 1e-12  # a smaller weight is arithmetic: weights add to one


@dataclass(frozen=True, eq=False)
class TwoWayWeights:
    """The weight of a two-way coefficient on the effect of every treated cohort in every period.

    Attributes
    ----------
    cells : DataFrame
        ``cohort``, ``period``, ``event_time``, ``share`` (of the treated rows, by weight) and ``weight``, which adds to one
    coefficient : the two-way coefficient
    contamination : DataFrame
        ``programme``, ``cohort`` and ``period`` of the other programmes held constant, and the ``weight`` of their effects, which adds
        to nothing programme by programme; empty without others
    notices : remarks for readers
    """

    cells: pd.DataFrame
    coefficient: float
    contamination: pd.DataFrame = field(repr=False)
    notices: tuple[Notice, ...] = ()

    @property
    def negative(self) -> pd.DataFrame:
        """The cells with a negative weight."""
        return self.cells[self.cells["weight"] < 0].reset_index(drop=True)

    @property
    def negative_sum(self) -> float:
        """The sum of the negative weights."""
        return float(self.negative["weight"].sum())

    @property
    def negative_share(self) -> float:
        """The share of the treated rows whose effect has a negative weight."""
        return float(self.negative["share"].sum())

    @property
    def sigma_zero(self) -> float:
        """The smallest standard deviation of effects across treated rows with which their average can be zero (sigma_fe)."""
        return kernel.sigma_zero(self.coefficient, *self._relative)

    @property
    def sigma_opposite(self) -> float:
        """The smallest standard deviation with which no effect need have the coefficient's sign; infinite without negative weights."""
        return kernel.sigma_opposite(self.coefficient, *self._relative)

    @property
    def _relative(self) -> tuple[Array, Array]:
        share, weight = self.cells["share"].to_numpy(), self.cells["weight"].to_numpy()
        return share, weight / share


def two_way_weights(design: Design, others: Sequence[Rollout] | Rollout = ()) -> TwoWayWeights:
    """Return the weights with which :class:`evalkit.TwoWay` adds up the effects of cohorts in periods.

    Parameters
    ----------
    design : Design
        Any panel, balanced or not, with covariates and weights. Anticipation does not enter, as it does not enter the regression.
    others : sequence of Rollout, or one
        Other programmes whose status is held constant in the same regression. Their effects enter the coefficient with
        weights that add to nothing: the contamination.

    Raises
    ------
    DesignError
        On repeated cross-sections, and when the effects, the covariates and the other programmes determine treatment.

    Notes
    -----
    With e the residual of treatment on unit and period effects (and covariates), the weight of a cell is the sum of e over its
    rows over the sum over all treated rows: theorem 1 of de Chaisemartin & D'Haultfoeuille (2020), and theorem 1 of their
    "several treatments" (2023, Journal of Econometrics 236) for the contamination. The coefficient on noiseless data is
    the weighted sum of the cells' effects exactly. The two standard deviations are those of corollary 1 of the former, on cells of cohorts and
    periods: small beside the coefficient, they say that modest differences between effects could explain it away.

    Examples
    --------
    >>> import evalkit as ek
    >>> told = two_way_weights(ek.example_design())
    >>> float(round(told.cells["weight"].sum(), 12)), len(told.negative)
    (1.0, 0)
    """
    if not design.lasting:
        raise DesignError(
            f"Treatment by {design.rollout.programme!r} stops or varies in intensity; these weights are those of having started. Make the "
            "roll-out with Rollout.from_status(..., reversals='started')."
        )
    if design.panel.unit is None:
        raise DesignError(
            "On a repeated cross-section cohort effects stand in for unit effects: these weights are those of a panel."
        )
    others = (others,) if isinstance(others, Rollout) else tuple(others)
    aligned = [first_treated_of(other, design.units) for other in others]
    when = design.periods[design.period_index]
    status = [(when >= first[design.unit_index]).astype(float) for first in aligned]
    e, notices = _residual(design, status)
    w = np.ones(len(e)) if design.w is None else design.w
    treated = np.flatnonzero(design.treated)
    total = float((w * e)[treated].sum())
    cells = _by_cell(design.cohort[design.unit_index[treated]], when[treated], (w * e)[treated] / total, w[treated])
    rounding = np.abs(cells["weight"]) < ROUNDING
    cells = cells.assign(event_time=cells["period"] - cells["cohort"], weight=cells["weight"].where(~rounding, 0.0))
    parts = [
        _by_cell(first[design.unit_index][on > 0], when[on > 0], (w * e)[on > 0] / total, w[on > 0]).assign(
            programme=other.programme
        )
        for other, first, on in zip(others, aligned, status, strict=True)
    ]
    columns = ["programme", "cohort", "period", "weight"]
    contamination = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    ordered = cells[["cohort", "period", "event_time", "share", "weight"]]
    return TwoWayWeights(ordered, float((w * e) @ design.y / total), contamination, notices)


def _residual(design: Design, status: list[Array]) -> tuple[Array, tuple[Notice, ...]]:
    """Return (n,) the residual of treatment on unit and period effects, covariates and the status of other programmes, and remarks."""
    columns = np.column_stack([design.treated.astype(float), design.x, *status])
    period = two_way.Effects(design.period_index, len(design.periods))
    Z = two_way.residualise(columns, design.unit_index, len(design.units), [period], design.w)
    gone = kernel.absorbed(Z, columns)
    e = None if gone[0] else kernel.residual_treatment(Z[:, 0], Z[:, 1:][:, ~gone[1:]], design.w)
    if e is None:
        raise DesignError(
            "The fixed effects, the covariates and the other programmes determine treatment: the regression has no coefficient to "
            "take apart. Programmes that always arrive together are told as one bundle."
        )
    absorbed = [name for name, out in zip(design.covariates, gone[1:], strict=False) if out]
    return e, design.notices + ((Notice("ABSORBED_COVARIATES", {"columns": absorbed}),) if absorbed else ())


def _by_cell(cohort: Array, period: Array, weight: Array, size: Array) -> pd.DataFrame:
    """Return the sums of weights, and the share of rows, by cohort and period."""
    cohorts, c = np.unique(cohort, return_inverse=True)
    periods, t = np.unique(period, return_inverse=True)
    code = c * len(periods) + t
    count = len(cohorts) * len(periods)
    share = np.bincount(code, size, count)
    there = np.flatnonzero(share)
    return pd.DataFrame(
        {
            "cohort": cohorts[there // len(periods)].astype(int),
            "period": periods[there % len(periods)].astype(int),
            "share": share[there] / share.sum(),
            "weight": np.bincount(code, weight, count)[there],
        }
    )
