"""Pictures as SVG, drawn once: texts are measured and outlined a single time for all pictures of a process."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from evalkit.fonts import FACES, files

UNITS = 64 * text_to_path.FONT_SCALE  # of a glyph's coordinates in one em
Line = tuple[float, float, float]


def add_font() -> list[str]:
    """Return the family of all pictures, known to matplotlib from now on, or nothing where the font is missing."""
    if path := files().get("sans"):
        if not any(entry.fname == str(path) for entry in fontManager.ttflist):
            fontManager.addfont(path)
        return [FACES["sans"]]
    return []


class SvgRenderer(RendererSVG):
    """A renderer that knows the texts of the house's face already; other faces go matplotlib's own way."""

    def __init__(self, width: float, height: float, out: io.StringIO) -> None:
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        super().__init__(width, height, out, image_dpi=72, metadata=nothing)  # type: ignore[no-untyped-call]
        self.out = out
        self.defined: set[str] = set()

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> Line:
        """Return the width, height and descent of a line in points."""
        if ismath or not _of_the_house(prop):
            width, height, descent = super().get_text_width_height_descent(s, prop, ismath)  # type: ignore[no-untyped-call]
            return width, height, descent
        scale = prop.get_size_in_points() / UNITS
        width, height, descent = _extent(s)
        return width * scale, height * scale, descent * scale

    def _get_font_height_metrics(self, prop: FontProperties) -> tuple[float | None, float | None, float | None]:
        """Return the ascent, descent and line gap of a face in points; matplotlib asks for them with every text it places."""
        if not _of_the_house(prop):
            return None, None, None
        ascent, descent, gap = _line_metrics()
        size = prop.get_size_in_points()
        return ascent * size, descent * size, gap * size

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: FontProperties, angle: float, ismath: Any = False, mtext: Any = None) -> None:  # fmt: skip
        """Draw a line as outlines, each glyph defined once in a picture."""
        clipped = gc.get_clip_rectangle() is not None or gc.get_clip_path()[0] is not None
        if ismath or clipped or not _of_the_house(prop) or not hasattr(FT2Font, "_layout"):  # not every matplotlib places glyphs so
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        self.writer.comment(s)  # type: ignore[no-untyped-call]
        self.writer.flush()  # type: ignore[no-untyped-call]
        glyphs = _glyphs(s)
        new = [name for name in dict.fromkeys(name for name, _, _ in glyphs) if name not in self.defined]
        if new:
            self.defined.update(new)
            self.out.write("<defs>\n" + "".join(f'<path id="{name}" d="{_outline(name)}"/>\n' for name in new) + "</defs>\n")
        scale = _number(prop.get_size_in_points() / UNITS)
        turned = f" rotate({_number(-angle)})" if angle else ""
        color, alpha = mpl.colors.rgb2hex(gc.get_rgb()), gc.get_rgb()[3]
        looks = f"fill: {color}" + (f"; opacity: {_number(alpha)}" if alpha != 1 else "")
        uses = "".join(f'<use xlink:href="#{name}"{_place("x", left)}{_place("y", up)}/>\n' for name, left, up in glyphs)
        place = f"translate({_number(x)} {_number(y)}){turned} scale({scale} -{scale})"
        self.out.write(f'<g style="{looks}" transform="{place}">\n{uses}</g>\n')


class SvgCanvas(FigureCanvasSVG):
    """A canvas whose figure is measured as it will be drawn."""

    def get_renderer(self) -> SvgRenderer:
        """Return a renderer to measure with."""
        width, height = self.figure.get_size_inches()
        return SvgRenderer(72 * width, 72 * height, io.StringIO())


def svg_text(figure: Figure, prefix: str) -> str:
    """Return a figure as SVG text; the prefix makes its ids its own, so that several fit in one page."""
    out, dpi, canvas = io.StringIO(), figure.dpi, figure.canvas
    width, height = figure.get_size_inches()
    try:
        figure.dpi = 72
        SvgCanvas(figure)
        renderer = SvgRenderer(72 * width, 72 * height, out)
        figure.draw(renderer)
        renderer.finalize()  # type: ignore[no-untyped-call]
    finally:
        figure.dpi = dpi
        figure.set_canvas(canvas)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)


def text_width(text: str, size: float) -> float:
    """Return how wide a line is drawn, in points; an estimate where the house's face is missing."""
    return _extent(text)[0] / UNITS * size if files() else 0.8 * size * len(text)


def _of_the_house(prop: FontProperties) -> bool:
    return prop.get_family() == [FACES["sans"]] and bool(files())


def _font() -> Any:
    font = get_font(str(files()["sans"]))
    font.set_size(text_to_path.FONT_SCALE, text_to_path.DPI)
    return font


@lru_cache(maxsize=8192)
def _extent(line: str) -> Line:
    """Return the width, height and descent of a line in units of an em."""
    font = _font()
    font.set_text(line, 0.0, flags=LoadFlags.NO_HINTING)
    width, height = font.get_width_height()
    return width, height, font.get_descent()


@lru_cache(maxsize=1)
def _line_metrics() -> Line:
    """Return the ascent, descent and line gap of the face as shares of an em."""
    font = _font()
    table, em = font.get_sfnt_table("OS/2"), font.get_sfnt_table("head")["unitsPerEm"]
    return table["sTypoAscender"] / em, -table["sTypoDescender"] / em, table["sTypoLineGap"] / em


@lru_cache(maxsize=8192)
def _glyphs(line: str) -> tuple[tuple[str, int, int], ...]:
    """Return the name and the place of each glyph of a line, in units of an em."""
    found = _font()._layout(line, LoadFlags.NO_HINTING, features=None, language=None)
    return tuple((f"glyph-{item.glyph_index:x}", round(64 * item.x), round(64 * item.y)) for item in found)


@lru_cache(maxsize=16384)
def _outline(name: str) -> str:
    """Return the outline of a glyph as path data."""
    font = _font()
    font.load_glyph(int(name.removeprefix("glyph-"), 16), flags=LoadFlags.NO_HINTING)
    vertices, codes = font.get_path()
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    parts, waiting = [], 0
    for (x, y), code in zip(vertices * 64, codes, strict=True):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
            continue
        if not waiting:
            parts.append(letters[code])
            waiting = {Path.CURVE3: 2, Path.CURVE4: 3}.get(code, 1)
        parts.append(f"{round(x)} {round(y)}")
        waiting -= 1
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _place(name: str, value: int) -> str:
    return f' {name}="{value}"' if value else ""
