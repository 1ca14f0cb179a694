"""RabbitMQ beyond the port: its traps."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.rabbitmq.link import CLOSE_S
from tertulia.adapters.rabbitmq.topology import LIMIT_MARGIN
from tertulia.ports.broker import Broker, Held
from tertulia.ports.bus import BusUnavailableError
from tests.ports.brokers import WORKER, consuming, parcel
from tests.ports.buses import CLOCK, NAME, RETURNS, SETTINGS, Heard, rabbit_broker
from tests.roles.house import House, open_house
from tests.servers.fixtures import Private
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server


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


async def test_a_broker_that_hangs_does_not_keep_a_process_from_ending(
    private: Private, house: House
) -> None:
    """Of the 25 s that a process has."""
    server, heard = private(RabbitMQ), Heard()
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(rabbit_broker(server.url))
        async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard):
            await broker.publish([parcel()])
            await heard.until(1)
        server.freeze()
        async with asyncio.timeout(2 * CLOSE_S):
            await stack.aclose()


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


class Holding:
    """Hands that keep what they get."""

    def __init__(self) -> None:
        self.held: asyncio.Future[Held] = asyncio.get_running_loop().create_future()

    def take(self, held: Held) -> None:
        self.held.set_result(held)

    async def give_up(self, share: str) -> None:
        """Nothing runs."""


async def test_a_verdict_that_comes_when_its_channel_is_closed_cannot_be_told(
    broker: Broker,
) -> None:
    hands = Holding()
    await broker.publish([parcel()])
    async with asyncio.timeout(60):
        consuming = asyncio.create_task(broker.consume("turns", hands, concurrency=1))
        held = await hands.held
        consuming.cancel()
        await asyncio.wait({consuming})
    with pytest.raises(BusUnavailableError):
        await held.done()


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
