"""The way from a gateway to another process: what is passed on, to whom, and what when it dies.

That a person cannot tell is shown by the tests of the chat role, which run over it as well."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket

from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.server import HttpServer, open_http
from tertulia.adapters.http.settings import HttpSettings
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.rpc.passes import SealedPasses
from tertulia.adapters.rpc.peers import open_peers
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.domain.access import Principal, Rule
from tertulia.domain.ids import UserId
from tertulia.kit.clock import SystemClock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.http import Registrants, requires
from tertulia.ports.peers import Pass, Surface
from tertulia.roles.gateway.api.leading import leading

WHO: Final = Principal(user_id=UserId("u1"), via="token", credential_id="c1")
INTERNAL: Final = [requires(Rule.INTERNAL)]
ANY: Final = ProcessSettings(address="127.0.0.1:0")
EVENT: Final = b"event: delta\ndata: {}\n\n"


@dataclass
class Replica:
    """A process of the role: it notes what it is asked, and does what the test says."""

    name: str
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    dies: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def router(self) -> APIRouter:
        router = APIRouter(dependencies=INTERNAL)
        router.add_api_route("/api/stream", self.stream, methods=["GET"])
        router.add_api_route("/api/wait", self.wait, methods=["GET"])
        router.add_api_websocket_route("/api/socket", self.socket)
        for path in ("/api/{path:path}", "/chat/{path:path}"):
            router.add_api_route(path, self.answer, methods=["GET", "POST", "PATCH", "DELETE"])
        return router

    async def answer(self, request: Request) -> Response:
        target = f"{request.scope['raw_path'].decode()}?{request.url.query}"
        body = await request.body()
        self.asked.append((request.method, target, body, dict(request.headers)))
        if self.dies:
            raise DiedError
        if request.method == "DELETE":
            return Response("nothing there", 404)
        return Response(self.name, 201, {"x-kept": "yes", "connection": "x-hop", "x-hop": "no"})

    async def stream(self) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def wait(self) -> None:
        await self.go_on.wait()

    async def _events(self) -> AsyncGenerator[bytes]:
        try:
            yield EVENT
            await self.go_on.wait()
            yield b"data: half"
            raise DiedError
        finally:
            self.left.set()

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await self.go_on.wait()
        await websocket.close(4404, "gone")


class DiedError(Exception):
    """The process is gone."""


@dataclass
class House:
    """A gateway before some replicas. `url`: the gateway's."""

    url: str
    gateway: HttpServer
    replicas: list[Replica]
    urls: list[str]
    passes: SealedPasses


SURFACES: Final = (
    Surface(role="chat", prefix="/chat/", rule=Rule.SIGNED_IN, repeatable=False),
    Surface(role="chat", prefix="/api/", rule=Rule.SIGNED_IN, sockets=True),
)


async def known(_connection: object) -> Principal:
    return WHO


@asynccontextmanager
async def house(
    count: int = 1, *, more: Sequence[str] = (), settings: PeersSettings | None = None
) -> AsyncGenerator[House]:
    passes, settings = SealedPasses(MemoryVault(), SystemClock()), settings or PeersSettings()
    replicas = [Replica(str(n)) for n in range(count)]
    async with AsyncExitStack() as stack:
        urls: list[str] = []
        for replica in replicas:
            exposure = Exposure(edge=False, passes=passes)
            opened = open_http(ANY, HttpSettings(drain_s=1), Registrants(1), exposure)
            server = await stack.enter_async_context(opened)
            server.include(replica.router())
            server.registered()
            urls.append(await server.listening())
        names = {"chat": [*more, *urls]}
        peers = await stack.enter_async_context(open_peers(SURFACES, names, passes, settings))
        gateway = await stack.enter_async_context(open_http(ANY, HttpSettings(), Registrants(1)))
        gateway.authenticate_with(known)
        gateway.include(leading(peers, gateway.draining))
        gateway.registered()
        yield House(await gateway.listening(), gateway, replicas, urls, passes)


