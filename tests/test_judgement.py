"""Judgements that stand: what is refused, why, what may still be told, and which data would cure it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.county import counties, within
from evalkit.errors import DesignError, StudyError
from evalkit.evaluation import evaluate, evaluate_loaded
from evalkit.findings import Described, Findings
from evalkit.firm_records import NotTold
from evalkit.grade import graded
from evalkit.grade_records import Evidence
from evalkit.judgement import allowed
from evalkit.report import document, notebook, refusals
from evalkit.report.voice import StudyVoice
from evalkit.study import Study
from evalkit.study_data import Loaded
from evalkit.wording import check

YEARS = range(2011, 2019)
CLEAN: dict[str, Any] = {
    "design": "parallel", "comparison_share": 0.5, "periods_before": 4, "pretrend_p": 0.5, "pretrend_power": 0.9, "breakdown": 1.0,
    "smaller_side": 20, "permutation_p": 0.01, "smallest_p": 0.002,
}  # fmt: skip


def panel(units: int = 24, covered: int = 12, start: int = 2015, gain: float = 0.08, seed: int = 3) -> pd.DataFrame:
    """Incomes that grow alike by 8 per cent a year; the first units are covered from a year on and gain."""
    rng = np.random.default_rng(seed)
    level = rng.normal(8.5, 0.2, units)
    rows = [
        {"county": f"c{u:03d}", "year": year, "income": float(np.exp(level[u] + 0.08 * (year - 2011) + gain * (u < covered and year >= start) + rng.normal(0, 0.02))),
         "start": start if u < covered else 0, "other": start + 1 if u < covered and u % 4 else 0, "place": f"p{u % 6}"}
        for u in range(units) for year in YEARS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def study(**changes: Any) -> Study:
    words = {"zh": "测试", "en": "test"}
    content: dict[str, Any] = {
        "name": "test", "title": words, "programme": {"zh": "产业帮扶", "en": "industry support"},
        "source": {"name": words, "simulated": True}, "unit": "county", "unit_word": {"zh": "县", "en": "county"}, "outcome": "income",
        "outcome_word": {"zh": "人均收入", "en": "income per head"}, "prices": {"zh": "名义值", "en": "nominal"}, "nominal": True,
        "window": [2011, 2018], "treatment": {"first_year": "start", "never": [0]}, "seed": 5, "cluster": "county", "income_def": "disposable",
    }  # fmt: skip
    return Study.parse(content | changes)


def judged(frame: pd.DataFrame, **changes: Any) -> Findings | Described:
    return evaluate_loaded(study(**changes), Loaded(frame, {}))


def codes(found: Findings | Described) -> list[str]:
    return [refusal.code for refusal in found.refusals]


@pytest.fixture(scope="module")
def plain() -> Findings:
    found = judged(
        panel(), checks={"other_programmes": {"other": {"zh": "健康帮扶", "en": "health support"}}, "same_place": "place"}
    )
    assert isinstance(found, Findings)
    return found


def test_before_and_after_is_described_and_never_judged() -> None:
    found = judged(panel(covered=24))
    assert isinstance(found, Described)
    assert found.grade is not None and found.grade.letter == "N"
    assert codes(found) == ["no_comparison"] and found.verdict == "refused"
    (refusal,) = found.refusals
    assert [remark.code for remark in refusal.may_tell] == ["change"]  # nobody else grew to tell general growth by
    assert {cure.code for cure in refusal.cures} == {"not_covered", "later_covered"}
    for lang in ("zh", "en"):
        text = notebook.bottom_line(found, lang)
        assert check(text, lang, "refused", "N") == []
        blocks = document.compose(found, lang).blocks
        assert {block.name for block in blocks if block.kind == "table"} == {"before_after", "grade"}
    assert "不作因果判断" in notebook.bottom_line(found, "zh")


def test_years_that_are_missing_before_the_start_are_asked_for() -> None:
    found = judged(panel(covered=24, start=2012))
    cure = next(cure for cure in found.refusals[0].cures if cure.code == "years_before")
    assert cure.facts == {"more": 2, "first": 2009, "last": 2011}


def test_a_design_that_has_nobody_to_compare_with_is_still_an_error_for_those_who_estimate() -> None:
    from evalkit.evaluation import estimated

    with pytest.raises(DesignError, match="there is no comparison"):
        estimated(study(), Loaded(panel(covered=24), {}))


def test_only_those_who_left_poverty_are_refused_whatever_the_estimate() -> None:
    found = judged(panel(), sample="exited")
    assert isinstance(found, Findings)
    assert found.verdict == "refused" and found.grade is not None and found.grade.letter == "N"
    assert codes(found) == ["only_exited"] and found.warnings[0].code == "SELECTED_ON_OUTCOME"
    assert "收入已经提高" in notebook.bottom_line(found, "zh")


def test_two_treated_counties_are_too_few_and_three_more_would_do() -> None:
    found = judged(panel(covered=2))
    assert found.verdict == "too_few" and found.grade is not None and found.grade.letter == "D"
    (refusal,) = found.refusals
    assert refusal.code == "too_few"
    assert {cure.code: cure.facts["more"] for cure in refusal.cures}["more_treated"] == 3


def test_nearly_everybody_covered_is_refused() -> None:
    found = judged(panel(units=125, covered=120))
    assert found.verdict == "refused" and "nearly_everybody" in codes(found)
    assert "earlier_years" not in {cure.code for cure in found.refusals[0].cures}  # before 2011 nobody had started either
    assert found.grade is not None and found.grade.letter == "N"


def test_a_definition_that_changes_within_the_comparison_is_refused_and_one_before_it_is_not() -> None:
    frame = panel()
    for year, refused in ((2015, True), (2014, False)):
        changed = frame.assign(income_def=np.where(frame["year"] < year, "net", "disposable"))
        found = judged(changed, income_def="income_def")
        assert isinstance(found, Findings) and found.evidence is not None
        assert ("definition_break" in codes(found)) is refused
        assert (found.verdict == "refused") is refused
        assert "INCOME_DEF_2013" in {warning.code for warning in found.warnings}


def test_programmes_that_arrive_together_are_refused_one_by_one_only(plain: Findings) -> None:
    assert "arrive_together" in codes(plain) and plain.verdict != "refused"
    assert plain.evidence is not None and plain.evidence.bundle_share == pytest.approx(0.75)
    assert plain.grade is not None and "bundle" in {reason.rule for reason in plain.grade.reasons}


def test_the_grade_can_be_computed_again_from_what_is_recorded(plain: Findings) -> None:
    again = Findings.model_validate_json(plain.model_dump_json())
    assert again.evidence is not None and graded(again.evidence) == again.grade == plain.grade


def test_neighbours_are_looked_at_where_their_place_is_named(plain: Findings) -> None:
    assert plain.evidence is not None
    assert plain.evidence.spillover_p is None or 0 <= plain.evidence.spillover_p <= 1


def test_a_column_of_the_checks_that_is_not_there_names_the_key() -> None:
    with pytest.raises(StudyError, match=r"checks\.same_place: .*column 'plce'.*place"):
        judged(panel(), checks={"same_place": "plce"})
    with pytest.raises(StudyError, match=r"checks\.second_comparison: of the units never covered some must have 1"):
        judged(panel().assign(second=0), checks={"second_comparison": "second"})


def test_more_dose_and_an_untouched_outcome_are_looked_at_where_they_are_named() -> None:
    rng = np.random.default_rng(8)
    frame = panel(units=60, covered=30, gain=0.0)
    number = frame["county"].str[1:].astype(int)
    dose = np.where(number < 30, number % 3 + 1.0, 0.0)
    after = (frame["start"] > 0) & (frame["year"] >= frame["start"])
    frame = frame.assign(dose=dose, rain=rng.normal(50, 5, len(frame)), income=frame["income"] * np.exp(0.05 * dose * after))
    found = judged(frame, checks={"intensity": "dose", "untouched": {"rain": {"zh": "降雨", "en": "rainfall"}}})
    assert isinstance(found, Findings) and found.evidence is not None
    assert found.evidence.dose_monotone is True and (found.evidence.dose_p or 1) < 0.01
    assert (found.evidence.untouched_p or 0) > 0.01 and found.evidence.untouched_within is False  # rain varies by ten per cent


def test_a_gain_that_falls_with_the_dose_is_no_support() -> None:
    frame = panel(units=60, covered=30, gain=0.0)
    number = frame["county"].str[1:].astype(int)
    dose = np.where(number < 30, number % 3 + 1.0, 0.0)
    after = (frame["start"] > 0) & (frame["year"] >= frame["start"])
    frame = frame.assign(dose=dose, income=frame["income"] * np.exp((0.2 - 0.05 * dose) * after))
    found = judged(frame, checks={"intensity": "dose"})
    assert isinstance(found, Findings) and found.evidence is not None and found.grade is not None
    assert found.headline.effect.estimate > 0 and (found.evidence.dose_p or 1) < 0.01
    assert found.evidence.dose_monotone is False and "dose_response" not in [one.rule for one in found.grade.reasons]


def test_units_that_the_study_leaves_out_are_lost_all_the_same() -> None:
    frame = panel(units=40, covered=20)
    number = frame["county"].str[1:].astype(int)
    found = judged(frame[~((number < 8) & (frame["year"] >= 2017))], unbalanced="drop_units")
    assert isinstance(found, Findings) and found.evidence is not None and found.grade is not None
    assert found.evidence.attrition_gap == pytest.approx(0.4) and found.evidence.missing_share == pytest.approx(16 / 320)
    assert "uneven_loss" in [one.rule for one in found.grade.reasons]


@pytest.mark.parametrize(("shift", "unlike"), [(0.5, True), (0.0, False)])
def test_groups_that_a_lot_drew_do_not_stand_far_apart_before_the_start(shift: float, unlike: bool) -> None:
    frame = panel(units=60, covered=30)
    frame["income"] *= np.exp(shift * (frame["start"] > 0))
    found = judged(frame, assignment="lottery")
    assert isinstance(found, Findings) and found.evidence is not None and found.grade is not None
    assert ((found.evidence.start_p or 0) < 0.01) is unlike
    assert ("lot_unlike_start" in [one.rule for one in found.grade.reasons]) is unlike


def test_programmes_that_columns_tell_to_arrive_together_give_the_effect_their_names(plain: Findings) -> None:
    assert [words.en for words in plain.bundle] == ["industry support", "health support"]
    (remark,) = [one for one in plain.remarks if one.code == "BUNDLE"]
    assert remark.facts["share"] == plain.evidence.bundle_share == 9 / 12 if plain.evidence else False
    for lang, names in (("zh", ("产业帮扶", "健康帮扶")), ("en", ("industry support", "health support"))):
        lead = notebook.bottom_line(plain, lang)
        assert all(name in lead.split("\n")[2] for name in names), lead
    titles = [block.text for block in document.compose(plain, "zh").blocks if block.kind == "heading"]
    assert any("单项" in title for title in titles) and not any("为什么不给出因果数字" in title for title in titles)


def test_the_money_of_one_programme_is_not_set_against_the_gain_of_several() -> None:
    asked = {
        "cost": {"spent": {"total": 6e6}, "people": 1000, "source": {"zh": "测试", "en": "test"}},
        "checks": {"other_programmes": {"other": {"zh": "健康帮扶", "en": "health support"}}},
    }
    found = judged(panel(units=60, covered=30), **asked)
    assert isinstance(found, Findings) and found.verdict == "gain" and found.cost is not None
    assert found.cost.bought == NotTold(reason="bundle")


def test_an_outcome_that_is_known_well_and_did_not_move_raises_the_grade() -> None:
    frame = panel().assign(rain=lambda one: np.random.default_rng(9).normal(50, 0.5, len(one)))
    found = judged(frame, checks={"untouched": {"rain": {"zh": "降雨", "en": "rainfall"}}})
    assert isinstance(found, Findings) and found.evidence is not None and found.grade is not None
    assert found.evidence.untouched_within is True and (found.evidence.untouched_p or 0) >= 0.1
    assert "untouched_held" in [one.rule for one in found.grade.reasons]


def test_a_second_comparison_agrees_unless_it_grows_otherwise() -> None:
    frame = panel(units=60, covered=20)
    number = frame["county"].str[1:].astype(int)
    frame = frame.assign(second=(number >= 40).astype(int))
    drift = np.exp(0.04 * (frame["year"] - 2014).clip(lower=0) * frame["second"])
    for income, said in ((frame["income"], "agrees"), (frame["income"] * drift, "differs")):
        found = judged(frame.assign(income=income), checks={"second_comparison": "second"})
        assert isinstance(found, Findings) and found.evidence is not None
        assert found.evidence.second_source == said


@pytest.mark.parametrize(
    ("said", "changes", "verdict"),
    [
        ("gain", {}, "gain"),
        ("gain", {"smallest_p": 1 / 6}, "cannot_show"),
        ("loss", {"breakdown": 0.1}, "weak"),
        ("small_change", {"smaller_side": 2}, "weak"),
        ("gain", {"sample": "exited"}, "refused"),
        ("unclear", {"breakdown": 0.0}, "unclear"),
        ("pretrend_failed", {"pretrend_p": 0.01}, "pretrend_failed"),
        ("too_few", {}, "too_few"),
        ("too_few", {"sample": "exited"}, "refused"),
    ],
)
def test_a_verdict_is_what_the_evidence_allows(said: Any, changes: dict[str, Any], verdict: str) -> None:
    facts = Evidence(**(CLEAN | changes))
    assert allowed(said, facts, graded(facts), []) == verdict


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": [2005, 2018]}, r"window: 2005-2018 reaches beyond the data.*2011 to 2018.*\[2011, 2018\]"),
        ({"window": [2016, 2013]}, "window.*first before the last"),
        ({"smallest_meaningful_percent": 0}, "smallest_meaningful_percent.*greater than 0"),
        ({"assignment": "lotery"}, "assignment.*'chosen' or 'lottery'"),
        ({"cost": {"spent": {"total": 5, "low": 9}, "people": 3, "source": {"zh": "a", "en": "a"}}}, "low <= total <= high"),
    ],
)
def test_a_choice_that_cannot_be_names_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        judged(panel(units=8, covered=4), **changes)


def test_a_study_whose_growth_differed_before_the_start_falls_and_says_why(tmp_path: Path) -> None:
    frame = panel()
    frame["income"] *= np.exp(0.03 * (frame["start"] > 0) * (frame["year"] - 2011))
    frame.to_csv(tmp_path / "data.csv", index=False)
    found = evaluate(study(), tmp_path / "data.csv")
    assert isinstance(found, Findings) and found.verdict == "pretrend_failed"
    assert found.grade is not None and found.grade.letter in ("C", "D")
    assert "pretrend_rejected" in {reason.rule for reason in found.grade.reasons}
    assert "增长就不同" in notebook.bottom_line(found, "zh") and "grew differently" in notebook.bottom_line(found, "en")


def test_incomes_that_never_differ_by_chance_are_no_evidence() -> None:
    frame = panel()
    for income in (1000.0, 1000 * 1.08 ** (frame["year"] - 2011)):
        for scale in ("log", "level"):
            with pytest.raises(StudyError, match=r"outcome 'income' grows by the same .* in all units that start together"):
                judged(frame.assign(income=income), scale=scale)


def test_effects_in_yuan_are_not_taken_for_logarithms() -> None:
    with np.errstate(over="raise"):
        found = judged(panel(gain=0.3), scale="level")
    assert isinstance(found, Findings) and found.headline.effect.estimate > 710  # whose exponential no computer holds


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"untouched": {"income": {"zh": "收入", "en": "income"}}}, r"checks\.untouched: 'income' is the outcome"),
        (
            {"other_programmes": {"start": {"zh": "它", "en": "it"}}},
            r"checks\.other_programmes: 'start' is the start of the programme",
        ),
        ({"intensity": "place"}, r"checks\.intensity: the column 'place' holds text"),
        ({"coordinates": ["year", "place"]}, r"checks\.coordinates: the column 'place' holds text"),
    ],
)
def test_a_column_that_cannot_serve_a_check_is_refused_and_not_passed_over(checks: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        judged(panel(), checks=checks)


def test_an_outcome_without_noise_is_not_counted_as_untouched() -> None:
    found = judged(panel().assign(rain=1.0), checks={"untouched": {"rain": {"zh": "降雨", "en": "rainfall"}}})
    assert isinstance(found, Findings) and found.evidence is not None and found.grade is not None
    assert found.evidence.untouched_p is None and "up" in found.grade.unknown


def test_a_grade_can_be_worked_out_again_from_the_file(plain: Findings) -> None:
    again = Findings.model_validate_json(plain.model_dump_json())
    assert again.evidence is not None and graded(again.evidence) == plain.grade


HOUSEHOLDS: dict[str, Any] = {"public": True, "unit_level": "household", "unit_word": {"zh": "户", "en": "household"}}


def with_a_small_group(units: int, covered: int, homes: int = 40) -> pd.DataFrame:
    """A panel of households in villages, of which three more started before the window: too few for a public report to count."""
    frame = panel(units=units, covered=covered)
    number = frame["county"].str[1:].astype(int)
    early = number >= units - 3
    return frame.assign(start=frame["start"].mask(early, 2010), village=number % homes * 2 + (number < covered))


SMALL: list[tuple[str, pd.DataFrame, dict[str, Any]]] = [
    ("too_few", with_a_small_group(40, 15, homes=3), {"cluster": "village"}),
    ("only_exited", with_a_small_group(40, 15), {"sample": "exited"}),
    ("nearly_everybody", with_a_small_group(240, 226), {}),
    (
        "arrive_together",
        with_a_small_group(40, 15),
        {"checks": {"other_programmes": {"other": {"zh": "健康帮扶", "en": "health support"}}}},
    ),
]


@pytest.mark.parametrize(("code", "frame", "changes"), SMALL, ids=[code for code, *_ in SMALL])
def test_a_public_refusal_is_told_without_the_size_of_a_small_group(
    code: str, frame: pd.DataFrame, changes: dict[str, Any]
) -> None:
    found = judged(frame, **HOUSEHOLDS, **changes)
    assert isinstance(found, Findings) and found.hidden is not None and code in codes(found)
    counted = ("units", "comparison_units", "share", "treated_clusters", "comparison_clusters", "smallest_p")
    assert {fact for refusal in found.refusals for name, fact in refusal.facts.items() if name in counted} <= {None}
    assert {
        fact for warning in found.warnings for name, fact in warning.facts.items() if name in (*counted, "treated_clusters")
    } <= {None}
    assert found.evidence is not None and found.evidence.bundle_share in (None, 0.0) and found.evidence.flips is None
    for lang in ("zh", "en"):
        text = notebook.bottom_line(found, lang)
        assert check(text, lang, found.verdict, found.grade.letter if found.grade else "N") == []
        assert "None" not in str(document.compose(found, lang).blocks[1])
        voice = StudyVoice(found, lang)
        assert all("None" not in refusals.warning(voice, one) for one in found.warnings)


@pytest.mark.parametrize(("units", "covered", "group"), [(24, 9, "covered"), (24, 15, "compared"), (9, 9, "covered")])
def test_a_public_report_on_few_households_is_refused(units: int, covered: int, group: str) -> None:
    with pytest.raises(
        StudyError, match=f"public: true tells no figure that rests on fewer than 10.*fewer are {group}.*public: false"
    ):
        judged(panel(units=units, covered=covered), **HOUSEHOLDS)
    assert judged(panel(units=units, covered=covered), **(HOUSEHOLDS | {"public": False})).grade is not None


def test_a_county_of_a_study_in_which_all_are_covered_at_once_is_described_too() -> None:
    frame, asked = panel(covered=24), study(county="county")
    assert len(counties(asked, Loaded(frame, {}))) == 24
    found = evaluate_loaded(*within(asked, Loaded(frame, {}), "c003"))
    assert isinstance(found, Described) and found.units == 1
    assert "数据里只有1个县" in notebook.bottom_line(found, "zh") and "only 1 county" in notebook.bottom_line(found, "en")


def test_one_cluster_is_no_plural() -> None:
    text = notebook.bottom_line(judged(panel(covered=1)), "en")
    assert "the smaller side has only 1 cluster" in text and "1 clusters" not in text


def test_very_weak_evidence_with_a_range_above_zero_says_what_the_range_leaves_out() -> None:
    found = judged(panel())
    assert isinstance(found, Findings) and (found.headline.percent.low or 0) > 0
    weak = found.model_copy(update={"verdict": "weak"})
    assert "只反映抽样误差" in notebook.bottom_line(weak, "zh") and "sampling error alone" in notebook.bottom_line(weak, "en")


def test_what_can_never_be_shown_is_said_in_public_without_its_numbers() -> None:
    found = judged(panel())
    assert isinstance(found, Findings) and found.firm is not None
    firm = found.firm.model_copy(update={"permuted": NotTold(reason="hidden")})
    hidden = found.model_copy(update={"verdict": "cannot_show", "firm": firm})
    assert "数目不公布" in notebook.bottom_line(hidden, "zh") and "does not tell how many" in notebook.bottom_line(hidden, "en")
