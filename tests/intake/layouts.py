"""One small table, written in every encoding, format and layout in which such a table arrives.

County codes are text, a name holds a character that GB18030 has and GBK has not, one cell is empty, one is masked.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

HEADINGS = ("县代码", "县名", "年份", "收入|工资性", "收入|经营性", "人口")
ROWS = (
    ("622428", "漳县", "2013", "1200.5", "800", "201000"),
    ("622428", "漳县", "2014", "1320.25", "17**", "201500"),
    ("090001", "㵲水县", "2013", "900", "", "88000"),
    ("090001", "㵲水县", "2014", "1010.75", "605.5", "88100"),
)
TITLE, UNIT, NOTE, SOURCE = "表3-5 各县（市、区）农村居民收入（2013—2014年）", "元", "注：17**为隐去的数字。", "资料来源：县统计局"
TOTAL = ("", "合  计", "2014", "2331", "", "289600")

# What reads the same as ROWS, once years side by side are put below each other.
WIDE_HEADINGS = ("县代码", "县名", *(f"{year}年{stem}" for year in (2013, 2014) for stem in ("收入|工资性", "收入|经营性", "人口")))
WIDE_ROWS = tuple((*a[:2], *a[3:], *b[3:]) for a, b in (ROWS[:2], ROWS[2:]))


def text(delimiter: str = ",", headings: tuple[str, ...] = HEADINGS, rows: tuple[tuple[str, ...], ...] = ROWS) -> str:
    return "".join(delimiter.join(row) + "\r\n" for row in (headings, *rows))


def delimited(encoding: str, delimiter: str = ",", mark: bytes = b"") -> Callable[[Path], None]:
    return lambda path: path.write_bytes(mark + text(delimiter).encode(encoding)) and None


def printed_text(path: Path) -> None:
    """A csv with a title, a unit, a header of two rows, the header of a second page, a total and notes."""
    head = ["县代码,县名,年份,收入,,人口", ",,,工资性,经营性,"]
    body = [",".join(row) for row in ROWS]
    lines = [TITLE, f",,,,,单位：{UNIT}", *head, *body[:2], "", "续表3-5", *head, *body[2:], ",".join(TOTAL), NOTE, SOURCE]
    path.write_bytes("\n".join(lines).encode("gb18030"))


def cell(value: str) -> object:
    """A number where a spreadsheet would hold one; codes and years too, as most bureaus have them."""
    if value.replace(".", "", 1).isdigit() and not value.startswith("0"):
        return float(value)
    return value or None


def plain_xlsx(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for row in (HEADINGS, *ROWS):
        page.append([cell(value) for value in row])
    book.create_sheet("空表")
    book.save(path)


def wide_xlsx(path: Path) -> None:
    """Years over the columns, as a merged group each."""
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    page.append(["县代码", "县名", "2013年", None, None, "2014年"])
    page.append([None, None, "收入", None, "人口", "收入", None, "人口"])
    page.append([None, None, "工资性", "经营性", None, "工资性", "经营性", None])
    for area in ("A1:A3", "B1:B3", "C1:E1", "F1:H1", "C2:D2", "F2:G2", "E2:E3", "H2:H3"):
        page.merge_cells(area)
    for row in WIDE_ROWS:
        page.append([cell(value) for value in row])
    book.save(path)


# Rows of a printed sheet, and its merged cells (first row, first column, last row, last column), counted from 0.
SHEET = (
    (TITLE,),
    ("", "", "", "", f"单位：{UNIT}", ""),
    ("县代码", "县名", "年份", "收入", "", "人口"),
    ("", "", "", "工资性", "经营性", ""),
    ROWS[0],
    ("", "", *ROWS[1][2:]),
    ROWS[2],
    ("", "", *ROWS[3][2:]),
    TOTAL,
    (NOTE,),
    (SOURCE,),
)
MERGED = (
    (0, 0, 0, 5),
    (1, 4, 1, 5),
    (2, 0, 3, 0),
    (2, 1, 3, 1),
    (2, 2, 3, 2),
    (2, 3, 2, 4),
    (2, 5, 3, 5),
    (4, 0, 5, 0),
    (4, 1, 5, 1),
    (6, 0, 7, 0),
    (6, 1, 7, 1),
    (9, 0, 9, 5),
)


def printed_xlsx(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    page.title = "3-5"
    for row in SHEET:
        page.append([cell(value) for value in row])
    for top, left, bottom, right in MERGED:
        page.merge_cells(start_row=top + 1, start_column=left + 1, end_row=bottom + 1, end_column=right + 1)
    book.save(path)


def printed_xls(path: Path) -> None:
    import xlwt

    book = xlwt.Workbook()
    page = book.add_sheet("3-5")
    covered = {(i, j) for a, b, c, d in MERGED for i in range(a, c + 1) for j in range(b, d + 1)}
    for top, left, bottom, right in MERGED:
        page.write_merge(top, bottom, left, right, cell(SHEET[top][left]))
    for i, row in enumerate(SHEET):
        for j, value in enumerate(row):
            if (i, j) not in covered and value:
                page.write(i, j, cell(value))
    book.save(str(path))


def printed_html(path: Path) -> None:
    """What a web system calls an xls: a page with rowspan and colspan."""
    spans = {(a, b): (c - a + 1, d - b + 1) for a, b, c, d in MERGED}
    covered = {(i, j) for a, b, c, d in MERGED for i in range(a, c + 1) for j in range(b, d + 1)} - set(spans)
    lines = []
    for i, row in enumerate(SHEET):
        cells = ""
        for j, value in enumerate([*row, *[""] * (6 - len(row))]):
            if (i, j) in covered:
                continue
            down, across = spans.get((i, j), (1, 1))
            cells += f'<td rowspan="{down}" colspan="{across}">{value}</td>'
        lines.append(f"<tr>{cells}</tr>")
    page = f'<html><head><meta charset="gb2312"></head><body><table>{"".join(lines)}</table></body></html>'
    path.write_bytes(page.encode("gb18030"))


def frame() -> pd.DataFrame:
    """The table as statistical packages hold it: numbers are numbers, the masked column is text."""
    columns = dict(zip(HEADINGS, map(list, zip(*ROWS, strict=True)), strict=True))
    made = pd.DataFrame(columns)
    for heading in ("年份", "收入|工资性", "人口"):
        made[heading] = made[heading].astype(float)
    return made


NAMES = ("code", "county", "year", "wage", "business", "people")


def dta(path: Path) -> None:
    import pyreadstat

    made = frame().set_axis(list(NAMES), axis=1)
    pyreadstat.write_dta(made, str(path), column_labels=dict(zip(NAMES, HEADINGS, strict=True)))


def sav(path: Path) -> None:
    import pyreadstat

    made = frame().set_axis(list(NAMES), axis=1)
    pyreadstat.write_sav(made, str(path), column_labels=dict(zip(NAMES, HEADINGS, strict=True)))


def parquet(path: Path) -> None:
    made = frame()
    made["收入|经营性"] = made["收入|经营性"].replace("", None)
    made.to_parquet(path)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "utf8.csv": delimited("utf-8"),
    "utf8_mark.csv": delimited("utf-8-sig"),
    "gb18030.csv": delimited("gb18030"),
    "utf16le.csv": delimited("utf-16-le", mark=b"\xff\xfe"),
    "utf16be.csv": delimited("utf-16-be", mark=b"\xfe\xff"),
    "utf16le_unmarked.txt": delimited("utf-16-le", "\t"),
    "gb18030.tsv": delimited("gb18030", "\t"),
    "semicolon.csv": delimited("utf-8", ";"),
    "bar.txt": delimited("gb18030", "|"),
    "zipped.csv.gz": lambda path: path.write_bytes(gzip.compress(text().encode("gb18030"))) and None,
    "printed.csv": printed_text,
    "plain.xlsx": plain_xlsx,
    "printed.xlsx": printed_xlsx,
    "printed.xls": printed_xls,
    "page.xls": printed_html,
    "table.dta": dta,
    "table.sav": sav,
    "table.parquet": parquet,
}
# "|" joins the rows of a header, so that a file split by bars cannot hold these headings in one row.
del LAYOUTS["bar.txt"]

WIDE: dict[str, Callable[[Path], None]] = {
    "wide.csv": lambda path: path.write_bytes(text(",", WIDE_HEADINGS, WIDE_ROWS).encode("gb18030")) and None,
    "wide.xlsx": wide_xlsx,
}


def as_text(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Cells as text, numbers without surplus decimals, missing ones as ""."""

    def one(value: object) -> str:
        if isinstance(value, str):
            return value
        number = float(value)  # type: ignore[arg-type]
        return "" if np.isnan(number) else f"{number:.10g}"

    return [tuple(one(value) for value in row) for row in frame.itertuples(index=False, name=None)]
