"""Money of different years becomes money of one year: invariances, hand arithmetic, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import SHARED

from evalkit.codes import table
from evalkit.intake.dated_tables import dated_table, said_years
from evalkit.intake.observations import IntakeError
from evalkit.intake.prices import NATIONAL, PriceIndex, deflate, nominal, price_basis, province_name
from evalkit.words import LANGUAGES, WordsError, catalogue, placeholders

HEAD = "area,year,index,source,verified\n"
# Province 51: +10% in 2012, +20% in 2013, -10% in 2014. Province 52: +5% each year. The country: +2% each year.
TWO = HEAD + "".join(
    f"{area},{year},{index},yearbook,yes\n"
    for area, indices in {"51": (110, 120, 90), "520000": (105, 105, 105), "00": (102, 102, 102)}.items()
    for year, index in zip((2012, 2013, 2014), indices, strict=True)
)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str, name: str = "index.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return written


@pytest.fixture
def two(write: Any) -> PriceIndex:
    return PriceIndex.read(write(TWO), "cpi")


@pytest.fixture
def panel() -> pd.DataFrame:
    years = [2011, 2012, 2013, 2014]
    return pd.DataFrame(
        {
            "code": ["510922"] * 4 + ["520123"] * 4,
            "year": years * 2,
            "income": [1000.0, 1100, 1320, 1188, 2000, 2100, 2205, 2315.25],
        }
    )


def refused(action: Any, *codes: str) -> IntakeError:
    """Return the error of an action, with exactly these codes, and said in both languages."""
    with pytest.raises(IntakeError) as caught:
        action()
    assert [problem.code for problem in caught.value.problems] == list(codes)
    for lang in LANGUAGES:
        assert not re.search(r"[{}]", caught.value.say(lang))
    return caught.value


# Hand arithmetic


def test_two_years_of_inflation_are_chained_by_hand(panel: pd.DataFrame, two: PriceIndex) -> None:
    real = deflate(panel, ["income"], two, 2011, period="year", area="code")
    # 1.10, 1.10 * 1.20 and 1.10 * 1.20 * 0.90 times the prices of 2011.
    np.testing.assert_allclose(real.factors[:4], [1, 1 / 1.1, 1 / 1.32, 1 / 1.188], rtol=1e-15)
    np.testing.assert_allclose(real.frame["income"], [1000] * 4 + [2000] * 4, rtol=1e-12)


def test_earlier_money_grows_towards_a_later_base_year(panel: pd.DataFrame, two: PriceIndex) -> None:
    real = deflate(panel, ["income"], two, 2013, period="year", area="code")
    np.testing.assert_allclose(real.factors[:4], [1.32, 1.2, 1, 1 / 0.9], rtol=1e-15)


def test_the_national_index_serves_when_no_area_is_named(panel: pd.DataFrame, two: PriceIndex) -> None:
    real = deflate(panel, ["income"], two, 2012, period="year")
    np.testing.assert_allclose(real.factors, [1.02, 1, 1 / 1.02, 1 / 1.02**2] * 2, rtol=1e-15)


def test_a_mean_income_of_6040_yuan_in_2017_is_5674_yuan_in_prices_of_2013() -> None:
    frame = pd.DataFrame({"year": [2013, 2017], "income": [2350.0, 6040.0]})
    real = deflate(frame, ["income"], PriceIndex.shipped(), 2013, period="year").frame["income"]
    np.testing.assert_allclose(real, [2350, 6040 / (1.018 * 1.013 * 1.019 * 1.013)], rtol=1e-12)
    assert round(real[1]) == 5674


# Invariances


@pytest.mark.parametrize("first", [2011, 2012, 2014])
@pytest.mark.parametrize("second", [2011, 2013, 2014])
def test_deflating_to_one_year_and_then_to_another_equals_deflating_to_the_other(
    panel: pd.DataFrame, two: PriceIndex, first: int, second: int
) -> None:
    once = deflate(panel, ["income"], two, first, period="year", area="code").frame
    again = deflate(once.assign(year=first), ["income"], two, second, period="year", area="code").frame
    at_once = deflate(panel, ["income"], two, second, period="year", area="code").frame
    np.testing.assert_allclose(again["income"], at_once["income"], rtol=1e-13)


def test_constant_prices_leave_numbers_alone(panel: pd.DataFrame, write: Any) -> None:
    flat = PriceIndex.read(write(HEAD + "".join(f"00,{year},100,made up,yes\n" for year in range(2012, 2015))))
    pd.testing.assert_frame_equal(deflate(panel, ["income"], flat, 2013, period="year").frame, panel)


def test_real_growth_does_not_depend_on_the_base_year(panel: pd.DataFrame, two: PriceIndex) -> None:
    growth = [
        deflate(panel, ["income"], two, base, period="year", area="code").frame.groupby("code")["income"].pct_change().to_numpy()
        for base in (2011, 2012, 2013, 2014)
    ]
    for other in growth[1:]:
        np.testing.assert_allclose(other, growth[0], rtol=1e-9, atol=1e-12)


def test_the_order_of_rows_does_not_matter(panel: pd.DataFrame, two: PriceIndex) -> None:
    mixed = panel.sample(frac=1, random_state=3)
    real = deflate(mixed, ["income"], two, 2013, period="year", area="code").frame
    pd.testing.assert_frame_equal(real.sort_index(), deflate(panel, ["income"], two, 2013, period="year", area="code").frame)


def test_only_the_named_columns_change_and_the_frame_of_the_caller_stays(panel: pd.DataFrame, two: PriceIndex) -> None:
    panel = panel.assign(people=3, wage=panel["income"] / 2)
    before = panel.copy()
    real = deflate(panel, ["income", "wage"], two, 2012, period="year", area="code").frame
    pd.testing.assert_frame_equal(panel, before)
    pd.testing.assert_frame_equal(real.drop(columns=["income", "wage"]), before.drop(columns=["income", "wage"]))
    np.testing.assert_allclose(real["wage"], real["income"] / 2, rtol=1e-15)


def test_components_still_add_up_in_real_terms(panel: pd.DataFrame, two: PriceIndex) -> None:
    panel = panel.assign(wage=panel["income"] * 0.3, rest=panel["income"] * 0.7)
    real = deflate(panel, ["income", "wage", "rest"], two, 2014, period="year", area="code").frame
    np.testing.assert_allclose(real["wage"] + real["rest"], real["income"], rtol=1e-14)


def test_missing_money_stays_missing(two: PriceIndex) -> None:
    frame = pd.DataFrame({"year": [2012, 2013], "income": pd.array([None, 204.0], dtype="Float64")})
    real = deflate(frame, ["income"], two, 2012, period="year").frame["income"]
    assert np.isnan(real[0]) and real[1] == pytest.approx(200)


@given(
    indices=st.lists(st.floats(85, 125), min_size=4, max_size=12),
    bases=st.tuples(st.integers(0, 11), st.integers(0, 11)),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_index_the_base_year_moves_all_incomes_of_an_area_by_one_factor(
    indices: list[float], bases: tuple[int, int]
) -> None:
    years = np.arange(2001, 2001 + len(indices))
    rows = {"area": NATIONAL, "year": years, "index": indices, "source": "made up", "verified": "yes"}
    index = PriceIndex(pd.DataFrame(rows))
    frame = pd.DataFrame({"year": [2000, *years], "income": np.linspace(1000, 3000, len(years) + 1)})
    one, other = (deflate(frame, ["income"], index, 2000 + b % (len(years) + 1), period="year").frame["income"] for b in bases)
    np.testing.assert_allclose(one / other, (one / other).iloc[0], rtol=1e-12)


# Codes and years as they come


@pytest.mark.parametrize("code", ["51", "510000", "510922", "510922001000", 510922, 510922.0])
def test_a_code_of_any_length_leads_to_its_province(code: object, two: PriceIndex) -> None:
    frame = pd.DataFrame({"code": [code], "year": [2012], "income": [110.0]})
    assert deflate(frame, ["income"], two, 2011, period="year", area="code").frame["income"][0] == pytest.approx(100)


@pytest.mark.parametrize("years", [["2012", "2013"], [2012.0, 2013.0], pd.to_datetime(["2012-12-31", "2013-12-31"])])
def test_years_may_be_text_or_dates(years: Any, two: PriceIndex) -> None:
    frame = pd.DataFrame({"year": years, "income": [100.0, 102.0]})
    assert deflate(frame, ["income"], two, 2012, period="year").frame["income"].tolist() == pytest.approx([100, 100])


def test_a_national_row_whose_zero_a_spreadsheet_ate_is_still_national(write: Any) -> None:
    assert PriceIndex.read(write(HEAD + "0,2012,102,yearbook,yes\n")).span(NATIONAL) == (2012, 2012)


def test_the_year_before_the_first_index_can_be_the_base_year(panel: pd.DataFrame, two: PriceIndex) -> None:
    assert deflate(panel, ["income"], two, 2011, period="year", area="code").factors[0] == 1
    refused(lambda: deflate(panel, ["income"], two, 2010, period="year", area="code"), "PRICE_BASE_YEAR")


def test_an_empty_frame_stays_empty(panel: pd.DataFrame, two: PriceIndex) -> None:
    assert len(deflate(panel.iloc[:0], ["income"], two, 2012, period="year", area="code").frame) == 0


# What a reader must know


def test_a_missing_province_is_named_and_the_national_index_only_taken_when_asked_for(panel: pd.DataFrame, write: Any) -> None:
    lines = [line for line in TWO.splitlines() if not line.startswith("52") or "2012" in line]
    gappy = PriceIndex.read(write("\n".join(lines)))
    error = refused(lambda: deflate(panel, ["income"], gappy, 2012, period="year", area="code"), "PRICE_INDEX_MISSING")
    assert "52: 2013–2014" in str(error) and "51" not in str(error).split("missing")[-1] and "fallback: national" in error.say("zh")
    real = deflate(panel, ["income"], gappy, 2012, period="year", area="code", fallback="national")
    np.testing.assert_allclose(real.factors[4:], [1.05, 1, 1 / 1.02, 1 / 1.02**2], rtol=1e-15)
    assert [(notice.code, notice.facts) for notice in real.notices] == [
        ("PRICE_INDEX_NATIONAL", {"provinces": {"52": [2013, 2014]}})
    ]


def test_the_national_index_cannot_fill_years_it_lacks_itself(panel: pd.DataFrame, two: PriceIndex) -> None:
    longer = pd.concat([panel, panel.assign(year=panel["year"] + 4)])
    error = refused(
        lambda: deflate(longer, ["income"], two, 2012, period="year", area="code", fallback="national"), "PRICE_INDEX_MISSING"
    )
    assert error.problems[0].count == 8 and "51: 2015–2018; 52: 2015–2018" in str(error)


def test_no_province_is_borrowed_from_in_silence(panel: pd.DataFrame, two: PriceIndex) -> None:
    elsewhere = panel.assign(code="990101")
    refused(lambda: deflate(elsewhere, ["income"], two, 2012, period="year", area="code"), "PRICE_INDEX_MISSING")
    real = deflate(elsewhere, ["income"], two, 2012, period="year", area="code", fallback="national")
    np.testing.assert_array_equal(real.factors, deflate(panel, ["income"], two, 2012, period="year").factors)


def test_unverified_indices_are_told_only_where_they_are_used() -> None:
    frame = pd.DataFrame({"year": [2014, 2015, 2016], "income": [1.0, 1, 1]})
    (notice,) = deflate(frame, ["income"], PriceIndex.shipped(), 2014, period="year").notices
    assert notice.code == "PRICE_INDEX_UNVERIFIED"
    assert notice.facts == {"unverified": 2, "used": 2, "years": [2015, 2016]}
    assert deflate(frame.iloc[:1], ["income"], PriceIndex.shipped(), 2014, period="year").notices == ()


def test_every_caption_says_its_price_basis(panel: pd.DataFrame, two: PriceIndex) -> None:
    real = deflate(panel.iloc[:4], ["income"], PriceIndex.shipped(), 2012, period="year")
    assert real.basis("zh") == "2012年价格（按农村居民消费价格指数折算）"
    assert real.basis("en") == "2012 prices (deflated by the rural consumer price index)"
    assert deflate(panel, ["income"], two, 2013, period="year").basis("zh") == "2013年价格（按居民消费价格指数折算）"
    assert nominal(panel).basis("zh") == price_basis("zh") == "名义值，未扣除物价"
    assert nominal(panel).basis("en") == "nominal prices, not deflated"
    assert [notice.code for notice in nominal(panel).notices] == ["NOMINAL"] and nominal(panel).frame is panel


def test_an_index_of_an_unknown_kind_has_no_words_and_is_refused(write: Any) -> None:
    with pytest.raises(WordsError, match="rural_cpi"):
        PriceIndex.read(write(TWO), "rural_cp")  # type: ignore[arg-type]


# What is refused


@pytest.mark.parametrize("index", ["1.02", "79.9", "130.1", "652.8"])
def test_an_index_on_another_base_is_refused_with_its_line(index: str, write: Any) -> None:
    path = write("# rural prices\n" + HEAD + f"00,2012,80,yearbook,yes\n\n00,2013,130,yearbook,yes\n00,2014,{index},yearbook,yes\n")
    (problem,) = refused(lambda: PriceIndex.read(path), "PRICE_INDEX_IMPLAUSIBLE").problems
    assert [(place.line, place.column, place.value) for place in problem.places] == [(6, "index", index)]


def test_every_fault_of_an_index_file_is_told_at_once(write: Any) -> None:
    rows = [
        "四川,2012,101,yearbook,yes",
        "51,20l3,101,yearbook,yes",
        "51,2014,—,yearbook,yes",
        "51,2015,1.01,yearbook,yes",
        "51,2016,101,yearbook,yes",
        "510000,2016,102,yearbook,yes",
        "51,2017,101,yearbook,perhaps",
    ]
    codes = (
        "TABLE_KEY",
        "TABLE_YEAR",
        "TABLE_NUMBER",
        "PRICE_INDEX_IMPLAUSIBLE",
        "PRICE_INDEX_TWICE",
        "TABLE_VERIFIED",
    )
    error = refused(lambda: PriceIndex.read(write(HEAD + "\n".join(rows))), *codes)
    assert [problem.places[0].line for problem in error.problems] == [2, 3, 4, 5, 6, 8]
    assert error.problems[4].count == 2


def test_files_that_are_no_index_are_refused_one_by_one(write: Any, tmp_path: Path) -> None:
    write(TWO)
    assert "index.csv" in str(refused(lambda: PriceIndex.read(tmp_path / "indx.csv"), "TABLE_MISSING"))
    refused(lambda: PriceIndex.read(tmp_path), "TABLE_MISSING")
    refused(lambda: PriceIndex.read(write("", "empty.csv")), "TABLE_UNREADABLE")
    refused(lambda: PriceIndex.read(write(TWO + "51,2015,101,国家统计局,yes\n", "gb.csv", "gb18030")), "TABLE_UNREADABLE")
    refused(lambda: PriceIndex.read(write(HEAD + "51,2015,101,a,yes,more,and more\n", "ragged.csv")), "TABLE_LONG_ROWS")
    refused(lambda: PriceIndex.read(write(TWO + "51,2015,101,a,yes,more\n", "long.csv")), "TABLE_UNREADABLE")
    error = refused(lambda: PriceIndex.read(write("prov_code,year,cpi\n51,2015,101\n", "other.csv")), "TABLE_COLUMNS")
    assert "area, index, source, verified" in str(error) and "area,year,index,source,verified" in error.say("zh")
    assert "/" not in str(error)  # no folder of the machine is told


def test_an_index_without_rows_reaches_no_base_year(panel: pd.DataFrame, write: Any) -> None:
    refused(lambda: deflate(panel, ["income"], PriceIndex.read(write(HEAD)), 2012, period="year"), "PRICE_BASE_YEAR")


def test_a_short_row_is_not_verified_and_a_chinese_word_says_it_is(write: Any) -> None:
    index = PriceIndex.read(write(HEAD + "51,2012,101,yearbook\n51,2013,101,yearbook,是\n51,2014,101,yearbook,转引\n"))
    assert index.table["verified"].tolist() == ["no", "yes", "secondary"]


def test_columns_that_cannot_be_deflated_are_named(panel: pd.DataFrame, two: PriceIndex) -> None:
    assert "income" in str(refused(lambda: deflate(panel, ["incme"], two, 2012, period="year"), "COLUMN_NOT_THERE"))
    refused(lambda: deflate(panel, ["income"], two, 2012, period="yaer"), "COLUMN_NOT_THERE")
    refused(lambda: deflate(panel, ["income"], two, 2012, period="year", area="county"), "COLUMN_NOT_THERE")
    refused(lambda: deflate(panel, ["code"], two, 2012, period="year"), "MONEY_NOT_NUMBERS")


def test_rows_without_a_year_or_a_code_are_listed_by_line(panel: pd.DataFrame, two: PriceIndex) -> None:
    lines = np.arange(10, 18)
    spoiled = panel.assign(year=[2012, None, 2013, 20140, 2012, 2012.5, 2013, 2014])
    (problem,) = refused(lambda: deflate(spoiled, ["income"], two, 2012, period="year", lines=lines), "YEAR_NOT_READABLE").problems
    assert [place.line for place in problem.places] == [11, 13, 15] and problem.count == 3
    spoiled = panel.assign(code=["四川省", *panel["code"][1:7], "5109"])
    (problem,) = refused(
        lambda: deflate(spoiled, ["income"], two, 2012, period="year", area="code", lines=lines), "PRICE_AREA"
    ).problems
    assert [(place.line, place.value) for place in problem.places] == [(10, "四川省"), (17, "5109")]


def test_without_lines_each_wrong_value_is_told_once(panel: pd.DataFrame, two: PriceIndex) -> None:
    (problem,) = refused(
        lambda: deflate(panel.assign(code="四川省"), ["income"], two, 2012, period="year", area="code"), "PRICE_AREA"
    ).problems
    assert len(problem.places) == 1 and problem.count == 8


# The shipped tables and sentences


def test_the_shipped_index_is_national_rural_and_nowhere_verified() -> None:
    index = PriceIndex.shipped()
    assert index.series == "rural_cpi" and index.span(NATIONAL) == (2010, 2020) and len(index.table) == 11
    assert set(index.table["verified"]) == {"no"} and set(index.table["area"]) == {NATIONAL}


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the folder of real data is not there: set EVALKIT_REFERENCE")
def test_the_shipped_index_is_the_recorded_series() -> None:
    real = pd.read_csv(SHARED / "real" / "national_poverty_series.csv")
    series = real[real["series"] == "rural_cpi"].set_index("year")["value"]
    pd.testing.assert_series_equal(
        PriceIndex.shipped().table.set_index("year")["index"], series, check_names=False, check_index_type=False
    )


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the folder of real data is not there: set EVALKIT_REFERENCE")
def test_provinces_are_deflated_by_a_users_file_of_their_own_prices(tmp_path: Path) -> None:
    real = pd.read_csv(SHARED / "real" / "province_cpi_1990_.csv", dtype=str)
    renamed = real.rename(columns={"prov_code": "area", "cpi_prev100": "index"}).assign(source="yearbook", verified="secondary")
    renamed[["area", "year", "index", "source", "verified"]].to_csv(tmp_path / "provinces.csv", index=False)
    index = PriceIndex.read(tmp_path / "provinces.csv", "cpi")
    panel = pd.read_csv(SHARED / "real" / "province_income_panel_2000_2019.csv", dtype={"prov_code": str})
    done = deflate(panel, ["rural_income"], index, 2015, period="year", area="prov_code")
    # The panel carries its own copy of each province's index: prices of 2016 over those of 2015, by hand.
    for code, rows in panel.groupby("prov_code"):
        own = rows.set_index("year")["cpi_prev100"]
        factors = pd.Series(done.factors[rows.index], index=rows["year"])
        assert factors[2015] == 1
        np.testing.assert_allclose(factors[2016], 100 / own[2016], rtol=2e-4, err_msg=str(code))  # rounding of the two copies
        np.testing.assert_allclose(factors[2014], own[2015] / 100, rtol=2e-4, err_msg=str(code))
    assert done.notices == () and done.basis("zh") == "2015年价格（按居民消费价格指数折算）"


def test_every_province_of_the_table_has_a_name_in_both_languages() -> None:
    provinces = table("provinces")
    assert len(provinces) == 34 and provinces["code"].is_unique and provinces["code"].str.fullmatch(r"\d\d").all()
    assert (provinces[["zh", "en"]] != "").all(axis=None) and province_name("61", "zh") == "陕西省"


@pytest.mark.parametrize(
    "years, said", [([], ""), ([2015], "2015"), ([2015, 2014, 2014], "2014–2015"), ([2011, 2013, 2014], "2011, 2013–2014")]
)
def test_runs_of_years_are_said_as_spans(years: list[int], said: str) -> None:
    assert said_years(years) == said


def test_the_remarks_can_be_said_from_their_facts() -> None:
    for code, facts in {"PRICE_INDEX_NATIONAL": {"provinces"}, "PRICE_INDEX_UNVERIFIED": {"unverified", "used", "years"}}.items():
        for lang in LANGUAGES:
            assert placeholders(catalogue(lang).sentences[f"remark.{code}"]) == facts


def test_a_table_of_another_kind_is_judged_by_the_same_rules(write: Any) -> None:
    path = write("schedule,year,value,source,verified\nlocal,2016,3100,bulletin,secondary\n,2017,3300,bulletin,no\n", "lines.csv")
    refused(lambda: dated_table(path, "schedule", "value", (300, 60000), "POVERTY_LINE"), "TABLE_KEY")


def test_a_hundred_thousand_rows_take_little_time(two: PriceIndex) -> None:
    import time

    rows = 100_000
    frame = pd.DataFrame(
        {"code": np.resize(["510922", "520123"], rows), "year": np.resize([2011, 2012, 2013], rows), "income": 1.0}
    )
    start = time.perf_counter()
    deflate(frame, ["income"], two, 2012, period="year", area="code")
    assert time.perf_counter() - start < 2  # 0.1 s where it was written; a loop over rows takes far longer
