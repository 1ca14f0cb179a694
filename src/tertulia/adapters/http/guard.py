"""What is refused before any route sees it: foreign hosts, foreign origins, huge bodies."""

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tertulia.adapters.http.problems import problem
from tertulia.kit.errors import Kind, TertuliaError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignHostError(TertuliaError):
    """This server answers only to a loopback name such as localhost or 127.0.0.1."""

    code = "foreign_host"
    kind = Kind.DENIED


class ForeignOriginError(TertuliaError):
    """A page of another origin may not do this."""

    code = "foreign_origin"
    kind = Kind.DENIED


class BodyTooLargeError(TertuliaError):
    """The request is larger than this server takes."""

    code = "message_too_large"
    kind = Kind.TOO_LARGE


class Guard:
    """A pure ASGI middleware. Away from the edge only the size of bodies is looked at: other
    processes come by any name, and no browser can show a pass.

    On loopback the Host header must be a loopback name, so that a name that an attacker points
    at 127.0.0.1 gets nothing (DNS rebinding). A request that changes something, or opens a
    socket, without an Authorization header must come from our own origin: browsers send cookies,
    and reach an open server, on behalf of any page.
    """

    def __init__(self, app: ASGIApp, *, edge: bool, loopback: bool, max_body_bytes: int) -> None:
        self._app = app
        self._edge = edge
        self._loopback = loopback
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refusal = self._refusal(scope, headers) if self._edge else None
        if refusal is not None:
            await problem(refusal)(scope, receive, send)
            return
        length = headers.get(b"content-length", b"")
        if length or b"transfer-encoding" in headers:
            receive = self._limited(receive, int(length[:18]) if length.isdigit() else 0)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> TertuliaError | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if self._loopback and not is_loopback_host(host):
            return ForeignHostError()
        acts = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if acts and b"authorization" not in headers and is_foreign(headers, host):
            return ForeignOriginError()
        return None

    def _limited(self, receive: Receive, announced: int) -> Receive:
        """Refuses when the route reads the body, so that it answers in the route's own way."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            if announced > self._max_body_bytes:
                raise BodyTooLargeError(limit_bytes=self._max_body_bytes)
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise BodyTooLargeError(limit_bytes=self._max_body_bytes)
            return message

        return limited


@lru_cache(maxsize=64)
def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine to itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_foreign(headers: dict[bytes, bytes], host: str) -> bool:
    """Whether a browser says that another origin's page makes this request. Programs that are no
    browsers send neither header."""
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in {b"same-origin", b"none"}:
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin.decode("latin-1")).netloc != host
    except ValueError:
        return True
