"""The pages of reports for those who listen, magnify or hold a telephone: outline, names, contrast, and no sideways scrolling."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from report.conftest import example_findings, with_components, with_covariates

import evalkit.report
from evalkit.report import html as renderer
from evalkit.report.blocks import Drawing, Figure
from evalkit.report.document import compose

PLAIN = Drawing('<svg viewBox="0 0 690 300"></svg>', '<svg viewBox="0 0 375 300"></svg>')
VERDICTS = ("gain", "loss", "pretrend_failed", "too_few")
SHEET = (Path(evalkit.report.__file__).parent / "style.css").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=[("gain", "zh"), ("gain", "en"), ("too_few", "zh"), ("pretrend_failed", "en")], ids="-".join)
def report(request: Any) -> str:
    """A report with every part, as HTML, with figures that stand for the real ones."""
    verdict, lang = request.param
    document = compose(with_components(with_covariates(example_findings(verdict))), lang)
    return renderer.render(document, {block.name: PLAIN for block in document.blocks if isinstance(block, Figure)})


def test_headings_come_in_order_without_gaps(report: str) -> None:
    levels = [int(heading.tag[1]) for heading in html.fromstring(report).xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 5
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_says_its_language_and_has_a_title(report: str) -> None:
    page = html.fromstring(report)
    assert page.get("lang") in ("zh-CN", "en") and page.findtext(".//title").strip()


def test_every_figure_is_an_image_with_a_text(report: str) -> None:
    figures = html.fromstring(report).xpath("//figure")
    assert figures
    for figure in figures:
        images = figure.xpath(".//*[@role='img']")
        assert len(images) == 1 and len(images[0].get("aria-label")) > 20
        assert all(svg.get("aria-hidden") == "true" for svg in figure.xpath(".//svg")) and figure.xpath("./figcaption")


def test_every_table_has_a_name_and_its_heads_say_what_they_head(report: str) -> None:
    page = html.fromstring(report)
    tables = page.xpath("//table")
    assert tables
    for table in tables:
        names = table.xpath("ancestor-or-self::*[@aria-labelledby]/@aria-labelledby")
        assert table.xpath("./caption") or (names and page.xpath(f"//*[@id='{names[-1]}']")[0].text_content().strip())
        assert not table.xpath(".//thead//th[not(@scope='col')]") and not table.xpath(".//tbody//th[not(@scope='row')]")
        assert all(row.xpath("./th[@scope='row']") for row in table.xpath(".//tbody/tr"))


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(report: str) -> None:
    for region in html.fromstring(report).xpath("//*[contains(@class,'scroll')]"):
        assert region.get("tabindex") == "0" and region.get("role") == "region" and region.get("aria-labelledby")


@pytest.mark.parametrize("width", [375, 1280])
def test_no_report_scrolls_sideways(visit: Any, report: str, tmp_path: Path, width: int) -> None:
    (tmp_path / "report.html").write_text(report, encoding="utf-8")
    page = visit((tmp_path / "report.html").as_uri(), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def luminance(colour: str) -> float:
    """Relative luminance of a colour (WCAG 2.2)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_guideline_does() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21) and contrast("#777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


def colours(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"--(ink|soft|accent|paper|desk|tint): (#\w+)", sheet))


@pytest.mark.parametrize("text", ["ink", "soft", "accent"])
@pytest.mark.parametrize("ground", ["paper", "desk", "tint", "marked"])
def test_texts_of_reports_stand_out_from_every_ground(text: str, ground: str) -> None:
    known = colours(SHEET) | dict(re.findall(r"\.(marked) \{ background: (#\w+)", SHEET))
    known["paper"] = known.get("paper", "#fff")
    assert contrast(known[text], known[ground]) >= 4.5


def test_white_stands_out_from_the_colour_of_every_judgement_and_of_the_banner() -> None:
    grounds = re.findall(r"--mark: (#\w+)", SHEET) + re.findall(r"\.banner \{[^}]*background: (#\w+); color: #fff", SHEET)
    assert len(grounds) >= 8 and all(contrast("#fff", ground) >= 4.5 for ground in grounds)


def test_texts_of_the_site_stand_out_too() -> None:
    sheet = (Path(evalkit.report.__file__).parents[1] / "site" / "site.css").read_text(encoding="utf-8")
    texts = {*re.findall(r"--(?:ink|soft|accent|mark): (#\w+)", sheet), *re.findall(r"(?<![\w-])color: (#\w+)", sheet)} - {
        "#fff",
        "#8a929b",
    }
    assert len(texts) >= 9
    assert all(contrast(text, ground) >= 4.5 for text in texts for ground in ("#fff", "#f5f7f9", "#fbf5ec"))
