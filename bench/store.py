"""Durable messages a second through the store: encrypted, numbered in the feed, synced to disk."""

import asyncio
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_least
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.conversations import ASSISTANT, Conversation, Purpose
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Status
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.store import NewMessage, Store, Tx

WRITERS: Final = 64
SECONDS: Final = 6.0
TEXT: Final = "A message of usual length: " + "some words that say little, " * 6


def measure() -> list[Figure]:
    """One unit of work a message, 64 writers at once, each awaiting its commit."""
    place = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    try:
        per_s = asyncio.run(messages_per_s(place / "bench.db"))
        bare = commits_per_s(place / "bare.db")
    finally:
        shutil.rmtree(place)
    return [
        at_least(
            "durable messages through the store, 64 writers",
            per_s,
            "/s",
            5000,
            bare=f"{bare:,.0f} commits/s one by one",
            note="WAL, synchronous=FULL",
        )
    ]


async def messages_per_s(database: Path) -> float:
    clock = SystemClock()
    vault = MemoryVault()
    async with open_sqlite_store(database, vault, MemorySignals(), clock) as store:
        conversations = [await begin(store) for _ in range(WRITERS)]
        started = time.perf_counter()
        until = started + SECONDS
        counts = await asyncio.gather(*(write(store, cid, until) for cid in conversations))
        return sum(counts) / (time.perf_counter() - started)


async def begin(store: Store) -> ConversationId:
    def work(tx: Tx) -> ConversationId:
        conversation = Conversation(
            id=ConversationId(new_id()),
            owner_id=tx.accounts.owner().id,
            character_id=ASSISTANT.id,
            purpose=Purpose.CHAT,
            title=None,
            titled_by_user=False,
            model=None,
            leaf_id=None,
            pinned=False,
            archived=False,
            created_at=tx.now,
            updated_at=tx.now,
            revision=1,
        )
        return tx.conversations.create(conversation).id

    return await store.write(work)


async def write(store: Store, conversation_id: ConversationId, until: float) -> int:
    """How many messages were durable by then."""
    count = 0
    while time.perf_counter() < until:
        message = NewMessage(
            id=MessageId(new_id()),
            conversation_id=conversation_id,
            parent_id=None,
            author=Author.USER,
            status=Status.COMPLETE,
            text=TEXT,
        )
        await store.write(lambda tx, message=message: tx.messages.append(message))
        count += 1
    return count


def commits_per_s(database: Path) -> float:
    """A commit per row with the same durability: what this disk does without grouping."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute("create table rows (text)")
        started, count = time.perf_counter(), 0
        while time.perf_counter() < started + 1:
            connection.execute("insert into rows values (?)", (TEXT,))
            count += 1
        return count / (time.perf_counter() - started)
    finally:
        connection.close()
