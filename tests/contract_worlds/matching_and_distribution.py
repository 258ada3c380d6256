"""Weighted, matched and distributional comparisons: the configurations held to the contract."""

from __future__ import annotations

from worlds import World, households, villages, with_gaps

from evalkit.estimators.changes_in_changes import ChangesInChanges
from evalkit.estimators.weighted import Weighted

MATCHES = "who is matched to whom jumps when a unit leaves: matches have no smooth influence, and are taken as given"


def worlds() -> list[World]:
    """Return the configurations of this family."""
    plain = villages(units=160)
    never, both = {"comparison": "never_treated"}, {"covariates": ["share", "rain"]}
    return [
        World("weighted_entropy", Weighted(), plain, both | never),
        World("weighted_entropy_not_yet_varying", Weighted(on=("share",)), plain, {"base": "varying"}),
        World("weighted_entropy_weights_anticipation", Weighted(), plain, both | {"anticipation": 1}, weight="households"),
        World("weighted_propensity", Weighted("propensity"), plain, both),
        World("weighted_propensity_pairwise", Weighted("propensity", ("share",)), with_gaps(plain), {"unbalanced": "pairwise"}),
        World("weighted_all_treated", Weighted(on=("share",)), villages(starts=(2014, 2015, 2017), units=180)),
        World("matched", Weighted("nearest"), plain, both | never, weight="households", cannot={"jackknife": MATCHES}),
        World(
            "matched_on_propensity", Weighted("nearest", distance="propensity", caliper=0.5), plain, both | never,
            cannot={"jackknife": MATCHES},
        ),
        World("changes_in_changes", ChangesInChanges(), plain),
        World("changes_in_changes_never_varying", ChangesInChanges((0.25, 0.5)), plain, never | {"base": "varying", "anticipation": 1}),
        World("changes_in_changes_pairwise", ChangesInChanges((0.5,)), with_gaps(plain), {"unbalanced": "pairwise"}, weight="sampled"),
        World("changes_in_changes_all_treated", ChangesInChanges(()), villages(starts=(2014, 2015, 2017), units=120)),
        World("changes_in_changes_observations", ChangesInChanges((0.5,)), plain, {"rows": "observation"}),
        World("changes_in_changes_households", ChangesInChanges((0.5,)), households(), never, unit=None),
    ]  # fmt: skip
