"""Tables for other programs: a workbook whose numbers are numbers, and LaTeX that prints what the report says."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from evalkit.errors import ReportError
from evalkit.report.blocks import Cell, Column, Document, Row, Table
from evalkit.report.document import compose
from evalkit.report.latex import LONG, escaped, latex
from evalkit.report.table_files import FONTS, number_format, plain_rows, sheet_names, workbook
from evalkit.words import LANGUAGES

HOSTILE = r"50% & R&D $x$ #1 a_b {c} ~d ^e \f <g> [h] “i” --j `k` |l|"


def document(lang: str = "en", banner: str = "") -> Document:
    return Document(
        lang, lang, "A & B", "Report", "A & B (2013)", banner, "made up" if banner else "", "A & B · run id r-1", ("Page ", ""), ()
    )


def table(count: int = 2, name: str = "path", **changes: Any) -> Table:
    """Years and estimates by hand: 2013 has -0.5 with a range of [-1.25, 0.25]."""
    columns = (
        Column("Year", "left", ("Year",)),
        Column("Estimate", "right", ("Estimate",)),
        Column("95% interval", "right", ("Low", "High")),
    )
    made = tuple(
        Row(
            (Cell(str(2013 + n), values=(2013 + n,)), Cell("−0.50", "p 0.300", (-0.5,)), Cell("[−1.25, 0.25]", "", (-1.25, 0.25))),
            marked=n == 0,
        )
        for n in range(count)
    )
    parts = {"name": name, "number": "Table 1", "caption": "By year", "columns": columns, "rows": made, "notes": ("A note.",)}
    return Table(**(parts | changes))


def as_read(value: Any) -> Any:
    """What Excel gives back: 16 digits of a number, and nothing for an empty text."""
    return pytest.approx(value, rel=1e-15, abs=0) if isinstance(value, float) else None if value == "" else value


def opened(content: bytes) -> Any:
    openpyxl = pytest.importorskip("openpyxl")
    return openpyxl.load_workbook(io.BytesIO(content))


@pytest.fixture(scope="module", params=LANGUAGES)
def lang(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def report(lang: str, example_findings: Any, whole: Any) -> tuple[list[Table], Document]:
    made = compose(whole(example_findings("loss").model_copy(update={"published": []})), lang)
    return [block for block in made.blocks if isinstance(block, Table)], made


def test_every_value_of_a_report_comes_back_from_the_workbook(report: tuple[list[Table], Document]) -> None:
    tables, made = report
    book = opened(workbook(tables, made))
    assert len(book.worksheets) == 1 + len(tables) > 6
    for sheet, one in zip(book.worksheets[1:], tables, strict=True):
        first = int(sheet.freeze_panes[1:])
        width = sum(len(column.fields) for column in one.columns)
        read = [[cell.value for cell in row[:width]] for row in sheet.iter_rows(min_row=first, max_row=first + len(one.rows) - 1)]
        for got, row in zip(read, plain_rows(one), strict=True):
            assert got == [as_read(value) for value in row]


def test_the_same_tables_give_the_same_bytes(report: tuple[list[Table], Document]) -> None:
    assert workbook(*report) == workbook(*report)


def test_numbers_are_numbers_between_three_lines() -> None:
    sheet = opened(workbook([table()], document()))["Table 1 By year"]
    assert sheet["A1"].value == "Table 1 By year"
    assert [cell.value for cell in sheet[2]] == [None, None, "95% interval", None]
    assert [cell.value for cell in sheet[3]] == ["Year", "Estimate", "Low", "High"]
    assert [cell.value for cell in sheet[4]] == [2013, -0.5, -1.25, 0.25] and sheet["C4"].data_type == "n"
    assert sheet["A6"].value == "A note." and sheet.freeze_panes == "B4"
    lines = {
        (cell.coordinate, side): getattr(cell.border, side).style
        for row in (2, 3, 5)
        for cell in sheet[row]
        for side in ("top", "bottom")
    }
    assert {lines[f"{place}2", "top"] for place in "ABCD"} == {lines[f"{place}5", "bottom"] for place in "ABCD"} == {"medium"}
    assert {lines[f"{place}3", "bottom"] for place in "ABCD"} == {"thin"}
    assert sheet["A4"].number_format == "0" and sheet["B4"].number_format == '#,##0.0000;"−"#,##0.0000'
    assert sheet["A4"].font.bold and not sheet["A5"].font.bold


def test_a_page_holds_the_width_of_a_table_and_repeats_its_header() -> None:
    sheet = opened(workbook([table()], document()))["Table 1 By year"]
    page = sheet.page_setup
    assert sheet.sheet_properties.pageSetUpPr.fitToPage and (page.paperSize, page.fitToWidth or 1, page.fitToHeight) == (9, 1, 0)
    assert sheet.print_title_rows == "$2:$3" and "A && B" in sheet.oddFooter.left.text


def test_every_sheet_of_simulated_data_says_so(report: tuple[list[Table], Document]) -> None:
    tables, made = report
    for sheet in opened(workbook(tables, made)).worksheets:
        assert sheet["A1"].value.startswith(made.banner) and made.banner_text in sheet["A1"].value
        assert sheet.oddHeader.center.text == made.banner
        assert sheet["A1"].font.name == FONTS[made.lang]


def test_the_first_sheet_lists_the_tables_and_names_the_run(report: tuple[list[Table], Document]) -> None:
    tables, made = report
    book = opened(workbook(tables, made))
    first = book.worksheets[0]
    said = [cell.value for row in first.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert made.page_title in said and made.footer in said and "industry-1f2e3d4c5b" in made.footer
    links = {cell.hyperlink.location for row in first.iter_rows() for cell in row if cell.hyperlink}
    assert links == {f"'{sheet.title}'!A1" for sheet in book.worksheets[1:]}
    assert [one for one in said if one.startswith(tables[0].number[:1])][-len(tables) :] == [
        f"{one.number} {one.caption}" for one in tables
    ]


@pytest.mark.parametrize("text", ["=1+1", "+86", "-x", "@SUM(A1)", '=HYPERLINK("http://x")', "http://example.org", "007"])
def test_a_text_is_never_a_formula_or_a_link(text: str) -> None:
    column = Column(text, "left", (text,))
    made = table(columns=(column,), rows=(Row((Cell(text, values=(text,)),)),), caption=text, notes=(text,))
    sheet = opened(workbook([made], document())).worksheets[1]
    written = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert [cell.value for cell in written[1:4]] == [text] * 3 and {cell.data_type for cell in written} == {"s"}
    assert not any(cell.hyperlink for cell in written[:4])


def test_sheets_have_names_that_excel_takes_and_no_two_the_same() -> None:
    names = sheet_names(["目录", "表1：收入/支出[一]?*", "'quoted'", "同" * 40, "同" * 41, "HISTORY", "", "𠀀" * 20])
    assert len({name.casefold() for name in names}) == len(names)
    assert all(0 < len(name.encode("utf-16-le")) <= 62 and not re.search(r"[\[\]:*?/\\]|^'|'$", name) for name in names)
    assert "history" not in {name.casefold() for name in names}


def test_a_chinese_column_is_twice_as_wide() -> None:
    for word, letters in (("abcdefghijkl", 12), ("一二三四五六", 12)):
        column = Column(word, "left", (word,))
        sheet = opened(workbook([table(columns=(column,), rows=())], document())).worksheets[1]
        assert sheet.column_dimensions["A"].width == pytest.approx(letters + 2, abs=1)


def test_what_the_first_cell_says_beyond_its_number_is_a_remark() -> None:
    rows = tuple(
        Row((Cell(text, detail, (n,)), Cell("", values=(1.0,)), Cell("", values=(None, None))))
        for n, (text, detail) in enumerate([("−1 (reference)", ""), ("0", "no drift"), ("1", "")])
    )
    sheet = opened(workbook([table(rows=rows)], document())).worksheets[1]
    assert [sheet.cell(row, 5).value for row in range(3, 7)] == ["Remark", "−1 (reference)", "no drift", None]


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    rows = (*table().rows, Row((Cell("2015", values=(2015,)),)))
    with pytest.raises(ReportError, match=r"'path' these rows do not fit its 3 columns: 3\."):
        workbook([table(rows=rows)], document())
    with pytest.raises(ReportError, match=r"'path' these rows do not have 3 cells: 3\."):
        latex(table(rows=rows))
    endless = (Row((Cell("", values=(2013,)), Cell("", values=(float("nan"),)), Cell("", values=(0.0, 1.0)))),)
    with pytest.raises(ReportError, match=r"not finite: 1\. What has no value is None"):
        workbook([table(rows=endless)], document())


def test_the_format_has_four_digits_of_the_largest_number() -> None:
    assert number_format([0.0]) == '#,##0.0;"−"#,##0.0' and number_format([12345.6]) == '#,##0;"−"#,##0'
    assert number_format([2013, 99]) == '#,##0;"−"#,##0' and number_format(["<10", 2013]) == "0"


def balanced(text: str) -> bool:
    """Return whether every brace that LaTeX reads is closed."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", re.sub(r"(?m)^%.*", "", text)):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)&", line)) + 1


