"""The printed report: what a reader, a screen reader and a second run get."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import itertools
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pypdf
import pytest

from evalkit import fonts
from evalkit.errors import ReportError
from evalkit.report import column_widths, data_page, figures, intake_figures, pdf
from evalkit.report.blocks import (
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
    Link,
    Listing,
    Paragraph,
    Row,
    Table,
    Text,
)
from evalkit.report.column_widths import Demand, columns, extent, shares
from evalkit.report.document import compose

HOSTILE = '#let x = 1; $a_b^c$ *bold* _under_ `code` <label> @ref [b] \\n \\ "q" // no /* comment */ ~tilde~ -- --- ... - = + / 1. #image("x")'
RARE = "埇沚浉瀍猇硚鄠㵲"
SQUARE = Drawing('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 0H40V20Z"/></svg>', "")
KINDS = ("gain", "pretrend_failed", "too_few", "data")


@cache
def records() -> Any:
    """The test of the data-quality page, for its records."""
    spec = importlib.util.spec_from_file_location("records_of_data_pages", Path(__file__).with_name("test_data_page.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Example = Callable[[str, str], tuple[Document, bytes]]


def composed(kind: str, lang: str, example_findings: Any, whole: Any) -> tuple[Document, Any, Any]:
    """A report of simulated findings, or a data-quality page, with what it is about and what draws its figures."""
    if kind == "data":
        source = records().example_record(simulated=True, changes=records().many_changes(12))
        return data_page.compose(source, lang), source, intake_figures.DRAW
    source = example_findings(kind) if kind == "too_few" else whole(example_findings(kind))
    return compose(source, lang), source, figures.DRAW


@pytest.fixture(scope="module")
def example(example_findings: Any, whole: Any) -> Example:
    """A document and its PDF, with a plain shape for every figure: text can be read out of it sooner."""

    @cache
    def made(kind: str, lang: str) -> tuple[Document, bytes]:
        document = composed(kind, lang, example_findings, whole)[0]
        shapes = {block.name: SQUARE for block in document.blocks if isinstance(block, Figure)}
        return document, pdf.render(document, shapes)

    return made


@pytest.fixture(scope="module")
def illustrated(example_findings: Any, whole: Any) -> tuple[Document, dict[str, Drawing], bytes]:
    """A report with its six figures as they are."""
    from evalkit.plots.look import svg

    document, source, draw = composed("gain", "zh", example_findings, whole)
    names = [block.name for block in document.blocks if isinstance(block, Figure)]
    drawings = {name: Drawing(svg(draw[name](source, "zh"), name), "") for name in names}
    return document, drawings, pdf.render(document, drawings)


def read(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content))


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


@cache
def lines(content: bytes) -> tuple[tuple[str, ...], ...]:
    """The lines of every page."""
    return tuple(tuple(line for line in page.extract_text().splitlines() if line.strip()) for page in read(content).pages)


def page_texts(content: bytes) -> list[str]:
    return [squeezed("".join(page)) for page in lines(content)]


def bodies(document: Document, content: bytes) -> list[str]:
    """The text of every page without its head and its foot."""
    texts = page_texts(content)
    for place, text in enumerate(texts):
        before, after = document.page_number
        for part in (document.banner, document.footer, f"{before}{place + 1}{after}"):
            if squeezed(part):
                assert squeezed(part) in text
                text = text.replace(squeezed(part), "", 1)
        texts[place] = text
    return texts


def told(document: Document) -> Iterator[str]:
    """Every text of a document that a reader sees."""
    yield from (document.title, document.kicker, document.banner_text)
    for block in document.blocks:
        if isinstance(block, Heading | Paragraph):
            yield block.text
        elif isinstance(block, Facts):
            yield from (text for fact in block.items for text in (fact.label, fact.value))
        elif isinstance(block, Callout):
            yield from (block.mark, block.label, block.lead, *block.points)
            yield from (text for fact in block.numbers for text in (fact.label, fact.value))
        elif isinstance(block, Listing):
            yield from (text for item in block.items for text in (item.label, item.text))
        else:
            yield from (block.number, block.caption, *block.notes)
            if isinstance(block, Table):
                yield from (column.label for column in block.columns)
                yield from (text for row in block.rows for cell in row.cells for text in (cell.text, cell.detail))


def is_printed(text: str, pages: list[str]) -> bool:
    """Whether a text stands on a page, or begins on one and ends on the next."""
    text = squeezed(text)
    if any(text in page for page in pages):
        return True
    for before, after in itertools.pairwise(pages):
        if any(text[:cut] in before and text[cut:] in after for cut in range(1, len(text))):
            return True
    return False


def elements(content: bytes) -> list[dict[str, Any]]:
    """The structure tree as a flat list of elements, in reading order."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        node = node.get_object()
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            if "/S" in node:
                found.append(node)
            if "/K" in node:
                walk(node["/K"])

    walk(read(content).trailer["/Root"]["/StructTreeRoot"]["/K"])
    return found


