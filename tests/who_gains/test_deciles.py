"""Effects on deciles: a rise of all incomes moves every decile by its per cent, and nothing moves where nothing happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.firm_records import NotTold
from evalkit.study_data import designed
from evalkit.who_gains.distribution import TENTHS, deciles
from evalkit.who_records import Deciles


def found(study: Any, frame: Any) -> Deciles:
    told = deciles(study, designed(study, frame)[0])
    assert isinstance(told, Deciles)
    return told


def test_a_rise_by_a_fifth_moves_every_decile_by_a_fifth(world: Any, asked: Any) -> None:
    told = found(asked(), world(0.2, per_village=60))
    logs = np.array([row.log.estimate for row in told.rows])
    errors = np.array([row.log.std_error for row in told.rows])
    assert [row.at for row in told.rows] == list(TENTHS)
    assert (np.abs(logs - 0.2) < 4 * errors).all()
    assert logs.mean() == pytest.approx(0.2, abs=0.05)
    money = [row.money.estimate for row in told.rows]
    assert money[-1] > money[0] > 0  # a fifth of more is more


def test_where_nothing_happens_no_decile_stands_out(world: Any, asked: Any) -> None:
    told = found(asked(), world(0.0))
    assert min(row.adjusted.holm for row in told.rows) > 0.05


def test_a_rise_of_the_poor_alone_is_seen_at_the_bottom(world: Any, asked: Any) -> None:
    def poor(people: Any) -> Any:
        return np.where(people["labour"] == 0, 0.5, 0.0)

    frame = world(poor, per_village=60)
    low = frame.groupby("household")["income"].transform("first")
    frame.loc[frame["labour"] == 0, "income"] *= 0.6  # those without labour are the poor
    assert low.notna().all()
    rows = found(asked(), frame).rows
    assert rows[0].log.estimate > rows[-1].log.estimate + 0.1


def test_heaped_incomes_are_refused_with_a_reason(world: Any, asked: Any) -> None:
    frame = world()
    frame["income"] = np.maximum(1000, (frame["income"] // 1000) * 1000)
    assert deciles(asked(), designed(asked(), frame)[0]) == NotTold(reason="heaped")


def test_covariates_that_the_method_does_not_use_are_named(world: Any, asked: Any) -> None:
    told = found(asked(covariates=["labour"]), world())
    assert told.covariates == ["labour"]
