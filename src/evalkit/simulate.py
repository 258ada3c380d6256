"""Seeded simulated worlds with known effects and planted problems: 模拟数据 / simulated data, no real place or person.

Programmes go to the poorest first, but only the fixed level of income decides, so growth in *log* income is parallel
and the planted effects can be recovered; growth in yuan is not parallel. The shipped sample is
written by :mod:`evalkit.demo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

__all__ = ["Effects", "World", "province"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STATUS = "模拟数据 simulated"
TITLE = "模拟数据 / simulated data"
SEED = 2017
COUNTY_YEARS = np.arange(2010, 2023)
HOUSEHOLD_YEARS = np.arange(2011, 2021)
WINDOW_START = 2013
NEVER = 0
PROGRAMMES = ("industry", "relocation", "health")
COMPONENTS = ("wage", "business", "property", "transfer")

# First year -> share of the group it is handed out in; the poorest stand at the front of the queue.
INDUSTRY = {2016: 0.20, 2017: 0.20, 2018: 0.20, NEVER: 0.40}
COUNTY_RELOCATION = {2017: 0.10, 2018: 0.10, 2019: 0.10, NEVER: 0.70}
COUNTY_HEALTH = {2015: 0.10, 2016: 0.10, 2017: 0.10, NEVER: 0.70}
VILLAGE_HEALTH = {2015: 0.25, 2016: 0.25, 2017: 0.25, NEVER: 0.25}
REGISTERED = {1: 0.40, 0: 0.60}
HOUSEHOLD_RELOCATION = {2017: 0.15, 2018: 0.20, 2019: 0.25, NEVER: 0.40}

MONITORED_COUNTIES, VILLAGES_A_COUNTY, HOUSEHOLDS_A_VILLAGE = 6, 10, 50
LUCK = 0.2  # log points of chance in the queue, so that treated and untreated overlap in level
TRANSFER_RERATING = 0.30  # disposable income counts transfers this much higher than net income did

RECODE_YEAR, RECODED, RECODED_TO = 2016, 62, "990743"
MERGER_YEAR, MERGED, MERGED_CODE, MERGED_NAME = 2018, (37, 38), "990441", "丁合县"

# An invented line of this world in yuan per person per year, nominal; not an official schedule.
LINES = {2015: 2970, 2016: 3150, 2017: 3340, 2018: 3540, 2019: 3750, 2020: 4000}
BUNCHING_SHARE, BUNCHING_FROM, BUNCHING_TO = 0.6, 0.85, 1.04  # the last two as shares of the line


@dataclass(frozen=True)
class Effects:
    """True effects as growth rates by year since the start, the last one lasting: (0.03, 0.05) is +3%, then +5%."""

    industry: tuple[float, ...] = (0.03, 0.05, 0.07)
    # About three movers in five have labour, so that +13% and +3% average +9%.
    relocation_with_labour: tuple[float, ...] = (-0.03, 0.13)
    relocation_without_labour: tuple[float, ...] = (-0.03, 0.03)
    health_out_of_pocket: tuple[float, ...] = (-0.35,)


@dataclass(frozen=True)
class World:
    """One simulated province: three frames labelled as simulated, and the truth about them.

    ``counties`` has one row per stable ``county_key`` and year (99 x 13), ``counties_as_published`` one row per county
    as printed that year, ``households`` one row per household and year (3,000 x 10). Money is nominal yuan per person
    per year. ``truth`` holds only what ``json`` can write.
    """

    counties: pd.DataFrame
    counties_as_published: pd.DataFrame
    households: pd.DataFrame
    truth: dict[str, Any]


def province(seed: int = SEED, effects: Effects = Effects()) -> World:
    """A province of 100 counties and, inside six of them, 3,000 households, the same for the same seed."""
    rng = Generator(PCG64(seed))
    places = county_places(rng)
    keys = county_rollouts(rng, combined(places, ["county_key"]))
    first_cohort = keys[keys["industry"] == min(year for year in INDUSTRY if year != NEVER)]
    unchanged = first_cohort[~first_cohort["county_key"].isin([RECODED_TO, MERGED_CODE])]
    villages = village_places(rng, unchanged.nsmallest(MONITORED_COUNTIES, "level"))
    homes = household_homes(rng, villages)
    for programme in ("relocation", "health"):
        keys = started_in_first_village(keys, homes, programme)

    counties, published = county_frames(rng, places, keys, effects)
    households, lifted = household_frame(rng, homes, effects)
    truth = {
        "data_status": TITLE,
        "seed": seed,
        "scale": "log income; parallel growth holds in logs, not in yuan",
        "county": county_truth(keys, effects),
        "household": household_truth(homes, effects),
        "problems": problems(keys, homes, lifted),
    }
    return World(counties, published, households, truth)


def county_code(number: int) -> str:
    """Six digits for county 0-99, under a province prefix that does not exist."""
    return f"99{number // 10 + 1:02d}{number % 10 + 21}"


def poorest_first(rng: Generator, level: Floats, group: Integers, shares: Mapping[int, float]) -> Integers:
    """First years (n,) handed out inside each group from the lowest level (n,) up, with some luck in the order."""
    score = level + rng.normal(0.0, LUCK, len(level))
    first_year = np.zeros(len(level), dtype=np.int64)
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        ends = np.rint(np.cumsum(list(shares.values())) * len(members)).astype(int)
        first_year[members[np.argsort(score[members])]] = np.repeat(list(shares), np.diff(ends, prepend=0))
    return first_year


def effect_path(first_year: Integers, years: Integers, rates: Sequence[float]) -> Floats:
    """Log effect (n, T) of a start in ``first_year`` (n,): zero before, then each rate, the last one lasting."""
    event_time = years[None, :] - first_year[:, None]
    started = (first_year[:, None] != NEVER) & (event_time >= 0)
    log_rates: Floats = np.log1p(np.asarray(rates))
    return np.where(started, log_rates[np.clip(event_time, 0, len(rates) - 1)], 0.0)


def persistent_shocks(rng: Generator, units: int, periods: int, deviation: float, persistence: float) -> Floats:
    """Shocks (units, periods) with the stated standard deviation and first-order serial correlation."""
    shocks = rng.normal(0.0, deviation, (units, periods))
    for period in range(1, periods):
        shocks[:, period] *= np.sqrt(1.0 - persistence**2)
        shocks[:, period] += persistence * shocks[:, period - 1]
    return shocks


def common_growth(years: Integers) -> Floats:
    """Log growth of nominal income since 2010, shared by every place (T,): 12% a year slowing to 7%."""
    yearly = np.linspace(0.12, 0.07, len(COUNTY_YEARS) - 1)
    growth: Floats = np.append(0.0, np.cumsum(yearly))[years - COUNTY_YEARS[0]]
    return growth


def income_definition(years: Integers) -> NDArray[np.str_]:
    """The definition in force each year: net income to 2012, disposable income from 2013."""
    return np.where(years < WINDOW_START, "net", "disposable")


def county_places(rng: Generator) -> pd.DataFrame:
    """100 invented counties in 10 prefectures: names, level of log income in 2010, and what goes with poverty."""
    number = np.arange(100)
    names = [f"{stem}{ending}县" for stem in "甲乙丙丁戊己庚辛壬癸" for ending in "山水川原岭坪沟湾坡塘"]
    gap = rng.normal(0.0, 0.25, 100)
    places = pd.DataFrame(
        {
            "county_code": [county_code(n) for n in range(100)],
            "county_name": names,
            "prefecture_id": [county_code(n)[:4] for n in range(100)],
            "level": np.log(4500.0) + gap,
            "population": np.rint(np.exp(rng.normal(np.log(300_000.0), 0.4, 100))).astype(np.int64),
            "distance_km": np.clip(60.0 - 60.0 * gap + rng.normal(0.0, 15.0, 100), 5.0, None).round(1),
            "base_poverty": np.clip(15.0 - 25.0 * gap + rng.normal(0.0, 2.0, 100), 1.0, None).round(1),
            "labour_share": (0.60 + 0.08 * gap + rng.normal(0.0, 0.02, 100)).round(3),
            "transfer_share": np.clip(0.20 - 0.30 * gap + rng.normal(0.0, 0.02, 100), 0.05, 0.45),
        }
    )
    merged = np.isin(number, MERGED)
    return places.assign(
        county_key=places["county_code"].mask(merged, MERGED_CODE).mask(number == RECODED, RECODED_TO),
        key_name=places["county_name"].mask(merged, MERGED_NAME),
    )


def combined(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Rows added up over ``by``: people as a sum, every other number as the mean over people."""
    numbers = [name for name in frame.select_dtypes("number").columns if name not in ("population", *by)]
    weighted = frame[by].join(frame[numbers].mul(frame["population"], axis=0))
    people = frame.groupby(by)["population"].sum()
    means = weighted.groupby(by).sum().div(people, axis=0)
    words = frame.groupby(by)[["key_name", "prefecture_id"]].first()
    return words.join(people).join(means).reset_index()


