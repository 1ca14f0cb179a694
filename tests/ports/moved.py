"""Stores whose texts lie in a history log, and logs for them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from tertulia.adapters.cassandra.history import open_cassandra
from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.adapters.memory.history import MemoryHistory
from tertulia.adapters.sql.moving import Database, MovingStore
from tertulia.kit.clock import SystemClock
from tertulia.ports.history import ChosenHistory, HistoryLog
from tertulia.ports.store import Store
from tests.ports.stores import World, on_postgres, on_sqlite
from tests.servers.postgresql import PostgreSQL

T = TypeVar("T")

AT_ONCE = ChosenHistory(move_after=timedelta(0), erase_after=timedelta(0))


def on_cassandra(url: str, **others: Any) -> AbstractAsyncContextManager[HistoryLog]:
    """`others`: what else the settings say."""
    return open_cassandra(MessagesSettings(url=SecretStr(url), **others), SystemClock())


def beside(store: Store, log: HistoryLog, chosen: ChosenHistory = AT_ONCE) -> MovingStore:
    """The same database, with a log."""
    return MovingStore(cast("Database", store), log, chosen)


class HastyStore:
    """A store that moves everything that may move as soon as anything is written."""

    def __init__(self, store: MovingStore) -> None:
        self._store = store
        self.read = store.read

    async def write(self, work: Callable[[Any], T]) -> T:
        done = await self._store.write(work)
        await self._store.move(limit=1000)
        return done


@asynccontextmanager
async def hasty(
    opening: AbstractAsyncContextManager[World], log: HistoryLog
) -> AsyncGenerator[World]:
    async with opening as world:

        @asynccontextmanager
        async def reopened() -> AsyncGenerator[Store]:
            async with world.reopened() as store:
                yield HastyStore(beside(store, log))

        store = HastyStore(beside(world.store, log))
        yield replace(world, store=store, reopened=reopened)


def on_sqlite_with_log(folder: Path) -> AbstractAsyncContextManager[World]:
    return hasty(on_sqlite(folder), MemoryHistory())


def on_postgres_with_log(server: PostgreSQL) -> AbstractAsyncContextManager[World]:
    return hasty(on_postgres(server), MemoryHistory())


@asynccontextmanager
async def on_sqlite_with_cassandra(needs: tuple[Path, str]) -> AsyncGenerator[World]:
    folder, url = needs
    async with on_cassandra(url) as log, hasty(on_sqlite(folder), log) as world:
        yield world


MOVED_STORES: dict[str, tuple[Callable[[Any], AbstractAsyncContextManager[World]], str]] = {
    "sqlite-and-log": (on_sqlite_with_log, "tmp_path"),
    "postgresql-and-log": (on_postgres_with_log, "postgres"),
    "sqlite-and-cassandra": (on_sqlite_with_cassandra, "folder_and_keyspace"),
}
"""For suites of what concerns messages."""
