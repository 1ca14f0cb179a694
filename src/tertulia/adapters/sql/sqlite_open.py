"""Opening a SQLite database: is it ours, is it sound, is its schema this version's?"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tertulia.adapters.sql.identity import check_identity, write_identity
from tertulia.adapters.sql.migrate import FLOOR_NAME, can_serve, migrate
from tertulia.adapters.sql.sqlite_connection import SqliteConnection, connect, translated
from tertulia.adapters.sql.statements import Compiled, Statement
from tertulia.kit.folders import sync_folder
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store import StoreUnavailableError
from tertulia.ports.store_admin import DatabaseCorruptError, DatabaseForeignError

APPLICATION_ID: Final = 0x54455254
"""`TERT` in the header tells our files from others."""

OLDEST_SQLITE: Final = (3, 35)  # RETURNING

CHECKED_AT_START_BYTES: Final = 64 * 1024 * 1024  # 45 ms
"""PRAGMA quick_check reads every page. Up to this size a start does it; `doctor` always does."""


def prepare(
    path: Path,
    vault: KeyVault,
    compiled: Mapping[Statement, Compiled],
    *,
    busy_timeout_s: float,
    checked_bytes: int,
) -> sqlite3.Connection:
    """The writer's connection to a database that is ours, sound, current and in WAL mode; a new
    file is made when there is none. StoreUnavailableError and what is derived from it, and
    WrongKeyError, in one sentence each."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        msg = f"SQLite 3.35 or later is needed; this Python brings {sqlite3.sqlite_version}."
        raise StoreUnavailableError(msg)
    try:
        _create(path)
        raw = connect(path, busy_timeout_s=busy_timeout_s, writes=True)
    except OSError as error:
        msg = f"The database {path} cannot be opened ({error.strerror})."
        raise StoreUnavailableError(msg) from None
    except sqlite3.Error as error:
        raise translated(error) from error
    try:
        _check(raw, path, checked_bytes)
        _upgrade(SqliteConnection(raw, compiled), vault)
    except sqlite3.Error as error:
        raw.close()
        raise translated(error) from error
    except BaseException:
        raw.close()
        raise
    return raw


def _create(path: Path) -> None:
    """For its owner alone, and durable before anything is said to be in it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    sync_folder(path.parent)


def _check(raw: sqlite3.Connection, path: Path, checked_bytes: int) -> None:
    check_ours(raw, path)
    if path.stat().st_size <= checked_bytes:
        problems = quick_check(raw)
        if problems:
            msg = f"The database {path} is damaged ({problems[0]}); restore a backup."
            raise DatabaseCorruptError(msg)


def check_ours(raw: sqlite3.Connection, path: Path) -> None:
    """DatabaseForeignError unless the file is Tertulia's, or empty."""
    identity: int = raw.execute("PRAGMA application_id").fetchone()[0]
    tables: int = raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if identity != APPLICATION_ID and (identity or tables):
        msg = f"The file {path} is not a database of Tertulia."
        raise DatabaseForeignError(msg)


def quick_check(raw: sqlite3.Connection) -> list[str]:
    rows: list[tuple[str]] = raw.execute("PRAGMA quick_check(10)").fetchall()
    return [problem for (problem,) in rows if problem != "ok"]


def revision(raw: sqlite3.Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    known = raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = known and raw.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def floor(raw: sqlite3.Connection) -> str | None:
    """What the schema says of older versions (migrate.FLOOR_NAME); None when it says nothing."""
    row = raw.execute("SELECT value FROM meta WHERE name = ?", [FLOOR_NAME]).fetchone()
    return row[0] if row else None


def _upgrade(db: SqliteConnection, vault: KeyVault) -> None:
    """Nothing but reading when the database needs no migration and is our key's."""
    db.raw.execute("PRAGMA journal_mode = WAL")
    if not can_serve(revision(db.raw), lambda: floor(db.raw)):
        make_schema(db.raw, lambda: write_identity(db, vault))
    check_identity(db, vault)


def make_schema(raw: sqlite3.Connection, identify: Callable[[], None]) -> None:
    """Bring the schema to this version; `identify` is called in the same transaction when there
    was none. All or nothing, a power cut included."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: raw, poolclass=sqlalchemy.StaticPool
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        # Another process may have done it while this one waited for the lock.
        before = revision(raw)
        if not can_serve(before, lambda: floor(raw)):
            migrate(connection)
        if before is None:
            raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            identify()
    engine.dispose(close=False)
