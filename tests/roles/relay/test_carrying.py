"""What the relay carries from the outbox to a broker, and when a row counts as carried."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.domain.events import REPLIES, TURNS
from tertulia.ports.store import QueuedMessage
from tertulia.roles.relay.role import broker_ready, carry_for_ever
from tertulia.roles.relay.service.carrying import LEASE, carry_due
from tertulia.roles.relay.service.passing import run_once
from tertulia.roles.relay.settings import RelaySettings
from tests.ports.stores import HandClock, turn_requested
from tests.roles.house import House, within
from tests.roles.relay.carrier import MemoryCarrier
from tests.simulation.database import Database, InlineStore, NearStore
from tests.simulation.determinism import VirtualClock
from tests.simulation.loop import SeededLoop

SETTINGS = RelaySettings(batch=3, away_s=0.001, away_max_s=0.002, look_s=3600)


@pytest.fixture
def carrier() -> MemoryCarrier:
    return MemoryCarrier()


async def send(house: House, *keys: str, topic: str = TURNS) -> list[str]:
    return await house.store.write(
        lambda tx: [tx.outbox.add(topic, key, turn_requested()) for key in keys]
    )


async def waiting(house: House) -> int:
    depths = await house.store.read(lambda tx: tx.queue.depths())
    return sum(depth.waiting + depth.leased for depth in depths)


@asynccontextmanager
async def carrying(house: House, carrier: MemoryCarrier) -> AsyncGenerator[None]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(carry_for_ever(house.store, house.signals, carrier, SETTINGS))
        try:
            yield
        finally:
            task.cancel()


async def test_rows_of_every_topic_are_carried_in_batches(
    house: House, carrier: MemoryCarrier
) -> None:
    turns = await send(house, *"abcd")
    replies = await send(house, "a", topic=REPLIES)
    assert await carry_due(house.store, carrier, SETTINGS) == 5
    assert carrier.calls == [turns[:3], [turns[3], *replies]]
    assert await waiting(house) == 0
    assert await carry_due(house.store, carrier, SETTINGS) == 0


async def test_a_key_s_next_row_is_carried_when_the_one_before_is_confirmed(
    house: House, carrier: MemoryCarrier, clock: HandClock
) -> None:
    first, second, other = await send(house, "k", "k", "other")
    carrier.refused = {first}
    assert await carry_due(house.store, carrier, SETTINGS) == 1
    assert carrier.kept == [other]
    carrier.refused = set()
    clock.pass_time(timedelta(seconds=SETTINGS.refused_s))
    assert await carry_due(house.store, carrier, SETTINGS) == 2
    assert carrier.kept == [other, first, second]


async def test_a_commit_wakes_the_relay(house: House, carrier: MemoryCarrier) -> None:
    async with carrying(house, carrier):
        await send(house, "a")
        await carrier.until(lambda: len(carrier.kept) == 1)
        await send(house, "a")
        await carrier.until(lambda: len(carrier.kept) == 2)


async def test_rows_wait_while_the_broker_is_away(house: House, carrier: MemoryCarrier) -> None:
    carrier.away = True
    sent = await send(house, "a", "b")
    async with carrying(house, carrier):
        await carrier.until(lambda: len(carrier.calls) == 3)
        assert REGISTRY.get_sample_value("tertulia_relay_broker_away") == 1
        assert await waiting(house) == 2
        assert (
            await broker_ready(carrier) == "The broker does not answer; what it should have waits."
        )
        carrier.away = False
        await carrier.until(lambda: carrier.kept == sent)
    assert await broker_ready(carrier) is None


async def test_what_is_being_carried_when_the_relay_ends_is_due_again(
    house: House, carrier: MemoryCarrier
) -> None:
    [sent] = await send(house, "a")

    class Hanging(MemoryCarrier):
        async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
            await super().carry(messages)
            await asyncio.Event().wait()
            return frozenset()

    hanging = Hanging()
    async with carrying(house, hanging):
        await within(hanging.until(lambda: len(hanging.calls) == 1))
    assert await carry_due(house.store, carrier, SETTINGS) == 1
    assert carrier.kept == [sent]


async def test_a_pass_carries_and_tells_when_the_broker_is_away(
    house: House, carrier: MemoryCarrier
) -> None:
    """An outside cron may be all that drives the relay."""

    async def once() -> tuple[int, bool]:
        report = await run_once(
            house.store, house.bus, carrier, house.leases, house.clock, SETTINGS
        )
        return report.carried, report.broker_away

    await send(house, "a", "b")
    carrier.away = True
    assert await once() == (0, True)
    carrier.away = False
    assert await once() == (2, False)


async def test_rows_of_a_relay_that_died_are_carried_by_another_within_ten_seconds(
    house: House, carrier: MemoryCarrier, clock: HandClock
) -> None:
    taken = await send(house, "k", "other")
    await house.store.write(lambda tx: tx.queue.take_any(limit=9, lease=LEASE))
    later = await send(house, "k")
    assert await carry_due(house.store, carrier, SETTINGS) == 0
    clock.pass_time(timedelta(seconds=10 - RelaySettings().look_s))
    assert await carry_due(house.store, carrier, SETTINGS) == 3
    assert carrier.kept == taken + later


def test_rows_stay_with_their_relay_however_long_the_broker_takes() -> None:
    class Slow(MemoryCarrier):
        async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
            kept = await super().carry(messages)
            await asyncio.sleep(BusSettings().confirm_s)
            return kept

    async def story(database: Database) -> None:
        clock = VirtualClock(asyncio.get_running_loop(), skew_s=0, origin_s=0)
        store = NearStore(InlineStore(database, MemorySignals(), clock))
        [row] = await store.write(lambda tx: [tx.outbox.add(TURNS, "k", turn_requested())])
        slow, other = Slow(), MemoryCarrier()
        carrying = asyncio.create_task(carry_due(store, slow, SETTINGS))
        await slow.until(lambda: slow.kept == [row])
        while not carrying.done():
            assert await carry_due(store, other, SETTINGS) == 0
            await asyncio.sleep(0.5)
        assert (await carrying, slow.kept, other.kept) == (1, [row], [])

    with (
        closing(Database()) as database,
        asyncio.Runner(loop_factory=lambda: SeededLoop(0)) as runner,
    ):
        runner.run(story(database))
