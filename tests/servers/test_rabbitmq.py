from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from tests.servers.fixtures import Private
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server


async def test_virtual_hosts_are_fresh_and_removed(rabbitmq: RabbitMQ) -> None:
    urls: list[str] = []
    for _ in range(2):
        with rabbitmq.vhost() as url:
            urls.append(url)
            async with await aio_pika.connect(url) as connection:
                channel = await connection.channel()
                queue = await channel.declare_queue("told", durable=True)
                assert queue.declaration_result.message_count == 0
                await channel.default_exchange.publish(aio_pika.Message(b"once"), queue.name)
    left = [found["name"] for found in rabbitmq.api("GET", "vhosts")]
    assert not [name for name in left if any(url.endswith(name) for url in urls)]


async def test_killed_rabbitmq_keeps_what_was_confirmed(private: Private) -> None:
    server = private(RabbitMQ)
    async with quorum_queue(server):
        pass
    server.stop()  # by then the queue's name is on the disk
    server.start()
    async with quorum_queue(server) as (channel, queue):
        await channel.default_exchange.publish(aio_pika.Message(b"again"), queue.name)
    server.kill()
    server.start()
    async with quorum_queue(server) as (_, queue):
        assert (await queue.get(timeout=30)).body == b"again"


@asynccontextmanager
async def quorum_queue(server: RabbitMQ) -> AsyncGenerator[tuple[AbstractChannel, AbstractQueue]]:
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        yield (
            channel,
            await channel.declare_queue("told", durable=True, arguments={"x-queue-type": "quorum"}),
        )
