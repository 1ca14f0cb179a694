"""The whole product with a broker between its roles."""

import asyncio
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import httpx
import pytest

from tests.e2e.api import Api
from tests.e2e.server import Server, tertulia
from tests.servers.fixtures import Private
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.process import Server as Broker
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server

administration: Any = import_module("aiokafka.admin")  # it has no types


def queues(broker: Broker) -> set[str]:
    """Of RabbitMQ: what was made for the topics."""
    return {queue["name"] for queue in cast("RabbitMQ", broker).api("GET", "queues")}


def consumers(broker: Broker) -> set[str]:
    """Of NATS: what was made for the topics."""
    url = f"http://{broker.place.address}:{broker.place.ports[1]}/jsz?consumers=true"
    accounts: list[dict[str, Any]] = httpx.get(url).json()["account_details"]
    streams = [stream for account in accounts for stream in account["stream_detail"]]
    return {each["name"] for stream in streams for each in stream.get("consumer_detail") or ()}


def topics(broker: Broker) -> set[str]:
    """Of Kafka."""

    async def listed() -> set[str]:
        admin = administration.AIOKafkaAdminClient(bootstrap_servers=cast("Kafka", broker).address)
        await admin.start()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    return asyncio.run(listed())


MADE: Final[Mapping[type[Broker], tuple[Callable[[Broker], set[str]], set[str]]]] = {
    RabbitMQ: (queues, {"tertulia.turns.0", "tertulia.replies.0"}),
    NATS: (consumers, {"turns_0", "replies_0"}),
    Kafka: (topics, {"tertulia.turns", "tertulia.replies"}),
}
"""What is in a broker once a turn went over it."""

ALONE: Final = {"TERTULIA_KAFKA_REPLICATION": "1"}


@pytest.mark.parametrize("kind", MADE)
async def test_a_turn_goes_over_the_broker_and_waits_for_it(
    kind: type[RabbitMQ | NATS | Kafka], private: Private, tmp_path: Path
) -> None:
    broker = private(kind)
    seen, expected = MADE[kind]
    variables = ALONE | {"TERTULIA_BUS_URL": broker.url}
    with Server(tmp_path, variables=variables) as server:
        token = server.token()
        async with aiohttp.ClientSession() as http:
            api = Api(http, server.url, token)
            conversation = (await api.create_conversation(str(uuid4()))).id
            turn = await api.send_turn(conversation, str(uuid4()), "hello")
            assert (await api.finished(turn.reply)).status == "complete"
            assert expected <= await asyncio.to_thread(seen, broker)
            broker.stop()
            assert await missing(http, server) == {"bus"}
            assert tertulia("relay", "--once", home=tmp_path, variables=variables).returncode == 1
            waiting = await api.send_turn(conversation, str(uuid4()), "and now?")
            broker.start()
            assert (await api.finished(waiting.reply)).status == "complete"
            assert await missing(http, server) == set()


async def missing(http: aiohttp.ClientSession, server: Server) -> set[str]:
    """What is not ready."""
    async with http.get(f"{server.url}/ready") as answer:
        return set((await answer.json())["missing"])


@pytest.mark.parametrize(("kind", "name"), [("rabbitmq", "RabbitMQ"), ("nats", "NATS")])
def test_doctor_asks_the_broker_and_hides_its_password(
    kind: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    broker: RabbitMQ | NATS = request.getfixturevalue(kind)
    address = urlsplit(broker.url)
    scheme, there = address.scheme, address.netloc.rpartition("@")[2]
    url = f"{scheme}://guest:guest@{there}/"
    said = tertulia("doctor", home=tmp_path, variables={"TERTULIA_BUS_URL": url}).stdout
    assert f"ok     bus: {scheme}://{there}/ answers" in said
    away = tertulia(
        "doctor", home=tmp_path, variables={"TERTULIA_BUS_URL": f"{scheme}://a:b@127.0.0.1:1/"}
    )
    assert f"WRONG  bus: {name} does not answer" in away.stdout
    assert "a:b" not in away.stdout + away.stderr
