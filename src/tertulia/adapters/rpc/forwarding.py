"""An answer of another process, passed on as it comes."""

import asyncio
import re
import string
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import aiohttp
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tertulia.adapters.rpc.line import Asked, GoneBeforeError, Line
from tertulia.kit.reconnecting import spread_ms, sse_hint
from tertulia.ports.http_leaving import Leaving

EVENT_STREAM: Final = b"text/event-stream"

# RFC 9110, section 7.6.1.
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Secrets stay with the gateway, and so do the marks by which it judged where a request is from.
OURS: Final = frozenset(
    {"authorization", "content-length", "cookie", "expect", "host", "origin", "x-request-id"}
)
OURS_BEGIN: Final = ("sec-", "x-tertulia-", "x-forwarded-")
PLAIN: Final = re.compile(r"[\t -~]*")
"""Nothing that we serve reads other characters in a header, and not every parser agrees on them."""
VISIBLE: Final = string.ascii_letters + string.digits + string.punctuation
REQUEST_ID: Final = "x-request-id"
# The edge's listener gives these itself.
EDGE: Final = frozenset({"date", "server", REQUEST_ID})


def passed_on(connection: HTTPConnection) -> dict[str, str]:
    """The headers of a request that the other process may see, and the request's id."""
    dropped = HOP_BY_HOP | OURS | named(connection.headers.getlist("connection"))
    headers: dict[str, str] = {}
    for name, value in connection.headers.items():
        if name in dropped or name.startswith(OURS_BEGIN) or not PLAIN.fullmatch(value):
            continue
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers[REQUEST_ID] = connection.scope["state"].get("request_id", "")
    return headers


def target_of(connection: HTTPConnection) -> str:
    """Path and query as they came; what may not stand in a request line is written as %XX."""
    path: bytes = connection.scope.get("raw_path") or connection.scope["path"].encode()
    query: bytes = connection.scope["query_string"]
    return quote(path + b"?" + query if query else path, safe=VISIBLE)


def named(connection: Iterable[str]) -> frozenset[str]:
    """What the header Connection names belongs to this hop too."""
    return frozenset(name.strip().lower() for value in connection for name in value.split(","))


class Forwarded(Response):
    """Asks when it is sent, so that what goes wrong until the answer's head is there is told in
    the route's own way. Reads no faster than its client does."""

    def __init__(self, line: Line, asked: Asked, leave: asyncio.Event) -> None:
        super().__init__()
        self._line = line
        self._asked = asked
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._forward(receive, send)
        except GoneBeforeError:
            await Response(status_code=204)(scope, receive, send)

    async def _forward(self, receive: Receive, send: Send) -> None:
        async with Leaving(receive), self._line.ask(self._asked) as answer:
            headers = _answered(answer)
            start = {"type": "http.response.start", "status": answer.status, "headers": headers}
            await send(start)
            if dict(headers).get(b"content-type", b"").startswith(EVENT_STREAM):
                await _Events(answer, send).pass_on(self._leave)
            else:
                await _pass_on(answer, send)


async def _pass_on(answer: aiohttp.ClientResponse, send: Send) -> None:
    """An answer that breaks off is left without its end: the listener then breaks off too."""
    try:
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except (aiohttp.ClientError, TimeoutError):
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Events:
    """An event stream. When it breaks off, or the gateway stops, its reader is told to come back;
    it resumes after the last event that it has."""

    def __init__(self, answer: aiohttp.ClientResponse, send: Send) -> None:
        self._answer = answer
        self._send = send
        self._whole = True
        """Whether the last event is out to its end."""

    async def pass_on(self, leave: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                leaving = asyncio.create_task(self._leave(leave, limit))
                try:
                    await self._events(leave)
                finally:
                    leaving.cancel()
        except (aiohttp.ClientError, TimeoutError):
            # A hint in the middle of an event would spoil it; the end says as much.
            if self._whole:
                await self._write(sse_hint(spread_ms()))
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self, leave: asyncio.Event) -> None:
        async for chunk in self._answer.content.iter_any():
            self._whole = False
            await self._write(chunk)
            self._whole = chunk.endswith(b"\n\n")
            if self._whole and leave.is_set():
                raise TimeoutError

    async def _leave(self, leave: asyncio.Event, limit: asyncio.Timeout) -> None:
        await leave.wait()
        if self._whole:
            limit.reschedule(asyncio.get_running_loop().time())

    async def _write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})


def _answered(answer: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    dropped = HOP_BY_HOP | EDGE | named(answer.headers.getall("connection", ()))
    return [
        (name.lower(), value)
        for name, value in answer.raw_headers
        if name.lower().decode("latin-1") not in dropped
    ]
