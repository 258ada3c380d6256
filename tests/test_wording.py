"""The check of wording finds what a report must not say, and lets stand what it may, in both languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit import codes, wording
from evalkit.errors import ReportError
from evalkit.wording import check, check_notebook, check_report, rules, sentences
from evalkit.words import LANGUAGES, catalogue

ROOT = Path(__file__).parents[1]
CLEAN = {
    "zh": "现有数据还不能判断。尚不能判断，不等于没有效果。95%置信区间大约在−120到340元之间（−1.2%到3.5%）。",
    "en": "The data do not yet tell. Cannot tell is not the same as no effect. The 95% confidence interval runs from −120 to 340 yuan.",
}
OFFENCES = {
    "zh": {
        "causal": ["产业帮扶使收入变高。", "项目带动了就业。", "项目促进农户增收。", "项目提高了收入。", "收入上升得益于项目。", "这导致收入下降。"],
        "no_effect": ["结果表明项目无影响。", "项目没有效果。", "对收入没有明显影响。", "项目毫无作用。"],
        "proof": ["数据证明项目有用。", "这一点得到证实。", "不难看出，这证明了成效。"],
        "sole_cause": ["增收完全由项目带来。", "根本原因是项目。"],
        "significant": ["收入显著提高。", "成效显著。", "显著的增收。"],
        "parallel_shown": ["平行趋势检验通过，平行趋势成立。", "两组满足平行趋势。", "模型通过了平行趋势检验。"],
        "percent_base": ["收入提高12.3%。", "户均收入增长 8%，成绩可喜。"],
        "percent_points": ["发生率下降3%个百分点。", "提高了百分之三个百分点。"],
        "accusation": ["这些数据涉嫌造假。", "该县虚报收入。", "存在弄虚作假。", "乡里瞒报人数。", "这不是数据造假。"],
        "blame": ["有关干部失职。", "应当追责。"],
        "ranking": ["漳县排名第三。", "这是全省最差的县。", "该县位列第一。", "增收倒数第二。"],
        "most_effective": ["产业帮扶最有效。", "搬迁的效果最好。"],
        "interval_probability": ["有95%的概率真实效果在区间内。", "真值落在这个区间的概率为95%。"],
    },
    "en": {
        "causal": ["The programme raised income.", "This led to more jobs.", "Support boosted wages.", "Income is higher thanks to the programme."],
        "no_effect": ["The programme had no effect.", "There was no impact on income.", "It is ineffective.", "It had no measurable effect."],
        "proof": ["The data prove that it works.", "This is proof of success.", "It has been proven."],
        "sole_cause": ["The rise is entirely due to support.", "Support is the root cause of it."],
        "significant": ["Income rose significantly.", "A significant gain."],
        "parallel_shown": ["Parallel trends are satisfied.", "The data passed the pre-trend test.", "Parallel trends holds here.", "This confirms parallel trends."],
        "percent_base": ["Income rose by 12.3%.", "Wages went up 8 per cent, a fine result."],
        "percent_points": ["The rate fell by 3% points.", "It rose by 3 per cent percentage points."],
        "accusation": ["The figures look fabricated.", "The county falsified its returns.", "These are fake numbers.", "This is not fraud."],
        "blame": ["The officials were negligent.", "The township is to blame."],
        "ranking": ["It is the worst county of the province.", "Zhang county ranks third.", "The worst-performing counties are these."],
        "most_effective": ["Industry support is the most effective.", "Relocation works best."],
        "interval_probability": [
            "There is a 95% probability that the true effect lies in the interval.", "With 95% chance of being inside, the truth is here.",
        ],
    },
}  # fmt: skip
BY_GRADE = {
    "zh": {
        "strong_words": ("有力证据表明，产业帮扶使收入增加约764元。", "A"),
        "probable_words": ("产业帮扶很可能使收入增加约764元。", "AB"),
    },
    "en": {
        "strong_words": ("There is strong evidence that support raised income by 764 yuan.", "A"),
        "probable_words": ("Support probably raised income by 764 yuan.", "AB"),
    },
}
"""Words that a grade must carry, and the grades that do."""
IN_ORDER = {
    "zh": [
        "不能说明这一差异是项目带来的。", "即使如此，使用这些数字也要当心。", "一项政策使收入增加了多少？", "如果项目促进增收，区间会在零以上。",
        "不等于没有效果。", "尚不能判断，并不意味着没有影响。", "检验拒绝了“没有影响”的假设。", "这并不证明项目有用。", "数据不能证明什么。",
        "请出具证明材料。", "有待数据证实。", "不能完全归因于项目。", "在5%的水平上显著。", "这一系数统计上不显著。", "显著性水平为5%。",
        "如果平行趋势成立，差距就是效应。", "不能说明两组满足平行趋势。", "平行趋势无法检验。", "提高约551元，相当于基准收入的5.6%。",
        "比没有项目时高5.6%。", "农户占61%。", "发生率下降3个百分点。", "95%置信区间从1%到3%。", "工资性收入占比", "+5.6%", "与2013年相比高12%。",
        "不能据此给各县排名次。", "与其他三种项目相比，产业帮扶最有效。", "不能说哪一项最有效。", "有95%的把握真实的整条路径都落在浅色条内。",
        "置信区间不是真值落在其中的概率为95%。", "检验有80%的概率发现这样的差异，见标准。",
    ],
    "en": [
        "It does not show that support caused it.", "Whether support raised income cannot be told.", "By how much did support raise income?",
        "There were increases and decreases.", "Cannot tell is not the same as no effect.", "The test rejects that there is no effect.",
        "The null hypothesis of no effect is rejected.", "This does not prove anything.", "Nothing is proven without a premise; it cannot be proven.",
        "It is not entirely due to support.", "The coefficient is statistically significant.", "Not significant at the 5% level.",
        "If parallel trends hold, the gap is the effect.", "A test that does not reject does not show parallel trends.",
        "We assume that parallel trends hold.", "About 551 yuan, 5.6% of base income.", "It is 5.6% higher than without support.",
        "The rate fell by 3 percentage points.", "The 95% confidence interval runs from 1% to 3%.", "+5.6%", "Income rose by 12% relative to 2013.",
        "Units cannot be ranked by it.", "It is not the worst county by any measure.", "Of the three it is the most effective, compared with each in turn.",
        "Which one is the most effective cannot be told.", "This is no 95% probability; it is not a 95% probability that the truth lies inside.",
        "The test has an 80% chance of noticing a drift.", "The range is 2 to 9% of base income.",
    ],
}  # fmt: skip
CASES = [(lang, rule, text) for lang in LANGUAGES for rule, texts in OFFENCES[lang].items() for text in texts]
# Sentences of the catalogue that should change: what is it 3% of? Remove an entry when its sentence is mended.


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.mark.parametrize(("lang", "rule", "text"), CASES)
def test_an_offence_planted_in_a_clean_report_is_found_where_it_stands(lang: str, rule: str, text: str) -> None:
    assert check(CLEAN[lang], lang, "unclear") == []
    found = check(f"{CLEAN[lang]}\n\n{text}\n{CLEAN[lang]}", lang, "unclear")
    assert rule in {one.rule for one in found}
    assert {one.line for one in found} == {3} and {one.sentence for one in found} == {text}
    one = next(one for one in found if one.rule == rule)
    assert one.words and one.words in text and one.why and one.instead


def test_every_rule_has_an_offence_and_words_in_both_languages(lang: str) -> None:
    names = {rule.name for rule in rules(lang)}
    assert names == set(OFFENCES[lang]) | set(BY_GRADE[lang])
    said = {key.split(".")[1] for key in catalogue(lang).sentences if key.startswith("wording.")}
    assert said == names and all(rule.source for rule in rules(lang))


def test_how_sure_a_text_may_sound_depends_on_the_grade(lang: str) -> None:
    for name, (text, carried) in BY_GRADE[lang].items():
        for grade in wording.GRADES:
            found = [one.rule for one in check(text, lang, "gain", grade)]
            assert found == ([] if grade in carried else [name]), (text, grade)


@pytest.mark.parametrize(("lang", "text"), [(lang, text) for lang in LANGUAGES for text in IN_ORDER[lang]])
def test_what_is_in_order_is_let_stand(lang: str, text: str) -> None:
    assert check(text, lang, "unclear") == []


def test_verbs_of_cause_depend_on_the_verdict(lang: str) -> None:
    for text in OFFENCES[lang]["causal"]:
        for verdict in ("unclear", "too_few", "pretrend_failed", "cannot_show", "weak", "refused", "description", "small_change"):
            assert [one.rule for one in check(text, lang, verdict)].count("causal") >= 1
        for verdict in ("gain", "loss", None):
            assert "causal" not in [one.rule for one in check(text, lang, verdict)]


def test_an_accusation_is_out_of_order_even_when_denied(lang: str) -> None:
    assert check(OFFENCES[lang]["accusation"][-1], lang)


def test_what_we_tell_offenders_is_in_order_itself(lang: str) -> None:
    for key, text in catalogue(lang).sentences.items():
        if key.startswith(("wording.", "glossary.")) and not key.endswith((".word", ".see")):
            assert check(text, lang, "gain") == [], key


def test_sentences_end_where_they_end() -> None:
    told = [
        one.text for one in sentences("It fell (cf. Fig. 3, p. 0.04). See J. Roth et al. (2022)! It is 2.5% of it. e.g. this", "en")
    ]
    assert told == ["It fell (cf. Fig. 3, p. 0.04).", "See J. Roth et al. (2022)!", "It is 2.5% of it. e.g. this"]
    assert [one.text for one in sentences("他说：“好。”我说3.5%；不好？是", "zh")] == ["他说：“好。”", "我说3.5%；不好？", "是"]


def test_a_wrapped_sentence_is_one_and_a_list_is_many(lang: str) -> None:
    wrapped = {
        "en": "A test of the years before the start which does not reject does not\nprove anything at all. Next.\n- one\n- two",
        "zh": "开始之前各年的联合检验没有拒绝两组同步的假设，仅凭这一点并不能够\n证明什么。下一句。\n- 一\n- 二",
    }
    split = sentences(wrapped[lang], lang)
    assert [one.line for one in split] == [1, 1, 3, 4] and check(wrapped[lang], lang) == []


def test_unknown_languages_and_verdicts_are_refused() -> None:
    with pytest.raises(ReportError, match=r"no language 'fr'.*Allowed: zh, en"):
        check("x", "fr")
    with pytest.raises(ReportError, match=r"no verdict 'gains'. Did you mean 'gain'"):
        check("x", "en", "gains")
    with pytest.raises(ReportError, match=r"no grade 'E'.*Allowed: A, B, C, D, N"):
        check("x", "en", "gain", "E")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("bad,en,,,(,,source,policy", r"line 3: the rule 'bad' holds a pattern that is no regular expression"),
        ("bad,fr,,,x,,source,policy", r"line 3: There is no language 'fr'"),
        ("bad,en,gains,,x,,source,policy", r"line 3: There is no verdict 'gains'"),
        ("bad,en,,E,x,,source,policy", r"line 3: There is no grade 'E'"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(
    row: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wording.csv"
    path.write_text(f"# remark\nrule,lang,verdicts,grades,pattern,unless,source,verified\n{row}\n", encoding="utf-8")
    monkeypatch.setattr(wording, "table", lambda name: codes.read_table(path))
    monkeypatch.setattr(wording, "shared", lambda *parts: path)
    with pytest.raises(ReportError, match=message):
        rules.__wrapped__("en")


def texts_of(block: Any) -> list[str]:
    """Every text of a block or a document, however deep."""
    if isinstance(block, str):
        return [block]
    if isinstance(block, tuple):
        return [text for part in block for text in texts_of(part)]
    return [text for part in vars(block).values() for text in texts_of(part)] if hasattr(block, "__dict__") else []


@pytest.mark.parametrize("verdict", ["gain", "loss", "small_change", "unclear", "pretrend_failed", "too_few"])
def test_no_report_says_more_than_its_data_carry(verdict: str, lang: str) -> None:
    from evalkit.report.document import compose
    from tests.report.conftest import example_findings, of_a_bundle, with_components, with_covariates

    whole = with_components(with_covariates(example_findings(verdict, True, "log")))
    for findings in (whole, of_a_bundle(example_findings(verdict, False, "level"))):
        said = "\n\n".join(dict.fromkeys(texts_of(compose(findings, lang))))
        assert check(said, lang, verdict) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_no_notebook_of_the_project_says_more_than_its_data_carry(path: Path) -> None:
    assert check_notebook(path) == [] and check_notebook(path, "gain") == []


def notebook(tmp_path: Path, *cells: dict[str, Any]) -> Path:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
    return path


def test_markdown_streams_texts_and_tables_of_a_notebook_are_read_in_both_languages(tmp_path: Path) -> None:
    html = "<style>p{x}</style><table><tr><td>显著提高</td></tr>\n<tr><td>A significant gain</td></tr></table>"
    path = notebook(
        tmp_path,
        {"cell_type": "markdown", "source": ["# A\n", "\n", "这证明了成效。 This proves it.\n"]},
        {
            "cell_type": "code",
            "source": ["x = 'this proves it'"],
            "outputs": [
                {"output_type": "stream", "text": ["ok\n", "It had no effect.\n"]},
                {
                    "output_type": "display_data",
                    "data": {"text/markdown": ["有95%的概率真实效果在区间内。"], "text/plain": ["<proof>"]},
                },
                {"output_type": "execute_result", "data": {"text/html": [html], "text/plain": ["proof"]}},
                {"output_type": "error", "ename": "E"},
            ],
        },
    )
    found = [(one.rule, one.lang, one.place, one.line) for one in check_notebook(path)]
    assert [one for one in found if "cell 1" in one[2] or "第1格" in one[2]] == [
        ("proof", "zh", "第1格，", 3),
        ("proof", "en", "cell 1, ", 3),
    ]
    assert ("no_effect", "en", "output 1 of cell 2, ", 2) in found
    assert ("interval_probability", "zh", "第2格的输出2，", 1) in found
    assert ("significant", "zh", "第2格的输出3，", 1) in found and ("significant", "en", "output 3 of cell 2, ", 2) in found
    told = str(check_notebook(path)[0])
    assert told.startswith("第1格，第3行，“证明”：") and told.endswith("原句：这证明了成效。")


def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("[]", encoding="utf-8")
    with pytest.raises(ReportError, match=r"a\.ipynb is no notebook"):
        check_notebook(tmp_path / "a.ipynb")


PAGE = """<!doctype html>
<html lang="en"><head><title>Report</title><style>.x{content:"proof"}</style><script>proof()</script></head>
<body><section class="callout {verdict}" aria-label="x"><p>Support <b>raised</b> income by
<data value="3">3</data> yuan.</p></section>
<div role="img" aria-label="It had no impact."><svg><text>proof</text></svg></div></body></html>"""


def test_a_report_is_read_with_its_own_language_and_verdict(tmp_path: Path) -> None:
    path = tmp_path / "report.en.html"
    path.write_text(PAGE.replace("{verdict}", "unclear"), encoding="utf-8")
    found = [(one.rule, one.line, one.sentence) for one in check_report(path)]
    assert found == [("causal", 3, "Support raised income by 3 yuan."), ("no_effect", 5, "It had no impact.")]
    assert [one.rule for one in check_report(path, "gain")] == ["no_effect"]
    path.write_text(PAGE.replace("{verdict}", "gain"), encoding="utf-8")
    assert [one.rule for one in check_report(path)] == ["no_effect"]


def test_a_page_without_a_language_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>x</p>", encoding="utf-8")
    with pytest.raises(ReportError, match=r"a\.html names no language.*Allowed: zh, en"):
        check_report(path)
