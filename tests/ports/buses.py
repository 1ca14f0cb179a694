"""Buses to run the conformance suite on: a store, what carries its outbox, and the bus."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from tertulia.adapters.broker_bus.bus import BrokerBus, BrokerCarrier
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.outbox_bus.bus import NothingToCarry, OutboxBus
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.events import TurnRequested
from tertulia.kit.clock import SystemClock
from tertulia.ports.broker import Broker, Held
from tertulia.ports.bus import Bus, Carrier, Delivery, Handler
from tertulia.ports.leases import Leases
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.roles.relay.role import carry_for_ever
from tertulia.roles.relay.settings import RelaySettings
from tests.ports.stores import KEYRING, database, turn_requested
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.rabbitmq import RabbitMQ

ATTEMPTS: Final = 3
RETURNS: Final = 2 * ATTEMPTS
EVENT: Final = turn_requested()
PATIENCE_S: Final = 60  # only ends a test that would hang
NAME: Final = "test"
CLOCK: Final = SystemClock()
SETTINGS: Final = BusSettings(
    name=NAME,
    attempts=ATTEMPTS,
    returns=RETURNS,
    backoff_s=0.001,
    backoff_max_s=0.002,
    handling_max_s=0.5,
    store_pause_s=0.001,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureEvent(TurnRequested):
    """An event that only another version knows."""

    kind: ClassVar[str] = "future"


FUTURE: Final = FutureEvent(
    conversation_id=EVENT.conversation_id,
    message_id=EVENT.message_id,
    reply_id=EVENT.reply_id,
    epoch=1,
)


@dataclass(kw_only=True)
class Line:
    """A bus and its store."""

    store: Store
    bus_of: Callable[[float], Bus]
    """A bus to whose processes messages of other versions are unknown for so many seconds."""
    carrier: Carrier
    lives: int
    """How often a message may take a process with it."""
    die: Callable[[str], AbstractAsyncContextManager[None]]
    """A process takes what there is of a topic; leaving, it dies without a word."""

    @cached_property
    def bus(self) -> Bus:
        """One that does not wait for other versions."""
        return self.bus_of(0)

    async def send(self, *keys: str, topic: str = "turns") -> list[str]:
        """One message for each key, in one unit of work; their ids."""
        return await self.store.write(lambda tx: [tx.outbox.add(topic, key, EVENT) for key in keys])

    async def settled(self) -> None:
        """Returns when everything that is due is where consumers read."""
        while self.carrier.carries and await self.store.read(  # noqa: ASYNC110  nobody signals it
            lambda tx: tx.queue.depths()
        ):
            await asyncio.sleep(0.005)

    async def take_and_die(self, topic: str) -> None:
        await self.settled()
        async with self.die(topic):
            pass

    @asynccontextmanager
    async def consuming(
        self,
        handler: Handler,
        *,
        topic: str = "turns",
        concurrency: int = 4,
        on_dead: Handler | None = None,
        patience_s: float = PATIENCE_S,
        bus: Bus | None = None,
    ) -> AsyncGenerator[None]:
        """Leaving cancels the subscription and waits for its end."""
        bus = bus or self.bus
        async with asyncio.timeout(patience_s), asyncio.TaskGroup() as group:
            task = group.create_task(
                bus.subscribe(topic, handler, concurrency=concurrency, on_dead=on_dead)
            )
            try:
                yield
            finally:
                task.cancel()


@dataclass
class Heard:
    """A handler that notes what it gets and lets a test wait for it."""

    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._more.set()

    async def until(self, count: int) -> list[Delivery]:
        while len(self.deliveries) < count:
            self._more.clear()
            await self._more.wait()
        return self.deliveries

    @property
    def ids(self) -> list[str]:
        return [delivery.id for delivery in self.deliveries]


@asynccontextmanager
async def on_outbox(_: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Line]:
    signals = MemorySignals()
    async with open_sqlite_store(folder / "t.db", MemoryVault(), signals, CLOCK) as store:
        yield outbox_line(store, signals)


@asynccontextmanager
async def on_outbox_of_postgresql(request: pytest.FixtureRequest, _: Path) -> AsyncGenerator[Line]:
    signals, vault = MemorySignals(), MemoryVault(KEYRING)
    with database(request.getfixturevalue("postgres")) as url:
        async with open_postgres_store(url, vault, signals, CLOCK) as store:
            yield outbox_line(store, signals)


def outbox_line(store: Store, signals: Signals) -> Line:
    def bus_of(unknown_s: float) -> Bus:
        settings = OutboxBusSettings(
            attempts=ATTEMPTS,
            backoff_s=0.001,
            backoff_max_s=0.002,
            handling_max_s=0.5,
            store_pause_s=0.001,
            unknown_s=unknown_s,
        )
        return OutboxBus(store, signals, CLOCK, settings)

    @asynccontextmanager
    async def die(topic: str) -> AsyncGenerator[None]:
        lease = timedelta(minutes=1)
        await store.write(lambda tx: tx.queue.take([topic], limit=9, lease=lease))
        yield
        await store.write(lambda tx: tx.queue.release_all())  # the next start voids it

    return Line(
        store=store,
        bus_of=bus_of,
        carrier=NothingToCarry(),
        lives=ATTEMPTS,
        die=die,
    )


@asynccontextmanager
async def carried(
    folder: Path, broker: Broker, die: Callable[[str], AbstractAsyncContextManager[None]]
) -> AsyncGenerator[Line]:
    """A store whose outbox a relay carries to the broker."""
    signals, carrier = MemorySignals(), BrokerCarrier(broker)
    async with (
        open_sqlite_store(folder / "t.db", MemoryVault(), signals, CLOCK) as store,
        asyncio.TaskGroup() as group,
    ):
        relay = group.create_task(carry_for_ever(store, signals, carrier, RelaySettings()))

        def bus_of(unknown_s: float) -> Bus:
            settings = SETTINGS.model_copy(update={"unknown_s": unknown_s})
            dice = random.Random(0)  # noqa: S311  jitter
            return BrokerBus(broker, store, CLOCK, settings, dice)

        yield Line(
            store=store,
            bus_of=bus_of,
            carrier=carrier,
            lives=RETURNS + 1,
            die=die,
        )
        relay.cancel()


@asynccontextmanager
async def rabbit_broker(
    url: str, leases: Leases | None = None, *, confirm_s: float = 10
) -> AsyncGenerator[Broker]:
    from tertulia.adapters.rabbitmq.broker import open_rabbitmq
    from tertulia.adapters.rabbitmq.settings import RabbitmqSettings

    settings = RabbitmqSettings(partitions=3, share_s=0.3, look_s=0.5)
    async with open_rabbitmq(
        url,
        leases or MemoryLeases(CLOCK),
        settings,
        name=NAME,
        returns=RETURNS,
        confirm_s=confirm_s,
    ) as broker:
        yield broker


@asynccontextmanager
async def on_rabbitmq(request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Line]:
    import aio_pika

    server: RabbitMQ = request.getfixturevalue("rabbitmq")
    with server.vhost() as url:

        @asynccontextmanager
        async def die(topic: str) -> AsyncGenerator[None]:
            taken = asyncio.Event()

            async def take(_: object) -> None:
                taken.set()

            async with await aio_pika.connect(url) as connection:
                channel = await connection.channel()
                for number in range(3):
                    queue = await channel.get_queue(f"{NAME}.{topic}.{number}")
                    await queue.consume(take)
                await taken.wait()
                yield

        async with rabbit_broker(url) as broker, carried(folder, broker, die) as line:
            yield line


@asynccontextmanager
async def nats_broker(
    url: str,
    leases: Leases | None = None,
    *,
    confirm_s: float = 10,
    ack_s: float = 30,
    answer_s: float = 0.5,
) -> AsyncGenerator[Broker]:
    from tertulia.adapters.nats.broker import open_nats
    from tertulia.adapters.nats.settings import NatsSettings

    settings = NatsSettings(
        partitions=3, share_s=0.3, heartbeat_s=0.2, answer_s=answer_s, ack_s=ack_s
    )
    async with open_nats(
        url, leases or MemoryLeases(CLOCK), settings, name=NAME, confirm_s=confirm_s
    ) as broker:
        yield broker


@asynccontextmanager
async def on_nats(request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Line]:
    from nats.aio.client import Client

    server: NATS = request.getfixturevalue("nats")

    @asynccontextmanager
    async def die(topic: str) -> AsyncGenerator[None]:
        taken = asyncio.Event()

        async def take(_: object) -> None:
            taken.set()

        client = Client()
        await client.connect(server.url)  # pyright: ignore[reportUnknownMemberType]  partial
        for number in range(3):
            await push_to(client, f"{NAME}.{topic}.{number}", take)
        await taken.wait()
        yield
        await client.close()

    async with nats_broker(server.url) as broker, carried(folder, broker, die) as line:
        yield line


async def push_to(client: Any, subject: str, take: Callable[[Any], Awaitable[None]]) -> Any:
    """Consume as a process does that will never say what became of it; the subscription."""
    from nats.js.api import ConsumerConfig

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=take)
    config = ConsumerConfig(
        durable_name=subject.removeprefix(f"{NAME}.").replace(".", "_"),
        deliver_subject=inbox,
        filter_subject=subject,
        max_ack_pending=9,
        max_deliver=-1,
        idle_heartbeat=0.2,
    )
    await client.jetstream().add_consumer(NAME, config)
    return subscription


@asynccontextmanager
async def kafka_broker(
    url: str, *, name: str = NAME, confirm_s: float = 10, session_s: float = 3, look_s: float = 1
) -> AsyncGenerator[Broker]:
    from tertulia.adapters.kafka.broker import open_kafka
    from tertulia.adapters.kafka.settings import KafkaSettings

    settings = KafkaSettings(partitions=3, replication=1, session_s=session_s, look_s=look_s)
    async with open_kafka(url, settings, name=name, confirm_s=confirm_s) as broker:
        yield broker


class DeathError(Exception):
    """Of a process: nothing that it had in hand is told."""


class Dying:
    """Hands that die with what they hold."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()

    def take(self, held: Held) -> None:
        del held
        self.taken.set()

    async def give_up(self, share: str) -> None:
        raise DeathError(share)


@asynccontextmanager
async def on_kafka(request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Line]:
    server: Kafka = request.getfixturevalue("kafka")
    name = server.prefix()

    @asynccontextmanager
    async def die(topic: str) -> AsyncGenerator[None]:
        hands = Dying()
        async with kafka_broker(server.url, name=name) as mortal:
            task = asyncio.create_task(mortal.consume(topic, hands, concurrency=1))
            await hands.taken.wait()
            yield
            task.cancel()
            with pytest.raises(DeathError):
                await task

    async with (
        kafka_broker(server.url, name=name) as broker,
        carried(folder, broker, die) as line,
    ):
        yield line


Opened = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Line]]

BUSES: Final[Mapping[str, Opened]] = {
    "outbox": on_outbox,
    "outbox-postgresql": on_outbox_of_postgresql,
    "rabbitmq": on_rabbitmq,
    "nats": on_nats,
    "kafka": on_kafka,
}
"""Every adapter of the port. What joins here must pass the whole suite."""
