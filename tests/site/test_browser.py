"""The list of reports in a real browser: by mouse, by keyboard, on a telephone, on paper, and without a script."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from example_outputs import fifty, found, written

from evalkit.records import County
from evalkit.site import write_site

SHOWN = "#list tbody tr:not([hidden])"


@pytest.fixture
def local(out: Path) -> str:
    return (out / "index.html").as_uri()


@pytest.fixture(params=["file", "server"])
def place(request: Any, local: str) -> str:
    return local if request.param == "file" else request.getfixturevalue("address") + "/"


def shown(page: Any) -> int:
    return int(page.locator(SHOWN).count())


def told(page: Any, column: int) -> list[str]:
    """The visible text of one column."""
    return [text.strip() for text in page.locator(f"{SHOWN} > :nth-child({column})").all_inner_texts()]


def until(page: Any, condition: str, wanted: str = "") -> None:
    """Wait until something holds on the page, whose own policy allows no script of ours to wait there."""
    for _ in range(100):
        if page.evaluate(condition, wanted):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition} {wanted}")


def hash_of(page: Any, wanted: str) -> None:
    until(page, "wanted => decodeURIComponent(location.hash).includes(wanted)", wanted)


def test_filters_narrow_the_list_and_say_how_many_are_left(visit: Any, local: str) -> None:
    page = visit(local)
    assert shown(page) == 50 and page.locator("#shown").inner_text() == "显示50/50份报告，3/3项未能完成的评估"
    page.locator("[name=judgement]").select_option("gain")
    gains = shown(page)
    assert 0 < gains < 50 and set(told(page, 4)) == {"B 增收"}
    page.locator("[name=programme]").select_option(label="产业帮扶")
    assert 0 < shown(page) < gains and set(told(page, 2)) == {"产业帮扶"}
    assert page.locator("#shown").inner_text().startswith(f"显示{shown(page)}/50份报告")
    page.get_by_role("button", name="清除条件").click()
    until(page, "() => document.querySelector('#shown').textContent.includes('50/50')")


def test_a_name_a_code_and_a_run_are_found(visit: Any, local: str) -> None:
    page = visit(local)
    for wanted, count in (
        ("甲山", 2),
        ("990121", 2),
        ("industry-990121", 1),
        ("RELOCATION", 25),
        ("甲山县", 2),
        ("excel", 0),
        ("data", 0),
    ):
        page.locator("[name=q]").fill(wanted)
        assert shown(page) == count, wanted
    assert page.locator("#nothing").is_visible() and not page.locator("#list").is_visible()


def test_the_filters_of_county_and_status_reach_failed_runs(visit: Any, local: str) -> None:
    page = visit(local)
    page.locator("[name=county]").select_option("990199")
    assert shown(page) == 0 and page.locator("#broken tbody tr:not([hidden])").count() == 2
    page.locator("[name=county]").select_option("")
    for status, counts in (("done", (50, 0)), ("failed", (0, 3)), ("simulated", (50, 0)), ("real", (0, 0))):
        page.locator("[name=status]").select_option(status)
        assert (shown(page), page.locator("#broken tbody tr:not([hidden])").count()) == counts
        assert page.locator("#failures").is_visible() == bool(counts[1])


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").replace("%", ""))


def test_columns_sort_up_down_and_back_and_say_so(visit: Any, local: str) -> None:
    page = visit(local)
    before = told(page, 5)
    effect = page.locator("th[data-sort=effect]")
    assert effect.get_attribute("aria-sort") is None
    for direction in ("ascending", "descending"):
        effect.get_by_role("button").click()
        values = [number(text) for text in told(page, 5)]
        assert effect.get_attribute("aria-sort") == direction and page.locator("th[aria-sort]").count() == 1
        assert values == sorted(values, reverse=direction == "descending") and len(values) == 50
    effect.get_by_role("button").click()
    assert told(page, 5) == before and page.locator("th[aria-sort]").count() == 0


def test_sorting_by_effect_says_that_it_is_no_ranking_and_how_many_neighbours_overlap(visit: Any, local: str) -> None:
    page = visit(local)
    assert not page.locator("#ranking").is_visible()
    page.locator("th[data-sort=county]").get_by_role("button").click()
    assert not page.locator("#ranking").is_visible()
    page.locator("th[data-sort=effect]").get_by_role("button").click()
    ends = [[number(end) for end in re.findall(r"[−\d][\d,.]*\d|\d", text)] for text in told(page, 6) if text.startswith("[")]
    pairs = list(pairwise(ends))
    overlapping = sum(a[0] <= b[1] and b[0] <= a[1] for a, b in pairs)
    note = page.locator("#ranking").inner_text()
    assert "这不是名次" in note and f"共{len(pairs)}对" in note and f"其中{overlapping}对" in note
    assert 0 < overlapping <= len(pairs) < 49


def test_the_language_changes_without_loading_and_everything_with_it(visit: Any, local: str) -> None:
    page = visit(local)
    page.evaluate("window.stays = true")
    page.locator("[name=judgement]").select_option("loss")
    page.get_by_role("button", name="English").click()
    assert page.evaluate("window.stays") and page.evaluate("document.documentElement.lang") == "en"
    assert page.title() == "Evaluation reports" and page.get_by_role("heading", level=1).inner_text() == "Evaluation reports"
    assert set(told(page, 4)) == {"C Loss: check this first"}
    assert page.locator("[name=judgement]").input_value() == "loss"
    assert page.locator("[name=judgement]").locator("option").all_inner_texts()[1] == "Gain"
    assert page.get_by_role("button", name="English").get_attribute("aria-pressed") == "true"
    chinese = page.evaluate("[...document.querySelectorAll('i[lang=zh]')].filter(e => e.offsetParent !== null).length")
    assert chinese == 0
    page.get_by_role("button", name="中文").click()
    assert page.evaluate("document.documentElement.lang") == "zh-CN" and page.title() == "评估报告目录"


def test_the_address_remembers_language_filters_and_order(visit: Any, place: str) -> None:
    page = visit(place)
    page.get_by_role("button", name="English").click()
    page.locator("[name=q]").fill("甲山 & #1")
    page.locator("[name=q]").fill("甲")
    page.locator("[name=programme]").select_option("产业帮扶")
    page.locator("th[data-sort=effect]").get_by_role("button").click()
    page.locator("th[data-sort=effect]").get_by_role("button").click()
    hash_of(page, "sort=-effect")
    count, order = shown(page), told(page, 5)
    page.reload()
    assert (shown(page), told(page, 5)) == (count, order) and count < 25
    assert page.evaluate("document.documentElement.lang") == "en" and page.locator("[name=q]").input_value() == "甲"
    assert page.locator("th[data-sort=effect]").get_attribute("aria-sort") == "descending"
    assert page.locator("#ranking").is_visible()


def test_an_address_with_nonsense_shows_everything(visit: Any, local: str) -> None:
    page = visit(local + "#lang=fr&judgement=best&county=%3Cscript%3E&sort=rank&x=1")
    assert shown(page) == 50 and page.evaluate("document.documentElement.lang") == "zh-CN"


def test_an_address_that_is_pasted_later_is_followed(visit: Any, local: str) -> None:
    page = visit(local)
    page.evaluate("location.hash = '#lang=en&judgement=gain'")
    until(page, "() => document.documentElement.lang === 'en'")
    assert set(told(page, 4)) == {"B Gain"}


def test_everything_works_by_keyboard_alone(visit: Any, local: str) -> None:
    page = visit(local)
    press: Callable[[str], None] = page.keyboard.press
    focused = "document.activeElement"
    press("Tab")
    assert page.evaluate(f"{focused}.className") == "skip" and page.locator(".skip").bounding_box()["x"] >= 0
    press("Enter")
    assert page.evaluate(f"{focused}.id") == "reports" and page.evaluate("location.hash") == ""
    page.reload()
    seen = []
    for _ in range(17):
        press("Tab")
        seen.append(
            page.evaluate(
                f"{focused}.name || {focused}.value || {focused}.closest('th')?.dataset.sort || {focused}.className || {focused}.hash"
            )
        )
        assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") != "none"
    order = ["skip", "zh", "en", "#failed", "q", "county", "programme", "judgement", "grade", "status"]
    assert seen[:10] == order and seen[11:17] == ["county", "programme", "window", "judgement", "effect", "percent"]
    page.locator("th[data-sort=programme] button").focus()
    press("Space")
    assert page.locator("th[data-sort=programme]").get_attribute("aria-sort") == "ascending"
    page.locator(".languages button").nth(1).focus()
    press("Enter")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_screen_reader_meets_names_headings_and_tables(visit: Any, local: str) -> None:
    page = visit(local)
    levels = [int(level) for level in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName[1])")]
    assert levels.count(1) == 1 and levels[0] == 1 and set(levels[1:]) == {2}
    snapshot = page.locator("body").aria_snapshot()
    assert 'heading "评估报告目录" [level=1]' in snapshot
    for role, names in {
        "combobox": ("县（地区）", "项目", "判断", "状态"),
        "searchbox": ("名称",),
        "button": ("清除条件", "中文", "English"),
    }.items():
        for name in names:
            assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    assert page.get_by_role("table", name="评估报告，每行一份").count() == 1
    assert page.locator("table:not(:has(caption)), thead th:not([scope=col]), tbody th:not([scope=row])").count() == 0
    assert page.locator("#list tbody tr:not(:has(> th[scope=row]))").count() == 0
    assert page.locator("#shown").get_attribute("aria-live") == "polite"
    assert page.locator("svg:not([aria-hidden=true])").count() == 0


@pytest.mark.parametrize("width", [375, 768, 1280])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_scrolls_sideways_or_is_cut_off(visit: Any, local: str, width: int, lang: str) -> None:
    page = visit(f"{local}#lang={lang}", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate("""() => [...document.querySelectorAll('#list td, #list th, #broken td, .counts li, label, button')].filter(
      e => e.offsetParent && !e.closest('thead') && (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')).map(e => e.textContent)""")
    assert cut == []


def test_on_a_telephone_rows_are_cards_and_can_be_sorted(visit: Any, local: str) -> None:
    page = visit(local, 375, has_touch=True)
    first = page.locator(SHOWN).first
    assert first.bounding_box()["width"] >= 300 and first.evaluate("e => getComputedStyle(e).display") == "grid"
    label = page.locator(f"{SHOWN} > :nth-child(6)").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert label == '"95%置信区间"'
    page.locator("[name=sort]").select_option("-effect")
    values = [number(text) for text in page.locator(f"{SHOWN} > :nth-child(5)").all_text_contents()]
    assert len(values) == 50 and values == sorted(values, reverse=True) and page.locator("#ranking").is_visible()
    strips = {round(box["x"]) for box in (svg.bounding_box() for svg in page.locator(f"{SHOWN} td > svg").all()[:8])}
    assert len(strips) == 1  # one axis: zero lies at one place in all cards


def test_on_paper_stand_the_rows_that_are_shown_and_no_filters(visit: Any, local: str) -> None:
    page = visit(local)
    page.locator("[name=judgement]").select_option("gain")
    page.emulate_media(media="print")
    assert not page.locator("form").is_visible() and not page.locator(".languages").first.is_visible()
    assert page.locator("#list tbody tr >> visible=true").count() == shown(page) < 50
    assert "份报告" in page.locator("#shown").inner_text() and page.locator("#shown").is_visible()
    assert page.locator(f"{SHOWN} a").first.get_attribute("href").endswith("report.zh.html")


def test_it_can_be_read_without_a_script_in_either_language(visit: Any, place: str) -> None:
    page = visit(place, java_script_enabled=False)
    assert page.locator("#list tbody tr >> visible=true").count() == 50
    assert not page.locator("form").is_visible() and not page.locator("thead button").count()
    assert page.locator("h1").inner_text() == "评估报告目录"
    page.locator("noscript a").get_by_text("English").click()
    assert page.locator("h1").inner_text() == "Evaluation reports"


def test_hostile_names_stay_texts_in_the_browser(visit: Any, tmp_path: Path) -> None:
    import random

    chance = random.Random(3)
    name = "<script>alert(1)</script>\"'"
    written(tmp_path, found("gain", chance, county=County(code="<b>1", name=name)), folder="甲山县 #1 <b>?%")
    write_site(tmp_path)
    page = visit((tmp_path / "index.html").as_uri())
    assert told(page, 1)[0].startswith(name)
    assert name in page.locator("[name=county]").locator("option").nth(1).inner_text()
    page.locator("[name=county]").select_option("<b>1")
    hash_of(page, "county=<b>1")
    page.reload()
    assert shown(page) == 1 and page.locator("[name=county]").input_value() == "<b>1"
    page.locator(f"{SHOWN} a").first.click()
    page.wait_for_load_state()
    assert page.title() == "report.zh.html" and quote("甲山县 #1 <b>?%") in page.url


def test_an_empty_folder_and_failures_alone_make_pages_without_complaints(visit: Any, tmp_path: Path) -> None:
    write_site(tmp_path / "empty")
    page = visit((tmp_path / "empty" / "index.html").as_uri())
    page.get_by_role("button", name="English").click()
    assert "evalkit demo" in page.locator("main").inner_text() and "no reports here yet" in page.locator("main").inner_text()
    (tmp_path / "failed" / "x-failed").mkdir(parents=True)
    (tmp_path / "failed" / "x-failed" / "failure.json").write_text('{"study": "x", "message": "stopped"}', encoding="utf-8")
    write_site(tmp_path / "failed")
    page = visit((tmp_path / "failed" / "index.html").as_uri())
    page.locator("[name=status]").select_option("failed")
    assert page.locator("#broken tbody tr >> visible=true").count() == 1


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_reports_are_filtered_while_one_types(visit: Any, tmp_path: Path, count: int) -> None:
    out = fifty(tmp_path, count)
    start = time.perf_counter()
    size = write_site(out).stat().st_size
    assert time.perf_counter() - start < count / 50 and size < 1_000 * count + 30_000
    page = visit((out / "index.html").as_uri())
    # The time of the script: how long the browser then takes to lay the rows out is its own affair.
    milliseconds = page.evaluate("""() => ['甲', '甲山', 'x', ''].map((text) => {
      const field = document.querySelector('[name=q]');
      const start = performance.now();
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
      return performance.now() - start;
    })""")
    assert max(milliseconds) < 500 and shown(page) == count
