"""A report about one county: described with a range from its comparison, never called an effect, never ranked."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ReportError
from evalkit.firm_records import NotTold
from evalkit.records import Remark
from evalkit.report.blocks import Callout, Document, Facts, Figure, Table, page
from evalkit.report.document import compose
from evalkit.report.numbering import number
from evalkit.report.tables import csv_text
from evalkit.words import LANGUAGES, Catalogue, catalogue

sys.path.insert(0, str(Path(__file__).parent))
from test_words import BANNED, CAUSAL, DENIED, texts


@pytest.fixture(params=LANGUAGES)
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def callout(document: Document) -> Callout:
    return next(block for block in document.blocks if isinstance(block, Callout))


def test_the_county_stands_in_the_title_and_in_the_first_facts(lang: str, example_findings: Any, of_one_county: Any) -> None:
    document = compose(of_one_county(example_findings("too_few")), lang)
    assert document.title.startswith("昭阳区") and "昭阳区" in document.footer
    strip = next(block for block in document.blocks if isinstance(block, Facts))
    assert strip.items[0].value == "昭阳区 530602"


@pytest.mark.parametrize("scale", ["log", "level"])
@pytest.mark.parametrize("reach", [0.12, 0.01])
def test_one_county_is_described_with_its_range_and_no_cause(
    lang: str, scale: str, reach: float, example_findings: Any, of_one_county: Any
) -> None:
    document = compose(of_one_county(example_findings("too_few", scale=scale), reach), lang)
    told = callout(document)
    ends = {0.12: ("−801", "1,560"), 0.01: ("280", "476")}  # 9,823.4 yuan x (3.85 % less and plus 12 %, 1 %)
    assert all(end in told.lead for end in ends[reach])
    assert told.numbers[-1].label == ("95%预测区间" if lang == "zh" else "95% prediction interval")
    for text in texts(document):
        assert not re.search(BANNED[lang], text, re.IGNORECASE), text
    for text in (told.lead, *told.points):
        assert not re.search(CAUSAL[lang], text) or DENIED[lang] in text


def test_a_range_apart_from_zero_is_rare_and_still_no_cause(lang: str, example_findings: Any, of_one_county: Any) -> None:
    inside, outside = (callout(compose(of_one_county(example_findings("too_few"), reach), lang)) for reach in (0.12, 0.01))
    rare = {"zh": "不能说明原因就是产业帮扶", "en": "does not show that industry support is the reason"}[lang]
    assert rare in " ".join(outside.points) and rare not in " ".join(inside.points)


def test_a_county_that_did_worse_is_told_as_lower_with_the_range_of_the_difference(
    lang: str, example_findings: Any, of_one_county: Any
) -> None:
    plain = example_findings("too_few")
    fell = {name: getattr(plain.headline, name) for name in ("effect", "money", "percent")}
    headline = plain.headline.model_copy(update={name: v.model_copy(update={"estimate": -v.estimate}) for name, v in fell.items()})
    lead = callout(compose(of_one_county(plain.model_copy(update={"headline": headline})), lang)).lead
    assert {"zh": "低约378元", "en": "378 yuan per person per year lower"}[lang] in lead
    assert "−378" in lead and "−1,560" in lead and "801" in lead


@pytest.mark.parametrize(
    ("reason", "facts", "said"),
    [
        ("too_few_comparisons", {"units": 12, "smallest_p": 0.077, "needed": 19}, {"zh": "至少要19个", "en": "needs at least 19"}),
        (
            "refused",
            {"said": "Only 2 comparison units"},
            {"zh": "各年数据齐全的对照县太少", "en": "too few comparison counties are seen"},
        ),
    ],
)
def test_without_a_range_the_reason_is_told(
    lang: str, reason: str, facts: dict[str, Any], said: dict[str, str], example_findings: Any
) -> None:
    document = compose(example_findings("too_few", alone=NotTold(reason=reason, facts=facts)), lang)
    assert said[lang] in " ".join(callout(document).points)


SEVERAL = {
    "zh": "(?<!该)项目县(?!进入估计|·年)|项目组|平均数不能用于|总平均|聚类组数太少|批次的单独数字|不列出。",
    "en": "treated counties(?! in the estimate)|average does not describe|overall average|too few treated|so few on one side|separate figures",
}


@pytest.mark.parametrize("county", [True, False])
def test_a_report_about_one_county_speaks_of_that_county_alone(
    lang: str, county: bool, example_findings: Any, of_one_county: Any
) -> None:
    remarks = [
        Remark(code="SINGLE_UNIT_COHORT", facts={"cohorts": [2018]}),
        Remark(code="FEW_CLUSTERS", facts={"clusters": 41, "treated_clusters": 1, "comparison_clusters": 40}),
    ]
    found = of_one_county(example_findings("too_few", remarks=remarks, covariates=[], alike=None))
    sample = found.sample.model_copy(update={"treated_from_start": 0, "last_cohort_units": 0})
    found = found.model_copy(update={"sample": sample} | ({} if county else {"county": None}))
    for text in texts(page(compose(found, lang))):
        assert not re.search(SEVERAL[lang], text), text
    name = "昭阳区" if county else {"zh": "该项目县", "en": "the treated county"}[lang]
    captions = [block.caption for block in compose(found, lang).blocks if isinstance(block, Figure)]
    drawn = 2 if county else 3  # the gap and the means, and without a county the rise
    assert sum(name in caption for caption in captions) == drawn


def test_columns_of_nothing_but_dashes_are_in_the_files_alone(lang: str, example_findings: Any, of_one_county: Any) -> None:
    document = compose(of_one_county(example_findings("too_few")), lang)
    shown = {block.name: block for block in page(document).blocks if isinstance(block, Table)}
    for table in shown.values():
        for place in range(len(table.columns)):
            assert any(row.cells[place].text != "—" for row in table.rows), (table.name, table.columns[place].label)
    assert len(shown["path"].columns) == 3
    assert shown["path"].columns[2].label == ("95%预测区间" if lang == "zh" else "95% prediction interval")
    whole = next(block for block in document.blocks if isinstance(block, Table) and block.name == "path")
    assert csv_text(whole).splitlines()[0].count(",") == 7  # every column, and both ends of both ranges
    numbers = [block.number for block in document.blocks if isinstance(block, Table)]
    assert [re.sub(r"\D", "", number) for number in numbers] == [str(place + 1) for place in range(len(numbers))]
    assert not {"few_clusters", "cohorts"} & set(shown)


def test_findings_that_lack_the_range_are_an_error_that_names_it(example_findings: Any, of_one_county: Any) -> None:
    with pytest.raises(ReportError, match="'alone'"):
        compose(of_one_county(example_findings("too_few")).model_copy(update={"alone": None}), "zh")


def test_every_sentence_about_one_unit_is_used(example_findings: Any, of_one_county: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: set[str] = set()
    say = Catalogue.say
    monkeypatch.setattr(Catalogue, "say", lambda self, key, **facts: (said.add(key), say(self, key, **facts))[1])
    found = example_findings("too_few")
    shown = [of_one_county(found), of_one_county(found, 0.01), of_one_county(found).model_copy(update={"county": None})]
    shown += [found.model_copy(update={"alone": NotTold(reason="refused")})]
    shown += [found.model_copy(update={"alone": NotTold(reason="too_few_comparisons", facts={"units": 12, "needed": 19})})]
    for findings in shown:
        compose(findings, "en")
    assert {key for key in catalogue("en").sentences if key.startswith("one_unit.")} - said == set()


def test_a_notebook_shows_a_table_that_the_report_leaves_out(example_findings: Any, of_one_county: Any) -> None:
    from evalkit.report import notebook

    found = of_one_county(example_findings("too_few"))
    names = [block.name for block in compose(found, "en").blocks if block.kind == "table"]
    assert "cohorts" not in names
    assert len(notebook.table(found, "cohorts", "en")) == len(found.cohorts)
    with pytest.raises(ReportError, match="has no table 'cohorts': it is about one unit"):
        number(found, "table", "cohorts")


def test_the_lines_of_one_county_are_called_prediction_intervals_in_the_picture(example_findings: Any, of_one_county: Any) -> None:
    from evalkit.report import figures

    drawn = figures.event_study(of_one_county(example_findings("too_few")), "en")
    keys = [text.get_text() for legend in drawn.legends for text in legend.get_texts()]
    assert "95% prediction interval" in keys and "Pointwise 95% interval" not in keys


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_notebook_tells_the_remarks_of_one_unit(lang: str, example_findings: Any, of_one_county: Any) -> None:
    from evalkit.report import notebook

    few = Remark(code="FEW_CLUSTERS", facts={"clusters": 41, "treated_clusters": 1, "comparison_clusters": 40})
    found = of_one_county(example_findings("too_few")).model_copy(update={"remarks": [few]})
    assert "40" in notebook.remarks(found, lang)[0]
