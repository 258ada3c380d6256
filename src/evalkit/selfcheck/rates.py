"""How often whole evaluations say what in worlds with a known truth: verdicts, grades, coverage, with their Monte Carlo error."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import evalkit
from evalkit.diagnostics.stored_blocks import Stored
from evalkit.errors import EstimateError
from evalkit.evaluation import evaluate_loaded
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.parallel import Map
from evalkit.proportion import wilson
from evalkit.selfcheck.recorded import code_print, fingerprint
from evalkit.selfcheck.worlds import drawn, truth
from evalkit.selfcheck_records import Outcome, Rates, Share, World, WorldRates

BLOCK = 5  # evaluations that are made, and stored, together
DECIMALS = 6  # of what is recorded: what machines differ in lies far behind
FIRM = ("A", "B")
SAID = ("gain", "loss")

Run = dict[str, Any]
Progress = Callable[[int, int], None]


def rates(
    worlds: Sequence[World],
    seeds: tuple[int, int],
    *,
    map: Map = map,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Rates:
    """Return how often whole evaluations say what in each world.

    Parameters
    ----------
    worlds : as :func:`evalkit.selfcheck.worlds.worlds` returns them
    seeds : the first and the last; each is one panel a world, evaluated as a user's study is
    map : see :mod:`evalkit.parallel`; the numbers do not depend on it
    store : file that keeps finished blocks; a later call under the same rules, worlds and code goes on where it stopped
    progress : called with evaluations done and in all

    Raises
    ------
    EstimateError
        For fewer than two seeds, for no world, and when ``store`` holds blocks made under other rules, worlds or code.

    Notes
    -----
    Nothing of an evaluation is left out or made cheaper: it is :func:`evalkit.evaluation.evaluate_loaded`.
    """
    first, last = seeds
    if not worlds:
        raise EstimateError("worlds names nothing. Give at least one row of data/codes/selfcheck_worlds.csv.")
    if not 0 <= first < last:
        raise EstimateError(
            f"seeds are the first and the last of at least two whole numbers from 0 on, such as (1, 200), not {seeds!r}."
        )
    stored = Stored.opened(store, {"worlds": fingerprint("worlds"), "rules": fingerprint("rules"), "code": code_print()})
    blocks = [(world.world, start, min(start + BLOCK, last + 1)) for start in range(first, last + 1, BLOCK) for world in worlds]
    todo = [block for block in blocks if block not in stored]
    done, total = sum(block[2] - block[1] for block in blocks if block in stored), len(worlds) * (last + 1 - first)
    by_name = {world.world: world for world in worlds}
    if progress:
        progress(done, total)
    for block, found in zip(todo, map(tried, [(by_name[name], start, stop) for name, start, stop in todo]), strict=True):
        stored.keep(block, {"runs": found})
        done += block[2] - block[1]
        if progress:
            progress(done, total)
    rows = [
        counted(world, [run for block in blocks if block[0] == world.world for run in stored[block]["runs"]]) for world in worlds
    ]
    graded = any(outcome.letter is not None for row in rows for outcome in row.outcomes)
    return Rates(
        version=evalkit.__version__,
        seeds=(first, last),
        rules=fingerprint("rules"),
        worlds=fingerprint("worlds"),
        graded=graded,
        rows=rows,
    )


def tried(block: tuple[World, int, int]) -> list[Run]:
    """Return what each evaluation of one block found: (world, first seed, one past the last)."""
    world, start, stop = block
    return [_run(world, seed) for seed in range(start, stop)]


def _run(world: World, seed: int) -> Run:
    """Return verdict, grade and headline of one evaluation; a refusal has no headline."""
    found = evaluate_loaded(*drawn(world, seed))
    effect = found.headline.effect if isinstance(found, Findings) else None
    told = {name: None if effect is None else _rounded(getattr(effect, name)) for name in ("estimate", "std_error", "low", "high")}
    return {"verdict": found.verdict, "letter": found.grade.letter if found.grade else None, **told}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)


def counted(world: World, runs: Sequence[Run]) -> WorldRates:
    """Return the rates of one world from its runs.

    Parameters
    ----------
    runs : of mappings with ``verdict``, ``letter``, ``estimate``, ``std_error``, ``low`` and ``high``, the last four None where there is none
    """
    planted = truth(world)
    firm = [run for run in runs if run["verdict"] in SAID and run["letter"] in FIRM]
    share = share_of(len(firm), len(runs))
    ranged = [run for run in runs if run["low"] is not None and run["high"] is not None]
    against = "loss" if planted > 0 else "gain"
    outcomes = Counter((run["verdict"], run["letter"]) for run in runs)
    estimates = [run["estimate"] for run in runs if run["estimate"] is not None]
    errors = [run["std_error"] for run in runs if run["std_error"] is not None]
    spread = stdev(estimates) if len(estimates) > 1 else None
    none = NotTold(reason="no_interval")
    return WorldRates(
        world=world,
        runs=len(runs),
        truth=round(planted, DECIMALS),
        outcomes=[
            Outcome(verdict=verdict, letter=letter, count=count)
            for (verdict, letter), count in sorted(outcomes.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        ],
        firm=share,
        wrong_sign=share_of(sum(run["verdict"] == against for run in firm), len(runs)) if planted else NotTold(reason="no_effect"),
        rejected=share_of(sum(run["low"] > 0 or run["high"] < 0 for run in ranged), len(ranged)) if ranged else none,
        covered=share_of(sum(run["low"] <= planted <= run["high"] for run in ranged), len(ranged)) if ranged else none,
        estimate=round(fmean(estimates), DECIMALS) if estimates else None,
        estimate_error=round(spread / math.sqrt(len(estimates)), DECIMALS) if spread is not None else None,
        spread=round(spread, DECIMALS) if spread is not None else None,
        std_error=round(fmean(errors), DECIMALS) if errors else None,
        met=_met(world, share),
    )


def share_of(count: int, of: int) -> Share:
    """Return a share with its Monte Carlo standard error and its Wilson interval.

    Raises
    ------
    EstimateError
        For a share of nothing, and for more than all.

    Examples
    --------
    >>> share = share_of(10, 200)
    >>> share.share, round(share.mc_error, 4), round(share.low, 3), round(share.high, 3)
    (0.05, 0.0154, 0.027, 0.09)
    """
    if not 0 <= count <= of or of == 0:
        raise EstimateError(f"{count} of {of} is no share.")
    low, high = wilson(count, of)
    assert low is not None and high is not None
    share = count / of
    return Share(
        count=count,
        of=of,
        share=round(share, DECIMALS),
        mc_error=round(math.sqrt(share * (1 - share) / of), DECIMALS),
        low=round(low, DECIMALS),
        high=round(high, DECIMALS),
    )


def _met(world: World, found: Share) -> Literal["met", "not_met", "no_target"]:
    """Return whether the share that was observed keeps to the target; its Monte Carlo error is told beside it."""
    if world.target is None or world.share is None:
        return "no_target"
    kept = found.share <= world.share if world.target == "at_most" else found.share >= world.share
    return "met" if kept else "not_met"
