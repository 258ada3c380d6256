"""Every number that a reader sees leads back to a result in findings.json, and nothing else changes for being traced."""

from __future__ import annotations

import copy
import csv
import dataclasses
import io
import json
import pickle
import re
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from typing import Any

import pytest

from evalkit import numerals
from evalkit.errors import ReportError
from evalkit.findings import Findings
from evalkit.public_findings import disclosed
from evalkit.records import Frozen, Interval, Remark
from evalkit.report import html, notebook, trace
from evalkit.report.blocks import Cell, Document, Drawing, Figure, Table, Text, Told, anchor
from evalkit.report.document import arranged, compose
from evalkit.report.figure_blocks import figure
from evalkit.report.numbering import FIGURES, ORDER
from evalkit.report.sources import Traced, count, spans, traced, whole, with_origin, without_marks
from evalkit.report.tables import csv_text, table
from evalkit.report.voice import Voice
from evalkit.study import Words
from evalkit.words import LANGUAGES, Catalogue, WordsError

VERDICTS = ("gain", "loss", "small_change", "unclear", "pretrend_failed", "too_few")
FORMATS: list[Callable[[Any], str]] = [
    *(lambda value, n=n, plus=plus: numerals.fixed(value, n, plus) for n in range(5) for plus in (False, True)),
    *(lambda value, plus=plus: numerals.money(value, plus) for plus in (False, True)),
    *(lambda value, plus=plus: numerals.percent(value, plus) for plus in (False, True)),
    *(lambda value, lang=lang, plus=plus: numerals.amount(value, lang, plus) for lang in LANGUAGES for plus in (False, True)),
    numerals.measured, numerals.whole_percent, numerals.short, numerals.p_value,
    lambda value: numerals.p_sentence(value).partition(numerals.NO_BREAK)[2],
    str, "{:,}".format, "{:g}".format, "{:.0%}".format, "{:.1%}".format, "{:.2f}".format, "{:.3f}".format,
    lambda value: str(value).replace("chi2", "χ²"), lambda value: "0" if abs(value) < 0.05 else "",
    lambda value: numerals.amounts((value, 1e4), "zh")[0],
]  # fmt: skip
COUNTED_BY_THE_TEXT = {
    "language.more": "how many of a list of names are not shown: the sentence counts its own names",
    "language.figure": "the number of a figure in this document",
    "language.table": "the number of a table in this document",
}


def reports(example: Any, whole_one: Any, bundle: Any, later: Any, last: Any, few: Any) -> Iterator[Findings]:
    """Findings of every verdict on both scales, with every part, of bundles, of a public report, and of other comparisons."""
    for verdict in VERDICTS:
        for scale in ("log", "level"):
            found = example(verdict, scale == "log", scale)
            yield found
            yield whole_one(bundle(found))
    yield later(example())
    yield last(example(dates=[]))
    yield disclosed(few(whole_one(example())))
    yield example(remarks=[Remark(code="UNITS_LEFT_OUT", facts={"units": ["530602-01", "530602-02"]})] * 2)
    large = example().headline
    rich = {name: Interval(estimate=e, low=e / 2, high=2 * e) for name, e in (("money", 12345.6), ("base", 2.2e6))}
    yield example(headline=large.model_copy(update=rich))


@pytest.fixture(scope="module")
def shown(
    example_findings: Any, whole: Any, of_a_bundle: Any, with_later_units: Any, with_last_cohort: Any, few_households: Any
) -> list[Findings]:
    return list(reports(example_findings, whole, of_a_bundle, with_later_units, with_last_cohort, few_households))


@pytest.fixture(scope="module")
def composed(shown: list[Findings]) -> dict[str, list[tuple[Findings, Document]]]:
    return {lang: [(findings, compose(findings, lang)) for findings in shown] for lang in LANGUAGES}


