"""The writer: groups what is pending, and never lets anybody wait for ever."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.adapters.sql.sqlite_connection import SqliteConnection
from tertulia.adapters.sql.unit import Unit
from tertulia.ports.store import StoreUnavailableError, Tx
from tests.ports.stores import HandClock, NotedSignals, conversation


class BrokenSignals(NotedSignals):
    """A mistake behind the store."""

    def publish(self, channels: frozenset[str]) -> None:
        raise ValueError(channels)


async def test_what_is_pending_is_committed_together(tmp_path: Path) -> None:
    signals = NotedSignals()
    async with open_sqlite_store(tmp_path / "t.db", MemoryVault(), signals, HandClock()) as store:
        owner = (await store.write(lambda tx: tx.accounts.owner())).id
        hold, held = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait(_: Tx) -> None:
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(10)

        waiting = asyncio.create_task(store.write(wait))
        await held.wait()
        made = [conversation(owner) for _ in range(20)]
        writes = [
            asyncio.create_task(store.write(lambda tx, one=one: tx.conversations.create(one)))
            for one in made
        ]
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(waiting, *writes)
    assert signals.published == [frozenset({f"feed:{owner}"})], "told once: committed once"


async def test_work_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    async with open_sqlite_store(path, MemoryVault(), NotedSignals(), HandClock()) as store:
        await store.write(lambda tx: tx.accounts.owner())
        log = path.with_name("t.db-wal").read_bytes()
        taken = await store.write(
            lambda tx: tx.queue.take(["turns"], limit=1, lease=timedelta(seconds=30))
        )
        assert taken == []
        assert path.with_name("t.db-wal").read_bytes() == log


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_mistake_in_the_writer_refuses_all_who_wait_and_who_come(tmp_path: Path) -> None:
    async with open_sqlite_store(
        tmp_path / "t.db", MemoryVault(), BrokenSignals(), HandClock()
    ) as store:
        owner = (await store.write(lambda tx: tx.accounts.owner())).id
        results = await asyncio.gather(
            *(store.write(lambda tx: tx.conversations.create(conversation(owner))) for _ in "1234"),
            return_exceptions=True,
        )
        assert {type(result) for result in results} == {StoreUnavailableError}
        with pytest.raises(StoreUnavailableError, match="closed"):
            await store.write(lambda tx: tx.accounts.owner())


async def test_an_undone_transaction_fails_its_whole_group(tmp_path: Path) -> None:
    """SQLite may undo all on its own (here by force); then nobody was served, whoever hid it."""
    async with open_sqlite_store(
        tmp_path / "t.db", MemoryVault(), NotedSignals(), HandClock()
    ) as store:
        owner = (await store.write(lambda tx: tx.accounts.owner())).id

        def undo(tx: Tx) -> None:
            tx.conversations.create(conversation(owner))
            cast("SqliteConnection", cast("Unit", tx).scope.db).raw.execute("ROLLBACK")
            raise TimeoutError

        with pytest.raises(StoreUnavailableError):
            await store.write(undo)
        await store.write(lambda tx: tx.conversations.create(conversation(owner)))
    with closing(sqlite3.connect(tmp_path / "t.db")) as raw:
        assert raw.execute("SELECT count(*) FROM conversations").fetchone() == (1,)
