"""Messages a second from the outbox to a handler, over each bus, and through the bare client."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import aio_pika
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from bench.figures import Figure, at_least
from tertulia.adapters.broker_bus.bus import BrokerBus, BrokerCarrier
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.kafka.broker import open_kafka
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.nats.broker import open_nats
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.adapters.outbox_bus.bus import NothingToCarry, OutboxBus
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.rabbitmq.broker import open_rabbitmq
from tertulia.adapters.rabbitmq.settings import RabbitmqSettings
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.events import TurnRequested
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.kit.clock import SystemClock
from tertulia.ports.broker import Broker
from tertulia.ports.bus import Bus, Carrier, Delivery
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.roles.relay.role import carry_for_ever
from tertulia.roles.relay.settings import RelaySettings
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.session import Session

MESSAGES: Final = 10_000
AT_ONCE: Final = 100  # units of work that are on their way
KEYS: Final = 1000
CONCURRENCY: Final = 64
GOAL_PER_S: Final = 1000
CLOCK: Final = SystemClock()
EVENT: Final = TurnRequested(
    conversation_id=ConversationId("c" * 36),
    message_id=MessageId("m" * 36),
    reply_id=MessageId("r" * 36),
    epoch=1,
)

Opened = Callable[[Store, Signals], AbstractAsyncContextManager[tuple[Bus, Carrier]]]


def measure() -> list[Figure]:
    """Committed one by one by 100 at once, handled by a handler that does nothing."""
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        place = Path(folder)
        figures = [_figure("the outbox as the bus", asyncio.run(_per_s(place / "o.db", outbox)))]
        with Session(place, os.getpid()).private(RabbitMQ) as server:
            bare = asyncio.run(bare_rabbitmq(server.url))
            over = partial(rabbitmq, server.url)
            rate = asyncio.run(_per_s(place / "r.db", over))
        figures.append(_figure("RabbitMQ", rate, bare=f"{bare:,.0f}/s confirmed and acknowledged"))
        with Session(place, os.getpid()).private(NATS) as server:
            bare = asyncio.run(bare_nats(server.url))
            rate = asyncio.run(_per_s(place / "n.db", partial(nats, server.url)))
        figures.append(_figure("NATS", rate, bare=f"{bare:,.0f}/s confirmed and acknowledged"))
        with Session(place, os.getpid()).private(Kafka) as server:
            bare = asyncio.run(bare_kafka(server.address))
            over = partial(kafka, server.url)
            rate = asyncio.run(_per_s(place / "k.db", over))
        figures.append(_figure("Kafka", rate, bare=f"{bare:,.0f}/s confirmed and fetched"))
    return figures


def _figure(what: str, rate: float, bare: str = "") -> Figure:
    return at_least(f"outbox → handler, {what}", rate, "/s", GOAL_PER_S, bare=bare)


async def _per_s(database: Path, opened: Opened) -> float:
    signals = MemorySignals()
    handled = 0
    done = asyncio.Event()

    async def handler(_: Delivery) -> None:
        nonlocal handled
        handled += 1
        if handled >= MESSAGES:
            done.set()

    async with (
        open_sqlite_store(database, MemoryVault(), signals, CLOCK) as store,
        opened(store, signals) as (bus, carrier),
        asyncio.TaskGroup() as group,
    ):
        chores = [
            group.create_task(carry_for_ever(store, signals, carrier, RelaySettings())),
            group.create_task(bus.subscribe("turns", handler, concurrency=CONCURRENCY)),
        ]
        numbers = iter(range(MESSAGES))

        async def send() -> None:
            for number in numbers:
                key = f"k{number % KEYS}"
                await store.write(lambda tx, key=key: tx.outbox.add("turns", key, EVENT))

        began = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        await done.wait()
        took_s = time.perf_counter() - began
        for chore in chores:
            chore.cancel()
    return MESSAGES / took_s


@asynccontextmanager
async def outbox(store: Store, signals: Signals) -> AsyncGenerator[tuple[Bus, Carrier]]:
    yield OutboxBus(store, signals, CLOCK, OutboxBusSettings()), NothingToCarry()


@asynccontextmanager
async def rabbitmq(url: str, store: Store, _: Signals) -> AsyncGenerator[tuple[Bus, Carrier]]:
    settings = BusSettings()
    async with open_rabbitmq(
        url,
        MemoryLeases(CLOCK),
        RabbitmqSettings(),
        name=settings.name,
        returns=settings.returns,
        confirm_s=settings.confirm_s,
    ) as broker:
        yield _over(broker, store, settings)


@asynccontextmanager
async def nats(url: str, store: Store, _: Signals) -> AsyncGenerator[tuple[Bus, Carrier]]:
    settings = BusSettings()
    async with open_nats(
        url,
        MemoryLeases(CLOCK),
        NatsSettings(),
        name=settings.name,
        confirm_s=settings.confirm_s,
    ) as broker:
        yield _over(broker, store, settings)


@asynccontextmanager
async def kafka(url: str, store: Store, _: Signals) -> AsyncGenerator[tuple[Bus, Carrier]]:
    settings, of_kafka = BusSettings(), KafkaSettings(replication=1)
    async with open_kafka(
        url, of_kafka, name=settings.name, confirm_s=settings.confirm_s
    ) as broker:
        yield _over(broker, store, settings)


def _over(broker: Broker, store: Store, settings: BusSettings) -> tuple[Bus, Carrier]:
    return BrokerBus(broker, store, CLOCK, settings), BrokerCarrier(broker)


async def bare_rabbitmq(url: str) -> float:
    """aio-pika by itself: one quorum queue, 500 confirms awaited at once, each acknowledged."""
    seen = 0
    done = asyncio.Event()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal seen
        await message.ack()
        seen += 1
        if seen == MESSAGES:
            done.set()

    async with await aio_pika.connect(url) as connection:
        sending, receiving = await connection.channel(), await connection.channel()
        await receiving.set_qos(prefetch_count=500)
        queue = await receiving.declare_queue(
            "bare", durable=True, arguments={"x-queue-type": "quorum"}
        )
        await queue.consume(take)
        began = time.perf_counter()
        for _ in range(MESSAGES // 500):
            message = aio_pika.Message(b"x" * 300, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            publish = sending.default_exchange.publish
            await asyncio.gather(*(publish(message, queue.name) for _ in range(500)))
        await done.wait()
        return MESSAGES / (time.perf_counter() - began)


async def bare_nats(url: str) -> float:
    """nats-py by itself: one work queue, 500 confirms awaited at once, each acknowledged."""
    seen = 0
    done = asyncio.Event()
    client: Any = Client()
    await client.connect(url)
    js = client.jetstream()
    await js.add_stream(name="bare", subjects=["bare"], retention="workqueue", storage="file")

    async def take(message: Any) -> None:
        nonlocal seen
        await message.ack()
        seen += 1
        if seen == MESSAGES:
            done.set()

    await js.subscribe("bare", cb=take, manual_ack=True, config=ConsumerConfig(max_ack_pending=500))
    began = time.perf_counter()
    for _ in range(MESSAGES // 500):
        await asyncio.gather(*(js.publish("bare", b"x" * 300) for _ in range(500)))
    await done.wait()
    took_s = time.perf_counter() - began
    await client.close()
    return MESSAGES / took_s


async def bare_kafka(address: str) -> float:
    """Aiokafka by itself: one partition, 500 confirms awaited at once, all committed at the end."""
    driver: Any = import_module("aiokafka")  # it has no types
    await _make_topic(address)
    seen = 0
    async with (
        driver.AIOKafkaProducer(
            bootstrap_servers=address, acks="all", enable_idempotence=True
        ) as producer,
        driver.AIOKafkaConsumer(
            "bare",
            bootstrap_servers=address,
            group_id="bare",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
    ):
        began = time.perf_counter()
        for _ in range(MESSAGES // 500):
            sent = [await producer.send("bare", b"x" * 300) for _ in range(500)]
            await asyncio.gather(*sent)
        while seen < MESSAGES:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                seen += len(records)
        await consumer.commit()
        return MESSAGES / (time.perf_counter() - began)


async def _make_topic(address: str) -> None:
    administration: Any = import_module("aiokafka.admin")
    admin = administration.AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([administration.NewTopic("bare", 1, 1)])
    finally:
        await admin.close()
