"""The ledger of problems: counted as by hand, judged to the row, and without a person in anything it returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalkit.errors import ReportError
from evalkit.firm_records import NotTold
from evalkit.proportion import wilson
from evalkit.supervision.brief_records import Share
from evalkit.supervision.ledger import is_widespread, read_ledger, share_of

CLERK, OWNER = "赵文书", "钱主任"  # as in conftest.py
HEAD = (
    "problem_id,found_date,site_id,field,root_level,kind,text,evidence_id,verified_by,responsible,due,state,state_date,wave2_state"
)
Write = Callable[..., Path]
Line = Callable[..., str]


def part(count: int, of: int) -> Share:
    found = share_of(count, of)
    assert isinstance(found, Share)
    return found


def test_1607_of_1632_are_98_468_per_cent_and_25_are_open(ledger: Write, line: Line) -> None:
    rows = [line(n, state="已整改" if n < 1607 else "未整改", site_id=f"V{n % 28:02d}") for n in range(1632)]
    found = read_ledger(ledger(*rows))
    reported = found.reported
    assert isinstance(reported, Share)
    assert (reported.count, reported.of, found.fields[-1].open) == (1607, 1632, 25)
    assert [round(100 * value, 3) for value in (reported.share, reported.low, reported.high)] == [98.468, 97.748, 98.96]


def test_9_of_28_sites_are_32_per_cent_between_18_and_51() -> None:
    nine = part(9, 28)
    assert [round(100 * value) for value in (nine.share, nine.low, nine.high)] == [32, 18, 51]


@pytest.mark.parametrize(("count", "of"), [(0, 28), (9, 28), (28, 28), (1, 1), (1607, 1632)])
def test_the_interval_is_that_of_the_checks(count: int, of: int) -> None:
    assert (part(count, of).low, part(count, of).high) == pytest.approx(wilson(count, of), abs=1e-6)


def test_nothing_has_no_share() -> None:
    assert share_of(0, 0) == NotTold(reason="none")


def test_two_of_two_sites_are_single_cases_and_nine_of_28_are_widespread() -> None:
    assert not is_widespread(part(2, 2))
    assert not is_widespread(part(3, 28))
    assert is_widespread(part(9, 28))


def test_a_kind_counts_a_site_once_however_many_problems_it_has(ledger: Write, line: Line) -> None:
    rows = [line(n, site_id=f"V{n % 9:02d}") for n in range(30)] + [line(40, field="健康", site_id="V20")]
    found = read_ledger(ledger(*rows), sites=28)
    assert isinstance(found.prevalence, list)
    first, second = found.prevalence
    assert (first.field, first.kind, first.problems, first.seen.count, first.seen.of) == ("industry", "合同不清", 30, 9, 28)
    assert first.widespread
    assert (second.field, second.seen.count, second.widespread) == ("health", 1, False)
    assert found.gates.widespread == 30


def test_sites_without_a_problem_belong_to_the_whole_and_only_the_team_knows_them(ledger: Write, line: Line) -> None:
    found = read_ledger(ledger(*(line(n) for n in range(9))))
    assert found.prevalence == NotTold(reason="sites_unknown")
    assert (found.sites, found.of_sites, found.gates.widespread, found.gates.all_three) == (9, None, None, None)


def test_three_gates_each_stop_a_problem_of_their_own(ledger: Write, line: Line) -> None:
    rows = [line(n) for n in range(6)]
    rows += [line(6, evidence_id=""), line(7, verified_by=""), line(8, kind="别的")]
    gates = read_ledger(ledger(*rows), sites=10).gates
    assert (gates.traceable, gates.verified, gates.widespread, gates.all_three) == (8, 8, 8, 6)


def test_what_was_seen_again_is_told_from_what_is_reported(ledger: Write, line: Line) -> None:
    seen = {0: "已整改（复查属实）", 1: "已整改(复查属实)", 2: "已整改（复查不实）", 3: "整改中"}
    rows = [line(n, wave2_state=seen.get(n, "")) for n in range(8)]
    rows += [line(8, state="整改中", state_date=""), line(9, state="", state_date="", wave2_state="新发现")]
    found = read_ledger(ledger(*rows))
    assert (found.problems, found.new) == (9, 1)
    assert isinstance(found.reported, Share)
    assert isinstance(found.confirmed, Share)
    assert (found.reported.count, found.reported.of) == (8, 9)
    assert (found.confirmed.count, found.confirmed.of) == (2, 4)


def test_fields_add_up_to_all(ledger: Write, line: Line) -> None:
    fields = ["健康", "教育", "产业", "居住条件", "资金统筹", "其他"]
    states = ["已整改", "整改中", "未整改"]
    found = read_ledger(ledger(*(line(n, field=fields[n % 6], state=states[n % 3]) for n in range(24))))
    *rows, every = found.fields
    assert [row.field for row in rows] == ["health", "education", "industry", "housing", "funds", "other"]
    for name in ("problems", "rectified", "in_progress", "open"):
        assert sum(getattr(row, name) for row in rows) == getattr(every, name)


def test_the_order_of_rows_and_the_kind_of_file_say_nothing(ledger: Write, line: Line, tmp_path: Path) -> None:
    rows = [line(n, state=["已整改", "未整改"][n % 2], field=["健康", "产业"][n % 2]) for n in range(12)]
    first = read_ledger(ledger(*rows), sites=20)
    turned = read_ledger(ledger(*reversed(rows), name="turned.csv", encoding="gb18030"), sites=20)
    sheet = tmp_path / "ledger.xlsx"
    pd.read_csv(tmp_path / "ledger.csv", dtype=str, keep_default_na=False).to_excel(sheet, index=False)
    book = read_ledger(sheet, sites=20)
    same = {"sha256"}
    assert first.model_dump(exclude=same) == turned.model_dump(exclude=same) == book.model_dump(exclude=same)


def test_nobody_is_named(ledger: Write, line: Line) -> None:
    rows = [line(n, kind="户主电话13800000000") for n in range(5)]
    told = read_ledger(ledger(*rows), sites=5).model_dump_json()
    assert CLERK not in told
    assert OWNER not in told
    assert "13800000000" not in told


def test_columns_that_a_ledger_does_not_know_are_counted(ledger: Write, line: Line) -> None:
    assert read_ledger(ledger(line(1) + ",x,y", head=HEAD + ",户主,备注")).columns_ignored == 2


BAD: list[tuple[list[dict[str, str]], str]] = [
    (
        [{}, {"state": "基本完成"}],
        r"state in row 3 \('基本完成'\) is unknown. Allowed: 已整改, 整改中, 未整改, in_progress, open, rectified",
    ),
    ([{"field": "交通"}], r"field in row 2 \('交通'\) is unknown. Allowed: 健康, 教育, 产业"),
    ([{"wave2_state": "好了"}], r"wave2_state in row 2 .*已整改\(复查属实\)"),
    ([{"root_level": "镇里"}], "root_level in row 2 .*户, 村, 乡"),
    ([{"problem_id": "P1"}, {"problem_id": "P1"}], r"problem_id in row 2 \('P1'\), row 3 \('P1'\) stands twice"),
    ([{"problem_id": ""}], "problem_id in row 2 is empty"),
    ([{}, {"site_id": ""}], "site_id in row 3 is empty"),
    ([{"kind": ""}], "kind in row 2 is empty: give every problem .* its kind"),
    ([{"kind": "李小明克扣补贴", "responsible": "李小明"}], "kind in row 2 names somebody who is responsible or verified"),
    ([{"found_date": "去年"}], r"found_date in row 2 \('去年'\) is no date"),
    ([{"found_date": "2018-02-30"}], "found_date in row 2"),
    ([{"state_date": "2018-01-01"}], "state_date in row 2 .* lies before found_date"),
    ([{"state": ""}], "state in row 2 is unknown"),
    ([{"state": "x"} for _ in range(7)], "and 2 more is unknown"),
]


@pytest.mark.parametrize(("changes", "told"), BAD, ids=[told[:24] for _, told in BAD])
def test_a_cell_that_cannot_be_read_is_named_with_its_row(
    ledger: Write, line: Line, changes: list[dict[str, str]], told: str
) -> None:
    with pytest.raises(ReportError, match=told):
        read_ledger(ledger(*(line(n, **change) for n, change in enumerate(changes))))


def test_a_blank_line_moves_no_row(ledger: Write, line: Line) -> None:
    with pytest.raises(ReportError, match=r"state in row 4 \('x'\)"):
        read_ledger(ledger(line(1), "," * 13, line(2, state="x")))


def test_other_ways_to_write_a_date_are_dates(ledger: Write, line: Line) -> None:
    rows = [line(n, found_date=day) for n, day in enumerate(("2018/3/5", "2018年3月5日", "2018.03.05", "2018-03-05 00:00:00"))]
    assert read_ledger(ledger(*rows)).problems == 4


def test_a_file_that_is_no_ledger_is_refused(ledger: Write, line: Line, tmp_path: Path) -> None:
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path / "none.csv", {}, "There is no ledger none.csv"),
        (ledger(line(1), name="ledger.docx"), {}, "neither csv nor xlsx"),
        (ledger(head=HEAD), {}, "holds no problem"),
        (ledger("1,2", head="problem_id,status", name="b.csv"), {}, r"lacks the columns found_date, .* A ledger has problem_id"),
        (ledger(line(1), head=HEAD.replace("site_id", "site_no"), name="e.csv"), {}, r"site_id \(is it 'site_no'\?\)"),
        (ledger(line(1), line(2), name="c.csv"), {"sites": 1}, "names 2 sites, more than the 1 visited"),
        (ledger(line(1), name="d.xlsx"), {}, "cannot be read as a table"),
    ]
    for path, options, told in refused:
        with pytest.raises(ReportError, match=told):
            read_ledger(path, **options)


def test_a_column_that_stands_twice_is_told_whatever_pandas_calls_it(ledger: Write, line: Line, tmp_path: Path) -> None:
    lines = ledger(line(1)).read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "twice.csv").write_text(f"{lines[0]},kind\n{lines[1]},other\n", encoding="utf-8")
    with pytest.raises(ReportError, match="has the columns kind twice"):
        read_ledger(tmp_path / "twice.csv")


def test_a_refusal_of_a_cell_does_not_repeat_an_identity_number(ledger: Write, line: Line) -> None:
    with pytest.raises(ReportError, match="field in row 2") as refused:
        read_ledger(ledger(line(1, field="11010519491231002X")))
    assert "11010519491231002X" not in str(refused.value)
