"""Every role in processes of its own, several of each, over PostgreSQL and Redis."""

import json
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api, Message, Transport
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis

pytestmark = pytest.mark.server

WORDS = " ".join(f"word{n}" for n in range(200))


@dataclass
class Fleet:
    """Two gateways, two chats, a relay, a preprocess and two inferences."""

    gateways: list[RoleProcess]
    chats: list[RoleProcess]
    token: str


@contextmanager
def fleet(place: Path, store: str, redis: str) -> Generator[Fleet]:
    first = place / "first"
    first.mkdir()
    shared = {
        "TERTULIA_MODEL": "embedded",
        "TERTULIA_MASTER_FILE": str(first / "master.key"),
        "TERTULIA_STORE_URL": store,
        "TERTULIA_REDIS_URL": redis,
    }
    token = tertulia("token", "create", home=first, variables=shared).stdout.strip()
    with ExitStack() as stack:

        def start(role: str, count: int = 1, **more: str) -> list[RoleProcess]:
            made: list[RoleProcess] = []
            for number in range(count):
                home = place / f"{role}{number}"
                home.mkdir()
                process = RoleProcess((role,), home, {**shared, **more})
                made.append(stack.enter_context(process))
            return made

        inference = ",".join(each.url for each in start("inference", 2, TERTULIA_MODEL="echo"))
        chats = start("chat", 2, TERTULIA_PEERS_INFERENCE=inference)
        start("preprocess", TERTULIA_PEERS_INFERENCE=inference)
        start("relay")
        behind = ",".join(each.url for each in chats)
        yield Fleet(start("gateway", 2, TERTULIA_PEERS_CHAT=behind), chats, token)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_stream_goes_on_byte_for_byte_when_its_chat_process_is_killed(
    tmp_path: Path, postgres: PostgreSQL, redis: Redis, transport: Transport
) -> None:
    with postgres.database() as store, fleet(tmp_path, store, redis.url) as made:
        async with aiohttp.ClientSession() as http:
            doors = [Api(http, each.url, made.token) for each in made.gateways]
            models = json.loads(await doors[0].request("GET", "/api/models"))
            assert models["default"] == "echo"
            conversation = await doors[0].create_conversation(str(uuid4()), model="echo/200/20")
            turn = await doors[0].send_turn(conversation.id, str(uuid4()), WORDS)
            text, position, cuts = "", None, 0
            while True:
                text, position, over = await follow(
                    doors[cuts % 2], turn.reply, text, position, transport, cut=100 * (cuts + 1)
                )
                if over:
                    break
                if not cuts:
                    made.chats[0].end(signal.SIGKILL)
                cuts += 1
            whole = await doors[1].message(turn.reply)
            assert cuts > 2
            assert (whole.status, whole.text) == ("complete", text)


async def follow(
    door: Api, reply: Message, text: str, position: str | None, transport: Transport, cut: int
) -> tuple[str, str | None, bool]:
    """Read on until `cut` characters are there or the stream breaks; whether it is over."""
    async with door.stream(reply, position, transport) as events:
        async for event in events:
            if event.event == "end":
                return text, position, True
            if event.event in {"delta", "reset"}:
                said = json.loads(event.data)["text"]
                text, position = (text + said if event.event == "delta" else said), event.id
            if len(text) > cut:
                break
    return text, position, False
