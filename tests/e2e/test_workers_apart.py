"""Workers of one character in processes of their own, over real brokers."""

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api, Turn
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia
from tests.servers.kafka import Kafka
from tests.servers.nats import NATS
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.session import free_ports

pytestmark = pytest.mark.server

FRONT: Final = ("gateway", "chat", "relay", "preprocess")
TURNS: Final = 12


@dataclass
class Workers:
    """Two of them, and one process of all other roles."""

    front: RoleProcess
    workers: list[RoleProcess]
    token: str

    def api(self, http: aiohttp.ClientSession) -> Api:
        return Api(http, self.front.url, self.token)

    def handed_over(self) -> list[int]:
        """How many replies, by worker."""
        return [len(said(worker, "reply handed over")) for worker in self.workers]


def said(process: RoleProcess, event: str) -> list[dict[str, Any]]:
    return [line for line in process.lines if line["event"] == event]


@contextmanager
def two_workers(
    place: Path, urls: Mapping[str, str], variables: Mapping[str, str], model: str
) -> Generator[Workers]:
    """Not started; `model` is the workers'."""
    homes = {name: place / name for name in ("front", "first", "second")}
    for home in homes.values():
        home.mkdir()
    shared = {
        "TERTULIA_MASTER_FILE": str(homes["front"] / "master.key"),
        "TERTULIA_KAFKA_REPLICATION": "1",
        "TERTULIA_INFERENCE_TITLES": "false",
        **{f"TERTULIA_{section}_URL": url for section, url in urls.items()},
        **variables,
    }
    made = tertulia("token", "create", home=homes["front"], variables=shared)
    assert made.returncode == 0, made.stderr
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    peers = {"TERTULIA_PEERS_INFERENCE": ",".join(f"http://{each}" for each in addresses)}
    workers = [
        RoleProcess(
            ("inference",),
            homes[name],
            shared
            | {
                "TERTULIA_ADDRESS": address,
                "TERTULIA_MODEL": model,
                "TERTULIA_INFERENCE_WORKER": name,
            },
        )
        for name, address in zip(("first", "second"), addresses, strict=True)
    ]
    front = RoleProcess(FRONT, homes["front"], shared | peers | {"TERTULIA_MODEL": "embedded"})
    try:
        yield Workers(front, workers, made.stdout.strip())
    finally:
        for process in (front, *workers):
            if process.process is not None:
                process.end(signal.SIGKILL)


async def started(made: Workers) -> None:
    await asyncio.gather(*(asyncio.to_thread(w.start) for w in (made.front, *made.workers)))


async def send(api: Api, model: str | None = None) -> list[Turn]:
    """A turn in each of some new conversations."""
    turns: list[Turn] = []
    for _ in range(TURNS):
        conversation = await api.create_conversation(str(uuid4()), model=model)
        turns.append(await api.send_turn(conversation.id, str(uuid4()), "Say a few words."))
    return turns


async def ends(api: Api, turns: list[Turn]) -> Counter[str]:
    """Of the replies: states, or codes of errors."""
    replies = await asyncio.gather(*(api.finished(turn.reply) for turn in turns))
    return Counter(reply.error_code or reply.status for reply in replies)


@contextmanager
def one_at_a_time(
    place: Path, postgres: PostgreSQL, redis: Redis, broker: RabbitMQ | NATS | Kafka
) -> Generator[Workers]:
    """Each writes one reply; what it has beside that waits."""
    variables = {
        "TERTULIA_INFERENCE_CAPACITY": "1",
        "TERTULIA_BUS_NAME": f"test-{uuid4().hex[:16]}",
    }
    with postgres.database() as store:
        urls = {"STORE": store, "REDIS": redis.url, "BUS": broker.url}
        with two_workers(place, urls, variables, "echo") as made:
            yield made


async def begun(worker: RoleProcess, http: aiohttp.ClientSession) -> None:
    """Returns when it writes a reply."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{worker.url}/metrics") as answer:
                if "tertulia_replies_running 1.0" in await answer.text():
                    return


async def test_what_waits_for_a_worker_that_stops_goes_to_the_other(
    tmp_path: Path, postgres: PostgreSQL, redis: Redis, rabbitmq: RabbitMQ
) -> None:
    with one_at_a_time(tmp_path, postgres, redis, rabbitmq) as made:
        await started(made)
        async with aiohttp.ClientSession() as http:
            api = made.api(http)
            turns = await send(api, "echo/20/50")
            leaving = made.workers[0]
            await begun(leaving, http)
            assert await asyncio.to_thread(leaving.end, signal.SIGTERM) == 0
            assert await ends(api, turns) == {"complete": TURNS}
        assert made.handed_over()[0]


@pytest.mark.parametrize("kind", ["rabbitmq", "nats", "kafka"])
async def test_what_waits_for_a_worker_that_is_killed_for_good_goes_to_the_other(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgreSQL, redis: Redis
) -> None:
    broker: RabbitMQ | NATS | Kafka = request.getfixturevalue(kind)
    with one_at_a_time(tmp_path, postgres, redis, broker) as made:
        await started(made)
        async with aiohttp.ClientSession() as http:
            api = made.api(http)
            turns = await send(api, "echo/20/50")
            await begun(made.workers[0], http)
            made.workers[0].end(signal.SIGKILL)
            ended = await ends(api, turns)
            assert ended.pop("process_ended", 0) <= 1
            assert ended.keys() == {"complete"}


async def test_worker_that_cannot_run_its_model_hands_over_and_ends(
    tmp_path: Path, postgres: PostgreSQL, redis: Redis, nats: NATS, smollm2: Path
) -> None:
    short = {"TERTULIA_EMBEDDED_REPLY_TOKENS": "8"}
    with postgres.database() as store:
        urls = {"STORE": store, "REDIS": redis.url, "BUS": nats.url}
        with two_workers(tmp_path, urls, short, "embedded") as made:
            broken, sound = made.workers
            for worker in made.workers:
                (worker.home / "models").mkdir()
            (sound.home / "models" / "small.gguf").symlink_to(smollm2)
            shutil.copy(smollm2, broken.home / "models" / "small.gguf")
            spoil(broken.home / "models" / "small.gguf")
            await started(made)
            async with aiohttp.ClientSession() as http:
                api = made.api(http)
                turns = await send(api)
                assert set(await ends(api, turns)) <= {"reply_limit", "complete"}, "all have text"
            assert broken.process is not None
            assert await asyncio.to_thread(broken.process.wait, 30)
            assert made.handed_over()[0] >= 3
            assert made.handed_over()[1] == 0
            assert said(broken, "worker in trouble")[0]["code"] == "worker_in_trouble"


def spoil(model: Path) -> None:
    """What it says of itself is whole, its weights are missing."""
    with model.open("r+b") as file:
        file.truncate(model.stat().st_size // 2)
