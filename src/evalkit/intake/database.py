"""A query to a database instead of a file: the same table, with the fingerprint of what the query returned."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evalkit.intake.ledger import Step
from evalkit.intake.mapping import Database
from evalkit.intake.observations import IntakeError, Problem
from evalkit.intake.origin import Origin, Table

if TYPE_CHECKING:
    from sqlalchemy import Engine


def read_query(database: Database) -> Table:
    """Return what a query returns as a table; every row of it is data.

    The address is ``url`` or stands in the environment variable ``url_variable``; it never reaches an output, since it may hold
    a password.

    Raises
    ------
    IntakeError
        Without SQLAlchemy or the driver, without an address, for a database that cannot be reached, and for a query that it refuses
        or that returns nothing.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    except ModuleNotFoundError:
        raise IntakeError(Problem("NO_DATABASE_LIBRARY")) from None
    try:
        engine = sqlalchemy.create_engine(_address(database))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as problem:
        raise IntakeError(Problem("DATABASE_ADDRESS", {"reason": _first_line(problem)})) from None
    try:
        with engine.connect() as connection:
            frame = pd.read_sql_query(sqlalchemy.text(database.query), connection)
    except SQLAlchemyError as problem:
        cause = getattr(problem, "orig", None) or problem
        raise IntakeError(Problem("DATABASE_REFUSES", {"database": _name(engine), "reason": _first_line(cause)})) from None
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
    return f"{engine.url.get_backend_name()}: {str(engine.url.database or '').rsplit('/', 1)[-1]}"


def _first_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:200]