@asynccontextmanager
async def client(made: House) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=made.url, trust_env=False, timeout=20) as http:
        yield http


async def unused_url() -> str:
    """Where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def test_request_and_answer_are_passed_on_without_secrets_and_hops() -> None:
    async with house() as made, client(made) as http:
        answer = await http.post(
            "/api/a%20b?x=%2F&y=1",
            content=b"body",
            headers={
                "authorization": "Bearer tt_secret",
                "cookie": "tertulia_session=secret",
                "x-tertulia-pass": "forged",
                "x-forwarded-for": "1.2.3.4",
                "connection": "keep-alive, x-mine",
                "x-mine": "1",
                "x-other": "2",
                "accept": "text/event-stream",
            },
        )
        assert (answer.status_code, answer.text) == (201, "0")
        assert answer.headers["x-kept"] == "yes"
        assert "x-hop" not in answer.headers
        [(method, target, body, headers)] = made.replicas[0].asked
        assert (method, target, body) == ("POST", "/api/a%20b?x=%2F&y=1", b"body")
        assert headers["accept"] == "text/event-stream"
        assert headers["x-other"] == "2"
        assert headers["x-request-id"] == answer.headers["x-request-id"]
        assert "secret" not in str(headers)
        assert not {"x-mine", "x-forwarded-for", "cookie", "authorization"} & set(headers)
        assert headers["x-tertulia-pass"] != "forged"


async def test_answers_for_browsers_carry_the_edge_s_headers_once() -> None:
    async with house() as made, client(made) as http:
        answer = await http.get("/api/x")
        for name in ("content-security-policy", "x-content-type-options", "x-request-id", "date"):
            assert len(answer.headers.get_list(name)) == 1, name


async def test_requests_go_to_all_replicas() -> None:
    async with house(3) as made, client(made) as http:
        answers = {(await http.get("/api/x")).text for _ in range(60)}
        assert answers == {"0", "1", "2"}


@pytest.mark.parametrize("path", ["/api/x", "/chat/x"])
async def test_replica_that_refuses_connections_is_skipped(path: str) -> None:
    async with house(1, more=[await unused_url()]) as made, client(made) as http:
        answers = [(await http.post(path)).text for _ in range(20)]
        assert answers == ["0"] * 20


async def test_request_that_killed_its_process_is_asked_again_only_where_that_does_no_harm() -> (
    None
):
    async with dying() as url, house(1, more=[url]) as made, client(made) as http:
        said = [(await http.post("/api/x")).status_code for _ in range(12)]
        assert said == [201] * 12
        said = [(await http.get("/chat/x")).status_code for _ in range(12)]
        assert said == [201] * 12
        said = [(await http.post("/chat/x")).status_code for _ in range(40)]
        assert set(said) <= {201, 503}
    async with dying() as url, house(0, more=[url]) as made, client(made) as http:
        assert (await http.post("/chat/x")).status_code == 503


async def test_what_is_gone_when_its_deletion_is_repeated_was_deleted() -> None:
    async with dying() as url, house(1, more=[url]) as made, client(made) as http:
        answers = [await http.delete("/api/x") for _ in range(12)]
        repeated = [answer for answer in answers if answer.status_code == 204]
        assert repeated
        assert not any(answer.content for answer in repeated)
        assert {answer.status_code for answer in answers} == {204, 404}
    async with house(1) as made, client(made) as http:
        assert (await http.delete("/api/x")).status_code == 404


async def test_what_a_process_takes_over_a_kept_connection_and_dies_of_was_deleted() -> None:
    kept, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        kept.set()
        await reader.readuntil(b"\r\n\r\n")
        server.close()
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, house(1, more=[url]) as made, client(made) as http, asyncio.timeout(30):
        while not kept.is_set():
            await http.get("/api/x")
        said: list[int] = []
        while not gone.is_set():
            said.append((await http.delete("/api/x")).status_code)
        assert said == [*[404] * (len(said) - 1), 204]


@asynccontextmanager
async def dying() -> AsyncGenerator[str]:
    """A process that takes a request and is gone."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(die, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_without_a_replica_a_problem_says_when_to_try_again() -> None:
    async with house(0, more=[await unused_url()]) as made, client(made) as http:
        answer = await http.get("/api/x")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["code"] == "role_unavailable"
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await http.get("/health")).status_code == 200
        async with aiohttp.ClientSession() as browser:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await browser.ws_connect(f"{made.url}/api/socket")
            assert refused.value.status == 503


