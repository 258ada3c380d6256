"""Shares: the weights with which cells are averaged are parameters like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worlds import villages, with_gaps

import evalkit as ek
from evalkit.shares import position_of_shares, with_cell_shares


def design(weight: str | None = None, rows: str = "unit", gaps: bool = False) -> ek.Design:
    frame = with_gaps(villages()) if gaps else villages()
    panel = ek.Panel(frame, "village", "year", ["county"], weight)
    rollout = ek.Rollout.from_first_treated(panel, "start", never=0)
    return ek.Design(panel, rollout, "y", rows=rows, unbalanced="pairwise" if gaps else None)


@pytest.mark.parametrize("by", ["overall", "event_time", "cohort", "period"])
@pytest.mark.parametrize("weight", [None, "households"])
def test_on_a_balanced_panel_shares_of_cells_average_as_shares_of_cohorts_do(by: str, weight: str | None) -> None:
    cells = ek.GroupTime()(design(weight))
    by_cohort = ek.aggregate(cells, by)
    by_cell = ek.aggregate(with_cell_shares(cells.select(kind="group_time"), design(weight), "population"), by)
    np.testing.assert_allclose(by_cell.theta, by_cohort.theta, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(by_cell.psi, by_cohort.psi, atol=1e-12)


def test_shares_of_the_sample_are_known_and_carry_no_noise() -> None:
    effects = with_cell_shares(ek.GroupTime()(design()).select(kind="group_time"), design())
    assert not effects.select(kind="cell_share").psi.any()
    known, estimated = (ek.infer(ek.aggregate(e))["std_error"][0] for e in (effects, ek.GroupTime()(design())))
    assert known < estimated


def test_a_share_counts_the_rows_that_are_there() -> None:
    gaps = design(gaps=True)
    shares = with_cell_shares(ek.GroupTime()(gaps).select(kind="group_time"), gaps).select(kind="cell_share")
    frame = with_gaps(villages())
    for cell, share in zip(shares.cells.to_dict("records"), shares.theta, strict=True):
        there = (frame["start"] == cell["cohort"]) & (frame["year"] == cell["period"])
        assert share == pytest.approx(there.sum() / len(frame))


def test_the_influence_on_a_share_is_what_leaving_a_village_out_changes() -> None:
    frame, whole = villages(), design("households")
    share = with_cell_shares(ek.GroupTime()(whole).select(kind="group_time"), whole, "population").select(kind="cell_share")
    for i in (0, 100, 200):
        rest = frame[frame["village"] != whole.units[i]]
        cell = share.cells.iloc[-1]
        inside = (rest["start"] == cell["cohort"]) & (rest["year"] == cell["period"])
        without = rest.loc[inside, "households"].sum() / rest["households"].sum()
        assert (len(whole.units) - 1) * (share.theta[-1] - without) == pytest.approx(share.psi[i, -1], rel=0.02)


def test_an_effect_without_a_share_cannot_be_averaged() -> None:
    effects = ek.GroupTime()(design()).select(kind="group_time")
    with pytest.raises(ek.EstimateError, match="cohort 2014 in 2012 has no share"):
        position_of_shares(effects.cells)
    with pytest.raises(ek.DesignError, match="'smple'"):
        with_cell_shares(effects, design(), "smple")


def test_the_headline_in_money_takes_either_kind_of_share() -> None:
    whole = replace(design())
    cells = ek.GroupTime()(whole)
    other = with_cell_shares(cells.select(kind="group_time"), whole, "population")
    one, two = ek.headline(cells, whole), ek.headline(other, whole)
    np.testing.assert_allclose(two.theta, one.theta, rtol=1e-12)
    np.testing.assert_allclose(two.psi, one.psi, rtol=1e-6, atol=1e-6)
