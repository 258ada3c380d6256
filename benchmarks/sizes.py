"""Measure how often tests reject what is true: ``python benchmarks/sizes.py`` goes on where the record stops and writes the table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sizes_others as others
from sizes_single import Found, World, single_effects

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "sizes.json", HERE.parent / "docs" / "inference_sizes.md"
LOW, HIGH = 0.03, 0.07  # what a nominal 5% may be
POWER = 0.8


@dataclass(frozen=True)
class Claim:
    """What a method's docstring promises.

    Attributes
    ----------
    says : what it says, and where
    holds : whether a setting's facts lie where it says that it holds; None when no docstring says where
    at_most : whether it promises 5% at most, not about 5%
    """

    says: str
    holds: Callable[[Any], bool] | None
    at_most: bool = False


def sides(fewest: int) -> Callable[[World], bool]:
    """Return whether both sides, treated and other, have so many clusters."""
    return lambda world: world.rare >= fewest


def by_lot(world: World) -> bool:
    """Whether treatment was drawn by lot."""
    return world.sizes != "largest treated"


WILD = "wild_bootstrap: a notice with fewer than five clusters on a side"
LOT = "permute: exact where treatment could have gone to any county (so by lot); never above 5%"
BOUND = "honest: notices with fewer than 10 clusters or 5 treated; coverage of 95% or more"
CLAIMS: dict[str, Claim] = {
    "t(G-1)": Claim("detectable_effect: 6% with 10 of 20 treated; 9%, 13% and 29% with 5, 3 and 2", sides(10)),
    "CR2": Claim(
        "infer, in its errors: what to use with fewer than ten clusters; nothing about few treated", sides(2), at_most=True
    ),
    "CR3": Claim("sandwich.adjusted: nearly the jackknife; no promise", None),
    "CRV3": Claim("replay: for few clusters; nothing about few treated", sides(2)),
    "WCR-C signs": Claim(WILD, sides(5)),
    "WCR-C": Claim(WILD, sides(5)),
    "WCR-S": Claim(WILD, sides(5)),
    "WCR-V": Claim(WILD, sides(5)),
    "WCR-B": Claim(WILD, sides(5)),
    "WCU-C": Claim(WILD, sides(5)),
    "permutation": Claim(LOT, by_lot, at_most=True),
    "permutation of t": Claim(LOT + "; of t: better when clusters differ in size", by_lot, at_most=True),
    "GroupTime z": Claim("infer: no factor, as R's did; no promise", None),
    "GroupTime t(G-1)": Claim("detectable_effect: as the first row", sides(10)),
    "GroupTime CRV3": Claim("replay: for few clusters; nothing about few treated", sides(2)),
    "GroupTime score": Claim(
        "wild_bootstrap: a table of sizes, 6% to 7% with 10 of 20 or 40; needs more clusters than a regression's", sides(10)
    ),
    "GroupTime permutation": Claim(LOT, by_lot, at_most=True),
    "band, GroupTime z": Claim("infer: a uniform band needs 10 clusters", lambda w: w.clusters >= 10),
    "band, EventStudy t": Claim("infer: a uniform band needs 10 clusters", lambda w: w.clusters >= 10),
    "band, EventStudy CR2": Claim("infer, in its errors: what to use with fewer than 10 clusters", sides(2), at_most=True),
    "leads, chi2": Claim("wald: chi-squared with z; no promise", None),
    "leads, F": Claim("wald: F with t(G-1); no promise", None),
    "leads, Hotelling": Claim(
        "wald, pretrend: degrees = smaller side less one, so that a few clusters do not reject what is true", sides(5), at_most=True
    ),
    "leads, HTZ": Claim("wald: the test of Pustejovsky and Tipton with CR2; no least number", sides(2), at_most=True),
    **{
        f"bounds, {restriction}, {method}": Claim(BOUND, lambda w: w.clusters >= 10 and w.treated >= 5, at_most=True)
        for restriction, method, _, _ in others.BOUNDS
    },
    "family, unadjusted": Claim("none: each of five tests at 5%", None),
    "family, holm": Claim("adjusted: bounds the chance of one false finding", sides(10), at_most=True),
    "family, Romano-Wolf": Claim("adjusted: the same; with few clusters p_adjusted can lie below p_value", sides(10)),
    "family, Romano-Wolf, Webb": Claim("adjusted: Webb's six points where clusters are few", sides(5)),
    "space, clustered by county": Claim("infer: rows independent between clusters, which they are not here", None),
    "space, Conley bartlett 150 km": Claim(
        "Conley: a notice when more than 10% of places lie within the cutoff", lambda n: n >= 400
    ),
    "space, Conley uniform 150 km": Claim(
        "Conley: a notice when more than 10% of places lie within the cutoff", lambda n: n >= 400
    ),
    "space, Conley bartlett 300 km": Claim("Conley: the same; a wide cutoff makes errors far too small", None),
    "time, Driscoll-Kraay": Claim("DriscollKraay: errors too small below 20 periods", lambda facts: facts[0] >= 20),
    "time, clustered by county": Claim("infer: counties independent, which they are not here", None),
    "line, density test": Claim("density_test: 5%, 43% with a fifth rounded to 500 yuan", lambda facts: not facts[1]),
    "line, conventional": Claim("Discontinuity: the robust interval is the one to show", None),
    "line, robust": Claim("Discontinuity: robust bias correction; no least number of rows", lambda n: n >= 500),
    "power, GroupTime t(G-1)": Claim("detectable_effect: found with 80%; rough below 10 clusters on a side", sides(10)),
}


@dataclass(frozen=True)
class Setting:
    """One row of the table: what is measured, how many draws of it, and the facts that claims are about."""

    section: str
    name: str
    facts: Any
    draws: int
    run: Callable[[int], Found]

    @property
    def key(self) -> str:
        return f"{self.section}: {self.name}"


def settings() -> Iterator[Setting]:
    """Yield everything that is measured."""
    few, more = World(6, 3), [World(10, 5), World(20, 10), World(40, 20), World(100, 50), World(20, 3), World(40, 5)]
    by_world: list[tuple[str, Any, list[World], int]] = [
        ("bands", others.bands, [few, *more], 1_000),
        ("leads", others.leads, [few, *more], 1_000),
        ("bounds", others.bounds, more[1:], 500),
        ("families", others.families, more[:3], 300),
        ("power", others.power, [*more[:3], World(20, 5), *more[4:]], 2_000),
    ]
    for section, measure, chosen, draws in by_world:
        for world in chosen:
            yield Setting(section, world.name, world, draws, partial(measure, world))
    for counties in (100, 400):
        yield Setting("space", f"{counties} counties", counties, 500, partial(others.in_space, counties))
    for periods in (10, 30, 100):
        for serial in (0.0, 0.5):
            facts = (periods, serial)
            yield Setting("time", f"{periods} years, AR(1) {serial:g}", facts, 1_000, partial(others.in_time, *facts))
    for rows, heaped, draws in ((500, False, 500), (2_000, False, 500), (3_000, True, 300)):
        name = f"{rows:,} scores" + (", a fifth rounded" if heaped else "")
        yield Setting("density", name, (rows, heaped), draws, partial(others.densities, rows, heaped))
    for rows in (500, 1_000, 2_000):
        yield Setting("lines", f"{rows:,} rows", rows, 400, partial(others.lines, rows))
    grid = {6: (1, 2, 3), 10: (1, 2, 3, 5), 20: (1, 2, 3, 5, 10), 40: (1, 2, 3, 5, 10, 20)}
    worlds = [World(G, k, sizes) for sizes in ("equal", "1:10") for G, treated in grid.items() for k in treated]
    worlds += [World(G, k, "largest treated") for G, k in ((6, 2), (10, 3), (20, 3), (20, 5), (40, 5), (40, 10))]
    worlds += [World(40, k, "alone") for k in grid[40]]
    for world in worlds:
        yield Setting("single effects", world.name, world, 1_000, partial(single_effects, world))


def entry(setting: Setting, method: str, rejected: np.ndarray | None) -> dict[str, Any]:
    """Return one number with its Monte Carlo error, what is claimed, and the verdict."""
    claim = CLAIMS[method]
    claims = None if claim.holds is None else bool(claim.holds(setting.facts))
    if rejected is None:
        return {"rate": None, "mc_error": None, "draws": 0, "claims": claims, "verdict": "refuses"}
    rate, draws = float(rejected.mean()), len(rejected)
    low, high = (POWER - 0.03, POWER + 0.03) if setting.section == "power" else (LOW, HIGH)
    error = float(np.sqrt(max(rate * (1 - rate), 0.5 / draws * (1 - 0.5 / draws)) / draws))
    verdict = "ok" if low <= rate <= high else "too often" if rate > high else "never above" if claim.at_most else "too seldom"
    if verdict not in ("ok", "never above") and min(abs(rate - low), abs(rate - high)) < 2 * error:
        verdict += ", within Monte Carlo error"
    return {"rate": rate, "mc_error": error, "draws": draws, "claims": claims, "verdict": verdict}


def measure(record: dict[str, Any]) -> None:
    """Run what the record does not hold yet, and keep each result at once."""
    for setting in settings():
        known = record["settings"].get(setting.key)
        if known is not None and known["draws"] == setting.draws:
            continue
        start = time.process_time()
        found = setting.run(setting.draws)
        methods = {method: entry(setting, method, rejected) for method, rejected in found.items()}
        record["settings"][setting.key] = {
            "section": setting.section, "name": setting.name, "draws": setting.draws,
            "cpu_seconds": round(time.process_time() - start, 1), "methods": methods,
        }  # fmt: skip
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(setting.key, record["settings"][setting.key]["cpu_seconds"], "s", flush=True)


def main() -> None:
    """Measure, and write the table."""
    from machine import machine
    from sizes_table import written

    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"machine": machine(), "settings": {}}
    if sys.argv[1:] != ["table"]:
        measure(record)
    for setting in settings():  # claims may have been reworded since
        if (known := record["settings"].get(setting.key)) is not None:
            for method, one in known["methods"].items():
                holds = CLAIMS[method].holds
                one["claims"] = None if holds is None else bool(holds(setting.facts))
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    TABLE.write_text(written(record, CLAIMS))


if __name__ == "__main__":
    main()
