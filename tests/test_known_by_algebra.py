"""What the average effect knows of itself by algebra is what it finds when it is called again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.diagnostics.row_weights import row_weights
from evalkit.how_firm import Overall
from evalkit.inference.known import known_weights, known_without
from evalkit.inference.permutation import permute
from evalkit.inference.replay import replay


def design(frame: pd.DataFrame, weight: str | None = None, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, "village", "year", ["county", "province"], weight)
    return ek.Design(panel, ek.Rollout.from_first_treated(panel, "start", never=0), "y", **choices)


def called(one: ek.Design) -> ek.Estimate:
    """The same estimator as a plain function, which knows nothing of itself."""
    return Overall("dr")(one)


PLAIN = {
    "two cohorts": design(villages(60)),
    "never treated alone": design(villages(60), comparison="never_treated"),
    "nobody stays untreated": design(villages(60, (2014, 2015, 2017))),
    "anticipation": design(villages(60), anticipation=1),
    "a varying base": design(villages(60), base="varying"),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("cluster", [None, "county"])
def test_leaving_out_each_cluster_by_algebra_is_estimating_again(name: str, cluster: str | None) -> None:
    fast, slow = replay(Overall("dr"), PLAIN[name], cluster), replay(called, PLAIN[name], cluster)
    np.testing.assert_allclose(fast.psi, slow.psi, rtol=0, atol=1e-12)
    assert fast.notices == slow.notices and list(fast.cells["noisy_units"]) == list(slow.cells["noisy_units"])
    assert float(np.abs(slow.psi).max()) > 0.01


@pytest.mark.parametrize("name", PLAIN)
def test_weights_by_algebra_are_those_found_by_raising_one_outcome_after_the_other(name: str) -> None:
    known = row_weights(PLAIN[name], Overall("dr"))
    np.testing.assert_allclose(known, row_weights(PLAIN[name], called), rtol=0, atol=1e-12)
    assert known @ PLAIN[name].y == pytest.approx(called(PLAIN[name]).theta[0], rel=1e-12)


def test_ranks_by_algebra_are_those_of_estimating_under_every_assignment() -> None:
    one = PLAIN["two cohorts"]
    fast, slow = (permute(estimator, one, draws=99, seed=4, interval="algebra") for estimator in (Overall("dr"), called))
    pd.testing.assert_frame_equal(fast.table, slow.table, check_exact=False, rtol=1e-9)


@pytest.mark.parametrize("start", [2016, 0], ids=["treated", "never treated, so that others are compared without it"])
def test_a_cohort_that_lies_in_one_cluster_is_estimated_again_without_it(start: int) -> None:
    frame = villages(60, (0, 2014, 2016, 2017))
    frame["county"] = np.where(frame["start"] == start, 99, frame["county"])
    one = design(frame)
    codes = pd.factorize(frame.groupby("village")["county"].first(), sort=True)[0]
    known = known_without(Overall("dr"), one, codes, int(codes.max()) + 1)
    assert known is not None and np.isnan(known[:, 0]).sum() == 1
    np.testing.assert_allclose(replay(Overall("dr"), one, "county").psi, replay(called, one, "county").psi, atol=1e-12)


@pytest.mark.parametrize(
    "one",
    [
        design(with_gaps(villages(60)), unbalanced="pairwise"),
        design(villages(60), covariates=["rain"]),
        design(villages(60), weight="households"),
    ],
    ids=["gaps", "covariates", "weights"],
)
def test_where_cells_are_no_plain_means_nothing_is_claimed(one: ek.Design) -> None:
    assert known_weights(Overall("dr"), one) is None
    assert known_without(Overall("dr"), one, np.arange(len(one.units)), len(one.units)) is None


@dataclass(frozen=True)
class Mistaken(Overall):
    """An estimator that is wrong about itself."""

    def without_clusters(self, design: ek.Design, codes: Any, G: int) -> Any:
        found = super().without_clusters(design, codes, G)
        return None if found is None else found + 0.01


def test_an_estimator_that_is_wrong_about_itself_is_called_again() -> None:
    one = PLAIN["two cohorts"]
    np.testing.assert_array_equal(replay(Mistaken("dr"), one).psi, replay(called, one).psi)
