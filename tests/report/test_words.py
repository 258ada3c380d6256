"""Both catalogues say the same things, and only what the data carry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.findings import Interval, Remark
from evalkit.report.blocks import Callout, Document, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.document import compose
from evalkit.report.remarks import REMARKS
from evalkit.report.words import LANGUAGES, ReportError, catalogue, placeholders

VARIANTS = [
    ("gain", True, "log"),
    ("loss", False, "level"),
    ("loss", False, "log"),
    ("small_change", True, "log"),
    ("unclear", False, "log"),
    ("unclear", False, "level"),
    ("pretrend_failed", False, "log"),
    ("pretrend_failed", True, "level"),
]
BANNED = {
    "zh": r"证明|完全由|根本原因|造假|虚报|显著|无影响|没有影响|(?<!不等于)没有效果|通过检验|通过了",
    "en": r"\bprov(e|es|ed|en)\b|\bproof\b|entirely due|\bfraud|significant|(?<!not the same as )\bno effect|\bpass(ed|es)\b|fabricat",
}
CAUSAL = {
    "zh": r"使(?!用)|带来|带动|导致|促进|拉动|造成|归功",
    "en": r"\brais(e|ed|es)\b|\blowered\b|\bcaused\b|\bled to\b|\bbrought\b|\bboost|\bincreased\b|\bthanks to\b|\bdue to\b",
}
DENIED = {"zh": "不能说明", "en": "does not show that"}


def texts(document: Document) -> list[str]:
    """Every text a reader of the document sees, in order."""
    found = [document.title, document.kicker, document.page_title, document.banner, document.banner_text, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [block.label, block.lead, *block.points]
                found += [part for fact in block.numbers for part in (fact.label, fact.value)]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *(column.label for column in block.columns), *block.notes]
                found += [part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)]
    return found


def callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


@pytest.fixture(scope="module", params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join(["%s"] * 3).__mod__)
def document(request: Any, lang: str, example_findings: Any) -> Document:
    verdict, simulated, scale = request.param
    return compose(example_findings(verdict, simulated, scale), lang)


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    chinese, english = (catalogue(code).sentences for code in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert [key for key in chinese if placeholders(chinese[key]) != placeholders(english[key])] == []


def test_no_sentence_claims_more_than_the_data_carry(document: Document) -> None:
    for text in texts(document):
        assert not re.search(BANNED[document.lang], text, re.IGNORECASE), text


def test_no_catalogue_holds_a_banned_word(lang: str) -> None:
    for key, sentence in catalogue(lang).sentences.items():
        assert not re.search(BANNED[lang], sentence, re.IGNORECASE), key


@pytest.mark.parametrize("verdict", ["pretrend_failed", "unclear"])
@pytest.mark.parametrize("scale", ["log", "level"])
def test_no_causal_verb_without_a_verdict_that_carries_one(verdict: str, scale: str, lang: str, example_findings: Any) -> None:
    document = compose(example_findings(verdict, False, scale), lang)
    ends = "。" if lang == "zh" else ". "
    for text in texts(document):
        for sentence in text.split(ends):
            if DENIED[lang] not in sentence and "caused it" not in sentence:
                assert not re.search(CAUSAL[lang], sentence), sentence


def test_nothing_is_left_unsaid(document: Document) -> None:
    for text in texts(document):
        assert not re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text), text


def test_a_failed_pretrend_comes_first(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    first = callout(compose(findings, lang))
    said = {
        "zh": ("开始之前", "增长就已经不同", "8.7%", "不能说明"),
        "en": ("Before", "already growing differently", "8.7%", "does not show"),
    }
    assert all(word in first.lead for word in said[lang])
    assert not first.numbers
    assert "618" in first.points[0] and "618" not in first.lead


def test_the_first_and_the_largest_difference_are_both_quoted(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    pretrend = findings.pretrend.model_copy(update={"first": -0.011, "largest": 0.052, "largest_event_time": -3})
    lead = callout(compose(findings.model_copy(update={"pretrend": pretrend}), lang)).lead
    assert "1.1%" in lead and "5.2%" in lead
    assert ("累计快约1.1%" in lead and "累计慢约5.2%" in lead) if lang == "zh" else ("faster" in lead and "slowly" in lead)


def test_with_a_varying_base_a_positive_lead_is_faster_growth(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False, base="varying")
    pretrend = findings.pretrend.model_copy(
        update={"first": 0.02, "first_event_time": -3, "largest_event_time": -3, "largest": 0.02}
    )
    lead = callout(compose(findings.model_copy(update={"pretrend": pretrend}), lang)).lead
    assert ("快约2.0%" if lang == "zh" else "faster than in comparison counties by about 2.0%") in lead


def test_a_difference_from_few_units_says_so(lang: str, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    path = [point.model_copy(update={"units": 1}) if point.event_time == -5 else point for point in findings.path]
    lead = callout(compose(findings.model_copy(update={"path": path}), lang)).lead
    assert ("依据1个县" if lang == "zh" else "from 1 county") in lead


def test_every_verdict_shows_shape_and_words(document: Document) -> None:
    shown = callout(document)
    assert shown.mark in "▲▼◆○■" and shown.label and shown.lead


def test_a_headline_without_a_range_says_so(lang: str, example_findings: Any) -> None:
    findings = example_findings("gain")
    headline = findings.headline.model_copy(update={"money": Interval(estimate=551.0)})
    lead = callout(compose(findings.model_copy(update={"headline": headline}), lang)).lead
    assert ("没有可用的置信区间" if lang == "zh" else "no confidence interval is available") in lead


def test_every_remark_in_the_code_has_its_sentence() -> None:
    folder = Path(evalkit.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    codes = set(re.findall(r'Notice\(\s*"([A-Z0-9_]+)"', sources))
    assert codes and codes <= set(REMARKS), codes - set(REMARKS)
    for code in REMARKS:
        for lang in LANGUAGES:
            assert any(key == f"remark.{code}" or key.startswith(f"remark.{code}_") for key in catalogue(lang).sentences), code


def test_an_unknown_remark_is_an_error_that_names_it(example_findings: Any) -> None:
    with pytest.raises(ReportError, match=r"NOMINAL_PRICES.*NOMINAL"):
        compose(example_findings(remarks=[Remark(code="NOMINAL_PRICES", facts={})]), "zh")


def test_a_remark_without_its_facts_is_an_error(example_findings: Any) -> None:
    with pytest.raises(ReportError, match=r"PERIOD_GAP lacks the fact 'periods'"):
        compose(example_findings(remarks=[Remark(code="PERIOD_GAP", facts={})]), "en")


def test_an_unknown_language_is_an_error(example_findings: Any) -> None:
    with pytest.raises(ReportError, match="There is no language 'fr'"):
        compose(example_findings(), "fr")


def test_households_count_without_a_second_measure_word() -> None:
    chinese, english = catalogue("zh"), catalogue("en")
    assert [chinese.count(3000, "户"), chinese.count(2, "项目户"), chinese.count(99, "县")] == ["3,000户", "2户项目户", "99个县"]
    assert [english.count(1, "county"), english.count(99, "county")] == ["1 county", "99 counties"]


def test_tables_name_cluster_count_correction_and_reference(document: Document) -> None:
    table = next(block for block in document.blocks if isinstance(block, Table) and block.name == "estimators")
    cells = [row.cells[-1] for row in table.rows][:5]
    assert all("99" in cell.text for cell in cells)
    assert cells[0].detail.endswith("t(98)") and cells[1].detail.endswith("z")
    assert sum(row.marked for row in table.rows) == 1
