"""Answers without an end: server-sent events and WebSockets over the same events.

Each reader pulls its own events, so one that reads slowly holds nobody up and nothing piles up for
it. The listener cuts off one that takes nothing at all.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.reconnecting import REASON, RESTARTING, socket_hint, spread_ms, sse_hint
from tertulia.ports.http_leaving import http_gone

SIGNED_OUT: Final = 4401
GONE: Final = 4404
FAILED: Final = 4500
RETRY_MS: Final = 1000
STREAM_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is JSON; `id` is where a reader resumes after it."""

    name: str
    data: bytes
    id: str | None = None


Events = AsyncGenerator[Event, None]
Check = Callable[[], Awaitable[None]]
"""Raises when the caller may no longer read."""


@dataclass(frozen=True, slots=True)
class Live:
    """How live answers are kept. `draining`: the listener is closing."""

    draining: asyncio.Event
    heartbeat_s: float


class Outlet(Protocol):
    """One connected reader."""

    async def event(self, event: Event) -> None: ...

    async def beat(self) -> None: ...

    async def failed(self, error: TertuliaError) -> None: ...

    async def gone(self) -> None:
        """Returns when the reader has left."""
        ...


class ReaderGoneError(Exception):
    """The reader left, or must come back to another process."""


async def pump(events: Events, outlet: Outlet, live: Live, check: Check) -> None:
    """Bring events to a reader until they end, the reader leaves or the process drains."""
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(_until(outlet.gone())),
                tasks.create_task(_until(live.draining.wait())),
                tasks.create_task(_beat(outlet, live, check)),
            ]
            async with aclosing(events):
                await _deliver(events, outlet, check)
            for task in watching:
                task.cancel()
    except* ReaderGoneError:
        pass


async def _deliver(events: Events, outlet: Outlet, check: Check) -> None:
    try:
        async for event in events:
            await check()
            await outlet.event(event)
    except TertuliaError as error:
        await outlet.failed(error)


async def _until(leaving: Awaitable[object]) -> None:
    await leaving
    raise ReaderGoneError


async def _beat(outlet: Outlet, live: Live, check: Check) -> None:
    """Also a quiet reader's credential is looked at now and then."""
    try:
        while True:
            await asyncio.sleep(live.heartbeat_s)
            await check()
            await outlet.beat()
    except TertuliaError as error:
        await outlet.failed(error)
        raise ReaderGoneError from error


class EventStream(Response):
    """Server-sent events (WHATWG HTML, section 9.2)."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, live: Live, check: Check, status_code: int = 200) -> None:
        super().__init__(None, status_code, STREAM_HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._live = live
        self._check = check

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        outlet = _SseOutlet(receive, send)
        await outlet.write(b"retry: %d\n\n" % RETRY_MS)
        await pump(self._events, outlet, self._live, self._check)
        if self._live.draining.is_set():
            await outlet.write(sse_hint(spread_ms()))
        await outlet.end()


class _SseOutlet:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def event(self, event: Event) -> None:
        place = "" if event.id is None else f"id: {event.id}\n"
        await self.write(b"event: %s\n%sdata: %s\n\n" % (
            event.name.encode(), place.encode(), event.data,
        ))  # fmt: skip

    async def beat(self) -> None:
        await self.write(b":\n\n")

    async def failed(self, error: TertuliaError) -> None:
        await self.event(Event("error", error_data(error)))

    async def gone(self) -> None:
        await http_gone(self._receive)


async def serve_socket(socket: WebSocket, events: Events, live: Live, check: Check) -> None:
    """The same events as JSON frames `{"event", "id", "data"}`."""
    await socket.accept()
    outlet = _SocketOutlet(socket)
    await pump(events, outlet, live, check)
    if live.draining.is_set():
        await outlet.restarting()
    await outlet.close(1000, "end")


class _SocketOutlet:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._open = True

    async def event(self, event: Event) -> None:
        place = b"" if event.id is None else b',"id":"%s"' % event.id.encode()
        frame = b'{"event":"%s"%s,"data":%s}' % (event.name.encode(), place, event.data)
        await self._write(frame.decode())

    async def beat(self) -> None:
        await self._write('{"event":"ping"}')

    async def failed(self, error: TertuliaError) -> None:
        await self.event(Event("error", error_data(error)))
        codes = {Kind.UNAUTHENTICATED: SIGNED_OUT, Kind.NOT_FOUND: GONE}
        await self.close(codes.get(error.kind, FAILED), error.code)

    async def gone(self) -> None:
        message: Message = {"type": ""}
        while message["type"] != "websocket.disconnect":
            message = await self._socket.receive()
        self._open = False

    async def restarting(self) -> None:
        with suppress(ReaderGoneError):
            if self._open:
                await self._write(socket_hint(spread_ms()))
            await self.close(RESTARTING, REASON)

    async def close(self, code: int, reason: str) -> None:
        if self._open:
            self._open = False
            with suppress(WebSocketDisconnect):  # it left just now
                await self._socket.close(code, reason)

    async def _write(self, frame: str) -> None:
        try:
            await self._socket.send_text(frame)
        except WebSocketDisconnect as error:
            self._open = False
            raise ReaderGoneError from error


def error_data(error: TertuliaError) -> bytes:
    return msgspec.json.encode({"code": error.code, "detail": error.message, **error.data})
