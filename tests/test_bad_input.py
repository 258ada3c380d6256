"""What real files do wrong, one spoiled thing at a time: refused with the cure, or used with the exact number.

Every case is the panel of 240 villages with one thing spoiled; the numbers without spoiling are those of R's did.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import case, close, own

import evalkit as ek

COVARIATES = ["labour_share", "base_poverty"]


@pytest.fixture
def frame() -> pd.DataFrame:
    return own("panel").copy()


def design(frame: pd.DataFrame, never: Any = 0, **choices: Any) -> ek.Design:
    panel = ek.Panel(frame, unit="village_id", period="year")
    rollout = ek.Rollout.from_first_treated(panel, "first_treated", never=never)
    return ek.Design(panel, rollout, "log_income", **({"comparison": "never_treated", "base": "varying"} | choices))


def cells(frame: pd.DataFrame, **choices: Any) -> pd.DataFrame:
    """Return the table of group-time effects by cohort and period."""
    table = ek.infer(ek.GroupTime()(design(frame, **choices)))
    return table[table["kind"] == "group_time"].set_index(["cohort", "period"])


def overall(frame: pd.DataFrame, **choices: Any) -> tuple[float, float]:
    row = ek.infer(ek.aggregate(ek.GroupTime()(design(frame, **choices)), "overall")).iloc[0]
    return row["estimate"], row["std_error"]


def of_did(name: str) -> tuple[float, float]:
    row = next(row for row in case("did")[name]["aggte_rows"] if row["type"] == "simple")
    return row["estimate"], row["se"]


BASELINE = of_did("dr_nevertreated_varying_nocov")


def says(error: pytest.ExceptionInfo[BaseException], *parts: str) -> None:
    """Assert that a message says what is wrong, where, and what to do."""
    message = str(error.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} is missing in: {message}"


def codes(design: ek.Design) -> dict[str, dict[str, object]]:
    return {notice.code: notice.facts for notice in design.notices}


def test_a_sound_panel_gives_the_number_of_did_and_no_remark(frame: pd.DataFrame) -> None:
    close(overall(frame), BASELINE)
    assert design(frame).notices == ()
    assert ek.GroupTime()(design(frame)).notices == ()


def test_a_sound_panel_with_covariates_gives_the_number_of_did_and_no_remark(frame: pd.DataFrame) -> None:
    close(overall(frame, covariates=COVARIATES), of_did("dr_nevertreated_varying_cov"), 1e-7)
    assert design(frame, covariates=COVARIATES).notices == ()


def test_a_village_that_appears_twice_in_a_year_is_refused_by_name(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame.iloc[[0, 7, 100, 200, 300, 400, 500]]])
    with pytest.raises(ek.PanelError) as error:
        design(twice)
    says(error, "7 'village_id' appear twice in one 'year'", "1 (2011), 1 (2018), 11 (2011)", "and 2 more")
    says(error, "Combine them", "groupby(['village_id', 'year'])")


def test_three_missing_incomes_are_counted_and_a_choice_is_asked_for(frame: pd.DataFrame) -> None:
    frame.loc[[3, 50, 700], "log_income"] = np.nan
    with pytest.raises(ek.DesignError) as error:
        design(frame)
    says(error, "2,400 rows, 2,397 are there", "unbalanced='pairwise' keeps 240 units and 2,397 rows")
    says(error, "unbalanced='drop_units' keeps 237 units and 2,370 rows", "unbalanced='repeated_cross_section'")
    chosen = design(frame, unbalanced="drop_units")
    assert codes(chosen)["MISSING_ROWS"] == {"rows": 3, "columns": {"log_income": 3}}
    assert codes(chosen)["UNBALANCED"]["complete_units"] == 237
    gone = frame.loc[[3, 50, 700], "village_id"]
    whole = frame[~frame["village_id"].isin(gone)]
    assert overall(frame, unbalanced="drop_units") == overall(whole)


def test_an_infinite_income_is_a_fault_upstream_and_not_a_missing_value(frame: pd.DataFrame) -> None:
    frame.loc[3, "log_income"] = np.inf
    with pytest.raises(ek.PanelError) as error:
        design(frame)
    says(error, "'log_income' is infinite in 1 rows: 1 (2014)", "fault upstream", "Mend it there")


def test_villages_may_be_named_by_text(frame: pd.DataFrame) -> None:
    frame["village_id"] = "c" + frame["village_id"].astype(str)
    close(overall(frame), BASELINE)


def test_years_may_be_dates_while_cohorts_are_years(frame: pd.DataFrame) -> None:
    frame["year"] = pd.to_datetime(frame["year"].astype(str) + "-01-01")
    close(overall(frame), BASELINE)


def test_years_and_cohorts_may_both_be_dates(frame: pd.DataFrame) -> None:
    frame["year"] = pd.to_datetime(frame["year"].astype(str) + "-01-01")
    start = frame["first_treated"].where(frame["first_treated"] > 0)
    frame["first_treated"] = pd.to_datetime(start.astype("Int64").astype("string") + "-01-01")
    close(overall(frame, never=pd.NaT), BASELINE)


def test_dates_and_period_numbers_that_cannot_be_matched_are_refused_with_both_kinds(frame: pd.DataFrame) -> None:
    start = frame["first_treated"].where(frame["first_treated"] > 0)
    frame["first_treated"], frame["year"] = pd.to_datetime(start.astype("Int64").astype("string") + "-01-01"), frame["year"] - 2010
    with pytest.raises(ek.RolloutError) as error:
        design(frame, never=pd.NaT)
    says(error, "'first_treated' holds dates (years 2014-2018)", "numbers (1-10)", "both as years or both as dates")


def test_villages_treated_in_the_first_year_are_left_out_counted_and_never_a_comparison(frame: pd.DataFrame) -> None:
    early = frame["village_id"].unique()[:20]
    spoiled = frame.assign(first_treated=frame["first_treated"].mask(frame["village_id"].isin(early), 2011))
    facts = codes(design(spoiled))["TREATED_FROM_START"]
    assert facts == {"units": 20, "treated_units": int((spoiled.groupby("village_id")["first_treated"].first() > 0).sum()), "first_period": 2011}  # fmt: skip
    without = frame[~frame["village_id"].isin(early)]
    for comparison in ("never_treated", "not_yet_treated"):
        close(overall(spoiled, comparison=comparison), overall(without, comparison=comparison), 1e-12)


def test_a_year_that_nobody_has_is_a_remark_and_event_time_counts_years(frame: pd.DataFrame) -> None:
    gap = frame[frame["year"] != 2013]
    chosen = {"comparison": "not_yet_treated", "covariates": COVARIATES}
    assert codes(design(gap))["PERIOD_GAP"] == {"periods": [2013]}
    close(overall(gap, **chosen), of_did("gap_year_dropped_notyet_varying_cov"), 1e-7)
    table = cells(gap)
    assert table.loc[(2015, 2012), "event_time"] == -3
    change = gap.pivot(index="village_id", columns="year", values="log_income")
    start = gap.groupby("village_id")["first_treated"].first()
    by_hand = (change[2014] - change[2012])[start == 2014].mean() - (change[2014] - change[2012])[start == 0].mean()
    close(table.loc[(2014, 2014), "estimate"], by_hand)


def single(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the panel in which one never-treated village is treated, alone, from 2017 on."""
    village = frame.loc[frame["first_treated"] == 0, "village_id"].iloc[0]
    return frame.assign(first_treated=frame["first_treated"].mask(frame["village_id"] == village, 2017))


