"""A brief as PDF: two A4 pages, set in the largest type that fits on them, by typst from a template of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evalkit import fonts
from evalkit.errors import ReportError, first_five
from evalkit.report.blocks import Block, Document, Drawing, Figure, Heading
from evalkit.report.pdf import GUTTER, _blocks, _divided, _fonts, _forget, _told
from evalkit.report.trace import _texts

TEMPLATE = "brief.typ"
SIZES = (10.5, 10.1, 9.8, 9.5, 9.2, 8.9, 8.6, 8.3, 8.0)
"""Sizes of the type in points; the largest with which a brief fits is taken."""


SPARING = 9.5
"""How small the type may become only to save a page."""
READABLE = 8.9
"""The smallest size in which a brief is set before it tells less."""


def render(document: Document, drawings: Mapping[str, Drawing], size: float) -> bytes:
    """Return a brief as PDF/UA in a size of type, its annex on a page of its own; the same brief gives the same bytes.

    Raises
    ------
    ReportError
        For a figure without a drawing, and for whatever typst refuses.
    """
    with _Set(document, drawings) as page:
        page.pages(size)
        return page.pdf()


def size_that_fits(document: Document, drawings: Mapping[str, Drawing], most: int) -> float | None:
    """Return the largest of ``SIZES`` with which a brief fits on so many pages, its annex aside; None where none does.

    A brief that a little smaller type brings on fewer pages still takes that: no page then holds a few lines alone.
    """
    with _Set(document, drawings) as page:
        largest = next((size for size in SIZES if page.pages(size) <= most), None)
        if largest is None or largest <= SPARING:
            return largest
        used, fewest = page.pages(largest), page.pages(SPARING)
        return largest if fewest == used else next(size for size in SIZES if page.pages(size) == fewest)


def longest(document: Document) -> str:
    """Return the three longest sections of a document, with the number of characters of each."""
    lengths: dict[str, int] = {}
    for place, _, text in _texts(document):
        lengths[place] = lengths.get(place, 0) + len(text)
    ordered = sorted(lengths, key=lambda place: -lengths[place])[:3]
    return first_five(f"{place!r} ({lengths[place]:,} characters)" for place in ordered)


class _Set:
    """A brief as it is set by typst, in one size after another."""

    def __init__(self, document: Document, drawings: Mapping[str, Drawing]) -> None:
        missing = [block.name for block in document.blocks if isinstance(block, Figure) and block.name not in drawings]
        if missing:
            raise ReportError(
                f"No drawing was given for the figures {first_five(missing)}. Give one for every figure of the brief."
            )
        data = asdict(document) | {"faces": {name: fonts.FACES[name] for name in fonts.files()}, "gutter": GUTTER}
        data["blocks"] = list(_blocks(document, drawings))
        self.data = json.dumps(
            _divided(data, {block["anchor"] for block in data["blocks"] if "anchor" in block}), ensure_ascii=False
        )

    def __enter__(self) -> _Set:
        import typst

        self.folder = TemporaryDirectory()
        place = Path(self.folder.name)
        (place / TEMPLATE).write_bytes(files("evalkit.report").joinpath(TEMPLATE).read_bytes())
        self.setting = place / "setting.json"
        own = bool(fonts.files())
        self.standard: list[Any] = ["ua-1"] if own else []
        self.compiler = typst.Compiler(
            place / TEMPLATE, root=place, font_paths=_fonts(), ignore_system_fonts=own, sys_inputs={"document": self.data}
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()
        _forget()

    def pages(self, size: float) -> int:
        """Set the brief in a size and return on which page it ends, its annex aside."""
        from typst import TypstError

        self.setting.write_text(json.dumps({"size": size}), encoding="utf-8")
        try:
            found = json.loads(self.compiler.query("<end>"))
        except TypstError as error:
            raise ReportError(_told(error.message, error.diagnostic)) from error
        return int(found[0]["value"])

    def pdf(self) -> bytes:
        """Return the brief in the size that was set."""
        from typst import TypstError

        try:
            made, warnings = self.compiler.compile_with_warnings(format="pdf", pdf_standards=self.standard, timestamp=0)
        except TypstError as error:
            raise ReportError(_told(error.message, error.diagnostic)) from error
        if warnings:
            raise ReportError(_told(warnings[0].message, warnings[0].diagnostic))
        assert isinstance(made, bytes)
        return made


def is_annex(block: Block) -> bool:
    """Return whether the annex of a brief begins with a block."""
    from evalkit.report.brief_page import ANNEX

    return isinstance(block, Heading) and block.anchor == ANNEX
