"""The listener: where it listens, when it opens, how it closes, whom it cuts off."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp
import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocket

from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.server import (
    AddressError,
    AddressInUseError,
    HttpServer,
    bind,
    open_http,
)
from tertulia.adapters.http.settings import HttpSettings
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.http import Registrants
from tests.ports.http.edges import PUBLIC, listening, routes

CHUNK: Final = b"x" * 65_536
ENOUGH: Final = 64 * 1024 * 1024


class Flood:
    """Sends without end; says how much was taken and when it was cut off."""

    def __init__(self) -> None:
        self.sent = 0
        self.over = asyncio.Event()
        self.router = APIRouter()
        self.router.add_api_route("/api/flood", self.stream, dependencies=PUBLIC)
        self.router.add_api_websocket_route("/api/flood", self.socket, dependencies=PUBLIC)

    async def stream(self) -> StreamingResponse:
        return StreamingResponse(self._chunks())

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(CHUNK)
                self.sent += len(CHUNK)
        finally:
            self.over.set()

    async def _chunks(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield CHUNK
                self.sent += len(CHUNK)
                await asyncio.sleep(0)  # to a reader that is gone, sending does not wait
        finally:
            self.over.set()


class Gate:
    """A request that is answered when the test says so, and one that never ends."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.router = APIRouter()
        self.router.add_api_route("/api/gate", self.answer, dependencies=PUBLIC)

    async def answer(self) -> str:
        self.entered.set()
        await self.open.wait()
        return "done"


async def test_address_in_use_is_one_sentence() -> None:
    taken = bind("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port} is in use"):
        bind("127.0.0.1", port)
    taken.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org"])  # noqa: S104
def test_address_that_others_can_reach_needs_a_word_on_where_they_come_in(host: str) -> None:
    with pytest.raises(AddressError, match=r"gateway\.public_url"):
        bind(host, 0)


async def test_whoever_comes_from_another_machine_comes_to_the_named_address() -> None:
    process = ProcessSettings(address="0.0.0.0:0")
    async with open_http(process, HttpSettings(), Registrants(1), Exposure(beyond=True)) as server:
        role = asyncio.create_task(server.served())
        port = (await server.listening()).rpartition(":")[2]
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(
                f"http://127.0.0.1:{port}/health", headers={"Host": "chat.example"}
            )
        assert answer.status_code == 200
        role.cancel()


async def test_ipv6_is_written_in_brackets() -> None:
    async with open_http(
        ProcessSettings(address="[::1]:0"), HttpSettings(), Registrants(1)
    ) as server:
        role = asyncio.create_task(server.served())
        url = await server.listening()
        assert url.startswith("http://[::1]:")
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{url}/health")).status_code == 200
        role.cancel()


async def test_a_process_that_leaves_gives_up_its_connections_one_answer_at_a_time() -> None:
    process, settings = ProcessSettings(address="127.0.0.1:0"), HttpSettings(drain_delay_s=8)
    async with open_http(process, settings, Registrants(1)) as server:
        role = asyncio.create_task(server.served())
        async with httpx.AsyncClient(base_url=await server.listening(), trust_env=False) as http:
            assert "connection" not in (await http.get("/health")).headers
            leaving = asyncio.create_task(server.leave())
            await asyncio.sleep(0)
            answer = await http.get("/health")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        leaving.cancel()
        role.cancel()


async def test_a_connection_that_is_idle_is_given_up_with_one_more_answer() -> None:
    """Whoever asks again in time does not meet a connection that is being closed."""
    async with listening([], HttpSettings(idle_s=8)) as (server, role):
        async with httpx.AsyncClient(base_url=await server.listening(), trust_env=False) as http:
            assert "connection" not in (await http.get("/health")).headers
            role.cancel()
            await server.draining.wait()
            await closed(server)
            answer = await http.get("/health")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        await asyncio.wait({role})  # and for nothing else


async def closed(server: HttpServer) -> None:
    """Returns when nobody can connect any more."""
    host, port = (await server.listening()).removeprefix("http://").split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.01)


