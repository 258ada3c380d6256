"""Selection on what is not observed: how much stronger than observed selection it would have to be (Oster 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.design import Design
from evalkit.errors import DesignError, EstimateError, first_five
from evalkit.notices import Notice

Array = np.ndarray[Any, Any]

FACTOR = 1.3  # of R2 with controls: Oster's default for the largest R2
CAVEAT = "PROPORTIONAL_SELECTION"


@dataclass(frozen=True)
class Regressions:
    """What the formula needs of three regressions, all after unit and period effects.

    Attributes
    ----------
    short, short_r_squared : coefficient and R2 without controls (beta with a ring, R with a ring)
    controlled, controlled_r_squared : with controls (beta and R with a tilde)
    outcome_variance : sigma_yy; treatment_variance : sigma_xx; residual_variance : tau_x, of the treatment given the controls
    """

    short: float
    short_r_squared: float
    controlled: float
    controlled_r_squared: float
    outcome_variance: float
    treatment_variance: float
    residual_variance: float


@dataclass(frozen=True, eq=False)
class Selection:
    """How an effect would change if what is not observed selected like what is.

    Attributes
    ----------
    table : frame, one row a largest R2
        r_squared_max; beta_star (the effect if unobserved selection is ``delta`` times the observed), other_roots (further solutions, as
        text) and sign_kept (whether beta_star keeps the sign of the controlled effect); delta_star (how many times the observed
        selection would bring the effect to ``null``)
    delta, null : as asked
    regressions : coefficients, R2 and variances
    controls : the controls that vary within units
    caveat : a code, always the same: the method assumes proportional selection and is silent on trends
    notices : remarks for readers
    """

    table: pd.DataFrame
    delta: float
    null: float
    regressions: Regressions
    controls: tuple[str, ...]
    caveat: str = CAVEAT
    notices: tuple[Notice, ...] = field(default=())

    def __repr__(self) -> str:
        r = self.regressions
        lines = [
            f"Effect {r.short:.4g} (within R2 {r.short_r_squared:.3f}) without, {r.controlled:.4g} ({r.controlled_r_squared:.3f}) with controls"
        ]
        lines += [
            f"  largest R2 {row.r_squared_max:.3f}: effect {row.beta_star:.4g} at delta {self.delta:g}; delta for {self.null:g}: {row.delta_star:.3g}"
            for row in self.table.itertuples()
        ]
        return "\n".join(
            [*lines, "  Assumes selection on unobservables proportional to that on the controls; silent on differing trends."]
        )


def selection(
    design: Design, *, r_squared_max: float | Sequence[float] | None = None, delta: float = 1.0, null: float = 0.0
) -> Selection:
    """Return the effect that would be left, and the selection that would undo it, for the two-way regression with controls.

    Parameters
    ----------
    design : Design
        Its covariates are the controls; those that never change within a unit are absorbed by unit effects and play no part.
    r_squared_max : R2 of a regression on everything, observed or not; min(1, 1.3 R2 with controls) without it
    delta : how strong unobserved selection is, as a multiple of the observed, for ``beta_star``
    null : the effect to be explained away, for ``delta_star``

    Raises
    ------
    DesignError
        Without controls that vary within units, when they leave nothing of the treatment, and when effects leave nothing of the outcome.
    EstimateError
        When a largest R2 is below that with controls or above one, and when controls are unrelated to the treatment.

    Notes
    -----
    Oster (2019, Journal of Business & Economic Statistics 37), propositions 2 and 3. With nu = beta_tilde - beta:

        delta = nu tau_x [A + 2 a sigma_xx nu + (sigma_xx - tau_x) nu^2] / ([B + tau_x nu^2] [a sigma_xx + (sigma_xx - tau_x) nu]),
        A = (R_tilde - R_ring) sigma_yy + a^2 sigma_xx,  B = (R_max - R_tilde) sigma_yy,  a = beta_ring - beta_tilde

    (a cubic in nu; with delta = 1 its quadratic). Of several solutions those are kept in which the observed part biases in the direction
    in which controls moved the effect (her assumption 3), and of these the one nearest to the controlled effect; the rest is told.

    R2 is *within*: outcome, treatment and controls are residuals of unit and period effects, which are taken as given (the "m" of psacalc)
    and not as controls. An R2 that counts the effects themselves (areg) is nearer to one and leaves unobservables less room, so its delta
    is larger. Weights of the panel are used; no standard error is offered.

    The caveat is part of the result: unobserved selection is assumed to work like the observed, in proportion; that the groups would have
    grown apart anyway is a different threat, on which this says nothing (see honest bounds).

    Examples
    --------
    >>> import evalkit as ek
    >>> from evalkit.diagnostics.selection import selection
    >>> found = selection(ek.example_design(covariates=["rainfall"]))
    >>> bool(found.table.loc[0, "sign_kept"]), found.caveat
    (True, 'PROPORTIONAL_SELECTION')
    """
    if not design.lasting:
        raise DesignError("This reads the effect of being treated, once and lastingly; the roll-out has an intensity that changes.")
    y, D, X, names = _within(design)
    weights = np.ones(len(y)) if design.w is None else design.w
    regressions = three_regressions(y, D, X, weights)
    if r_squared_max is None:
        wanted = [min(1.0, FACTOR * regressions.controlled_r_squared)]
    else:
        wanted = np.atleast_1d(np.asarray(r_squared_max)).tolist()
        if odd := [value for value in wanted if not isinstance(value, (int, float))]:
            raise EstimateError(f"The largest R2 is a number, or several, between 0 and 1, not {first_five(odd)}.")
        if not wanted:
            raise EstimateError("Name one largest R2 at least, or none for 1.3 times that with controls.")
    for name, value in (("delta", delta), ("null", null)):
        if not np.isfinite(value):
            raise EstimateError(f"{name} is a finite number, not {value}.")
    rows = [_row(regressions, value, delta, null) for value in wanted]
    notice = Notice("PROPORTIONAL_SELECTION", {"controls": list(names)})
    return Selection(pd.DataFrame(rows), float(delta), float(null), regressions, tuple(names), CAVEAT, (notice,))


def _row(regressions: Regressions, r_squared_max: float, delta: float, null: float) -> dict[str, object]:
    beta, others = bias_adjusted(regressions, r_squared_max, delta)
    return {
        "r_squared_max": r_squared_max,
        "beta_star": beta,
        "other_roots": ", ".join(f"{value:.6g}" for value in others),
        "sign_kept": bool(np.sign(beta) == np.sign(regressions.controlled)),
        "delta_star": explaining_delta(regressions, r_squared_max, null),
    }


def _within(design: Design) -> tuple[Array, Array, Array, list[str]]:
    """Return outcome (n,), treatment (n,) and controls (n, K) without unit and period effects, and the controls' names."""
    # Where nobody is followed every control varies: cohort effects do not absorb it.
    followed = design.panel.unit is not None
    constant = [followed and np.array_equal(column, column[design.first_rows][design.unit_index]) for column in design.x.T]
    varying = [j for j, same in enumerate(constant) if not same]
    if not varying:
        told = f" ({first_five(design.covariates)} never change within a unit)" if design.covariates else ""
        raise DesignError(
            f"There are no controls that vary within units{told}, so nothing tells how observed selection works. Name some in "
            "covariates=, for example a base-year characteristic times the year."
        )
    x = design.x[:, varying]
    size = x.std(axis=0)
    columns = np.column_stack([design.y - design.y.mean(), design.treated.astype(float), (x - x.mean(axis=0)) / size])
    left = without_effects(columns, design)
    if (left[:, 0] ** 2).sum() <= 1e-20 * (design.y**2).sum():
        raise DesignError(
            f"Unit and period effects leave nothing of {design.outcome!r}: it does not vary beyond them, so there is nothing to explain."
        )
    return left[:, 0], left[:, 1], left[:, 2:], [design.covariates[j] for j in varying]


