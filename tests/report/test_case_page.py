"""The page of one county in depth: what is read, what is refused, and where the county stands; in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.case_records import Case, CasePoint, Donor, Matched, Placebo, Standing
from evalkit.errors import ReportError
from evalkit.firm_records import NotTold
from evalkit.records import County, Remark
from evalkit.report import blocks
from evalkit.report.case_page import DRAW, compose
from evalkit.report.county_pages import figure_of, frame_of
from evalkit.report.pages import write_page
from evalkit.report.trace import rows
from evalkit.wording import check

LANGS = ("zh", "en")
FACTS = {"before": 0.2, "typical": 0.01, "noise": 0.02, "years": 3}


def matched(form: str, **changes: Any) -> Matched:
    path = [
        CasePoint(period=year, event_time=year - 2016, actual=8000.0 + 500 * (year - 2013), synthetic=7900.0 + 460 * (year - 2013), gap=0.02 * (year > 2015))
        for year in range(2013, 2020)
    ]  # fmt: skip
    values: dict[str, Any] = {
        "form": form, "refusal": None, "doubt": None, "effect": 0.05, "money": 512.0, "percent": 5.1, "before": 0.01, "typical_before": 0.01,
        "noise": 0.02, "after": 0.06, "ratio": 6.0, "rank": 2, "placebos": 40, "p_value": 2 / 41, "p_value_effect": 0.2, "smallest_p": 1 / 41,
        "low_without": 0.03, "high_without": 0.06, "path": path,
        "donors": [Donor(unit="9901", name="甲县", weight=0.6), Donor(unit="9902", name="乙县", weight=0.39), Donor(unit="9903", name="丙县", weight=0.01)],
        "paper": [Placebo(before=0.01, after=0.02, gaps=[0.01 * sign * (year % 3) for year in range(7)]) for sign in (1, -1)],
    }  # fmt: skip
    return Matched(**(values | changes))


@pytest.fixture
def case(example_findings: Any) -> Any:
    def made(**changes: Any) -> Case:
        findings = example_findings("too_few").model_copy(
            update={
                "county": County(code="990124", name="甲原县"), "alone": NotTold(reason="too_few_comparisons", facts={"units": 6, "needed": 19}),
                "verdict": "too_few",
            }
        )  # fmt: skip
        standing = [
            Standing(
                first=2013,
                until=(2015, 2015),
                growth=0.19,
                median=0.22,
                below=12,
                units=40,
                percentile=30.0,
                growths=[0.1, 0.22, 0.3],
            ),
            Standing(
                first=2015,
                until=(2016, 2019),
                growth=0.36,
                median=0.35,
                below=33,
                units=40,
                percentile=83.0,
                growths=[0.2, 0.35, 0.5],
            ),
        ]
        values: dict[str, Any] = {
            "findings": findings, "unit": "990124", "start": 2016, "base": 2015, "standing": standing,
            "matched": [matched("synthetic_control"), matched("synthdid")], "not_matched": None, "chosen": "synthetic_control", "remarks": [],
        }  # fmt: skip
        return Case(**(values | changes))

    return made


def refused(case: Any, reason: str = "unlike") -> Case:
    why = NotTold(reason=reason, facts=FACTS)
    return case(matched=[matched("synthetic_control", refusal=why), matched("synthdid", refusal=why)], chosen=None)


def variants(case: Any) -> list[Case]:
    second = [
        matched("synthetic_control", refusal=NotTold(reason="fits_anything", facts=FACTS)),
        matched("synthdid", ratio=None, smallest_p=0.2),
    ]
    return [
        case(), refused(case), refused(case, "fits_anything"), case(matched=second, chosen="synthdid"),
        case(matched=[matched("synthetic_control", doubt=NotTold(reason="within_misfit"), money=-40.0, percent=-0.4, p_value=0.6, rank=24)]),
        *(case(matched=[], chosen=None, not_matched=NotTold(reason=r)) for r in ("weighted", "not_seen", "one_year", "few_donors", "refused")),
        case(remarks=[Remark(code="COVARIATES_NOT_USED", facts={"columns": ["distance_km"]})]),
    ]  # fmt: skip


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
                found += [block.caption, *block.notes, *(cell.text for row in block.rows for cell in row.cells)]
    return found


def callout(document: blocks.Document) -> blocks.Callout:
    return next(block for block in document.blocks if isinstance(block, blocks.Callout))


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_on_the_page_claims_a_cause_or_ranks(lang: str, case: Any) -> None:
    found = []
    for each in variants(case):
        for text in texts(compose(each, lang)):
            found += [(one.words, one.rule, one.sentence) for one in check(text, lang, "one_unit")]
            assert not re.search(r"[{}]|\bnan\b|\bNone\b|\binf\b", text), text
    assert found == [], chr(10).join(str(one) for one in found)


@pytest.mark.parametrize("lang", LANGS)
def test_the_position_of_the_county_is_told_in_percentiles(lang: str, case: Any) -> None:
    told = " ".join(texts(compose(case(), lang)))
    assert ("居对照县的第83百分位" if lang == "zh" else "at the 83rd percentile of the comparison counties") in told
    assert ("40个县中有33个的增幅比它小" if lang == "zh" else "33 of 40 counties grew less") in told


@pytest.mark.parametrize("lang", LANGS)
def test_a_poor_fit_before_the_start_gives_no_figure_but_the_reason_and_the_cure(lang: str, case: Any) -> None:
    document = compose(refused(case), lang)
    made = callout(document)
    assert made.verdict == "refused" and not made.numbers and "512" not in " ".join(texts(document))
    assert ("不像甲原县" if lang == "zh" else "no weighting of the comparison resembles 甲原县") in made.lead
    assert ("邻省" if lang == "zh" else "neighbouring province") in made.points[0]
    assert not [block for block in document.blocks if isinstance(block, blocks.Figure) and block.name == "case_gap"]


@pytest.mark.parametrize("lang", LANGS)
def test_the_p_value_comes_with_the_smallest_there_can_be(lang: str, case: Any) -> None:
    points = " ".join(callout(compose(case(), lang)).points)
    assert "0.049" in points and "0.024" in points
    few = case(matched=[matched("synthetic_control", smallest_p=0.2, placebos=4, p_value=0.2, rank=1)])
    assert ("对照太少" if lang == "zh" else "The comparison is too small") in " ".join(callout(compose(few, lang)).points)


@pytest.mark.parametrize("lang", LANGS)
def test_small_weights_are_told_together_and_all_add_up(lang: str, case: Any) -> None:
    made = next(block for block in compose(case(), lang).blocks if isinstance(block, blocks.Table) and block.name == "case_weights")
    assert [row.cells[1].values[0] for row in made.rows] == pytest.approx([0.6, 0.39, 0.01])
    assert ("其余1个县" if lang == "zh" else "1 county more") in made.rows[-1].cells[0].text


def test_every_number_in_the_text_knows_where_it_comes_from(case: Any) -> None:
    sources = {source for row in rows(compose(case(), "en")) for source in row.results}
    assert {"matched[0].money", "matched[0].p_value", "standing[1].percentile", "matched[0].donors[0].weight"} <= sources


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_is_written_the_same_on_every_run(lang: str, case: Any, tmp_path: Path) -> None:
    first, second = (write_page("case", case(), tmp_path / name, lang, ["html"]) for name in "ab")
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))
    assert {path.name for path in first} >= {f"case_{name}.{lang}.svg" for name in ("standing", "path", "gap")}


@pytest.mark.parametrize("lang", LANGS)
def test_a_notebook_says_that_a_page_leaves_a_figure_or_a_table_out(lang: str, case: Any) -> None:
    bare = case(matched=[], chosen=None, not_matched=NotTold(reason="one_year"))
    page = compose(bare, lang)
    said = "原因见正文" if lang == "zh" else "its text says why"
    assert not isinstance(figure_of(page, bare, "case_standing", DRAW), str)
    assert all(said in str(figure_of(page, bare, name, DRAW)) for name in ("case_path", "case_gap"))
    assert said in frame_of(page, "case_weights").columns[0]
    with pytest.raises(ReportError, match="There is no figure 'path'"):
        figure_of(page, bare, "path", DRAW)
    with pytest.raises(ReportError, match="There is no table 'case_weight'"):
        frame_of(page, "case_weight")
