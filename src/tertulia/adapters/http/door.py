"""What other processes of the installation are known by."""

import asyncio
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tertulia.adapters.http.problems import problem
from tertulia.domain.access import Principal
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.http import SHOWN, shown_pass
from tertulia.ports.peers import Passes
from tertulia.ports.standing import Standing

HEADER: Final = b"x-tertulia-pass"
BEGIN: Final = frozenset(
    {"http.response.start", "websocket.http.response.start", "websocket.accept"}
)


class DeadlineError(TertuliaError):
    """The answer took longer than whoever asked would wait."""

    code = "deadline_passed"
    kind = Kind.UNAVAILABLE


class Door:
    """A pure ASGI middleware: notes a pass that holds, and gives its request up when no answer
    has begun by the time that the pass names."""

    def __init__(self, app: ASGIApp, passes: Passes) -> None:
        self._app = app
        self._passes = passes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = next((value for name, value in scope["headers"] if name == HEADER), None)
        shown = None
        if text is not None:
            method = scope.get("method", "GET")
            shown = await self._passes.check(text.decode("latin-1"), method, _target(scope))
        if shown is None:
            await self._app(scope, receive, send)
            return
        scope["state"][SHOWN] = shown
        await self._in_time(shown.within_s, scope, receive, send)

    async def _in_time(self, within_s: float, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            if not begun and message["type"] in BEGIN:
                begun = True
                limit.reschedule(None)
            await send(message)

        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                await self._app(scope, receive, note)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            await problem(DeadlineError())(scope, receive, send)


class ByPass:
    """The authenticator of a process without a gateway: whom a pass names. A live answer asks
    again and again whether the credential still holds, as at the gateway."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        shown = shown_pass(connection)
        if shown is None or shown.principal is None:
            return None
        who, state = shown.principal, connection.scope["state"]
        if state.get("principal") is None:  # the gateway looked at it just now
            state["principal"] = who
            return who
        if who.via == "open":
            return who
        return who if await self._standing.holds(who.credential_id) else None


def _target(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
