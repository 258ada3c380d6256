"""Rates are counts: what counts as firm, as covered, as met, and that a run goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import EstimateError
from evalkit.firm_records import NotTold
from evalkit.selfcheck import rates as module
from evalkit.selfcheck.rates import counted, rates, share_of, tried
from evalkit.selfcheck.worlds import worlds
from evalkit.selfcheck_records import Rates, Share

WORLDS = worlds(["few_clusters", "few_clusters_strong"])


def run(verdict: str, letter: str | None, estimate: float | None = 0.0, half: float = 0.02) -> dict[str, Any]:
    low, high = (None, None) if estimate is None else (estimate - half, estimate + half)
    return {"verdict": verdict, "letter": letter, "estimate": estimate, "std_error": half / 2, "low": low, "high": high}


SMALL = WORLDS[0].model_copy(update={"units": 18, "never": 12, "last_year": 2019})


@pytest.fixture(scope="module")
def small() -> Rates:
    """Two whole evaluations of one small world."""
    return rates([SMALL], (1, 2))


def test_the_interval_of_wilson_by_hand() -> None:
    """1 of 4: centre (0.25 + 3.8415/8) / (1 + 3.8415/4), half width 1.96 sqrt(0.25*0.75/4 + 3.8415/64) / (1 + 3.8415/4)."""
    share = share_of(1, 4)
    assert share.low == pytest.approx(0.0456, abs=1e-4)
    assert share.high == pytest.approx(0.6994, abs=1e-4)
    assert share.mc_error == pytest.approx((0.25 * 0.75 / 4) ** 0.5, abs=1e-6)


def test_a_share_of_all_and_of_none_mirror_each_other() -> None:
    none, every = share_of(0, 50), share_of(50, 50)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - every.low, abs=1e-6)


@pytest.mark.parametrize(("count", "of"), [(3, 2), (-1, 4), (0, 0)])
def test_what_is_no_share_is_refused(count: int, of: int) -> None:
    with pytest.raises(EstimateError, match="is no share"):
        share_of(count, of)


def test_a_firm_verdict_is_a_gain_or_a_loss_with_grade_a_or_b() -> None:
    runs = [run("gain", "A"), run("loss", "B"), run("gain", "C"), run("small_change", "A"), run("unclear", "B"), run("gain", None)]
    assert counted(worlds(["null"])[0], runs).firm.count == 2


def test_a_target_is_met_up_to_its_very_share() -> None:
    null, strong = worlds(["null", "strong"])
    false = [run("gain", "B")] + [run("unclear", "C")] * 19
    assert counted(null, false).met == "met"  # 1 of 20 is 5 per cent
    assert counted(null, [*false, run("loss", "B")]).met == "not_met"
    found = [run("gain", "B", 0.09)] * 8 + [run("gain", "C", 0.09)] * 2
    assert counted(strong, found).met == "met"
    assert counted(strong, [*found, run("unclear", "D", 0.09)]).met == "not_met"
    assert counted(worlds(["weak"])[0], found).met == "no_target"


def test_coverage_and_rejection_by_hand() -> None:
    strong = worlds(["strong"])[0]  # the truth is log(1.09) = 0.0862
    row = counted(strong, [run("gain", "B", 0.08), run("gain", "B", 0.10), run("gain", "B", 0.12), run("unclear", "D", 0.01)])
    assert isinstance(row.covered, Share) and isinstance(row.rejected, Share) and isinstance(row.wrong_sign, Share)
    assert (row.covered.count, row.covered.of) == (2, 4)
    assert row.rejected.count == 3
    assert row.wrong_sign.count == 0
    assert row.estimate == pytest.approx((0.08 + 0.10 + 0.12 + 0.01) / 4)


def test_a_loss_where_incomes_rose_has_the_wrong_sign() -> None:
    row = counted(worlds(["strong"])[0], [run("loss", "B", -0.05), run("gain", "B", 0.09)])
    assert isinstance(row.wrong_sign, Share)
    assert row.wrong_sign.count == 1


def test_runs_without_an_interval_are_left_out_of_coverage_and_said_to_be() -> None:
    null = worlds(["null"])[0]
    row = counted(null, [run("too_few", "D", None), run("unclear", "C")])
    assert isinstance(row.covered, Share)
    assert row.covered.of == 1
    assert counted(null, [run("refused", "N", None)] * 2).covered == NotTold(reason="no_interval")
    assert row.wrong_sign == NotTold(reason="no_effect")


def test_outcomes_add_up_to_the_runs(small: Rates) -> None:
    row = small.rows[0]
    assert sum(outcome.count for outcome in row.outcomes) == row.runs == 2
    assert row.truth == 0.0
    assert row.std_error is not None and row.std_error > 0


def test_the_same_seed_gives_the_same_evaluation_in_whatever_company(small: Rates) -> None:
    alone = tried((SMALL, 2, 3)) + tried((SMALL, 1, 2))
    assert counted(SMALL, alone[::-1]).model_dump_json() == small.rows[0].model_dump_json()


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, int, int]] = []

    def cheap(block: Any) -> list[dict[str, Any]]:
        world, start, stop = block
        tried.append((world.world, start, stop))
        if len(tried) == 3:
            raise KeyboardInterrupt
        return [run("unclear", "C", 0.01 * seed) for seed in range(start, stop)]

    monkeypatch.setattr(module, "tried", cheap)
    store = tmp_path / "blocks.jsonl"
    with pytest.raises(KeyboardInterrupt):
        rates(WORLDS, (1, 10), store=store)
    found = rates(WORLDS, (1, 10), store=store)
    assert [row.runs for row in found.rows] == [10, 10]
    assert tried == [
        ("few_clusters", 1, 6), ("few_clusters_strong", 1, 6), ("few_clusters", 6, 11), ("few_clusters", 6, 11), ("few_clusters_strong", 6, 11)
    ]  # fmt: skip
    more = rates(WORLDS, (1, 15), store=store)  # more seeds go on from there too
    assert len(tried) == 7
    assert [row.runs for row in more.rows] == [15, 15]


def test_progress_counts_what_was_stored_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "tried", lambda block: [run("unclear", "C") for _ in range(block[1], block[2])])
    seen: list[tuple[int, int]] = []
    rates(WORLDS, (1, 5), store=tmp_path / "a", progress=lambda *told: seen.append(told))
    rates(WORLDS, (1, 10), store=tmp_path / "a", progress=lambda *told: seen.append(told))
    assert seen == [(0, 10), (5, 10), (10, 10), (10, 20), (15, 20), (20, 20)]


@pytest.mark.parametrize("seeds", [(1, 1), (2, 1), (-1, 3)])
def test_fewer_than_two_seeds_are_refused(seeds: tuple[int, int]) -> None:
    with pytest.raises(EstimateError, match="first and the last"):
        rates(WORLDS, seeds)


def test_no_world_is_refused() -> None:
    with pytest.raises(EstimateError, match="names nothing"):
        rates([], (1, 2))
