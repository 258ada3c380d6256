"""The page of a county scan: in the order of the codes, without a ranking, in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.firm_records import NotTold
from evalkit.records import County, Interval
from evalkit.report import blocks
from evalkit.report.pages import write_page
from evalkit.report.scan_page import compose
from evalkit.report.trace import csv_text, rows
from evalkit.scan_records import ByChance, CountyEffect, Differences, Predicted, Scan, Without
from evalkit.wording import check

LANGS = ("zh", "en")


def interval(value: float, reach: float | None, unit: float = 1.0) -> Interval:
    ends = {} if reach is None else {"low": unit * (value - reach), "high": unit * (value + reach)}
    return Interval(estimate=unit * value, **ends)


def county(place: int, value: float, reach: float | None = 0.09, predicted: bool = True) -> CountyEffect:
    told = {"effect": interval(value, reach), "money": interval(value, reach, 9800.0), "percent": interval(value, reach, 100.0)}
    drawn = {"effect": interval(0.05, 0.02), "money": interval(0.05, 0.02, 9800.0), "percent": interval(0.05, 0.02, 100.0)}
    return CountyEffect(
        county=County(code=f"99{place:02d}", name=f"甲{place}县"), single=True, starts=[2016], treated_units=1, comparison_units=40,
        base=Interval(estimate=9800.0), own_error=0.045 if reach else None, no_range=None if reach else NotTold(reason="too_few_comparisons"),
        predicted=Predicted(**drawn, pull=0.6) if predicted else None, **told,
    )  # fmt: skip


@pytest.fixture
def scan(example_findings: Any) -> Any:
    def made(p_value: float = 0.3, **changes: Any) -> Scan:
        values: dict[str, Any] = {
            "findings": example_findings("gain"), "kind": "single", "shared": True, "asked": False,
            "counties": [county(place, value) for place, value in enumerate((0.12, -0.03, 0.07, 0.01, 0.15))],
            "without": [Without(county=County(code="9977", name="乙县"), reason=NotTold(reason="from_start", facts={"year": 2013, "first": 2013}))],
            "differences": Differences(
                counties=5, mean=interval(0.05, 0.03), observed=0.07, chance=0.045, tau=0.03, tau_low=0.0, tau_high=0.08, q=6.1,
                distribution="F(4, 39)", p_value=p_value, i_squared=0.34,
            ),
            "by_chance": ByChance(ranges=5, outside=2, expected=0.3),
        }  # fmt: skip
        return Scan(**(values | changes))

    return made


def texts(document: blocks.Document) -> list[str]:
    found = [document.title]
    for block in document.blocks:
        match block:
            case blocks.Paragraph() | blocks.Heading():
                found.append(block.text)
            case blocks.Callout():
                found += [block.label, block.lead, *block.points]
            case blocks.Listing():
                found += [item.text for item in block.items]
            case blocks.Facts():
                found += [fact.value for fact in block.items]
            case blocks.Figure():
                found += [block.caption, block.description, *block.notes]
            case blocks.Table():
                found += [block.caption, *block.notes]
    return found


def table(document: blocks.Document) -> blocks.Table:
    return next(block for block in document.blocks if isinstance(block, blocks.Table))


def variants(scan: Any) -> list[Scan]:
    few = {"differences": NotTold(reason="few_counties", facts={"counties": 0, "needed": 5}), "by_chance": None}
    return [
        scan(), scan(0.001), scan(0.99999, differences=scan().differences.model_copy(update={"tau_high": 0.0, "p_value": 0.9999})),
        scan(counties=[county(1, 0.04, None, False)], **few), scan(counties=[], **few), scan(without=[], kind="within", shared=False),
    ]  # fmt: skip


@pytest.mark.parametrize("lang", LANGS)
def test_counties_stand_in_the_order_of_their_codes_and_not_of_their_figures(lang: str, scan: Any) -> None:
    made = table(compose(scan(), lang))
    assert [row.cells[0].values[0] for row in made.rows] == ["9900", "9901", "9902", "9903", "9904"]
    estimates = [row.cells[2].values[0] for row in made.rows]
    assert estimates != sorted(estimates) and estimates != sorted(estimates, reverse=True)


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_on_the_page_claims_or_ranks(lang: str, scan: Any) -> None:
    found = []
    for each in variants(scan):
        told = texts(compose(each, lang))
        for text in told:
            found += [(one.words, one.rule, one.sentence) for one in check(text, lang, "description")]
            assert not re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text), text
        assert any("名次" in text or "ranking" in text for text in told)
    assert found == []


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_says_whether_counties_differ_beyond_chance(lang: str, scan: Any) -> None:
    lead = {p: next(b for b in compose(scan(p), lang).blocks if isinstance(b, blocks.Callout)).lead for p in (0.001, 0.3)}
    more, same = {"zh": ("超出了单凭偶然", "没有超出"), "en": ("more than chance", "no more than chance")}[lang]
    assert more in lead[0.001] and same in lead[0.3] and same not in lead[0.001]


@pytest.mark.parametrize("lang", LANGS)
def test_a_prediction_is_called_one_and_the_number_by_chance_is_told(lang: str, scan: Any) -> None:
    points = " ".join(next(b for b in compose(scan(), lang).blocks if isinstance(b, blocks.Callout)).points)
    assert (
        "预测，不是该县的实测结果" if lang == "zh" else "predicts the county's true difference and does not measure it"
    ) in points
    assert ("约0.3个" if lang == "zh" else "about 0.3 of 5") in points


@pytest.mark.parametrize("lang", LANGS)
def test_a_county_without_a_figure_is_listed_with_the_reason(lang: str, scan: Any) -> None:
    listed = next(block for block in compose(scan(), lang).blocks if isinstance(block, blocks.Listing))
    assert listed.items[0].label == "乙县 9977" and "2013" in listed.items[0].text


def test_every_number_in_the_text_knows_where_it_comes_from(scan: Any) -> None:
    document = compose(scan(), "en")
    sources = {source for row in rows(document) for source in row.results}
    assert {"differences.tau_high", "by_chance.expected", "counties[0].money.estimate", "differences.observed"} <= sources
    assert "differences.q" in csv_text(document)


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_is_written_the_same_on_every_run(lang: str, scan: Any, tmp_path: Path) -> None:
    first, second = (write_page("scan", scan(), tmp_path / name, lang, ["html"]) for name in "ab")
    assert [path.name for path in first] == [path.name for path in second] and f"scan.{lang}.html" in {path.name for path in first}
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))
    assert {path.name for path in first} >= {f"scan_counties.{lang}.svg", f"scan_counties.{lang}.csv", f"scan_numbers.{lang}.csv"}
