import aio_pika
import pytest

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
