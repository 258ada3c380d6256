"""A rise before and after in a report: what is said of each part, and what may not be said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from evalkit.before_after import claimed_rise, rise_of_covered
from evalkit.before_after_records import BeforeAfter, RisePart
from evalkit.firm_records import NotTold
from evalkit.plots.look import Picture
from evalkit.records import Remark
from evalkit.report.before_after_blocks import before_after_section, draw
from evalkit.report.blocks import Document, Figure, Listing, Paragraph, Table
from evalkit.report.sources import traced
from evalkit.report.tables import csv_text
from evalkit.report.trace import finished, rows
from evalkit.report.voice import Voice
from evalkit.wording import check
from evalkit.words import LANGUAGES
from evalkit.zero_programme import zero_programme

PARTS: list[tuple[Any, float, float | None, float | None]] = [
    ("general_growth", 900.0, 850.0, 950.0),
    ("selection", 1600.0, 1400.0, 1900.0),
    ("rest", 80.0, -320.0, 350.0),
]


def record(parts: list[tuple[Any, float, float | None, float | None]] = PARTS, **changes: Any) -> BeforeAfter:
    rise = sum(amount for _, amount, _, _ in parts)
    values: dict[str, Any] = {
        "first": 2014, "last": 2018, "years": 4, "before": 2100.0, "after": 2100.0 + rise, "units": 450, "selected": "covered",
        "parts": [RisePart(name=name, amount=amount, share=amount / rise, low=low, high=high) for name, amount, low, high in parts],
        "growth": 0.43, "growth_from": "others", "reversion": "earlier_pair", "earlier": (2010, 2014), "by_own_past": 1550.0, "level": 0.95,
    }  # fmt: skip
    return BeforeAfter(**(values | changes))


UNDIVIDED: list[tuple[Any, float, float | None, float | None]] = [("undivided", 3690.0, None, None)]
RECORDS = {
    "earlier pair": record(),
    "a rest": record([*PARTS[:2], ("rest", 500.0, 200.0, 800.0)], left_out=3),
    "two years": record(
        [PARTS[0], ("selection", 1600.0, 0.0, 1700.0), PARTS[2]], reversion="others", earlier=None, by_own_past=None, missing="no_income_before"
    ),
    "exited": record(selected="exited", zero=zero_programme()),
    "only exited": record(
        UNDIVIDED, selected="exited", growth=None, growth_from="", reversion="none", earlier=None, by_own_past=None, level=None,
        missing="no_growth", zero=zero_programme(),
    ),
    "claim": claimed_rise(2350, 6040, years=4),
    "claim with growth": claimed_rise(2350, 6040, general_growth=0.09, first=2014, last=2018),
    "a fall": claimed_rise(6040, 2350, years=4, general_growth=0.09),
}  # fmt: skip


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


def texts(blocks: list[Any]) -> list[str]:
    found: list[str] = []
    for block in blocks:
        match block:
            case Paragraph():
                found.append(block.text)
            case Listing():
                found += [item.text for item in block.items]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *(column.label for column in block.columns), *block.notes]
                found += [cell.text for row in block.rows for cell in row.cells]
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_no_sentence_says_more_than_a_description(name: str, lang: str, example_findings: Any) -> None:
    voice = Voice(example_findings("unclear", False), lang)
    for text in texts(before_after_section(voice, RECORDS[name])):
        assert not check(text, lang, "description"), text
        assert "{" not in text


@pytest.mark.parametrize("verdict", ["gain", "loss", "unclear", "pretrend_failed", "too_few"])
@pytest.mark.parametrize("scale", ["log", "level"])
def test_the_estimate_of_a_study_is_the_programme_only_where_the_verdict_carries_it(
    verdict: str, scale: str, lang: str, example_findings: Any
) -> None:
    findings = example_findings(verdict, False, scale)
    found = rise_of_covered(findings)
    assert not isinstance(found, NotTold)
    told = texts(before_after_section(Voice(findings, lang), found))
    for text in told:
        assert not check(text, lang, verdict), text
    carried = verdict in ("gain", "loss")
    word = {"zh": "项目（估计）", "en": "Programme (estimate)"}[lang]
    assert (word in told) == carried
    assert bool(re.search({"zh": "估计的项目效应", "en": "programme effect"}[lang], " ".join(told))) == carried


def test_the_fixed_warning_stands_first_where_only_those_who_exited_are_there(lang: str, example_findings: Any) -> None:
    voice = Voice(example_findings("gain"), lang)
    for name in ("exited", "only exited", "claim"):
        first = before_after_section(voice, RECORDS[name])[0]
        assert isinstance(first, Paragraph)
        assert {"zh": "不能当作政策效果", "en": "cannot be taken for the effect of a policy"}[lang] in first.text
    assert {"zh": "样本只含已脱贫县，入样条件就是收入已提高", "en": "The sample holds only counties that left poverty"}[
        lang
    ] in texts(before_after_section(voice, RECORDS["only exited"]))[0]
    assert not any("不能当作政策效果" in text for text in texts(before_after_section(Voice(voice.findings, "zh"), record())))


def test_the_trap_is_told_with_its_figures(example_findings: Any) -> None:
    told = " ".join(texts(before_after_section(Voice(example_findings("gain"), "en"), RECORDS["claim"])))
    for shown in (
        "2,350 to 6,040 yuan",
        "157.0% higher",
        "2,180 to 5,480 yuan",
        "151.6% higher",
        "43.4% higher",
        "82.3% to 151.6%",
        "7.6%",
    ):
        assert shown in told


def test_a_rest_within_zero_and_one_outside_are_told_apart(example_findings: Any) -> None:
    voice = Voice(example_findings("gain"), "zh")
    assert "分不开，不等于没有效果" in " ".join(texts(before_after_section(voice, record())))
    other = " ".join(texts(before_after_section(voice, RECORDS["a rest"])))
    assert "范围不含零" in other and "也不能都算作项目的结果" in other and "另有3个县" in other


def test_a_fall_is_told_as_lower(example_findings: Any) -> None:
    told = " ".join(texts(before_after_section(Voice(example_findings("gain"), "en"), RECORDS["a fall"])))
    assert "61.1% lower than at the start" in told


def test_the_table_adds_up_and_keeps_its_numbers(lang: str, example_findings: Any) -> None:
    table = next(
        block for block in before_after_section(Voice(example_findings("gain"), lang), record(), 3, 5) if isinstance(block, Table)
    )
    assert table.number == {"zh": "表5", "en": "Table 5"}[lang]
    amounts = [float(row.cells[1].values[0] or 0) for row in table.rows]
    assert amounts[0] + sum(amounts[1:4]) == amounts[-1] and sum(amounts[1:4]) == amounts[4]
    header, *lines = csv_text(table).splitlines()
    assert len(header.split(",")) == 5 and len(lines) == len(table.rows)


def test_every_number_of_a_page_knows_its_result(lang: str, example_findings: Any) -> None:
    findings = example_findings("gain")
    found = rise_of_covered(findings)
    assert isinstance(found, BeforeAfter)
    known = traced(findings.model_copy(update={"before_after": found}))
    assert known.before_after is not None
    blocks = tuple(before_after_section(Voice(known, lang), known.before_after, 1, 2))
    page = finished(Document(lang, lang, "t", "", "t", "", "", "", ("", ""), blocks))
    trails = rows(page)
    results = {result for trail in trails for result in trail.results}
    assert "before_after.before" in results and "before_after.parts[1].low" in results
    assert all(result.startswith(("before_after.", "level")) for result in results)
    table = next(block for block in page.blocks if isinstance(block, Table))
    assert all(row.cells[1].text.numbers for row in table.rows)  # type: ignore[attr-defined]
    first = next(block for block in page.blocks if isinstance(block, Paragraph))
    assert [link.anchor for link in first.text.links] == ["figure-before-after", "table-before-after"]  # type: ignore[attr-defined]


def test_simulated_data_and_prices_that_are_not_deflated_say_so(lang: str, example_findings: Any) -> None:
    findings = example_findings("gain", remarks=[Remark(code="NOMINAL", facts={})])
    blocks = before_after_section(Voice(findings, lang), record())
    for block in (block for block in blocks if isinstance(block, Figure | Table)):
        assert block.notes[0].startswith("模拟数据 / Simulated data")
        assert {"zh": "名义", "en": "nominal"}[lang] in block.caption
    real = before_after_section(Voice(example_findings("gain", False), lang), RECORDS["claim"])
    figure = next(block for block in real if isinstance(block, Figure))
    assert not figure.notes[0].startswith("模拟数据")
    assert {"zh": "下面一条是模拟的", "en": "The lower bar is simulated"}[lang] in figure.notes[-1]


def test_the_picture_names_its_bar_after_the_group(lang: str, example_findings: Any) -> None:
    voice = Voice(example_findings("gain"), lang)
    picture = draw(voice, record(), narrow=True)
    assert isinstance(picture, Picture)
    said = {text.get_text() for text in picture.axes[0].texts}
    assert {"zh": "项目县", "en": "Treated counties"}[lang] in said
