"""The outbox as a queue: in order per key, leased with fences, retried, dead, replayed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tertulia.domain.event_bodies import decoded
from tertulia.ports.store import QueuedMessage, Settlement, TopicDepth, Tx
from tests.ports.stores import World, turn_requested

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)


async def take(world: World, *topics: str, limit: int = 10) -> Sequence[QueuedMessage]:
    names = topics or ("turns",)
    return await world.store.write(lambda tx: tx.queue.take(names, limit=limit, lease=LEASE))


async def settle(
    world: World, message: QueuedMessage, settlement: Settlement = "done", **more: Any
) -> bool:
    return await world.store.write(
        lambda tx: tx.queue.settle(message.id, message.fence, settlement, **more)
    )


async def test_events_come_back_as_they_were(world: World) -> None:
    event = turn_requested()
    added = await world.store.write(lambda tx: tx.outbox.add("turns", "k", event))
    [taken] = await take(world)
    assert (taken.id, taken.topic, taken.key, taken.event()) == (added, "turns", "k", event)
    assert (taken.attempts, taken.created_at) == (1, world.clock.now())


async def test_oldest_first_and_no_more_than_asked(world: World) -> None:
    ids = [await world.enqueue(key=f"k{n}", topic=("a", "b")[n % 2]) for n in range(6)]
    assert [m.id for m in await take(world, "a", "b", limit=4)] == ids[:4]
    assert [m.id for m in await take(world, "b", "a", limit=4)] == ids[4:]


async def test_only_the_topics_asked_for(world: World) -> None:
    await world.enqueue(topic="other")
    assert await take(world, "turns") == []
    assert await take(world) == []


async def test_a_key_gives_one_at_a_time_in_order(world: World) -> None:
    first, second = await world.enqueue("k"), await world.enqueue("k")
    other = await world.enqueue("other")
    taken = await take(world)
    assert [m.id for m in taken] == [first, other]
    assert await take(world) == []
    assert await settle(world, taken[0])
    assert [m.id for m in await take(world)] == [second]


async def test_a_key_is_held_up_within_its_topic_only(world: World) -> None:
    await world.enqueue("k", "turns")
    reply = await world.enqueue("k", "replies")
    await take(world, "turns")
    assert [m.id for m in await take(world, "replies")] == [reply]


async def take_any(world: World, limit: int = 10) -> Sequence[QueuedMessage]:
    return await world.store.write(lambda tx: tx.queue.take_any(limit=limit, lease=LEASE))


async def test_a_carrier_takes_of_any_topic_oldest_first_one_of_each_key(world: World) -> None:
    first, second = await world.enqueue("k", "turns"), await world.enqueue("k", "turns")
    other = await world.enqueue("k", "replies")
    taken = await take_any(world)
    assert [m.id for m in taken] == [first, other]
    assert await take_any(world) == []
    settled = await world.store.write(
        lambda tx: [tx.queue.settle(m.id, m.fence, "done") for m in taken]
    )
    assert settled == [True, True]
    assert [m.id for m in await take_any(world, limit=1)] == [second]


async def test_a_carrier_gets_the_event_as_it_lies(world: World) -> None:
    event = turn_requested()
    added = await world.store.write(lambda tx: tx.outbox.add("turns", "k", event))
    [taken] = await take_any(world)
    assert (taken.id, taken.topic, taken.key) == (added, "turns", "k")
    assert decoded(taken.kind, taken.version, taken.body) == event
    assert taken.created_at == world.clock.now()


async def test_a_leased_message_is_not_taken_again(world: World) -> None:
    await world.enqueue()
    assert len(await take(world)) == 1
    assert await take(world) == []


async def test_a_lease_that_ran_out_is_taken_with_a_larger_fence(world: World) -> None:
    await world.enqueue()
    [first] = await take(world)
    world.clock.pass_time(LEASE)
    [second] = await take(world)
    assert second.id == first.id
    assert second.fence > first.fence
    assert second.attempts == 2


@pytest.mark.parametrize("settlement", ["done", "retry", "dead"])
async def test_the_fence_of_a_lost_lease_settles_nothing(
    world: World, settlement: Settlement
) -> None:
    await world.enqueue()
    [first] = await take(world)
    world.clock.pass_time(LEASE)
    [second] = await take(world)
    assert not await settle(world, first, settlement)
    assert not await world.store.write(
        lambda tx: tx.queue.extend(first.id, first.fence, lease=LEASE)
    )
    assert await settle(world, second)


async def test_a_lease_is_extended(world: World) -> None:
    await world.enqueue()
    [held] = await take(world)
    world.clock.pass_time(LEASE / 2)
    assert await world.store.write(lambda tx: tx.queue.extend(held.id, held.fence, lease=LEASE))
    world.clock.pass_time(LEASE * 0.75)
    assert await take(world) == []
    assert await settle(world, held)


async def test_what_is_settled_stays_settled(world: World) -> None:
    await world.enqueue()
    [held] = await take(world)
    assert await settle(world, held)
    assert not await settle(world, held)
    assert not await world.store.write(lambda tx: tx.queue.extend(held.id, held.fence, lease=LEASE))
    world.clock.pass_time(HOUR)
    assert await take(world) == []


async def test_a_retry_waits_and_holds_its_key(world: World) -> None:
    first, second = await world.enqueue("k"), await world.enqueue("k")
    [held] = await take(world)
    assert await settle(world, held, "retry", delay=LEASE, reason="Oops")
    assert await take(world) == []
    world.clock.pass_time(LEASE)
    [again] = await take(world)
    assert (again.id, again.attempts) == (first, 2)
    await settle(world, again)
    assert [m.id for m in await take(world)] == [second]


async def test_a_message_handed_back_has_not_failed(world: World) -> None:
    await world.enqueue()
    [held] = await take(world)
    assert await settle(world, held, "retry", counted=False)
    [again] = await take(world)
    assert again.attempts == 1
    assert again.fence > held.fence


async def test_the_dead_are_listed_and_hold_nobody_up(world: World) -> None:
    first, second = await world.enqueue("k"), await world.enqueue("k")
    [held] = await take(world)
    await settle(world, held, "dead", reason="PoisonError")
    assert [m.id for m in await take(world)] == [second]
    [dead] = await world.store.read(lambda tx: tx.queue.dead(topic=None, limit=10))
    assert (dead.id, dead.topic, dead.kind) == (first, "turns", "turn_requested")
    assert (dead.attempts, dead.reason, dead.died_at) == (1, "PoisonError", world.clock.now())
    assert await world.store.read(lambda tx: tx.queue.dead(topic="turns", limit=10)) == [dead]
    assert await world.store.read(lambda tx: tx.queue.dead(topic="other", limit=10)) == []


async def test_the_dead_are_replayed_with_their_attempts_counted_anew(world: World) -> None:
    added = await world.enqueue()
    for _ in range(3):
        [held] = await take(world)
        await settle(world, held, "retry")
    [held] = await take(world)
    await settle(world, held, "dead", reason="PoisonError")
    world.signals.taken()
    replayed = await world.store.write(lambda tx: tx.queue.replay([added, "unknown"]))
    assert replayed == 1
    assert world.signals.taken() == {"outbox", "outbox:turns"}
    [again] = await take(world)
    assert (again.id, again.attempts) == (added, 1)
    assert await world.store.read(lambda tx: tx.queue.dead(topic=None, limit=10)) == []


async def test_release_all_voids_every_lease_and_no_waiting(world: World) -> None:
    held_id, waiting_id = await world.enqueue("a"), await world.enqueue("b")
    taken = {m.id: m for m in await take(world)}
    await settle(world, taken[waiting_id], "retry", delay=HOUR)
    assert await world.store.write(lambda tx: tx.queue.release_all()) == 1
    [again] = await take(world)
    assert again.id == held_id
    assert not await settle(world, taken[held_id])


async def test_prune_drops_what_was_done_and_nothing_else(world: World) -> None:
    for key in "abcd":
        await world.enqueue(key)
    taken = await take(world, limit=3)
    await settle(world, taken[0])
    await settle(world, taken[1], "dead")
    await settle(world, taken[2], "retry")
    world.clock.pass_time(HOUR)
    now = world.clock.now()
    assert await world.store.write(lambda tx: tx.queue.prune(before=now, limit=10)) == 1
    assert await world.store.write(lambda tx: tx.queue.prune(before=now, limit=10)) == 0
    assert len(await world.store.read(lambda tx: tx.queue.dead(topic=None, limit=10))) == 1
    assert len(await take(world)) == 2


async def test_prune_stops_at_its_limit(world: World) -> None:
    for key in "abc":
        await world.enqueue(key)
    for held in await take(world):
        await settle(world, held)
    world.clock.pass_time(HOUR)
    now = world.clock.now()
    pruned = [
        await world.store.write(lambda tx: tx.queue.prune(before=now, limit=2)) for _ in range(3)
    ]
    assert pruned == [2, 1, 0]


async def test_depths_count_each_topic(world: World) -> None:
    start = world.clock.now()
    for key in "abcd":
        await world.enqueue(key)
        world.clock.pass_time(timedelta(seconds=1))
    await world.enqueue("a", "replies")
    taken = await take(world, limit=3)
    await settle(world, taken[0])
    await settle(world, taken[1], "dead")
    depths = await world.store.read(lambda tx: tx.queue.depths())
    third = start + timedelta(seconds=3)
    assert list(depths) == [
        TopicDepth(topic="replies", waiting=1, leased=0, dead=0, oldest_at=world.clock.now()),
        TopicDepth(topic="turns", waiting=1, leased=1, dead=1, oldest_at=third),
    ]


async def test_who_waits_for_a_key_is_told_when_it_is_free(world: World) -> None:
    await world.enqueue("k")
    await world.enqueue("k")
    [held] = await take(world)
    world.signals.taken()
    await settle(world, held)
    assert world.signals.taken() == {"outbox", "outbox:turns"}
    [held] = await take(world)
    await settle(world, held)
    assert world.signals.taken() == set()


async def test_a_lease_outlives_a_clock_that_is_set_back(world: World) -> None:
    """It runs out after the time it was taken for, not an hour later."""
    await world.enqueue()
    [first] = await take(world)
    world.clock.set_wall(by=-HOUR)
    assert await take(world) == []
    world.clock.pass_time(LEASE)
    [second] = await take(world)
    assert second.fence > first.fence


async def test_a_clock_set_forward_gives_a_message_to_one_hand_still(world: World) -> None:
    await world.enqueue()
    [first] = await take(world)
    world.clock.set_wall(by=HOUR)
    [second] = await take(world)
    assert [await settle(world, first), await settle(world, second)] == [False, True]


async def test_a_holder_who_renews_first_keeps_its_lease_over_a_jump(world: World) -> None:
    await world.enqueue()
    [held] = await take(world)
    world.clock.set_wall(by=HOUR)
    assert await world.store.write(lambda tx: tx.queue.extend(held.id, held.fence, lease=LEASE))
    assert await take(world) == []


async def test_an_inbox_accepts_once_per_consumer(world: World) -> None:
    def accept(tx: Tx) -> list[bool]:
        return [tx.inbox.accept(consumer, "m") for consumer in ("a", "a", "b")]

    assert await world.store.write(accept) == [True, False, True]
    assert await world.store.write(accept) == [False, False, False]


async def test_an_inbox_row_is_undone_with_its_effect(world: World) -> None:
    def accept_and_fail(tx: Tx) -> None:
        assert tx.inbox.accept("a", "m")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await world.store.write(accept_and_fail)
    assert await world.store.write(lambda tx: tx.inbox.accept("a", "m"))


async def test_an_inbox_is_pruned_by_age(world: World) -> None:
    await world.store.write(lambda tx: [tx.inbox.accept("a", m) for m in "123"])
    world.clock.pass_time(HOUR)
    await world.store.write(lambda tx: tx.inbox.accept("a", "4"))
    now = world.clock.now()
    pruned = [
        await world.store.write(lambda tx: tx.inbox.prune(before=now, limit=2)) for _ in range(3)
    ]
    assert pruned == [2, 1, 0]
    assert not await world.store.write(lambda tx: tx.inbox.accept("a", "4"))
