"""What SQLite's single writer gives for nothing, several processes keep on one database too."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar, cast

import pytest

from tertulia.adapters.sql.postgres import PostgresStore
from tertulia.adapters.sql.postgres_connection import PostgresConnection
from tertulia.adapters.sql.statements import Row
from tertulia.adapters.sql.unit import Unit
from tertulia.domain.conversations import Conversation, Purpose
from tertulia.domain.ids import ConversationId, MessageId, RequestId, UserId
from tertulia.domain.messages import Author, Message, Status
from tertulia.ports.store import (
    Credential,
    MessageChange,
    QueuedMessage,
    RequestOutcome,
    StaleEpochError,
    Store,
    Tx,
)
from tests.ports.stores import conversation, message, turn_requested
from tests.postgresql.conftest import Crowd

pytestmark = pytest.mark.server

T = TypeVar("T")
LEASE = timedelta(seconds=30)


async def by_all(crowd: Crowd, work: Callable[[Tx], T], times: int = 8) -> list[T]:
    """The same work many times at once, by all stores in turn."""
    stores = [crowd.stores[n % len(crowd.stores)] for n in range(times * len(crowd.stores))]
    return await asyncio.gather(*(store.write(work) for store in stores))


async def a_conversation(crowd: Crowd, owner: UserId | None = None) -> ConversationId:
    made = conversation(owner or crowd.owner)
    return (await crowd.stores[0].write(lambda tx: tx.conversations.create(made))).id


async def test_a_feed_is_numbered_without_gaps(crowd: Crowd) -> None:
    conversations = [await a_conversation(crowd) for _ in range(4)]

    async def talk(store: Store, cid: ConversationId) -> None:
        for _ in range(10):
            await store.write(lambda tx: tx.messages.append(message(cid)))

    await asyncio.gather(*(talk(s, cid) for s in crowd.stores for cid in conversations))
    page = await crowd.stores[0].read(lambda tx: tx.feed.read(crowd.owner, after=0, limit=1000))
    assert [change.seq for change in page.changes] == list(range(1, 4 + 3 * 4 * 10 + 1))


async def test_messages_are_numbered_without_gaps(crowd: Crowd) -> None:
    cid = await a_conversation(crowd)
    made = await by_all(crowd, lambda tx: tx.messages.append(message(cid)))
    assert sorted(m.seq for m in made) == list(range(1, len(made) + 1))


async def test_a_feed_is_never_read_with_a_hole(crowd: Crowd) -> None:
    """Whoever has read up to N never finds a change at or below N later."""
    cid = await a_conversation(crowd)
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 61:
            page = await crowd.stores[1].read(
                lambda tx: tx.feed.read(crowd.owner, after=len(seen), limit=100)
            )
            seen.extend(change.seq for change in page.changes)

    async def talk(store: Store) -> None:
        for _ in range(20):
            await store.write(lambda tx: tx.messages.append(message(cid)))

    async with asyncio.timeout(60):
        await asyncio.gather(follow(), *(talk(store) for store in crowd.stores))
    assert seen == list(range(1, 62))


async def test_one_request_at_once_in_many_places_is_one_request(crowd: Crowd) -> None:
    cid = await a_conversation(crowd)
    request = RequestId("11111111-1111-4111-8111-111111111111")

    def ask(tx: Tx) -> MessageId | None:
        known = tx.requests.outcome(crowd.owner, request, b"body")
        if known is not None:
            return known.message_id
        made = tx.messages.append(message(cid))
        outcome = RequestOutcome(conversation_id=cid, message_id=made.id, reply_id=None)
        tx.requests.record(crowd.owner, request, b"body", outcome)
        return made.id

    assert len(set(await by_all(crowd, ask))) == 1
    page = await crowd.stores[0].read(
        lambda tx: tx.messages.page(cid, before=None, after=None, limit=10)
    )
    assert len(page) == 1


async def test_a_conversation_of_a_purpose_is_made_once(crowd: Crowd) -> None:
    def find_or_make(tx: Tx) -> Conversation:
        found = tx.conversations.of_purpose(crowd.owner, Purpose.SIMPLE)
        return found or tx.conversations.create(conversation(crowd.owner, Purpose.SIMPLE))

    assert len({made.id for made in await by_all(crowd, find_or_make)}) == 1


async def test_what_is_got_stays_as_it_is(crowd: Crowd) -> None:
    """Each adds to what it found: nobody's change is overwritten."""
    cid = await a_conversation(crowd)

    def add_a_letter(tx: Tx) -> None:
        found = tx.conversations.get(cid)
        assert found is not None
        tx.conversations.change(replace(found, title=(found.title or "") + "x"))

    changes = await by_all(crowd, add_a_letter)
    found = await crowd.stores[0].read(lambda tx: tx.conversations.get(cid))
    assert found is not None
    assert found.title == "x" * len(changes)


async def test_an_inbox_accepts_a_message_once(crowd: Crowd) -> None:
    accepted = await by_all(crowd, lambda tx: tx.inbox.accept("consumer", "message"))
    assert sum(accepted) == 1


async def test_a_link_signs_in_once(crowd: Crowd) -> None:
    link = Credential(
        id="link",
        kind="link",
        user_id=crowd.owner,
        name="link",
        created_at=(await crowd.stores[0].read(lambda tx: tx.now)),
        expires_at=None,
        last_used_at=None,
    )
    await crowd.stores[0].write(lambda tx: tx.credentials.add(link, b"digest"))
    used = await by_all(crowd, lambda tx: tx.credentials.consume("link", b"digest"))
    assert len([one for one in used if one is not None]) == 1


