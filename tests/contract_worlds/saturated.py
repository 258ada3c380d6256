"""Saturated regressions in the worlds of the contract."""

from __future__ import annotations

import pandas as pd
from worlds import Averaged, World, households, villages, with_gaps

from evalkit.estimators.extended_two_way import ExtendedTwoWay
from evalkit.estimators.interaction_weighted import InteractionWeighted

OWN_LEVELS = {
    "constants": "cohort effects stand in for those of units, whose own levels do not cancel where units are not seen in every period"
}
LEVELS_MULTIPLY = {"constants": "the Poisson regression takes levels for factors: what all years add is not taken out"}
# The noise of a treated row is its distance from a curve in the covariates, which a gift of the same size to all does not leave alone.
CURVED = LEVELS_MULTIPLY | {"gift": "with covariates the fitted mean is an exponential curve, and a gift of equal size bends it"}


KNOWN = {"jackknife": "the covariates of the treated count as known, and leaving a unit out changes them"}


def positive(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the data with an outcome of about eighty, so that no constant makes it negative."""
    return frame.assign(y=10 * frame["y"])


def worlds() -> list[World]:
    """Return every configuration of the saturated regressions that is held to the contract."""
    plain, gaps, seen_once = villages(), with_gaps(villages()), households()
    all_treated, early = villages(starts=(2014, 2015, 2017)), villages(starts=(0, 2012, 2014, 2016))
    never, share, both = {"comparison": "never_treated"}, {"covariates": ["share"]}, {"covariates": ["share", "rain"]}
    pairwise, crossed = {"unbalanced": "pairwise"}, {"unbalanced": "repeated_cross_section"}
    path, extended = InteractionWeighted("population"), ExtendedTwoWay(shares="population")
    by_cohort = ExtendedTwoWay(shares="population", effects="cohort")
    poisson, ratio = ExtendedTwoWay("poisson", "population"), ExtendedTwoWay("poisson", "population", measure="ratio")
    sizes, counts = "households", positive(plain)
    no_unit = dict.fromkeys(("gift", "scale"), "a ratio has no unit")
    return [
        World("interaction_weighted", path, plain, never),
        World("interaction_weighted_by_event_time", Averaged(path, "event_time"), plain, never),
        World("interaction_weighted_sample", InteractionWeighted(), plain, weight=sizes),
        World("interaction_weighted_covariates", path, gaps, pairwise | both, weight=sizes),
        World("interaction_weighted_weights_of_rows", path, plain, both | {"rows": "observation"}, weight="sampled"),
        World("interaction_weighted_anticipation", path, early, {"anticipation": 1}),
        World("interaction_weighted_all_treated", path, all_treated),
        World("interaction_weighted_provinces", InteractionWeighted("population", ["province"]), gaps, pairwise),
        World("interaction_weighted_households", InteractionWeighted(), seen_once, never, unit=None),
        World("extended_two_way", extended, plain),
        World("extended_two_way_by_overall", Averaged(extended, "overall"), plain),
        World("extended_two_way_sample", ExtendedTwoWay(), plain, share),
        World("extended_two_way_never", extended, plain, never | share | {"rows": "observation"}),
        World("extended_two_way_weights", extended, gaps, share | pairwise, weight=sizes),
        World("extended_two_way_rain", extended, gaps, both | pairwise, weight="sampled"),
        World("extended_two_way_anticipation", extended, early, {"anticipation": 1}),
        World("extended_two_way_all_treated", extended, all_treated, share),
        World("extended_two_way_cohorts", by_cohort, gaps, share | pairwise, weight="sampled", cannot=OWN_LEVELS),
        World("extended_two_way_rows_as_households", extended, gaps, crossed | never, cannot=OWN_LEVELS),
        World("extended_two_way_households", ExtendedTwoWay(), seen_once, share, unit=None, weight="sampled"),
        World("poisson", poisson, counts, cannot=LEVELS_MULTIPLY),
        World("poisson_never", poisson, counts, never | {"rows": "observation"}, weight=sizes, cannot=LEVELS_MULTIPLY),
        World("poisson_covariates", poisson, with_gaps(counts), share | pairwise, cannot=LEVELS_MULTIPLY),
        World("poisson_sample", ExtendedTwoWay("poisson"), counts, share, cannot=CURVED | KNOWN),
        World("poisson_ratio", ratio, counts, share, cannot=LEVELS_MULTIPLY | no_unit),
    ]
