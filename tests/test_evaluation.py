"""From a study and its data to findings: the demo world, whose truth is known, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import yaml

from evalkit import DesignError, Findings, GroupTime, IntakeError, PanelError, RolloutError, Study, StudyError, evaluate
from evalkit.comparison import Comparison
from evalkit.evaluation import _pretrend, _sample, _told
from evalkit.notices import Notice
from evalkit.places import shared
from evalkit.study_data import designed, load

FOLDER = shared("notebooks", "studies")


def study(name: str, **changes: object) -> Study:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return Study.parse(content | changes)


@pytest.fixture
def saved(tmp_path):
    """Write a frame as a county's file."""

    def write(frame: pd.DataFrame):
        frame.to_csv(tmp_path / "data.csv", index=False)
        return tmp_path / "data.csv"

    return write


@pytest.fixture(scope="module")
def industry() -> Findings:
    return evaluate(study("industry"), folder=FOLDER)


@pytest.mark.parametrize("name", ["industry", "relocation", "health"])
def test_the_planted_effect_lies_in_the_interval_of_its_study(name):
    findings = evaluate(study(name), folder=FOLDER)
    assert findings.simulated and findings.truth.inside
    assert findings.headline.effect.low <= findings.truth.effect <= findings.headline.effect.high


def test_a_window_that_starts_before_2013_carries_a_remark_on_the_income_definition(industry):
    assert "INCOME_DEF_SWITCH" not in [r.code for r in industry.remarks]
    early = evaluate(study("industry", window=[2010, 2022]), folder=FOLDER)
    (switch,) = [r for r in early.remarks if r.code == "INCOME_DEF_SWITCH"]
    assert switch.facts["years"] == {2013: 99} and switch.facts["treated_near"] == 0