def county_rollouts(rng: Generator, keys: pd.DataFrame) -> pd.DataFrame:
    """The 99 stable counties with a first year for each programme; merged counties share one."""
    level, everywhere = keys["level"].to_numpy(), np.zeros(len(keys), dtype=np.int64)
    shares = zip(PROGRAMMES, (INDUSTRY, COUNTY_RELOCATION, COUNTY_HEALTH), strict=True)
    return keys.assign(**{name: poorest_first(rng, level, everywhere, share) for name, share in shares})


def started_in_first_village(keys: pd.DataFrame, homes: pd.DataFrame, programme: str) -> pd.DataFrame:
    """Counties in which a monitored county's first year is that of its first household, so both files agree."""
    started = homes.loc[homes[programme] != NEVER].groupby("county_code")[programme].min()
    return keys.assign(**{programme: keys["county_key"].map(started).fillna(keys[programme]).astype(np.int64)})


def county_frames(rng: Generator, places: pd.DataFrame, keys: pd.DataFrame, effects: Effects) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The harmonised and the as-published county panel; only industry moves a county's mean income."""
    years = COUNTY_YEARS
    starts = places[["county_key"]].merge(keys[["county_key", *PROGRAMMES]], on="county_key", how="left")
    break_step = np.log1p(TRANSFER_RERATING * places["transfer_share"].to_numpy())
    log_income = (
        places["level"].to_numpy()[:, None]
        + common_growth(years)
        + break_step[:, None] * (years >= WINDOW_START)
        + effect_path(starts["industry"].to_numpy(), years, effects.industry)
        + persistent_shocks(rng, len(places), len(years), 0.04, 0.4)
    )
    panel = places.loc[places.index.repeat(len(years))].reset_index(drop=True)
    panel["year"] = np.tile(years, len(places))
    panel["income"] = np.rint(np.exp(log_income)).ravel()
    panel["population"] = np.rint(panel["population"] * 0.99 ** (panel["year"] - years[0])).astype(np.int64)

    totals = combined(panel, ["county_key", "year"])
    fixed = ["distance_km", "base_poverty", "labour_share"]
    totals = totals.drop(columns=fixed).merge(keys[["county_key", *fixed]], on="county_key")
    harmonised = county_columns(totals.assign(county_name=totals["key_name"]), keys, "county_key")

    printed = panel[(panel["county_key"] != MERGED_CODE) | (panel["year"] < MERGER_YEAR)]
    recoded = (printed["county_key"] == RECODED_TO) & (printed["year"] >= RECODE_YEAR)
    printed = county_columns(printed.assign(printed=printed["county_code"].mask(recoded, RECODED_TO)), keys, "printed")
    after = harmonised[(harmonised["county_key"] == MERGED_CODE) & (harmonised["year"] >= MERGER_YEAR)]
    published = pd.concat([printed.rename(columns={"printed": "county_code"}), after.rename(columns={"county_key": "county_code"})])
    return harmonised, published.sort_values(["county_code", "year"], ignore_index=True)


