"""The store over SQLite: one writer, a few readers, one file."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeVar, cast

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.identity import check_keys
from tertulia.adapters.sql.migrate import HEAD
from tertulia.adapters.sql.rewrap import count_unrewrapped, rewrap_some
from tertulia.adapters.sql.schema import metadata
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.sqlite_connection import DIALECT, SqliteConnection, connect, translated
from tertulia.adapters.sql.sqlite_open import CHECKED_AT_START_BYTES, prepare
from tertulia.adapters.sql.sqlite_writer import MOST_PENDING, Writer
from tertulia.adapters.sql.statements import Compiled, Statement, compile_all
from tertulia.adapters.sql.timeline import Timeline
from tertulia.adapters.sql.unit import Unit
from tertulia.kit.clock import Clock
from tertulia.kit.errors import TamperedError
from tertulia.ports.key_vault import KeyMissingError, KeyVault
from tertulia.ports.signals import Signals
from tertulia.ports.store import Tx

T = TypeVar("T")

READERS: Final = 2  # reading is mostly Python, which runs one thread at a time
BUSY_TIMEOUT_S: Final = 5.0


class Reader:
    """A read-only connection, used by one thread at a time."""

    def __init__(self, raw: sqlite3.Connection, unit: Unit, timeline: Timeline) -> None:
        self._raw = raw
        self._unit = unit
        self._timeline = timeline

    def run(self, work: Callable[[Tx], T]) -> T:
        self._unit.scope.start(self._timeline.peek())
        try:
            self._raw.execute("BEGIN")
            try:
                return work(cast("Tx", self._unit))
            finally:
                if self._raw.in_transaction:
                    self._raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY:
                msg = "work given to Store.read must not write"
                raise TypeError(msg) from error
            raise translated(error) from error

    def unit(self, work: Callable[[SqliteConnection, Scope], T]) -> T:
        connection = cast("SqliteConnection", self._unit.scope.db)
        return self.run(lambda _: work(connection, self._unit.scope))

    def close(self) -> None:
        self._raw.close()


class SqliteStore:
    """Store and StoreAdmin. Made by `open_sqlite_store`."""

    def __init__(
        self, path: Path, writer: Writer, inline: Reader, readers: Sequence[Reader]
    ) -> None:
        self._path = path
        self._writer = writer
        self._inline = inline
        self._pool = ThreadPoolExecutor(len(readers), thread_name_prefix="store-reader")
        self._idle: SimpleQueue[Reader] = SimpleQueue()
        for reader in readers:
            self._idle.put(reader)

    @property
    def revision(self) -> str:
        return HEAD

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self._writer.submit(work)

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        if brief:
            return self._inline.run(work)
        return await self._in_pool(lambda reader: reader.run(work))

    async def check(self) -> Sequence[str]:
        return await self._in_pool(lambda reader: reader.unit(_problems))

    async def counts(self) -> Mapping[str, int]:
        return await self._in_pool(lambda reader: reader.unit(_counts))

    async def rewrap(self, *, limit: int) -> int:
        return await self._writer.submit(lambda unit: rewrap_some(unit.scope, limit))

    async def copy(self, target: Path) -> int:
        await asyncio.to_thread(_copy, self._path, target)
        return 0

    async def close(self) -> None:
        await self._writer.close()
        self._inline.close()
        await asyncio.to_thread(self._pool.shutdown)
        while not self._idle.empty():
            self._idle.get().close()

    async def _in_pool(self, use: Callable[[Reader], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._with_idle, use)

    def _with_idle(self, use: Callable[[Reader], Any]) -> Any:
        reader = self._idle.get()
        try:
            return use(reader)
        finally:
            self._idle.put(reader)


def _problems(connection: SqliteConnection, scope: Scope) -> list[str]:
    try:
        rows = connection.raw.execute("PRAGMA integrity_check(100)").fetchall()
        damage = [f"The database is damaged: {row[0]}." for row in rows if row[0] != "ok"]
        if damage:
            return damage
        orphans = connection.raw.execute("PRAGMA foreign_key_check").fetchall()
        check_keys(connection, scope.keys)
    except sqlite3.DatabaseError as error:
        return [f"The database is damaged: {error}."]
    except (KeyMissingError, TamperedError) as error:
        return [error.message]
    return [f"A row of {row[0]} belongs to nothing." for row in orphans]


def _copy(path: Path, target: Path) -> None:
    try:
        with closing(connect(path, busy_timeout_s=BUSY_TIMEOUT_S, writes=True)) as raw:
            raw.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise translated(error) from error


def _counts(connection: SqliteConnection, scope: Scope) -> dict[str, int]:
    counts: dict[str, int] = {
        table: connection.raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  our own names
        for table in metadata.tables
    }
    return {**counts, "unrewrapped": count_unrewrapped(scope)}


@asynccontextmanager
async def open_sqlite_store(
    database: str | Path,
    vault: KeyVault,
    signals: Signals,
    clock: Clock,
    *,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    checked_bytes: int = CHECKED_AT_START_BYTES,
    most_pending: int = MOST_PENDING,
) -> AsyncGenerator[SqliteStore]:
    """Open the store in the file `database` (a path or `sqlite:///path`), made when there is none.

    StoreUnavailableError (and DatabaseCorruptError, DatabaseNewerError, DatabaseForeignError) and
    WrongKeyError say in one sentence why not. Files up to `checked_bytes` are looked through for
    damage first. While `most_pending` changes wait, more are refused. Closing finishes them.
    """
    path = Path(str(database).removeprefix("sqlite:///"))
    compiled = compile_all(DIALECT)

    def opened() -> sqlite3.Connection:
        return prepare(
            path, vault, compiled, busy_timeout_s=busy_timeout_s, checked_bytes=checked_bytes
        )

    raw = await asyncio.to_thread(opened)
    timeline = Timeline(clock)
    keys = DataKeys(vault)

    def reader() -> Reader:
        connection = connect(path, busy_timeout_s=busy_timeout_s, writes=False)
        unit = _unit(connection, compiled, keys, writes=False)
        return Reader(connection, unit, timeline)

    unit = _unit(raw, compiled, keys, writes=True)
    writer = Writer(raw, unit, signals, timeline, most_pending)
    store = SqliteStore(path, writer, reader(), [reader() for _ in range(READERS)])
    try:
        yield store
    finally:
        await store.close()


def _unit(
    raw: sqlite3.Connection,
    compiled: Mapping[Statement, Compiled],
    keys: DataKeys,
    *,
    writes: bool,
) -> Unit:
    return Unit(Scope(SqliteConnection(raw, compiled), keys, writes=writes))
