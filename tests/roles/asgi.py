"""A client that talks ASGI itself, so that a test sees every event as it is sent, may stop reading
and may leave, all without sockets or clocks."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from starlette.types import ASGIApp, Message, Scope

from tests.e2e.sse import SseEvent, SseParser

Headers = Mapping[str, str]


class Exchange:
    """One request or socket, from the client's side."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.close_code: int | None = None
        self.reading = asyncio.Event()
        """Cleared: the client does not read, so sending to it blocks."""
        self.reading.set()
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._parser = SseParser()
        self._events: list[SseEvent] = []
        self._started = asyncio.Event()

    async def receive(self) -> Message:
        return await self._incoming.get()

    async def send(self, message: Message) -> None:
        await self.reading.wait()
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start" | "websocket.accept":
                self.status = message.get("status", 101)
                raw: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
                self.headers = {name.decode(): value.decode() for name, value in raw}
                self._started.set()
            case "http.response.body" | "websocket.http.response.body":
                self._outgoing.put_nowait(message.get("body", b""))
                if not message.get("more_body", False):
                    self._outgoing.put_nowait(None)
            case "websocket.send":
                self._outgoing.put_nowait(message["text"].encode())
            case _:
                self.close_code = message.get("code", 1000)
                self._outgoing.put_nowait(None)

    def tell(self, message: Message) -> None:
        self._incoming.put_nowait(message)

    def leave(self) -> None:
        """Hang up."""
        self.tell({"type": "http.disconnect"})

    async def started(self) -> int:
        async with asyncio.timeout(10):
            await self._started.wait()
        return self.status

    async def chunk(self) -> bytes | None:
        """The next piece of the body, or the next frame; None at the end."""
        async with asyncio.timeout(10):
            return await self._outgoing.get()

    async def body(self) -> bytes:
        whole = b""
        while (chunk := await self.chunk()) is not None:
            whole += chunk
        return whole

    async def event(self) -> SseEvent | None:
        """The next server-sent event; None at the end."""
        while not self._events:
            chunk = await self.chunk()
            if chunk is None:
                return None
            self._events += self._parser.feed(chunk)
        return self._events.pop(0)

    async def frame(self) -> dict[str, Any] | None:
        """The next frame of a socket; None at the end."""
        chunk = await self.chunk()
        return None if chunk is None else msgspec.json.decode(chunk)


@asynccontextmanager
async def opened(
    app: ASGIApp,
    path: str,
    *,
    method: str = "GET",
    kind: Literal["http", "websocket"] = "http",
    headers: Headers | None = None,
    body: bytes | None = None,
) -> AsyncGenerator[Exchange]:
    """A running exchange; at the end of the block the client has left."""
    exchange = Exchange()
    if kind == "http":
        exchange.tell({"type": "http.request", "body": body or b"", "more_body": False})
    else:
        exchange.tell({"type": "websocket.connect"})
    scope = _scope(path, method, kind, headers or {}, body)
    running = asyncio.create_task(_run(app, scope, exchange))
    try:
        yield exchange
    finally:
        exchange.reading.set()
        if kind == "http":
            exchange.leave()
        else:
            exchange.tell({"type": "websocket.disconnect", "code": 1005})
        async with asyncio.timeout(10):
            await running


async def _run(app: ASGIApp, scope: Scope, exchange: Exchange) -> None:
    await app(scope, exchange.receive, exchange.send)


def _scope(path: str, method: str, kind: str, headers: Headers, body: bytes | None) -> Scope:
    raw = {"host": "127.0.0.1", **headers}
    if body is not None:
        raw = {"content-type": "application/json", "content-length": str(len(body)), **raw}
    plain, _, query = path.partition("?")
    scope: Scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": plain,
        "raw_path": plain.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in raw.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    if kind == "websocket":
        return {**scope, "subprotocols": [], "extensions": {"websocket.http.response": {}}}
    return {**scope, "method": method}
