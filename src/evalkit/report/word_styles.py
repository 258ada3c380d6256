"""The look of a Word report: an empty document with the styles of a language, in the profile of GB/T 9704 for Chinese."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from evalkit.report.word_parts import INK, LINE, RED, SOFT, TINT, Element, node

MM = 1440 / 25.4  # twentieths of a point in a millimetre
LATIN = "Times New Roman"
FACES = {"song": "宋体", "hei": "黑体", "kai": "楷体", "fang": "仿宋"}
VERDICTS = {
    "gain": "1B6B4A",
    "loss": "96391B",
    "small_change": "4A5A78",
    "unclear": "5F5A52",
    "pretrend_failed": "8A4B00",
    "too_few": "5B4A7D",
    "one_unit": "2F5D62",
    "cannot_show": "5B4A7D",
    "weak": "5F5A52",
    "refused": "7A2E3A",
    "usable": "1B6B4A",
    "usable_open": "4A5A78",
}
"""The colour of the callout by the name of the verdict; any other verdict is grey."""


@dataclass(frozen=True)
class Style:
    """One style: sizes in points, the line as an exact pitch in points or, below 4, as a multiple of the single line."""

    name: str
    face: str = "fang"
    size: float = 16
    line: float = 28
    before: float = 0
    after: float = 0
    align: str = ""
    colour: str = INK
    bold: bool = False
    italic: bool = False
    first: float = 0  # indent of the first line in ems; hanging where negative
    left: float = 0  # indent in points
    keep: bool = False
    level: int | None = None
    bullet: int = 0  # the number of its list
    bar: bool = False  # a line at the left, on a tint
    based: str = "Normal"

    @property
    def key(self) -> str:
        """Return the id that paragraphs call the style by."""
        return "".join(word[:1].upper() + word[1:] for word in self.name.split())


@dataclass(frozen=True)
class Profile:
    """A page and its styles: margins top, right, bottom and left, and the distances of header and footer, in millimetres."""

    lang: str
    margins: tuple[float, float, float, float]
    edges: tuple[float, float]
    east: bool
    styles: tuple[Style, ...]

    @property
    def width(self) -> int:
        """Return the width of the text in twentieths of a point."""
        return round(210 * MM) - round(self.margins[1] * MM) - round(self.margins[3] * MM)

    def style(self, name: str) -> Style:
        """Return a style by its name."""
        return next(style for style in self.styles if style.name == name)


_CHINESE = (
    Style("Normal"),
    Style("Title", "song", 22, 35, after=4, align="center", bold=True, keep=True),
    Style("Subtitle", "kai", 14, 26, align="center", keep=True),
    Style("heading 1", "hei", 16, 28, before=10, after=2, keep=True, level=0),
    Style("Body Text", align="both", first=2),
    Style("Item Label", "kai", first=2, keep=True),
    Style("List Bullet", first=-1, left=32, bullet=1),
    Style("Help", "kai", 12, 20, before=4, after=8, left=9, bar=True, colour="40474F"),
    Style("Banner Text", "song", 10.5, 18, after=4, align="center", colour=RED),
    Style("TOC Heading", "hei", 14, 28, before=6, align="center", keep=True),
    Style("toc 1", "song", 12, 22),
    Style("caption", "hei", 10.5, 1, before=8, after=4, align="center"),
    Style("Figure", "song", 10.5, 1, before=8, align="center", keep=True),
    Style("Note", "song", 9, 15, before=3, after=10, colour=SOFT),
    Style("Gap", "song", 6, 8),
    Style("Table Head", "hei", 10.5, 16),
    Style("Table Text", "song", 10.5, 15),
    Style("Table Detail", "song", 9, 12, colour=SOFT),
    Style("Fact Label", "song", 9, 14, colour=SOFT),
    Style("Fact Value", "song", 10.5, 16),
    Style("Verdict", "hei", 16, 28, before=3, after=2, keep=True),
    Style("Number Label", "song", 10.5, 17, colour=SOFT),
    Style("Number", "hei", 16, 26),
    Style("Lead", size=15, line=25, before=4, after=2, align="both"),
    Style("Point", size=12, line=19, first=-1, left=14, bullet=2),
    Style("header", "hei", 9, 1, align="center", colour=RED),
    Style("footer", "song", 9, 1, align="center", colour=SOFT),
    Style("Page Number", "song", 14, 1, align="center"),
)
_ENGLISH_SIZES = {
    "Normal": (12, 1.15, 0, 0),
    "Title": (20, 1.1, 0, 8),
    "Subtitle": (11, 1.15, 0, 2),
    "heading 1": (14, 1.15, 14, 4),
    "Body Text": (12, 1.15, 0, 6),
    "Item Label": (12, 1.15, 4, 0),
    "List Bullet": (12, 1.15, 0, 4),
    "Help": (10.5, 1.15, 2, 8),
    "Banner Text": (10, 1.15, 0, 8),
    "TOC Heading": (12, 1.15, 8, 4),
    "toc 1": (11, 1.15, 0, 0),
    "Verdict": (14, 1.15, 3, 4),
    "Number Label": (9.5, 1.1, 0, 0),
    "Number": (14, 1.1, 0, 2),
    "Lead": (12, 1.15, 4, 2),
    "Point": (11, 1.15, 0, 0),
    "Note": (9, 1.1, 3, 10),
    "Fact Label": (9, 1.1, 0, 0),
    "Fact Value": (10.5, 1.1, 0, 2),
    "Page Number": (10.5, 1, 0, 0),
}
_ENGLISH_LOOKS: dict[str, dict[str, Any]] = {
    "Subtitle": {"colour": SOFT},
    "heading 1": {"bold": True},
    "TOC Heading": {"bold": True, "align": "left"},
    "Item Label": {"italic": True},
    "Table Head": {"bold": True, "size": 10, "line": 15},
    "Table Text": {"size": 10, "line": 13},
    "Table Detail": {"line": 11},
    "Verdict": {"bold": True},
    "Number": {"bold": True},
    "caption": {"bold": True},
}


def _english(style: Style) -> Style:
    """Return a style for English: one face, emphasis by weight and slope, flush left, and paragraphs set apart by space."""
    size, line, before, after = _ENGLISH_SIZES.get(style.name, (style.size, style.line, style.before, style.after))
    plain: dict[str, Any] = {"face": "song", "align": "left" if style.align == "both" else style.align}
    first, left = (-1, 18 if style.left > 14 else 13) if style.bullet else (0, style.left)
    sizes = {"size": size, "line": line, "before": before, "after": after, "first": first, "left": left}
    return replace(style, **(plain | sizes | _ENGLISH_LOOKS.get(style.name, {})))


PROFILES = {
    "zh": Profile("zh", (37, 26, 35, 28), (22, 19), east=True, styles=_CHINESE),
    "en": Profile("en", (28, 27, 28, 27), (14, 13), east=False, styles=tuple(map(_english, _CHINESE))),
}


@cache
def template(lang: str) -> bytes:
    """Return an empty document with the page, the styles and the list of a language: nothing of a theme, an application or a date."""
    from docx import Document
    from docx.opc.constants import RELATIONSHIP_TYPE as KIND

    profile = PROFILES[lang]
    document = Document()
    _keep(document.part.rels, (KIND.STYLES, KIND.SETTINGS, KIND.NUMBERING))
    _keep(document.part.package.rels, (KIND.OFFICE_DOCUMENT, KIND.CORE_PROPERTIES))
    _fill(document.styles.element, _styles(profile))
    _fill(document.settings.element, _settings(profile))
    _fill(document.part.numbering_part.element, _numbering())
    section = document.sections[0]._sectPr
    section.attrib.clear()
    _fill(section, _page(profile))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _keep(relations: dict[str, Any], kinds: tuple[str, ...]) -> None:
    for name in [name for name, relation in relations.items() if relation.reltype not in kinds]:
        del relations[name]


def _fill(parent: Element, children: list[Element]) -> None:
    for child in list(parent):
        parent.remove(child)
    parent.extend(children)


def _page(profile: Profile) -> list[Element]:
    top, right, bottom, left = (round(side * MM) for side in profile.margins)
    header, footer = (round(edge * MM) for edge in profile.edges)
    return [
        node("pgSz", w=round(210 * MM), h=round(297 * MM)),
        node("pgMar", top=top, right=right, bottom=bottom, left=left, header=header, footer=footer, gutter=0),
        node("cols", space=720),
    ]


def _settings(profile: Profile) -> list[Element]:
    uri = "http://schemas.microsoft.com/office/word"
    spacing = "compressPunctuation" if profile.east else "doNotCompress"
    # Mode 15 is that of Word 2013 and later; without it Word opens the file in compatibility mode.
    mode = node("compatSetting", name="compatibilityMode", uri=uri, val=15)
    return [
        node("zoom", percent=100),
        node("defaultTabStop", val=420),
        node("characterSpacingControl", val=spacing),
        node("compat", mode),
        node("decimalSymbol", val="."),
        node("listSeparator", val=","),
    ]


def _numbering() -> list[Element]:
    lists = (1, 2)
    return [
        *(node("abstractNum", node("multiLevelType", val="singleLevel"), _bullet(), abstractNumId=own) for own in lists),
        *(node("num", node("abstractNumId", val=own), numId=own) for own in lists),
    ]


def _bullet() -> Element:
    return node(
        "lvl",
        node("start", val=1),
        node("numFmt", val="bullet"),
        node("lvlText", val="•"),
        node("lvlJc", val="left"),
        node("rPr", node("rFonts", ascii=LATIN, hAnsi=LATIN, eastAsia=LATIN, cs=LATIN), node("color", val=SOFT)),
        ilvl=0,
    )


def _styles(profile: Profile) -> list[Element]:
    defaults = node(
        "docDefaults",
        node("rPrDefault", node("rPr", _fonts("song"), node("lang", val="en-GB", eastAsia="zh-CN"))),
        node("pPrDefault"),
    )
    character = node(
        "style", node("name", val="Default Paragraph Font"), type="character", default=1, styleId="DefaultParagraphFont"
    )
    margins = node("tblCellMar", *(node(side, w=0, type="dxa") for side in ("top", "left", "bottom", "right")))
    table = node("style", node("name", val="Normal Table"), node("tblPr", margins), type="table", default=1, styleId="TableNormal")
    underlined = node("rPr", node("color", val="12436D"), node("u", val="single"))
    link = node("style", node("name", val="Hyperlink"), underlined, type="character", styleId="Hyperlink")
    listing = node("style", node("name", val="No List"), type="numbering", default=1, styleId="NoList")
    return [defaults, character, table, listing, *map(_style, profile.styles), link]


def _fonts(face: str) -> Element:
    return node("rFonts", ascii=LATIN, hAnsi=LATIN, eastAsia=FACES[face], cs=LATIN)


def _style(style: Style) -> Element:
    own = {"default": 1} if style.name == "Normal" else {}
    return node(
        "style",
        node("name", val=style.name),
        node("basedOn", val=style.based) if style.name != "Normal" else None,
        node("next", val="BodyText") if style.level is not None else None,
        node("qFormat"),
        _paragraph_properties(style),
        _run_properties(style),
        type="paragraph",
        **own,
        styleId=style.key,
    )


def _paragraph_properties(style: Style) -> Element:
    exact = style.line >= 4
    height = {"line": round(style.line * (20 if exact else 240)), "lineRule": "exact" if exact else "auto"}
    bar = node("pBdr", node("left", val="single", sz=18, space=6, color=LINE)) if style.bar else None
    return node(
        "pPr",
        node("keepNext") if style.keep else None,
        node("keepLines") if style.keep or style.bar else None,
        node("widowControl"),
        node("numPr", node("ilvl", val=0), node("numId", val=style.bullet)) if style.bullet else None,
        bar,
        node("shd", val="clear", color="auto", fill=TINT) if style.bar else None,
        node("spacing", before=round(style.before * 20), after=round(style.after * 20), **height),
        _indent(style),
        node("jc", val=style.align) if style.align else None,
        node("outlineLvl", val=style.level) if style.level is not None else None,
    )


def _indent(style: Style) -> Element | None:
    if not (style.first or style.left):
        return None
    if style.first < 0:
        return node("ind", left=round(style.left * 20), hanging=round(-style.first * 20 * (style.size if style.size < 14 else 14)))
    first = {"firstLineChars": round(style.first * 100), "firstLine": round(style.first * style.size * 20)} if style.first else {}
    return node("ind", left=round(style.left * 20), **first)


def _run_properties(style: Style) -> Element:
    return node(
        "rPr",
        _fonts(style.face),
        node("b") if style.bold else None,
        node("i") if style.italic else None,
        node("color", val=style.colour),
        node("sz", val=round(2 * style.size)),
        node("szCs", val=round(2 * style.size)),
    )