def without_effects(columns: Array, design: Design) -> Array:
    """Return columns (n, k) without unit and period effects, weighted as the design is."""
    w = np.ones(len(columns)) if design.w is None else design.w
    total = np.bincount(design.unit_index, w)

    def demeaned(values: Array) -> Array:
        sums = np.column_stack([np.bincount(design.unit_index, w * column) for column in values.T])
        return np.asarray(values - (sums / total[:, None])[design.unit_index])

    dummies = np.eye(len(design.periods))[design.period_index][:, 1:]
    if design.panel.unit is None:  # nobody is followed: cohorts stand in for units, as in the two-way regression
        dummies = np.column_stack([dummies, pd.get_dummies(design.cohort[design.unit_index]).to_numpy(float)])
        columns, periods = columns - np.average(columns, axis=0, weights=w), dummies - np.average(dummies, axis=0, weights=w)
    else:
        columns, periods = demeaned(columns), demeaned(dummies)
    root = np.sqrt(w)[:, None]
    fit = np.linalg.lstsq(periods * root, columns * root, rcond=None)[0]
    return np.asarray(columns - periods @ fit)


def three_regressions(y: Array, D: Array, X: Array, w: Array) -> Regressions:
    """Return what the formula needs of outcome (n,), treatment (n,), controls (n, K) and weights (n,), all centred.

    Raises DesignError when controls leave nothing of the treatment.
    """
    root = np.sqrt(w / w.sum())
    y, D, X = y * root, D * root, X * root[:, None]
    sigma_yy, sigma_xx = float(y @ y), float(D @ D)
    rest = D - X @ np.linalg.lstsq(X, D, rcond=None)[0]
    tau = float(rest @ rest)
    if tau <= 1e-10 * sigma_xx or sigma_xx == 0:
        raise DesignError(
            "Given effects and controls nothing is left of the treatment, so there is no effect to tell. Leave controls out."
        )
    short = float(D @ y) / sigma_xx
    controlled = float(rest @ y) / tau
    both = np.column_stack([D, X])
    residual = y - both @ np.linalg.lstsq(both, y, rcond=None)[0]
    r_squared = 1 - float(residual @ residual) / sigma_yy
    return Regressions(short, short**2 * sigma_xx / sigma_yy, controlled, r_squared, sigma_yy, sigma_xx, tau)


