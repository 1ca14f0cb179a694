"""Moving to another database: everything or nothing, also when it is killed on the way."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

import psycopg
import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.adapters.sql.relocation import relocate
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.adapters.sql.transfer import CopyDiffersError
from tertulia.adapters.sql.transfer_sides import SourceUnfitError, TargetTakenError
from tertulia.domain.conversations import Conversation
from tertulia.domain.messages import Author, Message, Status
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import Store, StoreUnavailableError, Tx
from tertulia.ports.store_admin import DatabaseUnfinishedError, StoreAdmin
from tests.ports.stores import KEYRING, NotedSignals, conversation, message, turn_requested
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server

MESSAGES = 450  # some batches


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    vault = MemoryVault(KEYRING)
    if url.startswith("sqlite"):
        return open_sqlite_store(url, vault, NotedSignals(), SystemClock())
    return open_postgres_store(url, vault, NotedSignals(), SystemClock())


async def fill(url: str) -> None:
    """A row in every table, and more messages than go in one batch."""

    def work(tx: Tx) -> None:
        owner = tx.accounts.owner()
        made = tx.conversations.create(conversation(owner.id))
        for n in range(MESSAGES):
            tx.messages.append(message(made.id, text=f"words {n} ñ 漢 😀"))
        reply = message(made.id, author=Author.ASSISTANT, status=Status.STREAMING, text="")
        tx.messages.append(reply)
        tx.messages.checkpoint(made.id, reply.id, epoch=1, offset=0, text="so far")
        tx.outbox.add("turns", "k", turn_requested())
        tx.inbox.accept("consumer", "message")

    async with opened(url) as store:
        await store.write(work)


async def contents(url: str) -> tuple[list[Conversation], list[Message], Mapping[str, int]]:
    """All conversations, all messages of the first, how many rows there are."""

    def look(tx: Tx) -> tuple[list[Conversation], list[Message]]:
        owner = tx.accounts.owner()
        page = tx.conversations.page(owner.id, archived=False, after=None, limit=9)
        history = tx.messages.page(page[0].id, before=None, after=0, limit=MESSAGES * 2)
        return list(page), list(history)

    async with opened(url) as store:
        conversations, messages = await store.read(look)
        counts = await cast("StoreAdmin", store).counts()
        return conversations, messages, counts


@pytest.fixture
async def source(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'source.db'}"
    await fill(url)
    return url


def quiet(_table: str, _done: int, _total: int) -> None:
    pass


async def test_everything_comes_over_and_back(
    source: str, postgres: PostgreSQL, tmp_path: Path
) -> None:
    back = f"sqlite:///{tmp_path / 'back.db'}"
    with postgres.database() as url:
        relocate(source, url, on_progress=quiet)
        relocate(url, back, on_progress=quiet)
        assert await contents(source) == await contents(url) == await contents(back)
        async with opened(url) as store:  # numbers go on after those that came along
            await store.write(lambda tx: tx.outbox.add("turns", "k", turn_requested()))


async def test_a_copy_that_was_killed_is_not_served_and_goes_on(
    source: str, postgres: PostgreSQL
) -> None:
    program = """
import os, signal, sys
from tertulia.adapters.sql.relocation import relocate

def die(table, done, total):
    if table == sys.argv[3] and done:
        os.kill(os.getpid(), signal.SIGKILL)

relocate(sys.argv[1], sys.argv[2], on_progress=die)
"""
    with postgres.database() as url:
        for table in ("conversations", "messages", "feed"):
            killed = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, source, url, table
            )
            assert await killed.wait() == -signal.SIGKILL
            with pytest.raises(DatabaseUnfinishedError):
                await contents(url)
        relocate(source, url, on_progress=quiet)
        assert await contents(url) == await contents(source)


async def test_a_copy_that_differs_is_never_handed_over(source: str, postgres: PostgreSQL) -> None:
    def tamper() -> None:
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE messages SET body = body || 'x'::bytea WHERE seq = 7")

    with postgres.database() as url:
        with pytest.raises(CopyDiffersError, match="messages"):
            relocate(source, url, on_progress=quiet, on_check=tamper)
        with pytest.raises(DatabaseUnfinishedError):
            await contents(url)


async def test_neither_side_may_be_in_use(source: str, url: str, postgres: PostgreSQL) -> None:
    with postgres.database() as target:
        async with opened(source):
            with pytest.raises(StoreUnavailableError, match="in use"):
                relocate(source, target, on_progress=quiet)
        async with opened(url) as store:
            await store.read(lambda tx: tx.now)
            with pytest.raises(StoreUnavailableError, match="in use"):
                relocate(url, target, on_progress=quiet)


async def test_nobody_serves_what_is_being_copied(source: str, postgres: PostgreSQL) -> None:
    refused: list[BaseException | None] = []

    def look(table: str, done: int, _total: int) -> None:
        if (table, done) == ("messages", 0):
            with ThreadPoolExecutor(1) as thread:
                tries = [thread.submit(asyncio.run, contents(side)) for side in (source, url)]
                refused.extend(each.exception() for each in tries)

    with postgres.database() as url:
        relocate(source, url, on_progress=look)
    assert [type(error) for error in refused] == [StoreUnavailableError, DatabaseUnfinishedError]


async def test_what_is_not_empty_is_not_overwritten(source: str, url: str) -> None:
    with pytest.raises(TargetTakenError):
        relocate(source, url, on_progress=quiet)


def test_what_is_not_there_is_not_copied(tmp_path: Path, postgres: PostgreSQL) -> None:
    with postgres.database() as one, postgres.database() as two:
        with pytest.raises(SourceUnfitError):
            relocate(f"sqlite:///{tmp_path / 'none.db'}", one, on_progress=quiet)
        with pytest.raises(SourceUnfitError, match="empty"):
            relocate(one, two, on_progress=quiet)
