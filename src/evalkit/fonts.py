"""The two faces of every report, Noto Sans SC and Noto Serif SC: their files, and subsets to embed in a page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FACES = {"sans": "Noto Sans SC", "serif": "Noto Serif SC"}
# Kerned, and with proportional quotes, in every subset; other characters bring their outlines only.
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "\u00a0\u00b1\u00b7\u00d7\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2212"


@cache
def files() -> dict[str, Path]:
    """Return the font file of each face, or none at all, said once, where the package is missing."""
    found: dict[str, Path] = {}
    with suppress(ImportError):
        import pylopdf_fonts_zh_cn as package

        found = {"sans": package.sans_path(), "serif": package.serif_path()}
    if not found or not all(path.is_file() for path in found.values()):
        warnings.warn(
            "The fonts Noto Sans SC and Noto Serif SC are missing, so figures and pages use the fonts of this computer and Chinese may "
            "not show. Install them: pip install pylopdf-fonts-zh-cn",
            stacklevel=2,
        )
        return {}
    return found


@dataclass(frozen=True)
class Face:
    """A face opened once: its Latin part as a small font, and the outlines of characters that pages have asked for.

    Attributes
    ----------
    names : glyph of each character of the face
    latin : the Latin part as an OpenType file, with kerning
    outlines : charstring (without hints and subroutines) and width of each glyph drawn so far
    """

    names: Mapping[int, str]
    glyphs: Any = field(repr=False)
    widths: Mapping[str, tuple[int, int]] = field(repr=False)
    latin: bytes = field(repr=False)
    outlines: dict[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)

    def outline(self, glyph: str) -> tuple[bytes, int]:
        """Return the charstring and the width of a glyph."""
        if glyph not in self.outlines:
            from fontTools.pens.t2CharStringPen import T2CharStringPen

            width = self.widths[glyph][0]
            pen = T2CharStringPen(None if width == 1000 else width, self.glyphs)
            self.glyphs[glyph].draw(pen)
            drawn = pen.getCharString()
            drawn.compile()
            self.outlines[glyph] = drawn.bytecode, width
        return self.outlines[glyph]


@cache
def face(name: str) -> Face:
    """Return a face by its name, "sans" or "serif"."""
    from fontTools import subset as tool
    from fontTools.ttLib import TTFont

    options = tool.Options()
    options.layout_features = ["kern", "pwid"]
    options.hinting = False
    options.name_IDs = [1, 2]
    options.notdef_outline = True
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    font = TTFont(files()[name], lazy=True, recalcTimestamp=False, recalcBBoxes=False)
    subsetter = tool.Subsetter(options)
    subsetter.populate(text=LATIN)
    subsetter.subset(font)
    latin = io.BytesIO()
    font.save(latin)
    whole = TTFont(files()[name], lazy=True)
    return Face(whole.getBestCmap(), whole.getGlyphSet(), whole["hmtx"].metrics, latin.getvalue())


@lru_cache(maxsize=8)
def subset(name: str, characters: str) -> bytes:
    """Return a face as WOFF with the glyphs of the Latin part and of these characters; the same characters give the same bytes."""
    from fontTools.ttLib import TTFont

    source = face(name)
    font = TTFont(io.BytesIO(source.latin), recalcTimestamp=False, recalcBBoxes=False)
    known = font.getBestCmap()
    added = {ord(c): source.names[ord(c)] for c in sorted(set(characters)) if ord(c) in source.names and ord(c) not in known}
    order = font.getGlyphOrder()
    held = set(order)
    order = order + sorted({glyph for glyph in added.values() if glyph not in held}, key=lambda glyph: int(glyph[3:]))
    _outline(font, order, source)
    font["hmtx"].metrics = {glyph: (source.outline(glyph)[1], source.widths[glyph][1]) for glyph in order}
    font["maxp"].numGlyphs = len(order)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap = {**table.cmap, **{code: glyph for code, glyph in added.items() if table.format == 12 or code < 0x10000}}
    font.flavor = "woff"  # hardly larger than WOFF2 for so few glyphs, and packed many times faster
    out = io.BytesIO()
    font.save(out, reorderTables=False)
    return out.getvalue()


def _outline(font: Any, order: list[str], source: Face) -> None:
    """Give a font the outlines of these glyphs, in this order, all with one private dictionary."""
    from fontTools.misc.psCharStrings import T2CharString

    top = font["CFF "].cff.topDictIndex[0]
    private = top.FDArray[0].Private
    del top.FDArray.items[1:]
    private.rawDict = {"defaultWidthX": 1000, "nominalWidthX": 0}
    private.__dict__.pop("Subrs", None)
    font["CFF "].cff.GlobalSubrs.items = []
    drawn = [T2CharString(source.outline(glyph)[0], private, top.GlobalSubrs) for glyph in order]
    top.CharStrings.charStrings = dict(zip(order, range(len(order)), strict=True))
    top.CharStrings.charStringsIndex.items = drawn
    top.charset = order
    top.FDSelect.gidArray = [0] * len(order)
    font.setGlyphOrder(order)


def font_faces(text: str) -> str:
    """Return the @font-face rules with everything a text needs, or nothing where the fonts are missing."""
    characters = "".join(sorted(set(text)))
    rules = []
    for name in files():
        data = base64.b64encode(subset(name, characters)).decode("ascii")
        source = f"url(data:font/woff;base64,{data}) format('woff')"
        rules.append(f"@font-face{{font-family:'Report {name}';src:{source};font-display:block}}")
    return "\n".join(rules)