async def test_answer_that_does_not_begin_in_time_is_given_up() -> None:
    settings = PeersSettings(answer_s=0.2)
    async with house(1, settings=settings) as made, client(made) as http:
        answer = await http.get("/api/wait")
        assert answer.status_code == 503
        assert answer.json()["code"] in {"role_unavailable", "deadline_passed"}


async def test_client_that_leaves_takes_its_request_along() -> None:
    async with house(1) as made, aiohttp.ClientSession() as browser:
        stream = await browser.get(f"{made.url}/api/stream")
        assert await stream.content.readexactly(len(EVENT)) == EVENT
        stream.close()
        async with asyncio.timeout(10):
            await made.replicas[0].left.wait()


async def test_stream_comes_as_it_is_written_and_its_break_is_told() -> None:
    async with house(1) as made, aiohttp.ClientSession() as browser:
        stream = await browser.get(f"{made.url}/api/stream")
        async with asyncio.timeout(10):
            assert await stream.content.readexactly(len(EVENT)) == EVENT
            made.replicas[0].go_on.set()
            rest = await stream.content.read()
        assert rest == b"data: half"  # no hint in the middle of an event


async def test_gateway_that_stops_tells_readers_to_come_back() -> None:
    async with house(1) as made, aiohttp.ClientSession() as browser:
        stream = await browser.get(f"{made.url}/api/stream")
        conversation = await browser.ws_connect(f"{made.url}/api/socket")
        await conversation.send_str("hello")
        assert await conversation.receive_str() == "hello"
        async with asyncio.timeout(10):
            assert await stream.content.readexactly(len(EVENT)) == EVENT
            made.gateway.drain()
            assert b"\nevent: restarting\n" in await stream.content.read()
            assert (await conversation.receive_json())["event"] == "restarting"
            closing = await conversation.receive()
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_socket_is_passed_on_both_ways_and_closes_as_the_other_side_says() -> None:
    async with (
        house(1) as made,
        aiohttp.ClientSession() as browser,
        browser.ws_connect(f"{made.url}/api/socket") as conversation,
    ):
        await conversation.send_str("grüße")
        assert await conversation.receive_str() == "grüße"
        made.replicas[0].go_on.set()
        closing = await conversation.receive()
        assert (closing.data, closing.extra) == (4404, "gone")


async def test_outsiders_get_in_nowhere_but_at_the_probes() -> None:
    async with house(1) as made:
        elsewhere = await made.passes.issue(
            Pass(issuer="gateway", principal=WHO, within_s=9), "GET", "/api/other"
        )
        forged = await SealedPasses(MemoryVault(), SystemClock()).issue(
            Pass(issuer="gateway", principal=WHO, within_s=9), "GET", "/api/x"
        )
        async with httpx.AsyncClient(base_url=made.urls[0], trust_env=False) as outsider:
            for text in (None, "", "AAAA.BBBB", forged, elsewhere):
                headers = {} if text is None else {"x-tertulia-pass": text}
                headers |= {"host": "chat.svc", "authorization": "Bearer tt_x"}
                assert (await outsider.get("/api/x", headers=headers)).status_code == 401, text
            assert (await outsider.get("/health")).status_code == 200
            assert (await outsider.get("/metrics")).status_code == 200
            assert (await outsider.get("/")).status_code == 404
        assert made.replicas[0].asked == []
