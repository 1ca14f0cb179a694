"""The two ends of a copy: a SQLite file, or a database of PostgreSQL, that nobody serves."""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tertulia.adapters.sql import sqlite_connection
from tertulia.adapters.sql.identity import UNFINISHED
from tertulia.adapters.sql.migrate import is_current
from tertulia.adapters.sql.sqlite_connection import SqliteConnection, translated
from tertulia.adapters.sql.sqlite_open import check_ours, make_schema, revision
from tertulia.adapters.sql.statements import Connection, compile_all
from tertulia.adapters.sql.transfer import STATEMENTS, Side, about, mark_unfinished
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.store import StoreUnavailableError

if TYPE_CHECKING:
    from psycopg import Connection as Raw

    from tertulia.adapters.sql.postgres_connection import PostgresConnection


_RENUMBER: Final = b"""
SELECT setval(pg_get_serial_sequence('outbox', 'position'), coalesce(max(position), 0) + 1, false)
FROM outbox
"""


class SourceUnfitError(TertuliaError):
    """The source cannot be copied."""

    code = "source_unfit"
    kind = Kind.CONFLICT


class TargetTakenError(TertuliaError):
    """The target holds something already; name an empty one."""

    code = "target_taken"
    kind = Kind.CONFLICT


class SqliteSide:
    """Side over a file."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        compiled = compile_all(sqlite_connection.DIALECT, STATEMENTS)
        self.db: Final[Connection] = SqliteConnection(raw, compiled)

    @contextmanager
    def unit(self) -> Generator[None]:
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._raw.execute("ROLLBACK")
            raise
        self._raw.execute("COMMIT")

    def renumber(self) -> None:
        """SQLite goes on after the largest number by itself."""


class PostgresSide:
    """Side over a connection in pipeline mode."""

    def __init__(self, db: "PostgresConnection") -> None:
        self._db = db
        self.db: Final[Connection] = db

    @contextmanager
    def unit(self) -> Generator[None]:
        self._db.begin(writes=True)
        try:
            yield
        except BaseException:
            self._db.leave()
            raise
        self._db.commit()

    def renumber(self) -> None:
        """See the port."""
        self._db.ask(_RENUMBER)


@contextmanager
def open_source(url: str) -> Generator[Side]:
    """A whole database of this version that nobody serves, and nobody can serve meanwhile.
    SourceUnfitError says why not; else what opening it raises."""
    with _alone(url) as side:
        if UNFINISHED in about(side):
            msg = "The source is itself a copy that was not finished."
            raise SourceUnfitError(msg)
        yield side


@contextmanager
def open_target(url: str, source_id: str) -> Generator[Side]:
    """An empty database, made ready, or the unfinished copy of the same source. TargetTakenError
    for any other."""
    if url.startswith("sqlite"):
        _path(url).touch(mode=0o600)
    with _alone(url, make_for=source_id) as side:
        if about(side).get(UNFINISHED) != source_id:
            raise TargetTakenError
        yield side


def _alone(url: str, make_for: str | None = None) -> AbstractContextManager[Side]:
    return (_sqlite if url.startswith("sqlite") else _postgres)(url, make_for)


def _check_source(found: str | None) -> None:
    if found is None:
        msg = "The source is empty."
        raise SourceUnfitError(msg)
    if not is_current(found):
        msg = "The source is of an older version; start this one on it once."
        raise SourceUnfitError(msg)


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).expanduser().absolute()


@contextmanager
def _sqlite(url: str, make_for: str | None) -> Generator[Side]:
    path = _path(url)
    if not path.exists():
        msg = f"There is no database {path}."
        raise SourceUnfitError(msg)
    try:
        with closing(sqlite_connection.connect(path, busy_timeout_s=0, writes=True)) as raw:
            raw.execute("PRAGMA locking_mode = EXCLUSIVE")
            raw.execute("BEGIN EXCLUSIVE")
            raw.execute("ROLLBACK")
            check_ours(raw, path)
            side, found = SqliteSide(raw), revision(raw)
            if make_for is None:
                _check_source(found)
            elif found is None:
                make_schema(raw, lambda: mark_unfinished(side.db, make_for))
            yield side
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            msg = f"The database {path} is in use; stop what serves it."
            raise StoreUnavailableError(msg) from error
        raise translated(error) from error


@contextmanager
def _postgres(url: str, make_for: str | None) -> Generator[Side]:
    from tertulia.adapters.sql import postgres_errors
    from tertulia.adapters.sql.postgres_open import Patience, Place, own, revision, upgrade

    place = Place(url, Patience(answer_s=600))
    with closing(place.connect()) as raw:
        own(raw, place)
        found = revision(raw)
        if make_for is None:
            _check_source(found)
        elif found is None:
            upgrade(raw, lambda _: _mark(raw, make_for))
        try:
            yield PostgresSide(_piped(raw))
        except (postgres_errors.ConnectionLostError, postgres_errors.RefusedError) as error:
            raise postgres_errors.translated(error) from error


def _piped(raw: "Raw") -> "PostgresConnection":
    from tertulia.adapters.sql.postgres_connection import DIALECT, PostgresConnection

    db = PostgresConnection(raw.pgconn, compile_all(DIALECT, STATEMENTS), patience_s=600)
    db.prepare()
    return db


def _mark(raw: "Raw", source_id: str) -> None:
    raw.execute("INSERT INTO meta (name, value) VALUES (%s, %s)", [UNFINISHED, source_id])
