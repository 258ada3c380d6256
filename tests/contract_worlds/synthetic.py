"""Configurations of synthetic difference-in-differences and synthetic controls."""

from __future__ import annotations

from worlds import World, villages, with_gaps

from evalkit.estimators.synthetic import Synthetic

HELD = {"jackknife": "the influence holds the weights; leaving a village out chooses them anew"}
NOISE = {
    "constants": "the penalty and the stopping rule grow with the spread of all first differences, common changes of a year included "
    "(the paper's definition); a synthetic control also matches levels"
}
FITTED = HELD | NOISE


def worlds() -> list[World]:
    """Return the configurations."""
    plain, one = villages(units=60), villages(units=50, starts=(0, 2015))
    never = {"comparison": "never_treated"}
    did = Synthetic("did", shares="population")
    return [
        World("synthetic", Synthetic(), plain, cannot=NOISE),
        World("synthetic_never", Synthetic(), plain, never, cannot=NOISE),
        World("synthetic_control", Synthetic("synthetic_control"), one, cannot=FITTED),
        World("synthetic_control_exact", Synthetic("synthetic_control", solver="exact"), one, cannot=FITTED),
        World("synthetic_demeaned", Synthetic("demeaned"), one, cannot=FITTED),
        World("synthetic_projected", Synthetic("did", "projected", "population"), plain, {"covariates": ["rain"]}),
        World("synthetic_anticipation", Synthetic(), villages(units=50, starts=(0, 2016)), {"anticipation": 1}, cannot=FITTED),
        World("synthetic_did", did, plain),
        World("synthetic_did_known_shares", Synthetic("did"), plain, never),
        World("synthetic_did_all_treated", did, villages(units=60, starts=(2014, 2015, 2017))),
        World("synthetic_did_complete", did, with_gaps(plain), {"unbalanced": "drop_units"}),
    ]