def test_latex_of_a_report_is_balanced_and_every_row_has_all_its_cells(report: tuple[list[Table], Document]) -> None:
    for one in report[0]:
        text = latex(one)
        assert balanced(text) and rf"\label{{tab:{one.name}}}" in text and "\u2212" not in text
        body = text[text.index(r"\toprule") : text.index(r"\end{tabular}")].splitlines()
        rows = [line for line in body if line.endswith(r"\\")]
        assert rows and {cells(line) for line in rows} == {len(one.columns)}
        assert [text.count(rf"\{line}rule") for line in ("top", "mid", "bottom")] == [1, 1, 1]
        assert text.count(r"\begin{") == text.count(r"\end{") and text.count(r"\item ") == len(one.notes)


def test_latex_by_hand() -> None:
    lines = latex(table(1)).splitlines()
    assert lines[0] == r"% The preamble needs: \usepackage{booktabs,threeparttable,amssymb}."
    assert lines[4] == r"\caption{By year}\label{tab:path}" and lines[5] == r"\begin{tabular}{lrr}"
    assert lines[7] == r"Year & \multicolumn{1}{c}{Estimate} & \multicolumn{1}{c}{95\% interval} \\"
    assert lines[9:11] == [r"\textbf{2013} & $-$0.50 & {[}$-$1.25, 0.25{]} \\", r" & (p 0.300) &  \\"]
    assert lines[11] == r"\bottomrule"


