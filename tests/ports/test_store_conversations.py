"""Conversations: listed, changed, numbered in the feed, erased with their key."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tertulia.domain.conversations import Conversation, Purpose
from tertulia.domain.feed import ChangeKind
from tertulia.domain.ids import ConversationId, MessageId, UserId
from tertulia.domain.messages import Author, Status
from tertulia.ports.store import AlreadyExistsError, ConversationCursor, MissingError, Tx
from tests.ports.stores import World, conversation, message

SECOND = timedelta(seconds=1)


async def listed(world: World, limit: int, *, archived: bool = False) -> list[Conversation]:
    """All pages, one after the other."""
    found: list[Conversation] = []
    after: ConversationCursor | None = None
    while True:
        page = await world.store.read(
            lambda tx, after=after: tx.conversations.page(
                world.owner, archived=archived, after=after, limit=limit
            )
        )
        found += page
        if len(page) < limit:
            return found
        last = page[-1]
        after = ConversationCursor(pinned=last.pinned, updated_at=last.updated_at, id=last.id)


async def test_create_sets_times_and_revision(world: World) -> None:
    made = conversation(world.owner)
    stored = await world.store.write(lambda tx: tx.conversations.create(made))
    assert stored == replace(
        made, created_at=world.clock.now(), updated_at=world.clock.now(), revision=1
    )
    assert await world.store.read(lambda tx: tx.conversations.get(made.id)) == stored


async def test_create_twice_is_refused_and_changes_nothing(world: World) -> None:
    made = await world.store.write(lambda tx: tx.conversations.create(conversation(world.owner)))
    with pytest.raises(AlreadyExistsError):
        await world.store.write(
            lambda tx: tx.conversations.create(replace(made, owner_id=UserId("thief")))
        )
    assert await world.store.read(lambda tx: tx.conversations.get(made.id)) == made


async def test_change_stores_what_may_change_and_counts_the_revision(world: World) -> None:
    made = await world.store.write(lambda tx: tx.conversations.create(conversation(world.owner)))
    world.clock.pass_time(SECOND)
    wanted = replace(
        made,
        title="Ein Gespräch",
        titled_by_user=True,
        model="echo",
        leaf_id=MessageId("leaf"),
        pinned=True,
        archived=True,
        owner_id=UserId("thief"),
        purpose=Purpose.SIMPLE,
        revision=77,
    )
    changed = await world.store.write(lambda tx: tx.conversations.change(wanted))
    assert changed == replace(
        wanted,
        owner_id=world.owner,
        purpose=Purpose.CHAT,
        revision=2,
        updated_at=world.clock.now(),
    )
    assert await world.store.read(lambda tx: tx.conversations.get(made.id)) == changed


@pytest.mark.parametrize("title", [None, "", "x", "naïve — 日本語 🎈"])
async def test_titles_come_back_as_they_were(world: World, title: str | None) -> None:
    made = replace(conversation(world.owner), title=title)
    await world.store.write(lambda tx: tx.conversations.create(made))
    found = await world.store.read(lambda tx: tx.conversations.get(made.id))
    assert found is not None
    assert found.title == title


async def test_what_is_missing_cannot_be_changed(world: World) -> None:
    made = conversation(world.owner)
    with pytest.raises(MissingError):
        await world.store.write(lambda tx: tx.conversations.change(made))
    with pytest.raises(MissingError):
        await world.store.write(lambda tx: tx.conversations.touch(made.id, MessageId("m")))
    assert await world.store.read(lambda tx: tx.conversations.get(made.id)) is None


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 100])
async def test_pages_list_each_once_pinned_first_then_latest(world: World, limit: int) -> None:
    for number in range(10):
        made = replace(conversation(world.owner), pinned=number % 4 == 0)
        await world.store.write(lambda tx, made=made: tx.conversations.create(made))
        if number % 3:  # some share a time
            world.clock.pass_time(SECOND)
    await world.conversation(owner=UserId("somebody else"))
    found = await listed(world, limit)
    assert len({c.id for c in found}) == len(found) == 10
    order = [(c.pinned, c.updated_at, c.id) for c in found]
    assert order == sorted(order, reverse=True)


async def test_archived_ones_are_listed_apart(world: World) -> None:
    kept, put_away = await world.conversation(), await world.conversation()
    found = await world.store.read(lambda tx: tx.conversations.get(put_away))
    assert found is not None
    await world.store.write(lambda tx: tx.conversations.change(replace(found, archived=True)))
    assert [c.id for c in await listed(world, 10)] == [kept]
    assert [c.id for c in await listed(world, 10, archived=True)] == [put_away]


async def test_touch_moves_up_and_sets_the_leaf(world: World) -> None:
    first = await world.conversation()
    world.clock.pass_time(SECOND)
    second = await world.conversation()
    world.clock.pass_time(SECOND)
    touched = await world.store.write(lambda tx: tx.conversations.touch(first, MessageId("leaf")))
    assert (touched.leaf_id, touched.revision) == ("leaf", 2)
    assert [c.id for c in await listed(world, 10)] == [first, second]


async def test_of_purpose_finds_the_owners(world: World) -> None:
    await world.conversation()
    simple = conversation(world.owner, Purpose.SIMPLE)
    await world.store.write(lambda tx: tx.conversations.create(simple))
    other = conversation(UserId("somebody else"), Purpose.SIMPLE)
    await world.store.write(lambda tx: tx.conversations.create(other))
    found = await world.store.read(lambda tx: tx.conversations.of_purpose(world.owner, "simple"))
    assert found is not None
    assert found.id == simple.id
    nobody = UserId("nobody")
    assert await world.store.read(lambda tx: tx.conversations.of_purpose(nobody, "simple")) is None


async def test_erase_leaves_nothing_but_its_number_in_the_feed(world: World) -> None:
    cid = await world.conversation()
    kept = await world.append(message(await world.conversation()))
    first = await world.append(message(cid))
    reply = await world.append(
        message(cid, first.id, author=Author.ASSISTANT, status=Status.STREAMING)
    )
    await world.checkpoint(reply, 0, "some text")
    head = await world.store.read(lambda tx: tx.feed.head(world.owner))

    assert await world.store.write(lambda tx: tx.conversations.erase(cid))
    assert await world.store.read(lambda tx: tx.conversations.get(cid)) is None
    assert await world.store.read(lambda tx: tx.messages.get(cid, first.id)) is None
    page = await world.store.read(lambda tx: tx.feed.read(world.owner, after=head, limit=10))
    assert [(c.kind, c.conversation_id) for c in page.changes] == [
        (ChangeKind.CONVERSATION_ERASED, cid)
    ]
    assert await world.get(kept) == kept


async def test_erase_tells_who_follows_a_reply(world: World) -> None:
    reply = await world.reply()
    world.signals.taken()
    await world.store.write(lambda tx: tx.conversations.erase(reply.conversation_id))
    assert world.signals.taken() == {f"feed:{world.owner}", f"reply:{reply.id}"}


async def test_erase_of_nothing_says_so(world: World) -> None:
    missing = ConversationId("nowhere")
    assert not await world.store.write(lambda tx: tx.conversations.erase(missing))
    assert await world.store.read(lambda tx: tx.feed.head(world.owner)) == 0


async def test_an_erased_id_is_made_anew_with_another_key(world: World) -> None:
    """Were the key the same, what was erased could be read from old pages."""
    made = conversation(world.owner)

    def make_and_erase(tx: Tx) -> None:
        tx.conversations.create(made)
        tx.messages.append(message(made.id))
        tx.conversations.erase(made.id)

    await world.store.write(make_and_erase)
    await world.store.write(lambda tx: tx.conversations.create(made))
    added = await world.append(message(made.id))
    assert added.seq == 1
    assert await world.get(added) == added