def strings(part: Any) -> Iterator[str]:
    """Every string of a document."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, (tuple, list)):
        for inner in part:
            yield from strings(inner)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            if field.name not in ("role", "verdict", "mark", "anchor", "link", "name"):  # for programs
                yield from strings(getattr(part, field.name))


def mirrored(text: str) -> str:
    """A text whose digits are others (of a script that no report uses), so that what remains a digit was told by the report."""
    return re.sub("[0-9]", lambda digit: chr(0x0BE6 + int(digit[0])), text)


def with_mirrored_names(part: Any) -> Any:
    """Findings whose names, titles and sources hold no digit."""
    if isinstance(part, Words):
        return Words(zh=mirrored(part.zh), en=mirrored(part.en))
    if isinstance(part, Frozen):
        inner = {name: with_mirrored_names(getattr(part, name)) for name in type(part).model_fields if name != "facts"}
        named = {
            name: mirrored(getattr(part, name))
            for name in ("run_id", "version", "hash", "made_on")
            if isinstance(inner.get(name), str)
        }
        return part.model_copy(update=inner | named)
    return [with_mirrored_names(inner) for inner in part] if isinstance(part, list) else part


def untraced(findings: Findings, lang: str, patch: pytest.MonkeyPatch) -> list[str]:
    """Texts of a report with digits that neither come from a result nor stand in the catalogue or in a name of the study."""
    say = Catalogue.say

    def mirroring(self: Catalogue, key: str, /, **facts: object) -> str:
        template = mirrored_template(self.sentences[key])
        said = say(Catalogue(self.lang, {**self.sentences, key: template}), key, **facts)
        return mirrored_outside(said) if key in COUNTED_BY_THE_TEXT else said

    with patch.context() as patched:
        patched.setattr(Catalogue, "say", mirroring)
        document = compose(with_mirrored_names(findings), lang)
    return [text for text in visible(document) if any(not covered(text, place) for place in digits(text))]


def mirrored_template(template: str) -> str:
    return "".join(part if part.startswith("{") else mirrored(part) for part in re.split(r"(\{[^}]*\})", template))


def mirrored_outside(said: str) -> str:
    """A text with mirrored digits; a mark keeps what it remembers."""
    return mirrored(said) if without_marks(said) == said else said


def digits(text: str) -> list[int]:
    return [found.start() for found in re.finditer("[0-9]", text)]


def covered(text: str, place: int) -> bool:
    return any(told.start <= place < told.end for told in getattr(text, "numbers", ()))


def visible(document: Document) -> Iterator[str]:
    """Every text a reader sees; names of figures and the values behind cells are for programs."""
    yield from (document.title, document.page_title, document.kicker, document.banner_text, document.footer)
    for block in document.blocks:
        if isinstance(block, Figure):
            yield from (block.caption, block.description, *block.notes)
        elif isinstance(block, Table):
            yield from (block.caption, *block.notes, *(column.label for column in block.columns))
            yield from (text for row in block.rows for cell in row.cells for text in (cell.text, cell.detail))
        else:
            yield from strings(block)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_digit_of_a_report_comes_from_a_result_or_stands_in_the_catalogue_or_a_name(
    lang: str, shown: list[Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for findings in shown:
        link = {"source_url": None}
        assert untraced(findings.model_copy(update=link), lang, monkeypatch) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_number_told_without_its_origin_is_found(lang: str, example_findings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    money = numerals.money
    monkeypatch.setattr(numerals, "money", lambda value, plus=False: without_marks(money(value, plus)))
    found = untraced(example_findings(), lang, monkeypatch)
    assert any("551" in text for text in found)
    monkeypatch.undo()
    monkeypatch.setattr("evalkit.report.voice.is_traced", lambda findings: False)
    assert untraced(example_findings(), lang, monkeypatch) == []


def marks_in(text: str) -> bool:
    return re.search("[\ufdd0-\ufdef]", text) is not None


@pytest.mark.parametrize("lang", LANGUAGES)
def test_tracing_changes_no_character_of_a_report(lang: str, composed: Any) -> None:
    for findings, made in composed[lang]:
        plain = arranged(findings, lang)
        assert list(strings(made)) == list(strings(plain))
        assert made == plain
        assert not any(marks_in(text) for text in strings(made))
        for one, other in zip(made.blocks, plain.blocks, strict=True):
            if isinstance(one, Table) and isinstance(other, Table):
                assert csv_text(one, made.banner) == csv_text(other, plain.banner)


def test_values_behind_cells_are_plain_numbers(composed: Any) -> None:
    for _, document in composed["en"]:
        for block in document.blocks:
            if isinstance(block, Table):
                values = [value for row in block.rows for cell in row.cells for value in cell.values]
                assert {type(value) for value in values} <= {str, int, float, type(None)}


def at(findings: Any, path: str) -> Any:
    """The value at a path in findings.json."""
    value = findings
    for name, place, key in re.findall(r'(?:^|\.)([^.\[\]]+)|\[(\d+)\]|\["([^"]*)"\]', path):
        value = value[int(place)] if place else value[key or name]
    return value


def all_numbers(document: Document) -> Iterator[Told]:
    yield from (told for text in visible(document) for told in getattr(text, "numbers", ()))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_source_is_a_path_in_findings_json(lang: str, composed: Any) -> None:
    for findings, document in composed[lang]:
        written = json.loads(findings.model_dump_json())
        sources = {source for told in all_numbers(document) for source in told.sources}
        assert sources
        for source in sources:
            assert at(written, source) is not None


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_stands_in_findings_json_as_it_is_told_again_in_the_same_text(lang: str, composed: Any) -> None:
    told_again = 0
    for findings, document in composed[lang]:
        written = json.loads(findings.model_dump_json())
        for told in all_numbers(document):
            if told.direct:
                value = at(written, told.sources[0])
                assert len(told.sources) == 1 and value == told.value
                assert told.text in again(value), (told, value)
                told_again += 1
    assert told_again > 2000


@cache
def again(value: Any) -> set[str]:
    """Every text in which a report may tell a value."""
    texts = set()
    for tell in FORMATS:
        try:
            texts.add(tell(value))
        except (TypeError, ValueError, IndexError):  # a text is not a number
            continue
    return texts


def test_the_paths_of_the_headline_and_its_range_are_known(example_findings: Any) -> None:
    document = compose(example_findings("gain"), "zh")
    lead = next(block.lead for block in document.blocks if block.kind == "callout")
    known = {told.text: told.sources for told in lead.numbers}
    assert known["551"] == ("headline.money.estimate",)
    assert known["5.6%"] == ("headline.percent.estimate",)
    assert known["9,820"] == ("headline.base.estimate",)
    assert known["95%"] == ("level",)
    assert [lead[told.start : told.end] for told in lead.numbers] == [told.text for told in lead.numbers]


def test_a_computed_number_names_all_it_was_computed_from(example_findings: Any) -> None:
    document = compose(example_findings("gain"), "en")
    told = next(told for told in all_numbers(document) if told.text == "+117.2%")
    # 100 * (16,0xx / 7,350 - 1): the mean of the comparison in the last and the first year
    assert told.sources == ("trends[19].mean", "trends[10].mean") and not told.direct
    assert told.value == pytest.approx(100 * (1.09**9 - 1))


def test_a_count_of_results_names_their_list(example_findings: Any) -> None:
    told = {source for told in all_numbers(compose(example_findings(), "en")) for source in told.sources}
    assert {"path", "estimators", "sample.periods"} <= told


def test_arithmetic_keeps_the_sources_and_the_value() -> None:
    three, half = with_origin(3, ("sample.units",), True), with_origin(0.5, ("level",), True)
    for made, value, kind in [
        (three + 1, 4, int), (1 + three, 4, int), (three * half, 1.5, float), (half * three, 1.5, float), (-half, -0.5, float),
        (abs(-three), 3, int), (round(half * 5, 0), 2.0, float), (three / 2, 1.5, float), (three // 2, 1, int), (7 % three, 1, int),
        (2**three, 8, int), (sum([three, three]), 6, int), (round(half), 0, int), (1 - half, 0.5, float), (three - half, 2.5, float),
    ]:  # fmt: skip
        assert made == value and isinstance(made, kind) and isinstance(made, Traced) and not made.direct
        assert set(made.sources) <= {"sample.units", "level"} and made.sources
        assert type(made.plain) is kind
    assert set((three * half).sources) == {"sample.units", "level"}
    assert (
        (max(three, 2) is three)
        and three > 2
        and {three: "a"}[3] == "a"
        and not isinstance(with_origin(True, ("x",), True), Traced)
    )


def test_formats_of_a_traced_number_are_those_of_a_number() -> None:
    number = with_origin(1234.5678, ("headline.money.estimate",), True)
    for text, plain in [
        (f"{number:,.1f}", "1,234.6"), (f"{number}", "1234.5678"), (str(number), "1234.5678"), (numerals.fixed(number, 2), "1,234.57"),
        (f"{with_origin(2016, ('window[0]',), True)}", "2016"), (numerals.percent(-number), "−1,234.6%"),
        (numerals.amount(10 * number, "zh"), "1.23万"), (f"{with_origin('t(98)', ('x',), True)}", "t(98)"),
    ]:  # fmt: skip
        seen, found = spans(text)
        assert seen == plain == without_marks(text) and [(start, end) for start, end, _ in found] == [(0, len(plain))]
    assert repr(number) == "1234.5678"  # an error message holds no mark


def test_a_text_remembers_its_numbers_through_templates_joins_and_capitals() -> None:
    number = with_origin(12.3, ("a.b",), True)
    plain, found = spans("; ".join(["see", "{number} counties".format_map({"number": number})]) + "  ")
    assert plain == "see; 12.3 counties  " and found[0][:2] == (5, 9) and found[0][2].sources == ("a.b",)


def test_marks_of_a_hostile_text_do_no_harm(example_findings: Any) -> None:
    hostile = 'a\ufdd0["x"]\ufdd2b\ufdd1 {0} <b>&"\ufdd3'
    findings = example_findings(title=Words(zh=hostile, en=hostile))
    with pytest.raises(ReportError, match="U\\+FDD0"):
        compose(findings, "en")


def test_keys_and_texts_of_remarks_are_traced(example_findings: Any) -> None:
    facts = {"years": {"2014": 3, "2015": 90}, "units": 93, "of_units": 99, "staggered": True, "units_back": 1}
    found = traced(example_findings(remarks=[Remark(code="INCOME_DEF_SWITCH", facts=facts)])).remarks[0].facts
    year = next(iter(found["years"]))
    assert whole(year) == 2014 and whole(year).sources == ("remarks[0].facts.years",)
    assert found["years"]["2014"].sources == ('remarks[0].facts.years["2014"]',)
    assert count(traced(example_findings()).path).sources == ("path",)


def test_a_text_survives_copies_and_is_equal_to_its_plain_text() -> None:
    text = Text("436 yuan", (Told(0, 3, "436", ("headline.money.estimate",), 436.2, True),))
    assert text == "436 yuan" and isinstance(text, str) and hash(text) == hash("436 yuan")
    for again_made in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert again_made == text and again_made.numbers == text.numbers


def test_the_list_of_numbers_gives_place_sentence_number_results_and_value(lang_rows: tuple[str, list[dict[str, str]]]) -> None:
    lang, rows = lang_rows
    names = list(rows[0])
    by_results = {(row[names[2]], row[names[3]]): row for row in rows}
    row = by_results["551", "headline.money.estimate"]
    assert row[names[0]].endswith("主要结论" if lang == "zh" else "Bottom line")
    assert "551" in row[names[1]] and float(row[names[4]]) == pytest.approx(9823.4 * 0.0561)
    cell = by_results["0.0482", "estimators[0].effect.estimate"]
    assert cell[names[1]] == ("双向固定效应 · 估计值" if lang == "zh" else "Two-way fixed effects · Estimate")
    assert cell[names[5]] == ("否" if lang == "zh" else "no")
    assert {row["data_status"] for row in rows} == {"模拟数据 / Simulated data"}


@pytest.fixture(params=LANGUAGES)
def lang_rows(request: Any, example_findings: Any) -> tuple[str, list[dict[str, str]]]:
    text = trace.csv_text(compose(example_findings("gain"), request.param))
    return request.param, list(csv.DictReader(io.StringIO(text)))


def test_a_public_report_lists_no_number_that_it_hides(example_findings: Any, whole: Any, few_households: Any) -> None:
    findings = disclosed(few_households(whole(example_findings())))
    written = json.loads(findings.model_dump_json())
    for row in trace.rows(compose(findings, "en")):
        assert all(at(written, source) is not None for source in row.results)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_count_large_incomes_in_the_languages_unit_and_tables_in_digits(lang: str, example_findings: Any) -> None:
    whole_one = example_findings()
    rich = {name: Interval(estimate=e, low=0.8 * e, high=1.2 * e) for name, e in (("money", 12345.6), ("base", 2.2e6))}
    document = compose(example_findings(headline=whole_one.headline.model_copy(update=rich)), lang)
    first = next(block for block in document.blocks if block.kind == "callout")
    if lang == "zh":
        assert "增加约1.23万元" in first.lead and "约220万元" in first.lead and "在9,880到14,800元之间" in first.lead
        assert first.numbers[0].value == "+1.23万元"
    else:
        assert "by about 12,300 yuan" in first.lead and "about 2.20 million yuan" in first.lead
    tables = [text for block in document.blocks if isinstance(block, Table) for text in strings(block.rows)]
    assert not any(re.search(r"[0-9]万|[0-9] million", text) for text in tables)


def test_a_study_that_counts_in_ten_thousands_of_yuan_keeps_to_them(example_findings: Any) -> None:
    voice = Voice(example_findings(money=Words(zh="万元/户·年", en="thousand yuan per household per year")), "zh")
    assert voice.amount(12300) == "12,300"  # and not 1.23万万元


# Cross references


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_reference_leads_to_the_figure_or_table_that_has_its_number(lang: str, composed: Any) -> None:
    for _, document in composed[lang]:
        numbered = {anchor(block.kind, block.name): block.number for block in document.blocks if isinstance(block, (Figure, Table))}
        links = [(text, link) for text in visible(document) for link in getattr(text, "links", ())]
        assert len(links) >= 4
        for text, link in links:
            assert numbered[link.anchor] == text[link.start : link.end]


def test_a_reference_to_what_the_report_lacks_names_the_missing_result(example_findings: Any) -> None:
    voice = Voice(example_findings(), "en")
    assert voice.see("table", "few_clusters") == "Table 4" and Voice(example_findings(), "zh").see("figure", "trends") == "图5"
    with pytest.raises(
        ReportError, match=r"no table 'balance'.*lack the result 'alike\.covariates'.*It has: before_after, path, drift"
    ):
        voice.see("table", "balance")
    with pytest.raises(ReportError, match=r"no figure 'overlap'.*'alike\.histogram'"):
        voice.see("figure", "overlap")
    with pytest.raises(ReportError, match=r"A report has no table 'drifts'.*Allowed: before_after, path, drift"):
        voice.see("table", "drifts")


def test_tables_and_figures_without_their_result_name_it(example_findings: Any) -> None:
    voice = Voice(example_findings(firm=None), "zh")
    for name, result in (("few_clusters", "firm"), ("drift", r"firm\.overturn"), ("components", "components"), ("dates", "dates")):
        with pytest.raises(ReportError, match=f"lack the result '{result}'"):
            table(voice, name)
    with pytest.raises(ReportError, match=r"lack the result 'firm\.overturn'"):
        figure(voice, "firmness", {})
    with pytest.raises(ReportError, match=r"lack the result 'alike\.covariates'"):
        notebook.table(example_findings(), "balance", "en")


def test_numbers_of_tables_and_figures_are_those_of_the_lists(example_findings: Any, whole: Any, of_a_bundle: Any) -> None:
    document = compose(whole(of_a_bundle(example_findings())), "en")
    assert tuple(block.name for block in document.blocks if isinstance(block, Table)) == ORDER
    assert tuple(block.name for block in document.blocks if isinstance(block, Figure)) == FIGURES


# HTML

PICTURE = Drawing("<svg xmlns='http://www.w3.org/2000/svg'></svg>", "<svg></svg>")


@pytest.fixture(autouse=True)
def _no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subsetting fonts takes seconds and is tested elsewhere."""
    monkeypatch.setattr(html, "font_faces", lambda visible: "")


