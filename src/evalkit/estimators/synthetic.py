"""Synthetic difference-in-differences and synthetic controls: one form, with weights fitted or pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.kernels import synthetic as kernel
from evalkit.kernels.two_way import Collinear
from evalkit.notices import Notice
from evalkit.shares import SHARES, with_cell_shares

Array = np.ndarray[Any, Any]

ADJUSTMENTS = ("joint", "projected")
SOLVERS = ("frank_wolfe", "exact")
FORMS = tuple(kernel.FORMS)


@dataclass(frozen=True)
class Synthetic:
    """Effects of every cohort in every period against a weighted mean of comparison units that resembles it before treatment.

    Parameters
    ----------
    form : "synthdid", "synthetic_control", "demeaned" or "did"
        Which weights are fitted. *synthdid*: units (up to a constant, with a ridge penalty) and periods; *synthetic_control*: units
        only, which must match the level too; *demeaned*: units up to a constant, all periods before treatment alike; *did*: none,
        all units and periods alike.
    adjustment : "joint" or "projected"
        How coefficients of covariates are found: by R's search jointly with the weights, or beforehand, by a two-way regression
        among the comparison units, which does not depend on the covariates' scale.
    shares : "sample" or "population"
        Whether the shares that average the cells are taken as known or carry their own influence.
    solver : "frank_wolfe" or "exact"
        Whether the search for weights stops where R's does, or goes on to the minimum that defines them.

    Returns
    -------
    Estimate
        Cells of kind ``group_time`` and their ``cell_share``. Cells before treatment are gaps that fitted weights made small: they
        have no standard error of their own, and are no test.

    Raises
    ------
    DesignError
        When units are not seen in every period, with weights, with a varying base, when no cohort has two clean periods and two
        comparison units, when a covariate cannot adjust or is on a scale that the joint search cannot bear, and for the exact
        solver with the joint search.

    Notes
    -----
    Arkhangelsky, Athey, Hirshberg, Imbens & Wager (2021, American Economic Review 111), algorithm 1; weights, penalties and the
    stopping rule (100 Frank-Wolfe steps, small weights to zero, up to 10,000 more) are those of R's synthdid 0.0.9, whose answers
    depend on them. *demeaned* is Doudchenko & Imbens (2016) without their penalty and Ferman & Pinto (2021). Each cohort is
    compared on its own; with not-yet-treated units the donors change when one of them starts, and each run of periods with the
    same donors has weights of its own. Years in which units may anticipate enter no weight.

    ``solver="exact"`` finds the minimum by an active set, in a second for 1,000 donors and in twenty for 2,000. A synthetic control has
    next to no penalty, so that R may stop far from it, above all where donors outnumber periods: of the effects recorded from R, those of
    synthetic controls move by 0.5 (California), 0.6 and 19 per cent (an effect near zero), those of *synthdid* by less than 0.2.

    The influence is the jackknife with the weights held (algorithm 3), in closed form: ``infer(..., correction="clusters")`` gives
    R's jackknife standard error. Coefficients of covariates searched jointly are held too (R finds them anew for each unit left out);
    the noise of projected ones is carried. It has no meaning for one treated unit:
    see :func:`evalkit.against_donors` and :func:`evalkit.inference.replay.placebo`.

    Examples
    --------
    >>> import evalkit as ek
    >>> cells = ek.Synthetic()(ek.example_design())
    >>> ek.aggregate(cells, by="overall").theta.round(2).tolist()
    [0.08]
    """

    form: str = "synthdid"
    adjustment: str = "joint"
    shares: str = "sample"
    solver: str = "frank_wolfe"
    needs: ClassVar[tuple[str, ...]] = (
        "lasting", "units_followed", "every_period", "no_weights", "universal_base", "two_clean_periods",
    )  # fmt: skip
    cannot: ClassVar[dict[str, str]] = {
        "cloning": "the jackknife divides by the number of units less one, and the penalty of the weights grows with the treated"
    }

    def __post_init__(self) -> None:
        for name, allowed in (("form", FORMS), ("adjustment", ADJUSTMENTS), ("shares", SHARES), ("solver", SOLVERS)):
            if getattr(self, name) not in allowed:
                raise DesignError(unknown(name, getattr(self, name), allowed))

    def __call__(self, design: Design) -> Estimate:
        """Return the effects of all cohorts."""
        comparison, fitted = self._fitted(design)
        columns = [part.effects(design) for part in fitted]
        cells = pd.concat([part.cells(design, self.form) for part in fitted], ignore_index=True)
        theta = np.concatenate([theta for theta, _ in columns])
        psi = design.psi_from_units(np.hstack([influence for _, influence in columns]))
        order = np.lexsort((cells["period"], cells["cohort"]))
        facts = Facts(design.observations, first_period=comparison.periods[0], treated=design.treated_rows)
        notices = design.notices + self._remarks(comparison, fitted)
        effects = Estimate(
            theta[order], psi[:, order], cells.iloc[order].reset_index(drop=True), design.row_keys, facts, notices
        )  # fmt: skip
        return with_cell_shares(effects, design, self.shares)

    def weights(self, design: Design) -> pd.DataFrame:
        """Return the weights behind the effects: a row for each cohort, first period, and donor ("unit") or earlier "period"."""
        return pd.concat([part.table(design) for part in self._fitted(design)[1]], ignore_index=True)

    def _fitted(self, design: Design) -> tuple[Comparison, list[_Fitted]]:
        refuse_unmet(design, self)
        comparison = Comparison.of(design)
        Y, X = design.wide(design.y), covariates(design)
        fitted = [
            _Fitted(part, *weighted(self, design, Y, X, (part.treated, part.donors), (part.before, part.after)), X)
            for part in _parts(comparison)
        ]
        if not fitted:
            raise DesignError(
                f"No cohort has two clean periods before treatment and two comparison units: {first_five(comparison.cohorts)}. "
                "Add earlier periods or comparison units, or use GroupTime, which needs one of each."
            )
        return comparison, fitted

    def _remarks(self, comparison: Comparison, fitted: list[_Fitted]) -> tuple[Notice, ...]:
        told = {(part.cohort, int(t)) for part in (f.part for f in fitted) for t in comparison.design.periods[part.after]}
        wanted = [(g, t) for g in comparison.cohorts for t in comparison.periods if t >= g]
        remarks = []
        if skipped := [f"{g} in {t}" for g, t in wanted if (g, t) not in told]:
            remarks.append(Notice("CELLS_NOT_ESTIMATED", {"cells": skipped}))
        if kernel.FORMS[self.form].omega == "fitted":
            remarks.append(Notice("GAPS_BEFORE_ARE_FITTED", {"form": self.form}))
        if alone := sorted({f.part.cohort for f in fitted if len(f.part.treated) == 1}):
            remarks.append(Notice("ONE_TREATED_UNIT", {"cohorts": alone}))
        if single := sorted({f.part.cohort for f in fitted if f.weights.omega.max() >= kernel.WHOLE}):
            remarks.append(Notice("ONE_DONOR", {"cohorts": single}))
        return tuple(remarks)


def covariates(design: Design) -> Array:
    """Return (K, N, T) covariates of a balanced design."""
    shape = len(design.covariates), len(design.units), len(design.periods)
    return np.array([design.wide(np.ascontiguousarray(x)) for x in design.x.T]).reshape(shape)


def weighted(
    specification: Synthetic, design: Design, Y: Array, X: Array, rows: tuple[Array, Array], columns: tuple[Array, Array]
) -> tuple[kernel.Weights, Array]:
    """Return what :func:`evalkit.kernels.synthetic.fit` finds for a comparison, or refuse covariates that do not bear it."""
    joint, exact = specification.adjustment == "joint", specification.solver == "exact"
    if len(X) and joint and exact:
        raise DesignError(
            "The joint search for coefficients of covariates has no other answer than where R's stops. Use adjustment='projected' with "
            "solver='exact'."
        )
    try:
        return kernel.fit(kernel.FORMS[specification.form], Y, X, rows, columns, joint, exact)
    except kernel.Diverged:
        raise DesignError(
            f"The joint search for coefficients of {first_five(design.covariates)} did not settle: its steps suit covariates that vary about "
            "as much as one unit. Divide them by their standard deviation, or use adjustment='projected'."
        ) from None
    except (kernel.Idle, Collinear) as problem:
        names = first_five(design.covariates[k] for k in problem.columns)
        if isinstance(problem, Collinear):
            raise DesignError(f"Covariates {names} say the same among comparison units. Leave out all but one.") from None
        raise DesignError(
            f"Covariates {names} do not change within the units compared beyond what these share, so nothing tells their coefficients and "
            "they would adjust nothing. Leave them out, or use GroupTime, which compares units with alike covariates."
        ) from None


@dataclass(frozen=True, eq=False)
class _Part:
    """One cohort over a run of periods with the same donors, as positions in units and periods.

    ``shown`` are the periods reported: those after, and in a cohort's first run the ones before treatment as well.
    """

    cohort: int
    treated: Array
    donors: Array
    before: Array
    after: Array
    shown: Array


def _parts(comparison: Comparison) -> Iterator[_Part]:
    """Yield the comparisons that can be made: two clean periods and two donors at least."""
    design = comparison.design
    position = {int(p): i for i, p in enumerate(design.periods)}
    for cohort in comparison.cohorts:
        before = np.array([position[p] for p in comparison.periods if p + design.anticipation < cohort])
        earlier = [position[p] for p in comparison.periods if p < cohort]
        treated = np.flatnonzero(comparison.cohort == cohort)
        donors = {t: comparison.of_cell(cohort, t, comparison.base_of(cohort)) for t in comparison.periods if t >= cohort}
        for _, run in groupby(donors.items(), lambda item: item[1].tobytes()):
            same = list(run)
            others, after = np.flatnonzero(same[0][1]), np.array([position[t] for t, _ in same])
            if len(before) < 2 or len(others) < 2:
                continue
            yield _Part(cohort, treated, others, before, after, np.r_[np.array(earlier, dtype=int), after])
            earlier = []


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A comparison with its weights, the (N, T) outcomes that they are applied to, and the (K, N, T) covariates."""

    part: _Part
    weights: kernel.Weights
    outcome: Array
    X: Array

    def effects(self, design: Design) -> tuple[Array, Array]:
        """Return effects (k,) and the influence of all units (N, k)."""
        part, omega = self.part, self.weights.omega
        treated, donors = self._contrasted(self.outcome, part.treated), self._contrasted(self.outcome, part.donors)
        theta, of_treated, of_donors = kernel.effects(treated, donors, omega)
        if self.weights.on_beta is not None:
            moved = [self._contrasted(x, part.treated).mean(axis=0) - omega @ self._contrasted(x, part.donors) for x in self.X]
            of_donors = of_donors - self.weights.on_beta @ np.array(moved)
        influence = np.zeros((len(design.units), len(theta)))
        influence[part.treated], influence[part.donors] = of_treated, of_donors
        return theta, influence

    def _contrasted(self, values: Array, rows: Array) -> Array:
        """Return (n, k) values in the periods shown minus their lambda-weighted mean before."""
        part = self.part
        base = values[np.ix_(rows, part.before)] @ self.weights.lam
        return np.asarray(values[np.ix_(rows, part.shown)] - base[:, None])

    def cells(self, design: Design, form: str) -> pd.DataFrame:
        """Return what each effect is. Gaps that fitted weights made small have no noise that could be learned."""
        periods, units = design.periods[self.part.shown], len(self.part.treated)
        event = periods - self.part.cohort
        learned = (units > 1) & (self.weights.omega.max() < kernel.WHOLE) & ((event >= 0) | (kernel.FORMS[form].omega == "uniform"))
        return cell_frame(
            "group_time", len(periods), cohort=self.part.cohort, period=periods, event_time=event,
            units=units, noisy_units=np.where(learned, units, 0),
        )  # fmt: skip

    def table(self, design: Design) -> pd.DataFrame:
        """Return the weights as a frame: cohort, first period of the run, kind, label, weight."""
        part = self.part
        labels = [*design.units[part.donors], *design.periods[part.before]]
        kinds = ["unit"] * len(part.donors) + ["period"] * len(part.before)
        values = np.r_[self.weights.omega, self.weights.lam]
        first = int(design.periods[part.after[0]])
        return pd.DataFrame({"cohort": part.cohort, "first_period": first, "kind": kinds, "label": labels, "weight": values})