def county_columns(frame: pd.DataFrame, keys: pd.DataFrame, identifier: str) -> pd.DataFrame:
    """The columns of a county file in order, rounded to the decimals in which they are written."""
    starts = keys.set_index("county_key")[list(PROGRAMMES)]
    columns = frame[[identifier, "county_name", "prefecture_id", "year"]].copy()
    columns["income"] = np.rint(frame["income"]).astype(np.int64)
    columns["income_def"] = income_definition(frame["year"].to_numpy())
    columns["population"] = frame["population"]
    for name, decimals in {"distance_km": 1, "base_poverty": 1, "labour_share": 3}.items():
        columns[name] = frame[name].round(decimals)
    for programme in PROGRAMMES:
        columns[f"{programme}_first_year"] = frame["county_key"].map(starts[programme])
    return columns.assign(data_status=STATUS)


def village_places(rng: Generator, monitored: pd.DataFrame) -> pd.DataFrame:
    """60 villages of the monitored counties with the first years of the two programmes that reach whole villages."""
    villages = monitored.loc[monitored.index.repeat(VILLAGES_A_COUNTY), ["county_key", "level"]].reset_index(drop=True)
    county = villages.index.to_numpy() // VILLAGES_A_COUNTY
    level = villages["level"].to_numpy() + rng.normal(0.0, 0.15, len(villages))
    industry = poorest_first(rng, level, county, INDUSTRY)
    # Health queues inside each industry group: every health cohort then has the same mix of industry villages, and
    # industry's effect drops out of a comparison of health cohorts (and the other way round).
    health = poorest_first(rng, level, industry, VILLAGE_HEALTH)
    number = villages.index.to_numpy() % VILLAGES_A_COUNTY + 1
    village_id = [f"{code}-{n:02d}" for code, n in zip(villages["county_key"], number, strict=True)]
    return pd.DataFrame(
        {"county_code": villages["county_key"], "village_id": village_id, "level": level, "industry": industry, "health": health}
    )


