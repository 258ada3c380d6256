"""The page on who gained: what each verdict lets it say, what it says where nothing can be told, and what a public page hides."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.firm_records import NotTold
from evalkit.grade_records import Grade
from evalkit.records import Interval
from evalkit.report.blocks import Document, Facts, Figure, Table
from evalkit.report.pages import write_page
from evalkit.report.trace import rows
from evalkit.report.who_page import DRAW, bottom_line, compose, drawn, shown
from evalkit.study import Words
from evalkit.who_gains.disclosure import disclosed
from evalkit.who_records import (
    Adjusted,
    Decile,
    Deciles,
    GroupDifference,
    GroupFound,
    Groups,
    NearPoor,
    NoLine,
    Overtaking,
    Passed,
    PeopleFound,
    PlainShares,
    Poverty,
    PovertyFound,
    PovertyLineFound,
    RankPoint,
    Village,
    WhoGains,
)
from evalkit.wording import check
from evalkit.words import LANGUAGES


def interval(estimate: float, error: float) -> Interval:
    return Interval(estimate=estimate, std_error=error, low=estimate - 1.96 * error, high=estimate + 1.96 * error, p_value=0.01)


def adjusted(p: float, family: int = 3) -> Adjusted:
    return Adjusted(holm=p, romano_wolf=p, family=family)


def group(findings: Findings, name: str, word: tuple[str, str], effect: float, p: float, **changes: Any) -> GroupFound:
    money = 9000 * effect
    found = findings.headline.model_copy(
        update={"effect": interval(effect, 0.01), "money": interval(money, 90), "percent": interval(100 * effect, 1)}
    )
    facts: dict[str, Any] = {
        "name": name, "word": Words(zh=word[0], en=word[1]), "column": "labour", "treated_units": 140, "comparison_units": 400,
        "treated_clusters": 20, "comparison_clusters": 24, "found": found, "pretrend_p": 0.41, "adjusted": adjusted(p),
    }  # fmt: skip
    return GroupFound(**{**facts, **changes})


def poverty_line(schedule: str, effect: float, p: float) -> PovertyLineFound:
    measures = [
        PovertyFound(
            measure=name, before_treated=0.4, before_comparison=0.1, without=interval(0.3, 0.02), effect=interval(effect, 0.01),
            pretrend_p=0.3, plain=PlainShares(effect=interval(3 * effect, 0.01), pretrend_p=0.0004), adjusted=adjusted(p, 8),
        )
        for name in ("headcount", "gap", "severity", "near")
    ]  # fmt: skip
    return PovertyLineFound(
        schedule=schedule, years=[2014, 2015, 2016, 2017], without_line=[2018], before=[2014, 2015], unverified=[2017], secondary=[2014],
        lowest=2800, highest=3335, measures=measures,
    )  # fmt: skip


def overtaking(schedule: str = "statistical") -> Overtaking:
    def passed(group: Any, share: float) -> Passed:
        told = {"households": 80, "pairs": 320, "passed_most": share / 2, "pairs_ahead": 40, "lost": 0.4}
        return Passed(group=group, share=interval(share, 0.02), **told)

    ranks = [RankPoint(group=g, period=y, rank=r + y - 2014) for g, r in (("covered", 15), ("near", 40)) for y in range(2014, 2019)]
    return Overtaking(
        schedule=schedule, neighbours=60, places=12, covered=passed("covered", 0.21), registered=passed("registered", 0.3),
        alike=interval(0.14, 0.02), difference=interval(0.07, 0.02), without_match=4, ranks=ranks,
    )  # fmt: skip


def record(findings: Findings) -> WhoGains:
    """Who gained in a study of households, every part told."""
    unit = findings.model_copy(update={"unit_word": Words(zh="户", en="household")})
    refused = NotTold(reason="few_units", facts={"least": 30})
    groups = Groups(
        rows=[
            group(unit, "labour", ("有劳动力户", "households with labour"), 0.06, 0.002),
            group(unit, "none", ("无劳动力户", "households without labour"), 0.004, 0.7),
            group(unit, "apart", ("老年户", "elderly households"), 0.05, 0.003, pretrend_p=0.02, fixed=["labour_share"]),
            group(unit, "few", ("病残户", "households in ill health"), 0.0, 1.0, found=refused, treated_units=7, pretrend_p=None, adjusted=None),
        ],
        differences=[
            GroupDifference(
                one="labour", other="none", effect=interval(0.056, 0.01), money=interval(504, 90), percent=interval(5.6, 1),
                adjusted=adjusted(0.001, 1),
            ),
            GroupDifference(one="apart", other=None, effect=interval(0, 0.01), money=interval(1, 90), percent=interval(0, 1)),
        ],
        without_value={"labour": 12},
    )  # fmt: skip
    deciles = Deciles(
        rows=[
            Decile(at=at / 10, money=interval(40.0 * at, 30), log=interval(0.05, 0.02), adjusted=adjusted(0.3 / at, 9))
            for at in range(1, 10)
        ],
        treated_units=280, comparison_units=900, outside=11, half_step=8.0, covariates=["labour_share"],
    )  # fmt: skip
    people = [
        PeopleFound(group=g, units=n, start=3000.0, end=4500.0, below_start=0.2, below_end=share)
        for g, n, share in (("covered", 280, 0.1), ("registered", 90, 0.08), ("near", 60, 0.05), ("other", 500, 0.01))
    ]
    village = Village(
        place="village", just_above=1.5, start_years=[2014, 2015], end_years=[2017, 2018], left_out=14,
        overtaking=[overtaking(), NoLine(schedule="registry", reason="no_line_before", facts={"years": [2014, 2015]})],
        near_poor=[NearPoor(schedule="statistical", rows=people, line_years=[2017]), NoLine(schedule="registry", reason="no_line_before", facts={"years": [2014, 2015]})],
    )  # fmt: skip
    poverty = Poverty(
        lines=[poverty_line("statistical", -0.05, 0.001), poverty_line("registry", -0.001, 0.8)], just_above=1.5, treated_units=280,
        comparison_units=900,
    )  # fmt: skip
    return WhoGains(findings=unit, groups=groups, deciles=deciles, poverty=poverty, village=village)


def texts(document: Document) -> list[str]:
    found = [document.title, document.page_title, document.footer]
    for block in document.blocks:
        for part in (
            getattr(block, "text", ""),
            getattr(block, "lead", ""),
            getattr(block, "label", ""),
            getattr(block, "caption", ""),
        ):
            found += [part] if part else []
        found += [text for name in ("points", "notes") for text in getattr(block, name, ())]
        found += [item.text for item in getattr(block, "items", ()) if hasattr(item, "text")]
        if isinstance(block, Table):
            found += [cell.text for row in block.rows for cell in row.cells]
    return found


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


CAUSAL = {"zh": r"使人?家?[^用]*(提高|减少)", "en": r"\braised\b|\blowered\b"}


@pytest.mark.parametrize("verdict", ["gain", "loss", "small_change", "unclear", "pretrend_failed", "too_few"])
def test_no_text_says_more_than_its_verdict_carries(verdict: str, lang: str, example_findings: Any) -> None:
    for text in texts(compose(record(example_findings(verdict)), lang)):
        assert not check(text, lang, verdict), text


def test_a_causal_verb_needs_a_verdict_a_range_and_years_before_that_agree(lang: str, example_findings: Any) -> None:
    gain, unclear = (texts(compose(record(example_findings(verdict)), lang)) for verdict in ("gain", "unclear"))
    labour, without, elderly = ({"zh": z, "en": e}[lang] for z, e in (("有劳动力户：", "Households with labour:"), ("无劳动力户：", "Households without labour:"), ("老年户：", "Elderly households:")))  # fmt: skip
    assert all(re.search(CAUSAL[lang], text) for text in gain if text.startswith(labour))
    for start in (without, elderly):
        assert not any(re.search(CAUSAL[lang], text) for text in gain if text.startswith(start))
    assert not any(re.search(CAUSAL[lang], text) for text in unclear if text.startswith((labour, without, elderly)))


@pytest.mark.parametrize(("letter", "zh", "en"), [("A", "估计", "by our estimate"), ("B", "很可能使", "probably raised"), ("C", "可能使", "may have raised"), ("D", "只作描述", "description only")])  # fmt: skip
def test_the_verb_follows_the_evidence_grade(letter: Any, zh: str, en: str, lang: str, example_findings: Any) -> None:
    grade = Grade(letter=letter, ceiling="A", reasons=[], held=[], unknown=[])
    findings = example_findings("gain").model_copy(update={"grade": grade})
    told = record(findings)
    from evalkit.report.who_sentences import group_sentence
    from evalkit.report.who_voice import WhoVoice

    assert isinstance(told.groups, Groups)
    assert {"zh": zh, "en": en}[lang] in group_sentence(WhoVoice.of(told, lang), told.groups.rows[0])


def test_both_languages_have_the_same_blocks_and_figures_and_tables_are_counted(example_findings: Any) -> None:
    pages = [compose(record(example_findings("gain")), lang) for lang in LANGUAGES]
    kinds = [[type(block).__name__ for block in page.blocks] for page in pages]
    assert kinds[0] == kinds[1]
    for kind, word in ((Figure, "Figure"), (Table, "Table")):
        numbers = [block.number for block in pages[1].blocks if isinstance(block, kind)]
        assert numbers == [f"{word} {place}" for place in range(1, len(numbers) + 1)]
    assert [block.name for block in pages[0].blocks if isinstance(block, Figure)] == list(DRAW)


def test_every_number_of_the_record_is_told_with_the_path_of_its_value(lang: str, example_findings: Any) -> None:
    told = record(example_findings("gain"))
    trails = rows(compose(told, lang))
    results = {result for row in trails for result in row.results}
    for path in ("groups.rows[0].found.money.estimate", "deciles.rows[4].money.estimate", "village.overtaking[0].alike.estimate", "findings.headline.money.estimate"):  # fmt: skip
        assert path in results, path
    assert not any("\ufdd0" in text for text in texts(compose(told, lang)))


def test_simulated_data_say_so_on_the_page_and_in_every_table_and_figure(lang: str, example_findings: Any) -> None:
    document = compose(record(example_findings("gain", simulated=True)), lang)
    assert document.banner and document.banner_text
    for block in document.blocks:
        if isinstance(block, (Figure, Table)):
            assert "模拟数据" in block.notes[0]


def test_a_file_of_county_means_says_why_it_has_no_headcount(lang: str, example_findings: Any) -> None:
    means = NotTold(reason="county_means")
    told = record(example_findings("unclear")).model_copy(update={"deciles": means, "poverty": means, "village": means})
    document = compose(told, lang)
    said = [text for text in texts(document) if {"zh": "数据是县的平均数", "en": "means of counties"}[lang] in text]
    assert len(said) >= 4
    assert [block.name for block in document.blocks if isinstance(block, Table)] == ["who_groups", "who_differences"]
    said = {"zh": "原因见正文", "en": "its text says why"}[lang]
    assert said in str(drawn(told, "who_ranks", lang))
    assert said in shown(told, "who_poverty", lang).columns[0] and shown(told, "who_poverty", lang).empty
    methods = " ".join(fact.value for block in document.blocks if isinstance(block, Facts) for fact in block.items)
    assert {"zh": "每边至少五个聚类组", "en": "at least five clusters a side"}[lang] in methods
    with pytest.raises(ReportError, match="There is no figure 'who_rank'"):
        drawn(told, "who_rank", lang)
    with pytest.raises(ReportError, match="There is no table 'poverty'"):
        shown(told, "poverty", lang)


REASONS = {
    "no_groups": {}, "no_treated": {}, "no_comparison": {}, "few_units": {"least": 30}, "few_clusters": {"least": 5}, "heaped": {},
    "hidden": {"minimum": 10}, "village_means": {}, "no_lines": {}, "deflated": {}, "other_money": {}, "no_register": {}, "no_place": {},
    "no_years": {"years": [2014]}, "no_line_before": {"years": [2014]}, "few_places": {"least": 5},
}  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_sentence(reason: str, lang: str, example_findings: Any) -> None:
    none = NotTold(reason=reason, facts=REASONS[reason])
    told = record(example_findings("gain")).model_copy(update={"groups": none, "deciles": none, "poverty": none, "village": none})
    assert not any(isinstance(block, (Table, Figure)) for block in compose(told, lang).blocks)


def test_a_public_page_shows_no_small_cell_and_nothing_that_gives_it_away(example_findings: Any) -> None:
    told = disclosed(record(example_findings("gain")), minimum=10)
    assert isinstance(told.groups, Groups)
    few = told.groups.rows[3]
    assert few.treated_units is None and isinstance(few.found, NotTold) and few.found.reason == "hidden"
    assert any(row.treated_units is None for row in told.groups.rows[:3])  # or the total would tell it
    assert isinstance(told.village, Village)
    near = told.village.near_poor[0]
    assert isinstance(near, NearPoor)
    shares = {row.group: row.below_end for row in near.rows}
    assert shares["near"] is None and shares["covered"] == 0.1  # three of sixty households are too few
    for text in texts(compose(told, "en")):
        assert not re.search(r"\b7 ?/", text)


def test_a_page_made_twice_is_the_same_with_its_tables_and_figures_beside_it(example_findings: Any, tmp_path: Any) -> None:
    told = record(example_findings("gain"))
    assert compose(told, "en") == compose(told, "en")
    write_page("who", told, tmp_path / "one", "en", ("html",))
    assert "households with labour" in (tmp_path / "one" / "tables" / "who_groups.en.csv").read_text(encoding="utf-8-sig")
    assert (tmp_path / "one" / "figures" / "who_ranks.en.svg").is_file()


def test_the_bottom_line_is_that_of_the_findings_with_what_the_page_adds(lang: str, example_findings: Any) -> None:
    lines = bottom_line(record(example_findings("gain")), lang).split("\n")
    assert sum(line.startswith("- ") for line in lines) >= 6
    assert all(a != b for a, b in pairwise(lines))
