"""The whole product with RabbitMQ between its roles."""

from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api
from tests.e2e.server import Server, tertulia
from tests.servers.fixtures import Private
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.server


async def test_a_turn_goes_over_the_broker_and_waits_for_it(
    private: Private, tmp_path: Path
) -> None:
    broker = private(RabbitMQ)
    variables = {"TERTULIA_BUS_URL": broker.url}
    with Server(tmp_path, variables=variables) as server:
        token = server.token()
        async with aiohttp.ClientSession() as http:
            api = Api(http, server.url, token)
            conversation = (await api.create_conversation(str(uuid4()))).id
            turn = await api.send_turn(conversation, str(uuid4()), "hello")
            assert (await api.finished(turn.reply)).status == "complete"
            queues = {queue["name"] for queue in broker.api("GET", "queues")}
            assert {"tertulia.turns.0", "tertulia.replies.0"} <= queues
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


def test_doctor_asks_the_broker_and_hides_its_password(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    url = f"amqp://guest:guest@{rabbitmq.address}/"
    said = tertulia("doctor", home=tmp_path, variables={"TERTULIA_BUS_URL": url}).stdout
    assert f"ok     bus: amqp://{rabbitmq.address}/ answers" in said
    away = tertulia(
        "doctor", home=tmp_path, variables={"TERTULIA_BUS_URL": "amqp://a:b@127.0.0.1:1/"}
    )
    assert "WRONG  bus: RabbitMQ does not answer" in away.stdout
    assert "a:b" not in away.stdout + away.stderr