def test_hostile_texts_are_printed_as_they_stand() -> None:
    column = Column(HOSTILE, "left", (HOSTILE,))
    made = latex(
        table(name="a}b%_c", columns=(column,), rows=(Row((Cell(HOSTILE, HOSTILE, ()),)),), caption=HOSTILE, notes=(HOSTILE,))
    )
    assert balanced(made) and r"\label{tab:a-b-_c}" in made and made.count(escaped(HOSTILE)) == 5
    bare = re.sub(r"\\[%&$#_{}]|\\[a-z]+|\$[<>]\$|\$-\$", "", escaped(HOSTILE))
    assert not re.search(r"[%&$#_~^\\<>|`]|--", bare)
    assert escaped("\\") == r"\textbackslash{}" and escaped("---") == "-{}-{}-"


def test_a_long_table_goes_over_pages_and_repeats_its_header() -> None:
    short, long = latex(table(LONG)), latex(table(LONG + 1))
    assert "longtable" not in short and r"\begin{longtable}{lrr}" in long and "threeparttablex" in long.splitlines()[0]
    assert (
        long.count(r"\multicolumn{1}{c}{Estimate}") == 2
        and r"\endlastfoot" in long
        and r"\insertTableNotes" in long
        and balanced(long)
    )
    assert long.index(r"\begin{TableNotes}") < long.index(r"\begin{longtable}")


def test_chinese_says_what_it_needs() -> None:
    assert "ctex" in latex(table(caption="逐年估计")).splitlines()[1] and latex(table(caption="逐年估计")).startswith("% 导言区")
    assert "ctex" not in latex(table())
    assert latex(table(notes=("模拟数据 / Simulated data.",))).splitlines()[1].startswith("% Holds Chinese")
