"""A report as PDF: A4 pages with bookmarks and tags, set by typst from a template and the document as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evalkit import fonts
from evalkit.errors import ReportError, first_five
from evalkit.report.blocks import Document, Drawing, Figure, Paragraph, Table, Text, anchor
from evalkit.report.column_widths import columns, extent

if TYPE_CHECKING:
    from typst import Compiler, Fonts

TEMPLATE = "template.typ"
WIDTH, GUTTER = 166 / 25.4 * 72, 10.0  # of the text and between columns, in points
WHOLE = 260.0  # a table of fewer points in height is never broken
SPACINGS = (1.0, 0.9, 1.1)  # tried in this order, until the last page is full enough
FULL = 0.14  # the share of its height that text fills at least on the last page
LONG = 38.0  # a longer word, in em, may break anywhere
PLAIN = {"drawing", "description", "link", "anchor", "title", "page_title", "footer", "banner", "banner_text", "kicker"}
AIR = 18.0  # above a figure, in points
SMALLEST = 0.78  # a figure that fits its place when drawn no smaller than this stays there
BLANK = 0.14  # the share of a page that a figure may leave blank before itself; otherwise it moves to the head of the next page

Data = dict[str, Any]
Setting = dict[str, Any]


def render(document: Document, drawings: Mapping[str, Drawing]) -> bytes:
    """Return a document as PDF/UA: A4 pages, bookmarks and tags; the same document gives the same bytes.

    Parameters
    ----------
    document : Document
    drawings : mapping of str to Drawing
        Each figure as SVG, by its name; the wide drawing is used.

    Raises
    ------
    ReportError
        For a figure without a drawing, for a drawing that is not SVG, and for whatever typst refuses: the message names file and line
        of the template. A character that neither face has is refused too, because it would print as an empty box.

    Notes
    -----
    Long tables break between rows, under a repeated header. A figure that would leave much of a page blank moves to the head of the
    next page, and spacing is drawn a little closer where the last page would hold a few lines only.

    Example
    -------
    >>> from evalkit.report.blocks import Document, Heading
    >>> page = Document("en", "en", "Title", "", "Title", "", "", "", ("Page ", ""), (Heading("1. Bottom line", "bottom"),))
    >>> render(page, {})[:5]
    b'%PDF-'
    """
    missing = [block.name for block in document.blocks if isinstance(block, Figure) and block.name not in drawings]
    if missing:
        raise ReportError(f"No drawing was given for the figures {first_five(missing)}. Give one for every figure of the document.")
    data = asdict(document) | {"width": WIDTH, "gutter": GUTTER, "faces": {name: fonts.FACES[name] for name in fonts.files()}}
    data["blocks"] = list(_blocks(document, drawings))
    data = _divided(data, {block["anchor"] for block in data["blocks"] if "anchor" in block})
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / TEMPLATE).write_bytes(files("evalkit.report").joinpath(TEMPLATE).read_bytes())
        return _Press(folder, json.dumps(data, ensure_ascii=False)).pdf()


def _blocks(document: Document, drawings: Mapping[str, Drawing]) -> Iterator[Data]:
    """Return every block as data: a table with its widths, a figure with its drawing and the help that follows it."""
    before: Data = {}
    for place, block in enumerate(document.blocks):
        if isinstance(block, Paragraph) and block.role == "help" and before.get("help") == "":
            before["help"] = block.text
            continue
        if before:
            yield before
        before = asdict(block) | {"kind": block.kind, "place": place}
        if isinstance(block, Figure):
            drawing = drawings[block.name].wide
            before |= {"anchor": anchor("figure", block.name), "help": "", "drawing": drawing, "ratio": _ratio(block.name, drawing)}
        if isinstance(block, Table):
            before |= _tabulated(block, before["rows"])
    if before:
        yield before


def _tabulated(table: Table, rows: list[Data]) -> Data:
    """Return what the template needs besides the rows of a table, and let words break that no column can hold."""
    size, widths, gaps, height = columns(table, WIDTH, GUTTER)
    for row in rows:
        for cell, width in zip(row["cells"], widths, strict=True):
            cell.update({part: _broken(cell[part], width / size) for part in ("text", "detail")})
    return {
        "anchor": anchor("table", table.name), "size": size, "widths": widths, "gaps": gaps, "whole": height < WHOLE, "rows": rows,
    }  # fmt: skip


def _divided(value: Any, anchors: set[str]) -> Any:
    """Return data in which no word is longer than a line, and a text with references is a list of pieces and where they lead."""
    if isinstance(value, Text) and value.links:
        return list(_pieces(value, anchors))
    if isinstance(value, str):
        return _broken(value, LONG)
    if isinstance(value, dict):
        return {key: each if key in PLAIN else _divided(each, anchors) for key, each in value.items()}
    return [_divided(each, anchors) for each in value] if isinstance(value, list | tuple) else value


def _pieces(text: Text, anchors: set[str]) -> Iterator[tuple[str, str | None]]:
    """Return the pieces of a text, each with the anchor it leads to; an anchor that the document lacks leads nowhere."""
    start = 0
    for link in sorted(text.links, key=lambda link: link.start):
        yield _broken(text[start : link.start], LONG), None
        yield _broken(text[link.start : link.end], LONG), link.anchor if link.anchor in anchors else None
        start = link.end
    yield _broken(text[start:], LONG), None


def _broken(text: str, most: float) -> str:
    """Return a text in which words longer than a line, in em, may break anywhere."""

    def parts(found: re.Match[str]) -> str:
        word = found[0]
        return "\u200b".join(re.findall(f".{{1,{max(1, int(most / 3))}}}", word)) if extent(word) > most else word

    return text if len(text) <= most else re.sub(r"[!-,.-~]+-?", parts, text)


def _ratio(name: str, drawing: str) -> float:
    """Return how much wider than high a drawing is."""
    box = re.search(r'<svg\b[^>]*\bviewBox="\s*[-\d.]+[\s,]+[-\d.]+[\s,]+([\d.]+)[\s,]+([\d.]+)\s*"', drawing)
    if box is None or not float(box[1]) or not float(box[2]):
        raise ReportError(f"The drawing of the figure {name!r} is not an SVG with a viewBox.")
    return float(box[1]) / float(box[2])


class _Press:
    """A folder with the template and a setting, and the typst compiler that keeps what it has set of a document."""

    def __init__(self, folder: Path, document: str) -> None:
        import typst

        self.setting = folder / "setting.json"
        own = bool(fonts.files())
        # PDF/UA refuses what prints as an empty box; the fonts of a computer may lack more than we can refuse.
        self.standard: list[Any] = ["ua-1"] if own else []
        self.compiler = typst.Compiler(
            folder / TEMPLATE, root=folder, font_paths=_fonts(), ignore_system_fonts=own, sys_inputs={"document": document}
        )

    def pdf(self) -> bytes:
        """Return the document with the first spacing that fills the last page enough, or with the one that fills it most."""
        tried = []
        for tight in SPACINGS:
            setting, full = self._moved(tight)
            if full >= FULL:
                return self._compiled()
            tried.append((full, tight, setting))
        self._set(max(tried)[2])
        return self._compiled()

    def _moved(self, tight: float) -> tuple[Setting, float]:
        """Return a setting in which no figure leaves much of a page blank, and how full the last page is then.

        A figure that nearly fits is drawn smaller, another moves to the next page, and where that would not do it stays. What
        happens to it changes only what follows, so one after the other is settled.
        """
        scaled: dict[int, float] = {}
        moved: list[int] = []
        stays: set[int] = set()
        while True:
            self._set(setting := {"tight": tight, "moved": moved, "scaled": scaled})
            marks = self._marks()
            (end,) = marks["end"]
            if moved and _misplaced(moved[-1], marks):
                stays.add(moved[-1])
                moved = moved[:-1]
            elif (found := _leaving(marks, stays.union(moved))) is None:
                return setting, (end["y"] - end["top"]) / end["height"] if end["page"] > 1 else 1.0
            elif found[0] not in scaled and found[1] >= SMALLEST:
                scaled = scaled | {found[0]: found[1]}
            else:
                scaled = {place: share for place, share in scaled.items() if place != found[0]}
                moved = [*moved, found[0]]

    def _set(self, setting: Setting) -> None:
        self.setting.write_text(json.dumps(setting), encoding="utf-8")

    def _marks(self) -> dict[str, list[Data]]:
        """Return where figures and the end of the document stand."""
        try:
            found = self.compiler.query("metadata")
        except RuntimeError:
            self._compiled()  # says the line too
            raise
        marks: dict[str, list[Data]] = {}
        for mark in json.loads(found):
            marks.setdefault(mark["label"].strip("<>"), []).append(mark["value"])
        return marks

    def _compiled(self) -> bytes:
        from typst import TypstError

        try:
            made, warnings = self.compiler.compile_with_warnings(format="pdf", pdf_standards=self.standard, timestamp=0)
        except TypstError as error:
            raise ReportError(_told(error.message, error.diagnostic)) from error
        finally:
            _forget()
        if warnings:
            raise ReportError(_told(warnings[0].message, warnings[0].diagnostic))
        assert isinstance(made, bytes)
        return made


def _leaving(marks: Mapping[str, list[Data]], settled: set[int]) -> tuple[int, float] | None:
    """Return the first figure that leaves much of a page blank before itself, and how much smaller it would fit there."""
    (end,) = marks["end"]
    bottom = end["top"] + end["height"]
    figures = zip(marks.get("due", []), marks.get("stands", []), marks.get("ends", []), strict=True)
    for due, stands, ends in figures:
        room = bottom - due["y"]
        if stands["page"] > due["page"] and room > BLANK * end["height"] and due["place"] not in settled:
            words = ends["y"] - stands["y"] - stands["high"]
            return due["place"], round((room - words - AIR) / stands["high"], 3)
    return None


def _misplaced(place: int, marks: Mapping[str, list[Data]]) -> bool:
    """Return whether a moved figure stands above what it follows, behind a later figure or heading, or in the midst of a later table."""
    (was,) = (mark for mark in marks["due"] if mark["place"] == place)
    (now,) = (mark for mark in marks["stands"] if mark["place"] == place)
    behind = any(
        (mark["page"], mark["y"]) < (now["page"], now["y"])
        for name in ("stands", "heads")
        for mark in marks.get(name, [])
        if mark["place"] > place
    )
    tables = zip(marks.get("opens", []), marks.get("closes", []), strict=True)
    within = any(opens["page"] < now["page"] <= closes["page"] for opens, closes in tables if opens["place"] > place)
    return bool(now["page"] <= was["page"]) or behind or within


def _told(message: str, diagnostic: str) -> str:
    """Return what typst refuses, where in the template, and what to do."""
    where = re.search(r"([^\s/\\]+\.typ):(\d+):\d+", diagnostic)
    place = f" ({where[1]}, line {where[2]})" if where else f" ({TEMPLATE})"
    if "could not be displayed" in message:
        return f"The PDF cannot be written{place}: {message}. Use another character: both faces of the report lack it."
    return f"The PDF cannot be written{place}: {message}. Mend the template or the text it was given."


def _forget() -> None:
    """Let typst forget a document: it keeps what the last ten compilations made, some 40 MB each."""
    empty = _empty()
    for _ in range(10):
        empty.compile(b"", format="svg")


@cache
def _empty() -> Compiler:
    import typst

    return typst.Compiler(font_paths=_fonts())


@cache
def _fonts() -> Fonts:
    """Return the two faces, read once; where they are missing, the fonts of this computer."""
    import typst

    folders = sorted({str(path.parent) for path in fonts.files().values()})
    return typst.Fonts(include_system_fonts=not folders, include_embedded_fonts=not folders, font_paths=list(folders))
