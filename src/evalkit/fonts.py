"""The two faces of every report, Noto Sans SC and Noto Serif SC: their files, and subsets to embed in a page."""

from __future__ import annotations

import base64
import io
import warnings
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

FACES = {"sans": "Noto Sans SC", "serif": "Noto Serif SC"}


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


@lru_cache(maxsize=8)
def subset(face: str, characters: str) -> bytes:
    """Return a face as woff2 with the glyphs of these characters only; the same characters give the same bytes."""
    from fontTools import subset as tool
    from fontTools.ttLib import TTFont

    options = tool.Options()
    options.layout_features = ["kern", "pwid"]
    options.hinting = False
    options.name_IDs = [1, 2]
    options.notdef_outline = True
    font = TTFont(files()[face], lazy=True, recalcTimestamp=False)
    subsetter = tool.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    font.flavor = "woff2"
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def font_faces(text: str) -> str:
    """Return the @font-face rules with everything a text needs, or nothing where the fonts are missing."""
    characters = "".join(sorted(set(text) | set(map(chr, range(0x20, 0x7F)))))
    rules = []
    for face in files():
        data = base64.b64encode(subset(face, characters)).decode("ascii")
        source = f"url(data:font/woff2;base64,{data}) format('woff2')"
        rules.append(f"@font-face{{font-family:'Report {face}';src:{source};font-display:block}}")
    return "\n".join(rules)
