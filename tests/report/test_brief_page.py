"""The brief: two pages in both languages whatever the verdict, the words of the report, and nothing a figure does not carry."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from evalkit.before_after import rise_of_covered
from evalkit.errors import ReportError
from evalkit.findings import About, Described, Findings
from evalkit.firm_records import NotTold
from evalkit.grade import graded
from evalkit.grade_records import Evidence, Refusal
from evalkit.records import Interval, Remark
from evalkit.report import brief_files, brief_notebook, brief_page, brief_pdf, brief_word
from evalkit.report.blocks import Callout, Document, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.bottom_line import callout
from evalkit.report.brief_page import compose, without_annex
from evalkit.report.trace import rows
from evalkit.report.voice import Voice
from evalkit.study import Words
from evalkit.supervision.brief_records import Brief, Checked, Fieldwork, GroupEffect, Reported, Response
from evalkit.supervision.ledger import read_ledger
from evalkit.supervision.recommendations import questions, recommendations
from evalkit.wording import check

VERDICTS = ("gain", "loss", "small_change", "unclear", "weak", "pretrend_failed", "too_few")
FIRM: dict[str, Any] = {
    "design": "parallel",
    "periods_before": 5,
    "pretrend_p": 0.4,
    "pretrend_power": 0.8,
    "breakdown": 0.7,
    "flips": 0,
}
NOT_COMPUTED = NotTold(reason="not_computed")


@pytest.fixture(scope="module", params=["zh", "en"])
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fieldwork(tmp_path_factory: Any) -> Fieldwork:
    fields, states = ("健康", "教育", "产业", "居住", "资金", "其他"), ("已整改", "已整改", "整改中", "未整改")
    head = "problem_id,found_date,site_id,field,kind,evidence_id,verified_by,state,wave2_state"
    lines = [head]
    for n in range(120):
        state = states[n % 4]
        second = ("已整改(复查属实)" if n % 5 else "已整改(复查不实)") if state == "已整改" and n % 3 == 0 else ""
        lines.append(f"P{n},2018-03-05,V{n % 26},{fields[n % 6]},{'报销慢' if n % 2 else '合同不清'},E{n},甲,{state},{second}")
    path = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_ledger(path, sites=28)


def made(*findings: Findings | Described, stage: Any = "draft", response: Response | None = None, **changes: Any) -> Brief:
    """A brief of findings, without a file."""
    runs = [
        Reported(
            folder=f"run-{place}", findings=each, rise=NOT_COMPUTED if isinstance(each, Described) else rise_of_covered(each),
            groups=changes.pop("groups", NOT_COMPUTED), checks=changes.pop("checks", NOT_COMPUTED), case=NOT_COMPUTED,
        )
        for place, each in enumerate(findings)
    ]  # fmt: skip
    told: dict[str, Any] = {
        "stage": stage, "runs": runs, "fieldwork": NotTold(reason="no_ledger"), "response": response or Response(status="awaited"),
        "recommendations": [one for place, each in enumerate(findings) for one in recommendations(each, place)],
        "questions": [one for place, each in enumerate(findings) for one in questions(each, place)],
    }  # fmt: skip
    return Brief(**(told | changes))


@pytest.fixture(scope="module")
def judged(example_findings: Any, whole: Any, example_firm: Any) -> Callable[..., Findings]:
    """Findings of a verdict with everything a brief can tell, and a grade."""

    def findings(verdict: str = "gain", simulated: bool = True, full: bool = True, **changes: Any) -> Findings:
        base = "gain" if verdict == "weak" else verdict
        found: Findings = example_findings(base, simulated)
        evidence = Evidence(**(FIRM | {name: changes.pop(name) for name in list(changes) if name in Evidence.model_fields}))
        told = {"evidence": evidence, "grade": graded(evidence), "firm": example_firm(base), "verdict": verdict} | changes
        return (whole(found) if full else found).model_copy(update=told)

    return findings


@pytest.fixture(scope="module")
def refused(judged: Any) -> Described:
    """A study in which everybody was covered at once."""
    findings = judged("gain", full=False)
    about = {name: getattr(findings, name) for name in About.model_fields}
    cure = Remark(code="not_covered", facts={"units": 10, "first": 2013, "last": 2022})
    refusal = Refusal(code="no_comparison", facts={"units": 59, "start": 2016}, cures=[cure])
    grade = graded(Evidence(design="before_after"))
    own = {"refusals": [refusal], "grade": grade, "units": 59, "treated_units": 59, "periods": list(range(2013, 2023)), "rows": 590}
    return Described(**(about | own | {"trends": [point for point in findings.trends if point.group == "treated"]}))


def texts(document: Document) -> list[str]:
    found = [document.title, document.kicker, document.page_title, document.banner, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [
                    block.label,
                    block.lead,
                    *block.points,
                    *(part for fact in block.numbers for part in (fact.label, fact.value)),
                ]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *block.notes, *(cell.text for row in block.rows for cell in row.cells)]
    return found


def first_callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


def section(brief: Brief, lang: str, name: str) -> str:
    return brief_notebook.text(brief, lang, name)


def full_brief(judged: Any, fieldwork: Fieldwork, verdict: str) -> Brief:
    """As long as a brief of one programme gets: every section full, and the lowest grade with the most reasons."""
    word = Words(zh="没有劳动力的建档立卡户", en="registered households without labour")
    groups = [GroupEffect(word=word, effect=Interval(estimate=420.0 + n, low=90.0, high=750.0)) for n in range(7)]
    checks = Checked(passed=12, doubt=5, fail=3, not_applicable=3, named=[f"R{n}" for n in range(2, 10)])
    weak = {
        "largest_imbalance": 0.4,
        "estimators_opposed": 1,
        "overlap": 0.5,
        "missing_share": 0.3,
        "flips": 3,
        "spillover_p": 0.01,
    }
    findings = judged(verdict, **(weak if verdict == "weak" else {"largest_imbalance": 0.4}))
    return made(findings, fieldwork=fieldwork, groups=groups, checks=checks)


def pdf_of(brief: Brief, lang: str) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(brief_pdf.render(*brief_files.fitted(brief, lang)[:3])))


@pytest.mark.parametrize("verdict", ["gain", "weak"])
def test_the_longest_brief_of_one_programme_has_two_pages(verdict: str, lang: str, judged: Any, fieldwork: Fieldwork) -> None:
    assert len(pdf_of(full_brief(judged, fieldwork, verdict), lang).pages) == 2


def test_every_page_is_a4_and_says_that_data_are_simulated(lang: str, judged: Any) -> None:
    for page in pdf_of(made(judged()), lang).pages:
        assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)
        assert "Simulated data" in page.extract_text()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs an office program that counts the pages of a Word file")
def test_a_word_file_has_two_pages_too(lang: str, judged: Any, fieldwork: Fieldwork, tmp_path: Path) -> None:
    brief = full_brief(judged, fieldwork, "gain")
    (tmp_path / "brief.docx").write_bytes(brief_word.render(*brief_files.fitted(brief, lang)[:3]))
    home = f"-env:UserInstallation=file://{tmp_path}/office"
    command = ["soffice", home, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), str(tmp_path / "brief.docx")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert len(pypdf.PdfReader(tmp_path / "brief.pdf").pages) == 2


def test_what_does_not_fit_is_an_error_that_names_the_longest_section(judged: Any) -> None:
    findings = judged()
    endless = findings.model_copy(update={"programme": Words(zh="很长的名称" * 120, en="a long name " * 200)})
    brief = made(endless)
    with pytest.raises(ReportError, match=r"does not fit on 2 pages, .* Its longest sections are .*characters"):
        pdf_of(brief, "en")


def test_the_response_stands_on_a_page_of_its_own_word_for_word(lang: str, judged: Any) -> None:
    said = ["我县认为，2019年的旱灾没有计入。", "建议补充。"]
    brief = made(judged(), stage="final", response=Response(status="received", paragraphs=said, to_runs=["x"]))
    document = compose(brief, lang)
    assert [block.text for block in document.blocks[-2:] if isinstance(block, Paragraph)] == said
    reader = pdf_of(brief, lang)
    assert len(reader.pages) == 3
    assert len(without_annex(document).blocks) == len(document.blocks) - 4


def test_a_response_to_an_earlier_draft_says_so(judged: Any) -> None:
    response = Response(status="received", paragraphs=["有意见。"], to_runs=["industry-old"], of_these_runs=False)
    told = texts(compose(made(judged(), response=response), "zh"))
    assert any("较早的一稿" in text and "industry-old" in text for text in told)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_bottom_line_says_the_words_of_the_report(verdict: str, lang: str, judged: Any) -> None:
    findings = judged(verdict)
    own, report = first_callout(compose(made(findings), lang)), callout(Voice(findings, lang))
    assert (own.verdict, own.mark, own.label, own.lead) == (report.verdict, report.mark, report.label, report.lead)
    beyond = set(own.points) - set(report.points)  # where the report leads to its table, the brief leads to the report
    assert len(beyond) <= 1 and all(("登记" if lang == "zh" else "registered") in point for point in beyond)
    assert own.numbers[: len(report.numbers)] == report.numbers


@pytest.mark.parametrize("verdict", VERDICTS)
def test_no_sentence_says_more_than_its_verdict_carries(verdict: str, lang: str, judged: Any, fieldwork: Fieldwork) -> None:
    brief = made(judged(verdict, False), fieldwork=fieldwork)
    for text in texts(compose(brief, lang)):
        assert check(text, lang, verdict) == [], text
        assert not re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text), text


def test_every_number_knows_its_result(lang: str, judged: Any, fieldwork: Fieldwork) -> None:
    trail = rows(compose(made(judged(), fieldwork=fieldwork), lang))
    sources = {source for row in trail for source in row.results}
    assert "runs[0].findings.headline.money.estimate" in sources
    assert "fieldwork.reported.share" in sources
    assert all(source.startswith(("runs[0].", "fieldwork.", "recommendations", "questions")) for source in sources)


def test_advice_is_printed_for_grade_c_and_questions_alone_below_it(lang: str, judged: Any) -> None:
    advice = {"zh": "建议", "en": "Recommended"}[lang]
    carried, weak = (
        made(judged(verdict, estimators_opposed=n, largest_imbalance=0.4)) for n, verdict in enumerate(("gain", "weak"))
    )
    assert (carried.runs[0].findings.grade.letter, weak.runs[0].findings.grade.letter) == ("C", "D")  # type: ignore[union-attr]
    labels = [
        {item.label for block in compose(brief, lang).blocks if isinstance(block, Listing) for item in block.items}
        for brief in (carried, weak)
    ]
    assert advice in labels[0]
    assert advice not in labels[1]


def test_results_without_a_grade_say_that_it_is_not_recorded(judged: Any) -> None:
    old = judged().model_copy(update={"grade": None, "evidence": None})
    brief = made(old)
    assert "未记录" in section(brief, "zh", "solid")
    assert brief.recommendations == []
    assert "不提建议" in section(brief, "zh", "proposed")


def test_a_study_without_a_causal_figure_says_what_cannot_be_said_and_what_would_cure_it(lang: str, refused: Described) -> None:
    brief = made(refused)
    document = compose(brief, lang)
    first = first_callout(document)
    assert first.verdict == "refused"
    assert not [block for block in document.blocks if isinstance(block, Figure)]
    assert brief.recommendations == []
    assert "find_comparison" in [one.code for one in brief.questions]
    cures = {"zh": ("6,230", "没有实施"), "en": ("6,230", "not covered")}[lang]
    assert cures[0] in " ".join(first.points)
    for text in texts(document):
        assert check(text, lang, "description") == [], text
    assert len(pdf_of(brief, lang).pages) <= 2


def test_the_field_findings_appear_with_a_ledger_alone(judged: Any, fieldwork: Fieldwork) -> None:
    without, with_one = (compose(made(judged(), **changes), "zh") for changes in ({}, {"fieldwork": fieldwork}))
    headings = [[block.text for block in document.blocks if isinstance(block, Heading)] for document in (without, with_one)]
    assert len(headings[1]) == len(headings[0]) + 1
    assert any("监督发现" in text for text in headings[1])
    assert not any("监督发现" in text for text in headings[0])
    assert headings[1][-1].startswith("八、")


def test_what_was_not_computed_is_said_and_never_estimated(judged: Any) -> None:
    brief = made(judged(full=False))
    for name in ("who", "solid"):
        assert "未计算" in section(brief, "zh", name)
    assert "未计算" in section(brief, "zh", "cost")


def test_the_three_sentences_stand_in_every_brief(lang: str, judged: Any, refused: Described) -> None:
    fixed = {
        "zh": ("不能用来评价", "不能推及", "不等于没有效果"),
        "en": ("judges no place", "does not reach", "not the same as no effect"),
    }[lang]
    for brief in (made(judged()), made(judged("too_few")), made(refused)):
        told = section(brief, lang, "limits")
        assert all(words in told for words in fixed)


def test_several_programmes_stand_in_one_brief_each_under_its_name(lang: str, judged: Any) -> None:
    first = judged()
    other = judged("unclear").model_copy(update={"run_id": "health-1", "programme": Words(zh="健康帮扶", en="health support")})
    brief = made(first, other)
    document = compose(brief, lang)
    labels = [block.label for block in document.blocks if isinstance(block, Callout)]
    assert len(labels) == 2
    assert {"zh": "健康帮扶", "en": "Health support"}[lang] in labels[1]
    assert len(pdf_of(brief, lang).pages) <= 3


def test_the_same_brief_gives_the_same_bytes(judged: Any, fieldwork: Fieldwork, tmp_path: Path) -> None:
    brief = made(judged(), fieldwork=fieldwork)
    one, two = (brief_page.write(brief, tmp_path / name, "zh", ("pdf", "docx")) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert {
        "brief.zh.pdf",
        "brief.zh.docx",
        "brief_effect.zh.svg",
        "brief_funnel.zh.svg",
        "brief_numbers.zh.csv",
        "brief_fields.zh.csv",
    } <= {path.name for path in one}


def test_bad_requests_are_told(judged: Any, tmp_path: Path) -> None:
    brief = made(judged())
    with pytest.raises(ReportError, match="There is no format 'doc'"):
        brief_page.write(brief, tmp_path, "zh", ("doc",))
    with pytest.raises(ReportError, match="There is no section of the brief 'field'"):
        brief_notebook.text(brief, "zh", "field")
    with pytest.raises(ReportError, match="There is no figure 'funnel'"):
        brief_notebook.figure(brief, "funnel", "zh")
    with pytest.raises(ReportError, match="No drawing was given for the figures brief_effect, brief_split"):
        brief_pdf.render(compose(brief, "zh"), {}, 2)


def test_no_part_of_a_change_is_the_programmes_without_a_verdict_that_carries_it(judged: Any) -> None:
    def legend(brief: Brief) -> list[str]:
        drawn = brief_notebook.figure(brief, "brief_split", "en").axes[0].get_legend()
        assert drawn is not None
        return [text.get_text() for text in drawn.get_texts()]

    carried, weak = judged(), judged("weak", estimators_opposed=1, largest_imbalance=0.4)
    told = [section(made(each), "en", "how") for each in (carried, weak)]
    assert "the programme +" in told[0]
    assert "the programme +" not in told[1]
    assert "difference from the comparison" in told[1]
    assert any(text.startswith("The programme") for text in legend(made(carried)))
    other = weak.model_copy(update={"run_id": "other-1"})
    for brief in (made(other), made(carried, other)):
        assert not any(text.startswith("The programme") for text in legend(brief))


def test_two_runs_of_one_programme_are_told_apart(judged: Any) -> None:
    first = judged()
    second = first.model_copy(update={"title": Words(zh="另一份评估", en="Another evaluation")})
    labels = [block.label for block in compose(made(first, second), "en").blocks if isinstance(block, Callout)]
    assert labels[1].startswith("Another evaluation:") and labels[0] != labels[1]
    same = [block.label for block in compose(made(first, first), "zh").blocks if isinstance(block, Callout)]
    assert [label.partition("：")[0] for label in same] == ["run-0", "run-1"]


@pytest.mark.parametrize("name", ["brief_effect", "brief_split"])
def test_a_notebook_says_that_a_brief_without_a_causal_figure_has_none(name: str, refused: Described, lang: str) -> None:
    assert {"zh": "原因见正文", "en": "its text says why"}[lang] in str(brief_notebook.figure(made(refused), name, lang))


def test_the_range_of_one_county_is_called_a_prediction_interval(judged: Any, lang: str, of_one_county: Any) -> None:
    alone = of_one_county(judged("too_few", full=False))
    notes = [
        block.notes for block in compose(made(alone), lang).blocks if isinstance(block, Figure) and block.name == "brief_effect"
    ]
    assert {"zh": "95%预测区间", "en": "95% prediction interval"}[lang] in notes[0][0]