def plain(*blocks: Any, **changes: Any) -> Document:
    values: dict[str, Any] = {
        "lang": "en", "tag": "en", "title": "Title", "kicker": "Kind", "page_title": "Page title", "banner": "", "banner_text": "",
        "footer": "Foot", "page_number": ("Page ", ""), "blocks": (Heading("1. Bottom line", "bottom"), *blocks),
    }  # fmt: skip
    return Document(**(values | changes))


def table(rows: int, notes: tuple[str, ...] = ("The note.",)) -> Table:
    """A table with a name, an estimate and an interval in each row."""
    made = tuple(Row((Cell(f"row {i}", "small"), Cell("−123.4"), Cell("−123.4 to 567.8"))) for i in range(rows))
    labels = (Column("Name", "left", ("a",)), Column("Estimate", "right", ("b",)), Column("Interval", "right", ("c",)))
    return Table("t", "Table 1", "The caption", labels, made, notes)


@pytest.fixture(params=[(kind, lang) for kind in KINDS for lang in ("zh", "en")], ids="-".join)
def made(request: pytest.FixtureRequest, example: Example) -> tuple[Document, bytes]:
    return example(*request.param)


def test_language_and_title_are_those_of_the_document(made: tuple[Document, bytes]) -> None:
    document, content = made
    reader = read(content)
    assert reader.metadata is not None and reader.metadata.title == document.page_title
    assert reader.trailer["/Root"]["/Lang"] == {"zh-CN": "zh-CN", "en": "en"}[document.tag]
    assert reader.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"]


def test_bookmarks_are_the_headings_in_order(made: tuple[Document, bytes]) -> None:
    document, content = made
    reader = read(content)
    assert [entry.title for entry in reader.outline] == [b.text for b in document.blocks if isinstance(b, Heading)]
    texts = page_texts(content)
    assert all(squeezed(e.title) in texts[reader.get_destination_page_number(e)] for e in reader.outline)


def test_the_file_is_tagged_and_every_figure_is_described(made: tuple[Document, bytes]) -> None:
    document, content = made
    assert read(content).trailer["/Root"]["/MarkInfo"]["/Marked"]
    described = [str(node["/Alt"]) for node in elements(content) if node["/S"] == "/Figure"]
    assert described == [block.description for block in document.blocks if isinstance(block, Figure)]


def test_figures_are_drawn_as_lines_and_not_as_pictures(illustrated: Any) -> None:
    document, _, content = illustrated
    described = [str(node["/Alt"]) for node in elements(content) if node["/S"] == "/Figure"]
    assert described == [block.description for block in document.blocks if isinstance(block, Figure)]
    kinds = {
        str(item.get_object()["/Subtype"])
        for page in read(content).pages
        for item in page["/Resources"].get("/XObject", {}).values()
    }
    assert "/Image" not in kinds


def test_every_header_of_a_table_is_a_header_to_a_screen_reader(made: tuple[Document, bytes]) -> None:
    document, content = made
    kinds = [str(node["/S"]) for node in elements(content)]
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert kinds.count("/TH") == sum(len(block.columns) for block in tables)
    assert kinds.count("/Table") == len(tables)
    headings = [block for block in document.blocks if isinstance(block, Heading)]
    assert sum(kind in ("/H1", "/H2") for kind in kinds) >= len(headings)


