"""The list of reports as a file: complete, safe, the same on every run, and told without a script."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import example_outputs
import pytest
from example_outputs import batch, failed, fifty, found, written
from lxml import html
from report.conftest import of_one_county

from evalkit import glossary, numerals
from evalkit.errors import ReportError
from evalkit.records import County, Interval
from evalkit.report.bottom_line import MARKS
from evalkit.site import page as page_module
from evalkit.site import write_site
from evalkit.site.entries import JUDGEMENTS
from evalkit.site.entries import outputs as read_outputs
from evalkit.site.rows import CURES
from evalkit.site.strips import axis, beyond, strip
from evalkit.study import Words
from evalkit.words import LANGUAGES, catalogue

HOSTILE = "<script>alert(1)</script>"
CHANCE = random.Random(7)


def text(out: Path) -> str:
    return write_site(out).read_text(encoding="utf-8")


def tree(out: Path) -> Any:
    return html.fromstring(text(out))


def said(element: Any, lang: str = "zh") -> str:
    """What an element says in one language."""
    other = "en" if lang == "zh" else "zh"
    return "".join(element.xpath(f".//text()[not(ancestor::i[@lang='{other}'])][not(ancestor::script)]")).strip()


def rows(page: Any, table: str = "list") -> list[Any]:
    return page.xpath(f"//table[@id='{table}']/tbody/tr")


def test_every_report_and_every_failure_has_a_row(out: Path) -> None:
    page = tree(out)
    assert len(rows(page)) == 50 and len(rows(page, "broken")) == 3
    assert len(page.xpath("//table[@id='list']//mark")) == 50
    counted = {item.get("class"): int(item.findtext("strong")) for item in page.xpath("//ul[@class='counts']/li[strong]")}
    verdicts = [row.xpath("./td[3]/@class")[0] for row in rows(page)]
    assert counted == {verdict: verdicts.count(verdict) for verdict in set(verdicts)} and sum(counted.values()) == 50


def test_the_order_is_by_programme_and_county_code_and_never_by_effect(out: Path) -> None:
    keys = [(said(row[1]), row.xpath("./th/small")[0].text) for row in rows(tree(out))]
    assert keys == sorted(keys)
    effects = [said(row[4]) for row in rows(tree(out))]
    assert effects != sorted(effects) and effects != sorted(effects, reverse=True)


def test_the_same_outputs_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    first, second = fifty(tmp_path / "one", 6), fifty(tmp_path / "other", 6)
    manifest = next(second.glob("*/manifest.json"))
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("2026-01-02", "2027-12-31"), encoding="utf-8")
    batch(first, done=6, failed=3)
    batch(second, unchanged=6, failed=3)
    assert write_site(first).read_bytes() == write_site(second).read_bytes() == write_site(first).read_bytes()


def test_the_page_is_small_and_refers_to_nothing_outside(out: Path) -> None:
    page = text(out)
    assert len(page.encode("utf-8")) <= 75_000
    assert not re.search(r"(?:https?:)?//[a-z]|@import|url\((?!#)", page.replace("</", ""), re.IGNORECASE)


def test_every_link_leads_to_a_file_that_is_there(out: Path) -> None:
    links = [link for link in tree(out).xpath("//a/@href") if not link.startswith("#")]
    assert len(links) == 50 * 9 + 3 + 2
    assert all((out / unquote(link)).is_file() for link in links)


def test_a_language_or_format_that_does_not_exist_has_no_link(tmp_path: Path) -> None:
    place = written(tmp_path, found("gain", CHANCE), langs=("en",))
    (place / "report.en.pdf").unlink()
    page = tree(tmp_path)
    assert [link.rsplit("/", 1)[1] for link in rows(page)[0].xpath(".//a/@href")] == [
        "report.en.html", "report.en.docx", "tables.en.xlsx", "notebook.ipynb",
    ]  # fmt: skip
    assert page.get("lang") == "en"


@pytest.mark.parametrize(
    "name", ["甲山县 产业", "a#b?c", "50% & more", '"quoted" <b>', "a:b", "=1+1", "o'brien", "javascript:alert(1)"]
)
def test_the_address_of_a_folder_is_encoded_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE), folder=name)
    links = rows(tree(tmp_path))[0].xpath(".//a/@href")
    assert len(links) == 9 and all(re.fullmatch(r"[\w.%~-]+/[\w.]+", link) for link in links)
    assert {unquote(link).rsplit("/", 1)[0] for link in links} == {name}


def test_a_folder_whose_name_is_no_text_is_listed_too(tmp_path: Path) -> None:
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    except OSError:
        pytest.skip("this file system takes names of text only")
    os.rename(written(tmp_path, found("gain", CHANCE)), os.fsencode(tmp_path) + b"/\xff\xfe/run")
    os.rename(os.fsencode(tmp_path) + b"/\xff\xfe/run", os.fsencode(tmp_path) + b"/\xfd")
    (written(tmp_path, found("gain", CHANCE), folder="x") / "findings.json").unlink()
    os.rename(tmp_path / "x", os.fsencode(tmp_path) + b"/\xfe")
    links = rows(tree(tmp_path))[0].xpath(".//a/@href")
    assert links[0] == "%FD/report.zh.html" and "�" in text(tmp_path)


def test_names_and_messages_are_texts_and_never_markup(tmp_path: Path) -> None:
    words = Words(zh=HOSTILE + "\"'&", en=HOSTILE + "=cmd|' /C calc'!A0")
    hostile = found("gain", CHANCE, county=County(code='99"><img src=x>', name=HOSTILE), programme=words, title=words, money=words)
    written(tmp_path, hostile, folder="</script><script>alert(2)</script>".replace("/", "∕"))
    failed(tmp_path, "industry", County(code="9901", name=HOSTILE), "DesignError", HOSTILE, "</style>" + HOSTILE)
    for name in ("<img src=x>", "<img src=y>"):
        (tmp_path / name).mkdir()
    (written(tmp_path, found("gain", CHANCE), folder="<img src=z>") / "findings.json").unlink()
    page = tree(tmp_path)
    assert "<img src=x>、<img src=y>。" in said(page.xpath("//footer")[0]) and "<i " not in said(page.xpath("//footer")[0])
    assert said(page.xpath("//ul[@class='folders']/li")[0]).startswith("<img src=z>")
    assert len(page.xpath("//script")) == 1 and not page.xpath("//img")
    assert said(rows(page)[0][0]).startswith(HOSTILE) and HOSTILE in said(rows(page, "broken")[0][2])


def test_a_policy_lets_no_other_script_run_even_if_one_slipped_in(out: Path) -> None:
    page = tree(out)
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[\w+/]{43}='", policy) and "unsafe-eval" not in policy


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "不完整或打不开"),
        (b"\xff\xfe\x00", "不完整或打不开"),
        (b"[" * 100_000, "不完整或打不开"),
        (b"[]", "看不懂"),
        (b'{"run_id": "x"}', "programme"),
    ],
)
def test_findings_that_cannot_be_read_are_named_with_the_reason_and_stop_nobody(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    written(tmp_path, found("gain", CHANCE))
    place = written(tmp_path, found("loss", CHANCE), folder="broken")
    (place / "findings.json").write_bytes(content)
    page = tree(tmp_path)
    told = page.xpath("//ul[@class='folders']/li")[0]
    assert said(told).startswith("broken") and reason in said(told) and "findings.json" in said(told, "en")
    assert len(rows(page)) == 1 and len(told.xpath(".//a")) == 9


def test_half_a_character_makes_findings_unreadable_and_not_the_page(tmp_path: Path) -> None:
    place = written(tmp_path, found("gain", CHANCE))
    content = json.loads((place / "findings.json").read_text(encoding="utf-8")) | {"title": {"zh": "\ud800", "en": "x"}}
    (place / "findings.json").write_text(json.dumps(content), encoding="ascii")
    assert "不完整或打不开" in text(tmp_path)


def test_a_number_that_is_none_makes_findings_unreadable_and_not_the_page(tmp_path: Path) -> None:
    place = written(tmp_path, found("gain", CHANCE))
    content = json.loads((place / "findings.json").read_text(encoding="utf-8"))
    content["headline"]["money"]["estimate"] = float("nan")
    (place / "findings.json").write_text(json.dumps(content), encoding="utf-8")
    assert "headline.money.estimate" in text(tmp_path)


def test_findings_of_a_later_version_are_read_for_what_is_known(tmp_path: Path) -> None:
    place = written(tmp_path, found("gain", CHANCE))
    content = json.loads((place / "findings.json").read_text(encoding="utf-8")) | {"something_new": [1]}
    (place / "findings.json").write_text(json.dumps(content), encoding="utf-8")
    page = tree(tmp_path)
    assert rows(page)[0].xpath("./td[3]/small")[0].text == "B"
    assert page.xpath("//select[@name='grade']")


def test_without_grades_there_is_no_filter_of_grades(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE, grade=None))
    assert not tree(tmp_path).xpath("//select[@name='grade']")


def test_a_study_without_a_causal_figure_is_listed_with_its_grade_and_no_effect(tmp_path: Path) -> None:
    place = written(tmp_path, found("refused", CHANCE))
    content = json.loads((place / "findings.json").read_text(encoding="utf-8"))
    del content["headline"]
    content["grade"]["letter"] = "N"
    (place / "findings.json").write_text(json.dumps(content), encoding="utf-8")
    row = rows(tree(tmp_path))[0]
    assert said(row[3]) == "N 不作因果判断" and row.xpath("./td[3]/@class") == ["refused"]
    assert said(row[4]) == said(row[6]) == "—" and not row.xpath("./td[5]/svg")
    content["verdict"] = "gain"
    (place / "findings.json").write_text(json.dumps(content), encoding="utf-8")
    assert "findings.json" in text(tmp_path)


def test_a_report_without_a_range_says_why_and_has_no_strip(tmp_path: Path) -> None:
    written(tmp_path, found("too_few", CHANCE, run_id="few"))
    bare = found("gain", CHANCE, run_id="gain")
    money = Interval(estimate=100.0)
    written(tmp_path, bare.model_copy(update={"headline": bare.headline.model_copy(update={"money": money})}))
    first, second = sorted(rows(tree(tmp_path)), key=lambda row: row.xpath("./td[3]/@class")[0])
    assert said(first[5]) == "没有区间，原因见报告" and said(second[5], "en") == "No range: too few groups"
    assert not first.xpath(".//svg") and not second.xpath(".//svg")


def test_strips_share_one_axis_and_zero_has_one_place() -> None:
    shared = axis([-100.0, 200.0, 500.0])
    assert shared.ticks == (-100.0, 0.0, 100.0, 200.0, 300.0, 400.0, 500.0)
    # 148 pixels for 600 yuan, after 6 pixels of margin: 200 yuan lie at 6 + 148 · 300/600 = 80.
    assert [shared.at(value) for value in (-100, 200, 500)] == [6, 80, 154]
    assert strip(shared, 200.0, (-100.0, 500.0)) == "M6 7H80H154"


def test_one_wild_interval_does_not_flatten_all_others_and_shows_an_arrow() -> None:
    ends = [float(value) for value in range(-300, 900, 20)]
    shared = axis([*ends, 1e6])
    assert shared.ticks[-1] == 1000.0
    assert beyond(shared, 500.0, (100.0, 1e6)) == "high" and beyond(shared, 500.0, (-2e3, 1e6)) == "low high"
    assert beyond(shared, 500.0, (100.0, 900.0)) == ""
    assert axis([]).ticks == axis([0.0, 0.0]).ticks == (0.0, 1.0)


def test_zero_is_labelled_only_where_its_label_has_room() -> None:
    from evalkit.site.page import _ticks

    assert [label for _, _, label in _ticks(axis([-1000.0, 3000.0]))] == ["−1,000", "3,000"]
    assert [label for _, _, label in _ticks(axis([-1000.0, 1000.0]))] == ["−1,000", "0", "1,000"]
    assert [label for _, _, label in _ticks(axis([0.0, 1000.0]))] == ["0", "1,000"]


def test_amounts_in_another_unit_are_told_and_not_drawn_on_the_common_axis(tmp_path: Path) -> None:
    for number in range(2):
        written(tmp_path, found("gain", CHANCE, run_id=f"person-{number}"))
    written(tmp_path, found("gain", CHANCE, run_id="household", money=Words(zh="元/户·年", en="yuan per household per year")))
    page = tree(tmp_path)
    other = next(row for row in rows(page) if "元/户·年" in said(row[4]))
    assert "单位不同，未画" in said(other[5]) and not other.xpath(".//svg")
    assert sum(bool(row.xpath(".//svg")) for row in rows(page)) == 2 and "单位不同" in said(page.xpath("//p[@id='reading']")[0])


def test_one_county_alone_shows_its_prediction_interval_and_says_what_it_is(tmp_path: Path) -> None:
    alone = of_one_county(found("too_few", CHANCE))
    written(tmp_path, alone)
    page = tree(tmp_path)
    row = rows(page)[0]
    money = alone.alone.money
    assert said(row[5]) == f"[{numerals.money(money.low)}, {numerals.money(money.high)}]" and row.xpath("./td[5]/svg")
    assert row.xpath("./td[3]/@class") == ["one_unit"] and "只有一个县" in said(row[3])
    told = said(page.xpath("//li[@class='one_unit']/i[@lang='en']/..")[0], "en").removesuffix(" 1")
    assert said(row[3], "en") == f"D {told}"
    assert "95%预测区间" in said(page.xpath("//thead/tr/th[6]")[0]) and "空心点" in said(page.xpath("//p[@id='reading']")[0])
    written(tmp_path, found("gain", CHANCE, run_id="many"))
    written(tmp_path, found("gain", CHANCE, run_id="more"))
    page = tree(tmp_path)
    told = {said(row[5]).partition("（")[2] for row in rows(page)}
    assert told == {"", "95%预测区间）"} and "95%置信区间" in said(page.xpath("//thead/tr/th[6]")[0])


def test_a_level_that_differs_from_the_usual_one_stands_beside_its_interval(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE, run_id="a"))
    written(tmp_path, found("gain", CHANCE, run_id="b", level=0.9))
    page = tree(tmp_path)
    assert [said(row[5]).partition("（")[2] for row in rows(page)] == ["", "90%置信区间）"]


def test_effects_of_several_programmes_are_those_of_a_bundle(tmp_path: Path) -> None:
    bundle = [Words(zh="产业帮扶", en="industry support"), Words(zh="健康扶贫", en="health"), Words(zh="搬迁", en="relocation")]
    written(tmp_path, found("gain", CHANCE, bundle=bundle))
    row = rows(tree(tmp_path))[0]
    assert (
        said(row[1]) == "产业帮扶与健康扶贫、搬迁的组合"
        and said(row[1], "en") == "the bundle of industry support, health and relocation"
    )


def test_a_study_of_a_whole_area_is_told_by_its_title(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE, simulated=False))
    row = rows(tree(tmp_path))[0]
    assert said(row[0]) == "全部地区产业帮扶增收效应评估" and "Whole area" in said(row[0], "en")
    assert not row.xpath(".//mark")


def test_two_studies_of_one_programme_are_told_apart_by_their_titles(tmp_path: Path) -> None:
    county = County(code="990121", name="甲山县")
    written(tmp_path, found("gain", CHANCE, run_id="a", county=county))
    assert "评估" not in said(rows(tree(tmp_path))[0][1])
    written(tmp_path, found("gain", CHANCE, run_id="b", county=county, title=Words(zh="另一项评估", en="Another study")))
    assert {said(row[1]) for row in rows(tree(tmp_path))} == {"产业帮扶产业帮扶增收效应评估", "产业帮扶另一项评估"}


def test_some_simulated_data_are_counted_above_and_marked_in_their_rows(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE, run_id="a"))
    written(tmp_path, found("gain", CHANCE, run_id="b", simulated=False))
    page = tree(tmp_path)
    assert "1份报告使用模拟数据" in said(page.xpath("//p[@class='banner']")[0])
    assert len(page.xpath("//mark")) == 1


def test_observed_data_have_no_banner(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE, simulated=False))
    assert not tree(tmp_path).xpath("//p[@class='banner']")


def test_a_failure_tells_reason_cure_and_notebook_in_both_languages(out: Path) -> None:
    first = next(row for row in rows(tree(out), "broken") if "甲合县" in said(row[0]) and "产业" in said(row[1]))
    assert "只有1个乡镇" in said(first[2]) and "1 comparison township" in said(first[2], "en")
    assert "evalkit check" in said(first[3]) and first.xpath(".//a/@href") == ["industry-990199-failed/notebook.ipynb"]


def test_a_failure_without_words_or_notebook_is_listed_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "x-failed").mkdir()
    (tmp_path / "x-failed" / "failure.json").write_text(
        '{"study": "x", "message": "no such file", "kind": "Refusal"}', encoding="utf-8"
    )
    row = rows(tree(tmp_path), "broken")[0]
    assert said(row[0]) == "全部地区x" and said(row[2]) == "no such file" and "按原因" in said(row[3]) and not row.xpath(".//a")


def test_a_report_that_stands_and_a_later_failure_are_both_listed(tmp_path: Path) -> None:
    place = written(tmp_path, found("gain", CHANCE))
    (place / "failure.json").write_text('{"study": "industry", "message": {"zh": "停", "en": "stopped"}}', encoding="utf-8")
    page = tree(tmp_path)
    assert len(rows(page)) == len(rows(page, "broken")) == 1


def test_the_last_batch_is_counted_and_what_is_still_to_run_is_told(tmp_path: Path) -> None:
    written(tmp_path, found("gain", CHANCE))
    batch(tmp_path, done=1, unchanged=2, failed=1, interrupted=4)
    told = said(tree(tmp_path).xpath("//p[@class='batch']")[0])
    assert "共8项，完成3项，未能完成1项" in told and "另有4项" in told and "--resume" in told
    (tmp_path / "batch.json").write_text("{", encoding="utf-8")
    assert "无法读取" in said(tree(tmp_path).xpath("//p[@class='batch']")[0])


def test_pages_of_data_quality_have_a_list_of_their_own_and_other_folders_are_named(tmp_path: Path) -> None:
    intake = tmp_path / "received-1"
    intake.mkdir()
    (intake / "data.zh.html").write_text("x", encoding="utf-8")
    (intake / "data_intake.ipynb").write_text("{}", encoding="utf-8")
    (tmp_path / "my notes").mkdir()
    (tmp_path / ".unfinished").mkdir()
    page = tree(tmp_path)
    assert page.xpath("//ul[@class='folders']//a/@href") == ["received-1/data.zh.html", "received-1/data_intake.ipynb"]
    footer = said(page.xpath("//footer")[0])
    assert "1个文件夹" in footer and "my notes" in footer and ".unfinished" not in footer


def test_a_folder_with_reports_but_without_findings_is_unreadable(tmp_path: Path) -> None:
    (written(tmp_path, found("gain", CHANCE)) / "findings.json").unlink()
    assert "缺少 findings.json" in said(tree(tmp_path).xpath("//ul[@class='folders']/li")[0])


def test_a_folder_without_outputs_says_what_to_run(tmp_path: Path) -> None:
    page = tree(tmp_path / "new")
    assert [code.text for code in page.xpath("//code")] == ["evalkit demo", "evalkit run study.yml"]
    assert (tmp_path / "new" / "glossary.zh.html").exists() and not page.xpath("//table")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("x", encoding="utf-8")
    with pytest.raises(ReportError, match=r"outputs is a file, .* Name the folder of the outputs with --out"):
        write_site(tmp_path / "outputs")


def test_nothing_unfinished_is_left_beside_the_page(tmp_path: Path) -> None:
    write_site(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "glossary.zh.html", "glossary.en.html"}


def test_judgements_look_as_in_reports(out: Path) -> None:
    assert JUDGEMENTS == MARKS
    sheets = [Path(page_module.__file__).with_name("site.css"), Path(page_module.__file__).parents[1] / "report" / "style.css"]
    ours, theirs = (dict(re.findall(r"\.(\w+) \{ --mark: (#\w+)", sheet.read_text(encoding="utf-8"))) for sheet in sheets)
    assert set(ours) == set(MARKS) and ours == {verdict: theirs.get(verdict, colour) for verdict, colour in ours.items()}


def test_both_languages_stand_in_the_page_and_are_marked_as_what_they_are(out: Path) -> None:
    page = tree(out)
    assert page.get("lang") == "zh-CN"
    for row in [*rows(page), *rows(page, "broken")]:
        for lang in LANGUAGES:
            assert said(row[1], lang) and said(row[3], lang)
    english = "".join(page.xpath("//i[@lang='en']//text()"))
    assert not re.search(r"[\u4e00-\u9fff]", english)


def test_every_sentence_of_the_site_is_used() -> None:
    folder = Path(page_module.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in [*folder.glob("*.py"), *folder.glob("*.j2")])
    keys = {key.removeprefix("site.") for key in catalogue("zh").sentences if key.startswith("site.")}
    parts = {"link_": {"html", "pdf", "docx", "xlsx", "data"}, "reading_": {"axis", "hollow", "arrow", "unit", "order"}}
    parts |= {"cure_": {*CURES.values(), "read", "mend"}, "": {"missing", "not_json", "not_understood"}}
    made = {head + tail for head, tails in parts.items() for tail in tails}
    assert {key for key in keys if not re.search(rf'["\'](?:site\.)?{key}["\']', source)} <= made <= keys


def test_outputs_are_read_once_and_told_in_one_order(out: Path) -> None:
    first = read_outputs(out)
    assert first == read_outputs(out)
    assert [entry.folder for entry, _ in first.failures] == ["health-failed", "industry-990199-failed", "relocation-990199-failed"]


def test_the_example_folders_hold_what_a_batch_writes(out: Path) -> None:
    assert len(list(out.glob("*/findings.json"))) == 50 and len(list(out.glob("*/failure.json"))) == 3
    assert set(example_outputs.CHANCES) == set(JUDGEMENTS)


def test_the_glossary_is_made_again_only_when_it_is_not_as_it_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(glossary, "html", lambda lang: made.append(lang) or f"<p>{lang}\n")
    write_site(tmp_path)
    write_site(tmp_path)
    assert made == ["zh", "en"]
    page = tmp_path / "glossary.zh.html"
    before = page.read_bytes()
    page.write_text(page.read_text(encoding="utf-8").replace("zh", "changed"), encoding="utf-8")
    write_site(tmp_path)
    assert made == ["zh", "en", "zh"] and page.read_bytes() == before
    page.write_bytes(b"\xff half")
    write_site(tmp_path)
    assert page.read_bytes() == before
    monkeypatch.setattr(page_module, "tags", lambda: {"zh": "zh-Hans", "en": "en-GB"})
    write_site(tmp_path)
    assert len(made) == 6
