"""One page of HTML with everything in it: text, figures and fonts; no script, and nothing to load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError
from evalkit.fonts import font_faces
from evalkit.report.blocks import Document, Drawing, Figure, Link, Told, anchor
from evalkit.report.trace import value_text

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "template.html.j2"


def render(document: Document, drawings: Mapping[str, Drawing]) -> str:
    """Return a document as HTML; drawings hold each figure as SVG, wide and narrow.

    Notes
    -----
    A number stands in ``<data value="436.2137" data-result="headline.money.estimate">436</data>``: for other programs, and
    without any sign that would puzzle a reader (no underline, no tooltip). References to figures and tables are links.

    Raises
    ------
    ReportError
        For a figure without a drawing, and for a mistake in the template, with its file and line.
    """
    missing = [block.name for block in document.blocks if isinstance(block, Figure) and block.name not in drawings]
    if missing:
        given = ", ".join(drawings) or "none"
        raise ReportError(
            f"The page {document.page_title!r} has no drawing for its figures {', '.join(missing)}. Drawings given: {given}."
        )
    inline = {name: tuple(_inline(drawing) for drawing in pair) for name, pair in drawings.items()}
    source = files("evalkit.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    page = filled(source, TEMPLATE, document=document, pictures=inline, style=_style(document), fonts="FONTS-GO-HERE")
    visible = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    return page.replace("FONTS-GO-HERE", font_faces(visible), 1)


def filled(source: str, name: str, **facts: Any) -> str:
    """Return a template with its facts; raises ReportError for a mistake in it, with its file name and line."""
    from jinja2 import TemplateSyntaxError
    from jinja2.exceptions import TemplateError

    try:
        return _template(source).render(**facts)
    except TemplateSyntaxError as wrong:
        line, reason = wrong.lineno, wrong.message
    except TemplateError as wrong:
        line, reason = _line(wrong), wrong.message
    raise ReportError(f"{name}, line {line}: {reason}. Mend the template in evalkit/report.")


def _line(wrong: Exception) -> int:
    """Return the line of a template at which an error arose: jinja gives the lines of its code the names of the template."""
    found, trace = 0, wrong.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


@cache
def _template(source: str) -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["told"] = lambda text: Markup(marked_up(text))
    environment.globals["anchor"] = anchor
    return environment.from_string(source)


def marked_up(text: str) -> str:
    """Return a text as HTML: its numbers as data with their result ids, its references as links.

    >>> from evalkit.report.blocks import Text
    >>> marked_up(Text("see Table 2 & 3", links=(Link(4, 11, "table-drift"),)))
    'see <a href="#table-drift">Table 2</a> &amp; 3'
    """
    spans: list[Told | Link] = sorted((*getattr(text, "numbers", ()), *getattr(text, "links", ())), key=lambda span: span.start)
    parts, end = [], 0
    for span in spans:
        parts += [escape(text[end : span.start]), _span(span, escape(text[span.start : span.end]))]
        end = span.end
    return "".join([*parts, escape(text[end:])])


def _span(span: Told | Link, inner: str) -> str:
    if isinstance(span, Link):
        return f'<a href="#{escape(span.anchor)}">{inner}</a>'
    return f'<data value="{escape(value_text(span.value))}" data-result="{escape(" ".join(span.sources))}">{inner}</data>'


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
