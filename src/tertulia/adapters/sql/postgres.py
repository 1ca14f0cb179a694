"""The store over PostgreSQL: two bounded pools of threads, a connection each."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.migrate import HEAD
from tertulia.adapters.sql.postgres_care import copy, counts, problems
from tertulia.adapters.sql.postgres_connection import DIALECT
from tertulia.adapters.sql.postgres_open import Backoff, Patience, Place, prepare
from tertulia.adapters.sql.postgres_session import Session, SharedTimeline
from tertulia.adapters.sql.rewrap import rewrap_some
from tertulia.adapters.sql.statements import compile_all
from tertulia.kit.clock import Clock
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.signals import Signals
from tertulia.ports.store import StoreUnavailableError, Tx

T = TypeVar("T")

MOST_PENDING: Final = 10_000
WRITERS: Final = 8
READERS: Final = 4


class Pool:
    """Sessions, each used by one thread at a time; the one used last is used first, so that what
    is not needed is never opened."""

    def __init__(self, sessions: Sequence[Session], name: str, most_pending: int) -> None:
        self._threads = ThreadPoolExecutor(len(sessions), thread_name_prefix=name)
        self._idle = list(sessions)
        self._most_pending = most_pending
        self._lock = threading.Lock()
        self._pending = 0
        self._closed = False

    async def run(self, use: Callable[[Session], T]) -> T:
        """A caller that leaves before its turn leaves nothing behind."""
        if self._closed:
            msg = "The store is closed."
            raise StoreUnavailableError(msg)
        if self._pending >= self._most_pending:
            msg = "Too many changes are waiting to be stored."
            raise StoreUnavailableError(msg)
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._use, use)
        finally:
            self._pending -= 1

    async def close(self) -> None:
        """Finish what is pending, then stop."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for session in self._idle:
            session.close()

    def _use(self, use: Callable[[Session], Any]) -> Any:
        with self._lock:
            session = self._idle.pop()
        try:
            return use(session)
        except StopIteration as error:  # a future cannot hold one
            msg = "work raised StopIteration"
            raise RuntimeError(msg) from error
        finally:
            with self._lock:
                self._idle.append(session)


class PostgresStore:
    """Store and StoreAdmin. Made by `open_postgres_store`."""

    def __init__(
        self, place: Place, keys: DataKeys, writers: Pool, readers: Pool, signals: Signals
    ) -> None:
        self._place = place
        self._keys = keys
        self._writers = writers
        self._readers = readers
        self._signals = signals

    @property
    def revision(self) -> str:
        return HEAD

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self._writers.run(lambda session: self._written(session, work))

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        """`brief` or not, it is never run in the caller's thread: it waits for a network."""
        del brief
        return await self._readers.run(lambda session: session.read(work))

    async def check(self) -> Sequence[str]:
        return await self._readers.run(
            lambda session: session.read(lambda unit: problems(unit.scope))
        )

    async def counts(self) -> Mapping[str, int]:
        return await self._readers.run(
            lambda session: session.read(lambda unit: counts(unit.scope))
        )

    async def rewrap(self, *, limit: int) -> int:
        return await self._writers.run(
            lambda session: self._written(session, lambda unit: rewrap_some(unit.scope, limit))
        )

    async def copy(self, target: Path) -> int:
        await asyncio.to_thread(copy, self._place, target)
        return 0

    async def close(self) -> None:
        await self._writers.close()
        await self._readers.close()

    def _written(self, session: Session, work: Callable[[Any], T]) -> T:
        result, channels = session.write(work)
        if channels:
            self._signals.publish(channels)
        return result


@asynccontextmanager
async def open_postgres_store(
    url: str,
    vault: KeyVault,
    signals: Signals,
    clock: Clock,
    *,
    patience: Patience | None = None,
    writers: int = WRITERS,
    readers: int = READERS,
    most_pending: int = MOST_PENDING,
) -> AsyncGenerator[PostgresStore]:
    """Open the store in the database `url`, whose schema is made or upgraded when needed.

    Raises what `open_sqlite_store` raises. While `most_pending` changes wait, more are refused.
    Closing finishes them.
    """
    place = Place(url, patience or Patience())
    compiled = compile_all(DIALECT)
    await asyncio.to_thread(prepare, place, vault, compiled)
    keys = DataKeys(vault)
    timeline, backoff = SharedTimeline(clock), Backoff(clock.monotonic)

    def pool(count: int, name: str, *, writes: bool) -> Pool:
        sessions = [
            Session(place, compiled, keys, timeline, backoff, writes=writes) for _ in range(count)
        ]
        return Pool(sessions, name, most_pending)

    store = PostgresStore(
        place,
        keys,
        pool(writers, "store-writer", writes=True),
        pool(readers, "store-reader", writes=False),
        signals,
    )
    try:
        yield store
    finally:
        await store.close()