def test_every_sentence_is_printed(made: tuple[Document, bytes]) -> None:
    document, content = made
    pages = bodies(document, content)
    assert [text for text in told(document) if not is_printed(text, pages)] == []


def test_simulated_data_are_marked_on_every_page_and_real_data_on_none(made: tuple[Document, bytes]) -> None:
    document, content = made
    assert document.banner and all(squeezed(document.banner) in text for text in page_texts(content))
    assert squeezed(document.banner_text) in page_texts(content)[0]
    real = replace(document, banner="", banner_text="", blocks=(Heading("1", "a"), Paragraph("Text")))
    assert squeezed(document.banner) not in "".join(page_texts(pdf.render(real, {})))


def test_only_the_two_faces_are_embedded(made: tuple[Document, bytes]) -> None:
    embedded = set()
    for page in read(made[1]).pages:
        for font in page["/Resources"]["/Font"].values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            assert any(key.startswith("/FontFile") for key in inner["/FontDescriptor"])
            embedded.add(str(inner["/BaseFont"]).partition("+")[2].partition("-")[0])
    assert embedded == {"NotoSansSC", "NotoSerifSC"}


def test_no_page_is_empty_and_the_last_holds_more_than_a_few_lines(made: tuple[Document, bytes]) -> None:
    document, content = made
    assert all(len(text) > 30 for text in bodies(document, content))
    assert len(lines(content)[-1]) > 6  # three of them are the head and the foot


def test_nothing_stands_outside_the_margins(made: tuple[Document, bytes]) -> None:
    """Text is between 64 points above the foot of the sheet and the head; only the head and the foot themselves lie beyond."""
    document, content = made
    furniture = set(squeezed("".join((document.banner, document.footer, *document.page_number, "0123456789"))))
    for page in read(content).pages:
        seen: list[tuple[float, float, str]] = []
        page.extract_text(
            visitor_text=lambda text, cm, tm, font, size, seen=seen: seen.append((cm[4] + tm[4], cm[5] + tm[5], text))
        )
        assert all(55 <= x <= 540 for x, _, text in seen if text.strip() and x)
        beyond = [squeezed(text) for x, y, text in seen if x and not 64 < y < (772 if document.banner else 785)]
        assert [text for text in beyond if not set(text) <= furniture] == []
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]