def page(findings: Findings, lang: str) -> str:
    document = compose(findings, lang)
    return html.render(document, {block.name: PICTURE for block in document.blocks if isinstance(block, Figure)})


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_holds_every_number_as_data_and_the_plain_text_as_text(lang: str, example_findings: Any, whole: Any) -> None:
    findings = whole(example_findings("gain"))
    document, made = compose(findings, lang), page(findings, lang)
    assert f'<data value="{findings.headline.money.estimate:.10g}" data-result="headline.money.estimate">551</data>' in made
    body = made[made.index("<main>") :]
    seen = unescape(re.sub(r"<[^>]+>", "", body))
    described = {block.description for block in document.blocks if isinstance(block, Figure)}
    elsewhere = {document.page_title, document.banner_text}
    assert [text for text in visible(document) if text not in seen and text not in described | elsewhere] == []
    assert body.count("<data ") == len(list(all_numbers(document))) - sum(len(text.numbers) for text in hidden_texts(document))
    assert 'title="' not in body  # no tooltip puzzles a reader
    assert not re.search(r'="[^"<>]*<data', made)  # no element inside an attribute


def hidden_texts(document: Document) -> Iterator[Any]:
    """Texts of a page that stand in attributes or in its head."""
    yield document.page_title
    yield from (block.description for block in document.blocks if isinstance(block, Figure))


