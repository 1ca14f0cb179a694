"""Connections to SQLite: how they are opened, how statements run, what their errors mean."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy.dialects import sqlite

from tertulia.adapters.sql.statements import Compiled, Params, Row, Statement
from tertulia.kit.errors import TertuliaError
from tertulia.ports.store import StorageFullError, StoreUnavailableError
from tertulia.ports.store_admin import DatabaseCorruptError

DIALECT: Final = sqlite.dialect(paramstyle="named")
CACHE_KIB: Final = 8192
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024

_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",  # a commit is durable when it returns
    "PRAGMA fullfsync = ON",  # macOS: through the drive's cache too
    "PRAGMA secure_delete = ON",  # what is erased is overwritten
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}",
)


def connect(path: Path, *, busy_timeout_s: float, writes: bool) -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time. The file must exist."""
    raw = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    for pragma in _PRAGMAS:
        raw.execute(pragma)
    if not writes:
        raw.execute("PRAGMA query_only = ON")
    return raw


class SqliteConnection:
    """Connection (statements.py) over sqlite3."""

    __slots__ = ("_compiled", "raw")

    def __init__(self, raw: sqlite3.Connection, compiled: Mapping[Statement, Compiled]) -> None:
        self.raw: Final = raw
        self._compiled = compiled

    def one(self, statement: Statement, params: Params) -> Row | None:
        return self._run(statement, params).fetchone()

    def all(self, statement: Statement, params: Params) -> list[Row]:
        return self._run(statement, params).fetchall()

    def run(self, statement: Statement, params: Params) -> int:
        return self._run(statement, params).rowcount

    def put(self, statement: Statement, params: Params) -> None:
        self._run(statement, params)

    def put_many(self, statement: Statement, rows: Sequence[Params]) -> None:
        self.raw.executemany(self._compiled[statement].sql, rows)

    def alone(self, name: str) -> None:
        """There is one writer: it is alone."""

    def among(self, name: str) -> None:
        """As `alone`."""

    def _run(self, statement: Statement, params: Params) -> sqlite3.Cursor:
        compiled = self._compiled[statement]
        given: Mapping[str, Any] = params
        if compiled.constants:
            given = {**compiled.constants, **params}
        return self.raw.execute(compiled.sql, given)


def translated(error: sqlite3.Error) -> TertuliaError:
    """What an error of SQLite means to whoever asked."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:
        code = sqlite3.SQLITE_FULL  # the index of the log could not grow
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StorageFullError()
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailableError("The database is locked by another process.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DatabaseCorruptError()
        case sqlite3.SQLITE_READONLY:
            return StoreUnavailableError("The database cannot be written: it is read-only.")
        case _:
            return StoreUnavailableError(f"The database failed ({error}).")
