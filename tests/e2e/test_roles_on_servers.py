"""Every role in processes of its own, two of those in front, over PostgreSQL and Redis."""

import json
import signal
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api, Message, Transport
from tests.e2e.fleet import fleet
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis

pytestmark = pytest.mark.server

ROLES = {"gateway": 2, "chat": 2, "relay": 1, "preprocess": 1, "inference": 1}
WORDS = " ".join(f"word{n}" for n in range(200))


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_stream_goes_on_byte_for_byte_when_its_chat_process_is_killed(
    tmp_path: Path, postgres: PostgreSQL, redis: Redis, transport: Transport
) -> None:
    with (
        postgres.database() as store,
        fleet(tmp_path, {"store": store, "redis": redis.url}, ROLES) as made,
    ):
        async with aiohttp.ClientSession() as http:
            doors = [Api(http, url, made.token) for url in made.doors]
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
                    made.roles["chat"][0].end(signal.SIGKILL)
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
