"""What every answer carries and leaves behind: an id, security headers, a log line, metrics."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from tertulia.adapters.http.problems import InternalError, problem
from tertulia.kit.ids import new_id

log = structlog.stdlib.get_logger(__name__)

REQUESTS: Final = Counter(
    "tertulia_http_requests", "Requests answered.", ("method", "route", "status")
)
SECONDS: Final = Histogram(
    "tertulia_http_request_seconds",
    "Time until the answer's head, by route.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
OPEN: Final = Gauge("tertulia_http_open_requests", "Requests and sockets open now.")

FAILED: Final = 400
REQUEST_ID: Final = b"x-request-id"
CLOSE: Final = (b"connection", b"close")
ID: Final = re.compile(r"[0-9a-fA-F-]{36}")

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    # Formulas and highlighted code come with style attributes; they cannot load anything.
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(f"{k} {v}" for k, v in _POLICY.items())

SECURITY_HEADERS: Final = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Observer:
    """The outermost pure ASGI middleware. An exception that nobody foresaw ends here: logged with
    the request's id, answered 500 when no answer has begun.

    A process that is about to stop gives up each connection with the answer that is on it: so its
    client's next request finds another process. Away from the edge a request keeps the id that the
    gateway gave it, and the headers for browsers are the gateway's."""

    def __init__(
        self, app: ASGIApp, *, edge: bool, access_log: bool, leaving: asyncio.Event
    ) -> None:
        self._app = app
        self._leaving = leaving
        self._edge = edge
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_id() if self._edge else given_id(scope) or new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        headers = SECURITY_HEADERS if self._edge else []
        answer = _Answer(send, request_id, headers, self._leaving)
        OPEN.inc()
        try:
            await self._app(scope, receive, answer.send)
        except (ClientDisconnect, ClientDisconnected):  # it left before its request was whole
            pass
        except Exception:
            log.exception("request failed", request_id=request_id, route=route_of(scope))
            if not answer.status:
                await problem(InternalError(request_id=request_id), status=500)(
                    scope, receive, answer.send
                )
        finally:
            OPEN.dec()
            self._note(scope, answer, started)

    def _note(self, scope: Scope, answer: "_Answer", started: float) -> None:
        method = str(scope.get("method", "WEBSOCKET"))
        route = route_of(scope)
        now = time.perf_counter()
        REQUESTS.labels(method, route, str(answer.status)).inc()
        SECONDS.labels(route).observe((answer.begun_at or now) - started)
        if self._access_log:
            # Reading is frequent and changes nothing; a line costs more than a small read does.
            went_well = method == "GET" and answer.status < FAILED
            write = log.debug if went_well else log.info
            write(
                "request",
                request_id=answer.request_id,
                method=method,
                route=route,
                **ids_of(scope),
                status=answer.status,
                ms=round((now - started) * 1000, 2),
            )


class _Answer:
    """Watches an answer go out and adds the headers."""

    __slots__ = ("_headers", "_leaving", "_send", "begun_at", "request_id", "status")

    def __init__(
        self,
        send: Send,
        request_id: str,
        headers: Sequence[tuple[bytes, bytes]],
        leaving: asyncio.Event,
    ) -> None:
        self._send = send
        self._headers = headers
        self._leaving = leaving
        self.request_id = request_id
        self.status = 0
        self.begun_at = 0.0

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
            self.status = message.get("status", 101)
            self.begun_at = time.perf_counter()
            headers = [*message.get("headers", ()), *self._headers]
            headers.append((REQUEST_ID, self.request_id.encode()))
            if self._leaving.is_set() and kind != "websocket.accept":
                headers.append(CLOSE)
            message["headers"] = headers
        await self._send(message)


def given_id(scope: Scope) -> str | None:
    """The id that a request came with, when it looks like one."""
    found = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
    text = found.decode("latin-1")
    return text if ID.fullmatch(text) else None


def route_of(scope: Scope) -> str:
    """The template of the matched route, so that labels stay few."""
    return getattr(scope.get("route"), "path", "none")


def ids_of(scope: Scope) -> dict[str, str]:
    """The ids in the path; what is no id may be anything, and is not logged."""
    found: dict[str, object] = scope.get("path_params", {})
    return {name: str(value) for name, value in found.items() if ID.fullmatch(str(value))}
