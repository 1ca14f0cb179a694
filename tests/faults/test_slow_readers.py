"""Readers that take nothing: they cost a bounded amount of memory and hold nobody up."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.api import Api, Message, Transport
from tests.e2e.server import Server

READERS: Final = 30
TURNS: Final = 16
TEXT: Final = "a long story " * 50_000
MOST_GROWTH: Final = 150 * 1024 * 1024
"""5 MB a reader: a page of changes, the change on its way, two sockets' buffers. All that a
reader misses are 20 MB."""


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_readers_that_take_nothing_cost_little_and_hold_nobody_up(
    tmp_path: Path, transport: Transport
) -> None:
    impatient = {"TERTULIA_HTTP_SEND_TIMEOUT_S": "2"}
    with Server(tmp_path / "home", variables=impatient) as server:
        async with aiohttp.ClientSession() as http, AsyncExitStack() as open_readers:
            api = Api(http, server.url, server.token())
            for _ in range(TURNS):
                await talk(api, TEXT)
            before = memory(server.pid)
            for _ in range(READERS):
                await open_readers.enter_async_context(stuck(api, transport))
            assert (await talk(api, "hello")).status == "complete"
            await cut_off(api, READERS)
            assert peak_memory(server.pid) - before < MOST_GROWTH
            assert (await talk(api, "hello")).status == "complete"


async def talk(api: Api, text: str) -> Message:
    conversation = await api.create_conversation(str(uuid4()))
    turn = await api.send_turn(conversation.id, str(uuid4()), text, model="echo/1/0")
    return await api.finished(turn.reply)


@asynccontextmanager
async def stuck(api: Api, transport: Transport) -> AsyncGenerator[None]:
    """A connection that asks for all that ever changed, and reads nothing of it."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.settimeout(0)
        host, _, port = api.base.removeprefix("http://").partition(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(reader, (host, int(port)))
        await loop.sock_sendall(reader, _request(api, transport).encode())
        yield


def _request(api: Api, transport: Transport) -> str:
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    return (
        f"GET /api/feed?after=0 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {api.headers['Authorization']}\r\n"
        f"{upgrade if transport == 'websocket' else ''}\r\n"
    )


async def cut_off(api: Api, readers: int) -> None:
    """Returns once the server has cut so many readers off. They cannot tell themselves: what
    they do not take stands in the way of the end."""
    async with asyncio.timeout(60):
        while await _cut_off(api) < readers:
            await talk(api, "hello")


async def _cut_off(api: Api) -> int:
    metrics = (await api.request("GET", "/metrics")).decode()
    name = "tertulia_http_readers_cut_off_total "
    return next(
        int(float(line.removeprefix(name)))
        for line in metrics.splitlines()
        if line.startswith(name)
    )


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return _status(pid, "VmRSS")


def peak_memory(pid: int) -> int:
    """The most that were ever resident."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