def test_the_same_document_gives_the_same_bytes_in_another_process_and_folder(tmp_path: Path, illustrated: Any) -> None:
    document, drawings, first = illustrated
    given = tmp_path / "given.pickle"
    given.write_bytes(pickle.dumps((document, drawings)))
    code = (
        "import hashlib, pickle, sys; from evalkit.report import pdf\n"
        "print(hashlib.sha256(pdf.render(*pickle.load(open(sys.argv[1], 'rb')))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "11", "TZ": "Asia/Shanghai"}
    run = subprocess.run(
        [sys.executable, "-c", code, str(given)], check=True, env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert run.stdout.strip() == hashlib.sha256(first).hexdigest()
    assert pdf.render(document, drawings) == first


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_character_of_a_text_is_read_as_markup(lang: str) -> None:
    tabulated = Table(
        "t", HOSTILE, HOSTILE, (Column(HOSTILE, "left", ("a",)), Column("p", "right", ("p",))),
        (Row((Cell(HOSTILE, HOSTILE), Cell("<0.001")), True), Row((Cell("*", "#"), Cell("~")))), (HOSTILE,),
    )  # fmt: skip
    document = plain(
        Facts((Fact(HOSTILE, HOSTILE, "https://example.org/?a=1&b=%23#top"),)), Facts((Fact("A", HOSTILE),), "list"),
        Callout("gain", "▲", HOSTILE, HOSTILE, (Fact("A", "#1"),), (HOSTILE,)), Paragraph(HOSTILE), Paragraph(HOSTILE, "help"),
        Listing((Item(HOSTILE),)), Listing((Item(HOSTILE, "#label"),)), Figure("f", "#1", HOSTILE, HOSTILE, (HOSTILE,)), tabulated,
        lang=lang, title=HOSTILE, page_title=HOSTILE, banner="# *banner*", banner_text=HOSTILE, footer="_foot_", kicker="$kind$",
    )  # fmt: skip
    content = pdf.render(document, {"f": SQUARE})
    pages = bodies(document, content)
    assert [text for text in told(document) if not is_printed(text, pages)] == []
    reader = read(content)
    assert reader.metadata is not None and reader.metadata.title == HOSTILE
    assert [str(node["/Alt"]) for node in elements(content) if node["/S"] == "/Figure"] == [HOSTILE]
    links = [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]
    assert [note["/A"]["/URI"] for note in links] == ["https://example.org/?a=1&b=%23#top"]


def test_references_lead_to_their_table_and_unknown_ones_nowhere() -> None:
    text = Text("See Table 1 and Figure 9.", links=(Link(4, 11, "table-t"), Link(16, 24, "figure-none")))
    content = pdf.render(plain(Paragraph(text), *(Paragraph(f"Paragraph {i}.") for i in range(40)), table(4)), {})
    reader = read(content)
    assert squeezed(text) in page_texts(content)[0]
    (note,) = (note.get_object() for page in reader.pages for note in page.get("/Annots", []))
    (page,) = (place for place, page in enumerate(page_texts(content)) if "Thecaption" in page)
    assert page == 1 and note["/Dest"].get_object()[0].get_object() == reader.pages[page]
    assert note["/Contents"] == "Table 1, page 2"


def test_rare_characters_of_county_names_can_be_read_and_copied() -> None:
    blocks = (Paragraph(RARE), Facts((Fact("县", RARE),)), replace(table(3), caption=RARE))
    text = "".join(page_texts(pdf.render(plain(*blocks, lang="zh", tag="zh-CN", title=RARE), {})))
    assert text.count(RARE) == 4


def test_a_character_without_a_glyph_is_refused_and_named() -> None:
    with pytest.raises(ReportError, match=r"could not be displayed.*both faces of the report lack it") as told:
        pdf.render(plain(Paragraph("A smile: \U0001f600")), {})
    assert "\U0001f600" in str(told.value)


def test_a_figure_without_a_drawing_is_refused_by_name(example: Example) -> None:
    document, _ = example("gain", "zh")
    rest = {block.name: SQUARE for block in document.blocks if isinstance(block, Figure) and block.name != "trends"}
    with pytest.raises(ReportError, match=r"No drawing was given for the figures trends\. Give one"):
        pdf.render(document, rest)


@pytest.mark.parametrize(
    ("drawing", "said"), [("<p>no</p>", "'f' is not an SVG"), ('<svg viewBox="0 0 4 4">', r"template\.typ, line \d+")]
)
def test_a_drawing_that_is_not_svg_is_refused(drawing: str, said: str) -> None:
    with pytest.raises(ReportError, match=said):
        pdf.render(plain(Figure("f", "Figure 1", "c", "d", ())), {"f": Drawing(drawing, "")})


def test_a_mistake_in_the_template_names_file_and_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = Path(pdf.__file__).with_name(pdf.TEMPLATE).read_text(encoding="utf-8").splitlines()
    place = lines.index("#title(doc.title)")
    lines[place] = "#title(doc.titel)"
    (tmp_path / pdf.TEMPLATE).write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(pdf, "files", lambda package: tmp_path)
    with pytest.raises(ReportError, match=rf'template\.typ, line {place + 1}\): dictionary does not contain key "titel"'):
        pdf.render(plain(), {})
    lines[place] = '#text(font: "No such face", doc.title)'
    (tmp_path / pdf.TEMPLATE).write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ReportError, match=rf"template\.typ, line {place + 1}\): unknown font family"):
        pdf.render(plain(), {})


def test_without_the_two_faces_the_fonts_of_the_computer_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "files", dict)
    for cached in (pdf._fonts, pdf._empty, column_widths._advances, column_widths._advance):
        cached.cache_clear()
    try:
        content = pdf.render(plain(Paragraph("Plain text."), table(3)), {})
        assert squeezed("Plain text.") in page_texts(content)[0]
        assert extent("县") == pytest.approx(1.01)
    finally:
        for cached in (pdf._fonts, pdf._empty, column_widths._advances, column_widths._advance):
            cached.cache_clear()


