"""A cluster in place of processes: the same numbers, the same reports."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from small_world import contents

import evalkit as ek
from evalkit.batch.jobs import Asked
from evalkit.batch.running import run_batch
from evalkit.errors import EvalkitError
from evalkit.inference.permutation import permute
from evalkit.inference.replay import bootstrap
from evalkit.parallel import as_finished, workers

distributed = pytest.importorskip("distributed", reason="dask.distributed is in the extra 'cluster'")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    try:
        yield cluster.scheduler_address
    finally:
        cluster.close()


def test_results_keep_their_order_and_say_whose_they_are(scheduler):
    assert list(workers(1, scheduler)(lambda base, power: base**power, range(9), [2] * 9)) == [n**2 for n in range(9)]
    assert dict(as_finished(lambda item: item * 10, [3, 1, 2], 1, scheduler)) == {0: 30, 1: 10, 2: 20}
    with pytest.raises(ZeroDivisionError):
        list(workers(1, scheduler)(lambda item: 1 / item, [0]))


def test_permutations_and_bootstraps_have_the_numbers_they_have_here(scheduler):
    design = ek.example_design()
    here, there = (
        permute(ek.TwoWay(), design, draws=19, seed=7, map=m, interval="none").table for m in (map, workers(1, scheduler))
    )
    pd.testing.assert_frame_equal(here, there)
    drawn = [bootstrap(ek.TwoWay(), design, draws=19, seed=7, map=m).psi for m in (map, workers(1, scheduler))]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.slow
def test_a_batch_makes_the_same_reports(world, scheduler):
    asked = Asked((world.study("one"), world.study("two"), world.study("bad", "fail x")))
    here = run_batch(asked, world.folder / "here")
    there = run_batch(asked, world.folder / "there", scheduler=scheduler)
    assert [row.status for row in here.rows] == [row.status for row in there.rows] == ["done", "done", "failed"]
    assert contents(here.out) == contents(there.out)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch):
    from evalkit import parallel

    def nobody(*_: object, **__: object) -> None:
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", nobody)
    with pytest.raises(EvalkitError, match=r"no scheduler at 'tcp://127.0.0.1:1'.*dask scheduler"):
        list(workers(1, "tcp://127.0.0.1:1")(abs, [1]))
    with pytest.raises(EvalkitError, match="no scheduler"):
        parallel._client("tcp://127.0.0.1:1")