def household_homes(rng: Generator, villages: pd.DataFrame) -> pd.DataFrame:
    """3,000 households with their fixed traits; relocation queues inside each village among the registered poor."""
    homes = villages.loc[villages.index.repeat(HOUSEHOLDS_A_VILLAGE)].reset_index(drop=True)
    village = homes.index.to_numpy() // HOUSEHOLDS_A_VILLAGE
    has_labour = rng.random(len(homes)) < 0.75
    gap = rng.normal(-0.1, 0.45, len(homes)) - 0.2 * ~has_labour
    level = homes["level"].to_numpy() + gap
    registered = poorest_first(rng, level, village, REGISTERED)
    # The same number moves from every village in each year, so village programmes cannot pose as relocation.
    relocation = np.zeros(len(homes), dtype=np.int64)
    poor = registered == 1
    relocation[poor] = poorest_first(rng, level[poor], village[poor], HOUSEHOLD_RELOCATION)
    number = homes.index.to_numpy() % HOUSEHOLDS_A_VILLAGE + 1
    transfer_share = np.clip(0.17 - 0.10 * gap + rng.normal(0.0, 0.03, len(homes)), 0.05, 0.35) + 0.10 * ~has_labour
    return homes.assign(
        household_id=[f"{one}-{n:03d}" for one, n in zip(homes["village_id"], number, strict=True)],
        village=village,
        level=level,
        has_labour=has_labour,
        registered=registered,
        relocation=relocation,
        transfer_share=transfer_share,
        household_size=np.clip(rng.poisson(2.6, len(homes)) + 1, 1, 9),
    )


def relocation_effect(homes: pd.DataFrame, effects: Effects) -> Floats:
    """Log effect (households, years) of relocation on income; it lasts through wages, so labour decides its size."""
    start = homes["relocation"].to_numpy()
    able = effect_path(start, HOUSEHOLD_YEARS, effects.relocation_with_labour)
    unable = effect_path(start, HOUSEHOLD_YEARS, effects.relocation_without_labour)
    return np.where(homes["has_labour"].to_numpy()[:, None], able, unable)


