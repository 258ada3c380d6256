"""Small made-up worlds in which every estimator is held to the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import evalkit as ek

YEARS = np.arange(2012, 2018)


def villages(units: int = 240, starts: tuple[int, ...] = (0, 2014, 2016), seed: int = 3) -> pd.DataFrame:
    """Return villages of 20 counties in 4 provinces over six years; ``starts`` are the cohorts, 0 is never treated.

    Poorer villages (a low share of labourers) are treated more often and grow more slowly, so covariates matter.
    """
    generator = np.random.default_rng(seed)
    share = generator.uniform(0.2, 0.8, units).round(3)
    order = np.argsort(share + generator.normal(0, 0.35, units))[::-1]
    start = np.empty(units, dtype=int)
    start[order] = np.array(starts)[np.arange(units) * len(starts) // units]
    rain = generator.normal(size=(units, len(YEARS))).round(3)
    since = YEARS - 2012
    effect = np.where((start[:, None] > 0) & (start[:, None] <= YEARS), 0.1 + 0.02 * (YEARS - start[:, None]), 0.0)
    county = np.arange(units) % 20
    y = generator.normal(8, 0.4, units)[:, None] + 0.05 * since + 0.06 * share[:, None] * since + 0.03 * rain + effect
    y = y + generator.normal(0, 0.03, (20, len(YEARS)))[county] + generator.normal(0, 0.08, y.shape)
    repeat = len(YEARS)
    return pd.DataFrame(
        {
            "village": np.repeat(np.arange(100, 100 + units), repeat),
            "county": np.repeat(county, repeat),
            "province": np.repeat(county % 4, repeat),
            "year": np.tile(YEARS, units),
            "start": np.repeat(start, repeat),
            "share": np.repeat(share, repeat),
            "rain": rain.ravel(),
            "households": np.repeat(generator.integers(30, 120, units), repeat),
            "sampled": generator.integers(5, 15, y.size),
            "y": y.ravel(),
        }
    )


def with_gaps(frame: pd.DataFrame, seed: int = 4) -> pd.DataFrame:
    """Return the frame without 7% of its rows."""
    return frame[np.random.default_rng(seed).random(len(frame)) > 0.07].reset_index(drop=True)


def households(rows: int = 1_500, seed: int = 5) -> pd.DataFrame:
    """Return households of which every one is seen once: of a village, other numbers in other years."""
    generator = np.random.default_rng(seed)
    frame = villages(units=rows // 4, seed=seed)
    frame = frame[generator.random(len(frame)) < 4 / len(YEARS)].reset_index(drop=True)
    frame["share"] = (frame["share"] + generator.normal(0, 0.05, len(frame))).round(3)
    frame["y"] += generator.normal(0, 0.1, len(frame))
    return frame


Estimator = Callable[[ek.Design], ek.Estimate]


@dataclass(frozen=True)
class Averaged:
    """Group-time effects brought together by ``by``: aggregates are held to the contract as estimators are."""

    cells: Any
    by: str

    def __call__(self, design: ek.Design) -> ek.Estimate:
        return ek.aggregate(self.cells(design), self.by)


def from_start(panel: ek.Panel) -> ek.Rollout:
    """Return the roll-out of the column ``start``, 0 for never."""
    return ek.Rollout.from_first_treated(panel, "start", never=0)


def treated_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return (n,) one for rows of units after their start, zero for others."""
    return ((frame["start"] > 0) & (frame["year"] >= frame["start"])).to_numpy(float)


