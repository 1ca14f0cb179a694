"""Units of work: all or nothing, durable, in order of time, told after the commit."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from tertulia.domain.ids import ConversationId
from tertulia.ports.store import MissingError, StoreUnavailableError, Tx
from tests.ports.stores import START, World, conversation, message, now, turn_requested

T = TypeVar("T")
HOUR = timedelta(hours=1)


class MishapError(Exception):
    """Work went wrong."""


async def test_what_was_written_is_read(world: World) -> None:
    cid = await world.conversation()
    found = await world.store.read(lambda tx: tx.conversations.get(cid))
    assert found is not None
    assert found.id == cid


async def test_brief_reads_see_the_same(world: World) -> None:
    cid = await world.conversation()
    found = await world.store.read(lambda tx: tx.conversations.get(cid), brief=True)
    assert found is not None
    assert found.id == cid


async def test_a_unit_that_fails_leaves_nothing_behind(world: World) -> None:
    made = conversation(world.owner)

    def work(tx: Tx) -> None:
        tx.conversations.create(made)
        tx.messages.append(message(made.id))
        tx.outbox.add("turns", made.id, turn_requested())
        raise MishapError

    with pytest.raises(MishapError):
        await world.store.write(work)
    assert await world.store.read(lambda tx: tx.conversations.get(made.id)) is None
    assert await world.store.read(lambda tx: tx.feed.head(world.owner)) == 0
    assert await world.store.read(lambda tx: tx.queue.depths()) == []


async def test_a_unit_that_fails_does_not_hurt_its_neighbours(world: World) -> None:
    good, bad = conversation(world.owner), conversation(world.owner)

    def fail(tx: Tx) -> None:
        tx.conversations.create(bad)
        raise MishapError

    results = await asyncio.gather(
        world.store.write(lambda tx: tx.conversations.create(good)),
        world.store.write(fail),
        return_exceptions=True,
    )
    assert isinstance(results[1], MishapError)
    assert await world.store.read(lambda tx: tx.conversations.get(good.id)) is not None
    assert await world.store.read(lambda tx: tx.conversations.get(bad.id)) is None


async def test_concurrent_writers_each_get_their_own_answer(world: World) -> None:
    ids = await asyncio.gather(*(world.conversation() for _ in range(50)))
    assert len(set(ids)) == 50
    page = await world.store.read(
        lambda tx: tx.conversations.page(world.owner, archived=False, after=None, limit=100)
    )
    assert {found.id for found in page} == set(ids)


async def test_a_closed_store_kept_everything(world: World) -> None:
    cid = await world.conversation()
    async with world.reopened() as other:
        assert await other.read(lambda tx: tx.conversations.get(cid)) is not None


async def test_another_process_sees_what_is_committed(world: World) -> None:
    async with world.reopened() as other:
        cid = await world.conversation()
        assert await other.read(lambda tx: tx.conversations.get(cid)) is not None
        added = await other.write(lambda tx: tx.messages.append(message(cid)))
        assert await world.get(added) == added


async def test_read_refuses_to_write(world: World) -> None:
    with pytest.raises(TypeError):
        await world.store.read(lambda tx: tx.inbox.accept("c", "m"))
    with pytest.raises(TypeError):
        await world.store.read(lambda tx: tx.inbox.accept("c", "m"), brief=True)
    assert await world.store.write(lambda tx: tx.inbox.accept("c", "m"))


async def test_read_sees_one_snapshot(world: World) -> None:
    loop = asyncio.get_running_loop()

    def look_twice(tx: Tx) -> tuple[int, int]:
        before = tx.feed.head(world.owner)
        asyncio.run_coroutine_threadsafe(_done(world.conversation()), loop).result(10)
        return before, tx.feed.head(world.owner)

    before, after = await world.store.read(look_twice)
    assert before == after


async def test_time_goes_on_with_the_clock(world: World) -> None:
    first = await world.store.write(now)
    world.clock.pass_time(HOUR)
    assert await world.store.write(now) - first == HOUR


async def test_time_never_goes_back(world: World) -> None:
    first = await world.store.write(now)
    world.clock.set_wall(by=-HOUR)
    assert await world.store.write(now) >= first
    assert await world.store.read(now) >= first


async def test_time_goes_on_after_the_clock_was_set_back(world: World) -> None:
    first = await world.store.write(now)
    world.clock.set_wall(by=-HOUR)
    world.clock.pass_time(timedelta(seconds=5))
    assert await world.store.write(now) - first == timedelta(seconds=5)


async def test_time_never_goes_back_over_a_restart_or_in_another_process(world: World) -> None:
    world.clock.pass_time(HOUR)
    _, late = await world.store.write(lambda tx: (tx.inbox.accept("c", "m"), tx.now))
    world.clock.set_wall(by=-2 * HOUR)
    async with world.reopened() as other:
        assert await other.write(now) >= late > START


async def test_signals_tell_what_changed_after_the_commit(world: World) -> None:
    cid = await world.conversation()
    world.signals.taken()
    added = await world.append(message(cid))
    assert world.signals.taken() == {f"feed:{world.owner}", f"reply:{added.id}"}
    await world.enqueue(topic="turns")
    assert world.signals.taken() == {"outbox", "outbox:turns"}


async def test_a_unit_that_fails_signals_nothing(world: World) -> None:
    cid = await world.conversation()
    world.signals.taken()
    with pytest.raises(MissingError):
        await world.append(message(ConversationId("nowhere")))
    with pytest.raises(MissingError):
        await world.store.write(_append_then_miss(cid))
    assert world.signals.taken() == set()


async def test_a_caller_that_leaves_in_time_leaves_nothing_behind(world: World) -> None:
    made = conversation(world.owner)
    started, go_on = asyncio.Semaphore(0), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: Tx) -> None:
        loop.call_soon_threadsafe(started.release)
        asyncio.run_coroutine_threadsafe(_done(go_on.wait()), loop).result(10)

    held = [asyncio.create_task(world.store.write(hold)) for _ in range(world.writers)]
    for _ in held:
        await started.acquire()
    left = asyncio.create_task(world.store.write(lambda tx: tx.conversations.create(made)))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*held)
    assert await world.store.write(lambda tx: tx.conversations.get(made.id)) is None


async def test_a_caller_that_leaves_too_late_has_done_it_whole(world: World) -> None:
    made = conversation(world.owner)
    loop = asyncio.get_running_loop()
    started, go_on = asyncio.Event(), asyncio.Event()

    def work(tx: Tx) -> None:
        tx.conversations.create(made)
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(_done(go_on.wait()), loop).result(10)
        tx.messages.append(message(made.id))

    task = asyncio.create_task(world.store.write(work))
    await started.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    page = await world.store.write(
        lambda tx: tx.messages.page(made.id, before=None, after=None, limit=9)
    )
    assert len(page) == 1


async def test_work_may_end_in_any_exception(world: World) -> None:
    """Nobody else in the group waits for ever because of it."""

    def run_dry(_: Tx) -> None:
        next(iter(()))

    results = await asyncio.gather(
        world.store.write(run_dry), world.conversation(), return_exceptions=True
    )
    assert isinstance(results[0], RuntimeError)
    assert isinstance(results[1], str)


async def test_work_after_closing_is_refused(world: World) -> None:
    async with world.reopened() as other:
        pass
    with pytest.raises(StoreUnavailableError):
        await other.write(now)


def _append_then_miss(cid: ConversationId) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.messages.append(message(cid))
        tx.messages.append(message(ConversationId("nowhere")))

    return work


async def _done(awaitable: Awaitable[T]) -> T:
    return await awaitable
