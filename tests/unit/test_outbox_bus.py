"""The embedded bus beyond its port: leases, and a store in trouble."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.outbox_bus.bus import OutboxBus
from tertulia.adapters.outbox_bus.consumer import Consumer
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.ports.bus import Delivery, Handler
from tertulia.ports.bus_judge import Judge
from tertulia.ports.store import QueuedMessage, StorageFullError, StoreUnavailableError
from tests.ports.stores import HandClock, turn_requested
from tests.ports.troubled_store import TroubledStore

LEASE_S = 30.0
LEASE = timedelta(seconds=LEASE_S)
SETTINGS = OutboxBusSettings(lease_s=LEASE_S, backoff_s=0.001, store_pause_s=0.001)


@dataclass
class Holding:
    """A handler that holds on to what it gets."""

    taken: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    async def __call__(self, delivery: Delivery) -> None:
        del delivery
        self.count += 1
        self.taken.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@dataclass(kw_only=True)
class Bench:
    store: TroubledStore
    signals: MemorySignals
    clock: HandClock

    def consumer(self, handler: Handler, concurrency: int) -> Consumer:
        return Consumer(
            store=self.store,
            signals=self.signals,
            clock=self.clock,
            settings=SETTINGS,
            topic="turns",
            concurrency=concurrency,
            judge=Judge(handler, None, SETTINGS, random.Random(0)),  # noqa: S311  jitter
        )

    @asynccontextmanager
    async def consuming(
        self, handler: Handler, *, concurrency: int = 1
    ) -> AsyncGenerator[Consumer]:
        consumer = self.consumer(handler, concurrency)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(consumer.run())
            try:
                yield consumer
            finally:
                task.cancel()

    async def send(self) -> str:
        return await self.store.write(lambda tx: tx.outbox.add("turns", "k", turn_requested()))

    async def take(self) -> list[QueuedMessage]:
        """As another process would."""
        return list(
            await self.store.write(lambda tx: tx.queue.take(["turns"], limit=9, lease=LEASE))
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    signals, clock = MemorySignals(), HandClock()
    async with open_sqlite_store(tmp_path / "t.db", MemoryVault(), signals, clock) as store:
        yield Bench(store=TroubledStore(store), signals=signals, clock=clock)


async def test_the_lease_is_renewed_while_the_handler_runs(bench: Bench) -> None:
    holding = Holding()
    async with bench.consuming(holding) as consumer:
        await bench.send()
        await holding.taken.wait()
        for _ in range(3):
            bench.clock.pass_time(LEASE * 0.9)
            await consumer._renew()  # pyright: ignore[reportPrivateUsage]  else it takes 10 s
            assert await bench.take() == []
        holding.release.set()


async def test_a_handler_whose_lease_is_lost_is_cancelled_and_its_verdict_refused(
    bench: Bench,
) -> None:
    holding = Holding()
    async with bench.consuming(holding) as consumer:
        sent = await bench.send()
        await holding.taken.wait()
        bench.clock.pass_time(LEASE * 1.1)
        [taken] = await bench.take()
        assert taken.id == sent
        await consumer._renew()  # pyright: ignore[reportPrivateUsage]
        await holding.cancelled.wait()
    assert await bench.store.write(lambda tx: tx.queue.settle(taken.id, taken.fence, "done"))


async def test_a_message_that_is_taken_again_has_one_handler(bench: Bench) -> None:
    """Its lease ran out unrenewed, and this very consumer is the one to take it anew."""
    running = 0
    starts: asyncio.Queue[int] = asyncio.Queue()

    async def handler(delivery: Delivery) -> None:
        nonlocal running
        running += 1
        starts.put_nowait(delivery.attempts)
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    async with bench.consuming(handler, concurrency=2):
        await bench.send()
        assert await starts.get() == 1
        bench.clock.pass_time(LEASE * 1.1)
        bench.signals.publish(frozenset({"outbox:turns"}))
        assert await starts.get() == 2
        assert running == 1


async def test_a_lease_that_cannot_be_renewed_counts_as_lost_once_it_has_run_out(
    bench: Bench,
) -> None:
    holding = Holding()
    async with bench.consuming(holding) as consumer:
        await bench.send()
        await holding.taken.wait()
        bench.store.trouble = StoreUnavailableError()
        bench.clock.pass_time(LEASE * 0.9)
        await consumer._renew()  # pyright: ignore[reportPrivateUsage]
        assert not holding.cancelled.is_set()
        bench.clock.pass_time(LEASE * 0.2)
        await consumer._renew()  # pyright: ignore[reportPrivateUsage]
        await holding.cancelled.wait()
        bench.store.trouble = None


@pytest.mark.parametrize("trouble", [StoreUnavailableError(), StorageFullError()])
async def test_a_store_in_trouble_stops_no_consumer(bench: Bench, trouble: Exception) -> None:
    """What is handled meanwhile is settled later, not handled again."""
    holding = Holding()
    async with bench.consuming(holding):
        await bench.send()
        await holding.taken.wait()
        bench.store.trouble = trouble
        holding.release.set()
        await bench.store.writes(3)
        bench.store.trouble = None
        holding.taken.clear()
        await bench.send()
        await holding.taken.wait()
    assert holding.count == 2


async def test_a_take_that_is_under_way_when_cancelled_is_handed_back(bench: Bench) -> None:
    sent = await bench.send()
    holding = Holding()
    await bench.store.hold()
    async with asyncio.TaskGroup() as group, bench.consuming(holding):
        await bench.store.writes(1)
        group.create_task(bench.store.admit())  # runs while the consumer is being cancelled
    [taken] = await bench.take()
    assert (taken.id, taken.attempts) == (sent, 1)


async def test_pauses_grow_up_to_a_bound_and_differ_from_message_to_message() -> None:
    async def fails(_: Delivery) -> None:
        raise ValueError

    settings = OutboxBusSettings(attempts=20, backoff_s=1, backoff_max_s=60)
    judge = Judge(fails, None, settings, random.Random(1))  # noqa: S311  jitter

    async def pause_s(attempts: int) -> float:
        delivery = Delivery(
            id="m",
            topic="turns",
            key="k",
            event=turn_requested(),
            attempts=attempts,
            created_at=HandClock().now(),
        )
        return (await judge.judge(delivery)).delay_s

    for attempts, expected_s in ((1, 1), (2, 2), (5, 16), (7, 60), (15, 60)):
        pauses = {await pause_s(attempts) for _ in range(5)}
        assert all(0.75 * expected_s <= pause <= 1.25 * expected_s for pause in pauses)
        assert len(pauses) == 5


async def test_buses_of_the_port_share_their_store(bench: Bench) -> None:
    """Two consumers of one topic never hold one message both."""
    first, second = Holding(), Holding()
    bus = OutboxBus(bench.store, bench.signals, bench.clock, SETTINGS)
    async with bench.consuming(first), asyncio.TaskGroup() as group:
        other = group.create_task(bus.subscribe("turns", second, concurrency=4))
        for _ in range(3):
            await bench.store.write(lambda tx: tx.outbox.add("turns", "same", turn_requested()))
        done, pending = await asyncio.wait(
            [
                group.create_task(first.taken.wait()),
                group.create_task(second.taken.wait()),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert len(done) == 1
        for task in (*pending, other):
            task.cancel()
    assert first.count + second.count == 1