def household_components(rng: Generator, homes: pd.DataFrame, effects: Effects) -> Floats:
    """Income of each household and year by source (households, years, 4), whole yuan per person per year."""
    years, able = HOUSEHOLD_YEARS, homes["has_labour"].to_numpy()[:, None]
    village_shocks = persistent_shocks(rng, int(homes["village"].max()) + 1, len(years), 0.04, 0.3)
    shocks = village_shocks[homes["village"]] + persistent_shocks(rng, len(homes), len(years), 0.12, 0.3)
    net = np.exp(homes["level"].to_numpy()[:, None] + common_growth(years) + shocks)

    transfer = np.broadcast_to(homes["transfer_share"].to_numpy()[:, None], net.shape)
    wage = np.where(able, 0.42, 0.10) + 0.01 * (years - years[0])
    business = 1.0 - wage - transfer - 0.03
    rerated = transfer * np.where(years >= WINDOW_START, 1.0 + TRANSFER_RERATING, 1.0)
    components = net[:, :, None] * np.stack([wage, business, np.full(net.shape, 0.03), rerated], axis=2)

    total = components.sum(axis=2)
    industry = effect_path(homes["industry"].to_numpy(), years, effects.industry)
    with_industry = total * np.exp(industry)
    components[:, :, 1] += 0.8 * (with_industry - total)
    components[:, :, 2] += 0.2 * (with_industry - total)
    # In the year of the move the herd is sold and the field is far; afterwards there is work for wages.
    moved = with_industry * np.expm1(relocation_effect(homes, effects))
    moving = years == homes["relocation"].to_numpy()[:, None]
    components[:, :, 1] += np.where(moving, moved, 0.0)
    components[:, :, 0] += np.where(moving, 0.0, moved)
    whole_yuan: Floats = np.rint(components)
    return whole_yuan


def bunched(rng: Generator, homes: pd.DataFrame, income: Floats) -> Floats:
    """Yuan added to incomes (households, years) that one county reports just above the line instead of just below."""
    line = np.array([LINES.get(int(year), 0) for year in HOUSEHOLD_YEARS], dtype=float)
    here = (homes["county_code"] == poorest_county(homes)).to_numpy()[:, None]
    near = here & (income < line) & (income >= BUNCHING_FROM * line)
    chosen = near & (rng.random(income.shape) < BUNCHING_SHARE)
    reported = np.ceil(line * rng.uniform(1.0, BUNCHING_TO, income.shape))
    return np.where(chosen, reported - income, 0.0)


def poorest_county(homes: pd.DataFrame) -> str:
    """The monitored county with the lowest income, where most households are near the line."""
    return str(homes.groupby("county_code")["level"].mean().idxmin())


def household_frame(rng: Generator, homes: pd.DataFrame, effects: Effects) -> tuple[pd.DataFrame, int]:
    """The household panel, and how many of its incomes were lifted over the line."""
    years = HOUSEHOLD_YEARS
    components = household_components(rng, homes, effects)
    lift = bunched(rng, homes, components.sum(axis=2))
    components[:, :, 1] += lift
    spending = (
        6.0
        + 0.06 * (years - years[0])
        + 0.3 * ~homes["has_labour"].to_numpy()[:, None]
        + rng.normal(0.0, 0.5, (len(homes), 1))
        + persistent_shocks(rng, int(homes["village"].max()) + 1, len(years), 0.08, 0.3)[homes["village"]]
        + persistent_shocks(rng, len(homes), len(years), 0.5, 0.3)
        + effect_path(homes["health"].to_numpy(), years, effects.health_out_of_pocket)
    )
    kept = ["household_id", "village_id", "county_code"]
    frame = homes.loc[homes.index.repeat(len(years)), kept].reset_index(drop=True)
    frame["year"] = np.tile(years, len(homes))
    frame["income"] = components.sum(axis=2).ravel().astype(np.int64)
    for position, component in enumerate(COMPONENTS):
        frame[component] = components[:, :, position].ravel().astype(np.int64)
    frame["income_def"] = income_definition(frame["year"].to_numpy())
    frame["out_of_pocket"] = np.maximum(np.rint(np.exp(spending)), 1.0).ravel().astype(np.int64)
    for trait in ("household_size", "has_labour", "registered"):
        frame[trait] = np.repeat(homes[trait].to_numpy().astype(np.int64), len(years))
    for programme in PROGRAMMES:
        frame[f"{programme}_first_year"] = np.repeat(homes[programme].to_numpy(), len(years))
    return frame.assign(data_status=STATUS), int((lift > 0).sum())


