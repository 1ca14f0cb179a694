"""Brokers of several processes, and what is done to them behind Tertulia's back."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final, Protocol

import pytest

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.broker_bus.envelope import sealed
from tertulia.domain.event_bodies import encoded
from tertulia.domain.events import inference_topic
from tertulia.domain.ids import CharacterId
from tertulia.kit.ids import new_id
from tertulia.ports.broker import Broker, Parcel
from tertulia.ports.bus import Handler
from tertulia.ports.leases import Leases
from tertulia.ports.store import QueuedMessage
from tests.ports.buses import EVENT, NAME, kafka_broker, nats_broker, rabbit_broker
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.rabbitmq import RabbitMQ

WORKER: Final = inference_topic(CharacterId("assistant"), "w-1.pods")
PATIENCE_S: Final = 60  # only ends a test that would hang


class Opens(Protocol):
    """Opens the broker as another process does."""

    def __call__(
        self, url: str, leases: Leases | None = None
    ) -> AbstractAsyncContextManager[Broker]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server, fresh or as good as fresh."""

    url: str
    opens: Opens
    intrude: Callable[[bytes], Awaitable[bool]]
    """Send something to the topic `turns` that is not ours; whether there is a place for it."""
    destroy: Callable[[], Awaitable[None]]
    """Delete the places of the topic `turns`, with all that is in them."""


def parcel(key: str = "k", topic: str = "turns") -> Parcel:
    return sealed(
        QueuedMessage(
            id=new_id(),
            topic=topic,
            key=key,
            kind=EVENT.kind,
            version=EVENT.version,
            body=encoded(EVENT),
            fence=1,
            attempts=1,
            created_at=datetime.now(UTC) - timedelta(hours=1),
        )
    )


@asynccontextmanager
async def consuming(
    bus: BrokerBus, *handlers: Handler, topic: str = "turns", concurrency: int = 4
) -> AsyncGenerator[None]:
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(bus.subscribe(topic, each, concurrency=concurrency))
            for each in handlers
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def on_rabbitmq(request: pytest.FixtureRequest) -> AsyncGenerator[Place]:
    import aio_pika
    from aiormq.exceptions import DeliveryError

    server: RabbitMQ = request.getfixturevalue("rabbitmq")
    with server.vhost() as url:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel(on_return_raises=True)

            async def intrude(data: bytes) -> bool:
                stranger = aio_pika.Message(data)
                try:
                    await channel.default_exchange.publish(stranger, f"{NAME}.turns.0")
                except DeliveryError:
                    return False
                return True

            async def destroy() -> None:
                for number in range(3):
                    await channel.queue_delete(f"{NAME}.turns.{number}")

            yield Place(url=url, opens=rabbit_broker, intrude=intrude, destroy=destroy)


@asynccontextmanager
async def on_nats(request: pytest.FixtureRequest) -> AsyncGenerator[Place]:
    from nats.aio.client import Client
    from nats.js.errors import NoStreamResponseError

    server: NATS = request.getfixturevalue("nats")
    client: Any = Client()
    await client.connect(server.url)
    js = client.jetstream()

    async def intrude(data: bytes) -> bool:
        try:
            await js.publish(f"{NAME}.turns.0", data)
        except NoStreamResponseError:
            return False
        return True

    async def destroy() -> None:
        await js.delete_stream(NAME)

    yield Place(url=server.url, opens=nats_broker, intrude=intrude, destroy=destroy)
    await client.close()


@asynccontextmanager
async def on_kafka(request: pytest.FixtureRequest) -> AsyncGenerator[Place]:
    driver: Any = import_module("aiokafka")  # it has no types
    administration: Any = import_module("aiokafka.admin")
    server: Kafka = request.getfixturevalue("kafka")
    name = server.prefix()
    producer = driver.AIOKafkaProducer(bootstrap_servers=server.address)
    admin = administration.AIOKafkaAdminClient(bootstrap_servers=server.address)
    await admin.start()
    async with producer:

        async def intrude(data: bytes) -> bool:
            known = await admin.list_topics()
            if f"{name}.turns" not in known:
                return False
            await producer.send_and_wait(f"{name}.turns", data)
            return True

        async def destroy() -> None:
            await admin.delete_topics([f"{name}.turns"])

        def opens(url: str, leases: Leases | None = None) -> AbstractAsyncContextManager[Broker]:
            del leases  # the group divides a topic
            return kafka_broker(url, name=name)

        yield Place(url=server.url, opens=opens, intrude=intrude, destroy=destroy)
    await admin.close()


PLACES: Final[
    Mapping[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Place]]]
] = {"rabbitmq": on_rabbitmq, "nats": on_nats, "kafka": on_kafka}
"""Every adapter of Broker."""
