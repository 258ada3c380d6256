"""The data-quality page says what came, what was done to it and what is open, in both languages, and never more."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.errors import EvalkitError
from evalkit.intake.observations import Question
from evalkit.intake.record import (
    Bin,
    CheckRun,
    CodeChange,
    FlagCount,
    HeadingUse,
    IntakeRecord,
    LedgerStep,
    MissingShare,
    PovertyLine,
    Said,
    SourceFile,
)
from evalkit.report import intake_figures, intake_notebook, write_intake
from evalkit.report.blocks import Callout, Document, Facts, Figure, Heading, Listing, Paragraph, Table
from evalkit.report.data_page import compose
from evalkit.report.intake_captions import caption, drawn
from evalkit.report.intake_tables import SHOWN, missing_by_column, tables
from evalkit.report.intake_voice import IntakeVoice, column_label, unit_word
from evalkit.words import LANGUAGES, Catalogue, WordsError, catalogue

BANNED = {
    "zh": r"证明|完全由|根本原因|造假|虚报|可疑|显著|无影响|没有影响|通过检验|通过了",
    "en": r"\bprov(e|es|ed|en)\b|\bproof\b|entirely due|\bfraud|significant|\bno effect|\bpass(ed|es)\b|fabricat|suspicious",
}
YEARS = list(range(2010, 2021))
INCOMES = [34, 118, 205, 231, 187, 96, 41, 18, 7, 3]
NAMES = [
    ("500226", "荣昌县", "500153", "荣昌区", 2015),
    ("500228", "梁平县", "500155", "梁平区", 2016),
    ("500232", "武隆县", "500156", "武隆区", 2016),
]


def missing_shares(columns: dict[str, float], years: list[int] = YEARS, units: int = 38) -> list[MissingShare]:
    """Shares that rise towards the first years; a column with the share 0 is complete."""
    return [
        MissingShare(column=name, period=year, share=min(1.0, round(share * (1.8 if year < 2013 else 0.7), 3)), units=units)
        for name, share in columns.items()
        for year in years
    ]


def example_record(**changes: Any) -> IntakeRecord:
    """Return a county panel with a little of everything; changes replace fields."""
    values: dict[str, Any] = {
        "run_id": "intake-1f2e3d4c5b",
        "version": "0.2.0",
        "simulated": False,
        "source": SourceFile(
            name="各区县农村居民收入2010-2020.xls",
            bytes=84_480,
            sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            format="xls",
            encoding="gb18030",
            sheet="Sheet1",
            title="各区县农村居民人均收入（2010—2020年）",
            notes=["注：2013年以前为人均纯收入。", "资料来源：统计年鉴。"],
        ),
        "level": "county",
        "unit": "county_code",
        "period": "year",
        "units": 38,
        "periods": YEARS,
        "rows": 417,
        "balanced": False,
        "headings": [
            HeadingUse(heading="地区代码", column="county_code", how="dictionary"),
            HeadingUse(heading="农民人均纯收入(元)|2010", column="income_pc", how="mapped", unit_in_file="元", unit="元"),
            HeadingUse(heading="生产总值（亿元）", column="gdp", how="mapped", unit_in_file="亿元", unit="万元"),
            HeadingUse(heading="填表人", column=None, how="dropped"),
            HeadingUse(heading="联系电话", column=None, how="dropped"),
            HeadingUse(heading="单位编号", column="office", how="hashed"),
            HeadingUse(heading="备注", column=None, how="ignored"),
        ],
        "ledger": [
            LedgerStep(
                code="read",
                rows_in=49,
                rows_out=42,
                left={"title": 1, "header": 2, "blank_line": 2, "footnote": 2},
                lines={"title": [1], "header": [2, 3], "blank_line": [17, 31], "footnote": [48, 49]},
                added=0,
                combined=0,
            ),
            LedgerStep(code="totals", rows_in=42, rows_out=39, left={"total": 3}, lines={"total": [4, 18, 32]}, added=0, combined=0),
            LedgerStep(code="melt", rows_in=39, rows_out=428, left={"empty_year": 1}, lines={"empty_year": [22]}, added=390, combined=0),
            LedgerStep(code="counties", rows_in=428, rows_out=417, left={}, lines={}, added=0, combined=11),
        ],
        "flags": [
            FlagCount(column="income_pc", flag="MASKED", count=14, lines=[7, 8, 12, 19, 21]),
            FlagCount(column="gdp", flag="DASH", count=3, lines=[9, 11, 30]),
            FlagCount(column="gdp", flag="LOWER_BOUND", count=1, lines=[30]),
            FlagCount(column="gdp", flag="OK", count=0, lines=[]),
        ],
        "personal": {"name": 38, "phone": 37},
        "missing": missing_shares({"income_pc": 0.034, "gdp": 0.11, "pop_rural": 0.42, "pop_registered": 0.0}),
        "income_column": "income_pc",
        "income": [Bin(low=1000 * (n + 2), high=1000 * (n + 3), count=count) for n, count in enumerate(INCOMES)],
        "income_year": 2016,
        "lines": [
            PovertyLine(schedule="statistical", year=2016, value=2952, verified="secondary", below=0.024),
            PovertyLine(schedule="registry", year=2016, value=3146, verified="no", below=0.053),
        ],
        "income_definition": {"definition": "mixed", "in_year": "disposable", "switch_years": {2013: 26, 2014: 12}, "unknown": 2},
        "price_basis": {lang: catalogue(lang).say("price_basis.nominal") for lang in LANGUAGES},
        "changes": [
            CodeChange(unit=new, kind="district_from_county", year=year, from_code=old, from_name=a, to_code=new, to_name=b)
            for old, a, new, b, year in NAMES
        ]
        + [
            CodeChange(unit="500154", kind="merged", year=2016, from_code="500234", from_name="开县", to_code="500154", to_name="开州区"),
            CodeChange(unit="500154", kind="recoded", year=None, from_code="512222", from_name="", to_code="500234", to_name="开县"),
            CodeChange(unit="500153", kind="code_of_later_year", year=2012, from_code="500226", from_name="荣昌县", to_code="500153", to_name="荣昌区"),
        ],
        "checks": [
            CheckRun(check="jumps", ran=True, questions=1),
            CheckRun(check="mixed_units", ran=True, questions=0),
            CheckRun(check="benford", ran=False, questions=0, reason="PER_HEAD"),
            CheckRun(check="two_sources", ran=False, questions=0, reason="ROLE_MISSING", facts={"roles": ["interviewed"]}),
            CheckRun(check="reconciliation", ran=False, questions=0),
        ],
        "questions": [
            Said(
                code="INCOME_DEFINITION_BLANK",
                facts={},
                evidence="Q-0a1b2c3d",
                places=[(30, "农民人均纯收入(元)", None), (31, "农民人均纯收入(元)", "25310")],
                count=7,
            ),
            Said(code="INCOME_DEFINITION_BACK", facts={"units": 2}),
        ],
        "notices": [
            Said(code="INTAKE_FLAGS", facts={"masked": 14, "dash": 3, "bounds": 1}),
            Said(
                code="INCOME_DEF_SWITCH",
                facts={"years": {2013: 26, 2014: 12}, "units": 38, "of_units": 38, "staggered": True, "units_back": 0},
            ),
        ],
    }  # fmt: skip
    return IntakeRecord(**(values | changes))


def bare_record(**changes: Any) -> IntakeRecord:
    """Return a record in which everything that can be absent is."""
    source = SourceFile(
        name="villages.csv", bytes=1, sha256="0" * 64, format="csv", encoding=None, sheet=None, title=None, notes=[]
    )
    empty: dict[str, Any] = {
        name: []
        for name in ("headings", "ledger", "flags", "missing", "income", "lines", "changes", "checks", "questions", "notices")
    }
    nothing = {"income_column": None, "income_year": None, "income_definition": None, "price_basis": {}, "personal": {}}
    where = {"level": "village", "unit": "village_id", "units": 1, "periods": [2016], "rows": 1, "balanced": True}
    return example_record(**(empty | nothing | where | {"source": source} | changes))


def many_changes(count: int) -> list[CodeChange]:
    """Return one change for each of so many units, over twenty years."""
    return [
        CodeChange(unit=f"{110100 + n}", kind="recoded", year=2000 + n % 20, from_code=f"{120100 + n}", from_name=f"甲{n}县", to_code=f"{110100 + n}", to_name=f"乙{n}县")
        for n in range(count)
    ]  # fmt: skip


WIDE = {f"column_{n:03d}": 0.001 * n for n in range(60)}
RECORDS = {
    "usual": example_record(),
    "simulated": example_record(simulated=True, balanced=True, questions=example_record().questions[:1]),
    "bare": bare_record(),
    "bare_county": bare_record(level="county", ledger=example_record().ledger[-1:], checks=[CheckRun(check="jumps", ran=True, questions=0)]),
    "large": example_record(changes=many_changes(700), missing=missing_shares(WIDE, list(range(1990, 2021)), 2850), units=2850),
    "no_lines": example_record(lines=[], income_year=None, income_definition={"definition": "disposable"}, missing=missing_shares({"gdp": 0.0})),
    "real_prices": example_record(
        price_basis={"zh": "2015年价格", "en": "2015 prices"}, income=[*example_record().income, Bin(low=12000, high=60000, count=9)]
    ),
    "no_income": example_record(income=[], lines=[], income_definition={"switch_years": {2014: 38}}),
    "nobody_named": example_record(level="household", personal={"name": 0}, flags=[]),
}  # fmt: skip


SECTIONS = ["bottom-line", "arrived", "rows", "headings", "values", "missing", "income", "counties", "definition", "personal", "questions", "limits"]  # fmt: skip


def texts(document: Document) -> list[str]:
    """Every text a reader of the page sees, in order."""
    found = [document.title, document.kicker, document.page_title, document.banner, document.banner_text, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [block.label, block.lead, *block.points, *(part for f in block.numbers for part in (f.label, f.value))]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.caption, block.description, *block.notes]
            case Table():
                found += [block.caption, *(column.label for column in block.columns), *block.notes]
                found += [part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)]
    return found


def joined(record: IntakeRecord, lang: str) -> str:
    return "\n".join(texts(compose(record, lang)))


def section(document: Document, anchor: str) -> list[Any]:
    """The blocks of one section, without its heading."""
    starts = [n for n, block in enumerate(document.blocks) if isinstance(block, Heading)]
    for start, end in zip(starts, [*starts[1:], len(document.blocks)], strict=True):
        heading = document.blocks[start]
        if isinstance(heading, Heading) and heading.anchor == anchor:
            return list(document.blocks[start + 1 : end])
    raise AssertionError(f"no section {anchor}")


def callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


@pytest.fixture(params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(RECORDS))
def record(request: Any) -> IntakeRecord:
    return RECORDS[request.param]


def test_the_page_has_all_sections_in_order_and_none_is_empty(record: IntakeRecord, lang: str) -> None:
    document = compose(record, lang)
    assert [block.anchor for block in document.blocks if isinstance(block, Heading)] == SECTIONS
    assert all(section(document, anchor) for anchor in SECTIONS)


def test_no_sentence_accuses_or_claims_too_much(record: IntakeRecord, lang: str) -> None:
    for text in texts(compose(record, lang)):
        assert not re.search(BANNED[lang], text, re.IGNORECASE), text


def test_nothing_is_left_unsaid_and_no_code_is_printed(record: IntakeRecord, lang: str) -> None:
    codes = r"[{}]|\bnan\b|\bNone\b|\binf\b|[A-Z]{3,}_[A-Z]+|\b(empty_year|blank_line|district_from_county|usable_open|PER_HEAD)\b"
    for text in texts(compose(record, lang)):
        assert not re.search(codes, text), text


def test_every_sentence_of_the_page_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    said: set[str] = set()
    say = Catalogue.say
    monkeypatch.setattr(Catalogue, "say", lambda self, key, **facts: (said.add(key), say(self, key, **facts))[1])
    extra = [
        bare_record(income_column="income_pc"),
        example_record(ledger=[LedgerStep(code="read", rows_in=9, rows_out=9, left={}, lines={}, added=0, combined=0)]),
        *(example_record(level=level, questions=[]) for level in ("village", "household")),
        *(one_of_each(number) for number in (1, 2)),
        example_record(
            headings=[HeadingUse(heading="备注", column="note", how=how) for how in ("masked", "dropped", "unrecognised")]
        ),
        example_record(lines=[PovertyLine(schedule="local", year=2016, value=3100, verified="yes", below=None)]),
        *(example_record(income_definition={"definition": kind}) for kind in ("net", "disposable", "unknown", "mixed")),
    ]
    for one in (*RECORDS.values(), *extra):
        compose(one, "en")
    for name in ("usual", "large", "real_prices"):
        for draw in intake_figures.DRAW.values():
            draw(RECORDS[name], "en", narrow=True)
    keys = set(flat(tomllib.loads((Path(evalkit.__file__).parent / "locale/en/data_page.toml").read_text(encoding="utf-8"))))
    assert keys - said == set()


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]


def one_of_each(number: int) -> IntakeRecord:
    """Return a record with so many of everything that is counted."""
    usual = example_record()
    flags = [FlagCount(column=f"c{n}", flag="DASH", count=1, lines=[5]) for n in range(number)]
    return example_record(
        headings=usual.headings[:number], questions=usual.questions[:number], checks=usual.checks[:number], flags=flags,
        changes=many_changes(number), missing=missing_shares({f"c{n}": 0.1 for n in range(number)}),
    )  # fmt: skip


def test_one_is_singular() -> None:
    told = joined(one_of_each(1), "en")
    assert not re.search(r"\b1 (questions|headings|columns|cells|changes|checks|rows|counties)\b", told)
    assert "1 question to the owner of the data is open" in told


def test_the_verdict_counts_the_open_questions(lang: str) -> None:
    labels = {n: callout(compose(example_record(questions=example_record().questions[:n]), lang)) for n in (0, 1, 2)}
    expected = {
        "zh": ["可用", "可用，但有1项需核实", "可用，但有2项需核实"],
        "en": ["Usable", "Usable, 1 question open", "Usable, 2 questions open"],
    }
    assert [labels[n].label for n in (0, 1, 2)] == expected[lang]
    assert [labels[n].verdict for n in (0, 1, 2)] == ["usable", "usable_open", "usable_open"]


def test_the_bottom_line_says_units_periods_and_rows(lang: str) -> None:
    made = callout(compose(example_record(), lang))
    assert [fact.value for fact in made.numbers] == ["38 × 11", "417", "2"]
    for part in ("49", "417", "38", "390", "11"):
        assert part in made.lead
    assert len(made.points) == 4 and "2013" in made.points[1]


def test_the_ledger_adds_up_in_every_line_and_in_the_sum(lang: str) -> None:
    rows = tables(IntakeVoice(example_record(), lang))["ledger"].rows
    numbers = [[cell.values[0] for cell in row.cells[1:]] for row in rows]
    assert all(rows_in - left + added - combined == out for rows_in, left, added, combined, out in numbers)
    assert numbers[-1] == [49, 11, 390, 11, 417] and rows[-1].marked
    assert [[cell.text for cell in row.cells[1:]] for row in rows][-1] == ["49", "−11", "+390", "−11", "417"]
    sentence = section(compose(example_record(), lang), "rows")[0].text
    assert re.sub(r"[^\d+−=]", "", sentence) == "49−11+390−11=417"


def test_rows_not_used_are_listed_with_their_reason_and_lines(lang: str) -> None:
    rows = tables(IntakeVoice(example_record(), lang))["left"].rows
    assert sum(row.cells[1].values[0] for row in rows) == 11
    assert [row.cells[2].text for row in rows][1] == {"zh": "2、3", "en": "2, 3"}[lang]


def test_more_lines_than_are_listed_are_counted(lang: str) -> None:
    cell = tables(IntakeVoice(example_record(), lang))["flags"].rows[0].cells[3]
    assert cell.text == {"zh": "7、8、12、19、21等（另有9行）", "en": "7, 8, 12, 19, 21 and 9 more"}[lang]


def test_every_table_cell_is_text_and_has_a_value_for_each_field(record: IntakeRecord, lang: str) -> None:
    for table in tables(IntakeVoice(record, lang)).values():
        for row in table.rows:
            assert len(row.cells) == len(table.columns)
            for cell, column in zip(row.cells, table.columns, strict=True):
                assert isinstance(cell.text, str) and isinstance(cell.detail, str)
                assert len(cell.values) == len(column.fields), (table.name, column.label)


def test_tables_and_figures_on_the_page_are_numbered_without_a_gap(record: IntakeRecord, lang: str) -> None:
    for kind, word in ((Table, "language.table"), (Figure, "language.figure")):
        numbers = [block.number for block in compose(record, lang).blocks if isinstance(block, kind)]
        assert numbers == [catalogue(lang).say(word, number=n + 1) for n in range(len(numbers))]


def test_questions_keep_their_evidence_id_and_their_places(lang: str) -> None:
    record = example_record()
    items = next(block for block in section(compose(record, lang), "questions") if isinstance(block, Listing)).items
    assert items[0].label == "1. Q-0a1b2c3d" and "25310" in items[0].text
    assert items[1].label == "2. " + Question("INCOME_DEFINITION_BACK", {"units": 2}).evidence
    assert len(tables(IntakeVoice(record, lang))["questions"].rows) == 2


def test_checks_that_do_not_apply_give_their_reason(lang: str) -> None:
    rows = tables(IntakeVoice(example_record(), lang))["checks"].rows
    details = [row.cells[1].detail for row in rows]
    assert details[:2] == ["", ""] and all(details[2:])
    words = catalogue(lang)
    assert words.say("plausibility_role.interviewed") in details[3]


def test_both_poverty_lines_of_the_year_are_told_with_shares_and_whether_they_were_checked(lang: str) -> None:
    usual = example_record()
    other_year = PovertyLine(schedule="registry", year=2015, value=2968, verified="no", below=None)
    voice = IntakeVoice(example_record(lines=[*usual.lines, other_year]), lang)
    figure = caption(voice, "income")
    told = " ".join(figure.notes)
    for part in (
        "2,952",
        "3,146",
        "2.4%",
        "5.3%",
        *(catalogue(lang).say(f"data.verified.{state}") for state in ("secondary", "no")),
    ):
        assert part in told and part in figure.description
    assert "2,968" not in told
    for part in (voice.prices, voice.definition("disposable")):
        assert part in told
    assert len(tables(voice)["lines"].rows) == 3


def test_the_picture_stands_in_prices_of_the_year_and_says_so_where_the_panel_does_not(lang: str) -> None:
    word = {"zh": "图中收入按当年价格", "en": "in the figure stand at the prices of their year"}[lang]
    assert word in joined(RECORDS["real_prices"], lang) and word not in joined(RECORDS["usual"], lang)


def test_without_income_or_lines_the_page_says_so_and_draws_none(lang: str) -> None:
    none = {"zh": "没有收入这一列", "en": "has no income column"}[lang]
    assert none in joined(bare_record(), lang)
    assert not drawn(IntakeVoice(RECORDS["no_income"], lang), "income")
    assert not [block for block in compose(bare_record(), lang).blocks if isinstance(block, Figure)]
    figure = intake_figures.income(RECORDS["no_lines"], lang)
    assert not figure.legends and not figure.axes[0].get_lines()


def test_no_change_of_codes_is_said_only_where_codes_were_followed(lang: str) -> None:
    words = catalogue(lang)
    assert words.say("data.changes.none") in joined(RECORDS["bare_county"], lang)
    assert words.say("data.changes.not_followed") in joined(RECORDS["bare"], lang)


def test_the_emptiest_columns_come_first_and_complete_ones_are_not_drawn(lang: str) -> None:
    voice = IntakeVoice(example_record(), lang)
    assert list(missing_by_column(voice)) == ["pop_rural", "gdp", "income_pc"]
    labels = [tick.get_text() for tick in intake_figures.missing(voice.record, lang).axes[0].get_yticklabels()]
    assert labels == [voice.column(name) for name in missing_by_column(voice)]


def test_the_average_of_missing_shares_weights_periods_by_their_units() -> None:
    shares = [
        MissingShare(column="gdp", period=2010, share=0.5, units=10),
        MissingShare(column="gdp", period=2011, share=0.0, units=30),
    ]
    row = tables(IntakeVoice(example_record(missing=shares), "en"))["missing"].rows[0]
    # 5 of 40 are missing; the worst year lacks half.
    assert [cell.text for cell in row.cells[1:]] == ["12.5%", "2010: 50.0%"]
    assert row.cells[2].values == ("2010: 50.0%", 0.5, 0.0)


def test_a_large_map_draws_forty_columns_and_tells_the_rest(lang: str) -> None:
    record = RECORDS["large"]
    assert len(intake_figures.missing(record, lang).axes[0].get_yticks()) == 40
    notes = " ".join(caption(IntakeVoice(record, lang), "missing").notes)
    assert "19" in notes and "40" in notes


def test_a_few_missing_values_look_darker_than_none_and_shades_run_one_way_in_grey() -> None:
    patches = intake_figures.missing(RECORDS["large"], "en").legends[0].get_patches()
    grey = [
        sum(weight * part for weight, part in zip((0.299, 0.587, 0.114), patch.get_facecolor(), strict=False)) for patch in patches
    ]
    assert all(before - after > 0.02 for before, after in pairwise(grey))


def test_a_period_without_the_column_is_hatched() -> None:
    shares = [*missing_shares({"gdp": 0.2}), *missing_shares({"loans": 0.2}, YEARS[:4])]
    patches = intake_figures.missing(example_record(missing=shares), "en").axes[0].patches
    assert sum(bool(patch.get_hatch()) for patch in patches) == len(YEARS) - 4


def test_poverty_lines_differ_in_dashes_and_not_in_colour(lang: str) -> None:
    lines = intake_figures.income(example_record(), lang).axes[0].get_lines()
    assert [line.get_xdata()[0] for line in lines] == [2952, 3146]
    assert len({str(line._dash_pattern) for line in lines}) == 2 and len({line.get_color() for line in lines}) == 1


def test_bins_of_different_width_are_drawn_by_area() -> None:
    axes = intake_figures.income(RECORDS["real_prices"], "en").axes[0]
    assert axes.patches[-1].get_height() == pytest.approx(9 * 1000 / 48000)
    assert "1,000" in axes.get_title(loc="left")


def test_the_timeline_has_one_line_a_unit_and_leaves_out_what_is_not_in_time(lang: str) -> None:
    axes = intake_figures.changes(example_record(), lang).axes[0]
    marks = [(line.get_xdata()[0], line.get_marker()) for line in axes.get_lines()]
    assert sorted(marks) == [(2015, "s"), (2016, "D"), (2016, "s"), (2016, "s")]
    assert any("荣昌县 → 荣昌区" in text.get_text() for text in axes.texts)
    description = caption(IntakeVoice(example_record(), lang), "changes").description
    assert "开县 → 开州区" in description and "2015" in description


@pytest.mark.parametrize(("units", "bars"), [(25, 0), (26, 20)])
def test_with_more_than_25_units_changes_are_counted_by_year(units: int, bars: int) -> None:
    record = example_record(changes=many_changes(units))
    axes = intake_figures.changes(record, "zh").axes[0]
    assert len(axes.containers[0].patches if axes.containers else []) == bars
    told = caption(IntakeVoice(record, "zh"), "changes")
    assert ("只按年份计数" in " ".join(told.notes)) == bool(bars)


def test_the_page_shortens_long_tables_and_says_where_the_rest_is(lang: str) -> None:
    shown = next(b for b in compose(RECORDS["large"], lang).blocks if isinstance(b, Table) and b.name == "changes")
    assert len(shown.rows) == SHOWN and "660" in shown.notes[-1] and f"tables/changes.{lang}.csv" in shown.notes[-1]
    assert len(tables(IntakeVoice(RECORDS["large"], lang))["changes"].rows) == 700


def test_removed_columns_and_kinds_are_told_and_nothing_else_about_persons(lang: str) -> None:
    blocks = section(compose(example_record(), lang), "personal")
    assert "填表人" in blocks[0].text and "单位编号" in blocks[0].text
    counts = {row.cells[0].text: row.cells[1].values[0] for row in blocks[1].rows}
    words = catalogue(lang)
    capital = {key: words.say(f"personal.{key}")[:1].upper() + words.say(f"personal.{key}")[1:] for key in ("name", "phone")}
    assert counts == {capital["name"]: 38, capital["phone"]: 37}
    assert words.say("data.personal.none") in joined(RECORDS["nobody_named"], lang)


def test_the_change_of_definition_is_told_by_year(lang: str) -> None:
    rows = tables(IntakeVoice(example_record(), lang))["definition"].rows
    assert [(row.cells[0].values[0], row.cells[1].values[0]) for row in rows] == [(2013, 26), (2014, 12)]


def test_a_remark_about_money_stands_with_the_money_and_knows_of_treatment(lang: str) -> None:
    facts = {
        "years": {2013: 26, 2014: 12},
        "units": 38,
        "of_units": 38,
        "staggered": True,
        "units_back": 0,
        "treated": 20,
        "treated_near": 7,
    }
    codes = [
        Said(code="INCOME_DEF_SWITCH", facts=facts),
        Said(code="INCOME_DEF_UNKNOWN", facts={"rows": 4, "of_rows": 417, "units": 2, "of_units": 38, "crosses": True}),
        Said(code="PRICE_INDEX_NATIONAL", facts={"provinces": {"50": [2010, 2011]}}),
        Said(code="PRICE_INDEX_UNVERIFIED", facts={"used": 11, "unverified": 3, "years": [2010, 2011, 2013]}),
        Said(code="NOMINAL", facts={}),
    ]
    blocks = section(compose(example_record(notices=codes), lang), "definition")
    items = next(block for block in blocks if isinstance(block, Listing)).items
    assert len(items) == 5 and "20" in items[0].text
    assert {"zh": "重庆市", "en": "Chongqing"}[lang] in items[2].text
    assert len(section(compose(example_record(notices=codes), lang), "limits")[0].items) == 3


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_remark_on_cells_says_only_what_there_is(lang: str) -> None:
    voice = IntakeVoice(example_record(), lang)
    said = voice.notice(Said(code="INTAKE_FLAGS", facts={"masked": 0, "dash": 3, "bounds": 0}))
    assert "3" in said and "0" not in said
    assert (
        said
        == {"zh": "收到的数据中，3处标为“无数据”。", "en": "In the data as received, 3 cells were marked as not available."}[lang]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": [FlagCount(column="gdp", flag="UNHEARD_OF", count=1, lines=[3])]},
        {"questions": [Said(code="UNHEARD_OF", facts={})]},
        {"notices": [Said(code="UNHEARD_OF", facts={})]},
        {"personal": {"unheard_of": 3}},
        {"checks": [CheckRun(check="unheard_of", ran=True, questions=0)]},
        {"headings": [HeadingUse(heading="x", column=None, how="unheard_of")]},
    ],
)  # fmt: skip
def test_a_code_without_words_stops_the_page_instead_of_being_printed(changes: dict[str, Any]) -> None:
    with pytest.raises(WordsError, match=r"(?i)unheard_of"):
        compose(example_record(**changes), "en")


def test_columns_and_units_have_names_in_both_languages() -> None:
    assert column_label("gdp", "zh") == "地区生产总值" and column_label("own_column", "en") == "own_column"
    assert [unit_word(unit, "en") for unit in ("元", "万元", "元/人", "箩")] == [
        "yuan",
        "ten thousand yuan",
        "yuan per person",
        "箩",
    ]
    assert [unit_word(unit, "zh") for unit in ("万元", "元/人")] == ["万元", "元/人"]


@pytest.mark.parametrize("name", sorted(intake_figures.DRAW))
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("which", ["simulated", "large"])
def test_no_label_is_cut_off(name: str, lang: str, narrow: bool, which: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    figure = intake_figures.DRAW[name](RECORDS[which], lang, narrow=narrow)
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.width, figure.bbox.height
    for text in (artist for artist in figure.findobj(Text) if artist.get_text() and artist.get_visible()):
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        off_axis = text.axes is not None and (box.x0 > width or box.y0 > height or box.x1 < 0 or box.y1 < 0)
        assert inside or off_axis, text.get_text()


def test_drawing_leaves_the_callers_style_alone_and_gives_the_same_picture_again() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    for draw in intake_figures.DRAW.values():
        first, again = (draw(example_record(), "zh")._repr_svg_() for _ in range(2))
        assert first == again and first.startswith("<svg")
    assert dict(mpl.rcParams) == before


def test_a_notebook_reads_the_same_parts(lang: str) -> None:
    record = example_record(simulated=True)
    told = intake_notebook.bottom_line(record, lang)
    assert told.startswith("模拟数据 / Simulated data\n◇ ") and callout(compose(record, lang)).lead in told
    assert len(intake_notebook.table(record, "ledger", lang)) == 5
    assert intake_notebook.figure(record, "missing", lang)._repr_svg_().startswith("<svg")
    assert intake_notebook.questions(record, lang)[0].split()[0] == "Q-0a1b2c3d"
    with pytest.raises(EvalkitError, match="ledger"):
        intake_notebook.table(record, "ledgr", lang)
    with pytest.raises(EvalkitError, match="There is no figure 'incomes'"):
        intake_notebook.figure(bare_record(), "incomes", lang)
    assert intake_notebook.figure(bare_record(), "income", lang) == catalogue(lang).say("data.income.no_column")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of simulated data in both languages, and of data that lack everything."""
    out = tmp_path_factory.mktemp("intake")
    for code in LANGUAGES:
        write_intake(RECORDS["simulated"], out / "simulated", code)
    write_intake(RECORDS["bare"], out / "bare", "zh")
    return out


