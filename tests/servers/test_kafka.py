from importlib import import_module
from typing import Any

import pytest

from tests.servers.fixtures import Private
from tests.servers.kafka import Kafka

pytestmark = pytest.mark.server

driver: Any = import_module("aiokafka")  # it has no types
administration: Any = import_module("aiokafka.admin")


async def test_prefixes_are_apart(kafka: Kafka) -> None:
    names = {f"{kafka.prefix()}.told" for _ in range(2)}
    await make(kafka, *names)
    assert len(names) == 2


async def test_killed_kafka_keeps_what_was_acknowledged(private: Private) -> None:
    server = private(Kafka)
    topic = f"{server.prefix()}.told"
    await make(server, topic)
    async with driver.AIOKafkaProducer(bootstrap_servers=server.address, acks="all") as producer:
        await producer.send_and_wait(topic, b"again", key=b"once")
    server.kill()
    server.start()
    async with driver.AIOKafkaConsumer(
        topic, bootstrap_servers=server.address, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"again"


async def make(kafka: Kafka, *topics: str) -> None:
    admin = administration.AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.create_topics([administration.NewTopic(name, 1, 1) for name in topics])
    finally:
        await admin.close()
