"""Figures in Word: the drawing as vectors (SVG), and beside it as points (PNG) for programs that do not read SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from evalkit.errors import ReportError
from evalkit.report.blocks import Drawing, Figure
from evalkit.report.word_parts import NAMES, Element, node

if TYPE_CHECKING:
    from docx.parts.document import DocumentPart

EMU = 635  # in a twentieth of a point
POINTS_PER_INCH = 200
TALLEST = 11_300  # twentieths of a point: a figure, its caption and its note fit on one page
_VECTOR = "{96DAC541-7B7A-43D3-8B79-37D633B846F1}"  # the extension of a:blip that holds the SVG


@dataclass(frozen=True)
class Picture:
    """A drawing as it goes into a file: the SVG, the PNG, and its sizes in twentieths of a point."""

    vectors: bytes
    points: bytes
    width: int
    height: int


def pictures(figures: Sequence[Figure], drawings: Mapping[str, Drawing], width: int) -> dict[str, Picture]:
    """Return the drawings of figures, by name, in a width (twentieths of a point).

    Raises
    ------
    ReportError
        For a figure without a drawing, and a drawing that is no SVG.
    """
    if missing := [figure.name for figure in figures if figure.name not in drawings]:
        raise ReportError(
            f"The Word report has no drawing of {', '.join(missing)}. Give drawings[name] for every figure of the document; "
            f"given: {', '.join(drawings) or 'none'}."
        )
    wide = {figure.name: drawings[figure.name].wide.encode("utf-8") for figure in figures}
    sizes = {name: _fitted(*_size(name, text), width) for name, text in wide.items()}
    points = _points(wide, sizes)
    return {name: Picture(wide[name], points[name], *sizes[name]) for name in wide}


def _size(name: str, drawing: bytes) -> tuple[float, float]:
    """Return the width and height that an SVG says it has."""
    try:
        root = etree.fromstring(drawing, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))
        box = [float(number) for number in root.get("viewBox", "").replace(",", " ").split()]
    except (etree.XMLSyntaxError, ValueError) as wrong:
        raise ReportError(f"The drawing of the figure {name} is no SVG that can be read: {wrong}. Draw it again.") from wrong
    if etree.QName(root).localname != "svg" or len(box) != 4 or min(box[2:]) <= 0:
        raise ReportError(
            f"The drawing of the figure {name} has no viewBox of four numbers. An SVG with one can be placed on a page."
        )
    return box[2], box[3]


def _fitted(width: float, height: float, total: int) -> tuple[int, int]:
    """Return the size on the page: as wide as the text, or as tall as a page takes."""
    scale = min(total / width, TALLEST / height)
    return round(width * scale), round(height * scale)


def _points(wide: Mapping[str, bytes], sizes: Mapping[str, tuple[int, int]]) -> dict[str, bytes]:
    """Return every drawing as PNG: one document, a page each, which takes one call."""
    if not wide:
        return {}
    import typst

    inputs: dict[str, Any] = {f"{place}.svg": drawing for place, drawing in enumerate(wide.values())}
    pages = (f'#page(image("{place}.svg", width: {sizes[name][0] / 20}pt))' for place, name in enumerate(wide))
    options: dict[str, Any] = {"format": "png", "ppi": POINTS_PER_INCH, "ignore_system_fonts": True}
    lines = ["#set page(width: auto, height: auto, margin: 0pt, fill: white)", *pages]
    try:
        made: Any = typst.compile(inputs | {"main.typ": "\n".join(lines).encode()}, **options)
    except typst.TypstError as wrong:
        raise ReportError(f"A drawing of {', '.join(wide)} cannot be shown: {wrong}. Draw the figures again.") from wrong
    return dict(zip(wide, [made] if isinstance(made, bytes) else made, strict=True))


def drawing(picture: Picture, part: DocumentPart, number: int, name: str, description: str) -> Element:
    """Return a run that holds a picture, and put its two files into the document.

    Parameters
    ----------
    number : int
        Counts the pictures of the document, from 1; also the names of the files.
    description : str
        What a reader who does not see the picture is told.
    """
    vectors = _file(part, f"/word/media/figure{number}.svg", "image/svg+xml", picture.vectors)
    points = _file(part, f"/word/media/figure{number}.png", "image/png", picture.points)
    size = {"cx": picture.width * EMU, "cy": picture.height * EMU}
    relation = f"{{{NAMES['r']}}}embed"
    vector, blip = node("asvg:svgBlip"), node("a:blip")
    vector.set(relation, vectors)
    blip.set(relation, points)
    blip.append(node("a:extLst", node("a:ext", vector, uri=_VECTOR)))
    shape = node(
        "pic:spPr",
        node("a:xfrm", node("a:off", x=0, y=0), node("a:ext", **size)),
        node("a:prstGeom", node("a:avLst"), prst="rect"),
    )
    what: dict[str, Any] = {"id": number, "name": name, "descr": description}
    shown = node(
        "pic:pic",
        node("pic:nvPicPr", node("pic:cNvPr", **what), node("pic:cNvPicPr")),
        node("pic:blipFill", blip, node("a:stretch", node("a:fillRect"))),
        shape,
    )
    inline = node(
        "wp:inline",
        node("wp:extent", **size),
        node("wp:effectExtent", l=0, t=0, r=0, b=0),
        node("wp:docPr", **what),
        node("wp:cNvGraphicFramePr", node("a:graphicFrameLocks", noChangeAspect=1)),
        node("a:graphic", node("a:graphicData", shown, uri=NAMES["pic"])),
        distT=0, distB=0, distL=0, distR=0,
    )  # fmt: skip
    return node("r", node("drawing", inline))


def _file(part: DocumentPart, path: str, kind: str, content: bytes) -> str:
    """Put a file into the document and return the id of its relation."""
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    return part.relate_to(Part(PackURI(path), kind, content, part.package), RELATIONSHIP_TYPE.IMAGE)
