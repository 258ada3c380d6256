"""Two schedules of poverty lines, their sources, and who is below each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import SHARED

from evalkit.codes import table
from evalkit.intake.observations import IntakeError
from evalkit.intake.poverty_lines import below_line, known_lines, poverty_line, schedule_name
from evalkit.words import LANGUAGES

HEAD = "schedule,year,value,source,verified\n"
SICHUAN = HEAD + "registry_sichuan,2016,3100,bulletin,secondary\nregistry_sichuan,2017,3300,bulletin,yes\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str) -> Path:
        path = tmp_path / "lines.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def refused(action: Any, *codes: str) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        action()
    assert [problem.code for problem in caught.value.problems] == list(codes)
    for lang in LANGUAGES:
        assert not re.search(r"[{}]", caught.value.say(lang))
    return caught.value


# The lines


def test_the_two_schedules_agree_in_2014_and_part_afterwards() -> None:
    statistical, registry = (poverty_line(name, range(2014, 2020)) for name in ("statistical", "registry"))
    assert statistical.values[0] == registry.values[0] == 2800
    assert (registry.values[1:] > statistical.values[1:]).all()


def test_the_registry_line_rises_by_about_six_per_cent_a_year() -> None:
    growth = np.diff(np.log(poverty_line("registry", range(2014, 2021)).values))
    assert (np.abs(growth - np.log(1.06)) < 0.01).all()  # 4,000 in 2020 is a rounded figure


def test_lines_come_in_the_order_they_were_asked_for() -> None:
    line = poverty_line("statistical", [2016, 2011, 2016])
    assert line.years.tolist() == [2016, 2011, 2016] and line.values.tolist() == [2952, 2536, 2952]
    assert line.verified == ("secondary",) * 3 and all("Yunnan" in source for source in line.sources)


def test_a_year_without_a_line_is_refused_and_the_covered_years_are_told() -> None:
    error = refused(lambda: poverty_line("registry", [2012, 2013, 2014]), "POVERTY_LINE_YEARS")
    assert "2012–2013" in str(error) and "2014–2020" in error.say("zh")
    assert "statistical" in str(refused(lambda: poverty_line("statistcal", [2014]), "POVERTY_LINE_SCHEDULE"))


def test_unverified_years_are_told_in_both_languages() -> None:
    line = poverty_line("statistical", [2010, 2016, 2017, 2018])
    zh, en = line.cautions("zh"), line.cautions("en")
    assert zh[0] == "统计用贫困标准2010、2017—2018年的数值尚未与原始出版物核对，引用结果前请先确认。" and "2016" in zh[1]
    assert en[0].startswith("The statistical poverty line for 2010, 2017–2018 has not yet been checked") and "2016" in en[1]


def test_a_line_read_in_the_publication_needs_no_caution(write: Any) -> None:
    path = write(SICHUAN)
    assert poverty_line("registry_sichuan", [2017], path).cautions("zh") == ()
    (said,) = poverty_line("registry_sichuan", [2016, 2017], path).cautions("en")
    assert "registry_sichuan" in said and "2016" in said and "2017" not in said


def test_no_shipped_line_claims_to_be_verified() -> None:
    assert set(known_lines()["verified"]) == {"secondary", "no"}
    assert len(known_lines()) == len(table("poverty_lines"))


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the folder of real data is not there: set EVALKIT_REFERENCE")
def test_the_statistical_line_is_the_recorded_series() -> None:
    real = pd.read_csv(SHARED / "real" / "national_poverty_series.csv")
    series = real[(real["series"] == "poverty_line") & (real["year"] < 2020)].set_index("year")["value"]  # 2020 is the registry's
    assert poverty_line("statistical", series.index).values.tolist() == series.tolist()


# Provincial lines


def test_provincial_lines_stand_beside_the_shipped_ones(write: Any) -> None:
    path = write(SICHUAN)
    assert poverty_line("registry_sichuan", [2016, 2017], path).values.tolist() == [3100, 3300]
    assert poverty_line("registry", [2016], path).values.tolist() == [3146]


def test_a_shipped_line_is_never_overruled_in_silence(write: Any) -> None:
    error = refused(lambda: known_lines(write(HEAD + "registry,2013,2600,x,no\nregistry,2016,3100,x,no\n")), "POVERTY_LINE_SHIPPED")
    assert error.problems[0].count == 1 and error.problems[0].places[0].line == 3


def test_faults_of_a_users_table_are_told_together(write: Any) -> None:
    rows = "a,2016,0.31,x,no\na,2017,about 3300,x,no\nb,2016,3100,x,no\nb,2016,3100,x,no\n"
    codes = ("TABLE_NUMBER", "POVERTY_LINE_IMPLAUSIBLE", "POVERTY_LINE_TWICE")
    error = refused(lambda: known_lines(write(HEAD + rows)), *codes)
    assert [problem.places[0].line for problem in error.problems] == [3, 2, 4]


# Who is below


def test_the_share_below_by_hand() -> None:
    found = below_line(np.array([2799.99, 2800, 2801, np.nan]), np.full(4, 2014)).table
    assert found["schedule"].tolist() == ["statistical", "registry"]
    for row in found.to_dict("records"):
        # The line itself is not below the line; a missing income is nobody's.
        assert (row["rows"], row["missing"], row["people"], row["below"], row["share"]) == (3, 1, 3, 1, 1 / 3)


def test_weights_count_people() -> None:
    found = below_line(np.array([2000.0, 4000]), np.array([2016, 2016]), np.array([3.0, 1.0])).table
    assert found["share"].tolist() == [0.75, 0.75] and found["people"].tolist() == [4, 4]


def test_equal_weights_change_no_share_and_the_order_of_rows_none() -> None:
    income, year = np.linspace(1500, 4500, 60), np.resize([2014, 2015, 2016, 2017], 60)
    plain = below_line(income, year).table
    np.testing.assert_allclose(below_line(income, year, np.full(60, 7.5)).table["share"], plain["share"])
    order = np.argsort(np.sin(np.arange(60)))
    pd.testing.assert_frame_equal(below_line(income[order], year[order]).table, plain)


def test_a_higher_line_never_has_fewer_people_below() -> None:
    found = below_line(np.linspace(2500, 4200, 400), np.resize(np.arange(2014, 2020), 400)).table
    shares = found.pivot_table(index="year", columns="schedule", values="share")
    assert (shares["registry"] >= shares["statistical"]).all() and shares.loc[2019, "registry"] > shares.loc[2019, "statistical"]


def test_years_without_a_line_are_named_and_not_guessed() -> None:
    found = below_line(np.array([2000.0] * 4), np.array([2012, 2014, 2020, 2021]))
    assert found.without_line == {"statistical": (2020, 2021), "registry": (2012, 2021)}
    assert list(zip(found.table["schedule"], found.table["year"], strict=True)) == [
        ("statistical", 2012),
        ("statistical", 2014),
        ("registry", 2014),
        ("registry", 2020),
    ]
    assert not found.table.isna().any(axis=None)


def test_a_year_in_which_nobody_has_an_income_has_no_share() -> None:
    found = below_line(np.array([2000.0, np.nan, 2000]), np.array([2014, 2015, 2016]), np.array([1.0, 1, 0]))
    assert found.without_income == (2015, 2016) and set(found.table["year"]) == {2014}


def test_a_provincial_line_can_be_compared_with_as_well(write: Any) -> None:
    schedules = ("statistical", "registry", "registry_sichuan")
    found = below_line(np.array([3120.0, 2000]), np.array([2016, 2016]), schedules=schedules, extra=write(SICHUAN)).table
    assert dict(zip(found["schedule"], found["share"], strict=True)) == {"statistical": 0.5, "registry": 1, "registry_sichuan": 0.5}


def test_what_cannot_be_compared_is_refused() -> None:
    income, year = np.array([2000.0, 3000]), np.array([2014, 2015])
    assert "2, 2, 1" in str(refused(lambda: below_line(income, year, np.ones(1)), "POVERTY_LINE_LENGTHS"))
    for weights in ([1, -1], [1, np.nan], [1, np.inf]):
        assert refused(lambda w=weights: below_line(income, year, np.array(w)), "POVERTY_LINE_WEIGHTS").problems[0].count == 1
    refused(lambda: below_line(income, np.array([2014, np.nan])), "YEAR_NOT_READABLE")
    refused(lambda: below_line(income, year, schedules=("absolute",)), "POVERTY_LINE_SCHEDULE")


def test_no_rows_give_no_shares() -> None:
    found = below_line(np.zeros(0), np.zeros(0, dtype=int))
    assert found.table.empty and found.without_line == {} and found.without_income == ()


def test_each_schedule_has_a_name_in_both_languages() -> None:
    assert [schedule_name("statistical", lang) for lang in ("zh", "en")] == ["统计用贫困标准", "statistical poverty line"]
    assert schedule_name("registry_sichuan", "en") == "line registry_sichuan"
