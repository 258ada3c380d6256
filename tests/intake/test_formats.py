"""The same table arrives in many encodings and formats and is the same table; what cannot be read says why."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.intake.formats import read_table
from evalkit.intake.observations import IntakeError, Problem
from evalkit.intake.wide import melt
from evalkit.words import catalogue

sys.path.insert(0, str(Path(__file__).parent))
import layouts


def write(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def problem(path: Path, **choices: object) -> Problem:
    """The one problem of a file; it can be said in both languages and does not name the folder."""
    with pytest.raises(IntakeError) as caught:
        read_table(path, **choices)  # type: ignore[arg-type]
    (only,) = caught.value.problems
    for lang in ("en", "zh"):
        assert str(path.parent) not in only.say(catalogue(lang))
    return only


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_the_same_table_comes_out_of_every_layout(name: str, tmp_path: Path) -> None:
    layouts.LAYOUTS[name](tmp_path / name)
    table = read_table(tmp_path / name)
    if table.labels:
        assert tuple(table.labels[heading] for heading in table.headings) == layouts.HEADINGS
    else:
        assert table.headings == layouts.HEADINGS
    rows = [row for row in layouts.as_text(table.cells) if "合" not in row[1]]
    assert rows == list(layouts.ROWS)
    assert len(table) == len(table.cells) == table.step.rows_out
    assert table.origin.name == name


@pytest.mark.parametrize("name", layouts.WIDE)
def test_years_side_by_side_are_the_same_table_after_melting(name: str, tmp_path: Path) -> None:
    layouts.WIDE[name](tmp_path / name)
    long, step = melt(read_table(tmp_path / name))
    assert long.headings == layouts.HEADINGS
    assert layouts.as_text(long.cells) == list(layouts.ROWS)
    assert (step.rows_in, step.added, step.rows_out) == (2, 2, 4)


@pytest.mark.parametrize("name", ["printed.xlsx", "printed.xls", "page.xls"])
def test_what_stands_around_a_printed_table_is_kept_and_counted(name: str, tmp_path: Path) -> None:
    layouts.LAYOUTS[name](tmp_path / name)
    table = read_table(tmp_path / name)
    assert table.title == layouts.TITLE
    assert set(table.units) == {layouts.UNIT}
    assert table.notes == (layouts.NOTE, layouts.SOURCE)
    assert table.lines.tolist() == [5, 6, 7, 8, 9]
    assert table.step.left == {"title": (1,), "unit_line": (2,), "header": (3, 4), "footnote": (10,), "source_line": (11,)}
    assert (table.step.rows_in, table.step.rows_out) == (11, 5)
    assert table.origin.header_lines == (3, 4)
    assert table.origin.data_lines == (5, 9)


def test_a_printed_text_loses_the_header_of_its_second_page(tmp_path: Path) -> None:
    layouts.printed_text(tmp_path / "a.csv")
    table = read_table(tmp_path / "a.csv")
    assert table.lines.tolist() == [5, 6, 11, 12, 13]
    assert table.step.left["page_header"] == (8, 9, 10)
    assert table.step.left["blank_line"] == (7,)
    assert table.step.left["footnote"] == (14,)
    assert table.step.left["source_line"] == (15,)
    assert table.step.rows_in == 15


def test_content_decides_what_a_file_is_not_its_name(tmp_path: Path) -> None:
    layouts.plain_xlsx(tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv").origin.format == "xlsx"


def test_the_digest_names_the_file_as_it_lies_there(tmp_path: Path) -> None:
    import hashlib

    content = gzip.compress(layouts.text().encode("gb18030"))
    origin = read_table(write(tmp_path, content, "a.csv.gz")).origin
    assert (origin.sha256, origin.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (origin.format, origin.encoding, origin.delimiter) == ("csv.gz", "gb18030", ",")


# Cells as a bureau types them: no white space around them, since that is taken off, and nothing that looks like a header or a note.
CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="\ufeff"), min_size=0, max_size=8
).map(str.strip)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), ending=st.sampled_from(["\n", "\r\n"]))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"])
def test_any_table_of_text_survives_csv_in_each_encoding(
    encoding: str, rows: list[tuple[str, str, str]], ending: str, tmp_path: Path
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=ending)
    writer.writerow(["县代码", "县名", "说法", "年份", "收入"])
    writer.writerows([["622428", *row, "2350.5"] for row in rows])
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    table = read_table(write(tmp_path, mark + stream.getvalue().encode(encoding)))
    assert [row[1:4] for row in layouts.as_text(table.cells)] == rows


def test_a_break_inside_a_cell_does_not_shift_the_lines_after_it(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, '县名,"收入\n(元)"\n"漳\n县",1\n陇西县,2\n'))
    assert table.headings == ("县名", "收入 (元)")
    assert table.lines.tolist() == [3, 5]


def test_the_last_line_needs_no_line_break_at_its_end(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, '县名,收入\n"漳\n县",1\n陇西县,2\n通渭县,3'))
    assert table.lines.tolist() == [2, 4, 5]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_machine(ending: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path, ending.join(["表1", "县名,收入", "漳县,1", "", "陇西县,2", "注：a"])))
    assert table.lines.tolist() == [3, 5]
    assert table.notes == ("注：a",)


def test_a_county_without_any_value_is_no_footnote(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "县名,收入\n漳县,1\n陇西县,\n"))
    assert table.cells[0].tolist() == ["漳县", "陇西县"]
    table = read_table(write(tmp_path, "县名,收入\n漳县,1\n陇西县,\n注：a,b,c\n2.第二条\n"))
    assert table.cells[0].tolist() == ["漳县", "陇西县"]
    assert table.notes == ("注：a,b,c", "2.第二条")


def test_a_note_goes_on_in_the_lines_below_it(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "县名,收入\n漳县,1\n陇西县,\n注：本表为快报数，,\n年报数另行公布。,\n"))
    assert table.cells[0].tolist() == ["漳县", "陇西县"]
    assert table.step.left["footnote"] == (4, 5)


def test_a_line_of_words_alone_below_the_table_is_a_footnote(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "县名,收入\n漳县,1\n陇西县,2\n本表为快报数\n"))
    assert (table.notes, table.step.left["footnote"]) == (("本表为快报数",), (4,))


def test_a_comma_at_the_end_of_every_row_is_no_column(tmp_path: Path) -> None:
    for content in (
        "县名,收入,\n漳县,1,\n陇西县,2,\n",
        "县名,收入\n漳县,1,\n陇西县,2,\n",
        "县名,收入\n漳县,1\n陇西县,2,,\n通渭县,3\n",
    ):
        table = read_table(write(tmp_path, content))
        assert table.headings == ("县名", "收入")
        assert table.cells[1].tolist()[:2] == ["1", "2"]
        assert table.lines.tolist()[:2] == [2, 3]


def test_a_mended_row_keeps_its_place(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "县名,收入\na,1\nb,2,,,\nc,3\n\nd,4\n"))
    assert table.cells[0].tolist() == ["a", "b", "c", "d"]
    assert table.lines.tolist() == [2, 3, 4, 6]


def test_white_space_around_a_cell_goes_and_an_empty_cell_is_missing(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "县名,收入\n　漳县 , 1 \n陇西县,　\n"))
    assert table.cells[0].tolist() == ["漳县", "陇西县"]
    assert table.cells[1].isna().tolist() == [False, True]


def test_an_error_in_a_cell_is_not_a_blank(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for row in (["县名", "收入", "人口"], ["漳县", 1, 2], ["陇西县", "#N/A", "#REF!"]):
        page.append(row)
    book.save(tmp_path / "a.xlsx")
    assert layouts.as_text(read_table(tmp_path / "a.xlsx").cells)[1] == ("陇西县", "#N/A", "#REF!")


def test_a_blank_below_a_name_stays_blank_unless_the_cells_are_merged(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for row in (
        ["市", "县名", "收入"],
        ["定西市", "漳县", 1],
        [None, "陇西县", 2],
        ["天水市", "甘谷县", 3],
        [None, "武山县", 3],
        [None, "秦安县", None],
    ):
        page.append(row)
    page.merge_cells("A2:A3")
    page.merge_cells("C4:C5")
    book.save(tmp_path / "a.xlsx")
    assert [row[0] for row in layouts.as_text(read_table(tmp_path / "a.xlsx").cells)] == ["定西市", "定西市", "天水市", "", ""]


def test_dates_and_truths_of_a_sheet_are_text(tmp_path: Path) -> None:
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for row in (["县名", "日期", "是否", "收入"], ["漳县", datetime.date(2014, 7, 30), True, 0.1]):
        page.append(row)
    book.save(tmp_path / "a.xlsx")
    assert layouts.as_text(read_table(tmp_path / "a.xlsx").cells) == [("漳县", "2014-07-30", "1", "0.1")]


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = two_sheets(tmp_path)
    assert read_table(path, sheet="二").cells[0].tolist() == ["陇西县"]
    assert read_table(path, sheet="二").origin.sheet == "二"


def two_sheets(folder: Path) -> Path:
    with pd.ExcelWriter(folder / "a.xlsx") as book:
        for name, county in (("一", "漳县"), ("二", "陇西县")):
            pd.DataFrame({"县名": [county], "收入": [1]}).to_excel(book, sheet_name=name, index=False)
    return folder / "a.xlsx"


def test_labels_replace_numbers_only_where_most_numbers_have_one(tmp_path: Path) -> None:
    import pyreadstat

    frame = pd.DataFrame({"poor": [1.0, 2.0, 1.0], "income": [2350.5, 3000.0, -8.0]})
    labels: dict[str, dict[int | float, str]] = {"poor": {1: "是", 2: "否"}, "income": {-8: "不适用"}}
    pyreadstat.write_dta(frame, str(tmp_path / "a.dta"), variable_value_labels=labels)
    table = read_table(tmp_path / "a.dta")
    assert table.cells[0].tolist() == ["是", "否", "是"]
    assert table.cells[1].tolist() == [2350.5, 3000.0, -8.0]
    assert table.value_labels == {"income": {-8.0: "不适用"}}


def test_what_a_file_declares_missing_is_missing_and_counted(tmp_path: Path) -> None:
    import pyreadstat

    frame = pd.DataFrame({"county": ["a", "b", "c"], "income": [1.0, -8.0, -9.0]})
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"), missing_ranges={"income": [{"lo": -9, "hi": -8}]})
    table = read_table(tmp_path / "a.sav")
    assert np.isnan(table.cells[1].to_numpy()).tolist() == [False, True, True]
    assert table.user_missing == {"income": 2}


def test_extended_missing_values_of_stata_are_missing_and_counted(tmp_path: Path) -> None:
    import pyreadstat

    frame = pd.DataFrame({"county": ["x", "y", "z"], "income": [1.0, "a", "b"]})
    pyreadstat.write_dta(frame, str(tmp_path / "a.dta"), missing_user_values={"income": ["a", "b"]})
    table = read_table(tmp_path / "a.dta")
    assert table.cells[1].dtype == "float64"
    assert table.cells[1].isna().tolist() == [False, True, True]
    assert table.user_missing == {"income": 2}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_strings_of_old_stata_files_are_read_in_their_own_encoding(encoding: str, tmp_path: Path) -> None:
    hidden = ["漳县".encode(encoding).decode("latin-1"), "陇西县".encode(encoding).decode("latin-1")]
    pd.DataFrame({"county": hidden, "income": [1.5, 2.0]}).to_stata(tmp_path / "a.dta", version=114, write_index=False)
    assert read_table(tmp_path / "a.dta").cells[0].tolist() == ["漳县", "陇西县"]


def test_parquet_keeps_its_numbers_and_says_dates_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"县名": ["漳县", None], "收入": [2350.5, None], "年份": [2013, 2014], "日期": pd.to_datetime(["2014-07-30", None])}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert [str(kind) for kind in table.cells.dtypes] == ["str", "float64", "int64", "str"]
    assert table.cells[3].tolist()[0] == "2014-07-30"
    assert table.step.left == {}


# Planted faults: what is written, and the problem it must give.
FAULTS: dict[str, tuple[str, str | bytes]] = {
    "empty": ("EMPTY_FILE", b""),
    "only blank lines": ("EMPTY_FILE", "\n\n,,\n"),
    "header only": ("HEADER_ONLY", "县名,收入\n"),
    "ragged row": ("RAGGED_ROW", "县名,收入\n漳县,1\n陇西县,1,234\n通渭县,3\n"),
    "row cut short": ("RAGGED_ROW", "县名,年份,收入\n漳县,2013,1\n陇西县,2013\n通渭县,2013,3\n"),
    "last line cut to a number": ("RAGGED_ROW", "县代码,县名,收入\n622428,漳县,1\n621122,陇西县,2\n6211"),
    "more cells than headings": ("HEADER_WIDTH", "县名,收入\n1,漳县,1\n2,陇西县,2\n"),
    "more headings than cells": ("HEADER_WIDTH", "县名,年份,收入\n漳县,1\n陇西县,2\n"),
    "quote never closed": ("UNCLOSED_QUOTE", '县名,收入\n漳县,1\n"陇西县,2\n通渭县,3\n武山县,4\n'),
    "quote never closed in the last cell": ("UNCLOSED_QUOTE", '县名,收入\n漳县,1\n陇西县,"2\n通渭县,3\n武山县,4\n'),
    "neither UTF-8 nor GB18030": ("UNKNOWN_ENCODING", "县名,收入\n漳县,1\n".encode("gb18030") + b"\xff\xff,2\n"),
    "full-width commas": ("FULL_WIDTH_COMMA", "县名，收入\n漳县，1\n"),
    "no header": ("UNCLEAR_HEADER", "622428,漳县,2350.5\n621122,陇西县,3000\n"),
    "the same heading twice": ("DUPLICATE_HEADING", "县名,收入,收入\n漳县,1,2\n"),
    "binary": ("NOT_A_TABLE", bytes(range(1, 128)) * 3 + b"\0" * 40),
    "pdf": ("NOT_A_TABLE", b"%PDF-1.4 ..."),
    "page without a table": ("HTML_WITHOUT_TABLE", "<html><body>请登录</body></html>"),
    "XML of 2003": ("SPREADSHEET_ML", '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'),
    "broken gzip": ("DAMAGED_FILE", gzip.compress(b"a,b\n1,2\n" * 999)[:30]),
    "broken zip": ("DAMAGED_FILE", b"PK\x03\x04" + b"x" * 100),
    "broken xls": ("DAMAGED_FILE", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600),
    "encrypted xlsx": ("PASSWORD", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")),
    "broken Parquet": ("DAMAGED_FILE", b"PAR1" + b"x" * 100),
    "broken dta": ("DAMAGED_FILE", b"<stata_dta><header><release>118</release>"),
    "broken sav": ("DAMAGED_FILE", b"$FL2@(#) SPSS DATA FILE"),
}


@pytest.mark.parametrize("rows", [50, 20_000])
@pytest.mark.parametrize("mark_at", [0, 3])
def test_a_quotation_mark_behind_a_delimiter_that_is_none_opens_nothing(rows: int, mark_at: int, tmp_path: Path) -> None:
    lines = ["县名,备注,收入", *(f"县{i},x,{i}.5" for i in range(rows))]
    lines[mark_at] = lines[mark_at].replace(",", ',a;"', 1)
    table = read_table(write(tmp_path, "\n".join([*lines, "注：快报数。"]).encode()))
    assert table.cells.shape == (rows, 3) and len(table.notes) == 1


@pytest.mark.parametrize("rows", [50, 20_000, 500_000])
def test_the_line_where_a_quotation_mark_is_opened_is_told_in_files_of_any_size(rows: int, tmp_path: Path) -> None:
    lines = ["县名,备注,收入", *(f"县{i},x,{i}.5" for i in range(rows))]
    lines[10] = lines[10].replace(",", ',"', 1)
    found = problem(write(tmp_path, "\n".join(lines).encode()))
    assert (found.code, found.places[0].line) == ("UNCLOSED_QUOTE", 11)


def test_a_cell_may_be_as_long_as_a_book(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, ("县名,备注,收入\n" + f"漳县,{'长' * 150_000},1\n" + "陇西县,短,2\n" * 300).encode()))
    assert table.cells[1].str.len().max() == 150_000


def test_a_row_that_does_not_fit_is_not_repeated(tmp_path: Path) -> None:
    """It may hold names and numbers of persons in cells that were never looked at."""
    found = problem(write(tmp_path, "县名,收入\n漳县,1\n陇西县,甲某,510811190001010012,234\n通渭县,3\n".encode()))
    assert (found.code, found.facts["expected"], found.facts["found"]) == ("RAGGED_ROW", 2, "4")
    assert [(place.line, place.value) for place in found.places] == [(3, None)]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_has_its_own_problem(fault: str, tmp_path: Path) -> None:
    code, content = FAULTS[fault]
    assert problem(write(tmp_path, content)).code == code


def test_a_cut_off_xlsx_is_damaged(tmp_path: Path) -> None:
    layouts.plain_xlsx(tmp_path / "a.xlsx")
    content = (tmp_path / "a.xlsx").read_bytes()
    assert problem(write(tmp_path, content[: len(content) // 2], "b.xlsx")).code == "DAMAGED_FILE"


def test_an_xls_with_a_password_says_so(tmp_path: Path) -> None:
    layouts.printed_xls(tmp_path / "a.xls")
    content = (tmp_path / "a.xls").read_bytes()
    # The record after the first one becomes the one that says "encrypted".
    second = content.index(b"\x09\x08\x10\x00\x00\x06\x05\x00") + 20
    assert problem(write(tmp_path, content[:second] + b"\x2f\x00" + content[second + 2 :], "b.xls")).code == "PASSWORD"


def test_sheets_are_asked_for_and_the_nearest_is_named(tmp_path: Path) -> None:
    path = two_sheets(tmp_path)
    assert problem(path).facts["sheets"] == "一, 二"
    assert problem(path).code == "WHICH_SHEET"
    assert problem(path, sheet="三").code == "UNKNOWN_SHEET"
    assert problem(write(tmp_path, "a,b\n1,2\n"), sheet="一").code == "NO_SHEETS_HERE"


def test_files_that_are_not_there_and_folders_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,2\n", "county_panel.csv")
    missing = problem(tmp_path / "county_panle.csv")
    assert (missing.code, missing.facts["nearest"]) == ("NO_SUCH_FILE", "county_panel.csv")
    assert problem(tmp_path / "elsewhere" / "a.csv").code == "NO_SUCH_FILE_AT_ALL"
    assert problem(tmp_path).code == "IS_A_FOLDER"


def test_the_line_of_the_first_bad_byte_is_named(tmp_path: Path) -> None:
    content = "县名,收入\n漳县,1\n".encode("gb18030") + b"\xff\xff,2\n"
    found = problem(write(tmp_path, content))
    assert (found.places[0].line, found.facts["encoding"]) == (3, "GB18030")


def test_an_encoding_that_is_said_must_exist_and_fit(tmp_path: Path) -> None:
    path = write(tmp_path, layouts.text().encode("gb18030"))
    assert read_table(path, encoding="gbk").cells[1].tolist()[0] == "漳县"
    assert problem(path, encoding="utf-8").code == "ENCODING_DOES_NOT_FIT"
    assert problem(path, encoding="gb18031").code == "NO_SUCH_ENCODING"


def test_ragged_rows_are_counted_and_named_by_their_lines(tmp_path: Path) -> None:
    rows = "".join(f"县{i},{i}\n" for i in range(8))
    found = problem(write(tmp_path, f"县名,收入\n{rows}坏,1,2\n{rows}坏,3,4\n{rows}"))
    assert (found.count, [place.line for place in found.places]) == (2, [10, 19])
    assert (found.facts["expected"], found.facts["found"]) == (2, "3")


@pytest.mark.parametrize("name", ["utf8.csv", "gb18030.csv", "printed.csv", "printed.xlsx", "plain.xlsx", "page.xls"])
def test_every_line_of_a_file_is_data_or_has_left_for_a_reason(name: str, tmp_path: Path) -> None:
    layouts.LAYOUTS[name](tmp_path / name)
    table = read_table(tmp_path / name)
    gone = [line for lines in table.step.left.values() for line in lines]
    assert sorted([*gone, *table.lines.tolist()]) == list(range(1, table.step.rows_in + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_where_the_blocks_of_reading_end_makes_no_difference(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = '漳县,"甲\n乙",2350\n㵲水县,,17**,\n\n县名,说法,收入\n'
    path = write(tmp_path, ("县名,说法,收入\n" + row * 60 + "注：甲,乙\n").encode(encoding))
    whole = read_table(path)
    monkeypatch.setattr("evalkit.intake.delimited.BLOCK", 150)
    monkeypatch.setattr("evalkit.intake.encoding.CHUNK", 7)
    pieces = read_table(path)
    assert pieces.cells.equals(whole.cells)
    assert (pieces.lines.tolist(), pieces.step) == (whole.lines.tolist(), whole.step)
    assert whole.lines.tolist() == [line for i in range(60) for line in (2 + 5 * i, 4 + 5 * i)]
    assert whole.notes == ("注：甲,乙",)


@pytest.mark.parametrize("start", range(150, 175))
def test_where_the_first_look_at_a_file_ends_makes_no_difference(
    start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "县名,说法,收入\n" + '漳县,"甲,乙",2350\n' * 40)
    whole = read_table(path)
    monkeypatch.setattr("evalkit.intake.delimited.START", start)
    assert read_table(path).cells.equals(whole.cells)
    assert read_table(path, header_lines=[1]).headings == whole.headings


def test_utf8_comes_before_gb18030_which_would_take_some_of_it_for_its_own(tmp_path: Path) -> None:
    # Six bytes that are two characters of UTF-8 and three of GB18030.
    table = read_table(write(tmp_path, "县名,收入\n漳县,1\n".encode()))
    assert (table.headings, table.origin.encoding) == (("县名", "收入"), "utf-8")
