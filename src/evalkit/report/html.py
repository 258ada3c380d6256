"""One page of HTML with everything in it: text, figures and fonts; no script, and nothing to load."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from evalkit.fonts import font_faces
from evalkit.report.blocks import Document, Drawing, Figure

if TYPE_CHECKING:
    from jinja2 import Template


def render(document: Document, pictures: dict[str, Drawing]) -> str:
    """Return a document as HTML; pictures hold each figure as SVG in a wide and a narrow drawing."""
    inline = {name: tuple(_inline(drawing) for drawing in drawings) for name, drawings in pictures.items()}
    missing = [block.name for block in document.blocks if isinstance(block, Figure) and block.name not in inline]
    if missing:
        raise KeyError(f"No picture was given for {', '.join(missing)}.")
    page = _template().render(document=document, pictures=inline, style=_style(document), fonts="FONTS-GO-HERE")
    visible = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    return page.replace("FONTS-GO-HERE", font_faces(visible), 1)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("evalkit.report").joinpath("template.html.j2").read_text(encoding="utf-8"))


def _style(document: Document) -> str:
    """Return the style sheets with the words that print margins repeat on every page."""
    names = ["style.css", document.sheet] if document.sheet else ["style.css"]
    sheet = "".join(files("evalkit.report").joinpath(name).read_text(encoding="utf-8") for name in names)
    before, after = document.page_number
    words = {"BANNER": document.banner, "FOOTER": document.footer, "PAGE-BEFORE": before, "PAGE-AFTER": after}
    for name, text in words.items():
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\3C ")
        sheet = sheet.replace(f'"{name}"', f'"{quoted}"')
    return sheet


def _inline(drawing: str) -> str:
    """Return an SVG as part of a page: no names of namespaces, and no rules that would reach the rest of the page."""
    drawing = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", drawing).replace("xlink:href", "href")
    drawing = re.sub(r"<style.*?</style>\s*", "", drawing, flags=re.DOTALL)
    return drawing.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
