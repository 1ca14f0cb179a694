"""What every adapter of Signals keeps."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.postgres_open import Patience, Place
from tertulia.adapters.sql.postgres_signals import MOST_NAMED, open_postgres_signals
from tertulia.ports.signals import Signals
from tests.ports.on_redis import processes, server
from tests.servers.postgresql import PostgreSQL

PATIENCE_S = 60


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[Signals]:
    yield MemorySignals()


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncGenerator[Signals]:
    async with processes(server(request), 1) as [process]:
        yield await process.signals()


@asynccontextmanager
async def postgresql(request: pytest.FixtureRequest) -> AsyncGenerator[Signals]:
    server: PostgreSQL = request.getfixturevalue("postgres")
    async with open_postgres_signals(Place(server.url, Patience()), MemorySignals()) as signals:
        await signals.listening.wait()  # all who wait look once when it begins
        yield signals


ADAPTERS = [memory, redis, pytest.param(postgresql, marks=pytest.mark.server)]


@pytest.fixture(params=ADAPTERS, ids=lambda opener: opener.__name__)
async def signals(request: pytest.FixtureRequest) -> AsyncGenerator[Signals]:
    async with request.param(request) as opened:
        yield opened


async def test_a_waiter_is_woken(signals: Signals) -> None:
    async with signals.subscribe("a") as subscription:
        waiting = asyncio.ensure_future(subscription.wait())
        await asyncio.sleep(0)
        signals.publish(frozenset({"a"}))
        assert await waiting


async def test_a_signal_before_the_wait_is_kept(signals: Signals) -> None:
    async with signals.subscribe("a") as subscription:
        signals.publish(frozenset({"a"}))
        assert await subscription.wait(0)


async def test_signals_between_two_waits_are_one(signals: Signals) -> None:
    async with signals.subscribe("a", "b") as subscription:
        signals.publish(frozenset({"a"}))
        signals.publish(frozenset({"a", "b"}))
        assert await subscription.wait()
        assert not await subscription.wait(0)


async def test_other_channels_wake_nobody(signals: Signals) -> None:
    async with signals.subscribe("a") as subscription:
        signals.publish(frozenset({"b"}))
        assert not await subscription.wait(0)


async def test_every_subscription_of_a_channel_is_woken(signals: Signals) -> None:
    async with signals.subscribe("a") as one, signals.subscribe("a", "b") as two:
        signals.publish(frozenset({"a"}))
        assert await one.wait()
        assert await two.wait()


async def test_what_came_before_the_subscription_is_not_heard(signals: Signals) -> None:
    signals.publish(frozenset({"a"}))
    async with signals.subscribe("a") as subscription:
        assert not await subscription.wait(0)


async def test_any_thread_may_publish(signals: Signals) -> None:
    async with signals.subscribe("a") as subscription:
        thread = threading.Thread(target=signals.publish, args=(frozenset({"a"}),))
        thread.start()
        assert await subscription.wait(20)
        thread.join()


async def test_no_signal_of_many_threads_is_lost(signals: Signals) -> None:
    """Each round waits for an answer to its own signal: one that got lost would hang it."""
    rounds = 200
    answered = threading.Event()

    def ping() -> None:
        for _ in range(rounds):
            signals.publish(frozenset({"ping"}))
            assert answered.wait(20)
            answered.clear()

    async with signals.subscribe("ping") as subscription:
        thread = threading.Thread(target=ping)
        thread.start()
        for _ in range(rounds):
            assert await subscription.wait(20)
            answered.set()
        thread.join()


async def test_publishing_to_nobody_is_no_error(signals: Signals) -> None:
    async with signals.subscribe("a"):
        pass
    signals.publish(frozenset({"a"}))


@asynccontextmanager
async def two_on_redis(request: pytest.FixtureRequest) -> AsyncGenerator[Sequence[Signals]]:
    async with processes(server(request), 2) as made:
        yield [await process.signals() for process in made]


@asynccontextmanager
async def two_on_postgresql(request: pytest.FixtureRequest) -> AsyncGenerator[Sequence[Signals]]:
    server: PostgreSQL = request.getfixturevalue("postgres")
    place = Place(server.url, Patience())
    async with (
        open_postgres_signals(place, MemorySignals()) as one,
        open_postgres_signals(place, MemorySignals()) as other,
    ):
        for each in (one, other):
            await each.listening.wait()
        yield [one, other]


@pytest.mark.server
@pytest.mark.parametrize("two", [two_on_redis, two_on_postgresql])
async def test_work_that_is_anybodys_wakes_others_only_where_nobody_listens(
    request: pytest.FixtureRequest,
    two: Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Sequence[Signals]]],
) -> None:
    async with (
        asyncio.timeout(PATIENCE_S),
        two(request) as (one, other),
        other.subscribe("outbox") as theirs,
        other.subscribe("afterwards") as afterwards,
    ):
        async with one.subscribe("outbox") as ours:
            one.publish(frozenset({"outbox"}))
            one.publish(frozenset({"afterwards"}))
            assert await ours.wait()
            assert await afterwards.wait()
            assert not await theirs.wait(0)
        one.publish(frozenset({"outbox"}))
        assert await theirs.wait()


class Noting(MemorySignals):
    """What reached this process."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: set[str] = set()

    def publish(self, channels: frozenset[str]) -> None:
        self.noted |= channels
        super().publish(channels)