def test_a_window_across_the_switch_needs_the_definition_of_income(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv").drop(columns="income_def")
    across = {"window": [2010, 2022], "truth": None}
    with pytest.raises(IntakeError, match="income_def"):
        evaluate(study("industry", **across), saved(frame))
    unknown = evaluate(study("industry", income_def="unknown", **across), saved(frame))
    assert "INCOME_DEF_UNKNOWN" in [r.code for r in unknown.remarks]


def test_a_public_report_needs_to_know_what_a_unit_is_and_hides_few_households():
    with pytest.raises(StudyError, match="unit_level"):
        evaluate(study("relocation", public=True), folder=FOLDER)
    shown = evaluate(study("relocation", public=True, unit_level="household"), folder=FOLDER)
    assert shown.headline == evaluate(study("relocation"), folder=FOLDER).headline


def test_per_cent_is_money_over_base_income(industry):
    top = industry.headline
    assert top.percent.estimate == pytest.approx(100 * top.money.estimate / top.base.estimate, rel=1e-12)


def test_the_money_of_a_log_effect_is_the_treated_mean_times_what_would_be_missing(saved):
    """With one cohort and one period: mean(y) (1 - exp(-tau)), by hand."""
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    frame = frame[frame["industry_first_year"].isin([0, 2016]) & frame["year"].isin([2015, 2016])]
    wide = np.log(frame.pivot_table(index="county_key", columns="year", values="income"))
    treated = frame.groupby("county_key")["industry_first_year"].first() == 2016
    change = wide[2016] - wide[2015]
    tau = change[treated].mean() - change[~treated].mean()
    mean = np.exp(wide.loc[treated, 2016]).mean()
    findings = evaluate(study("industry", window=[2015, 2016], truth=None), saved(frame))
    assert findings.headline.effect.estimate == pytest.approx(tau, rel=1e-12)
    assert findings.headline.money.estimate == pytest.approx(mean * (1 - np.exp(-tau)), rel=1e-12)
    assert findings.headline.base.estimate == pytest.approx(mean * np.exp(-tau), rel=1e-12)


def test_the_same_inputs_give_the_same_findings(industry):
    assert evaluate(study("industry"), folder=FOLDER) == industry


def test_another_parameter_is_another_run(industry):
    assert evaluate(study("industry", seed=1), folder=FOLDER).run_id != industry.run_id


def test_findings_survive_a_round_trip_through_json(industry):
    assert Findings.model_validate_json(industry.model_dump_json()) == industry


def test_rows_and_units_add_up(industry):
    sample = industry.sample
    assert sample.units == sample.treated_units + sample.comparison_units
    assert sample.treated_units == sample.treated_used + sample.treated_from_start
    assert sample.rows == sample.units * len(sample.periods)
    assert sum(c.units for c in industry.cohorts) == sample.treated_units


def test_zero_income_has_no_logarithm_and_the_error_says_where(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    frame.loc[frame["year"] == 2015, "income"] = 0
    with pytest.raises(PanelError, match=r"zero or negative in 99 rows: 990121 \(2015\).*scale: level"):
        evaluate(study("industry"), saved(frame))


def test_an_outcome_in_levels_is_an_effect_in_money():
    findings = evaluate(study("industry", scale="level", truth=None), folder=FOLDER)
    top = findings.headline
    assert top.money.estimate == pytest.approx(top.effect.estimate)
    assert top.money.std_error == pytest.approx(top.effect.std_error, rel=1e-6)


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(StudyError, match=r"no column 'incme'.*'income'"):
        evaluate(study("industry", outcome="incme"), folder=FOLDER)


def test_a_window_without_rows_says_what_the_data_hold():
    with pytest.raises(PanelError, match="2010 to 2022"):
        evaluate(study("industry", window=[1990, 1995]), folder=FOLDER)


def test_a_programme_that_reaches_everybody_at_once_is_described(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv").assign(industry_first_year=2016)
    assert evaluate(study("industry"), saved(frame)).verdict == "refused"


def test_a_study_without_data_says_how_to_give_it():
    with pytest.raises(StudyError, match="--data PATH"):
        evaluate(study("chongqing_land_coupon"))


def test_a_data_file_that_is_not_there_names_its_neighbours():
    with pytest.raises(StudyError, match=r"counties\.csv"):
        evaluate(study("industry"), FOLDER / "../../data/demo/countys.csv")


def test_a_failed_pretrend_comes_before_every_other_verdict(saved):
    """Give the treated a growth of their own: the interval excludes zero, and still no effect is claimed."""
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    treated = frame["industry_first_year"] > 0
    frame["income"] = frame["income"] * np.exp(0.03 * treated * (frame["year"] - 2013))
    findings = evaluate(study("industry", truth=None), saved(frame))
    assert findings.pretrend.failed and findings.verdict == "pretrend_failed"
    assert findings.headline.effect.low > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("县,年\n甲,2015\n".encode("gb18030"), "not UTF-8"),
        (b"", "neither a header nor a row"),
        (b"a,b\n1,2\n1,2,3\n", "as many commas"),
        (b"a;b;c\n1;2;3\n", "separates columns by ';'"),
    ],
    ids=["another encoding", "empty", "ragged", "semicolons"],
)
def test_a_file_that_is_no_plain_csv_is_said_to_be_what_it_is(tmp_path, content, message):
    path = tmp_path / "county.csv"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        evaluate(study("industry"), path)


def test_a_workbook_is_asked_for_a_mapping(tmp_path):
    (tmp_path / "county.xlsx").write_bytes(b"PK")
    with pytest.raises(StudyError, match="evalkit init"):
        evaluate(study("industry"), tmp_path / "county.xlsx")


def test_dates_in_the_period_column_are_years(saved, industry):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    dated = evaluate(study("industry", truth=None), saved(frame.assign(year=frame["year"].astype(str) + "-12-31")))
    assert dated.headline == industry.headline


def test_a_missing_year_is_never_dropped_in_silence(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    frame["year"] = frame["year"].astype(float).mask(frame.index == 7)
    with pytest.raises(PanelError, match="'year' is missing in 1 rows"):
        evaluate(study("industry"), saved(frame))


def test_rows_outside_the_window_are_counted(industry):
    assert industry.sample.rows + industry.sample.rows_outside + industry.sample.rows_left_out == 1287


def test_where_all_are_treated_the_last_cohort_is_the_comparison_and_not_called_never_treated(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    findings = evaluate(study("industry", truth=None), saved(frame[frame["industry_first_year"] > 0]))
    sample = findings.sample
    assert (sample.never_units, sample.later_units, sample.last_cohort_units) == (0, 0, 19)
    assert sample.comparison_units == 19 and sample.treated_used == 40
    assert "UNIVERSAL" in [remark.code for remark in findings.remarks]


def test_units_treated_after_the_window_are_told_apart_from_the_never_treated():
    findings = evaluate(study("industry", window=[2013, 2017], truth=None), folder=FOLDER)
    assert (findings.sample.never_units, findings.sample.later_units) == (40, 19)
    assert "TREATED_AFTER_WINDOW" in [remark.code for remark in findings.remarks]


@pytest.mark.parametrize("treated", [2, 4])
def test_with_few_treated_counties_there_is_a_number_but_no_range_no_test_and_no_verdict_of_gain(saved, treated):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    some = frame.loc[frame["industry_first_year"] == 2016, "county_key"].unique()[:treated]
    findings = evaluate(
        study("industry", truth=None), saved(frame[frame["county_key"].isin(some) | (frame["industry_first_year"] == 0)])
    )
    assert findings.verdict == "too_few" and findings.pretrend is None
    assert findings.headline.money.low is None and findings.headline.effect.std_error is None
    assert all(row.effect.low is None for row in findings.estimators) and all(point.low is None for point in findings.path)


def test_leads_that_rest_on_cohorts_of_one_county_are_neither_tested_nor_given_an_error(saved):
    """Two counties treated alone in two late years: the leads that only they reach have no noise of their own."""
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    alone = frame.loc[frame["industry_first_year"] == 0, "county_key"].unique()[:2]
    frame.loc[frame["county_key"] == alone[0], "industry_first_year"] = 2020
    frame.loc[frame["county_key"] == alone[1], "industry_first_year"] = 2021
    findings = evaluate(study("industry", truth=None), saved(frame))
    early = [point for point in findings.path if point.event_time < -5]
    assert early and all(point.std_error is None for point in early)
    assert min(findings.pretrend.event_times) == -5


def test_covariates_that_fixed_effects_absorb_are_named(industry):
    findings = evaluate(study("industry", covariates=["distance_km"], truth=None), folder=FOLDER)
    assert "ABSORBED_COVARIATES" in [remark.code for remark in findings.remarks]


def test_the_same_comparison_in_money_stands_beside_the_logarithm(industry):
    levels = evaluate(study("industry", scale="level", truth=None), folder=FOLDER)
    assert industry.other_scale.money.estimate == pytest.approx(levels.headline.money.estimate)
    assert levels.other_scale is None


def test_a_planted_truth_that_real_data_cannot_have_is_told_to_be_removed(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    with pytest.raises(StudyError, match="remove truth"):
        evaluate(study("industry"), saved(frame))


def test_data_that_say_they_are_simulated_are_reported_so_whatever_the_study_says(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    real = {"name": {"zh": "某县", "en": "a county"}}
    assert evaluate(study("industry", truth=None, source=real), saved(frame)).simulated
    assert not evaluate(study("industry", truth=None, source=real), saved(frame.drop(columns="data_status"))).simulated


def test_a_cluster_that_changes_within_a_county_is_refused_with_the_counties(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    frame.loc[(frame["county_key"] == 990122) & (frame["year"] > 2015), "prefecture_id"] = 9905
    with pytest.raises(StudyError, match="changes over time within 1 units: 990122"):
        evaluate(study("industry", truth=None, cluster="prefecture_id"), saved(frame))


def test_a_cell_counts_the_counties_it_uses_and_not_those_of_the_cohort(saved):
    """Nine of ten treated counties are not seen before treatment: the effect is that of one, and one has no range."""
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    some = frame.loc[frame["industry_first_year"] == 2016, "county_key"].unique()[:10]
    frame = frame[frame["county_key"].isin(some) | (frame["industry_first_year"] == 0)]
    frame = frame[~(frame["county_key"].isin(some[1:]) & (frame["year"] < 2016))]
    findings = evaluate(study("industry", truth=None, unbalanced="pairwise"), saved(frame))
    assert findings.verdict == "too_few" and findings.sample.treated_used == 1 and findings.alone is None
    assert {point.units for point in findings.path if point.event_time >= 0} == {1}


@pytest.mark.parametrize("code", [9999, 201607, 216])
def test_a_year_far_outside_the_data_is_a_code_or_a_slip_and_must_be_explained(saved, code):
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv")
    frame["industry_first_year"] = frame["industry_first_year"].replace(2018, code)
    with pytest.raises(RolloutError, match=rf"{code} \(19 units\)"):
        evaluate(study("industry", truth=None), saved(frame))


@pytest.mark.slow
def test_the_joint_test_of_leads_rejects_true_parallel_trends_about_as_often_as_it_says():
    """Cohorts of seven with AR(1) errors, no effect, 300 worlds: the 10 per cent test rejects in 5 to 18 per cent."""
    content = study("industry", truth=None, cluster="county_key")
    rejections = []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        units, years = 41, np.arange(2013, 2023)
        errors = np.zeros((units, len(years)))
        for t in range(1, len(years)):
            errors[:, t] = 0.5 * errors[:, t - 1] + generator.normal(0, 0.05, units)
        first = np.r_[np.repeat([2016, 2017, 2018], 7), np.zeros(20)]
        frame = pd.DataFrame(
            {
                "county_key": np.repeat(np.arange(units), len(years)),
                "year": np.tile(years, units),
                "industry_first_year": np.repeat(first, len(years)),
                "income": np.exp(8 + errors.ravel()),
            }
        )
        design, _ = designed(content, frame)
        cells = GroupTime()(design)
        sample = _sample(content, design, Comparison.of(design), frame)
        rejections.append(_pretrend(content, cells, sample).failed)
    assert 0.05 <= np.mean(rejections) <= 0.18


def test_a_truth_planted_in_logs_is_no_truth_in_money():
    with pytest.raises(StudyError, match="planted effects are in logs"):
        evaluate(study("industry", scale="level"), folder=FOLDER)


def test_a_study_of_deflated_money_may_not_call_it_nominal(tmp_path):
    received = shared("data", "demo", "as_received")
    mapping = yaml.safe_load((received / "intake.yml").read_text(encoding="utf-8"))
    index = [f"00,{year},102,invented for this test,no" for year in range(2010, 2023)]
    (tmp_path / "index.csv").write_text("\n".join(["area,year,index,source,verified", *index]), encoding="utf-8")
    mapping |= {
        "prices": {"base_year": 2015, "index": str(tmp_path / "index.csv")},
        "counties": {**mapping["counties"], "history": str(received.parent / "county_history.csv")},
    }
    (tmp_path / "intake.yml").write_text(yaml.safe_dump(mapping), encoding="utf-8")
    events = {"events": str(received / "events.csv"), "programme": "industry"}
    changes = {"intake": str(tmp_path / "intake.yml"), "treatment": events, "window": [2013, 2020]}
    with pytest.raises(StudyError, match="nominal: true"):
        evaluate(study("industry_as_received", **changes), folder=FOLDER)


@pytest.fixture
def by_events(saved, tmp_path):
    """A study of some counties' file, simulated, with a table of events beside it; the file goes through intake when asked to."""

    def load_study(units, rows, intake=True, **keys):
        index = pd.MultiIndex.from_product([units, range(2014, 2021)], names=["unit", "year"])
        saved(index.to_frame(index=False).assign(income=lambda f: 3000.0 + f.index % 7))
        pd.DataFrame(rows, columns=["unit", "programme", "event", "date"]).to_csv(tmp_path / "events.csv", index=False)
        mapping = {
            "columns": {"unit": {"name": "unit", "kind": "text"}, "year": "year", "income": "income"},
            "unit": "unit",
            "level": "county",
        }
        (tmp_path / "intake.yml").write_text(yaml.safe_dump(mapping | {"period": "year"}, allow_unicode=True), encoding="utf-8")
        treatment = {"events": "events.csv", "programme": "industry"}
        read = study(
            "industry", data="data.csv", unit="unit", period="year", outcome="income", income_def="unknown", window=[2014, 2020],
            treatment=treatment, truth=None, covariates=[], weight=None, cluster=None, **({"intake": "intake.yml"} if intake else {}) | keys,
        )  # fmt: skip
        return read, load(read, None, tmp_path)

    return load_study


COUNTIES = ["漳　县", "岷县", "通渭县", "陇西县"]


def test_the_same_label_in_both_files_is_the_same_unit_however_it_is_written(by_events):
    rows = [("漳　县", "industry", "funded", "2016"), ("岷 县", "industry", "funded", "2017")]
    read, loaded = by_events(COUNTIES, rows)
    design, _ = designed(read, loaded.frame, loaded.events)
    first = dict(zip(design.panel.units, design.rollout.first_treated, strict=True))
    assert first == {"漳县": 2016, "岷县": 2017, "通渭县": np.inf, "陇西县": np.inf}
    assert "EVENTS_OUTSIDE_PANEL" not in [notice.code for notice in design.rollout.notices]


def test_two_villages_that_differ_in_their_number_stay_two(by_events):
    rows = [("城关村(1)", "industry", "funded", "2016"), ("城关村（2）", "industry", "funded", "2017")]
    read, loaded = by_events(["城关村（1）", "城关村（2）", "东村"], rows)
    design, _ = designed(read, loaded.frame, loaded.events)
    assert sorted(design.rollout.first_treated) == [2016, 2017, np.inf]


def test_a_tidy_file_and_its_events_are_never_matched_by_halves(by_events):
    rows = [("漳县", "industry", "funded", "2016"), ("岷县", "industry", "funded", "2017")]
    read, loaded = by_events(COUNTIES, rows, intake=False)
    with pytest.raises(RolloutError, match="in blanks only"):
        designed(read, loaded.frame, loaded.events)


ID_NUMBER = "110101190001010006"  # made up


@pytest.mark.parametrize("rows", [[(ID_NUMBER, "industry", "funded", "2016")], [(ID_NUMBER, "industry", "funded", "2016")] * 2])
def test_no_message_on_events_quotes_what_looks_personal(by_events, rows):
    with pytest.raises(RolloutError) as problem:
        read, loaded = by_events(COUNTIES, rows)
        designed(read, loaded.frame, loaded.events)
    assert ID_NUMBER not in str(problem.value) and "＊＊＊" in str(problem.value)


def test_households_outside_the_data_are_counted_and_not_named():
    notice = Notice("EVENTS_OUTSIDE_PANEL", {"units": 2, "of_units": 9, "first": ["b", ID_NUMBER]})
    assert _told(notice, households=True) == {"units": 2, "of_units": 9, "first": []}
    assert _told(notice, households=False) == {"units": 2, "of_units": 9, "first": ["b", "＊＊＊"]}


def test_why_a_side_row_is_missing_is_kept(monkeypatch):
    def refused(design):
        raise DesignError("Collinear with the fixed effects: treatment.")

    monkeypatch.setattr("evalkit.alternatives.TwoWay", lambda: refused)
    found = evaluate(study("industry"), folder=FOLDER)
    (remark,) = [remark for remark in found.remarks if remark.code == "TWO_WAY_NOT_ESTIMATED"]
    assert remark.facts == {"reason": "Collinear with the fixed effects: treatment."}
    assert "two_way" not in [row.estimator for row in found.estimators]


def test_the_study_with_covariates_shows_how_alike_its_groups_are(industry):
    assert industry.alike is None
    findings = evaluate(study("industry_covariates"), folder=FOLDER)
    balance = findings.alike
    assert findings.truth.inside and balance.weighted
    assert balance.large_before == ["distance_km", "labour_share"] and balance.large_after == []
    assert all(abs(row.after) < 1e-9 and row.weighted == pytest.approx(row.treated) for row in balance.covariates)
    # By hand, for the first cohort: means in 2015 of the twenty against all that start later or never.
    frame = pd.read_csv(FOLDER / "../../data/demo/counties.csv").query("year == 2015")
    cohorts, outside = [2016, 2017, 2018], []
    means, apart = [], []
    for year in cohorts:
        treated = frame.loc[frame["industry_first_year"] == year, ["distance_km", "labour_share"]]
        others = frame.loc[(frame["industry_first_year"] > year) | (frame["industry_first_year"] == 0), treated.columns]
        outside.append(int(((treated < others.min()) | (treated > others.max())).any(axis=1).sum()))
        means.append(others.mean())
        apart.append((treated.mean() - others.mean()) / treated.std(ddof=0))
    weights = [cohort.treated_units for cohort in balance.cohorts]
    assert weights == [20, 20, 19] and [cohort.outside_units for cohort in balance.cohorts] == outside
    for place, row in enumerate(balance.covariates):
        assert row.comparison == pytest.approx(np.average([mean.iloc[place] for mean in means], weights=weights))
        assert row.before == pytest.approx(np.average([gap.iloc[place] for gap in apart], weights=weights))
        assert row.largest_before == pytest.approx(max((gap.iloc[place] for gap in apart), key=abs))
    for cohort in cohorts:
        for arm in ("treated", "comparison", "weighted"):
            assert sum(one.share for one in balance.histogram if (one.cohort, one.arm) == (cohort, arm)) == pytest.approx(1)


def test_where_no_weights_exist_groups_are_still_compared_as_they_are():
    findings = evaluate(study("industry_covariates", comparison="never_treated"), folder=FOLDER)
    assert not findings.alike.weighted and {row.after for row in findings.alike.covariates} == {None}
    assert {one.arm for one in findings.alike.histogram} == {"treated", "comparison"}


PARTS = ("wage", "business", "property", "transfer")


@pytest.fixture(scope="module")
def relocation() -> Findings:
    return evaluate(study("relocation"), folder=FOLDER)


def test_relocation_moves_wages_and_its_parts_add_up(relocation):
    found = relocation.components
    effects = {row.name: row.effect for row in found.rows}
    assert list(effects) == [*PARTS, "total"]
    assert sum(effects[name].estimate for name in PARTS) == pytest.approx(effects["total"].estimate, rel=1e-10)
    # Planted: wages carry the gain, the herd is sold in the year of the move, and transfers do not move.
    assert effects["wage"].low > 0 > effects["business"].high and effects["transfer"].low < 0 < effects["transfer"].high
    assert found.share.low < 1 < found.share.high
    assert effects["total"].low < relocation.headline.money.estimate < effects["total"].high
    assert all(row.pretrend_p > 0.10 for row in found.rows)


def test_in_money_the_parts_add_up_to_the_headline_and_parting_groups_are_told():
    found = evaluate(study("relocation", scale="level", truth=None), folder=FOLDER)
    total = found.components.rows[-1]
    assert total.effect.estimate == pytest.approx(found.headline.money.estimate)
    assert total.effect.std_error == pytest.approx(found.headline.money.std_error, rel=1e-6)
    assert total.pretrend_p == pytest.approx(found.pretrend.p_value) and found.pretrend.failed and not found.components.growth


def test_equal_growth_in_per_cent_of_unequal_incomes_is_no_effect_on_any_part(saved):
    """Two groups whose incomes double alike, from 1,000 and 4,000, half wages and half transfers: in money they part, in growth not."""
    rows = []
    for unit in range(40):
        base, first = (1000.0, 2016) if unit < 20 else (4000.0, 0)
        share = 0.3 + 0.01 * unit
        for year in range(2013, 2019):
            income = base * 2 ** ((year - 2013) / 5) * (1 + 0.001 * ((unit * 7 + year * 3) % 5 - 2))
            rows.append((unit, year, income, share * income, (1 - share) * income, first))
    frame = pd.DataFrame(rows, columns=["unit", "year", "income", "wage", "transfer", "first"])
    changes = {
        "unit": "unit", "income_def": "unknown", "window": [2013, 2018], "treatment": {"first_year": "first", "never": [0]},
        "cluster": None, "truth": None, "components": {"wage": "wage", "transfer": "transfer"}, "self_generated": ["wage"],
    }  # fmt: skip
    found = evaluate(study("industry", **changes), saved(frame)).components
    assert found.growth and found.measured_by == (2013, 2015)
    assert all(abs(row.effect.estimate) < 2 for row in found.rows)  # of some 1,700 yuan
    assert found.share is None and found.no_share == "undefined"
    plain = evaluate(study("industry", **changes, scale="level"), saved(frame)).components
    assert plain.rows[-1].effect.estimate < -1000


def test_the_total_over_own_income_is_the_treated_change_less_the_growth_of_all_comparison_income(saved):
    """By hand: one cohort, half of income wages in every row, so that no composition is left to adjust for."""
    generator = np.random.default_rng(5)
    units, years = np.arange(30), np.arange(2013, 2018)
    income = 1000 * np.exp(generator.normal(0, 0.6, 30))[:, None] * np.exp(0.1 * (years - 2013) + generator.normal(0, 0.1, (30, 5)))
    frame = pd.DataFrame({"unit": np.repeat(units, 5), "year": np.tile(years, 30), "income": income.ravel()})
    frame = frame.assign(first=np.where(frame["unit"] < 12, 2016, 0), wage=frame["income"] / 2, transfer=frame["income"] / 2)
    changes = {
        "unit": "unit", "income_def": "unknown", "window": [2013, 2017], "treatment": {"first_year": "first", "never": [0]},
        "cluster": None, "truth": None, "components": {"wage": "wage", "transfer": "transfer"},
    }  # fmt: skip
    found = evaluate(study("industry", **changes), saved(frame)).components
    own, base, after = income[:, :3].mean(axis=1), income[:, 2], income[:, 3:].mean(axis=1)
    treated = units < 12
    growth = (after - base)[~treated].sum() / own[~treated].sum()
    total = (after - base)[treated].mean() - own[treated].mean() * growth
    assert found.rows[-1].effect.estimate == pytest.approx(total, rel=1e-9)
    assert found.rows[0].effect.estimate == pytest.approx(total / 2, rel=1e-9)
    assert found.no_share == "not_asked"


def test_components_that_do_not_add_up_are_refused_with_their_places(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/households.csv.gz")
    frame.loc[(frame["household_id"] == "990526-01-001") & (frame["year"] == 2014), "wage"] += 500
    with pytest.raises(DesignError, match=r"do not add up to 'income' in 1 rows.*990526-01-001 \(2014\) \+500\.00"):
        evaluate(study("relocation", truth=None), saved(frame))


def test_a_component_without_a_column_names_the_nearest():
    with pytest.raises(StudyError, match=r"no column 'wages'.*'wage'"):
        evaluate(study("relocation", components={"wage": "wages", "transfer": "transfer"}, self_generated=[]), folder=FOLDER)


def test_with_too_few_clusters_components_have_no_range_and_no_share(saved):
    frame = pd.read_csv(FOLDER / "../../data/demo/households.csv.gz")
    some = frame.loc[frame["relocation_first_year"] == 2018, "village_id"].unique()[:3]
    kept = frame["village_id"].isin(some) | ((frame["relocation_first_year"] == 0) & frame["village_id"].str.endswith("-01"))
    found = evaluate(study("relocation", truth=None), saved(frame[kept])).components
    assert found.no_share == "too_few" and all(row.effect.low is None and row.pretrend_p is None for row in found.rows)