def planted(effect: Floats, first_year: Integers, years: Integers) -> dict[str, Any]:
    """The average of a log effect (n, T) over treated unit-periods of the window from 2013, and its path."""
    event_time = years[None, :] - first_year[:, None]
    treated = (first_year[:, None] != NEVER) & (event_time >= 0) & (years >= WINDOW_START)
    steps = np.unique(event_time[treated])
    cohorts, sizes = np.unique(first_year, return_counts=True)
    return {
        "window": [WINDOW_START, int(years[-1])],
        "average_log": round(float(effect[treated].mean()), 6),
        "average_percent": round(float(100 * np.expm1(effect[treated].mean())), 3),
        "by_event_time_log": {str(e): round(float(effect[treated & (event_time == e)].mean()), 6) for e in steps},
        "units_by_first_year": {str(year): int(size) for year, size in zip(cohorts, sizes, strict=True)},
    }


def county_truth(keys: pd.DataFrame, effects: Effects) -> dict[str, Any]:
    """Planted effects on log income of the harmonised county panel."""
    rates = {"industry": effects.industry, "relocation": (0.0,), "health": (0.0,)}
    starts = {name: keys[name].to_numpy() for name in rates}
    return {
        name: {"income": planted(effect_path(starts[name], COUNTY_YEARS, rate), starts[name], COUNTY_YEARS)}
        for name, rate in rates.items()
    }


def household_truth(homes: pd.DataFrame, effects: Effects) -> dict[str, Any]:
    """Planted effects on log income, and on log out-of-pocket spending, of the household panel."""
    industry, moved, health = (homes[name].to_numpy() for name in PROGRAMMES)
    years, able = HOUSEHOLD_YEARS, homes["has_labour"].to_numpy()
    relocation = relocation_effect(homes, effects)
    spending = effect_path(health, years, effects.health_out_of_pocket)
    return {
        "industry": {"income": planted(effect_path(industry, years, effects.industry), industry, years)},
        "relocation": {
            "income": planted(relocation, moved, years),
            "income_with_labour": planted(relocation[able], moved[able], years),
            "income_without_labour": planted(relocation[~able], moved[~able], years),
            "channel": "business in the year of the move, wage afterwards",
        },
        "health": {
            "income": planted(np.zeros_like(spending), health, years),
            "out_of_pocket": planted(spending, health, years),
        },
    }


def problems(keys: pd.DataFrame, homes: pd.DataFrame, lifted: int) -> dict[str, Any]:
    """Where each problem is planted: which county, which year, which line."""
    step = 100 * TRANSFER_RERATING * keys["transfer_share"]
    moved = homes[homes["relocation"] != NEVER]
    return {
        "definition_break": {
            "year": WINDOW_START,
            "mean_step_percent": round(float(step.mean()), 2),
            "step_percent_by_industry_first_year": {
                str(year): round(float(part.mean()), 2) for year, part in step.groupby(keys["industry"])
            },
        },
        "bunching": {
            "county_code": poorest_county(homes),
            "line_yuan_by_year": {str(year): line for year, line in LINES.items()},
            "share_lifted": BUNCHING_SHARE,
            "from_share_of_line": BUNCHING_FROM,
            "to_share_of_line": BUNCHING_TO,
            "records_lifted": lifted,
        },
        "recode": {"year": RECODE_YEAR, "from": county_code(RECODED), "to": RECODED_TO},
        "merger": {"year": MERGER_YEAR, "from": [county_code(n) for n in MERGED], "to": MERGED_CODE, "to_name": MERGED_NAME},
        "overlap": {
            "share_of_relocated_in_industry_villages": round(float((moved["industry"] != NEVER).mean()), 4),
            "share_of_relocated_in_health_villages": round(float((moved["health"] != NEVER).mean()), 4),
        },
    }
