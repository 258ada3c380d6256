"""Stacked differences and local projections, held to the contract."""

from __future__ import annotations

from worlds import World, villages, with_gaps

from evalkit.estimators.local_projections import LocalProjections
from evalkit.estimators.stacked import Stacked


def worlds() -> list[World]:
    """Return the configurations of both estimators."""
    plain, all_treated = villages(starts=(0, 2014, 2015, 2016)), villages(starts=(2014, 2015, 2017))
    gaps = with_gaps(plain)
    never, pairwise = {"comparison": "never_treated"}, {"unbalanced": "pairwise"}
    both, anticipated = {"covariates": ["share", "rain"]}, {"anticipation": 1}
    stacked, unweighted = Stacked(before=2, after=1), Stacked(before=2, after=1, weights="none")
    projected, by_variance = LocalProjections(), LocalProjections(reweighted=False)
    fixed = LocalProjections(before=2, after=2, composition="fixed")
    return [
        World("stacked", stacked, plain),
        World("stacked_widest", Stacked(), plain, never, weight="households"),
        World("stacked_unweighted", unweighted, plain, weight="households"),
        World("stacked_pairwise_weights_of_rows", stacked, gaps, pairwise, weight="sampled"),
        World("stacked_unweighted_pairwise", unweighted, gaps, pairwise | never),
        World("stacked_anticipation", stacked, plain, anticipated),
        World("stacked_all_treated", Stacked(before=2, after=0), all_treated),
        World("local_projections", projected, plain),
        World("local_projections_by_variance_weights", by_variance, plain, never, weight="households"),
        World("local_projections_pairwise", projected, gaps, pairwise, weight="sampled"),
        World("local_projections_fixed_premeans", LocalProjections(after=1, base="mean", composition="fixed"), plain),
        World("local_projections_two_before", LocalProjections(base=2, reweighted=False), gaps, pairwise | anticipated),
        World("local_projections_anticipation", projected, plain, anticipated),
        World("local_projections_all_treated", projected, all_treated),
        World("local_projections_covariates", projected, plain, both, weight="households"),
        World("local_projections_covariates_pairwise", projected, gaps, both | pairwise | never),
        World("local_projections_covariates_by_variance", by_variance, gaps, both | pairwise, weight="sampled"),
        World("local_projections_covariates_fixed", fixed, plain, both | anticipated),
    ]