def test_a_cohort_of_one_village_has_an_effect_but_no_error_of_its_own(frame: pd.DataFrame) -> None:
    spoiled = single(frame)
    assert codes(design(spoiled))["SINGLE_UNIT_COHORT"] == {"cohorts": [2017]}
    table = cells(spoiled)
    wide = spoiled.pivot(index="village_id", columns="year", values="log_income")
    start = spoiled.groupby("village_id")["first_treated"].first()
    change = wide[2018] - wide[2016]
    close(table.loc[(2017, 2018), "estimate"], change[start == 2017].mean() - change[start == 0].mean())
    assert table.loc[2017, "std_error"].isna().all()
    assert table.drop(2017)["std_error"].notna().all()


def test_the_propensity_of_a_cohort_of_one_village_is_refused_by_the_cohorts_name(frame: pd.DataFrame) -> None:
    with pytest.raises(ek.DesignError) as error:
        overall(single(frame), covariates=COVARIATES)
    says(error, "cohort of one unit cannot be fitted: 2017", "GroupTime(method='reg')", "join the cohort")


def test_without_never_treated_villages_the_not_yet_treated_are_offered(frame: pd.DataFrame) -> None:
    with pytest.raises(ek.DesignError) as error:
        design(frame[frame["first_treated"] > 0])
    says(error, "no never-treated units", "comparison='not_yet_treated'", "until the last cohort starts in 2018")


def test_without_never_treated_villages_the_last_cohort_is_compared_with_until_it_starts(frame: pd.DataFrame) -> None:
    treated = frame[frame["first_treated"] > 0]
    chosen = {"comparison": "not_yet_treated"}
    assert codes(design(treated, **chosen))["UNIVERSAL"] == {"last_cohort": 2018}
    table = cells(treated, **chosen)
    assert max(period for _, period in table.index) == 2017 and 2018 not in {cohort for cohort, _ in table.index}
    close(overall(treated, **chosen), of_did("no_never_notyettreated_varying"))


def test_a_covariate_that_is_missing_everywhere_is_refused_with_its_share(frame: pd.DataFrame) -> None:
    frame["labour_share"] = np.nan
    with pytest.raises(ek.DesignError) as error:
        design(frame, covariates=["labour_share"])
    says(error, "'labour_share' is missing in all 2,400 rows (100%)", "Leave it out or fill it in")


