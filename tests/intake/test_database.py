"""A query instead of a file: the same panel, from SQLite and from PostgreSQL, and a password that is never repeated."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from evalkit.cli import app
from evalkit.intake import Received, receive, summarise
from evalkit.intake.mapping import Mapping
from evalkit.intake.observations import IntakeError, Problem
from evalkit.places import shared
from evalkit.words import catalogue

sqlalchemy = pytest.importorskip("sqlalchemy", reason="reading from a database needs SQLAlchemy (evalkit[sql])")

runner = CliRunner()
SECRET = "Tr0ub4dor"
TABLE = "县域收入"
HEADINGS = ("区划代码", "县名", "年份", "农村居民人均可支配收入", "户籍人口")
ROWS: tuple[tuple[Any, ...], ...] = (
    ("510811", "昭化区", 2014, 8000.5, 21.3),
    ("510811", "昭化区", 2015, 8800.25, None),
    ("510981", "射洪市", 2014, 9000.0, 98.2),
    ("510981", "射洪市", 2015, None, 98.0),
)


def database_file(path: Path) -> Path:
    """The table as an SQLite database with numeric, text and missing values."""
    with sqlite3.connect(path) as connection:
        columns = ", ".join(
            f'"{name}" {kind}' for name, kind in zip(HEADINGS, ("TEXT", "TEXT", "INTEGER", "REAL", "REAL"), strict=True)
        )
        connection.execute(f'CREATE TABLE "{TABLE}" ({columns})')
        connection.executemany(f'INSERT INTO "{TABLE}" VALUES (?, ?, ?, ?, ?)', ROWS)
    connection.close()
    return path


def csv_file(path: Path) -> Path:
    """The same table as csv."""
    lines = [",".join("" if value is None else str(value) for value in row) for row in ROWS]
    path.write_text("\n".join([",".join(HEADINGS), *lines]) + "\n", encoding="utf-8")
    return path


def queried(url: str | None, query: str = f'SELECT * FROM "{TABLE}"', **more: Any) -> Mapping:
    """A mapping that asks a database."""
    return Mapping.parse({"database": {"query": query} | ({"url": url} if url else {}), **more})


def refused(mapping: Mapping) -> Problem:
    """The one problem of a query, which can be said in both languages and never holds the password."""
    with pytest.raises(IntakeError) as caught:
        receive(None, mapping)
    (problem,) = caught.value.problems
    for lang in ("zh", "en"):
        said = problem.say(catalogue(lang))
        assert SECRET not in said and "{" not in said
    assert SECRET not in repr(problem) + repr(caught.value.__cause__) + repr(mapping)
    return problem


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{database_file(tmp_path / 'county.db')}"


def test_a_query_gives_the_same_panel_as_the_csv(sqlite: str, tmp_path: Path) -> None:
    from_query = receive(None, queried(sqlite))
    from_file = receive(csv_file(tmp_path / "county.csv"), Mapping())
    pd.testing.assert_frame_equal(from_query.frame, from_file.frame)
    assert from_query.units == from_file.units and from_query.kinds == from_file.kinds
    assert (from_query.ledger.rows_in, from_query.ledger.rows_out) == (4, 4)


def test_the_record_names_the_database_and_neither_its_folder_nor_its_address(sqlite: str, tmp_path: Path) -> None:
    record = summarise(receive(None, queried(sqlite)))
    assert (record.source.name, record.source.format) == ("sqlite: county.db", "sql")
    assert str(tmp_path) not in record.model_dump_json() and "sqlite:///" not in record.model_dump_json()


def test_the_fingerprint_follows_the_rows_and_the_query_and_nothing_else(sqlite: str, tmp_path: Path) -> None:
    first, again = (receive(None, queried(sqlite)).origin.sha256 for _ in range(2))
    fewer = receive(None, queried(sqlite, f'SELECT * FROM "{TABLE}" WHERE "年份" = 2014')).origin.sha256
    with sqlite3.connect(tmp_path / "county.db") as connection:
        connection.execute(f'UPDATE "{TABLE}" SET "户籍人口" = 22 WHERE "年份" = 2014')
    connection.close()
    changed = receive(None, queried(sqlite)).origin.sha256
    again_said = receive(None, queried(sqlite, f'SELECT * FROM "{TABLE}" WHERE 1 = 1')).origin.sha256
    assert first == again and len({first, fewer, changed, again_said}) == 4


def test_problems_of_the_values_name_the_row_of_the_result(sqlite: str) -> None:
    query = f'SELECT "区划代码", 20140 + "年份" - 2014 AS "年份", "户籍人口" FROM "{TABLE}" ORDER BY 1, 2'
    with pytest.raises(IntakeError) as caught:
        receive(None, queried(sqlite, query))
    (problem,) = caught.value.problems
    assert problem.code == "YEAR_OUT_OF_RANGE"
    assert [(place.line, place.value) for place in problem.places[:2]] == [(1, "20140"), (2, "20141")]


def test_personal_columns_of_a_query_are_taken_out_too(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "register.db") as connection:
        connection.execute('CREATE TABLE r ("户编号" TEXT, "户主姓名" TEXT, "年份" INTEGER, "家庭纯收入" REAL)')
        connection.executemany("INSERT INTO r VALUES (?, ?, ?, ?)", [("H1", "甲某一", 2014, 8000), ("H1", "甲某一", 2015, 8100)])
    connection.close()
    received = receive(None, queried(f"sqlite:///{tmp_path / 'register.db'}", "SELECT * FROM r", level="household", unit="hh_id"))
    assert "甲某一" not in received.frame.to_csv() + summarise(received).model_dump_json()
    assert [removal.heading for removal in received.removed] == ["户主姓名"]


# Where the database is


def write_mapping(folder: Path, database: dict[str, str], **more: Any) -> Path:
    path = folder / "intake.yml"
    path.write_text(yaml.safe_dump({"database": database, **more}, allow_unicode=True), encoding="utf-8")
    return path


def test_the_address_may_stand_in_an_environment_variable(sqlite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTY_DATABASE", sqlite)
    mapping = write_mapping(tmp_path, {"query": f'SELECT * FROM "{TABLE}"', "url_variable": "COUNTY_DATABASE"})
    assert len(receive(None, mapping).frame) == 4


def test_a_relative_file_lies_beside_the_mapping(sqlite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = write_mapping(tmp_path, {"query": f'SELECT * FROM "{TABLE}"', "url": "sqlite:///county.db"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(receive(None, mapping).frame) == 4


def test_no_address_names_the_variable_that_would_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALKIT_DATABASE", raising=False)
    problem = refused(queried(None))
    assert (problem.code, problem.facts["variable"]) == ("NO_DATABASE_ADDRESS", "EVALKIT_DATABASE")


def test_without_sqlalchemy_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert refused(queried("sqlite://")).code == "NO_DATABASE_LIBRARY"


# What can be wrong: the address, the query, and the problem it must give.
NOT_USABLE: dict[str, tuple[str, str]] = {
    "missing driver": (f"postgresql+psycopg2://u:{SECRET}@127.0.0.1/d", "NO_DATABASE_DRIVER"),
    "unknown kind": (f"postgres://u:{SECRET}@127.0.0.1/d", "DATABASE_ADDRESS"),
    "no address at all": (f"u:{SECRET}@127.0.0.1", "DATABASE_ADDRESS"),
    "port that is no number": (f"postgresql+pg8000://u:{SECRET}@127.0.0.1:54E2/d", "DATABASE_ADDRESS"),
    "password with marks of its own": (f"postgresql+pg8000://u:a@b/{SECRET}@127.0.0.1", "DATABASE_ADDRESS"),
    "server that is not there": (f"postgresql+pg8000://u:{SECRET}@127.0.0.1:1/d", "DATABASE_UNREACHABLE"),
    "host that is not there": (f"postgresql+pg8000://u:{SECRET}@database.invalid/d", "DATABASE_UNREACHABLE"),
    "option that the driver does not know": (f"postgresql+pg8000://u:{SECRET}@127.0.0.1:1/d?colour=red", "DATABASE_ADDRESS"),
}


@pytest.mark.parametrize("name", NOT_USABLE)
def test_a_database_that_cannot_be_used_says_why_without_the_password(name: str) -> None:
    url, code = NOT_USABLE[name]
    if "pg8000" in url:
        pytest.importorskip("pg8000", reason="PostgreSQL needs pg8000 (evalkit[sql])")
    problem = refused(queried(url))
    assert problem.code == code
    assert "127.0.0.1" not in str(dict(problem.facts))


QUERIES: dict[str, tuple[str, str, str]] = {
    "unknown table": ('SELECT * FROM "县域收人"', "DATABASE_NAME_MISSING", "县域收人"),
    "unknown column": (f'SELECT 收人 FROM "{TABLE}"', "DATABASE_NAME_MISSING", "收人"),
    "no rows": (f'SELECT * FROM "{TABLE}" WHERE "年份" > 2030', "QUERY_WITHOUT_ROWS", "county.db"),
    "slip of the pen": (f'SELCT * FROM "{TABLE}"', "DATABASE_REFUSES", "SELCT"),
    "a query that would change something": (f'DELETE FROM "{TABLE}"', "DATABASE_REFUSES", "read"),
    "nothing": ("", "QUERY_WITHOUT_TABLE", "county.db"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_gives_nothing_says_why(name: str, sqlite: str) -> None:
    query, code, fragment = QUERIES[name]
    problem = refused(queried(sqlite, query))
    assert problem.code == code
    assert all(fragment in problem.say(catalogue(lang)) for lang in ("zh", "en"))
    assert len(receive(None, queried(sqlite)).frame) == 4  # and nothing was deleted


def test_a_missing_file_stays_missing_and_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    assert refused(queried(f"sqlite:///{tmp_path / 'conuty.db'}")).code == "DATABASE_FILE_MISSING"
    assert list(tmp_path.iterdir()) == []
    assert refused(queried(f"sqlite:///{csv_file(tmp_path / 'county.csv')}")).code == "NOT_A_DATABASE"


def test_all_problems_of_databases_are_told_apart() -> None:
    codes = {code for _, code in NOT_USABLE.values()} | {code for _, code, _ in QUERIES.values()}
    codes |= {
        "DATABASE_FILE_MISSING",
        "NOT_A_DATABASE",
        "NO_DATABASE_ADDRESS",
        "NO_DATABASE_LIBRARY",
        "DATABASE_LOGIN",
        "DATABASE_ABSENT",
    }
    for lang in ("zh", "en"):
        assert len({catalogue(lang).sentences[f"problem.{code}"] for code in codes}) == len(codes)


@pytest.mark.parametrize(
    "text",
    [
        f"database: postgresql+pg8000://u:{SECRET}@h/d\n",
        f"database: {{url: 'postgresql+pg8000://u:{SECRET}@h/d', qurey: SELECT 1}}\n",
        f"database: {{url: 'postgresql+pg8000://u:{SECRET}@h/d, query: SELECT 1}}\n",
        f"database: {{url: [postgresql+pg8000, '{SECRET}'], query: SELECT 1}}\n",
        f"database: {{url: 'postgresql+pg8000://u:{SECRET}@h/d', query: 5}}\n",
    ],
)
def test_a_slip_in_the_mapping_does_not_repeat_the_password(text: str, tmp_path: Path) -> None:
    (tmp_path / "intake.yml").write_text(text, encoding="utf-8")
    result = runner.invoke(app, ["intake", str(tmp_path / "intake.yml"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "intake.yml" in result.output and SECRET not in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_mapping_never_writes_its_address_down() -> None:
    mapping = queried(f"postgresql+pg8000://u:{SECRET}@h/d")
    assert SECRET not in mapping.model_dump_json() + repr(mapping) + str(mapping)


def test_a_file_mapping_without_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "intake.yml").write_text("level: county\n")
    result = runner.invoke(app, ["intake", str(tmp_path / "intake.yml"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "--data" in result.output and "没有给出数据文件" in result.output


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


MERGED = {"history": str(shared("data", "demo", "county_history.csv")), "to_year": 2022}
RULE = {"income_pc": "mean by pop_registered", "pop_registered": "sum"}


def merging(years: range) -> str:
    """A query without a table: two counties of the simulated province that become one in 2018."""
    rows = [
        (code, year, 8000 + 10 * year, people)
        for year in years
        for code, people in ([("990428", 20), ("990429", 30)] if year < 2018 else [("990441", 50)])
    ]
    names = ("区划代码", "年份", "农村居民人均可支配收入", "户籍人口")
    listed = ", ".join(f"('{code}', {year}, {income}, {people})" for code, year, income, people in rows)
    return f"SELECT {', '.join(f'column{k} AS {name}' for k, name in enumerate(names, 1))} FROM (VALUES {listed}) AS t"


@pytest.mark.slow
def test_intake_of_a_database_needs_no_data_file(sqlite: str, tmp_path: Path) -> None:
    mapping = write_mapping(tmp_path, {"query": f'SELECT * FROM "{TABLE}"', "url": "sqlite:///county.db"})
    result = runner.invoke(app, ["intake", str(mapping), "--lang", "zh", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "out").iterdir()
    assert {"data.zh.html", "panel.csv", "manifest.json", "data_intake.ipynb"} <= {path.name for path in folder.iterdir()}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert "sqlite: county.db" in manifest["inputs"] and "url" not in manifest["mapping"]["database"]
    assert b"sqlite:///" not in written(folder)


# PostgreSQL, where there is one

ADDRESS = os.environ.get("EVALKIT_POSTGRES")
postgres = pytest.mark.skipif(not ADDRESS, reason="no PostgreSQL: its address is not in the environment variable EVALKIT_POSTGRES")
TYPES = ("text", "varchar(40)", "date", "numeric(12, 2)", "double precision", "boolean", "integer", "timestamp", "text")
MORE = ("是否建档立卡", "贫困人口", "上报时间", "备注")


@pytest.fixture(scope="module")
def server() -> Any:
    """The address of a PostgreSQL server that holds the table; the table goes when the tests are over."""
    engine = sqlalchemy.create_engine(ADDRESS)
    names = (*HEADINGS, *MORE)
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, TYPES, strict=True))
    rows = [
        dict(
            zip(
                "abcdefghi",
                (code, name, f"{year}-12-31", income, people, year > 2014, people and int(people * 100), None, None),
                strict=True,
            )
        )
        for code, name, year, income, people in ROWS
    ]
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f'DROP TABLE IF EXISTS "{TABLE}"'))
        connection.execute(sqlalchemy.text(f'CREATE TABLE "{TABLE}" ({columns})'))
        values = ", ".join(f"CAST(:{key} AS {kind})" for key, kind in zip("abcdefghi", TYPES, strict=True))
        connection.execute(sqlalchemy.text(f'INSERT INTO "{TABLE}" VALUES ({values})'), rows)
    yield ADDRESS
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f'DROP TABLE "{TABLE}"'))
    engine.dispose()


@postgres
def test_postgresql_gives_the_same_panel_as_the_csv(server: str, tmp_path: Path) -> None:
    wanted = ", ".join(f'"{name}"' for name in HEADINGS)
    from_query = receive(None, queried(server, f'SELECT {wanted} FROM "{TABLE}"'))
    from_file = receive(csv_file(tmp_path / "county.csv"), Mapping())
    pd.testing.assert_frame_equal(from_query.frame, from_file.frame)
    assert from_query.origin.name.startswith("postgresql: ")


def of_types(server: str) -> Received:
    columns = {"上报时间": {"name": "sent", "kind": "text"}, "备注": {"name": "note", "kind": "text"}}
    return receive(None, queried(server, columns=columns))


@postgres
def test_dates_truths_whole_numbers_and_nulls_come_as_what_they_are(server: str) -> None:
    frame = of_types(server).frame
    assert frame["year"].tolist() == [2014, 2015, 2014, 2015]
    assert frame["registered"].tolist() == [0, 1, 0, 1]
    assert frame["poor_n"].tolist()[0] == 2130 and frame["poor_n"].isna().tolist() == [False, True, False, False]
    assert frame["sent"].isna().all() and frame["note"].isna().all()


@postgres
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("password", SECRET, "DATABASE_LOGIN"), ("username", "nobody", "DATABASE_LOGIN"), ("database", "nowhere", "DATABASE_ABSENT")],
)
def test_postgresql_says_whether_the_user_or_the_database_is_wrong(old: str, new: str, code: str, server: str) -> None:
    url = sqlalchemy.make_url(server).set(**{old: new}).render_as_string(hide_password=False)
    problem = refused(queried(url))
    assert problem.code == code
    assert str(sqlalchemy.make_url(server).password) not in repr(problem)


@postgres
@pytest.mark.parametrize("name", [name for name in QUERIES if name != "nothing"])
def test_postgresql_says_why_a_query_gives_nothing(name: str, server: str) -> None:
    query, code, _ = QUERIES[name]
    query = query.replace("> 2030", "> '2030-01-01'").replace("收人 FROM", '"收人" FROM')
    problem = refused(queried(server, query))
    assert problem.code == code
    assert len(of_types(server).frame) == 4


@postgres
def test_the_password_is_left_out_of_what_the_server_says(server: str) -> None:
    password = str(sqlalchemy.make_url(server).password)
    problem = refused(queried(server, f'SELECT "{password}"'))
    assert problem.code == "DATABASE_NAME_MISSING" and password not in repr(problem)


@postgres
@pytest.mark.slow
def test_the_password_reaches_no_output(server: str, tmp_path: Path) -> None:
    password = str(sqlalchemy.make_url(server).password)
    database = {"query": merging(range(2015, 2021)), "url": server}
    mapping = write_mapping(tmp_path, database, counties={**MERGED, "rule": RULE})
    result = runner.invoke(app, ["intake", str(mapping), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert password not in result.output and password.encode() not in written(tmp_path / "out")


CHANGES = (
    "drop table income",
    "delete from income",
    "delete from income returning *",
    "insert into income select * from income",
    "with one as (select 1) delete from income",
    "alter table income add column more int",
    "pragma user_version = 7",
)


@pytest.mark.parametrize("query", CHANGES)
def test_a_query_cannot_change_the_database(query: str, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "a.db"
    with sqlite3.connect(path) as database:
        database.execute("create table income (county_code text, year int, income_pc real)")
        database.execute("insert into income values ('510811', 2014, 8000)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(IntakeError):
        receive(None, Mapping.parse({"database": {"url": f"sqlite:///{path}", "query": query}}))
    assert path.read_bytes() == before
