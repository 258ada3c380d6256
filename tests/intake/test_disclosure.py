"""Nothing personal leaves the house: results are searched. Every number here is made up."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from evalkit.intake.disclosure import Leak, inspect, refuse_leaks, scan
from evalkit.intake.observations import IntakeError
from evalkit.words import LANGUAGES, catalogue

ROOT = Path(__file__).parents[2]
ID, PHONE, CARD = "110101190001010006", "13800000000", "6200000000000000000"
LINES = f"户主一 {ID}，电话{PHONE}，卡号{CARD}。"


def workbook(text: str) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["说明", 1.5])
    book.active.append([text, 13])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def archive(members: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return target.getvalue()


def word(text: str) -> bytes:
    """Return a Word file whose text is torn into runs of three characters, as Word does after editing."""
    runs = "".join(
        f'<w:r><w:rPr><w:lang w:val="zh-CN"/></w:rPr><w:t xml:space="preserve">{text[i : i + 3]}</w:t></w:r>'
        for i in range(0, len(text), 3)
    )
    return archive({"word/document.xml": f"<w:document><w:body><w:p>{runs}</w:p></w:body></w:document>"})


def pdf(text: str, compress: bool) -> bytes:
    page = "".join(f"BT [({part[:4]}) -20 ({part[4:]})] TJ ET\n" for part in text.split()).encode("ascii")
    return b"%PDF-1.4\n1 0 obj\n<<>>\nstream\n" + (zlib.compress(page) if compress else page) + b"\nendstream\nendobj\n"


def parquet(text: str) -> bytes:
    target = io.BytesIO()
    pd.DataFrame({"note": [text, "x"]}).to_parquet(target)
    return target.getvalue()


def notebook(text: str) -> dict[str, object]:
    return {
        "cells": [
            {"cell_type": "code", "outputs": [{"data": {"text/plain": [text], "text/html": [f"<p>\n{text}</p>"]}}], "source": []}
        ]
    }


KINDS: dict[str, bytes] = {
    "page.html": f"<html><body><p>{LINES}</p></body></html>".encode(),
    "torn.html": f"<p><b>{ID[:6]}</b>{ID[6:]} {PHONE[:3]}<span class='x'>{PHONE[3:]}</span> {CARD[:4]}<i>{CARD[4:]}</i></p>".encode(),
    "attribute.html": f'<td title="{ID}" data-a="{PHONE}" data-b="{CARD}">1</td>'.encode(),
    "entities.html": ("<p>" + "".join(f"&#{ord(c)};" for c in LINES) + "</p>").encode(),
    "facts.json": json.dumps({"a": LINES}, ensure_ascii=False).encode(),
    "escaped.json": json.dumps({"a": "电话\n" + LINES}).encode(),
    "numbers.json": json.dumps({"a": int(ID), "b": int(PHONE), "c": int(CARD)}).encode(),
    "table.csv": f"a,b,c\n{ID},{PHONE},{CARD}\n".encode(),
    "gb.csv": f"编,注\n1,{LINES}\n".encode("gb18030"),
    "ragged.csv": f"标题\n1,2,3\n4,{LINES}\n".encode(),
    "utf16.txt": LINES.encode("utf-16"),
    "notes.md": LINES.encode(),
    "settings.toml": f'a = "{LINES}"'.encode(),
    "wide.txt": LINES.translate(str.maketrans("0123456789", "０１２３４５６７８９")).encode(),
    "table.csv.gz": gzip.compress(f"a;b\n{LINES};1\n".encode()),
    "book.xlsx": workbook(LINES),
    "letter.docx": word(LINES),
    "all.zip": archive({"inner/notes.txt": LINES}),
    "plain.pdf": pdf(f"{ID} {PHONE} {CARD}", compress=False),
    "packed.pdf": pdf(f"{ID} {PHONE} {CARD}", compress=True),
    "data.parquet": parquet(LINES),
    "run.ipynb": json.dumps(notebook(LINES)).encode(),
    "figure.svg": f"<svg><text>{ID[:10]}<tspan>{ID[10:]}</tspan> {PHONE} {CARD}</text></svg>".encode(),
}


@pytest.mark.parametrize("name", KINDS)
def test_planted_numbers_are_found_in_every_kind_of_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / name).write_bytes(KINDS[name])
    (tmp_path / "clean.txt").write_text("人均纯收入2350元")
    leaks = scan(tmp_path)
    assert {leak.what for leak in leaks} == {"id", "phone", "account"} and {leak.file for leak in leaks} == {f"tables/{name}"}
    assert all(number not in repr(leaks) for number in (ID, PHONE, CARD))


def test_the_name_of_a_file_is_searched_and_masked(tmp_path: Path) -> None:
    (tmp_path / f"{ID}.txt").write_text("x")
    assert scan(tmp_path) == (Leak("＊＊＊.txt", "id", 1),)


def test_a_table_with_a_column_of_names_is_found_by_its_heading(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("户主姓名,收入\n张某,1\n李某,2\n")
    assert scan(tmp_path) == (Leak("t.csv", "name", 2),)


def test_results_with_personal_data_are_refused_in_both_languages(tmp_path: Path) -> None:
    refuse_leaks(tmp_path)
    for number in range(7):
        (tmp_path / f"n{number}.txt").write_text(LINES)
    with pytest.raises(IntakeError, match=r"n0\.txt") as error:
        refuse_leaks(tmp_path)
    (problem,) = error.value.problems
    assert problem.code == "PERSONAL_DATA_IN_OUTPUT" and problem.count == 7
    for lang in LANGUAGES:
        said = error.value.say(lang)
        assert catalogue(lang).say("personal.id") in said and "n0.txt" in said and ID not in said and PHONE not in said


def test_ordinary_results_raise_no_alarm(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    floats = generator.normal(size=4000)
    base64 = "".join(generator.choice(list("ABCdef0123456789+/"), 5000))
    path = " ".join(f"L {a} {b} Q {a} {b} {b} {a}" for a, b in generator.integers(1000, 9999, (2000, 2)))
    (tmp_path / "a.json").write_text(json.dumps({"theta": floats.tolist(), "big": (1e11 * floats).tolist(), "seed": 2**63 - 1}))
    (tmp_path / "b.html").write_text(
        f'<svg><path d="M {path}"/></svg><img src="data:image/png;base64,{base64}138/13800000000/{base64}"/><td>13,812,345,678</td><td>13812345678元</td>'
    )
    (tmp_path / "c.ipynb").write_text(json.dumps({"image/png": "\n".join(base64[i : i + 76] for i in range(0, 5000, 76))}))
    households = "\n".join(f"5306021002{i:06d},6211251002{i:06d},530602100{i:03d},990526-01-{i:03d},{i}" for i in range(1000))
    (tmp_path / "d.csv").write_text("户编号,老编号,村,户,n\n" + households)
    (tmp_path / "e.md").write_text(
        "| 138 2345 6789 1234 | 0.13812345678 | e3b0c44298fc1c149afb13812345678f | 2016-12-31 12:30:00 |\n" + households
    )
    (tmp_path / "f.png").write_bytes(b"\x89PNG" + PHONE.encode())
    (tmp_path / "g.bin").write_bytes(b"\0\1\2" + PHONE.encode())
    (tmp_path / "h.xlsx").write_bytes(workbook("共2350元"))
    inspection = inspect(tmp_path)
    assert inspection.leaks == () and inspection.skipped == ("f.png", "g.bin") and inspection.searched == 6
    assert refuse_leaks(tmp_path).skipped_kinds == {"bin": 1, "png": 1}


@pytest.mark.parametrize("folder", ["notebooks", "data"])
def test_nothing_in_the_project_looks_personal(folder: str) -> None:
    assert scan(ROOT / folder) == ()


def test_a_page_of_five_megabytes_is_searched_in_less_than_a_second(tmp_path: Path) -> None:
    row = "<tr><td>甲县某乡某村</td><td>2350.25</td><td class='number'>-0.0123456789</td><td>530602001001</td></tr>\n"
    (tmp_path / "big.html").write_text(row * (5_000_000 // len(row)) + LINES)
    spent = []
    for _ in range(2):
        start = time.process_time()
        leaks = scan(tmp_path)
        spent.append(time.process_time() - start)
    assert len(leaks) == 3 and min(spent) < 1