@dataclass(frozen=True, eq=False)
class World:
    """An estimator, the data it is shown and the choices of its design.

    Attributes
    ----------
    rollout : makes the roll-out from the panel
    gift : (n,) by how much of a gift each row's outcome is raised when the treated get one
    cannot : identities of the contract that do not hold here, with the reason; what the estimator's class declares is added
    """

    name: str
    estimator: Estimator
    frame: pd.DataFrame
    choices: dict[str, Any] = field(default_factory=dict)
    unit: str | None = "village"
    weight: str | None = None
    rollout: Callable[[ek.Panel], ek.Rollout] = from_start
    gift: Callable[[pd.DataFrame], np.ndarray] = treated_rows
    cannot: Mapping[str, str] = field(default_factory=dict)

    def estimate(self, frame: pd.DataFrame | None = None, **changes: Any) -> ek.Estimate:
        """Return the estimate, on other data or with other choices if asked."""
        frame = self.frame if frame is None else frame
        clusters = ["county", "province", *(c for c in ("original",) if c in frame)]
        panel = ek.Panel(frame, self.unit, "year", clusters, self.weight)
        return self.estimator(ek.Design(panel, self.rollout(panel), "y", **(self.choices | changes)))

    @property
    def specification(self) -> Any:
        """The registered estimator behind the world."""
        return self.estimator.cells if isinstance(self.estimator, Averaged) else self.estimator

    @property
    def comparison(self) -> str:
        return self.choices.get("comparison", "not_yet_treated")

    @property
    def crossed(self) -> bool:
        """Whether rows count as if every household were another."""
        return self.unit is None or self.choices.get("unbalanced") == "repeated_cross_section"

    def keys(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what a unit is called in each row: the unit, or the row's position in a repeated cross-section."""
        return np.arange(len(frame)) if self.unit is None else frame[self.unit].to_numpy()


def worlds() -> list[World]:
    """Return every configuration that is held to the contract: those below and those of the files in contract_worlds."""
    made = _worlds()
    for path in sorted((Path(__file__).parent / "contract_worlds").glob("*.py")):
        specification = spec_from_file_location(f"contract_worlds_{path.stem}", path)
        assert specification and specification.loader
        module = module_from_spec(specification)
        specification.loader.exec_module(module)
        made += module.worlds()
    return made


MIX = "the comparison pools cohorts, of which other households are seen in other years: their mix changes between two years"


def _worlds() -> list[World]:
    plain, gaps, seen_once = villages(), with_gaps(villages()), households()
    one_start, all_treated = villages(starts=(0, 2015), units=200), villages(starts=(2014, 2015, 2017))
    never = {"comparison": "never_treated"}
    varying, covariates = {"base": "varying"}, {"covariates": ["share"]}
    both = {"covariates": ["share", "rain"]}
    own_levels = {"constants": "where rows count as different households, a unit's own level does not cancel"}
    dr, ipw, reg = (ek.GroupTime(method) for method in ("dr", "ipw", "reg"))
    two_way, path = ek.TwoWay(), ek.EventStudy()
    group_time = [
        World("group_time", dr, plain),
        World("group_time_never_varying", dr, plain, never | varying),
        World("group_time_varying", dr, plain, varying),
        World("group_time_dr", dr, plain, both),
        World("group_time_dr_never_varying", dr, plain, covariates | never | varying),
        World("group_time_ipw", ipw, plain, covariates),
        World("group_time_reg", reg, plain, both),
        World("group_time_weights", dr, plain, covariates, weight="households"),
        World("group_time_anticipation", dr, plain, covariates | {"anticipation": 1}),
        World("group_time_anticipation_varying", dr, plain, varying | {"anticipation": 1}),
        World("group_time_pairwise", dr, gaps, {"unbalanced": "pairwise"}),
        World("group_time_pairwise_dr", dr, gaps, covariates | {"unbalanced": "pairwise"}),
        World("group_time_drop_units", dr, gaps, covariates | {"unbalanced": "drop_units"}),
        World("group_time_rows_as_households", dr, gaps, {"unbalanced": "repeated_cross_section"}, cannot=own_levels),
        World(
            "group_time_rows_as_households_dr",
            dr,
            gaps,
            covariates | never | {"unbalanced": "repeated_cross_section"},
            cannot=own_levels,
        ),
        World("group_time_all_treated", dr, all_treated),
        World("group_time_households", dr, seen_once, never, unit=None),
        World("group_time_households_not_yet", dr, seen_once, unit=None, cannot={"constants": MIX}),
        World("group_time_households_dr", dr, seen_once, covariates | never, unit=None),
        World("group_time_households_ipw", ipw, seen_once, covariates | never, unit=None),
        World("group_time_households_reg", reg, seen_once, covariates | never, unit=None, weight="sampled"),
    ]
    aggregated = [
        World(f"{world.name}_by_{by}", Averaged(world.estimator, by), world.frame, world.choices, world.unit, world.weight)
        for world in group_time
        if world.name
        in ("group_time", "group_time_weights", "group_time_pairwise_dr", "group_time_all_treated", "group_time_households_dr")
        for by in ("overall", "event_time", "cohort", "period")
    ]
    regressions = [
        World("two_way", two_way, plain),
        World("two_way_covariates", two_way, plain, both),
        World("two_way_weights", two_way, plain, weight="households"),
        World("two_way_weights_of_rows", two_way, plain, weight="sampled"),
        World("two_way_pairwise", two_way, gaps, {"unbalanced": "pairwise"}),
        World("two_way_pairwise_covariates", two_way, gaps, both | {"unbalanced": "pairwise"}, weight="sampled"),
        World("two_way_all_treated", two_way, all_treated),
        World("two_way_by_province", ek.TwoWay(by_period=["province"]), plain, both),
        World("two_way_county_trends", ek.TwoWay(slopes=[("county", "year")]), gaps, {"unbalanced": "pairwise"}),
        World("two_way_observations", two_way, plain, both | {"rows": "observation"}),
        World("two_way_households", two_way, seen_once, covariates, unit=None, weight="sampled"),
        World("event_study", path, plain),
        World("event_study_weights_pairwise", path, gaps, {"unbalanced": "pairwise"}, weight="households"),
        World("event_study_covariates", path, plain, both),
        World("event_study_anticipation", path, plain, {"anticipation": 1}),
        World("event_study_all_treated", path, all_treated),
        World("event_study_by_province", ek.EventStudy(by_period=["province"]), plain),
        World("event_study_observations", path, gaps, {"unbalanced": "pairwise", "rows": "observation"}),
        World("event_study_households", path, seen_once, unit=None),
        World("two_by_two", ek.TwoByTwo(), one_start),
        World("two_by_two_weights_anticipation", ek.TwoByTwo(), one_start, {"anticipation": 1}, weight="households"),
        World("two_by_two_complete", ek.TwoByTwo(), with_gaps(one_start), {"unbalanced": "drop_units"}),
    ]
    return [*group_time, *aggregated, *regressions]
