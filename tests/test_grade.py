"""The evidence grade: thirty constructed cases, and rules that can be read, argued with and broken."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from evalkit.codes import table
from evalkit.errors import EvalkitError
from evalkit.evidence_limits import UNLIMITED
from evalkit.grade import LETTERS, graded, read_rules, shipped
from evalkit.grade_records import Evidence
from evalkit.words import catalogue

# A study with nothing to object to: difference-in-differences, five years before, a test with power, a firm conclusion.
CLEAN: dict[str, Any] = {
    "design": "parallel", "comparison_share": 0.5, "periods_before": 5, "pretrend_p": 0.4, "pretrend_power": 0.8, "breakdown": 1.2,
    "smaller_side": 40, "permutation_p": 0.002, "smallest_p": 0.002, "estimators": 6, "estimators_opposed": 0, "estimators_outside": 0,
    "money_opposed": False, "largest_imbalance": 0.08, "overlap": 0.95, "bundle_share": 0.1, "missing_share": 0.02,
    "attrition_gap": 0.01, "flags": 0, "definition_break": False, "straddles": False, "spillover_p": 0.4, "flips": 0,
}  # fmt: skip

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("nothing to object to: the ceiling of a justified comparison", {}, "B"),
    ("a lottery with nothing to object to", {"design": "lottery"}, "A"),
    ("a cut-off nobody sorted around", {"design": "discontinuity", "manipulation_p": 0.5}, "A"),
    ("a cut-off with sorting around it", {"design": "discontinuity", "manipulation_p": 0.01}, "D"),
    ("a cut-off where nobody looked for sorting", {"design": "discontinuity"}, "D"),
    ("two independent comparisons that agree, and a firm conclusion", {"second_source": "agrees"}, "A"),
    ("two that agree, but a drift seen before overturns the conclusion", {"second_source": "agrees", "breakdown": 0.9}, "B"),
    ("two that differ", {"second_source": "differs"}, "B"),
    ("two years before the start", {"periods_before": 2}, "C"),
    ("a matched cross-section", {"design": "matching"}, "D"),
    ("before and after without anybody to compare with", {"design": "before_after"}, "N"),
    ("only those who left poverty", {"sample": "exited"}, "N"),
    ("only those who left poverty, with a lottery", {"sample": "exited", "design": "lottery"}, "N"),
    ("97 per cent covered", {"comparison_share": 0.03}, "N"),
    ("growth that differed before the start", {"pretrend_p": 0.05}, "C"),
    ("a test without power", {"pretrend_power": 0.3}, "C"),
    ("a test that could not be made", {"pretrend_p": None, "pretrend_power": None}, "C"),
    ("half of an earlier difference overturns the conclusion", {"breakdown": 0.4}, "C"),
    ("a quarter of it does", {"breakdown": 0.2}, "D"),
    ("no drift in reason overturns it", {"breakdown": UNLIMITED}, "B"),
    ("eight clusters on a side, ranked among assignments", {"smaller_side": 8}, "B"),
    ("eight clusters on a side, not ranked", {"smaller_side": 8, "permutation_p": None}, "C"),
    ("a lottery among five on a side", {"design": "lottery", "smaller_side": 5}, "C"),
    ("a lottery among two on a side", {"design": "lottery", "smaller_side": 2}, "D"),
    ("another estimator says the opposite", {"estimators_opposed": 1, "estimators_outside": 1, "money_opposed": True}, "C"),
    ("groups that are not alike after weighting", {"largest_imbalance": 0.4}, "C"),
    ("a third of the covered without their like", {"overlap": 0.6, "largest_imbalance": 0.4}, "C"),
    ("another programme in most covered units", {"bundle_share": 0.6}, "C"),
    ("a quarter of the rows missing, and more from one side", {"missing_share": 0.25, "attrition_gap": 0.08}, "C"),
    ("open questions on the data", {"flags": 2}, "C"),
    ("a definition of income that changes within the comparison, even with a lottery", {"design": "lottery", "definition_break": True}, "D"),
    ("neighbours that moved too", {"spillover_p": 0.01}, "C"),
    ("one county that turns the sign", {"flips": 1}, "C"),
    ("a drift before, a shaky conclusion and open questions", {"pretrend_p": 0.05, "breakdown": 0.4, "flags": 1}, "D"),
    ("open questions made up for by an outcome that did not move", {"flags": 1, "untouched_p": 0.6, "untouched_within": True}, "B"),
    ("one step up at most", {"flags": 1, "flips": 1, "untouched_p": 0.6, "untouched_within": True, "dose_monotone": True, "dose_p": 0.01}, "C"),
    ("no step up above the ceiling", {"untouched_p": 0.6, "untouched_within": True, "dose_monotone": True, "dose_p": 0.01}, "B"),
    ("an outcome that may have moved unseen makes up for nothing", {"flags": 1, "untouched_p": 0.6, "untouched_within": False}, "C"),
    ("an outcome that moved makes up for nothing", {"flags": 1, "untouched_p": 0.05, "untouched_within": True}, "C"),
    ("a lottery whose groups grew apart before the start", {"design": "lottery", "pretrend_p": 0.04}, "B"),
    ("a lottery whose groups stood far apart before the start", {"design": "lottery", "start_p": 0.001}, "C"),
    ("more dose, less clear", {"flags": 1, "dose_monotone": False, "dose_p": 0.01}, "C"),
    ("a lottery whose range says nothing", {"design": "lottery", "straddles": True}, "B"),
    ("a lottery is not judged by years before it", {"design": "lottery", "pretrend_p": None, "breakdown": None, "periods_before": 1}, "A"),
    ("what nobody looked at lowers nothing and is no pass", {"largest_imbalance": None, "overlap": None, "bundle_share": None}, "B"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "changes", "letter"), CASES, ids=[case[0] for case in CASES])
def test_the_same_facts_always_have_the_same_grade(sentence: str, changes: dict[str, Any], letter: str) -> None:
    assert graded(Evidence(**{**CLEAN, **changes})).letter == letter


def test_there_are_at_least_thirty_cases_and_every_grade_among_them() -> None:
    assert len({repr(changes) for _, changes, _ in CASES}) >= 30
    assert {letter for *_, letter in CASES} == {*LETTERS, "N"}


def test_before_and_after_is_n_whatever_else_is_known() -> None:
    for changes in (changes for _, changes, _ in CASES):
        assert graded(Evidence(**{**CLEAN, **changes, "design": "before_after"})).letter == "N"


def test_a_worse_fact_never_gives_a_better_grade() -> None:
    worse = {
        "pretrend_p": 0.01,
        "pretrend_power": 0.1,
        "breakdown": 0.1,
        "smaller_side": 2,
        "flips": 3,
        "flags": 1,
        "missing_share": 0.5,
    }
    order = (*LETTERS, "N")
    for names in itertools.chain.from_iterable(itertools.combinations(worse, size) for size in range(3)):
        start = {**CLEAN, **{name: worse[name] for name in names}}
        for name, value in worse.items():
            before, after = graded(Evidence(**start)), graded(Evidence(**{**start, name: value}))
            assert order.index(after.letter) >= order.index(before.letter), (names, name)


def test_a_grade_is_the_ceiling_less_its_reasons() -> None:
    for _, changes, _ in CASES:
        grade = graded(Evidence(**{**CLEAN, **changes}))
        if grade.letter == "N":
            continue
        down = sum(one.steps for one in grade.reasons if one.kind == "down")
        up = min(1, sum(one.steps for one in grade.reasons if one.kind == "up"))
        caps = [LETTERS.index(one.to) for one in grade.reasons if one.kind == "cap" and one.to and one.to != "N"]
        top = LETTERS.index(grade.ceiling) if grade.ceiling != "N" else 0
        assert grade.letter == LETTERS[min(3, max([top, top + down - up, *caps]))]


def test_every_reason_carries_the_number_it_read() -> None:
    grade = graded(Evidence(**{**CLEAN, "pretrend_p": 0.05, "flags": 2}))
    assert {one.rule: one.facts for one in grade.reasons if one.kind == "down"} == {
        "pretrend_rejected": {"design": "parallel", "pretrend_p": 0.05},
        "flags_open": {"flags": 2},
    }
    assert grade.reasons[0].rule == "three_years"


def test_what_was_not_looked_at_is_listed() -> None:
    grade = graded(Evidence(**{**CLEAN, "overlap": None, "largest_imbalance": None, "spillover_p": None}))
    assert {"alike", "neighbours"} <= set(grade.unknown)
    assert not {one.family for one in grade.held} & set(grade.unknown)


def test_of_a_family_only_the_rule_that_moves_most_counts() -> None:
    grade = graded(Evidence(**{**CLEAN, "breakdown": 0.1}))
    assert [one.rule for one in grade.reasons if one.family == "breakdown"] == ["breakdown_very_low"]


def test_every_rule_is_reached_by_a_case() -> None:
    reached = {one.rule for _, changes, _ in CASES for one in graded(Evidence(**{**CLEAN, **changes})).reasons}
    extra = {"breakdown": None, "missing_share": 0.0}
    reached |= {one.rule for one in graded(Evidence(**{**CLEAN, **extra})).reasons}
    reached |= {one.rule for one in graded(Evidence(**{**CLEAN, "estimators_outside": 1})).reasons}
    reached |= {one.rule for one in graded(Evidence(**{**CLEAN, "money_opposed": True})).reasons}
    reached |= {one.rule for one in graded(Evidence(**{**CLEAN, "overlap": 0.5})).reasons}
    reached |= {one.rule for one in graded(Evidence(**{**CLEAN, "attrition_gap": 0.2})).reasons}
    assert {rule.name for rule in shipped()} == reached


def test_every_rule_has_words_in_both_languages() -> None:
    for lang in ("zh", "en"):
        words = catalogue(lang)
        for rule in shipped():
            assert words.has(f"grade_rule.{rule.name}"), rule.name
            assert words.has(f"grade_family.{rule.family}"), rule.family


def test_a_table_of_ones_own_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.csv"
    path.write_text(
        "rule,kind,when,result,family,source,verified\nany,ceiling,smaller_side >= 1,C,ceiling,mine,no\n", encoding="utf-8"
    )
    assert graded(Evidence(**CLEAN), read_rules(path)).letter == "C"
    with pytest.raises(EvalkitError, match="sets a ceiling"):
        graded(Evidence(design="parallel"), read_rules(path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,downn,flags > 0,1,f,s,no", r"line 2: .*kind of rule 'downn'.*down"),
        ("x,down,flagz > 0,1,f,s,no", "no fact 'flagz'. Nearest: flags"),
        ("x,down,flags > 0,9,f,s,no", "result '9'"),
        ("x,cap,flags > 0,N,f,s,no", "result 'N'"),
        ("x,down,flags about 0,1,f,s,no", "'flags about 0' is no condition"),
    ],
)
def test_a_rule_that_cannot_be_read_names_its_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "rules.csv"
    path.write_text("rule,kind,when,result,family,source,verified\n" + row + "\n", encoding="utf-8")
    with pytest.raises(EvalkitError, match=message):
        read_rules(path)


def test_every_row_of_the_table_says_where_it_comes_from() -> None:
    rows = table("grade_rules")
    assert (rows["source"] != "").all()
    assert rows["verified"].isin(["yes", "secondary", "no", "policy"]).all()
    assert not rows["rule"].duplicated().any()
