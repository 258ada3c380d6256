"""The parts a Word page is built of: runs, paragraphs, fields, links and table cells, with their children in schema order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from lxml import etree

Element = Any

NAMES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
    "asvg": "http://schemas.microsoft.com/office/drawing/2016/SVG/main",
}
INK, SOFT, LINE, TINT, MAIN_ROW, RED = "1F2429", "57606A", "BFC5CC", "F5F7F9", "E9F0F6", "8C1D18"
# Characters that both scripts use: without a hint Word sets them in the Latin face, quotes too narrow for Chinese text.
_SHARED = re.compile("([“”‘’…—·■-◿]+)")


def node(name: str, /, *children: Element | None, **attributes: object) -> Element:
    """Return an element of WordprocessingML; a name with a prefix is of another vocabulary, whose attributes have none.

    >>> etree.tostring(node("jc", val="center")).decode().split()[-1]
    'w:val="center"/>'
    """
    prefix, _, local = name.rpartition(":")
    own = f"{{{NAMES['w']}}}" if not prefix else ""
    made = etree.Element(f"{{{NAMES[prefix or 'w']}}}{local}", nsmap={prefix or "w": NAMES[prefix or "w"]})
    for key, value in attributes.items():
        made.set(own + key, str(value))
    made.extend([child for child in children if child is not None])
    return made


def run(text: str, *, east: bool, style: str = "", colour: str = "", size: float = 0) -> list[Element]:
    """Return a text as runs; in East Asian text the characters that both scripts use are marked as East Asian."""
    pieces = [piece for piece in _SHARED.split(text) if piece] if east else [text]
    return [
        node("r", _properties(style, colour, size, hint=east and bool(_SHARED.match(piece))), _letters(piece))
        for piece in pieces
        if piece
    ]


def _properties(style: str, colour: str, size: float, hint: bool) -> Element | None:
    if not (style or colour or size or hint):
        return None
    return node(
        "rPr",
        node("rStyle", val=style) if style else None,
        node("rFonts", hint="eastAsia") if hint else None,
        node("color", val=colour) if colour else None,
        *([node("sz", val=round(2 * size)), node("szCs", val=round(2 * size))] if size else []),
    )


def _letters(text: str, name: str = "t") -> Element:
    made = node(name)
    made.text = text
    made.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    return made


def paragraph(
    style: str,
    children: Iterable[Element] = (),
    *,
    keep: bool = False,
    whole: bool = False,
    right: int = 0,
    align: str = "",
) -> Element:
    """Return a paragraph in a style.

    ``keep`` holds it on the page of the next one, ``whole`` on one page; ``right`` is an indent in twentieths of a point.
    """
    return node(
        "p",
        node(
            "pPr",
            node("pStyle", val=style),
            node("keepNext") if keep else None,
            node("keepLines") if whole else None,
            node("ind", right=right) if right else None,
            node("jc", val=align) if align else None,
        ),
        *children,
    )


def field(instruction: str, shown: Sequence[Element]) -> list[Element]:
    """Return the runs of a field with what it shows until Word brings it up to date."""
    return [*field_start(instruction), *shown, field_end()]


def field_start(instruction: str) -> list[Element]:
    """Return the runs before what a field shows."""
    return [
        node("r", node("fldChar", fldCharType="begin")),
        node("r", _letters(instruction, "instrText")),
        node("r", node("fldChar", fldCharType="separate")),
    ]


def field_end() -> Element:
    """Return the run after what a field shows."""
    return node("r", node("fldChar", fldCharType="end"))


class Bookmarks:
    """Hands out the names and numbers of the bookmarks and pictures of one document, each once."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._pictures = 0

    def name(self, kind: str, own: str) -> str:
        """Return a name that Word takes: a letter first, no blank, at most 40 characters, and no other bookmark has it."""
        plain = f"{kind}_" + re.sub(r"[^0-9A-Za-z]+", "_", own)
        name, count = plain[:40], 1
        while name.lower() in self._used:
            count += 1
            name = f"{plain[: 39 - len(str(count))]}_{count}"
        self._used[name.lower()] = len(self._used) + 1
        return name

    def around(self, name: str, children: Iterable[Element]) -> list[Element]:
        """Return children inside a bookmark whose name was handed out before."""
        number = self._used[name.lower()]
        return [node("bookmarkStart", id=number, name=name), *children, node("bookmarkEnd", id=number)]

    def picture(self) -> int:
        """Return the number of the next picture."""
        self._pictures += 1
        return self._pictures


def jump(name: str, children: Iterable[Element]) -> Element:
    """Return a link to a bookmark."""
    return node("hyperlink", *children, anchor=name, history=1)


def link(relation: str, children: Iterable[Element]) -> Element:
    """Return a link to an address outside, by the id of its relation."""
    made = node("hyperlink", *children, history=1)
    made.set(f"{{{NAMES['r']}}}id", relation)
    return made


def border(side: str, eighths: int, colour: str = INK) -> Element:
    """Return one line of a border; its width is in eighths of a point."""
    return node(side, val="single", sz=eighths, space=0, color=colour)


def cell(width: int, content: Iterable[Element], *, lines: Sequence[Element] = (), fill: str = "", bottom: bool = False) -> Element:
    """Return a table cell of a width in twentieths of a point; the last child must be a paragraph."""
    return node(
        "tc",
        node(
            "tcPr",
            node("tcW", w=width, type="dxa"),
            node("tcBorders", *lines) if lines else None,
            node("shd", val="clear", color="auto", fill=fill) if fill else None,
            node("vAlign", val="bottom") if bottom else None,
        ),
        *content,
    )


def row(cells: Iterable[Element], *, header: bool = False) -> Element:
    """Return a table row that stays on one page, and is repeated on every page where it is the header."""
    return node("tr", node("trPr", node("cantSplit"), node("tblHeader") if header else None), *cells)


def grid(
    widths: Sequence[int],
    rows: Iterable[Element],
    *,
    lines: Sequence[Element] = (),
    padding: tuple[int, int, int, int] = (30, 60, 30, 60),
    title: str = "",
    shift: int = 0,
) -> Element:
    """Return a table of fixed widths; padding is above, right, below and left, all in twentieths of a point."""
    above, right, below, left = padding
    sides = {"top": above, "left": left, "bottom": below, "right": right}
    return node(
        "tbl",
        node(
            "tblPr",
            node("tblW", w=sum(widths), type="dxa"),
            node("tblInd", w=shift, type="dxa"),
            node("tblBorders", *lines) if lines else None,
            node("tblLayout", type="fixed"),
            node("tblCellMar", *(node(side, w=size, type="dxa") for side, size in sides.items())),
            node("tblLook", val="0420", firstRow=1, lastRow=0, firstColumn=0, lastColumn=0, noHBand=0, noVBand=1),
            node("tblCaption", val=title) if title else None,
        ),
        node("tblGrid", *(node("gridCol", w=width) for width in widths)),
        *rows,
    )


def texts_within(part: object) -> Iterator[str]:
    """Yield every text that a block shows; the plain values behind a cell are not shown."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple):
        for inner in part:
            yield from texts_within(inner)
    elif is_dataclass(part) and not isinstance(part, type):
        for inner in fields(part):
            if inner.name != "values":
                yield from texts_within(getattr(part, inner.name))
