"""Streams resume from any position, by SSE and WebSocket, byte for byte."""

import os
import random
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api, Message, Transport
from tests.e2e.cutter import TEXT, Cutter, begin, resume_byte_for_byte
from tests.e2e.echo_text import echoed
from tests.e2e.reading import Reading
from tests.e2e.server import Server

STREAMS: Final = int(os.environ.get("STREAMS", "75"))
"""By each transport; `STREAMS=1000` is the full proof."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, str]]:
    """Where it listens, and a token."""
    with Server(tmp_path_factory.mktemp("streams")) as server:
        yield server.url, server.token()


@pytest.fixture
async def api(server: tuple[str, str]) -> AsyncGenerator[Api]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Api(http, *server)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_stream_cut_at_random_resumes_byte_for_byte(api: Api, transport: Transport) -> None:
    await resume_byte_for_byte(api, transport, STREAMS)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_any_position_of_a_finished_reply_can_be_resumed(
    api: Api, transport: Transport
) -> None:
    reply = await api.finished(await begin(api, "echo/10/0"))
    whole = reply.text or ""
    for offset in range(len(whole) + 1):
        rest = await read_rest(api, reply, f"{reply.epoch}-{offset}", transport)
        assert whole[:offset] + rest.text == whole
        assert rest.resets == 0


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_position_beyond_the_text_is_reset(api: Api, transport: Transport) -> None:
    reply = await api.finished(await begin(api, "echo/10/0"))
    after = f"{reply.epoch}-{len(reply.text or '') + 7}"
    reading = await read_rest(api, reply, after, transport)
    assert (reading.text, reading.resets) == (reply.text, 1)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_streams_resume_from_the_store_when_memory_has_let_go(
    tmp_path: Path, transport: Transport
) -> None:
    forgetful = {"TERTULIA_MEMORY_TOKEN_STREAM_KEPT_S": "0"}
    with Server(tmp_path / "home", variables=forgetful) as server:
        async with aiohttp.ClientSession() as http:
            api = Api(http, server.url, server.token())
            reply = await api.finished(await begin(api, "echo/30/1"))
            reading = await Cutter(api, random.Random(1)).read(  # noqa: S311
                reply, reply.text or "", transport
            )
            assert reading.text == reply.text == echoed(TEXT, 30)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_streams_resume_over_a_continue(api: Api, transport: Transport) -> None:
    reply = await begin(api, "echo/60/20")
    reading = Reading()
    async with api.stream(reply, None, transport) as events:
        async for event in events:
            reading.take(event)
            if len(reading.text) > 20:
                break
    await api.act(reply, "stop")
    stopped = await api.finished(reply)
    assert stopped.status == "cancelled"
    await api.act(reply, "continue", {"id": str(uuid4())})
    async with api.stream(reply, reading.after, transport) as events:
        async for event in events:
            reading.take(event)
            if reading.end is not None:
                break
    assert reading.resets == 1
    assert reading.end is not None
    assert reading.end.epoch == stopped.epoch + 1
    assert reading.text == reading.end.text == echoed(TEXT, 60)


async def read_rest(api: Api, reply: Message, after: str, transport: Transport) -> Reading:
    """What a reader that claims to be at `after` is told: its text is the rest only."""
    reading = Reading(whole=False)
    async with api.stream(reply, after, transport) as events:
        async for event in events:
            reading.take(event)
            if reading.end is not None:
                break
    return reading
