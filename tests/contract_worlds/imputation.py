"""Imputation and two-stage differences-in-differences: the configurations held to the contract."""

from __future__ import annotations

import numpy as np
from worlds import Averaged, World, households, villages, with_gaps

from evalkit.estimators.imputation import Imputation
from evalkit.estimators.two_stage import TwoStage

NOT_CENTRED = {
    "centred": "with weights effects vary around the average whose weights are squared, where the variance is smallest: not the effect itself"
}
SHARES_KNOWN = {"jackknife": "shares of the sample are taken as known: without a unit the average is over other cells"}
CLONES = {
    "cloning": "a unit left out of its cohort's average stays in it by its clone: the factor n / (n - 1) is not that of 2n units"
}
BY = ("overall", "event_time", "cohort", "period")


def worlds() -> list[World]:
    """Return the configurations of this family."""
    plain, gaps, seen_once = villages(units=160), with_gaps(villages(units=160)), households(900)
    all_treated = villages(starts=(2014, 2015, 2017), units=180)
    plain["chosen"] = plain["sampled"] % 3 + np.where(plain["county"] < 10, 1, 0)
    pairwise, both = {"unbalanced": "pairwise"}, {"covariates": ["share", "rain"]}
    imputed, staged, leads = Imputation(), TwoStage(), Imputation(pretrend_periods=1)
    made = [
        World("imputation", imputed, plain),
        World("imputation_leads", leads, plain, both),
        World("imputation_leads_anticipation", leads, plain, {"anticipation": 1}),
        World("imputation_leave_out_pairwise", Imputation(leave_out=True), gaps, pairwise | both, cannot=CLONES),
        World("imputation_weights", Imputation(shares="population"), plain, weight="sampled", cannot=NOT_CENTRED),
        World("imputation_treated_weight", Imputation(treated_weight="chosen"), plain, cannot=NOT_CENTRED),
        World("imputation_all_treated", imputed, all_treated),
        World("imputation_observations", leads, gaps, pairwise | both | {"rows": "observation"}),
        World("imputation_households", leads, seen_once, {"covariates": ["share"]}, unit=None),
        World("imputation_by_overall", Averaged(imputed, "overall"), plain, cannot=SHARES_KNOWN),
        World("two_stage", staged, plain),
        World("two_stage_weights_covariates", staged, plain, both | {"anticipation": 1}, weight="households"),
        World("two_stage_pairwise", staged, gaps, pairwise),
        World("two_stage_rows_as_households", staged, gaps, {"unbalanced": "repeated_cross_section"}, weight="sampled"),
        World("two_stage_all_treated", staged, all_treated),
        World("two_stage_households", staged, seen_once, unit=None, weight="sampled"),
    ]
    averaged = [World(f"two_stage_by_{by}", Averaged(staged, by), plain) for by in BY]
    weighted = World(
        "two_stage_weights_covariates_by_overall",
        Averaged(staged, "overall"),
        plain,
        both | {"anticipation": 1},
        weight="households",
    )
    return [*made, *averaged, weighted]