@pytest.mark.parametrize("before", [0, 1, 2, 3, 20, 32])
@pytest.mark.parametrize("rows", [25, 26, 40])
def test_a_long_table_breaks_between_rows_below_a_repeated_header_and_keeps_caption_and_note(rows: int, before: int) -> None:
    texts = page_texts(pdf.render(plain(*(Paragraph(f"Paragraph {i}.") for i in range(before)), table(rows)), {}))
    counts = [len(re.findall(r"row\d+small", text)) for text in texts]
    assert sum(counts) == rows
    for text, count in zip(texts, counts, strict=True):
        assert ("Interval" in text) == bool(count)
    (first,) = (text for text in texts if "Thecaption" in text)
    (last,) = (text for text in texts if "Thenote." in text)
    assert f"row{rows - 3}small" in last and "row0small" in first


def test_a_short_table_is_never_broken() -> None:
    for before in range(22, 34, 2):
        texts = page_texts(pdf.render(plain(*(Paragraph(f"Paragraph {i}.") for i in range(before)), table(6)), {}))
        assert sum("row" in text for text in texts) == 1
        (page,) = (text for text in texts if "row0" in text)
        assert "Thecaption" in page and "Thenote." in page and page.count("−123.4to567.8") == 6


def test_a_heading_is_never_the_last_of_a_page() -> None:
    after = [Paragraph(f"After {i}.") for i in range(20)]
    for before in range(28, 38):
        rows = [Paragraph(f"Paragraph {i}.") for i in range(before)]
        document = plain(*rows, Heading("2. The next", "next"), Paragraph("What follows it."), *after)
        for text in page_texts(pdf.render(document, {})):
            assert ("2.Thenext" in text) == ("Whatfollowsit." in text)


def test_a_figure_that_would_leave_a_page_blank_moves_and_lets_the_text_go_on() -> None:
    text = [Paragraph(f"Paragraph {i}.") for i in range(60)]
    tall = Figure("f", "Figure 1", "The caption", "A square.", ("The note.",))
    drawing = {"f": Drawing('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0H9V9Z"/></svg>', "")}
    texts = page_texts(pdf.render(plain(*text[:18], tall, Paragraph("How to read it.", "help"), *text[18:]), drawing))
    assert "Paragraph25." in texts[0] and "Thecaption" not in texts[0]
    assert all(part in texts[1] for part in ("Thecaption", "Thenote.", "Howtoreadit."))


def test_a_figure_that_nearly_fits_is_drawn_smaller_and_stays_with_its_text() -> None:
    """Twelve paragraphs leave room for nine tenths of the square."""
    square = {"f": Drawing('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0H9V9Z"/></svg>', "")}
    figure = Figure("f", "Figure 1", "The square", "A square.", ("The note.",))
    pages = {}
    for before in range(4, 16):
        blocks = (*(Paragraph(f"Paragraph {i}.") for i in range(before)), figure, Paragraph("What follows it."))
        texts = page_texts(pdf.render(plain(*blocks), square))
        pages[before] = [place for place, text in enumerate(texts) if "Thesquare" in text and "Thenote." in text]
        assert f"Paragraph{before - 1}." in texts[0]
    first = [before for before, places in pages.items() if places == [0]]
    assert max(first) - min(first) >= 5 and {place for places in pages.values() for place in places} == {0, 1}


def test_a_figure_never_moves_into_the_midst_of_a_long_table() -> None:
    tall = {"f": Drawing('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0H9V9Z"/></svg>', "")}
    figure = Figure("f", "Figure 1", "The square", "A square.", ())
    for before in (12, 16, 20):
        texts = page_texts(pdf.render(plain(*(Paragraph(f"Paragraph {i}.") for i in range(before)), figure, table(40)), tall))
        (page,) = (text for text in texts if "Thesquare" in text)
        assert "row" not in page.partition("Thesquare")[2] or "Thecaption" in page.partition("Thesquare")[2]


