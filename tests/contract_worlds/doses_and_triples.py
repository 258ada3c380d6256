"""Worlds of triple differences and of doses."""

from __future__ import annotations

import numpy as np
import pandas as pd
from worlds import Averaged, World, households, treated_rows, villages, with_gaps

import evalkit as ek
from evalkit.estimators.dose_response import DoseResponse
from evalkit.estimators.triple_difference import TripleDifference


def half_eligible(frame: pd.DataFrame, unit: str | None = "village") -> pd.DataFrame:
    """Return the frame with a column ``eligible``, one for the poorer half or so of the units of every cohort; they grow more slowly."""
    key = frame[unit] if unit else pd.Series(np.arange(len(frame)))
    eligible = (key.to_numpy() * 7 % 16 < 9).astype(int)
    slower = 0.02 * eligible * (frame["year"] - 2012)
    return frame.assign(eligible=eligible, y=frame["y"] - slower)


def treated_eligible(frame: pd.DataFrame) -> np.ndarray:
    """Return (n,) one for rows of eligible units after their place's start."""
    return treated_rows(frame) * frame["eligible"].to_numpy(float)


def dosed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a dose of 1 to 4 in treated villages, from their start on, that raises income less and less."""
    dose = (1 + (frame["village"] * 37 % 31) / 10) * treated_rows(frame)
    return frame.assign(dose=dose, y=frame["y"] + 0.08 * dose - 0.01 * dose**2)


def by_dose(panel: ek.Panel) -> ek.Rollout:
    """Return the roll-out of the column ``dose``."""
    return ek.Rollout.from_dose(panel, "dose")


def worlds() -> list[World]:
    """Return the worlds of this family."""
    return [*_triples(), *_doses()]


def _doses() -> list[World]:
    plain = dosed(villages())
    gaps = plain.assign(y=plain["y"].where(np.random.default_rng(4).random(len(plain)) > 0.07))
    cubic, line = DoseResponse(doses=(1.5, 2.5, 3.5)), DoseResponse(degree=1, doses=(2, 3), by="overall")
    more = {"rollout": by_dose}
    return [
        World("dose", cubic, plain, **more),
        World("dose_never_varying", line, plain, {"comparison": "never_treated", "base": "varying"}, **more),
        World("dose_weights", line, plain, weight="households", **more),
        World("dose_anticipation", line, plain, {"anticipation": 1}, **more),
        World("dose_pairwise", cubic, gaps, {"unbalanced": "pairwise"}, weight="sampled", **more),
        World("dose_drop_units", line, gaps, {"unbalanced": "drop_units"}, **more),
        World("dose_all_treated", line, dosed(villages(starts=(2014, 2015, 2017))), **more),
    ]


def _triples() -> list[World]:
    plain, gaps = half_eligible(villages()), half_eligible(with_gaps(villages()))
    all_treated = half_eligible(villages(starts=(2014, 2015, 2017)))
    seen_once = half_eligible(households(3_000), None)
    never, varying, covariates = {"comparison": "never_treated"}, {"base": "varying"}, {"covariates": ["share"]}
    own_levels = {"constants": "where rows count as different households, a unit's own level does not cancel"}
    dr, ipw, reg = (TripleDifference(method=method) for method in ("dr", "ipw", "reg"))
    gift = {"gift": treated_eligible}
    pooled = {"jackknife": "the weights of several comparison cohorts count as known, and leaving a unit out moves them a little"}
    return [
        World("triple", dr, plain, cannot=pooled, **gift),
        World("triple_never_dr", dr, plain, never | covariates, **gift),
        World("triple_varying_dr", dr, plain, varying | covariates, cannot=pooled, **gift),
        World("triple_ipw", ipw, plain, never | covariates, **gift),
        World("triple_reg", reg, plain, {"covariates": ["share", "rain"]}, cannot=pooled, **gift),
        World("triple_weights", dr, plain, covariates, weight="households", cannot=pooled, **gift),
        World("triple_anticipation", dr, plain, {"anticipation": 1}, cannot=pooled, **gift),
        World("triple_pairwise", dr, gaps, {"unbalanced": "pairwise"}, weight="sampled", cannot=pooled, **gift),
        World("triple_pairwise_dr", dr, gaps, never | covariates | {"unbalanced": "pairwise"}, **gift),
        World("triple_rows_as_households", dr, gaps, {"unbalanced": "repeated_cross_section"}, cannot=own_levels | pooled, **gift),
        World("triple_all_treated", dr, all_treated, cannot=pooled, **gift),
        World("triple_households", dr, seen_once, unit=None, weight="sampled", **gift),
        World("triple_households_dr", dr, seen_once, never | covariates, unit=None, **gift),
        World("triple_by_overall", Averaged(dr, "overall"), plain, **gift),
        World("triple_by_event_time", Averaged(TripleDifference(shares="cohort"), "event_time"), plain, cannot=pooled, **gift),
    ]
