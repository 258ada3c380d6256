"""The simulated world is what its truth file says it is."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.demo import write_demo
from evalkit.simulate import Effects, World, province

DEMO = Path(__file__).parents[1] / "data" / "demo"
AS_RECEIVED = {f"as_received/{name}" for name in ("county_yearbook.csv", "events.csv", "intake.yml")}
FILES = {
    "README.md",
    "counties.csv",
    "counties_as_published.csv",
    "county_history.csv",
    "households.csv.gz",
    "truth.json",
    *AS_RECEIVED,
}
NOTHING = Effects((0.0,), (0.0,), (0.0,), (0.0,))


@pytest.fixture(scope="module")
def world() -> World:
    return province()


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "county_yearbook.csv":
        return content.decode("gb18030").encode()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def logs(numbers: pd.Series) -> pd.Series:
    return pd.Series(np.log(numbers), index=numbers.index)


def mean_log_income(panel: pd.DataFrame, programme: str, years: list[int]) -> pd.Series:
    rows = panel[panel["year"].isin(years)]
    return logs(rows["income"]).groupby(rows[f"{programme}_first_year"]).mean()


def two_way_effect(panel: pd.DataFrame, from_year: int) -> float:
    rows = panel[panel["year"] >= from_year]
    treated = (rows["industry_first_year"] > 0) & (rows["year"] >= rows["industry_first_year"])

    def within(column: pd.Series) -> pd.Series:
        wide = column.groupby([rows["county_key"], rows["year"]]).first().unstack()
        return pd.Series((wide.sub(wide.mean(axis=1), axis=0) - wide.mean() + wide.to_numpy().mean()).stack())

    d, y = within(treated.astype(float)), within(logs(rows["income"]))
    return float((d * y).sum() / (d * d).sum())


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    write_demo(tmp_path / "first")
    write_demo(tmp_path / "second")
    assert {path.relative_to(tmp_path / "first").as_posix() for path in (tmp_path / "first").rglob("*.*")} == FILES
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_the_shipped_files_are_what_the_program_writes(tmp_path: Path) -> None:
    # Compared after unpacking, because compressors of different systems pack the same bytes differently.
    write_demo(tmp_path)
    assert {path.relative_to(DEMO).as_posix() for path in DEMO.rglob("*") if path.is_file()} == FILES
    for name in FILES:
        assert unpacked(tmp_path / name) == unpacked(DEMO / name), name


def test_the_compressed_file_carries_no_time_and_no_file_name() -> None:
    header = (DEMO / "households.csv.gz").read_bytes()[:10]
    assert header[3:8] == bytes(5)


def test_a_different_seed_gives_different_data(world: World) -> None:
    other = province(seed=1)
    assert not world.counties["income"].equals(other.counties["income"])
    assert not world.households["income"].equals(other.households["income"])


def test_the_shipped_files_stay_under_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*.*")) < 3_000_000


def test_every_file_and_every_row_says_simulated(world: World) -> None:
    for frame in (world.counties, world.counties_as_published, world.households):
        assert set(frame["data_status"]) == {"模拟数据 simulated"}
    for path in DEMO.rglob("*.*"):
        head = unpacked(path).decode()[:600]
        assert {"模拟数据", "simulated"} == {word for word in ("模拟数据", "simulated") if word in head}, path.name


def test_the_truth_file_can_be_read_back(world: World) -> None:
    assert json.loads((DEMO / "truth.json").read_text(encoding="utf-8")) == world.truth


def test_the_four_sources_add_exactly_to_income(world: World) -> None:
    homes = world.households
    assert (homes[["wage", "business", "property", "transfer"]].sum(axis=1) == homes["income"]).all()
    assert (homes[["wage", "business", "property", "transfer", "out_of_pocket"]] > 0).all(axis=None)


def test_there_are_99_counties_6_monitored_60_villages_and_3000_households(world: World) -> None:
    homes = world.households
    assert world.counties.groupby("county_key")["year"].count().eq(13).all()
    assert world.counties["county_key"].nunique() == 99
    assert homes[["county_code", "village_id", "household_id"]].nunique().tolist() == [6, 60, 3000]
    assert not homes.duplicated(["household_id", "year"]).any()
    assert set(homes["county_code"]) <= set(world.counties["county_key"])


def test_county_codes_lie_in_no_real_province(world: World) -> None:
    assert world.counties["county_key"].str.fullmatch(r"99\d{4}").all()
    assert world.counties_as_published["county_code"].str.fullmatch(r"99\d{4}").all()


@pytest.mark.parametrize(
    ("level", "programme"),
    [
        ("counties", "industry"),
        ("counties", "relocation"),
        ("counties", "health"),
        ("households", "industry"),
        ("households", "relocation"),
        ("households", "health"),
    ],
)
def test_the_poorest_are_treated_first(world: World, level: str, programme: str) -> None:
    by_cohort = mean_log_income(getattr(world, level), programme, [2013])
    never, first = by_cohort[0], by_cohort.drop(0).iloc[0]
    assert first < never - 0.1
    assert by_cohort.drop(0).mean() < never


def test_no_programme_starts_before_two_clean_years_and_some_never_do(world: World) -> None:
    for panel in (world.counties, world.households):
        for programme in ("industry", "relocation", "health"):
            starts = panel[f"{programme}_first_year"]
            assert starts[starts > 0].min() >= 2015
            assert starts[starts > 0].nunique() == 3
            assert (starts == 0).mean() >= 0.25


def test_a_county_starts_no_later_than_its_first_household(world: World) -> None:
    for programme in ("industry", "relocation", "health"):
        column = f"{programme}_first_year"
        homes = world.households[world.households[column] > 0].groupby("county_code")[column].min()
        county = world.counties.groupby("county_key")[column].first()
        assert (homes == county[homes.index]).all()


def test_many_relocated_households_live_in_industry_villages(world: World) -> None:
    moved = world.households[world.households["relocation_first_year"] > 0]
    share, truth = (moved["industry_first_year"] > 0).mean(), world.truth["problems"]["overlap"]
    assert share > 0.5
    assert share == pytest.approx(truth["share_of_relocated_in_industry_villages"], abs=1e-4)


def test_every_health_cohort_has_the_same_mix_of_industry_villages(world: World) -> None:
    villages = world.households.drop_duplicates("village_id")
    mix = pd.crosstab(villages["health_first_year"], villages["industry_first_year"], normalize="index")
    assert mix.nunique().eq(1).all()


def test_every_village_sends_the_same_share_to_each_relocation_cohort(world: World) -> None:
    homes = world.households.drop_duplicates("household_id")
    assert pd.crosstab(homes["village_id"], homes["relocation_first_year"]).nunique().eq(1).all()
    assert (homes.loc[homes["relocation_first_year"] > 0, "registered"] == 1).all()


def test_the_planted_effect_is_the_only_difference_from_a_world_without_programmes(world: World) -> None:
    # Whole yuan on incomes of a few thousand leave 1e-5 after averaging; lifted incomes add up to 1e-3 to households.
    without = province(effects=NOTHING)
    for level, programme, outcome, tolerance in [
        ("counties", "industry", "income", 2e-5),
        ("households", "health", "out_of_pocket", 5e-4),
    ]:
        panel, plain = getattr(world, level), getattr(without, level)
        start = panel[f"{programme}_first_year"]
        treated = (start > 0) & (panel["year"] >= start)
        effect = logs(panel[outcome] / plain[outcome])
        truth = world.truth["county" if level == "counties" else "household"][programme][outcome]
        assert effect[treated].mean() == pytest.approx(truth["average_log"], abs=tolerance)
        assert effect[~treated].abs().max() == 0

    homes, plain = world.households, without.households
    only_moved = (homes["relocation_first_year"] > 0) & (homes["industry_first_year"] == 0)
    ratio = logs(homes["income"] / plain["income"])[only_moved]
    event_time = (homes["year"] - homes["relocation_first_year"])[only_moved]
    assert abs(ratio[event_time < 0].mean()) < 1e-3
    assert ratio[event_time == 0].mean() == pytest.approx(np.log(0.97), abs=2e-3)
    wages = (homes["wage"] - plain["wage"])[only_moved]
    assert wages[event_time <= 0].eq(0).all()
    assert wages[event_time > 0].gt(0).all()


def test_relocation_costs_three_per_cent_and_then_brings_about_nine(world: World) -> None:
    path = world.truth["household"]["relocation"]["income"]["by_event_time_log"]
    assert np.expm1(path["0"]) == pytest.approx(-0.03, abs=1e-4)
    assert np.expm1(path["1"]) == pytest.approx(0.09, abs=0.01)


def test_income_is_net_to_2012_and_disposable_from_2013(world: World) -> None:
    for panel in (world.counties, world.counties_as_published, world.households):
        assert set(panel.loc[panel["year"] <= 2012, "income_def"]) == {"net"}
        assert set(panel.loc[panel["year"] >= 2013, "income_def"]) == {"disposable"}


def test_the_new_definition_counts_transfers_thirty_per_cent_higher_and_so_lifts_the_poor_most(world: World) -> None:
    homes = world.households.set_index(["household_id", "year"])
    per_other_yuan = (homes["transfer"] / (homes["income"] - homes["transfer"])).unstack()
    assert (per_other_yuan[2013] / per_other_yuan[2012]).median() == pytest.approx(1.3, abs=1e-3)
    assert (per_other_yuan[2012] / per_other_yuan[2011]).median() == pytest.approx(1.0, abs=1e-3)

    growth = logs(world.counties["income"]).groupby([world.counties["county_key"], world.counties["year"]]).mean()
    growth = growth.unstack().diff(axis=1).mean()
    plant = world.truth["problems"]["definition_break"]
    assert 0.03 < growth[2013] - growth[[2012, 2014]].mean() < 0.09
    assert plant["mean_step_percent"] == pytest.approx(6.0, abs=0.7)
    assert plant["step_percent_by_industry_first_year"]["2016"] > plant["step_percent_by_industry_first_year"]["0"] + 1


def test_a_window_across_2013_shows_an_effect_where_there_is_none() -> None:
    worlds = [province(seed=seed, effects=NOTHING).counties for seed in range(8)]
    across = np.array([two_way_effect(counties, 2010) for counties in worlds])
    after = np.array([two_way_effect(counties, 2013) for counties in worlds])
    assert across.mean() > 0.008
    assert abs(after.mean()) < 2.5 * after.std(ddof=1) / np.sqrt(len(after))
    assert across.mean() > 3 * abs(after.mean())


def test_incomes_of_one_county_crowd_just_above_the_line_and_nowhere_else(world: World) -> None:
    plant = world.truth["problems"]["bunching"]
    line = world.households["year"].astype(str).map(plant["line_yuan_by_year"])
    ratio = world.households["income"] / line
    here = world.households["county_code"] == plant["county_code"]
    above, below = ratio.between(1.0, 1.05), ratio.between(0.90, 1.0, inclusive="left")
    assert (above & here).sum() > 2 * (below & here).sum()
    assert (above & ~here).sum() < (below & ~here).sum()
    assert plant["records_lifted"] >= 40


def test_one_county_changes_its_code_and_keeps_its_name(world: World) -> None:
    plant, printed = world.truth["problems"]["recode"], world.counties_as_published
    old, new = (printed[printed["county_code"] == plant[side]] for side in ("from", "to"))
    assert old["year"].tolist() == list(range(2010, plant["year"]))
    assert new["year"].tolist() == list(range(plant["year"], 2023))
    assert set(old["county_name"]) == set(new["county_name"])
    whole = world.counties[world.counties["county_key"] == plant["to"]]
    assert whole["income"].tolist() == [*old["income"], *new["income"]]


def test_two_counties_merge_and_the_harmonised_file_adds_them_by_population(world: World) -> None:
    plant, printed = world.truth["problems"]["merger"], world.counties_as_published
    parts = printed[printed["county_code"].isin(plant["from"])]
    merged = printed[printed["county_code"] == plant["to"]]
    whole = world.counties[world.counties["county_key"] == plant["to"]].set_index("year")
    assert parts["year"].max() == plant["year"] - 1
    assert len(parts) == 2 * (plant["year"] - 2010)
    assert merged["year"].min() == plant["year"]
    assert printed.groupby("year").size().tolist() == [100] * 8 + [99] * 5
    people = parts.groupby("year")["population"].sum()
    income = (parts["income"] * parts["population"]).groupby(parts["year"]).sum() / people
    assert (whole.loc[people.index, "population"] == people).all()
    assert (whole.loc[people.index, "income"] - income).abs().max() <= 0.5  # whole yuan
    assert merged["income"].tolist() == whole.loc[plant["year"] :, "income"].tolist()
    assert parts["industry_first_year"].nunique() == 1