def test_links_of_a_page_lead_to_its_figures_and_tables(example_findings: Any, whole: Any) -> None:
    made = page(whole(example_findings()), "en")
    ids = set(re.findall(r'id="([^"]+)"', made))
    targets = re.findall(r'href="#([^"]+)"', made)
    assert len(targets) >= 6 and set(targets) <= ids


def test_a_number_in_html_escapes_what_is_not_html() -> None:
    text = Text("<0.001 & more", (Told(0, 6, "<0.001", ('a["<x>"]',), 0.0002, True),))
    assert html.marked_up(text) == '<data value="0.0002" data-result="a[&quot;&lt;x&gt;&quot;]">&lt;0.001</data> &amp; more'


def test_a_mistake_in_a_template_names_its_file_and_line() -> None:
    with pytest.raises(ReportError, match=r"template\.html\.j2, line 2: .*'titel'.*Mend the template"):
        html.filled("<p>\n{{ document.titel }}</p>", "template.html.j2", document={})
    with pytest.raises(ReportError, match=r"template\.html\.j2, line 3: .*endif"):
        html.filled("\n\n{% endif %}", "template.html.j2")
    with pytest.raises(ReportError, match=r"template\.html\.j2, line 1: .*nothing"):
        html.filled("{{ 3 | nothing }}", "template.html.j2")


def test_a_figure_without_a_drawing_is_named(example_findings: Any) -> None:
    with pytest.raises(
        ReportError, match=r"no drawing for its figures before_after, firmness, estimators, trends.*Drawings given: event_study"
    ):
        html.render(compose(example_findings(), "en"), {"event_study": PICTURE})


def test_an_unknown_language_is_refused_with_those_allowed(example_findings: Any) -> None:
    with pytest.raises(WordsError, match=r"no language 'de'.*Allowed: zh, en"):
        compose(example_findings(), "de")


def test_a_cell_of_a_data_page_is_a_plain_text() -> None:
    assert html.marked_up(Cell("3 < 4").text) == "3 &lt; 4"