async def test_one_attempt_at_a_reply_wins(crowd: Crowd) -> None:
    cid = await a_conversation(crowd)
    reply = message(cid, author=Author.ASSISTANT, status=Status.QUEUED, text="")
    await crowd.stores[0].write(lambda tx: tx.messages.append(reply))

    def claim(tx: Tx) -> bool:
        change = MessageChange(epoch=1, next_epoch=2, status=Status.STREAMING)
        try:
            tx.messages.change(cid, reply.id, change)
        except StaleEpochError:
            return False
        return True

    assert sum(await by_all(crowd, claim)) == 1


async def test_no_checkpoint_of_an_attempt_that_has_ended_gets_in(crowd: Crowd) -> None:
    """Writers and one who ends the attempt race: the next attempt begins with what was saved."""
    one, two, three = crowd.stores
    cid = await a_conversation(crowd)
    for _ in range(15):
        new = message(cid, author=Author.ASSISTANT, status=Status.STREAMING, text="")
        reply = await one.write(lambda tx, new=new: tx.messages.append(new))
        *saved, next_attempt = await asyncio.gather(
            one.write(_checkpoint(reply)),
            three.write(_checkpoint(reply)),
            two.write(_end(reply)),
            return_exceptions=True,
        )
        assert isinstance(next_attempt, Message)
        found = await one.read(lambda tx, reply=reply: tx.messages.get(cid, reply.id))
        assert found is not None
        assert found.text == next_attempt.text == ("a" if False in saved else "")


def _checkpoint(reply: Message) -> Callable[[Tx], bool]:
    return lambda tx: tx.messages.checkpoint(
        reply.conversation_id, reply.id, epoch=1, offset=0, text="a"
    )


def _end(reply: Message) -> Callable[[Tx], Message]:
    change = MessageChange(epoch=1, next_epoch=2, status=Status.QUEUED)
    return lambda tx: tx.messages.change(reply.conversation_id, reply.id, change)


async def test_erasing_beside_writing_leaves_nothing(crowd: Crowd) -> None:
    one, two, three = crowd.stores
    for _ in range(10):
        cid = await a_conversation(crowd)
        new = message(cid, author=Author.ASSISTANT, status=Status.STREAMING, text="")
        reply = await one.write(lambda tx, new=new: tx.messages.append(new))
        await asyncio.gather(
            one.write(_checkpoint(reply)),
            two.write(lambda tx, cid=cid: tx.messages.append(message(cid))),
            three.write(lambda tx, cid=cid: tx.conversations.erase(cid)),
            return_exceptions=True,
        )
        await three.write(lambda tx, cid=cid: tx.conversations.erase(cid))
        counts = await one.counts()
        assert (counts["messages"], counts["checkpoints"]) == (0, 0)


async def test_several_takers_keep_the_order_of_each_key(crowd: Crowd) -> None:
    """Everything is taken once, one of a key at a time, in the order in which it was added."""
    keys = [f"k{n}" for n in range(5)]
    handled: dict[str, list[str]] = {key: [] for key in keys}
    running: Counter[str] = Counter()
    left = 5 * 3 * 8

    async def add(store: PostgresStore, key: str) -> None:
        for _ in range(8):
            await store.write(lambda tx: tx.outbox.add("turns", key, turn_requested()))

    async def take(store: PostgresStore) -> None:
        nonlocal left
        held: list[QueuedMessage] = []
        while left:

            def exchange(tx: Tx, done: list[QueuedMessage] = held) -> list[QueuedMessage]:
                for one in done:
                    assert tx.queue.settle(one.id, one.fence, "done")
                return list(tx.queue.take(["turns"], limit=2, lease=LEASE))

            # As another may take the key's next one before this one hears of its own commit.
            for one in held:
                running[one.key] -= 1
            held = await store.write(exchange)
            for one in held:
                assert running[one.key] == 0
                running[one.key] += 1
                left -= 1
                handled[one.key].append(one.id)

    async with asyncio.timeout(120):
        await asyncio.gather(
            *(add(store, key) for store in crowd.stores for key in keys),
            *(take(store) for store in crowd.stores for _ in range(2)),
        )
    order = await _positions(crowd.stores[0])
    for ids in handled.values():
        assert len(ids) == len(set(ids)) == 24
        assert ids == sorted(ids, key=lambda one: order[one])


async def _positions(store: PostgresStore) -> dict[str, int]:
    rows = await store.read(lambda tx: asked(tx, b"SELECT id, position FROM outbox"))
    return {row[0]: int(row[1]) for row in rows}


def asked(tx: Tx, sql: bytes) -> list[Row]:
    return cast("PostgresConnection", cast("Unit", tx).scope.db).ask(sql)


async def test_a_key_made_before_the_master_key_changed_is_wrapped_anew(crowd: Crowd) -> None:
    """When rewrap says that nothing is left, no older version is in use: it may be destroyed."""
    one, two, _ = crowd.stores
    loop = asyncio.get_running_loop()
    made, go_on = asyncio.Event(), threading.Event()

    def make_and_wait(tx: Tx) -> None:
        tx.conversations.create(conversation(crowd.owner))
        loop.call_soon_threadsafe(made.set)
        assert go_on.wait(60)

    async def rewrap_all() -> None:
        while await one.rewrap(limit=5):
            pass

    making = asyncio.ensure_future(one.write(make_and_wait))
    await made.wait()
    crowd.vault.rotate()
    rewrapping = asyncio.ensure_future(rewrap_all())
    waits = b"SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not rewrapping.done() and not await two.read(lambda tx: asked(tx, waits)):
        pass
    go_on.set()
    await asyncio.gather(making, rewrapping)
    assert (await one.counts())["unrewrapped"] == 0
