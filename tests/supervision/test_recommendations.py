"""What is recommended and what is asked: no advice without a verdict and a grade of C or better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit import codes
from evalkit.errors import ReportError
from evalkit.findings import ComponentRow, Components, Findings
from evalkit.grade_records import Refusal
from evalkit.records import Interval, Remark
from evalkit.supervision import recommendations as module
from evalkit.supervision.recommendations import letter, moved_most, questions, recommendations, rules
from evalkit.words import LANGUAGES, catalogue


def changed(findings: Findings, letter: str | None, graded: Any, **changes: Any) -> Findings:
    changes["grade"] = None if letter is None else graded(letter)
    return findings.model_copy(update=changes)


@pytest.mark.parametrize("verdict", ["gain", "loss", "small_change"])
@pytest.mark.parametrize(("grade", "some"), [("A", True), ("B", True), ("C", True), ("D", False), ("N", False), (None, False)])
def test_advice_begins_at_grade_c(stored: Findings, graded: Any, verdict: str, grade: str | None, some: bool) -> None:
    findings = changed(stored, grade, graded, verdict=verdict)
    assert bool(recommendations(findings, 0)) is some
    assert questions(findings, 0)


@pytest.mark.parametrize("verdict", ["unclear", "weak", "pretrend_failed", "cannot_show", "too_few", "one_unit", "refused"])
@pytest.mark.parametrize("grade", ["A", "B", "C"])
def test_no_grade_makes_advice_of_what_is_no_verdict(stored: Findings, graded: Any, verdict: str, grade: str) -> None:
    assert recommendations(changed(stored, grade, graded, verdict=verdict), 0) == []


def test_a_table_that_would_recommend_below_c_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_row(**row: str) -> Any:
        table = codes.table("recommendations")
        table.loc[0, list(row)] = list(row.values())
        monkeypatch.setattr(module, "table", lambda name: table)
        rules.cache_clear()
        return rules

    for row, told in [
        (
            {"grade": "A|D"},
            "line 5: a recommendation rests on one of the verdicts gain, loss, small_change with a grade of A, B, C",
        ),
        ({"grade": ""}, "line 5: a recommendation rests"),
        ({"verdict": "unclear"}, "line 5: a recommendation rests"),
        ({"kind": "order"}, "There is no kind 'order'"),
        ({"kind": "ask", "on": "weather"}, "There is no source of a question 'weather'"),
    ]:
        with pytest.raises(ReportError, match=told):
            with_row(**row)()
        monkeypatch.undo()
    rules.cache_clear()


def test_every_code_has_its_sentence_in_both_languages() -> None:
    names = {"recommend": "advice", "ask": "ask"}
    for lang in LANGUAGES:
        assert [rule.code for rule in rules() if not catalogue(lang).has(f"brief.{names[rule.kind]}.{rule.code}")] == []


def test_every_rule_of_the_grade_that_a_question_names_exists() -> None:
    known = codes.table("grade_rules")
    for rule in rules():
        source, _, name = rule.on.partition(":")
        if rule.kind == "ask" and source in ("reason", "unknown"):
            assert name in set(known["rule" if source == "reason" else "family"]), name


def parts(**amounts: float) -> Components:
    rows = [
        ComponentRow(name=name, word=None, earned=False, effect=Interval(estimate=amount), pretrend_p=None)
        for name, amount in {**amounts, "total": sum(amounts.values())}.items()
    ]
    return Components(
        rows=rows, growth=False, composition=False, measured_by=None, units=9, left_out=0, gap=0.0, share=None, no_share="not_asked"
    )


def test_advice_follows_the_income_that_moved_most(stored: Findings, graded: Any) -> None:
    wages = changed(stored, "B", graded, components=parts(wage=500.0, transfer=80.0))
    assert [one.code for one in recommendations(wages, 0)] == ["keep_and_follow", "work_that_lasts"]
    transfers = changed(stored, "B", graded, components=parts(wage=50.0, transfer=480.0))
    assert [one.code for one in recommendations(transfers, 0)] == ["keep_and_follow", "beyond_transfers"]
    assert moved_most(changed(stored, "B", graded, components=parts(wage=40.0, transfer=-300.0))) == "transfer"
    assert moved_most(changed(stored, "B", graded, components=None)) == ""


def test_a_question_names_the_result_it_comes_from_and_is_asked_once(stored: Findings, graded: Any) -> None:
    findings = changed(
        stored, "N", graded, verdict="refused",
        refusals=[Refusal(code="only_exited"), Refusal(code="definition_break", facts={"years": [2014]})],
        remarks=[Remark(code="INCOME_DEF_SWITCH", facts={}), Remark(code="INCOME_DEF_UNKNOWN", facts={})], warnings=[],
    )  # fmt: skip
    asked = {one.code: one.evidence for one in questions(findings, 2)}
    assert asked["everybody_at_start"] == "runs[2].findings.refusals[0]"
    assert asked["one_definition"] == "runs[2].findings.refusals[1]"
    assert len(asked) == len(questions(findings, 2))


def test_results_of_an_older_version_have_no_grade_and_are_asked_again(stored: Findings, graded: Any, tmp_path: Path) -> None:
    old = changed(stored, None, graded)
    assert letter(old) == "unrecorded"
    assert "grade_again" in [one.code for one in questions(old, 0)]
    assert "grade_again" not in [one.code for one in questions(changed(stored, "B", graded), 0)]
