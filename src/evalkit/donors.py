"""One treated county against its donors: weights, fit before, gap after, and its rank among donors treated on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison import Comparison
from evalkit.design import Design
from evalkit.errors import DesignError, first_five, nearest
from evalkit.estimators.synthetic import Synthetic, covariates, weighted
from evalkit.kernels import synthetic as kernel
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

LEFT_OUT = 10  # how many of the heaviest donors are left out in turn
WORSE = (
    5.0  # the middle of the cut-offs 20, 5 and 2 times the mean squared error of Abadie, Diamond & Hainmueller (2010, section 3.4)
)


@dataclass(frozen=True, eq=False)
class AgainstDonors:
    """One treated unit against a weighted mean of donors.

    Attributes
    ----------
    unit, cohort, form : which unit, when its treatment started, and which weights were fitted
    effect : mean gap over the treated periods
    path : frame with a row per period: period, event_time, actual, synthetic, gap
    donor_weights : frame unit, weight, heaviest first; period_weights : frame period, weight
    before, after, ratio : root mean squared gap before and after treatment, and the second over the first
        Before, gaps are taken around their mean where the form allows a constant difference.
    rank, p_value : rank of the ratio among the unit and its J donors (1: the largest), over J + 1
    p_value_effect : the same for the absolute effect
    placebos : frame with a row per donor treated on paper: unit, effect, before, after, ratio
    left_out : frame with the heaviest donors left out in turn: unit, weight, effect
    notices : few donors, poor fit before, units left out of the pool
    """

    unit: object
    cohort: int
    form: str
    effect: float
    path: pd.DataFrame
    donor_weights: pd.DataFrame
    period_weights: pd.DataFrame
    before: float
    after: float
    ratio: float
    rank: int
    p_value: float
    p_value_effect: float
    placebos: pd.DataFrame
    left_out: pd.DataFrame
    notices: tuple[Notice, ...]

    @property
    def range_without_a_donor(self) -> tuple[float, float]:
        """The smallest and the largest effect when one of the heaviest donors is left out."""
        return float(self.left_out["effect"].min()), float(self.left_out["effect"].max())


def against_donors(
    design: Design, unit: object, form: str = "synthdid", adjustment: str = "joint", solver: str = "frank_wolfe"
) -> AgainstDonors:
    """Return one treated unit against its donors, the units that are not treated in any period compared.

    Parameters
    ----------
    design : Design
        Other treated units leave the pool, and so do donors that are not seen in every period; both are counted in notices.
    unit : label
        One of ``design.units``.
    form, adjustment, solver : as in :class:`evalkit.Synthetic`

    Returns
    -------
    AgainstDonors
        There is no standard error: one unit's noise cannot be learned from it. Each donor is treated on paper instead, against
        the other donors, and the unit is ranked among them. A unit that donors cannot reproduce before treatment gets a notice: its
        mean squared error is more than five times that of the median donor, or its root exceeds the effect.

    Raises
    ------
    DesignError
        When the unit is unknown, not treated, or not seen in every period, with fewer than two clean periods or three donors, and for
        weights or a varying base, which have no place here.

    Notes
    -----
    Abadie, Diamond & Hainmueller (2010, Journal of the American Statistical Association 105) and Abadie (2021, Journal of
    Economic Literature 59): placebos in space, the ratio of errors, leave-one-out. The treated unit is no donor of a placebo.

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.donors import against_donors
    >>> result = against_donors(ek.example_design(units=40), 2)
    >>> result.rank <= 11, len(result.placebos)
    (True, 10)
    """
    case = _Case.of(design, unit, Synthetic(form, adjustment, solver=solver))
    donors = case.donors
    own, gap = case.measured(case.i, donors)
    placebos = pd.DataFrame([case.measured(j, donors[donors != j])[0] for j in donors], index=None)
    placebos.insert(0, "unit", design.units[donors])
    weights, periods = case.weights(donors)
    rank = 1 + int((placebos["ratio"] >= own["ratio"]).sum())
    larger = 1 + int((placebos["effect"].abs() >= abs(own["effect"])).sum())
    table = pd.DataFrame({"unit": design.units[donors], "weight": weights})
    return AgainstDonors(
        unit=design.units[case.i],
        cohort=case.cohort,
        form=form,
        effect=own["effect"],
        path=case.path(gap),
        donor_weights=table.sort_values("weight", ascending=False, kind="stable", ignore_index=True),
        period_weights=pd.DataFrame({"period": design.periods[case.before], "weight": periods}),
        before=own["before"],
        after=own["after"],
        ratio=own["ratio"],
        rank=rank,
        p_value=rank / (len(donors) + 1),
        p_value_effect=larger / (len(donors) + 1),
        placebos=placebos,
        left_out=_without_heaviest(case, weights),
        notices=(*design.notices, *case.notices, *_fit_remarks(own, placebos)),
    )


def _without_heaviest(case: _Case, weights: Array) -> pd.DataFrame:
    """Return the effect without each of the heaviest donors in turn."""
    donors = case.donors
    heaviest = [p for p in np.argsort(-weights, kind="stable")[:LEFT_OUT] if weights[p] > 0]
    return pd.DataFrame(
        {
            "unit": case.design.units[donors[heaviest]],
            "weight": weights[heaviest],
            "effect": [case.measured(case.i, np.delete(donors, p))[0]["effect"] for p in heaviest],
        }
    )


def _fit_remarks(own: dict[str, float], placebos: pd.DataFrame) -> tuple[Notice, ...]:
    """Return remarks on too few donors and on a poor fit before treatment."""
    remarks = []
    smallest = 1 / (len(placebos) + 1)
    if smallest > 0.05:
        remarks.append(Notice("FEW_DONORS", {"donors": len(placebos), "smallest_p": round(smallest, 3)}))
    typical = float(np.sqrt((placebos["before"] ** 2).median()))
    if own["before"] > np.sqrt(WORSE) * typical or own["before"] > abs(own["effect"]):
        facts: dict[str, object] = {"before": own["before"], "typical": typical, "effect": own["effect"]}
        remarks.append(Notice("POOR_FIT_BEFORE", facts))
    return tuple(remarks)


@dataclass(frozen=True, eq=False)
class _Case:
    """The unit, its donors and the periods, as positions, with outcomes (N, T) and covariates (K, N, T)."""

    design: Design
    specification: Synthetic
    i: int
    cohort: int
    donors: Array
    before: Array
    after: Array
    periods: Array
    Y: Array
    X: Array
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, design: Design, unit: object, specification: Synthetic) -> _Case:
        """Judge whether the unit can be compared, and with which donors."""
        i = _position(design, unit)
        comparison = Comparison.of(design)
        if comparison.cohort[i] not in comparison.cohorts:
            raise DesignError(
                f"Unit {unit!r} has no effect to estimate: effects exist for units treated from {first_five(comparison.cohorts)} on."
            )
        cohort = int(comparison.cohort[i])
        periods = np.flatnonzero(np.isin(design.periods, comparison.periods))
        when = design.periods[periods]
        before, after = periods[when + design.anticipation < cohort], periods[when >= cohort]
        Y, X = design.wide(design.y), covariates(design)
        seen = np.asarray(np.isfinite(Y[:, periods]).all(axis=1))
        never = np.isinf(comparison.cohort)
        donors = np.flatnonzero(never & seen)
        _judge(unit, bool(seen[i]), len(before), len(donors))
        notices = _pool_remarks(int((~never).sum()) - 1, int((never & ~seen).sum()))
        return cls(design, specification, i, cohort, donors, before, after, periods, Y, X, notices)

    def fitted(self, i: int, donors: Array) -> tuple[kernel.Weights, Array]:
        """Return the weights for a unit, and its (T,) gap in the periods compared."""
        rows, columns = (np.array([i]), donors), (self.before, self.after)
        found, adjusted = weighted(self.specification, self.design, self.Y, self.X, rows, columns)
        difference = adjusted[i] - found.omega @ adjusted[donors]
        return found, difference[self.periods] - found.lam @ difference[self.before]

    def weights(self, donors: Array) -> tuple[Array, Array]:
        """Return the weights of donors and of periods."""
        found, _ = self.fitted(self.i, donors)
        return found.omega, found.lam

    def measured(self, i: int, donors: Array) -> tuple[dict[str, float], Array]:
        """Return effect, root mean squared gaps and their ratio, and the gap itself."""
        _, gap = self.fitted(i, donors)
        earlier, later = np.isin(self.periods, self.before), np.isin(self.periods, self.after)
        around = gap[earlier].mean() if kernel.FORMS[self.specification.form].intercept else 0.0
        before = float(np.sqrt(((gap[earlier] - around) ** 2).mean()))
        after = float(np.sqrt((gap[later] ** 2).mean()))
        ratio = after / before if before > 0 else np.inf
        return {"effect": float(gap[later].mean()), "before": before, "after": after, "ratio": ratio}, gap

    def path(self, gap: Array) -> pd.DataFrame:
        """Return actual and synthetic outcomes in every period compared."""
        periods, actual = self.design.periods[self.periods], self.Y[self.i, self.periods]
        return pd.DataFrame(
            {"period": periods, "event_time": periods - self.cohort, "actual": actual, "synthetic": actual - gap, "gap": gap}
        )


def _position(design: Design, unit: object) -> int:
    """Return the unit's position, after refusing designs that have no single units or choices without a meaning here."""
    if design.panel.unit is None or design.unbalanced == "repeated_cross_section":
        raise DesignError("Rows that count as different households have no unit to be followed. Use a panel.")
    if design.w is not None:
        raise DesignError(
            "Donors get the weights that fit the unit best, so sampling weights have no place here. Make the panel without weight=."
        )
    if design.base == "varying":
        raise DesignError("Gaps are measured from a weighted mean of the periods before, so base='varying' has no meaning here.")
    labels = [str(label) for label in design.units]
    if str(unit) not in labels:
        raise DesignError(f"There is no unit {unit!r}. Nearest: {first_five(nearest(str(unit), labels))}.")
    return labels.index(str(unit))


def _judge(unit: object, seen: bool, clean: int, donors: int) -> None:
    if not seen:
        raise DesignError(f"Unit {unit!r} is not seen in every period compared. Use evalkit.one_unit, which bears gaps.")
    if clean < 2:
        raise DesignError(
            f"Unit {unit!r} has {clean} clean period before treatment; weights need two at least. Use evalkit.one_unit."
        )
    if donors < 3:
        raise DesignError(f"There are {donors} donors for {unit!r}; weights and a rank need three at least. Widen the comparison.")


def _pool_remarks(treated: int, unseen: int) -> tuple[Notice, ...]:
    """Return remarks on who left the pool of donors."""
    remarks = []
    if treated:
        remarks.append(Notice("TREATED_NOT_DONORS", {"units": treated}))
    if unseen:
        remarks.append(Notice("DONORS_NOT_SEEN", {"units": unseen}))
    return tuple(remarks)
