"""The interaction-weighted event study of Sun & Abraham (2021): one regression, a coefficient for every cohort and event time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.two_way import Regressors, regress
from evalkit.notices import Notice
from evalkit.shares import SHARES, with_cell_shares

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class InteractionWeighted:
    """Effects of every cohort at every event time from one regression with unit and period effects.

    Parameters
    ----------
    shares : "sample" or "population"
        Whether averages are over the treated of this very sample (shares known, the convention of fixest's ``sunab``), or over
        those of the population behind it (shares estimated, as Sun & Abraham do).
    by_period, slopes : see :class:`TwoWay`

    Returns
    -------
    Estimate
        Cells of kind ``group_time``, leads and references among them; ``covariate`` for each covariate that varies within units;
        ``cell_share``, with which :func:`evalkit.aggregate` weights the cells.

    Raises
    ------
    DesignError
        When a cohort is seen in no clean period, when a cell cannot be told from the effects, and for ``base="varying"``.

    Notes
    -----
    Sun & Abraham (2021, Journal of Econometrics 225), equation (25) and section 4. The reference of a cohort is the last clean period in
    which it is seen, given anticipation (fixest's ``ref.p = -1`` without). As every other period of every cohort has a coefficient of its
    own, cohorts are compared with never-treated units alone, whatever ``comparison`` says; without them with the last cohort, whose
    later periods leave, as do units treated from the start. Standard errors are fixest's by default. With one unit in a cohort its
    effects are identified, their own noise is not. On a repeated cross-section cohort effects stand in for unit effects; a panel declared
    ``unbalanced="repeated_cross_section"`` keeps its unit effects.

    Examples
    --------
    >>> import evalkit as ek
    >>> cells = ek.InteractionWeighted()(ek.example_design())
    >>> sorted(set(cells.cells["kind"]))
    ['cell_share', 'group_time']
    """

    shares: str = "sample"
    by_period: Sequence[str] = field(default=())
    slopes: Sequence[tuple[str, str]] = field(default=())
    needs: ClassVar[tuple[str, ...]] = ("lasting", "clean_period", "universal_base")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        if self.shares not in SHARES:
            raise DesignError(unknown("choice of shares", self.shares, SHARES))

    def __call__(self, design: Design) -> Estimate:
        """Return the saturated path of a design."""
        refuse_unmet(design, self)
        saturated = SaturatedCells.of(design, leads=True)
        regressors = Regressors(saturated.frame, saturated.columns, saturated.notices, saturated.kept)
        return saturated.finished(regress(design, regressors, self.by_period, self.slopes), self.shares)


@dataclass(frozen=True, eq=False)
class SaturatedCells:
    """The (cohort, period) cells that have a coefficient of their own in a saturated regression, and the rows it uses.

    Attributes
    ----------
    frame : cells of kind ``group_time`` without the references
    references : (R, 3) cohort, period and number of units of the cells that are zero by construction
    kept : (n,) rows used, or None for all
    notices : what is left out or compared otherwise than the design says
    """

    design: Design = field(repr=False)
    frame: pd.DataFrame
    references: Array
    kept: Array | None
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, design: Design, leads: bool) -> SaturatedCells:
        """Settle the cells of a design: every period but the reference with ``leads``, else those from treatment on."""
        comparison = Comparison.of(design)
        if leads and design.base == "varying":
            raise DesignError(
                "One regression measures every period from one reference period, so base='varying' has no meaning here. Use "
                "base='universal', or GroupTime, which compares pairs of periods."
            )
        labels, code = np.unique(comparison.cohort, return_inverse=True)
        T = len(design.periods)
        seen = np.bincount(code[design.unit_index] * T + design.period_index, minlength=len(labels) * T).reshape(-1, T)
        cells, references, unseen = _settled(design, comparison, labels, seen, leads)
        if not len(cells):
            raise DesignError(
                "No treated cohort is seen in a period in which a comparison exists, so there is no effect to estimate."
            )
        used = _cells_used(design, comparison, labels, leads)
        left_out = (seen[~used] > 0).any()
        kept = used[code[design.unit_index], design.period_index] if left_out else None
        return cls(design, _frame(cells), references, kept, _notices(design, comparison, kept, unseen, leads))

    def columns(self, cohort: Array, period: Array) -> Array:
        """Return (..., K) dummies of the cells for cohorts and periods."""
        g, t = self.frame["cohort"].to_numpy(), self.frame["period"].to_numpy()
        return np.asarray(((cohort[..., None] == g) & (period[..., None] == t)).astype(float))

    @property
    def code(self) -> Array:
        """(n,) each row's cell, -1 for rows of no cell."""
        cohorts, position = np.unique(self.design.cohort, return_inverse=True)
        cell = np.full((len(cohorts), len(self.design.periods)), -1)
        g, t = self.frame["cohort"].to_numpy(), self.frame["period"].to_numpy()
        cell[np.searchsorted(cohorts, g), np.searchsorted(self.design.periods, t)] = np.arange(len(g))
        return np.asarray(cell[position[self.design.unit_index], self.design.period_index])

    def finished(self, estimate: Estimate, shares: str) -> Estimate:
        """Return the estimate with its references as zeros, in order of cohort and period, and the shares of its cells."""
        k, zeros = len(estimate.theta), len(self.references)
        frame = estimate.cells
        if zeros:
            frame = pd.concat([frame, _frame(self.references, reference=True)], ignore_index=True)
        order = np.lexsort((frame["period"].to_numpy(), frame["cohort"].to_numpy(), frame["kind"] != "group_time"))
        jacobian = np.vstack([np.eye(k), np.zeros((zeros, k))])[order]
        whole = estimate.map(jacobian @ estimate.theta, jacobian, frame.iloc[order])
        weighted = with_cell_shares(whole, self.design, shares)
        if shares != "sample" or whole.facts.bread is None:
            return weighted
        # Known shares add nothing to the equal-variance covariance, so it survives.
        bread = np.zeros((len(weighted.theta),) * 2)
        bread[: len(frame), : len(frame)] = whole.facts.bread
        return replace(weighted, facts=replace(weighted.facts, bread=bread, residual_sum=estimate.facts.residual_sum))


def _settled(design: Design, comparison: Comparison, labels: Array, seen: Array, leads: bool) -> tuple[Array, Array, list[str]]:
    """Return (k, 3) cells and (R, 3) references as cohort, period and number of units, and the cells in which nobody is seen."""
    cells, references, unseen = [], [], []
    for cohort in comparison.cohorts:
        row = seen[np.searchsorted(labels, cohort)]
        count = {int(period): int(units) for period, units in zip(design.periods, row, strict=True)}
        clean = [p for p in comparison.periods if p + design.anticipation < cohort and count[p]]
        if not clean:
            raise DesignError(
                f"Cohort {cohort} is seen in no clean period before it starts, so its effects have nothing to be measured from. Leave "
                "these units out, or add earlier periods."
            )
        base = max(clean)
        if leads:
            references.append((cohort, base, count[base]))
        for period in comparison.periods:
            if period == base or not (leads or period + design.anticipation >= cohort):
                continue
            if count[period]:
                cells.append((cohort, period, count[period]))
            else:
                unseen.append(f"{cohort} in {period}")
    return np.array(cells).reshape(-1, 3), np.array(references).reshape(-1, 3), unseen


def _cells_used(design: Design, comparison: Comparison, labels: Array, leads: bool) -> Array:
    """Return (cohorts, T) whether the rows of a cohort in a period enter the regression."""
    periods = design.periods[None, :]
    g = labels[:, None]
    own = np.isinf(g) | np.isin(g, comparison.cohorts)
    if not leads:
        # A cohort that starts too late to have an effect is a comparison until it may react.
        own = own | (g > periods + design.anticipation)
    return np.asarray(own & np.isin(periods, comparison.periods))


def _frame(cells: Array, reference: bool = False) -> pd.DataFrame:
    """Return the frame of (k, 3) cohorts, periods and numbers of units; a lone unit is fitted exactly, whatever its noise."""
    cohort, period, units = cells.T
    return cell_frame(
        "group_time", len(cells), cohort=cohort, period=period, event_time=period - cohort,
        units=units, noisy_units=np.where(units > 1, units, 0), reference=reference,
    )  # fmt: skip


def _notices(design: Design, comparison: Comparison, kept: Array | None, unseen: list[str], leads: bool) -> tuple[Notice, ...]:
    notices: list[Notice] = []
    never = int(np.isinf(design.cohort).sum())
    if leads and design.comparison == "not_yet_treated" and never and len(comparison.cohorts) > 1:
        notices.append(Notice("NEVER_TREATED_ALONE", {"units": never}))
    if kept is not None:
        left = ~kept
        units = len(np.setdiff1d(design.unit_index[left], design.unit_index[kept]))
        notices.append(Notice("ROWS_NOT_COMPARED", {"rows": int(left.sum()), "of_rows": len(kept), "units": units}))
    if unseen:
        notices.append(Notice("CELLS_NOT_ESTIMATED", {"cells": unseen}))
    return tuple(notices)


def named(cells: pd.DataFrame, positions: Sequence[int] | Array) -> str:
    """Return the first five cells by cohort and period."""
    shown = cells.iloc[list(positions)]
    return first_five([f"{g:.0f} in {t:.0f}" for g, t in zip(shown["cohort"], shown["period"], strict=True)])
