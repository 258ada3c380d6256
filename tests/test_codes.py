"""Tables of codes: which lines are remarks, on which line a row stands, and values by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.codes import lines_of, read_table, value

TABLE = "# a remark\nname,value,verified\n\nsee #3,1,yes\n# another remark\n甲,#2,no\n"


def test_only_lines_that_start_with_a_mark_are_remarks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    assert read_table(path).to_numpy().tolist() == [["see #3", "1", "yes"], ["甲", "#2", "no"]]


def test_rows_are_told_by_their_lines_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8")
    assert lines_of(path, 2) == [4, 6]
    path.write_text('name,value\n甲,"1\n2"\n', encoding="utf-8")
    assert lines_of(path, len(read_table(path))) == [2]


def test_a_name_without_a_value_is_told_with_the_nearest() -> None:
    assert float(value("disclosure", "minimum_households")) == 10
    with pytest.raises(KeyError, match="minimum_households"):
        value("disclosure", "minimum_household")