def test_a_constant_covariate_is_refused_as_collinear_with_the_intercept(frame: pd.DataFrame) -> None:
    frame["labour_share"] = 1.0
    with pytest.raises(ek.DesignError) as error:
        design(frame, covariates=["labour_share"])
    says(error, "'labour_share' is 1 in every row", "collinear with the intercept", "Leave it out")


@pytest.mark.parametrize(
    ("code", "shown", "typed"),
    [(np.nan, "missing (100 units)", 'never=float("nan")'), (np.inf, "inf (100 units)", 'never=float("inf")'), (-1, "-1 (100 units)", "never=-1")],
    ids=["missing", "inf", "-1"],
)  # fmt: skip
def test_never_treated_is_what_is_declared_and_nothing_else(frame: pd.DataFrame, code: float, shown: str, typed: str) -> None:
    frame["first_treated"] = frame["first_treated"].astype(float).replace(0, code)
    with pytest.raises(ek.RolloutError) as error:
        design(frame, never=())
    says(error, shown, typed)
    with pytest.raises(ek.RolloutError, match="no period"):
        design(frame, never=0)
    close(overall(frame, never=code), BASELINE)


def test_a_first_year_that_varies_within_villages_is_refused_with_villages_and_years(frame: pd.DataFrame) -> None:
    first_rows = frame.index[frame["first_treated"] == 2015][[0, 10, 20, 30, 40, 50]]
    frame.loc[first_rows, "first_treated"] = 2016
    offenders = frame.loc[first_rows, "village_id"].tolist()
    with pytest.raises(ek.RolloutError) as error:
        design(frame)
    says(error, "varies within 6 units", f"{offenders[0]} (2015, 2016)", f"{offenders[4]} (2015, 2016)", "and 1 more")
    says(error, "take the first exposure", "If it switches on and off")
    assert f"{offenders[5]} (" not in str(error.value)


def test_villages_treated_after_the_last_year_are_a_remark_and_a_comparison(frame: pd.DataFrame) -> None:
    late = frame.loc[frame["first_treated"] == 0, "village_id"].unique()[:40]
    frame["first_treated"] = frame["first_treated"].mask(frame["village_id"].isin(late), 2030)
    assert codes(design(frame))["TREATED_AFTER_WINDOW"] == {"units": 40, "last_period": 2020}
    close(overall(frame), BASELINE)


def test_four_missing_rows_ask_for_a_choice_with_what_each_keeps(frame: pd.DataFrame) -> None:
    short = frame.drop(index=[3, 50, 700, 1201])
    with pytest.raises(ek.DesignError) as error:
        design(short)
    says(error, "unbalanced", "2,396 are there", "'pairwise' keeps 240 units and 2,396 rows")
    says(error, "'drop_units' keeps 236 units and 2,360 rows", "'repeated_cross_section' keeps 240 units and 2,396 rows")
    whole = short[~short["village_id"].isin(frame.loc[[3, 50, 700, 1201], "village_id"])]
    assert overall(short, unbalanced="drop_units") == overall(whole)
    wide = short.pivot(index="village_id", columns="year", values="log_income")
    start = short.groupby("village_id")["first_treated"].first()
    change = wide[2014] - wide[2013]
    pairwise = change[start == 2014].mean() - change[start == 0].mean()
    close(cells(short, unbalanced="pairwise").loc[(2014, 2014), "estimate"], pairwise)
    rows = {y: (wide[y][start == 2014].mean(), wide[y][start == 0].mean()) for y in (2013, 2014)}
    crossed = rows[2014][0] - rows[2013][0] - rows[2014][1] + rows[2013][1]
    close(cells(short, unbalanced="repeated_cross_section").loc[(2014, 2014), "estimate"], crossed)


def test_shuffled_rows_give_the_same_number_and_no_remark(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    close(overall(shuffled), BASELINE)
    assert design(shuffled).notices == ()


def test_income_written_as_text_is_refused_with_the_first_five_that_are_no_numbers(frame: pd.DataFrame) -> None:
    frame["log_income"] = frame["log_income"].astype(str)
    with pytest.raises(ek.PanelError) as error:
        design(frame)
    says(error, "'log_income' holds numbers written as text", "pandas.to_numeric")
    frame.loc[[1, 3, 5, 7, 9, 11], "log_income"] = ["*", "n/a", "-", "8,61", "?", "#"]
    with pytest.raises(ek.PanelError) as error:
        design(frame)
    says(error, "6 values that are not numbers", "'*' in 1 (2012)", "'n/a' in 1 (2014)", "'8,61' in 1 (2018)", "and 1 more")


def test_a_frame_without_rows_is_refused_with_where_to_look(frame: pd.DataFrame) -> None:
    with pytest.raises(ek.PanelError) as error:
        design(frame.iloc[:0])
    says(error, "no rows", "the filter or the file")
