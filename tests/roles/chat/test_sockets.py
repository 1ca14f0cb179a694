"""The live answers through a real listener and real clients."""

from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest

from tests.roles.serving import Options, Serving, path_of, serving


@pytest.fixture
async def listened(tmp_path: Path) -> AsyncGenerator[Serving]:
    async with serving(tmp_path, Options(listen=True)) as made:
        yield made


@pytest.fixture
async def browser(listened: Serving) -> AsyncGenerator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {listened.token}"}
    async with aiohttp.ClientSession(listened.url, headers=headers) as session:
        yield session


async def test_socket_is_refused_with_a_status_and_a_problem(
    listened: Serving, browser: aiohttp.ClientSession
) -> None:
    turn = await listened.turn(await listened.conversation())
    path = f"{path_of(turn['reply'])}/stream"
    refusals: list[tuple[str, dict[str, str], int]] = [
        (path, {"Authorization": "Bearer tt_wrong"}, 401),
        (path, {"Authorization": f"Bearer {await listened.stranger()}"}, 404),
        (path + "?after=nowhere", {}, 400),
        ("/api/feed?after=-1", {}, 400),
        ("/api/feed", {"Host": "evil.example"}, 403),
        ("/api/nothing", {}, 403),
    ]
    for where, headers, status in refusals:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.ws_connect(where, headers=headers)
        assert refused.value.status == status, where


async def test_reply_is_read_over_a_real_socket(
    listened: Serving, browser: aiohttp.ClientSession
) -> None:
    turn = await listened.turn(await listened.conversation())
    async with browser.ws_connect(f"{path_of(turn['reply'])}/stream") as socket:
        await listened.scribe.write(turn["reply"], "Hello")
        assert (await socket.receive_json())["data"] == {"text": "Hello"}
        assert (await socket.receive_json())["event"] == "end"
        closing = await socket.receive()
        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1000)


async def test_reply_is_read_over_a_real_stream(
    listened: Serving, browser: aiohttp.ClientSession
) -> None:
    turn = await listened.turn(await listened.conversation())
    async with browser.get(f"{path_of(turn['reply'])}/stream") as stream:
        await listened.scribe.write(turn["reply"], "Hello")
        body = await stream.text()
    assert 'event: delta\nid: 1-5\ndata: {"text":"Hello"}\n\n' in body
    assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["Cache-Control"] == "no-store"


async def test_restart_tells_sockets_and_streams_to_come_back(
    listened: Serving, browser: aiohttp.ClientSession
) -> None:
    turn = await listened.turn(await listened.conversation())
    path = f"{path_of(turn['reply'])}/stream"
    async with (
        browser.ws_connect("/api/feed") as feed,
        browser.get(path) as stream,
        browser.ws_connect(path) as socket,
    ):
        listened.drain()
        assert "event: restarting\n" in await stream.text()
        for each in (feed, socket):
            assert (await each.receive_json())["event"] == "restarting"
            closing = await each.receive()
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_client_that_hangs_up_leaves_nothing_behind(
    listened: Serving, browser: aiohttp.ClientSession
) -> None:
    turn = await listened.turn(await listened.conversation())
    path = f"{path_of(turn['reply'])}/stream"
    for _ in range(5):
        socket = await browser.ws_connect(path)
        await socket.close()
        stream = await browser.get(path)
        stream.close()
    await listened.scribe.write(turn["reply"], "Hello")
    assert (await listened.message(turn["reply"]))["text"] == "Hello"