async def test_sockets_have_the_last_word_when_the_listener_closes() -> None:
    gate, router = asyncio.Event(), APIRouter()

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await gate.wait()
        await websocket.send_text("come back")
        await websocket.close(1012)

    router.add_api_websocket_route("/api/talk", talk, dependencies=PUBLIC)
    process = ProcessSettings(address="127.0.0.1:0")
    async with open_http(process, HttpSettings(), Registrants(1)) as server:
        server.include(router)
        role = asyncio.create_task(server.served())
        async with (
            aiohttp.ClientSession(await server.listening()) as http,
            http.ws_connect("/api/talk") as socket,
        ):
            assert await socket.receive_str() == "hello"
            role.cancel()
            while True:
                try:
                    await http.get("/health")
                except aiohttp.ClientConnectorError:
                    break
            gate.set()
            assert await socket.receive_str() == "come back"
            assert (await socket.receive()).data == 1012


async def test_listener_opens_when_every_role_has_registered() -> None:
    process = ProcessSettings(address="127.0.0.1:0")
    async with open_http(process, HttpSettings(), Registrants(2)) as server:
        opened = asyncio.ensure_future(server.listening())
        first = asyncio.create_task(server.served())
        await asyncio.sleep(0)
        assert not opened.done()
        server.include(routes())
        second = asyncio.create_task(server.served())
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{await opened}/api/echo", json={"text": "late"})
            assert answer.json() == {"text": "late", "count": 0}
        first.cancel()
        second.cancel()


async def test_roles_that_fail_to_register_do_not_keep_the_process() -> None:
    process = ProcessSettings(address="127.0.0.1:0")
    async with asyncio.timeout(10), open_http(process, HttpSettings(), Registrants(1)) as server:
        pass
    assert server.draining.is_set()


async def test_socket_that_is_refused_is_no_error_of_the_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("not now", 503))

    router = APIRouter()
    router.add_api_websocket_route("/api/refused", refuse, dependencies=PUBLIC)
    async with listening([router]) as (server, _), aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{await server.listening()}/api/refused")
    assert refused.value.status == 503
    assert [line.message for line in caplog.records if line.levelno >= logging.ERROR] == []


async def test_signals_are_left_to_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with listening():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_cancelling_a_role_drains_open_requests_finish_new_ones_are_refused() -> None:
    gate = Gate()
    async with listening([gate.router]) as (server, role):
        url = await server.listening()
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            running = asyncio.create_task(http.get(f"{url}/api/gate"))
            await gate.entered.wait()
            role.cancel()
            await server.draining.wait()
            gate.open.set()
            assert (await running).json() == "done"
        await asyncio.wait({role})
        assert role.cancelled()
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection(*url.removeprefix("http://").split(":"))


async def test_request_that_does_not_end_is_given_up_in_time() -> None:
    gate = Gate()
    async with listening([gate.router], HttpSettings(drain_s=1)) as (server, role):
        url = await server.listening()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            running = asyncio.create_task(http.get(f"{url}/api/gate"))
            await gate.entered.wait()
            role.cancel()
            await asyncio.wait({role})
            with pytest.raises(httpx.HTTPError):
                (await running).raise_for_status()


async def test_reader_that_reads_nothing_is_cut_off_and_takes_bounded_memory() -> None:
    flood = Flood()
    async with listening([flood.router], HttpSettings(send_timeout_s=0.2)) as (server, _):
        host, port = (await server.listening()).removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.sendall(b"GET /api/flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(20):
                await flood.over.wait()
        assert flood.sent < ENOUGH


async def test_socket_that_reads_nothing_is_cut_off_too() -> None:
    flood = Flood()
    async with listening([flood.router], HttpSettings(send_timeout_s=0.2)) as (server, _):
        host, port = (await server.listening()).removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.sendall(
                b"GET /api/flood HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            async with asyncio.timeout(20):
                await flood.over.wait()
        assert flood.sent < ENOUGH


async def test_reader_that_pauses_and_goes_on_loses_nothing() -> None:
    flood = Flood()
    async with listening([flood.router], HttpSettings(send_timeout_s=20)) as (server, _):
        async with aiohttp.ClientSession() as http:
            answer = await http.get(f"{await server.listening()}/api/flood")
            for _ in range(64):
                assert await answer.content.readexactly(len(CHUNK)) == CHUNK
            answer.close()
        async with asyncio.timeout(10):
            await flood.over.wait()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_does_no_harm(sent: bytes) -> None:
    async with listening([routes()]) as (server, _):
        url = await server.listening()
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        async with asyncio.timeout(10):
            head = await reader.readline()
        assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) or b"200" in head
        assert b" 500 " not in head
        writer.close()
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{url}/health")).status_code == 200
