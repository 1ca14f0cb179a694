"""Stores to run the conformance suite on, and what its tests build with."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.adapters.sql.postgres_connection import DIALECT
from tertulia.adapters.sql.postgres_open import Patience, Place, prepare
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.adapters.sql.statements import compile_all
from tertulia.domain.conversations import ASSISTANT, Conversation, Purpose
from tertulia.domain.events import TurnRequested
from tertulia.domain.ids import ConversationId, MessageId, UserId
from tertulia.domain.messages import Author, Message, Status
from tertulia.kit.ids import new_id
from tertulia.ports.signals import Subscription
from tertulia.ports.store import MessageChange, NewMessage, Store, Tx
from tests.servers.postgresql import PostgreSQL

START = datetime(2030, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self._now = START
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_time(self, duration: timedelta) -> None:
        self._now += duration
        self._monotonic += duration.total_seconds()

    def set_wall(self, by: timedelta) -> None:
        """Somebody sets the wall clock; no time passes."""
        self._now += by


class NotedSignals:
    """Signals that only takes note of what was published."""

    def __init__(self) -> None:
        self.published: list[frozenset[str]] = []

    def publish(self, channels: frozenset[str]) -> None:
        self.published.append(channels)

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Subscription]:
        raise AssertionError(channels)

    def taken(self) -> set[str]:
        """Every channel since the last call."""
        channels = set[str]().union(*self.published)
        self.published.clear()
        return channels


@dataclass(frozen=True, kw_only=True)
class World:
    """A store and what surrounds it."""

    store: Store
    owner: UserId
    clock: HandClock
    signals: NotedSignals
    vault: MemoryVault
    reopened: Callable[[], AbstractAsyncContextManager[Store]] = field(repr=False)
    """A second store over the same database, as another process would have it."""
    writers: int = 1
    """How many units of work may change something at once."""

    async def conversation(self, owner: UserId | None = None) -> ConversationId:
        made = conversation(owner or self.owner)
        return (await self.store.write(lambda tx: tx.conversations.create(made))).id

    async def append(self, message: NewMessage) -> Message:
        return await self.store.write(lambda tx: tx.messages.append(message))

    async def reply(self, text: str = "", status: Status = Status.STREAMING) -> Message:
        """A reply in a conversation of its own."""
        cid = await self.conversation()
        return await self.append(message(cid, author=Author.ASSISTANT, status=status, text=text))

    async def get(self, of: Message) -> Message:
        found = await self.store.read(lambda tx: tx.messages.get(of.conversation_id, of.id))
        assert found is not None
        return found

    async def change(self, of: Message, change: MessageChange) -> Message:
        return await self.store.write(
            lambda tx: tx.messages.change(of.conversation_id, of.id, change)
        )

    async def checkpoint(self, of: Message, offset: int, text: str, epoch: int = 1) -> bool:
        return await self.store.write(
            lambda tx: tx.messages.checkpoint(
                of.conversation_id, of.id, epoch=epoch, offset=offset, text=text
            )
        )

    async def enqueue(self, key: str = "k", topic: str = "turns") -> str:
        return await self.store.write(lambda tx: tx.outbox.add(topic, key, turn_requested()))


@asynccontextmanager
async def on_sqlite(folder: Path) -> AsyncGenerator[World]:
    path, clock, signals, vault = folder / "t.db", HandClock(), NotedSignals(), MemoryVault()

    def reopened() -> AbstractAsyncContextManager[Store]:
        return open_sqlite_store(path, vault, NotedSignals(), clock)

    async with open_sqlite_store(path, vault, signals, clock) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
        yield World(
            store=store,
            owner=owner.id,
            clock=clock,
            signals=signals,
            vault=vault,
            reopened=reopened,
        )


WRITERS = 3
KEYRING = Keyring.fresh()


@cache
def template(server: PostgreSQL) -> str:
    """An empty database of Tertulia's, for others to be copied from."""
    name = f"template_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}")
    place = Place(server.url_of(name), Patience())
    prepare(place, MemoryVault(KEYRING), compile_all(DIALECT))
    return name


@contextmanager
def database(server: PostgreSQL) -> Generator[str]:
    """The URL of an empty database of Tertulia's; a vault over KEYRING has its key."""
    with server.database(template(server)) as url:
        yield url


@asynccontextmanager
async def on_postgres(server: PostgreSQL) -> AsyncGenerator[World]:
    clock, signals, vault = HandClock(), NotedSignals(), MemoryVault(KEYRING)

    with database(server) as url:

        def reopened() -> AbstractAsyncContextManager[Store]:
            return open_postgres_store(url, vault, NotedSignals(), clock)

        async with open_postgres_store(
            url, vault, signals, clock, writers=WRITERS, readers=2
        ) as store:
            owner = await store.write(lambda tx: tx.accounts.owner())
            yield World(
                store=store,
                owner=owner.id,
                clock=clock,
                signals=signals,
                vault=vault,
                reopened=reopened,
                writers=WRITERS,
            )


STORES: dict[str, tuple[Callable[[Any], AbstractAsyncContextManager[World]], str]] = {
    "sqlite": (on_sqlite, "tmp_path"),
    "postgresql": (on_postgres, "postgres"),
}
"""Every adapter of the port, and the fixture that it needs. What joins here must pass the whole
suite."""


def on_its_server(name: str, value: object) -> Any:
    """A parameter of a fixture, marked when it needs a server."""
    served = any(server in name for server in ("postgresql", "rabbitmq", "nats", "cassandra"))
    return pytest.param(value, id=name, marks=[pytest.mark.server] if served else [])


def conversation(owner: UserId, purpose: Purpose = Purpose.CHAT) -> Conversation:
    return Conversation(
        id=ConversationId(new_id()),
        owner_id=owner,
        character_id=ASSISTANT.id,
        purpose=purpose,
        title=None,
        titled_by_user=False,
        model=None,
        leaf_id=None,
        pinned=False,
        archived=False,
        created_at=START,
        updated_at=START,
        revision=0,
    )


def message(
    conversation_id: ConversationId,
    parent_id: MessageId | None = None,
    *,
    author: Author = Author.USER,
    status: Status = Status.COMPLETE,
    text: str = "hello",
) -> NewMessage:
    return NewMessage(
        id=MessageId(new_id()),
        conversation_id=conversation_id,
        parent_id=parent_id,
        author=author,
        status=status,
        text=text,
    )


def turn_requested() -> TurnRequested:
    return TurnRequested(
        conversation_id=ConversationId(new_id()),
        message_id=MessageId(new_id()),
        reply_id=MessageId(new_id()),
        epoch=1,
    )


def now(tx: Tx) -> datetime:
    return tx.now
