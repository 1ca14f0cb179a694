"""The feed: every visible change has a number; state plus events equals a fresh fetch."""

from datetime import timedelta

from tertulia.domain.feed import ChangeKind, FeedPage
from tertulia.domain.ids import UserId
from tertulia.ports.store import MessageChange, Tx
from tests.ports.stores import World, conversation, message

DAY = timedelta(days=1)


async def read(world: World, after: int, limit: int = 1000, user: str = "") -> FeedPage:
    who = UserId(user) if user else world.owner
    return await world.store.read(lambda tx: tx.feed.read(who, after=after, limit=limit))


async def test_a_feed_begins_at_nothing(world: World) -> None:
    page = await read(world, 0)
    assert (page.changes, page.head, page.resync) == ((), 0, False)


async def test_every_change_is_numbered_in_order_without_gaps(world: World) -> None:
    cid = await world.conversation()
    added = await world.append(message(cid))
    await world.change(added, MessageChange(model="m"))
    await world.store.write(lambda tx: tx.conversations.touch(cid, added.id))
    await world.store.write(lambda tx: tx.conversations.erase(cid))
    page = await read(world, 0)
    assert page.head == 5
    assert [(c.seq, c.kind, c.message_id) for c in page.changes] == [
        (1, ChangeKind.CONVERSATION, None),
        (2, ChangeKind.MESSAGE, added.id),
        (3, ChangeKind.MESSAGE, added.id),
        (4, ChangeKind.CONVERSATION, None),
        (5, ChangeKind.CONVERSATION_ERASED, None),
    ]


async def test_things_ride_along_in_the_state_of_the_reading(world: World) -> None:
    cid = await world.conversation()
    added = await world.append(message(cid))
    changed = await world.change(added, MessageChange(model="m"))
    page = await read(world, 0)
    assert [c.message for c in page.changes] == [None, changed, changed]
    assert page.changes[0].conversation is not None
    await world.store.write(lambda tx: tx.conversations.erase(cid))
    page = await read(world, 0)
    assert [(c.conversation, c.message) for c in page.changes] == [(None, None)] * 4


async def test_the_same_thing_changed_twice_in_one_unit_is_one_change(world: World) -> None:
    cid = await world.conversation()
    added = await world.append(message(cid))

    def twice(tx: Tx) -> None:
        for model in ("a", "b"):
            tx.messages.change(cid, added.id, MessageChange(model=model))

    await world.store.write(twice)
    assert (await read(world, 2)).head == 3


async def test_the_head_counts_the_unit_of_work_it_is_read_in(world: World) -> None:
    made = conversation(world.owner)

    def make(tx: Tx) -> int:
        tx.conversations.create(made)
        return tx.feed.head(world.owner)

    assert await world.store.write(make) == 1
    assert (await read(world, 0)).head == 1


async def test_users_have_feeds_of_their_own(world: World) -> None:
    await world.conversation()
    theirs = await world.conversation(owner=UserId("other"))
    page = await read(world, 0, user="other")
    assert [c.conversation_id for c in page.changes] == [theirs]
    assert page.head == (await read(world, 0)).head == 1


async def test_pages_of_the_feed_meet(world: World) -> None:
    ids = [await world.conversation() for _ in range(7)]
    found: list[str] = []
    after = 0
    while changes := (await read(world, after, limit=3)).changes:
        found += [c.conversation_id for c in changes]
        after = changes[-1].seq
    assert found == ids


async def test_a_page_of_long_texts_is_short_and_never_empty(world: World) -> None:
    cid = await world.conversation()
    for _ in range(3):
        await world.append(message(cid, text="long " * 100_000))
    sizes: list[int] = []
    after = 0
    while changes := (await read(world, after)).changes:
        sizes.append(len(changes))
        after = changes[-1].seq
    assert sizes == [2, 1, 1]


async def test_a_cursor_from_the_future_must_resync(world: World) -> None:
    await world.conversation()
    page = await read(world, 2)
    assert (page.resync, page.changes, page.head) == (True, (), 1)


async def test_a_cursor_older_than_what_is_kept_must_resync(world: World) -> None:
    for _ in range(3):
        await world.conversation()
    world.clock.pass_time(DAY)
    await world.conversation()
    before = world.clock.now()
    assert await world.store.write(lambda tx: tx.feed.prune(before=before, limit=2)) == 2
    assert await world.store.write(lambda tx: tx.feed.prune(before=before, limit=2)) == 1
    assert await world.store.write(lambda tx: tx.feed.prune(before=before, limit=2)) == 0
    assert (await read(world, 2)).resync
    kept = await read(world, 3)
    assert not kept.resync
    assert [c.seq for c in kept.changes] == [4]


async def test_numbers_go_on_after_everything_was_dropped(world: World) -> None:
    await world.conversation()
    world.clock.pass_time(DAY)
    now = world.clock.now()
    await world.store.write(lambda tx: tx.feed.prune(before=now, limit=10))
    await world.conversation()
    assert [c.seq for c in (await read(world, 1)).changes] == [2]
