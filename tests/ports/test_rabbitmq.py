"""RabbitMQ beyond the port: its traps, and several processes at one topic."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.broker_bus.envelope import sealed
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.rabbitmq.topology import LIMIT_MARGIN
from tertulia.domain.event_bodies import encoded
from tertulia.domain.events import inference_topic
from tertulia.domain.ids import CharacterId
from tertulia.kit.ids import new_id
from tertulia.ports.broker import Broker, Parcel
from tertulia.ports.bus import BusUnavailableError, Delivery
from tertulia.ports.store import UnreadMessage
from tests.ports.buses import CLOCK, EVENT, NAME, RETURNS, SETTINGS, Heard, rabbit_broker
from tests.roles.house import House, open_house
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server

WORKER = inference_topic(CharacterId("assistant"), "w-1.pods")


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> Generator[str]:
    with rabbitmq.vhost() as fresh:
        yield fresh


@pytest.fixture
async def broker(url: str) -> AsyncGenerator[Broker]:
    async with rabbit_broker(url) as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def parcel(key: str = "k", topic: str = "turns") -> Parcel:
    return sealed(
        UnreadMessage(
            id=new_id(),
            topic=topic,
            key=key,
            kind=EVENT.kind,
            version=EVENT.version,
            body=encoded(EVENT),
            fence=1,
            created_at=datetime.now(UTC) - timedelta(hours=1),
        )
    )


@asynccontextmanager
async def consuming(bus: BrokerBus, *handlers: Heard, topic: str = "turns") -> AsyncGenerator[None]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.subscribe(topic, each, concurrency=4)) for each in handlers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def test_a_message_to_a_queue_that_is_gone_is_not_lost(
    url: str, broker: Broker, house: House
) -> None:
    """Without `mandatory` the broker drops it, and confirms."""
    first, second = parcel(), parcel()
    assert await broker.publish([first]) == {first.id}
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for number in range(3):
            await channel.queue_delete(f"{NAME}.turns.{number}")
    assert await broker.publish([second]) == {second.id}
    heard = Heard()
    async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard):
        await heard.until(1)
    assert heard.ids == [second.id]


async def test_every_queue_is_replicated_bounded_in_deliveries_and_never_expires(
    url: str, broker: Broker, rabbitmq: RabbitMQ
) -> None:
    """`x-expires` would delete messages without dead-lettering them."""
    await broker.publish([parcel(), parcel(topic=WORKER)])
    queues = rabbitmq.api("GET", f"queues/{urlsplit(url).path[1:]}")
    arguments: dict[str, dict[str, object]] = {each["name"]: each["arguments"] for each in queues}
    shared = {f"{NAME}.turns.{number}" for number in range(3)}
    assert set(arguments) == shared | {f"{NAME}.{WORKER}", f"{NAME}.dead", f"{NAME}.topics"}
    for name, given in arguments.items():
        assert given["x-queue-type"] == "quorum"
        assert not {"x-expires", "x-message-ttl", "x-max-length"} & set(given)
        if name.startswith((f"{NAME}.turns", f"{NAME}.inference")):
            assert given["x-delivery-limit"] == RETURNS + LIMIT_MARGIN
            assert given["x-dead-letter-routing-key"] == f"{NAME}.dead"
            assert given["x-dead-letter-strategy"] == "at-least-once"
            assert given["x-single-active-consumer"] is True


async def test_what_exceeds_the_queue_s_own_limit_is_a_dead_letter(
    url: str, broker: Broker, house: House
) -> None:
    """The net below ours: nobody may be there who would count."""
    poison = parcel(topic=WORKER)
    await broker.publish([poison])
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(f"{NAME}.{WORKER}")
        seen = 0
        async with asyncio.timeout(20), queue.iterator() as messages:
            async for message in messages:
                seen += 1
                await message.reject(requeue=True)
                if seen == RETURNS + LIMIT_MARGIN + 1:
                    break
    bus = BrokerBus(broker, house.store, CLOCK, SETTINGS)
    letters = await bus.dead()
    while not letters:
        letters = await bus.dead()  # it is on its way
    assert [(letter.id, letter.reason) for letter in letters] == [(poison.id, "exhausted")]
    assert await bus.replay([poison.id]) == 1
    heard = Heard()
    async with consuming(bus, heard, topic=WORKER):
        await heard.until(1)
    assert heard.ids == [poison.id]


async def test_what_is_no_message_of_ours_is_a_dead_letter_and_stays_one(
    url: str, broker: Broker, house: House
) -> None:
    bus, heard, known = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard(), parcel()
    await broker.publish([known])
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        stranger = aio_pika.Message(b"\xff not ours")
        await channel.default_exchange.publish(stranger, f"{NAME}.turns.0")
    async with consuming(bus, heard):
        while not (letters := await bus.dead()):  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0)
        await heard.until(1)
    assert [letter.reason for letter in letters] == ["UnknownEventError"]
    assert await bus.replay([letters[0].id]) == 0
    assert await bus.dead() == letters


async def test_processes_divide_a_topic_and_keep_every_key_in_order(url: str, house: House) -> None:
    leases, order, by_process = MemoryLeases(CLOCK), dict[str, list[str]](), [Heard(), Heard()]
    running: set[str] = set()

    def noting(mine: Heard) -> Heard:
        class Noting(Heard):
            async def __call__(self, delivery: Delivery) -> None:
                assert delivery.key not in running
                running.add(delivery.key)
                await asyncio.sleep(0)
                running.remove(delivery.key)
                if delivery.id not in order.setdefault(delivery.key, []):
                    order[delivery.key].append(delivery.id)
                await mine(delivery)

        return Noting()

    sent: dict[str, list[str]] = {f"key-{number}": [] for number in range(12)}
    async with AsyncExitStack() as stack:
        brokers = [await stack.enter_async_context(rabbit_broker(url, leases)) for _ in range(2)]
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
    from tests.roles.relay.stranding import reclaimed_from

    assert await reclaimed_from(broker, house) == 3


@pytest.mark.parametrize("at", ["127.0.0.1:1", "guest:wrong@{address}"])
async def test_a_broker_that_cannot_be_used_is_told_without_its_password(
    rabbitmq: RabbitMQ, at: str
) -> None:
    url = f"amqp://{at.format(address=rabbitmq.address)}/"
    async with rabbit_broker(url) as broker:
        for attempt in (broker.check, lambda: broker.publish([parcel()]), broker.depths):
            with pytest.raises(BusUnavailableError) as raised:
                await attempt()
            assert "wrong" not in raised.value.message
