"""Pictures are drawn once, the same on every run, in the house's face, and leave the caller's settings alone."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import pytest
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont
from matplotlib.backends.backend_agg import FigureCanvasAgg

from evalkit import fonts
from evalkit.plots import vector
from evalkit.plots.look import NARROW, WIDE, Picture, axes_for, canvas, is_narrow, look, svg, value_ticks
from evalkit.plots.notes import key

PAGE = "漳县2016—2019年农村居民人均可支配收入：对照县的增长更快，“差异”为12.5%。"


def picture(name: str = "small", words: str = "收入 Income −1") -> str:
    with look():
        figure, axes = canvas("", name, False, 2.5)
        axes.plot([0, 1], [-1, 2], "o", label=words)
        axes.set_title(words)
        value_ticks(axes.yaxis, "level")
        key(axes)
    return svg(figure, name)


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """A picture and a subset of the faces, made by a process that made nothing else."""
    code = (
        "import sys; sys.path.insert(0, 'tests/plots'); import test_look as t;"
        "sys.stdout.write(t.fonts.font_faces(t.PAGE) + chr(0) + t.picture())"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split(chr(0))


def test_what_was_drawn_before_leaves_no_trace(alone: list[str]) -> None:
    picture("other", "县域 county 对照")
    assert picture() == alone[1] == picture() and alone[1].startswith("<svg")


def test_a_subset_of_a_face_has_the_same_bytes_whatever_was_made_before(alone: list[str]) -> None:
    fonts.font_faces("别的页面：另一个县")
    fonts.subset.cache_clear()
    assert fonts.font_faces(PAGE) == alone[0] == fonts.font_faces(PAGE)


def area(recording: list[tuple[str, Any]]) -> set[tuple[float, float]]:
    """The corners of an outline without those in the middle of a straight line."""
    from fontTools.pens.areaPen import AreaPen
    from fontTools.pens.boundsPen import BoundsPen

    size, bounds = AreaPen(), BoundsPen(None)
    for pen in (size, bounds):
        for name, points in recording:
            getattr(pen, name)(*points)
    return {(round(size.value, 3), 0.0), bounds.bounds} if bounds.bounds else set()


@pytest.mark.parametrize("name", ["sans", "serif"])
def test_glyphs_of_a_subset_are_those_of_the_face(name: str) -> None:
    small, whole = TTFont(io.BytesIO(fonts.subset(name, PAGE))), TTFont(fonts.files()[name])
    for character in sorted(set(PAGE) | set("Aé×7")):
        there, here = whole.getBestCmap()[ord(character)], small.getBestCmap().get(ord(character))
        if character == "é":
            assert here is None  # nobody asked for it
            continue
        drawn = []
        for font, glyph in ((whole, there), (small, here)):
            pen = DecomposingRecordingPen(font.getGlyphSet())
            font.getGlyphSet()[glyph].draw(pen)
            drawn.append(area(pen.value))
        assert drawn[0] == drawn[1], character
        assert whole["hmtx"][there] == small["hmtx"][here], character
        outline = small["CFF "].cff.topDictIndex[0].CharStrings[here]
        outline.draw(DecomposingRecordingPen(None))
        assert outline.width == whole["hmtx"][there][0], character


def test_latin_letters_of_a_subset_are_kerned_and_quotes_can_be_proportional() -> None:
    font = TTFont(io.BytesIO(fonts.subset("serif", PAGE)))
    assert {record.FeatureTag for record in font["GPOS"].table.FeatureList.FeatureRecord} == {"kern"}
    assert {record.FeatureTag for record in font["GSUB"].table.FeatureList.FeatureRecord} == {"pwid"}
    proportional = {
        there: here
        for lookup in font["GSUB"].table.LookupList.Lookup
        for table in lookup.SubTable
        for there, here in table.mapping.items()
    }
    for quote in "“”‘’":
        there = font.getBestCmap()[ord(quote)]
        assert font["hmtx"][proportional[there]][0] < 600 < font["hmtx"][there][0]


def test_a_page_of_one_sentence_takes_little() -> None:
    assert len(fonts.font_faces(PAGE)) < 75_000


def test_a_picture_defines_each_glyph_once_and_uses_only_those() -> None:
    text = picture(words="收入收入 In In")
    defined = re.findall(r'<path id="([^"]+glyph[^"]+)"', text)
    used = re.findall(r'xlink:href="#([^"]+glyph[^"]+)"', text)
    assert len(defined) == len(set(defined)) and set(used) == set(defined)


def test_a_line_is_as_wide_as_matplotlib_says() -> None:
    from matplotlib.backends.backend_svg import RendererSVG
    from matplotlib.font_manager import FontProperties

    vector.add_font()
    prop = FontProperties(family=["Noto Sans SC"], size=9)
    ours = vector.SvgRenderer(100, 100, io.StringIO())
    theirs = RendererSVG(100, 100, io.StringIO())
    for line in ("与对照的差距（对数点×100）", "Kerned: AV To −2.5", "g"):
        expected = theirs.get_text_width_height_descent(line, prop, False)
        assert ours.get_text_width_height_descent(line, prop, False) == pytest.approx(expected, rel=1e-12)
        assert vector.text_width(line, 9) == pytest.approx(expected[0], rel=1e-12)


def test_texts_of_other_faces_turned_texts_and_formulas_are_drawn_too() -> None:
    with look():
        figure, axes = canvas("", "mixed", False, 2.5)
        axes.text(0.5, 0.5, "turned 县", rotation=90)
        axes.text(0.1, 0.5, "plain", family="DejaVu Sans")
        axes.text(0.1, 0.2, r"$\alpha$", parse_math=True, family="DejaVu Sans")
    text = svg(figure, "mixed")
    assert "rotate(-90)" in text and "DejaVuSans-" in text and "glyph-" in text


def test_texts_on_axes_of_the_caller_show_chinese_too_and_settings_stay() -> None:
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    figure = Figure()
    axes = figure.add_subplot()
    with look():
        assert axes_for(axes, "zh", True, "given") is axes
        axes.set_xlabel("年数")
        axes.set_title("差距")
        axes.set_xticks([0, 1], ["零", "一"])
    assert dict(mpl.rcParams) == before
    FigureCanvasAgg(figure).draw()
    texts = [axes.xaxis.label, axes._left_title, axes._right_title, *axes.get_xticklabels(), *axes.get_yticklabels()]
    assert axes._right_title.get_text() == "模拟数据 / Simulated data"
    assert all(text.get_fontfamily() == ["Noto Sans SC"] for text in texts)


def test_width_tells_narrow_axes_from_wide_ones() -> None:
    from matplotlib.figure import Figure

    with look():
        assert not is_narrow(axes_for(None, "en", False, "x", WIDE)) and is_narrow(axes_for(None, "en", False, "x", NARROW))
    wide, thirds = Figure(figsize=(9, 3)), Figure(figsize=(9, 3)).subplots(1, 3)
    assert not is_narrow(wide.add_subplot()) and is_narrow(thirds[0])


def test_a_notebook_shows_axes_as_their_picture() -> None:
    with look():
        axes = axes_for(None, "zh", True, "shown")
    assert axes._repr_svg_() == axes.get_figure()._repr_svg_() and 'id="shown-' in axes._repr_svg_()


def test_saving_as_png_still_works() -> None:
    with look():
        figure, axes = canvas("", "png", True, 2.0)
        axes.set_title("县")
    out = io.BytesIO()
    svg(figure, "png")
    figure.savefig(out, format="png")
    assert out.getvalue().startswith(b"\x89PNG") and isinstance(figure, Picture)


def test_drawing_a_picture_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    plain = Picture.draw
    monkeypatch.setattr(Picture, "draw", lambda self, renderer: (drawn.append(1), plain(self, renderer)))
    picture()
    assert len(drawn) == 1
