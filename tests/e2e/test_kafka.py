"""What operators ask of Kafka."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from tertulia.ports.broker import Held, Letter
from tests.e2e.server import tertulia
from tests.ports.brokers import parcel
from tests.ports.buses import kafka_broker
from tests.servers.kafka import Kafka

pytestmark = pytest.mark.server


def test_doctor_asks_the_broker_and_hides_its_password(kafka: Kafka, tmp_path: Path) -> None:
    def said(url: str, replication: str = "1") -> str:
        variables = {"TERTULIA_BUS_URL": url, "TERTULIA_KAFKA_REPLICATION": replication}
        done = tertulia("doctor", home=tmp_path, variables=variables)
        return done.stdout + done.stderr

    assert f"ok     bus: kafka://{kafka.address} answers" in said(kafka.url)
    assert "WRONG  bus: Kafka has 1 of the 2 nodes" in said(kafka.url, "3")
    away = said("kafka://a:b@127.0.0.1:1,127.0.0.1:2")
    assert "WRONG  bus: Kafka does not answer" in away
    assert "a:b" not in away


class Burying:
    """Hands that give up what they get."""

    def __init__(self) -> None:
        self.buried = asyncio.Event()

    def take(self, held: Held) -> None:
        self._burial = asyncio.create_task(self._bury(held))

    async def give_up(self, share: str) -> None:
        """Nothing is in hand."""

    async def _bury(self, held: Held) -> None:
        now = datetime.now(UTC)
        await held.bury(Letter(data=held.data, attempts=6, reason="ValueError", died_at=now))
        self.buried.set()


async def test_dead_letters_are_listed_and_replayed(kafka: Kafka, tmp_path: Path) -> None:
    name, sent, hands = f"t{uuid4().hex[:20]}", parcel(), Burying()
    variables = {
        "TERTULIA_BUS_URL": kafka.url,
        "TERTULIA_BUS_NAME": name,
        "TERTULIA_KAFKA_REPLICATION": "1",
    }

    def dead(*command: str) -> str:
        done = tertulia("relay", "dead", *command, home=tmp_path, variables=variables)
        assert done.returncode == 0
        return done.stdout

    async with asyncio.timeout(60), kafka_broker(kafka.url, name=name) as broker:
        await broker.publish([sent])
        consuming = asyncio.create_task(broker.consume("turns", hands, concurrency=1))
        await hands.buried.wait()
        consuming.cancel()
        await asyncio.wait({consuming})
        [letter] = json.loads(dead("list", "--json"))
        assert (letter["id"], letter["reason"], letter["attempts"]) == (sent.id, "ValueError", 6)
        assert dead("replay", sent.id) == "1 dead letter due again.\n"
        assert json.loads(dead("list", "--json")) == []
        [depth] = await broker.depths()
        assert (depth.topic, depth.waiting) == ("turns", 1)
