"""Effects of treatments that start, stop, restart or change their strength: de Chaisemartin & D'Haultfoeuille (2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, first_five, unknown
from evalkit.estimate import Estimate, Facts, cell_frame
from evalkit.estimators.needs import refuse_unmet
from evalkit.estimators.switching_histories import Histories
from evalkit.kernels import switching as did
from evalkit.notices import Notice
from evalkit.shares import SHARES

Array = np.ndarray[Any, Any]

SWITCHERS = ("both", "in", "out")
TRENDS = ("none", "unit")


@dataclass(frozen=True)
class Switching:
    """Effects of the paths of treatment that units really took, by the periods since their treatment first changed.

    Effect l compares units l - 1 periods after the first change of their treatment with units of the same treatment at the start that
    have not changed theirs yet. Where treatment falls, the sign is turned, so that effects are always those of more treatment.

    Parameters
    ----------
    effects, placebos : int
        How many periods after the change, and how many mirrored before it.
    normalised : bool
        Divide each effect by the average treatment that its units had accumulated by then, over what they had at the start.
    same_switchers : bool
        Keep to the units whose every effect can be estimated.
    switchers : "both", "in" or "out"
        Use rises and falls of treatment, rises only, or falls only.
    trends : "none" or "unit"
        Let every unit have a linear trend of its own.
    within : column, optional
        Compare within places (or other groups) only, which may have any common path. The same in all rows of a unit.
    shares : "population" or "sample"
        Whether the dates and strengths of treatment could have been others, as in a sample of units, or are taken as given.
    adjusted : bool
        With ``shares="sample"``: the n/(n - 1) of R's package in every cell of one class, date and dose, n counted in rows of
        psi (units, or the cluster that the design's rows are).

    Returns
    -------
    Estimate
        Cells of kind ``event_time`` (l - 1 for effect l, -1 the reference, -1 - l for placebo l; ``units`` that changed) and, without
        trends of units, one of kind ``overall``: the sum of effects over the sum of treatment, named "per unit of treatment".

    Raises
    ------
    DesignError
        When nobody's treatment changes or nobody is left to compare with, when fewer effects or placebos can be estimated than asked
        for (it says how many), when covariates do not vary over time, and for repeated cross-sections.

    Notes
    -----
    de Chaisemartin & D'Haultfoeuille (2024, Review of Economics and Statistics): DID_l, DID^n_l (``normalised``) and the average total
    effect per unit of treatment of section 3. The design's ``comparison="never_treated"`` compares with units that never change only;
    covariates enter by their changes, with slopes learned from units not yet changed (web appendix, section 1.2); weights are those of
    the later period, l - 1 after the change. Periods count as they stand in the panel. From the period on in which a unit has had both more
    and less treatment than at the start its rows are left out (section 3.1), and counted. Where a row is missing, treatment is taken to be
    that of the row before.

    R's DIDmultiplegtDYN 2.2.0 gives the same estimates; its standard errors are those of ``shares="sample", adjusted=True``. They take
    dates of change as given and are no plain influence function: cloning every unit changes them. The default meets the contract, and
    equals :class:`GroupTime` in estimates and influence where treatment starts once and lasts. With covariates R scales and centres the
    influence by way of the slopes otherwise (its errors differ by 0.4 to 6 per cent on the data of the tests), which is not followed
    here. The off-diagonal of its ``coef$vcov`` is no covariance of the effects; its joint tests use the covariance given here.

    Joint tests: ``ek.wald(path.select(kind="event_time", event_time=[-2, -3]))`` for the placebos; that effects are equal is the test
    of their differences, ``path.map(C @ path.theta, C, cells)`` with contrasts C.

    Examples
    --------
    >>> import evalkit as ek
    >>> path = ek.Switching(effects=2, placebos=1)(ek.example_design())
    >>> path.cells["event_time"].to_list()
    [-2.0, -1.0, 0.0, 1.0, nan]
    """

    effects: int = 3
    placebos: int = 2
    normalised: bool = False
    same_switchers: bool = False
    switchers: str = "both"
    trends: str = "none"
    within: str | None = None
    shares: str = "population"
    adjusted: bool = False
    needs: ClassVar[tuple[str, ...]] = ("units_followed", "no_anticipation", "universal_base")
    cannot: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        for kind, value, allowed in (
            ("choice of switchers", self.switchers, SWITCHERS),
            ("choice of trends", self.trends, TRENDS),
            ("choice of shares", self.shares, SHARES),
        ):
            if value not in allowed:
                raise DesignError(unknown(kind, value, allowed))
        whole = all(isinstance(count, Integral) and not isinstance(count, bool) for count in (self.effects, self.placebos))
        if not whole or self.effects < 1 or self.placebos < 0:
            raise DesignError(
                f"effects is a whole number of at least 1 and placebos one of at least 0, not {self.effects!r} and {self.placebos!r}."
            )
        if self.adjusted and self.shares != "sample":
            raise DesignError(
                "adjusted=True is R's correction of standard errors that take dates as given: say shares='sample' too."
            )

    def __call__(self, design: Design) -> Estimate:
        """Return the effects and placebos of a design."""
        refuse_unmet(design, self)
        if design.rows == "observation":
            raise DesignError(
                "This estimator compares whole units: it has no influence by observation. Use rows='unit' or a cluster."
            )
        histories = Histories.of(design, self.within)
        run = _Run(self, histories)
        effects = [run.horizon(ell) for ell in range(1, self.effects + 1)]
        placebos = [run.horizon(ell, placebo=True) for ell in range(1, self.placebos + 1)]
        return self._estimate(design, histories, effects, placebos)

    def _estimate(self, design: Design, histories: Histories, effects: list[_Horizon], placebos: list[_Horizon]) -> Estimate:
        shown = [*placebos[::-1], *effects]
        table = [(h.normalised if self.normalised else (h.theta, h.contributions)) for h in shown]
        table.insert(len(placebos), (0.0, np.zeros(len(design.units))))  # the period before the change
        beside = [*placebos[::-1], effects[0], *effects]
        times = np.arange(-1 - len(placebos), len(effects))
        cells = cell_frame(
            "event_time", len(times), event_time=times, reference=times == -1,
            units=[h.units for h in beside], noisy_units=[h.noisy for h in beside],
        )  # fmt: skip
        if self.trends == "none":
            table.append(_per_unit_of_treatment(effects, self.shares == "population"))
            average = cell_frame("overall", 1, name="per unit of treatment", units=effects[0].units, noisy_units=effects[0].noisy)
            cells = pd.concat([cells, average], ignore_index=True)
        contributions = np.empty((len(design.units), len(table)))
        contributions[histories.order] = np.column_stack([column for _, column in table])
        theta = np.array([value for value, _ in table])
        notices = (*design.notices, *histories.notices, *_left_alone(shown))
        facts = Facts(observations=design.observations, first_period=int(design.periods[0]), treated=design.treated_rows)
        return Estimate(theta, design.psi_from_units(contributions), cells, design.row_keys, facts, notices)


@dataclass(frozen=True, eq=False)
class _Horizon:
    """One effect or placebo with its units, their treatment by then, and those left without comparison."""

    theta: float
    contributions: Array
    N: float
    switchers: Array
    w: Array
    dose: Array
    cumulated: Array
    alone: Array
    sampled: bool
    noisy: int

    @property
    def units(self) -> int:
        """Number of units that changed."""
        return len(self.switchers)

    @property
    def normalised(self) -> tuple[float, Array]:
        """The effect by unit of treatment accumulated, and its contributions."""
        average = float(self.w @ self.cumulated / self.N)
        value, contributions = self.theta / average, self.contributions / average
        if self.sampled:
            contributions[self.switchers] -= value / average * self.w * (self.cumulated - average) / self.N
        return value, contributions


def _per_unit_of_treatment(effects: list[_Horizon], sampled: bool) -> tuple[float, Array]:
    """Return the sum of effects over the sum of treatment, all units that changed together, and its contributions."""
    treatment = sum(float(h.w @ h.dose) for h in effects)
    value = sum(h.N * h.theta for h in effects) / treatment
    contributions = np.zeros(len(effects[0].contributions))
    for h in effects:
        contributions += h.N * h.contributions
        if sampled:
            contributions[h.switchers] += h.w * (h.theta - value * h.dose)
    return value, contributions / treatment


def _left_alone(horizons: list[_Horizon]) -> tuple[Notice, ...]:
    units = np.concatenate([h.alone for h in horizons])
    if not len(units):
        return ()
    return (Notice("SWITCHERS_WITHOUT_COMPARISON", {"units": len(np.unique(units)), "comparisons": len(units)}),)


class _Run:
    """Every horizon of one specification on one design."""

    def __init__(self, specification: Switching, histories: Histories) -> None:
        self.asked, self.histories = specification, histories
        paths, X = histories.paths, histories.X
        if specification.trends == "unit":
            paths, X = paths.outcome(_changes(paths.Y)), _changes(X)
            paths = replace(paths, complete=False)
        if specification.switchers != "both":
            wanted = 1.0 if specification.switchers == "in" else -1.0
            paths = replace(paths, S=np.where(paths.S * wanted > 0, paths.S, 0.0))
        self.spread = "adjusted" if specification.adjusted else specification.shares
        if len(X):
            self.theta, self.slope_influence = self._slopes(paths, X)
            slope = self.theta[histories.level_of_unit].T  # (K, N)
            paths = paths.outcome(paths.Y - np.einsum("kn,ktn->tn", slope, X))
        self.paths, self.X = paths, np.where(np.isnan(paths.Y), np.nan, X)
        self.chosen = did.unbroken(paths, specification.effects) if specification.same_switchers else None

    def _slopes(self, paths: did.Paths, X: Array) -> tuple[Array, Array]:
        try:
            return did.slopes(paths, X, self.histories.level, self.asked.adjusted)
        except did.Unvaried:
            raise DesignError(
                f"Covariates enter by their changes, and those of {first_five(self.histories.covariates)} are nothing or collinear among units "
                "that had not changed treatment yet. Leave out what does not vary over time; to compare like with like use within=..."
            ) from None

    def horizon(self, ell: int, placebo: bool = False) -> _Horizon:
        """Return effect or placebo ``ell``."""
        parts = self._parts(ell, placebo)
        last = parts[-1]
        if min(part.N for part in parts) == 0:
            raise DesignError(self._too_many(placebo))
        contributions = np.sum([part.contributions for part in parts], axis=0)
        if len(self.X):
            contributions -= self.through_slopes(ell, placebo).sum(axis=1)
        at = self.paths.F[last.switchers] + ell - 1
        sign, tables = self.paths.S[last.switchers], (self.histories.dose, self.histories.cumulated)
        now, cumulated = (sign * values[at, last.switchers] for values in tables)
        theta = float(sum(part.theta for part in parts))
        sampled = self.asked.shares == "population"
        noisy = len(last.switchers)
        if self.spread == "sample":  # the noise of a unit that is alone in its cohort cannot be learned
            sizes = np.unique(self.paths.cohort[last.switchers], return_counts=True)[1]
            noisy = int(sizes[sizes > 1].sum())
        return _Horizon(theta, contributions, last.N, last.switchers, last.w, now, cumulated, last.alone, sampled, noisy)

    def _parts(self, ell: int, placebo: bool, outcome: Array | None = None) -> list[did.Difference]:
        """Return DID_l, or with trends of units DID_1 to DID_l of changes, which add up to it; of another outcome if given."""
        paths = self.paths if outcome is None else self.paths.outcome(outcome)
        choices: dict[str, Any] = {"placebo": placebo, "spread": self.spread, "influence": outcome is None}
        if self.asked.trends == "none":
            return [did.difference(paths, ell, chosen=self.chosen, **choices)]
        chosen = did.unbroken(self.paths, ell, ell if placebo else 0)
        return [did.difference(paths, q, chosen=chosen, **choices) for q in range(1, ell + 1)]

    def through_slopes(self, ell: int, placebo: bool) -> Array:
        """Return (N, K) the contributions of units by way of each slope: how the estimate hangs on it, times their influence on it."""
        return np.asarray(self.hang_on_slopes(ell, placebo)[self.histories.level_of_unit] * self.slope_influence)

    def hang_on_slopes(self, ell: int, placebo: bool) -> Array:
        """Return (L, K) how much an estimate falls when a slope rises: the same differences of differences, of the covariate."""
        hang = np.zeros_like(self.theta)
        for k, x in enumerate(self.X):
            by_class = np.sum([part.by_class for part in self._parts(ell, placebo, x)], axis=0)
            hang[:, k] = np.bincount(self.histories.level, by_class, len(hang))
        return hang

    def _too_many(self, placebo: bool) -> str:
        """Say how many effects or placebos can be estimated."""
        possible = 0
        while possible < self.paths.T and min(part.N for part in self._parts(possible + 1, placebo)) > 0:
            possible += 1
        what, asked = ("placebos", self.asked.placebos) if placebo else ("effects", self.asked.effects)
        if possible:
            return f"{asked} {what} were asked for; {possible} can be estimated on this design. Say {what}={possible} or less."
        if placebo:
            return "No placebo can be estimated: no unit that changed is seen long enough before, with somebody to compare with. Say placebos=0."
        moved = int((self.paths.S != 0).sum())
        kind = {"both": "changes", "in": "rises", "out": "falls"}[self.asked.switchers]
        if not moved:
            return f"No effect can be estimated: treatment {kind} in no unit. switchers='both' uses every change there is."
        if self.asked.trends == "unit" and (self.histories.paths.F[self.paths.S != 0] < 2).all():
            return (
                f"No effect can be estimated: a trend is learned from two periods before the change, and the {moved:,} units whose treatment "
                f"{kind} have none or one. Say trends='none', or add earlier periods."
            )
        return (
            f"No effect can be estimated: of {moved:,} units whose treatment {kind}, none can be compared with units of the same "
            "treatment at the start that have not changed yet. Where treatment at the start takes many values, group them first."
        )


def _changes(values: Array) -> Array:
    """Return (..., T, N) changes from one period to the next, NaN in the first."""
    return np.concatenate([np.full_like(values[..., :1, :], np.nan), np.diff(values, axis=-2)], axis=-2)
