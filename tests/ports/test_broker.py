"""What every adapter of Broker keeps beyond the suite of the bus: several processes at one topic,
and a server that others use and break."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.ports.broker import Broker, Held
from tertulia.ports.bus import BusUnavailableError, Delivery
from tests.ports.brokers import PATIENCE_S, PLACES, WORKER, Place, consuming, parcel
from tests.ports.buses import CLOCK, SETTINGS, Heard
from tests.roles.house import House, open_house
from tests.roles.relay.stranding import left_to_its_worker, reclaimed_from

pytestmark = pytest.mark.server

TOLD = [name for name in PLACES if name != "kafka"]
"""Brokers that tell a consumer of a deletion: Kafka's looks from time to time (test_kafka.py)."""


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncGenerator[Place]:
    async with PLACES[request.param](request) as opened:
        yield opened


@pytest.fixture
async def broker(place: Place) -> AsyncGenerator[Broker]:
    async with place.opens(place.url) as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def test_what_is_no_message_of_ours_is_a_dead_letter_and_stays_one(
    place: Place, broker: Broker, house: House
) -> None:
    bus, heard, known = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard(), parcel()
    await broker.publish([known])
    await place.intrude(b"\xff not ours")
    async with consuming(bus, heard):
        while not (letters := await bus.dead()):  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0)
        await heard.until(1)
    assert [letter.reason for letter in letters] == ["UnreadableEventError"]
    assert await bus.replay([letters[0].id]) == 0
    assert await bus.dead() == letters
    assert [(d.topic, d.dead) for d in await bus.depths() if d.dead] == [("*", 1)]


async def test_processes_divide_a_topic_and_keep_every_key_in_order(
    place: Place, house: House
) -> None:
    leases, order, by_process = MemoryLeases(CLOCK), dict[str, list[str]](), [Heard(), Heard()]
    running: set[str] = set()

    def noting(mine: Heard) -> Heard:
        class Noting(Heard):
            async def __call__(self, delivery: Delivery) -> None:
                assert delivery.key not in running
                running.add(delivery.key)
                try:
                    await asyncio.sleep(0)
                finally:
                    running.remove(delivery.key)
                if delivery.id not in order.setdefault(delivery.key, []):
                    order[delivery.key].append(delivery.id)
                await mine(delivery)

        return Noting()

    sent: dict[str, list[str]] = {f"key-{number}": [] for number in range(12)}
    async with AsyncExitStack() as stack:
        brokers = [
            await stack.enter_async_context(place.opens(place.url, leases)) for _ in range(2)
        ]
        buses = [BrokerBus(broker, house.store, CLOCK, SETTINGS) for broker in brokers]

        async def send(rounds: int) -> None:
            for _ in range(rounds):
                parcels = [parcel(key) for key in sent]
                for each in parcels:
                    sent[each.key].append(each.id)
                await brokers[0].publish(parcels)

        async def arrived() -> None:
            while sum(map(len, order.values())) < sum(map(len, sent.values())):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        async with consuming(buses[0], noting(by_process[0])):
            await send(5)
            async with consuming(buses[1], noting(by_process[1])):
                while not by_process[1].deliveries:
                    await send(1)
                await send(5)
                await arrived()
            await send(5)
            await arrived()
    assert order == sent


async def test_the_work_of_a_worker_who_is_gone_is_routed_anew(
    broker: Broker, house: House
) -> None:
    assert await reclaimed_from(broker, house) == 3


async def test_the_queue_of_a_worker_who_is_back_is_left_to_it(
    broker: Broker, house: House
) -> None:
    await left_to_its_worker(broker, house)


async def test_a_message_to_a_place_that_is_gone_is_not_lost(
    place: Place, broker: Broker, house: House
) -> None:
    first, second = parcel(), parcel()
    assert await broker.publish([first]) == {first.id}
    await place.destroy()
    assert await broker.publish([second]) == {second.id}
    heard = Heard()
    async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard):
        await heard.until(1)
    assert heard.ids == [second.id]


@pytest.mark.parametrize("place", TOLD, indirect=True)
async def test_a_place_that_is_deleted_while_it_is_consumed_is_made_and_consumed_anew(
    place: Place, house: House
) -> None:
    heard = Heard()
    async with (
        place.opens(place.url) as one,
        place.opens(place.url) as other,
        consuming(BrokerBus(one, house.store, CLOCK, SETTINGS), heard),
    ):
        before = parcel()
        await one.publish([before])
        await heard.until(1)
        await place.destroy()
        after = [parcel(f"key-{number}") for number in range(9)]
        # Another process: nothing tells the consumer that there is a new one.
        assert await other.publish(after) == {each.id for each in after}
        await heard.until(10)
    assert set(heard.ids) == {before.id} | {each.id for each in after}


async def test_a_place_that_is_deleted_is_made_anew_though_nobody_publishes(
    place: Place, broker: Broker, house: House
) -> None:
    bus, heard = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard()
    async with consuming(bus, heard):
        await broker.publish([parcel()])
        await heard.until(1)
        await place.destroy()
        while not await place.intrude(b"?"):  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0.01)
        while not await bus.dead():  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0.01)


async def test_the_place_of_a_topic_is_removed_once_it_is_empty_and_unused(
    place: Place, broker: Broker, house: House
) -> None:
    bus, heard = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard()
    sent = [parcel("a", WORKER), parcel("b", WORKER), parcel("c", WORKER)]
    async with place.opens(place.url) as other:
        await other.publish(sent[:1])
        assert WORKER in await broker.topics()
        assert not await broker.remove(WORKER), "a message waits"
        async with consuming(bus, heard, topic=WORKER):
            await heard.until(1)
            await until_empty(bus)
            assert not await broker.remove(WORKER), "somebody consumes it"
        await other.publish(sent[1:2])
        async with consuming(bus, heard, topic=WORKER):
            await heard.until(2)
            await until_empty(bus)
        while not await broker.remove(WORKER):  # noqa: ASYNC110  a broker notices who has left
            await asyncio.sleep(0.01)
        assert WORKER not in await broker.topics()
        assert await broker.remove(WORKER), "there is none"
        assert await other.depths() == []
        assert await other.publish(sent[2:]) == {sent[2].id}
        async with consuming(bus, heard, topic=WORKER):
            await heard.until(3)
    assert heard.ids == [each.id for each in sent]


async def test_a_consumer_that_is_told_to_stop_stops_whatever_it_does(broker: Broker) -> None:
    for number in range(20):
        task = asyncio.create_task(broker.consume("turns", Idle(), concurrency=1))
        await asyncio.sleep(number / 1000)
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)
        assert task.cancelled()


async def until_empty(bus: BrokerBus) -> None:
    while await bus.depths():  # noqa: ASYNC110  nobody signals it
        await asyncio.sleep(0.01)


class Idle:
    """Hands that take nothing."""

    def take(self, held: Held) -> None:
        raise AssertionError(held)

    async def give_up(self, share: str) -> None:
        """There is nothing to give up."""


async def test_a_broker_that_is_not_there_is_told(place: Place) -> None:
    scheme = place.url.partition(":")[0]
    async with place.opens(f"{scheme}://127.0.0.1:1/") as broker:
        for attempt in (broker.check, lambda: broker.publish([parcel()]), broker.depths):
            with pytest.raises(BusUnavailableError):
                await attempt()
