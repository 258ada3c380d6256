"""A query to a database instead of a file: the same table, with the fingerprint of what the query returned."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evalkit.intake.ledger import Step
from evalkit.intake.mapping import Database
from evalkit.intake.observations import IntakeError, Problem
from evalkit.intake.origin import Origin, Table
from evalkit.intake.personal_patterns import safe

if TYPE_CHECKING:
    from sqlalchemy import Engine

# States of SQL, as the standard numbers them: the user or the password is refused; there is no such database; no such table, column.
LOGIN = ("28000", "28P01")
NO_DATABASE = ("3D000",)
NO_NAME = ("42P01", "42703", "3F000")
SQLITE_MAGIC = b"SQLite format 3\0"


# Reading changes nothing, whatever the query says; of other kinds of database only a plain select is run, and never committed.
READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}


def read_query(database: Database) -> Table:
    """Return what a query returns as a table; every row of it is data.

    The address is ``url`` or stands in the environment variable ``url_variable``; it never reaches an output, since it may hold
    a password.

    Raises
    ------
    IntakeError
        Without SQLAlchemy or the driver, without an address, for a database that cannot be reached or does not let the user in, and
        for a query that it refuses or that returns nothing.
    """
    engine = _engine(_address(database))
    try:
        frame = _asked(engine, database.query)
    finally:
        engine.dispose()
    if frame.empty:
        raise IntakeError(Problem("QUERY_WITHOUT_ROWS", {"database": _name(engine)}))
    return _table(frame, engine, database.query)


def _address(database: Database) -> str:
    address = database.url or os.environ.get(database.url_variable)
    if not address:
        raise IntakeError(Problem("NO_DATABASE_ADDRESS", {"variable": database.url_variable}))
    return address


def _engine(address: str) -> Engine:
    """Return the engine for an address; what is wrong with one is never quoted, since it may hold a password."""
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ModuleNotFoundError:
        raise IntakeError(Problem("NO_DATABASE_LIBRARY")) from None
    try:
        engine = sqlalchemy.create_engine(address)
    except ModuleNotFoundError:
        kind = address.partition("://")[0]
        raise IntakeError(Problem("NO_DATABASE_DRIVER", {"kind": kind})) from None
    except (ArgumentError, NoSuchModuleError, ValueError):  # ValueError: a port that is no number
        raise IntakeError(Problem("DATABASE_ADDRESS")) from None
    if engine.url.get_backend_name() == "sqlite":
        _judge_file(engine.url.database)
    elif "@" in f"{engine.url.host}{engine.url.database}":  # a / in the password has cut it in two
        raise IntakeError(Problem("DATABASE_ADDRESS"))
    return engine


def _judge_file(file: str | None) -> None:
    """Refuse a file that is no SQLite database; SQLite itself makes a new one where there is none, and then misses the table."""
    if not file or file == ":memory:" or file.startswith("file:"):
        return
    path = Path(file)
    if not path.is_file():
        raise IntakeError(Problem("DATABASE_FILE_MISSING", {"file": path.name}))
    with path.open("rb") as stream:
        if stream.read(16) != SQLITE_MAGIC:
            raise IntakeError(Problem("NOT_A_DATABASE", {"file": path.name}))


def _asked(engine: Engine, query: str) -> pd.DataFrame:
    """Return the rows of a query."""
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    try:
        connection = engine.connect()
    except SQLAlchemyError as problem:
        raise IntakeError(_refusal(problem, engine, "DATABASE_UNREACHABLE")) from None
    except TypeError:  # the driver does not know an option that stands in the address behind ?
        raise IntakeError(Problem("DATABASE_ADDRESS")) from None
    with connection:
        try:
            if guard := READ_ONLY.get(engine.url.get_backend_name()):
                connection.exec_driver_sql(guard)
            elif not query.lstrip().lower().startswith("select"):
                raise IntakeError(Problem("QUERY_WITHOUT_TABLE", {"database": _name(engine)}))
            # Not by pandas, whose own error quotes the query and hides whether the server or the query was at fault.
            rows = connection.execute(sqlalchemy.text(query))
            if rows.returns_rows:
                return pd.DataFrame(rows.fetchall(), columns=list(rows.keys()))
        except SQLAlchemyError as problem:
            raise IntakeError(_refusal(problem, engine, "DATABASE_REFUSES")) from None
    raise IntakeError(Problem("QUERY_WITHOUT_TABLE", {"database": _name(engine)}))


def _refusal(problem: Exception, engine: Engine, otherwise: str) -> Problem:
    """Return what a database refused: the user, a name, or otherwise the connection or the query."""
    cause = getattr(problem, "orig", None) or problem
    told = cause.args[0] if cause.args else ""  # pg8000 tells a dict: C the state, M the message
    state = told.get("C") if isinstance(told, dict) else getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    reason = _first_line(told.get("M", "") if isinstance(told, dict) else told)
    if password := engine.url.password:
        reason = reason.replace(str(password), "…")
    missing = reason.startswith(("no such table", "no such column"))  # SQLite has no states
    holds = {
        "DATABASE_LOGIN": state in LOGIN,
        "DATABASE_ABSENT": state in NO_DATABASE,
        "DATABASE_NAME_MISSING": state in NO_NAME or missing,
    }
    code = next((code for code, held in holds.items() if held), otherwise)
    # The driver's own words name the host and the user; only what it says of a query is passed on.
    said = {"reason": safe(reason)} if code in ("DATABASE_NAME_MISSING", "DATABASE_REFUSES") else {}
    return Problem(code, {"database": _name(engine), **said})


def _table(frame: pd.DataFrame, engine: Engine, query: str) -> Table:
    headings = tuple(str(name) for name in frame.columns)
    cells = frame.set_axis(range(len(headings)), axis=1)
    cells = cells.astype({column: "str" for column in cells if not pd.api.types.is_numeric_dtype(cells[column])})
    digest = hashlib.sha256(query.encode())
    digest.update(pd.util.hash_pandas_object(cells, index=False).to_numpy().tobytes())
    origin = Origin(
        name=_name(engine), bytes=int(cells.memory_usage(index=False, deep=True).sum()), sha256=digest.hexdigest(), format="sql",
        encoding=None, delimiter=None, sheet=None, header_lines=(), data_lines=(1, len(frame)),
    )  # fmt: skip
    lines = np.arange(1, len(frame) + 1)
    return Table(
        headings=headings, cells=cells, lines=lines, units=(None,) * len(headings), origin=origin,
        step=Step("read", len(frame), len(frame)),
    )  # fmt: skip


def _name(engine: Engine) -> str:
    """Return the kind of database and its name: no host, no user, no password."""
    name = Path(str(engine.url.database or "")).name
    return f"{engine.url.get_backend_name()}: {name}" if name else engine.url.get_backend_name()


def _first_line(told: object) -> str:
    return " ".join(str(told).split())[:200].rstrip(".")
