"""A Word file holds all of its document, in the order that Word insists on, and the same bytes on every run."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import docx
import pytest
from lxml import etree

from evalkit.errors import ReportError
from evalkit.report import word
from evalkit.report.blocks import (
    Block,
    Callout,
    Cell,
    Column,
    Document,
    Drawing,
    Fact,
    Facts,
    Figure,
    Heading,
    Item,
    Listing,
    Paragraph,
    Row,
    Table,
)
from evalkit.report.data_page import compose as data_page
from evalkit.report.document import compose
from evalkit.report.word_parts import Bookmarks, run
from evalkit.report.word_styles import PROFILES
from evalkit.report.word_tables import PADDING, SIZES, length, widths
from evalkit.words import LANGUAGES, catalogue

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100"><rect width="200" height="100" fill="#12436d"/></svg>'
ORDER = {
    "pPr": "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr shd tabs suppressAutoHyphens "
    "kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE autoSpaceDN bidi adjustRightInd snapToGrid spacing ind contextualSpacing "
    "mirrorIndents suppressOverlap jc textDirection textAlignment textboxTightWrap outlineLvl divId cnfStyle rPr sectPr pPrChange",
    "rPr": "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof snapToGrid vanish webHidden "
    "color spacing w kern position sz szCs highlight u effect bdr shd fitText vertAlign rtl cs em lang eastAsianLayout specVanish oMath",
    "tblPr": "tblStyle tblpPr tblOverlap bidiVisual tblStyleRowBandSize tblStyleColBandSize tblW jc tblCellSpacing tblInd tblBorders shd "
    "tblLayout tblCellMar tblLook tblCaption tblDescription",
    "tcPr": "cnfStyle tcW gridSpan hMerge vMerge tcBorders shd noWrap tcMar textDirection tcFitText vAlign hideMark",
    "tblBorders": "top left bottom right insideH insideV",
    "tcBorders": "top left bottom right insideH insideV",
    "tblCellMar": "top left bottom right",
    "pBdr": "top left bottom right between bar",
    "style": "name aliases basedOn next link autoRedefine hidden uiPriority semiHidden unhideWhenUsed qFormat locked pPr rPr tblPr",
    "lvl": "start numFmt lvlRestart pStyle isLgl suff lvlText lvlPicBulletId legacy lvlJc pPr rPr",
    "sectPr": "headerReference footerReference footnotePr endnotePr type pgSz pgMar paperSrc pgBorders lnNumType pgNumType cols titlePg",
    "settings": "zoom defaultTabStop characterSpacingControl compat decimalSymbol listSeparator",
    "tbl": "tblPr tblGrid tr",
    "tr": "trPr tc",
    "sdt": "sdtPr sdtContent",
}
"""Children in the order of the schema of ISO/IEC 29500 (transitional), for every parent that a file holds."""


def table_of(rows: list[list[str]], labels: str = "name a b", notes: tuple[str, ...] = ("note",), detail: str = "") -> Table:
    """A table with one column of names and others of numbers."""
    columns = tuple(Column(label, "right" if place else "left", (label,)) for place, label in enumerate(labels.split()))
    made = tuple(Row(tuple(Cell(text, detail) for text in row)) for row in rows)
    return Table("t", "Table 1", "A caption", columns, made, notes)


def document_of(*blocks: Block, lang: str = "en", **changes: Any) -> Document:
    values: dict[str, Any] = {
        "lang": lang, "tag": lang, "title": "A report", "kicker": "Evaluation", "page_title": "A report (2013)", "banner": "",
        "banner_text": "", "footer": "A report, run 1", "page_number": ("Page ", ""), "blocks": blocks,
    }  # fmt: skip
    return Document(**(values | changes))


def drawings(document: Document) -> dict[str, Drawing]:
    return {block.name: Drawing(SVG, SVG) for block in document.blocks if isinstance(block, Figure)}


def parts(made: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        return {name: file.read(name) for name in file.namelist()}


def body(made: bytes) -> Any:
    return etree.fromstring(parts(made)["word/document.xml"])


def said(element: Any) -> str:
    return "".join(text.text or "" for text in element.iter(f"{W}t"))


def paragraphs(made: bytes) -> list[str]:
    """The text of every paragraph of body, header and footer, those in tables and in the list of contents included."""
    roots = [etree.fromstring(content) for name, content in parts(made).items() if re.match(r"word/(document|header|footer)", name)]
    return [said(paragraph) for root in roots for paragraph in root.iter(f"{W}p")]


def three_line_tables(root: Any) -> list[Any]:
    """The tables whose first row is a header."""
    return [table for table in root.iter(f"{W}tbl") if table.find(f"{W}tr/{W}trPr/{W}tblHeader") is not None]


def texts(document: Document) -> list[str]:
    """Every text that a reader of a page sees."""
    found = [document.title, document.kicker, document.banner, document.banner_text, document.footer]
    for block in document.blocks:
        match block:
            case Heading() | Paragraph():
                found.append(block.text)
            case Facts():
                found += [part for fact in block.items for part in (fact.label, fact.value)]
            case Callout():
                found += [block.mark, block.label, block.lead, *block.points]
                found += [part for fact in block.numbers for part in (fact.label, fact.value)]
            case Listing():
                found += [part for item in block.items for part in (item.label, item.text)]
            case Figure():
                found += [block.number, block.caption, *block.notes]
            case Table():
                found += [block.number, block.caption, *(column.label for column in block.columns), *block.notes]
                found += [part for row in block.rows for cell in row.cells for part in (cell.text, cell.detail)]
    return found


@cache
def records() -> dict[str, Any]:
    """The records that the data-quality page is tested with."""
    spec = importlib.util.spec_from_file_location("records_of_data_pages", Path(__file__).with_name("test_data_page.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.RECORDS)


@pytest.fixture(scope="module", params=["gain", "too_few", "loss", "data", "data_bare"])
def kind(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=LANGUAGES)
def document(request: Any, kind: str, example_findings: Any, whole: Any) -> Document:
    """Reports of every length and both data-quality pages."""
    if kind.startswith("data"):
        return data_page(records()["simulated" if kind == "data" else "bare"], request.param)
    findings = example_findings(kind, simulated=kind != "loss", scale="level" if kind == "loss" else "log")
    return compose(findings if kind == "gain" else whole(findings), request.param)


@pytest.fixture(scope="module")
def made(document: Document) -> bytes:
    return word.render(document, drawings(document))


def test_the_headings_are_those_of_the_document_in_order(made: bytes, document: Document) -> None:
    opened = docx.Document(io.BytesIO(made))
    styled = [p for p in opened.paragraphs if p.style is not None and p.style.name == "Heading 1"]
    assert [p.text for p in styled] == [block.text for block in document.blocks if isinstance(block, Heading)]
    assert [p.text for p in opened.paragraphs if p.style is not None and p.style.name == "Title"] == [document.title]


def test_every_text_of_the_document_is_in_the_file(made: bytes, document: Document) -> None:
    shown = "\n".join(paragraphs(made))
    assert [text for text in texts(document) if text not in shown] == []
    described = [picture.get("descr") for picture in body(made).iter(f"{WP}docPr")]
    assert described == [block.description for block in document.blocks if isinstance(block, Figure)]


def test_tables_read_as_the_document_has_them(made: bytes, document: Document) -> None:
    tables = [block for block in document.blocks if isinstance(block, Table)]
    found = three_line_tables(body(made))
    assert len(found) == len(tables)
    for table, element in zip(tables, found, strict=True):
        rows = [[said(cell) for cell in row.iter(f"{W}tc")] for row in element.iter(f"{W}tr")]
        assert rows[0] == [column.label for column in table.columns]
        for row, content in zip(rows[1:], table.rows, strict=True):
            texts = [cell.text + cell.detail for cell in content.cells]
            assert row == texts + [""] * (len(table.columns) - len(texts))


def test_children_stand_in_the_order_of_the_schema(made: bytes) -> None:
    checked = set()
    for name, content in parts(made).items():
        if not name.startswith("word/") or not name.endswith(".xml"):
            continue
        for element in etree.fromstring(content).iter():
            local = etree.QName(element).localname
            if element.tag.startswith(W) and local in ORDER:
                order = ORDER[local].split()
                places = [order.index(etree.QName(child).localname) for child in element]
                assert places == sorted(places), etree.tostring(element)[:300]
                checked.add(local)
    assert {"pPr", "rPr", "tblPr", "tcPr", "style", "sectPr", "tblBorders"} <= checked


def test_tables_have_three_lines_and_a_header_on_every_page(made: bytes) -> None:
    for table in three_line_tables(body(made)):
        lines = table.find(f"{W}tblPr/{W}tblBorders")
        assert [etree.QName(line).localname for line in lines] == ["top", "bottom"]
        first, *others = table.findall(f"{W}tr")
        for cell in first.findall(f"{W}tc"):
            assert [etree.QName(line).localname for line in cell.find(f"{W}tcPr/{W}tcBorders")] == ["bottom"]
        for row in others:
            assert row.find(f"{W}trPr/{W}tblHeader") is None
            assert not list(row.iter(f"{W}tcBorders"))
        assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in (first, *others))


def test_widths_add_up_to_the_text_and_every_cell_has_one(made: bytes, document: Document) -> None:
    for table in body(made).findall(f"{W}body/{W}tbl"):
        grid = [int(column.get(f"{W}w")) for column in table.findall(f"{W}tblGrid/{W}gridCol")]
        assert sum(grid) == PROFILES[document.lang].width == int(table.find(f"{W}tblPr/{W}tblW").get(f"{W}w"))
        assert table.find(f"{W}tblPr/{W}tblLayout").get(f"{W}type") == "fixed"
        for row in table.findall(f"{W}tr"):
            assert [int(cell.find(f"{W}tcPr/{W}tcW").get(f"{W}w")) for cell in row.findall(f"{W}tc")] == grid


def test_numbers_intervals_and_p_values_stand_in_one_line(document: Document) -> None:
    width = PROFILES[document.lang].width
    for table in (block for block in document.blocks if isinstance(block, Table)):
        fitted = widths(table, width)
        assert sum(fitted.columns) == width
        for place, column in enumerate(table.columns):
            if column.align == "right":
                cells = [row.cells[place] for row in table.rows if place < len(row.cells)]
                room = fitted.columns[place] - 2 * PADDING
                assert all(length(cell.text, fitted.size) <= room for cell in cells), (table.name, column.label)


def test_every_figure_is_there_as_vectors_and_as_points(made: bytes, document: Document) -> None:
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    files = parts(made)
    assert sorted(name for name in files if "media" in name) == sorted(
        f"word/media/figure{place}.{kind}" for place in range(1, len(figures) + 1) for kind in ("png", "svg")
    )
    kinds = files["[Content_Types].xml"].decode()
    assert kinds.count("image/svg+xml") == len(figures)
    related = {link.get("Id"): link.get("Target") for link in etree.fromstring(files["word/_rels/document.xml.rels"])}
    for place, inline in enumerate(body(made).iter(f"{WP}inline"), start=1):
        used = [related[node.get(f"{R}embed")] for node in inline.iter() if node.get(f"{R}embed")]
        assert used == [f"media/figure{place}.png", f"media/figure{place}.svg"]
        assert files[f"word/media/figure{place}.svg"].decode() == SVG


def test_pictures_and_bookmarks_have_ids_of_their_own_and_every_jump_arrives(made: bytes) -> None:
    root = body(made)
    pictures = [picture.get("id") for picture in root.iter(f"{WP}docPr")]
    marks = list(root.iter(f"{W}bookmarkStart"))
    names = [mark.get(f"{W}name") for mark in marks]
    assert len(set(pictures)) == len(pictures) and len(set(names)) == len(names)
    assert [mark.get(f"{W}id") for mark in marks] == [mark.get(f"{W}id") for mark in root.iter(f"{W}bookmarkEnd")]
    assert all(re.fullmatch(r"[A-Za-z]\w{0,39}", name) for name in names)
    assert {jump.get(f"{W}anchor") for jump in root.iter(f"{W}hyperlink")} - {None} <= set(names)


def test_the_bookmarks_of_captions_hold_the_numbers_of_the_document(made: bytes, document: Document) -> None:
    found = {}
    for mark in body(made).iter(f"{W}bookmarkStart"):
        following = mark.getnext()
        text = ""
        while following.tag != f"{W}bookmarkEnd":
            text, following = text + said(following), following.getnext()
        found[mark.get(f"{W}name")] = text
    for block in document.blocks:
        if isinstance(block, Figure | Table):
            assert found[f"{block.kind}_{block.name}"] == block.number


def test_simulated_data_say_so_in_the_header_of_every_page_and_real_data_have_no_header(made: bytes, document: Document) -> None:
    headers = [etree.fromstring(content) for name, content in parts(made).items() if name.startswith("word/header")]
    if document.banner:
        assert [said(header) for header in headers] == [document.banner]
        assert body(made).find(f"{W}body/{W}sectPr/{W}headerReference").get(f"{W}type") == "default"
    else:
        assert not headers


def test_the_contents_name_the_sections_before_word_brings_them_up_to_date(made: bytes, document: Document) -> None:
    headings = [block.text for block in document.blocks if isinstance(block, Heading)]
    entries = [
        said(p)
        for p in body(made).iter(f"{W}p")
        if (style := p.find(f"{W}pPr/{W}pStyle")) is not None and style.get(f"{W}val") == "Toc1"
    ]
    assert len(headings) > 6 and entries == headings
    kinds = [field.get(f"{W}fldCharType") for field in body(made).iter(f"{W}fldChar")]
    assert kinds == ["begin", "separate", "end"]


def test_a_short_document_has_no_contents() -> None:
    short = document_of(*(Heading(f"{n}.", f"h{n}") for n in range(6)))
    assert b"TOC" not in parts(word.render(short, {}))["word/document.xml"]
    assert b"TOC" in parts(word.render(replace(short, blocks=(*short.blocks, Heading("7.", "h7"))), {}))["word/document.xml"]


def test_the_same_document_gives_the_same_bytes(made: bytes, document: Document) -> None:
    assert word.render(document, drawings(document)) == made
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        assert {entry.date_time for entry in file.infolist()} == {(2000, 1, 1, 0, 0, 0)}


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import hashlib; from evalkit.report import word; from evalkit.report.blocks import *\n"
        f"svg = {SVG!r}\n"
        "blocks = (Heading('1.', 'a'), Figure('f', '图1', 'c', 'd', ('n',)), Facts((Fact('l', 'v', 'https://example.org'),)))\n"
        "d = Document('zh', 'zh-CN', 't', 'k', 'p', 'b', 'bt', 'f', ('', ''), blocks)\n"
        "print(hashlib.sha256(word.render(d, {'f': Drawing(svg, svg)})).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1 and "" not in hashes


HOSTILE = [
    "<w:p/>",
    "a & b &amp; c",
    "say \"x\" 'y'",
    "]]> <!-- -->",
    "{0} %s \\n $1",
    "🚜 埇桥鄠邑𠮷",
    "W" * 400,
    "\t tab\nline",
    "é̂ ﷽",
]


def test_hostile_texts_arrive_as_they_are() -> None:
    blocks: list[Block] = []
    for place, text in enumerate(HOSTILE):
        blocks += [
            Heading(text, text),
            Paragraph(text),
            Facts((Fact(text, text),), "list"),
            Facts((Fact(text, text),) * 4),
            Callout("never_heard", "?", text, text, (Fact(text, text),), (text,)),
            Listing((Item(text, text), Item(text))),
            Figure(f"{place}/{text}", text, text, text, (text,)),
            replace(table_of([[text, text, text]], detail=text), name=text, caption=text, notes=(text,)),
        ]
    for lang in LANGUAGES:
        hostile = document_of(*blocks, lang=lang, banner=HOSTILE[0], footer=HOSTILE[1], title=HOSTILE[2], page_title="W" * 400)
        made = word.render(hostile, drawings(hostile))
        shown = paragraphs(made)
        assert [text for text in HOSTILE if sum(text in paragraph for paragraph in shown) < 10] == []
        assert [picture.get("descr") for picture in body(made).iter(f"{WP}docPr")] == HOSTILE
        assert len(docx.Document(io.BytesIO(made)).tables) > 9 * 3


def test_a_character_that_no_word_file_holds_is_named_with_its_block() -> None:
    bell = Paragraph("ring\x07")
    with pytest.raises(ReportError, match=r"U\+0007 in a block of kind 'paragraph' \('ring' before it\)"):
        word.render(document_of(bell), {})
    with pytest.raises(ReportError, match=r"U\+0008 in the table 't'.*U\+DC80 in the heading 'h'"):
        word.render(document_of(table_of([["a\x08", "1", "2"]]), Heading("\udc80", "h")), {})
    with pytest.raises(ReportError, match=r"U\+FFFF in the footer"):
        word.render(document_of(footer="\uffff"), {})


def test_a_figure_without_a_drawing_is_named() -> None:
    figure = Figure("event_study", "Figure 1", "c", "d", ())
    with pytest.raises(ReportError, match=r"no drawing of event_study.*given: other"):
        word.render(document_of(figure), {"other": Drawing(SVG, SVG)})


@pytest.mark.parametrize(
    ("svg", "told"),
    [
        ("<svg", "no SVG that can be read"),
        ("<svg/>", "no viewBox"),
        (SVG.replace("0 0 200 100", "0 0 0 100"), "no viewBox"),
        (SVG.replace("svg", "gvs"), "no viewBox"),
        (SVG.replace("0 0 200 100", "0 0 a b"), "no SVG that can be read"),
    ],
)
def test_a_drawing_that_is_no_picture_is_refused_by_name(svg: str, told: str) -> None:
    with pytest.raises(ReportError, match=rf"figure trends (is|has) {told}"):
        word.render(document_of(Figure("trends", "Figure 1", "c", "d", ())), {"trends": Drawing(svg, "")})


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ReportError, match=r"There is no language of Word reports 'fr'.*Allowed: zh, en"):
        word.render(document_of(lang="fr"), {})


def test_a_row_with_too_many_cells_is_refused_and_a_short_one_is_filled() -> None:
    with pytest.raises(ReportError, match="The table t has 3 columns, and more cells in the rows 2"):
        word.render(document_of(table_of([["a", "1", "2"], ["a", "1", "2", "3"]])), {})
    short = body(word.render(document_of(table_of([["a", "1"]])), {}))
    assert [len(list(row.iter(f"{W}tc"))) for row in short.iter(f"{W}tr")] == [3, 3]


def test_the_points_are_the_same_picture_as_the_vectors() -> None:
    """150 mm at 200 points an inch are 1181 points; the drawing is half as high as wide, and all of one colour."""
    from PIL import Image

    made = parts(word.render(document_of(Figure("f", "Figure 1", "c", "d", ())), {"f": Drawing(SVG, "")}))
    png = made["word/media/figure1.png"]
    wide, high = struct.unpack(">II", png[16:24])
    assert abs(wide - 1181) <= 1 and abs(high - 591) <= 1
    assert Image.open(io.BytesIO(png)).convert("RGB").getpixel((wide // 2, high // 2)) == (0x12, 0x43, 0x6D)


def test_a_tall_figure_still_fits_on_a_page() -> None:
    tall = SVG.replace("0 0 200 100", "0 0 100 400")
    root = body(word.render(document_of(Figure("f", "Figure 1", "c", "d", ())), {"f": Drawing(tall, "")}))
    extent = next(root.iter(f"{WP}extent"))
    across, down = int(extent.get("cx")), int(extent.get("cy"))
    assert down == pytest.approx(4 * across, rel=1e-3) and down < 200 * 36_000


def test_an_address_becomes_a_link_outside() -> None:
    facts = Facts((Fact("Source", "yearbooks", "https://example.org/年 鉴?a=1&b=[2]"),))
    made = word.render(document_of(facts), {})
    link = next(body(made).iter(f"{W}hyperlink"))
    related = {r.get("Id"): r for r in etree.fromstring(parts(made)["word/_rels/document.xml.rels"])}[link.get(f"{R}id")]
    assert said(link) == "yearbooks"
    assert related.get("TargetMode") == "External"
    assert related.get("Target") == "https://example.org/%E5%B9%B4%20%E9%89%B4?a=1&b=[2]"


def test_the_chinese_page_is_that_of_the_standard() -> None:
    """GB/T 9704-2012: margins of 37, 35, 28 and 26 mm, text of 16 points on lines of 28 points, indented by two characters."""
    opened = docx.Document(io.BytesIO(word.render(document_of(Paragraph("正文"), lang="zh"), {})))
    section = opened.sections[0]
    sides = (section.top_margin, section.bottom_margin, section.left_margin, section.right_margin)
    assert [round(side.mm) for side in sides if side is not None] == [37, 35, 28, 26]
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
    style: Any = opened.styles["Body Text"]
    assert (style.font.size.pt, style.paragraph_format.line_spacing.pt) == (16, 28)
    assert style.element.find(f"{W}pPr/{W}ind").get(f"{W}firstLineChars") == "200"
    fonts = {
        name: opened.styles[name].element.find(f"{W}rPr/{W}rFonts").get(f"{W}eastAsia")
        for name in ("Body Text", "Heading 1", "Title")
    }
    assert fonts == {"Body Text": "仿宋", "Heading 1": "黑体", "Title": "宋体"}


def test_no_style_takes_its_face_from_a_theme_and_the_file_names_no_program_but_this() -> None:
    files = parts(word.render(document_of(Heading("1.", "a")), {}))
    assert not any(b"Theme" in content or b"theme" in content for content in files.values())
    assert set(files) == {
        "[Content_Types].xml", "_rels/.rels", "docProps/core.xml", "word/document.xml", "word/_rels/document.xml.rels", "word/styles.xml",
        "word/settings.xml", "word/numbering.xml", "word/footer1.xml",
    }  # fmt: skip
    core = files["docProps/core.xml"].decode()
    assert set(re.findall(r"20\d\d-[^<]+", core)) == {"2000-01-01T00:00:00Z"} and core.count("evalkit") == 2


def test_quotes_in_chinese_text_are_set_in_the_chinese_face_and_minus_signs_are_not() -> None:
    hinted = {said(r): r.find(f"{W}rPr/{W}rFonts") is not None for r in run("“从未”实施，−0.03", east=True)}
    assert hinted == {"“": True, "从未": False, "”": True, "实施，−0.03": False}
    assert len(run("“never” covered", east=False)) == 1


def test_lists_are_real_lists_and_labels_stand_above_their_text() -> None:
    listing = Listing((Item("plain"), Item("text", "label")))
    opened = docx.Document(io.BytesIO(word.render(document_of(listing), {})))
    named = [(p.text, p.style.name) for p in opened.paragraphs if p.style is not None and p.text in ("plain", "text", "label")]
    assert named == [("plain", "List Bullet"), ("label", "Item Label"), ("text", "Body Text")]
    number = opened.styles["List Bullet"].element.find(f"{W}pPr/{W}numPr/{W}numId").get(f"{W}val")
    numbering = etree.fromstring(parts(word.render(document_of(listing), {}))["word/numbering.xml"])
    assert number in {num.get(f"{W}numId") for num in numbering.iter(f"{W}num")}


def test_headings_captions_and_figures_stay_with_what_follows() -> None:
    blocks = (Heading("1.", "a"), Figure("f", "Figure 1", "c", "d", ("n",)), table_of([["a", "1", "2"]]))
    made = word.render(document_of(*blocks), {"f": Drawing(SVG, "")})
    styles = etree.fromstring(parts(made)["word/styles.xml"])
    kept = {style.get(f"{W}styleId") for style in styles.iter(f"{W}style") if style.find(f"{W}pPr/{W}keepNext") is not None}
    assert {"Heading1", "Title", "Figure"} <= kept
    captions = [p for p in body(made).iter(f"{W}p") if p.find(f"{W}pPr/{W}pStyle").get(f"{W}val") == "Caption"]
    assert [said(p) for p in captions] == ["Figure 1  c", "Table 1  A caption"]
    assert all(p.find(f"{W}pPr/{W}keepNext") is not None for p in captions)


def test_two_tables_never_touch() -> None:
    """Word joins tables that follow each other without a paragraph between."""
    bare = table_of([["a", "1", "2"]], notes=())
    strip = Facts((Fact("a", "b"),))
    root = body(word.render(document_of(strip, strip, bare, bare, replace(strip, role="list")), {}))
    for table in root.findall(f"{W}body/{W}tbl"):
        assert table.getnext().tag == f"{W}p"


def test_nothing_to_tell_makes_no_table() -> None:
    assert not list(body(word.render(document_of(Facts(()), Facts((), "list")), {})).iter(f"{W}tbl"))


def test_a_column_is_as_wide_as_its_widest_number() -> None:
    """Digits are half as wide as the size, points a quarter: 0.0649 is 5 x 0.5 + 0.25 = 2.75 sizes, 28.875 pt at 10.5 pt."""
    assert length("0.0649", 10.5) == pytest.approx(1.04 * 20 * 28.875)
    assert length("县数", 10) == pytest.approx(1.04 * 20 * 20)
    assert length("e\u0301", 10) == length("e", 10)


def test_a_table_that_is_too_wide_is_set_smaller_and_one_far_too_wide_still_fits() -> None:
    def total(columns: int) -> tuple[float, int]:
        fitted = widths(table_of([["name", *["[−1,234.5, 1,234.5]"] * columns]], labels="n " + "x " * columns), 8845)
        return fitted.size, sum(fitted.columns)

    assert total(3) == (SIZES[0], 8845)
    size, width = total(5)
    assert SIZES[-1] <= size < SIZES[0] and width == 8845
    assert total(12) == (SIZES[-1], 8845)


def test_numbers_stand_under_their_label_and_not_at_the_far_edge_of_a_wide_column() -> None:
    root = body(word.render(document_of(table_of([["county", "7"]], labels="name number")), {}))
    indents = [int(ind.get(f"{W}right")) for ind in root.iter(f"{W}ind")]
    assert len(indents) == 2 and len(set(indents)) == 1 and indents[0] > 500


def test_bookmarks_of_the_same_name_are_told_apart() -> None:
    marks = Bookmarks()
    names = [marks.name("figure", own) for own in ("a" * 60, "a" * 61, "b c", "b-c", "县")]
    assert len(set(names)) == 5 and max(map(len, names)) == 40
    assert names[2:4] == ["figure_b_c", "figure_b_c_2"]


def test_the_contents_have_a_heading_in_both_languages() -> None:
    assert [catalogue(lang).say("word.contents") for lang in LANGUAGES] == ["目录", "Contents"]