def test_write_returns_the_page_its_figures_and_its_tables(folder: Path) -> None:
    names = tables(IntakeVoice(RECORDS["simulated"], "zh"))
    for code in LANGUAGES:
        files = {path.relative_to(folder / "simulated").as_posix() for path in (folder / "simulated").rglob(f"*.{code}.*")}
        figures = {f"figures/{name}.{code}.svg" for name in intake_figures.DRAW}
        listed = {f"tables/{name}.{code}.{kind}" for name in names for kind in ("csv", "tex")}
        assert files == {f"data.{code}.html", f"data_tables.{code}.xlsx"} | figures | listed
    bare = {path.name for path in (folder / "bare").rglob("*.*")}
    assert bare == {"data.zh.html", "data_tables.zh.xlsx", "file.zh.csv", "file.zh.tex"}


def test_simulated_data_are_marked_in_every_place(folder: Path) -> None:
    mark = "模拟数据 / Simulated data"
    for code in LANGUAGES:
        page = (folder / "simulated" / f"data.{code}.html").read_text(encoding="utf-8")
        notes = re.findall(r'<p class="note">(.*?)</p>', page)
        assert f"<strong>{mark}</strong>" in page and len(notes) == 14 and all(note.startswith(mark) for note in notes)
        for table in (folder / "simulated" / "tables").glob(f"*.{code}.csv"):
            rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
            assert rows[0][-1] == "data_status" and all(row[-1] == mark for row in rows[1:])
    assert mark not in (folder / "bare" / "data.zh.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_says_its_language_and_describes_its_figures(folder: Path) -> None:
    for path, tag in (("simulated/data.zh.html", "zh-CN"), ("simulated/data.en.html", "en"), ("bare/data.zh.html", "zh-CN")):
        page = (folder / path).read_text(encoding="utf-8")
        assert page.startswith(f'<!doctype html>\n<html lang="{tag}">')
        assert not re.search(r"https?:|<script|<link|@import|\bsrc=|\bon\w+=", page)
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        described = re.findall(r'<div role="img" aria-label="([^"]+)">', page)
        assert len(described) == page.count("<figure") and all(len(text) > 40 for text in described)


def test_csv_files_hold_what_the_page_shortens(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "simulated/tables/file.en.csv").read_text(encoding="utf-8-sig"))))
    assert example_record().source.sha256 in [row["Content"] for row in rows]
    missing = next(csv.DictReader(io.StringIO((folder / "simulated/tables/missing.en.csv").read_text(encoding="utf-8-sig"))))
    assert float(missing["2010"]) == pytest.approx(0.756) and float(missing["2020"]) == pytest.approx(0.294)


def test_the_same_record_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(RECORDS["simulated"].model_dump_json(), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from evalkit.intake.record import IntakeRecord; from evalkit.report import write_intake\n"
        "write_intake(IntakeRecord.model_validate_json(Path(sys.argv[1]).read_text(encoding='utf-8')), sys.argv[2], 'en')"
    )
    again = tmp_path / "again"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "record.json"), str(again)], check=True, env=environment)
    first = {p.relative_to(folder / "simulated"): p.read_bytes() for p in (folder / "simulated").rglob("*.en.*")}
    assert first == {p.relative_to(again): p.read_bytes() for p in again.rglob("*.en.*")}
