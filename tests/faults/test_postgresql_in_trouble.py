"""PostgreSQL that dies, restarts, or throws its clients out, under load: nothing that was
acknowledged is lost, nothing is done twice, and everybody goes on by himself."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.postgres import PostgresStore, open_postgres_store
from tertulia.adapters.sql.postgres_open import Patience, Place
from tertulia.adapters.sql.postgres_signals import open_postgres_signals
from tertulia.domain.ids import ConversationId, RequestId, UserId
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import RequestOutcome, StoreUnavailableError, Tx
from tests.ports.stores import KEYRING, NotedSignals, conversation, message
from tests.servers.fixtures import Private
from tests.servers.postgresql import DurablePostgreSQL, FollowedPostgreSQL, PostgreSQL, standby_of

pytestmark = pytest.mark.server

TALKERS = 8
EACH = 12
PATIENCE_S = 120  # only ends a test that would hang


@asynccontextmanager
async def store_on(url: str) -> AsyncGenerator[PostgresStore]:
    async with open_postgres_store(
        url, MemoryVault(KEYRING), NotedSignals(), SystemClock(), patience=Patience(connect_s=2)
    ) as store:
        yield store


@dataclass
class Load:
    """People who talk, each message under a request id, until the store has acknowledged it."""

    store: PostgresStore
    owner: UserId
    conversations: list[ConversationId]
    acknowledged: list[str] = field(default_factory=list[str])
    refused: int = 0
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    async def on(cls, store: PostgresStore) -> "Load":
        owner = await store.write(lambda tx: tx.accounts.owner())
        made = [
            await store.write(lambda tx: tx.conversations.create(conversation(owner.id)))
            for _ in range(TALKERS)
        ]
        return cls(store, owner.id, [one.id for one in made])

    async def run(self) -> None:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for cid in self.conversations:
                group.create_task(self._talk(cid))

    async def until(self, count: int) -> None:
        async with self._more:
            await self._more.wait_for(lambda: len(self.acknowledged) >= count)

    async def _talk(self, cid: ConversationId) -> None:
        for _ in range(EACH):
            request = RequestId(str(uuid4()))
            while True:
                try:
                    said = await self.store.write(self._say(cid, request))
                    break
                except StoreUnavailableError:
                    self.refused += 1
                    await asyncio.sleep(0.01)
            async with self._more:
                self.acknowledged.append(said)
                self._more.notify_all()

    def _say(self, cid: ConversationId, request: RequestId) -> Callable[[Tx], str]:
        def work(tx: Tx) -> str:
            known = tx.requests.outcome(self.owner, request, b"")
            if known is not None:
                assert known.message_id is not None
                return known.message_id
            made = tx.messages.append(message(cid))
            outcome = RequestOutcome(conversation_id=cid, message_id=made.id, reply_id=None)
            tx.requests.record(self.owner, request, b"", outcome)
            return made.id

        return work

    async def check(self) -> None:
        """Each acknowledged message is there once, and the feed has no gap."""

        def look(tx: Tx) -> tuple[list[str], list[int]]:
            found: list[str] = [
                m.id
                for cid in self.conversations
                for m in tx.messages.page(cid, before=None, after=None, limit=1000)
            ]
            page = tx.feed.read(self.owner, after=0, limit=10_000)
            return found, [change.seq for change in page.changes]

        found, numbers = await self.store.read(look)
        assert len(self.acknowledged) == TALKERS * EACH
        assert sorted(found) == sorted(self.acknowledged)
        assert numbers == list(range(1, TALKERS * (EACH + 1) + 1))


async def test_killed_again_and_again_it_loses_nothing(private: Private) -> None:
    server = private(DurablePostgreSQL)
    async with store_on(server.url) as store:
        load = await Load.on(store)
        running = asyncio.ensure_future(load.run())
        for count in (10, 40, 70):
            await load.until(count)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await running
        await load.check()


async def test_a_standby_takes_over_with_all_that_was_acknowledged(private: Private) -> None:
    primary = private(FollowedPostgreSQL)
    standby = private(standby_of(primary))
    async with store_on(
        f"postgresql://postgres@{primary.address},{standby.address}/postgres"
    ) as store:
        load = await Load.on(store)
        running = asyncio.ensure_future(load.run())
        await load.until(40)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.execute, "SELECT pg_promote()")
        await running
        await load.check()


async def test_clients_thrown_out_come_back_unnoticed(private: Private) -> None:
    """A lost connection is no error of anybody's: the unit of work is done again, or was done."""
    server = private(PostgreSQL)
    throw_out = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tertulia'"
    )
    async with store_on(server.url) as store:
        load = await Load.on(store)
        running = asyncio.ensure_future(load.run())
        for count in range(5, 90, 8):
            await load.until(count)
            await asyncio.to_thread(server.execute, throw_out)
        await running
        assert load.refused == 0
        await load.check()


async def test_while_it_is_away_everybody_is_told_at_once(private: Private) -> None:
    server = private(PostgreSQL)
    async with store_on(server.url) as store:
        await store.write(lambda tx: tx.accounts.owner())
        await asyncio.to_thread(server.stop)
        answers = await asyncio.gather(
            *(store.read(lambda tx: tx.now) for _ in range(50)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {StoreUnavailableError}
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(PATIENCE_S):
            while isinstance(await _outcome(store), StoreUnavailableError):
                pass


async def _outcome(store: PostgresStore) -> object:
    [outcome] = await asyncio.gather(store.read(lambda tx: tx.now), return_exceptions=True)
    return outcome


async def test_a_commit_that_nobody_answered_is_looked_up(private: Private) -> None:
    """The backend dies right after the commit, before it says so: the work is not done again."""
    server = private(PostgreSQL)
    runs = 0
    async with store_on(server.url) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
        made = conversation(owner.id)

        def work(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            tx.conversations.create(made)

        [session] = store._writers._idle[-1:]  # pyright: ignore[reportPrivateUsage]
        line, _ = session._open()  # pyright: ignore[reportPrivateUsage]
        commit = line.db.commit

        def commit_and_break() -> None:
            commit()
            line.close()
            commit()

        line.db.commit = commit_and_break  # type: ignore[method-assign]
        await store.write(work)
        assert runs == 1
        assert await store.read(lambda tx: tx.conversations.get(made.id)) is not None


async def test_signals_cross_processes_and_survive_a_restart(private: Private) -> None:
    server = private(PostgreSQL)
    place = Place(server.url, Patience())
    async with (
        asyncio.timeout(PATIENCE_S),
        open_postgres_signals(place, MemorySignals()) as one,
        open_postgres_signals(place, MemorySignals()) as two,
        one.subscribe("a") as hears,
        one.subscribe("b") as hears_not,
    ):
        await one.listening.wait()
        await hears.wait(0)
        await hears_not.wait(0)
        two.publish(frozenset({"a"}))
        assert await hears.wait()
        assert not await hears_not.wait(0)

        await asyncio.to_thread(server.kill)
        two.publish(frozenset({"a"}))
        await asyncio.to_thread(server.start)
        assert await hears.wait()  # whatever came meanwhile: look again
        await one.listening.wait()
        while not await hears.wait(0.05):
            two.publish(frozenset({"a"}))
