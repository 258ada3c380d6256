"""The land-coupon study of Chongqing gives the paper's figures, and the poor-county study its warning."""

import pytest
from recorded import SHARED

from evalkit import Study, evaluate
from evalkit.places import shared

STUDIES = shared("notebooks", "studies")


COUNTIES = SHARED / "real" / "chongqing_county_panel_2005_2020.csv"


@pytest.fixture(scope="module")
def counties():
    if not COUNTIES.is_file():
        pytest.skip("the county panel of the land-coupon paper is not there: set EVALKIT_REFERENCE to the folder that holds real/")
    return COUNTIES


def rows(findings):
    return {(r.estimator, r.average, r.comparison): r.effect for r in findings.estimators}


def test_land_coupons_reproduce_the_paper(counties):
    findings = evaluate(Study.from_yaml(STUDIES / "chongqing_land_coupon.yml"), counties)
    found = rows(findings)
    static, dynamic = found["two_way", "static", "all"], found["group_time", "dynamic", "never_treated"]
    assert (round(static.estimate, 4), round(static.std_error, 4)) == (0.0177, 0.0134)
    assert (round(dynamic.estimate, 4), round(dynamic.std_error, 4)) == (0.0929, 0.0146)
    assert round(found["group_time", "dynamic", "not_yet_treated"].estimate, 4) == 0.0853
    assert round(found["group_time", "overall", "not_yet_treated"].estimate, 3) == 0.078


def test_land_coupons_leave_out_fourteen_of_31_and_have_three_cohorts_of_one_county(counties):
    findings = evaluate(Study.from_yaml(STUDIES / "chongqing_land_coupon.yml"), counties)
    assert (findings.sample.treated_from_start, findings.sample.treated_units) == (14, 31)
    single = [remark.facts["cohorts"] for remark in findings.remarks if remark.code == "SINGLE_UNIT_COHORT"]
    assert single == [[2012, 2014, 2017]]


def test_poor_counties_look_like_a_gain_and_fail_before_treatment(counties):
    findings = evaluate(Study.from_yaml(STUDIES / "chongqing_poor_counties.yml"), counties)
    static = rows(findings)["two_way", "static", "all"]
    assert (round(static.estimate, 3), round(static.std_error, 3)) == (0.046, 0.011)
    assert findings.verdict == "pretrend_failed"
    assert findings.pretrend.first_event_time == -5 and round(findings.pretrend.first, 3) == -0.036