@pytest.mark.server
async def test_a_process_hears_only_what_somebody_waits_for_there(postgres: PostgreSQL) -> None:
    place, here, idle = Place(postgres.url, Patience()), Noting(), Noting()
    async with (
        asyncio.timeout(PATIENCE_S),
        open_postgres_signals(place, MemorySignals()) as speaker,
        open_postgres_signals(place, MemorySignals()) as other,
        open_postgres_signals(place, here) as reader,
        open_postgres_signals(place, idle) as gateway,
        other.subscribe(*(f"reply:{n}" for n in range(99))) as busy,
    ):
        for process in (speaker, other, reader, gateway):
            await process.listening.wait()
        async with reader.subscribe("reply:100", "feed:1") as waiter:
            await busy.wait(0)
            speaker.publish(frozenset(f"reply:{n}" for n in range(101)))
            assert await waiter.wait()
            assert await busy.wait()
        async with gateway.subscribe("last") as last, reader.subscribe("last") as also:
            speaker.publish(frozenset({"last"}))
            assert await last.wait()
            assert await also.wait()
    assert idle.noted == {"last"}, "nothing that came before was on its way"
    # Some channels share one of the database's.
    assert here.noted >= {"reply:100", "last"}
    assert len(here.noted) < 10


@pytest.mark.server
async def test_more_signals_than_can_be_named_wake_everybody(postgres: PostgreSQL) -> None:
    place = Place(postgres.url, Patience())
    async with (
        asyncio.timeout(PATIENCE_S),
        open_postgres_signals(place, MemorySignals()) as speaker,
        open_postgres_signals(place, MemorySignals()) as reader,
    ):
        await speaker.listening.wait()
        await reader.listening.wait()
        async with reader.subscribe("feed:1") as waiter:
            speaker.publish(frozenset(f"reply:{n}" for n in range(MOST_NAMED + 1)))
            speaker.publish(frozenset({"one more"}))
            assert await waiter.wait()


@pytest.mark.server
async def test_waiters_may_come_and_go_while_signals_come(postgres: PostgreSQL) -> None:
    """None is lost between the moment when a subscription is there and its end."""
    place = Place(postgres.url, Patience())
    async with (
        asyncio.timeout(PATIENCE_S),
        open_postgres_signals(place, MemorySignals()) as one,
        open_postgres_signals(place, MemorySignals()) as two,
    ):
        await one.listening.wait()
        await two.listening.wait()

        async def converse(number: int) -> None:
            for turn in range(20):
                channel = f"reply:{number}:{turn}"
                async with one.subscribe(channel) as hears:
                    two.publish(frozenset({channel}))
                    assert await hears.wait()

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(converse(number))
