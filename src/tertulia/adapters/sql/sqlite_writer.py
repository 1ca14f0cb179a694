"""The one thread that writes to SQLite, with group commit.

It takes everything that is pending into one transaction, a savepoint for each unit of work, and
resolves the callers' futures after the commit. A unit of work that fails is undone alone; when the
commit itself fails, none of its units has happened.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from tertulia.adapters.sql.sqlite_connection import translated
from tertulia.adapters.sql.timeline import Timeline
from tertulia.adapters.sql.unit import Unit
from tertulia.kit.crash_points import crash_point
from tertulia.ports.signals import Signals
from tertulia.ports.store import StorageFullError, StoreUnavailableError

MOST_PENDING: Final = 10_000
MOST_TOGETHER: Final = 512  # about 50 ms of work, so that nobody waits longer for the others

_LAST_TIME: Final = "SELECT last_us FROM clock WHERE id = 1"
_NOTE_TIME: Final = "UPDATE clock SET last_us = ? WHERE id = 1"


@dataclass(slots=True)
class Job:
    work: Callable[[Any], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():  # its caller was cancelled and has left
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns its connection. Opened and closed on the event loop's thread."""

    def __init__(
        self,
        raw: sqlite3.Connection,
        unit: Unit,
        signals: Signals,
        timeline: Timeline,
        most_pending: int,
    ) -> None:
        self._most_pending = most_pending
        self._raw = raw
        self._unit = unit
        self._signals = signals
        self._timeline = timeline
        self._loop = asyncio.get_running_loop()
        self._pending: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False
        self._unclean_log = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """A future for what `work` returns. A caller that leaves before its turn leaves nothing
        behind; one that leaves later cannot know: the work is then done whole, or not at all."""
        if self._closed:
            raise _closed()
        if self._pending.qsize() >= self._most_pending:
            msg = "Too many changes are waiting to be stored."
            raise StoreUnavailableError(msg)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._pending.put(Job(work, future))
        return future

    async def close(self) -> None:
        """Finish what is pending, then stop."""
        self._closed = True
        self._pending.put(None)
        await asyncio.to_thread(self._thread.join)
        self._raw.close()

    def _serve(self) -> None:
        jobs: list[Job] = []
        try:
            while jobs := self._take():
                self._commit(jobs)
                self._loop.call_soon_threadsafe(_resolve, jobs)
        finally:  # by a mistake of the store's own, perhaps: nobody may wait for ever
            self._loop.call_soon_threadsafe(self._refuse, jobs)

    def _refuse(self, jobs: list[Job]) -> None:
        """On the loop's thread, so that nothing is submitted meanwhile."""
        self._closed = True
        with suppress(Empty):
            while True:
                job = self._pending.get_nowait()
                jobs += [job] if job else []
        for job in jobs:
            job.error = _closed()
            job.resolve()

    def _take(self) -> list[Job]:
        """Everything pending, at least one job; none when the store is closed."""
        job = self._pending.get()
        jobs: list[Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == MOST_TOGETHER:
                return jobs
            try:
                job = self._pending.get_nowait()
            except Empty:
                return jobs
        if jobs:
            self._pending.put(None)
        return jobs

    def _commit(self, jobs: list[Job], *, first_try: bool = True) -> None:
        try:
            channels = self._transact(jobs)
        except sqlite3.Error as error:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            failure = translated(error)
            if first_try and isinstance(failure, StorageFullError):
                self._fold_log()
                for job in jobs:  # one by one: what does not fit must not hinder the others
                    self._commit([job], first_try=False)
                return
            for job in jobs:
                job.error = failure
            return
        if self._unclean_log and self._fold_log():
            self._unclean_log = False
        if channels:
            self._signals.publish(frozenset(channels))

    def _transact(self, jobs: list[Job]) -> set[str]:
        scope = self._unit.scope
        channels: set[str] = set()
        self._raw.execute("BEGIN IMMEDIATE")
        now_us: int = self._raw.execute(_LAST_TIME).fetchone()[0]
        changes = self._raw.total_changes
        for job in jobs:
            job.result = job.error = None
            if job.future.cancelled():
                continue
            now_us = self._timeline.advance(now_us)
            scope.start(now_us)
            self._attempt(job)
            if job.error is None:
                channels |= scope.channels
                self._unclean_log |= scope.erased
        if self._raw.total_changes > changes:  # else the disk has nothing to wait for
            self._raw.execute(_NOTE_TIME, (now_us,))
        crash_point("store.before_commit")
        self._raw.execute("COMMIT")
        crash_point("store.after_commit")
        return channels

    def _attempt(self, job: Job) -> None:
        self._raw.execute("SAVEPOINT work")
        try:
            job.result = job.work(self._unit)
            self._unit.scope.number_changes()
        except BaseException as error:
            if not self._raw.in_transaction:  # SQLite has undone the whole group
                raise error if isinstance(error, sqlite3.Error) else _UndoneError from error
            self._raw.execute("ROLLBACK TO work")
            job.error = _of_work(error)
        self._raw.execute("RELEASE work")

    def _fold_log(self) -> bool:
        """Move the log into the database and empty it: to make room on a full disk, and because
        the pages of what was erased are overwritten in the database, but not in the log. Not
        while somebody reads the log, and never waiting for that."""
        timeout_ms: int = self._raw.execute("PRAGMA busy_timeout").fetchone()[0]
        try:
            self._raw.execute("PRAGMA busy_timeout = 0")
            busy: int = self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:
            return False
        finally:
            self._raw.execute(f"PRAGMA busy_timeout = {timeout_ms}")
        return not busy


class _UndoneError(sqlite3.OperationalError):
    """a transaction was undone"""


def _of_work(error: BaseException) -> BaseException:
    """What the caller gets for an exception of its work."""
    if isinstance(error, sqlite3.Error):
        return translated(error)
    if isinstance(error, StopIteration):  # a future cannot hold one
        return RuntimeError("work raised StopIteration")
    return error


def _closed() -> StoreUnavailableError:
    return StoreUnavailableError("The store is closed.")


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        job.resolve()
