"""A broker that is killed under load: what was committed arrives, once and in order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tertulia.kit.tasks import uninterrupted
from tertulia.ports.bus import BusUnavailableError, Delivery
from tests.ports.buses import Line, carried, kafka_broker, nats_broker, rabbit_broker
from tests.servers.fixtures import Private
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.process import Server
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server

PATIENCE_S: Final = 240  # only ends a test that would hang
KEYS: Final = 10
ROUNDS: Final = 30
KILLS: Final = (8, 20)  # rounds after which the broker is killed

BROKERS: Final = {
    "rabbitmq": (RabbitMQ, rabbit_broker),
    "nats": (NATS, nats_broker),
    "kafka": (Kafka, kafka_broker),
}

Ids = dict[str, list[str]]
"""Of messages in their order, by key."""


@asynccontextmanager
async def nobody_dies(_: str) -> AsyncGenerator[None]:
    yield


@pytest.mark.parametrize("name", BROKERS)
async def test_nothing_is_lost_doubled_or_overtaken(
    name: str, private: Private, tmp_path: Path
) -> None:
    kind, opened = BROKERS[name]
    server = private(kind)
    sent, done = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    async with (
        asyncio.timeout(PATIENCE_S),
        opened(server.url) as broker,
        carried(tmp_path, broker, nobody_dies) as line,
    ):

        async def effect(delivery: Delivery) -> None:
            if await line.store.write(lambda tx: tx.inbox.accept("test", delivery.id)):
                done[delivery.key].append(delivery.id)

        async def handler(delivery: Delivery) -> None:
            await uninterrupted(effect(delivery))  # what is committed is noted

        async with line.consuming(handler, patience_s=PATIENCE_S):
            await send(line, sent)
            await until(done, 1)
            # RabbitMQ 3.10 may forget a queue when it is killed within seconds of its making.
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await load(line, server, sent, done)
            await until(done, ROUNDS + 1 + 3 * len(KILLS))
            await line.settled()
        assert done == sent
        assert await line.bus.dead() == []


async def load(line: Line, server: Server, sent: Ids, done: Ids) -> None:
    """Send on while the broker dies, comes back and dies again."""
    for number in range(ROUNDS):
        await send(line, sent)
        if number in KILLS:
            await until(done, number // 2)
            await asyncio.to_thread(server.kill)
            for _ in range(3):
                await send(line, sent)
            await asyncio.to_thread(server.start)


async def send(line: Line, sent: Ids) -> None:
    keys = [f"key-{number}" for number in range(KEYS)]
    for key, sent_id in zip(keys, await line.send(*keys), strict=True):
        sent[key].append(sent_id)


async def until(done: Ids, rounds: int) -> None:
    """So many messages of each key have had their effect."""
    while len(done) < KEYS or min(map(len, done.values())) < rounds:  # noqa: ASYNC110  not ours to signal
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", BROKERS)
async def test_a_broker_that_hangs_is_noticed(name: str, private: Private) -> None:
    kind, opened = BROKERS[name]
    server = private(kind)
    async with opened(server.url) as broker:
        await broker.check()
        server.freeze()
        try:
            with pytest.raises(BusUnavailableError):
                await broker.check()
        finally:
            server.thaw()
        await broker.check()