def test_figures_stay_in_their_order() -> None:
    names = ("one", "two", "three")
    small = dict.fromkeys(names, SQUARE)
    for before in range(0, 30, 6):
        blocks: list[Any] = [Paragraph(f"Paragraph {i}.") for i in range(before)]
        for name in names:
            blocks += [Figure(name, f"Figure {name}", "caption", "A square.", ("Note.",)), Paragraph("Words between.")]
        text = "".join(page_texts(pdf.render(plain(*blocks), small)))
        assert [text.index(f"Figure{name}caption") for name in names] == sorted(
            text.index(f"Figure{name}caption") for name in names
        )


def test_a_last_page_of_a_few_lines_is_drawn_in() -> None:
    """With 1.0 only, some of these lengths end in one or two lines on a page of their own."""
    words = "A sentence that fills about one line of the page, so that a paragraph of three such sentences has three lines. " * 3
    last = []
    for count in range(12, 32):
        pages = lines(pdf.render(plain(*(Paragraph(f"{words}{i}.") for i in range(count))), {}))
        if len(pages) > 1:
            last.append(len(pages[-1]) - 2)
    assert last and min(last) > 3


def test_words_of_a_hundred_letters_stay_inside_the_page() -> None:
    long = "0123456789abcdef" * 10
    document = plain(
        Paragraph(long), Facts((Fact("Key", long),), "list"), replace(table(2), rows=(Row((Cell(long), Cell("1"), Cell("2"))),))
    )
    content = pdf.render(document, {})
    assert "".join(page_texts(content)).count(long) == 3
    assert not any(long in squeezed(line) for line in lines(content)[0])
    test_nothing_stands_outside_the_margins((document, content))


def test_shares_of_a_room_by_hand() -> None:
    """Room 20: the first gets 4 and the second 5; of the 11 left the second wants 1, the first may have 10."""
    assert shares([Demand(4, 4, 30), Demand(5, 5, 6)], 20) == [14, 6]
    assert shares([Demand(1, 1, 2), Demand(3, 3, 4)], 10) == [4, 6]
    assert shares([Demand(6, 6, 9), Demand(3, 3, 3)], 6) == [4, 2]


def test_a_column_of_figures_never_breaks_and_type_shrinks_before_it_does() -> None:
    found = columns(table(3), 470, 10)
    assert found.size == 9 and found.widths[2] >= 9 * extent("−123.4 to 567.8") / 1.01
    wide = Table(
        "w",
        "",
        "",
        tuple(Column("Estimate", "right", ()) for _ in range(9)),
        (Row(tuple(Cell("−1,234.5 [−99, 99]") for _ in range(9))),),
        (),
    )
    shrunk = columns(wide, 640, 10)
    assert shrunk.size < 9 and all(width >= shrunk.size * extent("−1,234.5 [−99, 99]") / 1.01 for width in shrunk.widths)


def test_the_length_of_a_text_counts_characters_and_the_space_between_scripts() -> None:
    """Two Chinese characters are two em; a digit is 0.555 em, and a quarter stands on either side of it."""
    assert extent("县县") == pytest.approx(2 * 1.01)
    assert extent("县5县") == pytest.approx(1.01 * (2 + 0.555 + 0.5), abs=0.01)


def test_p_values_and_intervals_of_the_report_stand_in_one_line(example: Example) -> None:
    for lang in ("zh", "en"):
        document = example("gain", lang)[0]
        for block in document.blocks:
            if isinstance(block, Table):
                found = columns(block, pdf.WIDTH, pdf.GUTTER)
                for place, column in enumerate(block.columns):
                    if column.align == "right":
                        longest = max(extent(row.cells[place].text) for row in block.rows)
                        assert found.size * longest <= found.widths[place] + 0.01, (block.name, column.label)


def test_a_pdf_of_six_figures_takes_less_than_a_second_when_warm(illustrated: Any) -> None:
    document, drawings, _ = illustrated
    assert len(drawings) == 7
    other = replace(document, title="另一份", footer="另一份")
    start = time.process_time()
    pdf.render(other, drawings)
    assert time.process_time() - start < 1
