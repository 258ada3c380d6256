"""A written report is complete, the same on every run, and readable everywhere."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from evalkit import fonts
from evalkit.plots import look as pictures
from evalkit.report import figures, write
from evalkit.report.voice import published_interval
from evalkit.study import Published, Words
from evalkit.words import LANGUAGES

RARE = "埇沚浉瀍猇硚鄠㵲"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, example_findings: Any, whole: Any) -> Path:
    """Reports in both languages: a simulated gain with rare names and every part, a real failed pre-trend, and too few."""
    out = tmp_path_factory.mktemp("reports")
    gain = whole(example_findings("gain"))
    rare = gain.source.model_copy(update={"zh": f"模拟数据：{RARE}", "en": f"Simulated data: {RARE}"})
    for lang in LANGUAGES:
        write(gain.model_copy(update={"source": rare}), out / "gain", lang)
        write(example_findings("pretrend_failed", False), out / "failed", lang)
        write(example_findings("too_few", False), out / "few", lang)
    return out


@pytest.fixture(scope="module", params=[(name, lang) for name in ("gain", "failed", "few") for lang in LANGUAGES], ids="-".join)
def page(request: Any, folder: Path) -> str:
    name, lang = request.param
    return (folder / name / f"report.{lang}.html").read_text(encoding="utf-8")


def visible(page: str) -> str:
    """The characters of a page outside of figures, style sheets and attributes that nobody sees."""
    page = re.sub(r"<svg.*?</svg>|@font-face\{.*?\}", "", page, flags=re.DOTALL)
    labels = " ".join(re.findall(r'(?:data-label|aria-label|content: )="?([^"]*)"', page))
    return unescape(re.sub(r"<style.*?</style>|<[^>]+>", "", page, flags=re.DOTALL)) + unescape(labels)


def embedded(page: str) -> list[TTFont]:
    return [TTFont(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"data:font/woff;base64,([^)]+)\)", page)]


def test_write_returns_the_report_its_figures_and_its_tables(folder: Path) -> None:
    for lang in LANGUAGES:
        files = {path.relative_to(folder / "gain").as_posix() for path in (folder / "gain").rglob(f"*.{lang}.*")}
        drawn = {
            f"figures/{name}.{lang}.svg"
            for name in ("before_after", "event_study", "firmness", "overlap", "components", "estimators", "trends")
        }
        names = (
            "before_after", "path", "drift", "few_clusters", "grade", "balance", "overlap", "components", "estimators", "cost", "sample", "cohorts",
            "plan_departures",
        )  # fmt: skip
        listed = {f"tables/{name}.{lang}.{kind}" for name in names for kind in ("csv", "tex")}
        pages = {f"report.{lang}.{kind}" for kind in ("html", "pdf", "docx")}
        assert files == pages | drawn | listed | {f"tables.{lang}.xlsx", f"tables/numbers.{lang}.csv"}


def test_every_character_has_a_glyph_in_both_embedded_faces(page: str) -> None:
    faces = embedded(page)
    assert len(faces) == 2
    for face in faces:
        missing = {character for character in visible(page) if ord(character) not in face.getBestCmap() and not character.isspace()}
        assert not missing


def test_rare_county_names_have_glyphs(folder: Path) -> None:
    for lang in LANGUAGES:
        page = (folder / "gain" / f"report.{lang}.html").read_text(encoding="utf-8")
        assert RARE in visible(page)
        assert all(ord(character) in face.getBestCmap() for face in embedded(page) for character in RARE)


def test_simulated_data_are_marked_in_every_place_and_real_data_nowhere(folder: Path) -> None:
    mark = "模拟数据 / Simulated data"
    for lang in LANGUAGES:
        page = (folder / "gain" / f"report.{lang}.html").read_text(encoding="utf-8")
        notes = re.findall(r'<p class="note">(.*?)</p>', page)
        assert f"<strong>{mark}</strong>" in page and len(notes) == 20 and all(note.startswith(mark) for note in notes)
        assert f'@top-center {{ content: "{mark}"' in page
        for table in (folder / "gain" / "tables").glob(f"*.{lang}.csv"):
            rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
            assert rows[0][-1] == "data_status" and all(row[-1] == mark for row in rows[1:])
        assert mark not in (folder / "failed" / f"report.{lang}.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    links = re.findall(r'<a href="(https?:[^"]+)"', page)
    assert set(links) <= {"https://example.org/yearbooks"}
    rest = re.sub(r'<a href="https?:[^"]+"', "", page)
    assert not re.search(r"https?:|<script|<link|@import|\bsrc=|\bon\w+=", rest)


def test_the_page_says_its_language_and_title(folder: Path) -> None:
    for lang, tag in (("zh", "zh-CN"), ("en", "en")):
        page = (folder / "gain" / f"report.{lang}.html").read_text(encoding="utf-8")
        assert page.startswith(f'<!doctype html>\n<html lang="{tag}">')
        assert re.search(r"<title>[^<]{8,}</title>", page)


def test_figures_have_a_description(page: str) -> None:
    described = re.findall(r'<div role="img" aria-label="([^"]+)">', page)
    assert len(described) == page.count("<figure") and len(described) in (4, 5, 7)
    assert all(len(text) > 40 for text in described)


def test_no_two_elements_share_an_id(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


def test_a_failed_pretrend_is_the_first_thing_on_the_page(folder: Path) -> None:
    for lang, words in (("zh", "增长就已经不同"), ("en", "already growing differently")):
        page = (folder / "failed" / f"report.{lang}.html").read_text(encoding="utf-8")
        assert page.index(words) < page.index("<h2", page.index("<h2") + 1)


def test_the_same_findings_give_the_same_bytes(folder: Path, tmp_path: Path, example_findings: Any) -> None:
    findings = example_findings("pretrend_failed", False)
    (tmp_path / "findings.json").write_text(findings.model_dump_json(), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from evalkit.findings import Findings; from evalkit.report import write\n"
        "write(Findings.model_validate_json(Path(sys.argv[1]).read_text(encoding='utf-8')), sys.argv[2], 'zh')"
    )
    again = tmp_path / "again"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "findings.json"), str(again)], check=True, env=environment)
    first = {p.relative_to(folder / "failed"): p.read_bytes() for p in (folder / "failed").rglob("*.zh.*")}
    assert first == {p.relative_to(again): p.read_bytes() for p in again.rglob("*.zh.*")}


def test_numbers_in_csv_are_numbers_for_machines(folder: Path) -> None:
    text = (folder / "failed" / "tables" / "estimators.en.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    row = next(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert float(row["Interval low"]) < float(row["Estimate"]) < float(row["Interval high"])
    path = next(csv.DictReader(io.StringIO((folder / "failed" / "tables" / "path.en.csv").read_text(encoding="utf-8-sig"))))
    assert float(path["Years since start"]) == -5 and float(path["Estimate"]) == pytest.approx(-0.0874)


@pytest.mark.parametrize("name", sorted(figures.DRAW))
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("scale", ["log", "level"])
@pytest.mark.parametrize("verdict", ["loss", "too_few"])
def test_no_label_is_cut_off(
    name: str, lang: str, narrow: bool, scale: str, verdict: str, example_findings: Any, whole: Any
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    if (name, verdict) == ("firmness", "too_few"):
        pytest.skip("without ranges there is nothing to draw")
    figure = figures.DRAW[name](whole(example_findings(verdict, True, scale)), lang, narrow=narrow)
    FigureCanvasAgg(figure).draw()
    width, height = figure.bbox.width, figure.bbox.height
    for text in (artist for artist in figure.findobj(Text) if artist.get_text() and artist.get_visible()):
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        off_axis = text.axes is not None and (box.x0 > width or box.y0 > height or box.x1 < 0 or box.y1 < 0)
        assert inside or off_axis, text.get_text()


def test_the_reference_period_is_marked_and_named(example_findings: Any) -> None:
    figure = figures.event_study(example_findings("gain"), "en")
    assert "−1\nref." in [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "Reference period (−1)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_on_the_log_scale_trends_have_a_log_axis(example_findings: Any) -> None:
    assert figures.trends(example_findings("gain"), "zh").axes[0].get_yscale() == "log"
    assert figures.trends(example_findings("loss", False, "level"), "zh").axes[0].get_yscale() == "linear"


def test_groups_differ_in_shape_and_not_in_colour_alone(example_findings: Any) -> None:
    lines = [line for line in figures.trends(example_findings("gain"), "zh").axes[0].get_lines() if line.get_marker() != "None"]
    assert len({line.get_marker() for line in lines}) == len({line.get_linestyle() for line in lines}) == 2


def test_without_ranges_a_figure_draws_dots_and_promises_no_band(example_findings: Any) -> None:
    figure = figures.event_study(example_findings("too_few"), "en")
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "Estimate before",
        "Estimate after",
        "Reference period (−1)",
    }


def test_published_ranges_follow_the_level_of_the_study(example_findings: Any) -> None:
    known = Published(what=Words(zh="论文", en="paper"), estimate=1.0, std_error=2.0)
    # z at 95 and 90 per cent, from tables of the normal distribution.
    for level, z in ((0.95, 1.959964), (0.90, 1.644854)):
        found = published_interval(known, level)
        assert (found.low, found.high) == (pytest.approx(1 - 2 * z, abs=1e-5), pytest.approx(1 + 2 * z, abs=1e-5))
    assert published_interval(known.model_copy(update={"std_error": None}), 0.95).low is None


def test_drawing_leaves_the_callers_style_alone(example_findings: Any) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    pictures.svg(figures.trends(example_findings("gain"), "zh"), "x")
    assert dict(mpl.rcParams) == before


def test_missing_fonts_are_told_once_and_the_page_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylopdf_fonts_zh_cn", None)
    fonts.files.cache_clear()
    try:
        with pytest.warns(UserWarning, match="Noto Sans SC") as told:
            assert fonts.font_faces("县") == "" and fonts.font_faces("村") == ""
        assert len(told) == 1
    finally:
        fonts.files.cache_clear()


def test_importing_reports_stays_light() -> None:
    code = "import sys, evalkit.report; print([m for m in ('matplotlib', 'seaborn', 'jinja2', 'fontTools', 'pandas') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_a_notebook_shows_a_figure_as_the_same_svg_every_time(example_findings: Any) -> None:
    first, again = (figures.trends(example_findings("gain"), "en")._repr_svg_() for _ in range(2))
    assert first == again and first.startswith("<svg") and 'id="trends-' in first


def test_the_total_stands_last_and_its_bar_is_as_long_as_all_others_together(example_findings: Any, with_components: Any) -> None:
    axes = figures.components(with_components(example_findings("gain")), "en").axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    places = [bar.get_y() for bar in axes.patches]
    assert widths[-1] == pytest.approx(sum(widths[:-1])) and min(places) == places[-1]


def test_arms_of_the_overlap_lie_on_both_sides_of_zero(example_findings: Any, with_covariates: Any) -> None:
    figure = figures.overlap(with_covariates(example_findings("gain")), "en")
    heights = [bar.get_height() for bar in figure.axes[0].patches if hasattr(bar, "get_height")]
    cohorts = 2  # with a propensity
    assert sum(h for h in heights if h > 0) == pytest.approx(cohorts)
    assert sum(h for h in heights if h < 0) == pytest.approx(-cohorts)
