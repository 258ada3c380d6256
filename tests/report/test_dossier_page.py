"""The page of the robustness dossier: what it says first, what it never says, and that every code has words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.dossier.checking import CHECKS
from evalkit.dossier_records import Check, Dossier, Line
from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.records import Interval, Remark
from evalkit.report import dossier_notebook
from evalkit.report.blocks import Document, Figure, Listing, Paragraph, Table
from evalkit.report.dossier_page import DRAW, compose
from evalkit.report.dossier_voice import DossierVoice
from evalkit.report.pages import write_page
from evalkit.wording import check as wording
from evalkit.words import LANGUAGES, WordsError, catalogue

SCALE_ONLY = {
    "zh": "本检验只检验推断尺度，不能发现处理组自身的增长趋势差异。",
    "en": "it cannot see a trend that the treated have of their own.",
}


def remark(code: str, **facts: Any) -> Remark:
    return Remark(code=code, facts=facts)


def checks() -> list[Check]:
    """Some checks as the studies make them: one failed, one in doubt, some with nothing found, some that do not apply."""
    drift = [
        Line(name="curve.money", numbers={"drift_money": d, "low_money": 300.0 - d, "high_money": 800.0 + d})
        for d in (0.0, 50.0, 100.0, 350.0)
    ]
    turns = [
        Line(
            name="without.cluster",
            effect=Interval(estimate=0.05 + 0.001 * i, low=0.02, high=0.08),
            numbers={"place": i, "units": 98, "observations": 980},
            words={"column": "county_key"},
        )
        for i in range(6)
    ]
    ways = [
        Line(
            name=f"assumed.{name}",
            effect=Interval(estimate=0.056, low=low, high=0.09, p_value=0.01),
            words={"column": "county_key"},
            numbers={"clusters": 99},
        )
        for name, low in (("cluster", 0.02), ("two_way_one", 0.03), ("wild", 0.01))
    ]
    made = {
        "R2": ("fail", remark("joint_test", periods=5, p_value=0.001, power=None, slope_money=None, leads=5), remark("leads_differ", p_value=0.001)),
        "R4": ("doubt", remark("breakdown", breakdown=0.27, breakdown_money=52.0, largest_before_money=205.0, effect_money=436.0), remark("falls_early", breakdown=0.27, doubt=0.5, fail=0.25)),
        "R5": ("pass", remark("rank", estimate=0.056, p_value=0.005, rank=1, assignments=200, low=-0.02, high=0.02), None),
        "R13": ("pass", remark("errors", methods=3, smallest_error=0.009, largest_error=0.012), None),
        "R14": ("pass", remark("left_out", places=6, low=0.05, high=0.055, flips=0), None),
        "R17": ("not_applicable", remark("none"), remark("no_running_variable", units=99)),
        "R22": ("pass", remark("smallest_seen", percent=2.1, money=230.0, power=0.8, meaningful_percent=3.0), None),
    }  # fmt: skip
    lines = {"R4": drift, "R13": ways, "R14": turns}
    more: dict[str, dict[str, Any]] = {"R5": {"remarks": [remark("scale_only")], "draws": [0.001 * i for i in range(-20, 20)]}}
    return [
        Check(rule=rule, name=CHECKS[rule][0], verdict=verdict, statistic=said, because=because, lines=lines.get(rule, []), made_by="evalkit.made.by", **more.get(rule, {}))
        for rule, (verdict, said, because) in made.items()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def dossier(example_findings: Callable[..., Findings]) -> Dossier:
    return Dossier(findings=example_findings("gain"), checks=checks())


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


def sentences(document: Document) -> list[str]:
    found: list[str] = []
    for block in document.blocks:
        match block:
            case Paragraph():
                found.append(block.text)
            case Listing():
                found += [item.text for item in block.items]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [
                    block.caption,
                    *block.notes,
                    *(part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)),
                ]
    return [text for text in found if text]


def table(document: Document, name: str) -> Table:
    return next(block for block in document.blocks if isinstance(block, Table) and block.name == name)


def test_failures_and_doubts_come_first_and_nothing_is_added_up_to_a_score(dossier: Dossier, lang: str) -> None:
    document = compose(dossier, lang)
    listed = next(block for block in document.blocks if isinstance(block, Listing))
    assert [item.label.split()[0] for item in listed.items] == ["R2", "R4"]
    first = next(block.text for block in document.blocks if isinstance(block, Paragraph))
    assert re.findall(r"\d+", first) == ["7", "1", "1", "4", "1"]


def test_one_table_holds_every_rule_in_order_with_what_it_cannot_see(dossier: Dossier, lang: str) -> None:
    rows = table(compose(dossier, lang), "dossier_verdicts").rows
    assert [row.cells[0].text for row in rows] == [check.rule for check in dossier.checks]
    assert all(row.cells[3].text and row.cells[3].detail for row in rows)
    assert [row.marked for row in rows] == [True, True, False, False, False, False, False]


def test_a_span_is_told_by_both_ends_and_by_one_where_they_are_the_same(dossier: Dossier, lang: str) -> None:
    said = table(compose(dossier, lang), "dossier_verdicts").rows[3].cells[2]
    assert "0.9" in said.text + said.detail and "1.2" in said.text + said.detail
    same = [c.model_copy(update={"statistic": remark("errors", methods=3, smallest_error=0.009, largest_error=0.009)}) for c in dossier.checks if c.rule == "R13"]  # fmt: skip
    (row,) = table(compose(dossier.model_copy(update={"checks": same}), lang), "dossier_verdicts").rows
    assert (row.cells[2].text + row.cells[2].detail).count("0.9") == 1


def test_what_a_public_report_hides_and_a_refused_study_have_words(dossier: Dossier, lang: str) -> None:
    hidden = [c.model_copy(update={"verdict": "not_applicable", "statistic": remark("none"), "because": remark("hidden"), "lines": []}) for c in dossier.checks if c.rule == "R4"]  # fmt: skip
    findings = dossier.findings.model_copy(update={"verdict": "refused"})
    told = "\n".join(sentences(compose(dossier.model_copy(update={"checks": hidden, "findings": findings}), lang)))
    assert {"zh": "公开的报告不列出", "en": "Not shown in a public report"}[lang] in told
    assert {"zh": "主报告不作因果判断", "en": "The main report gives no causal judgement"}[lang] in told


def test_the_placebo_always_says_what_it_cannot_see(dossier: Dossier, lang: str) -> None:
    row = table(compose(dossier, lang), "dossier_verdicts").rows[2]
    assert SCALE_ONLY[lang] in row.cells[2].detail and SCALE_ONLY[lang] in row.cells[3].detail


def test_nothing_found_is_never_said_to_be_shown(dossier: Dossier, lang: str) -> None:
    texts = sentences(compose(dossier, lang))
    assert [offence for text in texts for offence in wording(text, lang, "description")] == []
    verdicts = {"zh": "通过", "en": "pass"}[lang]
    assert [text for text in texts if re.search(rf"(?<!不){verdicts}", text) and "R2" not in text] == []


def test_numbers_know_where_they_stand_in_the_record(dossier: Dossier, lang: str) -> None:
    document = compose(dossier, lang)
    said = table(document, "dossier_verdicts").rows[1].cells[2].text
    assert ("checks[1].statistic.facts.breakdown",) in [told.sources for told in said.numbers]  # type: ignore[attr-defined]


def test_simulated_data_say_so_in_every_table_and_figure(dossier: Dossier, lang: str) -> None:
    document = compose(dossier, lang)
    shown = [block for block in document.blocks if isinstance(block, (Table, Figure))]
    assert document.banner and all("Simulated data" in block.notes[0] for block in shown)
    numbers = [block.number for block in shown if isinstance(block, Table)]
    assert len(set(numbers)) == len(numbers) > 2


def test_clusters_left_out_in_turn_are_drawn_and_not_listed(dossier: Dossier, lang: str) -> None:
    document = compose(dossier, lang)
    assert len(table(document, "dossier_r14_left_out").rows) == 2
    assert [block.name for block in document.blocks if isinstance(block, Figure)] == ["dossier_sensitivity", "dossier_placebos", "dossier_clusters", "dossier_leave_out"]  # fmt: skip
    assert {block.name for block in document.blocks if isinstance(block, Figure)} <= set(DRAW)


def test_the_page_is_written_with_its_figures_and_tables_the_same_every_time(dossier: Dossier, tmp_path: Path) -> None:
    twice = [
        {
            path.relative_to(tmp_path / run): path.read_bytes()
            for path in write_page("dossier", dossier, tmp_path / run, "zh", ["html"])
        }
        for run in "ab"
    ]
    assert twice[0] == twice[1]
    names = {path.as_posix() for path in twice[0]}
    assert {
        "dossier.zh.html",
        "figures/dossier_placebos.zh.svg",
        "tables/dossier_verdicts.zh.csv",
        "tables/dossier_numbers.zh.csv",
    } <= names


def test_a_code_without_words_is_an_error(dossier: Dossier, lang: str) -> None:
    odd = dossier.checks[0].model_copy(update={"statistic": remark("never_heard_of")})
    with pytest.raises(WordsError, match="never_heard_of"):
        compose(dossier.model_copy(update={"checks": [odd]}), lang)


def test_the_notebook_shows_the_summary_tables_and_figures(dossier: Dossier, lang: str) -> None:
    assert "R2" in dossier_notebook.bottom_line(dossier, lang)
    assert len(dossier_notebook.table(dossier, "dossier_verdicts", lang)) == 7
    assert isinstance(dossier_notebook.figure(dossier, "R9", lang), str)
    with pytest.raises(ReportError, match="dossier_verdicts"):
        dossier_notebook.table(dossier, "dossier_verdict", lang)
    with pytest.raises(ReportError, match="figure of a check"):
        dossier_notebook.figure(dossier, "R1", lang)


def codes_of_checks() -> list[tuple[str, str, str]]:
    """Return (rule, part, code) of every remark that a module of the dossier writes, read from its source."""
    folder = Path(evalkit.__file__).parent / "dossier"
    of_module: dict[str, set[str]] = {}
    for rule, (_, where) in CHECKS.items():
        of_module.setdefault(where.partition(":")[0].rpartition(".")[2], set()).add(rule)
    found = []
    for module, rules in of_module.items():
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Remark":
                value = next((word.value for word in node.keywords if word.arg == "code"), None)
                for literal in ast.walk(value) if value is not None else ():
                    if isinstance(literal, ast.Constant) and isinstance(literal.value, str) and literal.value:
                        found.append(("|".join(sorted(rules)), module, literal.value))
    return found


def keys_of(rule: str, code: str) -> list[str]:
    return [*(f"dossier.{rule}.{part}.{code}" for part in ("said", "because", "remark")), f"dossier.because.{code}"]


def test_every_code_of_every_check_has_words() -> None:
    words = catalogue("zh")
    said = codes_of_checks()
    assert len(said) > 60
    missing = [
        (rules, code)
        for rules, _, code in said
        if not any(words.has(key) for rule in rules.split("|") for key in keys_of(rule, code))
    ]
    assert [one for one in missing if one[1] != "none"] == []


def test_every_check_has_a_name_and_says_what_it_can_and_cannot_see(dossier: Dossier, lang: str) -> None:
    page = DossierVoice(dossier, lang)
    assert [rule for rule in CHECKS if not all(page.has(f"dossier.{rule}.{part}") for part in ("name", "can", "cannot"))] == []