def _judged(regressions: Regressions, r_squared_max: float) -> None:
    r = regressions
    if not r.controlled_r_squared - 1e-12 <= r_squared_max <= 1:
        raise EstimateError(
            f"The largest R2 lies between that with controls ({r.controlled_r_squared:.4f}) and 1, not at {r_squared_max:g}."
        )
    if r.treatment_variance - r.residual_variance <= 1e-12 * r.treatment_variance:
        raise EstimateError(
            "The controls are unrelated to the treatment, so observed selection is nil and no multiple of it says anything. Choose controls "
            "that matter for who was treated."
        )


def explaining_delta(regressions: Regressions, r_squared_max: float, null: float = 0.0) -> float:
    """Return how many times the observed selection brings the effect to ``null`` (proposition 3).

    Infinite when no unobserved selection could, because nothing unobserved is left at that R2.
    """
    _judged(regressions, r_squared_max)
    numerator, denominator = _terms(regressions, r_squared_max, regressions.controlled - null)
    if denominator == 0:
        return float(np.inf if numerator else 0.0)
    return float(numerator / denominator)


def _terms(r: Regressions, r_squared_max: float, nu: float) -> tuple[float, float]:
    """Return numerator and denominator of delta at a bias nu."""
    sxx, tau, a = r.treatment_variance, r.residual_variance, r.short - r.controlled
    A = (r.controlled_r_squared - r.short_r_squared) * r.outcome_variance + a**2 * sxx
    B = (r_squared_max - r.controlled_r_squared) * r.outcome_variance
    numerator = nu * tau * (A + 2 * a * sxx * nu + (sxx - tau) * nu**2)
    return numerator, (B + tau * nu**2) * (a * sxx + (sxx - tau) * nu)


def bias_adjusted(regressions: Regressions, r_squared_max: float, delta: float = 1.0) -> tuple[float, tuple[float, ...]]:
    """Return the effect under selection of strength delta (proposition 2), and the solutions not chosen.

    Raises EstimateError when no real solution exists.
    """
    _judged(regressions, r_squared_max)
    r = regressions
    sxx, tau, a = r.treatment_variance, r.residual_variance, r.short - r.controlled
    A = (r.controlled_r_squared - r.short_r_squared) * r.outcome_variance + a**2 * sxx
    B = (r_squared_max - r.controlled_r_squared) * r.outcome_variance
    # nu tau (A + 2 a sxx nu + (sxx - tau) nu^2) = delta (B + tau nu^2) (a sxx + (sxx - tau) nu), by powers of nu.
    cubic = np.array(
        [
            tau * (sxx - tau) * (1 - delta),
            a * sxx * tau * (2 - delta),
            tau * A - delta * B * (sxx - tau),
            -delta * B * a * sxx,
        ]
    )
    unit = max(abs(a), np.sqrt(B / tau), 1e-300)  # roots of order one, so that leading zeros are told from rounding
    scaled = cubic * unit ** np.arange(3, -1, -1)
    scaled[np.abs(scaled) <= 1e-14 * np.abs(scaled).max()] = 0.0
    roots = np.roots(np.trim_zeros(scaled, "f"))
    nu = np.real(roots[np.abs(np.imag(roots)) <= 1e-8 * np.maximum(1, np.abs(roots))]) * unit
    if not len(nu):
        raise EstimateError(f"No effect agrees with delta = {delta:g} at a largest R2 of {r_squared_max:g}.")
    direction = a * sxx + nu * (sxx - tau)  # covariance of the treatment with what is observed
    kept = (np.sign(direction) == np.sign(a)) | (a == 0)
    order = np.lexsort((np.abs(nu), ~kept))
    solutions = [float(r.controlled - value) for value in nu[order]]
    return solutions[0], tuple(solutions[1:])
