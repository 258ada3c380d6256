"""The decomposition of a two-way coefficient: it adds up, by hand and on made-up villages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import households, villages, with_gaps

import evalkit as ek
from evalkit.diagnostics.bacon import bacon

FRAME = villages(units=150)


def design(frame: pd.DataFrame = FRAME, weight: str | None = None, unit: str | None = "village", **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit, "year", ["county"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def table(outcomes: dict[str, list[float]], starts: dict[str, int]) -> ek.Design:
    rows = [(u, 2015 + t, starts[u], float(y)) for u, path in outcomes.items() for t, y in enumerate(path)]
    return design(pd.DataFrame(rows, columns=["village", "year", "start", "y"]).assign(county=1))


def test_three_villages_by_hand() -> None:
    """An early, a late and an untreated village over three years; the early one's effect grows from 2 to 6.

    early (treated from 2016): 0, 2, 6; late (from 2017): 0, 0, 1; never: 0, 0, 0.
    Against never: early (2 + 6) / 2 - 0 = 4, late 1 - 0 = 1. Early against late, before the late one starts (2015, 2016): 2.
    Late against early, after the early one started (2016, 2017): 1 - (6 - 2) = -3, the forbidden one.
    Weights, over 9: after x before periods, 2 x 1, 1 x 2, 1 x 1, 1 x 1, so thirds of 6: 2, 2, 1, 1.
    The coefficient: (2 x 4 + 2 x 1 + 2 - 3) / 6 = 1.5.
    """
    told = bacon(table({"early": [0, 2, 6], "late": [0, 0, 1], "never": [0, 0, 0]}, {"early": 2016, "late": 2017, "never": 0}))
    found = {(r.treated, r.untreated): (r.type, r.estimate, r.weight) for r in told.comparisons.itertuples()}
    assert found == {
        (2016, np.inf): ("treated_untreated", pytest.approx(4), pytest.approx(2 / 6)),
        (2017, np.inf): ("treated_untreated", pytest.approx(1), pytest.approx(2 / 6)),
        (2016, 2017): ("earlier_later", pytest.approx(2), pytest.approx(1 / 6)),
        (2017, 2016): ("later_earlier", pytest.approx(-3), pytest.approx(1 / 6)),
    }
    assert told.coefficient == pytest.approx(1.5)
    assert (told.forbidden_weight, told.forbidden_mean, told.clean_mean) == pytest.approx((1 / 6, -3, 12 / 5))


ALWAYS = villages(units=160, starts=(0, 2012, 2014, 2016))
CASES = [
    (FRAME, {}),
    (FRAME, {"weight": "households"}),
    (ALWAYS, {"weight": "households"}),
    (villages(units=90, starts=(2012, 2014, 2016)), {}),
    (villages(units=90, starts=(2014, 2015, 2017)), {}),
    (FRAME, {"anticipation": 1}),
    (with_gaps(FRAME), {"unbalanced": "drop_units"}),
    (FRAME[FRAME["year"] != 2014], {}),
    (FRAME, {"covariates": ["rain"]}),
    (FRAME, {"covariates": ["share", "rain"], "weight": "households"}),
    (ALWAYS, {"covariates": ["rain"], "weight": "households"}),
]


@pytest.mark.parametrize(("frame", "choices"), CASES)
def test_the_comparisons_add_up_to_the_two_way_coefficient(frame: pd.DataFrame, choices: dict[str, Any]) -> None:
    made = design(frame, **choices)
    told, coefficient = bacon(made), float(ek.TwoWay()(made).theta[0])
    weight, estimate = told.comparisons["weight"], told.comparisons["estimate"]
    assert weight.sum() == pytest.approx(1, abs=1e-12) and (weight > 0).all()
    within = told.within_weight * (told.within_estimate or 0.0)
    assert within + (1 - told.within_weight) * (weight @ estimate) == pytest.approx(coefficient, rel=1e-9)
    assert told.coefficient == pytest.approx(coefficient, rel=1e-9)
    assert told.by_type["weight"].sum() == pytest.approx(1)


def test_a_covariate_of_the_village_that_never_changes_is_absorbed_and_named() -> None:
    told, without = bacon(design(covariates=["share"])), bacon(design())
    assert [n.code for n in told.notices] == ["ABSORBED_COVARIATES"]
    pd.testing.assert_frame_equal(told.comparisons, without.comparisons)


def test_with_covariates_nothing_is_called_forbidden_because_pairs_are_not_split() -> None:
    told = bacon(design(covariates=["rain"]))
    assert (told.forbidden_weight, told.forbidden_mean, told.clean_mean) == (None, None, None)


def test_one_start_has_no_forbidden_comparison() -> None:
    told = bacon(design(villages(units=60, starts=(0, 2015))))
    assert len(told.comparisons) == 1 and told.forbidden_weight == 0 and told.forbidden_mean is None


@pytest.mark.parametrize(
    ("frame", "choices", "message"),
    [
        (with_gaps(FRAME), {"unbalanced": "pairwise"}, "balanced panels only: .* of 900 rows are missing.*drop_units"),
        (FRAME, {"weight": "sampled"}, "'sampled' varies within units"),
        (households(rows=800), {"unit": None}, "a repeated cross-section has none"),
        (villages(units=60, starts=(0, 2012)), {}, "No unit starts after 2012"),
        (
            FRAME.assign(on=(FRAME["start"] > 0) & (FRAME["year"] >= FRAME["start"])),
            {"covariates": ["on"]},
            "on determine treatment",
        ),
    ],
)
def test_data_on_which_it_does_not_hold_are_refused_with_the_reason(
    frame: pd.DataFrame, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DesignError, match=message):
        bacon(design(frame, **choices))


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_the_unit_of_a_covariate_and_one_that_only_the_year_moves_do_not_matter(unit: float) -> None:
    plain = bacon(design(FRAME, covariates=["rain"]))
    frame = FRAME.assign(
        scaled=FRAME["rain"] * unit, trend=1e3 * (FRAME["year"] - 2000.0) ** 2, age=FRAME["year"] - FRAME["village"]
    )
    for absorbed in ([], ["trend"], ["age", "trend"]):
        told = bacon(design(frame, covariates=["scaled", *absorbed]))
        assert [n.facts for n in told.notices] == [{"columns": absorbed}] * bool(absorbed)
        assert told.coefficient == pytest.approx(plain.coefficient, rel=1e-9)
        assert told.within_weight == pytest.approx(plain.within_weight, rel=1e-6)
